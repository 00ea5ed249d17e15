//! `GET /api/v1/search`.

use super::asof::Boundaries;
use super::caller::Caller;
use super::error::{Answer, Problem};
use super::json::{Limit, json};
use super::query::{Query, query};
use super::regions::{grid_level_name, level_name};
use super::shapes::{self, Position, RegionName};
use crate::app::lookup::Place;
use crate::app::search::Hit;
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::domain::category::CategoryKind;
use crate::domain::id::{RegionIx, Unit};
use crate::territory::search::{Fit, Named};
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// What to look for.
    pub struct SearchQuery {
        /// A code, a name or its beginning, pinyin or initials, an address, a BeiDou code, or `lon,lat` with a decimal point (WGS 84).
        q: String,
        /// Only below this region, or in this grid.
        within: Option<String>,
        ..set,
        /// Most finds, 1 to 10,000; 20 when absent.
        #[param(schema_with = crate::http::query::limit_schema)]
        limit: Option<Limit>,
    }
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchAnswer<'a> {
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries it is about.
    epoch: u64,
    /// The best first: exact before prefix before part before pinyin.
    items: Vec<Find<'a>>,
}

/// One find. Homonyms are told apart by level and path.
#[derive(Debug, Serialize, ToSchema)]
pub struct Find<'a> {
    /// `region`, `grid`, `facility`, `case`, `street`, `address` or `position`.
    kind: &'static str,
    /// `exact`, `prefix`, `part` or `pinyin`.
    fit: &'static str,
    /// Code of a region, grid or facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    /// Key of a facility, case or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    /// Its name; for a case its category's, for a position nothing.
    name: Cow<'a, str>,
    /// Level of a region or grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'a str>,
    /// Category of a facility or case.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    /// The grid that holds a facility, case or position; null outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    grid: Option<Option<&'a str>>,
    /// Regions above it, top down.
    path: Vec<RegionName<'a>>,
    /// Where to fly to: `[lon, lat]`.
    position: Option<Position>,
    /// Box of a region or grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    bbox: Option<[f64; 4]>,
}

/// Finds when nothing is said.
const DEFAULT_FINDS: usize = 20;

/// Regions, grids, facilities, open cases and positions by what people type.
#[utoipa::path(get, path = "/api/v1/search", tag = "lookup", params(SearchQuery), responses((status = 200, body = SearchAnswer)))]
pub async fn get(State(app): State<Arc<App>>, Caller(actor): Caller, Query(query): Query<SearchQuery>) -> Answer<Response> {
    if query.q.trim().is_empty() {
        return Err(Problem::bad_parameter("q", "is empty"));
    }
    let view = Boundaries::of(&query.set).view(&app, &actor).await?;
    let within = query.within.as_deref().map(|code| view.within(code)).transpose()?;
    let limit = query.limit.map_or(DEFAULT_FINDS, |limit| limit.0);
    let work = move || {
        let hits = view.search(&query.q, within.as_ref(), limit);
        json(&SearchAnswer {
            revision: view.city.revision.0,
            epoch: view.territory.epoch.0,
            items: hits.iter().map(|(fit, hit)| find(&view, *fit, hit)).collect(),
        })
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

fn find<'v>(view: &'v View, fit: Fit, hit: &Hit<'v>) -> Find<'v> {
    let territory = &*view.territory;
    let fit = match fit {
        Fit::Exact => "exact",
        Fit::Prefix => "prefix",
        Fit::Part => "part",
        Fit::Pinyin | Fit::PinyinPrefix | Fit::PinyinPart => "pinyin",
    };
    let path = |above: Option<RegionIx>| RegionName::path(view, &view.path(above));
    // The regions that hold a place.
    let above = |unit: Option<Unit>| match unit {
        Some(Unit::Grid(ix)) => path(territory.grid(ix).parent),
        Some(Unit::Region(ix)) => path(Some(ix)),
        None => Vec::new(),
    };
    let grid_code = |unit: Option<Unit>| unit.and_then(Unit::grid).map(|ix| territory.grid(ix).code.as_str());
    let blank = Find {
        kind: "",
        fit,
        code: None,
        id: None,
        name: "".into(),
        level: None,
        category: None,
        grid: None,
        path: Vec::new(),
        position: None,
        bbox: None,
    };
    match hit {
        Hit::Named(Named::Region(ix)) => {
            let region = territory.region(*ix);
            Find {
                kind: "region",
                code: Some(region.code.as_str()),
                name: region.name.as_str().into(),
                level: Some(level_name(&territory.scheme, region)),
                path: path(region.parent),
                position: region.label.map(shapes::position),
                bbox: region.bbox.map(shapes::bbox),
                ..blank
            }
        }
        Hit::Named(Named::Grid(ix)) => {
            let grid = territory.grid(*ix);
            Find {
                kind: "grid",
                code: Some(grid.code.as_str()),
                name: grid.name.as_str().into(),
                level: Some(grid_level_name(&territory.scheme)),
                path: path(grid.parent),
                position: Some(shapes::position(grid.label)),
                bbox: Some(shapes::bbox(grid.bbox)),
                ..blank
            }
        }
        Hit::Facility(row) => {
            let leaf = view.leaf_of(row);
            Find {
                kind: "facility",
                code: row.code.as_deref(),
                id: Some(row.id.0),
                name: (&*row.name).into(),
                category: Some(&view.category_of(row).code),
                grid: Some(grid_code(leaf)),
                path: above(leaf),
                position: Some(shapes::position(row.at)),
                ..blank
            }
        }
        Hit::Case(case) => {
            let category = view.city.about.profile.category(CategoryKind::Matter, &case.record.category);
            let unit = view.unit_of(case);
            Find {
                kind: "case",
                id: Some(case.record.id.0),
                name: category.map_or("", |category| category.name.as_str()).into(),
                category: Some(&case.record.category),
                grid: Some(grid_code(unit)),
                path: above(unit),
                position: case.record.at.map(shapes::position),
                ..blank
            }
        }
        Hit::Street(name, at, unit) => Find {
            kind: "street",
            name: (*name).into(),
            grid: Some(grid_code(*unit)),
            path: above(*unit),
            position: at.map(shapes::position),
            ..blank
        },
        Hit::Address(found) => Find {
            kind: "address",
            id: found.id.map(|id| id.0),
            name: if found.name.is_empty() { found.text.clone().into() } else { found.name.clone().into() },
            grid: Some(grid_code(found.unit)),
            path: above(found.unit),
            position: found.at.map(shapes::position),
            ..blank
        },
        Hit::Position(p, place) => {
            let unit = match place {
                Some(Place::Grid(ix)) => Some(Unit::Grid(*ix)),
                Some(Place::Region(ix)) => Some(Unit::Region(*ix)),
                Some(Place::Void(_)) | None => None,
            };
            Find {
                kind: "position",
                grid: Some(grid_code(unit)),
                path: above(unit),
                position: Some(Position((*p).into())),
                ..blank
            }
        }
    }
}
