// How the viewer is built: one page, one bundle, and the assets of ./build (styles, sprites, fonts). Nothing comes from elsewhere.
import { defineConfig } from 'vite';
import { assets } from './build/assets.ts';

// In development the API is that of a running server, or of the mock (npm run mock).
const server = process.env.BASE_URL ?? 'http://127.0.0.1:8090';
// The server writes absolute links with the host it was asked for, so the host is kept.
const proxy = Object.fromEntries(['/api', '/tiles', '/basemaps', '/layers', '/background.geojson'].map((path) => [path, { target: server, changeOrigin: false }]));

export default defineConfig({
  plugins: [assets()],
  worker: { format: 'es' },
  build: { target: 'es2022', chunkSizeWarningLimit: 1500, assetsInlineLimit: 0 },
  server: { proxy },
});
