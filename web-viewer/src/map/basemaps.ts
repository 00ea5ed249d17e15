// The map that lies under ours: pictures or vector tiles of others, dimmed so that our own marks and borders are read first.
import type { LayerSpecification, Map, RasterLayerSpecification } from 'maplibre-gl';
import type { Basemap, OtherTiles } from '../api';
import { colour } from '../colour';
import type { Theme } from '../route';

/** Sources and layers of others begin with these. */
export const BASE = 'base-', THEMATIC = 'layer-';

/** Pictures are drawn quietly. In the dark a drawn map is turned round, light to dark with the hues kept; photographs are dimmed. */
export function tone(theme: Theme, imagery: boolean): NonNullable<RasterLayerSpecification['paint']> {
  if (theme === 'dark' && !imagery) return { 'raster-brightness-min': 0.42, 'raster-brightness-max': 0.07, 'raster-hue-rotate': 180, 'raster-saturation': -0.55, 'raster-fade-duration': 0 };
  if (theme === 'dark') return { 'raster-brightness-max': 0.55, 'raster-saturation': -0.4, 'raster-fade-duration': 0 };
  return { 'raster-brightness-min': theme === 'print' ? 0.3 : 0.12, 'raster-saturation': -0.45, 'raster-fade-duration': 0 };
}

/** What a layer of vector tiles holds, by its name in the schemas in use (Protomaps, OpenMapTiles, Shortbread). Borders, places and names of
    others are not drawn: those of the city are its own. The first that fits counts. */
const ROLES: readonly (readonly [RegExp, string])[] = [
  [/transportation_name|street_labels/, 'names'],
  [/bound|border|admin|place|poi|label|name|number|address|peak/, ''],
  [/water|ocean|river|lake/, 'water'],
  [/building/, 'building'],
  [/road|street|transport|highway|path|rail|bridge|ferr/, 'road'],
  [/^(earth|land|continent)$/, 'land'],
  [/park|land|natural|forest|green|site/, 'green'],
];

export function roleOf(layer: string): string {
  return ROLES.find(([name]) => name.test(layer))?.[1] ?? 'road';
}

const IS_AREA: ['in', ['geometry-type'], ['literal', string[]]] = ['in', ['geometry-type'], ['literal', ['Polygon', 'MultiPolygon']]];

/** Layers for vector tiles. `note`: the size of names. */
export function vectorLayers(source: string, names: readonly string[], note: number): LayerSpecification[] {
  const layers: LayerSpecification[] = [];
  // Land below water below roads below houses, whatever the order of the file.
  for (const role of ['land', 'green', 'water', 'road', 'building', 'names']) {
    for (const name of names.filter((layer) => roleOf(layer) === role)) {
      const of = { source, 'source-layer': name };
      const fill = (token: string, opacity = 1): void => {
        layers.push({ ...of, id: `${source}-${name}-fill`, type: 'fill', filter: IS_AREA, paint: { 'fill-color': colour(token), 'fill-opacity': opacity, 'fill-antialias': false } });
      };
      const line = (token: string, width: number): void => {
        layers.push({
          ...of, id: `${source}-${name}-line`, type: 'line', filter: ['!', IS_AREA], layout: { 'line-join': 'round', 'line-cap': 'round' },
          paint: { 'line-color': colour(token), 'line-width': ['interpolate', ['exponential', 1.6], ['zoom'], 8, width / 4, 17, width * 3] },
        });
      };
      if (role === 'land') fill('land');
      if (role === 'green') fill('class-none', 0.7);
      if (role === 'water') { fill('sea'); line('sea', 1.5); }
      if (role === 'building') fill('border-grid', 0.6);
      if (role === 'road') line('border-community', 1);
      if (role === 'road' || role === 'names') {
        layers.push({
          ...of, id: `${source}-${name}-name`, type: 'symbol', minzoom: 14.5, filter: ['!', IS_AREA],
          layout: { 'symbol-placement': 'line', 'text-field': ['coalesce', ['get', 'name:zh'], ['get', 'name'], ''], 'text-size': note, 'text-font': ['Noto Sans SC'] },
          paint: { 'text-color': colour('third'), 'text-halo-color': colour('ground'), 'text-halo-width': 1.5 },
        });
      }
    }
  }
  return layers;
}

/** A source of tiles of others. */
export function sourceOfTiles(tiles: OtherTiles) {
  const { kind, minzoom, maxzoom, bounds, tile_size } = tiles;
  const of = { tiles: [location.origin + tiles.tiles], minzoom, maxzoom, ...(bounds && { bounds }) };
  return kind === 'vector' ? { ...of, type: 'vector' as const } : { ...of, type: 'raster' as const, tileSize: tile_size };
}

/** Takes away what was added under a source's name. */
export function dropSource(map: Map, source: string): void {
  for (const { id, ...layer } of map.getStyle().layers) if ('source' in layer && layer.source === source) map.removeLayer(id);
  if (map.getSource(source)) map.removeSource(source);
}

/** Lays a map under ours, and takes away the one before; null: none. */
export function drawBasemap(map: Map, basemap: Basemap | null, theme: Theme, note: number): void {
  const wanted = new Set(basemap?.parts.map((_, n) => `${BASE}${basemap.id}-${n}`));
  for (const source of Object.keys(map.getStyle().sources)) if (source.startsWith(BASE) && !wanted.has(source)) dropSource(map, source);
  basemap?.parts.forEach((part, n) => {
    const source = `${BASE}${basemap.id}-${n}`;
    if (map.getSource(source)) return;
    map.addSource(source, sourceOfTiles(part));
    const layers: LayerSpecification[] = part.kind === 'vector' ? vectorLayers(source, part.vector_layers, note) : [{ id: source, type: 'raster', source, paint: tone(theme, basemap.imagery) }];
    // Over plain land, under the colours of a measure and every border.
    for (const layer of layers) map.addLayer(layer, 'classes');
  });
}
