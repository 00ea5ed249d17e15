// A block answers one question, its title. It says when its data is old, and why there is none.
import type { ComponentChildren } from 'preact';
import { clock } from '../format';
import type { Resource } from '../resource';
import { link, now } from '../state';
import { me } from '../who';
import { say } from '../words';

/** Data that was last known to be true longer ago shows its own time. The server confirms with every answer that nothing changed. */
const OLD_MS = 60_000;

export interface BlockProps { title: ComponentChildren; of: Resource<unknown>; class?: string; children: ComponentChildren }

export function Block({ title, of, class: name = '', children }: BlockProps) {
  const { data, at, problem } = of.state.value;
  const known = problem === null ? link.value.at : at;
  return (
    <section class={`block ${name}`}>
      <h2>{title}{data !== null && now.value - known > OLD_MS && <time class="age">{clock(known)}</time>}</h2>
      {data === null ? <p class="statement">{nothingYet(problem)}</p> : children}
    </section>
  );
}

/** Why nothing can be shown: still loading, or what went wrong. */
export function nothingYet(problem: string | null): string {
  if (problem === null) return say('loading');
  if (problem === 'unknown_code' || problem === 'not_found') return say('unknownCode');
  if (problem === 'no_boundaries') return say(me.value?.within ? 'nothingToSee' : 'noCity');
  return `${problem === 'offline' ? say('unlinked') : say('failed')} · ${say('retrying')}`;
}

/** An empty list as a statement, with the time it was true. */
export function Empty({ words }: { words: string }) {
  return <p class="statement">{words} · {say('dataTime')} <time>{clock(link.value.at)}</time></p>;
}
