//! The HTTP contract over a small city made by hand; modules mirror the URL tree.

mod access;
mod addresses;
mod audit;
mod bad_input;
mod beidou;
mod bounds;
mod buildings;
mod changes;
pub(crate) mod city;
mod contract;
mod events;
mod facilities;
mod facility_writes;
#[cfg(target_os = "linux")]
mod floods;
mod followers;
mod grids;
mod imports;
mod keys;
mod locate;
mod locate_streams;
mod log_in;
mod logs;
mod nearby;
mod ogc;
mod operation;
mod organizations;
mod outside;
mod random_writes;
mod regions;
mod reload;
mod revoked;
mod rights;
mod scope;
mod search;
mod sets;
#[cfg(target_os = "linux")]
mod several;
mod sources;
mod tiles;
mod transport;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// An answer read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    /// The problem of a failure, which must be one with this status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"].as_str(), self.headers["x-request-id"].to_str().ok(), "{problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string() && problem["type"].is_string(), "{problem}");
        problem
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub(crate) async fn get(router: &Router, uri: &str) -> Answer {
    send(router, Request::get(uri).header("host", "localhost:8080").body(Body::empty()).unwrap()).await
}

pub(crate) async fn post(router: &Router, uri: &str, media_type: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(uri).header("host", "127.0.0.1:8080").header("content-type", media_type);
    send(router, request.body(body.into()).unwrap()).await
}

/// A path of the table with something in each of its places; no key is that of something.
pub(crate) fn filled(path: &str) -> String {
    let code = if path.contains("/grids/") { city::GRID_1 } else { "3309" };
    let code = if path.contains("/beidou/") { "N51H" } else { code };
    path.replace("{code}", code)
        .replace("{id}", "987654")
        .replace("{layers}", "grids")
        .replace("{z}/{x}/{y}", "12/3437/1685")
        .replace("{z}/{row}/{column}", "12/1685/3437")
        .replace("{collection}", "grids")
        .replace("{set}", "WebMercatorQuad")
        .replace("{feature}", city::GRID_1)
        .replace("{part}", "x")
        .replace("{file}", "dark.json")
        .replace("{*path}", "x.json")
}
