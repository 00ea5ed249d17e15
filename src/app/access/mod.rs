//! Who is calling. Something that a request carries becomes an [`Actor`], or a refusal; what is done with rights beyond plain reading is
//! noted in the audit.

pub mod audit;
pub mod cas;
pub mod jwt;
pub mod oidc;
pub mod rates;
pub mod sessions;
pub mod tokens;

pub use crate::store::callers::{Bearer, SessionRecord, TokenRecord};

use super::follow::in_time;
use super::{App, AppError};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::access::{Callers, User};
use crate::domain::code::Code;
use crate::domain::rights::{Right, Rights};
use crate::domain::scope::{Actor, Role, Scope};
use crate::domain::secret::{Digest, Secret};
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::net::IpAddr;
use std::sync::Arc;

/// How callers are told apart in a running server.
pub struct Access {
    /// What the settings say.
    pub callers: Callers,
    /// The audit's way into the store.
    pub audit: audit::Audit,
    /// Who asks how much.
    pub rates: rates::Rates,
    pub(super) tokens: tokens::Tokens,
    pub(super) sessions: sessions::Sessions,
    refreshing: tokio::sync::Mutex<()>,
    pub(super) jwt: Option<jwt::Verifier>,
    pub(super) oidc: Option<oidc::Client>,
    pub(super) cas: Option<cas::Client>,
    /// What the command line on this machine shows, so that it goes on to work beside the server.
    local: Secret,
}

/// Why somebody is not let in. No variant tells whether an account exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing that says who is calling.
    #[error("this server wants to know who is calling: a token (Authorization: Bearer …) or a session")]
    Nobody,
    /// Something, but not what this server gave, or not any more.
    #[error("{0}")]
    Invalid(&'static str),
    /// Something that this server gave, and that was good once.
    #[error("{0}")]
    Ended(&'static str),
    /// Known, but nobody said what they are.
    #[error("{id:?} has none of this city's roles: {words}", words = Role::words())]
    NoRole {
        /// As the other system calls them.
        id: String,
    },
    /// Known, but nobody said what they may see.
    #[error("nobody said which part of the city {id:?} may see: their system gives no codes, and \"*\" would be all of it")]
    NoScope {
        /// As the other system calls them.
        id: String,
    },
    /// The other system could not be asked.
    #[error("{0}")]
    Elsewhere(String),
}

impl Refused {
    /// Its word, which programs may key on.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Invalid(_) => "invalid",
            Self::Ended(_) => "ended",
            Self::NoRole { .. } => "no_role",
            Self::NoScope { .. } => "no_scope",
            Self::Elsewhere(_) => "elsewhere",
        }
    }
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// `Authorization: Bearer`.
    Bearer(&'a str),
    /// The cookie of a session.
    Session(&'a str),
    /// What a gateway in front says, and where it called from.
    Gateway {
        /// Who it says it is.
        user: &'a str,
        /// Their roles.
        roles: Option<&'a str>,
        /// The codes they see.
        within: Option<&'a str>,
        /// The address that the connection came from.
        peer: Option<IpAddr>,
    },
}

/// A caller that was let in, and until when.
#[derive(Debug, Clone)]
pub struct Known {
    /// Who.
    pub actor: Arc<Actor>,
    /// As people call them.
    pub name: Option<String>,
    /// From when on they are unknown again.
    pub ends_at: Option<Timestamp>,
    /// The token behind it.
    pub token: Option<i64>,
    /// The session behind it.
    pub session: Option<Digest>,
    /// A gateway says with each request who it is, and this one it has said: `ends_at` is for streams without end.
    pub vouched: bool,
}

/// A caller whose work goes on after the moment in which they were let in.
pub struct Still {
    access: Arc<Access>,
    known: Known,
    clock: Clock,
}

impl Still {
    /// Whether they are known yet. Waiting for news uses no session.
    pub fn is_known(&self) -> bool {
        self.access.still_known(&self.known, self.clock.now())
    }

    /// Lets go on what they have begun: as the next request, which uses the session.
    pub fn goes_on(&self) -> Result<(), Refused> {
        let (Known { ends_at, token, session, vouched, .. }, now) = (&self.known, self.clock.now());
        if token.is_some_and(|id| !self.access.tokens.is_good(id, now)) {
            return Err(Refused::Ended("the token was revoked or has ended"));
        }
        match session {
            Some(hash) => self.access.sessions.used(*hash, now).map(|_| ()).ok_or(Refused::Ended("the session has ended")),
            None if !vouched && ends_at.is_some_and(|end| end <= now) => Err(Refused::Ended("the token has ended")),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Still {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Still").field(&self.known.actor.id).finish()
    }
}

impl Access {
    /// What is stored, in memory; `None`: callers are not told apart.
    pub(super) async fn open(config: &Config, store: &Store, clock: &Clock) -> Result<Option<Self>, AppError> {
        let Some(callers) = config.callers.clone() else { return Ok(None) };
        let now = clock.now();
        let outside = |why: String| AppError::Outside(why);
        let upstream = config.ca_file.as_deref();
        Ok(Some(Self {
            audit: audit::Audit::start(store.clone(), clock.clone(), callers.audit_days),
            rates: rates::Rates::new(callers.rate),
            tokens: tokens::Tokens::load(store).await?,
            sessions: sessions::Sessions::load(store, &callers, now).await?,
            refreshing: tokio::sync::Mutex::default(),
            jwt: callers.jwt.as_ref().map(|jwt| jwt::Verifier::open(jwt, upstream, now)).transpose().map_err(outside)?,
            oidc: callers.oidc.as_ref().map(|oidc| oidc::Client::new(oidc, upstream)).transpose().map_err(outside)?,
            cas: callers.cas.as_ref().map(|cas| cas::Client::new(cas, upstream)).transpose().map_err(outside)?,
            local: Secret::random().map_err(|error| outside(error.to_string()))?,
            callers,
        }))
    }

    /// Takes over what other servers did with tokens and sessions.
    pub(super) async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        // One at a time: what was read first is not to be taken over last.
        let _turn = self.refreshing.lock().await;
        self.tokens.take_over(in_time(store.tokens()).await?);
        // First: what begins while the store is read is not missing there.
        let known = self.sessions.stored();
        self.sessions.take_over(&known, in_time(store.sessions()).await?);
        Ok(())
    }

    /// Whoever shows this is the command line of this machine, which goes on to work beside the server.
    pub fn local(&self) -> &Secret {
        &self.local
    }

    /// Who shows this, if anybody.
    pub async fn known(&self, shown: Shown<'_>, now: Timestamp) -> Result<Known, Refused> {
        match shown {
            Shown::Bearer(text) => match Secret::parse(text) {
                Some(secret) => self.of_token(secret.digest(), now),
                None => match &self.jwt {
                    Some(verifier) => verifier.known(self, text, now).await,
                    None => Err(Refused::Invalid("the token is none of this server's")),
                },
            },
            Shown::Session(text) => self.of_session(text, now),
            Shown::Gateway { user, roles, within, peer } => self.of_gateway(user, (roles, within), peer, now),
        }
    }

    /// Whether somebody who was let in still is: a stream outlives the request that began it.
    pub fn still_known(&self, known: &Known, now: Timestamp) -> bool {
        known.ends_at.is_none_or(|end| now < end)
            && known.token.is_none_or(|id| self.tokens.is_good(id, now))
            && known.session.is_none_or(|hash| self.sessions.is_good(hash, now))
    }

    fn of_token(&self, hash: Digest, now: Timestamp) -> Result<Known, Refused> {
        if self.local.digest() == hash {
            let actor = Arc::new(Actor::local());
            return Ok(Known { actor, name: None, ends_at: None, token: None, session: None, vouched: false });
        }
        let token = self.tokens.find(hash, now)?;
        let bearer = Bearer {
            id: token.name.clone(),
            name: None,
            roles: token.roles.clone(),
            scope: token.scope.clone(),
            screen: token.screen.clone(),
            listed: false,
        };
        let (ends_at, token) = (token.ends_at, Some(token.id));
        Ok(Known { actor: self.actor(bearer), name: None, ends_at, token, session: None, vouched: false })
    }

    fn of_session(&self, text: &str, now: Timestamp) -> Result<Known, Refused> {
        let hash = Secret::parse(text).map(|secret| secret.digest());
        let session = hash.and_then(|hash| self.sessions.used(hash, now)).ok_or(Refused::Ended("the session has ended"))?;
        if session.token.is_some_and(|id| !self.tokens.is_good(id, now)) {
            return Err(Refused::Ended("the session has ended"));
        }
        let Some(bearer) = self.of_today(&session) else {
            hash.and_then(|hash| self.sessions.end(hash));
            return Err(Refused::Ended("the session has ended: the settings do not name whose it is any more"));
        };
        let (name, ends_at) = (bearer.name.clone(), Some(session.ends_at));
        Ok(Known { actor: self.actor(bearer), name, ends_at, token: session.token, session: hash, vouched: false })
    }

    /// Who is behind a session as the settings of today say: they may have been written anew since it began. `None`: they named whose it
    /// is, and do not any more.
    fn of_today(&self, session: &SessionRecord) -> Option<Bearer> {
        let bearer = session.bearer.clone();
        match self.listed(&bearer.id).filter(|_| session.token.is_none()) {
            Some(user) => Some(Bearer { roles: user.roles.clone(), scope: user.scope.clone(), listed: true, ..bearer }),
            None => (!bearer.listed).then_some(bearer),
        }
    }

    /// The `[[user]]` of the settings with this name.
    pub fn listed(&self, id: &str) -> Option<&User> {
        let at = self.callers.users.binary_search_by(|user| user.id.as_str().cmp(id)).ok()?;
        Some(&self.callers.users[at])
    }

    /// Whether a proxy of ours calls from there.
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.callers.proxies.iter().any(|network| network.holds(peer))
    }

    fn of_gateway(
        &self,
        user: &str,
        (roles, within): (Option<&str>, Option<&str>),
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Known, Refused> {
        if !peer.is_some_and(|peer| self.is_proxy(peer)) {
            return Err(Refused::Nobody);
        }
        let words = |text: &str| text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect();
        let claims =
            Claims { id: user.to_owned(), name: None, roles: roles.map(words).unwrap_or_default(), within: within.map(words) };
        let bearer = self.bearer(claims)?;
        // Its next request says who it is then; a stream of events begins anew.
        let ends_at = now.checked_add(self.callers.idle).ok();
        Ok(Known { actor: self.actor(bearer), name: None, ends_at, token: None, session: None, vouched: true })
    }

    /// Where a browser is sent to log in with OpenID Connect, with the state it has to bring back; `None`: there is no such way.
    pub async fn oidc_page(&self, seed: &Secret, state: &str, back: &str) -> Option<Result<String, Refused>> {
        Some(self.oidc.as_ref()?.page(seed, state, back).await)
    }

    /// Who came back from there.
    pub async fn oidc_claims(&self, seed: &Secret, back: &str, code: &str, now: Timestamp) -> Result<Claims, Refused> {
        match &self.oidc {
            Some(client) => client.claims(seed, back, code, now).await,
            None => Err(Refused::Nobody),
        }
    }

    /// Where a browser is sent to log in with CAS; `None`: there is no such way.
    pub fn cas_page(&self, service: &str) -> Option<String> {
        Some(self.cas.as_ref()?.page(service))
    }

    /// Who came back from there.
    pub async fn cas_claims(&self, service: &str, ticket: &str) -> Result<Claims, Refused> {
        match &self.cas {
            Some(client) => client.claims(service, ticket).await,
            None => Err(Refused::Nobody),
        }
    }

    /// Who somebody is here whom another system vouches for: what the settings say of them, else what that system says.
    pub fn bearer(&self, claims: Claims) -> Result<Bearer, Refused> {
        let Claims { id, name, roles, within } = claims;
        if id.is_empty() || id.len() > MOST_NAME {
            return Err(Refused::Invalid("the name of who is calling is missing or too long"));
        }
        if id == Actor::local().id {
            return Err(Refused::Invalid("the name of who is calling is that of this machine's own command line"));
        }
        if let Some(user) = self.listed(&id) {
            return Ok(Bearer { id, name, roles: user.roles.clone(), scope: user.scope.clone(), screen: None, listed: true });
        }
        // Another system has words of its own beside ours.
        let mut roles: Vec<Role> = roles.iter().filter_map(|word| word.parse().ok()).collect();
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return Err(Refused::NoRole { id });
        }
        let scope = match within {
            None => return Err(Refused::NoScope { id }),
            Some(codes) if codes.iter().any(|code| code == "*") => Scope::All,
            // What is no code is not in the city either.
            Some(codes) => Scope::within(codes.iter().filter_map(|code| Code::new(code).ok())),
        };
        Ok(Bearer { id, name, roles, scope, screen: None, listed: false })
    }

    /// What somebody with these roles may do in this part of the city.
    pub(super) fn rights(&self, roles: &[Role], scope: &Scope) -> Rights {
        let rights = self.callers.roles.rights(roles);
        if *scope == Scope::All { rights } else { rights.of_a_part() }
    }

    /// The actor that somebody is.
    pub(super) fn actor(&self, bearer: Bearer) -> Arc<Actor> {
        let Bearer { id, name: _, roles, scope, screen, listed: _ } = bearer;
        let rights = self.rights(&roles, &scope);
        // A screen only shows.
        let rights = if screen.is_some() { rights.common(Rights::READING) } else { rights };
        let hidden = self.callers.roles.hidden(rights).into_iter().collect();
        Arc::new(Actor { id, roles, rights, scope, hidden, screen })
    }
}

/// Longest name of somebody.
const MOST_NAME: usize = 200;

/// What another system says of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// As it calls them.
    pub id: String,
    /// As people call them.
    pub name: Option<String>,
    /// Words, some of which are our roles.
    pub roles: Vec<String>,
    /// Codes they may see; `*`: all.
    pub within: Option<Vec<String>>,
}

/// What one household or office has of addresses: of IPv6 2^64.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl App {
    /// Where callers are told apart; `None`: everybody is [`Actor::local`].
    pub fn access(&self) -> Option<&Arc<Access>> {
        self.access.as_ref()
    }

    /// Somebody who was let in and whose work goes on; `None` where callers are not told apart.
    pub fn still(&self, known: Option<Known>) -> Option<Still> {
        let access = Arc::clone(self.access()?);
        known.map(|known| Still { access, known, clock: self.clock.clone() })
    }
}

impl Actor {
    /// Whether they may do this.
    pub fn needs(&self, right: Right) -> Result<(), AppError> {
        if self.rights.has(right) { Ok(()) } else { Err(AppError::Denied { right }) }
    }
}
