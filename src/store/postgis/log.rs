//! The change log, the city's own data, and numbers that are given once.

use super::sql::{Logged, Tx, bound, get, instant};
use super::{Lock, PostgisStore, on_own_task};
use crate::domain::id::{Epoch, GridSet, ImportId, Revision};
use crate::domain::period::Period;
use crate::domain::records::EpochRecord;
use crate::store::StoreError;
use crate::store::commit::{CommitHead, Committed, LogEntry, LogKind, Meta, Once};
use crate::store::layers::time_text;
use crate::store::rows::{Counted, Entry, keeps_categories, log_summary};
use crate::store::values::Fields;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use std::time::Duration;

/// An answer that is kept with the commit it belongs to.
pub(super) struct Kept<'a> {
    pub(super) actor: &'a str,
    pub(super) at: Timestamp,
    pub(super) once: &'a Once,
    pub(super) answer: String,
}

/// The last statement of a commit: it counts the clock up, and everything that bears the new number is written with it.
const TICK: &str = "WITH tick AS (UPDATE clock SET revision = revision + 1 RETURNING revision),
  logged AS (INSERT INTO change_log (revision, at, actor, kind, summary, touched)
    SELECT revision, $1::timestamptz, $2, $3, $4, $14 FROM tick),
  noted AS (UPDATE imports SET revision = tick.revision FROM tick WHERE imports.id = $5),
  undone AS (UPDATE imports SET undone = tick.revision FROM tick WHERE imports.id = $6),
  answered AS (INSERT INTO answers (actor, key, request, at, answer, revision)
    SELECT $7, $8, $9, $10::timestamptz, $11, revision FROM tick WHERE $8 IS NOT NULL
    ON CONFLICT (actor, key) DO UPDATE SET request = excluded.request, at = excluded.at, answer = excluded.answer, revision = excluded.revision)
  SELECT revision, pg_current_xact_id()::xid::text, CASE WHEN $12 THEN pg_notify($13, revision::text || ' ' || $15)::text END FROM tick";

/// How long, and with which pauses, is asked what became of a commit whose connection broke off.
const ASKED_AGAIN: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Rows of one commit up to which followers are told each; of more they read the whole table.
const MOST_TOUCHED: usize = 5000;

/// The last number of the change log.
pub(super) async fn revision(tx: &mut Tx) -> Result<Revision, StoreError> {
    let last: i64 = tx.value("SELECT revision FROM clock", bound![], "reading the revision").await?;
    Ok(Revision(last.cast_unsigned()))
}

/// The last number of a sequence, after `count` more were taken. A number given is never given again.
pub(super) async fn sequence(tx: &mut Tx, name: &str, count: i64) -> Result<i64, StoreError> {
    let sql = "UPDATE sequences SET last = last + $1 WHERE name = $2 RETURNING last";
    let last: i64 = tx.value(sql, bound![count, name], "taking new numbers").await?;
    Ok(last - count)
}

fn epoch_columns() -> String {
    format!(
        "SELECT epoch, grid_set, base, {}, {}, import_id, chain, scheme FROM epochs",
        instant("valid_from"),
        instant("valid_until")
    )
}

/// An epoch with its chain (0: in force, else its own number) and its scheme.
pub(super) struct Published {
    pub(super) record: EpochRecord,
    pub(super) chain: i64,
    pub(super) scheme: String,
}

fn published(row: &PgRow) -> Result<Published, StoreError> {
    let mut f = Fields::of_pg(row);
    let record = EpochRecord {
        epoch: Epoch(f.number()?),
        set: GridSet::new(f.take()?).map_err(|error| StoreError::Corrupt(error.to_string()))?,
        base: f.opt_number()?.map(Epoch),
        period: Period { from: f.opt_parsed()?, until: f.opt_parsed()? },
        import_id: f.take::<Option<i64>>()?.map(ImportId),
    };
    Ok(Published { record, chain: f.take()?, scheme: f.take()? })
}

/// All epochs.
pub(super) async fn epochs(tx: &mut Tx) -> Result<Vec<EpochRecord>, StoreError> {
    let rows = tx.rows(format!("{} ORDER BY epoch", epoch_columns()), bound![], "reading the epochs").await?;
    rows.iter().map(|row| Ok(published(row)?.record)).collect()
}

/// One epoch.
pub(super) async fn epoch(tx: &mut Tx, epoch: Epoch) -> Result<Option<Published>, StoreError> {
    let sql = format!("{} WHERE epoch = $1", epoch_columns());
    tx.row(sql, bound![epoch.0.cast_signed()], "reading an epoch").await?.as_ref().map(published).transpose()
}

/// The end of the chain of a grid set.
pub(super) async fn current(tx: &mut Tx, set: &GridSet) -> Result<Option<Published>, StoreError> {
    let sql = format!("{} WHERE grid_set = $1 AND chain = 0 ORDER BY epoch DESC LIMIT 1", epoch_columns());
    tx.row(sql, bound![set.as_str()], "reading the current epoch").await?.as_ref().map(published).transpose()
}

/// What the city says about itself.
pub(super) async fn meta(tx: &mut Tx) -> Result<Meta, StoreError> {
    let mut fields = serde_json::Map::new();
    for row in tx.rows("SELECT key, value FROM meta", bound![], "reading the city's own data").await? {
        let mut f = Fields::of_pg(&row);
        let (key, json): (String, &str) = (f.take()?, f.take()?);
        let value = serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("{key} of the city: {error}")))?;
        fields.insert(key, value);
    }
    serde_json::from_value(fields.into()).map_err(|error| StoreError::Corrupt(format!("the city's own data: {error}")))
}

/// Writes what the city says about itself, a row per field.
pub(super) async fn meta_write(tx: &mut Tx, meta: &Meta) -> Result<(), StoreError> {
    let serde_json::Value::Object(fields) =
        serde_json::to_value(meta).map_err(|error| StoreError::Invalid(format!("the city's own data: {error}")))?
    else {
        return Err(StoreError::Invalid("the city's own data has no fields".to_owned()));
    };
    let sql = "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    for (key, value) in fields {
        tx.execute(sql, bound![key, value.to_string()], "writing the city's own data").await?;
    }
    Ok(())
}

/// Takes over what a commit says about the city itself; whether that is different now. The commit has the gate for itself.
async fn settle(tx: &mut Tx, next: &Meta) -> Result<bool, StoreError> {
    let sql = "SELECT DISTINCT category FROM facilities ORDER BY category";
    let used: Vec<String> = tx.values(sql, bound![], "reading the categories").await?;
    keeps_categories(&next.profile, used.iter().map(String::as_str))?;
    let differs = meta(tx).await? != *next;
    if differs {
        meta_write(tx, next).await?;
    }
    Ok(differs)
}

impl PostgisStore {
    /// Begins a commit: waits for the gate, and tells the current epoch if the commit is still right about it.
    pub(super) async fn enter(&self, tx: &mut Tx, head: &CommitHead, alone: bool) -> Result<Epoch, StoreError> {
        self.lock(tx, Lock::Gate, !alone && head.settings.is_none()).await?;
        let current = current(tx, &GridSet::default()).await?.map_or(Epoch(0), |current| current.record.epoch);
        match head.epoch {
            Some(base) if base != current => Err(StoreError::Stale { base, current }),
            _ => Ok(current),
        }
    }

    /// The end of a commit: takes the next revision, unless nothing changed. What follows is `COMMIT`.
    pub(super) async fn append(
        &self,
        tx: &mut Tx,
        entry: Entry<'_>,
        mut counted: Counted,
        kept: Option<Kept<'_>>,
    ) -> Result<Committed, StoreError> {
        if let Some(settings) = entry.settings {
            counted.settings = settle(tx, settings).await?;
        }
        let epoch = match entry.published {
            Some(epoch) => epoch,
            None => current(tx, &GridSet::default()).await?.map_or(Epoch(0), |current| current.record.epoch),
        };
        let changes = counted.differs() || entry.published.is_some();
        let doing = "writing the change log";
        let last = if changes {
            let summary = log_summary(&counted, entry.import, entry.published).to_string();
            let touched = counted.touched.take().filter(|touched| touched.len() <= MOST_TOUCHED);
            let arguments = bound![
                time_text(entry.at),
                entry.actor,
                entry.kind.as_str(),
                summary,
                entry.import.map(|id| id.0),
                entry.undoes.map(|id| id.0),
                kept.as_ref().map(|kept| kept.actor),
                kept.as_ref().map(|kept| kept.once.key.as_str()),
                kept.as_ref().map(|kept| kept.once.request.cast_signed()),
                kept.as_ref().map(|kept| time_text(kept.at)),
                kept.as_ref().map(|kept| kept.answer.as_str()),
                self.shared.options.notify,
                self.shared.options.schema.as_str(),
                touched,
                self.shared.server.as_str(),
            ];
            let row = tx.row(TICK, arguments, doing).await?.ok_or_else(|| StoreError::Corrupt("there is no clock".to_owned()))?;
            let (at, actor) = (time_text(entry.at), entry.actor.to_owned());
            let logged = Logged { revision: get(&row, 0)?, by: get(&row, 1)?, at, actor };
            let revision = Revision(logged.revision.cast_unsigned());
            tx.logged = Some(logged);
            revision
        } else {
            let last = revision(tx).await?;
            if let Some(import) = entry.undoes {
                let sql = "UPDATE imports SET undone = $1 WHERE id = $2";
                tx.execute(sql, bound![last.0.cast_signed(), import.0], "noting that an import was taken back").await?;
            }
            if let Some(kept) = kept {
                answer_keep(tx, &kept, last).await?;
            }
            last
        };
        Ok(counted.committed(last, epoch, entry.import))
    }

    /// Makes a commit durable. When its connection breaks off meanwhile, the change log tells later whether that was done.
    pub(super) async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        let logged = tx.logged.clone();
        match (tx.commit().await, logged) {
            (Err(unsure @ StoreError::Unsure { .. }), Some(logged)) => {
                let told = tokio::time::timeout(ASKED_AGAIN, async {
                    loop {
                        tokio::time::sleep(ASK_AGAIN).await;
                        if let Ok(Some(done)) = self.was_done(&logged).await {
                            return done;
                        }
                    }
                });
                match told.await {
                    Ok(true) => Ok(()),
                    Ok(false) => {
                        let why = "the connection broke off, and nothing was written".to_owned();
                        Err(StoreError::Away { doing: "committing".to_owned(), why })
                    }
                    Err(_) => Err(unsure),
                }
            }
            (done, _) => done,
        }
    }

    /// Whether a commit was done; `None`: the database is still at it, or is a standby that may not have come so far.
    async fn was_done(&self, Logged { revision, by, at, actor }: &Logged) -> Result<Option<bool>, StoreError> {
        let doing = "asking whether a commit was done";
        // First, and in a transaction of its own: one that ends in between is then seen by the next.
        let sql = "SELECT pg_is_in_recovery() OR EXISTS (SELECT FROM pg_stat_activity WHERE backend_xid = $1::xid)";
        let under_way: bool = self.begin_following(&self.shared.begin.read).await?.value(sql, bound![by.as_str()], doing).await?;
        let mut tx = self.begin_following(&self.shared.begin.read).await?;
        let sql = "SELECT EXISTS (SELECT FROM change_log WHERE revision = $1 AND xmin = $2::xid AND at = $3::timestamptz AND actor = $4)";
        let done: bool = tx.value(sql, bound![*revision, by.as_str(), at.as_str(), actor.as_str()], doing).await?;
        Ok((done || !under_way).then_some(done))
    }

    pub(in crate::store) async fn meta(&self) -> Result<Meta, StoreError> {
        meta(&mut self.reader().await?).await
    }

    pub(in crate::store) async fn meta_set(&self, next: Meta, actor: &str, at: Timestamp) -> Result<Committed, StoreError> {
        self.writable()?;
        let (store, actor) = (self.clone(), actor.to_owned());
        on_own_task(async move {
            let mut tx = store.writer().await?;
            let head = CommitHead::new(actor, at);
            store.enter(&mut tx, &head, true).await?;
            let changed = u64::from(settle(&mut tx, &next).await?);
            let counted = Counted { changed, same: 1 - changed, ..Counted::default() };
            let committed = store.append(&mut tx, Entry::of(LogKind::Meta, &head, None), counted, None).await?;
            store.commit(tx).await?;
            Ok(committed)
        })
        .await
    }

    pub(in crate::store) async fn revision(&self) -> Result<Revision, StoreError> {
        revision(&mut self.reader().await?).await
    }

    pub(in crate::store) async fn epochs(&self) -> Result<Vec<EpochRecord>, StoreError> {
        epochs(&mut self.reader().await?).await
    }

    pub(in crate::store) async fn log_since(&self, after: Revision, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let sql = format!(
            "SELECT revision, {}, actor, kind, summary FROM change_log WHERE revision > $1 ORDER BY revision LIMIT $2",
            instant("at")
        );
        let arguments = bound![after.0.cast_signed(), i64::try_from(limit).unwrap_or(i64::MAX)];
        // Followers ask, and whoever holds the gate and a connection already.
        let mut tx = self.begin_following(&self.shared.begin.read).await?;
        let rows = tx.rows(sql, arguments, "reading the change log").await?;
        let entry = |row: &PgRow| {
            let mut f = Fields::of_pg(row);
            Ok(LogEntry {
                revision: Revision(f.number()?),
                at: f.parsed()?,
                actor: f.take()?,
                kind: {
                    let word: &str = f.take()?;
                    LogKind::named(word).ok_or_else(|| StoreError::Corrupt(format!("the log is about {word:?}")))?
                },
                summary: f.parsed()?,
            })
        };
        rows.iter().map(entry).collect()
    }

    /// Forgets some answers that are too old, after the commit that kept a new one: it takes no lock beside those of a commit. Those that
    /// somebody else is forgetting are left to them, and what fails is left to the next.
    pub(super) async fn answers_forget(&self, at: Timestamp) {
        let sql = "DELETE FROM answers WHERE (actor, key) IN
            (SELECT actor, key FROM answers WHERE at <= $1::timestamptz ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)";
        let forgotten = async {
            let mut tx = self.writer().await?;
            tx.execute(sql, bound![time_text(at - Once::KEPT)], "forgetting old answers").await?;
            tx.commit().await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "old answers are still kept");
        }
    }
}

/// The answer that a write of this name had, and the revision it bore.
pub(super) async fn answer_found(
    tx: &mut Tx,
    actor: &str,
    at: Timestamp,
    once: &Once,
) -> Result<Option<(String, Revision)>, StoreError> {
    let sql = "SELECT request, answer, revision FROM answers WHERE actor = $1 AND key = $2 AND at > $3::timestamptz";
    let arguments = bound![actor, once.key.as_str(), time_text(at - Once::KEPT)];
    let Some(row) = tx.row(sql, arguments, "looking for an earlier answer").await? else { return Ok(None) };
    let mut f = Fields::of_pg(&row);
    if f.take::<i64>()?.cast_unsigned() != once.request {
        return Err(StoreError::KeyReused(once.key.clone()));
    }
    Ok(Some((f.take()?, Revision(f.number()?))))
}

/// Keeps an answer beside a revision that is there already.
pub(super) async fn answer_keep(tx: &mut Tx, kept: &Kept<'_>, revision: Revision) -> Result<(), StoreError> {
    let Kept { actor, at, once, answer } = kept;
    let sql = "INSERT INTO answers (actor, key, request, at, answer, revision) VALUES ($1, $2, $3, $4::timestamptz, $5, $6)
        ON CONFLICT (actor, key) DO UPDATE SET request = excluded.request, at = excluded.at, answer = excluded.answer,
          revision = excluded.revision";
    let arguments =
        bound![*actor, once.key.as_str(), once.request.cast_signed(), time_text(*at), answer.as_str(), revision.0.cast_signed()];
    tx.execute(sql, arguments, "keeping an answer").await.map(drop)
}
