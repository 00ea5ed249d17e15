//! A city with a past and a second grid set, and the same without what somebody does not see.

use super::super::city;
use crate::communes::as_asked;
use axum::Router;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use wangge::app::App;
use wangge::city::Sight;
use wangge::city::standing::{Record, unit_of};
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::demo::{self, Preset};
use wangge::domain::address::AddressRecord;
use wangge::domain::building::BuildingRecord;
use wangge::domain::case::{CaseRecord, Located};
use wangge::domain::category::CategoryKind;
use wangge::domain::code::Code;
use wangge::domain::facility::FacilityRecord;
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::id::{AddressId, CaseId, Epoch, FacilityId, GridSet, RegionIx, Unit};
use wangge::domain::organization::OrganizationRecord;
use wangge::domain::period::Period;
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::region::{VoidKind, VoidRecord};
use wangge::domain::scheme::Scheme;
use wangge::domain::scope::Actor;
use wangge::domain::staff::{StaffRecord, StaffRole};
use wangge::geom::{Area, LatticeBox, LatticePoint, Polygon};
use wangge::store::{BoundaryCommit, CaseCommit, CommitHead, FacilityCommit, Meta, RowCommit, StaffCommit, Store};
use wangge::territory::mend::mend;
use wangge::territory::{Region, Territory};

/// Stands before every number in the text of a case that only some may see.
pub(super) const IN_TEXTS: &str = "联系1380000";
/// The same in a property of facilities.
pub(super) const IN_PROPERTIES: &str = "电话1390000";
/// The same as a number, as it is written in JSON.
pub(super) const AS_NUMBER: &str = "\"hotline\":1390000";

/// Positions in [`Made::sets`], one less than their epochs.
pub(super) const PAST: usize = 0;
pub(super) const NOW: usize = 1;
pub(super) const POLICE_PAST: usize = 2;
pub(super) const POLICE: usize = 3;

/// What a city is made of, before anybody looks at it.
pub(super) struct Made {
    pub(super) meta: Meta,
    /// The hierarchy of the past and of now, the police grids of the past and of now.
    pub(super) sets: [BoundarySet; 4],
    pub(super) territories: [Territory; 4],
    pub(super) facilities: Vec<FacilityRecord>,
    cases: Vec<CaseRecord>,
    staff: Vec<StaffRecord>,
    pub(super) addresses: Vec<AddressRecord>,
    organizations: Vec<OrganizationRecord>,
    buildings: Vec<BuildingRecord>,
}

/// What becomes of the land outside of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ground {
    /// It is deleted.
    Gone,
    /// It stays, without names, kinds and counts.
    Blank,
    /// It stays with its names, and so do those of streets: by them addresses are understood.
    Named,
}

impl Ground {
    pub(super) const ALL: [Self; 3] = [Self::Gone, Self::Blank, Self::Named];
}

/// What somebody sees in each of the sets.
pub(super) type Sights = [Sight; 4];

/// The small city of the demo.
pub(super) fn demo_city() -> Made {
    let made = demo::city(Preset::Small, demo::DEFAULT_SEED, city::now()).unwrap();
    let mut now = mend(made.boundaries, &as_asked()).unwrap().boundaries;
    now.period = since("2026-01-01T00:00:00+08:00");
    let bbox = Territory::build(Epoch(2), &now).unwrap().grids.iter().map(|grid| grid.bbox).reduce(LatticeBox::union).unwrap();
    let past = past_of(&now, bbox);
    let police = police(bbox);
    let mut police_past = BoundarySet { period: since("2020-01-01T00:00:00+08:00"), ..police.clone() };
    // Two have exchanged their land since, and all their names.
    let first = police_past.grids[0].area.clone();
    police_past.grids[0].area = std::mem::replace(&mut police_past.grids[1].area, first);
    police_past.grids.iter_mut().for_each(|grid| grid.name.insert(0, '旧'));
    let sets = [past, now, police_past, police];
    let territories = [0, 1, 2, 3].map(|at| Territory::build(Epoch(at as u64 + 1), &sets[at]).unwrap());

    let territory = &territories[NOW];
    let mut facilities = made.facilities;
    for (at, record) in facilities.iter_mut().enumerate().filter(|(at, _)| at % 3 == 0) {
        record.properties.insert("contact".to_owned(), json!({ "of": [format!("电话1390000{at:04}")] }));
        record.properties.insert("hotline".to_owned(), json!(13_900_000_000_u64 + at as u64));
    }
    let mut cases = made.cases;
    for (at, case) in cases.iter_mut().enumerate() {
        case.text.push_str(&format!("，{IN_TEXTS}{at:04}"));
        // Some are only known to be somewhere in a region.
        if at % 7 == 0 {
            let leaf = case.at.take().and_then(|at| territory.leaf_at(at));
            let parent = leaf.and_then(|leaf| match leaf {
                Unit::Grid(ix) => territory.grid(ix).parent,
                Unit::Region(ix) => Some(ix),
            });
            case.within = parent.map(|ix| territory.region(ix).code.clone());
            case.grid = None;
            case.located = Located::Region;
        }
    }
    let mut staff = made.staff;
    let officers = sets[POLICE].grids.iter().map(|grid| StaffRecord {
        id: format!("police {}", grid.code),
        role: StaffRole::Police,
        assigned: grid.code.clone(),
        ..staff[0].clone()
    });
    let officers: Vec<StaffRecord> = officers.collect();
    staff.extend(officers);
    Made {
        meta: city::meta(),
        sets,
        territories,
        facilities,
        cases,
        staff,
        addresses: made.addresses,
        organizations: made.organizations,
        buildings: made.buildings,
    }
}

fn since(from: &str) -> Period {
    Period { from: Some(from.parse().unwrap()), until: None }
}

/// Before 2026 some grids had other names and kinds, some other codes, and some of these belonged to another community.
fn past_of(now: &BoundarySet, bbox: LatticeBox) -> BoundarySet {
    let mut past = BoundarySet { period: since("2020-01-01T00:00:00+08:00"), ..now.clone() };
    let communities: Vec<String> =
        past.regions.iter().filter(|region| region.level == "community").map(|region| region.code.to_string()).collect();
    for (at, grid) in past.grids.iter_mut().enumerate() {
        let own = &grid.code.as_str()[..communities[0].len()];
        let next = communities.iter().position(|code| code == own).unwrap() + 1;
        match at % 11 {
            0 | 4 => grid.name.insert(0, '旧'),
            1 => grid.kind = GridKind::Duty,
            2 | 7 => grid.code = city::code(&format!("{own}{}", 500 + at)),
            5 | 9 => grid.code = city::code(&format!("{}{}", communities[next % communities.len()], 600 + at)),
            _ => {}
        }
    }
    past.grids.sort_by(|a, b| a.code.cmp(&b.code));
    // Where nobody's grids differ, the water does: two sets that say the same are one epoch.
    let corner = bbox.max;
    let exterior =
        [(1, 1), (1000, 1), (1000, 1000), (1, 1000)].map(|(x, y)| LatticePoint::new(corner.x + x, corner.y + y)).to_vec();
    past.voids.push(VoidRecord {
        name: "zzz".to_owned(),
        kind: VoidKind::Water,
        reason: "a bay".to_owned(),
        area: Area::canonical([Polygon { exterior, holes: vec![] }]),
        provenance: Provenance::default(),
    });
    past
}

/// Rectangles over the city, all but one of four times three.
fn police(bbox: LatticeBox) -> BoundarySet {
    let between = |a: i32, b: i32, at: usize, of: usize| a + ((i64::from(b) - i64::from(a)) * at as i64 / of as i64) as i32;
    let corner = |column: usize, row: usize| {
        LatticePoint::new(between(bbox.min.x, bbox.max.x, column, 4), between(bbox.min.y, bbox.max.y, row, 3))
    };
    let grids = (0..11).map(|at| {
        let (column, row) = (at % 4, at / 4);
        let exterior = [(0, 0), (1, 0), (1, 1), (0, 1)].map(|(x, y)| corner(column + x, row + y)).to_vec();
        GridRecord {
            code: city::code(&format!("J{:02}", at + 1)),
            name: format!("第{}警务网格", at + 1),
            kind: GridKind::Police,
            parent: None,
            area: Area::canonical([Polygon { exterior, holes: vec![] }]),
            households: None,
            population: None,
            provenance: Provenance::default(),
        }
    });
    BoundarySet {
        set: GridSet::new("police").unwrap(),
        scheme: Scheme::plain(),
        period: since("2026-06-01T00:00:00+08:00"),
        grids: grids.collect(),
        ..BoundarySet::default()
    }
}

impl Made {
    /// What an actor sees.
    pub(super) fn sights(&self, actor: &Actor) -> Sights {
        [0, 1, 2, 3].map(|at| Sight::of(&self.territories[at], &self.meta.profile, &actor.scope, &actor.hidden))
    }

    /// Every region comes with an outline of its own, which is exactly the land below it.
    pub(super) fn claim_outlines(&mut self) {
        for set in &mut self.sets {
            let mut claims: BTreeMap<Code, Area> = outlines(set).into_iter().collect();
            set.regions.iter_mut().for_each(|region| region.claim = claims.remove(&region.code).filter(|area| !area.is_empty()));
        }
    }

    /// All codes of regions and grids, of all sets.
    pub(super) fn codes(&self) -> Vec<String> {
        let units = self.territories.iter().flat_map(|territory| {
            let regions = territory.regions.iter().map(|region| region.code.to_string());
            regions.chain(territory.grids.iter().map(|grid| grid.code.to_string()))
        });
        units.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// Those of them that are seen, in any of the sets.
    pub(super) fn seen_codes(&self, sights: &Sights) -> Vec<String> {
        let seen = |code: &String| {
            let mut both = self.territories.iter().zip(sights);
            both.any(|(territory, sight)| territory.unit(code).is_some_and(|unit| sight.unit(unit)))
        };
        self.codes().into_iter().filter(seen).collect()
    }

    /// The store of all, or without what somebody does not see: neither in the hierarchy of today nor in the police grids of today.
    pub(super) async fn store(&self, without: Option<(&Sights, Ground)>) -> Store {
        self.fill(Store::memory(self.meta.clone()), without).await
    }

    /// The same in an empty store.
    pub(super) async fn fill(&self, store: Store, without: Option<(&Sights, Ground)>) -> Store {
        let head = || CommitHead::new("test", city::now());
        for (at, base) in [(PAST, 0), (NOW, 1), (POLICE_PAST, 0), (POLICE, 3)] {
            let set = without.map_or_else(|| self.sets[at].clone(), |(sights, ground)| self.ground(at, &sights[at], ground));
            // A set without grids is none.
            if !set.grids.is_empty() || set.set.is_governance() {
                let outlines = outlines(&set);
                let commit = BoundaryCommit { outlines, ..BoundaryCommit::new(Epoch(base), set, "test", city::now()) };
                store.boundaries_commit(commit).await.unwrap();
            }
        }
        // Whether something is seen, by where it is in the boundaries of a set.
        let sees = |unit: &dyn Fn(&Territory) -> Option<Unit>| {
            without.is_none_or(|(sights, _)| [NOW, POLICE].iter().any(|at| sights[*at].at(unit(&self.territories[*at]))))
        };
        let placed = |at: LatticePoint| sees(&|territory| territory.leaf_at(at));

        // Written whole and then thinned out, so that everything keeps its key.
        let commit = FacilityCommit { head: head(), rows: self.facilities.clone(), removed: vec![], import: None };
        store.facilities_commit(commit).await.unwrap();
        let shown = |record: &FacilityRecord| {
            let category = self.meta.profile.position(CategoryKind::Component, &record.category).unwrap();
            placed(record.at) && without.is_none_or(|(sights, _)| sights[NOW].category(category))
        };
        let removed = gone(&self.facilities, shown).map(FacilityId).collect();
        store.facilities_commit(FacilityCommit { head: head(), rows: vec![], removed, import: None }).await.unwrap();

        let commit = CaseCommit { head: head(), rows: self.cases.clone(), removed: vec![], import: None };
        store.cases_commit(commit).await.unwrap();
        let shown = |case: &CaseRecord| match (case.at, &case.within) {
            (Some(at), _) => placed(at),
            (None, Some(code)) => sees(&|territory| territory.region_ix(code.as_str()).map(Unit::Region)),
            (None, None) => sees(&|_| None),
        };
        let removed = gone(&self.cases, shown).map(CaseId).collect();
        store.cases_commit(CaseCommit { head: head(), rows: vec![], removed, import: None }).await.unwrap();

        let staff = self.staff.iter().filter(|record| sees(&|territory| territory.unit(record.assigned.as_str()))).cloned();
        store.staff_commit(StaffCommit { head: head(), rows: staff.collect(), removed: vec![], import: None }).await.unwrap();

        let known = |record: &AddressRecord| {
            let within = |territory: &Territory| record.within.as_ref().and_then(|code| territory.unit(code.as_str()));
            record.at.map_or_else(|| sees(&within), placed)
        };
        let commit = RowCommit { head: head(), rows: self.addresses.clone(), removed: vec![], import: None };
        store.addresses_commit(commit).await.unwrap();
        let removed: Vec<AddressId> = gone(&self.addresses, known).map(AddressId).collect();
        let rows = match without {
            Some((_, Ground::Named)) => self.streets(&removed),
            _ => Vec::new(),
        };
        let removed = removed.into_iter().map(|id| id.0).collect();
        let commit = RowCommit { head: head(), rows, removed, import: None };
        store.addresses_commit(commit).await.unwrap();

        let commit = RowCommit { head: head(), rows: self.organizations.clone(), removed: vec![], import: None };
        store.organizations_commit(commit).await.unwrap();
        let removed = gone(&self.organizations, |record| stands(record, &sees)).collect();
        let commit = RowCommit::<OrganizationRecord> { head: head(), rows: vec![], removed, import: None };
        store.organizations_commit(commit).await.unwrap();

        let commit = RowCommit { head: head(), rows: self.buildings.clone(), removed: vec![], import: None };
        store.buildings_commit(commit).await.unwrap();
        let removed = gone(&self.buildings, |record| stands(record, &sees)).collect();
        let commit = RowCommit::<BuildingRecord> { head: head(), rows: vec![], removed, import: None };
        store.buildings_commit(commit).await.unwrap();
        store
    }

    /// Of each street of these addresses one house, with a number that no house has.
    fn streets(&self, of: &[AddressId]) -> Vec<AddressRecord> {
        let mut streets = BTreeMap::new();
        for record in of.iter().map(|id| &self.addresses[id.0 as usize - 1]) {
            let street = record.text.find(|c: char| c.is_ascii_digit()).map_or(record.text.as_str(), |at| &record.text[..at]);
            let text = format!("{street}98765号");
            streets.entry(street).or_insert_with(|| AddressRecord { text, name: String::new(), ..record.clone() });
        }
        streets.into_values().collect()
    }

    fn ground(&self, at: usize, sight: &Sight, ground: Ground) -> BoundarySet {
        let (mut set, territory) = (self.sets[at].clone(), &self.territories[at]);
        let seen = |code: &Code| territory.unit(code.as_str()).is_some_and(|unit| sight.unit(unit));
        // Those above what is seen stay: their names stand in paths.
        let parents = territory.regions.iter().filter(|region| seen(&region.code)).map(|region| region.parent);
        let parents = parents.chain(territory.grids.iter().filter(|grid| seen(&grid.code)).map(|grid| grid.parent));
        let paths = parents.flat_map(|parent| territory.path(parent));
        let above: BTreeSet<Code> = paths.map(|ix| territory.region(ix).code.clone()).collect();
        match ground {
            Ground::Gone => {
                set.grids.retain(|grid| seen(&grid.code));
                set.regions.retain(|region| seen(&region.code) || above.contains(&region.code));
            }
            Ground::Named => {}
            Ground::Blank => {
                for grid in set.grids.iter_mut().filter(|grid| !seen(&grid.code)) {
                    (grid.name, grid.kind) = (String::new(), GridKind::Dedicated);
                    (grid.households, grid.population) = (None, None);
                }
                let gone = |code: &Code| !seen(code) && !above.contains(code);
                set.regions.iter_mut().filter(|region| gone(&region.code)).for_each(|region| region.name.clear());
            }
        }
        set
    }
}

/// What regions show, as an import writes it.
fn outlines(set: &BoundarySet) -> Vec<(Code, Area)> {
    let territory = Territory::build(Epoch(1), set).unwrap();
    let outline = |(at, region): (usize, &Region)| (region.code.clone(), territory.outline_region(RegionIx(at as u32)));
    territory.regions.iter().enumerate().map(outline).collect()
}

/// Where something is in the boundaries of a set.
type LookUp<'l> = &'l dyn Fn(&Territory) -> Option<Unit>;

/// Keys of those that are not shown.
fn gone<R>(rows: &[R], shown: impl Fn(&R) -> bool) -> impl Iterator<Item = i64> {
    rows.iter().enumerate().filter(move |(_, row)| !shown(row)).map(|(at, _)| at as i64 + 1)
}

fn stands<R: Record>(record: &R, sees: &dyn Fn(LookUp<'_>) -> bool) -> bool {
    sees(&|territory| unit_of(record, territory))
}

/// A server of a store, where callers are not told apart.
pub(super) async fn served(store: Store) -> (Arc<App>, Router) {
    let app = Arc::new(App::open(store, city::config(), Clock::fixed(city::now())).await.unwrap());
    (Arc::clone(&app), wangge::http::router(app))
}

/// A server that tells callers apart; `folder` is for its settings.
pub(super) async fn guarded(store: Store, folder: &Path) -> (Arc<App>, Router) {
    let path = folder.join("wangge.toml");
    std::fs::write(&path, "[access]\nrequests_per_second = 1e6\nrequests_at_once = 1e6\n").unwrap();
    let app = Arc::new(App::open(store, Config::read(&path).unwrap(), Clock::fixed(city::now())).await.unwrap());
    (Arc::clone(&app), wangge::http::router(app))
}
