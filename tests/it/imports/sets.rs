//! Boundaries of other grid sets: each with a chain, periods and a scheme of its own.

use super::{four_grids, import, order, row_of_grids, run, written};
use wangge::app::imports::{Kind, Order, Status};
use wangge::domain::id::{Epoch, GridSet};
use wangge::domain::scheme::Scheme;

fn police(file: &std::path::Path) -> Order {
    let mut order = order(Kind::Grids, file, "cgcs2000");
    order.boundaries.set = GridSet::new("police").unwrap();
    order
}

#[tokio::test]
async fn another_set_is_published_beside_the_hierarchy_and_moves_nothing() {
    let store = four_grids().await;
    let facilities = written("f.csv", "code,category,lon,lat\nA1,01050,122.005,30.005\n");
    import(&store, order(Kind::Facilities, &facilities.path, "cgcs2000")).await;
    let file = written("police.geojson", row_of_grids("JW", 2, 122.0, 30.0, 0.02));
    let report = import(&store, police(&file.path)).await;
    assert_eq!((report.epoch, report.tally.new, report.tally.moved), (Epoch(2), 2, 0), "{}", report.text());
    let set = store.boundaries_at(Epoch(2)).await.unwrap().unwrap();
    assert_eq!((set.set.as_str(), &set.scheme, set.regions.len()), ("police", &Scheme::plain(), 0));
    assert_eq!(store.meta().await.unwrap().scheme, Scheme::cn(), "the city's own scheme stays");
    let rows = store.snapshot(jiff::Timestamp::now()).await.unwrap().facilities;
    assert_eq!(rows[0].grid.as_ref().map(|code| code.as_str()), Some("330902002001001"));
    let again = run(&store, police(&file.path)).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 2), "{}", again.text());
    // The next one replaces the whole set: nothing stands above its grids.
    let fewer = written("police.geojson", row_of_grids("JW", 1, 122.0, 30.0, 0.02));
    let report = import(&store, police(&fewer.path)).await;
    assert_eq!((report.epoch, report.tally.removed), (Epoch(3), 1), "{}", report.text());
    assert_eq!(store.boundaries_at(Epoch(1)).await.unwrap().unwrap().grids.len(), 4);
}

#[tokio::test]
async fn a_set_keeps_the_scheme_it_came_with() {
    let store = four_grids().await;
    let scheme = r#"{"name":"stations","levels":[{"name":"station","length":4},{"name":"grid","length":7}]}"#;
    let stations: Scheme = serde_json::from_str(scheme).unwrap();
    let file = written("police.geojson", row_of_grids("PCS1", 2, 122.0, 30.0, 0.02));
    let with_scheme = Order { scheme: Some(stations.clone()), ..police(&file.path) };
    import(&store, with_scheme).await;
    let set = store.boundaries_at(Epoch(2)).await.unwrap().unwrap();
    assert_eq!((&set.scheme, set.regions[0].code.as_str()), (&stations, "PCS1"));
    // Without being told again; codes that do not follow it are refused, and so is another scheme.
    let wrong = written("police.geojson", row_of_grids("PCS", 2, 122.0, 30.0, 0.02));
    assert_eq!(run(&store, police(&wrong.path)).await.status, Status::Refused);
    let other = Order { scheme: Some(Scheme::plain()), ..police(&file.path) };
    assert_eq!(run(&store, other).await.status, Status::Refused);
    let renamed = written("police.geojson", row_of_grids("PCS1", 2, 122.0, 30.0, 0.02).replace("网格", "警务网格"));
    assert_eq!(import(&store, police(&renamed.path)).await.tally.changed, 2);
}

#[tokio::test]
async fn staff_may_work_for_a_grid_of_any_set() {
    let store = four_grids().await;
    let staff = written("staff.csv", "id,name,role,assigned\np1,演示甲,police,JW001\n");
    assert_eq!(run(&store, order(Kind::Staff, &staff.path, "")).await.status, Status::Refused);
    let file = written("police.geojson", row_of_grids("JW", 2, 122.0, 30.0, 0.02));
    import(&store, police(&file.path)).await;
    assert_eq!(import(&store, order(Kind::Staff, &staff.path, "")).await.tally.new, 1);
}
