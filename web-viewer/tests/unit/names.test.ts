import { expect, test } from 'vitest';
import { place, type Crowd, type Named } from '../../src/map/names';

const SIZE = 20;
const empty: Crowd = { pressing: [], ordinary: [], width: 1200, height: 800 };
/** A round island. */
const island = (code: string, x: number, y: number, radius: number, text = '某某区'): Named => ({
  code, text, anchor: [x, y], land: Array.from({ length: 48 }, (_, n) => [x + radius * Math.cos(n * Math.PI / 24), y + radius * Math.sin(n * Math.PI / 24)] as const),
});
const at = (names: Named[], crowd: Crowd, code: string) => place(names, crowd, SIZE).find((one) => one.code === code)!.at;
const away = ([x, y]: readonly [number, number], [a, b]: readonly [number, number]) => Math.hypot(x - a, y - b);

test('a name stands on its land where that is large and empty', () => {
  expect(at([island('a', 600, 400, 90)], empty, 'a')).toEqual([600, 400]);
});

test('a name makes room for marks that press, and stays nearer to its own land than to another', () => {
  const [a, b] = [island('a', 600, 400, 40), island('b', 600, 300, 40)];
  const crowd: Crowd = { ...empty, pressing: [[600, 400], [590, 395], [615, 405]] };
  const own = at([a, b], crowd, 'a');
  for (const [x, y] of crowd.pressing) expect(Math.abs(own[0] - x) > 30 || Math.abs(own[1] - y) > 13, `covers ${x},${y}`).toBe(true);
  expect(Math.min(...a.land.map((point) => away(own, point)))).toBeLessThan(Math.min(...b.land.map((point) => away(own, point))));
  expect(away(own, [600, 400])).toBeLessThan(120);
});

test('no two names share a place, and none leaves the map', () => {
  const names = ['a', 'b', 'c', 'd'].map((code, n) => island(code, 1180 - n * 4, 160 + n * 3, 10));
  const placed = place(names, empty, SIZE);
  for (const one of placed) {
    expect(one.at[0] + 30).toBeLessThanOrEqual(1200 + 3);
    expect(one.at[1]).toBeGreaterThan(36);
    for (const other of placed.filter(({ code }) => code !== one.code)) {
      expect(Math.abs(one.at[0] - other.at[0]) >= 66 || Math.abs(one.at[1] - other.at[1]) >= 26, `${one.code} on ${other.code}`).toBe(true);
    }
  }
});

test('the same map gives the same places', () => {
  const names = [island('b', 500, 300, 30), island('a', 560, 320, 30)];
  expect(place(names, empty, SIZE)).toEqual(place([...names].reverse(), empty, SIZE));
});
