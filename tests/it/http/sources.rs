//! Tables and folders of others come in by themselves, and boundaries go out into databases of others.

use super::city::{self, GRID_1, GRID_2, GRID_3};
use super::{Answer, get, post, send};
use crate::postgres::Database;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wangge::app::App;
use wangge::app::sources::{Outcome, Wish};
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::facility::{FacilityRecord, FacilityState};
use wangge::store::{Access, Store};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with sources and sinks.
struct Server {
    app: Arc<App>,
    router: Router,
    folder: tempfile::TempDir,
}

impl Server {
    async fn with(settings: &str) -> Self {
        Self::over(city::store().await, settings).await
    }

    async fn over(store: Store, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wangge.toml");
        std::fs::write(&path, settings).unwrap();
        let config = Config { data: folder.path().join("uploads.gpkg"), ..Config::read(&path).unwrap() };
        let app = Arc::new(App::open(store, config, Clock::fixed(city::now())).await.unwrap());
        let router = wangge::http::router(Arc::clone(&app));
        Self { app, router, folder }
    }

    async fn run(&self, source: &str) -> Answer {
        post(&self.router, &format!("/api/v1/sources/{source}"), "application/json", Vec::new()).await
    }

    /// Has a source looked at, and waits until its import is over: its last import, which has to be in.
    async fn brought(&self, source: &str) -> Value {
        let import = self.ended(source).await;
        assert_eq!(import["status"], "imported", "{import:#}");
        import
    }

    /// The same, however it ends.
    async fn ended(&self, source: &str) -> Value {
        let answer = self.run(source).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let told = answer.json();
        assert_eq!(told["outcome"], "started");
        let place = answer.headers["location"].to_str().unwrap().to_owned();
        assert_eq!(place, format!("/api/v1/imports/{}", told["import"]["id"]));
        let id = source.split('/').next().unwrap();
        until("it is over", async || self.source(id).await["running"] == false).await;
        let mut import = get(&self.router, &place).await.ok();
        // A trial is not waited for by the source.
        while ["queued", "running"].contains(&import["state"].as_str().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            import = get(&self.router, &place).await.ok();
        }
        import
    }

    async fn unchanged(&self, source: &str) {
        let answer = self.run(source).await;
        assert_eq!(answer.ok()["outcome"], "unchanged");
    }

    /// Has a source looked at as if its time had come.
    async fn looked_at(&self, id: &str) -> Outcome {
        let states = self.app.store.source_states().await.unwrap();
        let mut state = states.into_iter().find(|(source, _)| source == id).unwrap().1;
        state["checked_at"] = Value::Null;
        self.app.store.source_note(id, state).await.unwrap();
        self.app.source_run(&Arc::new(wangge::app::Actor::local()), id, Wish::default()).await.unwrap()
    }

    async fn source(&self, id: &str) -> Value {
        let all = get(&self.router, "/api/v1/sources").await.ok();
        all["items"].as_array().unwrap().iter().find(|source| source["id"] == id).unwrap().clone()
    }

    async fn sink(&self) -> Value {
        get(&self.router, "/api/v1/sinks").await.ok()["items"][0].clone()
    }

    async fn imports(&self) -> u64 {
        get(&self.router, "/api/v1/imports").await.ok()["number_matched"].as_u64().unwrap()
    }

    async fn revision(&self) -> u64 {
        self.app.store.revision().await.unwrap().0
    }

    async fn facility(&self, system: &str, id: &str) -> Option<FacilityRecord> {
        self.app.store.facilities_by_external(system, id).await.unwrap().pop()
    }

    /// What is wrong, as the list of sources tells it after a look.
    async fn problem(&self, id: &str) -> String {
        let refused = self.run(&format!("{id}/run")).await;
        let detail = refused.problem(502, "upstream_failed")["detail"].as_str().unwrap().to_owned();
        let told = self.source(id).await["problem"].as_str().unwrap().to_owned();
        assert!(detail.ends_with(&told), "{detail} / {told}");
        told
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ten lamps of another office, in a plane; five in the first grid, three in the second, two in the third.
fn lamps() -> Database {
    let database = Database::new();
    database.sql(
        "CREATE SCHEMA assets;
         CREATE TABLE assets.lamps (gid bigint PRIMARY KEY, kind text, label text, height numeric, put_up date, geom geometry(Point, 4549), name text);
         INSERT INTO assets.lamps SELECT n, '01037', 'lamp ' || n, n + 0.5, '2026-01-02', ST_Transform(ST_SetSRID(
           CASE WHEN n <= 5 THEN ST_MakePoint(122.1 + n * 0.001, 30.005) WHEN n <= 8 THEN ST_MakePoint(122.1 + n * 0.001, 30.015)
             ELSE ST_MakePoint(122.115, 30.01 + n * 0.0008) END, 4490), 4549) FROM generate_series(1, 10) n",
    );
    database
}

fn source(id: &str, database: &Database, rest: &str) -> String {
    format!(
        "[[source]]\nid = \"{id}\"\nkind = \"facilities\"\ndatabase = \"{}\"\nkey = \"gid\"\nmap = [\"category=kind\", \"name=label\"]\n{rest}\n",
        database.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_comes_in_and_what_changes_in_it_follows() {
    let database = lamps();
    let server = Server::with(&source("lamps", &database, "table = \"assets.lamps\"")).await;
    let before = server.source("lamps").await;
    assert_eq!((&before["age_s"], &before["rows"], &before["checked_at"]), (&Value::Null, &Value::Null, &Value::Null));
    assert!(before["place"].as_str().unwrap().ends_with("assets.lamps"), "{before}");
    let import = server.brought("lamps/run").await;
    assert_eq!((&import["report"]["new"], &import["report"]["crs"]), (&json!(10), &json!("epsg:4549")), "{import:#}");
    assert_eq!((&import["files"], &import["kind"]), (&json!("assets.lamps.geojson"), &json!("facilities")));
    for (id, grid) in [("1", GRID_1), ("5", GRID_1), ("6", GRID_2), ("9", GRID_3)] {
        let lamp = server.facility("lamps", id).await.unwrap();
        assert_eq!(lamp.grid.as_ref().unwrap().as_str(), grid, "{lamp:?}");
        assert_eq!((lamp.name.as_str(), lamp.category.as_str()), (format!("lamp {id}").as_str(), "01037"));
    }
    let first = server.facility("lamps", "1").await.unwrap();
    assert_eq!(first.at, city::at(0.1, 0.5), "to the last digit");
    assert_eq!((&first.properties["height"], &first.properties["put_up"]), (&json!(1.5), &json!("2026-01-02")));
    let known = server.source("lamps").await;
    assert_eq!(
        (&known["rows"], &known["age_s"], &known["problem"], &known["held"]),
        (&json!(10), &json!(0), &Value::Null, &Value::Null)
    );
    assert_eq!(known["import"], import["id"]);
    // The same again, in another order on the disk, is no import.
    database.sql("UPDATE assets.lamps SET label = label WHERE gid < 5");
    let (imports, revision) = (server.imports().await, server.revision().await);
    server.unchanged("lamps/run").await;
    assert_eq!((server.imports().await, server.revision().await), (imports, revision));
    // One moves over the border, one is new.
    database.sql(
        "UPDATE assets.lamps SET geom = ST_Transform(ST_SetSRID(ST_MakePoint(122.101, 30.015), 4490), 4549) WHERE gid = 1;
         INSERT INTO assets.lamps SELECT 11, kind, 'lamp 11', height, put_up, geom FROM assets.lamps WHERE gid = 2",
    );
    let dry = server.ended("lamps/run?dry_run=true").await;
    assert_eq!((&dry["status"], &dry["report"]["changed"]), (&json!("dry_run"), &json!(1)), "{dry:#}");
    let import = server.brought("lamps/run").await;
    assert_eq!(
        (&import["report"]["new"], &import["report"]["changed"], &import["report"]["same"]),
        (&json!(1), &json!(1), &json!(9))
    );
    assert_eq!(server.facility("lamps", "1").await.unwrap().grid.unwrap().as_str(), GRID_2);
    // It is an import like any other.
    let undone = post(&server.router, &format!("/api/v1/imports/{}/undo", import["id"]), "application/json", Vec::new()).await;
    assert_eq!(undone.ok()["restored"], 1);
    assert_eq!(server.facility("lamps", "1").await.unwrap().grid.unwrap().as_str(), GRID_1);
    // Nobody brings in by itself what a person took back; but it is said that the city lacks it.
    let looked = server.looked_at("lamps").await;
    assert!(matches!(&looked, Outcome::Problem(why) if why.contains("was taken back")), "{looked:?}");
    assert_eq!(get(&server.router, "/readyz").await.ok()["sources"], json!(["lamps"]));
    assert_eq!(server.facility("lamps", "1").await.unwrap().grid.unwrap().as_str(), GRID_1);
    assert_eq!(server.brought("lamps/run").await["report"]["changed"], 1);
    assert_eq!(server.facility("lamps", "1").await.unwrap().grid.unwrap().as_str(), GRID_2);
    assert_eq!(server.source("lamps").await["problem"], Value::Null);
    // Nor is it said when the source itself went back to what the city says.
    database.sql("UPDATE assets.lamps SET label = 'wrong' WHERE gid = 3");
    let wrong = server.brought("lamps/run").await;
    post(&server.router, &format!("/api/v1/imports/{}/undo", wrong["id"]), "application/json", Vec::new()).await.ok();
    database.sql("UPDATE assets.lamps SET label = 'lamp 3' WHERE gid = 3");
    assert_eq!(server.ended("lamps/run").await["status"], "unchanged");
    assert_eq!(server.looked_at("lamps").await, Outcome::Unchanged);
    assert_eq!(server.source("lamps").await["problem"], Value::Null);
    let nobody = server.run("nothing/run").await.problem(404, "unknown_source");
    assert_eq!(nobody["allowed"], json!(["lamps"]));
    server.run("lamps/run?accept=everything").await.problem(400, "bad_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_loses_much_is_held_until_a_person_accepts_it_or_it_is_whole_again() {
    let database = lamps();
    let server = Server::with(&source("lossy", &database, "table = \"assets.lamps\"")).await;
    server.brought("lossy/run").await;
    let (imports, revision) = (server.imports().await, server.revision().await);
    database.sql("CREATE TABLE assets.lost AS SELECT * FROM assets.lamps WHERE gid > 7; DELETE FROM assets.lamps WHERE gid > 7");
    let held = server.run("lossy/run").await.problem(409, "held");
    assert_eq!((&held["rows_before"], &held["rows_now"], &held["lost"]), (&json!(10), &json!(7), &json!(3)));
    assert_eq!((server.imports().await, server.revision().await), (imports, revision), "nothing happens to the city");
    let told = server.source("lossy").await;
    assert_eq!(told["held"]["lost"], 3, "{told}");
    assert_eq!(get(&server.router, "/readyz").await.ok()["sources"], json!(["lossy"]));
    let metrics = get(&server.router, "/metrics").await.text();
    assert!(metrics.contains("wangge_source_held{source=\"lossy\"} 1"), "{metrics}");
    assert!(metrics.contains("wangge_source_age_seconds{source=\"lossy\"} 0"), "{metrics}");
    // With its rows back it goes on by itself.
    database.sql("INSERT INTO assets.lamps SELECT * FROM assets.lost");
    server.unchanged("lossy/run").await;
    assert_eq!(server.source("lossy").await["held"], Value::Null);
    assert_eq!(get(&server.router, "/readyz").await.ok()["sources"], json!([]));
    // A fifth may go, and from eight on one and no more.
    database.sql("DELETE FROM assets.lamps WHERE gid > 8");
    let import = server.ended("lossy/run").await;
    assert_eq!((&import["status"], &import["report"]["same"]), (&json!("unchanged"), &json!(8)));
    database.sql("DELETE FROM assets.lamps WHERE gid > 6");
    server.run("lossy/run").await.problem(409, "held");
    database.sql("UPDATE assets.lamps SET label = 'other' WHERE gid = 1");
    server.run("lossy/run").await.problem(409, "held");
    // Accepted is what was told: of what went since nobody knew.
    database.sql("CREATE TABLE assets.sixth AS SELECT * FROM assets.lamps WHERE gid = 6; DELETE FROM assets.lamps WHERE gid = 6");
    let held = server.run("lossy/run?accept=loss").await.problem(409, "held");
    assert_eq!((&held["rows_before"], &held["rows_now"]), (&json!(10), &json!(5)), "{held}");
    database.sql("INSERT INTO assets.lamps SELECT * FROM assets.sixth");
    let import = server.brought("lossy/run?accept=loss").await;
    assert_eq!((&import["report"]["changed"], &import["report"]["same"]), (&json!(1), &json!(5)));
    let told = server.source("lossy").await;
    assert_eq!((&told["held"], &told["rows"]), (&Value::Null, &json!(6)));
    // What the source has no more stays as it is, unless the settings say otherwise.
    assert_eq!(server.facility("lossy", "10").await.unwrap().state, FacilityState::Intact);
    // Nothing at all is never brought in, whatever is accepted.
    database.sql("DELETE FROM assets.lamps");
    let none = server.run("lossy/run?accept=loss").await.problem(502, "upstream_failed");
    assert!(none["detail"].as_str().unwrap().contains("no rows"), "{none}");
    assert_eq!(server.source("lossy").await["rows"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn facilities_that_a_source_has_no_more_are_removed_where_the_settings_say_so_and_come_back() {
    let database = lamps();
    let server = Server::with(&source("gone", &database, "table = \"assets.lamps\"\ngone = \"removed\"")).await;
    server.brought("gone/run").await;
    database.sql("CREATE TABLE assets.kept AS SELECT * FROM assets.lamps WHERE gid = 2; DELETE FROM assets.lamps WHERE gid = 2");
    let import = server.brought("gone/run").await;
    assert_eq!((&import["report"]["removed"], &import["report"]["same"]), (&json!(1), &json!(9)), "{import:#}");
    let lamp = server.facility("gone", "2").await.unwrap();
    assert_eq!((lamp.state, lamp.state_date.unwrap().to_string().as_str()), (FacilityState::Removed, "2026-11-21"));
    let others = server.app.published.load().facilities.len();
    assert_eq!(server.facility("gone", "3").await.unwrap().state, FacilityState::Intact);
    database.sql("INSERT INTO assets.lamps SELECT * FROM assets.kept");
    let import = server.brought("gone/run").await;
    assert_eq!(import["report"]["changed"], 1, "{import:#}");
    assert_eq!(server.facility("gone", "2").await.unwrap().state, FacilityState::Intact);
    assert_eq!(server.app.published.load().facilities.len(), others);
    // A row that cannot be taken is not one that is gone.
    database.sql("UPDATE assets.lamps SET kind = 'nothing' WHERE gid = 4");
    let import = server.ended("gone/run").await;
    assert_eq!(import["status"], "refused");
    assert_eq!(server.facility("gone", "4").await.unwrap().state, FacilityState::Intact);
    // As many rows with other names: what would be lost counts, not how many rows there are.
    database.sql("UPDATE assets.lamps SET kind = (SELECT kind FROM assets.lamps WHERE gid = 3) WHERE gid = 4");
    database.sql("UPDATE assets.lamps SET gid = gid + 100 WHERE gid <= 5");
    let import = server.ended("gone/run").await;
    assert_eq!(import["status"], "refused");
    let problem = server.source("gone").await["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("5 of 10 facilities of \"gone\" would be removed"), "{problem}");
    assert_eq!(server.facility("gone", "1").await.unwrap().state, FacilityState::Intact);
    assert_eq!(server.brought("gone/run?accept=loss").await["report"]["removed"], 5);
    assert_eq!(server.facility("gone", "1").await.unwrap().state, FacilityState::Removed);
    // Two of one system would take each other's.
    let two = ["one", "two"]
        .map(|id| source(id, &database, "table = \"assets.lamps\"\nsystem = \"assets\"\ngone = \"removed\""))
        .concat();
    std::fs::write(server.folder.path().join("two.toml"), two).unwrap();
    let config = Config::read(&server.folder.path().join("two.toml")).unwrap();
    let refused = App::open(city::store().await, config, Clock::fixed(city::now())).await.err().unwrap().to_string();
    assert!(refused.contains("one system"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_statements_are_read_and_geometries_of_any_kind() {
    let database = lamps();
    database.sql(
        "CREATE VIEW assets.bright AS SELECT gid, kind, label, geom::geometry AS geom, geom AS \"Second\" FROM assets.lamps WHERE height > 5;
         CREATE TABLE assets.\"Plain\" (gid text, kind text, label text, lon float8, lat float8, picture bytea);
         INSERT INTO assets.\"Plain\" VALUES ('a', '01037', E'甲\\t\"\\\\', 122.10000000000001, 30.005, 'x')",
    );
    let bright = source("bright", &database, "table = \"assets.bright\"\ngeometry = \"geom\"");
    // Through PgBouncer, which gives each transaction the connection that is free.
    let pooled = database.pooled_url().split("&prepared").next().unwrap().to_owned();
    let bright = bright.replace(&database.url(), &pooled);
    let some = source(
        "some",
        &database,
        "sql = \"\"\"SELECT gid, kind, label, ST_Transform(geom, 4490)::geography AS place FROM assets.lamps -- \\\"all\\\"\nWHERE gid <= 3;\"\"\"",
    );
    let plain = source("plain", &database, "table = \"assets.Plain\"\ncrs = \"cgcs2000\"");
    let regions = format!(
        "[[source]]\nid = \"zones\"\nkind = \"grids\"\ndatabase = \"{}\"\nset = \"police\"\nkey = \"code\"\nsql = \"SELECT 'P' || n AS code, \
         ST_MakeEnvelope(122.1 + n * 0.01, 30, 122.11 + n * 0.01, 30.02, 4490) AS geom FROM generate_series(0, 1) n\"\n",
        database.url()
    );
    // Tables without places: who works where, and how many live there.
    database.sql(&format!(
        "CREATE TABLE assets.people (nummer text, name text, post text, place text, tel text);
         INSERT INTO assets.people VALUES ('s-1', '王一', '网格员', '{GRID_1}', '13800000000');
         CREATE TABLE assets.counted (wg text, hs int, rk int); INSERT INTO assets.counted VALUES ('{GRID_2}', 321, 900)"
    ));
    let of = |kind: &str, rest: &str| {
        format!("[[source]]\nid = \"{kind}\"\nkind = \"{kind}\"\ndatabase = \"{}\"\n{rest}\n", database.url())
    };
    let staff =
        of("staff", "table = \"assets.people\"\nkey = \"nummer\"\nmap = [\"role=post\", \"assigned=place\", \"phone=tel\"]");
    let households = of("households", "table = \"assets.counted\"\nkey = \"wg\"\nmap = [\"households=hs\", \"population=rk\"]");
    let server = Server::with(&[bright, some, plain, regions, staff, households].concat()).await;
    assert_eq!(server.brought("staff/run").await["report"]["new"], 1);
    assert_eq!(server.brought("households/run").await["report"]["changed"], 1);
    let card = get(&server.router, &format!("/api/v1/grids/{GRID_2}")).await.ok();
    assert_eq!((&card["grid"]["households_counted"], &card["grid"]["population"]), (&json!(321), &json!(900)), "{card}");
    assert_eq!(server.brought("bright/run").await["report"]["new"], 6);
    let import = server.ended("some/run").await;
    // A geography has no other reference system than it says; EPSG:4490 is taken.
    assert_eq!(import["report"]["new"], 3, "{import:#}");
    assert_eq!(server.facility("some", "1").await.unwrap().at, city::at(0.1, 0.5));
    server.brought("plain/run").await;
    let lamp = server.facility("plain", "a").await.unwrap();
    assert_eq!((lamp.name.as_str(), lamp.grid.unwrap().as_str()), ("甲\t\"\\", GRID_1));
    assert!(!lamp.properties.contains_key("picture"));
    let zones = server.brought("zones/run").await;
    assert_eq!((&zones["report"]["new"], &zones["kind"]), (&json!(2), &json!("grids")), "{zones:#}");
    let card = get(&server.router, "/api/v1/grids/P1?set=police").await.ok();
    assert_eq!(card["grid"]["code"], "P1", "{card}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_its_place_and_without_a_password() {
    let database = lamps();
    database.sql(
        "CREATE ROLE stranger LOGIN PASSWORD 'geheim'; CREATE TABLE assets.empty (LIKE assets.lamps);
         CREATE TABLE assets.two AS SELECT *, geom AS other FROM assets.lamps;
         CREATE TABLE assets.mixed (gid int, kind text, label text, geom geometry); INSERT INTO assets.mixed VALUES
         (1, '01037', 'a', ST_SetSRID(ST_MakePoint(122.1, 30), 4490)), (2, '01037', 'b', ST_SetSRID(ST_MakePoint(122.1, 30), 4326));
         CREATE TABLE assets.nowhere AS SELECT gid, kind, label, ST_SetSRID(geom, 0) AS geom FROM assets.lamps",
    );
    let socket = database.url().split("?host=").nth(1).unwrap().to_owned();
    let name = database.conninfo().rsplit('=').next().unwrap().to_owned();
    let as_stranger = format!("postgres://stranger:geheim@localhost/{name}?host={socket}");
    let nobody_there = "postgres://w:geheim@127.0.0.1:1/assets".to_owned();
    let own = database.url();
    let all: Vec<(&str, &str, &str, &str)> = vec![
        ("missing", &own, "table = \"assets.nothing\"", "assets.nothing: relation \"assets.nothing\" does not exist"),
        ("denied", &as_stranger, "table = \"assets.lamps\"", "permission denied"),
        ("away", &nobody_there, "table = \"assets.lamps\"", "postgres://127.0.0.1:1/assets"),
        ("empty", &own, "table = \"assets.empty\"", "no rows"),
        ("two", &own, "table = \"assets.two\"", "say geometry = one of geom, other"),
        ("shape", &own, "table = \"assets.lamps\"\ngeometry = \"label\"", "no column of geometries"),
        ("mixed", &own, "table = \"assets.mixed\"", "EPSG:4490 and EPSG:4326"),
        ("wrong", &own, "sql = \"SELECT gid FROM assets.lamps WHERE\"", "sql: syntax error"),
        ("writes", &own, "sql = \"DELETE FROM assets.lamps RETURNING *\"", "sql: "),
        ("both", &own, "sql = \"SELECT 1 AS gid) AS x; DELETE FROM assets.lamps; --\"", "sql: "),
    ];
    let settings: String = all
        .iter()
        .map(|(id, url, rest, _)| {
            format!("[[source]]\nid = \"{id}\"\nkind = \"facilities\"\ndatabase = \"{url}\"\nkey = \"gid\"\nmap = [\"category=kind\"]\n{rest}\n")
        })
        .collect();
    let keyless = source("keyless", &database, "table = \"assets.lamps\"").replace("\"gid\"", "\"nummer\"");
    let against = source("against", &database, "table = \"assets.lamps\"\ncrs = \"wgs84\"");
    let nowhere = source("nowhere", &database, "table = \"assets.nowhere\"");
    let server = Server::with(&[settings, keyless, against, nowhere].concat()).await;
    let revision = server.revision().await;
    for (id, _, _, why) in all {
        let told = server.problem(id).await;
        assert!(told.contains(why) && !told.contains("geheim"), "{id}: {told}");
    }
    let told = server.problem("keyless").await;
    assert!(told.contains("\"nummer\"") && told.contains("gid, kind, label"), "{told}");
    // What is wrong with the rows is told by the report of their import.
    for (id, why) in [("against", "--crs says wgs84, the file states epsg:4549"), ("nowhere", "no CRS")] {
        let import = server.ended(&format!("{id}/run")).await;
        assert_eq!(import["status"], "refused", "{import:#}");
        let told = server.source(id).await["problem"].as_str().unwrap().to_owned();
        assert!(told.contains(why), "{id}: {told}");
    }
    assert_eq!((server.revision().await, database.sql("SELECT count(*) FROM assets.lamps")), (revision, "10\n".to_owned()));
    let all = get(&server.router, "/api/v1/sources").await.text();
    assert!(!all.contains("geheim") && all.contains("postgres://127.0.0.1:1/assets"), "{all}");
    // Those who start a server hear of settings that make no sense before it runs.
    for (rest, why) in [
        ("table = \"a\"\ngone = \"removed\"\nmap = []", "gone"),
        ("table = \"a\"\nset = \"police\"", "set, within"),
        ("table = \"a\"\naccept = [\"anything\"]", "anything"),
    ] {
        let text = source("bad", &database, rest)
            .replace("map = [\"category=kind\", \"name=label\"]\n", "")
            .replace("key = \"gid\"\n", "");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wangge.toml");
        std::fs::write(&path, text).unwrap();
        let config = Config { data: folder.path().join("a.gpkg"), ..Config::read(&path).unwrap() };
        let Err(refused) = App::open(city::store().await, config, Clock::fixed(city::now())).await else { panic!("{rest}") };
        assert!(refused.to_string().contains(why) && refused.to_string().contains("\"bad\""), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lets_a_source_go_on_is_in_the_audit_and_needs_the_right_to_import() {
    let database = lamps();
    let server = Server::with(&format!("{}[access]\n", source("audited", &database, "table = \"assets.lamps\""))).await;
    let local = format!("Bearer {}", server.app.access().unwrap().local().text());
    let body = json!({ "name": "desk", "roles": ["operator"] }).to_string();
    let ask = async |method: &str, uri: &str, bearer: &str, body: String| {
        let request = Request::builder().method(method).uri(uri).header("host", "localhost").header("authorization", bearer);
        send(&server.router, request.header("content-type", "application/json").body(Body::from(body)).unwrap()).await
    };
    let made = ask("POST", "/api/v1/tokens", &local, body).await;
    let desk = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    for (method, uri) in [("GET", "/api/v1/sources"), ("POST", "/api/v1/sources/audited/run"), ("GET", "/api/v1/sinks")] {
        ask(method, uri, &desk, String::new()).await.problem(403, "denied");
    }
    let run = async |more: &str| {
        let answer = ask("POST", &format!("/api/v1/sources/audited/run{more}"), &local, String::new()).await;
        until("it is over", async || {
            let all = ask("GET", "/api/v1/sources", &local, String::new()).await.ok();
            all["items"][0]["running"] == false
        })
        .await;
        answer
    };
    assert_eq!(run("").await.status, 202);
    database.sql("DELETE FROM assets.lamps WHERE gid > 2");
    run("").await.problem(409, "held");
    assert_eq!(run("?accept=loss").await.status, 202);
    let rows = server.app.store.audit_after(0, 1000).await.unwrap();
    let told =
        rows.iter().filter(|row| row.deed.object == "source audited").map(|row| row.deed.detail.clone()).collect::<Vec<_>>();
    let wanted = [(10, Value::Null, false), (2, json!(10), true)];
    assert_eq!(
        told,
        wanted.map(|(rows, before, accepted)| json!({ "rows": rows, "rows_before": before, "loss_accepted": accepted }))
    );
    assert!(!serde_json::to_string(&told).unwrap().contains("postgres"));
}

fn csv(rows: std::ops::Range<u32>) -> String {
    let row = |n: u32| format!("{n},01037,lamp {n},{},30.005\n", 122.1 + f64::from(n % 9) * 0.001 + 0.0005);
    std::iter::once("id,category,name,lon,lat\n".to_owned()).chain(rows.map(row)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_read_when_nobody_writes_in_it_any_more() {
    let drop = tempfile::tempdir().unwrap();
    let settings = format!(
        "[[source]]\nid = \"drop\"\nkind = \"facilities\"\nfolder = \"{}\"\npattern = \"*.csv\"\ncrs = \"cgcs2000\"\n",
        drop.path().display()
    );
    let server = Server::with(&settings).await;
    assert!(server.problem("drop").await.contains("no file like *.csv"));
    let put = |name: &str, text: String| std::fs::write(drop.path().join(name), text).unwrap();
    put("a.csv", csv(0..5));
    put("b.csv", csv(5..10));
    put("c.csv.part", csv(10..20));
    put("~d.csv", csv(20..30));
    put("e.txt", "nothing".to_owned());
    let import = server.brought("drop/run").await;
    assert_eq!((&import["report"]["new"], &import["files"]), (&json!(10), &json!("a.csv, b.csv")), "{import:#}");
    server.unchanged("drop/run").await;
    // Written anew with the same contents.
    put("a.csv", csv(0..5));
    let imports = server.imports().await;
    server.unchanged("drop/run").await;
    assert_eq!(server.imports().await, imports);
    // One that grows is waited for.
    let growing = drop.path().join("c.csv");
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    let writer = tokio::spawn({
        let growing = growing.clone();
        async move {
            let mut end = end;
            for n in 11.. {
                std::fs::write(&growing, csv(10..n)).unwrap();
                if tokio::time::timeout(Duration::from_millis(100), &mut end).await.is_ok() {
                    return n;
                }
            }
            unreachable!("it is ended")
        }
    });
    until("the first of it is there", async || growing.exists()).await;
    assert!(server.problem("drop").await.contains("c.csv is still being written"));
    ended.send(()).unwrap();
    let rows = writer.await.unwrap() - 10;
    let import = server.brought("drop/run").await;
    assert_eq!((&import["report"]["new"], &import["report"]["same"]), (&json!(rows), &json!(10)), "{import:#}");
    // A file that is gone took its rows along.
    std::fs::remove_file(&growing).unwrap();
    std::fs::remove_file(drop.path().join("a.csv")).unwrap();
    server.run("drop/run").await.problem(409, "held");
    std::fs::remove_file(drop.path().join("b.csv")).unwrap();
    assert!(server.problem("drop").await.contains("no file like"));
    let left: Vec<_> = std::fs::read_dir(server.app.config.uploads()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("report-")), "{left:?}");
    assert!(server.folder.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_over_one_city_one_brings_a_source_in() {
    let (database, lamps) = (Database::new(), lamps());
    city::filled(Store::create(&PathBuf::from(database.url()), &city::meta()).await.unwrap()).await.close().await.unwrap();
    let settings = source("shared", &lamps, "table = \"assets.lamps\"");
    let mut servers = Vec::new();
    for url in [database.url(), database.pooled_url()] {
        let server = Server::over(Store::open(&PathBuf::from(url), Access::Serve).await.unwrap(), &settings).await;
        tokio::spawn(Arc::clone(&server.app).follow());
        servers.push(server);
    }
    for server in &servers {
        tokio::spawn(Arc::clone(&server.app).keep_sources());
    }
    for server in &servers {
        until("all know that it is in", async || server.source("shared").await["rows"] == 10).await;
        until("all have it", async || server.app.published.load().revision == server.app.store.revision().await.unwrap()).await;
        assert_eq!(server.facility("shared", "7").await.unwrap().grid.unwrap().as_str(), GRID_2);
        assert_eq!(server.source("shared").await["problem"], Value::Null);
    }
    assert_eq!(database.sql("SELECT count(*) FROM wangge.imports"), "1\n");
    assert_eq!(database.sql("SELECT actor FROM wangge.imports"), "source:shared\n");
    // While one has it, the other does not look; when that one is gone, it does.
    database.sql("UPDATE wangge.sources SET taken_by = (SELECT min(id) FROM wangge.servers)");
    let taken = async |server: &Server| server.run("shared/run").await.status.as_u16();
    let answers = [taken(&servers[0]).await, {
        database.sql("UPDATE wangge.sources SET taken_by = (SELECT min(id) FROM wangge.servers)");
        taken(&servers[1]).await
    }];
    assert!(answers == [200, 503] || answers == [503, 200], "{answers:?}");
    database.sql("UPDATE wangge.sources SET taken_by = 'gone'");
    assert_eq!([taken(&servers[0]).await, taken(&servers[1]).await], [200, 200]);
}

/// The pond becomes a grid.
const POND: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"330902001002002","name":"新网格"},
    "geometry":{"type":"Polygon","coordinates":[[[122.11,30],[122.12,30],[122.12,30.01],[122.11,30.01],[122.11,30]]]}}]}"#;

async fn publish(server: &Server, text: &str) {
    let uri = "/api/v1/imports?kind=grids&crs=cgcs2000&file=pond.geojson";
    let taken = post(&server.router, uri, "application/octet-stream", text.as_bytes().to_vec()).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    let one = format!("/api/v1/imports/{}", taken.json()["id"]);
    until("an import ends", async || {
        !["queued", "running"].contains(&get(&server.router, &one).await.ok()["state"].as_str().unwrap())
    })
    .await;
    let import = get(&server.router, &one).await.ok();
    assert_eq!(import["status"], "imported", "{import:#}");
}

/// Every row of the foreign tables says what this server answers.
async fn equals_ours(server: &Server, foreign: &Database) {
    for (table, level) in [("regions", "level"), ("grids", "kind")] {
        let items = get(&server.router, &format!("/ogc/collections/{table}/items?limit=1000")).await.ok();
        let items = items["features"].as_array().unwrap();
        let count = foreign.sql(&format!("SELECT count(*) FROM wangge_out.{table} WHERE grid_set = 'governance'"));
        assert_eq!(count.trim().parse::<usize>().unwrap(), items.len());
        for item in items {
            let (said, code) = (&item["properties"], item["properties"]["code"].as_str().unwrap());
            let row =
                foreign.sql(&format!("SELECT name, {level}, epoch, ST_SRID(geom) FROM wangge_out.{table} WHERE code = '{code}'"));
            let [name, level] = ["name", level].map(|key| said[key].as_str().unwrap_or_default());
            let epoch = server.app.published.load().epoch();
            if item["geometry"].is_null() {
                assert!(row.starts_with(&format!("{name}|{level}|{epoch}|")), "{row}");
                continue;
            }
            assert_eq!(row, format!("{name}|{level}|{epoch}|4490\n"));
            let equal = foreign.sql(&format!(
                "SELECT ST_OrderingEquals(ST_Normalize(ST_Multi(ST_SetSRID(ST_GeomFromGeoJSON('{}'), 4490))), ST_Normalize(geom)) FROM \
                 wangge_out.{table} WHERE code = '{code}'",
                item["geometry"]
            ));
            assert_eq!(equal, "t\n", "{table} {code}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_publication_is_written_to_a_sink_as_it_is_answered() {
    let foreign = Database::new();
    let server = Server::with(&format!("[[sink]]\nid = \"gis\"\ndatabase = \"{}\"\n", foreign.url())).await;
    let before = server.sink().await;
    assert_eq!((&before["behind"], &before["epoch"]), (&json!(true), &Value::Null));
    tokio::spawn(Arc::clone(&server.app).keep_sinks());
    until("it is written", async || server.sink().await["behind"] == false).await;
    equals_ours(&server, &foreign).await;
    let crossing =
        "SELECT count(*) FROM wangge_out.grids a JOIN wangge_out.grids b ON a.code < b.code AND ST_Overlaps(a.geom, b.geom)";
    assert_eq!(foreign.sql(crossing), "0\n");
    let published = "SELECT city, epoch, revision FROM wangge_out.published";
    let (epoch, revision) = (server.app.published.load().epoch().0, server.revision().await);
    assert_eq!(foreign.sql(published), format!("普陀区网格|{epoch}|{revision}\n"));
    // What others made upon the tables stays.
    foreign.sql("CREATE VIEW public.ours AS SELECT code, name FROM wangge_out.grids; CREATE ROLE map_reader; GRANT SELECT ON wangge_out.grids TO map_reader");
    publish(&server, POND).await;
    let there = "SELECT count(*) FROM public.ours WHERE name = '新网格'";
    until("the new grid is there", async || tokio::task::block_in_place(|| foreign.sql(there)) == "1\n").await;
    until("it is noted", async || server.sink().await["epoch"] == server.app.published.load().epoch().0).await;
    equals_ours(&server, &foreign).await;
    assert_eq!(foreign.sql("SELECT has_table_privilege('map_reader', 'wangge_out.grids', 'SELECT')"), "t\n");
    let ogr = std::process::Command::new("ogrinfo")
        .args(["-ro", "-so", &format!("PG:{} schemas=wangge_out", foreign.conninfo()), "grids"])
        .output()
        .expect("the tests need Debian's package gdal-bin");
    let said = String::from_utf8_lossy(&ogr.stdout).into_owned();
    assert!(
        said.contains("Feature Count: 3") && said.contains("FID Column = fid") && said.contains("Multi Polygon"),
        "{said}{}",
        String::from_utf8_lossy(&ogr.stderr)
    );
    // What is there already is not written again.
    let written = foreign.sql("SELECT xmin FROM wangge_out.published");
    let again =
        Server::over(server.app.store.clone(), &format!("[[sink]]\nid = \"gis\"\ndatabase = \"{}\"\n", foreign.url())).await;
    tokio::spawn(Arc::clone(&again.app).keep_sinks());
    until("it is seen", async || again.sink().await["behind"] == false).await;
    assert_eq!(foreign.sql("SELECT xmin FROM wangge_out.published"), written);
    // Whoever writes elsewhere, or empties it, is noticed without a publication. What another city wrote (though it is called alike), or a later
    // revision, is not written over.
    for (said, told) in [("committed = committed + interval '1 s'", "another city"), ("revision = 1000000", "revision 1000000")] {
        foreign.sql(&format!("UPDATE wangge_out.published SET content = 'other', {said}"));
        let problem = async || server.sink().await["problem"].as_str().unwrap_or_default().to_owned();
        until("it is said", async || problem().await.contains(told)).await;
        assert_eq!(foreign.sql("SELECT content FROM wangge_out.published"), "other\n");
        assert_eq!(server.sink().await["behind"], true);
        foreign.sql("DELETE FROM wangge_out.published");
        until("it is written", async || server.sink().await["behind"] == false).await;
    }
    foreign.sql("CREATE SCHEMA theirs; CREATE TABLE theirs.grids AS SELECT * FROM wangge_out.grids");
    let settings = format!("[[sink]]\nid = \"theirs\"\ndatabase = \"{}\"\nschema = \"theirs\"\n", foreign.url());
    let other = Server::over(server.app.store.clone(), &settings).await;
    tokio::spawn(Arc::clone(&other.app).keep_sinks());
    until("it is said", async || other.sink().await["problem"].as_str().is_some_and(|why| why.contains("did not write"))).await;
    assert_eq!(foreign.sql("SELECT count(*) FROM theirs.grids"), "3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_fails_keeps_its_rows_and_is_written_when_it_can_be() {
    let foreign = Database::new();
    let other = Database::new();
    let name = foreign.conninfo().rsplit('=').next().unwrap().to_owned();
    let server = Server::with(&format!("[[sink]]\nid = \"failing\"\ndatabase = \"{}\"\nprefix = \"wg_\"\n", foreign.url())).await;
    other.sql(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    tokio::spawn(Arc::clone(&server.app).keep_sinks());
    let problem = async || server.sink().await["problem"].as_str().map(str::to_owned);
    until("it is told", async || problem().await.is_some_and(|why| why.contains("not currently accepting connections"))).await;
    assert_eq!(get(&server.router, "/readyz").await.ok()["sinks"], json!(["failing"]));
    let metrics = get(&server.router, "/metrics").await.text();
    assert!(metrics.contains("wangge_sink_behind{sink=\"failing\"} 1"), "{metrics}");
    other.sql(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    until("it is written", async || server.sink().await["behind"] == false).await;
    assert_eq!(get(&server.router, "/readyz").await.ok()["sinks"], json!([]));
    let rows = "SELECT string_agg(code, ' ' ORDER BY code) FROM wangge_out.wg_grids";
    let before = foreign.sql(rows);
    // In the middle of it: regions are written, a grid is not.
    foreign.sql(
        "ALTER TABLE wangge_out.wg_grids ADD CHECK (name <> '新网格'); DELETE FROM wangge_out.wg_regions WHERE level = 'county'",
    );
    let regions = foreign.sql("SELECT count(*) FROM wangge_out.wg_regions");
    publish(&server, POND).await;
    until("it is told", async || problem().await.is_some_and(|why| why.contains("wangge_out.wg_grids") && why.contains("check")))
        .await;
    assert_eq!((foreign.sql(rows), foreign.sql("SELECT count(*) FROM wangge_out.wg_regions")), (before.clone(), regions));
    foreign.sql("ALTER TABLE wangge_out.wg_grids DROP CONSTRAINT wg_grids_name_check");
    until("it is written", async || server.sink().await["behind"] == false).await;
    assert_eq!(foreign.sql(rows), before.replace(GRID_3, "330902001002002"), "the community was replaced whole");
    assert!(Path::new(server.folder.path()).exists());
}
