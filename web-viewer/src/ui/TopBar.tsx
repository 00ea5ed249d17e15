// Date and time on the left, the platform's own title in the middle, data age and link on the right.
import { clock, dayAndTime } from '../format';
import { go, route, THEMES } from '../route';
import { link, meta, now } from '../state';
import { say } from '../words';
import { Caller, CallerPanel } from './Caller';

/** The button says what it leads to. */
const TO = { dark: 'toDark', light: 'toLight', print: 'toPrint' } as const;

export function TopBar() {
  const { up, at } = link.value;
  const theme = THEMES[(THEMES.indexOf(route.value.theme) + 1) % THEMES.length]!;
  const other = route.value.lang === 'en' ? 'zh' : 'en';
  return (
    <header class="top-bar">
      <p class="when">{dayAndTime(now.value)}</p>
      <h1>{meta.data?.title}{meta.data?.synthetic && <small class="synthetic">{say('synthetic')}</small>}</h1>
      <p class={up ? 'link' : 'link down'} role="status">
        <span>{up ? say('linked') : say('unlinked')}</span>
        <span>{say('dataTime')} <time>{clock(at)}</time></span>
        <button type="button" data-theme-next={theme} onClick={() => go({ theme })}>{say(TO[theme])}</button>
        <button type="button" lang={other} onClick={() => go({ lang: other })}>{other === 'en' ? 'English' : '中文'}</button>
        <Caller />
      </p>
      <CallerPanel />
    </header>
  );
}
