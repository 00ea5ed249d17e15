// The server does not answer: what is shown is that of then, and someone is told so in one sentence.
import { clock } from '../format';
import { link, meta } from '../state';
import { say } from '../words';

export function Lost() {
  const { up, at } = link.value;
  if (up || !meta.data) return null;
  return <p class="lost" role="alert">{say('lostOf')} <time>{clock(at)}</time>{say('lostNow')}</p>;
}
