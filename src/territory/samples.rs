//! Small coverages for tests.

use crate::domain::code::Code;
use crate::domain::grid::{GridKind, GridRecord};
use crate::domain::records::{BoundarySet, Provenance};
use crate::domain::region::RegionRecord;
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
    let regions = ["3309", "330902002001", "330902002002"].into_iter().zip(["city", "community", "community"]);
    let regions = regions.map(|(code, level)| region(code, level, None)).collect();
    (BoundarySet { grids, regions, ..BoundarySet::default() }, arrangement, owner_of)
}

/// Even grids lie in one community, odd ones in the other.
pub(crate) fn grid_code(at: usize) -> String {
    format!("33090200200{}{:03}", at % 2 + 1, at)
}
