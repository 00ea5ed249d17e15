// Callers with a part of the city: it is the whole city to them. They begin at its top, go down and up within it, and nothing on the way
// asks for what they may not see.
import assert from 'node:assert/strict';
import { settled, withBrowser } from './browser.mjs';
import { start } from './program.mjs';

const PORT = Number(process.env.LOST_PORT ?? 18081) + 15;

const server = await start({ port: PORT });
try {
  const { ask, base } = server;
  const { root: [top] } = await ask('GET', '/api/v1/meta');
  const below = async (code) => (await ask('GET', `/api/v1/regions/${code}/children`)).items;
  let communities = await below(top);
  while (!(await below(communities[0].code))[0].kind) communities = (await Promise.all(communities.map(({ code }) => below(code)))).flat();
  const [community, other] = communities;
  const alone = (await below(other.code))[0];
  const token = async (name, within) => (await ask('POST', '/api/v1/tokens', { name, roles: ['officer'], within })).token;
  const tokens = { one: await token('一个社区', [community.code]), two: await token('一个社区和一个网格', [community.code, alone.code]), grid: await token('一个网格', [alone.code]), none: await token('别处', ['99']) };

  await withBrowser(async ({ open }) => {
    const as = async (name, query = '') => {
      const page = await open(1366, 768, `/${query}#token=${tokens[name]}`);
      await settled(page);
      return page;
    };
    const sentence = async (page) => (await page.textContent('.sentence')).replace(/[\s\u2009]/g, '');
    const crumbs = (page) => page.locator('.breadcrumb li').allTextContents();

    // One region: it is the top.
    const one = await as('one');
    const { counts } = await ask('GET', `/api/v1/regions/${community.code}`);
    assert((await sentence(one)).startsWith(`${community.name}未结${counts.open_cases}·超期${counts.overdue}`), await sentence(one));
    assert.deepEqual(await crumbs(one), [community.name]);
    await one.evaluate(() => document.querySelector('.parts .more')?.click());
    assert.equal(await one.locator('.parts .rows li', { hasNotText: '未归入下级' }).count(), counts.grids);
    await one.click('.parts .rows button');
    await one.waitForFunction(() => document.documentElement.dataset.shown?.startsWith('?grid='));
    await settled(one);
    assert.equal((await crumbs(one)).length, 2);
    await one.keyboard.press('Escape');
    await one.waitForFunction((code) => document.documentElement.dataset.shown === `?region=${code}`, community.code);
    await one.keyboard.press('Escape');
    assert.equal(new URL(one.url()).search, `?region=${community.code}`, 'nothing is above it');
    await one.close();

    // A region and a grid of another: both are tops, and together the whole.
    const two = await as('two');
    const card = await ask('GET', `/api/v1/grids/${alone.code}`);
    assert((await sentence(two)).startsWith(`我的范围未结${counts.open_cases + card.open_cases.total}·`), await sentence(two));
    assert.equal(await two.locator('.parts .rows li', { hasNotText: '未归入下级' }).count(), 2);
    await two.locator('.parts .rows button', { hasText: alone.name }).click();
    await two.waitForFunction((code) => document.documentElement.dataset.shown === `?grid=${code}`, alone.code);
    await settled(two);
    assert.deepEqual(await crumbs(two), ['我的范围', alone.name]);
    await two.click('.breadcrumb .back');
    await two.waitForFunction(() => document.documentElement.dataset.shown === '');
    await settled(two);
    await two.close();

    // One grid: there at once. Nothing at all: said.
    const grid = await as('grid');
    assert.equal(new URL(grid.url()).search, `?grid=${alone.code}`);
    assert.match(await sentence(grid), new RegExp(`^${alone.name}未结${card.open_cases.total}·`));
    await grid.close();
    const none = await open(1366, 768, `/#token=${tokens.none}`);
    await none.waitForFunction(() => /你可看的范围内没有区域/.test(document.querySelector('.sentence')?.textContent ?? ''));
    await none.close();
    console.log(`scopes: ${community.code}, ${alone.code}`);
    // Whoever comes with a token only is told 401 once; nothing else is refused.
  }, { base, tolerate: /status of 401.*\/api\/v1\/me/ });
} finally {
  await server.stop();
}
