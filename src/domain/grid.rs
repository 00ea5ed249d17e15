//! Grids: the governed polygons at the bottom of the hierarchy.

use super::code::Code;
use super::records::Provenance;
use crate::geom::Area;
use serde::{Deserialize, Serialize};

/// What a grid is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GridKind {
    /// 基础网格, 综合网格.
    #[default]
    Base,
    /// 专属网格: a school, hospital, park with premises of its own.
    Dedicated,
    /// 微网格.
    Micro,
    /// 单元网格, about 10,000 m².
    Unit,
    /// 责任网格.
    Duty,
    /// 评价网格.
    Evaluation,
    /// 警格.
    Police,
    /// 工商巡查网格.
    Business,
}

/// A word that is no kind of grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown grid kind {0:?}: one of base, dedicated, micro, unit, duty, evaluation, police, business")]
pub struct UnknownGridKind(pub String);

impl GridKind {
    /// Every kind with its word in API, files and tiles.
    pub const TABLE: [(Self, &'static str); 8] = [
        (Self::Base, "base"),
        (Self::Dedicated, "dedicated"),
        (Self::Micro, "micro"),
        (Self::Unit, "unit"),
        (Self::Duty, "duty"),
        (Self::Evaluation, "evaluation"),
        (Self::Police, "police"),
        (Self::Business, "business"),
    ];

    /// The word in API, files and tiles.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }
}

impl std::str::FromStr for GridKind {
    type Err = UnknownGridKind;
    fn from_str(word: &str) -> Result<Self, UnknownGridKind> {
        let found = Self::TABLE.iter().find(|(_, known)| *known == word);
        found.map(|(kind, _)| *kind).ok_or_else(|| UnknownGridKind(word.to_owned()))
    }
}

/// A grid as it is imported and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GridRecord {
    /// Identity.
    pub code: Code,
    /// May be empty.
    pub name: String,
    /// What it is for.
    pub kind: GridKind,
    /// Stated parent; absent: by code length.
    pub parent: Option<Code>,
    /// Its land. Multipart, with holes: all ordinary.
    pub area: Area,
    /// Households, a count.
    pub households: Option<u32>,
    /// Residents, a count.
    pub population: Option<u32>,
    /// Where it comes from.
    pub provenance: Provenance,
}
