// A wall hangs for weeks: while nothing changes, the map draws no frame.
import assert from 'node:assert/strict';
import { withBrowser } from './browser.mjs';

const SECONDS = Number(process.env.SECONDS ?? 5);

await withBrowser(async ({ open }) => {
  const page = await open(1366, 768);
  const frames = await page.evaluate((ms) => new Promise((resolve) => {
    const { map } = window.wangge;
    let drawn = 0;
    map.on('render', () => { drawn++; });
    setTimeout(() => resolve(drawn), ms);
  }), SECONDS * 1000);
  // The turn of a minute may make a case due soon: a frame or two, not sixty a second.
  assert(frames <= 4, `${frames} frames in ${SECONDS} s`);
  console.log(`still: ${frames} frames in ${SECONDS} s`);
});
