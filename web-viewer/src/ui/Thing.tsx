// What a thing of a thematic layer says of itself.
import { thematic, thing } from '../state';
import { say, titleOf } from '../words';
import { Icon, known } from './Icon';
import { ageOf } from './Thematic';

export function Thing() {
  const { layer: id, properties } = thing.value ?? {};
  const layer = thematic.value.find((one) => one.id === id);
  if (!layer || !properties) return null;
  const name = layer.name_field && properties[layer.name_field];
  const classOf = layer.classes.find(({ value }) => value === String(properties[layer.class_field ?? '']));
  const text = (key: string, value: unknown) => (classOf && key === layer.class_field ? titleOf(classOf) : String(value));
  const shown = Object.entries(properties).filter(([key, value]) => value !== null && value !== '' && key !== layer.name_field);
  return (
    <div class="found">
      <section class="block thing">
        <h2><Icon name={known(layer.icon, 'disc')} class={`key ${classOf?.colour ?? layer.colour}`} />{name ? String(name) : titleOf(layer)}
          <button type="button" class="close" aria-label={say('close')} onClick={() => { thing.value = null; }}>×</button></h2>
        <p class="second">{name ? titleOf(layer) : ''} {ageOf(layer)}</p>
        {shown.length === 0 ? <p class="statement">{say('noProperties')}</p> : (
          <dl class="properties">{shown.map(([key, value]) => <div key={key}><dt>{key}</dt><dd>{text(key, value)}</dd></div>)}</dl>
        )}
      </section>
    </div>
  );
}
