// The sheet of one grid at /g/CODE: what it is, who answers for it, where it is, and a code that leads here. On paper it is the contact
// card that hangs in the stairwell.
import { effect, signal } from '@preact/signals';
import { render } from 'preact';
import './page.css';
import { api, Problem, type Neighbour } from '../api';
import { zone } from '../format';
import { parse, route } from '../route';
import { Sheet, type Content } from './Sheet';

const RETRY_MS = 5_000;
/** Neighbours beyond these share too little border to be drawn. */
const NEIGHBOURS = 12;

const content = signal<Content | null>(null);
const problem = signal<string | null>(null);
const code = decodeURIComponent(location.pathname.split('/')[2]!);

async function load(): Promise<Content> {
  const [meta, categories, card, outline, facilities] = await Promise.all([
    api.meta(), api.categories(), api.card(code, null), api.outline('grids', code, null), api.facilities(code, null),
  ]);
  const around = await Promise.all(card.neighbours.items.slice(0, NEIGHBOURS).map(async ({ code: other, name }: Neighbour) =>
    ({ name, shape: (await api.outline('grids', other, null)).geometry })));
  return { meta, categories, card, shape: outline.geometry, facilities, around, address: `${location.origin}/g/${encodeURIComponent(code)}`, at: Date.now() };
}

async function start(): Promise<void> {
  route.value = parse(location.search);
  document.documentElement.dataset.sheet = '';
  effect(() => { document.documentElement.lang = route.value.lang; });
  render(<Sheet of={content} problem={problem} code={code} />, document.getElementById('app')!);
  for (;;) {
    try {
      const loaded = await load();
      zone.value = loaded.meta.time_zone;
      document.title = `${loaded.card.grid.name || code} · ${loaded.meta.title}`;
      content.value = loaded;
      return;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.value = error.code;
      if (error.status >= 400 && error.status < 500) return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

void start();
