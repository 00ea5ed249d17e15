//! Opening a file: unpacked when it is gzipped, recognised by its first bytes.

use super::{archive, flatgeobuf, osm, refused, shapefile};
use crate::domain::fault::{Fault, FaultKind};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One GeoJSON object with `features`.
    FeatureCollection,
    /// GeoJSON texts one behind the other: a feature a line, or separated by RS (RFC 8142).
    FeatureSequence,
    /// A GeoPackage.
    GeoPackage,
    /// A table with a header line.
    Csv,
    /// A zip file: what is in it decides.
    Zip,
    /// The `.shp` of a Shapefile.
    Shapefile,
    /// FlatGeobuf.
    FlatGeobuf,
    /// OpenStreetMap's PBF.
    OsmPbf,
}

/// Bytes of the file read so far, and all of them.
#[derive(Debug, Clone)]
pub struct Progress {
    read: Arc<AtomicU64>,
    /// Size of the file.
    pub total: u64,
}

impl Progress {
    /// Of a file of so many bytes, none of them read.
    pub fn of(total: u64) -> Self {
        Self { read: Arc::default(), total }
    }

    /// A file whose bytes count as read.
    pub(super) fn count(&self, file: File) -> impl Read + Send + use<> {
        Counted { file, read: Arc::clone(&self.read) }
    }

    /// Bytes read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Everything has been read.
    pub fn finish(&self) {
        self.read.store(self.total, Ordering::Relaxed);
    }
}

/// An opened file, unpacked.
pub struct Input {
    path: PathBuf,
    format: Format,
    progress: Progress,
    gzipped: bool,
    text: Box<dyn BufRead + Send>,
}

/// Large enough that system calls do not show; also how far [`recognise`] can look.
const BUFFER: usize = 256 << 10;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const UTF8_BOM: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Longest single record of a text. The largest real multipolygons have some hundred thousand vertices, about 20 MB.
pub(super) const LONGEST_RECORD: usize = 256 << 20;

/// A record is longer than [`LONGEST_RECORD`].
pub(super) fn too_long(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a record is longer than {} MiB{why}", LONGEST_RECORD >> 20))
}

struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Input {
    /// Opens the file. Its name plays no part.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let name = path.display();
        let failed = |error: io::Error| {
            let kind = read_fault(&error).kind;
            Fault::new(kind, format!("cannot read {name}: {error}"))
        };
        let file = File::open(path).map_err(failed)?;
        let total = file.metadata().map_err(failed)?.len();
        let progress = Progress { read: Arc::default(), total };
        let mut packed = BufReader::with_capacity(BUFFER, Counted { file, read: Arc::clone(&progress.read) });
        let gzipped = packed.fill_buf().map_err(failed)?.starts_with(GZIP_MAGIC);
        let mut text: Box<dyn BufRead + Send> =
            if gzipped { Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(packed))) } else { Box::new(packed) };
        let first = text.fill_buf().map_err(failed)?;
        if first.is_empty() {
            return Err(Fault::new(FaultKind::BadSyntax, format!("{name} is empty")));
        }
        if first.starts_with(&[0xFF, 0xFE]) || first.starts_with(&[0xFE, 0xFF]) {
            return Err(Fault::new(FaultKind::NotUtf8, format!("{name} is UTF-16; convert it to UTF-8 first")));
        }
        if first.starts_with(UTF8_BOM) {
            text.consume(UTF8_BOM.len());
        }
        let first = text.fill_buf().map_err(failed)?;
        if let Some(fault) = refused::file(path, first) {
            return Err(fault);
        }
        if is_array(first) {
            let detail = "is a JSON array: a FeatureCollection is needed, or a feature a line (jq -c '.[]')";
            return Err(Fault::new(FaultKind::BadSyntax, format!("{name} {detail}")));
        }
        let format = recognise(first);
        Ok(Self { path: path.to_owned(), format, progress, gzipped, text })
    }

    /// What it holds.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How far reading has come.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file itself is packed.
    pub fn is_gzipped(&self) -> bool {
        self.gzipped
    }

    /// The unpacked bytes from the start, a byte order mark left out.
    pub fn into_text(self) -> Box<dyn BufRead + Send> {
        self.text
    }
}

/// Whether the text is a JSON array of objects or arrays. A table may have a name in brackets.
fn is_array(first: &[u8]) -> bool {
    let mut bytes = first.iter().filter(|byte| !byte.is_ascii_whitespace());
    bytes.next() == Some(&b'[') && matches!(bytes.next(), Some(b'{' | b'[' | b']'))
}

/// By the first bytes. JSON without `features` among the first keys is taken for a sequence: a line that is no feature is then a
/// fault with its number.
fn recognise(first: &[u8]) -> Format {
    if first.starts_with(SQLITE_MAGIC) {
        return Format::GeoPackage;
    }
    if archive::MAGIC.iter().any(|magic| first.starts_with(magic)) {
        return Format::Zip;
    }
    if first.starts_with(shapefile::MAGIC) {
        return Format::Shapefile;
    }
    if first.starts_with(flatgeobuf::MAGIC) {
        return Format::FlatGeobuf;
    }
    if first.get(4..).is_some_and(|rest| rest.starts_with(osm::MAGIC)) {
        return Format::OsmPbf;
    }
    match first.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(0x1E) => Format::FeatureSequence,
        Some(b'{') => match first_telling_key(first) {
            Some(true) => Format::FeatureCollection,
            _ => Format::FeatureSequence,
        },
        _ => Format::Csv,
    }
}

/// Looks at the keys of the outermost object: `Some(true)` for a collection, `Some(false)` for a feature.
fn first_telling_key(bytes: &[u8]) -> Option<bool> {
    let (mut depth, mut at) = (0_u32, 0);
    let mut last: &[u8] = b"";
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let start = at + 1;
                at = start;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                let string = bytes.get(start..at).unwrap_or_default();
                match (depth, last, string) {
                    (1, _, b"features") | (1, b"type", b"FeatureCollection") => return Some(true),
                    (1, _, b"geometry" | b"properties") | (1, b"type", b"Feature") => return Some(false),
                    _ => {}
                }
                if depth == 1 {
                    last = string;
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// What a failure while reading means for the person who gave the file.
pub fn read_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Fault::new(FaultKind::BadSyntax, "the file ends in the middle of its packed data: it is truncated")
        }
        // What the unpacker finds wrong is in the file, not in the disk.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            Fault::new(FaultKind::BadSyntax, format!("cannot be read on: {error}"))
        }
        _ => Fault::new(FaultKind::Unreadable, format!("cannot be read on: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_unreadable_and_an_array_is_of_the_wrong_shape() {
        let folder = tempfile::tempdir().expect("a folder");
        let fault = |name: &str| Input::open(&folder.path().join(name)).err().expect(name);
        assert_eq!(fault("missing.csv").kind, FaultKind::Unreadable);
        std::fs::write(folder.path().join("array.json"), "\n [\n {\"type\":\"Feature\"}]").expect("written");
        let array = fault("array.json");
        assert!(array.kind == FaultKind::BadSyntax && array.detail.contains("JSON array"), "{array}");
        std::fs::write(folder.path().join("table.csv"), "[id],name\n1,a\n").expect("written");
        assert!(Input::open(&folder.path().join("table.csv")).is_ok());
    }

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        for (text, format) in [
            (r#"{"type":"FeatureCollection","features":[]}"#, Format::FeatureCollection),
            ("\n { \"name\" : \"a\", \"crs\":{\"type\":\"name\"},\n \"features\": [", Format::FeatureCollection),
            (r#"{"type":"Feature","properties":{"features":1}}"#, Format::FeatureSequence),
            (r#"{"properties":{"type":"FeatureCollection"},"type":"Feature"}"#, Format::FeatureSequence),
            ("\u{1e}{\"type\":\"Feature\"}", Format::FeatureSequence),
            ("lon,lat\n1,2\n", Format::Csv),
            ("SQLite format 3\0....", Format::GeoPackage),
            ("PK\u{3}\u{4}....", Format::Zip),
            ("\0\0'\n....", Format::Shapefile),
            ("fgb\u{3}fgb\0", Format::FlatGeobuf),
            ("\0\0\0\u{d}\n\tOSMHeader", Format::OsmPbf),
        ] {
            assert_eq!(recognise(text.as_bytes()), format, "{text}");
        }
    }
}
