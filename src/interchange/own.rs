//! Rows of a copy of our own data file (`wangge backup`), edited by others and brought back. A copy says more than other people's
//! files: the names in other systems, the source, and the state in which the row was copied. What is derived in it (the grid, outlines
//! of regions) is not taken.

use super::fields::{Field, Fields};
use crate::domain::facility::OriginalPosition;
use crate::domain::fault::Fault;
use crate::domain::id::Version;
use crate::geom::{Crs, LonLat};
use serde_json::Value;
use std::collections::BTreeMap;

/// Columns that every layer of ours has and hardly a table of anybody else.
pub const MARKS: [&str; 4] = ["external_ids", "source_hash", "import_id", "grid_set"];

/// Columns that are no attributes of a record.
const BESIDE: [&str; 20] = [
    "fid",
    "grid_set",
    "grid",
    "epoch",
    "external_ids",
    "source",
    "source_hash",
    "import_id",
    "version",
    "epoch_from",
    "row_hash",
    "properties",
    "original_crs",
    "original_lon",
    "original_lat",
    "owner",
    "source_system",
    "external_id",
    "claim",
    "geom",
];

/// Whether a column is none of a record's attributes.
pub fn is_beside(column: &str) -> bool {
    BESIDE.contains(&column)
}

/// The column of a field in our layers.
pub fn column(field: Field) -> &'static str {
    match field {
        Field::Address => "address_text",
        Field::Url => "external_url",
        Field::UpdatedAt => "source_updated_at",
        // Counts that stand in the layer of grids.
        Field::Grid => "code",
        other => other.as_str(),
    }
}

/// What a copy says about a row besides its attributes. All of it is absent in a row that was added to the copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Hash of the record that the row was made from.
    pub source_hash: Option<u64>,
    /// The row's version when it was copied.
    pub version: Option<Version>,
    /// Hash of a boundary's row as it was copied.
    pub row_hash: Option<i64>,
    /// The partition a boundary belongs to.
    pub set: Option<String>,
}

impl Origin {
    /// Of a row.
    pub fn of(fields: &Fields) -> Self {
        Self {
            source_hash: whole(fields, "source_hash").map(i64::cast_unsigned),
            version: whole(fields, "version").and_then(|version| u32::try_from(version).ok()).map(Version),
            row_hash: whole(fields, "row_hash"),
            set: text(fields, "grid_set"),
        }
    }
}

/// A column that feeds no field.
fn value<'a>(fields: &'a Fields, column: &str) -> Option<&'a Value> {
    fields.rest.iter().find(|(name, _)| **name == *column).map(|(_, value)| value)
}

fn whole(fields: &Fields, column: &str) -> Option<i64> {
    value(fields, column).and_then(Value::as_i64)
}

/// A text column that feeds no field; blank is absent.
pub fn text(fields: &Fields, column: &str) -> Option<String> {
    value(fields, column).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn json<T: serde::de::DeserializeOwned + Default>(fields: &Fields, column: &str) -> Result<T, Fault> {
    let Some(text) = text(fields, column) else { return Ok(T::default()) };
    serde_json::from_str(&text).map_err(|error| Fault {
        field: Some(column.to_owned()),
        ..fields.fault(Field::Id, format!("is not the JSON that the column holds: {error}"))
    })
}

/// The names in other systems.
pub fn external_ids(fields: &Fields) -> Result<BTreeMap<String, String>, Fault> {
    json(fields, "external_ids")
}

/// What the source says besides.
pub fn properties(fields: &Fields) -> Result<serde_json::Map<String, Value>, Fault> {
    json(fields, "properties")
}

/// The position as it was told.
pub fn original(fields: &Fields) -> Option<OriginalPosition> {
    let crs: Crs = text(fields, "original_crs")?.parse().ok()?;
    let degrees = |column| value(fields, column).and_then(Value::as_f64);
    let position = LonLat::new(degrees("original_lon")?, degrees("original_lat")?).ok()?;
    Some(OriginalPosition { crs, position })
}
