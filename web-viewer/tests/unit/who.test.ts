import { afterEach, beforeEach, expect, test, vi } from 'vitest';

/** The page, as far as it is needed: what it asks, what it keeps, whether it began anew. */
const answers: (() => Response)[] = [];
let asked: string[] = [], reloads = 0;
const json = (body: unknown, status = 200) => () => new Response(JSON.stringify(body), { status });
const store = () => {
  const all = new Map<string, string>();
  return { getItem: (key: string) => all.get(key) ?? null, setItem: (key: string, value: string) => void all.set(key, value), removeItem: (key: string) => void all.delete(key) };
};
const place = { pathname: '/', search: '?grid=1', hash: '', reload: () => { reloads++; } };

beforeEach(() => {
  vi.resetModules();
  [answers.length, asked, reloads, place.hash] = [0, [], 0, ''];
  vi.stubGlobal('location', place);
  vi.stubGlobal('sessionStorage', store());
  vi.stubGlobal('localStorage', store());
  vi.stubGlobal('fetch', async (path: string, options?: { method?: string }) => {
    asked.push(`${options?.method ?? 'GET'} ${path}`);
    const answer = answers.shift();
    if (!answer) throw new TypeError('refused');
    return answer();
  });
});
afterEach(() => { vi.unstubAllGlobals(); });

const who = () => import('../../src/who');
const somebody = { id: 'hall', name: null, roles: ['viewer'], rights: ['read'], within: null, screen: 'hall-1', ends_at: null, session: true, idle_s: null, told_apart: true };

test('a fragment gives its token and its reason away, and keeps the rest', async () => {
  const { parseFragment } = await who();
  expect(parseFragment('#token=wgs_1')).toEqual({ token: 'wgs_1', why: null, rest: '' });
  expect(parseFragment('#a=b&token=x%2By&log-in=no_role&c')).toEqual({ token: 'x+y', why: 'no_role', rest: 'a=b&c' });
  expect(parseFragment('#token=%E0%A4%A')).toEqual({ token: '%E0%A4%A', why: null, rest: '' });
  expect(parseFragment('#log-in=<b>')).toEqual({ token: null, why: 'failed', rest: '' });
  expect(parseFragment('#mytoken=1')).toEqual({ token: null, why: null, rest: 'mytoken=1' });
  expect(parseFragment('')).toEqual({ token: null, why: null, rest: '' });
});

test('a token is gone from the address and the history before anything else happens', async () => {
  const replaced: string[] = [];
  vi.stubGlobal('history', { state: null, replaceState: (_: unknown, __: string, to: string) => replaced.push(to) });
  const { takeFragment } = await who();
  expect(takeFragment()).toEqual({ token: null, why: null, rest: '' });
  expect(replaced).toEqual([]);
  place.hash = '#token=wgs_1&a';
  expect(takeFragment().token).toBe('wgs_1');
  expect(replaced).toEqual(['/?grid=1#a']);
});

test('what the server says of the caller: known, nobody and why, or nothing', async () => {
  const { ask } = await who();
  answers.push(json(somebody), json({}, 404), json({ reason: 'nobody' }, 401), json({ reason: 'ended' }, 401), json({ reason: 'no_scope' }, 403), json({}, 429), () => new Response('<html>', { status: 502 }));
  expect(await ask()).toEqual({ kind: 'known', me: somebody });
  expect(await ask(), 'a server that knows no callers').toEqual({ kind: 'known', me: null });
  expect(await ask()).toEqual({ kind: 'nobody', why: null });
  expect(await ask()).toEqual({ kind: 'nobody', why: 'ended' });
  expect(await ask()).toEqual({ kind: 'nobody', why: 'no_scope' });
  for (let n = 0; n < 3; n++) expect(await ask()).toEqual({ kind: 'silent' });
});

test('one refusal makes no loop: only the server itself sends a page back to the log-in', async () => {
  const { doubt, me } = await who();
  answers.push(json(somebody));
  await doubt();
  expect([reloads, me.value?.id]).toEqual([0, 'hall']);
  answers.length = 0;
  await doubt();
  expect(reloads, 'a server that is gone').toBe(0);
  answers.push(json({ reason: 'ended' }, 401), json({ reason: 'ended' }, 401));
  await Promise.all([doubt(), doubt(), doubt()]);
  await doubt();
  expect([reloads, asked.length], 'once, however many answers were refused').toEqual([1, 3]);
});

test('a page leaves why it went, what screen it was and what it showed, for the next one only', async () => {
  const { leave, me, takeLeft, watchCamera, keepCamera, takeCamera } = await who();
  me.value = somebody;
  watchCamera(() => ({ address: '/?grid=1', center: [122, 30], zoom: 15 }));
  leave('ended');
  const left = takeLeft()!;
  expect(left).toEqual({ why: 'ended', screen: 'hall-1', camera: { address: '/?grid=1', center: [122, 30], zoom: 15 } });
  expect(takeLeft()).toBeNull();
  keepCamera(left.camera);
  expect(takeCamera()?.zoom).toBe(15);
  expect(takeCamera(), 'once').toBeNull();
  keepCamera({ ...left.camera!, address: '/?grid=2' });
  expect(takeCamera(), 'another place').toBeNull();
});

test('a browser that keeps nothing shows the page all the same', async () => {
  const never = () => { throw new Error('SecurityError'); };
  for (const store of ['sessionStorage', 'localStorage']) vi.stubGlobal(store, { getItem: never, setItem: never, removeItem: never });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.useFakeTimers();
  const { takeLeft, watchIdle, me, leave } = await who();
  expect(takeLeft()).toBeNull();
  watchIdle();
  me.value = { ...somebody, screen: null, idle_s: 60 } as unknown as typeof me.value;
  await vi.advanceTimersByTimeAsync(59_000);
  expect(asked).toEqual([]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked, 'and still ends when nobody touches it').toEqual(['DELETE /api/v1/session']);
  expect(reloads).toBe(1);
  leave('ended');
  expect(reloads).toBe(1);
  vi.useRealTimers();
});

test('whoever logs out leaves no camera, and the page forgets even when the server is gone', async () => {
  const replaced: string[] = [];
  vi.stubGlobal('history', { replaceState: (_: unknown, __: string, to: string) => replaced.push(to) });
  const { doubt, logOut, takeLeft, watchCamera } = await who();
  const { parse, route } = await import('../../src/route');
  route.value = parse('?grid=1&area=near,1,2&theme=light&wall=1');
  watchCamera(() => ({ address: '/', center: [1, 2], zoom: 3 }));
  // The stream of news ends with the session, and is heard first.
  await Promise.all([logOut('out'), doubt()]);
  expect(asked).toEqual(['DELETE /api/v1/session']);
  expect([reloads, takeLeft()]).toEqual([1, { why: 'out', screen: null, camera: null }]);
  expect(replaced, 'whoever comes next begins at the top').toEqual(['/?theme=light&wall=1']);
});

test('a right is needed only where callers are told apart', async () => {
  const { may, me } = await who();
  expect(may('export')).toBe(true);
  me.value = somebody;
  expect([may('read'), may('export')]).toEqual([true, false]);
});

test('one comes back to this very address, and to nothing longer than the server takes', async () => {
  const { hereFrom } = await who();
  expect(hereFrom({ pathname: '/', search: '?grid=1', hash: '#a' })).toBe('/?grid=1#a');
  expect(hereFrom({ pathname: '/g/1', search: '', hash: `#${'x'.repeat(2000)}` })).toBe('/g/1');
  expect(hereFrom({ pathname: '/', search: `?area=${'1'.repeat(2000)}`, hash: '' })).toBe('/');
});

test('why a token is refused is told apart', async () => {
  const { begin } = await import('../../src/log-in/session');
  const refused = async (...given: (() => Response)[]) => { answers.push(...given); const begun = await begin(' wgs_1 '); return 'me' in begun ? begun.me.id : [begun.why, begun.again_s]; };
  expect(await refused(json({ code: 'unauthorized', reason: 'invalid' }, 401))).toEqual(['invalid_token', null]);
  expect(await refused(json({ code: 'unauthorized', reason: 'ended' }, 401))).toEqual(['ended_token', null]);
  expect(await refused(json({ code: 'denied', reason: 'no_role' }, 403))).toEqual(['no_role', null]);
  expect(await refused(json({ code: 'too_many_requests', retry_after_s: 7 }, 429))).toEqual(['too_many', 7]);
  expect(await refused(json({ code: 'foreign_origin' }, 403))).toEqual(['foreign', null]);
  expect(await refused(json({ code: 'bad_json' }, 400))).toEqual(['failed', null]);
  expect(await refused()).toEqual(['silent', null]);
  expect(await refused(() => new Response('<html>', { status: 502 }))).toEqual(['silent', null]);
  expect(await refused(json(somebody), json({ reason: 'nobody' }, 401)), 'the browser threw the cookie away').toEqual(['no_cookie', null]);
  expect(await refused(json(somebody), json(somebody))).toBe('hall');
});

test('only paths of this server are ways', async () => {
  const { ways } = await import('../../src/log-in/session');
  const way = (href: string | null) => ({ kind: 'oidc', title: 'x', href });
  answers.push(json({ items: [way('/log-in/oidc'), way('//evil.example'), way('https://evil.example'), way('javascript:x'), way(null)] }));
  expect((await ways())!.map(({ href }) => href)).toEqual(['/log-in/oidc']);
  expect(await ways()).toBeNull();
});

test('every reason has its sentence', async () => {
  const { WHYS } = await who();
  const { WORDS } = await import('../../src/words');
  for (const why of WHYS) expect(Object.keys(WORDS), why).toContain(`why_${why}`);
});
