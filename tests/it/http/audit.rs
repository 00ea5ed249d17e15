//! Who did what: what is noted, from where, and what is found when somebody changes it.

use super::access::{Carries, Served};
use super::send;
use super::transport::{Program, done, run};
use crate::crash::told;
use crate::imports::copies::edited;
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use std::net::SocketAddr;
use wangge::domain::audit::Verifier;

#[tokio::test]
async fn the_audit_tells_who_did_what_in_one_chain() {
    let served = Served::plain().await;
    let (id, viewer) = served.token(json!({ "name": "wall", "roles": ["viewer"] })).await;
    served.get("/metrics", Carries::Bearer(&viewer)).await.problem(403, "denied");
    served.get("/api/v1/meta", Carries::Bearer("wgs_nothing")).await.problem(401, "unauthorized");
    served.ask("DELETE", &format!("/api/v1/tokens/{id}"), Carries::Bearer(&served.local), None).await.ok();
    for action in ["token_made", "denied", "log_in_failed", "token_revoked"] {
        served.noted(action).await;
    }
    let rows = served.rows().await;
    let mut verifier = Verifier::new(served.app.store.audit_begins_after().await.unwrap());
    rows.iter().for_each(|row| verifier.next(row).unwrap());
    assert!(rows.iter().all(|row| !format!("{:?}", row.deed).contains(&viewer[4..])), "no secret");
    // An auditor reads it and nothing else; an operator does not.
    let (_, auditor) = served.token(json!({ "name": "audit", "roles": ["auditor"] })).await;
    let page = served.get("/api/v1/audit?action=denied", Carries::Bearer(&auditor)).await.ok();
    assert_eq!((&page["items"][0]["actor"], &page["items"][0]["object"]), (&json!("wall"), &json!("/metrics")));
    served.get("/api/v1/meta", Carries::Bearer(&auditor)).await.problem(403, "denied");
    let (_, operator) = served.token(json!({ "name": "desk", "roles": ["operator"] })).await;
    served.get("/api/v1/audit", Carries::Bearer(&operator)).await.problem(403, "denied");
    served.noted("read_audit").await;
    let first = served.get("/api/v1/audit?limit=2", Carries::Bearer(&auditor)).await.ok();
    let next = served.get(&format!("/api/v1/audit?limit=2&after={}", first["next_after"]), Carries::Bearer(&auditor)).await.ok();
    assert_eq!((&first["items"][1]["number"], &next["items"][0]["number"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn what_the_viewer_makes_a_file_of_is_noted_by_who_may_take_it_away() {
    let served = Served::plain().await;
    let (_, planner) = served.token(json!({ "name": "plan", "roles": ["planner"] })).await;
    let (_, viewer) = served.token(json!({ "name": "wall", "roles": ["viewer"] })).await;
    let note = json!({ "action": "export", "object": "facilities 12, csv" });
    let noted = served.ask("POST", "/api/v1/audit", Carries::Bearer(&planner), Some(note.clone())).await;
    assert_eq!((noted.status.as_u16(), noted.text().as_str()), (204, ""));
    let row = served.noted("export").await;
    assert_eq!((row.deed.actor.as_str(), row.deed.object.as_str()), ("plan", "facilities 12, csv"));
    let denied = served.ask("POST", "/api/v1/audit", Carries::Bearer(&viewer), Some(note)).await.problem(403, "denied");
    assert_eq!(denied["right"], "export");
    for (body, field) in [
        (json!({ "action": "log_in", "object": "x" }), "action"),
        (json!({ "action": "export" }), "object"),
        (json!({ "action": "export", "object": "x".repeat(201) }), "object"),
        (json!({ "action": "export", "object": "x", "at": "2020-01-01" }), "at"),
    ] {
        let refused = served.ask("POST", "/api/v1/audit", Carries::Bearer(&planner), Some(body)).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(refused.json()["field"], field, "{}", refused.text());
    }
}

#[tokio::test]
async fn behind_a_proxy_a_client_is_where_the_proxy_says() {
    let settings = "[access]\n[proxy]\ntrusted = [\"10.1.0.0/24\", \"10.2.0.5\"]\n";
    let served = Served::with(settings, &[]).await;
    let from = |peer: &str, forwarded: &[&str]| {
        let mut request = Request::get("/api/v1/meta").header("host", "localhost").header("authorization", "Bearer wgs_x");
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(wangge::http::listen::Peer(SocketAddr::new(peer.parse().unwrap(), 1)));
        request
    };
    for (peer, forwarded, client) in [
        ("10.1.0.9", &["203.0.113.7"][..], "203.0.113.7"),
        ("10.1.0.9", &["198.51.100.1, 203.0.113.8"], "203.0.113.8"),
        ("10.1.0.9", &["198.51.100.1", "203.0.113.9, 10.2.0.5"], "203.0.113.9"),
        ("10.1.0.10", &[], "10.1.0.10"),
        ("10.1.0.11", &["unknown"], "10.1.0.11"),
        ("192.0.2.1", &["203.0.113.10"], "192.0.2.1"),
        ("10.1.0.12", &["::ffff:203.0.113.11"], "203.0.113.11"),
    ] {
        send(&served.router, from(peer, forwarded)).await.problem(401, "unauthorized");
        let found = async || served.rows().await.into_iter().any(|row| row.deed.address.as_deref() == Some(client));
        for _ in 0..200 {
            if found().await {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(found().await, "{peer} {forwarded:?}: {:?}", served.rows().await);
    }
    assert!(
        !served.rows().await.iter().any(|row| row.deed.address.as_deref() == Some("198.51.100.1")),
        "what a client wrote itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_to_the_audit_by_hand_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("grids.geojson"), crate::imports::row_of_grids("330902002001", 2, 122.0, 30.0, 0.01)).unwrap();
    let import = ["import", "grids", "grids.geojson", "--data", "city.gpkg", "--crs", "cgcs2000"];
    done(folder, &import);
    let export = |name: &str| done(folder, &["export", "csv", name, "--layers", "grids", "--data", "city.gpkg"]);
    export("before.csv");
    let verify = ["audit", "verify", "--data", "city.gpkg"];
    assert!(done(folder, &verify).starts_with("0 rows"), "where callers were never told apart nothing is noted");
    for name in ["a", "b", "c", "d"] {
        done(folder, &["token", "add", "--data", "city.gpkg", "--role", "viewer", "--within", "*", "--name", name]);
    }
    done(folder, &import);
    export("grids.csv");
    let rows = done(folder, &["audit", "export", "--format", "csv", "--data", "city.gpkg"]);
    assert!(
        rows.contains(",export,grids as csv,") && !rows.contains(",import,"),
        "an import that changes nothing is none: {rows}"
    );
    std::fs::write(folder.join("f.csv"), "code,category,name,lon,lat\nc1,01037,灯,122.005,30.005\n").unwrap();
    done(folder, &["import", "facilities", "f.csv", "--data", "city.gpkg", "--crs", "cgcs2000"]);
    let rows = done(folder, &["audit", "export", "--format", "csv", "--data", "city.gpkg"]);
    assert!(rows.contains(",import,facilities,") && rows.contains("f.csv"), "{rows}");
    let all = done(folder, &verify);
    let last = all.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(done(folder, &[&verify[..], &["--last", &last]].concat()), all);

    let whole = std::fs::read(folder.join("city.gpkg")).unwrap();
    let other = format!("{}:{}", last.split(':').next().unwrap(), "0".repeat(64));
    for (sql, known, says) in [
        ("UPDATE audit SET actor = 'x' WHERE number = 2", None, "row 2: it or a row before it was changed"),
        ("UPDATE audit SET at = '2020-01-01T00:00:00Z' WHERE number = 3", None, "row 3: it or a row before it was changed"),
        ("DELETE FROM audit WHERE number = 2", None, "row 3: rows before it are missing"),
        ("DELETE FROM audit WHERE number = 1", None, "row 2: rows before it are missing"),
        (
            "UPDATE meta SET value = '1 ' || (SELECT hash FROM audit WHERE number = 1) WHERE key = 'audit_begins_after'; DELETE FROM audit WHERE number = 1",
            None,
            "no row says that they were taken out",
        ),
        ("DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)", Some(&last), "the end was cut off"),
        ("SELECT 1", Some(&other), "is not the row with this number that was told"),
    ] {
        std::fs::write(folder.join("city.gpkg"), &whole).unwrap();
        edited(&folder.join("city.gpkg"), sql).await;
        let arguments = match known {
            Some(known) => [&verify[..], &["--last", known]].concat(),
            None => verify.to_vec(),
        };
        let found = run(folder, &arguments);
        assert!(found.status.code() == Some(1) && told(&found).contains(says), "{sql}: {}", told(&found));
    }
    let bad = run(folder, &[&verify[..], &["--last", "7"]].concat());
    assert!(bad.status.code() == Some(2) && told(&bad).contains("number of a row"), "{}", told(&bad));

    // With a server the same goes through it.
    std::fs::write(folder.join("city.gpkg"), &whole).unwrap();
    std::fs::write(folder.join("wangge.toml"), "data = \"city.gpkg\"\nlisten = \"127.0.0.1:0\"\n[access]\n").unwrap();
    let server = Program::start(folder, &["serve", "--config", "wangge.toml", "--log", "error"]);
    export("served.csv");
    server.end();
    let rows = done(folder, &["audit", "export", "--format", "csv", "--action", "export", "--data", "city.gpkg"]);
    assert_eq!(rows.matches("grids as csv").count(), 2, "{rows}");
}
