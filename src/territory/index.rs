//! Point → owner in a few memory accesses: a raster over the arcs of a partition.
//!
//! The land is covered by square *blocks* of 2^B lattice units; a block with very many edges, or with many in one corner, is cut
//! into smaller ones. Each block is cut into cells of a size that suits the number of edges in it. All sizes are powers of two of
//! lattice units and all cells are aligned to them, so the cell of a point is a matter of shifts. A cell is
//!
//! * *whole*: no edge touches it, it has one owner (or is outside);
//! * *compact*: up to eight edges that end near the cell, between two to four owners, in 16, 32 or 48 bytes;
//! * *record*: the original end points of the few edges that touch it, with both owners of each;
//! * *long record*: the same for many edges or many owners;
//! * *raster*: it is cut once more.
//!
//! A lookup waits for memory more than for anything else, so what counts is how many cache lines it reads, and from how many in
//! all. A cell is two bytes; a lookup reads the block (these fit a near cache), the cell, and for a third of the points a compact
//! record. In a city of blocks nearly all cells are whole or compact; the last three kinds are for borders between villages far
//! apart and other oddities.
//!
//! # How a record answers, exactly
//!
//! Walk along the row of the point `p`, infinitesimally above it, from the cell's western wall to `p`: every edge that is crossed
//! changes the owner from one side of the edge to the other, so with owners as bit patterns `owner(p) = owner(wall) ^ XOR (left ^
//! right)` over the edges crossed; their order does not matter. Whether an edge is crossed is the sign of a cross product of its
//! *original* end points: integers, no rounding, no clipping. Three things make it work with one number per cell instead of
//! owners along the wall:
//!
//! * an edge west of the wall may be counted too, if it is counted for every row of the cell: the record's `base` cancels it;
//! * an edge that leaves the cell through the western wall and ends within the cell's rows is *extended* beyond its western end,
//!   to all further rows. A line that has left a convex cell does not come back, so the extension lies west of the wall;
//! * an edge that ends north, south or east of the cell needs nothing: there it is never crossed.
//!
//! So no row of the cell begins with another `base` than the others, and extra edges that only come near the cell do no harm.
//! A horizontal edge is never crossed, except its extension, which is taken to fall off to the south.
//!
//! If one of the cross products is zero, `p` may lie on an edge. Every edge through `p` touches its cell, also at a node and when
//! `p` lies on the border of cells; so the least owner beside those edges is the answer.
//!
//! In a compact record end points are counted from the corner of the cell. They lie within 2^14 units of it (180 m), so the cross
//! products fit 32 bits. Between two owners there is nothing to look up: each edge crossed changes one to the other.

mod build;

use super::locate::Located;
use super::partition::{OwnerIx, Partition};
use crate::geom::LatticePoint;
use crate::geom::lattice::on_segment;
use rayon::prelude::*;
use std::hint::select_unpredictable;

/// The index of one partition. Immutable.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// A block is `2^block_shift` units wide and high.
    block_shift: u8,
    /// `x >> block_shift` of the first column and `y >> block_shift` of the first row.
    first: (i32, i32),
    columns: u32,
    rows: u32,
    /// Row by row from the south-west, then those that cut these, and so on.
    blocks: Vec<Block>,
    /// The partition is wider than 2^31 units, so that cross products may need more than 64 bits.
    wide: bool,
}

/// One block: its raster and everything its cells refer to; or the blocks that cut it.
#[derive(Debug, Clone)]
struct Block {
    raster: Raster,
    /// Owners of cells and compact records are counted from this one. When the block is cut, the number of its first inner block.
    first: u32,
    /// Number of the first word of the table of other cells.
    others: u32,
    /// Words, by fours: the cells of `raster` row by row from the south-west, two to a word; then what they refer to; then the
    /// table. Empty when the block is cut.
    quarters: Box<[[u32; 4]]>,
}

impl Block {
    fn is_cut(&self) -> bool {
        self.quarters.is_empty()
    }

    fn words(&self) -> &[u32] {
        self.quarters.as_flattened()
    }

    /// A cell of the block's own raster.
    #[inline]
    fn cell(&self, p: LatticePoint) -> u32 {
        let at = self.raster.cell(p);
        self.words()[at >> 1] >> (16 * (at & 1)) & 0xffff
    }
}

/// A raster of `2^columns × 2^rows` cells of `2^width × 2^height` units (all four numbers are logarithms).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Raster {
    width: u8,
    height: u8,
    columns: u8,
    rows: u8,
}

impl Raster {
    /// The cell that holds a point of this raster.
    #[inline]
    fn cell(self, p: LatticePoint) -> usize {
        let column = (p.x >> self.width) as u32 & ((1 << self.columns) - 1);
        let row = (p.y >> self.height) as u32 & ((1 << self.rows) - 1);
        (row << self.columns | column) as usize
    }

    fn cell_count(self) -> usize {
        1 << (self.columns + self.rows)
    }

    /// A point counted from the south-western corner of its cell.
    #[inline]
    fn within_cell(self, p: LatticePoint) -> (i32, i32) {
        (p.x & ((1 << self.width) - 1), p.y & ((1 << self.height) - 1))
    }
}

/// What a cell of a block is, in 16 bits, by their range:
/// whole: its owner, counted from `Block::first`, all of 13 bits set for outside;
/// node, short and compact: the place of its record in `Block::quarters`, in 13 or 14 bits;
/// other: its place in the table of words, in 14 bits.
mod narrow {
    pub(super) const NODE: u32 = 0x2000;
    pub(super) const SHORT: u32 = 0x4000;
    pub(super) const COMPACT: u32 = 0x8000;
    pub(super) const OTHER: u32 = 0xc000;
    /// The owner that is outside.
    pub(super) const OUTSIDE: u32 = 0x1fff;
    /// Cells that the table of words can hold.
    pub(super) const MAX_OTHERS: usize = 1 << 14;
}

/// What a cell is where 16 bits do not suffice, and in an inner raster, as a word: two bits of kind, then
/// whole: 30 bits of owner, all set for outside;
/// compact: two bits of form, 28 bits of place in `Block::quarters`;
/// raster: 4 bits each of the logarithms of its columns and rows, 22 bits of place in `Block::quarters`;
/// record: 4 bits of its number of edges less one, or all set for a long one; 26 bits of place in `Block::quarters`.
mod wide {
    use super::Raster;

    pub(super) const WHOLE: u32 = 0;
    pub(super) const COMPACT: u32 = 1;
    pub(super) const RASTER: u32 = 2;
    pub(super) const RECORD: u32 = 3;
    pub(super) const PAYLOAD: u32 = (1 << 30) - 1;
    /// Forms of compact records.
    pub(super) const SHORT: u32 = 1 << 28;
    pub(super) const NODE: u32 = 2 << 28;
    pub(super) const PLACE: u32 = (1 << 28) - 1;
    /// Most edges of a record, joints between chains included.
    pub(super) const MAX_EDGES: usize = 15;
    /// Quarters that the place of a raster can count.
    pub(super) const MAX_RASTER: usize = 1 << 22;
    /// Most columns and rows of a raster within a cell, as logarithms.
    pub(super) const MAX_CUTS: u8 = 15;
    /// Quarters that the place of a record can count.
    pub(super) const MAX_RECORD: usize = 1 << 26;

    #[inline]
    pub(super) fn kind(word: u32) -> u32 {
        word >> 30
    }

    /// The raster that cuts a cell of another one, and its place.
    pub(super) fn raster(word: u32, outer: Raster) -> (Raster, usize) {
        let (columns, rows) = ((word >> 26 & 0xf) as u8, (word >> 22 & 0xf) as u8);
        let inner = Raster { width: outer.width - columns, height: outer.height - rows, columns, rows };
        (inner, word as usize & (MAX_RASTER - 1))
    }

    /// Number of edges and place of a record; no number for a long one.
    pub(super) fn record(word: u32) -> (Option<usize>, usize) {
        let edges = (word >> 26 & 0xf) as usize + 1;
        ((edges <= MAX_EDGES).then_some(edges), word as usize & (MAX_RECORD - 1))
    }
}

/// Compact records: edges near the cell, as points with an edge between each and the next. A point is `x` in the low half of a
/// word and `y` in the high one, from the corner of the cell. Points are repeated to fill up. Owners are numbers as in cells of
/// blocks.
///
/// *Short*, one quarter: two owners, three points. *Compact*, two quarters: two owners, seven points. The first owner, in the low
/// half of the word, is the one before any edge is crossed; the top bits over the numbers say which of the edges 1 to 4 are not
/// borders but join two chains.
///
/// *Node*, three quarters: four owners; a word with the sides of each edge, left in two bits and right in two, as places among
/// the owners; nine points. The owners are shuffled so that the one before any edge is crossed comes first; a joint has the same
/// owner on both sides.
mod compact {
    /// Most edges of a short one, joints between chains included.
    pub(super) const SHORT: usize = 2;
    pub(super) const MAX_EDGES: usize = 6;
    pub(super) const NODE_EDGES: usize = 8;
    pub(super) const NODE_OWNERS: usize = 4;
    /// Logarithm of the largest cell, and of how far a point may be from its corner: all differences are under 2^15, so cross
    /// products fit `i32`.
    pub(super) const REACH: u8 = 14;

    /// Which edges are joints, as bits.
    #[inline]
    pub(super) fn joints(owners: u32) -> u32 {
        (owners >> 14 & 3 | owners >> 28 & 0xc) << 1
    }

    /// The word of owners.
    pub(super) fn owners(before: u32, other: u32, joints: u32) -> u32 {
        before | other << 16 | (joints >> 1 & 3) << 14 | (joints >> 3 & 3) << 30
    }
}

/// Most owners of a record. A record of `n` edges is `n` bytes of sides, filled up to a word (an edge's left owner in the low
/// four bits, its right owner in the high four, as places in the table; both equal where two points are not joined); `n + 1`
/// points of two words, an edge between each and the next; and a table of 2, 4, 8 or 16 owners. The table is shuffled so that
/// `base` is 0.
const MAX_OWNERS: usize = 16;

/// Words of one edge in a long record: two end points, left owner, right owner. A long record is the number of edges, the base as
/// an owner's number, and the edges.
const LONG_EDGE: usize = 6;

impl Index {
    /// Builds the index of a partition. Runs on the current rayon pool.
    pub fn build(partition: &Partition) -> Self {
        build::build(partition)
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        let words: usize = self.blocks.iter().map(|block| size_of_val(block.words())).sum();
        self.blocks.capacity() * size_of::<Block>() + words
    }

    /// Who owns a point. Exact; allocates nothing.
    #[inline]
    pub fn locate(&self, p: LatticePoint) -> Located {
        match self.find(p) {
            Some((block, cell)) => self.resolve(block, cell, p),
            None => Located::Outside,
        }
    }

    /// The block and cell that hold a point; `None` when it is beyond all blocks.
    #[inline]
    fn find(&self, p: LatticePoint) -> Option<(&Block, u32)> {
        let column = (p.x >> self.block_shift).wrapping_sub(self.first.0) as u32;
        let row = (p.y >> self.block_shift).wrapping_sub(self.first.1) as u32;
        if column >= self.columns || row >= self.rows {
            return None;
        }
        let mut block = &self.blocks[row as usize * self.columns as usize + column as usize];
        while block.is_cut() {
            block = &self.blocks[block.first as usize + block.raster.cell(p)];
        }
        Some((block, block.cell(p)))
    }

    /// Branches on what the cell is, though that is hard to foretell: while a cell comes from memory, the processor goes on with
    /// the next lookup as if this one were whole, and is right for most. Without branches it waits: 1.6 times as long at 20,000
    /// grids (2026-11, 2 cores).
    #[inline]
    fn resolve(&self, block: &Block, cell: u32, p: LatticePoint) -> Located {
        if cell < narrow::NODE {
            // No edge touches the cell, so none needs testing.
            return inside(block.owner(cell), false);
        }
        let local = block.raster.within_cell(p);
        if cell < narrow::SHORT {
            block.in_node((cell - narrow::NODE) as usize, local)
        } else if cell < narrow::COMPACT {
            block.in_short((cell - narrow::SHORT) as usize, local)
        } else if cell < narrow::OTHER {
            block.in_compact((cell - narrow::COMPACT) as usize, local)
        } else {
            self.in_other(block, (cell - narrow::OTHER) as usize, p)
        }
    }

    #[inline(never)]
    fn in_other(&self, block: &Block, at: usize, p: LatticePoint) -> Located {
        let words = block.words();
        let (mut raster, mut word) = (block.raster, words[block.others as usize + at]);
        if wide::kind(word) == wide::RASTER {
            let (inner, place) = wide::raster(word, raster);
            raster = inner;
            word = words[4 * place + raster.cell(p)];
        }
        let payload = word & wide::PAYLOAD;
        let local = raster.within_cell(p);
        match wide::kind(word) {
            wide::WHOLE if payload == wide::PAYLOAD => Located::Outside,
            wide::WHOLE => inside(OwnerIx(payload), false),
            wide::COMPACT => {
                let place = (payload & wide::PLACE) as usize;
                match payload & !wide::PLACE {
                    wide::NODE => block.in_node(place, local),
                    wide::SHORT => block.in_short(place, local),
                    _ => block.in_compact(place, local),
                }
            }
            _ => {
                let (edges, place) = wide::record(word);
                let record = &words[4 * place..];
                // The western wall of the cell, as seen from the point.
                let west = -i64::from(local.0);
                match edges {
                    None => from_long_record(record, p, west),
                    Some(edges) if self.wide => from_record::<i128>(record, edges, p, west),
                    Some(edges) => from_record::<i64>(record, edges, p, west),
                }
            }
        }
    }

    /// Who owns each of many points, in their order; on all cores of the current rayon pool.
    pub fn locate_many(&self, points: &[LatticePoint]) -> Vec<Located> {
        let mut found = vec![Located::Outside; points.len()];
        if points.len() <= SHARE {
            self.locate_into(points, &mut found);
        } else {
            points.par_chunks(SHARE).zip(found.par_chunks_mut(SHARE)).for_each(|(points, found)| self.locate_into(points, found));
        }
        found
    }

    /// Who owns each of many points, on one core. Works in groups: the memory accesses of one step of all points of a group are
    /// independent of each other, so they overlap. `found` is as long as `points`; allocates nothing.
    pub fn locate_into(&self, points: &[LatticePoint], found: &mut [Located]) {
        for (points, found) in points.chunks(GROUP).zip(found.chunks_mut(GROUP)) {
            self.locate_group(points, found);
        }
    }

    /// At most [`GROUP`] points.
    fn locate_group(&self, points: &[LatticePoint], found: &mut [Located]) {
        let mut cells: [Option<(&Block, u32)>; GROUP] = [None; GROUP];
        for (p, cell) in points.iter().zip(&mut cells) {
            *cell = self.find(*p);
        }
        // Touch the first word of every record before any is read; for a whole cell any word will do. Without branches, which
        // would be foretold wrongly and then wait for the cell.
        let mut touched = 0;
        for (block, cell) in cells.iter().flatten() {
            let place = select_unpredictable(*cell < narrow::SHORT, cell & narrow::OUTSIDE, cell & 0x3fff);
            let place = select_unpredictable(*cell < narrow::NODE, 0, place);
            let place = select_unpredictable(*cell < narrow::OTHER, place, (block.others + place) >> 2);
            touched ^= block.quarters[place as usize][0];
        }
        std::hint::black_box(touched);
        for ((p, cell), found) in points.iter().zip(&cells).zip(found) {
            *found = cell.map_or(Located::Outside, |(block, cell)| self.resolve(block, cell, *p));
        }
    }
}

/// Points whose memory accesses overlap in a batch.
const GROUP: usize = 64;

/// Points that one core takes at a time.
const SHARE: usize = 4096;

#[inline]
fn inside(owner: OwnerIx, on_border: bool) -> Located {
    if owner == OwnerIx::OUTSIDE { Located::Outside } else { Located::Inside { owner, on_border } }
}

impl Block {
    /// The owner that a cell or a compact record names.
    #[inline]
    fn owner(&self, number: u32) -> OwnerIx {
        if number == narrow::OUTSIDE { OwnerIx::OUTSIDE } else { OwnerIx(self.first + number) }
    }

    /// The owner in a short compact record, of a point counted from the corner of its cell.
    #[inline]
    fn in_short(&self, place: usize, p: (i32, i32)) -> Located {
        let [owners, points @ ..] = self.quarters[place];
        self.walk(owners, points, p)
    }

    #[inline]
    fn in_compact(&self, place: usize, p: (i32, i32)) -> Located {
        let [[owners, q0, q1, q2], [q3, q4, q5, q6]] =
            *self.quarters[place..].first_chunk().expect("a compact record is two quarters");
        self.walk(owners, [q0, q1, q2, q3, q4, q5, q6], p)
    }

    #[inline]
    fn walk<const POINTS: usize>(&self, owners: u32, points: [u32; POINTS], p: (i32, i32)) -> Located {
        let joints = if POINTS > compact::SHORT + 1 { compact::joints(owners) } else { 0 };
        let (crossed, on_line) = walk(&points, p);
        let owner = |place: u32| self.owner(owners >> (16 * place) & narrow::OUTSIDE);
        if on_line & !joints != 0 && edges_that_hold(&points, p).any(|k| joints >> k & 1 == 0) {
            return inside(owner(0).min(owner(1)), true);
        }
        inside(owner(parity(crossed & !joints)), false)
    }

    fn in_node(&self, place: usize, p: (i32, i32)) -> Located {
        let node: &[[u32; 4]; 3] = self.quarters[place..].first_chunk().expect("a node is three quarters");
        let [[first, second, sides, _], ..] = *node;
        let points: &[u32; compact::NODE_EDGES + 1] = node.as_flattened()[3..].first_chunk().expect("a node has nine points");
        let owner =
            |place: u32| self.owner((if place & 2 == 0 { first } else { second }) >> (16 * (place & 1)) & narrow::OUTSIDE);
        let (crossed, on_line) = walk(points, p);
        if on_line != 0 {
            let beside = |k: usize| (sides >> (4 * k) & 3, sides >> (4 * k + 2) & 3);
            let holders = edges_that_hold(points, p).map(beside).filter(|(left, right)| left != right);
            if let Some(least) = holders.map(|(left, right)| owner(left).min(owner(right))).min() {
                return inside(least, true);
            }
        }
        let changes =
            (0..compact::NODE_EDGES).fold(0, |changes, k| changes ^ if crossed >> k & 1 == 1 { sides >> (4 * k) } else { 0 });
        inside(owner((changes ^ changes >> 2) & 3), false)
    }
}

/// Walks along the row of the point: which edges are crossed west of it, and on the lines of which it lies, as bits. The same as
/// [`Vertex::crossed`] for each.
#[inline]
fn walk<const POINTS: usize>(points: &[u32; POINTS], p: (i32, i32)) -> (u32, u32) {
    let xs = points.map(|q| i32::from(q as i16));
    let ys = points.map(|q| (q as i32 >> 16) - p.1);
    let (mut crossed, mut on_line) = (0, 0);
    for k in 0..POINTS - 1 {
        let (ax, bx, ay, by) = (xs[k] - p.0, xs[k + 1] - p.0, ys[k], ys[k + 1]);
        // An end west of the cell counts as infinitely low or high, whichever way the edge comes from the other end: its sign is
        // the mask.
        let (a_low, b_low) = (ay <= by & (xs[k] >> 31), by <= ay & (xs[k + 1] >> 31));
        let turn = ax * by - ay * bx;
        crossed |= u32::from((a_low != b_low) & ((turn > 0) == b_low)) << k;
        on_line |= u32::from((turn == 0) & (points[k] != points[k + 1])) << k;
    }
    (crossed, on_line)
}

/// Which edges of a compact record hold the point.
#[cold]
fn edges_that_hold(points: &[u32], (x, y): (i32, i32)) -> impl Iterator<Item = usize> {
    let point = |q: u32| LatticePoint::new(i32::from(q as i16), q as i32 >> 16);
    let holds = move |edge: &[u32]| edge[0] != edge[1] && on_segment(point(edge[0]), point(edge[1]), LatticePoint::new(x, y));
    points.windows(2).enumerate().filter(move |(_, edge)| holds(edge)).map(|(k, _)| k)
}

/// 1 when an odd number of six bits is set. (Not `count_ones`: that is slow code where the kind of processor is not known.)
#[inline]
fn parity(bits: u32) -> u32 {
    let bits = bits ^ bits >> 4;
    let bits = bits ^ bits >> 2;
    (bits ^ bits >> 1) & 1
}

/// A vertex relative to the point asked for.
#[derive(Clone, Copy)]
struct Vertex {
    x: i64,
    y: i64,
    /// Not above the point's row.
    low: bool,
    /// West of the cell.
    beyond: bool,
}

impl Vertex {
    #[inline]
    fn relative([x, y]: [u32; 2], p: LatticePoint, west: i64) -> Self {
        let (x, y) = LatticePoint::new(x as i32, y as i32).minus(p);
        Self { x, y, low: y <= 0, beyond: x < west }
    }

    /// Whether the row of the point crosses the edge `self → b`, or its extension beyond a western end, west of the point; and
    /// whether the point lies on the edge's line.
    #[inline]
    fn crossed<W: Wide>(self, b: Self) -> (bool, bool) {
        // An extended end counts as infinitely low or high, whichever way the edge comes from the other.
        let a_low = if self.beyond { self.y <= b.y } else { self.low };
        let b_low = if b.beyond { b.y <= self.y } else { b.low };
        let turn = W::turn(self.x, self.y, b.x, b.y);
        ((a_low != b_low) & ((turn > 0) == b_low), turn == 0)
    }
}

/// The integer that holds a cross product.
trait Wide {
    /// Sign of `ax·by − ay·bx`: positive when the origin lies left of `a → b`.
    fn turn(ax: i64, ay: i64, bx: i64, by: i64) -> i64;
}

impl Wide for i64 {
    /// Exact while all parts are under 2^31.
    #[inline]
    fn turn(ax: i64, ay: i64, bx: i64, by: i64) -> i64 {
        ax * by - ay * bx
    }
}

impl Wide for i128 {
    #[inline]
    fn turn(ax: i64, ay: i64, bx: i64, by: i64) -> i64 {
        (Self::from(ax) * Self::from(by) - Self::from(ay) * Self::from(bx)).signum() as i64
    }
}

#[inline]
fn from_record<W: Wide>(words: &[u32], edges: usize, p: LatticePoint, west: i64) -> Located {
    let (sides, rest) = words.split_at(edges.div_ceil(4));
    let (points, owners) = rest.split_at(2 * edges + 2);
    let points = points.as_chunks::<2>().0;
    let mut a = Vertex::relative(points[0], p, west);
    let (mut local, mut on_line) = (0, false);
    for (k, point) in points[1..].iter().enumerate() {
        let b = Vertex::relative(*point, p, west);
        let (crossed, zero) = a.crossed::<W>(b);
        let side = sides[k / 4] >> (8 * (k % 4));
        local ^= if crossed { (side ^ side >> 4) & 0xf } else { 0 };
        on_line |= zero;
        a = b;
    }
    if on_line && let Some(owner) = touching(points, sides, owners, p) {
        return inside(owner, true);
    }
    inside(OwnerIx(owners[local as usize]), false)
}

/// The least owner beside the edges of a record that hold `p`.
#[cold]
fn touching(points: &[[u32; 2]], sides: &[u32], owners: &[u32], p: LatticePoint) -> Option<OwnerIx> {
    let point = |[x, y]: [u32; 2]| LatticePoint::new(x as i32, y as i32);
    points
        .windows(2)
        .enumerate()
        .filter_map(|(k, edge)| {
            let side = sides[k / 4] >> (8 * (k % 4));
            let (left, right) = (side & 0xf, side >> 4 & 0xf);
            let touches = left != right && on_segment(point(edge[0]), point(edge[1]), p);
            touches.then(|| OwnerIx(owners[left as usize].min(owners[right as usize])))
        })
        .min()
}

#[cold]
fn from_long_record(words: &[u32], p: LatticePoint, west: i64) -> Located {
    let mut owner = words[1];
    let mut least: Option<OwnerIx> = None;
    for edge in words[2..][..LONG_EDGE * words[0] as usize].as_chunks::<LONG_EDGE>().0 {
        let [ax, ay, bx, by, left, right] = *edge;
        let (crossed, zero) = Vertex::relative([ax, ay], p, west).crossed::<i128>(Vertex::relative([bx, by], p, west));
        owner ^= if crossed { left ^ right } else { 0 };
        let point = |x: u32, y: u32| LatticePoint::new(x as i32, y as i32);
        if zero && on_segment(point(ax, ay), point(bx, by), p) {
            let here = OwnerIx(left.min(right));
            least = Some(least.map_or(here, |found| found.min(here)));
        }
    }
    least.map_or(inside(OwnerIx(owner), false), |least| inside(least, true))
}

#[cfg(test)]
mod tests;
