//! Every answer of the index against the slow twin, on coverages made to be awkward.

use super::*;
use crate::territory::coverage::{Coverage, Patch, Random, arc, greatest_common_divisor, partition};

/// Random points in and around, vertices and their neighbours, points on edges, and points on and beside the walls of cells of
/// all sizes.
fn same_as_brute_force(name: &str, partition: &Partition, points: usize, seed: u64) {
    let index = Index::build(partition);
    let mut random = Random(seed);
    let edges: Vec<[LatticePoint; 2]> =
        partition.arcs().flat_map(|arc| arc.points.windows(2).map(|pair| [pair[0], pair[1]]).collect::<Vec<_>>()).collect();
    let bbox = partition.arcs().map(|arc| arc.bbox).reduce(crate::geom::LatticeBox::union).expect("there are arcs");
    let clamp = |v: i64, most: i64| v.clamp(-most, most) as i32;
    let point = |x: i64, y: i64| LatticePoint::new(clamp(x, 1_800_000_000), clamp(y, 900_000_000));
    let margin = 1 + (i64::from(bbox.max.x) - i64::from(bbox.min.x)) / 20;
    let mut asked = Vec::new();
    for _ in 0..points {
        let x = i64::from(random.between(bbox.min.x, bbox.max.x)) + i64::from(random.between(-1, 1)) * margin;
        asked.push(point(x, i64::from(random.between(bbox.min.y, bbox.max.y))));
    }
    for _ in 0..points / 4 {
        let [a, b] = random.one_of(&edges);
        asked.push(a);
        asked.push(point(i64::from(a.x) + i64::from(random.between(-1, 1)), i64::from(a.y) + i64::from(random.between(-1, 1))));
        // A lattice point on the edge, if it has any inside; otherwise close to it.
        let (dx, dy) = b.minus(a);
        let parts = greatest_common_divisor(dx.unsigned_abs(), dy.unsigned_abs()) as i64;
        let k = (random.bits() % (parts as u64 + 1)) as i64;
        asked.push(point(i64::from(a.x) + dx / parts * k, i64::from(a.y) + dy / parts * k));
        // The wall of some cell near the edge.
        let shift = random.between(0, 12);
        let wall = |v: i32, random: &mut Random| i64::from(v >> shift << shift) - i64::from(random.between(0, 1));
        let (x, y) = (wall(a.x, &mut random), wall(b.y, &mut random));
        asked.push(random.one_of(&[point(x, y), point(x, i64::from(a.y)), point(i64::from(b.x), y)]));
    }
    for p in &asked {
        let (found, expected) = (index.locate(*p), partition.locate_brute(*p));
        assert_eq!(found, expected, "{name}, seed {seed}: {p:?}");
    }
    assert_eq!(index.locate_many(&asked), asked.iter().map(|p| index.locate(*p)).collect::<Vec<_>>(), "{name}: batch");
}

fn square(x: i32, y: i32, size: i32) -> Vec<LatticePoint> {
    [(0, 0), (0, size), (size, size), (size, 0), (0, 0)].map(|(dx, dy)| LatticePoint::new(x + dx, y + dy)).to_vec()
}

/// Some cells join, some lie outside: nodes of degree 2, 3 and 4, multipart owners that touch themselves in a point, lakes.
fn shuffled(random: &mut Random, owners: i32) -> impl Fn(usize) -> OwnerIx {
    let table: Vec<OwnerIx> = (0..997)
        .map(|_| match random.between(0, 9) {
            0 => OwnerIx::OUTSIDE,
            _ => OwnerIx(random.between(0, owners) as u32),
        })
        .collect();
    move |cell| table[cell % table.len()]
}

const ZHOUSHAN: LatticePoint = LatticePoint::new(1_221_000_000, 300_000_000);

#[test]
fn jagged_coverages_of_all_sizes_answer_as_brute_force() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let size = random.one_of(&[400, 3_000, 20_000, 1_000_000]);
        let patch = Patch {
            corner: LatticePoint::new(ZHOUSHAN.x + random.between(0, 5_000), ZHOUSHAN.y + random.between(0, 5_000)),
            columns: random.between(1, 14) as usize,
            rows: random.between(1, 14) as usize,
            size,
            jitter: random.one_of(&[0.0, 0.1, 0.15]),
            roughness: random.one_of(&[0.3, 1.0]),
            edges: random.one_of(&[(1, 1), (3, 9), (10, 30)]),
        };
        let coverage = Coverage::of(&[patch], &mut random);
        let owners = random.one_of(&[1, 5, 200]);
        let partition = coverage.partition(shuffled(&mut random, owners));
        same_as_brute_force("jagged", &partition, 4_000, seed);
    }
}

#[test]
fn squares_on_the_walls_of_cells_answer_as_brute_force() {
    for (seed, size) in [1, 2, 8, 16, 37, 1 << 12].into_iter().enumerate() {
        let mut random = Random(100 + seed as u64);
        let patch = Patch {
            corner: LatticePoint::new(-5 * size, -3 * size),
            columns: 12,
            rows: 9,
            size,
            jitter: 0.0,
            roughness: 0.0,
            edges: (1, 4),
        };
        let coverage = Coverage::of(&[patch], &mut random);
        same_as_brute_force("squares", &coverage.partition(shuffled(&mut random, 30)), 4_000, seed as u64);
    }
}

#[test]
fn slanted_borders_full_of_lattice_points_answer_as_brute_force() {
    // An image of the square lattice under an integer matrix: every border holds lattice points, many on walls of cells.
    for (seed, [a, b, c, d]) in
        [[40, 8, -16, 32], [7, 3, -3, 7], [64, 64, -64, 64], [1000, 1, -1, 1000], [12, 0, 5, 9]].into_iter().enumerate()
    {
        let mut random = Random(200 + seed as u64);
        let patch =
            Patch { corner: LatticePoint::new(0, 0), columns: 10, rows: 10, size: 1, jitter: 0.0, roughness: 0.0, edges: (1, 1) };
        let mut coverage = Coverage::of(&[patch], &mut random);
        for (line, ..) in &mut coverage.borders {
            for p in line.iter_mut() {
                *p = LatticePoint::new(a * p.x + c * p.y, b * p.x + d * p.y);
            }
        }
        same_as_brute_force("slanted", &coverage.partition(shuffled(&mut random, 40)), 6_000, seed as u64);
    }
}

#[test]
fn islands_enclaves_and_points_of_touch_answer_as_brute_force() {
    let (x, y) = (ZHOUSHAN.x, ZHOUSHAN.y);
    let owner = OwnerIx;
    // Clockwise squares: the inside is on the right hand.
    let arcs = vec![
        arc(square(x, y, 1000), OwnerIx::OUTSIDE, owner(7)),
        arc(square(x + 100, y + 100, 200), owner(7), owner(3)),
        arc(square(x + 150, y + 150, 50), owner(3), OwnerIx::OUTSIDE),
        arc(square(x + 160, y + 160, 8), OwnerIx::OUTSIDE, owner(7)),
        // Touches the enclave in its corner, from outside it.
        arc(square(x + 300, y + 300, 64), owner(7), owner(1)),
        // Touches the first in its corner.
        arc(square(x + 1000, y + 1000, 4000), OwnerIx::OUTSIDE, owner(2)),
        arc(square(x - 200_000, y + 90_000, 1), OwnerIx::OUTSIDE, owner(0)),
    ];
    same_as_brute_force("islands", &partition(arcs), 20_000, 1);
}

#[test]
fn a_node_of_sixty_grids_belongs_to_the_least() {
    let centre = ZHOUSHAN;
    let spoke = |k: usize| {
        let turn = std::f64::consts::TAU * k as f64 / 60.0;
        LatticePoint::new(centre.x + (30_000.0 * turn.cos()) as i32, centre.y + (30_000.0 * turn.sin()) as i32)
    };
    let owner = |k: usize| OwnerIx(((k * 37 + 5) % 60) as u32);
    let mut arcs = Vec::new();
    for k in 0..60 {
        arcs.push(arc(vec![centre, spoke(k)], owner(k), owner((k + 59) % 60)));
        arcs.push(arc(vec![spoke(k), spoke((k + 1) % 60)], owner(k), OwnerIx::OUTSIDE));
    }
    let partition = partition(arcs);
    assert_eq!(Index::build(&partition).locate(centre), Located::Inside { owner: OwnerIx(0), on_border: true });
    same_as_brute_force("star", &partition, 8_000, 1);
}

#[test]
fn owners_whose_numbers_are_far_apart_answer_as_brute_force() {
    let mut random = Random(6);
    let patch = Patch { corner: ZHOUSHAN, columns: 12, rows: 12, size: 23_000, jitter: 0.12, roughness: 1.0, edges: (10, 30) };
    let partition = Coverage::of(&[patch], &mut random).partition(|cell| OwnerIx(cell as u32 * 1_000_000));
    same_as_brute_force("far apart", &partition, 4_000, 1);
}

#[test]
fn a_partition_of_the_whole_globe_answers_as_brute_force() {
    let (west, south) = (-1_800_000_000, -900_000_000);
    let halves = vec![
        arc(vec![LatticePoint::new(0, -south), LatticePoint::new(0, south)], OwnerIx(1), OwnerIx(0)),
        arc(
            [(0, south), (west, south), (west, -south), (0, -south)].map(|(x, y)| LatticePoint::new(x, y)).to_vec(),
            OwnerIx::OUTSIDE,
            OwnerIx(0),
        ),
        arc(
            [(0, south), (-west, south), (-west, -south), (0, -south)].map(|(x, y)| LatticePoint::new(x, y)).to_vec(),
            OwnerIx(1),
            OwnerIx::OUTSIDE,
        ),
    ];
    same_as_brute_force("halves", &partition(halves), 4_000, 1);
    let mut random = Random(5);
    let zones = Patch {
        corner: LatticePoint::new(-1_200_000_000, -550_000_000),
        columns: 12,
        rows: 6,
        size: 170_000_000,
        jitter: 0.1,
        roughness: 1.0,
        edges: (1, 9),
    };
    let partition = Coverage::of(&[zones], &mut random).partition(|cell| OwnerIx(cell as u32));
    assert!(Index::build(&partition).wide);
    same_as_brute_force("zones", &partition, 6_000, 2);
}

#[test]
fn a_very_uneven_city_answers_as_brute_force_and_stays_small() {
    let mut random = Random(9);
    let patch = |x: i32, y: i32, columns: usize, size: i32| Patch {
        corner: LatticePoint::new(ZHOUSHAN.x + x, ZHOUSHAN.y + y),
        columns,
        rows: columns,
        size,
        jitter: 0.1,
        roughness: 1.0,
        edges: (4, 12),
    };
    let patches = [
        patch(0, 0, 20, 3_000),
        patch(10_000_000, -8_000_000, 3, 400_000),
        patch(-9_000_000, 9_000_000, 4, 60),
        patch(5_000_000, 5_000_000, 2, 1_000_000),
    ];
    let coverage = Coverage::of(&patches, &mut random);
    let partition = coverage.partition(|cell| OwnerIx(cell as u32));
    same_as_brute_force("uneven", &partition, 4_000, 3);
    // Points asked for uniformly lie in the sea; ask where grids are, too.
    let index = Index::build(&partition);
    for _ in 0..8_000 {
        let ring = &coverage.rings[random.between(0, coverage.rings.len() as i32 - 1) as usize];
        let b = crate::geom::LatticeBox::around(ring.iter().copied()).expect("a ring has points");
        let p = LatticePoint::new(random.between(b.min.x, b.max.x), random.between(b.min.y, b.max.y));
        assert_eq!(index.locate(p), partition.locate_brute(p), "{p:?}");
    }
    let rings: usize = coverage.rings.iter().map(|ring| 16 * ring.len()).sum();
    assert!(index.heap_bytes() < 2 * rings, "{} for rings of {rings} bytes", index.heap_bytes());
}

#[test]
fn nothing_is_outside() {
    let index = Index::build(&Partition::default());
    assert_eq!(index.locate(LatticePoint::new(0, 0)), Located::Outside);
    assert_eq!(index.locate_many(&[LatticePoint::new(0, 0); 3]), vec![Located::Outside; 3]);
}
