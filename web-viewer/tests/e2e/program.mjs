// The program with settings of a story: PROGRAM and DATA name what is started. And what speaks to it without a browser.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
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

/** Asks without a browser; `tls`: the certificate of the authority that is trusted, and no other. */
function call(base, address, tls, method, path, headers = {}, body) {
  const { hostname, host, port, protocol } = new URL(base);
  return new Promise((resolve, reject) => {
    const sent = (protocol === 'https:' ? https : http).request({
      method, path, host: address, port, headers: { host, ...headers, ...(body && { 'content-type': 'application/json' }) }, ...(tls && { ca: tls, servername: hostname }),
    }, async (answer) => {
      let text = '';
      for await (const piece of answer.setEncoding('utf8')) text += piece;
      resolve({ status: answer.statusCode, text });
    });
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

/** Starts it on an address of this machine. `settings` go before the tables of callers. `name`: over TLS under this name, with a certificate
    of an authority of its own. */
export async function start({ port, settings = '', access = ACCESS, address = '127.0.0.1', name }) {
  const folder = mkdtempSync(join(tmpdir(), 'wangge-story-'));
  writeFileSync(join(folder, 'secret'), SECRET);
  chmodSync(join(folder, 'secret'), 0o600);
  writeFileSync(join(folder, 'wangge.toml'), `${settings}\n${access}`);
  const args = [];
  let authority;
  if (name) {
    execFileSync(process.env.PROGRAM, ['cert', 'make', '--host', name, '--out', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    args.push('--tls-cert', join(folder, 'server.pem'), '--tls-key', join(folder, 'server.key'));
    authority = join(folder, 'ca.pem');
  }
  const program = spawn(process.env.PROGRAM, ['serve', '--config', join(folder, 'wangge.toml'), '--data', process.env.DATA, '--listen', `${address}:${port}`, '--log', 'error', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const base = name ? `https://${name}:${port}` : `http://${address}:${port}`;
  const stop = async () => {
    if (program.exitCode === null && program.kill()) await once(program, 'exit');
    rmSync(folder, { recursive: true, force: true });
  };
  const reach = (method, path, headers, body) => call(base, address, authority && readFileSync(authority), method, path, headers, body);
  while (!(await reach('GET', '/readyz').then(({ status }) => status === 200, () => false))) {
    assert.equal(program.exitCode, null, 'the server starts');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  /** Asks as an administrator, or as somebody with other roles. */
  const ask = async (method, path, body, roles = ['admin']) => {
    const { status, text } = await reach(method, path, { authorization: `Bearer ${signed('admin', roles)}` }, body);
    assert(status >= 200 && status < 300, `${method} ${path}: ${status} ${text}`);
    return JSON.parse(text);
  };
  return { base, folder, ask, stop, authority };
}
