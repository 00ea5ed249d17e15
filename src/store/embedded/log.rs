//! The change log, the imports, the city's own data, and numbers that are given once.

use super::layers::time_text;
use super::sql::{Doing, Fields};
use super::{EmbeddedStore, begin, commit, on_own_task};
use crate::domain::id::{Epoch, GridSet, ImportId, Revision};
use crate::domain::period::Period;
use crate::domain::records::EpochRecord;
use crate::store::StoreError;
use crate::store::commit::{CommitHead, Committed, ImportRecord, ImportState, LogEntry, LogKind, Meta};
use crate::store::rows::{Counted, Entry, keeps_categories, log_summary};
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// The last number of the change log.
pub(super) async fn revision(conn: &mut SqliteConnection) -> Result<Revision, StoreError> {
    let last: i64 = sqlx::query_scalar("SELECT ifnull(max(revision), 0) FROM change_log")
        .fetch_one(conn)
        .await
        .doing("reading the revision")?;
    Ok(Revision(last.cast_unsigned()))
}

/// The last step of a commit: takes the next revision, unless nothing changed.
pub(super) async fn append(conn: &mut SqliteConnection, entry: Entry<'_>, mut counted: Counted) -> Result<Committed, StoreError> {
    if let Some(settings) = entry.settings {
        counted.settings = settle(conn, settings).await?;
    }
    let mut last = revision(conn).await?;
    if counted.differs() || entry.published.is_some() {
        last.0 += 1;
        sqlx::query("INSERT INTO change_log VALUES (?, ?, ?, ?, ?)")
            .bind(last.0.cast_signed())
            .bind(time_text(entry.at))
            .bind(entry.actor)
            .bind(entry.kind.as_str())
            .bind(log_summary(&counted, entry.import, entry.published).to_string())
            .execute(&mut *conn)
            .await
            .doing("writing the change log")?;
        if let Some(import) = entry.import {
            sqlx::query("UPDATE imports SET revision = ? WHERE id = ?")
                .bind(last.0.cast_signed())
                .bind(import.0)
                .execute(&mut *conn)
                .await
                .doing("keeping the import")?;
        }
    }
    if let Some(import) = entry.undoes {
        sqlx::query("UPDATE imports SET undone = ? WHERE id = ?")
            .bind(last.0.cast_signed())
            .bind(import.0)
            .execute(&mut *conn)
            .await
            .doing("noting that an import was taken back")?;
    }
    let epoch = match entry.published {
        Some(epoch) => epoch,
        None => current(conn, &GridSet::default()).await?.map_or(Epoch(0), |head| head.epoch),
    };
    Ok(counted.committed(last, epoch, entry.import))
}

/// The next `count` numbers of a sequence: the one before the first of them. A number given is never given again.
pub(super) async fn sequence(conn: &mut SqliteConnection, name: &str, count: i64) -> Result<i64, StoreError> {
    let last: i64 = sqlx::query_scalar("UPDATE sequences SET last = last + ? WHERE name = ? RETURNING last")
        .bind(count)
        .bind(name)
        .fetch_one(conn)
        .await
        .doing("taking new numbers")?;
    Ok(last - count)
}

/// Keeps an import under the number it has, or a new one.
pub(super) async fn import(
    conn: &mut SqliteConnection,
    import: Option<ImportRecord>,
    actor: &str,
    reserved: Option<ImportId>,
) -> Result<Option<ImportId>, StoreError> {
    let Some(import) = import else { return Ok(None) };
    let announced = Some(import.id).filter(|id| id.0 != 0);
    let id = match announced.or(reserved) {
        Some(id) => id,
        None => ImportId(sequence(conn, "imports", 1).await? + 1),
    };
    sqlx::query(
        "INSERT OR REPLACE INTO imports (id, kind, file, crs, source, at, actor, report, state, before)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.0)
    .bind(import.kind)
    .bind(import.file)
    .bind(import.crs)
    .bind(import.source)
    .bind(time_text(import.at))
    .bind(actor)
    .bind(import.report.to_string())
    .bind(import.state.as_str())
    .bind(import.before.to_string())
    .execute(conn)
    .await
    .doing("keeping the import")?;
    Ok(Some(id))
}

const EPOCH_COLUMNS: &str = "SELECT epoch, grid_set, base, valid_from, valid_until, import_id FROM epochs";

fn epoch_record(row: &SqliteRow) -> Result<EpochRecord, StoreError> {
    let mut fields = Fields::of(row);
    Ok(EpochRecord {
        epoch: Epoch(fields.number()?),
        set: GridSet::new(fields.take()?).map_err(|error| StoreError::Corrupt(error.to_string()))?,
        base: fields.opt_number()?.map(Epoch),
        period: Period { from: fields.opt_parsed()?, until: fields.opt_parsed()? },
        import_id: fields.take::<Option<i64>>()?.map(ImportId),
    })
}

/// All epochs.
pub(super) async fn epochs(conn: &mut SqliteConnection) -> Result<Vec<EpochRecord>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("{EPOCH_COLUMNS} ORDER BY epoch"));
    sqlx::query(sql).fetch_all(conn).await.doing("reading the epochs")?.iter().map(epoch_record).collect()
}

/// The end of the chain of a grid set.
pub(super) async fn current(conn: &mut SqliteConnection, set: &GridSet) -> Result<Option<EpochRecord>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("{EPOCH_COLUMNS} WHERE grid_set = ? AND chain = 0 ORDER BY epoch DESC LIMIT 1"));
    let row = sqlx::query(sql).bind(set.as_str()).fetch_optional(conn).await.doing("reading the current epoch")?;
    row.as_ref().map(epoch_record).transpose()
}

/// The current epoch, if the commit is still right about it.
pub(super) async fn current_checked(conn: &mut SqliteConnection, head: &CommitHead) -> Result<Epoch, StoreError> {
    let current = current(conn, &GridSet::default()).await?.map_or(Epoch(0), |head| head.epoch);
    match head.epoch {
        Some(base) if base != current => Err(StoreError::Stale { base, current }),
        _ => Ok(current),
    }
}

/// Writes what the city says about itself, a row per field.
pub(super) async fn meta_insert(conn: &mut SqliteConnection, meta: &Meta) -> Result<(), StoreError> {
    let serde_json::Value::Object(fields) =
        serde_json::to_value(meta).map_err(|error| StoreError::Invalid(format!("the city's own data: {error}")))?
    else {
        return Err(StoreError::Invalid("the city's own data has no fields".to_owned()));
    };
    for (key, value) in fields {
        sqlx::query("INSERT OR REPLACE INTO meta VALUES (?, ?)")
            .bind(key)
            .bind(value.to_string())
            .execute(&mut *conn)
            .await
            .doing("writing the city's own data")?;
    }
    Ok(())
}

/// Takes over what a commit says about the city itself; whether that is different now.
async fn settle(conn: &mut SqliteConnection, next: &Meta) -> Result<bool, StoreError> {
    let used: Vec<String> = sqlx::query_scalar("SELECT DISTINCT category FROM facilities ORDER BY category")
        .fetch_all(&mut *conn)
        .await
        .doing("reading the categories")?;
    keeps_categories(&next.profile, used.iter().map(String::as_str))?;
    let differs = meta(conn).await? != *next;
    if differs {
        meta_insert(conn, next).await?;
    }
    Ok(differs)
}

/// What the city says about itself.
pub(super) async fn meta(conn: &mut SqliteConnection) -> Result<Meta, StoreError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT key, value FROM meta WHERE key NOT IN ('schema', 'audit_begins_after')")
            .fetch_all(conn)
            .await
            .doing("reading the city's own data")?;
    let mut fields = serde_json::Map::new();
    for (key, json) in rows {
        let value = serde_json::from_str(&json).map_err(|error| StoreError::Corrupt(format!("{key} of the city: {error}")))?;
        fields.insert(key, value);
    }
    serde_json::from_value(fields.into()).map_err(|error| StoreError::Corrupt(format!("the city's own data: {error}")))
}

const IMPORT_COLUMNS: &str = "SELECT id, kind, file, crs, source, at, state, revision, undone";

fn import_record(row: &SqliteRow) -> Result<ImportRecord, StoreError> {
    let mut fields = Fields::of(row);
    Ok(ImportRecord {
        id: ImportId(fields.take()?),
        kind: fields.take()?,
        file: fields.take()?,
        crs: fields.take()?,
        source: fields.take()?,
        at: fields.parsed()?,
        state: {
            let word: &str = fields.take()?;
            ImportState::named(word).ok_or_else(|| StoreError::Corrupt(format!("an import is {word:?}")))?
        },
        revision: fields.opt_number()?.map(Revision),
        undone: fields.opt_number()?.map(Revision),
        report: fields.parsed()?,
        before: fields.parsed()?,
    })
}

impl EmbeddedStore {
    pub(in crate::store) async fn meta(&self) -> Result<Meta, StoreError> {
        meta(&mut *self.reader().await?).await
    }

    pub(in crate::store) async fn meta_set(&self, next: Meta, actor: &str, at: Timestamp) -> Result<Committed, StoreError> {
        self.writable()?;
        let (store, actor) = (self.clone(), actor.to_owned());
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            let changed = u64::from(settle(&mut tx, &next).await?);
            let counted = Counted { changed, same: 1 - changed, ..Counted::default() };
            let head = CommitHead::new(actor, at);
            let entry = Entry::of(LogKind::Meta, &head, None);
            let committed = append(&mut tx, entry, counted).await?;
            commit(tx).await?;
            Ok(committed)
        })
        .await
    }

    pub(in crate::store) async fn revision(&self) -> Result<Revision, StoreError> {
        revision(&mut *self.reader().await?).await
    }

    pub(in crate::store) async fn epochs(&self) -> Result<Vec<EpochRecord>, StoreError> {
        epochs(&mut *self.reader().await?).await
    }

    pub(in crate::store) async fn imports(&self) -> Result<Vec<ImportRecord>, StoreError> {
        let status = "CASE WHEN report ->> '$.status' IS NULL THEN 'null' ELSE json_object('status', report ->> '$.status') END";
        let sql = sqlx::AssertSqlSafe(format!("{IMPORT_COLUMNS}, {status}, 'null' FROM imports ORDER BY id"));
        let rows = sqlx::query(sql).fetch_all(&mut *self.reader().await?).await.doing("reading the imports")?;
        rows.iter().map(import_record).collect()
    }

    pub(in crate::store) async fn import_report(&self, id: ImportId) -> Result<Option<ImportRecord>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{IMPORT_COLUMNS}, report, before FROM imports WHERE id = ?"));
        let row = sqlx::query(sql).bind(id.0).fetch_optional(&mut *self.reader().await?).await.doing("reading an import")?;
        row.as_ref().map(import_record).transpose()
    }

    pub(in crate::store) async fn log_since(&self, after: Revision, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let rows =
            sqlx::query("SELECT revision, at, actor, kind, summary FROM change_log WHERE revision > ? ORDER BY revision LIMIT ?")
                .bind(after.0.cast_signed())
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&mut *self.reader().await?)
                .await
                .doing("reading the change log")?;
        let entry = |row: &SqliteRow| {
            let mut fields = Fields::of(row);
            Ok(LogEntry {
                revision: Revision(fields.number()?),
                at: fields.parsed()?,
                actor: fields.take()?,
                kind: {
                    let word: &str = fields.take()?;
                    LogKind::named(word).ok_or_else(|| StoreError::Corrupt(format!("the log is about {word:?}")))?
                },
                summary: fields.parsed()?,
            })
        };
        rows.iter().map(entry).collect()
    }
}
