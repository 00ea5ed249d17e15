//! Attributes of a Shapefile: dBase III and later, row by row.

use super::input::read_fault;
use super::text::{Guess, TextCode};
use crate::domain::fault::{Fault, FaultKind};
use serde_json::{Number, Value};
use std::io::{BufRead, Read};
use std::sync::Arc;

/// A column.
#[derive(Debug, Clone)]
struct Column {
    raw_name: Vec<u8>,
    name: Arc<str>,
    kind: u8,
    length: usize,
}

/// An opened table.
pub struct DbfReader {
    rows: Box<dyn BufRead + Send>,
    columns: Vec<Column>,
    /// Rows, as the header says.
    pub count: u32,
    row_length: usize,
    /// The header's byte for the language.
    pub language: u8,
    code: TextCode,
    row: Vec<u8>,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// Its values in the order of the columns, absent ones left out.
    Values(Vec<(Arc<str>, Value)>),
    /// Marked as deleted.
    Deleted,
    /// No row: the table has ended.
    End,
}

fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(FaultKind::BadSyntax, detail)
}

/// Bytes of a column's description.
const COLUMN: usize = 32;

impl DbfReader {
    /// Reads the header. Names and texts are read as UTF-8 until [`Self::set_code`].
    pub fn open(mut rows: Box<dyn BufRead + Send>) -> Result<Self, Fault> {
        let mut head = [0; 32];
        rows.read_exact(&mut head).map_err(|error| cut(&error))?;
        let count = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let header_length = usize::from(u16::from_le_bytes([head[8], head[9]]));
        let row_length = usize::from(u16::from_le_bytes([head[10], head[11]]));
        if header_length < 33 || row_length < 1 {
            return Err(bad(format!("the .dbf says its header has {header_length} bytes and a row {row_length}: it is none")));
        }
        let mut rest = vec![0; header_length - 32];
        rows.read_exact(&mut rest).map_err(|error| cut(&error))?;
        let mut columns = Vec::new();
        for field in rest.chunks_exact(COLUMN).take_while(|field| field[0] != 0x0D) {
            let raw_name: Vec<u8> = field[..11].iter().copied().take_while(|byte| *byte != 0).collect();
            columns.push(Column { raw_name, name: "".into(), kind: field[11], length: usize::from(field[16]) });
        }
        let told: usize = columns.iter().map(|column| column.length).sum();
        if told + 1 > row_length {
            return Err(bad(format!("the .dbf says a row has {row_length} bytes, its columns need {}", told + 1)));
        }
        let mut table = Self { rows, columns, count, row_length, language: head[29], code: TextCode::UTF8, row: Vec::new() };
        table.set_code(TextCode::UTF8);
        Ok(table)
    }

    /// How names and texts are encoded. A name that is cut, or none in this encoding, keeps what can be read of it.
    pub fn set_code(&mut self, code: TextCode) {
        self.code = code;
        let mut seen: Vec<Arc<str>> = Vec::new();
        for column in &mut self.columns {
            let whole = code.whole_characters(&column.raw_name);
            let name = code.read(whole).map_or_else(|_| String::from_utf8_lossy(whole).into_owned(), |text| text.into_owned());
            let name = name.trim().to_owned();
            // Names of ten bytes may be the same when they were longer.
            let same = seen.iter().filter(|known| ***known == *name).count();
            column.name = if same == 0 { name.as_str().into() } else { format!("{name}_{}", same + 1).into() };
            seen.push(name.into());
        }
    }

    /// Looks at all names and texts, to find out their encoding. Ends the table.
    pub fn guess(mut self) -> Guess {
        let mut guess = Guess::default();
        for column in &self.columns {
            guess.see(&column.raw_name);
        }
        while let Ok(true) = self.next() {
            let mut at = 1;
            for column in &self.columns {
                if column.kind == b'C' {
                    guess.see(self.row[at..at + column.length].trim_ascii());
                }
                at += column.length;
            }
        }
        guess
    }

    /// Reads a row; false at the end of the table.
    fn next(&mut self) -> Result<bool, Fault> {
        self.row.clear();
        let read = self.rows.by_ref().take(self.row_length as u64).read_to_end(&mut self.row).map_err(|error| cut(&error))?;
        match (read, self.row.first()) {
            (0, _) | (1, Some(0x1A)) => Ok(false),
            (short, _) if short < self.row_length => {
                if self.row.first() == Some(&0x1A) {
                    Ok(false)
                } else {
                    Err(bad("the .dbf ends in the middle of a row: it is truncated"))
                }
            }
            _ => Ok(true),
        }
    }

    /// The next row.
    pub fn row(&mut self) -> Result<Row, Fault> {
        if !self.next()? {
            return Ok(Row::End);
        }
        if self.row[0] == b'*' {
            return Ok(Row::Deleted);
        }
        let mut values = Vec::with_capacity(self.columns.len());
        let mut at = 1;
        for column in &self.columns {
            let bytes = &self.row[at..at + column.length];
            at += column.length;
            let told = |mut fault: Fault| {
                fault.field = Some(column.name.to_string());
                fault
            };
            if let Some(value) = value(column.kind, bytes, self.code).map_err(told)? {
                values.push((Arc::clone(&column.name), value));
            }
        }
        Ok(Row::Values(values))
    }
}

/// A value; `None` for none. Memos stand in another file and are left out.
fn value(kind: u8, bytes: &[u8], code: TextCode) -> Result<Option<Value>, Fault> {
    let plain = || String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned();
    Ok(match kind {
        b'N' | b'F' => number(&plain())?,
        b'L' => match bytes.first() {
            Some(b'T' | b't' | b'Y' | b'y') => Some(true.into()),
            Some(b'F' | b'f' | b'N' | b'n') => Some(false.into()),
            _ => None,
        },
        b'D' => {
            let text = plain();
            match (text.get(..4), text.get(4..6), text.get(6..8)) {
                _ if text.is_empty() || text.chars().all(|c| c == '0') => None,
                (Some(year), Some(month), Some(day)) => Some(format!("{year}-{month}-{day}").into()),
                _ => Some(text.into()),
            }
        }
        b'I' | b'+' => bytes.try_into().ok().map(|bytes| i32::from_le_bytes(bytes).into()),
        b'O' | b'B' if bytes.len() == 8 => {
            bytes.try_into().ok().and_then(|bytes| Number::from_f64(f64::from_le_bytes(bytes))).map(Value::Number)
        }
        b'C' | b'V' => {
            let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
            // A text that fills its column may have lost the end of its last character.
            let whole = if end == bytes.len() { code.whole_characters(bytes) } else { &bytes[..end] };
            let text = code.read(whole)?.trim().to_owned();
            (!text.is_empty()).then(|| text.into())
        }
        _ => None,
    })
}

/// Digits are kept to the last; stars are what a program writes when a number does not fit.
fn number(text: &str) -> Result<Option<Value>, Fault> {
    if text.is_empty() || text.bytes().all(|byte| byte == b'*') {
        return Ok(None);
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Some(whole.into()));
    }
    match text.parse::<f64>() {
        // More digits than an integer holds are a code.
        Ok(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(text.into())),
        Ok(real) => Ok(Number::from_f64(real).map(Value::Number)),
        Err(_) => Err(Fault::new(FaultKind::BadField, format!("{text:?} is no number"))),
    }
}

fn cut(error: &std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => bad("the .dbf ends too early: it is truncated"),
        _ => read_fault(error),
    }
}
