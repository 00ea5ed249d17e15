//! Import, start, memory. `cargo bench --bench store [-- FACILITIES]`: what a person waits for, by the built program, beside ogr2ogr where
//! it is installed; then what others wait for while a store loads.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may fail loudly and prints its table")]

#[allow(dead_code, reason = "shared with benches that need its hierarchy")]
mod city;
mod coverage;
#[allow(dead_code, reason = "shared with benches that count bytes")]
mod harness;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/it/postgres.rs"]
mod postgres;

use wangge::{geom, territory};

use city::{CORNER, SIDE, SIZE};
use coverage::Random;
use geom::LatticePoint;
use harness::{median, mix};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wangge::clock::Clock;
use wangge::domain::facility::{FacilityRecord, FacilityState};
use wangge::domain::hash::hash64;
use wangge::domain::id::{FacilityId, ImportId, Version};
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::store::{Access, BoundaryCommit, CommitHead, FacilityCommit, ImportRecord, ImportState, Store};

/// Runs of which the median is taken: each takes many seconds.
const ROUNDS: usize = 3;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let facilities = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000_u32);
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let bench = Bench { folder: folder.path().to_owned(), facilities };
    bench.write_files();
    bench.boundaries(&runtime);
    bench.communes(&runtime);
    bench.points(&runtime);
    bench.starts("city.gpkg");
    runtime.block_on(bench.waits());
    bench.postgis(&runtime);
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
}

struct Bench {
    folder: PathBuf,
    facilities: u32,
}

/// What a program took.
struct Ran {
    seconds: f64,
    peak_mb: u64,
}

impl Bench {
    /// A file of the bench, or a database.
    fn path(&self, name: &str) -> PathBuf {
        if name.starts_with("postgres://") { name.into() } else { self.folder.join(name) }
    }

    fn write_files(&self) {
        std::fs::write(self.path("grids.geojson"), grids()).unwrap();
        let buffered = |name: &str| std::io::BufWriter::new(std::fs::File::create(self.path(name)).unwrap());
        let (mut lines, mut table) = (buffered("facilities.geojsons"), buffered("facilities.csv"));
        writeln!(table, "code,id,category,name,state,owner,lon,lat").unwrap();
        let mut random = Random(2);
        let span = SIZE * SIDE as i32;
        for n in 0..self.facilities {
            let category = ["01037", "01013", "01050"][n as usize % 3];
            let (code, owner) = (format!("330902{category}{n:06}"), n % 50);
            let at = LatticePoint::new(CORNER.x + random.between(0, span), CORNER.y + random.between(0, span)).lonlat();
            let (lon, lat) = (at.lon(), at.lat());
            writeln!(
                lines,
                r#"{{"type":"Feature","properties":{{"code":"{code}","id":"node/{n}","category":"{category}","name":"设施 {n}","state":"完好","owner":"company {owner}"}},"geometry":{{"type":"Point","coordinates":[{lon:.7},{lat:.7}]}}}}"#
            )
            .unwrap();
            writeln!(table, "{code},node/{n},{category},设施 {n},完好,company {owner},{lon:.7},{lat:.7}").unwrap();
        }
    }

    fn import(&self, kind: &str, file: &Path, data: &str, more: &[&str]) -> Ran {
        let (file, data) = (file.to_str().unwrap(), self.path(data));
        let order = ["import", kind, file, "--data", data.to_str().unwrap()];
        ran(Command::new(env!("CARGO_BIN_EXE_wangge")).args(order).args(more))
    }

    /// The grids into a new file, and every invariant of it.
    fn boundaries(&self, runtime: &tokio::runtime::Runtime) {
        let (mut imports, mut checks) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            remove(&self.path("grids.gpkg"));
            imports.push(self.import("grids", &self.path("grids.geojson"), "grids.gpkg", &["--crs", "cgcs2000"]));
            checks.push(self.check("grids.gpkg"));
        }
        let sum = runtime.block_on(checksum(&self.path("grids.gpkg")));
        told(&format!("import {} grids", SIDE * SIDE), &imports, sum);
        told("check them", &checks, sum);
    }

    fn check(&self, data: &str) -> Ran {
        ran(Command::new(env!("CARGO_BIN_EXE_wangge")).args(["check", "--data", self.path(data).to_str().unwrap()]))
    }

    /// All communes of a country, with their land that belongs to nobody, where that file is at hand.
    fn communes(&self, runtime: &tokio::runtime::Runtime) {
        let shared = std::env::var_os("WANGGE_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(shared).join("data/fr_communes/fr_communes.geojson.gz");
        if !file.exists() {
            println!("{} is not there: no communes", file.display());
            return;
        }
        let scheme = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import/communes.toml");
        let (mut imports, mut checks) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            remove(&self.path("communes.gpkg"));
            let more = ["--crs", "wgs84", "--accept", "gaps-as-void", "--scheme", scheme.to_str().unwrap()];
            imports.push(self.import("grids", &file, "communes.gpkg", &more));
            checks.push(self.check("communes.gpkg"));
        }
        let sum = runtime.block_on(checksum(&self.path("communes.gpkg")));
        told("import 35,357 communes", &imports, sum);
        told("check them", &checks, sum);
    }

    /// Facilities from two formats into the city of grids, and the same file by ogr2ogr, in turn.
    fn points(&self, runtime: &tokio::runtime::Runtime) {
        let (mut lines, mut table, mut twin) = (Vec::new(), Vec::new(), Vec::new());
        let mut sums = Vec::new();
        let mut waits = Vec::new();
        for round in 0..ROUNDS {
            for (name, runs) in [("facilities.geojsons", &mut lines), ("facilities.csv", &mut table)] {
                remove(&self.path("city.gpkg"));
                std::fs::copy(self.path("grids.gpkg"), self.path("city.gpkg")).unwrap();
                let reader = Reader::start(self.path("city.gpkg"));
                runs.push(self.import("facilities", &self.path(name), "city.gpkg", &["--crs", "cgcs2000"]));
                waits.extend(reader.stop());
                if round == 0 {
                    sums.push(runtime.block_on(checksum(&self.path("city.gpkg"))));
                }
            }
            remove(&self.path("twin.gpkg"));
            let (to, from) = (self.path("twin.gpkg"), self.path("facilities.geojsons"));
            let arguments = ["-f", "GPKG", to.to_str().unwrap(), from.to_str().unwrap(), "-a_srs", "EPSG:4490"];
            if Command::new("ogr2ogr").arg("--version").output().is_ok() {
                twin.push(ran(Command::new("ogr2ogr").args(arguments)));
            }
        }
        assert_eq!(sums[0], sums[1], "both formats give the same city");
        told(&format!("import {} facilities, GeoJSONSeq", self.facilities), &lines, sums[0]);
        told("the same, CSV", &table, sums[1]);
        match twin.is_empty() {
            true => println!("ogr2ogr is not installed: no twin"),
            false => told("twin: ogr2ogr GeoJSONSeq → GPKG, no grids", &twin, 0),
        }
        waited("another process reading meanwhile", waits);
    }

    /// The same into PostGIS, whose commits are safe: import by COPY, start, a part; and what ogr2ogr takes for the points alone.
    fn postgis(&self, runtime: &tokio::runtime::Runtime) {
        let cluster = postgres::Safe::start();
        let (mut grids, mut table, mut twin, mut url) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        for _ in 0..ROUNDS {
            url = cluster.emptied();
            if Command::new("ogr2ogr").arg("--version").output().is_ok() {
                let (from, to) = (self.path("facilities.geojsons"), url.replacen("postgres://", "postgresql://", 1));
                let arguments = ["-f", "PostgreSQL", &to, from.to_str().unwrap(), "-a_srs", "EPSG:4490", "-nln", "twin"];
                twin.push(ran(Command::new("ogr2ogr").args(arguments).args(["--config", "PG_USE_COPY", "YES"])));
            }
            grids.push(self.import("grids", &self.path("grids.geojson"), &url, &["--crs", "cgcs2000"]));
            table.push(self.import("facilities", &self.path("facilities.csv"), &url, &["--crs", "cgcs2000"]));
        }
        let sum = runtime.block_on(checksum(&self.path(&url)));
        told(&format!("PostGIS: import {} grids", SIDE * SIDE), &grids, sum);
        told(&format!("PostGIS: import {} facilities, CSV", self.facilities), &table, sum);
        if !twin.is_empty() {
            told("twin: ogr2ogr GeoJSONSeq → PostGIS, no grids", &twin, 0);
        }
        self.starts(&url);
    }

    /// A server over all of it, until it says where it listens.
    fn starts(&self, data: &str) {
        let (mut runs, mut resident) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let started = Instant::now();
            let mut server = Command::new(env!("CARGO_BIN_EXE_wangge"))
                .args(["serve", "--data", self.path(data).to_str().unwrap(), "--listen", "127.0.0.1:0", "--log", "warn"])
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(server.stderr.take().unwrap()).lines();
            assert!(lines.map_while(Result::ok).any(|line| line.starts_with("http://")));
            let seconds = started.elapsed().as_secs_f64();
            runs.push(Ran { seconds, peak_mb: status(server.id(), "VmHWM") });
            // What it draws ahead and frees again is not yet done when it listens.
            std::thread::sleep(Duration::from_secs(2));
            resident.push(status(server.id(), "VmRSS") as f64);
            server.kill().unwrap();
            server.wait().unwrap();
        }
        told(
            &format!(
                "start from {} grids and {} facilities in {}",
                SIDE * SIDE,
                self.facilities,
                if data.ends_with("gpkg") { "a GeoPackage" } else { "PostGIS" }
            ),
            &runs,
            0,
        );
        println!("  resident two seconds later: {:.0} MB", median(resident));
    }

    /// One process that loads, writes little things and publishes at once: who waits how long.
    async fn waits(&self) {
        let path = self.path("store.gpkg");
        std::fs::copy(self.path("grids.gpkg"), &path).unwrap();
        let store = Store::open(&path, Access::Serve).await.unwrap();
        let snapshot = store.snapshot(at()).await.unwrap();
        let mut set = snapshot.boundaries.unwrap();
        let other = store.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let waits = tokio::spawn(async move {
            let mut waits = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let started = Instant::now();
                let commit = FacilityCommit { head: head(), rows: vec![facility(1)], removed: vec![], import: None };
                other.facilities_commit(commit).await.unwrap();
                waits.push(started.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            waits
        });
        let started = Instant::now();
        let mut load = store.facilities_load(head()).await.unwrap();
        for from in (0..self.facilities).step_by(5000) {
            load.push((from..(from + 5000).min(self.facilities)).map(facility).collect()).await.unwrap();
        }
        load.finish(import()).await.unwrap();
        println!("load {} facilities into an open store: {:.2} s", self.facilities, started.elapsed().as_secs_f64());
        stop.store(true, Ordering::Relaxed);
        waited("another writer meanwhile", waits.await.unwrap());

        let epoch = store.epochs().await.unwrap().last().unwrap().epoch;
        let mut taken = Vec::new();
        for round in 0..5 {
            set.grids.iter_mut().skip(100 * round).take(10).for_each(|grid| grid.name = format!("changed {round}"));
            let commit = publication(epoch.0 + round as u64, set.clone());
            let started = Instant::now();
            store.boundaries_commit(commit).await.unwrap();
            taken.push(started.elapsed().as_secs_f64());
        }
        println!("publish 10 of {} grids, store alone: {:.0} ms", set.grids.len(), median(taken) * 1e3);
        let started = Instant::now();
        store.backup(&self.path("copy.gpkg")).await.unwrap();
        println!("backup: {:.2} s", started.elapsed().as_secs_f64());
        store.close().await.unwrap();
    }
}

/// Reads the revision of a file again and again, as another process would.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<Duration>>,
}

impl Reader {
    fn start(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let store = Store::open(&path, Access::Read).await.unwrap();
                let mut waits = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    store.revision().await.unwrap();
                    store.facilities_by_ids(&[FacilityId(1)]).await.unwrap();
                    waits.push(started.elapsed());
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                store.close().await.unwrap();
                waits
            })
        });
        Self { stop, thread }
    }

    fn stop(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn told(what: &str, runs: &[Ran], sum: u64) {
    let seconds = median(runs.iter().map(|run| run.seconds).collect());
    let most = runs.iter().map(|run| run.seconds).fold(0.0, f64::max);
    let peak = runs.iter().map(|run| run.peak_mb).max().unwrap_or(0);
    println!("{what}: {seconds:.2} s (longest {most:.2}); peak {peak} MB; checksum {sum:016x}");
}

fn waited(who: &str, mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("  {who}: {} times, median {:.1} ms, p99 {:.1} ms, longest {:.1} ms", waits.len(), at(0.5), at(0.99), at(1.0));
}

/// Runs a program to its end and looks at its memory every few milliseconds.
fn ran(command: &mut Command) -> Ran {
    let started = Instant::now();
    let mut program: Child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut peak_mb = 0;
    let end = loop {
        if let Some(status) = program.try_wait().unwrap() {
            break status;
        }
        peak_mb = peak_mb.max(status(program.id(), "VmHWM"));
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(end.success(), "{command:?}");
    Ran { seconds: started.elapsed().as_secs_f64(), peak_mb }
}

/// A figure of a process in MB, where the system tells it.
fn status(process: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) >> 10
}

fn remove(data: &Path) {
    for ending in ["", "-wal", "-shm", ".lock"] {
        let _ = std::fs::remove_file(format!("{}{ending}", data.display()));
    }
}

/// Of all grids and all facilities with the grid each stands in.
async fn checksum(data: &Path) -> u64 {
    let store = Store::open(data, Access::Read).await.unwrap();
    let snapshot = store.snapshot(Clock::System.now()).await.unwrap();
    store.close().await.unwrap();
    let boundaries = snapshot.boundaries.unwrap();
    let sum = boundaries.grids.iter().fold(0, |sum, grid| {
        let corners = grid.area.rings().flatten().fold(hash64(grid.code.as_str().as_bytes()), |sum, p| {
            mix(sum, u64::from(p.x.cast_unsigned()) << 32 | u64::from(p.y.cast_unsigned()))
        });
        mix(sum, corners)
    });
    snapshot.facilities.iter().fold(sum, |sum, row| {
        let grid = row.grid.as_ref().map_or(0, |code| hash64(code.as_str().as_bytes()));
        mix(mix(sum, hash64(row.code.as_deref().unwrap_or_default().as_bytes())), grid)
    })
}

/// The coverage as GeoJSON.
fn grids() -> String {
    let coverage = city::coverage(SIDE, SIDE);
    let mut text = "{\"type\":\"FeatureCollection\",\"features\":[\n".to_owned();
    for (cell, ring) in coverage.rings.iter().enumerate() {
        let code = format!("330902{:03}{:03}{:03}", cell / SIDE, cell % SIDE / 12, cell % SIDE);
        write!(text, "{}", if cell > 0 { ",\n" } else { "" }).unwrap();
        write!(text, r#"{{"type":"Feature","properties":{{"code":"{code}","name":"网格{cell}"}},"geometry":{{"type":"Polygon","coordinates":[["#)
            .unwrap();
        for (at, p) in ring.iter().chain(ring.first()).enumerate() {
            let p = p.lonlat();
            write!(text, "{}[{:.7},{:.7}]", if at > 0 { "," } else { "" }, p.lon(), p.lat()).unwrap();
        }
        text.push_str("]]}}");
    }
    text.push_str("\n]}\n");
    text
}

fn at() -> jiff::Timestamp {
    Clock::System.now()
}

fn head() -> CommitHead {
    CommitHead::new("bench", at())
}

fn publication(base: u64, boundaries: BoundarySet) -> BoundaryCommit {
    let mut boundaries = boundaries;
    boundaries.period.from = None;
    boundaries.period.until = None;
    BoundaryCommit::new(wangge::domain::id::Epoch(base), boundaries, "bench", at())
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
        state: ImportState::Done,
        revision: None,
        undone: None,
        before: serde_json::Value::Null,
    }
}

fn facility(n: u32) -> FacilityRecord {
    let mixed = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut properties = serde_json::Map::new();
    properties.insert("owner".to_owned(), format!("company {}", mixed % 50).into());
    FacilityRecord {
        id: FacilityId(0),
        code: Some(format!("330902010{n:08}")),
        category: ["01037", "01013", "01050"][n as usize % 3].to_owned(),
        name: format!("井盖 {n}"),
        state: FacilityState::Intact,
        state_date: None,
        at: LatticePoint::new(CORNER.x + (mixed >> 20 & 0x1f_ffff) as i32, CORNER.y + (mixed >> 43) as i32),
        original: None,
        grid: None,
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
