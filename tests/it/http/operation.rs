use super::{city, get};
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

#[tokio::test]
async fn health_readiness_and_metrics_answer() {
    let router = city::router().await;
    assert_eq!(get(&router, "/healthz").await.ok()["status"], "ok");
    let ready = get(&router, "/readyz").await.ok();
    assert_eq!((&ready["status"], &ready["behind"], &ready["epoch"]), (&json!("ready"), &json!(0), &json!(2)));
    get(&router, "/api/v1/grids/unknown").await;
    let metrics = get(&router, "/metrics").await;
    let text = metrics.text();
    assert!(text.contains("wangge_facilities 42"), "{text}");
    assert!(text.contains(r#"wangge_http_requests_total{route="/readyz",status="2xx"}"#), "{text}");
    assert!(text.contains(r#"wangge_http_request_seconds_bucket{route="/api/v1/grids/{code}",le="#), "{text}");
}

#[tokio::test]
async fn readiness_tells_how_far_memory_is_behind_the_store() {
    let app = city::app().await;
    let meta = app.store.meta().await.unwrap();
    app.store.meta_set(wangge::store::Meta { title: "x".to_owned(), ..meta }, "test", city::now()).await.unwrap();
    assert_eq!(get(&wangge::http::router(app), "/readyz").await.ok()["behind"], 1);
}

#[tokio::test]
async fn docs_explain_every_error_code_and_need_no_script() {
    let router = city::router().await;
    let docs = get(&router, "/docs").await.text();
    for word in ["crs_required", "outside_coverage", "unknown_parameter", "/api/v1/locate"] {
        assert!(docs.contains(word), "{word}");
    }
    assert!(!docs.contains("<script") && !docs.contains("https://"));
}

#[tokio::test]
async fn a_city_before_its_first_import_answers_without_land() {
    let meta = wangge::store::Meta::new("empty", wangge::interchange::profile::standard());
    let config = wangge::config::Config::new("unused.gpkg".into());
    let app = wangge::app::App::open(wangge::store::Store::memory(meta), config, wangge::clock::Clock::fixed(city::now()))
        .await
        .unwrap();
    let router = wangge::http::router(Arc::new(app));
    let meta = get(&router, "/api/v1/meta").await.ok();
    assert_eq!((&meta["epoch"], &meta["bbox"], &meta["root"]), (&json!(0), &json!(null), &json!([])));
    let outside = get(&router, "/api/v1/locate?lon=1&lat=2&crs=wgs84").await.problem(404, "outside_coverage");
    assert_eq!(outside["nearest"], json!(null));
    get(&router, "/api/v1/locate?lon=1&lat=2&crs=wgs84&at=2026-01-01").await.problem(404, "no_boundaries");
    assert_eq!(get(&router, "/api/v1/facilities").await.ok()["number_matched"], 0);
}

#[tokio::test]
async fn the_server_listens_on_loopback_only() {
    let refused = wangge::http::bind("0.0.0.0:0".parse().unwrap(), false).await.unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
}

#[tokio::test]
async fn the_map_says_whose_it_is_and_under_which_number_it_was_approved() {
    let told = wangge::config::Config {
        attribution: vec!["某局".to_owned()],
        map_approval: Some("GS(2024)1234号".to_owned()),
        ..city::config()
    };
    let clock = wangge::clock::Clock::fixed(city::now());
    let app = wangge::app::App::open(city::store().await, told, clock).await.unwrap();
    let router = wangge::http::router(Arc::new(app));
    let meta = get(&router, "/api/v1/meta").await.ok();
    assert_eq!((&meta["attribution"], &meta["map_approval"]), (&json!(["test data", "某局"]), &json!("GS(2024)1234号")));
    assert_eq!(get(&router, "/tiles/grids").await.ok()["attribution"], "test data · 某局 · 审图号 GS(2024)1234号");
    let silent = get(&city::router().await, "/api/v1/meta").await.ok();
    assert_eq!(silent["map_approval"], json!(null));
}

#[test]
fn a_map_that_others_see_is_not_served_without_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["serve", "--data", "city.gpkg", "--listen", "127.0.0.1:0", "--base-url", "https://map.example"];
    let refused =
        std::process::Command::new(env!("CARGO_BIN_EXE_wangge")).args(arguments).current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("审图号") && told.contains("attribution") && told.contains("https://map.example"), "{told}");
}

#[tokio::test]
async fn over_a_socket_requests_are_answered_until_the_server_is_stopped() {
    let listener = wangge::http::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(wangge::http::serve(listener, city::router().await, async {
        let _ = stopped.await;
    }));
    let mut socket = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 4096];
        let n = socket.read(&mut answer).await.unwrap();
        assert!(answer[..n].starts_with(b"HTTP/1.1 200 OK"));
    }
    stop.send(()).unwrap();
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
