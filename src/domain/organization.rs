//! Organizations that work in the grids: party groups (党小组), mediation rooms (调解室), volunteer stations (志愿服务站), police posts (警务室) …
//! Bodies and rooms, never persons: a record has no field for anybody's name or phone.

use super::code::Code;
use super::facility::OriginalPosition;
use super::id::{OrganizationId, Version};
use super::records::Provenance;
use crate::geom::LatticePoint;
use serde::{Deserialize, Serialize};

/// An organization as it is imported and stored. Which grid it stands in is found from its place, or else is what `within` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrganizationRecord {
    /// The store's key; 0 until stored.
    pub id: OrganizationId,
    /// Its category: `party`, `mediation` …
    pub category: String,
    /// Its name.
    pub name: String,
    /// Where it is, CGCS2000.
    pub at: Option<LatticePoint>,
    /// Where it was said to be, when that was not CGCS2000 or WGS 84.
    pub original: Option<OriginalPosition>,
    /// The region or grid it works for, as told. One without a place has it.
    pub within: Option<Code>,
    /// When it is open, in words.
    pub hours: Option<String>,
    /// Where it is, in words.
    pub address: Option<String>,
    /// Counts its changes; the first is 1.
    pub version: Version,
    /// Where it comes from.
    pub provenance: Provenance,
}
