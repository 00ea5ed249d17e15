//! Lists of open cases.

use super::cursor::Cursor;
use super::view::{View, Within};
use crate::city::Case;
use crate::domain::case::CaseState;

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

impl View {
    /// Open cases that pass, the most pressing first. Cost: one look at every open case.
    pub fn cases(&self, filter: &Filter) -> Vec<&Case> {
        let mut cases: Vec<&Case> = self.city.cases.iter().filter(|case| self.case_passes(filter, case)).collect();
        cases.sort_by_key(|case| pressing(case));
        cases
    }

    fn case_passes(&self, filter: &Filter, case: &Case) -> bool {
        let record = &case.record;
        let unit = self.unit_of(case);
        let category_fits =
            |wanted: &String| record.category == *wanted || (wanted.len() == 2 && record.category.starts_with(wanted.as_str()));
        self.sees_at(unit)
            && filter.within.as_ref().is_none_or(|within| unit.is_some_and(|unit| within.holds(unit)))
            && filter.state.is_none_or(|state| record.state == state)
            && filter.category.as_ref().is_none_or(category_fits)
            && filter.overdue.is_none_or(|overdue| record.overdue == overdue)
    }
}

/// The place of a case in a list: overdue before the rest, then urgent, then by due time to the second (none: last), then by age.
pub fn pressing(case: &Case) -> Cursor {
    let record = &case.record;
    let flag = |last: bool, bit: u32| u64::from(last) << bit;
    // Instants are within ±2^40 s, so this is a positive number of 61 bits.
    let due = record.due_at.map_or(0, |due| (due.as_second() + (1 << 60)).cast_unsigned());
    Cursor::new(flag(!record.overdue, 63) | flag(!record.urgent, 62) | flag(record.due_at.is_none(), 61) | due, record.id.0)
}
