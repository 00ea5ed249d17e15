// Callers are told apart: one log-in page for tokens and for the pages of other systems, back to where one wanted to go; what ends a session
// leads back to it, once, with its reason; a screen gets its token by a link; what one may not do is not offered.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { settled, withBrowser } from './browser.mjs';
import { ACCESS, signed, start } from './program.mjs';

const PORT = Number(process.env.LOST_PORT ?? 18081) + 11;

/** Log-in pages of other systems, small: OpenID Connect lets in whom `next` says, CAS gives tickets that its own server does not answer for. */
const next = { roles: ['operator'], within: ['*'] };
const codes = new Map();
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const provider = createServer(async (request, response) => {
  const issuer = `http://${request.headers.host}`, url = new URL(request.url, issuer), told = url.searchParams;
  const json = (value) => { response.writeHead(200, { 'content-type': 'application/json' }); response.end(JSON.stringify(value)); };
  const sendTo = (place) => { response.writeHead(302, { location: place }); response.end(); };
  if (url.pathname === '/.well-known/openid-configuration') return json({ issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/keys` });
  if (url.pathname === '/keys') return json({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', use: 'sig', alg: 'ES256' }] });
  if (url.pathname === '/auth') {
    codes.set('code1', { nonce: told.get('nonce'), challenge: told.get('code_challenge') });
    return sendTo(`${told.get('redirect_uri')}?code=code1&state=${told.get('state')}`);
  }
  if (url.pathname === '/token') {
    let body = '';
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body), { nonce, challenge } = codes.get(form.get('code'));
    assert.equal(createHash('sha256').update(form.get('code_verifier')).digest('base64url'), challenge);
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'ES256', kid: 'k' })}.${part({ iss: issuer, aud: 'wangge', sub: 'zhang', name: '张三', nonce, exp: Math.floor(Date.now() / 1000) + 300, ...next })}`;
    return json({ access_token: 'x', token_type: 'Bearer', id_token: `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}` });
  }
  if (url.pathname === '/cas/login') return sendTo(`${told.get('service')}&ticket=ST-1`);
  response.writeHead(503);
  return response.end();
});
provider.listen(0, '127.0.0.1');
await once(provider, 'listening');
const elsewhere = `http://127.0.0.1:${provider.address().port}`;

const access = `${ACCESS}[oidc]\nissuer = "${elsewhere}"\nclient_id = "wangge"\ntitle = "市统一认证"\n[cas]\nurl = "${elsewhere}/cas"\ntitle = "单位门户"\n`;
const server = await start({ port: PORT, access });
try {
  const { ask, base } = server;
  const city = await ask('GET', '/api/v1/meta');
  const grid = (await ask('GET', '/api/v1/cases?limit=1')).items[0].grid;
  const desk = await ask('POST', '/api/v1/tokens', { name: '值班台', roles: ['operator'] });
  const planner = await ask('POST', '/api/v1/tokens', { name: '规划科', roles: ['planner'], within: [grid.slice(0, 9)] });
  const auditor = await ask('POST', '/api/v1/tokens', { name: '审计处', roles: ['auditor'] }, ['admin', 'auditor']);
  const hall = await ask('POST', '/api/v1/tokens', { name: '指挥大厅', roles: ['viewer'], screen: '大厅一号屏' });

  await withBrowser(async ({ open }) => {
    const opened = async (page) => { await page.waitForSelector('#token'); await page.evaluate(() => document.fonts.ready); };
    const why = (page) => page.textContent('.why');
    const enter = async (page, token) => { await page.fill('#token', token); await page.keyboard.press('Enter'); };
    /** Documents that the page loaded: a loop would load many. */
    const loads = (page) => { const all = []; page.on('load', () => all.push(page.url())); return all; };
    const end = (page) => page.request.delete(`${base}/api/v1/session`);

    // Nobody is logged in: the page says nothing of the city, and everything that it needs comes.
    const page = await open(1366, 768, `/?grid=${grid}`);
    await opened(page);
    const answers = [];
    page.on('response', (answer) => answers.push([new URL(answer.url()).pathname, answer.status()]));
    await page.reload();
    await opened(page);
    assert.deepEqual(answers.filter(([, status]) => status !== 200 && status !== 304), [['/api/v1/me', 401]]);
    assert.deepEqual([...new Set(answers.map(([path]) => path).filter((path) => /^\/(api|tiles|styles|sprites)/.test(path)))].sort(), ['/api/v1/log-ins', '/api/v1/me']);
    assert(answers.some(([path]) => path.endsWith('.woff2')), 'in its own letters');
    assert(!(await page.content()).includes(city.title) && !(await page.title()).includes(city.title));
    assert.deepEqual(await page.locator('.ways a').allTextContents(), ['市统一认证', '单位门户']);
    assert.equal(await page.locator('.why').count(), 0, 'whoever comes first did nothing wrong');

    // A wrong token, a right one, and one is where one wanted to go.
    await enter(page, 'wgs_nothing');
    await page.waitForSelector('.why');
    assert.match(await why(page), /没有这个访问令牌/);
    assert.equal(await page.getAttribute('#token', 'type'), 'password');
    await enter(page, ` ${desk.token} `);
    await settled(page);
    assert.equal(new URL(page.url()).search, `?grid=${grid}`);
    assert(!(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))).includes('wgs_'), 'no script of the page could read a secret');

    // Who one is, by keyboard alone.
    await page.focus('.caller');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#caller');
    assert.match(await page.textContent('#caller'), /值班台角色坐席可看范围全市/);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.hasAttribute('data-log-out')), true);
    await page.keyboard.press('Escape');
    await page.waitForSelector('#caller', { state: 'detached' });
    assert.equal(new URL(page.url()).search, `?grid=${grid}`, 'Esc closed the panel, not the grid');

    // The session ends elsewhere: back to the log-in page, once, and then to the same view.
    const [lon, lat] = (await ask('GET', `/api/v1/grids/${grid}`)).grid.label_point;
    await page.evaluate((center) => window.wangge.map.jumpTo({ center, zoom: 16.5 }), [lon + 0.001, lat]);
    await settled(page);
    const camera = () => page.evaluate(() => [...window.wangge.map.getCenter().toArray(), window.wangge.map.getZoom()].map((value) => Math.round(value * 1e5)));
    const before = await camera(), loaded = loads(page);
    assert.equal((await end(page)).status(), 204);
    await opened(page);
    assert.match(await why(page), /^登录已失效/);
    assert.equal(new URL(page.url()).search, `?grid=${grid}`);
    await page.reload();
    await opened(page);
    assert.equal(loaded.length, 2, `once by itself, once by me: ${loaded}`);
    await page.evaluate(() => document.querySelector('#token').focus());
    await enter(page, planner.token);
    await settled(page);
    assert.equal(await page.textContent('.caller'), '规划科');
    // The same once more, without a reload between.
    await page.evaluate((center) => window.wangge.map.jumpTo({ center, zoom: 16.5 }), [lon + 0.001, lat]);
    await end(page);
    await opened(page);
    await enter(page, planner.token);
    await settled(page);
    assert.deepEqual(await camera(), before, 'the same view');

    // What one may not do is not offered.
    const around = `?area=circle,${lon.toFixed(6)},${lat.toFixed(6)},400&grid=${grid}`;
    await page.goto(`${base}/${around}`);
    await page.waitForSelector('.inside .take');
    // A file of it is noted before it is handed out.
    const noting = page.waitForResponse((answer) => answer.url().endsWith('/api/v1/audit')), taking = page.waitForEvent('download');
    await page.click('.take button');
    assert.equal((await noting).status(), 204);
    await taking;
    await page.click('.caller');
    await page.waitForFunction(() => !/\d{6}/.test(document.querySelector('#caller dl')?.textContent ?? '0'.repeat(6)));

    // Out: nothing of the city is left, not even behind the way back.
    await page.click('[data-log-out]');
    await opened(page);
    assert.match(await why(page), /^已退出登录/);
    assert.equal(new URL(page.url()).search, '');
    await page.goBack();
    await opened(page);
    assert.equal(await page.locator('#map, .sheet').count(), 0);
    await page.goto(`${base}/${around}`);
    await opened(page);
    await enter(page, desk.token);
    await page.waitForSelector('.inside [data-kind]');
    assert.equal(await page.locator('.take').count(), 0, 'an operator takes no files away');
    await page.close();

    // An auditor has no map, and is told so; the page's sheet of a grid wants a log-in too.
    const audit = await open(1366, 768, `/g/${grid}`);
    await opened(audit);
    await enter(audit, auditor.token);
    await audit.waitForFunction(() => /审计处：这个角色不能查看地图/.test(document.querySelector('.why')?.textContent ?? ''));
    await audit.click('.door button');
    await opened(audit);
    await enter(audit, desk.token);
    await audit.waitForSelector('.screen, .qr');
    await audit.close();

    // A screen is given its token by a link, once; the link is nowhere afterwards.
    const wall = await open(1920, 1080, `/?wall=1#token=${hall.token}`);
    await settled(wall);
    assert.equal(wall.url(), `${base}/?wall=1`);
    assert.equal(await wall.evaluate(() => history.length), 2, 'about:blank and this');
    const again = await wall.context().newPage();
    await again.goto(`${base}/?wall=1`);
    await settled(again);
    await again.close();
    // Revoked while it hangs there: told large, and nothing of the city stays.
    const wallLoads = loads(wall);
    await ask('DELETE', `/api/v1/tokens/${hall.id}`);
    await opened(wall);
    assert.equal(await why(wall), '此屏的令牌已失效，请管理员重新登录本屏。');
    assert.equal(await wall.textContent('.screen-name'), '屏幕 大厅一号屏');
    assert.equal(await wall.evaluate(() => getComputedStyle(document.querySelector('.why')).fontSize), '56px');
    assert.equal(await wall.locator('#map').count(), 0);
    assert.equal(wallLoads.length, 1);
    await enter(wall, hall.token);
    await wall.waitForFunction(() => /已停用或过期/.test(document.querySelector('.why').textContent));
    await wall.close();

    // By the pages of other systems, there and back.
    const other = await open(390, 844, `/g/${grid}?lang=zh`);
    await opened(other);
    assert(await other.evaluate(() => document.documentElement.scrollWidth) <= 390, 'fits a phone');
    const targets = await other.evaluate(() => [...document.querySelectorAll('.door a, .door button, .door input')].map((one) => one.getBoundingClientRect().height));
    assert(targets.length === 4 && targets.every((height) => height >= 48), `${targets}`);
    next.roles = [];
    await other.click('[data-way=oidc]');
    await other.waitForSelector('.why');
    assert.match(await why(other), /没有角色/);
    assert.equal(other.url(), `${base}/g/${grid}?lang=zh`, 'back where one wanted to go, without the reason');
    [next.roles, next.within] = [['officer'], undefined];
    await other.click('[data-way=oidc]');
    await other.waitForFunction(() => /没有指定可看的区域/.test(document.querySelector('.why')?.textContent ?? ''));
    await other.click('[data-way=cas]');
    await other.waitForFunction(() => /统一认证系统没有应答/.test(document.querySelector('.why')?.textContent ?? ''));
    await other.goto(`${base}/log-in/oidc/back?state=x&code=y`);
    await other.waitForFunction(() => /没有放行/.test(document.querySelector('.why')?.textContent ?? ''));
    next.within = [grid];
    await other.goto(`${base}/g/${grid}?lang=zh`);
    await other.click('[data-way=oidc]');
    await other.waitForSelector('.qr');
    assert.equal(other.url(), `${base}/g/${grid}?lang=zh`);
    await other.close();

    // A desk that nobody touches.
    const idle = await open(1366, 768, '/');
    await idle.clock.install();
    await idle.reload();
    await opened(idle);
    await enter(idle, desk.token);
    await settled(idle);
    await idle.clock.fastForward('29:00');
    assert.equal(await idle.locator('#map').count(), 1);
    await idle.clock.fastForward('02:00');
    await opened(idle);
    assert.match(await why(idle), /^太久没有操作/);
    await idle.close();

    // Too many tries: told how long to wait; then one may again.
    const guess = () => fetch(`${base}/api/v1/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"token":"wgs_guess"}' }).then(({ status }) => status);
    while ((await Promise.all(Array.from({ length: 20 }, guess))).at(-1) !== 429);
    const late = await open(1366, 768, '/');
    await opened(late);
    while (!(await late.locator('.why').count()) || !/尝试次数过多/.test(await why(late))) {
      await Promise.all(Array.from({ length: 20 }, guess));
      await late.waitForSelector('.door form button:enabled');
      await enter(late, 'wgs_guess');
      await late.waitForSelector('.door:not([aria-busy=true]) .why');
    }
    await late.waitForSelector('.door form button:enabled', { timeout: 30_000 });
    await late.close();
    console.log(`log-in: tokens, a screen, OpenID Connect, CAS, idle, refused; ${grid}`);
  }, { base, also: [elsewhere], tolerate: /status of (401|403|429|503)|ERR_ABORTED/ });
  assert.equal((await fetch(`${base}/api/v1/me`, { headers: { authorization: `Bearer ${signed('x', ['viewer'])}` } })).status, 200);
} finally {
  await server.stop();
  provider.close();
}
