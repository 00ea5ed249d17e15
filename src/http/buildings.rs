//! `/api/v1/buildings`: footprints, storeys, households. Nothing about who lives there.

use super::asof::Boundaries;
use super::caller::Caller;
use super::error::{Answer, Problem};
use super::facilities::External;
use super::json::{List, Pages, json};
use super::outlines::{self, Geometry};
use super::path::InPath;
use super::query::{Bbox, Query, query};
use super::shapes::{self, Position};
use crate::app::cursor::Cursor;
use crate::app::standing::Filter;
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::city::Building;
use crate::domain::id::{BuildingId, Unit};
use crate::geom::{Area, LatticePoint};
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// Narrows the list; everything given must hold.
    pub struct BuildingsQuery {
        /// `west,south,east,north` in degrees; over the antimeridian `west` is larger than `east`. Footprints that meet it are in it.
        #[param(value_type = Option<String>)]
        bbox: Option<Bbox>,
        /// Code of a region or grid they belong to.
        within: Option<String>,
        ..set,
        /// Its name in another system: `system:id`.
        #[param(value_type = Option<String>)]
        external: Option<External>,
        ..page,
    }
}

query! {
    /// Of which grid set.
    pub struct BuildingQuery {
        ..set,
    }
}

/// A building.
#[derive(Debug, Serialize, ToSchema)]
pub struct BuildingShape<'a> {
    /// The store's key, also its feature id in tiles.
    id: i64,
    /// May be empty.
    name: &'a str,
    /// Storeys above the ground; null when unknown.
    storeys: Option<u16>,
    /// Households; null when unknown.
    households: Option<u32>,
    /// `[lon, lat]` of the building or inside its footprint; null when only its grid or region is known.
    position: Option<Position>,
    /// Whether its footprint is known.
    has_footprint: bool,
    /// The grid it belongs to: by its position, else as told; null when it is in none.
    grid: Option<&'a str>,
    /// The region or grid it stands in, as told; of one without a position.
    within: Option<&'a str>,
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

impl<'a> BuildingShape<'a> {
    /// As the view has it.
    pub(super) fn of(view: &'a View, one: &'a Building) -> Self {
        let record = &*one.record;
        let grid = view.standing_unit(one).and_then(Unit::grid);
        Self {
            id: record.id.0,
            name: &record.name,
            storeys: record.storeys,
            households: record.households,
            position: record.at().map(shapes::position),
            has_footprint: record.footprint().is_some(),
            grid: grid.map(|ix| view.territory.grid(ix).code.as_str()),
            within: record.within.as_ref().map(|code| code.as_str()),
            address: record.address.as_deref(),
            external_ids: &record.provenance.external_ids,
            source: record.provenance.source.as_deref(),
            source_date: record.provenance.source_date.map(|date| date.to_string()),
            version: record.version.0,
        }
    }
}

/// Buildings that pass, by their keys.
#[utoipa::path(get, path = "/api/v1/buildings", tag = "city", params(BuildingsQuery), responses((status = 200, body = List<BuildingShape>)))]
pub async fn all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<BuildingsQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let view = Boundaries::of(&query.set).view(&app, &actor).await?;
    let filter = Filter {
        boxes: query.bbox.map(|bbox| bbox.0).unwrap_or_default(),
        within: query.within.as_deref().map(|code| view.within(code)).transpose()?,
        external: query.external.map(External::into_parts),
    };
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    let work = move || {
        let found = view.buildings(&filter);
        json(&pages.sorted(&view, &found, |one| Cursor::new(0, one.record.id.0), |one| BuildingShape::of(&view, one)))
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

/// One building, from one revision.
#[derive(Debug, Serialize, ToSchema)]
pub struct BuildingAnswer<'a> {
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries its grid is from.
    epoch: u64,
    /// The land it covers, a GeoJSON MultiPolygon; null when that is not known.
    footprint: Option<Geometry>,
    /// The building.
    #[serde(flatten)]
    building: BuildingShape<'a>,
}

/// One building with its footprint.
#[utoipa::path(get, path = "/api/v1/buildings/{id}", tag = "city", params(("id" = i64, Path, description = "Its key"), BuildingQuery), responses((status = 200, body = BuildingAnswer)))]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    Query(query): Query<BuildingQuery>,
) -> Answer<Response> {
    let view = Boundaries::of(&query.set).view(&app, &actor).await?;
    let found = view.building(BuildingId(id)).ok_or(AppError::UnknownId { what: "building", id })?;
    let told = |p: LatticePoint| Ok::<_, Problem>(shapes::position(p));
    let footprint = found.record.footprint().map(|area: &Area| outlines::coordinates(area, told)).transpose()?;
    Ok(json(&BuildingAnswer {
        revision: view.city.revision.0,
        epoch: view.territory.epoch.0,
        footprint,
        building: BuildingShape::of(&view, found),
    }))
}
