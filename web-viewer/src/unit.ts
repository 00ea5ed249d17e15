// The unit u: every size on the screen is a multiple of it, 1 CSS px at 1920 × 1080. LOOK: a desk never falls below 1.
import { computed, effect, signal } from '@preact/signals';
import { route } from './route';
import { roomOf, seamNear, type Room } from './wall';

export interface Screen { width: number; height: number }
/** desk: one rail; hall: two rails of 5 columns; wide: two rails of 6 columns with two blocks abreast. */
export type Shape = 'desk' | 'hall' | 'wide';

const raw = ({ width, height }: Screen) => Math.sqrt((width * height) / (1920 * 1080));

export function unitOf(screen: Screen): number { return Math.max(1, raw(screen)); }

export function shapeOf(screen: Screen): Shape {
  if (raw(screen) < 0.9) return 'desk';
  return screen.width > 3 * screen.height ? 'wide' : 'hall';
}

export const screen = signal<Screen>({ width: 1920, height: 1080 });
export const unit = computed(() => unitOf(screen.value));
export const shape = computed(() => shapeOf(screen.value));

/** Width of a rail with its margin, and of a column, in px. */
function railOf({ width, height }: Screen): { rail: number; column: number } {
  const u = unitOf({ width, height }), columns = shapeOf({ width, height }) === 'wide' ? 6 : 5;
  const column = (width - 2 * MARGIN * u - 23 * GUTTER * u) / 24;
  return { rail: MARGIN * u + columns * column + (columns - 0.5) * GUTTER * u, column: column + GUTTER * u };
}

/** In u, as in app.css. */
const MARGIN = 24, GUTTER = 12;

/** Where the rails of a splice end, in px from the edge; null: where the columns say. */
export function railSeam(of: Screen, cols: number): number | null {
  if (shapeOf(of) === 'desk') return null;
  const { rail, column } = railOf(of);
  return seamNear(of.width, cols, rail, column);
}

/** Keeps `screen` and the CSS variables --u (a length) and --scale (a number) in step with the window, until it is stopped. `told`: what the
    server knows of the wall, as soon as it is known. */
export function watchScreen(told: () => Room | null | undefined): () => void {
  const measure = () => { screen.value = { width: innerWidth, height: innerHeight }; };
  measure();
  addEventListener('resize', measure);
  const stop = effect(() => {
    const { style, dataset } = document.documentElement, { wall } = route.value;
    style.setProperty('--u', `${unit.value}px`);
    style.setProperty('--scale', String(unit.value));
    dataset.shape = shape.value;
    const seam = railSeam(screen.value, wall ? roomOf(wall, told()).cols : 1);
    document.documentElement.toggleAttribute('data-seam', seam !== null);
    if (seam !== null) style.setProperty('--seam', `${seam}px`);
  });
  return () => { stop(); removeEventListener('resize', measure); };
}
