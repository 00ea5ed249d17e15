//! From the city in memory to that of a later revision, in steps of which each says exactly what it changed: so only the tiles that
//! differ leave the cache, and everything else is shared.

use super::{AppError, load, part};
use crate::city::standing::{Record, Standings};
use crate::city::{Addresses, Case, Change, City, Facility};
use crate::clock::Clock;
use crate::domain::case::CaseRecord;
use crate::domain::facility::{FacilityRecord, FacilityRow};
use crate::domain::id::{CaseId, Epoch, FacilityId, Revision};
use crate::domain::records::BoundarySet;
use crate::domain::scope::Scope;
use crate::store::{InForce, Past, Rows, Store, StoreError, Update};
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
    /// How much of it this server has.
    pub within: Scope,
}

impl Source {
    /// What changed after a revision of a past; everything, when the store has another past now.
    pub(super) async fn update(&self, after: Revision, past: Past) -> Result<Update, StoreError> {
        self.store.update(after, Some(past), self.clock.now(), &self.within).await
    }
}

/// Goes from `before` to the city after an update. `step` is told each city on the way and what changed from the one before; the last of
/// them has the update's revision. Of a city of which there is a part `within` some codes, nothing else comes in. Cost: a look at every row of
/// it, and a territory when boundaries differ.
pub(super) fn steps(
    before: &Arc<City>,
    mut update: Update,
    within: &Scope,
    mut step: impl FnMut(Arc<City>, &Change),
) -> Result<(), AppError> {
    let (revision, boundaries, meta) = (update.revision, update.boundaries.take(), update.meta.take());
    let mut city = Arc::clone(before);
    let mut go = |city: &mut Arc<City>, change: Change| {
        let next = Arc::new(city.after(revision, &change));
        *city = Arc::clone(&next);
        step(next, &change);
    };
    let (scheme, about) = meta.map(load::about).transpose()?.unzip();
    let others = match boundaries {
        Some(InForce { hierarchy, others }) => {
            let scheme = scheme.unwrap_or_else(|| city.territory.scheme.clone());
            let (epoch, boundaries) = match hierarchy {
                Some((record, boundaries)) => (record.epoch, boundaries),
                None => (Epoch(0), BoundarySet { scheme, ..BoundarySet::default() }),
            };
            let boundaries = part::boundaries_of(within, epoch, boundaries)?;
            if !is_same(&city.territory, epoch, &boundaries) {
                let territory = city.territory.after(epoch, &boundaries).map_err(|faults| AppError::Damaged { epoch, faults })?;
                go(&mut city, Change::Boundaries(Arc::new(territory)));
            }
            others
        }
        None => Vec::new(),
    };
    for (record, set) in others {
        let set = part::boundaries_of(within, record.epoch, set)?;
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
    if let Some(about) = about.filter(|about| *about != *city.about) {
        go(&mut city, Change::About(Arc::new(about)));
    }
    if let Some(part) = part::Part::of(within, std::iter::once(&city.territory).chain(city.others.values())) {
        part.keep_of_update(&mut update);
    }
    let Update { facilities, staff, cases, addresses, organizations, buildings, .. } = update;
    if let Some(change) = facilities_that_differ(&city, facilities) {
        go(&mut city, change);
    }
    if let Some(change) = cases_that_differ(&city, cases) {
        go(&mut city, change);
    }
    if let Some(addresses) = addresses.filter(|addresses| !city.addresses.are_of(Addresses::hash_of(addresses))) {
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
    // Last, and in any case: from here on the city is that of the update.
    go(&mut city, staff.map_or(Change::Facilities { put: Vec::new(), removed: Vec::new() }, Change::Staff));
    Ok(())
}

/// A city of everything that an update says. What it leaves out is not there.
pub(super) fn anew(update: Update, within: &Scope) -> Result<City, AppError> {
    let missing = || AppError::Outside("the store told a part of the city for the whole".to_owned());
    load::city(update.into_snapshot().ok_or_else(missing)?, within)
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
fn facilities_that_differ(city: &City, rows: Rows<FacilityRow, FacilityRecord>) -> Option<Change> {
    let rows = match rows {
        Rows::Same => return None,
        Rows::All(rows) => rows,
        Rows::Some { ids, rows } => {
            let gone = gone(&ids, rows.iter().map(|row| row.id.0)).map(FacilityId);
            let removed = gone.filter(|id| city.facilities.facility(*id).is_some()).collect();
            // Those that say the same are put again: they are few.
            let put = rows.iter().filter_map(|row| load::facility_of(row, &city.about.profile)).collect();
            return Some(Change::Facilities { put, removed });
        }
    };
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

/// Those keys that have no row.
fn gone(ids: &[i64], rows: impl Iterator<Item = i64>) -> impl Iterator<Item = i64> {
    let there: HashSet<i64> = rows.collect();
    ids.iter().copied().filter(move |id| !there.contains(id))
}

/// The same of open cases.
fn cases_that_differ(city: &City, records: Rows<CaseRecord>) -> Option<Change> {
    let records = match records {
        Rows::Same => return None,
        Rows::All(records) => records,
        Rows::Some { ids, rows } => {
            let open: Vec<CaseRecord> = rows.into_iter().filter(|record| record.state.is_open()).collect();
            let gone = gone(&ids, open.iter().map(|record| record.id.0)).map(CaseId);
            let removed = gone.filter(|id| city.cases.case(*id).is_some()).collect();
            let put = open.into_iter().map(|record| Case { record: Arc::new(record), leaf: None }).collect();
            return Some(Change::Cases { put, removed });
        }
    };
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
    records: Rows<R>,
    change: impl FnOnce(Vec<Arc<R>>, Vec<R::Id>) -> Change,
) -> Option<Change> {
    let (records, removed) = match records {
        Rows::Same => return None,
        Rows::All(records) => {
            let stored: HashSet<R::Id> = records.iter().map(|record| record.id()).collect();
            (records, known.iter().map(|one| one.record.id()).filter(|id| !stored.contains(id)).collect::<Vec<_>>())
        }
        Rows::Some { ids, rows } => {
            let named: HashSet<i64> = ids.into_iter().collect();
            let stored: HashSet<R::Id> = rows.iter().map(|record| record.id()).collect();
            let gone = |id: &R::Id| named.contains(&R::number(*id)) && !stored.contains(id);
            (rows, known.iter().map(|one| one.record.id()).filter(gone).collect())
        }
    };
    let differs = |record: &R| known.get(record.id()).is_none_or(|known| *known.record != *record);
    let put: Vec<_> = records.into_iter().filter(differs).map(Arc::new).collect();
    (!put.is_empty() || !removed.is_empty()).then(|| change(put, removed))
}
