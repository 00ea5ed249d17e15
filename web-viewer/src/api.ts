// The HTTP contract as the viewer uses it. Positions are [lon, lat] on CGCS2000; areas in m², distances in m; times RFC 3339.

import type { StyleSpecification } from 'maplibre-gl';
import type { Room } from './wall';
import { doubt } from './who';

export type Position = [number, number];
export type Box = [west: number, south: number, east: number, north: number];

export interface FacilityGroup { id: string; name: string; name_en: string; icon: string; categories: string[] }

export interface Meta {
  title: string;
  synthetic: boolean;
  attribution: string[];
  /** The number under which the map was approved (审图号). */
  map_approval?: string | null;
  /** IANA name of the city's time zone. */
  time_zone?: string;
  /** From the top down; the last level is that of the grids. No zooms: the level has no regions. */
  scheme: { levels: { name: string; minzoom?: number | null; count?: number }[] };
  /** Regions with nothing above them that the caller may see. */
  root: string[];
  /** Grids of that kind; absent from an older server. */
  root_grids?: string[];
  bbox: Box | null;
  counts: Counts;
  revision: number;
  epoch: number;
  default_facility_groups: FacilityGroup[];
  /** What the server knows of the wall that shows the city. */
  wall?: Room | null;
  /** Maps that may lie under ours; absent from an older server. */
  basemaps?: Basemap[];
  /** How many thematic layers there are. */
  layers?: number;
  /** Where land of others is found as GeoJSON, drawn without names or borders. */
  background: string | null;
  /** The hierarchy's own first; absent from a server that knows no other. */
  grid_sets?: { set: string; grids: number }[];
}

/** Tiles of others, by an address of our server. */
export interface OtherTiles {
  tiles: string; kind: 'vector' | 'raster'; tile_size: number; minzoom: number; maxzoom: number; bounds: Box | null; vector_layers: string[];
}
/** A map that may lie under ours; its parts from the lowest up. */
export interface Basemap { id: string; title: string; title_en: string; attribution: string; imagery: boolean; shown: boolean; parts: OtherTiles[] }

/** Things of others: GeoJSON at `features`, or tiles. */
export interface ThematicLayer {
  id: string; title: string; title_en: string; group: string; group_en: string; colour: string; icon: string; minzoom: number; maxzoom: number;
  attribution: string; shown: boolean; name_field: string | null; class_field: string | null;
  classes: { value: string; title: string; title_en: string; colour: string; count: number | null }[];
  features: string | null; tiles: OtherTiles | null; count: number | null;
  /** Grows when the content changes; 0: it was not read yet. */
  version: number;
  every_s: number | null;
  /** When its source was last read well. */
  as_of: string | null;
  problem: string | null;
}

/** A grid of another set that shares land with one; `share` of its land, 0 to 1. */
export interface SetLink { code: string; name: string; share: number; main: boolean }

export interface Place { level: string; code: string; name: string }
export interface Counts {
  grids: number; facilities: number; open_cases: number; overdue: number;
  households: number; population: number; staff: number; area_m2: number;
  /** Absent from an older server. */
  organizations?: number;
  buildings?: number;
}
export interface Organization { id: number; category: string; name: string; hours: string | null; address: string | null; position: Position | null }
/** Of a grid: all are counted, the first twenty listed. */
export interface Organizations { total: number; by_category: { category: string; name: string; icon: string; count: number }[]; items: Organization[] }
export interface Building { id: number; name: string; storeys: number | null; households: number | null; address: string | null; position: Position | null }
/** Of a grid: all are counted, and those that a border runs through; the first twenty listed. */
export interface Buildings { total: number; crossing: number; items: Building[] }
export interface Region extends Place { path: Place[]; bbox: Box | null; counts: Counts; revision: number; epoch: number }
/** `kind` only on grids. */
export interface Child extends Place { kind?: string; bbox: Box | null; counts: Counts }

export interface Case {
  id: number; category: string; state: string; due_at: string | null; overdue: boolean;
  urgent?: boolean; reported_at?: string; position: Position | null; grid?: string | null; grid_name?: string | null; text?: string;
}
export interface Member { id: string; name: string; role: string; phone?: string | null; organization?: string | null }
export interface Neighbour { code: string; name: string; shared_m?: number }
export interface Grid {
  code: string; name: string; kind: string; households: number | null; population: number | null;
  /** Where the households come from, and what was counted for the grid itself. Absent from an older server. */
  households_from?: 'buildings' | 'counted' | null; households_counted?: number | null;
  area_m2: number; label_point: Position; bbox: Box; period?: { from: string | null; until: string | null };
}
export interface GridCard {
  epoch: number; revision: number; grid: Grid; path: Place[]; status?: string; successors?: { code: string; share: number }[];
  team: { leader: Member | null; officers: Member[]; members: Member[] };
  facilities: { total: number; by_category: { category: string; name: string; count: number }[] };
  /** Absent from an older server. */
  organizations?: Organizations;
  buildings?: Buildings;
  open_cases: { total: number; overdue: number; items: Case[] };
  neighbours: { total: number; items: Neighbour[] };
}
export interface Facility {
  id: number; code?: string | null; category: string; name: string; state: string; position: Position; source_date?: string | null;
}
export interface Category { kind: 'component' | 'matter' | 'organization'; code: string; name: string; icon: string }
export interface Hit { kind: 'grid' | 'region' | 'facility' | 'case' | 'street' | 'address' | 'position'; code?: string | null; name: string; level?: string; path?: Place[]; grid?: string | null; position?: Position | null }
export interface Located {
  grid: { code: string; name: string } | null; path: Place[];
  /** With an accuracy: where it may be, the likeliest first. They and `outside_probability` sum to 1. */
  candidates?: { grid: string; probability: number }[]; outside_probability?: number;
}

/** What is counted in an area, or near a point: facilities and cases. */
export type FoundKind = 'facility' | 'case';
export interface Selected {
  revision: number;
  kinds: { kind: FoundKind; total: number; categories: { category: string; count: number }[]; ids: number[] }[];
}
export interface Near {
  kind: FoundKind; id: number; name?: string; category: string; position: Position; grid: string | null;
  /** Degrees clockwise from north. */
  distance_m: number; bearing: number; across_water: boolean;
}

interface List<T> { number_matched: number; items: T[]; next?: string | null; revision?: number }

/** An error answer (RFC 9457), or `offline` when there was no answer. */
export class Problem extends Error {
  constructor(readonly code: string, readonly status: number, detail: string) { super(detail); }
}

/** Adds what is not absent to a path as its query. */
export function withQuery(path: string, query: Record<string, string | number | null | undefined>): string {
  const pairs = Object.entries(query).filter((pair): pair is [string, string | number] => pair[1] != null);
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs.map(([key, value]) => [key, String(value)]))}`;
}

async function json<T>(path: string, signal?: AbortSignal, body?: unknown): Promise<T> {
  let response: Response;
  const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const headers = { Accept: 'application/json', ...(body !== undefined && { 'Content-Type': 'application/json' }) };
  try {
    response = await fetch(path, { headers, ...sent, ...(signal && { signal }) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem('offline', 0, 'no answer');
  }
  if (response.status === 204) return undefined as T;
  if (response.ok) {
    // A body that breaks off is no answer either.
    return await (response.json() as Promise<T>).catch((error: unknown) => {
      if (signal?.aborted) throw error;
      throw new Problem('offline', 0, 'the answer broke off');
    });
  }
  if (response.status === 401) void doubt();
  const told = await response.json().catch(() => ({})) as { code?: string; detail?: string; title?: string };
  throw new Problem(told.code ?? 'unknown', response.status, told.detail ?? told.title ?? response.statusText);
}

/** Notes in the server's audit that a file was made of what was shown. */
export async function noteExport(object: string): Promise<void> { await json('/api/v1/audit', undefined, { action: 'export', object }); }

/** Every item of a list, page after page. */
async function all<T>(path: string, signal?: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  for (let next: string | null | undefined = path; next;) {
    const page: List<T> = await json<List<T>>(next, signal);
    items.push(...page.items);
    // `next` is absolute behind a proxy; only its path and query concern us.
    next = page.next && new URL(page.next, location.href).pathname + new URL(page.next, location.href).search;
  }
  return items;
}

const PAGE = 1000;
/** Ids of a page of a selection, and ids kept in all: what is more is counted, not listed. */
const IDS = 10_000, MOST_IDS = 100_000;

/** An answer of POST /select. */
interface SelectedPage {
  revision: number;
  counts: { kind: string; total: number; by_category: { category: string; count: number }[] }[];
  items: { kind: string; id: number }[];
  cursor?: string | null;
}

async function select(area: unknown, signal?: AbortSignal): Promise<Selected> {
  const kinds = ['facilities', 'cases'];
  const page = (cursor: string | null | undefined) => json<SelectedPage>('/api/v1/select', signal, { area, kinds, limit: IDS, ...(cursor && { cursor }) });
  const first = await page(null);
  const items = [...first.items];
  for (let cursor = first.cursor; cursor && items.length < MOST_IDS;) {
    const next = await page(cursor);
    items.push(...next.items);
    cursor = next.cursor;
  }
  const of = (kind: FoundKind) => {
    const counted = first.counts.find((one) => one.kind === kind);
    return { kind, total: counted?.total ?? 0, categories: counted?.by_category ?? [], ids: items.filter((item) => item.kind === kind).map(({ id }) => id) };
  };
  return { revision: first.revision, kinds: [of('facility'), of('case')] };
}
const code = encodeURIComponent;

/** `at` asks for the boundaries in force on a date. */
export const api = {
  meta: (signal?: AbortSignal) => json<Meta>('/api/v1/meta', signal),
  style: (theme: string, signal?: AbortSignal) => json<StyleSpecification>(`/styles/${theme}.json`, signal),
  categories: (signal?: AbortSignal) => all<Category>(withQuery('/api/v1/categories', { limit: PAGE }), signal),
  organizationCategories: (signal?: AbortSignal) => all<Category>(withQuery('/api/v1/categories', { kind: 'organization', limit: PAGE }), signal),
  region: (region: string, at: string | null, signal?: AbortSignal) =>
    json<Region>(withQuery(`/api/v1/regions/${code(region)}`, { at }), signal),
  children: (region: string, at: string | null, signal?: AbortSignal) =>
    all<Child>(withQuery(`/api/v1/regions/${code(region)}/children`, { limit: PAGE, at }), signal),
  outline: (kind: 'grids' | 'regions', of: string, at: string | null, signal?: AbortSignal) =>
    json<GeoJSON.Feature<GeoJSON.MultiPolygon | GeoJSON.Polygon>>(withQuery(`/api/v1/${kind}/${code(of)}/outline`, { at }), signal),
  card: (grid: string, at: string | null, signal?: AbortSignal) =>
    json<GridCard>(withQuery(`/api/v1/grids/${code(grid)}`, { at }), signal),
  facilities: (grid: string, at: string | null, signal?: AbortSignal) =>
    all<Facility>(withQuery(`/api/v1/grids/${code(grid)}/facilities`, { limit: PAGE, at }), signal),
  gridCases: (grid: string, at: string | null, signal?: AbortSignal) =>
    all<Case>(withQuery(`/api/v1/grids/${code(grid)}/cases`, { limit: PAGE, at }), signal),
  /** Open cases in a region (null: all), the most pressing first: overdue, then by due time. */
  cases: (within: string | null, signal?: AbortSignal) => all<Case>(withQuery('/api/v1/cases', { within, limit: PAGE }), signal),
  layers: async (signal?: AbortSignal): Promise<ThematicLayer[]> => (await json<{ items: ThematicLayer[] }>('/api/v1/layers', signal)).items,
  search: (q: string, signal?: AbortSignal) => json<List<Hit>>(withQuery('/api/v1/search', { q, limit: 10 }), signal),
  locate: ([lon, lat]: Position, at: string | null, signal?: AbortSignal) =>
    json<Located>(withQuery('/api/v1/locate', { lon: lon.toFixed(7), lat: lat.toFixed(7), crs: 'cgcs2000', at }), signal),
  /** Where a device is, as it tells itself: WGS 84, and how far it may be wrong. */
  locateDevice: ([lon, lat]: Position, accuracy_m: number, signal?: AbortSignal) =>
    json<Located>(withQuery('/api/v1/locate', { lon: lon.toFixed(7), lat: lat.toFixed(7), crs: 'wgs84', accuracy_m: accuracy_m.toFixed(1) }), signal),
  /** The grids of another set that share land with a grid, the largest share first. */
  links: (grid: string, to: string, at: string | null, signal?: AbortSignal) =>
    all<SetLink>(withQuery(`/api/v1/grids/${code(grid)}/links`, { to, limit: PAGE, at }), signal),
  select,
  nearby: async ([lon, lat]: Position, radius_m: number, limit: number, signal?: AbortSignal): Promise<Near[]> =>
    (await json<List<Near>>(withQuery('/api/v1/nearby', { lon: lon.toFixed(7), lat: lat.toFixed(7), crs: 'cgcs2000', radius_m, kinds: 'facilities,cases', limit }), signal)).items,
  facilitiesIn: (box: Box, signal?: AbortSignal) => all<Facility & { grid?: string | null }>(withQuery('/api/v1/facilities', { bbox: box.map((of) => of.toFixed(7)).join(), limit: IDS }), signal),
  beidou: ([lon, lat]: Position, level: number, signal?: AbortSignal) =>
    json<{ code: string }>(withQuery('/api/v1/beidou', { lon: lon.toFixed(7), lat: lat.toFixed(7), crs: 'cgcs2000', level }), signal),
};
