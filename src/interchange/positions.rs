//! Tables of positions, given back record by record with two more columns: `grid`, and `error` where a record has none; tables of addresses
//! with what was found of each. Columns that are not looked at pass through byte by byte, whatever their encoding. Files and streams over
//! HTTP are answered by the same code.

use super::csv_record::{self, Ends, Scan};
use super::fields::Field;
use super::input::{Format, Input, Progress, read_fault};
use crate::domain::address::MOST_CHARS;
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

/// Where an address lies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddressPlace<'a> {
    /// The grid, when the best candidates agree on it.
    pub grid: Option<&'a str>,
    /// Kind of the best candidate; empty: there is none.
    pub kind: &'static str,
    /// Its score.
    pub score: f64,
    /// Where; absent when it is not known, or several candidates share the best score.
    pub at: Option<LatticePoint>,
    /// How many candidates there are.
    pub candidates: usize,
    /// Why there is no grid.
    pub error: Option<&'static str>,
}

/// Who knows where things are.
pub trait Gazetteer {
    /// Where a position lies.
    fn place(&self, at: LatticePoint) -> Place<'_>;
    /// Where an address lies.
    fn address(&self, text: &str) -> AddressPlace<'_>;
}

/// Which columns are looked at; absent: found by their usual names.
#[derive(Debug, Clone, Default)]
pub struct TableColumns {
    /// Longitude.
    pub lon: Option<String>,
    /// Latitude.
    pub lat: Option<String>,
    /// Address, instead of a position.
    pub address: Option<String>,
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
    /// What would mend it.
    pub wants: Wants,
}

/// What would mend a table that cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Other columns.
    Columns,
    /// The CRS of its positions.
    Crs,
    /// No CRS: it has no positions.
    NoCrs,
}

/// How a table's records are read and answered.
#[derive(Debug, Clone)]
pub struct Table {
    looked_at: LookedAt,
    delimiter: u8,
    count: usize,
}

/// The columns of a table that are looked at.
#[derive(Debug, Clone, Copy)]
enum LookedAt {
    Position { crs: Crs, lon: usize, lat: usize },
    Address(usize),
}

/// Columns that the answer adds to positions, and to addresses.
const ADDED: [&str; 2] = ["grid", "error"];
const ADDED_TO_ADDRESSES: [&str; 7] = ["grid", "kind", "score", "lon", "lat", "candidates", "error"];

/// The columns of a header.
fn columns_of(header: &[u8], delimiter: u8) -> Vec<String> {
    csv_record::fields(header, delimiter).map(|name| String::from_utf8_lossy(&name).trim().to_owned()).collect()
}

/// The place of a field's column: of the name told, else of its usual names the first that stands there. In words why there is none.
fn column_of(columns: &[String], field: Field, told: Option<&str>) -> Result<usize, String> {
    let is = |name: &str, wanted: &str| told.map_or_else(|| name.to_lowercase() == wanted, |told| name == told);
    let usual = std::iter::once(field.as_str()).chain(field.aliases().iter().copied());
    let wanted =
        told.into_iter().chain(usual.filter(|_| told.is_none())).find(|wanted| columns.iter().any(|name| is(name, wanted)));
    let Some(wanted) = wanted else {
        let name = told.unwrap_or(field.as_str());
        return Err(format!("no column {name:?}; there are: {}", columns.join(", ")));
    };
    let mut found = (0..).zip(columns).filter(|(_, name)| is(name, wanted)).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        _ => Err(format!("the header names {wanted:?} twice")),
    }
}

impl Table {
    /// From the header, a record without its line end; writes the header of the answer. Columns are told, or found by their usual names:
    /// those of a position, else that of an address.
    pub fn of(header: &[u8], crs: Option<Crs>, told: &TableColumns, answer: &mut Vec<u8>) -> Result<Self, BadTable> {
        let header = header.strip_prefix(BOM).unwrap_or(header);
        let delimiter = csv_record::delimiter_of(header);
        let columns = columns_of(header, delimiter);
        let bad = |detail: String, wants: Wants| BadTable { detail, columns: columns.clone(), wants };
        let column = |field, told: &Option<String>| column_of(&columns, field, told.as_deref());
        let position = column(Field::Lon, &told.lon).and_then(|lon| Ok((lon, column(Field::Lat, &told.lat)?)));
        let wants_position = told.lon.is_some() || told.lat.is_some();
        let address = if wants_position { None } else { Some(column(Field::Address, &told.address)) };
        let looked_at = match (position, address, crs) {
            // A column that is told goes before those that have usual names.
            (Err(_), Some(Ok(_)), Some(_)) => {
                return Err(bad("a table of addresses has no positions that a crs could be of".to_owned(), Wants::NoCrs));
            }
            (_, Some(Ok(address)), None) if told.address.is_some() => LookedAt::Address(address),
            (_, Some(Err(why)), _) if told.address.is_some() => return Err(bad(why, Wants::Columns)),
            (Ok((lon, lat)), _, Some(crs)) => LookedAt::Position { crs, lon, lat },
            (Ok(_), _, None) => {
                let detail = format!("the positions need a crs: {}; it is never guessed", Crs::NAMES.join(", "));
                return Err(bad(detail, Wants::Crs));
            }
            (Err(_), Some(Ok(address)), None) => LookedAt::Address(address),
            (Err(why), _, _) => return Err(bad(why, Wants::Columns)),
        };
        let added: &[&str] = match looked_at {
            LookedAt::Position { .. } => &ADDED,
            LookedAt::Address(_) => &ADDED_TO_ADDRESSES,
        };
        if let Some(taken) = columns.iter().find(|name| added.contains(&name.to_lowercase().as_str())) {
            let detail = format!("the input already has a column {taken:?}, which the answer adds");
            return Err(bad(detail, Wants::Columns));
        }
        answer.extend_from_slice(header);
        for name in added {
            answer.push(delimiter);
            answer.extend_from_slice(name.as_bytes());
        }
        answer.push(b'\n');
        Ok(Self { looked_at, delimiter, count: columns.len() })
    }

    /// Whether its records are addresses.
    pub fn is_of_addresses(&self) -> bool {
        matches!(self.looked_at, LookedAt::Address(_))
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
    pub fn answer(&self, record: &[u8], gazetteer: &impl Gazetteer, answer: &mut Vec<u8>) -> Told {
        match self.looked_at {
            LookedAt::Position { crs, lon, lat } => self.answer_position(record, (crs, lon, lat), gazetteer, answer),
            LookedAt::Address(column) => self.answer_address(record, column, gazetteer, answer),
        }
    }

    fn answer_position(
        &self,
        record: &[u8],
        (crs, lon_at, lat_at): (Crs, usize, usize),
        gazetteer: &impl Gazetteer,
        answer: &mut Vec<u8>,
    ) -> Told {
        let (mut lon, mut lat, mut count) = (None, None, 0);
        for (at, field) in csv_record::fields(record, self.delimiter).enumerate() {
            let number = || std::str::from_utf8(&field).ok().and_then(|text| text.trim().parse::<f64>().ok());
            if at == lon_at {
                lon = number();
            } else if at == lat_at {
                lat = number();
            }
            count = at + 1;
        }
        answer.extend_from_slice(record);
        // A short record still gets its grid under the right name.
        answer.extend(std::iter::repeat_n(self.delimiter, self.count.saturating_sub(count) + 1));
        let place = match (lon, lat) {
            _ if count != self.count => Err(self.miscounted(count)),
            (Some(lon), Some(lat)) => position(lon, lat, crs).map(|at| gazetteer.place(at)),
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

    fn answer_address(&self, record: &[u8], column: usize, gazetteer: &impl Gazetteer, answer: &mut Vec<u8>) -> Told {
        let (mut text, mut count) = (None, 0);
        for (at, field) in csv_record::fields(record, self.delimiter).enumerate() {
            if at == column {
                text = Some(field);
            }
            count = at + 1;
        }
        let text = text.as_deref().map(std::str::from_utf8);
        let place = match text {
            _ if count != self.count => Err(self.miscounted(count)),
            Some(Ok(text)) if text.chars().count() > MOST_CHARS => {
                Err(format!("bad_address: longer than {MOST_CHARS} characters"))
            }
            Some(Ok(text)) if text.trim().is_empty() => Err("bad_address: it is empty".to_owned()),
            Some(Ok(text)) => Ok(gazetteer.address(text)),
            _ => Err("bad_address: it is not UTF-8".to_owned()),
        };
        answer.extend_from_slice(record);
        answer.extend(std::iter::repeat_n(self.delimiter, self.count.saturating_sub(count)));
        let (place, error) = match place {
            Ok(place) => {
                let error = place.error.unwrap_or_default().to_owned();
                (place, error)
            }
            Err(detail) => (AddressPlace::default(), detail),
        };
        let known = !place.kind.is_empty();
        let degrees = |value: fn(LonLat) -> f64| place.at.map_or_else(String::new, |at| format!("{:.7}", value(at.lonlat())));
        let cells = [
            place.grid.unwrap_or_default().to_owned(),
            place.kind.to_owned(),
            if known { place.score.to_string() } else { String::new() },
            degrees(LonLat::lon),
            degrees(LonLat::lat),
            if known { place.candidates.to_string() } else { String::new() },
        ];
        for cell in cells {
            answer.push(self.delimiter);
            answer.extend_from_slice(cell.as_bytes());
        }
        answer.push(self.delimiter);
        if error.contains(' ') {
            csv_record::quote(&error, answer);
        } else {
            answer.extend_from_slice(error.as_bytes());
        }
        answer.push(b'\n');
        match (place.grid.is_some(), error.as_str()) {
            (true, _) => Told::Located,
            (false, "" | OUTSIDE) => Told::Outside,
            (false, _) => Told::Bad,
        }
    }

    fn miscounted(&self, count: usize) -> String {
        format!("bad_csv: the record has {count} fields, the header {}", self.count)
    }

    /// A record that says why there are no more.
    pub fn ended(&self, detail: &str, answer: &mut Vec<u8>) {
        let added = if self.is_of_addresses() { ADDED_TO_ADDRESSES.len() } else { ADDED.len() };
        answer.extend(std::iter::repeat_n(self.delimiter, self.count + added - 1));
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

/// Whether a file is a table of addresses and not of positions. A file that is no table is neither; whoever answers it says so.
pub fn is_of_addresses(file: &Path, crs: Option<Crs>, told: &TableColumns) -> Result<bool, Fault> {
    let input = Input::open(file)?;
    if input.format() != Format::Csv {
        return Ok(false);
    }
    let mut text = input.into_text();
    let delimiter = csv_record::delimiter_of(text.fill_buf().map_err(|error| read_fault(&error))?);
    let mut records = Records { text, delimiter, held: Vec::new(), start: 0, line: 1 };
    let header = records.next()?.map_or(&b""[..], |(_, header)| csv_record::trimmed(header));
    Ok(Table::of(header, crs, told, &mut Vec::new()).is_ok_and(|table| table.is_of_addresses()))
}

/// Answers a whole file, gzipped or not. `opened` gets the progress of reading before the first record.
pub fn annotate(
    file: &Path,
    crs: Option<Crs>,
    told: &TableColumns,
    mut output: impl Write,
    opened: impl FnOnce(Progress),
    gazetteer: &impl Gazetteer,
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
                match table.answer(record, gazetteer, &mut answer) {
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

    /// Knows some land and two addresses.
    struct Known;

    impl Gazetteer for Known {
        fn place(&self, at: LatticePoint) -> Place<'_> {
            match at.x {
                ..50_000_000 => Place::Grid("g1"),
                50_000_000..70_000_000 => Place::NoGrid,
                _ => Place::Outside,
            }
        }

        fn address(&self, text: &str) -> AddressPlace<'_> {
            let at = Some(LatticePoint::new(10_000_000, 20_000_000));
            match text {
                "解放路5号" => AddressPlace { grid: Some("g1"), kind: "exact", score: 1.0, at, candidates: 1, error: None },
                "解放路" => {
                    AddressPlace { kind: "road", score: 0.4, candidates: 2, error: Some("ambiguous"), ..AddressPlace::default() }
                }
                _ => AddressPlace { error: Some("not_found"), ..AddressPlace::default() },
            }
        }
    }

    fn annotated_with(table: &str, crs: Option<Crs>, told: &TableColumns) -> (Result<Annotated, Fault>, String) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), table).expect("written");
        let mut out = Vec::new();
        let counts = annotate(file.path(), crs, told, &mut out, |_| {}, &Known);
        (counts, String::from_utf8(out).expect("UTF-8"))
    }

    fn annotated(table: &str, told: (Option<&str>, Option<&str>)) -> (Result<Annotated, Fault>, String) {
        let told = TableColumns { lon: told.0.map(str::to_owned), lat: told.1.map(str::to_owned), address: None };
        annotated_with(table, Some(Crs::Wgs84), &told)
    }

    #[test]
    fn a_table_of_addresses_comes_back_with_what_was_found() {
        let table = "id,地址,note\n1,解放路5号,a\n2,解放路,\"b,c\"\n3,没有的路,\n4\n5, ,x\n";
        let (counts, text) = annotated_with(table, None, &TableColumns::default());
        assert_eq!(counts, Ok(Annotated { rows: 5, located: 1, outside: 0, bad: 4 }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "id,地址,note,grid,kind,score,lon,lat,candidates,error");
        assert_eq!(lines[1], "1,解放路5号,a,g1,exact,1,1.0000000,2.0000000,1,");
        assert_eq!(lines[2], "2,解放路,\"b,c\",,road,0.4,,,2,ambiguous");
        assert_eq!(lines[3], "3,没有的路,,,,,,,,not_found");
        assert_eq!(lines[4], "4,,,,,,,,,\"bad_csv: the record has 1 fields, the header 3\"");
        assert_eq!(lines[5], "5, ,x,,,,,,,\"bad_address: it is empty\"");
        let told = TableColumns { address: Some("at".to_owned()), ..TableColumns::default() };
        assert_eq!(annotated_with("at\n解放路5号\n", None, &told).0.map(|counts| counts.located), Ok(1));
        let wants = |table: &str, crs| annotated_with(table, crs, &TableColumns::default()).0.expect_err(table).detail;
        assert!(wants("address\nx\n", Some(Crs::Wgs84)).contains("no positions"));
        assert!(wants("lon,lat\n1,2\n", None).contains("need a crs"));
        assert!(wants("address,score\nx,1\n", None).contains("already"));
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
