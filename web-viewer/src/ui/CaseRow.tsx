// One case as a row: mark, matter, time left.
import type { Case } from '../api';
import { markOf } from '../casestate';
import { due } from '../format';
import { go } from '../route';
import { categoryNames, gridShown, now, picked } from '../state';
import { sayValue } from '../words';
import { Mark, markWord } from './Mark';

export function CaseRow({ shown }: { shown: Case }) {
  const mark = markOf(shown, now.value);
  const name = shown.text || (categoryNames.value.matter.get(shown.category) ?? shown.category);
  const chosen = picked.value?.kind === 'case' && picked.value.id === shown.id;
  const press = () => {
    if (shown.grid && !gridShown.value) go({ mode: { kind: 'grid', code: shown.grid } });
    picked.value = { kind: 'case', id: shown.id };
  };
  return (
    <li>
      <button type="button" class={chosen ? 'case-row chosen' : 'case-row'} onClick={press}>
        <Mark mark={mark} urgent={shown.urgent ?? false} />
        <span class="label">{name}{!gridShown.value && shown.grid_name && <small class="place">{shown.grid_name}</small>}</span>
        <span class={mark === 'open' ? 'second ordinary' : 'second'}>{mark === 'overdue' ? '' : `${mark === 'open' ? sayValue(shown.state) : markWord(mark)} `}</span>
        <span class={`time ${mark}`}>{due(shown.due_at, now.value, shown.overdue)}</span>
      </button>
    </li>
  );
}
