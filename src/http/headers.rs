//! What every answer tells browsers not to do.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Pages of the viewer run only what comes with them: no other site, no inline script. So do its workers, which heed the policy that they
/// themselves came with.
pub(super) const VIEWER: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// Everything else runs nothing at all.
const NOTHING: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    // For those who do not know frame-ancestors.
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("geolocation=(self), camera=(), microphone=(), payment=(), usb=()"),
    ),
];

/// A year (RFC 6797). Not for subdomains, which are others' servers.
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// No window of another site keeps a hand on ours. Without TLS browsers pass it over and complain.
const OPENER: (HeaderName, HeaderValue) =
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));

/// Adds them. No header of CORS is ever sent: pages of other sites read nothing. `tls`: the connection has it; `secure`: it, or that to the
/// proxy in front.
pub(super) fn protect(headers: &mut HeaderMap, tls: bool, secure: bool) {
    headers.extend(ALWAYS);
    if secure {
        headers.extend([OPENER]);
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    // What says nothing of its own may be kept but not shown again without asking.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    }
}
