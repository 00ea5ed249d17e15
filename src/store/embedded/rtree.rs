//! R-trees as SQLite keeps them. Single rows go through the virtual table; whole trees are packed and written into its shadow
//! tables, some ten times faster.
//!
//! Format (sqlite.org/rtree.html §6, and the comments of `rtree.c`): `_node` holds one blob per node, big-endian: depth of the tree
//! (2 bytes, used in the root only), number of cells (2), then per cell a 64-bit id (of the row, or of the child node) and four 32-bit
//! floats `minx, maxx, miny, maxy`, rounded outwards; the rest is zero. The root is node 1. `_parent` says the parent of every other
//! node, `_rowid` the leaf of every row.

use super::layers::Layer;
use super::sql::{Doing, Value, Values, id_list, run, write_rows};
use super::{EmbeddedStore, begin_unseen, commit, schema};
use crate::geom::LatticeBox;
use crate::geom::morton::spread;
use crate::store::StoreError;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

/// A row of an R-tree: its id and `minx, maxx, miny, maxy` in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) bounds: [f32; 4],
}

/// Bytes of one cell.
const CELL: usize = 24;

/// Rows of one transaction: about 10 ms.
const BATCH: usize = 5000;

impl Entry {
    pub(super) fn new(id: i64, bounds: LatticeBox) -> Self {
        let (min, max) = (bounds.min.lonlat(), bounds.max.lonlat());
        Self::of_degrees(id, [min.lon(), max.lon(), min.lat(), max.lat()])
    }

    pub(super) fn of_degrees(id: i64, [min_x, max_x, min_y, max_y]: [f64; 4]) -> Self {
        Self { id, bounds: [down(min_x), up(max_x), down(min_y), up(max_y)] }
    }

    /// Position along a Z-order curve of 32 bits over `frame`.
    fn morton(&self, frame: [f32; 4]) -> u64 {
        let unit = |low: f32, high: f32, from: f32, to: f32| {
            let share = (f64::midpoint(low.into(), high.into()) - f64::from(from)) / f64::from(to - from).max(f64::MIN_POSITIVE);
            (share * 65_535.0).clamp(0.0, 65_535.0) as u32
        };
        let [min_x, max_x, min_y, max_y] = self.bounds;
        spread(unit(min_x, max_x, frame[0], frame[1])) | spread(unit(min_y, max_y, frame[2], frame[3])) << 1
    }
}

fn down(v: f64) -> f32 {
    let near = v as f32;
    if f64::from(near) > v { near.next_down() } else { near }
}

fn up(v: f64) -> f32 {
    let near = v as f32;
    if f64::from(near) < v { near.next_up() } else { near }
}

fn union(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    [a[0].min(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].max(b[3])]
}

/// A packed tree, from the leaves up: each level is a list of nodes, each node a run of the level below (of the entries, for leaves).
struct Packed {
    entries: Vec<Entry>,
    /// Nodes per level; the last level is the root alone. A node is its cells: ids are set when numbers are known.
    levels: Vec<Vec<Node>>,
}

struct Node {
    /// Range of cells in the level below.
    cells: std::ops::Range<usize>,
    bounds: [f32; 4],
}

impl Packed {
    /// Sorts the entries along a Z-order curve and cuts them into nodes of at most `fill` cells.
    fn new(mut entries: Vec<Entry>, fill: usize) -> Self {
        let frame = entries.iter().map(|entry| entry.bounds).reduce(union).unwrap_or_default();
        entries.sort_unstable_by_key(|entry| (entry.morton(frame), entry.id));
        let mut levels: Vec<Vec<Node>> = Vec::new();
        let mut below: Vec<[f32; 4]> = entries.iter().map(|entry| entry.bounds).collect();
        loop {
            let nodes: Vec<Node> = (0..below.len().max(1))
                .step_by(fill)
                .map(|from| {
                    let cells = from.min(below.len())..(from + fill).min(below.len());
                    Node { bounds: below[cells.clone()].iter().copied().reduce(union).unwrap_or_default(), cells }
                })
                .collect();
            below = nodes.iter().map(|node| node.bounds).collect();
            levels.push(nodes);
            if below.len() == 1 {
                return Self { entries, levels };
            }
        }
    }

    /// Number of a node: the root is 1, the others follow level by level from the leaves up.
    fn number(&self, level: usize, at: usize) -> i64 {
        if level + 1 == self.levels.len() {
            return 1;
        }
        let before: usize = self.levels[..level].iter().map(Vec::len).sum();
        2 + (before + at) as i64
    }

    /// The blob of a node.
    fn blob(&self, level: usize, at: usize, size: usize) -> Vec<u8> {
        let node = &self.levels[level][at];
        let root = level + 1 == self.levels.len();
        let depth = if root { level as u16 } else { 0 };
        let mut blob = Vec::with_capacity(size);
        blob.extend_from_slice(&depth.to_be_bytes());
        blob.extend_from_slice(&(node.cells.len() as u16).to_be_bytes());
        for cell in node.cells.clone() {
            let (id, bounds) = match level.checked_sub(1) {
                None => (self.entries[cell].id, self.entries[cell].bounds),
                Some(below) => (self.number(below, cell), self.levels[below][cell].bounds),
            };
            blob.extend_from_slice(&id.to_be_bytes());
            for bound in bounds {
                blob.extend_from_slice(&bound.to_be_bytes());
            }
        }
        blob.resize(size, 0);
        blob
    }
}

/// Fills an R-tree that was just made and is still empty, in transactions of some milliseconds.
pub(super) async fn fill(store: &EmbeddedStore, table: &str, entries: Vec<Entry>) -> Result<(), StoreError> {
    let doing = "packing the R-tree";
    if entries.is_empty() {
        return Ok(());
    }
    let size: i64 = {
        let mut conn = store.writer().await?;
        let sql = AssertSqlSafe(format!("SELECT length(data) FROM \"{table}_node\" WHERE nodeno = 1"));
        sqlx::query_scalar(sql).fetch_one(&mut *conn).await.doing(doing)?
    };
    let size = usize::try_from(size).map_err(|_| StoreError::Corrupt(format!("nodes of {table} have {size} bytes")))?;
    // A tenth stays free, so that the first rows written later do not split every node they meet.
    let fill = ((size.saturating_sub(4) / CELL) * 9 / 10).max(2);
    let packed = Packed::new(entries, fill);
    let nodes: Vec<(usize, usize)> =
        packed.levels.iter().enumerate().flat_map(|(level, nodes)| (0..nodes.len()).map(move |at| (level, at))).collect();
    for some in nodes.chunks(BATCH / 5) {
        let (mut blobs, mut parents) = (Values::default(), Values::default());
        for &(level, at) in some {
            blobs.int(packed.number(level, at));
            blobs.opt_blob(Some(packed.blob(level, at, size)));
            for cell in packed.levels[level][at].cells.clone() {
                if let Some(below) = level.checked_sub(1) {
                    parents.int(packed.number(below, cell));
                    parents.int(packed.number(level, at));
                }
            }
        }
        let mut conn = store.writer().await?;
        let mut tx = begin_unseen(&mut conn).await?;
        write_rows(&mut tx, (&format!("INSERT OR REPLACE INTO \"{table}_node\""), ""), 2, blobs, doing).await?;
        write_rows(&mut tx, (&format!("INSERT INTO \"{table}_parent\""), ""), 2, parents, doing).await?;
        commit(tx).await?;
        drop(conn);
        store.breathe().await?;
    }
    let mut leaves: Vec<(i64, i64)> = packed.levels[0]
        .iter()
        .enumerate()
        .flat_map(|(at, node)| packed.entries[node.cells.clone()].iter().map(move |entry| (entry.id, at)))
        .map(|(id, at)| (id, packed.number(0, at)))
        .collect();
    drop(packed);
    leaves.sort_unstable();
    for some in leaves.chunks(2 * BATCH) {
        let values = Values(some.iter().flat_map(|&(id, node)| [Value::Int(id), Value::Int(node)]).collect());
        let mut conn = store.writer().await?;
        let mut tx = begin_unseen(&mut conn).await?;
        write_rows(&mut tx, (&format!("INSERT INTO \"{table}_rowid\""), ""), 2, values, doing).await?;
        commit(tx).await?;
        drop(conn);
        store.breathe().await?;
    }
    Ok(())
}

/// Adds rows, or puts them elsewhere.
pub(super) async fn put(conn: &mut SqliteConnection, layer: &Layer, entries: &[Entry]) -> Result<(), StoreError> {
    let sql = format!("INSERT OR REPLACE INTO \"{}\" VALUES (?, ?, ?, ?, ?)", layer.rtree());
    for entry in entries {
        let [min_x, max_x, min_y, max_y] = entry.bounds;
        sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(entry.id)
            .bind(min_x)
            .bind(max_x)
            .bind(min_y)
            .bind(max_y)
            .execute(&mut *conn)
            .await
            .doing("writing the R-tree")?;
    }
    Ok(())
}

/// Removes rows; those that are not in it are passed over.
pub(super) async fn remove(
    conn: &mut SqliteConnection,
    layer: &Layer,
    ids: impl IntoIterator<Item = i64>,
) -> Result<(), StoreError> {
    let sql = format!("DELETE FROM \"{}\" WHERE id IN (SELECT value FROM json_each(?))", layer.rtree());
    sqlx::query(AssertSqlSafe(sql)).bind(id_list(ids)).execute(conn).await.map(drop).doing("writing the R-tree")
}

/// What the R-tree of a table must hold, read from its geometries.
pub(super) async fn entries_of(conn: &mut SqliteConnection, table: &str) -> Result<Vec<Entry>, StoreError> {
    // Of a blob without an envelope, a point, the coordinates follow 8 bytes of blob header and 5 of WKB header; an area's envelope
    // follows the blob header. An empty area has none: its flags say so.
    let sql = format!(
        "SELECT max(fid), group_concat(fid || ',' || hex(iif(substr(geom, 4, 1) = x'01', substr(geom, 14, 16), substr(geom, 9, 32))), ' ')
         FROM (SELECT fid, geom FROM \"{table}\" WHERE fid > ? AND substr(geom, 4, 1) IN (x'01', x'03') ORDER BY fid LIMIT {BATCH})"
    );
    let mut entries = Vec::new();
    let mut last = i64::MIN;
    loop {
        let (next, text): (Option<i64>, Option<String>) =
            sqlx::query_as(AssertSqlSafe(sql.clone())).bind(last).fetch_one(&mut *conn).await.doing("reading places")?;
        let (Some(next), Some(text)) = (next, text) else { return Ok(entries) };
        last = next;
        for row in text.split(' ') {
            entries.push(entry_of(row).ok_or_else(|| StoreError::Corrupt(format!("a geometry of {table} in {row}")))?);
        }
    }
}

fn entry_of(row: &str) -> Option<Entry> {
    let (id, hex) = row.split_once(',')?;
    let number = |at: usize| {
        let digits = hex.get(16 * at..16 * at + 16)?;
        Some(f64::from_bits(u64::from_str_radix(digits, 16).ok()?.swap_bytes()))
    };
    entry_of_numbers(id.parse().ok()?, hex.len() == 32, number)
}

/// What the R-tree holds of a geometry as layers write it; `None`: an empty area, of which it holds nothing.
pub(super) fn entry_of_blob(id: i64, blob: &[u8]) -> Option<Entry> {
    // As in `entries_of`.
    let (is_point, from) = match blob.get(3)? {
        1 => (true, 13),
        3 => (false, 8),
        _ => return None,
    };
    let number = |at: usize| Some(f64::from_le_bytes(*blob.get(from + 8 * at..)?.first_chunk()?));
    entry_of_numbers(id, is_point, number)
}

fn entry_of_numbers(id: i64, is_point: bool, number: impl Fn(usize) -> Option<f64>) -> Option<Entry> {
    let bounds = match is_point {
        true => [number(0)?, number(0)?, number(1)?, number(1)?],
        false => [number(0)?, number(1)?, number(2)?, number(3)?],
    };
    Some(Entry::of_degrees(id, bounds))
}

/// What an R-tree holds, read from its leaves, by id.
pub(super) async fn stored_entries(conn: &mut SqliteConnection, table: &str) -> Result<Vec<Entry>, StoreError> {
    let sql = format!("SELECT data FROM \"{table}_node\" WHERE nodeno IN (SELECT nodeno FROM \"{table}_rowid\")");
    let leaves: Vec<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(conn).await.doing("reading the R-tree")?;
    let mut entries = Vec::new();
    for leaf in leaves {
        let cells = leaf.get(2..4).map_or(0, |count| usize::from(u16::from_be_bytes([count[0], count[1]])));
        for cell in leaf.get(4..).unwrap_or_default().chunks_exact(CELL).take(cells) {
            let id = i64::from_be_bytes(cell[..8].try_into().expect("a cell has 24 bytes"));
            let bound = |at: usize| f32::from_be_bytes(cell[at..at + 4].try_into().expect("a cell has 24 bytes"));
            entries.push(Entry { id, bounds: [bound(8), bound(12), bound(16), bound(20)] });
        }
    }
    entries.sort_unstable_by_key(|entry| entry.id);
    Ok(entries)
}

/// Makes an empty R-tree.
pub(super) async fn create(conn: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
    run(conn, schema::rtree_table(name), "making the R-tree").await.map(drop)
}
