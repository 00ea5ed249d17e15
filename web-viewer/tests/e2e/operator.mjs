// An operator's session: down to a grid and back, a copied link, searches, clicks on nothing, haste, another window size, the whole world.
// No complaint in the console, nothing left loading, and no number that disagrees with the server's.
import assert from 'node:assert/strict';
import { settled, withBrowser } from './browser.mjs';

const HASTE = 30;

await withBrowser(async ({ base, open }) => {
  const read = async (path) => {
    const response = await fetch(base + path);
    assert.equal(response.status, 200, path);
    return response.json();
  };
  const meta = await read('/api/v1/meta');
  const top = meta.root[0];
  const grid = (await read('/api/v1/cases?limit=1')).items[0].grid;
  const card = await read(`/api/v1/grids/${grid}`);
  const page = await open(1920, 1080);
  const arrived = async (search) => {
    await page.waitForFunction((wanted) => location.search === wanted && document.documentElement.dataset.shown === wanted, search, { timeout: 30_000 });
    await settled(page);
  };
  const digits = (selector) => page.evaluate((of) => Number(document.querySelector(of)?.textContent.replace(/\D/g, '')), selector);
  const sentence = async () => (await page.textContent('.sentence')).replace(/[\s\u2009]/g, '');
  const idle = async () => assert.doesNotMatch(await page.textContent('.screen'), /正在读取|读取失败/, 'nothing is left loading');

  // Down by the rows of the panels and the address, a level a step; at each the sentence says what the server says.
  for (const { code, name } of card.path.slice(1)) {
    await page.evaluate(() => document.querySelector('.parts .more')?.click());
    await page.locator('.parts .rows button', { hasText: name.slice(-4) }).first().evaluate((row) => row.click()).catch(() => undefined);
    if (!page.url().includes(code)) await page.goto(`${base}/?region=${code}`);
    await arrived(`?region=${code}`);
    const { counts } = await read(`/api/v1/regions/${code}`);
    assert((await sentence()).startsWith(`${name}未结${counts.open_cases}·超期${counts.overdue}·`), await sentence());
    const rows = await page.evaluate(() => document.querySelectorAll('.legend tbody tr').length);
    assert(rows >= 5);
    assert.equal(await digits('.legend tfoot td'), counts.open_cases, 'the legend sums to the region');
    await idle();
  }
  await page.goto(`${base}/?grid=${grid}`);
  await arrived(`?grid=${grid}`);
  assert((await sentence()).includes(`未结${card.open_cases.total}·超期${card.open_cases.overdue}·`), await sentence());

  // A link that was copied shows the same after loading it anew, and back leads where it led.
  const seen = await page.textContent('.card');
  await page.reload();
  await arrived(`?grid=${grid}`);
  assert.equal((await page.textContent('.card')).replace(/\d+ (分|小时|天)/g, ''), seen.replace(/\d+ (分|小时|天)/g, ''));
  await page.click('.breadcrumb li:nth-child(2) button');
  await arrived(`?region=${card.path[1].code}`);
  await page.goBack();
  await arrived(`?grid=${grid}`);

  // Searches: a code, a name, a position in a grid, a position outside, and what is nowhere.
  const search = async (text) => {
    await page.keyboard.press('/');
    await page.fill('.search input', text);
    await page.waitForSelector('#hits li');
    await page.waitForFunction((q) => document.querySelector('.search input').value === q, text);
  };
  await search(card.path.at(-1).code);
  await page.keyboard.press('Enter');
  await arrived(`?region=${card.path.at(-1).code}`);
  await search(card.path.at(-1).name);
  await page.waitForSelector('#hits [role=option]');
  await page.keyboard.press('Escape');
  const [lon, lat] = card.grid.label_point;
  await search(`${lon},${lat}`);
  await page.waitForSelector('#hits [role=option]');
  assert.match(await page.textContent('#hits'), new RegExp(String(lon).slice(0, 7)), 'a position is named by itself');
  await page.keyboard.press('Enter');
  await arrived(`?grid=${grid}`);
  const [west, south] = meta.bbox;
  await search(`${(west - 0.05).toFixed(4)},${(south - 0.05).toFixed(4)}`);
  await page.keyboard.press('Enter');
  await search('没有这样的地方');
  await page.waitForFunction(() => /没有找到/.test(document.querySelector('#hits')?.textContent ?? ''));
  await page.keyboard.press('Escape');

  // Clicks on the sea, and far out on the whole world.
  await page.goto(`${base}/`);
  await arrived('');
  const sea = await page.evaluate((bbox) => {
    const { map } = window.wangge, box = map.getContainer().getBoundingClientRect(), scale = box.width / map.getContainer().offsetWidth;
    const { x, y } = map.project([bbox[0], bbox[1]]);
    return { x: box.left + x * scale, y: box.top + y * scale };
  }, meta.bbox);
  await page.mouse.click(sea.x, sea.y);
  await page.waitForSelector('.readout .said');
  await page.evaluate(() => window.wangge.map.jumpTo({ zoom: 0 }));
  await settled(page);
  assert(await page.evaluate((box) => window.wangge.map.getBounds().contains([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]), meta.bbox), 'the city stays in sight');

  // Another window: the same city, no row cut.
  for (const [width, height] of [[1366, 768], [3000, 900], [1920, 1080]]) {
    await page.setViewportSize({ width, height });
    await settled(page);
    const cut = await page.evaluate(() => [...document.querySelectorAll('.rows:not(.open)')].filter((rows) => rows.scrollHeight > rows.clientHeight + 1).length);
    assert.equal(cut, 0, `rows that are cut at ${width} × ${height}`);
  }

  // In haste: the last one asked for is shown, and only it.
  const grids = (await read(`/api/v1/cases?within=${top}&limit=1000`)).items.map((item) => item.grid).filter((code, n, all) => code && all.indexOf(code) === n).slice(0, HASTE);
  await page.evaluate((codes) => {
    for (const code of codes) {
      history.pushState(null, '', `?grid=${code}`);
      dispatchEvent(new PopStateEvent('popstate'));
    }
  }, grids);
  await arrived(`?grid=${grids.at(-1)}`);
  const last = await read(`/api/v1/grids/${grids.at(-1)}`);
  assert.equal(await digits('.facilities h2'), last.facilities.total);
  await idle();

  // A code that is nowhere: said, and the way up is open.
  page.removeAllListeners('console');
  await page.goto(`${base}/?grid=UNKNOWN`);
  await page.waitForFunction(() => /没有这个编码/.test(document.querySelector('.sentence')?.textContent ?? ''));
  await page.keyboard.press('Escape');
  await arrived('');
  assert((await sentence()).includes('未结'));
  console.log(`an operator's session: ${card.path.map((place) => place.code).join(' → ')} → ${grid}, ${grids.length} grids in haste`);
}, { tolerate: /404.*\/locate/ });
