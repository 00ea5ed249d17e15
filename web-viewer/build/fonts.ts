// Noto Sans SC (OFL-1.1) in 400 and 600, as the subsets of its package: a browser fetches only the ranges that a page uses.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface FontFace { url: string; 'unicode-range': string[] }
export interface Fonts {
  /** @font-face rules for the page. */
  css: string;
  /** The `font-faces` of a map style, by the name in `text-font`: 400 only, no map text is bold. */
  faces: Record<string, FontFace[]>;
  /** Name under /fonts/ and where it lies now. */
  files: [string, string][];
}

const FAMILY = 'Noto Sans SC';
const WEIGHTS = [400, 600];
/** Rare characters of place names, which the package leaves out. */
const rare = (weight: number) => fileURLToPath(new URL(`../../styles/fonts/noto-sans-sc-rare-${weight}-normal.woff2`, import.meta.url));
const RARE = '㙍㙦㮾㯊㳇㵲䃥䢺咇圐坬垇堨墕峧昄椑榃汈浰滍漋漹瀂甽硍磏筸篢耈荍蔈鄚酂骔鮜鴜';
const RULE = /url\(\.\/(files\/[^)]+\.woff2)\)[^}]*?unicode-range:\s*([^;]+);/g;

export function fonts(): Fonts {
  const home = dirname(createRequire(import.meta.url).resolve('@fontsource/noto-sans-sc/400.css'));
  const made: Fonts = { css: '', faces: {}, files: [['OFL.txt', join(home, 'LICENSE')]] };
  for (const weight of WEIGHTS) {
    const faces: FontFace[] = [];
    const add = (path: string, ranges: string) => {
      const url = `/fonts/${basename(path)}`;
      made.css += `@font-face{font-family:"${FAMILY}";font-weight:${weight};font-display:swap;src:url(${url}) format("woff2");unicode-range:${ranges}}\n`;
      made.files.push([basename(path), path]);
      faces.push({ url, 'unicode-range': ranges.split(',') });
    };
    for (const [, file, ranges] of readFileSync(join(home, `${weight}.css`), 'utf8').matchAll(RULE)) add(join(home, file!), ranges!);
    // The last face that has a character is the one that draws it.
    add(rare(weight), [...RARE].map((character) => `U+${character.codePointAt(0)!.toString(16).toUpperCase()}`).join(','));
    if (weight === 400) made.faces[FAMILY] = faces;
  }
  return made;
}
