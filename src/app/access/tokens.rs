//! Tokens: made once, shown once, revoked at once.

use super::audit::noted_in;
use super::{Access, Refused};
use crate::app::{App, AppError};
use crate::domain::audit::{Action, Deed};
use crate::domain::rights::Right;
use crate::domain::scope::{Actor, Role, Scope};
use crate::domain::secret::{Digest, Secret};
use crate::store::callers::TokenRecord;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Longest name of a token or a screen.
const MOST_NAME: usize = 100;
/// Most tokens that are good at one time.
const MOST_TOKENS: usize = 10_000;

/// All tokens, by the hash of their secret.
pub(in crate::app) struct Tokens {
    all: RwLock<HashMap<Digest, TokenRecord>>,
}

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose it is.
    pub name: String,
    /// What its bearer is.
    pub roles: Vec<Role>,
    /// What its bearer may see.
    pub scope: Scope,
    /// The screen that it is bound to.
    pub screen: Option<String>,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
}

impl Wanted {
    /// The record, when what is wanted can be.
    pub fn record(self, hash: Digest, actor: &Actor, now: Timestamp) -> Result<TokenRecord, AppError> {
        let Self { name, mut roles, scope, screen, ends_at } = self;
        let refuse = |field: &'static str, detail: String| Err(AppError::Refused { field, detail });
        let plain = |text: &str| !text.trim().is_empty() && text.len() <= MOST_NAME && !text.chars().any(char::is_control);
        if !plain(&name) {
            return refuse("name", format!("is empty, longer than {MOST_NAME} bytes, or has control characters"));
        }
        if screen.as_deref().is_some_and(|screen| !plain(screen)) {
            return refuse("screen", format!("is empty, longer than {MOST_NAME} bytes, or has control characters"));
        }
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return refuse("roles", format!("names none of {}", Role::words()));
        }
        if ends_at.is_some_and(|end| end <= now) {
            return refuse("ends_at", "has passed already".to_owned());
        }
        Ok(TokenRecord {
            id: 0,
            hash,
            name,
            roles,
            scope,
            screen,
            made_at: now,
            made_by: actor.id.clone(),
            ends_at,
            revoked_at: None,
        })
    }
}

impl Tokens {
    pub(super) async fn load(store: &Store) -> Result<Self, StoreError> {
        let all = store.tokens().await?.into_iter().map(|token| (token.hash, token)).collect();
        Ok(Self { all: RwLock::new(all) })
    }

    fn read<T>(&self, look: impl FnOnce(&HashMap<Digest, TokenRecord>) -> T) -> T {
        look(&self.all.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn find(&self, hash: Digest, now: Timestamp) -> Result<TokenRecord, Refused> {
        let found = self.read(|all| all.get(&hash).cloned()).ok_or(Refused::Invalid("the token is none of this server's"))?;
        match is_good(&found, now) {
            true => Ok(found),
            false if found.revoked_at.is_some() => Err(Refused::Ended("the token was revoked")),
            false => Err(Refused::Ended("the token has ended")),
        }
    }

    pub(super) fn is_good(&self, id: i64, now: Timestamp) -> bool {
        self.read(|all| all.values().any(|token| token.id == id && is_good(token, now)))
    }

    /// Takes over what other servers did. Tokens are never taken away, and what was revoked stays so.
    pub(super) fn take_over(&self, stored: Vec<TokenRecord>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        for token in stored {
            let revoked_at = all.get(&token.hash).and_then(|known| known.revoked_at).or(token.revoked_at);
            all.insert(token.hash, TokenRecord { revoked_at, ..token });
        }
    }

    fn put(&self, token: TokenRecord) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(token.hash, token);
    }

    fn revoke(&self, id: i64, at: Timestamp) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.values_mut().filter(|token| token.id == id).for_each(|token| token.revoked_at = token.revoked_at.or(Some(at)));
    }
}

fn is_good(token: &TokenRecord, now: Timestamp) -> bool {
    token.revoked_at.is_none() && token.ends_at.is_none_or(|end| now < end)
}

impl App {
    /// Makes a token; its secret is told here and nowhere else. Nobody gives more than they have.
    pub async fn token_make(&self, actor: &Actor, wanted: Wanted) -> Result<(TokenRecord, Secret), AppError> {
        let access = self.administered(actor)?;
        let now = self.clock.now();
        if access.tokens.read(|all| all.values().filter(|token| is_good(token, now)).count()) >= MOST_TOKENS {
            return Err(too_many());
        }
        let taken = |token: &TokenRecord| is_good(token, now) && token.name == wanted.name;
        let known = access.callers.users.iter().any(|user| user.id == wanted.name) || wanted.name == Actor::local().id;
        if known || access.tokens.read(|all| all.values().any(taken)) {
            let detail = "is somebody's already: by its name a caller stands in the audit and in the change log".to_owned();
            return Err(AppError::Refused { field: "name", detail });
        }
        if !self.view(actor).sees_scope(&wanted.scope) {
            return Err(AppError::Refused { field: "within", detail: "is more than whoever makes the token may see".to_owned() });
        }
        let given = access.rights(&wanted.roles, &wanted.scope);
        if !given.are_among(actor.rights) {
            return Err(AppError::Refused { field: "roles", detail: "may do more than whoever makes the token".to_owned() });
        }
        let secret = Secret::random().map_err(|error| AppError::Outside(error.to_string()))?;
        let mut record = wanted.record(secret.digest(), actor, now)?;
        record.id = self.store.token_add(record.clone()).await?;
        access.tokens.put(record.clone());
        access.audit.noted(made(&record, actor, now)).await?;
        Ok((record, secret))
    }

    /// All tokens that ever were, of the actor's part of the city.
    pub fn tokens(&self, actor: &Actor) -> Result<Vec<TokenRecord>, AppError> {
        let access = self.administered(actor)?;
        let view = self.view(actor);
        let seen = |token: &&TokenRecord| view.sees_scope(&token.scope);
        let mut all: Vec<TokenRecord> = access.tokens.read(|all| all.values().filter(seen).cloned().collect());
        all.sort_by_key(|token| token.id);
        Ok(all)
    }

    /// Revokes a token: the next request with it is refused, streams and sessions that began with it end.
    pub async fn token_revoke(&self, actor: &Actor, id: i64) -> Result<TokenRecord, AppError> {
        let access = self.administered(actor)?;
        let now = self.clock.now();
        let found = access.tokens.read(|all| all.values().find(|token| token.id == id).cloned());
        let found = found.filter(|token| self.view(actor).sees_scope(&token.scope));
        let found = found.ok_or(AppError::UnknownId { what: "token", id })?;
        // In memory first: whatever the disk does, it is good for nothing from here on.
        access.tokens.revoke(id, now);
        access.sessions.end_of_token(id);
        self.live.recheck();
        self.store.token_revoke(id, now).await?;
        access.audit.noted(deed(actor, now, Action::TokenRevoked, &found.name, json!({ "id": id }))).await?;
        Ok(TokenRecord { revoked_at: found.revoked_at.or(Some(now)), ..found })
    }

    /// Where callers are told apart, for somebody who may administer it.
    pub(super) fn administered(&self, actor: &Actor) -> Result<&Access, AppError> {
        actor.needs(Right::Admin)?;
        self.access().map(Arc::as_ref).ok_or(AppError::NoCallers)
    }
}

/// Makes a token in a file that no server has.
pub async fn made_in(store: &Store, wanted: Wanted, now: Timestamp) -> Result<(TokenRecord, Secret), AppError> {
    let actor = Actor::local();
    let good = store.tokens().await?.iter().filter(|token| is_good(token, now)).count();
    if good >= MOST_TOKENS {
        return Err(too_many());
    }
    let secret = Secret::random().map_err(|error| AppError::Outside(error.to_string()))?;
    let mut record = wanted.record(secret.digest(), &actor, now)?;
    record.id = store.token_add(record.clone()).await?;
    store.audit_append(vec![made(&record, &actor, now)]).await?;
    Ok((record, secret))
}

/// Revokes a token in a file that no server has.
pub async fn revoked_in(store: &Store, id: i64, now: Timestamp) -> Result<TokenRecord, AppError> {
    let found = store.tokens().await?.into_iter().find(|token| token.id == id);
    let found = found.ok_or(AppError::UnknownId { what: "token", id })?;
    store.token_revoke(id, now).await?;
    noted_in(store, now, Action::TokenRevoked, &found.name, json!({ "id": id })).await?;
    Ok(TokenRecord { revoked_at: found.revoked_at.or(Some(now)), ..found })
}

fn too_many() -> AppError {
    AppError::Refused { field: "name", detail: format!("there are {MOST_TOKENS} tokens already; revoke some") }
}

fn made(record: &TokenRecord, actor: &Actor, now: Timestamp) -> Deed {
    let detail = json!({ "id": record.id, "roles": record.roles, "scope": record.scope, "screen": record.screen });
    deed(actor, now, Action::TokenMade, &record.name, detail)
}

fn deed(actor: &Actor, at: Timestamp, action: Action, object: &str, detail: serde_json::Value) -> Deed {
    Deed { at, actor: actor.id.clone(), address: None, action, object: object.to_owned(), detail }
}
