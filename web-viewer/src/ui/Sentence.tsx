// The whole state in one line: 普陀区 未结 87 · 超期 5 · 近一小时 +31. Only what needs a person is coloured; each number opens its list.
import type { Case } from '../api';
import { count } from '../format';
import { ageBand } from '../casestate';
import { card, cases, gridShown, link, narrow, narrowed, now, path, region, told } from '../state';
import { say } from '../words';
import { nothingYet } from './Block';

/** Older than this a number is not shown as if it were fresh. */
const STALE_MS = 5 * 60_000;

const isRecent = (one: Case) => one.reported_at !== undefined && ageBand(one.reported_at, told.value) === 0;

export function Sentence() {
  const of = gridShown.value ? card : region;
  const data = of.data;
  const name = path.value.at(-1)?.name ?? (data && 'name' in data ? data.name : '');
  const sums = !data ? null
    : 'open_cases' in data ? { open: data.open_cases.total, overdue: data.open_cases.overdue }
    : { open: data.counts.open_cases, overdue: data.counts.overdue };
  const stale = now.value - link.value.at > STALE_MS;
  return (
    <p class={stale ? 'sentence stale' : 'sentence'} aria-live="polite">
      {sums
        ? <>{name} <button type="button" onClick={() => { narrowed.value = null; }}>{say('open')} {count(sums.open)}</button>
          {' · '}<button type="button" class={sums.overdue > 0 ? 'overdue' : ''} onClick={() => narrow('overdue', say('overdue'), (one) => one.overdue)}>{say('overdue')} {count(sums.overdue)}</button>
          {cases.data && <>{' · '}<button type="button" class="second" onClick={() => narrow('age-0', say('age-0'), isRecent)}>{say('lastHour')} +{count(cases.data.filter(isRecent).length)}</button></>}</>
        : <span class="second">{nothingYet(of.state.value.problem)}</span>}
    </p>
  );
}
