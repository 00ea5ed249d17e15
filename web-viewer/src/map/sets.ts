// Grids of other sets (police, business …), drawn over the hierarchy's as double lines with their names. Off until a person asks for them.
import type { Map } from 'maplibre-gl';
import { colour } from '../colour';
import { withQuery } from '../api';

/** The source of a set's tiles. */
export const setSource = (set: string) => `set-${set}`;

const layersOf = (set: string) => [`${setSource(set)}-line`, `${setSource(set)}-name`];

export function setUrl(set: string, at: string | null): string {
  return withQuery('/tiles/grids,labels', { set, at });
}

/** Draws the sets that are wanted, of those that there are, and takes the others away. `note`: the size of names. */
export function drawSets(map: Map, wanted: readonly string[], known: readonly string[], at: string | null, note: number): void {
  for (const set of known) {
    const source = setSource(set), [line, name] = layersOf(set) as [string, string];
    // Boundaries of another date are other tiles.
    const url = location.origin + setUrl(set, at);
    const drawn = map.getSource(source);
    if (drawn && (!wanted.includes(set) || drawn.serialize().url !== url)) {
      map.removeLayer(name);
      map.removeLayer(line);
      map.removeSource(source);
    }
    if (!wanted.includes(set) || map.getSource(source)) continue;
    map.addSource(source, { type: 'vector', url, promoteId: 'code' });
    const above = map.getLayer('cases') ? 'cases' : undefined;
    map.addLayer({
      id: line, type: 'line', source, 'source-layer': 'grids', layout: { 'line-join': 'round' },
      paint: { 'line-color': colour('second'), 'line-width': 1, 'line-gap-width': 2 },
    }, above);
    map.addLayer({
      id: name, type: 'symbol', source, 'source-layer': 'labels',
      layout: { 'text-field': ['get', 'name'], 'text-size': note, 'text-font': ['Noto Sans SC'], 'text-max-width': 8 },
      paint: { 'text-color': colour('text'), 'text-halo-color': colour('ground'), 'text-halo-width': 2 },
    }, above);
  }
}
