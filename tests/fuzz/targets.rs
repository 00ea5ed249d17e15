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
use wangge::app::imports::{self, Kind, Order};
use wangge::clock::Clock;
use wangge::domain::code::Code;
use wangge::domain::id::Epoch;
use wangge::domain::scheme::Scheme;
use wangge::domain::scope::Actor;
use wangge::geom::{LonLat, NamedCrs, beidou};
use wangge::interchange::profile;
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
}

impl Target {
    pub(crate) const ALL: [Self; 8] = [
        Self::GeoJson,
        Self::GeoPackage,
        Self::Shapefile,
        Self::Tables,
        Self::Binaries,
        Self::Queries,
        Self::Codes,
        Self::TilePaths,
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
        }
    }

    /// Puts one input through.
    pub(crate) fn put(self, bytes: &[u8]) {
        match self {
            Self::GeoJson => import("input.geojson", &[Kind::Grids, Kind::Facilities], bytes),
            Self::GeoPackage => import("input.gpkg", &[Kind::Grids, Kind::Facilities], bytes),
            Self::Shapefile => import("input.zip", &[Kind::Grids], bytes),
            Self::Tables => import("input.csv", &[Kind::Facilities, Kind::Staff, Kind::Households, Kind::Cases], bytes),
            Self::Binaries => import("input.bin", &[Kind::Regions, Kind::Facilities], bytes),
            Self::Queries => query(bytes),
            Self::Codes => codes(bytes),
            Self::TilePaths => ask(Request::get(format!("/tiles/{}", in_path(bytes))), Body::empty()),
        }
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

static ROUTER: LazyLock<Router> = LazyLock::new(|| RUNTIME.block_on(city::router()));

/// Imports a file as each of some kinds, taking whatever can be taken. What is stored then must make a city.
fn import(name: &str, kinds: &[Kind], bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    kinds.iter().for_each(|kind| RUNTIME.block_on(import_as(*kind, &path)));
}

async fn import_as(kind: Kind, path: &Path) {
    let store = Store::memory(Meta::new("test", profile::standard()));
    let mut order = Order::new(kind, vec![path.to_owned()]);
    order.crs = Some("wgs84".parse().expect("a name"));
    // Memory is no finding: some hundred thousand vertices are enough.
    order.max_vertices = 200_000;
    for word in ["gaps-as-void", "overlap-to-least-code", "outside-claim", "unmapped-as=05999", "refused"] {
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
}

/// A method, an address below `/`, and behind the first line end a body.
fn query(bytes: &[u8]) {
    let (head, body) =
        bytes.iter().position(|byte| *byte == b'\n').map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 1..]));
    let (method, path) = match head.split_first() {
        Some((b'0'..=b'9', path)) => ("POST", path),
        Some((b'A'..=b'Z', path)) => ("PATCH", path),
        _ => ("GET", head),
    };
    let mut request = Request::builder().method(method).uri(format!("/{}", in_path(path)));
    if !body.is_empty() {
        // Which body it is tells the first byte: some addresses take several.
        let types = ["application/json", "application/merge-patch+json", "text/csv", "application/x-ndjson"];
        request = request.header("content-type", types[usize::from(body[0]) % types.len()]).header("if-match", "*");
    }
    // Events never end, so nobody reads them to their end here.
    if !path.starts_with(b"api/v1/events") {
        ask(request, Body::from(body.to_vec()));
    }
}

/// What may stand in an address stands as it is, everything else in percents.
fn in_path(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(byte);
    bytes.iter().map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn ask(request: axum::http::request::Builder, body: Body) {
    // What is no address does not come in.
    let Ok(request) = request.header("host", "localhost").body(body) else { return };
    let shown = format!("{} {}", request.method(), request.uri());
    let router = ROUTER.clone();
    RUNTIME.block_on(async {
        let answer = router.oneshot(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map(|body| body.to_bytes());
        assert!(status < 500, "{shown}: {status} {:?}", body.map(|body| String::from_utf8_lossy(&body).into_owned()));
    });
}

/// Everything that is spelled: codes, cells, CRS, instants.
fn codes(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(code) = Code::new(text) {
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
    }
    if let Ok(crs) = text.parse::<NamedCrs>() {
        assert_eq!(crs.to_string().parse::<NamedCrs>().as_ref(), Ok(&crs), "a CRS reads back");
    }
    let _ = imports::instant_named(text, "Asia/Shanghai");
}
