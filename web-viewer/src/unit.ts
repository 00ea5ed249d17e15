// The unit u: every size on the screen is a multiple of it, 1 CSS px at 1920 × 1080. LOOK: a desk never falls below 1.
import { computed, signal } from '@preact/signals';

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

/** Keeps `screen` and the CSS variables --u (a length) and --scale (a number) in step with the window. */
export function watchScreen(): void {
  const measure = () => {
    screen.value = { width: innerWidth, height: innerHeight };
    document.documentElement.style.setProperty('--u', `${unit.value}px`);
    document.documentElement.style.setProperty('--scale', String(unit.value));
    document.documentElement.dataset.shape = shape.value;
  };
  measure();
  addEventListener('resize', measure);
}
