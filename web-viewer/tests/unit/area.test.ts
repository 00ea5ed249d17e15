import { expect, test } from 'vitest';
import { areaBody, areaShape, areaText, metres, MOST_POINTS, parseArea, thinned, type Area } from '../../src/area';
import type { Position } from '../../src/api';

const areas: Area[] = [
  { kind: 'near', at: [122.106773, 30.019858] },
  { kind: 'circle', centre: [122.1, -30.01], radius_m: 250 },
  { kind: 'lasso', ring: [[122, 30], [122.1, 30], [122.1, 30.1]] },
  { kind: 'corridor', width_m: 50, line: [[122, 30], [122.1, 30.05]] },
];

test('an area is an address, and an address an area', () => {
  for (const area of areas) expect(parseArea(areaText(area))).toEqual(area);
  expect(areaText(areas[1]!)).toBe('circle,122.1,-30.01,250');
});

test('what cannot be drawn is no area', () => {
  for (const text of [null, '', 'near', 'near,1', 'near,1,2,3', 'near,181,0', 'near,0,91', 'circle,1,2', 'circle,1,2,0', 'circle,1,2,1e9', 'circle,1,,5', 'lasso,1,2,3,4', 'lasso,1,2,3,4,5',
    'lasso,NaN,1,1,1,1,1', 'corridor,50,1,2', 'corridor,-5,1,2,3,4', 'ellipse,1,2,3', `lasso${',1'.repeat(4 * MOST_POINTS)}`]) expect(parseArea(text), String(text)).toBeNull();
});

test('a circle is drawn at its radius, a corridor half its width to both sides', () => {
  const circle = areaShape(areas[1]!).geometry as GeoJSON.Polygon;
  for (const at of circle.coordinates[0]!) expect(metres([122.1, -30.01], at as Position)).toBeCloseTo(250, 0);
  const east: Area = { kind: 'corridor', width_m: 100, line: [[122, 30], [122.01, 30]] };
  const [box] = (areaShape(east).geometry as GeoJSON.MultiPolygon).coordinates;
  for (const at of box![0]!) expect(metres([at[0]!, 30], at as Position)).toBeCloseTo(50, 0);
});

test('the body of a selection closes its ring and names its units', () => {
  expect(areaBody(areas[2] as Extract<Area, { kind: 'lasso' }>)).toEqual({ type: 'Polygon', coordinates: [[[122, 30], [122.1, 30], [122.1, 30.1], [122, 30]]] });
  expect(areaBody(areas[1] as Extract<Area, { kind: 'circle' }>)).toEqual({ circle: { centre: [122.1, -30.01], radius_m: 250 } });
  expect(areaBody(areas[3] as Extract<Area, { kind: 'corridor' }>)).toEqual({ corridor: { line: [[122, 30], [122.1, 30.05]], distance_m: 25 } });
});

test('a long stroke loses the points that matter least, never its ends', () => {
  const stroke = Array.from({ length: 500 }, (_, n): Position => [n / 1000, n < 250 ? 0 : (n - 250) / 1000]);
  const kept = thinned(stroke);
  expect(kept).toHaveLength(MOST_POINTS);
  expect([kept[0], kept.at(-1)]).toEqual([stroke[0], stroke.at(-1)]);
  expect(kept.some(([x, y]) => Math.abs(x - 0.25) < 0.002 && y < 0.002), 'the corner').toBe(true);
});
