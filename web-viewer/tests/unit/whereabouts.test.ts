import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { route } from '../../src/route';
import { spot } from '../../src/state';
import { findDevice, forget, whereabouts } from '../../src/whereabouts';

const device = (coords: { longitude: number; latitude: number; accuracy: number }) =>
  ({ getCurrentPosition: (found: PositionCallback) => found({ coords } as GeolocationPosition) });
const failing = (code: number) => ({ getCurrentPosition: (_: PositionCallback, failed?: PositionErrorCallback | null) => failed?.({ code } as GeolocationPositionError) });
let asked: string[] = [];
const serves = (...bodies: [unknown, number?][]) => vi.stubGlobal('fetch', async (path: string) => {
  asked.push(path);
  const [body, status = 200] = bodies[asked.length - 1]!;
  return new Response(JSON.stringify(body), { status });
});
const at = { longitude: 122.1, latitude: 30.01, accuracy: 12.34 };

beforeEach(() => {
  asked = [];
  vi.stubGlobal('history', { pushState: () => undefined });
  vi.stubGlobal('location', { pathname: '/', search: '' });
});
afterEach(() => { forget(); vi.unstubAllGlobals(); });

test('without a secure origin the device is not asked at all, and what is missing is said', async () => {
  const never = { getCurrentPosition: () => { throw new Error('asked'); } };
  await findDevice(never, false);
  expect(whereabouts.value).toEqual({ kind: 'refused', why: 'insecure', accuracy_m: null });
});

test('the position goes to the server as WGS 84 with its accuracy; a sure grid is shown', async () => {
  serves([{ grid: { code: '1', name: '东港' }, path: [], candidates: [{ grid: '1', probability: 0.97 }, { grid: '2', probability: 0.01 }], outside_probability: 0.02 }]);
  await findDevice(device(at), true);
  expect(asked).toEqual(['/api/v1/locate?lon=122.1000000&lat=30.0100000&crs=wgs84&accuracy_m=12.3']);
  expect(whereabouts.value).toEqual({ kind: 'found', accuracy_m: 12.34, maybe: [{ code: '1', name: '东港', probability: 0.97 }], sure: true });
  expect(route.value.mode).toEqual({ kind: 'grid', code: '1' });
  expect(spot.value).toEqual([122.1, 30.01]);
});

test('near a border nothing is guessed: both grids are named, none is entered', async () => {
  route.value = { ...route.value, mode: { kind: 'top' } };
  serves([{ grid: { code: '1', name: '东港' }, path: [], candidates: [{ grid: '1', probability: 0.6 }, { grid: '2', probability: 0.4 }], outside_probability: 0 }], [{ grid: { name: '西港' } }]);
  await findDevice(device(at), true);
  expect(whereabouts.value).toMatchObject({ kind: 'found', sure: false, maybe: [{ name: '东港' }, { name: '西港' }] });
  expect(route.value.mode).toEqual({ kind: 'top' });
});

test('outside, too coarse, forbidden, unavailable and unanswered are told apart', async () => {
  serves([{ code: 'outside_coverage' }, 404]);
  await findDevice(device(at), true);
  expect(whereabouts.value).toMatchObject({ kind: 'found', maybe: [], sure: false });
  asked = [];
  await findDevice(device({ ...at, accuracy: 5000 }), true);
  expect([whereabouts.value, asked]).toEqual([{ kind: 'refused', why: 'coarse', accuracy_m: 5000 }, []]);
  await findDevice(failing(1), true);
  expect(whereabouts.value).toMatchObject({ why: 'denied' });
  await findDevice(failing(3), true);
  expect(whereabouts.value).toMatchObject({ why: 'unavailable' });
  await findDevice(null, true);
  expect(whereabouts.value).toMatchObject({ why: 'unavailable' });
  serves([{ code: 'busy' }, 503]);
  await findDevice(device(at), true);
  expect(whereabouts.value).toMatchObject({ why: 'failed' });
});

test('what was closed meanwhile does not come back', async () => {
  serves([{ grid: { code: '1', name: '东港' }, path: [], candidates: [{ grid: '1', probability: 1 }] }]);
  const asking = findDevice(device(at), true);
  forget();
  await asking;
  expect([whereabouts.value, spot.value]).toEqual([null, null]);
});
