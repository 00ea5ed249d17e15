// A case's mark: shape and colour, with its word beside it where there is room.
import type { Mark as Kind } from '../casestate';
import { say, type Word } from '../words';
import { Icon } from './Icon';

const WORD: Record<Kind, Word> = { overdue: 'overdue', soon: 'soon', new: 'new', open: 'handling', suspended: 'suspended' };

export function markWord(mark: Kind): string { return say(WORD[mark]); }

export function Mark({ mark, urgent = false }: { mark: Kind; urgent?: boolean }) {
  return <Icon name={`case-${mark}`} class={`mark ${mark} ${urgent ? 'urgent' : ''}`} />;
}
