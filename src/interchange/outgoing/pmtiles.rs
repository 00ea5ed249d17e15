//! PMTiles 3 (github.com/protomaps/PMTiles, spec/v3): tiles in the order of a Hilbert curve, equal ones once, their directory in front. The
//! tiles are written beside the file as they come; 32 bytes are kept for each one that differs.

use super::WriteError;
use super::unfinished::Scratch;
use crate::geom::{TileId, hilbert};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

/// First bytes.
pub const MAGIC: &[u8; 7] = b"PMTiles";

const HEADER: u64 = 127;
/// Header and root directory lie within the first 16 KB.
const MOST_ROOT: usize = 16_384 - HEADER as usize;
/// Entries of a leaf: some ten kilobytes packed.
const LEAF: usize = 4096;

const GZIP: u8 = 2;
const MVT: u8 = 1;

/// Equal neighbours in the order of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    id: u64,
    run: u32,
    offset: u64,
    length: u32,
}

/// What the file says about itself.
#[derive(Debug, Clone)]
pub struct About {
    /// The metadata: JSON with `vector_layers`.
    pub metadata: serde_json::Value,
    /// Lowest and highest zoom.
    pub zooms: (u8, u8),
    /// West, south, east, north in degrees.
    pub bounds: [f64; 4],
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Tiles that can be asked for.
    pub tiles: u64,
    /// Those that differ.
    pub contents: u64,
}

/// The number of a tile: all tiles of the zooms below, then along the curve.
pub fn number(tile: TileId) -> u64 {
    let before = ((1_u64 << (2 * u32::from(tile.z()))) - 1) / 3;
    before + hilbert::along(tile.z(), tile.x(), tile.y())
}

/// Writes one file.
pub struct PmtilesWriter {
    out: BufWriter<File>,
    tiles: BufWriter<File>,
    scratch: Scratch,
    entries: Vec<Entry>,
    /// Content → where it is.
    known: HashMap<u128, (u64, u32)>,
    length: u64,
    counted: Counted,
}

impl PmtilesWriter {
    /// An empty file at `path`.
    pub fn new(path: &Path, file: File) -> Result<Self, WriteError> {
        let scratch = Scratch::new(path, ".tiles")?;
        Ok(Self {
            out: BufWriter::new(file),
            tiles: BufWriter::with_capacity(1 << 18, scratch.file.try_clone()?),
            scratch,
            entries: Vec::new(),
            known: HashMap::new(),
            length: 0,
            counted: Counted::default(),
        })
    }

    /// A tile, gzipped, not empty. Tiles come in the order of their numbers.
    pub fn tile(&mut self, tile: TileId, gzipped: &[u8]) -> Result<(), WriteError> {
        let id = number(tile);
        if self.entries.last().is_some_and(|last| last.id + u64::from(last.run) > id) {
            return Err(WriteError::Io(io::Error::other("tiles are not in the order of their numbers")));
        }
        self.counted.tiles += 1;
        let hash = xxh3_128(gzipped);
        let (offset, length) = match self.known.get(&hash) {
            Some(known) => *known,
            None => {
                let new = (self.length, u32::try_from(gzipped.len()).map_err(io::Error::other)?);
                self.tiles.write_all(gzipped)?;
                self.length += gzipped.len() as u64;
                self.known.insert(hash, new);
                self.counted.contents += 1;
                new
            }
        };
        match self.entries.last_mut() {
            Some(last) if last.offset == offset && last.id + u64::from(last.run) == id => last.run += 1,
            _ => self.entries.push(Entry { id, run: 1, offset, length }),
        }
        Ok(())
    }

    /// Puts the file together.
    pub fn finish(mut self, about: &About) -> Result<Counted, WriteError> {
        self.tiles.flush()?;
        let (root, leaves) = directories(&self.entries)?;
        let metadata = gzip(about.metadata.to_string().as_bytes())?;
        let parts = [root.len() as u64, metadata.len() as u64, leaves.len() as u64, self.length];
        self.out.write_all(&header(parts, about, self.counted, self.entries.len() as u64))?;
        for part in [&root, &metadata, &leaves] {
            self.out.write_all(part)?;
        }
        self.scratch.file.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.scratch.file, &mut self.out)?;
        self.out.flush()?;
        Ok(self.counted)
    }
}

/// Packs.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes)?;
    packer.finish()
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Column by column: numbers as differences, runs, lengths, offsets (0: behind the one before).
fn directory(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    varint(&mut bytes, entries.len() as u64);
    let mut last = 0;
    for entry in entries {
        varint(&mut bytes, entry.id - last);
        last = entry.id;
    }
    entries.iter().for_each(|entry| varint(&mut bytes, entry.run.into()));
    entries.iter().for_each(|entry| varint(&mut bytes, entry.length.into()));
    let mut behind = None;
    for entry in entries {
        varint(&mut bytes, if behind == Some(entry.offset) { 0 } else { entry.offset + 1 });
        behind = Some(entry.offset + u64::from(entry.length));
    }
    gzip(&bytes)
}

/// The root, and the leaves when the root alone would be too large.
fn directories(entries: &[Entry]) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let root = directory(entries)?;
    if root.len() <= MOST_ROOT {
        return Ok((root, Vec::new()));
    }
    let mut size = LEAF;
    loop {
        let (mut pointers, mut leaves) = (Vec::new(), Vec::new());
        for some in entries.chunks(size) {
            let leaf = directory(some)?;
            // A run of 0 says that it is a leaf.
            let length = u32::try_from(leaf.len()).map_err(io::Error::other)?;
            pointers.push(Entry { id: some[0].id, run: 0, offset: leaves.len() as u64, length });
            leaves.extend_from_slice(&leaf);
        }
        let root = directory(&pointers)?;
        if root.len() <= MOST_ROOT {
            return Ok((root, leaves));
        }
        size *= 2;
    }
}

fn header([root, metadata, leaves, tiles]: [u64; 4], about: &About, counted: Counted, entries: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(3);
    let mut at = HEADER;
    for length in [root, metadata, leaves, tiles] {
        bytes.extend([at, length].iter().flat_map(|number| number.to_le_bytes()));
        at += length;
    }
    bytes.extend([counted.tiles, entries, counted.contents].iter().flat_map(|number| number.to_le_bytes()));
    // In the order of the curve; directories and tiles gzipped.
    bytes.extend_from_slice(&[1, GZIP, GZIP, MVT, about.zooms.0, about.zooms.1]);
    let degrees = |number: f64| ((number * 1e7).round() as i32).to_le_bytes();
    bytes.extend(about.bounds.iter().flat_map(|number| degrees(*number)));
    bytes.push(about.zooms.0);
    let [west, south, east, north] = about.bounds;
    bytes.extend([f64::midpoint(west, east), f64::midpoint(south, north)].iter().flat_map(|number| degrees(*number)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(z: u8, x: u32, y: u32) -> TileId {
        TileId::new(z, x, y).expect("a tile")
    }

    #[test]
    fn tiles_have_the_numbers_of_the_specification() {
        for ((z, x, y), id) in [
            ((0, 0, 0), 0),
            ((1, 0, 0), 1),
            ((1, 0, 1), 2),
            ((1, 1, 1), 3),
            ((1, 1, 0), 4),
            ((2, 0, 0), 5),
            ((12, 3423, 1763), 19_078_479),
        ] {
            assert_eq!(number(tile(z, x, y)), id);
        }
    }

    #[test]
    fn equal_neighbours_are_one_entry_and_equal_contents_are_kept_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.pmtiles");
        let mut writer = PmtilesWriter::new(&path, File::create(&path).expect("a file")).expect("a writer");
        for (at, bytes) in [((1, 0, 0), b"a"), ((1, 0, 1), b"a"), ((1, 1, 1), b"b"), ((1, 1, 0), b"a")] {
            writer.tile(tile(at.0, at.1, at.2), bytes).expect("in order");
        }
        let runs: Vec<(u64, u32, u64)> = writer.entries.iter().map(|entry| (entry.id, entry.run, entry.offset)).collect();
        assert_eq!(runs, [(1, 2, 0), (3, 1, 1), (4, 1, 0)]);
        assert_eq!(writer.counted, Counted { tiles: 4, contents: 2 });
        assert!(writer.tile(tile(1, 0, 0), b"a").is_err(), "out of order");
    }

    #[test]
    fn a_large_directory_is_cut_into_leaves() {
        let entries: Vec<Entry> = (0..200_000_u64)
            .map(|at| Entry {
                id: at * 7 % 3 + at * 5,
                run: 1,
                offset: at * 1000 + at * at % 977,
                length: 900 + (at * 31 % 97) as u32,
            })
            .collect();
        let (root, leaves) = directories(&entries).expect("packed");
        assert!(root.len() <= MOST_ROOT && !leaves.is_empty(), "{}", root.len());
        assert!(directories(&entries[..100]).expect("packed").1.is_empty());
    }
}
