//! Where the covered land ends: at the outside, and at water.

use super::Territory;
use super::locate::Located;
use super::partition::{Owner, OwnerIx};
use crate::domain::region::VoidKind;
use crate::geom::lattice::{cross, on_segment};
use crate::geom::{LatticeBox, LatticePoint};

/// Lattice units below which a gap between two crossings is none: points between them could be rounded onto either.
const NARROW: f64 = 4.0;

/// The edges between land and what is none, near some place.
#[derive(Debug)]
pub struct Shore<'t> {
    territory: &'t Territory,
    edges: Vec<[LatticePoint; 2]>,
}

impl Territory {
    /// Whether an owner is land: a grid, a region without grids, or a void that is not water.
    fn is_land(&self, owner: OwnerIx) -> bool {
        match owner.at().map(|at| self.partition.owners[at]) {
            None => false,
            Some(Owner::Grid(_) | Owner::Region(_)) => true,
            Some(Owner::Void(at)) => self.voids[at as usize].kind != VoidKind::Water,
        }
    }

    /// The shore within some boxes. Cost: one look at every arc.
    pub fn shore_in(&self, boxes: &[LatticeBox]) -> Shore<'_> {
        let near = |bbox: LatticeBox| boxes.iter().any(|of| of.meets(bbox));
        let arcs = self.partition.arcs().filter(|arc| self.is_land(arc.left) != self.is_land(arc.right) && near(arc.bbox));
        let edges = arcs.flat_map(|arc| arc.points.windows(2)).map(|edge| [edge[0], edge[1]]);
        Shore { territory: self, edges: edges.filter(|[a, b]| near(LatticeBox { min: *a, max: *a }.with(*b))).collect() }
    }
}

impl Shore<'_> {
    /// Whether the straight line between two points, which lies in the boxes that the shore was taken from, leaves the land. A line
    /// along a shore does not, nor does one that only touches it.
    pub fn is_left_by(&self, a: LatticePoint, b: LatticePoint) -> bool {
        let on_land = |p: LatticePoint| match self.territory.locate(p) {
            Located::Inside { owner, .. } => self.territory.is_land(owner),
            Located::Outside => false,
        };
        if !on_land(a) || !on_land(b) {
            return true;
        }
        let around = LatticeBox { min: a, max: a }.with(b);
        let (dx, dy) = b.minus(a);
        let length = length_of(dx, dy);
        // Shares of the way at which it meets the shore.
        let mut met = vec![0.0, 1.0];
        for [c, d] in &self.edges {
            let of_edge = LatticeBox { min: *c, max: *c }.with(*d);
            if of_edge.meets(around) {
                met.extend(crossing(a, b, *c, *d));
                // Ends of the edge on the way; of an edge along it both are.
                for end in [*c, *d].into_iter().filter(|end| on_segment(a, b, *end)) {
                    let (ex, ey) = end.minus(a);
                    met.push(length_of(ex, ey) / length.max(1.0));
                }
            }
        }
        met.sort_unstable_by(f64::total_cmp);
        met.windows(2).filter(|pair| (pair[1] - pair[0]) * length > NARROW).any(|pair| {
            let middle = f64::midpoint(pair[0], pair[1]);
            let part = |from: i32, by: i64| (f64::from(from) + middle * by as f64).round() as i32;
            !on_land(LatticePoint::new(part(a.x, dx), part(a.y, dy)))
        })
    }
}

/// In lattice units.
fn length_of(dx: i64, dy: i64) -> f64 {
    (dx as f64).hypot(dy as f64)
}

/// The share of the way from `a` to `b` at which it crosses the edge `c d`, when it crosses it in one point.
fn crossing(a: LatticePoint, b: LatticePoint, c: LatticePoint, d: LatticePoint) -> Option<f64> {
    let (from, to) = (cross(c, d, a), cross(c, d, b));
    let (left, right) = (cross(a, b, c), cross(a, b, d));
    let apart = |one: i128, other: i128| (one <= 0 && other >= 0) || (one >= 0 && other <= 0);
    if from == to || !apart(from, to) || !apart(left, right) {
        return None;
    }
    Some(from as f64 / (from - to) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::territory::coverage::Random;
    use crate::territory::samples::island;

    /// Looks at places along the way, one after the other: may miss water narrower than a step, and sees no other.
    fn walked(territory: &Territory, a: LatticePoint, b: LatticePoint, steps: i64) -> bool {
        let (dx, dy) = b.minus(a);
        (0..=steps).any(|step| {
            let part = |from: i32, by: i64| (i64::from(from) + by * step / steps) as i32;
            match territory.locate_brute(LatticePoint::new(part(a.x, dx), part(a.y, dy))) {
                Located::Inside { owner, .. } => !territory.is_land(owner),
                Located::Outside => true,
            }
        })
    }

    #[test]
    fn a_straight_way_leaves_the_land_where_a_walk_along_it_does() {
        // One of the grids is a lake, one a barrack.
        let territory = island(5, &[(10, VoidKind::Water), (17, VoidKind::Excluded)]);
        let around =
            LatticeBox { min: LatticePoint::new(1_220_900_000, 299_900_000), max: LatticePoint::new(1_221_300_000, 300_300_000) };
        let shore = territory.shore_in(&[around]);
        let mut random = Random(9);
        let mut place = || {
            LatticePoint::new(
                1_220_990_000 + (random.unit() * 230_000.0) as i32,
                299_990_000 + (random.unit() * 200_000.0) as i32,
            )
        };
        let (mut left, mut stayed) = (0, 0);
        for _ in 0..400 {
            let (a, b) = (place(), place());
            let told = shore.is_left_by(a, b);
            let seen = walked(&territory, a, b, 300);
            assert!(told || !seen, "{a:?} {b:?}: water was seen");
            // What a walk may have missed is looked at again in smaller steps.
            assert!(!told || seen || walked(&territory, a, b, 60_000), "{a:?} {b:?}: no water was seen");
            left += u32::from(told);
            stayed += u32::from(!told);
        }
        assert!(left > 50 && stayed > 50, "{left} left, {stayed} stayed");
    }
}
