// Another client moves a facility: it moves on the map of a selected grid and in the tiles, without reload, and of all tiles shown only the
// named ones are fetched again. Eight tabs share one stream.
import assert from 'node:assert/strict';
import { serve } from '../mock/server.mjs';
import { settled, withBrowser } from './browser.mjs';

const TABS = 8;
const mock = await serve();
try {
  await withBrowser(async ({ open }) => {
    const grid = mock.made.grids.find(({ code }) => mock.made.facilities.filter((one) => one.grid === code).length > 10).code;
    const moved = mock.made.facilities.find((one) => one.grid === grid && one.category === '01050') ?? mock.made.facilities.find((one) => one.grid === grid);
    const other = mock.made.facilities.find((one) => one.grid === grid && one !== moved);
    const page = await open(1366, 768, `?grid=${grid}`);
    // Close enough for facilities to come as tiles, too.
    await page.evaluate((center) => window.wangge.map.jumpTo({ center, zoom: 16.2 }), moved.position);
    await settled(page);
    const loads = [], fetched = [];
    page.on('load', () => loads.push(page.url()));
    page.on('request', (request) => { const tile = /\/tiles\/facilities\/(\d+\/\d+\/\d+)/.exec(request.url()); if (tile) fetched.push(tile[1]); });
    page.on('request', (request) => { const tile = /\/tiles\/(?!facilities)[a-z,]+\/\d/.exec(request.url()); if (tile) fetched.push(request.url()); });
    const shownAt = (id) => page.evaluate((of) => window.wangge.map.queryRenderedFeatures({ layers: ['selected-facilities'] }).find((one) => one.id === of)?.geometry.coordinates, id);
    const drawn = await page.evaluate(() => window.wangge.map.coveringTiles({ tileSize: 512, minzoom: 6, maxzoom: 16 }).map(({ canonical: { z, x, y } }) => `${z}/${x}/${y}`));
    assert.equal(mock.streams.size, 1);

    const named = mock.move(moved.id, [(moved.position[0] + other.position[0]) / 2, (moved.position[1] + other.position[1]) / 2]);
    const goal = moved.position;
    const groups = await page.evaluate(() => [...document.querySelectorAll('[data-group][aria-pressed=false]')].map((one) => one.dataset.group));
    for (const group of groups) await page.click(`[data-group="${group}"]`);
    await page.waitForFunction(([id, [lon, lat]]) => {
      const at = window.wangge.map.queryRenderedFeatures({ layers: ['selected-facilities'] }).find((one) => one.id === id)?.geometry.coordinates;
      return at && Math.abs(at[0] - lon) < 2e-5 && Math.abs(at[1] - lat) < 2e-5;
    }, [moved.id, goal], { timeout: 30_000 });
    await settled(page);
    assert(await shownAt(moved.id));
    const inTile = await page.evaluate((id) => window.wangge.map.querySourceFeatures('facilities', { sourceLayer: 'facilities' }).find((one) => one.id === id)?.geometry.coordinates, moved.id);
    assert(Math.abs(inTile[0] - goal[0]) < 2e-4 && Math.abs(inTile[1] - goal[1]) < 2e-4, 'the tile is the new one');
    assert.deepEqual(loads, [], 'without reload');
    assert(fetched.length > 0 && fetched.every((tile) => named.includes(tile)), `fetched ${fetched}, named ${named}`);
    assert(drawn.some((tile) => !fetched.includes(tile)) || drawn.every((tile) => named.includes(tile)), 'other tiles stay');

    // A change elsewhere fetches nothing.
    fetched.length = 0;
    mock.tell('tiles', { layer: 'facilities', revision: 1000, epoch: 1, tiles: ['16/0/0', '14/1/1/*'] }, 1000);
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
    await settled(page);
    assert.deepEqual(fetched, [], 'tiles out of sight are not fetched');
    // Everything below a named tile, and everything.
    const [top] = drawn;
    const [z, x, y] = top.split('/').map(Number);
    mock.tell('tiles', { layer: 'facilities', revision: 1001, epoch: 1, tiles: [`${z - 3}/${x >> 3}/${y >> 3}/*`] }, 1001);
    await page.waitForFunction(() => true);
    await until(() => fetched.includes(top));
    assert(fetched.every((tile) => drawn.includes(tile)));
    fetched.length = 0;
    mock.tell('resync', { revision: 1 });
    await until(() => drawn.every((tile) => fetched.includes(tile)) && fetched.some((url) => url.includes('/tiles/regions,grids,labels/')));

    // One stream for all tabs of a browser; it ends with the last of them.
    const tabs = await Promise.all(Array.from({ length: TABS - 1 }, () => page.context().newPage()));
    for (const tab of tabs) { await tab.goto(page.url()); await settled(tab); }
    assert.equal(mock.streams.size, 1, `${TABS} tabs, one stream`);
    const second = mock.move(moved.id, other.position);
    assert(second.length > 0);
    for (const tab of [page, ...tabs]) {
      for (const group of await tab.evaluate(() => [...document.querySelectorAll('[data-group][aria-pressed=false]')].map((one) => one.dataset.group))) await tab.evaluate((id) => document.querySelector(`[data-group="${id}"]`).click(), group);
      await tab.waitForFunction(([id, [lon, lat]]) => {
        const at = window.wangge.map.queryRenderedFeatures({ layers: ['selected-facilities'] }).find((one) => one.id === id)?.geometry.coordinates;
        return at && Math.abs(at[0] - lon) < 2e-5 && Math.abs(at[1] - lat) < 2e-5;
      }, [moved.id, moved.position], { timeout: 30_000 });
    }
    for (const tab of [...tabs, page]) await tab.close();
    await until(() => mock.streams.size === 0);
    console.log(`live: facility ${moved.id} in ${grid}, ${drawn.length} tiles shown, ${named.length} named, ${TABS} tabs`);
  }, { base: mock.base });
} finally {
  mock.close();
}

async function until(holds) {
  const give = Date.now() + 30_000;
  while (!holds()) {
    assert(Date.now() < give, `never: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
