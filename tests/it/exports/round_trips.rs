//! Out of one city, into an empty one: the same content, row by row.

use super::{city, exported};
use crate::imports::{import, order, run};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wangge::app::exports::TextCode;
use wangge::app::imports::{Kind, Order};
use wangge::clock::Clock;
use wangge::domain::id::RegionIx;
use wangge::geom::{Area, measure};
use wangge::store::Store;
use wangge::territory::Territory;

/// How much of a record a format can say.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    /// Also where it comes from.
    All,
    /// What an import reads.
    Fields,
    /// The same, properties as text.
    Text,
}

/// All that a store says, sorted, without what belongs to the import that brought it.
async fn content(store: &Store, says: Says) -> BTreeMap<&'static str, Vec<String>> {
    let now = Clock::System.now();
    let snapshot = store.snapshot(now).await.unwrap();
    let set = snapshot.boundaries.unwrap();
    let territory = Territory::build(snapshot.epoch.unwrap().epoch, &set).unwrap();
    let plain = |value: Value| {
        let mut value = value;
        let record = value.as_object_mut().unwrap();
        for member in ["id", "version", "epoch"] {
            if record.get(member).is_some_and(Value::is_number) {
                record.remove(member);
            }
        }
        let provenance = record["provenance"].as_object_mut().unwrap();
        provenance.remove("import_id");
        if says != Says::All {
            for member in ["source", "source_hash"] {
                provenance.remove(member);
            }
            record.remove("original");
        }
        if let Some(properties) = record.get_mut("properties") {
            let kept: Map<String, Value> = std::mem::take(properties.as_object_mut().unwrap())
                .into_iter()
                .filter(|(_, value)| says != Says::Text || !value.is_null())
                .map(|(key, value)| match value {
                    value @ (Value::String(_) | Value::Null) => (key, value),
                    value if says == Says::Text => (key, value.to_string().into()),
                    value => (key, value),
                })
                .collect();
            *properties = kept.into();
        }
        value.to_string()
    };
    let sorted = |lines: Vec<Value>| {
        let mut lines: Vec<String> = lines.into_iter().map(plain).collect();
        lines.sort();
        lines
    };
    let region = |at: usize| {
        let mut record = set.regions[at].clone();
        if says != Says::All {
            // Derived land goes out, and comes back as a claim.
            record.claim = Some(territory.outline_region(RegionIx(territory.region_ix(record.code.as_str()).unwrap().0)));
        }
        json!(record)
    };
    let ids: Vec<_> = snapshot.facilities.iter().map(|row| row.id).collect();
    let facilities = store.facilities_by_ids(&ids).await.unwrap();
    BTreeMap::from([
        ("regions", sorted((0..set.regions.len()).map(region).collect())),
        ("grids", sorted(set.grids.iter().map(|grid| json!(grid)).collect())),
        ("voids", sorted(set.voids.iter().map(|void| json!(void)).collect())),
        ("facilities", sorted(facilities.iter().map(|row| json!(row)).collect())),
        (
            "staff",
            sorted(
                snapshot.staff.iter().map(|row| json!({"staff": row.id, "record": row, "provenance": row.provenance})).collect(),
            ),
        ),
        ("cases", sorted(snapshot.cases.iter().map(|row| json!(row)).collect())),
    ])
}

fn assert_same(what: &str, left: &BTreeMap<&str, Vec<String>>, right: &BTreeMap<&str, Vec<String>>) {
    for (kind, lines) in left {
        let others = &right[kind];
        assert_eq!(lines.len(), others.len(), "{what}: {kind}");
        for (mine, theirs) in lines.iter().zip(others) {
            assert_eq!(mine, theirs, "{what}: {kind}");
        }
    }
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Grids, "grid"),
    (Kind::Regions, "source"),
    (Kind::Facilities, "census"),
    (Kind::Staff, "source"),
    (Kind::Households, "source"),
    (Kind::Cases, "12345"),
];

/// An import of what was exported; `system`: whose ids it has.
fn back(kind: Kind, file: &Path, system: &str, crs: &str) -> Order {
    let mut order = order(kind, file, crs);
    order.system = Some(system.to_owned());
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_that_went_through_a_format_is_the_same_city() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let revision = store.revision().await.unwrap();
    for (word, says, crs) in [
        ("geojson", Says::Fields, "cgcs2000"),
        ("geojsonseq", Says::Fields, "cgcs2000"),
        ("flatgeobuf", Says::Fields, ""),
        ("csv", Says::Text, "cgcs2000"),
        ("xlsx", Says::Text, "cgcs2000"),
        ("shapefile", Says::Text, ""),
    ] {
        let other = crate::imports::city("");
        let name = |kind: Kind, word: &str| folder.path().join(format!("{word}-{}.{word}", kind.as_str()));
        for (kind, system) in KINDS {
            // Areas are in formats with a geometry; people and counts in those without.
            let table = matches!(kind, Kind::Staff | Kind::Households);
            let used = match word {
                "csv" | "xlsx" if kind == Kind::Grids => "geojson",
                "flatgeobuf" | "shapefile" if table => "csv",
                _ => word,
            };
            let to = name(kind, used);
            let mut notes = Vec::new();
            if !to.exists() {
                notes = exported(&store, used, &[kind.as_str()], to.clone(), |_| {}).await.1.notes;
            }
            let crs = if used == "geojson" { "cgcs2000" } else { crs };
            let mut how = back(kind, &to, system, crs);
            // As the export tells; a column that is none of ours needs no telling.
            let maps = notes.iter().filter_map(|note| note.split_once(" --map ")).flat_map(|(_, maps)| maps.split(" --map "));
            how.map = maps.filter(|map| !map.starts_with("long_name")).map(str::to_owned).collect();
            assert_eq!(how.map.is_empty(), used != "shapefile" || matches!(kind, Kind::Regions), "{word} {kind:?}: {notes:?}");
            // Counts came with the grids.
            let report = if kind == Kind::Households { run(&other, how).await } else { import(&other, how).await };
            assert_eq!((report.tally.refused, report.tally.repaired), (0, 0), "{word}: {}", report.text());
            assert!(kind != Kind::Households || report.tally.same == 2, "{word}: {}", report.text());
        }
        let (mut left, mut right) = (content(&store, says).await, content(&other, says).await);
        if word == "shapefile" {
            // A name of ten bytes, told.
            for lines in [&mut left, &mut right].into_iter().filter_map(|all| all.get_mut("facilities")) {
                for line in lines.iter_mut() {
                    *line = line.replace("long_name_of_it", "long_name_");
                }
                lines.sort();
            }
        }
        assert_same(word, &left, &right);
        assert_eq!(other.check().await.unwrap(), []);
    }
    assert_eq!(store.revision().await.unwrap(), revision, "an export changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_geopackage_brings_back_everything_into_its_own_city_and_into_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let (file, report) = exported(&store, "gpkg", &[], folder.path().join("out.gpkg"), |_| {}).await;
    let rows: Vec<(&str, u64)> = report.layers.iter().map(|(name, rows)| (name.as_str(), *rows)).collect();
    assert_eq!(
        rows,
        [("regions", 5), ("grids", 5), ("facilities", 4), ("staff", 3), ("cases", 3), ("organizations", 0), ("buildings", 0)]
    );
    let other = crate::imports::city("");
    for kind in [Kind::Grids, Kind::Regions, Kind::Facilities, Kind::Staff, Kind::Cases] {
        let mut how = order(kind, &file, "");
        how.layer = Some(kind.as_str().to_owned());
        let same = run(&store, how.clone()).await;
        assert_eq!(same.tally.same, same.tally.records, "{kind:?}: {}", same.text());
        import(&other, how).await;
    }
    assert_same("gpkg", &content(&store, Says::All).await, &content(&other, Says::All).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_city_is_what_lies_below_a_code_and_the_water_it_encloses() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    for (code, expected) in
        [("330902002001", [3, 1, 2, 2, 1]), ("330902002002", [2, 1, 1, 1, 1]), ("330902002001002", [1, 0, 0, 0, 0])]
    {
        let mut found = Vec::new();
        for kind in ["grids", "regions", "facilities", "staff", "cases"] {
            let to = folder.path().join(format!("{code}-{kind}.csv"));
            let (file, report) = exported(&store, "csv", &[kind], to, |order| order.within = Some(code.parse().unwrap())).await;
            let lines = std::fs::read_to_string(file).unwrap();
            assert!(report.layers[0].1 == 0 || lines.len() > 20, "{lines}");
            found.push(report.layers[0].1);
        }
        assert_eq!(found, expected, "{code}");
    }
    // One level of regions.
    let to = folder.path().join("communities.csv");
    let (file, _) = exported(&store, "csv", &["regions"], to, |order| order.level = Some("community".to_owned())).await;
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_plane_points_come_back_exactly_and_borders_with_positions_between() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let other = crate::imports::city("");
    for (kind, crs) in [(Kind::Grids, "epsg:4529"), (Kind::Facilities, "cgcs2000:tm:cm=122.5,fe=500000")] {
        let to: PathBuf = folder.path().join(format!("{}.zip", kind.as_str()));
        let (file, _) = exported(&store, "shapefile", &[kind.as_str()], to, |order| {
            order.crs = Some(crs.parse().unwrap());
            order.within = (kind == Kind::Facilities).then(|| "330902002".parse().unwrap());
            order.code = Some(TextCode::GBK).filter(|_| kind == Kind::Grids);
        })
        .await;
        import(&other, back(kind, &file, "census", "")).await;
    }
    let now = Clock::System.now();
    let (mine, theirs) = (store.snapshot(now).await.unwrap(), other.snapshot(now).await.unwrap());
    let places = |rows: &[wangge::domain::facility::FacilityRow]| {
        let mut places: Vec<_> = rows.iter().map(|row| row.at).filter(|at| at.x < 1_221_000_000).collect();
        places.sort();
        places
    };
    assert_eq!(places(&mine.facilities), places(&theirs.facilities));
    let grids = |set: &Option<wangge::domain::records::BoundarySet>| set.as_ref().unwrap().grids.clone();
    for (mine, theirs) in grids(&mine.boundaries).iter().zip(grids(&theirs.boundaries)) {
        assert_eq!((&mine.code, &mine.name), (&theirs.code, &theirs.name));
        let corners = |area: &Area| area.rings().flatten().copied().collect::<Vec<_>>();
        let (before, after) = (corners(&mine.area), corners(&theirs.area));
        assert!(before.iter().all(|corner| after.contains(corner)), "{}", mine.code);
        let difference = (measure::area_m2(&mine.area) - measure::area_m2(&theirs.area)).abs();
        assert!(difference < 5.0, "{}: {difference} m²", mine.code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shifted_positions_say_so_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let to = folder.path().join("gcj02.geojson");
    let (file, _) = exported(&store, "geojson", &["facilities"], to, |order| order.crs = Some("gcj02".parse().unwrap())).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&told["positions_in"], &told["revision"]), (&json!("gcj02"), &json!(store.revision().await.unwrap().0)));
    assert_eq!((&told["epoch"], &told["attribution"], &told["title"]), (&json!(2), &json!(["某局"]), &json!("测试市")));
    let other = crate::imports::four_grids().await;
    import(&other, back(Kind::Facilities, &file, "census", "gcj02")).await;
    let now = Clock::System.now();
    let (mine, theirs) = (store.snapshot(now).await.unwrap().facilities, other.snapshot(now).await.unwrap().facilities);
    assert_eq!(mine.iter().map(|row| row.at).collect::<Vec<_>>(), theirs.iter().map(|row| row.at).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_one_revision_whoever_writes_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let mut view = store.view().await.unwrap();
    let revision = view.revision();
    let points = crate::imports::written("more.csv", "id,category,lon,lat\nz,01037,122.001,30.001\n");
    import(&store, back(Kind::Facilities, &points.path, "census", "wgs84")).await;
    let seen = view.facilities_after(wangge::domain::id::FacilityId(0), 100).await.unwrap();
    assert_eq!((seen.len(), view.revision()), (4, revision));
    drop(view);
    assert_eq!(store.view().await.unwrap().facilities_after(wangge::domain::id::FacilityId(0), 100).await.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_and_buildings_come_back_from_every_format_that_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::imports::four_grids().await;
    let ring = "[[122.001,30.001],[122.002,30.001],[122.002,30.002],[122.001,30.002],[122.001,30.001]]";
    let feature =
        |properties: &str, geometry: &str| format!(r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{geometry}}}"#);
    let buildings = [
        feature(
            r#""id":"1","name":"1幢","households":12,"storeys":6,"address":"东街1号""#,
            &format!(r#"{{"type":"Polygon","coordinates":[{ring}]}}"#),
        ),
        feature(r#""id":"2","households":8"#, r#"{"type":"Point","coordinates":[122.012,30.002]}"#),
        feature(r#""id":"3","within":"330902002001003""#, "null"),
    ];
    let buildings = crate::imports::written("b.geojson", crate::imports::collection(&buildings));
    import(&store, back(Kind::Buildings, &buildings.path, "k", "cgcs2000")).await;
    let table = "id,category,name,lon,lat,within,hours,address\na,mediation,东街调解室,122.005,30.005,,全天,东街2号\nb,party,党小组,,,330902002001002,,\n";
    let organizations = crate::imports::written("o.csv", table);
    import(&store, back(Kind::Organizations, &organizations.path, "k", "cgcs2000")).await;
    let plain = async |store: &Store| {
        let mut buildings = store.buildings().await.unwrap();
        let mut organizations = store.organizations().await.unwrap();
        buildings.iter_mut().for_each(|row| row.provenance.import_id = None);
        organizations.iter_mut().for_each(|row| row.provenance.import_id = None);
        (buildings, organizations)
    };
    let wanted = plain(&store).await;
    for word in ["geojson", "gpkg"] {
        let other = crate::imports::four_grids().await;
        for kind in [Kind::Buildings, Kind::Organizations] {
            let to = folder.path().join(format!("{}.{word}", kind.as_str()));
            let (file, report) = exported(&store, word, &[kind.as_str()], to, |_| {}).await;
            assert_eq!(report.layers, [(kind.as_str().to_owned(), if kind == Kind::Buildings { 3 } else { 2 })]);
            let how = back(kind, &file, "k", if word == "gpkg" { "" } else { "cgcs2000" });
            import(&other, how.clone()).await;
            assert_eq!(run(&store, how).await.tally.same, report.layers[0].1, "{word}: it says what is there");
        }
        assert_eq!(plain(&other).await, wanted, "{word}");
    }
    let csv = async |layer: &str| {
        let to = folder.path().join(format!("{layer}.csv"));
        let (file, _) = exported(&store, "csv", &[layer], to, |order| order.derived = true).await;
        std::fs::read_to_string(file).unwrap()
    };
    let told = csv("buildings").await;
    assert!(told.contains("122.012") && told.lines().nth(2).unwrap().ends_with("330902002001002"), "{told}");
    // The households that are shown: of grids with buildings that say some, their sum.
    let told = csv("households").await;
    assert!(told.contains("330902002001001,12,") && told.contains("330902002001002,8,"), "{told}");
    assert!(!told.contains("330902002001003"), "{told}");
}
