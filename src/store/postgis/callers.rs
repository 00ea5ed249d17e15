//! Tokens, sessions, and who did what: rows of the audit are only ever added to, and taken out from the old end.

use super::sql::{Tx, bound, instant};
use super::{Lock, PostgisStore, on_own_task};
use crate::domain::audit::{Action, AuditRow, Deed};
use crate::domain::secret::Digest;
use crate::store::StoreError;
use crate::store::callers::{SessionRecord, TokenRecord};
use crate::store::commit::to_millisecond;
use crate::store::layers::time_text;
use crate::store::values::Fields;
use jiff::Timestamp;
use sqlx::postgres::PgRow;

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a caller: {error}")))
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("words and codes are JSON")
}

fn digest(text: &str) -> Result<Digest, StoreError> {
    Digest::try_from(text.to_owned()).map_err(|why| StoreError::Corrupt(format!("a hash: {why}")))
}

fn token(row: &PgRow) -> Result<TokenRecord, StoreError> {
    let mut f = Fields::of_pg(row);
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

fn session(row: &PgRow) -> Result<SessionRecord, StoreError> {
    let mut f = Fields::of_pg(row);
    Ok(SessionRecord {
        hash: digest(f.take()?)?,
        bearer: json(f.take()?)?,
        token: f.take()?,
        begun_at: f.parsed()?,
        seen_at: f.parsed()?,
        ends_at: f.parsed()?,
    })
}

fn audit_row(row: &PgRow) -> Result<AuditRow, StoreError> {
    let mut f = Fields::of_pg(row);
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

fn numbered(row: &PgRow) -> Result<(u64, Digest), StoreError> {
    let mut f = Fields::of_pg(row);
    Ok((f.number()?, digest(f.take()?)?))
}

/// The row that the first one follows: its number and hash.
async fn begins_after(tx: &mut Tx) -> Result<(u64, Digest), StoreError> {
    let row = tx.row("SELECT number, hash FROM audit_begin", bound![], "reading where the audit begins").await?;
    numbered(&row.ok_or_else(|| StoreError::Corrupt("nothing says where the audit begins".to_owned()))?)
}

/// Tells other servers that tokens or sessions are others now. Last, since whoever does the same waits.
async fn changed(tx: &mut Tx) -> Result<(), StoreError> {
    super::log::sequence(tx, "callers", 1).await.map(drop)
}

async fn append(tx: &mut Tx, deeds: Vec<Deed>) -> Result<(u64, Digest), StoreError> {
    let sql = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1";
    let mut last = match tx.row(sql, bound![], "reading the end of the audit").await? {
        Some(row) => numbered(&row)?,
        None => begins_after(tx).await?,
    };
    for deed in deeds {
        let AuditRow { number, deed, hash } = AuditRow::after(last, Deed { at: to_millisecond(deed.at), ..deed });
        let arguments = bound![
            number.cast_signed(),
            time_text(deed.at),
            deed.actor,
            deed.address,
            deed.action.as_str(),
            deed.object,
            deed.detail.to_string(),
            hash.to_string(),
        ];
        let sql = "INSERT INTO audit VALUES ($1, $2::timestamptz, $3, $4, $5, $6, $7, $8)";
        tx.execute(sql, arguments, "writing the audit").await?;
        last = (number, hash);
    }
    Ok(last)
}

impl PostgisStore {
    pub(in crate::store) async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let [made, ends, revoked] = ["made_at", "ends_at", "revoked_at"].map(instant);
        let sql =
            format!("SELECT id, hash, name, roles, scope, screen, {made}, made_by, {ends}, {revoked} FROM tokens ORDER BY id");
        self.begin_following(&self.shared.begin.read)
            .await?
            .rows(sql, bound![], "reading tokens")
            .await?
            .iter()
            .map(token)
            .collect()
    }

    pub(in crate::store) async fn token_add(&self, record: TokenRecord) -> Result<i64, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            let sql = "INSERT INTO tokens (hash, name, roles, scope, screen, made_at, made_by, ends_at)
                VALUES ($1, $2, $3, $4, $5, $6::timestamptz, $7, $8::timestamptz) RETURNING id";
            let arguments = bound![
                record.hash.to_string(),
                record.name,
                text(&record.roles),
                text(&record.scope),
                record.screen,
                time_text(record.made_at),
                record.made_by,
                record.ends_at.map(time_text),
            ];
            let id = tx.value(sql, arguments, "keeping a token").await?;
            changed(&mut tx).await?;
            tx.commit().await?;
            Ok(id)
        })
        .await
    }

    pub(in crate::store) async fn token_revoke(&self, id: i64, at: Timestamp) -> Result<bool, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, $1::timestamptz) WHERE id = $2";
            let revoked = tx.execute(sql, bound![time_text(at), id], "revoking a token").await?;
            tx.execute("DELETE FROM sessions WHERE token = $1", bound![id], "ending sessions").await?;
            changed(&mut tx).await?;
            tx.commit().await?;
            Ok(revoked > 0)
        })
        .await
    }

    pub(in crate::store) async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let [begun, seen, ends] = ["begun_at", "seen_at", "ends_at"].map(instant);
        let sql = format!("SELECT hash, bearer, token, {begun}, {seen}, {ends} FROM sessions ORDER BY hash COLLATE \"C\"");
        self.begin_following(&self.shared.begin.read)
            .await?
            .rows(sql, bound![], "reading sessions")
            .await?
            .iter()
            .map(session)
            .collect()
    }

    pub(in crate::store) async fn session_add(&self, record: SessionRecord) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            let sql = "INSERT INTO sessions VALUES ($1, $2, $3, $4::timestamptz, $5::timestamptz, $6::timestamptz)
                ON CONFLICT (hash) DO UPDATE SET bearer = excluded.bearer, token = excluded.token, begun_at = excluded.begun_at,
                  seen_at = excluded.seen_at, ends_at = excluded.ends_at";
            let arguments = bound![
                record.hash.to_string(),
                text(&record.bearer),
                record.token,
                time_text(record.begun_at),
                time_text(record.seen_at),
                time_text(record.ends_at),
            ];
            tx.execute(sql, arguments, "keeping a session").await?;
            changed(&mut tx).await?;
            tx.commit().await
        })
        .await
    }

    pub(in crate::store) async fn sessions_write(
        &self,
        mut used: Vec<(Digest, Timestamp)>,
        ended: Vec<Digest>,
    ) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            // In one order, so that two who write the same sessions do not wait for each other.
            used.sort_unstable_by_key(|(hash, _)| *hash);
            let sql = "UPDATE sessions SET seen_at = greatest(seen_at, $1::timestamptz) WHERE hash = $2";
            for (hash, seen_at) in used {
                tx.execute(sql, bound![time_text(seen_at), hash.to_string()], "noting when a session was used").await?;
            }
            let told = !ended.is_empty();
            let mut ended: Vec<String> = ended.iter().map(Digest::to_string).collect();
            ended.sort_unstable();
            for hash in ended {
                tx.execute("DELETE FROM sessions WHERE hash = $1", bound![hash], "ending a session").await?;
            }
            if told {
                changed(&mut tx).await?;
            }
            tx.commit().await
        })
        .await
    }

    pub(in crate::store) async fn audit_append(&self, deeds: Vec<Deed>) -> Result<(u64, Digest), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            store.lock(&mut tx, Lock::Audit, false).await?;
            let last = append(&mut tx, deeds).await?;
            tx.commit().await?;
            Ok(last)
        })
        .await
    }

    pub(in crate::store) async fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let sql = format!(
            "SELECT number, {}, actor, address, action, object, detail, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2",
            instant("at")
        );
        let arguments = bound![i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX)];
        self.reader().await?.rows(sql, arguments, "reading the audit").await?.iter().map(audit_row).collect()
    }

    pub(in crate::store) async fn audit_newest(&self, before: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let sql = format!("SELECT {} FROM audit WHERE at < $1::timestamptz", instant("max(at)"));
        let found: Option<String> = self.reader().await?.value(sql, bound![time_text(before)], "reading the audit").await?;
        let bad = |error: jiff::Error| StoreError::Corrupt(format!("a time of the audit: {error}"));
        found.map(|text| text.parse().map_err(bad)).transpose()
    }

    pub(in crate::store) async fn audit_begins_after(&self) -> Result<(u64, Digest), StoreError> {
        begins_after(&mut self.reader().await?).await
    }

    pub(in crate::store) async fn audit_tidy(&self, before: Timestamp, deed: Deed) -> Result<u64, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            store.lock(&mut tx, Lock::Audit, false).await?;
            // Rows are in the order in which they were added; a clock that was set back keeps more of them.
            let sql = "SELECT number, hash FROM audit WHERE number <
                coalesce((SELECT min(number) FROM audit WHERE at >= $1::timestamptz), 9223372036854775807)
                ORDER BY number DESC LIMIT 1";
            let Some(row) = tx.row(sql, bound![time_text(before)], "looking for old rows of the audit").await? else {
                return Ok(0);
            };
            let (number, hash) = numbered(&row)?;
            let number = number.cast_signed();
            let sql = "DELETE FROM audit WHERE number <= $1";
            let gone = tx.execute(sql, bound![number], "taking out old rows of the audit").await?;
            let sql = "UPDATE audit_begin SET number = $1, hash = $2";
            tx.execute(sql, bound![number, hash.to_string()], "noting where the audit begins").await?;
            append(&mut tx, vec![deed.with_cut(number.cast_unsigned())]).await?;
            tx.commit().await?;
            Ok(gone)
        })
        .await
    }
}
