//! Organizations in memory.

use super::pinned::{Pinned, Thing};
use crate::domain::id::{GridIx, OrganizationId, RegionIx, Unit};
use crate::domain::organization::OrganizationRecord;
use crate::geom::{LatticeBox, LatticePoint};
use crate::territory::Territory;
use std::collections::HashMap;
use std::sync::Arc;

/// One organization.
#[derive(Debug, Clone)]
pub struct Organization {
    /// All that is known about it.
    pub record: Arc<OrganizationRecord>,
    /// Where it belongs in the territory beside it in the same `City`: see [`unit_of`].
    pub unit: Option<Unit>,
}

impl Thing for Organization {
    fn id(&self) -> i64 {
        self.record.id.0
    }
    fn place(&self) -> Option<LatticePoint> {
        self.record.at
    }
}

/// The grid, or the region without grids, on whose land it is; without a place the grid or region that it says.
pub fn unit_of(record: &OrganizationRecord, territory: &Territory) -> Option<Unit> {
    match (record.at, &record.within) {
        (Some(at), _) => territory.leaf_at(at),
        (None, Some(within)) => {
            let grid = territory.grid_ix(within.as_str()).map(Unit::Grid);
            grid.or_else(|| territory.region_ix(within.as_str()).map(Unit::Region))
        }
        (None, None) => None,
    }
}

/// All organizations of one revision, counted by where they belong.
#[derive(Debug, Clone, Default)]
pub struct Organizations {
    all: Pinned<Organization>,
    by_unit: HashMap<Unit, u32>,
}

impl Organizations {
    /// All at once, found in a territory.
    pub fn new(records: impl IntoIterator<Item = Arc<OrganizationRecord>>, territory: &Territory) -> Self {
        let found = records.into_iter().map(|record| Organization { unit: unit_of(&record, territory), record });
        let all = Pinned::new(found);
        let mut by_unit = HashMap::new();
        for unit in all.iter().filter_map(|one: &Organization| one.unit) {
            *by_unit.entry(unit).or_default() += 1;
        }
        Self { all, by_unit }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The one with this key.
    pub fn organization(&self, id: OrganizationId) -> Option<&Organization> {
        self.all.get(id.0)
    }

    /// All of them; those with a place first.
    pub fn iter(&self) -> impl Iterator<Item = &Organization> {
        self.all.iter()
    }

    /// Those with a place in a closed box.
    pub fn in_box(&self, bbox: LatticeBox) -> impl Iterator<Item = &Organization> {
        self.all.in_box(bbox)
    }

    /// Those without a place.
    pub fn unplaced(&self) -> impl Iterator<Item = &Organization> {
        self.all.unplaced()
    }

    /// How many belong to a grid.
    pub fn grid_count(&self, ix: GridIx) -> u32 {
        self.by_unit.get(&Unit::Grid(ix)).copied().unwrap_or(0)
    }

    /// How many belong to this very region: on its land when it has no grids, or working for it without a place.
    pub fn region_count(&self, ix: RegionIx) -> u32 {
        self.by_unit.get(&Unit::Region(ix)).copied().unwrap_or(0)
    }

    /// Adds or replaces one, found in a territory.
    pub fn put(&mut self, record: Arc<OrganizationRecord>, territory: &Territory) {
        self.remove(record.id);
        let unit = unit_of(&record, territory);
        if let Some(unit) = unit {
            *self.by_unit.entry(unit).or_default() += 1;
        }
        self.all.put(Organization { record, unit });
    }

    /// Removes one.
    pub fn remove(&mut self, id: OrganizationId) -> Option<Organization> {
        let gone = self.all.remove(id.0)?;
        if let Some(count) = gone.unit.and_then(|unit| self.by_unit.get_mut(&unit)) {
            *count -= 1;
        }
        Some(gone)
    }

    /// The same organizations found again in another territory.
    pub fn relocated(&self, territory: &Territory) -> Self {
        Self::new(self.iter().map(|one| Arc::clone(&one.record)), territory)
    }
}
