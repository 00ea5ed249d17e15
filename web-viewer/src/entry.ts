// One page, three faces: the map; at /g/CODE the sheet of one grid, which needs no map library; and, where the server tells callers apart
// and knows nobody, the way to log in.
import 'virtual:tokens.css';
import { ask, keepCamera, me, takeFragment, takeLeft, watchIdle, type Told } from './who';

async function enter(): Promise<void> {
  // First of all: nobody finds a token in the address.
  const { token, why } = takeFragment();
  const left = takeLeft();
  let told: Told = await ask();
  const is = told.kind === 'known' ? told.me : null;
  if (token !== null && is?.screen) {
    // A screen that is given a token is to be what that says; a person's session is not changed by a link.
    const begun = await (await import('./log-in/session')).begin(token);
    if ('me' in begun) told = { kind: 'known', me: begun.me };
  }
  // A server that does not answer yet is waited for by the page itself; a token would be lost meanwhile.
  const stranger = told.kind === 'nobody' || (told.kind === 'silent' && token !== null);
  if (stranger || (told.kind === 'known' && told.me && !told.me.rights.includes('read'))) {
    const { logIn } = await import('./log-in/start');
    me.value = await logIn({
      why: told.kind === 'known' ? 'no_map' : why ?? left?.why ?? (told.kind === 'nobody' ? told.why : null),
      screen: left?.screen ?? null, token: told.kind === 'known' ? null : token, me: told.kind === 'known' ? told.me : null,
    });
  } else if (told.kind === 'known') me.value = told.me;
  keepCamera(left?.camera ?? null);
  watchIdle();
  if (/^\/g\/[^/]+\/?$/.test(location.pathname)) await import('./page/start');
  else await import('./main');
}

void enter();
