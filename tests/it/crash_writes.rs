//! `kill -9` of a server while clients write facilities through it: what it acknowledged is there, what it did not is there wholly
//! or not at all, and a write with a key that is sent again happens once. `make crash` does it two hundred times.

use super::crash::{Random, told, wangge};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use wangge::store::{Access, Store};

const CLIENTS: u32 = 3;

/// A client of the server, and what it knows of its facilities.
struct Client {
    number: u32,
    random: Random,
    /// Names and versions as they were acknowledged, by id.
    known: BTreeMap<i64, (String, u32)>,
    /// The write whose answer did not come.
    pending: Option<Pending>,
    written: u32,
}

#[derive(Debug, Clone)]
enum Pending {
    Create { key: String, name: String, place: [f64; 2] },
    Change { id: i64, name: String },
    Remove { id: i64 },
}

/// Sends one request; `None` when the server went away before it answered.
fn ask(stream: &mut BufReader<TcpStream>, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, Value)> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes()).ok()?;
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest[..3].parse().ok();
        } else if let Some(rest) = line.strip_prefix("content-length: ") {
            length = rest.parse().ok()?;
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((status?, serde_json::from_slice(&body).ok()?))
}

impl Client {
    fn new(number: u32, seed: u64) -> Self {
        let random = Random(seed.wrapping_mul(1000) + u64::from(number));
        Self { number, random, known: BTreeMap::new(), pending: None, written: 0 }
    }

    /// Sends what was not answered before again, then writes until the server goes away or `stop` is set.
    fn run(&mut self, address: &str, stop: &AtomicBool, acknowledged: &AtomicU32) {
        let Ok(stream) = TcpStream::connect(address) else { return };
        let mut stream = BufReader::new(stream);
        while !stop.load(Ordering::Relaxed) {
            let again = self.pending.take_if(|pending| matches!(pending, Pending::Create { .. }));
            let write = again.unwrap_or_else(|| self.choice());
            self.pending = Some(write.clone());
            let answer = match &write {
                Pending::Create { key, name, place } => {
                    let body = json!({ "position": place, "crs": "wgs84", "category": "01037", "name": name });
                    ask(&mut stream, "POST", "/api/v1/facilities", &format!("Idempotency-Key: {key}\r\n"), &body.to_string())
                }
                Pending::Change { id, name } => {
                    let headers = format!("If-Match: \"{}\"\r\n", self.known[id].1);
                    let body = json!({ "name": name, "position": [122.0 + 0.3 * self.random.share(), 30.2], "crs": "cgcs2000" });
                    ask(&mut stream, "PATCH", &format!("/api/v1/facilities/{id}"), &headers, &body.to_string())
                }
                Pending::Remove { id } => {
                    let headers = format!("If-Match: \"{}\"\r\n", self.known[id].1);
                    ask(&mut stream, "DELETE", &format!("/api/v1/facilities/{id}"), &headers, "")
                }
            };
            let Some((status, answer)) = answer else { return };
            assert!(status == 200 || status == 201, "{write:?}: {status} {answer}");
            match write {
                Pending::Create { name, .. } => {
                    drop(self.known.insert(answer["id"].as_i64().unwrap(), (name, 1)));
                }
                Pending::Change { id, name } => {
                    let version = answer["version"].as_u64().unwrap() as u32;
                    assert_eq!(version, self.known[&id].1 + 1);
                    self.known.insert(id, (name, version));
                }
                Pending::Remove { id } => drop(self.known.remove(&id)),
            }
            self.pending = None;
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn choice(&mut self) -> Pending {
        self.written += 1;
        let name = format!("client {} write {}", self.number, self.written);
        let chosen = (self.random.share() * self.known.len() as f64) as usize;
        match (self.known.keys().nth(chosen).copied(), self.random.share()) {
            (Some(id), share) if share < 0.4 => Pending::Change { id, name },
            (Some(id), share) if share < 0.55 => Pending::Remove { id },
            _ => {
                let place = [122.0 + 0.3 * self.random.share(), 30.0 + 0.3 * self.random.share()];
                Pending::Create { key: name.replace(' ', "-"), name, place }
            }
        }
    }

    /// Compares what it knows with what is stored, and takes over what became of the write that was not answered.
    fn compare(&mut self, stored: &BTreeMap<i64, (String, u32)>, place: &str) {
        let own = |name: &str| name.starts_with(&format!("client {} ", self.number));
        let mut found: BTreeMap<i64, (String, u32)> =
            stored.iter().filter(|(_, (name, _))| own(name)).map(|(id, row)| (*id, row.clone())).collect();
        match self.pending.clone() {
            Some(Pending::Create { name, .. }) => {
                // It is sent again under its key.
                let made: Vec<i64> = found.iter().filter(|(_, row)| row.0 == name).map(|(id, _)| *id).collect();
                assert!(made.len() <= 1, "{place}: {name} {made:?}");
                made.iter().for_each(|id| drop(found.remove(id)));
            }
            Some(Pending::Change { id, name }) => {
                let (before, after) = (self.known[&id].clone(), (name, self.known[&id].1 + 1));
                let now = found.get(&id).cloned();
                assert!(
                    now.as_ref() == Some(&before) || now.as_ref() == Some(&after),
                    "{place}: {id} is {now:?}, not {before:?} or {after:?}"
                );
                self.known.extend(now.map(|now| (id, now)));
                self.pending = None;
            }
            Some(Pending::Remove { id }) => {
                if !found.contains_key(&id) {
                    self.known.remove(&id);
                }
                self.pending = None;
            }
            None => {}
        }
        assert!(found == self.known, "{place}: client {} knows {:?}, stored is {found:?}", self.number, self.known);
    }
}

fn serve(folder: &Path) -> (Child, String) {
    let arguments = ["serve", "--data", "city.gpkg", "--listen", "127.0.0.1:0", "--log", "warn"];
    let mut server = wangge(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address =
        lines.find_map(|line| line.strip_prefix("http://").map(str::to_owned)).expect("the server says where it listens");
    // What it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (server, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_it_writes_loses_nothing_it_acknowledged() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (kills, seed) = (number("KILLS").unwrap_or(50).div_ceil(5), number("SEED").unwrap_or(1));
    eprintln!("SEED={seed}");
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let (folder, path) = (folder.path(), folder.path().join("city.gpkg"));
    let square = r#"{"type":"Feature","properties":{"code":"330902002001001","name":"网格"},"geometry":{"type":"Polygon","coordinates":[[[122.0,30.0],[122.2,30.0],[122.2,30.4],[122.0,30.4],[122.0,30.0]]]}}"#;
    std::fs::write(folder.join("grids.geojson"), super::imports::collection(&[square.to_owned()])).unwrap();
    let imported =
        wangge(folder, &["import", "grids", "grids.geojson", "--data", "city.gpkg", "--crs", "cgcs2000"]).output().unwrap();
    assert!(imported.status.success(), "{}", told(&imported));
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, seed)).collect();
    let acknowledged = Arc::new(AtomicU32::new(0));
    let mut unanswered = 0;
    for kill in 0..kills {
        let place = format!("SEED={seed} kill {kill}");
        let (mut server, address) = serve(folder);
        let stop = Arc::new(AtomicBool::new(false));
        let running: Vec<_> = clients
            .drain(..)
            .map(|mut client| {
                let (address, stop, acknowledged) = (address.clone(), Arc::clone(&stop), Arc::clone(&acknowledged));
                std::thread::spawn(move || {
                    client.run(&address, &stop, &acknowledged);
                    client
                })
            })
            .collect();
        // Not a wait for anything: it only moves the kill to another moment each time.
        std::thread::sleep(Duration::from_millis(20).mul_f64(1.0 + 10.0 * random.share()));
        server.kill().unwrap();
        server.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        clients = running.into_iter().map(|client| client.join().unwrap()).collect();
        unanswered += clients.iter().filter(|client| client.pending.is_some()).count();
        let store = Store::open(&path, Access::Read).await.unwrap();
        let rows = store.snapshot(wangge::clock::Clock::System.now()).await.unwrap().facilities;
        store.close().await.unwrap();
        let stored = rows.into_iter().map(|row| (row.id.0, (row.name.to_string(), row.version.0))).collect();
        clients.iter_mut().for_each(|client| client.compare(&stored, &place));
        if random.share() < 0.3 || kill + 1 == kills {
            let checked = wangge(folder, &["check", "--data", "city.gpkg"]).output().unwrap();
            assert!(checked.status.success(), "{place}: {}", told(&checked));
        }
    }
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    eprintln!("{kills} kills: {acknowledged} writes acknowledged, {unanswered} unanswered");
    assert!(u64::from(acknowledged) > kills, "{acknowledged} writes were acknowledged");
    assert!(unanswered > 0, "some kills hit a write");
}
