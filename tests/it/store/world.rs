//! A small city for the tests of the store.

use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use wangge::domain::address::AddressRecord;
use wangge::domain::building::{BuildingRecord, Footprint, Site};
use wangge::domain::case::{CaseRecord, CaseState, Located};
use wangge::domain::category::{Category, CategoryKind, CodeProfile};
use wangge::domain::code::Code;
use wangge::domain::facility::{FacilityRecord, FacilityState, OriginalPosition};
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::id::{AddressId, BuildingId, Epoch, FacilityId, GridSet, ImportId, OrganizationId, Version};
use wangge::domain::organization::OrganizationRecord;
use wangge::domain::period::Period;
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::region::{RegionRecord, VoidKind, VoidRecord};
use wangge::domain::scheme::Scheme;
use wangge::domain::staff::{StaffRecord, StaffRole};
use wangge::geom::{Area, Crs, LatticePoint, LonLat, Polygon};
use wangge::store::{
    BoundaryCommit, CaseCommit, CommitHead, FacilityCommit, ImportRecord, ImportState, Meta, RowCommit, StaffCommit,
};

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn now() -> Timestamp {
    time("2026-11-22T08:00:00Z")
}

pub(super) fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

pub(super) fn profile() -> CodeProfile {
    let category =
        |kind, code: &str| Category {
            kind, code: code.into(), major: "公用设施".into(), name: code.into(), icon: "dot".into()
        };
    let components = ["01001", "01050", "02003", "2E001"].map(|code| category(CategoryKind::Component, code));
    let matters = ["01001", "06010"].map(|code| category(CategoryKind::Matter, code));
    CodeProfile::new("test".into(), components.into_iter().chain(matters))
}

pub(super) fn meta() -> Meta {
    Meta { attribution: vec!["© nobody".into()], synthetic: true, ..Meta::new("试验市", profile()) }
}

pub(super) fn square(x: i32, y: i32, size: i32) -> Area {
    let p = |x, y| LatticePoint::new(1_200_000_000 + x, 300_000_000 + y);
    Area::canonical([Polygon { exterior: vec![p(x, y), p(x + size, y), p(x + size, y + size), p(x, y + size)], holes: vec![] }])
}

/// Grid `n` of a row of squares.
pub(super) fn grid(n: u32) -> GridRecord {
    let (x, y) = ((n % 100) as i32 * 10_000, (n / 100) as i32 * 10_000);
    GridRecord {
        code: code(&format!("3309020020{n:05}")),
        name: format!("第{n}网格"),
        kind: GridKind::Base,
        parent: None,
        area: square(x, y, 10_000),
        households: Some(100 + n),
        population: None,
        provenance: Provenance::default(),
    }
}

pub(super) fn region(text: &str, level: &str) -> RegionRecord {
    RegionRecord {
        code: code(text),
        level: level.into(),
        name: format!("{level} {text}"),
        parent: None,
        claim: (level == "county").then(|| square(0, 0, 1_000_000)),
        provenance: Provenance { source: Some("a book".into()), ..Provenance::default() },
    }
}

pub(super) fn void(name: &str) -> VoidRecord {
    VoidRecord {
        name: name.into(),
        kind: VoidKind::Water,
        reason: "a lake".into(),
        area: square(2_000_000, 0, 500),
        provenance: Provenance::default(),
    }
}

/// The whole of a small city: grids `from..until`.
pub(super) fn boundaries(grids: std::ops::Range<u32>) -> BoundarySet {
    BoundarySet {
        set: GridSet::default(),
        scheme: Scheme::cn(),
        period: Period::ALWAYS,
        regions: vec![region("3309", "city"), region("330902", "county")],
        grids: grids.map(grid).collect(),
        voids: vec![void("void-1")],
    }
}

pub(super) fn publication(base: u64, boundaries: BoundarySet) -> BoundaryCommit {
    let outlines = vec![(code("3309"), square(0, 0, 900_000))];
    BoundaryCommit { outlines, ..BoundaryCommit::new(Epoch(base), boundaries, "planner", now()) }
}

pub(super) fn import(kind: &str) -> ImportRecord {
    ImportRecord {
        id: ImportId(0),
        kind: kind.into(),
        file: "a.geojson".into(),
        crs: Some("cgcs2000".into()),
        source: Some("the bureau".into()),
        at: now(),
        report: json!({ "new": 3, "refused": [{ "record": 7, "detail": "缺少坐标" }] }),
        state: ImportState::Done,
        revision: None,
        undone: None,
        before: serde_json::Value::Null,
    }
}

pub(super) fn head() -> CommitHead {
    CommitHead::new("someone", now())
}

/// Facility `n`, not stored yet.
pub(super) fn facility(n: u32) -> FacilityRecord {
    FacilityRecord {
        id: FacilityId(0),
        code: Some(format!("33090201050{n:06}")),
        category: if n.is_multiple_of(2) { "01050" } else { "01001" }.into(),
        name: format!("井盖 {n}"),
        state: FacilityState::Intact,
        state_date: None,
        at: LatticePoint::new(1_200_000_000 + (n % 1000) as i32 * 997, 300_000_000 + (n / 1000) as i32 * 991),
        original: None,
        grid: None,
        accuracy: None,
        properties: serde_json::Map::new(),
        version: Version(0),
        provenance: Provenance {
            external_ids: BTreeMap::from([("osm".to_owned(), format!("node/{n}"))]),
            source_hash: Some(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            ..Provenance::default()
        },
    }
}

/// A facility with something in every field.
pub(super) fn full_facility() -> FacilityRecord {
    let serde_json::Value::Object(properties) = json!({ "owner": "水务局", "height_m": 1.5, "tags": ["a", null, true] })
    else {
        unreachable!()
    };
    FacilityRecord {
        state: FacilityState::Damaged,
        state_date: Some("2026-11-20".parse().unwrap()),
        original: Some(OriginalPosition { crs: Crs::Gcj02, position: LonLat::new(120.004_512_345_678_9, 30.1).unwrap() }),
        grid: Some(code("330902002000001")),
        accuracy: Some("B".into()),
        properties,
        provenance: provenance(),
        name: "a\u{1f}b\u{0}c, \"d\"".into(),
        ..facility(5)
    }
}

fn provenance() -> Provenance {
    Provenance {
        external_ids: BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b\"".to_owned(), "二".to_owned())]),
        source: Some("the bureau".into()),
        source_date: Some("2025-12-31".parse().unwrap()),
        import_id: None,
        source_hash: Some(u64::MAX),
    }
}

/// Organization `n`, not stored yet; every other one without a place.
pub(super) fn organization(n: u32) -> OrganizationRecord {
    let placed = n.is_multiple_of(2);
    OrganizationRecord {
        id: OrganizationId(0),
        category: "mediation".into(),
        name: format!("调解室 {n}"),
        at: placed.then(|| LatticePoint::new(1_200_000_000 + n as i32, 300_000_000)),
        original: placed.then(|| OriginalPosition { crs: Crs::Bd09, position: LonLat::new(120.01, 30.01).unwrap() }),
        within: Some(code("330902")),
        hours: placed.then(|| "每日 8:30–18:00".into()),
        address: (!placed).then(|| "东街 1 号".into()),
        version: Version(0),
        provenance: Provenance { external_ids: BTreeMap::from([("a".to_owned(), n.to_string())]), ..provenance() },
    }
}

/// Building `n`, not stored yet: by turns a footprint, a point, and only known to be in a region.
pub(super) fn building(n: u32) -> BuildingRecord {
    let at = LatticePoint::new(1_200_000_000 + n as i32 * 40, 300_000_000);
    let yard = Polygon { exterior: square(n as i32 * 40, 50, 30).polygons()[0].exterior.clone(), holes: vec![] };
    let site = match n % 3 {
        0 => Some(Site::Footprint(Footprint::new(&Area::canonical([yard])).unwrap())),
        1 => Some(Site::Point(at)),
        _ => None,
    };
    BuildingRecord {
        id: BuildingId(0),
        name: format!("{n}幢"),
        storeys: n.is_multiple_of(3).then_some(n as u16 % 40),
        households: (n % 3 < 2).then_some(n),
        original: (n % 3 == 1).then(|| OriginalPosition { crs: Crs::Bd09, position: LonLat::new(120.01, 30.01).unwrap() }),
        within: site.is_none().then(|| code("330902")),
        site,
        address: (n % 3 == 1).then(|| "东街 1 号".into()),
        version: Version(0),
        provenance: Provenance { external_ids: BTreeMap::from([("a".to_owned(), n.to_string())]), ..provenance() },
    }
}

/// Case `n`, not stored yet, without a place.
pub(super) fn case(n: u32) -> CaseRecord {
    CaseRecord {
        state: CaseState::Filed,
        text: format!("case {n}"),
        channel: "hotline".into(),
        ..CaseRecord::reported("06010", now())
    }
}

/// A case with something in every field.
pub(super) fn full_case() -> CaseRecord {
    CaseRecord {
        state: CaseState::Dispatched,
        urgent: true,
        due_at: Some(time("2026-11-23T00:00:00.5Z")),
        overdue: true,
        located: Located::Exact,
        at: Some(LatticePoint::new(1_200_000_500, 300_000_500)),
        original: Some(OriginalPosition { crs: Crs::Bd09, position: LonLat::new(120.01, 30.01).unwrap() }),
        within: Some(code("330902")),
        address_text: Some("人民路 1 号".into()),
        grid: Some(code("330902002000001")),
        epoch: Epoch(3),
        owner: "12345".into(),
        source_system: Some("12345".into()),
        external_id: Some("x-1".into()),
        external_url: Some("https://example.org/x-1".into()),
        external_state: Some("处置中".into()),
        source_updated_at: Some(time("2026-11-21T23:59:59.999Z")),
        provenance: provenance(),
        ..case(1)
    }
}

/// Address `n`, not stored yet.
pub(super) fn address(n: u32) -> AddressRecord {
    AddressRecord {
        id: AddressId(0),
        text: format!("解放路{n}号"),
        name: String::new(),
        at: Some(LatticePoint::new(1_200_000_000 + (n % 1000) as i32 * 997, 300_000_000 + (n / 1000) as i32 * 991)),
        original: None,
        within: None,
        version: Version(0),
        provenance: Provenance { source_hash: Some(u64::from(n) << 40), ..Provenance::default() },
    }
}

/// An address with something in every field.
pub(super) fn full_address() -> AddressRecord {
    AddressRecord {
        name: "a\u{1f}b\u{0}c, \"医院\"".into(),
        original: Some(OriginalPosition { crs: Crs::Gcj02, position: LonLat::new(120.01, 30.01).unwrap() }),
        within: Some(code("330902")),
        provenance: provenance(),
        ..address(7)
    }
}

pub(super) fn addresses(rows: Vec<AddressRecord>) -> RowCommit<AddressRecord> {
    RowCommit { head: head(), rows, removed: vec![], import: None }
}

pub(super) fn staff(id: &str) -> StaffRecord {
    StaffRecord {
        id: id.into(),
        name: format!("网格员 {id}"),
        role: StaffRole::GridOfficer,
        assigned: code("330902002000001"),
        phone: Some("13800000000".into()),
        organization: None,
        provenance: provenance(),
    }
}

pub(super) fn facilities(rows: Vec<FacilityRecord>) -> FacilityCommit {
    FacilityCommit { head: head(), rows, removed: vec![], import: None }
}

pub(super) fn cases(rows: Vec<CaseRecord>) -> CaseCommit {
    CaseCommit { head: head(), rows, removed: vec![], import: None }
}

pub(super) fn staff_commit(rows: Vec<StaffRecord>) -> StaffCommit {
    StaffCommit { head: head(), rows, removed: vec![], import: None }
}
