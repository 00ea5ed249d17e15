// The map itself: one per page, imperative. The whole map is drawn at 1920 × 1080 sizes and scaled by u, so that icons, strokes
// and text grow with the wall while the extent stays.
import { effect } from '@preact/signals';
import { Map, setWorkerUrl, type StyleSpecification } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import 'maplibre-gl/dist/maplibre-gl.css';
import type { Box } from '../api';
import { unit } from '../unit';
import { takeCamera } from '../who';
import { isSoftware, watchCanvas } from './canvas';
import { PADDING } from './padding';

setWorkerUrl(workerUrl);

export interface Stage { map: Map; still: boolean }

export async function createMap(container: HTMLElement, style: StyleSpecification, bbox: Box | null): Promise<Stage> {
  const map = new Map({
    container, style, bounds: bbox ?? [-180, -60, 180, 75], fitBoundsOptions: { padding: PADDING },
    attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false, rollEnabled: false,
    doubleClickZoom: false, renderWorldCopies: false, fadeDuration: 0, maxZoom: 19, maxPitch: 0,
    // A wall of 7680 px needs more than the usual 4096; ?check says whether the graphics card gives it.
    maxCanvasSize: [16384, 16384],
    // A tile out of sight would not be fetched again when it changes. Coming back costs a 304.
    maxTileCacheSize: 0, pixelRatio: devicePixelRatio * unit.value,
  });
  map.touchZoomRotate.disableRotation();
  effect(() => map.setPixelRatio(devicePixelRatio * unit.value));
  if (bbox) {
    const bound = () => map.setMinZoom(Math.max(0, (map.cameraForBounds(bbox, { padding: PADDING })?.zoom ?? 1) - OUT));
    bound();
    map.on('resize', bound);
  }
  await new Promise<void>((resolve) => map.once('style.load', () => resolve()));
  watchCanvas(map);
  return { map, still: isSoftware(map) || matchMedia('(prefers-reduced-motion: reduce)').matches };
}

/** How many zooms a person can go out beyond the whole city. Farther out there is nothing to see. */
const OUT = 1;

/** Shows a box, easing unless nothing may move. Whoever had to log in again sees what they saw before. */
export function show({ map, still }: Stage, [west, south, east, north]: Box): void {
  const before = takeCamera();
  if (before) return void map.jumpTo(before);
  map.fitBounds([[west, south], [east, north]], { padding: PADDING, maxZoom: 17, duration: still ? 0 : 1000, essential: false });
}
