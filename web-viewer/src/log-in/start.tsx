// Shows the log-in page in place of whatever the address names, until somebody is in.
import { effect } from '@preact/signals';
import { render } from 'preact';
import './log-in.css';
import { parse, route } from '../route';
import { watchScreen } from '../unit';
import type { Me, Why } from '../who';
import { say } from '../words';
import { LogIn } from './LogIn';

export interface Asked {
  why: Why | null;
  /** The screen that this was. */
  screen: string | null;
  /** What the address brought. */
  token: string | null;
  /** Who is in already, and may not see the map. */
  me: Me | null;
}

export async function logIn(asked: Asked): Promise<Me> {
  const root = document.documentElement, home = document.getElementById('app')!;
  route.value = parse(location.search);
  root.dataset.logIn = '';
  const stops = [
    watchScreen(() => null),
    effect(() => { root.lang = route.value.lang; root.dataset.theme = route.value.theme; document.title = say('logIn'); }),
  ];
  const back = () => { route.value = parse(location.search); };
  addEventListener('popstate', back);
  const me = await new Promise<Me>((resolve) => render(<LogIn asked={asked} done={resolve} />, home));
  render(null, home);
  for (const stop of stops) stop();
  removeEventListener('popstate', back);
  delete root.dataset.logIn;
  return me;
}
