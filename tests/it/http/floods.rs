//! Floods: thousands of connections that never finish a request, and every tile address there could be. Memory stays where it is meant to
//! stay, and somebody else is answered all the while. `tests/run.sh` has them at full size, with the program as it is released.

use super::bounds::{HEAD, PATIENCE, Program, head, is_served};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

pub(super) fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Another caller, from another address: asks for the grid of a point, with a connection for each, and is answered each time.
struct Other {
    ended: Arc<AtomicBool>,
    asking: JoinHandle<u32>,
}

impl Other {
    fn begin(server: SocketAddr) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let asking = tokio::spawn(async move {
            let mut answered = 0;
            while !until.load(Ordering::Relaxed) {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
                let mut socket = socket.connect(server).await.unwrap();
                let ask = b"GET /api/v1/locate?lon=122.005&lat=30.005&crs=cgcs2000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                socket.write_all(ask).await.unwrap();
                let mut answer = String::new();
                tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer)).await.expect("an answer").unwrap();
                assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("330902002001"), "{answer}");
                answered += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answered
        });
        Self { ended, asking }
    }

    async fn answered(self) -> u32 {
        self.ended.store(true, Ordering::Relaxed);
        self.asking.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_cost_little_and_nobody_else_waits() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let slow = number("SLOW", 2_000);
    // Of these most have a place at one time; the others took those that had waited longest.
    let places = slow * 4 / 5;
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum.map_or(Some(1 << 16), |most| Some(most.min(1 << 16)));
    setrlimit(Resource::Nofile, files).unwrap();
    let server = Program::start(&format!("connections = {places}\nconnections_of_one_address = {}\n", places - 16));
    is_served(server.address).await;
    let before = server.most_mb();
    let other = Other::begin(server.address);
    let mut open = Vec::new();
    for n in 0..slow as usize {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let _ = socket.write_all(&HEAD[..10 + n % 20]).await;
        open.push(socket);
    }
    // The first of them were not answered, and are gone.
    assert_eq!(head(&mut open[0]).await, "");
    let more = server.most_mb() - before;
    let answered = other.answered().await;
    eprintln!("{before} MB before, {more} MB more with {slow} slow connections, {answered} others answered");
    assert!(answered > 10, "{answered}");
    // One that waits costs 27 kB, most of it room to read into.
    assert!(more < 32 + u64::from(places) * 32 / 1024, "{more} MB more");
}

/// A client that asks for one tile after another over one connection.
struct Asker {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Asker {
    async fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.socket.write_all(request.as_bytes()).await.unwrap();
        let (mut answer, mut length) = (0, None);
        while length.is_none_or(|length| answer < length) {
            let got = self.socket.read(&mut self.buffer[answer..]).await.unwrap();
            assert!(got > 0, "{path}");
            answer += got;
            let Some(end) = self.buffer[..answer].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.buffer[..end]).to_lowercase();
            let answered = ["200", "204", "404"].iter().any(|status| head.starts_with(&format!("http/1.1 {status}")));
            assert!(answered, "{path}: {head}");
            let stated = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            length = Some(end + 4 + stated.unwrap_or(0));
        }
    }
}

/// Around the city, then ever farther north and south of it; each path another one. Of some layers a zoom has no tiles (404).
fn tile(n: u32) -> String {
    let (z, of_zoom) = (12 + n % 8, n / 8);
    let layers = ["grids", "regions,grids", "labels", "facilities"][(of_zoom % 4) as usize];
    let (side, column, row) = (1_u32 << z, of_zoom / 4 % 256, of_zoom / 4 / 256);
    let (x, y) = (f64::from(side) * 0.838_93, f64::from(side) * 0.412_56);
    let north_or_south = if row % 2 == 0 { row / 2 } else { side - row.div_ceil(2) };
    format!("/tiles/{layers}/{z}/{}/{}", (x as u32 + column + side - 128) % side, (y as u32 + north_or_south) % side)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_tile_addresses_stays_within_the_cache() {
    let tiles = number("TILES", 20_000);
    let server = Program::start("tile_cache_mb = 1\n");
    is_served(server.address).await;
    let other = Other::begin(server.address);
    let (next, before) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let server = Arc::new(server);
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let (next, before, server) = (Arc::clone(&next), Arc::clone(&before), Arc::clone(&server));
            tokio::spawn(async move {
                let socket = TcpStream::connect(server.address).await.unwrap();
                let mut asker = Asker { socket, buffer: vec![0; 1 << 20] };
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        n if n >= tiles => return,
                        2_000 => before.store(server.most_mb() as u32, Ordering::Relaxed),
                        n => asker.ask(&tile(n)).await,
                    }
                }
            })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap();
    }
    let before = u64::from(before.load(Ordering::Relaxed));
    let (more, answered) = (server.most_mb() - before, other.answered().await);
    eprintln!("{before} MB after 2,000 tiles, {more} MB more after {tiles}; {answered} others answered");
    assert!(answered > 10, "{answered}");
    assert!(before > 0 && more < 48, "{more} MB more");
}

#[test]
fn no_address_is_asked_twice() {
    let all: std::collections::HashSet<String> = (0..1_000_000).map(tile).collect();
    assert_eq!(all.len(), 1_000_000);
}
