//! Answers to writes that have a name, kept beside what they wrote: whoever sends one again gets the answer it had.

use super::layers::time_text;
use super::sql::Doing;
use crate::domain::id::ImportId;
use crate::store::StoreError;
use crate::store::commit::{CommitHead, FacilityOutcome, Once};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

/// Names that are forgotten in one commit, so that none takes long.
const FORGOTTEN: i64 = 100;

/// The answer that a write of this name had, as text.
async fn found(conn: &mut SqliteConnection, actor: &str, at: Timestamp, once: &Once) -> Result<Option<String>, StoreError> {
    let found: Option<(i64, String)> =
        sqlx::query_as("SELECT request, answer FROM answers WHERE actor = ? AND key = ? AND at > ?")
            .bind(actor)
            .bind(&once.key)
            .bind(time_text(at - Once::KEPT))
            .fetch_optional(conn)
            .await
            .doing("looking for an earlier answer")?;
    match found {
        Some((request, _)) if request.cast_unsigned() != once.request => Err(StoreError::KeyReused(once.key.clone())),
        found => Ok(found.map(|(_, answer)| answer)),
    }
}

/// The answer that a write of this name had.
pub(super) async fn kept(
    conn: &mut SqliteConnection,
    head: &CommitHead,
    once: &Once,
) -> Result<Option<FacilityOutcome>, StoreError> {
    let Some(answer) = found(conn, &head.actor, head.at, once).await? else { return Ok(None) };
    let outcome: FacilityOutcome =
        serde_json::from_str(&answer).map_err(|error| StoreError::Corrupt(format!("the answer {:?}: {error}", once.key)))?;
    Ok(Some(FacilityOutcome { repeated: true, ..outcome }))
}

/// The import that was announced under this name.
pub(super) async fn kept_import(
    conn: &mut SqliteConnection,
    actor: &str,
    at: Timestamp,
    once: &Once,
) -> Result<Option<ImportId>, StoreError> {
    let Some(answer) = found(conn, actor, at, once).await? else { return Ok(None) };
    let id = answer.parse().map_err(|_| StoreError::Corrupt(format!("the answer {:?} names no import", once.key)))?;
    Ok(Some(ImportId(id)))
}

/// Keeps the name under which an import was announced.
pub(super) async fn keep_import(
    conn: &mut SqliteConnection,
    actor: &str,
    at: Timestamp,
    once: &Once,
    id: ImportId,
) -> Result<(), StoreError> {
    keep_text(conn, (actor, at), once, id.0.to_string()).await
}

/// Keeps the answer to a write, and forgets some that are too old.
pub(super) async fn keep(
    conn: &mut SqliteConnection,
    head: &CommitHead,
    once: &Once,
    outcome: &FacilityOutcome,
) -> Result<(), StoreError> {
    let answer = serde_json::to_string(outcome).map_err(|error| StoreError::Invalid(error.to_string()))?;
    keep_text(conn, (&head.actor, head.at), once, answer).await
}

async fn keep_text(
    conn: &mut SqliteConnection,
    (actor, at): (&str, Timestamp),
    once: &Once,
    answer: String,
) -> Result<(), StoreError> {
    let doing = "keeping an answer";
    sqlx::query("DELETE FROM answers WHERE (actor, key) IN (SELECT actor, key FROM answers WHERE at <= ? ORDER BY at LIMIT ?)")
        .bind(time_text(at - Once::KEPT))
        .bind(FORGOTTEN)
        .execute(&mut *conn)
        .await
        .doing(doing)?;
    sqlx::query("INSERT OR REPLACE INTO answers (actor, key, request, at, answer) VALUES (?, ?, ?, ?, ?)")
        .bind(actor)
        .bind(&once.key)
        .bind(once.request.cast_signed())
        .bind(time_text(at))
        .bind(answer)
        .execute(&mut *conn)
        .await
        .doing(doing)
        .map(drop)
}
