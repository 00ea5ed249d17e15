// The mode beside the mode: what lies in a picked area, or near a picked point. It leaves nothing behind when its signal aborts.
import { api, type Facility, type Case, type Selected } from './api';
import { areaBody, areaShape, type Area } from './area';
import { drawArea } from './map/draw';
import type { Context } from './modes';
import { loadTogether } from './resource';
import { near, selected } from './state';

/** So far a person is ready to go, and a list is read. */
export const NEAR_M = 500;
export const NEAR_MOST = 50;

export async function enterArea(area: Area, { stage: coming, onChange }: Context, signal: AbortSignal): Promise<void> {
  signal.addEventListener('abort', () => { near.clear(); selected.clear(); });
  const load = () => (area.kind === 'near'
    ? loadTogether([[near, api.nearby(area.at, NEAR_M, NEAR_MOST, signal)]], signal)
    : loadTogether([[selected, api.select(areaBody(area), signal)]], signal));
  onChange(() => void load(), signal);
  const { map } = await coming;
  if (signal.aborted) return;
  drawArea(map, areaShape(area));
  signal.addEventListener('abort', () => drawArea(map, null));
  await load();
}

/** Everything that was selected, as rows. */
export interface Row { kind: 'facility' | 'case'; id: number; code: string; category: string; category_name: string; name: string; state: string; grid: string; lon: number | ''; lat: number | '' }

export async function selectedRows(area: Area, found: Selected, nameOf: (kind: 'component' | 'matter', category: string) => string): Promise<Row[]> {
  const idsOf = (kind: 'facility' | 'case') => new Set(found.kinds.find((of) => of.kind === kind)?.ids);
  const [facilities, cases] = [idsOf('facility'), idsOf('case')];
  const box = boxOf(areaShape(area).geometry);
  const [all, open] = await Promise.all([
    facilities.size > 0 ? api.facilitiesIn(box) : [],
    cases.size > 0 ? api.cases(null) : [],
  ]);
  const place = (position: readonly [number, number] | null): Pick<Row, 'lon' | 'lat'> => ({ lon: position?.[0] ?? '', lat: position?.[1] ?? '' });
  const facilityRow = (one: Facility & { grid?: string | null }): Row => ({
    kind: 'facility', id: one.id, code: one.code ?? '', category: one.category, category_name: nameOf('component', one.category), name: one.name, state: one.state,
    grid: one.grid ?? '', ...place(one.position),
  });
  const caseRow = (one: Case): Row => ({
    kind: 'case', id: one.id, code: '', category: one.category, category_name: nameOf('matter', one.category), name: one.text ?? '', state: one.state,
    grid: one.grid ?? '', ...place(one.position),
  });
  return [...all.filter(({ id }) => facilities.has(id)).map(facilityRow), ...open.filter(({ id }) => cases.has(id)).map(caseRow)];
}

function boxOf(geometry: GeoJSON.Polygon | GeoJSON.MultiPolygon | GeoJSON.Point): [number, number, number, number] {
  const points = (geometry.type === 'Point' ? [geometry.coordinates] : geometry.coordinates.flat(geometry.type === 'Polygon' ? 1 : 2)) as [number, number][];
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** A table for spreadsheets: UTF-8 with its mark, CRLF, quotes where needed; a text that a spreadsheet would compute stays a text. */
export function csv(rows: readonly Row[]): string {
  const columns = ['kind', 'id', 'code', 'category', 'category_name', 'name', 'state', 'grid', 'lon', 'lat'] as const;
  const cell = (value: string | number) => {
    const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return '\ufeff' + [columns.join(), ...rows.map((row) => columns.map((column) => cell(row[column])).join())].map((line) => `${line}\r\n`).join('');
}

export function geojson(rows: readonly Row[]): string {
  const features = rows.map(({ lon, lat, ...properties }) => ({
    type: 'Feature', properties, geometry: lon === '' || lat === '' ? null : { type: 'Point', coordinates: [lon, lat] },
  }));
  return JSON.stringify({ type: 'FeatureCollection', features });
}
