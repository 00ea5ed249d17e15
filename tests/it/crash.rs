//! `kill -9` of the program itself at any moment: what it finished is there, what it did not finish is there wholly or not at all, and
//! the next run works. `make crash` does it a thousand times.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use wangge::clock::Clock;
use wangge::store::{Access, Store};

/// Enough that all of them are written beside the table in use, and a quarter of them in one transaction.
const FACILITIES: usize = 2400;
/// The same: a row that ends and a row that begins each.
const GRIDS: usize = 1050;
const CASES: usize = 2200;
const STAFF: usize = 300;

/// What one import does: its kind, and the share of its rows that say something new.
#[derive(Clone, Copy)]
struct Turn {
    kind: &'static str,
    all: bool,
    /// A server is started on what the killed import left, and killed too.
    served: bool,
}

const fn turn(kind: &'static str, all: bool, served: bool) -> Turn {
    Turn { kind, all, served }
}

/// The life of one file, from the import that makes it; then it is thrown away, so that no file gets ever more epochs.
const LIFE: [Turn; 12] = [
    turn("grids", true, false),
    turn("facilities", true, true),
    turn("cases", true, false),
    turn("staff", true, false),
    turn("facilities", true, false),
    turn("grids", true, true),
    turn("facilities", false, false),
    turn("cases", true, true),
    turn("grids", false, false),
    turn("cases", false, false),
    turn("facilities", true, true),
    turn("staff", false, false),
];

/// What a file says: for each row the number of the import that wrote it.
#[derive(Debug, Clone, Default, PartialEq)]
struct World {
    grids: Vec<u32>,
    facilities: Vec<u32>,
    cases: Vec<u32>,
    staff: Vec<u32>,
    imports: usize,
    epochs: usize,
    revision: u64,
}

impl World {
    /// The world after import `number`.
    fn after(&self, turn: Turn, number: u32) -> Self {
        let mut next = Self { imports: self.imports + 1, revision: self.revision + 1, ..self.clone() };
        let (rows, count) = match turn.kind {
            "grids" => {
                next.epochs += 1;
                (&mut next.grids, GRIDS)
            }
            "facilities" => (&mut next.facilities, FACILITIES),
            "cases" => (&mut next.cases, CASES),
            _ => (&mut next.staff, STAFF),
        };
        rows.resize(count, number);
        let changed = if turn.all { count } else { count / 4 };
        rows[..changed].fill(number);
        next
    }

    /// The file that says so.
    fn written(&self, folder: &Path, turn: Turn) -> PathBuf {
        let (name, text) = match turn.kind {
            "grids" => ("grids.geojson", grids(&self.grids)),
            "facilities" => ("facilities.csv", table("code,category,name,lon,lat", &self.facilities, facility)),
            "cases" => ("cases.csv", table("id,category,state,reported_at,text,lon,lat,updated_at", &self.cases, case)),
            _ => ("staff.csv", table("id,name,role,assigned", &self.staff, member)),
        };
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What a file says now; the world before everything when there is none.
    async fn of(path: &Path, access: Access) -> Self {
        if !path.exists() {
            return Self::default();
        }
        let store = Store::open(path, access).await.unwrap();
        let snapshot = store.snapshot(Clock::System.now()).await.unwrap();
        let world = Self {
            grids: snapshot.boundaries.iter().flat_map(|set| &set.grids).map(|row| number(&row.name)).collect(),
            facilities: snapshot.facilities.iter().map(|row| number(&row.name)).collect(),
            cases: snapshot.cases.iter().map(|row| number(&row.text)).collect(),
            staff: snapshot.staff.iter().map(|row| number(&row.name)).collect(),
            imports: store.imports().await.unwrap().len(),
            epochs: store.epochs().await.unwrap().len(),
            revision: snapshot.revision.0,
        };
        store.close().await.unwrap();
        world
    }
}

/// The number at the end of a name.
fn number(name: &str) -> u32 {
    name.rsplit(' ').next().unwrap().parse().unwrap()
}

fn table(head: &str, rows: &[u32], row: impl Fn(usize, u32) -> String) -> String {
    let rows = rows.iter().enumerate().map(|(at, number)| row(at, *number));
    std::iter::once(head.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

/// Longitude and latitude of a row somewhere in the city.
fn place(at: usize) -> (f64, f64) {
    (122.0 + 0.35 * (at as f64 * 0.618_034).fract(), 30.0 + 0.3 * (at as f64 * 0.754_878).fract())
}

fn facility(at: usize, number: u32) -> String {
    let (lon, lat) = place(at);
    format!("33090201037{at:06},01037,灯 {number},{lon:.6},{lat:.6}")
}

fn case(at: usize, number: u32) -> String {
    let (lon, lat) = place(at);
    let updated = jiff::Timestamp::from_second(1_772_000_000 + i64::from(number)).unwrap();
    format!("C{at:05},06012,handling,2026-02-01T08:00:00+08:00,垃圾 {number},{lon:.6},{lat:.6},{updated}")
}

fn member(at: usize, number: u32) -> String {
    format!("S{at:04},网格员 {number},网格员,{}", grid_code(at))
}

fn grid_code(at: usize) -> String {
    format!("330902002{:03}{:03}", at / 100 + 1, at % 100 + 1)
}

fn grids(rows: &[u32]) -> String {
    let features: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(at, number)| {
            let (column, row) = (at % 35, at / 35);
            let lon = |column: usize| 122.0 + column as f64 * 0.01;
            let lat = |row: usize| 30.0 + row as f64 * 0.01;
            let corners = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)];
            let ring = corners.map(|(x, y)| format!("[{:.2},{:.2}]", lon(column + x), lat(row + y))).join(",");
            format!(
                r#"{{"type":"Feature","properties":{{"code":"{}","name":"网格 {number}"}},"geometry":{{"type":"Polygon","coordinates":[[{ring}]]}}}}"#,
                grid_code(at)
            )
        })
        .collect();
    super::imports::collection(&features)
}

/// The program: the one built beside this test, or the one that `WANGGE` names.
pub(crate) fn wangge(folder: &Path, arguments: &[&str]) -> Command {
    let named = std::env::var_os("WANGGE").map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let mut command = Command::new(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_wangge").into()));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

fn import<'a>(kind: &'a str, file: &'a str) -> [&'a str; 7] {
    ["import", kind, file, "--data", "city.gpkg", "--crs", "cgcs2000"]
}

pub(crate) fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A small seeded generator of numbers (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A share of the whole, in 0..1.
    pub(crate) fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What became of the kills.
#[derive(Debug, Default)]
struct Told {
    /// The program was running when it was killed.
    running: u32,
    /// An import was found whole though it was killed.
    whole: u32,
    /// An import that was killed left unfinished tables.
    unfinished: u32,
    /// A server was killed.
    served: u32,
}

/// Kills after a time; whether the program was still running, and else whether it had finished well.
fn killed(mut program: Child, after: Duration) -> (bool, bool) {
    // Not a wait for anything: it only moves the kill to another moment each time.
    std::thread::sleep(after);
    let ended = program.try_wait().unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    (ended.is_none(), ended.is_some_and(|status| status.success()))
}

/// Starts a server; how long it takes until it says where it listens, or it is killed before.
fn served(folder: &Path, kill_after: Option<Duration>) -> Duration {
    let started = Instant::now();
    let arguments = ["serve", "--data", "city.gpkg", "--listen", "127.0.0.1:0", "--log", "warn"];
    let mut program = wangge(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    match kill_after {
        None => {
            let lines = BufReader::new(program.stderr.take().unwrap()).lines();
            assert!(lines.map_while(Result::ok).any(|line| line.starts_with("http://")), "the server says where it listens");
            let took = started.elapsed();
            killed(program, Duration::ZERO);
            took
        }
        Some(after) => {
            killed(program, after);
            after
        }
    }
}

/// Tables that a killed process left behind, looked for in a copy, so that the file stays as it was found.
async fn unfinished(path: &Path, folder: &Path) -> bool {
    use sqlx::Connection;
    if !path.exists() {
        return false;
    }
    let copy = folder.join("copy");
    std::fs::copy(path, &copy).unwrap();
    let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    let _ = std::fs::remove_file(log(&copy));
    if log(path).exists() {
        std::fs::copy(log(path), log(&copy)).unwrap();
    }
    let mut conn = sqlx::SqliteConnection::connect(&format!("sqlite://{}", copy.display())).await.unwrap();
    let sql = "SELECT count(*) FROM sqlite_master WHERE name LIKE '%\\_next' ESCAPE '\\' OR name LIKE '%\\_old' ESCAPE '\\'";
    let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    found > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_killed_at_any_moment_loses_nothing_it_finished() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (kills, seed) = (number("KILLS").unwrap_or(50) as u32, number("SEED").unwrap_or(1));
    eprintln!("SEED={seed}");
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let (folder, path) = (folder.path(), folder.path().join("city.gpkg"));
    let mut world = World::default();
    // How long each import of a life takes when nobody kills it, and a server until it listens.
    let (mut times, mut until_served) = ([Duration::ZERO; LIFE.len()], Duration::ZERO);
    let (mut number, mut done, mut counts) = (0, 0, Told::default());
    while done < kills {
        let at = number as usize % LIFE.len();
        let (turn, undisturbed) = (LIFE[at], number as usize / LIFE.len() == 0);
        if at == 0 {
            world = World::default();
            for entry in std::fs::read_dir(folder).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        number += 1;
        let after = world.after(turn, number);
        let file = after.written(folder, turn);
        let order = import(turn.kind, file.to_str().unwrap());
        let mut whole = false;
        if !undisturbed {
            let program = wangge(folder, &order).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let (running, finished) = killed(program, times[at].mul_f64(random.share()));
            done += 1;
            counts.running += u32::from(running);
            counts.unfinished += u32::from(unfinished(&path, folder).await);
            if turn.served && path.exists() {
                served(folder, Some(until_served.mul_f64(1.5 * random.share())));
                counts.served += 1;
                done += 1;
            }
            let place = format!("SEED={seed} number {number}, {} killed", turn.kind);
            if path.exists() && random.share() < 0.5 {
                let checked = wangge(folder, &["check", "--data", "city.gpkg"]).output().unwrap();
                assert!(checked.status.success(), "{place}: {}", told(&checked));
            }
            // Half of the time as a reader beside the log that was left, half as the one who writes: nobody holds the lock.
            let access = if random.share() < 0.5 { Access::Read } else { Access::Serve };
            let found = World::of(&path, access).await;
            whole = found == after;
            assert!(whole || (!finished && found == world) || (!finished && !path.exists()), "{place}: finished {finished}");
            counts.whole += u32::from(running && whole);
        }
        let started = Instant::now();
        let next = wangge(folder, &order).output().unwrap();
        assert!(next.status.success(), "SEED={seed} number {number}: the next import: {}", told(&next));
        // An import that finds everything there already is quicker than one that has to write it.
        if !whole {
            times[at] = started.elapsed();
        }
        assert!(!folder.join("city.gpkg-wal").exists(), "a file that nobody uses is one file");
        assert!(World::of(&path, Access::Read).await == after, "SEED={seed} number {number}: the next import is whole");
        if undisturbed && turn.served {
            until_served = served(folder, None);
        }
        world = after;
        let checked = wangge(folder, &["check", "--data", "city.gpkg"]).output().unwrap();
        assert!(checked.status.success(), "SEED={seed} number {number}: {}", told(&checked));
    }
    eprintln!("{done} kills: {counts:?}");
    let imports = done - counts.served;
    assert!(2 * counts.running >= imports, "most kills hit a running import: {counts:?}");
    assert!(counts.whole > 0 || kills < 1000, "some kills fall between the commit and the end: {counts:?}");
    assert!(counts.unfinished > 0, "some kills fall into the writing: {counts:?}");
}
