//! Who did what: rows that are only ever added to, and taken out from the old end.

use super::layers::time_text;
use super::sql::{Doing, Fields};
use super::{EmbeddedStore, begin, commit, on_own_task};
use crate::domain::audit::{Action, AuditRow, Deed};
use crate::domain::secret::Digest;
use crate::store::StoreError;
use crate::store::commit::to_millisecond;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

fn digest(text: &str) -> Result<Digest, StoreError> {
    Digest::try_from(text.to_owned()).map_err(|why| StoreError::Corrupt(format!("the audit: {why}")))
}

fn row(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    let mut f = Fields::of(row);
    let number = f.number()?;
    let corrupt = |what: &str| StoreError::Corrupt(format!("row {number} of the audit: {what}"));
    Ok(AuditRow {
        number,
        deed: Deed {
            at: f.parsed()?,
            actor: f.take()?,
            address: f.take()?,
            action: Action::named(f.take()?).ok_or_else(|| corrupt("an action that nobody knows"))?,
            object: f.take()?,
            detail: serde_json::from_str(f.take()?).map_err(|error| corrupt(&error.to_string()))?,
        },
        hash: digest(f.take()?)?,
    })
}

/// The row that the first one follows: its number and hash.
async fn begins_after(conn: &mut SqliteConnection) -> Result<(u64, Digest), StoreError> {
    let text: String = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'audit_begins_after'")
        .fetch_one(conn)
        .await
        .doing("reading where the audit begins")?;
    let found = text.split_once(' ').and_then(|(number, hash)| Some((number.parse().ok()?, hash)));
    let (number, hash) = found.ok_or_else(|| StoreError::Corrupt(format!("the audit begins after {text:?}")))?;
    Ok((number, digest(hash)?))
}

async fn last(conn: &mut SqliteConnection) -> Result<(u64, Digest), StoreError> {
    let found: Option<(i64, String)> = sqlx::query_as("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        .fetch_optional(&mut *conn)
        .await
        .doing("reading the end of the audit")?;
    match found {
        Some((number, hash)) => Ok((number.cast_unsigned(), digest(&hash)?)),
        None => begins_after(conn).await,
    }
}

async fn append(conn: &mut SqliteConnection, deeds: Vec<Deed>) -> Result<(u64, Digest), StoreError> {
    let mut last = last(conn).await?;
    for deed in deeds {
        let AuditRow { number, deed, hash } = AuditRow::after(last, Deed { at: to_millisecond(deed.at), ..deed });
        sqlx::query("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(number.cast_signed())
            .bind(time_text(deed.at))
            .bind(deed.actor)
            .bind(deed.address)
            .bind(deed.action.as_str())
            .bind(deed.object)
            .bind(deed.detail.to_string())
            .bind(hash.to_string())
            .execute(&mut *conn)
            .await
            .doing("writing the audit")?;
        last = (number, hash);
    }
    Ok(last)
}

impl EmbeddedStore {
    pub(in crate::store) async fn audit_append(&self, deeds: Vec<Deed>) -> Result<(u64, Digest), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            let last = append(&mut tx, deeds).await?;
            commit(tx).await?;
            Ok(last)
        })
        .await
    }

    pub(in crate::store) async fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let sql =
            "SELECT number, at, actor, address, action, object, detail, hash FROM audit WHERE number > ? ORDER BY number LIMIT ?";
        let rows = sqlx::query(sql)
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.reader().await?)
            .await
            .doing("reading the audit")?;
        rows.iter().map(row).collect()
    }

    pub(in crate::store) async fn audit_newest(&self, before: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let found: Option<String> = sqlx::query_scalar("SELECT max(at) FROM audit WHERE at < ?")
            .bind(time_text(before))
            .fetch_one(&mut *self.reader().await?)
            .await
            .doing("reading the audit")?;
        let bad = |error: jiff::Error| StoreError::Corrupt(format!("a time of the audit: {error}"));
        found.map(|text| text.parse().map_err(bad)).transpose()
    }

    pub(in crate::store) async fn audit_begins_after(&self) -> Result<(u64, Digest), StoreError> {
        begins_after(&mut *self.reader().await?).await
    }

    pub(in crate::store) async fn audit_tidy(&self, before: Timestamp, deed: Deed) -> Result<u64, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            // Rows are in the order in which they were added; a clock that was set back keeps more of them.
            let sql = "SELECT number, hash FROM audit WHERE number < ifnull((SELECT min(number) FROM audit WHERE at >= ?), 9223372036854775807)
                ORDER BY number DESC LIMIT 1";
            let cut: Option<(i64, String)> =
                sqlx::query_as(sql).bind(time_text(before)).fetch_optional(&mut *tx).await.doing("looking for old rows of the audit")?;
            let Some((number, hash)) = cut else { return Ok(0) };
            let gone = sqlx::query("DELETE FROM audit WHERE number <= ?")
                .bind(number)
                .execute(&mut *tx)
                .await
                .doing("taking out old rows of the audit")?
                .rows_affected();
            sqlx::query("UPDATE meta SET value = ? WHERE key = 'audit_begins_after'")
                .bind(format!("{number} {hash}"))
                .execute(&mut *tx)
                .await
                .doing("noting where the audit begins")?;
            append(&mut tx, vec![deed.with_cut(number.cast_unsigned())]).await?;
            commit(tx).await?;
            Ok(gone)
        })
        .await
    }
}
