//! Small coverages for tests.

use super::Territory;
use super::coverage::{Coverage, Patch, Random};
use crate::domain::code::Code;
use crate::domain::grid::{GridKind, GridRecord};
use crate::domain::id::Epoch;
use crate::domain::records::{BoundarySet, Provenance};
use crate::domain::region::{RegionRecord, VoidKind, VoidRecord};
use crate::geom::planar::Arrangement;
use crate::geom::{Area, LatticePoint, Polygon};

pub(crate) fn points(points: &[(i32, i32)]) -> Vec<LatticePoint> {
    points.iter().map(|&(x, y)| LatticePoint::new(x, y)).collect()
}

/// A square of `size` units with its south-west corner at `(x, y)`.
pub(crate) fn square(x: i32, y: i32, size: i32) -> Vec<LatticePoint> {
    points(&[(x, y), (x + size, y), (x + size, y + size), (x, y + size)])
}

pub(crate) fn area(rings: &[Vec<LatticePoint>]) -> Area {
    Area::canonical(rings.iter().map(|ring| Polygon { exterior: ring.clone(), holes: Vec::new() }))
}

pub(crate) fn grid(code: &str, area: Area) -> GridRecord {
    GridRecord {
        code: Code::new(code).expect("a code"),
        name: String::new(),
        kind: GridKind::Base,
        parent: None,
        area,
        households: None,
        population: None,
        provenance: Provenance::default(),
    }
}

pub(crate) fn region(code: &str, level: &str, claim: Option<Area>) -> RegionRecord {
    RegionRecord {
        code: Code::new(code).expect("a code"),
        level: level.to_owned(),
        name: String::new(),
        parent: None,
        claim,
        provenance: Provenance::default(),
    }
}

/// The faces of some lines shared out among grids of two communities: face `f` goes to grid `pick(f)`.
pub(crate) fn shared_out(
    lines: &[Vec<LatticePoint>],
    grids: usize,
    pick: impl Fn(usize) -> usize,
) -> (BoundarySet, Arrangement, Vec<Option<u32>>) {
    let arrangement = Arrangement::of_lines(lines).expect("comes to rest");
    let owner_of: Vec<Option<u32>> = (0..arrangement.face_count()).map(|face| Some((pick(face) % grids) as u32)).collect();
    let areas = arrangement.areas(&owner_of, grids);
    let records = areas.into_iter().enumerate().filter(|(_, area)| !area.is_empty());
    let grids: Vec<GridRecord> = records.map(|(at, area)| grid(&grid_code(at), area)).collect();
    (BoundarySet { grids, regions: communities(), ..BoundarySet::default() }, arrangement, owner_of)
}

/// Jagged grids of about 330 m in two communities. Some are voids, two are missing: one at a corner, one inside.
pub(crate) fn island(seed: u64, voids: &[(usize, VoidKind)]) -> Territory {
    let patch = Patch {
        corner: LatticePoint::new(1_221_000_000, 300_000_000),
        columns: 7,
        rows: 6,
        size: 30_000,
        jitter: 0.1,
        roughness: 1.0,
        edges: (3, 40),
    };
    let coverage = Coverage::of(&[patch], &mut Random(seed));
    let mut set = BoundarySet::default();
    for (at, ring) in coverage.rings.iter().enumerate() {
        let land = area(std::slice::from_ref(ring));
        match voids.iter().position(|(void, _)| *void == at) {
            Some(number) => set.voids.push(VoidRecord {
                name: format!("void-{}", number + 1),
                kind: voids[number].1,
                reason: "a test".to_owned(),
                area: land,
                provenance: Provenance::default(),
            }),
            None if at == 24 || at == 41 => {}
            None => set.grids.push(grid(&grid_code(at), land)),
        }
    }
    set.grids.sort_by(|a, b| a.code.cmp(&b.code));
    set.regions = communities();
    Territory::build(Epoch(1), &set).expect("a coverage")
}

fn communities() -> Vec<RegionRecord> {
    let regions = ["3309", "330902002001", "330902002002"].into_iter().zip(["city", "community", "community"]);
    regions.map(|(code, level)| region(code, level, None)).collect()
}

/// Even grids lie in one community, odd ones in the other.
pub(crate) fn grid_code(at: usize) -> String {
    format!("33090200200{}{:03}", at % 2 + 1, at)
}
