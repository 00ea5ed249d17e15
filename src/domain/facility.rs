//! Facilities: cameras, manhole covers, hydrants, lamps … (管理部件).

use super::code::Code;
use super::id::{FacilityId, Version};
use super::records::Provenance;
use crate::geom::{Crs, LatticePoint, LonLat};
use serde::{Deserialize, Serialize};

/// 完好、破损、丢失、废弃、移除 (GB/T 47678.5 table 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FacilityState {
    /// 完好.
    #[default]
    Intact,
    /// 破损.
    Damaged,
    /// 丢失.
    Lost,
    /// 废弃.
    Abandoned,
    /// 移除.
    Removed,
}

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown facility state {0:?}: one of intact, damaged, lost, abandoned, removed (完好, 破损, 丢失, 废弃, 移除)")]
pub struct UnknownFacilityState(pub String);

impl FacilityState {
    const TABLE: [(Self, &'static str, &'static str); 5] = [
        (Self::Intact, "intact", "完好"),
        (Self::Damaged, "damaged", "破损"),
        (Self::Lost, "lost", "丢失"),
        (Self::Abandoned, "abandoned", "废弃"),
        (Self::Removed, "removed", "移除"),
    ];

    /// Every state.
    pub const ALL: [Self; 5] = [Self::Intact, Self::Damaged, Self::Lost, Self::Abandoned, Self::Removed];

    /// The word in API, store and tiles.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }
}

impl std::str::FromStr for FacilityState {
    type Err = UnknownFacilityState;
    fn from_str(word: &str) -> Result<Self, UnknownFacilityState> {
        Self::TABLE
            .iter()
            .find(|(_, english, chinese)| word == *english || word == *chinese)
            .map(|(state, ..)| *state)
            .ok_or_else(|| UnknownFacilityState(word.to_owned()))
    }
}

/// A position as it was told, before conversion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OriginalPosition {
    /// In which CRS.
    pub crs: Crs,
    /// As told.
    pub position: LonLat,
}

/// A facility as it is imported and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FacilityRecord {
    /// The store's key; 0 until stored.
    pub id: FacilityId,
    /// The city's own identifier, 16 or 17 digits where a standard is followed.
    pub code: Option<String>,
    /// Component category in the profile.
    pub category: String,
    /// May be empty.
    pub name: String,
    /// Its condition.
    pub state: FacilityState,
    /// The day since which it is in that condition, as far as it is known (变更日期).
    pub state_date: Option<jiff::civil::Date>,
    /// Where it stands, CGCS2000.
    pub at: LatticePoint,
    /// Where it was said to stand, when that was not CGCS2000 or WGS 84.
    pub original: Option<OriginalPosition>,
    /// The grid that holds it; derived, rewritten by each publication. Absent: outside every grid.
    pub grid: Option<Code>,
    /// Accuracy class A ±0.5 m, B ±1 m, C ±10 m, as told.
    pub accuracy: Option<String>,
    /// Everything else the source says.
    pub properties: serde_json::Map<String, serde_json::Value>,
    /// Counts its changes; the first is 1.
    pub version: Version,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// What a city in memory keeps of a facility: small, one million of them are about 140 MB.
#[derive(Debug, Clone, PartialEq)]
pub struct FacilityRow {
    /// The store's key.
    pub id: FacilityId,
    /// Where it stands, CGCS2000.
    pub at: LatticePoint,
    /// The grid that holds it; rows of one grid share one allocation.
    pub grid: Option<Code>,
    /// The city's own identifier.
    pub code: Option<Box<str>>,
    /// May be empty.
    pub name: Box<str>,
    /// Counts its changes; the first is 1.
    pub version: Version,
    /// Component category: a position in `CodeProfile::categories`.
    pub category: u16,
    /// Its condition.
    pub state: FacilityState,
}
