// A block answers one question, its title. It says when its data is old, and why there is none.
import type { ComponentChildren } from 'preact';
import { clock } from '../format';
import type { Resource } from '../resource';
import { now } from '../state';
import { say } from '../words';

/** Data older than this shows its own time. */
const OLD_MS = 60_000;

export interface BlockProps { title: ComponentChildren; of: Resource<unknown>; class?: string; children: ComponentChildren }

export function Block({ title, of, class: name = '', children }: BlockProps) {
  const { data, at, problem } = of.state.value;
  const failed = problem !== null && data !== null;
  return (
    <section class={`block ${name}`}>
      <h2>{title}{failed && now.value - at > OLD_MS && <time class="age">{clock(at)}</time>}</h2>
      {data === null ? <p class="statement">{nothingYet(problem)}</p> : children}
    </section>
  );
}

/** Why nothing can be shown: still loading, or what went wrong. */
export function nothingYet(problem: string | null): string {
  if (problem === null) return say('loading');
  if (problem === 'unknown_code' || problem === 'not_found') return say('unknownCode');
  if (problem === 'no_boundaries') return say('noCity');
  return `${problem === 'offline' ? say('unlinked') : say('failed')} · ${say('retrying')}`;
}

/** An empty list as a statement, with the time it was true. */
export function Empty({ words, of }: { words: string; of: Resource<unknown> }) {
  return <p class="statement">{words} · {say('data')} <time>{clock(of.state.value.at)}</time></p>;
}
