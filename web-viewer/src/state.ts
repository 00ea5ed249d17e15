// What the panels show. Filled by the modes, read by ui/; the map has its own state.
import { computed, signal } from '@preact/signals';
import { route } from './route';
import type { Basemap, Case, Category, Child, Facility, FacilityGroup, GridCard, Meta, Near, Place, Position, Region, Selected, SetLink, ThematicLayer } from './api';
import { isPassing, Resource } from './resource';
import type { Route } from './route';
import { me } from './who';
import { OTHERS, say } from './words';

export const meta = new Resource<Meta>();
export const categories = signal<Category[]>([]);
/** Categories of organizations; none where there are no organizations. */
export const organizationCategories = signal<Category[]>([]);
export const region = new Resource<Region>();
export const children = new Resource<Child[]>();
/** One level below the children, where these are few. */
export const below = new Resource<Child[]>();
export const cases = new Resource<Case[]>();
export const card = new Resource<GridCard>();
export const facilities = new Resource<Facility[]>();
/** In which grids of the other sets the selected grid lies. */
export const links = new Resource<{ set: string; links: SetLink[] }[]>();
/** What lies in the area that is picked, and what is near the point that is. */
export const selected = new Resource<Selected>();
export const near = new Resource<Near[]>();
/** The tool in hand. */
export const tool = signal<Tool | null>(null);
export type Tool = 'lasso' | 'circle' | 'corridor';
/** Whether the live stream is open. */
export const live = signal(false);
/** The one category of facilities that is drawn in the selected grid; null: the groups that are switched on. */
export const categoryShown = signal<string | null>(null);

/** The route whose data are shown; a step behind the address while the next loads. */
export const shown = signal<Route | null>(null);
export const gridShown = computed(() => shown.value?.mode.kind === 'grid');
/** The present time in ms, advanced every second. */
export const now = signal(Date.now());
/** Changes once a minute, so that lists are not sorted every second. */
export const minute = computed(() => Math.floor(now.value / 60_000) * 60_000);
/** When the server last answered, in ms; and whether it answered the last time. */
export const link = signal({ up: true, at: Date.now() });
/** The time for which ages are told: while the server does not answer, that of its last answer. */
export const told = computed(() => (link.value.up ? minute.value : link.value.at));
/** Facility groups that are drawn in the selected grid. */
export const groupsShown = signal<ReadonlySet<string>>(new Set());
/** The facility or case that was clicked. */
export const picked = signal<{ kind: 'facility' | 'case'; id: number } | null>(null);
export const zoom = signal(0);
/** The zoom of the tiles that are drawn. */
const deep = computed(() => Math.floor(zoom.value));
/** A place that was searched for by its position. */
export const spot = signal<Position | null>(null);
/** Why the last click on the map led nowhere, as the code of a problem. */
export const notice = signal<string | null>(null);
/** What the pointer points at. */
export const pointer = signal<{ position: [number, number]; beidou: string | null } | null>(null);

/** The name of the grids' level in the city's scheme. */
export const gridLevel = computed(() => meta.data?.scheme.levels.at(-1)?.name ?? 'grid');

/** Grid sets beside the hierarchy's own. */
export const otherSets = computed(() => (meta.data?.grid_sets ?? []).slice(1));

export const basemaps = computed(() => meta.data?.basemaps ?? []);
/** The map that lies under ours. */
export const baseShown = computed<Basemap | null>(() => {
  const { base } = route.value;
  return basemaps.value.find(({ id, shown: first }) => (base === null ? first : id === base)) ?? null;
});
/** Things of others, as the server last told of them. */
export const thematic = signal<ThematicLayer[]>([]);
/** Those that are drawn. */
export const thematicShown = computed(() => {
  const { layers } = route.value;
  return thematic.value.filter(({ id, shown: first }) => (layers === null ? first : layers.includes(id)));
});
/** Sources of others whose tiles did not come the last time. */
export const troubled = signal<ReadonlySet<string>>(new Set());
/** The thing of a thematic layer that was clicked. */
export const thing = signal<{ layer: string; properties: Record<string, unknown> } | null>(null);

/** Codes that have nothing above them that the caller may see. */
export const tops = computed(() => [...meta.data?.root ?? [], ...meta.data?.root_grids ?? []]);

/** What all that the caller may see is called. A part is not told as the whole city. */
export const wholeName = computed(() => (me.value?.within ? say('myPart') : meta.data?.title ?? ''));

/** Of places from the top down those where the caller may go: what lies above their part of the city is no place of theirs. */
export function reachable<T extends { code: string }>(places: readonly T[]): T[] {
  return places.slice(Math.max(0, places.findIndex(({ code }) => tops.value.includes(code))));
}

/** From the top region to the one shown, the grid last. */
export const path = computed<Place[]>(() => {
  if (gridShown.value) {
    const grid = card.data?.grid;
    return grid ? reachable([...card.data!.path, { level: gridLevel.value, code: grid.code, name: grid.name || grid.code }]) : [];
  }
  const here = region.data;
  return here ? reachable([...here.path.filter((place) => place.code !== here.code), { level: here.level, code: here.code, name: here.name || here.code }]) : [];
});

/** Names of categories, components and matters apart: the same digits exist in both. */
export const categoryNames = computed(() => {
  const names = { component: new Map<string, string>(), matter: new Map<string, string>() };
  for (const { kind, code, name } of categories.value) if (kind !== 'organization') names[kind].set(code, name);
  return names;
});

export const organizationIcons = computed(() => new Map(organizationCategories.value.map(({ code, icon }) => [code, icon])));

export const categoryIcons = computed(() =>
  new Map(categories.value.filter((category) => category.kind === 'component').map((category) => [category.code, category.icon])));

/** The cases that a clicked number counts; null: all. The same word again takes it away. */
export const narrowed = signal<{ key: string; label: string; holds: (shown: Case) => boolean } | null>(null);

export function narrow(key: string, label: string, holds: (shown: Case) => boolean): void {
  narrowed.value = narrowed.value?.key === key ? null : { key, label, holds };
}

export const listed = computed(() => (cases.data ?? []).filter(narrowed.value?.holds ?? (() => true)));

/** The groups, and the rest, with the facilities of the selected grid that belong to each. A facility is counted once. */
export const grouped = computed(() => {
  const all = facilities.data ?? [];
  const groups = meta.data?.default_facility_groups ?? [];
  const groupOf = new Map(groups.flatMap((group) => group.categories.map((category) => [category, group.id] as const)));
  const others: Pick<FacilityGroup, 'id' | 'icon'> & Partial<FacilityGroup> = { id: OTHERS, icon: 'component' };
  return [...groups, others].map((group) => ({ group, facilities: all.filter(({ category }) => (groupOf.get(category) ?? OTHERS) === group.id) }));
});

/** The parts that are told apart by colour when a measure is chosen: the lowest level that is loaded and drawn at this zoom. */
export const classed = computed(() => {
  const parts = below.data ?? [];
  const drawn = meta.data?.scheme.levels.find((level) => level.name === parts[0]?.level)?.minzoom ?? 0;
  return parts.length > 0 && deep.value >= drawn ? parts : children.data ?? [];
});

/** The facilities that are drawn. */
export const facilitiesDrawn = computed(() => {
  const only = categoryShown.value;
  if (only !== null) return (facilities.data ?? []).filter(({ category }) => category === only);
  return grouped.value.filter(({ group }) => groupsShown.value.has(group.id)).flatMap((of) => of.facilities);
});

/** Something that should be shown did not come, and may come the next time. */
export const wanting = computed(() => [region, children, below, cases, card, facilities].some(({ state }) => isPassing(state.value.problem)));
