//! Organizations in memory.

use super::standing::{Record, Standing, Standings};
use crate::domain::code::Code;
use crate::domain::id::OrganizationId;
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::Provenance;
use crate::geom::LatticePoint;

/// One organization.
pub type Organization = Standing<OrganizationRecord>;

/// All organizations of one revision.
pub type Organizations = Standings<OrganizationRecord>;

impl Record for OrganizationRecord {
    type Id = OrganizationId;

    fn id(&self) -> OrganizationId {
        self.id
    }
    fn number(id: OrganizationId) -> i64 {
        id.0
    }
    fn at(&self) -> Option<LatticePoint> {
        self.at
    }
    fn within(&self) -> Option<&Code> {
        self.within.as_ref()
    }
    fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}
