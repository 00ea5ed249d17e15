//! Taking an import back: the rows that it added leave, those that it changed say again what they said before. Only while nothing newer
//! touched them. It is a commit of its own, with a number of its own; what readers saw in between stays in the log and, of boundaries, in
//! their history.
//!
//! A publication is taken back by publishing what it replaced: an epoch that was in force stays in the list of epochs, and the number of
//! one is never given again.

use super::boundaries::{moves, outlines, published_change};
use super::rows::Imported;
use super::{Before, Ground, ImportError};
use crate::app::AppError;
use crate::domain::facility::FacilityRecord;
use crate::domain::fault::Fault;
use crate::domain::id::{CaseId, Epoch, FacilityId, GridSet, ImportId, Revision, Version};
use crate::domain::period::Period;
use crate::domain::records::BoundarySet;
use crate::domain::rights::Right;
use crate::domain::scope::Actor;
use crate::geom::LatticePoint;
use crate::store::{
    BoundaryCommit, CaseCommit, Chain, CommitHead, Committed, HouseholdCommit, ImportRecord, LogKind, Meta, RowCommit,
    StaffCommit, StoreError,
};
use crate::territory::Territory;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

/// Rows that are looked at together.
const PAGE: usize = 4096;
/// Rows that a refusal names.
const NAMED: usize = 20;

/// An import that was taken back, or could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undone {
    /// Which.
    pub id: ImportId,
    /// What the commit did; `None`: it was only asked whether it could.
    pub committed: Option<Summary>,
    /// Rows that leave.
    pub removed: u64,
    /// Rows that say again what they said before.
    pub restored: u64,
}

/// The commit of an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The change log's number after it.
    pub revision: Revision,
    /// The epoch in force after it.
    pub epoch: Epoch,
}

/// An undo on its way.
struct Undo<'a> {
    ground: &'a Ground,
    /// How far the store was when the first of it was read.
    read: Revision,
    record: &'a ImportRecord,
    before: Before,
    actor: &'a Actor,
    at: Timestamp,
    /// Only to be asked.
    dry_run: bool,
}

/// Rows that are few enough to be written at once, on their way back.
struct Ready<R> {
    /// As they were before the import, with the versions that they have now.
    rows: Vec<R>,
    /// Those that the import added.
    removed: Vec<i64>,
    /// How many leave, how many say again what they said.
    counts: (u64, u64),
}

/// Rows that are not as the import left them.
#[derive(Default)]
struct Touched {
    total: usize,
    some: Vec<String>,
}

impl Touched {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.total += 1;
        if self.some.len() < NAMED {
            self.some.push(name());
        }
    }

    fn none(self, id: ImportId) -> Result<(), AppError> {
        match self.total {
            0 => Ok(()),
            total => Err(AppError::Touched { id: id.0, total, some: self.some }),
        }
    }
}

/// Takes an import back. Whoever calls this lets no other import run.
pub(super) async fn undo(ground: &Ground, id: ImportId, actor: &Actor, at: Timestamp, dry_run: bool) -> Result<Undone, AppError> {
    let store = ground.store();
    let read = store.revision().await?;
    let Some(record) = store.import_report(id).await? else { return Err(AppError::UnknownId { what: "import", id: id.0 }) };
    let refuse = |why: &str| Err(AppError::CannotUndo { id: id.0, why: why.to_owned() });
    if let Some(undone) = record.undone {
        return refuse(&format!("that was done already, as revision {undone}"));
    }
    if record.revision.is_none() {
        return refuse("it changed nothing");
    }
    let imports = store.imports().await?;
    let open = |import: &&ImportRecord| import.revision.is_some() && import.undone.is_none();
    // Also those that were taken back: what the oldest ones kept is gone for good.
    let committed = imports.iter().rev().filter(|import| import.revision.is_some());
    if committed.take(ImportRecord::UNDOABLE).all(|import| import.id != id) {
        return refuse(&format!("the rows of before are kept of the last {} imports only", ImportRecord::UNDOABLE));
    }
    let Ok(before) = serde_json::from_value::<Before>(record.before.clone()) else {
        return refuse("it was made by an older program, which did not keep what was before");
    };
    let later: Vec<&ImportRecord> = imports.iter().filter(open).filter(|import| import.revision > record.revision).collect();
    later_touched(ground, &record, &before, &later).await?;
    if matches!(record.kind.as_str(), "regions" | "grids") {
        actor.needs(Right::Plan)?;
    }
    let undo = Undo { ground, read, record: &record, before, actor, at, dry_run };
    // From here to the end nobody changes a row that was looked at.
    let quiet = ground.no_writes().await;
    let undone = match record.kind.as_str() {
        "facilities" => undo.facilities().await?,
        "cases" => undo.cases().await?,
        "addresses" => undo.addresses().await?,
        "organizations" => undo.organizations().await?,
        "buildings" => undo.buildings().await?,
        "staff" => undo.staff().await?,
        "households" => undo.households().await?,
        _ => undo.boundaries().await?,
    };
    drop(quiet);
    if undone.committed.is_some() {
        store.tidy().await?;
    }
    Ok(undone)
}

/// Later imports that stand on what this one did: they are to be taken back first.
async fn later_touched(ground: &Ground, record: &ImportRecord, before: &Before, later: &[&ImportRecord]) -> Result<(), AppError> {
    let epochs = ground.store().epochs().await?;
    // The partition that an import is about, if it is about one.
    let set_of = |import: &ImportRecord| match import.kind.as_str() {
        "regions" | "grids" => epochs.iter().find(|epoch| epoch.import_id == Some(import.id)).map(|epoch| epoch.set.clone()),
        "households" => Some(GridSet::default()),
        _ => None,
    };
    let own_set = set_of(record);
    let mut touched = Touched::default();
    for import in later {
        let settings = if before.settings.is_some() {
            let whole = ground.store().import_report(import.id).await?;
            whole.is_some_and(|whole| whole.before.get("settings").is_some())
        } else {
            false
        };
        if settings || own_set.is_some() && set_of(import) == own_set {
            touched.add(|| format!("import {} ({}) came after it", import.id, import.kind));
        }
    }
    touched.none(record.id)
}

impl Undo<'_> {
    fn id(&self) -> ImportId {
        self.record.id
    }

    fn settings(&self) -> Option<Arc<Meta>> {
        self.before.settings.clone().map(Arc::new)
    }

    async fn territory(&self) -> Result<Option<Arc<Territory>>, AppError> {
        self.ground.territory(self.at).await.map_err(failed)
    }

    fn head(&self, territory: Option<&Territory>) -> CommitHead {
        CommitHead {
            epoch: territory.map(|territory| territory.epoch),
            settings: self.settings(),
            undoes: Some(self.id()),
            ..CommitHead::new(self.actor.id.clone(), self.at)
        }
    }

    async fn done(&self, committed: Result<Committed, StoreError>, (removed, restored): (u64, u64)) -> Result<Undone, AppError> {
        let committed = committed.map_err(|error| self.refusal(error))?;
        self.ground.follow(&committed, None).await;
        let summary = Summary { revision: committed.revision, epoch: committed.epoch };
        Ok(Undone { id: self.id(), committed: Some(summary), removed, restored })
    }

    fn asked(&self, (removed, restored): (u64, u64)) -> Undone {
        Undone { id: self.id(), committed: None, removed, restored }
    }

    /// What the store refuses is newer than what was looked at.
    fn refusal(&self, error: StoreError) -> AppError {
        match error {
            StoreError::Changed { what, .. } => AppError::Touched { id: self.id().0, total: 1, some: vec![what] },
            StoreError::Invalid(why) => AppError::CannotUndo { id: self.id().0, why },
            other => other.into(),
        }
    }

    /// The versions of the rows that are as the import left them: written by it last, or taken back to what it wrote since.
    async fn mine(&self, kind: LogKind) -> Result<HashMap<i64, Version>, AppError> {
        Ok(self.ground.store().import_rows(kind, self.id()).await?)
    }

    /// The keys of the rows that were added.
    async fn added(&self, what: &str, mine: &HashMap<i64, Version>, touched: &mut Touched) -> Result<Vec<i64>, AppError> {
        let mut added = Vec::new();
        for (first, last) in self.ground.store().import_added(self.id()).await? {
            for id in first..=last {
                match mine.contains_key(&id) {
                    true => added.push(id),
                    false => touched.add(|| written_again(what, id)),
                }
            }
        }
        Ok(added)
    }

    /// The version of a row that the import changed.
    fn version(what: &str, id: i64, mine: &HashMap<i64, Version>, touched: &mut Touched) -> Version {
        mine.get(&id).copied().unwrap_or_else(|| {
            touched.add(|| written_again(what, id));
            Version(0)
        })
    }

    async fn facilities(&self) -> Result<Undone, AppError> {
        let store = self.ground.store();
        let mine = self.mine(LogKind::Facilities).await?;
        let mut touched = Touched::default();
        let added = self.added("facility", &mine, &mut touched).await?;
        let mut restored = 0;
        let mut last = FacilityId(i64::MIN);
        loop {
            let rows = store.import_before_facilities(self.id(), last, PAGE).await?;
            let Some(end) = rows.last() else { break };
            last = end.id;
            restored += rows.len() as u64;
            for row in rows {
                Self::version("facility", row.id.0, &mine, &mut touched);
            }
        }
        touched.none(self.id())?;
        let counts = (added.len() as u64, restored);
        if self.dry_run {
            return Ok(self.asked(counts));
        }
        let territory = self.territory().await?;
        let mut load = store.facilities_load(self.head(territory.as_deref())).await?;
        let mut last = FacilityId(i64::MIN);
        loop {
            let rows = store.import_before_facilities(self.id(), last, PAGE).await?;
            let Some(end) = rows.last() else { break };
            last = end.id;
            let rows = rows.into_iter().map(|row| FacilityRecord {
                grid: grid_now(territory.as_deref(), row.at),
                version: mine.get(&row.id.0).copied().unwrap_or_default(),
                ..row
            });
            load.push(rows.collect()).await.map_err(|error| self.refusal(error))?;
        }
        load.remove(added.into_iter().map(FacilityId).collect()).await?;
        self.done(load.finish(None).await, counts).await
    }

    async fn cases(&self) -> Result<Undone, AppError> {
        let store = self.ground.store();
        let before = store.import_before_cases(self.id(), CaseId(i64::MIN), usize::MAX).await?;
        let Ready { mut rows, removed, counts } = self.ready("case", LogKind::Cases, before).await?;
        if self.dry_run {
            return Ok(self.asked(counts));
        }
        let territory = self.territory().await?;
        rows.iter_mut().for_each(|row| row.grid = row.at.and_then(|at| grid_now(territory.as_deref(), at)));
        let removed = removed.into_iter().map(CaseId).collect();
        let commit = CaseCommit { head: self.head(territory.as_deref()), rows, removed, import: None };
        self.done(store.cases_commit(commit).await, counts).await
    }

    /// Rows without a grid of their own. `what` is how one of them is called.
    async fn rows<R: Imported, C: Future<Output = Result<Committed, StoreError>>>(
        &self,
        what: &str,
        kind: LogKind,
        before: Vec<R>,
        commit: impl FnOnce(RowCommit<R>) -> C,
    ) -> Result<Undone, AppError> {
        let Ready { rows, removed, counts } = self.ready(what, kind, before).await?;
        if self.dry_run {
            return Ok(self.asked(counts));
        }
        let commit = commit(RowCommit { head: self.head(None), rows, removed, import: None });
        self.done(commit.await, counts).await
    }

    async fn addresses(&self) -> Result<Undone, AppError> {
        let store = self.ground.store();
        let before = store.import_before_addresses(self.id()).await?;
        self.rows("address", LogKind::Addresses, before, |commit| store.addresses_commit(commit)).await
    }

    async fn organizations(&self) -> Result<Undone, AppError> {
        let store = self.ground.store();
        let before = store.import_before_organizations(self.id()).await?;
        self.rows("organization", LogKind::Organizations, before, |commit| store.organizations_commit(commit)).await
    }

    async fn buildings(&self) -> Result<Undone, AppError> {
        let store = self.ground.store();
        let before = store.import_before_buildings(self.id()).await?;
        self.rows("building", LogKind::Buildings, before, |commit| store.buildings_commit(commit)).await
    }

    /// What goes back, when all of it is as the import left it. `what` is how one of the rows is called.
    async fn ready<R: Imported>(&self, what: &str, kind: LogKind, mut rows: Vec<R>) -> Result<Ready<R>, AppError> {
        let mine = self.mine(kind).await?;
        let mut touched = Touched::default();
        let removed = self.added(what, &mine, &mut touched).await?;
        for row in &mut rows {
            let id = row.id();
            row.set_key(id, Self::version(what, id, &mine, &mut touched));
        }
        touched.none(self.id())?;
        let counts = (removed.len() as u64, rows.len() as u64);
        Ok(Ready { rows, removed, counts })
    }

    /// Staff have no versions; whoever writes them says so in the row.
    async fn staff(&self) -> Result<Undone, AppError> {
        let store = self.ground.store();
        let before = store.import_before_staff(self.id()).await?;
        let was: HashSet<&str> = before.iter().map(|row| row.id.as_str()).collect();
        let now = store.staff().await?;
        let mine: HashSet<&str> =
            now.iter().filter(|row| row.provenance.import_id == Some(self.id())).map(|row| row.id.as_str()).collect();
        let mut touched = Touched::default();
        for id in was.iter().filter(|id| !mine.contains(*id)) {
            touched.add(|| written_again("staff", id));
        }
        let removed: Vec<String> = mine.iter().filter(|id| !was.contains(*id)).map(|id| (*id).to_owned()).collect();
        let added: i64 = store.import_added(self.id()).await?.iter().map(|(first, last)| last - first + 1).sum();
        for _ in removed.len()..usize::try_from(added).unwrap_or(0) {
            touched.add(|| "one that it added was written again, or is gone".to_owned());
        }
        touched.none(self.id())?;
        let counts = (removed.len() as u64, before.len() as u64);
        if self.dry_run {
            return Ok(self.asked(counts));
        }
        let commit = StaffCommit { head: self.head(None), rows: before, removed, import: None };
        self.done(store.staff_commit(commit).await, counts).await
    }

    async fn households(&self) -> Result<Undone, AppError> {
        let counts = (0, self.before.counts.len() as u64);
        if self.dry_run {
            return Ok(self.asked(counts));
        }
        let territory = self.territory().await?;
        let commit = HouseholdCommit { head: self.head(territory.as_deref()), counts: self.before.counts.clone(), import: None };
        self.done(self.ground.store().households_restore(commit).await, counts).await
    }

    async fn boundaries(&self) -> Result<Undone, AppError> {
        let store = self.ground.store();
        let refuse = |why: String| Err(AppError::CannotUndo { id: self.id().0, why });
        let epochs = store.epochs().await?;
        let Some(published) = epochs.iter().find(|epoch| epoch.import_id == Some(self.id())) else {
            return refuse("it published nothing".to_owned());
        };
        let Some(base) = published.base else {
            return refuse("a set beside the chain stays in the list of epochs: nothing stands in it".to_owned());
        };
        let head = epochs.iter().rev().find(|epoch| epoch.set == published.set && epoch.base.is_some()).unwrap_or(published);
        // What was published after it and taken back again leaves what it published.
        if head.epoch != published.epoch && !self.says_the_same(head.epoch, published.epoch).await? {
            let some = vec![format!("epoch {} was published after it", head.epoch)];
            return Err(AppError::Touched { id: self.id().0, total: 1, some });
        }
        let mut set = match store.boundaries_at(base).await? {
            Some(set) => set,
            None => BoundarySet {
                set: published.set.clone(),
                scheme: self.settings().map_or(store.meta().await?.scheme, |meta| meta.scheme.clone()),
                ..BoundarySet::default()
            },
        };
        set.period = Period { from: None, until: None };
        let rows = (set.regions.len() + set.grids.len() + set.voids.len()) as u64;
        if self.dry_run {
            return Ok(self.asked((0, rows)));
        }
        let next = Epoch(epochs.last().map_or(1, |last| last.epoch.0 + 1));
        let (known, boundaries) = (self.ground.app().map(|app| Arc::clone(&app.published.load().territory)), set.clone());
        let in_force = set.set.is_governance();
        let built = tokio::task::spawn_blocking(move || match known.filter(|_| in_force) {
            Some(known) => known.after(next, &boundaries),
            None => Territory::build(next, &boundaries),
        });
        let built: Result<Territory, Vec<Fault>> = built.await.map_err(|_| AppError::Panicked)?;
        let territory = Arc::new(built.map_err(|faults| AppError::Damaged { epoch: base, faults })?);
        let gate = self.ground.gate(self.read).await.map_err(|error| self.refusal(error))?;
        let moved = if in_force {
            moves(self.ground, self.at, Arc::clone(&territory)).await.map_err(failed)?
        } else {
            Default::default()
        };
        let outlined = Arc::clone(&territory);
        let outlines = tokio::task::spawn_blocking(move || outlines(&outlined)).await.map_err(|_| AppError::Panicked)?;
        let commit = BoundaryCommit {
            base: head.epoch,
            chain: Chain::InForce,
            boundaries: set,
            outlines,
            facility_grids: moved.facilities,
            case_grids: moved.cases,
            import: None,
            settings: self.settings(),
            undoes: Some(self.id()),
            actor: self.actor.id.clone(),
            at: self.at,
        };
        let committed = gate.boundaries_commit(commit).await.map_err(|error| self.refusal(error))?;
        let change = published_change(self.ground, territory, &committed).await.map_err(failed)?;
        self.ground.follow(&committed, change.filter(|_| in_force && self.before.settings.is_none())).await;
        let summary = Summary { revision: committed.revision, epoch: committed.epoch };
        Ok(Undone {
            id: self.id(),
            committed: Some(summary),
            removed: committed.removed,
            restored: committed.new + committed.changed,
        })
    }
}

impl Undo<'_> {
    /// Whether two epochs have the same boundaries.
    async fn says_the_same(&self, one: Epoch, other: Epoch) -> Result<bool, AppError> {
        let store = self.ground.store();
        let (one, other) = (store.boundaries_at(one).await?, store.boundaries_at(other).await?);
        Ok(match (one, other) {
            (Some(one), Some(other)) => {
                one.scheme == other.scheme && one.regions == other.regions && one.grids == other.grids && one.voids == other.voids
            }
            _ => false,
        })
    }
}

fn written_again(what: &str, id: impl std::fmt::Display) -> String {
    format!("{what} {id} was written again, or is gone")
}

/// A place may lie in another grid than it did.
fn grid_now(territory: Option<&Territory>, at: LatticePoint) -> Option<crate::domain::code::Code> {
    super::grid_at(territory?, at)
}

fn failed(error: ImportError) -> AppError {
    match error {
        ImportError::Store(error) => error.into(),
        other => AppError::Import(other.to_string()),
    }
}
