//! `/api/v1/sessions`: browsers that are logged in, and putting them out.

use super::access::own_page;
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::json::json;
use super::path::InPath;
use super::query::{NoQuery, Query, clipped};
use crate::app::App;
use crate::app::access::SessionRecord;
use crate::domain::scope::Scope;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A browser that is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionShape {
    /// What it is called by here; nothing that its browser shows.
    id: String,
    /// Whose it is, as in the audit.
    caller: String,
    /// As people call them.
    name: Option<String>,
    /// What they are.
    roles: Vec<&'static str>,
    /// The codes at or below which they see everything; null: the whole city.
    within: Option<Vec<String>>,
    /// The screen that it is bound to.
    screen: Option<String>,
    /// Key of the token that it began with; null: somebody logged in elsewhere.
    token: Option<i64>,
    /// When it began.
    begun_at: String,
    /// When it was used last.
    seen_at: String,
    /// When it ends, however much it is used.
    ends_at: String,
}

/// All sessions that last.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsAnswer {
    /// By when they began.
    items: Vec<SessionShape>,
}

impl SessionShape {
    fn of(record: SessionRecord) -> Self {
        Self {
            id: record.id(),
            caller: record.bearer.id,
            name: record.bearer.name,
            roles: record.bearer.roles.iter().map(|role| role.as_str()).collect(),
            within: match record.bearer.scope {
                Scope::All => None,
                Scope::Within(codes) => Some(codes.iter().map(ToString::to_string).collect()),
            },
            screen: record.bearer.screen,
            token: record.token,
            begun_at: record.begun_at.to_string(),
            seen_at: record.seen_at.to_string(),
            ends_at: record.ends_at.to_string(),
        }
    }
}

/// Who is logged in with a browser, in the caller's part of the city.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "access", params(NoQuery), responses((status = 200, body = SessionsAnswer)))]
pub async fn all(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>) -> Answer<Response> {
    Ok(json(&SessionsAnswer { items: app.sessions(&actor)?.into_iter().map(SessionShape::of).collect() }))
}

/// Ends a session: the next request with it is refused, its streams end.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "access", params(NoQuery, ("id" = String, Path, description = "Its id")),
    responses((status = 200, body = SessionShape)))]
pub async fn put_out(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<String>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    own_page(&app, &headers)?;
    let unknown =
        || Problem::new(ProblemCode::UnknownId, format!("no session has the id {:?}", clipped(&id))).with("given", clipped(&id));
    let ended = app.session_put_out(&actor, &id).await?.ok_or_else(unknown)?;
    Ok(json(&SessionShape::of(ended)))
}
