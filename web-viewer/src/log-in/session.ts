// A token becomes a session of this browser.
import { ask, type Me, type Why } from '../who';

export type Begun = { me: Me } | { why: Why; again_s: number | null };

/** The words that a refused token has of its own. */
const OF_TOKEN: Record<string, Why> = { invalid: 'invalid_token', ended: 'ended_token', no_role: 'no_role', no_scope: 'no_scope', elsewhere: 'elsewhere' };
const OF_CODE: Record<string, Why> = { too_many_requests: 'too_many', foreign_origin: 'foreign' };

export async function begin(token: string): Promise<Begun> {
  const response = await fetch('/api/v1/session', {
    method: 'POST', headers: { Accept: 'application/json', 'Content-Type': 'application/json' }, body: JSON.stringify({ token: token.trim() }),
  }).catch(() => null);
  if (!response || response.status >= 502 && response.headers.get('content-type') !== 'application/problem+json') return refused('silent');
  const body = await response.json().catch(() => ({})) as { code?: string; reason?: string; retry_after_s?: number };
  if (!response.ok) return { why: OF_TOKEN[body.reason ?? ''] ?? OF_CODE[body.code ?? ''] ?? 'failed', again_s: body.retry_after_s ?? null };
  // Whether the browser kept the session shows when it is used.
  const told = await ask();
  if (told.kind === 'known' && told.me) return { me: told.me };
  return refused(told.kind === 'nobody' ? 'no_cookie' : 'silent');
}

const refused = (why: Why): Begun => ({ why, again_s: null });

export interface Way { kind: string; title: string; href: string | null }

/** The ways that lead over another system's page; null: the server does not answer. */
export async function ways(): Promise<Way[] | null> {
  const response = await fetch('/api/v1/log-ins', { headers: { Accept: 'application/json' } }).catch(() => null);
  const body = response?.ok ? await response.json().catch(() => null) as { items: Way[] } | null : null;
  // Only a path of this server is a way.
  return body && body.items.filter(({ href }) => href !== null && /^\/(?!\/)/.test(href));
}
