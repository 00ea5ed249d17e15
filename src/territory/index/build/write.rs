//! Writing a block: its cells and the records they refer to.

use super::super::{Block, LONG_EDGE, MAX_OWNERS, Raster, compact, narrow, wide};
use super::{Edge, MANY_EDGES, Sorted};
use crate::geom::LatticePoint;
use crate::territory::partition::OwnerIx;

/// Fewest quarters that a block grows by.
const ROOM: usize = 256;

/// One block while it is written.
pub(super) struct Writer {
    first: u32,
    quarters: Vec<[u32; 4]>,
    /// Cells that do not fit 16 bits.
    others: Vec<u32>,
    /// Owners of the record being written, by local number.
    locals: Vec<u32>,
}

impl Writer {
    /// Writes a block. `None` when too many cells do not fit 16 bits.
    pub(super) fn write(edges: &[Edge], raster: Raster, sorted: &Sorted, owner: u32) -> Option<Block> {
        let owners = edges.iter().flat_map(|edge| [edge.left, edge.right]).chain([owner]);
        let first = owners.min().unwrap_or(owner);
        let mut writer = Self { first, quarters: Vec::new(), others: Vec::new(), locals: Vec::new() };
        writer.take(raster.cell_count().div_ceil(8));
        sorted.each(edges, owner, |cell, here, list, owner| {
            let word = writer.cell(raster, here, edges, list, owner, true);
            let narrow = writer.narrowed(word);
            *writer.word(cell >> 1) |= narrow << (16 * (cell & 1));
        });
        if writer.others.len() > narrow::MAX_OTHERS {
            return None;
        }
        let others = 4 * writer.take(writer.others.len().div_ceil(4));
        for (at, other) in std::mem::take(&mut writer.others).into_iter().enumerate() {
            *writer.word(others + at) = other;
        }
        Some(Block { raster, first, others: others as u32, quarters: writer.quarters.into_boxed_slice() })
    }

    /// A cell as 16 bits.
    fn narrowed(&mut self, word: u32) -> u32 {
        let payload = word & wide::PAYLOAD;
        let fitting = match wide::kind(word) {
            wide::WHOLE if payload == wide::PAYLOAD => Some(narrow::OUTSIDE),
            wide::WHOLE => Some(payload - self.first).filter(|number| *number < narrow::OUTSIDE),
            wide::COMPACT => {
                let (from, to) = match payload & !wide::PLACE {
                    wide::NODE => (narrow::NODE, narrow::SHORT),
                    wide::SHORT => (narrow::SHORT, narrow::COMPACT),
                    _ => (narrow::COMPACT, narrow::OTHER),
                };
                Some(from + (payload & wide::PLACE)).filter(|cell| *cell < to)
            }
            _ => None,
        };
        fitting.unwrap_or_else(|| {
            self.others.push(word);
            // When this is too much, the whole block is written anew.
            narrow::OTHER + (self.others.len() - 1) as u32 % narrow::MAX_OTHERS as u32
        })
    }

    fn word(&mut self, at: usize) -> &mut u32 {
        &mut self.quarters[at >> 2][at & 3]
    }

    /// Takes quarters and returns the first.
    fn take(&mut self, count: usize) -> usize {
        let first = self.quarters.len();
        if first + count > self.quarters.capacity() {
            // Grow by an eighth: doubling would hold three times the block at its end.
            self.quarters.reserve_exact(count.max(ROOM).max(first / 8));
        }
        self.quarters.resize(first + count, [0; 4]);
        first
    }

    /// Writes a record and returns its place.
    fn put(&mut self, words: impl Iterator<Item = u32>, count: usize) -> usize {
        let place = self.take(count.div_ceil(4));
        assert!(place < wide::MAX_RECORD, "a block of the index holds less than 1 GB");
        for (at, word) in words.enumerate() {
            *self.word(4 * place + at) = word;
        }
        place
    }

    /// Writes what a cell needs and returns its word.
    fn cell(&mut self, raster: Raster, corner: LatticePoint, edges: &[Edge], list: &[u32], owner: u32, divide: bool) -> u32 {
        if list.is_empty() {
            debug_assert!(owner == OwnerIx::OUTSIDE.0 || owner < wide::PAYLOAD, "owners are numbered from 0");
            return wide::WHOLE << 30 | owner & wide::PAYLOAD;
        }
        let joints = list.windows(2).filter(|pair| edges[pair[0] as usize].b != edges[pair[1] as usize].a).count();
        let count = list.len() + joints;
        if divide && count > MANY_EDGES {
            let inner = Raster::for_edges(list.iter().map(|&k| edges[k as usize]), raster.width, raster.height, usize::MAX);
            let fits = inner.columns <= wide::MAX_CUTS && inner.rows <= wide::MAX_CUTS && self.quarters.len() < wide::MAX_RASTER;
            if inner.cell_count() > 1 && fits {
                let place = self.take(inner.cell_count().div_ceil(4));
                Sorted::of(inner, corner, edges, list).each(edges, owner, |cell, here, list, owner| {
                    *self.word(4 * place + cell) = self.cell(inner, here, edges, list, owner, false);
                });
                return wide::RASTER << 30 | u32::from(inner.columns) << 26 | u32::from(inner.rows) << 22 | place as u32;
            }
        }
        let mut word = None;
        if count <= compact::NODE_EDGES {
            word = self.compact(raster, corner, edges, list, owner);
        }
        if word.is_none() && count <= wide::MAX_EDGES {
            word = self.record(corner, edges, list, owner);
        }
        word.unwrap_or_else(|| self.long_record(corner, edges, list, owner))
    }

    /// Few edges near the cell, between few owners; `None` when they are not that.
    fn compact(&mut self, raster: Raster, corner: LatticePoint, edges: &[Edge], list: &[u32], owner: u32) -> Option<u32> {
        if raster.width > compact::REACH || raster.height > compact::REACH {
            return None;
        }
        let list = || list.iter().map(|&k| &edges[k as usize]);
        let reach = 1 << compact::REACH;
        let point = |p: LatticePoint| {
            let (x, y) = p.minus(corner);
            (x.abs() <= reach && y.abs() <= reach).then_some(x as u32 & 0xffff | (y as u32) << 16)
        };
        self.gather_locals(owner, list(), compact::NODE_OWNERS)?;
        let (locals, base) = (&self.locals, self.base(corner, owner, list()));
        let mut owners = [narrow::OUTSIDE; compact::NODE_OWNERS];
        for (at, owner) in locals.iter().enumerate().filter(|(_, owner)| **owner != OwnerIx::OUTSIDE.0) {
            owners[at ^ base] = Some(owner - self.first).filter(|number| *number < narrow::OUTSIDE)?;
        }
        let (mut points, mut len) = ([0; compact::NODE_EDGES + 1], 0);
        let (mut sides, mut joints) = (0, 0);
        for edge in list() {
            let (a, b) = (point(edge.a)?, point(edge.b)?);
            if len == 0 || points[len - 1] != a {
                if len > 0 {
                    joints |= 1 << (len - 1);
                }
                points[len] = a;
                len += 1;
            }
            let (left, right) = (self.local(edge.left) ^ base, self.local(edge.right) ^ base);
            sides |= ((left | right << 2) as u32) << (4 * (len - 1));
            points[len] = b;
            len += 1;
        }
        let last = points[len - 1];
        points[len..].fill(last);
        let two = self.locals.len() <= 2;
        let pair = [compact::owners(owners[0], owners[1], joints)];
        let node = [owners[0] | owners[1] << 16, owners[2] | owners[3] << 16, sides];
        let (form, head, count): (u32, &[u32], usize) = match len - 1 {
            ..=compact::SHORT if two => (wide::SHORT, &pair, compact::SHORT),
            ..=compact::MAX_EDGES if two => (0, &pair, compact::MAX_EDGES),
            _ => (wide::NODE, &node, compact::NODE_EDGES),
        };
        let place = self.put(head.iter().chain(&points[..=count]).copied(), head.len() + count + 1);
        Some(wide::COMPACT << 30 | form | place as u32)
    }

    /// Numbers the owners beside some edges, the one of the corner first; `None` when there are too many.
    fn gather_locals<'e>(&mut self, owner: u32, edges: impl Iterator<Item = &'e Edge>, most: usize) -> Option<()> {
        self.locals.clear();
        self.locals.push(owner);
        for side in edges.flat_map(|edge| [edge.left, edge.right]) {
            if !self.locals.contains(&side) {
                if self.locals.len() == most {
                    return None;
                }
                self.locals.push(side);
            }
        }
        Some(())
    }

    fn local(&self, owner: u32) -> usize {
        self.locals.iter().position(|known| *known == owner).expect("all owners were gathered")
    }

    /// The local number before any edge is crossed. With every number shuffled by it, a walk begins at 0.
    fn base<'e>(&self, corner: LatticePoint, owner: u32, edges: impl Iterator<Item = &'e Edge>) -> usize {
        let counted = edges.filter(|edge| edge.is_counted_at(corner));
        counted.fold(self.local(owner), |base, edge| base ^ self.local(edge.left) ^ self.local(edge.right))
    }

    /// `None` when it has too many owners.
    fn record(&mut self, corner: LatticePoint, edges: &[Edge], list: &[u32], owner: u32) -> Option<u32> {
        let list = || list.iter().map(|&k| &edges[k as usize]);
        self.gather_locals(owner, list(), MAX_OWNERS)?;
        let base = self.base(corner, owner, list());
        let side = |edge: &Edge| ((self.local(edge.left) ^ base) | (self.local(edge.right) ^ base) << 4) as u8;
        let (mut sides, mut points) = (Vec::with_capacity(wide::MAX_EDGES), Vec::with_capacity(wide::MAX_EDGES + 1));
        for edge in list() {
            if points.last() != Some(&edge.a) {
                if !points.is_empty() {
                    // A joint: both sides equal, so it never counts.
                    sides.push(0);
                }
                points.push(edge.a);
            }
            points.push(edge.b);
            sides.push(side(edge));
        }
        let mut words = Vec::with_capacity(4 + 2 * points.len() + MAX_OWNERS);
        words.extend(sides.chunks(4).map(|four| four.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))));
        words.extend(points.iter().flat_map(|p| [p.x as u32, p.y as u32]));
        let table = 0..self.locals.len().next_power_of_two().max(2);
        words.extend(table.map(|at| self.locals.get(at ^ base).copied().unwrap_or(OwnerIx::OUTSIDE.0)));
        Some(self.record_word(sides.len() - 1, &words))
    }

    fn long_record(&mut self, corner: LatticePoint, edges: &[Edge], list: &[u32], owner: u32) -> u32 {
        let list = || list.iter().map(|&k| &edges[k as usize]);
        let base = list().filter(|edge| edge.is_counted_at(corner)).fold(owner, |base, edge| base ^ edge.change());
        let mut words = vec![list().count() as u32, base];
        for edge in list() {
            let edge: [u32; LONG_EDGE] =
                [edge.a.x as u32, edge.a.y as u32, edge.b.x as u32, edge.b.y as u32, edge.left, edge.right];
            words.extend(edge);
        }
        self.record_word(wide::MAX_EDGES, &words)
    }

    fn record_word(&mut self, edges: usize, words: &[u32]) -> u32 {
        let place = self.put(words.iter().copied(), words.len());
        wide::RECORD << 30 | (edges as u32) << 26 | place as u32
    }
}
