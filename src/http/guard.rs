//! What stands around every route: request id, `Host` check, time limit, panics turned into problems, metrics, log.

use super::error::{Problem, ProblemCode};
use super::listen::Reached;
use super::{headers, metrics, pressure};
use crate::app::App;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// How long a handler may take until its answer begins. Streams begin at once and are not cut.
const HANDLER_LIMIT: Duration = Duration::from_secs(30);

/// How long the files of an import may take to arrive.
const UPLOAD_LIMIT: Duration = Duration::from_secs(3600);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The middleware.
pub async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();

    // Files of an import may take long; each piece of them has its own limit.
    let uploads = method == Method::POST && route.as_ref().is_some_and(|route| route.as_str() == super::imports::ADDRESS);
    let limit = if uploads { UPLOAD_LIMIT } else { HANDLER_LIMIT };
    let reached = request.extensions().get::<Reached>();
    let tls = reached.is_some_and(|reached| reached.certificate.is_some());
    let vital = route.as_ref().is_some_and(|route| matches!(route.as_str(), "/healthz" | "/readyz" | "/metrics"));
    let taken = own_host(request.uri(), request.headers(), app.config.base_url.as_deref(), reached);
    let mut response = match taken.and_then(|()| pressure::room(vital)) {
        Ok(_room) => answered(next.run(request), limit, &id).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.write_into(&mut response, id.to_str().ok());
    }

    let status = response.status();
    metrics::count(route.as_ref().map(MatchedPath::as_str), status, started.elapsed());
    // The route, not the path: a code of BeiDou in it is a position.
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    tracing::debug!(target: "wangge::access", %method, route, status = status.as_u16(), request_id = ?id, duration_us = started.elapsed().as_micros());
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: it has no Content-Length. The router derives one from every body whose size it knows.
        *response.body_mut() = Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>());
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers::protect(headers, tls, tls || app.config.is_secure());
    response
}

/// The handler's answer within its time; its panic as a problem.
async fn answered(handler: impl Future<Output = Response>, limit: Duration, id: &HeaderValue) -> Response {
    match tokio::time::timeout(limit, AssertUnwindSafe(handler).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(request_id = ?id, panic = words.unwrap_or("not a text"), "a handler panicked");
            Problem::new(ProblemCode::Internal, "the server could not answer; its log says why under this request id")
                .into_response()
        }
        Err(_) => Problem::new(ProblemCode::TimedOut, format!("no answer within {} s", limit.as_secs())).into_response(),
    }
}

/// The caller's id when it is a plain one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |id: &&HeaderValue| {
        (1..=64).contains(&id.len()) && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    headers.get(REQUEST_ID).filter(plain).cloned().unwrap_or_else(|| {
        // Starts somewhere else in each process, so that ids of two runs differ.
        static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(0)));
        let id = format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed));
        HeaderValue::from_str(&id).expect("hexadecimal digits are a header value")
    })
}

/// A page of another site that makes its name resolve to this machine (DNS rebinding) still sends its own name in `Host`, and is refused.
/// Ours are the names of this machine, that of `base_url`, which a proxy in front has, those of the certificate that the client was shown,
/// and the address that it reached.
fn own_host(uri: &Uri, headers: &HeaderMap, base_url: Option<&str>, reached: Option<&Reached>) -> Result<(), Problem> {
    let mut named =
        headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?")).chain(uri.authority().map(|a| a.as_str()));
    let public = base_url.and_then(|base| base.parse::<Uri>().ok()).and_then(|base| base.into_parts().authority);
    let is_public = |host: &str| {
        public
            .as_ref()
            .is_some_and(|public| public.as_str().eq_ignore_ascii_case(host) || public.host().eq_ignore_ascii_case(host))
    };
    let is_shown = |host: &str| {
        let (Some(name), Some(reached)) = (without_port(host), reached) else { return false };
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical() == reached.at.ip().to_canonical())
            || reached.certificate.as_ref().is_some_and(|facts| facts.names.hold(name))
    };
    match named.find(|host| !is_loopback(host) && !is_public(host) && !is_shown(host)) {
        None => Ok(()),
        Some(host) => {
            let shown: String = host.chars().take(128).collect();
            Err(Problem::new(
                ProblemCode::ForeignHost,
                format!(
                    "{shown:?} is not this machine; the names of this machine, of its certificate and of base_url are answered"
                ),
            )
            .with("allowed", vec!["localhost", "127.0.0.1", "[::1]"]))
        }
    }
}

/// `localhost`, `127.x.x.x` or `[::1]`, with or without a port.
fn is_loopback(host: &str) -> bool {
    let Some(name) = without_port(host) else { return false };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name of a host that may have a port; `None`: what stands there is no port.
fn without_port(host: &str) -> Option<&str> {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && !port.ends_with(']') => {
            port.bytes().all(|b| b.is_ascii_digit()).then_some(name)
        }
        _ => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_ours() {
        for ours in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:80", "127.8.0.1", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(ours), "{ours}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example:8080",
            "10.0.0.1",
            "127.0.0.1.nip.io",
            "[::2]",
            "0.0.0.0",
            "localhost:x",
            ":80",
            "2130706433",
        ] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_proxy_has_the_name_of_the_base_url() {
        let answered = |host: &'static str, base: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            own_host(&Uri::from_static("/healthz"), &headers, Some(base), None).is_ok()
        };
        let base = "https://Map.example:8443/wangge";
        assert!(answered("map.example", base) && answered("MAP.EXAMPLE:8443", base) && answered("localhost:8080", base));
        assert!(!answered("map.example:80", base) && !answered("evil.example", base) && !answered("map.example.evil", base));
        assert!(!answered("map.example", "https://localhost/map.example"));
    }

    #[test]
    fn a_server_answers_to_the_names_of_its_certificate_and_to_the_address_it_is_reached_at() {
        use crate::http::tls::{Facts, Names};
        use jiff::Timestamp;
        let names = Names { dns: vec!["map.example".to_owned()], addresses: vec![IpAddr::from([10, 0, 0, 7])] };
        let (begins_at, ends_at) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let certificate = Some(Arc::new(Facts { names, begins_at, ends_at, subject: String::new() }));
        let shown = Reached { at: "10.0.0.8:8443".parse().expect("an address"), certificate };
        let plain = Reached { certificate: None, ..shown.clone() };
        let answered = |host: &'static str, reached: &Reached| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            own_host(&Uri::from_static("/healthz"), &headers, None, Some(reached)).is_ok()
        };
        for host in ["map.example", "MAP.example:8443", "10.0.0.7:8443", "10.0.0.8", "10.0.0.8:8443", "localhost:1"] {
            assert!(answered(host, &shown), "{host}");
        }
        for host in ["map.example:x", "evil.example", "x.map.example", "10.0.0.9", ""] {
            assert!(!answered(host, &shown), "{host}");
        }
        assert!(answered("10.0.0.8", &plain) && !answered("map.example", &plain) && !answered("10.0.0.7", &plain));
    }

    #[test]
    fn an_odd_request_id_is_replaced() {
        let id = |given: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(given).expect("a header value"));
            request_id(&headers)
        };
        assert_eq!(id(b"abc-1.2_X"), "abc-1.2_X");
        assert_ne!(id(b"a b"), "a b");
        assert_ne!(id(b"\xff\xfe"), b"\xff\xfe".as_slice());
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
