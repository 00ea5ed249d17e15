//! One small city in every format (tests/fixtures/import/city, made by its `make.py`): what is stored does not depend on the format.

use super::{city, fixture, import, order, run, shared, written};
use std::path::{Path, PathBuf};
use wangge::app::imports::{Kind, Order, Report, Status};
use wangge::domain::fault::FaultKind;
use wangge::store::Store;

fn file(name: &str) -> PathBuf {
    fixture("import/city").join(name)
}

/// An order for a file of the city; `how`: `crs=…`, `layer=…`, `map=…`, `swap`, `profile=…`.
fn of(kind: Kind, path: &Path, how: &[&str]) -> Order {
    let mut order = order(kind, path, "");
    for word in how {
        match word.split_once('=').unwrap_or((word, "")) {
            ("crs", crs) => order.crs = Some(crs.parse().unwrap()),
            ("helmert", helmert) => order.helmert = Some(helmert.parse().unwrap()),
            ("layer", layer) => order.layer = Some(layer.to_owned()),
            ("map", map) => order.map.push(map.to_owned()),
            ("profile", name) => order.tags = Some(name.to_owned()),
            ("swap", _) => order.swap_xy = true,
            _ => panic!("{word}"),
        }
    }
    order
}

/// Everything that is stored, but when.
async fn stored(store: &Store) -> String {
    let epoch = store.epochs().await.unwrap().last().unwrap().epoch;
    let mut set = store.boundaries_at(epoch).await.unwrap().unwrap();
    set.period = wangge::domain::period::Period::ALWAYS;
    let snapshot = store.snapshot(wangge::clock::Clock::System.now()).await.unwrap();
    let ids: Vec<_> = snapshot.facilities.iter().map(|row| row.id).collect();
    let facilities = store.facilities_by_ids(&ids).await.unwrap();
    let staff = store.staff().await.unwrap();
    let revision = store.revision().await.unwrap();
    format!("{revision:?} {epoch:?}\n{set:#?}\n{facilities:#?}\n{staff:#?}")
}

/// Where the two first differ.
fn assert_same(what: &str, expected: &str, found: &str) {
    for (line, (left, right)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(left, right, "{what}, line {line}");
    }
    assert_eq!(expected.lines().count(), found.lines().count(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_city_through_each_format_gives_the_same_content_revision_for_revision() {
    type Source<'a> = (&'a str, &'a [&'a str]);
    // Grids, facilities, staff, households.
    let sources: &[[Source<'_>; 4]] = &[
        [
            ("grids.geojson", &["crs=cgcs2000"]),
            ("facilities.geojson", &["crs=cgcs2000"]),
            ("staff.csv", &[]),
            ("households.csv", &[]),
        ],
        [
            ("city.gpkg", &["layer=grids"]),
            ("city.gpkg", &["layer=facilities"]),
            ("staff_gbk.csv", &[]),
            ("tables.xlsx", &["layer=户数"]),
        ],
        [
            ("zone41_gbk.zip", &["layer=网格"]),
            ("zone41_gbk.zip", &["layer=部件"]),
            ("tables.xlsx", &["layer=网格员"]),
            ("tables.xlsx", &["layer=户数"]),
        ],
        [
            ("zone41_gbk_without_prj.zip", &["layer=网格", "crs=epsg:4529"]),
            ("zone41_gbk_without_prj.zip", &["layer=舟山/部件", "crs=cgcs2000:tm:cm=123,fe=41500000"]),
            ("staff.csv", &[]),
            ("households.csv", &[]),
        ],
        [
            ("degrees_utf8.zip", &["layer=grids", "map=code=网格编"]),
            ("degrees_utf8.zip", &["layer=facilities"]),
            ("staff.csv", &[]),
            ("households.csv", &[]),
        ],
        [("grids.fgb", &[]), ("facilities.fgb", &[]), ("staff.csv", &[]), ("households.csv", &[])],
        [("grids.fgb", &[]), ("facilities.fgb", &[]), ("staff_gbk.csv", &[]), ("households.csv", &[])],
    ];
    let mut expected: Option<Vec<String>> = None;
    for formats in sources {
        let store = city("");
        let mut states = Vec::new();
        for ((name, how), kind) in formats.iter().zip([Kind::Grids, Kind::Facilities, Kind::Staff, Kind::Households]) {
            let report = import(&store, of(kind, &file(name), how)).await;
            assert_eq!((report.tally.refused, report.tally.repaired), (0, 0), "{name}: {}", report.text());
            states.push(stored(&store).await);
            // A second time it is nothing new.
            let again = run(&store, of(kind, &file(name), how)).await;
            assert_eq!(again.status, Status::Unchanged, "{name}: {}", again.text());
        }
        match &expected {
            None => expected = Some(states),
            Some(expected) => {
                for (at, (left, right)) in expected.iter().zip(&states).enumerate() {
                    assert_same(&format!("{formats:?} after import {}", at + 1), left, right);
                }
            }
        }
    }
    let last = expected.unwrap().pop().unwrap();
    assert!(last.contains("第二网格（东港）") && last.contains("东港①号监控") && last.contains("昌国街道"), "{last}");
}

/// A table says neither what is a number nor that a value is missing, so only what has a field is compared.
#[tokio::test]
async fn facilities_of_tables_are_those_of_the_map() {
    let mut all = Vec::new();
    for (name, how) in [
        ("facilities.geojson", &["crs=cgcs2000"][..]),
        ("facilities_gbk.csv", &["crs=cgcs2000"]),
        ("tables.xlsx", &["layer=部件", "crs=cgcs2000"]),
    ] {
        let store = city("");
        import(&store, of(Kind::Grids, &file("grids.fgb"), &[])).await;
        let report = import(&store, of(Kind::Facilities, &file(name), how)).await;
        assert_eq!(report.tally.new, 5, "{name}: {}", report.text());
        let snapshot = store.snapshot(wangge::clock::Clock::System.now()).await.unwrap();
        all.push((name, format!("{:#?}", snapshot.facilities)));
    }
    for (name, rows) in &all[1..] {
        assert_same(name, &all[0].1, rows);
    }
}

async fn refused(kind: Kind, path: &Path, how: &[&str]) -> Report {
    let report = run(&city(""), of(kind, path, how)).await;
    assert_eq!(report.status, Status::Refused, "{}", report.text());
    report
}

#[tokio::test]
async fn without_a_prj_the_candidates_are_told_and_nothing_is_guessed() {
    let report = refused(Kind::Grids, &file("zone41_gbk_without_prj.zip"), &["layer=网格"]).await;
    let text = report.text();
    assert!(text.contains("no .prj") && text.contains("--crs epsg:4529: 122.10"), "{text}");
    // Another zone is not taken either; the right one is told.
    let report = refused(Kind::Grids, &file("zone41_gbk_without_prj.zip"), &["layer=网格", "crs=epsg:4528"]).await;
    assert!(report.faults[0].detail.contains("in epsg:4529 at 122.1"), "{}", report.text());
    let report = refused(Kind::Grids, &file("zone41_gbk.zip"), &["layer=网格", "crs=epsg:4528"]).await;
    assert!(report.faults[0].detail.contains("one of them is wrong"), "{}", report.text());
    let report = refused(Kind::Grids, &file("zone41_gbk.zip"), &[]).await;
    assert!(
        report.faults[0].detail.contains("several layers") && report.faults[0].detail.contains("网格, 部件"),
        "{}",
        report.text()
    );
}

#[tokio::test]
async fn what_the_reader_found_out_stands_in_the_report() {
    let report = import(&city(""), of(Kind::Grids, &file("zone41_gbk.zip"), &["layer=网格"])).await;
    let text = report.text();
    assert!(text.contains("names in the zip file are GBK") && text.contains("网格.dbf is GBK"), "{text}");
    assert_eq!((report.crs.as_deref(), report.format.as_deref()), (Some("epsg:4529"), Some("shapefile")));
    assert_eq!(report.tally.rewound, 0, "a Shapefile's own winding is no fault");
    let store = super::four_grids().await;
    let table = "类别,名称,经度,纬度\n路灯,甲,122.001,30.001\n".to_owned();
    let gbk = encode_gbk(&table);
    let points = written("points.csv", gbk);
    let report = import(&store, of(Kind::Facilities, &points.path, &["crs=wgs84"])).await;
    assert!(report.text().contains("the text is GBK"), "{}", report.text());
}

/// The few characters that the tables here need.
fn encode_gbk(text: &str) -> Vec<u8> {
    let table: &[(char, [u8; 2])] = &[
        ('类', [0xC0, 0xE0]),
        ('别', [0xB1, 0xF0]),
        ('名', [0xC3, 0xFB]),
        ('称', [0xB3, 0xC6]),
        ('经', [0xBE, 0xAD]),
        ('纬', [0xCE, 0xB3]),
        ('度', [0xB6, 0xC8]),
        ('路', [0xC2, 0xB7]),
        ('灯', [0xB5, 0xC6]),
        ('甲', [0xBC, 0xD7]),
    ];
    text.chars()
        .flat_map(|c| match table.iter().find(|(known, _)| *known == c) {
            Some((_, bytes)) => bytes.to_vec(),
            None => c.to_string().into_bytes(),
        })
        .collect()
}

#[tokio::test]
async fn coordinates_as_surveyors_write_them_are_found_and_taken_when_told() {
    let store = super::four_grids().await;
    // 122.005 E, 30.005 N on the local meridian 122 E, northing first.
    let table = "类别,名称,x,y\n路灯,甲,3320996.13,500482.33\n";
    let points = written("points.csv", table);
    let missing = run(&store, of(Kind::Facilities, &points.path, &[])).await;
    assert!(missing.faults[0].detail.contains("--swap-xy"), "{}", missing.text());
    let local = "crs=cgcs2000:tm:cm=122,fe=500000";
    let exchanged = run(&store, of(Kind::Facilities, &points.path, &[local])).await;
    assert_eq!(exchanged.status, Status::Refused);
    assert!(exchanged.faults[0].detail.contains("--swap-xy"), "{}", exchanged.text());
    assert_eq!((exchanged.faults[0].record, exchanged.faults[0].kind), (Some(2), FaultKind::BadPosition));
    let taken = import(&store, of(Kind::Facilities, &points.path, &[local, "swap"])).await;
    assert_eq!((taken.tally.new, taken.tally.outside), (1, 0), "{}", taken.text());
    // The same on an old datum needs its seven parameters.
    let old = "crs=beijing54:tm:cm=122,fe=500000";
    let report = run(&store, of(Kind::Facilities, &points.path, &[old, "swap"])).await;
    assert!(report.faults[0].detail.contains("--helmert") && report.faults[0].detail.contains("Beijing"), "{}", report.text());
    let report = run(&store, of(Kind::Facilities, &points.path, &[old, "swap", "helmert=15.8,-154.4,-82.3,0,0,0,0"])).await;
    assert_eq!(report.tally.refused, 0, "{}", report.text());
}

#[tokio::test]
async fn codes_that_excel_has_spoiled_are_refused_with_row_and_column() {
    let store = city("");
    import(&store, of(Kind::Grids, &file("grids.fgb"), &[])).await;
    let report = run(&store, of(Kind::Facilities, &file("spoiled.xlsx"), &["crs=cgcs2000"])).await;
    assert_eq!((report.status, report.tally.refused), (Status::Refused, 2), "{}", report.text());
    let told: Vec<_> = report.faults.iter().map(|fault| (fault.record, fault.field.as_deref())).collect();
    assert_eq!(told, [(Some(3), Some("code")), (Some(4), Some("code"))]);
    assert!(report.faults.iter().all(|fault| fault.detail.contains("标识码") && fault.detail.contains("spreadsheet")));
    // A table that a spreadsheet has written again is spoiled in the same way.
    let table = "标识码,类别,lon,lat\n3.30902E+16,路灯,122.1005,30.0005\n";
    let report = run(&store, of(Kind::Facilities, &written("a.csv", table).path, &["crs=cgcs2000"])).await;
    assert_eq!((report.faults[0].record, report.faults[0].field.as_deref()), (Some(2), Some("code")), "{}", report.text());
}

#[tokio::test]
async fn openstreetmap_s_own_format_brings_nodes_and_the_areas_that_the_rules_want() {
    let store = city("");
    import(&store, of(Kind::Grids, &file("grids.fgb"), &[])).await;
    let report = import(&store, of(Kind::Facilities, &file("places.osm.pbf"), &["profile=osm"])).await;
    assert_eq!((report.tally.records, report.tally.new), (3, 3), "{}", report.text());
    assert!(report.text().contains("1 nodes with tags that no rule"), "the café: {}", report.text());
    let toilets = store.facilities_by_external("osm", "way/301").await.unwrap();
    assert_eq!((toilets[0].category.as_str(), toilets[0].at.lonlat().into()), ("03001", [122.101, 30.00125]));
    let lamp = store.facilities_by_external("osm", "101").await.unwrap();
    assert_eq!(
        (lamp[0].category.as_str(), lamp[0].name.as_str(), lamp[0].at.lonlat().into()),
        ("01037", "解放路灯", [122.1005, 30.0005])
    );
    let Some(whole) = shared("osm_helsinki/Helsinki.osm.pbf") else {
        eprintln!("no shared data: places.osm.pbf stands for it");
        return;
    };
    let store = city("");
    // Five areas are cut by the edge of the extract.
    let mut osm = of(Kind::Facilities, &whole, &["profile=osm"]);
    osm.accept.also("refused").unwrap();
    let report = import(&store, osm).await;
    assert_eq!((report.tally.refused, report.tally.new), (5, 6283), "{}", report.text());
    let twin = city("");
    let points = shared("osm_helsinki/helsinki_facilities.geojson").unwrap();
    let mut osm = of(Kind::Facilities, &points, &["profile=osm", "crs=wgs84"]);
    osm.accept.also("refused").unwrap();
    import(&twin, osm).await;
    // What is in both is the same thing at the same place.
    let snapshot = twin.snapshot(wangge::clock::Clock::System.now()).await.unwrap();
    let ids: Vec<_> = snapshot.facilities.iter().map(|row| row.id).collect();
    let mut same = 0;
    for record in twin.facilities_by_ids(&ids).await.unwrap() {
        let id = &record.provenance.external_ids["osm"];
        if let Some(found) = store.facilities_by_external("osm", id).await.unwrap().first() {
            assert_eq!((&found.category, found.at), (&record.category, record.at), "{id}");
            same += 1;
        }
    }
    assert!(same > 3000, "{same} of {}: {}", snapshot.facilities.len(), report.text());
}

#[tokio::test]
async fn a_shapefile_needs_no_zip_and_a_folder_may_hold_several() {
    let folder = tempfile::tempdir().unwrap();
    unzip(&file("degrees_utf8.zip"), folder.path());
    let inner = folder.path().join("舟山");
    let one = import(&city(""), of(Kind::Grids, &inner.join("grids.shp"), &["map=code=网格编"])).await;
    assert_eq!(one.tally.new, 4, "{}", one.text());
    let all = import(&city(""), of(Kind::Grids, &inner, &["map=code=网格编", "layer=grids"])).await;
    assert_eq!(all.tally.new, 4);
    std::fs::remove_file(inner.join("grids.dbf")).unwrap();
    let report = refused(Kind::Grids, &inner.join("grids.shp"), &[]).await;
    assert!(report.faults[0].detail.contains("no grids.dbf"), "{}", report.text());
    std::fs::create_dir(folder.path().join("a.gdb")).unwrap();
    let report = refused(Kind::Grids, &folder.path().join("a.gdb"), &[]).await;
    assert!(report.faults[0].detail.contains("ogr2ogr -f GPKG"), "{}", report.text());
}

/// Unpacks an archive whose names are UTF-8, by its local headers.
fn unzip(archive: &Path, folder: &Path) {
    let bytes = std::fs::read(archive).unwrap();
    let number = |at: usize, size: usize| (0..size).rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(bytes[at + byte]));
    let mut at = 0;
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let (packed, name, extra) = (number(at + 18, 4), number(at + 26, 2), number(at + 28, 2));
        let path = folder.join(std::str::from_utf8(&bytes[at + 30..at + 30 + name]).unwrap());
        let start = at + 30 + name + extra;
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut unpacked = flate2::read::DeflateDecoder::new(&bytes[start..start + packed]);
        std::io::copy(&mut unpacked, &mut std::fs::File::create(path).unwrap()).unwrap();
        at = start + packed;
    }
}

#[tokio::test]
async fn null_shapes_are_faults_of_their_record() {
    let folder = tempfile::tempdir().unwrap();
    unzip(&file("degrees_utf8.zip"), folder.path());
    let shp = folder.path().join("舟山/grids.shp");
    let mut bytes = std::fs::read(&shp).unwrap();
    // The type of the first record's shape.
    bytes[108] = 0;
    std::fs::write(&shp, bytes).unwrap();
    let report = refused(Kind::Grids, &shp, &["map=code=网格编"]).await;
    let null: Vec<_> = report.faults.iter().filter(|fault| fault.kind == FaultKind::WrongGeometry).collect();
    assert_eq!((null.len(), null[0].record), (1, Some(1)), "{}", report.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_cut_files_end_in_a_report() {
    let names = [
        "zone41_gbk.zip",
        "degrees_utf8.zip",
        "grids.fgb",
        "facilities.fgb",
        "tables.xlsx",
        "places.osm.pbf",
        "staff_gbk.csv",
        "grids.geojson",
    ];
    let store = city("");
    // SplitMix64, so that a failure comes again.
    let mut seed = 20_261_122_u64;
    let mut random = move || {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap()
    };
    for name in names {
        let whole = std::fs::read(file(name)).unwrap();
        for round in 0..60 {
            let mut bytes = whole.clone();
            match round % 3 {
                0 => bytes.truncate(random() % whole.len()),
                1 => (0..1 + random() % 8).for_each(|_| bytes[random() % whole.len()] = random().to_le_bytes()[0]),
                _ => {
                    // The beginning stays, so that it is known for what it is.
                    let from = 16 + random() % (whole.len() - 16);
                    bytes[from..].iter_mut().for_each(|byte| *byte = random().to_le_bytes()[0]);
                }
            }
            let damaged = written(name, &bytes);
            for (kind, how) in [
                (Kind::Grids, &["crs=epsg:4529", "layer=网格"][..]),
                (Kind::Facilities, &["profile=osm"]),
                (Kind::Staff, &["layer=网格员"]),
            ] {
                // Whatever it says, it ends, and nothing panics: a reader that did would end in an error here.
                let mut dry = of(kind, &damaged.path, how);
                dry.dry_run = true;
                if how.iter().any(|word| word.starts_with("layer")) && !name.ends_with("zip") && !name.ends_with("xlsx") {
                    dry.layer = None;
                }
                let report = run(&store, dry).await;
                assert_ne!(report.status, Status::Imported);
            }
        }
    }
}
