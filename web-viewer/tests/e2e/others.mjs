// Maps and things of others: a base map that a person chooses, a layer with its key and the properties of what is clicked, an upstream that
// goes and comes back. The browser asks nobody but our server. PROGRAM and DATA name what is started here.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { settled, withBrowser } from './browser.mjs';

const PORT = Number(process.env.LOST_PORT ?? 18081) + 7;

/** A picture of one colour, 256 × 256. */
function picture([red, green, blue]) {
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(256 * 3, Buffer.from([red, green, blue]))]);
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]), framed = Buffer.alloc(body.length + 8);
    framed.writeUInt32BE(data.length, 0);
    framed.set(body, 4);
    framed.writeUInt32BE(crc32(body), body.length + 4);
    return framed;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(256, 0);
  header.writeUInt32BE(256, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.concat(Array(256).fill(row)))), chunk('IEND', Buffer.alloc(0))]);
}

const asked = [];
let well = true;
const upstream = createServer((request, response) => {
  asked.push(request.url);
  if (!well) { response.writeHead(503); return response.end(); }
  const kind = request.url.includes('/vec_w/') ? [236, 239, 226] : [120, 130, 90];
  response.writeHead(200, { 'content-type': 'image/png' });
  return response.end(picture(kind));
});
upstream.listen(0, '127.0.0.1');
await once(upstream, 'listening');

const folder = mkdtempSync(join(tmpdir(), 'wangge-others-'));
const spots = join(folder, 'spots.geojson');
let program;
try {
  const serve = async () => {
    program = spawn(process.env.PROGRAM, ['serve', '--config', join(folder, 'wangge.toml'), '--data', process.env.DATA, '--listen', `127.0.0.1:${PORT}`, '--log', 'error'], { stdio: ['ignore', 'ignore', 'inherit'] });
    while (!(await fetch(`http://127.0.0.1:${PORT}/readyz`).then((answer) => answer.ok, () => false))) {
      assert.equal(program.exitCode, null, 'the server starts');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const things = (places) => JSON.stringify({ type: 'FeatureCollection', features: places.map((coordinates, n) => ({ type: 'Feature', geometry: { type: 'Point', coordinates }, properties: { level: n % 3 ? 'low' : 'high', name: `积水点${n + 1}`, depth_cm: 10 + n } })) });
  writeFileSync(join(folder, 'tk'), 'KEY123');
  writeFileSync(spots, things([[122.2, 30]]));
  const { port } = upstream.address();
  writeFileSync(join(folder, 'wangge.toml'), `
attribution = ["某局"]
map_approval = "GS(2024)1234号"
[[basemap]]
id = "tdt"
title = "天地图"
title_en = "Tianditu"
kind = "tianditu"
crs = "cgcs2000"
url = "http://127.0.0.1:${port}"
layers = ["vec"]
key_file = "tk"
attribution = "天地图 GS(2024)0568号"
[[basemap]]
id = "photo"
title = "影像"
title_en = "Photographs"
kind = "xyz"
crs = "wgs84"
imagery = true
url = "http://127.0.0.1:${port}/photo/{z}/{x}/{y}"
[[layer]]
id = "spots"
title = "积水点"
title_en = "Flooded spots"
group = "防汛"
group_en = "Flood"
kind = "geojson"
file = "spots.geojson"
crs = "cgcs2000"
every_s = 2
colour = "teal"
name_field = "name"
class_field = "level"
[[layer.class]]
value = "high"
title = "高"
title_en = "High"
colour = "violet"
[[layer.class]]
value = "low"
title = "低"
title_en = "Low"
`);
  await serve();
  const meta = await (await fetch(`http://127.0.0.1:${PORT}/api/v1/meta`)).json();
  const [west, south, east, north] = meta.bbox;
  const at = (n) => [west + (east - west) * (0.35 + 0.06 * n), south + (north - south) * (0.4 + 0.04 * n)];
  writeFileSync(spots, things([0, 1, 2, 3, 4].map(at)));

  await withBrowser(async ({ open }) => {
    const page = await open(1920, 1080, process.env.QUERY ?? '');
    const requests = [];
    page.on('request', (request) => requests.push(request.url()));
    const seen = (id) => page.evaluate((of) => window.wangge.map.getStyle().layers.some((layer) => layer.id === of), id);
    assert(!(await seen('base-tdt-0')), 'no base map until one is chosen');
    assert.equal(asked.length, 0, 'nobody is asked before');

    // The tree: a base map, then none, then the other.
    await page.click('.layers caption button');
    await page.click('[data-base=tdt]');
    await page.waitForFunction(() => location.search === '?base=tdt' && document.documentElement.dataset.shown === '?base=tdt');
    await settled(page);
    const order = await page.evaluate(() => window.wangge.map.getStyle().layers.map((layer) => layer.id));
    assert(order.indexOf('land') < order.indexOf('base-tdt-0') && order.indexOf('base-tdt-0') < order.indexOf('border-grid'), 'over plain land, under borders');
    assert(asked.length > 0 && asked.every((url) => url.includes('tk=KEY123')));
    assert(requests.some((url) => url.includes('/basemaps/tdt/vec/')) && requests.every((url) => !url.includes('KEY123')), 'the browser has no key');
    assert.match(await page.textContent('.attribution'), /某局 · 审图号 GS\(2024\)1234号 · 天地图 GS\(2024\)0568号/);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/others-tdt.png` });
    await page.click('[data-base=photo]');
    await page.waitForFunction(() => document.documentElement.dataset.shown === '?base=photo');
    assert(!(await seen('base-tdt-0')) && await seen('base-photo-0'));
    await page.click('[data-base=none]');
    await page.waitForFunction(() => document.documentElement.dataset.shown === '?base=none');
    assert.doesNotMatch(await page.textContent('.attribution'), /0568/);

    // Things of others: their key, their numbers, and what one says of itself.
    // Their first file does not come through: it is asked for again.
    let asks = 0;
    await page.route('**/layers/spots', (route) => (asks++ === 0 ? route.abort() : route.continue()));
    await page.click('[data-thematic=spots]');
    await page.waitForFunction(() => location.search === '?base=none&layers=spots');
    await page.waitForFunction(() => document.querySelector('.thematic-key tfoot td')?.textContent === '5', undefined, { timeout: 20_000 });
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('.thematic-key tbody tr')].map((row) => row.textContent.trim())), ['高2', '低3']);
    await page.waitForFunction(() => window.wangge.map.queryRenderedFeatures({ layers: ['layer-spots-point'] }).length >= 5, undefined, { timeout: 60_000 });
    assert(asks > 1, 'the first was refused');
    await page.click('.layers caption button');
    const click = async (place) => {
      const point = await page.evaluate((of) => {
        const { map } = window.wangge, box = map.getContainer().getBoundingClientRect(), scale = box.width / map.getContainer().offsetWidth;
        const { x, y } = map.project(of);
        return { x: box.left + x * scale, y: box.top + y * scale };
      }, place);
      await page.mouse.click(point.x, point.y);
    };
    await click(at(3));
    await page.waitForSelector('.thing');
    assert.match(await page.textContent('.thing h2'), /积水点4/);
    assert.match(await page.textContent('.thing dl'), /depth_cm13/);
    assert.equal(new URL(page.url()).search, '?base=none&layers=spots', 'the thing was meant, not the land under it');
    assert.match(await page.textContent('.thing dl'), /level高/, 'a class by its title');
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/others-thing.png` });
    await page.click('.thing .close');

    // The source changes, then breaks: the new number comes by itself, and what was good last stays.
    writeFileSync(spots, things([0, 1, 2].map(at)));
    await page.waitForFunction(() => document.querySelector('.thematic-key tfoot td')?.textContent === '3', undefined, { timeout: 30_000 });
    writeFileSync(spots, '{"type":"FeatureCollection","features":[}');
    for (let left = 100; ; left--) {
      assert(left > 0, 'the fault is told');
      const { stale_layers } = await (await fetch(`http://127.0.0.1:${PORT}/readyz`)).json();
      if (stale_layers.length === 1) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(await page.textContent('.thematic-key tfoot td'), '3');

    // The upstream goes: said in words; it comes back: the map too.
    well = false;
    await page.goto(`http://127.0.0.1:${PORT}/?base=tdt&lang=en`);
    await settled(page);
    // What was seen before the server has kept; closer there is nothing yet.
    await page.evaluate(() => window.wangge.map.jumpTo({ zoom: window.wangge.map.getZoom() + 2.3 }));
    await page.waitForSelector('.trouble', { timeout: 60_000 });
    assert.match(await page.textContent('.trouble'), /base map/);
    well = true;
    await page.waitForSelector('.trouble', { state: 'detached', timeout: 60_000 });
    console.log(`others: ${asked.length} tiles asked of the upstream`);
  }, { base: `http://127.0.0.1:${PORT}`, tolerate: /50[234].*\/basemaps\// });
} finally {
  program?.kill('SIGKILL');
  upstream.close();
  upstream.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}
