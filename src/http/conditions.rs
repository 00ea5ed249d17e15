//! Headers that make a request depend on a state: `If-Match` and `ETag` (RFC 9110), `Idempotency-Key`, `Min-Revision`.

use super::error::{Answer, Problem, ProblemCode};
use crate::app::Once;
use crate::app::facility_writes::Meant;
use crate::domain::hash::hash64_of_parts;
use crate::domain::id::{Revision, Version};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// `Idempotency-Key`.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `Min-Revision`.
pub const MIN_REVISION: HeaderName = HeaderName::from_static("min-revision");

/// Longest idempotency key.
const MOST_KEY: usize = 255;

fn bad_header(name: &HeaderName, detail: &str) -> Problem {
    Problem::new(ProblemCode::BadHeader, format!("{name}: {detail}")).with("field", name.as_str())
}

/// The entity tag of a version.
pub fn etag(version: Version) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("digits between quotes are a header value")
}

/// The version that a write means; it must say so.
pub fn if_match(headers: &HeaderMap) -> Answer<Meant> {
    let mut versions = Vec::new();
    let mut given = false;
    for value in headers.get_all(header::IF_MATCH) {
        given = true;
        let text = value.to_str().map_err(|_| bad_header(&header::IF_MATCH, "takes entity tags"))?;
        if text.trim() == "*" {
            return Ok(Meant::Any);
        }
        for tag in text.split(',').map(str::trim) {
            let quoted = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let Some(version) = quoted else {
                return Err(bad_header(&header::IF_MATCH, "takes entity tags in quotes, as ETag gave them, or *"));
            };
            // Another tag, and any weak one, is not the one this object has.
            if let Ok(version) = version.parse()
                && !tag.starts_with("W/")
            {
                versions.push(Version(version));
            }
        }
    }
    match given {
        true => Ok(Meant::OneOf(versions)),
        false => {
            let detail = "this write needs If-Match with the ETag of the object as it was read";
            Err(Problem::new(ProblemCode::IfMatchRequired, detail).with("field", "if-match"))
        }
    }
}

/// The name that a caller gave to a write, and what it asks for.
pub fn once(headers: &HeaderMap, address: &str, body: &serde_json::Value) -> Answer<Option<Once>> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let plain = key.to_str().ok().filter(|key| (1..=MOST_KEY).contains(&key.len()));
    let (Some(key), None) = (plain, keys.next()) else {
        return Err(bad_header(&IDEMPOTENCY_KEY, "takes one text of 1 to 255 visible ASCII characters"));
    };
    Ok(Some(Once { key: key.to_owned(), request: hash64_of_parts([address, &body.to_string()]) }))
}

/// The event that a client of a stream has seen last.
pub fn last_event(headers: &HeaderMap) -> Answer<Option<Revision>> {
    const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
    let Some(value) = headers.get(&LAST_EVENT_ID).filter(|value| !value.is_empty()) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(|number| Some(Revision(number))).ok_or_else(|| bad_header(&LAST_EVENT_ID, "takes the id of an event"))
}

/// The revision that an answer must not be older than.
pub fn min_revision(headers: &HeaderMap) -> Answer<Option<Revision>> {
    let Some(value) = headers.get(MIN_REVISION) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(|number| Some(Revision(number))).ok_or_else(|| bad_header(&MIN_REVISION, "takes a whole number from 0 up"))
}
