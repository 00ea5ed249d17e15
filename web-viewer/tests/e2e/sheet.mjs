// The sheet of a grid at /g/CODE: who answers for it, where it is, a code that leads back here; one A4 page on paper. And the themes: in
// each the map and the panels have its colours.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { serve } from '../mock/server.mjs';
import { settled, withBrowser } from './browser.mjs';

const tokens = JSON.parse(readFileSync(new URL('../../../styles/tokens.json', import.meta.url), 'utf8'));
const mock = await serve();
try {
  await withBrowser(async ({ base, open }) => {
    const { code } = mock.made.grids[40];
    const card = await (await fetch(`${base}/api/v1/grids/${code}`)).json();
    const asked = [];
    const page = await open(390, 844, `/g/${code}`);
    page.on('request', (request) => asked.push(request.url()));
    await page.reload();
    await page.waitForSelector('.qr');
    assert.equal(await page.textContent('h1'), card.grid.name);
    const people = await page.evaluate(() => [...document.querySelectorAll('.team tbody tr')].map((row) => row.textContent));
    assert.equal(people.length, 1 + card.team.officers.length + card.team.members.length);
    assert(people[0].includes(card.team.leader.name) && people[0].includes(card.team.leader.phone), 'the leader first, the phone as the server gives it');
    assert.equal(await page.getAttribute('.qr', 'aria-label'), `QR ${base}/g/${code}`);
    assert.match(await page.textContent('.sheet footer'), /样例数据 · 审图号 GS\(2024\)1234号/, 'whose map it is and its number, on paper too');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= 390, `fits a phone, is ${wide}`);
    assert(!asked.some((url) => /maplibre|\/tiles\/|\/styles\//.test(url)), 'no map library is fetched');
    const shown = mock.made.facilities.filter((one) => one.grid === code && ['01050', '01037', '01013'].includes(one.category)).length;
    assert(await page.evaluate(() => document.querySelectorAll('.drawing .stamp').length) >= shown);
    const pdf = (await page.pdf({ preferCSSPageSize: true })).toString('latin1');
    assert.equal(pdf.match(/\/Type\s*\/Page\b/g).length, 1, 'one page');
    const [, width, height] = /MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]/.exec(pdf).map(Number);
    assert(Math.abs(width - 595) < 2 && Math.abs(height - 842) < 2, `A4, is ${width} × ${height} pt`);
    await page.click('.no-print a');
    await page.waitForFunction((of) => document.documentElement.dataset.shown === `?grid=${of}`, code);
    await page.close();

    const rgb = (colour) => `rgb(${[1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)).join(', ')})`;
    const wall = await open(1366, 768, `?grid=${code}`);
    assert.equal(await wall.textContent('.attribution'), '样例数据 · 审图号 GS(2024)1234号');
    for (const theme of ['light', 'print', 'dark']) {
      await wall.click(`[data-theme-next=${theme}]`);
      await wall.waitForFunction((of) => document.documentElement.dataset.theme === of, theme);
      await settled(wall);
      assert.equal(await wall.evaluate(() => getComputedStyle(document.querySelector('.block')).backgroundColor), rgb(tokens[theme].panel));
      assert.equal(await wall.evaluate(() => window.wangge.map.getPaintProperty('sea', 'background-color')), tokens[theme].sea);
      const outline = await wall.evaluate(() => [window.wangge.map.getPaintProperty('selected-outline', 'line-color')[2], getComputedStyle(document.documentElement).getPropertyValue('--white').trim()]);
      assert.equal(outline[0], outline[1], 'what is drawn on the map has the colours of the page');
    }

    // A wall looks at itself: a canvas as large as the screen, letters too small for the room told as such.
    const checked = await open(2560, 720, '?wall=1&cols=4&distance=30&pitch=1.25&check=');
    const rows = await checked.evaluate(() => [...document.querySelectorAll('.wall-check tr')].map((row) => [row.className, row.textContent]));
    const of = (word) => rows.find(([, text]) => text.includes(word));
    assert.equal(of('地图画布')[0], '');
    assert.equal(of('body')[0], 'bad');
    const seam = await checked.evaluate(() => [document.querySelector('.rail.left').getBoundingClientRect().right, document.querySelector('.stage').getBoundingClientRect().left]);
    assert(seam[0] <= 640 && seam[1] >= 640, `the seam at 640 lies between ${seam}`);
    console.log(`sheet of ${code}, themes, wall`);
  }, { base: mock.base });
} finally {
  mock.close();
}
