// The layers that a person can put away, and what they are made of. Their switches are in the address.
import type { Map } from 'maplibre-gl';
import { BUILDING_POINTS, BUILDINGS } from './buildings';
import { PLACED } from './names';
import { ORGANIZATIONS } from './organizations';
import { SELECTED_CASES, SELECTED_FACILITIES, URGENT } from './spotlight';

/** Borders and names by how many levels above the grids they mean. */
const RANKS = ['grid', 'community', 'township', 'county'] as const;

export interface Layer {
  id: string;
  /** Of borders: how many levels above the grids. */
  rank?: number;
  /** Layers of the style. */
  made: readonly string[];
}

/** From the top of the map down. */
export const LAYERS: readonly Layer[] = [
  { id: 'cases', made: ['cases', 'cases-ordinary', SELECTED_CASES, URGENT] },
  { id: 'organizations', made: [ORGANIZATIONS] },
  { id: 'facilities', made: ['facilities', SELECTED_FACILITIES] },
  { id: 'names', made: [...RANKS.slice(0, 3).map((rank) => `label-${rank}`), PLACED] },
  ...[3, 2, 1, 0].map((rank) => ({ id: `border_${rank}`, rank, made: [`border-${RANKS[rank]!}`] })),
  { id: 'buildings', made: [BUILDINGS, BUILDING_POINTS] },
  { id: 'land_other', made: ['land-other'] },
];

/** Shows all layers but those that are put away. */
export function switchLayers(map: Map, hide: readonly string[]): void {
  for (const { id, made } of LAYERS) {
    for (const layer of made) {
      if (!map.getLayer(layer)) continue;
      const wanted = hide.includes(id) ? 'none' : 'visible';
      if ((map.getLayoutProperty(layer, 'visibility') ?? 'visible') !== wanted) map.setLayoutProperty(layer, 'visibility', wanted);
    }
  }
}
