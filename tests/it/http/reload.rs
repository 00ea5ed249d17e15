//! The city in memory follows the store also when only the store knows what changed.

use super::changes::{scratch, tags};
use super::city::{self, GRID_1, GRID_2, at, code, now};
use super::{get, post};
use axum::Router;
use serde_json::json;
use std::sync::Arc;
use wangge::app::App;
use wangge::city::City;
use wangge::domain::case::CaseState;
use wangge::domain::category::{Category, CategoryKind, CodeProfile};
use wangge::domain::id::{CaseId, Epoch, FacilityId, Revision};
use wangge::domain::records::HouseholdCount;
use wangge::geom::{Area, LatticePoint};
use wangge::store::{BoundaryCommit, CaseCommit, CommitHead, FacilityCommit, HouseholdCommit, RowCommit, StaffCommit, Store};

fn head() -> CommitHead {
    CommitHead::new("test", now())
}

/// Everything that readers see of a city, but for its numbers of positions in one epoch.
pub(crate) fn seen(city: &City) -> String {
    let mut facilities: Vec<_> = city.facilities.iter().cloned().collect();
    facilities.sort_by_key(|row| row.id);
    let mut cases: Vec<_> = city.cases.iter().map(|case| ((*case.record).clone(), case.leaf)).collect();
    cases.sort_by_key(|case| case.0.id);
    let mut buildings: Vec<_> = city.buildings.iter().map(|one| (&one.record, one.unit)).collect();
    buildings.sort_by_key(|one| one.0.id);
    let grids: Vec<_> =
        city.territory.grids.iter().map(|grid| (&grid.code, &grid.name, grid.households, grid.population)).collect();
    let staff: Vec<_> = city.territory.grids.iter().map(|grid| city.staff.of(&grid.code)).collect();
    let codes: Vec<_> = city.about.profile.categories.iter().map(|category| &category.code).collect();
    format!(
        "{} {} {:?}\n{facilities:?}\n{cases:?}\n{buildings:?}\n{grids:?}\n{staff:?} {}\n{codes:?} {}\n{:?}",
        city.revision,
        city.epoch(),
        city.territory.period,
        city.staff.len(),
        city.about.title,
        (0..city.territory.grids.len()).map(|ix| city.grid_counts(wangge::domain::id::GridIx(ix as u32))).collect::<Vec<_>>(),
    )
}

pub(crate) async fn equals_scratch(app: &Arc<App>) {
    let scratch = scratch(app).await;
    assert_eq!(seen(&app.published.load()), seen(&scratch.published.load()));
    let router = wangge::http::router(Arc::clone(app));
    assert_eq!(tags(&router).await, tags(&wangge::http::router(scratch)).await);
}

/// Moves a facility, adds one, removes one.
pub(super) async fn facilities(store: &Store) {
    let mut rows = store.facilities_by_ids(&[FacilityId(5), FacilityId(6)]).await.unwrap();
    (rows[0].at, rows[0].grid) = (at(0.5, 1.5), Some(code(GRID_2)));
    (rows[1].id, rows[1].version, rows[1].code) = (FacilityId(0), wangge::domain::id::Version(0), None);
    rows[1].provenance.external_ids.clear();
    store.facilities_commit(FacilityCommit { head: head(), rows, removed: vec![FacilityId(12)], import: None }).await.unwrap();
}

pub(super) async fn cases(store: &Store) {
    let mut rows = store.cases_by_ids(&[CaseId(3), CaseId(4)]).await.unwrap();
    rows[0].state = CaseState::Closed;
    rows[1].text = "anders".to_owned();
    store.cases_commit(CaseCommit { head: head(), rows, removed: vec![CaseId(9)], import: None }).await.unwrap();
}

pub(super) async fn staff(store: &Store) {
    let mut rows = store.staff().await.unwrap();
    rows.truncate(1);
    rows[0].name = "新".to_owned();
    let removed = vec!["s2".to_owned()];
    store.staff_commit(StaffCommit { head: head(), rows, removed, import: None }).await.unwrap();
}

pub(super) async fn households(store: &Store) {
    let counts = vec![HouseholdCount { grid: code(GRID_1), households: Some(7), population: None }];
    store.households_commit(HouseholdCommit { head: head(), counts, import: None }).await.unwrap();
}

/// One is higher and has fewer households, one is gone.
pub(super) async fn buildings(store: &Store) {
    let mut rows = store.buildings().await.unwrap();
    rows.truncate(1);
    (rows[0].storeys, rows[0].households) = (Some(33), Some(6));
    let commit = RowCommit { head: head(), rows, removed: vec![2], import: None };
    store.buildings_commit(commit).await.unwrap();
}

/// One more category, before all others in the order of codes; another title.
pub(super) async fn profile(store: &Store) {
    let mut meta = store.meta().await.unwrap();
    let first = Category {
        kind: CategoryKind::Component,
        code: "01000".to_owned(),
        major: "x".to_owned(),
        name: "第一".to_owned(),
        icon: String::new(),
    };
    meta.profile = CodeProfile::new("own".to_owned(), meta.profile.categories.into_iter().chain([first]));
    meta.title = "另一个".to_owned();
    store.meta_set(meta, "test", now()).await.unwrap();
}

/// The border between the first two grids moves to the south: some facilities and cases are in the other one, as the store notes too.
pub(super) async fn boundaries(store: &Store) {
    border(store, (1.0, 0.45), GRID_2).await;
}

/// And to the north again.
pub(super) async fn boundaries_back(store: &Store) {
    border(store, (0.45, 1.0), GRID_1).await;
}

async fn border(store: &Store, (from, to): (f64, f64), gains: &str) {
    let epochs = store.epochs().await.unwrap();
    let base = epochs.last().unwrap().epoch;
    let mut set = store.boundaries_at(base).await.unwrap().unwrap();
    for grid in set.grids.iter_mut().filter(|grid| [GRID_1, GRID_2].contains(&grid.code.as_str())) {
        let mut polygons = grid.area.polygons().to_vec();
        for point in polygons.iter_mut().flat_map(|polygon| &mut polygon.exterior).filter(|p| p.y == at(0.0, from).y) {
            point.y = at(0.0, to).y;
        }
        grid.area = Area::canonical(polygons);
    }
    set.period.from = Some(now());
    let between = |p: LatticePoint| p.y > at(0.0, 0.45).y && p.y < at(0.0, 1.0).y && p.x < at(1.0, 0.0).x;
    let snapshot = store.snapshot(now()).await.unwrap();
    let facility_grids = snapshot.facilities.iter().filter(|row| between(row.at)).map(|row| (row.id, Some(code(gains))));
    let case_grids = snapshot.cases.iter().filter(|case| case.at.is_some_and(between));
    let commit = BoundaryCommit {
        facility_grids: facility_grids.collect(),
        case_grids: case_grids.map(|case| (case.id, Some(code(gains)))).collect(),
        ..BoundaryCommit::new(base, set, "test", now())
    };
    assert!(commit.facility_grids.len() > 5 && commit.case_grids.len() > 5);
    store.boundaries_commit(commit).await.unwrap();
}

#[tokio::test]
async fn a_city_loaded_in_passing_equals_one_made_from_scratch() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let differing = async |before: &std::collections::BTreeMap<String, (u16, String)>| {
        let after = tags(&router).await;
        before.iter().filter(|(uri, tag)| after[*uri] != **tag).count()
    };
    let mut told = Vec::new();
    macro_rules! each {
        ($($write:ident)*) => { $({
            let before = tags(&router).await;
            $write(&app.store).await;
            let revision = app.store.revision().await.unwrap();
            app.applier.reload(revision).await.unwrap();
            equals_scratch(&app).await;
            told.push((stringify!($write), differing(&before).await));
        })* };
    }
    each!(facilities cases staff households buildings profile boundaries facilities_again);
    let changed = |name: &str| told.iter().find(|(write, _)| *write == name).unwrap().1;
    assert!(changed("facilities") > 5 && changed("cases") > 5 && changed("boundaries") > 5, "{told:?}");
    assert!(changed("buildings") > 0, "{told:?}");
    assert_eq!((changed("staff"), changed("households")), (0, 0));
    // A number that was reached long ago is answered at once, and changes nothing.
    app.applier.reload(Revision(1)).await.unwrap();
    equals_scratch(&app).await;
}

/// After the profile has other positions.
pub(super) async fn facilities_again(store: &Store) {
    let rows = store.facilities_by_ids(&[FacilityId(7)]).await.unwrap();
    let rows =
        rows.into_iter().map(|row| wangge::domain::facility::FacilityRecord { name: "wieder".to_owned(), ..row }).collect();
    store.facilities_commit(FacilityCommit { head: head(), rows, removed: vec![], import: None }).await.unwrap();
}

#[tokio::test]
async fn after_a_publication_lists_show_the_versions_that_the_store_has() {
    let app = city::app().await;
    boundaries(&app.store).await;
    let territory = Arc::clone(&scratch(&app).await.published.load().territory);
    let revision = app.store.revision().await.unwrap();
    app.applier.apply(revision, wangge::city::Change::Boundaries(territory)).await.unwrap();
    equals_scratch(&app).await;
    let router = wangge::http::router(Arc::clone(&app));
    let list = get(&router, "/api/v1/facilities?limit=1000").await.ok();
    for item in list["items"].as_array().unwrap() {
        let one = get(&router, &format!("/api/v1/facilities/{}", item["id"])).await.ok();
        assert_eq!((&item["version"], &item["grid"]), (&one["version"], &one["grid"]));
    }
    // Looked at in the boundaries of before, nothing has changed.
    let past = get(&router, &format!("/api/v1/grids/{GRID_1}/facilities?limit=1000&epoch=2")).await.ok();
    for item in past["items"].as_array().unwrap() {
        let one = get(&router, &format!("/api/v1/facilities/{}", item["id"])).await.ok();
        assert_eq!(item["version"], one["version"]);
    }
    assert_eq!(past["items"].as_array().unwrap().len(), 40);
    assert_eq!(app.published.load().epoch(), Epoch(3));
}

async fn create(router: &Router) -> super::Answer {
    let body = json!({ "position": [122.105, 30.005], "crs": "wgs84", "category": "01050" });
    post(router, "/api/v1/facilities", "application/json", body.to_string()).await
}

#[tokio::test]
async fn a_number_that_nobody_hands_in_holds_writers_up_only_for_a_while() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    // Somebody broke off between the commit and its handing in, twice.
    facilities(&app.store).await;
    staff(&app.store).await;
    let (one, other) = tokio::join!(create(&router), create(&router));
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (201, 201), "{}", one.text());
    equals_scratch(&app).await;
    // And it goes on as ever.
    assert_eq!(create(&router).await.status, 201);
    cases(&app.store).await;
    assert_eq!(create(&router).await.status, 201);
    equals_scratch(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exact_and_unknown_changes_in_any_order_lead_to_one_city() {
    let app = city::app().await;
    let mut handed = Vec::new();
    for n in 0..40 {
        let revision = app.store.revision().await.unwrap();
        if n % 3 == 0 {
            let mut rows = app.store.facilities_by_ids(&[FacilityId(20)]).await.unwrap();
            rows[0].name = format!("{n}");
            let put = vec![wangge::city::Facility {
                version: wangge::domain::id::Version(rows[0].version.0 + 1),
                name: rows[0].name.as_str().into(),
                ..app.published.load().facilities.facility(FacilityId(20)).unwrap().clone()
            }];
            app.store.facilities_commit(FacilityCommit { head: head(), rows, removed: vec![], import: None }).await.unwrap();
            handed.push((revision.0 + 1, Some(put)));
        } else {
            staff_named(&app.store, n).await;
            handed.push((revision.0 + 1, None));
        }
    }
    // Handed in backwards, and some of the unknown ones twice.
    let tasks: Vec<_> = handed
        .into_iter()
        .rev()
        .map(|(revision, put)| {
            let applier = app.applier.clone();
            tokio::spawn(async move {
                match put {
                    Some(put) => {
                        let change = wangge::city::Change::Facilities { put, removed: vec![] };
                        applier.apply(Revision(revision), change).await
                    }
                    None => {
                        let again = applier.clone();
                        let (one, other) = tokio::join!(applier.reload(Revision(revision)), again.reload(Revision(revision)));
                        one.and(other)
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    equals_scratch(&app).await;
}

async fn staff_named(store: &Store, n: u32) {
    let mut rows = store.staff().await.unwrap();
    rows.truncate(1);
    rows[0].name = format!("{n}");
    store.staff_commit(StaffCommit { head: head(), rows, removed: vec![], import: None }).await.unwrap();
}
