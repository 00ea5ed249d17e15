//! A persistent table of things with a place: rows in Morton order in shared blocks of at most [`BLOCK`]. A write copies one block
//! and the list of blocks; everything else is shared with the table before it.

use crate::geom::morton::morton;
use crate::geom::{LatticeBox, LatticePoint};
use crate::territory::drawn::in_parallel;
use std::sync::Arc;

/// Most rows of a block. A box query reads whole blocks and a write copies one: 4,096 rows of 64 bytes are 256 kB.
pub const BLOCK: usize = 4096;

/// A row that has an identity and a place.
pub trait Placed: Clone {
    /// Identity; unique in the table.
    fn id(&self) -> i64;
    /// Where it is.
    fn at(&self) -> LatticePoint;
}

#[derive(Debug)]
struct Block<T> {
    /// Sorted by (Morton key, id); never empty.
    rows: Vec<T>,
    bbox: LatticeBox,
}

/// The table. Cloning shares all blocks.
#[derive(Debug)]
pub struct Table<T> {
    blocks: Vec<Arc<Block<T>>>,
    /// id → Morton key, sorted by id, in blocks that are shared in the same way.
    places: Vec<Arc<Vec<(i64, u64)>>>,
    len: usize,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), places: self.places.clone(), len: self.len }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), places: Vec::new(), len: 0 }
    }
}

/// Near in number is mostly near on the map.
fn place_of<T: Placed>(row: &T) -> u64 {
    let at = row.at();
    morton(at.x, at.y)
}

fn key<T: Placed>(row: &T) -> (u64, i64) {
    (place_of(row), row.id())
}

impl<T: Placed> Block<T> {
    fn new(rows: Vec<T>) -> Self {
        let bbox = LatticeBox::around(rows.iter().map(Placed::at)).expect("a block is never empty");
        Self { rows, bbox }
    }
}

impl<T: Placed> Table<T> {
    /// A table of these rows, in any order. Of two rows with one id the later wins.
    pub fn from_rows(mut rows: Vec<T>) -> Self {
        rows.sort_by_key(Placed::id);
        rows.reverse();
        rows.dedup_by_key(|row| row.id());
        let mut places: Vec<(i64, u64)> = rows.iter().map(|row| (row.id(), place_of(row))).collect();
        places.reverse();
        rows.sort_unstable_by_key(key);
        let len = rows.len();
        // Filled to three quarters, so that the first writes do not split.
        let step = BLOCK * 3 / 4;
        let mut blocks = Vec::with_capacity(len / step + 1);
        let mut rest = rows.into_iter();
        loop {
            let rows: Vec<T> = rest.by_ref().take(step).collect();
            if rows.is_empty() {
                break;
            }
            blocks.push(Arc::new(Block::new(rows)));
        }
        Self { blocks, places: places.chunks(step).map(|chunk| Arc::new(chunk.to_vec())).collect(), len }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No row at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All rows, in Morton order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flat_map(|block| block.rows.iter())
    }

    /// The rows in a closed box, in Morton order. Cost: one test a block, one a row of the blocks that meet the box.
    pub fn in_box(&self, bbox: LatticeBox) -> impl Iterator<Item = &T> {
        self.blocks
            .iter()
            .filter(move |block| block.bbox.meets(bbox))
            .flat_map(|block| block.rows.iter())
            .filter(move |row| bbox.holds(row.at()))
    }

    /// The row with this id.
    pub fn get(&self, id: i64) -> Option<&T> {
        let place = self.place(id)?;
        let (block, row) = self.find((place, id));
        self.blocks.get(block).and_then(|block| block.rows.get(row.ok()?))
    }

    /// Adds a row, or replaces the one with its id, which is returned.
    pub fn put(&mut self, row: T) -> Option<T> {
        let before = self.remove(row.id());
        let (id, place) = (row.id(), place_of(&row));
        let (block, at) = self.find((place, id));
        let at = at.expect_err("the row was removed");
        if self.blocks.is_empty() {
            self.blocks.push(Arc::new(Block::new(vec![row])));
        } else {
            let mut rows = self.blocks[block].rows.clone();
            rows.insert(at, row);
            let pieces = halves(rows).into_iter().map(|rows| Arc::new(Block::new(rows)));
            self.blocks.splice(block..=block, pieces);
        }
        let block = self.place_block(id);
        if self.places.is_empty() {
            self.places.push(Arc::new(vec![(id, place)]));
        } else {
            let mut places = self.places[block].as_ref().clone();
            let at = places.partition_point(|(other, _)| *other < id);
            places.insert(at, (id, place));
            self.places.splice(block..=block, halves(places).into_iter().map(Arc::new));
        }
        self.len += 1;
        before
    }

    /// Removes and returns the row with this id.
    pub fn remove(&mut self, id: i64) -> Option<T> {
        let place = self.place(id)?;
        let (block, at) = self.find((place, id));
        let mut rows = self.blocks[block].rows.clone();
        let row = rows.remove(at.expect("every place has its row"));
        let rest = (!rows.is_empty()).then(|| Arc::new(Block::new(rows)));
        self.blocks.splice(block..=block, rest);
        let block = self.place_block(id);
        let mut places = self.places[block].as_ref().clone();
        places.retain(|(other, _)| *other != id);
        let rest = (!places.is_empty()).then(|| Arc::new(places));
        self.places.splice(block..=block, rest);
        self.len -= 1;
        Some(row)
    }

    /// The same rows, some of them changed in what is neither id nor place: `change` gives the new one from the position of a row in
    /// [`Self::iter`]. Blocks without such rows are shared. On all cores.
    pub fn changed(&self, change: impl Fn(usize, &T) -> Option<T> + Sync) -> Self
    where
        T: Send + Sync,
    {
        let starts: Vec<usize> =
            self.blocks.iter().scan(0, |start, block| Some(std::mem::replace(start, *start + block.rows.len()))).collect();
        let block = |at: usize| {
            let block = &self.blocks[at];
            let changed = (starts[at]..).zip(&block.rows).map(|(at, row)| change(at, row));
            let changed: Vec<Option<T>> = changed.collect();
            if changed.iter().all(Option::is_none) {
                return Arc::clone(block);
            }
            let rows = changed.into_iter().zip(&block.rows).map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect();
            Arc::new(Block { rows, bbox: block.bbox })
        };
        let blocks = in_parallel(self.blocks.len(), 4, |range| range.map(block).collect());
        Self { blocks, places: self.places.clone(), len: self.len }
    }

    /// How many blocks two tables share: what makes a write cheap.
    pub fn shared_blocks(&self, other: &Self) -> usize {
        self.blocks.iter().filter(|block| other.blocks.iter().any(|theirs| Arc::ptr_eq(block, theirs))).count()
    }

    fn place(&self, id: i64) -> Option<u64> {
        let places = self.places.get(self.place_block(id))?;
        places.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| places[at].1)
    }

    /// The block of `places` that holds or would hold `id`.
    fn place_block(&self, id: i64) -> usize {
        self.places.partition_point(|block| block[0].0 <= id).saturating_sub(1)
    }

    /// The block that holds or would hold `wanted`, and its position there as a binary search tells it.
    fn find(&self, wanted: (u64, i64)) -> (usize, Result<usize, usize>) {
        let block = self.blocks.partition_point(|block| key(&block.rows[0]) <= wanted).saturating_sub(1);
        let at = self.blocks.get(block).map_or(Err(0), |block| block.rows.binary_search_by_key(&wanted, key));
        (block, at)
    }
}

/// The items as one piece, or as two when they are more than a block holds.
fn halves<I>(mut items: Vec<I>) -> Vec<Vec<I>> {
    if items.len() <= BLOCK {
        return vec![items];
    }
    let second = items.split_off(items.len() / 2);
    vec![items, second]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone, PartialEq)]
    struct Pin(i64, LatticePoint);

    impl Placed for Pin {
        fn id(&self) -> i64 {
            self.0
        }
        fn at(&self) -> LatticePoint {
            self.1
        }
    }

    fn pin(id: i64, x: i32, y: i32) -> Pin {
        Pin(id, LatticePoint::new(x, y))
    }

    proptest! {
        #[test]
        fn a_table_answers_like_a_map_after_any_writes(
            start in proptest::collection::vec((0i64..60, -9i32..9, -9i32..9), 0..80),
            writes in proptest::collection::vec((any::<bool>(), 0i64..60, -9i32..9, -9i32..9), 0..120),
            (west, south, width, height) in (-9i32..9, -9i32..9, 0i32..9, 0i32..9),
        ) {
            let mut table = Table::from_rows(start.iter().map(|&(id, x, y)| pin(id, x, y)).collect());
            let mut map: BTreeMap<i64, Pin> = start.iter().map(|&(id, x, y)| (id, pin(id, x, y))).collect();
            for (add, id, x, y) in writes {
                if add {
                    prop_assert_eq!(table.put(pin(id, x, y)), map.insert(id, pin(id, x, y)));
                } else {
                    prop_assert_eq!(table.remove(id), map.remove(&id));
                }
            }
            prop_assert_eq!(table.len(), map.len());
            for id in 0..60 {
                prop_assert_eq!(table.get(id), map.get(&id));
            }
            let bbox = LatticeBox { min: LatticePoint::new(west, south), max: LatticePoint::new(west + width, south + height) };
            let mut found: Vec<i64> = table.in_box(bbox).map(Placed::id).collect();
            found.sort_unstable();
            let expected: Vec<i64> = map.values().filter(|row| bbox.holds(row.1)).map(|row| row.0).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_write_copies_one_block_and_shares_the_rest() {
        let before = Table::from_rows((0..50_000).map(|i| pin(i, (i % 223) as i32 * 1000, (i / 223) as i32 * 1000)).collect());
        let mut after = before.clone();
        after.put(pin(77, 5, 5));
        let blocks = before.blocks.len();
        assert!(blocks > 12);
        assert!(after.shared_blocks(&before) >= blocks - 2, "one block lost the row, one took it");
        assert_eq!(before.get(77).expect("still there").at(), LatticePoint::new(77_000, 0));
    }

    #[test]
    fn rows_changed_in_passing_keep_their_places_and_other_blocks_are_shared() {
        #[derive(Debug, Clone, PartialEq)]
        struct Flag(Pin, bool);
        impl Placed for Flag {
            fn id(&self) -> i64 {
                self.0.0
            }
            fn at(&self) -> LatticePoint {
                self.0.1
            }
        }
        let before = Table::from_rows(
            (0..20_000).map(|i| Flag(pin(i, (i % 223) as i32 * 1000, (i / 223) as i32 * 1000), false)).collect(),
        );
        let after = before.changed(|_, row| (row.0.0 == 77).then(|| Flag(row.0.clone(), true)));
        let order: Vec<i64> = before.iter().map(Placed::id).collect();
        before.changed(|at, row| {
            assert_eq!(order[at], row.id());
            None
        });
        assert_eq!(after.shared_blocks(&before), before.blocks.len() - 1);
        assert!(after.iter().zip(before.iter()).all(|(new, old)| new.0 == old.0 && new.1 == (new.0.0 == 77)));
        assert!(after.get(77).is_some_and(|row| row.1) && after.len() == before.len());
    }

    #[test]
    fn ten_thousand_rows_in_one_place_split_and_are_all_found() {
        let mut table = Table::default();
        for id in 0..10_000 {
            table.put(pin(id, 3, 4));
        }
        assert_eq!(table.iter().count(), 10_000);
        assert!((0..10_000).all(|id| table.get(id).is_some()));
    }
}
