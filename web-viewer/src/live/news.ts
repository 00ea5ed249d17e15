// News of the server: which tiles changed (API.md, Live). Tile ids are "z/x/y", or "z/x/y/*" for that tile and all below it.
import type { Box } from '../api';

export type News =
  /** `set`: of grids beside the hierarchy's. */
  | { kind: 'tiles'; layer: string; set?: string; revision: number; tiles: readonly string[]; all: boolean }
  /** What is shown must be loaded again; the stream cannot tell what was missed. */
  | { kind: 'resync' }
  /** Everything up to this revision has been told. */
  | { kind: 'told'; revision: number }
  | { kind: 'link'; up: boolean };

export interface Tile { z: number; x: number; y: number }

/** The map's source of a tile layer; null: a layer of tomorrow. */
export function sourceOf(layer: string): 'boundaries' | 'facilities' | 'cases' | 'organizations' | 'buildings' | null {
  if (layer === 'regions' || layer === 'grids' || layer === 'labels') return 'boundaries';
  return layer === 'facilities' || layer === 'cases' || layer === 'organizations' || layer === 'buildings' ? layer : null;
}

interface Named extends Tile { below: boolean }

/** null: not a tile id of today. */
export function parseTile(text: string): Named | null {
  const found = /^(\d{1,2})\/(\d{1,8})\/(\d{1,8})(\/\*)?$/.exec(text);
  if (!found) return null;
  const [z, x, y] = [1, 2, 3].map((n) => Number(found[n])) as [number, number, number];
  return z <= 22 && x < 2 ** z && y < 2 ** z ? { z, x, y, below: found[4] !== undefined } : null;
}

/** Of the tiles that are shown those that are named. */
export function named(tiles: readonly string[], shown: readonly Tile[]): Tile[] {
  const exact = new Set<string>(), above: Named[] = [];
  for (const text of tiles) {
    const tile = parseTile(text);
    if (!tile) continue;
    if (tile.below) above.push(tile);
    else exact.add(`${tile.z}/${tile.x}/${tile.y}`);
  }
  const isBelow = ({ z, x, y }: Tile) => above.some((top) => z >= top.z && Math.floor(x / 2 ** (z - top.z)) === top.x && Math.floor(y / 2 ** (z - top.z)) === top.y);
  return shown.filter((tile) => exact.has(`${tile.z}/${tile.x}/${tile.y}`) || isBelow(tile));
}

/** Whether a change of these tiles may concern a box: judged by the most detailed tiles that are named. */
export function touches(tiles: readonly string[], [west, south, east, north]: Box): boolean {
  const parsed = tiles.map(parseTile).filter((tile) => tile !== null);
  const deepest = Math.max(...parsed.map((tile) => (tile.below ? 22 : tile.z)));
  return parsed.filter((tile) => (tile.below ? 22 : tile.z) === deepest).some(({ z, x, y }) => {
    const lon = (column: number) => (column / 2 ** z) * 360 - 180;
    const lat = (row: number) => (Math.atan(Math.sinh(Math.PI * (1 - (2 * row) / 2 ** z))) * 180) / Math.PI;
    return lon(x) <= east && lon(x + 1) >= west && lat(y + 1) <= north && lat(y) >= south;
  });
}

/** What an event of the stream says; null: a kind or shape of tomorrow. */
export function understood(kind: string, data: string): News | null {
  if (kind === 'resync') return { kind };
  if (kind !== 'tiles') return null;
  let told: { layer?: unknown; set?: unknown; revision?: unknown; tiles?: unknown; all?: unknown };
  try {
    told = JSON.parse(data) as typeof told;
  } catch {
    return { kind: 'resync' };
  }
  const { layer, set, revision, tiles, all } = told;
  if (typeof layer !== 'string' || typeof revision !== 'number') return null;
  const listed = Array.isArray(tiles) ? tiles.filter((id): id is string => typeof id === 'string') : [];
  return { kind: 'tiles', layer, ...(typeof set === 'string' && { set }), revision, tiles: listed, all: all === true };
}
