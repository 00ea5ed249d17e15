//! The faces that noded lines enclose.
//!
//! Half-edge `2e` runs along edge `e` from its lesser to its greater end, `2e + 1` back; each has a face on its left hand. A *walk* is a
//! closed run of half-edges around a face; a bounded face has one walk that turns left around it and one that turns right for each
//! group of lines inside it. Edges with the same face on both sides (dangles, bridges) bound nothing and are dropped.

use super::noding::edges_of;
use super::rings::{assemble, by_direction, inner_point, sort_rings, split_at_touches, with_holes};
use super::{Edge, Noding, TooManyRounds, point_key};
use crate::geom::area::{Area, Polygon, Ring, ring_area2};
use crate::geom::lattice::{LatticePoint, cross};
use std::cmp::Ordering;

/// A bounded face, by its position in [`Arrangement::faces`].
pub type FaceIx = usize;

/// A bounded face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// Its land: one exterior ring, and its holes.
    pub area: Polygon,
    /// A lattice point inside. Slivers may hold none; then it is near.
    pub inner: LatticePoint,
}

/// What lies left of the edges around the whole: the unbounded face.
const OUTSIDE: u32 = u32::MAX;

/// Nodes, edges and faces.
#[derive(Debug, Clone, Default)]
pub struct Arrangement {
    noding: Noding,
    /// Sorted; none has the same face on both sides.
    edges: Vec<Edge>,
    /// The half-edge after each half-edge around its face.
    next: Vec<u32>,
    /// The face on the left of each half-edge, or [`OUTSIDE`].
    face: Vec<u32>,
    /// Whether four or more edges meet where a half-edge begins, so that a walk may pass there twice.
    crowded: Vec<bool>,
    /// A half-edge of each walk, left-turning ones first: walk `f` goes around face `f`.
    walks: Vec<u32>,
    /// Right-turning walks inside each face, as positions in `walks`: `inner_starts[f]..inner_starts[f + 1]`.
    inner: Vec<u32>,
    inner_starts: Vec<u32>,
}

impl Arrangement {
    /// Nodes open lines (a ring repeats its first point at the end) and finds their faces.
    pub fn of_lines(lines: &[Vec<LatticePoint>]) -> Result<Self, TooManyRounds> {
        Noding::of(edges_of(lines)).map(Self::of_noded)
    }

    /// The faces of noded edges.
    pub fn of_noded(noding: Noding) -> Self {
        let mut edges = noding.edges().to_vec();
        let mut graph = Graph::of(&edges);
        // An edge has one face on both sides just when one walk passes it both ways.
        if (0..edges.len()).any(|at| graph.walk_of[2 * at] == graph.walk_of[2 * at + 1]) {
            let mut at = 0;
            edges.retain(|_| {
                at += 1;
                graph.walk_of[2 * at - 2] != graph.walk_of[2 * at - 1]
            });
            graph = Graph::of(&edges);
        }
        Self::of_graph(noding, edges, graph)
    }

    fn of_graph(noding: Noding, edges: Vec<Edge>, graph: Graph) -> Self {
        let mut arrangement = Self { noding, edges, next: graph.next, crowded: graph.crowded, ..Self::default() };
        let turns_left: Vec<bool> = graph.walks.iter().map(|&start| arrangement.walk_turns_left(start)).collect();
        let mut number = vec![0_u32; graph.walks.len()];
        for wanted in [true, false] {
            for (walk, &start) in graph.walks.iter().enumerate().filter(|&(walk, _)| turns_left[walk] == wanted) {
                number[walk] = arrangement.walks.len() as u32;
                arrangement.walks.push(start);
            }
        }
        let face_count = turns_left.iter().filter(|left| **left).count();
        let walk_of: Vec<u32> = graph.walk_of.iter().map(|&walk| number[walk as usize]).collect();
        let holders = arrangement.holders(&walk_of, face_count);
        let mut starts = vec![0_u32; face_count + 1];
        for &face in holders.iter().filter(|face| **face != OUTSIDE) {
            starts[face as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut ends = starts.clone();
        arrangement.inner = vec![0; starts[face_count] as usize];
        for (at, &face) in holders.iter().enumerate().filter(|(_, face)| **face != OUTSIDE) {
            arrangement.inner[ends[face as usize] as usize] = (face_count + at) as u32;
            ends[face as usize] += 1;
        }
        arrangement.inner_starts = starts;
        arrangement.face = walk_of
            .into_iter()
            .map(|walk| if (walk as usize) < face_count { walk } else { holders[walk as usize - face_count] })
            .collect();
        arrangement
    }

    /// The face around each right-turning walk.
    fn holders(&self, walk_of: &[u32], face_count: usize) -> Vec<u32> {
        // The least vertex of each such walk, and the edge right below it: just right of the vertex nothing lies between the two.
        let mut queries: Vec<(LatticePoint, usize)> = self.walks[face_count..]
            .iter()
            .enumerate()
            .map(|(at, &start)| (self.walk(start).map(|half| self.origin(half)).min().unwrap_or_default(), at))
            .collect();
        queries.sort_unstable();
        let mut below: Vec<Option<Edge>> = vec![None; queries.len()];
        let mut below_at = vec![0_usize; queries.len()];
        for (edge_at, &edge) in self.edges.iter().enumerate() {
            let first = queries.partition_point(|(p, _)| p.x < edge.a.x);
            for (at, (p, _)) in queries[first..].iter().enumerate().take_while(|(_, (p, _))| p.x < edge.b.x) {
                let at = first + at;
                if cross(edge.a, edge.b, *p) > 0 && below[at].is_none_or(|other| higher_right_of(edge, other, p.x)) {
                    below[at] = Some(edge);
                    below_at[at] = edge_at;
                }
            }
        }
        // What lies above that edge is a face, or the outside of another group of lines whose least vertex is less: queries are
        // sorted, so that group is settled already.
        let mut holders = vec![OUTSIDE; queries.len()];
        for (at, (_, walk)) in queries.iter().enumerate() {
            if below[at].is_some() {
                let above = walk_of[2 * below_at[at]] as usize;
                holders[*walk] = if above < face_count { above as u32 } else { holders[above - face_count] };
            }
        }
        holders
    }

    /// Number of bounded faces.
    pub fn face_count(&self) -> usize {
        self.inner_starts.len().saturating_sub(1)
    }

    /// How the given edges run through the noded ones.
    pub fn noding(&self) -> &Noding {
        &self.noding
    }

    /// The edges that bound faces: sorted, each once.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The faces on the left and on the right of an edge, walking from its lesser to its greater end; `None` is outside.
    pub fn sides(&self, edge_at: usize) -> [Option<FaceIx>; 2] {
        [2 * edge_at, 2 * edge_at + 1].map(|half| self.face_of(half as u32))
    }

    /// The bounded face on the left of a half-edge that [`Arrangement::spread`] named.
    pub fn face_left_of(&self, half: u32) -> FaceIx {
        self.face[half as usize] as usize
    }

    fn face_of(&self, half: u32) -> Option<FaceIx> {
        let face = self.face[half as usize];
        (face != OUTSIDE).then_some(face as usize)
    }

    /// Every bounded face. Built on each call; costs about as much as copying all rings.
    pub fn faces(&self) -> Vec<Face> {
        (0..self.face_count())
            .map(|face| {
                let area = self.polygon(face);
                let inner = inner_point(&area);
                Face { area, inner }
            })
            .collect()
    }

    /// The land of one face.
    pub fn polygon(&self, face: FaceIx) -> Polygon {
        let mut polygon = Polygon { exterior: Ring::new(), holes: Vec::new() };
        for start in self.walks_of(face) {
            for ring in self.rings(start, |_| true) {
                if ring_area2(&ring) > 0 { polygon.exterior = ring } else { polygon.holes.push(ring) }
            }
        }
        polygon
    }

    /// The faces across the edges of a face, each once, with the edges they share.
    pub fn shared(&self, face: FaceIx) -> Vec<(Option<FaceIx>, Vec<Edge>)> {
        let mut across: Vec<(Option<FaceIx>, Edge)> = self
            .walks_of(face)
            .flat_map(|start| self.walk(start))
            .map(|half| (self.face_of(half ^ 1), self.edges[half as usize / 2]))
            .collect();
        across.sort_unstable();
        across.chunk_by(|l, r| l.0 == r.0).map(|group| (group[0].0, group.iter().map(|&(_, edge)| edge).collect())).collect()
    }

    /// The border of some faces together: the edges with just one of them on a side, and what lies across.
    pub fn border(&self, faces: &[FaceIx]) -> Vec<(Edge, Option<FaceIx>)> {
        self.border_halves(faces).into_iter().map(|half| (self.edges[half as usize / 2], self.face_of(half ^ 1))).collect()
    }

    /// The land of some faces together, in canonical form. Cost: their edges.
    pub fn union(&self, faces: &[FaceIx]) -> Area {
        let pieces: Vec<([LatticePoint; 2], bool)> =
            self.border_halves(faces).into_iter().map(|half| ([self.origin(half), self.origin(half ^ 1)], false)).collect();
        assemble(&pieces.iter().map(|(line, against)| (&line[..], *against)).collect::<Vec<_>>())
    }

    fn border_halves(&self, faces: &[FaceIx]) -> Vec<u32> {
        let mut sorted = faces.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let among = |half: u32| self.face_of(half).is_some_and(|face| sorted.binary_search(&face).is_ok());
        let starts = sorted.iter().flat_map(|&face| self.walks_of(face));
        starts.flat_map(|start| self.walk(start)).filter(|half| !among(half ^ 1)).collect()
    }

    /// The bounded faces that share an edge with a face, and how long the shared border is, in metres.
    pub fn adjacent(&self, face: FaceIx) -> Vec<(FaceIx, f64)> {
        self.shared(face)
            .into_iter()
            .filter_map(|(other, edges)| Some((other?, edges.iter().map(|edge| edge.length_m()).sum())))
            .collect()
    }

    /// How often closed lines among the given ones wind around each face: 1 inside a ring that turns left, −1 inside one that turns
    /// right, sums where they overlap.
    pub fn windings<'r>(&self, rings: impl IntoIterator<Item = &'r [LatticePoint]>) -> Vec<i32> {
        let mut turns = vec![0_i32; self.edges.len()];
        let mut noded = Vec::new();
        for ring in rings {
            for (from, to) in super::noding::closed_pairs(ring) {
                noded.clear();
                noded.push(from);
                self.noding.push_through(from, to, &mut noded);
                for (edge, against) in noded.windows(2).filter_map(|pair| Edge::between(pair[0], pair[1])) {
                    if let Ok(at) = self.edges.binary_search(&edge) {
                        turns[at] += if against { -1 } else { 1 };
                    }
                }
            }
        }
        let mut windings = vec![0_i32; self.face_count()];
        self.spread(|half, from| {
            let turn = turns[half as usize / 2] * if half & 1 == 0 { 1 } else { -1 };
            let face = self.face[half as usize] as usize;
            windings[face] = from.map_or(0, |from| windings[from]) + turn;
        });
        windings
    }

    /// Visits every bounded face once, coming from outside over edges: `visit(half, from)` enters the face left of `half` out of `from`
    /// on its right.
    pub fn spread(&self, mut visit: impl FnMut(u32, Option<FaceIx>)) {
        let mut known = vec![false; self.face_count()];
        let mut queue: Vec<FaceIx> = Vec::new();
        let mut enter = |half: u32, queue: &mut Vec<FaceIx>| {
            if let Some(face) = self.face_of(half).filter(|&face| !known[face]) {
                known[face] = true;
                visit(half, self.face_of(half ^ 1));
                queue.push(face);
            }
        };
        for half in (0..self.face.len() as u32).filter(|half| self.face[*half as usize ^ 1] == OUTSIDE) {
            enter(half, &mut queue);
        }
        while let Some(face) = queue.pop() {
            for start in self.walks_of(face) {
                for half in self.walk(start) {
                    enter(half ^ 1, &mut queue);
                }
            }
        }
    }

    /// The land of each owner: the union of its faces, in canonical form. `owner_of[f]` is the owner of face `f`, if any, below `owners`.
    pub fn areas(&self, owner_of: &[Option<u32>], owners: usize) -> Vec<Area> {
        let owner = |half: u32| self.face_of(half).and_then(|face| owner_of[face]);
        let mut found: Vec<(Vec<Polygon>, Vec<Ring>)> = vec![(Vec::new(), Vec::new()); owners];
        let mut done = vec![false; self.face.len()];
        for start in 0..self.face.len() as u32 {
            let Some(of) = owner(start) else { continue };
            if done[start as usize] || owner(start ^ 1) == Some(of) {
                continue;
            }
            let rings = self.rings(start, |half| {
                let border = owner(half ^ 1) != Some(of);
                done[half as usize] |= border;
                border
            });
            let (polygons, loose) = &mut found[of as usize];
            sort_rings(rings, polygons, loose);
        }
        found.into_iter().map(|(polygons, loose)| with_holes(polygons, loose)).collect()
    }

    fn walks_of(&self, face: FaceIx) -> impl Iterator<Item = u32> {
        let inner = self.inner_starts[face] as usize..self.inner_starts[face + 1] as usize;
        std::iter::once(self.walks[face]).chain(self.inner[inner].iter().map(|&walk| self.walks[walk as usize]))
    }

    fn walk(&self, start: u32) -> impl Iterator<Item = u32> {
        let mut at = Some(start);
        std::iter::from_fn(move || {
            let half = at?;
            at = Some(self.next[half as usize]).filter(|next| *next != start);
            Some(half)
        })
    }

    /// The rings of the walk that starts with `start`, over half-edges that are border; those that are not are passed around.
    fn rings(&self, start: u32, mut is_border: impl FnMut(u32) -> bool) -> Vec<Ring> {
        let (mut points, mut crowded) = (Vec::new(), Vec::new());
        let mut half = start;
        loop {
            if is_border(half) {
                points.push(self.origin(half));
                crowded.push(self.crowded[half as usize]);
                half = self.next[half as usize];
            } else {
                // The next edge around the same node.
                half = self.next[half as usize ^ 1];
            }
            if half == start {
                return split_at_touches(&points, &crowded);
            }
        }
    }

    fn origin(&self, half: u32) -> LatticePoint {
        origin(&self.edges, half)
    }

    fn walk_turns_left(&self, start: u32) -> bool {
        let origin = self.origin(start);
        self.walk(start).map(|half| cross(origin, self.origin(half), self.origin(half ^ 1))).sum::<i128>() > 0
    }
}

fn origin(edges: &[Edge], half: u32) -> LatticePoint {
    let edge = edges[half as usize / 2];
    if half & 1 == 0 { edge.a } else { edge.b }
}

/// Whether `edge` runs above `other` just right of `x`; both span `x` and the two do not cross.
fn higher_right_of(edge: Edge, other: Edge, x: i32) -> bool {
    let line = |e: Edge| {
        let (dx, dy) = e.b.minus(e.a);
        let along = i64::from(x) - i64::from(e.a.x);
        (i128::from(e.a.y) * i128::from(dx) + i128::from(dy) * i128::from(along), i128::from(dx), i128::from(dy))
    };
    let ((y, dx, dy), (other_y, other_dx, other_dy)) = (line(edge), line(other));
    (y * other_dx).cmp(&(other_y * dx)).then_with(|| (dy * other_dx).cmp(&(other_dy * dx))) == Ordering::Greater
}

/// Half-edges linked around faces.
struct Graph {
    next: Vec<u32>,
    crowded: Vec<bool>,
    walk_of: Vec<u32>,
    walks: Vec<u32>,
}

impl Graph {
    /// Links sorted, noded edges.
    fn of(edges: &[Edge]) -> Self {
        let half_count = 2 * edges.len();
        let mut next = vec![0_u32; half_count];
        let mut crowded = vec![false; half_count];
        let mut node: Vec<u32> = Vec::new();
        each_node(edges, |spokes| {
            node.clear();
            node.extend_from_slice(spokes);
            if node.len() > 2 {
                let centre = origin(edges, node[0]);
                node.sort_unstable_by(|&l, &r| by_direction(centre, origin(edges, l ^ 1), origin(edges, r ^ 1)));
            }
            // Arriving on the twin of a spoke, the face on the left goes on along the next spoke clockwise.
            for (at, &spoke) in node.iter().enumerate() {
                next[spoke as usize ^ 1] = node[(at + node.len() - 1) % node.len()];
                crowded[spoke as usize] = node.len() > 3;
            }
        });
        let mut walk_of = vec![u32::MAX; half_count];
        let mut walks = Vec::new();
        for start in 0..half_count as u32 {
            if walk_of[start as usize] != u32::MAX {
                continue;
            }
            let walk = walks.len() as u32;
            walks.push(start);
            let mut half = start;
            while walk_of[half as usize] == u32::MAX {
                walk_of[half as usize] = walk;
                half = next[half as usize];
            }
        }
        Self { next, crowded, walk_of, walks }
    }
}

/// Visits the half-edges that begin at each node, node by node in the order of points. Edges are sorted.
pub(crate) fn each_node(edges: &[Edge], mut visit: impl FnMut(&[u32])) {
    // Half-edges that begin at the lesser end are in order already; the others are sorted and the two merged.
    let mut back: Vec<(u64, u32)> = edges.iter().enumerate().map(|(at, edge)| (point_key(edge.b), 2 * at as u32 + 1)).collect();
    back.sort_unstable();
    let mut back = back.into_iter().peekable();
    let mut ahead = edges.iter().enumerate().map(|(at, edge)| (point_key(edge.a), 2 * at as u32)).peekable();
    let mut node = Vec::new();
    loop {
        let here = match (back.peek(), ahead.peek()) {
            (Some(l), Some(r)) => l.0.min(r.0),
            (Some(one), None) | (None, Some(one)) => one.0,
            (None, None) => return,
        };
        node.clear();
        while let Some((_, half)) = back.next_if(|(key, _)| *key == here) {
            node.push(half);
        }
        while let Some((_, half)) = ahead.next_if(|(key, _)| *key == here) {
            node.push(half);
        }
        visit(&node);
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring_holds_midpoint;
    use super::*;
    use proptest::prelude::*;

    fn line(points: &[(i32, i32)]) -> Vec<LatticePoint> {
        points.iter().map(|&(x, y)| LatticePoint::new(x, y)).collect()
    }

    fn square(x: i32, y: i32, size: i32) -> Vec<LatticePoint> {
        line(&[(x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y)])
    }

    fn area2(polygon: &Polygon) -> i128 {
        std::iter::once(&polygon.exterior).chain(&polygon.holes).map(|ring| ring_area2(ring)).sum()
    }

    #[test]
    fn a_cross_in_a_square_makes_four_faces() {
        let lines = [square(0, 0, 10), line(&[(0, 5), (10, 5)]), line(&[(5, 0), (5, 10)])];
        let arrangement = Arrangement::of_lines(&lines).expect("rests");
        let faces = arrangement.faces();
        assert_eq!(faces.len(), 4);
        assert!(faces.iter().all(|face| area2(&face.area) == 50));
        assert!((0..4).all(|face| arrangement.adjacent(face).len() == 2));
    }

    #[test]
    fn dangles_and_bridges_bound_nothing() {
        // Two squares, one in the other, joined by a bridge; a dangle within and one without.
        let lines = [
            square(0, 0, 20),
            square(5, 5, 5),
            line(&[(0, 0), (5, 5)]),
            line(&[(15, 20), (15, 13)]),
            line(&[(20, 20), (30, 30), (31, 20)]),
        ];
        let arrangement = Arrangement::of_lines(&lines).expect("rests");
        let faces = arrangement.faces();
        assert_eq!(faces.len(), 2);
        let ring = faces.iter().find(|face| !face.area.holes.is_empty()).expect("the one around");
        assert_eq!((area2(&ring.area), ring.area.holes.len()), (2 * (400 - 25), 1));
    }

    #[test]
    fn a_hole_that_touches_the_exterior_is_a_ring_of_its_own() {
        let lines = [square(0, 0, 20), line(&[(0, 10), (5, 5), (8, 10), (5, 15), (0, 10)])];
        let arrangement = Arrangement::of_lines(&lines).expect("rests");
        let around = arrangement.faces().into_iter().find(|face| face.area.exterior.len() > 4).expect("the one around");
        assert_eq!((around.area.exterior.len(), around.area.holes.len()), (5, 1));
    }

    #[test]
    fn windings_tell_the_land_from_the_lake() {
        let land = square(0, 0, 20);
        let mut lake = square(5, 5, 5);
        lake.reverse();
        let street = line(&[(-5, 12), (25, 12)]);
        let arrangement = Arrangement::of_lines(&[land.clone(), lake.clone(), street]).expect("rests");
        let windings = arrangement.windings([&land[1..], &lake[1..]]);
        let faces = arrangement.faces();
        assert_eq!(faces.len(), 3);
        for (face, winding) in faces.iter().zip(windings) {
            assert_eq!(winding, i32::from(area2(&face.area) != 2 * 25));
        }
    }

    #[test]
    fn islands_in_lakes_on_islands_know_their_place() {
        let lines: Vec<_> = (0..6).map(|at| square(at * 10, at * 10, 120 - at * 20)).collect();
        let arrangement = Arrangement::of_lines(&lines).expect("rests");
        let faces = arrangement.faces();
        assert_eq!(faces.len(), 6);
        assert_eq!(faces.iter().filter(|face| face.area.holes.len() == 1).count(), 5);
        // Every other ring is land of one owner.
        let windings = arrangement.windings(lines.iter().map(|ring| &ring[1..]));
        let owner_of: Vec<Option<u32>> = windings.iter().map(|winding| (winding % 2 == 1).then_some(0)).collect();
        let area = arrangement.areas(&owner_of, 1).pop().expect("one");
        assert_eq!(area.polygons().len(), 3);
        assert!(area.polygons().iter().all(|polygon| polygon.holes.len() == 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn faces_fill_what_the_lines_enclose_and_unions_keep_their_area(
            lines in prop::collection::vec(prop::collection::vec((0..40_i32, 0..40_i32), 3..7), 1..8),
            pick in any::<u64>(),
        ) {
            let lines: Vec<Vec<LatticePoint>> = lines
                .iter()
                .map(|ring| line(ring))
                .map(|mut ring| { ring.push(ring[0]); ring })
                .collect();
            let arrangement = Arrangement::of_lines(&lines).expect("rests");
            let faces = arrangement.faces();
            prop_assert!(faces.iter().all(|face| area2(&face.area) > 0 && face.area.holes.iter().all(|hole| ring_area2(hole) < 0)));
            for face in &faces {
                for ring in std::iter::once(&face.area.exterior).chain(&face.area.holes) {
                    let mut points = ring.clone();
                    points.sort_unstable();
                    points.dedup();
                    prop_assert_eq!(points.len(), ring.len());
                }
            }
            // Each ring's signed area is the sum of its windings over the faces.
            for ring in &lines {
                let windings = arrangement.windings([&ring[1..]]);
                let sum: i128 = faces.iter().zip(&windings).map(|(face, winding)| area2(&face.area) * i128::from(*winding)).sum();
                let noded = arrangement.noding().line(ring);
                prop_assert_eq!(sum, ring_area2(&noded));
            }
            // Two owners at random: their areas are those of their faces, and nothing is left inside holes by mistake.
            let owner_of: Vec<Option<u32>> = (0..faces.len()).map(|face| Some((pick >> (face % 64)) as u32 & 1)).collect();
            let areas = arrangement.areas(&owner_of, 2);
            for (owner, area) in areas.iter().enumerate() {
                let whole: i128 = area.polygons().iter().map(area2).sum();
                let parts: i128 = faces.iter().zip(&owner_of).filter(|(_, of)| **of == Some(owner as u32)).map(|(face, _)| area2(&face.area)).sum();
                prop_assert_eq!(whole, parts);
                let own: Vec<FaceIx> = (0..faces.len()).filter(|face| owner_of[*face] == Some(owner as u32)).collect();
                prop_assert_eq!(&arrangement.union(&own), area);
                // The same from its border edges alone, in any order.
                let mut pieces: Vec<([LatticePoint; 2], bool)> = Vec::new();
                for (at, edge) in arrangement.edges().iter().enumerate() {
                    let [left, right] = arrangement.sides(at).map(|face| face.and_then(|face| owner_of[face]) == Some(owner as u32));
                    if left != right {
                        pieces.push(([edge.a(), edge.b()], right));
                    }
                }
                let pieces: Vec<(&[LatticePoint], bool)> = pieces.iter().map(|(line, against)| (&line[..], *against)).collect();
                prop_assert_eq!(&assemble(&pieces), area);
                for polygon in area.polygons() {
                    for hole in &polygon.holes {
                        prop_assert!(ring_holds_midpoint(&polygon.exterior, hole[0], hole[1]));
                    }
                }
            }
        }
    }
}
