//! `GET /api/v1/locate` and JSON batches over loopback sockets, beside an echo of a body of the same size on the same stack. Client and
//! server share the process and its cores; runs are interleaved, medians of 7. CPU time is that of both sides. Then writes: how long until
//! a moved facility is on the map of a viewer.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may fail loudly and prints its table")]

mod city;
mod coverage;
#[allow(dead_code, reason = "shared with benches that count bytes")]
mod harness;

use wangge::{geom, territory};

use city::{CORNER, SIDE, SIZE};
use coverage::Random;
use geom::LatticePoint;
use geom::LonLat;
use geom::mercator::{MercatorPoint, tile_at};
use harness::{ROUNDS, median};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wangge::app::App;
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::domain::facility::{FacilityRecord, FacilityState};
use wangge::domain::id::{Epoch, FacilityId, Version};
use wangge::domain::records::Provenance;
use wangge::interchange::profile;
use wangge::store::{BoundaryCommit, CommitHead, FacilityCommit, Meta, Store};

const SLICE: Duration = Duration::from_millis(1200);

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn app() -> Arc<App> {
    let store = Store::memory(Meta::new("bench", profile::standard()));
    let at = publish(&store).await;
    Arc::new(App::open(store, Config::new("unused.gpkg".into()), Clock::fixed(at)).await.unwrap())
}

/// The grids become those of the store.
async fn publish(store: &Store) -> jiff::Timestamp {
    let boundaries = city::boundaries(SIDE, SIDE);
    let at = "2026-11-21T00:00:00Z".parse().unwrap();
    let commit = BoundaryCommit::new(Epoch(0), boundaries, "bench", at);
    store.boundaries_commit(commit).await.unwrap();
    at
}

/// A place well inside the city.
fn place(random: &mut Random) -> (f64, f64) {
    let mut degrees = |start: i32| (f64::from(start) + (0.01 + 0.98 * random.unit()) * f64::from(SIZE) * SIDE as f64) / 1e7;
    (degrees(CORNER.x), degrees(CORNER.y))
}

fn get_request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n").into_bytes()
}

fn locate_requests() -> Vec<Vec<u8>> {
    let mut random = Random(2);
    let request = |_| {
        let (lon, lat) = place(&mut random);
        get_request(&format!("/api/v1/locate?lon={lon:.7}&lat={lat:.7}&crs=wgs84"))
    };
    (0..4096).map(request).collect()
}

fn batch_requests(points: usize) -> Vec<Vec<u8>> {
    let mut random = Random(3);
    let mut request = || {
        let list: Vec<String> =
            (0..points).map(|_| place(&mut random)).map(|(lon, lat)| format!("[{lon:.7},{lat:.7}]")).collect();
        let body = format!("{{\"crs\":\"wgs84\",\"points\":[{}]}}", list.join(","));
        let head = format!(
            "POST /api/v1/locate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        (head + &body).into_bytes()
    };
    (0..64).map(|_| request()).collect()
}

/// One answer off a connection; the length of its body. `spare` holds what is read and not yet taken.
async fn answer(socket: &mut TcpStream, spare: &mut Vec<u8>) -> usize {
    loop {
        if let Some(head) = spare.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text = std::str::from_utf8(&spare[..head]).unwrap();
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse::<usize>().unwrap();
            let whole = head + 4 + length;
            while spare.len() < whole {
                assert!(socket.read_buf(spare).await.unwrap() > 0);
            }
            spare.drain(..whole);
            return length;
        }
        assert!(socket.read_buf(spare).await.unwrap() > 0);
    }
}

/// Requests per second and microseconds of CPU per request.
async fn run(address: SocketAddr, requests: &Arc<Vec<Vec<u8>>>, connections: usize) -> (f64, f64) {
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let clients: Vec<_> = (0..connections)
        .map(|n| {
            let (stop, count, requests) = (Arc::clone(&stop), Arc::clone(&count), Arc::clone(requests));
            tokio::spawn(async move {
                let mut socket = TcpStream::connect(address).await.unwrap();
                socket.set_nodelay(true).unwrap();
                let (mut spare, mut at) = (Vec::with_capacity(1 << 16), n * 97);
                while !stop.load(Ordering::Relaxed) {
                    socket.write_all(&requests[at % requests.len()]).await.unwrap();
                    answer(&mut socket, &mut spare).await;
                    at += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(SLICE).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let count = count.load(Ordering::Relaxed) as f64;
    (count / started.elapsed().as_secs_f64(), (cpu_seconds() - cpu) / count * 1e6)
}

/// User and system time of this process (Linux; zero elsewhere).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Prints one row: what, and its echo beside it.
async fn compare(
    address: SocketAddr,
    what: &str,
    requests: Vec<Vec<u8>>,
    echo: Vec<Vec<u8>>,
    connections: usize,
    per_request: f64,
) {
    let (requests, echo) = (Arc::new(requests), Arc::new(echo));
    let mut figures = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for (at, requests) in [(0, &requests), (2, &echo)] {
            let (rate, cpu_us) = run(address, requests, connections).await;
            figures[at].push(rate);
            figures[at + 1].push(cpu_us);
        }
    }
    let [rate, cpu_us, echo_rate, echo_cpu_us] = figures.map(median);
    println!(
        "{what:24} {connections:>3} connections: {:>10.0} /s, echo {:>10.0} /s ({:>5.1} %); CPU {cpu_us:>6.1} µs, echo {echo_cpu_us:>6.1} µs ({:.2} x)",
        rate * per_request,
        echo_rate * per_request,
        rate / echo_rate * 100.0,
        cpu_us / echo_cpu_us,
    );
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    if std::env::args().any(|argument| argument == "writes") {
        return writes().await;
    }
    let app = app().await;
    let listener = wangge::http::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = |length: usize| {
        let body: &'static str = Box::leak("x".repeat(length).into_boxed_str());
        axum::routing::get(async move || ([(axum::http::header::CONTENT_TYPE, "application/json")], body))
            .post(async move |_: axum::body::Bytes| ([(axum::http::header::CONTENT_TYPE, "application/json")], body))
    };
    let sizes = sizes(&app).await;
    let echoes = axum::Router::new()
        .route("/echo/locate", echo(sizes.0))
        .route("/echo/batch", echo(sizes.1))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), wangge::http::guard::guard));
    let router = wangge::http::router(app).merge(echoes);
    tokio::spawn(wangge::http::serve(listener, router, std::future::pending()));
    println!("{} grids; bodies of {} and {} bytes", SIDE * SIDE, sizes.0, sizes.1);
    for connections in [8, 64] {
        let echo = vec![get_request("/echo/locate?lon=122.1000000&lat=30.0000000&crs=wgs84")];
        compare(address, "GET locate, requests", locate_requests(), echo, connections, 1.0).await;
    }
    let batch = batch_requests(1000);
    let echo = batch
        .iter()
        .map(|request| String::from_utf8(request.clone()).unwrap().replace("/api/v1/locate", "/echo/batch").into_bytes());
    compare(address, "POST 1,000 points, points", batch.clone(), echo.collect(), 8, 1000.0).await;
    writes().await;
}

/// Bytes of an answer to one point and to a batch.
async fn sizes(app: &Arc<App>) -> (usize, usize) {
    use tower::ServiceExt;
    let router = wangge::http::router(Arc::clone(app));
    let size = async |request: Vec<u8>| {
        let text = String::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let request = axum::http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        let response = router.clone().oneshot(request.body(axum::body::Body::from(body.to_owned())).unwrap()).await.unwrap();
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().len()
    };
    (size(locate_requests().remove(0)).await, size(batch_requests(1000).remove(0)).await)
}

/// Facilities of the city that is written to.
const FACILITIES: u32 = 200_000;
/// Writes that are timed.
const WRITES: usize = 300;

/// A file with the same grids and facilities all over them.
async fn written_to(folder: &std::path::Path) -> Arc<App> {
    let store = Store::create(&folder.join("city.gpkg"), &Meta::new("bench", profile::standard())).await.unwrap();
    publish(&store).await;
    let mut random = Random(4);
    let rows = (0..FACILITIES)
        .map(|n| {
            let (lon, lat) = place(&mut random);
            FacilityRecord {
                id: FacilityId(0),
                code: None,
                category: ["01037", "01013", "01050"][n as usize % 3].to_owned(),
                name: String::new(),
                state: FacilityState::Intact,
                state_date: None,
                at: LatticePoint::nearest(LonLat::new(lon, lat).unwrap()),
                original: None,
                grid: None,
                accuracy: None,
                properties: serde_json::Map::new(),
                version: Version(0),
                provenance: Provenance::default(),
            }
        })
        .collect();
    let head = CommitHead::new("bench", "2026-11-21T00:00:00Z".parse().unwrap());
    store.facilities_commit(FacilityCommit { head, rows, removed: vec![], import: None }).await.unwrap();
    Arc::new(App::open(store, Config::new(folder.join("city.gpkg")), Clock::System).await.unwrap())
}

/// Sends a request; when the first byte of the answer came, and its body.
async fn ask(socket: &mut TcpStream, request: &[u8]) -> (Instant, Vec<u8>) {
    let mut read = Vec::new();
    socket.write_all(request).await.unwrap();
    assert!(socket.read_buf(&mut read).await.unwrap() > 0);
    let first = Instant::now();
    loop {
        if let Some(head) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text = std::str::from_utf8(&read[..head]).unwrap().to_owned();
            assert!(text.starts_with("HTTP/1.1 20"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if read.len() >= head + 4 + length {
                return (first, read.split_off(head + 4));
            }
        }
        assert!(socket.read_buf(&mut read).await.unwrap() > 0);
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|bytes| bytes == part)
}

/// A facility moves; how long until its writer is answered, a viewer is told, and the viewer has the first byte of the tile that shows it.
async fn writes() {
    let folder = tempfile::tempdir().unwrap();
    let app = written_to(folder.path()).await;
    let listener = wangge::http::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(wangge::http::serve(listener, wangge::http::router(app), std::future::pending()));
    let mut writer = TcpStream::connect(address).await.unwrap();
    let mut reader = TcpStream::connect(address).await.unwrap();
    let mut events = TcpStream::connect(address).await.unwrap();
    for socket in [&writer, &reader, &events] {
        socket.set_nodelay(true).unwrap();
    }
    events.write_all(&get_request("/api/v1/events")).await.unwrap();
    let mut told = Vec::new();
    while !holds(&told, b"\r\n\r\n") {
        assert!(events.read_buf(&mut told).await.unwrap() > 0);
    }
    let (mut random, mut figures) = (Random(5), [const { Vec::new() }; 3]);
    for n in 0..WRITES {
        let (lon, lat) = place(&mut random);
        let body = format!(r#"{{"position":[{lon:.7},{lat:.7}],"crs":"cgcs2000"}}"#);
        let id = 1 + (n as u32 * 7919) % FACILITIES;
        let head =
            format!("PATCH /api/v1/facilities/{id} HTTP/1.1\r\nHost: localhost\r\nIf-Match: *\r\nContent-Type: application/json");
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        told.clear();
        let sent = Instant::now();
        let answered = ask(&mut writer, request.as_bytes()).await.0;
        let tile = tile_at(MercatorPoint::of(LatticePoint::nearest(LonLat::new(lon, lat).unwrap())), 14);
        let address = format!("14/{}/{}", tile.x(), tile.y());
        while !holds(&told, format!("\"{address}\"").as_bytes()) {
            let read = tokio::time::timeout(Duration::from_secs(5), events.read_buf(&mut told)).await;
            assert!(read.expect("a viewer is told").unwrap() > 0);
        }
        let heard = Instant::now();
        let (first, _) = ask(&mut reader, &get_request(&format!("/tiles/facilities/{address}"))).await;
        for (figures, at) in figures.iter_mut().zip([answered, heard, first]) {
            figures.push((at - sent).as_secs_f64() * 1e3);
        }
        // Longer than viewers' changes are gathered: each write is told alone.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    println!("{FACILITIES} facilities in a file, {WRITES} moves one after the other; ms from sending the write to");
    for (what, mut figures) in
        ["its answer (durable, seen by all)", "a viewer told of it", "the first byte of its tile"].into_iter().zip(figures)
    {
        figures.sort_by(f64::total_cmp);
        println!(
            "{what:36} median {:>6.2}, p95 {:>6.2}, most {:>6.2}",
            figures[WRITES / 2],
            figures[WRITES * 95 / 100],
            figures[WRITES - 1]
        );
    }
}
