// A mode is a function: it loads what it shows, draws it, and leaves nothing behind when its signal aborts.
import { effect } from '@preact/signals';
import { api, Problem, type Child, type Counts, type GridCard, type Region, type SetLink } from './api';
import { drawClasses, onlyPressing } from './map/classes';
import { show, type Stage } from './map/create';
import { drawCases, drawFacilities, drawUrgent, light, spotlight, type Outline } from './map/spotlight';
import { loadTogether, type First } from './resource';
import { go, route, type Mode } from './route';
import { below, card, cases, categoryShown, children, classed, facilities, facilitiesDrawn, gridLevel, groupsShown, links, listed, meta, narrowed, notice, otherSets, region, tops, wholeName } from './state';

/** Where a route leads, and the boundaries of when. */
export interface Place { mode: Mode; at: string | null }

/** What a mode needs: the stage, and a way to hear that the city changed. */
export interface Context {
  /** The map takes longer to come than the first numbers. */
  stage: Promise<Stage>;
  /** Calls back after each new revision, and when the server answers again after a silence. */
  onChange(reload: () => void, signal: AbortSignal): void;
}

/** What other facilities fall to while those of a grid are shown. */
const FACILITIES_BEHIND = 0.25;

/** Parts so few that there is room to rank their parts as well. */
const FEW = 6;

/** Place above all regions: a city may have several top regions. */
const TOP = '';

/** Shows what a route names. `arrive` is called when it can be shown; until then the mode before stays. */
export async function enter({ mode, at }: Place, context: Context, signal: AbortSignal, arrive: () => void): Promise<void> {
  const roots = meta.data?.root ?? [];
  const target: Mode = mode.kind === 'top' && roots.length === 1 && tops.value.length === 1 ? { kind: 'region', code: roots[0]! } : mode;
  if (target.kind === 'grid') await enterGrid(target.code, at, context, signal, arrive);
  else await enterRegion(target.kind === 'region' ? target.code : TOP, at, context, signal, arrive);
}

async function enterRegion(code: string, at: string | null, { stage: coming, onChange }: Context, signal: AbortSignal, arrive: () => void): Promise<void> {
  const isTop = code === TOP || meta.data!.root.includes(code);
  const load = (first?: First) => {
    const parts: Promise<Child[]> = code === TOP ? roots(at, signal) : api.children(code, at, signal);
    return loadTogether([
      [region, code === TOP ? parts.then(whole) : api.region(code, at, signal)],
      [children, parts],
      [below, parts.then((found) => partsOf(found, at, signal))],
      [cases, api.cases(code || null, signal)],
    ], signal, first);
  };
  const outline = outlined(isTop ? null : api.outline('regions', code, at, signal));
  await load({ after: outline.loaded, arrive: () => { arrive(); begin(); } });
  if (signal.aborted) return;
  onChange(() => void load(), signal);
  const stage = await coming;
  if (signal.aborted) return;
  spotlight(stage.map, outline.value, 'region');
  leaveNothing(stage, signal);
  const stop = effect(() => {
    drawUrgent(stage.map, listed.value);
    // The whole city, every case of it: nothing recedes.
    light(stage.map, isTop && !narrowed.value ? null : listed.value);
  });
  const stopClasses = effect(() => {
    const { measure } = route.value;
    drawClasses(stage.map, measure ? classed.value : [], measure);
    onlyPressing(stage.map, measure ? cases.data : null);
  });
  signal.addEventListener('abort', () => {
    stop();
    stopClasses();
    drawClasses(stage.map, [], null);
    onlyPressing(stage.map, null);
  });
  const bbox = region.data?.bbox ?? (code === TOP ? meta.data!.bbox : null);
  if (bbox) show(stage, bbox);
}

/** The next level down of parts that are few; else nothing. */
async function partsOf(parts: readonly Pick<Child, 'code' | 'kind'>[], at: string | null, signal: AbortSignal): Promise<Child[]> {
  const regions = parts.filter((part) => !part.kind);
  if (regions.length < 2 || regions.length > FEW) return [];
  return (await Promise.all(regions.map(({ code }) => api.children(code, at, signal)))).flat();
}

/** An outline that may be missing: without it nothing recedes, and the rest is shown all the same. */
function outlined(fetching: Promise<Outline> | null): { loaded: Promise<void>; value: Outline | null } {
  const outline: { loaded: Promise<void>; value: Outline | null } = { loaded: Promise.resolve(), value: null };
  if (fetching) outline.loaded = fetching.then((value) => { outline.value = value; }, () => undefined);
  return outline;
}

/** What every mode starts from. */
function begin(): void {
  narrowed.value = null;
  notice.value = null;
}

/** What every mode takes away again. */
function leaveNothing(stage: Stage, signal: AbortSignal): void {
  signal.addEventListener('abort', () => {
    spotlight(stage.map, null);
    light(stage.map, null);
    drawUrgent(stage.map, []);
  });
}

/** The top regions, and the grids that stand beside them, or why there are none. */
async function roots(at: string | null, signal: AbortSignal): Promise<Child[]> {
  const { bbox, root, root_grids = [] } = meta.data!;
  if (!bbox) throw new Problem('no_boundaries', 404, 'no boundaries have been imported');
  return Promise.all([...root.map((code) => api.region(code, at, signal)), ...root_grids.map(async (code) => asChild(await api.card(code, at, signal)))]);
}

/** A grid by its card, as it stands among the parts of a region. */
export function asChild({ grid, team, facilities, open_cases }: GridCard): Child {
  const { code, name, kind, bbox, households, population, area_m2 } = grid;
  const counts: Counts = {
    grids: 1, facilities: facilities.total, open_cases: open_cases.total, overdue: open_cases.overdue, households: households ?? 0, population: population ?? 0,
    staff: (team.leader ? 1 : 0) + team.officers.length + team.members.length, area_m2,
  };
  return { code, name, level: gridLevel.value, kind, bbox, counts };
}

/** All that the caller may see as a region. */
function whole(): Region {
  const { bbox, counts, revision, epoch } = meta.data!;
  return { level: '', code: TOP, name: wholeName.value, path: [], bbox, counts, revision, epoch };
}

async function enterGrid(code: string, at: string | null, { stage: coming, onChange }: Context, signal: AbortSignal, arrive: () => void): Promise<void> {
  const load = (first?: First) => loadTogether([
    [card, api.card(code, at, signal)],
    [facilities, api.facilities(code, at, signal)],
    [cases, api.gridCases(code, at, signal)],
    [links, linksOf(code, at, signal)],
  ], signal, first);
  const outline = outlined(api.outline('grids', code, at, signal));
  await load({
    after: outline.loaded,
    arrive: () => {
      arrive();
      begin();
      groupsShown.value = new Set(meta.data?.default_facility_groups.map((group) => group.id));
      categoryShown.value = null;
    },
  });
  if (signal.aborted) return;
  onChange(() => void load(), signal);
  const stage = await coming;
  if (signal.aborted) return;
  const { map } = stage;
  spotlight(map, outline.value, 'grid');
  leaveNothing(stage, signal);
  const stops = [
    effect(() => drawFacilities(map, facilitiesDrawn.value)),
    effect(() => { drawCases(map, listed.value); drawUrgent(map, listed.value); light(map, listed.value); }),
  ];
  map.setPaintProperty('facilities', 'icon-opacity', FACILITIES_BEHIND);
  signal.addEventListener('abort', () => {
    for (const stop of stops) stop();
    drawFacilities(map, []);
    drawCases(map, []);
    map.setPaintProperty('facilities', 'icon-opacity', 1);
  });
  const bbox = card.data?.grid.bbox;
  if (bbox) show(stage, bbox);
}

/** In which grids of the other sets a grid lies. Sets that have none at that time are left out. */
async function linksOf(code: string, at: string | null, signal: AbortSignal): Promise<{ set: string; links: SetLink[] }[]> {
  const found = otherSets.value.map(async ({ set }) => ({ set, links: await api.links(code, set, at, signal).catch(() => []) }));
  return (await Promise.all(found)).filter(({ links: some }) => some.length > 0);
}

/** One level up; from a place that does not exist to the top. */
export function up(path: readonly { code: string }[]): void {
  const parent = path.at(-2);
  if (parent) go({ mode: { kind: 'region', code: parent.code } });
  else if (path.length === 0 || tops.value.length !== 1 || !tops.value.includes(path[0]!.code)) go({ mode: { kind: 'top' } });
}
