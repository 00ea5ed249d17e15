import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { fonts } from '../../build/fonts';
import { WORDS } from '../../src/words';
import { characters } from './woff2';

const home = fileURLToPath(new URL('../../../', import.meta.url));
const font = fonts();

/** By weight: the ranges that a browser looks in, and the characters that are in the file it then fetches. */
function shipped(weight: number): (code: number) => boolean {
  const files = new Map(font.files.filter(([name]) => name.endsWith('.woff2')));
  const subsets = [...font.css.matchAll(/font-weight:(\d+);[^}]*url\(\/fonts\/([^)]+)\)[^}]*unicode-range:([^}]+)\}/g)].filter(([, of]) => Number(of) === weight)
    .map(([, , name, ranges]) => ({
      name: name!,
      ranges: ranges!.split(',').map((range) => {
        const [from, to] = range.trim().replace(/^U\+/i, '').split('-').map((hex) => parseInt(hex, 16));
        return [from!, to ?? from!] as const;
      }),
    }));
  const held = new Map<string, Set<number>>();
  const charactersOf = (name: string) => {
    if (!held.has(name)) held.set(name, characters(readFileSync(files.get(name)!)));
    return held.get(name)!;
  };
  return (code) => subsets.some(({ name, ranges }) => ranges.some(([from, to]) => code >= from && code <= to) && charactersOf(name).has(code));
}

/** Characters that are drawn: no controls, no spaces. */
const drawn = (text: string) => new Set([...text].filter((character) => character > ' ' && !/[\u007f-\u00a0\u2000-\u200f\u2028-\u202e\ufe0f\ufeff\p{Cn}\p{Co}]/u.test(character)));

function missing(text: string, weight: number): string[] {
  const has = shipped(weight);
  return [...drawn(text)].filter((character) => !has(character.codePointAt(0)!)).sort();
}

const textsIn = (folder: string, ending: RegExp): string => readdirSync(folder).filter((name) => ending.test(name) && statSync(join(folder, name)).isFile())
  .map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');

test('a font is read: its own letters are in it, others are not', () => {
  const [, latin] = font.files.find(([name]) => /latin-400/.test(name) && !/ext/.test(name))!;
  const held = characters(readFileSync(latin));
  expect(['A', 'z', '0', '9'].every((letter) => held.has(letter.codePointAt(0)!))).toBe(true);
  expect(held.has('网'.codePointAt(0)!)).toBe(false);
  expect(missing('网格\u{1F600}', 400)).toEqual(['\u{1F600}']);
});

test('every character of the words and their numbers has a glyph, in both weights', () => {
  const text = Object.values(WORDS).flat().join('') + '0123456789,.+-–·›×%²…✓■';
  for (const weight of [400, 600]) expect(missing(text, weight), String(weight)).toEqual([]);
});

test('every character of the demo has a glyph: names of places, people, categories and cases', () => {
  // Of the sources only what is Chinese: the rest is program.
  const told = textsIn(join(home, 'src/demo'), /\.rs$/).match(/[\u3000-\u9fff\uff00-\uffef]/g)!.join('');
  const text = textsIn(join(home, 'geodata/demo'), /\.csv$/) + textsIn(join(home, 'geodata/codes'), /\.tsv$/) + told;
  expect(drawn(text).size).toBeGreaterThan(800);
  for (const weight of [400, 600]) expect(missing(text, weight), String(weight)).toEqual([]);
});

const data = [process.env['WANGGE_DATA'], join(home, '../shared/data')].find((folder) => folder && existsSync(folder));

if (data) {
  test('every character of the names of the nation has a glyph', () => {
    const names = textsIn(join(data, 'codes'), /\.csv$/);
    expect(drawn(names).size).toBeGreaterThan(3000);
    expect(missing(names, 400)).toEqual([]);
  });
}
