// Who is logged in: the name in the top bar, and behind it roles, what they may see, until when, and the way out.
import { signal } from '@preact/signals';
import { useLayoutEffect } from 'preact/hooks';
import { api, Problem } from '../api';
import { dayAndTime } from '../format';
import { logOut, me, type Me } from '../who';
import { say, sayCallerRole } from '../words';

const open = signal(false);
/** Names of the codes that the caller may see. */
const names = signal<ReadonlyMap<string, string>>(new Map());
/** Codes beyond these are counted. */
const MOST = 5;

export function Caller() {
  const who = me.value;
  if (!who?.told_apart) return null;
  return <button type="button" class="caller" aria-expanded={open.value} aria-controls="caller" title={say('caller')} onClick={() => { open.value = !open.value; }}><span>{who.name ?? who.id}</span></button>;
}

export function CallerPanel() {
  const who = me.value;
  return open.value && who?.told_apart ? <Panel who={who} /> : null;
}

function Panel({ who }: { who: Me }) {
  useLayoutEffect(() => {
    void nameAll((who.within ?? []).slice(0, MOST));
    const close = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      event.preventDefault();
      open.value = false;
      document.querySelector<HTMLElement>('.caller')?.focus();
    };
    // Before the map, which goes a level up.
    addEventListener('keydown', close, { capture: true });
    return () => removeEventListener('keydown', close, { capture: true });
  }, [who]);
  const { within } = who;
  return (
    <section id="caller" class="caller-panel" aria-label={say('caller')}>
      <h2>{who.name ?? who.id}</h2>
      <dl>
        <dt>{say('roles')}</dt><dd>{who.roles.map(sayCallerRole).join(' · ')}</dd>
        <dt>{say('mayInside')}</dt><dd>{within === null ? say('wholeCity') : within.slice(0, MOST).map((code) => names.value.get(code) ?? code).join(' · ')}{within && within.length > MOST && ` · ${say('more')} ${within.length - MOST}`}</dd>
        {who.screen && <><dt>{say('screen')}</dt><dd>{who.screen}</dd></>}
        {who.ends_at && Date.parse(who.ends_at) < FOREVER && <><dt>{say('until')}</dt><dd>{dayAndTime(Date.parse(who.ends_at))}</dd></>}
      </dl>
      {who.session && <button type="button" data-log-out onClick={() => void logOut('out')}>{say('logOut')}</button>}
    </section>
  );
}

/** A screen's session ends with its token, which may be never. */
const FOREVER = Date.UTC(3000, 0);

async function nameAll(codes: readonly string[]): Promise<void> {
  const found = await Promise.all(codes.filter((code) => !names.value.has(code)).map(async (code): Promise<[string, string]> => [code, await nameOf(code)]));
  names.value = new Map([...names.value, ...found]);
}

/** A code is that of a region or of a grid. */
async function nameOf(code: string): Promise<string> {
  const tolerant = (error: unknown) => { if (error instanceof Problem) return null; throw error; };
  const name = (await api.region(code, null).catch(tolerant))?.name ?? (await api.card(code, null).catch(tolerant))?.grid.name;
  return name || code;
}
