// Tiles of others that do not come: said on the map, and asked for again. A tile that is refused may mean that the session has ended.
// Everything else that goes wrong is told in the console as ever.
import type { GeoJSONSource, Map } from 'maplibre-gl';
import { troubled } from '../state';
import { doubt } from '../who';
import { BASE, THEMATIC } from './basemaps';

/** How often tiles that did not come are asked for again. */
const AGAIN_MS = 15_000;

export function watchTrouble(map: Map): void {
  const ofOthers = (source: string | undefined): source is string => !!source && (source.startsWith(BASE) || source.startsWith(THEMATIC));
  map.on('error', (event) => {
    const { sourceId } = event as { sourceId?: string };
    if ((event.error as { status?: number }).status === 401) void doubt();
    else if (!ofOthers(sourceId)) console.error(event.error);
    else if (!troubled.value.has(sourceId)) troubled.value = new Set([...troubled.value, sourceId]);
  });
  map.on('sourcedata', (event) => {
    const { sourceId, tile } = event as { sourceId?: string; tile?: { state: string } };
    if (ofOthers(sourceId) && tile?.state === 'loaded' && troubled.value.has(sourceId)) troubled.value = new Set([...troubled.value].filter((one) => one !== sourceId));
  });
  setInterval(() => {
    for (const source of troubled.value) {
      const known = map.getStyle().sources[source];
      // GeoJSON is one file that its tiles are cut from here.
      if (known?.type === 'geojson') (map.getSource(source) as GeoJSONSource).setData(known.data);
      else if (known) map.refreshTiles(source);
      else troubled.value = new Set([...troubled.value].filter((one) => one !== source));
    }
  }, AGAIN_MS);
}
