//! What every record carries, and the sets that import, store and demo hand to each other.

use super::code::Code;
use super::grid::GridRecord;
use super::id::{Epoch, GridSet, ImportId};
use super::period::Period;
use super::region::{RegionRecord, VoidRecord};
use super::scheme::Scheme;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a record comes from. On every record from the first schema on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The record's names in other systems: system → id.
    pub external_ids: BTreeMap<String, String>,
    /// What the data is taken from, as told at import.
    pub source: Option<String>,
    /// The day the source describes, `YYYY-MM-DD`.
    pub source_date: Option<jiff::civil::Date>,
    /// The import that wrote it last.
    pub import_id: Option<ImportId>,
    /// Hash of the record as the source gave it (before any repair): what a second import compares.
    pub source_hash: Option<u64>,
}

/// All boundaries of one grid set at one epoch: what a territory is built from and what a publication stores.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BoundarySet {
    /// Which partition.
    pub set: GridSet,
    /// Levels and lengths.
    pub scheme: Scheme,
    /// When it is in force.
    pub period: Period,
    /// Sorted by code.
    pub regions: Vec<RegionRecord>,
    /// Sorted by code.
    pub grids: Vec<GridRecord>,
    /// Sorted by name.
    pub voids: Vec<VoidRecord>,
}

/// One published boundary set, without its contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number.
    pub epoch: Epoch,
    /// Which partition.
    pub set: GridSet,
    /// The epoch it was made from; absent for a set that was imported beside the chain (a historical one).
    pub base: Option<Epoch>,
    /// When it is, or was, in force.
    pub period: Period,
    /// The import that published it.
    pub import_id: Option<ImportId>,
}

/// Counts of residents for one grid. Never records of persons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HouseholdCount {
    /// The grid.
    pub grid: Code,
    /// Households, a count.
    pub households: Option<u32>,
    /// Residents, a count.
    pub population: Option<u32>,
}

impl HouseholdCount {
    /// Households and residents after it. An absent count leaves what was `before`; told `exactly`, it is none.
    pub fn over(&self, before: (Option<u32>, Option<u32>), exactly: bool) -> (Option<u32>, Option<u32>) {
        if exactly { (self.households, self.population) } else { (self.households.or(before.0), self.population.or(before.1)) }
    }
}
