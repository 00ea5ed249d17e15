//! Sockets: plain or with TLS, with bounds of connections and of time.

use super::metrics;
use super::places::{Busy, Place, Places, Room};
use super::steady::Steady;
use super::tls::{Facts, Spoken, Tls};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a client may take to send the head of a request, from the beginning of the connection or the end of the answer before.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// Most bytes of a connection's buffers, and so of a request's head.
const MOST_BUFFERED: usize = 64 << 10;
/// Most bytes of a head over HTTP/2, as its fields are counted there.
const MOST_HEAD: u32 = 64 << 10;
/// Requests of one connection at one time, over HTTP/2.
const MOST_STREAMS: u32 = 128;
/// How often a silent connection of HTTP/2 is asked whether somebody is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
/// How long requests under way may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often recorded durations are moved into their buckets.
const TIDY: Duration = Duration::from_secs(5);
/// What a connection is told for which there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The address is not this machine's own.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} is not a loopback address: a server that cannot tell callers apart listens on 127.0.0.1 or [::1] only; [access] in the settings tells them apart"
)]
pub struct NotLoopback(pub SocketAddr);

/// Where a connection came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Where a connection came to.
#[derive(Debug, Clone)]
pub struct Reached {
    /// The server's own address.
    pub at: SocketAddr,
    /// What the certificate says that was shown to it.
    pub certificate: Option<Arc<Facts>>,
}

/// A socket and how it is spoken to.
#[derive(Debug)]
pub struct Door {
    /// The socket.
    pub listener: TcpListener,
    /// With TLS.
    pub tls: Option<Arc<Tls>>,
    /// Whether connections of one address may be one client's: not so behind a proxy.
    pub tells_apart: bool,
}

/// Opens the socket, or says in one sentence why not. `guarded`: callers are told apart.
pub async fn bind(address: SocketAddr, guarded: bool) -> std::io::Result<TcpListener> {
    if !guarded && !address.ip().is_loopback() {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, NotLoopback(address)));
    }
    TcpListener::bind(address).await
}

/// Answers on a plain socket until `stop` is done, then lets requests under way finish.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    serve_all(vec![Door { listener, tls: None, tells_apart: true }], Room::default(), router, stop).await;
}

/// The same on several sockets.
pub async fn serve_all(doors: Vec<Door>, room: Room, router: Router, stop: impl Future<Output = ()>) {
    let (places, graceful) = (Places::new(room), Arc::new(GracefulShutdown::new()));
    let mut tasks = JoinSet::new();
    tasks.spawn(async {
        loop {
            tokio::time::sleep(TIDY).await;
            metrics::tidy();
        }
    });
    for door in doors {
        if let Some(tls) = &door.tls {
            tasks.spawn(Arc::clone(tls).look_after());
        }
        let house = House { places: Arc::clone(&places), router: router.clone(), graceful: Arc::clone(&graceful) };
        tasks.spawn(house.open(door));
    }
    stop.await;
    tasks.shutdown().await;
    let Some(graceful) = Arc::into_inner(graceful) else { return };
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way after {} s", FAREWELL.as_secs());
    }
}

/// What a `GET` is answered inside of this process, without a socket: status and body.
pub async fn answered(router: &Router, path: &str, headers: &[(&'static str, String)]) -> Result<(u16, Bytes), axum::Error> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Body::empty()).map_err(axum::Error::new)?;
    let Ok(response) = TowerToHyperService::new(router.clone()).call(request).await;
    let status = response.status().as_u16();
    Ok((status, axum::body::to_bytes(response.into_body(), usize::MAX).await?))
}

/// What all doors lead into.
struct House {
    places: Arc<Places>,
    router: Router,
    graceful: Arc<GracefulShutdown>,
}

impl House {
    async fn open(self, door: Door) {
        loop {
            let (socket, peer) = match door.listener.accept().await {
                Ok(accepted) => accepted,
                // Too many open files and the like: others must end first.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let one_client = door.tells_apart && !peer.ip().to_canonical().is_loopback();
            let Some(place) = self.places.take(one_client.then(|| peer.ip())) else {
                // It is told where that can be said at once; a client of TLS just sees it closed.
                if door.tls.is_none() {
                    let _ = socket.try_write(NO_PLACE);
                }
                continue;
            };
            // Answers are written whole; waiting to fill a packet only delays the last piece.
            let _ = socket.set_nodelay(true);
            let guest = Guest { peer, place: Arc::clone(&place), router: self.router.clone(), watcher: self.graceful.watcher() };
            let tls = door.tls.clone();
            tokio::spawn(async move {
                let outcome = tokio::select! {
                    outcome = guest.answered(socket, tls) => outcome,
                    () = place.end.notified() => Err("it waited longest, and others came".into()),
                };
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection ended early");
                }
            });
        }
    }
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// One connection.
struct Guest {
    peer: SocketAddr,
    place: Arc<Place>,
    router: Router,
    watcher: Watcher,
}

impl Guest {
    async fn answered(self, socket: TcpStream, tls: Option<Arc<Tls>>) -> Ended {
        let at = socket.local_addr()?;
        let socket = Steady::new(socket);
        match tls {
            None => self.spoken_to(socket, Spoken::Http1, Reached { at, certificate: None }).await,
            Some(tls) => {
                let (stream, facts, spoken) = tls.accept(socket).await?;
                self.spoken_to(stream, spoken, Reached { at, certificate: Some(facts) }).await
            }
        }
    }

    async fn spoken_to<S>(self, stream: S, spoken: Spoken, reached: Reached) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { peer, place, router, watcher } = self;
        let answering = TowerToHyperService::new(router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let busy = place.busy();
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(reached.clone());
            host_of_authority(&mut request);
            let answer = answering.call(request);
            async move { answer.await.map(|response| response.map(|body| Held { body, _busy: busy })) }
        });
        let connection = match spoken {
            Spoken::Http1 => {
                let mut builder = Builder::new(TokioExecutor::new()).http1_only();
                builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(MOST_BUFFERED);
                builder.serve_connection(TokioIo::new(stream), service).into_owned()
            }
            Spoken::Http2 => {
                let mut builder = Builder::new(TokioExecutor::new()).http2_only();
                builder
                    .http2()
                    .timer(TokioTimer::new())
                    .keep_alive_interval(PING)
                    .keep_alive_timeout(PING)
                    .max_concurrent_streams(MOST_STREAMS)
                    .max_header_list_size(MOST_HEAD)
                    .max_send_buf_size(MOST_BUFFERED);
                builder.serve_connection(TokioIo::new(stream), service).into_owned()
            }
        };
        watcher.watch(connection).await
    }
}

/// HTTP/2 has the host beside the fields (RFC 9113 §8.3.1); whoever looks for it finds it among them.
fn host_of_authority(request: &mut Request<Incoming>) {
    if request.headers().contains_key(header::HOST) {
        return;
    }
    if let Some(host) = request.uri().authority().and_then(|named| HeaderValue::from_str(named.as_str()).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
}

/// An answer whose connection is at work until it is taken, or given up.
struct Held {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
