//! What a layer's rows have in common, found by looking at all of them: columns, kinds, widths, and what the format cannot hold.

use super::{Column, Format, Geometry, Row, Shape, ValueKind, plain};
use crate::domain::fault::{Fault, FaultKind};
use crate::geom::LatticeBox;
use crate::interchange::text::TextCode;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a text in a `.dbf`.
pub const MOST_DBF_TEXT: usize = 254;
/// Bytes of a name in a `.dbf`.
pub const MOST_DBF_NAME: usize = 10;
/// Columns of a `.dbf`.
const MOST_DBF_COLUMNS: usize = 255;
/// UTF-16 units of a cell of a workbook.
pub const MOST_XLSX_TEXT: usize = 32_767;
/// Rows of a sheet, its header included, and columns.
const MOST_XLSX_ROWS: u64 = 1_048_576;
const MOST_XLSX_COLUMNS: usize = 16_384;

/// Faults that are listed.
const LISTED: usize = 100;

/// A layer before its rows were looked at.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name in the file.
    pub name: &'static str,
    /// Columns that every row has.
    pub columns: Vec<Column>,
    /// What its rows have for a geometry in this format.
    pub geometry: Geometry,
}

/// A layer as it will be written.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// Its name in the file.
    pub name: &'static str,
    /// All columns: those that every row has, then further ones by name.
    pub columns: Vec<Column>,
    /// Longest text of each column, in bytes of the file's encoding.
    pub widths: Vec<usize>,
    /// What its rows have for a geometry.
    pub geometry: Geometry,
    /// How many rows there are.
    pub rows: u64,
    /// The box around all of them.
    pub bbox: Option<LatticeBox>,
    /// Rows without a geometry in a layer that has some.
    pub unplaced: u64,
    /// Names in [`Row::more`] of the columns behind the first `fixed`.
    keys: Vec<String>,
    fixed: usize,
    /// Texts are cut.
    most: Option<Most>,
}

/// How much of a text fits.
#[derive(Debug, Clone, Copy)]
enum Most {
    Bytes(usize, TextCode),
    /// Of UTF-16.
    Units(usize),
}

impl Sheet {
    /// A row's values in the order of the columns; null where it has none.
    pub fn values<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a Value> {
        let more = self.keys.iter().map(|key| row.more.get(key).unwrap_or(&Value::Null));
        row.cells[..self.fixed].iter().chain(more)
    }

    /// Whether a row says something in a column, be it null.
    pub fn says(&self, row: &Row, at: usize) -> bool {
        match at.checked_sub(self.fixed) {
            None => !row.cells[at].is_null(),
            Some(more) => row.more.contains_key(&self.keys[more]),
        }
    }

    /// A text as it goes into a column: whole, or cut behind its last character that fits when that was asked for.
    pub fn fitted<'a>(&self, text: &'a str) -> &'a str {
        let Some(most) = self.most else { return text };
        let (most, size): (usize, &dyn Fn(char) -> usize) = match most {
            Most::Bytes(most, code) => (most, &move |c: char| length(code, c.encode_utf8(&mut [0; 4]))),
            Most::Units(most) => (most, &|c: char| c.len_utf16()),
        };
        let mut used = 0;
        for (at, c) in text.char_indices() {
            used += size(c);
            if used > most {
                return &text[..at];
            }
        }
        text
    }
}

/// Bytes of a text that has been found to have some.
fn length(code: TextCode, text: &str) -> usize {
    code.write(text).map_or(text.len(), |bytes| bytes.len())
}

/// Looks at rows.
pub struct Survey {
    layer: Layer,
    format: Format,
    code: TextCode,
    shorten: bool,
    fixed: Vec<Seen>,
    more: BTreeMap<String, Seen>,
    rows: u64,
    bbox: Option<LatticeBox>,
    unplaced: u64,
    shortened: u64,
    faults: Vec<Fault>,
    unlisted: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    kind: Option<ValueKind>,
    width: usize,
}

fn kind_of(value: &Value) -> Option<ValueKind> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(ValueKind::Flag),
        Value::Number(number) if number.is_i64() => Some(ValueKind::Integer),
        Value::Number(number) if number.is_f64() => Some(ValueKind::Real),
        // More than 63 bits.
        Value::Number(_) => Some(ValueKind::Json),
        Value::String(_) => Some(ValueKind::Text),
        Value::Array(_) | Value::Object(_) => Some(ValueKind::Json),
    }
}

/// What holds the values of both.
fn both(a: ValueKind, b: ValueKind) -> ValueKind {
    use ValueKind::{Integer, Json, Real};
    match (a, b) {
        _ if a == b => a,
        (Integer, Real) | (Real, Integer) => Real,
        _ => Json,
    }
}

/// The number as a `.dbf` holds it: at most 24 characters.
pub fn dbf_number(value: &Value) -> Cow<'_, str> {
    match value.as_f64() {
        Some(real) if value.is_f64() => {
            let (long, short) = (format!("{real}"), format!("{real:e}"));
            Cow::Owned(if long.len() <= short.len().max(20) { long } else { short })
        }
        _ => plain(value),
    }
}

impl Survey {
    /// `shorten`: texts that are too long are cut and counted instead of refused.
    pub fn new(layer: Layer, format: Format, code: TextCode, shorten: bool) -> Self {
        let fixed = layer.columns.iter().map(|column| Seen { kind: Some(column.kind), width: 0 }).collect();
        Self {
            layer,
            format,
            code,
            shorten,
            fixed,
            more: BTreeMap::new(),
            rows: 0,
            bbox: None,
            unplaced: 0,
            shortened: 0,
            faults: Vec::new(),
            unlisted: 0,
        }
    }

    /// The next row.
    pub fn see(&mut self, row: &Row) {
        self.rows += 1;
        match &row.shape {
            Shape::None => self.unplaced += 1,
            Shape::Point(at) => self.bbox = Some(self.bbox.map_or(LatticeBox { min: *at, max: *at }, |bbox| bbox.with(*at))),
            Shape::Area(area) => {
                self.bbox = match (self.bbox, area.bbox()) {
                    (Some(all), Some(own)) => Some(all.union(own)),
                    (all, own) => all.or(own),
                }
            }
        }
        for (at, value) in row.cells.iter().enumerate() {
            let width = self.width(row, &self.layer.columns[at].name.clone(), value);
            self.fixed[at].width = self.fixed[at].width.max(width);
        }
        for (key, value) in &row.more {
            let width = self.width(row, key, value);
            let seen = match self.more.get_mut(key) {
                Some(seen) => seen,
                None => self.more.entry(key.clone()).or_default(),
            };
            seen.width = seen.width.max(width);
            seen.kind = match (seen.kind, kind_of(value)) {
                (Some(a), Some(b)) => Some(both(a, b)),
                (a, b) => a.or(b),
            };
        }
    }

    /// Bytes of a value as text; what does not fit is a fault.
    fn width(&mut self, row: &Row, column: &str, value: &Value) -> usize {
        let text = match (self.format, value) {
            // These hold any value as it is.
            (Format::GeoJson | Format::GeoJsonSeq | Format::FlatGeobuf, _) | (_, Value::Null) => return 0,
            (Format::Shapefile, Value::Number(_)) => dbf_number(value),
            _ => plain(value),
        };
        let bytes = match self.code.write(&text) {
            Ok(bytes) => bytes.len(),
            Err(character) => {
                let detail = format!(
                    "{}: {character:?} (U+{:04X}) is not in {}: write UTF-8",
                    row.name,
                    u32::from(character),
                    self.code.name()
                );
                self.fault(column, detail);
                return 0;
            }
        };
        let (most, what, length) = match self.format {
            Format::Shapefile => (MOST_DBF_TEXT, "bytes, a .dbf", bytes),
            Format::Xlsx => (MOST_XLSX_TEXT, "characters, a workbook", text.encode_utf16().count()),
            _ => return bytes,
        };
        if length > most && self.shorten {
            self.shortened += 1;
            return most;
        }
        if length > most {
            let detail = format!(
                "{}: the text has {length} {what} holds {most}: take another format, or cut it with --shorten: {}…",
                row.name,
                text.chars().take(20).collect::<String>()
            );
            self.fault(column, detail);
        }
        bytes
    }

    fn fault(&mut self, column: &str, detail: String) {
        if self.faults.len() == LISTED {
            self.unlisted += 1;
            return;
        }
        let fault = Fault::new(FaultKind::BadField, detail);
        self.faults.push(Fault { record: Some(self.rows), field: Some(column.to_owned()), ..fault });
    }

    /// The layer as it will be written, and what is to be told about it; else all that does not fit.
    pub fn finish(mut self) -> Result<(Sheet, Vec<String>), Vec<Fault>> {
        let all = self.fixed.len() + self.more.len();
        let (columns, rows) = match self.format {
            Format::Shapefile => (MOST_DBF_COLUMNS, u64::from(u32::MAX)),
            Format::Xlsx => (MOST_XLSX_COLUMNS, MOST_XLSX_ROWS - 1),
            _ => (usize::from(u16::MAX), u64::MAX),
        };
        if all > columns {
            self.faults.push(Fault::new(FaultKind::BadField, format!("{all} columns, the format holds {columns}")));
        }
        if self.rows > rows {
            let detail = format!("{} rows, the format holds {rows}: take another one, or a part with --within", self.rows);
            self.faults.push(Fault::new(FaultKind::BadField, detail));
        }
        if self.unlisted > 0 {
            self.faults.push(Fault::new(FaultKind::BadField, format!("and {} more values that do not fit", self.unlisted)));
        }
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let mut notes = Vec::new();
        let mut named: Vec<Column> = self.layer.columns.clone();
        let keys: Vec<String> = self.more.keys().cloned().collect();
        let taken: BTreeSet<String> = named.iter().map(|column| column.name.clone()).chain(keys.iter().cloned()).collect();
        for (key, seen) in &self.more {
            let mut name = key.clone();
            if self.layer.columns.iter().any(|column| column.name == *key) {
                name =
                    (2..).map(|n| format!("{key}_{n}")).find(|name| !taken.contains(name)).expect("there are always more names");
                notes.push(format!("{}: the property {key} is the column {name}, since {key} is one of ours", self.layer.name));
            }
            named.push(Column { name, kind: seen.kind.unwrap_or(ValueKind::Text) });
        }
        let most = match self.format {
            Format::Shapefile => Some(Most::Bytes(MOST_DBF_TEXT, self.code)),
            Format::Xlsx => Some(Most::Units(MOST_XLSX_TEXT)),
            _ => None,
        };
        if self.format == Format::Shapefile {
            let full: Vec<bool> = self.fixed.iter().chain(self.more.values()).map(|seen| seen.width > 0).collect();
            shorten_names(&mut named, &full, self.code, self.layer.name, &mut notes)?;
        }
        if self.shortened > 0 {
            notes.push(format!("{}: {} texts were cut, as asked", self.layer.name, self.shortened));
        }
        let widths = self.fixed.iter().chain(self.more.values()).map(|seen| seen.width).collect();
        let sheet = Sheet {
            name: self.layer.name,
            fixed: self.fixed.len(),
            columns: named,
            widths,
            geometry: self.layer.geometry,
            rows: self.rows,
            bbox: self.bbox,
            unplaced: if self.layer.geometry == Geometry::None { 0 } else { self.unplaced },
            keys,
            most: most.filter(|_| self.shortened > 0),
        };
        Ok((sheet, notes))
    }
}

/// Names of at most ten bytes, each its own; what was cut is told, with what an import has to be told then. `full`: columns with values.
fn shorten_names(
    columns: &mut [Column],
    full: &[bool],
    code: TextCode,
    layer: &str,
    notes: &mut Vec<String>,
) -> Result<(), Vec<Fault>> {
    let cut = |name: &str, most: usize| {
        let mut used = 0;
        let end = name.char_indices().find(|(_, c)| {
            used += length(code, c.encode_utf8(&mut [0; 4]));
            used > most
        });
        name[..end.map_or(name.len(), |(at, _)| at)].to_owned()
    };
    let bad: Vec<Fault> = columns
        .iter()
        .filter_map(|column| code.write(&column.name).err().map(|c| (column, c)))
        .map(|(column, c)| {
            let detail = format!("{c:?} in the column's name is not in {}: write UTF-8", code.name());
            Fault { field: Some(column.name.clone()), ..Fault::new(FaultKind::BadField, detail) }
        })
        .collect();
    if !bad.is_empty() {
        return Err(bad);
    }
    // Names that fit keep what is theirs. A .dbf's names are compared without regard to case.
    let mut taken: BTreeSet<String> = columns
        .iter()
        .filter(|column| length(code, &column.name) <= MOST_DBF_NAME)
        .map(|column| column.name.to_lowercase())
        .collect();
    let (mut told, mut empty) = (Vec::new(), Vec::new());
    for (column, full) in columns.iter_mut().zip(full).filter(|(column, _)| length(code, &column.name) > MOST_DBF_NAME) {
        let tries = std::iter::once(cut(&column.name, MOST_DBF_NAME)).chain((1_u32..).map(|n| {
            let ending = format!("_{n}");
            format!("{}{ending}", cut(&column.name, MOST_DBF_NAME - ending.len()))
        }));
        let short = tries.into_iter().find(|name| !taken.contains(&name.to_lowercase())).expect("there are always more names");
        taken.insert(short.to_lowercase());
        if *full { &mut told } else { &mut empty }.push(format!("{}={short}", column.name));
        column.name = short;
    }
    if !told.is_empty() {
        notes.push(format!(
            "{layer}: a .dbf's names have ten bytes; an import takes them back with --map {}",
            told.join(" --map ")
        ));
    }
    if !empty.is_empty() {
        notes.push(format!("{layer}: cut to ten bytes, and empty: {}", empty.join(", ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn layer() -> Layer {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let columns = vec![column("code", ValueKind::Text), column("reported_at", ValueKind::Time)];
        Layer { name: "facilities", columns, geometry: Geometry::None }
    }

    fn row(more: Value) -> Row {
        let more: Map<String, Value> = more.as_object().cloned().unwrap_or_default();
        Row { name: "a".to_owned(), cells: vec!["1".into(), Value::Null], more, shape: Shape::None }
    }

    fn surveyed(format: Format, code: TextCode, shorten: bool, rows: &[Value]) -> Result<(Sheet, Vec<String>), Vec<Fault>> {
        let mut survey = Survey::new(layer(), format, code, shorten);
        rows.iter().for_each(|more| survey.see(&row(more.clone())));
        survey.finish()
    }

    #[test]
    fn a_column_holds_what_all_rows_say() {
        let rows = [json!({"n": 1, "r": 1, "x": "a", "o": null}), json!({"n": 2, "r": 1.5, "x": 2, "l": [1]})];
        let (sheet, _) = surveyed(Format::Csv, TextCode::UTF8, false, &rows).expect("fits");
        let kinds: Vec<(&str, ValueKind)> = sheet.columns[2..].iter().map(|column| (&*column.name, column.kind)).collect();
        use ValueKind::*;
        assert_eq!(kinds, [("l", Json), ("n", Integer), ("o", Text), ("r", Real), ("x", Json)]);
        let second = row(rows[1].clone());
        let values: Vec<String> = sheet.values(&second).map(|value| plain(value).into_owned()).collect();
        assert_eq!(values, ["1", "", "[1]", "2", "", "1.5", "2"]);
    }

    #[test]
    fn names_of_a_dbf_are_cut_without_meeting_and_told() {
        let rows = [json!({"reported_a": 1, "reported_abc": 2, "材质与颜色": 3, "code": 4})];
        let told = |notes: &[String], name: &str, word: &str| notes.iter().any(|note| note.contains(name) && note.contains(word));
        let (sheet, notes) = surveyed(Format::Shapefile, TextCode::UTF8, false, &rows).expect("fits");
        let names: Vec<&str> = sheet.columns.iter().map(|column| &*column.name).collect();
        assert_eq!(names, ["code", "reported_1", "code_2", "reported_a", "reported_2", "材质与"]);
        assert!(told(&notes, "reported_at=reported_1", "empty") && told(&notes, "材质与颜色=材质与", "--map"), "{notes:?}");
        let (sheet, _) = surveyed(Format::Shapefile, TextCode::GBK, false, &rows).expect("fits");
        assert_eq!(sheet.columns[5].name, "材质与颜色", "ten bytes in GBK");
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_row_and_column_and_cut_only_when_asked_for() {
        let long = "长".repeat(100);
        let rows = [json!({}), json!({"t": long.clone()}), json!({"t": "𠮷"})];
        let faults = surveyed(Format::Shapefile, TextCode::GBK, false, &rows).expect_err("an unknown character");
        assert_eq!((faults.len(), faults[0].record, faults[0].field.as_deref()), (1, Some(3), Some("t")), "{faults:?}");
        let faults = surveyed(Format::Shapefile, TextCode::UTF8, false, &rows).expect_err("300 bytes");
        assert_eq!((faults.len(), faults[0].record), (1, Some(2)));
        let (sheet, notes) = surveyed(Format::Shapefile, TextCode::UTF8, true, &rows).expect("cut");
        assert_eq!((sheet.fitted(&long).chars().count(), sheet.widths[2]), (84, 254));
        assert!(notes.iter().any(|note| note.contains("1 texts were cut")), "{notes:?}");
    }

    #[test]
    fn numbers_of_a_dbf_are_never_rounded() {
        for real in [0.1, -1.234_567_890_123_456_7e-300, 1e300, 123_456_789.125, f64::MIN_POSITIVE] {
            let text = dbf_number(&json!(real)).into_owned();
            assert!(text.len() <= 24 && text.parse::<f64>() == Ok(real), "{text}");
        }
    }
}
