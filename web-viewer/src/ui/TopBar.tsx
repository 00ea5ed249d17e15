// Date and time on the left, the platform's own title in the middle, data age and link on the right.
import { clock, dayAndTime } from '../format';
import { go, route } from '../route';
import { link, meta, now } from '../state';
import { say } from '../words';

export function TopBar() {
  const { up, at } = link.value;
  const { theme } = route.value;
  const other = route.value.lang === 'en' ? 'zh' : 'en';
  return (
    <header class="top-bar">
      <p class="when">{dayAndTime(now.value)}</p>
      <h1>{meta.data?.title}{meta.data?.synthetic && <small class="synthetic">{say('synthetic')}</small>}</h1>
      <p class={up ? 'link' : 'link down'} role="status">
        <span>{up ? say('linked') : say('unlinked')}</span>
        <span>{say('dataTime')} <time>{clock(at)}</time></span>
        <button type="button" onClick={() => go({ theme: theme === 'dark' ? 'light' : 'dark' })}>{say(theme === 'dark' ? 'light' : 'dark')}</button>
        <button type="button" lang={other} onClick={() => go({ lang: other })}>{other === 'en' ? 'English' : '中文'}</button>
      </p>
    </header>
  );
}
