//! Who shares a border with whom.

use super::Territory;
use super::partition::{Arc, Owner, OwnerIx};
use crate::domain::id::GridIx;
use crate::geom::planar::Edge;

impl Arc {
    /// Its length in metres, each edge on a flat map of its place.
    pub fn length_m(&self) -> f64 {
        self.points.windows(2).filter_map(|pair| Edge::between(pair[0], pair[1])).map(|(edge, _)| edge.length_m()).sum()
    }

    /// The owner across from `owner`, which is one of the two.
    pub fn across(&self, owner: OwnerIx) -> OwnerIx {
        if self.left == owner { self.right } else { self.left }
    }
}

impl Territory {
    /// The grids that share border with a grid, and how long the shared border is, in metres; longest first. Grids that only
    /// touch at a point are not among them.
    pub fn neighbours(&self, ix: GridIx) -> Vec<(GridIx, f64)> {
        let own = self.grid(ix).owner;
        let mut shared: Vec<(GridIx, f64)> = Vec::new();
        for arc in self.borders.around(&self.partition, own) {
            if let Some(Owner::Grid(other)) = arc.across(own).at().map(|at| self.partition.owners[at]) {
                match shared.iter_mut().find(|(known, _)| *known == other) {
                    Some((_, length)) => *length += arc.length_m(),
                    None => shared.push((other, arc.length_m())),
                }
            }
        }
        shared.sort_unstable_by(|l, r| r.1.total_cmp(&l.1).then_with(|| l.0.cmp(&r.0)));
        shared
    }
}
