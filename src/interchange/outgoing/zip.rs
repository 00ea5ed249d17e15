//! Zip files (APPNOTE 6.3.10), entry by entry, each packed as it comes. Without ZIP64: nothing in it is larger than 4 GB.

use super::WriteError;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

/// Names are UTF-8.
const UTF8_NAME: u16 = 1 << 11;
const DEFLATED: u16 = 8;
/// 1980-01-01: what is written does not depend on the hour.
const DAY: u16 = 1 << 5 | 1;
/// Lengths and places are 32 bits, and the highest means "elsewhere".
const MOST: u64 = u32::MAX as u64 - 1;

struct Entry {
    name: String,
    crc: u32,
    packed: u64,
    unpacked: u64,
    offset: u64,
}

/// Counts what goes through.
struct Counting<W> {
    inner: W,
    count: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A zip file on its way.
pub struct ZipWriter {
    /// Absent while an entry is open.
    out: Option<Counting<BufWriter<File>>>,
    open: Option<Open>,
    entries: Vec<Entry>,
}

struct Open {
    entry: Entry,
    crc: Crc,
    /// Where the packed bytes begin.
    from: u64,
    packer: DeflateEncoder<Counting<BufWriter<File>>>,
}

fn too_large(name: &str) -> WriteError {
    WriteError::TooMuch(format!(
        "{name} is larger than 4 GB, which a zip file cannot hold: take another format, or a part with --within"
    ))
}

fn local_header(entry: &Entry) -> Vec<u8> {
    let mut header = b"PK\x03\x04".to_vec();
    common(&mut header, entry);
    header.extend_from_slice(entry.name.as_bytes());
    header
}

/// From "version needed" to the length of the extra field.
fn common(header: &mut Vec<u8>, entry: &Entry) {
    for half in [20, UTF8_NAME, DEFLATED, 0, DAY] {
        header.extend_from_slice(&half.to_le_bytes());
    }
    for word in [u64::from(entry.crc), entry.packed, entry.unpacked] {
        header.extend_from_slice(&(word as u32).to_le_bytes());
    }
    header.extend_from_slice(&(entry.name.len() as u16).to_le_bytes());
    header.extend_from_slice(&0_u16.to_le_bytes());
}

impl ZipWriter {
    /// An archive without entries.
    pub fn new(file: File) -> Self {
        let out = Counting { inner: BufWriter::with_capacity(1 << 18, file), count: 0 };
        Self { out: Some(out), open: None, entries: Vec::new() }
    }

    /// Begins an entry; the one before is ended.
    pub fn begin(&mut self, name: &str) -> Result<(), WriteError> {
        self.end()?;
        let mut out = self.out.take().expect("no entry is open");
        let entry = Entry { name: name.to_owned(), crc: 0, packed: 0, unpacked: 0, offset: out.count };
        // Its lengths are known at its end.
        out.write_all(&local_header(&entry))?;
        let from = out.count;
        self.open = Some(Open { entry, crc: Crc::new(), from, packer: DeflateEncoder::new(out, Compression::default()) });
        Ok(())
    }

    /// Ends the open entry.
    fn end(&mut self) -> Result<(), WriteError> {
        let Some(Open { mut entry, crc, from, packer }) = self.open.take() else { return Ok(()) };
        let mut out = packer.finish()?;
        entry.crc = crc.sum();
        entry.packed = out.count - from;
        if entry.packed > MOST || entry.unpacked > MOST || out.count > MOST {
            return Err(too_large(&entry.name));
        }
        out.inner.seek(SeekFrom::Start(entry.offset))?;
        out.inner.write_all(&local_header(&entry))?;
        out.inner.seek(SeekFrom::Start(out.count))?;
        self.entries.push(entry);
        self.out = Some(out);
        Ok(())
    }

    /// An entry with all that is in a file.
    pub fn copy(&mut self, name: &str, from: &mut File) -> Result<(), WriteError> {
        self.begin(name)?;
        from.seek(SeekFrom::Start(0))?;
        let mut piece = vec![0; 1 << 16];
        loop {
            match from.read(&mut piece)? {
                0 => return Ok(()),
                read => self.write_all(&piece[..read])?,
            }
        }
    }

    /// The directory, and the end.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.end()?;
        let mut out = self.out.take().expect("no entry is open");
        let start = out.count;
        for entry in &self.entries {
            let mut header = b"PK\x01\x02".to_vec();
            header.extend_from_slice(&20_u16.to_le_bytes());
            common(&mut header, entry);
            // Comment, disk, attributes: none.
            header.extend_from_slice(&[0; 10]);
            header.extend_from_slice(&(entry.offset as u32).to_le_bytes());
            header.extend_from_slice(entry.name.as_bytes());
            out.write_all(&header)?;
        }
        let (size, count) = (out.count - start, self.entries.len() as u16);
        if out.count > MOST {
            return Err(too_large("the archive"));
        }
        let mut tail = b"PK\x05\x06\0\0\0\0".to_vec();
        tail.extend([count, count].iter().flat_map(|half| half.to_le_bytes()));
        tail.extend([size as u32, start as u32].iter().flat_map(|word| word.to_le_bytes()));
        tail.extend_from_slice(&[0; 2]);
        out.write_all(&tail)?;
        out.flush()?;
        Ok(())
    }
}

/// Into the open entry.
impl Write for ZipWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = self.open.as_mut().ok_or_else(|| io::Error::other("no entry of the zip file is open"))?;
        let written = open.packer.write(bytes)?;
        open.crc.update(&bytes[..written]);
        open.entry.unpacked += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
