//! From the schema a file has to the one this program writes. A file of a newer schema is refused; before an older one is changed a
//! copy of it is kept.

use super::schema::{APPLICATION_ID, guards_create};
use super::sql::{Doing, run, run_all};
use super::{begin, beside, callers, commit, sources};
use crate::store::StoreError;
use sqlx::sqlite::SqliteConnection;
use std::path::{Path, PathBuf};

/// The way from one schema to the next.
pub(super) struct Step {
    /// The schema it starts from; it ends at the next number.
    pub(super) from: i64,
    /// Statements; they run in one transaction.
    pub(super) sql: &'static str,
    /// Tables that it makes: none but this program writes them.
    pub(super) guarded: &'static [&'static str],
}

/// All steps there are.
pub(super) const STEPS: &[Step] = &[
    // Facilities get the day of their state; answers to writes that may be sent again are kept.
    Step {
        from: 1,
        sql: "ALTER TABLE facilities ADD COLUMN \"state_date\" DATE;
            CREATE TABLE answers (actor TEXT NOT NULL, key TEXT NOT NULL, request INTEGER NOT NULL, at DATETIME NOT NULL, answer TEXT NOT NULL,
              PRIMARY KEY (actor, key)) WITHOUT ROWID;
            CREATE INDEX answers_at ON answers (at);",
        guarded: &["answers"],
    },
    // Imports are found before they are done, and can be taken back.
    Step {
        from: 2,
        sql: "ALTER TABLE imports ADD COLUMN state TEXT NOT NULL DEFAULT 'done';
            ALTER TABLE imports ADD COLUMN revision INTEGER;
            ALTER TABLE imports ADD COLUMN undone INTEGER;
            ALTER TABLE imports ADD COLUMN before TEXT NOT NULL DEFAULT 'null';
            ALTER TABLE imports ADD COLUMN added TEXT NOT NULL DEFAULT '[]';",
        guarded: &[],
    },
    // Standard addresses.
    Step {
        from: 3,
        sql: "CREATE TABLE \"addresses\" (\"fid\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, \"geom\" POINT, \"address_text\" TEXT NOT NULL,
              \"name\" TEXT NOT NULL, \"within\" TEXT, \"original_crs\" TEXT, \"original_lon\" DOUBLE, \"original_lat\" DOUBLE,
              \"external_ids\" TEXT, \"source\" TEXT, \"source_date\" DATE, \"source_hash\" INTEGER, \"import_id\" INTEGER,
              \"version\" INTEGER NOT NULL, \"grid_set\" TEXT NOT NULL DEFAULT 'governance');
            CREATE VIRTUAL TABLE \"rtree_addresses_geom\" USING rtree(id, minx, maxx, miny, maxy);
            INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES ('addresses', 'features', 'addresses',
              'Standard addresses where they are; of some only the region is known', 4490);
            INSERT INTO gpkg_geometry_columns VALUES ('addresses', 'geom', 'POINT', 4490, 0, 0);
            INSERT INTO gpkg_extensions VALUES ('addresses', 'geom', 'gpkg_rtree_index',
              'http://www.geopackage.org/spec120/#extension_rtree', 'write-only');
            INSERT INTO sequences VALUES ('addresses', 0);",
        guarded: &["addresses"],
    },
    // Organizations.
    Step {
        from: 4,
        sql: "CREATE TABLE \"organizations\" (\"fid\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, \"geom\" POINT, \"category\" TEXT NOT NULL,
              \"name\" TEXT NOT NULL, \"within\" TEXT, \"hours\" TEXT, \"address_text\" TEXT, \"original_crs\" TEXT, \"original_lon\" DOUBLE,
              \"original_lat\" DOUBLE, \"external_ids\" TEXT, \"source\" TEXT, \"source_date\" DATE, \"source_hash\" INTEGER,
              \"import_id\" INTEGER, \"version\" INTEGER NOT NULL, \"grid_set\" TEXT NOT NULL DEFAULT 'governance');
            INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id)
              VALUES ('organizations', 'features', 'organizations', 'Organizations where they are; of some only the grid or region is known', 4490);
            INSERT INTO gpkg_geometry_columns VALUES ('organizations', 'geom', 'POINT', 4490, 0, 0);
            INSERT INTO gpkg_extensions VALUES ('organizations', 'geom', 'gpkg_rtree_index',
              'http://www.geopackage.org/spec120/#extension_rtree', 'write-only');
            CREATE VIRTUAL TABLE \"rtree_organizations_geom\" USING rtree(id, minx, maxx, miny, maxy);
            INSERT INTO sequences VALUES ('organizations', 0);",
        guarded: &["organizations"],
    },
    // Buildings. Imports of before are not taken back any more: rows that somebody changed by hand since did not say so.
    Step {
        from: 5,
        sql: "CREATE TABLE \"buildings\" (\"fid\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, \"geom\" GEOMETRY, \"name\" TEXT NOT NULL,
              \"storeys\" INTEGER, \"households\" INTEGER, \"within\" TEXT, \"address_text\" TEXT, \"original_crs\" TEXT,
              \"original_lon\" DOUBLE, \"original_lat\" DOUBLE, \"external_ids\" TEXT, \"source\" TEXT, \"source_date\" DATE,
              \"source_hash\" INTEGER, \"import_id\" INTEGER, \"version\" INTEGER NOT NULL,
              \"grid_set\" TEXT NOT NULL DEFAULT 'governance');
            INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id)
              VALUES ('buildings', 'features', 'buildings',
              'Buildings: footprints, or points of them; of some only the grid or region is known', 4490);
            INSERT INTO gpkg_geometry_columns VALUES ('buildings', 'geom', 'GEOMETRY', 4490, 0, 0);
            INSERT INTO gpkg_extensions VALUES ('buildings', 'geom', 'gpkg_rtree_index',
              'http://www.geopackage.org/spec120/#extension_rtree', 'write-only');
            CREATE VIRTUAL TABLE \"rtree_buildings_geom\" USING rtree(id, minx, maxx, miny, maxy);
            INSERT INTO sequences VALUES ('buildings', 0);
            UPDATE imports SET before = 'null';",
        guarded: &["buildings"],
    },
    // Callers.
    Step { from: 6, sql: callers::TABLES, guarded: &callers::NAMES },
    // Sources and sinks.
    Step { from: 7, sql: sources::TABLES, guarded: &sources::NAMES },
];

/// The schema of a file, if it is one of ours and not newer than `known`.
pub(super) async fn found(conn: &mut SqliteConnection, path: &Path, known: i64) -> Result<i64, StoreError> {
    let not_ours = |reason: String| StoreError::NotOurs { path: path.to_owned(), reason };
    let application: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *conn)
        .await
        .map_err(|error| not_ours(format!("it cannot be read as a database: {error}")))?;
    if application != APPLICATION_ID {
        return Err(not_ours("it is not a GeoPackage".to_owned()));
    }
    let has_meta: bool = sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'change_log'")
        .fetch_one(&mut *conn)
        .await
        .map_err(|error| not_ours(format!("it cannot be read as a database: {error}")))?;
    if !has_meta {
        return Err(not_ours("a GeoPackage, but not one that wangge made; bring its layers in by `wangge import`".to_owned()));
    }
    let text: String = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'schema'")
        .fetch_one(conn)
        .await
        .map_err(|error| not_ours(format!("it does not say which schema it has: {error}")))?;
    let found = text.parse().map_err(|_| not_ours(format!("its schema is {text:?}")))?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// For writers: a copy for others to edit has their triggers in the place of our guards.
pub(super) async fn guarded(conn: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let guards: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard\\_%' ESCAPE '\\'")
            .fetch_one(conn)
            .await
            .doing("looking for the guards against other writers")?;
    if guards == 0 {
        let reason = "it is a copy for others to edit: `wangge restore` makes the city's file of it again, `wangge import` brings its \
            layers into another";
        return Err(StoreError::NotOurs { path: path.to_owned(), reason: reason.to_owned() });
    }
    Ok(())
}

/// For readers: the schema must be exactly `known`.
pub(super) async fn checked(conn: &mut SqliteConnection, path: &Path, known: i64) -> Result<(), StoreError> {
    match found(conn, path, known).await? {
        older if older < known => Err(StoreError::Older { path: path.to_owned(), found: older }),
        _ => Ok(()),
    }
}

/// Brings a file from schema `found` to `known`.
pub(super) async fn migrate(
    conn: &mut SqliteConnection,
    path: &Path,
    found: i64,
    known: i64,
    steps: &[Step],
) -> Result<(), StoreError> {
    if found == known {
        return Ok(());
    }
    let copy = free_name(path, found);
    let doing = format!("keeping a copy of the file with schema {found}");
    sqlx::query("VACUUM INTO ?").bind(copy.to_string_lossy().into_owned()).execute(&mut *conn).await.doing(&doing)?;
    tracing::info!(from = found, to = known, copy = %copy.display(), "bringing the file to the new schema");
    walk(conn, found, known, steps).await
}

/// Goes the steps from schema `found` to `known`, each in its transaction.
pub(super) async fn walk(conn: &mut SqliteConnection, found: i64, known: i64, steps: &[Step]) -> Result<(), StoreError> {
    for schema in found..known {
        let step = steps
            .iter()
            .find(|step| step.from == schema)
            .ok_or_else(|| StoreError::Corrupt(format!("there is no way from schema {schema} to the next")))?;
        let mut tx = begin(conn).await?;
        let doing = format!("leaving schema {schema}");
        run_all(&mut tx, step.sql.to_owned(), &doing).await?;
        for table in step.guarded {
            run_all(&mut tx, guards_create(table), &doing).await?;
        }
        run(&mut tx, format!("UPDATE meta SET value = '{}' WHERE key = 'schema'", schema + 1), "noting the new schema").await?;
        commit(tx).await?;
    }
    Ok(())
}

fn free_name(path: &Path, schema: i64) -> PathBuf {
    let first = beside(path, &format!(".schema-{schema}"));
    std::iter::once(first)
        .chain((2..).map(|n| beside(path, &format!(".schema-{schema}-{n}"))))
        .find(|name| !name.exists())
        .expect("there are always more names")
}

#[cfg(test)]
mod tests {
    use super::super::schema::SCHEMA;
    use super::*;
    use crate::domain::category::CodeProfile;
    use crate::store::embedded::EmbeddedStore;
    use crate::store::{Access, Meta};

    const NEXT: i64 = SCHEMA + 1;
    const TO_NEXT: &[Step] = &[Step {
        from: SCHEMA,
        sql: "ALTER TABLE staff ADD COLUMN \"shift\" TEXT; UPDATE epochs SET actor = 'x';",
        guarded: &[],
    }];
    const BROKEN: &[Step] =
        &[Step { from: SCHEMA, sql: "ALTER TABLE staff ADD COLUMN \"shift\" TEXT; UPDATE nothing SET a = 1;", guarded: &[] }];

    async fn has_shift(path: &Path) -> bool {
        use sqlx::Connection;
        let mut conn = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("a database");
        let columns: i64 = sqlx::query_scalar("SELECT count(*) FROM pragma_table_info('staff') WHERE name = 'shift'")
            .fetch_one(&mut conn)
            .await
            .expect("a count");
        conn.close().await.expect("closed");
        columns == 1
    }

    #[tokio::test]
    async fn a_file_without_addresses_organizations_and_buildings_gets_their_layers() {
        use sqlx::Connection;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("city.gpkg");
        let meta = Meta::new("city", CodeProfile::new("none".to_owned(), []));
        EmbeddedStore::create(&path, &meta).await.expect("a new file").close().await.expect("closed");
        let mut conn = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("a database");
        let mut before = "INSERT INTO guard VALUES (1);".to_owned();
        for layer in ["addresses", "organizations", "buildings"] {
            before.push_str(&format!(
                "DROP TABLE {layer}; DROP TABLE rtree_{layer}_geom; DELETE FROM sequences WHERE name = '{layer}';
                 DELETE FROM gpkg_geometry_columns WHERE table_name = '{layer}'; DELETE FROM gpkg_extensions WHERE table_name = '{layer}';
                 DELETE FROM gpkg_contents WHERE table_name = '{layer}';"
            ));
        }
        before.push_str(
            "DROP TABLE sources; DROP TABLE tokens; DROP TABLE sessions; DROP TABLE audit; DELETE FROM meta WHERE key = 'audit_begins_after';",
        );
        before.push_str("UPDATE meta SET value = '3' WHERE key = 'schema'; DELETE FROM guard;");
        run_all(&mut conn, before, "going back").await.expect("gone back");
        conn.close().await.expect("closed");
        let store = EmbeddedStore::open_with(&path, Access::Serve, SCHEMA, STEPS).await.expect("the new schema");
        assert_eq!(store.check().await.expect("checked"), vec![]);
        assert_eq!(store.addresses().await.expect("none"), vec![]);
        store.close().await.expect("closed");
    }

    #[tokio::test]
    async fn an_older_file_is_brought_up_and_a_copy_of_it_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("city.gpkg");
        let meta = Meta::new("city", CodeProfile::new("none".to_owned(), []));
        EmbeddedStore::create(&path, &meta).await.expect("a new file").close().await.expect("closed");

        let older = EmbeddedStore::open_with(&path, Access::Read, NEXT, TO_NEXT).await;
        assert!(matches!(older, Err(StoreError::Older { found: SCHEMA, .. })), "a reader does not change it: {older:?}");

        let broken = EmbeddedStore::open_with(&path, Access::Serve, NEXT, BROKEN).await;
        assert!(matches!(broken, Err(StoreError::Database { .. })), "{broken:?}");
        assert!(!has_shift(&path).await, "a step that fails leaves nothing");

        let store = EmbeddedStore::open_with(&path, Access::Serve, NEXT, TO_NEXT).await.expect("the new schema");
        assert_eq!(store.meta().await.expect("the city's own data"), meta);
        store.close().await.expect("closed");
        assert!(has_shift(&path).await);
        for copy in [format!("city.gpkg.schema-{SCHEMA}"), format!("city.gpkg.schema-{SCHEMA}-2")] {
            let copy = folder.path().join(copy);
            assert!(!has_shift(&copy).await, "the copy is as it was");
            EmbeddedStore::open(&copy, Access::Read).await.expect("the copy opens").close().await.expect("closed");
        }
        let newer = EmbeddedStore::open(&path, Access::Serve).await;
        assert!(matches!(newer, Err(StoreError::Newer { found: NEXT, known: SCHEMA, .. })), "{newer:?}");
    }
}
