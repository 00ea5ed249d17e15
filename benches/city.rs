//! The city of reference: gap-free blocks of about 220 by 250 m, 40 to 120 vertices each, in a hierarchy.

use crate::coverage::{Coverage, Patch, Random};
use crate::geom::{Area, LatticePoint, Polygon};
use std::collections::BTreeSet;
use wangge::domain::code::Code;
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::region::RegionRecord;

/// Its south-western corner.
pub(crate) const CORNER: LatticePoint = LatticePoint::new(1_221_000_000, 296_000_000);
/// Lattice units of a block's side.
pub(crate) const SIZE: i32 = 23_000;
/// Blocks along each side of a city of about 20,000: 19,881 in all.
pub(crate) const SIDE: usize = 141;

/// The blocks, row by row.
pub(crate) fn coverage(columns: usize, rows: usize) -> Coverage {
    let patch = Patch { corner: CORNER, columns, rows, size: SIZE, jitter: 0.12, roughness: 1.0, edges: (10, 30) };
    Coverage::of(&[patch], &mut Random(1))
}

/// Twenty blocks to a community, ten communities to a township, six townships to a county.
pub(crate) fn boundaries(columns: usize, rows: usize) -> BoundarySet {
    let mut codes = BTreeSet::new();
    let mut grids: Vec<GridRecord> = coverage(columns, rows)
        .rings
        .into_iter()
        .enumerate()
        .map(|(at, ring)| {
            // Communities of 5 × 4 blocks, townships of 2 × 5 communities, counties of 3 × 2 townships.
            let (x, y) = (at % columns, at / columns);
            let (cx, cy) = (x / 5, y / 4);
            let (tx, ty) = (cx / 2, cy / 5);
            let county = (tx / 3) + (ty / 2) * 9;
            let township = tx % 3 + ty % 2 * 3;
            let community = cx % 2 + cy % 5 * 2;
            let code = format!("3309{:02}{township:03}{community:03}{:03}", county + 1, x % 5 + y % 4 * 5);
            for length in [4, 6, 9, 12] {
                codes.insert(code[..length].to_owned());
            }
            GridRecord {
                code: Code::new(&code).unwrap(),
                name: format!("第{at}网格"),
                kind: GridKind::Base,
                parent: None,
                area: Area::canonical([Polygon { exterior: ring, holes: vec![] }]),
                households: None,
                population: None,
                provenance: Provenance::default(),
            }
        })
        .collect();
    grids.sort_by(|a, b| a.code.cmp(&b.code));
    let level = |length| ["city", "county", "township", "community"][[4, 6, 9, 12].iter().position(|l| *l == length).unwrap()];
    let regions = codes.iter().map(|code| RegionRecord {
        code: Code::new(code).unwrap(),
        level: level(code.len()).to_owned(),
        name: format!("区{code}"),
        parent: None,
        claim: None,
        provenance: Provenance::default(),
    });
    BoundarySet { regions: regions.collect(), grids, ..BoundarySet::default() }
}
