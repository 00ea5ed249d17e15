import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { WORDS } from '../../src/words';

const source = (folder: string): string => readdirSync(new URL(folder, import.meta.url), { withFileTypes: true })
  .map((entry) => (entry.isDirectory() ? source(`${folder}${entry.name}/`) : readFileSync(new URL(folder + entry.name, import.meta.url), 'utf8'))).join('\n');

/** Words that are the same in both languages, or need none in one. */
const BARE = new Set(['items', 'pieces']);

test('every word is there in both languages, each in its own letters', () => {
  for (const [word, [zh, en]] of Object.entries(WORDS)) {
    expect(zh.trim(), word).not.toBe('');
    expect(/[\u4e00-\u9fff]/.test(zh), `${word} in Chinese: ${zh}`).toBe(true);
    if (!BARE.has(word)) expect(en.trim(), word).not.toBe('');
    expect(/[\u3000-\u9fff]/.test(en), `${word} in English: ${en}`).toBe(false);
  }
});

test('no text stands beside the words', () => {
  const told = source('../../src/ui/') + source('../../src/page/') + source('../../src/map/') + source('../../src/log-in/');
  const code = told.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').replaceAll('中文', '').replaceAll("'网格'", '').replaceAll('文</span>', '');
  expect(code.match(/[\u4e00-\u9fff]+/g)).toBeNull();
});
