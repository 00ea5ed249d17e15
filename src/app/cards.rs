//! One grid or region with all that stands in it: what a click on the map shows.

use super::cases::pressing;
use super::view::View;
use crate::city::sight::Subtree;
use crate::city::staff::Team;
use crate::city::{Case, Counts, Facility};
use crate::domain::category::Category;
use crate::domain::id::{GridIx, RegionIx, Unit};
use crate::territory::{Grid, Region};
use std::collections::BTreeMap;

/// Cases that a card lists; the rest is counted.
pub const CARD_CASES: usize = 20;

/// A grid, from one revision.
#[derive(Debug)]
pub struct GridCard<'v> {
    /// The grid.
    pub grid: &'v Grid,
    /// Regions above it, top down.
    pub path: Vec<&'v Region>,
    /// Who works there.
    pub team: Team<'v>,
    /// How many facilities stand in it.
    pub facilities: u32,
    /// The same by category, in the order of the profile.
    pub by_category: Vec<(&'v Category, u32)>,
    /// How many cases are open.
    pub open_cases: u32,
    /// Of these, how many are overdue.
    pub overdue: u32,
    /// The most pressing of them, at most [`CARD_CASES`].
    pub cases: Vec<&'v Case>,
    /// Grids it shares a border with, and how many metres of it; longest first.
    pub neighbours: Vec<(&'v Grid, f64)>,
}

impl View {
    /// Regions from the top down to `ix`.
    pub fn path(&self, ix: Option<RegionIx>) -> Vec<&Region> {
        self.territory.path(ix).into_iter().map(|ix| self.territory.region(ix)).collect()
    }

    /// Facilities in a grid of this view. Cost: the rows in the grid's box.
    pub fn facilities_in(&self, ix: GridIx) -> impl Iterator<Item = &Facility> {
        let here = Some(Unit::Grid(ix));
        self.city
            .facilities
            .in_box(self.territory.grid(ix).bbox)
            .filter(move |row| self.sees_category(row.category) && self.leaf_of(row) == here)
    }

    /// Open cases in a grid of this view, the most pressing first.
    pub fn cases_in(&self, ix: GridIx) -> Vec<&Case> {
        let inside = |case: &&Case| self.unit_of(case) == Some(Unit::Grid(ix));
        let mut cases: Vec<&Case> = self.city.cases.in_box(self.territory.grid(ix).bbox).filter(inside).collect();
        cases.sort_by_key(|case| pressing(case));
        cases
    }

    /// Grids that share a border with this one, the longest border first.
    pub fn neighbours(&self, ix: GridIx) -> Vec<(&Grid, f64)> {
        let mut neighbours = self.territory.neighbours(ix);
        neighbours.retain(|(ix, _)| self.sees_grid(*ix));
        neighbours.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        neighbours.into_iter().map(|(ix, shared_m)| (self.territory.grid(ix), shared_m)).collect()
    }

    /// Everything about one grid.
    pub fn card(&self, ix: GridIx) -> GridCard<'_> {
        let grid = self.territory.grid(ix);
        let mut by_category: BTreeMap<u16, u32> = BTreeMap::new();
        for row in self.facilities_in(ix) {
            *by_category.entry(row.category).or_default() += 1;
        }
        let categories = &self.city.about.profile.categories;
        let mut cases = self.cases_in(ix);
        let (open_cases, overdue) = (cases.len() as u32, cases.iter().filter(|case| case.record.overdue).count() as u32);
        cases.truncate(CARD_CASES);
        GridCard {
            grid,
            path: self.path(grid.parent),
            team: self.city.staff.team(&grid.code),
            facilities: by_category.values().sum(),
            by_category: by_category.into_iter().map(|(at, count)| (&categories[usize::from(at)], count)).collect(),
            open_cases,
            overdue,
            cases,
            neighbours: self.neighbours(ix),
        }
    }

    /// Sums over a region of the boundaries in force.
    pub fn region_counts(&self, ix: RegionIx) -> Counts {
        let counts = self.city.region_counts(ix);
        Counts { facilities: counts.facilities - self.hidden_in(&Subtree::at(&self.territory, Unit::Region(ix))), ..counts }
    }

    /// Sums over a grid of the boundaries in force.
    pub fn grid_counts(&self, ix: GridIx) -> Counts {
        let counts = self.city.grid_counts(ix);
        Counts { facilities: counts.facilities - self.hidden_in(&ix.into()), ..counts }
    }

    /// Sums over all that the caller sees of the boundaries in force: for who sees everything, what lies outside every region included.
    pub fn counts(&self) -> Counts {
        if !self.sees_all() {
            let counts = self.tops().into_iter().map(|unit| match unit {
                Unit::Grid(ix) => self.grid_counts(ix),
                Unit::Region(ix) => self.region_counts(ix),
            });
            return counts.fold(Counts::default(), Counts::and);
        }
        let (city, grids, regions) = (&self.city, &self.territory.grids, &self.territory.regions);
        Counts {
            grids: grids.len() as u32,
            facilities: match self.hides() {
                false => city.facilities.len() as u32,
                true => city.facilities.iter().filter(|row| self.sees_category(row.category)).count() as u32,
            },
            open_cases: city.cases.len() as u32,
            overdue: city.cases.iter().filter(|case| case.record.overdue).count() as u32,
            households: (0..grids.len() as u32).filter_map(|at| city.households(GridIx(at)).shown()).sum::<u64>()
                + (0..regions.len() as u32).map(|at| city.region_households(RegionIx(at))).sum::<u64>(),
            population: grids.iter().map(|grid| u64::from(grid.population.unwrap_or(0))).sum(),
            staff: city.staff.len() as u32,
            organizations: city.organizations.len() as u32,
            buildings: city.buildings.len() as u32,
            area_m2: grids.iter().map(|grid| grid.area_m2).sum::<f64>()
                + regions.iter().filter(|region| region.owner.is_some()).map(|region| region.area_m2).sum::<f64>(),
        }
    }

    /// Facilities of a subtree that are there and not shown. Cost: the rows in its box, for those from whom something is hidden.
    fn hidden_in(&self, subtree: &Subtree) -> u32 {
        if !self.hides() {
            return 0;
        }
        let Some(bbox) = subtree.bbox(&self.territory) else { return 0 };
        let rows = self.city.facilities.in_box(bbox).filter(|row| !self.sees_category(row.category));
        rows.filter(|row| row.leaf.is_some_and(|leaf| subtree.holds(leaf))).count() as u32
    }

    /// The regions and grids right below a region. Levels may be skipped, so both can occur.
    pub fn children(&self, ix: RegionIx) -> (Vec<RegionIx>, Vec<GridIx>) {
        let region = self.territory.region(ix);
        let regions = region.subtree.clone().map(RegionIx).filter(|below| self.territory.region(*below).parent == Some(ix));
        let grids = region.grids.clone().map(GridIx).filter(|below| self.territory.grid(*below).parent == Some(ix));
        (regions.collect(), grids.collect())
    }
}
