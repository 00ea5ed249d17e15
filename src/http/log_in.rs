//! Coming in and going out: with a token, or by the log-in page of another system, into a session of the browser.

use super::access::{cookie, deed, own_page, set_cookie, unauthorized};
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::facility_writes::json_body;
use super::json::json;
use super::listen::Peer;
use super::members::Members;
use super::query::{NoQuery, Query, decoded, query};
use crate::app::access::{Access, Claims, Known, Refused, Shown};
use crate::app::{App, AppError};
use crate::domain::audit::Action;
use crate::domain::percent::encoded;
use crate::domain::scope::Scope;
use crate::domain::secret::Secret;
use crate::store::callers::Bearer;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The cookie that binds a log-in elsewhere to the browser that began it.
const STATE: &str = "wangge_state";

/// Who is calling.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeAnswer<'a> {
    /// Stable name; into the change log and the audit.
    id: &'a str,
    /// As people call them.
    name: Option<&'a str>,
    /// What they are.
    roles: Vec<&'static str>,
    /// What they may do.
    rights: Vec<&'static str>,
    /// Guarded classes of facilities that they see.
    classes: Vec<&'a str>,
    /// The codes at or below which they see everything; null: the whole city.
    within: Option<Vec<&'a str>>,
    /// The screen that they are bound to.
    screen: Option<&'a str>,
    /// From when on they have to come in again.
    ends_at: Option<String>,
    /// Whether this server tells callers apart at all.
    told_apart: bool,
}

/// A way to come in.
#[derive(Debug, Serialize, ToSchema)]
pub struct WayShape<'a> {
    /// `token`, `oidc` or `cas`.
    kind: &'static str,
    /// What people press.
    title: &'a str,
    /// Where that leads; null: the token is sent to `/api/v1/session`.
    href: Option<&'static str>,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaysAnswer<'a> {
    /// Empty where callers are not told apart.
    items: Vec<WayShape<'a>>,
}

query! {
    /// Where to go afterwards.
    pub struct ToQuery {
        /// A path of this server.
        to: Option<String>,
    }
}

query! {
    /// What the page of OpenID Connect sends back.
    pub struct OidcQuery {
        /// The state that it was given.
        state: Option<String>,
        /// For it there is a token.
        code: Option<String>,
        /// Why there is none.
        error: Option<String>,
        /// The same in words.
        error_description: Option<String>,
        /// Who it is (RFC 9207).
        iss: Option<String>,
        /// Its own session.
        session_state: Option<String>,
    }
}

query! {
    /// What the page of CAS sends back.
    pub struct CasQuery {
        /// Whose it is, its server says.
        ticket: Option<String>,
        /// A path of this server.
        to: Option<String>,
    }
}

fn me_of(app: &App, actor: &crate::app::Actor, known: Option<&Known>) -> Response {
    let access = app.access();
    let classes = access.map(|access| access.callers.roles.class_names(actor.rights.classes()).collect());
    json(&MeAnswer {
        id: &actor.id,
        name: known.and_then(|known| known.name.as_deref()),
        roles: actor.roles.iter().map(|role| role.as_str()).collect(),
        rights: actor.rights.words().collect(),
        classes: classes.unwrap_or_default(),
        within: match &actor.scope {
            Scope::All => None,
            Scope::Within(codes) => Some(codes.iter().map(|code| code.as_str()).collect()),
        },
        screen: actor.screen.as_deref(),
        ends_at: known.and_then(|known| known.ends_at).map(|end| end.to_string()),
        told_apart: access.is_some(),
    })
}

/// Who the caller is, and what they may do and see.
#[utoipa::path(get, path = "/api/v1/me", tag = "access", params(NoQuery), responses((status = 200, body = MeAnswer)))]
pub async fn me(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    known: Option<Extension<Known>>,
    _: Query<NoQuery>,
) -> Answer<Response> {
    Ok(me_of(&app, &actor, known.as_deref()))
}

/// The ways to come in.
#[utoipa::path(get, path = "/api/v1/log-ins", tag = "access", params(NoQuery), responses((status = 200, body = WaysAnswer)))]
pub async fn ways(State(app): State<Arc<App>>, _: Query<NoQuery>) -> Answer<Response> {
    let Some(access) = app.access() else { return Ok(json(&WaysAnswer { items: Vec::new() })) };
    let oidc = access.callers.oidc.as_ref().map(|way| WayShape { kind: "oidc", title: &way.title, href: Some("/log-in/oidc") });
    let cas = access.callers.cas.as_ref().map(|way| WayShape { kind: "cas", title: &way.title, href: Some("/log-in/cas") });
    let token = WayShape { kind: "token", title: "令牌", href: None };
    Ok(json(&WaysAnswer { items: oidc.into_iter().chain(cas).chain([token]).collect() }))
}

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionBody)]
#[allow(dead_code, reason = "only its schema is used; bodies are read member by member, so that a fault names its field")]
pub(super) struct SessionBody {
    /// As it was told when it was made.
    token: String,
}

/// Begins a session of a browser with a token: the answer has its cookie and says who it is.
#[utoipa::path(post, path = "/api/v1/session", tag = "access", params(NoQuery), request_body(content = inline(SessionBody), content_type = "application/json"),
    responses((status = 200, body = MeAnswer)))]
pub async fn by_token(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    _: Query<NoQuery>,
    request: Request,
) -> Answer<Response> {
    let access = told_apart(&app)?;
    own_page(request.headers())?;
    let (_, bytes) = json_body(request, &["application/json"]).await?;
    let mut members = Members::of(&bytes)?;
    let text = members.text("token", 20_000)?.never_null("token")?.ok_or_else(|| Problem::missing_field("token"))?;
    members.end()?;
    let peer = peer.map(|peer| peer.0.0.ip().to_canonical());
    let known = match access.known(Shown::Bearer(text.trim()), app.clock.now()).await {
        Ok(known) => known,
        Err(why) => return Ok(turned_away(&app, access, peer, "token", &why).await),
    };
    let actor = &known.actor;
    let bearer = Bearer {
        id: actor.id.clone(),
        name: known.name.clone(),
        roles: actor.roles.clone(),
        scope: actor.scope.clone(),
        screen: actor.screen.clone(),
    };
    let mut response = me_of(&app, actor, Some(&known));
    let cookie = begun(&app, bearer, (known.token, known.ends_at), peer, "token").await?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Ends the session that the cookie names.
#[utoipa::path(delete, path = "/api/v1/session", tag = "access", params(NoQuery), responses((status = 204)))]
pub async fn out(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>, headers: HeaderMap) -> Answer<Response> {
    told_apart(&app)?;
    let ended = match cookie(&headers, app.config.is_secure()).and_then(Secret::parse) {
        Some(secret) => app.session_end(secret.digest()).await?,
        None => None,
    };
    if ended.is_some() {
        app.noted(&actor, None, Action::LogOut, "session", json!({})).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(header::SET_COOKIE, set_cookie(&app, None, Duration::ZERO));
    Ok(response)
}

/// To the log-in page of OpenID Connect.
#[utoipa::path(get, path = "/log-in/oidc", tag = "access", params(ToQuery), responses((status = 303)))]
pub async fn to_oidc(State(app): State<Arc<App>>, Query(query): Query<ToQuery>, headers: HeaderMap) -> Answer<Response> {
    let access = told_apart(&app)?;
    let to = own_path(query.to.as_deref())?;
    let back = format!("{}/log-in/oidc/back", base(&app, &headers));
    let (page, state) = match access.oidc_page(&back).await {
        Some(begun) => begun.map_err(|why| Problem::new(ProblemCode::UpstreamFailed, why.to_string()))?,
        None => return Err(Problem::new(ProblemCode::NotFound, "the settings have no [oidc]")),
    };
    let mut response = sent(&page)?;
    // The way goes on in the browser that began it, and nowhere else.
    let also = if app.config.is_secure() { "; Secure" } else { "" };
    let value = format!("{STATE}={}.{}; Path=/log-in; HttpOnly; SameSite=Lax{also}; Max-Age=600", state.text(), encoded(&to));
    let value = HeaderValue::from_str(&value).map_err(|_| Problem::bad_parameter("to", "has signs that it cannot have"))?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}

/// Back from the log-in page of OpenID Connect.
#[utoipa::path(get, path = "/log-in/oidc/back", tag = "access", params(OidcQuery), responses((status = 303)))]
pub async fn from_oidc(
    State(app): State<Arc<App>>,
    Query(query): Query<OidcQuery>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Answer<Response> {
    let access = told_apart(&app)?;
    let peer = peer.map(|peer| peer.0.0.ip().to_canonical());
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let begun_here = pairs.find(|(name, _)| *name == STATE).and_then(|(_, value)| value.split_once('.'));
    let (state, to) = match (begun_here, query.state.as_deref()) {
        (Some((state, to)), Some(told)) if state == told => (state, decoded(to).map_or_else(|| "/".to_owned(), Cow::into_owned)),
        _ => {
            let why = Refused::Invalid("this log-in was not begun in this browser; begin again");
            return Ok(turned_away(&app, access, peer, "oidc", &why).await);
        }
    };
    let claims = match (&query.code, &query.error) {
        (Some(code), None) => access.oidc_claims(state, code, app.clock.now()).await,
        _ => Err(Refused::Invalid("the log-in page let nobody in")),
    };
    came_back(&app, access, claims, peer, "oidc", &to).await
}

/// To the log-in page of CAS.
#[utoipa::path(get, path = "/log-in/cas", tag = "access", params(ToQuery), responses((status = 303)))]
pub async fn to_cas(State(app): State<Arc<App>>, Query(query): Query<ToQuery>, headers: HeaderMap) -> Answer<Response> {
    let access = told_apart(&app)?;
    let service = cas_service(&app, &headers, &own_path(query.to.as_deref())?);
    let page = access.cas_page(&service);
    sent(&page.ok_or_else(|| Problem::new(ProblemCode::NotFound, "the settings have no [cas]"))?)
}

/// Back from the log-in page of CAS.
#[utoipa::path(get, path = "/log-in/cas/back", tag = "access", params(CasQuery), responses((status = 303)))]
pub async fn from_cas(
    State(app): State<Arc<App>>,
    Query(query): Query<CasQuery>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Answer<Response> {
    let access = told_apart(&app)?;
    let peer = peer.map(|peer| peer.0.0.ip().to_canonical());
    let to = own_path(query.to.as_deref())?;
    let service = cas_service(&app, &headers, &to);
    let claims = access.cas_claims(&service, query.ticket.as_deref().unwrap_or_default()).await;
    came_back(&app, access, claims, peer, "cas", &to).await
}

fn cas_service(app: &App, headers: &HeaderMap, to: &str) -> String {
    format!("{}/log-in/cas/back?to={}", base(app, headers), encoded(to))
}

/// Into a session, and on to where somebody wanted to go.
async fn came_back(
    app: &App,
    access: &Access,
    claims: Result<Claims, Refused>,
    peer: Option<IpAddr>,
    way: &str,
    to: &str,
) -> Answer<Response> {
    let bearer = match claims.and_then(|claims| access.bearer(claims)) {
        Ok(bearer) => bearer,
        Err(why) => return Ok(turned_away(app, access, peer, way, &why).await),
    };
    let mut response = sent(&own_path(Some(to))?)?;
    let cookie = begun(app, bearer, (None, None), peer, way).await?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Begins a session, notes it, and makes its cookie.
async fn begun(
    app: &App,
    bearer: Bearer,
    (token, ends_at): (Option<i64>, Option<Timestamp>),
    peer: Option<IpAddr>,
    way: &str,
) -> Answer<HeaderValue> {
    let id = bearer.id.clone();
    let begun = app.session_begin(bearer, token, ends_at).await?;
    let (secret, session) = begun.ok_or(AppError::Stopping)?;
    let access = told_apart(app)?;
    access.audit.noted(deed(app, &id, peer, Action::LogIn, way, "")).await?;
    let left = session.ends_at.duration_since(session.begun_at).as_secs().clamp(0, MOST_COOKIE_S);
    Ok(set_cookie(app, Some(&secret.text()), Duration::from_secs(left.unsigned_abs())))
}

/// Browsers keep a cookie for 400 days at most.
const MOST_COOKIE_S: i64 = 400 * 24 * 3600;

async fn turned_away(app: &App, access: &Access, peer: Option<IpAddr>, way: &str, why: &Refused) -> Response {
    access.audit.note(deed(app, "", peer, Action::LogInFailed, way, &why.to_string()));
    unauthorized(why)
}

fn told_apart(app: &App) -> Answer<&Access> {
    let detail = "this server does not tell callers apart; [access] in its settings would";
    app.access().map(Arc::as_ref).ok_or_else(|| Problem::new(ProblemCode::NotFound, detail))
}

/// What links of this server begin with.
fn base(app: &App, headers: &HeaderMap) -> String {
    match &app.config.base_url {
        Some(base) => base.clone(),
        None => format!("http://{}", headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost")),
    }
}

/// A path of this server, never another site's: no way to send somebody elsewhere with our name.
fn own_path(to: Option<&str>) -> Answer<String> {
    let to = to.unwrap_or("/");
    let own = to.starts_with('/')
        && !to.starts_with("//")
        && to.len() <= 2000
        && !to.bytes().any(|byte| byte == b'\\' || byte <= b' ' || byte == 0x7F);
    if own { Ok(to.to_owned()) } else { Err(Problem::bad_parameter("to", "takes a path of this server, like /?grid=…")) }
}

fn sent(to: &str) -> Answer<Response> {
    let ascii: String = to.chars().map(|c| if c.is_ascii() { c.to_string() } else { encoded(&c.to_string()) }).collect();
    let place = HeaderValue::from_str(&ascii).map_err(|_| Problem::bad_parameter("to", "has signs that it cannot have"))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, place);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for own in ["/", "/?grid=330902001001001&lang=en", "/g/3309", "/a?b=//c"] {
            assert_eq!(own_path(Some(own)).expect("ours"), own);
        }
        for other in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/\nx", "javascript:x", "/ x"] {
            assert!(own_path(Some(other)).is_err(), "{other:?}");
        }
        assert_eq!(own_path(None).expect("ours"), "/");
    }
}
