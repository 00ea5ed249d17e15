//! Counts of facilities by fixed cells, for zooms too far out to draw each one. A cell is 1/16 of a tile, so cells of one zoom nest in
//! those of the next one out, and one write touches one cell a zoom. (Greedy radius clusters are not local: one moved lamp would
//! change tiles far away.) Integers only: a count by major category and the sum of coordinates.

use crate::geom::mercator::{MercatorPoint, in_tiles, tile_at};
use crate::geom::{LatticePoint, TileId};
use std::sync::Arc;

/// First zoom that shows facilities one by one.
pub const POINT_ZOOM: u8 = 14;
/// Farthest zoom with clusters.
pub const CLUSTER_MIN_ZOOM: u8 = 6;
/// A tile is this many cells wide, as a power of two.
const CELLS_PER_TILE_BITS: u8 = 4;
/// The last zoom with clusters.
const DEEPEST: u8 = POINT_ZOOM - 1;
const ZOOMS: usize = (POINT_ZOOM - CLUSTER_MIN_ZOOM) as usize;
/// Most cells of a shared block.
const BLOCK: usize = 1024;

/// What one cell holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Row from the north, then column from the west, in cells of its zoom.
    key: (u32, u32),
    /// Sum of longitudes in lattice units.
    sum_x: i64,
    /// Sum of latitudes in lattice units.
    sum_y: i64,
    /// (major category, count), sorted; never empty, never a zero.
    by_major: Vec<(u8, u32)>,
}

impl Cell {
    /// How many facilities.
    pub fn count(&self) -> u32 {
        self.by_major.iter().map(|(_, count)| count).sum()
    }

    /// (major category, count), sorted by category.
    pub fn by_major(&self) -> &[(u8, u32)] {
        &self.by_major
    }

    /// Mean position of its facilities.
    pub fn centre(&self) -> LatticePoint {
        let count = i64::from(self.count());
        let mean = |sum: i64| i32::try_from(sum.div_euclid(count)).expect("a mean lies between its terms");
        LatticePoint::new(mean(self.sum_x), mean(self.sum_y))
    }
}

/// Cells of every cluster zoom, sorted by key, in shared blocks.
#[derive(Debug, Clone, Default)]
pub struct Clusters {
    zooms: [Vec<Arc<Vec<Cell>>>; ZOOMS],
}

/// The cell of a place at the deepest zoom, from which those of the others follow; `None` where Web Mercator ends.
fn cell_of(p: LatticePoint) -> Option<(u32, u32)> {
    let tile = in_tiles(p).then(|| tile_at(MercatorPoint::of(p), DEEPEST + CELLS_PER_TILE_BITS))?;
    Some((tile.y(), tile.x()))
}

impl Clusters {
    /// Counts (place, major category) pairs.
    pub fn of(places: impl Iterator<Item = (LatticePoint, u8)>) -> Self {
        let mut keyed: Vec<((u32, u32), u8, LatticePoint)> =
            places.filter_map(|(p, major)| Some((cell_of(p)?, major, p))).collect();
        keyed.sort_unstable();
        let mut cells: Vec<Cell> = Vec::new();
        for (key, major, p) in keyed {
            if cells.last().is_none_or(|cell| cell.key != key) {
                cells.push(Cell { key, sum_x: 0, sum_y: 0, by_major: Vec::new() });
            }
            cells.last_mut().expect("one was pushed").add(p, major, 1);
        }
        let mut zooms: [Vec<Arc<Vec<Cell>>>; ZOOMS] = Default::default();
        for zoom in zooms.iter_mut().rev() {
            *zoom = cells.chunks(BLOCK * 3 / 4).map(|chunk| Arc::new(chunk.to_vec())).collect();
            for cell in &mut cells {
                cell.key = (cell.key.0 / 2, cell.key.1 / 2);
            }
            cells.sort_by_key(|cell| cell.key);
            cells.dedup_by(|next, kept| kept.key == next.key && kept.absorb(next));
        }
        Self { zooms }
    }

    /// One facility more.
    pub fn add(&mut self, p: LatticePoint, major: u8) {
        self.change(p, major, 1);
    }

    /// One facility less; it was counted before.
    pub fn subtract(&mut self, p: LatticePoint, major: u8) {
        self.change(p, major, -1);
    }

    /// The cells of a tile of a cluster zoom, row by row; nothing at other zooms.
    pub fn in_tile(&self, tile: TileId) -> impl Iterator<Item = &Cell> {
        let blocks = tile.z().checked_sub(CLUSTER_MIN_ZOOM).and_then(|at| self.zooms.get(usize::from(at))).map_or(&[][..], |v| v);
        let side = 1u32 << CELLS_PER_TILE_BITS;
        let rows = tile.y() * side..(tile.y() + 1) * side;
        let columns = tile.x() * side..(tile.x() + 1) * side;
        rows.flat_map(move |row| {
            let first = blocks.partition_point(|block| block.last().is_some_and(|cell| cell.key < (row, columns.start)));
            let columns = columns.clone();
            blocks[first..]
                .iter()
                .flat_map(|block| block.iter())
                .skip_while({
                    let start = (row, columns.start);
                    move |cell| cell.key < start
                })
                .take_while(move |cell| cell.key < (row, columns.end))
        })
    }

    fn change(&mut self, p: LatticePoint, major: u8, by: i32) {
        let Some(deepest) = cell_of(p) else { return };
        for (coarser, blocks) in self.zooms.iter_mut().rev().enumerate() {
            let key = (deepest.0 >> coarser, deepest.1 >> coarser);
            let block = blocks.partition_point(|block| block[0].key <= key).saturating_sub(1);
            let mut cells = blocks.get(block).map(|block| block.as_ref().clone()).unwrap_or_default();
            let found = cells.binary_search_by_key(&key, |cell| cell.key).unwrap_or_else(|at| {
                cells.insert(at, Cell { key, sum_x: 0, sum_y: 0, by_major: Vec::new() });
                at
            });
            cells[found].add(p, major, by);
            if cells[found].by_major.is_empty() {
                cells.remove(found);
            }
            let mut pieces = vec![];
            if cells.len() > BLOCK {
                let second = cells.split_off(cells.len() / 2);
                pieces.extend([Arc::new(cells), Arc::new(second)]);
            } else if !cells.is_empty() {
                pieces.push(Arc::new(cells));
            }
            let end = (block + 1).min(blocks.len());
            blocks.splice(block.min(end)..end, pieces);
        }
    }
}

impl Cell {
    fn add(&mut self, p: LatticePoint, major: u8, by: i32) {
        self.sum_x += i64::from(p.x) * i64::from(by);
        self.sum_y += i64::from(p.y) * i64::from(by);
        match self.by_major.binary_search_by_key(&major, |(major, _)| *major) {
            Ok(at) => {
                self.by_major[at].1 = self.by_major[at].1.saturating_add_signed(by);
                if self.by_major[at].1 == 0 {
                    self.by_major.remove(at);
                }
            }
            Err(at) if by > 0 => self.by_major.insert(at, (major, by.unsigned_abs())),
            Err(_) => {}
        }
    }

    /// Takes over what `other` counts. Always true, so that it can end a `dedup_by`.
    fn absorb(&mut self, other: &Self) -> bool {
        self.sum_x += other.sum_x;
        self.sum_y += other.sum_y;
        for &(major, count) in &other.by_major {
            match self.by_major.binary_search_by_key(&major, |(major, _)| *major) {
                Ok(at) => self.by_major[at].1 += count,
                Err(at) => self.by_major.insert(at, (major, count)),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(x: i32, y: i32) -> LatticePoint {
        LatticePoint::new(1_220_000_000 + x * 1000, 300_000_000 + y * 1000)
    }

    fn cells(clusters: &Clusters) -> Vec<Vec<Cell>> {
        clusters.zooms.iter().map(|blocks| blocks.iter().flat_map(|block| block.iter().cloned()).collect()).collect()
    }

    proptest! {
        #[test]
        fn cells_kept_by_writes_equal_cells_counted_from_scratch(
            start in proptest::collection::vec((0i32..3000, 0i32..3000, 1u8..6), 0..200),
            more in proptest::collection::vec((0i32..3000, 0i32..3000, 1u8..6), 0..60),
            gone in 0usize..200,
        ) {
            let mut kept = Clusters::of(start.iter().map(|&(x, y, major)| (place(x, y), major)));
            for &(x, y, major) in &more {
                kept.add(place(x, y), major);
            }
            let gone = gone.min(start.len());
            for &(x, y, major) in &start[..gone] {
                kept.subtract(place(x, y), major);
            }
            let left = start[gone..].iter().chain(&more).map(|&(x, y, major)| (place(x, y), major));
            prop_assert_eq!(cells(&kept), cells(&Clusters::of(left)));
        }

        #[test]
        fn the_tiles_of_a_zoom_hold_every_facility_once(
            places in proptest::collection::vec((0i32..300_000, -90_000i32..90_000, 1u8..4), 1..100),
            zoom in CLUSTER_MIN_ZOOM..POINT_ZOOM,
        ) {
            let clusters = Clusters::of(places.iter().map(|&(x, y, major)| (place(x, y), major)));
            let mut tiles: Vec<(u32, u32)> = places
                .iter()
                .map(|&(x, y, _)| cell_of(place(x, y)).map(|(row, column)| (column >> (DEEPEST - zoom) >> 4, row >> (DEEPEST - zoom) >> 4)).expect("not at a pole"))
                .collect();
            tiles.sort_unstable();
            tiles.dedup();
            let counted: u32 = tiles
                .iter()
                .map(|&(x, y)| clusters.in_tile(TileId::new(zoom, x, y).expect("in range")).map(Cell::count).sum::<u32>())
                .sum();
            prop_assert_eq!(counted as usize, places.len());
        }
    }
}
