import { afterEach, expect, test, vi } from 'vitest';
import type { Area } from '../../src/area';

vi.mock('maplibre-gl', () => ({}));
const { csv, geojson, selectedRows } = await import('../../src/areas');
const { api } = await import('../../src/api');

afterEach(() => { vi.unstubAllGlobals(); });

const area: Exclude<Area, { kind: 'near' }> = { kind: 'circle', centre: [122.1, 30], radius_m: 100 };
const row = { kind: 'facility' as const, id: 7, code: '01', category: '01050', category_name: '监控', name: '', state: 'intact', grid: 'g', lon: 122.1, lat: 30 };

test('a selection is asked for page after page, and counted as the server counts', async () => {
  const asked: unknown[] = [];
  const pages = [
    { revision: 9, counts: [{ kind: 'facility', total: 3, by_category: [{ category: '01050', count: 3 }] }, { kind: 'case', total: 1, by_category: [] }], items: [{ kind: 'facility', id: 1 }, { kind: 'case', id: 5 }], cursor: 'x' },
    { revision: 9, counts: [], items: [{ kind: 'facility', id: 2 }, { kind: 'facility', id: 3 }] },
  ];
  vi.stubGlobal('fetch', async (path: string, sent: { method: string; body: string }) => {
    asked.push([path, sent.method, (JSON.parse(sent.body) as { cursor?: string }).cursor]);
    return new Response(JSON.stringify(pages[asked.length - 1]));
  });
  const found = await api.select({ circle: {} });
  expect(asked).toEqual([['/api/v1/select', 'POST', undefined], ['/api/v1/select', 'POST', 'x']]);
  expect(found.kinds).toEqual([
    { kind: 'facility', total: 3, categories: [{ category: '01050', count: 3 }], ids: [1, 2, 3] }, { kind: 'case', total: 1, categories: [], ids: [5] },
  ]);
});

test('rows are those of the selection and no others in its box', async () => {
  vi.stubGlobal('location', { href: 'http://wall/' });
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (path: string) => {
    asked.push(path);
    const items = path.includes('/facilities') ? [{ id: 7, category: '01050', name: '', state: 'intact', position: [122.1, 30], grid: 'g', code: '01' }, { id: 8, category: '01050', name: '', state: 'intact', position: [122.1, 30] }]
      : [{ id: 5, category: '06010', state: 'filed', text: '占道', position: null, grid: null }];
    return new Response(JSON.stringify({ number_matched: 1, items }));
  });
  const rows = await selectedRows(area, { revision: 1, kinds: [{ kind: 'facility', total: 1, categories: [], ids: [7] }, { kind: 'case', total: 1, categories: [], ids: [5] }] }, (_, category) => (category === '01050' ? '监控' : category));
  expect(rows).toEqual([row, { kind: 'case', id: 5, code: '', category: '06010', category_name: '06010', name: '占道', state: 'filed', grid: '', lon: '', lat: '' }]);
  const box = new URL(asked[0]!, 'http://wall').searchParams.get('bbox')!.split(',').map(Number);
  expect(box[0]! < 122.1 && box[2]! > 122.1 && box[1]! < 30 && box[3]! > 30).toBe(true);
});

test('a table is what spreadsheets read: marked UTF-8, quoted, and nothing in it is computed', () => {
  const text = csv([{ ...row, name: '=cmd()' }, { ...row, name: 'a "b", c', code: '+1' }]);
  expect(text.startsWith('\ufeffkind,id,code,')).toBe(true);
  expect(text.split('\r\n')).toHaveLength(4);
  expect(text).toContain("'=cmd()");
  expect(text).toContain('"a ""b"", c"');
  expect(text).toContain("'+1");
});

test('GeoJSON has a null geometry where there is no position', () => {
  const { features } = JSON.parse(geojson([row, { ...row, lon: '', lat: '' }])) as GeoJSON.FeatureCollection;
  expect(features.map((one) => one.geometry)).toEqual([{ type: 'Point', coordinates: [122.1, 30] }, null]);
  expect(features[0]!.properties).toMatchObject({ id: 7, category_name: '监控' });
});
