// The key of things of others that are drawn: what each colour means, how many, and how old it is.
import { clock, count, span } from '../format';
import type { ThematicLayer } from '../api';
import { minute, thematicShown, troubled } from '../state';
import { say, titleOf } from '../words';
import { Icon, known } from './Icon';

/** Older than this is said; older than that is grey. */
const OLD_MS = 60_000, STALE_MS = 300_000;

/** How old the data are, in words; empty while they are fresh, or made of tiles. */
export function ageOf({ as_of, features, every_s }: ThematicLayer): string {
  if (!features) return '';
  if (as_of === null) return say('notRead');
  const age = minute.value - Date.parse(as_of);
  // What is looked after once an hour is not late after a minute.
  return age > Math.max(OLD_MS, 2000 * (every_s ?? 0)) ? `${say('stoodAt')} ${clock(Date.parse(as_of)).slice(0, 5)} · ${span(age)}${say('ago')}` : '';
}

export function isStale({ as_of, features, every_s }: ThematicLayer): boolean {
  return features !== null && (as_of === null || minute.value - Date.parse(as_of) > Math.max(STALE_MS, 3000 * (every_s ?? 0)));
}

export function ThematicKeys() {
  return <>{thematicShown.value.map((layer) => <Key key={layer.id} layer={layer} />)}</>;
}

function Key({ layer }: { layer: ThematicLayer }) {
  const icon = known(layer.icon, 'disc'), age = troubled.value.has(`layer-${layer.id}`) ? say('failed') : ageOf(layer);
  const classes = layer.classes.filter((one) => one.count !== 0);
  const number = (value: number | null) => (value === null ? '' : count(value));
  return (
    <table class={isStale(layer) ? 'thematic-key stale' : 'thematic-key'} data-layer={layer.id}>
      {classes.length > 0 && <caption>{titleOf(layer)}</caption>}
      <tbody>
        {classes.length === 0
          ? <tr><th><Icon name={icon} class={`key ${layer.colour}`} />{titleOf(layer)}</th><td>{number(layer.count)}</td></tr>
          : classes.map((one) => <tr key={one.value}><th><Icon name={icon} class={`key ${one.colour}`} />{titleOf(one)}</th><td>{number(one.count)}</td></tr>)}
      </tbody>
      {(age || (classes.length > 0 && layer.count !== null)) && (
        <tfoot>
          {classes.length > 0 && layer.count !== null && <tr><th>{say('sum')}</th><td>{count(layer.count)}</td></tr>}
          {age && <tr class="age"><th colSpan={2}>{age}</th></tr>}
        </tfoot>
      )}
    </table>
  );
}
