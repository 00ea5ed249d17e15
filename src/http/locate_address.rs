//! `GET /api/v1/locate?address=`: where is this address? Every way to understand it is an answer with a score; none is chosen silently.

use super::error::{Answer, Problem, ProblemCode};
use super::json::json;
use super::locate::{self, Include, NextDoor};
use super::shapes::{self, GridName, Position, RegionName, Team};
use crate::app::addresses::{Candidate, Understood};
use crate::app::view::{View, Within};
use crate::domain::id::Unit;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// Where an address may be.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressAnswer<'a> {
    /// The boundaries the answer is about.
    epoch: u64,
    /// The change log's number up to which it is true.
    revision: u64,
    /// How the text was read.
    understood: UnderstoodShape,
    /// Several candidates share the best score: nobody has won, and a person must choose.
    ambiguous: bool,
    /// How many candidates there are, whatever the limit.
    number_matched: usize,
    /// The best first.
    candidates: Vec<AddressCandidate<'a>>,
}

/// The parts of an address. Empty ones are left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnderstoodShape {
    /// Regions that it names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regions: Vec<String>,
    /// Provinces, cities and counties that it names and that are not here: no address is a candidate that does not name them itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    elsewhere: Vec<String>,
    /// Street, village or estate.
    #[serde(skip_serializing_if = "String::is_empty")]
    street: String,
    /// Lane, group and number: `105弄3号`.
    #[serde(skip_serializing_if = "String::is_empty")]
    house: String,
    /// Building, unit and room: `2幢1单元301室`.
    #[serde(skip_serializing_if = "String::is_empty")]
    inside: String,
    /// A name behind the number.
    #[serde(skip_serializing_if = "String::is_empty")]
    place: String,
    /// What was not understood.
    #[serde(skip_serializing_if = "String::is_empty")]
    rest: String,
}

/// One way to understand an address.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressCandidate<'a> {
    /// `exact`, `poi`, `building`, `interpolated`, `road` (also where two meet) or `region`: how precisely the place is told.
    kind: &'static str,
    /// 0 to 1; 1 only when every part was found. Equal scores are equal candidates.
    score: f64,
    /// What was found, as the register has it; of a place between two numbers as it was asked for.
    text: String,
    /// What stands there.
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    /// The store's key, when it is a stored address.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    /// `address` with a position, else `region`: only the region is known.
    located: &'static str,
    /// Of an interpolated one: the two addresses it lies between.
    #[serde(skip_serializing_if = "Option::is_none")]
    between: Option<[String; 2]>,
    /// `[lon, lat]`, CGCS2000; null when only the region is known.
    position: Option<Position>,
    /// The grid; null outside, in a void and in a region without grids, and when only a region is known.
    grid: Option<GridName<'a>>,
    /// `water` or `excluded` where there is no grid on purpose.
    #[serde(rename = "void", skip_serializing_if = "Option::is_none")]
    void: Option<&'static str>,
    /// All regions above, top down.
    path: Vec<RegionName<'a>>,
    /// With `include=team`.
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<Team<'a>>,
    /// With `include=beidou`.
    #[serde(skip_serializing_if = "Option::is_none")]
    beidou: Option<Option<String>>,
    /// With `include=distance`: metres to the grid's border.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_to_border_m: Option<Option<f64>>,
    /// With `include=h3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    h3: Option<String>,
    /// With `include=neighbour`.
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbour: Option<Option<NextDoor<'a>>>,
}

/// Candidates when nothing is said.
pub(super) const DEFAULT_CANDIDATES: usize = 10;

pub(super) fn located(view: &View, text: &str, within: Option<&Within>, limit: usize, include: Include) -> Answer<Response> {
    if text.trim().is_empty() {
        return Err(Problem::bad_parameter("address", "is empty"));
    }
    let found = view.find_address(text, within, limit);
    if found.candidates.is_empty() && view.city.addresses.is_empty() {
        return Err(no_addresses());
    }
    let Understood { regions, elsewhere, street, house, inside, place, rest } = found.understood;
    Ok(json(&AddressAnswer {
        epoch: view.territory.epoch.0,
        revision: view.city.revision.0,
        understood: UnderstoodShape { regions, elsewhere, street, house, inside, place, rest },
        ambiguous: found.best > 1,
        number_matched: found.total,
        candidates: found.candidates.into_iter().map(|candidate| shape(view, candidate, include)).collect(),
    }))
}

/// There is nothing to look an address up in.
pub(super) fn no_addresses() -> Problem {
    Problem::new(
        ProblemCode::NoAddresses,
        "the city has no addresses yet; until `wangge import addresses` brings them in, only regions and grids are found by name",
    )
}

fn shape<'v>(view: &'v View, candidate: Candidate, include: Include) -> AddressCandidate<'v> {
    let Candidate { kind, score, text, name, id, at, unit, between } = candidate;
    let territory = &*view.territory;
    let regions = match unit {
        Some(Unit::Grid(ix)) => view.path(territory.grid(ix).parent),
        Some(Unit::Region(ix)) => view.path(Some(ix)),
        None => Vec::new(),
    };
    let mut shape = AddressCandidate {
        kind: kind.as_str(),
        score,
        text,
        name,
        id: id.map(|id| id.0),
        located: if at.is_some() { "address" } else { "region" },
        between,
        position: at.map(shapes::position),
        grid: unit.and_then(Unit::grid).map(|ix| GridName::of(territory.grid(ix))),
        void: None,
        path: RegionName::path(view, &regions),
        team: None,
        beidou: None,
        distance_to_border_m: None,
        h3: None,
        neighbour: None,
    };
    if let Some(found) = at.and_then(|at| view.locate(at)) {
        let answer = locate::answer(view, &found, found.at.lonlat(), include);
        (shape.grid, shape.void, shape.path) = (answer.grid, answer.void, answer.path);
        (shape.team, shape.beidou, shape.h3) = (answer.team, answer.beidou, answer.h3);
        (shape.distance_to_border_m, shape.neighbour) = (answer.distance_to_border_m, answer.neighbour);
    }
    shape
}
