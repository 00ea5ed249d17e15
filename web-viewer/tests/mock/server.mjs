// The HTTP contract over the tiny city, for work on the viewer alone: node tests/mock/server.mjs [port]. Serves ../dist at /.
import geojsonvt from 'geojson-vt';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vtpbf from 'vt-pbf';
import { bboxOf, centre, city, holds, LEVELS, union } from './city.mjs';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.png': 'image/png', '.woff2': 'font/woff2' };
const ZOOMS = { city: [0, 16], county: [5, 16], township: [8, 16], community: [10, 16], grid: [11, 16] };

const made = city();
const gridByCode = new Map(made.grids.map((grid) => [grid.code, grid]));
const gridsIn = (code) => made.grids.filter((grid) => grid.code.startsWith(code));
const within = (items, code) => items.filter((item) => item.grid.startsWith(code));
const pathOf = (code) => [4, 6, 9, 12].filter((length) => length <= code.length).map((length) => made.regions.get(code.slice(0, length))).map(({ level, code: c, name }) => ({ level, code: c, name }));
const pressing = (a, b) => b.overdue - a.overdue || a.due_at.localeCompare(b.due_at) || a.id - b.id;
const areaOf = (ring) => {
  const scale = 111_320, across = scale * Math.cos((30 * Math.PI) / 180);
  let twice = 0;
  for (let n = 0; n + 1 < ring.length; n++) twice += ring[n][0] * ring[n + 1][1] - ring[n + 1][0] * ring[n][1];
  return (Math.abs(twice) / 2) * scale * across;
};
let revision = 1;
const ONE = { facilities: 'facility', cases: 'case' };
const rad = Math.PI / 180;
/** Metres between two positions, and the bearing, on a flat Earth: the city is small. */
const apart = ([lon1, lat1], [lon2, lat2]) => {
  const east = (lon2 - lon1) * 111_320 * Math.cos(lat1 * rad), north = (lat2 - lat1) * 111_320;
  return { distance_m: Math.hypot(east, north), bearing: (Math.atan2(east, north) / rad + 360) % 360 };
};
const sum = (items, of) => items.reduce((total, item) => total + of(item), 0);

function counts(code) {
  const grids = gridsIn(code), open = within(made.cases, code);
  return {
    grids: grids.length, facilities: within(made.facilities, code).length, open_cases: open.length, overdue: open.filter((c) => c.overdue).length,
    households: sum(grids, (g) => g.households), population: sum(grids, (g) => g.population),
    staff: made.staff.filter((s) => s.assigned.startsWith(code)).length, area_m2: sum(grids, (g) => areaOf(g.ring)),
  };
}
const boxOf = (code) => bboxOf(gridsIn(code).flatMap((grid) => grid.ring));
const region = ({ code, level, name }) => ({ revision, epoch: 1, code, level, name, path: pathOf(code), bbox: boxOf(code), label_point: centre(gridsIn(code)[0].ring), counts: counts(code) });

function card(grid) {
  const mine = within(made.facilities, grid.code), open = within(made.cases, grid.code).sort(pressing);
  const team = made.staff.filter((s) => s.assigned === grid.code);
  const categories = Map.groupBy ? Map.groupBy(mine, (f) => f.category) : mine.reduce((m, f) => m.set(f.category, [...(m.get(f.category) ?? []), f]), new Map());
  const points = new Set(grid.ring.map(String));
  const near = made.grids.filter((other) => other !== grid && other.ring.some((point) => points.has(String(point))));
  const { ring, parent, ...plain } = grid;
  return {
    epoch: 1, revision, grid: { ...plain, area_m2: areaOf(ring), label_point: centre(ring), bbox: bboxOf(ring) }, path: pathOf(parent),
    team: { leader: team[0] ?? null, officers: team.filter((s) => s.role === 'grid_officer'), members: team.slice(3) },
    facilities: { total: mine.length, by_category: [...categories].map(([category, all]) => ({ category, name: all[0].name, count: all.length })) },
    open_cases: { total: open.length, overdue: open.filter((c) => c.overdue).length, items: open.slice(0, 20) },
    neighbours: { total: near.length, items: near.map(({ code, name }) => ({ code, name, shared_m: 420 })) },
  };
}

const outline = (code) => ({ type: 'Feature', properties: { code }, geometry: { type: 'MultiPolygon', coordinates: union(gridsIn(code).map((grid) => grid.ring)) } });
const list = (all, query) => {
  const from = Number(query.get('cursor') ?? 0), limit = Number(query.get('limit') ?? 100);
  const rest = new URLSearchParams(query);
  rest.set('cursor', String(from + limit));
  return { number_matched: all.length, items: all.slice(from, from + limit), next: from + limit < all.length ? `?${rest}` : null, revision };
};

/** A position that is searched for, with its grid. */
function positionIn(q) {
  const at = /^(-?[\d.]+),(-?[\d.]+)$/.exec(q)?.slice(1).map(Number);
  return at && [{ kind: 'position', name: '', position: at, grid: made.grids.find((grid) => holds(grid.ring, at))?.code ?? null }];
}

/** [pattern, answer] in order; an answer of `undefined` is 404. */
const ROUTES = [
  [/^\/api\/v1\/meta$/, () => ({
    title: '样例市网格化管理平台', synthetic: true, attribution: ['样例数据'], map_approval: 'GS(2024)1234号', scheme: { levels: LEVELS.map((name) => ({ name })) }, root: ['3309'],
    bbox: boxOf('3309'), counts: counts(''), revision, epoch: 1, default_facility_groups: made.groups, background: null,
  })],
  // It tells nobody apart: everybody may do everything.
  [/^\/api\/v1\/me$/, () => ({ id: 'local', name: null, roles: ['admin'], rights: ['read', 'export', 'write'], classes: [], within: null, screen: null, ends_at: null, session: false, idle_s: null, told_apart: false })],
  [/^\/api\/v1\/categories$/, () => [
    ...made.components.map(([code, name, icon]) => ({ kind: 'component', code, name, icon })), ...made.matters.map(([code, name]) => ({ kind: 'matter', code, name, icon: 'component' })),
  ], list],
  [/^\/api\/v1\/regions\/(\d+)$/, ([code]) => made.regions.has(code) && region(made.regions.get(code))],
  [/^\/api\/v1\/regions\/(\d+)\/children$/, ([code]) => made.regions.has(code) && [
    ...[...made.regions.values()].filter((r) => r.parent === code).map(region),
    ...made.grids.filter((g) => g.parent === code).map((g) => ({ code: g.code, name: g.name, level: 'grid', kind: g.kind, label_point: centre(g.ring), bbox: bboxOf(g.ring), counts: counts(g.code) })),
  ], list],
  [/^\/api\/v1\/(?:regions|grids)\/(\d+)\/outline$/, ([code]) => gridsIn(code).length > 0 && outline(code)],
  [/^\/api\/v1\/grids\/(\d+)$/, ([code]) => gridByCode.has(code) && card(gridByCode.get(code))],
  [/^\/api\/v1\/grids\/(\d+)\/facilities$/, ([code]) => gridByCode.has(code) && within(made.facilities, code), list],
  [/^\/api\/v1\/grids\/(\d+)\/cases$/, ([code]) => gridByCode.has(code) && within(made.cases, code).sort(pressing), list],
  [/^\/api\/v1\/cases$/, (_, query) => within(made.cases, query.get('within') ?? '').sort(pressing), list],
  [/^\/api\/v1\/locate$/, (_, query) => {
    const grid = made.grids.find((g) => holds(g.ring, [Number(query.get('lon')), Number(query.get('lat'))]));
    return grid && { epoch: 1, grid: { code: grid.code, name: grid.name, kind: grid.kind }, path: pathOf(grid.parent), on_border: false };
  }],
  [/^\/api\/v1\/facilities$/, (_, query) => {
    const [west, south, east, north] = query.get('bbox').split(',').map(Number);
    return made.facilities.filter(({ position: [lon, lat] }) => lon >= west && lon <= east && lat >= south && lat <= north);
  }, list],
  [/^\/api\/v1\/nearby$/, (_, query) => {
    const from = [Number(query.get('lon')), Number(query.get('lat'))];
    const kinds = { facilities: made.facilities, cases: made.cases.filter((one) => one.position) };
    return query.get('kinds').split(',').flatMap((kind) => kinds[kind].map(({ id, name, category, position, grid }) => ({ kind: ONE[kind], id, name, category, position, grid, across_water: false, ...apart(from, position) })))
      .filter((one) => one.distance_m <= Number(query.get('radius_m'))).sort((a, b) => a.distance_m - b.distance_m || a.id - b.id);
  }, list],
  [/^\/api\/v1\/beidou$/, (_, query) => ({ code: 'N51H4406162215471571'.slice(0, [4, 6, 7, 9, 11, 12, 14][query.get('level') - 1]), level: Number(query.get('level')) })],
  [/^\/api\/v1\/search$/, (_, query) => positionIn(query.get('q')) ?? [
    ...[...made.regions.values()].map((r) => ({ kind: 'region', ...r, path: pathOf(r.code) })), ...made.grids.map((g) => ({ kind: 'grid', code: g.code, name: g.name, level: 'grid', path: pathOf(g.parent) })),
  ].filter((hit) => hit.code.startsWith(query.get('q')) || hit.name.includes(query.get('q'))), list],
];

const feature = (type, coordinates, properties, id) => ({ type: 'Feature', ...(id && { id }), properties, geometry: { type, coordinates } });
const inArea = (area, at) => {
  if (area.circle) return apart(area.circle.centre, at).distance_m <= area.circle.radius_m;
  if (area.type === 'Polygon') return holds(area.coordinates[0], at);
  const { line, distance_m } = area.corridor;
  return line.slice(1).some((to, n) => {
    const [across, from] = [Math.cos(to[1] * rad), line[n]];
    const flat = ([lon, lat]) => [(lon - from[0]) * 111_320 * across, (lat - from[1]) * 111_320];
    const [[bx, by], [px, py]] = [flat(to), flat(at)];
    const along = Math.max(0, Math.min(1, (px * bx + py * by) / (bx * bx + by * by || 1)));
    return Math.hypot(px - along * bx, py - along * by) <= distance_m;
  });
};

function select({ area, kinds, limit = 100, cursor }) {
  const of = { facilities: made.facilities, cases: made.cases.filter((one) => one.position) };
  const found = kinds.flatMap((kind) => of[kind].filter(({ position }) => inArea(area, position)).map(({ id, category }) => ({ kind: ONE[kind], id, category })));
  const counts = kinds.map((kind) => {
    const mine = found.filter((one) => one.kind === ONE[kind]);
    const by = [...new Set(mine.map((one) => one.category))].sort().map((category) => ({ category, name: '', count: mine.filter((one) => one.category === category).length }));
    return { kind: ONE[kind], total: mine.length, by_category: by };
  });
  const from = Number(cursor ?? 0), next = from + limit < found.length;
  return { revision, epoch: 1, number_matched: found.length, counts, items: found.slice(from, from + limit).map(({ kind, id }) => ({ kind, id })), ...(next && { cursor: String(from + limit) }) };
}

const facilityFeature = (f) => feature('Point', f.position, { id: f.id, category: f.category, state: f.state, name: f.name }, f.id);
const layers = {
  regions: [...made.regions.values()].map((r) => feature('MultiPolygon', outline(r.code).geometry.coordinates, { code: r.code, level: r.level, name: r.name, parent: r.parent }, Number(r.code))),
  grids: made.grids.map((g) => feature('Polygon', [g.ring], { code: g.code, name: g.name, kind: g.kind, parent: g.parent }, Number(g.code))),
  labels: [...[...made.regions.values()].map((r) => feature('Point', centre(gridsIn(r.code).flatMap((g) => g.ring)), { code: r.code, level: r.level, name: r.name })),
    ...made.grids.map((g) => feature('Point', centre(g.ring), { code: g.code, level: 'grid', name: g.name }))],
  facilities: made.facilities.map(facilityFeature),
  cases: made.cases.filter((c) => c.position).map((c) => feature('Point', c.position, { id: c.id, category: c.category, state: c.state, overdue: c.overdue, due_at: Math.floor(Date.parse(c.due_at) / 1000) }, c.id)),
};
const indexes = {};
const index = (name) => { indexes[name] = geojsonvt({ type: 'FeatureCollection', features: layers[name] }, { maxZoom: 16, indexMaxZoom: 8, tolerance: 1, buffer: 128, extent: 4096 }); };
Object.keys(layers).forEach(index);

function tile(names, [z, x, y]) {
  const found = {};
  for (const name of names) {
    const at = indexes[name].getTile(z, x, y);
    if (!at) continue;
    const shown = at.features.filter(({ tags }) => !tags.level || (z >= ZOOMS[tags.level][0])).filter(() => name !== 'grids' || z >= 11).filter(() => name !== 'facilities' || z >= 14);
    if (shown.length > 0) found[name] = { ...at, features: shown };
  }
  return Object.keys(found).length > 0 ? Buffer.from(vtpbf.fromGeojsonVt(found, { version: 2, extent: 4096 })) : null;
}

const tileAt = ([lon, lat], z) => `${z}/${Math.floor(((lon + 180) / 360) * 2 ** z)}/${Math.floor(((1 - Math.asinh(Math.tan(lat * rad)) / Math.PI) / 2) * 2 ** z)}`;

export async function serve(port = 0) {
  const streams = new Set();
  /** Tells everybody who listens; `id` ends a revision. */
  const tell = (kind, data, id) => { for (const stream of streams) stream.write(`event: ${kind}\n${id ? `id: ${id}\n` : ''}data: ${JSON.stringify(data)}\n\n`); };
  /** Moves a facility within its grid, as another client would, and tells which tiles changed. */
  const move = (id, to) => {
    const facility = made.facilities.find((one) => one.id === id);
    const tiles = new Set([facility.position, to].flatMap((at) => [14, 15, 16].map((z) => tileAt(at, z))));
    facility.position = to;
    layers.facilities = made.facilities.map(facilityFeature);
    index('facilities');
    revision++;
    tell('tiles', { layer: 'facilities', revision, epoch: 1, tiles: [...tiles] }, revision);
    return [...tiles];
  };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://mock');
    const path = decodeURIComponent(url.pathname);
    const answer = (status, body, type = 'application/json') => { response.writeHead(status, { 'content-type': type, 'cache-control': 'no-cache' }); response.end(body); };
    if (path === '/api/v1/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': here\n\n');
      streams.add(response);
      response.on('close', () => streams.delete(response));
      return undefined;
    }
    if (path === '/api/v1/select' && request.method === 'POST') {
      let body = '';
      for await (const chunk of request) body += chunk;
      return answer(200, JSON.stringify(select(JSON.parse(body))));
    }
    if (path === '/api/v1/audit' && request.method === 'POST') return answer(204);
    const asTile = /^\/tiles\/([a-z,]+)\/(\d+)\/(\d+)\/(\d+)$/.exec(path);
    if (asTile) {
      const body = tile(asTile[1].split(','), asTile.slice(2).map(Number));
      return body ? answer(200, body, 'application/vnd.mapbox-vector-tile') : answer(204);
    }
    const asJson = /^\/tiles\/([a-z,]+)$/.exec(path);
    if (asJson) {
      const minzoom = /^(facilities|cases)$/.test(asJson[1]) ? 6 : 0;
      return answer(200, JSON.stringify({ tilejson: '3.0.0', tiles: [`http://${request.headers.host}/tiles/${asJson[1]}/{z}/{x}/{y}`], minzoom, maxzoom: 16, bounds: boxOf('3309'), vector_layers: asJson[1].split(',').map((id) => ({ id, fields: {} })) }));
    }
    for (const [pattern, read, shape] of ROUTES) {
      const match = pattern.exec(path);
      if (!match) continue;
      const found = read(match.slice(1), url.searchParams);
      if (!found) return answer(404, JSON.stringify({ status: 404, code: path.endsWith('/locate') ? 'outside_coverage' : 'unknown_code', title: 'Not found' }), 'application/problem+json');
      const body = shape ? shape(found, url.searchParams) : found;
      if (body.next) body.next = path + body.next;
      return answer(200, JSON.stringify(body));
    }
    const file = path === '/' || /^\/g\/[^/]+$/.test(path) ? '/index.html' : path;
    const body = await readFile(join(DIST, file)).catch(() => null);
    return body ? answer(200, body, TYPES[extname(file)] ?? 'application/octet-stream') : answer(404, '{"status":404,"code":"not_found"}');
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { base: `http://127.0.0.1:${server.address().port}`, made, streams, tell, move, close: () => { server.close(); server.closeAllConnections(); } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await serve(Number(process.argv[2] ?? 8090))).base);
