//! Lists of open cases.

use super::view::View;
use crate::city::Case;
use crate::domain::case::CaseState;
use crate::domain::id::{GridIx, RegionIx};

/// What a list is narrowed to; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Below this region (unlocated cases that are known to be in it included), or in this grid.
    pub within: Option<Within>,
    /// In this state.
    pub state: Option<CaseState>,
    /// Of this matter category, or of this major category when it has two characters.
    pub category: Option<String>,
    /// Overdue, or not.
    pub overdue: Option<bool>,
}

/// Where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Below a region.
    Region(RegionIx),
    /// In a grid.
    Grid(GridIx),
}

impl View {
    /// Open cases that pass, the most pressing first. Cost: one look at every open case.
    pub fn cases(&self, filter: &Filter) -> Vec<&Case> {
        let mut cases: Vec<&Case> = self.city.cases.iter().filter(|case| self.case_passes(filter, case)).collect();
        cases.sort_by_key(|case| pressing(case));
        cases
    }

    /// The region or grid with this code, as a place to look in.
    pub fn within_code(&self, code: &str) -> Result<Within, super::AppError> {
        match self.region(code) {
            Ok((ix, _)) => Ok(Within::Region(ix)),
            Err(_) => self.grid(code).map(|(ix, _)| Within::Grid(ix)),
        }
    }

    fn case_passes(&self, filter: &Filter, case: &Case) -> bool {
        let record = &case.record;
        let known_region = || record.within.as_ref().and_then(|code| self.territory.region_ix(code.as_str()));
        let seen = match case.grid {
            Some(ix) => self.sees_grid(ix),
            None => self.sees_all() || known_region().is_some_and(|ix| self.sees_region(ix)),
        };
        let inside = |within: Within| match (within, case.grid) {
            (Within::Grid(wanted), grid) => grid == Some(wanted),
            (Within::Region(wanted), Some(grid)) => self.territory.region(wanted).grids.contains(&grid.0),
            (Within::Region(wanted), None) => {
                known_region().is_some_and(|ix| self.territory.region(wanted).subtree.contains(&ix.0))
            }
        };
        let category_fits =
            |wanted: &String| record.category == *wanted || (wanted.len() == 2 && record.category.starts_with(wanted.as_str()));
        seen && filter.within.is_none_or(inside)
            && filter.state.is_none_or(|state| record.state == state)
            && filter.category.as_ref().is_none_or(category_fits)
            && filter.overdue.is_none_or(|overdue| record.overdue == overdue)
    }
}

/// Overdue before the rest, then urgent, then by due time (none: last), then by age.
pub(super) fn pressing(case: &Case) -> impl Ord + use<> {
    let record = &case.record;
    (!record.overdue, !record.urgent, record.due_at.is_none(), record.due_at, record.id)
}
