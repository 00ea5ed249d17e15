use super::city::{self, GRID_1, GRID_3};
use super::get;
use serde_json::{Value, json};

fn finds(answer: &Value) -> Vec<(&str, &str, &str)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned().leak() as &str;
    answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|find| (text(&find["kind"]), text(&find["fit"]), text(&find["code"])))
        .collect()
}

#[tokio::test]
async fn exact_comes_before_prefix_before_part() {
    let router = city::router().await;
    let by_code = get(&router, "/api/v1/search?q=330902").await.ok();
    assert_eq!(finds(&by_code)[0], ("region", "exact", "330902"));
    assert!(finds(&by_code)[1..].iter().all(|find| find.1 == "prefix"));
    let by_name = get(&router, "/api/v1/search?q=%E6%B2%88%E5%AE%B6%E9%97%A8").await.ok();
    assert_eq!(finds(&by_name), [("region", "prefix", "330902001002"), ("grid", "prefix", GRID_3)]);
    assert_eq!(by_name["items"][1]["path"].as_array().unwrap().last().unwrap()["name"], "沈家门社区");
    let part = get(&router, "/api/v1/search?q=%E7%AC%AC%E4%B8%80").await.ok();
    assert_eq!(finds(&part), [("grid", "part", GRID_1), ("grid", "part", GRID_3)]);
}

#[tokio::test]
async fn facilities_cases_and_positions_are_found() {
    let router = city::router().await;
    let facility = get(&router, "/api/v1/search?q=3309020100000003").await.ok();
    assert_eq!(
        (finds(&facility), &facility["items"][0]["grid"]),
        (vec![("facility", "exact", "3309020100000003")], &json!(GRID_1))
    );
    let case = get(&router, "/api/v1/search?q=%231").await.ok();
    assert_eq!((finds(&case)[0].0, &case["items"][0]["id"]), ("case", &json!(1)));
    let place = get(&router, "/api/v1/search?q=122.105,30.005").await.ok();
    assert_eq!(
        (&place["items"][0]["kind"], &place["items"][0]["grid"], &place["items"][0]["position"]),
        (&json!("position"), &json!(GRID_1), &json!([122.105, 30.005]))
    );
    let code = get(&router, "/api/v1/beidou?lon=122.105&lat=30.005&crs=wgs84&level=9").await.ok()["code"].clone();
    let cell = get(&router, &format!("/api/v1/search?q={}", code.as_str().unwrap())).await.ok();
    assert_eq!((&cell["items"][0]["kind"], &cell["items"][0]["grid"]), (&json!("position"), &json!(GRID_1)));
}

#[tokio::test]
async fn pinyin_and_initials_find_names_after_letters_do() {
    let router = city::router().await;
    for q in ["dinghai", "ding%20hai", "DingHai"] {
        assert_eq!(finds(&get(&router, &format!("/api/v1/search?q={q}")).await.ok())[0], ("region", "pinyin", "330902"), "{q}");
    }
    let initials = get(&router, "/api/v1/search?q=dhq").await.ok();
    assert_eq!(finds(&initials), [("region", "pinyin", "330902")]);
    let grids = get(&router, "/api/v1/search?q=dgdywg").await.ok();
    assert_eq!(finds(&grids), [("grid", "pinyin", GRID_1)]);
    assert_eq!(get(&router, "/api/v1/search?q=xyzxyz").await.ok()["items"], json!([]));
    // Facilities by the sound of their names: 部件0 to 部件41.
    let facilities = get(&router, "/api/v1/search?q=bujian&limit=100").await.ok();
    assert_eq!(finds(&facilities).iter().filter(|find| (find.0, find.1) == ("facility", "pinyin")).count(), 42);
}

#[tokio::test]
async fn streets_and_addresses_are_found() {
    let router = super::addresses::router().await;
    let address = get(&router, "/api/v1/search?q=%E8%A7%A3%E6%94%BE%E8%B7%AF5%E5%8F%B7").await.ok();
    assert_eq!(
        (&address["items"][0]["kind"], &address["items"][0]["name"], &address["items"][0]["grid"]),
        (&json!("address"), &json!("定海区解放路5号"), &json!(GRID_1))
    );
    assert_eq!(address["items"][0]["position"], json!([122.104, 30.005]));
    for q in ["%E8%A7%A3%E6%94%BE%E8%B7%AF", "jiefanglu", "jfl"] {
        let street = get(&router, &format!("/api/v1/search?q={q}")).await.ok();
        assert_eq!((&street["items"][0]["kind"], &street["items"][0]["name"]), (&json!("street"), &json!("解放路")), "{q}");
        assert!(street["items"][0]["path"].as_array().unwrap().len() > 1);
    }
    let hospital = get(&router, "/api/v1/search?q=%E6%B2%88%E5%AE%B6%E9%97%A8%E5%8C%BB%E9%99%A2").await.ok();
    assert_eq!((&hospital["items"][0]["kind"], &hospital["items"][0]["grid"]), (&json!("address"), &json!(GRID_3)));
}

#[tokio::test]
async fn within_and_limit_narrow_it() {
    let router = city::router().await;
    assert_eq!(get(&router, "/api/v1/search?q=330902&limit=2").await.ok()["items"].as_array().unwrap().len(), 2);
    let within = get(&router, "/api/v1/search?q=%E7%AC%AC%E4%B8%80&within=330902001002").await.ok();
    assert_eq!(finds(&within), [("grid", "part", GRID_3)]);
    assert_eq!(get(&router, "/api/v1/search?q=zzz").await.ok()["items"], json!([]));
    get(&router, "/api/v1/search?q=%20").await.problem(400, "bad_parameter");
    get(&router, "/api/v1/search").await.problem(400, "missing_parameter");
}
