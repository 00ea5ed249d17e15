use super::city::{self, CLOSED, GRID_1, GRID_2, GRID_3};
use super::get;
use serde_json::{Value, json};

#[tokio::test]
async fn the_card_holds_grid_path_team_facilities_cases_and_neighbours() {
    let router = city::router().await;
    let card = get(&router, &format!("/api/v1/grids/{GRID_1}")).await.ok();
    let grid = &card["grid"];
    assert_eq!((&grid["code"], &grid["name"], &grid["kind"]), (&json!(GRID_1), &json!("东港第一网格"), &json!("base")));
    assert_eq!((&grid["households"], &grid["population"]), (&json!(300), &json!(800)));
    assert_eq!(grid["bbox"], json!([122.1, 30.0, 122.11, 30.01]));
    assert_eq!(grid["period"], json!({ "from": "2026-01-01T00:00:00+08:00", "until": null }));
    let area_m2 = grid["area_m2"].as_f64().unwrap();
    assert!((area_m2 - 1_069_600.0).abs() < 2_000.0, "{area_m2}");
    assert_eq!(card["path"].as_array().unwrap().len(), 4);
    assert_eq!(
        (&card["team"]["leader"]["id"], &card["team"]["officers"][0]["id"], &card["team"]["members"][0]["id"]),
        (&json!("s1"), &json!("s2"), &json!("s3"))
    );
    assert_eq!(card["facilities"]["total"], 40);
    let counts: Vec<(&str, u64)> = card["facilities"]["by_category"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["category"].as_str().unwrap(), row["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, [("01001", 30), ("01050", 10)]);
    assert!(card["facilities"]["by_category"][0]["name"].as_str().is_some_and(|name| !name.is_empty()));
    assert_eq!(card["neighbours"]["total"], 1);
    assert_eq!(card["neighbours"]["items"][0]["code"], GRID_2);
    let shared_m = card["neighbours"]["items"][0]["shared_m"].as_f64().unwrap();
    assert!((shared_m - 964.9).abs() < 2.0, "{shared_m}");
    assert!(card.get("status").is_none() && card["revision"].as_u64() > Some(0) && card["epoch"] == 2);
}

#[tokio::test]
async fn the_card_counts_all_open_cases_and_lists_the_twenty_most_pressing() {
    let router = city::router().await;
    let cases = get(&router, &format!("/api/v1/grids/{GRID_1}")).await.ok()["open_cases"].clone();
    assert_eq!((&cases["total"], &cases["overdue"]), (&json!(25), &json!(5)));
    let items = cases["items"].as_array().unwrap();
    assert_eq!(items.len(), 20);
    assert!(items[..5].iter().all(|case| case["overdue"] == true) && items[5..].iter().all(|case| case["overdue"] == false));
    assert_eq!(items[0]["due_at"], "2026-11-21T07:00:00+08:00");
    assert_eq!((&items[0]["state"], &items[0]["position"]), (&json!("dispatched"), &json!([122.102, 30.002])));
    assert!(items.windows(2).all(|pair| pair[0]["overdue"] == true && pair[1]["overdue"] == false
        || pair[0]["due_at"].as_str() <= pair[1]["due_at"].as_str()));
}

async fn all_pages(router: &axum::Router, first: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(uri) = next {
        let page = get(router, &uri).await.ok();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        next = page["next"].as_str().map(|next| next.strip_prefix("http://localhost:8080").unwrap().to_owned());
    }
    items
}

#[tokio::test]
async fn the_parts_of_a_card_are_lists_in_pages_that_add_up() {
    let router = city::router().await;
    let facilities = all_pages(&router, &format!("/api/v1/grids/{GRID_1}/facilities?limit=7")).await;
    let mut ids: Vec<i64> = facilities.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((facilities.len(), ids.len()), (40, 40));
    assert!(facilities.iter().all(|row| row["grid"] == GRID_1 && row["position"].is_array()));
    let cases = all_pages(&router, &format!("/api/v1/grids/{GRID_1}/cases?limit=10")).await;
    assert_eq!(cases.len(), 25);
    assert!(cases.iter().all(|case| case["grid"] == GRID_1));
    let neighbours = get(&router, &format!("/api/v1/grids/{GRID_2}/neighbours")).await.ok();
    assert_eq!(neighbours["number_matched"], 2);
    assert_eq!(get(&router, &format!("/api/v1/grids/{GRID_3}/neighbours")).await.ok()["items"][0]["code"], GRID_2);
    let team = get(&router, &format!("/api/v1/grids/{GRID_2}/team")).await.ok();
    assert_eq!((&team["team"]["leader"]["id"], &team["grid"]["code"]), (&json!("s4"), &json!(GRID_2)));
}

#[tokio::test]
async fn a_closed_code_is_answered_from_its_last_boundaries_with_its_successors() {
    let router = city::router().await;
    let card = get(&router, &format!("/api/v1/grids/{CLOSED}")).await.ok();
    assert_eq!((&card["status"], &card["epoch"]), (&json!("superseded"), &json!(1)));
    assert_eq!(card["grid"]["period"], json!({ "from": "2020-01-01T00:00:00+08:00", "until": "2026-01-01T00:00:00+08:00" }));
    assert_eq!(card["successors"], json!([{ "code": GRID_1, "share": 0.5 }, { "code": GRID_2, "share": 0.5 }]));
    // Facilities are today's, in the boundaries of then: 40 of …001 and 1 of …002.
    assert_eq!(card["facilities"]["total"], 41);
    let facilities = get(&router, &format!("/api/v1/grids/{CLOSED}/facilities?limit=10000")).await.ok();
    assert_eq!((&facilities["number_matched"], facilities["items"].as_array().unwrap().len()), (&json!(41), 41));
    let outline = get(&router, &format!("/api/v1/grids/{CLOSED}/outline")).await.ok();
    assert_eq!((&outline["properties"]["epoch"], &outline["bbox"]), (&json!(1), &card["grid"]["bbox"]));
    assert_eq!(get(&router, &format!("/api/v1/grids/{CLOSED}/team?epoch=1")).await.ok()["epoch"], 1);
    get(&router, &format!("/api/v1/grids/{CLOSED}?epoch=2")).await.problem(404, "unknown_code");
    get(&router, &format!("/api/v1/grids/{CLOSED}?at=2026-06-01")).await.problem(404, "unknown_code");
    get(&router, "/api/v1/grids/330902001001777").await.problem(404, "unknown_code");
    get(&router, "/api/v1/grids/3309").await.problem(404, "unknown_code");
}

#[tokio::test]
async fn a_grid_that_lived_on_has_one_period_and_a_history() {
    let router = city::router().await;
    let card = get(&router, &format!("/api/v1/grids/{GRID_3}")).await.ok();
    assert_eq!(card["grid"]["period"], json!({ "from": "2020-01-01T00:00:00+08:00", "until": null }));
    let past = get(&router, &format!("/api/v1/grids/{GRID_3}?at=2021-01-01")).await.ok();
    assert_eq!((&past["epoch"], &past["grid"]["period"]), (&json!(1), &card["grid"]["period"]));
    assert_eq!(past["neighbours"]["items"][0]["code"], CLOSED);
    let history = get(&router, &format!("/api/v1/grids/{GRID_3}/history")).await.ok();
    let items = history["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["epoch"], &items[1]["changed"]), (2, &json!(1), &json!([])));
}

#[tokio::test]
async fn the_outline_is_geojson_in_the_crs_asked_for() {
    let router = city::router().await;
    let outline = get(&router, &format!("/api/v1/grids/{GRID_1}/outline")).await;
    assert_eq!(outline.headers["content-type"], "application/geo+json");
    let outline = outline.ok();
    assert_eq!(
        (&outline["type"], &outline["id"], &outline["properties"]["crs"]),
        (&json!("Feature"), &json!(GRID_1), &json!("wgs84"))
    );
    assert_eq!(
        outline["geometry"],
        json!({ "type": "MultiPolygon", "coordinates": [[[[122.1, 30.0], [122.11, 30.0], [122.11, 30.01], [122.1, 30.01], [122.1, 30.0]]]] })
    );
    // Another reader finds the rings the right way round: an exterior counts counter-clockwise (RFC 7946, 3.1.6).
    let feature: geojson::Feature = outline.to_string().parse().unwrap();
    let geojson::GeometryValue::MultiPolygon { coordinates } = feature.geometry.unwrap().value else { panic!("no MultiPolygon") };
    let ring = &coordinates[0][0];
    let area2: f64 = ring.windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum();
    assert!(area2 > 0.0 && ring.first() == ring.last(), "{ring:?}");
    let gcj = get(&router, &format!("/api/v1/grids/{GRID_1}/outline?crs=gcj02")).await.ok();
    let corner = gcj["geometry"]["coordinates"][0][0][0].clone();
    let shift = corner[0].as_f64().unwrap() - 122.1;
    assert!((0.002..0.008).contains(&shift), "{corner}");
    assert_eq!(gcj["bbox"][0], corner[0]);
    let told = get(
        &router,
        &format!(
            "/api/v1/locate?lon={}&lat={}&crs=gcj02",
            gcj["properties"]["label_point"][0], gcj["properties"]["label_point"][1]
        ),
    )
    .await
    .ok();
    assert_eq!(told["grid"]["code"], GRID_1);
    let old = get(&router, &format!("/api/v1/grids/{CLOSED}/outline?epoch=1")).await.ok();
    assert_eq!(old["properties"]["epoch"], 1);
    get(&router, &format!("/api/v1/grids/{CLOSED}/outline?epoch=2")).await.problem(404, "unknown_code");
}

#[tokio::test]
async fn every_route_that_names_a_grid_takes_its_set() {
    let router = city::router().await;
    for route in ["", "/outline", "/facilities", "/cases", "/team", "/neighbours", "/history"] {
        assert_eq!(get(&router, &format!("/api/v1/grids/{GRID_1}{route}?set=governance")).await.status, 200, "{route}");
        get(&router, &format!("/api/v1/grids/{GRID_1}{route}?set=police")).await.problem(404, "unknown_set");
    }
    for route in ["regions/3309", "regions/3309/children", "cases", "search?q=1", "facilities"] {
        let separator = if route.contains('?') { '&' } else { '?' };
        assert_eq!(get(&router, &format!("/api/v1/{route}{separator}set=governance")).await.status, 200, "{route}");
    }
}
