//! What is known of sources and sinks, and which server looks at one of them just now: whoever has taken it keeps it until it notes what it
//! found, or is not heard of any more.

use super::imports::GONE;
use super::sql::{bound, get};
use super::{PostgisStore, on_own_task};
use crate::store::StoreError;
use serde_json::Value;

fn read(text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("the state of a source: {error}")))
}

impl PostgisStore {
    pub(in crate::store) async fn source_states(&self) -> Result<Vec<(String, Value)>, StoreError> {
        let mut tx = self.begin_following(&self.shared.begin.read).await?;
        let sql = "SELECT id, state FROM sources ORDER BY id COLLATE \"C\"";
        let rows = tx.rows(sql, bound![], "reading the states of sources").await?;
        rows.iter().map(|row| Ok((get(row, 0)?, read(get::<&str>(row, 1)?)?))).collect()
    }

    pub(in crate::store) async fn source_take(&self, id: String) -> Result<Option<Value>, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            let own = store.shared.server.as_str();
            // Others have to see that this server lives, however short a time it does.
            let sql = "INSERT INTO servers VALUES ($1, $2, now(), now(), 0) ON CONFLICT DO NOTHING";
            tx.execute(sql, bound![own, env!("CARGO_PKG_VERSION")], "saying that this server lives").await?;
            // One after the other, and only then a look at who is there: a server that took it just now has said so in the same transaction.
            let sql = "INSERT INTO sources (id, state) VALUES ($1, 'null') ON CONFLICT DO NOTHING";
            tx.execute(sql, bound![id.as_str()], "taking a source").await?;
            tx.row("SELECT id FROM sources WHERE id = $1 FOR UPDATE", bound![id.as_str()], "taking a source").await?;
            let sql = format!(
                "UPDATE sources SET taken_by = $2 WHERE id = $1 AND (taken_by IS NULL OR taken_by = $2
                   OR NOT EXISTS (SELECT FROM servers s WHERE s.id = taken_by AND s.seen_at > now() - interval '{GONE}'))
                 RETURNING state"
            );
            let row = tx.row(sql, bound![id, own], "taking a source").await?;
            tx.commit().await?;
            row.map(|row| read(get::<&str>(&row, 0)?)).transpose()
        })
        .await
    }

    pub(in crate::store) async fn source_note(&self, id: String, state: Value) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            // Who was not heard of for long, and lost it to another, has nothing to say about it any more.
            let sql = "INSERT INTO sources (id, state) VALUES ($1, $2)
                ON CONFLICT (id) DO UPDATE SET state = excluded.state, taken_by = NULL
                WHERE sources.taken_by IS NULL OR sources.taken_by = $3";
            let own = store.shared.server.as_str();
            tx.execute(sql, bound![id, state.to_string(), own], "noting the state of a source").await?;
            tx.commit().await
        })
        .await
    }
}
