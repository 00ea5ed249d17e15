//! Imports that are announced, and that can be taken back: rows as they were before one changed them stand in `<layer>_before`, the keys
//! of those it added as ranges in its own row. Of the last [`ImportRecord::UNDOABLE`] imports they are kept.

use super::log::{self, Kept};
use super::schema::{NUMBERED, before_name};
use super::sql::{Tx, bound, get, instant, record_list};
use super::{PostgisStore, on_own_task};
use crate::domain::address::AddressRecord;
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{CaseId, FacilityId, ImportId, Revision, Version};
use crate::domain::organization::OrganizationRecord;
use crate::domain::staff::StaffRecord;
use crate::store::StoreError;
use crate::store::commit::{Begun, ImportRecord, ImportState, LogKind, Once};
use crate::store::layers::{ADDRESSES, BUILDINGS, CASES, FACILITIES, Layer, ORGANIZATIONS, STAFF, Stored, time_text};
use crate::store::values::Fields;
use sqlx::postgres::PgRow;
use std::collections::HashMap;

/// Where imports get their numbers.
pub(super) const SEQUENCE: &str = "imports";

/// How long a server may be silent before it counts as gone.
pub(super) const GONE: &str = "30 s";

async fn interrupt(tx: &mut Tx) -> Result<(), StoreError> {
    // One that is about to be committed is held by its commit.
    let sql =
        "UPDATE imports SET state = 'interrupted' WHERE id IN (SELECT id FROM imports i WHERE state IN ('queued', 'running')
        AND NOT EXISTS (SELECT FROM servers WHERE servers.id = i.server) ORDER BY id FOR UPDATE SKIP LOCKED)";
    tx.execute(sql, bound![], "noting imports that were interrupted").await.map(drop)
}

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

/// Keeps an import under the number it was announced with, a reserved one, or a new one.
pub(super) async fn keep(
    tx: &mut Tx,
    import: Option<ImportRecord>,
    actor: &str,
    reserved: Option<ImportId>,
) -> Result<Option<ImportId>, StoreError> {
    let Some(import) = import else { return Ok(None) };
    let announced = Some(import.id).filter(|id| id.0 != 0);
    let id = match announced.or(reserved) {
        Some(id) => id,
        None => ImportId(log::sequence(tx, SEQUENCE, 1).await? + 1),
    };
    let sql = "INSERT INTO imports (id, kind, file, crs, source, at, actor, report, state, before)
        VALUES ($1, $2, $3, $4, $5, $6::timestamptz, $7, $8, $9, $10)
        ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, file = excluded.file, crs = excluded.crs, source = excluded.source,
          at = excluded.at, actor = excluded.actor, report = excluded.report, state = excluded.state, before = excluded.before,
          revision = NULL, undone = NULL, added = '[]'";
    let arguments = bound![
        id.0,
        import.kind,
        import.file,
        import.crs,
        import.source,
        time_text(import.at),
        actor,
        import.report.to_string(),
        import.state.as_str(),
        import.before.to_string(),
    ];
    tx.execute(sql, arguments, "keeping the import").await?;
    Ok(Some(id))
}

/// Notes which rows an import added. Its record is there.
pub(super) async fn note_added(tx: &mut Tx, import: ImportId, added: &Ranges) -> Result<(), StoreError> {
    let text = serde_json::to_string(&added.0).map_err(|error| StoreError::Invalid(error.to_string()))?;
    tx.execute("UPDATE imports SET added = $1 WHERE id = $2", bound![text, import.0], "keeping the import").await.map(drop)
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

fn record(row: &PgRow) -> Result<ImportRecord, StoreError> {
    let mut f = Fields::of_pg(row);
    Ok(ImportRecord {
        id: ImportId(f.take()?),
        kind: f.take()?,
        file: f.take()?,
        crs: f.take()?,
        source: f.take()?,
        at: f.parsed()?,
        state: {
            let word: &str = f.take()?;
            ImportState::named(word).ok_or_else(|| StoreError::Corrupt(format!("an import is {word:?}")))?
        },
        revision: f.opt_number()?.map(Revision),
        undone: f.opt_number()?.map(Revision),
        report: f.parsed()?,
        before: f.parsed()?,
    })
}

fn record_columns() -> String {
    format!("SELECT id, kind, file, crs, source, {}, state, revision, undone", instant("at"))
}

impl PostgisStore {
    /// Says that this server lives and how far it is. What stands unfinished of servers that have not said so for [`GONE`] was interrupted.
    pub(in crate::store) async fn here(&self, revision: Revision) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.begin_following(&store.shared.begin.write).await?;
            let own = store.shared.server.as_str();
            // Whoever was not heard of for long itself knows nothing of others: the database was away for all of them.
            let sql = format!("SELECT EXISTS (SELECT FROM servers WHERE id = $1 AND seen_at > now() - interval '{GONE}' / 2)");
            let knows: bool = tx.value(sql, bound![own], "asking when this server was heard of").await?;
            let sql = "INSERT INTO servers VALUES ($1, $2, now(), now(), $3)
                ON CONFLICT (id) DO UPDATE SET seen_at = now(), revision = excluded.revision";
            let arguments = bound![own, env!("CARGO_PKG_VERSION"), revision.0.cast_signed()];
            tx.execute(sql, arguments, "saying that this server lives").await?;
            tx.commit().await?;
            if knows && let Err(error) = store.forget_servers().await {
                tracing::debug!(%error, "servers that are gone are still listed");
            }
            Ok(())
        })
        .await
    }

    async fn forget_servers(&self) -> Result<(), StoreError> {
        let mut tx = self.begin_following(&self.shared.begin.write).await?;
        let sql = format!(
            "DELETE FROM servers WHERE id IN (SELECT id FROM servers WHERE seen_at < now() - interval '{GONE}' ORDER BY id FOR UPDATE SKIP LOCKED)"
        );
        tx.execute(sql, bound![], "forgetting servers that are gone").await?;
        interrupt(&mut tx).await?;
        tx.commit().await
    }

    /// This server ends.
    pub(super) async fn gone(&self) -> Result<(), StoreError> {
        let mut tx = self.writer().await?;
        let sql = "DELETE FROM servers WHERE id = $1";
        tx.execute(sql, bound![self.shared.server.as_str()], "saying that this server ends").await?;
        tx.commit().await
    }

    /// Those of servers that are gone.
    pub(super) async fn interrupt(&self) -> Result<(), StoreError> {
        let mut tx = self.writer().await?;
        interrupt(&mut tx).await?;
        tx.commit().await
    }

    pub(in crate::store) async fn imports(&self) -> Result<Vec<ImportRecord>, StoreError> {
        let sql = format!("{}, report, 'null' FROM imports ORDER BY id", record_columns());
        let mut listed = Vec::new();
        let mut tx = self.reader().await?;
        tx.each(sql, bound![], "reading the imports", |row| {
            let import = record(row)?;
            let report = match import.report.get("status") {
                Some(status) => serde_json::json!({ "status": status }),
                None => serde_json::Value::Null,
            };
            listed.push(ImportRecord { report, ..import });
            Ok(())
        })
        .await?;
        Ok(listed)
    }

    pub(in crate::store) async fn import_report(&self, id: ImportId) -> Result<Option<ImportRecord>, StoreError> {
        let sql = format!("{}, report, before FROM imports WHERE id = $1", record_columns());
        self.reader().await?.row(sql, bound![id.0], "reading an import").await?.as_ref().map(record).transpose()
    }

    pub(in crate::store) async fn import_begin(
        &self,
        record: ImportRecord,
        actor: &str,
        once: Option<Once>,
    ) -> Result<Begun, StoreError> {
        self.writable()?;
        let (store, actor) = (self.clone(), actor.to_owned());
        on_own_task(async move {
            let mut tx = store.writer().await?;
            let at = record.at;
            if let Some(once) = &once {
                store.lock_named(&mut tx, [&actor, &once.key], false, "waiting for a write of the same name").await?;
                if let Some((answer, _)) = log::answer_found(&mut tx, &actor, at, once).await? {
                    let id = answer.parse().map_err(|_| StoreError::KeyReused(once.key.clone()))?;
                    return Ok(Begun { id: ImportId(id), repeated: true });
                }
            }
            let id = keep(&mut tx, Some(record), &actor, None).await?.ok_or(StoreError::GivenUp)?;
            let sql = "UPDATE imports SET server = $1 WHERE id = $2";
            tx.execute(sql, bound![store.shared.server.as_str(), id.0], "keeping the import").await?;
            if let Some(once) = &once {
                let kept = Kept { actor: &actor, at, once, answer: id.0.to_string() };
                log::answer_keep(&mut tx, &kept, Revision(0)).await?;
            }
            tx.commit().await?;
            if once.is_some() {
                store.answers_forget(at).await;
            }
            Ok(Begun { id, repeated: false })
        })
        .await
    }

    pub(in crate::store) async fn import_note(&self, record: ImportRecord) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            let sql = "UPDATE imports SET file = $1, crs = $2, at = $3::timestamptz, report = $4, state = $5,
                revision = coalesce($6, revision), before = coalesce($7, before) WHERE id = $8";
            let arguments = bound![
                record.file,
                record.crs,
                time_text(record.at),
                record.report.to_string(),
                record.state.as_str(),
                record.revision.map(|revision| revision.0.cast_signed()),
                (!record.before.is_null()).then(|| record.before.to_string()),
                record.id.0,
            ];
            tx.execute(sql, arguments, "noting an import").await?;
            tx.commit().await
        })
        .await
    }

    pub(in crate::store) async fn import_rows(&self, kind: LogKind, id: ImportId) -> Result<HashMap<i64, Version>, StoreError> {
        let Some(layer) = layer_of(kind) else { return Ok(HashMap::new()) };
        let sql = format!("SELECT fid, version FROM {} WHERE import_id = $1", layer.name);
        let mut rows = HashMap::new();
        let mut tx = self.whole().await?;
        tx.each(sql, bound![id.0], "looking for rows of an import", |row| {
            let mut f = Fields::of_pg(row);
            rows.insert(f.take()?, Version(f.number()?));
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    pub(in crate::store) async fn import_added(&self, id: ImportId) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql = "SELECT added FROM imports WHERE id = $1";
        let Some(row) = self.reader().await?.row(sql, bound![id.0], "reading an import").await? else { return Ok(Vec::new()) };
        let text: &str = get(&row, 0)?;
        serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("rows of import {id}: {error}")))
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
        let (list, name) = (record_list(R::LAYER), before_name(R::LAYER));
        let sql = format!("SELECT {list} FROM {name} WHERE import = $1 AND fid > $2 ORDER BY fid LIMIT $3");
        let arguments = bound![id.0, after, i64::try_from(limit).unwrap_or(i64::MAX)];
        let rows = self.reader().await?.rows(sql, arguments, "reading rows of before").await?;
        rows.iter().map(R::from_pg).collect()
    }

    /// Drops rows of before, of imports that can no longer be taken back.
    pub(in crate::store) async fn tidy(&self) -> Result<(), StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.large().await?;
            for layer in NUMBERED.into_iter().chain([&STAFF]) {
                let sql = format!(
                    "DELETE FROM {} WHERE import NOT IN (SELECT id FROM imports WHERE revision IS NOT NULL ORDER BY id DESC LIMIT $1)",
                    before_name(layer)
                );
                tx.execute(sql, bound![ImportRecord::UNDOABLE as i64], "dropping rows of before").await?;
            }
            tx.commit().await
        })
        .await
    }
}
