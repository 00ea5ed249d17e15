// Styles and colours: templates in ../styles name colours as "@token"; here they become complete MapLibre styles and CSS variables.
import { readFileSync } from 'node:fs';
import type { FontFace } from './fonts.ts';

const styles = new URL('../../styles/', import.meta.url);
type Theme = Record<string, string>;

function tokens(theme: string): Theme {
  const found = (JSON.parse(readFileSync(new URL('tokens.json', styles), 'utf8')) as Record<string, Theme>)[theme];
  if (!found) throw new Error(`styles/tokens.json has no theme ${theme}`);
  return found;
}

/** The style `name` with its colours and fonts filled in. An unknown token fails the build. */
export function style(name: string, faces: Record<string, FontFace[]>): unknown {
  const theme = tokens(name);
  const template = readFileSync(new URL(`${name}.json`, styles), 'utf8');
  const filled: unknown = JSON.parse(template, (_, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith('@')) return value;
    const colour = theme[value.slice(1)];
    if (!colour) throw new Error(`styles/${name}.json names ${value}, which is not in tokens.json`);
    return colour;
  });
  return { ...(filled as object), 'font-faces': faces };
}

/** The colours of a theme as CSS variables. */
export function colours(name: string): string {
  return `:root{color-scheme:${name};${Object.entries(tokens(name)).map(([token, colour]) => `--${token}:${colour}`).join(';')}}`;
}
