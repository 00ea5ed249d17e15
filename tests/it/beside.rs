//! `wangge import` beside a running server: through it, and through `kill -9` of it.

use super::crash::{Random, told, wangge};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;
use wangge::clock::Clock;
use wangge::store::{Access, ImportState, Store};

/// A server that says where it listens; killed when it is dropped.
struct Server(Child);

impl Server {
    fn start(folder: &Path) -> Self {
        let arguments = ["serve", "--data", "city.gpkg", "--listen", "127.0.0.1:0", "--log", "error"];
        let mut program = wangge(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
        assert!(lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("http://")), "the server says where it listens");
        // Whatever it says from now on is read, so that it never waits for us.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Self(program)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    wangge(folder, arguments).output().unwrap()
}

fn facilities(folder: &Path, file: &str, rows: u32, name: &str) {
    let mut text = "code,category,name,lon,lat\n".to_owned();
    for n in 0..rows {
        let (lon, lat) = (122.0 + 0.04 * (f64::from(n) * 0.618).fract(), 30.0 + 0.01 * (f64::from(n) * 0.7548).fract());
        text.push_str(&format!("c{n:06},01037,{name},{lon:.6},{lat:.6}\n"));
    }
    std::fs::write(folder.join(file), text).unwrap();
}

fn grids(folder: &Path) {
    std::fs::write(folder.join("grids.geojson"), super::imports::row_of_grids("330902002001", 4, 122.0, 30.0, 0.01)).unwrap();
    let made = run(folder, &["import", "grids", "grids.geojson", "--data", "city.gpkg", "--crs", "cgcs2000"]);
    assert_eq!(made.status.code(), Some(0), "{}", told(&made));
}

#[test]
fn an_import_beside_a_server_goes_through_it_with_the_same_report_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    grids(folder);
    facilities(folder, "f.csv", 300, "灯");
    let plain = ["import", "facilities", "f.csv", "--data", "city.gpkg", "--crs", "cgcs2000", "--report", "r.json"];
    let server = Server::start(folder);
    let through = run(folder, &plain);
    assert_eq!(through.status.code(), Some(0), "{}", told(&through));
    assert!(
        told(&through).contains("imported as revision 2, epoch 1") && told(&through).contains("new 300"),
        "{}",
        told(&through)
    );
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("r.json")).unwrap()).unwrap();
    assert_eq!((&report["status"], &report["new"]), (&"imported".into(), &300.into()));
    let again = run(folder, &plain);
    assert!(again.status.code() == Some(0) && told(&again).contains("same 300"), "{}", told(&again));
    // Refused: exit code 1, and all of the faults in the files.
    let rows: String = (0..450).map(|n| format!("x{n},01037,,122.01,x\n")).collect();
    std::fs::write(folder.join("bad.csv"), format!("code,category,name,lon,lat\n{rows}")).unwrap();
    let options = ["--data", "city.gpkg", "--crs", "cgcs2000", "--report", "bad.json", "--faults", "bad.gpkg"];
    let refused = run(folder, &[&["import", "facilities", "bad.csv"][..], &options].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("bad.json")).unwrap()).unwrap();
    assert_eq!(report["faults"].as_array().unwrap().len(), 450);
    assert!(std::fs::read(folder.join("bad.gpkg")).unwrap().starts_with(b"SQLite format 3\0"));
    // Files of this machine that options name, and columns with odd names.
    std::fs::write(
        folder.join("own.toml"),
        "name = \"own\"\nextends = \"gbt47678\"\ncategories = [{ kind = \"component\", code = \"01000\", name = \"一\" }]\n",
    )
    .unwrap();
    std::fs::write(folder.join("odd.csv"), "\"a;b\",lon,lat\n01000,122.005,30.005\n").unwrap();
    let odd = [
        "import",
        "facilities",
        "odd.csv",
        "--data",
        "city.gpkg",
        "--crs",
        "wgs84",
        "--codes",
        "own.toml",
        "--map",
        "category=a;b",
    ];
    let taken = run(folder, &odd);
    assert_eq!(taken.status.code(), Some(0), "{}", told(&taken));
    assert!(told(&taken).contains("--codes") && told(&taken).contains("new 1"), "{}", told(&taken));
    let missing = run(folder, &["import", "facilities", "none.csv", "--data", "city.gpkg", "--crs", "wgs84"]);
    assert_eq!(missing.status.code(), Some(1), "{}", told(&missing));
    drop(server);
    // What the killed server wrote about itself misleads nobody.
    facilities(folder, "f.csv", 301, "灯");
    let alone = run(folder, &plain);
    assert!(alone.status.code() == Some(0) && told(&alone).contains("new 1"), "{}", told(&alone));
    let checked = run(folder, &["check", "--data", "city.gpkg"]);
    assert_eq!(checked.status.code(), Some(0), "{}", told(&checked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_it_imports_leaves_all_of_it_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    grids(folder);
    let mut random = Random(7);
    let (mut whole, mut nothing) = (0, 0);
    for turn in 0..8 {
        let name = format!("turn {turn}");
        facilities(folder, "f.csv", 2600, &name);
        let server = Server::start(folder);
        let import = ["import", "facilities", "f.csv", "--data", "city.gpkg", "--crs", "cgcs2000"];
        let client = wangge(folder, &import).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Not a wait for anything: it only moves the kill to another moment each time.
        std::thread::sleep(Duration::from_secs_f64(0.02 + 0.5 * random.share()));
        drop(server);
        drop(Server(client));
        let store = Store::open(&folder.join("city.gpkg"), Access::Import).await.unwrap();
        let snapshot = store.snapshot(Clock::System.now()).await.unwrap();
        let named = snapshot.facilities.iter().filter(|row| *row.name == *name).count();
        assert!(named == 0 || named == 2600, "{named} of turn {turn}");
        if named == 0 {
            nothing += 1
        } else {
            whole += 1
        }
        let imports = store.imports().await.unwrap();
        let under_way = |state| state == ImportState::Queued || state == ImportState::Running;
        assert!(imports.iter().all(|import| !under_way(import.state)), "{imports:?}");
        let committed = imports.iter().filter(|import| import.revision.is_some()).count() as u64;
        assert_eq!(committed, snapshot.revision.0, "each number of the log is one import's");
        assert_eq!(store.check().await.unwrap(), []);
        store.close().await.unwrap();
    }
    eprintln!("{whole} whole, {nothing} not at all");
    // The uploads of the killed ones go with the next start.
    let uploads = folder.join("city.gpkg.uploads");
    std::fs::create_dir_all(uploads.join("0")).unwrap();
    drop(Server::start(folder));
    assert!(!uploads.exists());
}
