//! A part of a boundary set that is drawn, looked up and counted as it is in the whole: everything at or below some codes, and around it
//! the land that decides where borders begin and end.

use super::hierarchy::Hierarchy;
use crate::domain::code::Code;
use crate::domain::fault::Fault;
use crate::domain::records::BoundarySet;
use crate::geom::{Area, LatticeBox, LatticePoint};
use std::collections::HashSet;

/// How many rings of neighbours go with a part. The first decides where its own borders meet others, so that they are the same lines from
/// node to node. The second bounds the first: simplifying a line looks at vertices near it, which may be those of lines between neighbours.
pub const RINGS: usize = 2;

/// What a part of a set is made of: of everything at or below `codes` all, of its neighbours as many rings as [`RINGS`] (voids are the end of one), and the regions
/// above these. Codes that the set does not have name nothing. Cost: a look at every vertex.
pub fn excerpt(mut set: BoundarySet, codes: &[Code]) -> Result<BoundarySet, Vec<Fault>> {
    let tree = Hierarchy::of(&set)?;
    let named: HashSet<&str> = codes.iter().map(Code::as_str).collect();
    let above = |at: usize| std::iter::successors(Some(at), |at| tree.region_parents[*at]);
    let region_inside: Vec<bool> =
        (0..set.regions.len()).map(|at| above(at).any(|at| named.contains(set.regions[at].code.as_str()))).collect();
    let grid_inside = |at: usize| {
        named.contains(set.grids[at].code.as_str()) || tree.grid_parents[at].is_some_and(|parent| region_inside[parent])
    };

    let mut leaves: Vec<Leaf<'_>> = Vec::with_capacity(set.grids.len());
    leaves.extend(set.grids.iter().enumerate().map(|(at, grid)| Leaf::new(Of::Grid(at), &grid.area, grid_inside(at))));
    for (at, region) in set.regions.iter().enumerate().filter(|(at, _)| !tree.has_children[*at]) {
        leaves.extend(region.claim.as_ref().map(|area| Leaf::new(Of::Region(at), area, region_inside[at])));
    }
    leaves.extend(set.voids.iter().enumerate().map(|(at, void)| Leaf::new(Of::Void(at), &void.area, false)));
    for _ in 0..RINGS {
        grow(&mut leaves);
    }

    let mut keep = (region_inside.clone(), vec![false; set.grids.len()], vec![false; set.voids.len()]);
    for leaf in leaves.iter().filter(|leaf| leaf.kept) {
        match leaf.of {
            Of::Grid(at) => keep.1[at] = true,
            Of::Region(at) => keep.0[at] = true,
            Of::Void(at) => keep.2[at] = true,
        }
    }
    let parents = (0..set.grids.len()).filter(|at| keep.1[*at]).filter_map(|at| tree.grid_parents[at]);
    let starts: Vec<usize> = parents.chain((0..set.regions.len()).filter(|at| keep.0[*at])).collect();
    for at in starts.into_iter().flat_map(above) {
        keep.0[at] = true;
    }
    drop(leaves);
    retain(&mut set.regions, &keep.0);
    retain(&mut set.grids, &keep.1);
    retain(&mut set.voids, &keep.2);
    Ok(set)
}

fn retain<T>(rows: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    rows.retain(|_| keep.next().is_some_and(|keep| *keep));
}

/// Something that owns land.
struct Leaf<'a> {
    of: Of,
    area: &'a Area,
    bbox: Option<LatticeBox>,
    kept: bool,
}

/// A position in the set.
enum Of {
    Grid(usize),
    Region(usize),
    Void(usize),
}

impl<'a> Leaf<'a> {
    fn new(of: Of, area: &'a Area, kept: bool) -> Self {
        Self { of, area, bbox: area.bbox(), kept }
    }

    fn vertices(&self) -> impl Iterator<Item = LatticePoint> {
        self.area.rings().flat_map(|ring| ring.iter().copied())
    }
}

/// Keeps also what touches something that is kept; not what touches only a void, since a sea has the whole coast for a neighbour. Where two lands touch both have a vertex: borders are noded.
fn grow(leaves: &mut [Leaf<'_>]) {
    let spreads = |leaf: &&Leaf<'_>| leaf.kept && !matches!(leaf.of, Of::Void(_));
    let near: HashSet<LatticePoint> = leaves.iter().filter(spreads).flat_map(Leaf::vertices).collect();
    let Some(around) = LatticeBox::around(near.iter().copied()) else { return };
    for leaf in leaves.iter_mut().filter(|leaf| !leaf.kept && leaf.bbox.is_some_and(|bbox| bbox.meets(around))) {
        let touches = leaf.vertices().any(|p| near.contains(&p));
        leaf.kept = touches;
    }
}
