import { expect, test } from 'vitest';
import { shapeOf, unitOf } from '../../src/unit';

test('the unit follows the area of the screen and never falls below 1', () => {
  const unit = (width: number, height: number) => Number(unitOf({ width, height }).toFixed(2));
  expect([unit(1366, 768), unit(1920, 1080), unit(3840, 2160), unit(7680, 2160), unit(7200, 1586), unit(11520, 3240)]).toEqual([1, 1, 2, 2.83, 2.35, 4.24]);
});

test('small screens are desks, very wide ones have two blocks abreast', () => {
  expect(shapeOf({ width: 1366, height: 768 })).toBe('desk');
  expect(shapeOf({ width: 3840, height: 2160 })).toBe('hall');
  expect(shapeOf({ width: 7680, height: 2160 })).toBe('wide');
});
