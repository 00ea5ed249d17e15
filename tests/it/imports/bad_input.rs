//! Bad input: each fault names record, field and place, and nothing is half imported.

use super::{city, collection, four_grids, order, row_of_grids, run, written};
use wangge::app::imports::{Kind, Status};
use wangge::domain::fault::{Fault, FaultKind};
use wangge::domain::id::Revision;

/// A grid with these coordinates as JSON.
fn grid(code: &str, coordinates: &str) -> String {
    format!(
        r#"{{"type":"Feature","properties":{{"code":"{code}","name":"甲"}},"geometry":{{"type":"Polygon","coordinates":{coordinates}}}}}"#
    )
}

const GOOD: &str = "[[[122.0,30.0],[122.01,30.0],[122.01,30.01],[122.0,30.01],[122.0,30.0]]]";

/// Imports a good grid and a bad one, and gives the faults; the city must be as empty as before.
async fn faults_of(bad: &str) -> Vec<Fault> {
    let text = collection(&[grid("330902002001001", GOOD), bad.to_owned()]);
    faults_of_file("grids.geojson", text.as_bytes(), Kind::Grids, "cgcs2000").await
}

async fn faults_of_file(name: &str, bytes: &[u8], kind: Kind, crs: &str) -> Vec<Fault> {
    let store = city("");
    let file = written(name, bytes);
    let report = run(&store, order(kind, &file.path, crs)).await;
    assert_eq!(report.status, Status::Refused, "{}", report.text());
    assert!(!report.faults.is_empty());
    assert_eq!(store.revision().await.unwrap(), Revision(0), "nothing is half imported");
    assert!(report.text().contains("refused"));
    report.faults
}

#[tokio::test]
async fn every_bad_ring_is_named_with_its_record_and_place() {
    let code = "330902002001002";
    for (coordinates, kind, word) in [
        ("[[[122.01,30.0],[122.02,30.0],[122.02,30.01],[122.01,30.01]]]", FaultKind::UnclosedRing, "not closed"),
        ("[[[122.01,30.0],[122.02,30.0],[122.01,30.0]]]", FaultKind::EmptyRing, "at least 4"),
        ("[[[30.0,122.01],[30.0,122.02],[30.01,122.02],[30.0,122.01]]]", FaultKind::BadPosition, "swapped"),
        ("[[[122.01,30.0],[922.02,30.0],[122.02,30.01],[122.01,30.0]]]", FaultKind::BadPosition, "out of range"),
        ("[[[502000,3320000],[503000,3320000],[503000,3321000],[502000,3320000]]]", FaultKind::BadPosition, "metres of a plane"),
        ("[[[179.0,30.0],[-179.0,30.0],[-179.0,30.01],[179.0,30.0]]]", FaultKind::Antimeridian, "antimeridian"),
        ("[[[122.01,30.0],[NaN,30.0],[122.02,30.01],[122.01,30.0]]]", FaultKind::BadPosition, "NaN"),
        ("[[[122.01,30.0],[null,30.0],[122.02,30.01],[122.01,30.0]]]", FaultKind::BadPosition, "not finite"),
        ("[]", FaultKind::EmptyRing, "no ring"),
        ("[[122.01,30.0],[122.02,30.0]]", FaultKind::BadPosition, "nesting"),
    ] {
        let faults = faults_of(&grid(code, coordinates)).await;
        assert_eq!(faults.len(), 1, "{coordinates}: {faults:?}");
        assert_eq!((faults[0].kind, faults[0].record), (kind, Some(2)), "{}", faults[0]);
        assert!(faults[0].field.is_some() && faults[0].detail.contains(word), "{}", faults[0]);
    }
}

#[tokio::test]
async fn a_ring_that_crosses_itself_is_a_fault_with_a_place() {
    let bow_tie = "[[[122.01,30.0],[122.02,30.01],[122.02,30.0],[122.01,30.01],[122.01,30.0]]]";
    let text = collection(&[grid("330902002001002", bow_tie)]);
    let file = written("grids.geojson", text);
    let report = run(&city(""), order(Kind::Grids, &file.path, "cgcs2000")).await;
    assert!(report.repairs.is_empty(), "it has land, so it has not collapsed: {:?}", report.repairs);
    let faults = faults_of(&grid("330902002001002", bow_tie)).await;
    assert!(faults.iter().any(|fault| fault.kind == FaultKind::SelfCrossing), "{faults:?}");
    assert!(faults.iter().all(|fault| fault.record == Some(2) && fault.place.is_some()), "{faults:?}");
}

#[tokio::test]
async fn a_ring_that_turns_the_wrong_way_is_turned_and_told() {
    let store = city("");
    let clockwise = "[[[122.0,30.0],[122.0,30.01],[122.01,30.01],[122.01,30.0],[122.0,30.0]]]";
    let file = written("grids.geojson", collection(&[grid("330902002001001", clockwise)]));
    let report = super::import(&store, order(Kind::Grids, &file.path, "cgcs2000")).await;
    assert_eq!(report.tally.rewound, 1);
    assert!(report.repairs[0].detail.contains("record 1") && report.repairs[0].place.is_some(), "{:?}", report.repairs);
}

#[tokio::test]
async fn codes_that_stand_twice_or_have_no_place_in_the_scheme_are_named() {
    let next = "[[[122.01,30.0],[122.02,30.0],[122.02,30.01],[122.01,30.01],[122.01,30.0]]]";
    for (code, kind) in [
        ("330902002001001", FaultKind::DuplicateCode),
        ("33090200200100", FaultKind::NotInScheme),
        ("330902002001", FaultKind::NotInScheme),
        ("3309020020010 2", FaultKind::BadField),
        ("", FaultKind::BadField),
    ] {
        let faults = faults_of(&grid(code, next)).await;
        assert_eq!(
            (faults[0].kind, faults[0].record, faults[0].field.as_deref()),
            (kind, Some(2), Some("code")),
            "{code}: {faults:?}"
        );
    }
}

#[tokio::test]
async fn codes_in_full_width_are_made_narrow_and_told_and_letters_are_none_of_the_schemes() {
    let store = city("");
    let file = written("grids.geojson", collection(&[grid("３３０９０２００２００１００１", GOOD)]));
    let report = super::import(&store, order(Kind::Grids, &file.path, "cgcs2000")).await;
    assert_eq!((report.tally.new, report.tally.repaired), (1, 1));
    let repair = &report.repairs[0];
    assert!(repair.kind == "full_width" && repair.detail.contains("record 1: code"), "{repair:?}");
    assert_eq!(repair.codes[0].as_str(), "330902002001001");
    let next = "[[[122.01,30.0],[122.02,30.0],[122.02,30.01],[122.01,30.01],[122.01,30.0]]]";
    for code in ["33090200200100A", "33090200200100Ａ", "33090200200100①", "33090200200100-"] {
        let faults = faults_of(&grid(code, next)).await;
        let fault = &faults[0];
        let told = (fault.kind, fault.record, fault.field.as_deref());
        assert_eq!(told, (FaultKind::NotInScheme, Some(2), Some("code")), "{code}: {fault}");
        assert!(fault.detail.contains("digits"), "{fault}");
    }
}

#[tokio::test]
async fn a_code_is_text_or_a_whole_number() {
    let feature = |code: &str| grid("C", GOOD).replace("\"C\"", code);
    for (code, word) in [("true", "true is no code"), ("[1]", "[1] is no code"), ("3309020020010.5", "decimal number")] {
        let faults = faults_of_file("grids.geojson", collection(&[feature(code)]).as_bytes(), Kind::Grids, "cgcs2000").await;
        let told = (faults[0].kind, faults[0].record, faults[0].field.as_deref());
        assert_eq!(told, (FaultKind::BadField, Some(1), Some("code")), "{code}: {faults:?}");
        assert!(faults[0].detail.contains(word), "{}", faults[0]);
    }
    let facility = r#"{"type":"Feature","properties":{"code":true,"category":"01037"},"geometry":{"type":"Point","coordinates":[122.1,30.0]}}"#;
    let faults = faults_of_file("f.geojson", collection(&[facility.into()]).as_bytes(), Kind::Facilities, "cgcs2000").await;
    assert_eq!(faults[0].field.as_deref(), Some("code"), "{faults:?}");
    let store = city("");
    let file = written("grids.geojson", collection(&[feature("330902002001001")]));
    super::import(&store, order(Kind::Grids, &file.path, "cgcs2000")).await;
}

#[tokio::test]
async fn files_of_the_wrong_shape_and_files_that_are_not_there_say_so_once() {
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&grid("330902002001001", GOOD)).unwrap());
    let store = city("");
    let file = written("one.geojson", pretty.unwrap());
    let report = super::import(&store, order(Kind::Grids, &file.path, "cgcs2000")).await;
    assert_eq!((report.tally.records, report.tally.new), (1, 1), "a feature over many lines is one");
    let array = format!("[{}]", grid("330902002001001", GOOD));
    let faults = faults_of_file("array.json", array.as_bytes(), Kind::Grids, "cgcs2000").await;
    assert!(faults.len() == 1 && faults[0].detail.contains("JSON array"), "{faults:?}");
    let store = city("");
    let report = run(&store, order(Kind::Grids, &file.path.with_file_name("missing.geojson"), "cgcs2000")).await;
    assert_eq!((report.status, report.faults[0].kind), (Status::Refused, FaultKind::Unreadable));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["faults"][0]["kind"], &json["refused"]), (&"unreadable".into(), &1.into()));
}

#[tokio::test]
async fn land_of_a_child_outside_its_parent_is_a_fault_with_its_size() {
    let store = city("");
    let outline = "[[[122.0,30.0],[122.01,30.0],[122.01,30.01],[122.0,30.01],[122.0,30.0]]]";
    let region = grid("330902002001", outline);
    let file = written("regions.geojson", collection(&[region]));
    super::import(&store, order(Kind::Regions, &file.path, "cgcs2000")).await;
    let before = store.revision().await.unwrap();
    let file = written("grids.geojson", row_of_grids("330902002001", 2, 122.0, 30.0, 0.01));
    let report = run(&store, order(Kind::Grids, &file.path, "cgcs2000")).await;
    assert_eq!(report.status, Status::Refused, "{}", report.text());
    let outside = report.faults.iter().find(|fault| fault.kind == FaultKind::OutsideClaim).unwrap();
    assert!(outside.place.is_some() && outside.area_m2.is_some_and(|area| area > 1e6), "{outside:?}");
    assert_eq!(store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn without_a_crs_nothing_is_read() {
    let text = row_of_grids("330902002001", 1, 122.0, 30.0, 0.01);
    let faults = faults_of_file("grids.geojson", text.as_bytes(), Kind::Grids, "").await;
    assert!(faults[0].detail.contains("--crs") && faults[0].field.as_deref() == Some("crs"), "{}", faults[0]);
    let contradicting = text.replace(
        "\"features\":",
        "\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"urn:ogc:def:crs:OGC:1.3:CRS84\"}},\"features\":",
    );
    let faults = faults_of_file("grids.geojson", contradicting.as_bytes(), Kind::Grids, "gcj02").await;
    assert!(faults[0].detail.contains("states wgs84"), "{}", faults[0]);
    let mercator = contradicting.replace("OGC:1.3:CRS84", "EPSG::3857");
    let faults = faults_of_file("grids.geojson", mercator.as_bytes(), Kind::Grids, "").await;
    assert!(faults[0].detail.contains("ogr2ogr"), "{}", faults[0]);
}

#[tokio::test]
async fn a_line_in_gbk_among_others_in_utf8_is_told_with_its_line_and_column() {
    // 宝华镇 in GBK.
    let mut table = "category,lon,lat,name\n01037,122.001,30.001,路灯\n01037,122.003,30.001,宝华镇\n01037,122.002,30.002,"
        .as_bytes()
        .to_vec();
    table.extend([0xB1, 0xA6, 0xBB, 0xAA, 0xD5, 0xF2]);
    table.push(b'\n');
    let faults = faults_of_file("points.csv", &table, Kind::Facilities, "wgs84").await;
    let fault = &faults[0];
    assert_eq!((fault.kind, fault.record, fault.field.as_deref()), (FaultKind::NotUtf8, Some(4), Some("name")));
    assert!(fault.detail.contains("GBK"), "{fault}");
    // Read as UTF-8 and written again, it is lost for good; that is said too.
    let damaged = "category,lon,lat,name\n01037,122.002,30.002,\u{FFFD}\u{FFFD}\u{FFFD}\n";
    let faults = faults_of_file("points.csv", damaged.as_bytes(), Kind::Facilities, "wgs84").await;
    assert_eq!(faults[0].kind, FaultKind::NotUtf8);
}

#[tokio::test]
async fn truncated_files_say_so() {
    let whole = row_of_grids("330902002001", 3, 122.0, 30.0, 0.01);
    for cut in [whole.len() / 2, whole.len() - 10, whole.len() - 2, 60] {
        let faults = faults_of_file("grids.geojson", &whole.as_bytes()[..cut], Kind::Grids, "wgs84").await;
        assert!(faults.iter().any(|fault| fault.detail.contains("truncated")), "cut at {cut}: {faults:?}");
    }
    let table = "category,lon,lat,name\n01037,122.001,30.001,a\n01037,122.0";
    let faults = faults_of_file("points.csv", table.as_bytes(), Kind::Facilities, "wgs84").await;
    assert_eq!(faults[0].record, Some(3));
    assert!(faults[0].detail.contains("2 fields"), "{}", faults[0]);
    let mut packed = Vec::new();
    let mut writer = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::default());
    std::io::Write::write_all(&mut writer, whole.as_bytes()).unwrap();
    writer.finish().unwrap();
    // In the middle of the data, and in the checksum behind it.
    for cut in [packed.len() * 2 / 3, packed.len() - 3] {
        let faults = faults_of_file("grids.geojson.gz", &packed[..cut], Kind::Grids, "wgs84").await;
        assert!(faults.iter().any(|fault| fault.detail.contains("truncated")), "{faults:?}");
    }
    let twice = whole.repeat(2);
    let faults = faults_of_file("grids.geojson", twice.as_bytes(), Kind::Grids, "wgs84").await;
    assert!(faults.iter().any(|fault| fault.detail.contains("something follows")), "{faults:?}");
    assert_eq!(faults_of_file("empty.csv", b"", Kind::Facilities, "wgs84").await.len(), 1);
}

#[tokio::test]
async fn a_polygon_past_the_vertex_budget_is_refused_before_it_is_worked_on() {
    let store = city("");
    let file = written("grids.geojson", row_of_grids("330902002001", 2, 122.0, 30.0, 0.01));
    let mut small = order(Kind::Grids, &file.path, "cgcs2000");
    small.max_vertices = 4;
    let report = run(&store, small).await;
    assert_eq!(report.faults.len(), 2);
    assert!(report.faults.iter().all(|fault| fault.kind == FaultKind::TooManyVertices && fault.place.is_some()));
}

#[tokio::test]
async fn points_where_land_is_needed_and_land_where_points_are() {
    let point =
        r#"{"type":"Feature","properties":{"code":"330902002001002"},"geometry":{"type":"Point","coordinates":[122,30]}}"#;
    let faults = faults_of(point).await;
    assert_eq!((faults[0].kind, faults[0].field.as_deref()), (FaultKind::WrongGeometry, Some("geometry")));
    let land = collection(&[grid("x", GOOD).replace("\"code\":\"x\"", "\"category\":\"01037\"")]);
    let faults = faults_of_file("points.geojson", land.as_bytes(), Kind::Facilities, "wgs84").await;
    assert_eq!((faults[0].kind, faults[0].record), (FaultKind::WrongGeometry, Some(1)));
}

#[tokio::test]
async fn swapped_axes_in_range_are_found_by_where_the_city_is() {
    // Helsinki's longitude and latitude are both possible as the other.
    let store = city("");
    let file = written("grids.geojson", row_of_grids("330902002001", 2, 24.9, 60.1, 0.1));
    super::import(&store, order(Kind::Grids, &file.path, "wgs84")).await;
    let points = written("points.csv", "category,lon,lat\n01037,24.95,60.15\n01037,60.15,24.95\n");
    let report = run(&store, order(Kind::Facilities, &points.path, "wgs84")).await;
    assert_eq!(report.status, Status::Refused);
    assert_eq!((report.faults.len(), report.faults[0].record), (1, Some(3)));
    assert!(report.faults[0].detail.contains("exchanged"), "{}", report.faults[0]);
}

#[tokio::test]
async fn one_bad_record_of_many_refuses_all_unless_it_may_be_left_out() {
    let store = four_grids().await;
    let before = store.revision().await.unwrap();
    let table = "category,lon,lat\n01037,122.001,30.001\n01037,122.002,abc\n01037,122.003,30.003\n";
    let file = written("points.csv", table);
    let report = run(&store, order(Kind::Facilities, &file.path, "wgs84")).await;
    assert_eq!((report.status, report.tally.refused), (Status::Refused, 1), "{}", report.text());
    assert_eq!((report.faults[0].record, report.faults[0].field.as_deref()), (Some(3), Some("lat")));
    assert_eq!(store.revision().await.unwrap(), before);
    let mut lenient = order(Kind::Facilities, &file.path, "wgs84");
    lenient.accept.also("refused").unwrap();
    let report = super::import(&store, lenient).await;
    assert_eq!((report.tally.new, report.tally.refused), (2, 1));
}

#[tokio::test]
async fn what_is_told_on_the_command_line_is_checked_too() {
    let store = city("");
    let file = written("points.csv", "category,lon,lat\n01037,122.001,30.001\n");
    for (map, word) in [("colour=red", "no field"), ("name", "field=column"), ("name=nom", "no record has a column")] {
        let mut order = order(Kind::Facilities, &file.path, "wgs84");
        order.map = vec![map.to_owned()];
        let report = run(&store, order).await;
        assert_eq!(report.status, Status::Refused);
        assert!(report.faults[0].detail.contains(word), "{map}: {}", report.faults[0]);
    }
    let mut order = order(Kind::Facilities, &file.path, "wgs84");
    order.layer = Some("x".to_owned());
    assert!(run(&store, order).await.faults[0].detail.contains("layers"));
}

#[tokio::test]
async fn what_follows_a_collection_is_a_fault() {
    let whole = row_of_grids("330902002001", 2, 122.0, 30.0, 0.01);
    let open = whole.trim_end().strip_suffix('}').unwrap();
    for (text, word) in [
        (format!("{whole}{whole}"), "follows the collection"),
        (format!("{whole}x"), "follows the collection"),
        (open.to_owned(), "truncated"),
        (format!("{open},\"a\":1"), "truncated"),
        (format!("{open} ]"), "expected"),
    ] {
        let faults = faults_of_file("grids.geojson", text.as_bytes(), Kind::Grids, "wgs84").await;
        assert!(faults[0].detail.contains(word), "{}", faults[0]);
    }
    let mut packed = Vec::new();
    let mut writer = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::default());
    std::io::Write::write_all(&mut writer, whole.as_bytes()).unwrap();
    writer.finish().unwrap();
    let sum = packed.len() - 8;
    packed[sum] ^= 1;
    faults_of_file("grids.geojson.gz", &packed, Kind::Grids, "wgs84").await;
}

#[tokio::test]
async fn a_quote_that_is_never_closed_does_not_swallow_the_rest_of_the_file() {
    let table = "id,category,lon,lat,name\n1,01037,122.001,30.001,a\n2,01037,122.002,30.001,\"b\n3,01037,122.003,30.001,c\n";
    let faults = faults_of_file("points.csv", table.as_bytes(), Kind::Facilities, "wgs84").await;
    assert_eq!((faults.len(), faults[0].record), (1, Some(3)), "{faults:?}");
    assert!(faults[0].detail.contains("never closed"), "{}", faults[0]);
}

#[tokio::test]
async fn a_file_without_a_record_is_refused() {
    for (name, text) in [("a.csv", "category,lon,lat\n"), ("a.geojson", "{\"type\":\"FeatureCollection\",\"features\":[]}")] {
        let faults = faults_of_file(name, text.as_bytes(), Kind::Facilities, "wgs84").await;
        assert!(faults[0].detail.contains("no record"), "{}", faults[0]);
    }
}

/// Files with random damage: cut, bytes flipped, pieces doubled.
#[tokio::test]
async fn no_damage_makes_a_reader_panic_or_a_store_change() {
    let seed: u64 = std::env::var("WANGGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    eprintln!("seed {seed} (WANGGE_SEED)");
    let mut state = seed;
    let mut below = move |bound: usize| {
        // Knuth's MMIX generator; its high bits are good enough to damage files.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let grids = row_of_grids("330902002001", 3, 122.0, 30.0, 0.01);
    let lines: String = grids.lines().filter(|line| line.contains("Feature\"")).map(|line| format!("{line}\n")).collect();
    let table = "id,category,lon,lat,name\na,01037,122.001,30.001,\"x,y\"\nb,01050,122.002,30.002,甲\n".to_owned();
    let mut packed = Vec::new();
    let mut writer = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::default());
    std::io::Write::write_all(&mut writer, table.as_bytes()).unwrap();
    writer.finish().unwrap();
    for (kind, whole) in [
        (Kind::Grids, grids.into_bytes()),
        (Kind::Grids, lines.into_bytes()),
        (Kind::Facilities, table.into_bytes()),
        (Kind::Facilities, packed),
    ] {
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..=below(3) {
                if bytes.is_empty() {
                    break;
                }
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes.truncate(at),
                    1 => bytes[at] = below(256) as u8,
                    2 => drop(bytes.drain(at..(at + 1 + below(20)).min(bytes.len()))),
                    _ => {
                        let piece = bytes[at..(at + 1 + below(40)).min(bytes.len())].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
            }
            let store = city("");
            let file = written("damaged", &bytes);
            let report = run(&store, order(kind, &file.path, "cgcs2000")).await;
            let stored = store.revision().await.unwrap();
            assert_eq!(stored > Revision(0), report.status == Status::Imported, "{}", report.text());
            assert!(report.status != Status::Refused || !report.faults.is_empty() || !report.unmapped.is_empty());
        }
    }
}
