//! What bytes from outside are put through, each target by the way on which they come in. Whatever they are: nothing panics, a request is
//! answered with less than 500, and what an import lets in is a city that stands.

use super::city;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;
use tower::ServiceExt;
use wangge::app::App;
use wangge::app::imports::{self, Kind, Order};
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::code::Code;
use wangge::domain::id::Epoch;
use wangge::domain::scheme::Scheme;
use wangge::domain::scope::Actor;
use wangge::geom::{Crs, LonLat, NamedCrs, TileId, beidou};
use wangge::interchange::pmtiles::{Pmtiles, StoredTile, gunzip};
use wangge::interchange::{profile, thematic};
use wangge::store::{Meta, Store};
use wangge::territory::Territory;

/// One way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    GeoJson,
    GeoPackage,
    Shapefile,
    Tables,
    Binaries,
    Queries,
    Codes,
    TilePaths,
    Maps,
    Callers,
}

impl Target {
    pub(crate) const ALL: [Self; 10] = [
        Self::GeoJson,
        Self::GeoPackage,
        Self::Shapefile,
        Self::Tables,
        Self::Binaries,
        Self::Queries,
        Self::Codes,
        Self::TilePaths,
        Self::Maps,
        Self::Callers,
    ];

    /// As it is called on the command line and in `tests/fixtures/fuzz`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GeoJson => "geojson",
            Self::GeoPackage => "geopackage",
            Self::Shapefile => "shapefile",
            Self::Tables => "tables",
            Self::Binaries => "binaries",
            Self::Queries => "queries",
            Self::Codes => "codes",
            Self::TilePaths => "tile_paths",
            Self::Maps => "maps",
            Self::Callers => "callers",
        }
    }

    /// Puts one input through; answers whether anything of it was taken.
    pub(crate) fn put(self, bytes: &[u8]) -> bool {
        use Kind::{Cases, Facilities, Grids, Households, Staff};
        let plain = |kind| As { kind, layer: None, crs: Some("wgs84") };
        // Files that say their CRS, and hold several layers.
        let told = |kind, layer| As { kind, layer: Some(layer), crs: None };
        match self {
            Self::GeoJson => import("input.geojson", &[plain(Grids), plain(Facilities)], bytes),
            Self::GeoPackage => import("input.gpkg", &[told(Grids, "grids"), told(Facilities, "facilities")], bytes),
            Self::Shapefile => {
                let gbk = [told(Grids, "网格"), told(Facilities, "部件")];
                import("input.zip", &[gbk[0], gbk[1], told(Grids, "grids"), told(Facilities, "facilities")], bytes)
            }
            Self::Tables => {
                let sheet = |kind, layer| As { layer: Some(layer), ..plain(kind) };
                // A table of one layer passes the name over.
                let tables = [sheet(Facilities, "部件"), sheet(Staff, "网格员"), sheet(Households, "户数"), plain(Cases)];
                let csv = [plain(Facilities), plain(Staff)];
                let is_workbook = bytes.starts_with(b"PK");
                import("input.csv", if is_workbook { &tables } else { &csv }, bytes)
            }
            Self::Binaries => {
                import("input.bin", &[As { crs: None, ..plain(Grids) }, As { crs: None, ..plain(Facilities) }], bytes)
            }
            Self::Queries => query(bytes),
            Self::Codes => codes(bytes),
            Self::Maps => map_of_others(bytes),
            Self::Callers => caller(bytes),
            Self::TilePaths => ask(Request::get(format!("/tiles/{}", in_path(bytes))), Body::empty()),
        }
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

static ROUTER: LazyLock<Router> = LazyLock::new(|| RUNTIME.block_on(city::router()));

/// As what a file is imported.
#[derive(Clone, Copy)]
struct As {
    kind: Kind,
    layer: Option<&'static str>,
    crs: Option<&'static str>,
}

/// Imports a file in some ways, taking whatever can be taken. What is stored then must make a city.
fn import(name: &str, ways: &[As], bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    ways.iter().fold(false, |taken, way| RUNTIME.block_on(import_as(*way, &path)) | taken)
}

async fn import_as(As { kind, layer, crs }: As, path: &Path) -> bool {
    let store = Store::memory(Meta::new("test", profile::standard()));
    let mut order = Order::new(kind, vec![path.to_owned()]);
    order.layer = layer.map(str::to_owned);
    order.crs = crs.map(|crs| crs.parse().expect("a name"));
    // Memory is no finding: some hundred thousand vertices are enough.
    order.max_vertices = 200_000;
    if kind == Kind::Facilities {
        order.tags = Some("osm".to_owned()).filter(|_| path.extension().is_some_and(|ending| ending == "bin"));
    }
    for word in ["gaps-as-void", "overlap-to-least-code", "outside-claim", "unmapped-as=01037", "refused"] {
        order.accept.also(word).expect("a word");
    }
    let watch: imports::Watch = Arc::new(|_| {});
    let report = imports::run(&store, order, &Actor::local(), &Clock::fixed(city::now()), &watch).await;
    let report = report.expect("a report, whatever the file");
    let _ = (report.text(), report.kept());
    for record in store.epochs().await.expect("epochs") {
        let set = store.boundaries_at(record.epoch).await.expect("boundaries").expect("of an epoch that is there");
        let built = Territory::build(Epoch(1), &set);
        assert!(built.is_ok(), "what was let in builds: {:?}", built.err());
    }
    report.status == imports::Status::Imported
}

/// A file of tiles by its first bytes, else things of others.
fn map_of_others(bytes: &[u8]) -> bool {
    if !bytes.starts_with(b"PMTiles") {
        let levels = thematic::Classes { field: "level".to_owned(), known: vec!["3".to_owned()] };
        let read = [Crs::Wgs84, Crs::Gcj02].map(|crs| thematic::read(bytes, crs, Some(&levels)));
        for features in read.iter().flatten() {
            let told: serde_json::Value = serde_json::from_slice(&features.body).expect("what is read is JSON");
            assert_eq!(told["features"].as_array().map(Vec::len), Some(features.count));
        }
        return read[0].is_ok();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("input.pmtiles");
    std::fs::write(&path, bytes).expect("a file");
    let Ok(map) = Pmtiles::open(&path) else { return false };
    let tiles = [(0, 0, 0), (1, 1, 0), (4, 13, 6), (4, 13, 7), (4, 12, 6), (6, 63, 63), (22, 1, 1)];
    let tiles = tiles.map(|(z, x, y)| map.tile(TileId::new(z, x, y).expect("a tile")));
    let unpacked = |tile: &StoredTile| !tile.gzipped || gunzip(&tile.bytes, 1 << 20).is_ok();
    tiles.iter().flatten().flatten().any(unpacked)
}

/// A method, an address below `/`, and behind the first line end a body. The method says of which type the body is.
fn query(bytes: &[u8]) -> bool {
    let (head, body) =
        bytes.iter().position(|byte| *byte == b'\n').map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 1..]));
    let (method, media_type, path) = match head.split_first() {
        Some((b'0', path)) => ("POST", "application/json", path),
        Some((b'1', path)) => ("POST", "text/csv", path),
        Some((b'2', path)) => ("POST", "application/x-ndjson", path),
        Some((b'3', path)) => ("PATCH", "application/merge-patch+json", path),
        Some((b'4', path)) => ("DELETE", "", path),
        _ => ("GET", "", head),
    };
    let mut request = Request::builder().method(method).uri(format!("/{}", in_path(path))).header("if-match", "*");
    if !media_type.is_empty() {
        request = request.header("content-type", media_type);
    }
    // Events never end, so nobody reads them to their end here.
    !path.starts_with(b"api/v1/events") && ask(request, Body::from(body.to_vec()))
}

/// What may stand in an address stands as it is, everything else in percents.
fn in_path(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(byte);
    bytes.iter().map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn ask(request: axum::http::request::Builder, body: Body) -> bool {
    // What is no address does not come in.
    let Ok(request) = request.header("host", "localhost").body(body) else { return false };
    let shown = format!("{} {}", request.method(), request.uri());
    let router = ROUTER.clone();
    RUNTIME.block_on(async {
        let answer = router.oneshot(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map(|body| body.to_bytes());
        assert!(status < 500, "{shown}: {status} {:?}", body.map(|body| String::from_utf8_lossy(&body).into_owned()));
        status < 300
    })
}

/// A signed token that is good, and the secret by which it was signed.
#[rustfmt::skip]
pub(crate) const SIGNED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJvZmZpY2UiLCJhdWQiOiJ3YW5nZ2UiLCJzdWIiOiJ6aGFuZyIsInJvbGVzIjpbInZpZXdlciJdLCJ3aXRoaW4iOlsiKiJdLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTc5NTAwMDAwMH0.H5UhrDnsBShkqqr-FWjEIn4GYTqQp1WfFKSfpSjnh_s";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A server that tells callers apart. Nobody here knows the secret of its command line.
static GUARDED: LazyLock<Router> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "[access]\nrequests_per_second = 1000000\nrequests_at_once = 1000000\n\
        [jwt]\nissuer = \"office\"\naudience = \"wangge\"\nsecret_file = \"jwt.secret\"\n\
        [proxy]\ntrusted = [\"10.0.0.1\"]\nuser_header = \"X-User\"\nroles_header = \"X-Roles\"\nwithin_header = \"X-Within\"\n";
    std::fs::write(folder.path().join("jwt.secret"), SECRET).expect("a file");
    std::fs::write(folder.path().join("wangge.toml"), settings).expect("a file");
    let config = Config::read(&folder.path().join("wangge.toml")).expect("settings");
    let opened = async { App::open(city::store().await, config, Clock::fixed(city::now())).await.expect("a server") };
    wangge::http::router(Arc::new(RUNTIME.block_on(opened)))
});

/// Headers, a line each, and behind an empty line a body; with one a session is asked for, without who is calling. Only the signed token,
/// whole, lets anybody in.
fn caller(bytes: &[u8]) -> bool {
    let cut = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = cut.map_or((bytes, None), |at| (&bytes[..at], Some(&bytes[at + 2..])));
    let mut request = match body {
        None => Request::get("/api/v1/me"),
        Some(_) => Request::post("/api/v1/session").header("content-type", "application/json"),
    };
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_vec()));
    let Ok(request) = request.header("host", "localhost").body(body) else { return false };
    let router = GUARDED.clone();
    let status = RUNTIME.block_on(async { router.oneshot(request).await.expect("an answer").status().as_u16() });
    assert!(status < 500, "{status}");
    let signed = bytes.windows(SIGNED.len()).any(|part| part == SIGNED.as_bytes());
    assert!(status >= 300 || signed, "let in with {:?}", String::from_utf8_lossy(bytes));
    status < 300
}

/// Everything that is spelled: codes, cells, CRS, instants.
fn codes(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut taken = imports::instant_named(text, "Asia/Shanghai").is_some();
    if let Ok(code) = Code::new(text) {
        taken = true;
        assert_eq!(code.as_str(), text.trim());
        let scheme = Scheme::cn();
        if let Ok(level) = scheme.level_of(&code) {
            let above = |(at, ancestor): (usize, Code)| at < level && code.as_str().starts_with(ancestor.as_str());
            assert!(scheme.ancestors_of(&code).all(above));
        }
    }
    if let Ok(cell) = beidou::decode(text) {
        let centre = LonLat::new((cell.west + cell.east) / 2.0, (cell.south + cell.north) / 2.0).expect("a place on Earth");
        let again = beidou::encode(centre, cell.level).expect("a cell has a centre");
        assert_eq!(again, text.to_ascii_uppercase(), "a cell has one code");
        taken = true;
    }
    if let Ok(crs) = text.parse::<NamedCrs>() {
        assert_eq!(crs.to_string().parse::<NamedCrs>().as_ref(), Ok(&crs), "a CRS reads back");
        taken = true;
    }
    taken
}
