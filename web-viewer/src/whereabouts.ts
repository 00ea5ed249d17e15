// Where the reader is: the device tells its position and how far it may be wrong, the server says in which grids that may be. A click asks
// once; nothing is kept.
import { signal } from '@preact/signals';
import { api, Problem, type Position } from './api';
import { go } from './route';
import { spot } from './state';

export interface Maybe { code: string; name: string; probability: number }
export type Why = 'insecure' | 'denied' | 'unavailable' | 'coarse' | 'failed';
export type Found = { kind: 'found'; accuracy_m: number; maybe: Maybe[]; sure: boolean };
export const whereabouts = signal<{ kind: 'asking' } | { kind: 'refused'; why: Why; accuracy_m: number | null } | Found | null>(null);

/** What the server takes as an accuracy. Farther off a position tells no grid. */
const LEAST_M = 0.1, MOST_M = 1000;
/** The device may take so long. */
const TIMEOUT_MS = 20_000;
/** So likely a grid is told as the one. */
const SURE = 0.95;
/** So unlikely a grid is not worth a line. */
const UNLIKELY = 0.02;
const MOST = 4;

/** What is needed of `navigator.geolocation`. */
type Device = Pick<Geolocation, 'getCurrentPosition'>;

let latest = {};

export async function findDevice(device: Device | null = navigator.geolocation ?? null, secure: boolean = isSecureContext): Promise<void> {
  const mine = latest = {};
  const refuse = (why: Why, accuracy_m: number | null = null) => { if (mine === latest) whereabouts.value = { kind: 'refused', why, accuracy_m }; };
  if (!secure) return refuse('insecure');
  if (!device) return refuse('unavailable');
  whereabouts.value = { kind: 'asking' };
  const told = await new Promise<GeolocationPosition | GeolocationPositionError>((resolve) => device.getCurrentPosition(resolve, resolve, { enableHighAccuracy: true, timeout: TIMEOUT_MS, maximumAge: 0 }));
  if (mine !== latest) return;
  if (!('coords' in told)) return refuse(told.code === 1 ? 'denied' : 'unavailable');
  const { longitude, latitude, accuracy } = told.coords;
  const at: Position = [longitude, latitude];
  if (!(accuracy <= MOST_M)) return refuse('coarse', accuracy);
  try {
    const found = await asked(at, Math.max(LEAST_M, accuracy));
    if (mine !== latest) return;
    whereabouts.value = { kind: 'found', accuracy_m: accuracy, ...found };
    spot.value = at;
    if (found.sure) go({ mode: { kind: 'grid', code: found.maybe[0]!.code } });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    refuse('failed');
  }
}

async function asked(at: Position, accuracy_m: number): Promise<{ maybe: Maybe[]; sure: boolean }> {
  const { grid, candidates = [] } = await api.locateDevice(at, accuracy_m).catch((error: unknown) => {
    if (error instanceof Problem && error.code === 'outside_coverage') return { grid: null, candidates: [] };
    throw error;
  });
  const likely = candidates.filter(({ probability }) => probability >= UNLIKELY).slice(0, MOST);
  const maybe = await Promise.all(likely.map(async ({ grid: code, probability }) => ({ code, probability, name: grid?.code === code ? grid.name : await nameOf(code) })));
  return { maybe, sure: (maybe[0]?.probability ?? 0) >= SURE };
}

async function nameOf(code: string): Promise<string> {
  return (await api.card(code, null)).grid.name;
}

export function forget(): void {
  latest = {};
  whereabouts.value = null;
  spot.value = null;
}
