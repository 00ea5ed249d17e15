//! Error answers: `application/problem+json` (RFC 9457) with a stable `code`. The only file that knows error statuses.

use crate::app::{AppError, UpstreamError};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

macro_rules! codes {
    ($($name:ident $text:literal $status:literal $title:literal;)*) => {
        /// What went wrong, as a word clients may key on. Codes are added, never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemCode { $(#[doc = $title] $name),* }

        impl ProblemCode {
            /// Every code: the word, the status it comes with, the title.
            pub const TABLE: &[(Self, &'static str, u16, &'static str)] = &[$((Self::$name, $text, $status, $title)),*];
        }
    };
}

codes! {
    UnknownParameter "unknown_parameter" 400 "A query parameter is not known here";
    DuplicateParameter "duplicate_parameter" 400 "A query parameter stands twice";
    MissingParameter "missing_parameter" 400 "A required query parameter is missing";
    BadParameter "bad_parameter" 400 "A query parameter has a value it cannot have";
    ConflictingParameters "conflicting_parameters" 400 "Two query parameters exclude each other";
    BadPath "bad_path" 400 "A part of the path has a value it cannot have";
    CrsRequired "crs_required" 400 "A position must name its crs";
    CrsUnknown "crs_unknown" 400 "The crs is not known";
    OutOfRange "out_of_range" 400 "A position is out of range";
    BadCursor "bad_cursor" 400 "The cursor does not belong to this list";
    BadJson "bad_json" 400 "The body is not JSON of the expected shape";
    BadPoint "bad_point" 400 "One of the points is not a position";
    TooManyPoints "too_many_points" 400 "More points than one request may hold";
    BadCsv "bad_csv" 400 "The CSV has no usable header line";
    BadField "bad_field" 400 "A member of the body has a value it cannot have";
    UnknownField "unknown_field" 400 "A member of the body is not known here";
    MissingField "missing_field" 400 "A required member of the body is missing";
    BadMultipart "bad_multipart" 400 "The body is not multipart/form-data as its type says";
    BadHeader "bad_header" 400 "A header has a value it cannot have";
    BodyUnreadable "body_unreadable" 400 "The body ended early or could not be decoded";
    Unauthorized "unauthorized" 401 "Nobody knows who is calling";
    Denied "denied" 403 "The caller may not do that";
    ForeignOrigin "foreign_origin" 403 "The request comes from a page of another site";
    OutsideCoverage "outside_coverage" 404 "No grid here";
    UnknownCode "unknown_code" 404 "No region or grid has this code";
    UnknownLayer "unknown_layer" 404 "No such layer";
    OutsideZooms "outside_zooms" 404 "The layers have no tiles at this zoom";
    UnknownBasemap "unknown_basemap" 404 "No such base map";
    UnknownSource "unknown_source" 404 "No such source";
    UnknownSet "unknown_set" 404 "No such grid set";
    UnknownEpoch "unknown_epoch" 404 "No such epoch";
    NoBoundaries "no_boundaries" 404 "No boundaries were in force then";
    UnknownId "unknown_id" 404 "Nothing has this id";
    NoCallers "no_callers" 404 "The server does not tell callers apart";
    NoAddresses "no_addresses" 404 "The city has no addresses";
    NotFound "not_found" 404 "Nothing has this address";
    MethodNotAllowed "method_not_allowed" 405 "This address does not take that method";
    BodyTimedOut "body_timed_out" 408 "The body did not arrive in time";
    CodeTaken "code_taken" 409 "Another object has this code";
    Touched "touched" 409 "Rows of the import were changed since";
    Held "held" 409 "The source lost many rows: a person has to accept that";
    CannotUndo "cannot_undo" 409 "The import cannot be taken back";
    Stale "stale" 412 "It was changed meanwhile";
    BodyTooLarge "body_too_large" 413 "The body is larger than this address takes";
    UnsupportedMediaType "unsupported_media_type" 415 "The body has a type this address does not take";
    ForeignHost "foreign_host" 421 "The Host header names another machine";
    KeyReused "key_reused" 422 "The idempotency key was given to another write";
    TooManyRequests "too_many_requests" 429 "The caller asks too much";
    IfMatchRequired "if_match_required" 428 "A write to an object must say which version it means";
    Internal "internal" 500 "The server made a mistake";
    UpstreamFailed "upstream_failed" 502 "The server that this comes from gave no answer to work with";
    Busy "busy" 503 "The server is at its limit";
    TimedOut "timed_out" 503 "The answer took too long";
    StoreAway "store_away" 503 "The store takes no writes for now";
    Unsure "unsure" 503 "Whether the write was done is not known";
    NotReady "not_ready" 503 "The server is not ready";
    Behind "behind" 503 "The revision asked for is not here yet";
    UpstreamTimedOut "upstream_timed_out" 504 "The server that this comes from took too long";
}

impl ProblemCode {
    fn row(self) -> &'static (Self, &'static str, u16, &'static str) {
        &Self::TABLE[self as usize]
    }

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The status that goes with it.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().2).expect("the table holds valid statuses")
    }

    /// A short title, the same for every occurrence.
    pub fn title(self) -> &'static str {
        self.row().3
    }
}

/// An error answer. Members beside the standard ones say what is needed to mend it (`field`, `allowed` …).
#[derive(Debug, Clone)]
pub struct Problem {
    code: ProblemCode,
    detail: String,
    members: Map<String, Value>,
}

/// The member that says after how many seconds it may be tried again; the header `Retry-After` says the same.
pub const RETRY_AFTER: &str = "retry_after_s";

/// Handlers answer with `?`; a problem is small beside a response.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    /// `detail` is for people: what was given, what would be right. Starts lower-case.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), members: Map::new() }
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// A query parameter `field` has a value it cannot have.
    pub fn bad_parameter(field: &str, detail: impl std::fmt::Display) -> Self {
        Self::new(ProblemCode::BadParameter, format!("{field}: {detail}")).with("field", field)
    }

    /// A member `field` of the body has a value it cannot have.
    pub fn bad_field(field: &str, detail: impl std::fmt::Display) -> Self {
        Self::new(ProblemCode::BadField, format!("{field}: {detail}")).with("field", field)
    }

    /// A member `field` of the body is required.
    pub fn missing_field(field: &str) -> Self {
        Self::new(ProblemCode::MissingField, format!("{field} is required")).with("field", field)
    }

    /// Its code.
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    /// In words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The members beside the standard ones.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The body and headers of the answer, with the id of its request, in place of what `response` held.
    pub(super) fn write_into(self, response: &mut Response, request_id: Option<&str>) {
        let status = self.code.status();
        let again = self.members.get(RETRY_AFTER).and_then(Value::as_u64);
        let again = again.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(1));
        let mut body = json!({
            "type": format!("/docs#{}", self.code.as_str()),
            "title": self.code.title(),
            "status": status.as_u16(),
            "detail": self.detail,
            "code": self.code.as_str(),
        });
        let object = body.as_object_mut().expect("made as an object above");
        if let Some(id) = request_id {
            object.insert("request_id".to_owned(), id.into());
        }
        object.extend(self.members);
        *response.status_mut() = status;
        *response.body_mut() = Body::from(body.to_string());
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(again.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))));
    }
}

impl IntoResponse for Problem {
    /// Leaves the problem in the response; [`super::guard`] writes the body, since it knows the request id.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        use ProblemCode as C;
        let detail = error.to_string();
        match &error {
            AppError::UnknownCode { code, .. } => Self::new(C::UnknownCode, detail).with("given", code.as_str()),
            AppError::UnknownEpoch { epoch, latest } => {
                Self::new(C::UnknownEpoch, detail).with("given", epoch.0).with("latest", latest.0)
            }
            AppError::UnknownSet { set, known } => Self::new(C::UnknownSet, detail)
                .with("field", "set")
                .with("given", set.as_str())
                .with("allowed", known.as_slice()),
            AppError::NoBoundaries { .. } => Self::new(C::NoBoundaries, detail),
            AppError::NoCallers => Self::new(C::NoCallers, detail),
            AppError::Denied { right } | AppError::OfPart { right } => Self::new(C::Denied, detail).with("right", right.as_str()),
            AppError::UnknownId { id, .. } => Self::new(C::UnknownId, detail).with("given", *id),
            AppError::UnknownName { what, name, known } => {
                let code = match *what {
                    "layer" => C::UnknownLayer,
                    "source" => C::UnknownSource,
                    _ => C::UnknownBasemap,
                };
                Self::new(code, detail).with("given", name.as_str()).with("allowed", known.as_slice())
            }
            AppError::Upstream { error, .. } => {
                let code = match error {
                    UpstreamError::TimedOut(_) => C::UpstreamTimedOut,
                    UpstreamError::Busy => C::Busy,
                    _ => C::UpstreamFailed,
                };
                Self::new(code, detail)
            }
            AppError::Outdated { current } => {
                let version = (current.0 > 0).then_some(current.0);
                Self::new(C::Stale, detail).with("version", version)
            }
            AppError::KeyReused(key) => Self::new(C::KeyReused, detail).with("given", key.as_str()),
            AppError::Missing(field) => Self::missing_field(field),
            AppError::Refused { field, detail } => Self::bad_field(field, detail),
            AppError::CodeTaken { id, .. } => {
                let problem = Self::new(C::CodeTaken, detail).with("field", "code");
                id.map_or(problem.clone(), |id| problem.with("id", id))
            }
            AppError::Touched { total, some, .. } => {
                Self::new(C::Touched, detail).with("touched", *total).with("rows", some.clone())
            }
            AppError::CannotUndo { .. } => Self::new(C::CannotUndo, detail),
            AppError::Behind { revision, .. } => Self::new(C::Behind, detail).with("revision", revision.0),
            AppError::Stopping => Self::new(C::NotReady, detail),
            AppError::Away => Self::new(C::StoreAway, detail).with(RETRY_AFTER, 5),
            AppError::Unsure => Self::new(C::Unsure, detail),
            AppError::BadCursor => Self::new(C::BadCursor, detail).with("field", "cursor"),
            AppError::Busy => Self::new(C::Busy, detail),
            AppError::Panicked
            | AppError::Import(_)
            | AppError::Outside(_)
            | AppError::Store(_)
            | AppError::TimeZone(_)
            | AppError::Damaged { .. } => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(error = detail, cause, "a request failed");
                Self::new(C::Internal, "the server could not answer; its log says why")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_word_and_stands_once_in_the_order_of_the_enum() {
        for (at, (code, word, status, _)) in ProblemCode::TABLE.iter().enumerate() {
            assert_eq!(*code as usize, at);
            assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{word}");
            assert!((400..600).contains(status));
            assert_eq!(ProblemCode::TABLE.iter().filter(|row| row.1 == *word).count(), 1);
        }
    }
}
