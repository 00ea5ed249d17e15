// A mode is a function: it loads what it shows, draws it, and leaves nothing behind when its signal aborts.
import { effect } from '@preact/signals';
import { api, type Box, type Counts, type Region } from './api';
import { show, type Stage } from './map/create';
import { drawCases, drawFacilities, spotlight } from './map/spotlight';
import { go, type Mode, type Route } from './route';
import { card, cases, children, facilities, grouped, groupsShown, meta, picked, region } from './state';

/** What a mode needs: the stage, and a way to hear that the city changed. */
export interface Context {
  stage: Stage;
  /** Calls back after each new revision, and when the server answers again after a silence. */
  onChange(reload: () => void, signal: AbortSignal): void;
}

/** How much of the ground lies over what is not selected. */
const VEIL = { grid: 0.62, region: 0.5 };

/** What other facilities fall to while those of a grid are shown. */
const FACILITIES_BEHIND = 0.25;

/** Places above all regions: a city may have several top regions. */
export const TOP = '';

export async function enter({ mode, at }: Route, context: Context, signal: AbortSignal): Promise<void> {
  const roots = meta.data?.root ?? [];
  const target: Mode = mode.kind === 'top' && roots.length === 1 ? { kind: 'region', code: roots[0]! } : mode;
  signal.addEventListener('abort', () => {
    picked.value = null;
    spotlight(context.stage.map, null);
  });
  if (target.kind === 'grid') await enterGrid(target.code, at, context, signal);
  else await enterRegion(target.kind === 'region' ? target.code : TOP, at, context, signal);
}

async function enterRegion(code: string, at: string | null, { stage, onChange }: Context, signal: AbortSignal): Promise<void> {
  if (region.data?.code !== code) for (const shown of [region, children, cases]) shown.clear();
  const load = async () => {
    const parts = code === TOP ? Promise.all(meta.data!.root.map((root) => api.region(root, at, signal))) : api.children(code, at, signal);
    const [shown] = await Promise.all([
      region.load(code === TOP ? parts.then((roots) => whole(roots as Region[])) : api.region(code, at, signal), signal),
      children.load(parts, signal),
      cases.load(api.cases(code || null, signal), signal),
    ]);
    return shown;
  };
  onChange(load, signal);
  const shown = await load();
  if (!shown) return;
  show(stage, shown.bbox);
  if (code === TOP || meta.data?.root.includes(code)) return;
  const outline = await api.outline('regions', code, at, signal).catch(() => null);
  if (outline && !signal.aborted) spotlight(stage.map, outline, VEIL.region);
}

/** All top regions as one. */
function whole(roots: readonly Region[]): Region {
  const sum = (of: keyof Counts) => roots.reduce((total, root) => total + root.counts[of], 0);
  const { title, bbox, revision, epoch } = meta.data!;
  return {
    level: '', code: TOP, name: title, path: [], bbox: bbox ?? [-180, -60, 180, 75], revision, epoch: epoch ?? 0,
    counts: {
      grids: sum('grids'), facilities: sum('facilities'), open_cases: sum('open_cases'), overdue: sum('overdue'),
      households: sum('households'), population: sum('population'), staff: sum('staff'), area_m2: sum('area_m2'),
    },
  };
}

async function enterGrid(code: string, at: string | null, { stage, onChange }: Context, signal: AbortSignal): Promise<void> {
  for (const shown of [card, facilities, cases]) shown.clear();
  groupsShown.value = new Set(meta.data?.default_facility_groups.map((group) => group.id));
  const load = async () => {
    const [shown] = await Promise.all([
      card.load(api.card(code, at, signal), signal),
      facilities.load(api.facilities(code, at, signal), signal),
      cases.load(api.cases(code, signal), signal),
    ]);
    return shown;
  };
  onChange(load, signal);
  const stops = [
    effect(() => {
      const drawn = grouped.value.filter(({ group }) => groupsShown.value.has(group.id));
      drawFacilities(stage.map, drawn.flatMap((of) => of.facilities));
    }),
    effect(() => drawCases(stage.map, cases.data ?? [])),
  ];
  stage.map.setPaintProperty('facilities', 'icon-opacity', FACILITIES_BEHIND);
  signal.addEventListener('abort', () => {
    for (const stop of stops) stop();
    stage.map.setPaintProperty('facilities', 'icon-opacity', 1);
    drawFacilities(stage.map, []);
    drawCases(stage.map, []);
  });
  const [outline, shown] = await Promise.all([api.outline('grids', code, at, signal).catch(() => null), load()]);
  if (signal.aborted) return;
  if (outline) spotlight(stage.map, outline, VEIL.grid);
  if (shown) show(stage, shown.grid.bbox as Box);
}

/** One level up; from the top nothing. */
export function up(path: readonly { code: string }[]): void {
  const parent = path.at(-2);
  if (parent) go({ mode: { kind: 'region', code: parent.code } });
}
