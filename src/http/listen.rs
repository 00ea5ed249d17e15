//! The socket: loopback only, a limit of connections, a limit of time for a request's head.

use super::metrics;
use axum::Router;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at one time; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 4096;
/// How long a client may take to send the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// How long requests under way may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often recorded durations are moved into their buckets.
const TIDY: Duration = Duration::from_secs(5);

/// The address is not this machine's own.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} is not a loopback address: a server that cannot tell callers apart listens on 127.0.0.1 or [::1] only; [access] in the settings tells them apart"
)]
pub struct NotLoopback(pub SocketAddr);

/// Where a connection came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Opens the socket, or says in one sentence why not. `guarded`: callers are told apart.
pub async fn bind(address: SocketAddr, guarded: bool) -> std::io::Result<TcpListener> {
    if !guarded && !address.ip().is_loopback() {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, NotLoopback(address)));
    }
    TcpListener::bind(address).await
}

/// Answers until `stop` is done, then lets requests under way finish.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    let (slots, graceful) = (Arc::new(Semaphore::new(MOST_CONNECTIONS)), GracefulShutdown::new());
    let tidying = tokio::spawn(async {
        loop {
            tokio::time::sleep(TIDY).await;
            metrics::tidy();
        }
    });
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
            listener.accept().await.map(|(socket, peer)| (socket, peer, slot))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = &mut stop => break,
        };
        let (socket, peer, slot) = match accepted {
            Ok(accepted) => accepted,
            // Too many open files and the like: others must end first.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Answers are written whole; waiting to fill a packet only delays the last piece.
        let _ = socket.set_nodelay(true);
        let answering = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            answering.call(request)
        });
        let connection = builder.serve_connection(TokioIo::new(socket), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    tidying.abort();
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way after {} s", FAREWELL.as_secs());
    }
}
