//! Coming in with a browser: what a person is told who is turned away, how often one may try, and that one browser has one session.

use super::access::{Carries, Served, cookie_of, query};
use super::{Answer, send};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use wangge::domain::secret::Secret;

async fn page(served: &Served, uri: &str, cookie: &str) -> Answer {
    let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    let request = Request::get(uri).header("host", "localhost:8080").header("accept", accept).header("cookie", cookie);
    send(&served.router, request.body(Body::empty()).unwrap()).await
}

/// What a browser keeps during a log-in elsewhere, and the state that comes back.
fn begun() -> (String, String) {
    let seed = Secret::random().unwrap();
    (seed.text(), seed.derived("state").text())
}

/// An address at which nothing answers.
fn nobody_there() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn whoever_is_turned_away_on_a_page_is_led_back_and_told_why() {
    let (oidc, cas) = (nobody_there(), nobody_there());
    let settings = format!("[access]\n[oidc]\nissuer = \"{oidc}\"\nclient_id = \"wangge\"\n[cas]\nurl = \"{cas}/cas\"\n");
    let served = Served::with(&settings, &[]).await;
    let (seed, x) = begun();
    for (uri, cookie, place) in [
        ("/log-in/oidc?to=/?grid=1".to_owned(), String::new(), "/?grid=1#log-in=elsewhere"),
        (format!("/log-in/oidc/back?state={x}&code=y"), String::new(), "/#log-in=invalid"),
        (format!("/log-in/oidc/back?state={x}&code=y"), format!("wangge_state={seed}.%2Fg%2F1"), "/g/1#log-in=elsewhere"),
        (
            format!("/log-in/oidc/back?state={x}&error=access_denied"),
            format!("wangge_state={seed}.%2Fg%2F1"),
            "/g/1#log-in=invalid",
        ),
        (
            format!("/log-in/cas/back?state={x}&ticket=ST-1"),
            format!("wangge_state={seed}.%2F%3Fgrid%3D1"),
            "/?grid=1#log-in=elsewhere",
        ),
        (format!("/log-in/cas/back?state={x}"), format!("a=b; wangge_state={seed}.%2F%23a"), "/#a&log-in=invalid"),
        (format!("/log-in/cas/back?state={seed}&ticket=ST-1"), format!("wangge_state={seed}.%2F%3Fgrid%3D1"), "/#log-in=invalid"),
        ("/log-in/cas/back?state=x&ticket=ST-1".to_owned(), "wangge_state=x.%2F%3Fgrid%3D1".to_owned(), "/#log-in=invalid"),
        ("/log-in/cas/back?ticket=ST-1".to_owned(), String::new(), "/#log-in=invalid"),
    ] {
        let answer = page(&served, &uri, &cookie).await;
        assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (303, place), "{uri}");
        assert!(cookie_of(&answer, "wangge").is_none(), "{uri}: no session");
    }
    // What a browser brings back is as little to be trusted as what it is sent with.
    let elsewhere = format!("wangge_state={seed}.%2F%2Fevil.example");
    page(&served, &format!("/log-in/oidc/back?state={x}&code=y"), &elsewhere).await.problem(400, "bad_parameter");
    // A program is told in the answer.
    let told = served.get("/log-in/oidc", Carries::Nothing).await.problem(502, "upstream_failed");
    assert_eq!(told["reason"], "elsewhere");
}

#[tokio::test]
async fn why_somebody_is_refused_is_a_word() {
    let served = Served::with("[access]\n", &[]).await;
    let why =
        async |uri: &str, carries: Carries<'_>| served.get(uri, carries).await.problem(401, "unauthorized")["reason"].clone();
    assert_eq!(why("/api/v1/me", Carries::Nothing).await, "nobody");
    assert_eq!(why("/api/v1/me", Carries::Bearer("wgs_no")).await, "invalid");
    assert_eq!(why("/api/v1/me", Carries::Cookie("wgs_no")).await, "ended");
    let (id, token) = served.token(json!({ "name": "hall", "roles": ["viewer"] })).await;
    let me = served.get("/api/v1/me", Carries::Bearer(&token)).await.ok();
    assert_eq!(me["session"], false, "there is nothing to log out of");
    served.ask("DELETE", &format!("/api/v1/tokens/{id}"), Carries::Bearer(&served.local), None).await.ok();
    let revoked = served.ask("POST", "/api/v1/session", Carries::Nothing, Some(json!({ "token": token }))).await;
    assert_eq!(revoked.problem(401, "unauthorized")["reason"], "ended");
}

#[tokio::test]
async fn a_browser_has_one_session() {
    let served = Served::with("[access]\n", &[]).await;
    let (_, one) = served.token(json!({ "name": "one", "roles": ["viewer"] })).await;
    let (_, two) = served.token(json!({ "name": "two", "roles": ["viewer"] })).await;
    let first = served.ask("POST", "/api/v1/session", Carries::Nothing, Some(json!({ "token": one }))).await;
    assert_eq!(first.ok()["session"], true);
    let first = cookie_of(&first, "wangge").unwrap();
    // A slip of the keyboard does not end it, another log-in does.
    let wrong = served.ask("POST", "/api/v1/session", Carries::Cookie(&first), Some(json!({ "token": "wgs_no" }))).await;
    wrong.problem(401, "unauthorized");
    assert_eq!(served.get("/api/v1/me", Carries::Cookie(&first)).await.ok()["id"], "one");
    let second = served.ask("POST", "/api/v1/session", Carries::Cookie(&first), Some(json!({ "token": two }))).await;
    assert_eq!(second.ok()["id"], "two");
    let second = cookie_of(&second, "wangge").unwrap();
    served.get("/api/v1/me", Carries::Cookie(&first)).await.problem(401, "unauthorized");
    let me = served.get("/api/v1/me", Carries::Cookie(&second)).await.ok();
    assert_eq!((&me["id"], &me["session"], &me["idle_s"]), (&json!("two"), &json!(true), &json!(1800)));
}

#[tokio::test]
async fn tokens_can_be_tried_so_often_and_a_good_one_is_always_taken() {
    let served = Served::with(
        "[access]\nrequests_per_second = 1.0\nrequests_at_once = 100.0\n[oidc]\nissuer = \"http://127.0.0.1:9\"\nclient_id = \"wangge\"\n",
        &[],
    )
    .await;
    let (_, token) = served.token(json!({ "name": "desk", "roles": ["viewer"] })).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let answer = served.ask("POST", "/api/v1/session", Carries::Nothing, Some(json!({ "token": "wgs_no" }))).await;
        if answer.status == 429 {
            assert!(answer.problem(429, "too_many_requests")["retry_after_s"].as_u64().is_some_and(|seconds| seconds >= 1));
        }
        statuses.push(answer.status.as_u16());
    }
    assert_eq!((statuses[0], statuses[7]), (401, 429), "{statuses:?}");
    assert_eq!(page(&served, "/log-in/oidc/back?state=x&code=y", "").await.headers["location"], "/#log-in=too_many");
    served.ask("POST", "/api/v1/session", Carries::Nothing, Some(json!({ "token": token }))).await.ok();
}

#[tokio::test]
async fn behind_a_proxy_a_page_is_that_of_the_public_address() {
    let settings = "base_url = \"https://city.example/\"\n[access]\n[cas]\nurl = \"https://sso.example/cas\"\n";
    let served = Served::with(settings, &[]).await;
    let from = |origin: &str| {
        let request = Request::post("/api/v1/session").header("host", "127.0.0.1:8080").header("origin", origin);
        let body = json!({ "token": served.local.clone() }).to_string();
        request.header("content-type", "application/json").body(Body::from(body)).unwrap()
    };
    let begun = send(&served.router, from("https://city.example")).await;
    begun.ok();
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-wangge=") && cookie.contains("; Secure"), "{cookie}");
    assert_eq!(begun.headers["cross-origin-opener-policy"], "same-origin");
    for other in ["https://city.example.evil", "http://city.example", "https://evil.example", "null"] {
        send(&served.router, from(other)).await.problem(403, "foreign_origin");
    }
}

/// Over TLS the cookie of a log-in has a name that no other host and no page without TLS can give one, as that of a session.
#[tokio::test]
async fn a_log_in_over_tls_is_remembered_by_this_host_alone() {
    let cas = nobody_there();
    for (base, name, path) in [
        ("https://city.example/wangge", "__Host-wangge_state", "/"),
        ("http://city.example/wangge", "wangge_state", "/wangge/log-in"),
    ] {
        let served = Served::with(&format!("base_url = \"{base}\"\n[access]\n[cas]\nurl = \"{cas}/cas\"\n"), &[]).await;
        let sent = served.get("/log-in/cas?to=/g/1", Carries::Nothing).await;
        let cookie = sent.headers["set-cookie"].to_str().unwrap().to_owned();
        let parts: Vec<&str> = cookie.split("; ").collect();
        assert!(parts[0].starts_with(&format!("{name}=wgs_")) && parts.contains(&&*format!("Path={path}")), "{cookie}");
        assert_eq!(parts.contains(&"Secure"), name.starts_with("__Host-"), "{cookie}");
        assert!(parts.contains(&"HttpOnly") && parts.contains(&"SameSite=Lax") && !cookie.contains("Domain"), "{cookie}");
        // It is looked for under that name alone: `elsewhere` is the log-in page that does not answer.
        let (_, value) = parts[0].split_once('=').unwrap();
        let service = query(sent.headers["location"].to_str().unwrap())["service"].clone();
        let back = format!("{}&ticket=ST-1", service.strip_prefix(base).unwrap());
        let other = if name == "wangge_state" { "__Host-wangge_state" } else { "wangge_state" };
        for (name, place) in [(name, "/g/1#log-in=elsewhere"), (other, "/#log-in=invalid")] {
            let answer = page(&served, &back, &format!("{name}={value}")).await;
            assert_eq!(answer.headers["location"], place, "{base} {name}");
        }
    }
}

#[tokio::test]
async fn the_letters_of_the_page_come_without_a_session() {
    let served = Served::with("[access]\n", &[]).await;
    let css = served.get("/fonts/noto-sans-sc.css", Carries::Nothing).await;
    assert_ne!(css.status, 401, "{}", css.text());
    for guarded in ["/styles/dark.json", "/sprites/icons.json", "/background.geojson"] {
        served.get(guarded, Carries::Nothing).await.problem(401, "unauthorized");
    }
}
