//! Who may come in: tokens, sessions, signed tokens of others, a gateway, log-in pages; what each may do; what is noted of it.

use super::city::{self, GRID_1, GRID_2};
use super::{Answer, filled, send};
use axum::body::Body;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, Request};
use axum::routing::{get as route_get, post as route_post};
use axum::{Json, Router};
use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;
use wangge::app::App;
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::audit::AuditRow;
use wangge::http::{Need, TABLE};

/// A server that tells callers apart.
pub(super) struct Served {
    pub(super) app: Arc<App>,
    pub(super) router: Router,
    /// Of the command line of this machine.
    pub(super) local: String,
    pub(super) folder: tempfile::TempDir,
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(super) enum Carries<'a> {
    Nothing,
    Bearer(&'a str),
    Cookie(&'a str),
}

impl Served {
    pub(super) async fn with(settings: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let app = Arc::new(open(settings, folder.path()).await.unwrap());
        let local = app.access().unwrap().local().text();
        Self { router: wangge::http::router(Arc::clone(&app)), app, local, folder }
    }

    pub(super) async fn plain() -> Self {
        Self::with("[access]\n", &[]).await
    }

    pub(super) async fn ask(&self, method: &str, uri: &str, carries: Carries<'_>, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("host", "localhost:8080");
        request = match carries {
            Carries::Nothing => request,
            Carries::Bearer(token) => request.header("authorization", format!("Bearer {token}")),
            Carries::Cookie(secret) => request.header("cookie", format!("other=1; wangge={secret}")),
        };
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        send(&self.router, request.body(body).unwrap()).await
    }

    pub(super) async fn get(&self, uri: &str, carries: Carries<'_>) -> Answer {
        self.ask("GET", uri, carries, None).await
    }

    /// Makes a token: its key and its secret.
    pub(super) async fn token(&self, body: Value) -> (i64, String) {
        let made = self.ask("POST", "/api/v1/tokens", Carries::Bearer(&self.local), Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        (made["id"].as_i64().unwrap(), made["token"].as_str().unwrap().to_owned())
    }

    pub(super) async fn rows(&self) -> Vec<AuditRow> {
        self.app.store.audit_after(0, 10_000).await.unwrap()
    }

    /// Waits for a deed that is noted behind an answer.
    pub(super) async fn noted(&self, action: &str) -> AuditRow {
        for _ in 0..200 {
            if let Some(row) = self.rows().await.into_iter().find(|row| row.deed.action.as_str() == action) {
                return row;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no {action} was noted");
    }
}

pub(super) async fn open(settings: &str, folder: &Path) -> Result<App, String> {
    let path = folder.join("wangge.toml");
    std::fs::write(&path, settings).unwrap();
    let config = Config::read(&path).map_err(|error| error.to_string())?;
    App::open(city::store().await, config, Clock::fixed(city::now())).await.map_err(|error| error.to_string())
}

/// The list of what is open is written here once more, so that no route becomes open by a slip.
#[tokio::test]
async fn every_route_wants_to_know_who_is_calling() {
    let open = BTreeSet::from([
        "/api/v1/log-ins",
        "/ca",
        "/ca.crt",
        "/api/v1/session",
        "/fonts/{*path}",
        "/healthz",
        "/log-in/cas",
        "/log-in/cas/back",
        "/log-in/oidc",
        "/log-in/oidc/back",
        "/readyz",
    ]);
    let served = Served::plain().await;
    let mut found_open = BTreeSet::new();
    for (method, path, need) in TABLE {
        let answer = served.ask(method, &filled(path), Carries::Nothing, None).await;
        if *need == Need::Nothing {
            found_open.insert(*path);
            assert_ne!(answer.status, 401, "{method} {path}");
            continue;
        }
        let problem = answer.problem(401, "unauthorized");
        assert!(problem["detail"].as_str().unwrap().contains("Bearer"), "{problem}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"wangge\"", "{method} {path}");
        let wrong = served.ask(method, &filled(path), Carries::Bearer(&format!("wgs_{}", "0".repeat(64))), None).await;
        assert!(wrong.status == 401 || wrong.status == 429, "{method} {path}: {}", wrong.text());
    }
    assert_eq!(found_open, open);
    // The method that a route does not take, and a slash that a client added, are no ways round.
    for (method, path) in [("PUT", "/api/v1/facilities"), ("GET", "/ogc/"), ("HEAD", "/api/v1/meta"), ("OPTIONS", "/api/v1/meta")]
    {
        assert_eq!(served.ask(method, path, Carries::Nothing, None).await.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn a_token_does_what_its_roles_may_and_nothing_after_it_was_revoked() {
    let served = Served::plain().await;
    let (id, viewer) = served.token(json!({ "name": "wall 1", "roles": ["viewer"] })).await;
    let me = served.get("/api/v1/me", Carries::Bearer(&viewer)).await.ok();
    assert_eq!((&me["id"], &me["roles"], &me["rights"]), (&json!("wall 1"), &json!(["viewer"]), &json!(["read"])));
    assert_eq!((&me["within"], &me["told_apart"]), (&Value::Null, &json!(true)));
    served.get("/api/v1/meta", Carries::Bearer(&viewer)).await.ok();
    let denied = served.get("/metrics", Carries::Bearer(&viewer)).await.problem(403, "denied");
    assert_eq!(denied["right"], "metrics");
    let facility = json!({ "position": [122.105, 30.005], "crs": "wgs84", "category": "01050" });
    served.ask("POST", "/api/v1/facilities", Carries::Bearer(&viewer), Some(facility.clone())).await.problem(403, "denied");
    served.get("/api/v1/tokens", Carries::Bearer(&viewer)).await.problem(403, "denied");
    served.get("/api/v1/audit", Carries::Bearer(&served.local)).await.ok();

    let (_, operator) = served.token(json!({ "name": "desk", "roles": ["operator", "viewer"] })).await;
    let made = served.ask("POST", "/api/v1/facilities", Carries::Bearer(&operator), Some(facility)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    // Imports of boundaries need more than imports.
    let (_, planner) = served.token(json!({ "name": "plan", "roles": ["planner"] })).await;
    let upload = "/api/v1/imports?kind=grids&crs=cgcs2000";
    assert_eq!(served.ask("POST", upload, Carries::Bearer(&operator), None).await.problem(403, "denied")["right"], "import");
    let begun = served.ask("POST", upload, Carries::Bearer(&planner), None).await;
    assert_ne!(begun.status, 403, "{}", begun.text());

    let list = served.get("/api/v1/tokens", Carries::Bearer(&served.local)).await;
    assert!(!list.text().contains(&viewer), "a secret is told once");
    let mut stream = stream(&served, &viewer).await;
    assert!(stream.frame().await.is_some(), "the greeting");
    let gone = served.ask("DELETE", &format!("/api/v1/tokens/{id}"), Carries::Bearer(&served.local), None).await.ok();
    assert!(gone["revoked_at"].is_string());
    let problem = served.get("/api/v1/meta", Carries::Bearer(&viewer)).await;
    assert!(problem.problem(401, "unauthorized")["detail"].as_str().unwrap().contains("revoked"));
    assert!(problem.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    assert!(stream.frame().await.is_none(), "its stream ends");
    served.get("/api/v1/meta", Carries::Bearer(&operator)).await.ok();

    // Another run of the server knows the same.
    let again = App::open(served.app.store.clone(), served.app.config.clone(), Clock::fixed(city::now())).await.unwrap();
    let router = wangge::http::router(Arc::new(again));
    for (token, status) in [(&viewer, 401), (&operator, 200)] {
        let request = Request::get("/api/v1/meta").header("host", "localhost").header("authorization", format!("Bearer {token}"));
        assert_eq!(send(&router, request.body(Body::empty()).unwrap()).await.status, status);
    }
}

pub(super) async fn stream(served: &Served, token: &str) -> Body {
    let request = Request::get("/api/v1/events").header("host", "localhost").header("authorization", format!("Bearer {token}"));
    let response = served.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body()
}

#[tokio::test]
async fn what_no_token_can_be_is_refused_with_its_field() {
    let served = Served::plain().await;
    for (body, code, field) in [
        (json!({ "roles": ["viewer"] }), "missing_field", "name"),
        (json!({ "name": "a" }), "missing_field", "roles"),
        (json!({ "name": "a", "roles": [] }), "bad_field", "roles"),
        (json!({ "name": "a", "roles": ["king"] }), "bad_field", "roles"),
        (json!({ "name": "", "roles": ["viewer"] }), "bad_field", "name"),
        (json!({ "name": "a\n", "roles": ["viewer"] }), "bad_field", "name"),
        (json!({ "name": "a", "roles": ["viewer"], "ends_at": "2001-01-01T00:00:00Z" }), "bad_field", "ends_at"),
        (json!({ "name": "a", "roles": ["viewer"], "within": ["a b"] }), "bad_field", "within"),
        (json!({ "name": "a", "roles": ["viewer"], "rights": [] }), "unknown_field", "rights"),
    ] {
        let answer = served.ask("POST", "/api/v1/tokens", Carries::Bearer(&served.local), Some(body.clone())).await;
        assert_eq!(answer.problem(400, code)["field"], field, "{body}");
    }
    served.ask("DELETE", "/api/v1/tokens/77", Carries::Bearer(&served.local), None).await.problem(404, "unknown_id");
    for header in ["Basic abc", "Bearer", "Bearer a b c", "Bearer \u{7f}"] {
        let Ok(value) = HeaderValue::from_str(header) else { continue };
        let request = Request::get("/api/v1/meta").header("host", "localhost").header("authorization", value);
        let status = send(&served.router, request.body(Body::empty()).unwrap()).await.status.as_u16();
        assert!(status == 400 || status == 401, "{header:?}: {status}");
    }
}

#[tokio::test]
async fn a_token_sees_its_part_of_the_city_and_gives_no_more_away() {
    let served = Served::plain().await;
    let (_, officer) = served.token(json!({ "name": "officer 7", "roles": ["officer"], "within": [GRID_1] })).await;
    served.get(&format!("/api/v1/grids/{GRID_1}"), Carries::Bearer(&officer)).await.ok();
    served.get(&format!("/api/v1/grids/{GRID_2}"), Carries::Bearer(&officer)).await.problem(404, "unknown_code");
    let me = served.get("/api/v1/me", Carries::Bearer(&officer)).await.ok();
    assert_eq!(me["within"], json!([GRID_1]));
    let (_, admin) = served.token(json!({ "name": "admin of one grid", "roles": ["admin"], "within": [GRID_1] })).await;
    for (within, status) in [(json!([GRID_1]), 201), (json!([GRID_1, GRID_2]), 400), (Value::Null, 400), (json!(["9"]), 400)] {
        let body = json!({ "name": "x", "roles": ["viewer"], "within": within });
        let made = served.ask("POST", "/api/v1/tokens", Carries::Bearer(&admin), Some(body)).await;
        assert_eq!(made.status.as_u16(), status, "{}", made.text());
    }
    // It knows of no token beside its part, and what it makes may do no more than itself.
    let listed = served.get("/api/v1/tokens", Carries::Bearer(&admin)).await.ok();
    let names: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|token| token["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["officer 7", "admin of one grid", "x"]);
    let (other, _) = served.token(json!({ "name": "officer 8", "roles": ["officer"], "within": [GRID_2] })).await;
    let revoked = served.ask("DELETE", &format!("/api/v1/tokens/{other}"), Carries::Bearer(&admin), None).await;
    revoked.problem(404, "unknown_id");
    served.get("/api/v1/audit", Carries::Bearer(&admin)).await.problem(403, "denied");
    let (_, admin) = served.token(json!({ "name": "admin", "roles": ["admin"] })).await;
    let body = json!({ "name": "y", "roles": ["auditor"] });
    let refused = served.ask("POST", "/api/v1/tokens", Carries::Bearer(&admin), Some(body)).await;
    assert_eq!(refused.problem(400, "bad_field")["field"], "roles");
}

#[tokio::test]
async fn a_browser_comes_in_with_a_token_and_goes_out() {
    let served = Served::plain().await;
    let (id, token) = served.token(json!({ "name": "hall", "roles": ["operator"], "screen": "hall-1" })).await;
    let page = Carries::Nothing;
    let wrong = served.ask("POST", "/api/v1/session", page, Some(json!({ "token": "wgs_no" }))).await;
    wrong.problem(401, "unauthorized");
    let begun = served.ask("POST", "/api/v1/session", page, Some(json!({ "token": token }))).await;
    let me = begun.ok();
    assert_eq!((&me["screen"], &me["rights"]), (&json!("hall-1"), &json!(["read", "phones", "texts"])), "a screen only shows");
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    let secret = cookie.split(';').next().unwrap().strip_prefix("wangge=").unwrap().to_owned();
    assert_ne!(secret, token);
    served.get("/api/v1/meta", Carries::Cookie(&secret)).await.ok();
    served.get("/api/v1/meta", Carries::Cookie("wgs_other")).await.problem(401, "unauthorized");

    // A page of another site makes the browser send the cookie: nothing is written.
    let forged = |origin: &str| {
        let request =
            Request::delete("/api/v1/session").header("host", "localhost:8080").header("cookie", format!("wangge={secret}"));
        request.header("origin", origin).body(Body::empty()).unwrap()
    };
    send(&served.router, forged("https://evil.example")).await.problem(403, "foreign_origin");
    served.get("/api/v1/meta", Carries::Cookie(&secret)).await.ok();
    let out = send(&served.router, forged("http://localhost:8080")).await;
    assert_eq!(out.status, 204, "{}", out.text());
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    served.get("/api/v1/meta", Carries::Cookie(&secret)).await.problem(401, "unauthorized");

    // It ends with its token too.
    let begun = served.ask("POST", "/api/v1/session", page, Some(json!({ "token": token }))).await;
    let cookie = begun.headers["set-cookie"].to_str().unwrap().to_owned();
    let secret = cookie.split(';').next().unwrap().strip_prefix("wangge=").unwrap();
    served.ask("DELETE", &format!("/api/v1/tokens/{id}"), Carries::Bearer(&served.local), None).await.ok();
    served.get("/api/v1/meta", Carries::Cookie(secret)).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn sessions_end_by_time_and_outlive_the_server() {
    let served = Served::with("[access]\nidle_minutes = 30\nsession_hours = 2\n", &[]).await;
    let (_, token) = served.token(json!({ "name": "desk", "roles": ["operator"] })).await;
    let begun = served.ask("POST", "/api/v1/session", Carries::Nothing, Some(json!({ "token": token }))).await;
    let cookie = begun.headers["set-cookie"].to_str().unwrap().to_owned();
    let secret = cookie.split(';').next().unwrap().strip_prefix("wangge=").unwrap();
    assert!(cookie.contains("Max-Age=7200"), "{cookie}");
    let after = |minutes: i64| city::now() + jiff::SignedDuration::from_mins(minutes);
    for minutes in [29, 58, 87] {
        served.app.clock.set(after(minutes));
        served.get("/api/v1/meta", Carries::Cookie(secret)).await.ok();
    }
    served.app.sessions_keep().await.unwrap();
    let again = App::open(served.app.store.clone(), served.app.config.clone(), Clock::fixed(after(88))).await.unwrap();
    let again = wangge::http::router(Arc::new(again));
    let request = Request::get("/api/v1/meta").header("host", "localhost").header("cookie", format!("wangge={secret}"));
    assert_eq!(send(&again, request.body(Body::empty()).unwrap()).await.status, 200);
    served.app.clock.set(after(120));
    served.get("/api/v1/meta", Carries::Cookie(secret)).await.problem(401, "unauthorized");

    served.app.clock.set(city::now());
    let begun = served.ask("POST", "/api/v1/session", Carries::Nothing, Some(json!({ "token": token }))).await;
    let cookie = begun.headers["set-cookie"].to_str().unwrap().to_owned();
    let secret = cookie.split(';').next().unwrap().strip_prefix("wangge=").unwrap();
    served.app.clock.set(after(30));
    served.get("/api/v1/meta", Carries::Cookie(secret)).await.problem(401, "unauthorized");
}

/// A key pair, and its public half as others publish it.
pub(super) fn key(id: &str) -> (EncodingKey, Value) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let point = pair.public_key_raw();
    let text = |bytes: &[u8]| base64url(bytes);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": text(&point[1..33]), "y": text(&point[33..]) });
    (EncodingKey::from_ec_der(&pair.serialize_der()), jwk)
}

pub(super) fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    bits.chunks(6)
        .map(|six| {
            let value = six.iter().chain([0; 6].iter()).take(6).fold(0_usize, |value, bit| value << 1 | usize::from(*bit));
            char::from(DIGITS[value])
        })
        .collect()
}

pub(super) fn claims() -> Value {
    let now = city::now().as_second();
    json!({ "iss": "https://sso.example", "aud": "wangge", "sub": "zhang", "exp": now + 600, "roles": ["operator", "staff"], "within": [GRID_1] })
}

pub(super) fn claims_with(name: &str, value: Value) -> Value {
    let mut all = claims();
    all[name] = value;
    all
}

pub(super) fn signed(key: &EncodingKey, algorithm: Algorithm, id: Option<&str>, claims: &Value) -> String {
    encode(&Header { kid: id.map(str::to_owned), ..Header::new(algorithm) }, claims, key).unwrap()
}

#[tokio::test]
async fn signed_tokens_of_another_system_are_good_when_everything_about_them_is() {
    let (one, public) = key("one");
    let (other, _) = key("two");
    let settings = "[access]\n[jwt]\nissuer = \"https://sso.example\"\naudience = \"wangge\"\njwks_file = \"keys.json\"\n\
                    [[user]]\nid = \"chief\"\nroles = [\"planner\"]\nwithin = [\"*\"]\n";
    let served = Served::with(settings, &[("keys.json", &json!({ "keys": [public] }).to_string())]).await;
    let es = |claims: &Value| signed(&one, Algorithm::ES256, Some("one"), claims);
    let me = served.get("/api/v1/me", Carries::Bearer(&es(&claims()))).await.ok();
    assert_eq!((&me["id"], &me["roles"], &me["within"]), (&json!("zhang"), &json!(["operator"]), &json!([GRID_1])));
    let all = served.get("/api/v1/me", Carries::Bearer(&es(&claims_with("within", json!("*"))))).await.ok();
    assert_eq!(all["within"], Value::Null);
    let chief = served.get("/api/v1/me", Carries::Bearer(&es(&claims_with("sub", json!("chief"))))).await.ok();
    assert_eq!((&chief["roles"], &chief["within"]), (&json!(["planner"]), &Value::Null), "the settings know better");

    let now = city::now().as_second();
    let shared = EncodingKey::from_secret(public.to_string().as_bytes());
    let mut none = es(&claims());
    none.replace_range(..none.find('.').unwrap(), &base64url(br#"{"alg":"none","typ":"JWT"}"#));
    let unsigned = format!("{}.", &none[..none.rfind('.').unwrap()]);
    let mut changed = es(&claims()).into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    for (what, token) in [
        ("a key that nobody knows", signed(&other, Algorithm::ES256, Some("two"), &claims())),
        ("another key under a known name", signed(&other, Algorithm::ES256, Some("one"), &claims())),
        ("the public key as a shared secret", signed(&shared, Algorithm::HS256, Some("one"), &claims())),
        ("algorithm none", none),
        ("no signature", unsigned),
        ("a changed letter", String::from_utf8(changed).unwrap()),
        ("ended", es(&claims_with("exp", json!(now - 61)))),
        ("without an end", es(&claims_with("exp", Value::Null))),
        ("not yet good", es(&claims_with("nbf", json!(now + 120)))),
        ("for somebody else", es(&claims_with("aud", json!("payroll")))),
        ("from somebody else", es(&claims_with("iss", json!("https://evil.example")))),
        ("without a name", es(&claims_with("sub", Value::Null))),
        ("nonsense", "a.b.c".to_owned()),
        ("much nonsense", "x".repeat(7000)),
    ] {
        let answer = served.get("/api/v1/me", Carries::Bearer(&token)).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    }
    served.get("/api/v1/me", Carries::Bearer(&es(&claims_with("roles", json!(["staff"]))))).await.problem(403, "denied");
    served.get("/api/v1/me", Carries::Bearer(&es(&claims_with("within", Value::Null)))).await.problem(403, "denied");
}

#[tokio::test]
async fn a_secret_that_both_know_signs_too() {
    let secret = "a secret of more than thirty-two characters";
    let settings = "[access]\n[jwt]\nissuer = \"https://sso.example\"\naudience = \"wangge\"\nsecret_file = \"secret\"\n";
    let served = Served::with(settings, &[("secret", &format!("{secret}\n"))]).await;
    let key = EncodingKey::from_secret(secret.as_bytes());
    served.get("/api/v1/me", Carries::Bearer(&signed(&key, Algorithm::HS256, None, &claims()))).await.ok();
    let wrong = EncodingKey::from_secret(b"another secret of more than 32 characters");
    served
        .get("/api/v1/me", Carries::Bearer(&signed(&wrong, Algorithm::HS256, None, &claims())))
        .await
        .problem(401, "unauthorized");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "short").unwrap();
    let refused = open(settings, folder.path()).await.err().unwrap();
    assert!(refused.contains("secret_file") && refused.contains("32") && !refused.contains("short"), "{refused}");
}

#[tokio::test]
async fn a_gateway_is_believed_where_it_stands_and_nowhere_else() {
    let settings = "[access]\n[proxy]\ntrusted = [\"10.1.0.0/24\"]\nuser_header = \"X-User\"\nroles_header = \"X-Roles\"\nwithin_header = \"X-Within\"\n";
    let served = Served::with(settings, &[]).await;
    let from = |peer: &str, headers: &[(&'static str, &str)]| {
        let mut request = Request::get("/api/v1/me").header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(wangge::http::listen::Peer(SocketAddr::new(peer.parse().unwrap(), 1)));
        request
    };
    let all = [("x-user", "li"), ("x-roles", "officer, other"), ("x-within", GRID_2)];
    let me = send(&served.router, from("10.1.0.9", &all)).await.ok();
    assert_eq!((&me["id"], &me["roles"], &me["within"]), (&json!("li"), &json!(["officer"]), &json!([GRID_2])));
    send(&served.router, from("10.1.1.9", &all)).await.problem(401, "unauthorized");
    send(&served.router, from("10.1.0.9", &all[..2])).await.problem(403, "denied");
    send(&served.router, from("10.1.0.9", &[("x-roles", "admin"), ("x-within", "*")])).await.problem(401, "unauthorized");
    let request = Request::get("/api/v1/me").header("host", "localhost").header("x-user", "li").header("x-roles", "admin");
    send(&served.router, request.body(Body::empty()).unwrap()).await.problem(401, "unauthorized");
    // A second one may be the client's own: nobody is chosen.
    for again in [("x-user", "chief"), ("x-user", "li"), ("X-Roles", "admin"), ("x-within", "*")] {
        let twice: Vec<(&'static str, &str)> = all.iter().copied().chain([again]).collect();
        let problem = send(&served.router, from("10.1.0.9", &twice)).await.problem(400, "bad_header");
        assert!(problem["detail"].as_str().unwrap().contains("twice"), "{problem}");
        send(&served.router, from("10.1.1.9", &twice)).await.problem(401, "unauthorized");
    }
}

/// A log-in page of OpenID Connect: what it was asked, and by which key it signs.
struct Provider {
    key: EncodingKey,
    jwks: Value,
    issuer: String,
    /// By code: the challenge and the nonce that the browser brought.
    codes: Mutex<HashMap<String, (String, String)>>,
    tamper: Mutex<Option<(&'static str, Value)>>,
}

async fn provider() -> Arc<Provider> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (key, jwk) = key("p");
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let jwks = json!({ "keys": [jwk] });
    let provider = Arc::new(Provider { key, jwks, issuer, codes: Mutex::default(), tamper: Mutex::default() });
    let router = Router::new()
        .route("/.well-known/openid-configuration", route_get(async |State(me): State<Arc<Provider>>| {
            let at = |path: &str| format!("{}{path}", me.issuer);
            Json(json!({ "issuer": me.issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"), "jwks_uri": at("/keys") }))
        }))
        .route("/keys", route_get(async |State(me): State<Arc<Provider>>| Json(me.jwks.clone())))
        .route("/token", route_post(token_endpoint))
        .with_state(Arc::clone(&provider));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    provider
}

async fn token_endpoint(
    State(me): State<Arc<Provider>>,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Json<Value>, axum::http::StatusCode> {
    let bad = axum::http::StatusCode::BAD_REQUEST;
    let (challenge, nonce) = me.codes.lock().unwrap().remove(&form["code"]).ok_or(bad)?;
    let hash = wangge::domain::secret::Digest::of(form["code_verifier"].as_bytes());
    if base64url(hash.bytes()) != challenge
        || form["client_secret"] != "the secret of the client, thirty-two"
        || form["client_id"] != "wangge"
    {
        return Err(bad);
    }
    let mut claims = claims_with("nonce", json!(nonce));
    claims["iss"] = json!(me.issuer);
    claims["name"] = json!("张三");
    if let Some((name, value)) = &*me.tamper.lock().unwrap() {
        claims[*name] = value.clone();
    }
    Ok(Json(
        json!({ "access_token": "x", "token_type": "Bearer", "id_token": signed(&me.key, Algorithm::ES256, Some("p"), &claims) }),
    ))
}

/// The query of an address.
pub(super) fn query(address: &str) -> HashMap<String, String> {
    let uri: axum::http::Uri = address.parse().unwrap();
    let Query(pairs) = Query::<HashMap<String, String>>::try_from_uri(&uri).unwrap();
    pairs
}

pub(super) fn cookie_of(answer: &Answer, name: &str) -> Option<String> {
    let all = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.filter_map(|value| value.split(';').next()?.split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

#[tokio::test]
async fn a_browser_logs_in_by_openid_connect() {
    let provider = provider().await;
    let settings = format!(
        "[access]\n[oidc]\nissuer = \"{}\"\nclient_id = \"wangge\"\nclient_secret_file = \"secret\"\ntitle = \"统一认证\"\n",
        provider.issuer
    );
    let served = Served::with(&settings, &[("secret", "the secret of the client, thirty-two")]).await;
    let other = Served::with(&settings, &[("secret", "the secret of the client, thirty-two")]).await;
    let ways = served.get("/api/v1/log-ins", Carries::Nothing).await.ok();
    assert_eq!((&ways["items"][0]["title"], &ways["items"][0]["href"]), (&json!("统一认证"), &json!("/log-in/oidc")));
    // The browser is sent to the page, and the page sends it back with a code.
    let begin = async || {
        let sent = served.get("/log-in/oidc?to=/%3Fgrid%3D1", Carries::Nothing).await;
        assert_eq!(sent.status, 303, "{}", sent.text());
        let asked = query(sent.headers["location"].to_str().unwrap());
        assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
        assert_eq!(asked["redirect_uri"], "http://localhost:8080/log-in/oidc/back");
        let code = format!("code {}", provider.codes.lock().unwrap().len());
        provider.codes.lock().unwrap().insert(code.clone(), (asked["code_challenge"].clone(), asked["nonce"].clone()));
        (asked["state"].clone(), code, cookie_of(&sent, "wangge_state").unwrap())
    };
    let back_at = async |at: &Served, state: &str, code: &str, cookie: &str| {
        let uri = format!("/log-in/oidc/back?state={state}&code={}", code.replace(' ', "%20"));
        let request = Request::get(uri).header("host", "localhost:8080").header("cookie", format!("wangge_state={cookie}"));
        send(&at.router, request.body(Body::empty()).unwrap()).await
    };
    let back = async |state: &str, code: &str, cookie: &str| back_at(&served, state, code, cookie).await;
    let (state, code, cookie) = begin().await;
    let came = back(&state, &code, &cookie).await;
    assert_eq!((came.status.as_u16(), came.headers["location"].to_str().unwrap()), (303, "/?grid=1"), "{}", came.text());
    let secret = cookie_of(&came, "wangge").unwrap();
    let me = served.get("/api/v1/me", Carries::Cookie(&secret)).await.ok();
    assert_eq!((&me["id"], &me["name"], &me["within"]), (&json!("zhang"), &json!("张三"), &json!([GRID_1])));
    assert_eq!(served.noted("log_in").await.deed.actor, "zhang");
    back(&state, &code, &cookie).await.problem(401, "unauthorized");

    // A proxy leads to any server of several.
    let (state, code, cookie) = begin().await;
    let came = back_at(&other, &state, &code, &cookie).await;
    let secret = cookie_of(&came, "wangge").unwrap();
    assert_eq!(other.get("/api/v1/me", Carries::Cookie(&secret)).await.ok()["id"], "zhang");

    // A log-in that another browser began, a code that is none, a token for another log-in, another client, ended.
    let (state, code, _) = begin().await;
    let (_, _, other) = begin().await;
    back(&state, &code, &other).await.problem(401, "unauthorized");
    let (state, _, cookie) = begin().await;
    back(&state, "nothing", &cookie).await.problem(401, "unauthorized");
    for tamper in [("nonce", json!("x")), ("aud", json!("payroll")), ("exp", json!(1)), ("iss", json!("https://evil.example"))] {
        *provider.tamper.lock().unwrap() = Some(tamper.clone());
        let (state, code, cookie) = begin().await;
        let answer = back(&state, &code, &cookie).await;
        assert_eq!(answer.status, 401, "{tamper:?}: {}", answer.text());
    }
    assert!(served.noted("log_in_failed").await.deed.actor.is_empty());
    served.get("/log-in/oidc?to=//evil.example", Carries::Nothing).await.problem(400, "bad_parameter");
    served.get("/log-in/cas", Carries::Nothing).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_browser_logs_in_by_cas() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/cas", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<HashMap<String, String>>>> = Arc::default();
    let router = Router::new().route("/cas/p3/serviceValidate", route_get(validate)).with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let served = Served::with(&format!("[access]\n[cas]\nurl = \"{address}\"\n"), &[]).await;
    let sent = served.get("/log-in/cas?to=/%3Fgrid%3D1", Carries::Nothing).await;
    let place = sent.headers["location"].to_str().unwrap();
    assert!(place.starts_with(&format!("{address}/login?service=")), "{place}");
    let service = query(place)["service"].clone();
    let begun_here = cookie_of(&sent, "wangge_state").unwrap();
    let back = async |ticket: &str, cookie: &str| {
        let uri = format!("{}&ticket={ticket}", service.strip_prefix("http://localhost:8080").unwrap());
        let request = Request::get(uri).header("host", "localhost:8080").header("cookie", format!("wangge_state={cookie}"));
        send(&served.router, request.body(Body::empty()).unwrap()).await
    };
    // Somebody else's ticket, on a page of theirs: nobody is let in as them, and the ticket is not even asked for.
    assert_eq!(back("ST-good", "").await.status, 401);
    assert_eq!(back("ST-good", &begun_here.replace("wgs_", "wgs_0")).await.status, 401);
    assert_eq!(asked.lock().unwrap().len(), 0);
    let came = back("ST-good", &begun_here).await;
    assert_eq!((came.status.as_u16(), came.headers["location"].to_str().unwrap()), (303, "/?grid=1"), "{}", came.text());
    assert_eq!(asked.lock().unwrap()[0]["service"], service, "the ticket is asked for as it was given");
    let me = served.get("/api/v1/me", Carries::Cookie(&cookie_of(&came, "wangge").unwrap())).await.ok();
    assert_eq!((&me["id"], &me["roles"]), (&json!("wang"), &json!(["operator"])));
    for bad in ["ST-bad", "", "ST-%26x"] {
        assert_eq!(back(bad, &begun_here).await.status, 401, "{bad}");
    }
}

/// CAS 2 says who somebody is and nothing more: what they may the settings say.
#[tokio::test]
async fn a_browser_logs_in_by_cas_2() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/cas", listener.local_addr().unwrap());
    let router = Router::new().route(
        "/cas/serviceValidate",
        route_get(async |Query(asked): Query<HashMap<String, String>>| {
            let said = match asked["ticket"].strip_prefix("ST-") {
                Some(user) => format!("<cas:authenticationSuccess><cas:user>{user}</cas:user></cas:authenticationSuccess>"),
                None => "<cas:authenticationFailure code=\"INVALID_TICKET\">no</cas:authenticationFailure>".to_owned(),
            };
            format!("<cas:serviceResponse xmlns:cas=\"http://www.yale.edu/tp/cas\">{said}</cas:serviceResponse>")
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let settings = format!(
        "[access]\n[cas]\nurl = \"{address}\"\nversion = 2\n[[user]]\nid = \"wang\"\nroles = [\"officer\"]\nwithin = [\"{GRID_2}\"]\n"
    );
    let served = Served::with(&settings, &[]).await;
    let back = async |ticket: &str| {
        let sent = served.get("/log-in/cas", Carries::Nothing).await;
        let service = query(sent.headers["location"].to_str().unwrap())["service"].clone();
        let uri = format!("{}&ticket={ticket}", service.strip_prefix("http://localhost:8080").unwrap());
        let cookie = format!("wangge_state={}", cookie_of(&sent, "wangge_state").unwrap());
        let request = Request::get(uri).header("host", "localhost:8080").header("cookie", cookie);
        send(&served.router, request.body(Body::empty()).unwrap()).await
    };
    let came = back("ST-wang").await;
    assert_eq!(came.status, 303, "{}", came.text());
    let me = served.get("/api/v1/me", Carries::Cookie(&cookie_of(&came, "wangge").unwrap())).await.ok();
    assert_eq!((&me["id"], &me["roles"], &me["within"]), (&json!("wang"), &json!(["officer"]), &json!([GRID_2])));
    back("ST-li").await.problem(403, "denied");
    back("wang").await.problem(401, "unauthorized");
}

/// What was sent in forms.
type Forms = Arc<Mutex<Vec<HashMap<String, String>>>>;

async fn validate(State(asked): State<Forms>, Query(query): Query<HashMap<String, String>>) -> String {
    let good = query["ticket"] == "ST-good";
    asked.lock().unwrap().push(query);
    let said = if good {
        format!(
            "<cas:authenticationSuccess><cas:user>wang</cas:user><cas:attributes><cas:roles>operator</cas:roles><cas:within>{GRID_1}</cas:within>\
             </cas:attributes></cas:authenticationSuccess>"
        )
    } else {
        "<cas:authenticationFailure code=\"INVALID_TICKET\">no</cas:authenticationFailure>".to_owned()
    };
    format!("<cas:serviceResponse xmlns:cas=\"http://www.yale.edu/tp/cas\">{said}</cas:serviceResponse>")
}

#[tokio::test]
async fn whoever_asks_too_much_is_told_when_to_come_back() {
    let served = Served::with("[access]\nrequests_per_second = 1.0\nrequests_at_once = 20.0\n", &[]).await;
    let (_, token) = served.token(json!({ "name": "loop", "roles": ["viewer"] })).await;
    let mut refused = None;
    for _ in 0..25 {
        let answer = served.get("/api/v1/me", Carries::Bearer(&token)).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let problem = refused.expect("it ends").problem(429, "too_many_requests");
    assert!(problem["retry_after_s"].as_u64().is_some_and(|seconds| seconds >= 1), "{problem}");
    let (_, other) = served.token(json!({ "name": "other", "roles": ["viewer"] })).await;
    served.get("/api/v1/me", Carries::Bearer(&other)).await.ok();
}

#[tokio::test]
async fn settings_that_could_not_work_are_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    for (settings, words) in [
        ("[access]\naudit_days = 179\n", "audit_days"),
        ("[jwt]\nissuer = \"a\"\naudience = \"b\"\njwks_url = \"https://a\"\n", "[access]"),
        ("[access]\n[jwt]\nissuer = \"a\"\naudience = \"b\"\n", "jwks_file"),
        ("[access]\n[jwt]\nissuer = \"a\"\naudience = \"b\"\njwks_url = \"http://keys.example\"\n", "https"),
        ("[access]\n[proxy]\ntrusted = []\nuser_header = \"x\"\n", "trusted"),
        ("[access]\n[proxy]\ntrusted = [\"x\"]\nuser_header = \"x\"\n", "trusted"),
        ("[access]\n[cas]\nurl = \"https://a\"\nversion = 1\n", "version"),
        (
            "[access]\n[[user]]\nid = \"a\"\nroles = [\"viewer\"]\nwithin = [\"*\"]\n\
             [[user]]\nid = \"a\"\nroles = [\"viewer\"]\nwithin = [\"*\"]\n",
            "twice",
        ),
        ("[access]\n[[user]]\nid = \"a\"\nroles = [\"viewer\"]\n", "within"),
        ("[access]\n[[user]]\nid = \"a\"\nroles = [\"viewer\"]\nwithin = [\"3309 02\"]\n", "within"),
        ("[access]\nrequests_per_second = nan\n", "NaN"),
        ("[access]\nroles = \"none.toml\"\n", "none.toml"),
    ] {
        let refused = open(settings, folder.path()).await.err().unwrap_or_else(|| panic!("{settings} is taken"));
        assert!(refused.contains(words), "{refused}");
    }
}

#[tokio::test]
async fn where_callers_are_not_told_apart_there_are_no_tokens_to_list() {
    let router = city::router().await;
    for path in ["/api/v1/tokens", "/api/v1/sessions"] {
        super::get(&router, path).await.problem(404, "no_callers");
    }
}
