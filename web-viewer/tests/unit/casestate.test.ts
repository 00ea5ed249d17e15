import { expect, test } from 'vitest';
import type { Case } from '../../src/api';
import { AGE_BANDS, countAges, countMarks, markOf } from '../../src/casestate';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const hours = (n: number) => new Date(NOW + n * 3_600_000).toISOString();
const made = (told: Partial<Case>): Case => ({ id: 1, category: '06010', state: 'handling', due_at: hours(5), overdue: false, position: null, ...told });

test('overdue is the word of the server, not a comparison with now', () => {
  expect(markOf(made({ due_at: hours(-1) }), NOW)).toBe('open');
  expect(markOf(made({ due_at: hours(5), overdue: true }), NOW)).toBe('overdue');
});

test('a suspended case does not press, whatever its time', () => {
  expect(markOf(made({ state: 'suspended', due_at: hours(0.2) }), NOW)).toBe('suspended');
});

test('a case without a deadline is never due soon', () => {
  expect(markOf(made({ due_at: null, state: 'reported' }), NOW)).toBe('new');
});

test('the marks of the legend sum to the cases', () => {
  const cases = [made({}), made({ overdue: true }), made({ state: 'reported' }), made({ due_at: hours(0.5) }), made({ state: 'suspended' }), made({ state: 'a state of tomorrow' })];
  const counts = countMarks(cases, NOW);
  expect(counts).toEqual({ overdue: 1, soon: 1, new: 1, open: 2, suspended: 1 });
  expect(Object.values(counts).reduce((a, b) => a + b)).toBe(cases.length);
});

test('every case with a time is in one age band, one from the future in the first', () => {
  const cases = [-0.5, -1, -4, -24, -72, -1000, 1].map((at) => made({ reported_at: hours(at) }));
  expect(countAges(cases, NOW)).toEqual([2, 1, 1, 1, 2]);
  expect(AGE_BANDS).toHaveLength(5);
});
