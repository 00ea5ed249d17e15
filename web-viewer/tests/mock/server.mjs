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
const region = ({ code, level, name }) => ({ revision: 1, epoch: 1, code, level, name, path: pathOf(code), bbox: boxOf(code), label_point: centre(gridsIn(code)[0].ring), counts: counts(code) });

function card(grid) {
  const mine = within(made.facilities, grid.code), open = within(made.cases, grid.code).sort(pressing);
  const team = made.staff.filter((s) => s.assigned === grid.code);
  const categories = Map.groupBy ? Map.groupBy(mine, (f) => f.category) : mine.reduce((m, f) => m.set(f.category, [...(m.get(f.category) ?? []), f]), new Map());
  const points = new Set(grid.ring.map(String));
  const near = made.grids.filter((other) => other !== grid && other.ring.some((point) => points.has(String(point))));
  const { ring, parent, ...plain } = grid;
  return {
    epoch: 1, revision: 1, grid: { ...plain, area_m2: areaOf(ring), label_point: centre(ring), bbox: bboxOf(ring) }, path: pathOf(parent),
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
  return { number_matched: all.length, items: all.slice(from, from + limit), next: from + limit < all.length ? `?${rest}` : null, revision: 1 };
};

/** [pattern, answer] in order; an answer of `undefined` is 404. */
const ROUTES = [
  [/^\/api\/v1\/meta$/, () => ({
    title: '样例市网格化管理平台', synthetic: true, attribution: ['样例数据'], scheme: { levels: LEVELS.map((name) => ({ name })) }, root: ['3309'],
    bbox: boxOf('3309'), counts: counts(''), revision: 1, epoch: 1, default_facility_groups: made.groups, background: null,
  })],
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
  [/^\/api\/v1\/beidou$/, (_, query) => ({ code: 'N51H4406162215471571'.slice(0, [4, 6, 7, 9, 11, 12, 14][query.get('level') - 1]), level: Number(query.get('level')) })],
  [/^\/api\/v1\/search$/, (_, query) => [
    ...[...made.regions.values()].map((r) => ({ kind: 'region', ...r, path: pathOf(r.code) })), ...made.grids.map((g) => ({ kind: 'grid', code: g.code, name: g.name, level: 'grid', path: pathOf(g.parent) })),
  ].filter((hit) => hit.code.startsWith(query.get('q')) || hit.name.includes(query.get('q'))), list],
];

const feature = (type, coordinates, properties, id) => ({ type: 'Feature', ...(id && { id }), properties, geometry: { type, coordinates } });
const layers = {
  regions: [...made.regions.values()].map((r) => feature('MultiPolygon', outline(r.code).geometry.coordinates, { code: r.code, level: r.level, name: r.name, parent: r.parent }, Number(r.code))),
  grids: made.grids.map((g) => feature('Polygon', [g.ring], { code: g.code, name: g.name, kind: g.kind, parent: g.parent }, Number(g.code))),
  labels: [...[...made.regions.values()].map((r) => feature('Point', centre(gridsIn(r.code).flatMap((g) => g.ring)), { code: r.code, level: r.level, name: r.name })),
    ...made.grids.map((g) => feature('Point', centre(g.ring), { code: g.code, level: 'grid', name: g.name }))],
  facilities: made.facilities.map((f) => feature('Point', f.position, { id: f.id, category: f.category, state: f.state, name: f.name }, f.id)),
  cases: made.cases.filter((c) => c.position).map((c) => feature('Point', c.position, { id: c.id, category: c.category, state: c.state, overdue: c.overdue, due_at: Math.floor(Date.parse(c.due_at) / 1000) }, c.id)),
};
const indexes = {};
for (const [name, features] of Object.entries(layers)) indexes[name] = geojsonvt({ type: 'FeatureCollection', features }, { maxZoom: 16, indexMaxZoom: 8, tolerance: 1, buffer: 128, extent: 4096 });

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

export async function serve(port = 0) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://mock');
    const path = decodeURIComponent(url.pathname);
    const answer = (status, body, type = 'application/json') => { response.writeHead(status, { 'content-type': type, 'cache-control': 'no-cache' }); response.end(body); };
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
    const file = path === '/' ? '/index.html' : path;
    const body = await readFile(join(DIST, file)).catch(() => null);
    return body ? answer(200, body, TYPES[extname(file)] ?? 'application/octet-stream') : answer(404, '{"status":404,"code":"not_found"}');
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { base: `http://127.0.0.1:${server.address().port}`, made, close: () => { server.close(); server.closeAllConnections(); } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await serve(Number(process.argv[2] ?? 8090))).base);
