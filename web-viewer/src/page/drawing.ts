// A grid and what is around it as a drawing in millimetres of paper: sharp in print and small on a phone, where no map library is needed.
import type { Position } from '../api';

export type Shape = GeoJSON.Polygon | GeoJSON.MultiPolygon;
export interface Paper { width: number; height: number; margin: number }

/** How positions become millimetres. North is up; near one grid the Earth is flat. */
export interface Projection { to: (at: GeoJSON.Position) => [x: number, y: number]; metresPerMm: number }

const METRES_PER_DEGREE = 111_320;

const rings = (shape: Shape) => (shape.type === 'Polygon' ? shape.coordinates : shape.coordinates.flat());

/** Fits a shape into the paper within its margin. */
export function project(shape: Shape, { width, height, margin }: Paper): Projection {
  const points = rings(shape).flat();
  const [lons, lats] = [points.map(([lon]) => lon!), points.map(([, lat]) => lat!)];
  const [west, south, east, north] = [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
  const across = METRES_PER_DEGREE * Math.cos((((south + north) / 2) * Math.PI) / 180);
  const metresPerMm = Math.max(((east - west) * across) / (width - 2 * margin), ((north - south) * METRES_PER_DEGREE) / (height - 2 * margin), 0.01);
  const [lon0, lat0] = [(west + east) / 2, (south + north) / 2];
  return {
    metresPerMm,
    to: ([lon, lat]) => [width / 2 + ((lon! - lon0) * across) / metresPerMm, height / 2 - ((lat! - lat0) * METRES_PER_DEGREE) / metresPerMm],
  };
}

/** A shape as the `d` of a path, to a hundredth of a millimetre. */
export function pathOf(shape: Shape, { to }: Projection): string {
  return rings(shape).map((ring) => `M${ring.slice(0, -1).map((at) => to(at).map((of) => Number(of.toFixed(2))).join(' ')).join('L')}Z`).join('');
}

/** A length for the scale bar: 1, 2 or 5 times a power of ten, in metres, at most so many millimetres long. */
export function scaleBar(metresPerMm: number, mostMm: number): number {
  const most = metresPerMm * mostMm;
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((times) => times * power).find((length) => length <= most)!;
}

/** Whether a point is on the paper. */
export function isOn([x, y]: readonly [number, number], { width, height }: Paper): boolean { return x >= 0 && y >= 0 && x <= width && y <= height; }

/** Where the name of a shape that reaches over the paper's edge may stand: the middle of its points that are on the paper. */
export function nameSpot(shape: Shape, projection: Projection, paper: Paper): [number, number] | null {
  const points = rings(shape).flat().map((at) => projection.to(at as Position)).filter((at) => isOn(at, paper));
  if (points.length < 3) return null;
  return [0, 1].map((axis) => points.reduce((sum, at) => sum + at[axis]!, 0) / points.length) as [number, number];
}
