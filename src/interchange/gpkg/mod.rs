//! Layers of a GeoPackage that somebody else made. OGC 12-128r18. Reads on a thread of its own, since SQLite is spoken to through
//! an asynchronous library and readers are plain loops.

pub mod faults;

use super::fields::Columns;
use super::input::{Input, Progress, read_fault};
use super::{RawRecord, RawShape, Reading, Sink, StatedCrs, own, wkb};
use crate::domain::fault::{Fault, FaultKind};
use crate::geom::{Crs, NamedCrs};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow, SqliteValueRef};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Decode, Row as _, Sqlite, TypeInfo as _, ValueRef as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// An opened layer.
pub struct GpkgReader {
    crs: StatedCrs,
    own: bool,
    batches: Receiver<Batch>,
    progress: Progress,
}

type Batch = Vec<Result<RawRecord, Fault>>;

/// Rows a batch. A guess; nothing depends on it.
const BATCH: usize = 500;

/// What the tables of contents say about a layer.
#[derive(Clone)]
struct Layer {
    table: String,
    /// It is a copy of a layer of ours.
    own: bool,
    geometry: Option<String>,
    /// The primary key of somebody else's table, when no field is read from it: it numbers rows and says nothing about them.
    key: Option<String>,
    crs: StatedCrs,
}

impl GpkgReader {
    /// Opens a layer; a file with one needs no name.
    pub fn open(input: Input, reading: &Reading<'_>) -> Result<Self, Fault> {
        let progress = input.progress();
        let (said, header) = sync_channel(1);
        let (sender, batches) = sync_channel(4);
        let layer = reading.layer.map(str::to_owned);
        let columns = reading.columns.cloned();
        std::thread::Builder::new()
            .name("gpkg".to_owned())
            .spawn(move || {
                let opened = unpacked(input);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match (opened, runtime) {
                    (Ok(file), Ok(runtime)) => runtime.block_on(read(&file.path, layer.as_deref(), columns, &said, &sender)),
                    (Err(error), _) | (_, Err(error)) => drop(said.send(Err(read_fault(&error)))),
                }
            })
            .map_err(|error| read_fault(&error))?;
        let layer =
            header.recv().unwrap_or_else(|_| Err(Fault::new(FaultKind::BadSyntax, "reading the GeoPackage broke off")))?;
        Ok(Self { crs: layer.crs, own: layer.own, batches, progress })
    }

    /// Whether the layer is a copy of one of ours.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// The CRS of the layer's `srs_id`.
    pub fn stated_crs(&self) -> StatedCrs {
        self.crs.clone()
    }

    /// All rows by primary key.
    pub fn for_each(self, sink: &mut Sink<'_>) {
        for record in self.batches.iter().flatten() {
            if sink(record).is_break() {
                return;
            }
        }
        self.progress.finish();
    }
}

/// The file itself, or an unpacked copy that goes away with this value.
struct Unpacked {
    path: PathBuf,
    copy: bool,
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        if self.copy {
            // Nobody is there to be told, and the system empties its temporary folder.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn unpacked(input: Input) -> io::Result<Unpacked> {
    static COPIES: AtomicU32 = AtomicU32::new(0);
    if !input.is_gzipped() {
        return Ok(Unpacked { path: input.path().to_owned(), copy: false });
    }
    let name = format!("wangge-{}-{}.gpkg", std::process::id(), COPIES.fetch_add(1, Ordering::Relaxed));
    let copy = Unpacked { path: std::env::temp_dir().join(name), copy: true };
    let mut file = io::BufWriter::new(std::fs::File::create_new(&copy.path)?);
    io::copy(&mut input.into_text(), &mut file)?;
    file.flush()?;
    Ok(copy)
}

fn database_fault(error: &sqlx::Error) -> Fault {
    Fault::new(FaultKind::BadSyntax, format!("the GeoPackage cannot be read: {error}"))
}

async fn read(
    path: &Path,
    layer: Option<&str>,
    looked_for: Option<Columns>,
    said: &SyncSender<Result<Layer, Fault>>,
    sender: &SyncSender<Batch>,
) {
    let opened = async {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
        let mut connection = options.connect().await.map_err(|error| database_fault(&error))?;
        let layer = find_layer(&mut connection, layer, looked_for.as_ref()).await?;
        Ok((connection, layer))
    };
    let (mut connection, layer) = match opened.await {
        Ok(opened) => opened,
        Err(fault) => return drop(said.send(Err(fault))),
    };
    // A reader that has gone away wants nothing more.
    if said.send(Ok(layer.clone())).is_err() {
        return;
    }
    let select =
        format!("SELECT rowid AS \"rowid \", * FROM {0} WHERE rowid > ? ORDER BY rowid LIMIT {BATCH}", quoted(&layer.table));
    let mut after = i64::MIN;
    loop {
        let rows = match sqlx::query(AssertSqlSafe(select.clone())).bind(after).fetch_all(&mut connection).await {
            Ok(rows) => rows,
            Err(error) => return drop(sender.send(vec![Err(database_fault(&error))])),
        };
        let Some(last) = rows.last() else { return };
        after = last.try_get(0).unwrap_or(i64::MAX);
        let whole = rows.len() == BATCH;
        let names: Vec<Arc<str>> = last.columns().iter().map(|column| column.name().into()).collect();
        let batch = rows.iter().map(|row| record(row, &names, &layer)).collect();
        if sender.send(batch).is_err() || !whole {
            return;
        }
    }
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn find_layer(
    connection: &mut SqliteConnection,
    wanted: Option<&str>,
    looked_for: Option<&Columns>,
) -> Result<Layer, Fault> {
    let select = "SELECT c.table_name, g.column_name, s.organization, s.organization_coordsys_id, s.srs_id, s.definition \
                  FROM gpkg_contents c LEFT JOIN gpkg_geometry_columns g ON g.table_name = c.table_name \
                  LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id \
                  WHERE c.data_type IN ('features', 'attributes') ORDER BY c.table_name";
    type Row = (String, Option<String>, Option<String>, Option<i64>, Option<i64>, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(select).fetch_all(&mut *connection).await.map_err(|error| database_fault(&error))?;
    let names: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let bad = |detail: String| Fault { field: Some("--layer".to_owned()), ..Fault::new(FaultKind::BadField, detail) };
    let row = match wanted {
        Some(wanted) => rows
            .iter()
            .find(|row| row.0 == wanted)
            .ok_or_else(|| bad(format!("the GeoPackage has no layer {wanted:?}: {}", names.join(", "))))?,
        None => match rows.as_slice() {
            [row] => row,
            [] => return Err(bad("the GeoPackage has no layer".to_owned())),
            _ => return Err(bad(format!("the GeoPackage has several layers, say which: {}", names.join(", ")))),
        },
    };
    let (table, geometry, organization, number, srs_id, definition) = row.clone();
    let number = number.and_then(|number| u32::try_from(number).ok());
    let crs = match (organization.as_deref().map(str::to_ascii_uppercase).as_deref(), number, srs_id) {
        // -1 and 0 are the standard's words for "undefined".
        (_, _, None | Some(-1 | 0)) => StatedCrs::Nothing,
        (Some("EPSG"), Some(number), _) if NamedCrs::epsg(number).is_some() => StatedCrs::of_epsg(number),
        (Some("OGC"), ..) => StatedCrs::Known(Crs::Wgs84.into()),
        (organization, number, _) => match StatedCrs::of_wkt(definition.as_deref().unwrap_or_default()) {
            known @ StatedCrs::Known(_) => known,
            _ => StatedCrs::Other(format!("{}:{}", organization.unwrap_or("?"), number.unwrap_or_default())),
        },
    };
    let columns: Vec<(String, i64)> = sqlx::query_as("SELECT name, pk FROM pragma_table_info(?)")
        .bind(&table)
        .fetch_all(connection)
        .await
        .map_err(|error| database_fault(&error))?;
    let has = |wanted: &str| columns.iter().any(|(column, _)| column == wanted);
    let own = own::MARKS.into_iter().all(has);
    let is_wanted = |column: &str| own || looked_for.is_some_and(|columns| columns.feeds(column));
    let key = columns.iter().find(|(column, pk)| *pk > 0 && !is_wanted(column)).map(|(column, _)| column.clone());
    // What our regions show is derived; what they were imported with stands beside it.
    let geometry = if own && has("claim") { Some("claim".to_owned()) } else { geometry };
    Ok(Layer { table, own, geometry, key, crs })
}

fn record(row: &SqliteRow, names: &[Arc<str>], layer: &Layer) -> Result<RawRecord, Fault> {
    let number: i64 = row.try_get(0).map_err(|error| database_fault(&error))?;
    let number = u64::try_from(number).unwrap_or_default();
    let mut fields = Vec::with_capacity(names.len());
    let mut shape = RawShape::Absent;
    for (at, name) in names.iter().enumerate().skip(1) {
        let fault =
            |kind, detail: String| Fault { record: Some(number), field: Some(name.to_string()), ..Fault::new(kind, detail) };
        let value = row.try_get_raw(at).map_err(|error| database_fault(&error))?;
        if value.is_null() || layer.key.as_deref() == Some(&**name) {
            continue;
        }
        if layer.geometry.as_deref() == Some(&**name) {
            let bytes = <&[u8] as Decode<Sqlite>>::decode(value).map_err(|e| fault(FaultKind::BadSyntax, e.to_string()))?;
            let blob = wkb::read_blob(bytes).map_err(|error| fault(FaultKind::BadSyntax, error.to_string()))?;
            shape = raw_shape(blob.geometry);
        } else if let Some(value) = plain_value(value).map_err(|error| fault(FaultKind::NotUtf8, error))? {
            fields.push((Arc::clone(name), value));
        }
    }
    Ok(RawRecord { number, fields, shape })
}

/// A value as JSON; `None` for bytes, which no import takes.
fn plain_value(value: SqliteValueRef<'_>) -> Result<Option<Value>, String> {
    let kind = value.type_info().name().to_owned();
    let told = |error: Box<dyn std::error::Error + Send + Sync>| error.to_string();
    match kind.as_str() {
        "INTEGER" | "BOOLEAN" => <i64 as Decode<Sqlite>>::decode(value).map(|number| Some(number.into())).map_err(told),
        "REAL" => {
            let number = <f64 as Decode<Sqlite>>::decode(value).map_err(told)?;
            Ok(serde_json::Number::from_f64(number).map(Value::Number))
        }
        "BLOB" => Ok(None),
        _ => {
            let bytes = <&[u8] as Decode<Sqlite>>::decode(value).map_err(told)?;
            match super::text::not_utf8(bytes) {
                Some(fault) => Err(fault.detail),
                None => Ok(Some(String::from_utf8_lossy(bytes).into())),
            }
        }
    }
}

fn raw_shape(geometry: wkb::Geometry) -> RawShape {
    match geometry {
        wkb::Geometry::Point(position) => RawShape::Point(position),
        wkb::Geometry::MultiPoint(points) if points.is_empty() => RawShape::Absent,
        wkb::Geometry::Polygon(rings) => RawShape::Polygons(vec![rings]),
        wkb::Geometry::MultiPolygon(parts) => RawShape::Polygons(parts),
        wkb::Geometry::MultiPoint(_) => RawShape::Other("MultiPoint".to_owned()),
        wkb::Geometry::LineString(_) => RawShape::Other("LineString".to_owned()),
        wkb::Geometry::MultiLineString(_) => RawShape::Other("MultiLineString".to_owned()),
        wkb::Geometry::Collection(_) => RawShape::Other("GeometryCollection".to_owned()),
    }
}
