// Things of others on our map: points, lines and areas in one colour or one for each class, or pictures.
import type { DataDrivenPropertyValueSpecification, ExpressionSpecification, GeoJSONSource, LayerSpecification, Map } from 'maplibre-gl';
import type { ThematicLayer } from '../api';
import { colour } from '../colour';
import { dropSource, sourceOfTiles, THEMATIC } from './basemaps';

/** Versions of the GeoJSON that the map has. */
const drawn = new WeakMap<Map, Record<string, number>>();

/** The colour of a thing: its class's, or the layer's. */
export function colourOf(layer: Pick<ThematicLayer, 'class_field' | 'classes' | 'colour'>): DataDrivenPropertyValueSpecification<string> {
  const own = layer.classes.filter((one) => one.colour !== layer.colour);
  if (!layer.class_field || own.length === 0) return colour(`layer-${layer.colour}`);
  const pairs = own.flatMap(({ value, colour: name }) => [value, colour(`layer-${name}`)]);
  return ['match', ['to-string', ['get', layer.class_field]], ...pairs, colour(`layer-${layer.colour}`)] as unknown as ExpressionSpecification;
}

/** The layers of one source layer; GeoJSON has none of them named. */
function layersOf(layer: ThematicLayer, source: string, named: string | null, hasIcon: (name: string) => boolean, note: number): LayerSpecification[] {
  const of = { source, ...(named !== null && { 'source-layer': named }), minzoom: layer.minzoom, maxzoom: Math.min(24, layer.maxzoom + 1) };
  const id = named === null ? source : `${source}-${named}`;
  const ink = colourOf(layer);
  const is = (...kinds: string[]): ExpressionSpecification => ['in', ['geometry-type'], ['literal', kinds.flatMap((kind) => [kind, `Multi${kind}`])]];
  return [
    { ...of, id: `${id}-area`, type: 'fill', filter: is('Polygon'), paint: { 'fill-color': ink, 'fill-opacity': 0.2 } },
    { ...of, id: `${id}-line`, type: 'line', filter: is('Polygon', 'LineString'), layout: { 'line-join': 'round' }, paint: { 'line-color': ink, 'line-width': ['interpolate', ['linear'], ['zoom'], 9, 1, 15, 2.5] } },
    {
      ...of, id: `${id}-point`, type: 'symbol', filter: is('Point'),
      layout: {
        'icon-image': hasIcon(layer.icon) ? layer.icon : 'disc', 'icon-size': ['interpolate', ['linear'], ['zoom'], 8, 0.45, 13, 0.75], 'icon-allow-overlap': true,
        ...(layer.name_field && {
          'text-field': ['step', ['zoom'], '', 13.5, ['to-string', ['coalesce', ['get', layer.name_field], '']]], 'text-size': note, 'text-font': ['Noto Sans SC'],
          'text-anchor': 'top', 'text-offset': [0, 0.9], 'text-optional': true, 'text-max-width': 8,
        }),
      },
      paint: { 'icon-color': ink, 'icon-halo-color': colour('ground'), 'icon-halo-width': 2, 'text-color': colour('second'), 'text-halo-color': colour('ground'), 'text-halo-width': 2 },
    },
  ];
}

/** Draws these layers and no others. */
export function drawThematic(map: Map, layers: readonly ThematicLayer[], hasIcon: (name: string) => boolean, note: number): void {
  const versions = drawn.get(map) ?? {};
  drawn.set(map, versions);
  // What was not read yet has nothing to draw.
  const ready = layers.filter(({ tiles, version }) => tiles || version > 0);
  const wanted = new Set(ready.map(({ id }) => THEMATIC + id));
  for (const source of Object.keys(map.getStyle().sources)) if (source.startsWith(THEMATIC) && !wanted.has(source)) dropSource(map, source);
  for (const layer of ready) {
    const source = THEMATIC + layer.id;
    if (map.getSource(source)) {
      if (layer.features && versions[layer.id] !== layer.version) (map.getSource(source) as GeoJSONSource).setData(location.origin + layer.features);
      versions[layer.id] = layer.version;
      continue;
    }
    versions[layer.id] = layer.version;
    map.addSource(source, layer.tiles ? sourceOfTiles(layer.tiles) : { type: 'geojson', data: location.origin + layer.features! });
    if (layer.tiles?.kind === 'raster') {
      map.addLayer({ id: source, type: 'raster', source, minzoom: layer.minzoom, paint: { 'raster-opacity': 0.7, 'raster-fade-duration': 0 } }, 'border-grid');
      continue;
    }
    const made = (layer.tiles ? layer.tiles.vector_layers : [null]).flatMap((named) => layersOf(layer, source, named, hasIcon, note));
    // Areas under every border, lines under every mark, points under the cases.
    for (const one of made) map.addLayer(one, one.type === 'symbol' ? 'cases-ordinary' : one.type === 'line' ? 'facilities' : 'border-grid');
  }
}
