import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { named, parseTile, sourceOf, touches, understood, type News } from '../../src/live/news';
import { AGAIN_MS, REFUSED_MS, Stream, type Source } from '../../src/live/stream';

/** A stream of the server that a test plays. */
class Played implements Source {
  static all: Played[] = [];
  readyState = 0;
  private readonly hearing = new Map<string, (event: { data?: string; lastEventId?: string }) => void>();
  constructor(readonly url: string) { Played.all.push(this); }
  addEventListener(kind: string, hear: (event: { data?: string; lastEventId?: string }) => void): void { this.hearing.set(kind, hear); }
  close(): void { this.readyState = 2; }
  play(kind: string, data?: unknown, id?: number): void { this.hearing.get(kind)!({ ...(data !== undefined && { data: JSON.stringify(data) }), ...(id !== undefined && { lastEventId: String(id) }) }); }
  fail(state: number): void { this.readyState = state; this.hearing.get('error')!({}); }
}
const opened = () => Played.all.length;
const last = () => Played.all.at(-1)!;
const stream = () => new Stream((url) => new Played(url));
const heard = (): [News[], (news: News) => void] => { const all: News[] = []; return [all, (news) => { all.push(news); }]; };

beforeEach(() => { Played.all = []; vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

test('many listeners share one connection, which ends with the last', () => {
  const one = stream(), tabs = Array.from({ length: 8 }, () => ({}));
  const told = tabs.map((tab) => { const [all, hear] = heard(); one.join(tab, 7, hear); return all; });
  expect(opened()).toBe(1);
  expect(last().url).toBe('/api/v1/events?kinds=tiles&since=7');
  last().play('tiles', { layer: 'facilities', revision: 8, epoch: 1, tiles: ['14/1/2'] }, 8);
  for (const all of told) expect(all.filter((news) => news.kind === 'tiles')).toHaveLength(1);
  for (const tab of tabs.slice(1)) one.leave(tab);
  expect(last().readyState).toBe(0);
  one.leave(tabs[0]!);
  expect(last().readyState).toBe(2);
});

test('a broken connection comes back from the revision last heard of', () => {
  const one = stream(), [all, hear] = heard();
  one.join({}, 7, hear);
  last().play('open');
  last().play('tiles', { layer: 'grids', revision: 9, tiles: ['11/1/1'] });
  last().play('tiles', { layer: 'labels', revision: 9, tiles: ['11/1/1'] }, 9);
  last().fail(0);
  vi.advanceTimersByTime(AGAIN_MS - 1);
  expect(opened()).toBe(1);
  vi.advanceTimersByTime(1);
  expect(last().url).toBe('/api/v1/events?kinds=tiles&since=9');
  expect(all.filter((news) => news.kind === 'link').map((news) => news.up)).toEqual([false, true, false]);
});

test('a server that refuses is asked seldom; one that left is forgotten', () => {
  const one = stream(), [, hear] = heard(), tab = {};
  one.join(tab, 1, hear);
  last().fail(2);
  vi.advanceTimersByTime(AGAIN_MS * 3);
  expect(opened()).toBe(1);
  vi.advanceTimersByTime(REFUSED_MS);
  expect(opened()).toBe(2);
  last().fail(0);
  one.leave(tab);
  vi.advanceTimersByTime(REFUSED_MS);
  expect(opened()).toBe(2);
});

test('who joins with what is older than the stream loads anew; who is as new does not', () => {
  const one = stream(), [, ignore] = heard(), [late, hearLate] = heard(), [fresh, hearFresh] = heard();
  one.join({}, 5, ignore);
  last().play('tiles', { layer: 'grids', revision: 6, tiles: [] }, 6);
  one.join({}, 5, hearLate);
  one.join({}, 6, hearFresh);
  expect(late.map((news) => news.kind)).toContain('resync');
  expect(fresh.map((news) => news.kind)).not.toContain('resync');
});

test('after a resync the stream goes on from where the server says, even from before', () => {
  const one = stream(), [all, hear] = heard();
  one.join({}, 50, hear);
  last().play('resync', { revision: 12 });
  last().fail(0);
  vi.advanceTimersByTime(AGAIN_MS);
  expect(last().url).toMatch(/since=12$/);
  expect(all).toContainEqual({ kind: 'resync' });
});

test('events of tomorrow are left alone, broken ones lead to loading anew', () => {
  expect(understood('weather', '{}')).toBeNull();
  expect(understood('tiles', '{"layer":3}')).toBeNull();
  expect(understood('tiles', '{"layer":"grids"')).toEqual({ kind: 'resync' });
  expect(understood('tiles', '{"layer":"grids","revision":4,"all":true}')).toEqual({ kind: 'tiles', layer: 'grids', revision: 4, tiles: [], all: true });
  expect(['regions', 'grids', 'labels', 'facilities', 'cases', 'organizations', 'buildings', 'weather'].map(sourceOf)).toEqual(['boundaries', 'boundaries', 'boundaries', 'facilities', 'cases', 'organizations', 'buildings', null]);
});

test('of the tiles shown the named ones are meant, and those below a starred one', () => {
  const shown = [{ z: 14, x: 8, y: 4 }, { z: 14, x: 9, y: 4 }, { z: 14, x: 12, y: 4 }, { z: 12, x: 2, y: 1 }];
  expect(named(['14/9/4'], shown)).toEqual([shown[1]]);
  expect(named(['12/2/1/*'], shown)).toEqual([shown[0], shown[1], shown[3]]);
  expect(named(['13/4/2', '0/0/0', 'x', '14/1/1/1'], shown)).toEqual([]);
  expect(named(['0/0/0/*'], shown)).toEqual(shown);
  expect([parseTile('3/8/0'), parseTile('23/0/0'), parseTile('3/7/7/*')]).toEqual([null, null, { z: 3, x: 7, y: 7, below: true }]);
});

test('a change concerns a place when its most detailed tiles meet it', () => {
  // 14/13747/6741 holds 122.07° to 122.09° E, 30.03° to 30.05° N or so; the coarser ones hold the whole city.
  const tiles = ['6/53/26', '14/13747/6741'];
  const [west, north] = [(13747 / 2 ** 14) * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - (2 * 6741) / 2 ** 14))) * 180) / Math.PI];
  expect(touches(tiles, [west + 0.001, north - 0.002, west + 0.002, north - 0.001])).toBe(true);
  expect(touches(tiles, [west - 0.05, north - 0.002, west - 0.04, north - 0.001])).toBe(false);
  expect(touches([], [0, 0, 1, 1])).toBe(false);
});
