// The address is the mode: ?grid=CODE, ?region=CODE, with &at=DATE (boundaries of then), &lang=en and &theme=light. Nothing else is
// remembered.
import { signal } from '@preact/signals';

export type Mode = { kind: 'grid'; code: string } | { kind: 'region'; code: string } | { kind: 'top' };
export interface Route { mode: Mode; at: string | null; lang: 'zh' | 'en'; theme: 'dark' | 'light' }

export function parse(query: string): Route {
  const told = new URLSearchParams(query);
  const grid = told.get('grid'), region = told.get('region'), at = told.get('at');
  return {
    mode: grid ? { kind: 'grid', code: grid } : region ? { kind: 'region', code: region } : { kind: 'top' },
    at: at && /^\d{4}-\d{2}-\d{2}$/.test(at) ? at : null,
    lang: told.get('lang') === 'en' ? 'en' : 'zh',
    theme: told.get('theme') === 'light' ? 'light' : 'dark',
  };
}

/** The query string of a route, without a leading `?` when there is nothing to say. */
export function format({ mode, at, lang, theme }: Route): string {
  const query = new URLSearchParams();
  if (mode.kind !== 'top') query.set(mode.kind, mode.code);
  if (at) query.set('at', at);
  if (lang === 'en') query.set('lang', lang);
  if (theme === 'light') query.set('theme', theme);
  const text = query.toString();
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
