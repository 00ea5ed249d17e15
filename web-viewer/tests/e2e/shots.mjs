// Pictures to be looked at, from near and, in small/, from far (a tenth of the size): npm run shots → .shots/. The calm city, a county, a
// township, a selected grid, a search, a measure in classes, English, light, print, boundaries of a date, a wall that looks at itself.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withBrowser } from './browser.mjs';

const FOLDER = process.env.SHOTS ?? fileURLToPath(new URL('../../.shots/', import.meta.url));
const SIZES = (process.env.SIZES ?? '1366x768,1920x1080,3840x2160,7680x2160').split(',').map((size) => size.split('x').map(Number));

mkdirSync(`${FOLDER}/small`, { recursive: true });
await withBrowser(async ({ base, open }) => {
  const read = async (path) => (await fetch(base + path)).json();
  const { root } = await read('/api/v1/meta');
  // The way to a busy grid: the most pressing case's.
  const pressing = await read(`/api/v1/cases?within=${root[0]}&limit=1`);
  const grid = pressing.items[0].grid;
  const { path: places } = await read(`/api/v1/grids/${grid}`);
  const above = (level) => places.find((place) => place.level === level)?.code ?? root[0];
  const views = { calm: '', county: `?region=${above('county')}`, township: `?region=${above('township')}`, search: '', grid: `?grid=${grid}`, english: `?grid=${grid}&lang=en`, light: `?region=${above('township')}&theme=light`, print: '?theme=print', measure: '?measure=households', wall: '?wall=1&cols=4&rows=2&distance=8&pitch=1.25&check=', then: '?at=2026-01-01' };
  const far = await open(100, 100, '/healthz');
  // Where no page says what may be loaded: pictures are made smaller there.
  await far.goto('about:blank');
  for (const [width, height] of SIZES) {
    for (const [name, query] of Object.entries(views)) {
      if ((process.env.VIEWS ?? name).split(',').includes(name)) {
        const page = await open(width, height, query);
        if (name === 'search') {
          await page.keyboard.press('/');
          await page.keyboard.type(places.at(-1).name.slice(0, 2));
          await page.waitForSelector('#hits [role=option]');
        }
        const path = `${FOLDER}/${width}x${height}-${name}.png`;
        const picture = await page.screenshot({ path });
        await far.setViewportSize({ width: Math.round(width / 10), height: Math.round(height / 10) });
        await far.setContent(`<style>body{margin:0}img{width:100vw;height:100vh}</style><img src="data:image/png;base64,${picture.toString('base64')}">`);
        await far.screenshot({ path: path.replace(FOLDER, `${FOLDER}/small`) });
        await page.close();
        console.log(`${width}×${height} ${name}`);
      }
    }
  }
});
