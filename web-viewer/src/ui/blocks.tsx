// The blocks of the rails. Left: how much. Right: what.
import { AGE_BANDS, ageBand, countAges } from '../casestate';
import { area, count } from '../format';
import { go, route, type Measure } from '../route';
import { below, card, cases, categoryNames, categoryShown, children, listed, narrow, narrowed, region, told } from '../state';
import { shape } from '../unit';
import { say, sayValue, type Word } from '../words';
import { Block, Empty } from './Block';
import { CaseRow } from './CaseRow';
import { Bars, Rows, type Bar } from './Rows';
import type { Child, Counts } from '../api';

export function Ages() {
  const all = cases.data ?? [];
  const unlocated = all.filter((shown) => !shown.position).length;
  const bands = countAges(all, told.value);
  const press = (n: number) => narrow(`age-${n}`, say(`age-${n}` as Word), (one) => one.reported_at !== undefined && ageBand(one.reported_at, told.value) === n);
  return (
    <Block title={`${say('open')} · ${say('byAge')}`} of={cases}>
      <p class="figure">{count(all.length)} <small>{say('items')}</small>{unlocated > 0 && <button type="button" onClick={() => narrow('unlocated', say('unlocated'), (one) => one.position === null)}>{say('unlocated')} {count(unlocated)}</button>}</p>
      {all.length === 0 ? <Empty words={say('noCases')} />
        : <Bars bars={AGE_BANDS.map((_, n) => ({ key: String(n), label: say(`age-${n}` as Word), value: bands[n]!, pressed: narrowed.value?.key === `age-${n}`, onClick: () => press(n) }))} />}
    </Block>
  );
}

export function Categories() {
  const counts = new Map<string, number>();
  for (const { category } of cases.data ?? []) counts.set(category, (counts.get(category) ?? 0) + 1);
  const names = categoryNames.value.matter;
  const bars = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]))
    .map(([category, value]) => {
      const label = names.get(category) ?? category;
      return { key: category, label, value, pressed: narrowed.value?.key === category, onClick: () => narrow(category, label, (one) => one.category === category) };
    });
  return (
    <Block title={say('byCategory')} of={cases}>
      {bars.length === 0 ? <Empty words={say('noCases')} /> : <Bars bars={bars} />}
    </Block>
  );
}

interface Fact { word: Word; value: string; unit?: string; measure?: Measure }

/** Facts as pairs of word and number. A number that is a sum opens what it is the sum of: the parts by it, on the map and ranked. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(({ word, value, unit, measure }) => {
        const number = <>{value}{unit && <small>{unit}</small>}</>;
        const pressed = measure !== undefined && route.value.measure === measure;
        return (
          <div key={word} class={pressed ? 'pressed' : ''}>
            <dt>{say(word)}</dt>
            <dd>{measure ? <button type="button" data-measure={measure} aria-pressed={pressed} onClick={() => go({ measure: pressed ? null : measure })}>{number}</button> : number}</dd>
          </div>
        );
      })}
    </dl>
  );
}

export function RegionOverview() {
  const counts = region.data?.counts;
  return (
    <Block title={say('overview')} of={region} class="overview">
      {counts && <Facts facts={[
        { word: 'grids', value: count(counts.grids), measure: 'grids' }, { word: 'staff', value: count(counts.staff), measure: 'staff' },
        { word: 'households', value: count(counts.households), measure: 'households' }, { word: 'population', value: count(counts.population), measure: 'population' },
        { word: 'facilities', value: count(counts.facilities), measure: 'facilities' }, { word: 'area', ...area(counts.area_m2), measure: 'area_m2' },
      ]} />}
    </Block>
  );
}

/** A measure as it is written. */
export function measureText(measure: Measure, value: number): string {
  if (measure !== 'area_m2') return count(value);
  const { value: number, unit } = area(value);
  return `${number} ${unit}`;
}

export const measureWord = (measure: Measure): Word => (measure === 'area_m2' ? 'area' : measure);

const known = (value: number | null) => (value === null ? '–' : count(value));

export function GridOverview() {
  return <Block title={say('overview')} of={card} class="overview"><GridFacts /></Block>;
}

export function GridFacts() {
  const grid = card.data?.grid;
  return grid ? <Facts facts={[
    { word: 'households', value: known(grid.households) }, { word: 'population', value: known(grid.population) }, { word: 'area', ...area(grid.area_m2) },
  ]} /> : null;
}

/** Rows of pressing cases and the count of the rest; more at once are no longer seen in three seconds. */
const PRESSING = { desk: 6, hall: 9, wide: Infinity };

export function Pressing() {
  return (
    <Block title={<>{say('pressing')}<Narrowed /></>} of={cases} class="pressing">
      {listed.value.length === 0 ? <Empty words={say('noCases')} />
        : <Rows items={listed.value} most={narrowed.value ? Infinity : PRESSING[shape.value]} row={(shown) => <CaseRow key={shown.id} shown={shown} />} />}
    </Block>
  );
}

/** What the list is narrowed to, and the way back to all. */
export function Narrowed() {
  const to = narrowed.value;
  return to && <button type="button" class="narrowed" onClick={() => { narrowed.value = null; }}>{to.label} {count(listed.value.length)} ×</button>;
}

/** 第3网格 instead of 西山社区第3网格, where 西山社区 is what is shown. */
function withoutParent(name: string): string {
  const parent = region.data?.name;
  return parent && name.startsWith(parent) && name.length > parent.length ? name.slice(parent.length) : name;
}

/** The next level down, the most overdue first, or by the measure that is chosen. What belongs to no part is its own row, so that the
    rows sum to the whole. */
export function Parts() {
  const parts = children.data ?? [];
  const { measure } = route.value;
  const of = (counts: Counts) => (measure ? counts[measure] : counts.open_cases);
  const rest = (region.data ? of(region.data.counts) : 0) - parts.reduce((sum, part) => sum + of(part.counts), 0);
  const bars = ranked(parts, measure);
  // Areas are rounded apart.
  const some = rest > (measure === 'area_m2' ? 1 : 0);
  return (
    <Block title={titleOf(parts, measure)} of={children} class="parts">
      {bars.length === 0 ? <Empty words={say('noParts')} />
        : <Bars bars={some ? [...bars, { key: 'rest', label: say('remainder'), value: rest, ...(measure && { text: measureText(measure, rest) }) }] : bars} />}
    </Block>
  );
}

/** The level below the parts, where there is room for it. */
export function Below() {
  const parts = below.data ?? [];
  const { measure } = route.value;
  return parts.length > 0 && <Block title={titleOf(parts, measure)} of={below} class="below"><Bars bars={ranked(parts, measure)} /></Block>;
}

function titleOf(parts: readonly Child[], measure: Measure | null): string {
  const what = say(measure ? measureWord(measure) : 'open');
  return parts[0] ? `${sayValue(parts[0].level)} · ${what}` : say('below');
}

/** The most overdue first, then the most open; or the most of a measure. */
function ranked(parts: readonly Child[], measure: Measure | null): Bar[] {
  const order = (a: Child, b: Child) => (measure ? b.counts[measure] - a.counts[measure]
    : b.counts.overdue - a.counts.overdue || b.counts.open_cases - a.counts.open_cases) || (a.code < b.code ? -1 : 1);
  return [...parts].sort(order).map((part) => ({
    key: part.code, label: withoutParent(part.name) || part.code, value: measure ? part.counts[measure] : part.counts.open_cases,
    ...(measure ? { text: measureText(measure, part.counts[measure]) }
      : { extra: <em class="extra overdue">{part.counts.overdue > 0 && `${say('overdue')} ${count(part.counts.overdue)}`}</em> }),
    onClick: () => go({ mode: { kind: part.kind ? 'grid' as const : 'region' as const, code: part.code } }),
  }));
}

/** What stands in a grid, the most frequent first. */
export function FacilityCategories() {
  const bars = [...card.data?.facilities.by_category ?? []].sort((a, b) => b.count - a.count || (a.category < b.category ? -1 : 1))
    .map(({ category, name, count: value }) => ({
      key: category, label: name || category, value, pressed: categoryShown.value === category,
      onClick: () => { categoryShown.value = categoryShown.value === category ? null : category; },
    }));
  return (
    <Block title={say('facilitiesByCategory')} of={card} class="by-category">
      {bars.length === 0 ? <Empty words={say('noFacilities')} /> : <Bars bars={bars} />}
    </Block>
  );
}

export function Neighbours() {
  const items = card.data?.neighbours.items ?? [];
  return (
    <Block title={card.data ? `${say('neighbours')} ${count(card.data.neighbours.total)}` : say('neighbours')} of={card} class="neighbours">
      {items.length === 0 ? <Empty words={say('noNeighbours')} /> : (
        <Rows items={items} row={({ code, name, shared_m }) => (
          <li key={code}>
            <button type="button" class="bar-row plain" onClick={() => go({ mode: { kind: 'grid', code } })}>
              <span class="label">{name || code}</span>
              {shared_m !== undefined && <span class="number second">{say('shared')} {count(shared_m)} m</span>}
            </button>
          </li>
        )} />
      )}
    </Block>
  );
}
