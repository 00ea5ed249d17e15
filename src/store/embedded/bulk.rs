//! Facilities and cases of any number: written beside the table in use, visible all at once.

use super::layers::{FACILITIES, Written};
use super::log;
use super::numbered::{FEW, check_categories, places_of, sort_out, values_of, versions, write_few};
use super::rebuild::{Pace, Rebuild};
use super::sql::{Doing, id_list, write_rows, write_rows_returning};
use super::{EmbeddedStore, before, begin, begin_unseen, commit, rtree};
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{FacilityId, ImportId, Version};
use crate::store::StoreError;
use crate::store::commit::{CommitHead, Committed, ImportRecord, LogKind, OnStale};
use crate::store::rows::{Counted, Entry, changed};
use sqlx::AssertSqlSafe;
use std::collections::HashSet;
use std::time::Instant;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

/// Rows on their way into `<table>_next`.
pub(super) struct Bulk<R> {
    store: EmbeddedStore,
    _turn: OwnedMutexGuard<()>,
    rebuild: Rebuild,
    kind: LogKind,
    head: CommitHead,
    import: Option<ImportId>,
    counted: Counted,
    pace: Pace,
    /// Stored rows that this commit names.
    seen: HashSet<i64>,
    /// Those of them that were written, whether or not they were different, or removed.
    written: HashSet<i64>,
    changed: HashSet<i64>,
    removed: HashSet<i64>,
    places: Vec<rtree::Entry>,
    external: Vec<(i64, i64)>,
    added: before::Ranges,
    rows: std::marker::PhantomData<R>,
}

impl<R: Written> Bulk<R> {
    /// Waits for its turn and copies what there is.
    pub(super) async fn begin(
        store: &EmbeddedStore,
        kind: LogKind,
        head: CommitHead,
        imported: bool,
    ) -> Result<Self, StoreError> {
        let turn = store.turn().await;
        store.sweep().await?;
        let import = match head.import_id {
            _ if !imported => None,
            Some(announced) => Some(announced),
            None => Some(store.import_number().await?),
        };
        Ok(Self {
            store: store.clone(),
            _turn: turn,
            rebuild: Rebuild::begin(store, R::LAYER).await?,
            kind,
            head,
            import,
            counted: Counted::default(),
            pace: Pace::new(),
            seen: HashSet::new(),
            written: HashSet::new(),
            changed: HashSet::new(),
            removed: HashSet::new(),
            places: Vec::new(),
            external: Vec::new(),
            added: before::Ranges::default(),
            rows: std::marker::PhantomData,
        })
    }

    fn once(&mut self, ids: impl Iterator<Item = i64>) -> Result<(), StoreError> {
        for id in ids {
            if !self.seen.insert(id) {
                return Err(StoreError::Invalid(format!("{} {id} stands twice in one commit", R::WHAT)));
            }
        }
        Ok(())
    }

    pub(super) async fn push(&mut self, rows: Vec<R>) -> Result<(), StoreError> {
        self.once(rows.iter().map(R::id).filter(|id| *id != 0))?;
        let table = self.rebuild.table();
        let insert = R::LAYER.insert(&table);
        let replace = format!("{} RETURNING fid", R::LAYER.replace(&table, "fid"));
        let mut rows = rows.into_iter();
        loop {
            let some: Vec<R> = rows.by_ref().take(self.pace.rows()).collect();
            if some.is_empty() {
                return Ok(());
            }
            let count = some.len();
            let mut conn = self.store.writer().await?;
            let started = Instant::now();
            let mut tx = begin_unseen(&mut conn).await?;
            let sorted = sort_out(&mut tx, &table, some, self.head.on_stale, self.import, &mut self.counted).await?;
            let values = values_of(&sorted.rows);
            let new = sorted.new as u64;
            self.counted.new += new;
            if sorted.new == sorted.rows.len() {
                write_rows(&mut tx, (&insert, ""), R::LAYER.width(), values, "writing rows").await?;
                commit(tx).await?;
            } else {
                let written =
                    write_rows_returning(&mut tx, (&insert, &replace), R::LAYER.width(), values, "writing rows").await?;
                if let Some(import) = self.import {
                    let changed = written.iter().copied().filter(|id| self.seen.contains(id)).collect();
                    before::keep(&mut tx, R::LAYER, import, changed).await?;
                }
                commit(tx).await?;
                self.counted.changed += written.len() as u64 - new;
                self.counted.same += (sorted.rows.len() - written.len()) as u64;
                self.changed.extend(written.iter().filter(|id| self.seen.contains(id)));
                self.written.extend(sorted.rows.iter().map(R::id).filter(|id| self.seen.contains(id)));
            }
            drop(conn);
            self.pace.learn(count, started.elapsed());
            self.store.breathe().await?;
            sorted.rows.iter().map(R::id).filter(|id| !self.seen.contains(id)).for_each(|id| self.added.add(id));
            if !self.rebuild.had_rows {
                self.places.extend(places_of(&sorted.rows));
            }
            if R::LAYER.name == FACILITIES.name {
                self.external.extend(sorted.rows.iter().flat_map(|row| row.external().into_iter().map(|key| (key, row.id()))));
            }
        }
    }

    pub(super) async fn remove(&mut self, ids: Vec<i64>) -> Result<(), StoreError> {
        self.once(ids.iter().copied())?;
        let sql = format!("DELETE FROM \"{}\" WHERE fid IN (SELECT value FROM json_each(?)) RETURNING fid", self.rebuild.table());
        for some in ids.chunks(2000) {
            let mut conn = self.store.writer().await?;
            let mut tx = begin_unseen(&mut conn).await?;
            let gone: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql.clone()))
                .bind(id_list(some.iter().copied()))
                .fetch_all(&mut *tx)
                .await
                .doing("removing rows")?;
            commit(tx).await?;
            self.counted.removed += gone.len() as u64;
            self.written.extend(&gone);
            self.removed.extend(gone);
        }
        Ok(())
    }

    /// Makes everything visible.
    pub(super) async fn finish(&mut self, import: Option<ImportRecord>) -> Result<Committed, StoreError> {
        let mut counted = std::mem::take(&mut self.counted);
        if counted.differs() {
            let places = std::mem::take(&mut self.places);
            self.rebuild.index_places((!self.rebuild.had_rows).then_some(places)).await?;
            if R::LAYER.name == FACILITIES.name {
                let pairs = self.external_pairs().await?;
                self.rebuild.index_external(pairs).await?;
            }
        }
        let mut conn = self.store.writer().await?;
        let mut tx = begin(&mut conn).await?;
        log::current_checked(&mut tx, &self.head).await?;
        let import = log::import(&mut tx, import, &self.head.actor, self.import).await?;
        if counted.differs() {
            let touched = self.rebuild.touched();
            for id in touched.iter().filter(|id| self.written.contains(id)) {
                if self.head.on_stale == OnStale::Refuse {
                    let current = versions(&mut tx, R::LAYER.name, &[*id]).await?.get(id).copied().unwrap_or_default();
                    return Err(changed::<R>(*id, Version(0), current));
                }
                counted.stale.push(*id);
                let counter = if self.changed.contains(id) {
                    &mut counted.changed
                } else if self.removed.contains(id) {
                    &mut counted.removed
                } else {
                    &mut counted.same
                };
                *counter -= 1;
            }
            if let Some(import) = import {
                before::forget(&mut tx, R::LAYER, import, counted.stale.clone()).await?;
                before::note_added(&mut tx, import, &self.added).await?;
            }
            self.rebuild.take_over(&mut tx, &touched).await?;
            self.rebuild.swap(&mut tx).await?;
        }
        let committed = log::append(&mut tx, Entry::of(self.kind, &self.head, import), counted).await?;
        commit(tx).await?;
        Ok(committed)
    }

    /// What follows, well or ill: the tables it leaves behind are dropped, while it still has its turn.
    pub(super) fn end(self) {
        let Self { store, _turn: turn, rebuild, .. } = self;
        drop(rebuild);
        tokio::spawn(async move {
            if let Err(error) = store.sweep().await {
                tracing::warn!(%error, "tables of an import are left behind until the file is opened again");
            }
            drop(turn);
        });
    }

    /// Names in other systems of all rows of the new table: those of rows that were not touched, and those of the rows that came in.
    async fn external_pairs(&mut self) -> Result<Vec<(i64, i64)>, StoreError> {
        let mut pairs = std::mem::take(&mut self.external);
        if !self.rebuild.had_rows {
            return Ok(pairs);
        }
        let mut conn = self.store.reader().await?;
        let mut last = (i64::MIN, i64::MIN);
        loop {
            let some: Vec<(i64, i64)> =
                sqlx::query_as("SELECT key, fid FROM facility_external WHERE (key, fid) > (?, ?) ORDER BY key, fid LIMIT 20000")
                    .bind(last.0)
                    .bind(last.1)
                    .fetch_all(&mut *conn)
                    .await
                    .doing("reading names in other systems")?;
            let Some(end) = some.last() else { return Ok(pairs) };
            last = *end;
            pairs.extend(some.into_iter().filter(|(_, fid)| !self.written.contains(fid)));
        }
    }
}

/// What the task of a load is told.
#[derive(Debug)]
enum Step {
    Push(Vec<FacilityRecord>),
    Remove(Vec<FacilityId>),
    Finish(Box<Option<ImportRecord>>, oneshot::Sender<Committed>),
}

/// Facilities on their way in. The work is done by a task; dropping this ends it.
#[derive(Debug)]
pub(in crate::store) struct EmbeddedLoad {
    steps: mpsc::Sender<Step>,
    task: tokio::task::JoinHandle<Result<(), StoreError>>,
}

impl EmbeddedLoad {
    pub(in crate::store) async fn push(&mut self, rows: Vec<FacilityRecord>) -> Result<(), StoreError> {
        self.send(Step::Push(rows)).await
    }

    pub(in crate::store) async fn remove(&mut self, ids: Vec<FacilityId>) -> Result<(), StoreError> {
        self.send(Step::Remove(ids)).await
    }

    pub(in crate::store) async fn finish(mut self, import: Option<ImportRecord>) -> Result<Committed, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Step::Finish(Box::new(import), answer)).await?;
        match answered.await {
            Ok(committed) => Ok(committed),
            Err(_) => Err(self.failure().await),
        }
    }

    async fn send(&mut self, step: Step) -> Result<(), StoreError> {
        match self.steps.send(step).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Why the task has ended.
    async fn failure(&mut self) -> StoreError {
        match (&mut self.task).await {
            Ok(Err(error)) => error,
            _ => StoreError::GivenUp,
        }
    }
}

/// What the task of a load keeps.
struct Loading {
    store: EmbeddedStore,
    head: CommitHead,
    categories: HashSet<String>,
    /// Rows that came in while there were few.
    rows: Vec<FacilityRecord>,
    removed: Vec<i64>,
    /// From then on when there were many.
    bulk: Option<Bulk<FacilityRecord>>,
}

impl Loading {
    async fn step(&mut self, step: Step) -> Result<(), StoreError> {
        match step {
            Step::Push(rows) => {
                check_categories(&self.store, &self.head, rows.iter().map(|row| row.category.as_str()), &mut self.categories)
                    .await?;
                self.rows.extend(rows);
            }
            Step::Remove(ids) => self.removed.extend(ids.into_iter().map(|id| id.0)),
            Step::Finish(import, answer) => {
                let committed = match &mut self.bulk {
                    Some(bulk) => bulk.finish(*import).await?,
                    None => {
                        let (rows, removed) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.removed));
                        write_few(&self.store, LogKind::Facilities, self.head.clone(), rows, removed, *import).await?
                    }
                };
                // Whoever no longer listens finds the import in the list.
                let _ = answer.send(committed);
                return Ok(());
            }
        }
        if self.bulk.is_none() && self.rows.len() + self.removed.len() > FEW {
            self.bulk = Some(Bulk::begin(&self.store, LogKind::Facilities, self.head.clone(), self.head.undoes.is_none()).await?);
        }
        if let Some(bulk) = &mut self.bulk {
            bulk.push(std::mem::take(&mut self.rows)).await?;
            bulk.remove(std::mem::take(&mut self.removed)).await?;
        }
        Ok(())
    }
}

impl EmbeddedStore {
    pub(in crate::store) fn facilities_load(&self, head: CommitHead) -> Result<EmbeddedLoad, StoreError> {
        self.writable()?;
        let (steps, mut told) = mpsc::channel(2);
        let mut loading =
            Loading { store: self.clone(), head, categories: HashSet::new(), rows: Vec::new(), removed: Vec::new(), bulk: None };
        let task = tokio::spawn(async move {
            let mut result = Ok(());
            while let Some(step) = told.recv().await {
                let last = matches!(step, Step::Finish(..));
                result = loading.step(step).await;
                if last || result.is_err() {
                    break;
                }
            }
            if let Some(bulk) = loading.bulk {
                bulk.end();
            }
            result
        });
        Ok(EmbeddedLoad { steps, task })
    }
}
