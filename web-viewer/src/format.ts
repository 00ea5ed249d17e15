// Numbers, times and places as they are written on the screen.
import { signal } from '@preact/signals';
import { route } from './route';
import { say } from './words';

/** Whose map it is, and the number under which it was approved; `others`: whose the maps and layers are that are shown with it. */
export function credits(told: { attribution: string[]; map_approval?: string | null }, others: readonly string[] = []): string {
  const approval = told.map_approval ? [`${say('approval')} ${told.map_approval}`] : [];
  return [...new Set([...told.attribution, ...approval, ...others.filter((text) => text)])].join(' · ');
}

/** Thousands with a thin space: 365 420. */
export function count(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** An area with a unit that leaves at most four digits. */
export function area(squareMetres: number): { value: string; unit: string } {
  const km2 = squareMetres / 1e6;
  if (km2 >= 100) return { value: count(km2), unit: 'km²' };
  if (km2 >= 1) return { value: km2.toFixed(1), unit: 'km²' };
  return squareMetres >= 10_000 ? { value: km2.toFixed(2), unit: 'km²' } : { value: count(squareMetres), unit: 'm²' };
}

/** A span as its two words: 12 分, 3 小时, 5 天. Rounded down: "剩 59 分" still has 59 whole minutes. */
export function span(ms: number): string {
  const minutes = Math.floor(Math.abs(ms) / 60_000);
  if (minutes < 60) return `${minutes} ${say('minutes')}`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} ${say('hours')}`;
  return `${Math.floor(minutes / 1440)} ${say('days')}`;
}

/** Time left or over: 剩 9 分, 超期 12 分; 到期已 12 分, when its time has passed and the server does not call it overdue. */
export function due(dueAt: string | null, now: number, overdue: boolean): string {
  if (!dueAt) return say('noDue');
  const left = Date.parse(dueAt) - now;
  const word = say(left >= 0 ? 'dueLeft' : overdue ? 'dueOver' : 'duePassed');
  return route.value.lang === 'en' ? `${span(left)} ${word}` : `${word} ${span(left)}`;
}

/** The city's time zone; undefined: the browser's. */
export const zone = signal<string | undefined>(undefined);

const locale = () => (route.value.lang === 'en' ? 'en-GB' : 'zh-CN');

/** 2026年11月22日 星期日 20:31. */
export function dayAndTime(ms: number): string {
  const date = new Intl.DateTimeFormat(locale(), { year: 'numeric', month: 'long', day: 'numeric', timeZone: zone.value }).format(ms);
  const weekday = new Intl.DateTimeFormat(locale(), { weekday: 'long', timeZone: zone.value }).format(ms);
  return `${date} ${weekday} ${clock(ms).slice(0, 5)}`;
}

/** 20:31:07 as the clocks of the city show it. */
export function clock(ms: number): string {
  return new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZone: zone.value }).format(ms);
}

/** 85 m, 1.2 km. */
export function distance(metres: number): string {
  return metres < 1000 ? `${Math.round(metres)} m` : `${(metres / 1000).toFixed(1)} km`;
}

const WINDS = ['north', 'northeast', 'east', 'southeast', 'south', 'southwest', 'west', 'northwest'] as const;

/** A bearing in degrees clockwise from north as one of eight winds. */
export function bearing(degrees: number): string { return say(WINDS[Math.round((((degrees % 360) + 360) % 360) / 45) % 8]!); }

/** Longitude first, with as many digits as a pixel of this zoom is worth. */
export function position([lon, lat]: [number, number], zoom: number): string {
  const digits = Math.max(3, Math.min(6, Math.ceil((zoom + 1) / 3)));
  return `${lon.toFixed(digits)}, ${lat.toFixed(digits)}`;
}

/** The level of BeiDou code whose cell is a few pixels wide at this zoom. */
export function beidouLevel(zoom: number): number {
  if (zoom < 8) return 3;
  if (zoom < 11.5) return 4;
  if (zoom < 14.5) return 5;
  if (zoom < 17) return 6;
  return 7;
}

/** A share of 0 to 1. What is not all is never told as all. */
export function percent(share: number): string {
  const tenths = Math.round(share * 1000) / 10;
  return `${share < 1 && tenths === 100 ? '99.9' : tenths} %`;
}
