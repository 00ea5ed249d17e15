//! `/api/v1/tokens`: secrets that stand for callers.

use super::access::own_page;
use super::caller::Caller;
use super::error::{Answer, Problem};
use super::facility_writes::json_body;
use super::json::json;
use super::members::{Member, Members};
use super::path::InPath;
use super::query::{NoQuery, Query};
use crate::app::App;
use crate::app::access::TokenRecord;
use crate::app::access::tokens::Wanted;
use crate::domain::code::Code;
use crate::domain::scope::{Role, Scope};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// A token to be made.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenBody)]
#[allow(dead_code, reason = "only its schema is used; bodies are read member by member, so that a fault names its field")]
pub(super) struct TokenBody {
    /// Whose it is; into the change log and the audit.
    name: String,
    /// `viewer`, `officer`, `operator`, `planner`, `admin`, `auditor`.
    roles: Vec<String>,
    /// The codes at or below which it sees everything; null: the whole city.
    within: Option<Vec<String>>,
    /// The screen that it is bound to: it only reads then.
    screen: Option<String>,
    /// From when on it is good for nothing, RFC 3339; null: until it is revoked.
    ends_at: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenShape {
    /// Its key.
    pub id: i64,
    /// Whose it is.
    pub name: String,
    /// What its bearer is.
    pub roles: Vec<String>,
    /// The codes at or below which it sees everything; null: the whole city.
    pub within: Option<Vec<String>>,
    /// The screen that it is bound to.
    pub screen: Option<String>,
    /// When it was made.
    pub made_at: String,
    /// By whom.
    pub made_by: String,
    /// From when on it is good for nothing.
    pub ends_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// The secret, in the answer that makes it and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// All tokens that ever were.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensAnswer {
    /// By their keys.
    items: Vec<TokenShape>,
}

impl TokenShape {
    /// With its secret, when it was made just now.
    pub fn of(record: TokenRecord, token: Option<String>) -> Self {
        Self {
            id: record.id,
            name: record.name,
            roles: record.roles.iter().map(ToString::to_string).collect(),
            within: match record.scope {
                Scope::All => None,
                Scope::Within(codes) => Some(codes.iter().map(ToString::to_string).collect()),
            },
            screen: record.screen,
            made_at: record.made_at.to_string(),
            made_by: record.made_by,
            ends_at: record.ends_at.map(|end| end.to_string()),
            revoked_at: record.revoked_at.map(|end| end.to_string()),
            token,
        }
    }
}

/// All tokens, those that are good for nothing any more too.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "access", params(NoQuery), responses((status = 200, body = TokensAnswer)))]
pub async fn all(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>) -> Answer<Response> {
    let items = app.tokens(&actor)?.into_iter().map(|record| TokenShape::of(record, None)).collect();
    Ok(json(&TokensAnswer { items }))
}

/// Makes a token. Its secret is in this answer and can be had nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "access", params(NoQuery), request_body(content = inline(TokenBody), content_type = "application/json"),
    responses((status = 201, body = TokenShape)))]
pub async fn make(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>, request: Request) -> Answer<Response> {
    own_page(&app, request.headers())?;
    let (_, bytes) = json_body(request, &["application/json"]).await?;
    let wanted = wanted(&bytes)?;
    let (record, secret) = app.token_make(&actor, wanted).await?;
    let mut response = json(&TokenShape::of(record, Some(secret.text())));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Revokes a token: the next request with it is refused, streams and sessions that began with it end.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "access", params(NoQuery, ("id" = i64, Path, description = "Its key")),
    responses((status = 200, body = TokenShape)))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    own_page(&app, &headers)?;
    Ok(json(&TokenShape::of(app.token_revoke(&actor, id).await?, None)))
}

fn wanted(bytes: &[u8]) -> Answer<Wanted> {
    let mut members = Members::of(bytes)?;
    let name = members.text("name", 200)?.never_null("name")?.ok_or_else(|| Problem::missing_field("name"))?;
    let roles = match list(&mut members, "roles")? {
        Member::Is(words) => words,
        _ => return Err(Problem::missing_field("roles")),
    };
    let roles = roles.iter().map(|word| word.parse::<Role>().map_err(|why| Problem::bad_field("roles", why)));
    let roles = roles.collect::<Answer<Vec<Role>>>()?;
    let scope = match list(&mut members, "within")? {
        Member::Is(codes) => {
            let codes = codes.iter().map(|code| Code::new(code).map_err(|why| Problem::bad_field("within", why)));
            Scope::within(codes.collect::<Answer<Vec<Code>>>()?)
        }
        Member::Absent | Member::Null => Scope::All,
    };
    let screen = members.text("screen", 200)?.or_none().flatten();
    let ends_at = members.parsed::<Timestamp>("ends_at")?.or_none().flatten();
    members.end()?;
    Ok(Wanted { name, roles, scope, screen, ends_at })
}

/// A member that is a list of texts.
fn list(members: &mut Members, field: &'static str) -> Answer<Member<Vec<String>>> {
    members.take(field).map(|value| match value {
        Value::Array(items) if items.len() <= 1000 => {
            items.into_iter().map(|item| super::members::text(field, item, 200)).collect()
        }
        _ => Err(Problem::bad_field(field, "takes a list of texts")),
    })
}
