//! What scope costs: `GET /api/v1/locate` and a tile that is cached, asked by a caller who sees everything and by callers who see one
//! township, without and with a class of facilities kept from them, and over the check of a token. No sockets, so that the cost of scope
//! is as large a part of each answer as it can be. Interleaved, medians of 7, by turns; the checksum is of all bytes answered.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may fail loudly and prints its table")]

#[allow(dead_code, reason = "shared with benches that count bytes")]
mod harness;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use harness::{ROUNDS, median, mix};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Instant;
use tower::ServiceExt;
use wangge::app::{Actor, App};
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::demo::{self, Preset};
use wangge::domain::hash::hash64;
use wangge::domain::id::Epoch;
use wangge::domain::scope::Scope;
use wangge::geom::LatticePoint;
use wangge::geom::mercator::{MercatorPoint, tile_at};
use wangge::http::Caller;
use wangge::interchange::profile;
use wangge::store::{BoundaryCommit, CommitHead, FacilityCommit, Meta, Store};

const REQUESTS: usize = 4_000;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn store(made: &demo::City, now: jiff::Timestamp) -> Store {
    let store = Store::memory(Meta::new("bench", profile::standard()));
    let commit = BoundaryCommit::new(Epoch(0), made.boundaries.clone(), "bench", now);
    store.boundaries_commit(commit).await.unwrap();
    let head = CommitHead::new("bench", now);
    let commit = FacilityCommit { head, rows: made.facilities.clone(), removed: vec![], import: None };
    store.facilities_commit(commit).await.unwrap();
    store
}

/// One way of asking.
struct Way {
    name: &'static str,
    router: Router,
    actor: Option<Arc<Actor>>,
    token: Option<String>,
}

impl Way {
    async fn ask(&self, uri: &str) -> bytes::Bytes {
        let mut request = Request::get(uri).header("host", "localhost:8080");
        if let Some(actor) = &self.actor {
            request = request.extension(Caller(Arc::clone(actor)));
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(response.status().is_success(), "{}: {}", self.name, response.status());
        response.into_body().collect().await.unwrap().to_bytes()
    }
}

#[tokio::main]
async fn main() {
    let now = "2026-11-21T04:00:00Z".parse().unwrap();
    let made = demo::city(Preset::Zhoushan, demo::DEFAULT_SEED, now).unwrap();
    let config = || Config::new("unused.gpkg".into());
    let app = Arc::new(App::open(store(&made, now).await, config(), Clock::fixed(now)).await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("wangge.toml");
    std::fs::write(&settings, "[access]\nrequests_per_second = 1000000\nrequests_at_once = 1000000\n").unwrap();
    let guarded = Config::read(&settings).unwrap();
    let guarded = Arc::new(App::open(store(&made, now).await, guarded, Clock::fixed(now)).await.unwrap());

    let city = app.published.load();
    let territory = &city.territory;
    let township = territory.regions.iter().filter(|region| region.level == 2).max_by_key(|region| region.grids.len()).unwrap();
    let scope = Scope::within([township.code.clone()]);
    let part = Actor { scope: scope.clone(), ..Actor::local() };
    let without = Actor { hidden: ["01050", "0136"].into_iter().collect(), ..part.clone() };
    let bearer = format!("Bearer {}", guarded.access().unwrap().local().text());
    let (plain, checked) = (wangge::http::router(Arc::clone(&app)), wangge::http::router(Arc::clone(&guarded)));
    let way = |name, router: &Router, actor: Option<Actor>, token: Option<String>| Way {
        name,
        router: router.clone(),
        actor: actor.map(Arc::new),
        token,
    };
    let ways = [
        way("everything", &plain, Some(Actor::local()), None),
        way("one township", &plain, Some(part), None),
        way("one township, without cameras", &plain, Some(without), None),
        way("everything, with a token", &checked, None, Some(bearer)),
    ];

    // Places in the township, and the tiles around them.
    let grids: Vec<_> = (township.grids.clone()).map(|at| &territory.grids[at as usize]).collect();
    let places: Vec<LatticePoint> = (0..REQUESTS).map(|at| grids[at * 7 % grids.len()].label).collect();
    let locate = |p: &LatticePoint| format!("/api/v1/locate?lon={}&lat={}&crs=cgcs2000", p.lonlat().lon(), p.lonlat().lat());
    let tile = |p: &LatticePoint| {
        let tile = tile_at(MercatorPoint::of(*p), 15);
        format!("/tiles/grids,facilities/15/{}/{}", tile.x(), tile.y())
    };
    let kinds: [(&str, Vec<String>); 2] =
        [("locate", places.iter().map(locate).collect()), ("cached tile", places.iter().map(tile).collect())];
    println!("{} grids, scope {} with {} grids", territory.grids.len(), township.code, grids.len());
    for (kind, uris) in &kinds {
        let (mut figures, mut sums) = (vec![vec![]; ways.len()], vec![0; ways.len()]);
        // The first round fills the cache.
        for round in 0..=ROUNDS {
            for at in 0..ways.len() {
                let at = (at + round) % ways.len();
                let (start, mut sum) = (Instant::now(), 0);
                for uri in uris {
                    sum = mix(sum, hash64(&ways[at].ask(uri).await));
                }
                if round > 0 {
                    figures[at].push(start.elapsed().as_secs_f64() * 1e6 / uris.len() as f64);
                }
                sums[at] = sum;
            }
        }
        let medians: Vec<f64> = figures.into_iter().map(median).collect();
        for (way, (micros, sum)) in ways.iter().zip(medians.iter().zip(&sums)) {
            let more = (micros / medians[0] - 1.0) * 100.0;
            println!("{kind:12} {:32} {micros:7.2} µs {more:+6.1} %  {sum:016x}", way.name);
        }
    }
}
