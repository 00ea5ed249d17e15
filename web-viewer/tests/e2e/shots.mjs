// Pictures to be looked at: npm run shots → .shots/. The calm city, a county, a township, a selected grid, a search, English, light, boundaries of a date.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withBrowser } from './browser.mjs';

const FOLDER = process.env.SHOTS ?? fileURLToPath(new URL('../../.shots/', import.meta.url));
const SIZES = (process.env.SIZES ?? '1366x768,1920x1080,3840x2160').split(',').map((size) => size.split('x').map(Number));

mkdirSync(FOLDER, { recursive: true });
await withBrowser(async ({ base, open }) => {
  const read = async (path) => (await fetch(base + path)).json();
  const { root } = await read('/api/v1/meta');
  // The way to a busy grid: the most pressing case's.
  const pressing = await read(`/api/v1/cases?within=${root[0]}&limit=1`);
  const grid = pressing.items[0].grid;
  const { path } = await read(`/api/v1/grids/${grid}`);
  const above = (level) => path.find((place) => place.level === level)?.code ?? root[0];
  const views = { calm: '', county: `?region=${above('county')}`, township: `?region=${above('township')}`, search: '', grid: `?grid=${grid}`, english: `?grid=${grid}&lang=en`, light: `?region=${above('township')}&theme=light`, then: '?at=2026-01-01' };
  for (const [width, height] of SIZES) {
    for (const [name, query] of Object.entries(views)) {
      if ((process.env.VIEWS ?? name).split(',').includes(name)) {
        const page = await open(width, height, query);
        if (name === 'search') {
          await page.keyboard.press('/');
          await page.keyboard.type(path.at(-1).name.slice(0, 2));
          await page.waitForSelector('#hits [role=option]');
        }
        await page.screenshot({ path: `${FOLDER}/${width}x${height}-${name}.png` });
        await page.close();
        console.log(`${width}×${height} ${name}`);
      }
    }
  }
});
