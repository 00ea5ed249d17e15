// The card of the selected grid: who answers for it, what stands in it, what is open in it.
import { count, dayAndTime, percent } from '../format';
import type { GridCard as Card, Member } from '../api';
import { go, route } from '../route';
import { card, cases, categoryNames, categoryShown, facilities, grouped, groupsShown, links, listed, picked } from '../state';
import { shape } from '../unit';
import { groupName, say, sayRole, saySet, sayValue } from '../words';
import { GridFacts, Narrowed, Neighbours } from './blocks';
import { Block, Empty } from './Block';
import { CaseRow } from './CaseRow';
import { Icon } from './Icon';
import { Rows } from './Rows';

export function GridCard() {
  const shown = card.data;
  return (
    <article class="card" aria-label={shown?.grid.name}>
      <Block title={<>{shown?.grid.name || shown?.grid.code}{shown && <small>{sayValue(shown.grid.kind)}</small>}</>} of={card} class="identity">
        {shown && <Identity shown={shown} />}
      </Block>
      {shown && <>
        <Facilities shown={shown} />
        <Cases shown={shown} />
        <Team shown={shown} />
        <Organizations shown={shown} />
        <Buildings shown={shown} />
        <Links />
        {shape.value === 'desk' && <Neighbours />}
      </>}
    </article>
  );
}

function Identity({ shown }: { shown: Card }) {
  const { from, until } = shown.grid.period ?? { from: null, until: null };
  const period = until && `${from?.slice(0, 10) ?? ''} – ${until.slice(0, 10)}`;
  return (
    <>
      <p class="second code">{shown.grid.code}<a href={`/g/${encodeURIComponent(shown.grid.code)}${route.value.lang === 'en' ? '?lang=en' : ''}`}>{say('contactCard')}</a></p>
      {shape.value === 'desk' && <GridFacts />}
      {period && <p class="second">{period}</p>}
      {shown.status === 'superseded' && (
        <p class="statement">{say('superseded')}{(shown.successors ?? []).map(({ code }) => (
          <button type="button" key={code} onClick={() => go({ mode: { kind: 'grid', code }, at: null })}>{say('successors')} {code}</button>
        ))}</p>
      )}
    </>
  );
}

/** Party groups, mediation rooms, volunteer stations, police posts; what is not listed is counted. */
function Organizations({ shown }: { shown: Card }) {
  const { total, by_category, items } = shown.organizations ?? { total: 0, by_category: [], items: [] };
  if (total === 0) return null;
  const icons = new Map(by_category.map(({ category, icon }) => [category, icon]));
  return (
    <Block title={<>{say('organizations')} {count(total)}</>} of={card} class="organizations">
      <Rows items={items} row={(one) => (
        <li key={one.id} class="person">
          <Icon name={icons.get(one.category) ?? 'building'} /><span class="label">{one.name}</span>
          <span class="number second">{one.hours}</span>
        </li>
      )} />
      {total > items.length && <p class="second">{say('more')} {count(total - items.length)}</p>}
    </Block>
  );
}

/** What stands there, and how many live in it; counts only. Where the grid's own count says something else, both are told. A wall has room for
 *  the number: it shows where they are. */
function Buildings({ shown: { buildings, grid } }: { shown: Card }) {
  const { total, crossing, items } = buildings ?? { total: 0, crossing: 0, items: [] };
  if (total === 0) return null;
  const differs = grid.households_from === 'buildings' && typeof grid.households_counted === 'number' && grid.households_counted !== grid.households;
  return (
    <Block title={<>{say('buildings')} {count(total)}{crossing > 0 && <small>{say('acrossBorder')} {count(crossing)}</small>}</>} of={card} class="buildings">
      {differs && <p class="second">{say('householdsCounted')} {count(grid.households_counted!)} · {say('householdsOfBuildings')} {count(grid.households!)}</p>}
      {shape.value === 'desk' && <Rows items={items} row={(one) => (
        <li key={one.id} class="person">
          <Icon name="building" /><span class="label">{one.name || one.address || `#${one.id}`}</span>
          <span class="number second">{[one.storeys !== null && `${one.storeys} ${say('storeys')}`, one.households !== null && `${count(one.households)} ${say('householdsShort')}`].filter(Boolean).join(' · ')}</span>
        </li>
      )} />}
      {shape.value === 'desk' && total > items.length && <p class="second">{say('more')} {count(total - items.length)}</p>}
    </Block>
  );
}

/** Other grids over the same land; parts under a hundredth of it are how borders were digitized. */
function Links() {
  const rows = (links.data ?? []).flatMap(({ set, links: some }) => some.filter(({ share, main }) => main || share >= 0.01).map((link) => ({ set, ...link })));
  if (rows.length === 0) return null;
  return (
    <Block title={say('otherGrids')} of={links} class="links">
      <Rows items={rows} row={(link) => (
        <li key={`${link.set} ${link.code}`} class="person">
          <span class="label">{link.name || link.code}</span>
          <span class="second">{saySet(link.set)}</span>
          <span class="number second">{percent(link.share)}</span>
        </li>
      )} />
    </Block>
  );
}

function Facilities({ shown }: { shown: Card }) {
  const toggle = (id: string) => {
    const next = new Set(groupsShown.value);
    if (!next.delete(id)) next.add(id);
    groupsShown.value = next;
    categoryShown.value = null;
  };
  const chosen = picked.value?.kind === 'facility' ? facilities.data?.find((facility) => facility.id === picked.value!.id) : undefined;
  return (
    <Block title={<>{say('facilities')} {count(shown.facilities.total)}</>} of={facilities} class="facilities">
      {shown.facilities.total === 0 ? <Empty words={say('noFacilities')} /> : (
        <ul class="groups">
          {grouped.value.map(({ group, facilities: members }) => (
            <li key={group.id}>
              <button type="button" class="group" aria-pressed={groupsShown.value.has(group.id)} data-group={group.id} onClick={() => toggle(group.id)}>
                <Icon name={group.icon} />
                <span class="label">{groupName(group)}</span>
                <span class="number">{count(members.length)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {chosen && (
        <dl class="picked">
          <dt>{categoryNames.value.component.get(chosen.category) ?? chosen.category}</dt>
          <dd>{chosen.name} <span class="second">{chosen.code ?? `#${chosen.id}`}</span> · {sayValue(chosen.state)}</dd>
        </dl>
      )}
    </Block>
  );
}

function Cases({ shown }: { shown: Card }) {
  const { total, overdue } = shown.open_cases;
  const chosen = picked.value?.kind === 'case' ? cases.data?.find((one) => one.id === picked.value!.id) : undefined;
  return (
    <Block title={<>{say('legendCases')} {count(total)}<Narrowed />{overdue > 0 && <em class="overdue">{say('overdue')} {count(overdue)}</em>}</>} of={card} class={total > 1 ? 'open-cases several' : 'open-cases'}>
      {total === 0 ? <Empty words={say('noCases')} /> : <Rows items={listed.value} row={(item) => <CaseRow key={item.id} shown={item} />} />}
      {chosen && (
        <dl class="picked">
          <dt>{categoryNames.value.matter.get(chosen.category) ?? chosen.category}</dt>
          <dd>{chosen.text} · {sayValue(chosen.state)}{chosen.reported_at && <span class="second"> · {say('reported')} {dayAndTime(Date.parse(chosen.reported_at))}</span>}</dd>
        </dl>
      )}
    </Block>
  );
}

function Team({ shown }: { shown: Card }) {
  const { leader, officers, members } = shown.team;
  const people: Member[] = [...(leader ? [leader] : []), ...officers, ...members];
  return (
    <Block title={<>{say('team')} {count(people.length)}</>} of={card} class="team">
      {people.length === 0 ? <Empty words={say('noTeam')} /> : (
        <Rows items={people} row={(person) => (
          <li key={person.id} class={person === leader ? 'person leader' : 'person'}>
            <span class="name">{person.name}</span>
            <span class="label second">{sayRole(person.role)}</span>
            <span class="number second">{person.phone}</span>
          </li>
        )} />
      )}
    </Block>
  );
}
