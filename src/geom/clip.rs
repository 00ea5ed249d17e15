//! From the edges of a face inside a window to closed rings.
//!
//! Lines come rounded and routed (see [`route`](super::route)): edges are the same or share ends, and none crosses the window's border.
//! So cutting is choosing, with no arithmetic: an edge is inside when both its ends are. What is left is to close rings along the
//! border and to find exteriors and holes. Edges along the border are left out and made anew from what lies just inside it.
//!
//! The plane is that of tiles, `y` south. "Left" means left where `y` grows up, so a ring with its face on the left turns clockwise on
//! the map and has a positive area in the surveyor's formula: an exterior of the vector tile specification 2.1, 4.3.4.4.

use super::mercator::Pixel;
use super::packed::Bounds;
use std::ops::Range;

/// A closed box of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// North-west corner.
    pub min: Pixel,
    /// South-east corner.
    pub max: Pixel,
}

/// A directed edge; its face is on the left.
pub type Edge = (Pixel, Pixel);

/// Rings one after the other, each exterior followed by its holes. First points are not repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rings {
    points: Vec<Pixel>,
    ends: Vec<usize>,
}

impl Rings {
    /// Each ring.
    pub fn iter(&self) -> impl Iterator<Item = &[Pixel]> {
        self.ranges().map(|range| &self.points[range])
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.ends.iter().enumerate().map(|(at, &end)| at.checked_sub(1).map_or(0, |before| self.ends[before])..end)
    }

    /// No ring at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a ring.
    pub fn push(&mut self, ring: impl IntoIterator<Item = Pixel>) {
        self.points.extend(ring);
        self.ends.push(self.points.len());
    }

    /// Takes all rings away and keeps the memory.
    pub fn clear(&mut self) {
        self.points.clear();
        self.ends.clear();
    }
}

impl Window {
    /// Whether `p` is inside or on the border.
    pub fn holds(&self, p: Pixel) -> bool {
        self.min[0] <= p[0] && p[0] <= self.max[0] && self.min[1] <= p[1] && p[1] <= self.max[1]
    }

    /// Whether `p`, which it holds, is on the border.
    pub fn has_on_border(&self, p: Pixel) -> bool {
        p[0] == self.min[0] || p[0] == self.max[0] || p[1] == self.min[1] || p[1] == self.max[1]
    }

    /// Whether an edge is inside and not along the border.
    pub fn takes(&self, a: Pixel, b: Pixel) -> bool {
        self.holds(a)
            && self.holds(b)
            && !(0..2).any(|axis| a[axis] == b[axis] && (a[axis] == self.min[axis] || a[axis] == self.max[axis]))
    }

    /// How far along the border `p` is, from the north-west corner with the inside on the left.
    fn place(&self, p: Pixel) -> i64 {
        let (width, height) = (i64::from(self.max[0] - self.min[0]), i64::from(self.max[1] - self.min[1]));
        let (x, y) = (i64::from(p[0] - self.min[0]), i64::from(p[1] - self.min[1]));
        match (p[0], p[1]) {
            (_, north) if north == self.min[1] => x,
            (east, _) if east == self.max[0] => width + y,
            (_, south) if south == self.max[1] => width + height + (width - x),
            _ => 2 * width + height + (height - y),
        }
    }

    /// The corners, in the order of [`Self::place`].
    pub fn corners(&self) -> [Pixel; 4] {
        [self.min, [self.max[0], self.min[1]], self.max, [self.min[0], self.max[1]]]
    }

    /// The edges along the border that close a face: where the face lies just inside. From where each of its edges (or lines of edges
    /// that are on the border at their ends only) begins and ends. `None` if nothing tells: all around the border is one face, this or
    /// another.
    pub fn close(&self, lines: impl IntoIterator<Item = Edge>) -> Option<Vec<Edge>> {
        let mut steps: Vec<(i64, Pixel, i32)> = lines
            .into_iter()
            .flat_map(|(a, b)| [(a, -1), (b, 1)])
            .filter(|(p, _)| self.has_on_border(*p))
            // Walking along the border with the inside on the left, an edge that leaves it has its face behind, one that comes ahead.
            .map(|(p, step)| (self.place(p), p, step))
            .collect();
        if steps.is_empty() {
            return None;
        }
        steps.sort_unstable_by_key(|(place, _, _)| *place);
        steps.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.2 += later.2;
            }
            same
        });
        debug_assert_eq!(steps.iter().map(|(_, _, step)| step).sum::<i32>(), 0, "who comes goes");
        // Corners are stops too, and so are places where edges come and go at once: there the border gets a vertex.
        steps.extend(self.corners().map(|corner| (self.place(corner), corner, 0)));
        steps.sort_by_key(|(place, _, _)| *place);
        let begin = steps.iter().position(|(_, _, step)| *step > 0)?;
        steps.rotate_left(begin);
        let mut edges = vec![];
        let mut there = false;
        for (at, (_, p, step)) in steps.iter().enumerate() {
            debug_assert!((0..=1).contains(&(i32::from(there) + step)), "a face is there or not: {steps:?}");
            there = (i32::from(there) + step) > 0;
            let (_, next, _) = steps[(at + 1) % steps.len()];
            if there && *p != next {
                edges.push((*p, next));
            }
        }
        Some(edges)
    }

    /// The whole border.
    pub fn all_around(&self) -> [Edge; 4] {
        let corners = self.corners();
        std::array::from_fn(|at| (corners[at], corners[(at + 1) % 4]))
    }

    /// Whether `bounds` lies inside and does not reach the border.
    pub fn holds_inside(&self, bounds: &Bounds) -> bool {
        (0..2).all(|axis| self.min[axis] < bounds.min[axis] && bounds.max[axis] < self.max[axis])
    }
}

/// Twice the area of a ring; positive when it turns clockwise on the map.
pub fn area2(ring: &[Pixel]) -> i64 {
    let Some(&[x0, y0]) = ring.first() else { return 0 };
    let from_first = |[x, y]: Pixel| (i64::from(x) - i64::from(x0), i64::from(y) - i64::from(y0));
    ring.windows(2)
        .map(|pair| {
            let ((ax, ay), (bx, by)) = (from_first(pair[0]), from_first(pair[1]));
            ax * by - ay * bx
        })
        .sum()
}

/// A line of edges with its face on the left, or on the right when it is to be read backwards.
#[derive(Debug, Clone, Copy)]
pub struct DirectedLine<'p> {
    /// At least two.
    pub points: &'p [Pixel],
    /// As the points stand.
    pub forward: bool,
}

impl<'p> DirectedLine<'p> {
    /// Where it begins.
    pub fn first(&self) -> Pixel {
        self.points[if self.forward { 0 } else { self.points.len() - 1 }]
    }

    /// Where it ends.
    pub fn last(&self) -> Pixel {
        self.points[if self.forward { self.points.len() - 1 } else { 0 }]
    }

    /// Its edges, in its direction of reading or not, each with the face on the left.
    pub fn edges(self) -> impl Iterator<Item = Edge> + use<'p> {
        let forward = self.forward;
        self.points.windows(2).map(move |pair| if forward { (pair[0], pair[1]) } else { (pair[1], pair[0]) })
    }
}

/// Traces the rings of a face from all its edges, closed ones only. Edges that are there in both directions cancel. Where rings touch
/// in a point they are parted, so that each ring passes a point once; a hole that touches its exterior stays a hole.
#[derive(Debug, Default)]
pub struct Tracer {
    edges: Vec<Edge>,
    used: Vec<bool>,
    path: Vec<Pixel>,
    found: Found,
    joints: Vec<(Pixel, u32)>,
}

impl Tracer {
    /// Appends the rings to `rings`, in an order that depends on nothing but the set of edges.
    pub fn trace(&mut self, edges: &mut [Edge], rings: &mut Rings) {
        self.cancel(edges);
        self.used.clear();
        self.used.resize(self.edges.len(), false);
        self.found.clear();
        for first in 0..self.edges.len() {
            if !self.used[first] {
                self.walk(first);
            }
        }
        self.found.finish(rings);
    }

    /// The same, quicker, from whole lines whose points are met by no other line of the face but at their ends. `false`, and nothing
    /// appended, if more than one line begins in a point; then only [`Self::trace`] can tell what belongs together.
    pub fn chain(&mut self, lines: &[DirectedLine<'_>], rings: &mut Rings) -> bool {
        self.joints.clear();
        self.joints.extend(lines.iter().enumerate().map(|(at, line)| (line.first(), at as u32)));
        self.joints.sort_unstable();
        if self.joints.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return false;
        }
        self.used.clear();
        self.used.resize(lines.len(), false);
        self.found.clear();
        for first in 0..lines.len() {
            let mut at = first;
            self.path.clear();
            while !self.used[at] {
                self.used[at] = true;
                let line = &lines[at];
                // Without its last point, which the next line begins with.
                let points = &line.points[usize::from(!line.forward)..line.points.len() - usize::from(line.forward)];
                if line.forward {
                    self.path.extend_from_slice(points);
                } else {
                    self.path.extend(points.iter().rev());
                }
                match self.joints.binary_search_by_key(&line.last(), |(begin, _)| *begin) {
                    Ok(next) => at = self.joints[next].1 as usize,
                    Err(_) => return false,
                }
            }
            if at != first {
                return false;
            }
            if self.path.len() > 2 {
                self.found.ring(&self.path);
            }
        }
        self.found.finish(rings);
        true
    }

    /// Sorts, and takes out edges that stand against each other.
    fn cancel(&mut self, edges: &mut [Edge]) {
        edges.sort_unstable();
        self.edges.clear();
        let count = |edge: Edge| edges.partition_point(|other| *other <= edge) - edges.partition_point(|other| *other < edge);
        let mut at = 0;
        while let Some(&edge) = edges.get(at) {
            let alike = edges[at..].iter().take_while(|other| **other == edge).count();
            let against = count((edge.1, edge.0));
            self.edges.extend(std::iter::repeat_n(edge, alike.saturating_sub(against)));
            at += alike;
        }
    }

    fn walk(&mut self, first: usize) {
        self.path.clear();
        self.path.push(self.edges[first].0);
        let mut at = first;
        loop {
            self.used[at] = true;
            let (from, to) = self.edges[at];
            // A point that is on the path already parts a ring off. Looked for among points with several ways out only, and the first.
            let begin = self.edges.partition_point(|edge| edge.0 < to);
            let ways = self.edges[begin..].iter().take_while(|edge| edge.0 == to).count();
            let met = if ways > 1 { self.path.iter().rposition(|p| *p == to) } else { (self.path[0] == to).then_some(0) };
            if let Some(met) = met {
                self.found.ring(&self.path[met..]);
                self.path.truncate(met);
            }
            self.path.push(to);
            at = match ways {
                0 => return, // No ring: the edges did not close.
                1 => begin,
                // The one that keeps most to the left, where the face is.
                _ => (begin..begin + ways)
                    .reduce(|best, way| if turns_before(from, to, self.edges[way].1, self.edges[best].1) { way } else { best })
                    .unwrap_or(begin),
            };
            if self.used[at] {
                return;
            }
        }
    }
}

/// Rings of one face while they are found.
#[derive(Debug, Default)]
struct Found {
    exteriors: Rings,
    holes: Rings,
}

impl Found {
    fn clear(&mut self) {
        self.exteriors.clear();
        self.holes.clear();
    }

    /// Takes a ring; it will start at its least point. What is no area is left out.
    fn ring(&mut self, ring: &[Pixel]) {
        let area = area2(ring);
        if area != 0 {
            let least = ring.iter().enumerate().min_by_key(|(_, p)| **p).map_or(0, |(at, _)| at);
            let kind = if area > 0 { &mut self.exteriors } else { &mut self.holes };
            kind.push(ring[least..].iter().chain(&ring[..least]).copied());
        }
    }

    /// Each exterior, from the one with the least point on, followed by its holes in the same order.
    fn finish(&self, rings: &mut Rings) {
        if self.holes.is_empty() && self.exteriors.ends.len() == 1 {
            // Nearly every face of a tile.
            rings.push(self.exteriors.points.iter().copied());
            return;
        }
        let sorted = |rings: &Rings| -> Vec<Range<usize>> {
            let mut ranges: Vec<Range<usize>> = rings.ranges().collect();
            if ranges.len() > 1 {
                ranges.sort_unstable_by(|one, other| rings.points[one.clone()].cmp(&rings.points[other.clone()]));
            }
            ranges
        };
        let exteriors: Vec<&[Pixel]> = sorted(&self.exteriors).into_iter().map(|range| &self.exteriors.points[range]).collect();
        let holes: Vec<&[Pixel]> = sorted(&self.holes).into_iter().map(|range| &self.holes.points[range]).collect();
        // A hole belongs to the smallest exterior around the middle of one of its edges: on a vertex rings may touch, there not.
        let owner = |hole: &[Pixel]| {
            let middle = [hole[0][0] + hole[1][0], hole[0][1] + hole[1][1]];
            let around = exteriors.iter().enumerate().filter(|(_, ring)| holds_half(ring, middle));
            around.min_by_key(|(_, ring)| area2(ring)).map_or(0, |(at, _)| at)
        };
        let owners: Vec<usize> = holes.iter().map(|hole| if exteriors.len() > 1 { owner(hole) } else { 0 }).collect();
        for (at, exterior) in exteriors.iter().enumerate() {
            rings.push(exterior.iter().copied());
            for (hole, _) in holes.iter().zip(&owners).filter(|(_, owner)| **owner == at) {
                rings.push(hole.iter().copied());
            }
        }
    }
}

/// Coming from `from` to `at`, whether the way to `a` is further to the left than the way to `b`.
fn turns_before(from: Pixel, at: Pixel, a: Pixel, b: Pixel) -> bool {
    let direction = |p: Pixel| (i64::from(p[0]) - i64::from(at[0]), i64::from(p[1]) - i64::from(at[1]));
    let cross = |u: (i64, i64), v: (i64, i64)| (i128::from(u.0) * i128::from(v.1) - i128::from(u.1) * i128::from(v.0)).signum();
    let dot = |u: (i64, i64), v: (i64, i64)| (i128::from(u.0) * i128::from(v.0) + i128::from(u.1) * i128::from(v.1)).signum();
    let (back, a, b) = (direction(from), direction(a), direction(b));
    // Turning to the right from the way back: first the half before straight on, then the half after; straight back comes last.
    let half = |d: (i64, i64)| match cross(back, d) {
        -1 => 0,
        0 if dot(back, d) < 0 => 1,
        1 => 2,
        _ => 3,
    };
    match half(a).cmp(&half(b)) {
        std::cmp::Ordering::Equal => cross(a, b) < 0,
        order => order.is_lt(),
    }
}

/// Whether a ring holds a point that is given in half pixels and not on it.
fn holds_half(ring: &[Pixel], [x, y]: Pixel) -> bool {
    let mut inside = false;
    for (at, b) in ring.iter().enumerate() {
        let a = ring[at.checked_sub(1).unwrap_or(ring.len() - 1)];
        let ((ax, ay), (bx, by)) = ((2 * i64::from(a[0]), 2 * i64::from(a[1])), (2 * i64::from(b[0]), 2 * i64::from(b[1])));
        let (x, y) = (i64::from(x), i64::from(y));
        if (ay > y) != (by > y) {
            let turn = i128::from(bx - ax) * i128::from(y - ay) - i128::from(by - ay) * i128::from(x - ax);
            inside ^= (turn > 0) == (by > ay);
        }
    }
    inside
}

#[cfg(test)]
#[path = "clip_tests.rs"]
mod tests;
