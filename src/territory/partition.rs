//! The planar partition of one grid set: a shared border is stored once, as an arc.

use crate::domain::id::{GridIx, RegionIx};
use crate::geom::{LatticeBox, LatticePoint};

/// Who owns a face. Positions are in tie-break order: a point on a border belongs to the least owner that touches it. Grids come
/// first, by code (bytewise), then childless regions by code, then voids by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerIx(pub u32);

impl OwnerIx {
    /// The unbounded face: outside.
    pub const OUTSIDE: Self = Self(u32::MAX);

    /// As an index of [`Partition::owners`]; `None` for outside.
    pub fn at(self) -> Option<usize> {
        (self != Self::OUTSIDE).then_some(self.0 as usize)
    }
}

/// What an owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A grid.
    Grid(GridIx),
    /// A region without children.
    Region(RegionIx),
    /// A named void, by its position in `BoundarySet::voids`.
    Void(u32),
}

/// A maximal run of border between the same two owners: from node to node, or closed. Never empty, never crossing another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arc {
    /// At least two points; first and last are nodes. A closed arc (an island, an enclave) repeats its first point at the end; it
    /// starts at its node if it has one, else at its least point. Canonical direction: of the two readings the lexicographically smaller (for closed arcs: the one
    /// whose second point is less than the one before the last).
    pub points: Box<[LatticePoint]>,
    /// Owner on the left hand when walking along `points`. Differs from `right`.
    pub left: OwnerIx,
    /// Owner on the right hand.
    pub right: OwnerIx,
    /// The box around the points.
    pub bbox: LatticeBox,
}

/// Arcs in blocks, so that the next territory shares every block it did not change.
#[derive(Debug, Clone, Default)]
pub struct Partition {
    /// What each `OwnerIx` is.
    pub owners: Vec<Owner>,
    /// Arcs in Morton order of their box's centre, at most [`BLOCK`] each.
    pub blocks: Vec<std::sync::Arc<Vec<Arc>>>,
}

/// Most arcs of one shared block.
pub const BLOCK: usize = 4096;

impl Partition {
    /// All arcs with their position; the position is stable for one partition.
    pub fn arcs(&self) -> impl Iterator<Item = &Arc> {
        self.blocks.iter().flat_map(|block| block.iter())
    }
}
