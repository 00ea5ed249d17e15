// One measure of the parts of a place in five classes of colour. While it is shown, only overdue and urgent cases stay as marks: light
// classes are the brightest thing on the screen.
import type { ExpressionSpecification, FilterSpecification, Map } from 'maplibre-gl';
import type { Case, Child } from '../api';
import { colour } from '../colour';
import type { Measure } from '../route';

/** A class holds values from `from` up to that of the next; the last one its end too. */
export interface Class { from: number; to: number; count: number }

export const CLASSES = 5;

/** Five classes with about the same number of parts each; fewer, when there are fewer different values. The counts sum to the parts. */
export function classesOf(values: readonly number[]): Class[] {
  const sorted = [...values].sort((a, b) => a - b);
  const starts = [...new Set(Array.from({ length: CLASSES }, (_, n) => sorted[Math.floor((n * sorted.length) / CLASSES)]!))];
  if (sorted.length === 0) return [];
  return starts.map((from, n) => {
    const next = starts[n + 1] ?? Infinity;
    const held = sorted.filter((value) => value >= from && value < next);
    return { from, to: held.at(-1)!, count: held.length };
  });
}

/** The token of the colour of a class, among so many: the lightest and the darkest are always there. */
export function classToken(n: number, of: number): string {
  return `class-${of === 1 ? 3 : 1 + Math.round((n * (CLASSES - 1)) / (of - 1))}`;
}

const REGIONS = 'classes', GRIDS = 'classes-grids';
let usual: Record<string, FilterSpecification | undefined> | undefined;

export function addClasses(map: Map): void {
  for (const [id, layer] of [[REGIONS, 'regions'], [GRIDS, 'grids']] as const) {
    map.addLayer({
      id, type: 'fill', source: 'boundaries', 'source-layer': layer, layout: { visibility: 'none' }, filter: ['==', ['get', 'level'], ''],
      paint: { 'fill-color': colour('class-none'), 'fill-antialias': false },
    }, 'border-grid');
  }
}

/** Colours the parts; null: plain land. */
export function drawClasses(map: Map, parts: readonly Child[], measure: Measure | null): void {
  const classes = measure ? classesOf(parts.map((part) => part.counts[measure])) : [];
  const isGrid = parts[0]?.kind !== undefined;
  for (const id of [REGIONS, GRIDS]) {
    const shown = classes.length > 0 && (id === GRIDS) === isGrid;
    map.setLayoutProperty(id, 'visibility', shown ? 'visible' : 'none');
    if (!shown) continue;
    const classOf = (part: Child) => classes.findLastIndex(({ from }) => part.counts[measure!] >= from);
    if (!isGrid) map.setFilter(id, ['==', ['get', 'level'], parts[0]!.level]);
    else map.setFilter(id, null);
    const pairs = parts.flatMap((part) => [part.code, colour(classToken(classOf(part), classes.length))]);
    const none = isGrid ? 'transparent' : colour('class-none');
    map.setPaintProperty(id, 'fill-color', ['match', ['get', 'code'], ...pairs, none] as unknown as ExpressionSpecification);
  }
}

/** Only cases that press keep their marks, or all of them again. */
export function onlyPressing(map: Map, cases: readonly Case[] | null): void {
  const ids = ['cases', 'cases-ordinary'] as const;
  usual ??= Object.fromEntries(ids.map((id) => [id, map.getFilter(id) as FilterSpecification | undefined]));
  const urgent = (cases ?? []).filter((one) => one.urgent).map((one) => one.id);
  const pressing: ExpressionSpecification = ['any', ['==', ['get', 'overdue'], true], ['in', ['id'], ['literal', urgent]]];
  for (const id of ids) map.setFilter(id, cases === null ? usual[id]! : ['all', usual[id] as ExpressionSpecification, pressing]);
}
