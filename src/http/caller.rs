//! Who is calling.

use crate::app::Actor;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

/// The caller of a request: the one that an access check has put there, else `local`, the only one there is until there are tokens.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Actor>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        static LOCAL: LazyLock<Arc<Actor>> = LazyLock::new(|| Arc::new(Actor::local()));
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self(Arc::clone(&LOCAL))))
    }
}
