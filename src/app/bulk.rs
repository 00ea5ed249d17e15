//! Bulk lookup of a table of positions: read, located and written line by line, without a limit.

use super::view::View;
use crate::domain::fault::Fault;
use crate::geom::{Crs, LatticePoint};
use crate::interchange::positions::{Annotated, Place, annotate};
use crate::territory::{Located, Territory};
use std::io::Write;
use std::path::Path;

pub use crate::interchange::csv_record;
pub use crate::interchange::input::Progress;
pub use crate::interchange::positions::{BadTable, RECORD_LIMIT, Table, UNCLOSED};

/// Which columns hold the position; absent: found by their usual names.
#[derive(Debug, Clone, Default)]
pub struct PositionColumns {
    /// Longitude.
    pub lon: Option<String>,
    /// Latitude.
    pub lat: Option<String>,
}

/// Writes the table again with the columns `grid` and `error`. `opened` gets the progress of reading before the first line.
pub fn locate_csv(
    territory: &Territory,
    crs: Crs,
    file: &Path,
    columns: &PositionColumns,
    output: impl Write,
    opened: impl FnOnce(Progress),
) -> Result<Annotated, Fault> {
    annotate(file, crs, (columns.lon.as_deref(), columns.lat.as_deref()), output, opened, |at: LatticePoint| {
        match territory.locate(at) {
            Located::Inside { .. } => {
                territory.grid_at(at).map_or(Place::NoGrid, |ix| Place::Grid(territory.grid(ix).code.as_str()))
            }
            Located::Outside => Place::Outside,
        }
    })
}

impl View {
    /// Where a position of a table lies, as far as the caller sees it. No allocation.
    pub fn place_in_table(&self, at: LatticePoint) -> Place<'_> {
        match self.locate(at) {
            Some(found) => self.code_of(found.place).map_or(Place::NoGrid, Place::Grid),
            None => Place::Outside,
        }
    }
}
