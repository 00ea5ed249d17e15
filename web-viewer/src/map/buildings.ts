// Buildings: footprints under the borders, dots where only a point is known. Quiet: they are the ground that grids are read on.
import type { Map } from 'maplibre-gl';
import { colour } from '../colour';

export const BUILDINGS = 'buildings';
/** Those without a footprint. */
export const BUILDING_POINTS = 'building-points';

/** Adds the layers, below all borders. */
export function addBuildings(map: Map): void {
  map.addSource(BUILDINGS, { type: 'vector', url: `${location.origin}/tiles/${BUILDINGS}` });
  map.addLayer({
    id: BUILDINGS, type: 'fill', source: BUILDINGS, 'source-layer': BUILDINGS, minzoom: 14, filter: ['==', ['geometry-type'], 'Polygon'],
    paint: {
      'fill-color': colour('class-none'), 'fill-outline-color': colour('border-community'),
      'fill-opacity': ['interpolate', ['linear'], ['zoom'], 14, 0, 14.75, 1],
    },
  }, 'border-grid');
  map.addLayer({
    id: BUILDING_POINTS, type: 'circle', source: BUILDINGS, 'source-layer': BUILDINGS, minzoom: 15, filter: ['==', ['geometry-type'], 'Point'],
    paint: { 'circle-radius': 3, 'circle-color': colour('class-none'), 'circle-stroke-width': 1, 'circle-stroke-color': colour('border-community') },
  }, 'border-grid');
}
