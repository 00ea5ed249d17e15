//! From the city in memory to that of a later snapshot, in steps of which each says exactly what it changed: so only the tiles that
//! differ leave the cache, and everything else is shared.

use super::{AppError, load};
use crate::city::standing::{Record, Standings};
use crate::city::{Addresses, Case, Change, City, Facility};
use crate::clock::Clock;
use crate::domain::case::CaseRecord;
use crate::domain::facility::FacilityRow;
use crate::domain::id::{CaseId, Epoch, FacilityId};
use crate::domain::records::BoundarySet;
use crate::store::{Snapshot, Store, StoreError};
use crate::territory::Territory;
use std::collections::HashSet;
use std::sync::Arc;

/// Where a city comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Durable truth.
    pub store: Store,
    /// Says which boundaries are in force.
    pub clock: Clock,
}

impl Source {
    /// The city as it is stored now.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot(self.clock.now()).await
    }
}

/// Goes from `before` to the city of a snapshot. `step` is told each city on the way and what changed from the one before; the last of
/// them has the snapshot's revision. Cost: a look at every row, and a territory when boundaries differ.
pub(super) fn steps(before: &Arc<City>, snapshot: Snapshot, mut step: impl FnMut(Arc<City>, &Change)) -> Result<(), AppError> {
    let Snapshot { meta, revision, epoch, boundaries, others, facilities, staff, cases, addresses, organizations, buildings } =
        snapshot;
    let mut city = Arc::clone(before);
    let mut go = |city: &mut Arc<City>, change: Change| {
        let next = Arc::new(city.after(revision, &change));
        *city = Arc::clone(&next);
        step(next, &change);
    };
    let (scheme, about) = load::about(meta)?;
    let epoch = epoch.map_or(Epoch(0), |record| record.epoch);
    let boundaries = boundaries.unwrap_or_else(|| BoundarySet { scheme, ..BoundarySet::default() });
    if !is_same(&city.territory, epoch, &boundaries) {
        let territory = city.territory.after(epoch, &boundaries).map_err(|faults| AppError::Damaged { epoch, faults })?;
        go(&mut city, Change::Boundaries(Arc::new(territory)));
    }
    for (record, set) in others {
        let known = city.others.get(&record.set);
        if known.is_some_and(|known| is_same(known, record.epoch, &set)) {
            continue;
        }
        let built = match known {
            Some(known) => known.after(record.epoch, &set),
            None => Territory::build(record.epoch, &set),
        };
        let territory = built.map_err(|faults| AppError::Damaged { epoch: record.epoch, faults })?;
        go(&mut city, Change::Boundaries(Arc::new(territory)));
    }
    if about != *city.about {
        go(&mut city, Change::About(Arc::new(about)));
    }
    if let Some(change) = facilities_that_differ(&city, facilities) {
        go(&mut city, change);
    }
    if let Some(change) = cases_that_differ(&city, cases) {
        go(&mut city, change);
    }
    if !city.addresses.are_of(Addresses::hash_of(&addresses)) {
        let addresses = Addresses::new(addresses, &city.territory);
        go(&mut city, Change::Addresses(Arc::new(addresses)));
    }
    let as_change = |put, removed| Change::Organizations { put, removed };
    if let Some(change) = standing_that_differ(&city.organizations, organizations, as_change) {
        go(&mut city, change);
    }
    if let Some(change) = standing_that_differ(&city.buildings, buildings, |put, removed| Change::Buildings { put, removed }) {
        go(&mut city, change);
    }
    // Last, and in any case: from here on the city is that of the snapshot.
    go(&mut city, Change::Staff(staff));
    Ok(())
}

/// Within one epoch only counts of households and residents change.
fn is_same(territory: &Territory, epoch: Epoch, set: &BoundarySet) -> bool {
    let same_counts = |code: &str, counts| {
        territory.grid_ix(code).is_some_and(|ix| {
            let grid = territory.grid(ix);
            (grid.households, grid.population) == counts
        })
    };
    territory.epoch == epoch
        && territory.period == set.period
        && territory.scheme == set.scheme
        && territory.grids.len() == set.grids.len()
        && set.grids.iter().all(|grid| same_counts(grid.code.as_str(), (grid.households, grid.population)))
}

/// Rows of facilities that are others in the store, or gone; `None` when there are none.
fn facilities_that_differ(city: &City, rows: Vec<FacilityRow>) -> Option<Change> {
    let same = |row: &FacilityRow, known: &Facility| {
        (row.at, row.category, row.state, row.version) == (known.at, known.category, known.state, known.version)
            && row.name == known.name
            && row.code == known.code
    };
    let mut removed: Vec<FacilityId> = Vec::new();
    if !rows.is_empty() || !city.facilities.is_empty() {
        let stored: HashSet<FacilityId> = rows.iter().map(|row| row.id).collect();
        removed.extend(city.facilities.iter().map(|row| row.id).filter(|id| !stored.contains(id)));
    }
    let put: Vec<Facility> = rows
        .into_iter()
        .filter(|row| city.facilities.facility(row.id).is_none_or(|known| !same(row, known)))
        .map(|row| load::facility(row, None))
        .collect();
    (!put.is_empty() || !removed.is_empty()).then_some(Change::Facilities { put, removed })
}

/// The same of open cases.
fn cases_that_differ(city: &City, records: Vec<CaseRecord>) -> Option<Change> {
    let stored: HashSet<CaseId> = records.iter().map(|record| record.id).collect();
    let removed: Vec<CaseId> = city.cases.iter().map(|case| case.record.id).filter(|id| !stored.contains(id)).collect();
    let put: Vec<Case> = records
        .into_iter()
        .filter(|record| city.cases.case(record.id).is_none_or(|known| *known.record != *record))
        .map(|record| Case { record: Arc::new(record), leaf: None })
        .collect();
    (!put.is_empty() || !removed.is_empty()).then_some(Change::Cases { put, removed })
}

/// The same of organizations and buildings: `change` of those to be put and the keys of those that are gone.
fn standing_that_differ<R: Record + PartialEq>(
    known: &Standings<R>,
    records: Vec<R>,
    change: impl FnOnce(Vec<Arc<R>>, Vec<R::Id>) -> Change,
) -> Option<Change> {
    let stored: HashSet<R::Id> = records.iter().map(|record| record.id()).collect();
    let removed: Vec<R::Id> = known.iter().map(|one| one.record.id()).filter(|id| !stored.contains(id)).collect();
    let differs = |record: &R| known.get(record.id()).is_none_or(|known| *known.record != *record);
    let put: Vec<_> = records.into_iter().filter(differs).map(Arc::new).collect();
    (!put.is_empty() || !removed.is_empty()).then(|| change(put, removed))
}
