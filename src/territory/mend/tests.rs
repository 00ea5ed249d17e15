use super::*;
use crate::domain::fault::FaultKind;
use crate::domain::grid::GridRecord;
use crate::domain::id::Epoch;
use crate::geom::lattice::side;
use crate::geom::planar::closed_pairs;
use crate::geom::{LatticePoint, Polygon};
use crate::territory::partition::Owner;
use crate::territory::samples::{area, grid, points, region, square};
use crate::territory::{Located, Territory};
use proptest::prelude::*;
use std::cmp::Ordering;

/// A unit is about 1.1 cm, so the 10,000-unit squares here are 111 m wide.
const SIDE: i32 = 10_000;

fn code(at: usize) -> String {
    format!("33090200200{}{:03}", 1, at + 1)
}

fn set(areas: &[Area]) -> BoundarySet {
    let grids: Vec<GridRecord> = areas.iter().enumerate().map(|(at, area)| grid(&code(at), area.clone())).collect();
    BoundarySet { grids, ..BoundarySet::default() }
}

fn mended(set: BoundarySet) -> Mended {
    mend(set, &Accept::default()).expect("mended")
}

fn refused(set: BoundarySet) -> Vec<Fault> {
    mend(set, &Accept::default()).expect_err("faults")
}

fn all_accepted() -> Accept {
    Accept { gaps_as_void: true, overlap_to_least_code: true, outside_claim: true, reason: "import 1".to_owned(), matched: None }
}

fn assert_partition(set: &BoundarySet) -> Territory {
    assert_eq!(check(set), []);
    let again = mended(set.clone());
    assert_eq!(again.repairs, []);
    for (again, grid) in again.boundaries.grids.iter().zip(&set.grids) {
        assert_eq!(again.area, grid.area, "mending again changes nothing");
    }
    assert_eq!(again.boundaries.voids, set.voids);
    Territory::build(Epoch(1), set).expect("a territory")
}

#[test]
fn a_clean_coverage_stays_as_it_is_and_gets_its_regions() {
    let given = set(&[area(&[square(0, 0, SIDE)]), area(&[square(SIDE, 0, SIDE)])]);
    let mended = mended(given.clone());
    assert_eq!(mended.boundaries.grids, given.grids);
    assert_eq!(mended.repairs, []);
    let regions: Vec<&str> = mended.boundaries.regions.iter().map(|region| region.code.as_str()).collect();
    assert_eq!(regions, ["3309", "330902", "330902002", "330902002001"]);
    assert_partition(&mended.boundaries);
}

#[test]
fn a_corner_on_a_neighbours_edge_becomes_its_vertex() {
    let mended = mended(set(&[
        area(&[square(0, 0, 2 * SIDE)]),
        area(&[square(2 * SIDE, 0, SIDE)]),
        area(&[square(2 * SIDE, SIDE, SIDE)]),
    ]));
    assert_eq!(mended.boundaries.grids[0].area.vertex_count(), 5);
    assert_eq!(mended.repairs, []);
    assert_partition(&mended.boundaries);
}

#[test]
fn an_overlap_is_told_once_per_pair_with_codes_place_and_size() {
    let comb = points(&[(0, 0), (9000, 0), (9000, 9000), (6000, 9000), (6000, 3000), (3000, 3000), (3000, 9000), (0, 9000)]);
    let given = set(&[area(&[comb]), area(&[square(-500, 8000, SIDE)])]);
    let faults = refused(given.clone());
    // The bar also closes off what lies between the teeth.
    let kinds: Vec<FaultKind> = faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::Overlap, FaultKind::Gap]);
    assert_eq!(faults[0].codes.len(), 2);
    assert_eq!(faults[0].area.as_ref().map(|area| area.polygons().len()), Some(2));
    let square_m2 = |units2: f64| units2 * 0.011_132 * 0.011_057;
    assert!((faults[0].area_m2.unwrap_or_default() / square_m2(6e6) - 1.0).abs() < 1e-3);
    assert!((faults[1].area_m2.unwrap_or_default() / square_m2(1.5e7) - 1.0).abs() < 1e-3);

    let mended = mend(given, &all_accepted()).expect("as asked");
    assert_eq!(mended.accepted.len(), 2);
    assert_eq!((mended.boundaries.voids.len(), mended.boundaries.voids[0].reason.as_str()), (1, "import 1"));
    let territory = assert_partition(&mended.boundaries);
    let Located::Inside { owner, .. } = territory.locate_brute(LatticePoint::new(1000, 8500)) else { panic!("outside") };
    assert_eq!(territory.partition.owners[owner.0 as usize], Owner::Grid(territory.grid_ix(&code(0)).expect("known")));
}

#[test]
fn slivers_go_to_the_neighbour_with_the_longest_border_and_are_told() {
    // 8 units (9 cm) between the two, over 600 units (6.6 m): 0.6 m².
    let left = area(&[points(&[(0, 0), (600, 0), (600, 600), (0, 600)])]);
    let right = area(&[points(&[(608, 0), (1208, 0), (1208, 600), (608, 600)])]);
    let lid = area(&[points(&[(0, 600), (1208, 600), (1208, 1200), (0, 1200)])]);
    let floor = area(&[points(&[(0, -600), (1208, -600), (1208, 0), (0, 0)])]);
    let mended = mended(set(&[left, right, lid, floor]));
    assert_eq!(mended.repairs.len(), 1);
    let repair = &mended.repairs[0];
    assert_eq!((repair.kind.as_str(), repair.codes.len()), ("sliver_gap", 4));
    assert_eq!(repair.codes[3].as_str(), code(0), "of two equal borders the least code");
    assert!((0.5..0.7).contains(&repair.area_m2), "{}", repair.area_m2);
    assert_partition(&mended.boundaries);

    let overlapping = set(&[area(&[square(0, 0, 600)]), area(&[square(594, 0, 600)])]);
    let mended = mend(overlapping, &Accept::default()).expect("mended");
    assert_eq!(mended.repairs[0].kind, "sliver_overlap");
    assert_partition(&mended.boundaries);
}

#[test]
fn a_slit_open_to_the_outside_is_found() {
    // Two areas that meet below and part by 8 units above, over 4,000 units: 44 m long, more than 1 m².
    let left = area(&[points(&[(0, 0), (SIDE, 0), (SIDE, 1000), (SIDE - 8, 1000), (SIDE - 8, 5000), (0, 5000)])]);
    let right = area(&[points(&[(SIDE, 0), (2 * SIDE, 0), (2 * SIDE, 5000), (SIDE, 5000), (SIDE, 1000)])]);
    let faults = refused(set(&[left.clone(), right.clone()]));
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].kind, faults[0].codes.len()), (FaultKind::Slit, 2));
    let mended = mend(set(&[left, right]), &all_accepted()).expect("as asked");
    assert_eq!(mended.boundaries.voids.len(), 1);
    assert_partition(&mended.boundaries);

    // The same over 4 m is filled.
    let left = area(&[points(&[(0, 0), (SIDE, 0), (SIDE, 1000), (SIDE - 8, 1000), (SIDE - 8, 1400), (0, 1400)])]);
    let right = area(&[points(&[(SIDE, 0), (2 * SIDE, 0), (2 * SIDE, 1400), (SIDE, 1400), (SIDE, 1000)])]);
    let mended = mend(set(&[left, right]), &Accept::default()).expect("mended");
    assert_eq!(mended.repairs.len(), 1);
    assert_eq!(mended.repairs[0].kind, "sliver_slit");
    assert_partition(&mended.boundaries);
}

#[test]
fn a_bay_with_a_narrow_mouth_is_outside() {
    let left = area(&[points(&[(0, 0), (SIDE, 0), (SIDE, 1000), (5000, 5000), (SIDE - 5, 9000), (SIDE - 100, SIDE), (0, SIDE)])]);
    let right = area(&[points(&[
        (SIDE, 0),
        (2 * SIDE, 0),
        (2 * SIDE, SIDE),
        (SIDE + 100, SIDE),
        (SIDE + 5, 9000),
        (SIDE + 5000, 5000),
        (SIDE, 1000),
    ])]);
    let mended = mended(set(&[left, right]));
    assert!(mended.boundaries.voids.is_empty());
    assert_partition(&mended.boundaries);
}

#[test]
fn a_ring_that_crosses_itself_is_refused_and_one_that_touches_itself_is_split() {
    let bow = area(&[points(&[(0, 0), (SIDE, SIDE), (SIDE, 0), (0, 2 * SIDE)])]);
    let faults = refused(set(&[bow]));
    assert_eq!((faults[0].kind, faults[0].codes.len()), (FaultKind::SelfCrossing, 1));
    assert!(faults[0].place.is_some());

    // Two squares that share a corner, drawn in one line; and a ring with a hole that hangs on its corner.
    let eight = area(&[points(&[
        (0, 0),
        (SIDE, 0),
        (SIDE, SIDE),
        (2 * SIDE, SIDE),
        (2 * SIDE, 2 * SIDE),
        (SIDE, 2 * SIDE),
        (SIDE, SIDE),
        (0, SIDE),
    ])]);
    let lake = area(&[points(&[(50_000, 0), (60_000, 0), (60_000, SIDE), (50_000, 0), (50_000, SIDE), (59_000, SIDE)])]);
    let mended = mend(set(&[eight]), &Accept::default()).expect("mended");
    assert_eq!(mended.repairs[0].kind, "ring_split");
    assert_eq!(mended.repairs[0].place, Some(LatticePoint::new(SIDE, SIDE).lonlat()));
    assert_eq!(mended.boundaries.grids[0].area.polygons().len(), 2);
    assert_partition(&mended.boundaries);
    assert!(!refused(set(&[lake])).is_empty(), "its line crosses itself on the way back");
}

#[test]
fn an_area_that_lies_wholly_in_another_vanishes_only_when_asked_and_never_silently() {
    let given = set(&[area(&[square(0, 0, SIDE)]), area(&[square(100, 100, 500)])]);
    assert_eq!(refused(given.clone())[0].kind, FaultKind::Overlap);
    let faults = mend(given, &all_accepted()).expect_err("the second has no land left");
    assert_eq!((faults[0].kind, faults[0].codes[0].as_str()), (FaultKind::Vanished, code(1).as_str()));
}

#[test]
fn claims_are_compared_with_the_land_below() {
    let mut given = set(&[area(&[square(0, 0, SIDE)]), area(&[square(SIDE, 0, SIDE)])]);
    // The claim reaches further north and less far east; 5 units along the west are no difference.
    given.regions =
        vec![region("330902002001", "community", Some(area(&[points(&[(-5, 0), (15_000, 0), (15_000, 12_000), (-5, 12_000)])])))];
    let faults = refused(given.clone());
    let told: Vec<(FaultKind, usize)> = faults.iter().map(|fault| (fault.kind, fault.codes.len())).collect();
    assert_eq!(told, [(FaultKind::Uncovered, 1), (FaultKind::OutsideClaim, 2)]);
    assert_eq!(faults[1].codes[0].as_str(), code(1));

    let mended = mend(given, &all_accepted()).expect("as asked");
    assert_eq!((mended.boundaries.voids.len(), mended.accepted.len()), (1, 2));
    let territory = assert_partition_with_claims(&mended.boundaries);
    let above = territory.locate_brute(LatticePoint::new(7000, 11_000));
    assert!(matches!(above, Located::Inside { owner, .. } if territory.partition.owners[owner.0 as usize] == Owner::Void(0)));
}

/// Claims that were accepted as they are stay faults; everything else holds.
fn assert_partition_with_claims(set: &BoundarySet) -> Territory {
    assert_eq!(check(set), []);
    Territory::build(Epoch(1), set).expect("a territory")
}

#[test]
fn a_claim_that_says_what_the_grids_say_is_no_fault() {
    let mut given = set(&[area(&[square(0, 0, SIDE)]), area(&[square(SIDE, 0, SIDE)])]);
    given.regions = vec![region("3309", "city", Some(area(&[points(&[(0, 0), (2 * SIDE, 0), (2 * SIDE, SIDE), (0, SIDE)])])))];
    assert_eq!(mended(given).repairs, []);
}

#[test]
fn every_fault_is_told_not_the_first() {
    let mut given =
        set(&[area(&[square(0, 0, SIDE)]), area(&[square(5000, 0, SIDE)]), area(&[square(90_000, 0, SIDE)]), Area::default()]);
    given.grids.push(grid(&code(2), area(&[square(150_000, 0, SIDE)])));
    given.grids.push(grid("3309", area(&[square(200_000, 0, SIDE)])));
    let kinds: Vec<FaultKind> = refused(given).iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::DuplicateCode, FaultKind::NotInScheme, FaultKind::Overlap, FaultKind::Vanished]);
}

#[test]
fn check_names_a_missing_vertex_a_gap_and_an_overlap() {
    let broken =
        set(&[area(&[square(0, 0, 2 * SIDE)]), area(&[square(2 * SIDE, 0, SIDE)]), area(&[square(2 * SIDE - 2, SIDE, SIDE)])]);
    let kinds: Vec<FaultKind> = check(&broken).iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::Corrupt, FaultKind::Corrupt, FaultKind::Corrupt, FaultKind::Overlap]);
}

/// How often a ring winds around a point that is not on it.
fn winding(ring: &[LatticePoint], p: LatticePoint) -> i32 {
    closed_pairs(ring)
        .map(|(u, v)| match (u.y <= p.y, v.y <= p.y) {
            (true, false) if side(u, v, p) == Ordering::Greater => 1,
            (false, true) if side(u, v, p) == Ordering::Less => -1,
            _ => 0,
        })
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_becomes_a_partition_that_agrees_with_brute_force(
        triangles in prop::collection::vec(prop::collection::vec([(0..60_i32), (0..60_i32)], 3), 2..9),
        probes in prop::collection::vec([(0..60_000_i32), (0..60_000_i32)], 60),
        fine in any::<bool>(),
    ) {
        // Coarse corners make common borders and corners; fine ones none.
        let scale = if fine { 997 } else { 1000 };
        let given: Vec<Area> = triangles
            .iter()
            .enumerate()
            .map(|(at, ring)| ring.iter().map(|[x, y]| LatticePoint::new(x / 6 * 6 * scale + fine as i32 * at as i32, y / 6 * 6 * scale)).collect())
            .map(|exterior| Area::canonical([Polygon { exterior, holes: vec![] }]))
            .collect();
        match mend(set(&given), &all_accepted()) {
            Err(faults) => prop_assert!(faults.iter().all(|fault| fault.kind == FaultKind::Vanished), "{faults:?}"),
            Ok(mended) => {
                let territory = assert_partition(&mended.boundaries);
                let borders: Vec<(LatticePoint, LatticePoint)> = given.iter().flat_map(Area::rings).flat_map(|ring| closed_pairs(ring)).collect();
                for [x, y] in probes {
                    let p = LatticePoint::new(x, y);
                    if borders.iter().any(|(a, b)| crate::geom::measure::segment_distance_m(p, *a, *b) < 0.5) {
                        continue; // Slivers and noding move borders by less.
                    }
                    let covers = |area: &Area| area.rings().map(|ring| winding(ring, p)).sum::<i32>() > 0;
                    let expected = given.iter().position(covers).map(code);
                    let found = match territory.locate_brute(p) {
                        Located::Inside { owner, .. } => match territory.partition.owners[owner.0 as usize] {
                            Owner::Grid(ix) => Some(territory.grid(ix).code.to_string()),
                            _ => None,
                        },
                        Located::Outside => None,
                    };
                    prop_assert_eq!(found, expected, "{:?}", p);
                }
            }
        }
    }
}
