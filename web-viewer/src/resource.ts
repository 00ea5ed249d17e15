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

/** What is shown for the first time waits for something more, and says when it comes. */
export interface First { after: Promise<unknown>; arrive: () => void }

/** Loads several things and shows them at the same moment, so that numbers that belong together agree. Nothing happens when the
    signal aborts before. */
export async function loadTogether<A, B, C>(loads: readonly [Load<A>, Load<B>, Load<C>], signal: AbortSignal, first?: First): Promise<void> {
  const settled = await Promise.allSettled([loads[0][1], loads[1][1], loads[2][1], first?.after] as const);
  if (signal.aborted) return;
  batch(() => {
    first?.arrive();
    loads[0][0].outcome(settled[0], first !== undefined);
    loads[1][0].outcome(settled[1], first !== undefined);
    loads[2][0].outcome(settled[2], first !== undefined);
  });
}
