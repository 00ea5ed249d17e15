import { expect, test } from 'vitest';
import type { Hit } from '../../src/api';
import { target } from '../../src/hit';
import { sayValue } from '../../src/words';

const hit = (kind: Hit['kind'], more: Partial<Hit> = {}): Hit => ({ kind, name: '', ...more });

test('a grid and a region are shown themselves, without a mark', () => {
  expect(target(hit('grid', { code: 'g1', position: [122, 30] }))).toEqual({ mode: { kind: 'grid', code: 'g1' }, spot: null });
  expect(target(hit('region', { code: '3309', grid: null }))).toEqual({ mode: { kind: 'region', code: '3309' }, spot: null });
});

test('a street, an address and a position open their grid and are marked', () => {
  for (const kind of ['street', 'address', 'position'] as const) {
    expect(target(hit(kind, { grid: 'g1', position: [122, 30] }))).toEqual({ mode: { kind: 'grid', code: 'g1' }, spot: [122, 30] });
    expect(target(hit(kind, { grid: null, position: [122, 30] }))).toEqual({ mode: null, spot: [122, 30] });
    expect(target(hit(kind, { grid: null, position: null }))).toEqual({ mode: null, spot: null });
  }
});

test('a facility and a case open their grid', () => {
  for (const kind of ['facility', 'case'] as const) expect(target(hit(kind, { grid: 'g1', position: [122, 30] }))).toEqual({ mode: { kind: 'grid', code: 'g1' }, spot: null });
});

test('every kind has a word', () => {
  for (const kind of ['street', 'address', 'facility', 'case', 'position', 'region'] as const) expect(sayValue(kind)).not.toBe(kind);
});
