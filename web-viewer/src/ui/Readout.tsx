// Coordinates and BeiDou code under the pointer, or why a click led nowhere.
import { position } from '../format';
import { notice, pointer, zoom } from '../state';
import { say } from '../words';
import { nothingYet } from './Block';

export function Readout() {
  const at = pointer.value;
  return (
    <p class="readout">
      {notice.value && <span class="said">{notice.value === 'outside_coverage' ? say('outside') : nothingYet(notice.value)}</span>}
      {at && <><span>{position(at.position, zoom.value)}</span>{at.beidou && <span>{say('beidou')} {at.beidou}</span>}</>}
    </p>
  );
}
