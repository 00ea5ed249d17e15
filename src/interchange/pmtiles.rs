//! PMTiles 3 (github.com/protomaps/PMTiles, spec/v3), read: one tile at a time from a file of any size. What the file says about itself is
//! believed only within bounds.

use crate::geom::TileId;
use crate::interchange::outgoing::pmtiles::{MAGIC, number};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

const HEADER: usize = 127;
/// Most bytes of a directory, packed; of one unpacked.
const MOST_DIRECTORY: (u64, usize) = (16 << 20, 64 << 20);
/// Most bytes of the metadata, packed and unpacked.
const MOST_METADATA: (u64, usize) = (4 << 20, 16 << 20);
/// Most bytes of a tile, packed and unpacked.
const MOST_TILE: (u64, usize) = (8 << 20, 32 << 20);
/// Directories point to directories at most so deep; files have two levels.
const MOST_LEVELS: usize = 4;
/// Most entries of a directory: writers cut them far below.
const MOST_ENTRIES: u64 = 200_000;
/// Entries of leaves that are kept unpacked, 32 bytes each.
const MOST_KEPT: usize = 1_000_000;

/// What tiles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileFormat {
    /// Mapbox Vector Tiles.
    Mvt,
    /// Pictures.
    Png,
    /// Pictures.
    Jpeg,
    /// Pictures.
    Webp,
    /// Pictures.
    Avif,
}

impl TileFormat {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mvt => "application/vnd.mapbox-vector-tile",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
        }
    }

    /// What the first bytes of a picture say it is.
    pub fn of_picture(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => Some(Self::Avif),
            _ => None,
        }
    }
}

/// Why a file is no map.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}", path = .path.display())]
pub struct BadPmtiles {
    path: PathBuf,
    why: String,
}

/// How something in the file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packed {
    Plain,
    Gzip,
}

/// A run of tiles with one content, or (run 0) a directory of those that follow.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u64,
    run: u32,
    offset: u64,
    length: u64,
}

/// A tile as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// They are gzipped.
    pub gzipped: bool,
}

/// What tells a file from the one that takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Looks {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Looks {
    fn of(about: &Metadata) -> Self {
        Self {
            modified: about.modified().ok(),
            length: about.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(about),
        }
    }
}

/// An open file.
#[derive(Debug)]
pub struct Pmtiles {
    path: PathBuf,
    looks: Looks,
    file: Mutex<File>,
    root: Arc<[Entry]>,
    leaves: Mutex<HashMap<u64, Arc<[Entry]>>>,
    leaf_part: (u64, u64),
    tile_part: (u64, u64),
    packed: (Packed, Packed),
    /// What its tiles are.
    pub format: TileFormat,
    /// First and last zoom.
    pub zooms: (u8, u8),
    /// West, south, east, north in degrees.
    pub bounds: [f64; 4],
    /// Names of vector layers; empty for pictures.
    pub layers: Vec<String>,
    /// Whose it is, as the file says.
    pub attribution: String,
}

impl Pmtiles {
    /// Whether there is another file under that name, or it was written to, since it was opened.
    pub fn is_another_now(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|about| Looks::of(&about) != self.looks)
    }

    /// The file that has its name now.
    pub fn reopened(&self) -> Result<Self, BadPmtiles> {
        Self::open(&self.path)
    }

    /// Reads head, root and metadata.
    pub fn open(path: &Path) -> Result<Self, BadPmtiles> {
        let bad = |why: String| BadPmtiles { path: path.to_owned(), why };
        let mut file = File::open(path).map_err(|error| bad(error.to_string()))?;
        let looks = file.metadata().map(|about| Looks::of(&about)).map_err(|error| bad(error.to_string()))?;
        let mut head = [0; HEADER];
        file.read_exact(&mut head).map_err(|_| bad("is shorter than the head of a PMTiles file".to_owned()))?;
        if !head.starts_with(MAGIC) || head[7] != 3 {
            return Err(bad("is no PMTiles file of version 3".to_owned()));
        }
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes of the head"));
        let degrees =
            |at: usize| f64::from(i32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes of the head"))) / 1e7;
        let packed = |what: &str, code: u8| match code {
            1 => Ok(Packed::Plain),
            2 => Ok(Packed::Gzip),
            _ => Err(bad(format!("its {what} are packed with neither gzip nor nothing; `pmtiles convert` writes gzip"))),
        };
        let packed = (packed("directories", head[97])?, packed("tiles", head[98])?);
        let format = match head[99] {
            1 => TileFormat::Mvt,
            2 => TileFormat::Png,
            3 => TileFormat::Jpeg,
            4 => TileFormat::Webp,
            5 => TileFormat::Avif,
            other => return Err(bad(format!("its tiles are of the unknown type {other}"))),
        };
        if packed.1 == Packed::Gzip && format != TileFormat::Mvt {
            return Err(bad("its pictures are gzipped".to_owned()));
        }
        let zooms = (head[100], head[101]);
        if zooms.0 > zooms.1 || zooms.1 > 22 {
            return Err(bad(format!("its zooms are {} to {}", zooms.0, zooms.1)));
        }
        let root = read_part(&mut file, (long(8), long(16)), packed.0, MOST_DIRECTORY).and_then(|bytes| directory(&bytes));
        let root = root.map_err(|error| bad(format!("its root directory does not read: {error}")))?;
        let metadata = read_part(&mut file, (long(24), long(32)), packed.0, MOST_METADATA);
        let metadata = metadata.map_err(|error| bad(format!("its metadata do not read: {error}")))?;
        let metadata: Value = if metadata.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&metadata).map_err(|error| bad(format!("its metadata are no JSON: {error}")))?
        };
        let layers = metadata["vector_layers"].as_array().into_iter().flatten().filter_map(|layer| layer["id"].as_str());
        Ok(Self {
            path: path.to_owned(),
            looks,
            file: Mutex::new(file),
            root,
            leaves: Mutex::default(),
            leaf_part: (long(40), long(48)),
            tile_part: (long(56), long(64)),
            packed,
            format,
            zooms,
            bounds: [degrees(102), degrees(106), degrees(110), degrees(114)],
            layers: layers.map(str::to_owned).collect(),
            attribution: metadata["attribution"].as_str().map(plain).unwrap_or_default(),
        })
    }

    /// A tile, if the file has it. Reads from the disk: not for a task that others wait for.
    pub fn tile(&self, tile: TileId) -> Result<Option<StoredTile>, BadPmtiles> {
        let bad = |error: io::Error| BadPmtiles { path: self.path.clone(), why: format!("tile {tile} does not read: {error}") };
        let Some(entry) = self.find(number(tile)).map_err(bad)? else { return Ok(None) };
        let part = within(self.tile_part, entry).map_err(bad)?;
        let bytes = self.read(part, Packed::Plain, MOST_TILE).map_err(bad)?;
        Ok(Some(StoredTile { bytes, gzipped: self.packed.1 == Packed::Gzip }))
    }

    fn read(&self, part: (u64, u64), packed: Packed, most: (u64, usize)) -> io::Result<Vec<u8>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        read_part(&mut file, part, packed, most)
    }

    fn find(&self, id: u64) -> io::Result<Option<Entry>> {
        let mut entries = Arc::clone(&self.root);
        for _ in 0..MOST_LEVELS {
            let before = entries.partition_point(|entry| entry.id <= id);
            let Some(entry) = before.checked_sub(1).map(|at| entries[at]) else { return Ok(None) };
            if entry.run > 0 {
                return Ok((id - entry.id < u64::from(entry.run)).then_some(entry));
            }
            entries = self.leaf(entry)?;
        }
        Err(io::Error::other("its directories are too deep"))
    }

    fn leaf(&self, entry: Entry) -> io::Result<Arc<[Entry]>> {
        let leaves = || self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves().get(&entry.offset) {
            return Ok(Arc::clone(leaf));
        }
        let leaf = directory(&self.read(within(self.leaf_part, entry)?, self.packed.0, MOST_DIRECTORY)?)?;
        let mut leaves = leaves();
        if leaves.values().map(|leaf| leaf.len()).sum::<usize>() + leaf.len() > MOST_KEPT {
            leaves.clear();
        }
        leaves.insert(entry.offset, Arc::clone(&leaf));
        Ok(leaf)
    }
}

/// Where an entry's bytes lie in the file.
fn within((start, length): (u64, u64), entry: Entry) -> io::Result<(u64, u64)> {
    let end = entry.offset.checked_add(entry.length).filter(|end| *end <= length);
    end.and_then(|_| Some((start.checked_add(entry.offset)?, entry.length)))
        .ok_or_else(|| io::Error::other("an entry points beyond the file's part"))
}

fn read_part(file: &mut File, (offset, length): (u64, u64), packed: Packed, most: (u64, usize)) -> io::Result<Vec<u8>> {
    if length > most.0 {
        return Err(io::Error::other(format!("{length} bytes are more than the {} that are taken", most.0)));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes)?;
    match packed {
        Packed::Plain => Ok(bytes),
        Packed::Gzip => gunzip(&bytes, most.1),
    }
}

/// Unpacks, up to so many bytes.
pub fn gunzip(bytes: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes).take(most as u64 + 1).read_to_end(&mut plain)?;
    if plain.len() > most {
        return Err(io::Error::other(format!("unpacks to more than {most} bytes")));
    }
    Ok(plain)
}

/// Most bytes that a tile of a file unpacks to.
pub const MOST_UNPACKED: usize = MOST_TILE.1;

/// Column by column: numbers as differences, runs, lengths, offsets (0: behind the one before).
fn directory(bytes: &[u8]) -> io::Result<Arc<[Entry]>> {
    let mut at = 0;
    let mut varint = || -> io::Result<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *bytes.get(at).ok_or_else(|| io::Error::other("a directory ends early"))?;
            at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(io::Error::other("a number of a directory is too long"))
    };
    let count = varint()?;
    // Each entry takes four bytes at least.
    if count > bytes.len() as u64 / 4 {
        return Err(io::Error::other("a directory tells of more entries than it holds"));
    }
    if count > MOST_ENTRIES {
        return Err(io::Error::other(format!("a directory has {count} entries, more than {MOST_ENTRIES}")));
    }
    let mut entries = vec![Entry { id: 0, run: 0, offset: 0, length: 0 }; count as usize];
    let mut id = 0_u64;
    for entry in &mut entries {
        id = id.checked_add(varint()?).ok_or_else(|| io::Error::other("numbers of tiles run over"))?;
        entry.id = id;
    }
    for entry in &mut entries {
        entry.run = u32::try_from(varint()?).map_err(io::Error::other)?;
    }
    for entry in &mut entries {
        entry.length = varint()?;
    }
    let mut behind = 0_u64;
    for entry in &mut entries {
        entry.offset = match varint()? {
            0 => behind,
            told => told - 1,
        };
        behind = entry.offset.saturating_add(entry.length);
    }
    Ok(entries.into())
}

/// Text without the marks of HTML, which metadata may hold.
fn plain(text: &str) -> String {
    let mut depth = 0_u32;
    let kept = text.chars().filter(|c| match c {
        '<' => {
            depth += 1;
            false
        }
        '>' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    });
    kept.take(400).collect::<String>().replace("&copy;", "©").replace("&amp;", "&").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interchange::outgoing::pmtiles::{About, PmtilesWriter, gzip};
    use serde_json::json;

    fn written(path: &Path, count: u32) -> Vec<(TileId, Vec<u8>)> {
        let mut tiles: Vec<(TileId, Vec<u8>)> = Vec::new();
        for (x, y) in (0..count).flat_map(|x| (0..count).map(move |y| (x, y))) {
            let content = if (x + y) % 7 == 0 { b"sea".to_vec() } else { format!("{x}/{y}").into_bytes() };
            tiles.push((TileId::new(9, x, y).expect("a tile"), content));
        }
        tiles.sort_by_key(|(tile, _)| number(*tile));
        let mut writer = PmtilesWriter::new(path, File::create(path).expect("a file")).expect("a writer");
        for (tile, content) in &tiles {
            writer.tile(*tile, &gzip(content).expect("packed")).expect("in order");
        }
        let metadata = json!({ "vector_layers": [{ "id": "water" }], "attribution": "<a href=\"x\">&copy; OSM</a>" });
        writer.finish(&About { metadata, zooms: (9, 9), bounds: [1.0, 2.0, 3.0, 4.0] }).expect("a file");
        tiles
    }

    #[test]
    fn what_was_written_is_read_through_leaves_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.pmtiles");
        for count in [3, 120] {
            let tiles = written(&path, count);
            let read = Pmtiles::open(&path).expect("a map");
            assert_eq!((read.format, read.zooms, read.bounds), (TileFormat::Mvt, (9, 9), [1.0, 2.0, 3.0, 4.0]));
            assert_eq!((read.layers.as_slice(), read.attribution.as_str()), (["water".to_owned()].as_slice(), "© OSM"));
            for (tile, content) in tiles {
                let stored = read.tile(tile).expect("reads").expect("is there");
                assert!(stored.gzipped);
                assert_eq!(gunzip(&stored.bytes, 100).expect("unpacks"), content);
            }
            for absent in [(9, 500, 500), (8, 0, 0), (10, 0, 0)] {
                let tile = TileId::new(absent.0, absent.1, absent.2).expect("a tile");
                assert_eq!(read.tile(tile).expect("reads"), None);
            }
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_answers_an_error_and_nothing_panics() {
        let folder = tempfile::tempdir().expect("a folder");
        let (good, path) = (folder.path().join("good"), folder.path().join("bad"));
        let tiles = written(&good, 20);
        let bytes = std::fs::read(&good).expect("a file");
        let mut refused = 0;
        for at in 0..bytes.len().min(900) {
            for change in [0xff, 0x80, 0x01] {
                let mut other = bytes.clone();
                other[at] ^= change;
                std::fs::write(&path, &other).expect("written");
                match Pmtiles::open(&path) {
                    Ok(read) => {
                        for (tile, _) in tiles.iter().step_by(37) {
                            let _ = read.tile(*tile);
                        }
                    }
                    Err(error) => {
                        assert!(error.to_string().contains("bad"), "{error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(refused > 100, "{refused}");
        std::fs::write(&path, &bytes[..60]).expect("written");
        assert!(Pmtiles::open(&path).expect_err("short").to_string().contains("shorter"));
        assert!(gunzip(&gzip(&[0; 5000]).expect("packed"), 4999).is_err(), "a bomb");
    }

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        assert_eq!(TileFormat::of_picture(b"\x89PNG\r\n\x1a\n..."), Some(TileFormat::Png));
        assert_eq!(TileFormat::of_picture(b"\xff\xd8\xff\xe0"), Some(TileFormat::Jpeg));
        assert_eq!(TileFormat::of_picture(b"RIFF....WEBPVP8 "), Some(TileFormat::Webp));
        assert_eq!(TileFormat::of_picture(b"<html>"), None);
        assert_eq!(TileFormat::of_picture(b""), None);
    }
}
