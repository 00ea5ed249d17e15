//! `/healthz`, `/readyz`, `/metrics`: for those who keep the server running.

use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::json::json;
use super::metrics as meter;
use super::query::{NoQuery, Query};
use crate::app::App;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The process runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    status: &'static str,
    /// Of the program.
    version: &'static str,
}

/// The process runs.
#[utoipa::path(get, path = "/healthz", tag = "operation", params(NoQuery), responses((status = 200, body = Health)))]
pub async fn healthz(_: Query<NoQuery>) -> Response {
    json(&Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The city is loaded and the store answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Always `ready`.
    status: &'static str,
    /// The change log's number that is loaded.
    revision: u64,
    /// The boundaries in force.
    epoch: u64,
    /// Committed changes that are not loaded yet.
    behind: u64,
    /// Seconds since the database answered last, or took writes; absent while it does, and where the city is in a file. The server is ready
    /// all the same: lookups and tiles go on from memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_away_s: Option<u64>,
    /// Changes that were acknowledged and that the database lost, since the server was started: it fell back to an older state.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
    /// Thematic layers whose source could not be read the last time: what was good last is shown. The city is ready without them.
    stale_layers: Vec<String>,
    /// Sources that are held, since they lost many rows, or could not be read or taken. The city stays as it is.
    sources: Vec<String>,
    /// Sinks that could not be written.
    sinks: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Ready {
    status: &'static str,
}

/// Loaded, store reachable (or followed: see `store_away_s`); where callers are told apart only they are told how far behind.
#[utoipa::path(get, path = "/readyz", tag = "operation", params(NoQuery), responses((status = 200, body = Readiness)))]
pub async fn readyz(State(app): State<Arc<App>>, _: Query<NoQuery>, who: Option<Extension<Caller>>) -> Answer<Response> {
    let behind = app.behind().await.map_err(|error| {
        tracing::warn!(%error, "the store does not answer");
        Problem::new(ProblemCode::NotReady, "the store does not answer")
    })?;
    app.applier
        .alive()
        .map_err(|_| Problem::new(ProblemCode::NotReady, "changes are no longer taken up: start the server anew"))?;
    // Whoever is nobody here is told that the server is ready, and nothing of the city.
    if app.access().is_some() && who.is_none() {
        return Ok(json(&Ready { status: "ready" }));
    }
    let city = app.published.load();
    let stale_layers = app.outside.stale().into_iter().map(str::to_owned).collect();
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let (sources, sinks) = (owned(app.sources().in_trouble()), owned(app.sinks().in_trouble()));
    let (store_away_s, lost) = (app.store_away_s(), app.standing().map(|standing| standing.lost));
    let (revision, epoch) = (city.revision.0, city.epoch().0);
    Ok(json(&Readiness { status: "ready", revision, epoch, behind, store_away_s, lost, stale_layers, sources, sinks }))
}

const SOURCE_AGE: &str = "Since the city last said what a source says; infinite: it never did.";
const SOURCE_HELD: &str = "1 while a source is held, since it lost many rows.";
const SOURCE_FAILING: &str = "1 while a source cannot be read or taken.";
const SINK_BEHIND: &str = "1 while a sink lacks the boundaries in force, or nobody knows.";

/// Counters and present values as Prometheus reads them.
#[utoipa::path(get, path = "/metrics", tag = "operation", params(NoQuery), responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn metrics(State(app): State<Arc<App>>, _: Query<NoQuery>) -> Response {
    let city = app.published.load();
    let others = app.outside.counts();
    let standing = app.standing();
    let behind = standing.map_or(0, |standing| standing.stored.0.saturating_sub(city.revision.0));
    let now = app.clock.now();
    let mut of_each = Vec::new();
    for (source, state, _) in app.sources().list() {
        let id = source.about.id.clone();
        let age = state.age_s(now).map_or(f64::INFINITY, |age| age as f64);
        of_each.push(("wangge_source_age_seconds", SOURCE_AGE, ("source", id.clone()), age));
        of_each.push(("wangge_source_held", SOURCE_HELD, ("source", id.clone()), f64::from(u8::from(state.held.is_some()))));
        of_each.push(("wangge_source_failing", SOURCE_FAILING, ("source", id), f64::from(u8::from(state.problem.is_some()))));
    }
    for (sink, state) in app.sinks().list() {
        of_each.push(("wangge_sink_behind", SINK_BEHIND, ("sink", sink.id.clone()), f64::from(u8::from(state.behind))));
    }
    let text = meter::text(
        &of_each,
        &[
            ("wangge_revision", "The change log's number that is loaded.", city.revision.0 as f64),
            ("wangge_behind", "Committed changes of other servers that are not loaded yet.", behind as f64),
            (
                "wangge_store_away_seconds",
                "Since when the database does not answer or takes no writes; 0 while it does.",
                app.store_away_s().unwrap_or(0) as f64,
            ),
            (
                "wangge_lost_revisions",
                "Acknowledged changes that the database lost since the start.",
                standing.map_or(0, |standing| standing.lost) as f64,
            ),
            ("wangge_epoch", "The boundaries in force.", city.epoch().0 as f64),
            ("wangge_grids", "Grids in force.", city.territory.grids.len() as f64),
            ("wangge_facilities", "Facilities.", city.facilities.len() as f64),
            ("wangge_facilities_outside", "Facilities outside every grid.", f64::from(city.facilities.outside())),
            ("wangge_open_cases", "Open cases.", city.cases.len() as f64),
            ("wangge_staff", "Members of staff.", city.staff.len() as f64),
            ("wangge_event_streams", "Viewers that are connected to the stream of events.", app.live.viewers() as f64),
            ("wangge_upstream_requests", "Requests sent to servers of others for maps and layers.", others.asked as f64),
            ("wangge_upstream_failures", "Those of them that had no answer to work with.", others.failed as f64),
            ("wangge_map_cache_bytes", "Bytes of other people's tiles in memory.", others.in_memory as f64),
            ("wangge_map_cache_folder_bytes", "Bytes of other people's tiles in the folder.", others.on_disk as f64),
            (
                "wangge_stale_layers",
                "Thematic layers whose source could not be read the last time.",
                app.outside.stale().len() as f64,
            ),
            ("wangge_tile_cache_bytes", "Bytes of finished tiles in memory.", app.tiles.bytes() as f64),
        ],
    );
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"))], text).into_response()
}
