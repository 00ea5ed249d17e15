//! Faults: reasons why a data set or a plan is refused. Every fault has its place; all of them are given, not the first.

use super::code::Code;
use crate::geom::{Area, LonLat};
use serde::{Deserialize, Serialize};

/// What is wrong. The word is stable: clients and reports key on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A ring with fewer than three points, or none at all.
    EmptyRing,
    /// First and last position of a ring differ (RFC 7946 §3.1.6).
    UnclosedRing,
    /// A ring crosses itself or another of its own polygon.
    SelfCrossing,
    /// A position is NaN, infinite or out of range.
    BadPosition,
    /// An edge is longer than 180° (RFC 7946 §3.1.9: cut at the antimeridian).
    Antimeridian,
    /// More vertices than the budget allows.
    TooManyVertices,
    /// The geometry is not of the type this import takes.
    WrongGeometry,
    /// A field is missing, or its value is not what the field holds.
    BadField,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The record or the file cannot be parsed.
    BadSyntax,
    /// The file is not there, or the system does not give it out.
    Unreadable,
    /// Two records of one code.
    DuplicateCode,
    /// The code has no place in the scheme.
    NotInScheme,
    /// The stated parent does not exist.
    UnknownParent,
    /// Land of a child that lies outside its parent's claim.
    OutsideClaim,
    /// Land of a claim that no child covers.
    Uncovered,
    /// Land between grids that belongs to nobody.
    Gap,
    /// Land that two records cover.
    Overlap,
    /// Two outer borders of different owners closer than the sliver width: a slit.
    Slit,
    /// A grid with no land left after rounding.
    Vanished,
    /// A category that the profile does not have.
    UnknownCategory,
    /// A grid or region that a record names does not exist.
    UnknownCode,
    /// An invariant of stored data does not hold.
    Corrupt,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// In words: what, and how to mend it. Starts lower-case.
    pub detail: String,
    /// The record in its file, counted from 1 (the line for CSV and GeoJSONSeq).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The codes concerned: one, or the two that overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    /// A point of it, to fly to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<LonLat>,
    /// Its land, for gaps and overlaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<Area>,
    /// How much land.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_m2: Option<f64>,
}

impl Fault {
    /// A fault with no more than a kind and words; the rest is set by name.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), record: None, field: None, codes: Vec::new(), place: None, area: None, area_m2: None }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(record) = self.record {
            write!(f, "record {record}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.detail)?;
        if let Some(place) = self.place {
            write!(f, " at [{}, {}]", place.lon(), place.lat())?;
        }
        if let Some(area) = self.area_m2 {
            write!(f, " ({area:.1} m²)")?;
        }
        Ok(())
    }
}

/// Something small that was mended on the way in, reported one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repair {
    /// `ring_split`, `sliver_gap`, `sliver_overlap`, `duplicate_point` …
    pub kind: String,
    /// In words.
    pub detail: String,
    /// Codes concerned; for a sliver the last is who got it.
    pub codes: Vec<Code>,
    /// Where.
    pub place: Option<LonLat>,
    /// How much land changed hands.
    pub area_m2: f64,
}
