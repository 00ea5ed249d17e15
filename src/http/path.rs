//! Parts of the path.

use super::error::{Answer, Problem, ProblemCode};
use super::query::clipped;
use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// axum's `Path` with our errors.
#[derive(Debug)]
pub struct InPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let path: Result<axum::extract::Path<T>, PathRejection> = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|rejection| Problem::new(ProblemCode::BadPath, what_is_wrong(rejection)))
    }
}

/// In the words of who wrote the address, not of our types.
fn what_is_wrong(rejection: PathRejection) -> String {
    if let PathRejection::FailedToDeserializePathParams(failed) = &rejection
        && let ErrorKind::ParseError { value, expected_type }
        | ErrorKind::ParseErrorAtKey { value, expected_type, .. }
        | ErrorKind::ParseErrorAtIndex { value, expected_type, .. } = failed.kind()
    {
        let kind = if expected_type.starts_with(['i', 'u']) { "a whole number in range" } else { expected_type };
        return format!("{:?} is not {kind}", clipped(value));
    }
    rejection.body_text()
}
