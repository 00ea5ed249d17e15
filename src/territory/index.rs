//! Point → owner in a few memory accesses: a raster over the arcs of a partition, at most three levels deep.
//!
//! The land is covered by square *blocks* of 2^B lattice units; each block is cut into cells of a size that suits the number of edges
//! in it; a cell with many edges is cut once more. All sizes are powers of two of lattice units and all cells are aligned to them, so
//! the cell of a point is a matter of shifts. A cell is one word:
//!
//! * *whole*: no edge touches it; the word is its owner (or outside);
//! * *raster*: it is cut once more;
//! * *record*: the original end points of the few edges that touch it, with both owners of each;
//! * *long record*: the same for many edges or many owners, without the compact form. The last resort.
//!
//! # How a record answers, exactly
//!
//! Walk along the row of the point `p`, infinitesimally above it, from the cell's western wall to `p`: every edge that is crossed changes the
//! owner from one side of the edge to the other, so with owners as bit patterns `owner(p) = owner(wall) ^ XOR (left ^ right)` over the
//! edges crossed; their order does not matter. Whether an edge is crossed is the sign of a cross product of its *original* end points:
//! integers, no rounding, no clipping. Three things make it work with one number per cell instead of owners along the wall:
//!
//! * an edge west of the wall may be counted too, if it is counted for every row of the cell: the record's `base` cancels it;
//! * an edge that leaves the cell through the western wall and ends within the cell's rows is *extended* beyond its western end,
//!   to all further rows. A line that has left a convex cell does not come back, so the extension lies west of the wall;
//! * an edge that ends north, south or east of the cell needs nothing: there it is never crossed.
//!
//! So no row of the cell begins with another `base` than the others, and extra edges that only come near the cell do no harm.
//! A horizontal edge is never crossed, except its extension, which is taken to fall off to the south.
//!
//! If one of the cross products is zero, `p` may lie on an edge. Every edge through `p` touches its cell, also at a node and when `p` lies on
//! the border of cells; so the least owner beside those edges is the answer.

mod build;

use super::locate::Located;
use super::partition::{OwnerIx, Partition};
use crate::geom::LatticePoint;
use rayon::prelude::*;

/// The index of one partition. Immutable.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// A block is `2^block_shift` units wide and high.
    block_shift: u8,
    /// `x >> block_shift` of the first column and `y >> block_shift` of the first row.
    first: (i32, i32),
    columns: u32,
    rows: u32,
    /// Row by row from the south-west.
    blocks: Vec<Block>,
    /// The partition is wider than 2^31 units, so that cross products may need more than 64 bits.
    wide: bool,
}

/// One block: its raster, and everything its cells refer to.
#[derive(Debug, Clone)]
struct Block {
    raster: Raster,
    /// The cells of `raster` row by row from the south-west, then records and rasters.
    words: Box<[u32]>,
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

    fn to_word(self) -> u32 {
        u32::from_le_bytes([self.width, self.height, self.columns, self.rows])
    }

    #[inline]
    fn from_word(word: u32) -> Self {
        let [width, height, columns, rows] = word.to_le_bytes();
        Self { width, height, columns, rows }
    }
}

/// What a cell is, as a word: two bits of kind, then
/// whole: 30 bits of owner, all set for outside;
/// record: 4 bits of its number of edges less one, 26 bits of its place in `Block::words` in pairs of words;
/// raster and long record: 30 bits of place in pairs of words.
mod cell {
    pub(super) const WHOLE: u32 = 0;
    pub(super) const RECORD: u32 = 1;
    pub(super) const RASTER: u32 = 2;
    pub(super) const LONG: u32 = 3;
    pub(super) const PAYLOAD: u32 = (1 << 30) - 1;
    /// Most edges of a record, joints between chains included.
    pub(super) const MAX_EDGES: usize = 16;
    /// Pairs of words that a record's place can count.
    pub(super) const MAX_PAIRS: usize = 1 << 26;

    #[inline]
    pub(super) fn kind(word: u32) -> u32 {
        word >> 30
    }

    /// Number of edges and place of a record.
    #[inline]
    pub(super) fn record(word: u32) -> (usize, usize) {
        ((word >> 26 & 0xf) as usize + 1, 2 * (word as usize & (MAX_PAIRS - 1)))
    }

    /// Place of a raster or long record.
    #[inline]
    pub(super) fn place(word: u32) -> usize {
        2 * (word & PAYLOAD) as usize
    }
}

/// Most owners of a record. A record of `n` edges is `n` bytes of sides, filled up to a word (an edge's left owner in the low four bits, its
/// right owner in the high four, as places in the table; both equal where two points are not joined); `n + 1` points of two words, an edge
/// between each and the next; and a table of 2, 4, 8 or 16 owners. The table is shuffled so that `base` is 0.
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
        self.blocks.capacity() * size_of::<Block>() + self.blocks.iter().map(|block| 4 * block.words.len()).sum::<usize>()
    }

    /// Who owns a point. Exact; allocates nothing.
    #[inline]
    pub fn locate(&self, p: LatticePoint) -> Located {
        match self.find(p) {
            Some((block, raster, word)) => self.resolve(block, raster, word, p),
            None => Located::Outside,
        }
    }

    /// The block, raster and cell that hold a point; `None` when it is beyond all blocks. The cell is not a raster.
    #[inline]
    fn find(&self, p: LatticePoint) -> Option<(&Block, Raster, u32)> {
        let column = (p.x >> self.block_shift).wrapping_sub(self.first.0) as u32;
        let row = (p.y >> self.block_shift).wrapping_sub(self.first.1) as u32;
        if column >= self.columns || row >= self.rows {
            return None;
        }
        let block = &self.blocks[row as usize * self.columns as usize + column as usize];
        let mut raster = block.raster;
        let mut word = block.words[raster.cell(p)];
        if cell::kind(word) == cell::RASTER {
            let inner = &block.words[cell::place(word)..];
            raster = Raster::from_word(inner[0]);
            word = inner[1 + raster.cell(p)];
        }
        Some((block, raster, word))
    }

    #[inline]
    fn resolve(&self, block: &Block, raster: Raster, word: u32, p: LatticePoint) -> Located {
        let kind = cell::kind(word);
        if kind == cell::WHOLE {
            // No edge touches the cell, so none needs testing.
            return whole(word);
        }
        // The western wall of the cell, as seen from the point.
        let west = -i64::from(p.x & ((1 << raster.width) - 1));
        if kind == cell::LONG {
            return from_long_record(&block.words[cell::place(word)..], p, west);
        }
        let (edges, at) = cell::record(word);
        if self.wide {
            from_record::<i128>(&block.words[at..], edges, p, west)
        } else {
            from_record::<i64>(&block.words[at..], edges, p, west)
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
        let mut cells: [Option<(&Block, Raster, u32)>; GROUP] = [None; GROUP];
        for (p, cell) in points.iter().zip(&mut cells) {
            *cell = self.find(*p);
        }
        // Touch the first word of every record before any is read.
        let mut headers = 0;
        for (block, _, word) in cells.iter().flatten() {
            headers ^= if cell::kind(*word) == cell::RECORD { block.words[cell::record(*word).1] } else { 0 };
        }
        std::hint::black_box(headers);
        for ((p, cell), found) in points.iter().zip(&cells).zip(found) {
            if let Some((block, raster, word)) = *cell {
                *found = self.resolve(block, raster, word, *p);
            }
        }
    }
}

/// Points whose memory accesses overlap in a batch.
const GROUP: usize = 32;

/// Points that one core takes at a time.
const SHARE: usize = 4096;

#[inline]
fn whole(word: u32) -> Located {
    if word & cell::PAYLOAD == cell::PAYLOAD {
        Located::Outside
    } else {
        Located::Inside { owner: OwnerIx(word & cell::PAYLOAD), on_border: false }
    }
}

fn inside(owner: OwnerIx, on_border: bool) -> Located {
    if owner == OwnerIx::OUTSIDE { Located::Outside } else { Located::Inside { owner, on_border } }
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

    /// Whether the row of the point crosses the edge `self → b`, or its extension beyond a western end, west of the point; and whether the
    /// point lies on the edge's line.
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
            let touches = left != right && crate::geom::lattice::on_segment(point(edge[0]), point(edge[1]), p);
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
        if zero && crate::geom::lattice::on_segment(point(ax, ay), point(bx, by), p) {
            let here = OwnerIx(left.min(right));
            least = Some(least.map_or(here, |found| found.min(here)));
        }
    }
    least.map_or(inside(OwnerIx(owner), false), |least| inside(least, true))
}

#[cfg(test)]
mod tests;
