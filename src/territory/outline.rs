//! Outlines, put together from arcs: exact, and in the canonical form in which they were stored.

use super::Territory;
use super::partition::{Arc, Owner, OwnerIx, Partition};
use crate::domain::id::{GridIx, RegionIx};
use crate::geom::{Area, planar};

/// Which arcs bound each owner.
#[derive(Debug, Clone, Default)]
pub(super) struct Borders {
    /// Arcs of owner `o`: `arcs[starts[o]..starts[o + 1]]`.
    starts: Vec<u32>,
    /// Block and place in the block.
    arcs: Vec<(u32, u32)>,
}

impl Borders {
    /// One pass over all arcs.
    pub(super) fn of(partition: &Partition) -> Self {
        let mut starts = vec![0_u32; partition.owners.len() + 1];
        let sides = |arc: &Arc| [arc.left, arc.right].into_iter().filter_map(OwnerIx::at);
        for owner in partition.arcs().flat_map(sides) {
            starts[owner + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut ends = starts.clone();
        let mut arcs = vec![(0, 0); starts[partition.owners.len()] as usize];
        for (block_at, block) in partition.blocks.iter().enumerate() {
            for (at, arc) in block.iter().enumerate() {
                for owner in sides(arc) {
                    arcs[ends[owner] as usize] = (block_at as u32, at as u32);
                    ends[owner] += 1;
                }
            }
        }
        Self { starts, arcs }
    }

    /// The arcs that bound an owner.
    pub(super) fn around<'p>(&self, partition: &'p Partition, owner: OwnerIx) -> impl Iterator<Item = &'p Arc> {
        let range = owner.at().map_or(0..0, |at| self.starts[at] as usize..self.starts[at + 1] as usize);
        self.arcs[range].iter().map(|&(block, at)| &partition.blocks[block as usize][at as usize])
    }
}

impl Territory {
    /// The land of a grid. Cost: its border.
    pub fn outline_grid(&self, ix: GridIx) -> Area {
        self.outline_owner(self.grid(ix).owner)
    }

    /// The land of one owner: a grid, a childless region or a void.
    pub fn outline_owner(&self, owner: OwnerIx) -> Area {
        outline(self.borders.around(&self.partition, owner), |of| of == owner)
    }

    /// The land of a region: the exact union of its leaves. Cost: the borders of all its leaves.
    pub fn outline_region(&self, ix: RegionIx) -> Area {
        let inside = |owner: OwnerIx| self.is_below(owner, ix);
        let leaves = self.owners_below(ix);
        // An arc between the region and the rest has one leaf of it on one side, so it comes once.
        let border = leaves.flat_map(|owner| self.borders.around(&self.partition, owner));
        outline(border.filter(|arc| inside(arc.left) != inside(arc.right)), inside)
    }

    /// Whether an owner is a grid or childless region at or below `ix`.
    pub fn is_below(&self, owner: OwnerIx, ix: RegionIx) -> bool {
        let region = self.region(ix);
        match owner.at().map(|at| self.partition.owners[at]) {
            Some(Owner::Grid(grid)) => region.grids.contains(&grid.0),
            Some(Owner::Region(below)) => region.subtree.contains(&below.0),
            Some(Owner::Void(_)) | None => false,
        }
    }

    /// The grids and childless regions at or below `ix`.
    pub fn owners_below(&self, ix: RegionIx) -> impl Iterator<Item = OwnerIx> {
        let region = self.region(ix);
        let grids = region.grids.clone().map(|grid| self.grid(GridIx(grid)).owner);
        grids.chain(region.subtree.clone().filter_map(|below| self.region(RegionIx(below)).owner))
    }
}

/// The land whose border is some arcs, each with the land on just one side.
pub(super) fn outline<'a>(arcs: impl Iterator<Item = &'a Arc>, inside: impl Fn(OwnerIx) -> bool) -> Area {
    let pieces: Vec<_> = arcs.map(|arc| (&*arc.points, inside(arc.right))).collect();
    planar::assemble(&pieces)
}
