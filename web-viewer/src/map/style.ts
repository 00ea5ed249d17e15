// The program's style, fitted to this city: absolute addresses, its own levels, the boundaries of a date.
import type { LayerSpecification, StyleSpecification } from 'maplibre-gl';

export interface City {
  /** Levels of the code scheme from the top down; the last is that of the grids. */
  levels: readonly string[];
  /** Component category → icon. */
  icons: ReadonlyMap<string, string>;
  /** Where the server is, e.g. `http://127.0.0.1:8080`. */
  origin: string;
  at: string | null;
  /** GeoJSON of land that belongs to others. */
  background: string | null;
  /** Its colour. */
  landOther: string;
}

export function boundariesUrl(at: string | null): string {
  return at ? `/tiles/regions,grids,labels?at=${at}` : '/tiles/regions,grids,labels';
}

/** Layers are written for the scheme `cn` and tell by `rank` how many levels above the grids they mean. */
export function fit(style: StyleSpecification, city: City): StyleSpecification {
  const absolute = (url: string) => (url.startsWith('/') ? city.origin + url : url);
  const layers = style.layers.flatMap((layer): LayerSpecification[] => {
    const rank = (layer.metadata as { rank?: number } | undefined)?.rank;
    if (layer.id === 'facilities' && layer.type === 'symbol') {
      return [{ ...layer, layout: { ...layer.layout, 'icon-image': iconOf(city.icons) } }];
    }
    if (rank === undefined) return [layer];
    const level = city.levels.at(-1 - rank);
    return level === undefined ? [] : [{ ...layer, filter: ['==', ['get', 'level'], level] } as LayerSpecification];
  });
  const sources = Object.fromEntries(Object.entries(style.sources).map(([id, source]) => {
    if (source.type !== 'vector') return [id, source];
    return [id, { ...source, url: absolute(id === 'boundaries' ? boundariesUrl(city.at) : source.url!) }];
  }));
  if (city.background) {
    sources['background'] = { type: 'geojson', data: absolute(city.background) };
    layers.splice(1, 0, { id: 'land-other', type: 'fill', source: 'background', paint: { 'fill-color': city.landOther } });
  }
  return { ...style, sprite: absolute(style.sprite as string), sources, layers };
}

/** The icon of a facility by its category. */
export function iconOf(icons: ReadonlyMap<string, string>): any {
  return icons.size === 0 ? 'component' : ['match', ['get', 'category'], ...[...icons].flat(), 'component'];
}
