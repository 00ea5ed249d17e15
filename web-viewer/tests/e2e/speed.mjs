// How long a wall stays dark: first paint, the panels' numbers, and the idle map, with what was fetched. node tests/e2e/speed.mjs; SIZE=3840x2160.
import { withBrowser } from './browser.mjs';

const [width, height] = (process.env.SIZE ?? '3840x2160').split('x').map(Number);
const TIMES = Number(process.env.TIMES ?? 3);
const OBSERVE = `{
  const until = (seen, name) => { const look = () => (seen() ? performance.mark(name) : setTimeout(look, 10)); look(); };
  until(() => document.querySelector('.parts .rows li'), 'numbers');
  until(() => window.wangge?.map, 'map');
  until(() => window.wangge?.map.areTilesLoaded() && document.documentElement.dataset.shown !== undefined && document.querySelector('.parts .rows li'), 'tiles');
}`;

await withBrowser(async ({ open }) => {
  for (let n = 0; n < TIMES; n++) {
    const page = await open(width, height, process.env.QUERY ?? '', { init: OBSERVE });
    const told = await page.evaluate(() => {
      const marks = Object.fromEntries(performance.getEntriesByType('mark').map(({ name, startTime }) => [name, Math.round(startTime)]));
      const paint = Object.fromEntries(performance.getEntriesByType('paint').map(({ name, startTime }) => [name, Math.round(startTime)]));
      const files = performance.getEntriesByType('resource');
      const kinds = {};
      for (const { name, transferSize } of files) {
        const kind = /\.js|\.mjs/.test(name) ? 'js' : /fonts\//.test(name) ? 'fonts' : /tiles\//.test(name) ? 'tiles' : /api\//.test(name) ? 'api' : 'other';
        kinds[kind] = [(kinds[kind]?.[0] ?? 0) + 1, Math.round(((kinds[kind]?.[1] ?? 0) * 1000 + transferSize) / 1000)];
      }
      const late = files.map(({ name, startTime, responseEnd }) => [new URL(name).pathname.slice(0, 48), Math.round(startTime), Math.round(responseEnd)]);
      return { paint, marks, idle: Math.round(performance.now()), kinds, late };
    });
    const { late, ...short } = told;
    console.log(JSON.stringify(short));
    if (process.env.ALL && n === 0) for (const line of late) console.log(line.join(' '));
    await page.close();
  }
});
