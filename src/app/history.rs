//! Boundaries of other times: past territories, and which codes lived when.

use super::view::View;
use super::{Actor, App, AppError, part};
use crate::city::{City, Sight};
use crate::domain::code::Code;
use crate::domain::grid::GridKind;
use crate::domain::hash::hash64;
use crate::domain::id::{Epoch, GridIx, GridSet, Revision};
use crate::domain::period::Period;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::scope::{Hidden, Scope};
use crate::geom::{LatticePoint, measure};
use crate::store::epoch_at;
use crate::territory::Territory;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Which boundaries are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AsOf {
    /// Those in force.
    #[default]
    Now,
    /// Those in force at an instant.
    At(Timestamp),
    /// Those of an epoch.
    Epoch(Epoch),
}

/// What was read of other times.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Past territories that were asked for, most recently used last.
    territories: Mutex<VecDeque<Arc<Territory>>>,
    /// The city of now in past boundaries, as last asked for.
    placed: Mutex<Option<Arc<City>>>,
    /// The city of one revision as some scopes see it, as last asked for.
    seen: Mutex<Vec<(SeenOf, Arc<City>)>>,
    /// The list of epochs, as of a revision.
    epochs: Mutex<Option<(Revision, Arc<Vec<EpochRecord>>)>>,
    /// Made from these epochs.
    lives: Mutex<Option<LivesOf>>,
}

impl History {
    /// Forgets everything: epochs and revisions may mean something else from here on.
    pub(super) async fn forget(&self) {
        self.territories.lock().await.clear();
        *self.placed.lock().await = None;
        self.seen.lock().await.clear();
        *self.epochs.lock().await = None;
        *self.lives.lock().await = None;
    }
}

/// Of which revision, in the boundaries of which set, for whom.
type SeenOf = (Revision, GridSet, Scope, Hidden);

/// Scopes whose past is kept at hand.
const KEPT_SEEN: usize = 4;

type Lives = HashMap<GridSet, HashMap<Code, Vec<Span>>>;
type LivesOf = (Arc<Vec<EpochRecord>>, Arc<Lives>);

/// Most arcs of past territories kept in memory: some hundred megabytes. Small cities keep all their past, the largest at least the
/// epoch asked for last.
const KEPT_ARCS: usize = 4_000_000;

/// A grid in one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Which.
    pub epoch: Epoch,
    /// When that was in force.
    pub period: Period,
    /// Its name then.
    pub name: String,
    /// Its kind then.
    pub kind: GridKind,
    /// Its land then, in square metres.
    pub area_m2: f64,
    /// Equal for equal land.
    pub area_hash: u64,
}

/// A grid that took over land of one that is closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Successor {
    /// Who.
    pub code: Code,
    /// How much of the old grid's land, 0 to 1.
    pub share: f64,
}

impl App {
    /// The city as it is now in the boundaries asked for. Past ones are read from the store the first time: tens of milliseconds.
    pub async fn view_as_of(&self, actor: &Actor, set: &GridSet, as_of: AsOf) -> Result<View, AppError> {
        let view = self.boundaries_as_of(actor, set, as_of).await;
        if set.is_governance() || self.view(actor).sees_all() {
            return view;
        }
        // A set of which somebody sees nothing is none to them, whatever they ask of it.
        let sees = |view: &View| view.grids().next().is_some();
        let city = self.published.load();
        let today = city.others.get(set).map(|territory| View::new(Arc::clone(&city), Arc::clone(territory), actor));
        match view {
            Ok(view) if sees(&view) => Ok(view),
            Err(error) if today.as_ref().is_some_and(sees) => Err(error),
            Err(error @ (AppError::Store(_) | AppError::Away | AppError::Unsure)) => Err(error),
            _ => Err(self.unknown_set(actor, &city, set)),
        }
    }

    fn unknown_set(&self, actor: &Actor, city: &Arc<City>, set: &GridSet) -> AppError {
        let seen = |territory: &&Arc<Territory>| {
            let view = View::new(Arc::clone(city), Arc::clone(territory), actor);
            view.sees_all() || view.grids().next().is_some()
        };
        let others = city.others.values().filter(seen).map(|territory| territory.set.to_string());
        let known = std::iter::once(GridSet::default().to_string()).chain(others).collect();
        AppError::UnknownSet { set: set.to_string(), known }
    }

    async fn boundaries_as_of(&self, actor: &Actor, set: &GridSet, as_of: AsOf) -> Result<View, AppError> {
        let city = self.published.load();
        let Some(in_force) = city.territory_of(set).cloned() else {
            // A set may have been, and be no more.
            let known = self.epochs().await?.iter().any(|record| record.set == *set);
            let (true, AsOf::At(_) | AsOf::Epoch(_)) = (known, as_of) else {
                return Err(self.unknown_set(actor, &city, set));
            };
            let territory = self.recorded(set, as_of).await?;
            let city = self.as_seen_today(city, actor, None).await?;
            return Ok(View::new(city, territory, actor));
        };
        let today = Arc::clone(&in_force);
        let territory = match as_of {
            AsOf::Now => in_force,
            AsOf::Epoch(epoch) if epoch == in_force.epoch => in_force,
            // One that holds since ever gives way to a set beside the chain that says since when.
            AsOf::At(at) if in_force.epoch.0 > 0 && in_force.period.from.is_some() && in_force.period.holds(at) => in_force,
            as_of => {
                let found = self.recorded(set, as_of).await?;
                if found.epoch == in_force.epoch { in_force } else { found }
            }
        };
        if Arc::ptr_eq(&territory, &today) {
            return Ok(View::new(city, territory, actor));
        }
        let city = self.as_seen_today(city, actor, Some(today)).await?;
        Ok(View::new(city, territory, actor))
    }

    /// What stands in past boundaries stands there today: whoever sees a part of the city sees of it what they see today, `territory` the
    /// boundaries in force of the set asked for. Cost: a look at everything, for those only.
    async fn as_seen_today(
        &self,
        city: Arc<City>,
        actor: &Actor,
        territory: Option<Arc<Territory>>,
    ) -> Result<Arc<City>, AppError> {
        if actor.scope == Scope::All {
            return Ok(city);
        }
        let territory = territory.unwrap_or_else(|| Arc::clone(&city.territory));
        let of = (city.revision, territory.set.clone(), actor.scope.clone(), actor.hidden.clone());
        let mut kept = self.history.seen.lock().await;
        if let Some((_, seen)) = kept.iter().find(|(known, _)| *known == of) {
            return Ok(Arc::clone(seen));
        }
        let sight = Sight::of(&territory, &city.about.profile, &actor.scope, &actor.hidden);
        let seen = self.compute.run(move || Arc::new(city.seen(&sight, &territory))).await?;
        kept.retain(|((revision, ..), _)| *revision == of.0);
        if kept.len() == KEPT_SEEN {
            kept.remove(0);
        }
        kept.push((of, Arc::clone(&seen)));
        Ok(seen)
    }

    /// The boundaries of a set as the list of epochs has them.
    async fn recorded(&self, set: &GridSet, as_of: AsOf) -> Result<Arc<Territory>, AppError> {
        let epochs = self.epochs().await?;
        let mut of_set = epochs.iter().filter(|record| record.set == *set);
        let record = match as_of {
            AsOf::Epoch(epoch) => {
                let latest = of_set.clone().map(|record| record.epoch).max().unwrap_or_default();
                of_set.find(|record| record.epoch == epoch).ok_or(AppError::UnknownEpoch { epoch, latest })?
            }
            AsOf::At(at) => epoch_at(&epochs, set, at).ok_or(AppError::NoBoundaries { at })?,
            AsOf::Now => {
                let at = self.clock.now();
                epoch_at(&epochs, set, at).ok_or(AppError::NoBoundaries { at })?
            }
        };
        self.territory_of(record).await
    }

    /// The same with every facility and case placed in those boundaries, so that sums can be told: a look-up for each of them when the
    /// boundaries are past ones. The last such city is kept.
    pub async fn placed_as_of(&self, actor: &Actor, set: &GridSet, as_of: AsOf) -> Result<View, AppError> {
        let view = self.view_as_of(actor, set, as_of).await?;
        if !view.is_elsewhere() {
            return Ok(view);
        }
        if actor.scope != Scope::All {
            let (seen, territory) = (Arc::clone(&view.city), Arc::clone(&view.territory));
            let city = self.compute.run(move || Arc::new(seen.placed_in(&territory))).await?;
            let territory = Arc::clone(&city.territory);
            return Ok(View::new(city, territory, actor));
        }
        let mut kept = self.history.placed.lock().await;
        let fits = |city: &&Arc<City>| city.revision == view.city.revision && Arc::ptr_eq(&city.territory, &view.territory);
        let city = match kept.as_ref().filter(fits) {
            Some(city) => Arc::clone(city),
            None => {
                let (now, territory) = (Arc::clone(&view.city), Arc::clone(&view.territory));
                self.compute.run(move || Arc::new(now.placed_in(&territory))).await?
            }
        };
        *kept = Some(Arc::clone(&city));
        let territory = Arc::clone(&city.territory);
        Ok(View::new(city, territory, actor))
    }

    /// The boundary sets of every partition, by epoch. Asks the store once a revision.
    async fn epochs(&self) -> Result<Arc<Vec<EpochRecord>>, AppError> {
        let revision = self.published.load().revision;
        let mut kept = self.history.epochs.lock().await;
        if let Some((_, epochs)) = kept.as_ref().filter(|(of, _)| *of == revision) {
            return Ok(Arc::clone(epochs));
        }
        let epochs = self.store.epochs().await?;
        // Most revisions change no boundaries: then what was made from the list stays good.
        let same = kept.take().map(|(_, before)| before).filter(|before| **before == epochs);
        let epochs = same.unwrap_or_else(|| Arc::new(epochs));
        *kept = Some((revision, Arc::clone(&epochs)));
        Ok(epochs)
    }

    /// The territory of an epoch that is not in force. Those who ask for the same one meanwhile wait for it.
    async fn territory_of(&self, record: &EpochRecord) -> Result<Arc<Territory>, AppError> {
        let epoch = record.epoch;
        let mut kept = self.history.territories.lock().await;
        let found = kept.iter().position(|territory| territory.epoch == epoch && territory.period == record.period);
        let territory = match found.and_then(|at| kept.remove(at)) {
            Some(territory) => territory,
            None => {
                let seen = self.published.load().revision;
                let found = self.standby.boundaries_at(&self.store, record, seen).await?;
                let boundaries = found.ok_or(AppError::UnknownEpoch { epoch, latest: epoch })?;
                let within = self.config.within.clone();
                let build = move || {
                    let boundaries = part::boundaries_of(&within, epoch, boundaries)?;
                    Territory::build(epoch, &boundaries).map_err(|faults| AppError::Damaged { epoch, faults })
                };
                Arc::new(self.compute.run(build).await??)
            }
        };
        kept.retain(|other| other.epoch != epoch);
        kept.push_back(Arc::clone(&territory));
        let excess =
            excess(kept.iter().map(|territory| territory.partition.blocks.iter().map(|block| block.len()).sum()), KEPT_ARCS);
        kept.drain(..excess);
        Ok(territory)
    }

    /// In which epochs a grid's code lived, oldest first; empty for a code that never was one.
    pub async fn grid_history(&self, set: &GridSet, code: &str) -> Result<Vec<Span>, AppError> {
        Ok(self.lives().await?.get(set).and_then(|lives| lives.get(code)).cloned().unwrap_or_default())
    }

    /// The view of the last epoch in which a closed grid lived, and the grid there.
    pub async fn closed_grid(&self, actor: &Actor, set: &GridSet, code: &str) -> Result<Option<(View, GridIx)>, AppError> {
        let Some(last) = self.grid_history(set, code).await?.pop() else { return Ok(None) };
        let view = match self.view_as_of(actor, set, AsOf::Epoch(last.epoch)).await {
            Err(AppError::UnknownSet { .. }) => return Ok(None),
            view => view?,
        };
        let ix = view.grid(code).ok().map(|(ix, _)| ix);
        Ok(ix.map(|ix| (view, ix)))
    }

    /// All grids of all epochs. Read once for each list of epochs.
    async fn lives(&self) -> Result<Arc<Lives>, AppError> {
        let epochs = self.epochs().await?;
        let mut kept = self.history.lives.lock().await;
        if let Some((_, lives)) = kept.as_ref().filter(|(of, _)| Arc::ptr_eq(of, &epochs)) {
            return Ok(Arc::clone(lives));
        }
        // A published set never changes, so only those published since are read.
        let before = kept.as_ref().map(|(of, lives)| (of.as_slice(), &**lives));
        let (mut lives, missing) = carried(before, &epochs);
        for record in missing {
            let (epoch, period) = (record.epoch, record.period);
            let Some(boundaries) = self.standby.boundaries_at(&self.store, record, self.published.load().revision).await? else {
                continue;
            };
            lives = self
                .compute
                .run(move || {
                    add_lives(&mut lives, boundaries, epoch, period);
                    lives
                })
                .await?;
        }
        for spans in lives.values_mut().flat_map(HashMap::values_mut) {
            spans.sort_by_key(|span| (span.period.from, span.epoch));
        }
        let lives = Arc::new(lives);
        *kept = Some((epochs, Arc::clone(&lives)));
        Ok(lives)
    }
}

/// What stands already of the lives in `epochs`, with the periods of now, and the epochs that are still to be read.
fn carried<'a>(before: Option<(&[EpochRecord], &Lives)>, epochs: &'a [EpochRecord]) -> (Lives, Vec<&'a EpochRecord>) {
    let Some((of, lives)) = before else { return (Lives::new(), epochs.iter().collect()) };
    let periods: HashMap<Epoch, Period> = epochs.iter().map(|record| (record.epoch, record.period)).collect();
    let mut lives = lives.clone();
    for span in lives.values_mut().flat_map(HashMap::values_mut).flatten() {
        span.period = periods.get(&span.epoch).copied().unwrap_or(span.period);
    }
    let known = |epoch| of.iter().any(|record| record.epoch == epoch);
    (lives, epochs.iter().filter(|record| !known(record.epoch)).collect())
}

/// How many of the first have to go so that all together weigh at most `most`. The last one stays.
fn excess(weights: impl DoubleEndedIterator<Item = usize> + ExactSizeIterator, most: usize) -> usize {
    let count = weights.len();
    let mut sum = 0;
    let fits = weights.rev().take_while(|weight| {
        sum += weight;
        sum <= most
    });
    count - fits.count().max(1).min(count)
}

fn add_lives(lives: &mut Lives, boundaries: BoundarySet, epoch: Epoch, period: Period) {
    let lives = lives.entry(boundaries.set).or_default();
    for grid in boundaries.grids {
        let coordinates = grid.area.rings().flatten().flat_map(|p| [p.x.to_le_bytes(), p.y.to_le_bytes()]);
        let bytes: Vec<u8> = coordinates.flatten().collect();
        lives.entry(grid.code).or_default().push(Span {
            epoch,
            period,
            name: grid.name,
            kind: grid.kind,
            area_m2: measure::area_m2(&grid.area),
            area_hash: hash64(&bytes),
        });
    }
}

/// Sample points along each side of a grid's box.
const SAMPLES: i64 = 64;

/// Which grids of `now` hold the land that `ix` had in `then`, the largest share first. By 4,096 sample points over its box: a share
/// is right to about one part in a hundred, and the shares sum to 1 or, where land was given up, to less.
pub fn successors(then: &Territory, ix: GridIx, now: &Territory) -> Vec<Successor> {
    let bbox = then.grid(ix).bbox;
    let (width, height) = bbox.max.minus(bbox.min);
    let place = |start: i32, length: i64, k: i64| i32::try_from(i64::from(start) + length * (2 * k + 1) / (2 * SAMPLES)).ok();
    let mut inside = 0_u32;
    let mut heirs: BTreeMap<GridIx, u32> = BTreeMap::new();
    for (row, column) in (0..SAMPLES).flat_map(|row| (0..SAMPLES).map(move |column| (row, column))) {
        let (Some(x), Some(y)) = (place(bbox.min.x, width, column), place(bbox.min.y, height, row)) else { continue };
        let p = LatticePoint::new(x, y);
        if then.grid_at(p) == Some(ix) {
            inside += 1;
            if let Some(heir) = now.grid_at(p) {
                *heirs.entry(heir).or_default() += 1;
            }
        }
    }
    let share = |count: u32| (f64::from(count) / f64::from(inside.max(1)) * 1e3).round() / 1e3;
    let mut heirs: Vec<Successor> =
        heirs.into_iter().map(|(ix, count)| Successor { code: now.grid(ix).code.clone(), share: share(count) }).collect();
    heirs.sort_by(|a, b| b.share.total_cmp(&a.share));
    heirs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u64, until: Option<i64>) -> EpochRecord {
        let until = until.map(|second| Timestamp::from_second(second).expect("in range"));
        let period = Period { from: None, until };
        EpochRecord { epoch: Epoch(epoch), set: GridSet::default(), base: Some(Epoch(epoch - 1)), period, import_id: None }
    }

    #[test]
    fn after_a_publication_only_the_new_epoch_is_read() {
        let span = |epoch: u64| Span {
            epoch: Epoch(epoch),
            period: Period { from: None, until: None },
            name: String::new(),
            kind: GridKind::default(),
            area_m2: 1.0,
            area_hash: 1,
        };
        let code = Code::new("1").expect("a code");
        let lives = Lives::from([(GridSet::default(), HashMap::from([(code.clone(), vec![span(1), span(2)])]))]);
        let (of, now) = ([record(1, Some(5)), record(2, None)], [record(1, Some(5)), record(2, Some(9)), record(3, None)]);
        let (carried, missing) = carried(Some((of.as_slice(), &lives)), &now);
        assert_eq!(missing, [&now[2]]);
        assert_eq!(carried[&GridSet::default()][&code][1].period, now[1].period, "a period ends when the next begins");
        assert_eq!(super::carried(None, &now).1.len(), 3);
    }

    #[test]
    fn as_many_territories_stay_as_weigh_little_and_at_least_the_last() {
        for (weights, gone) in
            [(vec![1; 9], 0), (vec![5, 5, 5], 1), (vec![1, 11], 1), (vec![11, 1], 1), (vec![11], 0), (vec![], 0)]
        {
            assert_eq!(excess(weights.iter().copied(), 10), gone, "{weights:?}");
        }
    }
}
