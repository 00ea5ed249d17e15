//! A whole city in another place: file → database → file, everything as it was, nothing by halves; and what `wangge compare` says of it.

use super::world;
use crate::crash::{told, wangge};
use crate::http::{city, get, send};
use crate::imports::copies::edited;
use crate::imports::{import, order, written};
use crate::postgres::Database;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use wangge::app::App;
use wangge::app::access::tokens::{Wanted, made_in};
use wangge::app::compare::{Compared, Kind, compare};
use wangge::app::imports::Kind as Imported;
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::audit::{Action, Deed, Verifier};
use wangge::domain::case::{CaseRecord, CaseState};
use wangge::domain::facility::FacilityRecord;
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::id::{Epoch, FacilityId, GridSet, Revision};
use wangge::domain::period::Period;
use wangge::domain::records::{BoundarySet, HouseholdCount, Provenance};
use wangge::domain::scheme::Scheme;
use wangge::domain::scope::{Role, Scope};
use wangge::geom::{Area, Polygon};
use wangge::store::callers::{Bearer, SessionRecord};
use wangge::store::*;

/// Facilities of the imports: enough to come in by bulk, and for more than one portion of a copy.
const MANY: u32 = 4500;

fn table(name: impl Fn(u32) -> String) -> String {
    let mut text = "id,code,category,name,lon,lat,材质\n".to_owned();
    for n in 0..MANY {
        let (lon, lat) = (122.1 + 0.02 * (f64::from(n) * 0.618).fract(), 30.0 + 0.02 * (f64::from(n) * 0.7548).fract());
        text.push_str(&format!("m{n},,01037,{},{lon:.6},{lat:.6},钢\n", name(n)));
    }
    text
}

async fn brought(store: &Store, kind: Imported, file: &str, text: &str) {
    let file = written(file, text);
    import(store, order(kind, &file.path, if text.contains("lon,lat") { "cgcs2000" } else { "" })).await;
}

fn once(key: &str) -> Once {
    Once { key: key.to_owned(), request: 77 }
}

fn kept_write(n: u32) -> FacilityWrite {
    FacilityWrite::Put(Box::new(FacilityRecord { category: "01001".into(), ..world::facility(900_000 + n) }))
}

/// A city with every kind of row, and a secret that opens it.
async fn full(store: Store) -> (Store, String) {
    let store = city::filled(store).await;
    let period = Period { from: Some(world::time("2008-01-01T00:00:00Z")), until: Some(world::time("2011-01-01T00:00:00Z")) };
    let old = BoundarySet { period, ..world::boundaries(10..14) };
    let beside = BoundaryCommit { chain: Chain::Beside, ..world::publication(0, old) };
    store.boundaries_commit(beside).await.unwrap();
    let corners = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)].map(|(x, y)| city::at(x, y));
    let beat = GridRecord {
        code: city::code("J1"),
        name: "南警务网格".into(),
        kind: GridKind::Police,
        parent: None,
        area: Area::canonical([Polygon { exterior: corners.to_vec(), holes: vec![] }]),
        households: None,
        population: None,
        provenance: Provenance::default(),
    };
    let set = GridSet::new("police").unwrap();
    let police =
        BoundarySet { set, scheme: Scheme::plain(), period: Period::ALWAYS, grids: vec![beat], ..BoundarySet::default() };
    city::publish(&store, Epoch(0), police).await;
    let counts = vec![HouseholdCount { grid: city::code(city::GRID_1), households: Some(7), population: None }];
    store.households_commit(HouseholdCommit { head: world::head(), counts, import: None }).await.unwrap();

    brought(&store, Imported::Facilities, "f.csv", &table(|n| format!("灯 {n}"))).await;
    brought(&store, Imported::Facilities, "f.csv", &table(|n| format!("灯 {n}{}", if n % 3 == 0 { " 新" } else { "" }))).await;
    let team = "id,name,role,assigned,phone\n001,王一,网格长,330902001001001,138\n002,李二,网格员,330902001001,\n";
    brought(&store, Imported::Staff, "s.csv", team).await;
    brought(&store, Imported::Staff, "s.csv", &team.replace("李二", "李三")).await;
    let text = "id,address,name,lon,lat,within\na1,昌国街道解放路1号,,122.105,30.005,\n,昌国街道深巷2号,,,,330902001\n";
    brought(&store, Imported::Addresses, "a.csv", text).await;
    let closed = CaseRecord { state: CaseState::Closed, grid: Some(city::code(city::GRID_1)), ..world::full_case() };
    store.cases_commit(world::cases(vec![closed, world::case(9)])).await.unwrap();
    store.addresses_commit(world::addresses(vec![world::full_address()])).await.unwrap();
    let odd = FacilityRecord { category: "01001".into(), grid: None, ..world::full_facility() };
    let ids = store.facilities_commit(world::facilities(vec![odd, world::facility(1)])).await.unwrap().ids;
    // The last number that was given is nobody's any more.
    let gone = FacilityCommit { removed: vec![FacilityId(ids[1])], ..world::facilities(vec![]) };
    store.facilities_commit(gone).await.unwrap();
    store.staff_commit(world::staff_commit(vec![world::staff("zz")])).await.unwrap();
    store.staff_commit(StaffCommit { removed: vec!["zz".into()], ..world::staff_commit(vec![]) }).await.unwrap();
    store.facility_write(world::head(), kept_write(1), Some(once("k-1"))).await.unwrap();
    let announced = ImportRecord { state: ImportState::Queued, ..world::import("facilities") };
    store.import_begin(announced, "someone", Some(once("import-1"))).await.unwrap();

    let wanted = Wanted { name: "hall".into(), roles: vec![Role::Viewer], scope: Scope::All, screen: None, ends_at: None };
    let (record, secret) = made_in(&store, wanted, city::now()).await.unwrap();
    let bearer =
        Bearer { id: "hall".into(), name: None, roles: vec![Role::Viewer], scope: Scope::All, screen: None, listed: false };
    let (begun_at, ends_at) = (city::now(), world::now());
    let session = SessionRecord { hash: record.hash, bearer, token: Some(record.id), begun_at, seen_at: begun_at, ends_at };
    store.session_add(session).await.unwrap();
    let deed = |minutes: i64| Deed {
        at: world::now() + jiff::SignedDuration::from_mins(minutes),
        actor: "officer 7".into(),
        address: Some("10.0.0.7".into()),
        action: Action::Denied,
        object: "/api/v1/meta".into(),
        detail: json!({ "why": "试", "n": minutes }),
    };
    store.audit_append((0..5).map(deed).collect()).await.unwrap();
    let tidied = Deed { action: Action::Tidied, ..deed(9) };
    store.audit_tidy(world::now() + jiff::SignedDuration::from_mins(2), tidied).await.unwrap();
    (store, secret.text())
}

/// All that a store tells by other ways than rows.
async fn everything(store: &Store) -> Vec<String> {
    let mut all = vec![format!("{:?}", store.snapshot(world::now()).await.unwrap())];
    let epochs = store.epochs().await.unwrap();
    for epoch in &epochs {
        all.push(format!("{epoch:?}: {:?}", store.boundaries_at(epoch.epoch).await.unwrap()));
    }
    let ids: Vec<FacilityId> = store.facility_keys().await.unwrap().iter().map(|key| key.id).collect();
    all.extend(store.facilities_by_ids(&ids).await.unwrap().iter().map(|row| format!("{row:?}")));
    let ids: Vec<_> = store.case_keys().await.unwrap().iter().map(|key| key.id).collect();
    all.extend(store.cases_by_ids(&ids).await.unwrap().iter().map(|row| format!("{row:?}")));
    let ids: Vec<_> = store.address_keys().await.unwrap().iter().map(|key| key.id).collect();
    all.extend(store.addresses_by_ids(&ids).await.unwrap().iter().map(|row| format!("{row:?}")));
    all.push(format!("{:?}", store.facilities_by_external("m", "m7").await.unwrap()));
    for import in store.imports().await.unwrap() {
        let id = import.id;
        all.push(format!("{:?}", store.import_report(id).await.unwrap()));
        all.push(format!("{:?}", store.import_added(id).await.unwrap()));
        all.push(format!("{:?}", store.import_before_facilities(id, FacilityId(0), 100_000).await.unwrap()));
        all.push(format!("{:?}", store.import_before_staff(id).await.unwrap()));
    }
    all.push(format!("{:?}", store.log_since(Revision(0), 10_000).await.unwrap()));
    all.push(format!("{:?}", store.tokens().await.unwrap()));
    all.push(format!("{:?}", store.audit_begins_after().await.unwrap()));
    all.push(format!("{:?}", store.audit_after(0, 1000).await.unwrap()));
    let head = CommitHead::new("someone", world::now());
    all.push(format!("{:?}", store.facility_outcome(&head, &once("k-1")).await.unwrap()));
    all
}

async fn same(a: &Store, b: &Store) {
    let (a, b) = (everything(a).await, everything(b).await);
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a, b);
    }
}

async fn compared(a: &Store, b: &Store) -> Vec<Kind> {
    let (mut a, mut b) = (a.rows().await.unwrap(), b.rows().await.unwrap());
    assert_eq!(a.revision(), b.revision());
    compare(&CityRows::kinds(), &mut a, &mut b, &|_, _| ()).await.unwrap()
}

/// Everything that differs, in words, without what says the same.
fn differing(kinds: Vec<Kind>) -> String {
    let text = Compared::new(Default::default(), Default::default(), kinds, vec![]).text();
    text.lines()
        .filter(|line| line.contains(": ") && !line.starts_with(['A', 'B', 'e', 'n']))
        .fold(String::new(), |all, line| all + line + "\n")
}

fn quiet(_: &str, _: u64) {}

async fn in_a_file(folder: &Path) -> (Store, String, PathBuf) {
    let path = folder.join("city.gpkg");
    let (store, secret) = full(Store::create(&path, &city::meta()).await.unwrap()).await;
    (store, secret, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_goes_into_a_database_and_back_into_a_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (file, secret, _) = in_a_file(folder.path()).await;
    let database = PathBuf::from(Database::new().url());
    let copied = file.copy(&database, &quiet).await.unwrap();
    assert_eq!(copied.revision, file.revision().await.unwrap());
    let rows = |kind: &str| copied.rows.iter().find(|(name, _)| *name == kind).unwrap().1;
    for kind in CityRows::kinds() {
        let empty = ["cases_before", "addresses_before", "organizations_before", "buildings_before"].contains(&kind);
        assert_eq!(rows(kind) == 0, empty, "{kind}: {:?}", copied.rows);
    }
    assert_eq!((rows("epochs"), rows("facilities_before"), rows("tokens")), (4, 1500, 1));
    let second = Store::open(&database, Access::Import).await.unwrap();
    let third = folder.path().join("third.gpkg");
    assert_eq!(second.copy(&third, &quiet).await.unwrap(), copied);
    let third = Store::open(&third, Access::Read).await.unwrap();
    for copy in [&second, &third] {
        let kinds = compared(&file, copy).await;
        assert_eq!(differing(kinds.clone()), "");
        assert_eq!(
            kinds.iter().map(|kind| kind.same).collect::<Vec<_>>(),
            copied.rows.iter().map(|(_, rows)| *rows).collect::<Vec<_>>()
        );
        same(&file, copy).await;
        assert_eq!(copy.check().await.unwrap(), vec![]);
        assert_eq!(copy.sessions().await.unwrap(), vec![], "who is logged in is not copied");
        let mut verifier = Verifier::new(copy.audit_begins_after().await.unwrap());
        copy.audit_after(0, 1000).await.unwrap().iter().for_each(|row| verifier.next(row).unwrap());
    }
    third.close().await.unwrap();

    // From here on the three go on alike.
    let third = Store::open(&folder.path().join("third.gpkg"), Access::Import).await.unwrap();
    let mut given = Vec::new();
    for store in [&file, &second, &third] {
        let facility = FacilityRecord { category: "01001".into(), ..world::facility(77) };
        let facility = store.facilities_commit(world::facilities(vec![facility])).await.unwrap();
        let case = store.cases_commit(world::cases(vec![world::case(5)])).await.unwrap();
        store.staff_commit(world::staff_commit(vec![world::staff("new")])).await.unwrap();
        let begun = store.import_begin(world::import("facilities"), "x", None).await.unwrap();
        let again = store.import_begin(world::import("facilities"), "someone", Some(once("import-1"))).await.unwrap();
        let repeated = store.facility_write(world::head(), kept_write(1), Some(once("k-1"))).await.unwrap();
        assert!(repeated.repeated && again.repeated);
        let token = made_in(
            store,
            Wanted { name: "b".into(), roles: vec![Role::Viewer], scope: Scope::All, screen: None, ends_at: None },
            city::now(),
        );
        given.push((facility, case, begun, again, repeated, token.await.unwrap().0.id));
    }
    assert!(given.iter().all(|numbers| *numbers == given[0]), "{given:#?}");
    let tokens = |text: &str| text.lines().filter(|line| !line.starts_with("tokens 2:")).count();
    let interrupted = "imports 6: different: state is \"queued\" in A, \"interrupted\" in B";
    for (copy, others) in [(&second, 0), (&third, 1)] {
        let text = differing(compared(&file, copy).await);
        assert_eq!(tokens(&text), others, "{text}");
        assert!(
            others == 0 || text.contains(interrupted),
            "whoever opens a file for writing ends what stands there unfinished: {text}"
        );
    }

    // An import is taken back in the copy, and the secret opens it.
    third.close().await.unwrap();
    file.close().await.unwrap();
    let settings = folder.path().join("wangge.toml");
    std::fs::write(&settings, "[access]\n").unwrap();
    for place in [database, folder.path().join("third.gpkg")] {
        let store = Store::open(&place, Access::Serve).await.unwrap();
        let config = Config::read(&settings).unwrap();
        let app = Arc::new(App::open(store.clone(), config, Clock::fixed(world::now())).await.unwrap());
        let local = app.access().unwrap().local().text();
        let router = wangge::http::router(app);
        let request = |method: &str, path: &str, token: &str| {
            Request::builder()
                .method(method)
                .uri(path)
                .header("host", "localhost")
                .header("authorization", format!("Bearer {token}"))
                .body(Body::empty())
                .unwrap()
        };
        assert_eq!(send(&router, request("GET", "/api/v1/me", &secret)).await.ok()["id"], "hall");
        let undone = send(&router, request("POST", "/api/v1/imports/2/undo", &local)).await.ok();
        assert_eq!((&undone["restored"], &undone["removed"]), (&json!(1500), &json!(0)), "{undone}");
        let undone = send(&router, request("POST", "/api/v1/imports/4/undo", &local)).await.ok();
        assert_eq!((&undone["restored"], &undone["removed"]), (&json!(1), &json!(0)), "{undone}");
        assert!(store.staff().await.unwrap().iter().any(|member| member.name == "李二"));
        store.close().await.unwrap();
    }
    second.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_from_file_to_file_and_from_database_to_database() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _, _) = in_a_file(folder.path()).await;
    let copy = folder.path().join("copy.gpkg");
    file.copy(&copy, &quiet).await.unwrap();
    let copy = Store::open(&copy, Access::Read).await.unwrap();
    assert_eq!(differing(compared(&file, &copy).await), "");

    let home = Database::new();
    let place = |schema: &str| PathBuf::from(format!("{}&schema={schema}", home.url()));
    let (database, _) = full(Store::create(&place("one"), &city::meta()).await.unwrap()).await;
    database.copy(&place("two"), &quiet).await.unwrap();
    let copy = Store::open(&place("two"), Access::Read).await.unwrap();
    assert_eq!(differing(compared(&database, &copy).await), "");
    same(&database, &copy).await;
    for refused in [database.copy(&place("two"), &quiet).await, file.copy(&place("one"), &quiet).await] {
        assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
    }
}

/// Somebody writes while it is copied: the copy is the city of one revision.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_beside_a_writer_is_of_one_revision() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _, path) = in_a_file(folder.path()).await;
    let before = file.revision().await.unwrap();
    let reader = Store::open(&path, Access::Read).await.unwrap();
    let mut rows = reader.rows().await.unwrap();
    let first = rows.next().await.unwrap().unwrap();
    assert_eq!(rows.revision(), before);
    let facility = FacilityRecord { category: "01001".into(), ..world::facility(5000) };
    file.facilities_commit(world::facilities(vec![facility])).await.unwrap();
    let mut counts = vec![0; CityRows::kinds().len()];
    counts[0] += first.len();
    while let Some(some) = rows.next().await.unwrap() {
        counts[some[0].kind] += some.len();
    }
    let log = CityRows::kinds().iter().position(|kind| *kind == "change_log").unwrap();
    assert_eq!(counts[log] as u64, before.0);
    assert!(file.revision().await.unwrap() > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_breaks_off_leaves_nothing_and_no_city_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _, path) = in_a_file(folder.path()).await;
    file.close().await.unwrap();
    let taken = file_of(folder.path(), "taken.gpkg").await;
    let broken = folder.path().join("broken.gpkg");
    std::fs::copy(&path, &broken).unwrap();
    edited(&broken, "UPDATE buildings SET geom = x'00'").await;
    let broken = Store::open(&broken, Access::Read).await.unwrap();
    let target = folder.path().join("target.gpkg");
    let database = Database::new();
    let url = PathBuf::from(database.url());
    for place in [&target, &url] {
        let refused = broken.copy(place, &quiet).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
        let missing = Store::open(place, Access::Read).await;
        assert!(matches!(missing, Err(StoreError::Missing(_))), "{missing:?}");
    }
    let left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!left.iter().any(|name| name.starts_with("target.gpkg") && !name.ends_with(".lock")), "{left:?}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'wangge'").trim(), "0");
    let sound = Store::open(&path, Access::Read).await.unwrap();
    let refused = sound.copy(&taken, &quiet).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
    sound.copy(&url, &quiet).await.unwrap();
    let refused = sound.copy(&url, &quiet).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
    let memory = Store::memory(city::meta()).copy(&folder.path().join("m.gpkg"), &quiet).await;
    assert!(matches!(memory, Err(StoreError::Invalid(_))), "{memory:?}");
}

async fn file_of(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    Store::create(&path, &city::meta()).await.unwrap().close().await.unwrap();
    path
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    wangge(folder, arguments).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_difference_between_two_stores_is_found_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (file, _, _) = in_a_file(folder).await;
    file.close().await.unwrap();
    let home = Database::new();
    let url = home.url();
    let copied = run(folder, &["copy", "--from", "city.gpkg", "--to", &url]);
    assert_eq!(copied.status.code(), Some(0), "{}", told(&copied));
    assert!(
        told(&copied).contains("a copy of city.gpkg as of revision") && told(&copied).contains("facilities_before"),
        "{}",
        told(&copied)
    );
    assert!(!told(&copied).contains("host="), "a place is told without what stands behind it: {}", told(&copied));
    let again = run(folder, &["copy", "--from", "city.gpkg", "--to", &url]);
    assert!(again.status.code() == Some(1) && told(&again).contains("exists already"), "{}", told(&again));
    let equal = run(folder, &["compare", "city.gpkg", &url]);
    assert!(equal.status.code() == Some(0) && told(&equal).contains("equal: "), "{}", told(&equal));

    let changes = [
        (
            "UPDATE wangge.facilities SET name = '别名' WHERE fid = 7",
            "facilities 7: different: name is \"部件6\" in A, \"别名\" in B",
        ),
        (
            "DELETE FROM wangge.grids WHERE code = '330902001001002' AND epoch_until IS NULL",
            "grids governance 0 330902001001002 2: only in A",
        ),
        ("INSERT INTO wangge.staff (id, name, role, assigned) VALUES ('s99', 'x', 'police', '3309')", "staff s99: only in B"),
        // The same row took a number.
        ("", "sequences staff: different: last is"),
        ("DELETE FROM wangge.change_log WHERE revision = 3", "change_log 3: only in A"),
        ("UPDATE wangge.cases SET due_at = due_at + interval '1 ms' WHERE fid = 1", "cases 1: different: due_at is"),
        (
            "UPDATE wangge.facilities SET geom = public.ST_Translate(geom, 0.001, 0) WHERE fid = 9",
            "facilities 9: different: geom is [122.",
        ),
        ("UPDATE wangge.facilities_before SET name = 'y' WHERE fid = 43", "facilities_before 2 43: different"),
        ("UPDATE wangge.tokens SET roles = '[]'", "tokens 1: different: roles"),
        ("UPDATE wangge.sequences SET last = last + 1 WHERE name = 'cases'", "sequences cases: different: last"),
        (
            "UPDATE wangge.audit SET actor = 'nobody' WHERE number = 4",
            "audit 4: different: actor is \"officer 7\" in A, \"nobody\" in B",
        ),
        ("UPDATE wangge.meta SET value = '\"t\"' WHERE key = 'title'", "meta title: different: value"),
        ("DELETE FROM wangge.answers WHERE key = 'k-1'", "answers someone k-1: only in A"),
        ("UPDATE wangge.imports SET added = '[]' WHERE id = 1", "imports 1: different: added"),
        ("UPDATE wangge.epochs SET actor = 'y' WHERE epoch = 3", "epochs 3: different: actor is \"planner\" in A, \"y\" in B"),
    ];
    for (sql, _) in changes.iter().filter(|(sql, _)| !sql.is_empty()) {
        home.sql(sql);
    }
    let different = run(folder, &["compare", "city.gpkg", &url]);
    assert_eq!(different.status.code(), Some(1), "{}", told(&different));
    for (_, line) in changes {
        assert!(told(&different).contains(line), "{line}: {}", told(&different));
    }
    assert!(told(&different).contains("not equal: 15 differ"), "{}", told(&different));
    let as_json = run(folder, &["compare", &url, "city.gpkg", "--json"]);
    let json: Value = serde_json::from_slice(&as_json.stdout).unwrap();
    assert_eq!((as_json.status.code(), &json["equal"]), (Some(1), &json!(false)));
    let grids = json["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "grids").unwrap();
    assert_eq!((&grids["only_in_b"], &grids["examples"][0]["found"]), (&json!(1), &json!("only_in_b")), "{grids}");

    home.sql("UPDATE wangge.facilities SET name = 'z' WHERE fid > 100");
    let many = run(folder, &["compare", "city.gpkg", &url]);
    assert_eq!(told(&many).matches("\nfacilities ").count(), 1 + 10, "ten examples: {}", told(&many));
    for wrong in [vec!["compare", "city.gpkg"], vec!["compare", "city.gpkg", &url, "--token-file", "x"]] {
        assert_eq!(run(folder, &wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(run(folder, &["compare", "city.gpkg", "nowhere.gpkg"]).status.code(), Some(1));
}

/// A server of this process: its address, and its router.
async fn served(store: Store, settings: &str, folder: &Path) -> (String, Router) {
    let path = folder.join("served.toml");
    std::fs::write(&path, settings).unwrap();
    let config = Config::read(&path).unwrap();
    let router = wangge::http::router(Arc::new(App::open(store, config, Clock::System).await.unwrap()));
    let listener = wangge::http::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(wangge::http::serve(listener, router.clone(), std::future::pending()));
    (address, router)
}

async fn asked(folder: &Path, arguments: Vec<String>) -> Output {
    let mut command = wangge(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn compare_of(a: &str, b: &str) -> Vec<String> {
    ["compare", a, b].map(str::to_owned).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_and_their_stores_are_compared_by_what_they_answer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (file, secret, _) = in_a_file(folder).await;
    let url = PathBuf::from(Database::new().url());
    file.copy(&url, &quiet).await.unwrap();
    let database = Store::open(&url, Access::Serve).await.unwrap();
    let (one, first) = served(file.clone(), "", folder).await;
    let (two, second) = served(database, "", folder).await;
    for (a, b) in [(one.as_str(), two.as_str()), ("city.gpkg", two.as_str()), (one.as_str(), url.to_str().unwrap())] {
        let equal = asked(folder, compare_of(a, b)).await;
        assert_eq!(equal.status.code(), Some(0), "{}", told(&equal));
        assert!(told(&equal).contains("equal: ") && told(&equal).contains("other_sets"), "{}", told(&equal));
    }

    let meta = get(&first, "/api/v1/meta").await.ok();
    let change = Request::patch("/api/v1/facilities/7")
        .header("host", "localhost")
        .header("content-type", "application/merge-patch+json")
        .header("if-match", get(&second, "/api/v1/facilities/7").await.headers["etag"].clone())
        .body(Body::from(r#"{"name":"别名"}"#))
        .unwrap();
    send(&second, change).await.ok();
    let member = world::staff("extra");
    file.staff_commit(StaffCommit { head: world::head(), rows: vec![member], removed: vec![], import: None }).await.unwrap();
    let different = asked(folder, compare_of(&one, &two)).await;
    assert_eq!(different.status.code(), Some(1), "{}", told(&different));
    let text = told(&different);
    assert!(text.contains("facilities 7: different: name is \"部件6\" in A, \"别名\" in B; version is"), "{text}");
    let (before, after) = (meta["revision"].as_u64().unwrap(), meta["revision"].as_u64().unwrap() + 1);
    assert!(text.contains(&format!("the revisions differ: A has {before}, B has {after}")), "{text}");

    // A server that tells callers apart.
    let third = folder.join("third.gpkg");
    file.copy(&third, &quiet).await.unwrap();
    let third = Store::open(&third, Access::Serve).await.unwrap();
    let (three, _) = served(third, "[access]\n", folder).await;
    let refused = asked(folder, compare_of(&three, &three)).await;
    assert!(refused.status.code() == Some(1) && told(&refused).contains("--token-file"), "{}", told(&refused));
    std::fs::write(folder.join("token"), format!("{secret}\n")).unwrap();
    let mut with = compare_of(&three, &three);
    with.extend(["--token-file".to_owned(), "token".to_owned()]);
    let equal = asked(folder, with).await;
    assert_eq!(equal.status.code(), Some(0), "{}", told(&equal));
    let nobody = asked(folder, compare_of(&one, "http://127.0.0.1:9")).await;
    assert!(nobody.status.code() == Some(1) && told(&nobody).contains("cannot be reached"), "{}", told(&nobody));
}
