//! From the edges of a face inside a window to closed rings.
//!
//! Lines come rounded and routed (see [`route`](super::route)): edges are the same or share ends, and none crosses the window's border.
//! So cutting is choosing, with no arithmetic: an edge is inside when both its ends are. What is left is to close rings along the
//! border and to find exteriors and holes. Edges along the border are left out and made anew from what lies just inside it.
//!
//! The plane is that of tiles, `y` south. "Left" means left where `y` grows up, so a ring with its face on the left turns clockwise on
//! the map and has a positive area in the surveyor's formula: an exterior of the vector tile specification 2.1, 4.3.4.4.

use super::mercator::Pixel;

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
        self.ends.iter().enumerate().map(|(at, &end)| &self.points[at.checked_sub(1).map_or(0, |before| self.ends[before])..end])
    }

    /// No ring at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Number of points of all rings.
    pub fn point_count(&self) -> usize {
        self.points.len()
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
    fn has_on_border(&self, p: Pixel) -> bool {
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

    /// Adds the edges along the border that close the face of `edges`: where the face lies just inside. `false` if no edge tells (all
    /// around the border is one face, this or another): then nothing is added.
    pub fn close(&self, edges: &mut Vec<Edge>) -> bool {
        let mut steps: Vec<(i64, Pixel, i32)> = edges
            .iter()
            .flat_map(|(a, b)| [(*a, -1), (*b, 1)])
            .filter(|(p, _)| self.has_on_border(*p))
            // Walking along the border with the inside on the left, an edge that leaves it has its face behind, one that comes ahead.
            .map(|(p, step)| (self.place(p), p, step))
            .collect();
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
        let Some(begin) = steps.iter().position(|(_, _, step)| *step > 0) else { return false };
        steps.rotate_left(begin);
        let mut there = false;
        for (at, (_, p, step)) in steps.iter().enumerate() {
            debug_assert!((0..=1).contains(&(i32::from(there) + step)), "a face is there or not: {steps:?}");
            there = (i32::from(there) + step) > 0;
            let (_, next, _) = steps[(at + 1) % steps.len()];
            if there && *p != next {
                edges.push((*p, next));
            }
        }
        true
    }

    /// Adds the whole border.
    pub fn enclose(&self, edges: &mut Vec<Edge>) {
        let corners = self.corners();
        edges.extend((0..4).map(|at| (corners[at], corners[(at + 1) % 4])));
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

/// Traces the rings of a face from all its edges, closed ones only. Edges that are there in both directions cancel. Where rings touch
/// in a point they are parted, so that each ring passes a point once; a hole that touches its exterior stays a hole.
#[derive(Debug, Default)]
pub struct Tracer {
    edges: Vec<Edge>,
    used: Vec<bool>,
    path: Vec<Pixel>,
    exteriors: Rings,
    holes: Rings,
}

impl Tracer {
    /// Appends the rings to `rings`, in an order that depends on nothing but the set of edges.
    pub fn trace(&mut self, edges: &mut [Edge], rings: &mut Rings) {
        self.cancel(edges);
        self.used.clear();
        self.used.resize(self.edges.len(), false);
        self.exteriors.clear();
        self.holes.clear();
        for first in 0..self.edges.len() {
            if !self.used[first] {
                self.walk(first);
            }
        }
        self.assign(rings);
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
                let ring = &self.path[met..];
                let kind = if area2(ring) > 0 { &mut self.exteriors } else { &mut self.holes };
                kind.push(ring.iter().copied());
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

    /// Each exterior followed by its holes.
    fn assign(&self, rings: &mut Rings) {
        let exteriors: Vec<&[Pixel]> = self.exteriors.iter().collect();
        // A hole belongs to the smallest exterior around the middle of one of its edges: on a vertex rings may touch, there not.
        let owner = |hole: &[Pixel]| {
            let middle = [hole[0][0] + hole[1][0], hole[0][1] + hole[1][1]];
            exteriors
                .iter()
                .enumerate()
                .filter(|(_, ring)| holds_half(ring, middle))
                .min_by_key(|(_, ring)| area2(ring))
                .map_or(0, |(at, _)| at)
        };
        let owners: Vec<usize> =
            if exteriors.len() > 1 { self.holes.iter().map(owner).collect() } else { vec![0; self.holes.ends.len()] };
        for (at, exterior) in exteriors.iter().enumerate() {
            rings.push(exterior.iter().copied());
            for (hole, _) in self.holes.iter().zip(&owners).filter(|(_, owner)| **owner == at) {
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
