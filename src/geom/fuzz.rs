//! Random coverages for tests, and the brute-force judges of what is made from them.

use super::mercator::{MercatorPoint, Pixel};
use std::collections::BTreeMap;

/// Random numbers from a seed (SplitMix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound.max(1))) as u32
    }
}

/// A crooked mesh of quadrangles, each owned by someone, and the lines between owners: islands, enclaves, several lines between the
/// same two nodes, touching corners.
pub(crate) struct Mesh {
    /// From node to node, or closed.
    pub(crate) lines: Vec<Vec<MercatorPoint>>,
    /// Left and right of each line where `y` grows up; `None` is outside. (On the map, where `y` grows south, the other way round.)
    pub(crate) sides: Vec<[Option<u32>; 2]>,
}

impl Mesh {
    pub(crate) fn random(numbers: &mut Numbers) -> Self {
        let (width, height) = (3 + numbers.below(14) as usize, 3 + numbers.below(14) as usize);
        let owners = 1 + numbers.below(8);
        let mut cells: Vec<Option<u32>> = vec![None; width * height];
        // Blobs grown over each other; some land stays outside.
        for owner in 0..owners {
            let (mut x, mut y) = (numbers.below(width as u32) as usize, numbers.below(height as u32) as usize);
            for _ in 0..numbers.below((width * height) as u32) {
                cells[y * width + x] = Some(owner);
                match numbers.below(4) {
                    0 => x = (x + 1).min(width - 1),
                    1 => x = x.saturating_sub(1),
                    2 => y = (y + 1).min(height - 1),
                    _ => y = y.saturating_sub(1),
                }
            }
        }
        let step = [1_i64 << 8, 1 << 11, 1 << 13][numbers.below(3) as usize];
        let (squeeze, shear) = ([1, 1, 16, 64][numbers.below(4) as usize], i64::from(numbers.below(3)));
        let offset = (i64::from(numbers.below(1 << 20)) - (1 << 19), i64::from(numbers.below(1 << 20)) - (1 << 19));
        let points: Vec<MercatorPoint> = (0..=height)
            .flat_map(|j| (0..=width).map(move |i| (i as i64, j as i64)))
            .map(|(i, j)| {
                let mut jitter = || i64::from(numbers.below((step / 2) as u32)) - step / 4;
                let (x, y) = (i * step + jitter(), j * step + jitter());
                // Affine with whole coefficients: still a mesh.
                MercatorPoint::new((x + shear * y + offset.0) as i32, (y / squeeze.min(step / 64) + offset.1) as i32)
            })
            .collect();
        let points =
            if squeeze > 1 { straightened(points, width, height, step, squeeze.min(step / 64), shear, offset) } else { points };
        Self::of_cells(&cells, width, height, &points)
    }

    /// The lines between cells of different owners.
    fn of_cells(cells: &[Option<u32>], width: usize, height: usize, points: &[MercatorPoint]) -> Self {
        let cell = |i: isize, j: isize| {
            let inside = i >= 0 && j >= 0 && (i as usize) < width && (j as usize) < height;
            inside.then(|| cells[j as usize * width + i as usize]).flatten()
        };
        let vertex = |i: usize, j: usize| j * (width + 1) + i;
        // Directed edges with their left and right owner (y up: cell above a rightward edge is on its left).
        let mut edges: Vec<(usize, usize, [Option<u32>; 2])> = vec![];
        for j in 0..=height {
            for i in 0..=width {
                if i < width {
                    edges.push((
                        vertex(i, j),
                        vertex(i + 1, j),
                        [cell(i as isize, j as isize), cell(i as isize, j as isize - 1)],
                    ));
                }
                if j < height {
                    edges.push((
                        vertex(i, j),
                        vertex(i, j + 1),
                        [cell(i as isize - 1, j as isize), cell(i as isize, j as isize)],
                    ));
                }
            }
        }
        edges.retain(|(_, _, [left, right])| left != right);
        let mut at_vertex: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (edge, (from, to, _)) in edges.iter().enumerate() {
            at_vertex.entry(*from).or_default().push(edge);
            at_vertex.entry(*to).or_default().push(edge);
        }
        let mut used = vec![false; edges.len()];
        let (mut lines, mut sides) = (vec![], vec![]);
        let mut walk = |start: usize, first: usize, used: &mut Vec<bool>| {
            let (mut at, mut edge) = (start, first);
            let mut line = vec![points[start]];
            let side = if edges[first].0 == start { edges[first].2 } else { [edges[first].2[1], edges[first].2[0]] };
            loop {
                used[edge] = true;
                at = if edges[edge].0 == at { edges[edge].1 } else { edges[edge].0 };
                line.push(points[at]);
                match at_vertex[&at].as_slice() {
                    [one, other] if at != start => edge = if *one == edge { *other } else { *one },
                    _ => break,
                }
            }
            lines.push(line);
            sides.push(side);
        };
        for (vertex, around) in at_vertex.iter().filter(|(_, around)| around.len() != 2) {
            for edge in around {
                if !used[*edge] {
                    walk(*vertex, *edge, &mut used);
                }
            }
        }
        for edge in 0..edges.len() {
            if !used[edge] {
                walk(edges[edge].0, edge, &mut used);
            }
        }
        Self { lines, sides }
    }
}

/// Squeezing divides, which rounds and could fold cells: jitter is taken away from squeezed meshes but along their long side.
fn straightened(
    points: Vec<MercatorPoint>,
    width: usize,
    height: usize,
    step: i64,
    squeeze: i64,
    shear: i64,
    offset: (i64, i64),
) -> Vec<MercatorPoint> {
    let rows = step / squeeze.max(1);
    (0..=height)
        .flat_map(|j| (0..=width).map(move |i| (i, j)))
        .map(|(i, j)| {
            let jittered = i64::from(points[j * (width + 1) + i].x) - offset.0;
            // A quarter of a flat row up and down, from the low bits of the jitter along the row.
            let y = j as i64 * rows + jittered.rem_euclid(rows.max(2) / 2) - rows.max(2) / 4;
            let x = i as i64 * step + (jittered * 7919).rem_euclid(step / 2) - step / 4;
            MercatorPoint::new((x + shear * y + offset.0) as i32, (y + offset.1) as i32)
        })
        .collect()
}

type P = (i64, i64);

fn side(a: P, b: P, c: P) -> i128 {
    i128::from(b.0 - a.0) * i128::from(c.1 - a.1) - i128::from(b.1 - a.1) * i128::from(c.0 - a.0)
}

fn on_segment(a: P, b: P, p: P) -> bool {
    p.0 >= a.0.min(b.0) && p.0 <= a.0.max(b.0) && p.1 >= a.1.min(b.1) && p.1 <= a.1.max(b.1) && side(a, b, p) == 0
}

fn apart(a: (P, P), b: (P, P)) -> bool {
    a.0.0.max(a.1.0) < b.0.0.min(b.1.0)
        || b.0.0.max(b.1.0) < a.0.0.min(a.1.0)
        || a.0.1.max(a.1.1) < b.0.1.min(b.1.1)
        || b.0.1.max(b.1.1) < a.0.1.min(a.1.1)
}

fn cross_properly(a: (P, P), b: (P, P)) -> bool {
    side(a.0, a.1, b.0).signum() * side(a.0, a.1, b.1).signum() < 0
        && side(b.0, b.1, a.0).signum() * side(b.0, b.1, a.1).signum() < 0
}

/// The first place where lines that must meet at common nodes only do something else: cross, touch, overlap, fold.
pub(crate) fn contact(lines: &[Vec<MercatorPoint>]) -> Option<String> {
    let segments: Vec<(usize, usize, (P, P))> = lines
        .iter()
        .enumerate()
        .flat_map(|(line, points)| {
            points.windows(2).enumerate().map(move |(at, pair)| {
                let p = |p: MercatorPoint| (i64::from(p.x), i64::from(p.y));
                (line, at, (p(pair[0]), p(pair[1])))
            })
        })
        .collect();
    for (i, &(line, at, one)) in segments.iter().enumerate() {
        if one.0 == one.1 {
            return Some(format!("line {line} has an empty segment {at}"));
        }
        for &(other_line, other_at, other) in &segments[i + 1..] {
            if apart(one, other) {
                continue;
            }
            // The points of each that lie on the other: only common end points may.
            let is_end = |line: usize, point: P| {
                let ends = [lines[line][0], lines[line][lines[line].len() - 1]];
                ends.iter().any(|end| (i64::from(end.x), i64::from(end.y)) == point)
            };
            let excused = |point: P| {
                let common = (point == one.0 || point == one.1) && (point == other.0 || point == other.1);
                let follows = line == other_line && (at + 1 == other_at);
                common && (follows || (is_end(line, point) && is_end(other_line, point)))
            };
            let touches = [one.0, one.1].into_iter().any(|p| on_segment(other.0, other.1, p) && !excused(p))
                || [other.0, other.1].into_iter().any(|p| on_segment(one.0, one.1, p) && !excused(p));
            let same = one == other || one == (other.1, other.0);
            if touches || same || cross_properly(one, other) {
                return Some(format!("line {line} segment {at} {one:?} meets line {other_line} segment {other_at} {other:?}"));
            }
        }
    }
    None
}

/// The first place where rounded lines cross, or an end of one edge lies inside another: edges may only be the same or share ends.
pub(crate) fn crossing_after_rounding(lines: &[Vec<Pixel>]) -> Option<String> {
    let segments: Vec<(P, P)> = lines
        .iter()
        .flat_map(|points| {
            points.windows(2).map(|pair| {
                let p = |[x, y]: Pixel| (i64::from(x), i64::from(y));
                (p(pair[0]), p(pair[1]))
            })
        })
        .collect();
    for (i, &one) in segments.iter().enumerate() {
        for &other in &segments[i + 1..] {
            if apart(one, other) {
                continue;
            }
            let inside = |p: P, s: (P, P)| p != s.0 && p != s.1 && on_segment(s.0, s.1, p);
            if inside(one.0, other)
                || inside(one.1, other)
                || inside(other.0, one)
                || inside(other.1, one)
                || cross_properly(one, other)
            {
                return Some(format!("{one:?} meets {other:?}"));
            }
        }
    }
    None
}
