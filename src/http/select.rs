//! `POST /api/v1/select`: everything in a polygon, a circle, or along a line.

use super::body;
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::facility_writes::json_body;
use super::json::{CursorText, Limit, json};
use super::members::Members;
use super::nearby::{Kinds, MOST_RADIUS_M, looked};
use super::query::{NoQuery, Query, Word, one_of, out_of_range};
use crate::app::select::{Kind, Selected, Shape};
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::domain::facility::FacilityState;
use crate::domain::hash::hash64;
use crate::geom::disc::Disc;
use crate::geom::inside::{Corridor, EvenOdd};
use crate::geom::{LatticePoint, LonLat};
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::ToSchema;

/// Most points of a polygon or a line.
const MOST_POINTS: usize = 2_000;
/// Widest corridor, from its line to its edge, in metres.
const MOST_DISTANCE_M: f64 = 5_000.0;

/// What to select, and where. Positions are WGS 84/CGCS2000, as in GeoJSON.
#[derive(Serialize, ToSchema)]
#[schema(as = SelectBody)]
#[allow(dead_code, reason = "only its schema is used; bodies are read member by member, so that a fault names its field")]
pub(super) struct SelectBody {
    /// A GeoJSON Polygon or MultiPolygon, whose rings may cross (what lies in an odd number of them is inside),
    /// `{"circle": {"centre": [lon, lat], "radius_m": m}}` or `{"corridor": {"line": [[lon, lat], …], "distance_m": m}}`.
    #[schema(value_type = Object)]
    area: Value,
    /// `facilities`, `cases`, `organizations`, `buildings`; facilities when absent.
    kinds: Option<Vec<String>>,
    /// Code of a category; two characters stand for a whole major category.
    category: Option<String>,
    /// State of the facilities; any when absent.
    state: Option<String>,
    /// Ids of the page, 1 to 10,000; 100 when absent.
    limit: Option<usize>,
    /// Where the page begins, as the page before said.
    cursor: Option<String>,
}

/// How many of one category.
#[derive(Debug, Serialize, ToSchema)]
pub struct CategoryCountShape<'a> {
    /// Its code.
    category: &'a str,
    /// Its name; empty when the profile does not have it.
    name: &'a str,
    /// How many.
    count: usize,
}

/// How many of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindCountShape<'a> {
    /// `facility`, `case`, `organization` or `building`.
    kind: &'static str,
    /// How many.
    total: usize,
    /// Of buildings: their households, as far as they say a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    households: Option<u64>,
    /// Their categories, by code; buildings have none.
    by_category: Vec<CategoryCountShape<'a>>,
}

/// One of what was selected.
#[derive(Debug, Serialize, ToSchema)]
pub struct SelectedShape {
    /// `facility`, `case`, `organization` or `building`.
    kind: &'static str,
    /// The store's key, also its feature id in tiles.
    id: i64,
}

/// What an area holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct SelectAnswer<'a> {
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries it is about.
    epoch: u64,
    /// How many there are on all pages.
    number_matched: usize,
    /// By kind and category.
    counts: Vec<KindCountShape<'a>>,
    /// Those of this page.
    items: Vec<SelectedShape>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Facility => "facility",
        Kind::Case => "case",
        Kind::Organization => "organization",
        Kind::Building => "building",
    }
}

/// Everything in a polygon, a circle, or along a line: counted by kind and category, and listed in pages.
#[utoipa::path(post, path = "/api/v1/select", tag = "lookup", params(NoQuery),
    request_body(content = SelectBody), responses((status = 200, body = SelectAnswer)))]
pub async fn post(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>, request: Request) -> Answer<Response> {
    let (_, bytes) = json_body(request, &["application/json"]).await?;
    let mut members = Members::of(&bytes)?;
    let Some(area) = members.object("area")?.never_null("area")? else { return Err(Problem::missing_field("area")) };
    let kinds = members.take("kinds").never_null("kinds")?.map(kinds).transpose()?.unwrap_or(Kinds::FACILITIES);
    let category = members.text("category", 64)?.never_null("category")?;
    let state = members.parsed::<FacilityState>("state")?.never_null("state")?;
    let limit = members.take("limit").never_null("limit")?.map(|limit| Limit::parse("limit", &limit.to_string())).transpose();
    let limit = limit.map_err(as_field)?.unwrap_or(Limit::DEFAULT).0;
    let cursor = members.text("cursor", 64)?.never_null("cursor")?;
    let cursor = cursor.map(|text| CursorText::parse("cursor", &text)).transpose()?;
    members.end()?;
    let list = list_of(&bytes)?;
    let after = cursor.map(|cursor| cursor.in_list(list)).transpose()?;
    let view = app.view(&actor);
    let looked = looked(&view, kinds, category.as_deref(), state).map_err(as_field)?;
    let shape = shape(area)?;
    let answer = move || {
        let selected = view.select(&shape, &looked, after, limit);
        json(&told(&view, &selected, list))
    };
    Ok(app.compute.run(answer).await.map_err(AppError::from)?)
}

/// A query's fault in the words of a body's.
fn as_field(problem: Problem) -> Problem {
    let members = problem.members().clone();
    let told = Problem::new(ProblemCode::BadField, problem.detail());
    members.into_iter().fold(told, |told, (name, value)| told.with(&name, value))
}

/// What tells a list from others: all that was asked but for the page.
fn list_of(bytes: &[u8]) -> Answer<u32> {
    let mut asked: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| body::bad_json(&error))?;
    asked.remove("cursor");
    asked.remove("limit");
    Ok(hash64(Value::Object(asked).to_string().as_bytes()) as u32)
}

fn told<'v>(view: &'v View, selected: &'v Selected, list: u32) -> SelectAnswer<'v> {
    let name = |kind: Kind, code: &str| {
        let category = match kind {
            Kind::Organization => view.organization_category(code),
            Kind::Facility | Kind::Case | Kind::Building => {
                kind.category_kind().and_then(|kind| view.city.about.profile.category(kind, code))
            }
        };
        category.map_or("", |category| category.name.as_str())
    };
    let counts: Vec<KindCountShape<'v>> = selected
        .counts
        .iter()
        .map(|(kind, counts)| KindCountShape {
            kind: word(*kind),
            total: counts.values().sum(),
            households: (*kind == Kind::Building).then_some(selected.households),
            by_category: counts
                .iter()
                .filter(|_| kind.category_kind().is_some())
                .map(|(category, count)| CategoryCountShape { category, name: name(*kind, category), count: *count })
                .collect(),
        })
        .collect();
    SelectAnswer {
        revision: view.city.revision.0,
        epoch: view.territory.epoch.0,
        number_matched: counts.iter().map(|kind| kind.total).sum(),
        counts,
        items: selected.items.iter().map(|(kind, id)| SelectedShape { kind: word(*kind), id: *id }).collect(),
        cursor: selected.next.map(|next| CursorText::text(next, list)),
    }
}

fn kinds(value: Value) -> Answer<Kinds> {
    let shape = || Problem::bad_field("kinds", "takes a list of words");
    let words: Vec<String> = serde_json::from_value(value).map_err(|_| shape())?;
    let mut kinds = Kinds::default();
    for word in &words {
        kinds = kinds.and(one_of("kinds", word, &Kinds::WORDS).map_err(as_field)?);
    }
    match words.is_empty() {
        true => Err(shape()),
        false => Ok(kinds),
    }
}

fn bad_area(detail: impl std::fmt::Display) -> Problem {
    Problem::bad_field("area", detail)
}

fn shape(mut area: Map<String, Value>) -> Answer<Shape> {
    const WANTED: &str = "takes a GeoJSON Polygon or MultiPolygon, {\"circle\": …} or {\"corridor\": …}";
    let only = |area: &Map<String, Value>, known: &[&str]| match area.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => {
            Err(bad_area(format_args!("{:?} is not known here; known are {}", super::query::clipped(key), known.join(", "))))
        }
        None => Ok(()),
    };
    if let Some(Value::Object(mut circle)) = area.remove("circle") {
        only(&area, &["circle"])?;
        let centre = circle.remove("centre").ok_or_else(|| bad_area("circle.centre is required"))?;
        let radius_m = metres(circle.remove("radius_m"), "circle.radius_m", MOST_RADIUS_M)?;
        only(&circle, &["centre", "radius_m"])?;
        return Ok(Shape::Circle(Disc::new(position(&centre)?, radius_m)));
    }
    if let Some(Value::Object(mut corridor)) = area.remove("corridor") {
        only(&area, &["corridor"])?;
        let line = line(&corridor.remove("line").unwrap_or_default(), 2)?;
        let distance_m = metres(corridor.remove("distance_m"), "corridor.distance_m", MOST_DISTANCE_M)?;
        only(&corridor, &["line", "distance_m"])?;
        return Corridor::new(&line, distance_m).map(Shape::Corridor).ok_or_else(|| bad_area(WANTED));
    }
    only(&area, &["type", "coordinates", "bbox"])?;
    let coordinates = area.remove("coordinates").unwrap_or_default();
    let polygons = match area.get("type").and_then(Value::as_str) {
        Some("Polygon") => vec![coordinates],
        Some("MultiPolygon") => match coordinates {
            Value::Array(polygons) => polygons,
            _ => return Err(bad_area(WANTED)),
        },
        _ => return Err(bad_area(WANTED)),
    };
    let mut rings = Vec::new();
    for polygon in &polygons {
        for ring in polygon.as_array().ok_or_else(|| bad_area("a polygon is a list of rings"))? {
            let ring = line(ring, 4)?;
            if ring.first() != ring.last() {
                return Err(bad_area("the last position of a ring must be its first"));
            }
            rings.push(ring);
        }
    }
    if rings.iter().map(Vec::len).sum::<usize>() > MOST_POINTS {
        return Err(bad_area(format_args!("has more than {MOST_POINTS} positions")));
    }
    EvenOdd::new(&rings).map(Shape::Polygon).ok_or_else(|| bad_area("a polygon has at least one ring"))
}

fn position(value: &Value) -> Answer<LonLat> {
    let numbers: Option<Vec<f64>> = value.as_array().and_then(|parts| parts.iter().map(Value::as_f64).collect());
    match numbers.as_deref() {
        // A height is let in, as RFC 7946 has it.
        Some([lon, lat] | [lon, lat, _]) => LonLat::new(*lon, *lat).map_err(|error| out_of_range("area", error)),
        _ => Err(bad_area("a position is [lon, lat]")),
    }
}

fn line(value: &Value, least: usize) -> Answer<Vec<LatticePoint>> {
    let positions = value.as_array().ok_or_else(|| bad_area("a line or a ring is a list of positions"))?;
    if !(least..=MOST_POINTS).contains(&positions.len()) {
        return Err(bad_area(format_args!(
            "a line or a ring of {} positions; {least} to {MOST_POINTS} are taken",
            positions.len()
        )));
    }
    let points: Vec<LatticePoint> =
        positions.iter().map(|position_of| position(position_of).map(LatticePoint::nearest)).collect::<Answer<_>>()?;
    match points.windows(2).any(|pair| pair[1].minus(pair[0]).0.abs() > 1_800_000_000) {
        true => Err(bad_area("an edge is longer than 180°: cut the area at the antimeridian (RFC 7946, 3.1.9)")),
        false => Ok(points),
    }
}

fn metres(value: Option<Value>, field: &str, most: f64) -> Answer<f64> {
    let number = value.and_then(|value| value.as_f64()).filter(|metres| *metres > 0.0 && *metres <= most);
    number.ok_or_else(|| bad_area(format_args!("{field} takes metres, more than 0, at most {most}")))
}
