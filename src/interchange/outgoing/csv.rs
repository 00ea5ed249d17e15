//! Tables with a header line: commas, RFC 4180 quotes, LF.

use super::survey::Sheet;
use super::{Row, Terms, WriteError, plain};
use crate::interchange::text::TextCode;
use std::borrow::Cow;
use std::fs::File;
use std::io;

/// Writes one table.
pub struct CsvWriter {
    out: csv::Writer<File>,
}

fn failed(error: csv::Error) -> WriteError {
    WriteError::Io(error.into())
}

fn bytes(code: TextCode, text: &str) -> Result<Cow<'_, [u8]>, WriteError> {
    // The survey has seen every text.
    code.write(text).map_err(|c| WriteError::Io(io::Error::other(format!("{c:?} is not in {}", code.name()))))
}

impl CsvWriter {
    /// An empty table.
    pub fn new(file: File) -> Self {
        Self { out: csv::WriterBuilder::new().buffer_capacity(1 << 18).from_writer(file) }
    }

    /// The header.
    pub fn begin(&mut self, sheet: &Sheet, terms: &Terms) -> Result<(), WriteError> {
        for column in &sheet.columns {
            self.out.write_field(bytes(terms.code, &column.name)?).map_err(failed)?;
        }
        self.out.write_record(None::<&[u8]>).map_err(failed)
    }

    /// A row.
    pub fn row(&mut self, sheet: &Sheet, row: &Row, terms: &Terms) -> Result<(), WriteError> {
        for value in sheet.values(row) {
            self.out.write_field(bytes(terms.code, &plain(value))?).map_err(failed)?;
        }
        self.out.write_record(None::<&[u8]>).map_err(failed)
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.out.flush()?;
        Ok(())
    }
}
