//! Another grid set over the same city: a police partition that cuts through a governance grid.
//!
//! ```text
//!   30.02  +---------+---------+
//!          |   J2              |      J1 holds …001 and the southern quarter of …002,
//!   30.0125+---------+         |      J2 the rest of …002 and …003.
//!          |   J1    |         |
//!   30.00  +---------+ - - - - +      In force from June 2026 on.
//! ```

use super::city::{self, GRID_1, GRID_2, GRID_3};
use super::tiles::codes;
use super::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;
use wangge::app::App;
use wangge::city::Change;
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::id::{Epoch, GridSet};
use wangge::domain::period::Period;
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::scheme::Scheme;
use wangge::geom::{Area, Polygon};
use wangge::store::Store;

/// The zoom, column and row of a tile that holds the whole city.
const TILE: &str = "12/3437/1689";

async fn publish_police(store: &Store, base: u64, name: &str, split: f64, from: &str) {
    let police = |text: &str, name: &str, ring: &[(f64, f64)]| GridRecord {
        code: city::code(text),
        name: name.to_owned(),
        kind: GridKind::Police,
        parent: None,
        area: Area::canonical([Polygon { exterior: ring.iter().map(|&(x, y)| city::at(x, y)).collect(), holes: vec![] }]),
        households: None,
        population: None,
        provenance: Provenance::default(),
    };
    let grids = vec![
        police("J1", name, &[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (1.0, split), (0.0, split)]),
        police("J2", "北警务网格", &[(0.0, split), (1.0, split), (1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (0.0, 2.0)]),
    ];
    let set = BoundarySet {
        set: GridSet::new("police").unwrap(),
        scheme: Scheme::plain(),
        period: Period { from: Some(from.parse().unwrap()), until: None },
        grids,
        ..BoundarySet::default()
    };
    city::publish(store, Epoch(base), set).await;
}

async fn app() -> Arc<App> {
    let store = city::store().await;
    publish_police(&store, 0, "南警务网格", 1.25, "2026-06-01T00:00:00+08:00").await;
    Arc::new(App::open(store, city::config(), wangge::clock::Clock::fixed(city::now())).await.unwrap())
}

async fn router() -> axum::Router {
    wangge::http::router(app().await)
}

#[tokio::test]
async fn a_point_is_found_in_the_set_asked_for() {
    let router = router().await;
    let place = "/api/v1/locate?lon=122.105&lat=30.011&crs=wgs84";
    let ours = get(&router, place).await.ok();
    let theirs = get(&router, &format!("{place}&set=police&include=distance,neighbour")).await.ok();
    assert_eq!((&ours["grid"]["code"], &ours["epoch"]), (&json!(GRID_2), &json!(2)));
    assert_eq!((&theirs["grid"]["code"], &theirs["grid"]["kind"], &theirs["epoch"]), (&json!("J1"), &json!("police"), &json!(3)));
    assert_eq!((&theirs["path"], &theirs["neighbour"]["code"]), (&json!([]), &json!("J2")));
    assert_eq!(get(&router, &format!("{place}&set=police&at=2026-07-01")).await.ok()["grid"]["code"], "J1");
    get(&router, &format!("{place}&set=police&at=2026-03-01")).await.problem(404, "no_boundaries");
    assert_eq!(get(&router, &format!("{place}&set=police&epoch=3")).await.ok()["grid"]["code"], "J1");
    // An epoch belongs to one set.
    assert_eq!(get(&router, &format!("{place}&set=police&epoch=2")).await.problem(404, "unknown_epoch")["latest"], 3);
    assert_eq!(get(&router, &format!("{place}&epoch=3")).await.problem(404, "unknown_epoch")["latest"], 2);
    let unknown = get(&router, &format!("{place}&set=business")).await.problem(404, "unknown_set");
    assert_eq!((&unknown["given"], &unknown["allowed"]), (&json!("business"), &json!(["governance", "police"])));
    get(&router, &format!("{place}&set=Police")).await.problem(400, "bad_parameter");

    let body = json!({ "crs": "wgs84", "points": [[122.105, 30.005], [122.105, 30.011], [122.115, 30.015], [122.115, 30.005]] });
    let batch = post(&router, "/api/v1/locate?set=police", "application/json", body.to_string()).await.ok();
    assert_eq!(batch, json!({ "epoch": 3, "grids": ["J1", "J1", "J2", null] }));
    let lines = "{\"position\":[122.105,30.011]}\n";
    let stream = post(&router, "/api/v1/locate?set=police&crs=wgs84", "application/x-ndjson", lines).await;
    assert_eq!(stream.json()["grid"], "J1");
    let table = "lon,lat\n122.105,30.018\n";
    let stream = post(&router, "/api/v1/locate?set=police&crs=wgs84", "text/csv", table).await.text();
    assert!(stream.contains("J2"), "{stream}");
}

#[tokio::test]
async fn the_card_of_a_police_grid_counts_what_stands_on_its_own_land() {
    let router = router().await;
    let card = get(&router, "/api/v1/grids/J1?set=police").await.ok();
    assert_eq!(
        (&card["grid"]["name"], &card["grid"]["kind"], &card["epoch"]),
        (&json!("南警务网格"), &json!("police"), &json!(3))
    );
    assert_eq!((&card["facilities"]["total"], &card["open_cases"]["total"]), (&json!(40), &json!(25)));
    assert_eq!(card["grid"]["period"]["from"], "2026-06-01T00:00:00+08:00");
    assert_eq!((&card["neighbours"]["items"][0]["code"], &card["path"]), (&json!("J2"), &json!([])));
    let north = get(&router, "/api/v1/grids/J2?set=police").await.ok();
    assert_eq!((&north["facilities"]["total"], &north["open_cases"]["total"]), (&json!(1), &json!(1)));
    // What a facility stores is the grid of the hierarchy, whatever set it is listed by.
    let listed = get(&router, "/api/v1/facilities?within=J2&set=police").await.ok();
    assert_eq!((&listed["number_matched"], &listed["items"][0]["grid"]), (&json!(1), &json!("J2")));
    assert_eq!(get(&router, "/api/v1/grids/J2/facilities?set=police").await.ok()["number_matched"], 1);
    assert_eq!(get(&router, &format!("/api/v1/facilities?within={GRID_2}")).await.ok()["items"][0]["grid"], GRID_2);
    let cases = get(&router, "/api/v1/cases?within=J1&set=police").await.ok();
    assert_eq!((&cases["number_matched"], &cases["items"][0]["grid"]), (&json!(25), &json!("J1")));
    for route in ["", "/outline", "/facilities", "/cases", "/team", "/neighbours", "/history"] {
        assert_eq!(get(&router, &format!("/api/v1/grids/J1{route}?set=police")).await.status, 200, "{route}");
        get(&router, &format!("/api/v1/grids/J1{route}")).await.problem(404, "unknown_code");
        get(&router, &format!("/api/v1/grids/{GRID_1}{route}?set=police")).await.problem(404, "unknown_code");
    }
    let outline = get(&router, "/api/v1/grids/J1/outline?set=police").await.ok();
    assert_eq!(outline["bbox"], json!([122.1, 30.0, 122.11, 30.0125]));
    let found = get(&router, "/api/v1/search?q=J1&set=police").await.ok();
    assert_eq!((&found["items"][0]["code"], &found["items"][0]["fit"]), (&json!("J1"), &json!("exact")));
    assert_eq!(get(&router, "/api/v1/search?q=J1").await.ok()["items"], json!([]));
    let codes = get(&router, "/api/v1/regions/codes?level=grid&set=police").await.ok();
    assert_eq!(codes["codes"], json!(["J1", "J2"]));
}

#[tokio::test]
async fn sets_are_listed_with_their_boundaries() {
    let meta = get(&router().await, "/api/v1/meta").await.ok();
    let sets: Vec<(&Value, &Value, &Value)> =
        meta["grid_sets"].as_array().unwrap().iter().map(|set| (&set["set"], &set["epoch"], &set["grids"])).collect();
    assert_eq!(sets, [(&json!("governance"), &json!(2), &json!(3)), (&json!("police"), &json!(3), &json!(2))]);
    assert_eq!((&meta["epoch"], &meta["counts"]["grids"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn tiles_of_a_set_hold_its_own_grids() {
    let router = router().await;
    let tile = get(&router, &format!("/tiles/grids/{TILE}?set=police")).await;
    assert_eq!(codes(&tile.body, "grids"), ["J1", "J2"].map(str::to_owned).into());
    assert_eq!(tile.headers["cache-control"], "no-cache");
    let ours = get(&router, &format!("/tiles/grids/{TILE}")).await;
    assert_eq!(codes(&ours.body, "grids"), [GRID_1, GRID_2, GRID_3].map(str::to_owned).into());
    let labels = get(&router, &format!("/tiles/labels/{TILE}?set=police")).await;
    assert_eq!(codes(&labels.body, "labels"), ["J1", "J2"].map(str::to_owned).into());
    let tilejson = get(&router, "/tiles/grids,labels?set=police").await.ok();
    assert!(tilejson["tiles"][0].as_str().unwrap().ends_with("/{z}/{x}/{y}?set=police"), "{tilejson}");
    // Facilities and cases belong to no set.
    for layers in ["facilities", "grids,cases"] {
        get(&router, &format!("/tiles/{layers}/{TILE}?set=police")).await.problem(400, "conflicting_parameters");
        assert_eq!(get(&router, &format!("/tiles/{layers}/{TILE}?set=governance")).await.status, 200);
    }
}

#[tokio::test]
async fn grids_are_linked_by_the_share_of_their_land() {
    let router = router().await;
    let links = get(&router, &format!("/api/v1/grids/{GRID_2}/links?to=police")).await.ok();
    let items = links["items"].as_array().unwrap();
    assert_eq!((&links["number_matched"], &links["epoch"]), (&json!(2), &json!(2)));
    assert_eq!((&items[0]["code"], &items[0]["main"], &items[1]["main"]), (&json!("J2"), &json!(true), &json!(false)));
    let share = |item: &Value| item["share"].as_f64().unwrap();
    assert!((share(&items[0]) - 0.75).abs() < 2e-4 && (share(&items[1]) - 0.25).abs() < 2e-4, "{links}");
    assert!((items[1]["share_of_other"].as_f64().unwrap() - 0.2).abs() < 2e-4);
    let [lon, lat] = [0, 1].map(|at| items[1]["place"][at].as_f64().unwrap());
    let there = get(&router, &format!("/api/v1/locate?lon={lon}&lat={lat}&crs=cgcs2000")).await.ok();
    let police = get(&router, &format!("/api/v1/locate?lon={lon}&lat={lat}&crs=cgcs2000&set=police")).await.ok();
    assert_eq!((&there["grid"]["code"], &police["grid"]["code"]), (&json!(GRID_2), &json!("J1")));
    let back = get(&router, "/api/v1/grids/J1/links?set=police&to=governance").await.ok();
    assert_eq!((&back["items"][0]["code"], &back["items"][0]["share_of_other"]), (&json!(GRID_1), &json!(1.0)));

    let all = get(&router, "/api/v1/links?to=police").await.ok();
    assert_eq!(all["number_matched"], 3);
    let split = get(&router, "/api/v1/links?to=police&split=true").await.ok();
    assert_eq!((&split["number_matched"], &split["items"][0]["code"]), (&json!(1), &json!(GRID_2)));
    assert_eq!(split["items"][0]["main"]["code"], "J2");
    let counts = get(&router, "/api/v1/links?set=police&to=governance").await.ok();
    let of: Vec<_> = counts["items"].as_array().unwrap().iter().map(|item| (&item["code"], &item["main_of"])).collect();
    assert_eq!(of, [(&json!("J1"), &json!(1)), (&json!("J2"), &json!(2))]);
    let few = get(&router, "/api/v1/links?set=police&to=governance&least=2&most=15").await.ok();
    assert_eq!((&few["number_matched"], &few["items"][0]["code"]), (&json!(1), &json!("J1")));
    get(&router, "/api/v1/links?to=governance").await.problem(400, "bad_parameter");
    get(&router, "/api/v1/links").await.problem(400, "missing_parameter");
    get(&router, "/api/v1/links?to=business").await.problem(404, "unknown_set");
}

#[tokio::test]
async fn a_set_published_anew_is_in_force_at_once_and_its_past_is_kept() {
    let app = app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let tile = format!("/tiles/grids/{TILE}?set=police");
    let (ours, before) = (get(&router, &format!("/tiles/grids/{TILE}")).await, get(&router, &tile).await);
    publish_police(&app.store, 3, "南苑警务网格", 1.5, "2026-11-01T00:00:00+08:00").await;
    let next = App::open(app.store.clone(), city::config(), app.clock.clone()).await.unwrap().published.load();
    let police = Arc::clone(&next.others[&GridSet::new("police").unwrap()]);
    app.applier.apply(app.store.revision().await.unwrap(), Change::Boundaries(police)).await.unwrap();
    let card = get(&router, "/api/v1/grids/J1?set=police").await.ok();
    assert_eq!((&card["grid"]["name"], &card["epoch"]), (&json!("南苑警务网格"), &json!(4)));
    let then = get(&router, "/api/v1/grids/J1?set=police&at=2026-07-01").await.ok();
    assert_eq!((&then["grid"]["name"], &then["epoch"]), (&json!("南警务网格"), &json!(3)));
    let history = get(&router, "/api/v1/grids/J1/history?set=police").await.ok();
    assert_eq!(history["items"][1]["changed"], json!(["name", "area"]));
    assert_ne!(get(&router, &tile).await.body, before.body);
    let unchanged = get(&router, &format!("/tiles/grids/{TILE}")).await;
    assert_eq!((unchanged.body, &unchanged.headers["etag"]), (ours.body, &ours.headers["etag"]));
    let links = get(&router, &format!("/api/v1/grids/{GRID_2}/links?to=police")).await.ok();
    assert!((links["items"][0]["share"].as_f64().unwrap() - 0.5).abs() < 2e-4);
    assert_eq!(get(&router, "/api/v1/meta").await.ok()["epoch"], 2);
}
