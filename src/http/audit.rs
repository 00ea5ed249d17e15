//! `/api/v1/audit`: who did what.

use super::caller::Caller;
use super::error::{Answer, Problem};
use super::json::{Limit, json};
use super::query::{Query, clipped, query};
use crate::app::access::audit::Filter;
use crate::app::{App, AppError};
use crate::domain::audit::{Action, AuditRow};
use axum::extract::State;
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
pub async fn rows(State(app): State<Arc<App>>, Caller(actor): Caller, Query(query): Query<AuditQuery>) -> Answer<Response> {
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
    app.noted(&actor, None, Action::ReadAudit, "audit", asked).await.map_err(|error: AppError| Problem::from(error))?;
    Ok(json(&AuditAnswer { items: found.into_iter().map(shape).collect(), next_after }))
}
