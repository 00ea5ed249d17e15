//! Callers in memory: the oracle of what a store does with tokens, sessions and the audit; and what is known of sources.

use super::callers::{SessionRecord, TokenRecord};
use super::commit::to_millisecond;
use super::error::StoreError;
use crate::domain::audit::{AuditRow, Deed};
use crate::domain::secret::Digest;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryCallers {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    tokens: Vec<TokenRecord>,
    sessions: BTreeMap<Digest, SessionRecord>,
    audit: Vec<AuditRow>,
    sources: BTreeMap<String, Value>,
    begins_after: (u64, Digest),
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            sessions: BTreeMap::new(),
            audit: Vec::new(),
            sources: BTreeMap::new(),
            begins_after: (0, Digest::NONE),
        }
    }
}

impl Inner {
    fn append(&mut self, deeds: Vec<Deed>) -> (u64, Digest) {
        for deed in deeds {
            let deed = Deed { at: to_millisecond(deed.at), ..deed };
            self.audit.push(AuditRow::after(self.last(), deed));
        }
        self.last()
    }

    fn last(&self) -> (u64, Digest) {
        self.audit.last().map_or(self.begins_after, |row| (row.number, row.hash))
    }
}

impl MemoryCallers {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn source_states(&self) -> Vec<(String, Value)> {
        self.lock().sources.iter().map(|(id, state)| (id.clone(), state.clone())).collect()
    }

    pub(super) fn source_take(&self, id: String) -> Option<Value> {
        Some(self.lock().sources.get(&id).cloned().unwrap_or_default())
    }

    pub(super) fn source_note(&self, id: String, state: Value) {
        self.lock().sources.insert(id, state);
    }

    pub(super) fn tokens(&self) -> Vec<TokenRecord> {
        self.lock().tokens.clone()
    }

    pub(super) fn token_add(&self, record: TokenRecord) -> Result<i64, StoreError> {
        let mut inner = self.lock();
        if inner.tokens.iter().any(|token| token.hash == record.hash) {
            return Err(StoreError::Invalid("a token with this hash is there already".to_owned()));
        }
        let id = inner.tokens.len() as i64 + 1;
        let (made_at, ends_at) = (to_millisecond(record.made_at), record.ends_at.map(to_millisecond));
        inner.tokens.push(TokenRecord { id, made_at, ends_at, revoked_at: None, ..record });
        Ok(id)
    }

    pub(super) fn token_revoke(&self, id: i64, at: Timestamp) -> bool {
        let mut inner = self.lock();
        inner.sessions.retain(|_, session| session.token != Some(id));
        match inner.tokens.iter_mut().find(|token| token.id == id) {
            Some(token) => {
                token.revoked_at = token.revoked_at.or(Some(to_millisecond(at)));
                true
            }
            None => false,
        }
    }

    pub(super) fn sessions(&self) -> Vec<SessionRecord> {
        self.lock().sessions.values().cloned().collect()
    }

    pub(super) fn session_add(&self, session: SessionRecord) {
        let settled = SessionRecord {
            begun_at: to_millisecond(session.begun_at),
            seen_at: to_millisecond(session.seen_at),
            ends_at: to_millisecond(session.ends_at),
            ..session
        };
        self.lock().sessions.insert(settled.hash, settled);
    }

    pub(super) fn sessions_write(&self, used: Vec<(Digest, Timestamp)>, ended: Vec<Digest>) {
        let mut inner = self.lock();
        for (hash, seen_at) in used {
            if let Some(session) = inner.sessions.get_mut(&hash) {
                session.seen_at = session.seen_at.max(to_millisecond(seen_at));
            }
        }
        ended.iter().for_each(|hash| drop(inner.sessions.remove(hash)));
    }

    pub(super) fn audit_newest(&self, before: Timestamp) -> Option<Timestamp> {
        self.lock().audit.iter().map(|row| row.deed.at).filter(|at| *at < before).max()
    }

    pub(super) fn audit_append(&self, deeds: Vec<Deed>) -> (u64, Digest) {
        self.lock().append(deeds)
    }

    pub(super) fn audit_after(&self, after: u64, limit: usize) -> Vec<AuditRow> {
        self.lock().audit.iter().filter(|row| row.number > after).take(limit).cloned().collect()
    }

    pub(super) fn audit_begins_after(&self) -> (u64, Digest) {
        self.lock().begins_after
    }

    pub(super) fn audit_tidy(&self, before: Timestamp, deed: Deed) -> u64 {
        let mut inner = self.lock();
        let kept = inner.audit.iter().position(|row| row.deed.at >= before).unwrap_or(inner.audit.len());
        let Some(last) = inner.audit[..kept].last().cloned() else { return 0 };
        inner.begins_after = (last.number, last.hash);
        inner.audit.drain(..kept);
        inner.append(vec![deed.with_cut(last.number)]);
        kept as u64
    }
}
