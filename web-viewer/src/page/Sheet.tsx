// The sheet itself: A4 on paper, one column on a phone. Names and phones as the server gives them to this caller: it masks, we do not.
import type { Signal } from '@preact/signals';
import type { Category, Facility, GridCard, Member, Meta } from '../api';
import { area, count, credits, dayAndTime } from '../format';
import { route } from '../route';
import { Icon } from '../ui/Icon';
import { groupName, say, sayRole, sayValue } from '../words';
import { isOn, nameSpot, pathOf, project, scaleBar, type Paper, type Shape } from './drawing';
import { qr } from './qr';

export interface Content {
  meta: Meta; categories: Category[]; card: GridCard; shape: Shape; facilities: Facility[];
  around: { name: string; shape: Shape }[];
  /** Where this sheet is found. */
  address: string;
  at: number;
}

export function Sheet({ of, problem, code }: { of: Signal<Content | null>; problem: Signal<string | null>; code: string }) {
  const shown = of.value;
  if (shown) return <Card of={shown} />;
  const words = problem.value === null ? say('loading') : problem.value === 'offline' ? say('offlineCard') : problem.value === 'unknown_code' ? say('unknownCode') : say('failed');
  return <main class="sheet"><p class="statement">{code} · {words}</p></main>;
}

function Card({ of: { meta, card, shape, facilities, around, address, at } }: { of: Content }) {
  const { grid, path, team } = card;
  const people: Member[] = [...(team.leader ? [team.leader] : []), ...team.officers, ...team.members];
  const { value, unit } = area(grid.area_m2);
  const facts: [string, string][] = [
    [say('belongs'), path.map((place) => place.name || place.code).join(' › ')], [say('code'), grid.code],
    ...(grid.households === null ? [] : [[say('households'), count(grid.households)] as [string, string]]),
    ...(grid.population === null ? [] : [[say('population'), count(grid.population)] as [string, string]]),
    [say('area'), `${value} ${unit}`],
  ];
  const query = route.value.lang === 'en' ? '&lang=en' : '';
  return (
    <main class="sheet">
      <header>
        <p class="second">{meta.title}{meta.synthetic && <b class="synthetic">{say('synthetic')}</b>}</p>
        <h1>{grid.name || grid.code}</h1>
        <p class="kind">{say('cardTitle')} · {sayValue(grid.kind)}</p>
      </header>
      <nav class="no-print">
        <a href={`/?grid=${encodeURIComponent(grid.code)}${query}`}>{say('toMap')}</a>
        <button type="button" onClick={() => print()}>{say('print')}</button>
      </nav>
      <table class="facts"><tbody>{facts.map(([word, text]) => <tr key={word}><th>{word}</th><td>{text}</td></tr>)}</tbody></table>
      <section class="team">
        <h2>{say('team')}</h2>
        {people.length === 0 ? <p>{say('noTeam')}</p> : (
          <table>
            <thead><tr><th>{say('role')}</th><th>{say('name')}</th><th>{say('phone')}</th></tr></thead>
            <tbody>{people.map((person) => <tr key={person.id} class={person === team.leader ? 'leader' : ''}><td>{sayRole(person.role)}</td><td>{person.name}</td><td class="number">{person.phone ?? ''}</td></tr>)}</tbody>
          </table>
        )}
      </section>
      <Drawing shape={shape} name={grid.name} label={grid.label_point} around={around} facilities={facilities} meta={meta} />
      <footer>
        <Square text={address} />
        <div>
          <p><b>{say('scanMe')}</b></p>
          <p class="address">{address}</p>
          <p class="second">{credits(meta)}</p>
          <p class="second">{say('printed')} {dayAndTime(at)}</p>
        </div>
      </footer>
    </main>
  );
}

function Square({ text }: { text: string }) {
  const { size, path } = qr(text);
  return <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={`QR ${text}`} shape-rendering="crispEdges"><rect width={size} height={size} fill="var(--paper)" /><path d={path} fill="var(--ink)" /></svg>;
}

const PAPER: Paper = { width: 180, height: 112, margin: 11 };
/** Size of an icon and of names, in mm. */
const ICON = 3.4, NAME = 3.4, SMALL = 2.6;

function Drawing({ shape, name, label, around, facilities, meta }: { shape: Shape; name: string; label: GeoJSON.Position; around: Content['around']; facilities: Facility[]; meta: Meta }) {
  const projection = project(shape, PAPER);
  const groups = meta.default_facility_groups.map((group) => ({ group, members: facilities.filter(({ category }) => group.categories.includes(category)) })).filter(({ members }) => members.length > 0);
  const bar = scaleBar(projection.metresPerMm, 40);
  const [x, y] = projection.to(label);
  return (
    <figure>
      <figcaption>{say('mapOf')}</figcaption>
      <svg class="drawing" viewBox={`0 0 ${PAPER.width} ${PAPER.height}`} role="img" aria-label={say('mapOf')}>
        <rect width={PAPER.width} height={PAPER.height} fill="var(--sea)" />
        {around.map((other) => <path key={other.name} d={pathOf(other.shape, projection)} class="around" />)}
        <path d={pathOf(shape, projection)} class="own" />
        {around.map((other) => {
          const at = nameSpot(other.shape, projection, PAPER);
          return at && <text key={other.name} x={Math.min(PAPER.width - 14, Math.max(14, at[0]))} y={Math.min(PAPER.height - 5, Math.max(6, at[1]))} font-size={SMALL} class="name other">{other.name}</text>;
        })}
        {groups.flatMap(({ group, members }) => members.map((one) => {
          const at = projection.to(one.position);
          return isOn(at, PAPER) && <Stamp key={one.id} icon={group.icon} at={at} />;
        }))}
        <text x={x} y={y} font-size={NAME} class="name">{name}</text>
        <g transform={`translate(6 ${PAPER.height - 6})`} class="scale">
          <path d={`M0 -1.500V0H${bar / projection.metresPerMm}V-1.500`} /><text x={bar / projection.metresPerMm / 2} y="-1.200" font-size={SMALL}>{bar >= 1000 ? `${bar / 1000} km` : `${bar} m`}</text>
        </g>
        <g transform={`translate(${PAPER.width - 8} 8)`} class="scale"><path d="M0 4V-3M-1.500 -.5 0 -3.500 1.500 -.5" /><text y="7" font-size={SMALL}>{say('north')}</text></g>
      </svg>
      <ul class="key">{groups.map(({ group, members }) => <li key={group.id}><Icon name={group.icon} />{groupName(group)} {count(members.length)}</li>)}</ul>
    </figure>
  );
}

/** An icon on the drawing with its halo of paper. */
function Stamp({ icon, at: [x, y] }: { icon: string; at: [number, number] }) {
  return <foreignObject x={x - ICON / 2} y={y - ICON / 2} width={ICON} height={ICON}><Icon name={icon} class="stamp" /></foreignObject>;
}
