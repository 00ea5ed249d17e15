//! Seeded gap-free coverages, for the benches and for the tests of the index: rectangular patches of cells with jagged shared
//! borders. The crate root that includes this file has `geom` and `territory` in scope.

#![allow(dead_code, reason = "each of those who include this file uses a part of it")]

use crate::geom::{LatticeBox, LatticePoint};
use crate::territory::partition::{Arc, BLOCK, OwnerIx, Partition};

/// A small seeded generator of numbers (SplitMix64).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In `from..=to`.
    pub(crate) fn between(&mut self, from: i32, to: i32) -> i32 {
        (i64::from(from) + (self.bits() % (i64::from(to) - i64::from(from) + 1) as u64) as i64) as i32
    }

    /// An element.
    pub(crate) fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[(self.bits() % list.len() as u64) as usize]
    }
}

/// `columns × rows` cells of about `size` units.
#[derive(Clone, Copy)]
pub(crate) struct Patch {
    /// South-western node before it is moved.
    pub(crate) corner: LatticePoint,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) size: i32,
    /// How far nodes are moved, as a part of `size`: 0 to 0.15.
    pub(crate) jitter: f64,
    /// How far borders leave the straight line: 0 to 1.
    pub(crate) roughness: f64,
    /// Least and most edges of a border between two nodes.
    pub(crate) edges: (i32, i32),
}

/// Patches laid out, cells numbered patch by patch and row by row.
#[derive(Default)]
pub(crate) struct Coverage {
    /// Each with the cell on its left and on its right hand.
    pub(crate) borders: Vec<(Vec<LatticePoint>, Option<usize>, Option<usize>)>,
    /// One ring for each cell, counter-clockwise, not closed.
    pub(crate) rings: Vec<Vec<LatticePoint>>,
}

impl Coverage {
    pub(crate) fn of(patches: &[Patch], random: &mut Random) -> Self {
        let mut coverage = Self::default();
        for patch in patches {
            coverage.add(patch, random);
        }
        coverage
    }

    fn add(&mut self, patch: &Patch, random: &mut Random) {
        let (columns, rows) = (patch.columns, patch.rows);
        let first = self.rings.len();
        let cell = |column: usize, row: usize| (column < columns && row < rows).then(|| first + row * columns + column);
        let reach = (patch.jitter * f64::from(patch.size)) as i32;
        let node: Vec<LatticePoint> = (0..(columns + 1) * (rows + 1))
            .map(|at| {
                let (column, row) = ((at % (columns + 1)) as i32, (at / (columns + 1)) as i32);
                LatticePoint::new(
                    patch.corner.x + (column * patch.size + random.between(-reach, reach)),
                    patch.corner.y + row * patch.size + random.between(-reach, reach),
                )
            })
            .collect();
        let node = |column: usize, row: usize| node[row * (columns + 1) + column];
        let mut border = |a: LatticePoint, b: LatticePoint| jagged(a, b, patch, random);
        let east: Vec<Vec<LatticePoint>> = (0..columns * (rows + 1))
            .map(|at| border(node(at % columns, at / columns), node(at % columns + 1, at / columns)))
            .collect();
        let north: Vec<Vec<LatticePoint>> = (0..(columns + 1) * rows)
            .map(|at| border(node(at % (columns + 1), at / (columns + 1)), node(at % (columns + 1), at / (columns + 1) + 1)))
            .collect();
        for row in 0..rows {
            for column in 0..columns {
                let along = |line: &[LatticePoint]| line[..line.len() - 1].to_vec();
                let against = |line: &[LatticePoint]| line[1..].iter().rev().copied().collect::<Vec<_>>();
                self.rings.push(
                    [
                        along(&east[row * columns + column]),
                        along(&north[row * (columns + 1) + column + 1]),
                        against(&east[(row + 1) * columns + column]),
                        against(&north[row * (columns + 1) + column]),
                    ]
                    .concat(),
                );
            }
        }
        for (at, line) in east.into_iter().enumerate() {
            let (column, row) = (at % columns, at / columns);
            self.borders.push((line, cell(column, row), row.checked_sub(1).and_then(|row| cell(column, row))));
        }
        for (at, line) in north.into_iter().enumerate() {
            let (column, row) = (at % (columns + 1), at / (columns + 1));
            self.borders.push((line, column.checked_sub(1).and_then(|column| cell(column, row)), cell(column, row)));
        }
    }

    /// A vertex, a lattice point on a border, or the lattice point nearest to a place on a border.
    pub(crate) fn on_border(&self, random: &mut Random) -> LatticePoint {
        let ring = &self.rings[random.between(0, self.rings.len() as i32 - 1) as usize];
        let at = random.between(0, ring.len() as i32 - 1) as usize;
        let (a, (dx, dy)) = (ring[at], ring[(at + 1) % ring.len()].minus(ring[at]));
        let off = |dx: i64, dy: i64| LatticePoint::new((i64::from(a.x) + dx) as i32, (i64::from(a.y) + dy) as i32);
        match random.between(0, 2) {
            0 => a,
            1 => {
                let parts = greatest_common_divisor(dx.unsigned_abs(), dy.unsigned_abs()) as i64;
                let k = (random.bits() % (parts as u64 + 1)) as i64;
                off(dx / parts * k, dy / parts * k)
            }
            _ => {
                let t = random.unit();
                off((dx as f64 * t).round_ties_even() as i64, (dy as f64 * t).round_ties_even() as i64)
            }
        }
    }

    /// The partition in which every cell belongs to the owner that `owner` names. Borders within one owner vanish.
    pub(crate) fn partition(&self, owner: impl Fn(usize) -> OwnerIx) -> Partition {
        let owner = |cell: Option<usize>| cell.map_or(OwnerIx::OUTSIDE, &owner);
        let arcs = self.borders.iter().map(|(line, left, right)| arc(line.clone(), owner(*left), owner(*right)));
        partition(arcs.filter(|arc| arc.left != arc.right).collect())
    }
}

pub(crate) fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Arcs in blocks. Owners are not looked at by the index, so there are none.
pub(crate) fn partition(arcs: Vec<Arc>) -> Partition {
    let blocks = arcs.chunks(BLOCK).map(|arcs| std::sync::Arc::new(arcs.to_vec())).collect();
    Partition { owners: Vec::new(), blocks }
}

/// An arc in canonical direction.
pub(crate) fn arc(mut points: Vec<LatticePoint>, mut left: OwnerIx, mut right: OwnerIx) -> Arc {
    if points.iter().rev().lt(points.iter()) {
        points.reverse();
        std::mem::swap(&mut left, &mut right);
    }
    let bbox = LatticeBox::around(points.iter().copied()).expect("an arc has points");
    Arc { points: points.into(), left, right, bbox }
}

/// A line from `a` to `b` that stays within 17° of the straight one as seen from both ends, so that lines which meet at right
/// angles, give or take the jitter, do not cross; along the straight line it only goes forward, so it does not cross itself.
fn jagged(a: LatticePoint, b: LatticePoint, patch: &Patch, random: &mut Random) -> Vec<LatticePoint> {
    let edges = random.between(patch.edges.0, patch.edges.1);
    let (dx, dy) = b.minus(a);
    let (dx, dy) = (dx as f64, dy as f64);
    // Noise in octaves, linear in between.
    let octaves: Vec<Vec<f64>> = (1..=4).map(|k| (0..=1 << k).map(|_| random.unit() * 2.0 - 1.0).collect()).collect();
    let noise = |t: f64| {
        let mut sum = 0.0;
        for values in &octaves {
            let place = t * (values.len() - 1) as f64;
            let at = (place as usize).min(values.len() - 2);
            sum += (values[at] + (values[at + 1] - values[at]) * (place - at as f64)) / values.len() as f64;
        }
        sum
    };
    let mut line = vec![a];
    for k in 1..edges {
        let t = f64::from(k) / f64::from(edges);
        let most = 0.3 * t.min(1.0 - t);
        let off = patch.roughness * noise(t).clamp(-most, most);
        let (x, y) = (f64::from(a.x) + t * dx - off * dy, f64::from(a.y) + t * dy + off * dx);
        let p = LatticePoint::new(x.round_ties_even() as i32, y.round_ties_even() as i32);
        if line.last() != Some(&p) && p != b {
            line.push(p);
        }
    }
    line.push(b);
    line
}
