//! Facilities added, changed, moved and removed over HTTP.

use super::city::{self, GRID_1, GRID_2};
use super::{Answer, get, send};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use std::task::Poll;
use wangge::domain::id::{FacilityId, Revision};
use wangge::geom::mercator::{MercatorPoint, tile_at};

const ALL: &str = "/api/v1/facilities";

async fn write(router: &Router, method: &str, uri: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
    let mut request = Request::builder().method(method).uri(uri).header("host", "localhost");
    if body.is_some() {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        request = request.header("content-type", kind);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap()).await
}

async fn create(router: &Router, body: &Value) -> Answer {
    write(router, "POST", ALL, &[], Some(body)).await
}

async fn patch(router: &Router, id: &Value, version: &str, body: Value) -> Answer {
    write(router, "PATCH", &format!("{ALL}/{id}"), &[("if-match", version)], Some(&body)).await
}

/// A camera in the middle of the first grid.
fn camera() -> Value {
    json!({ "position": [122.105, 30.005], "crs": "wgs84", "category": "01050", "name": "新监控" })
}

#[tokio::test]
async fn a_facility_lives_from_its_creation_to_its_removal() {
    let router = city::router().await;
    let count = async |grid: &str| get(&router, &format!("/api/v1/grids/{grid}")).await.ok()["facilities"]["total"].clone();
    let tag = async |tile: &str| get(&router, &format!("/tiles/facilities/{tile}")).await.headers["etag"].clone();
    let shown = tile_at(MercatorPoint::of(city::at(0.5, 0.5)), 14);
    let shown = format!("14/{}/{}", shown.x(), shown.y());
    let (before, tile) = (get(&router, "/api/v1/meta").await.ok()["revision"].as_u64().unwrap(), tag(&shown).await);

    let answer = create(&router, &camera()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json();
    let id = made["id"].clone();
    assert_eq!(answer.headers["etag"], "\"1\"");
    assert_eq!(answer.headers["location"], format!("{ALL}/{id}"));
    assert_eq!((&made["revision"], &made["version"], &made["grid"]), (&json!(before + 1), &json!(1), &json!(GRID_1)));
    assert_eq!(
        (&made["state"], &made["state_date"], &made["position"]),
        (&json!("intact"), &Value::Null, &json!([122.105, 30.005]))
    );
    assert_eq!(count(GRID_1).await, 41);
    assert_eq!(get(&router, &format!("{ALL}?category=01050")).await.ok()["number_matched"], 11);
    assert_ne!(tag(&shown).await, tile, "the tile shows it");
    let read = get(&router, &format!("{ALL}/{id}")).await;
    assert_eq!(read.headers["etag"], "\"1\"");
    assert_eq!(read.ok(), made);

    // Over the border, told in another CRS.
    let moved = patch(&router, &id, "\"1\"", json!({ "position": [122.109_5, 30.012_5], "crs": "gcj02" })).await;
    let facility = moved.ok();
    assert_eq!(moved.headers["etag"], "\"2\"");
    assert_eq!((&facility["grid"], &facility["version"], &facility["name"]), (&json!(GRID_2), &json!(2), &json!("新监控")));
    assert_ne!(facility["position"], json!([122.109_5, 30.012_5]), "converted");
    assert_eq!((count(GRID_1).await, count(GRID_2).await), (json!(40), json!(2)));

    let broken = patch(&router, &id, "\"2\"", json!({ "state": "damaged" })).await.ok();
    assert_eq!(
        (&broken["state"], &broken["state_date"]),
        (&json!("damaged"), &json!("2026-11-21")),
        "the day in the city's zone"
    );
    let dated = patch(&router, &id, "\"3\"", json!({ "state": "lost", "state_date": "2026-10-01" })).await.ok();
    assert_eq!((&dated["state"], &dated["state_date"]), (&json!("lost"), &json!("2026-10-01")));
    let listed = get(&router, &format!("{ALL}?state=lost")).await.ok();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["state_date"]), (&id, &json!("2026-10-01")));

    let away = patch(&router, &id, "\"4\"", json!({ "position": [123.0, 29.0], "crs": "wgs84" })).await.ok();
    assert_eq!(away["grid"], Value::Null, "kept outside every grid");
    assert_eq!(count(GRID_2).await, 1);
    assert_eq!(get(&router, "/api/v1/meta").await.ok()["facilities_outside"], 2);

    let gone = write(&router, "DELETE", &format!("{ALL}/{id}"), &[("if-match", "\"5\"")], None).await.ok();
    assert_eq!(gone, json!({ "revision": before + 6, "id": id }));
    get(&router, &format!("{ALL}/{id}")).await.problem(404, "unknown_id");
    assert_eq!(tag(&shown).await, tile, "the tile is what it was");
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_and_takes_nulls_away() {
    let router = city::router().await;
    let body = json!({ "position": [122.105, 30.005], "crs": "wgs84", "category": "01050", "name": "a", "code": "33090299",
        "accuracy": "B", "source": "survey", "source_date": "2026-01-02", "external_ids": { "osm": "n/1", "gis": "7" },
        "properties": { "height_m": 3, "owner": { "name": "x", "phone": "1" } } });
    let made = create(&router, &body).await.json();
    let id = made["id"].clone();
    let change = json!({ "name": null, "code": null, "source": "again", "external_ids": { "osm": null, "new": "8" },
        "properties": { "height_m": null, "owner": { "phone": "2" } } });
    let now = patch(&router, &id, "\"1\"", change).await.ok();
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("code");
    expected["name"] = json!("");
    expected["source"] = json!("again");
    expected["external_ids"] = json!({ "gis": "7", "new": "8" });
    expected["properties"] = json!({ "owner": { "name": "x", "phone": "2" } });
    expected["version"] = json!(2);
    expected["revision"] = json!(made["revision"].as_u64().unwrap() + 1);
    assert_eq!(now, expected);
    assert_eq!(get(&router, &format!("{ALL}?external=new:8")).await.ok()["number_matched"], 1);
    assert_eq!(get(&router, &format!("{ALL}?external=osm:n/1")).await.ok()["number_matched"], 0);
    // What says nothing new is no change.
    let same = patch(&router, &id, "\"2\"", json!({ "source": "again" })).await.ok();
    assert_eq!(same, expected);
    let cleared = patch(&router, &id, "\"2\"", json!({ "external_ids": null, "properties": null, "accuracy": null })).await.ok();
    assert_eq!((&cleared["external_ids"], &cleared["properties"], cleared.get("accuracy")), (&json!({}), &json!({}), None));
}

#[tokio::test]
async fn a_change_must_name_the_version_it_means() {
    let router = city::router().await;
    let one = format!("{ALL}/1");
    let name = json!({ "name": "x" });
    for method in ["PATCH", "DELETE"] {
        let body = (method == "PATCH").then_some(&name);
        write(&router, method, &one, &[], body).await.problem(428, "if_match_required");
        for stale in ["\"2\"", "\"0\"", "W/\"1\"", "\"7\", \"8\"", "\"x\""] {
            let problem = write(&router, method, &one, &[("if-match", stale)], body).await.problem(412, "stale");
            assert_eq!(problem["version"], 1, "{stale}");
        }
        for bad in ["1", "\"1", ""] {
            write(&router, method, &one, &[("if-match", bad)], body).await.problem(400, "bad_header");
        }
        write(&router, method, &format!("{ALL}/999"), &[("if-match", "*")], body).await.problem(404, "unknown_id");
        write(&router, method, &format!("{ALL}/x"), &[("if-match", "*")], body).await.problem(400, "bad_path");
    }
    assert_eq!(write(&router, "PATCH", &one, &[("if-match", "\"9\", \"1\"")], Some(&name)).await.ok()["version"], 2);
    assert_eq!(write(&router, "PATCH", &one, &[("if-match", "*")], Some(&json!({ "name": "y" }))).await.ok()["version"], 3);
    // Of many who read the same version one wins.
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let (router, one) = (router.clone(), one.clone());
            let body = json!({ "name": format!("writer {n}") });
            tokio::spawn(
                async move { write(&router, "PATCH", &one, &[("if-match", "\"3\"")], Some(&body)).await.status.as_u16() },
            )
        })
        .collect();
    let mut statuses = Vec::new();
    for writer in writers {
        statuses.push(writer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[tokio::test]
async fn a_write_sent_twice_happens_once() {
    let router = city::router().await;
    let keyed = async |key: &str, body: &Value| write(&router, "POST", ALL, &[("idempotency-key", key)], Some(body)).await;
    let mut named = camera();
    named["code"] = json!("33090277");
    let first = keyed("k-1", &named).await;
    assert_eq!((first.status.as_u16(), first.headers.get("idempotency-replayed")), (201, None));
    // The facility goes on living; the answer is that of then.
    patch(&router, &first.json()["id"], "\"1\"", json!({ "name": "later" })).await.ok();
    let again = keyed("k-1", &named).await;
    assert_eq!((again.status.as_u16(), again.json()), (201, first.json()));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["etag"], "\"1\"");
    assert_eq!(get(&router, ALL).await.ok()["number_matched"], 43);
    keyed("k-1", &camera()).await.problem(422, "key_reused");
    keyed("", &named).await.problem(400, "bad_header");
    keyed(&"k".repeat(256), &named).await.problem(400, "bad_header");
    // At the same time as well.
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let router = router.clone();
            tokio::spawn(async move {
                write(&router, "POST", ALL, &[("idempotency-key", "k-2")], Some(&camera())).await.json()["id"].clone()
            })
        })
        .collect();
    let mut ids = Vec::new();
    for sender in senders {
        ids.push(sender.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(get(&router, ALL).await.ok()["number_matched"], 44);
}

#[tokio::test]
async fn a_change_and_a_removal_sent_twice_happen_once() {
    let router = city::router().await;
    let one = format!("{ALL}/4");
    let send = async |method: &str, tag: &str, key: &str, body: Option<&Value>| {
        write(&router, method, &one, &[("if-match", tag), ("idempotency-key", key)], body).await
    };
    let renamed = json!({ "name": "renamed" });
    let first = send("PATCH", "\"1\"", "p-1", Some(&renamed)).await;
    assert_eq!((first.status.as_u16(), first.headers.get("idempotency-replayed")), (200, None));
    // The answer got lost: sent again, it is no stale write.
    let again = send("PATCH", "\"1\"", "p-1", Some(&renamed)).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, first.json()));
    assert_eq!(
        (&again.headers["idempotency-replayed"], &again.headers["etag"]),
        (&"true".parse().unwrap(), &first.headers["etag"])
    );
    send("PATCH", "\"1\"", "p-2", Some(&renamed)).await.problem(412, "stale");
    send("PATCH", "\"1\"", "p-1", Some(&json!({ "name": "other" }))).await.problem(422, "key_reused");
    send("PATCH", "\"2\"", "p-1", Some(&renamed)).await.problem(422, "key_reused");
    send("DELETE", "\"2\"", "p-1", None).await.problem(422, "key_reused");
    let gone = send("DELETE", "\"2\"", "d-1", None).await;
    assert_eq!((gone.status.as_u16(), gone.json()["id"].as_i64()), (200, Some(4)));
    let again = send("DELETE", "\"2\"", "d-1", None).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, gone.json()));
    send("DELETE", "\"2\"", "d-2", None).await.problem(404, "unknown_id");
}

#[tokio::test]
async fn a_code_belongs_to_one_facility() {
    let router = city::router().await;
    let mut named = camera();
    named["code"] = json!("3309020100000003");
    let problem = create(&router, &named).await.problem(409, "code_taken");
    assert_eq!((&problem["field"], &problem["id"]), (&json!("code"), &json!(4)));
    patch(&router, &json!(5), "\"1\"", json!({ "code": "3309020100000003" })).await.problem(409, "code_taken");
    patch(&router, &json!(4), "\"1\"", json!({ "code": "3309020100000003", "name": "itself" })).await.ok();
    patch(&router, &json!(4), "\"2\"", json!({ "code": null })).await.ok();
    assert_eq!(create(&router, &named).await.status, 201, "a code that was given up is free");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_field_and_changes_nothing() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let with = |field: &str, value: Value| {
        let mut body = camera();
        body[field] = value;
        body
    };
    let without = |field: &str| {
        let mut body = camera();
        body.as_object_mut().unwrap().remove(field);
        body
    };
    let names: serde_json::Map<String, Value> = (0..51).map(|n| (format!("s{n}"), json!("x"))).collect();
    let cases = [
        (without("position"), "missing_field", "position"),
        (without("category"), "missing_field", "category"),
        (without("crs"), "crs_required", "crs"),
        (with("crs", json!("EPSG:3857")), "crs_unknown", "crs"),
        (with("position", json!([30.0, 122.0])), "out_of_range", "position"),
        (with("position", json!([122.0])), "bad_field", "position"),
        (with("position", json!([1, 2, 3])), "bad_field", "position"),
        (with("position", json!(["122", 30])), "bad_field", "position"),
        (with("position", Value::Null), "bad_field", "position"),
        (with("category", json!("99999")), "bad_field", "category"),
        (with("category", json!(1050)), "bad_field", "category"),
        (with("category", Value::Null), "bad_field", "category"),
        (with("state", json!("broken")), "bad_field", "state"),
        (with("state_date", json!("2026-02-30")), "bad_field", "state_date"),
        (with("source_date", json!("yesterday")), "bad_field", "source_date"),
        (with("name", json!("x".repeat(201))), "bad_field", "name"),
        (with("code", json!(" ")), "bad_field", "code"),
        (with("code", json!("x".repeat(65))), "bad_field", "code"),
        (with("external_ids", json!([])), "bad_field", "external_ids"),
        (with("external_ids", json!({ "a:b": "x" })), "bad_field", "external_ids"),
        (with("external_ids", json!({ "a": null })), "bad_field", "external_ids"),
        (with("external_ids", json!({ "a": 1 })), "bad_field", "external_ids"),
        (with("external_ids", Value::Object(names)), "bad_field", "external_ids"),
        (with("properties", json!("x")), "bad_field", "properties"),
        (with("properties", json!({ "x": "y".repeat(33_000) })), "bad_field", "properties"),
        (with("grid", json!(GRID_1)), "unknown_field", "grid"),
        (with("id", json!(1)), "unknown_field", "id"),
        (with("version", json!(1)), "unknown_field", "version"),
    ];
    for (body, code, field) in cases {
        let problem = create(&router, &body).await.problem(400, code);
        assert_eq!(problem["field"], field, "{body}");
    }
    patch(&router, &json!(1), "*", json!({ "category": null })).await.problem(400, "bad_field");
    patch(&router, &json!(1), "*", json!({ "crs": "wgs84" })).await.problem(400, "missing_field");
    patch(&router, &json!(1), "*", json!({ "grid": GRID_1 })).await.problem(400, "unknown_field");
    let raw = async |kind: &str, body: Vec<u8>| {
        let request = Request::post(ALL).header("host", "localhost").header("content-type", kind);
        send(&router, request.body(Body::from(body)).unwrap()).await
    };
    raw("text/plain", camera().to_string().into()).await.problem(415, "unsupported_media_type");
    raw("application/merge-patch+json", camera().to_string().into()).await.problem(415, "unsupported_media_type");
    raw("application/json", b"{".to_vec()).await.problem(400, "bad_json");
    raw("application/json", b"[]".to_vec()).await.problem(400, "bad_json");
    raw("application/json", vec![b' '; 200_000]).await.problem(413, "body_too_large");
    raw("application/json", vec![b'['; 100_000]).await.problem(400, "bad_json");
    assert_eq!(app.store.revision().await.unwrap(), app.published.load().revision);
    assert_eq!(app.published.load().facilities.len(), 42);
}

#[tokio::test]
async fn a_reader_can_wait_for_a_revision() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let now = app.published.load().revision.0;
    let read = async |revision: &str| {
        let request = Request::get("/api/v1/meta").header("host", "localhost").header("min-revision", revision);
        send(&router, request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(read(&now.to_string()).await.ok()["revision"], now);
    let problem = read(&(now + 1).to_string()).await.problem(503, "behind");
    assert_eq!(problem["revision"], now);
    for bad in ["-1", "x", ""] {
        read(bad).await.problem(400, "bad_header");
    }
    let wanted = (now + 1).to_string();
    let body = camera();
    let (waited, made) = tokio::join!(read(&wanted), create(&router, &body));
    assert_eq!((waited.ok()["revision"].clone(), made.status.as_u16()), (json!(now + 1), 201));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_memory_where_the_store_is() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let before = app.published.load().revision;
    for n in 0..50 {
        let mut body = camera();
        body["name"] = json!(format!("{n}"));
        let request = create(&router, &body);
        // Given up after some polls, each time after another number of them.
        let mut request = std::pin::pin!(request);
        for _ in 0..n % 5 + 1 {
            if std::future::poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_ready())).await {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // One that is not given up comes after all that were begun.
    let last = create(&router, &camera()).await.json();
    let revision = Revision(last["revision"].as_u64().unwrap());
    assert!(app.store.revision().await.unwrap() >= revision);
    app.reached(app.store.revision().await.unwrap()).await.unwrap();
    let (city, snapshot) = (app.published.load(), app.store.snapshot(city::now()).await.unwrap());
    assert!(city.revision > before);
    assert_eq!(city.facilities.len(), snapshot.facilities.len());
    assert!(snapshot.facilities.iter().all(|row| city.facilities.facility(FacilityId(row.id.0)).is_some()));
}
