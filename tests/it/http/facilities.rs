use super::city::{self, GRID_1, GRID_2};
use super::get;
use serde_json::json;

#[tokio::test]
async fn a_facility_is_told_whole() {
    let router = city::router().await;
    let list = get(&router, "/api/v1/facilities?external=osm:node/3").await.ok();
    assert_eq!(list["number_matched"], 1);
    let facility = &list["items"][0];
    assert_eq!(
        (&facility["category"], &facility["name"], &facility["state"], &facility["grid"]),
        (&json!("01050"), &json!("部件3"), &json!("damaged"), &json!(GRID_1))
    );
    assert_eq!(
        (&facility["accuracy"], &facility["source"], &facility["external_ids"]),
        (&json!("A"), &json!("survey"), &json!({ "osm": "node/3" }))
    );
    assert_eq!(
        (&facility["properties"], &facility["version"], &facility["code"]),
        (&json!({ "height_m": 3 }), &json!(1), &json!("3309020100000003"))
    );
    assert_eq!(get(&router, "/api/v1/facilities?external=osm:node/999").await.ok()["number_matched"], 0);
}

#[tokio::test]
async fn every_filter_narrows_the_list() {
    let router = city::router().await;
    let count =
        async |query: &str| get(&router, &format!("/api/v1/facilities?{query}")).await.ok()["number_matched"].as_u64().unwrap();
    assert_eq!(count("").await, 42);
    assert_eq!(count("within=330902001001").await, 41);
    assert_eq!(count(&format!("within={GRID_2}")).await, 1);
    assert_eq!(count("category=01050").await, 10);
    assert_eq!(count("category=01050,01013").await, 11);
    assert_eq!(count("category=01").await, 42);
    assert_eq!(count("state=damaged").await, 1);
    assert_eq!(count("state=damaged&category=01001").await, 0);
    assert_eq!(count("bbox=122.1,30,122.12,30.02").await, 41);
    assert_eq!(count("bbox=122.1,30,122.1015,30.02").await, 5);
    // Over the antimeridian, and all the way round to where it begins.
    assert_eq!(count("bbox=179,-10,-179,10").await, 0);
    assert_eq!(count("bbox=122.1015,30,122.1,30.02").await, 36);
    assert_eq!(count("set=governance").await, 42);
    assert_eq!(count("within=330903").await, 0);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let router = city::router().await;
    let mut seen = Vec::new();
    let mut next = Some("/api/v1/facilities?limit=5&category=01001,01050".to_owned());
    while let Some(uri) = next {
        let page = get(&router, &uri).await.ok();
        assert_eq!(page["number_matched"], 40);
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
        next = page["next"].as_str().map(|next| next.replace("http://localhost:8080", ""));
        assert_eq!(next.is_some(), page["cursor"].is_string());
    }
    let mut unique = seen.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (40, 40));
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_only() {
    let router = city::router().await;
    let cursor = async |uri: &str| get(&router, uri).await.ok()["cursor"].as_str().unwrap().to_owned();
    let facilities = cursor("/api/v1/facilities?limit=5&category=01050").await;
    // A page may be longer than the one before; what narrows the list may not change.
    assert_eq!(get(&router, &format!("/api/v1/facilities?category=01050&limit=9&cursor={facilities}")).await.status, 200);
    for other in ["facilities?x", "facilities?category=01001", "cases?x", "categories?x"] {
        let uri = format!("/api/v1/{}&cursor={facilities}", other).replace("?x&", "?");
        get(&router, &uri).await.problem(400, "bad_cursor");
    }
}

#[tokio::test]
async fn cases_come_in_pages_that_a_new_case_does_not_shift() {
    let app = city::app().await;
    let router = wangge::http::router(std::sync::Arc::clone(&app));
    let ids = |page: &serde_json::Value| -> Vec<i64> {
        page["items"].as_array().unwrap().iter().map(|case| case["id"].as_i64().unwrap()).collect()
    };
    let all = ids(&get(&router, "/api/v1/cases?limit=100").await.ok());
    let first = get(&router, "/api/v1/cases?limit=10").await.ok();
    let city = app.published.load();
    let mut urgent = city.cases.case(wangge::domain::id::CaseId(all[20])).unwrap().clone();
    std::sync::Arc::make_mut(&mut urgent.record).overdue = true;
    let change = wangge::city::Change::Cases { put: vec![urgent], removed: vec![] };
    app.applier.apply(wangge::domain::id::Revision(city.revision.0 + 1), change).await.unwrap();
    let next = first["next"].as_str().unwrap().replace("http://localhost:8080", "");
    let expected: Vec<i64> = all[10..].iter().copied().filter(|id| *id != all[20]).take(10).collect();
    assert_eq!(ids(&get(&router, &next).await.ok()), expected);
}

#[tokio::test]
async fn the_profile_is_listed_by_kind() {
    let router = city::router().await;
    let components = get(&router, "/api/v1/categories?kind=component&limit=1000").await.ok();
    let camera = components["items"].as_array().unwrap().iter().find(|row| row["code"] == "01050").unwrap();
    assert_eq!((&camera["kind"], camera["icon"].is_string(), camera["name"].is_string()), (&json!("component"), true, true));
    let all = get(&router, "/api/v1/categories?limit=1000").await.ok();
    let matters = get(&router, "/api/v1/categories?kind=matter&limit=1000").await.ok();
    let count = |list: &serde_json::Value| list["number_matched"].as_u64().unwrap();
    assert_eq!(count(&components) + count(&matters), count(&all));
}

#[tokio::test]
async fn open_cases_are_listed_by_how_pressing_they_are() {
    let router = city::router().await;
    let count =
        async |query: &str| get(&router, &format!("/api/v1/cases?{query}")).await.ok()["number_matched"].as_u64().unwrap();
    assert_eq!(count("").await, 27);
    assert_eq!(count("overdue=true").await, 5);
    assert_eq!(count("within=330902001001").await, 26);
    assert_eq!(count("within=330902").await, 27);
    assert_eq!(count(&format!("within={GRID_1}&overdue=false")).await, 20);
    assert_eq!(count("state=filed").await, 0);
    assert_eq!(count("category=01").await, 27);
    assert_eq!(count("category=02").await, 0);
    let all = get(&router, "/api/v1/cases?limit=1000").await.ok();
    let unlocated: Vec<_> = all["items"].as_array().unwrap().iter().filter(|case| case["position"].is_null()).collect();
    assert_eq!(
        (unlocated.len(), &unlocated[0]["within"], &unlocated[0]["located"]),
        (1, &json!("330902001001"), &json!("region"))
    );
}

#[tokio::test]
async fn bad_filters_are_named() {
    let router = city::router().await;
    for (query, field) in [
        ("bbox=1,2,3", "bbox"),
        ("bbox=0,3,1,1", "bbox"),
        ("state=broken", "state"),
        ("category=99999", "category"),
        ("category=", "category"),
        ("external=osm", "external"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=-1", "limit"),
    ] {
        assert_eq!(
            get(&router, &format!("/api/v1/facilities?{query}")).await.problem(400, "bad_parameter")["field"],
            field,
            "{query}"
        );
    }
    get(&router, "/api/v1/facilities?bbox=0,0,0,91").await.problem(400, "out_of_range");
    get(&router, "/api/v1/facilities?cursor=zz").await.problem(400, "bad_cursor");
    get(&router, "/api/v1/facilities?within=7").await.problem(404, "unknown_code");
    get(&router, "/api/v1/categories?kind=thing").await.problem(400, "bad_parameter");
    get(&router, "/api/v1/cases?overdue=maybe").await.problem(400, "bad_parameter");
}
