import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const home = fileURLToPath(new URL('../../../', import.meta.url));
const tokens = JSON.parse(readFileSync(join(home, 'styles/tokens.json'), 'utf8')) as Record<string, Record<string, string>>;

function filesIn(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  });
}

test('colours are written in styles/tokens.json only', () => {
  const written = [...filesIn(join(home, 'styles')), ...filesIn(join(home, 'web-viewer/src')), join(home, 'web-viewer/index.html')]
    .filter((path) => !path.endsWith('tokens.json'))
    .flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/#[0-9a-f]{3,8}\b|\b(?:rgb|hsl)a?\(/gi)].map(([colour]) => `${path}: ${colour}`));
  expect(written).toEqual([]);
});

/** WCAG 2.2, relative luminance. */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
const contrast = (a: string, b: string) => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);

test('text and state colours are readable on every ground they stand on', () => {
  for (const [name, theme] of Object.entries(tokens)) {
    expect(Object.keys(theme).sort(), `${name} has every token`).toEqual(Object.keys(tokens['dark']!).sort());
    for (const ground of ['ground', 'panel', 'land']) {
      for (const ink of ['text', 'second', 'third', 'overdue', 'accent']) {
        expect(contrast(theme[ink]!, theme[ground]!), `${name}: ${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
      }
    }
    // The sea bears marks, names and coordinates, no panel's text.
    for (const ink of ['text', 'second', 'overdue']) expect(contrast(theme[ink]!, theme['sea']!), `${name}: ${ink} on sea`).toBeGreaterThanOrEqual(4);
    expect(contrast(theme['soon']!, theme['panel']!), `${name}: soon on panel`).toBeGreaterThanOrEqual(4.5);
  }
});
