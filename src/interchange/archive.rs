//! What is in a zip file (APPNOTE 6.3.10), read entry by entry without trusting a length in it. Names are UTF-8 when flag bit 11 says so
//! or when they are valid as such, else GBK, as Chinese Windows writes them.
//!
//! Read here and not with a crate because the flag of a name and a hard end for what an entry unpacks to are what matters.

use super::input::{Progress, read_fault};
use super::text::TextCode;
use crate::domain::fault::{Fault, FaultKind};
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// First bytes of a zip file, and of an empty one.
pub const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Most entries. A city's archive has tens.
const MOST_ENTRIES: u64 = 10_000;
/// Largest directory of entries.
const MOST_DIRECTORY: u64 = 16 << 20;
/// Largest entry, unpacked: twice what a Shapefile can hold.
const MOST_UNPACKED: u64 = 8 << 30;
/// An entry above this size may not unpack to more than [`MOST_RATIO`] times its size. Tables full of blanks come to about 100.
const FREE_UNPACKED: u64 = 64 << 20;
/// Deflate can do 1,032.
const MOST_RATIO: u64 = 250;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const ENCRYPTED: u16 = 1;
const UTF8_NAME: u16 = 1 << 11;
/// A length that stands elsewhere.
const ELSEWHERE: u64 = 0xFFFF_FFFF;

/// A file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// With folders, separated by `/`.
    pub name: String,
    /// The name's bytes were GBK.
    pub gbk_name: bool,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
    offset: u64,
}

impl Entry {
    /// Bytes, as the directory says; more or fewer end the reading in an error.
    pub fn unpacked(&self) -> u64 {
        self.unpacked
    }
}

/// An opened archive: its directory.
#[derive(Debug, Clone)]
pub struct Archive {
    path: PathBuf,
    entries: Vec<Entry>,
}

fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(FaultKind::BadSyntax, detail)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?).into())
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn read_at(file: &mut File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Archive {
    /// Reads the directory.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let failed = |error: io::Error| read_fault(&error);
        let mut file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        // The end record is 22 bytes and a comment of up to 64 KB.
        let tail_at = size.saturating_sub(22 + 0xFFFF);
        let tail = read_at(&mut file, tail_at, size - tail_at).map_err(failed)?;
        let truncated = || bad("the zip file has no directory at its end: it is truncated");
        let end =
            (0..tail.len().saturating_sub(21)).rev().find(|at| tail[*at..].starts_with(b"PK\x05\x06")).ok_or_else(truncated)?;
        let mut count = u64::from(u16_at(&tail, end + 10).ok_or_else(truncated)?);
        let mut length = u32_at(&tail, end + 12).ok_or_else(truncated)?;
        let mut offset = u32_at(&tail, end + 16).ok_or_else(truncated)?;
        if (count == 0xFFFF || length == ELSEWHERE || offset == ELSEWHERE) && end >= 20 {
            let locator = &tail[end - 20..end];
            if locator.starts_with(b"PK\x06\x07") {
                let at = u64_at(locator, 8).ok_or_else(truncated)?;
                let record = read_at(&mut file, at, 56).map_err(failed)?;
                if !record.starts_with(b"PK\x06\x06") {
                    return Err(bad("the zip file's 64-bit end record is not where it should be"));
                }
                count = u64_at(&record, 32).ok_or_else(truncated)?;
                length = u64_at(&record, 40).ok_or_else(truncated)?;
                offset = u64_at(&record, 48).ok_or_else(truncated)?;
            }
        }
        if count > MOST_ENTRIES || length > MOST_DIRECTORY {
            return Err(bad(format!(
                "the zip file lists {count} files in {length} bytes: more than {MOST_ENTRIES} are not taken"
            )));
        }
        let directory = read_at(&mut file, offset, length).map_err(failed)?;
        let mut entries = Vec::new();
        let mut at = 0;
        for number in 1..=count {
            let (entry, next) = entry(&directory, at)
                .ok_or_else(|| bad(format!("the zip file's directory breaks off at its entry {number} of {count}")))?;
            at = next;
            // Folders, and what macOS adds.
            if !entry.name.ends_with('/') && !entry.name.starts_with("__MACOSX/") {
                entries.push(entry);
            }
        }
        Ok(Self { path: path.to_owned(), entries })
    }

    /// All files in it.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An entry by its name, in whatever case.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let lower = name.to_lowercase();
        self.entries.iter().find(|entry| entry.name.to_lowercase() == lower)
    }

    /// The unpacked bytes of an entry. Reading ends in an error when there are more or fewer than the entry says, or others.
    pub fn read(&self, entry: &Entry, progress: Option<&Progress>) -> Result<Box<dyn BufRead + Send>, Fault> {
        let Entry { name, flags, method, packed, unpacked, offset, crc, .. } = entry;
        if flags & ENCRYPTED != 0 {
            return Err(bad(format!("{name} in the zip file is encrypted")));
        }
        if *unpacked > MOST_UNPACKED || *unpacked > FREE_UNPACKED && *unpacked / MOST_RATIO > *packed {
            return Err(bad(format!("{name} in the zip file would unpack from {packed} to {unpacked} bytes: not taken")));
        }
        let failed = |error: io::Error| read_fault(&error);
        let mut file = File::open(&self.path).map_err(failed)?;
        let head = read_at(&mut file, *offset, 30).map_err(failed)?;
        let lengths = u16_at(&head, 26).zip(u16_at(&head, 28)).filter(|_| head.starts_with(b"PK\x03\x04"));
        let Some((name_length, extra_length)) = lengths else {
            return Err(bad(format!("{name} is not where the zip file's directory says: it is truncated or damaged")));
        };
        let start = offset.saturating_add(30 + u64::from(name_length) + u64::from(extra_length));
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let counted: Box<dyn Read + Send> = match progress {
            Some(progress) => Box::new(progress.count(file)),
            None => Box::new(file),
        };
        let inner: Box<dyn Read + Send> = match *method {
            STORED => Box::new(counted.take(*packed)),
            DEFLATED => Box::new(DeflateDecoder::new(BufReader::with_capacity(64 << 10, counted.take(*packed)))),
            other => {
                return Err(bad(format!(
                    "{name} in the zip file is packed by method {other}; only stored and deflated are taken"
                )));
            }
        };
        let checked = Checked { inner, left: *unpacked, expected: *crc, crc: Crc::new() };
        Ok(Box::new(BufReader::with_capacity(256 << 10, checked)))
    }

    /// Unpacks everything once and keeps nothing of it, for readers that trust the lengths in an archive.
    pub fn prove(&self, most_unpacked: u64) -> Result<(), Fault> {
        let total: u64 = self.entries.iter().map(|entry| entry.unpacked).fold(0, u64::saturating_add);
        if total > most_unpacked {
            return Err(bad(format!("the file would unpack to {total} bytes: more than {most_unpacked} are not taken")));
        }
        for entry in &self.entries {
            let mut bytes = self.read(entry, None)?;
            io::copy(&mut bytes, &mut io::sink())
                .map_err(|error| bad(format!("{} in the file cannot be unpacked: {error}", entry.name)))?;
        }
        Ok(())
    }
}

/// The entry at a place of the directory, and the next place.
fn entry(directory: &[u8], at: usize) -> Option<(Entry, usize)> {
    let head = directory.get(at..)?;
    if !head.starts_with(b"PK\x01\x02") {
        return None;
    }
    let (flags, method) = (u16_at(head, 8)?, u16_at(head, 10)?);
    let crc = u32::try_from(u32_at(head, 16)?).ok()?;
    let [mut packed, mut unpacked, mut offset] = [u32_at(head, 20)?, u32_at(head, 24)?, u32_at(head, 42)?];
    let [name, extra, comment] = [u16_at(head, 28)?, u16_at(head, 30)?, u16_at(head, 32)?].map(usize::from);
    let bytes = head.get(46..46 + name)?;
    let mut extras = head.get(46 + name..46 + name + extra)?;
    while let (Some(id), Some(length)) = (u16_at(extras, 0), u16_at(extras, 2)) {
        let Some(body) = extras.get(4..4 + usize::from(length)) else { break };
        if id == 1 {
            // The 64-bit lengths that do not fit above, in this order.
            let mut place = 0;
            for value in [&mut unpacked, &mut packed, &mut offset] {
                if *value == ELSEWHERE {
                    *value = u64_at(body, place)?;
                    place += 8;
                }
            }
        }
        extras = &extras[4 + usize::from(length)..];
    }
    let gbk_name = flags & UTF8_NAME == 0 && std::str::from_utf8(bytes).is_err();
    let name_text = if gbk_name {
        TextCode::GBK.read(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), |text| text.into_owned())
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    let entry = Entry { name: name_text.replace('\\', "/"), gbk_name, flags, method, crc, packed, unpacked, offset };
    Some((entry, at + 46 + name + extra + comment))
}

/// Bytes that end where the directory says, with the checksum it says.
struct Checked {
    inner: Box<dyn Read + Send>,
    left: u64,
    expected: u32,
    crc: Crc,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read as u64 > self.left {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it unpacks to more than the zip file's directory says"));
        }
        self.left -= read as u64;
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() {
            if self.left > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.crc.sum() != self.expected {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "its checksum is not the one in the zip file's directory",
                ));
            }
        }
        Ok(read)
    }
}
