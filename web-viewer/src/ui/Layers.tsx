// The tree of layers: what can be put away, what it looks like, how many there are. The switches are in the address.
import { useSignal } from '@preact/signals';
import { LAYERS, type Layer } from '../map/layers';
import { count } from '../format';
import { go, route } from '../route';
import type { ThematicLayer } from '../api';
import { baseShown, basemaps, card, cases, gridShown, meta, organizationCategories, otherSets, region, thematic, thematicShown } from '../state';
import { say, saySet, sayValue, titleOf, type Word } from '../words';
import { Icon, known } from './Icon';

export function Layers() {
  const open = useSignal(false);
  const { hide, sets } = route.value;
  const there = LAYERS.filter(({ id, rank }) => (rank === undefined ? isThere(id) : levelOf(rank)));
  return (
    <table class="layers">
      <caption>
        <button type="button" aria-expanded={open.value} onClick={() => { open.value = !open.value; }}><Icon name="layers" />{say('layers')}
          {hide.length > 0 && <small>{say('putAway')} {hide.length}</small>}</button>
      </caption>
      {open.value && (
        <tbody>
          {there.map((layer) => (
            <tr key={layer.id}>
              <th><button type="button" role="switch" aria-checked={!hide.includes(layer.id)} data-layer={layer.id} onClick={() => toggle(layer.id)}>
                <Key layer={layer} /><span class="label">{nameOf(layer)}</span></button></th>
              <td>{countOf(layer)}</td>
            </tr>
          ))}
          {otherSets.value.map(({ set, grids }) => (
            <tr key={set}>
              <th><button type="button" role="switch" aria-checked={sets.includes(set)} data-set={set} onClick={() => toggleSet(set)}>
                <span class="key line double" /><span class="label">{saySet(set)}</span></button></th>
              <td>{count(grids)}</td>
            </tr>
          ))}
        </tbody>
      )}
      {open.value && basemaps.value.length > 0 && <Bases />}
      {open.value && groups().map(([group, members]) => (
        <tbody key={group} role="group" aria-label={group}>
          <tr class="branch"><th colSpan={2}>{group || say('thematic')}</th></tr>
          {members.map((layer) => (
            <tr key={layer.id}>
              <th><button type="button" role="switch" aria-checked={thematicShown.value.includes(layer)} data-thematic={layer.id} onClick={() => toggleThematic(layer.id)}>
                <Icon name={known(layer.icon, 'disc')} class={`key ${layer.colour}`} /><span class="label">{titleOf(layer)}</span></button></th>
              <td>{layer.count === null ? '' : count(layer.count)}</td>
            </tr>
          ))}
        </tbody>
      ))}
    </table>
  );
}

/** One of the maps under ours, or none. */
function Bases() {
  const line = (id: string, title: string, chosen: boolean) => (
    <tr key={id}>
      <th colSpan={2}><button type="button" role="radio" aria-checked={chosen} data-base={id} onClick={() => go({ base: id })}><i class="dot" /><span class="label">{title}</span></button></th>
    </tr>
  );
  return (
    <tbody role="radiogroup" aria-label={say('baseMaps')}>
      <tr class="branch"><th colSpan={2}>{say('baseMaps')}</th></tr>
      {line('none', say('noBase'), baseShown.value === null)}
      {basemaps.value.map((map) => line(map.id, titleOf(map), map === baseShown.value))}
    </tbody>
  );
}

/** Thematic layers by the branch they hang on, in the order of the settings. */
function groups(): [string, ThematicLayer[]][] {
  const found = new Map<string, ThematicLayer[]>();
  for (const layer of thematic.value) {
    const group = titleOf({ title: layer.group, title_en: layer.group_en });
    found.set(group, [...found.get(group) ?? [], layer]);
  }
  return [...found];
}

function toggleThematic(id: string): void {
  const shown = thematicShown.value.map((layer) => layer.id);
  go({ layers: (shown.includes(id) ? shown.filter((one) => one !== id) : [...shown, id]).sort() });
}

function isThere(id: string): boolean {
  if (id === 'land_other') return !!meta.data?.background;
  if (id === 'buildings') return !!meta.data?.counts.buildings;
  return id !== 'organizations' || organizationCategories.value.length > 0;
}

function toggle(id: string): void {
  const { hide } = route.value;
  go({ hide: hide.includes(id) ? hide.filter((one) => one !== id) : [...hide, id].sort() });
}

function toggleSet(set: string): void {
  const { sets } = route.value;
  go({ sets: sets.includes(set) ? sets.filter((one) => one !== set) : [...sets, set].sort() });
}

const levelOf = (rank: number) => meta.data?.scheme.levels.at(-1 - rank);

/** Borders bear the name of what they part. */
function nameOf({ id, rank }: Layer): string {
  return rank === undefined ? say(`layer_${id}` as Word) : `${sayValue(levelOf(rank)!.name)} · ${say('border')}`;
}

function countOf({ id, rank }: Layer): string {
  if (rank !== undefined) return told(levelOf(rank)!.count);
  if (id === 'cases') return told(cases.data?.length);
  if (id === 'organizations') return told(gridShown.value ? card.data?.organizations?.total : region.data?.counts.organizations);
  if (id === 'buildings') return told(gridShown.value ? card.data?.buildings?.total : region.data?.counts.buildings);
  if (id === 'facilities') return told(gridShown.value ? card.data?.facilities.total : region.data?.counts.facilities);
  return '';
}

const told = (value: number | undefined) => (value === undefined ? '' : count(value));

/** What a layer looks like. */
function Key({ layer: { id, rank } }: { layer: Layer }) {
  if (rank !== undefined) return <span class={`key line rank-${rank}`} />;
  if (id === 'names') return <span class="key letter">文</span>;
  if (id === 'land_other') return <span class="key land" />;
  return <Icon name={id === 'cases' ? 'case-open' : id === 'organizations' ? 'flag' : id === 'buildings' ? 'building' : 'component'} class="key" />;
}
