// Something loaded from the server: what is known, since when, and whether the last attempt failed. The old stays until the new is there.
import { signal } from '@preact/signals';
import { Problem } from './api';

export interface Loaded<T> {
  data: T | null;
  /** When `data` was received, in ms. */
  at: number;
  /** The code of the last failure, until an attempt succeeds. */
  problem: string | null;
}

export class Resource<T> {
  readonly state = signal<Loaded<T>>({ data: null, at: 0, problem: null });

  get data(): T | null { return this.state.value.data; }

  /** Forgets, for what is about to be shown is another thing. */
  clear(): void { this.state.value = { data: null, at: 0, problem: null }; }

  /** Loads anew. An aborted load changes nothing; a failed one keeps the old data. */
  async load(fetching: Promise<T>, signal: AbortSignal): Promise<T | null> {
    try {
      const data = await fetching;
      if (signal.aborted) return null;
      this.state.value = { data, at: Date.now(), problem: null };
      return data;
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof Problem)) throw error;
      this.state.value = { ...this.state.value, problem: error.code };
      return null;
    }
  }
}
