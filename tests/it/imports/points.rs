//! Facilities and cases: categories, matching, conflicts, formats.

use super::{city, fixture, four_grids, import, order, row_of_grids, run, written};
use wangge::app::imports::{Kind, Status};
use wangge::domain::case::Located;
use wangge::domain::id::Revision;
use wangge::store::Store;

async fn helsinki() -> Store {
    let store = city("");
    let file = written("grids.geojson", row_of_grids("330902002001", 2, 24.935, 60.164, 0.02));
    import(&store, order(Kind::Grids, &file.path, "wgs84")).await;
    store
}

#[tokio::test]
async fn openstreetmap_facilities_come_in_by_the_rules_and_only_once() {
    let store = helsinki().await;
    let mut osm = order(Kind::Facilities, &fixture("import/helsinki_facilities_cut.geojson"), "wgs84");
    osm.tags = Some("osm".to_owned());
    let report = import(&store, osm.clone()).await;
    assert_eq!((report.tally.records, report.tally.new, report.tally.refused), (242, 242, 0), "{}", report.text());
    let snapshot = store.snapshot(wangge::clock::Clock::System.now()).await.unwrap();
    let meta = store.meta().await.unwrap();
    let of = |code: &str| {
        snapshot.facilities.iter().filter(|row| meta.profile.categories[usize::from(row.category)].code == code).count()
    };
    assert_eq!((of("01037"), of("01013"), of("01050")), (20, 20, 20), "lamps, hydrants, cameras");
    assert!(snapshot.facilities.iter().all(|row| row.grid.is_some()));
    let camera = store.facilities_by_external("osm", "25291565").await.unwrap();
    assert!(camera.len() <= 1);
    let again = run(&store, osm.clone()).await;
    assert_eq!((again.status, again.tally.same, again.tally.changed), (Status::Unchanged, 242, 0), "{}", again.text());
    assert_eq!(store.revision().await.unwrap(), Revision(2));
    // One of them is edited: one changes, and keeps its key.
    let text = std::fs::read_to_string(fixture("import/helsinki_facilities_cut.geojson")).unwrap();
    let edited =
        written("edited.geojson", text.replacen("\"t_natural\":\"tree\"", "\"t_natural\":\"tree\",\"t_height\":\"7\"", 1));
    osm.files = vec![edited.path.clone()];
    let report = import(&store, osm).await;
    assert_eq!((report.tally.changed, report.tally.same, report.tally.new), (1, 241, 0));
    assert_eq!(store.snapshot(wangge::clock::Clock::System.now()).await.unwrap().facilities.len(), 242);
}

#[tokio::test]
async fn what_has_no_category_is_counted_by_tag_and_taken_as_told() {
    let store = helsinki().await;
    let table = "osm_id,amenity,highway,lon,lat\n1,,street_lamp,24.94,60.17\n2,bar,,24.94,60.17\n3,bar,,24.95,60.17\n4,cafe,,24.95,60.17\n";
    let file = written("points.csv", table);
    let mut osm = order(Kind::Facilities, &file.path, "wgs84");
    osm.tags = Some("osm".to_owned());
    let report = run(&store, osm.clone()).await;
    assert_eq!(report.status, Status::Refused);
    assert_eq!(
        report.unmapped.iter().map(|(tag, un)| (tag.as_str(), un.records, un.first)).collect::<Vec<_>>(),
        [("amenity=bar", 2, 3), ("amenity=cafe", 1, 5)]
    );
    osm.accept.also("unmapped-as=05999").unwrap();
    let refused = run(&store, osm.clone()).await;
    assert!(refused.faults[0].detail.contains("05999"), "{}", refused.text());
    // With the city's own extension of the profile the category exists.
    let local = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/profiles/local_example.toml");
    osm.profile = wangge::app::imports::profile_named(local.to_str().unwrap()).ok();
    let report = import(&store, osm).await;
    assert_eq!((report.tally.new, report.tally.refused), (4, 0), "{}", report.text());
}

#[tokio::test]
async fn chinese_attributes_are_understood() {
    let store = city("");
    let mut points = order(Kind::Facilities, &fixture("import/zhoushan_sampling_points_ccby.geojson"), "wgs84");
    let report = run(&store, points.clone()).await;
    assert_eq!(report.status, Status::Refused);
    assert!(report.unmapped.keys().any(|tag| tag.starts_with("category=") || tag.contains("no category")), "{}", report.text());
    points.map = vec!["category==01044".to_owned(), "state=".to_owned(), "id=".to_owned()];
    let report = import(&store, points.clone()).await;
    assert_eq!(report.tally.new + report.tally.repaired, 38, "{}", report.text());
    assert_eq!(report.columns["name"], ["名称"]);
    let again = run(&store, points).await;
    assert_eq!(again.status, Status::Unchanged, "{}", again.text());
}

#[tokio::test]
async fn the_same_records_come_in_through_every_format() {
    let table =
        "标识码,名称,状态,lon,lat\n33090201037000001,一号灯,完好,122.001,30.001\n33090201037000002,二号灯,损,122.011,30.001\n"
            .replace("损", "破损");
    let feature = |code: &str, name: &str, state: &str, lon: &str| {
        format!(
            r#"{{"type":"Feature","properties":{{"标识码":"{code}","名称":"{name}","状态":"{state}"}},"geometry":{{"type":"Point","coordinates":[{lon},30.001]}}}}"#
        )
    };
    let features =
        [feature("33090201037000001", "一号灯", "完好", "122.001"), feature("33090201037000002", "二号灯", "破损", "122.011")];
    let sequence = features.join("\n");
    let printed: String = features.iter().map(|feature| format!("\u{1e}{feature}\n")).collect();
    let mut packed = Vec::new();
    let mut writer = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::default());
    std::io::Write::write_all(&mut writer, table.as_bytes()).unwrap();
    writer.finish().unwrap();
    let store = four_grids().await;
    let first = written("a.csv", &table);
    let report = import(&store, order(Kind::Facilities, &first.path, "gcj02")).await;
    assert_eq!((report.tally.new, report.format.as_deref()), (2, Some("csv")));
    for (name, bytes, format) in [
        ("a.geojson", super::collection(&features).into_bytes(), "geojson"),
        ("a.geojsons", sequence.into_bytes(), "geojsonseq"),
        ("b.geojsons", printed.into_bytes(), "geojsonseq"),
        ("a.csv.gz", packed, "csv"),
        ("semicolon.csv", table.replace(',', ";").into_bytes(), "csv"),
        ("bom.csv", ["\u{feff}", &table].concat().into_bytes(), "csv"),
    ] {
        let file = written(name, bytes);
        let again = run(&store, order(Kind::Facilities, &file.path, "gcj02")).await;
        assert_eq!((again.status, again.tally.same), (Status::Unchanged, 2), "{name}: {}", again.text());
        assert_eq!(again.format.as_deref(), Some(format), "{name}");
    }
    let lamp = store.facilities_by_ids(&[wangge::domain::id::FacilityId(1)]).await.unwrap();
    assert_eq!(lamp[0].category, "01037");
    assert_eq!(lamp[0].original.map(|original| original.position.lon()), Some(122.001), "what was told is kept");
}

#[tokio::test]
async fn contradictions_are_conflicts_and_repetitions_are_taken_once() {
    let store = four_grids().await;
    let table =
        "id,category,lon,lat\na,01037,122.001,30.001\na,01037,122.001,30.001\nb,01037,122.002,30.001\nb,01037,122.003,30.001\n";
    let file = written("points.csv", table);
    let report = run(&store, order(Kind::Facilities, &file.path, "wgs84")).await;
    assert_eq!((report.status, report.tally.conflict, report.tally.repaired), (Status::Refused, 1, 1), "{}", report.text());
    assert_eq!(report.faults[0].record, Some(5));
    assert!(report.faults[0].detail.contains("record 4"));
    // A record that is one facility by its code and another by its id.
    let first = written("first.csv", "id,code,category,lon,lat\na,C1,01037,122.001,30.001\nb,C2,01037,122.002,30.001\n");
    import(&store, order(Kind::Facilities, &first.path, "wgs84")).await;
    let crossed = written("crossed.csv", "id,code,category,lon,lat\nb,C1,01037,122.001,30.001\n");
    let report = run(&store, order(Kind::Facilities, &crossed.path, "wgs84")).await;
    assert_eq!((report.status, report.tally.conflict), (Status::Refused, 1), "{}", report.text());
    // Two records that are one facility, one by its code and one by its id.
    let split = written("split.csv", "id,code,category,lon,lat\n,C1,01037,122.004,30.001\na,,01037,122.005,30.001\n");
    let report = run(&store, order(Kind::Facilities, &split.path, "wgs84")).await;
    assert_eq!((report.status, report.tally.conflict), (Status::Refused, 1), "{}", report.text());
    assert!(report.faults[0].record == Some(3) && report.faults[0].detail.contains("record 2"), "{}", report.text());
}

#[tokio::test]
async fn an_id_of_another_system_is_another_id() {
    let store = four_grids().await;
    let file = written("points.csv", "id,category,lon,lat\n7,01037,122.001,30.001\n");
    for system in ["water", "power"] {
        let mut order = order(Kind::Facilities, &file.path, "wgs84");
        order.system = Some(system.to_owned());
        assert_eq!(import(&store, order).await.tally.new, 1);
    }
    assert_eq!(store.facilities_by_external("power", "7").await.unwrap().len(), 1);
}

#[tokio::test]
async fn cases_are_placed_mirrored_and_not_taken_back_in_time() {
    let store = four_grids().await;
    let table = "\
案件编号,类别,状态,上报时间,截止时间,超期,lon,lat,事发位置,within,updated_at
A1,暴露垃圾,handling,2026-03-01 08:00:00,2026-03-01 12:00:00,是,122.005,30.005,解放路,,2026-03-01 09:00:00
A2,33090206036,reported,2026-03-01T08:30:00+08:00,,否,0,0,某处,330902002,2026-03-01 09:00:00
A3,06012,reported,2026-03-01,,,,,不详,,2026-03-01 09:00:00
";
    let file = written("cases.csv", table);
    let mut cases = order(Kind::Cases, &file.path, "wgs84");
    cases.system = Some("12345".to_owned());
    let report = import(&store, cases.clone()).await;
    assert_eq!(report.tally.new, 3, "{}", report.text());
    let snapshot = store.snapshot(wangge::clock::Clock::System.now()).await.unwrap();
    let by_id = |id: &str| snapshot.cases.iter().find(|case| case.external_id.as_deref() == Some(id)).unwrap();
    assert_eq!(by_id("A1").grid.as_ref().map(|code| code.as_str()), Some("330902002001001"));
    assert!(by_id("A1").overdue && by_id("A1").due_at.is_some_and(|due| due.to_string() == "2026-03-01T04:00:00Z"));
    assert_eq!((by_id("A2").located, by_id("A2").category.as_str()), (Located::Region, "06036"));
    assert_eq!((by_id("A3").located, by_id("A3").at), (Located::None, None));
    assert_eq!(by_id("A1").owner, "12345");
    let again = run(&store, cases.clone()).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 3));
    let newer = written("newer.csv", table.replace("handling", "checking").replacen("09:00:00\nA2", "10:00:00\nA2", 1));
    cases.files = vec![newer.path.clone()];
    assert_eq!(import(&store, cases.clone()).await.tally.changed, 1);
    cases.files = vec![file.path.clone()];
    let older = run(&store, cases).await;
    assert_eq!((older.status, older.tally.same), (Status::Unchanged, 3), "{}", older.text());
}
