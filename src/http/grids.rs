//! `/api/v1/grids/…`: the card of a grid and its parts.

use super::access::with_phones;
use super::asof::{self, Boundaries};
use super::buildings::BuildingShape;
use super::caller::Caller;
use super::error::Answer;
use super::facilities::{self, FacilityShape};
use super::json::{List, Pages, json};
use super::organizations::OrganizationShape;
use super::path::InPath;
use super::query::{Query, query};
use super::shapes::{self, CaseShape, GridName, Neighbour, PeriodShape, Position, RegionName, Team};
use crate::app::cases::pressing;
use crate::app::facilities::Filter;
use crate::app::history::{Successor, successors};
use crate::app::view::View;
use crate::app::{Actor, App, AppError};
use crate::city::Building;
use crate::domain::id::GridIx;
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// In the boundaries of when.
    pub struct GridQuery {
        ..boundaries,
    }
}

query! {
    /// In the boundaries of when, in pages.
    pub struct GridListQuery {
        ..boundaries,
        ..page,
    }
}

/// A grid with all that stands in it, from one revision.
#[derive(Debug, Serialize, ToSchema)]
pub struct Card<'a> {
    /// The boundaries it is from.
    epoch: u64,
    /// The change log's number up to which it is true.
    revision: u64,
    /// `superseded` when the code is closed: then everything here is about the last boundaries it lived in.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// With `superseded`: who holds its land now.
    #[serde(skip_serializing_if = "Option::is_none")]
    successors: Option<Vec<SuccessorShape>>,
    /// The grid.
    grid: GridShape<'a>,
    /// All regions above, top down.
    path: Vec<RegionName<'a>>,
    /// Who works there.
    team: Team<'a>,
    /// What stands there, by category.
    facilities: FacilityCounts<'a>,
    /// Organizations that belong to it.
    organizations: Organizations<'a>,
    /// Buildings that belong to it.
    buildings: Buildings<'a>,
    /// Open cases.
    open_cases: OpenCases<'a>,
    /// Empty until there are indicators.
    indicators: BTreeMap<String, f64>,
    /// Grids with a common border.
    neighbours: Neighbours<'a>,
}

/// A grid's own data.
#[derive(Debug, Serialize, ToSchema)]
pub struct GridShape<'a> {
    /// Its code.
    code: &'a str,
    /// May be empty.
    name: &'a str,
    /// What it is for: `base`, `dedicated` …
    kind: &'static str,
    /// Households: the sum over its buildings as soon as one of them says a number, else as counted; null when unknown.
    households: Option<u64>,
    /// Where that number comes from: `buildings` or `counted`; null when unknown.
    households_from: Option<&'static str>,
    /// Households as counted for the grid itself; null when unknown.
    households_counted: Option<u32>,
    /// Residents; null when unknown.
    population: Option<u32>,
    /// Land in square metres.
    area_m2: f64,
    /// A point inside its largest part.
    label_point: Position,
    /// `[west, south, east, north]`.
    bbox: [f64; 4],
    /// When it was, or is, in force with this code.
    period: PeriodShape,
    /// Its names in other systems.
    external_ids: &'a BTreeMap<String, String>,
}

/// Facilities of a grid, counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct FacilityCounts<'a> {
    /// In whatever state.
    total: u32,
    /// In the order of the profile; only categories that occur.
    by_category: Vec<CategoryCount<'a>>,
}

/// Facilities or organizations of one category.
#[derive(Debug, Serialize, ToSchema)]
pub struct CategoryCount<'a> {
    /// Code of the category.
    category: &'a str,
    /// Its name.
    name: &'a str,
    /// Its icon.
    icon: &'a str,
    /// How many.
    count: u32,
}

/// Organizations of a grid.
#[derive(Debug, Serialize, ToSchema)]
pub struct Organizations<'a> {
    /// How many.
    total: usize,
    /// By category; only categories that occur.
    by_category: Vec<CategoryCount<'a>>,
    /// By their keys, at most 20.
    items: Vec<OrganizationShape<'a>>,
}

/// Buildings of a grid.
#[derive(Debug, Serialize, ToSchema)]
pub struct Buildings<'a> {
    /// How many.
    total: usize,
    /// Of these, those whose footprint a border runs through.
    crossing: usize,
    /// By their keys, at most 20.
    items: Vec<BuildingShape<'a>>,
}

/// Open cases of a grid.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenCases<'a> {
    /// How many.
    total: u32,
    /// Of these, overdue.
    overdue: u32,
    /// The most pressing ones, at most 20.
    items: Vec<CaseShape<'a>>,
}

/// Grids next door.
#[derive(Debug, Serialize, ToSchema)]
pub struct Neighbours<'a> {
    /// How many.
    total: usize,
    /// The longest common border first.
    items: Vec<Neighbour<'a>>,
}

/// Who holds land of a closed grid now.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuccessorShape {
    /// The grid.
    code: String,
    /// Its share of the old land, 0 to 1, good to about 0.01.
    share: f64,
}

impl From<Successor> for SuccessorShape {
    fn from(successor: Successor) -> Self {
        Self { code: successor.code.to_string(), share: successor.share }
    }
}

/// A view in which a code is a grid: the one asked for or, for a closed code, the last one it lived in.
pub(super) struct Asked {
    pub(super) view: View,
    pub(super) ix: GridIx,
    superseded: bool,
}

pub(super) async fn asked(app: &App, actor: &Actor, code: &str, boundaries: Boundaries) -> Answer<Asked> {
    let view = boundaries.view(app, actor).await?;
    let found = view.grid(code).map(|(ix, _)| ix);
    match found {
        Ok(ix) => Ok(Asked { view, ix, superseded: false }),
        Err(unknown) if boundaries.is_now() => match app.closed_grid(actor, &boundaries.set(), code).await? {
            Some((view, ix)) => Ok(Asked { view, ix, superseded: true }),
            None => Err(unknown.into()),
        },
        Err(unknown) => Err(unknown.into()),
    }
}

/// Buildings of a grid that are looked at while others wait.
const MANY_BUILDINGS: u32 = 100;

/// The card: what a click on a grid shows. A closed code is answered from the last boundaries it lived in.
#[utoipa::path(get, path = "/api/v1/grids/{code}", tag = "city", params(("code" = String, Path, description = "Code of the grid"), GridQuery), responses((status = 200, body = Card)))]
pub async fn card(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<GridQuery>,
) -> Answer<Response> {
    let asked = asked(&app, &actor, &code, asof::boundaries!(query)).await?;
    let period = period(&app, &asked).await?;
    let now = match asked.superseded {
        true => Some(Boundaries::of(&query.set).view(&app, &actor).await?),
        false => None,
    };
    // A fraction of a millisecond, but superseded and past grids look up thousands of points, and each footprint is laid over the borders.
    let many = asked.view.city.buildings.grid_count(asked.ix) > MANY_BUILDINGS;
    if asked.superseded || asked.view.is_elsewhere() || many {
        let answer = app.compute.run(move || json(&card_of(&asked, period, now.as_ref()))).await.map_err(AppError::from)?;
        return Ok(with_phones(answer, &actor));
    }
    Ok(with_phones(json(&card_of(&asked, period, None)), &actor))
}

/// How long a grid lived with this code: the touching periods around the epoch in question.
async fn period(app: &App, asked: &Asked) -> Answer<PeriodShape> {
    let territory = &asked.view.territory;
    let spans = app.grid_history(&territory.set, territory.grid(asked.ix).code.as_str()).await?;
    let mut period = territory.period;
    for span in spans.iter().rev().filter(|span| span.epoch <= territory.epoch) {
        if span.period.until.is_some() && span.period.until == period.from {
            period.from = span.period.from;
        }
    }
    for span in &spans {
        if span.period.from.is_some() && span.period.from == period.until {
            period.until = span.period.until;
        }
    }
    Ok(PeriodShape::of(period, &shapes::zone(&asked.view)))
}

fn card_of<'a>(asked: &'a Asked, period: PeriodShape, now: Option<&View>) -> Card<'a> {
    let Asked { view, ix, .. } = asked;
    let card = view.card(*ix);
    let zone = shapes::zone(view);
    let grid = card.grid;
    let households = view.households(*ix);
    Card {
        epoch: view.territory.epoch.0,
        revision: view.city.revision.0,
        status: now.map(|_| "superseded"),
        successors: now.map(|now| {
            let heirs = successors(&view.territory, *ix, &now.territory).into_iter();
            heirs.filter(|heir| now.grid(heir.code.as_str()).is_ok()).map(Into::into).collect()
        }),
        grid: GridShape {
            code: grid.code.as_str(),
            name: &grid.name,
            kind: grid.kind.as_str(),
            households: households.shown(),
            households_from: households.source(),
            households_counted: households.counted,
            population: grid.population,
            area_m2: shapes::rounded(grid.area_m2),
            label_point: shapes::position(grid.label),
            bbox: shapes::bbox(grid.bbox),
            period,
            external_ids: &grid.provenance.external_ids,
        },
        path: RegionName::path(view, &card.path),
        team: Team::of(view, card.team),
        facilities: FacilityCounts {
            total: card.facilities,
            by_category: card
                .by_category
                .iter()
                .map(|(category, count)| CategoryCount {
                    category: &category.code,
                    name: &category.name,
                    icon: &category.icon,
                    count: *count,
                })
                .collect(),
        },
        organizations: organizations_of(view, *ix),
        buildings: buildings_of(view, *ix),
        open_cases: OpenCases {
            total: card.open_cases,
            overdue: card.overdue,
            items: card.cases.iter().map(|case| CaseShape::of(view, case, Some(grid.code.as_str()), &zone)).collect(),
        },
        indicators: BTreeMap::new(),
        neighbours: Neighbours { total: card.neighbours.len(), items: card.neighbours.iter().map(Neighbour::from).collect() },
    }
}

/// Organizations, and buildings, that a card lists; the rest is counted.
const CARD_ITEMS: usize = 20;

fn organizations_of(view: &View, ix: GridIx) -> Organizations<'_> {
    let found = view.organizations_in(ix);
    let counted = view.organization_categories().into_iter().map(|category| CategoryCount {
        category: &category.code,
        name: &category.name,
        icon: &category.icon,
        count: found.iter().filter(|one| one.record.category == category.code).count() as u32,
    });
    Organizations {
        total: found.len(),
        by_category: counted.filter(|category| category.count > 0).collect(),
        items: found.iter().take(CARD_ITEMS).map(|one| OrganizationShape::of(view, one)).collect(),
    }
}

fn buildings_of(view: &View, ix: GridIx) -> Buildings<'_> {
    let found = view.buildings_in(ix);
    let crossed = |one: &&&Building| one.record.footprint().is_some_and(|area| view.territory.is_crossed(area));
    Buildings {
        total: found.len(),
        crossing: found.iter().filter(crossed).count(),
        items: found.iter().take(CARD_ITEMS).map(|one| BuildingShape::of(view, one)).collect(),
    }
}

/// Every facility in the grid with its position.
#[utoipa::path(get, path = "/api/v1/grids/{code}/facilities", tag = "city", params(("code" = String, Path, description = "Code of the grid"), GridListQuery), responses((status = 200, body = List<FacilityShape>)))]
pub async fn facilities(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<GridListQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let Asked { view, ix, .. } = asked(&app, &actor, &code, asof::boundaries!(query)).await?;
    let filter = Filter { within: Some(ix.into()), ..Filter::default() };
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    facilities::list(&app, &actor, view, filter, pages).await
}

/// Every open case in the grid, the most pressing first.
#[utoipa::path(get, path = "/api/v1/grids/{code}/cases", tag = "city", params(("code" = String, Path, description = "Code of the grid"), GridListQuery), responses((status = 200, body = List<CaseShape>)))]
pub async fn cases(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<GridListQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let Asked { view, ix, .. } = asked(&app, &actor, &code, asof::boundaries!(query)).await?;
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    let work = move || {
        let (cases, zone) = (view.cases_in(ix), shapes::zone(&view));
        let code = view.territory.grid(ix).code.as_str();
        json(&pages.sorted(&view, &cases, |case| pressing(case), |case| CaseShape::of(&view, case, Some(code), &zone)))
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

/// A grid's team.
#[derive(Debug, Serialize, ToSchema)]
pub struct TeamAnswer<'a> {
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries it is about.
    epoch: u64,
    /// The grid.
    grid: GridName<'a>,
    /// Who works there.
    team: Team<'a>,
}

/// Who works in the grid.
#[utoipa::path(get, path = "/api/v1/grids/{code}/team", tag = "city", params(("code" = String, Path, description = "Code of the grid"), GridQuery), responses((status = 200, body = TeamAnswer)))]
pub async fn team(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<GridQuery>,
) -> Answer<Response> {
    let Asked { view, ix, .. } = asked(&app, &actor, &code, asof::boundaries!(query)).await?;
    let grid = view.territory.grid(ix);
    let answer = json(&TeamAnswer {
        revision: view.city.revision.0,
        epoch: view.territory.epoch.0,
        grid: GridName::of(grid),
        team: Team::of(&view, view.city.staff.team(&grid.code)),
    });
    Ok(with_phones(answer, &actor))
}

/// Grids with a common border, the longest first.
#[utoipa::path(get, path = "/api/v1/grids/{code}/neighbours", tag = "city", params(("code" = String, Path, description = "Code of the grid"), GridListQuery), responses((status = 200, body = List<Neighbour>)))]
pub async fn neighbours(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<GridListQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let Asked { view, ix, .. } = asked(&app, &actor, &code, asof::boundaries!(query)).await?;
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    let work = move || json(&pages.list(&view, &view.neighbours(ix), |neighbour| Neighbour::from(neighbour)));
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

query! {
    /// Of which grid set.
    pub struct HistoryQuery {
        ..set,
    }
}

/// The boundary sets in which a code was a grid.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryAnswer {
    /// The code.
    code: String,
    /// The oldest first.
    items: Vec<HistoryItem>,
}

/// A grid in one boundary set.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryItem {
    /// Which.
    epoch: u64,
    /// When that was in force.
    period: PeriodShape,
    /// Its name then.
    name: String,
    /// Its kind then.
    kind: &'static str,
    /// Its land then, in square metres.
    area_m2: f64,
    /// What differs from the item before: `name`, `kind`, `area`.
    changed: Vec<&'static str>,
}

/// In which boundaries the code was a grid, and what changed between them.
#[utoipa::path(get, path = "/api/v1/grids/{code}/history", tag = "city", params(("code" = String, Path, description = "Code of the grid"), HistoryQuery), responses((status = 200, body = HistoryAnswer)))]
pub async fn history(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<HistoryQuery>,
) -> Answer<Response> {
    let Asked { view, ix, .. } = asked(&app, &actor, &code, Boundaries::of(&query.set)).await?;
    let code = view.territory.grid(ix).code.to_string();
    let (spans, zone): (_, TimeZone) = (app.grid_history(&view.territory.set, &code).await?, shapes::zone(&view));
    let changed = |at: usize| {
        let Some(before) = at.checked_sub(1).map(|before| &spans[before]) else { return Vec::new() };
        let pairs = [
            ("name", before.name != spans[at].name),
            ("kind", before.kind != spans[at].kind),
            ("area", before.area_hash != spans[at].area_hash),
        ];
        pairs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    };
    let items = spans.iter().enumerate().map(|(at, span)| HistoryItem {
        epoch: span.epoch.0,
        period: PeriodShape::of(span.period, &zone),
        name: span.name.clone(),
        kind: span.kind.as_str(),
        area_m2: shapes::rounded(span.area_m2),
        changed: changed(at),
    });
    Ok(json(&HistoryAnswer { code, items: items.collect() }))
}
