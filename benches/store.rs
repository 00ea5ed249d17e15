//! Import, start, memory: a million facilities into a file, and a city out of it. `cargo bench --bench store [-- FACILITIES GRIDS]`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use wangge::domain::category::{Category, CategoryKind, CodeProfile};
use wangge::domain::code::Code;
use wangge::domain::facility::{FacilityRecord, FacilityState};
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::id::{Epoch, FacilityId, GridSet, ImportId, Version};
use wangge::domain::period::Period;
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::scheme::Scheme;
use wangge::geom::{Area, LatticePoint, Polygon};
use wangge::store::{Access, BoundaryCommit, Chain, CommitHead, FacilityCommit, ImportRecord, Meta, Store};

fn main() {
    let mut sizes = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let (facilities, grids) = (sizes.next().unwrap_or(1_000_000_u32), sizes.next().unwrap_or(20_000_u32));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measured(facilities, grids));
}

async fn measured(facilities: u32, grids: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("city.gpkg");
    let store = Store::create(&path, &Meta::new("bench", profile())).await.expect("a new file");

    let set = boundaries(grids);
    let vertices: usize = set.grids.iter().map(|grid| grid.area.vertex_count()).sum();
    let started = Instant::now();
    store.boundaries_commit(publication(0, set.clone())).await.expect("published");
    println!("publish {grids} grids, {vertices} vertices: {:.2} s", started.elapsed().as_secs_f64());

    // Another writer all the while: how long does it wait at most?
    let other = store.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let waits = tokio::spawn(async move {
        let mut waits = Vec::new();
        while stopped.try_recv().is_err() {
            let started = Instant::now();
            let commit = FacilityCommit { head: head(), rows: vec![facility(1, grids)], removed: vec![], import: None };
            other.facilities_commit(commit).await.expect("written");
            waits.push(started.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        waits
    });
    let started = Instant::now();
    let mut made = Duration::ZERO;
    let mut load = store.facilities_load(head()).await.expect("a load");
    for from in (0..facilities).step_by(5000) {
        let making = Instant::now();
        let rows = (from..(from + 5000).min(facilities)).map(|n| facility(n, grids)).collect();
        made += making.elapsed();
        load.push(rows).await.expect("pushed");
    }
    let pushed = started.elapsed();
    load.finish(import()).await.expect("finished");
    let took = started.elapsed();
    println!(
        "load {facilities} facilities: {:.2} s ({:.2} s until the last row was handed over, {:.2} s of it making them); peak {} MB",
        took.as_secs_f64(),
        pushed.as_secs_f64(),
        made.as_secs_f64(),
        status("VmHWM")
    );
    let _ = stop.send(());
    let mut waits = waits.await.expect("the other writer");
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "another writer meanwhile: {} commits, median {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        waits.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );

    let mut next = set;
    for grid in next.grids.iter_mut().take(10) {
        grid.name = "changed".to_owned();
    }
    let started = Instant::now();
    store.boundaries_commit(publication(1, next)).await.expect("published");
    println!("publish 10 of {grids} grids: {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    let started = Instant::now();
    let keys = store.facility_keys().await.expect("keys");
    println!("keys of {} facilities: {:.2} s", keys.len(), started.elapsed().as_secs_f64());
    drop(keys);
    let started = Instant::now();
    store.close().await.expect("closed");
    println!(
        "close: {:.2} s; {} MB of file",
        started.elapsed().as_secs_f64(),
        std::fs::metadata(&path).expect("a file").len() >> 20
    );

    let before = status("VmRSS");
    let started = Instant::now();
    let store = Store::open(&path, Access::Serve).await.expect("opened");
    let snapshot = store.snapshot(at()).await.expect("a snapshot");
    println!(
        "open and read {} facilities and {} grids: {:.2} s; {} MB more than before",
        snapshot.facilities.len(),
        snapshot.boundaries.as_ref().map_or(0, |set| set.grids.len()),
        started.elapsed().as_secs_f64(),
        status("VmRSS").saturating_sub(before)
    );
    drop(snapshot);
    let started = Instant::now();
    let faults = store.check().await.expect("checked");
    println!("check: {:.2} s, {} faults", started.elapsed().as_secs_f64(), faults.len());
    let started = Instant::now();
    store.backup(&folder.path().join("copy.gpkg")).await.expect("copied");
    println!("backup: {:.2} s", started.elapsed().as_secs_f64());
    store.close().await.expect("closed");
}

/// A figure of this process in MB, where the system tells it.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) >> 10
}

fn at() -> jiff::Timestamp {
    "2026-11-22T00:00:00Z".parse().expect("a time")
}

fn head() -> CommitHead {
    CommitHead::new("bench", at())
}

fn profile() -> CodeProfile {
    let category = |n: u32| Category {
        kind: CategoryKind::Component,
        code: format!("010{n:02}"),
        major: "公用设施".to_owned(),
        name: format!("category {n}"),
        icon: "dot".to_owned(),
    };
    CodeProfile::new("bench".to_owned(), (0..40).map(category))
}

fn grid_code(n: u32) -> Code {
    Code::new(&format!("3309{:03}{:05}{:03}", n / 100_000, n / 200, n % 200)).expect("a code")
}

fn boundaries(grids: u32) -> BoundarySet {
    let columns = f64::from(grids).sqrt().ceil() as u32;
    let grid = |n: u32| {
        let (x, y) = ((n % columns) as i32 * 40_000, (n / columns) as i32 * 40_000);
        let p = |x: i32, y: i32| LatticePoint::new(1_200_000_000 + x, 300_000_000 + y);
        // 80 vertices around a square.
        let side = |from: (i32, i32), step: (i32, i32)| (0..20).map(move |k| p(from.0 + k * step.0, from.1 + k * step.1));
        let exterior = side((x, y), (2000, 0))
            .chain(side((x + 40_000, y), (0, 2000)))
            .chain(side((x + 40_000, y + 40_000), (-2000, 0)))
            .chain(side((x, y + 40_000), (0, -2000)))
            .collect();
        GridRecord {
            code: grid_code(n),
            name: format!("第 {n} 网格"),
            kind: GridKind::Base,
            parent: None,
            area: Area::canonical([Polygon { exterior, holes: vec![] }]),
            households: Some(150),
            population: Some(400),
            provenance: Provenance::default(),
        }
    };
    let mut all: Vec<GridRecord> = (0..grids).map(grid).collect();
    all.sort_by(|a, b| a.code.cmp(&b.code));
    BoundarySet {
        set: GridSet::default(),
        scheme: Scheme::cn(),
        period: Period::ALWAYS,
        regions: vec![],
        grids: all,
        voids: vec![],
    }
}

fn publication(base: u64, boundaries: BoundarySet) -> BoundaryCommit {
    BoundaryCommit {
        base: Epoch(base),
        chain: Chain::InForce,
        boundaries,
        outlines: vec![],
        facility_grids: vec![],
        case_grids: vec![],
        import: None,
        actor: "bench".to_owned(),
        at: at(),
    }
}

fn import() -> ImportRecord {
    ImportRecord {
        id: ImportId(0),
        kind: "facilities".to_owned(),
        file: "bench".to_owned(),
        crs: None,
        source: None,
        at: at(),
        report: serde_json::Value::Null,
    }
}

fn facility(n: u32, grids: u32) -> FacilityRecord {
    let mixed = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut properties = serde_json::Map::new();
    properties.insert("owner".to_owned(), format!("company {}", mixed % 50).into());
    FacilityRecord {
        id: FacilityId(0),
        code: Some(format!("330902010{n:08}")),
        category: format!("010{:02}", mixed % 40),
        name: format!("井盖 {n}"),
        state: FacilityState::Intact,
        at: LatticePoint::new(1_200_000_000 + (mixed >> 20 & 0x3f_ffff) as i32, 300_000_000 + (mixed >> 42) as i32),
        original: None,
        grid: Some(grid_code((mixed % u64::from(grids)) as u32)),
        accuracy: None,
        properties,
        version: Version(0),
        provenance: Provenance {
            external_ids: BTreeMap::from([("osm".to_owned(), format!("node/{n}"))]),
            source: Some("bench".to_owned()),
            source_hash: Some(mixed),
            ..Provenance::default()
        },
    }
}
