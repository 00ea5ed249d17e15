//! Where a page of a list begins.

use super::AppError;
use std::ops::Range;

/// A place in a list: its order, then the id. Lists of facilities and cases stay right when rows come and go between two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    order: u64,
    id: i64,
}

impl Cursor {
    /// Of a row.
    pub fn new(order: u64, id: i64) -> Self {
        Self { order, id }
    }

    /// A position in a list that is made whole each time.
    pub fn at(position: usize) -> Self {
        Self { order: 0, id: i64::try_from(position).unwrap_or(i64::MAX) }
    }

    /// The position that [`Cursor::at`] was made of.
    pub fn position(self) -> usize {
        usize::try_from(self.id).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:016x}", self.order, self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = AppError;
    fn from_str(text: &str) -> Result<Self, AppError> {
        let number =
            |range: Range<usize>| text.get(range).and_then(|part| u64::from_str_radix(part, 16).ok()).ok_or(AppError::BadCursor);
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(AppError::BadCursor);
        }
        Ok(Self { order: number(0..16)?, id: number(16..32)?.cast_signed() })
    }
}
