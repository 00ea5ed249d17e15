//! Who may come in: what a request carries becomes its [`Caller`], or an answer that says why not. Stands before every route.

use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode, RETRY_AFTER};
use super::listen::Peer;
use super::query::clipped;
use super::{Need, needed};
use crate::app::access::{Access, Known, Refused, Shown, neighbourhood};
use crate::app::{Actor, App, AppError};
use crate::domain::audit::{Action, Deed};
use crate::domain::hash::hash64;
use crate::domain::rights::{Right, Rights};
use crate::domain::scope::Scope;
use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The cookie of a session. Browsers take one of this name only over TLS and for this host alone (RFC 6265bis §4.1.3.2).
const COOKIE_SECURE: &str = "__Host-wangge";
/// The same without TLS, which is for this machine.
const COOKIE_PLAIN: &str = "wangge";

/// How much of a caller's rate those have who show something that is not good: ten a second, a hundred at once.
const STRANGERS: f64 = 0.05;

/// The middleware. Where callers are not told apart everybody is let in: the server is this machine's alone then.
pub async fn access(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let need = route.map_or(Need::Nothing, |route| needed(request.method(), route.as_str()));
    let refused = needs_the_whole(&app, need);
    let Some(access) = app.access().map(Arc::clone) else {
        return match refused {
            Some(refused) => refused,
            None => next.run(request).await,
        };
    };
    let (mut parts, body) = request.into_parts();
    let client = client_of(&access, &parts);
    match let_in(&app, &access, &parts, client, need).await {
        Ok(Some(known)) => {
            parts.extensions.insert(Caller(Arc::clone(&known.actor)));
            parts.extensions.insert(known);
        }
        Ok(None) => {}
        Err(answer) => return *answer,
    }
    if let Some(refused) = refused {
        return refused;
    }
    let who = parts.extensions.get::<Known>().map(|known| Arc::clone(&known.actor));
    parts.extensions.insert(Client(client));
    let path = parts.uri.path().to_owned();
    let changes = !parts.method.is_safe() && matches!(need, Need::Right(Right::Write | Right::Import | Right::Admin));
    let answered = async move {
        let mut response = next.run(Request::from_parts(parts, body)).await;
        let mut actions = response.extensions_mut().remove::<Noted>().map(|told| told.0).unwrap_or_default();
        actions.extend(match need {
            Need::Right(Right::Write) if changes => Some(Action::Write),
            Need::Right(Right::Import) if changes && path.ends_with("/undo") => Some(Action::Undo),
            Need::Right(Right::Import) if changes => Some(Action::Import),
            _ => None,
        });
        if let Some(who) = who.filter(|_| response.status().is_success()) {
            for action in actions {
                // On the disk before it is told: what was not noted is not told either.
                if let Err(error) = access.audit.noted(deed(&app, &who.id, client, action, &path, "")).await {
                    tracing::error!(%error, "a deed could not be noted");
                    return Problem::from(error).into_response();
                }
            }
        }
        response
    };
    // What changes something is noted whether its caller waits for the answer or not.
    let mut response = match changes {
        true => tokio::spawn(answered).await.unwrap_or_else(|_| Problem::from(AppError::Panicked).into_response()),
        false => answered.await,
    };
    if need != Need::Nothing {
        kept_private(response.headers_mut());
    }
    response
}

/// What a server of a part of the city does not do for anybody.
fn needs_the_whole(app: &App, need: Need) -> Option<Response> {
    let Need::Right(right) = need else { return None };
    let whole = !Rights::ALL.of_a_part_server().has(right) && app.config.within != Scope::All;
    whole.then(|| Problem::from(AppError::OfPart { right }).into_response())
}

/// What an answer tells that the audit is to know of: put beside it by whoever made it.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted(Vec<Action>);

/// Notes that an answer tells phones of staff, if its caller may see them.
pub(super) fn with_phones(mut response: Response, actor: &Actor) -> Response {
    if actor.rights.has(Right::Phones) {
        response.extensions_mut().get_or_insert_default::<Noted>().0.push(Action::ReadPhones);
    }
    response
}

/// From where a request came, if it came over a network.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub Option<IpAddr>);

impl Client {
    /// As the audit has it.
    pub(super) fn text(this: Option<Extension<Self>>) -> Option<String> {
        this.and_then(|Extension(Self(address))| address).map(|address| address.to_string())
    }
}

/// Where its connection came from.
fn peer_of(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical())
}

/// Proxies write behind what they were sent where they were sent it from: the last of those that is no proxy of ours is the client.
fn client_of(access: &Access, request: &Parts) -> Option<IpAddr> {
    let mut client = peer_of(request)?;
    let written =
        request.headers.get_all("x-forwarded-for").iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for text in written.collect::<Vec<_>>().into_iter().rev() {
        let address = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<IpAddr>().ok());
        match address {
            Some(address) if access.is_proxy(client) => client = address.to_canonical(),
            _ => break,
        }
    }
    Some(client)
}

/// What one caller is answered is for no other: a cache that several share keeps none of it.
fn kept_private(headers: &mut HeaderMap) {
    let rules = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or("no-cache");
    // What all may keep for ever is kept by nobody unasked: the next one at the same screen may see less.
    let rules = if rules.contains("public") { "no-cache" } else { rules };
    let rules = rules.trim_start_matches("private, ");
    let rules = HeaderValue::from_str(&format!("private, {rules}")).expect("rules that were a header value");
    headers.insert(header::CACHE_CONTROL, rules);
    headers.append(header::VARY, HeaderValue::from_static("Authorization, Cookie"));
}

/// Who is calling, when that is needed and they may; nobody, when it is not needed.
async fn let_in(
    app: &App,
    access: &Access,
    request: &Parts,
    client: Option<IpAddr>,
    need: Need,
) -> Result<Option<Known>, Box<Response>> {
    let refused = |problem: Problem| Box::new(problem.into_response());
    let headers = &request.headers;
    let shown = shown(app, headers, access, peer_of(request)).map_err(refused)?;
    let by_cookie = matches!(shown, Some(Shown::Session(_)));
    let known = match shown {
        Some(shown) => access.known(shown, app.clock.now()).await,
        None => Err(Refused::Nobody),
    };
    let path = request.uri.path();
    let known = match (known, need) {
        (Ok(known), _) => known,
        // Whoever comes to log in may still carry what was good yesterday.
        (Err(_), Need::Nothing) => return Ok(None),
        (Err(why), _) => {
            if why != Refused::Nobody {
                stranger(access, client).map_err(refused)?;
                access.audit.note(deed(app, "", client, Action::LogInFailed, path, &why.to_string()));
            }
            return Err(Box::new(unauthorized(&why)));
        }
    };
    asked(access, &known.actor.id, 1.0).map_err(refused)?;
    // A browser sends the cookie with whatever a page of another site makes it send.
    if by_cookie && !request.method.is_safe() {
        own_page(app, headers).map_err(refused)?;
    }
    if let Need::Right(right) = need
        && let Err(error) = known.actor.needs(right)
    {
        access.audit.note(deed(app, &known.actor.id, client, Action::Denied, path, right.as_str()));
        return Err(refused(error.into()));
    }
    Ok(Some(known))
}

/// What a request carries: the most explicit first.
fn shown<'a>(app: &App, headers: &'a HeaderMap, access: &Access, peer: Option<IpAddr>) -> Answer<Option<Shown<'a>>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().ok().and_then(|text| text.split_once(' '));
        let bearer = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let detail = "Authorization takes: Bearer TOKEN";
        return bearer.map(|token| Some(Shown::Bearer(token))).ok_or_else(|| Problem::new(ProblemCode::BadHeader, detail));
    }
    if let Some(text) = cookie(headers, app.config.is_secure()) {
        return Ok(Some(Shown::Session(text)));
    }
    let Some(gateway) = &access.callers.gateway else { return Ok(None) };
    // From elsewhere they say nothing.
    if !peer.is_some_and(|peer| access.is_proxy(peer)) {
        return Ok(None);
    }
    for name in [Some(&gateway.user_header), gateway.roles_header.as_ref(), gateway.within_header.as_ref()].into_iter().flatten()
    {
        // One of them may be the client's own, which the gateway let through.
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(Problem::new(ProblemCode::BadHeader, format!("{name} stands twice: who is meant cannot be told")));
        }
    }
    let text = |name: &str| headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let (roles, within) = (gateway.roles_header.as_deref().and_then(text), gateway.within_header.as_deref().and_then(text));
    Ok(text(&gateway.user_header).map(|user| Shown::Gateway { user, roles, within, peer }))
}

/// The secret of a session.
pub(super) fn cookie(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let wanted = cookie_name(secure);
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// Over TLS only the name that no other host and no page without TLS can give a cookie.
fn cookie_name(secure: bool) -> &'static str {
    if secure { COOKIE_SECURE } else { COOKIE_PLAIN }
}

/// The header that gives a browser a cookie, for so long; without a secret, that takes it away.
pub(super) fn set_cookie(app: &App, secret: Option<&str>, lasts: Duration) -> HeaderValue {
    let secure = app.config.is_secure();
    let name = cookie_name(secure);
    let also = if secure { "; Secure" } else { "" };
    let text = format!(
        "{name}={}; Path=/; HttpOnly; SameSite=Lax{also}; Max-Age={}",
        secret.unwrap_or_default(),
        secret.map_or(0, |_| lasts.as_secs())
    );
    HeaderValue::from_str(&text).expect("letters, digits and punctuation are a header value")
}

/// Lets somebody ask once more, or says when they may.
pub(super) fn asked(access: &Access, who: &str, share: f64) -> Answer<()> {
    access.rates.ask(hash64(who.as_bytes()), share, Instant::now()).map_err(|wait| {
        let seconds = wait.as_secs_f64().ceil() as u64;
        Problem::new(ProblemCode::TooManyRequests, format!("too many requests; again in {seconds} s")).with(RETRY_AFTER, seconds)
    })
}

/// The same for whoever showed something that is not good.
pub(super) fn stranger(access: &Access, client: Option<IpAddr>) -> Answer<()> {
    asked(access, &format!("stranger {:?}", client.map(neighbourhood)), STRANGERS)
}

/// Forms are sent here by pages of other sites without being asked; their browser says whose page it is. Behind a proxy the page is
/// that of the configured address, and `Host` may be anything.
pub(super) fn own_page(app: &App, headers: &HeaderMap) -> Answer<()> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or("?");
    let host = origin.split_once("://").map(|(_, host)| host);
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let public = app.config.base_url.as_deref().is_some_and(|base| origin_of(base).eq_ignore_ascii_case(origin));
    if public || host.is_some() && host == own {
        return Ok(());
    }
    let detail = format!("{:?} is another site; only pages of this server may write here", clipped(origin));
    Err(Problem::new(ProblemCode::ForeignOrigin, detail))
}

/// Scheme, host and port of an address.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

/// Why work that somebody began does not go on.
pub(super) fn ended(why: &Refused) -> Problem {
    Problem::new(ProblemCode::Unauthorized, why.to_string()).with("reason", why.reason())
}

/// RFC 6750 §3: the header says what would be taken, and nothing about what was shown unless something was.
pub(super) fn unauthorized(why: &Refused) -> Response {
    let (code, challenge) = match why {
        Refused::Nobody => (ProblemCode::Unauthorized, "Bearer realm=\"wangge\""),
        Refused::Invalid(_) | Refused::Ended(_) => {
            (ProblemCode::Unauthorized, "Bearer realm=\"wangge\", error=\"invalid_token\"")
        }
        Refused::NoRole { .. } | Refused::NoScope { .. } => (ProblemCode::Denied, ""),
        Refused::Elsewhere(_) => (ProblemCode::UpstreamFailed, ""),
    };
    let mut response = Problem::new(code, why.to_string()).with("reason", why.reason()).into_response();
    if !challenge.is_empty() {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// Where codes of places are looked up.
const BEIDOU: &str = "/api/v1/beidou/";

/// A deed without more than a reason.
pub(super) fn deed(app: &App, actor: &str, client: Option<IpAddr>, action: Action, path: &str, why: &str) -> Deed {
    Deed {
        at: app.clock.now(),
        actor: actor.to_owned(),
        address: client.map(|client| client.to_string()),
        action,
        // What stands behind it is a position.
        object: if path.starts_with(BEIDOU) { BEIDOU.to_owned() } else { path.chars().take(200).collect() },
        detail: json!({ "why": why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_an_origin() {
        for (url, origin) in [
            ("https://city.example/wangge/", "https://city.example"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("city", "city"),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let of = |text: &'static str| HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(text))]);
        assert_eq!(cookie(&of("a=b; wangge=wgs_1; c"), false), Some("wgs_1"));
        assert_eq!(cookie(&of("wangge=a; __Host-wangge=x"), true), Some("x"));
        for none in ["", "wangge", "xwangge=1", "a=wangge=1", ";;=;"] {
            assert_eq!(cookie(&of(none), false), None, "{none}");
        }
        let odd = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(b"wangge=\xff").expect("a header"))]);
        assert_eq!(cookie(&odd, false), None);
    }
}
