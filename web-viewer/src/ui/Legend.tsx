// The key of the map, always visible: what each mark means, how many there are, and their sum.
import { countMarks, markOf, MARKS } from '../casestate';
import { count } from '../format';
import type { ComponentChildren } from 'preact';
import type { Case } from '../api';
import { cases, facilities, gridShown, grouped, groupsShown, narrow, narrowed, now } from '../state';
import { groupName, say } from '../words';
import { Icon } from './Icon';
import { Mark, markWord } from './Mark';

export function Legend() {
  return (
    <div class="legend">
      {gridShown.value && facilities.data && <FacilityKey />}
      {cases.data && <CaseKey />}
    </div>
  );
}

function CaseKey() {
  const all = cases.data ?? [];
  const urgent = all.filter((shown) => shown.urgent).length;
  const located = all.filter((shown) => shown.position);
  const counts = countMarks(located, now.value);
  return (
    <table>
      <caption>{say('legendCases')}</caption>
      <tbody>
        {MARKS.map((mark) => <CaseLine key={mark} id={mark} word={markWord(mark)} icon={<Mark mark={mark} />} number={counts[mark]} holds={(one) => one.position !== null && markOf(one, now.value) === mark} />)}
        {all.length > located.length && <CaseLine id="unlocated" word={say('unlocated')} icon={<span class="icon" />} number={all.length - located.length} holds={(one) => one.position === null} />}
      </tbody>
      <tfoot>
        <tr><th>{say('sum')}</th><td>{count(all.length)} {say('items')}</td></tr>
        {urgent > 0 && <CaseLine id="urgent" word={say('urgent')} icon={<Icon name="case-urgent" class="mark" />} number={urgent} holds={(one) => one.urgent === true} />}
      </tfoot>
    </table>
  );
}

/** A line whose number opens the list that it counts. */
function CaseLine({ id, word, icon, number, holds }: { id: string; word: string; icon: ComponentChildren; number: number; holds: (shown: Case) => boolean }) {
  const pressed = narrowed.value?.key === id;
  return (
    <tr class={pressed ? 'pressed' : ''}>
      <th>{icon}{word}</th>
      <td><button type="button" aria-pressed={pressed} onClick={() => narrow(id, word, holds)}>{count(number)}</button></td>
    </tr>
  );
}

function FacilityKey() {
  const shown = grouped.value.filter(({ group }) => groupsShown.value.has(group.id));
  return (
    <table class="facility-key">
      <caption>{say('legendFacilities')}</caption>
      <tbody>
        {shown.map(({ group, facilities: members }) => (
          <tr key={group.id}><th><Icon name={group.icon} />{groupName(group)}</th><td>{count(members.length)}</td></tr>
        ))}
      </tbody>
      <tfoot><tr><th>{say('sum')}</th><td>{count(shown.reduce((sum, of) => sum + of.facilities.length, 0))} {say('pieces')}</td></tr></tfoot>
    </table>
  );
}
