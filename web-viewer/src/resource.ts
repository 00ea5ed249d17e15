// Something loaded from the server: what is known, since when, and whether the last attempt failed. The old stays until the new is there.
import { batch, signal } from '@preact/signals';
import { Problem } from './api';

export interface Loaded<T> {
  data: T | null;
  /** When `data` was received, in ms. */
  at: number;
  /** The code of the last failure, until an attempt succeeds. */
  problem: string | null;
}

const NOTHING: Loaded<never> = { data: null, at: 0, problem: null };

/** Problems that asking again does not mend. */
const LASTING = new Set(['unknown_code', 'not_found', 'no_boundaries', 'unknown_epoch']);

/** Whether asking again may mend a problem. */
export function isPassing(problem: string | null): boolean { return problem !== null && !LASTING.has(problem); }

export class Resource<T> {
  readonly state = signal<Loaded<T>>(NOTHING);

  get data(): T | null { return this.state.value.data; }

  clear(): void { this.state.value = NOTHING; }

  /** What to do with the outcome of a load. A failure keeps the old data unless it is `anew`, of another thing. */
  outcome(settled: PromiseSettledResult<T>, anew: boolean): void {
    if (settled.status === 'fulfilled') {
      this.state.value = { data: settled.value, at: Date.now(), problem: null };
    } else {
      if (!(settled.reason instanceof Problem)) throw settled.reason;
      this.state.value = { ...(anew ? NOTHING : this.state.value), problem: settled.reason.code };
    }
  }

  async load(fetching: Promise<T>): Promise<T | null> {
    const [settled] = await Promise.allSettled([fetching]);
    this.outcome(settled, false);
    return this.state.value.problem === null ? this.data : null;
  }
}

type Load<T> = readonly [Resource<T>, Promise<T>];

/** What is shown for the first time waits for something more that never fails, and says when it comes. */
export interface First { after: Promise<unknown>; arrive: () => void }

/** Loads several things and shows them at the same moment, so that numbers that belong together agree. Nothing happens when the
    signal aborts before. */
export async function loadTogether<T extends unknown[]>(loads: readonly [...{ [K in keyof T]: Load<T[K]> }], signal: AbortSignal, first?: First): Promise<void> {
  const settled = await Promise.allSettled(loads.map(([, fetching]) => fetching));
  await first?.after;
  if (signal.aborted) return;
  batch(() => {
    first?.arrive();
    loads.forEach(([resource], n) => (resource as Resource<unknown>).outcome(settled[n]!, first !== undefined));
  });
}
