//! Other people's servers, asked over HTTP: addresses that the settings name, bounded in time, size and number. And their databases, read
//! by `tables` and written to by `sink`.
//!
//! Nothing is followed: an answer that points elsewhere is a fault, so only hosts of the settings are ever asked. No error and no log holds
//! an address, since a key may stand in it.

#[cfg(feature = "postgres")]
mod database;
pub mod disk;
pub mod kept;
#[cfg(feature = "postgres")]
pub mod sink;
#[cfg(feature = "postgres")]
pub mod tables;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a connection may take to be there.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long an answer may take, from asking to its last byte.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How long a request may wait for its turn.
const WAIT_LIMIT: Duration = Duration::from_secs(10);
/// Requests under way at one time to one host, so that a slow one keeps nobody waiting for others. A browser asks for some 40 tiles of a
/// screen at once.
const MOST_REQUESTS: usize = 16;
/// How long a connection that is not used is kept.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Asks other servers.
pub struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// By host; there are no more of them than the settings name.
    slots: Mutex<HashMap<String, Arc<Semaphore>>>,
    asked: AtomicU64,
    failed: AtomicU64,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// `Content-Type` without parameters, lower-case; empty when there is none.
    pub media_type: String,
    /// `ETag`, to ask with the next time.
    pub etag: Option<String>,
    /// All of it.
    pub body: Bytes,
}

/// Why there is no answer to work with. Holds nothing that the server said but numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("cannot be reached ({0})")]
    Unreachable(String),
    /// It took too long.
    #[error("gave no whole answer within {0} s")]
    TimedOut(u64),
    /// Too many are waiting for other servers already.
    #[error("was not asked: too many requests are under way")]
    Busy,
    /// It has no such thing (404, 410, or 204).
    #[error("has nothing there")]
    Nothing,
    /// It has nothing newer than what `ETag` named.
    #[error("has nothing newer")]
    Same,
    /// It answered with an error or another address.
    #[error("answered {0}{hint}", hint = hint(*.0))]
    Status(u16),
    /// Longer than what is taken.
    #[error("answered more than {0} bytes")]
    TooLarge(usize),
    /// The answer broke off.
    #[error("broke off its answer")]
    Broken,
    /// It is not of the kind that was asked for.
    #[error("answered {0}")]
    Unfit(String),
}

/// What a status may mean.
fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => " (another address, which is not followed)",
        401 | 403 => " (is the key right?)",
        _ => "",
    }
}

impl UpstreamError {
    /// Asking for something else would have the same outcome now.
    pub fn is_general(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) => true,
            Self::Status(status) => matches!(status, 401 | 403 | 418 | 429 | 500..),
            _ => false,
        }
    }
}

/// Certificates that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("ca_file {path}: {why}", path = .path.display())]
pub struct BadAuthorities {
    path: PathBuf,
    why: String,
}

impl Upstream {
    /// Trusts the certificates that browsers trust, and those of `authorities` (PEM).
    pub fn new(authorities: Option<&Path>) -> Result<Self, BadAuthorities> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = authorities {
            let bad = |why: String| BadAuthorities { path: path.to_owned(), why };
            let known = roots.len();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))? {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
            if roots.len() == known {
                return Err(bad("holds no certificate".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the usual versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_LIMIT));
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_max_idle_per_host(MOST_REQUESTS)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, slots: Mutex::default(), asked: AtomicU64::new(0), failed: AtomicU64::new(0) })
    }

    /// What an address answers, at most `limit` bytes. `etag`: of what is known already. `unless` is asked when it is its turn: others may
    /// have found out meanwhile that the host does not answer.
    pub async fn get(
        &self,
        address: &str,
        etag: Option<&str>,
        limit: usize,
        unless: impl Fn() -> Option<UpstreamError>,
    ) -> Result<Got, UpstreamError> {
        let mut request = Request::get(address);
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            request = request.header("if-none-match", etag);
        }
        self.asked(address, request.body(Full::default()), limit, unless).await
    }

    /// What an address answers to a form, at most `limit` bytes.
    pub async fn post_form(&self, address: &str, form: String, limit: usize) -> Result<Got, UpstreamError> {
        let request = Request::post(address).header("content-type", "application/x-www-form-urlencoded").body(Full::from(form));
        self.asked(address, request, limit, || None).await
    }

    /// Status and body of whatever an address answers, refusals too: for servers of our own kind, which say why.
    pub async fn told(
        &self,
        address: &str,
        headers: &[(&'static str, String)],
        limit: usize,
    ) -> Result<(u16, Bytes), UpstreamError> {
        let mut request = Request::get(address);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::default()).map_err(|_| UpstreamError::Unreachable("no address".to_owned()))?;
        let told = async {
            let response = self.client.request(request).await.map_err(|error| UpstreamError::Unreachable(cause(&error)))?;
            Ok((response.status().as_u16(), body(response, limit).await?))
        };
        tokio::time::timeout(ANSWER_LIMIT, told).await.unwrap_or(Err(UpstreamError::TimedOut(ANSWER_LIMIT.as_secs())))
    }

    async fn asked(
        &self,
        address: &str,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
        limit: usize,
        unless: impl Fn() -> Option<UpstreamError>,
    ) -> Result<Got, UpstreamError> {
        let mut request = request.map_err(|_| UpstreamError::Unreachable("no address".to_owned()))?;
        // A word of ours says who asks: public servers refuse those who do not.
        request.headers_mut().insert("user-agent", HeaderValue::from_static(concat!("wangge/", env!("CARGO_PKG_VERSION"))));
        let host = address.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string)).unwrap_or_default();
        let slots = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(host).or_insert_with(|| Arc::new(Semaphore::new(MOST_REQUESTS))))
        };
        let slot = tokio::time::timeout(WAIT_LIMIT, slots.acquire()).await.map_err(|_| UpstreamError::Busy)?;
        let _slot = slot.expect("the semaphore is never closed");
        if let Some(why) = unless() {
            return Err(why);
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let got = tokio::time::timeout(ANSWER_LIMIT, self.answer(request, limit)).await;
        let got = got.unwrap_or(Err(UpstreamError::TimedOut(ANSWER_LIMIT.as_secs())));
        if !matches!(got, Ok(_) | Err(UpstreamError::Nothing | UpstreamError::Same)) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        got
    }

    async fn answer(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<Got, UpstreamError> {
        let response = self.client.request(request).await.map_err(|error| UpstreamError::Unreachable(cause(&error)))?;
        match response.status().as_u16() {
            200 => {}
            204 | 404 | 410 => return Err(UpstreamError::Nothing),
            304 => return Err(UpstreamError::Same),
            status => return Err(UpstreamError::Status(status)),
        }
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let media_type = header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let (media_type, etag) = (media_type.trim().to_ascii_lowercase(), header("etag").map(str::to_owned));
        if header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(UpstreamError::Unfit("in a content coding, though none was asked for".to_owned()));
        }
        Ok(Got { media_type, etag, body: body(response, limit).await? })
    }

    /// Requests sent, and those of them that had no answer to work with.
    pub fn counts(&self) -> (u64, u64) {
        (self.asked.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

/// The whole body of an answer, at most `limit` bytes.
async fn body(response: Response<Incoming>, limit: usize) -> Result<Bytes, UpstreamError> {
    let whole = Limited::new(response.into_body(), limit).collect().await;
    let whole = whole.map_err(|error| match error.is::<LengthLimitError>() {
        true => UpstreamError::TooLarge(limit),
        false => UpstreamError::Broken,
    })?;
    Ok(whole.to_bytes())
}

/// The last cause of an error: hyper's own words say no more than that there is one.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string().chars().take(120).collect()
}
