//! What a data file promises beyond the suite: others can read it and only we write it, one process owns it, copies and old files.

use super::world::*;
use crate::gdal::answered;
use std::path::{Path, PathBuf};
use wangge::domain::id::{Epoch, FacilityId, Revision};
use wangge::store::*;

async fn city(folder: &Path) -> (Store, PathBuf) {
    let path = folder.join("city.gpkg");
    let store = Store::create(&path, &meta()).await.unwrap();
    store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    store.facilities_commit(facilities((0..3000).map(facility).chain([full_facility()]).collect())).await.unwrap();
    store.staff_commit(staff_commit(vec![staff("a")])).await.unwrap();
    store.cases_commit(cases(vec![full_case(), case(2)])).await.unwrap();
    store.addresses_commit(addresses(vec![full_address()])).await.unwrap();
    let rows = (1..4).map(building).collect();
    store.buildings_commit(RowCommit { head: head(), rows, removed: vec![], import: None }).await.unwrap();
    (store, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn gdal_reads_the_eight_layers_while_we_write() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    let file = path.to_str().unwrap();
    let (fine, all) = answered("ogrinfo", &["-ro", "-so", "-al", file]);
    assert!(fine, "{all}");
    assert!(!all.contains("Warning") && !all.contains("ERROR"), "{all}");
    for (layer, geometry, count) in [
        ("grids", "Multi Polygon", 3),
        ("regions", "Multi Polygon", 2),
        ("facilities", "Point", 3001),
        ("staff", "None", 1),
        ("cases", "Point", 2),
        ("addresses", "Point", 1),
        ("organizations", "Point", 0),
        ("buildings", "Unknown (any)", 3),
    ] {
        let part = all.split(&format!("Layer name: {layer}\n")).nth(1).unwrap_or_else(|| panic!("no layer {layer} in {all}"));
        let part = part.split("Layer name: ").next().unwrap();
        assert!(part.contains(&format!("Geometry: {geometry}\n")), "{part}");
        assert!(part.contains(&format!("Feature Count: {count}\n")), "{part}");
        assert_eq!(
            part.contains("China Geodetic Coordinate System 2000") || part.contains("CGCS2000"),
            geometry != "None",
            "{part}"
        );
    }
    assert_eq!(all.matches("Layer name: ").count(), 8, "the other tables are ours alone: {all}");
    // A box is answered from the R-tree: two points of the first thousandth of a degree.
    let (_, some) =
        answered("ogrinfo", &["-ro", "-so", file, "facilities", "-spat", "119.99999", "29.99999", "120.00015", "30.00005"]);
    assert!(some.contains("Feature Count: 2\n"), "{some}");
    // A footprint is found by its box, a point by its place.
    let (_, some) = answered(
        "ogrinfo",
        &["-ro", "-q", "-al", file, "buildings", "-spat", "120.00001", "30.000005", "120.00002", "30.0000075"],
    );
    assert!(some.contains("name (String) = 3幢") && some.contains("MULTIPOLYGON") && !some.contains("1幢"), "{some}");
    store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_writes_into_the_live_file() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    let before = store.snapshot(now()).await.unwrap();
    use sqlx::Connection;
    let mut other = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    for sql in [
        "UPDATE grids SET name = 'mine'",
        "DELETE FROM facilities",
        "INSERT INTO staff (id, name, role, assigned) VALUES ('x', 'x', 'police', '33')",
        "DELETE FROM change_log",
        "UPDATE epochs SET valid_until = NULL",
        "UPDATE meta SET value = '\"x\"' WHERE key = 'title'",
        "DELETE FROM facility_external",
        "UPDATE sequences SET last = 0",
    ] {
        let refused = sqlx::query(sql).execute(&mut other).await.unwrap_err().to_string();
        assert!(refused.contains("belongs to wangge"), "{sql}: {refused}");
    }
    other.close().await.unwrap();
    assert_eq!(store.snapshot(now()).await.unwrap(), before);
    assert_eq!(store.check().await.unwrap(), vec![]);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_someone_changed_past_the_guards_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    store.close().await.unwrap();
    use sqlx::Connection;
    for (sql, found) in [
        ("UPDATE grids SET name = 'mine' WHERE code = '330902002000001'", "grids was changed by someone else"),
        ("DELETE FROM rtree_facilities_geom WHERE id = 7", "lacks row 7"),
        ("UPDATE facilities SET grid = 'nowhere' WHERE fid = 9", "which is not there"),
        ("DELETE FROM change_log WHERE revision = 2", "the change log has"),
        ("DELETE FROM facility_external WHERE fid = 3", "names of facilities in other systems"),
        ("UPDATE addresses SET geom = NULL, within = NULL; DELETE FROM rtree_addresses_geom", "neither a position nor a region"),
        ("DROP TRIGGER guard_staff_insert", "guards against other writers"),
    ] {
        let copy = folder.path().join("copy.gpkg");
        std::fs::copy(&path, &copy).unwrap();
        let mut other = sqlx::SqliteConnection::connect(&format!("sqlite://{}", copy.display())).await.unwrap();
        sqlx::raw_sql("INSERT INTO guard VALUES (1)").execute(&mut other).await.unwrap();
        sqlx::query(sql).execute(&mut other).await.unwrap();
        sqlx::raw_sql("DELETE FROM guard").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let store = Store::open(&copy, Access::Read).await.unwrap();
        let faults = store.check().await.unwrap();
        assert_eq!(faults.len(), 1, "{sql}: {faults:?}");
        assert!(faults[0].detail.contains(found), "{sql}: {faults:?}");
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_r_tree_that_an_import_is_filling_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    store.close().await.unwrap();
    use sqlx::Connection;
    // As far as an import that was killed may have come: nodes that no row leads to yet.
    let half = |tree: &str| {
        format!(
            "CREATE VIRTUAL TABLE {tree} USING rtree(id, minx, maxx, miny, maxy); INSERT INTO {tree} VALUES (1, 0, 1, 0, 1);
             DELETE FROM {tree}_rowid"
        )
    };
    let left = |path: &Path, tree: &'static str| {
        let url = format!("sqlite://{}", path.display());
        async move {
            let mut conn = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(half(tree))).execute(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        }
    };
    left(&path, "rtree_cases_geom_next").await;
    let store = Store::open(&path, Access::Read).await.unwrap();
    assert_eq!(store.check().await.unwrap(), vec![]);
    store.close().await.unwrap();
    let store = Store::open(&path, Access::Import).await.unwrap();
    store.cases_commit(cases(vec![case(3)])).await.unwrap();
    assert_eq!(store.check().await.unwrap(), vec![], "the one who writes has dropped it");
    store.close().await.unwrap();
    left(&path, "rtree_mine").await;
    let store = Store::open(&path, Access::Read).await.unwrap();
    let faults = store.check().await.unwrap();
    assert!(faults.iter().any(|fault| fault.detail.contains("rtree_mine")), "{faults:?}");
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_for_others_is_read_but_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    let copy = folder.path().join("copy.gpkg");
    store.backup(&copy).await.unwrap();
    let before = store.snapshot(now()).await.unwrap();
    store.close().await.unwrap();
    let bytes = std::fs::read(&copy).unwrap();
    for access in [Access::Serve, Access::Import] {
        let refused = Store::open(&copy, access).await.unwrap_err().to_string();
        assert!(refused.contains("wangge restore"), "{refused}");
    }
    assert_eq!(std::fs::read(&copy).unwrap(), bytes, "it stays as it is");
    let read = Store::open(&copy, Access::Read).await.unwrap();
    assert_eq!(read.snapshot(now()).await.unwrap(), before);
    read.close().await.unwrap();
    Store::restore(&copy, &path).await.unwrap();
    let store = Store::open(&path, Access::Serve).await.unwrap();
    store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_publication_has_ended_so_far_are_no_fault() {
    use sqlx::Connection;
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    store.close().await.unwrap();
    // As far as a publication that was killed may have come: rows that end with an epoch that never began.
    let ended = async |epoch: u32| {
        let mut conn = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        let columns = "SELECT group_concat('\"' || name || '\"') FROM pragma_table_info('grids') WHERE name <> 'fid'";
        let columns: String = sqlx::query_scalar(columns).fetch_one(&mut conn).await.unwrap();
        let sql = format!(
            "INSERT INTO guard VALUES (1);
             INSERT INTO grids_past ({columns}, chain, epoch_until) SELECT {columns}, 0, {epoch} FROM grids;
             DELETE FROM guard"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    };
    let checked = async |access| {
        let store = Store::open(&path, access).await.unwrap();
        let faults = store.check().await.unwrap();
        (store, faults)
    };
    ended(2).await;
    let (store, faults) = checked(Access::Import).await;
    assert_eq!(faults, vec![]);
    let before = store.boundaries_at(Epoch(1)).await.unwrap().unwrap();
    store.boundaries_commit(publication(1, boundaries(1..3))).await.unwrap();
    let after = store.boundaries_at(Epoch(1)).await.unwrap().unwrap();
    assert_eq!((after.grids, after.regions), (before.grids, before.regions), "the next publication has swept them");
    assert_eq!(store.check().await.unwrap(), vec![]);
    store.close().await.unwrap();
    ended(4).await;
    let (store, faults) = checked(Access::Read).await;
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.detail.contains("belongs to no epoch")), "{faults:?}");
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_first_schema_is_brought_up_when_it_is_opened_and_when_it_is_restored() {
    use sqlx::Connection;
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    let (before, backup) = (store.revision().await.unwrap(), folder.path().join("backup.gpkg"));
    store.backup(&backup).await.unwrap();
    store.close().await.unwrap();
    for file in [&path, &backup] {
        let mut conn = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let older = "INSERT INTO guard VALUES (1); DROP TABLE sources; DROP TABLE addresses; DROP TABLE rtree_addresses_geom;
            DELETE FROM gpkg_geometry_columns WHERE table_name = 'addresses';
            DELETE FROM gpkg_extensions WHERE table_name = 'addresses'; DELETE FROM gpkg_contents WHERE table_name = 'addresses';
            DELETE FROM sequences WHERE name = 'addresses'; DROP TABLE answers; DROP TABLE tokens; DROP TABLE sessions; DROP TABLE audit;
            DELETE FROM meta WHERE key = 'audit_begins_after'; ALTER TABLE facilities DROP COLUMN state_date;
            DROP TABLE organizations; DROP TABLE rtree_organizations_geom; DELETE FROM sequences WHERE name = 'organizations';
            DELETE FROM gpkg_extensions WHERE table_name = 'organizations'; DELETE FROM gpkg_geometry_columns WHERE table_name = 'organizations';
            DELETE FROM gpkg_contents WHERE table_name = 'organizations';
            DROP TABLE buildings; DROP TABLE rtree_buildings_geom; DELETE FROM sequences WHERE name = 'buildings';
            DELETE FROM gpkg_extensions WHERE table_name = 'buildings'; DELETE FROM gpkg_geometry_columns WHERE table_name = 'buildings';
            DELETE FROM gpkg_contents WHERE table_name = 'buildings';
            ALTER TABLE imports DROP COLUMN state; ALTER TABLE imports DROP COLUMN revision; ALTER TABLE imports DROP COLUMN undone;
            ALTER TABLE imports DROP COLUMN before; ALTER TABLE imports DROP COLUMN added; UPDATE meta SET value = '1' WHERE key = 'schema'; DELETE FROM guard";
        sqlx::raw_sql(older).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
    let store = Store::open(&path, Access::Serve).await.unwrap();
    store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    assert_eq!(store.check().await.unwrap(), vec![]);
    store.close().await.unwrap();
    let kept = Store::restore(&backup, &path).await.unwrap();
    assert!(kept.is_some());
    let store = Store::open(&path, Access::Serve).await.unwrap();
    assert_eq!((store.revision().await.unwrap(), store.check().await.unwrap()), (before, vec![]));
    store.facilities_commit(facilities((0..3000).map(facility).collect())).await.unwrap();
    assert_eq!(store.check().await.unwrap(), vec![]);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_writes_and_others_read_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    for access in [Access::Serve, Access::Import] {
        let refused = Store::open(&path, access).await;
        assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
    }
    let reader = Store::open(&path, Access::Read).await.unwrap();
    assert_eq!(reader.snapshot(now()).await.unwrap(), store.snapshot(now()).await.unwrap());
    store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    assert_eq!(reader.revision().await.unwrap(), store.revision().await.unwrap());
    let refused = reader.facilities_commit(facilities(vec![facility(1)])).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    assert!(matches!(reader.facilities_load(head()).await, Err(StoreError::ReadOnly)));
    reader.close().await.unwrap();
    store.close().await.unwrap();
    let refused = store.facilities_commit(facilities(vec![facility(1)])).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "closed: {refused:?}");
    assert!(!folder.path().join("city.gpkg-wal").exists(), "a closed file is one file");
    Store::open(&path, Access::Serve).await.unwrap().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_ours_are_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Store::open(&folder.path().join("no.gpkg"), Access::Read).await.unwrap_err();
    assert!(matches!(missing, StoreError::Missing(_)), "{missing}");
    let (store, path) = city(folder.path()).await;
    assert!(matches!(Store::create(&path, &meta()).await, Err(StoreError::InUse(_))));
    store.close().await.unwrap();
    assert!(matches!(Store::create(&path, &meta()).await, Err(StoreError::Exists(_))));

    use sqlx::Connection;
    let url = |path: &Path| format!("sqlite://{}?mode=rwc", path.display());
    let text = folder.path().join("text.gpkg");
    std::fs::write(&text, "{\"type\":\"FeatureCollection\"}".repeat(100)).unwrap();
    let other = folder.path().join("other.sqlite");
    let mut conn = sqlx::SqliteConnection::connect(&url(&other)).await.unwrap();
    sqlx::raw_sql("CREATE TABLE a (b)").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let theirs = folder.path().join("theirs.gpkg");
    let mut conn = sqlx::SqliteConnection::connect(&url(&theirs)).await.unwrap();
    sqlx::raw_sql("PRAGMA application_id = 1196444487; CREATE TABLE a (b)").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    for path in [text, other, theirs] {
        for access in [Access::Read, Access::Serve] {
            let refused = Store::open(&path, access).await;
            assert!(matches!(refused, Err(StoreError::NotOurs { .. })), "{}: {refused:?}", path.display());
        }
    }
    let mut conn = sqlx::SqliteConnection::connect(&url(&path)).await.unwrap();
    sqlx::raw_sql("INSERT INTO guard VALUES (1); UPDATE meta SET value = value + 1 WHERE key = 'schema'; DELETE FROM guard")
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    for access in [Access::Read, Access::Serve] {
        let refused = Store::open(&path, access).await.unwrap_err();
        assert!(matches!(refused, StoreError::Newer { found, known, .. } if found == known + 1), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_we_write_can_be_edited_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = city(folder.path()).await;
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for n in 0..40 {
            writer.facilities_commit(facilities(vec![facility(n)])).await.unwrap();
        }
        let mut load = writer.facilities_load(head()).await.unwrap();
        load.push((0..4000).map(facility).collect()).await.unwrap();
        load.finish(import("facilities")).await.unwrap();
    });
    let copy = folder.path().join("copy.gpkg");
    store.backup(&copy).await.unwrap();
    assert!(matches!(store.backup(&copy).await, Err(StoreError::Exists(_))));
    writing.await.unwrap();
    let now_there = store.snapshot(now()).await.unwrap();

    assert!(matches!(Store::restore(&copy, &path).await, Err(StoreError::InUse(_))), "a server uses it");
    store.close().await.unwrap();
    let copied = {
        let kept = Store::restore(&copy, &path).await.unwrap().expect("there was a file before");
        let store = Store::open(&path, Access::Serve).await.unwrap();
        let copied = store.snapshot(now()).await.unwrap();
        assert_eq!(store.check().await.unwrap(), vec![]);
        store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
        store.close().await.unwrap();
        let old = Store::open(&kept, Access::Read).await.unwrap();
        assert_eq!(old.snapshot(now()).await.unwrap(), now_there, "what was there before is kept");
        old.close().await.unwrap();
        copied
    };
    assert!((Revision(4)..=Revision(45)).contains(&copied.revision), "{}", copied.revision);
    assert_eq!(copied.facilities.iter().filter(|row| row.version.0 == 1).count(), copied.facilities.len());

    // Others may edit the copy: the triggers that keep its R-tree are there, and GDAL has the functions they call.
    let file = copy.to_str().unwrap();
    let edit = "UPDATE grids SET name = 'mine' WHERE code = '330902002000001'";
    let (fine, said) = answered("ogrinfo", &[file, "-dialect", "sqlite", "-sql", edit]);
    assert!(fine && !said.contains("ERROR"), "{said}");
    let (_, said) = answered("ogrinfo", &[file, "-sql", "DELETE FROM facilities WHERE fid = 1"]);
    assert!(!said.contains("ERROR"), "{said}");
    let refused = Store::restore(&copy, &path).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("changed by someone else"), "edits come back by import, not by restore: {why}");
    let elsewhere = folder.path().join("elsewhere.gpkg");
    assert!(matches!(Store::restore(&elsewhere, &path).await, Err(StoreError::Missing(_))));
    let store = Store::open(&path, Access::Read).await.unwrap();
    assert_eq!(store.snapshot(now()).await.unwrap().facilities.len(), copied.facilities.len() + 1);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_leaves_no_transaction_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = city(folder.path()).await;
    for n in 0..30 {
        let writer = store.clone();
        let task = tokio::spawn(async move {
            writer.facilities_commit(facilities((0..500).map(facility).collect())).await.unwrap();
            writer.boundaries_commit(publication(1, boundaries(1..5))).await
        });
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
    }
    let committed = store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    let log = store.log_since(Revision(0), 1000).await.unwrap();
    assert_eq!(log.len() as u64, committed.revision.0);
    assert_eq!(store.check().await.unwrap(), vec![]);
    assert!(store.epochs().await.unwrap().len() <= 2);
    assert_eq!(store.facilities_by_ids(&[FacilityId(*committed.ids.first().unwrap())]).await.unwrap().len(), 1);
    assert!(store.boundaries_at(Epoch(1)).await.unwrap().is_some());
    store.close().await.unwrap();
}
