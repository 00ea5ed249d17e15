import { expect, test } from 'vitest';
import { railSeam } from '../../src/unit';
import { parseWall, pixelsNeeded, roomOf, seamNear } from '../../src/wall';

test('letters are as large as the room asks', () => {
  expect(pixelsNeeded(8, 1.25)).toBeCloseTo(42.9, 1);
  expect(pixelsNeeded(4, 2)).toBeCloseTo(13.4, 1);
});

test('rails end on a seam where one is near, else where the columns say', () => {
  expect(railSeam({ width: 7680, height: 2160 }, 4)).toBe(1920);
  expect(railSeam({ width: 7680, height: 2160 }, 8)).toBe(1920);
  expect(railSeam({ width: 7680, height: 2160 }, 1)).toBeNull();
  expect(railSeam({ width: 3840, height: 2160 }, 2)).toBeNull();
  expect(railSeam({ width: 3840, height: 2160 }, 5)).toBe(768);
  expect(railSeam({ width: 1366, height: 768 }, 4)).toBeNull();
  expect(seamNear(1000, 3, 100, 50)).toBeNull();
});

test('an address comes before what the server says, and that before one screen', () => {
  const server = { cols: 4, rows: 2, distance_m: 8, pitch_mm: 1.25 };
  const told = (query: string) => parseWall(new URLSearchParams(query))!;
  expect(roomOf(told('wall=1'), server)).toEqual(server);
  expect(roomOf(told('wall=1&cols=3&distance=5'), server)).toEqual({ ...server, cols: 3, distance_m: 5 });
  expect(roomOf(told('wall=1'), null)).toEqual({ cols: 1, rows: 1, distance_m: null, pitch_mm: null });
});
