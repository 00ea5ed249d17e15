// Another client of the running server moves a facility, adds one and takes it away again: each is seen on the map and in the card of the
// selected grid without reload, and no tile is fetched that the server did not name.
import assert from 'node:assert/strict';
import { settled, withBrowser } from './browser.mjs';

await withBrowser(async ({ base, open }) => {
  const read = async (path) => (await fetch(base + path)).json();
  const { root, default_facility_groups: groups } = await read('/api/v1/meta');
  const { items: [{ grid }] } = await read(`/api/v1/cases?within=${root[0]}&limit=1`);
  const shown = groups.flatMap(({ categories }) => categories);
  const { items } = await read(`/api/v1/grids/${grid}/facilities?limit=1000`);
  const movable = items.filter(({ category }) => shown.includes(category));
  assert(movable.length > 0, `${grid} has facilities that are drawn at once`);
  // Close by, so that it stays in sight, and in its grid.
  const places = movable.flatMap((one) => [[1, 1], [1, -1], [-1, 1], [-1, -1]].map(([x, y]) => [one, [one.position[0] + x * 0.0004, one.position[1] + y * 0.0003]]));
  let found;
  for (const [one, [lon, lat]] of places) {
    if ((await read(`/api/v1/locate?lon=${lon}&lat=${lat}&crs=cgcs2000`)).grid?.code === grid) { found = [one, [lon, lat]]; break; }
  }
  const [moved, middle] = found;

  const page = await open(1366, 768, `?grid=${grid}`);
  await page.evaluate((center) => window.wangge.map.jumpTo({ center, zoom: 16.2 }), moved.position);
  await settled(page);
  const loads = [], fetched = [], named = new Set();
  page.on('load', () => loads.push(page.url()));
  page.on('request', (request) => { const tile = /\/tiles\/([a-z,]+)\/(\d+\/\d+\/\d+)/.exec(request.url()); if (tile) fetched.push([tile[1], tile[2]]); });
  // What the server names, read by a client of its own.
  const ends = new AbortController();
  const { revision } = await read(`/api/v1/grids/${grid}`);
  const stream = await fetch(`${base}/api/v1/events?kinds=tiles&since=${revision}`, { signal: ends.signal });
  const listening = (async () => {
    let text = '';
    for await (const part of stream.body.pipeThrough(new TextDecoderStream())) {
      text += part;
      for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
        const data = /^data: ?(.*)$/m.exec(text.slice(0, end));
        if (/^event: ?tiles$/m.test(text.slice(0, end))) for (const tile of JSON.parse(data[1]).tiles) named.add(tile);
      }
    }
  })().catch((error) => { if (error.name !== 'AbortError') throw error; });
  const isNamed = (tile) => named.has(tile) || [...named].some((name) => {
    if (!name.endsWith('/*')) return false;
    const [z, x, y] = name.split('/').map(Number), [tz, tx, ty] = tile.split('/').map(Number);
    return tz >= z && tx >> (tz - z) === x && ty >> (tz - z) === y;
  });

  const write = async (method, path, body, headers = {}) => {
    const answer = await fetch(base + path, { method, headers: { 'content-type': 'application/json', ...headers }, ...(body ? { body: JSON.stringify(body) } : {}) });
    assert(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer;
  };
  const iconAt = (id, [lon, lat]) => page.waitForFunction(([of, x, y]) => {
    const at = window.wangge.map.queryRenderedFeatures({ layers: ['selected-facilities'] }).find((one) => one.id === of)?.geometry.coordinates;
    return at && Math.abs(at[0] - x) < 2e-5 && Math.abs(at[1] - y) < 2e-5;
  }, [id, lon, lat], { timeout: 30_000 });
  const { facilities: { total: before } } = await read(`/api/v1/grids/${grid}`);
  const says = (wanted) => page.waitForFunction((text) => document.querySelector('.facilities h2')?.textContent.match(/\d[\d\s]*/)?.[0].replace(/\s/g, '') === text, String(wanted), { timeout: 30_000 });
  await says(before);

  const tag = (await fetch(`${base}/api/v1/facilities/${moved.id}`)).headers.get('etag');
  await write('PATCH', `/api/v1/facilities/${moved.id}`, { position: middle, crs: 'cgcs2000' }, { 'if-match': tag });
  await iconAt(moved.id, middle);

  const created = await (await write('POST', '/api/v1/facilities', { position: moved.position, crs: 'cgcs2000', category: moved.category, name: '新装' })).json();
  await iconAt(created.id, moved.position);
  await says(before + 1);
  await write('DELETE', `/api/v1/facilities/${created.id}`, null, { 'if-match': '*' });
  await page.waitForFunction((id) => !window.wangge.map.queryRenderedFeatures({ layers: ['selected-facilities'] }).some((one) => one.id === id), created.id, { timeout: 30_000 });
  await says(before);
  await settled(page);

  assert.deepEqual(loads, [], 'without reload');
  assert(fetched.some(([layer]) => layer === 'facilities'), 'tiles were fetched again');
  const unnamed = fetched.filter(([layer, tile]) => layer !== 'facilities' || !isNamed(tile));
  assert.deepEqual(unnamed, [], `only named tiles: ${[...named]}`);
  await write('PATCH', `/api/v1/facilities/${moved.id}`, { position: moved.position, crs: 'cgcs2000' }, { 'if-match': '*' });
  await iconAt(moved.id, moved.position);
  ends.abort();
  await listening;
  console.log(`moved: facility ${moved.id} in ${grid}, ${fetched.length} tiles fetched, ${named.size} named`);
});
