import { expect, test, vi } from 'vitest';
import { drawSets, setUrl } from '../../src/map/sets';
import { understood } from '../../src/live/news';
import { percent } from '../../src/format';
import { saySet } from '../../src/words';

/** What a map is told, kept in order. */
function played() {
  const sources = new Map<string, { url: string }>(), layers: string[] = [];
  const map = {
    getSource: (id: string) => (sources.has(id) ? { serialize: () => sources.get(id) } : undefined),
    addSource: (id: string, source: { url: string }) => { sources.set(id, source); },
    removeSource: (id: string) => { sources.delete(id); },
    getLayer: (id: string) => layers.find((one) => one === id),
    addLayer: ({ id }: { id: string }) => { layers.push(id); },
    removeLayer: (id: string) => { layers.splice(layers.indexOf(id), 1); },
  };
  return { sources, layers, map: map as unknown as Parameters<typeof drawSets>[0] };
}

test('a set is drawn when it is asked for, anew for another date, and taken away', () => {
  vi.stubGlobal('location', { origin: 'http://here' });
  vi.stubGlobal('document', { documentElement: {} });
  vi.stubGlobal('getComputedStyle', () => ({ getPropertyValue: () => '' }));
  const { sources, layers, map } = played();
  drawSets(map, [], ['police'], null, 14);
  expect([...sources]).toEqual([]);
  drawSets(map, ['police', 'gone'], ['police'], null, 14);
  expect([...sources.keys()]).toEqual(['set-police']);
  expect(sources.get('set-police')!.url).toBe('http://here/tiles/grids,labels?set=police');
  expect(layers).toEqual(['set-police-line', 'set-police-name']);
  drawSets(map, ['police'], ['police'], '2026-03-01', 14);
  expect(sources.get('set-police')!.url).toBe(`http://here${setUrl('police', '2026-03-01')}`);
  expect(layers).toHaveLength(2);
  drawSets(map, [], ['police'], null, 14);
  expect([sources.size, layers.length]).toEqual([0, 0]);
  vi.unstubAllGlobals();
});

test('news of a set are not news of the hierarchy', () => {
  expect(understood('tiles', '{"layer":"grids","set":"police","revision":9,"all":true}')).toMatchObject({ layer: 'grids', set: 'police', all: true });
  expect(understood('tiles', '{"layer":"grids","revision":9,"all":true}')).not.toHaveProperty('set');
});

test('a set is called by its word, or by its name, and a part is never told as all', () => {
  expect([saySet('police'), saySet('patrol')]).toEqual(['警务网格', 'patrol']);
  expect([1, 0.99996, 0.25, 0].map(percent)).toEqual(['100 %', '99.9 %', '25 %', '0 %']);
});
