// What the pointer points at (coordinates at once, the BeiDou code when it rests) and what a click means.
import type { Map, MapMouseEvent } from 'maplibre-gl';
import { api, Problem, type Located, type Position } from '../api';
import { beidouLevel } from '../format';
import { go, route, type Mode } from '../route';
import { cases, meta, notice, path, picked, pointer, reachable, thing, tool, zoom } from '../state';
import { THEMATIC } from './basemaps';
import { SELECTED_CASES, SELECTED_FACILITIES } from './spotlight';

/** So many zooms after they appear, grids are large enough to be meant by a click. */
const GRIDS_MEANT = 2.5;
const REST_MS = 150;

export function watchPointer(map: Map): void {
  let resting: AbortController | undefined;
  zoom.value = map.getZoom();
  map.on('zoom', () => { zoom.value = map.getZoom(); });
  map.on('mousemove', (event) => {
    const at: Position = [event.lngLat.lng, event.lngLat.lat];
    resting?.abort();
    pointer.value = { position: at, beidou: pointer.value?.beidou ?? null };
    resting = new AbortController();
    const { signal } = resting;
    const timer = setTimeout(() => void beidouAt(at, map.getZoom(), signal), REST_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
    map.getCanvas().style.cursor = !tool.value && marksAt(map, event).length > 0 ? 'pointer' : '';
  });
  map.on('mouseout', () => { resting?.abort(); pointer.value = null; });
  let clicked = new AbortController();
  map.on('contextmenu', (event) => go({ area: { kind: 'near', at: [event.lngLat.lng, event.lngLat.lat] } }));
  map.on('click', (event) => {
    if (tool.value) return;
    // The newest click decides, whichever answer comes first.
    clicked.abort();
    clicked = new AbortController();
    void click(map, event, clicked.signal);
  });
}

async function beidouAt(at: Position, atZoom: number, signal: AbortSignal): Promise<void> {
  try {
    const { code } = await api.beidou(at, beidouLevel(atZoom), signal);
    if (!signal.aborted) pointer.value = { position: at, beidou: code };
  } catch (error) {
    if (!signal.aborted && !(error instanceof Problem)) throw error;
  }
}

/** What a click here means before it means the land. Far out ordinary cases are too many to be meant; pressing ones always are. */
function marksAt(map: Map, event: MapMouseEvent) {
  const found = map.queryRenderedFeatures(event.point, { layers: [SELECTED_CASES, 'cases', 'cases-ordinary', SELECTED_FACILITIES] });
  return map.getZoom() >= gridZoom() ? found : found.filter((mark) => mark.properties['overdue']);
}

/** Where grids appear. */
function gridZoom(): number { return meta.data?.scheme.levels.at(-1)?.minzoom ?? 11; }

/** What a click on land means: one step down from what it shares with the place shown; where grids are drawn large, the grid itself. */
export function meant({ grid, path: above }: Located, here: readonly { code: string }[], large: boolean): Mode | null {
  const shown = new Set(here.map((place) => place.code));
  const chain = reachable<{ code: string }>(grid ? [...above, grid] : above);
  const step = large && grid ? undefined : chain.find((place) => place.code !== grid?.code && !shown.has(place.code));
  if (step) return { kind: 'region', code: step.code };
  return grid && !(shown.has(grid.code)) ? { kind: 'grid', code: grid.code } : null;
}

async function click(map: Map, event: MapMouseEvent, signal: AbortSignal): Promise<void> {
  notice.value = null;
  const mark = marksAt(map, event)[0];
  if (mark?.layer.id === SELECTED_FACILITIES) {
    picked.value = { kind: 'facility', id: Number(mark.id) };
    return;
  }
  const found = mark && cases.data?.find((shown) => shown.id === Number(mark.id));
  if (found?.grid) {
    go({ mode: { kind: 'grid', code: found.grid } });
    picked.value = { kind: 'case', id: found.id };
    return;
  }
  const things = map.queryRenderedFeatures(event.point).filter(({ source, layer }) => source.startsWith(THEMATIC) && layer.type !== 'raster');
  const one = things.find(({ layer }) => layer.type === 'symbol') ?? things[0];
  thing.value = one ? { layer: one.source.slice(THEMATIC.length), properties: one.properties } : null;
  // A point or line was meant itself; an area says what it is, and the land under it is meant as ever.
  if (things.some(({ geometry }) => !geometry.type.endsWith('Polygon'))) return;
  try {
    const found = await api.locate([event.lngLat.lng, event.lngLat.lat], route.value.at, signal);
    if (signal.aborted) return;
    const mode = meant(found, path.value, map.getZoom() >= gridZoom() + GRIDS_MEANT);
    if (mode) go({ mode });
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    notice.value = error.code;
  }
}
