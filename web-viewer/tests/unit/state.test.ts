import { beforeEach, expect, test } from 'vitest';
import type { Case, Facility, GridCard, Meta, Region } from '../../src/api';
import { meant } from '../../src/map/pointer';
import { parse } from '../../src/route';
import { card, cases, facilities, grouped, listed, meta, narrow, path, region, shown, wanting } from '../../src/state';

const given = <T>(value: T) => ({ status: 'fulfilled' as const, value });
const levels = ['city', 'county', 'grid'].map((name) => ({ name }));
const place = (level: string, code: string) => ({ level, code, name: code });

beforeEach(() => {
  meta.outcome(given({ scheme: { levels }, default_facility_groups: [{ id: 'camera', name: '监控', name_en: 'Cameras', icon: 'camera', categories: ['01050'] }] } as unknown as Meta), true);
});

test('a place is named from the top down, once, with its own level last', () => {
  region.outcome(given({ ...place('county', '330902'), path: [place('city', '3309'), place('county', '330902')] } as unknown as Region), true);
  shown.value = parse('?region=330902');
  expect(path.value.map((of) => of.code)).toEqual(['3309', '330902']);
  card.outcome(given({ path: [place('city', '3309')], grid: { code: '330902001', name: '' } } as unknown as GridCard), true);
  shown.value = { ...shown.value!, mode: { kind: 'grid', code: '330902001' } };
  expect(path.value.at(-1)).toEqual({ level: 'grid', code: '330902001', name: '330902001' });
});

test('a facility is counted once, in its group or among the others', () => {
  facilities.outcome(given([{ id: 1, category: '01050' }, { id: 2, category: '04002' }, { id: 3, category: '01050' }] as Facility[]), true);
  expect(grouped.value.map(({ group, facilities: of }) => [group.id, of.map(({ id }) => id)])).toEqual([['camera', [1, 3]], ['others', [2]]]);
});

test('a number opens the list that it counts, and the same again closes it', () => {
  cases.outcome(given([{ id: 1, overdue: true }, { id: 2, overdue: false }] as Case[]), true);
  narrow('overdue', '超期', (one) => one.overdue);
  expect(listed.value.map(({ id }) => id)).toEqual([1]);
  narrow('overdue', '超期', (one) => one.overdue);
  expect(listed.value.map(({ id }) => id)).toEqual([1, 2]);
});

test('what did not come is wanted again, what does not exist is not', async () => {
  const { Problem } = await import('../../src/api');
  const failed = (code: string) => ({ status: 'rejected' as const, reason: new Problem(code, 0, code) });
  card.outcome(failed('unknown_code'), true);
  expect(wanting.value).toBe(false);
  card.outcome(failed('offline'), true);
  expect(wanting.value).toBe(true);
});

test('a click means one step down, and the grid itself where grids are large', () => {
  const found = { grid: { code: 'g', name: '' }, path: [place('city', 'a'), place('county', 'b')] };
  expect(meant(found, [{ code: 'a' }], false)).toEqual({ kind: 'region', code: 'b' });
  expect(meant(found, [{ code: 'a' }, { code: 'b' }], false)).toEqual({ kind: 'grid', code: 'g' });
  expect(meant(found, [{ code: 'a' }], true)).toEqual({ kind: 'grid', code: 'g' });
  expect(meant(found, [{ code: 'a' }, { code: 'b' }, { code: 'g' }], true)).toBe(null);
  expect(meant({ ...found, grid: null }, [{ code: 'a' }, { code: 'b' }], true)).toBe(null);
});
