//! Who was let in and is not any more: work that has begun, sessions, and those who put others out.

use super::access::{Carries, Served, claims, claims_with, cookie_of, open, signed, stream};
use super::city::{GRID_1, GRID_2};
use super::send;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tower::ServiceExt;
use wangge::app::App;
use wangge::clock::Clock;

/// A body that is written piece by piece.
struct Pen(mpsc::Sender<Bytes>);

fn pen() -> (Pen, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let pieces = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|piece| piece.map(Ok::<_, Infallible>)));
    (Pen(sender), Body::from_stream(pieces))
}

impl Pen {
    /// Whoever reads may have stopped: then their answer says why.
    async fn write(&self, text: &str) {
        let _ = self.0.send(Bytes::copy_from_slice(text.as_bytes())).await;
    }
}

/// A request whose answer begins while its body is still written.
async fn begun(served: &Served, uri: &str, media: &str, carries: (&'static str, &str), body: Body) -> Response<Body> {
    let request = Request::post(uri).header("host", "localhost:8080").header("content-type", media);
    let request = request.header(carries.0, carries.1).body(body).unwrap();
    served.router.clone().oneshot(request).await.unwrap()
}

async fn next(body: &mut Body) -> Option<String> {
    loop {
        let frame = body.frame().await?.unwrap().into_data().unwrap();
        if !frame.is_empty() {
            return Some(String::from_utf8(frame.to_vec()).unwrap());
        }
    }
}

/// A session of a browser: its cookie.
async fn session(served: &Served, token: &str) -> String {
    let begun = served.ask("POST", "/api/v1/session", Carries::Nothing, Some(json!({ "token": token }))).await;
    begun.ok();
    cookie_of(&begun, "wangge").unwrap()
}

#[tokio::test]
async fn a_stream_of_lines_ends_when_its_token_is_revoked() {
    let served = Served::plain().await;
    for (media, first, more) in [
        ("application/x-ndjson", "{\"position\":[122.105,30.005]}\n", "{\"position\":[122.105,30.015]}\n"),
        ("text/csv", "lon,lat\n122.105,30.005\n", "122.105,30.015\n"),
    ] {
        let (id, token) = served.token(json!({ "name": media, "roles": ["viewer"] })).await;
        let (pen, body) = pen();
        pen.write(first).await;
        let response =
            begun(&served, "/api/v1/locate?crs=wgs84", media, ("authorization", &format!("Bearer {token}")), body).await;
        assert_eq!(response.status(), 200);
        let mut answer = response.into_body();
        let mut told = String::new();
        while !told.contains(GRID_1) {
            told.push_str(&next(&mut answer).await.unwrap());
        }
        pen.write(more).await;
        assert!(next(&mut answer).await.unwrap().contains(GRID_2));
        served.ask("DELETE", &format!("/api/v1/tokens/{id}"), Carries::Bearer(&served.local), None).await.ok();
        pen.write(more).await;
        let last = next(&mut answer).await.unwrap();
        assert!(last.contains("unauthorized") && last.contains("revoked") && !last.contains(GRID_2), "{last}");
        assert_eq!(next(&mut answer).await, None);
    }
}

#[tokio::test]
async fn a_stream_of_lines_ends_with_its_session_and_keeps_it_while_it_goes_on() {
    let served = Served::with("[access]\nidle_minutes = 30\n", &[]).await;
    let (_, token) = served.token(json!({ "name": "desk", "roles": ["viewer"] })).await;
    let cookie = session(&served, &token).await;
    let (pen, body) = pen();
    let line = "{\"position\":[122.105,30.005]}\n";
    pen.write(line).await;
    let carries = ("cookie", &*format!("wangge={cookie}"));
    let response = begun(&served, "/api/v1/locate?crs=wgs84", "application/x-ndjson", carries, body).await;
    let mut answer = response.into_body();
    for minutes in [20, 40, 60] {
        assert!(next(&mut answer).await.unwrap().contains(GRID_1));
        served.app.clock.set(super::city::now() + jiff::SignedDuration::from_mins(minutes));
        pen.write(line).await;
    }
    assert!(next(&mut answer).await.unwrap().contains(GRID_1));
    assert_eq!(served.ask("DELETE", "/api/v1/session", Carries::Cookie(&cookie), None).await.status, 204);
    pen.write(line).await;
    let last: Value = serde_json::from_str(&next(&mut answer).await.unwrap()).unwrap();
    assert_eq!((&last["line"], &last["error"]["code"]), (&json!(5), &json!("unauthorized")));
    assert_eq!(next(&mut answer).await, None);
}

#[tokio::test]
async fn an_upload_whose_token_was_revoked_meanwhile_is_refused_and_leaves_nothing() {
    let served = Served::plain().await;
    let local = served.local.clone();
    let rows = "code,category,name,lon,lat\nnew-1,01001,井盖,122.105,30.005\n";
    let form = format!("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{rows}\r\n--B--\r\n");
    // As one file and as parts; of one file with nothing but its end behind the revocation, too.
    for (media, pieces, revoked_after) in [
        ("application/octet-stream", [rows, "new-2,01001,井盖,122.105,30.005\n"], 1),
        ("application/octet-stream", [rows, "new-2,01001,井盖,122.105,30.005\n"], 2),
        ("multipart/form-data; boundary=B", [&form[..80], &form[80..]], 1),
    ] {
        let (id, token) = served.token(json!({ "name": format!("{media} {revoked_after}"), "roles": ["admin"] })).await;
        let (pen, body) = pen();
        let uri = "/api/v1/imports?kind=facilities&crs=wgs84&source=x&file=a.csv";
        let carries = ("authorization", &*format!("Bearer {token}"));
        let answer = begun(&served, uri, media, carries, body);
        let writing = async {
            for (at, piece) in pieces.iter().enumerate() {
                pen.write(piece).await;
                if at + 1 == revoked_after {
                    // The channel has room for one: what went before it has been taken.
                    pen.write("").await;
                    pen.write("").await;
                    served.ask("DELETE", &format!("/api/v1/tokens/{id}"), Carries::Bearer(&local), None).await.ok();
                }
            }
            drop(pen);
        };
        let (answer, ()) = tokio::join!(answer, writing);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&problem["status"], &problem["code"]),
            (&json!(401), &json!("unauthorized")),
            "{media} {revoked_after}: {problem}"
        );
        assert_eq!(problem["reason"], "ended");
    }
    let list = served.get("/api/v1/imports", Carries::Bearer(&served.local)).await.ok();
    assert_eq!(list["number_matched"], 0);
    let left = std::fs::read_dir(served.app.config.uploads()).map(|listed| listed.count()).unwrap_or_default();
    assert_eq!(left, 0, "files of a refused upload");
    let found = served.get("/api/v1/search?q=new-1", Carries::Bearer(&served.local)).await.ok();
    assert_eq!(found["items"], json!([]));
}

/// Settings by which the test itself can say who somebody is, with some users.
fn settings(users: &str) -> String {
    format!("[access]\n[jwt]\nissuer = \"https://sso.example\"\naudience = \"wangge\"\nsecret_file = \"secret\"\n{users}")
}

const SECRET: &str = "a secret of more than thirty-two characters";

#[tokio::test]
async fn a_session_is_what_the_settings_say_today() {
    let chief = "[[user]]\nid = \"chief\"\nroles = [\"planner\"]\nwithin = [\"*\"]\n";
    let zhang = format!("[[user]]\nid = \"zhang\"\nroles = [\"viewer\"]\nwithin = [\"{GRID_2}\"]\n");
    let served = Served::with(&settings(chief), &[("secret", SECRET)]).await;
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let cookie_of_claims = async |claims: Value| session(&served, &signed(&key, Algorithm::HS256, None, &claims)).await;
    let (chief_cookie, zhang_cookie) =
        (cookie_of_claims(claims_with("sub", json!("chief"))).await, cookie_of_claims(claims()).await);
    let me = served.get("/api/v1/me", Carries::Cookie(&chief_cookie)).await.ok();
    assert_eq!((&me["roles"], &me["within"]), (&json!(["planner"]), &Value::Null));
    // The server starts anew with other settings, over the same store.
    let anew = async |users: &str| {
        let folder = served.folder.path();
        let config = open(&settings(users), folder).await.unwrap().config.clone();
        let app = App::open(served.app.store.clone(), config, Clock::fixed(super::city::now())).await.unwrap();
        wangge::http::router(Arc::new(app))
    };
    let me = async |router: &axum::Router, cookie: &str| {
        let request = Request::get("/api/v1/me").header("host", "localhost").header("cookie", format!("wangge={cookie}"));
        send(router, request.body(Body::empty()).unwrap()).await
    };
    let other = anew(&format!("{}{zhang}", chief.replace("planner", "officer"))).await;
    let told = me(&other, &chief_cookie).await.ok();
    assert_eq!(told["roles"], json!(["officer"]));
    // Whom their own system called an operator of one grid, the settings now call something else.
    let told = me(&other, &zhang_cookie).await.ok();
    assert_eq!((&told["roles"], &told["within"]), (&json!(["viewer"]), &json!([GRID_2])));
    let none = anew("").await;
    assert_eq!(me(&none, &chief_cookie).await.problem(401, "unauthorized")["reason"], "ended");
    let told = me(&none, &zhang_cookie).await.ok();
    assert_eq!((&told["roles"], &told["within"]), (&json!(["operator"]), &json!([GRID_1])), "as their own system says");
}

#[tokio::test]
async fn who_administers_sees_sessions_and_puts_people_out() {
    let served = Served::plain().await;
    let (id, officer) = served.token(json!({ "name": "officer 7", "roles": ["officer"], "within": [GRID_1] })).await;
    let (_, viewer) = served.token(json!({ "name": "hall", "roles": ["viewer"] })).await;
    let (_, admin) = served.token(json!({ "name": "admin", "roles": ["admin"] })).await;
    let (_, part) = served.token(json!({ "name": "admin of a grid", "roles": ["admin"], "within": [GRID_1] })).await;
    let (officer_cookie, hall) = (session(&served, &officer).await, session(&served, &viewer).await);
    let listed = async |who: &str| {
        let listed = served.get("/api/v1/sessions", Carries::Bearer(who)).await;
        assert!(!listed.text().contains(&hall[4..]) && !listed.text().contains(&officer_cookie[4..]), "no secret");
        listed.ok()["items"].as_array().unwrap().clone()
    };
    let all = listed(&admin).await;
    let callers: Vec<&str> = all.iter().map(|one| one["caller"].as_str().unwrap()).collect();
    assert_eq!(callers.len(), 2);
    let own = all.iter().find(|one| one["caller"] == "officer 7").unwrap();
    assert_eq!((&own["roles"], &own["within"], &own["token"]), (&json!(["officer"]), &json!([GRID_1]), &json!(id)));
    assert_eq!(listed(&part).await.len(), 1, "of its part of the city");
    let hall_id = all.iter().find(|one| one["caller"] == "hall").unwrap()["id"].as_str().unwrap().to_owned();
    let put_out =
        async |who: &str, id: &str| served.ask("DELETE", &format!("/api/v1/sessions/{id}"), Carries::Bearer(who), None).await;
    put_out(&part, &hall_id).await.problem(404, "unknown_id");
    put_out(&admin, "0").await.problem(404, "unknown_id");
    put_out(&viewer, &hall_id).await.problem(403, "denied");
    assert_eq!(served.get("/api/v1/sessions", Carries::Bearer(&viewer)).await.problem(403, "denied")["right"], "admin");
    served.get("/api/v1/me", Carries::Cookie(&hall)).await.ok();

    // Its stream ends with it, and its token goes on.
    let request = Request::get("/api/v1/events").header("host", "localhost").header("cookie", format!("wangge={hall}"));
    let mut events = served.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_body();
    assert!(events.frame().await.is_some(), "the greeting");
    assert_eq!(put_out(&admin, &hall_id).await.ok()["caller"], "hall");
    assert!(events.frame().await.is_none(), "its stream ends");
    assert_eq!(served.get("/api/v1/me", Carries::Cookie(&hall)).await.problem(401, "unauthorized")["reason"], "ended");
    put_out(&admin, &hall_id).await.problem(404, "unknown_id");
    let mut own = stream(&served, &viewer).await;
    assert!(own.frame().await.is_some());
    let row = served.noted("session_ended").await;
    assert_eq!((row.deed.actor.as_str(), row.deed.object.as_str()), ("admin", "hall"));
    served.get("/api/v1/me", Carries::Cookie(&officer_cookie)).await.ok();
}
