//! Request bodies with a bound: read up to a limit and cut off there; checked for their type; parsed with the place of the fault.

use super::error::{Answer, Problem, ProblemCode};
use super::pressure::{BodyRoom, body_room};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::Duration;

/// How long a body, or the next piece of a streamed one, may take to arrive.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A body, and its share of the memory that all of them have.
struct Whole {
    bytes: Vec<u8>,
    _room: Vec<BodyRoom>,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The whole body, at most `limit` bytes. A longer one is refused at its stated length, or cut off when it says none.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Answer<Bytes> {
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    tokio::time::timeout(PATIENCE, whole(body, limit)).await.map_err(|_| timed_out())?
}

async fn whole(body: Body, limit: usize) -> Answer<Bytes> {
    let (mut bytes, mut room) = (Vec::new(), Vec::new());
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let unreadable = |_| Problem::new(ProblemCode::BodyUnreadable, "the body ended early or could not be read");
        let piece = piece.map_err(unreadable)?;
        if piece.len() > limit - bytes.len() {
            return Err(too_large(limit));
        }
        // What is there takes room, not what is announced: an announcement costs nobody anything.
        while bytes.len() + piece.len() > room.len() * BodyRoom::BYTES {
            room.push(body_room()?);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Bytes::from_owner(Whole { bytes, _room: room }))
}

/// Refuses a body in a content coding: none is decoded.
pub fn as_it_is(headers: &HeaderMap) -> Answer<()> {
    let coding = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    match headers.get_all(header::CONTENT_ENCODING).iter().find(|value| coding(value)) {
        None => Ok(()),
        Some(coding) => {
            let coding = String::from_utf8_lossy(coding.as_bytes()).chars().take(64).collect::<String>();
            let detail = format!("a body in the Content-Encoding {coding:?} is not decoded; send it as it is");
            Err(Problem::new(ProblemCode::UnsupportedMediaType, detail))
        }
    }
}

/// The client took too long.
pub fn timed_out() -> Problem {
    Problem::new(
        ProblemCode::BodyTimedOut,
        format!("the body, or its next piece, did not arrive within {} s", PATIENCE.as_secs()),
    )
}

fn too_large(limit: usize) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge, format!("the body is larger than {limit} bytes")).with("limit_bytes", limit)
}

/// The media type without parameters, lower-case; empty when absent.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What is wrong with a JSON body, with line and column.
pub fn bad_json(error: &serde_json::Error) -> Problem {
    Problem::new(ProblemCode::BadJson, error.to_string()).with("line", error.line()).with("column", error.column())
}
