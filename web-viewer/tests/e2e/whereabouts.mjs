// Where am I: the device's position and its accuracy lead to a grid, or to the choice between two; over plain http the page says in one
// sentence what is missing, over TLS under the same name it finds its grid.
import assert from 'node:assert/strict';
import { settled, withBrowser } from './browser.mjs';
import { start } from './program.mjs';

const PORT = Number(process.env.LOST_PORT ?? 18081) + 13;
const SAYS = '浏览器只在安全连接下给出位置，请用 https 打开本页。';

/** A name that leads to this machine, and is no localhost to the browser. */
const NAME = 'city.test';

const plain = await start({ port: PORT, access: '', settings: `base_url = "http://${NAME}:${PORT}"\npublic = false` });
try {
  await withBrowser(async ({ open }) => {
    const page = await open(1366, 768, '', { geolocation: { longitude: 122, latitude: 30 }, permissions: ['geolocation'] });
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await page.click('[data-tool=locate]');
    await page.waitForSelector('.whereabouts p');
    assert.equal(await page.textContent('.whereabouts p'), SAYS);
    await page.click('.whereabouts .close');
    await page.waitForSelector('.whereabouts', { state: 'detached' });
  }, { base: `http://${NAME}:${PORT}`, flags: [`--host-resolver-rules=MAP ${NAME} 127.0.0.1`] });
} finally {
  await plain.stop();
}

// A second address, TLS with an authority of its own, callers: as phones in the field reach it.
const safe = await start({ port: PORT, name: NAME, address: '127.0.0.2' });
try {
  const { token } = await safe.ask('POST', '/api/v1/tokens', { name: '外勤', roles: ['officer'] });
  const [{ grid: code }] = (await safe.ask('GET', '/api/v1/cases?limit=1')).items;
  const { grid } = await safe.ask('GET', `/api/v1/grids/${code}`);
  const [longitude, latitude] = grid.label_point;
  const flags = [`--host-resolver-rules=MAP ${NAME} 127.0.0.2`];
  // A browser in which the authority is not installed shows no page.
  await withBrowser(({ open }) => assert.rejects(open(390, 844, '/'), /ERR_CERT_AUTHORITY_INVALID/), { base: safe.base, flags });
  await withBrowser(async ({ open }) => {
    const page = await open(390, 844, `/#token=${token}`, { geolocation: { longitude, latitude, accuracy: 1 }, permissions: ['geolocation'] });
    await settled(page);
    assert.equal(await page.evaluate(() => isSecureContext), true);
    const [cookie] = await page.context().cookies();
    assert.deepEqual([cookie.name, cookie.secure, cookie.httpOnly, cookie.sameSite], ['__Host-wangge', true, true, 'Lax']);
    await page.evaluate(() => document.querySelector('[data-tool=locate]').click());
    await page.waitForFunction((of) => document.documentElement.dataset.shown === `?grid=${of}`, code);
    assert.equal(await page.textContent('.whereabouts .maybe .label'), grid.name);
    // The stream of news and the tiles came, too.
    await settled(page);
    assert(await page.evaluate(() => window.wangge.map.queryRenderedFeatures({ layers: ['land'] }).length > 0));
  }, { base: safe.base, flags, authority: safe.authority, tolerate: /status of 401.*\/api\/v1\/me/ });
} finally {
  await safe.stop();
}

const near = await start({ port: PORT, access: '' });
try {
  const read = async (path) => (await fetch(near.base + path)).json();
  const { root: [top] } = await read('/api/v1/meta');
  let place = (await read(`/api/v1/regions/${top}/children?limit=1`)).items[0];
  while (!place.kind) place = (await read(`/api/v1/regions/${place.code}/children?limit=1`)).items[0];
  const { grid } = await read(`/api/v1/grids/${place.code}`);
  const outline = (await read(`/api/v1/grids/${grid.code}/outline`)).geometry;
  /** A grid that lies on the other side of a border of this one, and a position on that border. */
  const rings = outline.type === 'Polygon' ? [outline.coordinates] : outline.coordinates;
  const locate = (lon, lat, accuracy) => read(`/api/v1/locate?lon=${lon}&lat=${lat}&crs=wgs84&accuracy_m=${accuracy}`);
  let border = null;
  for (const [lon, lat] of rings[0][0]) {
    const { candidates = [] } = await locate(lon, lat, 10);
    if (candidates.length > 1 && candidates[0].probability < 0.9) { border = [lon, lat]; break; }
  }
  await withBrowser(async ({ open }) => {
    const [longitude, latitude] = grid.label_point;
    const page = await open(1366, 768, '', { geolocation: { longitude, latitude, accuracy: 1 }, permissions: ['geolocation'] });
    const asked = [];
    page.on('request', (request) => request.url().includes('/locate?') && asked.push(new URL(request.url()).searchParams));
    await page.focus('[data-tool=locate]');
    await page.keyboard.press('Enter');
    await page.waitForFunction((code) => location.search === `?grid=${code}`, grid.code);
    await settled(page);
    assert.equal(await page.textContent('.whereabouts .maybe .label'), grid.name);
    assert.deepEqual([asked[0].get('crs'), asked[0].get('accuracy_m')], ['wgs84', '1.0']);
    // A cross at the place itself.
    await page.waitForFunction(([lon, lat]) => {
      const at = window.wangge.map.queryRenderedFeatures({ layers: ['spot'] })[0]?.geometry.coordinates;
      return at && Math.abs(at[0] - lon) < 1e-4 && Math.abs(at[1] - lat) < 1e-4;
    }, [longitude, latitude]);
    await page.click('.whereabouts .close');

    // On a border: both grids to choose from, none is entered by itself.
    assert(border, 'a grid has neighbours');
    await page.goto(`${near.base}/`);
    await settled(page);
    await page.context().setGeolocation({ longitude: border[0], latitude: border[1], accuracy: 10 });
    await page.click('[data-tool=locate]');
    await page.waitForSelector('.whereabouts .maybe + .maybe');
    assert.match(await page.textContent('.whereabouts'), /±10 m.*你可能在.*%/);
    assert.equal(new URL(page.url()).search, '');
    const second = await page.getAttribute('.whereabouts .maybe + .maybe', 'data-here');
    await page.click('.whereabouts .maybe + .maybe');
    await page.waitForFunction((code) => location.search === `?grid=${code}`, second);

    // Too coarse to tell a grid, and forbidden.
    await page.context().setGeolocation({ longitude, latitude, accuracy: 4000 });
    await page.click('[data-tool=locate]');
    await page.waitForFunction(() => /太粗略.*±4.0 km/.test(document.querySelector('.whereabouts p')?.textContent ?? ''));
    await page.context().clearPermissions();
    await page.click('[data-tool=locate]');
    await page.waitForFunction(() => /没有允许/.test(document.querySelector('.whereabouts p')?.textContent ?? ''));
    console.log(`where am I: ${grid.code}, a border at ${border}, what is missing over http`);
  }, { base: near.base });
} finally {
  await near.stop();
}
