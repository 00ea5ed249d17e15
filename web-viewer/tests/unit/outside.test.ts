import { expect, test, vi } from 'vitest';
import type { Outline } from '../../src/map/spotlight';

vi.mock('maplibre-gl', () => ({}));

test('the veil leaves out every part of an outline and covers its holes', async () => {
  const { outsideOf } = await import('../../src/map/spotlight');
  const ring = (west: number, size: number) => [[west, 0], [west + size, 0], [west + size, size], [west, 0]];
  const outline: Outline = { type: 'Feature', properties: {}, geometry: { type: 'MultiPolygon', coordinates: [[ring(0, 4), ring(1, 1)], [ring(10, 2)]] } };
  const [world, hole, ...none] = outsideOf(outline).coordinates;
  expect(world!.slice(1)).toEqual([ring(0, 4), ring(10, 2)]);
  expect(hole).toEqual([ring(1, 1)]);
  expect(none).toEqual([]);
});
