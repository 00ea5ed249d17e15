//! Imports that are announced, and that can be taken back: rows as they were before one changed them stand in a table of its own,
//! `<layer>_before_<import>`; the keys of those it added stand as ranges beside it. Of the last [`ImportRecord::UNDOABLE`] imports they
//! are kept.

use super::layers::{ADDRESSES, BUILDINGS, CASES, FACILITIES, Layer, ORGANIZATIONS, Stored, time_text};
use super::log;
use super::sql::{Doing, id_list, run};
use super::{EmbeddedStore, answers, begin, commit, on_own_task};
use crate::domain::address::AddressRecord;
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{CaseId, FacilityId, ImportId, Version};
use crate::domain::organization::OrganizationRecord;
use crate::domain::staff::StaffRecord;
use crate::store::StoreError;
use crate::store::commit::{Begun, ImportRecord, LogKind, Once};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;

/// Numbers as closed ranges, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    pub(super) fn add(&mut self, id: i64) {
        match self.0.last_mut() {
            Some((_, last)) if *last + 1 == id => *last = id,
            _ => self.0.push((id, id)),
        }
    }
}

pub(super) fn table(layer: &Layer, import: ImportId) -> String {
    format!("{}_before_{import}", layer.name)
}

/// Makes the table where rows are kept as they were before an import, unless it is there.
pub(super) async fn create(conn: &mut SqliteConnection, layer: &Layer, import: ImportId) -> Result<(), StoreError> {
    let kept = table(layer, import);
    let columns: String = layer.content.iter().chain(layer.tail).map(|(name, kind)| format!(", \"{name}\" {kind}")).collect();
    let sql = format!("CREATE TABLE IF NOT EXISTS \"{kept}\" (\"fid\" INTEGER PRIMARY KEY NOT NULL{columns})");
    run(conn, sql, "making a table").await.map(drop)
}

/// Keeps rows as they are stored now; those that are kept already stay as they are.
pub(super) async fn keep(conn: &mut SqliteConnection, layer: &Layer, import: ImportId, ids: Vec<i64>) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let (kept, name, list) = (table(layer, import), layer.name, layer.list());
    create(conn, layer, import).await?;
    let sql = format!(
        "INSERT OR IGNORE INTO \"{kept}\" ({list}) SELECT {list} FROM \"{name}\" WHERE fid IN (SELECT value FROM json_each(?))"
    );
    sqlx::query(AssertSqlSafe(sql)).bind(id_list(ids)).execute(conn).await.doing("keeping rows as they were").map(drop)
}

/// Rows that the import left alone after all.
pub(super) async fn forget(
    conn: &mut SqliteConnection,
    layer: &Layer,
    import: ImportId,
    ids: Vec<i64>,
) -> Result<(), StoreError> {
    let kept = table(layer, import);
    if ids.is_empty() || !exists(conn, &kept).await? {
        return Ok(());
    }
    let sql = format!("DELETE FROM \"{kept}\" WHERE fid IN (SELECT value FROM json_each(?))");
    sqlx::query(AssertSqlSafe(sql)).bind(id_list(ids)).execute(conn).await.doing("keeping rows as they were").map(drop)
}

/// Notes which rows an import added. Its record is there.
pub(super) async fn note_added(conn: &mut SqliteConnection, import: ImportId, added: &Ranges) -> Result<(), StoreError> {
    let text = serde_json::to_string(&added.0).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let sql = "UPDATE imports SET added = ? WHERE id = ?";
    sqlx::query(sql).bind(text).bind(import.0).execute(conn).await.doing("keeping the import").map(drop)
}

pub(super) async fn exists(conn: &mut SqliteConnection, table: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = ?")
        .bind(table)
        .fetch_one(conn)
        .await
        .doing("looking for rows of before")
}

/// Where rows with a number are.
fn layer_of(kind: LogKind) -> Option<&'static Layer> {
    match kind {
        LogKind::Facilities => Some(&FACILITIES),
        LogKind::Cases => Some(&CASES),
        LogKind::Addresses => Some(&ADDRESSES),
        LogKind::Organizations => Some(&ORGANIZATIONS),
        LogKind::Buildings => Some(&BUILDINGS),
        _ => None,
    }
}

/// Whoever has the file from now on did not begin what stands there unfinished.
pub(super) async fn interrupt(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut tx = begin(conn).await?;
    let sql = "UPDATE imports SET state = 'interrupted' WHERE state IN ('queued', 'running')";
    run(&mut tx, sql.to_owned(), "noting imports that were interrupted").await?;
    commit(tx).await
}

impl EmbeddedStore {
    pub(in crate::store) async fn import_begin(
        &self,
        record: ImportRecord,
        actor: &str,
        once: Option<Once>,
    ) -> Result<Begun, StoreError> {
        self.writable()?;
        let (store, actor) = (self.clone(), actor.to_owned());
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            let at = record.at;
            if let Some(once) = &once
                && let Some(id) = answers::kept_import(&mut tx, &actor, at, once).await?
            {
                return Ok(Begun { id, repeated: true });
            }
            let id = log::import(&mut tx, Some(record), &actor, None).await?.ok_or(StoreError::GivenUp)?;
            if let Some(once) = &once {
                answers::keep_import(&mut tx, &actor, at, once, id).await?;
            }
            commit(tx).await?;
            Ok(Begun { id, repeated: false })
        })
        .await
    }

    pub(in crate::store) async fn import_note(&self, record: ImportRecord) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            let sql = "UPDATE imports SET file = ?, crs = ?, at = ?, report = ?, state = ?, revision = ifnull(?, revision),
                before = ifnull(?, before) WHERE id = ?";
            sqlx::query(sql)
                .bind(record.file)
                .bind(record.crs)
                .bind(time_text(record.at))
                .bind(record.report.to_string())
                .bind(record.state.as_str())
                .bind(record.revision.map(|revision| revision.0.cast_signed()))
                .bind((!record.before.is_null()).then(|| record.before.to_string()))
                .bind(record.id.0)
                .execute(&mut *tx)
                .await
                .doing("noting an import")?;
            commit(tx).await
        })
        .await
    }

    pub(in crate::store) async fn import_rows(&self, kind: LogKind, id: ImportId) -> Result<HashMap<i64, Version>, StoreError> {
        let Some(layer) = layer_of(kind) else { return Ok(HashMap::new()) };
        let sql = format!("SELECT fid, version FROM \"{}\" WHERE import_id = ?", layer.name);
        let mut conn = self.reader().await?;
        let rows: Vec<(i64, u32)> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.0).fetch_all(&mut *conn).await.doing("looking for rows of an import")?;
        Ok(rows.into_iter().map(|(id, version)| (id, Version(version))).collect())
    }

    pub(in crate::store) async fn import_added(&self, id: ImportId) -> Result<Vec<(i64, i64)>, StoreError> {
        let text: Option<String> = sqlx::query_scalar("SELECT added FROM imports WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&mut *self.reader().await?)
            .await
            .doing("reading an import")?;
        let Some(text) = text else { return Ok(Vec::new()) };
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("rows of import {id}: {error}")))
    }

    pub(in crate::store) async fn import_before_facilities(
        &self,
        id: ImportId,
        after: FacilityId,
        limit: usize,
    ) -> Result<Vec<FacilityRecord>, StoreError> {
        self.import_before(id, after.0, limit).await
    }

    pub(in crate::store) async fn import_before_cases(
        &self,
        id: ImportId,
        after: CaseId,
        limit: usize,
    ) -> Result<Vec<CaseRecord>, StoreError> {
        self.import_before(id, after.0, limit).await
    }

    pub(in crate::store) async fn import_before_addresses(&self, id: ImportId) -> Result<Vec<AddressRecord>, StoreError> {
        self.import_before(id, i64::MIN, usize::MAX).await
    }

    pub(in crate::store) async fn import_before_organizations(
        &self,
        id: ImportId,
    ) -> Result<Vec<OrganizationRecord>, StoreError> {
        self.import_before(id, i64::MIN, usize::MAX).await
    }

    pub(in crate::store) async fn import_before_buildings(&self, id: ImportId) -> Result<Vec<BuildingRecord>, StoreError> {
        self.import_before(id, i64::MIN, usize::MAX).await
    }

    pub(in crate::store) async fn import_before_staff(&self, id: ImportId) -> Result<Vec<StaffRecord>, StoreError> {
        self.import_before(id, i64::MIN, usize::MAX).await
    }

    /// Rows as they were before an import changed them: the first `limit` after a key.
    async fn import_before<R: Stored>(&self, id: ImportId, after: i64, limit: usize) -> Result<Vec<R>, StoreError> {
        let mut conn = self.reader().await?;
        let kept = table(R::LAYER, id);
        if !exists(&mut conn, &kept).await? {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {} FROM \"{kept}\" WHERE fid > ? ORDER BY fid LIMIT ?", R::LAYER.list());
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *conn)
            .await
            .doing("reading rows of before")?;
        rows.iter().map(R::from_row).collect()
    }
}
