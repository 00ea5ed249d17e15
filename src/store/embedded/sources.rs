//! What is known of sources and sinks. The server that has the file is the only one that looks at them.

use super::sql::Doing;
use super::{EmbeddedStore, begin, commit, on_own_task};
use crate::store::StoreError;
use serde_json::Value;

/// Tables of a file, as they are made in a new one and in an old one.
pub(super) const TABLES: &str = "CREATE TABLE sources (id TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;";

/// Their names.
pub(super) const NAMES: [&str; 1] = ["sources"];

fn read(text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("the state of a source: {error}")))
}

impl EmbeddedStore {
    pub(in crate::store) async fn source_states(&self) -> Result<Vec<(String, Value)>, StoreError> {
        let sql = "SELECT id, state FROM sources ORDER BY id";
        let rows: Vec<(String, String)> =
            sqlx::query_as(sql).fetch_all(&mut *self.reader().await?).await.doing("reading the states of sources")?;
        rows.into_iter().map(|(id, state)| Ok((id, read(&state)?))).collect()
    }

    pub(in crate::store) async fn source_take(&self, id: String) -> Result<Option<Value>, StoreError> {
        self.writable()?;
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM sources WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *self.reader().await?)
            .await
            .doing("reading the state of a source")?;
        state.map_or(Ok(Some(Value::Null)), |state| read(&state).map(Some))
    }

    pub(in crate::store) async fn source_note(&self, id: String, state: Value) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            sqlx::query("INSERT OR REPLACE INTO sources VALUES (?, ?)")
                .bind(id)
                .bind(state.to_string())
                .execute(&mut *tx)
                .await
                .doing("noting the state of a source")?;
            commit(tx).await
        })
        .await
    }
}
