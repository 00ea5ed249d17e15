use super::{city, filled, get, post, send};
use axum::body::{Body, Bytes};
use axum::http::Request;
use serde_json::json;
use std::convert::Infallible;
use wangge::http::TABLE;

#[tokio::test]
async fn an_unknown_parameter_is_refused_on_every_route_with_the_allowed_ones() {
    let router = city::router().await;
    for (method, path, _) in TABLE {
        let uri = format!("{}?no_such_parameter=1", filled(path));
        let request = Request::builder().method(*method).uri(&uri).header("host", "localhost");
        let request = request.header("content-type", "application/json").header("if-match", "*");
        let answer = send(&router, request.body(Body::from("{}")).unwrap()).await;
        let problem = answer.problem(400, "unknown_parameter");
        assert_eq!(problem["field"], "no_such_parameter", "{uri}");
        assert!(problem["allowed"].is_array(), "{uri}");
    }
}

#[tokio::test]
async fn parameters_that_are_not_built_yet_are_unknown() {
    let router = city::router().await;
    let place = "/api/v1/locate?lon=122.105&lat=30.005&crs=wgs84";
    get(&router, &format!("{place}&webhook=x")).await.problem(400, "unknown_parameter");
    let include = get(&router, &format!("{place}&include=indicators")).await.problem(400, "bad_parameter");
    assert_eq!(include["allowed"], json!(["team", "beidou", "h3", "distance", "neighbour"]));
}

#[tokio::test]
async fn a_position_must_be_two_numbers_in_range_with_a_crs() {
    let router = city::router().await;
    for (query, code) in [
        ("lat=30&crs=wgs84", "missing_parameter"),
        ("lon=122.1&lat=30", "crs_required"),
        ("lon=122.1&lat=30&crs=", "crs_unknown"),
        ("lon=122.1&lat=30&crs=epsg:3857", "crs_unknown"),
        ("lon=NaN&lat=30&crs=wgs84", "bad_parameter"),
        ("lon=inf&lat=30&crs=wgs84", "bad_parameter"),
        ("lon=1e999&lat=30&crs=wgs84", "bad_parameter"),
        ("lon=122,1&lat=30&crs=wgs84", "bad_parameter"),
        ("lon=181&lat=30&crs=wgs84", "out_of_range"),
        ("lon=122.1&lat=-90.1&crs=gcj02", "out_of_range"),
        ("lon=122.1&lat=30&crs=wgs84&lon=5", "duplicate_parameter"),
        ("lon=%ff&lat=30&crs=wgs84", "bad_parameter"),
    ] {
        get(&router, &format!("/api/v1/locate?{query}")).await.problem(400, code);
    }
}

#[tokio::test]
async fn a_body_past_the_limit_is_cut_off_at_the_limit() {
    let router = city::router().await;
    let limit = 4 << 20;
    let stated = post(&router, "/api/v1/locate", "application/json", vec![b' '; limit + 1]).await.problem(413, "body_too_large");
    assert_eq!(stated["limit_bytes"], limit);
    // Without a stated length it is read no further than the limit.
    let pieces = std::iter::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b' '; 1 << 20])));
    let endless = Body::from_stream(futures_util::stream::iter(pieces));
    post(&router, "/api/v1/locate", "application/json", endless).await.problem(413, "body_too_large");
    let torn: [Result<Bytes, std::io::Error>; 1] = [Err(std::io::Error::other("reset"))];
    post(&router, "/api/v1/locate", "application/json", Body::from_stream(futures_util::stream::iter(torn)))
        .await
        .problem(400, "body_unreadable");
}

#[tokio::test]
async fn foreign_hosts_unknown_addresses_and_wrong_methods_are_problems() {
    let router = city::router().await;
    for host in ["evil.example", "10.0.0.1:8080", "localhost.evil.example"] {
        let request = Request::get("/healthz").header("host", host).body(Body::empty()).unwrap();
        send(&router, request).await.problem(421, "foreign_host");
    }
    let absolute = Request::get("http://evil.example/healthz").body(Body::empty()).unwrap();
    send(&router, absolute).await.problem(421, "foreign_host");
    get(&router, "/api/v1/nothing").await.problem(404, "not_found");
    get(&router, "/no/such/file.js").await.problem(404, "not_found");
    get(&router, "/../../etc/passwd").await.problem(404, "not_found");
    let wrong = post(&router, "/api/v1/search", "application/json", "{}").await;
    wrong.problem(405, "method_not_allowed");
    assert_eq!(wrong.headers["allow"], "GET,HEAD");
    get(&router, "/api/v1/grids/%FF").await.problem(400, "bad_path");
}

#[tokio::test]
async fn every_answer_bears_the_request_id_of_its_caller_or_a_new_one() {
    let router = city::router().await;
    let with = |id: &'static str| Request::get("/healthz").header("x-request-id", id).body(Body::empty()).unwrap();
    assert_eq!(send(&router, with("wall-7.a_B")).await.headers["x-request-id"], "wall-7.a_B");
    assert_ne!(send(&router, with("<script>")).await.headers["x-request-id"], "<script>");
    assert_eq!(get(&router, "/healthz").await.headers["x-request-id"].len(), 16);
}

#[tokio::test]
async fn long_and_odd_codes_are_unknown_and_not_echoed_whole() {
    let router = city::router().await;
    let long = "9".repeat(5000);
    let problem = get(&router, &format!("/api/v1/grids/{long}")).await.problem(404, "unknown_code");
    assert_eq!(problem["given"].as_str().map(str::len), Some(64));
    get(&router, "/api/v1/regions/%3Cscript%3E").await.problem(404, "unknown_code");
    let long = format!("/api/v1/search?q={}", "x".repeat(300));
    get(&router, &long).await.problem(400, "bad_parameter");
}
