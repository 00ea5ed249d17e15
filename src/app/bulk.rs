//! Bulk lookup of a table of positions or addresses: read, located and written line by line, without a limit.

use super::addresses::MatchKind;
use super::view::View;
use crate::city::Addresses;
use crate::city::addresses::find::Answer;
use crate::domain::fault::Fault;
use crate::domain::id::Unit;
use crate::geom::{Crs, LatticePoint};
use crate::interchange::positions::{Annotated, annotate};
use crate::territory::{Located, Territory};
use std::io::Write;
use std::path::Path;

pub use crate::interchange::csv_record;
pub use crate::interchange::input::Progress;
pub use crate::interchange::positions::{
    AddressPlace, BadTable, Gazetteer, OUTSIDE, Place, RECORD_LIMIT, Table, TableColumns, UNCLOSED, Wants, is_of_addresses,
};

/// Candidates that are compared before one is called the best.
const COMPARED: usize = 100;

/// The boundaries of a file and its addresses.
struct Known<'k> {
    territory: &'k Territory,
    addresses: &'k Addresses,
}

impl Gazetteer for Known<'_> {
    fn place(&self, at: LatticePoint) -> Place<'_> {
        match self.territory.locate(at) {
            Located::Inside { .. } => {
                self.territory.grid_at(at).map_or(Place::NoGrid, |ix| Place::Grid(self.territory.grid(ix).code.as_str()))
            }
            Located::Outside => Place::Outside,
        }
    }

    fn address(&self, text: &str) -> AddressPlace<'_> {
        told(self.territory, &self.addresses.find(self.territory, text, COMPARED, |_| true))
    }
}

/// Writes the table again with the columns `grid` and `error`, or, of addresses, with what was found of each. `opened` gets the progress of
/// reading before the first line.
pub fn locate_csv(
    (territory, addresses): (&Territory, &Addresses),
    crs: Option<Crs>,
    file: &Path,
    columns: &TableColumns,
    output: impl Write,
    opened: impl FnOnce(Progress),
) -> Result<Annotated, Fault> {
    annotate(file, crs, columns, output, opened, &Known { territory, addresses })
}

/// A place with a lower score is told, but no grid is taken from it: a number beyond the known ones, a house of that address elsewhere.
const SURE: f64 = 0.7;

/// The best of an answer as a line of a table tells it. Where several share the best score, the grid is told only if it is the same; of a
/// whole street or region, and of what is not sure, never.
fn told<'t>(territory: &'t Territory, answer: &Answer) -> AddressPlace<'t> {
    let Some(first) = answer.candidates.first() else {
        return AddressPlace { error: Some("not_found"), ..AddressPlace::default() };
    };
    let best = &answer.candidates[..answer.best.min(answer.candidates.len())];
    let agree = best.iter().all(|candidate| candidate.unit == first.unit) && answer.best <= best.len();
    let sure = first.score >= SURE && !matches!(first.kind, MatchKind::Road | MatchKind::Region);
    let held = first.unit.filter(|_| agree).and_then(Unit::grid).map(|ix| territory.grid_code(ix));
    let grid = held.filter(|_| sure);
    let error = match (held, agree, first.unit, first.kind) {
        (Some(_), ..) if !sure && first.kind != MatchKind::Region => Some("imprecise"),
        (Some(_), ..) => None,
        (None, false, ..) => Some("ambiguous"),
        (None, true, None, kind) if kind != MatchKind::Region => Some(OUTSIDE),
        (None, true, ..) => None,
    };
    AddressPlace {
        grid,
        kind: first.kind.as_str(),
        score: first.score,
        at: first.at.filter(|_| answer.best == 1),
        candidates: answer.total,
        error,
    }
}

impl View {
    /// Where a position of a table lies, as far as the caller sees it. No allocation.
    pub fn place_in_table(&self, at: LatticePoint) -> Place<'_> {
        match self.locate(at) {
            Some(found) => self.code_of(found.place).map_or(Place::NoGrid, Place::Grid),
            None => Place::Outside,
        }
    }

    /// Where an address of a table lies, as far as the caller sees it.
    pub fn address_in_table(&self, text: &str) -> AddressPlace<'_> {
        told(&self.territory, &self.find_address(text, None, COMPARED))
    }
}
