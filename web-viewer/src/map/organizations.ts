// Organizations: party groups, mediation rooms, volunteer stations, police posts. Icons by category, with names when there is room.
import type { Map } from 'maplibre-gl';
import { colour } from '../colour';
import { iconOf } from './style';

export const ORGANIZATIONS = 'organizations';

/** Adds the layer; `icons`: category of organizations → icon. */
export function addOrganizations(map: Map, icons: ReadonlyMap<string, string>, note: number): void {
  map.addSource(ORGANIZATIONS, { type: 'vector', url: `${location.origin}/tiles/${ORGANIZATIONS}` });
  map.addLayer({
    id: ORGANIZATIONS, type: 'symbol', source: ORGANIZATIONS, 'source-layer': ORGANIZATIONS, minzoom: 13.5,
    layout: {
      'icon-image': iconOf(icons), 'icon-size': 0.75, 'icon-padding': 1,
      'text-field': ['step', ['zoom'], '', 15.5, ['get', 'name']], 'text-size': note, 'text-font': ['Noto Sans SC'], 'text-max-width': 8,
      'text-anchor': 'top', 'text-offset': [0, 0.9], 'text-optional': true,
    },
    paint: {
      'icon-color': colour('second'), 'icon-halo-color': colour('ground'), 'icon-halo-width': 2,
      'text-color': colour('second'), 'text-halo-color': colour('ground'), 'text-halo-width': 2,
    },
  }, 'cases-ordinary');
}
