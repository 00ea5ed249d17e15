import { beforeEach, expect, test, vi } from 'vitest';
import type { Case, Facility, GridCard, Meta, Region } from '../../src/api';
import { meant } from '../../src/map/pointer';
import { asChild, up } from '../../src/modes';
import { parse, route } from '../../src/route';
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

test('what lies above the part that a caller may see is no place of theirs', () => {
  const tops = (root: string[], root_grids: string[] = []) => meta.outcome(given({ ...meta.data!, root, root_grids }), true);
  card.outcome(given({ path: [place('city', '3309'), place('county', '330902')], grid: { code: '330902001', name: '' } } as unknown as GridCard), true);
  shown.value = parse('?grid=330902001');
  const codes = () => path.value.map((of) => of.code);
  const found = { grid: { code: '330902001', name: '' }, path: [place('city', '3309'), place('county', '330902')] };
  tops(['330902']);
  expect(codes()).toEqual(['330902', '330902001']);
  expect(meant(found, [{ code: '' }], false), 'into the part first').toEqual({ kind: 'region', code: '330902' });
  expect(meant(found, [{ code: '330902' }], false)).toEqual({ kind: 'grid', code: '330902001' });
  tops(['330921'], ['330902001']);
  expect(codes()).toEqual(['330902001']);
  expect(meant(found, [{ code: '' }], false)).toEqual({ kind: 'grid', code: '330902001' });
  tops(['9']);
  expect(codes(), 'boundaries of then may have had other tops').toEqual(['3309', '330902', '330902001']);
});

test('one level up ends where the caller may go', () => {
  const went: string[] = [];
  vi.stubGlobal('location', { pathname: '/', search: '' });
  vi.stubGlobal('history', { pushState: (_: unknown, __: string, to: string) => went.push(to) });
  const from = (...codes: string[]) => { went.length = 0; route.value = parse('?grid=x'); up(codes.map((code) => ({ code }))); return went; };
  meta.outcome(given({ ...meta.data!, root: ['1'], root_grids: [] }), true);
  expect(from('1', '12')).toEqual(['/?region=1']);
  expect(from('1'), 'the one top').toEqual([]);
  expect(from(), 'nowhere').toEqual(['/']);
  meta.outcome(given({ ...meta.data!, root: ['1'], root_grids: ['2001'] }), true);
  expect(from('2001'), 'one of several tops').toEqual(['/']);
  vi.unstubAllGlobals();
});

test('a grid stands among parts with what its card counts', () => {
  const child = asChild({
    grid: { code: 'g', name: '东港', kind: 'base', households: null, population: 9, area_m2: 5, bbox: [1, 2, 3, 4] }, facilities: { total: 7 }, open_cases: { total: 3, overdue: 1 },
    team: { leader: {}, officers: [{}, {}], members: [] },
  } as unknown as GridCard);
  expect(child).toEqual({
    code: 'g', name: '东港', level: 'grid', kind: 'base', bbox: [1, 2, 3, 4],
    counts: { grids: 1, facilities: 7, open_cases: 3, overdue: 1, households: 0, population: 9, staff: 3, area_m2: 5 },
  });
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
