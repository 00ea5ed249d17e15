//! The audit: deeds on their way into the store, in order, and read again.

use crate::app::{App, AppError};
use crate::clock::Clock;
use crate::domain::audit::{Action, AuditRow, Broken, Deed, Verifier};
use crate::domain::rights::Right;
use crate::domain::scope::Actor;
use crate::domain::secret::Digest;
use crate::store::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Deeds that may wait to be written.
const WAITING: usize = 4096;
/// Deeds that are written in one commit.
const TOGETHER: usize = 256;
/// How often old rows are looked for.
const TIDY: Duration = Duration::from_secs(6 * 3600);
/// Rows that are read at once.
const PAGE: usize = 1000;

type Told = oneshot::Sender<Result<(), StoreError>>;

/// The way into the store. Clones share it.
#[derive(Clone)]
pub struct Audit {
    deeds: mpsc::Sender<(Deed, Option<Told>)>,
    /// Deeds that found no room.
    lost: Arc<AtomicU64>,
}

impl Audit {
    pub(super) fn start(store: Store, clock: Clock, days: u32) -> Self {
        let (deeds, waiting) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        tokio::spawn(write(store.clone(), clock.clone(), waiting, Arc::clone(&lost)));
        tokio::spawn(tidy(store, clock, days));
        Self { deeds, lost }
    }

    /// Notes a deed; when it is answered, it is on the disk.
    pub async fn noted(&self, deed: Deed) -> Result<(), AppError> {
        let (told, answer) = oneshot::channel();
        self.deeds.send((deed, Some(told))).await.map_err(|_| AppError::Stopping)?;
        Ok(answer.await.map_err(|_| AppError::Stopping)??)
    }

    /// Notes a deed soon: for refusals, of which anybody can make any number. Those for which there is no room are counted.
    pub fn note(&self, deed: Deed) {
        if self.deeds.try_send((deed, None)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write(store: Store, clock: Clock, mut waiting: mpsc::Receiver<(Deed, Option<Told>)>, lost: Arc<AtomicU64>) {
    let mut some = Vec::new();
    while waiting.recv_many(&mut some, TOGETHER).await > 0 {
        let (mut deeds, told): (Vec<Deed>, Vec<Option<Told>>) = some.drain(..).unzip();
        let uncounted = lost.swap(0, Ordering::Relaxed);
        if uncounted > 0 {
            deeds.push(Deed {
                at: clock.now(),
                actor: String::new(),
                address: None,
                action: Action::Denied,
                object: String::new(),
                detail: json!({ "not_noted_one_by_one": uncounted }),
            });
        }
        let written = store.audit_append(deeds).await;
        if let Err(error) = &written {
            tracing::error!(%error, "the audit could not be written");
        }
        for told in told.into_iter().flatten() {
            let _ = told.send(match &written {
                Ok(_) => Ok(()),
                Err(_) => Err(StoreError::GivenUp),
            });
        }
    }
}

/// A server that noted nothing for longer takes its clock for wrong, as far as old rows go.
const MOST_SILENCE: SignedDuration = SignedDuration::from_hours(31 * 24);

async fn tidy(store: Store, clock: Clock, days: u32) {
    loop {
        // A clock that is years ahead empties nothing: time goes on from what was noted by another day's clock.
        let now = clock.now();
        let yesterday = now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        let now = match store.audit_newest(yesterday).await {
            Ok(newest) => newest.and_then(|at| at.checked_add(MOST_SILENCE).ok()).map_or(now, |most| now.min(most)),
            Err(error) => {
                tracing::error!(%error, "the audit could not be read");
                tokio::time::sleep(TIDY).await;
                continue;
            }
        };
        let before = now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
        let deed = Deed {
            at: now,
            actor: "wangge".to_owned(),
            address: None,
            action: Action::Tidied,
            object: "audit".to_owned(),
            detail: json!({ "before": before.to_string() }),
        };
        match store.audit_tidy(before, deed).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "old rows were taken out of the audit"),
            Err(error) => tracing::error!(%error, "old rows could not be taken out of the audit"),
        }
        tokio::time::sleep(TIDY).await;
    }
}

/// Goes through the whole chain: how many rows there are and the last one's number and hash, or where it is broken first.
pub async fn verified(store: &Store) -> Result<Result<(u64, (u64, Digest)), Broken>, StoreError> {
    let begin = store.audit_begins_after().await?;
    let mut verifier = Verifier::new(begin);
    let mut count = 0;
    loop {
        let rows = store.audit_after(verifier.last().0, PAGE).await?;
        if rows.is_empty() {
            return Ok(Ok((count, verifier.last())));
        }
        count += rows.len() as u64;
        for row in &rows {
            if let Err(broken) = verifier.next(row) {
                return Ok(Err(broken));
            }
        }
    }
}

/// What is looked for in the audit; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// By whom.
    pub actor: Option<String>,
    /// What.
    pub action: Option<Action>,
    /// From here on.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl Filter {
    fn wants(&self, row: &AuditRow) -> bool {
        let deed = &row.deed;
        self.actor.as_ref().is_none_or(|actor| deed.actor == *actor)
            && self.action.is_none_or(|action| deed.action == action)
            && self.from.is_none_or(|from| deed.at >= from)
            && self.until.is_none_or(|until| deed.at < until)
    }
}

async fn rows(store: &Store, filter: &Filter, after: u64, limit: usize) -> Result<(Vec<AuditRow>, Option<u64>), StoreError> {
    let (mut found, mut last) = (Vec::new(), after);
    loop {
        let rows = store.audit_after(last, PAGE).await?;
        let Some(end) = rows.last().map(|row| row.number) else { return Ok((found, None)) };
        for row in rows {
            let number = row.number;
            if filter.wants(&row) {
                if found.len() == limit {
                    return Ok((found, Some(last)));
                }
                found.push(row);
            }
            last = number;
        }
        last = last.max(end);
    }
}

/// The same from a file that no server has; what was read is noted in it, once at the end.
pub async fn read_in(
    store: &Store,
    filter: &Filter,
    after: u64,
    limit: usize,
    now: Timestamp,
) -> Result<(Vec<AuditRow>, Option<u64>), StoreError> {
    let (found, next) = rows(store, filter, after, limit).await?;
    if next.is_none() {
        let detail = json!({ "actor": filter.actor, "action": filter.action, "from": filter.from, "until": filter.until });
        let (action, object) = (Action::ReadAudit, "audit".to_owned());
        store.audit_append(vec![Deed { at: now, actor: Actor::local().id, address: None, action, object, detail }]).await?;
    }
    Ok((found, next))
}

impl App {
    /// Rows behind a number that pass, at most so many; the number to go on from, when there are more rows.
    pub async fn audit_rows(
        &self,
        actor: &Actor,
        filter: &Filter,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<AuditRow>, Option<u64>), AppError> {
        actor.needs(Right::Audit)?;
        Ok(rows(&self.store, filter, after, limit).await?)
    }

    /// Notes a deed of a caller, durably; nothing where callers are not told apart.
    pub async fn noted(
        &self,
        actor: &Actor,
        address: Option<String>,
        action: Action,
        object: &str,
        detail: serde_json::Value,
    ) -> Result<(), AppError> {
        let Some(access) = self.access() else { return Ok(()) };
        let deed = Deed { at: self.clock.now(), actor: actor.id.clone(), address, action, object: object.to_owned(), detail };
        access.audit.noted(deed).await
    }
}
