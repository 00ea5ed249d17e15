// The log-in page: why one is here, the log-in pages of other systems, and a field for a token. Nothing of the city.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { go, route } from '../route';
import { ask, hereFrom, logOut, type Me, type Why } from '../who';
import { say, type Word } from '../words';
import { begin, ways, type Way } from './session';
import type { Asked } from './start';

/** How often a server that does not answer is asked again. */
const AGAIN_MS = 2_000;

/** What needs nobody, and is told quietly. */
const QUIET: readonly Why[] = ['out', 'silent'];

export function LogIn({ asked, done }: { asked: Asked; done: (me: Me) => void }) {
  const why = useSignal<Why | null>(asked.why);
  const others = useSignal<Way[] | null>(null);
  const working = useSignal(false);
  /** Seconds until one may try again. */
  const wait = useSignal(0);
  const field = useRef<HTMLInputElement>(null);
  const { lang, wall } = route.value;
  const large = asked.screen !== null || wall !== null;

  const tryWith = async (token: string) => {
    working.value = true;
    for (;;) {
      const begun = await begin(token);
      if ('me' in begun) {
        if (begun.me.rights.includes('read')) return done(begun.me);
        // It says who one is, and that this is not enough.
        location.reload();
        return;
      }
      why.value = begun.why;
      wait.value = begun.again_s ?? 0;
      if (begun.why !== 'silent') break;
      await pause(AGAIN_MS);
    }
    working.value = false;
    field.current?.focus();
    field.current?.select();
  };

  useEffect(() => {
    let gone = false;
    if (asked.me) return;
    if (asked.token !== null) void tryWith(asked.token);
    void (async () => {
      for (;;) {
        const found = await ways();
        if (gone) return;
        if (found) {
          others.value = found;
          // Where accounts are the usual way in, no keyboard of a phone jumps up.
          if (found.length === 0 || large) field.current?.focus();
          if (why.value === 'silent' && !working.value) why.value = asked.why;
          return;
        }
        why.value = 'silent';
        await pause(AGAIN_MS);
      }
    })();
    // Somebody logged in in another tab.
    const look = async () => {
      if (working.value) return;
      const told = await ask();
      if (told.kind === 'known' && told.me?.rights.includes('read')) done(told.me);
    };
    const seen = () => { if (document.visibilityState === 'visible') void look(); };
    document.addEventListener('visibilitychange', seen);
    return () => { gone = true; document.removeEventListener('visibilitychange', seen); };
  }, []);

  useEffect(() => {
    if (wait.value <= 0) return;
    const timer = setTimeout(() => { wait.value--; }, 1000);
    return () => clearTimeout(timer);
  }, [wait.value]);

  const to = encodeURIComponent(hereFrom(location)), hasOthers = (others.value?.length ?? 0) > 0;
  const send = (event: Event) => {
    event.preventDefault();
    const token = field.current!.value;
    if (token.trim() && !working.value && wait.value === 0) void tryWith(token);
  };
  return (
    <main class={large ? 'log-in large' : 'log-in'}>
      <section class="door" aria-busy={working.value}>
        <h1>{say('logIn')}</h1>
        {(asked.screen || why.value) && (
          <div class="said">
            {asked.screen && <p class="screen-name">{say('screen')} {asked.screen}</p>}
            {why.value && <p class={QUIET.includes(why.value) ? 'why quiet' : 'why'} role="alert">{sentence(why.value, large, asked.me)}{wait.value > 0 && ` ${wait.value} ${say('seconds')}`}</p>}
          </div>
        )}
        <div class="in">
          {asked.me ? <button type="button" onClick={() => void logOut('out')}>{say('logOut')}</button> : <>
            {hasOthers && <>
              <ul class="ways">{others.value!.map(({ kind, title, href }, n) => <li key={kind}><a class={n === 0 ? 'main' : ''} data-way={kind} href={`${href}?to=${to}`}>{title}</a></li>)}</ul>
              <p class="or"><span>{say('or')}</span></p>
            </>}
            {/* No name: a form that a browser sends by itself would put the token into an address. */}
            <form onSubmit={send} autocomplete="off">
              <label for="token">{say('accessToken')}</label>
              <input ref={field} id="token" type="password" autocomplete="off" autocapitalize="off" spellcheck={false} required />
              <button type="submit" class={hasOthers ? '' : 'main'} disabled={working.value || wait.value > 0}>{say(working.value ? 'loggingIn' : 'logInWithToken')}</button>
            </form>
            <p class="hint">{say('noAccount')}</p>
          </>}
        </div>
      </section>
      <button type="button" class="language" lang={lang === 'en' ? 'zh' : 'en'} onClick={() => go({ lang: lang === 'en' ? 'zh' : 'en' })}>{lang === 'en' ? '中文' : 'English'}</button>
    </main>
  );
}

/** Why one is here, in one sentence. */
export function sentence(why: Why, large: boolean, me: Me | null): string {
  const own = large && why === 'ended' ? 'why_screen' : `why_${why}`;
  const who = why === 'no_map' && me ? `${me.name ?? me.id}${route.value.lang === 'en' ? ': ' : '：'}` : '';
  return who + say(own as Word);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
