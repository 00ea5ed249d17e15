//! Clients that send nothing, or without end: others are served, memory stays where it is, and whoever comes too much is told when to
//! come back. Sockets are real ones, and where memory counts the server is a process of its own.

use super::{city, get};
use crate::crash::{told, wangge};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wangge::http::{Door, Room};

/// How long is waited for a state that is bound to come.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n";

/// What an address answers to a request that is written here, up to the end of its head and a bit more.
async fn told_by(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.unwrap();
    head(&mut socket).await
}

pub(super) async fn head(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut some = [0; 4096];
        match tokio::time::timeout(PATIENCE, socket.read(&mut some)).await.expect("an answer, or the end") {
            Ok(n) if n > 0 => answer.extend_from_slice(&some[..n]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

pub(super) async fn is_served(address: SocketAddr) {
    let answer = told_by(address, &[HEAD, b"\r\n"].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

async fn serve(room: Room) -> SocketAddr {
    let listener = wangge::http::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door { listener, tls: None, tells_apart: true };
    tokio::spawn(wangge::http::serve_all(vec![door], room, city::router().await, std::future::pending()));
    address
}

#[tokio::test]
async fn slow_heads_fill_no_places() {
    let address = serve(Room { all: 32, of_one: 32 }).await;
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // Those that went for others may be gone before they have written.
        let _ = socket.write_all(HEAD).await;
        slow.push(socket);
        if n % 50 == 49 {
            is_served(address).await;
        }
    }
    // The longest waiting went, and were not answered.
    for socket in &mut slow[..200] {
        assert_eq!(head(socket).await, "");
    }
}

#[tokio::test]
async fn when_all_places_are_at_work_one_is_told_to_come_back() {
    let address = serve(Room { all: 4, of_one: 4 }).await;
    let events = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(events).await.unwrap();
        assert!(head(&mut socket).await.starts_with("HTTP/1.1 200"));
        streams.push(socket);
    }
    let mut fifth = TcpStream::connect(address).await.unwrap();
    let refused = head(&mut fifth).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("Retry-After: "), "{refused}");
    streams.pop();
    let begun = Instant::now();
    loop {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let _ = socket.write_all(&[HEAD, b"\r\n"].concat()).await;
        if head(&mut socket).await.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "a stream that ended leaves its place");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_sends_no_head_and_who_sends_no_other_request_is_not_waited_for() {
    let address = serve(Room::default()).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(HEAD).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(&[HEAD, b"\r\n"].concat()).await.unwrap();
    assert!(head(&mut idle).await.starts_with("HTTP/1.1 200"));
    let mut large = TcpStream::connect(address).await.unwrap();
    let _ = large.write_all(&[HEAD, b"X: ", &vec![b'x'; 1 << 20]].concat()).await;
    let refused = head(&mut large).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
    let mut rest = Vec::new();
    for socket in [&mut slow, &mut idle] {
        let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("the server ends it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_when_to_come_back() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    // As many as fit: whoever finds no room comes back at once.
    let jobs: Vec<_> = (0..2000)
        .map(|_| {
            let (gate, compute) = (Arc::clone(&gate), app.compute.clone());
            tokio::spawn(async move {
                let wait = move || drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
                compute.run(wait).await
            })
        })
        .collect();
    let begun = Instant::now();
    while jobs.iter().filter(|job| job.is_finished()).count() < 2000 - 256 - 64 {
        assert!(begun.elapsed() < PATIENCE, "the queue is bounded");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = get(&router, "/tiles/grids/14/13750/6740").await;
    answer.problem(503, "busy");
    assert_eq!(answer.headers["retry-after"], "1");
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    for job in jobs {
        let _ = job.await.unwrap();
    }
    assert!(get(&router, "/tiles/grids/14/13750/6740").await.status.is_success());
}

/// The program as a server with a city of two grids; killed when it is dropped.
pub(super) struct Program {
    child: Child,
    pub(super) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Program {
    pub(super) fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let grids = crate::imports::row_of_grids("330902002001", 2, 122.0, 30.0, 0.01);
        std::fs::write(folder.path().join("grids.geojson"), grids).unwrap();
        let import = ["import", "grids", "grids.geojson", "--data", "city.gpkg", "--crs", "cgcs2000"];
        let made = wangge(folder.path(), &import).output().unwrap();
        assert!(made.status.success(), "{}", told(&made));
        let text = format!("data = \"city.gpkg\"\nlisten = \"127.0.0.1:0\"\n{settings}");
        std::fs::write(folder.path().join("wangge.toml"), text).unwrap();
        let arguments = ["serve", "--config", "wangge.toml", "--log", "error"];
        let mut child = wangge(folder.path(), &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.by_ref().find(|line| line.starts_with("http://")).expect("it says where it listens");
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        Self { child, address: line["http://".len()..].parse().unwrap(), _folder: folder }
    }

    /// Most memory that it ever had, in megabytes.
    #[cfg(target_os = "linux")]
    pub(super) fn most_mb(&self) -> u64 {
        let status = std::fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() >> 10
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_ten_gigabytes_is_refused_early_or_passes_through() {
    let server = Program::start("body_limit_mb = 4\n");
    is_served(server.address).await;
    let before = server.most_mb();
    for (path, media_type) in [
        ("/api/v1/facilities", "application/json"),
        ("/api/v1/select", "application/json"),
        ("/api/v1/imports?kind=facilities&crs=wgs84", "text/csv"),
    ] {
        // Stated: refused before any of it comes.
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: 10737418240\r\n\r\n"
        );
        let refused = told_by(server.address, request.as_bytes()).await;
        assert!(refused.starts_with("HTTP/1.1 413"), "{path}: {refused}");
    }
    // Not stated: cut off.
    let piece = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let begin = b"POST /api/v1/facilities HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    socket.write_all(begin).await.unwrap();
    let mut sent = 0_u64;
    while sent < 10 << 30 && socket.write_all(&piece).await.is_ok() {
        sent += 0x10000;
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    // A stream of lines has no end, and no memory: what is answered is forgotten.
    let socket = TcpStream::connect(server.address).await.unwrap();
    let (mut answers, mut lines) = socket.into_split();
    let reading = tokio::spawn(async move {
        let (mut total, mut buffer) = (0, vec![0; 1 << 16]);
        while let Ok(n @ 1..) = answers.read(&mut buffer).await {
            total += n;
        }
        total
    });
    let begin = b"POST /api/v1/locate?crs=wgs84 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    lines.write_all(begin).await.unwrap();
    let line = b"{\"lon\":122.005,\"lat\":30.005,\"note\":\"a line that is some hundred bytes long, so that there are many bytes and few lookups\"}\n";
    let block = line.repeat(500);
    let block = [format!("{:x}\r\n", block.len()).as_bytes(), &block, b"\r\n"].concat();
    for _ in 0..400 {
        lines.write_all(&block).await.unwrap();
    }
    lines.write_all(b"0\r\n\r\n").await.unwrap();
    let total = tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap();
    assert!(total > 1 << 20, "{total} bytes of answers");
    is_served(server.address).await;
    let more = server.most_mb() - before;
    eprintln!("{before} MB before, {more} MB more");
    assert!(more < 64, "{more} MB more");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_a_part_of_memory_and_no_more() {
    let server = Program::start("body_limit_mb = 16\n");
    let begin =
        b"POST /api/v1/locate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16000000\r\n\r\n";
    let most = vec![b' '; 15_000_000];
    let mut under_way = Vec::new();
    for _ in 0..30 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(begin).await.unwrap();
        // One that is refused is closed while it still sends.
        let _ = socket.write_all(&most).await;
        under_way.push(socket);
    }
    is_served(server.address).await;
    let mut refused = 0;
    for socket in &mut under_way {
        let mut some = [0; 4096];
        if let Ok(Ok(n)) = tokio::time::timeout(Duration::from_millis(50), socket.read(&mut some)).await {
            let answer = String::from_utf8_lossy(&some[..n]).into_owned();
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 503") && answer.to_lowercase().contains("retry-after: 5"),
                "{answer}"
            );
            refused += 1;
        } else {
            refused += usize::from(socket.try_write(b" ").is_err());
        }
    }
    assert!((8..30).contains(&refused), "256 MB are room for 17 of 15 MB; {refused} of 30 were refused");
    let most_mb = server.most_mb();
    assert!(most_mb < 700, "{most_mb} MB");
    drop(under_way);
    let small =
        b"POST /api/v1/locate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let begun = Instant::now();
    while !told_by(server.address, small).await.starts_with("HTTP/1.1 400") {
        assert!(begun.elapsed() < PATIENCE, "room comes back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn short_of_memory_it_puts_requests_off_and_says_how_it_is() {
    let server = Program::start("memory_limit_mb = 16\n");
    let meta = b"GET /api/v1/meta HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let begun = Instant::now();
    let put_off = loop {
        let answer = told_by(server.address, meta).await.to_lowercase();
        if answer.starts_with("http/1.1 503") {
            break answer;
        }
        assert!(begun.elapsed() < PATIENCE, "no process of this program is that small: {answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(put_off.contains("retry-after: 5") && put_off.contains("application/problem+json"), "{put_off}");
    is_served(server.address).await;
}
