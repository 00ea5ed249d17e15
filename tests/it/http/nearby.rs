//! `/api/v1/nearby` and `/api/v1/select` against a look at everything.

use super::city::{self, GRID_1};
use super::{get, post};
use crate::crash::Random;
use axum::Router;
use serde_json::{Value, json};
use std::sync::Arc;
use wangge::app::nearby::Looked;
use wangge::app::select::{Kind, Shape};
use wangge::app::view::View;
use wangge::app::{Actor, App};
use wangge::clock::Clock;
use wangge::domain::facility::{FacilityRecord, FacilityState};
use wangge::domain::id::FacilityId;
use wangge::geom::disc::Disc;
use wangge::geom::inside::{Corridor, EvenOdd};
use wangge::geom::lattice::{on_segment, side};
use wangge::geom::measure::{distance_m, segment_distance_m};
use wangge::geom::{LatticePoint, LonLat};
use wangge::store::{CommitHead, FacilityCommit};

/// The small city with six hundred facilities more, in and around it, some of them at one place.
async fn crowded() -> Arc<App> {
    let store = city::store().await;
    let mut random = Random(7);
    let template = store.facilities_by_ids(&[FacilityId(1)]).await.unwrap().remove(0);
    let rows = (0..600)
        .map(|n| FacilityRecord {
            id: FacilityId(0),
            code: None,
            category: ["01050", "01001", "01013", "03005"][n % 4].to_owned(),
            state: FacilityState::ALL[(random.share() * 6.0) as usize % 5],
            at: city::at((random.share() * 50.0).round() / 10.0 - 1.0, (random.share() * 400.0).round() / 100.0 - 1.0),
            grid: None,
            ..template.clone()
        })
        .collect();
    let commit = FacilityCommit { head: CommitHead::new("test", city::now()), rows, removed: vec![], import: None };
    store.facilities_commit(commit).await.unwrap();
    Arc::new(App::open(store, city::config(), Clock::fixed(city::now())).await.unwrap())
}

/// Whether a walk along the straight line sees water or the outside.
fn sees_water(view: &View, a: LatticePoint, b: LatticePoint) -> bool {
    let (dx, dy) = b.minus(a);
    (0..=200).any(|step| {
        let part = |from: i32, by: i64| (i64::from(from) + by * step / 200) as i32;
        match view.locate(LatticePoint::new(part(a.x, dx), part(a.y, dy))) {
            None => true,
            Some(found) => matches!(found.place, wangge::app::lookup::Place::Void(wangge::domain::region::VoidKind::Water)),
        }
    })
}

#[tokio::test]
async fn a_thousand_places_have_the_neighbours_that_a_look_at_everything_finds() {
    let app = crowded().await;
    let view = app.view(&Actor::local());
    let mut random = Random(11);
    let (mut some, mut across) = (0, 0);
    for n in 0..1000 {
        let place = LonLat::new(122.09 + 0.05 * random.share(), 29.99 + 0.04 * random.share()).unwrap();
        // Often exactly where something stands.
        let place = if n % 5 == 0 { LatticePoint::nearest(place).lonlat() } else { place };
        let disc = Disc::new(place, 5.0 + 3000.0 * random.share().powi(2));
        let looked = Looked {
            facilities: n % 7 != 0,
            cases: n % 3 == 0,
            categories: if n % 4 == 0 {
                vec![view.city.about.profile.categories.iter().position(|c| c.code == "01050").unwrap() as u16]
            } else {
                vec![]
            },
            matters: if n % 6 == 0 { vec!["01".to_owned()] } else { vec![] },
            state: (n % 2 == 0).then_some(FacilityState::Intact),
            ..Looked::default()
        };
        let mut expected: Vec<(f64, u8, i64)> = Vec::new();
        if looked.facilities {
            let rows = view.city.facilities.iter().filter(|row| looked.state.is_none_or(|state| row.state == state));
            let rows = rows.filter(|row| looked.categories.is_empty() || looked.categories.contains(&row.category));
            expected.extend(rows.map(|row| (distance_m(place, row.at.lonlat()), 0, row.id.0)));
        }
        if looked.cases {
            expected.extend(
                view.city
                    .cases
                    .iter()
                    .filter_map(|case| Some((distance_m(place, case.record.at?.lonlat()), 1, case.record.id.0))),
            );
        }
        expected.retain(|near| near.0 <= disc.radius_m());
        expected.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        let limit = 1 + (random.share() * 40.0) as usize;
        let (matched, near) = view.nearby(&disc, &looked, limit);
        assert_eq!(matched, expected.len(), "{n}");
        let found: Vec<(f64, u8, i64)> = near
            .iter()
            .map(|near| match &near.thing {
                wangge::app::nearby::Thing::Facility(row) => (near.distance_m, 0, row.id.0),
                wangge::app::nearby::Thing::Case(case) => (near.distance_m, 1, case.record.id.0),
                wangge::app::nearby::Thing::Organization(one) => (near.distance_m, 2, one.record.id.0),
                wangge::app::nearby::Thing::Building(one) => (near.distance_m, 3, one.record.id.0),
            })
            .collect();
        assert_eq!(found, expected[..expected.len().min(limit)], "{n}");
        for near in near {
            let at = match &near.thing {
                wangge::app::nearby::Thing::Facility(row) => row.at,
                wangge::app::nearby::Thing::Case(case) => case.record.at.unwrap(),
                wangge::app::nearby::Thing::Organization(one) => one.record.at.unwrap(),
                wangge::app::nearby::Thing::Building(one) => one.record.at().unwrap(),
            };
            assert!(near.across_water || !sees_water(&view, LatticePoint::nearest(place), at), "{n}");
            across += u32::from(near.across_water);
            some += 1;
        }
    }
    assert!(some > 5000 && across > 500 && across < some - 500, "{across} of {some} across water");
}

#[tokio::test]
async fn a_thousand_shapes_hold_what_a_look_at_everything_finds() {
    let app = crowded().await;
    let view = app.view(&Actor::local());
    let mut random = Random(13);
    let mut held = 0;
    for n in 0..1000 {
        let points: Vec<LatticePoint> = (0..3 + n % 6)
            .map(|_| city::at((random.share() * 60.0).round() / 10.0 - 1.0, (random.share() * 500.0).round() / 100.0 - 1.0))
            .collect();
        let metres = 1500.0 * random.share();
        let edges = |closed: bool| {
            let last = closed.then(|| (points[points.len() - 1], points[0]));
            points.windows(2).map(|edge| (edge[0], edge[1])).chain(last).collect::<Vec<_>>()
        };
        let (shape, holds): (Shape, Box<dyn Fn(LatticePoint) -> bool>) = match n % 3 {
            0 => {
                let ring = edges(true);
                let inside = move |p: LatticePoint| {
                    let crossed = ring.iter().filter(|(a, b)| {
                        let (west, east) = if a.x < b.x { (*a, *b) } else { (*b, *a) };
                        west.x <= p.x && p.x < east.x && side(west, east, p).is_lt()
                    });
                    crossed.count() % 2 == 1 || ring.iter().any(|(a, b)| on_segment(*a, *b, p))
                };
                (Shape::Polygon(EvenOdd::new(std::slice::from_ref(&points)).unwrap()), Box::new(inside))
            }
            1 => {
                let centre = points[0].lonlat();
                (Shape::Circle(Disc::new(centre, metres)), Box::new(move |p| distance_m(centre, p.lonlat()) <= metres))
            }
            _ => {
                let line = edges(false);
                let near = move |p| line.iter().any(|(a, b)| segment_distance_m(p, *a, *b) <= metres / 5.0);
                (Shape::Corridor(Corridor::new(&points, metres / 5.0).unwrap()), Box::new(near))
            }
        };
        let looked = Looked { facilities: true, cases: n % 2 == 0, ..Looked::default() };
        let mut expected: Vec<(Kind, i64)> =
            view.city.facilities.iter().filter(|row| holds(row.at)).map(|row| (Kind::Facility, row.id.0)).collect();
        if looked.cases {
            let cases = view.city.cases.iter().filter(|case| case.record.at.is_some_and(&holds));
            expected.extend(cases.map(|case| (Kind::Case, case.record.id.0)));
        }
        expected.sort_unstable();
        let all = view.select(&shape, &looked, None, usize::MAX);
        assert_eq!(all.items, expected, "{n}");
        assert_eq!(all.counts.values().flat_map(|counts| counts.values()).sum::<usize>(), expected.len(), "{n}");
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let page = view.select(&shape, &looked, after, 17);
            assert_eq!(page.counts, all.counts);
            paged.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paged, expected, "{n}");
        held += expected.len();
    }
    assert!(held > 20_000, "{held}");
}

async fn select(router: &Router, body: Value) -> super::Answer {
    post(router, "/api/v1/select", "application/json", body.to_string()).await
}

#[tokio::test]
async fn nearby_answers_in_the_words_of_the_contract() {
    let router = city::router().await;
    // From the second grid: the hydrant that stands there.
    let near = get(&router, "/api/v1/nearby?lon=122.105&lat=30.0151&crs=wgs84&radius_m=100").await.ok();
    assert_eq!((&near["number_matched"], &near["items"][0]["category"]), (&json!(1), &json!("01013")));
    let item = near["items"][0].clone();
    assert_eq!(
        (&item["kind"], &item["across_water"], &item["bearing"], &item["state"]),
        (&json!("facility"), &json!(false), &json!(180.0), &json!("intact"))
    );
    assert!((item["distance_m"].as_f64().unwrap() - 11.1).abs() < 0.05, "{item}");
    // What is broken is not offered unless it is asked for.
    let at = "/api/v1/nearby?lon=122.104&lat=30.001&crs=wgs84&radius_m=1";
    assert_eq!(get(&router, at).await.ok()["number_matched"], 0);
    assert_eq!(get(&router, &format!("{at}&state=damaged")).await.ok()["items"][0]["id"], 4);
    assert_eq!(get(&router, &format!("{at}&state=any")).await.ok()["number_matched"], 1);
    // Over the pond.
    let over = get(&router, "/api/v1/nearby?lon=122.125&lat=30.003&crs=wgs84&radius_m=2500&limit=1").await.ok();
    assert_eq!((&over["items"][0]["grid"], &over["items"][0]["across_water"]), (&json!(GRID_1), &json!(true)));
    let cases = get(&router, "/api/v1/nearby?lon=122.115&lat=30.015&crs=wgs84&radius_m=50&kinds=cases").await.ok();
    assert_eq!(
        (&cases["items"][0]["kind"], &cases["items"][0]["overdue"], &cases["items"][0]["distance_m"]),
        (&json!("case"), &json!(false), &json!(0.0))
    );
    let both =
        get(&router, "/api/v1/nearby?lon=122.115&lat=30.015&crs=wgs84&radius_m=5000&kinds=facilities,cases&state=any&limit=1000")
            .await
            .ok();
    assert_eq!(both["number_matched"], 41 + 26);
    let by_category = async |category: &str| {
        get(&router, &format!("/api/v1/nearby?lon=122.105&lat=30.005&crs=wgs84&radius_m=5000&state=any&category={category}"))
            .await
    };
    assert_eq!(by_category("01050").await.ok()["number_matched"], 10);
    by_category("99999").await.problem(400, "bad_parameter");
    let bad = [
        ("radius_m=0", "bad_parameter"),
        ("radius_m=50001", "bad_parameter"),
        ("radius_m=NaN", "bad_parameter"),
        ("", "missing_parameter"),
        ("radius_m=5&limit=1001", "bad_parameter"),
        ("radius_m=5&kinds=staff", "bad_parameter"),
        ("radius_m=5&state=broken", "bad_parameter"),
        ("radius_m=5&within=3309", "unknown_parameter"),
    ];
    for (query, code) in bad {
        get(&router, &format!("/api/v1/nearby?lon=122&lat=30&crs=wgs84&{query}")).await.problem(400, code);
    }
    get(&router, "/api/v1/nearby?lon=122&lat=30&radius_m=5").await.problem(400, "crs_required");
}

#[tokio::test]
async fn select_counts_and_lists_in_pages() {
    let router = city::router().await;
    let square = json!({ "type": "Polygon", "coordinates": [[[122.1, 30.0], [122.11, 30.0], [122.11, 30.02], [122.1, 30.02], [122.1, 30.0]]] });
    let answer = select(&router, json!({ "area": square, "kinds": ["facilities", "cases"], "limit": 30 })).await.ok();
    assert_eq!(answer["number_matched"], 41 + 25);
    assert_eq!(answer["counts"][0]["kind"], "facility");
    assert_eq!((&answer["counts"][0]["total"], &answer["counts"][1]["total"]), (&json!(41), &json!(25)));
    let cameras =
        &answer["counts"][0]["by_category"].as_array().unwrap().iter().find(|row| row["category"] == "01050").unwrap()["count"];
    assert_eq!(cameras, 10);
    let mut ids = answer["items"].as_array().unwrap().clone();
    let mut cursor = answer["cursor"].clone();
    while !cursor.is_null() {
        let body = json!({ "area": square, "kinds": ["facilities", "cases"], "limit": 7, "cursor": cursor });
        let page = select(&router, body).await.ok();
        ids.extend(page["items"].as_array().unwrap().clone());
        cursor = page["cursor"].clone();
    }
    assert_eq!(ids.len(), 66);
    let distinct: std::collections::BTreeSet<String> = ids.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), 66);
    let other = json!({ "area": square, "cursor": answer["cursor"] });
    select(&router, other).await.problem(400, "bad_cursor");
    let circle = json!({ "area": { "circle": { "centre": [122.105, 30.015], "radius_m": 10 } } });
    assert_eq!(select(&router, circle).await.ok()["number_matched"], 1);
    let corridor =
        json!({ "area": { "corridor": { "line": [[122.1, 30.001], [122.11, 30.001]], "distance_m": 5 } }, "state": "intact" });
    assert_eq!(select(&router, corridor).await.ok()["number_matched"], 7, "of a row of eight one is damaged");
    let none = json!({ "area": { "circle": { "centre": [0, 0], "radius_m": 10 } }, "kinds": ["cases"] });
    let none = select(&router, none).await.ok();
    assert_eq!((&none["number_matched"], &none["counts"], none.get("cursor")), (&json!(0), &json!([]), None));
}

#[tokio::test]
async fn shapes_that_cannot_be_are_refused() {
    let router = city::router().await;
    let ring = |points: Value| json!({ "type": "Polygon", "coordinates": [points] });
    let long: Vec<Value> = (0..2001).map(|n| json!([122.0 + f64::from(n) / 1e4, 30.0])).collect();
    let areas = [
        json!({}),
        json!({ "type": "Point", "coordinates": [122, 30] }),
        json!({ "type": "Polygon", "coordinates": [] }),
        ring(json!([[122, 30], [123, 30], [122, 30]])),
        ring(json!([[122, 30], [123, 30], [123, 31], [122, 31]])),
        ring(json!([[122, 30], [123, 30], [123, "31"], [122, 30]])),
        ring(json!([[-170, 30], [170, 30], [170, 31], [-170, 30]])),
        json!({ "type": "Polygon", "coordinates": [long] }),
        json!({ "circle": { "centre": [122, 30] } }),
        json!({ "circle": { "centre": [122, 30], "radius_m": -1 } }),
        json!({ "circle": { "centre": [122, 30], "radius_m": 60_000 } }),
        json!({ "circle": { "centre": [122, 30], "radius_m": 5, "x": 1 } }),
        json!({ "circle": { "centre": [122, 30], "radius_m": 5 }, "corridor": {} }),
        json!({ "corridor": { "line": [[122, 30]], "distance_m": 5 } }),
        json!({ "corridor": { "line": [[122, 30], [122, 31]], "distance_m": 5001 } }),
    ];
    for area in areas {
        let problem = select(&router, json!({ "area": area })).await.problem(400, "bad_field");
        assert_eq!(problem["field"], "area", "{area}");
    }
    let square = ring(json!([[122, 30], [123, 30], [123, 31], [122, 31], [122, 30]]));
    select(&router, json!({ "area": ring(json!([[222, 30], [123, 30], [123, 31], [222, 30]])) }))
        .await
        .problem(400, "out_of_range");
    select(&router, json!({})).await.problem(400, "missing_field");
    for (field, value) in [
        ("kinds", json!(["staff"])),
        ("kinds", json!([])),
        ("kinds", json!("cases")),
        ("limit", json!(0)),
        ("state", json!("x")),
        ("category", json!("99")),
    ] {
        let mut body = json!({ "area": square });
        body[field] = value;
        assert_eq!(select(&router, body).await.problem(400, "bad_field")["field"], field);
    }
    select(&router, json!({ "area": square, "x": 1 })).await.problem(400, "unknown_field");
    select(&router, json!({ "area": square, "cursor": "x" })).await.problem(400, "bad_cursor");
}
