//! `/…/outline` and `/…/outlines`: GeoJSON (RFC 7946), in the CRS that was asked for.

use super::asof;
use super::caller::Caller;
use super::error::Answer;
use super::grids::{Asked, asked};
use super::json::geojson;
use super::path::InPath;
use super::query::{self, Query, query};
use super::regions::{grid_level_name, level_name, level_named};
use super::shapes::{self, Position};
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::domain::id::{GridIx, RegionIx};
use crate::geom::{Area, Crs, LatticePoint, Polygon};
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A GeoJSON Feature with one outline.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outline<'a> {
    /// Always `Feature`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The code.
    id: &'a str,
    /// `[west, south, east, north]` in the same CRS; null without land.
    bbox: Option<[f64; 4]>,
    /// A MultiPolygon; null without land.
    geometry: Option<Geometry>,
    /// What it is.
    properties: OutlineProperties<'a>,
}

/// A GeoJSON MultiPolygon.
#[derive(Debug, Serialize, ToSchema)]
pub struct Geometry {
    /// Always `MultiPolygon`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Exteriors counter-clockwise, holes clockwise, first position repeated at the end.
    coordinates: Vec<Vec<Vec<Position>>>,
}

/// What an outline is of.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutlineProperties<'a> {
    /// Its code, as the feature's id.
    pub code: &'a str,
    /// Name of its level.
    pub level: &'a str,
    /// May be empty.
    pub name: &'a str,
    /// The region above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<&'a str>,
    /// The boundaries it is from.
    pub epoch: u64,
    /// CRS of the coordinates.
    pub crs: &'static str,
    /// A point inside its largest part, in the same CRS; null without land.
    pub label_point: Option<Position>,
}

/// What a feature is made from.
struct Subject<'a> {
    code: &'a str,
    level: &'a str,
    name: &'a str,
    parent: Option<&'a str>,
    epoch: u64,
    area: Area,
    /// Inside its largest part.
    label: Option<LatticePoint>,
}

/// GeoJSON FeatureCollection of outlines.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outlines<'a> {
    /// Always `FeatureCollection`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The boundaries they are from.
    pub epoch: u64,
    /// How many there are.
    pub number_matched: usize,
    /// One a region or grid, in depth-first order.
    pub features: Vec<Outline<'a>>,
}

query! {
    /// In which CRS, in the boundaries of when.
    pub struct OutlineQuery {
        /// CRS of the coordinates: `wgs84` (default), `cgcs2000`, `gcj02` or `bd09`.
        #[param(schema_with = query::crs_schema)]
        crs: Option<Crs>,
        ..boundaries,
    }
}

query! {
    /// Which level, in which CRS, in the boundaries of when.
    pub struct OutlinesQuery {
        /// Name of the level; the level below the region when absent.
        level: Option<String>,
        /// CRS of the coordinates: `wgs84` (default), `cgcs2000`, `gcj02` or `bd09`.
        #[param(schema_with = query::crs_schema)]
        crs: Option<Crs>,
        ..boundaries,
    }
}

/// The outline of a region as a GeoJSON Feature.
#[utoipa::path(get, path = "/api/v1/regions/{code}/outline", tag = "city", params(("code" = String, Path, description = "Code of the region"), OutlineQuery), responses((status = 200, content_type = "application/geo+json", body = Outline)))]
pub async fn region(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<OutlineQuery>,
) -> Answer<Response> {
    let view = asof::boundaries!(query).view(&app, &actor).await?;
    let (ix, _) = view.region(&code)?;
    one(&app, query.crs, move |answer| answer(region_subject(&view, ix))).await
}

/// The outline of a grid as a GeoJSON Feature; of a closed code that of the last boundaries it lived in.
#[utoipa::path(get, path = "/api/v1/grids/{code}/outline", tag = "city", params(("code" = String, Path, description = "Code of the grid"), OutlineQuery), responses((status = 200, content_type = "application/geo+json", body = Outline)))]
pub async fn grid(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<OutlineQuery>,
) -> Answer<Response> {
    let Asked { view, ix, .. } = asked(&app, &actor, &code, asof::boundaries!(query)).await?;
    one(&app, query.crs, move |answer| answer(grid_subject(&view, ix))).await
}

/// The feature of one subject, made where it may take its time.
async fn one(
    app: &App,
    crs: Option<Crs>,
    make: impl FnOnce(&dyn Fn(Subject<'_>) -> Answer<Response>) -> Answer<Response> + Send + 'static,
) -> Answer<Response> {
    let crs = crs.unwrap_or(Crs::Wgs84);
    let work = move || make(&|subject| outline_of(subject, crs).map(|outline| geojson(&outline)));
    app.compute.run(work).await.map_err(AppError::from)?
}

/// The outlines of everything of one level below a region as a GeoJSON FeatureCollection.
#[utoipa::path(get, path = "/api/v1/regions/{code}/outlines", tag = "city", params(("code" = String, Path, description = "Code of the region"), OutlinesQuery), responses((status = 200, content_type = "application/geo+json", body = Outlines)))]
pub async fn below(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<OutlinesQuery>,
) -> Answer<Response> {
    let view = asof::boundaries!(query).view(&app, &actor).await?;
    let (ix, region) = view.region(&code)?;
    let scheme = &view.territory.scheme;
    let level = match &query.level {
        Some(name) => level_named(scheme, name)?,
        None => (region.level + 1).min(scheme.grid_level()),
    };
    let crs = query.crs.unwrap_or(Crs::Wgs84);
    app.compute.run(move || outlines_of(&view, ix, level, crs)).await.map_err(AppError::from)?
}

fn outlines_of(view: &View, ix: RegionIx, level: usize, crs: Crs) -> Answer<Response> {
    let territory = &*view.territory;
    let region = territory.region(ix);
    let subjects: Box<dyn Iterator<Item = Subject>> = if level == territory.scheme.grid_level() {
        Box::new(region.grids.clone().map(|at| grid_subject(view, GridIx(at))))
    } else {
        let below = region.subtree.clone().map(RegionIx).filter(move |ix| territory.region(*ix).level == level);
        Box::new(below.map(|ix| region_subject(view, ix)))
    };
    let features = subjects.map(|subject| outline_of(subject, crs)).collect::<Answer<Vec<_>>>()?;
    Ok(geojson(&Outlines { kind: "FeatureCollection", epoch: territory.epoch.0, number_matched: features.len(), features }))
}

fn region_subject(view: &View, ix: RegionIx) -> Subject<'_> {
    let territory = &*view.territory;
    let region = territory.region(ix);
    Subject {
        code: region.code.as_str(),
        level: level_name(&territory.scheme, region),
        name: &region.name,
        parent: region.parent.map(|ix| territory.region(ix).code.as_str()),
        epoch: territory.epoch.0,
        area: territory.outline_region(ix),
        label: region.label,
    }
}

fn grid_subject(view: &View, ix: GridIx) -> Subject<'_> {
    let territory = &*view.territory;
    let grid = territory.grid(ix);
    Subject {
        code: grid.code.as_str(),
        level: grid_level_name(&territory.scheme),
        name: &grid.name,
        parent: grid.parent.map(|ix| territory.region(ix).code.as_str()),
        epoch: territory.epoch.0,
        area: territory.outline_grid(ix),
        label: Some(grid.label),
    }
}

/// The feature of a subject in a CRS.
fn outline_of<'a>(subject: Subject<'a>, crs: Crs) -> Answer<Outline<'a>> {
    let Subject { code, level, name, parent, epoch, area, label } = subject;
    let told = |p: LatticePoint| -> Answer<Position> {
        let p = crs.from_cgcs2000(p.lonlat()).map_err(|error| query::out_of_range("crs", error))?;
        // Seven decimals are a centimetre, which is what the lattice holds.
        Ok(Position([tidy(p.lon()), tidy(p.lat())]))
    };
    let label_point = label.map(told).transpose()?;
    let properties = OutlineProperties { code, level, name, parent, epoch, crs: crs.name(), label_point };
    let geometry = (!area.is_empty()).then(|| coordinates(&area, told)).transpose()?;
    let bbox = match (crs, &geometry) {
        (Crs::Wgs84 | Crs::Cgcs2000, _) => area.bbox().map(shapes::bbox),
        (_, geometry) => geometry.as_ref().map(|geometry| box_of(&geometry.coordinates)),
    };
    Ok(Outline { kind: "Feature", id: code, bbox, geometry, properties })
}

/// An area as GeoJSON; `told` says where a point is in the CRS asked for.
pub(super) fn coordinates(area: &Area, told: impl Fn(LatticePoint) -> Answer<Position>) -> Answer<Geometry> {
    let ring = |ring: &Vec<LatticePoint>| ring.iter().chain(ring.first()).map(|p| told(*p)).collect::<Answer<Vec<Position>>>();
    let polygon =
        |polygon: &Polygon| std::iter::once(&polygon.exterior).chain(&polygon.holes).map(ring).collect::<Answer<Vec<_>>>();
    Ok(Geometry { kind: "MultiPolygon", coordinates: area.polygons().iter().map(polygon).collect::<Answer<Vec<_>>>()? })
}

fn box_of(coordinates: &[Vec<Vec<Position>>]) -> [f64; 4] {
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    coordinates.iter().flatten().flatten().fold(start, |[west, south, east, north], Position([lon, lat])| {
        [west.min(*lon), south.min(*lat), east.max(*lon), north.max(*lat)]
    })
}

fn tidy(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}
