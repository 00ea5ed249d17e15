//! `/api/v1/events`: viewers are told exactly what changed.

use super::changes::{moved_border, tags};
use super::city::{self, GRID_2};
use super::{get, send};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tower::ServiceExt;
use wangge::app::App;
use wangge::city::Change;
use wangge::domain::id::Epoch;

/// One event.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    kind: String,
    id: Option<u64>,
    data: Value,
}

/// An open stream.
struct Stream {
    headers: HeaderMap,
    body: Body,
    text: String,
}

impl Stream {
    async fn open(router: &Router, query: &str, last: Option<u64>) -> Self {
        let mut request = Request::get(format!("/api/v1/events{query}")).header("host", "localhost");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        let (parts, body) = response.into_parts();
        Self { headers: parts.headers, body, text: String::new() }
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let data = self.body.frame().await?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next event; comments are passed over.
    async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let Some(data) = field("data: ") else { continue };
            return Some(Event {
                kind: field("event: ").unwrap(),
                id: field("id: ").map(|id| id.parse().unwrap()),
                data: serde_json::from_str(&data).unwrap(),
            });
        }
    }

    /// The tiles told by layer, up to the event that says it is the last of `revision`.
    async fn tiles_until(&mut self, revision: u64) -> BTreeMap<String, BTreeSet<String>> {
        let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        loop {
            let event = self.event().await.unwrap();
            assert_eq!(event.kind, "tiles");
            let layer = event.data["layer"].as_str().unwrap().to_owned();
            let tiles = event.data["tiles"].as_array().unwrap_or_else(|| panic!("{event:?}"));
            told.entry(layer).or_default().extend(tiles.iter().map(|tile| tile.as_str().unwrap().to_owned()));
            match event.id {
                Some(id) if id == revision => return told,
                Some(id) => assert!(id < revision, "{event:?}"),
                None => {}
            }
        }
    }
}

async fn create(router: &Router, position: [f64; 2]) -> Value {
    let body = json!({ "position": position, "crs": "wgs84", "category": "01050" });
    let request = Request::post("/api/v1/facilities").header("host", "localhost").header("content-type", "application/json");
    let answer = send(router, request.body(Body::from(body.to_string())).unwrap()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn revision(answer: &Value) -> u64 {
    answer["revision"].as_u64().unwrap()
}

/// Tiles whose tag is another one now, by layer; those of cases aside.
fn differing(
    before: &BTreeMap<String, (u16, String)>,
    after: &BTreeMap<String, (u16, String)>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut differing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (uri, tag) in before.iter().filter(|(uri, tag)| after[*uri] != **tag) {
        let (layer, tile) = uri.trim_start_matches("/tiles/").split_once('/').unwrap();
        assert!(!tag.1.is_empty() || tag.0 == 204, "{uri} {tag:?}");
        differing.entry(layer.to_owned()).or_default().insert(tile.to_owned());
    }
    differing.remove("cases");
    differing
}

/// The tiles that addresses stand for, among some tiles.
fn expanded(told: &BTreeMap<String, BTreeSet<String>>, among: &BTreeSet<(u32, u32, u32)>) -> BTreeMap<String, BTreeSet<String>> {
    let numbers = |text: &str| {
        let numbers: Vec<u32> = text.split('/').map(|number| number.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2])
    };
    told.iter()
        .map(|(layer, addresses)| {
            let mut tiles = BTreeSet::new();
            for address in addresses {
                match address.strip_suffix("/*") {
                    None => drop(tiles.insert(address.clone())),
                    Some(root) => {
                        let (z, x, y) = numbers(root);
                        let below = among.iter().filter(|(tz, tx, ty)| *tz >= z && tx >> (tz - z) == x && ty >> (tz - z) == y);
                        tiles.extend(below.map(|(z, x, y)| format!("{z}/{x}/{y}")));
                    }
                }
            }
            (layer.clone(), tiles)
        })
        .collect()
}

fn among(tags: &BTreeMap<String, (u16, String)>) -> BTreeSet<(u32, u32, u32)> {
    tags.keys()
        .map(|uri| {
            let numbers: Vec<u32> = uri.split('/').skip(3).map(|number| number.parse().unwrap()).collect();
            (numbers[0], numbers[1], numbers[2])
        })
        .collect()
}

#[tokio::test]
async fn a_written_facility_is_told_as_exactly_the_tiles_that_changed() {
    let router = city::router().await;
    let mut stream = Stream::open(&router, "?kinds=tiles,resync", None).await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(
        (&stream.headers["x-accel-buffering"], &stream.headers["cache-control"]),
        (&"no".parse().unwrap(), &"no-cache".parse().unwrap())
    );
    let now = revision(&get(&router, "/api/v1/meta").await.ok());
    assert_eq!(stream.block().await.unwrap(), format!("retry: 2000\n:\nid: {now}"));
    let before = tags(&router).await;
    let made = create(&router, [122.117, 30.017]).await;
    assert_eq!(revision(&made), now + 1);
    let event = stream.event().await.unwrap();
    assert_eq!((event.kind.as_str(), event.id), ("tiles", Some(now + 1)));
    assert_eq!(
        (&event.data["layer"], &event.data["revision"], &event.data["epoch"]),
        (&json!("facilities"), &json!(now + 1), &json!(2))
    );
    let told: BTreeSet<String> =
        event.data["tiles"].as_array().unwrap().iter().map(|tile| tile.as_str().unwrap().to_owned()).collect();
    let after = tags(&router).await;
    let expected = differing(&before, &after);
    assert_eq!(expanded(&[("facilities".to_owned(), told)].into(), &among(&after)), expected);
    assert!(expected["facilities"].len() >= 11, "one a zoom at least");
}

#[tokio::test]
async fn a_published_border_is_told_as_exactly_the_tiles_that_changed() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let before = tags(&router).await;
    let mut stream = Stream::open(&router, "", None).await;
    moved_border(&app.store).await;
    let next = App::open(app.store.clone(), city::config(), app.clock.clone()).await.unwrap().published.load();
    let number = app.store.revision().await.unwrap();
    app.applier.apply(number, Change::Boundaries(Arc::clone(&next.territory))).await.unwrap();
    let told = stream.tiles_until(number.0).await;
    let after = tags(&router).await;
    assert_eq!(expanded(&told, &among(&after)), differing(&before, &after));
    assert_eq!(next.epoch(), Epoch(3));
    assert!(told.contains_key("grids") && !told.contains_key("facilities"), "{told:?}");
}

#[tokio::test]
async fn who_comes_back_is_told_what_it_missed() {
    let router = city::router().await;
    let now = revision(&get(&router, "/api/v1/meta").await.ok());
    let places = [[122.105, 30.005], [122.115, 30.015], [122.125, 30.005]];
    let mut last = now;
    for place in places {
        last = revision(&create(&router, place).await);
    }
    let since = async |revision: u64| Stream::open(&router, &format!("?since={revision}"), None).await.tiles_until(last).await;
    let (all, some) = (since(now).await, since(now + 2).await);
    assert!(some["facilities"].is_subset(&all["facilities"]) && some["facilities"].len() < all["facilities"].len());
    // What the browser says itself is newer than the address it was given at first.
    let mut resumed = Stream::open(&router, &format!("?since={now}"), Some(now + 2)).await;
    assert_eq!(resumed.tiles_until(last).await, some);
    // One tile that changed three times is told once.
    assert_eq!(all["facilities"].iter().filter(|tile| tile.starts_with("6/")).count(), 1);
    for elsewhere in [now - 1, last + 1] {
        let mut stream = Stream::open(&router, &format!("?since={elsewhere}"), None).await;
        let event = stream.event().await.unwrap();
        assert_eq!((event.kind.as_str(), event.id, event.data), ("resync", Some(last), json!({ "revision": last })));
    }
}

#[tokio::test]
async fn only_what_is_near_is_told() {
    let router = city::router().await;
    let near = [format!("?within={GRID_2}"), "?bbox=122.1,30.01,122.11,30.02".to_owned()];
    let mut streams = Vec::new();
    for query in &near {
        streams.push(Stream::open(&router, query, None).await);
    }
    let mut none = Stream::open(&router, "?kinds=resync", None).await;
    // Far beyond the sea, then in the second grid, at the deepest zooms one tile each.
    create(&router, [122.6, 30.5]).await;
    let last = revision(&create(&router, [122.105, 30.015]).await);
    for stream in &mut streams {
        let told = stream.tiles_until(last).await;
        let deep = told["facilities"].iter().filter(|tile| tile.starts_with("16/")).count();
        assert_eq!(deep, 1, "{told:?}");
    }
    assert!(none.block().await.unwrap().starts_with("retry: "));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), none.block()).await;
    assert!(waited.is_err(), "told {waited:?}");
    let problem = get(&router, "/api/v1/events?within=330999").await.problem(404, "unknown_code");
    assert_eq!(problem["given"], "330999");
}

#[tokio::test]
async fn kinds_that_are_not_built_are_refused() {
    let router = city::router().await;
    for kind in ["indicators", "case", "boundary", "staff", "fence", "", "tiles,x", "Tiles"] {
        let problem = get(&router, &format!("/api/v1/events?kinds={kind}")).await.problem(400, "bad_parameter");
        assert_eq!((&problem["field"], &problem["allowed"]), (&json!("kinds"), &json!(["tiles", "resync"])), "{kind}");
    }
    get(&router, "/api/v1/events?since=x").await.problem(400, "bad_parameter");
    let request = Request::get("/api/v1/events").header("host", "localhost").header("last-event-id", "x");
    send(&router, request.body(Body::empty()).unwrap()).await.problem(400, "bad_header");
}

#[tokio::test]
async fn streams_are_counted_and_end_when_the_server_stops() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(Stream::open(&router, "", None).await);
    }
    let metrics = get(&router, "/metrics").await.text();
    assert!(metrics.contains("\nwangge_event_streams 3\n"), "{metrics}");
    drop(streams.pop());
    assert_eq!(app.live.viewers(), 2);
    app.end_streams();
    for stream in &mut streams {
        while stream.block().await.is_some() {}
    }
    drop(streams);
    assert_eq!(app.live.viewers(), 0);
}
