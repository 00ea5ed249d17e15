//! The lookup as the program uses it: without allocation, with the same answer by every way, and with the answers of GEOS.

use crate::allocations;
use crate::brute::Brute;
use crate::communes::{
    Ranks, as_asked, brute, communes_of, features, mended_places, oracle_points, oracle_vertices, rank, vertices,
};
use crate::coverage::{Coverage, Patch, Random};
use crate::coverages::{country, fixture};
use flate2::read::GzDecoder;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::Read as _;
use wangge::domain::id::Epoch;
use wangge::geom::{LatticeBox, LatticePoint};
use wangge::territory::Territory;
use wangge::territory::mend::mend;
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

#[test]
fn a_hundred_thousand_points_and_as_many_on_borders_are_answered_as_brute_force_answers() {
    let mut random = Random(12);
    let corner = LatticePoint::new(1_221_000_000, 300_000_000);
    let patch = |x: i32, columns: usize, size: i32| Patch {
        corner: LatticePoint::new(corner.x + x, corner.y),
        columns,
        rows: columns,
        size,
        jitter: 0.12,
        roughness: 1.0,
        edges: (10, 30),
    };
    // Blocks of 250 m, of 30 m, and of 2 m, where a border is full of lattice points.
    let coverage = Coverage::of(&[patch(0, 20, 23_000), patch(600_000, 10, 2_800), patch(700_000, 12, 200)], &mut random);
    let index = Index::build(&coverage.partition(|cell| OwnerIx(cell as u32)));
    let brute = Brute::of(coverage.rings.iter().map(|ring| vec![ring.clone()]).collect());
    let anywhere = |random: &mut Random| {
        let ring = &coverage.rings[random.between(0, coverage.rings.len() as i32 - 1) as usize];
        let b = LatticeBox::around(ring.iter().copied()).unwrap();
        LatticePoint::new(random.between(b.min.x - 20, b.max.x + 20), random.between(b.min.y - 20, b.max.y + 20))
    };
    let mut on_border = 0;
    for k in 0..200_000 {
        let p = if k % 2 == 0 { anywhere(&mut random) } else { coverage.on_border(&mut random) };
        let found = match index.locate(p) {
            Located::Inside { owner, on_border } => owner.at().map(|at| (at, on_border)),
            Located::Outside => None,
        };
        assert_eq!(found, brute.least(p), "{p:?}");
        on_border += usize::from(found.is_some_and(|(_, on)| on));
    }
    assert!(on_border > 60_000, "{on_border}");
}

#[test]
fn fifty_communes_answer_as_their_rings_do() {
    let features = features(&fixture("fr_communes/communes_50.geojson"), "code");
    let vertices = vertices(&features);
    let b = LatticeBox::around(vertices.iter().copied()).unwrap();
    let given = communes_of(features);
    let brute = brute(&given);
    let territory = Territory::build(Epoch(1), &mend(given, &as_asked()).unwrap().boundaries).unwrap();
    let ranks = Ranks::of(&territory);
    let mut random = Random(13);
    let anywhere =
        std::iter::repeat_with(|| LatticePoint::new(random.between(b.min.x, b.max.x), random.between(b.min.y, b.max.y)));
    for p in anywhere.take(20_000).chain(vertices) {
        assert_eq!(ranks.answer(territory.locate(p)), rank(brute.least(p)), "{p:?}");
    }
}

/// What GEOS says of the whole country; see tests/fixtures/README.md. Without the data the fifty communes above stand for it.
#[test]
fn the_communes_of_a_country_answer_as_geos_does() {
    let Some(country) = country() else { return fifty_communes_answer_as_their_rings_do() };
    assert_eq!(country.vertices.len(), 2_163_327);
    let mut answers = Vec::new();
    let file = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/fr_communes/oracle.u16.gz")).unwrap();
    GzDecoder::new(file).read_to_end(&mut answers).unwrap();
    let answers: Vec<u16> = answers.as_chunks::<2>().0.iter().map(|two| u16::from_le_bytes(*two)).collect();
    assert_eq!(answers.len(), 200_000);
    let ranks = Ranks::of(&country.territory);
    let points = oracle_points().take(100_000).chain(oracle_vertices(&country.vertices).take(100_000));
    let differ = |(p, expected): (LatticePoint, &u16)| {
        let found = ranks.answer(country.territory.locate(p));
        (found != *expected).then_some((p, found, *expected))
    };
    let differing: Vec<(LatticePoint, u16, u16)> = points.zip(&answers).filter_map(differ).collect();
    assert_eq!(differing, []);

    // Every vertex of the file against the rings as they were before mending. One differs: a corner of 76467 that lies a quarter of a
    // unit (3 mm) off the border of 76375, with a spike of 76646 in between, is on that border once the spike is removed.
    let (places, brute) = (mended_places(&country.given, &country.mended.boundaries), brute(&country.given));
    let differ = |p: &LatticePoint| {
        let (found, expected) = (ranks.answer(country.territory.locate(*p)), rank(brute.least(*p)));
        (found != expected).then_some((*p, found, expected))
    };
    let differing: BTreeSet<(LatticePoint, u16, u16)> = country.vertices.par_iter().filter_map(differ).collect();
    let corner = LatticePoint::new(6_821_800, 498_242_900);
    let rank_of = |code: &str| country.territory.grids.iter().filter(|grid| grid.code.as_str() < code).count() as u16;
    assert_eq!(differing, BTreeSet::from([(corner, rank_of("76375"), rank_of("76467"))]));
    assert!(places.contains(&corner));
}
