//! Facilities of any number, for an import: one transaction, open as long as rows come. New rows are copied into the table, where nobody
//! sees them yet; rows that are there already are copied beside it, and written over when the last has come. Until then no row is
//! locked, so nobody waits for an import.

use super::imports::{self, GONE, Ranges};
use super::numbered::{check_categories, hold, is_stale, keep_before, remove, row_values, upsert};
use super::schema::staging;
use super::sql::{Tx, bound, copy_lines, get, lines, list};
use super::{Lock, PostgisStore, on_own_task};
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{FacilityId, ImportId, Version};
use crate::store::StoreError;
use crate::store::commit::{CommitHead, Committed, ImportRecord, LogKind, OnStale, RowCommit};
use crate::store::layers::FACILITIES;
use crate::store::rows::{Counted, Entry, Numbered, Sourced, changed};
use crate::store::values::Values;
use std::collections::HashSet;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

/// More rows than this are copied; fewer go as any commit.
const FEW: usize = 2000;

/// Rows of one copy: some megabytes. Each takes its numbers in a commit of its own. With 1,024 rows at a time, each of which waited for the database,
/// 1,000,000 took 15 s instead of 8 before their indexes.
const PORTION: usize = 10_000;

/// Copies that wait for the database while the next rows are written out: it and this program work at the same time.
const WAITING: usize = 2;

/// Rows that are known already, beside the table.
const STAGING: &str = "pg_temp.staging";

/// Many rows on their way in.
struct Bulk {
    store: PostgisStore,
    _turn: OwnedMutexGuard<()>,
    copies: mpsc::Sender<Copy>,
    /// Has the transaction as long as copies come, and gives it back.
    copying: tokio::task::JoinHandle<Result<Tx, StoreError>>,
    import: Option<ImportId>,
    /// Stored rows that the commit names.
    seen: HashSet<i64>,
    /// Those of them that are to be written, and the version from which each was made.
    known: Vec<(i64, Version)>,
    removed: Vec<i64>,
    /// In the order in which they came.
    ids: Vec<i64>,
    new: u64,
    added: Ranges,
    /// Statements that make the indexes anew that the first load does without.
    indexes: Vec<String>,
}

/// Rows as they are copied.
struct Copy {
    new: String,
    known: String,
}

async fn copy_all(mut tx: Tx, mut copies: mpsc::Receiver<Copy>) -> Result<Tx, StoreError> {
    let mut is_staged = false;
    while let Some(Copy { new, known }) = copies.recv().await {
        copy_lines(&mut tx, &FACILITIES, FACILITIES.name, new, "copying new rows").await?;
        if !known.is_empty() && !is_staged {
            tx.run(staging(&FACILITIES), "making a table for known rows").await?;
            is_staged = true;
        }
        copy_lines(&mut tx, &FACILITIES, STAGING, known, "copying known rows").await?;
    }
    Ok(tx)
}

/// The indexes of a table that nothing is in yet are taken away, and made when its rows are there: of 1,000,000 facilities they take a third
/// of the time so. Only for the owner of the table, as long as no server is there, since everybody waits for the table until the load ends.
async fn without_indexes(store: &PostgisStore, tx: &mut Tx, head: &CommitHead) -> Result<Vec<String>, StoreError> {
    let doing = "looking whether this is the first load";
    let name = FACILITIES.name;
    let may = format!(
        "SELECT pg_has_role(relowner, 'USAGE') AND NOT EXISTS (SELECT FROM {name})
           AND NOT EXISTS (SELECT FROM servers WHERE seen_at > now() - interval '{GONE}')
         FROM pg_class WHERE oid = '{name}'::regclass"
    );
    if !head.alone || !tx.value::<bool>(may.clone(), bound![], doing).await? {
        return Ok(Vec::new());
    }
    // In this order, as all do.
    store.lock(tx, Lock::Gate, head.settings.is_none()).await?;
    tx.run(format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"), doing).await?;
    if !tx.value::<bool>(may, bound![], doing).await? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
         WHERE indrelid = '{name}'::regclass AND NOT indisunique ORDER BY 1"
    );
    let mut made = Vec::new();
    for row in tx.rows(sql, bound![], doing).await? {
        tx.run(format!("DROP INDEX {}", get::<String>(&row, 0)?), "taking indexes away").await?;
        made.push(get::<String>(&row, 1)?);
    }
    Ok(made)
}

impl Bulk {
    async fn begin(store: &PostgisStore, head: &CommitHead) -> Result<Self, StoreError> {
        let turn = store.turn().await;
        let mut tx = store.large().await?;
        let indexes = without_indexes(store, &mut tx, head).await?;
        let import = match (head.undoes, head.import_id) {
            (Some(_), _) => None,
            (None, Some(announced)) => Some(announced),
            (None, None) => Some(ImportId(store.numbers(imports::SEQUENCE, 1).await? + 1)),
        };
        let (copies, told) = mpsc::channel(WAITING);
        Ok(Self {
            store: store.clone(),
            _turn: turn,
            copies,
            copying: tokio::spawn(copy_all(tx, told)),
            import,
            seen: HashSet::new(),
            known: Vec::new(),
            removed: Vec::new(),
            ids: Vec::new(),
            new: 0,
            added: Ranges::default(),
            indexes,
        })
    }

    fn once(&mut self, ids: impl Iterator<Item = i64>) -> Result<(), StoreError> {
        for id in ids {
            if !self.seen.insert(id) {
                return Err(StoreError::Invalid(format!("{} {id} stands twice in one commit", FacilityRecord::WHAT)));
            }
        }
        Ok(())
    }

    async fn push(&mut self, rows: Vec<FacilityRecord>) -> Result<(), StoreError> {
        self.once(rows.iter().map(|row| row.id.0).filter(|id| *id != 0))?;
        let mut rows = rows.into_iter();
        loop {
            let some: Vec<FacilityRecord> = rows.by_ref().take(PORTION).collect();
            if some.is_empty() {
                return Ok(());
            }
            let count = some.iter().filter(|row| row.id.0 == 0).count();
            let mut last = if count > 0 { self.store.numbers(FACILITIES.name, count).await? } else { 0 };
            let (mut new, mut known) = (Values::default(), Values::default());
            for mut row in some {
                row.stamp(self.import);
                if row.id.0 == 0 {
                    last += 1;
                    row.set_key(last, Version(1));
                    self.added.add(last);
                    row_values(&row, &mut new);
                } else {
                    self.known.push((row.id.0, row.version));
                    row_values(&row, &mut known);
                }
                self.ids.push(row.id.0);
            }
            self.new += count as u64;
            let copy = Copy { new: lines(&FACILITIES, new), known: lines(&FACILITIES, known) };
            if self.copies.send(copy).await.is_err() {
                return Err(failure(&mut self.copying).await);
            }
        }
    }

    fn remove(&mut self, ids: Vec<i64>) -> Result<(), StoreError> {
        self.once(ids.iter().copied())?;
        self.removed.extend(ids);
        Ok(())
    }

    /// Makes everything visible.
    async fn finish(
        mut self,
        head: &CommitHead,
        categories: &HashSet<String>,
        import: Option<ImportRecord>,
    ) -> Result<Committed, StoreError> {
        drop(self.copies);
        let mut tx = self.copying.await.map_err(|_| StoreError::GivenUp)??;
        self.store.enter(&mut tx, head, false).await?;
        check_categories(&mut tx, head, categories.iter().map(String::as_str)).await?;
        let import = imports::keep(&mut tx, import, &head.actor, self.import).await?;
        let mut counted = Counted { new: self.new, ids: std::mem::take(&mut self.ids), ..Counted::default() };
        let named = self.known.iter().map(|(id, _)| *id).chain(self.removed.iter().copied());
        let held = hold(&mut tx, &FACILITIES, named.collect()).await?;
        for (id, base) in &self.known {
            let current = held.get(id).copied().unwrap_or_default();
            if is_stale(*base, current) {
                if head.on_stale == OnStale::Refuse {
                    return Err(changed::<FacilityRecord>(*id, *base, current));
                }
                counted.stale.push(*id);
            }
        }
        if !self.known.is_empty() {
            let doing = "writing known rows";
            tx.execute(format!("DELETE FROM {STAGING} WHERE fid = ANY($1)"), bound![&counted.stale[..]], doing).await?;
            tx.run(format!("ANALYZE {STAGING}"), doing).await?;
            let source = format!("{STAGING} AS s");
            if let Some(import) = import {
                tx.execute(keep_before(&FACILITIES, "fid", "$1", &source), bound![import.0], "keeping rows as they were").await?;
            }
            let sql = upsert(&FACILITIES, "fid", &list(&FACILITIES, ""), &source);
            let mut written = 0;
            tx.each(sql, bound![], doing, |row| {
                get::<i64>(row, 0)?;
                written += 1;
                Ok(())
            })
            .await?;
            counted.changed = written;
            counted.same = self.known.len() as u64 - counted.stale.len() as u64 - written;
        }
        counted.removed = remove(&mut tx, &FACILITIES, self.removed).await?;
        if !self.indexes.is_empty() {
            tx.run("SET LOCAL maintenance_work_mem = '256MB'".to_owned(), "making indexes").await?;
        }
        for index in self.indexes {
            tx.run(index, "making indexes").await?;
        }
        if let Some(import) = import {
            imports::note_added(&mut tx, import, &self.added).await?;
        }
        let committed = self.store.append(&mut tx, Entry::of(LogKind::Facilities, head, import), counted, None).await?;
        self.store.commit(tx).await?;
        Ok(committed)
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
pub(in crate::store) struct PostgisLoad {
    steps: mpsc::Sender<Step>,
    task: tokio::task::JoinHandle<Result<(), StoreError>>,
}

impl PostgisLoad {
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
            Err(_) => Err(failure(&mut self.task).await),
        }
    }

    async fn send(&mut self, step: Step) -> Result<(), StoreError> {
        match self.steps.send(step).await {
            Ok(()) => Ok(()),
            Err(_) => Err(failure(&mut self.task).await),
        }
    }
}

/// Why a task has ended.
async fn failure<T>(task: &mut tokio::task::JoinHandle<Result<T, StoreError>>) -> StoreError {
    match task.await {
        Ok(Err(error)) => error,
        _ => StoreError::GivenUp,
    }
}

/// What the task of a load keeps.
struct Loading {
    store: PostgisStore,
    head: CommitHead,
    categories: HashSet<String>,
    /// Rows that came in while there were few.
    rows: Vec<FacilityRecord>,
    removed: Vec<i64>,
    /// From then on when there were many.
    bulk: Option<Bulk>,
}

impl Loading {
    async fn step(&mut self, step: Step) -> Result<(), StoreError> {
        match step {
            Step::Push(rows) => {
                for row in &rows {
                    if !self.categories.contains(&row.category) {
                        self.categories.insert(row.category.clone());
                    }
                }
                self.rows.extend(rows);
            }
            Step::Remove(ids) => self.removed.extend(ids.into_iter().map(|id| id.0)),
            Step::Finish(import, answer) => {
                self.pass_on().await?;
                let committed = match self.bulk.take() {
                    Some(bulk) => bulk.finish(&self.head, &self.categories, *import).await?,
                    None => {
                        let (rows, removed) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.removed));
                        let commit = RowCommit { head: self.head.clone(), rows, removed, import: *import };
                        self.store.rows_commit(LogKind::Facilities, commit, &self.categories).await?
                    }
                };
                // Whoever no longer listens finds the import in the list.
                let _ = answer.send(committed);
                return Ok(());
            }
        }
        if self.bulk.is_none() && self.rows.len() + self.removed.len() > FEW {
            self.bulk = Some(Bulk::begin(&self.store, &self.head).await?);
        }
        if self.rows.len() + self.removed.len() >= PORTION {
            self.pass_on().await?;
        }
        Ok(())
    }

    async fn pass_on(&mut self) -> Result<(), StoreError> {
        if let Some(bulk) = &mut self.bulk {
            bulk.push(std::mem::take(&mut self.rows)).await?;
            bulk.remove(std::mem::take(&mut self.removed))?;
        }
        Ok(())
    }
}

impl PostgisStore {
    pub(in crate::store) fn facilities_load(&self, head: CommitHead) -> Result<PostgisLoad, StoreError> {
        self.writable()?;
        let (steps, mut told) = mpsc::channel(2);
        let mut loading =
            Loading { store: self.clone(), head, categories: HashSet::new(), rows: Vec::new(), removed: Vec::new(), bulk: None };
        let task = tokio::spawn(on_own_task(async move {
            while let Some(step) = told.recv().await {
                let last = matches!(step, Step::Finish(..));
                loading.step(step).await?;
                if last {
                    break;
                }
            }
            Ok(())
        }));
        Ok(PostgisLoad { steps, task })
    }
}
