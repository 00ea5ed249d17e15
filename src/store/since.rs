//! What a process has to know that follows what others commit: how far the store is, and what changed since.

use super::{EpochRecord, Meta, Snapshot};
use crate::domain::address::AddressRow;
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::facility::{FacilityRecord, FacilityRow};
use crate::domain::id::Revision;
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::BoundarySet;
use crate::domain::staff::StaffRecord;
use jiff::Timestamp;

/// Which history a store tells. Revisions of one past are never taken back; after a failover a database may have another one, whose numbers
/// mean something else from some point on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// The database system (`pg_control_system`); a physical standby has that of its primary.
    pub system: u64,
    /// Counted up by each promotion.
    pub timeline: u32,
}

/// How far a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// The change log's last number.
    pub revision: Revision,
    /// Which log that is.
    pub past: Past,
    /// When its last entry was written, for whoever wonders whether it is still the same one.
    pub at: Option<Timestamp>,
    /// Grows whenever tokens or sessions begin or end.
    pub callers: i64,
}

/// Rows of one kind, as far as they have to be looked at: whole ones `W`, or those that commits named, `S`.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows<W, S = W> {
    /// None changed.
    Same,
    /// All there are.
    All(Vec<W>),
    /// Those with these keys; a key that has no row is gone.
    Some {
        /// Which were written or removed.
        ids: Vec<i64>,
        /// What they are now.
        rows: Vec<S>,
    },
}

/// The boundaries in force.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InForce {
    /// Of the hierarchy; `None` before the first publication.
    pub hierarchy: Option<(EpochRecord, BoundarySet)>,
    /// Of the other grid sets, by name.
    pub others: Vec<(EpochRecord, BoundarySet)>,
}

/// What changed from a revision to another, as it is now. It may name rows that did not change.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The revision after it.
    pub revision: Revision,
    /// Which history that belongs to.
    pub past: Past,
    /// What the city says about itself; boundaries come with it.
    pub meta: Option<Meta>,
    /// The boundaries. What moved to another grid because of them is not named.
    pub boundaries: Option<InForce>,
    /// Facilities.
    pub facilities: Rows<FacilityRow, FacilityRecord>,
    /// All staff.
    pub staff: Option<Vec<StaffRecord>>,
    /// Cases; of those named also the closed ones.
    pub cases: Rows<CaseRecord>,
    /// All addresses.
    pub addresses: Option<Vec<AddressRow>>,
    /// Organizations.
    pub organizations: Rows<OrganizationRecord>,
    /// Buildings.
    pub buildings: Rows<BuildingRecord>,
}

impl<W, S> Rows<W, S> {
    /// Leaves out what is not wanted. A key whose row is left out counts as gone.
    pub fn retain(&mut self, whole: impl FnMut(&W) -> bool, named: impl FnMut(&S) -> bool) {
        match self {
            Self::Same => {}
            Self::All(rows) => rows.retain(whole),
            Self::Some { rows, .. } => rows.retain(named),
        }
    }

    fn all(self) -> Option<Vec<W>> {
        match self {
            Self::All(rows) => Some(rows),
            _ => None,
        }
    }
}

impl Update {
    /// Whether it says everything.
    pub fn is_whole(&self) -> bool {
        self.meta.is_some() && matches!(self.facilities, Rows::All(_)) && self.addresses.is_some() && self.staff.is_some()
    }

    /// Everything, if that is what it says.
    pub fn into_snapshot(self) -> Option<Snapshot> {
        let InForce { hierarchy, others } = self.boundaries?;
        let (epoch, boundaries) = hierarchy.unzip();
        Some(Snapshot {
            meta: self.meta?,
            revision: self.revision,
            epoch,
            boundaries,
            others,
            facilities: self.facilities.all()?,
            staff: self.staff?,
            cases: self.cases.all()?,
            addresses: self.addresses?,
            organizations: self.organizations.all()?,
            buildings: self.buildings.all()?,
        })
    }

    /// Everything, whatever was known before.
    pub fn whole(snapshot: Snapshot, past: Past) -> Self {
        let Snapshot { meta, revision, epoch, boundaries, others, facilities, staff, cases, addresses, organizations, buildings } =
            snapshot;
        Self {
            revision,
            past,
            meta: Some(meta),
            boundaries: Some(InForce { hierarchy: epoch.zip(boundaries), others }),
            facilities: Rows::All(facilities),
            staff: Some(staff),
            cases: Rows::All(cases),
            addresses: Some(addresses),
            organizations: Rows::All(organizations),
            buildings: Rows::All(buildings),
        }
    }
}
