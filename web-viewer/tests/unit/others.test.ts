import { validateStyleMin } from '@maplibre/maplibre-gl-style-spec';
import type { StyleSpecification } from 'maplibre-gl';
import { beforeAll, expect, test, vi } from 'vitest';
import type { Basemap, OtherTiles, ThematicLayer } from '../../src/api';
import { drawBasemap, roleOf, sourceOfTiles, tone, vectorLayers } from '../../src/map/basemaps';
import { colourOf, drawThematic } from '../../src/map/thematic';
import { THEMES } from '../../src/route';

const style: StyleSpecification = { version: 8, sprite: 'http://here/sprites/icons', sources: {}, layers: [] };

beforeAll(() => {
  vi.stubGlobal('location', { origin: 'http://here' });
  vi.stubGlobal('document', { documentElement: {} });
  vi.stubGlobal('getComputedStyle', () => ({ getPropertyValue: (token: string) => (token.startsWith('--layer-') ? token.slice(2).replace('layer-', '') : 'black') }));
});

/** A map that keeps what it is told, in order. */
function played() {
  const sources: Record<string, Record<string, unknown>> = {}, layers: { id: string; source?: string }[] = ['land', 'classes', 'border-grid', 'facilities', 'cases-ordinary'].map((id) => ({ id }));
  const fetched: string[] = [];
  const map = {
    getStyle: () => ({ sources: { ...sources }, layers: [...layers] }),
    getSource: (id: string) => (sources[id] ? { setData: (url: string) => fetched.push(url) } : undefined),
    addSource: (id: string, source: Record<string, unknown>) => { sources[id] = source; },
    removeSource: (id: string) => { delete sources[id]; },
    addLayer: (layer: { id: string }, before: string) => { layers.splice(layers.findIndex(({ id }) => id === before), 0, layer); },
    removeLayer: (gone: string) => { layers.splice(layers.findIndex(({ id }) => id === gone), 1); },
  };
  return { sources, layers, fetched, ids: () => layers.map(({ id }) => id), map: map as unknown as Parameters<typeof drawBasemap>[0] };
}

const raster = (tiles: string): OtherTiles => ({ tiles, kind: 'raster', tile_size: 256, minzoom: 1, maxzoom: 18, bounds: null, vector_layers: [] });
const base = (id: string, parts: OtherTiles[]): Basemap => ({ id, title: id, title_en: id, attribution: '', imagery: false, shown: false, parts });
const layer: ThematicLayer = {
  id: 'flood', title: '积水点', title_en: 'Flooded spots', group: '防汛', group_en: 'Flood', colour: 'teal', icon: 'disc', minzoom: 9, maxzoom: 22, attribution: '', shown: true,
  name_field: 'name', class_field: 'level', classes: [], features: '/layers/flood', tiles: null, count: 3, version: 1, every_s: 60, as_of: null, problem: null,
};

test('a base map lies over plain land and under every border, its names over its ground', () => {
  const { ids, map, sources } = played();
  drawBasemap(map, base('tdt', [raster('/basemaps/tdt/vec/{z}/{x}/{y}'), raster('/basemaps/tdt/cva/{z}/{x}/{y}')]), 'dark', 14);
  expect(ids()).toEqual(['land', 'base-tdt-0', 'base-tdt-1', 'classes', 'border-grid', 'facilities', 'cases-ordinary']);
  expect(sources['base-tdt-0']).toMatchObject({ tiles: ['http://here/basemaps/tdt/vec/{z}/{x}/{y}'], maxzoom: 18, tileSize: 256 });
  drawBasemap(map, base('osm', [raster('/basemaps/osm/map/{z}/{x}/{y}')]), 'dark', 14);
  expect(ids().slice(0, 3)).toEqual(['land', 'base-osm-0', 'classes']);
  drawBasemap(map, null, 'dark', 14);
  expect(ids()).toEqual(['land', 'classes', 'border-grid', 'facilities', 'cases-ordinary']);
  expect(sources).toEqual({});
});

test('vector tiles of the usual schemas are drawn as land, water, roads and houses, without borders and places of others', () => {
  const roles = { earth: 'land', water: 'water', ocean: 'water', buildings: 'building', roads: 'road', transportation: 'road', transportation_name: 'names', landuse: 'green', boundaries: '', places: '', pois: '', water_polygons_labels: '' };
  for (const [name, role] of Object.entries(roles)) expect(roleOf(name), name).toBe(role);
  const layers = vectorLayers('base-own-0', Object.keys(roles), 14);
  const kinds = layers.map(({ id }) => id);
  expect(kinds[0]).toBe('base-own-0-earth-fill');
  expect(kinds.indexOf('base-own-0-water-fill')).toBeLessThan(kinds.indexOf('base-own-0-roads-line'));
  expect(kinds.some((id) => /bound|places|pois/.test(id))).toBe(false);
  const source = sourceOfTiles({ ...raster('/t/{z}/{x}/{y}'), kind: 'vector', bounds: [1, 2, 3, 4] });
  expect(validateStyleMin({ ...style, sources: { 'base-own-0': source }, layers })).toEqual([]);
});

test('pictures are toned for every theme, and the style says so in its own words', () => {
  for (const theme of THEMES) {
    for (const imagery of [true, false]) {
      const made: StyleSpecification = { ...style, sources: { a: sourceOfTiles(raster('/t/{z}/{x}/{y}')) }, layers: [{ id: 'a', type: 'raster', source: 'a', paint: tone(theme, imagery) }] };
      expect(validateStyleMin(made)).toEqual([]);
    }
  }
});

test('a thing has the colour of its class, or of its layer', () => {
  expect(colourOf(layer)).toBe('teal');
  const classes = [{ value: 'high', title: '', title_en: '', colour: 'violet', count: 1 }, { value: 'low', title: '', title_en: '', colour: 'teal', count: 2 }];
  expect(colourOf({ ...layer, classes })).toEqual(['match', ['to-string', ['get', 'level']], 'high', 'violet', 'teal']);
});

test('things are drawn when there is something to draw, fetched again for a new version, and taken away', () => {
  const { ids, fetched, map, layers } = played();
  drawThematic(map, [{ ...layer, version: 0 }], () => true, 14);
  expect(ids()).toHaveLength(5);
  drawThematic(map, [layer], () => true, 14);
  expect(ids()).toEqual(['land', 'classes', 'layer-flood-area', 'border-grid', 'layer-flood-line', 'facilities', 'layer-flood-point', 'cases-ordinary']);
  const made = layers.filter(({ source }) => source === 'layer-flood') as unknown as StyleSpecification['layers'];
  expect(validateStyleMin({ ...style, sources: { 'layer-flood': { type: 'geojson', data: 'http://here' } }, layers: made })).toEqual([]);
  drawThematic(map, [layer], () => true, 14);
  expect(fetched).toEqual([]);
  drawThematic(map, [{ ...layer, version: 2 }], () => true, 14);
  expect(fetched).toEqual(['http://here/layers/flood']);
  drawThematic(map, [{ ...layer, id: 'rain', features: null, tiles: raster('/layers/rain/{z}/{x}/{y}') }], () => true, 14);
  expect(ids()).toEqual(['land', 'classes', 'layer-rain', 'border-grid', 'facilities', 'cases-ordinary']);
});
