// What is selected stands out: everything outside recedes, land under a veil, marks and names by themselves, so that none is cut by a
// border; its own border is drawn in white, its facilities as icons.
import type { ExpressionSpecification, GeoJSONSource, LayerSpecification, LineLayerSpecification, Map } from 'maplibre-gl';
import type { Case, Facility, Position } from '../api';
import { colour } from '../colour';
import { PLACED } from './names';
import { iconOf } from './style';

export type Outline = GeoJSON.Feature<GeoJSON.Polygon | GeoJSON.MultiPolygon>;
const NOTHING: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] };
const WORLD: GeoJSON.Position[] = [[-180, -85], [180, -85], [180, 85], [-180, 85], [-180, -85]];

export const SELECTED_FACILITIES = 'selected-facilities';
export const SELECTED_CASES = 'selected-cases';
export const URGENT = 'urgent-cases';
const SPOT = 'spot';

/** Adds the layers, empty. `icons`: component category → icon. */
export function addSpotlight(map: Map, icons: ReadonlyMap<string, string>): void {
  for (const id of ['veil', 'selected-outline', SELECTED_FACILITIES, SELECTED_CASES, URGENT, SPOT]) {
    map.addSource(id, { type: 'geojson', data: NOTHING, tolerance: 0.1 });
  }
  const under = 'cases-ordinary';
  map.addLayer({ id: 'veil', type: 'fill', source: 'veil', paint: { 'fill-color': colour('ground'), 'fill-opacity': ['get', 'opacity'], 'fill-antialias': false } }, under);
  const line = (id: string, paint: LineLayerSpecification['paint']) => map.addLayer({
    id, type: 'line', source: 'selected-outline', layout: { 'line-join': 'round' }, paint: paint!,
  }, under);
  // A grid is a selection; a region is only where one is: its border stays quiet.
  const isGrid = ['get', 'grid'] as unknown as ExpressionSpecification;
  line('selected-ground', { 'line-color': colour('ground'), 'line-width': ['case', isGrid, 5, 3] });
  line('selected-outline', { 'line-color': ['case', isGrid, colour('white'), colour('second')], 'line-width': ['case', isGrid, 3, 1.25] });
  map.addLayer({
    id: SELECTED_FACILITIES, type: 'symbol', source: SELECTED_FACILITIES,
    layout: { 'icon-image': iconOf(icons), 'icon-size': 0.9, 'icon-allow-overlap': true },
    paint: { 'icon-color': colour('text'), 'icon-halo-color': colour('ground'), 'icon-halo-width': 2 },
  }, 'cases');
  map.addLayer({
    id: URGENT, type: 'symbol', source: URGENT,
    layout: { 'icon-image': 'case-urgent', 'icon-size': ['interpolate', ['linear'], ['zoom'], 7, 0.55, 8, 0.7, 13, 0.95], 'icon-allow-overlap': true },
    paint: { 'icon-color': colour('text'), 'icon-halo-color': colour('ground'), 'icon-halo-width': 2 },
    // Over facilities, under the marks that press: no ring cuts another's mark.
  }, 'cases');
  map.addLayer({
    id: SPOT, type: 'symbol', source: SPOT, layout: { 'icon-image': 'spot', 'icon-size': 1.4, 'icon-allow-overlap': true },
    paint: { 'icon-color': colour('white'), 'icon-halo-color': colour('ground'), 'icon-halo-width': 2 },
  });
  const marks = map.getStyle().layers.find((layer) => layer.id === 'cases');
  if (marks?.type === 'symbol') {
    const { 'source-layer': _, filter: __, ...own } = marks;
    map.addLayer({ ...own, id: SELECTED_CASES, source: SELECTED_CASES } as LayerSpecification);
  }
}

const set = (map: Map, source: string, data: GeoJSON.GeoJSON) => (map.getSource(source) as GeoJSONSource).setData(data);

/** The world without an outline: its outer rings become holes, and its holes are covered again. */
export function outsideOf({ geometry }: Outline): GeoJSON.MultiPolygon {
  const parts = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
  const coordinates = [[WORLD, ...parts.map(([outer]) => outer!)], ...parts.flatMap(([, ...holes]) => holes.map((hole) => [hole]))];
  return { type: 'MultiPolygon', coordinates };
}

/** How much of the ground lies over what is not selected. */
const VEIL = { grid: 0.62, region: 0.5 };

/** Draws the border of what is selected and dims the rest; `null` takes both away. */
export function spotlight(map: Map, outline: Outline | null, kind: 'grid' | 'region' = 'region'): void {
  set(map, 'veil', outline ? { type: 'Feature', properties: { opacity: VEIL[kind] }, geometry: outsideOf(outline) } : NOTHING);
  const inside = outline ? ['case', ['within', outline.geometry], 1, OUTSIDE] as unknown as ExpressionSpecification : 1;
  for (const layer of LABELS) if (map.getLayer(layer)) map.setPaintProperty(layer, 'text-opacity', inside, { validate: false });
  set(map, 'selected-outline', outline ? { ...outline, properties: { grid: kind === 'grid' } } : NOTHING);
}

/** How strong a name or a mark outside is. */
const OUTSIDE = 0.32;
const LABELS = ['label-grid', 'label-community', 'label-township', PLACED];

/** The cases that are meant: all others recede. `null`: all are. */
export function light(map: Map, meant: readonly Case[] | null): void {
  const ids = meant?.map((shown) => shown.id) ?? [];
  const opacity = meant === null ? 1 : ids.length === 0 ? OUTSIDE : ['match', ['id'], ids, 1, OUTSIDE] as unknown as ExpressionSpecification;
  for (const layer of ['cases', 'cases-ordinary']) map.setPaintProperty(layer, 'icon-opacity', opacity);
}

export function drawFacilities(map: Map, facilities: readonly Facility[]): void {
  set(map, SELECTED_FACILITIES, collection(facilities.map((facility) => [facility.position, facility.id, { category: facility.category }])));
}

/** Case marks, with the fields that case tiles have. */
export function drawCases(map: Map, cases: readonly Case[]): void {
  const located = cases.filter((shown) => shown.position);
  set(map, SELECTED_CASES, collection(located.map((shown) => [shown.position!, shown.id, {
    state: shown.state, overdue: shown.overdue, ...(shown.due_at && { due_at: Math.floor(Date.parse(shown.due_at) / 1000) }),
  }])));
}

/** A second outline around urgent cases: not another colour. */
export function drawUrgent(map: Map, cases: readonly Case[]): void {
  set(map, URGENT, collection(cases.filter((shown) => shown.urgent && shown.position).map((shown) => [shown.position!, shown.id, {}])));
}

/** A cross at a place that was searched for. */
export function drawSpot(map: Map, at: Position | null): void {
  set(map, SPOT, collection(at ? [[at, 1, {}]] : []));
}

function collection(points: [GeoJSON.Position, number, Record<string, unknown>][]): GeoJSON.FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: points.map(([coordinates, id, properties]) => ({ type: 'Feature', id, properties, geometry: { type: 'Point', coordinates } })),
  };
}
