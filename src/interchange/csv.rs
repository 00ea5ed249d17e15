//! Tables with a header line: comma, semicolon or tab, RFC 4180 quotes.

use super::csv_record::{Ends, Scan, delimiter_of};
use super::input::{Input, LONGEST_RECORD, Progress, read_fault, too_long};
use super::text::{Guess, TextCode};
use super::{Notes, RawRecord, RawShape, Sink};
use crate::domain::fault::{Fault, FaultKind};
use serde_json::Value;
use std::collections::HashSet;
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// An opened table.
pub struct CsvReader {
    rows: csv::Reader<Quoted<Box<dyn BufRead + Send>>>,
    quotes: Quotes,
    header: Vec<Arc<str>>,
    code: TextCode,
    notes: Notes,
    /// Line ends before a row that the parser has not counted yet.
    uncounted: u64,
    progress: Progress,
}

impl CsvReader {
    /// Reads the header.
    pub fn open(input: Input) -> Result<Self, Fault> {
        let progress = input.progress();
        let code = guess(input.path())?;
        let notes = Notes::default();
        if code != TextCode::UTF8 {
            notes.add(format!("the text is {}: it is not valid UTF-8", code.name()));
        }
        let mut text = input.into_text();
        let first = text.fill_buf().map_err(|error| read_fault(&error))?;
        let delimiter = delimiter_of(first);
        // The parser ends a row at its \r and counts the \n with the next one, whose line is then one too low.
        let uncounted = u64::from(first.split(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r")));
        let (text, quotes) = Quoted::of(text, delimiter);
        let mut rows = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
        let header = rows.byte_headers().map_err(|error| csv_fault(&error, 0))?.clone();
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut known = HashSet::new();
        for field in &header {
            let name = code.read(field).map_err(|fault| Fault { record: Some(1), ..fault })?.trim().to_owned();
            if !known.insert(name.clone()) {
                let mut fault = Fault::new(FaultKind::BadSyntax, format!("column {name:?} stands twice in the header"));
                fault.record = Some(1);
                return Err(fault);
            }
            names.push(name.into());
        }
        Ok(Self { rows, quotes, header: names, code, notes, uncounted, progress })
    }

    /// What the text was taken for.
    pub fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// All rows in order.
    pub fn for_each(mut self, sink: &mut Sink<'_>) {
        let mut row = csv::ByteRecord::new();
        loop {
            let line = self.rows.position().line() + self.uncounted;
            let taken = match self.rows.read_byte_record(&mut row) {
                Ok(false) => break,
                _ if self.quotes.unclosed(self.rows.position()) => {
                    let _ = sink(Err(self.quotes.fault()));
                    return;
                }
                Ok(true) => sink(self.record(&row)),
                Err(error) => {
                    let ends = matches!(error.kind(), csv::ErrorKind::Io(_));
                    let taken = sink(Err(csv_fault(&error, line)));
                    if ends {
                        return;
                    }
                    taken
                }
            };
            if taken.is_break() {
                return;
            }
        }
        self.progress.finish();
    }

    fn record(&self, row: &csv::ByteRecord) -> Result<RawRecord, Fault> {
        let number = row.position().map_or(0, csv::Position::line) + self.uncounted;
        let mut fields = Vec::with_capacity(self.header.len());
        for (name, bytes) in self.header.iter().zip(row) {
            let text = self.code.read(bytes);
            let text = text.map_err(|fault| Fault { record: Some(number), field: Some(name.to_string()), ..fault })?;
            let text = text.trim();
            // An empty cell is no value: a table has no other way to say so.
            if !text.is_empty() {
                fields.push((Arc::clone(name), Value::String(text.to_owned())));
            }
        }
        Ok(RawRecord { number, fields, shape: RawShape::Absent })
    }
}

/// How the text is encoded, from all of it: a file in GBK may begin with pages of ASCII. 0.1 s for 100 MB.
fn guess(path: &Path) -> Result<TextCode, Fault> {
    let mut text = Input::open(path)?.into_text();
    let (mut guess, mut line) = (Guess::default(), Vec::new());
    // What cannot be read is told when the rows are.
    while text.by_ref().take(MOST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        guess.see(&line);
        line.clear();
    }
    Ok(guess.code())
}

/// A longer line is looked at in pieces.
const MOST_LINE: u64 = 1 << 20;

/// A text on its way to the parser, whose quotes are followed: the parser takes a quote that is never closed for one that is closed by
/// the end, and gives the rest of the file as one field.
struct Quoted<R> {
    text: R,
    delimiter: u8,
    scan: Scan,
    line: u64,
    offset: u64,
    /// Where the present record begins.
    begin: u64,
    /// Line and offset of the last quote that opened a field.
    opened: Option<(u64, u64)>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Line and offset of the quote that is open.
    open: Option<(u64, u64)>,
    ended: bool,
}

/// What is known about the quotes of a text.
struct Quotes(Arc<Mutex<Seen>>);

impl<R: Read> Quoted<R> {
    fn of(text: R, delimiter: u8) -> (Self, Quotes) {
        let seen = Arc::<Mutex<Seen>>::default();
        let quotes = Quotes(Arc::clone(&seen));
        (Self { text, delimiter, scan: Scan::default(), line: 1, offset: 0, begin: 0, opened: None, seen }, quotes)
    }
}

impl<R: Read> Read for Quoted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.text.read(buffer)?;
        for &byte in &buffer[..read] {
            let starts = self.scan == Scan::Start;
            // The parser ends a record at a lone \r too.
            let ends = self.scan.step(if byte == b'\r' { b'\n' } else { byte }, self.delimiter);
            if starts && self.scan == Scan::Quoted {
                self.opened = Some((self.line, self.offset));
            }
            self.line += u64::from(byte == b'\n');
            self.offset += 1;
            if ends == Ends::Record {
                self.begin = self.offset;
            }
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.open = self.opened.filter(|_| self.scan == Scan::Quoted);
        seen.ended = read == 0 && !buffer.is_empty();
        if self.offset - self.begin > LONGEST_RECORD as u64 {
            let why = seen.open.map(|(line, _)| format!("; a quote opens in line {line} and is not closed")).unwrap_or_default();
            return Err(too_long(&why));
        }
        Ok(read)
    }
}

impl Quotes {
    fn open(&self) -> Option<(u64, u64)> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.open.filter(|_| seen.ended)
    }

    /// Whether the row that ends here holds a quote that is never closed. Only the last one can.
    fn unclosed(&self, end: &csv::Position) -> bool {
        self.open().is_some_and(|(_, offset)| offset < end.byte())
    }

    fn fault(&self) -> Fault {
        let detail = "a quote opens in this line and is never closed: the rest of the file would be one field";
        Fault { record: self.open().map(|(line, _)| line), ..Fault::new(FaultKind::BadSyntax, detail) }
    }
}

fn csv_fault(error: &csv::Error, line: u64) -> Fault {
    let mut fault = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Fault::new(
            FaultKind::BadSyntax,
            format!("the row has {len} fields, the header {expected_len}: truncated, or a quote or delimiter is missing"),
        ),
        csv::ErrorKind::Io(error) => read_fault(error),
        _ => Fault::new(FaultKind::BadSyntax, error.to_string()),
    };
    fault.record = (line > 0).then_some(line);
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_a_longest_size_and_what_follows_is_not_held_in_memory() {
        // A text without end: only what is asked for is made.
        let text = std::io::BufReader::new(std::io::repeat(b'x').take(u64::MAX));
        let (mut rows, quotes) = Quoted::of(std::io::Cursor::new(b"a,b\n1,\"".to_vec()).chain(text), b',');
        let mut buffer = vec![0; 1 << 20];
        let error = loop {
            match rows.read(&mut buffer) {
                Ok(read) => assert!(read > 0),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("256 MiB") && error.contains("opens in line 2"), "{error}");
        assert!(rows.offset < LONGEST_RECORD as u64 + (2 << 20) && quotes.open().is_none());
    }

    #[test]
    fn a_quote_that_is_never_closed_is_named_with_its_line_and_swallows_no_row() {
        let read = |table: &str| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), table).expect("written");
            let reader = CsvReader::open(Input::open(file.path()).expect("it is there")).expect("a header");
            let mut seen = Vec::new();
            reader.for_each(&mut |record| {
                seen.push(record.map(|record| record.number).map_err(|fault| (fault.record, fault.detail)));
                std::ops::ControlFlow::Continue(())
            });
            seen
        };
        for table in ["a,b\n1,x\n2,\"y\n3,z\n4,w\n", "a,b\r\n1,x\r\n2,\"y \"\"z\r\n3,z\r\n"] {
            let seen = read(table);
            assert_eq!(seen[0], Ok(2), "{table:?}");
            assert!(matches!(&seen[1..], [Err((Some(3), detail))] if detail.contains("never closed")), "{table:?}: {seen:?}");
        }
        for whole in ["a,b\n1,\"x\ny\"\n2,5\" pipe\n3,\"say \"\"yes\"\"\"", "a,b\n1,\"\"\n2,\"x\"z\n3,\"\"\"\"\n"] {
            assert_eq!(read(whole).iter().filter(|record| record.is_ok()).count(), 3, "{whole:?}");
        }
        // A quote of a quoted field is the first of two, not one that opens another.
        let doubled = read("a,b\n1,\"x\"\"y\nz\n2,w\n");
        assert!(matches!(&doubled[..], [Err((Some(2), _))]), "{doubled:?}");
        let large: String = (0..60_000).map(|n| format!("{n},\"text, {n}\"\n")).collect();
        let seen = read(&format!("a,b\n{large}"));
        assert!(seen.len() == 60_000 && seen.iter().all(Result::is_ok));
    }
}
