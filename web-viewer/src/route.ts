// The address is the mode: ?grid=CODE, ?region=CODE, with &at=DATE (boundaries of then), &area=… (what is picked on the map), &measure=…,
// &hide=… (layers put away), &sets=… (other grids drawn over it), &base=… (map under it), &layers=… (things of others on it), &lang=en, &theme=light, and what a wall says of itself. Nothing else is remembered.
import { signal } from '@preact/signals';
import { areaText, parseArea, type Area } from './area';
import { parseWall, wallText, type Wall } from './wall';

export type Mode = { kind: 'grid'; code: string } | { kind: 'region'; code: string } | { kind: 'top' };
export const THEMES = ['dark', 'light', 'print'] as const;
export type Theme = (typeof THEMES)[number];
/** What the parts of a place are compared by. */
export const MEASURES = ['grids', 'staff', 'households', 'population', 'facilities', 'area_m2'] as const;
export type Measure = (typeof MEASURES)[number];

export interface Route {
  mode: Mode;
  at: string | null;
  /** What is picked on the map beside the place. */
  area: Area | null;
  /** null: cases on plain land. */
  measure: Measure | null;
  /** Layers that are put away, in order. */
  hide: readonly string[];
  /** Grid sets that are drawn over the hierarchy's, in order. */
  sets: readonly string[];
  /** The map under ours; null: as the settings have it; `none`: none. */
  base: string | null;
  /** Thematic layers that are drawn, in order; null: as the settings have it. */
  layers: readonly string[] | null;
  lang: 'zh' | 'en';
  theme: Theme;
  wall: Wall | null;
}

const one = <T extends string>(all: readonly T[], told: string | null): T | null => all.find((value) => value === told) ?? null;

export function parse(query: string): Route {
  const told = new URLSearchParams(query);
  const grid = told.get('grid'), region = told.get('region'), at = told.get('at');
  return {
    mode: grid ? { kind: 'grid', code: grid } : region ? { kind: 'region', code: region } : { kind: 'top' },
    at: at && /^\d{4}-\d{2}-\d{2}$/.test(at) ? at : null,
    area: parseArea(told.get('area')),
    measure: one(MEASURES, told.get('measure')),
    hide: [...new Set((told.get('hide') ?? '').split(',').filter((id) => /^[a-z0-9_]+$/.test(id)))].sort(),
    sets: [...new Set((told.get('sets') ?? '').split(',').filter((set) => /^[a-z0-9_]{1,24}$/.test(set)))].sort(),
    base: /^[a-z0-9_]{1,24}$/.test(told.get('base') ?? '') ? told.get('base') : null,
    layers: told.has('layers') ? [...new Set(told.get('layers')!.split(',').filter((id) => /^[a-z0-9_]{1,24}$/.test(id)))].sort() : null,
    lang: told.get('lang') === 'en' ? 'en' : 'zh',
    theme: one(THEMES, told.get('theme')) ?? 'dark',
    wall: parseWall(told),
  };
}

/** The query string of a route with its `?`; empty when there is nothing to say. */
export function format({ mode, at, area, measure, hide, sets, base, layers, lang, theme, wall }: Route): string {
  const query = new URLSearchParams();
  if (mode.kind !== 'top') query.set(mode.kind, mode.code);
  if (at) query.set('at', at);
  if (area) query.set('area', areaText(area));
  if (measure) query.set('measure', measure);
  if (hide.length > 0) query.set('hide', hide.join(','));
  if (sets.length > 0) query.set('sets', sets.join(','));
  if (base !== null) query.set('base', base);
  if (layers !== null) query.set('layers', layers.join(','));
  if (lang === 'en') query.set('lang', lang);
  if (theme !== 'dark') query.set('theme', theme);
  if (wall) for (const [key, value] of wallText(wall)) query.set(key, value);
  // Commas are legal in a query and a person can read them.
  const text = query.toString().replaceAll('%2C', ',');
  return text && `?${text}`;
}

export const route = signal<Route>(parse(typeof location === 'undefined' ? '' : location.search));

/** Goes where a person asked to go; the way back is the browser's. */
export function go(change: Partial<Route>): void {
  const next = { ...route.value, ...change };
  if (format(next) === format(route.value)) return;
  history.pushState(null, '', location.pathname + format(next));
  route.value = next;
}

export function listen(): void {
  addEventListener('popstate', () => { route.value = parse(location.search); });
}
