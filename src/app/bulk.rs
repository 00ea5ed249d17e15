//! Bulk lookup of a table of positions: read, located and written line by line, without a limit.

use crate::domain::fault::Fault;
use crate::geom::{Crs, LatticePoint};
use crate::interchange::csv::{Annotated, annotate};
use crate::territory::Territory;
use std::io::Write;
use std::path::Path;

pub use crate::interchange::input::Progress;

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
        let ix = territory.grid_at(at)?;
        Some(territory.grid(ix).code.as_str())
    })
}
