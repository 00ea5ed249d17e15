// What the program serves beside the page: /styles/*.json, /sprites/icons*.{json,png}, /fonts/*.woff2, and the colours as CSS.
// All of it is made from ../styles and the font package; in development it is made anew for each request.
import { readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { fonts } from './fonts.ts';
import { sprite } from './sprite.ts';
import { colours, style, THEMES } from './style.ts';

const TOKENS = 'virtual:tokens.css';
const TYPES: Record<string, string> = {
  '.json': 'application/json', '.css': 'text/css', '.png': 'image/png', '.woff2': 'font/woff2', '.txt': 'text/plain',
};

/** Every asset by its path below `/`. */
async function all(): Promise<Map<string, string | Uint8Array>> {
  const { sheet, png } = await sprite();
  const font = fonts();
  const json = JSON.stringify(sheet);
  return new Map<string, string | Uint8Array>([
    ...THEMES.map((theme) => [`styles/${theme}.json`, JSON.stringify(style(theme, font.faces))] as const),
    // One sheet serves every density: distance fields are sharp at any size.
    ['sprites/icons.json', json], ['sprites/icons.png', png],
    ['sprites/icons@2x.json', json], ['sprites/icons@2x.png', png],
    ['fonts/noto-sans-sc.css', font.css],
    ...font.files.map(([name, path]) => [`fonts/${name}`, readFileSync(path)] as const),
  ]);
}

export function assets(): Plugin {
  return {
    name: 'wangge-assets',
    resolveId: (id) => (id === TOKENS ? `\0${TOKENS}` : undefined),
    load: (id) => (id === `\0${TOKENS}` ? colours() : undefined),
    async generateBundle() {
      for (const [fileName, source] of await all()) this.emitFile({ type: 'asset', fileName, source });
    },
    /** Text is compressed once, here. Styles are not: the server writes its own address into them. */
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle).filter((file) => /\.(js|css|html)$/.test(file))) {
        const body = readFileSync(join(dir!, name));
        writeFileSync(join(dir!, `${name}.br`), brotliCompressSync(body));
        writeFileSync(join(dir!, `${name}.gz`), gzipSync(body, { level: 9 }));
      }
    },
    configureServer(server) {
      server.middlewares.use(async (request, response, next) => {
        const path = decodeURIComponent(request.url ?? '').split('?')[0]!.slice(1);
        if (!/^(styles|sprites|fonts)\//.test(path)) return next();
        const body = (await all()).get(path);
        if (body === undefined) return next();
        response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
        response.end(body);
      });
    },
  };
}
