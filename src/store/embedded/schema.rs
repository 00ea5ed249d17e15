//! The file: a GeoPackage 1.3 (OGC 12-128r18) with our tables beside its own.

use super::layers::{ADDRESSES, BUILDINGS, CASES, FACILITIES, GRIDS, Layer, ORGANIZATIONS, REGIONS, STAFF, VOIDS};
use super::sql::{Doing, run, run_all};
use super::{callers, sources};
use crate::interchange::wkb::CGCS2000;
use crate::store::StoreError;
use sqlx::sqlite::SqliteConnection;

/// The schema this program writes.
pub(super) const SCHEMA: i64 = 8;

/// "GPKG", and the version of the standard × 10000.
pub(super) const APPLICATION_ID: i64 = 0x4750_4B47;
const GPKG_VERSION: i64 = 10_300;

/// What others see.
pub(super) const LAYERS: [&Layer; 8] = [&GRIDS, &REGIONS, &FACILITIES, &STAFF, &CASES, &ADDRESSES, &ORGANIZATIONS, &BUILDINGS];

/// Tables whose rows belong to the current epoch and go to `<name>_past` when they end.
pub(super) const BOUNDARY_LAYERS: [&Layer; 3] = [&REGIONS, &GRIDS, &VOIDS];

/// Tables that only we may write.
pub(super) fn guarded() -> Vec<String> {
    let others = ["meta", "epochs", "imports", "change_log", "sequences", "facility_external", "answers"]
        .into_iter()
        .chain(callers::NAMES)
        .chain(sources::NAMES);
    let layers = LAYERS.into_iter().chain([&VOIDS]).map(|layer| layer.name.to_owned());
    let past = BOUNDARY_LAYERS.into_iter().map(past_name);
    layers.chain(past).chain(others.map(str::to_owned)).collect()
}

/// Where the rows of a layer go when their epochs have ended.
pub(super) fn past_name(layer: &Layer) -> String {
    format!("{}_past", layer.name)
}

/// Columns of a past row: as in the layer, and the chain (0: in force, else the number of the set beside it) with the first epoch in
/// which it stood no more.
fn past_table(layer: &Layer) -> String {
    let name = past_name(layer);
    let columns: String = layer.content.iter().chain(layer.tail).map(|(name, kind)| format!("\"{name}\" {kind}, ")).collect();
    format!(
        "CREATE TABLE \"{name}\" (\"fid\" INTEGER PRIMARY KEY, {columns}\"chain\" INTEGER NOT NULL, \"epoch_until\" INTEGER NOT NULL);
         CREATE INDEX \"{name}_epochs\" ON \"{name}\" (\"grid_set\", \"chain\", \"epoch_until\", \"epoch_from\");"
    )
}

/// What GeoPackage wants to find, as of version 1.3, tables 3–8.
const GPKG_TABLES: &str = "
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE, description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
  srs_id INTEGER, CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL,
  z TINYINT NOT NULL, m TINYINT NOT NULL, CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
";

const WGS84: &str = "GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,298.257223563,AUTHORITY[\"EPSG\",\"7030\"]],\
AUTHORITY[\"EPSG\",\"6326\"]],PRIMEM[\"Greenwich\",0,AUTHORITY[\"EPSG\",\"8901\"]],UNIT[\"degree\",0.0174532925199433,\
AUTHORITY[\"EPSG\",\"9122\"]],AXIS[\"Latitude\",NORTH],AXIS[\"Longitude\",EAST],AUTHORITY[\"EPSG\",\"4326\"]]";

const CGCS2000_WKT: &str = "GEOGCS[\"China Geodetic Coordinate System 2000\",DATUM[\"China_2000\",SPHEROID[\"CGCS2000\",6378137,298.257222101,\
AUTHORITY[\"EPSG\",\"1024\"]],AUTHORITY[\"EPSG\",\"1043\"]],PRIMEM[\"Greenwich\",0,AUTHORITY[\"EPSG\",\"8901\"]],\
UNIT[\"degree\",0.0174532925199433,AUTHORITY[\"EPSG\",\"9122\"]],AXIS[\"Latitude\",NORTH],AXIS[\"Longitude\",EAST],\
AUTHORITY[\"EPSG\",\"4490\"]]";

/// Our own tables.
const OWN_TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY NOT NULL, grid_set TEXT NOT NULL, chain INTEGER NOT NULL, base INTEGER, valid_from DATETIME,
  valid_until DATETIME, scheme TEXT NOT NULL, import_id INTEGER, actor TEXT NOT NULL, published_at DATETIME NOT NULL);
CREATE TABLE imports (id INTEGER PRIMARY KEY NOT NULL, kind TEXT NOT NULL, file TEXT NOT NULL, crs TEXT, source TEXT, at DATETIME NOT NULL,
  actor TEXT NOT NULL, report TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'done', revision INTEGER, undone INTEGER,
  before TEXT NOT NULL DEFAULT 'null', added TEXT NOT NULL DEFAULT '[]');
CREATE TABLE change_log (revision INTEGER PRIMARY KEY NOT NULL, at DATETIME NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL, summary TEXT NOT NULL);
CREATE TABLE sequences (name TEXT PRIMARY KEY NOT NULL, last INTEGER NOT NULL);
CREATE TABLE guard (id INTEGER PRIMARY KEY CHECK (id = 1));
CREATE TABLE answers (actor TEXT NOT NULL, key TEXT NOT NULL, request INTEGER NOT NULL, at DATETIME NOT NULL, answer TEXT NOT NULL,
  PRIMARY KEY (actor, key)) WITHOUT ROWID;
CREATE INDEX answers_at ON answers (at);
INSERT INTO sequences VALUES ('facilities', 0), ('cases', 0), ('addresses', 0), ('imports', 0), ('organizations', 0),
  ('buildings', 0);
";

/// Names of facilities in other systems, as numbers: (`external_key`, `fid`).
pub(super) fn external_table(name: &str) -> String {
    format!("CREATE TABLE \"{name}\" (key INTEGER NOT NULL, fid INTEGER NOT NULL, PRIMARY KEY (key, fid)) WITHOUT ROWID")
}

/// What every GeoPackage has, in an empty database.
pub(super) async fn base_create(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let doing = "creating the tables";
    let mut sql = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {GPKG_VERSION}; BEGIN;");
    sql.push_str(GPKG_TABLES);
    sql.push_str(
        "INSERT INTO gpkg_spatial_ref_sys VALUES
         ('Undefined cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined cartesian coordinate reference system'),
         ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic coordinate reference system');",
    );
    run_all(conn, sql, doing).await?;
    for (name, id, wkt) in [("WGS 84", 4326, WGS84), ("China Geodetic Coordinate System 2000", CGCS2000, CGCS2000_WKT)] {
        sqlx::query("INSERT INTO gpkg_spatial_ref_sys VALUES (?1, ?2, 'EPSG', ?2, ?3, NULL)")
            .bind(name)
            .bind(id)
            .bind(wkt)
            .execute(&mut *conn)
            .await
            .doing(doing)?;
    }
    run_all(conn, "COMMIT".to_owned(), doing).await
}

/// Tells those who open the file about a layer, and makes its R-tree.
pub(super) async fn layer_list(conn: &mut SqliteConnection, layer: &Layer, description: &str) -> Result<(), StoreError> {
    let doing = "listing a layer";
    let (kind, srs) = if layer.geometry.is_some() { ("features", Some(CGCS2000)) } else { ("attributes", None) };
    sqlx::query("INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES (?1, ?2, ?1, ?3, ?4)")
        .bind(layer.name)
        .bind(kind)
        .bind(description)
        .bind(srs)
        .execute(&mut *conn)
        .await
        .doing(doing)?;
    let Some(geometry) = layer.geometry else { return Ok(()) };
    sqlx::query("INSERT INTO gpkg_geometry_columns VALUES (?1, 'geom', ?2, ?3, 0, 0)")
        .bind(layer.name)
        .bind(geometry)
        .bind(CGCS2000)
        .execute(&mut *conn)
        .await
        .doing(doing)?;
    sqlx::query(
        "INSERT INTO gpkg_extensions VALUES (?1, 'geom', 'gpkg_rtree_index', 'http://www.geopackage.org/spec120/#extension_rtree', 'write-only')",
    )
    .bind(layer.name)
    .execute(&mut *conn)
    .await
    .doing(doing)?;
    run(conn, rtree_table(&layer.rtree()), doing).await.map(drop)
}

/// Makes an empty store in an empty database.
pub(super) async fn create(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let doing = "creating the tables";
    base_create(conn).await?;
    let mut sql = format!("BEGIN; {OWN_TABLES}{}{}", callers::TABLES, sources::TABLES);
    sql.push_str(&external_table("facility_external"));
    sql.push(';');
    for layer in LAYERS.into_iter().chain([&VOIDS]) {
        sql.push_str(&layer.create(layer.name));
        sql.push(';');
    }
    for layer in BOUNDARY_LAYERS {
        sql.push_str(&past_table(layer));
    }
    run_all(conn, sql, doing).await?;
    for layer in LAYERS {
        layer_list(conn, layer, layer.description).await?;
    }
    sqlx::query("INSERT INTO meta VALUES ('schema', ?)").bind(SCHEMA.to_string()).execute(&mut *conn).await.doing(doing)?;
    for table in guarded() {
        run_all(conn, guards_create(&table), doing).await?;
    }
    run_all(conn, "COMMIT".to_owned(), doing).await
}

/// The statement that makes an R-tree.
pub(super) fn rtree_table(name: &str) -> String {
    format!("CREATE VIRTUAL TABLE \"{name}\" USING rtree(id, minx, maxx, miny, maxy)")
}

const VERBS: [&str; 3] = ["insert", "update", "delete"];

/// Triggers that refuse rows from anyone who did not set the guard row. Only our transactions set it, and they take it back before
/// they commit, so nobody else ever sees it.
pub(super) fn guards_create(table: &str) -> String {
    let trigger = |verb: &str| {
        format!(
            "CREATE TRIGGER \"guard_{table}_{verb}\" BEFORE {verb} ON \"{table}\" WHEN NOT EXISTS (SELECT 1 FROM guard) BEGIN
               SELECT RAISE(ABORT, 'this file belongs to wangge: edit a copy made by wangge backup and bring it back by wangge import'); END;"
        )
    };
    VERBS.map(trigger).concat()
}

/// Takes the guards of a table away.
pub(super) fn guards_drop(table: &str) -> String {
    VERBS.map(|verb| format!("DROP TRIGGER IF EXISTS \"guard_{table}_{verb}\";")).concat()
}

/// How many guards there must be.
pub(super) fn guard_count() -> usize {
    VERBS.len() * guarded().len()
}

/// The triggers by which other programs keep the R-tree (GeoPackage 1.3, F.3), for copies that are handed out.
pub(super) fn standard_triggers(layer: &Layer) -> String {
    let (table, rtree) = (layer.name, layer.rtree());
    let bounds = "NEW.\"fid\", ST_MinX(NEW.\"geom\"), ST_MaxX(NEW.\"geom\"), ST_MinY(NEW.\"geom\"), ST_MaxY(NEW.\"geom\")";
    let filled = "NEW.\"geom\" NOT NULL AND NOT ST_IsEmpty(NEW.\"geom\")";
    let empty = "(NEW.\"geom\" ISNULL OR ST_IsEmpty(NEW.\"geom\"))";
    format!(
        "CREATE TRIGGER \"{rtree}_insert\" AFTER INSERT ON \"{table}\" WHEN ({filled})
           BEGIN INSERT OR REPLACE INTO \"{rtree}\" VALUES ({bounds}); END;
         CREATE TRIGGER \"{rtree}_update6\" AFTER UPDATE OF \"geom\" ON \"{table}\" WHEN OLD.\"fid\" = NEW.\"fid\" AND ({filled})
           AND (OLD.\"geom\" NOTNULL AND NOT ST_IsEmpty(OLD.\"geom\"))
           BEGIN UPDATE \"{rtree}\" SET minx = ST_MinX(NEW.\"geom\"), maxx = ST_MaxX(NEW.\"geom\"), miny = ST_MinY(NEW.\"geom\"), maxy = ST_MaxY(NEW.\"geom\") WHERE id = NEW.\"fid\"; END;
         CREATE TRIGGER \"{rtree}_update7\" AFTER UPDATE OF \"geom\" ON \"{table}\" WHEN OLD.\"fid\" = NEW.\"fid\" AND ({filled})
           AND (OLD.\"geom\" ISNULL OR ST_IsEmpty(OLD.\"geom\"))
           BEGIN INSERT INTO \"{rtree}\" VALUES ({bounds}); END;
         CREATE TRIGGER \"{rtree}_update2\" AFTER UPDATE OF \"geom\" ON \"{table}\" WHEN OLD.\"fid\" = NEW.\"fid\" AND {empty}
           BEGIN DELETE FROM \"{rtree}\" WHERE id = OLD.\"fid\"; END;
         CREATE TRIGGER \"{rtree}_update5\" AFTER UPDATE ON \"{table}\" WHEN OLD.\"fid\" != NEW.\"fid\" AND ({filled})
           BEGIN DELETE FROM \"{rtree}\" WHERE id = OLD.\"fid\"; INSERT OR REPLACE INTO \"{rtree}\" VALUES ({bounds}); END;
         CREATE TRIGGER \"{rtree}_update4\" AFTER UPDATE ON \"{table}\" WHEN OLD.\"fid\" != NEW.\"fid\" AND {empty}
           BEGIN DELETE FROM \"{rtree}\" WHERE id IN (OLD.\"fid\", NEW.\"fid\"); END;
         CREATE TRIGGER \"{rtree}_delete\" AFTER DELETE ON \"{table}\" WHEN OLD.\"geom\" NOT NULL
           BEGIN DELETE FROM \"{rtree}\" WHERE id = OLD.\"fid\"; END;"
    )
}

/// Names of the standard triggers of a layer.
pub(super) fn standard_triggers_drop(layer: &Layer) -> String {
    let rtree = layer.rtree();
    ["insert", "update2", "update4", "update5", "update6", "update7", "delete"]
        .map(|which| format!("DROP TRIGGER IF EXISTS \"{rtree}_{which}\";"))
        .concat()
}
