//! Tables of positions, given back record by record with two more columns: `grid`, and `error` where a record has none. Columns that are
//! not looked at pass through byte by byte, whatever their encoding. Files and streams over HTTP are answered by the same code.

use super::csv_record::{self, Ends, Scan};
use super::fields::Field;
use super::input::{Format, Input, Progress, read_fault};
use crate::domain::fault::{Fault, FaultKind};
use crate::geom::{Crs, LatticePoint, LonLat};
use std::io::{BufRead, Write};
use std::path::Path;

/// Longest record. What follows a longer one cannot be told apart from it.
pub const RECORD_LIMIT: usize = 1 << 20;

/// What is said of a position that nobody's land holds.
pub const OUTSIDE: &str = "outside_coverage";

/// What is said of a quote that is never closed.
pub const UNCLOSED: &str = "a quote opens here and is never closed: the rest would be one field";

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Where a position lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// In the grid of this code.
    Grid(&'a str),
    /// On covered land that has no grid.
    NoGrid,
    /// On nobody's land.
    Outside,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It has a grid.
    Located,
    /// It has a position and no grid.
    Outside,
    /// It has no position that could be read.
    Bad,
}

/// Why a table cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BadTable {
    /// In words.
    pub detail: String,
    /// Names of its columns.
    pub columns: Vec<String>,
}

/// How a table's records are read and answered.
#[derive(Debug, Clone)]
pub struct Table {
    crs: Crs,
    delimiter: u8,
    lon: usize,
    lat: usize,
    count: usize,
}

impl Table {
    /// From the header, a record without its line end; writes the header of the answer. Columns are told, or found by their usual names.
    pub fn of(header: &[u8], crs: Crs, told: (Option<&str>, Option<&str>), answer: &mut Vec<u8>) -> Result<Self, BadTable> {
        let header = header.strip_prefix(BOM).unwrap_or(header);
        let delimiter = csv_record::delimiter_of(header);
        let columns: Vec<String> =
            csv_record::fields(header, delimiter).map(|name| String::from_utf8_lossy(&name).trim().to_owned()).collect();
        let bad = |detail: String| BadTable { detail, columns: columns.clone() };
        let column = |field: Field, told: Option<&str>| {
            let names = |wanted: &str| {
                columns.iter().filter(|name| told.map_or(name.to_lowercase() == wanted, |told| *name == told)).count()
            };
            let usual = std::iter::once(field.as_str()).chain(field.aliases().iter().copied());
            let wanted = told.into_iter().chain(usual.filter(|_| told.is_none())).find(|wanted| names(wanted) > 0);
            let Some(wanted) = wanted else {
                let name = told.unwrap_or(field.as_str());
                return Err(bad(format!("no column {name:?}; there are: {}", columns.join(", "))));
            };
            if names(wanted) > 1 {
                return Err(bad(format!("the header names {wanted:?} twice")));
            }
            let is_wanted = |name: &String| told.map_or(name.to_lowercase() == *wanted, |told| name == told);
            Ok(columns.iter().position(is_wanted).expect("one was counted"))
        };
        let (lon, lat) = (column(Field::Lon, told.0)?, column(Field::Lat, told.1)?);
        if let Some(taken) = columns.iter().find(|name| ["grid", "error"].contains(&name.to_lowercase().as_str())) {
            return Err(bad(format!("the input already has a column {taken:?}, which the answer adds")));
        }
        answer.extend_from_slice(header);
        for name in ["grid", "error"] {
            answer.push(delimiter);
            answer.extend_from_slice(name.as_bytes());
        }
        answer.push(b'\n');
        Ok(Self { crs, delimiter, lon, lat, count: columns.len() })
    }

    /// What stands between two fields.
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Whether a record is an empty line, which is none.
    pub fn is_blank(&self, record: &[u8]) -> bool {
        record.iter().all(|byte| byte.is_ascii_whitespace() && *byte != self.delimiter)
    }

    /// Answers a record without its line end.
    pub fn answer<'a>(&self, record: &[u8], locate: impl Fn(LatticePoint) -> Place<'a>, answer: &mut Vec<u8>) -> Told {
        let (mut lon, mut lat, mut count) = (None, None, 0);
        for (at, field) in csv_record::fields(record, self.delimiter).enumerate() {
            let number = || std::str::from_utf8(&field).ok().and_then(|text| text.trim().parse::<f64>().ok());
            if at == self.lon {
                lon = number();
            } else if at == self.lat {
                lat = number();
            }
            count = at + 1;
        }
        answer.extend_from_slice(record);
        // A short record still gets its grid under the right name.
        answer.extend(std::iter::repeat_n(self.delimiter, self.count.saturating_sub(count) + 1));
        let place = match (lon, lat) {
            _ if count != self.count => Err(format!("bad_csv: the record has {count} fields, the header {}", self.count)),
            (Some(lon), Some(lat)) => position(lon, lat, self.crs).map(locate),
            (None, _) => Err("bad_point: lon is not a number".to_owned()),
            (_, None) => Err("bad_point: lat is not a number".to_owned()),
        };
        let told = match place {
            Ok(Place::Grid(code)) => {
                answer.extend_from_slice(code.as_bytes());
                answer.push(self.delimiter);
                Told::Located
            }
            Ok(Place::NoGrid) => {
                answer.push(self.delimiter);
                Told::Outside
            }
            Ok(Place::Outside) => {
                answer.push(self.delimiter);
                answer.extend_from_slice(OUTSIDE.as_bytes());
                Told::Outside
            }
            Err(detail) => {
                answer.push(self.delimiter);
                csv_record::quote(&detail, answer);
                Told::Bad
            }
        };
        answer.push(b'\n');
        told
    }

    /// A record that says why there are no more.
    pub fn ended(&self, detail: &str, answer: &mut Vec<u8>) {
        answer.extend(std::iter::repeat_n(self.delimiter, self.count + 1));
        csv_record::quote(detail, answer);
        answer.push(b'\n');
    }
}

fn position(lon: f64, lat: f64, crs: Crs) -> Result<LatticePoint, String> {
    let told = LonLat::new(lon, lat).and_then(|told| crs.to_cgcs2000(told));
    told.map(LatticePoint::nearest).map_err(|error| format!("out_of_range: {}: {error}", error.field()))
}

/// What became of the records of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Annotated {
    /// All of them.
    pub rows: u64,
    /// With a grid.
    pub located: u64,
    /// With a position and without a grid.
    pub outside: u64,
    /// Without a position that could be read.
    pub bad: u64,
}

/// Whole records off a text, in bounded memory.
struct Records<R> {
    text: R,
    delimiter: u8,
    /// Read and not yet handed out, from `start` on.
    held: Vec<u8>,
    start: usize,
    /// Line in which the next record begins, from 1.
    line: u64,
}

impl<R: BufRead> Records<R> {
    /// The next record with its line end, and the line it begins in.
    fn next(&mut self) -> Result<Option<(u64, &[u8])>, Fault> {
        let (mut scan, mut at) = (Scan::default(), self.start);
        let end = loop {
            if let Some(end) = self.held[at..].iter().position(|byte| scan.step(*byte, self.delimiter) == Ends::Record) {
                break at + end + 1;
            }
            at = self.held.len();
            if at - self.start > RECORD_LIMIT {
                let long = format!("the record is longer than {RECORD_LIMIT} bytes: a quote that is never closed?");
                return Err(self.fault(long));
            }
            self.held.drain(..self.start);
            at -= self.start;
            self.start = 0;
            let more = self.text.fill_buf().map_err(|error| read_fault(&error))?;
            let read = more.len();
            self.held.extend_from_slice(more);
            self.text.consume(read);
            match (read, scan) {
                (0, Scan::Quoted) => return Err(self.fault(UNCLOSED.to_owned())),
                (0, _) if self.held.is_empty() => return Ok(None),
                (0, _) => break at,
                _ => {}
            }
        };
        let record = self.start..end;
        self.start = end;
        let line = self.line;
        self.line += self.held[record.clone()].iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(Some((line, &self.held[record])))
    }

    fn fault(&self, detail: String) -> Fault {
        Fault { record: Some(self.line), ..Fault::new(FaultKind::BadSyntax, detail) }
    }
}

/// Answers a whole file, gzipped or not. `opened` gets the progress of reading before the first record.
pub fn annotate<'a>(
    file: &Path,
    crs: Crs,
    told: (Option<&str>, Option<&str>),
    mut output: impl Write,
    opened: impl FnOnce(Progress),
    locate: impl Fn(LatticePoint) -> Place<'a>,
) -> Result<Annotated, Fault> {
    let input = Input::open(file)?;
    if input.format() != Format::Csv {
        return Err(Fault::new(FaultKind::BadSyntax, format!("{} is no CSV table", file.display())));
    }
    let progress = input.progress();
    opened(progress.clone());
    let mut text = input.into_text();
    let delimiter = csv_record::delimiter_of(text.fill_buf().map_err(|error| read_fault(&error))?);
    let mut records = Records { text, delimiter, held: Vec::new(), start: 0, line: 1 };
    let mut answer = Vec::new();
    let header = records.next()?.map_or(&b""[..], |(_, header)| csv_record::trimmed(header));
    let table = Table::of(header, crs, told, &mut answer)
        .map_err(|bad| Fault { record: Some(1), ..Fault::new(FaultKind::BadField, bad.detail) })?;
    let mut counts = Annotated::default();
    loop {
        let record = records.next()?;
        if let Some((_, record)) = record {
            let record = csv_record::trimmed(record);
            if !table.is_blank(record) {
                counts.rows += 1;
                match table.answer(record, &locate, &mut answer) {
                    Told::Located => counts.located += 1,
                    Told::Outside => counts.outside += 1,
                    Told::Bad => counts.bad += 1,
                }
            }
        }
        let ended = record.is_none();
        if ended || answer.len() >= 1 << 16 {
            let written = output.write_all(&answer);
            let flushed = written.and_then(|()| if ended { output.flush() } else { Ok(()) });
            flushed.map_err(|error| Fault::new(FaultKind::Unreadable, format!("cannot write the result: {error}")))?;
            answer.clear();
        }
        if ended {
            progress.finish();
            return Ok(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(table: &str, told: (Option<&str>, Option<&str>)) -> (Result<Annotated, Fault>, String) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), table).expect("written");
        let mut out = Vec::new();
        let locate = |at: LatticePoint| match at.x {
            ..50_000_000 => Place::Grid("g1"),
            50_000_000..70_000_000 => Place::NoGrid,
            _ => Place::Outside,
        };
        let counts = annotate(file.path(), Crs::Wgs84, told, &mut out, |_| {}, locate);
        (counts, String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn every_row_comes_back_with_its_grid_or_the_reason_why_not() {
        let table = "名称,经度,纬度,b\n\"a,b\",1.0,2.0,x\nword,1.5,abc,y\nshort,1\n\nfar,9,9,z\nlake,6,1,\nswapped,30,120,q";
        let (counts, text) = annotated(table, (None, None));
        assert_eq!(counts, Ok(Annotated { rows: 6, located: 1, outside: 2, bad: 3 }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "名称,经度,纬度,b,grid,error");
        assert_eq!(lines[1], "\"a,b\",1.0,2.0,x,g1,");
        assert_eq!(lines[2], "word,1.5,abc,y,,\"bad_point: lat is not a number\"");
        assert_eq!(lines[3], "short,1,,,,\"bad_csv: the record has 2 fields, the header 4\"");
        assert_eq!((lines[4], lines[5]), ("far,9,9,z,,outside_coverage", "lake,6,1,,,"));
        assert!(lines[6].contains("out_of_range: lat") && lines[6].contains("swapped"), "{}", lines[6]);
    }

    #[test]
    fn semicolons_tabs_and_a_byte_order_mark_are_taken_as_they_are() {
        let (counts, text) = annotated("\u{feff}lon;lat;a\r\n1;2;\"x;\ny\"\r\n", (None, None));
        assert_eq!(counts.map(|counts| counts.located), Ok(1));
        assert_eq!(text, "lon;lat;a;grid;error\n1;2;\"x;\ny\";g1;\n");
        let (_, text) = annotated("p\tq\n1\t2\n\n\t\n", (Some("p"), Some("q")));
        assert_eq!(text, "p\tq\tgrid\terror\n1\t2\tg1\t\n\t\t\t\"bad_point: lon is not a number\"\n");
    }

    #[test]
    fn a_quote_that_is_never_closed_is_named_with_its_line_behind_what_was_answered() {
        let large: String = (0..20_000).map(|n| format!("1,2,\"text\n {n}\"\n")).collect();
        let (counts, text) = annotated(&format!("lon,lat,a\n{large}1,2,\"x\n1,2,y\n"), (None, None));
        let fault = counts.expect_err("a quote is open");
        assert_eq!((fault.record, fault.detail.as_str()), (Some(40_002), UNCLOSED));
        assert!(text.is_empty() || text.ends_with(",g1,\n"));
    }

    #[test]
    fn a_header_without_positions_or_with_the_answers_names_is_refused() {
        for (header, why) in [("a,b", "no column \"lon\""), ("lon,lat,LON", "twice"), ("lon,lat,Grid", "already")] {
            let (counts, _) = annotated(&format!("{header}\n1,2,3\n"), (None, None));
            let fault = counts.expect_err(header);
            assert!(fault.detail.contains(why), "{header}: {}", fault.detail);
        }
    }
}
