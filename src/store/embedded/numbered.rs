//! Facilities, cases, addresses, organizations and buildings: rows with a number that count their versions.

use super::bulk::Bulk;
use super::layers::{FACILITIES, Written};
use super::log;
use super::rebuild::external_keys;
use super::sql::{Doing, Value, Values, id_list, write_rows, write_rows_returning};
use super::{EmbeddedStore, answers, before, begin, commit, on_own_task, rtree};
use crate::domain::address::AddressRecord;
use crate::domain::building::BuildingRecord;
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{FacilityId, ImportId, Version};
use crate::domain::organization::OrganizationRecord;
use crate::store::StoreError;
use crate::store::commit::{
    CaseCommit, CommitHead, Committed, FacilityCommit, FacilityOutcome, FacilityWrite, ImportRecord, LogKind, OnStale, Once,
    RowCommit,
};
use crate::store::rows::{Counted, Entry, changed, each_once};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet};

/// More rows than this are written beside the table in use.
pub(super) const FEW: usize = 2000;

/// Rows on their way in, sorted out against what is stored.
pub(super) struct Sorted<R> {
    /// To be written: with ids, versions and the import that writes them.
    pub(super) rows: Vec<R>,
    /// How many of them are new.
    pub(super) new: usize,
}

/// The stored versions of some rows.
pub(super) async fn versions(conn: &mut SqliteConnection, table: &str, ids: &[i64]) -> Result<HashMap<i64, Version>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("SELECT fid, version FROM \"{table}\" WHERE fid IN (SELECT value FROM json_each(?))");
    let rows: Vec<(i64, u32)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(id_list(ids.iter().copied())).fetch_all(conn).await.doing("reading versions")?;
    Ok(rows.into_iter().map(|(id, version)| (id, Version(version))).collect())
}

/// The stored version of a facility; 0: there is none.
async fn version_of(conn: &mut SqliteConnection, id: FacilityId) -> Result<Version, StoreError> {
    Ok(versions(conn, FACILITIES.name, &[id.0]).await?.get(&id.0).copied().unwrap_or_default())
}

/// Gives new rows their numbers and leaves out rows that changed meanwhile, or refuses them.
pub(super) async fn sort_out<R: Written>(
    conn: &mut SqliteConnection,
    table: &str,
    rows: Vec<R>,
    on_stale: OnStale,
    import: Option<ImportId>,
    counted: &mut Counted,
) -> Result<Sorted<R>, StoreError> {
    let known: Vec<i64> = rows.iter().map(R::id).filter(|id| *id != 0).collect();
    let new = rows.len() - known.len();
    let stored = versions(conn, table, &known).await?;
    let mut last = if new > 0 { log::sequence(conn, R::LAYER.name, new as i64).await? } else { 0 };
    let mut kept = Vec::with_capacity(rows.len());
    for mut row in rows {
        row.settle();
        if row.id() == 0 {
            last += 1;
            row.set_key(last, Version(1));
        } else {
            let current = stored.get(&row.id()).copied().unwrap_or_default();
            if current.0 == 0 || (row.version().0 != 0 && row.version() != current) {
                if on_stale == OnStale::Refuse {
                    return Err(changed::<R>(row.id(), row.version(), current));
                }
                counted.ids.push(row.id());
                counted.stale.push(row.id());
                continue;
            }
        }
        counted.ids.push(row.id());
        row.stamp(import);
        kept.push(row);
    }
    Ok(Sorted { rows: kept, new })
}

/// All values of rows.
pub(super) fn values_of<R: Written>(rows: &[R]) -> Values {
    let mut values = Values(Vec::with_capacity(rows.len() * R::LAYER.width()));
    for row in rows {
        row.row(&mut values);
    }
    values
}

/// Entries of the R-tree.
pub(super) fn places_of<R: Written>(rows: &[R]) -> Vec<rtree::Entry> {
    rows.iter().filter_map(|row| row.place().map(|bounds| rtree::Entry::new(row.id(), bounds))).collect()
}

/// A commit of few rows: one transaction.
pub(super) async fn write_few<R: Written>(
    store: &EmbeddedStore,
    kind: LogKind,
    head: CommitHead,
    rows: Vec<R>,
    removed: Vec<i64>,
    import: Option<ImportRecord>,
) -> Result<Committed, StoreError> {
    let mut conn = store.writer().await?;
    let mut tx = begin(&mut conn).await?;
    log::current_checked(&mut tx, &head).await?;
    let import = log::import(&mut tx, import, &head.actor, None).await?;
    let (counted, _) = few(store, &mut tx, rows, removed, head.on_stale, import).await?;
    let committed = log::append(&mut tx, Entry::of(kind, &head, import), counted).await?;
    commit(tx).await?;
    Ok(committed)
}

/// Writes few rows within a transaction; answers what was done and the rows as they are stored now.
pub(super) async fn few<R: Written>(
    store: &EmbeddedStore,
    tx: &mut SqliteConnection,
    rows: Vec<R>,
    removed: Vec<i64>,
    on_stale: OnStale,
    import: Option<ImportId>,
) -> Result<(Counted, Vec<R>), StoreError> {
    each_once(R::WHAT, rows.iter().map(R::id).filter(|id| *id != 0).chain(removed.iter().copied()))?;
    let name = R::LAYER.name;
    let externals = name == FACILITIES.name;
    let mut counted = Counted::default();
    let known: HashSet<i64> = rows.iter().map(R::id).filter(|id| *id != 0).collect();
    let sorted = sort_out(tx, name, rows, on_stale, import, &mut counted).await?;
    let rows = sorted.rows;
    if let Some(import) = import {
        before::keep(tx, R::LAYER, import, known.iter().copied().collect()).await?;
    }
    let names_before = if externals {
        external_keys(tx, name, &id_list(rows.iter().map(R::id).chain(removed.iter().copied()))).await?
    } else {
        Vec::new()
    };
    let replace = format!("{} RETURNING fid", R::LAYER.replace(name, "fid"));
    let insert = R::LAYER.insert(name);
    let written: HashSet<i64> = write_rows_returning(tx, (&insert, &replace), R::LAYER.width(), values_of(&rows), "writing rows")
        .await?
        .into_iter()
        .collect();
    counted.new = sorted.new as u64;
    counted.changed = (written.len() - sorted.new) as u64;
    counted.same = (rows.len() - written.len()) as u64;

    if let Some(import) = import {
        before::forget(tx, R::LAYER, import, known.difference(&written).copied().collect()).await?;
        let mut added = before::Ranges::default();
        rows.iter().map(R::id).filter(|id| !known.contains(id)).for_each(|id| added.add(id));
        before::note_added(tx, import, &added).await?;
    }

    let gone: Vec<i64> = {
        let sql = format!("DELETE FROM \"{name}\" WHERE fid IN (SELECT value FROM json_each(?)) RETURNING fid");
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(id_list(removed)).fetch_all(&mut *tx).await.doing("removing rows")?
    };
    counted.removed = gone.len() as u64;

    let places: Vec<rtree::Entry> = places_of(&rows).into_iter().filter(|entry| written.contains(&entry.id)).collect();
    let placeless = rows.iter().filter(|row| row.place().is_none()).map(R::id).chain(gone.iter().copied());
    rtree::remove(tx, R::LAYER, placeless).await?;
    rtree::put(tx, R::LAYER, &places).await?;
    if externals {
        for (fid, key) in names_before.into_iter().filter(|(fid, _)| written.contains(fid) || gone.contains(fid)) {
            sqlx::query("DELETE FROM facility_external WHERE key = ? AND fid = ?")
                .bind(key)
                .bind(fid)
                .execute(&mut *tx)
                .await
                .doing("removing names in other systems")?;
        }
        let names = rows.iter().filter(|row| written.contains(&row.id()));
        let names = names.flat_map(|row| row.external().into_iter().flat_map(|key| [Value::Int(key), Value::Int(row.id())]));
        write_rows(
            tx,
            ("INSERT OR IGNORE INTO facility_external", ""),
            2,
            Values(names.collect()),
            "writing names in other systems",
        )
        .await?;
    }
    if let Some(touched) = store.touched().get_mut(name) {
        touched.extend(written.iter().chain(&gone));
    }
    Ok((counted, rows))
}

/// The profile that holds when the commit is done.
async fn profile(store: &EmbeddedStore, head: &CommitHead) -> Result<CodeProfile, StoreError> {
    match &head.settings {
        Some(settings) => Ok(settings.profile.clone()),
        None => store.meta().await.map(|meta| meta.profile),
    }
}

/// Categories must be in the profile: rows in memory refer to them by position.
pub(super) async fn check_categories<'a>(
    store: &EmbeddedStore,
    head: &CommitHead,
    codes: impl Iterator<Item = &'a str>,
    known: &mut HashSet<String>,
) -> Result<(), StoreError> {
    if known.is_empty() {
        let profile = profile(store, head).await?;
        let components = profile.categories.into_iter().filter(|category| category.kind == CategoryKind::Component);
        known.extend(components.map(|category| category.code));
    }
    for code in codes {
        if !known.contains(code) {
            let name = profile(store, head).await?.name;
            return Err(StoreError::Invalid(format!("the profile {name:?} has no component category {code}")));
        }
    }
    Ok(())
}

impl EmbeddedStore {
    pub(in crate::store) async fn facilities_commit(&self, commit: FacilityCommit) -> Result<Committed, StoreError> {
        self.writable()?;
        let store = self.clone();
        let FacilityCommit { head, rows, removed, import } = commit;
        let removed: Vec<i64> = removed.into_iter().map(|id| id.0).collect();
        on_own_task(async move {
            check_categories(&store, &head, rows.iter().map(|row| row.category.as_str()), &mut HashSet::new()).await?;
            store.rows_commit(LogKind::Facilities, head, rows, removed, import).await
        })
        .await
    }

    pub(in crate::store) async fn cases_commit(&self, commit: CaseCommit) -> Result<Committed, StoreError> {
        let CaseCommit { head, rows, removed, import } = commit;
        let removed = removed.into_iter().map(|id| id.0).collect();
        self.rows_written(LogKind::Cases, RowCommit { head, rows, removed, import }).await
    }

    pub(in crate::store) async fn addresses_commit(&self, commit: RowCommit<AddressRecord>) -> Result<Committed, StoreError> {
        self.rows_written(LogKind::Addresses, commit).await
    }

    pub(in crate::store) async fn organizations_commit(
        &self,
        commit: RowCommit<OrganizationRecord>,
    ) -> Result<Committed, StoreError> {
        self.rows_written(LogKind::Organizations, commit).await
    }

    pub(in crate::store) async fn buildings_commit(&self, commit: RowCommit<BuildingRecord>) -> Result<Committed, StoreError> {
        self.rows_written(LogKind::Buildings, commit).await
    }

    async fn rows_written<R: Written>(&self, kind: LogKind, commit: RowCommit<R>) -> Result<Committed, StoreError> {
        self.writable()?;
        let store = self.clone();
        let RowCommit { head, rows, removed, import } = commit;
        on_own_task(async move { store.rows_commit(kind, head, rows, removed, import).await }).await
    }

    pub(in crate::store) async fn facility_write(
        &self,
        head: CommitHead,
        write: FacilityWrite,
        once: Option<Once>,
    ) -> Result<FacilityOutcome, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            if let FacilityWrite::Put(row) = &write {
                check_categories(&store, &head, [row.category.as_str()].into_iter(), &mut HashSet::new()).await?;
            }
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            if let Some(once) = &once
                && let Some(outcome) = answers::kept(&mut tx, &head, once).await?
            {
                return Ok(outcome);
            }
            log::current_checked(&mut tx, &head).await?;
            let (rows, removed) = match write {
                FacilityWrite::Put(row) => (vec![*row], vec![]),
                FacilityWrite::Remove(id, version) => {
                    let current = version_of(&mut tx, id).await?;
                    if current != version {
                        return Err(changed::<FacilityRecord>(id.0, version, current));
                    }
                    (vec![], vec![id.0])
                }
            };
            let (counted, mut rows) = few(&store, &mut tx, rows, removed, head.on_stale, None).await?;
            if let Some(row) = rows.last_mut() {
                row.version = version_of(&mut tx, row.id).await?;
            }
            let written = counted.differs();
            let revision = log::append(&mut tx, Entry::of(LogKind::Facilities, &head, None), counted).await?.revision;
            let outcome = FacilityOutcome { revision, row: rows.pop(), written, repeated: false };
            if let Some(once) = &once {
                answers::keep(&mut tx, &head, once, &outcome).await?;
            }
            commit(tx).await?;
            Ok(outcome)
        })
        .await
    }

    pub(in crate::store) async fn facility_outcome(
        &self,
        head: &CommitHead,
        once: &Once,
    ) -> Result<Option<FacilityOutcome>, StoreError> {
        answers::kept(&mut *self.reader().await?, head, once).await
    }

    async fn rows_commit<R: Written>(
        &self,
        kind: LogKind,
        head: CommitHead,
        rows: Vec<R>,
        removed: Vec<i64>,
        import: Option<ImportRecord>,
    ) -> Result<Committed, StoreError> {
        if rows.len() + removed.len() <= FEW {
            return write_few(self, kind, head, rows, removed, import).await;
        }
        let mut bulk: Bulk<R> = Bulk::begin(self, kind, head, import.is_some()).await?;
        let work = async {
            bulk.push(rows).await?;
            bulk.remove(removed).await?;
            bulk.finish(import).await
        };
        let result = work.await;
        bulk.end();
        result
    }
}
