import { expect, test } from 'vitest';
import { format, parse, type Route } from '../../src/route';

test('an address says the mode, and a mode its address', () => {
  const routes: Route[] = [
    { mode: { kind: 'top' }, at: null, lang: 'zh', theme: 'dark' },
    { mode: { kind: 'grid', code: '330902001001003' }, at: null, lang: 'zh', theme: 'dark' },
    { mode: { kind: 'region', code: '3309' }, at: '2026-03-03', lang: 'en', theme: 'light' },
    { mode: { kind: 'grid', code: 'A&B/7' }, at: null, lang: 'zh', theme: 'dark' },
  ];
  for (const route of routes) expect(parse(format(route))).toEqual(route);
  expect(format(routes[0]!)).toBe('');
});

test('what is no date, no language and no theme is left out', () => {
  expect(parse('?at=yesterday&lang=fr&theme=pink')).toEqual({ mode: { kind: 'top' }, at: null, lang: 'zh', theme: 'dark' });
});
