//! Base maps and thematic layers, from servers that fail in every way and files that change.

use super::{Answer, city, get, send};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wangge::app::App;
use wangge::clock::Clock;
use wangge::config::Config;

/// The smallest picture: one grey pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81\x77\xcd\x72\xb6\0\0\0\0IEND\xaeB`\x82";

/// A server that answers what it was told to, and remembers what it was asked.
struct Upstream {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Vec<u8>>>,
    open: Arc<AtomicUsize>,
}

fn http(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
            .into_bytes();
    answer.extend_from_slice(body);
    answer
}

impl Upstream {
    async fn start(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let upstream = Self { address, asked: Arc::default(), answer: Arc::new(Mutex::new(answer)), open: Arc::default() };
        let (asked, answer, open) = (Arc::clone(&upstream.asked), Arc::clone(&upstream.answer), Arc::clone(&upstream.open));
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (asked, answer, open) = (Arc::clone(&asked), Arc::clone(&answer), Arc::clone(&open));
                tokio::spawn(async move {
                    open.fetch_add(1, Ordering::SeqCst);
                    let mut head = vec![0; 8192];
                    let n = socket.read(&mut head).await.unwrap_or(0);
                    if n > 0 {
                        asked.lock().unwrap().push(String::from_utf8_lossy(&head[..n]).into_owned());
                        let told = answer.lock().unwrap().clone();
                        let _ = socket.write_all(&told).await;
                    }
                });
            }
        });
        upstream
    }

    fn tell(&self, answer: Vec<u8>) {
        *self.answer.lock().unwrap() = answer;
    }

    /// First lines of what was asked.
    fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

async fn app(settings: &str, folder: &Path) -> Result<Arc<App>, String> {
    let path = folder.join("wangge.toml");
    std::fs::write(&path, settings).unwrap();
    let config = Config::read(&path).map_err(|error| error.to_string())?;
    let opened = App::open(city::store().await, config, Clock::fixed(city::now())).await;
    opened.map(Arc::new).map_err(|error| error.to_string())
}

async fn router(settings: &str, folder: &Path) -> Router {
    wangge::http::router(app(settings, folder).await.unwrap())
}

fn xyz(upstream: &Upstream) -> String {
    let address = &upstream.address;
    format!(
        "[[basemap]]\nid = \"street\"\ntitle = \"街道图\"\ntitle_en = \"Streets\"\nkind = \"xyz\"\ncrs = \"wgs84\"\nmaxzoom = 17\n\
         url = \"http://{address}/t/{{z}}/{{x}}/{{y}}.png?tk={{key}}\"\nkey_file = \"tk\"\nattribution = \"某测绘院 GS(2024)1号\""
    )
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tk"), "S3CRET\n").unwrap();
    folder
}

async fn asked_with(router: &Router, uri: &str, name: &str, value: &str) -> Answer {
    let request = Request::get(uri).header("host", "localhost:8080").header(name, value);
    send(router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_base_map_comes_through_us_once_and_its_key_stays_here() {
    let upstream = Upstream::start(http("200 OK", "image/png", PNG)).await;
    let folder = folder();
    let router = router(&xyz(&upstream), folder.path()).await;
    let meta = get(&router, "/api/v1/meta").await;
    let map = &meta.ok()["basemaps"][0];
    assert_eq!((&map["id"], &map["crs"], &map["title"]), (&json!("street"), &json!("wgs84"), &json!("街道图")));
    assert_eq!(map["attribution"], "某测绘院 GS(2024)1号");
    assert_eq!(map["parts"][0]["tiles"], "/basemaps/street/map/{z}/{x}/{y}");
    assert!(!meta.text().contains("S3CRET") && !meta.text().contains(&upstream.address), "{}", meta.text());

    let first = get(&router, "/basemaps/street/map/12/3437/1686").await;
    assert_eq!((first.status.as_u16(), first.headers["content-type"].to_str().unwrap()), (200, "image/png"));
    assert_eq!(first.body, PNG);
    assert_eq!(upstream.lines(), ["GET /t/12/3437/1686.png?tk=S3CRET HTTP/1.1"]);
    assert!(upstream.asked.lock().unwrap()[0].to_ascii_lowercase().contains("user-agent: wangge/"));
    let again = get(&router, "/basemaps/street/map/12/3437/1686").await;
    assert_eq!((again.body.as_slice(), upstream.lines().len()), (PNG, 1), "kept");
    let tag = again.headers["etag"].to_str().unwrap().to_owned();
    let known = asked_with(&router, "/basemaps/street/map/12/3437/1686", "if-none-match", &tag).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));

    // Many at once are one request.
    let many = (0..20).map(|_| get(&router, "/basemaps/street/map/12/3438/1686"));
    let answers = futures_util::future::join_all(many).await;
    assert!(answers.iter().all(|answer| answer.body == PNG));
    assert_eq!(upstream.lines().len(), 2);
    let metrics = get(&router, "/metrics").await.text();
    assert!(metrics.contains("wangge_upstream_requests"), "{metrics}");
}

#[tokio::test]
async fn a_server_that_fails_is_said_to_fail_without_its_address() {
    let upstream = Upstream::start(Vec::new()).await;
    let folder = folder();
    let long = http("200 OK", "image/png", &[PNG, &vec![0; 3 << 20]].concat());
    for (answer, status, code, words) in [
        (http("403 Forbidden", "application/json", b"{}"), 502, "upstream_failed", "403 (is the key right?)"),
        (http("500 Oh", "text/plain", b"tk=S3CRET"), 502, "upstream_failed", "500"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/?tk=S3CRET\r\nContent-Length: 0\r\n\r\n".to_vec(),
            502,
            "upstream_failed",
            "not followed",
        ),
        (http("200 OK", "text/html", b"<html>no such key S3CRET"), 502, "upstream_failed", "text/html instead of a picture"),
        (http("200 OK", "image/png", b"<svg onload=x>"), 502, "upstream_failed", "instead of a picture"),
        (http("200 OK", "text/html", PNG), 502, "upstream_failed", "calls text/html"),
        (long, 502, "upstream_failed", "more than 2097152 bytes"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 900\r\n\r\n\x89PNG".to_vec(),
            502,
            "upstream_failed",
            "broke off",
        ),
        (b"nonsense\r\n\r\n".to_vec(), 502, "upstream_failed", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx".to_vec(), 502, "upstream_failed", "coding"),
    ] {
        let router = router(&xyz(&upstream), folder.path()).await;
        upstream.tell(answer);
        let answer = get(&router, "/basemaps/street/map/3/4/2").await;
        let problem = answer.problem(status, code);
        assert!(problem["detail"].as_str().unwrap().contains(words), "{words}: {problem}");
        assert!(!answer.text().contains("S3CRET"), "{}", answer.text());
        // The outcome is not kept: when it is well again, so is the tile.
        upstream.tell(http("200 OK", "image/png", PNG));
        let mut well = get(&router, "/basemaps/street/map/3/4/2").await;
        for _ in 0..100 {
            if well.status.as_u16() == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            well = get(&router, "/basemaps/street/map/3/4/2").await;
        }
        assert_eq!(well.status.as_u16(), 200, "{words}");
    }
    // Nobody there: said at once, and for a moment without asking again.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = xyz(&upstream).replace(&upstream.address, &gone.to_string());
    let unreachable = router(&settings, folder.path()).await;
    for _ in 0..2 {
        let problem = get(&unreachable, "/basemaps/street/map/3/4/2").await.problem(502, "upstream_failed");
        assert!(problem["detail"].as_str().unwrap().contains("cannot be reached"), "{problem}");
    }
    assert!(get(&unreachable, "/metrics").await.text().contains("wangge_upstream_failures 1"));
    get(&unreachable, "/readyz").await.ok();
}

#[tokio::test]
async fn what_is_not_there_is_empty_and_what_cannot_be_is_refused() {
    let upstream = Upstream::start(http("404 Not Found", "text/plain", b"none")).await;
    let folder = folder();
    let router = router(&xyz(&upstream), folder.path()).await;
    let empty = get(&router, "/basemaps/street/map/3/4/2").await;
    assert_eq!((empty.status.as_u16(), empty.body.len()), (204, 0));
    get(&router, "/basemaps/street/map/3/4/2").await;
    assert_eq!(upstream.lines().len(), 1, "that there is nothing is kept too");
    get(&router, "/basemaps/street/map/18/0/0").await.problem(404, "outside_zooms");
    get(&router, "/basemaps/street/map/3/8/0").await.problem(400, "bad_path");
    get(&router, "/basemaps/street/map/3/4/..%2F..%2Fx").await.problem(400, "bad_path");
    get(&router, "/basemaps/street/vec/3/4/2").await.problem(404, "unknown_basemap");
    let unknown = get(&router, "/basemaps/nowhere/map/3/4/2").await.problem(404, "unknown_basemap");
    assert_eq!(unknown["allowed"], json!(["street"]));
    assert_eq!(upstream.lines().len(), 1, "none of it was asked for");
}

#[tokio::test]
async fn tiles_that_were_kept_in_the_folder_outlive_the_server_and_theirs() {
    let upstream = Upstream::start(http("200 OK", "image/png", PNG)).await;
    let folder = folder();
    let settings = format!("map_cache_folder = \"kept\"\n{}", xyz(&upstream));
    let first = router(&settings, folder.path()).await;
    assert_eq!(get(&first, "/basemaps/street/map/3/4/2").await.body, PNG);
    for _ in 0..100 {
        if get(&first, "/metrics").await.text().contains(&format!("wangge_map_cache_folder_bytes {}", PNG.len())) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    upstream.tell(http("500 No", "text/plain", b""));
    let second = router(&settings, folder.path()).await;
    assert_eq!(get(&second, "/basemaps/street/map/3/4/2").await.body, PNG);
    assert_eq!(upstream.lines().len(), 1);
    get(&second, "/basemaps/street/map/3/4/3").await.problem(502, "upstream_failed");
    // Old ones serve while there is nothing newer.
    let file = std::fs::read_dir(folder.path().join("kept")).unwrap().next().unwrap().unwrap().path();
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    let third = router(&settings, folder.path()).await;
    assert_eq!(get(&third, "/basemaps/street/map/3/4/2").await.body, PNG);
    assert_eq!(upstream.lines().len(), 3, "it was asked for anew, in vain");
    std::fs::write(folder.path().join("file"), "").unwrap();
    let refused = app(&settings.replace("\"kept\"", "\"file\""), folder.path()).await.err().unwrap();
    assert!(refused.contains("map_cache_folder"), "{refused}");
}

#[tokio::test]
async fn tianditu_is_asked_as_it_wants_to_be() {
    let upstream = Upstream::start(http("200 OK", "image/png", PNG)).await;
    let folder = folder();
    let settings = format!(
        "[[basemap]]\nid = \"tdt\"\ntitle = \"天地图\"\nkind = \"tianditu\"\ncrs = \"cgcs2000\"\nurl = \"http://{}\"\nkey_file = \"tk\"\nshown = true",
        upstream.address
    );
    let router = router(&settings, folder.path()).await;
    assert_eq!(get(&router, "/basemaps/tdt/vec/5/26/13").await.status.as_u16(), 200);
    assert_eq!(get(&router, "/basemaps/tdt/cva/5/26/13").await.status.as_u16(), 200);
    let asked = upstream.lines();
    for (line, layer) in asked.iter().zip(["vec", "cva"]) {
        assert!(line.starts_with(&format!("GET /{layer}_w/wmts?SERVICE=WMTS&")), "{line}");
        assert!(line.contains("TILEMATRIX=5&TILEROW=13&TILECOL=26&tk=S3CRET"), "{line}");
    }
    let meta = get(&router, "/api/v1/meta").await.ok();
    assert_eq!(
        (&meta["basemaps"][0]["shown"], &meta["basemaps"][0]["parts"][1]["tiles"]),
        (&json!(true), &json!("/basemaps/tdt/cva/{z}/{x}/{y}"))
    );
}

/// A map of one tile, as our own export writes it.
fn pmtiles(path: &Path) -> Vec<u8> {
    let tile = b"\x1a\x09\x78\x02\x0a\x05water".to_vec();
    pmtiles_of(path, &tile);
    tile
}

fn pmtiles_of(path: &Path, tile: &[u8]) {
    use wangge::interchange::outgoing::pmtiles::{About, PmtilesWriter, gzip};
    let mut writer = PmtilesWriter::new(path, std::fs::File::create(path).unwrap()).unwrap();
    writer.tile(wangge::geom::TileId::new(4, 13, 6).unwrap(), &gzip(tile).unwrap()).unwrap();
    let metadata = json!({ "vector_layers": [{ "id": "water" }], "attribution": "© OSM" });
    writer.finish(&About { metadata, zooms: (0, 6), bounds: [121.0, 29.0, 123.0, 31.0] }).unwrap();
}

#[tokio::test]
async fn another_file_of_tiles_under_the_name_is_taken_and_half_of_one_is_not() {
    let folder = folder();
    let path = folder.path().join("base.pmtiles");
    let old = pmtiles(&path);
    let settings = "[[layer]]\nid = \"sea\"\ntitle = \"海\"\nkind = \"pmtiles\"\ncrs = \"wgs84\"\nfile = \"base.pmtiles\"";
    let router = router(settings, folder.path()).await;
    let first = get(&router, "/layers/sea/4/13/6").await;
    assert_eq!((&first.body, &first.headers["cache-control"]), (&old, &HeaderValue::from_static("no-cache")));
    // A copy that has only begun, as a new file and over the old one's name.
    let coming = folder.path().join("coming");
    std::fs::write(&coming, b"PMTiles\x03").unwrap();
    std::fs::rename(&coming, &path).unwrap();
    assert_eq!(get(&router, "/layers/sea/4/13/6").await.body, old);
    let new = b"\x1a\x0b\x78\x02\x0a\x07harbour".to_vec();
    pmtiles_of(&coming, &new);
    std::fs::rename(&coming, &path).unwrap();
    let tag = first.headers["etag"].to_str().unwrap();
    let second = asked_with(&router, "/layers/sea/4/13/6", "if-none-match", tag).await;
    assert_eq!((second.status.as_u16(), &second.body), (200, &new));
}

#[tokio::test]
async fn pictures_of_a_layer_are_asked_for_again_when_they_are_old() {
    let upstream = Upstream::start(http("200 OK", "binary/octet-stream", PNG)).await;
    let folder = folder();
    let settings = |every: u32| {
        format!(
            "[[layer]]\nid = \"rain\"\ntitle = \"雨\"\nkind = \"xyz\"\ncrs = \"wgs84\"\ntile_size = 512\nmaxzoom = 7\n\
             every_s = {every}\nurl = \"http://{}/{{z}}/{{x}}/{{y}}.png\"",
            upstream.address
        )
    };
    let refused = app(&settings(0), folder.path()).await.err().unwrap();
    assert!(refused.contains("\"rain\"") && refused.contains("every_s"), "{refused}");
    let router = router(&settings(2), folder.path()).await;
    let tiles = &get(&router, "/api/v1/layers").await.ok()["items"][0];
    assert_eq!(
        (&tiles["tiles"]["tile_size"], &tiles["tiles"]["maxzoom"], &tiles["maxzoom"]),
        (&json!(512), &json!(7), &json!(22))
    );
    let first = get(&router, "/layers/rain/3/4/2").await;
    assert_eq!((first.body.as_slice(), first.headers["content-type"].to_str().unwrap()), (PNG, "image/png"));
    assert_eq!(first.headers["cache-control"], "private, max-age=2");
    let began = std::time::Instant::now();
    while upstream.lines().len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(30), "it is never asked for again");
        assert_eq!(get(&router, "/layers/rain/3/4/2").await.body, PNG);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    get(&router, "/layers/rain/8/4/2").await.problem(404, "outside_zooms");
}

#[tokio::test]
async fn a_file_of_tiles_is_a_base_map_and_a_layer_and_a_bad_one_is_told_at_start() {
    let folder = folder();
    let tile = pmtiles(&folder.path().join("base.pmtiles"));
    let settings = "[[basemap]]\nid = \"own\"\ntitle = \"底图\"\nkind = \"pmtiles\"\ncrs = \"cgcs2000\"\nfile = \"base.pmtiles\"\n\
                    [[layer]]\nid = \"sea\"\ntitle = \"海\"\nkind = \"pmtiles\"\ncrs = \"wgs84\"\nfile = \"base.pmtiles\"";
    let router = router(settings, folder.path()).await;
    let map = &get(&router, "/api/v1/meta").await.ok()["basemaps"][0];
    assert_eq!((&map["attribution"], &map["parts"][0]["kind"]), (&json!("© OSM"), &json!("vector")));
    assert_eq!(map["parts"][0]["vector_layers"], json!(["water"]));
    for uri in ["/basemaps/own/map/4/13/6", "/layers/sea/4/13/6"] {
        let plain = get(&router, uri).await;
        assert_eq!((plain.status.as_u16(), &plain.body), (200, &tile));
        assert_eq!(plain.headers["content-type"], "application/vnd.mapbox-vector-tile");
        let packed = asked_with(&router, uri, "accept-encoding", "gzip").await;
        assert_eq!(packed.headers["content-encoding"], "gzip");
        assert_eq!(wangge::interchange::pmtiles::gunzip(&packed.body, 100).unwrap(), tile);
    }
    assert_eq!(get(&router, "/basemaps/own/map/4/0/0").await.status.as_u16(), 204);
    let layers = get(&router, "/api/v1/layers").await.ok();
    assert_eq!(layers["items"][0]["tiles"]["tiles"], "/layers/sea/{z}/{x}/{y}");
    get(&router, "/layers/sea").await.problem(404, "unknown_layer");

    std::fs::write(folder.path().join("base.pmtiles"), b"PMTiles?").unwrap();
    let refused = app(settings, folder.path()).await.err().unwrap();
    assert!(refused.contains("\"own\"") && refused.contains("base.pmtiles"), "{refused}");
}

const SPOTS: &str = r#"{"type":"FeatureCollection","features":[
  {"type":"Feature","geometry":{"type":"Point","coordinates":[122.11,30.01]},"properties":{"level":"high","name":"东港路口"}},
  {"type":"Feature","geometry":{"type":"Point","coordinates":[122.12,30.02]},"properties":{"level":"low"}},
  {"type":"Feature","geometry":{"type":"Point","coordinates":[122.13,30.02]},"properties":{"level":"?"}}]}"#;

#[tokio::test]
async fn a_layer_of_a_file_is_converted_counted_and_followed() {
    let folder = folder();
    let path = folder.path().join("spots.geojson");
    std::fs::write(&path, SPOTS).unwrap();
    let settings = "[[layer]]\nid = \"spots\"\ntitle = \"积水点\"\ntitle_en = \"Flooded spots\"\ngroup = \"防汛\"\ngroup_en = \"Flood\"\n\
                    kind = \"geojson\"\nfile = \"spots.geojson\"\ncrs = \"gcj02\"\nevery_s = 2\ncolour = \"teal\"\nclass_field = \"level\"\n\
                    [[layer.class]]\nvalue = \"high\"\ntitle = \"高\"\ntitle_en = \"High\"\ncolour = \"violet\"\n\
                    [[layer.class]]\nvalue = \"none\"\ntitle = \"无\"";
    let router = router(settings, folder.path()).await;
    assert_eq!(get(&router, "/api/v1/meta").await.ok()["layers"], 1);
    let layers = get(&router, "/api/v1/layers").await.ok();
    let layer = &layers["items"][0];
    assert_eq!((&layer["count"], &layer["problem"]), (&json!(3), &json!(null)));
    let first = layer["version"].clone();
    assert!(first.as_u64().is_some_and(|version| version > 0 && version < 1 << 53), "{first}");
    assert_eq!(layer["as_of"], "2026-11-21T12:00:00+08:00");
    let classes: Vec<_> = layer["classes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["value"].as_str().unwrap(), one["count"].as_u64().unwrap(), one["colour"].as_str().unwrap()))
        .collect();
    assert_eq!(classes, [("high", 1, "violet"), ("none", 0, "teal"), ("?", 1, "teal"), ("low", 1, "teal")]);
    let shown = get(&router, "/layers/spots").await;
    assert_eq!(shown.headers["content-type"], "application/geo+json");
    let at = &shown.ok()["features"][0]["geometry"]["coordinates"];
    let expected = wangge::geom::Crs::Gcj02.to_cgcs2000(wangge::geom::LonLat::new(122.11, 30.01).unwrap()).unwrap();
    assert!((at[0].as_f64().unwrap() - expected.lon()).abs() < 1e-7, "{at}");
    assert_eq!(shown.ok()["features"][0]["properties"]["name"], "东港路口");
    let tag = shown.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(asked_with(&router, "/layers/spots", "if-none-match", &tag).await.status.as_u16(), 304);

    // A bad file: what was good is kept, and it is said.
    std::fs::write(&path, SPOTS.replace("122.12", "1220.12")).unwrap();
    let layer = until(&router, |layer| !layer["problem"].is_null()).await;
    let problem = layer["problem"].as_str().unwrap();
    assert!(problem.contains("spots.geojson") && problem.contains("features[1].geometry.coordinates"), "{problem}");
    assert_eq!(layer["count"], 3);
    assert_eq!(get(&router, "/readyz").await.ok()["stale_layers"], json!(["spots"]));
    assert!(get(&router, "/metrics").await.text().contains("wangge_stale_layers 1"));
    assert_eq!(get(&router, "/layers/spots").await.headers["etag"].to_str().unwrap(), tag);
    // A good one again.
    std::fs::write(&path, r#"{"type":"FeatureCollection","features":[]}"#).unwrap();
    let layer = until(&router, |layer| layer["problem"].is_null()).await;
    assert_eq!(layer["count"], 0);
    assert_ne!(layer["version"], first);
    assert_eq!(get(&router, "/readyz").await.ok()["stale_layers"], json!([]));
    get(&router, "/layers/nowhere").await.problem(404, "unknown_layer");
    get(&router, "/layers/spots/3/1/1").await.problem(404, "unknown_layer");

    // Another run of the server calls the same content the same: a page that stayed open need not ask, and asks when it is another.
    std::fs::write(&path, SPOTS).unwrap();
    let restarted = self::router(settings, folder.path()).await;
    assert_eq!(until(&restarted, |_| true).await["version"], first);
    std::fs::write(&path, SPOTS.replace("122.12", "\"x\"")).unwrap();
    let refused = app(settings, folder.path()).await.err().unwrap();
    assert!(refused.contains("\"spots\"") && refused.contains("features[1].geometry.coordinates"), "{refused}");
}

/// The first layer, as soon as it is so.
async fn until(router: &Router, so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    for _ in 0..300 {
        let layer = get(router, "/api/v1/layers").await.ok()["items"][0].clone();
        if so(&layer) {
            return layer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {}", get(router, "/api/v1/layers").await.text());
}

#[tokio::test]
async fn an_address_is_asked_again_and_again_and_what_was_good_last_is_kept() {
    let upstream = Upstream::start(http("503 No", "text/plain", b"")).await;
    let folder = folder();
    let settings = format!(
        "[[layer]]\nid = \"live\"\ntitle = \"实时\"\nkind = \"geojson\"\nurl = \"http://{}/live?k={{key}}\"\nkey_file = \"tk\"\ncrs = \"wgs84\"\nevery_s = 2",
        upstream.address
    );
    let router = router(&settings, folder.path()).await;
    let layer = until(&router, |layer| !layer["problem"].is_null()).await;
    assert_eq!((&layer["count"], &layer["as_of"], &layer["features"]), (&json!(null), &json!(null), &json!("/layers/live")));
    let missing = get(&router, "/layers/live").await;
    missing.problem(502, "upstream_failed");
    upstream.tell(http("200 OK", "application/json", SPOTS.as_bytes()));
    let layer = until(&router, |layer| layer["count"] == 3).await;
    assert_eq!(layer["problem"], json!(null));
    let version = layer["version"].clone();
    let long = format!(r#"{{"type":"{}"}}"#, "S3CRET".repeat(100_000));
    for bad in [
        http("200 OK", "text/html", b"<html>S3CRET"),
        http("200 OK", "application/json", b"{"),
        http("200 OK", "application/json", long.as_bytes()),
        http("302 Found", "a/b", b""),
    ] {
        upstream.tell(bad);
        let layer = until(&router, |layer| !layer["problem"].is_null()).await;
        assert_eq!(layer["count"], 3, "what was good last: {layer}");
        assert!(!layer.to_string().contains("S3CRET") && layer["problem"].as_str().unwrap().len() < 1000, "{layer}");
        assert_eq!(get(&router, "/layers/live").await.ok()["features"].as_array().unwrap().len(), 3);
        upstream.tell(http("200 OK", "application/json", SPOTS.as_bytes()));
        until(&router, |layer| layer["problem"].is_null()).await;
    }
    assert_eq!(until(&router, |_| true).await["version"], version, "the same content is no new version");
}

/// A server of `localhost`, and the certificate of the authority that vouches for it.
async fn secured() -> (std::net::SocketAddr, String) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{ServerConfig, crypto::ring::default_provider};
    let of_authority = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "an authority");
    let ca = authority.self_signed(&of_authority).unwrap().pem();
    let issuer = Issuer::new(authority, of_authority);
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    let (certificate, key) = (certificate.der().clone(), PrivateKeyDer::try_from(own.serialize_der()).unwrap());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let (acceptor, listener) =
        (tokio_rustls::TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            // Who does not trust us breaks off.
            if let Ok(mut socket) = acceptor.accept(socket).await {
                let _ = socket.read(&mut vec![0; 8192]).await;
                let _ = socket.write_all(&http("200 OK", "image/png", PNG)).await;
                let _ = socket.shutdown().await;
            }
        }
    });
    (address, ca)
}

#[tokio::test]
async fn a_server_is_asked_in_secret_when_its_certificate_is_trusted() {
    let (address, ca) = secured().await;
    let folder = folder();
    std::fs::write(folder.path().join("ca.pem"), ca).unwrap();
    let map = format!(
        "[[basemap]]\nid = \"street\"\ntitle = \"街道图\"\nkind = \"xyz\"\ncrs = \"wgs84\"\nurl = \"https://localhost:{}/{{z}}/{{x}}/{{y}}\"",
        address.port()
    );
    let stranger = router(&map, folder.path()).await;
    let problem = get(&stranger, "/basemaps/street/map/3/4/2").await.problem(502, "upstream_failed");
    assert!(problem["detail"].as_str().unwrap().contains("certificate"), "{problem}");
    let trusted = router(&format!("ca_file = \"ca.pem\"\n{map}"), folder.path()).await;
    assert_eq!(get(&trusted, "/basemaps/street/map/3/4/2").await.body, PNG);
    for (content, why) in [("", "no certificate"), ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca.pem")] {
        std::fs::write(folder.path().join("ca.pem"), content).unwrap();
        let refused = app(&format!("ca_file = \"ca.pem\"\n{map}"), folder.path()).await.err().unwrap();
        assert!(refused.contains(why) && refused.contains("ca_file"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::start(Vec::new()).await;
    let folder = folder();
    let settings = xyz(&upstream).replace(&upstream.address, &listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            silent.push(listener.accept().await.unwrap());
        }
    });
    let router = router(&settings, folder.path()).await;
    let problem = get(&router, "/basemaps/street/map/3/4/2").await.problem(504, "upstream_timed_out");
    assert!(problem["detail"].as_str().unwrap().contains("no whole answer"), "{problem}");
    // Something else of it, right away, has the same outcome.
    get(&router, "/basemaps/street/map/3/4/3").await.problem(504, "upstream_timed_out");
    assert!(!get(&router, "/metrics").await.text().contains("wangge_upstream_failures 0"));
}

#[tokio::test]
async fn a_host_that_hangs_keeps_nobody_waiting_for_others() {
    let (hanging, well) = (Upstream::start(Vec::new()).await, Upstream::start(http("200 OK", "image/png", PNG)).await);
    // It takes what it is asked and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = Upstream { address: silent.local_addr().unwrap().to_string(), ..hanging };
    let folder = folder();
    let other = xyz(&well).replace("\"street\"", "\"other\"");
    let router = router(&format!("{}\n{other}", xyz(&hangs)), folder.path()).await;
    let waiting: Vec<_> = (0..40)
        .map(|x| {
            let router = router.clone();
            tokio::spawn(async move { get(&router, &format!("/basemaps/street/map/12/{x}/7")).await.status.as_u16() })
        })
        .collect();
    // All slots of the one are taken.
    let mut held = Vec::new();
    while held.len() < 16 {
        held.push(silent.accept().await.unwrap());
    }
    let answer = get(&router, "/basemaps/other/map/12/3437/1686").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, PNG));
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()), "the others still wait");
}
