// Shared by all tabs of a browser: one stream, for a browser opens at most six connections to a host over HTTP/1.1.
import { Stream } from './stream';

/** What a tab says: where it is, or that it goes. */
export type Said = { since: number } | 'bye';

const stream = new Stream((url) => new EventSource(url));

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = ({ ports }) => {
  const port = ports[0]!;
  port.onmessage = ({ data }: MessageEvent<Said>) => {
    if (data === 'bye') stream.leave(port);
    else stream.join(port, data.since, (news) => port.postMessage(news));
  };
};
