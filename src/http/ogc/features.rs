//! `/ogc/collections/…/items`: features as GeoJSON, in pages.

use super::asked::{ItemQuery, ItemsQuery, Numbers, Span};
use super::crs::FeatureCrs;
use super::{Collection, GEOJSON, JSON, Link, base, escaped};
use crate::app::cursor::Cursor;
use crate::app::facilities::Filter;
use crate::app::standing;
use crate::app::view::{View, Within};
use crate::app::{Actor, App, AppError};
use crate::city::{Building, Case, Facility};
use crate::domain::building::Site;
use crate::domain::case::CaseState;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{BuildingId, CaseId, FacilityId, GridIx, RegionIx, Unit};
use crate::geom::{Area, LatticeBox, LatticePoint};
use crate::http::asof::{Boundaries, Moment};
use crate::http::caller::Caller;
use crate::http::error::{Answer, Problem, ProblemCode};
use crate::http::json::{Limit, List, Pages, base_url, geojson};
use crate::http::outlines::{self, Geometry as Outline};
use crate::http::path::InPath;
use crate::http::query::{Query, Word, clipped};
use crate::http::regions::{grid_level_name, level_name, level_named};
use crate::http::shapes::{self, Position};
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType};

/// A text or a number: OpenAPI 3.0 has no list of types.
fn id_schema() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some("A code, or the store's integer key.")).build()
}

/// A page of a collection (RFC 7946 with the members of part 1).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Features<'a> {
    /// Always `FeatureCollection`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// To this page and the next.
    links: Vec<Link>,
    /// When it was made, RFC 3339.
    time_stamp: String,
    /// Features on all pages.
    number_matched: usize,
    /// Features of this page.
    number_returned: usize,
    /// The features.
    features: Vec<Feature<'a>>,
}

/// A GeoJSON feature.
#[derive(Debug, Serialize, ToSchema)]
pub struct Feature<'a> {
    /// Always `Feature`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// A code, or the store's integer key.
    #[schema(schema_with = id_schema)]
    id: Id<'a>,
    /// Null when it has no place.
    #[schema(value_type = Option<Object>)]
    geometry: Option<Geometry>,
    /// What it is.
    #[schema(value_type = Object)]
    properties: Properties<'a>,
    /// Of a feature that was asked for alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Id<'a> {
    Code(&'a str),
    Key(i64),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Geometry {
    Area(Outline),
    Point {
        #[serde(rename = "type")]
        kind: &'static str,
        coordinates: Position,
    },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Properties<'a> {
    Boundary(BoundaryProperties<'a>),
    Facility(FacilityProperties),
    Case(CaseProperties<'a>),
    Building(BuildingProperties<'a>),
}

#[derive(Debug, Serialize)]
struct BoundaryProperties<'a> {
    code: &'a str,
    level: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    parent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    households: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    population: Option<u32>,
    area_m2: f64,
    epoch: u64,
}

#[derive(Debug, Serialize)]
struct FacilityProperties {
    code: Option<String>,
    category: String,
    category_name: String,
    name: String,
    state: &'static str,
    state_date: Option<String>,
    grid: Option<String>,
    accuracy: Option<String>,
    source: Option<String>,
    source_date: Option<String>,
    version: u32,
    external_ids: BTreeMap<String, String>,
    /// What else the source says, but for what has one of the names above.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Names that a source's own attributes cannot take.
const FACILITY_NAMES: [&str; 12] = [
    "state_date",
    "code",
    "category",
    "category_name",
    "name",
    "state",
    "grid",
    "accuracy",
    "source",
    "source_date",
    "version",
    "external_ids",
];

#[derive(Debug, Serialize)]
struct CaseProperties<'a> {
    category: &'a str,
    category_name: Option<&'a str>,
    state: &'static str,
    text: Cow<'a, str>,
    urgent: bool,
    source: &'a str,
    reported_at: String,
    due_at: Option<String>,
    overdue: bool,
    located: &'static str,
    grid: Option<&'a str>,
    within: Option<&'a str>,
    owner: &'a str,
    version: u32,
}

#[derive(Debug, Serialize)]
struct BuildingProperties<'a> {
    name: &'a str,
    storeys: Option<u16>,
    households: Option<u32>,
    grid: Option<&'a str>,
    within: Option<&'a str>,
    address: Option<&'a str>,
    source: Option<&'a str>,
    source_date: Option<String>,
    version: u32,
    external_ids: &'a BTreeMap<String, String>,
}

/// What a request asks for, read.
struct Asked {
    boxes: Option<Vec<LatticeBox>>,
    crs: FeatureCrs,
    within: Option<Within>,
    pages: Pages,
    level: Option<usize>,
    category: Option<String>,
    state: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// A page of the features of a collection.
#[utoipa::path(get, path = "/ogc/collections/{collection}/items", tag = "ogc", params(("collection" = String, Path, description = "regions, grids, facilities, cases or buildings"), ItemsQuery), responses((status = 200, content_type = "application/geo+json", body = Features)))]
pub async fn items(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(collection): InPath<String>,
    Query(query): Query<ItemsQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let collection = Collection::named(&collection)?;
    applicable(collection, &query)?;
    if let Some(state) = query.state.as_deref().filter(|_| collection == Collection::Cases) {
        <CaseState as Word>::parse("state", state)?;
    }
    let city = app.published.load();
    let zone = &city.about.time_zone;
    let instant = |moment: Option<Moment>| moment.map(|moment| moment.instant(zone)).transpose();
    let (from, until) = match query.datetime {
        Some(Span { from, until }) => (instant(from)?, instant(until)?),
        None => (None, None),
    };
    if from.zip(until).is_some_and(|(from, until)| from > until) {
        return Err(Problem::bad_parameter("datetime", "the interval ends before it begins"));
    }
    let Some(view) = view(&app, &actor, collection, from, until).await? else {
        return Ok(told(&empty(&app, &headers, &uri), query.crs.unwrap_or_default()));
    };
    let asked = Asked {
        boxes: query.bbox.map(|numbers| boxes(numbers, query.bbox_crs.unwrap_or_default())).transpose()?,
        crs: query.crs.unwrap_or_default(),
        within: query.within.as_deref().map(|code| view.within(code)).transpose()?,
        level: query.level.as_deref().map(|name| level_named(&view.territory.scheme, name)).transpose()?,
        pages: Pages::new(&app, Some(query.limit.map_or(Limit::DEFAULT, |size| size.0)), query.cursor, uri.clone(), &headers)?,
        category: query.category,
        state: query.state,
        from,
        until,
    };
    let links = vec![this_page(&app, &headers, &uri)];
    let now = app.clock.now();
    if collection == Collection::Facilities {
        return facilities(&app, &actor, view, asked, links, now).await;
    }
    let work = move || {
        let crs = asked.crs;
        let list = match collection {
            Collection::Regions => regions(&view, &asked),
            Collection::Grids => grids(&view, &asked),
            Collection::Buildings => buildings(&view, &asked),
            Collection::Facilities | Collection::Cases => cases(&view, &asked),
        };
        told(&page(list, links, now), crs)
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

/// One feature.
#[utoipa::path(get, path = "/ogc/collections/{collection}/items/{feature}", tag = "ogc", params(("collection" = String, Path, description = "regions, grids, facilities, cases or buildings"), ("feature" = String, Path, description = "Its id: a code, or the key of a facility, case or building"), ItemQuery), responses((status = 200, content_type = "application/geo+json", body = Feature)))]
pub async fn item(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath((collection, id)): InPath<(String, String)>,
    Query(query): Query<ItemQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let collection = Collection::named(&collection)?;
    let (view, crs) = (app.view(&actor), query.crs.unwrap_or_default());
    let here = format!("{}/collections/{}", base(&app, &headers), collection.as_str());
    let links = vec![
        Link::new("self", GEOJSON, format!("{here}/items/{}", escaped(&id)), "This feature"),
        Link::new("collection", JSON, here, collection.title()),
    ];
    let unknown = || {
        let detail = format!("no feature of {} has the id {:?}", collection.as_str(), clipped(&id));
        Problem::new(ProblemCode::NotFound, detail)
    };
    let key = || id.parse::<i64>().map_err(|_| unknown());
    let finish = |feature: Feature<'_>| Ok(told(&Feature { links: links.clone(), ..feature }, crs));
    match collection {
        Collection::Regions => {
            let (ix, _) = view.region(&id)?;
            let (view, work) = (view.clone(), links.clone());
            let answer = move || told(&Feature { links: work, ..region(&view, ix, crs) }, crs);
            Ok(app.compute.run(answer).await.map_err(AppError::from)?)
        }
        Collection::Grids => {
            let (ix, _) = view.grid(&id)?;
            finish(grid(&view, ix, crs))
        }
        Collection::Facilities => {
            let id = FacilityId(key()?);
            let row = view.city.facilities.facility(id).filter(|row| view.sees_facility(row)).ok_or_else(unknown)?;
            let record = app.facility_records(&actor, &[id]).await?.pop();
            finish(facility(&view, row.clone(), record, crs))
        }
        Collection::Cases => {
            let case =
                view.city.cases.case(CaseId(key()?)).filter(|case| view.sees_at(view.unit_of(case))).ok_or_else(unknown)?;
            finish(case_feature(&view, case, &shapes::zone(&view), crs))
        }
        Collection::Buildings => {
            let one = view.building(BuildingId(key()?)).ok_or_else(unknown)?;
            finish(building(&view, one, crs))
        }
    }
}

/// Refuses what a collection has no property for.
fn applicable(collection: Collection, query: &ItemsQuery) -> Answer<()> {
    let described = matches!(collection, Collection::Facilities | Collection::Cases);
    let given = [
        ("level", query.level.is_some(), collection == Collection::Regions),
        ("category", query.category.is_some(), described),
        ("state", query.state.is_some(), described),
    ];
    match given.iter().find(|(_, given, fits)| *given && !*fits) {
        Some((field, ..)) => Err(Problem::bad_parameter(field, format_args!("{} have none", collection.as_str()))),
        None => Ok(()),
    }
}

/// The boundaries that a time asks for; `None` when none were in force.
async fn view(
    app: &App,
    actor: &Actor,
    collection: Collection,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Answer<Option<View>> {
    let now = app.clock.now();
    let dated = matches!(collection, Collection::Regions | Collection::Grids);
    let at = match (from, until) {
        _ if !dated => None,
        (_, Some(until)) if until < now => Some(until),
        (Some(from), _) if from > now => Some(from),
        _ => None,
    };
    let boundaries = Boundaries { at: at.map(Moment::Instant), ..Boundaries::default() };
    match boundaries.view(app, actor).await {
        Ok(view) => Ok(Some(view)),
        Err(problem) if problem.code() == ProblemCode::NoBoundaries => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The box, or its two halves when it reaches over the antimeridian.
fn boxes(Numbers([a, b, c, d]): Numbers, crs: FeatureCrs) -> Answer<Vec<LatticeBox>> {
    let corner = |place| crs.read(place).map_err(|error| crate::http::query::out_of_range("bbox", error));
    let (min, max) = (corner([a, b])?, corner([c, d])?);
    let text = format!("{},{},{},{}", min.lon(), min.lat(), max.lon(), max.lat());
    <crate::http::query::Bbox as Word>::parse("bbox", &text).map(|bbox| bbox.0)
}

fn told(answer: &impl Serialize, crs: FeatureCrs) -> Response {
    let mut response = geojson(answer);
    let name = HeaderValue::from_str(&format!("<{}>", crs.uri())).expect("URIs are ASCII");
    response.headers_mut().insert("content-crs", name);
    response
}

fn page(list: List<Feature<'_>>, mut links: Vec<Link>, now: Timestamp) -> Features<'_> {
    links.extend(list.next.map(|next| Link::new("next", GEOJSON, next, "The next page")));
    Features {
        kind: "FeatureCollection",
        links,
        time_stamp: now.to_string(),
        number_matched: list.number_matched,
        number_returned: list.items.len(),
        features: list.items,
    }
}

fn this_page(app: &App, headers: &HeaderMap, uri: &Uri) -> Link {
    let asked = uri.path_and_query().map_or(uri.path(), |asked| asked.as_str());
    Link::new("self", GEOJSON, format!("{}{asked}", base_url(&app.config, headers)), "This page")
}

fn empty(app: &App, headers: &HeaderMap, uri: &Uri) -> Features<'static> {
    Features {
        kind: "FeatureCollection",
        links: vec![this_page(app, headers, uri)],
        time_stamp: app.clock.now().to_string(),
        number_matched: 0,
        number_returned: 0,
        features: vec![],
    }
}

fn regions<'v>(view: &'v View, asked: &Asked) -> List<Feature<'v>> {
    let passes = |ix: &RegionIx| {
        asked.level.is_none_or(|level| view.territory.region(*ix).level == level)
            && asked.within.as_ref().is_none_or(|within| within.holds(Unit::Region(*ix)))
            && asked.boxes.as_ref().is_none_or(|boxes| boxes.iter().any(|bbox| view.region_meets(*ix, *bbox)))
    };
    let all: Vec<RegionIx> = view.regions().map(|(ix, _)| ix).filter(passes).collect();
    asked.pages.list(view, &all, |ix| region(view, *ix, asked.crs))
}

fn grids<'v>(view: &'v View, asked: &Asked) -> List<Feature<'v>> {
    let mut all: Vec<GridIx> = match &asked.boxes {
        None => view.grids().map(|(ix, _)| ix).collect(),
        Some(boxes) => {
            let near = boxes.iter().flat_map(|bbox| view.territory.grids_in_box(*bbox));
            near.filter(|ix| view.sees_grid(*ix) && boxes.iter().any(|bbox| view.grid_meets(*ix, *bbox))).collect()
        }
    };
    all.retain(|ix| asked.within.as_ref().is_none_or(|within| within.holds(Unit::Grid(*ix))));
    all.sort_unstable();
    all.dedup();
    asked.pages.list(view, &all, |ix| grid(view, *ix, asked.crs))
}

fn cases<'v>(view: &'v View, asked: &Asked) -> List<Feature<'v>> {
    let filter = crate::app::cases::Filter {
        within: asked.within.clone(),
        category: asked.category.clone(),
        ..crate::app::cases::Filter::default()
    };
    let passes = |case: &&Case| {
        let record = &case.record;
        asked.state.as_ref().is_none_or(|state| record.state.as_str() == state)
            && asked.from.is_none_or(|from| record.reported_at >= from)
            && asked.until.is_none_or(|until| record.reported_at <= until)
            && asked.boxes.as_ref().is_none_or(|boxes| record.at.is_some_and(|at| boxes.iter().any(|bbox| bbox.holds(at))))
    };
    let all: Vec<&Case> = view.cases(&filter).into_iter().filter(passes).collect();
    let zone = shapes::zone(view);
    asked.pages.sorted(view, &all, |case| crate::app::cases::pressing(case), |case| case_feature(view, case, &zone, asked.crs))
}

fn buildings<'v>(view: &'v View, asked: &Asked) -> List<Feature<'v>> {
    let filter =
        standing::Filter { boxes: asked.boxes.clone().unwrap_or_default(), within: asked.within.clone(), external: None };
    let all = view.buildings(&filter);
    asked.pages.sorted(view, &all, |one| Cursor::new(0, one.record.id.0), |one| building(view, one, asked.crs))
}

async fn facilities(app: &App, actor: &Actor, view: View, asked: Asked, links: Vec<Link>, now: Timestamp) -> Answer<Response> {
    let filter = Filter {
        boxes: asked.boxes.unwrap_or_default(),
        within: asked.within,
        categories: match &asked.category {
            Some(words) => crate::http::facilities::categories_named(&view, words)?,
            None => vec![],
        },
        state: asked.state.as_deref().map(|state| Word::parse("state", state)).transpose()?,
        ids: None,
    };
    let (crs, pages) = (asked.crs, asked.pages);
    let (after, limit) = (pages.after, pages.limit);
    let (view, found) = app
        .compute
        .run(move || {
            let found = view.facilities(&filter, after, limit);
            (view, found)
        })
        .await
        .map_err(AppError::from)?;
    let ids: Vec<FacilityId> = found.items.iter().map(|row| row.id).collect();
    let records = app.facility_records(actor, &ids).await?;
    let work = move || {
        let mut stored: HashMap<FacilityId, FacilityRecord> = records.into_iter().map(|record| (record.id, record)).collect();
        let items = found.items.into_iter().map(|row| {
            let record = stored.remove(&row.id);
            facility(&view, row, record, crs)
        });
        told(&page(pages.page(&view, found.number_matched, items.collect(), found.next), links, now), crs)
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

fn area(area: &Area, crs: FeatureCrs) -> Option<Geometry> {
    let told = |p: LatticePoint| Ok::<_, Problem>(crs.tell(p.lonlat()));
    (!area.is_empty()).then(|| outlines::coordinates(area, told).ok().map(Geometry::Area)).flatten()
}

fn point(at: LatticePoint, crs: FeatureCrs) -> Geometry {
    Geometry::Point { kind: "Point", coordinates: crs.tell(at.lonlat()) }
}

fn region<'v>(view: &'v View, ix: RegionIx, crs: FeatureCrs) -> Feature<'v> {
    let territory = &*view.territory;
    let region = territory.region(ix);
    let properties = BoundaryProperties {
        code: region.code.as_str(),
        level: level_name(&territory.scheme, region),
        name: &region.name,
        kind: None,
        parent: region.parent.map(|ix| territory.region(ix).code.as_str()),
        households: None,
        population: None,
        area_m2: shapes::rounded(region.area_m2),
        epoch: territory.epoch.0,
    };
    Feature {
        kind: "Feature",
        id: Id::Code(region.code.as_str()),
        geometry: area(&territory.outline_region(ix), crs),
        properties: Properties::Boundary(properties),
        links: vec![],
    }
}

fn grid<'v>(view: &'v View, ix: GridIx, crs: FeatureCrs) -> Feature<'v> {
    let territory = &*view.territory;
    let grid = territory.grid(ix);
    let properties = BoundaryProperties {
        code: grid.code.as_str(),
        level: grid_level_name(&territory.scheme),
        name: &grid.name,
        kind: Some(grid.kind.as_str()),
        parent: grid.parent.map(|ix| territory.region(ix).code.as_str()),
        // Of past boundaries the count of then: to find today's buildings in each of thousands of grids would take too long.
        households: if view.is_elsewhere() { grid.households.map(u64::from) } else { view.households(ix).shown() },
        population: grid.population,
        area_m2: shapes::rounded(grid.area_m2),
        epoch: territory.epoch.0,
    };
    Feature {
        kind: "Feature",
        id: Id::Code(grid.code.as_str()),
        geometry: area(&territory.outline_grid(ix), crs),
        properties: Properties::Boundary(properties),
        links: vec![],
    }
}

/// `record` is absent when it was removed since, and not heeded when it was changed: what is known of the row stays true for its revision.
fn facility(view: &View, row: Facility, record: Option<FacilityRecord>, crs: FeatureCrs) -> Feature<'static> {
    let category = view.category_of(&row);
    let (accuracy, state_date, mut others, provenance) = record
        .filter(|record| record.version == row.version)
        .map(|record| (record.accuracy, record.state_date, record.properties, record.provenance))
        .unwrap_or_default();
    others.retain(|name, _| !FACILITY_NAMES.contains(&name.as_str()));
    let properties = FacilityProperties {
        code: row.code.as_deref().map(str::to_owned),
        category: category.code.clone(),
        category_name: category.name.clone(),
        name: row.name.to_string(),
        state: row.state.as_str(),
        state_date: state_date.map(|date| date.to_string()),
        grid: view.leaf_of(&row).and_then(Unit::grid).map(|ix| view.territory.grid(ix).code.to_string()),
        accuracy,
        source: provenance.source,
        source_date: provenance.source_date.map(|date| date.to_string()),
        version: row.version.0,
        external_ids: provenance.external_ids,
        others,
    };
    Feature {
        kind: "Feature",
        id: Id::Key(row.id.0),
        geometry: Some(point(row.at, crs)),
        properties: Properties::Facility(properties),
        links: vec![],
    }
}

fn case_feature<'v>(view: &'v View, case: &'v Case, zone: &TimeZone, crs: FeatureCrs) -> Feature<'v> {
    let record = &*case.record;
    let category = view.city.about.profile.category(crate::domain::category::CategoryKind::Matter, &record.category);
    let properties = CaseProperties {
        category: &record.category,
        category_name: category.map(|category| category.name.as_str()),
        state: record.state.as_str(),
        text: view.text(&record.text),
        urgent: record.urgent,
        source: &record.channel,
        reported_at: shapes::time(record.reported_at, zone),
        due_at: record.due_at.map(|at| shapes::time(at, zone)),
        overdue: record.overdue,
        located: record.located.as_str(),
        grid: view.unit_of(case).and_then(Unit::grid).map(|ix| view.territory.grid(ix).code.as_str()),
        within: record.within.as_ref().map(|code| code.as_str()),
        owner: &record.owner,
        version: record.version.0,
    };
    Feature {
        kind: "Feature",
        id: Id::Key(record.id.0),
        geometry: record.at.map(|at| point(at, crs)),
        properties: Properties::Case(properties),
        links: vec![],
    }
}

fn building<'v>(view: &'v View, one: &'v Building, crs: FeatureCrs) -> Feature<'v> {
    let record = &*one.record;
    let properties = BuildingProperties {
        name: &record.name,
        storeys: record.storeys,
        households: record.households,
        grid: view.standing_unit(one).and_then(Unit::grid).map(|ix| view.territory.grid(ix).code.as_str()),
        within: record.within.as_ref().map(|code| code.as_str()),
        address: record.address.as_deref(),
        source: record.provenance.source.as_deref(),
        source_date: record.provenance.source_date.map(|date| date.to_string()),
        version: record.version.0,
        external_ids: &record.provenance.external_ids,
    };
    let geometry = match &record.site {
        None => None,
        Some(Site::Point(at)) => Some(point(*at, crs)),
        Some(Site::Footprint(footprint)) => area(footprint.area(), crs),
    };
    Feature { kind: "Feature", id: Id::Key(record.id.0), geometry, properties: Properties::Building(properties), links: vec![] }
}
