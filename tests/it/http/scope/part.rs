//! A server that has a part of the city (`--within`) answers as one that has everything answers somebody whose scope is that part, whatever is
//! asked, tiles byte by byte. Addresses in words are left out: a part knows the names of its own streets only.

use super::made::{Ground, Made, NOW, PAST, POLICE, POLICE_PAST, demo_city, served};
use super::requests::Requests;
use super::{By, Tally, actor, city};
use crate::crash::Random;
use crate::http::{get, post};
use crate::postgres::Database;
use axum::Router;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wangge::app::{Actor, App};
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::id::{Epoch, FacilityId};
use wangge::domain::rights::Right;
use wangge::domain::scope::Scope;
use wangge::geom::LatticePoint;
use wangge::store::{Access, BoundaryCommit, CommitHead, FacilityCommit, Store};
use wangge::territory::Territory;

/// Answers compared, over each kind of store.
const ANSWERS: usize = 6_000;

async fn part(store: Store, within: &Scope) -> Result<(Arc<App>, Router), wangge::app::AppError> {
    let config = Config { within: within.clone(), ..city::config() };
    let app = Arc::new(App::open(store, config, Clock::fixed(city::now())).await?);
    Ok((Arc::clone(&app), wangge::http::router(app)))
}

/// Callers with the rights of one of them: one who sees that part of the city, and one who sees everything there is.
fn both(actor: &Actor) -> [Arc<Actor>; 2] {
    [Arc::new(actor.clone()), Arc::new(Actor { scope: Scope::All, ..actor.clone() })]
}

/// Random questions about both, of which none is answered otherwise.
async fn alike(tally: &mut Tally, made: &Made, actor: &Actor, (whole, part): (&Router, &Router), (seed, answers): (u64, usize)) {
    let [seeing, all] = both(actor);
    let mut requests = Requests::new(made, &made.sights(actor), seed);
    let until = tally.compared + answers;
    while tally.compared < until {
        let asked = requests.next();
        // Where the boundaries asked for have nothing of the part, it has no zooms either.
        let of = match (asked.uri.contains("set="), asked.uri.contains("epoch=") || asked.uri.contains("at=")) {
            (false, false) => vec![NOW],
            (false, true) => vec![NOW, PAST],
            (true, _) => vec![POLICE, POLICE_PAST],
        };
        let Scope::Within(codes) = &actor.scope else { panic!("a part has codes") };
        let knows = |at: &usize| codes.iter().any(|code| made.territories[*at].unit(code.as_str()).is_some());
        let drawn = asked.ground != Ground::Blank || of.iter().all(knows);
        if asked.ground != Ground::Named && drawn {
            tally.compare(actor, asked, (part, By::Actor(&all)), (whole, By::Actor(&seeing))).await;
        }
    }
}

async fn compared(made: &Made, store: impl AsyncFn() -> Store, seed: u64) {
    let (_, whole) = served(made.store(None).await).await;
    let store = store().await;
    made.fill(store.clone(), None).await;
    let (codes, mut random, mut tally) = (made.codes(), Random(seed), Tally::default());
    for number in 0..12 {
        let actor = actor(&mut random, &codes, number);
        let (Scope::Within(codes), true) = (&actor.scope, number % 8 != 1) else { continue };
        let (_, part) = match part(store.clone(), &actor.scope).await {
            Ok(part) => part,
            // Of codes of the past alone there is no part.
            Err(error) => {
                let known = |code: &str| made.territories[NOW].unit(code).or(made.territories[POLICE].unit(code)).is_some();
                assert!(codes.iter().any(|code| !known(code.as_str())), "{error}");
                continue;
            }
        };
        alike(&mut tally, made, &actor, (&whole, &part), (seed * 100 + number as u64, ANSWERS / 12)).await;
    }
    assert!(tally.compared > ANSWERS / 3, "{}", tally.compared);
    tally.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_city_answers_as_the_whole_does_somebody_who_sees_that_part() {
    let made = demo_city();
    compared(&made, async || Store::memory(made.meta.clone()), 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn and_so_it_does_when_it_is_all_that_was_read_of_a_database() {
    let (mut made, database) = (demo_city(), Database::new());
    made.claim_outlines();
    let url = database.url();
    compared(&made, async || Store::create(Path::new(&url), &made.meta).await.unwrap(), 8).await;
}

/// Rows and borders that change elsewhere come into a part, and leave it.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_follows_what_others_commit() {
    let (made, database) = (demo_city(), Database::new());
    let url = database.url();
    let writer = made.fill(Store::create(Path::new(&url), &made.meta).await.unwrap(), None).await;
    let territory = &made.territories[NOW];
    let community = territory.regions.iter().find(|region| !region.grids.is_empty() && region.grids.len() < 9).unwrap();
    let scope = Scope::within([community.code.clone()]);
    let opened = Store::open(Path::new(&url), Access::Serve).await.unwrap();
    let (app, part) = part(opened, &scope).await.unwrap();
    tokio::spawn(Arc::clone(&app).follow());
    let (whole_app, whole) = served(Store::open(Path::new(&url), Access::Serve).await.unwrap()).await;
    tokio::spawn(Arc::clone(&whole_app).follow());

    let inside =
        |at: LatticePoint| territory.leaf_at(at).and_then(|unit| unit.grid()).is_some_and(|ix| community.grids.contains(&ix.0));
    let all: Vec<FacilityId> = (1..=made.facilities.len() as i64).map(FacilityId).collect();
    let mut stored = writer.facilities_by_ids(&all).await.unwrap();
    let (ins, outs): (Vec<usize>, Vec<usize>) = (0..stored.len()).partition(|at| inside(stored[*at].at));
    assert!(ins.len() > 5 && outs.len() > 5);
    let before = app.published.load().facilities.len();
    assert_eq!(before, ins.len());
    // Three come in, one leaves, one that is in changes.
    let (home, away) = (stored[ins[0]].clone(), stored[outs[0]].clone());
    let mut rows = Vec::new();
    for at in outs.iter().take(3) {
        (stored[*at].at, stored[*at].grid) = (home.at, home.grid.clone());
        rows.push(stored[*at].clone());
    }
    (stored[ins[1]].at, stored[ins[1]].grid) = (away.at, away.grid.clone());
    stored[ins[2]].name = "新名".to_owned();
    rows.extend([stored[ins[1]].clone(), stored[ins[2]].clone()]);
    let head = CommitHead::new("test", city::now());
    let committed = writer.facilities_commit(FacilityCommit { head, rows, removed: vec![], import: None }).await.unwrap();
    for app in [&app, &whole_app] {
        assert!(app.applier.reached(committed.revision, Duration::from_secs(30)).await);
    }
    assert_eq!(app.published.load().facilities.len(), before + 2);
    let made_again = demo_city();
    let actor = Actor { scope: scope.clone(), ..Actor::local() };
    let mut tally = Tally::default();
    alike(&mut tally, &made_again, &actor, (&whole, &part), (21, 400)).await;

    // The community gives a grid away, and takes one of a neighbour.
    let mut next = made.sets[NOW].clone();
    let theirs = next.grids.iter().position(|grid| !grid.code.as_str().starts_with(community.code.as_str())).unwrap();
    let ours = next.grids.iter().position(|grid| grid.code.as_str().starts_with(community.code.as_str())).unwrap();
    let area = next.grids[theirs].area.clone();
    next.grids[theirs].area = std::mem::replace(&mut next.grids[ours].area, area);
    let redrawn = Territory::build(Epoch(3), &next).unwrap();
    let moved = stored.iter().filter_map(|row| {
        let grid = redrawn.grid_at(row.at).map(|ix| redrawn.grid(ix).code.clone());
        (grid != row.grid).then_some((row.id, grid))
    });
    let commit = BoundaryCommit { facility_grids: moved.collect(), ..BoundaryCommit::new(Epoch(2), next, "test", city::now()) };
    assert!(commit.facility_grids.len() > 5);
    writer.boundaries_commit(commit).await.unwrap();
    let revision = writer.revision().await.unwrap();
    for app in [&app, &whole_app] {
        assert!(app.applier.reached(revision, Duration::from_secs(30)).await);
    }
    alike(&mut tally, &made_again, &actor, (&whole, &part), (22, 400)).await;
    assert!(tally.found.is_empty(), "{:?}", tally.found);
}

/// What would have to know the whole city is refused, with the reason; what stands elsewhere is not there.
#[tokio::test]
async fn a_part_takes_writes_of_its_own_and_no_imports() {
    let (scope, folder) = (Scope::within([city::code(city::GRID_1)]), tempfile::tempdir().unwrap());
    let (app, router) = part(city::store().await, &scope).await.unwrap();
    let meta = get(&router, "/api/v1/meta").await.ok();
    assert_eq!((&meta["root"], &meta["root_grids"], &meta["counts"]["grids"]), (&json!([]), &json!([city::GRID_1]), &json!(1)));
    get(&router, &format!("/api/v1/grids/{}", city::GRID_2)).await.problem(404, "unknown_code");
    let import = post(&router, "/api/v1/imports?kind=facilities&crs=wgs84", "application/json", "{}").await;
    let refused = import.problem(403, "denied");
    assert!(refused["detail"].as_str().unwrap().contains("this server has a part of the city"), "{refused}");
    assert!(app.here(&Arc::new(Actor::local())).rights.has(Right::Metrics));
    let body =
        |x: f64| json!({ "position": [122.1 + x, 30.005], "crs": "cgcs2000", "category": "01050", "name": "新" }).to_string();
    assert_eq!(post(&router, "/api/v1/facilities", "application/json", body(0.005)).await.status, 201);
    let outside = post(&router, "/api/v1/facilities", "application/json", body(0.025)).await;
    assert!(outside.status.is_client_error() && outside.text().contains("outside the part of the city"), "{}", outside.text());
    let text = "within = ['330902']\n[[source]]\nid = 'lamps'\nkind = 'facilities'\nfolder = '.'\n";
    std::fs::write(folder.path().join("wangge.toml"), text).unwrap();
    let config = Config::read(&folder.path().join("wangge.toml")).unwrap();
    let both = App::open(city::store().await, config, Clock::fixed(city::now())).await;
    assert!(both.err().unwrap().to_string().contains("[[source]]"));
    // Of what no boundaries know there is no part.
    let unknown = part(city::store().await, &Scope::within([city::code("990000")])).await;
    assert!(unknown.err().unwrap().to_string().contains("990000"));
}
