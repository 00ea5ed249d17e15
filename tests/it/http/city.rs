//! A city of 4 km²: one county with three grids in two communities and a pond, and a county that has no grids yet.
//!
//! ```text
//!   30.02  +---------+---------+---------+
//!          |   …002  |   …003  |         |
//!   30.01  +---------+---------+ 330903  |      west to east: 122.10, 122.11, 122.12, 122.13
//!          |   …001  |  pond   |         |      …001 and …002 in community …001, …003 in community …002
//!   30.00  +---------+---------+---------+
//! ```
//! Before 2026 the land of …001 and …002 was one grid, …009.

use axum::Router;
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use wangge::app::App;
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::building::{BuildingRecord, Footprint, Site};
use wangge::domain::case::{CaseRecord, CaseState, Located};
use wangge::domain::code::Code;
use wangge::domain::facility::{FacilityRecord, FacilityState};
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::id::{BuildingId, Epoch, FacilityId, OrganizationId, Version};
use wangge::domain::organization::OrganizationRecord;
use wangge::domain::period::Period;
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::region::{RegionRecord, VoidKind, VoidRecord};
use wangge::domain::staff::{StaffRecord, StaffRole};
use wangge::geom::{Area, LatticePoint, LonLat, Polygon};
use wangge::interchange::profile;
use wangge::store::{BoundaryCommit, CaseCommit, CommitHead, FacilityCommit, Meta, RowCommit, StaffCommit, Store};

pub(crate) const GRID_1: &str = "330902001001001";
pub(crate) const GRID_2: &str = "330902001001002";
pub(crate) const GRID_3: &str = "330902001002001";
pub(crate) const CLOSED: &str = "330902001001009";

/// The router over the city.
pub(crate) async fn router() -> Router {
    wangge::http::router(app().await)
}

pub(crate) fn now() -> Timestamp {
    "2026-11-21T04:00:00Z".parse().unwrap()
}

pub(crate) async fn app() -> Arc<App> {
    Arc::new(App::open(store().await, config(), Clock::fixed(now())).await.unwrap())
}

pub(crate) fn config() -> Config {
    Config { body_limit_bytes: 4 << 20, ..Config::new("unused.gpkg".into()) }
}

pub(crate) async fn store() -> Store {
    filled(Store::memory(meta())).await
}

pub(crate) fn meta() -> Meta {
    let mut meta = Meta::new("普陀区网格", profile::standard());
    meta.synthetic = true;
    meta.attribution = vec!["test data".to_owned()];
    meta.background = Some(r#"{"type":"FeatureCollection","features":[]}"#.into());
    meta
}

/// The city in an empty store.
pub(crate) async fn filled(store: Store) -> Store {
    let (old, new) = ("2020-01-01T00:00:00+08:00".parse().unwrap(), "2026-01-01T00:00:00+08:00".parse().unwrap());
    publish(&store, Epoch(0), boundaries(old, vec![grid(CLOSED, "", [(0, 0), (1, 0), (1, 1), (1, 2), (0, 2)]), third()])).await;
    let grids = vec![
        grid(GRID_1, "东港第一网格", [(0, 0), (1, 0), (1, 1), (0, 1)]),
        grid(GRID_2, "东港第二网格", [(0, 1), (1, 1), (1, 2), (0, 2)]),
        third(),
    ];
    publish(&store, Epoch(1), boundaries(new, grids)).await;
    let head = || CommitHead::new("test", now());
    store.facilities_commit(FacilityCommit { head: head(), rows: facilities(), removed: vec![], import: None }).await.unwrap();
    store.staff_commit(StaffCommit { head: head(), rows: staff(), removed: vec![], import: None }).await.unwrap();
    store.cases_commit(CaseCommit { head: head(), rows: cases(), removed: vec![], import: None }).await.unwrap();
    let commit = RowCommit { head: head(), rows: organizations(), removed: vec![], import: None };
    store.organizations_commit(commit).await.unwrap();
    let commit = RowCommit { head: head(), rows: buildings(), removed: vec![], import: None };
    store.buildings_commit(commit).await.unwrap();
    store
}

/// A footprint and a point in …001 with the households counted for it, one that only says it is …002's, a footprint across the border of
/// the two with its middle in …002, a hut at sea.
fn buildings() -> Vec<BuildingRecord> {
    let block = |x: f64, y: f64, width: f64, height: f64| {
        let exterior = vec![at(x, y), at(x + width, y), at(x + width, y + height), at(x, y + height)];
        Site::Footprint(Footprint::new(&Area::canonical([Polygon { exterior, holes: vec![] }])).unwrap())
    };
    let building = |n: i64, site: Option<Site>, households: Option<u32>| BuildingRecord {
        id: BuildingId(0),
        name: format!("{n}号楼"),
        storeys: (n == 1).then_some(18),
        households,
        within: site.is_none().then(|| code(GRID_2)),
        site,
        original: None,
        address: Some("东港路1号".to_owned()),
        version: Version(0),
        provenance: Provenance { external_ids: [("housing".to_owned(), n.to_string())].into(), ..Provenance::default() },
    };
    vec![
        building(1, Some(block(0.2, 0.2, 0.1, 0.1)), Some(180)),
        building(2, Some(Site::Point(at(0.5, 0.5))), Some(120)),
        building(3, None, None),
        building(4, Some(block(0.4, 0.95, 0.1, 0.15)), None),
        building(5, Some(Site::Point(at(9.0, 9.0))), Some(7)),
    ]
}

/// Two rooms in …001, a party group that only says it is …001's, a volunteer station of the community …001, a police post at sea.
fn organizations() -> Vec<OrganizationRecord> {
    let organization = |n: i64, category: &str, place: Option<(f64, f64)>, within: Option<&str>| OrganizationRecord {
        id: OrganizationId(0),
        category: category.to_owned(),
        name: format!("组织{n}"),
        at: place.map(|(x, y)| at(x, y)),
        original: None,
        within: within.map(code),
        hours: Some("每日 8:30–18:00".to_owned()),
        address: None,
        version: Version(0),
        provenance: Provenance { external_ids: [("office".to_owned(), n.to_string())].into(), ..Provenance::default() },
    };
    vec![
        organization(1, "mediation", Some((0.25, 0.25)), None),
        organization(2, "policepost", Some((0.75, 0.25)), Some(GRID_2)),
        organization(3, "party", None, Some(GRID_1)),
        organization(4, "volunteer", None, Some("330902001001")),
        organization(5, "policepost", Some((9.0, 9.0)), None),
    ]
}

/// A point in units of 0.01° from 122.1° E, 30° N.
pub(crate) fn at(x: f64, y: f64) -> LatticePoint {
    LatticePoint::nearest(LonLat::new(122.1 + x / 100.0, 30.0 + y / 100.0).unwrap())
}

pub(crate) fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn area<const N: usize>(ring: [(i32, i32); N]) -> Area {
    let exterior = ring.iter().map(|&(x, y)| at(f64::from(x), f64::from(y))).collect();
    Area::canonical([Polygon { exterior, holes: vec![] }])
}

fn grid<const N: usize>(text: &str, name: &str, ring: [(i32, i32); N]) -> GridRecord {
    GridRecord {
        code: code(text),
        name: name.to_owned(),
        kind: GridKind::Base,
        parent: None,
        area: area(ring),
        households: Some(300),
        population: Some(800),
        provenance: Provenance::default(),
    }
}

fn third() -> GridRecord {
    grid(GRID_3, "沈家门第一网格", [(1, 1), (2, 1), (2, 2), (1, 2)])
}

fn boundaries(from: Timestamp, grids: Vec<GridRecord>) -> BoundarySet {
    let region = |text: &str, level: &str, name: &str| RegionRecord {
        code: code(text),
        level: level.to_owned(),
        name: name.to_owned(),
        parent: None,
        claim: (text == "330903").then(|| area([(2, 0), (3, 0), (3, 2), (2, 2), (2, 1)])),
        provenance: Provenance::default(),
    };
    let pond = VoidRecord {
        name: "void-1".to_owned(),
        kind: VoidKind::Water,
        reason: "a pond".to_owned(),
        area: area([(1, 0), (2, 0), (2, 1), (1, 1)]),
        provenance: Provenance::default(),
    };
    BoundarySet {
        period: Period { from: Some(from), until: None },
        regions: vec![
            region("3309", "city", "舟山市"),
            region("330902", "county", "定海区"),
            region("330902001", "township", "昌国街道"),
            region("330902001001", "community", "东港社区"),
            region("330902001002", "community", "沈家门社区"),
            region("330903", "county", "普陀区"),
        ],
        grids,
        voids: vec![pond],
        ..BoundarySet::default()
    }
}

pub(crate) async fn publish(store: &Store, base: Epoch, boundaries: BoundarySet) {
    let commit = BoundaryCommit::new(base, boundaries, "test", now());
    store.boundaries_commit(commit).await.unwrap();
}

/// Forty in …001 (ten cameras, thirty manhole covers), one hydrant in …002, one lamp at sea.
fn facilities() -> Vec<FacilityRecord> {
    let facility = |n: i32, category: &str, x: f64, y: f64, grid: Option<&str>| FacilityRecord {
        id: FacilityId(0),
        code: Some(format!("33090201{n:08}")),
        category: category.to_owned(),
        name: format!("部件{n}"),
        state: if n == 3 { FacilityState::Damaged } else { FacilityState::Intact },
        state_date: None,
        at: at(x, y),
        original: None,
        grid: grid.map(code),
        accuracy: Some("A".to_owned()),
        properties: json!({ "height_m": n }).as_object().unwrap().clone(),
        version: Version(0),
        provenance: Provenance {
            external_ids: [("osm".to_owned(), format!("node/{n}"))].into(),
            source: Some("survey".to_owned()),
            ..Provenance::default()
        },
    };
    let mut all: Vec<_> = (0..40)
        .map(|n| {
            let category = if n < 10 { "01050" } else { "01001" };
            facility(n, category, 0.1 + f64::from(n % 8) / 10.0, 0.1 + f64::from(n / 8) / 10.0, Some(GRID_1))
        })
        .collect();
    all.push(facility(40, "01013", 0.5, 1.5, Some(GRID_2)));
    all.push(facility(41, "01037", 9.0, 9.0, None));
    all
}

fn staff() -> Vec<StaffRecord> {
    let member = |id: &str, role, assigned: &str| StaffRecord {
        id: id.to_owned(),
        name: format!("员工{id}"),
        role,
        assigned: code(assigned),
        phone: Some("0580-0000000".to_owned()),
        organization: None,
        provenance: Provenance::default(),
    };
    vec![
        member("s1", StaffRole::GridLeader, GRID_1),
        member("s2", StaffRole::GridOfficer, GRID_1),
        member("s3", StaffRole::Police, GRID_1),
        member("s4", StaffRole::GridLeader, GRID_2),
        member("s5", StaffRole::CommunityCadre, "330902001001"),
    ]
}

/// Twenty-five in …001, the first five of them overdue; one in …003; one that is only known to be in the community …001.
fn cases() -> Vec<CaseRecord> {
    let case = |n: i64, place: Option<(f64, f64)>, grid: Option<&str>| CaseRecord {
        state: CaseState::Dispatched,
        text: format!("案件{n}"),
        due_at: Some(Timestamp::from_second(now().as_second() + 3600 * (n - 5)).unwrap()),
        overdue: n < 5,
        located: if place.is_some() { Located::Exact } else { Located::Region },
        at: place.map(|(x, y)| at(x, y)),
        within: place.is_none().then(|| code("330902001001")),
        grid: grid.map(code),
        epoch: Epoch(2),
        ..CaseRecord::reported("01001", now())
    };
    let mut all: Vec<_> = (0..25).map(|n| case(n, Some((0.2, 0.2 + n as f64 / 50.0)), Some(GRID_1))).collect();
    all.push(case(25, Some((1.5, 1.5)), Some(GRID_3)));
    all.push(case(26, None, None));
    all
}
