//! From one revision to the next. The only way in which the city in memory changes.

use super::{About, Case, Cases, City, Facilities, Facility, Staff};
use crate::domain::id::{CaseId, FacilityId, GridIx, Revision};
use crate::domain::staff::StaffRecord;
use crate::geom::LatticePoint;
use crate::territory::Territory;
use std::sync::Arc;

/// What one committed revision changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// New boundaries are in force.
    Boundaries(Arc<Territory>),
    /// Facilities were added or changed (`put`), or removed. Their grids are found here, from their places.
    Facilities {
        /// Added or changed.
        put: Vec<Facility>,
        /// Removed.
        removed: Vec<FacilityId>,
    },
    /// Cases were added or changed (`put`; a closed one leaves), or removed.
    Cases {
        /// Added or changed.
        put: Vec<Case>,
        /// Removed.
        removed: Vec<CaseId>,
    },
    /// The staff as it is now.
    Staff(Vec<StaffRecord>),
    /// Title, attribution, profile.
    About(Arc<About>),
}

impl City {
    /// The city after `revision`. Everything that did not change is shared with this one.
    pub fn after(&self, revision: Revision, change: Change) -> Self {
        let mut next = Self { revision, ..self.clone() };
        match change {
            Change::Boundaries(territory) => {
                let grids = territory.grids.len();
                let locate = |p: LatticePoint| territory.locate(p).grid(&territory);
                next.facilities = Arc::new(self.facilities.relocated(grids, locate));
                next.cases = Arc::new(self.cases.relocated(grids, locate));
                next.territory = territory;
            }
            Change::Facilities { put, removed } => {
                let mut facilities = Facilities::clone(&self.facilities);
                for id in removed {
                    facilities.remove(id);
                }
                for row in put {
                    facilities.put(Facility { grid: self.grid_at(row.at), ..row });
                }
                next.facilities = Arc::new(facilities);
            }
            Change::Cases { put, removed } => {
                let mut cases = Cases::clone(&self.cases);
                for id in removed {
                    cases.remove(id);
                }
                for case in put {
                    cases.put(Case { grid: case.record.at.and_then(|at| self.grid_at(at)), ..case });
                }
                next.cases = Arc::new(cases);
            }
            Change::Staff(records) => next.staff = Arc::new(Staff::new(records)),
            Change::About(about) => next.about = about,
        }
        next
    }

    /// The grid that owns a place.
    pub fn grid_at(&self, p: LatticePoint) -> Option<GridIx> {
        self.territory.locate(p).grid(&self.territory)
    }
}
