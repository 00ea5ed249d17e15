import { expect, test, vi } from 'vitest';

vi.mock('maplibre-gl', () => ({}));
const { classesOf, classToken } = await import('../../src/map/classes');

const sum = (values: number[]) => classesOf(values).reduce((total, of) => total + of.count, 0);

test('five classes hold about the same number of parts each, in the order of their values', () => {
  const values = Array.from({ length: 100 }, (_, n) => (n * 37) % 100);
  expect(classesOf(values)).toEqual([0, 20, 40, 60, 80].map((from) => ({ from, to: from + 19, count: 20 })));
});

test('the counts sum to the parts, whatever the values', () => {
  for (const values of [[], [5], [3, 3, 3, 3], [0, 0, 0, 0, 0, 0, 9], [1, 2], [2, 2, 2, 7, 7, 8, 100000]]) {
    expect(sum(values)).toBe(values.length);
    const classes = classesOf(values);
    for (const [n, { from, to }] of classes.entries()) expect(to >= from && to < (classes[n + 1]?.from ?? Infinity)).toBe(true);
  }
});

test('few classes take colours that are far apart', () => {
  expect([1, 2, 3, 5].map((of) => Array.from({ length: of }, (_, n) => classToken(n, of)).join(' '))).toEqual([
    'class-3', 'class-1 class-5', 'class-1 class-3 class-5', 'class-1 class-2 class-3 class-4 class-5',
  ]);
});
