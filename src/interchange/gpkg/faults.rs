//! Faults, repairs and accepted faults as a GeoPackage, to be opened over the data they are about. Two layers: `faults` has a point for
//! each, `fault_areas` the land of those that have any.

use crate::domain::fault::{Fault, Repair};
use crate::geom::LatticePoint;
use crate::interchange::wkb::{CGCS2000, area_blob, point_blob};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::path::Path;

/// The standard's tables, as far as a file of two small layers needs them. OGC 12-128r18, tables 3–8.
const TABLES: &str = r#"
PRAGMA application_id = 1196444487; PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE,
  min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL UNIQUE REFERENCES gpkg_contents(table_name), column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id), z TINYINT NOT NULL,
  m TINYINT NOT NULL, PRIMARY KEY (table_name, column_name));
INSERT INTO gpkg_spatial_ref_sys VALUES
  ('Undefined cartesian SRS', -1, 'NONE', -1, 'undefined', NULL),
  ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', NULL),
  ('WGS 84', 4326, 'EPSG', 4326, 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]', NULL),
  ('China Geodetic Coordinate System 2000', 4490, 'EPSG', 4490, 'GEOGCS["China Geodetic Coordinate System 2000",DATUM["China_2000",SPHEROID["CGCS2000",6378137,298.257222101]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4490"]]', NULL);
"#;

/// What a row is.
#[derive(Debug, Clone, Copy)]
enum Role {
    Fault,
    Accepted,
    Repair,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Accepted => "accepted",
            Self::Repair => "repair",
        }
    }
}

/// One row of both layers.
struct Row<'a> {
    role: Role,
    kind: String,
    detail: &'a str,
    record: Option<i64>,
    field: Option<&'a str>,
    codes: String,
    area_m2: Option<f64>,
    point: Option<LatticePoint>,
    area: Option<Vec<u8>>,
}

/// Writes a new file; an older one of that name is replaced.
pub async fn write(path: &Path, faults: &[Fault], accepted: &[Fault], repairs: &[Repair]) -> Result<(), sqlx::Error> {
    if path.exists() {
        std::fs::remove_file(path).map_err(sqlx::Error::Io)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Delete)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    sqlx::raw_sql(TABLES).execute(&mut connection).await?;
    for (table, geometry) in [("faults", "POINT"), ("fault_areas", "MULTIPOLYGON")] {
        create(&mut connection, table, geometry).await?;
    }
    let rows = faults
        .iter()
        .map(|fault| fault_row(Role::Fault, fault))
        .chain(accepted.iter().map(|fault| fault_row(Role::Accepted, fault)))
        .chain(repairs.iter().map(repair_row));
    let mut transaction = connection.begin().await?;
    for row in rows {
        let point = row.point.map(point_blob);
        insert(&mut transaction, "INSERT INTO faults VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", &row, point).await?;
        if let Some(area) = &row.area {
            let area = Some(area.clone());
            insert(&mut transaction, "INSERT INTO fault_areas VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", &row, area).await?;
        }
    }
    transaction.commit().await?;
    connection.close().await
}

async fn create(connection: &mut SqliteConnection, table: &str, geometry: &str) -> Result<(), sqlx::Error> {
    let sql = format!(
        "CREATE TABLE {table} (fid INTEGER PRIMARY KEY, geom {geometry}, role TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL, \
         record INTEGER, field TEXT, codes TEXT NOT NULL, area_m2 DOUBLE);
         INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('{table}', 'features', '{table}', {CGCS2000});
         INSERT INTO gpkg_geometry_columns VALUES ('{table}', 'geom', '{geometry}', {CGCS2000}, 0, 0);"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

async fn insert(
    connection: &mut SqliteConnection,
    sql: &'static str,
    row: &Row<'_>,
    geometry: Option<Vec<u8>>,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql)
        .bind(geometry)
        .bind(row.role.as_str())
        .bind(&row.kind)
        .bind(row.detail)
        .bind(row.record)
        .bind(row.field)
        .bind(&row.codes)
        .bind(row.area_m2)
        .execute(connection)
        .await
        .map(drop)
}

fn codes(codes: &[crate::domain::code::Code]) -> String {
    codes.iter().map(crate::domain::code::Code::as_str).collect::<Vec<_>>().join(", ")
}

fn fault_row(role: Role, fault: &Fault) -> Row<'_> {
    let kind = serde_json::to_value(fault.kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
    Row {
        role,
        kind,
        detail: &fault.detail,
        record: fault.record.and_then(|record| i64::try_from(record).ok()),
        field: fault.field.as_deref(),
        codes: codes(&fault.codes),
        area_m2: fault.area_m2,
        point: fault.place.map(LatticePoint::nearest),
        area: fault.area.as_ref().filter(|area| !area.is_empty()).map(area_blob),
    }
}

fn repair_row(repair: &Repair) -> Row<'_> {
    Row {
        role: Role::Repair,
        kind: repair.kind.clone(),
        detail: &repair.detail,
        record: None,
        field: None,
        codes: codes(&repair.codes),
        area_m2: Some(repair.area_m2),
        point: repair.place.map(LatticePoint::nearest),
        area: None,
    }
}
