//! Coming in and going out: with a token, or by the log-in page of another system, into a session of the browser.

use super::access::{Client, asked, cookie, deed, own_page, set_cookie, stranger, unauthorized};
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::facility_writes::json_body;
use super::json::{base_url, json};
use super::members::Members;
use super::query::{NoQuery, Query, decoded, query};
use crate::app::access::{Access, Bearer, Claims, Known, Refused, SessionRecord, Shown};
use crate::app::{App, AppError};
use crate::domain::audit::Action;
use crate::domain::percent::encoded;
use crate::domain::scope::Scope;
use crate::domain::secret::Secret;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The cookie that binds a log-in elsewhere to the browser that began it.
const STATE: &str = "wangge_state";
/// The same over TLS.
const STATE_SECURE: &str = "__Host-wangge_state";

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
    /// Whether they came in by a session of a browser, which they can end.
    session: bool,
    /// A page that nobody touched for so many seconds ends the session: what it asks by itself is no sign of a person. Null: it never does.
    idle_s: Option<u64>,
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
        /// The state that it was given.
        state: Option<String>,
        /// Whose it is, its server says.
        ticket: Option<String>,
    }
}

fn me_of(app: &App, actor: &crate::app::Actor, known: Option<&Known>) -> Response {
    let access = app.access();
    let session = known.is_some_and(|known| known.session.is_some());
    let idle = access.filter(|_| session && actor.screen.is_none()).map(|access| access.callers.idle.as_secs());
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
        session,
        idle_s: idle,
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
    client: Option<Extension<Client>>,
    _: Query<NoQuery>,
    request: Request,
) -> Answer<Response> {
    let access = told_apart(&app)?;
    own_page(&app, request.headers())?;
    let before = cookie(request.headers(), app.config.is_secure()).and_then(Secret::parse);
    let door = Door { app: &app, access, client: address(client), way: "token", page: None };
    let (_, bytes) = json_body(request, &["application/json"]).await?;
    let mut members = Members::of(&bytes)?;
    let text = members.text("token", 20_000)?.never_null("token")?.ok_or_else(|| Problem::missing_field("token"))?;
    members.end()?;
    let mut known = match access.known(Shown::Bearer(text.trim()), app.clock.now()).await {
        Ok(known) => known,
        Err(why) => return Ok(door.turned_away(&why)),
    };
    let actor = &known.actor;
    asked(access, &actor.id, 1.0)?;
    let bearer = Bearer {
        id: actor.id.clone(),
        name: known.name.clone(),
        roles: actor.roles.clone(),
        scope: actor.scope.clone(),
        screen: actor.screen.clone(),
        listed: known.token.is_none() && access.listed(&actor.id).is_some(),
    };
    let (cookie, session) = door.begun(bearer, (known.token, known.ends_at), before).await?;
    (known.session, known.ends_at) = (Some(session.hash), Some(session.ends_at));
    let mut response = me_of(&app, &app.here(&known.actor), Some(&known));
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
pub async fn to_oidc(
    State(app): State<Arc<App>>,
    Query(query): Query<ToQuery>,
    client: Option<Extension<Client>>,
    headers: HeaderMap,
) -> Answer<Response> {
    let to = own_path(query.to.as_deref())?;
    let door = Door::of(&app, client, "oidc", &to, &headers)?;
    stranger(door.access, door.client)?;
    let seed = new_seed()?;
    let page = door.access.oidc_page(&seed, &state_of(&seed), &oidc_back(&app, &headers)).await;
    match page.unwrap_or(Err(Refused::Nobody)) {
        Ok(page) => sent_with(&page, remembered(&app, &seed, &to)),
        Err(why) => Ok(door.turned_away(&why)),
    }
}

/// Back from the log-in page of OpenID Connect.
#[utoipa::path(get, path = "/log-in/oidc/back", tag = "access", params(OidcQuery), responses((status = 303)))]
pub async fn from_oidc(
    State(app): State<Arc<App>>,
    Query(query): Query<OidcQuery>,
    client: Option<Extension<Client>>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (seed, to) = begun_here(&app, &headers, query.state.as_deref())?;
    let door = Door::of(&app, client, "oidc", &to, &headers)?;
    let claims = match (seed, &query.code, &query.error) {
        (None, _, _) => Err(NOT_HERE),
        (Some(seed), Some(code), None) => {
            // Nobody remembers which log-ins were begun: each of these asks the issuer.
            stranger(door.access, door.client)?;
            door.access.oidc_claims(&seed, &oidc_back(&app, &headers), code, app.clock.now()).await
        }
        _ => Err(Refused::Invalid("the log-in page let nobody in")),
    };
    door.came_back(claims, &to, &headers).await
}

/// To the log-in page of CAS.
#[utoipa::path(get, path = "/log-in/cas", tag = "access", params(ToQuery), responses((status = 303)))]
pub async fn to_cas(State(app): State<Arc<App>>, Query(query): Query<ToQuery>, headers: HeaderMap) -> Answer<Response> {
    let to = own_path(query.to.as_deref())?;
    let seed = new_seed()?;
    let page = told_apart(&app)?.cas_page(&cas_service(&app, &headers, &seed));
    let page = page.ok_or_else(|| Problem::new(ProblemCode::NotFound, "the settings have no [cas]"))?;
    sent_with(&page, remembered(&app, &seed, &to))
}

/// Back from the log-in page of CAS.
#[utoipa::path(get, path = "/log-in/cas/back", tag = "access", params(CasQuery), responses((status = 303)))]
pub async fn from_cas(
    State(app): State<Arc<App>>,
    Query(query): Query<CasQuery>,
    client: Option<Extension<Client>>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (seed, to) = begun_here(&app, &headers, query.state.as_deref())?;
    let door = Door::of(&app, client, "cas", &to, &headers)?;
    let claims = match seed {
        // CAS itself binds a ticket to no browser: somebody else's would let its finder in as them, unseen.
        None => Err(NOT_HERE),
        Some(seed) => {
            stranger(door.access, door.client)?;
            let service = cas_service(&app, &headers, &seed);
            door.access.cas_claims(&service, query.ticket.as_deref().unwrap_or_default()).await
        }
    };
    door.came_back(claims, &to, &headers).await
}

fn cas_service(app: &App, headers: &HeaderMap, seed: &Secret) -> String {
    format!("{}/log-in/cas/back?state={}", base_url(&app.config, headers), state_of(seed))
}

fn oidc_back(app: &App, headers: &HeaderMap) -> String {
    format!("{}/log-in/oidc/back", base_url(&app.config, headers))
}

fn new_seed() -> Answer<Secret> {
    Secret::random().map_err(|error| Problem::new(ProblemCode::Internal, error.to_string()))
}

/// What the browser brings back: it goes through addresses and others' logs, and tells nothing of the seed.
fn state_of(seed: &Secret) -> String {
    seed.derived("state").text()
}

const NOT_HERE: Refused = Refused::Invalid("this log-in was not begun in this browser; begin again");

/// The cookie of a log-in elsewhere: its way goes on in the browser that began it, and nowhere else, and ends where somebody wanted to go.
/// No server remembers it, so any of several can go on.
fn remembered(app: &App, seed: &Secret, to: &str) -> HeaderValue {
    let (name, seed, to) = (state_name(app), seed.text(), encoded(to));
    // A name that begins with __Host- is taken with this path only.
    let (path, also) = match app.config.is_secure() {
        true => ("/".to_owned(), "; Secure"),
        false => (format!("{}/log-in", folder(app)), ""),
    };
    let value = format!("{name}={seed}.{to}; Path={path}; HttpOnly; SameSite=Lax{also}; Max-Age=600");
    HeaderValue::from_str(&value).expect("hexadecimal digits and a percent-encoded text are a header value")
}

/// Over TLS only the name that no other host and no page without TLS can give a cookie, as that of a session.
fn state_name(app: &App) -> &'static str {
    if app.config.is_secure() { STATE_SECURE } else { STATE }
}

/// The folder of the server under a proxy's name: the path of `base_url`, without a slash at its end; mostly empty.
fn folder(app: &App) -> String {
    let base = app.config.base_url.as_deref().and_then(|base| base.parse::<axum::http::Uri>().ok());
    base.map(|base| base.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

/// The seed of the cookie, when the state that came back is that of it, and where to go.
fn begun_here(app: &App, headers: &HeaderMap, told: Option<&str>) -> Answer<(Option<Secret>, String)> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let cookie = pairs.find(|(name, _)| *name == state_name(app)).and_then(|(_, value)| value.split_once('.'));
    let cookie = cookie.and_then(|(seed, to)| Some((Secret::parse(seed)?, to)));
    match cookie.filter(|(seed, _)| told == Some(&state_of(seed))) {
        Some((seed, to)) => Ok((Some(seed), own_path(decoded(to).as_deref())?)),
        None => Ok((None, "/".to_owned())),
    }
}

/// Where somebody stands who wants to come in, and by which way.
struct Door<'a> {
    app: &'a App,
    access: &'a Access,
    client: Option<IpAddr>,
    way: &'static str,
    /// The path where a browser is told in words that it was turned away; `None`: the answer says so itself.
    page: Option<&'a str>,
}

fn address(client: Option<Extension<Client>>) -> Option<IpAddr> {
    client.and_then(|Extension(Client(address))| address)
}

/// Browsers keep a cookie for 400 days at most.
const MOST_COOKIE_S: i64 = 400 * 24 * 3600;

impl<'a> Door<'a> {
    /// Of a way that leads over pages. A person who walks it wants a page, a program an answer.
    fn of(app: &'a App, client: Option<Extension<Client>>, way: &'static str, to: &'a str, headers: &HeaderMap) -> Answer<Self> {
        let access = told_apart(app)?;
        let (oidc, cas) = (&access.callers.oidc, &access.callers.cas);
        if !(way == "oidc" && oidc.is_some() || way == "cas" && cas.is_some()) {
            return Err(Problem::new(ProblemCode::NotFound, format!("the settings have no [{way}]")));
        }
        let wants = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let page = wants.is_some_and(|wants| wants.contains("text/html")).then_some(to);
        Ok(Self { app, access, client: address(client), way, page })
    }

    fn turned_away(&self, why: &Refused) -> Response {
        let asked = stranger(self.access, self.client);
        if asked.is_ok() {
            self.access.audit.note(deed(self.app, "", self.client, Action::LogInFailed, self.way, &why.to_string()));
        }
        let told = match (&asked, self.page) {
            // The viewer has words for each; a fragment stays in the browser.
            (asked, Some(to)) => {
                let sign = if to.contains('#') { '&' } else { '#' };
                sent(&format!("{to}{sign}log-in={}", if asked.is_ok() { why.reason() } else { "too_many" }))
            }
            (Ok(()), None) => Ok(unauthorized(why)),
            (Err(problem), None) => Err(problem.clone()),
        };
        told.unwrap_or_else(IntoResponse::into_response)
    }

    /// Into a session, and on to where somebody wanted to go.
    async fn came_back(&self, claims: Result<Claims, Refused>, to: &str, headers: &HeaderMap) -> Answer<Response> {
        let bearer = match claims.and_then(|claims| self.access.bearer(claims)) {
            Ok(bearer) => bearer,
            Err(why) => return Ok(self.turned_away(&why)),
        };
        let mut response = sent(to)?;
        let (cookie, _) =
            self.begun(bearer, (None, None), cookie(headers, self.app.config.is_secure()).and_then(Secret::parse)).await?;
        response.headers_mut().append(header::SET_COOKIE, cookie);
        Ok(response)
    }

    /// Begins a session, notes it, and makes its cookie. The browser's session before it is over.
    async fn begun(
        &self,
        bearer: Bearer,
        (token, ends_at): (Option<i64>, Option<Timestamp>),
        before: Option<Secret>,
    ) -> Answer<(HeaderValue, SessionRecord)> {
        let id = bearer.id.clone();
        let begun = self.app.session_begin(bearer, token, ends_at).await?;
        let (secret, session) = begun.ok_or(AppError::Stopping)?;
        if let Some(before) = before {
            self.app.session_end(before.digest()).await?;
        }
        self.access.audit.noted(deed(self.app, &id, self.client, Action::LogIn, self.way, "")).await?;
        let left = session.ends_at.duration_since(session.begun_at).as_secs().clamp(0, MOST_COOKIE_S);
        Ok((set_cookie(self.app, Some(&secret.text()), Duration::from_secs(left.unsigned_abs())), session))
    }
}

fn told_apart(app: &App) -> Answer<&Access> {
    let detail = "this server does not tell callers apart; [access] in its settings would";
    app.access().map(Arc::as_ref).ok_or_else(|| Problem::new(ProblemCode::NotFound, detail))
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

fn sent_with(to: &str, cookie: HeaderValue) -> Answer<Response> {
    let mut response = sent(to)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
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
