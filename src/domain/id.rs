//! Numbers that name things. None of them is a `Code`; see each for how long it stays valid.

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Names one published boundary set; grows by one per publication; the compare-and-set token of publish. 0: nothing published yet.
    Epoch(u64)
);
number!(
    /// Number of the change log; grows by one per committed change, in commit order, without holes. 0: empty.
    Revision(u64)
);
number!(
    /// Counter of one object (facility, case, plan): its `ETag`, what `If-Match` compares. The first is 1.
    Version(u32)
);
number!(
    /// 64-bit hash of a tile's uncompressed bytes: equal on all servers and after a restart, since encoding is deterministic.
    TileTag(u64)
);
number!(
    /// The store's key of a facility; also its MVT feature id, so it is at most 2^53 − 1.
    FacilityId(i64)
);
number!(
    /// The store's key of a case; also its MVT feature id, so it is at most 2^53 − 1.
    CaseId(i64)
);
number!(
    /// The store's key of an address.
    AddressId(i64)
);
number!(
    /// The store's key of an organization; also its MVT feature id, so it is at most 2^53 − 1.
    OrganizationId(i64)
);
number!(
    /// The store's key of a building; also its MVT feature id, so it is at most 2^53 − 1.
    BuildingId(i64)
);
number!(
    /// The store's key of an import.
    ImportId(i64)
);
number!(
    /// Position of a region in depth-first order *of one epoch*: a subtree is a range. Never leaves the process.
    RegionIx(u32)
);
number!(
    /// Position of a grid in depth-first order *of one epoch*: the grids below a region are a range. Never leaves the process.
    GridIx(u32)
);

/// A unit of the hierarchy. What the land is divided into are *leaves*: grids, and regions without children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A grid.
    Grid(GridIx),
    /// A region.
    Region(RegionIx),
}

impl Unit {
    /// The grid, when it is one.
    pub fn grid(self) -> Option<GridIx> {
        match self {
            Self::Grid(ix) => Some(ix),
            Self::Region(_) => None,
        }
    }
}

impl RegionIx {
    /// As an index of a slice.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl GridIx {
    /// As an index of a slice.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A partition of its own over the same land: `governance` is the hierarchy's; others (police, unit …) may stand beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GridSet(String);

/// A name that cannot be a grid set's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a grid set: 1–24 lower-case letters, digits or underscores")]
pub struct BadGridSet(pub String);

impl GridSet {
    /// Checks the name.
    pub fn new(name: &str) -> Result<Self, BadGridSet> {
        let fits =
            (1..=24).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if fits { Ok(Self(name.to_owned())) } else { Err(BadGridSet(name.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hierarchy's own: facilities, cases and teams stand in its grids.
    pub fn is_governance(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for GridSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Default for GridSet {
    fn default() -> Self {
        Self("governance".to_owned())
    }
}
