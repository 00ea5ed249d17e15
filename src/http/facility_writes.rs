//! One facility: read, added, changed, removed.

use super::body;
use super::caller::Caller;
use super::conditions::{etag, if_match, once};
use super::error::{Answer, Problem, ProblemCode};
use super::facilities::FacilityShape;
use super::json::json;
use super::members::{Members, text};
use super::path::InPath;
use super::query::{NoQuery, Query, clipped, out_of_range};
use crate::app::facility_writes::{Patch, Written};
use crate::app::{App, Once};
use crate::domain::facility::{FacilityState, OriginalPosition};
use crate::domain::id::FacilityId;
use crate::geom::{Crs, LatticePoint};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Most bytes of a facility as a body.
const MOST_BYTES: usize = 128 << 10;
/// Most characters of a name, a source, a name in another system.
const MOST_TEXT: usize = 200;
/// Most characters of a code; as at import.
const MOST_CODE: usize = 64;

/// A facility to be added, or, of one that is there, what is to change (RFC 7396): an absent member stays, null takes it away.
#[derive(Serialize, ToSchema)]
#[schema(as = FacilityBody)]
#[allow(dead_code, reason = "only its schema is used; bodies are read member by member, so that a fault names its field")]
pub(super) struct FacilityBody {
    /// `[lon, lat]` in `crs`. Required of a new facility.
    position: Option<[f64; 2]>,
    /// CRS of the position: `wgs84`, `cgcs2000`, `gcj02` or `bd09`. Goes with it.
    crs: Option<String>,
    /// Component category in the profile. Required of a new facility.
    category: Option<String>,
    /// The city's own identifier; nobody else's.
    code: Option<String>,
    /// At most 200 characters.
    name: Option<String>,
    /// `intact`, `damaged`, `lost`, `abandoned` or `removed`.
    state: Option<String>,
    /// Since when, `YYYY-MM-DD`. A state that changes without it has the present day.
    state_date: Option<String>,
    /// Accuracy class: A ±0.5 m, B ±1 m, C ±10 m.
    accuracy: Option<String>,
    /// Names in other systems, system: id.
    external_ids: Option<BTreeMap<String, Option<String>>>,
    /// What the data is taken from.
    source: Option<String>,
    /// The day the source describes, `YYYY-MM-DD`.
    source_date: Option<String>,
    /// Everything else, at most 32 KiB.
    #[schema(value_type = Object)]
    properties: Option<serde_json::Map<String, Value>>,
}

/// A facility and the revision up to which that is true.
#[derive(Debug, Serialize, ToSchema)]
pub struct FacilityAnswer {
    /// The change log's number.
    revision: u64,
    /// The facility.
    #[serde(flatten)]
    facility: FacilityShape,
}

/// A facility that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct FacilityGone {
    /// The change log's number after it.
    revision: u64,
    /// The store's key, never given again.
    id: i64,
}

fn answered(status: StatusCode, asked: FacilityId, written: Written) -> Response {
    let revision = written.revision.0;
    let tag = written.record.as_ref().map(|record| etag(record.version));
    let id = written.record.as_ref().map_or(asked, |record| record.id);
    let mut response = match written.record {
        Some(record) => json(&FacilityAnswer { revision, facility: FacilityShape::stored(record) }),
        None => json(&FacilityGone { revision, id: id.0 }),
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
    if status == StatusCode::CREATED {
        let place = HeaderValue::from_str(&format!("/api/v1/facilities/{id}")).expect("an address of digits is a header value");
        headers.insert(header::LOCATION, place);
    }
    if written.repeated {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// One facility. Its `ETag` is what a change has to name.
#[utoipa::path(get, path = "/api/v1/facilities/{id}", tag = "city", params(NoQuery, ("id" = i64, Path, description = "The store's key")),
    responses((status = 200, body = FacilityAnswer)))]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    _: Query<NoQuery>,
) -> Answer<Response> {
    let revision = app.published.load().revision;
    let record = Some(app.facility(&actor, FacilityId(id)).await?);
    Ok(answered(StatusCode::OK, FacilityId(id), Written { record, revision, repeated: false }))
}

/// Adds a facility where it stands; outside every grid it is kept with grid null. Answered when every reader sees it.
#[utoipa::path(post, path = "/api/v1/facilities", tag = "city",
    params(NoQuery, ("Idempotency-Key" = Option<String>, Header, description = "A name for this write: sent again, it is answered as the first time. Kept for 30 days")),
    request_body(content = FacilityBody), responses((status = 201, body = FacilityAnswer)))]
pub async fn create(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>, request: Request) -> Answer<Response> {
    let (headers, bytes) = json_body(request, &["application/json"]).await?;
    let patch = patch(&bytes, false)?;
    let once = named(&headers, "POST /api/v1/facilities", &bytes)?;
    let written = app.facility_create(&actor, patch, once).await?;
    Ok(answered(StatusCode::CREATED, FacilityId(0), written))
}

/// Changes a facility. Moved over a border it belongs to the other grid in the same commit.
#[utoipa::path(patch, path = "/api/v1/facilities/{id}", tag = "city",
    params(NoQuery, ("id" = i64, Path, description = "The store's key"),
        ("If-Match" = String, Header, description = "The ETag it had when it was read; * for any"),
        ("Idempotency-Key" = Option<String>, Header, description = "A name for this write: sent again, it is answered as the first time. Kept for 30 days")),
    request_body(content((FacilityBody = "application/merge-patch+json"), (FacilityBody = "application/json"))),
    responses((status = 200, body = FacilityAnswer)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    _: Query<NoQuery>,
    request: Request,
) -> Answer<Response> {
    let meant = if_match(request.headers())?;
    let (headers, bytes) = json_body(request, &["application/merge-patch+json", "application/json"]).await?;
    let patch = patch(&bytes, true)?;
    let once = named(&headers, &format!("PATCH /api/v1/facilities/{id}"), &bytes)?;
    let written = app.facility_change(&actor, (FacilityId(id), meant), patch, once).await?;
    Ok(answered(StatusCode::OK, FacilityId(id), written))
}

/// Removes a facility from the city for good. One that was taken away from its place is changed to the state `removed` instead.
#[utoipa::path(delete, path = "/api/v1/facilities/{id}", tag = "city",
    params(NoQuery, ("id" = i64, Path, description = "The store's key"),
        ("If-Match" = String, Header, description = "The ETag it had when it was read; * for any"),
        ("Idempotency-Key" = Option<String>, Header, description = "A name for this write: sent again, it is answered as the first time. Kept for 30 days")),
    responses((status = 200, body = FacilityGone)))]
pub async fn remove(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let meant = if_match(&headers)?;
    let once = named(&headers, &format!("DELETE /api/v1/facilities/{id}"), b"null")?;
    let written = app.facility_remove(&actor, (FacilityId(id), meant), once).await?;
    Ok(answered(StatusCode::OK, FacilityId(id), written))
}

/// The name of a write, which stands for its address, the version it means and its body.
fn named(headers: &HeaderMap, address: &str, bytes: &[u8]) -> Answer<Option<Once>> {
    let asked = serde_json::from_slice(bytes).map_err(|error| body::bad_json(&error))?;
    let meant = headers.get_all(header::IF_MATCH).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let address = meant.fold(address.to_owned(), |address, tag| format!("{address} {tag}"));
    once(headers, &address, &asked)
}

/// A body of one of some media types.
pub(super) async fn json_body(request: Request, allowed: &[&str]) -> Answer<(HeaderMap, bytes::Bytes)> {
    let (parts, stream) = request.into_parts();
    body::as_it_is(&parts.headers)?;
    let given = body::media_type(&parts.headers);
    // Pages of other sites can send texts and forms here without being asked, but nothing of these types.
    if !allowed.contains(&given.as_str()) {
        let detail = format!("content-type {:?} is none of {}", clipped(&given), allowed.join(", "));
        return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail).with("allowed", allowed));
    }
    let bytes = body::read(&parts.headers, stream, MOST_BYTES).await?;
    Ok((parts.headers, bytes))
}

/// What a body asks for. Only a change (`merges`) may take names in other systems away.
fn patch(bytes: &[u8], merges: bool) -> Answer<Patch> {
    let mut members = Members::of(bytes)?;
    let place = match members.position()? {
        None => None,
        Some((told, crs)) => {
            let at = crs.to_cgcs2000(told).map_err(|error| out_of_range("position", error))?;
            let same = matches!(crs, Crs::Cgcs2000 | Crs::Wgs84);
            Some((LatticePoint::nearest(at), (!same).then_some(OriginalPosition { crs, position: told })))
        }
    };
    let code = members.text("code", MOST_CODE)?.map(|code| match code.trim() {
        "" => Err(Problem::bad_field("code", "is empty; null says that there is none")),
        code => Ok(code.to_owned()),
    })?;
    let name = members.text("name", MOST_TEXT)?;
    let external_ids = members.object("external_ids")?.map(|names| {
        let id = |(system, id): (String, Value)| match id {
            _ if system.is_empty() || system.contains(':') || system.chars().count() > MOST_TEXT => {
                Err(Problem::bad_field("external_ids", "a system has a name of 1 to 200 characters without a colon"))
            }
            Value::Null if merges => Ok((system, None)),
            id => Ok((system, Some(text("external_ids", id, MOST_TEXT)?))),
        };
        names.into_iter().map(id).collect::<Answer<BTreeMap<_, _>>>()
    })?;
    let patch = Patch {
        place,
        code: code.or_none(),
        category: members.text("category", MOST_CODE)?.never_null("category")?,
        name: name.or_none().map(Option::unwrap_or_default),
        state: members.parsed::<FacilityState>("state")?.never_null("state")?,
        state_date: members.parsed("state_date")?.or_none(),
        accuracy: members.text("accuracy", MOST_CODE)?.or_none(),
        external_ids: external_ids.or_none(),
        source: members.text("source", MOST_TEXT)?.or_none(),
        source_date: members.parsed("source_date")?.or_none(),
        properties: members.object("properties")?.or_none(),
    };
    members.end()?;
    Ok(patch)
}
