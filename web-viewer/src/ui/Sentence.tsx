// The whole state in one line: 普陀区 未结 87 · 超期 5. Only what needs a person is coloured.
import { count } from '../format';
import { card, gridShown, link, now, path, region } from '../state';
import { say } from '../words';
import { nothingYet } from './Block';

/** Older than this a number is not shown as if it were fresh. */
const STALE_MS = 5 * 60_000;

export function Sentence() {
  const of = gridShown.value ? card : region;
  const data = of.data;
  const name = path.value.at(-1)?.name ?? (data && 'name' in data ? data.name : '');
  const told = !data ? null
    : 'open_cases' in data ? { open: data.open_cases.total, overdue: data.open_cases.overdue }
    : { open: data.counts.open_cases, overdue: data.counts.overdue };
  const stale = now.value - link.value.at > STALE_MS;
  return (
    <p class={stale ? 'sentence stale' : 'sentence'} aria-live="polite">
      {told
        ? <>{name} <span>{say('open')} {count(told.open)}</span> · <span class={told.overdue > 0 ? 'overdue' : ''}>{say('overdue')} {count(told.overdue)}</span></>
        : <span class="second">{nothingYet(of.state.value.problem)}</span>}
    </p>
  );
}
