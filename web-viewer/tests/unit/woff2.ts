// Which characters a WOFF2 font has glyphs for: its table directory (W3C WOFF 2.0, §4.1 and §5) and its cmap in formats 4 and 12.
import { brotliDecompressSync } from 'node:zlib';

/** Indices of the known tags that matter; cmap is 0. */
const CMAP = 0, GLYF = 10, LOCA = 11, OWN_TAG = 63;
const HEADER = 48;

export function characters(font: Buffer): Set<number> {
  if (font.toString('latin1', 0, 4) !== 'wOF2') throw new Error('not a WOFF2 font');
  let at = HEADER;
  const length = () => {
    for (let value = 0; ;) {
      const byte = font[at++]!;
      value = value * 128 + (byte & 127);
      if (byte < 128) return value;
    }
  };
  let offset = 0, cmap: [number, number] | null = null;
  for (let n = font.readUInt16BE(12); n > 0; n--) {
    const flags = font[at++]!, tag = flags & 63, version = flags >> 6;
    if (tag === OWN_TAG) at += 4;
    const original = length();
    const stored = (tag === GLYF || tag === LOCA ? version !== 3 : version !== 0) ? length() : original;
    if (tag === CMAP) cmap = [offset, stored];
    offset += stored;
  }
  if (!cmap) throw new Error('no cmap');
  const data = brotliDecompressSync(font.subarray(at, at + font.readUInt32BE(20)));
  return mapped(data.subarray(cmap[0], cmap[0] + cmap[1]));
}

function mapped(cmap: Buffer): Set<number> {
  const found = new Set<number>();
  for (let n = 0; n < cmap.readUInt16BE(2); n++) {
    const table = cmap.subarray(cmap.readUInt32BE(8 + 8 * n)), format = table.readUInt16BE(0);
    if (format === 12) {
      for (let group = 0; group < table.readUInt32BE(12); group++) {
        const [first, last, glyph] = [0, 4, 8].map((field) => table.readUInt32BE(16 + 12 * group + field)) as [number, number, number];
        for (let code = first; code <= last; code++) if (glyph + code - first > 0) found.add(code);
      }
    } else if (format === 4) {
      const segments = table.readUInt16BE(6) / 2;
      const [ends, starts, deltas, offsets] = [14, 16 + 2 * segments, 16 + 4 * segments, 16 + 6 * segments] as const;
      for (let segment = 0; segment < segments; segment++) {
        const [end, start] = [table.readUInt16BE(ends + 2 * segment), table.readUInt16BE(starts + 2 * segment)];
        const [delta, range] = [table.readUInt16BE(deltas + 2 * segment), table.readUInt16BE(offsets + 2 * segment)];
        for (let code = start; code <= end && code < 0xffff; code++) {
          const glyph = range === 0 ? (code + delta) & 0xffff : table.readUInt16BE(offsets + 2 * segment + range + 2 * (code - start));
          if (glyph !== 0) found.add(code);
        }
      }
    }
  }
  return found;
}
