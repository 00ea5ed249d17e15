//! The lines of all zooms that show the same levels: arcs merged, projected and simplified. Lines that are the same in the next
//! territory are shared with it.
//!
//! Simplifying a line looks at its own vertices and at those of other lines within its box. So of the next territory's lines
//! those are made anew that are new, and those within whose boxes a line came or went; all others are as they were.

use super::Feature;
use crate::geom::LatticePoint;
use crate::geom::mercator::{MercatorPoint, morton, project_line};
use crate::geom::packed::{Bounds, PackedBoxes};
use crate::geom::simplify::{Coverage, Simplified, kept_apart};
use crate::territory::Territory;
use crate::territory::partition::{Owner, OwnerIx};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// The zooms of a band and the levels they show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BandOf {
    pub(super) first: u8,
    pub(super) last: u8,
    pub(super) levels: Vec<usize>,
}

/// The simplified lines of a band, near on the map, near in the list.
#[derive(Debug)]
pub(super) struct Band {
    lines: Vec<Arc<BandLine>>,
    /// Whether a line keeps the vertex that went last for the sake of another line between the same two nodes.
    apart: Vec<bool>,
    /// What lies on the left and on the right of each line, in a plane whose `y` grows up.
    pub(super) sides: Vec<[Option<Feature>; 2]>,
    /// Over the boxes of all lines.
    tree: PackedBoxes,
}

/// A simplified line.
#[derive(Debug, PartialEq)]
struct BandLine {
    /// Hash of its lattice points: what it is, whatever is beside it.
    key: u128,
    /// The order in the band: Morton number of its middle, first point, last point.
    place: (u64, MercatorPoint, MercatorPoint),
    /// Around all its points.
    bounds: Bounds,
    /// It has no points but its ends.
    straight: bool,
    /// The points that a zoom of the band draws, and the one that went last.
    points: Box<[MercatorPoint]>,
    /// The first zoom that draws each point.
    first_zooms: Box<[u8]>,
    /// The point that went last, if all went.
    last: Option<u32>,
}

/// For each line of a band the same line of the one before, if it is simplified alike.
pub(super) type Taken = Vec<Option<u32>>;

impl Band {
    /// The band of a territory, with what it can take over from the same band of the territory before.
    pub(super) fn new(territory: &Territory, of: &BandOf, before: Option<&Self>) -> Self {
        let chains = chains(territory, &of.levels);
        let keys: Vec<u128> = in_parallel(chains.len(), 1024, |range| chains[range].iter().map(|chain| chain.key()).collect());
        let known: HashMap<u128, &Arc<BandLine>, Hashed> =
            before.into_iter().flat_map(|band| &band.lines).map(|line| (line.key, line)).collect();
        let found: Vec<Option<&Arc<BandLine>>> = keys.iter().map(|key| known.get(key).copied()).collect();

        // Lines that are projected: at first those that are new.
        let mut points: Vec<Vec<MercatorPoint>> = in_parallel(chains.len(), 1024, |range| {
            let project = |at: usize| if found[at].is_none() { project_line(&chains[at].points) } else { vec![] };
            range.map(project).collect()
        });
        let bounds_at = |at: usize| found[at].map_or_else(|| bounds_of(&points[at]), |line| line.bounds);
        let boxes = PackedBoxes::new((0..chains.len()).map(bounds_at).collect());
        let new: Vec<usize> = (0..chains.len()).filter(|at| found[*at].is_none()).collect();
        let (redone, near) = if new.len() == chains.len() {
            (new.clone(), new)
        } else {
            let staying: HashSet<u128, Hashed> = keys.iter().copied().collect();
            let gone = known.iter().filter(|(key, _)| !staying.contains(*key)).map(|(_, line)| line.bounds);
            let came = new.iter().map(|at| boxes.bounds(*at));
            let redone = meeting(&boxes, gone.chain(came), 0);
            let near = meeting(&boxes, redone.iter().map(|at| boxes.bounds(*at)), 0);
            (redone, near)
        };
        for at in &near {
            if found[*at].is_some() {
                points[*at] = project_line(&chains[*at].points);
            }
        }
        let near_points: Vec<&[MercatorPoint]> = near.iter().map(|at| points[*at].as_slice()).collect();
        let coverage = Coverage::new(&near_points);
        let simplified: Vec<Simplified> = in_parallel(redone.len(), 64, |range| {
            let place = |at: usize| near.binary_search(&at).expect("a line meets its own box");
            redone[range].iter().map(|at| coverage.simplified(place(*at), of.first)).collect()
        });
        let mut lines: Vec<Option<Arc<BandLine>>> = found.iter().map(|line| line.cloned()).collect();
        for (at, simplified) in redone.into_iter().zip(simplified) {
            let line = BandLine::new(keys[at], boxes.bounds(at), &points[at], &simplified, of.last);
            // One that comes out the same stays the same.
            if lines[at].as_deref() != Some(&line) {
                lines[at] = Some(Arc::new(line));
            }
        }
        let lines = lines.into_iter().map(|line| line.expect("what is new is made"));
        let mut lines: Vec<(Arc<BandLine>, [Option<Feature>; 2])> = lines.zip(chains.iter().map(|chain| chain.sides)).collect();
        lines.sort_by_key(|(one, _)| (one.place, one.key));
        let (lines, sides): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
        Self::of(lines, sides)
    }

    fn of(lines: Vec<Arc<BandLine>>, sides: Vec<[Option<Feature>; 2]>) -> Self {
        let mut apart = vec![false; lines.len()];
        for line in kept_apart(lines.iter().map(|line| (line.place.1, line.place.2, (!line.straight, line.key)))) {
            apart[line] = lines[line].last.is_some();
        }
        let tree = PackedBoxes::new(lines.iter().map(|line| line.bounds).collect());
        Self { lines, apart, sides, tree }
    }

    pub(super) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The points of a line that `zoom` draws.
    pub(super) fn kept_line(&self, line: usize, zoom: u8) -> impl Iterator<Item = MercatorPoint> {
        let BandLine { points, first_zooms, last, .. } = &*self.lines[line];
        let last = last.filter(|_| self.apart[line]).map_or(usize::MAX, |last| last as usize);
        let drawn = points.iter().zip(first_zooms).enumerate().filter(move |(at, (_, first))| **first <= zoom || *at == last);
        drawn.map(|(_, (point, _))| *point)
    }

    /// The points of each line that `zoom` draws.
    pub(super) fn kept(&self, zoom: u8) -> Vec<Vec<MercatorPoint>> {
        in_parallel(self.line_count(), 1024, |range| range.map(|line| self.kept_line(line, zoom).collect()).collect())
    }

    /// For each line of `next` the same one here.
    pub(super) fn taken(&self, next: &Self) -> Taken {
        let known: HashMap<u128, u32, Hashed> = self.lines.iter().zip(0..).map(|(line, at)| (line.key, at)).collect();
        next.lines.iter().map(|line| known.get(&line.key).copied()).collect()
    }

    /// Whether every zoom draws the same of a line here and of one of another band.
    pub(super) fn draws_like(&self, line: usize, other: &Self, other_line: usize) -> bool {
        Arc::ptr_eq(&self.lines[line], &other.lines[other_line]) && self.apart[line] == other.apart[other_line]
    }

    /// Whether `next`, of whose lines `taken` are here, is the same all through.
    pub(super) fn draws_all_like(&self, next: &Self, taken: &Taken) -> bool {
        let in_place =
            |(at, taken): (usize, &Option<u32>)| taken.is_some_and(|taken| taken as usize == at) && self.draws_like(at, next, at);
        self.lines.len() == next.lines.len() && self.sides == next.sides && taken.iter().enumerate().all(in_place)
    }

    /// The box of a line.
    pub(super) fn bounds(&self, line: usize) -> Bounds {
        self.lines[line].bounds
    }

    /// The lines, sorted, whose boxes come as near as `margin` to one of these.
    pub(super) fn lines_near(&self, these: impl Iterator<Item = Bounds>, margin: i32) -> Vec<usize> {
        meeting(&self.tree, these, margin)
    }
}

impl BandLine {
    fn new(key: u128, bounds: Bounds, line: &[MercatorPoint], simplified: &Simplified, last_zoom: u8) -> Self {
        let middle = |axis: usize| ((i64::from(bounds.min[axis]) + i64::from(bounds.max[axis])) / 2) as i32;
        let middle = MercatorPoint::new(middle(0), middle(1));
        let kept = |at: &usize| simplified.first_zooms[*at] <= last_zoom || simplified.last == Some(*at);
        let kept: Vec<usize> = (0..line.len()).filter(kept).collect();
        Self {
            key,
            place: (morton(middle), line[0], line[line.len() - 1]),
            bounds,
            straight: line.len() == 2,
            points: kept.iter().map(|at| line[*at]).collect(),
            first_zooms: kept.iter().map(|at| simplified.first_zooms[*at]).collect(),
            last: simplified.last.and_then(|last| kept.binary_search(&last).ok()).map(|last| last as u32),
        }
    }
}

fn bounds_of(points: &[MercatorPoint]) -> Bounds {
    Bounds::around(points.iter().map(|p| [p.x, p.y]))
}

/// The items of a tree, sorted, whose boxes come as near as `margin` to one of these.
fn meeting(tree: &PackedBoxes, these: impl Iterator<Item = Bounds>, margin: i32) -> Vec<usize> {
    let mut met = vec![];
    for bounds in these {
        let wide = bounds.grown(margin);
        tree.visit(
            |other| other.meets(&wide),
            |item| {
                met.push(item);
                true
            },
        );
    }
    met.sort_unstable();
    met.dedup();
    met
}

/// A border between two features, from node to node or closed.
struct Chain {
    points: Vec<LatticePoint>,
    sides: [Option<Feature>; 2],
}

impl Chain {
    fn reverse(&mut self) {
        self.points.reverse();
        self.sides.reverse();
    }

    fn key(&self) -> u128 {
        let bytes: Vec<u8> = self.points.iter().flat_map(|p| [p.x.to_le_bytes(), p.y.to_le_bytes()]).flatten().collect();
        xxh3_128(&bytes)
    }
}

/// A part of a border as the partition has it.
struct Piece<'a> {
    points: &'a [LatticePoint],
    sides: [Option<Feature>; 2],
    used: bool,
}

impl Piece<'_> {
    fn ends(&self) -> [LatticePoint; 2] {
        [self.points[0], self.points[self.points.len() - 1]]
    }

    /// Appends it to a chain that ends where it begins or ends.
    fn append(&mut self, chain: &mut Chain) {
        self.used = true;
        let end = chain.points[chain.points.len() - 1];
        let sides = if self.points[0] == end {
            chain.points.extend_from_slice(&self.points[1..]);
            self.sides
        } else {
            chain.points.extend(self.points.iter().rev().skip(1));
            [self.sides[1], self.sides[0]]
        };
        debug_assert_eq!(sides, chain.sides, "only two lines meet, so both have the same two features beside them");
    }
}

/// How many pieces end at a point, and two of them.
#[derive(Default)]
struct Meeting {
    count: u32,
    pieces: [u32; 2],
}

type Meetings = HashMap<LatticePoint, Meeting, Hashed>;

/// The lines between what some levels show. Pieces are joined at points where only two of them end, and brought into canonical
/// direction, so that the result depends on the borders alone and not on how they came in pieces.
fn chains(territory: &Territory, levels: &[usize]) -> Vec<Chain> {
    let shown = |feature: Feature| territory.upward(feature).find(|above| levels.contains(&territory.level_of(*above)));
    let of_owner = |owner: &Owner| match owner {
        Owner::Grid(ix) => shown(Feature::Grid(*ix)),
        Owner::Region(ix) => shown(Feature::Region(*ix)),
        Owner::Void(_) => None,
    };
    let faces: Vec<Option<Feature>> = territory.partition.owners.iter().map(of_owner).collect();
    let face = |owner: OwnerIx| owner.at().and_then(|at| faces[at]);
    let pieces = territory.partition.arcs().map(|arc| Piece {
        points: &arc.points,
        sides: [face(arc.left), face(arc.right)],
        used: false,
    });
    let mut pieces: Vec<Piece<'_>> = pieces.filter(|piece| piece.sides[0] != piece.sides[1]).collect();
    let mut meetings = Meetings::with_capacity_and_hasher(pieces.len(), Hashed::default());
    for (at, piece) in pieces.iter().enumerate() {
        for end in piece.ends() {
            let meeting = meetings.entry(end).or_default();
            if let Some(place) = meeting.pieces.get_mut(meeting.count as usize) {
                *place = at as u32;
            }
            meeting.count += 1;
        }
    }
    let is_node = |p: LatticePoint| meetings[&p].count != 2;
    let mut chains = vec![];
    // First from real nodes, then what is left: closed lines.
    for only_nodes in [true, false] {
        for at in 0..pieces.len() {
            let piece = &mut pieces[at];
            let [first, last] = piece.ends();
            if piece.used || only_nodes && !is_node(first) && !is_node(last) {
                continue;
            }
            piece.used = true;
            let mut chain = Chain { points: piece.points.to_vec(), sides: piece.sides };
            if only_nodes && !is_node(first) {
                chain.reverse();
            }
            loop {
                let end = chain.points[chain.points.len() - 1];
                if is_node(end) || end == chain.points[0] {
                    break;
                }
                let Some(next) = meetings[&end].pieces.into_iter().find(|next| !pieces[*next as usize].used) else { break };
                pieces[next as usize].append(&mut chain);
            }
            canonical(&mut chain, &is_node);
            chains.push(chain);
        }
    }
    chains
}

/// Of the two readings the lesser; a closed line without a node starts at its least point.
fn canonical(chain: &mut Chain, is_node: &impl Fn(LatticePoint) -> bool) {
    let points = &mut chain.points;
    if points[0] == points[points.len() - 1] && !is_node(points[0]) {
        points.pop();
        let least = points.iter().enumerate().min_by_key(|(_, p)| **p).map_or(0, |(at, _)| at);
        points.rotate_left(least);
        points.push(points[0]);
    }
    if chain.points.iter().rev().lt(chain.points.iter()) {
        chain.reverse();
    }
}

/// For keys that nobody chooses to do harm: places, and hashes.
type Hashed = BuildHasherDefault<Mix>;

#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_i32(&mut self, value: i32) {
        self.write_u64(u64::from(value as u32));
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    fn write_u128(&mut self, value: u128) {
        self.0 ^= value as u64;
    }
}

/// Runs `work` on even ranges of `0..count`, one a core, and joins the results; on one core when there are fewer than `grain` for
/// each. Threads of its own and not rayon's: this runs inside `get_or_init`, and a rayon thread that waits may take up another
/// tile, which then waits for the very same cell.
pub(crate) fn in_parallel<T: Send>(count: usize, grain: usize, work: impl Fn(std::ops::Range<usize>) -> Vec<T> + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count / grain + 1);
    let range = |thread: usize| count * thread / threads..count * (thread + 1) / threads;
    if threads == 1 {
        return work(range(0));
    }
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || work(range(thread)))).collect();
        let mut all = work(range(0));
        for other in others {
            match other.join() {
                Ok(part) => all.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}
