//! The lookup as the program uses it: without allocation, and with the same answer by every way.

use crate::allocations;
use crate::coverage::{Coverage, Patch, Random};
use wangge::geom::LatticePoint;
use wangge::territory::partition::OwnerIx;
use wangge::territory::{Index, Located};

/// 900 jagged blocks, and places in them, between them and around them.
fn city() -> (Index, Vec<LatticePoint>) {
    let mut random = Random(11);
    let corner = LatticePoint::new(1_221_000_000, 300_000_000);
    let patch = Patch { corner, columns: 30, rows: 30, size: 23_000, jitter: 0.12, roughness: 1.0, edges: (10, 30) };
    let coverage = Coverage::of(&[patch], &mut random);
    let partition = coverage.partition(|cell| if cell % 11 == 0 { OwnerIx::OUTSIDE } else { OwnerIx(cell as u32) });
    let vertices = coverage.rings.iter().flatten().copied().step_by(7);
    let mut points: Vec<LatticePoint> = vertices.collect();
    points
        .extend((0..20_000).map(|_| {
            LatticePoint::new(corner.x + random.between(-20_000, 710_000), corner.y + random.between(-20_000, 710_000))
        }));
    (Index::build(&partition), points)
}

#[test]
fn a_lookup_allocates_nothing() {
    let (index, points) = city();
    let mut on_border = 0;
    let ((), count) = allocations::during(|| {
        for p in &points {
            on_border += usize::from(matches!(index.locate(*p), Located::Inside { on_border: true, .. }));
        }
    });
    assert_eq!(count, 0);
    assert!(on_border > 1_000);
    let mut found = vec![Located::Outside; points.len()];
    let ((), count) = allocations::during(|| index.locate_into(&points, &mut found));
    assert_eq!(count, 0);
}

#[test]
fn one_by_one_and_in_a_batch_the_answers_are_the_same() {
    let (index, points) = city();
    let found = index.locate_many(&points);
    assert!(points.iter().zip(&found).all(|(p, found)| index.locate(*p) == *found));
}
