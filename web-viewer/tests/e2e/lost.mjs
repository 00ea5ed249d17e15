// The server goes and comes back: the viewer says so in one sentence, keeps its picture, and recovers by itself. PROGRAM and DATA name a
// server to start and kill here; without them the mock is stopped and started.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { serve } from '../mock/server.mjs';
import { settled, withBrowser } from './browser.mjs';

const PORT = Number(process.env.LOST_PORT ?? 18081);

async function start() {
  if (!process.env.PROGRAM) {
    const mock = await serve(PORT);
    return () => mock.close();
  }
  const program = spawn(process.env.PROGRAM, ['serve', '--data', process.env.DATA, '--listen', `127.0.0.1:${PORT}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  while (!(await fetch(`http://127.0.0.1:${PORT}/readyz`)
    .then((answer) => answer.ok, () => false))) {
    assert.equal(program.exitCode, null, 'the server starts');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return async () => {
    if (!program.kill('SIGKILL')) return;
    await once(program, 'exit');
  };
}

let stop = await start();
try {
  await withBrowser(async ({ open }) => {
    const page = await open(1366, 768);
    const picture = () => page.evaluate(() => ({
      land: window.wangge.map.queryRenderedFeatures({ layers: ['land'] }).length > 0, centre: window.wangge.map.getCenter().toArray(),
      // What is overdue and what came in the last hour changes with the time of day alone.
      sentence: document.querySelector('.sentence').textContent.split(' · ')[0], rows: document.querySelectorAll('.parts .rows li').length,
    }));
    const before = await picture();
    assert(before.land && before.rows > 0);

    await stop();
    await page.waitForSelector('.lost', { timeout: 30_000 });
    assert.match(await page.textContent('.lost'), /^与服务器的连接中断，画面停在 \d\d:\d\d:\d\d，正在重连。$/);
    assert.deepEqual(await picture(), before); // The picture stays.
    // A person goes on working: what cannot be shown says why.
    await page.click('.parts .rows button');
    await page.waitForFunction(() => document.documentElement.dataset.shown?.includes('region='));
    assert.match(await page.textContent('.sentence'), /连接中断 · 正在重试/);

    stop = await start();
    await page.waitForSelector('.lost', { state: 'detached', timeout: 30_000 });
    await page.waitForFunction(() => /未结 \d/.test(document.querySelector('.sentence').textContent), undefined, { timeout: 30_000 });
    await settled(page);
    const after = await picture();
    assert(after.land && after.sentence !== before.sentence, 'the region that was asked for meanwhile is shown');
    console.log('lost and found again');
  }, { base: `http://127.0.0.1:${PORT}`, tolerate: /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|Failed to fetch/ });
} finally {
  await stop();
}
