// The key of the map, always visible: what each mark means, how many there are, and their sum.
import { countMarks, markOf, MARKS } from '../casestate';
import { count } from '../format';
import type { ComponentChildren } from 'preact';
import type { Case } from '../api';
import { cases, categoryIcons, categoryNames, categoryShown, classed, facilities, facilitiesDrawn, gridShown, grouped, groupsShown, narrow, narrowed, now } from '../state';
import { route, type Measure } from '../route';
import { classesOf, classToken } from '../map/classes';
import { measureText, measureWord } from './blocks';
import { Layers } from './Layers';
import { groupName, say, sayValue } from '../words';
import { Icon } from './Icon';
import { ThematicKeys } from './Thematic';
import { Mark, markWord } from './Mark';

export function Legend() {
  return (
    <div class="legend">
      <Layers />
      <ThematicKeys />
      {route.value.measure && !gridShown.value && <ClassKey measure={route.value.measure} />}
      {gridShown.value && facilities.data && !route.value.hide.includes('facilities') && <FacilityKey />}
      {cases.data && !route.value.hide.includes('cases') && <CaseKey />}
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

/** The classes of the measure, in the order of their values: bounds and how many parts each. */
function ClassKey({ measure }: { measure: Measure }) {
  const parts = classed.value, classes = classesOf(parts.map((part) => part.counts[measure]));
  return (
    <table class="class-key">
      <caption>{parts[0] && sayValue(parts[0].level)} · {say(measureWord(measure))}</caption>
      <tbody>
        {classes.map(({ from, to, count: held }, n) => (
          <tr key={from}><th><i class="key" style={{ background: `var(--${classToken(n, classes.length)})` }} />{measureText(measure, from)}{to > from && ` – ${measureText(measure, to)}`}</th><td>{count(held)}</td></tr>
        ))}
      </tbody>
      <tfoot><tr><th>{say('sum')}</th><td>{count(parts.length)}</td></tr></tfoot>
    </table>
  );
}

function FacilityKey() {
  const only = categoryShown.value;
  const shown = only !== null ? [] : grouped.value.filter(({ group }) => groupsShown.value.has(group.id));
  return (
    <table class="facility-key">
      <caption>{say('legendFacilities')}</caption>
      <tbody>
        {shown.map(({ group, facilities: members }) => (
          <tr key={group.id}><th><Icon name={group.icon} />{groupName(group)}</th><td>{count(members.length)}</td></tr>
        ))}
      </tbody>
      {only !== null && <tbody><tr><th><Icon name={categoryIcons.value.get(only) ?? 'component'} />{categoryNames.value.component.get(only) ?? only}</th><td>{count(facilitiesDrawn.value.length)}</td></tr></tbody>}
      <tfoot><tr><th>{say('sum')}</th><td>{count(facilitiesDrawn.value.length)} {say('pieces')}</td></tr></tfoot>
    </table>
  );
}
