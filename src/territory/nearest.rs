//! What is near: the nearest grid of a point outside, the distance to a grid's border, and what a box may hold. The only file that names
//! `rstar`.

use super::partition::{Arc, Owner, OwnerIx, Partition};
use super::{Grid, Region, Territory};
use crate::domain::id::{GridIx, RegionIx};
use crate::geom::measure::{LocalScale, segment_distance_m};
use crate::geom::{LatticeBox, LatticePoint};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use std::ops::Range;

/// Something with a box around it, in lattice units.
type Boxed<T> = GeomWithData<Rectangle<[f64; 2]>, T>;

/// Edges of one piece of shore: few enough to look at all of them.
const PIECE: usize = 16;

/// A piece of border between a grid and what is no grid: edges `from..to` of an arc.
#[derive(Debug, Clone, Copy)]
struct Piece {
    grid: GridIx,
    block: u32,
    arc: u32,
    from: u32,
    to: u32,
}

/// Boxes of grids, of regions by level, and of the shore: all pieces of border with a grid on just one side.
#[derive(Debug, Clone, Default)]
pub(super) struct Boxes {
    grids: RTree<Boxed<GridIx>>,
    regions: Vec<RTree<Boxed<RegionIx>>>,
    shore: RTree<Boxed<Piece>>,
    /// Box of the shore.
    around: Option<LatticeBox>,
}

impl Boxes {
    /// Sorts all boxes once.
    pub(super) fn of(partition: &Partition, regions: &[Region], grids: &[Grid]) -> Self {
        let grid_boxes = grids.iter().enumerate().map(|(at, grid)| boxed(grid.bbox, GridIx(at as u32)));
        let levels = regions.iter().map(|region| region.level + 1).max().unwrap_or_default();
        let mut by_level = vec![Vec::new(); levels];
        for (at, region) in regions.iter().enumerate() {
            by_level[region.level].extend(region.bbox.map(|bbox| boxed(bbox, RegionIx(at as u32))));
        }
        let shore = shore(partition);
        let corners = shore.iter().flat_map(|piece| [piece.geom().lower(), piece.geom().upper()]);
        // The coordinates were whole numbers before.
        let around = LatticeBox::around(corners.map(|[x, y]| LatticePoint::new(x as i32, y as i32)));
        Self {
            grids: RTree::bulk_load(grid_boxes.collect()),
            regions: by_level.into_iter().map(RTree::bulk_load).collect(),
            shore: RTree::bulk_load(shore),
            around,
        }
    }
}

fn shore(partition: &Partition) -> Vec<Boxed<Piece>> {
    let grid_of = |owner: OwnerIx| match owner.at().map(|at| partition.owners[at]) {
        Some(Owner::Grid(ix)) => Some(ix),
        Some(Owner::Region(_) | Owner::Void(_)) | None => None,
    };
    let mut pieces = Vec::new();
    for (block, arcs) in partition.blocks.iter().enumerate() {
        for (at, arc) in arcs.iter().enumerate() {
            let ((Some(grid), None) | (None, Some(grid))) = (grid_of(arc.left), grid_of(arc.right)) else { continue };
            let edges = arc.points.len() - 1;
            for from in (0..edges).step_by(PIECE) {
                let to = (from + PIECE).min(edges);
                let piece = Piece { grid, block: block as u32, arc: at as u32, from: from as u32, to: to as u32 };
                pieces.extend(LatticeBox::around(arc.points[from..=to].iter().copied()).map(|bbox| boxed(bbox, piece)));
            }
        }
    }
    pieces
}

fn corner(p: LatticePoint) -> [f64; 2] {
    [f64::from(p.x), f64::from(p.y)]
}

fn boxed<T>(bbox: LatticeBox, what: T) -> Boxed<T> {
    GeomWithData::new(Rectangle::from_corners(corner(bbox.min), corner(bbox.max)), what)
}

fn in_box<T: Copy>(tree: &RTree<Boxed<T>>, bbox: LatticeBox) -> impl Iterator<Item = T> {
    tree.locate_in_envelope_intersecting(AABB::from_corners(corner(bbox.min), corner(bbox.max))).map(|found| found.data)
}

impl Territory {
    /// Grids whose boxes meet a box, in no particular order.
    pub fn grids_in_box(&self, bbox: LatticeBox) -> impl Iterator<Item = GridIx> {
        in_box(&self.boxes.grids, bbox)
    }

    /// Regions of one level whose boxes meet a box, in no particular order.
    pub fn regions_in_box(&self, level: usize, bbox: LatticeBox) -> impl Iterator<Item = RegionIx> {
        self.boxes.regions.get(level).into_iter().flat_map(move |tree| in_box(tree, bbox))
    }

    /// The grids at or below a code, as [`GridIx`]: one for a grid's code, a range for a region's.
    pub fn grids_below(&self, code: &str) -> Option<Range<u32>> {
        let region = self.region_ix(code).map(|ix| self.region(ix).grids.clone());
        region.or_else(|| self.grid_ix(code).map(|ix| ix.0..ix.0 + 1))
    }

    /// The grid nearest to a point and its distance in metres: 0 inside a grid, otherwise to its outline; of grids equally far the least
    /// code. `None` when there is no grid. The way across the antimeridian is not considered.
    /// Cost: the shore (borders with a grid on just one side) within the distance.
    pub fn nearest_grid(&self, p: LatticePoint) -> Option<(GridIx, f64)> {
        if let Some(ix) = self.grid_at(p) {
            return Some((ix, 0.0));
        }
        let unit_m = self.shortest_unit_m(p)?;
        let mut best: Option<(f64, OwnerIx, GridIx)> = None;
        for (piece, units2) in self.boxes.shore.nearest_neighbor_iter_with_distance_2(corner(p)) {
            if best.is_some_and(|(metres, ..)| units2.sqrt() * unit_m > metres) {
                break;
            }
            let Piece { grid, block, arc, from, to } = piece.data;
            let points = &self.partition.blocks[block as usize][arc as usize].points[from as usize..=to as usize];
            let metres = points.windows(2).map(|edge| segment_distance_m(p, edge[0], edge[1])).fold(f64::INFINITY, f64::min);
            let found = (metres, self.grid(grid).owner, grid);
            if best.is_none_or(|best| (found.0, found.1) < (best.0, best.1)) {
                best = Some(found);
            }
        }
        best.map(|(metres, _, grid)| (grid, metres))
    }

    /// As [`Self::nearest_grid`], of some grids only, for a point in none of them. Cost: the borders of those whose boxes are within the
    /// distance, and one look at every grid whose box is.
    pub fn nearest_of(&self, p: LatticePoint, wanted: impl Fn(GridIx) -> bool) -> Option<(GridIx, f64)> {
        let unit_m = self.shortest_unit_m(p)?;
        let mut best: Option<(f64, OwnerIx, GridIx)> = None;
        for (boxed, units2) in self.boxes.grids.nearest_neighbor_iter_with_distance_2(corner(p)) {
            if best.is_some_and(|(metres, ..)| units2.sqrt() * unit_m > metres) {
                break;
            }
            if !wanted(boxed.data) {
                continue;
            }
            let found = (self.distance_to_border_m(boxed.data, p), self.grid(boxed.data).owner, boxed.data);
            if best.is_none_or(|best| (found.0, found.1) < (best.0, best.1)) {
                best = Some(found);
            }
        }
        best.map(|(metres, _, grid)| (grid, metres))
    }

    /// Boxes come in the order of their distance in lattice units. A unit is at least this long in metres, wherever between a point and the
    /// grids it is; the last factor is for the curvature of the way. `None` when there is no grid.
    fn shortest_unit_m(&self, p: LatticePoint) -> Option<f64> {
        let around = self.boxes.around?;
        let shortest = [p.y, around.min.y, around.max.y].map(|y| LocalScale::at(f64::from(y)));
        Some(shortest.iter().map(|scale| scale.x_m.min(scale.y_m)).fold(f64::INFINITY, f64::min) * 0.99)
    }

    /// The grid across the nearest border of a grid that has a `wanted` grid across, and the metres from a point to that border; of borders
    /// equally far the least code. `None` when none is next to it. Cost: the grid's border.
    pub fn next_door(&self, ix: GridIx, p: LatticePoint, wanted: impl Fn(GridIx) -> bool) -> Option<(GridIx, f64)> {
        let own = self.grid(ix).owner;
        let across = |arc: &Arc| match self.partition.owners[arc.across(own).at()?] {
            Owner::Grid(other) => Some(other).filter(|other| wanted(*other)),
            Owner::Region(_) | Owner::Void(_) => None,
        };
        let borders = self.borders.around(&self.partition, own).filter_map(|arc| {
            let other = across(arc)?;
            let metres = arc.points.windows(2).map(|edge| segment_distance_m(p, edge[0], edge[1])).fold(f64::INFINITY, f64::min);
            Some((other, metres))
        });
        borders.min_by(|a, b| a.1.total_cmp(&b.1).then_with(|| self.grid(a.0).owner.cmp(&self.grid(b.0).owner)))
    }

    /// Metres from a point to the nearest border of a grid, from inside or outside. Cost: the grid's border.
    pub fn distance_to_border_m(&self, ix: GridIx, p: LatticePoint) -> f64 {
        let grid = self.grid(ix);
        // A flat map good half way finds the edge; only that one is measured exactly.
        let scale = LocalScale::at(f64::midpoint(f64::from(p.y), f64::from(grid.label.y)));
        let arcs = self.borders.around(&self.partition, grid.owner);
        let edges = arcs.flat_map(|arc: &Arc| arc.points.windows(2));
        let nearest = edges.min_by(|a, b| {
            let distance2 = |edge: &[LatticePoint]| scale.segment_distance2_m2(p, edge[0], edge[1]);
            distance2(a).total_cmp(&distance2(b))
        });
        nearest.map_or(f64::INFINITY, |edge| segment_distance_m(p, edge[0], edge[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Epoch;
    use crate::domain::records::BoundarySet;
    use crate::domain::region::VoidKind;
    use crate::territory::coverage::Random;
    use crate::territory::samples::{area, grid, island, region, square};

    fn with_a_lake() -> Territory {
        island(3, &[(10, VoidKind::Water)])
    }

    fn brute_distance_m(territory: &Territory, ix: GridIx, p: LatticePoint) -> f64 {
        let outline = territory.outline_grid(ix);
        let edges = outline.rings().flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)));
        edges.map(|(a, b)| segment_distance_m(p, *a, *b)).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_nearest_grid_is_the_one_that_brute_force_finds() {
        let territory = with_a_lake();
        let mut random = Random(4);
        let mut outside = 0;
        for reach in [100_000, 3_000_000, 300_000_000] {
            for _ in 0..60 {
                let p =
                    LatticePoint::new(1_221_100_000 + random.between(-reach, reach), 300_090_000 + random.between(-reach, reach));
                let (found, metres) = territory.nearest_grid(p).expect("there are grids");
                if territory.grid_at(p).is_some() {
                    assert_eq!((territory.grid_at(p), metres), (Some(found), 0.0));
                    continue;
                }
                outside += 1;
                let grids = (0..territory.grids.len()).map(|at| GridIx(at as u32));
                let least = grids.map(|ix| brute_distance_m(&territory, ix, p)).fold(f64::INFINITY, f64::min);
                assert_eq!(metres, least, "{p:?}");
                assert_eq!(brute_distance_m(&territory, found, p), least);
            }
        }
        assert!(outside > 60);
    }

    #[test]
    fn of_grids_equally_near_the_least_code_is_named() {
        let grids =
            vec![grid("330902002001002", area(&[square(0, 0, 1000)])), grid("330902002001001", area(&[square(1000, 0, 1000)]))];
        let mut set = BoundarySet { grids, regions: vec![region("330902002001", "community", None)], ..BoundarySet::default() };
        set.grids.sort_by(|a, b| a.code.cmp(&b.code));
        let territory = Territory::build(Epoch(1), &set).expect("a coverage");
        let (ix, metres) = territory.nearest_grid(LatticePoint::new(1000, -500)).expect("there are grids");
        assert_eq!(territory.grid(ix).code.as_str(), "330902002001001");
        assert!((metres - 5.5287).abs() < 1e-3, "{metres}");
    }

    #[test]
    fn the_distance_to_a_border_is_the_same_from_both_sides() {
        let territory = with_a_lake();
        let mut random = Random(5);
        for _ in 0..300 {
            let p = LatticePoint::new(1_221_000_000 + random.between(0, 210_000), 300_000_000 + random.between(0, 180_000));
            let ix = GridIx(random.between(0, territory.grids.len() as i32 - 1) as u32);
            let (found, expected) = (territory.distance_to_border_m(ix, p), brute_distance_m(&territory, ix, p));
            assert!((found - expected).abs() <= 1e-6 * expected, "{found} {expected}");
        }
        let vertex = territory.outline_grid(GridIx(0)).polygons()[0].exterior[0];
        assert_eq!(territory.distance_to_border_m(GridIx(0), vertex), 0.0);
    }

    #[test]
    fn boxes_find_what_a_scan_finds() {
        let territory = with_a_lake();
        let mut random = Random(6);
        for _ in 0..100 {
            let a = LatticePoint::new(
                1_221_000_000 + random.between(-50_000, 250_000),
                300_000_000 + random.between(-50_000, 230_000),
            );
            let bbox = LatticeBox { min: a, max: a }
                .with(LatticePoint::new(a.x + random.between(0, 90_000), a.y + random.between(0, 90_000)));
            let mut grids: Vec<u32> = territory.grids_in_box(bbox).map(|ix| ix.0).collect();
            grids.sort_unstable();
            let scan = (0..territory.grids.len() as u32).filter(|at| territory.grids[*at as usize].bbox.meets(bbox));
            assert_eq!(grids, scan.collect::<Vec<_>>());
            let level = territory.scheme.level_named("community").expect("a level of cn");
            let mut regions: Vec<u32> = territory.regions_in_box(level, bbox).map(|ix| ix.0).collect();
            regions.sort_unstable();
            let meets = |at: &u32| {
                let region = &territory.regions[*at as usize];
                region.level == level && region.bbox.is_some_and(|b| b.meets(bbox))
            };
            assert_eq!(regions, (0..territory.regions.len() as u32).filter(meets).collect::<Vec<_>>());
        }
        assert_eq!(territory.regions_in_box(99, territory.grids[0].bbox).count(), 0);
    }

    #[test]
    fn everything_below_a_code_is_a_range() {
        let territory = with_a_lake();
        let below = territory.grids_below("330902002002").expect("a region");
        assert!(below.clone().all(|ix| territory.grids[ix as usize].code.as_str().starts_with("330902002002")));
        assert_eq!(territory.grids_below("3309").map(|all| all.len()), Some(territory.grids.len()));
        assert_eq!(territory.grids_below(territory.grids[5].code.as_str()), Some(5..6));
        assert_eq!(territory.grids_below("nowhere"), None);
    }
}
