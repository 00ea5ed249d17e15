// What a wall says of itself in the address, ?wall=1&cols=4&rows=2&distance=8&pitch=1.25, and whether it can show what LOOK asks (&check):
// letters large enough for the room, a canvas as large as the screen, fonts that have come.

/** `cols` × `rows` cabinets or screens; distance of the farthest reader in m, pitch of the pixels in mm. */
export interface Room { cols: number; rows: number; distance_m: number | null; pitch_mm: number | null }

/** What the address says: null is left to the server's [wall]. */
export type Wall = { [key in keyof Room]: number | null } & { check: boolean };

/** What the address says, then what the server says, then one screen in a room of unknown size. */
export function roomOf(told: Wall, server: Room | null | undefined): Room {
  return {
    cols: told.cols ?? server?.cols ?? 1, rows: told.rows ?? server?.rows ?? 1,
    distance_m: told.distance_m ?? server?.distance_m ?? null, pitch_mm: told.pitch_mm ?? server?.pitch_mm ?? null,
  };
}

const MOST = 24;

function number(text: string | null, least: number, most: number): number | null {
  const value = Number(text ?? NaN);
  return text && value >= least && value <= most ? value : null;
}

export function parseWall(told: URLSearchParams): Wall | null {
  if (told.get('wall') !== '1') return null;
  const whole = (key: string) => { const value = number(told.get(key), 1, MOST); return value && Math.round(value); };
  return { cols: whole('cols'), rows: whole('rows'), distance_m: number(told.get('distance'), 0.5, 200), pitch_mm: number(told.get('pitch'), 0.05, 50), check: told.has('check') };
}

export function wallText({ cols, rows, distance_m, pitch_mm, check }: Wall): [string, string][] {
  return [
    ['wall', '1'],
    ...(cols ? [['cols', String(cols)] as [string, string]] : []), ...(rows ? [['rows', String(rows)] as [string, string]] : []),
    ...(distance_m ? [['distance', String(distance_m)] as [string, string]] : []), ...(pitch_mm ? [['pitch', String(pitch_mm)] as [string, string]] : []),
    ...(check ? [['check', ''] as [string, string]] : []),
  ];
}

/** Pixels a letter needs to be read: 6.7 per metre of distance and millimetre of pitch (8 m at P1.25: 43). */
export function pixelsNeeded(distance_m: number, pitch_mm: number): number { return (6.7 * distance_m) / pitch_mm; }

/** Sizes of letters in u, the smallest first; on a wall nothing is below the body. */
export const SIZES_U = { body: 16, label: 20, title: 28, figure: 44, sentence: 56 } as const;

/** Where block edges fall: the seam nearest to the width that a rail would have, when one lies within a column of it; in px from the edge. */
export function seamNear(width: number, cols: number, rail: number, column: number): number | null {
  if (cols < 2) return null;
  const seam = (width / cols) * Math.max(1, Math.round(rail / (width / cols)));
  return Math.abs(seam - rail) <= column && seam < width / 2 ? seam : null;
}
