//! `/api/v1/regions/…`: the hierarchy above the grids.

use super::access::with_phones;
use super::asof::{self, Boundaries};
use super::caller::Caller;
use super::error::{Answer, Problem};
use super::json::{List, Pages, json};
use super::path::InPath;
use super::query::{Query, clipped, query};
use super::shapes::{self, CountsShape, RegionName, Team};
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::domain::id::{GridIx, RegionIx};
use crate::domain::scheme::Scheme;
use crate::territory::Region;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// One region.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegionAnswer<'a> {
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries it is about.
    epoch: u64,
    /// Name of its level in the scheme.
    level: &'a str,
    /// Its code.
    code: &'a str,
    /// May be empty.
    name: &'a str,
    /// `[west, south, east, north]`; null without land.
    bbox: Option<[f64; 4]>,
    /// A point inside its largest part; null without land.
    label_point: Option<shapes::Position>,
    /// It has nothing below and owns its land itself.
    childless: bool,
    /// All regions above, top down.
    path: Vec<RegionName<'a>>,
    /// Who works for the region itself.
    team: Team<'a>,
    /// Sums over everything below.
    counts: CountsShape,
}

/// A region or grid right below a region, with its sums.
#[derive(Debug, Serialize, ToSchema)]
pub struct Child<'a> {
    /// Name of its level.
    level: &'a str,
    /// Its code.
    code: &'a str,
    /// May be empty.
    name: &'a str,
    /// What a grid is for; absent for regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// `[west, south, east, north]`; null without land.
    bbox: Option<[f64; 4]>,
    /// A point inside its largest part; null without land.
    label_point: Option<shapes::Position>,
    /// Sums over everything below.
    counts: CountsShape,
}

query! {
    /// In the boundaries of when.
    pub struct RegionQuery {
        ..boundaries_under_rows,
    }
}

query! {
    /// In the boundaries of when, in pages.
    pub struct ChildrenQuery {
        ..boundaries_under_rows,
        ..page,
    }
}

/// One region with its sums.
#[utoipa::path(get, path = "/api/v1/regions/{code}", tag = "city", params(("code" = String, Path, description = "Code of the region"), RegionQuery), responses((status = 200, body = RegionAnswer)))]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<RegionQuery>,
) -> Answer<Response> {
    let boundaries = asof::boundaries!(query);
    // A code that is not there is told before everything is placed.
    let (ix, _) = boundaries.view(&app, &actor).await?.region(&code)?;
    let view = boundaries.placed_view(&app, &actor).await?;
    let answer = app.compute.run(move || json(&region_of(&view, ix))).await.map_err(AppError::from)?;
    Ok(with_phones(answer, &actor))
}

fn region_of(view: &View, ix: RegionIx) -> RegionAnswer<'_> {
    let territory = &*view.territory;
    let region = territory.region(ix);
    RegionAnswer {
        revision: view.city.revision.0,
        epoch: territory.epoch.0,
        level: level_name(&territory.scheme, region),
        code: region.code.as_str(),
        name: &region.name,
        bbox: region.bbox.map(shapes::bbox),
        label_point: region.label.map(shapes::position),
        childless: region.owner.is_some(),
        path: RegionName::path(view, &view.path(region.parent)),
        team: Team::of(view, view.city.staff.team(&region.code)),
        counts: view.region_counts(ix).into(),
    }
}

/// The regions and grids right below, with their sums.
#[utoipa::path(get, path = "/api/v1/regions/{code}/children", tag = "city", params(("code" = String, Path, description = "Code of the region"), ChildrenQuery), responses((status = 200, body = List<Child>)))]
pub async fn children(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<ChildrenQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let boundaries = asof::boundaries!(query);
    // A code that is not there is told before everything is placed.
    let (ix, _) = boundaries.view(&app, &actor).await?.region(&code)?;
    let view = boundaries.placed_view(&app, &actor).await?;
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    Ok(app.compute.run(move || json(&children_of(&view, ix, &pages))).await.map_err(AppError::from)?)
}

/// Regions, then grids that have no region between.
fn children_of<'v>(view: &'v View, ix: RegionIx, pages: &Pages) -> List<Child<'v>> {
    let territory = &*view.territory;
    let (regions, grids) = view.children(ix);
    let region = |ix: RegionIx| {
        let region = territory.region(ix);
        Child {
            level: level_name(&territory.scheme, region),
            code: region.code.as_str(),
            name: &region.name,
            kind: None,
            bbox: region.bbox.map(shapes::bbox),
            label_point: region.label.map(shapes::position),
            counts: view.region_counts(ix).into(),
        }
    };
    let grid = |ix: GridIx| {
        let grid = territory.grid(ix);
        Child {
            level: grid_level_name(&territory.scheme),
            code: grid.code.as_str(),
            name: &grid.name,
            kind: Some(grid.kind.as_str()),
            bbox: Some(shapes::bbox(grid.bbox)),
            label_point: Some(shapes::position(grid.label)),
            counts: view.grid_counts(ix).into(),
        }
    };
    enum Below {
        Region(RegionIx),
        Grid(GridIx),
    }
    let below: Vec<Below> = regions.into_iter().map(Below::Region).chain(grids.into_iter().map(Below::Grid)).collect();
    pages.list(view, &below, |below| match below {
        Below::Region(ix) => region(*ix),
        Below::Grid(ix) => grid(*ix),
    })
}

query! {
    /// Which level, in the boundaries of when.
    pub struct CodesQuery {
        /// Name of the level.
        level: String,
        /// Boundaries of this epoch; with it the answer never changes.
        epoch: Option<u64>,
        ..set,
    }
}

/// Codes of one level, in the order in which indicators give their values.
#[derive(Debug, Serialize, ToSchema)]
pub struct Codes<'a> {
    /// The boundaries they are from.
    epoch: u64,
    /// Name of the level.
    level: &'a str,
    /// Depth-first.
    codes: Vec<&'a str>,
}

/// All codes of one level.
#[utoipa::path(get, path = "/api/v1/regions/codes", tag = "city", params(CodesQuery), responses((status = 200, body = Codes)))]
pub async fn codes(State(app): State<Arc<App>>, Caller(actor): Caller, Query(query): Query<CodesQuery>) -> Answer<Response> {
    let view = Boundaries { epoch: query.epoch, ..Boundaries::of(&query.set) }.view(&app, &actor).await?;
    let territory = &*view.territory;
    let level = level_named(&territory.scheme, &query.level)?;
    let codes = if level == territory.scheme.grid_level() {
        let seen = (0..territory.grids.len()).filter(|at| view.sees_grid(GridIx(*at as u32)));
        seen.map(|at| territory.grids[at].code.as_str()).collect()
    } else {
        let of_level = territory.regions.iter().enumerate().filter(|(_, region)| region.level == level);
        of_level.filter(|(at, _)| view.sees_region(RegionIx(*at as u32))).map(|(_, region)| region.code.as_str()).collect()
    };
    let mut response = json(&Codes { epoch: territory.epoch.0, level: &territory.scheme.levels()[level].name, codes });
    if query.epoch.is_some() {
        let forever = HeaderValue::from_static("private, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, forever);
    }
    Ok(response)
}

/// The level called `name`, or what there is.
pub fn level_named(scheme: &Scheme, name: &str) -> Answer<usize> {
    scheme.level_named(name).ok_or_else(|| {
        let allowed: Vec<&str> = scheme.levels().iter().map(|level| level.name.as_str()).collect();
        Problem::bad_parameter("level", format_args!("{:?} is none of {}", clipped(name), allowed.join(", ")))
            .with("allowed", allowed)
    })
}

/// The name of a region's level.
pub fn level_name<'a>(scheme: &'a Scheme, region: &Region) -> &'a str {
    &scheme.levels()[region.level].name
}

/// The name of the level of grids.
pub fn grid_level_name(scheme: &Scheme) -> &str {
    &scheme.levels()[scheme.grid_level()].name
}
