// Starts the viewer: what the city is, then the map, then the panels; after that the address decides what is shown.
import { computed, effect, signal, untracked } from '@preact/signals';
import { render } from 'preact';
import './ui/app.css';
import { api, Problem } from './api';
import { SOON_MS } from './casestate';
import { areaText } from './area';
import { enterArea } from './areas';
import { colour } from './colour';
import { zone } from './format';
import { hearNews } from './live/client';
import { sourceOf, touches, type News } from './live/news';
import { drawBasemap } from './map/basemaps';
import { addClasses } from './map/classes';
import { createMap, type Stage } from './map/create';
import { addArea, watchDrawing } from './map/draw';
import { switchLayers } from './map/layers';
import { addNames } from './map/names';
import { addBuildings, BUILDINGS } from './map/buildings';
import { addOrganizations, ORGANIZATIONS } from './map/organizations';
import { watchPointer } from './map/pointer';
import { Refresh } from './map/refresh';
import { drawSets, setSource } from './map/sets';
import { addSpotlight, drawSpot } from './map/spotlight';
import { boundariesUrl, fit } from './map/style';
import { drawThematic } from './map/thematic';
import { watchTrouble } from './map/trouble';
import { enter, up, type Context } from './modes';
import { format, go, listen, route } from './route';
import { baseShown, card, categories, categoryIcons, gridShown, link, live, meta, minute, now, organizationCategories, organizationIcons, otherSets, path, region, shown, spot, thematic, thematicShown, wanting } from './state';
import { shape, watchScreen } from './unit';
import { App } from './ui/App';
import { hasIcon } from './ui/Icon';
import { doubt, me, watchCamera } from './who';
import type { VectorTileSource } from 'maplibre-gl';

/** How often the server is asked whether something changed. */
const POLL_MS = 10_000;
/** How often, while it does not answer. */
const RETRY_MS = 2_000;
/** The map waits so long for the first numbers. */
const NUMBERS_MS = 700;
/** Numbers are not loaded anew more often than this. */
const BETWEEN_MS = 1_000;
/** So close a place that was searched for is shown. */
const SPOT_ZOOM = 15;
/** A cursor that rests this long is hidden. */
const CURSOR_MS = 10_000;

async function start(): Promise<void> {
  watchScreen(() => meta.data?.wall);
  listen();
  setInterval(() => { now.value = Date.now(); }, 1000);
  render(<App />, document.getElementById('app')!);
  hideRestingCursor();
  effect(() => { document.documentElement.lang = route.value.lang; });
  const { theme } = route.value;
  document.documentElement.dataset.theme = theme;
  // The map is painted once; another theme is another page.
  effect(() => { if (route.value.theme !== theme) location.reload(); });

  while (!(await ask())) await pause(RETRY_MS);
  // Whoever found no server when they came is known only now.
  if (!me.value) void doubt();
  const city = meta.data!;
  // Whoever may see one grid only is there at once.
  if (route.value.mode.kind === 'top' && city.root.length === 0 && city.root_grids?.length === 1) {
    route.value = { ...route.value, mode: { kind: 'grid', code: city.root_grids[0]! } };
    history.replaceState(null, '', location.pathname + format(route.value));
  }
  document.title = city.title;
  zone.value = city.time_zone;
  const styled = persistently(() => api.style(theme));
  categories.value = await persistently(() => api.categories());
  if (city.counts.organizations) organizationCategories.value = await persistently(() => api.organizationCategories());

  if (city.layers) void keepLayers();

  const stage = deferred<Stage>(), numbers = deferred<void>();
  const reloads = new Set<() => void>();
  const context: Context = {
    stage: stage.promise,
    onChange(reload, signal) {
      reloads.add(reload);
      signal.addEventListener('abort', () => reloads.delete(reload));
    },
  };
  /** Counts up when the mode must be entered again, because a part of it never came. */
  const attempt = signal(0);
  // The mode that is shown stays until the next one has what it shows; one that is overtaken on the way never shows.
  let here = new AbortController(), coming = new AbortController();
  const place = computed(() => JSON.stringify([route.value.mode, route.value.at]));
  effect(() => {
    place.value;
    attempt.value;
    const there = untracked(() => route.value);
    coming.abort();
    const next = coming = new AbortController();
    const arrive = () => {
      here.abort();
      [here, coming] = [next, new AbortController()];
      shown.value = { ...route.value, mode: there.mode, at: there.at };
      numbers.resolve();
    };
    void untracked(() => enter(there, context, next.signal, arrive));
  });
  // What does not change the place is shown at once.
  effect(() => {
    const { mode, at } = shown.value ?? {};
    if (mode && JSON.stringify([mode, at]) === place.value) shown.value = route.value;
  });
  const picked = computed(() => (route.value.area ? areaText(route.value.area) : ''));
  effect(() => {
    if (!picked.value) return;
    const leaving = new AbortController();
    untracked(() => void enterArea(route.value.area!, context, leaving.signal));
    return () => leaving.abort();
  });

  effect(() => { if (shown.value) document.documentElement.dataset.shown = format(shown.value); });
  addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    if (route.value.area) go({ area: null });
    else up(path.value);
  });

  // Making the map holds everything up: the first numbers are painted before, when they come soon.
  await Promise.race([numbers.promise.then(painted), pause(NUMBERS_MS)]);
  const { at } = route.value;
  const made = await createMap(document.getElementById('map')!, fit(await styled, {
    levels: city.scheme.levels, icons: categoryIcons.value, origin: location.origin,
    at, background: city.background, landOther: colour('land-other'),
    note: shape.value === 'desk' ? 14 : 16,
  }), city.bbox);
  const { map } = made;
  watchCamera(() => ({ address: location.pathname + location.search, center: map.getCenter().toArray(), zoom: map.getZoom() }));
  addClasses(map);
  addNames(map);
  addSpotlight(map, categoryIcons.value);
  if (organizationCategories.value.length > 0) addOrganizations(map, organizationIcons.value, shape.value === 'desk' ? 12 : 16);
  // A wall runs for weeks, and may see the first of them come.
  effect(() => {
    if (meta.data?.counts.buildings && !map.getSource(BUILDINGS)) addBuildings(map);
  });
  addArea(map);
  watchPointer(map);
  watchDrawing(map);
  effect(() => switchLayers(map, route.value.hide));
  effect(() => drawSets(map, route.value.sets, otherSets.value.map(({ set }) => set), route.value.at, shape.value === 'desk' ? 14 : 16));
  const note = shape.value === 'desk' ? 14 : 16;
  watchTrouble(map);
  effect(() => drawBasemap(map, baseShown.value, theme, note));
  effect(() => drawThematic(map, thematicShown.value, hasIcon, note));
  stage.resolve(made);
  effect(() => {
    map.setGlobalStateProperty('now', minute.value / 1000);
    map.setGlobalStateProperty('soon_before', (minute.value + SOON_MS) / 1000);
  });
  let boundariesAt = at;
  effect(() => {
    if (route.value.at === boundariesAt) return;
    boundariesAt = route.value.at;
    (map.getSource('boundaries') as VectorTileSource).setUrl(location.origin + boundariesUrl(boundariesAt));
  });

  effect(() => {
    drawSpot(map, spot.value);
    if (spot.value && map.getZoom() < SPOT_ZOOM) map.jumpTo({ center: spot.value, zoom: SPOT_ZOOM });
    else if (spot.value) map.jumpTo({ center: spot.value });
  });

  expose(map);

  await keepUp(new Refresh(map), reloads, () => { attempt.value++; });
}

/** Keeps what is shown in step with the server: by its news at once, and by asking now and then, which finds what no news tells. */
async function keepUp(refresh: Refresh, reloads: ReadonlySet<() => void>, again: () => void): Promise<never> {
  // Time makes cases overdue without a revision.
  const state = () => `${meta.data!.revision} ${caseCounts()}`;
  const caseCounts = () => `${meta.data!.counts.open_cases} ${meta.data!.counts.overdue}`;
  let known = state(), knownCases = caseCounts();
  /** Up to this revision the news have told what changed. */
  let heard = meta.data!.revision;
  const everything = () => { 
    for (const source of ['boundaries', 'facilities', 'cases']) refresh.source(source, null);
    for (const source of [ORGANIZATIONS, BUILDINGS]) refresh.drawn(source);
    for (const { set } of otherSets.value) refresh.drawn(setSource(set));
  };
  const reload = soon(() => { for (const each of reloads) each(); });
  hearNews(() => meta.data!.revision, (news: News) => {
    // A stream ends with the session it was opened with.
    if (news.kind === 'link' && live.value && !news.up) void doubt();
    if (news.kind === 'link') live.value = news.up;
    if (news.kind === 'told') heard = Math.max(heard, news.revision);
    if (news.kind === 'resync') {
      everything();
      reload();
    }
    const source = news.kind !== 'tiles' ? null : news.set ? setSource(news.set) : sourceOf(news.layer);
    if (news.kind !== 'tiles' || !source) return;
    if (news.set) refresh.drawn(source, null);
    else if (source === ORGANIZATIONS || source === BUILDINGS) refresh.drawn(source, news.all ? null : news.tiles);
    else refresh.source(source, news.all ? null : news.tiles);
    const bbox = gridShown.value ? card.data?.grid.bbox : region.data?.bbox;
    if (news.all || !bbox || touches(news.tiles, bbox)) reload();
  });

  for (;;) {
    const { up } = link.value;
    await pause(up ? POLL_MS : RETRY_MS);
    if (!(await ask()) || (up && state() === known && !wanting.value)) continue;
    // What the news told is shown already.
    const told = up && live.value && meta.data!.revision <= heard && caseCounts() === knownCases;
    if (!up || (!told && !live.value)) everything();
    // Tiles of cases are not announced.
    else if (!told) refresh.source('cases', null);
    [known, knownCases] = [state(), caseCounts()];
    if (told && !wanting.value) continue;
    const named = await api.categories().catch(() => null);
    if (named) categories.value = named;
    if (wanting.value) again();
    else reload();
  }
}

/** Does it now, and when it is asked for again within a second, once more after it. */
function soon(act: () => void): () => void {
  let resting = false, wanted = false;
  return function ask(): void {
    if (resting) { wanted = true; return; }
    resting = true;
    wanted = false;
    act();
    setTimeout(() => { resting = false; if (wanted) ask(); }, BETWEEN_MS);
  };
}

/** Asks again and again what thematic layers hold: their sources have no revision. */
async function keepLayers(): Promise<never> {
  for (;;) {
    const told = await api.layers().catch(() => null);
    // The same is no news: what depends on it is not drawn anew.
    if (told && JSON.stringify(told) !== JSON.stringify(thematic.value)) thematic.value = told;
    await pause(POLL_MS);
  }
}

/** Tries until it succeeds: a wall that started a moment too early must not stay half blind for weeks. */
async function persistently<T>(fetching: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await fetching();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      await pause(RETRY_MS);
    }
  }
}

/** Asks for the city's meta data; whether there was an answer. */
async function ask(): Promise<boolean> {
  const answered = await meta.load(api.meta());
  link.value = answered ? { up: true, at: Date.now() } : { ...link.value, up: false };
  return answered !== null;
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  return { promise: new Promise<T>((given) => { resolve = given; }), resolve };
}

/** A frame was painted. */
const painted = () => new Promise<void>((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function hideRestingCursor(): void {
  let timer = 0;
  addEventListener('pointermove', () => {
    document.documentElement.classList.remove('resting');
    clearTimeout(timer);
    timer = window.setTimeout(() => document.documentElement.classList.add('resting'), CURSOR_MS);
  });
}

/** For tests in a browser and for the console. */
function expose(map: unknown): void { Object.assign(window, { wangge: { map } }); }

start().catch((error: unknown) => {
  link.value = { ...link.value, up: !(error instanceof Problem) && link.value.up };
  throw error;
});
