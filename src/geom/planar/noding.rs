//! Noding: every point where lines meet becomes a vertex of all of them, and every such vertex lies on the lattice.
//!
//! Snap rounding (Hobby 1999), iterated (Halperin, Packer 2002). A *hot pixel* is the unit square around an end of an edge or around a
//! rounded crossing; every edge that passes through a hot pixel gets its centre as a vertex. After one round no two edges
//! cross; rounds are repeated until no edge passes within half a unit of a vertex that is not its own. Ends never move.
//!
//! Pixels are half open, `[x − ½, x + ½) × [y − ½, y + ½)`, so every point of the plane is in exactly one and the order of pixels along an
//! edge is the order of their centres. An inserted vertex never leaves the box of its edge: boxes shrink with each split, so splitting ends.

use super::{Edge, LatticeMap};
use crate::geom::lattice::{LatticePoint, cross};

/// Two or three rounds are usual; what needs more than this is not a map.
pub const MAX_ROUNDS: usize = 50;

/// Noding did not come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("noding the borders did not come to rest after {MAX_ROUNDS} rounds")]
pub struct TooManyRounds {
    /// A vertex that the last round still added.
    pub place: LatticePoint,
}

/// Noded edges, and how the given ones run through them.
#[derive(Debug, Clone, Default)]
pub struct Noding {
    edges: Vec<Edge>,
    /// What became of an edge that was split: its vertices, ends included. Pieces may have been split again.
    chains: LatticeMap<Edge, Box<[LatticePoint]>>,
    rounds: usize,
}

impl Noding {
    /// Nodes edges. About 0.3 s for a million of them when they are noded already (one core), which is the usual case.
    pub fn of(edges: Vec<Edge>) -> Result<Self, TooManyRounds> {
        Self::by(edges, find)
    }

    /// The rounds, over any way to find the vertices that edges lack.
    fn by(
        mut edges: Vec<Edge>,
        find: impl Fn(&[Edge], Option<&[bool]>) -> Vec<(u32, LatticePoint)>,
    ) -> Result<Self, TooManyRounds> {
        if !edges.is_sorted_by(|l, r| l < r) {
            edges.sort_unstable_by_key(|edge| edge.key());
            edges.dedup();
        }
        let mut noding = Self { edges, chains: LatticeMap::default(), rounds: 0 };
        let mut fresh: Option<Vec<bool>> = None;
        loop {
            let mut missing = find(&noding.edges, fresh.as_deref());
            let Some(&(_, place)) = missing.first() else { return Ok(noding) };
            if noding.rounds == MAX_ROUNDS {
                return Err(TooManyRounds { place });
            }
            noding.rounds += 1;
            fresh = Some(noding.split(&mut missing));
        }
    }

    /// Gives edges the vertices they lack. Returns which edges are new.
    fn split(&mut self, missing: &mut Vec<(u32, LatticePoint)>) -> Vec<bool> {
        // Along an edge x never falls, and y goes one way.
        missing.sort_unstable_by_key(|&(at, p)| {
            let edge = self.edges[at as usize];
            (at, p.x, if edge.a.y <= edge.b.y { i64::from(p.y) } else { -i64::from(p.y) })
        });
        missing.dedup();
        let mut pieces: Vec<Edge> = Vec::new();
        for group in missing.chunk_by(|l, r| l.0 == r.0) {
            let edge = self.edges[group[0].0 as usize];
            let chain: Box<[LatticePoint]> =
                std::iter::once(edge.a).chain(group.iter().map(|&(_, p)| p)).chain(std::iter::once(edge.b)).collect();
            pieces.extend(chain.windows(2).filter_map(|pair| Edge::between(pair[0], pair[1])).map(|(piece, _)| piece));
            self.chains.insert(edge, chain);
        }
        pieces.sort_unstable();
        pieces.dedup();
        // A piece that is an edge already is known; one that was split before runs through its own chain.
        pieces.retain(|piece| self.edges.binary_search(piece).is_err() && !self.chains.contains_key(piece));

        let mut split = missing.iter().map(|&(at, _)| at as usize).peekable();
        let mut pieces = pieces.into_iter().peekable();
        let mut merged = Vec::with_capacity(self.edges.len() + 2 * pieces.len());
        let mut fresh = Vec::with_capacity(merged.capacity());
        for (at, &edge) in self.edges.iter().enumerate() {
            while let Some(piece) = pieces.next_if(|piece| *piece < edge) {
                merged.push(piece);
                fresh.push(true);
            }
            let mut is_split = false;
            while split.next_if_eq(&at).is_some() {
                is_split = true;
            }
            if !is_split {
                merged.push(edge);
                fresh.push(false);
            }
        }
        merged.extend(pieces);
        fresh.resize(merged.len(), true);
        self.edges = merged;
        fresh
    }

    /// The noded edges: sorted, each once. They meet only at their ends.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Rounds that added a vertex; 0: the edges were noded already.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Whether a given edge runs through vertices it did not have.
    pub fn changed(&self, from: LatticePoint, to: LatticePoint) -> bool {
        !self.chains.is_empty() && Edge::between(from, to).is_some_and(|(edge, _)| self.chains.contains_key(&edge))
    }

    /// The vertices of a given edge after `from`, up to and including `to`.
    pub fn push_through(&self, from: LatticePoint, to: LatticePoint, out: &mut Vec<LatticePoint>) {
        let Some((edge, against)) = Edge::between(from, to) else { return };
        let Some(chain) = (if self.chains.is_empty() { None } else { self.chains.get(&edge) }) else {
            out.push(to);
            return;
        };
        for at in 1..chain.len() {
            if against {
                self.push_through(chain[chain.len() - at], chain[chain.len() - at - 1], out);
            } else {
                self.push_through(chain[at - 1], chain[at], out);
            }
        }
    }

    /// An open line, noded. Repeated neighbours are dropped.
    pub fn line(&self, line: &[LatticePoint]) -> Vec<LatticePoint> {
        let mut out = Vec::with_capacity(line.len());
        out.extend(line.first());
        for pair in line.windows(2) {
            self.push_through(pair[0], pair[1], &mut out);
        }
        out
    }

    /// A closed ring (first point not repeated), noded; `None` when nothing was added.
    pub fn ring(&self, ring: &[LatticePoint]) -> Option<Vec<LatticePoint>> {
        if self.chains.is_empty() || !closed_pairs(ring).any(|(from, to)| self.changed(from, to)) {
            return None;
        }
        let mut out = Vec::with_capacity(ring.len() + 8);
        for (from, to) in closed_pairs(ring) {
            self.push_through(from, to, &mut out);
        }
        Some(out)
    }
}

/// The edges of a closed ring whose first point is not repeated.
pub(crate) fn closed_pairs(ring: &[LatticePoint]) -> impl Iterator<Item = (LatticePoint, LatticePoint)> {
    let last = ring.last().copied();
    last.into_iter().chain(ring.iter().copied()).zip(ring.iter().copied())
}

/// Nodes open lines among and within each other; every node is then a vertex of all lines through it.
pub fn snap_round(lines: &[Vec<LatticePoint>]) -> Result<Vec<Vec<LatticePoint>>, TooManyRounds> {
    let noding = Noding::of(edges_of(lines))?;
    Ok(lines.iter().map(|line| noding.line(line)).collect())
}

/// The edges of open lines.
pub(super) fn edges_of(lines: &[Vec<LatticePoint>]) -> Vec<Edge> {
    lines
        .iter()
        .flat_map(|line| line.windows(2))
        .filter_map(|pair| Edge::between(pair[0], pair[1]))
        .map(|(edge, _)| edge)
        .collect()
}

/// The exact tests between two edges. `narrow`: all coordinates lie within 2^30 of each other, so cross products fit 64 bits.
#[derive(Clone, Copy)]
struct Exact {
    narrow: bool,
}

impl Exact {
    fn among(edges: &[Edge]) -> Self {
        let span = |of: fn(LatticePoint) -> i32| {
            let all = edges.iter().flat_map(|edge| [of(edge.a), of(edge.b)]);
            all.fold((i64::MAX, i64::MIN), |(low, high), v| (low.min(i64::from(v)), high.max(i64::from(v))))
        };
        let fits = |(low, high): (i64, i64)| high.saturating_sub(low) < 1 << 30;
        Self { narrow: fits(span(|p| p.x)) && fits(span(|p| p.y)) }
    }

    fn cross(self, a: LatticePoint, b: LatticePoint, c: LatticePoint) -> i128 {
        if self.narrow {
            let (ux, uy) = b.minus(a);
            let (vx, vy) = c.minus(a);
            i128::from(ux * vy - uy * vx)
        } else {
            cross(a, b, c)
        }
    }

    /// Whether the edge lacks the vertex `p`: it passes through the pixel of `p`, which is none of its ends. `turn` is `cross(a, b, p)`.
    fn lacks(edge: Edge, p: LatticePoint, turn: i128) -> bool {
        let (low, high) = if edge.a.y <= edge.b.y { (edge.a.y, edge.b.y) } else { (edge.b.y, edge.a.y) };
        if p.x < edge.a.x || p.x > edge.b.x || p.y < low || p.y > high || p == edge.a || p == edge.b {
            return false;
        }
        // The line's distance function over the four corners of the pixel is 2·turn ± dx ± dy (in half units). Corners on both sides:
        // it passes through. Of lines that only touch a corner, those at the south-west one, which belongs to the pixel, do too.
        let (dx, dy) = edge.b.minus(edge.a);
        let reach = i128::from(dx + dy.abs());
        let twice = 2 * turn;
        twice.abs() < reach || (twice.abs() == reach && twice == i128::from(dx - dy))
    }

    /// The missing vertices of two edges because of each other, and the rounded place where they cross.
    fn meet(
        self,
        (e_at, e): (u32, Edge),
        (f_at, f): (u32, Edge),
        missing: &mut Vec<(u32, LatticePoint)>,
        crossings: &mut Vec<LatticePoint>,
    ) {
        let f_turns = [f.a, f.b].map(|p| self.cross(e.a, e.b, p));
        let e_turns = [e.a, e.b].map(|p| self.cross(f.a, f.b, p));
        for (p, turn) in [f.a, f.b].into_iter().zip(f_turns) {
            if Self::lacks(e, p, turn) {
                missing.push((e_at, p));
            }
        }
        for (p, turn) in [e.a, e.b].into_iter().zip(e_turns) {
            if Self::lacks(f, p, turn) {
                missing.push((f_at, p));
            }
        }
        let opposite = |turns: [i128; 2]| (turns[0] < 0 && turns[1] > 0) || (turns[0] > 0 && turns[1] < 0);
        if opposite(f_turns) && opposite(e_turns) {
            crossings.push(rounded_crossing(e, e_turns));
        }
    }
}

/// The lattice point whose pixel holds the point where `e` crosses another edge; `turns` of its ends seen from that edge.
fn rounded_crossing(e: Edge, turns: [i128; 2]) -> LatticePoint {
    let sign = if turns[0] > turns[1] { 1 } else { -1 };
    let (part, whole) = (sign * turns[0], sign * (turns[0] - turns[1]));
    let (dx, dy) = e.b.minus(e.a);
    // ⌊d · part / whole + ½⌋; 67 bits of part times 33 of d fit.
    let along = |d: i64| (2 * i128::from(d) * part + whole).div_euclid(2 * whole);
    let moved = |from: i32, d: i64| {
        i32::try_from(i128::from(from) + along(d)).expect("a crossing lies within the box of its edges, which are in range")
    };
    LatticePoint::new(moved(e.a.x, dx), moved(e.a.y, dy))
}

/// The vertices that edges lack: `(edge, vertex)`. With `fresh`, only what new edges bring about.
fn find(edges: &[Edge], fresh: Option<&[bool]>) -> Vec<(u32, LatticePoint)> {
    let exact = Exact::among(edges);
    let cells = Cells::of(edges, fresh);
    let (mut missing, mut crossings) = (Vec::new(), Vec::new());
    for bucket in cells.buckets() {
        for (place, &e_at) in bucket.iter().enumerate() {
            let e = edges[e_at as usize];
            let (low, high) = if e.a.y <= e.b.y { (e.a.y, e.b.y) } else { (e.b.y, e.a.y) };
            for &f_at in &bucket[place + 1..] {
                let f = edges[f_at as usize];
                if f.a.x > e.b.x {
                    break; // Buckets are in the order of edges, which is by a.x.
                }
                let apart = (f.a.y > high && f.b.y > high) || (f.a.y < low && f.b.y < low);
                if !apart && fresh.is_none_or(|fresh| fresh[e_at as usize] || fresh[f_at as usize]) {
                    exact.meet((e_at, e), (f_at, f), &mut missing, &mut crossings);
                }
            }
        }
    }
    crossings.sort_unstable();
    crossings.dedup();
    for p in crossings {
        for &at in cells.around(p) {
            let edge = edges[at as usize];
            if Exact::lacks(edge, p, exact.cross(edge.a, edge.b, p)) {
                missing.push((at, p));
            }
        }
    }
    missing
}

/// Edges by square cells of the plane, cells folded into buckets by a hash. Cells are about as large as a mean edge, so there are few
/// entries whatever the extent; the cell of every point whose pixel an edge passes through holds that edge.
struct Cells {
    /// A cell is 2^shift units wide.
    shift: u32,
    mask: u64,
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Cells {
    fn of(edges: &[Edge], fresh: Option<&[bool]>) -> Self {
        let length = |edge: &Edge| {
            let (dx, dy) = edge.b.minus(edge.a);
            (dx + dy.abs()) as u64
        };
        let count = edges.len().max(1) as u64;
        let total: u64 = edges.iter().map(length).sum();
        let shift = (total / count).max(1).ilog2() + 1;
        let buckets = (2 * count).next_power_of_two();
        let mut cells = Self { shift, mask: buckets - 1, starts: Vec::new(), items: Vec::new() };

        // Only cells that a new edge touches can hold anything new.
        let wanted: Option<Vec<bool>> = fresh.map(|fresh| {
            let mut wanted = vec![false; buckets as usize];
            for (edge, _) in edges.iter().zip(fresh).filter(|(_, fresh)| **fresh) {
                cells.each(*edge, |bucket| wanted[bucket] = true);
            }
            wanted
        });
        let wants = |bucket: usize| wanted.as_ref().is_none_or(|wanted| wanted[bucket]);
        let mut starts = vec![0_u32; buckets as usize + 1];
        for edge in edges {
            cells.each(*edge, |bucket| starts[bucket + 1] += u32::from(wants(bucket)));
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut items = vec![0_u32; starts[buckets as usize] as usize];
        let mut ends = starts.clone();
        for (at, edge) in edges.iter().enumerate() {
            cells.each(*edge, |bucket| {
                if wants(bucket) {
                    items[ends[bucket] as usize] = at as u32;
                    ends[bucket] += 1;
                }
            });
        }
        cells.starts = starts;
        cells.items = items;
        cells
    }

    fn cell(&self, v: i64) -> u64 {
        ((v + (1 << 31)) >> self.shift) as u64
    }

    /// Neighbours in y are neighbours in memory: edges come sorted by x.
    fn bucket(&self, cx: u64, cy: u64) -> usize {
        ((cx.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24).wrapping_add(cy) & self.mask) as usize
    }

    /// The buckets of the cells that an edge passes through or comes within a unit of, inside its box. A bucket may be named twice.
    fn each(&self, edge: Edge, mut visit: impl FnMut(usize)) {
        let [ax, ay, bx, by] = [edge.a.x, edge.a.y, edge.b.x, edge.b.y].map(i64::from);
        let (west, east) = (self.cell(ax), self.cell(bx));
        let (south, north) = (self.cell(ay.min(by)), self.cell(ay.max(by)));
        if west == east || south == north || (east - west == 1 && north - south == 1) {
            for cx in west..=east {
                for cy in south..=north {
                    visit(self.bucket(cx, cy));
                }
            }
            return;
        }
        let y_at = |x: i64| ay + (i128::from(by - ay) * i128::from(x - ax)).div_euclid(i128::from(bx - ax)) as i64;
        for cx in west..=east {
            let left = ((cx << self.shift) as i64 - (1 << 31) - 1).max(ax);
            let right = (((cx + 1) << self.shift) as i64 - (1 << 31) + 1).min(bx);
            let (y0, y1) = (y_at(left), y_at(right));
            let low = self.cell((y0.min(y1) - 1).max(ay.min(by)));
            let high = self.cell((y0.max(y1) + 2).min(ay.max(by)));
            for cy in low..=high {
                visit(self.bucket(cx, cy));
            }
        }
    }

    fn buckets(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|pair| &self.items[pair[0] as usize..pair[1] as usize])
    }

    /// The edges in the cell of `p`, with others that share its bucket.
    fn around(&self, p: LatticePoint) -> &[u32] {
        let bucket = self.bucket(self.cell(i64::from(p.x)), self.cell(i64::from(p.y)));
        &self.items[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::lattice::side;
    use proptest::prelude::*;

    fn p(x: i32, y: i32) -> LatticePoint {
        LatticePoint::new(x, y)
    }

    fn edge(from: (i32, i32), to: (i32, i32)) -> Edge {
        Edge::between(p(from.0, from.1), p(to.0, to.1)).expect("two points").0
    }

    /// The twin: every pair, in rationals, without buckets or cross products in 64 bits.
    fn find_slowly(edges: &[Edge], _: Option<&[bool]>) -> Vec<(u32, LatticePoint)> {
        let mut hot: Vec<LatticePoint> = edges.iter().flat_map(|e| [e.a, e.b]).collect();
        for (at, e) in edges.iter().enumerate() {
            for f in &edges[at + 1..] {
                let turns = [side(f.a, f.b, e.a), side(f.a, f.b, e.b), side(e.a, e.b, f.a), side(e.a, e.b, f.b)];
                if turns[0] != turns[1] && turns[2] != turns[3] && turns.iter().all(|turn| turn.is_ne()) {
                    hot.push(rounded_crossing(*f, [cross(e.a, e.b, f.a), cross(e.a, e.b, f.b)]));
                }
            }
        }
        hot.sort_unstable();
        hot.dedup();
        let mut missing = Vec::new();
        for (at, e) in edges.iter().enumerate() {
            missing.extend(hot.iter().filter(|p| **p != e.a && **p != e.b && clips_pixel(*e, **p)).map(|p| (at as u32, *p)));
        }
        missing
    }

    /// Clips the edge to the pixel (Liang, Barsky) in exact fractions of the edge; half-open sides.
    fn clips_pixel(e: Edge, c: LatticePoint) -> bool {
        let (dx, dy) = e.b.minus(e.a);
        let (cx, cy) = c.minus(e.a);
        // Twice the coordinates; t = n / d with d > 0. Low sides closed, high sides open.
        let (mut low, mut high) = ((0_i128, 1_i128, false), (1_i128, 1_i128, false)); // (n, d, open)
        for (d, centre) in [(dx, cx), (dy, cy)] {
            let (d, from, to) = (2 * i128::from(d), 2 * i128::from(centre) - 1, 2 * i128::from(centre) + 1);
            if d == 0 {
                if !(from <= 0 && 0 < to) {
                    return false;
                }
                continue;
            }
            let (enter, leave) = if d > 0 { ((from, d, false), (to, d, true)) } else { ((-to, -d, true), (-from, -d, false)) };
            let less = |l: (i128, i128, bool), r: (i128, i128, bool)| (l.0 * r.1).cmp(&(r.0 * l.1));
            match less(low, enter) {
                std::cmp::Ordering::Less => low = enter,
                std::cmp::Ordering::Equal => low.2 |= enter.2,
                std::cmp::Ordering::Greater => {}
            }
            match less(leave, high) {
                std::cmp::Ordering::Less => high = leave,
                std::cmp::Ordering::Equal => high.2 |= leave.2,
                std::cmp::Ordering::Greater => {}
            }
        }
        match (low.0 * high.1).cmp(&(high.0 * low.1)) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => !low.2 && !high.2,
            std::cmp::Ordering::Greater => false,
        }
    }

    fn assert_noded(edges: &[Edge]) {
        let among = edges.iter().enumerate().flat_map(|(at, e)| edges[at + 1..].iter().map(move |f| (*e, *f)));
        for (e, f) in among {
            let turns = [side(f.a, f.b, e.a), side(f.a, f.b, e.b), side(e.a, e.b, f.a), side(e.a, e.b, f.b)];
            let crosses = turns[0] != turns[1] && turns[2] != turns[3] && turns.iter().all(|turn| turn.is_ne());
            assert!(!crosses, "{e:?} crosses {f:?}");
            for (e, f) in [(e, f), (f, e)] {
                for end in [f.a, f.b] {
                    assert!(end == e.a || end == e.b || !clips_pixel(e, end), "{end:?} lies on {e:?}");
                }
            }
        }
    }

    /// Square of the distance, as an exact fraction.
    fn distance2(e: (LatticePoint, LatticePoint), q: LatticePoint) -> f64 {
        let (dx, dy) = e.1.minus(e.0);
        let turn = cross(e.0, e.1, q) as f64;
        turn * turn / ((dx * dx + dy * dy) as f64)
    }

    fn lines(size: i32, count: usize) -> impl Strategy<Value = Vec<Vec<LatticePoint>>> {
        let point = (-size..=size, -size..=size).prop_map(|(x, y)| p(x, y));
        prop::collection::vec(prop::collection::vec(point, 2..5), 1..count)
    }

    fn check(lines: &[Vec<LatticePoint>]) {
        let given = edges_of(lines);
        let noding = Noding::of(given.clone()).expect("comes to rest");
        let slow = Noding::by(given.clone(), find_slowly).expect("comes to rest");
        assert_eq!(noding.edges, slow.edges);
        assert_noded(&noding.edges);
        assert_eq!(Noding::of(noding.edges.clone()).expect("comes to rest").rounds(), 0, "noding again changes nothing");
        for e in given {
            let chain = noding.line(&[e.a, e.b]);
            assert_eq!((chain.first(), chain.last()), (Some(&e.a), Some(&e.b)));
            let reversed: Vec<LatticePoint> = noding.line(&[e.b, e.a]).into_iter().rev().collect();
            assert_eq!(chain, reversed);
            let reach = (noding.rounds() + 1) as f64;
            assert!(chain.iter().all(|q| distance2((e.a, e.b), *q) <= reach * reach / 2.0), "half a unit each way a round");
            for pair in chain.windows(2) {
                let piece = Edge::between(pair[0], pair[1]).expect("two points").0;
                assert!(noding.edges.binary_search(&piece).is_ok());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn after_noding_nothing_crosses_on_a_crowded_lattice(lines in lines(12, 12)) {
            check(&lines);
        }

        #[test]
        fn after_noding_nothing_crosses_on_a_wide_lattice(lines in lines(100_000, 16)) {
            check(&lines);
        }

        #[test]
        fn after_noding_nothing_crosses_across_the_globe(lines in lines(900_000_000, 12)) {
            check(&lines);
        }
    }

    #[test]
    fn two_edges_that_cross_get_a_common_vertex() {
        let lines = vec![vec![p(0, 0), p(10, 10)], vec![p(0, 10), p(10, 0)]];
        let noded = snap_round(&lines).expect("comes to rest");
        assert_eq!(noded[0], [p(0, 0), p(5, 5), p(10, 10)]);
        assert_eq!(noded[1], [p(0, 10), p(5, 5), p(10, 0)]);
    }

    #[test]
    fn a_vertex_on_or_near_an_edge_becomes_its_vertex() {
        let noding =
            Noding::of(vec![edge((0, 0), (1000, 1)), edge((400, 0), (400, -50)), edge((700, 1), (700, 50))]).expect("rests");
        assert_eq!(noding.line(&[p(1000, 1), p(0, 0)]), [p(1000, 1), p(700, 1), p(400, 0), p(0, 0)]);
    }

    #[test]
    fn a_pixel_owns_its_south_west_corner_and_no_other() {
        // Lines that touch only a corner of the pixel around the origin.
        assert!(clips_pixel(edge((-1, 0), (0, -1)), p(0, 0)));
        assert!(!clips_pixel(edge((-1, 0), (0, 1)), p(0, 0)));
        for (from, to) in [((-1, 0), (0, -1)), ((-1, 0), (0, 1)), ((0, 1), (1, 0)), ((0, -1), (1, 0))] {
            let e = edge(from, to);
            assert_eq!(Exact::lacks(e, p(0, 0), cross(e.a, e.b, p(0, 0))), clips_pixel(e, p(0, 0)), "{e:?}");
        }
    }

    #[test]
    fn overlapping_collinear_edges_share_their_pieces() {
        let noding = Noding::of(vec![edge((0, 0), (9, 0)), edge((3, 0), (12, 0))]).expect("rests");
        assert_eq!(noding.edges, [edge((0, 0), (3, 0)), edge((3, 0), (9, 0)), edge((9, 0), (12, 0))]);
    }
}
