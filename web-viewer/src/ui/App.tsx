// The screen: top bar, sentence, rails, and the map between them with what belongs on it.
import { Fragment } from 'preact';
import { baseShown, gridShown, meta, shown, thematicShown, troubled } from '../state';
import { credits } from '../format';
import { shape } from '../unit';
import { Breadcrumb } from './Breadcrumb';
import { GridCard } from './GridCard';
import { Found } from './Found';
import { Legend } from './Legend';
import { Readout } from './Readout';
import { Ages, Below, Categories, FacilityCategories, GridOverview, Neighbours, Parts, Pressing, RegionOverview } from './blocks';
import { Lost } from './Lost';
import { Search } from './Search';
import { Sentence } from './Sentence';
import { Thing } from './Thing';
import { Tools } from './Tools';
import { TopBar } from './TopBar';
import { WallCheck } from './WallCheck';
import { Whereabouts } from './Whereabouts';
import { say } from '../words';

/** Whose all of it is, one after the other; none is broken in two. */
function Credits() {
  const others = [baseShown.value?.attribution ?? '', ...thematicShown.value.map(({ attribution }) => attribution)];
  const lines = meta.data ? credits(meta.data, others).split(' · ').filter((line) => line) : [];
  return <p class="attribution">{lines.map((line, n) => <Fragment key={line}>{n > 0 && ' · '}<span>{line}</span></Fragment>)}</p>;
}

export function App() {
  const grid = gridShown.value, at = shown.value?.at;
  const desk = shape.value === 'desk';
  return (
    <div class={at ? 'screen then' : 'screen'}>
      <TopBar />
      <Sentence />
      {!desk && (
        <aside class={grid ? 'rail left of-grid' : 'rail left'}>
          {grid ? <><FacilityCategories /><Neighbours /><GridOverview /></> : <><Ages /><Categories /><RegionOverview /></>}
        </aside>
      )}
      <main class="stage">
        <div class="scaled"><div id="map" /></div>
        <div class="over top"><Breadcrumb /><div class="side"><div class="seek"><Tools /><Search /></div><Whereabouts /><Found /><Thing /></div></div>
        <Lost />
        <WallCheck />
        <div class="over bottom"><Legend /><div class="foot">{baseShown.value?.parts.some((_, n) => troubled.value.has(`base-${baseShown.value!.id}-${n}`)) && <p class="trouble" role="status">{say('baseGone')}</p>}<Readout /><Credits /></div></div>
      </main>
      <aside class={grid ? 'rail right card-rail' : 'rail right'}>
        {grid ? <GridCard /> : <><Pressing /><Parts />{desk ? <RegionOverview /> : <Below />}</>}
      </aside>
      {at && <div class="not-live"><span>{say('asOf')} {at}</span></div>}
    </div>
  );
}
