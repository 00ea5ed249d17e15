//! Sheets of an Excel workbook (`.xlsx`): the header row is looked for, merged cells count for every row they cover.

use super::archive::Archive;
use super::fields::Columns;
use super::input::{Progress, read_fault};
use super::{Notes, RawRecord, RawShape, Reading, Sink};
use crate::domain::fault::{Fault, FaultKind};
use calamine::{DataRef, Dimensions, Reader as _, Xlsx, XlsxCellReader, XlsxError, open_workbook};
use serde_json::{Number, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

/// Most bytes of all parts of a workbook, unpacked. A sheet of a million rows and ten columns has 400 MB.
const MOST_UNPACKED: u64 = 2 << 30;
/// Most bytes of the part with the texts of all cells.
const MOST_SHARED: u64 = 256 << 20;
/// That part's first tag ends within so many bytes.
const SHARED_HEAD: u64 = 64 << 10;
/// So many texts may be announced in any case.
const FREE_SHARED: u64 = 1 << 20;
/// `<si/>`
const LEAST_SHARED: u64 = 5;
/// Rows with something in them among which the header is looked for.
const HEADER_WITHIN: usize = 40;
/// Most rows of a header.
const HEADER_ROWS: u32 = 3;
/// Columns of a sheet, as Excel has it.
const MOST_COLUMNS: u32 = 16_384;

type Workbook = Xlsx<BufReader<File>>;

/// An opened sheet.
pub struct XlsxReader {
    workbook: Workbook,
    sheet: String,
    merged: Vec<Dimensions>,
    header: Header,
    notes: Notes,
    progress: Progress,
}

/// Names by column, and the last row of the header, counted from 0.
#[derive(Debug)]
struct Header {
    names: BTreeMap<u32, Arc<str>>,
    last_row: u32,
}

fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(FaultKind::BadSyntax, detail)
}

fn broken(error: &XlsxError) -> Fault {
    bad(format!("the workbook cannot be read: {error}"))
}

/// `C7`
fn address(row: u32, column: u32) -> String {
    let mut letters = String::new();
    let mut left = column + 1;
    while left > 0 {
        letters.insert(0, char::from(b'A' + u8::try_from((left - 1) % 26).unwrap_or_default()));
        left = (left - 1) / 26;
    }
    format!("{letters}{}", row + 1)
}

/// What a cell holds; the error of a formula by its name.
type Cell = Result<Value, String>;

/// A row with what merged cells above put into it.
struct Row {
    /// Counted from 0.
    number: u32,
    cells: BTreeMap<u32, Cell>,
}

impl Row {
    fn texts(&self) -> impl Iterator<Item = (u32, &str)> {
        self.cells.iter().filter_map(|(column, cell)| Some((*column, cell.as_ref().ok()?.as_str()?)))
    }
}

/// The rows of a sheet that have something of their own in them, in order.
struct Rows<'a> {
    cells: XlsxCellReader<'a, BufReader<File>>,
    from_1904: bool,
    waiting: Option<(u32, u32, Cell)>,
    /// Merged cells that have not begun, the next last.
    merged: Vec<Dimensions>,
    /// Column → last row and value of a merged cell that the present row is in.
    covering: BTreeMap<u32, (u32, Cell)>,
    last: Option<u32>,
    /// The library does not like to be asked again.
    ended: bool,
}

impl<'a> Rows<'a> {
    fn of(workbook: &'a mut Workbook, sheet: &str, merged: &[Dimensions]) -> Result<Self, Fault> {
        let from_1904 = workbook.has_1904_epoch();
        let mut merged: Vec<Dimensions> = merged.iter().filter(|area| area.start.0 < area.end.0).copied().collect();
        merged.sort_by_key(|area| std::cmp::Reverse(area.start));
        let cells = workbook.worksheet_cells_reader(sheet).map_err(|error| broken(&error))?;
        Ok(Self { cells, from_1904, waiting: None, merged, covering: BTreeMap::new(), last: None, ended: false })
    }

    /// The next cell that is not empty.
    fn cell(&mut self) -> Result<Option<(u32, u32, Cell)>, Fault> {
        if let Some(waiting) = self.waiting.take() {
            return Ok(Some(waiting));
        }
        while !self.ended
            && let Some(cell) = self.cells.next_cell().map_err(|error| broken(&error))?
        {
            let (row, column) = cell.get_position();
            if let Some(value) = value(cell.get_value(), self.from_1904)
                && column < MOST_COLUMNS
            {
                return Ok(Some((row, column, value)));
            }
        }
        self.ended = true;
        Ok(None)
    }

    fn next(&mut self) -> Result<Option<Row>, Fault> {
        let Some((number, column, value)) = self.cell()? else { return Ok(None) };
        if self.last.is_some_and(|last| number <= last) {
            return Err(Fault { record: Some(u64::from(number) + 1), ..bad("the sheet's rows are not in order") });
        }
        self.last = Some(number);
        let mut cells = BTreeMap::from([(column, value)]);
        while let Some((row, column, value)) = self.cell()? {
            if row != number {
                self.waiting = Some((row, column, value));
                break;
            }
            cells.insert(column, value);
        }
        self.covering.retain(|_, (last, _)| *last >= number);
        for (column, (_, value)) in &self.covering {
            cells.entry(*column).or_insert_with(|| value.clone());
        }
        while let Some(area) = self.merged.pop_if(|area| area.start.0 <= number) {
            // One that began in an empty row has nothing to give.
            if let Some(value) = cells.get(&area.start.1).filter(|_| area.start.0 == number) {
                self.covering.insert(area.start.1, (area.end.0, value.clone()));
            }
        }
        Ok(Some(Row { number, cells }))
    }
}

fn value(cell: &DataRef<'_>, from_1904: bool) -> Option<Cell> {
    let text = |text: &str| {
        let text = text.trim();
        (!text.is_empty()).then(|| Ok(Value::from(text)))
    };
    match cell {
        DataRef::Empty => None,
        DataRef::Int(number) => Some(Ok((*number).into())),
        DataRef::Float(number) => real(*number),
        DataRef::Bool(flag) => Some(Ok((*flag).into())),
        DataRef::String(told) => text(told),
        DataRef::SharedString(told) => text(told),
        DataRef::DateTimeIso(told) | DataRef::DurationIso(told) => text(told),
        DataRef::DateTime(moment) if moment.is_datetime() => {
            date(moment.as_f64(), from_1904).map(|text| Ok(text.into())).or_else(|| real(moment.as_f64()))
        }
        DataRef::DateTime(duration) => real(duration.as_f64()),
        DataRef::Error(error) => Some(Err(error.to_string())),
    }
}

/// Excel has only reals; those without a fraction that it holds to the last digit are whole numbers.
fn real(number: f64) -> Option<Cell> {
    if number.fract() == 0.0 && number.abs() < super::fields::SPOILED_FROM {
        return Some(Ok((number as i64).into()));
    }
    Number::from_f64(number).map(|number| Ok(Value::Number(number)))
}

/// Days since the end of 1899 (or the start of 1904) as a day, a time of a day, or both. Excel's 29 February 1900 never was.
fn date(days: f64, from_1904: bool) -> Option<String> {
    // The year 9999.
    if !(0.0..2_958_466.0).contains(&days) {
        return None;
    }
    let (mut whole, mut seconds) = (days.floor() as i64, (days.fract() * 86_400.0).round() as i64);
    if seconds == 86_400 {
        (whole, seconds) = (whole + 1, 0);
    }
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if whole == 0 && !from_1904 {
        return Some(clock);
    }
    let start = match (from_1904, whole < 60) {
        (true, _) => jiff::civil::date(1904, 1, 1),
        (false, true) => jiff::civil::date(1899, 12, 31),
        (false, false) => jiff::civil::date(1899, 12, 30),
    };
    let day = start.checked_add(jiff::Span::new().try_days(whole).ok()?).ok()?;
    Some(if seconds == 0 { day.to_string() } else { format!("{day}T{clock}") })
}

/// The library makes room for as many texts as their part announces.
fn prove_shared(archive: &Archive) -> Result<(), Fault> {
    for entry in archive.entries().iter().filter(|entry| entry.name.to_lowercase().ends_with("sharedstrings.xml")) {
        let size = entry.unpacked();
        if size > MOST_SHARED {
            return Err(bad(format!("{} has {size} bytes, more than {MOST_SHARED}", entry.name)));
        }
        let mut head = Vec::new();
        let read = archive.read(entry, None)?.take(SHARED_HEAD).read_to_end(&mut head);
        read.map_err(|error| read_fault(&error))?;
        let count = announced(&String::from_utf8_lossy(&head))
            .ok_or_else(|| bad(format!("{} does not begin as a table of texts does", entry.name)))?;
        if count > FREE_SHARED.max(size / LEAST_SHARED) {
            return Err(bad(format!("{} announces {count} texts in {size} bytes", entry.name)));
        }
    }
    Ok(())
}

/// `uniqueCount` of the first tag, which must be `sst`; 0 without one, the highest number for what is none.
fn announced(head: &str) -> Option<u64> {
    let mut rest = head.trim_start_matches('\u{feff}').trim_start();
    loop {
        let (inside, end) = if let Some(inside) = rest.strip_prefix("<?") {
            (inside, "?>")
        } else if let Some(inside) = rest.strip_prefix("<!--") {
            (inside, "-->")
        } else {
            break;
        };
        rest = inside.split_once(end)?.1.trim_start();
    }
    let tag = rest.strip_prefix('<')?;
    let (name, mut rest) = tag.split_at(tag.find(|c: char| c.is_whitespace() || c == '/' || c == '>')?);
    if name.rsplit(':').next() != Some("sst") {
        return None;
    }
    let mut count = 0_u64;
    loop {
        rest = rest.trim_start();
        if rest.starts_with('>') || rest.starts_with("/>") {
            return Some(count);
        }
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let quote = if value.starts_with('"') { '"' } else { '\'' };
        let (value, after) = value.strip_prefix(quote)?.split_once(quote)?;
        if name.trim_end().ends_with("uniqueCount") {
            count = count.max(value.trim().parse().unwrap_or(u64::MAX));
        }
        rest = after;
    }
}

impl XlsxReader {
    /// Opens a sheet and looks for its header. The archive is proved first: the library trusts its lengths.
    pub fn open(path: &Path, archive: &Archive, reading: &Reading<'_>, progress: Progress) -> Result<Self, Fault> {
        archive.prove(MOST_UNPACKED)?;
        prove_shared(archive)?;
        let mut workbook: Workbook = open_workbook(path).map_err(|error: XlsxError| broken(&error))?;
        let sheet = sheet(&mut workbook, reading.layer)?;
        let merged = workbook.merge_cells_by_sheet_name(&sheet).map_err(|error| broken(&error))?;
        let mut first = Vec::new();
        {
            let mut rows = Rows::of(&mut workbook, &sheet, &merged)?;
            while first.len() < HEADER_WITHIN
                && let Some(row) = rows.next()?
            {
                first.push(row);
            }
        }
        let header = header(&first, &merged, reading.columns)?;
        let notes = Notes::default();
        if header.last_row > 0 {
            notes.add(format!("sheet {sheet:?}: the header is row {}", header.last_row + 1));
        }
        Ok(Self { workbook, sheet, merged, header, notes, progress })
    }

    /// What was found out about the sheet.
    pub fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// All rows below the header that are not empty, numbered as Excel does.
    pub fn for_each(mut self, sink: &mut Sink<'_>) {
        let mut rows = match Rows::of(&mut self.workbook, &self.sheet, &self.merged) {
            Ok(rows) => rows,
            Err(fault) => {
                let _ = sink(Err(fault));
                return;
            }
        };
        let mut filled = 0_u64;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(fault) => {
                    let _ = sink(Err(fault));
                    return;
                }
            };
            if row.number <= self.header.last_row {
                continue;
            }
            filled += u64::from(rows.covering.values().any(|(last, _)| *last > row.number));
            if let Some(record) = record(row, &self.header)
                && sink(record).is_break()
            {
                return;
            }
        }
        if filled > 0 {
            self.notes.add("merged cells count for every row they cover".to_owned());
        }
        self.progress.finish();
    }
}

/// A row as a record; `None` when nothing stands below a name.
fn record(row: Row, header: &Header) -> Option<Result<RawRecord, Fault>> {
    let number = u64::from(row.number) + 1;
    let mut fields = Vec::with_capacity(header.names.len());
    for (column, cell) in row.cells {
        let Some(name) = header.names.get(&column) else { continue };
        match cell {
            Ok(value) => fields.push((Arc::clone(name), value)),
            Err(error) => {
                let detail = format!("cell {} holds the error {error} of its formula", address(row.number, column));
                let fault = Fault::new(FaultKind::BadField, detail);
                return Some(Err(Fault { record: Some(number), field: Some(name.to_string()), ..fault }));
            }
        }
    }
    if fields.is_empty() { None } else { Some(Ok(RawRecord { number, fields, shape: RawShape::Absent })) }
}

/// The sheet that is wanted; of several without a word the only one that is not empty.
fn sheet(workbook: &mut Workbook, wanted: Option<&str>) -> Result<String, Fault> {
    let names = workbook.sheet_names();
    let told = |detail: String| Fault { field: Some("--layer".to_owned()), ..Fault::new(FaultKind::BadField, detail) };
    if let Some(wanted) = wanted {
        let list = names.join(", ");
        return names
            .into_iter()
            .find(|name| name == wanted)
            .ok_or_else(|| told(format!("there is no sheet {wanted:?}: {list}")));
    }
    let mut filled = Vec::new();
    for name in names {
        // What is no table, a chart for example, has no cells.
        let Ok(mut rows) = Rows::of(workbook, &name, &[]) else { continue };
        if rows.next()?.is_some() {
            filled.push(name);
        }
    }
    match filled.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(bad("the workbook is empty")),
        several => Err(told(format!("there are several sheets, say which: {}", several.join(", ")))),
    }
}

/// The header is the row with most names that are looked for; where there is none, the first with two texts or more. Titles stand above it.
fn header(first: &[Row], merged: &[Dimensions], columns: Option<&Columns>) -> Result<Header, Fault> {
    let known =
        |row: &&Row| row.texts().filter(|(_, text)| columns.is_some_and(|columns| columns.feeds(&one_line(text)))).count();
    let best = first.iter().rev().max_by_key(known).filter(|row| known(row) > 0);
    let row = best
        .or_else(|| first.iter().find(|row| row.texts().count() >= 2))
        .or(first.first())
        .ok_or_else(|| bad("the sheet is empty"))?;
    // A name merged over two rows makes the header as high, and the names of the lower row go before those of the upper. What is higher
    // is a title beside the table.
    let below = merged.iter().filter(|area| {
        area.start.0 == row.number
            && (1..HEADER_ROWS).contains(&area.end.0.saturating_sub(area.start.0))
            && row.cells.contains_key(&area.start.1)
    });
    let last_row = below.map(|area| area.end.0).max().unwrap_or(row.number);
    let mut names: BTreeMap<u32, Arc<str>> = BTreeMap::new();
    for row in first.iter().filter(|other| (row.number..=last_row).contains(&other.number)) {
        for (column, text) in row.texts() {
            names.insert(column, one_line(text).into());
        }
    }
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for (column, name) in &names {
        if let Some(first) = seen.insert(name, *column) {
            let places = [address(row.number, first), address(row.number, *column)].join(" and ");
            let detail = format!("column {name:?} stands twice in the header, in {places}");
            return Err(Fault { record: Some(u64::from(row.number) + 1), ..bad(detail) });
        }
    }
    Ok(Header { names, last_row })
}

/// Names are often broken by hand to fit a column.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_what_excel_shows() {
        for (days, from_1904, text) in [
            (1.0, false, "1900-01-01"),
            (59.0, false, "1900-02-28"),
            (61.0, false, "1900-03-01"),
            (46_082.0, false, "2026-03-01"),
            (46_082.0 + 8.5 / 24.0, false, "2026-03-01T08:30:00"),
            (44_620.0, true, "2026-03-01"),
            (0.5, false, "12:00:00"),
            (46_081.999_999_9, false, "2026-03-01"),
        ] {
            assert_eq!(date(days, from_1904).as_deref(), Some(text), "{days}");
        }
        assert_eq!(date(-1.0, false), None);
        assert_eq!(date(f64::NAN, false), None);
    }

    #[test]
    fn the_number_of_texts_is_read_where_the_library_reads_it() {
        for (head, count) in [
            ("\u{feff}<?xml version=\"1.0\"?>\n<sst xmlns=\"a>b\" count=\"9000\" uniqueCount=\"7\"><si/>", Some(7)),
            ("<!-- <sst uniqueCount='1'> --><x:sst uniqueCount = '9223372036854775807' />", Some(9_223_372_036_854_775_807)),
            ("<sst uniqueCount=\"99999999999999999999\">", Some(u64::MAX)),
            ("<sst>", Some(0)),
            ("<sst uniqueCount=\"7", None),
            ("<a/><sst>", None),
            ("", None),
        ] {
            assert_eq!(announced(head), count, "{head}");
        }
    }

    #[test]
    fn cells_have_the_names_that_excel_gives_them() {
        assert_eq!([address(6, 2), address(0, 25), address(0, 26), address(0, 16_383)], ["C7", "Z1", "AA1", "XFD1"]);
    }

    fn row(number: u32, cells: &[(u32, &str)]) -> Row {
        Row { number, cells: cells.iter().map(|(column, text)| (*column, Ok(Value::from(*text)))).collect() }
    }

    #[test]
    fn the_header_is_found_below_titles_and_over_two_rows() {
        let columns = Columns::new(super::super::fields::Kind::Staff, &[]).expect("nothing told");
        let first = [
            row(0, &[(0, "某某街道网格员名册")]),
            row(1, &[(0, "单位：综治办"), (3, "2026年3月")]),
            row(2, &[(0, "工号"), (1, "姓名"), (2, "联系方式"), (4, "岗位")]),
            row(3, &[(0, "工号"), (1, "姓名"), (2, "电话"), (3, "地址"), (4, "岗位")]),
            row(4, &[(0, "S1"), (1, "李四")]),
        ];
        let area = |start, end| Dimensions { start, end };
        let merged = [area((2, 0), (3, 0)), area((2, 1), (3, 1)), area((2, 2), (2, 3)), area((2, 4), (3, 4))];
        let found = header(&first, &merged, Some(&columns)).expect("a header");
        let names: Vec<&str> = found.names.values().map(|name| &**name).collect();
        assert_eq!((found.last_row, names), (3, vec!["工号", "姓名", "电话", "地址", "岗位"]));
        let beside = [row(0, &[(0, "名册"), (1, "工号"), (2, "姓名")]), row(1, &[(0, "名册"), (1, "S1"), (2, "李四")])];
        assert_eq!(header(&beside, &[area((0, 0), (300, 0))], Some(&columns)).expect("a header").last_row, 0);
        let twice = [row(0, &[(0, "姓名"), (2, "姓名")])];
        let fault = header(&twice, &[], Some(&columns)).expect_err("twice");
        assert!(fault.detail.contains("A1 and C1"), "{fault}");
        let unknown = [row(0, &[(0, "a title")]), row(1, &[(0, "x"), (1, "y")])];
        assert_eq!(header(&unknown, &[], Some(&columns)).expect("a header").last_row, 1);
    }
}
