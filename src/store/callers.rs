//! What the store knows of callers: tokens, sessions, and who did what.

use super::{Store, StoreError};
use crate::domain::audit::{AuditRow, Deed};
use crate::domain::scope::{Role, Scope};
use crate::domain::secret::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A secret that stands for a caller, until it ends or is revoked. The secret itself is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The store's key; 0 until stored.
    pub id: i64,
    /// Hash of the secret.
    pub hash: Digest,
    /// Whose it is; into the change log.
    pub name: String,
    /// What its bearer is.
    pub roles: Vec<Role>,
    /// What its bearer may see.
    pub scope: Scope,
    /// The screen that it is bound to: such a bearer only reads.
    pub screen: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: String,
    /// From when on it is good for nothing.
    pub ends_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Who is behind a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    /// The actor's id.
    pub id: String,
    /// As people call them.
    pub name: Option<String>,
    /// What they are.
    pub roles: Vec<Role>,
    /// What they may see.
    pub scope: Scope,
    /// The screen that they are bound to.
    pub screen: Option<String>,
    /// Roles and scope are those of a `[[user]]` of the settings.
    #[serde(default)]
    pub listed: bool,
}

/// A browser that logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Hash of the secret in its cookie.
    pub hash: Digest,
    /// Who is behind it.
    pub bearer: Bearer,
    /// The token it began with: it ends with it.
    pub token: Option<i64>,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it was last used, give or take a minute.
    pub seen_at: Timestamp,
    /// When it ends, however much it is used.
    pub ends_at: Timestamp,
}

impl SessionRecord {
    /// What it is called by: the beginning of its hash, from which nobody gets its secret.
    pub fn id(&self) -> String {
        self.hash.to_string()[..32].to_owned()
    }
}

/// None of it takes a revision: it is not the city that changes.
impl Store {
    /// All tokens that ever were, by their keys.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        ask_sure!(Store, self, callers.tokens())
    }

    /// Keeps a new token; its key.
    pub async fn token_add(&self, record: TokenRecord) -> Result<i64, StoreError> {
        ask!(Store, self, callers.token_add(record))
    }

    /// Revokes a token and ends the sessions that began with it; whether there is one with this key. What was revoked stays so.
    pub async fn token_revoke(&self, id: i64, at: Timestamp) -> Result<bool, StoreError> {
        ask_sure!(Store, self, callers.token_revoke(id, at))
    }

    /// All sessions, ended by time or not, by their hashes.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        ask_sure!(Store, self, callers.sessions())
    }

    /// Keeps a session that begins.
    pub async fn session_add(&self, record: SessionRecord) -> Result<(), StoreError> {
        ask_sure!(Store, self, callers.session_add(record))
    }

    /// Notes when sessions were used, unless somebody ended them, and forgets others.
    pub async fn sessions_write(&self, used: Vec<(Digest, Timestamp)>, ended: Vec<Digest>) -> Result<(), StoreError> {
        ask_sure!(Store, self, callers.sessions_write(used, ended))
    }

    /// Adds to the audit; number and hash of its last row.
    pub async fn audit_append(&self, deeds: Vec<Deed>) -> Result<(u64, Digest), StoreError> {
        ask_sure!(Store, self, callers.audit_append(deeds))
    }

    /// The rows behind a number, at most so many.
    pub async fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        ask_sure!(Store, self, callers.audit_after(after, limit))
    }

    /// When the newest row was noted that is older than an instant.
    pub async fn audit_newest(&self, before: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        ask_sure!(Store, self, callers.audit_newest(before))
    }

    /// Number and hash of the row that the first one follows.
    pub async fn audit_begins_after(&self) -> Result<(u64, Digest), StoreError> {
        ask_sure!(Store, self, callers.audit_begins_after())
    }

    /// Takes out the rows that are older than an instant, and notes the deed; how many they were. Without any nothing is noted.
    pub async fn audit_tidy(&self, before: Timestamp, deed: Deed) -> Result<u64, StoreError> {
        ask_sure!(Store, self, callers.audit_tidy(before, deed))
    }
}
