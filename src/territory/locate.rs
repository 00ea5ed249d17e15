//! Point → owner. Every point of the covered land has exactly one.

use super::Territory;
use super::partition::{Owner, OwnerIx, Partition};
use crate::domain::id::{GridIx, Unit};
use crate::geom::LatticePoint;
use crate::geom::lattice::{on_segment, side};
use std::cmp::Ordering;

/// Where a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Located {
    /// In, or on the border of, this owner's land: of all owners that touch the point the least.
    Inside {
        /// Who owns it.
        owner: OwnerIx,
        /// The point lies exactly on a border.
        on_border: bool,
    },
    /// Outside the covered land.
    Outside,
}

impl Located {
    /// The leaf of the hierarchy that owns the place; `None` in a named void and outside.
    pub fn leaf(self, territory: &Territory) -> Option<Unit> {
        let Self::Inside { owner, .. } = self else { return None };
        match territory.partition.owners[owner.at()?] {
            Owner::Grid(ix) => Some(Unit::Grid(ix)),
            Owner::Region(ix) => Some(Unit::Region(ix)),
            Owner::Void(_) => None,
        }
    }
}

impl Territory {
    /// Who owns a point. A point on a border belongs to the least owner that touches it. Exact; allocates nothing.
    pub fn locate(&self, p: LatticePoint) -> Located {
        self.index.locate(p)
    }

    /// The leaf of the hierarchy that owns a point: a grid, or a region that has none; `None` in a named void and outside.
    pub fn leaf_at(&self, p: LatticePoint) -> Option<Unit> {
        self.locate(p).leaf(self)
    }

    /// The same for many points, in their order; on all cores of the current rayon pool.
    pub fn leaves_at(&self, points: &[LatticePoint]) -> Vec<Option<Unit>> {
        self.locate_many(points).into_iter().map(|found| found.leaf(self)).collect()
    }

    /// The grid that owns a point.
    pub fn grid_at(&self, p: LatticePoint) -> Option<GridIx> {
        self.leaf_at(p)?.grid()
    }

    /// Who owns each of many points, in their order; on all cores of the current rayon pool.
    pub fn locate_many(&self, points: &[LatticePoint]) -> Vec<Located> {
        self.index.locate_many(points)
    }

    /// The same as [`Self::locate`] by looking at every edge: the slow twin that it is tested against.
    pub fn locate_brute(&self, p: LatticePoint) -> Located {
        self.partition.locate_brute(p)
    }
}

impl Partition {
    /// Who owns a point, by looking at every edge: the slow twin of the index.
    pub fn locate_brute(&self, p: LatticePoint) -> Located {
        let mut touching: Option<OwnerIx> = None;
        // The first edge that a ray to the east meets decides; `None` is the unbounded face.
        let mut nearest: Option<(LatticePoint, LatticePoint, OwnerIx)> = None;
        for arc in self.arcs() {
            for edge in arc.points.windows(2) {
                let (a, b) = (edge[0], edge[1]);
                if on_segment(a, b, p) {
                    let least = arc.left.min(arc.right);
                    touching = Some(touching.map_or(least, |found| found.min(least)));
                }
                // Half-open in y: an edge counts at its lower end and not at its upper one.
                let (low, high, west) = if a.y < b.y { (a, b, arc.left) } else { (b, a, arc.right) };
                let crosses = low.y <= p.y && p.y < high.y && side(low, high, p) == Ordering::Greater;
                if crosses && nearest.is_none_or(|(l, h, _)| lies_west(low, high, l, h, p.y)) {
                    nearest = Some((low, high, west));
                }
            }
        }
        let (owner, on_border) = match (touching, nearest) {
            (Some(owner), _) => (owner, true),
            (None, Some((.., owner))) => (owner, false),
            (None, None) => (OwnerIx::OUTSIDE, false),
        };
        if owner == OwnerIx::OUTSIDE { Located::Outside } else { Located::Inside { owner, on_border } }
    }
}

/// Whether edge `a b` meets the horizontal line `y` west of edge `c d`. Edges of a partition do not cross, so where they meet the
/// line in one point (at a common lower end) the one that turns away to the west decides. Exact.
fn lies_west(a: LatticePoint, b: LatticePoint, c: LatticePoint, d: LatticePoint, y: i32) -> bool {
    // x of `a b` at y is a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y), compared as fractions.
    let at = |low: LatticePoint, high: LatticePoint| {
        let (dx, dy) = high.minus(low);
        let rise = i128::from(i64::from(y) - i64::from(low.y));
        (i128::from(low.x) * i128::from(dy) + i128::from(dx) * rise, i128::from(dy))
    };
    let ((x1, d1), (x2, d2)) = (at(a, b), at(c, d));
    match (x1 * d2).cmp(&(x2 * d1)) {
        Ordering::Equal => {
            let ((ax, ay), (cx, cy)) = (b.minus(a), d.minus(c));
            i128::from(ax) * i128::from(cy) < i128::from(cx) * i128::from(ay)
        }
        order => order == Ordering::Less,
    }
}
