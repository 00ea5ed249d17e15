// What a person picks on the map: a lasso, a circle, a corridor, or the surroundings of a point. In the address as numbers:
// lasso,lon,lat,… · circle,lon,lat,radius · corridor,width,lon,lat,… · near,lon,lat. Metres, and degrees with longitude first.
import type { Position } from './api';

export type Area =
  | { kind: 'lasso'; ring: Position[] }
  | { kind: 'circle'; centre: Position; radius_m: number }
  | { kind: 'corridor'; line: Position[]; width_m: number }
  | { kind: 'near'; at: Position };

/** A drawn line keeps at most so many points: an address must stay short enough for every server and proxy. */
export const MOST_POINTS = 60;
/** Digits of a degree: 0.1 m. */
const DIGITS = 6;
/** The largest radius, and the widest corridor, that a server takes. */
export const MOST_RADIUS_M = 50_000, MOST_WIDTH_M = 10_000;

const pairs = (numbers: number[]): Position[] => Array.from({ length: numbers.length / 2 }, (_, n) => [numbers[2 * n]!, numbers[2 * n + 1]!]);
const onEarth = ([lon, lat]: Position) => Math.abs(lon) <= 180 && Math.abs(lat) <= 90;
const sized = (metres: number, most: number) => metres > 0 && metres <= most;

export function areaText(area: Area): string {
  const degrees = (at: Position) => at.map((of) => Number(of.toFixed(DIGITS)));
  if (area.kind === 'near') return ['near', ...degrees(area.at)].join();
  if (area.kind === 'circle') return ['circle', ...degrees(area.centre), Math.round(area.radius_m)].join();
  if (area.kind === 'corridor') return ['corridor', Math.round(area.width_m), ...area.line.flatMap(degrees)].join();
  return ['lasso', ...area.ring.flatMap(degrees)].join();
}

/** null: no area, or none that can be drawn. */
export function parseArea(text: string | null): Area | null {
  const [kind, ...rest] = (text ?? '').split(',');
  const numbers = rest.map(Number);
  if (rest.some((given) => given.trim() === '') || !numbers.every(Number.isFinite) || rest.length > 2 * MOST_POINTS + 1) return null;
  const drawn = (given: number[], least: number) => {
    const points = given.length % 2 === 0 ? pairs(given) : [];
    return points.length >= least && points.every(onEarth) ? points : null;
  };
  if (kind === 'near' || kind === 'circle') {
    const at = drawn(numbers.slice(0, 2), 1)?.[0];
    if (!at) return null;
    if (kind === 'near') return numbers.length === 2 ? { kind, at } : null;
    return numbers.length === 3 && sized(numbers[2]!, MOST_RADIUS_M) ? { kind, centre: at, radius_m: numbers[2]! } : null;
  }
  if (kind === 'corridor') {
    const line = drawn(numbers.slice(1), 2);
    return line && sized(numbers[0]!, MOST_WIDTH_M) ? { kind, width_m: numbers[0]!, line } : null;
  }
  const ring = kind === 'lasso' ? drawn(numbers, 3) : null;
  return ring && { kind: 'lasso', ring };
}

/** The body of POST /select. */
export function areaBody(area: Exclude<Area, { kind: 'near' }>): GeoJSON.Polygon | { circle: unknown } | { corridor: unknown } {
  if (area.kind === 'circle') return { circle: { centre: area.centre, radius_m: area.radius_m } };
  if (area.kind === 'corridor') return { corridor: { line: area.line, distance_m: area.width_m / 2 } };
  return { type: 'Polygon', coordinates: [[...area.ring, area.ring[0]!]] };
}

const RADIUS_M = 6_371_008.8;
const rad = Math.PI / 180;

/** Metres between two positions on a sphere: for drawing only, what is counted the server measures. */
export function metres([lon1, lat1]: Position, [lon2, lat2]: Position): number {
  const h = Math.sin(((lat2 - lat1) * rad) / 2) ** 2 + Math.cos(lat1 * rad) * Math.cos(lat2 * rad) * Math.sin(((lon2 - lon1) * rad) / 2) ** 2;
  return 2 * RADIUS_M * Math.asin(Math.sqrt(h));
}

/** A position so many metres east and north of another, near it. */
function offset([lon, lat]: Position, east: number, north: number): Position {
  return [lon + east / (RADIUS_M * rad * Math.cos(lat * rad)), lat + north / (RADIUS_M * rad)];
}

const CIRCLE_POINTS = 72;

/** The area as it is drawn. */
export function areaShape(area: Area): GeoJSON.Feature<GeoJSON.Polygon | GeoJSON.MultiPolygon | GeoJSON.Point> {
  const feature = <T extends GeoJSON.Geometry>(geometry: T) => ({ type: 'Feature' as const, properties: {}, geometry });
  if (area.kind === 'near') return feature({ type: 'Point' as const, coordinates: area.at });
  if (area.kind === 'circle') return feature({ type: 'Polygon' as const, coordinates: [round(area.centre, area.radius_m)] });
  if (area.kind === 'lasso') return feature({ type: 'Polygon' as const, coordinates: [[...area.ring, area.ring[0]!]] });
  // A corridor is everything within half its width of the line: a box along each piece and a disc at each point.
  const half = area.width_m / 2;
  const boxes = area.line.slice(1).map((to, n) => {
    const from = area.line[n]!;
    const east = (to[0] - from[0]) * Math.cos(from[1] * rad), north = to[1] - from[1];
    const long = Math.hypot(east, north) || 1;
    const [dx, dy] = [(-north / long) * half, (east / long) * half];
    return [[offset(from, dx, dy), offset(to, dx, dy), offset(to, -dx, -dy), offset(from, -dx, -dy), offset(from, dx, dy)]];
  });
  return feature({ type: 'MultiPolygon' as const, coordinates: [...boxes, ...area.line.map((at) => [round(at, half)])] });
}

function round(centre: Position, radius: number): Position[] {
  return Array.from({ length: CIRCLE_POINTS + 1 }, (_, n) => {
    const turn = ((n % CIRCLE_POINTS) / CIRCLE_POINTS) * 2 * Math.PI;
    return offset(centre, radius * Math.cos(turn), radius * Math.sin(turn));
  });
}

/** A line drawn by hand with at most `most` points: those that matter least are left out first (Visvalingam and Whyatt). */
export function thinned(line: readonly Position[], most = MOST_POINTS): Position[] {
  const left = [...line];
  const weight = (n: number) => {
    const [a, b, c] = [left[n - 1]!, left[n]!, left[n + 1]!];
    return Math.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]));
  };
  while (left.length > most) {
    let least = 1;
    for (let n = 2; n < left.length - 1; n++) if (weight(n) < weight(least)) least = n;
    left.splice(least, 1);
  }
  return left;
}
