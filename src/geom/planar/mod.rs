//! The plane as nodes, edges and faces on the lattice: noding by iterated snap rounding, and the faces that noded lines enclose.
//! Everything is decided by exact integer predicates.

mod arrangement;
mod noding;
mod rings;

pub use arrangement::{Arrangement, Face, FaceIx};
pub use noding::{MAX_ROUNDS, Noding, TooManyRounds, snap_round};
pub use rings::{assemble, inner_point, label_point, ring_holds_midpoint};

pub(crate) use arrangement::each_node;
pub(crate) use noding::closed_pairs;

use super::lattice::LatticePoint;
use super::measure::LocalScale;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A straight piece of border without direction: `a < b`, so it never runs west, and runs north if it is vertical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    a: LatticePoint,
    b: LatticePoint,
}

impl Edge {
    /// The edge between two points, and whether it is read against its direction; `None` when the two are the same.
    pub fn between(from: LatticePoint, to: LatticePoint) -> Option<(Self, bool)> {
        match from.cmp(&to) {
            std::cmp::Ordering::Less => Some((Self { a: from, b: to }, false)),
            std::cmp::Ordering::Greater => Some((Self { a: to, b: from }, true)),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// The lesser end.
    pub fn a(self) -> LatticePoint {
        self.a
    }

    /// The greater end.
    pub fn b(self) -> LatticePoint {
        self.b
    }

    /// Its length in metres, on a flat map of its place.
    pub fn length_m(self) -> f64 {
        LocalScale::at((f64::from(self.a.y) + f64::from(self.b.y)) / 2.0).length_m(self.a, self.b)
    }

    /// One number that orders like the edge itself; comparing it is cheaper.
    pub fn key(self) -> u128 {
        u128::from(point_key(self.a)) << 64 | u128::from(point_key(self.b))
    }
}

/// One number that orders like the point itself.
pub(crate) fn point_key(p: LatticePoint) -> u64 {
    let biased = |v: i32| u64::from((v as u32) ^ 0x8000_0000);
    biased(p.x) << 32 | biased(p.y)
}

/// A hash for lattice points and edges: multiply and fold. They come from maps, not from an adversary: a bad case is slow, not wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct LatticeHasher(u64);

impl Hasher for LatticeHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, v: u32) {
        let wide = u128::from(self.0.rotate_left(32) ^ u64::from(v)) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (wide >> 64) as u64 ^ wide as u64;
    }

    fn write_i32(&mut self, v: i32) {
        self.write_u32(v as u32);
    }
}

/// A map whose keys are edges, directed edges or points.
pub type LatticeMap<K, V> = HashMap<K, V, BuildHasherDefault<LatticeHasher>>;
