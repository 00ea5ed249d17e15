//! From noded records to one epoch's territory: the tree in depth-first order, and arcs by matching edges. No geometry is computed: since
//! every node is a vertex of all rings that touch it, two sides of a border are the same edges read in opposite directions.

use super::hierarchy::Hierarchy;
use super::nearest::Boxes;
use super::outline::{Borders, outline};
use super::partition::{Arc, BLOCK, Owner, OwnerIx, Partition};
use super::search::Names;
use super::{Grid, Index, Region, Territory, Void};
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::{Epoch, GridIx, RegionIx};
use crate::domain::records::BoundarySet;
use crate::geom::area::ring_area2;
use crate::geom::morton::morton;
use crate::geom::planar::{Edge, closed_pairs, each_node, inner_point};
use crate::geom::{Area, LatticeBox, LatticePoint, measure};
use rayon::prelude::*;
use std::collections::BTreeMap;

impl Territory {
    /// Builds a territory from noded, canonical records (what `mend` gives and the store keeps), or every fault.
    /// 35,357 French communes (2.2 million vertices) take about 0.8 s of processor time, 2026-11.
    pub fn build(epoch: Epoch, set: &BoundarySet) -> Result<Self, Vec<Fault>> {
        let tree = Hierarchy::of(set)?;
        let mut faults = Vec::new();
        let order = Order::of(set, &tree);
        let mut regions = order.regions(set, &tree);
        let owners = owners(set, &order, &mut regions);
        let voids = order.voids(set, &owners);
        let grids = order.grids(set, &tree, &owners, &mut faults);
        let arcs = {
            let areas: Vec<&Area> = owners.iter().map(|owner| order.area_of(set, *owner)).collect();
            arcs(&areas, |owner| code_of(set, &order, owners[owner]), &mut faults)
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let partition = Partition { owners, blocks: blocks(arcs) };
        let borders = Borders::of(&partition);
        let region_by_code = regions.iter().enumerate().map(|(at, region)| (region.code.clone(), RegionIx(at as u32))).collect();
        let grid_by_code = grids.iter().enumerate().map(|(at, grid)| (grid.code.clone(), GridIx(at as u32))).collect();
        let mut territory = Self {
            epoch,
            set: set.set.clone(),
            scheme: set.scheme.clone(),
            period: set.period,
            regions,
            grids,
            voids,
            index: Index::build(&partition),
            partition,
            borders,
            drawn: super::drawn::Drawn::default(),
            boxes: Boxes::default(),
            names: Names::default(),
            region_by_code,
            grid_by_code,
        };
        territory.sum_up();
        territory.boxes = Boxes::of(&territory.partition, &territory.regions, &territory.grids);
        territory.names = Names::of(&territory.regions, &territory.grids);
        Ok(territory)
    }

    /// Boxes, areas and label points of regions, from what is below them.
    fn sum_up(&mut self) {
        for at in (0..self.regions.len()).rev() {
            // Children come after their parent, so their sums are done.
            let region = &self.regions[at];
            let own_grids = region.grids.clone().map(|grid| &self.grids[grid as usize]);
            let own_grids = own_grids.filter(|grid| grid.parent == Some(RegionIx(at as u32)));
            let children = region.subtree.clone().skip(1).map(|child| &self.regions[child as usize]);
            let children = children.filter(|child| child.parent == Some(RegionIx(at as u32)));
            let mut area_m2 = 0.0;
            let mut bbox = None;
            let parts = own_grids.map(|grid| (Some(grid.bbox), grid.area_m2)).chain(children.map(|c| (c.bbox, c.area_m2)));
            for (part_box, part_m2) in parts {
                area_m2 += part_m2;
                bbox = match (bbox, part_box) {
                    (Some(all), Some(part)) => Some(LatticeBox::union(all, part)),
                    (all, part) => all.or(part),
                };
            }
            if region.owner.is_none() {
                self.regions[at].area_m2 = area_m2;
                self.regions[at].bbox = bbox;
            }
        }
        let labels: Vec<Option<LatticePoint>> = self.region_labels();
        for (region, label) in self.regions.iter_mut().zip(labels) {
            region.label = region.label.or(label);
        }
    }

    /// Label points of regions with children, all regions of a level from one pass over the arcs.
    fn region_labels(&self) -> Vec<Option<LatticePoint>> {
        let mut labels = vec![None; self.regions.len()];
        for level in 0..self.scheme.levels().len() {
            let above = self.regions_above_owners(level);
            let above = |owner: OwnerIx| owner.at().and_then(|at| above[at]);
            let mut borders: BTreeMap<RegionIx, Vec<&Arc>> = BTreeMap::new();
            for arc in self.partition.arcs() {
                let sides = [above(arc.left), above(arc.right)];
                if sides[0] != sides[1] {
                    for region in sides.into_iter().flatten() {
                        borders.entry(region).or_default().push(arc);
                    }
                }
            }
            let found: Vec<(RegionIx, Option<LatticePoint>)> = borders
                .into_par_iter()
                .map(|(region, arcs)| (region, label(&outline(arcs.into_iter(), |owner| above(owner) == Some(region)))))
                .collect();
            for (region, label) in found {
                labels[region.at()] = label;
            }
        }
        labels
    }

    /// The region of one level that each owner lies in.
    fn regions_above_owners(&self, level: usize) -> Vec<Option<RegionIx>> {
        let mut above = vec![None; self.partition.owners.len()];
        for (at, _) in self.regions.iter().enumerate().filter(|(_, region)| region.level == level) {
            let ix = RegionIx(at as u32);
            for owner in self.owners_below(ix).filter_map(OwnerIx::at) {
                above[owner] = Some(ix);
            }
        }
        above
    }
}

/// Depth-first order of a set's records.
struct Order {
    /// `RegionIx` → position in the set.
    regions: Vec<usize>,
    /// Position in the set → `RegionIx`.
    region_ix: Vec<RegionIx>,
    /// Per `RegionIx`: its subtree and its grids.
    ranges: Vec<(std::ops::Range<u32>, std::ops::Range<u32>)>,
    /// `GridIx` → position in the set.
    grids: Vec<usize>,
}

impl Order {
    fn of(set: &BoundarySet, tree: &Hierarchy) -> Self {
        // Children in code order; of a region and a grid with one code the region comes first.
        let mut children: Vec<Vec<(&Code, bool, usize)>> = vec![Vec::new(); set.regions.len() + 1];
        let top = set.regions.len();
        for (at, region) in set.regions.iter().enumerate() {
            children[tree.region_parents[at].unwrap_or(top)].push((&region.code, false, at));
        }
        for (at, grid) in set.grids.iter().enumerate() {
            children[tree.grid_parents[at].unwrap_or(top)].push((&grid.code, true, at));
        }
        for children in &mut children {
            children.sort_unstable_by(|l, r| r.cmp(l)); // The last one is taken first.
        }
        let mut order = Self { regions: Vec::new(), region_ix: vec![RegionIx(0); top], ranges: Vec::new(), grids: Vec::new() };
        let mut open: Vec<(usize, RegionIx)> = vec![(top, RegionIx(u32::MAX))];
        while let Some(&(at, ix)) = open.last() {
            match children[at].pop() {
                Some((_, true, grid)) => order.grids.push(grid),
                Some((_, false, region)) => {
                    let ix = RegionIx(order.regions.len() as u32);
                    let (start, grid_start) = (ix.0, order.grids.len() as u32);
                    order.regions.push(region);
                    order.region_ix[region] = ix;
                    order.ranges.push((start..start, grid_start..grid_start));
                    open.push((region, ix));
                }
                None => {
                    if let Some((subtree, grids)) = order.ranges.get_mut(ix.at()) {
                        subtree.end = order.regions.len() as u32;
                        grids.end = order.grids.len() as u32;
                    }
                    open.pop();
                }
            }
        }
        order
    }

    fn regions(&self, set: &BoundarySet, tree: &Hierarchy) -> Vec<Region> {
        let region = |(ix, &at): (usize, &usize)| {
            let record = &set.regions[at];
            let land = record.claim.as_ref().filter(|claim| !tree.has_children[at] && !claim.is_empty());
            let (subtree, grids) = self.ranges[ix].clone();
            Region {
                code: record.code.clone(),
                name: record.name.clone(),
                level: tree.levels[at],
                parent: tree.region_parents[at].map(|parent| self.region_ix[parent]),
                subtree,
                grids,
                // Set to its real place once the order of owners is known.
                owner: land.map(|_| OwnerIx::OUTSIDE),
                bbox: land.and_then(Area::bbox),
                label: land.and_then(label),
                area_m2: land.map_or(0.0, measure::area_m2),
                claim: record.claim.clone(),
                provenance: record.provenance.clone(),
            }
        };
        self.regions.iter().enumerate().map(region).collect()
    }

    fn grids(&self, set: &BoundarySet, tree: &Hierarchy, owners: &[Owner], faults: &mut Vec<Fault>) -> Vec<Grid> {
        let mut place = vec![OwnerIx::OUTSIDE; self.grids.len()];
        for (at, owner) in owners.iter().enumerate() {
            if let Owner::Grid(ix) = owner {
                place[ix.at()] = OwnerIx(at as u32);
            }
        }
        let grid = |(ix, &at): (usize, &usize)| {
            let record = &set.grids[at];
            let (Some(bbox), Some(label)) = (record.area.bbox(), label(&record.area)) else {
                let mut fault = Fault::new(FaultKind::Vanished, format!("grid {} has no land", record.code));
                fault.codes = vec![record.code.clone()];
                return Err(fault);
            };
            Ok(Grid {
                code: record.code.clone(),
                name: record.name.clone(),
                kind: record.kind,
                parent: tree.grid_parents[at].map(|parent| self.region_ix[parent]),
                owner: place[ix],
                bbox,
                label,
                area_m2: measure::area_m2(&record.area),
                households: record.households,
                population: record.population,
                provenance: record.provenance.clone(),
            })
        };
        let built: Vec<Result<Grid, Fault>> = self.grids.par_iter().enumerate().map(grid).collect();
        built.into_iter().filter_map(|grid| grid.map_err(|fault| faults.push(fault)).ok()).collect()
    }

    fn voids(&self, set: &BoundarySet, owners: &[Owner]) -> Vec<Void> {
        let first = owners.len() - set.voids.len();
        let mut place = vec![OwnerIx::OUTSIDE; set.voids.len()];
        for (at, owner) in owners.iter().enumerate().skip(first) {
            if let Owner::Void(void) = owner {
                place[*void as usize] = OwnerIx(at as u32);
            }
        }
        let void = |(record, owner): (&crate::domain::region::VoidRecord, OwnerIx)| Void {
            name: record.name.clone(),
            kind: record.kind,
            reason: record.reason.clone(),
            owner,
            provenance: record.provenance.clone(),
        };
        set.voids.iter().zip(place).map(void).collect()
    }

    fn area_of<'s>(&self, set: &'s BoundarySet, owner: Owner) -> &'s Area {
        match owner {
            Owner::Grid(ix) => &set.grids[self.grids[ix.at()]].area,
            Owner::Region(ix) => set.regions[self.regions[ix.at()]].claim.as_ref().expect("only regions with a claim own land"),
            Owner::Void(at) => &set.voids[at as usize].area,
        }
    }
}

/// All owners in tie-break order; regions learn their place.
fn owners(set: &BoundarySet, order: &Order, regions: &mut [Region]) -> Vec<Owner> {
    let mut grids: Vec<GridIx> = (0..order.grids.len() as u32).map(GridIx).collect();
    grids.sort_unstable_by_key(|ix| &set.grids[order.grids[ix.at()]].code);
    let mut childless: Vec<RegionIx> =
        (0..regions.len() as u32).map(RegionIx).filter(|ix| regions[ix.at()].owner.is_some()).collect();
    childless.sort_unstable_by(|l, r| regions[l.at()].code.cmp(&regions[r.at()].code));
    let mut voids: Vec<u32> = (0..set.voids.len() as u32).collect();
    voids.sort_unstable_by_key(|void| &set.voids[*void as usize].name);
    for (at, ix) in childless.iter().enumerate() {
        regions[ix.at()].owner = Some(OwnerIx((grids.len() + at) as u32));
    }
    let grids = grids.into_iter().map(Owner::Grid);
    grids.chain(childless.into_iter().map(Owner::Region)).chain(voids.into_iter().map(Owner::Void)).collect()
}

fn code_of(set: &BoundarySet, order: &Order, owner: Owner) -> Option<Code> {
    match owner {
        Owner::Grid(ix) => Some(set.grids[order.grids[ix.at()]].code.clone()),
        Owner::Region(ix) => Some(set.regions[order.regions[ix.at()]].code.clone()),
        Owner::Void(_) => None,
    }
}

/// A point inside the largest part.
pub(super) fn label(area: &Area) -> Option<LatticePoint> {
    area.polygons().iter().max_by_key(|polygon| ring_area2(&polygon.exterior)).map(inner_point)
}

/// Edges of all rings matched into arcs. Two owners on one side of an edge, or one owner on both, are faults.
fn arcs(areas: &[&Area], code: impl Fn(usize) -> Option<Code>, faults: &mut Vec<Fault>) -> Vec<Arc> {
    // (edge, read backwards, owner): exteriors turn left and holes right, so the land lies left of each directed edge.
    let mut directed: Vec<(Edge, bool, u32)> = Vec::with_capacity(areas.iter().map(|area| area.vertex_count()).sum());
    for (owner, area) in areas.iter().enumerate() {
        for (from, to) in area.rings().flat_map(|ring| closed_pairs(ring)) {
            directed.extend(Edge::between(from, to).map(|(edge, against)| (edge, against, owner as u32)));
        }
    }
    directed.par_sort_unstable_by_key(|&(edge, against, owner)| (edge.key(), against, owner));
    let mut edges: Vec<Edge> = Vec::with_capacity(directed.len() / 2);
    let mut sides: Vec<[OwnerIx; 2]> = Vec::with_capacity(directed.len() / 2);
    // Grouped per pair of owners: how many edges, and where the first is.
    let mut clashes: BTreeMap<(u32, u32), (usize, Edge)> = BTreeMap::new();
    for group in directed.chunk_by(|l, r| l.0 == r.0) {
        let edge = group[0].0;
        let mut pair = [OwnerIx::OUTSIDE; 2];
        for &(_, against, owner) in group {
            let side = &mut pair[usize::from(against)];
            if *side != OwnerIx::OUTSIDE {
                clashes.entry((side.0, owner)).or_insert((0, edge)).0 += 1;
            }
            *side = OwnerIx(owner);
        }
        if pair[0] == pair[1] {
            clashes.entry((pair[0].0, pair[0].0)).or_insert((0, edge)).0 += 1;
        }
        edges.push(edge);
        sides.push(pair);
    }
    drop(directed);
    for ((one, other), (count, edge)) in clashes {
        let kind = if one == other { FaultKind::Corrupt } else { FaultKind::Overlap };
        let detail = if one == other {
            format!("{count} edges have the same land on both sides")
        } else {
            format!("two areas lie on the same side of {count} edges")
        };
        let mut fault = Fault::new(kind, detail);
        fault.codes = [one, other].into_iter().filter_map(|owner| code(owner as usize)).collect();
        fault.codes.dedup();
        fault.place = Some(edge.a().lonlat());
        faults.push(fault);
    }
    if faults.is_empty() { link(&edges, &sides) } else { Vec::new() }
}

/// Chains edges into arcs at nodes where other than two edges meet.
fn link(edges: &[Edge], sides: &[[OwnerIx; 2]]) -> Vec<Arc> {
    /// No half-edge follows: a node.
    const NODE: u32 = u32::MAX;
    // Half-edge 2e runs along edge e, 2e + 1 back.
    let mut next = vec![NODE; 2 * edges.len()];
    let left = |half: u32| sides[half as usize / 2][half as usize & 1];
    each_node(edges, |spokes| {
        if let &[one, other] = spokes
            && left(one ^ 1) == left(other)
            && left(other ^ 1) == left(one)
        {
            next[one as usize ^ 1] = other;
            next[other as usize ^ 1] = one;
        }
    });
    let origin = |half: u32| {
        let edge = edges[half as usize / 2];
        if half & 1 == 0 { edge.a() } else { edge.b() }
    };
    let mut done = vec![false; edges.len()];
    let mut arcs = Vec::new();
    let mut follow = |start: u32, done: &mut Vec<bool>| {
        let mut points = vec![origin(start)];
        let mut half = start;
        loop {
            done[half as usize / 2] = true;
            points.push(origin(half ^ 1));
            half = next[half as usize];
            if half == NODE || half == start {
                break;
            }
        }
        let last = points.len() - 1;
        let (mut left, mut right) = (left(start), left(start ^ 1));
        let against = if points[0] == points[last] { points[last - 1] < points[1] } else { points[last] < points[0] };
        if against {
            points.reverse();
            std::mem::swap(&mut left, &mut right);
        }
        let bbox = LatticeBox::around(points.iter().copied()).expect("an arc has points");
        arcs.push(Arc { points: points.into(), left, right, bbox });
    };
    for start in (0..next.len() as u32).filter(|half| next[*half as usize ^ 1] == NODE) {
        if !done[start as usize / 2] {
            follow(start, &mut done);
        }
    }
    // What is left is closed and has no node. Its first edge in order begins at its least point.
    for edge in 0..edges.len() {
        if !done[edge] {
            follow(2 * edge as u32, &mut done);
        }
    }
    arcs
}

/// Arcs in Morton order of the middles of their boxes, in blocks.
fn blocks(mut arcs: Vec<Arc>) -> Vec<std::sync::Arc<Vec<Arc>>> {
    let place = |arc: &Arc| {
        let LatticeBox { min, max } = arc.bbox;
        morton(min.x.midpoint(max.x), min.y.midpoint(max.y))
    };
    arcs.sort_by_cached_key(|arc| (place(arc), arc.points[0], arc.points[1]));
    let mut blocks = Vec::with_capacity(arcs.len().div_ceil(BLOCK));
    let mut arcs = arcs.into_iter().peekable();
    while arcs.peek().is_some() {
        blocks.push(std::sync::Arc::new(arcs.by_ref().take(BLOCK).collect()));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::territory::samples::{area, grid, grid_code, points, region, shared_out, square};
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn build(set: &BoundarySet) -> Territory {
        Territory::build(Epoch(1), set).expect("a territory")
    }

    /// A 20 × 20 square in four, with an island apart that has a lake with an island.
    fn four_and_an_island() -> BoundarySet {
        let mut island = area(&[square(40, 0, 20)]).polygons()[0].clone();
        island.holes.push(square(45, 5, 10));
        let island = Area::canonical([island, area(&[square(48, 8, 2)]).polygons()[0].clone()]);
        let with_node = |x: i32, y: i32| area(&[square(x, y, 10)]);
        BoundarySet {
            regions: vec![
                region("3309", "city", None),
                region("330902", "county", None),
                region("330903", "county", Some(area(&[square(0, 50, 7)]))),
            ],
            grids: vec![
                grid("330902002001001", with_node(0, 0)),
                grid("330902002001002", with_node(10, 0)),
                grid("330902002001003", with_node(0, 10)),
                grid("330902002001004", with_node(10, 10)),
                grid("330902002001005", island),
            ],
            ..BoundarySet::default()
        }
    }

    #[test]
    fn a_shared_border_is_one_arc() {
        let territory = build(&four_and_an_island());
        let arcs: Vec<&Arc> = territory.partition.arcs().collect();
        // Four outside, four to the middle, three closed ones of the island, one of the childless county.
        assert_eq!(arcs.len(), 12);
        assert_eq!(arcs.iter().filter(|arc| arc.points.first() == arc.points.last()).count(), 4);
        assert_eq!(arcs.iter().filter(|arc| arc.left != OwnerIx::OUTSIDE && arc.right != OwnerIx::OUTSIDE).count(), 4);
        let ix = territory.grid_ix("330902002001001").expect("known");
        assert_eq!(territory.neighbours(ix).len(), 2);
    }

    #[test]
    fn a_childless_region_owns_its_claim_and_comes_after_the_grids() {
        let territory = build(&four_and_an_island());
        let ix = territory.region_ix("330903").expect("known");
        let region = territory.region(ix);
        assert_eq!(region.owner, Some(OwnerIx(5)));
        assert_eq!(territory.partition.owners[5], Owner::Region(ix));
        assert_eq!(territory.outline_region(ix), area(&[square(0, 50, 7)]));
        assert!(region.area_m2 > 0.0 && region.bbox.is_some() && region.label.is_some());
        let city = territory.region(RegionIx(0));
        assert_eq!((city.subtree.clone(), city.grids.clone()), (0..3, 0..5));
        let parts: f64 = territory.grids.iter().map(|grid| grid.area_m2).sum::<f64>() + region.area_m2;
        assert!((city.area_m2 - parts).abs() < 1e-9);
        assert_eq!(territory.outline_region(RegionIx(1)).polygons().len(), 3);
    }

    #[test]
    fn two_areas_on_one_side_of_an_edge_are_a_fault_with_both_codes() {
        let mut set = four_and_an_island();
        set.grids[1].area = area(&[points(&[(0, 0), (10, 0), (5, 5)])]);
        let faults = Territory::build(Epoch(1), &set).expect_err("overlap");
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].kind, FaultKind::Overlap);
        assert_eq!(faults[0].codes.len(), 2);
        assert!(faults[0].place.is_some());
    }

    #[test]
    fn a_grid_without_land_is_a_fault() {
        let mut set = four_and_an_island();
        set.grids[1].area = Area::default();
        assert_eq!(Territory::build(Epoch(1), &set).expect_err("vanished")[0].kind, FaultKind::Vanished);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn a_territory_gives_back_the_areas_it_was_built_from(
            lines in prop::collection::vec(prop::collection::vec((0..40_i32, 0..40_i32), 3..7), 1..8),
            seed in any::<u64>(),
        ) {
            let lines: Vec<Vec<LatticePoint>> = lines.iter().map(|ring| points(&[&ring[..], &ring[..1]].concat())).collect();
            let pick = |face: usize| (seed.rotate_left(face as u32 * 7) % 5) as usize;
            let (set, arrangement, owner_of) = shared_out(&lines, 5, pick);
            let territory = build(&set);
            for record in &set.grids {
                let ix = territory.grid_ix(record.code.as_str()).expect("known");
                prop_assert_eq!(&territory.outline_grid(ix), &record.area);
            }
            // Regions are unions of what the faces say.
            let community = |owner: Option<u32>| owner.map(|owner| owner % 2);
            let areas = arrangement.areas(&owner_of.iter().map(|owner| community(*owner)).collect::<Vec<_>>(), 2);
            for (code, area) in ["330902002001", "330902002002"].into_iter().zip(&areas) {
                prop_assert_eq!(&territory.outline_region(territory.region_ix(code).expect("known")), area);
            }
            let whole = arrangement.areas(&vec![Some(0); owner_of.len()], 1);
            prop_assert_eq!(&territory.outline_region(RegionIx(0)), &whole[0]);
            // Each edge is in one arc, with the owners that the faces on its sides have.
            let mut owners_of_edge: HashMap<Edge, [Option<String>; 2]> = HashMap::new();
            let code = |owner: OwnerIx| match territory.partition.owners[owner.at()?] {
                Owner::Grid(ix) => Some(territory.grid(ix).code.to_string()),
                _ => None,
            };
            for arc in territory.partition.arcs() {
                prop_assert!(arc.left != arc.right);
                for pair in arc.points.windows(2) {
                    let (edge, against) = Edge::between(pair[0], pair[1]).expect("two points");
                    let mut sides = [code(arc.left), code(arc.right)];
                    if against { sides.reverse(); }
                    prop_assert!(owners_of_edge.insert(edge, sides).is_none());
                }
                let (first, last) = (arc.points[0], arc.points[arc.points.len() - 1]);
                prop_assert!(first < last || (first == last && arc.points[1] < arc.points[arc.points.len() - 2]));
            }
            for (at, edge) in arrangement.edges().iter().enumerate() {
                let sides = arrangement.sides(at).map(|face| face.and_then(|face| owner_of[face]).map(|owner| grid_code(owner as usize)));
                prop_assert_eq!(owners_of_edge.remove(edge).unwrap_or([None, None]), if sides[0] == sides[1] { [None, None] } else { sides });
            }
            prop_assert!(owners_of_edge.is_empty());
        }
    }
}
