//! Tokens and sessions.

use super::layers::time_text;
use super::sql::{Doing, Fields};
use super::{EmbeddedStore, begin, commit, on_own_task};
use crate::domain::secret::Digest;
use crate::store::StoreError;
use crate::store::callers::{SessionRecord, TokenRecord};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

/// Tables of a file, as they are made in a new one and in an old one.
pub(super) const TABLES: &str = "
CREATE TABLE tokens (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, roles TEXT NOT NULL,
  scope TEXT NOT NULL, screen TEXT, made_at DATETIME NOT NULL, made_by TEXT NOT NULL, ends_at DATETIME, revoked_at DATETIME);
CREATE TABLE sessions (hash TEXT PRIMARY KEY NOT NULL, bearer TEXT NOT NULL, token INTEGER, begun_at DATETIME NOT NULL,
  seen_at DATETIME NOT NULL, ends_at DATETIME NOT NULL) WITHOUT ROWID;
CREATE TABLE audit (number INTEGER PRIMARY KEY NOT NULL, at DATETIME NOT NULL, actor TEXT NOT NULL, address TEXT, action TEXT NOT NULL,
  object TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX audit_at ON audit (at);
INSERT INTO meta VALUES ('audit_begins_after', '0 0000000000000000000000000000000000000000000000000000000000000000');
";

/// Their names.
pub(super) const NAMES: [&str; 3] = ["tokens", "sessions", "audit"];

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a caller: {error}")))
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("words and codes are JSON")
}

fn digest(text: &str) -> Result<Digest, StoreError> {
    Digest::try_from(text.to_owned()).map_err(|why| StoreError::Corrupt(format!("a hash: {why}")))
}

fn token(row: &SqliteRow) -> Result<TokenRecord, StoreError> {
    let mut f = Fields::of(row);
    Ok(TokenRecord {
        id: f.take()?,
        hash: digest(f.take()?)?,
        name: f.take()?,
        roles: json(f.take()?)?,
        scope: json(f.take()?)?,
        screen: f.take()?,
        made_at: f.parsed()?,
        made_by: f.take()?,
        ends_at: f.opt_parsed()?,
        revoked_at: f.opt_parsed()?,
    })
}

fn session(row: &SqliteRow) -> Result<SessionRecord, StoreError> {
    let mut f = Fields::of(row);
    Ok(SessionRecord {
        hash: digest(f.take()?)?,
        bearer: json(f.take()?)?,
        token: f.take()?,
        begun_at: f.parsed()?,
        seen_at: f.parsed()?,
        ends_at: f.parsed()?,
    })
}

impl EmbeddedStore {
    pub(in crate::store) async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let sql = "SELECT id, hash, name, roles, scope, screen, made_at, made_by, ends_at, revoked_at FROM tokens ORDER BY id";
        let rows = sqlx::query(sql).fetch_all(&mut *self.reader().await?).await.doing("reading tokens")?;
        rows.iter().map(token).collect()
    }

    pub(in crate::store) async fn token_add(&self, record: TokenRecord) -> Result<i64, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            let sql =
                "INSERT INTO tokens (hash, name, roles, scope, screen, made_at, made_by, ends_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                RETURNING id";
            let id: i64 = sqlx::query_scalar(sql)
                .bind(record.hash.to_string())
                .bind(record.name)
                .bind(text(&record.roles))
                .bind(text(&record.scope))
                .bind(record.screen)
                .bind(time_text(record.made_at))
                .bind(record.made_by)
                .bind(record.ends_at.map(time_text))
                .fetch_one(&mut *tx)
                .await
                .doing("keeping a token")?;
            commit(tx).await?;
            Ok(id)
        })
        .await
    }

    pub(in crate::store) async fn token_revoke(&self, id: i64, at: Timestamp) -> Result<bool, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            let done = sqlx::query("UPDATE tokens SET revoked_at = ifnull(revoked_at, ?) WHERE id = ?")
                .bind(time_text(at))
                .bind(id)
                .execute(&mut *tx)
                .await
                .doing("revoking a token")?;
            sqlx::query("DELETE FROM sessions WHERE token = ?").bind(id).execute(&mut *tx).await.doing("ending sessions")?;
            commit(tx).await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    pub(in crate::store) async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let sql = "SELECT hash, bearer, token, begun_at, seen_at, ends_at FROM sessions ORDER BY hash";
        let rows = sqlx::query(sql).fetch_all(&mut *self.reader().await?).await.doing("reading sessions")?;
        rows.iter().map(session).collect()
    }

    pub(in crate::store) async fn session_add(&self, record: SessionRecord) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            sqlx::query("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)")
                .bind(record.hash.to_string())
                .bind(text(&record.bearer))
                .bind(record.token)
                .bind(time_text(record.begun_at))
                .bind(time_text(record.seen_at))
                .bind(time_text(record.ends_at))
                .execute(&mut *tx)
                .await
                .doing("keeping a session")?;
            commit(tx).await
        })
        .await
    }

    pub(in crate::store) async fn sessions_write(
        &self,
        used: Vec<(Digest, Timestamp)>,
        ended: Vec<Digest>,
    ) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            for (hash, seen_at) in used {
                sqlx::query("UPDATE sessions SET seen_at = max(seen_at, ?) WHERE hash = ?")
                    .bind(time_text(seen_at))
                    .bind(hash.to_string())
                    .execute(&mut *tx)
                    .await
                    .doing("noting when a session was used")?;
            }
            for hash in ended {
                sqlx::query("DELETE FROM sessions WHERE hash = ?")
                    .bind(hash.to_string())
                    .execute(&mut *tx)
                    .await
                    .doing("ending a session")?;
            }
            commit(tx).await
        })
        .await
    }
}
