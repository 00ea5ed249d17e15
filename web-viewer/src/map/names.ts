// Where the names of the upper regions stand. An archipelago has little land to write on: a name stands beside its own land, on no mark
// that presses, on no other's land, and on no other name. Chosen anew when the map has come to rest.
import type { GeoJSONSource, Map as MapLibre, MapGeoJSONFeature } from 'maplibre-gl';
import { PADDING } from './padding';

type Point = readonly [x: number, y: number];
interface Box { left: number; top: number; right: number; bottom: number }

/** What a name competes for, in px of the map. */
export interface Named { code: string; text: string; anchor: Point; land: readonly Point[] }
export interface Crowd { pressing: readonly Point[]; ordinary: readonly Point[]; width: number; height: number }
export interface Placed { code: string; at: Point }

/** What it costs to cover something, against being a pixel farther from the middle of one's land. Guesses, looked at. */
const COST = { name: 4000, edge: 2000, pressing: 240, ordinary: 24, foreign: 40, own: 3, nearer: 400, distance: 1 };
/** Half of a mark, and room between a name and its land, in px. */
const MARK = 9, ROOM = 5;
/** Of a coast so many points are tried. */
const TRIED = 120, LAND = 600;

const boxAt = ([x, y]: Point, width: number, height: number): Box => ({ left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 });
const holds = ({ left, top, right, bottom }: Box, [x, y]: Point, more = 0) => x > left - more && x < right + more && y > top - more && y < bottom + more;
const meets = (a: Box, b: Box) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const away = ([x, y]: Point, [a, b]: Point) => Math.hypot(x - a, y - b);
const every = <T>(items: readonly T[], most: number): readonly T[] => items.filter((_, n) => n % Math.ceil(items.length / most) === 0);

/** A place for each name, the most land first. `size`: of the letters, in px. */
export function place(names: readonly Named[], crowd: Crowd, size: number): Placed[] {
  const taken: Box[] = [], placed: Placed[] = [];
  const lands = new Map(names.map(({ code, land }) => [code, every(land, LAND)]));
  for (const { code, text, anchor, land } of [...names].sort((a, b) => b.land.length - a.land.length || (a.code < b.code ? -1 : 1))) {
    const width = text.length * size + 6, height = size * 1.3;
    // Close to the coast, and one name's height or width farther out.
    const beside = every(land, TRIED).flatMap(([x, y]) => [0, 1].flatMap((out): Point[] => {
      const [dx, dy] = [width * (out + 0.5) + ROOM, height * (out + 0.5) + ROOM];
      return [[x, y - dy], [x, y + dy], [x - dx, y], [x + dx, y]];
    }));
    const others = [...lands].filter(([other]) => other !== code).flatMap(([, points]) => points);
    const cost = (at: Point) => {
      const box = boxAt(at, width, height);
      const count = (points: readonly Point[], more = 0) => points.reduce((sum, point) => sum + (holds(box, point, more) ? 1 : 0), 0);
      const nearest = (points: readonly Point[]) => points.reduce((least, point) => Math.min(least, away(at, point)), Infinity);
      const outside = box.left < PADDING.left / 2 || box.right > crowd.width || box.top < PADDING.top / 2 || box.bottom > crowd.height - PADDING.bottom / 2;
      return taken.filter((other) => meets(box, other)).length * COST.name + (outside ? COST.edge : 0)
        + count(crowd.pressing, MARK) * COST.pressing + count(crowd.ordinary, MARK / 3) * COST.ordinary
        + count(others) * COST.foreign + count(lands.get(code)!) * COST.own
        + (nearest(others) < nearest(lands.get(code)!) ? COST.nearer : 0) + away(at, anchor) * COST.distance;
    };
    let best = anchor, least = cost(anchor);
    for (const at of beside) {
      const its = cost(at);
      if (its < least) [best, least] = [at, its];
    }
    taken.push(boxAt(best, width, height));
    placed.push({ code, at: best });
  }
  return placed;
}

const STYLE_LAYER = 'label-county', BORDER = 'border-county';
export const PLACED = 'label-placed';
const NOTHING: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] };

/** Takes the place of the style's layer of names, where there is one. */
export function addNames(map: MapLibre): void {
  const plain = map.getStyle().layers.find((layer) => layer.id === STYLE_LAYER);
  if (plain?.type !== 'symbol' || !map.getLayer(BORDER)) return;
  map.addSource(PLACED, { type: 'geojson', data: NOTHING });
  const { 'source-layer': _, filter: __, layout, ...own } = plain;
  map.addLayer({
    ...own, id: PLACED, source: PLACED,
    layout: { 'text-field': ['get', 'name'], 'text-font': layout!['text-font']!, 'text-size': layout!['text-size']!, 'text-allow-overlap': true, 'text-ignore-placement': true },
  }, STYLE_LAYER);
  map.setLayoutProperty(STYLE_LAYER, 'visibility', 'none');
  let done = '';
  map.on('idle', () => {
    const camera = [...map.getCenter().toArray(), map.getZoom(), map.getContainer().clientWidth, map.getContainer().clientHeight].join();
    const labels = map.querySourceFeatures('boundaries', { sourceLayer: 'labels', filter: map.getFilter(STYLE_LAYER)! });
    const key = `${camera} ${labels.length}`;
    if (key === done || map.getZoom() >= (plain.maxzoom ?? 24)) return;
    done = key;
    (map.getSource(PLACED) as GeoJSONSource).setData(collected(map, labels));
  });
}

/** Where the names stand on the map as it is now. */
function collected(map: MapLibre, labels: readonly GeoJSON.Feature[]): GeoJSON.FeatureCollection {
  const pixel = (at: GeoJSON.Position): Point => { const { x, y } = map.project(at as [number, number]); return [x, y]; };
  const { clientWidth: width, clientHeight: height } = map.getContainer();
  const seen = (point: Point) => point[0] >= 0 && point[1] >= 0 && point[0] <= width && point[1] <= height;
  const land = new Map<string, Point[]>();
  for (const { geometry, properties } of map.queryRenderedFeatures({ layers: [BORDER] })) {
    const code = String(properties['code']);
    land.set(code, [...land.get(code) ?? [], ...pointsOf(geometry).map(pixel).filter(seen)]);
  }
  const names = new Map<string, Named>();
  for (const { geometry, properties } of labels) {
    const code = String(properties!['code']), own = land.get(code);
    if (geometry.type !== 'Point' || !own || own.length === 0 || names.has(code)) continue;
    names.set(code, { code, text: String(properties!['name'] ?? ''), anchor: pixel(geometry.coordinates), land: own });
  }
  const marks = (layers: string[]) => map.queryRenderedFeatures({ layers: layers.filter((id) => map.getLayer(id)) }).flatMap((mark: MapGeoJSONFeature) => pointsOf(mark.geometry).map(pixel));
  const crowd = { width, height, pressing: marks(['cases', 'urgent-cases']), ordinary: marks(['cases-ordinary']) };
  const size = map.getZoom() < 8.5 ? 17 : 20;
  return {
    type: 'FeatureCollection',
    features: place([...names.values()], crowd, size).map(({ code, at }) => ({
      type: 'Feature', properties: { code, name: names.get(code)!.text }, geometry: { type: 'Point', coordinates: map.unproject([at[0], at[1]]).toArray() },
    })),
  };
}

function pointsOf(geometry: GeoJSON.Geometry): GeoJSON.Position[] {
  if (geometry.type === 'Point') return [geometry.coordinates];
  if (geometry.type === 'LineString' || geometry.type === 'MultiPoint') return geometry.coordinates;
  if (geometry.type === 'Polygon' || geometry.type === 'MultiLineString') return geometry.coordinates.flat();
  return geometry.type === 'MultiPolygon' ? geometry.coordinates.flat(2) : [];
}
