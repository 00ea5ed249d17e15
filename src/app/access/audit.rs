//! The audit: deeds on their way into the store, in order, and read again.

use super::neighbourhood;
use crate::app::{App, AppError};
use crate::clock::Clock;
use crate::domain::audit::{Action, AuditRow, Broken, Deed, Verifier};
use crate::domain::rights::Right;
use crate::domain::scope::Actor;
use crate::domain::secret::Digest;
use crate::store::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Deeds that may wait to be written.
const WAITING: usize = 4096;
/// Deeds that are written in one commit.
const TOGETHER: usize = 256;
/// So long refusals of the same caller are counted before their number is noted.
const COUNTED: Duration = Duration::from_secs(60);
/// Refusals of one caller that are noted one by one in that time.
const ONE_BY_ONE: usize = 4;
/// Callers and addresses whose refusals are told apart in that time: with the one above 1,280 rows a minute, whatever a flood does.
const MOST_REFUSED: usize = 256;
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

    /// Notes a deed soon: for refusals, of which anybody can make any number. Those that are too many are counted.
    pub fn note(&self, deed: Deed) {
        if self.deeds.try_send((deed, None)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write(store: Store, clock: Clock, mut waiting: mpsc::Receiver<(Deed, Option<Told>)>, lost: Arc<AtomicU64>) {
    let mut some = Vec::new();
    let mut refusals = Refusals::new();
    loop {
        // Nobody comes: what was counted is written all the same.
        let left = COUNTED.saturating_sub(refusals.since.elapsed());
        let came = tokio::time::timeout(left, waiting.recv_many(&mut some, TOGETHER)).await;
        let ends = came == Ok(0);
        refusals.unnoted += lost.swap(0, Ordering::Relaxed);
        let mut deeds = Vec::new();
        let mut told = Vec::new();
        // The server's end is the last row of its run.
        let last = some.iter().any(|(deed, _)| deed.action == Action::Server);
        if last || refusals.since.elapsed() >= COUNTED {
            deeds.extend(refusals.counted(clock.now()));
        }
        for (deed, waits) in some.drain(..) {
            // Whoever waits is told that it is on the disk; nobody waits for a refusal.
            if waits.is_some() || refusals.is_new(&deed) {
                deeds.push(deed);
            }
            told.push(waits);
        }
        if ends {
            deeds.extend(refusals.counted(clock.now()));
        }
        if deeds.is_empty() {
            if ends { return } else { continue }
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
        if ends {
            return;
        }
    }
}

/// The refusals of the last minute: the first of somebody are noted one by one, the others as their number. A program that knocks at a door
/// that stays closed fills no disk.
struct Refusals {
    since: Instant,
    of: HashMap<(String, Option<String>, Action), Refused>,
    /// Those of more callers and addresses than are told apart, and those for which the queue had no room.
    unnoted: u64,
}

/// Those of one caller, or of one address.
struct Refused {
    first: Timestamp,
    /// What was noted one by one.
    objects: Vec<String>,
    more: u64,
}

impl Refusals {
    fn new() -> Self {
        Self { since: Instant::now(), of: HashMap::new(), unnoted: 0 }
    }

    /// Whether it is noted by itself; else it is counted.
    fn is_new(&mut self, deed: &Deed) -> bool {
        // Of whom nobody knows the place counts; they leave room for those who have a name.
        let is_stranger = deed.actor.is_empty();
        let place = deed.address.as_ref().filter(|_| is_stranger).map(|address| place_of(address));
        let most = if is_stranger { MOST_REFUSED / 2 } else { MOST_REFUSED };
        let key = (deed.actor.clone(), place, deed.action);
        if self.of.len() >= most && !self.of.contains_key(&key) {
            self.unnoted += 1;
            return false;
        }
        let refused = self.of.entry(key).or_insert_with(|| Refused { first: deed.at, objects: Vec::new(), more: 0 });
        let is_new = refused.objects.len() < ONE_BY_ONE && !refused.objects.contains(&deed.object);
        if is_new {
            refused.objects.push(deed.object.clone());
        } else {
            refused.more += 1;
        }
        is_new
    }

    /// What was counted, as rows; begins to count anew.
    fn counted(&mut self, now: Timestamp) -> Vec<Deed> {
        let last = std::mem::replace(self, Self::new());
        let deed = |actor, address, action, detail| Deed { at: now, actor, address, action, object: String::new(), detail };
        let some = last.of.into_iter().filter(|(_, refused)| refused.more > 0);
        let mut rows: Vec<Deed> = some
            .map(|((actor, address, action), refused)| {
                deed(actor, address, action, json!({ "more": refused.more, "since": refused.first.to_string() }))
            })
            .collect();
        if last.unnoted > 0 {
            rows.push(deed(String::new(), None, Action::Denied, json!({ "refusals_of_any_kind": last.unnoted })));
        }
        rows
    }
}

/// A server that noted nothing for longer takes its clock for wrong, as far as old rows go.
const MOST_SILENCE: SignedDuration = SignedDuration::from_hours(31 * 24);

/// What one household or office has of addresses, as the audit writes it.
fn place_of(address: &str) -> String {
    address.parse().map_or_else(|_| address.to_owned(), |address| neighbourhood(address).to_string())
}

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
        // Kept elsewhere, as logs are, it shows whether the end of the chain was cut off: `wangge audit verify --last`.
        match store.audit_append(vec![]).await {
            Ok((number, hash)) => tracing::info!(number, %hash, "the last row of the audit"),
            Err(error) => tracing::error!(%error, "the audit could not be read"),
        }
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

/// Goes through the whole chain: how many rows there are and the last one's number and hash, or where it is broken first. `known`: a row
/// that must be in it.
pub async fn verified(store: &Store, known: Option<(u64, Digest)>) -> Result<Verdict, StoreError> {
    loop {
        let begin = store.audit_begins_after().await?;
        let found = verified_from(store, begin, known).await?;
        // While it was read a server may have taken old rows out.
        if found.is_ok() || store.audit_begins_after().await? == begin {
            return Ok(found);
        }
    }
}

type Verdict = Result<(u64, (u64, Digest)), Broken>;

async fn verified_from(store: &Store, begin: (u64, Digest), known: Option<(u64, Digest)>) -> Result<Verdict, StoreError> {
    let mut verifier = known.map_or_else(|| Verifier::new(begin), |known| Verifier::with(begin, known));
    let mut count = 0;
    loop {
        let rows = store.audit_after(verifier.last().0, PAGE).await?;
        if rows.is_empty() {
            return Ok(verifier.end().map(|()| (count, verifier.last())));
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
        noted_in(store, now, Action::ReadAudit, "audit", detail).await?;
    }
    Ok((found, next))
}

/// Whether a city has an audit: where callers were told apart once.
pub async fn is_kept(store: &Store) -> Result<bool, StoreError> {
    Ok(store.audit_begins_after().await?.0 > 0 || !store.audit_after(0, 1).await?.is_empty())
}

/// Notes what was done on this machine with a file that no server has.
pub async fn noted_in(
    store: &Store,
    at: Timestamp,
    action: Action,
    object: &str,
    detail: serde_json::Value,
) -> Result<(), StoreError> {
    let deed = Deed { at, actor: Actor::local().id, address: None, action, object: object.to_owned(), detail };
    store.audit_append(vec![deed]).await.map(drop)
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
        let Some(access) = self.access() else {
            // A city that had callers once keeps its audit, whoever takes files out of it now.
            return match action == Action::Export && is_kept(&self.store).await? {
                true => Ok(noted_in(&self.store, self.clock.now(), action, object, detail).await?),
                false => Ok(()),
            };
        };
        let deed = Deed { at: self.clock.now(), actor: actor.id.clone(), address, action, object: object.to_owned(), detail };
        access.audit.noted(deed).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(actor: &str, address: &str, object: &str) -> Deed {
        let (actor, address, object) = (actor.to_owned(), Some(address.to_owned()), object.to_owned());
        Deed { at: Timestamp::UNIX_EPOCH, actor, address, action: Action::Denied, object, detail: json!({}) }
    }

    #[test]
    fn the_first_refusals_are_noted_and_the_others_counted() {
        let mut refusals = Refusals::new();
        let noted = (0..100).filter(|n| refusals.is_new(&refused("li", "10.0.0.1", &format!("/{n}")))).count();
        assert_eq!(noted, ONE_BY_ONE);
        assert!(!refusals.is_new(&refused("li", "10.0.0.1", "/0")), "one that was noted already");
        assert!(!refusals.is_new(&refused("li", "10.0.0.2", "/0")), "from elsewhere");
        assert!(refusals.is_new(&Deed { action: Action::LogInFailed, ..refused("li", "10.0.0.1", "/0") }));
        let rows = refusals.counted(Timestamp::UNIX_EPOCH);
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0].detail["more"], rows[0].address.as_deref()), (&json!(98), None));
        assert!(refusals.is_new(&refused("li", "10.0.0.1", "/0")), "it is counted anew");
    }

    #[test]
    fn more_callers_than_are_told_apart_are_counted_together() {
        let mut refusals = Refusals::new();
        let noted = (0..1000).filter(|n| refusals.is_new(&refused("", &format!("10.0.{}.{}", n / 250, n % 250), "/"))).count();
        assert_eq!(noted, MOST_REFUSED / 2);
        let noted = (0..1000).filter(|n| refusals.is_new(&refused("", &format!("2001:db8::{n:x}"), "/"))).count();
        assert_eq!(noted, 0, "one neighbourhood, for which there is no room");
        assert!(refusals.is_new(&refused("li", "10.0.0.1", "/0")), "who has a name is noted all the same");
        let rows = refusals.counted(Timestamp::UNIX_EPOCH);
        assert_eq!(rows.iter().map(|row| row.detail.clone()).collect::<Vec<_>>(), [json!({ "refusals_of_any_kind": 1872 })]);
        assert_eq!(refusals.counted(Timestamp::UNIX_EPOCH), []);
    }
}
