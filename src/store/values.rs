//! Values on their way into columns, which can be hashed before they are bound, and columns of a row in order.

use super::StoreError;
use crate::domain::hash::hash64;
use crate::geom::{Area, LatticePoint};
use crate::interchange::wkb::{self, Geometry, WkbError};
#[cfg(feature = "postgres")]
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
#[cfg(feature = "postgres")]
use std::borrow::Cow;

/// Says what was being done when the database refused.
pub(super) trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Database { doing: doing.to_owned(), source: Box::new(source) })
    }
}

impl<T> Doing<T> for Result<T, std::io::Error> {
    fn doing(self, doing: &str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { doing: doing.to_owned(), source })
    }
}

/// A value on its way into a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// Values of one or many rows, column by column, row by row.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(pub(super) Vec<Value>);

impl Values {
    pub(super) fn int(&mut self, value: i64) {
        self.0.push(Value::Int(value));
    }
    pub(super) fn opt_int(&mut self, value: Option<i64>) {
        self.0.push(value.map_or(Value::Null, Value::Int));
    }
    pub(super) fn opt_real(&mut self, value: Option<f64>) {
        self.0.push(value.map_or(Value::Null, Value::Real));
    }
    pub(super) fn text(&mut self, value: impl Into<String>) {
        self.0.push(Value::Text(value.into()));
    }
    pub(super) fn opt_text(&mut self, value: Option<impl Into<String>>) {
        self.0.push(value.map_or(Value::Null, |text| Value::Text(text.into())));
    }
    pub(super) fn opt_blob(&mut self, value: Option<Vec<u8>>) {
        self.0.push(value.map_or(Value::Null, Value::Blob));
    }

    /// The hash of all of them in order.
    pub(super) fn hash(&self) -> i64 {
        let mut bytes = Vec::new();
        for value in &self.0 {
            let (tag, body): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Int(number) => (1, &number.to_le_bytes()),
                Value::Real(number) => (2, &number.to_bits().to_le_bytes()),
                Value::Text(text) => (3, text.as_bytes()),
                Value::Blob(blob) => (4, blob),
            };
            bytes.push(tag);
            bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
            bytes.extend_from_slice(body);
        }
        hash64(&bytes).cast_signed()
    }
}

fn corrupt(error: WkbError) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// Columns of a row, one after the other.
pub(super) struct Fields<'a> {
    row: Source<'a>,
    at: usize,
}

/// Where a row comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    File(&'a SqliteRow),
    #[cfg(feature = "postgres")]
    Postgis(&'a PgRow),
}

/// What a column of any store can hold.
#[cfg(feature = "postgres")]
pub(super) trait Column<'a>: Decode<'a, Sqlite> + Type<Sqlite> + Decode<'a, Postgres> + Type<Postgres> {
    /// As it was before [`kept`] changed it.
    fn restored(self) -> Self;
}

/// What a column of any store can hold.
#[cfg(not(feature = "postgres"))]
pub(super) trait Column<'a>: Decode<'a, Sqlite> + Type<Sqlite> {}

macro_rules! columns {
    ($($kind:ty: $value:ident => $restored:expr),* $(,)?) => {
        $(
            #[cfg(feature = "postgres")]
            impl<'a> Column<'a> for $kind {
                fn restored(self) -> Self {
                    let $value = self;
                    $restored
                }
            }
            #[cfg(not(feature = "postgres"))]
            impl<'a> Column<'a> for $kind {}
        )*
    };
}
columns! {
    i64: number => number,
    Option<i64>: number => number,
    Option<f64>: number => number,
    bool: word => word,
    // Words, codes and JSON, none of which begins with the mark.
    &'a str: text => text,
    Option<&'a str>: text => text,
    Option<&'a [u8]>: bytes => bytes,
    String: text => restored(text),
    Option<String>: text => text.map(restored),
}

/// The last character for private use: what begins with it was changed to be kept.
#[cfg(feature = "postgres")]
const MARK: char = '\u{10FFFD}';

/// A text as PostgreSQL can keep it: it has no U+0000.
#[cfg(feature = "postgres")]
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains('\0') && !text.starts_with(MARK) {
        return Cow::Borrowed(text);
    }
    let mut changed = String::from(MARK);
    for c in text.chars() {
        match c {
            '\0' => changed.extend([MARK, '0']),
            MARK => changed.extend([MARK, '1']),
            c => changed.push(c),
        }
    }
    Cow::Owned(changed)
}

#[cfg(feature = "postgres")]
fn restored(text: String) -> String {
    let Some(changed) = text.strip_prefix(MARK) else { return text };
    let mut restored = String::with_capacity(changed.len());
    let mut chars = changed.chars();
    while let Some(c) = chars.next() {
        match c {
            MARK => restored.push(if chars.next() == Some('0') { '\0' } else { MARK }),
            c => restored.push(c),
        }
    }
    restored
}

impl<'a> Fields<'a> {
    pub(super) fn of(row: &'a SqliteRow) -> Self {
        Self { row: Source::File(row), at: 0 }
    }

    #[cfg(feature = "postgres")]
    pub(super) fn of_pg(row: &'a PgRow) -> Self {
        Self { row: Source::Postgis(row), at: 0 }
    }

    /// The next column.
    pub(super) fn take<T: Column<'a>>(&mut self) -> Result<T, StoreError> {
        self.at += 1;
        let taken = match self.row {
            Source::File(row) => row.try_get(self.at - 1),
            #[cfg(feature = "postgres")]
            Source::Postgis(row) => row.try_get(self.at - 1).map(T::restored),
        };
        taken.map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// The next column, a geometry: a blob of GeoPackage in a file, well-known binary from PostGIS.
    pub(super) fn opt_geometry(&mut self) -> Result<Option<Geometry>, StoreError> {
        let Some(bytes) = self.take::<Option<&[u8]>>()? else { return Ok(None) };
        let read = match self.row {
            Source::File(_) => wkb::read_blob(bytes).map(|blob| blob.geometry),
            #[cfg(feature = "postgres")]
            Source::Postgis(_) => wkb::read(bytes),
        };
        read.map(Some).map_err(corrupt)
    }

    /// The next column, a point that may be absent.
    pub(super) fn opt_point(&mut self) -> Result<Option<LatticePoint>, StoreError> {
        self.opt_geometry()?.map(wkb::point_of).transpose().map_err(corrupt)
    }

    /// The next column, a point.
    pub(super) fn point(&mut self) -> Result<LatticePoint, StoreError> {
        self.opt_point()?.ok_or_else(|| corrupt(WkbError::NotAPoint))
    }

    /// The next column, an area that may be absent.
    pub(super) fn opt_area(&mut self) -> Result<Option<Area>, StoreError> {
        self.opt_geometry()?.map(wkb::area_of).transpose().map_err(corrupt)
    }

    /// The next column, an area.
    pub(super) fn area(&mut self) -> Result<Area, StoreError> {
        self.opt_area()?.ok_or_else(|| corrupt(WkbError::NotAnArea))
    }

    /// The next column, a text that has to be parsed.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, StoreError> {
        let text: &str = self.take()?;
        text.parse().map_err(|error| StoreError::Corrupt(format!("{text:?}: {error}")))
    }

    /// The same for a column that may be empty.
    pub(super) fn opt_parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.take()?;
        text.map(|text| text.parse().map_err(|error| StoreError::Corrupt(format!("{text:?}: {error}")))).transpose()
    }

    /// The next column, a number that has to fit.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let number: i64 = self.take()?;
        T::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} is out of range")))
    }

    /// The same for a column that may be empty.
    pub(super) fn opt_number<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, StoreError> {
        let number: Option<i64> = self.take()?;
        number.map(|number| T::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} is out of range")))).transpose()
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_only_odd_ones_are_changed() {
        for plain in ["", "井盖 1", "{\"a\":\"\u{10FFFD}\"}", "a\u{10FFFD}0"] {
            assert_eq!((kept(plain), restored(plain.to_owned())), (Cow::Borrowed(plain), plain.to_owned()));
        }
        for odd in ["\0", "a\0b", "\u{10FFFD}", "\u{10FFFD}0", "\u{10FFFD}\0\u{10FFFD}1", "\0\0\u{10FFFD}"] {
            let changed = kept(odd).into_owned();
            assert!(!changed.contains('\0') && changed != odd, "{odd:?}");
            assert_eq!(restored(changed), odd);
        }
    }
}
