//! Open cases in memory.

use super::pinned::{Pinned, Thing};
use crate::domain::case::CaseRecord;
use crate::domain::code::Code;
use crate::domain::id::{CaseId, GridIx, RegionIx, Unit};
use crate::geom::{LatticeBox, LatticePoint};
use std::collections::HashMap;
use std::sync::Arc;

/// One open case.
#[derive(Debug, Clone)]
pub struct Case {
    /// All that is known about it.
    pub record: Arc<CaseRecord>,
    /// The grid, or the region without grids, that holds its place, of the territory beside it in the same `City`.
    pub leaf: Option<Unit>,
}

impl Thing for Case {
    fn id(&self) -> i64 {
        self.record.id.0
    }
    fn place(&self) -> Option<LatticePoint> {
        self.record.at
    }
}

/// Open cases of one revision: those with a position by place, the others by region.
#[derive(Debug, Clone, Default)]
pub struct Cases {
    all: Pinned<Case>,
    /// (open, overdue) by grid.
    by_grid: Vec<(u32, u32)>,
    /// (open, overdue) of cases on the land of regions without grids.
    by_region: HashMap<RegionIx, (u32, u32)>,
    /// (open, overdue) of unlocated cases by the region they are known to be in.
    unlocated_by_region: HashMap<Code, (u32, u32)>,
}

impl Cases {
    /// All open cases at once; closed ones are left out. `grids`: how many grids the territory has.
    pub fn new(cases: impl IntoIterator<Item = Case>, grids: usize) -> Self {
        let mut open = Self { by_grid: vec![(0, 0); grids], ..Self::default() };
        let cases = cases.into_iter().filter(|case| case.record.state.is_open());
        open.all = Pinned::new(cases.inspect(|case| open.count(case, 1)).collect::<Vec<_>>());
        open
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// None is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The open case with this key.
    pub fn case(&self, id: CaseId) -> Option<&Case> {
        self.all.get(id.0)
    }

    /// All of them; those with a position first.
    pub fn iter(&self) -> impl Iterator<Item = &Case> {
        self.all.iter()
    }

    /// Those with a position in a closed box.
    pub fn in_box(&self, bbox: LatticeBox) -> impl Iterator<Item = &Case> {
        self.all.in_box(bbox)
    }

    /// (open, overdue) in a grid.
    pub fn grid_counts(&self, ix: GridIx) -> (u32, u32) {
        self.by_grid.get(ix.at()).copied().unwrap_or_default()
    }

    /// (open, overdue) in this very region: on its land when it has no grids, or only known to be somewhere in it.
    pub fn region_counts(&self, ix: RegionIx, code: &Code) -> (u32, u32) {
        let placed = self.by_region.get(&ix).copied().unwrap_or_default();
        let unlocated = self.unlocated_by_region.get(code).copied().unwrap_or_default();
        (placed.0 + unlocated.0, placed.1 + unlocated.1)
    }

    /// Adds or replaces one; a closed one is removed.
    pub fn put(&mut self, case: Case) {
        self.remove(case.record.id);
        if !case.record.state.is_open() {
            return;
        }
        self.count(&case, 1);
        self.all.put(case);
    }

    /// Removes one.
    pub fn remove(&mut self, id: CaseId) -> Option<Case> {
        let case = self.all.remove(id.0)?;
        self.count(&case, -1);
        Some(case)
    }

    /// The same cases, each as `placed` says, for a territory of `grids` grids.
    pub fn relocated(&self, grids: usize, placed: impl Fn(&Case) -> Case) -> Self {
        Self::new(self.iter().map(placed), grids)
    }

    fn count(&mut self, case: &Case, by: i32) {
        let counts = match (case.leaf, &case.record.within) {
            (Some(Unit::Grid(ix)), _) => &mut self.by_grid[ix.at()],
            (Some(Unit::Region(ix)), _) => self.by_region.entry(ix).or_default(),
            (None, Some(region)) => self.unlocated_by_region.entry(region.clone()).or_default(),
            (None, None) => return,
        };
        counts.0 = counts.0.saturating_add_signed(by);
        if case.record.overdue {
            counts.1 = counts.1.saturating_add_signed(by);
        }
    }
}
