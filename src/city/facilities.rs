//! Facilities in memory: what lookups, cards and tiles need. What else a facility has (properties, provenance) stays in the store.

use super::clusters::Clusters;
use super::table::{Placed, Table};
use crate::domain::category::{Category, CategoryKind, CodeProfile};
use crate::domain::facility::FacilityState;
use crate::domain::id::{FacilityId, GridIx, RegionIx, Unit, Version};
use crate::geom::{LatticeBox, LatticePoint};
use std::collections::HashMap;

/// One facility.
#[derive(Debug, Clone, PartialEq)]
pub struct Facility {
    /// The store's key.
    pub id: FacilityId,
    /// Where it stands.
    pub at: LatticePoint,
    /// The grid, or the region without grids, that holds it, of the territory beside it in the same `City`.
    pub leaf: Option<Unit>,
    /// Its category: a position in `CodeProfile::categories`.
    pub category: u16,
    /// Its condition.
    pub state: FacilityState,
    /// Counts its changes.
    pub version: Version,
    /// May be empty.
    pub name: Box<str>,
    /// The city's own identifier.
    pub code: Option<Box<str>>,
}

impl Placed for Facility {
    fn id(&self) -> i64 {
        self.id.0
    }
    fn at(&self) -> LatticePoint {
        self.at
    }
}

/// All facilities of one revision, with counts by grid and by cluster cell that every write keeps.
#[derive(Debug, Clone, Default)]
pub struct Facilities {
    table: Table<Facility>,
    clusters: Clusters,
    by_grid: Vec<u32>,
    /// Of regions without grids.
    by_region: HashMap<RegionIx, u32>,
    /// Major category (first two characters of the code) of each category, as a number.
    majors: Vec<u8>,
    /// In no grid and no region.
    beyond: u32,
}

impl Facilities {
    /// All of them at once. `grids`: how many grids the territory has.
    pub fn new(rows: Vec<Facility>, profile: &CodeProfile, grids: usize) -> Self {
        let majors: Vec<u8> = profile.categories.iter().map(|category| major_number(&category.code)).collect();
        let table = Table::from_rows(rows);
        let clusters = Clusters::of(table.iter().map(|row| (row.at, majors[usize::from(row.category)])));
        let mut all = Self { table, clusters, by_grid: vec![0; grids], majors, ..Self::default() };
        all.count_all();
        all
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many stand outside every grid.
    pub fn outside(&self) -> u32 {
        self.beyond + self.by_region.values().sum::<u32>()
    }

    /// The one with this key.
    pub fn facility(&self, id: FacilityId) -> Option<&Facility> {
        self.table.get(id.0)
    }

    /// All of them, in an order that is stable for one revision.
    pub fn iter(&self) -> impl Iterator<Item = &Facility> {
        self.table.iter()
    }

    /// Those in a closed box.
    pub fn in_box(&self, bbox: LatticeBox) -> impl Iterator<Item = &Facility> {
        self.table.in_box(bbox)
    }

    /// How many stand in a grid.
    pub fn grid_count(&self, ix: GridIx) -> u32 {
        self.by_grid.get(ix.at()).copied().unwrap_or(0)
    }

    /// How many stand on the land of a region that has no grids.
    pub fn region_count(&self, ix: RegionIx) -> u32 {
        self.by_region.get(&ix).copied().unwrap_or(0)
    }

    /// Cells for zooms that show no single facility.
    pub fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// Major category of a category, as a number; 0 when the profile has none.
    pub fn major(&self, category: u16) -> u8 {
        self.majors.get(usize::from(category)).copied().unwrap_or(0)
    }

    /// Adds or replaces one.
    pub fn put(&mut self, row: Facility) {
        let major = self.major(row.category);
        self.remove(row.id);
        self.clusters.add(row.at, major);
        *self.counter(row.leaf) += 1;
        self.table.put(row);
    }

    /// Removes one.
    pub fn remove(&mut self, id: FacilityId) -> Option<Facility> {
        let row = self.table.remove(id.0)?;
        self.clusters.subtract(row.at, self.major(row.category));
        *self.counter(row.leaf) -= 1;
        Some(row)
    }

    /// The same facilities with their leaves found again by `leaves`, for a territory of `grids` grids. Those that `moved` from one leaf to
    /// another count as changed.
    pub fn relocated(
        &self,
        grids: usize,
        leaves: impl FnOnce(&[LatticePoint]) -> Vec<Option<Unit>>,
        moved: impl Fn(Option<Unit>, Option<Unit>) -> bool + Sync,
    ) -> Self {
        let places: Vec<LatticePoint> = self.table.iter().map(|row| row.at).collect();
        let leaves = leaves(&places);
        let table = self.table.changed(|at, row| {
            let leaf = leaves[at];
            let version = Version(row.version.0 + u32::from(moved(row.leaf, leaf)));
            ((leaf, version) != (row.leaf, row.version)).then(|| Facility { leaf, version, ..row.clone() })
        });
        let mut all = Self {
            table,
            clusters: self.clusters.clone(),
            by_grid: vec![0; grids],
            majors: self.majors.clone(),
            ..Self::default()
        };
        all.count_all();
        all
    }

    /// The same facilities under another profile. It has the categories of all of them.
    pub fn recoded(&self, from: &CodeProfile, to: &CodeProfile, grids: usize) -> Self {
        let position = |category: &Category| to.position(CategoryKind::Component, &category.code).unwrap_or(0);
        let positions: Vec<u16> = from.categories.iter().map(position).collect();
        let recoded = |row: &Facility| Facility { category: positions[usize::from(row.category)], ..row.clone() };
        Self::new(self.table.iter().map(recoded).collect(), to, grids)
    }

    fn count_all(&mut self) {
        let leaves: Vec<Option<Unit>> = self.table.iter().map(|row| row.leaf).collect();
        leaves.into_iter().for_each(|leaf| *self.counter(leaf) += 1);
    }

    fn counter(&mut self, leaf: Option<Unit>) -> &mut u32 {
        match leaf {
            Some(Unit::Grid(ix)) => &mut self.by_grid[ix.at()],
            Some(Unit::Region(ix)) => self.by_region.entry(ix).or_default(),
            None => &mut self.beyond,
        }
    }
}

/// The first two characters of a category code as a number; 0 when they are none.
fn major_number(code: &str) -> u8 {
    code.get(..2).and_then(|major| major.parse().ok()).unwrap_or(0)
}
