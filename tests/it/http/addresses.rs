//! `locate?address=` and tables of addresses.

use super::city::{self, CLOSED, GRID_1, GRID_3, at, code};
use super::{Answer, get, post};
use axum::Router;
use serde_json::{Value, json};
use std::sync::Arc;
use wangge::app::App;
use wangge::clock::Clock;
use wangge::domain::address::AddressRecord;
use wangge::domain::id::{AddressId, Version};
use wangge::domain::records::Provenance;
use wangge::store::{CommitHead, RowCommit};

fn address(text: &str, place: Option<(f64, f64)>) -> AddressRecord {
    AddressRecord {
        id: AddressId(0),
        text: text.to_owned(),
        name: if text.contains("滨港") { "沈家门医院".to_owned() } else { String::new() },
        at: place.map(|(x, y)| at(x, y)),
        original: None,
        within: place.is_none().then(|| code("330902001001")),
        version: Version(0),
        provenance: Provenance::default(),
    }
}

/// 解放路 in grid 1, one house of the same name in the county that has no grids, a hospital in grid 3, a lane without a position.
pub(crate) async fn router() -> Router {
    let store = city::store().await;
    let rows = vec![
        address("舟山市定海区昌国街道解放路1号", Some((0.2, 0.5))),
        address("定海区解放路5号", Some((0.4, 0.5))),
        address("定海区解放路9号2幢1单元301室", Some((0.6, 0.5))),
        address("普陀区解放路1号", Some((2.5, 1.0))),
        address("昌国街道滨港路2号", Some((1.5, 1.5))),
        address("深巷3号", None),
        address("海中路8号", Some((9.0, 9.0))),
    ];
    let commit = RowCommit { head: CommitHead::new("test", city::now()), rows, removed: vec![], import: None };
    store.addresses_commit(commit).await.unwrap();
    wangge::http::router(Arc::new(App::open(store, city::config(), Clock::fixed(city::now())).await.unwrap()))
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn ask(router: &Router, address: &str, more: &str) -> Answer {
    get(router, &format!("/api/v1/locate?address={}{more}", escaped(address))).await
}

/// Kind, score and grid of each candidate.
fn told(answer: &Value) -> Vec<(String, f64, Option<String>)> {
    let candidates = answer["candidates"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    candidates.map(|c| (text(&c["kind"]).unwrap(), c["score"].as_f64().unwrap(), text(&c["grid"]["code"]))).collect()
}

#[tokio::test]
async fn an_address_leads_to_its_grid_with_kind_and_score() {
    let router = router().await;
    let answer = ask(&router, "舟山 定海区解放路五號", "").await.ok();
    assert_eq!(told(&answer), [("exact".to_owned(), 1.0, Some(GRID_1.to_owned()))]);
    let first = &answer["candidates"][0];
    assert_eq!((&first["id"], &first["text"], &first["located"]), (&json!(2), &json!("定海区解放路5号"), &json!("address")));
    assert_eq!(first["position"], json!([122.104, 30.005]));
    assert_eq!(first["path"].as_array().unwrap().last().unwrap()["name"], "东港社区");
    assert_eq!((&answer["ambiguous"], &answer["epoch"]), (&json!(false), &json!(2)));
    assert_eq!(answer["understood"], json!({ "regions": ["舟山", "定海区"], "street": "解放路", "house": "5号" }));
    let room = ask(&router, "解放路9号2幢1单元999室", "&include=team,distance").await.ok();
    assert_eq!(told(&room), [("building".to_owned(), 0.9, Some(GRID_1.to_owned()))]);
    assert_eq!(room["candidates"][0]["team"]["leader"]["id"], "s1");
    assert!(room["candidates"][0]["distance_to_border_m"].as_f64().unwrap() > 100.0);
    let between = ask(&router, "定海区解放路3号", "").await.ok();
    assert_eq!(told(&between)[0], ("interpolated".to_owned(), 0.7, Some(GRID_1.to_owned())));
    assert_eq!(between["candidates"][0]["between"], json!(["舟山市定海区昌国街道解放路1号", "定海区解放路5号"]));
    assert_eq!(between["candidates"][0]["position"], json!([122.103, 30.005]));
}

#[tokio::test]
async fn a_tie_is_told_and_within_decides_it() {
    let router = router().await;
    let tie = ask(&router, "解放路1号", "").await.ok();
    assert_eq!((&tie["ambiguous"], &tie["number_matched"]), (&json!(true), &json!(2)));
    assert_eq!(told(&tie), [("exact".to_owned(), 1.0, Some(GRID_1.to_owned())), ("exact".to_owned(), 1.0, None)]);
    assert_eq!(tie["candidates"][1]["path"].as_array().unwrap().last().unwrap()["code"], "330903");
    let one = ask(&router, "解放路1号", "&within=330903").await.ok();
    assert_eq!((told(&one).len(), &one["ambiguous"]), (1, &json!(false)));
    assert_eq!(told(&ask(&router, "解放路1号", "&limit=1").await.ok()).len(), 1);
    let past = ask(&router, "定海区解放路5号", "&at=2025-03-03").await.ok();
    assert_eq!((told(&past), &past["epoch"]), (vec![("exact".to_owned(), 1.0, Some(CLOSED.to_owned()))], &json!(1)));
    let sea = ask(&router, "海中路8号", "").await.ok();
    assert_eq!((told(&sea), &sea["candidates"][0]["path"]), (vec![("exact".to_owned(), 1.0, None)], &json!([])));
}

#[tokio::test]
async fn names_and_regions_are_found_and_what_is_unknown_is_an_empty_list() {
    let router = router().await;
    let hospital = ask(&router, "沈家门医院", "").await.ok();
    assert_eq!(told(&hospital), [("poi".to_owned(), 1.0, Some(GRID_3.to_owned()))]);
    assert_eq!(hospital["candidates"][0]["name"], "沈家门医院");
    let lane = ask(&router, "深巷3号", "").await.ok();
    assert_eq!((&lane["candidates"][0]["located"], &lane["candidates"][0]["position"]), (&json!("region"), &json!(null)));
    assert_eq!(lane["candidates"][0]["path"].as_array().unwrap().last().unwrap()["code"], "330902001001");
    let region = ask(&router, "定海区昌国街道", "").await.ok();
    assert_eq!(told(&region), [("region".to_owned(), 0.2, None)]);
    assert_eq!(ask(&router, "没有这条路7号", "").await.ok()["candidates"], json!([]));
    // A city without addresses says so, and still knows its regions.
    let bare = city::router().await;
    ask(&bare, "解放路1号", "").await.problem(404, "no_addresses");
    assert_eq!(told(&ask(&bare, "定海区", "").await.ok())[0].0, "region");
    post(&bare, "/api/v1/locate", "text/csv", "address\n解放路1号\n").await.problem(404, "no_addresses");
}

#[tokio::test]
async fn what_does_not_go_with_an_address_is_refused() {
    let router = router().await;
    for more in ["&lon=1", "&crs=wgs84", "&accuracy_m=5"] {
        ask(&router, "解放路1号", more).await.problem(400, "conflicting_parameters");
    }
    for more in ["&limit=0", "&limit=101", "&limit=x", "&include=moon"] {
        ask(&router, "解放路1号", more).await.problem(400, "bad_parameter");
    }
    ask(&router, "解放路1号", "&within=999").await.problem(404, "unknown_code");
    ask(&router, "", "").await.problem(400, "bad_parameter");
    ask(&router, &"路".repeat(201), "").await.problem(400, "bad_parameter");
    get(&router, "/api/v1/locate?address=%ED%A0%80").await.problem(400, "bad_parameter");
    get(&router, "/api/v1/locate").await.problem(400, "missing_parameter");
    let place = "/api/v1/locate?lon=122.105&lat=30.005&crs=wgs84";
    get(&router, &format!("{place}&within=330902")).await.problem(400, "conflicting_parameters");
    for text in ["\0\u{1b}[2J号", "🏠🏠", "' OR 1=1 --", "%_%", "\u{202e}号1路放解", "﷽﷽", "1-1-1-1-1-1-1-1-1-1"] {
        let answer = ask(&router, text, "").await.ok();
        assert!(answer["candidates"].as_array().unwrap().len() <= 10, "{answer}");
    }
}

#[tokio::test]
async fn a_table_of_addresses_comes_back_with_places() {
    let router = router().await;
    let table = "id,地址,note\r\n1,定海区解放路5号,\"a,b\"\r\n2,解放路1号,\n3,没有的路1号,x\n4,海中路8号,\n5,深巷3号,\n6\n7,定海区解放路,\n";
    let answer = post(&router, "/api/v1/locate", "text/csv", table).await;
    let expected = format!(
        "id,地址,note,grid,kind,score,lon,lat,candidates,error\n\
         1,定海区解放路5号,\"a,b\",{GRID_1},exact,1,122.1040000,30.0050000,1,\n\
         2,解放路1号,,,exact,1,,,2,ambiguous\n\
         3,没有的路1号,x,,,,,,,not_found\n\
         4,海中路8号,,,exact,1,122.1900000,30.0900000,1,outside_coverage\n\
         5,深巷3号,,,exact,1,,,1,\n\
         6,,,,,,,,,\"bad_csv: the record has 1 fields, the header 3\"\n\
         7,定海区解放路,,,road,0.4,"
    );
    assert!(answer.text().starts_with(&expected), "{}", answer.text());
    assert!(answer.text().ends_with(",imprecise\n"), "a street is no grid: {}", answer.text());
    post(&router, "/api/v1/locate?crs=wgs84", "text/csv", "address\nx\n").await.problem(400, "conflicting_parameters");
    post(&router, "/api/v1/locate", "text/csv", "lon,lat\n1,2\n").await.problem(400, "crs_required");
    post(&router, "/api/v1/locate", "application/x-ndjson", "{}\n").await.problem(400, "crs_required");
    let long = format!("address\n{}\n解放路5号\n", "路".repeat(100_000));
    let answer = post(&router, "/api/v1/locate", "text/csv", long).await.text();
    assert!(answer.contains("bad_address: longer than 200") && answer.contains(",exact,1,"), "{}", &answer[answer.len() - 200..]);
    let many = format!("address\n{}", "定海区解放路5号\n".repeat(20_000));
    let answer = post(&router, "/api/v1/locate", "text/csv", many).await.text();
    assert_eq!(answer.matches(",exact,1,").count(), 20_000);
}
