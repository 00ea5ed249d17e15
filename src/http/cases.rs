//! `GET /api/v1/cases`: open cases.

use super::asof::Boundaries;
use super::caller::Caller;
use super::error::Answer;
use super::json::{List, Pages, json};
use super::query::{Query, Word, given, one_of, query};
use super::shapes::{self, CaseShape};
use crate::app::cases::{Filter, pressing};
use crate::app::{App, AppError};
use crate::domain::case::CaseState;
use crate::domain::id::Unit;
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;

query! {
    /// Narrows the list; everything given must hold.
    pub struct CasesQuery {
        /// Code of a region (cases without a position that are known to be in it included) or of a grid.
        within: Option<String>,
        ..set,
        /// Where it stands in the workflow.
        #[param(schema_with = crate::http::query::case_state_schema)]
        state: Option<CaseState>,
        /// Matter category; two characters stand for a whole major category.
        category: Option<String>,
        /// Overdue, or not.
        overdue: Option<bool>,
        ..page,
    }
}

given!(CaseState);

impl Word for CaseState {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        one_of(field, text, &Self::TABLE.map(|(state, word)| (word, state)))
    }
}

/// Open cases, the most pressing first: overdue, then urgent, then by due time.
#[utoipa::path(get, path = "/api/v1/cases", tag = "city", params(CasesQuery), responses((status = 200, body = List<CaseShape>)))]
pub async fn all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<CasesQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let view = Boundaries::of(&query.set).view(&app, &actor).await?;
    let within = query.within.as_deref().map(|code| view.within(code)).transpose()?;
    let filter = Filter { within, state: query.state, category: query.category, overdue: query.overdue };
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    let work = move || {
        let (cases, zone) = (view.cases(&filter), shapes::zone(&view));
        json(&pages.sorted(
            &view,
            &cases,
            |case| pressing(case),
            |case| {
                let grid = view.unit_of(case).and_then(Unit::grid).map(|ix| view.territory.grid(ix).code.as_str());
                CaseShape::of(&view, case, grid, &zone)
            },
        ))
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}
