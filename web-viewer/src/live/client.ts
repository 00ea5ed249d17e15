// The page's end of the live stream: through the worker that all tabs share, or by itself where there is none.
import type { News } from './news';
import { Stream } from './stream';
import type { Said } from './worker';

/** Hears the news from a revision on, until the page goes; a page that comes back out of the browser's cache joins again. */
export function hearNews(since: () => number, hear: (news: News) => void): void {
  const join = typeof SharedWorker === 'undefined' ? alone(hear) : shared(hear);
  let leave = join(since());
  addEventListener('pagehide', () => leave());
  addEventListener('pageshow', (event) => { if (event.persisted) leave = join(since()); });
}

type Join = (since: number) => () => void;

function shared(hear: (news: News) => void): Join {
  return (since) => {
    const worker = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'wangge-live' });
    const say = (said: Said) => worker.port.postMessage(said);
    worker.port.onmessage = ({ data }: MessageEvent<News>) => hear(data);
    say({ since });
    return () => { say('bye'); worker.port.close(); };
  };
}

function alone(hear: (news: News) => void): Join {
  const stream = new Stream((url) => new EventSource(url));
  return (since) => {
    const me = {};
    stream.join(me, since, hear);
    return () => stream.leave(me);
  };
}
