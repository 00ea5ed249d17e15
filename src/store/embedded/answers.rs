//! Answers to writes that have a name, kept beside what they wrote: whoever sends one again gets the answer it had.

use super::layers::time_text;
use super::sql::Doing;
use crate::store::StoreError;
use crate::store::commit::{CommitHead, FacilityOutcome, Once};
use sqlx::sqlite::SqliteConnection;

/// Names that are forgotten in one commit, so that none takes long.
const FORGOTTEN: i64 = 100;

/// The answer that a write of this name had.
pub(super) async fn kept(
    conn: &mut SqliteConnection,
    head: &CommitHead,
    once: &Once,
) -> Result<Option<FacilityOutcome>, StoreError> {
    let found: Option<(i64, String)> =
        sqlx::query_as("SELECT request, answer FROM answers WHERE actor = ? AND key = ? AND at > ?")
            .bind(&head.actor)
            .bind(&once.key)
            .bind(time_text(head.at - Once::KEPT))
            .fetch_optional(conn)
            .await
            .doing("looking for an earlier answer")?;
    let Some((request, answer)) = found else { return Ok(None) };
    if request.cast_unsigned() != once.request {
        return Err(StoreError::KeyReused(once.key.clone()));
    }
    let outcome: FacilityOutcome =
        serde_json::from_str(&answer).map_err(|error| StoreError::Corrupt(format!("the answer {:?}: {error}", once.key)))?;
    Ok(Some(FacilityOutcome { repeated: true, ..outcome }))
}

/// Keeps the answer to a write, and forgets some that are too old.
pub(super) async fn keep(
    conn: &mut SqliteConnection,
    head: &CommitHead,
    once: &Once,
    outcome: &FacilityOutcome,
) -> Result<(), StoreError> {
    let doing = "keeping an answer";
    sqlx::query("DELETE FROM answers WHERE (actor, key) IN (SELECT actor, key FROM answers WHERE at <= ? ORDER BY at LIMIT ?)")
        .bind(time_text(head.at - Once::KEPT))
        .bind(FORGOTTEN)
        .execute(&mut *conn)
        .await
        .doing(doing)?;
    sqlx::query("INSERT OR REPLACE INTO answers (actor, key, request, at, answer) VALUES (?, ?, ?, ?, ?)")
        .bind(&head.actor)
        .bind(&once.key)
        .bind(once.request.cast_signed())
        .bind(time_text(head.at))
        .bind(serde_json::to_string(outcome).map_err(|error| StoreError::Invalid(error.to_string()))?)
        .execute(conn)
        .await
        .doing(doing)
        .map(drop)
}
