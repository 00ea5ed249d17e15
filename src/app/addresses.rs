//! Addresses in words → places, as far as a caller may see them.

use super::view::{View, Within};
use crate::city::addresses::find::Answer;
use crate::domain::id::Unit;

pub use crate::city::addresses::find::{Candidate, MatchKind, Understood};

/// Most candidates of one answer.
pub const MOST_CANDIDATES: usize = 100;

impl View {
    /// Everything that an address may mean, the best `limit` of it.
    pub fn find_address(&self, text: &str, within: Option<&Within>, limit: usize) -> Answer {
        let allowed =
            |unit: Option<Unit>| self.sees_at(unit) && within.is_none_or(|within| unit.is_some_and(|unit| within.holds(unit)));
        self.city.addresses.find(&self.territory, text, limit, allowed)
    }
}
