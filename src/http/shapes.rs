//! JSON shapes that several answers share. Names are those of the contract.

use crate::app::view::View;
use crate::city::staff::Team as CityTeam;
use crate::city::{Case, Counts};
use crate::domain::category::CategoryKind;
use crate::domain::period::Period;
use crate::domain::rights::Right;
use crate::domain::staff::StaffRecord;
use crate::geom::{LatticeBox, LatticePoint};
use crate::territory::{Grid, Region, Territory};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// `[lon, lat]` in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Position(pub [f64; 2]);

/// A stored position.
pub fn position(p: LatticePoint) -> Position {
    Position(p.lonlat().into())
}

/// `[west, south, east, north]` in degrees (RFC 7946 §5).
pub fn bbox(b: LatticeBox) -> [f64; 4] {
    let (Position([west, south]), Position([east, north])) = (position(b.min), position(b.max));
    [west, south, east, north]
}

/// A region by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegionName<'a> {
    /// Name of its level in the scheme.
    pub level: &'a str,
    /// Its code.
    pub code: &'a str,
    /// May be empty.
    pub name: &'a str,
}

impl<'a> RegionName<'a> {
    /// The name of a region.
    pub fn of(territory: &'a Territory, region: &'a Region) -> Self {
        Self { level: &territory.scheme.levels()[region.level].name, code: region.code.as_str(), name: &region.name }
    }

    /// The names of a path.
    pub fn path(view: &'a View, path: &[&'a Region]) -> Vec<Self> {
        path.iter().map(|region| Self::of(&view.territory, region)).collect()
    }
}

/// A grid by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct GridName<'a> {
    /// Its code.
    pub code: &'a str,
    /// May be empty.
    pub name: &'a str,
    /// What it is for: `base`, `dedicated` …
    pub kind: &'static str,
}

impl<'a> GridName<'a> {
    /// The name of a grid.
    pub fn of(grid: &'a Grid) -> Self {
        Self { code: grid.code.as_str(), name: &grid.name, kind: grid.kind.as_str() }
    }
}

/// A half-open span of time; an absent end is open.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeriodShape {
    /// First instant that belongs to it, RFC 3339.
    pub from: Option<String>,
    /// First instant that no longer belongs to it, RFC 3339.
    pub until: Option<String>,
}

impl PeriodShape {
    /// With the offset of the city's zone.
    pub fn of(period: Period, zone: &TimeZone) -> Self {
        Self { from: period.from.map(|at| time(at, zone)), until: period.until.map(|at| time(at, zone)) }
    }
}

/// RFC 3339 with the offset of the city's zone.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.display_with_offset(zone.to_offset(at)).to_string()
}

/// The zone in which the city's days begin.
pub fn zone(view: &View) -> TimeZone {
    TimeZone::get(&view.city.about.time_zone).unwrap_or(TimeZone::UTC)
}

/// A person of a team.
#[derive(Debug, Serialize, ToSchema)]
pub struct Member<'a> {
    /// Identity in the source system.
    pub id: &'a str,
    /// Display name.
    pub name: &'a str,
    /// `grid_leader`, `grid_officer` …
    pub role: &'static str,
    /// Work phone; absent for callers without the right `phones`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<&'a str>,
    /// The body that employs them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<&'a str>,
}

impl<'a> Member<'a> {
    fn of(view: &View, record: &'a StaffRecord) -> Self {
        Self {
            id: &record.id,
            name: &record.name,
            role: record.role.as_str(),
            phone: record.phone.as_deref().filter(|_| view.may(Right::Phones)),
            organization: record.organization.as_deref(),
        }
    }
}

/// Who works in a grid or region.
#[derive(Debug, Serialize, ToSchema)]
pub struct Team<'a> {
    /// 网格长.
    pub leader: Option<Member<'a>>,
    /// 网格员, 巡查员.
    pub officers: Vec<Member<'a>>,
    /// All others.
    pub members: Vec<Member<'a>>,
}

impl<'a> Team<'a> {
    /// Its people, with phones for those who may see them.
    pub fn of(view: &View, team: CityTeam<'a>) -> Self {
        let members = |records: Vec<&'a StaffRecord>| records.into_iter().map(|record| Member::of(view, record)).collect();
        Self {
            leader: team.leader.map(|record| Member::of(view, record)),
            officers: members(team.officers),
            members: members(team.members),
        }
    }
}

/// An open case in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseShape<'a> {
    /// The store's key, also its feature id in tiles.
    pub id: i64,
    /// Matter category in the profile.
    pub category: &'a str,
    /// Name of the category; absent when the profile does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_name: Option<&'a str>,
    /// Where it stands in the workflow.
    pub state: &'static str,
    /// What is wrong, in words; for callers without the right `texts` without numbers of eleven digits or more.
    pub text: Cow<'a, str>,
    /// A person is needed now.
    pub urgent: bool,
    /// Who found it.
    pub source: &'a str,
    /// When it was reported, RFC 3339.
    pub reported_at: String,
    /// When the present stage is due, RFC 3339.
    pub due_at: Option<String>,
    /// It is past that.
    pub overdue: bool,
    /// `exact`, `address`, `region` or `none`.
    pub located: &'static str,
    /// `[lon, lat]`; null when only the region is known.
    pub position: Option<Position>,
    /// The grid that holds it.
    pub grid: Option<&'a str>,
    /// Its name; absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_name: Option<&'a str>,
    /// The region it is known to be in, when there is no position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<&'a str>,
    /// The place in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_text: Option<Cow<'a, str>>,
    /// Which system decides about it.
    pub owner: &'a str,
    /// Counts its changes.
    pub version: u32,
}

impl<'a> CaseShape<'a> {
    /// A case in the words of its profile, times in `zone`; `grid` in the boundaries asked for.
    pub fn of(view: &'a View, case: &'a Case, grid: Option<&'a str>, zone: &TimeZone) -> Self {
        let record = &*case.record;
        let category = view.city.about.profile.category(CategoryKind::Matter, &record.category);
        let named = grid.and_then(|code| view.territory.grid_ix(code));
        Self {
            id: record.id.0,
            category: &record.category,
            category_name: category.map(|category| category.name.as_str()),
            state: record.state.as_str(),
            text: view.text(&record.text),
            urgent: record.urgent,
            source: &record.channel,
            reported_at: time(record.reported_at, zone),
            due_at: record.due_at.map(|at| time(at, zone)),
            overdue: record.overdue,
            located: record.located.as_str(),
            position: record.at.map(position),
            grid,
            grid_name: named.map(|ix| view.territory.grid(ix).name.as_str()).filter(|name| !name.is_empty()),
            within: record.within.as_ref().map(|code| code.as_str()),
            address_text: record.address_text.as_deref().map(|text| view.text(text)),
            owner: &record.owner,
            version: record.version.0,
        }
    }
}

/// Sums over a grid or over everything below a region.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsShape {
    /// Grids; 1 for a grid.
    pub grids: u32,
    /// Facilities, in whatever state.
    pub facilities: u32,
    /// Open cases, unlocated ones of this region included.
    pub open_cases: u32,
    /// Of these, overdue.
    pub overdue: u32,
    /// Households: of each grid the sum over its buildings as soon as one of them says a number, else what was counted for it.
    pub households: u64,
    /// Residents.
    pub population: u64,
    /// Staff assigned to it or below.
    pub staff: u32,
    /// Organizations in it.
    pub organizations: u32,
    /// Buildings in it.
    pub buildings: u32,
    /// Land in square metres.
    pub area_m2: f64,
}

impl From<Counts> for CountsShape {
    fn from(counts: Counts) -> Self {
        Self {
            grids: counts.grids,
            facilities: counts.facilities,
            open_cases: counts.open_cases,
            overdue: counts.overdue,
            households: counts.households,
            population: counts.population,
            staff: counts.staff,
            organizations: counts.organizations,
            buildings: counts.buildings,
            area_m2: rounded(counts.area_m2),
        }
    }
}

/// Metres and square metres are told to a tenth.
pub fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A grid next door.
#[derive(Debug, Serialize, ToSchema)]
pub struct Neighbour<'a> {
    /// Its code.
    pub code: &'a str,
    /// May be empty.
    pub name: &'a str,
    /// Length of the common border in metres.
    pub shared_m: f64,
}

impl<'a> From<&(&'a Grid, f64)> for Neighbour<'a> {
    fn from(&(grid, shared_m): &(&'a Grid, f64)) -> Self {
        Self { code: grid.code.as_str(), name: &grid.name, shared_m: rounded(shared_m) }
    }
}
