// A headless Chromium that draws WebGL in software, and the viewer in it. BASE_URL names a running server; without it the mock is used.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { serve } from '../mock/server.mjs';

const CHROMIUM = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));
const FLAGS = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
];

/** A home whose Chromium trusts an authority: Linux keeps them in a database of NSS there. */
function homeTrusting(authority) {
  const home = mkdtempSync(join(tmpdir(), 'wangge-home-'));
  const database = join(home, '.pki', 'nssdb');
  mkdirSync(database, { recursive: true });
  const certutil = (...args) => execFileSync('certutil', ['-d', `sql:${database}`, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  certutil('-N', '--empty-password');
  certutil('-A', '-t', 'C,,', '-n', 'wangge', '-i', authority);
  return home;
}

/** Runs `story` with the address of a server and a way to open pages; fails when a page threw, complained in its console (`tolerate`: but
    for this), or asked another host (`also`: but for these). `base`: of a server of its own; `flags`: for Chromium; `authority`: a file
    with the certificate of an authority that is installed in it, as people install it. */
export async function withBrowser(story, { tolerate, base: own, also = [], flags = [], authority } = {}) {
  if (!CHROMIUM) throw new Error('no Chromium found: install chromium and fonts-noto-cjk, or name it in CHROMIUM');
  const mock = own ?? process.env.BASE_URL ? null : await serve();
  const base = (own ?? process.env.BASE_URL ?? mock.base).replace(/\/$/, '');
  const home = authority && homeTrusting(authority);
  const env = home ? { ...process.env, HOME: home } : process.env;
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...flags], env });
  const wrong = [];
  const open = async (width, height, query = '', { init, ...options } = {}) => {
    // Tabs of one context share their workers.
    const context = await browser.newContext({ viewport: { width, height }, ...options });
    const page = await context.newPage();
    if (init) await page.addInitScript(init);
    page.on('pageerror', (error) => wrong.push(`page error: ${error.stack ?? error}`));
    page.on('console', (message) => message.type() === 'error' && !tolerate?.test(`${message.text()} ${message.location().url}`) && wrong.push(`console: ${message.text()} ${message.location().url}`));
    page.on('request', (request) => {
      if (!/^(data|blob):/.test(request.url()) && ![base, ...also].some((known) => request.url().startsWith(known))) wrong.push(`asked another host: ${request.url()}`);
    });
    await page.goto(query.startsWith('/') ? base + query : `${base}/${query}`);
    if (!query.startsWith('/')) await settled(page);
    return page;
  };
  try {
    await story({ base, open });
  } finally {
    await browser.close();
    mock?.close();
    if (home) rmSync(home, { recursive: true, force: true });
  }
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}

/** What the address names is shown, and the map is idle twice in a row. */
export async function settled(page) {
  await page.waitForFunction(() => window.wangge?.map, undefined, { timeout: 60_000 });
  await page.waitForFunction(() => {
    const parts = (query) => decodeURIComponent(query).replace('?', '').split('&').sort().join('&');
    return parts(document.documentElement.dataset.shown ?? '-') === parts(location.search);
  }, undefined, { timeout: 60_000 });
  await page.evaluate(() => document.fonts.ready);
  await page.evaluate(() => new Promise((resolve) => {
    const { map } = window.wangge;
    const again = (left) => { if (left === 0) resolve(); else { map.once('idle', () => again(left - 1)); map.triggerRepaint(); } };
    again(2);
  }));
}
