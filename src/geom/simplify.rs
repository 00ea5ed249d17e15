//! Simplification of a coverage without crossings: every line is simplified alone, and yet lines never cross or touch, whatever
//! thresholds neighbouring lines are drawn at.
//!
//! Visvalingam's order (smallest triangle first) with one more condition: vertex `v` between its current neighbours `a` and `b`
//! goes only if the closed triangle `a v b` holds no *original* vertex of the coverage but `a`, `v`, `b` themselves (as points)
//! and this line's own originals strictly between `a` and `b`. Then removing `v` sweeps over nothing that any other line, at any
//! threshold, could have a vertex in, so no line can be crossed. A blocked vertex waits until a neighbour is removed. Ends are
//! never removed, a closed line keeps two more, and of several lines between the same two nodes all but one keep the vertex that
//! would go last.
//!
//! The result is kept as one byte a vertex: the first zoom that draws it. Each zoom is then a comparison.

use super::mercator::{MercatorPoint, cross, morton};
use super::packed::{Bounds, PackedBoxes};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// In place of a zoom: drawn at none.
pub const NEVER: u8 = u8::MAX;

/// Up to this zoom shapes are made simpler; from it on only what cannot be seen goes.
const FULL_ZOOM: u8 = 16;

/// Least area of a vertex' triangle in square tile units below [`FULL_ZOOM`]: a quarter of a square pixel of a 512-pixel tile.
const LEAST_AREA: u64 = 16;

/// Twice the area, in Mercator units, that a vertex' weight must exceed to be drawn at `zoom`.
pub fn threshold(zoom: u8) -> u64 {
    let unit = 1_u64 << (20_u8.saturating_sub(zoom));
    let area = if zoom < FULL_ZOOM { LEAST_AREA } else { 1 };
    2 * area * unit * unit
}

/// The first zoom whose threshold `weight` exceeds.
fn first_zoom(weight: u64) -> u8 {
    (0..=super::tile_id::MAX_ZOOM).find(|&zoom| weight > threshold(zoom)).unwrap_or(NEVER)
}

/// One line after simplification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simplified {
    /// For each point of the line the first zoom that draws it; 0 for ends, [`NEVER`] for what no zoom draws.
    pub first_zooms: Box<[u8]>,
    /// The interior point that went last, if every one went.
    pub last: Option<usize>,
}

/// All lines of a coverage with their original vertices as obstacles.
pub struct Coverage<'a> {
    lines: Vec<&'a [MercatorPoint]>,
    /// All vertices in Morton order, with the line and the position in it that they come from.
    vertices: Vec<Vertex>,
    /// Over groups of [`GROUP`] vertices.
    groups: PackedBoxes,
}

#[derive(Clone, Copy)]
struct Vertex {
    point: MercatorPoint,
    line: u32,
    at: u32,
}

/// Vertices that share a box of the tree. A guess; nothing depends on it.
const GROUP: usize = 8;

/// A closed triangle, with `a → b → c` turning left where `y` grows up (or flat).
#[derive(Clone, Copy)]
struct Triangle {
    corners: [MercatorPoint; 3],
    bounds: Bounds,
}

impl Triangle {
    fn new(a: MercatorPoint, b: MercatorPoint, c: MercatorPoint) -> Self {
        let corners = if cross(a, b, c) < 0 { [a, c, b] } else { [a, b, c] };
        Self { corners, bounds: Bounds::around(corners.map(|p| [p.x, p.y])) }
    }

    /// Exact. A flat triangle is the segment it covers: all three signs are 0 on its whole line, so the box decides.
    fn holds(&self, p: MercatorPoint) -> bool {
        let [a, b, c] = self.corners;
        self.bounds.holds([p.x, p.y]) && cross(a, b, p) >= 0 && cross(b, c, p) >= 0 && cross(c, a, p) >= 0
    }

    /// Whether a box may share a point with it: none of the three edges has the whole box on its outer side.
    fn may_meet(&self, bounds: &Bounds) -> bool {
        let [a, b, c] = self.corners;
        self.bounds.meets(bounds)
            && [(a, b), (b, c), (c, a)].into_iter().all(|(from, to)| {
                let x = if to.y < from.y { bounds.max[0] } else { bounds.min[0] };
                let y = if to.x > from.x { bounds.max[1] } else { bounds.min[1] };
                cross(from, to, MercatorPoint::new(x, y)) >= 0
            })
    }
}

impl<'a> Coverage<'a> {
    /// Lines that meet at their ends only. A closed line repeats its first point.
    pub fn new<L: AsRef<[MercatorPoint]>>(lines: &'a [L]) -> Self {
        let lines: Vec<&[MercatorPoint]> = lines.iter().map(AsRef::as_ref).collect();
        let mut keyed: Vec<(u64, Vertex)> = lines
            .iter()
            .enumerate()
            .flat_map(|(line, points)| {
                points
                    .iter()
                    .enumerate()
                    .map(move |(at, &point)| (morton(point), Vertex { point, line: line as u32, at: at as u32 }))
            })
            .collect();
        keyed.sort_unstable_by_key(|(key, vertex)| (*key, vertex.line, vertex.at));
        let vertices: Vec<Vertex> = keyed.into_iter().map(|(_, vertex)| vertex).collect();
        let groups = PackedBoxes::new(
            vertices.chunks(GROUP).map(|group| Bounds::around(group.iter().map(|v| [v.point.x, v.point.y]))).collect(),
        );
        Self { lines, vertices, groups }
    }

    /// Whether an original vertex forbids replacing `points[from] … points[to]` of `line`, of which `via` is the only point left,
    /// by one segment.
    fn blocked(&self, line: usize, from: usize, via: usize, to: usize) -> bool {
        let points = self.lines[line];
        let (a, v, b) = (points[from], points[via], points[to]);
        let triangle = Triangle::new(a, v, b);
        !self.groups.visit(
            |bounds| triangle.may_meet(bounds),
            |group| {
                let members = &self.vertices[group * GROUP..(group * GROUP + GROUP).min(self.vertices.len())];
                !members.iter().any(|other| {
                    triangle.bounds.holds([other.point.x, other.point.y])
                        && !(other.line as usize == line && (from + 1..to).contains(&(other.at as usize)))
                        && other.point != a
                        && other.point != v
                        && other.point != b
                        && triangle.holds(other.point)
                })
            },
        )
    }

    /// Simplifies one line for zooms from `lowest` on. `O(n log n)` triangles, each tested against the vertices near it.
    pub fn simplified(&self, line: usize, lowest: u8) -> Simplified {
        let points = self.lines[line];
        let end = points.len() - 1;
        let mut first_zooms = vec![0_u8; points.len()].into_boxed_slice();
        let closed = points[0] == points[end];
        let least_left = if closed { 2 } else { 0 };
        let mut left = points.len().saturating_sub(2);
        let mut last = None;
        // Both neighbours of every vertex that is left.
        let mut links: Vec<(u32, u32)> = (0..points.len() as u32).map(|at| (at.wrapping_sub(1), at + 1)).collect();
        let mut areas: Vec<u64> = vec![0; points.len()];
        let area = |from: usize, via: usize, to: usize| {
            u64::try_from(cross(points[from], points[via], points[to]).unsigned_abs()).unwrap_or(u64::MAX)
        };
        let mut heap = BinaryHeap::with_capacity(left);
        for (at, size) in areas.iter_mut().enumerate().take(end).skip(1) {
            *size = area(at - 1, at, at + 1);
            heap.push(Reverse((*size, at as u32)));
        }
        let (mut weight, beyond) = (0, threshold(lowest));
        while let Some(Reverse((size, at))) = heap.pop() {
            let at = at as usize;
            if size > beyond || left <= least_left {
                break;
            }
            if size != areas[at] || first_zooms[at] != 0 {
                continue;
            }
            let (from, to) = (links[at].0 as usize, links[at].1 as usize);
            if self.blocked(line, from, at, to) {
                // Out of the heap, so that it is not tried again before a neighbour goes and pushes it with its new area.
                continue;
            }
            weight = size.max(weight);
            // Above `lowest`, since the weight is not beyond its threshold; so 0 means "left".
            first_zooms[at] = first_zoom(weight);
            links[from].1 = to as u32;
            links[to].0 = from as u32;
            left -= 1;
            last = Some(at);
            for (neighbour, inner) in [(from, from != 0), (to, to != end)] {
                if inner {
                    areas[neighbour] = area(links[neighbour].0 as usize, neighbour, links[neighbour].1 as usize);
                    heap.push(Reverse((areas[neighbour], neighbour as u32)));
                }
            }
        }
        Simplified { first_zooms, last: if left == 0 { last } else { None } }
    }
}

/// Of the lines between the same two nodes all but one keep the vertex that went last, or they would fall together: those lines,
/// by position. For each line its ends and its rank; the one of the least rank needs no vertex. A line of two points must rank
/// least.
pub fn kept_apart<R: Ord>(lines: impl Iterator<Item = (MercatorPoint, MercatorPoint, R)>) -> Vec<usize> {
    let open = lines.enumerate().filter(|(_, (first, last, _))| first != last);
    let mut open: Vec<_> = open.map(|(at, (first, last, rank))| ((first.min(last), first.max(last)), rank, at)).collect();
    open.sort_unstable();
    let groups = open.chunk_by(|one, other| one.0 == other.0);
    groups.flat_map(|group| group[1..].iter().map(|(_, _, at)| *at)).collect()
}

/// All lines simplified, and kept apart.
#[cfg(test)]
pub(crate) fn simplified(lines: &[Vec<MercatorPoint>], lowest: u8) -> Vec<Simplified> {
    let coverage = Coverage::new(lines);
    let mut simplified: Vec<Simplified> = (0..lines.len()).map(|line| coverage.simplified(line, lowest)).collect();
    for line in kept_apart(lines.iter().map(|line| (line[0], line[line.len() - 1], (line.len() > 2, line)))) {
        if let Some(last) = simplified[line].last {
            simplified[line].first_zooms[last] = 0;
        }
    }
    simplified
}

#[cfg(test)]
#[path = "simplify_tests.rs"]
mod tests;
