//! Point → grid: our index beside the usual Rust way (rstar boxes, then geo `contains`), interleaved, on the same points.
//!
//! `cargo bench --no-default-features --bench locate [-- 20000 … | answers]`. The sizes are numbers of grids. `answers` only
//! compares: with brute force on two cities, and with GEOS on the communes of a country when that data is there.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "a bench prints its figures")]

mod brute;
mod communes;
mod coverage;
mod harness;

use wangge::{geom, territory};

use brute::Brute;
use coverage::{Coverage, Patch, Random};
use geo::Contains as _;
use geom::{LatticeBox, LatticePoint};
use harness::{ROUNDS, bytes, median, mix, seconds};
use rayon::prelude::*;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use territory::partition::OwnerIx;
use territory::{Index, Located, Territory};
use wangge::domain::id::Epoch;
use wangge::territory::mend::mend;

#[global_allocator]
static ALLOCATOR: harness::Counted = harness::Counted;

const POINTS: usize = 1_000_000;
/// The twin is slow; its checksum is compared over these.
const TWIN_POINTS: usize = 200_000;
/// Points timed together; the figure is the median over all chunks of all rounds, so that what else runs on the machine matters
/// little.
const CHUNK: usize = 5_000;
const ZHOUSHAN: LatticePoint = LatticePoint::new(1_221_000_000, 296_000_000);

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let only_answers = std::env::args().any(|word| word == "answers");
    if only_answers || asked.is_empty() {
        println!("| answers | asked | on a border | mismatches | checksum |");
        println!("| --- | --- | --- | --- | --- |");
        for (name, patches) in [("even city", even(20_000)), ("uneven city", uneven(20_000))] {
            compare_with_brute_force(name, &patches);
        }
        compare_with_geos();
        println!();
    }
    if only_answers {
        return;
    }
    let sizes = if asked.is_empty() { vec![2_400, 20_000, 200_000] } else { asked };
    println!(
        "| city | grids | vertices | ours ns | batch ns | all cores ns | rstar + geo ns | × | index MB | ÷ rings | build s | peak ÷ index | checksum |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for grids in sizes {
        run("even", &even(grids));
        run("uneven", &uneven(grids));
    }
}

/// Blocks of about 250 m, 40 to 120 vertices each.
fn even(grids: usize) -> Vec<Patch> {
    let rows = (grids as f64).sqrt() as usize;
    vec![patch(0, 0, grids.div_ceil(rows), rows, 23_000)]
}

/// Half of the grids in a core of 30 m blocks, the others in towns, villages and sea islands scattered over 200 km.
fn uneven(grids: usize) -> Vec<Patch> {
    let core = ((grids / 2) as f64).sqrt() as usize;
    let mut patches = vec![patch(9_000_000, 9_000_000, core, core, 2_800)];
    let mut left = grids - core * core;
    let mut random = Random(7);
    // One patch in each of 36 fields of 30 km.
    for field in 0..36usize {
        let side = ((left / (36 - field)) as f64).sqrt() as usize;
        let size = random.one_of(&[3_000, 10_000, 30_000, 60_000]).min(2_000_000 / side.max(1) as i32);
        let (x, y) = ((field % 6) as i32 * 3_000_000, (field / 6) as i32 * 3_000_000);
        // The field under the core stays free.
        let shift = if (6_000_000..12_000_000).contains(&x) && (6_000_000..12_000_000).contains(&y) { 20_000_000 } else { 0 };
        patches.push(patch(x + shift + random.between(0, 500_000), y + random.between(0, 500_000), side, side, size));
        left -= side * side;
    }
    patches
}

fn patch(x: i32, y: i32, columns: usize, rows: usize, size: i32) -> Patch {
    let corner = LatticePoint::new(ZHOUSHAN.x + x, ZHOUSHAN.y + y);
    Patch { corner, columns, rows, size, jitter: 0.12, roughness: 1.0, edges: (10, 30) }
}

fn run(name: &str, patches: &[Patch]) {
    let mut random = Random(1);
    let coverage = Coverage::of(patches, &mut random);
    let partition = coverage.partition(|cell| OwnerIx(cell as u32));
    let vertices: usize = coverage.rings.iter().map(Vec::len).sum();
    let (build_s, (index, held, peak)) = seconds(|| bytes(|| Index::build(&partition)));
    let boxes: Vec<LatticeBox> = coverage.rings.iter().map(|ring| LatticeBox::around(ring.iter().copied()).unwrap()).collect();
    let twin = Twin::of(&coverage, &boxes);
    let points: Vec<LatticePoint> = (0..POINTS)
        .map(|_| {
            let b = boxes[random.between(0, boxes.len() as i32 - 1) as usize];
            LatticePoint::new(random.between(b.min.x, b.max.x), random.between(b.min.y, b.max.y))
        })
        .collect();

    let (mut single, mut batch, mut all, mut theirs) = (vec![], vec![], vec![], vec![]);
    let (mut ours_sum, mut batch_sum, mut twin_sum) = (0, 0, 0);
    let mut found = vec![Located::Outside; POINTS];
    for _ in 0..ROUNDS {
        ours_sum = timed(&points, &mut single, |sum, p| mix(sum, word(index.locate(p))));
        for (points, found) in points.chunks(CHUNK).zip(found.chunks_mut(CHUNK)) {
            let (s, ()) = seconds(|| index.locate_into(points, found));
            batch.push(s / CHUNK as f64 * 1e9);
        }
        batch_sum = found.iter().fold(0, |sum, found| mix(sum, word(*found)));
        let (s, found) = seconds(|| index.locate_many(&points));
        all.push(s / POINTS as f64 * 1e9);
        assert_eq!(batch_sum, found.iter().fold(0, |sum, found| mix(sum, word(*found))));
        twin_sum = timed(&points[..TWIN_POINTS], &mut theirs, |sum, p| mix(sum, twin.locate(p)));
    }
    // The twin says nothing about points on borders: there its own answer is taken for both.
    let same = points[..TWIN_POINTS].iter().fold(0, |sum, p| match index.locate(*p) {
        Located::Inside { on_border: true, .. } => mix(sum, twin.locate(*p)),
        found => mix(sum, word(found)),
    });
    assert_eq!(same, twin_sum, "the twins differ");
    assert_eq!(ours_sum, batch_sum, "batch and single lookups differ");
    let (single, batch, all, theirs) = (median(single), median(batch), median(all), median(theirs));
    println!(
        "| {name} | {} | {vertices} | {single:.1} | {batch:.1} | {all:.1} | {theirs:.0} | {:.1} | {:.1} | {:.2} | {build_s:.2} | {:.2} | {same:016x} |",
        coverage.rings.len(),
        theirs / single,
        held as f64 / 1e6,
        held as f64 / (16 * vertices) as f64,
        peak as f64 / held as f64,
    );
}

/// Ten million random points and a million on and beside borders: the index against the exact twin, which must agree on the owner
/// and on whether the point lies on a border.
fn compare_with_brute_force(name: &str, patches: &[Patch]) {
    let mut random = Random(3);
    let coverage = Coverage::of(patches, &mut random);
    let index = Index::build(&coverage.partition(|cell| OwnerIx(cell as u32)));
    let brute = Brute::of(coverage.rings.iter().map(|ring| vec![ring.clone()]).collect());
    let boxes: Vec<LatticeBox> = coverage.rings.iter().map(|ring| LatticeBox::around(ring.iter().copied()).unwrap()).collect();
    let mut anywhere = random.clone();
    let anywhere = std::iter::repeat_with(|| {
        let b = anywhere.one_of(&boxes);
        LatticePoint::new(anywhere.between(b.min.x, b.max.x), anywhere.between(b.min.y, b.max.y))
    });
    let on_borders = std::iter::repeat_with(|| coverage.on_border(&mut random));
    let (anywhere, on_borders): (Vec<_>, Vec<_>) = (anywhere.take(10_000_000).collect(), on_borders.take(1_000_000).collect());
    for (what, points) in [("random points", anywhere), ("points on borders", on_borders)] {
        let answer = |found: Located| match found {
            Located::Inside { owner, on_border } => owner.at().map(|at| (at, on_border)),
            Located::Outside => None,
        };
        let found: Vec<Option<(usize, bool)>> = points.iter().map(|p| answer(index.locate(*p))).collect();
        let differs = |(p, found): (&LatticePoint, &Option<(usize, bool)>)| brute.least(*p) != *found;
        let mismatches = points.par_iter().zip(&found).filter(|pair| differs(*pair)).count();
        let on_border = found.iter().flatten().filter(|(_, on_border)| *on_border).count();
        let sum = found.iter().fold(0, |sum, found| mix(sum, found.map_or(u64::MAX, |(at, on)| 2 * at as u64 + u64::from(on))));
        println!("| {name}, brute force, {what} | {} | {on_border} | {mismatches} | {sum:016x} |", points.len());
        assert_eq!(mismatches, 0);
    }
}

/// A million points and a million vertices of the communes of a country: the checksum (64-bit FNV-1a over the answers, as in
/// tests/fixtures/README.md) is that of GEOS' answers. GEOS was asked about the rings as they were given; where mending gave a
/// ring a vertex the answer of those rings is put in, and counted.
fn compare_with_geos() {
    let Some(path) = communes::shared("data/fr_communes/fr_communes.geojson.gz") else { return };
    let text = String::from_utf8(communes::unpacked(&path)).unwrap();
    let features = communes::features(&text, "code");
    let vertices = communes::vertices(&features);
    let given = communes::communes_of(features);
    let mended = mend(given.clone(), &communes::as_asked()).unwrap();
    let territory = Territory::build(Epoch(1), &mended.boundaries).unwrap();
    let (ranks, brute) = (communes::Ranks::of(&territory), communes::brute(&given));
    let places = communes::mended_places(&given, &mended.boundaries);
    let points: Vec<LatticePoint> = communes::oracle_points().take(1_000_000).collect();
    let corners: Vec<LatticePoint> = communes::oracle_vertices(&vertices).take(1_000_000).collect();
    for (what, points, expected) in
        [("random points", points, 0x15bf_7fcd_ec48_079d_u64), ("vertices", corners, 0xeaca_1a3f_7e7d_3336)]
    {
        let (mut on_border, mut put_in, mut sum) = (0, 0, 0xcbf2_9ce4_8422_2325_u64);
        for p in &points {
            let found = territory.locate(*p);
            on_border += usize::from(matches!(found, Located::Inside { on_border: true, .. }));
            let mut answer = ranks.answer(found);
            if places.contains(p) {
                let given = communes::rank(brute.least(*p));
                put_in += usize::from(given != answer);
                answer = given;
            }
            sum = answer.to_le_bytes().iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        }
        let verdict = if sum == expected { "0" } else { "some" };
        println!(
            "| communes, GEOS, {what} ({put_in} answered as given) | {} | {on_border} | {verdict} | {sum:016x} |",
            points.len()
        );
        assert_eq!(sum, expected);
    }
}

/// Folds the points with `step` and notes the nanoseconds a point of every chunk.
fn timed(points: &[LatticePoint], figures: &mut Vec<f64>, step: impl Fn(u64, LatticePoint) -> u64) -> u64 {
    points.chunks(CHUNK).fold(0, |sum, chunk| {
        let (s, sum) = seconds(|| chunk.iter().fold(sum, |sum, p| step(sum, *p)));
        figures.push(s / chunk.len() as f64 * 1e9);
        sum
    })
}

fn word(found: Located) -> u64 {
    match found {
        Located::Inside { owner, .. } => u64::from(owner.0),
        Located::Outside => u64::MAX,
    }
}

/// Boxes in an R-tree, then geo's exact `contains`.
struct Twin {
    boxes: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
    polygons: Vec<geo::Polygon>,
}

impl Twin {
    fn of(coverage: &Coverage, boxes: &[LatticeBox]) -> Self {
        let corner = |p: LatticePoint| [f64::from(p.x), f64::from(p.y)];
        let item = |(at, b): (usize, &LatticeBox)| GeomWithData::new(Rectangle::from_corners(corner(b.min), corner(b.max)), at);
        let polygon = |ring: &Vec<LatticePoint>| {
            let line: Vec<(f64, f64)> = ring.iter().map(|p| (f64::from(p.x), f64::from(p.y))).collect();
            geo::Polygon::new(line.into(), vec![])
        };
        Self {
            boxes: RTree::bulk_load(boxes.iter().enumerate().map(item).collect()),
            polygons: coverage.rings.iter().map(polygon).collect(),
        }
    }

    fn locate(&self, p: LatticePoint) -> u64 {
        let (x, y) = (f64::from(p.x), f64::from(p.y));
        let point = geo::Point::new(x, y);
        let mut candidates = self.boxes.locate_in_envelope_intersecting(AABB::from_point([x, y]));
        candidates.find(|candidate| self.polygons[candidate.data].contains(&point)).map_or(u64::MAX, |found| found.data as u64)
    }
}
