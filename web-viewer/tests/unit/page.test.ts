import { expect, test } from 'vitest';
import { isOn, nameSpot, pathOf, project, scaleBar, type Paper } from '../../src/page/drawing';
import { qr } from '../../src/page/qr';

/** Made by python-qrcode 8 (level M, mask 2) and read by OpenCV's detector. */
const VECTOR = [
  '#######..##.#.#...###.#######',
  '#.....#..##....#.#..#.#.....#',
  '#.###.#.###.#......##.#.###.#',
  '#.###.#.#....#.#####..#.###.#',
  '#.###.#.#.###.#..###..#.###.#',
  '#.....#.#####..#.#....#.....#',
  '#######.#.#.#.#.#.#.#.#######',
  '........#.#....#.............',
  '#.#####...#.##.####.#.#####..',
  '#...#..##...#.#....#.##.#...#',
  '#..#.#######..##.##...#.#....',
  '####....#.#....#.....##.#..#.',
  '#...#.#...#.#..#######.#.##..',
  '#.##.#.#.#..##.....#..#.#.#.#',
  '#.###.#############..#....#..',
  '##.#.#.#.###.#.......#.#...#.',
  '##.#..#.......#####.##....#..',
  '###.#..##.#........#.##.###.#',
  '#.###.#####....#..#...##.##..',
  '#.###..#.###..##..#..####..#.',
  '#.#.#.#...#....##########.###',
  '........##.####..#.##...#####',
  '#######.....####..###.#.###..',
  '#.....#.#..#.#.#....#...#...#',
  '#.###.#.###.#.#####.#######..',
  '#.###.#.##.#........##.#...##',
  '#.###.#.##.###.#..#.#.#.##.#.',
  '#.....#....##.....####.....#.',
  '#######.#.##..#####.....###..',
];

test('a code is the same as that of another encoder, with a quiet zone of four modules', () => {
  const { size, path } = qr('http://127.0.0.1:8080/g/330902003002004');
  expect(size).toBe(VECTOR.length + 8);
  const dark = new Set<string>();
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) for (let n = 0; n < Number(width); n++) dark.add(`${Number(x) + n},${y}`);
  const rows = Array.from({ length: size }, (_, y) => Array.from({ length: size }, (_, x) => (dark.has(`${x},${y}`) ? '#' : '.')).join(''));
  expect(rows.slice(4, -4).map((row) => row.slice(4, -4))).toEqual(VECTOR);
  expect([...rows.slice(0, 4), ...rows.slice(-4)].join('')).not.toContain('#');
});

const paper: Paper = { width: 180, height: 112, margin: 10 };
const square = (west: number, south: number, size: number): GeoJSON.Polygon => ({ type: 'Polygon', coordinates: [[[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]] });

test('a grid fills the paper within its margin, north up, as long as it is wide on the ground', () => {
  const projection = project(square(122, 30, 0.01), paper);
  const [left, bottom] = projection.to([122, 30]), [right, top] = projection.to([122.01, 30.01]);
  expect(top).toBeCloseTo(10);
  expect(bottom).toBeCloseTo(102);
  expect((right - left) / (bottom - top)).toBeCloseTo(Math.cos((30.005 * Math.PI) / 180), 4);
  expect(projection.metresPerMm).toBeCloseTo(1113.2 / 92, 3);
});

test('a path closes each ring once, holes included', () => {
  const outer = square(122, 30, 0.01).coordinates[0]!, hole = square(122.004, 30.004, 0.002).coordinates[0]!;
  const path = pathOf({ type: 'MultiPolygon', coordinates: [[outer, hole]] }, project(square(122, 30, 0.01), paper));
  expect(path.match(/M/g)).toHaveLength(2);
  expect(path.match(/Z/g)).toHaveLength(2);
  expect(path.match(/L/g)).toHaveLength(6);
});

test('a scale bar is a round length that fits', () => {
  expect([0.9, 1, 3, 12.1, 60].map((metres) => scaleBar(metres, 40))).toEqual([20, 20, 100, 200, 2000]);
});

test('a neighbour is named on the paper, or not at all', () => {
  const projection = project(square(122, 30, 0.01), paper);
  const beside = nameSpot(square(122.01, 30, 0.01), projection, paper);
  expect(beside === null || isOn(beside, paper)).toBe(true);
  expect(nameSpot(square(123, 31, 0.01), projection, paper)).toBeNull();
});
