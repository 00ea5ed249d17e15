// Search by code, name, pinyin and address, wholly by keyboard: / to begin, arrows, Enter, Esc.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { api, Problem, type Hit } from '../api';
import { position } from '../format';
import { target } from '../hit';
import { go } from '../route';
import { spot } from '../state';
import { say, sayValue } from '../words';
import { Icon } from './Icon';

const REST_MS = 120;

export function Search() {
  const text = useSignal('');
  const hits = useSignal<Hit[] | null>(null);
  const chosen = useSignal(0);
  const input = useRef<HTMLInputElement>(null);

  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      input.current!.focus();
    };
    addEventListener('keydown', slash);
    return () => removeEventListener('keydown', slash);
  }, []);

  useEffect(() => {
    const q = text.value.trim();
    if (!q) { hits.value = null; return; }
    const leaving = new AbortController();
    const timer = setTimeout(() => {
      api.search(q, leaving.signal).then((found) => { hits.value = found.items; chosen.value = 0; }, (error: unknown) => {
        if (leaving.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        hits.value = [];
      });
    }, REST_MS);
    return () => { clearTimeout(timer); leaving.abort(); };
  }, [text.value]);

  const close = () => { text.value = ''; hits.value = null; input.current!.blur(); };
  const take = (hit: Hit | undefined) => {
    if (!hit) return;
    const { mode, spot: place } = target(hit);
    if (mode) go({ mode });
    spot.value = place;
    close();
  };
  const key = (event: KeyboardEvent) => {
    const last = (hits.value?.length ?? 0) - 1;
    if (event.key === 'ArrowDown') chosen.value = Math.min(chosen.value + 1, last);
    else if (event.key === 'ArrowUp') chosen.value = Math.max(chosen.value - 1, 0);
    else if (event.key === 'Enter') take(hits.value?.[chosen.value]);
    else if (event.key === 'Escape') close();
    else return;
    event.preventDefault();
  };
  return (
    <div class="search" role="search">
      <label><Icon name="search" />
        <input ref={input} type="text" role="combobox" aria-expanded={hits.value !== null} aria-controls="hits" aria-label={say('searchLabel')} autocomplete="off" spellcheck={false}
          placeholder={say('search')} value={text.value} onInput={(event) => { text.value = event.currentTarget.value; }} onKeyDown={key} />
        <kbd>/</kbd>
      </label>
      {hits.value && (
        <ul id="hits" role="listbox">
          {hits.value.length === 0 && <li class="statement">{say('noHits')}</li>}
          {hits.value.map((hit, n) => (
            <li key={`${hit.kind}${hit.code ?? n}`} role="option" aria-selected={n === chosen.value}>
              <button type="button" tabIndex={-1} onClick={() => take(hit)}>
                <span class="label">{hit.name || hit.code || (hit.position && position(hit.position, 17))}</span>
                <span class="second">{sayValue(hit.level ?? hit.kind)} · {parent(hit)}{hit.name ? hit.code : hit.kind === 'position' ? hit.grid ?? say('outside') : ''}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Homonyms are told apart by what they lie in. */
function parent(hit: Hit): string {
  const above = (hit.path ?? []).filter((place) => place.code !== hit.code).at(-1);
  return above?.name ? `${above.name} · ` : '';
}
