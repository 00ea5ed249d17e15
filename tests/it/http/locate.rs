use super::city::{self, CLOSED, GRID_1, GRID_2, GRID_3};
use super::{get, post};
use serde_json::json;

fn codes(path: &serde_json::Value) -> Vec<&str> {
    path.as_array().unwrap().iter().map(|region| region["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_point_in_a_grid_is_told_with_all_regions_above() {
    let router = city::router().await;
    let answer = get(&router, "/api/v1/locate?lon=122.105&lat=30.005&crs=wgs84").await.ok();
    assert_eq!(answer["grid"], json!({ "code": GRID_1, "name": "东港第一网格", "kind": "base" }));
    assert_eq!(codes(&answer["path"]), ["3309", "330902", "330902001", "330902001001"]);
    assert_eq!(answer["path"][0], json!({ "level": "city", "code": "3309", "name": "舟山市" }));
    assert_eq!((&answer["epoch"], &answer["on_border"]), (&json!(2), &json!(false)));
    assert_eq!(answer["position"], json!([122.105, 30.005]));
    assert!(answer.get("team").is_none() && answer.get("beidou").is_none() && answer.get("void").is_none());
}

#[tokio::test]
async fn a_point_on_a_shared_border_goes_to_the_lower_code() {
    let router = city::router().await;
    for (lon, lat, owner) in
        [("122.105", "30.01", GRID_1), ("122.11", "30.015", GRID_2), ("122.11", "30.01", GRID_1), ("122.12", "30.015", GRID_3)]
    {
        let answer = get(&router, &format!("/api/v1/locate?lon={lon}&lat={lat}&crs=cgcs2000")).await.ok();
        assert_eq!((answer["grid"]["code"].as_str(), &answer["on_border"]), (Some(owner), &json!(true)), "{lon} {lat}");
    }
}

#[tokio::test]
async fn water_and_regions_without_grids_answer_200_with_grid_null() {
    let router = city::router().await;
    let pond = get(&router, "/api/v1/locate?lon=122.115&lat=30.005&crs=wgs84").await.ok();
    assert_eq!((&pond["grid"], &pond["void"]), (&json!(null), &json!("water")));
    let county = get(&router, "/api/v1/locate?lon=122.125&lat=30.005&crs=wgs84").await.ok();
    assert_eq!((&county["grid"], county.get("void")), (&json!(null), None));
    assert_eq!(codes(&county["path"]), ["3309", "330903"]);
}

#[tokio::test]
async fn outside_is_404_with_the_nearest_grid_and_a_hint_when_the_axes_are_swapped() {
    let router = city::router().await;
    let west = get(&router, "/api/v1/locate?lon=122.09&lat=30.005&crs=wgs84").await.problem(404, "outside_coverage");
    assert_eq!(west["nearest"]["grid"], GRID_1);
    let distance_m = west["nearest"]["distance_m"].as_f64().unwrap();
    assert!((distance_m - 964.7).abs() < 1.0, "{distance_m}");
    assert!(west.get("hint").is_none());
    let swapped = get(&router, "/api/v1/locate?lon=30.005&lat=82.1&crs=wgs84").await.problem(404, "outside_coverage");
    assert!(swapped.get("hint").is_none());
    let swapped = get(&router, "/api/v1/locate?lon=30.005&lat=122.105&crs=wgs84").await.problem(400, "out_of_range");
    assert_eq!((&swapped["field"], &swapped["hint"]), (&json!("lat"), &json!("axis_swapped?")));
}

#[tokio::test]
async fn include_adds_team_beidou_code_and_distance() {
    let router = city::router().await;
    let answer = get(&router, "/api/v1/locate?lon=122.1041&lat=30.005&crs=wgs84&include=team,beidou,distance").await.ok();
    assert_eq!(answer["team"]["leader"]["id"], "s1");
    assert_eq!(answer["team"]["officers"][0]["role"], "grid_officer");
    assert_eq!(answer["beidou"].as_str().map(str::len), Some(20));
    let distance_m = answer["distance_to_border_m"].as_f64().unwrap();
    assert!((distance_m - 395.5).abs() < 1.0, "{distance_m}");
}

#[tokio::test]
async fn device_positions_are_converted_from_what_they_are_told_in() {
    let router = city::router().await;
    // In GCJ-02 the same numbers are some 400 m away.
    let wgs = get(&router, "/api/v1/locate?lon=122.1005&lat=30.005&crs=wgs84").await.ok();
    let gcj = get(&router, "/api/v1/locate?lon=122.1005&lat=30.005&crs=gcj02").await.problem(404, "outside_coverage");
    assert_eq!((wgs["grid"]["code"].as_str(), gcj["nearest"]["grid"].as_str()), (Some(GRID_1), Some(GRID_1)));
}

#[tokio::test]
async fn at_and_epoch_ask_for_the_boundaries_of_then() {
    let router = city::router().await;
    let place = "/api/v1/locate?lon=122.105&lat=30.005&crs=wgs84";
    for (when, epoch, grid) in [
        ("at=2025-06-01", 1, CLOSED),
        ("at=2025-12-31T23:59:59%2B08:00", 1, CLOSED),
        ("at=2026-01-01", 2, GRID_1),
        ("at=2025-12-31T16:00:00Z", 2, GRID_1),
        ("epoch=1", 1, CLOSED),
        ("epoch=2&set=governance", 2, GRID_1),
    ] {
        let answer = get(&router, &format!("{place}&{when}")).await.ok();
        assert_eq!((&answer["epoch"], &answer["grid"]["code"]), (&json!(epoch), &json!(grid)), "{when}");
    }
    get(&router, &format!("{place}&at=2019-12-31")).await.problem(404, "no_boundaries");
    assert_eq!(get(&router, &format!("{place}&epoch=9")).await.problem(404, "unknown_epoch")["latest"], 2);
    get(&router, &format!("{place}&epoch=1&at=2025-01-01")).await.problem(400, "conflicting_parameters");
    get(&router, &format!("{place}&at=yesterday")).await.problem(400, "bad_parameter");
    get(&router, &format!("{place}&set=police")).await.problem(404, "unknown_set");
}

#[tokio::test]
async fn a_batch_answers_in_order_with_null_outside() {
    let router = city::router().await;
    let body = json!({ "crs": "wgs84", "points": [[122.105, 30.005], [0.0, 0.0], [122.115, 30.005], [122.115, 30.015]] });
    let answer = post(&router, "/api/v1/locate", "application/json", body.to_string()).await.ok();
    assert_eq!(answer, json!({ "epoch": 2, "grids": [GRID_1, null, null, GRID_3] }));
    let old = post(&router, "/api/v1/locate?epoch=1", "application/json; charset=utf-8", body.to_string()).await.ok();
    assert_eq!(old, json!({ "epoch": 1, "grids": [CLOSED, null, null, GRID_3] }));
    let none = post(&router, "/api/v1/locate", "application/json", r#"{"crs":"wgs84","points":[]}"#).await.ok();
    assert_eq!(none["grids"], json!([]));
}

#[tokio::test]
async fn a_hundred_thousand_points_are_one_batch_and_one_more_is_refused() {
    let router = city::router().await;
    let body = |n: usize| format!(r#"{{"crs":"wgs84","points":[{}]}}"#, vec!["[122.105,30.005]"; n].join(","));
    let answer = post(&router, "/api/v1/locate", "application/json", body(100_000)).await.ok();
    let grids = answer["grids"].as_array().unwrap();
    assert!(grids.len() == 100_000 && grids.iter().all(|grid| grid == GRID_1));
    let problem = post(&router, "/api/v1/locate", "application/json", body(100_001)).await.problem(400, "too_many_points");
    assert_eq!(problem["limit"], 100_000);
}

#[tokio::test]
async fn a_bad_point_of_a_batch_is_named_by_its_index() {
    let router = city::router().await;
    for (points, index) in [
        ("[[1,2],[1,91]]", 1),
        ("[[1,2],[3,4],[181,0]]", 2),
        ("[[1]]", 0),
        ("[[1,2],[1,2,3]]", 1),
        ("[[1,2],null]", 1),
        ("[[1,\"2\"]]", 0),
        ("[[1,2],[1e999,2]]", 1),
        ("[[122.1,30.0],{\"lon\":1}]", 1),
    ] {
        let body = format!(r#"{{"crs":"wgs84","points":{points}}}"#);
        let problem = post(&router, "/api/v1/locate", "application/json", body).await.problem(400, "bad_point");
        assert_eq!(problem["index"], index, "{points}");
    }
}

#[tokio::test]
async fn a_batch_is_strict_about_its_fields() {
    let router = city::router().await;
    let send = async |body: &'static str| post(&router, "/api/v1/locate", "application/json", body).await;
    send(r#"{"points":[[1,2]]}"#).await.problem(400, "crs_required");
    send(r#"{"crs":"EPSG:3857","points":[[1,2]]}"#).await.problem(400, "crs_unknown");
    send(r#"{"crs":"wgs84"}"#).await.problem(400, "bad_json");
    send(r#"{"crs":"wgs84","points":[[1,2]],"more":1}"#).await.problem(400, "bad_json");
    send(r#"{"crs":"wgs84","crs":"gcj02","points":[]}"#).await.problem(400, "bad_json");
    send(r#"{"crs":"wgs84","points":7}"#).await.problem(400, "bad_json");
    send("").await.problem(400, "bad_json");
    let torn = send("{\"crs\":\"wgs84\",\n\"points\":[[1,2],[3").await.problem(400, "bad_json");
    assert_eq!(torn["line"], 2);
    post(&router, "/api/v1/locate?crs=wgs84", "application/json", r#"{"crs":"wgs84","points":[]}"#)
        .await
        .problem(400, "conflicting_parameters");
    let media = post(&router, "/api/v1/locate", "text/xml", "<a/>").await.problem(415, "unsupported_media_type");
    assert_eq!(media["allowed"], json!(["application/json", "application/x-ndjson", "text/csv"]));
}

#[tokio::test]
async fn a_position_of_limited_accuracy_has_candidates_that_sum_to_one() {
    let router = city::router().await;
    let locate = async |lon: f64, lat: f64, accuracy: f64| {
        get(&router, &format!("/api/v1/locate?lon={lon}&lat={lat}&crs=wgs84&accuracy_m={accuracy}")).await
    };
    let sum = |answer: &serde_json::Value| {
        let grids: f64 = answer["candidates"].as_array().unwrap().iter().map(|row| row["probability"].as_f64().unwrap()).sum();
        grids + answer["outside_probability"].as_f64().unwrap()
    };
    // On the border between the first two grids, far from everything else.
    let border = locate(122.105, 30.01, 20.0).await.ok();
    assert_eq!(
        border["candidates"],
        serde_json::json!([{ "grid": GRID_1, "probability": 0.5 }, { "grid": GRID_2, "probability": 0.5 }])
    );
    assert_eq!(border["outside_probability"], 0.0);
    // At the corner of three grids and the pond, which is no grid.
    let corner = locate(122.11, 30.01, 15.0).await.ok();
    assert_eq!(corner["candidates"].as_array().unwrap().len(), 3);
    for share in
        corner["candidates"].as_array().unwrap().iter().map(|row| &row["probability"]).chain([&corner["outside_probability"]])
    {
        assert!((share.as_f64().unwrap() - 0.25).abs() < 0.0002, "{corner}");
    }
    let sure = locate(122.105, 30.005, 5.0).await.ok();
    assert_eq!(
        (sure["candidates"].as_array().unwrap().len(), &sure["candidates"][0]["probability"]),
        (1, &serde_json::json!(1.0))
    );
    // At sea, beside a grid.
    let problem = locate(122.0999, 30.005, 30.0).await.problem(404, "outside_coverage");
    assert_eq!(problem["candidates"][0]["grid"], GRID_1);
    for answer in [&border, &corner, &sure, &problem] {
        assert!((sum(answer) - 1.0).abs() < 1e-9, "{answer}");
    }
    for bad in ["0", "0.09", "1e-160", "-1", "1001", "NaN"] {
        get(&router, &format!("/api/v1/locate?lon=122.105&lat=30.005&crs=wgs84&accuracy_m={bad}"))
            .await
            .problem(400, "bad_parameter");
    }
}

#[tokio::test]
async fn candidates_are_those_of_a_million_draws() {
    use crate::crash::Random;
    use wangge::geom::{LatticePoint, LonLat, measure::LocalScale};
    let app = city::app().await;
    let view = app.view(&wangge::app::Actor::local());
    let mut random = Random(3);
    for (lon, lat, accuracy_m) in
        [(122.109_8, 30.009_9, 15.0), (122.1102, 30.0099, 60.0), (122.0995, 30.0002, 120.0), (122.11, 30.015, 700.0)]
    {
        let at = LatticePoint::nearest(LonLat::new(lon, lat).unwrap());
        let found = view.candidates(at, accuracy_m);
        let scale = LocalScale::at(f64::from(at.y));
        // 68 % within the accuracy: r = accuracy · √(ln(1 − u) / ln(1 − 0.68)).
        let mut counts = std::collections::HashMap::new();
        const DRAWS: u32 = 1_000_000;
        for _ in 0..DRAWS {
            let r = accuracy_m * ((1.0 - random.share()).ln() / 0.32f64.ln()).sqrt();
            let turn = std::f64::consts::TAU * random.share();
            let p = LatticePoint::new(
                at.x + (r * turn.cos() / scale.x_m).round() as i32,
                at.y + (r * turn.sin() / scale.y_m).round() as i32,
            );
            *counts.entry(view.territory.grid_at(p)).or_insert(0u32) += 1;
        }
        let share = |grid| f64::from(counts.get(&grid).copied().unwrap_or(0)) / f64::from(DRAWS);
        assert!((share(None) - found.outside).abs() < 0.01, "{} for {}", found.outside, share(None));
        for (ix, probability) in &found.grids {
            assert!((share(Some(*ix)) - probability).abs() < 0.01, "{probability} for {}", share(Some(*ix)));
        }
        let told: f64 = found.grids.iter().map(|(_, probability)| probability).sum();
        assert!((told + found.outside - 1.0).abs() < 1e-9);
    }
}

#[tokio::test]
async fn a_cell_and_the_grid_next_door_are_told_on_request() {
    let router = city::router().await;
    let answer = get(&router, "/api/v1/locate?lon=122.105&lat=30.0098&crs=wgs84&include=h3,neighbour").await.ok();
    assert_eq!(
        (&answer["neighbour"]["code"], &answer["neighbour"]["name"]),
        (&serde_json::json!(GRID_2), &serde_json::json!("东港第二网格"))
    );
    assert!((answer["neighbour"]["distance_m"].as_f64().unwrap() - 22.2).abs() < 0.1, "{answer}");
    let cell = answer["h3"].as_str().unwrap();
    assert!(cell.len() == 15 && cell.starts_with("8a"), "{cell}");
    // A region without grids has no grid, and so none next to it.
    let region = get(&router, "/api/v1/locate?lon=122.125&lat=30.005&crs=wgs84&include=neighbour").await.ok();
    assert!(region["neighbour"].is_null() && region.as_object().unwrap().contains_key("neighbour"), "{region}");
}
