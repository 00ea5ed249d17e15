// A list that shows as many rows as fit and counts the rest; the count opens the whole list.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { count } from '../format';
import { unit } from '../unit';
import { say } from '../words';

/** Height of a row in u. */
const ROW = 30;

/** `most`: how many rows to ask room for, however many there are. */
export function Rows<T>({ items, row, most = Infinity }: { items: readonly T[]; row: (item: T) => ComponentChildren; most?: number }) {
  const box = useRef<HTMLDivElement>(null);
  const fitting = useSignal(0);
  const open = useSignal(false);
  useLayoutEffect(() => {
    const measure = () => { fitting.value = Math.max(1, Math.floor((box.current!.clientHeight + 1) / (ROW * unit.value))); };
    const watching = new ResizeObserver(measure);
    watching.observe(box.current!);
    measure();
    return () => watching.disconnect();
  }, []);
  const all = open.value || items.length <= fitting.value;
  const shown = all ? items : items.slice(0, fitting.value - 1);
  return (
    <div ref={box} class={open.value ? 'rows open' : 'rows'} style={{ '--n': open.value ? items.length : Math.min(items.length, most) }}>
      <ul>{shown.map(row)}</ul>
      {!all && <button type="button" class="more" onClick={() => { open.value = true; }}>{say('more')} {count(items.length - shown.length)}</button>}
      {open.value && items.length > fitting.value && <button type="button" class="more" onClick={() => { open.value = false; }}>{say('fold')}</button>}
    </div>
  );
}

/** Horizontal bars with direct labels, from zero. */
export interface Bar { key: string; label: string; value: number; text?: string; extra?: ComponentChildren; pressed?: boolean; onClick?: () => void }

export function Bars({ bars }: { bars: readonly Bar[] }) {
  const most = Math.max(1, ...bars.map((bar) => bar.value));
  return (
    <Rows items={bars} row={({ key, label, value, text, extra, pressed, onClick }) => (
      <li key={key}>
        <Pressable class={pressed ? 'bar-row chosen' : 'bar-row'} onClick={onClick}>
          <span class="label">{label}</span>
          <span class="bar"><i style={{ width: `${(value / most) * 100}%` }} /></span>
          {extra}
          <span class="number">{text ?? count(value)}</span>
        </Pressable>
      </li>
    )} />
  );
}

/** A row that can be pressed, or a plain one. */
export function Pressable({ class: name, onClick, children }: { class: string; onClick?: (() => void) | undefined; children: ComponentChildren }) {
  return onClick ? <button type="button" class={name} onClick={onClick}>{children}</button> : <div class={name}>{children}</div>;
}
