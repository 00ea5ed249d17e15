//! Several servers over one database: each shows what any of them was told, and none of them loses anything when the way to the database is
//! cut, whenever that is.

use super::city::{self, GRID_1, GRID_2};
use super::reload::{self, equals_scratch};
use super::{Answer, get, post, send};
use crate::postgres::{Database, Pair};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use wangge::app::App;
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::id::{FacilityId, Revision};
use wangge::store::{Access, ImportState, Store};

const PATIENCE: Duration = Duration::from_secs(30);

/// One of several.
struct Server {
    app: Arc<App>,
    router: Router,
    folder: tempfile::TempDir,
}

impl Server {
    async fn over(url: &str, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wangge.toml");
        std::fs::write(&path, settings).unwrap();
        let config = Config { data: folder.path().join("uploads.gpkg"), ..Config::read(&path).unwrap() };
        let store = Store::open(&PathBuf::from(url), Access::Serve).await.unwrap();
        let app = Arc::new(App::open(store, config, Clock::fixed(city::now())).await.unwrap());
        tokio::spawn(Arc::clone(&app).follow());
        let router = wangge::http::router(Arc::clone(&app));
        Self { app, router, folder }
    }

    async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("host", "localhost:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        send(&self.router, request.header("content-type", "application/json").body(body).unwrap()).await
    }

    async fn create(&self, name: &str, code: Option<&str>) -> Answer {
        let body = json!({ "position": [122.105, 30.005], "crs": "cgcs2000", "category": "01050", "name": name, "code": code });
        let key = name.replace("cut me", "key");
        self.ask("POST", "/api/v1/facilities", &[("idempotency-key", &key)], Some(&body)).await
    }

    /// Waits until readers of this server see exactly what the store has; it may have had more before.
    async fn caught_up(&self) {
        until("the city is that of the store", async || {
            self.app.published.load().revision == self.app.store.revision().await.unwrap()
        })
        .await;
    }
}

async fn city_in(database: &Database) -> Store {
    city::filled(Store::create(&PathBuf::from(database.url()), &city::meta()).await.unwrap()).await
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn revision(answer: &Answer) -> String {
    answer.json()["revision"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_equals_a_city_made_from_scratch_after_every_kind_of_commit() {
    let database = Database::new();
    city_in(&database).await;
    let server = Server::over(&database.url(), "").await;
    let other = Store::open(&PathBuf::from(database.url()), Access::Import).await.unwrap();
    macro_rules! each {
        ($($write:ident)*) => { $({
            reload::$write(&other).await;
            server.caught_up().await;
            equals_scratch(&server.app).await;
        })* };
    }
    each!(facilities cases staff households buildings profile boundaries facilities_again);
    // Many at once, more than are told one by one.
    let mut rows = other.facilities_by_ids(&[FacilityId(7)]).await.unwrap();
    let row = rows.pop().unwrap();
    let many = |n: usize| {
        let one = |n| {
            let code = Some(format!("many-{n}"));
            let row = row.clone();
            wangge::domain::facility::FacilityRecord { id: FacilityId(0), version: Default::default(), code, ..row }
        };
        (0..n).map(one).collect()
    };
    let head = || wangge::store::CommitHead::new("test", city::now());
    let commit = |rows| wangge::store::FacilityCommit { head: head(), rows, removed: vec![], import: None };
    other.facilities_commit(commit(many(6000))).await.unwrap();
    server.caught_up().await;
    equals_scratch(&server.app).await;
    // The border goes to and fro while nobody looks: what moved there and back has two more versions.
    let idle = {
        let store = Store::open(&PathBuf::from(database.url()), Access::Read).await.unwrap();
        let config = Config::new(server.folder.path().join("idle.gpkg"));
        Arc::new(App::open(store, config, Clock::fixed(city::now())).await.unwrap())
    };
    reload::boundaries_back(&other).await;
    reload::boundaries(&other).await;
    reload::boundaries_back(&other).await;
    idle.applier.reload(other.revision().await.unwrap()).await.unwrap();
    equals_scratch(&idle).await;
    // And several commits in one step.
    let viewer = server.app.live.watch(None).unwrap();
    for _ in 0..3 {
        reload::facilities_again(&other).await;
        reload::staff(&other).await;
    }
    server.caught_up().await;
    equals_scratch(&server.app).await;
    drop(viewer);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_is_told_all_show() {
    let database = Database::new();
    city_in(&database).await;
    let [a, b] = [Server::over(&database.url(), "").await, Server::over(&database.url(), "").await];
    let tile = |server: &Server| {
        let router = server.router.clone();
        async move { get(&router, "/tiles/facilities/16/54996/27037").await.headers["etag"].to_str().unwrap().to_owned() }
    };
    let (before, mut viewer) = (tile(&b).await, b.app.live.watch(None).unwrap());
    let made = a.create("lamp", Some("L-1")).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let (id, tag) = (made.json()["id"].as_i64().unwrap(), made.headers["etag"].to_str().unwrap().to_owned());
    let one = format!("/api/v1/facilities/{id}");
    // Whoever names the revision waits for it.
    let seen = b.ask("GET", &one, &[("min-revision", &revision(&made))], None).await;
    assert_eq!((seen.json(), seen.headers["etag"].to_str().unwrap()), (get(&a.router, &one).await.ok(), tag.as_str()));
    assert_ne!(tile(&b).await, before);
    assert_eq!(tile(&b).await, tile(&a).await);
    viewer.wait().await.unwrap();
    let told = viewer.read(&Default::default());
    assert!(std::str::from_utf8(&told).unwrap().contains("facilities"), "{told:?}");
    // The same write sent to the other server is the same write, and a code is given once.
    let again = b.create("lamp", Some("L-1")).await;
    assert_eq!(again.json()["id"], id);
    b.create("another", Some("L-1")).await.problem(409, "code_taken");
    // Whoever writes to what another server made just now finds it.
    let made = a.create("hydrant", None).await;
    let moved = json!({ "position": [122.105, 30.015], "crs": "cgcs2000" });
    let one = format!("/api/v1/facilities/{}", made.json()["id"]);
    let changed = b.ask("PATCH", &one, &[("if-match", "*")], Some(&moved)).await;
    assert_eq!(changed.json()["grid"], GRID_2, "{}", changed.text());
    let stale = a.ask("DELETE", &one, &[("if-match", made.headers["etag"].to_str().unwrap())], None).await;
    stale.problem(412, "stale");
    assert!(a.ask("DELETE", &one, &[("if-match", "*")], None).await.status.is_success());
    until("what is gone is gone everywhere", async || get(&b.router, &one).await.status == 404).await;
    for server in [&a, &b] {
        server.caught_up().await;
        equals_scratch(&server.app).await;
    }
}

/// The pond becomes a grid: one more than there were.
const POND: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"330902001002002","name":"新网格"},
    "geometry":{"type":"Polygon","coordinates":[[[122.11,30],[122.12,30],[122.12,30.01],[122.11,30.01],[122.11,30]]]}}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn writes_on_all_servers_and_publications_between_them_leave_one_city() {
    let database = Database::new();
    let store = city_in(&database).await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Server::over(&database.url(), "").await);
    }
    let servers = Arc::new(servers);
    let writers: Vec<_> = (0..9)
        .map(|n| {
            let servers = Arc::clone(&servers);
            tokio::spawn(async move {
                for k in 0..20 {
                    let server = &servers[(n + k) % 3];
                    let made = server.create(&format!("{n}-{k}"), Some(&format!("c-{}", (n * 20 + k) % 150))).await;
                    if made.status == 409 {
                        continue;
                    }
                    assert_eq!(made.status, 201, "{}", made.text());
                    let one = format!("/api/v1/facilities/{}", made.json()["id"]);
                    // Over the border, by way of another server.
                    let moved = json!({ "position": [122.115, 30.005], "crs": "cgcs2000" });
                    let moved = servers[(n + k + 1) % 3].ask("PATCH", &one, &[("if-match", "*")], Some(&moved)).await;
                    assert_eq!(moved.status, 200, "{}", moved.text());
                }
            })
        })
        .collect();
    // The pond is a grid and water by turns.
    let mut published = 0;
    for turn in 0..4 {
        let server = &servers[turn % 3];
        if turn % 2 == 0 {
            let uri = "/api/v1/imports?kind=grids&crs=cgcs2000&file=pond.geojson";
            let taken = post(&server.router, uri, "application/octet-stream", POND.as_bytes().to_vec()).await;
            assert_eq!(taken.status, 202, "{}", taken.text());
            let one = format!("/api/v1/imports/{}", taken.json()["id"]);
            until("an import ends", async || {
                !["queued", "running"].contains(&get(&server.router, &one).await.ok()["state"].as_str().unwrap())
            })
            .await;
            let import = get(&server.router, &one).await.ok();
            assert_eq!(import["report"]["status"], "imported", "{import:#}");
            published = taken.json()["id"].as_i64().unwrap();
        } else {
            let undo = format!("/api/v1/imports/{published}/undo");
            let undone = post(&server.router, &undo, "application/json", "{}").await;
            assert!(undone.status.is_success(), "{}", undone.text());
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for server in servers.iter() {
        server.caught_up().await;
        equals_scratch(&server.app).await;
    }
    assert_eq!(store.check().await.unwrap(), vec![]);
    let codes = database.sql("SELECT count(*) - count(DISTINCT code) FROM wangge.facilities WHERE code LIKE 'c-%'");
    assert_eq!(codes, "0\n", "a code was given twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_by_one_is_let_in_by_all_and_who_is_put_out_is_out_everywhere() {
    let database = Database::new();
    city_in(&database).await;
    let [a, b] = [Server::over(&database.url(), "[access]\n").await, Server::over(&database.url(), "[access]\n").await];
    let local = format!("Bearer {}", a.app.access().unwrap().local().text());
    let body = json!({ "name": "desk", "roles": ["operator"] });
    let made = a.ask("POST", "/api/v1/tokens", &[("authorization", &local)], Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let asks = async |server: &Server, header: &str, value: &str| {
        server.ask("GET", "/api/v1/meta", &[(header, value)], None).await.status.as_u16()
    };
    until("a token of one server is good on the other", async || asks(&b, "authorization", &bearer).await == 200).await;
    let bearer_of = |id: &str| wangge::app::access::Bearer {
        id: id.to_owned(),
        name: None,
        roles: vec![wangge::domain::scope::Role::Viewer],
        scope: wangge::domain::scope::Scope::All,
        screen: None,
        listed: false,
    };
    let (secret, session) = b.app.session_begin(bearer_of("browser"), None, None).await.unwrap().unwrap();
    let cookie = format!("wangge={}", secret.text());
    assert_eq!(asks(&b, "cookie", &cookie).await, 200);
    until("a session too", async || asks(&a, "cookie", &cookie).await == 200).await;
    // What is noted of its use does not bring back one that was ended elsewhere.
    a.app.session_end(session.hash).await.unwrap().unwrap();
    b.app.sessions_keep().await.unwrap();
    assert_eq!((asks(&a, "cookie", &cookie).await, asks(&b, "cookie", &cookie).await), (401, 401));
    let id = made.json()["id"].as_i64().unwrap();
    let revoked = b.ask("DELETE", &format!("/api/v1/tokens/{id}"), &[("authorization", &bearer)], None).await;
    revoked.problem(403, "denied");
    let gone = a.ask("DELETE", &format!("/api/v1/tokens/{id}"), &[("authorization", &local)], None).await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    until("and none where it was revoked", async || asks(&b, "authorization", &bearer).await == 401).await;
    assert_eq!(asks(&a, "authorization", &bearer).await, 401);
    drop((a.folder, b.folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_a_server_that_lives_is_not_interrupted_by_another() {
    let database = Database::new();
    city_in(&database).await;
    let a = Server::over(&database.url(), "").await;
    until("it says that it lives", async || database.sql("SELECT count(*) FROM wangge.servers") == "1\n").await;
    let record = wangge::store::ImportRecord {
        id: wangge::domain::id::ImportId(0),
        kind: "facilities".to_owned(),
        file: "lamps.csv".to_owned(),
        crs: None,
        source: None,
        at: city::now(),
        report: Value::Null,
        state: ImportState::Running,
        revision: None,
        undone: None,
        before: Value::Null,
    };
    let begun = a.app.store.import_begin(record, "test", None).await.unwrap();
    let b = Server::over(&database.url(), "").await;
    let state = async |server: &Server| server.app.store.import_report(begun.id).await.unwrap().unwrap().state;
    assert_eq!(state(&b).await, ImportState::Running);
    // It was heard of last a minute ago, and is gone then.
    database.sql("UPDATE wangge.imports SET server = 'gone' WHERE state = 'running'");
    b.app.store.here(Revision(0)).await.unwrap();
    assert_eq!(state(&b).await, ImportState::Interrupted);
    b.app.store.close().await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM wangge.servers"), "1\n", "whoever ends says so");
}

/// What happens on the way to the database.
const OPEN: u8 = 0;
/// Nothing goes through.
const SHUT: u8 = 1;
/// The `COMMIT` of what is called "cut me" arrives, and its answer does not.
const CUT_BEHIND_COMMIT: u8 = 2;
/// It does not arrive.
const CUT_BEFORE_COMMIT: u8 = 3;

/// A way to the database that can be cut.
struct Way {
    port: u16,
    state: Arc<AtomicU8>,
    end: Arc<Mutex<PathBuf>>,
}

impl Way {
    async fn to(database: &Database) -> (Self, String) {
        let way = Self::leading(PathBuf::new()).await;
        let (socket, url) = database.by_way_of(way.port);
        way.lead(socket);
        (way, url)
    }

    async fn leading(end: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Self { port, state: Arc::new(AtomicU8::new(OPEN)), end: Arc::new(Mutex::new(end)) };
        let (state, end) = (Arc::clone(&way.state), Arc::clone(&way.end));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let socket = end.lock().unwrap().clone();
                tokio::spawn(carry(client, socket, Arc::clone(&state)));
            }
        });
        way
    }

    /// From here on it leads there.
    fn lead(&self, end: PathBuf) {
        *self.end.lock().unwrap() = end;
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, socket: PathBuf, state: Arc<AtomicU8>) {
    if state.load(Ordering::SeqCst) == SHUT {
        return;
    }
    let Ok(database) = UnixStream::connect(socket).await else { return };
    let ((mut from_client, mut to_client), (mut from_database, mut to_database)) = (client.into_split(), database.into_split());
    let (forth, back) = (Arc::clone(&state), state);
    // Whether the write that is to be cut goes this way.
    let meant = AtomicBool::new(false);
    tokio::select! {
        () = pass(&mut from_client, &mut to_database, |bytes| {
            let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
            meant.fetch_or(has(b"cut me"), Ordering::SeqCst);
            let is_commit = meant.load(Ordering::SeqCst) && has(b"COMMIT");
            match forth.load(Ordering::SeqCst) {
                SHUT => Pass::End,
                CUT_BEHIND_COMMIT if is_commit => {
                    forth.store(SHUT, Ordering::SeqCst);
                    Pass::OnceMore
                }
                CUT_BEFORE_COMMIT if is_commit => {
                    forth.store(SHUT, Ordering::SeqCst);
                    Pass::End
                }
                _ => Pass::On,
            }
        }) => {}
        () = pass(&mut from_database, &mut to_client, |_| {
            if back.load(Ordering::SeqCst) == SHUT { Pass::End } else { Pass::On }
        }) => {}
    }
}

enum Pass {
    On,
    OnceMore,
    End,
}

async fn pass(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), look: impl Fn(&[u8]) -> Pass + Send) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let passing = look(&buffer[..n]);
        if let Pass::End = passing {
            return;
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
        if let Pass::OnceMore = passing {
            // The database is at it; nobody hears its answer.
            tokio::time::sleep(Duration::from_millis(200)).await;
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_lookups_and_tiles_go_on_and_writes_are_put_off() {
    let database = Database::new();
    city_in(&database).await;
    let (way, url) = Way::to(&database).await;
    let server = Server::over(&url, "").await;
    assert_eq!(server.create("before", None).await.status, 201, "by port {}", way.port);
    way.set(SHUT);
    until("the store counts as away", async || get(&server.router, "/readyz").await.ok().get("store_away_s").is_some()).await;
    let refused = server.create("meanwhile", None).await;
    assert_eq!(refused.headers["retry-after"], "5");
    refused.problem(503, "store_away");
    let grid = get(&server.router, "/api/v1/locate?lon=122.105&lat=30.005&crs=cgcs2000").await.ok();
    assert_eq!(grid["grid"]["code"], GRID_1);
    assert_eq!(get(&server.router, "/tiles/regions,grids,labels/14/13749/6759").await.status, 200);
    assert!(get(&server.router, "/metrics").await.text().contains("wangge_store_away_seconds"));
    // Somebody else writes meanwhile, and the way is open again.
    let other = Server::over(&database.url(), "").await;
    let made = other.create("elsewhere", None).await;
    way.set(OPEN);
    let one = format!("/api/v1/facilities/{}", made.json()["id"]);
    until("the server follows again", async || get(&server.router, &one).await.status == 200).await;
    until("and writes", async || server.create("after", None).await.status == 201).await;
    assert!(get(&server.router, "/readyz").await.ok().get("store_away_s").is_none());
    server.caught_up().await;
    equals_scratch(&server.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_told_as_what_it_was() {
    let database = Database::new();
    city_in(&database).await;
    let (way, url) = Way::to(&database).await;
    let server = Arc::new(Server::over(&url, "").await);
    let cuts = [(CUT_BEHIND_COMMIT, "cut me, done"), (CUT_BEFORE_COMMIT, "cut me, not done")].repeat(3);
    for (n, (state, name)) in cuts.into_iter().enumerate() {
        way.set(state);
        let name = format!("{name} {n}");
        let writing = {
            let (server, name) = (Arc::clone(&server), name.clone());
            tokio::spawn(async move { server.create(&name, None).await })
        };
        until("it was cut", async || way.state.load(Ordering::SeqCst) == SHUT).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        way.set(OPEN);
        let answer = writing.await.unwrap();
        let stored = database.sql(&format!("SELECT count(*) FROM wangge.facilities WHERE name = '{name}'"));
        if state == CUT_BEHIND_COMMIT {
            assert_eq!((answer.status.as_u16(), stored.as_str()), (201, "1\n"), "{}", answer.text());
        } else {
            assert_eq!(stored, "0\n");
            answer.problem(503, "store_away");
        }
        until("writes are taken again", async || server.app.store_away_s().is_none()).await;
    }
    server.caught_up().await;
    equals_scratch(&server.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_falls_back_is_loaded_anew_and_what_it_lost_is_said() {
    let database = Database::new();
    city_in(&database).await;
    let server = Server::over(&database.url(), "").await;
    let kept = server.create("kept", None).await;
    let revision: u64 = revision(&kept).parse().unwrap();
    for n in 0..3 {
        assert_eq!(server.create(&format!("lost {n}"), None).await.status, 201);
    }
    until("the last is known", async || server.app.standing().unwrap().stored.0 == revision + 3).await;
    // As after a promotion of a standby that had not yet heard of the last three.
    database.sql(&format!(
        "BEGIN; DELETE FROM wangge.facilities WHERE name LIKE 'lost %'; DELETE FROM wangge.change_log WHERE revision > {revision};
         UPDATE wangge.clock SET revision = {revision}; DELETE FROM wangge.answers WHERE revision > {revision}; COMMIT"
    ));
    until("it is loaded anew", async || server.app.published.load().revision.0 == revision).await;
    equals_scratch(&server.app).await;
    assert_eq!(get(&server.router, "/readyz").await.ok()["lost"], 3);
    let again = server.create("lost 0", None).await;
    assert_eq!(again.status, 201, "what was lost can be written again: {}", again.text());
    server.caught_up().await;
    equals_scratch(&server.app).await;
}

/// Three servers that are asked and written to without pause while the primary dies; what was acknowledged, and how often somebody was not
/// answered.
struct Load {
    ended: Arc<AtomicBool>,
    asking: Vec<tokio::task::JoinHandle<u32>>,
    writing: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn begin(servers: &Arc<Vec<Server>>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let each = |n: usize| (Arc::clone(servers), Arc::clone(&ended), n);
        let asking = (0..3).map(each).map(|(servers, ended, n)| {
            tokio::spawn(async move {
                let mut answered = 0;
                while !ended.load(Ordering::Relaxed) {
                    for uri in ["/api/v1/locate?lon=122.105&lat=30.005&crs=cgcs2000", "/tiles/regions,grids,labels/14/13749/6759"]
                    {
                        let answer = get(&servers[n].router, uri).await;
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        answered += 1;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                answered
            })
        });
        let writing = (0..3).map(each).map(|(servers, ended, n)| {
            tokio::spawn(async move {
                let (mut done, mut next) = (Vec::new(), 0);
                while !ended.load(Ordering::Relaxed) {
                    let name = format!("{n}-{next}");
                    let answer = servers[n].create(&name, None).await;
                    match answer.status.as_u16() {
                        201 => {
                            done.push(name);
                            next += 1;
                        }
                        503 => tokio::time::sleep(Duration::from_millis(100)).await,
                        _ => panic!("{}", answer.text()),
                    }
                }
                done
            })
        });
        let (asking, writing) = (asking.collect(), writing.collect());
        Self { ended, asking, writing }
    }

    async fn end(self) -> (u32, Vec<String>) {
        self.ended.store(true, Ordering::Relaxed);
        let (mut answered, mut written) = (0, Vec::new());
        for asker in self.asking {
            answered += asker.await.unwrap();
        }
        for writer in self.writing {
            written.extend(writer.await.unwrap());
        }
        (answered, written)
    }
}

/// Three servers over a pair. Two find whoever takes writes at the end of one way, which somebody else leads there; one knows both hosts, and one
/// at which there is nobody.
async fn three_over(pair: &Pair) -> (Way, Arc<Vec<Server>>, String) {
    let [primary, standby] = pair.sockets();
    let (way, hosts) = (Way::leading(primary.clone()).await, [Way::leading(standby).await, Way::leading(primary).await]);
    let (url, either) = (Pair::url(&[way.port]), Pair::url(&[1, hosts[0].port, hosts[1].port]));
    let (strange, _) = Way::to(&Database::new()).await;
    let two = Pair::url(&[hosts[1].port, strange.port]).replace("/city?", "/postgres?");
    let refused = Store::open(&PathBuf::from(two), Access::Read).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("no copies of each other")));
    let standby = Store::open(&PathBuf::from(Pair::url(&[1, hosts[0].port])), Access::Serve).await;
    assert!(standby.is_err_and(|error| error.to_string().contains("is a standby")));
    city::filled(Store::create(&PathBuf::from(&either), &city::meta()).await.unwrap()).await.close().await.unwrap();
    let mut servers = Vec::new();
    for url in [&url, &either, &url] {
        servers.push(Server::over(url, "").await);
    }
    (way, Arc::new(servers), either)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_dies_takes_no_lookup_with_it_and_a_synchronous_standby_has_everything() {
    let pair = Pair::start(true);
    let (way, servers, either) = three_over(&pair).await;
    let load = Load::begin(&servers);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = servers[0].app.published.load().revision;
    pair.kill_primary();
    until("all know that it is away", async || servers.iter().all(|server| server.app.store_away_s().is_some())).await;
    pair.promote();
    way.lead(pair.sockets()[1].clone());
    until("writes go on", async || servers.iter().all(|server| server.app.published.load().revision.0 > before.0 + 30)).await;
    let (answered, written) = load.end().await;
    eprintln!("{answered} answered, {} written, {before} before the primary died", written.len());
    let stored = pair.sql("SELECT name FROM wangge.facilities");
    let stored: std::collections::HashSet<&str> = stored.lines().collect();
    let lost: Vec<&String> = written.iter().filter(|name| !stored.contains(name.as_str())).collect();
    assert!(lost.is_empty() && written.len() > 60, "{lost:?} of {}", written.len());
    for server in servers.iter() {
        server.caught_up().await;
        equals_scratch(&server.app).await;
        assert_eq!(get(&server.router, "/readyz").await.ok()["lost"], 0);
    }
    // The old one comes back, and takes writes: nobody who knows both goes there.
    pair.revive_primary();
    let before = servers[1].app.published.load().revision;
    let store = Store::open(&PathBuf::from(&either), Access::Read).await.unwrap();
    assert_eq!(store.revision().await.unwrap(), before);
    store.seek().await;
    servers[1].app.store.seek().await;
    assert_eq!(servers[1].create("behind the promotion", None).await.status, 201);
    assert_eq!(pair.sql("SELECT count(*) FROM wangge.facilities WHERE name = 'behind the promotion'"), "1\n");
    assert_eq!(store.revision().await.unwrap().0, before.0 + 1);
}

/// A server that reads its standby at the start and for the past: what the standby lacks is followed, what it does not answer is read from the
/// database, and another database is none.
#[tokio::test(flavor = "multi_thread")]
async fn long_reads_go_to_a_standby() {
    let pair = Pair::start(false);
    let (way, mut servers) = (Way::leading(pair.sockets()[0].clone()).await, Vec::new());
    let standby = Way::leading(pair.sockets()[1].clone()).await;
    let (url, read) = (Pair::url(&[way.port]), Pair::url(&[standby.port]));
    city::filled(Store::create(&PathBuf::from(&url), &city::meta()).await.unwrap()).await.close().await.unwrap();
    servers.push(Server::over(&url, "").await);
    assert_eq!(servers[0].create("both have it", None).await.status, 201);
    until("the standby has it", async || {
        let facilities = "SELECT count(*) FROM wangge.facilities WHERE name = 'both have it'";
        tokio::task::block_in_place(|| pair.sql(facilities)) == "1\n"
    })
    .await;
    pair.deafen();
    assert_eq!(servers[0].create("the standby lacks it", None).await.status, 201);
    let reads = |url: &str| format!("[database]\nurl = 'postgres://unused'\nread = '{url}'\n");
    let second = Server::over(&url, &reads(&read)).await;
    let readers = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'city' AND pid <> pg_backend_pid()";
    assert_ne!(tokio::task::block_in_place(|| pair.sql(readers)), "0\n", "the standby was read");
    second.caught_up().await;
    equals_scratch(&second.app).await;
    let past = get(&second.router, &format!("/api/v1/grids/{}?at=2025-06-01", city::CLOSED)).await.ok();
    assert_eq!(past["facilities"]["total"], 43, "{past}");

    // It goes away: the database itself answers, at the start as later.
    standby.set(SHUT);
    let third = Server::over(&url, &reads(&read)).await;
    for server in [&second, &third] {
        equals_scratch(&server.app).await;
        let past = get(&server.router, &format!("/api/v1/grids/{}/facilities?epoch=1", city::CLOSED)).await.ok();
        assert_eq!(past["number_matched"], 43, "{past}");
    }
    // A database of somebody else.
    let other = Database::new();
    Store::create(&PathBuf::from(other.url()), &city::meta()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&PathBuf::from(&url), Access::Serve).await.unwrap();
    let config = Config { database_read: Some(other.url().into()), ..Config::new(folder.path().join("unused.gpkg")) };
    let refused = App::open(store, config, Clock::fixed(city::now())).await.err().unwrap().to_string();
    assert!(refused.contains("no standby"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_asynchronous_standby_had_not_heard_is_lost_seen_and_said() {
    let pair = Pair::start(false);
    let (way, servers, _) = three_over(&pair).await;
    assert_eq!(servers[0].create("kept", None).await.status, 201);
    until("the standby has it", async || {
        let facilities = "SELECT count(*) FROM wangge.facilities WHERE name = 'kept'";
        tokio::task::block_in_place(|| pair.sql(facilities)) == "1\n"
    })
    .await;
    pair.deafen();
    for n in 0..5 {
        assert_eq!(servers[n % 3].create(&format!("lost {n}"), None).await.status, 201);
    }
    for server in servers.iter() {
        server.caught_up().await;
    }
    until("it is known", async || {
        servers.iter().all(|server| server.app.standing().unwrap().stored == server.app.published.load().revision)
    })
    .await;
    pair.kill_primary();
    pair.promote();
    way.lead(pair.sockets()[1].clone());
    for server in servers.iter() {
        until("it is said", async || get(&server.router, "/readyz").await.ok()["lost"] == 5).await;
    }
    let again = servers[1].create("after", None).await;
    assert_eq!(again.status, 201, "{}", again.text());
    for server in servers.iter() {
        server.caught_up().await;
        equals_scratch(&server.app).await;
    }
    assert_eq!(pair.sql("SELECT count(*) FROM wangge.facilities WHERE name LIKE 'lost %'"), "0\n");
}
