//! Claims: the outlines that regions came with, compared with the land below them. A claim is never drawn, so a difference
//! narrower than a sliver is none, however long.

use super::cover::Cover;
use super::patches::{Patch, Wrong, inside, patches};
use super::{Lands, Owned};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::records::BoundarySet;
use crate::geom::planar::{Edge, FaceIx};
use crate::geom::{Area, LatticePoint, Polygon, planar};
use crate::territory::hierarchy::Hierarchy;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Land of children outside the claims of their parents, and land of claims that no child covers, each with place and m². `areas` are
/// those of `lands`.
pub(super) fn check(set: &BoundarySet, tree: &Hierarchy, lands: &Lands<'_>, areas: &[Area]) -> Vec<Fault> {
    let claimed = |at: usize| {
        set.regions[at].claim.as_ref().filter(|claim| tree.has_children[at] && !claim.is_empty()).map(|claim| (at, claim))
    };
    if (0..set.regions.len()).all(|at| claimed(at).is_none()) {
        return Vec::new();
    }
    let below = Below::of(set, tree, lands);
    let mut faults = Vec::new();
    // From the top level down, since what is wrong there is wrong below as well.
    let mut order: Vec<usize> = (0..set.regions.len()).collect();
    order.sort_by_key(|at| tree.levels[*at]);
    for (at, claim) in order.into_iter().filter_map(claimed) {
        let leaves = &below.leaves[at];
        if union(leaves.iter().map(|land| &areas[*land as usize])) != *claim {
            compare(set, lands, areas, &below, at, claim, &mut faults);
        }
    }
    faults
}

/// Which lands and children each region has.
struct Below {
    /// Per region, all lands at or below it.
    leaves: Vec<Vec<u32>>,
    /// Per region, its children: grids by land, regions by position.
    grids: Vec<Vec<u32>>,
    regions: Vec<Vec<usize>>,
}

impl Below {
    fn of(set: &BoundarySet, tree: &Hierarchy, lands: &Lands<'_>) -> Self {
        let empty = || vec![Vec::new(); set.regions.len()];
        let mut below = Self { leaves: empty(), grids: empty(), regions: vec![Vec::new(); set.regions.len()] };
        for (land, owned) in lands.owned.iter().enumerate() {
            let mut above = match *owned {
                Owned::Grid(at) => {
                    if let Some(parent) = tree.grid_parents[at] {
                        below.grids[parent].push(land as u32);
                    }
                    tree.grid_parents[at]
                }
                Owned::Region(at) => Some(at),
                Owned::Void(_) => None,
            };
            while let Some(region) = above {
                below.leaves[region].push(land as u32);
                above = tree.region_parents[region];
            }
        }
        for (at, parent) in tree.region_parents.iter().enumerate() {
            if let Some(parent) = parent {
                below.regions[*parent].push(at);
            }
        }
        below
    }
}

/// The union of lands that are noded among each other.
fn union<'a>(areas: impl Iterator<Item = &'a Area>) -> Area {
    let rings = areas.flat_map(Area::rings).flat_map(|ring| planar::closed_pairs(ring));
    let mut edges: Vec<(Edge, bool)> = rings.filter_map(|(from, to)| Edge::between(from, to)).collect();
    edges.par_sort_unstable_by_key(|(edge, against)| (edge.key(), *against));
    // Inner borders are read both ways and cancel out.
    let outer = edges.chunk_by(|l, r| l.0 == r.0).filter(|group| group.len() == 1).map(|group| group[0]);
    let pieces: Vec<([LatticePoint; 2], bool)> = outer.map(|(edge, against)| ([edge.a(), edge.b()], against)).collect();
    planar::assemble(&pieces.iter().map(|(line, against)| (&line[..], *against)).collect::<Vec<_>>())
}

fn compare(
    set: &BoundarySet,
    lands: &Lands<'_>,
    areas: &[Area],
    below: &Below,
    region: usize,
    claim: &Area,
    faults: &mut Vec<Fault>,
) {
    let code = &set.regions[region].code;
    let mut children: Vec<(crate::domain::code::Code, Area)> = Vec::new();
    for &land in &below.grids[region] {
        children.extend(lands.code(land).map(|code| (code, areas[land as usize].clone())));
    }
    for &child in &below.regions[region] {
        let land = union(below.leaves[child].iter().map(|land| &areas[*land as usize]));
        children.push((set.regions[child].code.clone(), land));
    }
    // The claim is land 0, children follow, and voids in the claim's box stand beside them: they are no one's children, but covered.
    let near = |area: &&Area| claim.bbox().zip(area.bbox()).is_some_and(|(claim, area)| claim.meets(area));
    let first_void = lands.owned.iter().position(|owned| matches!(owned, Owned::Void(_))).unwrap_or(lands.owned.len());
    let voids = areas[first_void..].iter().filter(near);
    let all: Vec<&Area> = std::iter::once(claim).chain(children.iter().map(|(_, area)| area)).chain(voids).collect();
    let cover = match Cover::of(&all, &[]) {
        Ok(cover) => cover,
        Err(error) => {
            let mut fault = Fault::new(FaultKind::Corrupt, format!("the claim of region {code}: {error}"));
            fault.place = Some(error.place.lonlat());
            faults.push(fault);
            return;
        }
    };
    // A child outside the claim, or 0 for the claim outside all children.
    let class = |face: FaceIx| match cover.around(face) {
        [(0, _)] => Some((0, Wrong::Gap)),
        [(child, _), ..] if *child != 0 && *child as usize <= children.len() => Some((*child, Wrong::Overlap)),
        _ => None,
    };
    let mut by_child: BTreeMap<u32, Vec<Patch>> = BTreeMap::new();
    for (child, patch) in patches(&cover, class).into_iter().filter(|(_, patch)| !patch.is_narrow()) {
        by_child.entry(child).or_default().push(patch);
    }
    for (child, patches) in by_child {
        let mut fault = match child.checked_sub(1).and_then(|at| children.get(at as usize)) {
            None => Fault::new(FaultKind::Uncovered, format!("region {code} claims land that nothing below it covers")),
            Some((child, _)) => {
                Fault::new(FaultKind::OutsideClaim, format!("land of {child} lies outside the claim of region {code}"))
            }
        };
        fault.codes = children.get((child as usize).wrapping_sub(1)).map(|(child, _)| child.clone()).into_iter().collect();
        fault.codes.push(code.clone());
        let area =
            Area::canonical(patches.iter().flat_map(|patch| patch.area.polygons().iter().cloned()).collect::<Vec<Polygon>>());
        fault.place = Some(inside(&area).lonlat());
        fault.area_m2 = Some(patches.iter().map(|patch| patch.area_m2).sum());
        fault.area = Some(area);
        faults.push(fault);
    }
}
