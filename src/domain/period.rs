//! Half-open spans of time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `[from, until)`; an absent end is open. History is touching periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Period {
    /// First instant that belongs to it; absent: since ever.
    pub from: Option<Timestamp>,
    /// First instant that no longer belongs to it; absent: until further notice.
    pub until: Option<Timestamp>,
}

impl Period {
    /// Since ever, until further notice.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// Whether `instant` belongs to it.
    pub fn holds(self, instant: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= instant) && self.until.is_none_or(|until| instant < until)
    }

    /// Whether there is no instant in it.
    pub fn is_empty(self) -> bool {
        matches!((self.from, self.until), (Some(from), Some(until)) if until <= from)
    }

    /// Whether the two share an instant.
    pub fn meets(self, other: Self) -> bool {
        let starts_before_end = |from: Option<Timestamp>, until: Option<Timestamp>| match (from, until) {
            (Some(from), Some(until)) => from < until,
            _ => true,
        };
        !self.is_empty()
            && !other.is_empty()
            && starts_before_end(self.from, other.until)
            && starts_before_end(other.from, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_periods_share_no_instant_and_leave_none_out() {
        let noon: Timestamp = "2011-06-01T12:00:00Z".parse().expect("a time");
        let before = Period { from: None, until: Some(noon) };
        let after = Period { from: Some(noon), until: None };
        assert!(!before.holds(noon) && after.holds(noon) && !before.meets(after));
        assert!(Period::ALWAYS.meets(before));
    }
}
