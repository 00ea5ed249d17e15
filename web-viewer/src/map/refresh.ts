// Fetches again what changed, and nothing else. The map keeps no tiles that are out of sight (createMap), so what is shown is all there is.
import type { Map as MapLibre, VectorTileSource } from 'maplibre-gl';
import { named, type Tile } from '../live/news';

/** `null`: the whole source. */
export class Refresh {
  /** Of sources that were still loading: a tile on its way may be of before. */
  private readonly again = new Map<string, readonly string[] | null>();

  constructor(private readonly map: MapLibre) {
    map.on('idle', () => {
      const waiting = [...this.again];
      this.again.clear();
      for (const [source, tiles] of waiting) this.fetch(source, tiles);
    });
  }

  source(source: string, tiles: readonly string[] | null): void {
    if (!this.map.isSourceLoaded(source)) {
      const before = this.again.get(source);
      this.again.set(source, tiles && before !== null ? [...before ?? [], ...tiles] : null);
    }
    this.fetch(source, tiles);
  }

  /** The same of a source that may not be drawn at all. */
  drawn(source: string, tiles: readonly string[] | null = null): void {
    if (this.map.getSource(source)) this.source(source, tiles);
  }

  private fetch(source: string, tiles: readonly string[] | null): void {
    if (tiles === null) this.map.refreshTiles(source);
    else {
      const meant = named(tiles, this.shown(source));
      if (meant.length > 0) this.map.refreshTiles(source, meant);
    }
  }

  /** The tiles of a source that are drawn. */
  private shown(source: string): Tile[] {
    const { minzoom, maxzoom, tileSize } = this.map.getSource(source) as VectorTileSource;
    return this.map.coveringTiles({ tileSize, minzoom, maxzoom }).map(({ canonical: { z, x, y } }) => ({ z, x, y }));
  }
}
