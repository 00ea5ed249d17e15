use super::*;
use crate::domain::code::Code;
use crate::domain::fault::FaultKind;
use crate::domain::id::Epoch;
use crate::domain::records::BoundarySet;
use crate::geom::measure::{area_m2, segment_distance_m};
use crate::territory::coverage::{Coverage, Patch, Random};
use crate::territory::mend::{Accept, check, match_edges, mend};
use crate::territory::samples::{area, grid, points, square};
use crate::territory::{Located, Territory};
use std::collections::{HashMap, HashSet};

/// A unit is about 1.1 cm.
const METRE: i32 = 90;
const COLUMNS: usize = 6;
const ROWS: usize = 4;

fn code(at: usize) -> String {
    format!("3309020020{:02}{:03}", if at % COLUMNS < COLUMNS / 2 { 1 } else { 2 }, at)
}

/// Two counties side by side: the western one as it stands, the eastern one surveyed anew.
struct Counties {
    west: BoundarySet,
    both: BoundarySet,
    /// Vertices of the eastern county that are far from the common line.
    inland: Vec<LatticePoint>,
    common: HashSet<Edge>,
}

fn counties(seed: u64, off: i32) -> Counties {
    with_edges(seed, off, (3, 12))
}

/// `edges`: least and most edges of a border between two nodes, some 330 m.
fn with_edges(seed: u64, off: i32, each: (i32, i32)) -> Counties {
    let mut random = Random(seed);
    let corner = LatticePoint::new(1_221_000_000, 300_000_000);
    let patch = Patch { corner, columns: COLUMNS, rows: ROWS, size: 30_000, jitter: 0.1, roughness: 0.6, edges: each };
    let coverage = Coverage::of(&[patch], &mut random);
    let (west, east): (Vec<_>, Vec<_>) = coverage.rings.iter().enumerate().partition(|(at, _)| at % COLUMNS < COLUMNS / 2);
    let of_west: HashSet<Edge> = west.iter().flat_map(|(_, ring)| edges(ring)).collect();
    let common: HashSet<Edge> = east.iter().flat_map(|(_, ring)| edges(ring)).filter(|edge| of_west.contains(edge)).collect();
    let on_common: HashSet<LatticePoint> = common.iter().flat_map(|edge| [edge.a(), edge.b()]).collect();
    // Each vertex of the common line is found elsewhere, and either office measured vertices that the other did not.
    let mut surveyed: HashMap<LatticePoint, LatticePoint> = HashMap::new();
    let (mut only_west, mut only_east): (HashMap<Edge, LatticePoint>, HashMap<Edge, LatticePoint>) = Default::default();
    let mut line: Vec<LatticePoint> = on_common.iter().copied().collect();
    line.sort_unstable();
    for p in line {
        let there = LatticePoint::new(p.x + random.between(-off, off), p.y + random.between(-off, off));
        surveyed.insert(p, there);
    }
    let mut lines: Vec<Edge> = common.iter().copied().collect();
    lines.sort_unstable();
    for edge in lines {
        let middle = along(edge, 0.3 + 0.4 * random.unit());
        let middle = LatticePoint::new(middle.x + random.between(-off, off), middle.y + random.between(-off, off));
        match random.between(0, 2) {
            0 => only_west.insert(edge, middle),
            1 => only_east.insert(edge, middle),
            _ => None,
        };
    }
    let redone = |ring: &[LatticePoint], more: &HashMap<Edge, LatticePoint>, moved: &HashMap<LatticePoint, LatticePoint>| {
        let mut out = Vec::new();
        for (from, to) in closed_pairs(ring) {
            out.extend(Edge::between(from, to).and_then(|(edge, _)| more.get(&edge)));
            out.push(moved.get(&to).copied().unwrap_or(to));
        }
        out
    };
    let unmoved = HashMap::new();
    let west: Vec<_> = west.iter().map(|(at, ring)| grid(&code(*at), area(&[redone(ring, &only_west, &unmoved)]))).collect();
    let east: Vec<_> = east.iter().map(|(at, ring)| grid(&code(*at), area(&[redone(ring, &only_east, &surveyed)]))).collect();
    let of_east: HashSet<LatticePoint> = on_common;
    let common = west.iter().flat_map(|grid| grid.area.rings()).flat_map(|ring| edges(ring)).filter(|edge| {
        let on_line = |p: LatticePoint| of_east.contains(&p) || only_west.values().any(|middle| *middle == p);
        on_line(edge.a()) && on_line(edge.b())
    });
    let common: HashSet<Edge> = common.collect();
    let inland = east
        .iter()
        .flat_map(|grid| grid.area.rings().flatten().copied())
        .filter(|p| common.iter().all(|edge| segment_distance_m(*p, edge.a(), edge.b()) > 5.0));
    let inland = inland.collect();
    let both = BoundarySet { grids: west.iter().chain(&east).cloned().collect(), ..BoundarySet::default() };
    Counties { west: BoundarySet { grids: west, ..BoundarySet::default() }, both, inland, common }
}

fn settled(counties: &Counties, tolerance_m: f64) -> (BoundarySet, EdgeMatch) {
    let (set, report, matched) =
        match_edges(counties.both.clone(), Some(&counties.west), &HashMap::new(), tolerance_m).expect("comes to rest");
    let accept = Accept { matched: Some(matched), ..Accept::default() };
    let mended = mend(set, &accept).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(check(&mended.boundaries), []);
    (mended.boundaries, report)
}

#[test]
fn a_county_surveyed_anew_takes_the_line_of_its_neighbour() {
    for seed in 0..40 {
        let counties = counties(seed, METRE);
        mend(counties.both.clone(), &Accept::default()).expect_err("two surveys of one line differ");
        let (set, report) = settled(&counties, 3.0);

        let common_m: f64 = counties.common.iter().map(|edge| edge.length_m()).sum();
        assert!((report.length_m / common_m - 1.0).abs() < 0.05, "seed {seed}: {} of {common_m} m", report.length_m);
        // As far apart as looking at every edge of the old line says.
        let distance_m = |p: LatticePoint| {
            let each = counties.west.grids.iter().flat_map(|grid| grid.area.rings()).flat_map(|ring| edges(ring));
            each.map(|edge| segment_distance_m(p, edge.a(), edge.b())).fold(f64::INFINITY, f64::min)
        };
        let at = report.furthest_at.map(LatticePoint::nearest).expect("they are apart somewhere");
        assert!((distance_m(at) - report.furthest_m).abs() < 0.01 && report.furthest_m < 3.0, "{report:?}");
        assert!(report.mean_m > 0.1 && report.alone_m > 3000.0, "{report:?}");
        let classes: f64 = report.classes.iter().map(|class| class.length_m).sum();
        let pairs: f64 = report.stretches.iter().map(|stretch| stretch.length_m).sum();
        assert!(
            (classes - report.length_m).abs() < 1e-6 && (pairs - report.length_m).abs() < 1e-6,
            "each metre stands in one class"
        );

        // What stood stands: no more of it moved than rounding to the lattice moves.
        for grid in &counties.west.grids {
            let now = set.grids.iter().find(|now| now.code == grid.code).expect("still there");
            let moved = (area_m2(&now.area) - area_m2(&grid.area)).abs();
            assert!(moved < 0.02 * common_m, "seed {seed}: {} changed by {moved} m²", grid.code);
            assert!(moved < 2.0, "seed {seed}: {} changed by {moved} m²", grid.code);
        }
        let after: HashSet<LatticePoint> = set.grids.iter().flat_map(|grid| grid.area.rings().flatten().copied()).collect();
        assert!(counties.inland.iter().all(|p| after.contains(p)), "inland nothing moved");

        // On the whole of the old line both counties meet.
        let territory = Territory::build(Epoch(1), &set).expect("a territory");
        let mut of_west: HashMap<Edge, usize> = HashMap::new();
        let mut of_east: HashSet<Edge> = HashSet::new();
        for grid in &set.grids {
            let is_west = counties.west.grids.iter().any(|west| west.code == grid.code);
            for edge in grid.area.rings().flat_map(|ring| edges(ring)) {
                if is_west {
                    *of_west.entry(edge).or_default() += 1;
                } else {
                    of_east.insert(edge);
                }
            }
        }
        for edge in &counties.common {
            let middle = along(*edge, 0.5);
            assert!(matches!(territory.locate(middle), Located::Inside { .. }), "seed {seed}: a gap at {middle:?}");
        }
        let shared_m: f64 = of_west.iter().filter(|(edge, _)| of_east.contains(edge)).map(|(edge, _)| edge.length_m()).sum();
        assert!((shared_m / common_m - 1.0).abs() < 0.01, "seed {seed}: they share {shared_m} of {common_m} m");
    }
}

#[test]
fn lines_with_a_vertex_each_metre_are_matched_too() {
    for seed in 0..6 {
        let counties = with_edges(seed, METRE, (150, 300));
        let (set, report) = settled(&counties, 5.0);
        let common_m: f64 = counties.common.iter().map(|edge| edge.length_m()).sum();
        assert!(report.length_m > 0.9 * common_m, "seed {seed}: {report:?}");
        for grid in &counties.west.grids {
            let now = set.grids.iter().find(|now| now.code == grid.code).expect("still there");
            let moved = (area_m2(&now.area) - area_m2(&grid.area)).abs();
            assert!(moved < 20.0, "seed {seed}: {} changed by {moved} m²", grid.code);
        }
    }
}

#[test]
fn land_that_both_claim_is_no_matter_of_lines() {
    // A plot of 6 m in the middle of one is in the other too; and one of 6 m at the common line.
    let standing = area(&[square(0, 0, 9000)]);
    for plot in [square(4000, 4000, 540), square(8460, 4000, 540)] {
        let given = Area::canonical([square(9000, 0, 9000), plot].map(|exterior| Polygon { exterior, holes: Vec::new() }));
        let both = BoundarySet { grids: vec![grid(&code(0), standing.clone()), grid(&code(3), given)], ..BoundarySet::default() };
        let west = BoundarySet { grids: both.grids[..1].to_vec(), ..BoundarySet::default() };
        let (set, _, matched) = match_edges(both, Some(&west), &HashMap::new(), 4.0).expect("rests");
        let faults =
            mend(set, &Accept { matched: Some(matched), ..Accept::default() }).expect_err("the planner's word is needed");
        assert!(faults.iter().any(|fault| fault.kind == FaultKind::Overlap), "{faults:#?}");
    }
}

#[test]
fn matching_again_changes_nothing() {
    let counties = counties(7, METRE);
    let (set, _) = settled(&counties, 3.0);
    let again = Counties { west: counties.west, both: set.clone(), ..counties };
    let (twice, report) = settled(&again, 3.0);
    assert_eq!(set.grids, twice.grids);
    // What is not the same any more are the borders that run up to the ends of the line.
    let same_m = report.classes[0].length_m;
    assert!(report.length_m - same_m < 12.0 && report.classes[0].up_to_m == SAME_M, "{report:?}");
}

#[test]
fn lines_beyond_the_tolerance_are_left_and_told() {
    let counties = counties(3, 8 * METRE);
    let (set, report, matched) = match_edges(counties.both.clone(), Some(&counties.west), &HashMap::new(), 1.0).expect("rests");
    assert!(report.alone_m > 1000.0, "most of the line is further off: {report:?}");
    let faults = mend(set, &Accept { matched: Some(matched), ..Accept::default() }).expect_err("they are too far apart");
    assert!(
        faults.iter().all(|fault| matches!(fault.kind, FaultKind::Gap | FaultKind::Overlap | FaultKind::Slit)),
        "{faults:#?}"
    );
}

#[test]
fn corners_go_to_corners_and_corners_of_the_standing_line_are_taken_over() {
    let standing = area(&[points(&[(0, 0), (9000, 0), (9000, 4000), (9300, 4500), (9000, 9000), (0, 9000)])]);
    // Two corners are off by some decimetres in both directions, that in the middle was never measured.
    let given = area(&[points(&[(9045, 45), (18000, 0), (18000, 9000), (9030, 9030)])]);
    let lands = [Named { name: "given", area: &given }];
    let (areas, report) = edge_match(&lands, &[Named { name: "standing", area: &standing }], 5.0).expect("rests");
    assert_eq!(areas[0], area(&[points(&[(9000, 0), (18000, 0), (18000, 9000), (9000, 9000), (9300, 4500), (9000, 4000)])]));
    assert_eq!((report.stretches[0].given.as_str(), report.stretches[0].standing.as_str()), ("given", "standing"));
    assert!((report.length_m - 100.0).abs() < 12.0, "{report:?}");
}

#[test]
fn the_later_of_two_files_is_drawn_up_to_the_earlier_one() {
    let counties = counties(11, METRE);
    let file_of: HashMap<Code, u32> = counties
        .both
        .grids
        .iter()
        .map(|grid| {
            let is_west = counties.west.grids.iter().any(|west| west.code == grid.code);
            (grid.code.clone(), u32::from(!is_west))
        })
        .collect();
    let (both, report, matched) = match_edges(counties.both.clone(), None, &file_of, 3.0).expect("comes to rest");
    assert!(report.length_m > 1000.0);
    let files = mend(both, &Accept { matched: Some(matched), ..Accept::default() }).expect("mended").boundaries;
    let (imported, _) = settled(&counties, 3.0);
    assert_eq!(files.grids, imported.grids);
}
