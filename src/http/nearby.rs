//! `GET /api/v1/nearby`: what is near a place, by distance.

use super::caller::Caller;
use super::error::{Answer, Problem};
use super::facilities::categories_named;
use super::json::{Limit, json};
use super::query::{self, Query, Word, given, one_of, query};
use super::shapes::{self, Position};
use crate::app::nearby::{Looked, Near, Thing};
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::domain::category::CategoryKind;
use crate::domain::facility::FacilityState;
use crate::domain::id::Unit;
use crate::geom::Crs;
use crate::geom::disc::Disc;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Largest radius in metres.
pub(super) const MOST_RADIUS_M: f64 = 50_000.0;
/// Most things of one answer.
const MOST_NEAR: usize = 1_000;

query! {
    /// Around which place, what.
    pub struct NearbyQuery {
        /// Longitude in degrees, in `crs`.
        lon: f64,
        /// Latitude in degrees, in `crs`.
        lat: f64,
        /// CRS of the position: `wgs84`, `cgcs2000`, `gcj02` or `bd09`. Never guessed.
        #[param(schema_with = query::crs_schema)]
        crs: Crs,
        /// Metres, more than 0, at most 50,000.
        radius_m: f64,
        /// Comma-separated: `facilities`, `cases`, `organizations`, `buildings`; facilities when absent.
        #[param(value_type = Option<String>)]
        kinds: Option<Kinds>,
        /// Categories, comma-separated; two characters stand for a whole major category.
        category: Option<String>,
        /// State of the facilities: `intact` when absent; `any`.
        #[param(value_type = Option<String>)]
        state: Option<NearState>,
        /// Things of the answer, 1 to 1,000; 100 when absent.
        #[param(schema_with = query::near_limit_schema)]
        limit: Option<Limit>,
    }
}

/// Kinds of things on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds {
    /// Facilities.
    pub facilities: bool,
    /// Open cases.
    pub cases: bool,
    /// Organizations.
    pub organizations: bool,
    /// Buildings.
    pub buildings: bool,
}

/// A state, or any.
#[derive(Debug, Clone, Copy)]
pub struct NearState(pub Option<FacilityState>);

given!(Kinds, NearState);

impl Kinds {
    /// When nothing is said.
    pub const FACILITIES: Self = Self { facilities: true, ..Self::NONE };
    const NONE: Self = Self { facilities: false, cases: false, organizations: false, buildings: false };
    /// The words. Staff have no positions yet.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("facilities", Self::FACILITIES),
        ("cases", Self { cases: true, ..Self::NONE }),
        ("organizations", Self { organizations: true, ..Self::NONE }),
        ("buildings", Self { buildings: true, ..Self::NONE }),
    ];

    /// What either of them names.
    pub fn and(self, other: Self) -> Self {
        Self {
            facilities: self.facilities || other.facilities,
            cases: self.cases || other.cases,
            organizations: self.organizations || other.organizations,
            buildings: self.buildings || other.buildings,
        }
    }
}

impl Word for Kinds {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let mut kinds = Self::default();
        for word in text.split(',') {
            kinds = kinds.and(one_of(field, word, &Self::WORDS)?);
        }
        Ok(kinds)
    }
}

impl Word for NearState {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let states = FacilityState::ALL.map(|state| (state.as_str(), Some(state)));
        one_of(field, text, &[&states[..], &[("any", None)]].concat()).map(Self)
    }
}

/// Something near.
#[derive(Debug, Serialize, ToSchema)]
pub struct NearShape {
    /// `facility`, `case`, `organization` or `building`.
    kind: &'static str,
    /// The store's key, also its feature id in tiles.
    id: i64,
    /// Code of its category: a component of a facility, a matter of a case, an organization's own; buildings have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    /// Name of a facility, organization or building; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Of a building: its households, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    households: Option<u32>,
    /// Its state; organizations and buildings have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// Of a case: it is past its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    overdue: Option<bool>,
    /// `[lon, lat]`.
    position: Position,
    /// The grid that holds it; null outside every grid.
    grid: Option<String>,
    /// Geodesic distance in metres.
    distance_m: f64,
    /// The direction in which it lies, in degrees clockwise from north.
    bearing: f64,
    /// The straight line to it leaves the covered land.
    across_water: bool,
}

/// What is near, the nearest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct NearbyAnswer {
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries it is about.
    epoch: u64,
    /// How many there are within the radius.
    number_matched: usize,
    /// The nearest of them.
    items: Vec<NearShape>,
}

/// What is near a place, the nearest first. Without `state`, facilities that are intact.
#[utoipa::path(get, path = "/api/v1/nearby", tag = "lookup", params(NearbyQuery), responses((status = 200, body = NearbyAnswer)))]
pub async fn get(State(app): State<Arc<App>>, Caller(actor): Caller, Query(query): Query<NearbyQuery>) -> Answer<Response> {
    let told = query::position(query.lon, query.lat, query.crs)?;
    if query.radius_m <= 0.0 || query.radius_m > MOST_RADIUS_M {
        return Err(Problem::bad_parameter("radius_m", format_args!("takes metres, more than 0, at most {MOST_RADIUS_M}")));
    }
    let limit = query.limit.unwrap_or(Limit::DEFAULT).0;
    if limit > MOST_NEAR {
        return Err(Problem::bad_parameter("limit", format_args!("takes a whole number from 1 to {MOST_NEAR}")));
    }
    let view = app.view(&actor);
    let kinds = query.kinds.unwrap_or(Kinds::FACILITIES);
    let state = query.state.map_or(Some(FacilityState::Intact), |state| state.0);
    let looked = looked(&view, kinds, query.category.as_deref(), state)?;
    let disc = Disc::new(told, query.radius_m);
    let answer = move || {
        let (number_matched, near) = view.nearby(&disc, &looked, limit);
        let items = near.into_iter().map(|near| shape(&view, near)).collect();
        json(&NearbyAnswer { revision: view.city.revision.0, epoch: view.territory.epoch.0, number_matched, items })
    };
    Ok(app.compute.run(answer).await.map_err(AppError::from)?)
}

/// What is looked for. A category must be one of a kind that is.
pub(super) fn looked(view: &View, kinds: Kinds, category: Option<&str>, state: Option<FacilityState>) -> Answer<Looked> {
    let Kinds { facilities, cases, organizations, buildings } = kinds;
    let mut looked = Looked { facilities, cases, organizations, buildings, state, ..Looked::default() };
    let Some(category) = category else { return Ok(looked) };
    let known = &view.city.about.profile.categories;
    for word in category.split(',') {
        let fits = |code: &str| code == word || (word.len() == 2 && code.starts_with(word));
        let is_matter = kinds.cases && known.iter().any(|known| known.kind == CategoryKind::Matter && fits(&known.code));
        if is_matter {
            looked.matters.push(word.to_owned());
        }
        let is_body = organizations && view.organization_category(word).is_some();
        if is_body {
            looked.bodies.push(word.to_owned());
        }
        if kinds.facilities {
            match categories_named(view, word) {
                Ok(categories) => looked.categories.extend(categories),
                // Of another kind only: no facility has it.
                Err(_) if is_matter || is_body => {}
                Err(problem) => return Err(problem),
            }
        } else if !is_matter && !is_body {
            let detail =
                format!("nothing that is looked for has the category {:?}; see /api/v1/categories", query::clipped(word));
            return Err(Problem::bad_parameter("category", detail));
        }
    }
    // Words of one kind only: nothing of the others has them.
    looked.facilities &= !looked.categories.is_empty();
    looked.cases &= !looked.matters.is_empty();
    looked.organizations &= !looked.bodies.is_empty();
    looked.buildings = false;
    Ok(looked)
}

fn shape(view: &View, near: Near) -> NearShape {
    let code = |unit: Option<Unit>| unit.and_then(Unit::grid).map(|ix| view.territory.grid(ix).code.to_string());
    let (distance_m, bearing, across_water) =
        (shapes::rounded(near.distance_m), shapes::rounded(near.bearing_deg), near.across_water);
    match near.thing {
        Thing::Facility(row) => NearShape {
            kind: "facility",
            id: row.id.0,
            category: Some(view.category_of(&row).code.clone()),
            households: None,
            state: Some(row.state.as_str()),
            overdue: None,
            position: shapes::position(row.at),
            grid: code(view.leaf_of(&row)),
            name: Some(row.name.into()),
            distance_m,
            bearing,
            across_water,
        },
        Thing::Case(case) => NearShape {
            kind: "case",
            id: case.record.id.0,
            category: Some(case.record.category.clone()),
            households: None,
            name: None,
            state: Some(case.record.state.as_str()),
            overdue: Some(case.record.overdue),
            position: shapes::position(case.record.at.expect("only cases with a place are near one")),
            grid: code(view.unit_of(&case)),
            distance_m,
            bearing,
            across_water,
        },
        Thing::Organization(one) => NearShape {
            kind: "organization",
            id: one.record.id.0,
            category: Some(one.record.category.clone()),
            households: None,
            name: Some(one.record.name.clone()),
            state: None,
            overdue: None,
            position: shapes::position(one.record.at.expect("only organizations with a place are near one")),
            grid: code(view.organization_unit(&one)),
            distance_m,
            bearing,
            across_water,
        },
        Thing::Building(one) => NearShape {
            kind: "building",
            id: one.record.id.0,
            category: None,
            households: one.record.households,
            name: Some(one.record.name.clone()),
            state: None,
            overdue: None,
            position: shapes::position(one.record.at().expect("only buildings with a place are near one")),
            grid: code(view.standing_unit(&one)),
            distance_m,
            bearing,
            across_water,
        },
    }
}
