// What the panels show. Filled by the modes, read by ui/; the map has its own state.
import { computed, signal } from '@preact/signals';
import type { Case, Category, Child, Facility, GridCard, Meta, Place, Region } from './api';
import { Resource } from './resource';
import { route } from './route';

export const meta = new Resource<Meta>();
export const categories = signal<Category[]>([]);
export const region = new Resource<Region>();
export const children = new Resource<Child[]>();
export const cases = new Resource<Case[]>();
export const card = new Resource<GridCard>();
export const facilities = new Resource<Facility[]>();

/** The present time in ms, advanced every second. */
export const now = signal(Date.now());
/** When the server last answered, in ms; and whether it answered the last time. */
export const link = signal({ up: true, at: Date.now() });
/** Facility groups that are drawn in the selected grid. */
export const groupsShown = signal<ReadonlySet<string>>(new Set());
/** The facility or case that was clicked. */
export const picked = signal<{ kind: 'facility' | 'case'; id: number } | null>(null);
export const zoom = signal(0);
/** Why the last click on the map led nowhere, as the code of a problem. */
export const notice = signal<string | null>(null);
/** What the pointer points at. */
export const pointer = signal<{ position: [number, number]; beidou: string | null } | null>(null);

/** From the top region to the one shown, the grid last. */
export const path = computed<Place[]>(() => {
  if (route.value.mode.kind === 'grid') {
    const shown = card.data;
    return shown ? [...shown.path, { level: 'grid', code: shown.grid.code, name: shown.grid.name || shown.grid.code }] : [];
  }
  const shown = region.data;
  return shown ? [...shown.path.filter((place) => place.code !== shown.code), { level: shown.level, code: shown.code, name: shown.name || shown.code }] : [];
});

/** Names of categories, components and matters apart: the same digits exist in both. */
export const categoryNames = computed(() => {
  const names = { component: new Map<string, string>(), matter: new Map<string, string>() };
  for (const category of categories.value) names[category.kind].set(category.code, category.name);
  return names;
});

export const categoryIcons = computed(() =>
  new Map(categories.value.filter((category) => category.kind === 'component').map((category) => [category.code, category.icon])));

/** The groups with the facilities of the selected grid that belong to each. A facility is counted once. */
export const grouped = computed(() => {
  const all = facilities.data ?? [];
  return (meta.data?.default_facility_groups ?? []).map((group) => {
    const members = new Set(group.categories);
    return { group, facilities: all.filter((facility) => members.has(facility.category)) };
  });
});
