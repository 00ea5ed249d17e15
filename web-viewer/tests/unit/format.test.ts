import { afterEach, expect, test } from 'vitest';
import { area, beidouLevel, count, credits, due, position, span } from '../../src/format';
import { route } from '../../src/route';

afterEach(() => { route.value = { ...route.value, lang: 'zh' }; });

test('thousands are parted by a thin space', () => {
  expect([0, 999, 1000, 365420].map(count)).toEqual(['0', '999', '1\u2009000', '365\u2009420']);
});

test('a map says whose it is and under which number it was approved', () => {
  expect(credits({ attribution: ['某局', '© OSM'] })).toBe('某局 · © OSM');
  expect(credits({ attribution: ['某局'], map_approval: 'GS(2024)1234号' })).toBe('某局 · 审图号 GS(2024)1234号');
  expect(credits({ attribution: [], map_approval: null })).toBe('');
  expect(credits({ attribution: ['某局'] }, ['', '天地图 GS(2024)1号', '某局'])).toBe('某局 · 天地图 GS(2024)1号');
});

test('an area has a unit that leaves few digits', () => {
  expect([850, 19_300, 2_345_678, 1_305_000_000].map(area)).toEqual([
    { value: '850', unit: 'm²' }, { value: '0.02', unit: 'km²' }, { value: '2.3', unit: 'km²' }, { value: '1\u2009305', unit: 'km²' },
  ]);
});

test('time left and over is said in the language of the page', () => {
  const now = Date.parse('2026-11-22T12:00:00Z');
  expect(due('2026-11-22T12:09:30Z', now, false)).toBe('剩 9 分');
  expect(due('2026-11-22T11:48:00Z', now, true)).toBe('超期 12 分');
  expect(due('2026-11-22T11:48:00Z', now, false), 'overdue is the word of the server').toBe('到期已 12 分');
  expect(due(null, now, false)).toBe('无时限');
  route.value = { ...route.value, lang: 'en' };
  expect(due('2026-11-22T11:48:00Z', now, true)).toBe('12 min over');
  expect(span(50 * 3_600_000)).toBe('2 d');
});

test('a position has the digits that its zoom can tell apart', () => {
  expect(position([122.1067734, 30.0198581], 5)).toBe('122.107, 30.020');
  expect(position([122.1067734, 30.0198581], 17)).toBe('122.106773, 30.019858');
  expect([3, 10, 13, 16, 18].map(beidouLevel)).toEqual([3, 4, 5, 6, 7]);
});
