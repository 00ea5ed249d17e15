// Areas drawn by hand and what is counted in them, held against a count by brute force; what is near a point; the layers' switches; a
// measure in classes. All of it is in the address.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { serve } from '../mock/server.mjs';
import { settled, withBrowser } from './browser.mjs';

const mock = await serve();
try {
  await withBrowser(async ({ open }) => {
    const grid = mock.made.grids[40];
    const page = await open(1366, 768, `?region=${grid.parent}`);
    const search = () => new URL(page.url()).searchParams;
    /** A position on the screen. */
    const screen = (position) => page.evaluate((at) => {
      const { map } = window.wangge, box = map.getContainer().getBoundingClientRect(), scale = box.width / map.getContainer().offsetWidth;
      const { x, y } = map.project(at);
      return { x: box.left + x * scale, y: box.top + y * scale };
    }, position);
    const number = (selector) => page.evaluate((of) => Number(document.querySelector(of)?.textContent.replace(/\D/g, '') ?? 0), selector);
    const metres = ([a, b], [c, d]) => Math.hypot((c - a) * 111_320 * Math.cos((b * Math.PI) / 180), (d - b) * 111_320);

    // A circle, by one stroke.
    const middle = [0, 1].map((axis) => grid.ring.slice(0, -1).reduce((sum, at) => sum + at[axis], 0) / (grid.ring.length - 1));
    const from = await screen(middle);
    await page.click('[data-tool=circle]');
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(from.x + 60, from.y, { steps: 4 });
    await page.mouse.move(from.x + 120, from.y, { steps: 4 });
    await page.mouse.up();
    await page.waitForSelector('.inside [data-kind=facility]');
    const [kind, lon, lat, radius] = search().get('area').split(',');
    assert.equal(kind, 'circle');
    const pixel = await page.evaluate(() => (40_075_016 * Math.cos(Math.PI / 6)) / 512 / 2 ** window.wangge.map.getZoom());
    assert(metres(middle, [Number(lon), Number(lat)]) < 2 * pixel, `the centre is where the stroke began, ${metres(middle, [Number(lon), Number(lat)])} m, a pixel is ${pixel} m`);
    const inside = (items) => items.filter(({ position }) => position && metres([Number(lon), Number(lat)], position) <= Number(radius));
    const [facilities, cases] = [inside(mock.made.facilities), inside(mock.made.cases)];
    assert(facilities.length > 3);
    assert.equal(await number('[data-kind=facility] h3 b'), facilities.length);
    assert.equal(await number('[data-kind=case] h3 b'), cases.length);
    assert.equal(await page.getAttribute('[data-tool=circle]', 'aria-pressed'), 'false', 'the tool is put down');
    assert.equal(search().get('region'), grid.parent, 'the stroke was no click');
    // Taken away as a table and as GeoJSON.
    for (const [button, ending] of [[0, 'csv'], [1, 'geojson']]) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.click(`.take button:nth-child(${button + 1})`)]);
      assert(download.suggestedFilename().endsWith(ending));
      const text = await readFile(await download.path(), 'utf8');
      const ids = ending === 'csv' ? text.trim().split('\r\n').slice(1).map((line) => line.split(',').slice(0, 2).join())
        : JSON.parse(text).features.map(({ properties }) => `${properties.kind},${properties.id}`);
      assert.deepEqual(ids.sort(), [...facilities.map(({ id }) => `facility,${id}`), ...cases.map(({ id }) => `case,${id}`)].sort());
    }

    // A lasso around the grid, and a corridor through it; Esc takes the area away.
    await page.click('[data-tool=lasso]');
    const ring = await Promise.all(grid.ring.map(screen));
    await page.mouse.move(ring[0].x, ring[0].y);
    await page.mouse.down();
    for (const { x, y } of ring.slice(1)) await page.mouse.move(x, y, { steps: 3 });
    await page.mouse.up();
    await page.waitForFunction(() => location.search.includes('area=lasso'));
    await page.waitForSelector('.inside [data-kind=facility]');
    const own = mock.made.facilities.filter((one) => one.grid === grid.code).length;
    assert.equal(await number('[data-kind=facility] h3 b'), own, 'a lasso along the border holds the grid');
    await page.click('[data-tool=corridor]');
    for (const at of [grid.ring[0], middle, grid.ring[4]]) { const { x, y } = await screen(at); await page.mouse.click(x, y); }
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.search.includes('area=corridor,50,'));
    await page.waitForSelector('.widths');
    const narrow = await number('[data-kind=facility] h3 b');
    await page.click('.widths button:last-child');
    await page.waitForFunction((before) => location.search.includes('corridor,200,') && Number(document.querySelector('[data-kind=facility] h3 b')?.textContent) > before, narrow);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !location.search.includes('area=') && !document.querySelector('.found'));

    // What is near a point, the nearest first; an address alone shows the same.
    const at = await screen(middle);
    await page.mouse.click(at.x, at.y, { button: 'right' });
    await page.waitForSelector('.near .rows li');
    const nearest = mock.made.facilities.map((one) => metres(middle, one.position)).sort((a, b) => a - b)[0];
    assert(Math.abs(await page.evaluate(() => Number(/(\d+) m$/.exec(document.querySelector('.near .rows li .number').textContent)[1])) - nearest) < 3 * pixel);
    const told = await page.textContent('.near');
    await page.reload();
    await page.waitForSelector('.near .rows li');
    assert.equal(await page.textContent('.near'), told);
    await page.click('.close');
    await settled(page);

    // Layers that are put away stay so, in the address and on the map.
    await page.click('.layers caption button');
    await page.click('[data-layer=cases]');
    await page.click('[data-layer=border_0]');
    await page.waitForFunction(() => location.search.includes('hide=border_0,cases'));
    const visible = () => page.evaluate(() => ['cases', 'border-grid', 'border-community'].map((id) => window.wangge.map.getLayoutProperty(id, 'visibility') ?? 'visible'));
    assert.deepEqual(await visible(), ['none', 'none', 'visible']);
    await page.reload();
    await settled(page);
    assert.deepEqual(await visible(), ['none', 'none', 'visible']);
    await page.goBack();
    await page.waitForFunction(() => !location.search.includes('border_0'));
    assert.deepEqual(await visible(), ['none', 'visible', 'visible']);

    // A figure opens what it is the sum of; the legend's classes sum to the parts.
    await page.goto(page.url().replace(/\?.*/, '?region=3309'));
    await settled(page);
    const total = await number('[data-measure=households]');
    await page.click('[data-measure=households]');
    await page.waitForSelector('.class-key');
    const rows = await page.evaluate(() => [...document.querySelectorAll('.parts .rows .number')].map((row) => Number(row.textContent.replace(/\D/g, ''))));
    assert.equal(rows.reduce((sum, value) => sum + value, 0), total);
    const classes = await page.evaluate(() => [...document.querySelectorAll('.class-key tbody td')].map((cell) => Number(cell.textContent)));
    assert.equal(classes.reduce((sum, value) => sum + value, 0), await number('.class-key tfoot td'));
    await settled(page);
    const paint = await page.evaluate(() => ['classes', 'classes-grids'].some((id) => window.wangge.map.queryRenderedFeatures({ layers: [id] }).length > 0));
    assert(paint, 'the classes are on the map');
    console.log(`areas: ${facilities.length} facilities and ${cases.length} cases in ${radius} m, ${own} in the lasso`);
  }, { base: mock.base });
} finally {
  mock.close();
}
