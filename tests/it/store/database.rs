//! What only a database has to promise: who may do what in it, what others see of it, and how it is talked to.

use super::world::*;
use super::{Bed, Home, contract};
use crate::postgres::Database;
use std::path::{Path, PathBuf};
use std::process::Command;
use wangge::domain::id::{FacilityId, Revision, Version};
use wangge::store::*;

fn place(url: &str) -> PathBuf {
    PathBuf::from(url)
}

/// A fault with all its causes, as a log has it.
fn whole(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The statements of the page about PostGIS, between a heading and the next.
fn documented(heading: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/postgis.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_else(|| panic!("{heading}"));
    let blocks: String = section.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "{heading} has no statements");
    blocks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_lacks_something_says_what() {
    let error = Store::create(&place(&Database::plain().url()), &meta()).await.unwrap_err();
    assert!(error.to_string().contains("CREATE EXTENSION postgis"), "{error}");
    let database = Database::new();
    database.sql("DELETE FROM spatial_ref_sys WHERE srid = 4490");
    let error = Store::create(&place(&database.url()), &meta()).await.unwrap_err();
    assert!(error.to_string().contains("EPSG:4490"), "{error}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'wangge'"), "0\n", "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_is_made_once_and_opened_where_it_is() {
    let database = Database::new();
    let url = place(&database.url());
    assert!(matches!(Store::open(&url, Access::Read).await, Err(StoreError::Missing(_))));
    let metas = meta();
    let (a, b) = tokio::join!(Store::create(&url, &metas), Store::create(&url, &metas));
    let (made, refused) = if a.is_ok() { (a, b) } else { (b, a) };
    made.unwrap();
    assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
    // Another city beside it, in a schema of its own.
    let other = place(&format!("{}&schema=wangge_2", database.url()));
    assert!(matches!(Store::open(&other, Access::Serve).await, Err(StoreError::Missing(_))));
    let second = Store::create(&other, &Meta { title: "second".into(), ..meta() }).await.unwrap();
    second.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    let first = Store::open(&url, Access::Read).await.unwrap();
    assert_eq!((first.revision().await.unwrap(), first.meta().await.unwrap()), (Revision(0), meta()));
    let refused = first.facilities_commit(facilities(vec![facility(1)])).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    database.sql("UPDATE wangge.schema_version SET version = 1000");
    for access in [Access::Read, Access::Serve] {
        assert!(matches!(Store::open(&url, access).await, Err(StoreError::Newer { found: 1000, .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_is_brought_up_to_date_by_who_may() {
    let database = Database::new();
    let url = place(&database.url());
    let store = Store::create(&url, &meta()).await.unwrap();
    store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    store.close().await.unwrap();
    // As the first version of the schema was.
    database.sql(
        "SET search_path = wangge; ALTER TABLE change_log DROP COLUMN touched; DROP TABLE servers; ALTER TABLE imports DROP COLUMN server;
         DROP TABLE sources; DROP INDEX facilities_code, facilities_external, facilities_externals;
         CREATE INDEX facilities_external ON facilities USING gin (external); DELETE FROM sequences WHERE name = 'callers'; UPDATE schema_version SET version = 1",
    );
    assert!(matches!(Store::open(&url, Access::Read).await, Err(StoreError::Older { found: 1, .. })));
    assert_eq!(Store::migrate(&url).await.unwrap(), (1, 4));
    assert_eq!(Store::migrate(&url).await.unwrap(), (4, 4));
    let store = Store::open(&url, Access::Serve).await.unwrap();
    // Of what was written before nobody says which rows it touched.
    let update = store.update(Revision(0), None, now(), &wangge::domain::scope::Scope::All).await.unwrap();
    assert!(matches!(&update.facilities, Rows::All(rows) if rows.len() == 1), "{update:?}");
    store.facilities_commit(facilities(vec![facility(2)])).await.unwrap();
    let update = store.update(Revision(1), None, now(), &wangge::domain::scope::Scope::All).await.unwrap();
    assert!(matches!(&update.facilities, Rows::Some { ids, rows } if ids.len() == 1 && rows.len() == 1), "{update:?}");
    assert!(matches!(Store::migrate(&place(&Database::new().url())).await, Err(StoreError::Missing(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_in_no_fault() {
    let database = Database::new();
    let url = database.url().replace("postgres@", "nobody:geheim@");
    let unreachable = "postgres://nobody:geheim@127.0.0.1:1/city";
    for url in [url.as_str(), unreachable] {
        let error = Store::open(&place(url), Access::Read).await.unwrap_err();
        let told = format!("{} {error:?}", whole(&error));
        assert!(!told.contains("geheim") && told.contains("opening postgres://"), "{told}");
    }
    let file = Store::remove(&place(unreachable)).unwrap_err();
    assert!(!whole(&file).contains("geheim"), "{file}");
    for url in [unreachable, "postgres://nobody:ge?heim@127.0.0.1:1/city", "postgres://nobody:ge@heim@127.0.0.1:1/city?schema=a"]
    {
        assert_eq!(place_shown(&place(url)), "postgres://127.0.0.1:1/city");
        let error = Store::open(&place(url), Access::Read).await.unwrap_err();
        assert!(!whole(&error).contains("heim"), "{error}");
    }
}

/// As behind a pooler that shares connections between transactions, with PostGIS in a schema of its own and nobody listening.
#[tokio::test(flavor = "multi_thread")]
async fn without_prepared_statements_and_with_postgis_elsewhere_all_is_the_same() {
    let new = || async {
        let database = Database::plain();
        database.sql("CREATE SCHEMA gis; CREATE EXTENSION postgis SCHEMA gis");
        Bed::in_database(format!("{}&prepared=off&notify=off&schema=city", database.url())).await
    };
    contract::every_field_of_every_record_comes_back(new().await).await;
    contract::every_epoch_can_be_asked_for_and_their_periods_touch(new().await).await;
    contract::a_load_of_thousands_is_like_a_commit_of_three(new().await).await;
    contract::writers_at_the_same_time_lose_nothing(new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_write_into_one_log_without_holes() {
    let database = Database::new();
    let url = place(&database.url());
    let first = Store::create(&url, &meta()).await.unwrap();
    first.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let second = Store::open(&url, Access::Serve).await.unwrap();
    let tasks: Vec<_> = [first.clone(), second.clone()]
        .into_iter()
        .flat_map(|store| (0..4).map(move |writer| (store.clone(), writer)))
        .map(|(store, writer)| {
            tokio::spawn(async move {
                let mut told = Vec::new();
                for turn in 0..10 {
                    let commit = facilities(vec![facility(writer * 10 + turn), facility(1000)]);
                    let committed = store.facilities_commit(commit).await.unwrap();
                    told.push((committed.revision.0, committed.ids));
                }
                told
            })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        let of_one = task.await.unwrap();
        assert!(of_one.windows(2).all(|pair| pair[0].0 < pair[1].0));
        told.extend(of_one);
    }
    told.sort();
    assert_eq!(told.iter().map(|(revision, _)| *revision).collect::<Vec<_>>(), (2..=81).collect::<Vec<_>>());
    let mut ids: Vec<i64> = told.into_iter().flat_map(|(_, ids)| ids).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=160).collect::<Vec<_>>(), "no number is given twice");
    // Both publish from one base: one does.
    let (a, b) = tokio::join!(
        first.boundaries_commit(publication(1, boundaries(1..5))),
        second.boundaries_commit(publication(1, boundaries(1..6)))
    );
    let stale = if a.is_ok() { b } else { a };
    assert!(matches!(stale, Err(StoreError::Stale { .. })), "{stale:?}");
    // Of two writes with one name, on two servers, one happens.
    let once = Some(Once { key: "k".into(), request: 1 });
    let write = |store: Store, once| async move {
        store.facility_write(head(), FacilityWrite::Put(Box::new(facility(7))), once).await.unwrap()
    };
    let (a, b) = tokio::join!(write(first.clone(), once.clone()), write(second.clone(), once));
    assert_ne!(a.repeated, b.repeated);
    assert_eq!((a.revision, &a.row), (b.revision, &b.row));
    assert_eq!(first.snapshot(now()).await.unwrap(), second.snapshot(now()).await.unwrap());
    assert_eq!(second.check().await.unwrap(), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_wakes_those_who_listen() {
    let database = Database::new();
    let store = Store::create(&place(&database.url()), &meta()).await.unwrap();
    let mut listener = sqlx::postgres::PgListener::connect(&database.url()).await.unwrap();
    listener.listen("wangge").await.unwrap();
    store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload().split(' ').next(), Some("1"));
    store.facilities_commit(facilities(vec![facility(2)])).await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload().split(' ').next(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_roles_may_do_what_they_are_for_and_no_more() {
    let database = Database::new();
    // Roles are the cluster's; their names are this test's.
    let named = |sql: String| {
        ["owner", "server", "map"]
            .iter()
            .fold(sql, |sql, role| sql.replace(&format!("wangge_{role}"), &format!("roles_test_{role}")))
    };
    database.sql(&named(documented("Roles")));
    let owner = Store::create(&place(&database.url_of("roles_test_owner")), &meta()).await.unwrap();
    owner.close().await.unwrap();
    database.sql(&named(documented("After the first start")));
    let url = place(&database.url_of("roles_test_server"));
    let store = Store::open(&url, Access::Serve).await.unwrap();
    store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let mut load = store.facilities_load(head()).await.unwrap();
    load.push((0..3000).map(facility).collect()).await.unwrap();
    load.finish(import("facilities")).await.unwrap();
    let mut rows = store.facilities_by_ids(&(1..=2500).map(FacilityId).collect::<Vec<_>>()).await.unwrap();
    rows.iter_mut().for_each(|row| row.name = "again".into());
    let mut load = store.facilities_load(head()).await.unwrap();
    load.push(rows).await.unwrap();
    assert_eq!(load.finish(import("facilities")).await.unwrap().changed, 2500);
    store.cases_commit(cases(vec![full_case()])).await.unwrap();
    store.staff_commit(staff_commit(vec![staff("a")])).await.unwrap();
    store.tidy().await.unwrap();
    assert_eq!(store.check().await.unwrap(), vec![]);
    let refused = |role: &str, sql: &str| {
        let output = Command::new("psql").env("LC_ALL", "C").arg(database.url_of(role)).args(["-XAtqc", sql]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(["permission denied", "must be owner"].iter().any(|why| said.contains(why)), "{role} may {sql}: {said}");
    };
    refused("roles_test_server", "DROP TABLE wangge.facilities");
    refused("roles_test_server", "CREATE TABLE wangge.mine (a int)");
    for table in ["cases", "staff", "tokens", "sessions", "audit", "facilities", "meta"] {
        refused("roles_test_map", &format!("SELECT * FROM wangge.{table}"));
    }
    refused("roles_test_map", "DELETE FROM wangge.map_facilities");
    let seen = Command::new("psql")
        .arg(database.url_of("roles_test_map"))
        .args(["-XAtqc", "SELECT count(*) FROM wangge.map_facilities"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "3000\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn maps_of_others_read_the_views() {
    let database = Database::new();
    let bed = Bed::in_database(database.url()).await;
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    bed.store.boundaries_commit(publication(1, boundaries(2..6))).await.unwrap();
    bed.store.facilities_commit(facilities(vec![full_facility(), facility(1)])).await.unwrap();
    bed.store.cases_commit(cases(vec![full_case(), case(2)])).await.unwrap();
    bed.store
        .buildings_commit(RowCommit { head: head(), rows: (1..8).map(building).collect(), removed: vec![], import: None })
        .await
        .unwrap();
    let at = full_facility().at.lonlat();
    let place = database.sql("SELECT ST_X(geom)::text, ST_Y(geom)::text, ST_SRID(geom) FROM wangge.map_facilities WHERE fid = 1");
    assert_eq!(place, format!("{}|{}|4490\n", at.lon(), at.lat()), "longitude first, to the last digit");
    let lines = database.sql(
        "SELECT f_table_name, type, srid FROM geometry_columns WHERE f_table_schema = 'wangge' AND f_table_name LIKE 'map%' ORDER BY 1",
    );
    let wanted = [
        "map_addresses|POINT",
        "map_buildings|GEOMETRY",
        "map_cases|POINT",
        "map_facilities|POINT",
        "map_grids|MULTIPOLYGON",
        "map_organizations|POINT",
        "map_regions|MULTIPOLYGON",
        "map_voids|MULTIPOLYGON",
    ];
    assert_eq!(lines, wanted.map(|line| format!("{line}|4490\n")).concat());
    assert_eq!(database.sql("SELECT count(*) FROM wangge.map_grids WHERE NOT ST_IsValid(geom)"), "0\n");
    let plan = database.sql(
        "SET enable_seqscan = off; EXPLAIN SELECT * FROM wangge.map_grids WHERE geom && ST_MakeEnvelope(122, 29, 122.001, 29.001, 4490)",
    );
    assert!(plan.contains("grids_geom"), "found by place: {plan}");
    let ogr = |view: &str| {
        let output = Command::new("ogrinfo")
            .args(["-ro", "-so", &format!("PG:{} schemas=wangge", database.conninfo()), view])
            .output()
            .expect("gdal-bin is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (view, count) in [("map_grids", 4), ("map_facilities", 2), ("map_cases", 1)] {
        let said = ogr(view);
        assert!(said.contains(&format!("Feature Count: {count}")), "{view}: {said}");
        assert!(said.contains("ID[\"EPSG\",4490]"), "{view}: {said}");
    }
    let grids = database.sql("SELECT string_agg(code, ' ' ORDER BY code) FROM wangge.map_grids");
    assert_eq!(grids.trim(), (2..6).map(|n| grid(n).code.to_string()).collect::<Vec<_>>().join(" "), "those in force");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_changed_is_found() {
    let database = Database::new();
    let store = Store::create(&place(&database.url()), &meta()).await.unwrap();
    store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    store.facilities_commit(facilities(vec![full_facility(), facility(1)])).await.unwrap();
    assert_eq!(store.check().await.unwrap(), vec![]);
    for (wrong, right, told) in [
        (
            "UPDATE wangge.grids SET name = name || 'x' WHERE code LIKE '%1'",
            "UPDATE wangge.grids SET name = rtrim(name, 'x')",
            "by someone else",
        ),
        ("UPDATE wangge.clock SET revision = 9", "UPDATE wangge.clock SET revision = 2", "the clock stands at 9"),
        ("UPDATE wangge.facilities SET external = NULL WHERE fid = 1", "", "not found by the names"),
        ("UPDATE wangge.facilities SET grid = '330902002000777' WHERE fid = 2", "", "which is not there"),
    ] {
        database.sql(wrong);
        let faults = store.check().await.unwrap();
        assert!(faults.iter().any(|fault| fault.detail.contains(told)), "{wrong}: {faults:?}");
        if !right.is_empty() {
            database.sql(right);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_mean_something_to_postgresql_come_back_as_they_were() {
    let bed = Bed::postgis().await;
    let odd: Vec<_> = ["\\N", "a\tb", "a\nb\r\n", "\\.", "{\"a\"}", "NULL", "a\0b", "\u{10FFFD}0\0", "", "\\"]
        .iter()
        .map(|name| wangge::domain::facility::FacilityRecord { name: (*name).to_owned(), ..facility(1) })
        .collect();
    let mut load = bed.store.facilities_load(head()).await.unwrap();
    load.push(odd.iter().cloned().chain((0..3000).map(facility)).collect()).await.unwrap();
    load.finish(import("facilities")).await.unwrap();
    bed.store.facilities_commit(facilities(odd.clone())).await.unwrap();
    let rows = bed.store.facilities_by_ids(&(1..=10).chain(3011..=3020).map(FacilityId).collect::<Vec<_>>()).await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let wanted: Vec<&str> = odd.iter().chain(&odd).map(|row| row.name.as_str()).collect();
    assert_eq!(names, wanted);
    assert!(rows.iter().all(|row| row.version == Version(1)));
    let Home::Database(url) = &bed.home else { panic!("it is in a database") };
    assert!(matches!(Store::restore(url, Path::new("city.gpkg")).await, Err(StoreError::Invalid(_))));
    bed.sound().await;
}

/// The first load by a command does without indexes until its rows are there; any other keeps them, so that nobody waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_load_makes_its_indexes_at_the_end() {
    let database = Database::new();
    let store = Store::create(&place(&database.url()), &meta()).await.unwrap();
    store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let indexes =
        || database.sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'wangge' AND tablename = 'facilities' ORDER BY 1");
    let all = indexes();
    assert!(all.contains("facilities_geom") && all.contains("facilities_external") && all.contains("facilities_code"), "{all}");
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'wangge.facilities'::regclass AND mode = 'AccessExclusiveLock'";
    let rows = |from: u32| (from..from + 3000).map(facility).collect::<Vec<_>>();
    let alone = || CommitHead { alone: true, ..head() };
    let given_up = {
        let mut load = store.facilities_load(alone()).await.unwrap();
        load.push(rows(1)).await.unwrap();
        load.push(rows(4000)).await.unwrap();
        // The third is taken when the first has been copied.
        load.push(rows(8000)).await.unwrap();
        load.push(rows(12_000)).await.unwrap();
        database.sql(waiting)
    };
    assert_eq!(given_up, "1\n", "nobody else has the table");
    let began = std::time::Instant::now();
    while database.sql(waiting) != "0\n" {
        assert!(began.elapsed().as_secs() < 30, "what was given up is still held");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(indexes(), all, "given up: as it was");

    // A server is there.
    database.sql("INSERT INTO wangge.servers VALUES ('another', '0', now(), now(), 0)");
    let mut load = store.facilities_load(alone()).await.unwrap();
    load.push(rows(1)).await.unwrap();
    load.push(rows(4000)).await.unwrap();
    load.push(rows(8000)).await.unwrap();
    load.push(rows(12_000)).await.unwrap();
    assert_eq!(database.sql(waiting), "0\n");
    drop(load);
    database.sql("DELETE FROM wangge.servers");

    let mut load = store.facilities_load(alone()).await.unwrap();
    load.push(rows(1)).await.unwrap();
    load.finish(import("facilities")).await.unwrap();
    assert_eq!(indexes(), all);
    assert_eq!(database.sql("SELECT count(*) FROM wangge.facilities"), "3000\n");
    assert_eq!(store.check().await.unwrap(), vec![]);
    let found = store.facilities_by_external("osm", "node/7").await.unwrap();
    assert_eq!(found.len(), 1, "the index of names in other systems has them");
    // And one that is not the first.
    let mut load = store.facilities_load(alone()).await.unwrap();
    for from in [4000, 8000, 12_000, 16_000] {
        load.push(rows(from)).await.unwrap();
    }
    assert_eq!(database.sql(waiting), "0\n");
    load.finish(import("facilities")).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM wangge.facilities"), "15000\n");
}
