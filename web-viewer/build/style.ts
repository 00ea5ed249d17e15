// Styles and colours: templates in ../styles name colours as "@token"; here they become complete MapLibre styles and CSS variables.
import { readFileSync } from 'node:fs';
import type { FontFace } from './fonts.ts';

const styles = new URL('../../styles/', import.meta.url);
type Theme = Record<string, string>;

/** Themes of tokens.json. Light and print are the same layout with other tokens. */
export const THEMES = ['dark', 'light', 'print'];

function tokens(theme: string): Theme {
  const found = (JSON.parse(readFileSync(new URL('tokens.json', styles), 'utf8')) as Record<string, Theme>)[theme];
  if (!found) throw new Error(`styles/tokens.json has no theme ${theme}`);
  return found;
}

/** The style of a theme: layers are the same in all, `styles/map.json`, with the theme's colours and the fonts filled in. An unknown token
    fails the build. */
export function style(theme: string, faces: Record<string, FontFace[]>): unknown {
  const known = tokens(theme);
  const template = readFileSync(new URL('map.json', styles), 'utf8');
  const filled: unknown = JSON.parse(template, (_, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith('@')) return value;
    const colour = known[value.slice(1)];
    if (!colour) throw new Error(`styles/map.json names ${value}, which theme ${theme} of tokens.json does not have`);
    return colour;
  });
  return { ...(filled as object), name: `wangge ${theme}`, 'font-faces': faces };
}

/** The colours of every theme as CSS variables: dark unless the page asks for another; paper has its own. */
export function colours(): string {
  const list = (theme: string) => Object.entries(tokens(theme)).map(([token, colour]) => `--${token}:${colour}`).join(';');
  return `:root{color-scheme:dark;${list('dark')}}:root[data-theme="light"]{color-scheme:light;${list('light')}}:root[data-theme="print"],:root[data-sheet]{color-scheme:light;${list('print')}}@media print{:root,:root[data-theme]{color-scheme:light;${list('print')}}}`;
}
