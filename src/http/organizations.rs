//! `/api/v1/organizations`: party groups, mediation rooms, volunteer stations, police posts.

use super::asof::Boundaries;
use super::caller::Caller;
use super::error::{Answer, Problem};
use super::facilities::External;
use super::json::{List, Pages, json};
use super::path::InPath;
use super::query::{Bbox, Query, clipped, query};
use super::shapes::{self, Position};
use crate::app::cursor::Cursor;
use crate::app::organizations::Filter;
use crate::app::standing;
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::city::Organization;
use crate::domain::id::{OrganizationId, Unit};
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// Narrows the list; everything given must hold.
    pub struct OrganizationsQuery {
        /// `west,south,east,north` in degrees; over the antimeridian `west` is larger than `east`.
        #[param(value_type = Option<String>)]
        bbox: Option<Bbox>,
        /// Code of a region or grid they belong to.
        within: Option<String>,
        ..set,
        /// Categories, comma-separated.
        category: Option<String>,
        /// Its name in another system: `system:id`.
        #[param(value_type = Option<String>)]
        external: Option<External>,
        ..page,
    }
}

query! {
    /// Of which grid set.
    pub struct OrganizationQuery {
        ..set,
    }
}

/// An organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationShape<'a> {
    /// The store's key, also its feature id in tiles.
    id: i64,
    /// Its category: `party`, `mediation` …
    category: &'a str,
    /// Its name.
    name: &'a str,
    /// `[lon, lat]`; null when only its grid or region is known.
    position: Option<Position>,
    /// The grid it belongs to: by its position, else as told; null when it is in none.
    grid: Option<&'a str>,
    /// The region or grid it works for, as told.
    within: Option<&'a str>,
    /// When it is open, in words.
    hours: Option<&'a str>,
    /// Where it is, in words.
    address: Option<&'a str>,
    /// Its names in other systems.
    external_ids: &'a BTreeMap<String, String>,
    /// What the data is taken from.
    source: Option<&'a str>,
    /// The day the source describes.
    source_date: Option<String>,
    /// Counts its changes.
    version: u32,
}

impl<'a> OrganizationShape<'a> {
    /// As the view has it.
    pub(super) fn of(view: &'a View, one: &'a Organization) -> Self {
        let record = &*one.record;
        let grid = view.organization_unit(one).and_then(Unit::grid);
        Self {
            id: record.id.0,
            category: &record.category,
            name: &record.name,
            position: record.at.map(shapes::position),
            grid: grid.map(|ix| view.territory.grid(ix).code.as_str()),
            within: record.within.as_ref().map(|code| code.as_str()),
            hours: record.hours.as_deref(),
            address: record.address.as_deref(),
            external_ids: &record.provenance.external_ids,
            source: record.provenance.source.as_deref(),
            source_date: record.provenance.source_date.map(|date| date.to_string()),
            version: record.version.0,
        }
    }
}

/// Organizations that pass, by their keys.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "city", params(OrganizationsQuery), responses((status = 200, body = List<OrganizationShape>)))]
pub async fn all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<OrganizationsQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let view = Boundaries::of(&query.set).view(&app, &actor).await?;
    let standing = standing::Filter {
        boxes: query.bbox.map(|bbox| bbox.0).unwrap_or_default(),
        within: query.within.as_deref().map(|code| view.within(code)).transpose()?,
        external: query.external.map(External::into_parts),
    };
    let categories = query.category.as_deref().map(|words| categories_named(&view, words)).transpose()?.unwrap_or_default();
    let filter = Filter { standing, categories };
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    let work = move || {
        let found = view.organizations(&filter);
        json(&pages.sorted(&view, &found, |one| Cursor::new(0, one.record.id.0), |one| OrganizationShape::of(&view, one)))
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

fn categories_named(view: &View, words: &str) -> Answer<Vec<String>> {
    let known = |word: &str| match view.organization_category(word) {
        Some(category) => Ok(category.code.clone()),
        None => {
            let allowed: Vec<&str> = view.organization_categories().iter().map(|category| category.code.as_str()).collect();
            let detail = format!("{:?} is none of {}", clipped(word), allowed.join(", "));
            Err(Problem::bad_parameter("category", detail).with("allowed", allowed))
        }
    };
    words.split(',').map(known).collect()
}

/// One organization, from one revision.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationAnswer<'a> {
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries its grid is from.
    epoch: u64,
    /// The organization.
    #[serde(flatten)]
    organization: OrganizationShape<'a>,
}

/// One organization.
#[utoipa::path(get, path = "/api/v1/organizations/{id}", tag = "city", params(("id" = i64, Path, description = "Its key"), OrganizationQuery), responses((status = 200, body = OrganizationAnswer)))]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    Query(query): Query<OrganizationQuery>,
) -> Answer<Response> {
    let view = Boundaries::of(&query.set).view(&app, &actor).await?;
    let found = view.organization(OrganizationId(id)).ok_or(AppError::UnknownId { what: "organization", id })?;
    Ok(json(&OrganizationAnswer {
        revision: view.city.revision.0,
        epoch: view.territory.epoch.0,
        organization: OrganizationShape::of(&view, found),
    }))
}
