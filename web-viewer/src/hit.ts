// What a find of the search leads to.
import type { Hit, Position } from './api';

/** Where a hit leads: the grid it is or lies in, or the region; and the place to mark, where the hit is one. */
export function target(hit: Hit): { mode: { kind: 'grid' | 'region'; code: string } | null; spot: Position | null } {
  const grid = hit.kind === 'grid' ? hit.code : hit.kind === 'region' ? null : hit.grid;
  const marked = hit.kind === 'position' || hit.kind === 'street' || hit.kind === 'address';
  return {
    mode: grid ? { kind: 'grid', code: grid } : hit.kind === 'region' && hit.code ? { kind: 'region', code: hit.code } : null,
    spot: marked ? hit.position ?? null : null,
  };
}
