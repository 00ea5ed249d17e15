//! What each role may call: the route table against a table written here once more.

use super::access::{Carries, Served};
use super::filled;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tower::ServiceExt;
use wangge::http::{Need, TABLE};

/// What a token is made of, and the rights that open routes to it.
const CALLERS: &[(&str, &str, &[&str])] = &[
    ("viewer", r#"{"roles":["viewer"]}"#, &["read"]),
    ("officer", r#"{"roles":["officer"]}"#, &["read"]),
    ("operator", r#"{"roles":["operator"]}"#, &["read", "write"]),
    ("planner", r#"{"roles":["planner"]}"#, &["read", "write", "import", "export"]),
    ("admin", r#"{"roles":["admin"]}"#, &["read", "write", "import", "export", "metrics", "admin"]),
    ("auditor", r#"{"roles":["auditor"]}"#, &["audit"]),
    ("two", r#"{"roles":["auditor","viewer"]}"#, &["read", "audit"]),
    ("all", r#"{"roles":["auditor","admin"]}"#, &["read", "write", "import", "export", "metrics", "admin", "audit"]),
    // What has no part for a part of the city is nobody's who sees a part.
    ("admin of a grid", r#"{"roles":["admin","auditor"],"within":["330902001001001"]}"#, &["read", "write", "export", "admin"]),
    ("planner of a grid", r#"{"roles":["planner"],"within":["330902001001001"]}"#, &["read", "write", "export"]),
    ("screen", r#"{"roles":["admin","auditor"],"screen":"hall"}"#, &["read"]),
];

/// All routes that want another right than to read, so that none loses its right by a slip.
const GUARDED: &[(&str, &str, &str)] = &[
    ("DELETE", "/api/v1/facilities/{id}", "write"),
    ("DELETE", "/api/v1/sessions/{id}", "admin"),
    ("DELETE", "/api/v1/tokens/{id}", "admin"),
    ("GET", "/api/v1/audit", "audit"),
    ("GET", "/api/v1/imports", "import"),
    ("GET", "/api/v1/imports/{id}", "import"),
    ("GET", "/api/v1/imports/{id}/report", "import"),
    ("GET", "/api/v1/sessions", "admin"),
    ("GET", "/api/v1/sinks", "import"),
    ("GET", "/api/v1/sources", "import"),
    ("GET", "/api/v1/tokens", "admin"),
    ("GET", "/metrics", "metrics"),
    ("PATCH", "/api/v1/facilities/{id}", "write"),
    ("POST", "/api/v1/audit", "export"),
    ("POST", "/api/v1/facilities", "write"),
    ("POST", "/api/v1/imports", "import"),
    ("POST", "/api/v1/imports/{id}/undo", "import"),
    ("POST", "/api/v1/sources/{id}/run", "import"),
    ("POST", "/api/v1/tokens", "admin"),
];

#[test]
fn no_route_loses_its_right_by_a_slip() {
    let mut guarded: Vec<(&str, &str, &str)> = Vec::new();
    for (method, path, need) in TABLE {
        match need {
            Need::Right(right) if right.as_str() != "read" => guarded.push((method, path, right.as_str())),
            Need::Right(_) | Need::Known | Need::Nothing => {}
        }
    }
    guarded.sort_unstable();
    assert_eq!(guarded, GUARDED);
}

/// The status, and the problem if it is one that says so; streams do not end.
async fn asked(served: &Served, method: &str, path: &str, token: Option<&str>) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let response = served.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    if status < 400 {
        return (status, Value::Null);
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{method} {path}: {error}")))
}

#[tokio::test]
async fn each_route_is_open_to_those_who_have_its_right_and_to_nobody_else() {
    let served = Served::plain().await;
    let mut routes_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, token, rights) in CALLERS {
        let mut wanted: Value = serde_json::from_str(token).unwrap();
        wanted["name"] = json!(name);
        let (_, token) = served.token(wanted).await;
        for (method, path, need) in TABLE {
            let (status, problem) = asked(&served, method, &filled(path), Some(&token)).await;
            let told = format!("{name}: {method} {path}: {status} {problem}");
            match need {
                Need::Right(right) if !rights.contains(&right.as_str()) => {
                    assert_eq!(
                        (status, &problem["code"], &problem["right"]),
                        (403, &json!("denied"), &json!(right.as_str())),
                        "{told}"
                    );
                }
                Need::Right(right) => {
                    *routes_of.entry(right.as_str()).or_default() += 1;
                    assert!(![401, 403, 429, 500].contains(&status), "{told}");
                }
                Need::Known | Need::Nothing => assert!(![403, 429, 500].contains(&status), "{told}"),
            }
        }
    }
    let rights: BTreeSet<&str> = routes_of.into_keys().collect();
    assert_eq!(
        rights,
        BTreeSet::from(["admin", "audit", "export", "import", "metrics", "read", "write"]),
        "each right opens something"
    );
}

/// Addresses that stand in no row of the table, and what strangers are answered.
#[tokio::test]
async fn what_stands_in_no_row_of_the_table_tells_strangers_nothing() {
    let served = Served::plain().await;
    // Beside the table: the same page under another name, and methods that a route does not take.
    for (method, path) in [
        ("GET", "/ogc/"),
        ("HEAD", "/ogc"),
        ("HEAD", "/tiles/grids/12/3437/1685"),
        ("POST", "/ogc"),
        ("PUT", "/styles/dark.json"),
        ("OPTIONS", "/ogc/collections"),
        ("DELETE", "/api/v1/imports/1"),
        ("PATCH", "/api/v1/sessions/1"),
        ("TRACE", "/api/v1/me"),
    ] {
        let response = served.ask(method, path, Carries::Nothing, None).await;
        assert_eq!(response.status, 401, "{method} {path}");
    }
    // The viewer's files, which are the same everywhere; where the program was built without it, one page that says so.
    for path in ["/", "/index.html", "/g/330902001001001", "/favicon.ico", "/favicon.svg", "/assets/none.js", "/sw.js"] {
        let (status, _) = asked(&served, "GET", path, None).await;
        assert!(status == 200 || status == 404 && path != "/", "{path}: {status}");
    }
    // Everything else is no address, however near it comes to one.
    for path in [
        "//styles/dark.json",
        "/styles//dark.json",
        "/styles/",
        "/sprites",
        "//background.geojson",
        "/background.geojson/",
        "//api/v1/meta",
        "/api/v1/meta/",
        "/api/v1",
        "/api/v1/grids",
        "/API/V1/META",
        "/api/v1/./meta",
        "/x/../api/v1/meta",
        "/tiles/grids/12/3437",
        "/ogc//collections",
        "/ogc/collections/grids/map",
        "/metrics/",
        "/%61pi/v1/meta",
        "/openapi.json/",
        "/docs/",
        "/city.gpkg",
    ] {
        let (status, problem) = asked(&served, "GET", path, None).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{path}");
    }
}
