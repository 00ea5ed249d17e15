import { expect, test, vi } from 'vitest';
import { addBuildings, BUILDING_POINTS, BUILDINGS } from '../../src/map/buildings';
import { LAYERS } from '../../src/map/layers';
import { sourceOf } from '../../src/live/news';

test('buildings lie under the borders and are one layer of the tree', () => {
  vi.stubGlobal('location', { origin: 'http://here' });
  vi.stubGlobal('document', { documentElement: {} });
  vi.stubGlobal('getComputedStyle', () => ({ getPropertyValue: () => '' }));
  const sources: Record<string, unknown> = {}, layers: [string, string | undefined][] = [];
  const map = { addSource: (id: string, source: unknown) => { sources[id] = source; }, addLayer: (layer: { id: string }, below?: string) => { layers.push([layer.id, below]); } };
  addBuildings(map as unknown as Parameters<typeof addBuildings>[0]);
  expect(sources).toEqual({ [BUILDINGS]: { type: 'vector', url: 'http://here/tiles/buildings' } });
  expect(layers).toEqual([[BUILDINGS, 'border-grid'], [BUILDING_POINTS, 'border-grid']]);
  expect(LAYERS.filter(({ made }) => made.includes(BUILDINGS) && made.includes(BUILDING_POINTS))).toHaveLength(1);
  const order = LAYERS.map(({ id }) => id);
  expect(order.indexOf('buildings')).toBeGreaterThan(order.indexOf('border_0'));
  expect(sourceOf('buildings')).toBe(BUILDINGS);
  vi.unstubAllGlobals();
});
