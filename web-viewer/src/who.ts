// Who is calling, as the server sees it: asked before anything else, and again whenever something was refused. Where callers are told apart
// and nobody is logged in, the page shows how to log in, at the address where one wanted to go.
import { signal } from '@preact/signals';
import { format, route } from './route';

export interface Me {
  id: string; name: string | null; roles: string[]; rights: string[];
  /** Codes at or below which one sees everything; null: the whole city. */
  within: string[] | null;
  screen: string | null; ends_at: string | null;
  /** Whether there is a session that can be ended. */
  session: boolean;
  /** So long nobody may touch the page; null: as long as one likes. */
  idle_s: number | null;
  told_apart: boolean;
}

/** null: not known yet, or a server that knows no callers. */
export const me = signal<Me | null>(null);

export type Right = 'read' | 'export' | 'write' | 'import' | 'plan';

/** Whether something need not be hidden: the server decides all the same. */
export function may(right: Right): boolean { return me.value?.rights.includes(right) ?? true; }

/** Why nobody is logged in, or a log-in led nowhere. Each has a sentence. */
export const WHYS = [
  'ended', 'idle', 'out', 'invalid', 'invalid_token', 'ended_token', 'no_role', 'no_scope', 'no_map', 'no_cookie', 'too_many', 'elsewhere', 'foreign', 'silent', 'failed',
] as const;
export type Why = (typeof WHYS)[number];

/** What the server says of the caller. `silent`: it did not answer, or not to this. */
export type Told = { kind: 'known'; me: Me | null } | { kind: 'nobody'; why: Why | null } | { kind: 'silent' };

export async function ask(): Promise<Told> {
  const response = await fetch('/api/v1/me', { headers: { Accept: 'application/json' } }).catch(() => null);
  if (response?.status === 404) return { kind: 'known', me: null };
  const body = await response?.json().catch(() => null) as (Me & { reason?: string }) | null | undefined;
  if (!response || !body) return { kind: 'silent' };
  if (response.ok) return { kind: 'known', me: body };
  return response.status === 401 || response.status === 403 ? { kind: 'nobody', why: whyOf(body.reason) } : { kind: 'silent' };
}

/** A reason of the server as one of ours; to carry nothing at all needs no sentence. */
export function whyOf(reason: string | null | undefined): Why | null {
  if (reason === 'nobody' || !reason) return null;
  return (WHYS as readonly string[]).includes(reason) ? reason as Why : 'failed';
}

/** What the fragment says to us and to nobody else: a screen's token, and why another system's page let nobody in. */
export interface Fragment { token: string | null; why: Why | null; rest: string }

export function parseFragment(hash: string): Fragment {
  const told: Fragment = { token: null, why: null, rest: '' };
  const rest = hash.replace(/^#/, '').split('&').filter((part) => {
    const [, key, value] = /^(token|log-in)=(.*)$/.exec(part) ?? [];
    if (key === 'token') told.token = decodedOr(value!);
    if (key === 'log-in') told.why = whyOf(value);
    return !key;
  });
  told.rest = rest.join('&');
  return told;
}

function decodedOr(text: string): string { return kindly(() => decodeURIComponent(text)) ?? text; }

/** Takes it out of the address and of the history, before anything else happens. */
export function takeFragment(): Fragment {
  const told = parseFragment(location.hash);
  if (told.token !== null || told.why !== null) history.replaceState(history.state, '', location.pathname + location.search + (told.rest && `#${told.rest}`));
  return told;
}

/** Where one comes back to from another system's page: this very address. The server takes 2,000 characters. */
export function hereFrom({ pathname, search, hash }: { pathname: string; search: string; hash: string }): string {
  return [pathname + search + hash, pathname + search, '/'].find((path) => path.length <= 2000)!;
}

/** What a page leaves behind for the one that takes its place in this tab. */
interface Left {
  why: Why | null;
  /** The screen that it was. */
  screen: string | null;
  /** What the map showed, of which address. */
  camera: Camera | null;
}
export interface Camera { address: string; center: [number, number]; zoom: number }

const LEFT = 'wangge-left';

/** A browser that keeps nothing throws where it should keep something. */
function kindly<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}

/** What was left behind; once. */
export function takeLeft(): Left | null {
  return kindly(() => {
    const text = sessionStorage.getItem(LEFT);
    sessionStorage.removeItem(LEFT);
    return text ? JSON.parse(text) as Left : null;
  });
}

/** What the map shows now. */
let camera: () => Camera | null = () => null;
export function watchCamera(look: () => Camera | null): void { camera = look; }

/** The camera of before the log-in; once, and only for what it showed. */
let kept: Camera | null = null;
export function keepCamera(of: Camera | null): void { kept = of; }
export function takeCamera(): Camera | null {
  const found = kept?.address === location.pathname + location.search ? kept : null;
  kept = null;
  return found;
}

let leaving = false;

/** Begins anew at the same address, with nothing of the city left in the page. */
export function leave(why: Why | null): void {
  if (leaving) return;
  leaving = true;
  beginAnew(why);
}

function beginAnew(why: Why | null): void {
  const left: Left = { why, screen: me.value?.screen ?? null, camera: why === 'out' ? null : camera() };
  kindly(() => sessionStorage.setItem(LEFT, JSON.stringify(left)));
  location.reload();
}

let asking = false;

/** Something was refused, or the stream of news ended. Only when the server itself says that it does not know us any more, the page goes:
    one answer that says otherwise makes no loop. */
export async function doubt(): Promise<void> {
  if (asking || leaving) return;
  asking = true;
  const told = await ask();
  asking = false;
  if (told.kind === 'nobody') leave(told.why ?? 'ended');
  if (told.kind !== 'known') return;
  if (JSON.stringify(told.me) !== JSON.stringify(me.value)) me.value = told.me;
  if (!may('read')) leave('no_map');
}

/** Ends the session. */
export async function logOut(why: 'out' | 'idle'): Promise<void> {
  if (leaving) return;
  // What is refused from now on has its reason.
  leaving = true;
  // A session that is over already, or a server that is gone: the page forgets all the same.
  await fetch('/api/v1/session', { method: 'DELETE' }).catch(() => null);
  // Whoever comes next is somebody else, perhaps: they begin at the top.
  if (why === 'out') history.replaceState(null, '', `/${format({ ...route.value, mode: { kind: 'top' }, at: null, area: null })}`);
  beginAnew(why);
}

const ACTIVE = 'wangge-active';
/** How often it is looked whether somebody is there. */
const LOOK_MS = 5_000;

/** Ends the session of a page that nobody touches, in none of the browser's tabs. */
export function watchIdle(): void {
  let last = 0;
  const soon = () => {
    if (Date.now() - last < LOOK_MS) return;
    last = Date.now();
    kindly(() => localStorage.setItem(ACTIVE, String(last)));
  };
  soon();
  for (const kind of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart']) addEventListener(kind, soon, { capture: true, passive: true });
  setInterval(() => {
    const idle_s = me.value?.idle_s;
    if (idle_s && Date.now() - Math.max(last, Number(kindly(() => localStorage.getItem(ACTIVE)))) >= idle_s * 1000) void logOut('idle');
  }, LOOK_MS);
  // A page that comes back out of the browser's cache may be that of somebody who left.
  addEventListener('pageshow', (event) => { if (event.persisted) void doubt(); });
}
