//! A change reaches exactly the tiles that it changes, and these before anyone reads the new city.

use super::city::{self, at, code, now};
use super::{get, send};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use std::collections::BTreeMap;
use std::sync::Arc;
use wangge::app::App;
use wangge::city::Change;
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::id::{CaseId, Epoch, FacilityId};
use wangge::geom::mercator::{MercatorPoint, tile_at};
use wangge::geom::{Area, TileId};
use wangge::store::{BoundaryCommit, CaseCommit, CommitHead, FacilityCommit, Store};

const LAYERS: [&str; 7] = ["regions", "grids", "labels", "facilities", "cases", "organizations", "buildings"];

/// Every tile that the city touches, with one around it.
pub(super) fn tiles() -> Vec<TileId> {
    let (north_west, south_east) = (MercatorPoint::of(at(-0.1, 2.1)), MercatorPoint::of(at(3.1, -0.1)));
    let mut tiles = vec![];
    for zoom in 0..=16 {
        let (from, to) = (tile_at(north_west, zoom), tile_at(south_east, zoom));
        tiles.extend((from.x()..=to.x()).flat_map(|x| (from.y()..=to.y()).map(move |y| TileId::new(zoom, x, y).unwrap())));
    }
    tiles
}

/// Status and tag of every tile of every layer.
pub(super) async fn tags(router: &Router) -> BTreeMap<String, (u16, String)> {
    let mut tags = BTreeMap::new();
    for layer in LAYERS {
        for tile in tiles() {
            let uri = format!("/tiles/{layer}/{}/{}/{}", tile.z(), tile.x(), tile.y());
            let answer = send(router, Request::get(&uri).body(Body::empty()).unwrap()).await;
            let tag = answer.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default();
            tags.insert(uri, (answer.status.as_u16(), tag));
        }
    }
    tags
}

/// The running city, and one made from its store from scratch.
pub(super) async fn scratch(app: &App) -> Arc<App> {
    Arc::new(App::open(app.store.clone(), Config::new("unused.gpkg".into()), Clock::fixed(now())).await.unwrap())
}

/// Writes, applies what was written, and compares every tile with a city made from scratch. Returns how many changed.
async fn after(app: &Arc<App>, router: &Router, write: impl AsyncFnOnce(&Store), change: impl FnOnce(&App) -> Change) -> usize {
    let before = tags(router).await;
    write(&app.store).await;
    let scratch = scratch(app).await;
    let revision = app.store.revision().await.unwrap();
    app.applier.apply(revision, change(&scratch)).await.unwrap();
    assert_eq!(app.published.load().revision, revision);
    let kept = app.tiles.bytes();
    let expected = tags(&wangge::http::router(scratch)).await;
    let found = tags(router).await;
    assert_eq!(found, expected);
    assert!(kept > 0, "tiles that did not change are still there");
    before.iter().filter(|(uri, tag)| found[*uri] != **tag).count()
}

async fn put(store: &Store, id: i64, x: f64, y: f64, category: &str) {
    let mut rows = store.facilities_by_ids(&[FacilityId(id.max(1))]).await.unwrap();
    rows[0].id = FacilityId(id);
    rows[0].code = Some(format!("moved-{id}"));
    rows[0].provenance.external_ids.clear();
    rows[0].at = at(x, y);
    rows[0].grid = None;
    rows[0].category = category.to_owned();
    rows[0].version.0 = 0;
    store.facilities_commit(FacilityCommit { head: head(), rows, removed: vec![], import: None }).await.unwrap();
}

fn head() -> CommitHead {
    CommitHead::new("test", now())
}

fn row(city: &App, id: i64) -> Change {
    let put = city.published.load().facilities.facility(FacilityId(id)).cloned();
    Change::Facilities { put: put.into_iter().collect(), removed: vec![] }
}

#[tokio::test]
async fn a_written_facility_or_case_changes_exactly_its_tiles() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    // Added, moved within a cluster, moved far, of another category, removed.
    let added = after(&app, &router, async |store| put(store, 0, 1.7, 1.7, "01050").await, |city| row(city, 43)).await;
    let steps = [(43, 1.7001, 1.7001, "01050"), (43, 0.3, 0.3, "01050"), (5, 2.9, 0.1, "01050"), (7, 0.5, 1.5, "01013")];
    let mut moved = 0;
    for (id, x, y, category) in steps {
        moved += after(&app, &router, async |store| put(store, id, x, y, category).await, |city| row(city, id)).await;
    }
    let remove = async |store: &Store| {
        let commit = FacilityCommit { head: head(), rows: vec![], removed: vec![FacilityId(12)], import: None };
        store.facilities_commit(commit).await.unwrap();
    };
    let gone = Change::Facilities { put: vec![], removed: vec![FacilityId(12)] };
    let removed = after(&app, &router, remove, |_| gone).await;
    let close = async |store: &Store| {
        let mut rows = store.cases_by_ids(&[CaseId(3)]).await.unwrap();
        rows[0].state = wangge::domain::case::CaseState::Closed;
        store.cases_commit(CaseCommit { head: head(), rows, removed: vec![], import: None }).await.unwrap();
    };
    let closed = after(&app, &router, close, |_| Change::Cases { put: vec![], removed: vec![CaseId(3)] }).await;
    for changed in [added, removed, closed] {
        assert!((2..20).contains(&changed), "{added} added, {removed} removed, {closed} closed");
    }
    assert!(moved > 20, "{moved}");
}

/// The border between the first two grids moves a little to the north.
pub(super) async fn moved_border(store: &Store) {
    let mut boundaries = store.boundaries_at(Epoch(2)).await.unwrap().unwrap();
    let [first, second] = [city::GRID_1, city::GRID_2]
        .map(|grid| boundaries.grids.iter().position(|record| record.code == code(grid)).expect("a grid of the city"));
    for grid in [first, second] {
        let mut polygons = boundaries.grids[grid].area.polygons().to_vec();
        for point in polygons.iter_mut().flat_map(|polygon| &mut polygon.exterior).filter(|p| p.y == at(0.0, 1.0).y) {
            point.y += 20_000;
        }
        boundaries.grids[grid].area = Area::canonical(polygons);
    }
    boundaries.period.from = Some(now());
    store.boundaries_commit(BoundaryCommit::new(Epoch(2), boundaries, "test", now())).await.unwrap();
}

#[tokio::test]
async fn a_published_boundary_changes_exactly_its_tiles() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let change = |city: &App| Change::Boundaries(Arc::clone(&city.published.load().territory));
    let changed = after(&app, &router, moved_border, change).await;
    assert!((5..100).contains(&changed), "{changed}");
}

#[tokio::test]
async fn what_stands_in_a_region_without_grids_belongs_to_it() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let count = async |uri: &str, pointer: &str| get(&router, uri).await.ok().pointer(pointer).unwrap().as_u64().unwrap();
    let lists = ["/api/v1/facilities?within=330903", "/api/v1/search?q=部件&limit=100&within=330903"];
    assert_eq!(count("/api/v1/regions/330903", "/counts/facilities").await, 0);
    let city_before = count("/api/v1/regions/3309", "/counts/facilities").await;
    put(&app.store, 0, 2.5, 0.5, "01050").await;
    let scratch = scratch(&app).await;
    app.applier.apply(app.store.revision().await.unwrap(), row(&scratch, 43)).await.unwrap();
    for router in [router.clone(), wangge::http::router(scratch)] {
        let count = async |uri: &str, pointer: &str| get(&router, uri).await.ok().pointer(pointer).unwrap().as_u64().unwrap();
        assert_eq!(count("/api/v1/regions/330903", "/counts/facilities").await, 1);
        assert_eq!(count("/api/v1/regions/3309", "/counts/facilities").await, city_before + 1);
        for list in lists {
            assert_eq!(get(&router, list).await.ok()["items"].as_array().unwrap().len(), 1, "{list}");
        }
        // Still outside every grid.
        assert_eq!(count("/api/v1/meta", "/facilities_outside").await, 2);
    }
}
