// What lies in the picked area, by kind and category, to take away as a table; or what is near the picked point, the nearest first.
import { useSignal } from '@preact/signals';
import type { Area } from '../area';
import { csv, geojson, NEAR_M, NEAR_MOST, selectedRows } from '../areas';
import { noteExport, Problem, type Near } from '../api';
import { bearing, count, distance, position } from '../format';
import { go, route } from '../route';
import { categoryIcons, categoryNames, near, selected } from '../state';
import { may } from '../who';
import { say } from '../words';
import { Block, Empty } from './Block';
import { Icon } from './Icon';
import { Bars, Rows } from './Rows';

export function Found() {
  const { area } = route.value;
  if (!area) return null;
  const close = <button type="button" class="close" aria-label={say('close')} onClick={() => go({ area: null })}>×</button>;
  return <div class="found">{area.kind === 'near' ? <Nearest at={area} close={close} /> : <Inside area={area} close={close} />}</div>;
}

const nameOf = (kind: 'component' | 'matter', category: string) => categoryNames.value[kind].get(category) ?? category;
const kindOf = { facility: 'component', case: 'matter' } as const;

function Nearest({ at, close }: { at: Extract<Area, { kind: 'near' }>; close: preact.JSX.Element }) {
  const items = near.data ?? [];
  return (
    <Block title={<>{say('nearest')} <small>{position(at.at, 16)} · {NEAR_M} m</small>{close}</>} of={near} class="near">
      {items.length === 0 ? <Empty words={say('nothingNear')} /> : <Rows items={items} row={(one) => <NearRow key={`${one.kind}${one.id}`} one={one} />} />}
      {items.length === NEAR_MOST && <p class="statement">{say('onlyNearest')} {NEAR_MOST}</p>}
    </Block>
  );
}

function NearRow({ one }: { one: Near }) {
  const name = one.name || nameOf(kindOf[one.kind], one.category);
  return (
    <li>
      <button type="button" class="bar-row plain" disabled={!one.grid} onClick={() => one.grid && go({ mode: { kind: 'grid', code: one.grid } })}>
        <Icon name={one.kind === 'case' ? 'case-open' : categoryIcons.value.get(one.category) ?? 'component'} />
        <span class="label">{name}{one.across_water && <small class="water">{say('acrossWater')}</small>}</span>
        <span class="number second">{bearing(one.bearing)} {distance(one.distance_m)}</span>
      </button>
    </li>
  );
}

/** Widths of a corridor to choose from, in m. */
const WIDTHS = [20, 50, 100, 200];

function Inside({ area, close }: { area: Exclude<Area, { kind: 'near' }>; close: preact.JSX.Element }) {
  const found = selected.data;
  const state = useSignal<'ready' | 'working' | string>('ready');
  const take = async (ending: 'csv' | 'geojson') => {
    state.value = 'working';
    try {
      const rows = await selectedRows(area, found!, nameOf);
      // What cannot be noted is not handed out.
      await noteExport(`${found!.kinds.map((of) => `${of.kind} ${of.total}`).join(', ')}, ${ending}`);
      save(ending === 'csv' ? csv(rows) : geojson(rows), ending === 'csv' ? 'text/csv' : 'application/geo+json', `wangge-${area.kind}.${ending}`);
      state.value = 'ready';
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      state.value = error.code;
    }
  };
  const total = found?.kinds.reduce((sum, of) => sum + of.total, 0) ?? 0;
  return (
    <Block title={<>{say(area.kind)} <small>{sizeOf(area)}</small>{close}</>} of={selected} class="inside">
      {area.kind === 'corridor' && (
        <p class="widths">{say('width')} {WIDTHS.map((width) => (
          <button type="button" key={width} aria-pressed={area.width_m === width} onClick={() => go({ area: { ...area, width_m: width } })}>{width} m</button>
        ))}</p>
      )}
      {total === 0 ? <Empty words={say('nothingInside')} /> : found!.kinds.filter((of) => of.total > 0).map((of) => (
        <section key={of.kind} data-kind={of.kind}>
          <h3>{say(of.kind === 'case' ? 'legendCases' : 'facilities')} <b>{count(of.total)}</b></h3>
          <Bars bars={[...of.categories].sort((a, b) => b.count - a.count).map(({ category, count: value }) => ({ key: category, label: nameOf(kindOf[of.kind], category), value }))} />
        </section>
      ))}
      {total > 0 && may('export') && (
        <p class="take">
          <button type="button" disabled={state.value === 'working'} onClick={() => void take('csv')}>CSV</button>
          <button type="button" disabled={state.value === 'working'} onClick={() => void take('geojson')}>GeoJSON</button>
          {state.value === 'working' ? <span class="second">{say('loading')}</span> : state.value !== 'ready' && <span class="second">{say('failed')}</span>}
        </p>
      )}
    </Block>
  );
}

function sizeOf(area: Exclude<Area, { kind: 'near' }>): string {
  if (area.kind === 'circle') return `${say('radius')} ${distance(area.radius_m)}`;
  return area.kind === 'corridor' ? `${say('width')} ${area.width_m} m` : '';
}

/** Hands a file to the person. */
function save(text: string, type: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement('a'), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

