//! Imports as a person makes them: files in, reports and stores out.

mod addresses;
mod bad_input;
mod boundaries;
mod buildings;
mod cli;
pub(crate) mod copies;
mod formats;
mod organizations;
mod people;
mod points;
mod sets;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use wangge::app::imports::{self, Kind, Order, Report, Status};
use wangge::clock::Clock;
use wangge::domain::scope::Actor;
use wangge::store::{Meta, Store};

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The folder of real data, when it is there.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("WANGGE_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let root = if root.is_absolute() { root } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(root) };
    let path = root.join("data").join(name);
    path.exists().then_some(path)
}

/// An empty city in memory with a scheme of the fixtures (`cn` when empty).
pub(crate) fn city(scheme: &str) -> Store {
    let mut meta = Meta::new("test", imports::profile_named("gbt47678").unwrap());
    if !scheme.is_empty() {
        meta.scheme = imports::scheme_named(fixture(scheme).to_str().unwrap()).unwrap();
    }
    Store::memory(meta)
}

/// What was written into a file of its own.
pub(crate) struct Written {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn written(name: &str, bytes: impl AsRef<[u8]>) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Written { _folder: folder, path }
}

pub(crate) fn order(kind: Kind, file: &Path, crs: &str) -> Order {
    let mut order = Order::new(kind, vec![file.to_owned()]);
    order.crs = (!crs.is_empty()).then(|| crs.parse().unwrap());
    order
}

pub(crate) async fn run(store: &Store, order: Order) -> Report {
    imports::run(store, order, &Actor::local(), &Clock::System, &(Arc::new(|_| {}) as imports::Watch)).await.unwrap()
}

/// Imports and expects it to be in.
pub(crate) async fn import(store: &Store, order: Order) -> Report {
    let report = run(store, order).await;
    assert_eq!(report.status, Status::Imported, "{}", report.text());
    report
}

/// `count` square grids of `side` degrees in a row from `west`, `south`, as GeoJSON with codes `prefix` + 001 ….
pub(crate) fn row_of_grids(prefix: &str, count: usize, west: f64, south: f64, side: f64) -> String {
    let features: Vec<String> = (0..count)
        .map(|at| {
            let (w, e) = (west + side * at as f64, west + side * (at + 1) as f64);
            let n = south + side;
            format!(
                r#"{{"type":"Feature","properties":{{"code":"{prefix}{:03}","name":"第{}网格"}},"geometry":{{"type":"Polygon","coordinates":[[[{w:.6},{south:.6}],[{e:.6},{south:.6}],[{e:.6},{n:.6}],[{w:.6},{n:.6}],[{w:.6},{south:.6}]]]}}}}"#,
                at + 1,
                at + 1
            )
        })
        .collect();
    collection(&features)
}

pub(crate) fn collection(features: &[String]) -> String {
    format!("{{\"type\":\"FeatureCollection\",\"features\":[\n{}\n]}}\n", features.join(",\n"))
}

/// A city of four grids in one community around Zhoushan's middle: longitude 122.00–122.04, latitude 30.00–30.01.
pub(crate) async fn four_grids() -> Store {
    let store = city("");
    let file = written("grids.geojson", row_of_grids("330902002001", 4, 122.0, 30.0, 0.01));
    import(&store, order(Kind::Grids, &file.path, "cgcs2000")).await;
    store
}
