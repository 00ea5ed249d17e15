// How an open case shows itself: always colour, shape and word. Overdue is the server's word, never a comparison with now.
import type { Case } from './api';

export type Mark = 'overdue' | 'soon' | 'new' | 'open' | 'suspended';

/** In order of urgency; also the order of the legend. */
export const MARKS: readonly Mark[] = ['overdue', 'soon', 'new', 'open', 'suspended'];

/** A case is due soon from an hour before its time until then. A guess; nothing depends on it. */
export const SOON_MS = 3_600_000;

export function markOf(shown: Pick<Case, 'overdue' | 'state' | 'due_at'>, now: number): Mark {
  if (shown.overdue) return 'overdue';
  if (shown.state === 'suspended') return 'suspended';
  const left = shown.due_at ? Date.parse(shown.due_at) - now : Infinity;
  if (left >= 0 && left < SOON_MS) return 'soon';
  return shown.state === 'reported' ? 'new' : 'open';
}

/** How many cases show each mark. The counts sum to the number of cases. */
export function countMarks(cases: readonly Case[], now: number): Record<Mark, number> {
  const counts = { overdue: 0, soon: 0, new: 0, open: 0, suspended: 0 };
  for (const shown of cases) counts[markOf(shown, now)]++;
  return counts;
}

/** Upper ends of the age bands in hours; the last band is open. */
export const AGE_BANDS = [1, 4, 24, 72, Infinity] as const;

/** The band of a case reported at that time. */
export function ageBand(reportedAt: string, now: number): number {
  const hours = (now - Date.parse(reportedAt)) / 3_600_000;
  return AGE_BANDS.findIndex((end) => hours < end);
}

/** How many cases were reported within each band. Cases without a time are in none. */
export function countAges(cases: readonly Case[], now: number): number[] {
  const counts = AGE_BANDS.map(() => 0);
  for (const { reported_at } of cases) {
    if (reported_at) counts[ageBand(reported_at, now)]!++;
  }
  return counts;
}
