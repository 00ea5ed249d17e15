import { validateStyleMin } from '@maplibre/maplibre-gl-style-spec';
import type { StyleSpecification } from 'maplibre-gl';
import { expect, test } from 'vitest';
import { fonts } from '../../build/fonts';
import { sprite } from '../../build/sprite';
import { style } from '../../build/style';
import { fit, type City } from '../../src/map/style';

const dark = style('dark', fonts().faces) as StyleSpecification;
const city: City = {
  levels: ['province', 'city', 'county', 'township', 'community', 'grid'].map((name) => ({ name })), icons: new Map([['01050', 'camera'], ['01037', 'lamp']]),
  origin: 'http://127.0.0.1:8080', at: null, background: null, landOther: 'black', note: 14,
};
const ids = (made: StyleSpecification) => made.layers.map((layer) => layer.id);

test('the style is valid as it is served and as the viewer fits it', () => {
  expect(validateStyleMin(dark)).toEqual([]);
  expect(validateStyleMin(fit(dark, { ...city, at: '2026-03-03', background: '/background.geojson' }))).toEqual([]);
});

test('a scheme of two levels keeps the borders and labels it has', () => {
  const fitted = fit(dark, { ...city, levels: [{ name: 'department', minzoom: 4 }, { name: 'commune', minzoom: 8 }] });
  expect(ids(fitted)).toContain('border-community');
  expect(ids(fitted)).not.toContain('border-township');
  const upper = fitted.layers.find((layer) => layer.id === 'border-community');
  expect(upper).toMatchObject({ minzoom: 4, filter: ['==', ['get', 'level'], 'department'] });
  expect(fitted.layers.find((layer) => layer.id === 'border-grid')).toMatchObject({ minzoom: 8 });
});

test('in a scheme of one level the grids are the land', () => {
  const fitted = fit(dark, { ...city, levels: [{ name: 'town', minzoom: 7 }] });
  expect(fitted.layers.find((layer) => layer.id === 'land')).toMatchObject({ 'source-layer': 'grids' });
  expect(validateStyleMin(fitted)).toEqual([]);
});

test('boundaries follow the date, facilities and cases do not', () => {
  const { sources } = fit(dark, { ...city, at: '2026-03-03' });
  expect(sources.boundaries).toMatchObject({ url: 'http://127.0.0.1:8080/tiles/regions,grids,labels?at=2026-03-03' });
  expect(sources.cases).toMatchObject({ url: 'http://127.0.0.1:8080/tiles/cases' });
});

test('land of others lies under the city', () => {
  expect(ids(fit(dark, { ...city, background: '/background.geojson' })).slice(0, 3)).toEqual(['sea', 'land-other', 'land']);
});

test('every icon the style names is in the sprite, as a distance field that is inside in its ink', async () => {
  const { sheet, png } = await sprite();
  for (const name of ['component', 'case-overdue', 'case-soon', 'case-new', 'case-open', 'case-suspended']) expect(sheet[name]).toMatchObject({ sdf: true });
  expect([...png.subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
});
