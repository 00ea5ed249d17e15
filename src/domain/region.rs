//! Regions: every level of the hierarchy above the grids.

use super::code::Code;
use super::records::Provenance;
use crate::geom::Area;
use serde::{Deserialize, Serialize};

/// A region as it is imported and stored. Its drawn area is derived from its leaves; the one given is its *claim*.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionRecord {
    /// Identity.
    pub code: Code,
    /// Name of its level in the scheme.
    pub level: String,
    /// Empty when unknown (a region derived from the codes below it).
    pub name: String,
    /// Stated parent; absent: by code length.
    pub parent: Option<Code>,
    /// The outline that came with it. Checked against, never drawn or looked up while the region has children.
    pub claim: Option<Area>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// A named part of the covered land that has no grid on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoidRecord {
    /// Stable name within the grid set, `void-1` …
    pub name: String,
    /// What it is.
    pub kind: VoidKind,
    /// Why it is one.
    pub reason: String,
    /// Its area.
    pub area: Area,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Why there is no grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VoidKind {
    /// Open water.
    Water,
    /// Left out with a reason.
    Excluded,
}

/// A word that is no kind of void.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of void {0:?}: one of water, excluded")]
pub struct UnknownVoidKind(pub String);

impl VoidKind {
    /// Every kind with its word in API, files and store.
    pub const TABLE: [(Self, &'static str); 2] = [(Self::Water, "water"), (Self::Excluded, "excluded")];

    /// The word in API and store.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }
}

impl std::str::FromStr for VoidKind {
    type Err = UnknownVoidKind;
    fn from_str(word: &str) -> Result<Self, UnknownVoidKind> {
        let found = Self::TABLE.iter().find(|(_, known)| *known == word);
        found.map(|(kind, _)| *kind).ok_or_else(|| UnknownVoidKind(word.to_owned()))
    }
}
