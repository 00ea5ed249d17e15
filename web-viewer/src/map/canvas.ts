// What the graphics card gives the map: as many pixels as it was asked for, or fewer.
import { signal } from '@preact/signals';
import type { Map } from 'maplibre-gl';

export interface Canvas { width: number; height: number; wanted: [number, number]; renderer: string; largest: number; software: boolean }

export const mapCanvas = signal<Canvas | null>(null);

export function rendererOf(map: Map): string {
  const gl = map.getCanvas().getContext('webgl2');
  const told = gl?.getExtension('WEBGL_debug_renderer_info');
  return told ? String(gl!.getParameter(told.UNMASKED_RENDERER_WEBGL)) : '?';
}

/** Drawn by the processor: then nothing moves. */
export function isSoftware(map: Map): boolean { return /swiftshader|llvmpipe|software|basic render/i.test(rendererOf(map)); }

/** Keeps `mapCanvas` in step with the map. A canvas smaller than asked for is blurred, so it is said aloud. */
export function watchCanvas(map: Map): void {
  const look = () => {
    const canvas = map.getCanvas(), gl = canvas.getContext('webgl2'), container = map.getContainer(), ratio = map.getPixelRatio();
    const wanted: [number, number] = [Math.floor(container.clientWidth * ratio), Math.floor(container.clientHeight * ratio)];
    mapCanvas.value = {
      width: canvas.width, height: canvas.height, wanted, renderer: rendererOf(map),
      largest: Number(gl?.getParameter(gl.MAX_RENDERBUFFER_SIZE) ?? 0), software: isSoftware(map),
    };
    if (canvas.width + 2 < wanted[0] || canvas.height + 2 < wanted[1]) console.warn(`the map has ${canvas.width} × ${canvas.height} px, the screen ${wanted.join(' × ')}`);
  };
  look();
  map.on('resize', look);
}
