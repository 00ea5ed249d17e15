// The key of the map, always visible: what each mark means, how many there are, and their sum.
import { countMarks, MARKS } from '../casestate';
import { count } from '../format';
import { route } from '../route';
import { cases, facilities, grouped, groupsShown, now } from '../state';
import { say } from '../words';
import { Icon } from './Icon';
import { Mark, markWord } from './Mark';

export function Legend() {
  const grid = route.value.mode.kind === 'grid';
  return (
    <div class="legend">
      {grid && facilities.data && <FacilityKey />}
      {cases.data && <CaseKey />}
    </div>
  );
}

function CaseKey() {
  const all = cases.data ?? [];
  const located = all.filter((shown) => shown.position);
  const counts = countMarks(located, now.value);
  return (
    <table>
      <caption>{say('legendCases')}</caption>
      <tbody>
        {MARKS.map((mark) => <tr key={mark}><th><Mark mark={mark} />{markWord(mark)}</th><td>{count(counts[mark])}</td></tr>)}
        {all.length > located.length && <tr><th><span class="icon" />{say('unlocated')}</th><td>{count(all.length - located.length)}</td></tr>}
      </tbody>
      <tfoot><tr><th>{say('sum')}</th><td>{count(all.length)} {say('items')}</td></tr></tfoot>
    </table>
  );
}

function FacilityKey() {
  const shown = grouped.value.filter(({ group }) => groupsShown.value.has(group.id));
  return (
    <table class="facility-key">
      <caption>{say('legendFacilities')}</caption>
      <tbody>
        {shown.map(({ group, facilities: members }) => (
          <tr key={group.id}><th><Icon name={group.icon} />{route.value.lang === 'en' ? group.name_en : group.name}</th><td>{count(members.length)}</td></tr>
        ))}
      </tbody>
      <tfoot><tr><th>{say('sum')}</th><td>{count(shown.reduce((sum, of) => sum + of.facilities.length, 0))} {say('pieces')}</td></tr></tfoot>
    </table>
  );
}
