//! Three servers as processes of their own over one database, written to from all sides while they are killed and started again at random:
//! what was acknowledged is there, and in the end all of them and the database say the same. `tests/run.sh` has it for a minute, with the
//! program as it is released.

use super::city;
use super::floods::number;
use crate::crash::{told, wangge};
use crate::postgres::Database;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wangge::store::Store;

const SERVERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, as long as it lives.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &std::path::Path, url: &str) -> Self {
        let arguments = ["serve", "--database", url, "--listen", "127.0.0.1:0", "--log", "error"];
        let mut child = wangge(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.by_ref().find(|line| line.starts_with("http://")).expect("it says where it listens");
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        Self { child, address: line["http://".len()..].parse().unwrap() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own: status and body. An error: nobody knows what became of it.
async fn ask(to: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> std::io::Result<(u16, String)> {
    let asked = async {
        let mut socket = TcpStream::connect(to).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        socket.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        let broken = || std::io::Error::other("no answer");
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        // A server that was killed may have said half of it.
        if length.is_none_or(|length| length == body.len()) { Ok((status, body.to_owned())) } else { Err(broken()) }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(std::io::Error::other("it took too long")))
}

/// What all tasks share.
struct World {
    servers: Vec<Mutex<Option<SocketAddr>>>,
    ended: AtomicBool,
    /// Microseconds from an acknowledged write until another server showed it.
    lags: Mutex<Vec<u64>>,
    retries: AtomicU64,
}

impl World {
    fn address(&self, n: usize) -> Option<SocketAddr> {
        *self.servers[n % SERVERS].lock().unwrap()
    }

    /// Sends a write under one name to one server after the other until one of them acknowledges it.
    async fn write(&self, first: usize, key: &str, method: &str, path: &str, body: &Value) -> Option<(usize, Value)> {
        let headers = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\nIf-Match: *\r\n");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let begun = Instant::now();
        for n in first.. {
            assert!(begun.elapsed() < PATIENCE, "{method} {path} as {key}");
            let answered = match self.address(n) {
                Some(to) => ask(to, method, path, &headers, &text).await,
                None => Err(std::io::Error::other("it is not there")),
            };
            match answered {
                Ok((200 | 201, body)) => return Some((n % SERVERS, serde_json::from_str(&body).unwrap())),
                Ok((204, _)) => return Some((n % SERVERS, Value::Null)),
                Ok((503, _)) | Err(_) => {
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Ok((status, body)) => panic!("{method} {path} as {key}: {status} {body}"),
            }
        }
        None
    }

    /// How long until another server shows a revision.
    async fn lag(&self, other: usize, revision: u64) {
        let begun = Instant::now();
        let Some(to) = self.address(other) else { return };
        let shown = ask(to, "GET", "/api/v1/meta", &format!("Min-Revision: {revision}\r\n"), "").await;
        if matches!(shown, Ok((200, _))) {
            self.lags.lock().unwrap().push(begun.elapsed().as_micros() as u64);
        }
    }
}

/// Where a facility stands in the end, by its name; `None`: it is gone.
type Expected = BTreeMap<String, Option<bool>>;

async fn writer(world: Arc<World>, n: usize) -> Expected {
    let mut expected = Expected::new();
    let mut k = 0;
    while !world.ended.load(Ordering::Relaxed) {
        let (name, server) = (format!("w{n}-{k}"), n + k);
        let body = json!({ "position": [122.105, 30.005], "crs": "cgcs2000", "category": "01050", "name": name, "code": name });
        let Some((by, made)) = world.write(server, &name, "POST", "/api/v1/facilities", &body).await else { break };
        expected.insert(name.clone(), Some(false));
        let (path, revision) = (format!("/api/v1/facilities/{}", made["id"]), made["revision"].as_u64().unwrap());
        if k % 5 == 0 {
            world.lag(by + 1, revision).await;
        }
        if k % 2 == 0 {
            let moved = json!({ "position": [122.115, 30.005], "crs": "cgcs2000" });
            world.write(server + 1, &format!("{name}-moved"), "PATCH", &path, &moved).await;
            expected.insert(name.clone(), Some(true));
        }
        if k % 3 == 0 {
            world.write(server + 2, &format!("{name}-gone"), "DELETE", &path, &Value::Null).await;
            expected.insert(name, None);
        }
        k += 1;
    }
    expected
}

/// Imports cases, by way of one server after the other; those that a killed server left are as if they had never been sent.
async fn importer(world: Arc<World>) -> u64 {
    let (mut imported, mut n) = (0, 0);
    while !world.ended.load(Ordering::Relaxed) {
        n += 1;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let Some(to) = world.address(n) else { continue };
        let rows: String =
            (0..50).map(|row| format!("{n}-{row},122.105,30.005,06012,reported,2026-11-20T08:00:00+08:00\n")).collect();
        let file = format!("id,lon,lat,category,state,reported_at\n{rows}");
        let path = "/api/v1/imports?kind=cases&crs=cgcs2000&system=desk&file=cases.csv";
        let Ok((202, taken)) = ask(to, "POST", path, "Content-Type: text/csv\r\n", &file).await else { continue };
        let id = serde_json::from_str::<Value>(&taken).unwrap()["id"].clone();
        // To its end, or to that of its server.
        while let Ok((200, import)) = ask(to, "GET", &format!("/api/v1/imports/{id}"), "", "").await {
            let import: Value = serde_json::from_str(&import).unwrap();
            match import["state"].as_str().unwrap() {
                "queued" | "running" => tokio::time::sleep(Duration::from_millis(50)).await,
                "done" => {
                    assert_eq!(import["report"]["status"], "imported", "{import:#}");
                    imported += 1;
                    break;
                }
                _ => break,
            }
        }
    }
    imported
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_killed_at_random_lose_nothing_and_agree_in_the_end() {
    let seconds = u64::from(number("WRITES_S", 8));
    let seed = u64::from(number("SEED", 1));
    eprintln!("SEED={seed}");
    let database = Database::new();
    let url = database.url();
    city::filled(Store::create(&PathBuf::from(&url), &city::meta()).await.unwrap()).await.close().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut servers: Vec<Option<Server>> = (0..SERVERS).map(|_| Some(Server::start(folder.path(), &url))).collect();
    let addresses = servers.iter().map(|server| Mutex::new(server.as_ref().map(|server| server.address))).collect();
    let world =
        Arc::new(World { servers: addresses, ended: AtomicBool::new(false), lags: Mutex::default(), retries: AtomicU64::new(0) });
    let writers: Vec<_> = (0..6).map(|n| tokio::spawn(writer(Arc::clone(&world), n))).collect();
    let importing = tokio::spawn(importer(Arc::clone(&world)));
    let (begun, mut random, mut kills) = (Instant::now(), seed, 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis(800 + (random >> 33) % 2000)).await;
        let n = (random >> 60) as usize % SERVERS;
        *world.servers[n].lock().unwrap() = None;
        servers[n] = None;
        kills += 1;
        let (folder, url) = (folder.path().to_owned(), url.clone());
        let again = tokio::task::spawn_blocking(move || Server::start(&folder, &url)).await.unwrap();
        *world.servers[n].lock().unwrap() = Some(again.address);
        servers[n] = Some(again);
    }
    world.ended.store(true, Ordering::Relaxed);
    let mut expected = Expected::new();
    for writer in writers {
        expected.extend(writer.await.unwrap());
    }
    let imported = importing.await.unwrap();
    let stored = database.sql("SELECT name, grid IS NULL FROM wangge.facilities WHERE name LIKE 'w%'");
    let stored: BTreeMap<&str, bool> =
        stored.lines().map(|line| line.split_once('|').unwrap()).map(|(name, moved)| (name, moved == "t")).collect();
    let wrong: Vec<_> = expected.iter().filter(|(name, place)| stored.get(name.as_str()).copied() != **place).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(stored.len(), expected.values().flatten().count(), "a write was done twice");
    let mut lags = std::mem::take(&mut *world.lags.lock().unwrap());
    lags.sort_unstable();
    let lag = |share: usize| lags.get(lags.len() * share / 100).map_or(0.0, |us| *us as f64 / 1000.0);
    eprintln!(
        "{kills} kills in {seconds} s, {} facilities written, {imported} imports, {} retries; lag p50 {:.1} ms, p99 {:.1} ms of {}",
        expected.len(),
        world.retries.load(Ordering::Relaxed),
        lag(50),
        lag(99),
        lags.len(),
    );
    assert!(kills > 0 && expected.len() > 20 && imported > 0 && !lags.is_empty());
    let addresses: Vec<String> = servers.iter().flatten().map(|server| format!("http://{}", server.address)).collect();
    for (a, b) in [(&addresses[0], &addresses[1]), (&addresses[1], &addresses[2]), (&addresses[2], &url)] {
        let compared = wangge(folder.path(), &["compare", a, b]).output().unwrap();
        assert!(compared.status.success(), "{a} and {b}: {}", told(&compared));
    }
}
