//! `GET` and `POST /api/v1/locate`: which grid is this point in?

use super::access::with_phones;
use super::asof;
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::json::{json_of_size, raw};
use super::locate_address::AddressAnswer;
use super::locate_batch::{Batch, BatchAnswer, located};
use super::query::{self, Query, Word, given, one_of, query};
use super::shapes::{self, GridName, Position, RegionName, Team};
use super::{body, locate_address, locate_stream};
use crate::app::App;
use crate::app::access::Known;
use crate::app::addresses::MOST_CANDIDATES;
use crate::app::lookup::{Found, Outside, Place};
use crate::app::view::View;
use crate::geom::beidou::{self, Level};
use crate::geom::{Crs, LatticePoint, LonLat, hex};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// Where, told in which CRS, in the boundaries of when; or an address in words.
    pub struct LocateQuery {
        /// Longitude in degrees, in `crs`. Required without `address`.
        lon: Option<f64>,
        /// Latitude in degrees, in `crs`. Required without `address`.
        lat: Option<f64>,
        /// CRS of the position: `wgs84`, `cgcs2000`, `gcj02` or `bd09`. Never guessed. Required without `address`.
        #[param(schema_with = query::crs_schema)]
        crs: Option<Crs>,
        /// An address in words instead of a position, at most 200 characters: the answer is candidates with kind and score.
        address: Option<String>,
        ..boundaries,
        /// Radius in metres within which the position lies with a probability of 68 %, 0.1 to 1,000: which grids it may
        /// be in.
        accuracy_m: Option<f64>,
        /// What else to tell, comma-separated: `team`, `beidou`, `h3`, `distance`, `neighbour`.
        #[param(value_type = Option<String>)]
        include: Option<Include>,
        /// Of an address: only what is below this region, or in this grid.
        within: Option<String>,
        /// Of an address: most candidates, 1 to 100; 10 when absent.
        limit: Option<u64>,
    }
}

/// What else an answer tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Include {
    team: bool,
    beidou: bool,
    h3: bool,
    distance: bool,
    neighbour: bool,
}

given!(Include);

impl Word for Include {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let mut include = Self::default();
        for word in text.split(',') {
            let words = [
                ("team", &mut include.team),
                ("beidou", &mut include.beidou),
                ("h3", &mut include.h3),
                ("distance", &mut include.distance),
                ("neighbour", &mut include.neighbour),
            ];
            let names = words.each_ref().map(|(name, _)| (*name, *name));
            let wanted = one_of(field, word, &names)?;
            words.into_iter().filter(|(name, _)| *name == wanted).for_each(|(_, flag)| *flag = true);
        }
        Ok(include)
    }
}

/// Where a point is.
#[derive(Debug, Serialize, ToSchema)]
pub struct LocateAnswer<'a> {
    /// The boundaries the answer is about.
    epoch: u64,
    /// The change log's number up to which it is true.
    revision: u64,
    /// As stored: CGCS2000, 7 decimals.
    position: Position,
    /// The grid; null in a region that has no grids yet and in a void.
    pub(super) grid: Option<GridName<'a>>,
    /// `water` or `excluded` where there is no grid on purpose.
    #[serde(rename = "void", skip_serializing_if = "Option::is_none")]
    pub(super) void: Option<&'static str>,
    /// All regions above, top down. Levels may be missing: do not count.
    pub(super) path: Vec<RegionName<'a>>,
    /// The point lies exactly on a border; it belongs to the least code that touches it.
    on_border: bool,
    /// With `include=team`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) team: Option<Team<'a>>,
    /// With `include=beidou`: the 20-character code of the position as told. Null beyond 88° of latitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beidou: Option<Option<String>>,
    /// With `include=distance`: metres to the grid's border; null when there is no grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) distance_to_border_m: Option<Option<f64>>,
    /// With `include=h3`: the H3 cell of resolution 10 that holds the position as told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) h3: Option<String>,
    /// With `include=neighbour`: the grid across the nearest border that has one; null when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) neighbour: Option<Option<NextDoor<'a>>>,
    /// With `accuracy_m`: the grids it may be in, the likeliest first. With `outside_probability` they sum to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Vec<Candidate<'a>>>,
    /// With `accuracy_m`: the probability that it is in no grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    outside_probability: Option<f64>,
}

/// The grid across a border.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextDoor<'a> {
    /// Its code.
    code: &'a str,
    /// May be empty.
    name: &'a str,
    /// Metres to the border.
    distance_m: f64,
}

/// A grid in which a position may be.
#[derive(Debug, Serialize, ToSchema)]
pub struct Candidate<'a> {
    /// Its code.
    grid: &'a str,
    /// In ten-thousandths.
    probability: f64,
}

/// Smallest accuracy in metres: less than the seventh decimal is worth is no accuracy.
const LEAST_ACCURACY_M: f64 = 0.1;
/// Largest accuracy in metres.
const MOST_ACCURACY_M: f64 = 1_000.0;
/// Above this accuracy in metres the grids around are many, and the answer is made on the compute pool. A guess.
const SHARP_M: f64 = 50.0;

/// The answer to a position, or to an address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "it stands for one of two answers in the document")]
pub enum LocateEither<'a> {
    /// With `lon`, `lat` and `crs`.
    Position(LocateAnswer<'a>),
    /// With `address`.
    Address(AddressAnswer<'a>),
}

/// One point, or one address.
#[utoipa::path(get, path = "/api/v1/locate", tag = "lookup", params(LocateQuery), responses((status = 200, body = LocateEither)))]
pub async fn get(State(app): State<Arc<App>>, Caller(actor): Caller, Query(query): Query<LocateQuery>) -> Answer<Response> {
    if query.address.is_some() {
        return by_address(&app, &actor, query).await;
    }
    refuse_beside("only for an address", &[("within", query.within.is_some()), ("limit", query.limit.is_some())])?;
    let lon = query.lon.ok_or_else(|| <f64 as Word>::missing("lon"))?;
    let lat = query.lat.ok_or_else(|| <f64 as Word>::missing("lat"))?;
    let crs = query.crs.ok_or_else(|| Crs::missing("crs"))?;
    let told = query::position(lon, lat, crs)?;
    let accuracy_m = query.accuracy_m;
    if accuracy_m.is_some_and(|metres| !(LEAST_ACCURACY_M..=MOST_ACCURACY_M).contains(&metres)) {
        let detail = format!("takes metres, {LEAST_ACCURACY_M} to {MOST_ACCURACY_M}");
        return Err(Problem::bad_parameter("accuracy_m", detail));
    }
    let view = asof::boundaries!(query).view(&app, &actor).await?;
    let include = query.include.unwrap_or_default();
    let answer = match accuracy_m {
        Some(metres) if metres > SHARP_M => {
            app.compute.run(move || located_one(&view, told, include, accuracy_m)).await.map_err(crate::app::AppError::from)??
        }
        _ => located_one(&view, told, include, accuracy_m)?,
    };
    Ok(if include.team { with_phones(answer, &actor) } else { answer })
}

/// Parameters that do not go with what was asked for, and why not.
fn refuse_beside(why: &str, given: &[(&'static str, bool)]) -> Answer<()> {
    let fields: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if fields.is_empty() {
        return Ok(());
    }
    let detail = format!("{}: {why}", fields.join(", "));
    Err(Problem::new(ProblemCode::ConflictingParameters, detail).with("fields", fields))
}

async fn by_address(app: &App, actor: &crate::app::Actor, query: LocateQuery) -> Answer<Response> {
    let boundaries = asof::boundaries!(query);
    let LocateQuery { lon, lat, crs, address, set: _, at: _, epoch: _, accuracy_m, include, within, limit } = query;
    let beside = [("lon", lon.is_some()), ("lat", lat.is_some()), ("crs", crs.is_some()), ("accuracy_m", accuracy_m.is_some())];
    refuse_beside("only for a position, not for an address", &beside)?;
    let limit = match limit.map(usize::try_from) {
        None => locate_address::DEFAULT_CANDIDATES,
        Some(Ok(limit @ 1..=MOST_CANDIDATES)) => limit,
        Some(_) => return Err(Problem::bad_parameter("limit", format!("takes 1 to {MOST_CANDIDATES}"))),
    };
    let view = boundaries.view(app, actor).await?;
    let within = within.as_deref().map(|code| view.within(code)).transpose()?;
    let (address, include) = (address.unwrap_or_default(), include.unwrap_or_default());
    let work = move || locate_address::located(&view, &address, within.as_ref(), limit, include);
    let answer = app.compute.run(work).await.map_err(crate::app::AppError::from)??;
    Ok(if include.team { with_phones(answer, actor) } else { answer })
}

fn located_one(view: &View, told: LonLat, include: Include, accuracy_m: Option<f64>) -> Answer<Response> {
    let at = LatticePoint::nearest(told);
    let candidates = accuracy_m.map(|metres| view.candidates(at, metres));
    let outside_probability = candidates.as_ref().map(|candidates| candidates.outside);
    let candidates: Option<Vec<Candidate<'_>>> = candidates.map(|candidates| {
        let grids = candidates.grids.into_iter();
        grids.map(|(ix, probability)| Candidate { grid: view.territory.grid(ix).code.as_str(), probability }).collect()
    });
    match view.locate(at) {
        Some(found) => {
            Ok(json_of_size(&LocateAnswer { candidates, outside_probability, ..answer(view, &found, told, include) }, 512))
        }
        None => {
            let problem = outside(view.outside(told));
            match (candidates, outside_probability) {
                (Some(candidates), Some(probability)) => {
                    Err(problem.with("candidates", serde_json::json!(candidates)).with("outside_probability", probability))
                }
                _ => Err(problem),
            }
        }
    }
}

pub(super) fn answer<'v>(view: &'v View, found: &Found, told: LonLat, include: Include) -> LocateAnswer<'v> {
    let territory = &*view.territory;
    let (grid, region, void) = match found.place {
        Place::Grid(ix) => (Some(ix), territory.grid(ix).parent, None),
        Place::Region(ix) => (None, Some(ix), None),
        Place::Void(kind) => (None, None, Some(kind.as_str())),
    };
    let mut path = Vec::new();
    let mut above = region;
    while let Some(ix) = above {
        let region = territory.region(ix);
        path.push(RegionName::of(territory, region));
        above = region.parent;
    }
    path.reverse();
    let code = grid.map(|ix| &territory.grid(ix).code).or_else(|| region.map(|ix| &territory.region(ix).code));
    LocateAnswer {
        epoch: territory.epoch.0,
        revision: view.city.revision.0,
        position: shapes::position(found.at),
        grid: grid.map(|ix| GridName::of(territory.grid(ix))),
        void,
        path,
        on_border: found.on_border,
        team: include.team.then(|| Team::of(view, code.map(|code| view.city.staff.team(code)).unwrap_or_default())),
        beidou: include.beidou.then(|| beidou::encode(told, Level::LAST).ok()),
        distance_to_border_m: include
            .distance
            .then(|| grid.map(|ix| shapes::rounded(territory.distance_to_border_m(ix, found.at)))),
        h3: include.h3.then(|| hex::cell(told)),
        neighbour: include.neighbour.then(|| {
            let (next, distance_m) = territory.next_door(grid?, found.at, |ix| view.sees_grid(ix))?;
            let next = territory.grid(next);
            Some(NextDoor { code: next.code.as_str(), name: &next.name, distance_m: shapes::rounded(distance_m) })
        }),
        candidates: None,
        outside_probability: None,
    }
}

fn outside(outside: Outside) -> Problem {
    let nearest = outside
        .nearest
        .map(|(grid, distance_m)| serde_json::json!({ "grid": grid.as_str(), "distance_m": shapes::rounded(distance_m) }));
    let detail = match outside.swapped_inside {
        true => "the position is outside the covered land; with its two numbers exchanged it would be inside",
        false => "the position is outside the covered land",
    };
    let problem = Problem::new(ProblemCode::OutsideCoverage, detail).with("nearest", nearest);
    if outside.swapped_inside { problem.with("hint", "axis_swapped?") } else { problem }
}

query! {
    /// Which boundaries; for streams also the CRS.
    pub struct LocateManyQuery {
        /// CRS of the positions of a stream. A JSON body names its own; a table of addresses has none.
        #[param(schema_with = query::crs_schema)]
        crs: Option<Crs>,
        ..boundaries,
    }
}

/// Bytes of a batch that is answered on the spot: about 1,500 points, a tenth of a millisecond. Larger ones go to the compute pool.
const SMALL_BATCH: usize = 64 << 10;

/// Many points: a JSON batch, or a stream of lines (`application/x-ndjson`, `text/csv`) without a size limit. A stream is answered while
/// it is read: a client must read while it writes. A CSV with a column `address` instead of `lon` and `lat` is answered with `grid`, `kind`,
/// `score`, `lon`, `lat`, `candidates` (their number) and `error`; where candidates tie in different grids, `grid` is empty.
#[utoipa::path(
    post, path = "/api/v1/locate", tag = "lookup", params(LocateManyQuery),
    request_body(content((Batch = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"))),
    responses((status = 200, content((BatchAnswer = "application/json"), (String = "application/x-ndjson"), (String = "text/csv")))),
)]
pub async fn post(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<LocateManyQuery>,
    request: Request,
) -> Answer<Response> {
    let (parts, stream) = request.into_parts();
    body::as_it_is(&parts.headers)?;
    let lines = match body::media_type(&parts.headers).as_str() {
        "application/json" => None,
        "application/x-ndjson" => Some(locate_stream::Format::Ndjson),
        "text/csv" => Some(locate_stream::Format::Csv),
        other => {
            let allowed = vec!["application/json", "application/x-ndjson", "text/csv"];
            let detail = format!("content-type {:?} is none of {}", query::clipped(other), allowed.join(", "));
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail).with("allowed", allowed));
        }
    };
    let view = asof::boundaries!(query).view(&app, &actor).await?;
    match lines {
        Some(format) => {
            if format == locate_stream::Format::Ndjson && query.crs.is_none() {
                return Err(Crs::missing("crs"));
            }
            let still = app.still(parts.extensions.get::<Known>().cloned());
            locate_stream::response((app.compute.clone(), view), still, query.crs, format, stream).await
        }
        None if query.crs.is_some() => {
            Err(Problem::new(ProblemCode::ConflictingParameters, "a JSON batch names its crs in the body")
                .with("fields", vec!["crs"]))
        }
        None => batch(&app, view, &parts.headers, stream).await,
    }
}

async fn batch(app: &App, view: View, headers: &axum::http::HeaderMap, stream: Body) -> Answer<Response> {
    let bytes = body::read(headers, stream, app.config.body_limit_bytes).await?;
    let answer = if bytes.len() <= SMALL_BATCH {
        located(&view, &bytes)
    } else {
        app.compute.run(move || located(&view, &bytes)).await.map_err(crate::app::AppError::from)?
    };
    answer.map(|bytes| raw(bytes, "application/json"))
}
