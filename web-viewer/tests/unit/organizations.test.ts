import { expect, test, vi } from 'vitest';
import { LAYERS } from '../../src/map/layers';
import { addOrganizations, ORGANIZATIONS } from '../../src/map/organizations';
import { organizationCategories, organizationIcons } from '../../src/state';

test('organizations are one layer of the tree, with the icon of each category', () => {
  vi.stubGlobal('location', { origin: 'http://here' });
  vi.stubGlobal('document', { documentElement: {} });
  vi.stubGlobal('getComputedStyle', () => ({ getPropertyValue: () => '' }));
  organizationCategories.value = [{ kind: 'organization', code: 'party', name: '党小组', icon: 'flag' }];
  const sources: Record<string, unknown> = {}, layers: { id: string; layout?: Record<string, unknown> }[] = [];
  const map = { addSource: (id: string, source: unknown) => { sources[id] = source; }, addLayer: (layer: { id: string }) => { layers.push(layer); } };
  addOrganizations(map as unknown as Parameters<typeof addOrganizations>[0], organizationIcons.value, 14);
  expect(sources).toEqual({ [ORGANIZATIONS]: { type: 'vector', url: 'http://here/tiles/organizations' } });
  expect(layers.map(({ id }) => id)).toEqual([ORGANIZATIONS]);
  expect(layers[0]!.layout!['icon-image']).toEqual(['match', ['get', 'category'], 'party', 'flag', 'component']);
  expect(LAYERS.filter(({ made }) => made.includes(ORGANIZATIONS))).toHaveLength(1);
  vi.unstubAllGlobals();
});
