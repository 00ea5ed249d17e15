//! Tables with a header line: comma, semicolon or tab, RFC 4180 quotes.

use super::input::{Input, Progress, read_fault};
use super::text::not_utf8;
use super::{RawRecord, RawShape, Sink};
use crate::domain::fault::{Fault, FaultKind};
use serde_json::Value;
use std::io::BufRead;
use std::sync::Arc;

/// An opened table.
pub struct CsvReader {
    rows: csv::Reader<Box<dyn BufRead + Send>>,
    header: Vec<Arc<str>>,
    progress: Progress,
}

impl CsvReader {
    /// Reads the header.
    pub fn open(input: Input) -> Result<Self, Fault> {
        let progress = input.progress();
        let mut text = input.into_text();
        let first = text.fill_buf().map_err(|error| read_fault(&error))?;
        let delimiter = delimiter_of(first);
        let mut rows = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
        let header = rows.byte_headers().map_err(|error| csv_fault(&error, 0))?.clone();
        let mut names: Vec<Arc<str>> = Vec::new();
        for field in &header {
            if let Some(mut fault) = not_utf8(field) {
                fault.record = Some(1);
                return Err(fault);
            }
            let name = String::from_utf8_lossy(field).trim().to_owned();
            if names.iter().any(|known| **known == *name) {
                let mut fault = Fault::new(FaultKind::BadSyntax, format!("column {name:?} stands twice in the header"));
                fault.record = Some(1);
                return Err(fault);
            }
            names.push(name.into());
        }
        Ok(Self { rows, header: names, progress })
    }

    /// All rows in order.
    pub fn for_each(mut self, sink: &mut Sink<'_>) {
        let mut row = csv::ByteRecord::new();
        loop {
            let line = self.rows.position().line();
            let taken = match self.rows.read_byte_record(&mut row) {
                Ok(false) => break,
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
        let number = row.position().map_or(0, csv::Position::line);
        let mut fields = Vec::with_capacity(self.header.len());
        for (name, bytes) in self.header.iter().zip(row) {
            let Ok(text) = std::str::from_utf8(bytes) else {
                let mut fault = not_utf8(bytes).expect("the check has just failed");
                fault.record = Some(number);
                fault.field = Some(name.to_string());
                return Err(fault);
            };
            let text = text.trim();
            // An empty cell is no value: a table has no other way to say so.
            if !text.is_empty() {
                fields.push((Arc::clone(name), Value::String(text.to_owned())));
            }
        }
        Ok(RawRecord { number, fields, shape: RawShape::Absent })
    }
}

/// The most frequent of comma, semicolon and tab in the first line.
pub fn delimiter_of(text: &[u8]) -> u8 {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    // The last of equals wins, so the comma is the default.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

fn csv_fault(error: &csv::Error, line: u64) -> Fault {
    let (line, fault) = match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => (
            pos.as_ref().map_or(line, csv::Position::line),
            Fault::new(
                FaultKind::BadSyntax,
                format!("the row has {len} fields, the header {expected_len}: truncated, or a quote or delimiter is missing"),
            ),
        ),
        csv::ErrorKind::Io(error) => (line, read_fault(error)),
        _ => (line, Fault::new(FaultKind::BadSyntax, error.to_string())),
    };
    let mut fault = fault;
    fault.record = (line > 0).then_some(line);
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_what_the_header_uses() {
        assert_eq!(delimiter_of(b"lon;lat;name\n1,5;2,5;a"), b';');
        assert_eq!(delimiter_of(b"lon\tlat\n"), b'\t');
        assert_eq!(delimiter_of(b"lon,lat\n"), b',');
        assert_eq!(delimiter_of(b"code\n"), b',');
    }
}
