//! `/api/v1/audit`: who did what.

use super::access::{Client, own_page};
use super::caller::Caller;
use super::error::{Answer, Problem};
use super::facility_writes::json_body;
use super::json::{Limit, json};
use super::members::Members;
use super::query::{NoQuery, Query, clipped, query};
use crate::app::access::audit::Filter;
use crate::app::{App, AppError};
use crate::domain::audit::{Action, AuditRow};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// What is looked for; everything given must hold.
    pub struct AuditQuery {
        /// By whom.
        actor: Option<String>,
        /// What: `log_in`, `log_in_failed`, `denied` …
        action: Option<String>,
        /// From then on, RFC 3339.
        from: Option<String>,
        /// Before then, RFC 3339.
        until: Option<String>,
        /// Only rows behind this number: where the next page begins.
        after: Option<u64>,
        /// Rows of a page, 1 to 10,000; 100 when absent.
        #[param(schema_with = super::query::limit_schema)]
        limit: Option<Limit>,
    }
}

/// A row of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditShape {
    /// Its number; the chain has no holes.
    number: u64,
    /// When.
    at: String,
    /// Who; empty when nobody knows.
    actor: String,
    /// From which address.
    address: Option<String>,
    /// What.
    action: &'static str,
    /// On what.
    object: String,
    /// What else is to be known.
    #[schema(value_type = Object)]
    detail: Value,
    /// SHA-256 over all that it says and the row before.
    hash: String,
}

/// Rows in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditAnswer {
    /// Oldest first.
    items: Vec<AuditShape>,
    /// `after` of the next page; null: there is none.
    next_after: Option<u64>,
}

/// What was taken away as a file.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportNote)]
#[allow(dead_code, reason = "only its schema is used; bodies are read member by member, so that a fault names its field")]
pub(super) struct NoteBody {
    /// Always `export`: other deeds are noted where they are done.
    action: String,
    /// What it holds: `facilities 120, csv`. At most 200 characters.
    object: String,
}

fn shape(row: AuditRow) -> AuditShape {
    AuditShape {
        number: row.number,
        at: row.deed.at.to_string(),
        actor: row.deed.actor,
        address: row.deed.address,
        action: row.deed.action.as_str(),
        object: row.deed.object,
        detail: row.deed.detail,
        hash: row.hash.to_string(),
    }
}

fn instant(field: &'static str, text: Option<&str>) -> Answer<Option<Timestamp>> {
    text.map(|text| text.parse().map_err(|error| Problem::bad_parameter(field, format_args!("{error}")))).transpose()
}

/// Rows of the audit that pass. To read them is noted too.
#[utoipa::path(get, path = "/api/v1/audit", tag = "access", params(AuditQuery), responses((status = 200, body = AuditAnswer)))]
pub async fn rows(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    client: Option<Extension<Client>>,
    Query(query): Query<AuditQuery>,
) -> Answer<Response> {
    let action = query.action.as_deref().map(|word| {
        let allowed = || Action::words().collect::<Vec<_>>();
        let unknown = || Problem::bad_parameter("action", format_args!("{:?} is none", clipped(word))).with("allowed", allowed());
        Action::named(word).ok_or_else(unknown)
    });
    let filter = Filter {
        actor: query.actor.clone(),
        action: action.transpose()?,
        from: instant("from", query.from.as_deref())?,
        until: instant("until", query.until.as_deref())?,
    };
    let limit = query.limit.unwrap_or(Limit::DEFAULT).0;
    if query.after.is_some_and(|after| i64::try_from(after).is_err()) {
        return Err(Problem::bad_parameter("after", "is a number of no row"));
    }
    let (found, next_after) = app.audit_rows(&actor, &filter, query.after.unwrap_or(0), limit).await?;
    let asked =
        json!({ "actor": query.actor, "action": query.action, "from": query.from, "until": query.until, "rows": found.len() });
    app.noted(&actor, Client::text(client), Action::ReadAudit, "audit", asked)
        .await
        .map_err(|error: AppError| Problem::from(error))?;
    Ok(json(&AuditAnswer { items: found.into_iter().map(shape).collect(), next_after }))
}

/// Notes that something was made a file which the server had shown already: the viewer's own files, and those of the command line. On the
/// disk when it is answered; nothing is noted where callers are not told apart.
#[utoipa::path(post, path = "/api/v1/audit", tag = "access", params(NoQuery), request_body(content = inline(NoteBody), content_type = "application/json"),
    responses((status = 204)))]
pub async fn note(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    client: Option<Extension<Client>>,
    _: Query<NoQuery>,
    request: Request,
) -> Answer<StatusCode> {
    own_page(&app, request.headers())?;
    let (_, bytes) = json_body(request, &["application/json"]).await?;
    let mut members = Members::of(&bytes)?;
    let required =
        |members: &mut Members, field| members.text(field, 200)?.never_null(field)?.ok_or_else(|| Problem::missing_field(field));
    let (action, object) = (required(&mut members, "action")?, required(&mut members, "object")?);
    members.end()?;
    if action != Action::Export.as_str() {
        return Err(Problem::bad_field("action", "takes export alone: other deeds are noted where they are done"));
    }
    app.noted(&actor, Client::text(client), Action::Export, &object, json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}
