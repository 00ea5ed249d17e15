// The viewer without a mouse, in both languages and both themes, and with nothing that moves for those who asked for that.
import assert from 'node:assert/strict';
import { settled, withBrowser } from './browser.mjs';

/** Hides that Chromium draws by software here, which alone keeps everything still. */
const AS_IF_HARDWARE = `{
  const read = WebGL2RenderingContext.prototype.getExtension;
  WebGL2RenderingContext.prototype.getExtension = function (name) { return name === 'WEBGL_debug_renderer_info' ? null : read.call(this, name); };
}`;

await withBrowser(async ({ base, open }) => {
  const read = async (path) => (await fetch(base + path)).json();
  const { root } = await read('/api/v1/meta');
  const [first] = (await read(`/api/v1/regions/${root[0]}/children?limit=1`)).items;
  const grid = (await read('/api/v1/cases?limit=1')).items[0].grid;
  const { path } = await read(`/api/v1/grids/${grid}`);
  const query = (page) => new URL(page.url()).search;
  const at = (page, wanted) => page.waitForFunction((search) => document.documentElement.dataset.shown === search, wanted, { timeout: 30_000 });

  // Keyboard alone.
  const page = await open(1366, 768);
  await page.keyboard.press('Tab');
  const focus = () => page.evaluate(() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    return { tag: document.activeElement.tagName, visible: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
  });
  for (let n = 0; n < 12; n++) {
    const { tag, visible } = await focus();
    // The map and the field of the search show focus in a frame of their own.
    if (tag === 'BUTTON') assert(visible, `focus is visible on button ${n}`);
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('/');
  await page.keyboard.type(path.at(-1).name.slice(0, 2));
  await page.waitForSelector('#hits [role=option]');
  const chosen = () => page.evaluate(() => [...document.querySelectorAll('#hits [role=option]')].findIndex((hit) => hit.ariaSelected === 'true'));
  assert.equal(await chosen(), 0);
  if (await page.evaluate(() => document.querySelectorAll('#hits [role=option]').length > 1)) {
    await page.keyboard.press('ArrowDown');
    assert.equal(await chosen(), 1, 'arrow down');
    await page.keyboard.press('ArrowUp');
    assert.equal(await chosen(), 0, 'arrow up');
  }
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.querySelector('#hits')), null, 'Esc closes the hits');
  assert.equal(query(page), '', 'and leads nowhere');
  await page.keyboard.press('/');
  await page.keyboard.type(grid);
  await page.waitForSelector('#hits [role=option]');
  await page.keyboard.press('Enter');
  await at(page, `?grid=${grid}`);
  assert(await page.isVisible('.card'), 'the card is open');
  await page.keyboard.press('Escape');
  await at(page, `?region=${path.at(-1).code}`);
  assert.equal(await page.isVisible('.card'), false, 'Esc closes the card');
  await page.focus('.parts .rows button');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /grid=|region=/.test(document.documentElement.dataset.shown) && document.querySelector('.card'));
  await settled(page);

  // Languages and themes: the same place in other words and colours.
  await page.click('.link button[lang=en]');
  await page.waitForFunction(() => document.documentElement.lang === 'en');
  assert.match(await page.textContent('.sentence'), /Open .*Overdue .*Last hour/);
  assert.doesNotMatch(await page.textContent('.card h2 small'), /[\u4e00-\u9fff]/, 'words of the viewer are English');
  assert.match(query(page), /lang=en/);
  await page.click('.link button[lang=zh]');
  await page.waitForFunction(() => document.documentElement.lang === 'zh');
  assert.match(await page.textContent('.sentence'), /未结.*超期.*近一小时/);
  const light = await open(1366, 768, '?theme=light');
  const ground = (of) => of.evaluate(() => Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)[0]));
  assert(await ground(light) > 200 && await ground(page) < 50, 'light and dark ground');
  await light.close();

  // Motion: the camera eases to a region, but jumps for those who want no motion.
  for (const [reducedMotion, expected] of [['no-preference', 1000], ['reduce', 0]]) {
    const moving = await open(1366, 768, '', { reducedMotion, init: AS_IF_HARDWARE });
    await moving.evaluate(() => {
      const { map } = window.wangge;
      const fit = map.fitBounds.bind(map);
      map.fitBounds = (box, options) => { window.duration = options.duration; return fit(box, options); };
      document.querySelector('.parts .rows button').click();
    });
    await moving.waitForFunction(() => window.duration !== undefined);
    assert.equal(await moving.evaluate(() => window.duration), expected, `${reducedMotion}: ms of the camera's way`);
    const still = await moving.evaluate(() => [...document.querySelectorAll('*')].every((one) => getComputedStyle(one).animationName === 'none'));
    assert(still || reducedMotion !== 'reduce', 'nothing is animated');
    await moving.close();
  }
  console.log(`keyboard, languages, themes, motion: ${first.code}, ${grid}`);
});
