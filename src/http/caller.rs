//! Who is calling, and what they have seen already.

use super::conditions::min_revision;
use super::error::{Answer, Problem, ProblemCode};
use crate::app::{Actor, App};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::{Arc, LazyLock};

/// The caller of a request: the one that an access check has put there, else `local`, the only one there is until there are tokens.
/// A caller who names a revision (`Min-Revision`) is let in when this server has it.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Actor>);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Self> {
        static LOCAL: LazyLock<Arc<Actor>> = LazyLock::new(|| Arc::new(Actor::local()));
        if let Some(wanted) = min_revision(&parts.headers)? {
            app.reached(wanted).await?;
        }
        match (parts.extensions.get::<Self>(), app.access()) {
            (Some(known), _) => Ok(Self(app.here(&known.0))),
            (None, None) => Ok(Self(app.here(&LOCAL))),
            // A route that needs nobody asks for nobody.
            (None, Some(_)) => Err(Problem::new(ProblemCode::Unauthorized, "nobody said who is calling")),
        }
    }
}
