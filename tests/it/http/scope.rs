//! What lies outside of a caller's scope is not there: the same requests of the same caller are sent to a city and to one from which
//! everything outside of the scope was deleted before it was built, and must be answered alike.
//!
//! Two things are not deleted, because they are no objects of anybody's scope but the ground that all stand on. Which land is covered at
//! all (`across_water`), and where borders run that scopes have in common with others, which tells at what zooms levels are drawn and at
//! which corners lines begin that are drawn with less detail: tiles of areas are therefore compared, byte by byte, with those of a city
//! with the same ground, in which all names, kinds and counts outside of the scope are gone. And which street and region names there are
//! at all, by which addresses are understood.

use super::city;
use super::{Answer, send};
use crate::communes::as_asked;
use crate::crash::Random;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wangge::app::exports::{self, Format, Order, RowFormat};
use wangge::app::facility_writes::{Meant, Patch};
use wangge::app::live::{Asked, Watching};
use wangge::app::{Actor, App};
use wangge::city::Sight;
use wangge::city::standing::unit_of;
use wangge::clock::Clock;
use wangge::demo::{self, Preset};
use wangge::domain::grid::GridKind;
use wangge::domain::id::{AddressId, BuildingId, CaseId, Epoch, FacilityId, OrganizationId, Unit};
use wangge::domain::records::BoundarySet;
use wangge::domain::rights::{Right, Rights};
use wangge::domain::scope::{Hidden, Role, Scope};
use wangge::geom::{LatticeBox, LatticePoint};
use wangge::http::Caller;
use wangge::store::{CaseCommit, CommitHead, FacilityCommit, RowCommit, StaffCommit, Store};
use wangge::territory::Territory;
use wangge::territory::mend::mend;

/// Answers compared; by hand: `WANGGE_ANSWERS=1000000`.
const ANSWERS: usize = 100_000;

/// What a city is made of, before anybody looks at it.
struct Made {
    meta: wangge::store::Meta,
    boundaries: BoundarySet,
    facilities: Vec<wangge::domain::facility::FacilityRecord>,
    cases: Vec<wangge::domain::case::CaseRecord>,
    staff: Vec<wangge::domain::staff::StaffRecord>,
    addresses: Vec<wangge::domain::address::AddressRecord>,
    organizations: Vec<wangge::domain::organization::OrganizationRecord>,
    buildings: Vec<wangge::domain::building::BuildingRecord>,
}

fn demo_city() -> Made {
    let made = demo::city(Preset::Small, demo::DEFAULT_SEED, city::now()).unwrap();
    let boundaries = mend(made.boundaries, &as_asked()).unwrap().boundaries;
    let territory = Territory::build(Epoch(1), &boundaries).unwrap();
    let mut cases = made.cases;
    for (at, case) in cases.iter_mut().enumerate() {
        case.text.push_str(&format!("，联系1380000{at:04}"));
        // Some are only known to be somewhere in a region.
        if at % 7 == 0 {
            let leaf = case.at.take().and_then(|at| territory.leaf_at(at));
            let parent = leaf.and_then(|leaf| match leaf {
                Unit::Grid(ix) => territory.grid(ix).parent,
                Unit::Region(ix) => Some(ix),
            });
            case.within = parent.map(|ix| territory.region(ix).code.clone());
            case.grid = None;
            case.located = wangge::domain::case::Located::Region;
        }
    }
    Made {
        meta: city::meta(),
        boundaries,
        facilities: made.facilities,
        cases,
        staff: made.staff,
        addresses: made.addresses,
        organizations: made.organizations,
        buildings: made.buildings,
    }
}

/// What becomes of the land outside of a scope.
#[derive(Clone, Copy, PartialEq)]
enum Ground {
    Gone,
    Blank,
}

impl Made {
    /// The store of all, or without what somebody does not see.
    async fn store(&self, without: Option<(&Sight, &Territory, Ground)>) -> Store {
        let store = Store::memory(self.meta.clone());
        let head = || CommitHead::new("test", city::now());
        let sees = |unit: Option<Unit>| without.is_none_or(|(sight, ..)| sight.at(unit));
        let territory = |code: &str| without.and_then(|(_, territory, _)| territory.unit(code));
        let leaf = |at| without.and_then(|(_, territory, _)| territory.leaf_at(at));
        let profile = &self.meta.profile;
        city::publish(&store, Epoch(0), without.map_or_else(|| self.boundaries.clone(), |without| self.ground(without))).await;

        // Written whole and then thinned out, so that everything keeps its key.
        let commit = FacilityCommit { head: head(), rows: self.facilities.clone(), removed: vec![], import: None };
        store.facilities_commit(commit).await.unwrap();
        let shown = |record: &&(usize, &wangge::domain::facility::FacilityRecord)| {
            let category = profile.position(wangge::domain::category::CategoryKind::Component, &record.1.category).unwrap();
            sees(leaf(record.1.at)) && without.is_none_or(|(sight, ..)| sight.category(category))
        };
        let gone = self.facilities.iter().enumerate().filter(|record| !shown(&record));
        let removed = gone.map(|(at, _)| FacilityId(at as i64 + 1)).collect();
        store.facilities_commit(FacilityCommit { head: head(), rows: vec![], removed, import: None }).await.unwrap();

        let commit = CaseCommit { head: head(), rows: self.cases.clone(), removed: vec![], import: None };
        store.cases_commit(commit).await.unwrap();
        let gone = self.cases.iter().enumerate().filter(|(_, case)| {
            let region = || case.within.as_ref().and_then(|code| territory(code.as_str())).filter(|unit| unit.grid().is_none());
            !sees(case.at.map_or_else(region, leaf))
        });
        let removed = gone.map(|(at, _)| CaseId(at as i64 + 1)).collect();
        store.cases_commit(CaseCommit { head: head(), rows: vec![], removed, import: None }).await.unwrap();

        let staff = self.staff.iter().filter(|record| sees(territory(record.assigned.as_str()))).cloned().collect();
        store.staff_commit(StaffCommit { head: head(), rows: staff, removed: vec![], import: None }).await.unwrap();

        let commit = RowCommit { head: head(), rows: self.addresses.clone(), removed: vec![], import: None };
        store.addresses_commit(commit).await.unwrap();
        let gone = self.addresses.iter().enumerate().filter(|(_, record)| {
            !sees(record.at.map_or_else(|| record.within.as_ref().and_then(|code| territory(code.as_str())), leaf))
        });
        let removed = gone.map(|(at, _)| AddressId(at as i64 + 1).0).collect();
        let commit = RowCommit::<wangge::domain::address::AddressRecord> { head: head(), rows: vec![], removed, import: None };
        store.addresses_commit(commit).await.unwrap();

        let commit = RowCommit { head: head(), rows: self.organizations.clone(), removed: vec![], import: None };
        store.organizations_commit(commit).await.unwrap();
        let standing = |unit: Option<Option<Unit>>| unit.is_some_and(|unit| !sees(unit));
        let gone = self
            .organizations
            .iter()
            .enumerate()
            .filter(|(_, record)| standing(without.map(|(_, territory, _)| unit_of(*record, territory))));
        let removed = gone.map(|(at, _)| OrganizationId(at as i64 + 1).0).collect();
        let commit =
            RowCommit::<wangge::domain::organization::OrganizationRecord> { head: head(), rows: vec![], removed, import: None };
        store.organizations_commit(commit).await.unwrap();

        let commit = RowCommit { head: head(), rows: self.buildings.clone(), removed: vec![], import: None };
        store.buildings_commit(commit).await.unwrap();
        let gone = self
            .buildings
            .iter()
            .enumerate()
            .filter(|(_, record)| standing(without.map(|(_, territory, _)| unit_of(*record, territory))));
        let removed = gone.map(|(at, _)| BuildingId(at as i64 + 1).0).collect();
        let commit = RowCommit::<wangge::domain::building::BuildingRecord> { head: head(), rows: vec![], removed, import: None };
        store.buildings_commit(commit).await.unwrap();
        store
    }

    fn ground(&self, (sight, territory, ground): (&Sight, &Territory, Ground)) -> BoundarySet {
        let mut set = self.boundaries.clone();
        let seen = |code: &str| territory.unit(code).is_some_and(|unit| sight.unit(unit));
        // Those above what is seen stay: their names stand in paths.
        let mut above: BTreeSet<String> = BTreeSet::new();
        for region in territory.regions.iter().filter(|region| seen(region.code.as_str())) {
            let path = territory.path(region.parent).into_iter();
            above.extend(path.map(|ix| territory.region(ix).code.to_string()));
        }
        for grid in territory.grids.iter().filter(|grid| seen(grid.code.as_str())) {
            let path = territory.path(grid.parent).into_iter();
            above.extend(path.map(|ix| territory.region(ix).code.to_string()));
        }
        match ground {
            Ground::Gone => {
                set.grids.retain(|grid| seen(grid.code.as_str()));
                set.regions.retain(|region| seen(region.code.as_str()) || above.contains(region.code.as_str()));
            }
            Ground::Blank => {
                for grid in set.grids.iter_mut().filter(|grid| !seen(grid.code.as_str())) {
                    (grid.name, grid.kind) = (String::new(), GridKind::Dedicated);
                    (grid.households, grid.population) = (None, None);
                }
                let gone = |code: &str| !seen(code) && !above.contains(code);
                set.regions.iter_mut().filter(|region| gone(region.code.as_str())).for_each(|region| region.name.clear());
            }
        }
        set
    }
}

async fn served(store: Store) -> (Arc<App>, Router) {
    let app = Arc::new(App::open(store, city::config(), Clock::fixed(city::now())).await.unwrap());
    (Arc::clone(&app), wangge::http::router(app))
}

/// A request.
#[derive(Debug, Clone)]
struct Wanted {
    uri: String,
    body: Option<Value>,
}

async fn ask(router: &Router, actor: &Arc<Actor>, asked: &Wanted) -> Answer {
    let request = match asked.body {
        None => Request::get(&asked.uri),
        Some(_) => Request::post(&asked.uri).header("content-type", "application/json"),
    };
    let request = request.header("host", "localhost:8080").extension(Caller(Arc::clone(actor)));
    let body = asked.body.as_ref().map_or_else(Body::empty, |body| Body::from(body.to_string()));
    send(router, request.body(body).unwrap()).await
}

/// Requests at random, about what is inside of a scope as well as outside.
struct Requests<'a> {
    random: Random,
    territory: &'a Territory,
    codes: Vec<String>,
    bbox: LatticeBox,
    words: Vec<String>,
    ids: i64,
}

impl Requests<'_> {
    fn below(&mut self, n: usize) -> usize {
        (self.random.share() * n as f64) as usize
    }

    fn code(&mut self) -> String {
        let at = self.below(self.codes.len());
        self.codes[at].clone()
    }

    fn place(&mut self) -> [f64; 2] {
        let (min, max) = (self.bbox.min.lonlat(), self.bbox.max.lonlat());
        // Grids are small and the sea is wide.
        let (min, max) = match self.below(5) {
            0 => (min, max),
            _ => {
                let at = self.below(self.territory.grids.len());
                let bbox = self.territory.grids[at].bbox;
                (bbox.min.lonlat(), bbox.max.lonlat())
            }
        };
        let share = [self.random.share(), self.random.share()];
        let mix = |a: f64, b: f64, share: f64| a + (b - a) * (1.2 * share - 0.1);
        [mix(min.lon(), max.lon(), share[0]), mix(min.lat(), max.lat(), share[1])]
    }

    fn bbox(&mut self) -> String {
        let ([a, b], [c, d]) = (self.place(), self.place());
        format!("{:.6},{:.6},{:.6},{:.6}", a.min(c), b.min(d), a.max(c), b.max(d))
    }

    fn page(&mut self) -> String {
        let limit = [1, 7, 100, 1000][self.below(4)];
        format!("limit={limit}")
    }

    fn within(&mut self) -> String {
        match self.below(3) {
            0 => format!("&within={}", self.code()),
            _ => String::new(),
        }
    }

    fn tile(&mut self, layers: &str) -> Wanted {
        let [lon, lat] = self.place();
        let zoom = 8 + self.below(9) as u32;
        let n = f64::from(1_u32 << zoom);
        let x = ((lon + 180.0) / 360.0 * n) as u32;
        let lat = lat.to_radians();
        let y = ((1.0 - (lat.tan() + 1.0 / lat.cos()).ln() / std::f64::consts::PI) / 2.0 * n) as u32;
        let fields = ["", "?fields=code,name,id", "?fields=count"][self.below(3)];
        Wanted { uri: format!("/tiles/{layers}/{zoom}/{x}/{y}{fields}"), body: None }
    }

    fn next(&mut self) -> Wanted {
        let uri = match self.below(28) {
            0..=2 => {
                let [lon, lat] = self.place();
                let also = ["", "&include=team,beidou,h3,distance,neighbour", "&accuracy_m=30", "&accuracy_m=300"][self.below(4)];
                format!("/api/v1/locate?lon={lon}&lat={lat}&crs=wgs84{also}")
            }
            3 => {
                let count = 1 + self.below(40);
                let points: Vec<_> = (0..count).map(|_| self.place()).collect();
                let body = json!({ "crs": "wgs84", "points": points });
                return Wanted { uri: "/api/v1/locate".to_owned(), body: Some(body) };
            }
            4 | 5 => {
                let [lon, lat] = self.place();
                let radius = [50, 300, 2000, 20_000][self.below(4)];
                let kinds = ["", "&kinds=facility,case,organization,building", "&category=01050", "&state=any"][self.below(4)];
                format!("/api/v1/nearby?lon={lon}&lat={lat}&crs=wgs84&radius_m={radius}{kinds}&{}", self.page())
            }
            6 | 7 => {
                let area = match self.below(3) {
                    0 => {
                        let radius_m = [100, 1000, 30_000][self.below(3)];
                        json!({ "circle": { "centre": self.place(), "radius_m": radius_m } })
                    }
                    1 => json!({ "corridor": { "line": [self.place(), self.place()], "distance_m": 200 } }),
                    _ => {
                        let ring = [self.place(), self.place(), self.place()];
                        json!({ "type": "Polygon", "coordinates": [[ring[0], ring[1], ring[2], ring[0]]] })
                    }
                };
                let body = json!({ "area": area, "kinds": ["facility", "case", "organization", "building"], "limit": 50 });
                return Wanted { uri: "/api/v1/select".to_owned(), body: Some(body) };
            }
            8 | 9 => {
                let at = self.below(self.words.len());
                let word = encoded(&self.words[at].clone());
                format!("/api/v1/search?q={word}{}&limit={}", self.within(), 1 + self.below(30))
            }
            10 => "/api/v1/meta".to_owned(),
            11 => {
                let levels = self.territory.scheme.levels().len();
                format!("/api/v1/regions/codes?level={}", self.territory.scheme.levels()[self.below(levels)].name)
            }
            12 => format!("/api/v1/regions/{}", self.code()),
            13 => format!("/api/v1/regions/{}/children?{}", self.code(), self.page()),
            14 => format!("/api/v1/regions/{}/outline", self.code()),
            15 => format!("/api/v1/grids/{}", self.code()),
            16 => {
                let list = ["outline", "team", "neighbours", "history", "facilities", "cases"][self.below(6)];
                format!("/api/v1/grids/{}/{list}", self.code())
            }
            17 => {
                let category = ["", "&category=01050", "&category=01", "&state=damaged"][self.below(4)];
                let place = [String::new(), format!("&bbox={}", self.bbox())][self.below(2)].clone();
                format!("/api/v1/facilities?{}{}{category}{place}", self.page(), self.within())
            }
            18 => {
                let things = ["facilities", "organizations", "buildings"][self.below(3)];
                format!("/api/v1/{things}/{}", 1 + self.below(self.ids as usize))
            }
            19 => {
                let things = ["organizations", "buildings"][self.below(2)];
                let place = [String::new(), format!("&bbox={}", self.bbox())][self.below(2)].clone();
                format!("/api/v1/{things}?{}{}{place}", self.page(), self.within())
            }
            20 => {
                let also = ["", "&overdue=true", "&category=01", "&state=dispatched"][self.below(4)];
                format!("/api/v1/cases?{}{}{also}", self.page(), self.within())
            }
            21 => {
                let collection = ["regions", "grids", "facilities", "cases", "buildings"][self.below(5)];
                match self.below(4) {
                    0 => format!("/ogc/collections/{collection}"),
                    1 => format!("/ogc/collections/{collection}/items?bbox={}&limit=20", self.bbox()),
                    2 => {
                        let id = [self.code(), (1 + self.below(self.ids as usize)).to_string()];
                        format!("/ogc/collections/{collection}/items/{}", id[self.below(2)])
                    }
                    _ => format!("/ogc/collections/{collection}/items?limit={}", 1 + self.below(50)),
                }
            }
            22 => {
                let layers = ["regions,grids", "facilities", "grids,facilities,cases"][self.below(3)];
                format!("/tiles/{layers}")
            }
            23..=25 => {
                let layers = ["facilities", "cases", "organizations", "buildings", "facilities,cases"][self.below(5)];
                return self.tile(layers);
            }
            _ => {
                let layers = ["regions", "grids", "labels", "regions,grids,labels", "grids,facilities"][self.below(5)];
                return self.tile(layers);
            }
        };
        Wanted { uri, body: None }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// An answer without what two cities number on their own.
fn plain(answer: &Answer, ground: Ground) -> String {
    fn without(value: &mut Value, names: &[&str]) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| !names.contains(&name.as_str()));
                members.values_mut().for_each(|value| without(value, names));
            }
            Value::Array(values) => values.iter_mut().for_each(|value| without(value, names)),
            _ => {}
        }
    }
    let kind = answer.headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut value) => {
            without(&mut value, &["revision", "epoch", "request_id", "timeStamp"]);
            if ground == Ground::Gone {
                without(&mut value, &["across_water", "minzoom", "maxzoom"]);
            }
            value.to_string()
        }
        Err(_) => answer.body.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    format!("{} {kind} {body}", answer.status)
}

/// Callers with a scope at random: a region or two, a grid or two, what is not there, everything; with and without classes and rights.
fn actor(random: &mut Random, codes: &[String], number: usize) -> Arc<Actor> {
    let mut below = |n: usize| (random.share() * n as f64) as usize;
    let mut some = |most: usize| (0..1 + below(most)).map(|_| codes[below(codes.len())].clone()).collect::<Vec<_>>();
    let scope = match number % 8 {
        0 => Scope::All,
        1 => Scope::within(["990000".parse().unwrap()]),
        _ => Scope::within(some(3).iter().map(|code| code.parse().unwrap())),
    };
    let hidden: Hidden = match number % 3 {
        0 => ["01050", "0136"].into_iter().collect(),
        1 => ["01001", "01050", "01037"].into_iter().collect(),
        _ => Hidden::default(),
    };
    let rights = [Right::Read.into(), Rights::from(Right::Read).and(Right::Phones.into()), Rights::ALL][number % 3];
    Arc::new(Actor { id: format!("caller {number}"), roles: vec![Role::Viewer], rights, scope, hidden, screen: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_of_a_scope_is_not_there() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let (seed, answers) = (number("SEED").unwrap_or(1), number("WANGGE_ANSWERS").unwrap_or(ANSWERS));
    eprintln!("SEED={seed}");
    let made = demo_city();
    let territory = Territory::build(Epoch(1), &made.boundaries).unwrap();
    let (_, whole) = served(made.store(None).await).await;
    let mut codes: Vec<String> = territory.regions.iter().map(|region| region.code.to_string()).collect();
    codes.extend(territory.grids.iter().map(|grid| grid.code.to_string()));
    codes.push("330000000".to_owned());
    let mut words: Vec<String> = made.facilities.iter().step_by(97).filter_map(|record| record.code.clone()).collect();
    words.extend(territory.grids.iter().map(|grid| grid.name.clone()));
    words.extend(territory.regions.iter().map(|region| region.name.clone()));
    words.extend(["1380000", "13800000003", "井盖", "路", "j", "sq", "1", "案", "122.45,30.72", "zz"].map(str::to_owned));
    words.retain(|word| !word.is_empty());
    let bbox = territory.grids.iter().map(|grid| grid.bbox).reduce(LatticeBox::union).unwrap();

    let (actors, mut random) = (24, Random(seed as u64));
    let (mut compared, mut told, mut kept, mut found) = (0, 0, 0, BTreeSet::new());
    for number in 0..actors {
        let actor = actor(&mut random, &codes, number);
        let sight = Sight::of(&territory, &made.meta.profile, &actor.scope, &actor.hidden);
        let (_, gone) = served(made.store(Some((&sight, &territory, Ground::Gone))).await).await;
        let (_, blank) = served(made.store(Some((&sight, &territory, Ground::Blank))).await).await;
        let mut requests = Requests {
            random: Random((seed * 1000 + number) as u64),
            territory: &territory,
            codes: codes.clone(),
            bbox,
            words: words.clone(),
            ids: made.facilities.len() as i64,
        };
        for _ in 0..answers / actors {
            let asked = requests.next();
            let of_areas = ["regions", "grids", "labels"].iter().any(|layer| asked.uri.contains(layer));
            let areas = asked.uri.starts_with("/tiles/") && of_areas;
            let (ground, other) = if areas { (Ground::Blank, &blank) } else { (Ground::Gone, &gone) };
            let is = plain(&ask(&whole, &actor, &asked).await, ground);
            let should = plain(&ask(other, &actor, &asked).await, ground);
            compared += 1;
            told += usize::from(is.starts_with("200"));
            if actor.scope == Scope::All && !actor.hidden.is_empty() {
                let all = Arc::new(Actor::local());
                kept += usize::from(plain(&ask(&whole, &all, &asked).await, ground) != is);
            }
            if is != should {
                let route = asked
                    .uri
                    .split(['?'])
                    .next()
                    .unwrap()
                    .split('/')
                    .take(5)
                    .map(|part| if part.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { part });
                let route = route.collect::<Vec<_>>().join("/");
                if found.insert(route) {
                    eprintln!(
                        "{:?} {:?}\n{asked:?}\n  is     {:.1500}\n  should {:.1500}",
                        actor.scope, actor.hidden, is, should
                    );
                }
            }
        }
    }
    assert!(found.is_empty(), "{} kinds of answers differ: {found:?}", found.len());
    eprintln!("{compared} answers alike, {told} of them with something in it");
    assert!(told > compared / 3 && kept > 0, "of {compared} answers {told} told something, and {kept} less than all");
}

/// The tiles that a viewer is told of until it knows the newest revision.
async fn told_until_now(watching: &mut Watching, app: &App) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    loop {
        let text = String::from_utf8(watching.next().await.unwrap().to_vec()).unwrap();
        for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            let data: Value = serde_json::from_str(data).unwrap();
            let tiles = data["tiles"].as_array().cloned().unwrap_or_else(|| vec![json!("all")]);
            told.extend(tiles.iter().map(|tile| format!("{} {tile}", data["layer"])));
        }
        let latest = app.published.load().revision;
        if text.contains("event: tiles") && text.lines().any(|line| line == format!("id: {latest}")) {
            return told;
        }
    }
}

/// Facilities are added, moved, changed and removed anywhere; in the other city only what the viewer sees of that happens. Behind each of
/// these writes stands one that the viewer sees, so that it is known when everything was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_hears_nothing_of_what_is_outside_of_its_scope() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    eprintln!("SEED={seed}");
    let mut random = Random(seed);
    let made = demo_city();
    let territory = Territory::build(Epoch(1), &made.boundaries).unwrap();
    let profile = &made.meta.profile;
    let category = |code: &str| profile.position(wangge::domain::category::CategoryKind::Component, code).unwrap();
    let grids: Vec<String> = territory.grids.iter().map(|grid| grid.code.to_string()).collect();
    let writer = Arc::new(Actor::local());
    let (mut silent, mut heard) = (0, 0);
    for number in 0..4 {
        let codes: Vec<String> = (0..=number).map(|_| grids[(random.share() * grids.len() as f64) as usize].clone()).collect();
        let actor = Arc::new(Actor {
            scope: Scope::within(codes.iter().map(|code| code.parse().unwrap())),
            hidden: ["01050"].into_iter().filter(|_| number % 2 == 0).collect(),
            ..Actor::local()
        });
        let sight = Sight::of(&territory, profile, &actor.scope, &actor.hidden);
        let (app, _) = served(made.store(None).await).await;
        let (other, _) = served(made.store(Some((&sight, &territory, Ground::Gone))).await).await;
        let asked = || Asked { tiles: true, ..Asked::default() };
        let (mut here, mut there) = (app.watch(&actor, asked()).unwrap(), other.watch(&actor, asked()).unwrap());
        let own = territory.grid(territory.grid_ix(&codes[0]).unwrap());
        // What was added here, and as what there.
        let mut twins: BTreeMap<FacilityId, FacilityId> = BTreeMap::new();
        for at in 0..40 {
            let kind = ["01050", "01001", "01013"][(random.share() * 3.0) as usize];
            let any = territory.grids[(random.share() * grids.len() as f64) as usize].bbox;
            let bbox = if random.share() < 0.4 { own.bbox } else { any };
            let (x, y) = (random.share(), random.share());
            let between = |a: i32, b: i32, share: f64| (f64::from(a) + f64::from(b - a) * share) as i32;
            let place = LatticePoint::new(between(bbox.min.x, bbox.max.x, x), between(bbox.min.y, bbox.max.y, y));
            let patch = Patch { place: Some((place, None)), category: Some(kind.to_owned()), ..Patch::default() };
            let city = app.published.load();
            let row = city.facilities.iter().nth((random.share() * city.facilities.len() as f64) as usize);
            let row = row.filter(|_| random.share() < 0.7);
            let was_seen = row.is_some_and(|row| sight.facility(row, row.leaf));
            let is_seen = sight.at(territory.leaf_at(place)) && sight.category(category(kind));
            let twin = row.map_or(FacilityId(0), |row| *twins.get(&row.id).unwrap_or(&row.id));
            match (row, random.share() < 0.3) {
                (Some(row), true) => {
                    app.facility_remove(&writer, (row.id, Meant::Any), None).await.unwrap();
                    silent += usize::from(!was_seen);
                    if was_seen {
                        other.facility_remove(&writer, (twin, Meant::Any), None).await.unwrap();
                    }
                }
                (Some(row), false) => {
                    app.facility_change(&writer, (row.id, Meant::Any), patch.clone(), None).await.unwrap();
                    silent += usize::from(!was_seen && !is_seen);
                    // It comes as it is from where the viewer does not see it.
                    let patch = Patch { name: Some(row.name.to_string()), state: Some(row.state), ..patch };
                    match (was_seen, is_seen) {
                        (true, true) => drop(other.facility_change(&writer, (twin, Meant::Any), patch, None).await.unwrap()),
                        (true, false) => drop(other.facility_remove(&writer, (twin, Meant::Any), None).await.unwrap()),
                        (false, true) => {
                            let written = other.facility_create(&writer, patch, None).await.unwrap();
                            twins.insert(row.id, written.record.unwrap().id);
                        }
                        (false, false) => {}
                    }
                }
                (None, _) => {
                    let written = app.facility_create(&writer, patch.clone(), None).await.unwrap();
                    silent += usize::from(!is_seen);
                    if is_seen {
                        let twin = other.facility_create(&writer, patch, None).await.unwrap();
                        twins.insert(written.record.unwrap().id, twin.record.unwrap().id);
                    }
                }
            }
            let mark = Patch {
                name: Some(format!("mark {at}")),
                place: Some((own.label, None)),
                category: Some("01001".to_owned()),
                ..Patch::default()
            };
            let (one, two) = (app.facility_create(&writer, mark.clone(), None), other.facility_create(&writer, mark, None));
            let (one, two) = (one.await.unwrap().record.unwrap(), two.await.unwrap().record.unwrap());
            twins.insert(one.id, two.id);
            let (is, should) = (told_until_now(&mut here, &app).await, told_until_now(&mut there, &other).await);
            assert_eq!(is, should, "{:?} write {at}", actor.scope);
            heard += is.len();
        }
    }
    assert!(silent > 20 && heard > 200, "{silent} writes that were not heard, {heard} tiles");
}

/// Exports are read line by line, without what the two cities number on their own.
async fn exported(store: &Store, actor: &Actor, format: Format, layer: &str) -> Result<BTreeSet<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let order = Order { actor: actor.clone(), derived: true, ..Order::new(format, &[layer]) };
    let watch: exports::Watch = Arc::new(|_| {});
    let done = exports::run(store, &order, (None, &path, false), city::now(), &watch).await;
    done.map_err(|error| error.to_string())?;
    let text = std::fs::read(&path).unwrap();
    let text = String::from_utf8(text).unwrap();
    Ok(text.lines().filter(|line| !line.contains("revision")).map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_no_more_than_its_actor_may_see() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    let made = demo_city();
    let territory = Territory::build(Epoch(1), &made.boundaries).unwrap();
    let mut codes: Vec<String> = territory.regions.iter().map(|region| region.code.to_string()).collect();
    codes.extend(territory.grids.iter().map(|grid| grid.code.to_string()));
    let whole = made.store(None).await;
    let layers = ["regions", "grids", "facilities", "staff", "households", "cases", "organizations", "buildings"];
    let mut lines = 0;
    for number in 0..9 {
        let actor = actor(&mut random, &codes, number);
        let sight = Sight::of(&territory, &made.meta.profile, &actor.scope, &actor.hidden);
        let gone = made.store(Some((&sight, &territory, Ground::Gone))).await;
        for layer in layers {
            for format in [Format::Rows(RowFormat::Csv), Format::Rows(RowFormat::GeoJsonSeq)] {
                let is = exported(&whole, &actor, format, layer).await;
                // Above what is seen there are regions, and what they came with; they are not in the file either.
                let should = exported(&gone, &actor, format, layer).await;
                assert_eq!(is, should, "{layer} {} {:?} {:?}", format.as_str(), actor.scope, actor.hidden);
                lines += is.map_or(0, |lines| lines.len());
            }
        }
        let phones = exported(&whole, &actor, Format::Rows(RowFormat::Csv), "staff").await.unwrap();
        let shown = phones.iter().any(|line| line.contains("000-"));
        assert_eq!(shown, actor.rights.has(Right::Phones) && phones.len() > 1, "{phones:?}");
        let cases = exported(&whole, &actor, Format::Rows(RowFormat::Csv), "cases").await.unwrap();
        assert_eq!(cases.iter().any(|line| line.contains("1380000")), actor.rights.has(Right::Texts) && cases.len() > 1);
    }
    assert!(lines > 10_000, "{lines}");
}

/// Before 2026 the land of …001 and …002 was one grid. Whoever sees that grid and …002 sees on its land what stands in …002 today.
#[tokio::test]
async fn the_past_shows_no_more_than_today() {
    let router = city::router().await;
    let past = Arc::new(Actor {
        scope: Scope::within([city::code(city::CLOSED), city::code(city::GRID_2)]),
        rights: Right::Read.into(),
        ..Actor::local()
    });
    let get = async |uri: &str| ask(&router, &past, &Wanted { uri: uri.to_owned(), body: None }).await;
    let card = get(&format!("/api/v1/grids/{}?at=2025-06-01", city::CLOSED)).await.ok();
    assert_eq!((&card["facilities"]["total"], &card["open_cases"]["total"]), (&json!(1), &json!(0)), "{card}");
    let listed = get(&format!("/api/v1/grids/{}/facilities?at=2025-06-01", city::CLOSED)).await.ok();
    assert_eq!(listed["number_matched"], 1);
    let closed = get(&format!("/api/v1/grids/{}", city::CLOSED)).await.ok();
    let heirs: Vec<&str> = closed["successors"].as_array().unwrap().iter().map(|heir| heir["code"].as_str().unwrap()).collect();
    assert_eq!(heirs, [city::GRID_2]);
    get(&format!("/api/v1/grids/{}", city::GRID_1)).await.problem(404, "unknown_code");
    // The same caller with everything.
    let all = Arc::new(Actor::local());
    let wanted = Wanted { uri: format!("/api/v1/grids/{}?at=2025-06-01", city::CLOSED), body: None };
    assert_eq!(ask(&router, &all, &wanted).await.ok()["facilities"]["total"], 41);
}
