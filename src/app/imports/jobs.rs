//! Imports of a running server: one at a time, others wait in a queue that is bounded. Each runs on a task of its own; a client that
//! hangs up stops nothing once its files are there. What is known of an import is kept in the store; how far one is, and the complete
//! reports of the last ones, only while the server runs.

use super::undo::{Undone, undo};
use super::{Ground, ImportError, Order, Report, Status, Step, Watch, run_on};
use crate::app::cursor::Cursor;
use crate::app::facilities::Page;
use crate::app::{Actor, App, AppError, ImportState, Once};
use crate::domain::id::{ImportId, Revision};
use crate::store::{ImportRecord, StoreError};
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Imports that may be on their way, from the first byte of their files to their end; more are refused as busy.
pub const MOST_UNDER_WAY: usize = 8;

/// Complete reports that are kept.
const REPORTS: usize = 10;

/// What is known of imports only while the server runs.
#[derive(Debug)]
pub struct Jobs {
    /// Held by the one that runs. Who waits for it is served in the order of coming.
    turn: tokio::sync::Mutex<()>,
    places: Arc<Semaphore>,
    /// Those that are not done, by number.
    under_way: Mutex<BTreeMap<ImportId, Option<Step>>>,
    /// Whose complete reports are there.
    reports: Mutex<VecDeque<ImportId>>,
    folders: AtomicU64,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            places: Arc::new(Semaphore::new(MOST_UNDER_WAY)),
            under_way: Mutex::default(),
            reports: Mutex::default(),
            folders: AtomicU64::default(),
        }
    }
}

impl Jobs {
    fn under_way(&self) -> MutexGuard<'_, BTreeMap<ImportId, Option<Step>>> {
        // No invariant spans a panic: nothing that can panic runs under the lock.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, and a folder for the files of an import. Dropping it removes the folder.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Where its files go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "files of an import stay behind until the server starts again");
        }
    }
}

/// An import as its server knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its number.
    pub id: ImportId,
    /// What is imported.
    pub kind: String,
    /// Names of the files.
    pub file: String,
    /// CRS of the files.
    pub crs: Option<String>,
    /// What the data is taken from.
    pub source: Option<String>,
    /// When it was announced; once it is done, when it began.
    pub at: Timestamp,
    /// How far it is.
    pub state: ImportState,
    /// What it is doing.
    pub step: Option<Step>,
    /// How many go before it.
    pub ahead: Option<usize>,
    /// The number of its commit.
    pub revision: Option<Revision>,
    /// The number of the commit that took it back.
    pub undone: Option<Revision>,
    /// Its report; in lists only the status.
    pub report: serde_json::Value,
}

/// An import that was taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// As it is now.
    pub import: Known,
    /// It was sent before.
    pub repeated: bool,
}

impl App {
    /// Removes what an earlier run of the server left of uploads. To be called before there are any.
    pub fn sweep_uploads(&self) {
        match std::fs::remove_dir_all(self.config.uploads()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(folder = %self.config.uploads().display(), %error, "uploads of an earlier run stay behind");
            }
            _ => {}
        }
    }

    /// A place for an import whose files are about to come.
    pub fn import_place(&self, _: &Actor) -> Result<Place, AppError> {
        self.takes_writes()?;
        let permit = Arc::clone(&self.imports.places).try_acquire_owned().map_err(|_| AppError::Busy)?;
        let number = self.imports.folders.fetch_add(1, Ordering::Relaxed);
        let folder = self.config.uploads().join(number.to_string());
        std::fs::create_dir_all(&folder).map_err(|error| AppError::Import(format!("{}: {error}", folder.display())))?;
        Ok(Place { folder, _permit: permit })
    }

    /// Begins an import whose files are there. It runs to its end, whoever waits for it.
    pub async fn import_start(
        self: &Arc<Self>,
        actor: &Arc<Actor>,
        order: Order,
        place: Place,
        once: Option<Once>,
    ) -> Result<Taken, AppError> {
        let (app, actor) = (Arc::clone(self), Arc::clone(actor));
        let started = tokio::spawn(async move { app.start(actor, order, place, once).await });
        started.await.unwrap_or(Err(AppError::Panicked))
    }

    async fn start(
        self: &Arc<Self>,
        actor: Arc<Actor>,
        order: Order,
        place: Place,
        once: Option<Once>,
    ) -> Result<Taken, AppError> {
        let record = ImportRecord {
            id: ImportId(0),
            kind: order.kind.as_str().to_owned(),
            file: order.files.iter().map(|file| super::file_name(file)).collect::<Vec<_>>().join(", "),
            crs: order.crs.map(|crs| crs.to_string()),
            source: order.source.clone(),
            at: self.clock.now(),
            report: serde_json::Value::Null,
            state: ImportState::Queued,
            revision: None,
            undone: None,
            before: serde_json::Value::Null,
        };
        let begun = self.store.import_begin(record.clone(), &actor.id, once).await.map_err(|error| match error {
            StoreError::KeyReused(key) => AppError::KeyReused(key),
            other => other.into(),
        })?;
        if !begun.repeated {
            self.imports.under_way().insert(begun.id, None);
            let app = Arc::clone(self);
            let (record, on) = (ImportRecord { id: begun.id, ..record }, Arc::clone(&actor));
            tokio::spawn(async move { app.import_run(&on, order, place, record).await });
        }
        Ok(Taken { import: self.import(&actor, begun.id).await?, repeated: begun.repeated })
    }

    async fn import_run(self: Arc<Self>, actor: &Arc<Actor>, order: Order, place: Place, record: ImportRecord) {
        let id = record.id;
        let turn = loop {
            let turn = self.imports.turn.lock().await;
            // One that came before may not have got as far as asking.
            if self.imports.under_way().range(..id).next().is_none() {
                break turn;
            }
            drop(turn);
            tokio::task::yield_now().await;
        };
        let watch: Watch = {
            let app = Arc::clone(&self);
            Arc::new(move |step| {
                if let Some(known) = app.imports.under_way().get_mut(&id) {
                    *known = Some(step);
                }
            })
        };
        watch(Step::Reading { read: 0, total: 0 });
        let (ground, on) = (Ground::Served(Arc::clone(&self)), Arc::clone(actor));
        let clock = self.clock.clone();
        let work = tokio::spawn(async move { run_on(ground, Some(id), order, &on, &clock, &watch).await });
        let outcome = work.await.unwrap_or_else(|broken| Err(ImportError::BrokeOff(broken)));
        let record = match outcome {
            Ok(mut report) => {
                // Where uploads lie on this machine is nobody's business.
                report.without_folder(&place.folder);
                self.keep_report(id, &report).await;
                ImportRecord {
                    crs: report.crs.clone(),
                    at: report.at,
                    report: report.kept(),
                    state: ImportState::Done,
                    revision: (report.status == Status::Imported).then_some(report.revision),
                    ..record
                }
            }
            Err(error) => {
                tracing::error!(import = id.0, %error, "an import broke off");
                // If it was committed all the same, readers are to see it.
                if let Ok(revision) = self.store.revision().await {
                    let _ = self.applier.reload(revision).await;
                }
                let report = serde_json::json!({ "error": told(error) });
                ImportRecord { report, state: ImportState::Failed, ..record }
            }
        };
        if let Err(error) = self.store.import_note(record).await {
            tracing::error!(import = id.0, %error, "the end of an import could not be noted");
        }
        drop(place);
        // In this order: whoever reads that it is done may take it back at once.
        drop(turn);
        self.imports.under_way().remove(&id);
    }

    /// Keeps a complete report as long as the server runs, and few newer ones come.
    async fn keep_report(&self, id: ImportId, report: &Report) {
        let (path, report) = (self.report_path(id), report.clone());
        let written = tokio::task::spawn_blocking(move || {
            let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
            serde_json::to_writer(&mut file, &report)?;
            file.flush()
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(import = id.0, %error, "the complete report could not be kept");
            return;
        }
        let old = {
            let mut reports = self.imports.reports.lock().unwrap_or_else(PoisonError::into_inner);
            reports.push_back(id);
            if reports.len() > REPORTS { reports.pop_front() } else { None }
        };
        if let Some(old) = old {
            let _ = std::fs::remove_file(self.report_path(old));
        }
    }

    fn report_path(&self, id: ImportId) -> PathBuf {
        self.config.uploads().join(format!("report-{id}.json"))
    }

    /// The complete report of an import as JSON, or, of one of long ago, what is kept of it. `None`: it has none yet.
    pub async fn import_whole_report(&self, actor: &Actor, id: ImportId) -> Result<Option<Vec<u8>>, AppError> {
        let known = self.import(actor, id).await?;
        let is_kept = self.imports.reports.lock().unwrap_or_else(PoisonError::into_inner).contains(&id);
        if is_kept && let Ok(bytes) = tokio::fs::read(self.report_path(id)).await {
            return Ok(Some(bytes));
        }
        Ok((known.state == ImportState::Done).then(|| known.report.to_string().into_bytes()))
    }

    /// One import with its report.
    pub async fn import(&self, _: &Actor, id: ImportId) -> Result<Known, AppError> {
        // First: one that ends in between is then read with its end.
        let now = self.now_of(id);
        let record = self.store.import_report(id).await?;
        record.map(|record| known(record, now)).ok_or(AppError::UnknownId { what: "import", id: id.0 })
    }

    /// What an import is doing, and how many go before it; `None`: it is not under way.
    fn now_of(&self, id: ImportId) -> Option<(Option<Step>, usize)> {
        let under_way = self.imports.under_way();
        let step = under_way.get(&id)?;
        Some((*step, under_way.range(..id).count()))
    }

    /// A page of imports, the newest first, without their reports.
    pub async fn import_list(&self, _: &Actor, after: Option<Cursor>, limit: usize) -> Result<Page<Known>, AppError> {
        let mut records = self.store.imports().await?;
        let mut page = Page { number_matched: records.len(), items: Vec::new(), next: None };
        records.reverse();
        let place = |id: ImportId| Cursor::new(u64::MAX - id.0.cast_unsigned(), id.0);
        let mut rest = records.into_iter().filter(|record| after.is_none_or(|after| place(record.id) > after));
        for record in rest.by_ref().take(limit) {
            let now = self.now_of(record.id);
            page.items.push(known(record, now));
        }
        if rest.next().is_some() {
            page.next = page.items.last().map(|last| place(last.id));
        }
        Ok(page)
    }

    /// Takes an import back, while nothing newer touched its rows. `dry_run`: only tells whether that could be done.
    pub async fn import_undo(self: &Arc<Self>, actor: &Arc<Actor>, id: ImportId, dry_run: bool) -> Result<Undone, AppError> {
        let (app, actor) = (Arc::clone(self), Arc::clone(actor));
        let work = tokio::spawn(async move {
            let Ok(_turn) = app.imports.turn.try_lock() else { return Err(AppError::Busy) };
            app.takes_writes()?;
            undo(&Ground::Served(Arc::clone(&app)), id, &actor, app.clock.now(), dry_run).await
        });
        work.await.unwrap_or(Err(AppError::Panicked))
    }
}

/// What a caller may know of it: where the database is stands in the log.
fn told(error: ImportError) -> String {
    match error {
        ImportError::Store(error @ (StoreError::Away { .. } | StoreError::Unsure { .. })) => AppError::from(error).to_string(),
        other => other.to_string(),
    }
}

fn known(record: ImportRecord, now: Option<(Option<Step>, usize)>) -> Known {
    let ImportRecord { id, kind, file, crs, source, at, report, state, revision, undone, before: _ } = record;
    // The commit says "done" a moment before the report is complete.
    let state = match now {
        Some((Some(_), _)) => ImportState::Running,
        Some((None, _)) => ImportState::Queued,
        None => state,
    };
    let ahead = now.filter(|(step, _)| step.is_none()).map(|(_, ahead)| ahead);
    let report = if now.is_some() { serde_json::Value::Null } else { report };
    Known { id, kind, file, crs, source, at, state, step: now.and_then(|(step, _)| step), ahead, revision, undone, report }
}
