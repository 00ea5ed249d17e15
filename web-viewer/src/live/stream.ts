// One connection to /api/v1/events for everybody who listens. It comes back by itself, from the revision it last heard of.
import { understood, type News } from './news';

/** What is needed of an EventSource. */
export interface Source {
  addEventListener(kind: string, hear: (event: { data?: string; lastEventId?: string }) => void): void;
  close(): void;
  readonly readyState: number;
}

/** How long after the server went. */
export const AGAIN_MS = 2_000;
/** How long after the server refused, for instance because it does not have the address. */
export const REFUSED_MS = 60_000;
const CLOSED = 2;

const ADDRESS = '/api/v1/events?kinds=tiles';

export class Stream {
  private source: Source | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Map<object, (news: News) => void>();
  /** Told to all up to here; null before the first listener. */
  private revision: number | null = null;
  private up = false;

  constructor(private readonly open: (url: string) => Source) {}

  /** `since`: the revision of what the listener has loaded. */
  join(listener: object, since: number, hear: (news: News) => void): void {
    this.listeners.set(listener, hear);
    const missed = this.revision !== null && since < this.revision;
    this.revision ??= since;
    if (missed) hear({ kind: 'resync' });
    hear({ kind: 'link', up: this.up });
    if (!this.source && this.timer === undefined) this.connect();
  }

  leave(listener: object): void {
    if (!this.listeners.delete(listener) || this.listeners.size > 0) return;
    this.source?.close();
    this.source = null;
    this.up = false;
    this.revision = null;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private tell(news: News): void { for (const hear of [...this.listeners.values()]) hear(news); }

  private connect(): void {
    this.timer = undefined;
    const source = this.source = this.open(`${ADDRESS}&since=${this.revision}`);
    const heard = (kind: string) => source.addEventListener(kind, ({ data = '', lastEventId = '' }) => {
      if (source !== this.source) return;
      const news = understood(kind, data);
      if (news) this.tell(news);
      const revision = kind === 'resync' ? revisionIn(data) ?? Number(lastEventId) : Number(lastEventId);
      // A resync may name an earlier revision: the server's past is another one.
      if (lastEventId === '' && kind !== 'resync' || !Number.isSafeInteger(revision) || (kind !== 'resync' && revision <= this.revision!)) return;
      this.revision = revision;
      this.tell({ kind: 'told', revision });
    });
    for (const kind of ['tiles', 'resync', 'indicators', 'case', 'boundary', 'staff', 'fence']) heard(kind);
    source.addEventListener('open', () => {
      if (source !== this.source) return;
      this.up = true;
      this.tell({ kind: 'link', up: true });
    });
    source.addEventListener('error', () => {
      if (source !== this.source) return;
      const refused = source.readyState === CLOSED;
      source.close();
      this.source = null;
      this.up = false;
      this.tell({ kind: 'link', up: false });
      this.timer = setTimeout(() => this.connect(), refused ? REFUSED_MS : AGAIN_MS);
    });
  }
}

function revisionIn(data: string): number | null {
  try {
    const { revision } = JSON.parse(data) as { revision?: unknown };
    return typeof revision === 'number' ? revision : null;
  } catch {
    return null;
  }
}
