// Where this is, from the top down; every step is a way back.
import { go, route } from '../route';
import { path, shown, tops, wholeName } from '../state';
import { say } from '../words';
import { Icon } from './Icon';
import { up } from '../modes';

export function Breadcrumb() {
  const places = path.value;
  // Several tops: what they stand in is the whole that the caller may see.
  const several = tops.value.length > 1 && places.length > 0 && places[0]!.code !== '';
  return (
    <nav class="breadcrumb" aria-label={say('breadcrumb')}>
      {(places.length > 1 || several || (shown.value && places.length === 0)) && <button type="button" class="back" aria-label={say('up')} onClick={() => up(path.value)}><Icon name="back" /></button>}
      <ol>
        {(several || (shown.value && places.length === 0)) && <li><button type="button" onClick={() => go({ mode: { kind: 'top' } })}>{wholeName.value}</button></li>}
        {places.map(({ code, name }, n) => (
          <li key={code}>
            {n === places.length - 1 ? <span aria-current="location">{name}</span>
              : <button type="button" onClick={() => go({ mode: { kind: 'region', code } })}>{name || code}</button>}
          </li>
        ))}
      </ol>
      {route.value.at && <button type="button" class="live" onClick={() => go({ at: null })}>{say('live')}</button>}
    </nav>
  );
}
