//! Buildings: footprints, points and lines of a table, and what their households come to.

use super::{collection, four_grids, import, order, run, written};
use wangge::app::imports::{HouseholdDifference, Kind, Report, Status};
use wangge::domain::code::Code;
use wangge::domain::fault::FaultKind;

/// A square building from `west`, `south` in thousandths of a degree beyond 122° E, 30° N.
fn house(properties: &str, [west, south]: [f64; 2], side: f64) -> String {
    let place = |x: f64, y: f64| format!("[{:.7},{:.7}]", 122.0 + (west + x) / 1000.0, 30.0 + (south + y) / 1000.0);
    let ring = [(0.0, 0.0), (side, 0.0), (side, side), (0.0, side), (0.0, 0.0)].map(|(x, y)| place(x, y)).join(",");
    format!(r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{{"type":"Polygon","coordinates":[[{ring}]]}}}}"#)
}

fn grid(n: u32) -> Code {
    Code::new(&format!("330902002001{n:03}")).unwrap()
}

fn differences(report: &Report) -> Vec<(String, u32, u64)> {
    let told = |one: &HouseholdDifference| (one.grid.to_string(), one.counted, one.buildings);
    report.household_differences.iter().map(told).collect()
}

#[tokio::test]
async fn buildings_come_in_as_footprints_points_and_lines_of_a_table_without_any_person() {
    let store = four_grids().await;
    let features = [
        house(r#""楼栋编号":"1","楼栋名称":"东海花园1幢","户数":12,"层数":6,"户主":"张某""#, [2.0, 2.0], 0.5),
        // Across the border of the first two grids, more of it in the second.
        house(r#""楼栋编号":"2","户数":30"#, [9.8, 2.0], 0.5),
        // Up to the border, not across it.
        house(r#""楼栋编号":"3""#, [9.0, 5.0], 1.0),
        r#"{"type":"Feature","properties":{"楼栋编号":"4","户数":"5"},"geometry":{"type":"Point","coordinates":[122.025,30.005]}}"#.to_owned(),
    ];
    let file = written("b.geojson", collection(&features));
    let report = import(&store, order(Kind::Buildings, &file.path, "wgs84")).await;
    assert_eq!((report.tally.new, report.tally.crossing, report.tally.outside), (4, 1, 0), "{}", report.text());
    assert!(report.other_columns.iter().any(|column| column == "户主") && report.text().contains("across a border 1"));
    let rows = store.buildings().await.unwrap();
    assert!(!format!("{rows:?}").contains("张某"), "columns about persons are not kept");
    assert_eq!((rows[0].name.as_str(), rows[0].storeys, rows[0].households), ("东海花园1幢", Some(6), Some(12)));
    assert_eq!(rows.iter().map(|row| row.footprint().is_some()).collect::<Vec<_>>(), [true, true, true, false]);
    let table = written("b.csv", "网格编码,楼栋编号,户数\n330902002001004,9,7\n330902002001004,10,\n");
    let report = import(&store, order(Kind::Buildings, &table.path, "wgs84")).await;
    assert_eq!((report.tally.new, report.status), (2, Status::Imported), "{}", report.text());
    let again = run(&store, order(Kind::Buildings, &file.path, "wgs84")).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 4), "{}", again.text());
}

#[tokio::test]
async fn a_bad_footprint_is_a_fault_with_record_and_place_and_the_others_go_in() {
    let store = four_grids().await;
    let ring = |points: &str| {
        format!(r#"{{"type":"Feature","properties":{{}},"geometry":{{"type":"Polygon","coordinates":[[{points}]]}}}}"#)
    };
    let features = [
        house("", [2.0, 2.0], 0.5),
        ring("[122.001,30.001],[122.002,30.002],[122.002,30.001],[122.001,30.002],[122.001,30.001]"),
        ring("[122.001,30.001],[122.002,30.001],[122.002,30.002],[122.001,30.002]"),
        ring("[122.001,30.001],[122.002,30.001],[122.001,30.001]"),
    ];
    let file = written("b.geojson", collection(&features));
    let whole = run(&store, order(Kind::Buildings, &file.path, "wgs84")).await;
    assert_eq!((whole.status, whole.tally.refused), (Status::Refused, 3), "{}", whole.text());
    let mut order = order(Kind::Buildings, &file.path, "wgs84");
    order.accept.refused = true;
    let report = import(&store, order).await;
    let told: Vec<_> = report.faults.iter().map(|fault| (fault.record, fault.kind, fault.place.is_some())).collect();
    let wanted = [FaultKind::SelfCrossing, FaultKind::UnclosedRing, FaultKind::EmptyRing];
    assert_eq!(told, wanted.iter().zip(2..).map(|(kind, n)| (Some(n), *kind, true)).collect::<Vec<_>>());
    assert_eq!((report.tally.new, store.buildings().await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn reports_list_grids_whose_count_and_whose_buildings_differ() {
    let store = four_grids().await;
    let counts = written("h.csv", "grid,households\n330902002001001,12\n330902002001002,31\n330902002001003,40\n");
    let report = import(&store, order(Kind::Households, &counts.path, "")).await;
    assert_eq!(differences(&report), [], "there are no buildings");
    let table = "grid,id,households\n330902002001001,1,5\n330902002001001,2,7\n330902002001002,3,30\n330902002001003,4,\n330902002001004,5,9\n";
    let file = written("b.csv", table);
    let mut tried = order(Kind::Buildings, &file.path, "wgs84");
    tried.dry_run = true;
    let second = grid(2).to_string();
    assert_eq!(differences(&run(&store, tried).await), [(second.clone(), 31, 30)], "a dry run tells it, too");
    let report = import(&store, order(Kind::Buildings, &file.path, "wgs84")).await;
    assert_eq!(differences(&report), [(second.clone(), 31, 30)]);
    assert!(report.text().contains(&format!("{second}: counted 31, in its buildings 30")), "{}", report.text());
    // What a change of some buildings comes to, and a new count.
    let changed = written("b.csv", table.replace(",2,7", ",2,8").replace(",3,30", ",3,31"));
    let report = import(&store, order(Kind::Buildings, &changed.path, "wgs84")).await;
    assert_eq!(differences(&report), [(grid(1).to_string(), 12, 13)]);
    let recounted = written("h.csv", "grid,households\n330902002001001,13\n330902002001004,1\n");
    let report = import(&store, order(Kind::Households, &recounted.path, "")).await;
    assert_eq!(differences(&report), [(grid(4).to_string(), 1, 9)]);
}

#[tokio::test]
async fn openstreetmap_s_own_format_brings_buildings_with_their_outlines_and_nothing_else() {
    let store = four_grids().await;
    let report = import(&store, order(Kind::Buildings, &super::fixture("import/city/places.osm.pbf"), "")).await;
    assert_eq!((report.tally.records, report.tally.new), (1, 1), "neither the toilets nor the café: {}", report.text());
    let rows = store.buildings().await.unwrap();
    assert_eq!(rows[0].provenance.external_ids["osm"], "way/302");
    assert_eq!(rows[0].footprint().unwrap().vertex_count(), 4);
    let mut tagged = order(Kind::Buildings, &super::fixture("import/city/places.osm.pbf"), "");
    tagged.tags = Some("osm".to_owned());
    assert_eq!(run(&store, tagged).await.status, Status::Refused, "buildings have no categories");
}

/// Without an id the place is what tells one from another: a count that changed makes no second building.
#[tokio::test]
async fn a_building_without_an_id_is_recognised_by_its_place() {
    let store = four_grids().await;
    let houses = |households: [u32; 2]| {
        let counted = |at: usize| format!(r#""户数":{}"#, households[at]);
        let hall =
            r#"{"type":"Feature","properties":{"name":"大厅"},"geometry":{"type":"Point","coordinates":[122.025,30.005]}}"#;
        collection(&[house(&counted(0), [2.0, 2.0], 0.5), house(&counted(1), [4.0, 2.0], 0.5), hall.to_owned()])
    };
    let first = written("b.geojson", houses([12, 3]));
    let report = import(&store, order(Kind::Buildings, &first.path, "wgs84")).await;
    assert_eq!((report.tally.new, report.tally.refused), (3, 0), "{}", report.text());
    let second = written("b.geojson", houses([13, 3]));
    let report = import(&store, order(Kind::Buildings, &second.path, "wgs84")).await;
    assert_eq!((report.tally.new, report.tally.changed, report.tally.same), (0, 1, 2), "{}", report.text());
    let rows = store.buildings().await.unwrap();
    assert_eq!(rows.iter().filter_map(|row| row.households).collect::<Vec<_>>(), [13, 3]);
    // A flat or a building in each line: nobody knows, and nothing is guessed.
    let table = written("b.csv", "网格编码,户数\n330902002001004,24\n330902002001004,24\n");
    let report = run(&store, order(Kind::Buildings, &table.path, "wgs84")).await;
    assert_eq!((report.status, report.tally.refused), (Status::Refused, 2), "{}", report.text());
    assert!(report.faults.iter().all(|fault| fault.field.as_deref() == Some("id")), "{:?}", report.faults);
}
