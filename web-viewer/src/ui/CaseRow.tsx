// One case as a row: mark, matter, time left.
import type { Case } from '../api';
import { markOf } from '../casestate';
import { due } from '../format';
import { go, route } from '../route';
import { categoryNames, now, picked } from '../state';
import { sayValue } from '../words';
import { Mark, markWord } from './Mark';

export function CaseRow({ shown }: { shown: Case }) {
  const mark = markOf(shown, now.value);
  const name = categoryNames.value.matter.get(shown.category) ?? shown.category;
  const inGrid = route.value.mode.kind === 'grid';
  const chosen = picked.value?.kind === 'case' && picked.value.id === shown.id;
  const press = () => {
    if (shown.grid && !inGrid) go({ mode: { kind: 'grid', code: shown.grid } });
    picked.value = { kind: 'case', id: shown.id };
  };
  return (
    <li>
      <button type="button" class={chosen ? 'case-row chosen' : 'case-row'} onClick={press}>
        <Mark mark={mark} />
        <span class="label">{name}</span>
        <span class="second">{mark === 'overdue' ? '' : `${mark === 'open' ? sayValue(shown.state) : markWord(mark)} `}</span>
        <span class={`time ${mark}`}>{due(shown.due_at, now.value)}</span>
      </button>
    </li>
  );
}
