// The sprite sheet: every styles/icons/*.svg as a signed distance field, so that one sheet gives sharp icons of any size and
// colour, with a halo. Field values as MapLibre reads them: 0.75 at the edge, falling to 0 over 6 px outside.
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { crc32, deflateSync } from 'node:zlib';

/** An icon's box in CSS px, the room around it for halos, cells of the sheet per CSS px, and samples per cell when drawn. */
const BOX = 24, ROOM = 4, DENSITY = 2, SAMPLES = 4;
const CELL = (BOX + 2 * ROOM) * DENSITY;
/** Distance in CSS px over which the field runs, and the share of it that lies inside the edge. */
const RADIUS = 8, INSIDE = 0.25;
const COLUMNS = 6;
const FAR = 1e12;

const icons = new URL('../../styles/icons/', import.meta.url);

export interface Sheet { [name: string]: { x: number; y: number; width: number; height: number; pixelRatio: number; sdf: true } }

let ready: Promise<void> | undefined;

export async function sprite(): Promise<{ sheet: Sheet; png: Uint8Array }> {
  ready ??= initWasm(readFileSync(createRequire(import.meta.url).resolve('@resvg/resvg-wasm/index_bg.wasm')));
  await ready;
  const names = readdirSync(icons).filter((name) => name.endsWith('.svg')).map((name) => name.slice(0, -4)).sort();
  const width = COLUMNS * CELL, height = Math.ceil(names.length / COLUMNS) * CELL;
  const alpha = new Uint8Array(width * height);
  const sheet: Sheet = {};
  names.forEach((name, n) => {
    const x = (n % COLUMNS) * CELL, y = Math.floor(n / COLUMNS) * CELL;
    const cell = field(readFileSync(new URL(`${name}.svg`, icons), 'utf8'));
    for (let row = 0; row < CELL; row++) alpha.set(cell.subarray(row * CELL, (row + 1) * CELL), (y + row) * width + x);
    sheet[name] = { x, y, width: CELL, height: CELL, pixelRatio: DENSITY, sdf: true };
  });
  return { sheet, png: png(alpha, width, height) };
}

/** The distance field of one icon, CELL × CELL. */
function field(svg: string): Uint8Array {
  const drawn = BOX * DENSITY * SAMPLES, margin = ROOM * DENSITY * SAMPLES, size = CELL * SAMPLES;
  const image = new Resvg(svg, { fitTo: { mode: 'width', value: drawn } }).render();
  const { pixels } = image;
  const toInk = new Float64Array(size * size).fill(FAR), toPaper = new Float64Array(size * size);
  for (let y = 0; y < drawn; y++) {
    for (let x = 0; x < drawn; x++) {
      if (pixels[(y * drawn + x) * 4 + 3]! < 128) continue;
      const at = (y + margin) * size + x + margin;
      toInk[at] = 0;
      toPaper[at] = FAR;
    }
  }
  image.free();
  squaredDistances(toInk, size);
  squaredDistances(toPaper, size);
  const out = new Uint8Array(CELL * CELL);
  for (let row = 0; row < CELL; row++) {
    for (let column = 0; column < CELL; column++) {
      let sum = 0;
      for (let dy = 0; dy < SAMPLES; dy++) {
        for (let dx = 0; dx < SAMPLES; dx++) {
          const at = (row * SAMPLES + dy) * size + column * SAMPLES + dx;
          sum += Math.sqrt(toInk[at]!) - Math.sqrt(toPaper[at]!);
        }
      }
      const outside = sum / (SAMPLES * SAMPLES) / (DENSITY * SAMPLES);
      out[row * CELL + column] = Math.max(0, Math.min(255, Math.round(255 * (1 - INSIDE - outside / RADIUS))));
    }
  }
  return out;
}

/** Squared distance to the nearest 0, in place: Felzenszwalb and Huttenlocher, lower envelopes of parabolas by column, then by row. */
function squaredDistances(values: Float64Array, size: number): void {
  const line = new Float64Array(size), at = new Int32Array(size), from = new Float64Array(size + 1);
  const pass = (offset: number, stride: number) => {
    for (let i = 0; i < size; i++) line[i] = values[offset + i * stride]!;
    let last = 0;
    at[0] = 0; from[0] = -Infinity; from[1] = Infinity;
    for (let q = 1; q < size; q++) {
      const meets = () => (line[q]! + q * q - line[at[last]!]! - at[last]! ** 2) / (2 * (q - at[last]!));
      let s = meets();
      while (s <= from[last]!) { last--; s = meets(); }
      at[++last] = q; from[last] = s; from[last + 1] = Infinity;
    }
    for (let q = 0, k = 0; q < size; q++) {
      while (from[k + 1]! < q) k++;
      values[offset + q * stride] = (q - at[k]!) ** 2 + line[at[k]!]!;
    }
  };
  for (let i = 0; i < size; i++) pass(i, size);
  for (let i = 0; i < size; i++) pass(i * size, 1);
}

/** A PNG with black pixels of the given opacity. */
function png(alpha: Uint8Array, width: number, height: number): Uint8Array {
  const rows = Buffer.alloc((width * 4 + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width * 4 + 1) + 1 + x * 4 + 3] = alpha[y * width + x]!;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits, RGBA
  const chunk = (kind: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
    const framed = Buffer.alloc(body.length + 8);
    framed.writeUInt32BE(data.length, 0);
    framed.set(body, 4);
    framed.writeUInt32BE(crc32(body), body.length + 4);
    return framed;
  };
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', new Uint8Array())]);
}
