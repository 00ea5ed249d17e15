//! Facilities, cases, addresses, organizations and buildings: rows with a number that count their versions.

use super::imports::{self, Ranges};
use super::log::{self, Kept};
use super::schema::before_name;
use super::sql::{FID, Tx, arrays, bound, bound_arrays, columns, get, list};
use super::{PostgisStore, on_own_task};
use crate::domain::address::AddressRecord;
use crate::domain::building::BuildingRecord;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{FacilityId, ImportId, Revision, Version};
use crate::domain::organization::OrganizationRecord;
use crate::store::StoreError;
use crate::store::commit::{
    CaseCommit, CommitHead, Committed, FacilityCommit, FacilityOutcome, FacilityWrite, LogKind, OnStale, Once, RowCommit,
};
use crate::store::layers::{FACILITIES, Layer, Written};
use crate::store::rows::{Counted, Entry, changed, each_once, known_category};
use crate::store::values::{Value, Values};
use sqlx::postgres::PgArguments;
use std::collections::{HashMap, HashSet};

/// Rows of one statement.
const PORTION: usize = 2000;

/// The values of a whole row: `fid`, content, tail, and what this store adds.
pub(super) fn row_values<R: Written>(row: &R, values: &mut Values) {
    row.row(values);
    if R::LAYER.name == FACILITIES.name {
        let keys: Vec<String> = row.external().iter().map(i64::to_string).collect();
        values.0.push(if keys.is_empty() { Value::Null } else { Value::Text(format!("{{{}}}", keys.join(","))) });
    }
}

/// Rows as arrays, and how they stand in a statement.
pub(super) fn source_of<R: Written>(rows: &[R]) -> Result<(String, PgArguments), StoreError> {
    let columns = std::iter::once(FID).chain(columns(R::LAYER));
    let width = columns.clone().count();
    let mut values = Values(Vec::with_capacity(rows.len() * width));
    rows.iter().for_each(|row| row_values(row, &mut values));
    Ok((arrays(columns), bound_arrays(values, width)?))
}

/// Whether a row says something else than the stored one.
fn differs(layer: &Layer, key: &str, stored: &str, given: &str) -> String {
    let content = layer.content.iter().filter(|(name, _)| *name != key);
    let differ = content.map(|(name, _)| format!("{stored}.\"{name}\" IS DISTINCT FROM {given}.\"{name}\""));
    format!("({})", differ.collect::<Vec<_>>().join(" OR "))
}

/// `INSERT` of the rows of a source `s`, or their change where they say something else, answering the `fid` of what was written.
/// `key`: by what a row is known; `fields`: the columns that are given.
pub(super) fn upsert(layer: &Layer, key: &str, fields: &str, source: &str) -> String {
    let name = layer.name;
    let counts = layer.tail.iter().any(|(name, _)| *name == "version");
    let written = columns(layer).map(|(name, _)| name).filter(|name| *name != key && *name != "version");
    let mut set: Vec<String> = written.map(|name| format!("\"{name}\" = excluded.\"{name}\"")).collect();
    if counts {
        set.push(format!("\"version\" = {name}.\"version\" + 1"));
    }
    format!(
        "INSERT INTO {name} ({fields}) SELECT {fields} FROM {source} ON CONFLICT (\"{key}\") DO UPDATE SET {} WHERE {} RETURNING fid",
        set.join(", "),
        differs(layer, key, name, "excluded")
    )
}

/// Keeps rows as they are stored, which those of a source `s` will change. `import`: a parameter.
pub(super) fn keep_before(layer: &Layer, key: &str, import: &str, source: &str) -> String {
    format!(
        "INSERT INTO {} (import, {}) SELECT {import}::bigint, {} FROM {name} t JOIN {source} ON t.\"{key}\" = s.\"{key}\" WHERE {}
         ON CONFLICT DO NOTHING",
        before_name(layer),
        list(layer, ""),
        list(layer, "t."),
        differs(layer, key, "t", "s"),
        name = layer.name,
    )
}

/// The stored versions of some rows, which nobody else changes from here on. They are locked in the order of their numbers.
pub(super) async fn hold(tx: &mut Tx, layer: &Layer, ids: Vec<i64>) -> Result<HashMap<i64, Version>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("SELECT fid, version FROM {} WHERE fid = ANY($1) ORDER BY fid FOR UPDATE", layer.name);
    let mut held = HashMap::with_capacity(ids.len());
    tx.each(sql, bound![ids], "reading versions", |row| {
        let version: i64 = get(row, 1)?;
        held.insert(
            get(row, 0)?,
            Version(u32::try_from(version).map_err(|_| StoreError::Corrupt(format!("version {version}")))?),
        );
        Ok(())
    })
    .await?;
    Ok(held)
}

/// Removes rows, which are held.
pub(super) async fn remove(tx: &mut Tx, layer: &Layer, ids: Vec<i64>) -> Result<u64, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    tx.execute(format!("DELETE FROM {} WHERE fid = ANY($1)", layer.name), bound![ids], "removing rows").await
}

/// Whether the stored row is another one than the given one was made from.
pub(super) fn is_stale(base: Version, current: Version) -> bool {
    current.0 == 0 || (base.0 != 0 && base != current)
}

/// Writes rows; answers what was done and the rows that were to be written, as they are stored now.
async fn write<R: Written>(
    tx: &mut Tx,
    rows: Vec<R>,
    removed: Vec<i64>,
    on_stale: OnStale,
    import: Option<ImportId>,
) -> Result<(Counted, Vec<R>), StoreError> {
    each_once(R::WHAT, rows.iter().map(R::id).filter(|id| *id != 0).chain(removed.iter().copied()))?;
    let layer = R::LAYER;
    let known: Vec<i64> = rows.iter().map(R::id).filter(|id| *id != 0).collect();
    let new = rows.len() - known.len();
    let held = hold(tx, layer, known.iter().chain(&removed).copied().collect()).await?;
    let mut counted = Counted { new: new as u64, ..Counted::default() };
    let mut kept = Vec::with_capacity(rows.len());
    // Nothing is given a number before it is known that all goes well.
    for row in &rows {
        let current = held.get(&row.id()).copied().unwrap_or_default();
        if row.id() != 0 && on_stale == OnStale::Refuse && is_stale(row.version(), current) {
            return Err(changed::<R>(row.id(), row.version(), current));
        }
    }
    let mut last = if new > 0 { log::sequence(tx, layer.name, new as i64).await? } else { 0 };
    let mut added = Ranges::default();
    for mut row in rows {
        row.settle();
        if row.id() == 0 {
            last += 1;
            row.set_key(last, Version(1));
            added.add(last);
        } else {
            let current = held.get(&row.id()).copied().unwrap_or_default();
            if is_stale(row.version(), current) {
                counted.ids.push(row.id());
                counted.stale.push(row.id());
                continue;
            }
            row.set_key(row.id(), current);
        }
        counted.ids.push(row.id());
        row.stamp(import);
        kept.push(row);
    }
    let fields = list(layer, "");
    let mut written: HashSet<i64> = HashSet::new();
    for some in kept.chunks(PORTION) {
        let (source, arguments) = source_of(some)?;
        if let Some(import) = import.filter(|_| !known.is_empty()) {
            let (_, mut arguments) = source_of(some)?;
            let width = 1 + columns(layer).count();
            super::sql::bind(&mut arguments, import.0)?;
            let sql = keep_before(layer, "fid", &format!("${}", width + 1), &source);
            tx.execute(sql, arguments, "keeping rows as they were").await?;
        }
        for row in tx.rows(upsert(layer, "fid", &fields, &source), arguments, "writing rows").await? {
            written.insert(get(&row, 0)?);
        }
    }
    for row in kept.iter_mut().filter(|row| held.contains_key(&row.id()) && written.contains(&row.id())) {
        let next = Version(row.version().0 + 1);
        row.set_key(row.id(), next);
    }
    counted.changed = (written.len() - new) as u64;
    counted.same = (kept.len() - written.len()) as u64;
    counted.touched = Some(written.into_iter().chain(removed.iter().copied()).collect());
    counted.removed = remove(tx, layer, removed).await?;
    if let Some(import) = import {
        imports::note_added(tx, import, &added).await?;
    }
    Ok((counted, kept))
}

/// Categories are in the profile that holds when the commit is done: rows in memory refer to them by position. The commit has passed the
/// gate, so nobody changes the profile any more.
pub(super) async fn check_categories<'a>(
    tx: &mut Tx,
    head: &CommitHead,
    codes: impl Iterator<Item = &'a str>,
) -> Result<(), StoreError> {
    let codes: HashSet<&str> = codes.collect();
    if codes.is_empty() {
        return Ok(());
    }
    let profile = match &head.settings {
        Some(settings) => settings.profile.clone(),
        None => log::meta(tx).await?.profile,
    };
    codes.into_iter().try_for_each(|code| known_category(&profile, code).map(drop))
}

impl PostgisStore {
    pub(in crate::store) async fn facilities_commit(&self, commit: FacilityCommit) -> Result<Committed, StoreError> {
        let FacilityCommit { head, rows, removed, import } = commit;
        let removed = removed.into_iter().map(|id| id.0).collect();
        let categories: HashSet<String> = rows.iter().map(|row| row.category.clone()).collect();
        self.rows_written(LogKind::Facilities, RowCommit { head, rows, removed, import }, categories).await
    }

    pub(in crate::store) async fn cases_commit(&self, commit: CaseCommit) -> Result<Committed, StoreError> {
        let CaseCommit { head, rows, removed, import } = commit;
        let removed = removed.into_iter().map(|id| id.0).collect();
        self.rows_written(LogKind::Cases, RowCommit { head, rows, removed, import }, HashSet::new()).await
    }

    pub(in crate::store) async fn addresses_commit(&self, commit: RowCommit<AddressRecord>) -> Result<Committed, StoreError> {
        self.rows_written(LogKind::Addresses, commit, HashSet::new()).await
    }

    pub(in crate::store) async fn organizations_commit(
        &self,
        commit: RowCommit<OrganizationRecord>,
    ) -> Result<Committed, StoreError> {
        self.rows_written(LogKind::Organizations, commit, HashSet::new()).await
    }

    pub(in crate::store) async fn buildings_commit(&self, commit: RowCommit<BuildingRecord>) -> Result<Committed, StoreError> {
        self.rows_written(LogKind::Buildings, commit, HashSet::new()).await
    }

    async fn rows_written<R: Written>(
        &self,
        kind: LogKind,
        commit: RowCommit<R>,
        categories: HashSet<String>,
    ) -> Result<Committed, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move { store.rows_commit(kind, commit, &categories).await }).await
    }

    /// One transaction, however many rows there are.
    pub(super) async fn rows_commit<R: Written>(
        &self,
        kind: LogKind,
        commit: RowCommit<R>,
        categories: &HashSet<String>,
    ) -> Result<Committed, StoreError> {
        let RowCommit { head, rows, removed, import } = commit;
        let mut tx = if rows.len() > PORTION { self.large().await? } else { self.writer().await? };
        self.enter(&mut tx, &head, false).await?;
        check_categories(&mut tx, &head, categories.iter().map(String::as_str)).await?;
        let import = imports::keep(&mut tx, import, &head.actor, None).await?;
        let (counted, _) = write(&mut tx, rows, removed, head.on_stale, import).await?;
        let committed = self.append(&mut tx, Entry::of(kind, &head, import), counted, None).await?;
        self.commit(tx).await?;
        Ok(committed)
    }

    pub(in crate::store) async fn facility_write(
        &self,
        head: CommitHead,
        given: FacilityWrite,
        once: Option<Once>,
    ) -> Result<FacilityOutcome, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.writer().await?;
            if let Some(once) = &once {
                // Of two that have one name the second waits here, and finds the answer of the first.
                store.lock_named(&mut tx, [&head.actor, &once.key], false, "waiting for a write of the same name").await?;
                if let Some(outcome) = outcome(&mut tx, &head, once).await? {
                    return Ok(outcome);
                }
            }
            store.enter(&mut tx, &head, false).await?;
            let (rows, removed) = match given {
                FacilityWrite::Put(row) => {
                    if let Some(code) = row.code.as_ref().filter(|_| head.takes_code) {
                        store.free(&mut tx, code, row.id).await?;
                    }
                    check_categories(&mut tx, &head, std::iter::once(row.category.as_str())).await?;
                    (vec![*row], vec![])
                }
                FacilityWrite::Remove(id, version) => {
                    let current = hold(&mut tx, &FACILITIES, vec![id.0]).await?.get(&id.0).copied().unwrap_or_default();
                    if current != version {
                        return Err(changed::<FacilityRecord>(id.0, version, current));
                    }
                    (vec![], vec![id.0])
                }
            };
            let known = rows.first().map(|row| row.id).filter(|id| id.0 != 0);
            let (counted, mut rows) = write(&mut tx, rows, removed, head.on_stale, None).await?;
            if let (Some(row), Some(id)) = (rows.last_mut(), known) {
                // What is the same again says itself which import wrote it.
                *row = facility(&mut tx, id).await?;
            }
            let written = counted.differs();
            let mut outcome = FacilityOutcome { revision: Revision(0), row: rows.pop(), written, repeated: false };
            let kept = match &once {
                None => None,
                Some(once) => {
                    let answer = serde_json::to_string(&outcome).map_err(|error| StoreError::Invalid(error.to_string()))?;
                    Some(Kept { actor: &head.actor, at: head.at, once, answer })
                }
            };
            let committed = store.append(&mut tx, Entry::of(LogKind::Facilities, &head, None), counted, kept).await?;
            outcome.revision = committed.revision;
            let (at, named) = (head.at, once.is_some());
            store.commit(tx).await?;
            if named {
                store.answers_forget(at).await;
            }
            Ok(outcome)
        })
        .await
    }

    /// Refuses a code that another facility has. Nobody else takes it before the transaction ends.
    async fn free(&self, tx: &mut Tx, code: &str, own: FacilityId) -> Result<(), StoreError> {
        self.lock_named(tx, ["code", code], false, "waiting for another who takes this code").await?;
        let sql = "SELECT fid FROM facilities WHERE code = $1 AND fid <> $2 ORDER BY fid LIMIT 1";
        match tx.row(sql, bound![code, own.0], "looking for who has a code").await? {
            Some(row) => Err(StoreError::CodeTaken { code: code.to_owned(), id: FacilityId(get(&row, 0)?) }),
            None => Ok(()),
        }
    }

    pub(in crate::store) async fn facility_outcome(
        &self,
        head: &CommitHead,
        once: &Once,
    ) -> Result<Option<FacilityOutcome>, StoreError> {
        outcome(&mut self.reader().await?, head, once).await
    }

    /// Numbers for what is on its way in: the one before the first of them. A load takes them apart from its transaction, so
    /// that others who make rows do not wait until it ends.
    pub(super) async fn numbers(&self, name: &str, count: usize) -> Result<i64, StoreError> {
        let mut tx = self.writer().await?;
        // Nobody hears of them before the rows are durable that have them, and what was written earlier is durable then, too.
        tx.run("SET LOCAL synchronous_commit = off".to_owned(), "taking numbers").await?;
        let last = log::sequence(&mut tx, name, count as i64).await?;
        tx.commit().await?;
        Ok(last)
    }
}

async fn facility(tx: &mut Tx, id: FacilityId) -> Result<FacilityRecord, StoreError> {
    let mut found = super::read::by_ids(tx, vec![id.0]).await?;
    found.pop().ok_or_else(|| StoreError::Corrupt(format!("facility {id} was written and is not there")))
}

/// What a write of this name was answered.
async fn outcome(tx: &mut Tx, head: &CommitHead, once: &Once) -> Result<Option<FacilityOutcome>, StoreError> {
    let Some((answer, revision)) = log::answer_found(tx, &head.actor, head.at, once).await? else { return Ok(None) };
    let outcome: FacilityOutcome = serde_json::from_str(&answer).map_err(|_| StoreError::KeyReused(once.key.clone()))?;
    Ok(Some(FacilityOutcome { revision, repeated: true, written: false, ..outcome }))
}
