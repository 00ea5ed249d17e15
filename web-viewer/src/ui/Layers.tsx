// The tree of layers: what can be put away, what it looks like, how many there are. The switches are in the address.
import { useSignal } from '@preact/signals';
import { LAYERS, type Layer } from '../map/layers';
import { count } from '../format';
import { go, route } from '../route';
import { card, cases, gridShown, meta, organizationCategories, otherSets, region } from '../state';
import { say, saySet, sayValue, type Word } from '../words';
import { Icon } from './Icon';

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
    </table>
  );
}

function isThere(id: string): boolean {
  if (id === 'land_other') return !!meta.data?.background;
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
  if (rank !== undefined) return known(levelOf(rank)!.count);
  if (id === 'cases') return known(cases.data?.length);
  if (id === 'organizations') return known(gridShown.value ? card.data?.organizations?.total : region.data?.counts.organizations);
  if (id === 'facilities') return known(gridShown.value ? card.data?.facilities.total : region.data?.counts.facilities);
  return '';
}

const known = (value: number | undefined) => (value === undefined ? '' : count(value));

/** What a layer looks like. */
function Key({ layer: { id, rank } }: { layer: Layer }) {
  if (rank !== undefined) return <span class={`key line rank-${rank}`} />;
  if (id === 'names') return <span class="key letter">文</span>;
  if (id === 'land_other') return <span class="key land" />;
  return <Icon name={id === 'cases' ? 'case-open' : id === 'organizations' ? 'flag' : 'component'} class="key" />;
}
