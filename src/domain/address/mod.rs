//! Standard addresses (标准地址): where a house, a flat or a place of a name is. An address is no person: nothing about who lives there
//! has a field here.
//!
//! [`clean`] makes one form of the many in which a text is written; [`parts`] takes it apart.

mod chain;
pub mod clean;
pub mod numbers;
pub mod parts;
pub mod places;
mod slots;

use super::code::Code;
use super::facility::OriginalPosition;
use super::id::{AddressId, Version};
use super::records::Provenance;
use crate::geom::LatticePoint;
use serde::{Deserialize, Serialize};

/// Most characters of an address.
pub const MOST_CHARS: usize = 200;

/// An address as imported and stored. In which grid it lies is asked of the boundaries each time, so a publication changes no address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressRecord {
    /// The store's key; 0 until stored.
    pub id: AddressId,
    /// The whole of it, as told: `舟山市定海区解放西路105弄3号2幢1单元301室`.
    pub text: String,
    /// What stands there, when that has a name of its own; may be empty.
    pub name: String,
    /// Where; absent when only the region is known.
    pub at: Option<LatticePoint>,
    /// As told, when that was not CGCS2000 or WGS 84.
    pub original: Option<OriginalPosition>,
    /// The region or grid it is known to be in; there when there is no position.
    pub within: Option<Code>,
    /// Counts its changes; the first is 1.
    pub version: Version,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// What a city in memory is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct AddressRow {
    /// The store's key.
    pub id: AddressId,
    /// Where.
    pub at: Option<LatticePoint>,
    /// The region or grid it is known to be in.
    pub within: Option<Code>,
    /// The whole of it.
    pub text: Box<str>,
    /// May be empty.
    pub name: Box<str>,
}
