// The program's style, fitted to this city: absolute addresses, its own levels, the boundaries of a date.
import type { DataDrivenPropertyValueSpecification, ExpressionSpecification, LayerSpecification, StyleSpecification } from 'maplibre-gl';

export interface City {
  /** Levels of the code scheme from the top down; the last is that of the grids. */
  levels: readonly { name: string; minzoom?: number | null }[];
  /** Component category → icon. */
  icons: ReadonlyMap<string, string>;
  /** Where the server is, e.g. `http://127.0.0.1:8080`. */
  origin: string;
  at: string | null;
  /** GeoJSON of land that belongs to others. */
  background: string | null;
  /** Its colour. */
  landOther: string;
  /** Size of the smallest names. */
  note: number;
}

export function boundariesUrl(at: string | null): string {
  return at ? `/tiles/regions,grids,labels?at=${at}` : '/tiles/regions,grids,labels';
}

/** First zooms of the scheme `cn`, from the grids up. */
const CN_ZOOMS = [11, 10, 8, 5, 0, 0];

/** Layers are written for the scheme `cn` and tell by `rank` how many levels above the grids they mean. Another scheme's levels begin at
    zooms of their own: its layers move by the difference. */
export function fit(style: StyleSpecification, city: City): StyleSpecification {
  const absolute = (url: string) => (url.startsWith('/') ? city.origin + url : url);
  const layers = style.layers.map((layer) => grown(layer, city.note)).flatMap((layer): LayerSpecification[] => {
    const rank = (layer.metadata as { rank?: number } | undefined)?.rank;
    if (layer.id === 'facilities' && layer.type === 'symbol') {
      return [{ ...layer, layout: { ...layer.layout, 'icon-image': iconOf(city.icons) } }];
    }
    // Where there are no regions the grids are the land.
    if (layer.id === 'land' && layer.type === 'fill' && city.levels.length === 1) return [{ ...layer, 'source-layer': 'grids' }];
    if (rank === undefined) return [layer];
    const level = city.levels.at(-1 - rank);
    if (level === undefined) return [];
    const moved = (zoom: number) => Math.max(0, zoom + (level.minzoom ?? CN_ZOOMS[rank]!) - CN_ZOOMS[rank]!);
    const fitted = { ...layer, minzoom: moved(layer.minzoom ?? 0), maxzoom: Math.min(24, moved(layer.maxzoom ?? 24)) } as LayerSpecification;
    return ['source-layer' in fitted && fitted['source-layer'] === 'grids' ? fitted : { ...fitted, filter: ['==', ['get', 'level'], level.name] } as LayerSpecification];
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

/** A layer whose names are at least so large. */
function grown(layer: LayerSpecification, least: number): LayerSpecification {
  if (layer.type !== 'symbol' || typeof layer.layout?.['text-size'] !== 'number') return layer;
  return { ...layer, layout: { ...layer.layout, 'text-size': Math.max(least, layer.layout['text-size']) } };
}

/** The icon of a facility by its category. */
export function iconOf(icons: ReadonlyMap<string, string>): DataDrivenPropertyValueSpecification<string> {
  return icons.size === 0 ? 'component' : ['match', ['get', 'category'], ...[...icons].flat(), 'component'] as unknown as ExpressionSpecification;
}
