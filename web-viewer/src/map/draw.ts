// Areas drawn by hand: a lasso or circle in one stroke, a corridor point by point. What was drawn becomes the address.
import { effect } from '@preact/signals';
import type { GeoJSONSource, Map, MapMouseEvent, MapTouchEvent } from 'maplibre-gl';
import { areaShape, metres, MOST_RADIUS_M, thinned, type Area } from '../area';
import type { Position } from '../api';
import { colour } from '../colour';
import { go, route } from '../route';
import { tool } from '../state';

const SOURCE = 'area';
const NOTHING: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] };
/** Width of a corridor until someone chooses another. */
export const CORRIDOR_M = 50;

export function addArea(map: Map): void {
  map.addSource(SOURCE, { type: 'geojson', data: NOTHING, tolerance: 0 });
  const under = 'cases-ordinary';
  map.addLayer({ id: 'area', type: 'fill', source: SOURCE, filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': colour('accent'), 'fill-opacity': 0.16 } }, under);
  map.addLayer({ id: 'area-ground', type: 'line', source: SOURCE, layout: { 'line-join': 'round' }, paint: { 'line-color': colour('ground'), 'line-width': 4 } }, under);
  map.addLayer({ id: 'area-line', type: 'line', source: SOURCE, layout: { 'line-join': 'round' }, paint: { 'line-color': colour('accent'), 'line-width': 2 } }, under);
  map.addLayer({
    id: 'area-point', type: 'symbol', source: SOURCE, filter: ['==', ['geometry-type'], 'Point'], layout: { 'icon-image': 'spot', 'icon-size': 1.4, 'icon-allow-overlap': true },
    paint: { 'icon-color': colour('white'), 'icon-halo-color': colour('ground'), 'icon-halo-width': 2 },
  });
}

export function drawArea(map: Map, shape: GeoJSON.GeoJSON | null): void {
  (map.getSource(SOURCE) as GeoJSONSource).setData(shape ?? NOTHING);
}

type Pointed = MapMouseEvent | MapTouchEvent;
const placeOf = (event: Pointed): Position => [event.lngLat.lng, event.lngLat.lat];

/** Strokes smaller than this many pixels were no stroke. */
const LEAST_PX = 6;

/** Takes the tool that is in hand; puts it down when something was drawn, or on Esc. */
export function watchDrawing(map: Map): void {
  effect(() => {
    const kind = tool.value;
    if (!kind) return;
    const stop = kind === 'corridor' ? corridor(map) : stroke(map, kind);
    const canvas = map.getCanvas();
    map.dragPan.disable();
    canvas.classList.add('drawing');
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      tool.value = null;
    };
    addEventListener('keydown', escape, { capture: true });
    return () => {
      stop();
      map.dragPan.enable();
      canvas.classList.remove('drawing');
      removeEventListener('keydown', escape, { capture: true });
      drawArea(map, route.peek().area && areaShape(route.peek().area!));
    };
  });
}

function finish(area: Area): void {
  // The click that ends a stroke is no click on the land.
  setTimeout(() => { tool.value = null; });
  go({ area });
}

function stroke(map: Map, kind: 'lasso' | 'circle'): () => void {
  let line: Position[] = [];
  let from: { x: number; y: number } | null = null;
  const made = (): Area => (kind === 'circle'
    ? { kind, centre: line[0]!, radius_m: Math.min(MOST_RADIUS_M, Math.max(1, metres(line[0]!, line.at(-1)!))) } : { kind, ring: line });
  const down = (event: Pointed) => { line = [placeOf(event)]; from = event.point; event.preventDefault(); };
  const move = (event: Pointed) => {
    if (!from) return;
    line.push(placeOf(event));
    drawArea(map, line.length < 3 && kind === 'lasso' ? null : areaShape(made()));
  };
  const up = (event: Pointed) => {
    const start = from;
    from = null;
    if (!start) return;
    const far = kind === 'circle' ? Math.hypot(event.point.x - start.x, event.point.y - start.y) : line.length;
    if (far < LEAST_PX) drawArea(map, null);
    else finish(kind === 'lasso' ? { kind, ring: thinned(line) } : made());
  };
  return listening(map, [['mousedown', down], ['mousemove', move], ['mouseup', up], ['touchstart', down], ['touchmove', move], ['touchend', up]]);
}

function corridor(map: Map): () => void {
  const line: Position[] = [];
  const shape = (points: Position[]) => (points.length < 2 ? null : areaShape({ kind: 'corridor', line: points, width_m: CORRIDOR_M }));
  const end = () => { if (line.length >= 2) finish({ kind: 'corridor', line: thinned(line), width_m: CORRIDOR_M }); };
  const add = (event: Pointed) => {
    const last = line.at(-1), at = placeOf(event);
    if (!last || last[0] !== at[0] || last[1] !== at[1]) line.push(at);
    drawArea(map, shape(line));
  };
  const move = (event: Pointed) => { if (line.length > 0) drawArea(map, shape([...line, placeOf(event)])); };
  const enter = (event: KeyboardEvent) => { if (event.key === 'Enter') end(); };
  const stop = listening(map, [['click', add], ['mousemove', move], ['dblclick', end]]);
  addEventListener('keydown', enter);
  return () => { stop(); removeEventListener('keydown', enter); };
}

function listening(map: Map, handlers: readonly (readonly [string, (event: Pointed) => void])[]): () => void {
  const on = map.on.bind(map) as (kind: string, hear: (event: Pointed) => void) => void;
  const off = map.off.bind(map) as (kind: string, hear: (event: Pointed) => void) => void;
  for (const [kind, hear] of handlers) on(kind, hear);
  return () => { for (const [kind, hear] of handlers) off(kind, hear); };
}
