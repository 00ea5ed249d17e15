//! `GET /api/v1/events`: what happens, as `text/event-stream`.

use super::caller::Caller;
use super::conditions::last_event;
use super::error::Answer;
use super::query::{Bbox, Query, Word, given, one_of, query};
use crate::app::App;
use crate::app::access::Known;
use crate::app::live::Asked;
use crate::domain::code::Code;
use crate::domain::id::Revision;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;
use std::sync::Arc;

query! {
    /// What to hear of.
    pub struct EventsQuery {
        /// Comma-separated: `tiles`, `resync`; both when absent. `resync` is always told.
        #[param(value_type = Option<String>)]
        kinds: Option<Kinds>,
        /// Only what is near this region or grid.
        #[param(value_type = Option<String>)]
        within: Option<Code>,
        /// Only what is near this box: `west,south,east,north` in degrees.
        #[param(value_type = Option<String>)]
        bbox: Option<Bbox>,
        /// The revision that was seen last: what changed since is told first. Absent: from now on.
        since: Option<u64>,
    }
}

/// Kinds of events.
#[derive(Debug, Clone, Copy)]
pub struct Kinds {
    tiles: bool,
}

given!(Kinds);

impl Word for Kinds {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let mut kinds = Self { tiles: false };
        for word in text.split(',') {
            kinds.tiles |= one_of(field, word, &[("tiles", true), ("resync", false)])?;
        }
        Ok(kinds)
    }
}

/// A stream of events that does not end. `tiles` names tiles of a layer that show something else now (`z/x/y`, or `z/x/y/*` for
/// one and all below it; `"all": true` for the whole layer). `resync` says that some were missed: everything has to be loaded
/// again. The id of an event is the revision up to which everything was told; a client that comes back sends it as
/// `Last-Event-ID`, which EventSource does.
#[utoipa::path(get, path = "/api/v1/events", tag = "city",
    params(EventsQuery, ("Last-Event-ID" = Option<u64>, Header, description = "Goes before since")),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<EventsQuery>,
    known: Option<Extension<Known>>,
    headers: HeaderMap,
) -> Answer<Response> {
    let asked = Asked {
        tiles: query.kinds.is_none_or(|kinds| kinds.tiles),
        within: query.within,
        boxes: query.bbox.map(|bbox| bbox.0).unwrap_or_default(),
        since: last_event(&headers)?.or(query.since.map(Revision)),
        known: known.map(|known| known.0),
    };
    let watching = app.watch(&actor, asked)?;
    let pieces = futures_util::stream::unfold(watching, async |mut watching| {
        let piece = watching.next().await?;
        Some((Ok::<_, Infallible>(piece), watching))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // nginx would hold it back.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
