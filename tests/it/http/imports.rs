//! Imports into a running server: every kind while others write, taken back, hostile, in any number.

use super::city::{self, GRID_1, GRID_2, GRID_3, at};
use super::reload::{equals_scratch, seen};
use super::{Answer, get, post, send};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wangge::app::App;
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::facility::FacilityRecord;
use wangge::domain::id::{FacilityId, Version};
use wangge::store::{Access, Store};

const ALL: &str = "/api/v1/imports";

/// A running server over a store of its own, with a folder for its uploads.
struct Served {
    folder: tempfile::TempDir,
    app: Arc<App>,
    router: Router,
}

impl Served {
    async fn new(store: Store) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::within(folder, store).await
    }

    async fn within(folder: tempfile::TempDir, store: Store) -> Self {
        let config = Config { upload_limit_bytes: 1 << 20, ..Config::new(folder.path().join("city.gpkg")) };
        let app = Arc::new(App::open(store, config, Clock::fixed(city::now())).await.unwrap());
        let router = wangge::http::router(Arc::clone(&app));
        Self { folder, app, router }
    }

    /// The small city in a file.
    async fn in_a_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.gpkg");
        let store = Store::create(&path, &city::meta()).await.unwrap();
        Self::within(folder, city::filled(store).await).await
    }

    async fn send(&self, query: &str, name: &str, body: impl AsRef<[u8]>) -> Answer {
        let uri = format!("{ALL}?{query}&file={name}");
        post(&self.router, &uri, "application/octet-stream", body.as_ref().to_vec()).await
    }

    /// Sends a file and waits until its import is over.
    async fn import(&self, query: &str, name: &str, body: impl AsRef<[u8]>) -> Value {
        let answer = self.send(query, name, body).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let id = answer.json()["id"].as_i64().unwrap();
        assert_eq!(answer.headers["location"], format!("{ALL}/{id}"));
        self.end_of(id).await
    }

    async fn end_of(&self, id: i64) -> Value {
        loop {
            let import = get(&self.router, &format!("{ALL}/{id}")).await.ok();
            match import["state"].as_str().unwrap() {
                "queued" | "running" => tokio::time::sleep(Duration::from_millis(2)).await,
                _ => return import,
            }
        }
    }

    /// The same, and it has to be in.
    async fn imported(&self, query: &str, name: &str, body: impl AsRef<[u8]>) -> Value {
        let import = self.import(query, name, body).await;
        assert_eq!((&import["state"], &import["status"]), (&json!("done"), &json!("imported")), "{import:#}");
        import
    }

    async fn undo(&self, import: &Value) -> Answer {
        let request = Request::post(format!("{ALL}/{}/undo", import["id"])).header("host", "localhost");
        send(&self.router, request.body(Body::empty()).unwrap()).await
    }

    async fn create(&self, code: Option<&str>) -> Answer {
        let mut body = json!({ "position": [122.105, 30.005], "crs": "wgs84", "category": "01050" });
        body["code"] = code.map_or(Value::Null, Into::into);
        if code.is_none() {
            body.as_object_mut().unwrap().remove("code");
        }
        post(&self.router, "/api/v1/facilities", "application/json", body.to_string()).await
    }

    /// Files that are still there of uploads, complete reports aside.
    fn left(&self) -> Vec<String> {
        let Ok(listed) = std::fs::read_dir(self.app.config.uploads()) else { return Vec::new() };
        let names = listed.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with("report-")).collect()
    }
}

/// A table of facilities; every fourth is one that the city has.
fn facilities(rows: std::ops::Range<u32>, name: &str) -> String {
    let mut text = "code,category,name,lon,lat\n".to_owned();
    for n in rows {
        let place = at(f64::from(n % 31) / 12.0, f64::from(n % 17) / 9.0).lonlat();
        let code = if n % 4 == 0 { format!("33090201{:08}", n / 4) } else { format!("new-{n}") };
        text.push_str(&format!("{code},01050,{name}{n},{},{}\n", place.lon(), place.lat()));
    }
    text
}

fn cases(name: &str) -> String {
    let mut text = "id,category,state,reported_at,text,lon,lat,updated_at\n".to_owned();
    for n in 0..30 {
        let place = at(f64::from(n) / 12.0, f64::from(n) / 20.0).lonlat();
        let (lon, lat) = (place.lon(), place.lat());
        text.push_str(&format!(
            "K{n},06012,handling,2026-02-01T08:00:00+08:00,{name}{n},{lon},{lat},2026-02-0{}T08:00:00+08:00\n",
            name.len()
        ));
    }
    text
}

fn addresses(name: &str) -> String {
    let mut text = "id,address,poi,lon,lat\n".to_owned();
    for n in 0..30 + name.len() {
        let place = at(n as f64 / 40.0, n as f64 / 50.0).lonlat();
        text.push_str(&format!("a{n},定海区解放路{n}号,{name}{},{},{}\n", n / 2, place.lon(), place.lat()));
    }
    text
}

/// More addresses than are written at once, with the names of what stands there.
fn many_addresses(rows: std::ops::Range<u32>, name: &str) -> String {
    let mut text = "id,address,poi,lon,lat\n".to_owned();
    for n in rows {
        let place = at(f64::from(n % 31) / 12.0, f64::from(n % 17) / 9.0).lonlat();
        text.push_str(&format!("m{n},定海区文化路{n}号,{name},{},{}\n", place.lon(), place.lat()));
    }
    text
}

fn organizations(name: &str) -> String {
    let place = at(0.5, 0.5).lonlat();
    let (lon, lat) = (place.lon(), place.lat());
    let more = if name == "新" { format!("o3,mediation,多,{lon},{lat},\n") } else { String::new() };
    format!("id,category,name,lon,lat,within\no1,mediation,{name},{lon},{lat},\no2,party,支部,,,{GRID_1}\n{more}")
}

fn buildings(name: &str) -> String {
    let place = at(0.5, 0.5).lonlat();
    let more = if name == "新" { format!("h3,多,9,{},{},\n", place.lon(), place.lat()) } else { String::new() };
    format!("id,name,households,lon,lat,within\nh1,{name},30,{},{},\nh2,二,,,,{GRID_1}\n{more}", place.lon(), place.lat())
}

fn staff(name: &str) -> String {
    format!("id,name,role,assigned\ns1,{name},网格长,{GRID_1}\ns9,{name},网格员,{GRID_3}\n")
}

/// The first two grids, with the border between them at `y`.
fn grids(y: f64) -> String {
    let ring = |from: f64, to: f64| {
        let corner = |x: f64, y: f64| {
            let place = at(x, y).lonlat();
            json!([place.lon(), place.lat()])
        };
        json!([corner(0.0, from), corner(1.0, from), corner(1.0, to), corner(0.0, to), corner(0.0, from)])
    };
    let grid = |code: &str, ring: Value| {
        json!({ "type": "Feature", "properties": { "code": code, "name": format!("网格 {y}") },
            "geometry": { "type": "Polygon", "coordinates": [ring] } })
    };
    json!({ "type": "FeatureCollection", "features": [grid(GRID_1, ring(0.0, y)), grid(GRID_2, ring(y, 2.0))] }).to_string()
}

/// All that rows say, but for the versions that count their changes.
async fn content(store: &Store) -> String {
    let snapshot = store.snapshot(city::now()).await.unwrap();
    let ids: Vec<FacilityId> = snapshot.facilities.iter().map(|row| row.id).collect();
    let facilities: Vec<FacilityRecord> = store.facilities_by_ids(&ids).await.unwrap();
    let facilities: Vec<_> = facilities.into_iter().map(|row| FacilityRecord { version: Version(0), ..row }).collect();
    let keys: Vec<_> = store.case_keys().await.unwrap().into_iter().map(|key| key.id).collect();
    let mut cases = store.cases_by_ids(&keys).await.unwrap();
    cases.iter_mut().for_each(|case| case.version = Version(0));
    let set = snapshot.boundaries.unwrap();
    let keys: Vec<_> = store.address_keys().await.unwrap().into_iter().map(|key| key.id).collect();
    let mut addresses = store.addresses_by_ids(&keys).await.unwrap();
    addresses.iter_mut().for_each(|row| row.version = Version(0));
    let mut organizations = store.organizations().await.unwrap();
    organizations.iter_mut().for_each(|row| row.version = Version(0));
    let mut buildings = store.buildings().await.unwrap();
    buildings.iter_mut().for_each(|row| row.version = Version(0));
    format!(
        "{facilities:#?}{cases:#?}{addresses:#?}{organizations:#?}{buildings:#?}{:#?}{:#?}{:#?}{:#?}{:?}{:?}",
        store.staff().await.unwrap(),
        set.regions,
        set.grids,
        set.voids,
        set.scheme,
        snapshot.meta
    )
}

/// Facilities come and go beside an import until it is over; every write is answered.
async fn beside<T>(served: &Served, work: impl Future<Output = T>) -> T {
    let (app, router) = (Arc::clone(&served.app), served.router.clone());
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writer = tokio::spawn(async move {
        let mut written = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) || written < 3 {
            let body = json!({ "position": [122.105, 30.0099], "crs": "wgs84", "category": "01050" }).to_string();
            let made = post(&router, "/api/v1/facilities", "application/json", body).await;
            assert_eq!(made.status, 201, "{}", made.text());
            let id = made.json()["id"].clone();
            // Its own write is read, in the list and on the card, whatever goes on.
            let one = get(&router, &format!("/api/v1/facilities/{id}")).await.ok();
            // A publication in between may have put it into another grid.
            assert!(matches!(one["version"].as_u64(), Some(1 | 2)), "{one}");
            get(&router, "/api/v1/locate?lon=122.105&lat=30.005&crs=wgs84").await.ok();
            written += 1;
        }
        drop(app);
        written
    });
    let done = work.await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(writer.await.unwrap() >= 3);
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_in_while_others_write_and_the_city_equals_its_store() {
    for served in [Served::in_a_file().await, Served::new(city::store().await).await] {
        let before = seen(&served.app.published.load());
        let turns = [
            ("kind=facilities&crs=cgcs2000", "facilities.csv", facilities(0..120, "甲")),
            ("kind=cases&crs=cgcs2000&system=k", "cases.csv", cases("a")),
            ("kind=addresses&crs=cgcs2000&system=k", "a.csv", addresses("新的")),
            ("kind=organizations&crs=cgcs2000&system=k", "o.csv", organizations("新")),
            ("kind=buildings&crs=cgcs2000&system=k", "b.csv", buildings("新")),
            ("kind=staff", "staff.csv", staff("新")),
            ("kind=households", "counts.csv", format!("grid,households,population\n{GRID_1},11,\n{GRID_3},,22\n")),
            ("kind=grids&crs=cgcs2000", "grids.geojson", grids(0.45)),
            ("kind=facilities&crs=cgcs2000&codes=gbt47678", "facilities.csv", facilities(0..120, "乙")),
            ("kind=cases&crs=cgcs2000&system=k", "cases.csv", cases("bb")),
            ("kind=grids&crs=cgcs2000", "grids.geojson", grids(1.2)),
            // Beside the table in use, loaded anew.
            ("kind=facilities&crs=cgcs2000", "many.csv", facilities(0..3000, "丙")),
        ];
        for (query, name, body) in turns {
            let import = beside(&served, served.imported(query, name, body)).await;
            let revision = import["revision"].as_u64().unwrap();
            assert!(served.app.published.load().revision.0 >= revision, "it is seen when it is said to be done");
            assert_eq!(import["report"]["revision"], revision);
            equals_scratch(&served.app).await;
        }
        assert_ne!(seen(&served.app.published.load()), before);
        assert_eq!(served.left(), [""; 0]);
        let list = get(&served.router, &format!("{ALL}?limit=4")).await.ok();
        assert_eq!((list["number_matched"].as_u64(), list["items"].as_array().unwrap().len()), (Some(12), 4));
        assert_eq!(list["items"][0]["id"], 12, "the newest first");
        assert!(list["items"][0].get("report").is_none());
        let next = list["next"].as_str().unwrap().strip_prefix("http://localhost:8080").unwrap().to_owned();
        let next = get(&served.router, &next).await.ok();
        assert_eq!(next["items"][0]["id"], 8);
        // The same once more changes nothing.
        let again = served.import("kind=facilities&crs=cgcs2000", "many.csv", facilities(0..3000, "丙")).await;
        assert_eq!(again["status"], "unchanged", "{again:#}");
        assert_eq!(again["revision"], Value::Null);
        let faults = served.app.store.check().await.unwrap();
        assert!(faults.is_empty(), "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_leaves_what_was_there() {
    for served in [Served::in_a_file().await, Served::new(city::store().await).await] {
        // Something that other imports have written, so that there is more to restore than what was never imported.
        served.imported("kind=facilities&crs=cgcs2000", "first.csv", facilities(0..40, "初")).await;
        served.imported("kind=staff", "staff.csv", "id,name,role,assigned\ns2,旧,网格员,330902001001\n").await;
        served.imported("kind=addresses&crs=cgcs2000&system=k", "a.csv", addresses("旧")).await;
        served.imported("kind=addresses&crs=cgcs2000&system=k", "many.csv", many_addresses(0..2500, "旧")).await;
        served.imported("kind=organizations&crs=cgcs2000&system=k", "o.csv", organizations("旧")).await;
        served.imported("kind=buildings&crs=cgcs2000&system=k", "b.csv", buildings("旧")).await;
        let own =
            "name = \"own\"\nextends = \"gbt47678\"\ncategories = [{ kind = \"component\", code = \"01000\", name = \"一\" }]\n";
        for (query, name, body) in [
            ("kind=facilities&crs=cgcs2000", "facilities.csv", facilities(0..120, "甲")),
            ("kind=facilities&crs=cgcs2000", "many.csv", facilities(0..3000, "丙")),
            ("kind=cases&crs=cgcs2000&system=k", "cases.csv", cases("a")),
            ("kind=addresses&crs=cgcs2000&system=k", "a.csv", addresses("新的")),
            ("kind=addresses&crs=cgcs2000&system=k", "many.csv", many_addresses(0..5000, "新")),
            ("kind=organizations&crs=cgcs2000&system=k", "o.csv", organizations("新")),
            ("kind=buildings&crs=cgcs2000&system=k", "b.csv", buildings("新")),
            ("kind=staff", "staff.csv", staff("新")),
            ("kind=households", "counts.csv", format!("grid,households,population\n{GRID_1},11,\n{GRID_3},,22\n")),
            ("kind=grids&crs=cgcs2000", "grids.geojson", grids(0.45)),
        ] {
            let before = content(&served.app.store).await;
            let import = served.imported(query, name, body).await;
            assert_ne!(content(&served.app.store).await, before, "{query}");
            let asked = Request::post(format!("{ALL}/{}/undo?dry_run=true", import["id"])).header("host", "localhost");
            let asked = send(&served.router, asked.body(Body::empty()).unwrap()).await.ok();
            assert_eq!((&asked["dry_run"], &asked["revision"]), (&json!(true), &Value::Null));
            let undone = served.undo(&import).await.ok();
            assert_eq!(content(&served.app.store).await, before, "{query}");
            equals_scratch(&served.app).await;
            let known = get(&served.router, &format!("{ALL}/{}", import["id"])).await.ok();
            assert_eq!(known["undone"], undone["revision"]);
            served.undo(&import).await.problem(409, "cannot_undo");
        }
        // Settings that came along go with it.
        let before = content(&served.app.store).await;
        let import =
            served.with_profile("kind=facilities&crs=cgcs2000", own, "code,category,lon,lat\nx,01000,122.105,30.005\n").await;
        assert_eq!(import["report"]["settings"], json!(["--codes"]), "{import:#}");
        equals_scratch(&served.app).await;
        let categories = get(&served.router, "/api/v1/categories").await.text();
        assert!(categories.contains("\"01000\""), "{categories}");
        served.undo(&import).await.ok();
        assert_eq!(content(&served.app.store).await, before);
        equals_scratch(&served.app).await;
        assert!(served.app.store.check().await.unwrap().is_empty());
    }
}

impl Served {
    /// A file with a profile beside it.
    async fn with_profile(&self, query: &str, profile: &str, body: &str) -> Value {
        let body = form(&[("codes", "own.toml", profile.as_bytes()), ("file", "x.csv", body.as_bytes())]);
        let answer = post(&self.router, &format!("{ALL}?{query}"), FORM, body).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        self.end_of(answer.json()["id"].as_i64().unwrap()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_touched_since_is_not_taken_back() {
    let served = Served::in_a_file().await;
    let import = served.imported("kind=facilities&crs=cgcs2000", "a.csv", facilities(0..40, "甲")).await;
    let list = get(&served.router, "/api/v1/facilities?limit=1000").await.ok();
    let id_of = |name: &str| {
        let item = list["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap();
        item["id"].as_i64().unwrap()
    };
    let write = async |method: &str, id: i64, body: &str| {
        let request = Request::builder().method(method).uri(format!("/api/v1/facilities/{id}")).header("host", "localhost");
        let request = request.header("if-match", "*").header("content-type", "application/merge-patch+json");
        send(&served.router, request.body(Body::from(body.to_owned())).unwrap()).await.ok()
    };
    // One that it changed, one that it added, one that it added and that is gone.
    write("PATCH", id_of("甲4"), r#"{"name":"anders"}"#).await;
    write("PATCH", id_of("甲5"), r#"{"name":"anders"}"#).await;
    write("DELETE", id_of("甲6"), "").await;
    let before = content(&served.app.store).await;
    let problem = served.undo(&import).await.problem(409, "touched");
    assert_eq!(problem["touched"], 3, "{problem}");
    let rows: Vec<&str> = problem["rows"].as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
    for name in ["甲4", "甲5", "甲6"] {
        assert!(rows.iter().any(|row| row.starts_with(&format!("facility {} ", id_of(name)))), "{rows:?}");
    }
    assert_eq!(content(&served.app.store).await, before);
    // What came later on the same boundaries goes first.
    let one = served.imported("kind=grids&crs=cgcs2000", "g.geojson", grids(0.7)).await;
    let two = served.imported("kind=grids&crs=cgcs2000", "g.geojson", grids(0.4)).await;
    served.undo(&one).await.problem(409, "touched");
    served.undo(&two).await.ok();
    served.undo(&one).await.ok();
    equals_scratch(&served.app).await;
    served.undo(&json!({ "id": 99 })).await.problem(404, "unknown_id");
}

/// Few rows go another way than many.
#[tokio::test(flavor = "multi_thread")]
async fn imports_that_stand_on_each_other_are_taken_back_one_after_the_other() {
    for count in [20, 2500] {
        let served = Served::in_a_file().await;
        served.imported("kind=facilities&crs=cgcs2000", "a.csv", facilities(0..count, "甲")).await;
        let first = content(&served.app.store).await;
        let one = served.imported("kind=facilities&crs=cgcs2000", "b.csv", facilities(0..count + 10, "乙")).await;
        let second = content(&served.app.store).await;
        let two = served.imported("kind=facilities&crs=cgcs2000", "c.csv", facilities(0..count + 20, "丙")).await;
        let problem = served.undo(&one).await.problem(409, "touched");
        assert_eq!(problem["touched"], count + 10, "{problem}");
        served.undo(&two).await.ok();
        assert_eq!(content(&served.app.store).await, second);
        served.undo(&two).await.problem(409, "cannot_undo");
        served.undo(&one).await.ok();
        assert_eq!(content(&served.app.store).await, first);
        equals_scratch(&served.app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_organizations_that_a_later_import_wrote_are_not_taken_back() {
    for (query, one, two, what, changed) in [
        ("kind=addresses&crs=cgcs2000&system=k", addresses("甲"), addresses("乙"), "address", 33),
        // The bulk of them, of which the second import changes some.
        ("kind=addresses&crs=cgcs2000&system=k", many_addresses(0..3000, "甲"), many_addresses(0..2300, "乙"), "address", 2300),
        ("kind=organizations&crs=cgcs2000&system=k", organizations("甲"), organizations("乙"), "organization", 1),
    ] {
        for served in [Served::in_a_file().await, Served::new(city::store().await).await] {
            let empty = content(&served.app.store).await;
            let first = served.imported(query, "one.csv", one.clone()).await;
            let between = content(&served.app.store).await;
            let second = served.imported(query, "two.csv", two.clone()).await;
            let after = content(&served.app.store).await;
            let problem = served.undo(&first).await.problem(409, "touched");
            assert_eq!(problem["touched"], changed, "{what}: {problem}");
            let rows = problem["rows"].as_array().unwrap();
            assert_eq!(rows.len(), changed.min(20));
            assert!(rows.iter().all(|row| row.as_str().unwrap().starts_with(what)), "{rows:?}");
            assert_eq!(content(&served.app.store).await, after, "a refusal changes nothing");
            served.undo(&second).await.ok();
            assert_eq!(content(&served.app.store).await, between);
            served.undo(&first).await.ok();
            assert_eq!(content(&served.app.store).await, empty);
            equals_scratch(&served.app).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_given_away_meanwhile_is_given_once() {
    let served = Served::new(city::store().await).await;
    let table = facilities(0..3000, "甲");
    let (import, made) =
        tokio::join!(served.import("kind=facilities&crs=cgcs2000", "many.csv", &table), served.create(Some("new-1")));
    // Made before the import looked it is the same one; made while it ran the import is refused; after it nobody else gets the code.
    let imported = import["status"] == "imported";
    assert!(imported || import["status"] == "refused" && made.status == 201, "{import:#} {}", made.text());
    assert!(made.status == 201 || made.status == 409, "{}", made.text());
    let list = get(&served.router, "/api/v1/facilities?limit=10000").await.ok();
    let codes: Vec<_> = list["items"].as_array().unwrap().iter().filter(|item| item["code"] == "new-1").collect();
    assert_eq!(codes.len(), 1);
    equals_scratch(&served.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_dry_runs_and_interrupted_ones_are_kept_and_survive_the_server() {
    let served = Served::in_a_file().await;
    let dry = served.import("kind=facilities&crs=cgcs2000&dry_run=true", "a.csv", facilities(0..9, "甲")).await;
    assert_eq!(
        (&dry["status"], &dry["report"]["new"], &dry["revision"]),
        (&json!("dry_run"), &json!(6), &Value::Null),
        "{dry:#}"
    );
    let refused = served.import("kind=facilities&crs=cgcs2000", "b.csv", "category,lon,lat\n01050,122.105,x\n01050,y,30\n").await;
    assert_eq!(
        (&refused["status"], refused["report"]["faults"].as_array().unwrap().len()),
        (&json!("refused"), 2),
        "{refused:#}"
    );
    let no_crs = served.import("kind=facilities", "c.csv", facilities(0..9, "甲")).await;
    assert!(no_crs["report"]["faults"][0]["detail"].as_str().unwrap().contains("no CRS"), "{no_crs:#}");
    let many: String = (0..500).map(|_| "01050,122.105,x\n").collect();
    let many = served.import("kind=facilities&crs=cgcs2000", "d.csv", format!("category,lon,lat\n{many}")).await;
    assert_eq!((many["report"]["faults"].as_array().unwrap().len(), &many["report"]["faults_total"]), (200, &json!(500)));
    let whole = get(&served.router, &format!("{ALL}/{}/report", many["id"])).await.ok();
    assert_eq!(whole["faults"].as_array().unwrap().len(), 500, "the complete report has all of them");
    served.undo(&refused).await.problem(409, "cannot_undo");
    // The way out names the file as its sender does, not where it lies here.
    let kml = served.import("kind=facilities&crs=cgcs2000", "灯.kml", "<?xml version=\"1.0\"?>\n<kml xmlns=\"x\"></kml>").await;
    let why = kml["report"]["faults"][0]["detail"].as_str().unwrap();
    assert!(why.contains("ogr2ogr") && why.contains("灯.gpkg") && !why.contains('/'), "{why}");
    assert_eq!(served.app.store.revision().await.unwrap(), served.app.published.load().revision);
    // One that the server did not live to end.
    let record = wangge::store::ImportRecord {
        id: wangge::domain::id::ImportId(0),
        state: wangge::store::ImportState::Queued,
        report: Value::Null,
        ..served.app.store.import_report(wangge::domain::id::ImportId(1)).await.unwrap().unwrap()
    };
    let begun = served.app.store.import_begin(record, "local", None).await.unwrap();
    let Served { folder, app, router } = served;
    app.store.close().await.unwrap();
    drop((app, router));
    let store = Store::open(&folder.path().join("city.gpkg"), Access::Serve).await.unwrap();
    let served = Served::within(folder, store).await;
    let state = async |id: &Value| get(&served.router, &format!("{ALL}/{id}")).await.ok();
    assert_eq!(state(&dry["id"]).await, dry);
    assert_eq!(state(&refused["id"]).await, refused);
    let interrupted = state(&json!(begun.id.0)).await;
    assert_eq!((&interrupted["state"], &interrupted["report"]), (&json!("interrupted"), &Value::Null), "{interrupted:#}");
    get(&served.router, &format!("{ALL}/{}/report", begun.id)).await.problem(404, "not_found");
    let kept = get(&served.router, &format!("{ALL}/{}/report", many["id"])).await.ok();
    assert_eq!(kept["faults"].as_array().unwrap().len(), 200, "the complete one went with the server");
}

const FORM: &str = "multipart/form-data; boundary=B";

fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let head = format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\r\n");
        body.extend(head.into_bytes().into_iter().chain(bytes.iter().copied()).chain(*b"\r\n"));
    }
    body.extend(b"--B--\r\n");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_one_import_and_siblings_one_of_them() {
    let served = Served::new(city::store().await).await;
    let files =
        form(&[("file", "a.csv", facilities(1..4, "甲").as_bytes()), ("file", "目录/b.csv", facilities(5..8, "乙").as_bytes())]);
    let answer = post(&served.router, &format!("{ALL}?kind=facilities&crs=cgcs2000"), FORM, files).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let import = served.end_of(answer.json()["id"].as_i64().unwrap()).await;
    assert_eq!(
        (&import["status"], &import["files"], &import["report"]["new"]),
        (&json!("imported"), &json!("a.csv, b.csv"), &json!(6))
    );
    // GBK, as Excel saves it.
    let table = facilities(9..12, "");
    let (before, after) = table.split_once("01050,").unwrap();
    let gbk = [before.as_bytes(), b"01050,\xbc\xe0\xbf\xd8", after.as_bytes()].concat();
    let import = served.imported("kind=facilities&crs=cgcs2000", "gbk.csv", gbk).await;
    assert_eq!(import["report"]["new"], 3, "{import:#}");
    let named = get(&served.router, "/api/v1/search?q=监控9").await.text();
    assert!(named.contains("监控9"), "{named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_oldest_imports_kept_does_not_come_back_when_newer_ones_are_taken_back() {
    let served = Served::in_a_file().await;
    let import = async |rows, name| served.import("kind=facilities&crs=cgcs2000", "a.csv", facilities(rows, name)).await;
    import(0..9, "旧").await;
    let first = import(0..9, "新").await;
    assert_eq!(first["report"]["changed"], 9, "{first:#}");
    let mut last = Value::Null;
    for n in 1..=10 {
        last = import(100 * n..100 * n + 9, "别").await;
    }
    served.undo(&last).await.ok();
    let before = content(&served.app.store).await;
    // Its rows of before are gone: saying that it was taken back would lose them.
    served.undo(&first).await.problem(409, "cannot_undo");
    assert_eq!(content(&served.app.store).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_uploads_are_refused_and_leave_nothing() {
    let served = Served::in_a_file().await;
    let revision = served.app.published.load().revision;
    let address = format!("{ALL}?kind=facilities&crs=cgcs2000");
    let good = facilities(1..4, "甲");
    let request = |kind: &str, headers: &[(&str, &str)], body: Body| {
        let mut request = Request::post(&address).header("host", "localhost").header("content-type", kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).unwrap()
    };
    let octets = "application/octet-stream";
    let sent = async |kind: &str, headers: &[(&str, &str)], body: Body| send(&served.router, request(kind, headers, body)).await;
    // A connection that breaks off.
    let broken = |bytes: Vec<u8>| {
        let pieces = [Ok(Bytes::from(bytes)), Err(std::io::Error::other("gone"))];
        Body::from_stream(futures_util::stream::iter(pieces))
    };
    sent(octets, &[], broken(good.clone().into())).await.problem(400, "body_unreadable");
    sent(FORM, &[], broken(form(&[("file", "a.csv", good.as_bytes())])[..90].to_vec())).await.problem(400, "body_unreadable");
    let whole = form(&[("file", "a.csv", good.as_bytes())]);
    sent(FORM, &[], Body::from(whole[..whole.len() - 9].to_vec())).await.problem(400, "body_unreadable");
    sent("multipart/form-data", &[], Body::from(whole.clone())).await.problem(400, "bad_multipart");
    sent("multipart/form-data; boundary=C", &[], Body::from(whole.clone())).await.problem(400, "body_unreadable");
    sent("multipart/mixed; boundary=B", &[], Body::from(whole.clone())).await.problem(415, "unsupported_media_type");
    sent("text/plain", &[], Body::from(good.clone())).await.problem(415, "unsupported_media_type");
    sent(octets, &[("content-encoding", "gzip")], Body::from(good.clone())).await.problem(415, "unsupported_media_type");
    sent(FORM, &[("origin", "https://evil.example")], Body::from(whole.clone())).await.problem(403, "foreign_origin");
    sent(FORM, &[("origin", "null")], Body::from(whole.clone())).await.problem(403, "foreign_origin");
    sent(octets, &[("content-length", "9999999")], Body::from(good.clone())).await.problem(413, "body_too_large");
    let endless = futures_util::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1 << 16]))));
    sent(octets, &[], Body::from_stream(endless)).await.problem(413, "body_too_large");
    sent(octets, &[("idempotency-key", "")], Body::from(good.clone())).await.problem(400, "bad_header");
    for (parts, code, field) in [
        (vec![("other", "a.csv", good.as_bytes())], "unknown_field", "other"),
        (vec![("file", "", good.as_bytes())], "bad_field", "file"),
        (vec![("file", "..", good.as_bytes())], "bad_field", "file"),
        (vec![("file", "a.csv", good.as_bytes()), ("file", "x/a.csv", good.as_bytes())], "bad_field", "file"),
        (vec![("codes", "p.toml", b"rubbish".as_slice()), ("file", "a.csv", good.as_bytes())], "bad_field", "codes"),
        (
            vec![("codes", "p.toml", b"name=\"x\"\nextends=\"/etc/passwd\"".as_slice()), ("file", "a.csv", good.as_bytes())],
            "bad_field",
            "codes",
        ),
        (vec![("scheme", "s.json", b"{}".as_slice()), ("file", "a.csv", good.as_bytes())], "bad_field", "scheme"),
        (vec![], "missing_field", "file"),
    ] {
        let problem = sent(FORM, &[], Body::from(form(&parts))).await.problem(400, code);
        assert_eq!(problem["field"], field, "{problem}");
    }
    for (query, code) in [
        ("crs=wgs84", "missing_parameter"),
        ("kind=lamps", "bad_parameter"),
        ("kind=facilities&crs=mars", "crs_unknown"),
        ("kind=facilities&scheme=/etc/passwd", "bad_parameter"),
        ("kind=facilities&codes=../x", "bad_parameter"),
        ("kind=facilities&profile=/etc/passwd", "bad_parameter"),
        ("kind=facilities&accept=everything", "bad_parameter"),
        ("kind=grids&until=2020-01-01", "bad_parameter"),
        ("kind=grids&from=yesterday", "bad_parameter"),
        ("kind=grids&helmert=1,2", "bad_parameter"),
        ("kind=grids&no_such=1", "unknown_parameter"),
    ] {
        post(&served.router, &format!("{ALL}?{query}"), octets, good.clone()).await.problem(400, code);
    }
    assert_eq!(served.left(), [""; 0]);
    assert_eq!(get(&served.router, ALL).await.ok()["number_matched"], 0);
    // What is no file of any kind is an import that is refused, with the reason.
    for (name, body) in
        [("bomb.zip", bomb()), ("a.mdb", b"\0\x01\0\0Standard Jet DB\0".to_vec()), ("x", vec![]), ("y.csv", vec![0xff; 5000])]
    {
        let import = served.import("kind=facilities&crs=cgcs2000", name, body).await;
        assert_eq!((&import["state"], &import["status"]), (&json!("done"), &json!("refused")), "{name}: {import:#}");
        assert!(!import["report"]["faults"].as_array().unwrap().is_empty(), "{import:#}");
    }
    assert_eq!(served.left(), [""; 0]);
    assert_eq!(served.app.store.revision().await.unwrap(), revision);
    assert!(served.app.store.check().await.unwrap().is_empty());
}

/// A zip file of a Shapefile that says to be a gigabyte and is packed into a megabyte less.
fn bomb() -> Vec<u8> {
    use flate2::write::DeflateEncoder;
    use std::io::Write;
    let mut packed = DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..300 {
        packed.write_all(&zeros).unwrap();
    }
    let packed = packed.finish().unwrap();
    let size: u32 = 300 << 20;
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for name in ["a.shp", "a.dbf", "a.shx"] {
        let at = file.len() as u32;
        let common = |out: &mut Vec<u8>| {
            out.extend(20u16.to_le_bytes());
            out.extend([0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            out.extend((packed.len() as u32).to_le_bytes());
            out.extend(size.to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(0u16.to_le_bytes());
        };
        file.extend(b"PK\x03\x04");
        common(&mut file);
        file.extend(name.as_bytes());
        file.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\0");
        common(&mut directory);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let at = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0\x03\0\x03\0");
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(at.to_le_bytes());
    file.extend([0, 0]);
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_with_a_key_is_done_once() {
    let served = Served::in_a_file().await;
    let keyed = async |query: &str, body: String| {
        let request = Request::post(format!("{ALL}?kind=facilities&crs=cgcs2000{query}")).header("host", "localhost");
        let request = request.header("content-type", "text/csv").header("idempotency-key", "i-1");
        send(&served.router, request.body(Body::from(body)).unwrap()).await
    };
    let first = keyed("", facilities(1..4, "甲")).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let id = first.json()["id"].clone();
    served.end_of(id.as_i64().unwrap()).await;
    let again = keyed("", facilities(1..4, "甲")).await;
    assert_eq!((again.status.as_u16(), &again.json()["id"], &again.json()["state"]), (202, &id, &json!("done")));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    keyed("", facilities(1..5, "甲")).await.problem(422, "key_reused");
    keyed("&dry_run=true", facilities(1..4, "甲")).await.problem(422, "key_reused");
    // The name of an import is none for a facility.
    let body = json!({ "position": [122.105, 30.005], "crs": "wgs84", "category": "01050" });
    let request = Request::post("/api/v1/facilities").header("host", "localhost").header("content-type", "application/json");
    let request = request.header("idempotency-key", "i-1").body(Body::from(body.to_string())).unwrap();
    send(&served.router, request).await.problem(422, "key_reused");
    assert_eq!(get(&served.router, ALL).await.ok()["number_matched"], 1);
    assert_eq!(served.left(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_bounded_and_runs_in_the_order_of_coming() {
    let served = Served::in_a_file().await;
    let actor = wangge::app::Actor::local();
    let places: Vec<_> = (0..8).map(|_| served.app.import_place(&actor).unwrap()).collect();
    let problem = served.send("kind=facilities&crs=cgcs2000", "a.csv", facilities(1..4, "甲")).await.problem(503, "busy");
    assert!(problem["detail"].is_string());
    drop(places);
    assert_eq!(served.left(), [""; 0]);
    let mut ids = Vec::new();
    for n in 0..5 {
        let answer = served.send("kind=facilities&crs=cgcs2000", "a.csv", facilities(1..400, &format!("{n}-"))).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        ids.push(answer.json()["id"].as_i64().unwrap());
    }
    let mut revisions = Vec::new();
    for id in ids {
        revisions.push(served.end_of(id).await["revision"].as_u64().unwrap());
    }
    assert!(revisions.windows(2).all(|pair| pair[0] < pair[1]), "{revisions:?}");
    let last = get(&served.router, "/api/v1/facilities?limit=1000").await.text();
    assert!(last.contains("4-399") && !last.contains("3-399"));
    equals_scratch(&served.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_before_the_end_stops_nothing_after_it() {
    let served = Served::in_a_file().await;
    for n in 0..6 {
        let request = served.send("kind=facilities&crs=cgcs2000", "a.csv", facilities(1..40, &format!("{n}-")));
        let mut request = std::pin::pin!(request);
        for _ in 0..(3 * n) {
            if std::future::poll_fn(|context| std::task::Poll::Ready(request.as_mut().poll(context).is_ready())).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    served.imported("kind=facilities&crs=cgcs2000", "last.csv", facilities(1..40, "last")).await;
    let list = get(&served.router, ALL).await.ok();
    assert!(list["items"].as_array().unwrap().iter().all(|import| import["state"] == "done"), "{list:#}");
    equals_scratch(&served.app).await;
    assert_eq!(served.left(), [""; 0]);
    assert!(Path::new(&served.app.config.uploads()).starts_with(served.folder.path()));
}
