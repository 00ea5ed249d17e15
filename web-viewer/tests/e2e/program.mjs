// The program with settings of a story: PROGRAM and DATA name what is started. And what speaks to it without a browser.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SECRET = 'a secret of a test, of more than thirty-two characters';

/** Settings under which the story itself can say who it is: by a signed token of another system. */
export const ACCESS = '[access]\n[jwt]\nissuer = "https://sso.test"\naudience = "wangge"\nsecret_file = "secret"\n';

const base64url = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A signed token (RFC 7519, HS256) of somebody with roles. */
export function signed(sub, roles, within = '*') {
  const text = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url({ iss: 'https://sso.test', aud: 'wangge', sub, roles, within, exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

/** Starts it on a port of this machine; `settings` go before the tables of callers. */
export async function start({ port, settings = '', access = ACCESS, args = [] }) {
  const folder = mkdtempSync(join(tmpdir(), 'wangge-story-'));
  writeFileSync(join(folder, 'secret'), SECRET);
  writeFileSync(join(folder, 'wangge.toml'), `${settings}\n${access}`);
  const program = spawn(process.env.PROGRAM, ['serve', '--config', join(folder, 'wangge.toml'), '--data', process.env.DATA, '--listen', `127.0.0.1:${port}`, '--log', 'error', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const base = `http://127.0.0.1:${port}`;
  const stop = async () => {
    if (program.exitCode === null && program.kill()) await once(program, 'exit');
    rmSync(folder, { recursive: true, force: true });
  };
  while (!(await fetch(`${base}/readyz`).then((answer) => answer.ok, () => false))) {
    assert.equal(program.exitCode, null, 'the server starts');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  /** Asks as an administrator. */
  const ask = async (method, path, body) => {
    const headers = { authorization: `Bearer ${signed('admin', ['admin'])}`, ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(base + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    assert(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer.json();
  };
  return { base, folder, ask, stop };
}
