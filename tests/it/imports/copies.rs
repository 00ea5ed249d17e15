//! A copy of the city's file, edited by others and brought back.

use super::{import, order, row_of_grids, run, written};
use sqlx::{AssertSqlSafe, Connection as _};
use std::path::{Path, PathBuf};
use wangge::app::imports::{Kind, Report, Status};
use wangge::domain::id::FacilityId;
use wangge::store::{Meta, Store};

const KINDS: [Kind; 6] = [Kind::Grids, Kind::Regions, Kind::Facilities, Kind::Staff, Kind::Cases, Kind::Addresses];

/// A city with something in every layer, in a file.
async fn city(folder: &Path) -> Store {
    let profile = wangge::app::imports::profile_named("gbt47678").unwrap();
    let store = Store::create(&folder.join("city.gpkg"), &Meta::new("test", profile)).await.unwrap();
    let grids = written("grids.geojson", row_of_grids("330902002001", 4, 122.0, 30.0, 0.01));
    import(&store, order(Kind::Grids, &grids.path, "cgcs2000")).await;
    let outline = "[[[122.0,30.0],[122.04,30.0],[122.04,30.01],[122.0,30.01],[122.0,30.0]]]";
    let region = format!(
        r#"{{"type":"Feature","properties":{{"code":"330902002","name":"环南街道"}},"geometry":{{"type":"Polygon","coordinates":{outline}}}}}"#
    );
    let regions = written("regions.geojson", super::collection(&[region]));
    import(&store, order(Kind::Regions, &regions.path, "cgcs2000")).await;
    // Named by code, by id, by neither; one in shifted coordinates; with properties.
    let table = "id,code,category,name,lon,lat,材质,count\n\
        a,33090201037000001,01037,一号灯,122.008,30.001,钢,3\n\
        b,,01037,,122.018,30.001,,\n\
        ,,01050,无名,122.028,30.001,铁,\n";
    let points = written("points.csv", table);
    let mut facilities = order(Kind::Facilities, &points.path, "gcj02");
    facilities.source = Some("普查".to_owned());
    import(&store, facilities).await;
    let staff =
        written("staff.csv", "id,name,role,assigned,phone\n001,王一,网格长,330902002001001,138\n002,李二,网格员,330902002,\n");
    import(&store, order(Kind::Staff, &staff.path, "")).await;
    let table = "id,category,state,reported_at,lon,lat,address,within,url,updated_at\n\
        A1,06010,handling,2026-03-01 08:00:00,122.005,30.005,解放路,,http://x/1,2026-03-01 09:00:00\n\
        ,06012,reported,2026-03-02 08:00:00,,,某处,330902002,,\n";
    let cases = written("cases.csv", table);
    let mut cases = order(Kind::Cases, &cases.path, "wgs84");
    cases.system = Some("12345".to_owned());
    import(&store, cases).await;
    let table = "id,address,name,lon,lat,within\na1,环南街道解放路1号,,122.005,30.005,\n,环南街道深巷2号,,,,330902002\n";
    let addresses = written("addresses.csv", table);
    import(&store, order(Kind::Addresses, &addresses.path, "gcj02")).await;
    store
}

async fn copied(store: &Store, folder: &Path) -> PathBuf {
    let copy = folder.join("copy.gpkg");
    store.backup(&copy).await.unwrap();
    copy
}

/// Writes into a data file as somebody does who takes care to be stopped by nothing.
pub(crate) async fn edited(copy: &Path, sql: &str) {
    let mut file = sqlx::SqliteConnection::connect(&format!("sqlite://{}", copy.display())).await.unwrap();
    // They call functions that QGIS has and this connection has not.
    let triggers: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetch_all(&mut file).await.unwrap();
    for trigger in triggers {
        sqlx::raw_sql(AssertSqlSafe(format!("DROP TRIGGER \"{trigger}\""))).execute(&mut file).await.unwrap();
    }
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut file).await.unwrap();
    file.close().await.unwrap();
}

async fn back(store: &Store, copy: &Path, kind: Kind) -> Report {
    let mut order = order(kind, copy, "");
    order.layer = Some(kind.as_str().to_owned());
    run(store, order).await
}

fn counts(report: &Report) -> [u64; 6] {
    let t = &report.tally;
    [t.new, t.changed, t.same, t.removed, t.conflict, t.refused]
}

#[tokio::test]
async fn a_copy_that_nobody_edited_says_the_same_in_every_layer() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let copy = copied(&store, folder.path()).await;
    let before = store.revision().await.unwrap();
    for kind in KINDS {
        let report = back(&store, &copy, kind).await;
        assert_eq!(report.status, Status::Unchanged, "{kind:?}: {}", report.text());
        assert_eq!(counts(&report), [0, 0, report.tally.records, 0, 0, 0], "{kind:?}: {}", report.text());
        assert!(report.other_columns.is_empty(), "{:?}", report.other_columns);
    }
    assert_eq!(store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn one_edited_row_of_a_copy_is_one_change_and_comes_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let copy = copied(&store, folder.path()).await;
    edited(
        &copy,
        "UPDATE grids SET name = '新名' WHERE code = '330902002001002';
         UPDATE regions SET name = '新街道' WHERE code = '330902002';
         UPDATE facilities SET name = '新灯' WHERE code IS NULL AND external_ids IS NULL;
         UPDATE staff SET phone = '139' WHERE id = '001';
         UPDATE cases SET text = '新' WHERE external_id = 'A1';
         UPDATE addresses SET name = '新' WHERE external_ids IS NULL;",
    )
    .await;
    for kind in KINDS {
        let report = back(&store, &copy, kind).await;
        assert_eq!(report.status, Status::Imported, "{kind:?}: {}", report.text());
        assert_eq!(counts(&report), [0, 1, report.tally.records - 1, 0, 0, 0], "{kind:?}: {}", report.text());
        let again = back(&store, &copy, kind).await;
        assert_eq!((again.status, again.tally.same), (Status::Unchanged, report.tally.records), "{kind:?}: {}", again.text());
    }
    let facilities = store.facilities_by_ids(&[FacilityId(1), FacilityId(2), FacilityId(3)]).await.unwrap();
    assert_eq!((facilities.len(), facilities[2].name.as_str()), (3, "新灯"));
    assert_eq!(facilities[0].provenance.external_ids["source"], "a");
    assert_eq!(
        (facilities[0].properties["材质"].as_str(), facilities[0].provenance.source.as_deref()),
        (Some("钢"), Some("普查"))
    );
    assert!(facilities.iter().all(|row| row.original.is_some_and(|original| original.position.lon() < 122.03)));
    let case = &store.cases_by_ids(&[wangge::domain::id::CaseId(1)]).await.unwrap()[0];
    assert_eq!((case.owner.as_str(), case.external_url.as_deref(), case.text.as_str()), ("12345", Some("http://x/1"), "新"));
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_row_that_the_city_changed_since_is_not_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let copy = copied(&store, folder.path()).await;
    let points = written("points.csv", "id,code,category,name,lon,lat\na,33090201037000001,01037,改名,122.008,30.001\n");
    import(&store, order(Kind::Facilities, &points.path, "gcj02")).await;
    let report = back(&store, &copy, Kind::Facilities).await;
    assert_eq!((report.status, counts(&report)), (Status::Refused, [0, 0, 2, 0, 1, 0]), "{}", report.text());
    assert!(report.faults[0].record == Some(1) && report.faults[0].detail.contains("new copy"), "{}", report.text());
}

#[tokio::test]
async fn a_copy_fills_another_city_with_all_that_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let copy = copied(&store, folder.path()).await;
    let other = super::city("");
    for kind in KINDS {
        let report = back(&other, &copy, kind).await;
        assert_eq!(report.status, Status::Imported, "{kind:?}: {}", report.text());
        let again = back(&other, &copy, kind).await;
        assert_eq!((again.status, again.tally.new), (Status::Unchanged, 0), "{kind:?}: {}", again.text());
    }
    let ids = [FacilityId(1), FacilityId(2), FacilityId(3)];
    for (mine, theirs) in store.facilities_by_ids(&ids).await.unwrap().iter().zip(other.facilities_by_ids(&ids).await.unwrap()) {
        let mut theirs = theirs;
        theirs.provenance.import_id = mine.provenance.import_id;
        assert_eq!(*mine, theirs);
    }
}
