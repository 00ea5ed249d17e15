//! A GeoPackage of chosen rows for other people: layers as in the data file, with the standard's triggers, so that they may be edited and
//! brought back; nothing else that the data file holds.

use super::boundaries::row_hash;
use super::layers::{
    BUILDINGS, Bounding, CASES, EPOCH_TAIL, FACILITIES, GRIDS, Layer, ORGANIZATIONS, REGIONS, STAFF, Stored, Written,
    provenance_content, staff_row,
};
use super::rtree::{self, Entry};
use super::schema::{base_create, layer_list, standard_triggers};
use super::sql::{Doing, Value, Values, run_all, write_rows};
use super::{connect, options};
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::facility::FacilityRecord;
use crate::domain::grid::GridRecord;
use crate::domain::id::{Epoch, GridSet};
use crate::domain::organization::OrganizationRecord;
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::staff::StaffRecord;
use crate::geom::{Area, LatticeBox};
use crate::interchange::wkb;
use crate::store::StoreError;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use std::path::Path;

/// Grids as they are handed out: land without a grid stands among them, since they come back together.
const WITH_VOIDS: Layer = Layer {
    name: GRIDS.name,
    geometry: GRIDS.geometry,
    description: "Grids, and named land without one (kind water or excluded)",
    content: &[
        ("geom", "MULTIPOLYGON NOT NULL"),
        ("grid_set", "TEXT NOT NULL"),
        ("code", "TEXT"),
        ("name", "TEXT NOT NULL"),
        ("kind", "TEXT NOT NULL"),
        ("parent", "TEXT"),
        ("households", "INTEGER"),
        ("population", "INTEGER"),
        ("reason", "TEXT"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: EPOCH_TAIL,
    more: "UNIQUE (\"grid_set\", \"code\")",
};

/// Place of `reason` in a row of [`WITH_VOIDS`] without `fid`.
const REASON: usize = 8;

const DOING: &str = "writing the GeoPackage";

/// A GeoPackage on its way.
#[derive(Debug)]
pub struct HandedOut {
    conn: SqliteConnection,
    /// The layer that is being written, its last `fid` and the box around its rows.
    layer: Option<(&'static Layer, i64, Option<LatticeBox>)>,
}

impl HandedOut {
    /// A new file without layers.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        let options = options(path)
            .create_if_missing(true)
            .page_size(4096)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Off);
        let mut conn = connect(options).await?;
        base_create(&mut conn).await?;
        Ok(Self { conn, layer: None })
    }

    /// Begins a layer by its name in the data file; `about`: what its rows are of.
    pub async fn begin(&mut self, name: &str, about: &str) -> Result<(), StoreError> {
        let layers = [&WITH_VOIDS, &REGIONS, &FACILITIES, &STAFF, &CASES, &ORGANIZATIONS, &BUILDINGS];
        let known = layers.into_iter().find(|layer| layer.name == name);
        let layer: &'static Layer = known.ok_or_else(|| StoreError::Invalid(format!("a GeoPackage has no layer {name:?}")))?;
        let conn = &mut self.conn;
        run_all(conn, format!("BEGIN; {}", layer.create(layer.name)), DOING).await?;
        layer_list(conn, layer, &format!("{} ({about})", layer.description)).await?;
        self.layer = Some((layer, 0, None));
        Ok(())
    }

    /// Ends the layer.
    pub async fn end(&mut self) -> Result<(), StoreError> {
        let Some((layer, _, bounds)) = self.layer.take() else { return Ok(()) };
        if let Some(bounds) = bounds {
            let (min, max) = (bounds.min.lonlat(), bounds.max.lonlat());
            sqlx::query("UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ? WHERE table_name = ?")
                .bind(min.lon())
                .bind(min.lat())
                .bind(max.lon())
                .bind(max.lat())
                .bind(layer.name)
                .execute(&mut self.conn)
                .await
                .doing(DOING)?;
        }
        let triggers = if layer.geometry.is_some() { standard_triggers(layer) } else { String::new() };
        run_all(&mut self.conn, format!("{triggers} COMMIT"), DOING).await
    }

    /// Ends the file.
    pub async fn finish(self) -> Result<(), StoreError> {
        self.conn.close().await.doing(DOING)
    }

    async fn write(&mut self, rows: Vec<(Vec<Value>, Option<LatticeBox>)>) -> Result<(), StoreError> {
        let (layer, last, bounds) = self.layer.as_mut().expect("a layer was begun");
        let (mut values, mut entries) = (Values::default(), Vec::new());
        for (row, place) in rows {
            *last += 1;
            values.int(*last);
            values.0.extend(row);
            if let Some(place) = place {
                *bounds = Some(bounds.map_or(place, |all| all.union(place)));
                entries.push(Entry::new(*last, place));
            }
        }
        write_rows(&mut self.conn, (&layer.insert(layer.name), ""), layer.width(), values, DOING).await?;
        if layer.geometry.is_some() {
            rtree::put(&mut self.conn, layer, &entries).await?;
        }
        Ok(())
    }

    /// Grids of a set.
    pub async fn grids(&mut self, rows: &[GridRecord], set: &GridSet, epoch: Epoch) -> Result<(), StoreError> {
        let row = |record: &GridRecord| {
            let mut values = bounding(record, set, epoch);
            values.insert(REASON, Value::Null);
            (values, record.area.bbox())
        };
        self.write(rows.iter().map(row).collect()).await
    }

    /// Land without a grid, among the grids.
    pub async fn voids(&mut self, rows: &[VoidRecord], set: &GridSet, epoch: Epoch) -> Result<(), StoreError> {
        let row = |record: &VoidRecord| {
            let mut values = Values::default();
            values.opt_blob(Some(wkb::area_blob(&record.area)));
            values.text(set.as_str());
            values.opt_text(None::<String>);
            values.text(record.name.as_str());
            values.text(record.kind.as_str());
            values.0.extend([Value::Null, Value::Null, Value::Null]);
            values.text(record.reason.as_str());
            provenance_content(&record.provenance, &mut values);
            values.opt_int(record.provenance.import_id.map(|id| id.0));
            values.int(epoch.0.cast_signed());
            values.int(row_hash(record, set));
            (values.0, record.area.bbox())
        };
        self.write(rows.iter().map(row).collect()).await
    }

    /// Regions with their land.
    pub async fn regions(&mut self, rows: &[(RegionRecord, Area)], set: &GridSet, epoch: Epoch) -> Result<(), StoreError> {
        let row = |(record, area): &(RegionRecord, Area)| {
            let mut values = bounding(record, set, epoch);
            values.push(if area.is_empty() { Value::Null } else { Value::Blob(wkb::area_blob(area)) });
            (values, area.bbox())
        };
        self.write(rows.iter().map(row).collect()).await
    }

    /// Facilities.
    pub async fn facilities(&mut self, rows: &[FacilityRecord]) -> Result<(), StoreError> {
        self.write(rows.iter().map(written).collect()).await
    }

    /// Cases.
    pub async fn cases(&mut self, rows: &[CaseRecord]) -> Result<(), StoreError> {
        self.write(rows.iter().map(written).collect()).await
    }

    /// Organizations.
    pub async fn organizations(&mut self, rows: &[OrganizationRecord]) -> Result<(), StoreError> {
        self.write(rows.iter().map(written).collect()).await
    }

    /// Buildings.
    pub async fn buildings(&mut self, rows: &[BuildingRecord]) -> Result<(), StoreError> {
        self.write(rows.iter().map(written).collect()).await
    }

    /// Staff.
    pub async fn staff(&mut self, rows: &[StaffRecord]) -> Result<(), StoreError> {
        let row = |record: &StaffRecord| {
            let mut values = Values::default();
            staff_row(record, &mut values);
            (values.0, None)
        };
        self.write(rows.iter().map(row).collect()).await
    }
}

/// Content and tail of a boundary's row.
fn bounding<R: Bounding>(record: &R, set: &GridSet, epoch: Epoch) -> Vec<Value> {
    let mut values = Values::default();
    record.content(set, &mut values);
    values.opt_int(record.provenance().import_id.map(|id| id.0));
    values.int(epoch.0.cast_signed());
    values.int(row_hash(record, set));
    values.0
}

/// Content and tail of a numbered row; it gets a number of its own here.
fn written<R: Written + Stored>(record: &R) -> (Vec<Value>, Option<LatticeBox>) {
    let mut values = Values::default();
    record.row(&mut values);
    values.0.remove(0);
    (values.0, record.place())
}
