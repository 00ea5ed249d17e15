import { expect, test } from 'vitest';
import { format, parse, type Route } from '../../src/route';

const plain: Route = { mode: { kind: 'top' }, at: null, area: null, measure: null, hide: [], sets: [], base: null, layers: null, lang: 'zh', theme: 'dark', wall: null };

test('an address says the mode, and a mode its address', () => {
  const routes: Route[] = [
    plain,
    { ...plain, mode: { kind: 'grid', code: '330902001001003' } },
    { ...plain, mode: { kind: 'region', code: '3309' }, at: '2026-03-03', lang: 'en', theme: 'light' },
    { ...plain, mode: { kind: 'grid', code: 'A&B/7' }, theme: 'print' },
    { ...plain, measure: 'area_m2', hide: ['border_0', 'cases'], sets: ['business', 'police'] },
    { ...plain, base: 'tdt_img', layers: ['flood', 'rain'] },
    { ...plain, base: 'none', layers: [] },
    { ...plain, area: { kind: 'circle', centre: [122.1, 30.01], radius_m: 250 }, wall: { cols: 4, rows: 2, distance_m: 8, pitch_mm: 1.25, check: true } },
    { ...plain, wall: { cols: null, rows: null, distance_m: null, pitch_mm: null, check: false } },
  ];
  for (const route of routes) expect(parse(format(route))).toEqual(route);
  expect(format(plain)).toBe('');
  expect(format(routes[7]!)).toBe('?area=circle,122.1,30.01,250&wall=1&cols=4&rows=2&distance=8&pitch=1.25&check=');
});

test('what is no date, no language, no theme, no area and no measure is left out', () => {
  expect(parse('?at=yesterday&lang=fr&theme=pink&area=circle,1&measure=luck&hide=,A%20B&sets=P,a-b&base=A-1&cols=3')).toEqual(plain);
});

test('a wall keeps to what can be built', () => {
  expect(parse('?wall=1&cols=0&rows=900&distance=-1&pitch=abc').wall).toEqual({ cols: null, rows: null, distance_m: null, pitch_mm: null, check: false });
});
