// Tools to pick an area on the map: lasso, circle, corridor. A tool in hand is pressed; Esc puts it down. And where the reader is.
import { tool, type Tool } from '../state';
import { say } from '../words';
import { findDevice, whereabouts } from '../whereabouts';
import { Icon } from './Icon';

const TOOLS: readonly Tool[] = ['lasso', 'circle', 'corridor'];

export function Tools() {
  return (
    <div class="tools" role="toolbar" aria-label={say('tools')}>
      {TOOLS.map((kind) => (
        <button type="button" key={kind} data-tool={kind} aria-label={say(kind)} title={say(kind)} aria-pressed={tool.value === kind} onClick={() => { tool.value = tool.value === kind ? null : kind; }}>
          <Icon name={kind} /><span>{say(kind)}</span>
        </button>
      ))}
      <button type="button" data-tool="locate" aria-label={say('locate')} title={say('locate')} aria-busy={whereabouts.value?.kind === 'asking'} onClick={() => void findDevice()}><Icon name="locate" /><span>{say('locate')}</span></button>
      {tool.value && <p class="hint" role="status">{say(tool.value === 'corridor' ? 'corridorHint' : tool.value === 'circle' ? 'circleHint' : 'lassoHint')}</p>}
    </div>
  );
}
