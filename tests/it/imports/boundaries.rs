//! Regions and grids: repairs, faults, publication, numbering, history.

use super::{city, collection, fixture, four_grids, import, order, row_of_grids, run, written};
use wangge::app::imports::{Kind, Status};
use wangge::domain::fault::FaultKind;
use wangge::domain::id::{Epoch, Revision};
use wangge::domain::period::Period;
use wangge::store::Store;
use wangge::territory::Territory;
use wangge::territory::mend::check;

/// The boundaries of an epoch, proved.
async fn territory(store: &Store, epoch: u64) -> Territory {
    let set = store.boundaries_at(Epoch(epoch)).await.unwrap().unwrap();
    assert_eq!(check(&set), []);
    Territory::build(Epoch(epoch), &set).unwrap()
}

#[tokio::test]
async fn what_a_planner_hands_over_is_refused_with_every_gap_and_overlap() {
    let store = city("import/towns.toml");
    let mut towns = order(Kind::Grids, &fixture("jurong/jurong_townships_gcj02.geojson"), "gcj02");
    towns.map = vec!["code=name".to_owned()];
    let report = run(&store, towns).await;
    assert_eq!(report.status, Status::Refused);
    assert_eq!(store.revision().await.unwrap(), Revision(0));
    let of = |kind| report.faults.iter().filter(move |fault| fault.kind == kind);
    assert!(of(FaultKind::Overlap).count() >= 30, "the file has 32 overlapping pairs that are no slivers");
    assert!(of(FaultKind::Gap).count() > 100);
    for fault in &report.faults {
        assert!(fault.place.is_some() && fault.area_m2.is_some_and(|area| area > 0.0), "{fault}");
        assert!(fault.record.is_some_and(|record| (1..=17).contains(&record)), "{fault}");
    }
    let text = report.text();
    assert!(text.contains("葛村镇") && text.contains("m²") && text.lines().count() < 100, "{text}");
}

#[tokio::test]
async fn taken_as_asked_it_is_a_partition_with_named_voids() {
    let store = city("import/towns.toml");
    let path = fixture("jurong/jurong_townships_gcj02.geojson");
    let mut towns = order(Kind::Grids, &path, "gcj02");
    towns.map = vec!["code=name".to_owned()];
    towns.accept.also("gaps-as-void").unwrap();
    towns.accept.also("overlap-to-least-code").unwrap();
    let report = import(&store, towns.clone()).await;
    assert_eq!((report.tally.new, report.epoch, report.revision), (17, Epoch(1), Revision(1)));
    assert!(!report.accepted.is_empty());
    let territory = territory(&store, 1).await;
    assert_eq!(territory.grids.len(), 17);
    assert!(territory.voids.len() > 50);
    assert!(territory.voids.iter().all(|void| void.reason.contains("jurong_townships_gcj02.geojson")));
    // Nobody needs to accept anything when nothing changes.
    towns.accept = Default::default();
    let again = run(&store, towns).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 17), "{}", again.text());
    assert_eq!(store.revision().await.unwrap(), Revision(1));
}

#[tokio::test]
async fn communes_are_imported_once_and_their_departments_derived() {
    let store = city("import/communes.toml");
    let path = fixture("import/communes_belfort.geojson");
    let report = import(&store, order(Kind::Grids, &path, "wgs84")).await;
    assert_eq!((report.tally.records, report.tally.new), (78, 78));
    assert!(report.tally.rewound >= 78, "the file turns clockwise");
    assert_eq!(report.columns["name"], ["nom"]);
    let territory = territory(&store, 1).await;
    let departments: Vec<&str> = territory.regions.iter().map(|region| region.code.as_str()).collect();
    assert_eq!(departments, ["25", "70", "90"]);
    let again = run(&store, order(Kind::Grids, &path, "wgs84")).await;
    assert_eq!((again.status, again.tally.same, again.tally.changed), (Status::Unchanged, 78, 0));
    assert_eq!(store.revision().await.unwrap(), Revision(1));
}

#[tokio::test]
async fn importing_one_community_replaces_that_community_alone() {
    let store = four_grids().await;
    let second = written("second.geojson", row_of_grids("330902002002", 3, 122.0, 30.01, 0.01));
    let report = import(&store, order(Kind::Grids, &second.path, "cgcs2000")).await;
    assert_eq!((report.tally.new, report.tally.removed, report.epoch), (3, 0, Epoch(2)));
    // Two of three come back; the third leaves.
    let smaller = written("smaller.geojson", row_of_grids("330902002002", 2, 122.0, 30.01, 0.01));
    let report = import(&store, order(Kind::Grids, &smaller.path, "cgcs2000")).await;
    assert_eq!((report.tally.same, report.tally.removed), (2, 1), "{}", report.text());
    let territory = territory(&store, 3).await;
    assert_eq!(territory.grids.len(), 6);
    assert_eq!(territory.region_ix("330902002002").map(|ix| territory.region(ix).grids.len()), Some(2));
}

#[tokio::test]
async fn a_community_whose_outer_border_does_not_meet_its_neighbours_is_refused() {
    let store = four_grids().await;
    // A strip of 100 m to the neighbour in the south overlaps.
    let second = written("second.geojson", row_of_grids("330902002002", 3, 122.0, 30.009, 0.01));
    let report = run(&store, order(Kind::Grids, &second.path, "cgcs2000")).await;
    assert_eq!(report.status, Status::Refused);
    assert!(report.faults.iter().all(|fault| fault.kind == FaultKind::Overlap && fault.codes.len() == 2), "{}", report.text());
    assert_eq!(store.revision().await.unwrap(), Revision(1));
}

#[tokio::test]
async fn regions_give_names_and_levels_to_what_codes_only_name() {
    let store = four_grids().await;
    let names = written("names.csv", "code,name\n3309,舟山市\n330902,定海区\n330902002,环南街道\n330902002001,某社区\n");
    let report = import(&store, order(Kind::Regions, &names.path, "")).await;
    assert_eq!(report.tally.new, 4);
    let territory = territory(&store, 2).await;
    let path: Vec<&str> =
        territory.path(territory.grids[0].parent).iter().map(|ix| territory.region(*ix).name.as_str()).collect();
    assert_eq!(path, ["舟山市", "定海区", "环南街道", "某社区"]);
    let again = run(&store, order(Kind::Regions, &names.path, "")).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 4));
}

#[tokio::test]
async fn grids_without_codes_are_numbered_once_and_keep_their_numbers() {
    let store = city("");
    // Two rows of two, told from the south-east to the north-west.
    let square = |west: f64, south: f64| {
        let (e, n) = (west + 0.01, south + 0.01);
        format!(
            r#"{{"type":"Feature","properties":{{"community":"330902002001","name":"{west:.2} {south:.2}"}},"geometry":{{"type":"Polygon","coordinates":[[[{west:.2},{south:.2}],[{e:.2},{south:.2}],[{e:.2},{n:.2}],[{west:.2},{n:.2}],[{west:.2},{south:.2}]]]}}}}"#
        )
    };
    let features = [square(122.01, 30.0), square(122.0, 30.0), square(122.01, 30.01), square(122.0, 30.01)];
    let file = written("grids.geojson", collection(&features));
    let refused = run(&store, order(Kind::Grids, &file.path, "cgcs2000")).await;
    assert_eq!(
        (refused.status, refused.faults.len()),
        (Status::Refused, 4),
        "codes are asked for unless they are to be assigned"
    );
    let mut numbered = order(Kind::Grids, &file.path, "cgcs2000");
    numbered.boundaries.assign_codes = true;
    import(&store, numbered.clone()).await;
    let names = |territory: &Territory| -> Vec<(String, String)> {
        territory.grids.iter().map(|grid| (grid.code.as_str()[12..].to_owned(), grid.name.clone())).collect()
    };
    let expected = [("001", "122.00 30.01"), ("002", "122.01 30.01"), ("003", "122.00 30.00"), ("004", "122.01 30.00")];
    assert_eq!(names(&territory(&store, 1).await), expected.map(|(n, name)| (n.to_owned(), name.to_owned())));
    let again = run(&store, numbered.clone()).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 4), "{}", again.text());
    // One more in the north: it gets the next number, the others keep theirs.
    let more = written("more.geojson", collection(&[features.to_vec(), vec![square(122.0, 30.02)]].concat()));
    numbered.files = vec![more.path.clone()];
    import(&store, numbered).await;
    assert_eq!(names(&territory(&store, 2).await).last(), Some(&("005".to_owned(), "122.00 30.02".to_owned())));
}

#[tokio::test]
async fn a_historical_set_stands_beside_what_is_in_force() {
    let store = four_grids().await;
    let old = written("old.geojson", row_of_grids("330902002001", 2, 122.0, 30.0, 0.02));
    let mut beside = order(Kind::Grids, &old.path, "cgcs2000");
    beside.boundaries.beside = true;
    let refused = run(&store, beside.clone()).await;
    assert!(refused.faults[0].detail.contains("needs a period"), "{}", refused.text());
    let day = |text: &str| wangge::app::imports::instant_named(text, "Asia/Shanghai");
    beside.boundaries.period = Period { from: day("2008-01-01"), until: day("2011-01-01") };
    import(&store, beside.clone()).await;
    let epochs = store.epochs().await.unwrap();
    assert_eq!(epochs.len(), 2);
    assert_eq!((epochs[1].base, epochs[1].period), (None, beside.boundaries.period));
    assert_eq!(territory(&store, 1).await.grids.len(), 4);
    assert_eq!(territory(&store, 2).await.grids.len(), 2);
    let again = run(&store, beside).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 2), "{}", again.text());
}

#[tokio::test]
async fn water_is_a_void_and_not_a_gap() {
    let store = city("");
    let ring = |w: f64, s: f64, e: f64, n: f64| format!("[[{w},{s}],[{e},{s}],[{e},{n}],[{w},{n}],[{w},{s}]]");
    let around = format!(
        r#"{{"type":"Feature","properties":{{"code":"330902002001001"}},"geometry":{{"type":"Polygon","coordinates":[{},{}]}}}}"#,
        ring(122.0, 30.0, 122.03, 30.03),
        ring(122.01, 30.01, 122.02, 30.02)
    );
    let lake = format!(
        r#"{{"type":"Feature","properties":{{"kind":"water","name":"北湖","reason":"水面"}},"geometry":{{"type":"Polygon","coordinates":[{}]}}}}"#,
        ring(122.01, 30.01, 122.02, 30.02)
    );
    let without = written("without.geojson", collection(std::slice::from_ref(&around)));
    let report = run(&store, order(Kind::Grids, &without.path, "cgcs2000")).await;
    assert_eq!(report.faults.iter().map(|fault| fault.kind).collect::<Vec<_>>(), [FaultKind::Gap]);
    let with = written("with.geojson", collection(&[around, lake]));
    import(&store, order(Kind::Grids, &with.path, "cgcs2000")).await;
    let territory = territory(&store, 1).await;
    assert_eq!(territory.voids.iter().map(|void| void.name.as_str()).collect::<Vec<_>>(), ["北湖"]);
    let again = run(&store, order(Kind::Grids, &with.path, "cgcs2000")).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 2));
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_says_what_it_would() {
    let store = city("import/communes.toml");
    let mut dry = order(Kind::Grids, &fixture("import/communes_belfort.geojson"), "wgs84");
    dry.dry_run = true;
    let report = run(&store, dry).await;
    assert_eq!((report.status, report.tally.new), (Status::DryRun, 78));
    assert_eq!(store.revision().await.unwrap(), Revision(0));
    assert!(store.imports().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_scheme_of_a_city_with_boundaries_stays() {
    let store = four_grids().await;
    let mut other = order(Kind::Grids, &fixture("import/communes_belfort.geojson"), "wgs84");
    other.scheme = wangge::app::imports::scheme_named(fixture("import/communes.toml").to_str().unwrap()).ok();
    let report = run(&store, other).await;
    assert_eq!(report.faults[0].field.as_deref(), Some("--scheme"), "{}", report.text());
    assert_eq!(report.tally.refused, 1, "what is refused is counted");
}

#[tokio::test]
async fn publishing_places_facilities_anew_in_the_same_revision() {
    let store = four_grids().await;
    let points = written("points.csv", "id,category,lon,lat\na,01037,122.005,30.005\nb,01037,122.005,30.015\n");
    let report = import(&store, order(Kind::Facilities, &points.path, "cgcs2000")).await;
    assert_eq!((report.tally.new, report.tally.outside), (2, 1));
    let second = written("second.geojson", row_of_grids("330902002002", 3, 122.0, 30.01, 0.01));
    let report = import(&store, order(Kind::Grids, &second.path, "cgcs2000")).await;
    assert_eq!((report.tally.moved, report.revision), (1, Revision(3)));
    let snapshot = store.snapshot(wangge::clock::Clock::System.now()).await.unwrap();
    let grids: Vec<_> = snapshot.facilities.iter().filter_map(|row| row.grid.as_ref().map(|code| code.as_str())).collect();
    assert_eq!(grids, ["330902002001001", "330902002002001"]);
}

/// A grid from `west` to `east`, 122.000–122.020 cut as told, between 30.00 and 30.01.
fn strip(code: &str, west: f64, east: f64) -> String {
    format!(
        r#"{{"type":"Feature","properties":{{"code":"{code}","name":"{code}"}},"geometry":{{"type":"Polygon","coordinates":[[[{west:.3},30.0],[{east:.3},30.0],[{east:.3},30.01],[{west:.3},30.01],[{west:.3},30.0]]]}}}}"#
    )
}

#[tokio::test]
async fn a_neighbour_that_was_cut_gets_its_land_back_when_the_other_is_corrected() {
    let store = city("");
    let (one, two) = ("330902002001001", "330902002001002");
    let overlapping = written("a.geojson", collection(&[strip(one, 122.0, 122.012), strip(two, 122.010, 122.020)]));
    let mut accepting = order(Kind::Grids, &overlapping.path, "cgcs2000");
    accepting.accept.also("overlap-to-least-code").unwrap();
    import(&store, accepting).await;
    // Another drawing that still overlaps is not taken silently.
    let still = written("b.geojson", collection(&[strip(one, 122.0, 122.011), strip(two, 122.010, 122.020)]));
    let refused = run(&store, order(Kind::Grids, &still.path, "cgcs2000")).await;
    assert_eq!((refused.status, refused.faults[0].kind), (Status::Refused, FaultKind::Overlap), "{}", refused.text());
    let correct = written("c.geojson", collection(&[strip(one, 122.0, 122.010), strip(two, 122.010, 122.020)]));
    let report = import(&store, order(Kind::Grids, &correct.path, "cgcs2000")).await;
    assert_eq!((report.tally.changed, report.tally.same), (1, 1));
    let territory = territory(&store, 2).await;
    let point = wangge::geom::LatticePoint::nearest(wangge::geom::LonLat::new(122.011, 30.005).unwrap());
    let grid = territory.grid_at(point).expect("nobody lost this land");
    assert_eq!(territory.grid(grid).code.as_str(), two);
    let again = run(&store, order(Kind::Grids, &correct.path, "cgcs2000")).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 2));
}

/// The communes of one department or of all others, each vertex off by up to so many lattice units each way.
fn communes(of_90: bool, off: f64) -> String {
    let text = std::fs::read_to_string(fixture("import/communes_belfort.geojson")).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let features = file["features"].as_array_mut().unwrap();
    features.retain(|feature| feature["properties"]["code"].as_str().unwrap().starts_with("90") == of_90);
    fn survey(value: &mut serde_json::Value, off: f64) {
        let list = value.as_array_mut().unwrap();
        if let Some(at) = list.iter().map(serde_json::Value::as_f64).collect::<Option<Vec<f64>>>() {
            // The same vertex is off by the same wherever it stands.
            let error = |n: f64| off * 1e-7 * (2.0 * (1e5 * (at[0] * 7.3 + at[1] * n)).fract() - 1.0);
            *value = serde_json::json!([at[0] + error(3.0), at[1] + error(11.0)]);
        } else {
            list.iter_mut().for_each(|each| survey(each, off));
        }
    }
    features.iter_mut().for_each(|feature| survey(&mut feature["geometry"]["coordinates"], off));
    file.to_string()
}

#[tokio::test]
async fn a_neighbours_file_is_drawn_up_to_the_common_line_and_says_how_far_it_was_off() {
    let store = city("import/communes.toml");
    let standing = written("standing.geojson", communes(false, 0.0));
    let given = written("given.geojson", communes(true, 90.0));
    import(&store, order(Kind::Grids, &standing.path, "wgs84")).await;
    let before = store.boundaries_at(Epoch(1)).await.unwrap().unwrap();
    let plain = run(&store, order(Kind::Grids, &given.path, "wgs84")).await;
    assert_eq!(plain.status, Status::Refused, "metre by metre they are not the same line");
    let mut matching = order(Kind::Grids, &given.path, "wgs84");
    matching.accept.also("edge-match=2").unwrap();
    // Some communes of the other departments touch this one only in part: the rest of their line is not common.
    let report = import(&store, matching).await;
    let found = report.edge_match.as_ref().unwrap();
    assert!(found.length_m > 10_000.0 && found.furthest_m <= 2.0 && found.mean_m < 1.0, "{}", found.text());
    assert!(
        found.stretches.iter().all(|stretch| stretch.given.contains("90") && !stretch.standing.contains(" 90")),
        "{}",
        found.text()
    );
    assert!(report.text().contains("edge match within 2 m"), "{}", report.text());
    let after = territory(&store, 2).await;
    assert_eq!(after.voids.len(), 0);
    let set = store.boundaries_at(Epoch(2)).await.unwrap().unwrap();
    for grid in &before.grids {
        let now = set.grids.iter().find(|now| now.code == grid.code).unwrap();
        let area = wangge::geom::measure::area_m2;
        assert!((area(&now.area) - area(&grid.area)).abs() < 10.0, "{} stands", grid.code);
    }
    let again = run(&store, order(Kind::Grids, &given.path, "wgs84")).await;
    assert_eq!((again.status, again.edge_match), (Status::Unchanged, None));
}

#[tokio::test]
async fn a_set_beside_the_chain_is_of_the_past() {
    let store = four_grids().await;
    let old = written("old.geojson", row_of_grids("330902002001", 2, 122.0, 30.0, 0.02));
    let mut beside = order(Kind::Grids, &old.path, "cgcs2000");
    beside.boundaries.beside = true;
    let day = |text: &str| wangge::app::imports::instant_named(text, "Asia/Shanghai");
    for until in [None, day("2999-01-01")] {
        beside.boundaries.period = Period { from: day("2020-01-01"), until };
        let report = run(&store, beside.clone()).await;
        assert_eq!((report.status, report.faults[0].field.as_deref()), (Status::Refused, Some("--until")), "{}", report.text());
    }
    assert_eq!(store.revision().await.unwrap(), Revision(1));
}

#[tokio::test]
async fn a_historical_set_is_merged_with_its_newest_form() {
    let store = four_grids().await;
    let drawing = |name: &str, count: usize| {
        written("old.geojson", row_of_grids("330902002001", count, 122.0, 30.0, 0.01).replace("第", name))
    };
    let day = |text: &str| wangge::app::imports::instant_named(text, "Asia/Shanghai");
    let beside = |file: &std::path::Path| {
        let mut beside = order(Kind::Grids, file, "cgcs2000");
        beside.boundaries.beside = true;
        beside.boundaries.period = Period { from: day("2008-01-01"), until: day("2011-01-01") };
        beside
    };
    let (first, second) = (drawing("旧", 2), drawing("新", 2));
    import(&store, beside(&first.path)).await;
    import(&store, beside(&second.path)).await;
    let again = run(&store, beside(&second.path)).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 2), "{}", again.text());
    // Another community of that time; the renamed grids stay as they were renamed.
    let other = written("other.geojson", row_of_grids("330902002002", 1, 122.0, 30.01, 0.01));
    let report = import(&store, beside(&other.path)).await;
    let set = store.boundaries_at(report.epoch).await.unwrap().unwrap();
    assert_eq!(set.grids.iter().map(|grid| grid.name.as_str()).collect::<Vec<_>>(), ["新1网格", "新2网格", "第1网格"]);
    // Back to the first form: its rows are stored already, so nothing is published.
    let records = store.epochs().await.unwrap().len();
    let report = run(&store, beside(&first.path)).await;
    assert_eq!(report.status == Status::Imported, store.epochs().await.unwrap().len() > records, "{}", report.text());
}

#[tokio::test]
async fn what_is_replaced_within_a_code_is_what_lies_below_it() {
    let mut meta = wangge::store::Meta::new("test", wangge::app::imports::profile_named("gbt47678").unwrap());
    meta.scheme = serde_json::from_str(r#"{"name":"areas","levels":[{"name":"area"},{"name":"grid"}]}"#).unwrap();
    let store = Store::memory(meta);
    let grid = |code: &str, parent: &str, west: f64| {
        strip(code, west, west + 0.01).replace("\"name\":", &format!("\"parent\":\"{parent}\",\"name\":"))
    };
    let all = [grid("g1", "A1", 122.0), grid("g2", "A10", 122.01), grid("g3", "B", 122.02)];
    let file = written("all.geojson", collection(&all));
    import(&store, order(Kind::Grids, &file.path, "cgcs2000")).await;
    let within = |file: &std::path::Path, code: &str| {
        let mut order = order(Kind::Grids, file, "cgcs2000");
        order.boundaries.within = wangge::domain::code::Code::new(code).ok();
        order
    };
    let renamed = written("a1.geojson", collection(&[all[0].replace("\"name\":\"g1\"", "\"name\":\"new\"")]));
    let report = import(&store, within(&renamed.path, "A1")).await;
    assert_eq!((report.tally.changed, report.tally.removed), (1, 0), "{}", report.text());
    assert_eq!(territory(&store, 2).await.grids.len(), 3);
    let stray = run(&store, within(&file.path, "A1")).await;
    assert_eq!(stray.faults.iter().map(|fault| fault.record).collect::<Vec<_>>(), [Some(2), Some(3)], "{}", stray.text());
    let unknown = run(&store, within(&renamed.path, "C")).await;
    assert_eq!((unknown.status, unknown.faults[0].field.as_deref()), (Status::Refused, Some("--within")), "{}", unknown.text());
}

#[tokio::test]
async fn settings_come_with_the_import_or_not_at_all() {
    let store = four_grids().await;
    let local = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/profiles/local_example.toml");
    let profile = wangge::app::imports::profile_named(local.to_str().unwrap()).unwrap();
    let grids = written("grids.geojson", row_of_grids("330902002001", 4, 122.0, 30.0, 0.01));
    let renamed = written("renamed.geojson", row_of_grids("330902002001", 4, 122.0, 30.0, 0.01).replace("第", "新"));
    // Begins before what it follows: the store refuses it at the very end.
    let day = |text: &str| wangge::app::imports::instant_named(text, "Asia/Shanghai");
    let mut first = order(Kind::Grids, &renamed.path, "cgcs2000");
    first.boundaries.period.from = day("2020-01-01");
    import(&store, first.clone()).await;
    let mut failing = order(Kind::Grids, &grids.path, "cgcs2000");
    failing.boundaries.period.from = day("2010-01-01");
    failing.profile = Some(profile.clone());
    let actor = wangge::domain::scope::Actor::local();
    let watch: wangge::app::imports::Watch = std::sync::Arc::new(|_| {});
    let clock = wangge::clock::Clock::System;
    assert!(wangge::app::imports::run(&store, failing, &actor, &clock, &watch).await.is_err());
    assert_ne!(store.meta().await.unwrap().profile, profile, "a failed import leaves no settings behind");
    // Nothing new in the file, but in the settings.
    let mut same = order(Kind::Grids, &renamed.path, "cgcs2000");
    same.profile = Some(profile.clone());
    let report = import(&store, same).await;
    assert_eq!((report.tally.same, &report.settings[..]), (4, &["--codes".to_owned()][..]));
    assert_eq!(store.meta().await.unwrap().profile, profile);
    assert!(report.text().contains("--codes"), "{}", report.text());
}

#[tokio::test]
async fn counts_bring_settings_along_too() {
    let store = four_grids().await;
    let local = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/profiles/local_example.toml");
    let file = written("counts.csv", "code,households\n330902002001001,150\n");
    let mut counts = order(Kind::Households, &file.path, "");
    counts.profile = wangge::app::imports::profile_named(local.to_str().unwrap()).ok();
    let report = import(&store, counts.clone()).await;
    assert_eq!((report.tally.new, &report.settings[..]), (1, &["--codes".to_owned()][..]));
    assert_eq!(Some(store.meta().await.unwrap().profile), counts.profile);
}

#[tokio::test]
async fn a_code_in_two_files_is_told_with_the_name_of_the_other() {
    let store = city("");
    let (a, b) = ("330902002001001", "330902002001001");
    let folder = tempfile::tempdir().unwrap();
    let paths = [("a.geojson", a, 122.0), ("b.geojson", b, 122.01)].map(|(name, code, west)| {
        let path = folder.path().join(name);
        std::fs::write(&path, collection(&[strip(code, west, west + 0.01)])).unwrap();
        path
    });
    let mut both = order(Kind::Grids, &paths[0], "cgcs2000");
    both.files = paths.to_vec();
    let report = run(&store, both).await;
    assert_eq!((report.status, report.faults[0].kind), (Status::Refused, FaultKind::DuplicateCode));
    let detail = &report.faults[0].detail;
    assert!(detail.starts_with("b.geojson: ") && detail.contains("record 1 of a.geojson"), "{detail}");
}

#[tokio::test]
async fn a_region_that_is_only_named_has_its_level() {
    let store = four_grids().await;
    let names = written("names.csv", "code,name\n330902,定海区\n");
    import(&store, order(Kind::Regions, &names.path, "")).await;
    let set = store.boundaries_at(Epoch(2)).await.unwrap().unwrap();
    let level = |code: &str| set.regions.iter().find(|region| region.code.as_str() == code).map(|region| region.level.as_str());
    assert_eq!((level("330902"), level("330902002")), (Some("county"), Some("township")));
}
