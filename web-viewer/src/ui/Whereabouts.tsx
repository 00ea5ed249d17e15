// In which grid the reader is, or in which ones that may be, each a way there; or in one sentence what is missing to know it.
import type { ComponentChildren } from 'preact';
import { distance, percent } from '../format';
import { go } from '../route';
import { forget, whereabouts } from '../whereabouts';
import { say, type Word } from '../words';

export function Whereabouts() {
  const now = whereabouts.value;
  if (!now) return null;
  if (now.kind === 'asking') return <Panel title={say('locate')}><p class="statement">{say('locating')}</p></Panel>;
  if (now.kind === 'refused') {
    return <Panel title={say('locate')}><p>{say(`where_${now.why}` as Word)}{now.accuracy_m !== null && ` (±${distance(now.accuracy_m)})`}</p></Panel>;
  }
  const { maybe, sure, accuracy_m } = now;
  return (
    <Panel title={<>{say('locate')} <small>±{distance(accuracy_m)}</small></>}>
      {maybe.length === 0 ? <p>{say('outside')}</p> : <>
        <p>{say(sure ? 'hereIn' : 'hereMaybe')}</p>
        {maybe.map(({ code, name, probability }) => (
          <button type="button" key={code} class="maybe" data-here={code} onClick={() => go({ mode: { kind: 'grid', code } })}>
            <span class="label">{name || code}</span>{!sure && <span class="number second">{percent(probability)}</span>}
          </button>
        ))}
      </>}
    </Panel>
  );
}

function Panel({ title, children }: { title: ComponentChildren; children: ComponentChildren }) {
  return (
    <div class="found">
      <section class="block whereabouts" role="status">
        <h2>{title}<button type="button" class="close" aria-label={say('close')} onClick={forget}>×</button></h2>
        {children}
      </section>
    </div>
  );
}
