//! The store in memory: the oracle that says what every other store must do. Nothing outlives the process.

use super::commit::{
    AddressKey, Begun, BoundaryCommit, CaseCommit, CaseKey, Chain, CommitHead, Committed, FacilityCommit, FacilityKey,
    FacilityOutcome, FacilityWrite, HouseholdCommit, ImportRecord, LogEntry, LogKind, Meta, OnStale, Once, RowCommit, Snapshot,
    StaffCommit, external_key, to_millisecond,
};
use super::error::StoreError;
use super::memory_callers::MemoryCallers;
use super::rows::{
    Counted, Entry, Named, Numbered, Sourced, checked_boundaries, checked_period, log_summary, moves_nothing, same_origin_aside,
};
use crate::domain::address::{AddressRecord, AddressRow};
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::facility::{FacilityRecord, FacilityRow};
use crate::domain::id::{AddressId, CaseId, Epoch, FacilityId, GridSet, ImportId, Revision, Version};
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::{BoundarySet, EpochRecord, Provenance};
use crate::domain::staff::StaffRecord;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// A store in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    pub(super) callers: MemoryCallers,
}

#[derive(Debug, Clone)]
struct Inner {
    meta: Meta,
    epochs: Vec<EpochRecord>,
    boundaries: BTreeMap<Epoch, BoundarySet>,
    facilities: BTreeMap<i64, FacilityRecord>,
    cases: BTreeMap<i64, CaseRecord>,
    addresses: BTreeMap<i64, AddressRecord>,
    staff: BTreeMap<String, StaffRecord>,
    organizations: BTreeMap<i64, OrganizationRecord>,
    buildings: BTreeMap<i64, BuildingRecord>,
    imports: Vec<ImportRecord>,
    /// Rows of before, of imports that can be taken back.
    kept: BTreeMap<i64, Kept>,
    /// Answers to writes that have a name, by caller and key: hash of what was asked, when, the answer.
    answers: BTreeMap<(String, String), (u64, Timestamp, Answer)>,
    log: Vec<LogEntry>,
    last_facility: i64,
    last_case: i64,
    last_address: i64,
    last_organization: i64,
    last_building: i64,
    last_import: i64,
}

/// What an import changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) facilities: Vec<FacilityRecord>,
    pub(super) cases: Vec<CaseRecord>,
    pub(super) addresses: Vec<AddressRecord>,
    pub(super) organizations: Vec<OrganizationRecord>,
    pub(super) buildings: Vec<BuildingRecord>,
    staff: Vec<StaffRecord>,
    added: Vec<i64>,
}

/// What a write that has a name was answered.
#[derive(Debug, Clone)]
enum Answer {
    Facility(Box<FacilityOutcome>),
    Import(ImportId),
}

impl MemoryStore {
    /// An empty city.
    pub fn new(meta: Meta) -> Self {
        let inner = Inner {
            meta,
            epochs: Vec::new(),
            boundaries: BTreeMap::new(),
            facilities: BTreeMap::new(),
            cases: BTreeMap::new(),
            addresses: BTreeMap::new(),
            staff: BTreeMap::new(),
            organizations: BTreeMap::new(),
            buildings: BTreeMap::new(),
            imports: Vec::new(),
            kept: BTreeMap::new(),
            answers: BTreeMap::new(),
            log: Vec::new(),
            last_facility: 0,
            last_case: 0,
            last_address: 0,
            last_organization: 0,
            last_building: 0,
            last_import: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)), callers: MemoryCallers::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the lock")
    }

    /// All that is done to the store: on a copy that replaces it only when everything went well.
    fn write<T>(&self, work: impl FnOnce(&mut Inner) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut inner = self.lock();
        let mut next = inner.clone();
        let answer = work(&mut next)?;
        *inner = next;
        Ok(answer)
    }

    /// A store of its own with all that is in this one now.
    pub(super) fn apart(&self) -> Self {
        Self { inner: Arc::new(Mutex::new(self.lock().clone())), callers: self.callers.clone() }
    }

    pub(super) fn facilities_after(&self, after: FacilityId, limit: usize) -> Vec<FacilityRecord> {
        self.lock().facilities.range(after.0.saturating_add(1)..).take(limit).map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn cases_after(&self, after: CaseId, limit: usize) -> Vec<CaseRecord> {
        let inner = self.lock();
        let open = inner.cases.range(after.0.saturating_add(1)..).filter(|(_, case)| case.state.is_open());
        open.take(limit).map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn meta(&self) -> Meta {
        self.lock().meta.clone()
    }

    pub(super) fn meta_set(&self, meta: Meta, actor: &str, at: Timestamp) -> Result<Committed, StoreError> {
        self.write(|inner| {
            let changed = u64::from(inner.settle(Some(&meta)));
            let counted = Counted { changed, same: 1 - changed, ..Counted::default() };
            inner.log(Entry::of(LogKind::Meta, &CommitHead::new(actor, at), None), counted)
        })
    }

    pub(super) fn snapshot(&self, at: Timestamp) -> Snapshot {
        let inner = self.lock();
        let set = GridSet::default();
        let epoch = super::epoch_at(&inner.epochs, &set, at).cloned();
        let others = super::others_at(&inner.epochs, at);
        Snapshot {
            meta: inner.meta.clone(),
            others: others.into_iter().filter_map(|record| Some((record.clone(), inner.boundaries_at(record.epoch)?))).collect(),
            revision: inner.revision(),
            boundaries: epoch.as_ref().and_then(|epoch| inner.boundaries_at(epoch.epoch)),
            epoch,
            facilities: inner.facilities.values().map(|row| facility_row(row, &inner.meta.profile)).collect(),
            staff: inner.staff.values().cloned().collect(),
            organizations: inner.organizations.values().cloned().collect(),
            buildings: inner.buildings.values().cloned().collect(),
            cases: inner.cases.values().filter(|case| case.state.is_open()).cloned().collect(),
            addresses: inner.addresses.values().map(address_row).collect(),
        }
    }

    pub(super) fn epochs(&self) -> Vec<EpochRecord> {
        self.lock().epochs.clone()
    }

    pub(super) fn boundaries_at(&self, epoch: Epoch) -> Option<BoundarySet> {
        self.lock().boundaries_at(epoch)
    }

    pub(super) fn boundaries_commit(&self, commit: BoundaryCommit) -> Result<Committed, StoreError> {
        let mut boundaries = checked_boundaries(commit.boundaries)?;
        if commit.chain == Chain::Beside {
            moves_nothing(&commit.facility_grids, &commit.case_grids)?;
        }
        let at = to_millisecond(commit.at);
        let said = |import, published| Entry {
            kind: LogKind::Boundaries,
            actor: &commit.actor,
            at,
            import,
            undoes: commit.undoes,
            published,
            settings: commit.settings.as_deref(),
        };
        self.write(|inner| {
            let head = inner.head(&boundaries.set);
            let current = head.as_ref().map_or(Epoch(0), |head| head.epoch);
            let before = match commit.chain {
                Chain::InForce if commit.base != current => return Err(StoreError::Stale { base: commit.base, current }),
                Chain::InForce => inner.boundaries.get(&current).cloned(),
                Chain::Beside => None,
            };
            let import = commit.import.map(|import| inner.import(import));
            if commit.chain == Chain::Beside
                && let Some(known) = inner.epochs.iter().find(|epoch| {
                    epoch.base.is_none()
                        && epoch.set == boundaries.set
                        && epoch.period == boundaries.period
                        && inner.boundaries.get(&epoch.epoch).is_some_and(|stored| same_boundaries(stored, &boundaries))
                })
            {
                let same = (boundaries.regions.len() + boundaries.grids.len() + boundaries.voids.len()) as u64;
                let epoch = known.epoch;
                let counted = Counted { same, ..Counted::default() };
                return Ok(Committed { epoch, ..inner.log(said(import, None), counted)? });
            }
            let none = BoundarySet { set: boundaries.set.clone(), ..BoundarySet::default() };
            let old = before.as_ref().unwrap_or(&none);
            let mut counted = Counted::default();
            counted.merge(&old.regions, &mut boundaries.regions, import);
            counted.merge(&old.grids, &mut boundaries.grids, import);
            counted.merge(&old.voids, &mut boundaries.voids, import);
            let publishes = before.is_none() || counted.differs() || old.scheme != boundaries.scheme;
            for (id, grid) in commit.facility_grids {
                if let Some(row) = inner.facilities.get_mut(&id.0).filter(|row| row.grid != grid) {
                    row.grid = grid;
                    row.version.0 += 1;
                    counted.moved += 1;
                }
            }
            for (id, grid) in commit.case_grids {
                if let Some(row) = inner.cases.get_mut(&id.0).filter(|row| row.grid != grid) {
                    row.grid = grid;
                    row.version.0 += 1;
                    counted.moved += 1;
                }
            }
            let mut published = None;
            if publishes {
                let epoch = Epoch(inner.epochs.last().map_or(1, |last| last.epoch.0 + 1));
                let ended = head.filter(|_| commit.chain == Chain::InForce);
                boundaries.period = checked_period(boundaries.period, ended.as_ref().map(|head| head.period), at)?;
                if let Some(head) = ended {
                    let until = boundaries.period.from;
                    inner
                        .epochs
                        .iter_mut()
                        .filter(|epoch| epoch.epoch == head.epoch)
                        .for_each(|epoch| epoch.period.until = until);
                }
                inner.epochs.push(EpochRecord {
                    epoch,
                    set: boundaries.set.clone(),
                    base: (commit.chain == Chain::InForce).then_some(current),
                    period: boundaries.period,
                    import_id: import,
                });
                inner.boundaries.insert(epoch, boundaries);
                published = Some(epoch);
            }
            inner.log(said(import, published), counted)
        })
    }

    pub(super) fn households_write(&self, commit: HouseholdCommit, exact: bool) -> Result<Committed, StoreError> {
        self.write(|inner| {
            let head = inner.head_checked(&commit.head)?;
            let none = BoundarySet::default();
            let stored = inner.boundaries.get(&head).unwrap_or(&none);
            let mut next = stored.clone();
            let mut counted = Counted::default();
            let mut unknown = Vec::new();
            for count in &commit.counts {
                let Ok(place) = next.grids.binary_search_by(|grid| grid.code.cmp(&count.grid)) else {
                    unknown.push(count.grid.to_string());
                    continue;
                };
                let grid = &mut next.grids[place];
                let now = count.over((grid.households, grid.population), exact);
                if (grid.households, grid.population) == now {
                    counted.same += 1;
                } else {
                    (grid.households, grid.population) = now;
                    counted.changed += 1;
                }
            }
            super::rows::known_grids(&unknown)?;
            let import = commit.import.map(|import| inner.import(import));
            if counted.differs() {
                inner.boundaries.insert(head, next);
            }
            inner.log(Entry::of(LogKind::Households, &commit.head, import), counted)
        })
    }

    pub(super) fn facilities_commit(&self, commit: FacilityCommit) -> Result<Committed, StoreError> {
        self.write(|inner| {
            inner.head_checked(&commit.head)?;
            let profile = commit.head.settings.as_ref().map_or(&inner.meta.profile, |settings| &settings.profile);
            for row in &commit.rows {
                super::rows::known_category(profile, &row.category)?;
            }
            let import = commit.import.map(|import| inner.import(import));
            let removed: Vec<i64> = commit.removed.iter().map(|id| id.0).collect();
            let (known, before) = known_rows(&inner.facilities, &commit.rows);
            let counted =
                write_rows(&mut inner.facilities, &mut inner.last_facility, commit.rows, &removed, &commit.head, import)?;
            let facilities = changed_rows(&inner.facilities, before);
            inner.keep(import, Kept { facilities, added: added(&counted, &known), ..Kept::default() });
            inner.log(Entry::of(LogKind::Facilities, &commit.head, import), counted)
        })
    }

    pub(super) fn facility_write(
        &self,
        head: CommitHead,
        write: FacilityWrite,
        once: Option<Once>,
    ) -> Result<FacilityOutcome, StoreError> {
        self.write(|inner| {
            if let Some(once) = &once
                && let Some(outcome) = inner.outcome(&head, once)?
            {
                return Ok(outcome);
            }
            inner.head_checked(&head)?;
            let (rows, removed) = match write {
                FacilityWrite::Put(row) => {
                    let profile = head.settings.as_ref().map_or(&inner.meta.profile, |settings| &settings.profile);
                    super::rows::known_category(profile, &row.category)?;
                    (vec![*row], vec![])
                }
                FacilityWrite::Remove(id, version) => {
                    let current = inner.facilities.get(&id.0).map_or(Version(0), |row| row.version);
                    if current != version {
                        return Err(super::rows::changed::<FacilityRecord>(id.0, version, current));
                    }
                    (vec![], vec![id.0])
                }
            };
            let counted = write_rows(&mut inner.facilities, &mut inner.last_facility, rows, &removed, &head, None)?;
            let row = counted.ids.first().map(|id| inner.facilities[id].clone());
            let before = inner.revision();
            let revision = inner.log(Entry::of(LogKind::Facilities, &head, None), counted)?.revision;
            let outcome = FacilityOutcome { revision, row, written: revision > before, repeated: false };
            if let Some(once) = once {
                let answer = Answer::Facility(Box::new(outcome.clone()));
                inner.answers.insert((head.actor, once.key), (once.request, head.at, answer));
            }
            Ok(outcome)
        })
    }

    pub(super) fn facility_outcome(&self, head: &CommitHead, once: &Once) -> Result<Option<FacilityOutcome>, StoreError> {
        self.lock().outcome(head, once)
    }

    pub(super) fn cases_commit(&self, commit: CaseCommit) -> Result<Committed, StoreError> {
        let CaseCommit { head, rows, removed, import } = commit;
        let commit = RowCommit { head, rows, removed: removed.into_iter().map(|id| id.0).collect(), import };
        let kept = |cases| Kept { cases, ..Kept::default() };
        self.rows_commit(LogKind::Cases, commit, |inner| (&mut inner.cases, &mut inner.last_case), kept)
    }

    pub(super) fn addresses_commit(&self, commit: RowCommit<AddressRecord>) -> Result<Committed, StoreError> {
        let kept = |addresses| Kept { addresses, ..Kept::default() };
        self.rows_commit(LogKind::Addresses, commit, |inner| (&mut inner.addresses, &mut inner.last_address), kept)
    }

    pub(super) fn organizations_commit(&self, commit: RowCommit<OrganizationRecord>) -> Result<Committed, StoreError> {
        let kept = |organizations| Kept { organizations, ..Kept::default() };
        self.rows_commit(LogKind::Organizations, commit, |inner| (&mut inner.organizations, &mut inner.last_organization), kept)
    }

    pub(super) fn buildings_commit(&self, commit: RowCommit<BuildingRecord>) -> Result<Committed, StoreError> {
        let kept = |buildings| Kept { buildings, ..Kept::default() };
        self.rows_commit(LogKind::Buildings, commit, |inner| (&mut inner.buildings, &mut inner.last_building), kept)
    }

    /// Writes rows of a table that has its last key beside it.
    fn rows_commit<R: Numbered + Clone>(
        &self,
        kind: LogKind,
        commit: RowCommit<R>,
        table: for<'i> fn(&'i mut Inner) -> (&'i mut BTreeMap<i64, R>, &'i mut i64),
        kept: impl Fn(Vec<R>) -> Kept,
    ) -> Result<Committed, StoreError> {
        self.write(|inner| {
            inner.head_checked(&commit.head)?;
            let import = commit.import.map(|import| inner.import(import));
            let (rows, last) = table(inner);
            let (known, before) = known_rows(rows, &commit.rows);
            let counted = write_rows(rows, last, commit.rows, &commit.removed, &commit.head, import)?;
            let before = changed_rows(rows, before);
            inner.keep(import, Kept { added: added(&counted, &known), ..kept(before) });
            inner.log(Entry::of(kind, &commit.head, import), counted)
        })
    }

    pub(super) fn organizations(&self) -> Vec<OrganizationRecord> {
        self.lock().organizations.values().cloned().collect()
    }

    pub(super) fn buildings(&self) -> Vec<BuildingRecord> {
        self.lock().buildings.values().cloned().collect()
    }

    pub(super) fn staff_commit(&self, commit: StaffCommit) -> Result<Committed, StoreError> {
        self.write(|inner| {
            inner.head_checked(&commit.head)?;
            super::rows::each_once(
                "staff",
                commit.rows.iter().map(|row| row.id.as_str()).chain(commit.removed.iter().map(String::as_str)),
            )?;
            let import = commit.import.map(|import| inner.import(import));
            let mut counted = Counted::default();
            let mut kept = Kept::default();
            for mut row in commit.rows {
                match inner.staff.get(&row.id) {
                    Some(old) if same_origin_aside(old, &row) => counted.same += 1,
                    old => {
                        match old {
                            Some(old) => {
                                counted.changed += 1;
                                kept.staff.push(old.clone());
                            }
                            None => {
                                counted.new += 1;
                                kept.added.push(inner.staff.len() as i64);
                            }
                        }
                        row.stamp(import);
                        inner.staff.insert(row.id.clone(), row);
                    }
                }
            }
            counted.removed = commit.removed.iter().filter(|id| inner.staff.remove(*id).is_some()).count() as u64;
            inner.keep(import, kept);
            inner.log(Entry::of(LogKind::Staff, &commit.head, import), counted)
        })
    }

    pub(super) fn facility_keys(&self) -> Vec<FacilityKey> {
        let key = |row: &FacilityRecord| FacilityKey {
            id: row.id,
            version: row.version,
            code: row.code.as_deref().map(Into::into),
            external: external_keys(&row.provenance),
            source_hash: row.provenance.source_hash,
        };
        self.lock().facilities.values().map(key).collect()
    }

    pub(super) fn case_keys(&self) -> Vec<CaseKey> {
        let key = |row: &CaseRecord| CaseKey {
            id: row.id,
            version: row.version,
            source_system: row.source_system.clone(),
            external_id: row.external_id.clone(),
            source_updated_at: row.source_updated_at,
            source_hash: row.provenance.source_hash,
        };
        self.lock().cases.values().map(key).collect()
    }

    pub(super) fn address_keys(&self) -> Vec<AddressKey> {
        let key = |row: &AddressRecord| AddressKey {
            id: row.id,
            version: row.version,
            external: external_keys(&row.provenance),
            source_hash: row.provenance.source_hash,
        };
        self.lock().addresses.values().map(key).collect()
    }

    pub(super) fn addresses(&self) -> Vec<AddressRow> {
        self.lock().addresses.values().map(address_row).collect()
    }

    pub(super) fn addresses_by_ids(&self, ids: &[AddressId]) -> Vec<AddressRecord> {
        let inner = self.lock();
        let ids: BTreeSet<i64> = ids.iter().map(|id| id.0).collect();
        ids.iter().filter_map(|id| inner.addresses.get(id).cloned()).collect()
    }

    pub(super) fn facilities_by_ids(&self, ids: &[FacilityId]) -> Vec<FacilityRecord> {
        let inner = self.lock();
        let ids: BTreeSet<i64> = ids.iter().map(|id| id.0).collect();
        ids.iter().filter_map(|id| inner.facilities.get(id).cloned()).collect()
    }

    pub(super) fn cases_by_ids(&self, ids: &[CaseId]) -> Vec<CaseRecord> {
        let inner = self.lock();
        let ids: BTreeSet<i64> = ids.iter().map(|id| id.0).collect();
        ids.iter().filter_map(|id| inner.cases.get(id).cloned()).collect()
    }

    pub(super) fn staff(&self) -> Vec<StaffRecord> {
        self.lock().staff.values().cloned().collect()
    }

    pub(super) fn facilities_by_external(&self, system: &str, id: &str) -> Vec<FacilityRecord> {
        let named = |row: &&FacilityRecord| row.provenance.external_ids.get(system).is_some_and(|known| known == id);
        self.lock().facilities.values().filter(named).cloned().collect()
    }

    pub(super) fn imports(&self) -> Vec<ImportRecord> {
        let listed = |import: &ImportRecord| {
            let report = match import.report.get("status") {
                Some(status) => serde_json::json!({ "status": status }),
                None => serde_json::Value::Null,
            };
            ImportRecord { report, before: serde_json::Value::Null, ..import.clone() }
        };
        self.lock().imports.iter().map(listed).collect()
    }

    pub(super) fn import_begin(&self, record: ImportRecord, actor: &str, once: Option<Once>) -> Result<Begun, StoreError> {
        self.write(|inner| {
            let at = record.at;
            if let Some(once) = &once {
                match inner.answer(actor, at, once)? {
                    Some(Answer::Import(id)) => return Ok(Begun { id: *id, repeated: true }),
                    Some(Answer::Facility(_)) => return Err(StoreError::KeyReused(once.key.clone())),
                    None => {}
                }
            }
            let id = inner.import(record);
            if let Some(once) = once {
                inner.answers.insert((actor.to_owned(), once.key), (once.request, at, Answer::Import(id)));
            }
            Ok(Begun { id, repeated: false })
        })
    }

    pub(super) fn import_note(&self, record: ImportRecord) -> Result<(), StoreError> {
        self.write(|inner| {
            if let Some(known) = inner.imports.iter_mut().find(|known| known.id == record.id) {
                known.revision = record.revision.or(known.revision);
                if !record.before.is_null() {
                    known.before = record.before;
                }
                (known.file, known.crs, known.report, known.state) = (record.file, record.crs, record.report, record.state);
                known.at = to_millisecond(record.at);
            }
            Ok(())
        })
    }

    pub(super) fn import_rows(&self, kind: LogKind, id: ImportId) -> HashMap<i64, Version> {
        fn of<R: Numbered>(rows: &BTreeMap<i64, R>, id: ImportId) -> HashMap<i64, Version> {
            let mine = rows.values().filter(|row| row.provenance().import_id == Some(id));
            mine.map(|row| (row.id(), row.version())).collect()
        }
        let inner = self.lock();
        match kind {
            LogKind::Facilities => of(&inner.facilities, id),
            LogKind::Cases => of(&inner.cases, id),
            LogKind::Addresses => of(&inner.addresses, id),
            LogKind::Organizations => of(&inner.organizations, id),
            LogKind::Buildings => of(&inner.buildings, id),
            _ => HashMap::new(),
        }
    }

    pub(super) fn import_added(&self, id: ImportId) -> Vec<(i64, i64)> {
        self.lock().kept.get(&id.0).map(|kept| kept.added.iter().map(|id| (*id, *id)).collect()).unwrap_or_default()
    }

    pub(super) fn import_before<R: Numbered>(
        &self,
        id: ImportId,
        after: i64,
        limit: usize,
        rows: impl Fn(&Kept) -> &Vec<R>,
    ) -> Vec<R> {
        let inner = self.lock();
        let mut rows: Vec<R> = inner.kept.get(&id.0).map(|kept| rows(kept).clone()).unwrap_or_default();
        rows.sort_by_key(R::id);
        rows.into_iter().filter(|row| row.id() > after).take(limit).collect()
    }

    pub(super) fn import_before_staff(&self, id: ImportId) -> Vec<StaffRecord> {
        self.lock().kept.get(&id.0).map(|kept| kept.staff.clone()).unwrap_or_default()
    }

    pub(super) fn import_report(&self, id: ImportId) -> Option<ImportRecord> {
        self.lock().imports.iter().find(|import| import.id == id).cloned()
    }

    pub(super) fn log_since(&self, after: Revision, limit: usize) -> Vec<LogEntry> {
        self.lock().log.iter().filter(|entry| entry.revision > after).take(limit).cloned().collect()
    }

    pub(super) fn revision(&self) -> Revision {
        self.lock().revision()
    }
}

impl Inner {
    fn revision(&self) -> Revision {
        self.log.last().map_or(Revision(0), |entry| entry.revision)
    }

    /// Takes over what a commit says about the city itself; whether that is different now.
    fn settle(&mut self, settings: Option<&Meta>) -> bool {
        let differs = settings.is_some_and(|next| *next != self.meta);
        if let Some(next) = settings {
            self.meta = next.clone();
        }
        differs
    }

    fn keeps_categories(&self) -> Result<(), StoreError> {
        let used: BTreeSet<&str> = self.facilities.values().map(|row| row.category.as_str()).collect();
        super::rows::keeps_categories(&self.meta.profile, used.into_iter())
    }

    /// The answer that a write of this name had.
    fn outcome(&self, head: &CommitHead, once: &Once) -> Result<Option<FacilityOutcome>, StoreError> {
        match self.answer(&head.actor, head.at, once)? {
            Some(Answer::Facility(outcome)) => {
                Ok(Some(FacilityOutcome { repeated: true, written: false, ..(**outcome).clone() }))
            }
            Some(Answer::Import(_)) => Err(StoreError::KeyReused(once.key.clone())),
            None => Ok(None),
        }
    }

    fn answer(&self, actor: &str, at: Timestamp, once: &Once) -> Result<Option<&Answer>, StoreError> {
        match self.answers.get(&(actor.to_owned(), once.key.clone())) {
            Some((_, then, _)) if *then <= at - Once::KEPT => Ok(None),
            Some((request, ..)) if *request != once.request => Err(StoreError::KeyReused(once.key.clone())),
            found => Ok(found.map(|(_, _, answer)| answer)),
        }
    }

    /// Keeps what an import changed, and forgets what is too old to be taken back.
    fn keep(&mut self, import: Option<ImportId>, kept: Kept) {
        if let Some(import) = import {
            self.kept.insert(import.0, kept);
            while self.kept.len() > ImportRecord::UNDOABLE {
                self.kept.pop_first();
            }
        }
    }

    /// The end of the chain of a grid set.
    fn head(&self, set: &GridSet) -> Option<EpochRecord> {
        self.epochs.iter().rev().find(|epoch| epoch.set == *set && epoch.base.is_some()).cloned()
    }

    /// The current epoch, if the commit is still right about it.
    fn head_checked(&self, head: &CommitHead) -> Result<Epoch, StoreError> {
        let current = self.head(&GridSet::default()).map_or(Epoch(0), |head| head.epoch);
        match head.epoch {
            Some(base) if base != current => Err(StoreError::Stale { base, current }),
            _ => Ok(current),
        }
    }

    fn boundaries_at(&self, epoch: Epoch) -> Option<BoundarySet> {
        let record = self.epochs.iter().find(|record| record.epoch == epoch)?;
        self.boundaries.get(&epoch).map(|stored| BoundarySet { period: record.period, ..stored.clone() })
    }

    fn import(&mut self, import: ImportRecord) -> ImportId {
        let id = match import.id {
            ImportId(0) => {
                self.last_import += 1;
                ImportId(self.last_import)
            }
            announced => announced,
        };
        let import = ImportRecord { id, at: to_millisecond(import.at), ..import };
        match self.imports.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = import,
            None => self.imports.push(import),
        }
        id
    }

    /// The last step of a commit: takes the next revision, unless nothing changed.
    fn log(&mut self, entry: Entry<'_>, mut counted: Counted) -> Result<Committed, StoreError> {
        counted.settings |= self.settle(entry.settings);
        self.keeps_categories()?;
        if counted.differs() || entry.published.is_some() {
            self.log.push(LogEntry {
                revision: Revision(self.revision().0 + 1),
                at: to_millisecond(entry.at),
                actor: entry.actor.to_owned(),
                kind: entry.kind,
                summary: log_summary(&counted, entry.import, entry.published),
            });
            let revision = Some(self.revision());
            self.imports.iter_mut().filter(|known| Some(known.id) == entry.import).for_each(|known| known.revision = revision);
        }
        if let Some(import) = entry.undoes {
            let revision = Some(self.revision());
            self.imports.iter_mut().filter(|known| known.id == import).for_each(|known| known.undone = revision);
            self.kept.remove(&import.0);
        }
        let epoch = self.head(&GridSet::default()).map_or(Epoch(0), |head| head.epoch);
        Ok(counted.committed(self.revision(), entry.published.unwrap_or(epoch), entry.import))
    }
}

fn same_boundaries(a: &BoundarySet, b: &BoundarySet) -> bool {
    fn same<R: Named>(a: &[R], b: &[R]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_origin_aside(a, b))
    }
    a.scheme == b.scheme && same(&a.regions, &b.regions) && same(&a.grids, &b.grids) && same(&a.voids, &b.voids)
}

fn write_rows<R: Numbered>(
    table: &mut BTreeMap<i64, R>,
    last: &mut i64,
    rows: Vec<R>,
    removed: &[i64],
    head: &CommitHead,
    import: Option<ImportId>,
) -> Result<Counted, StoreError> {
    super::rows::each_once(R::WHAT, rows.iter().map(R::id).filter(|id| *id != 0).chain(removed.iter().copied()))?;
    let mut counted = Counted::default();
    for mut row in rows {
        row.settle();
        if row.id() == 0 {
            *last += 1;
            row.set_key(*last, Version(1));
            row.stamp(import);
            counted.new += 1;
            counted.ids.push(*last);
            table.insert(*last, row);
            continue;
        }
        counted.ids.push(row.id());
        let old = table.get(&row.id());
        let current = old.map_or(Version(0), R::version);
        let Some(old) = old.filter(|_| row.version().0 == 0 || row.version() == current) else {
            match head.on_stale {
                OnStale::Refuse => return Err(super::rows::changed::<R>(row.id(), row.version(), current)),
                OnStale::Skip => counted.stale.push(row.id()),
            }
            continue;
        };
        row.set_key(row.id(), current);
        if same_origin_aside(old, &row) {
            counted.same += 1;
        } else {
            row.set_key(row.id(), Version(current.0 + 1));
            row.stamp(import);
            counted.changed += 1;
            table.insert(row.id(), row);
        }
    }
    counted.removed = removed.iter().filter(|id| table.remove(id).is_some()).count() as u64;
    Ok(counted)
}

/// Keys of the given rows that are not new, and those rows as they are stored.
fn known_rows<R: Numbered>(table: &BTreeMap<i64, R>, rows: &[R]) -> (BTreeSet<i64>, Vec<R>) {
    let known: BTreeSet<i64> = rows.iter().map(R::id).filter(|id| *id != 0).collect();
    let before = known.iter().filter_map(|id| table.get(id).cloned()).collect();
    (known, before)
}

/// Those of some rows of before that are others now.
fn changed_rows<R: Numbered>(table: &BTreeMap<i64, R>, before: Vec<R>) -> Vec<R> {
    let changed = |old: &R| table.get(&old.id()).is_some_and(|now| now.version() != old.version());
    before.into_iter().filter(changed).collect()
}

/// Keys that a commit gave.
fn added(counted: &Counted, known: &BTreeSet<i64>) -> Vec<i64> {
    counted.ids.iter().copied().filter(|id| !known.contains(id)).collect()
}

fn external_keys(provenance: &Provenance) -> Box<[u64]> {
    let mut keys: Vec<u64> = provenance.external_ids.iter().map(|(system, id)| external_key(system, id)).collect();
    keys.sort_unstable();
    keys.into()
}

fn address_row(row: &AddressRecord) -> AddressRow {
    AddressRow {
        id: row.id,
        at: row.at,
        within: row.within.clone(),
        text: row.text.as_str().into(),
        name: row.name.as_str().into(),
    }
}

/// The compact form of a stored facility; its category is in the profile, which every commit checks.
fn facility_row(row: &FacilityRecord, profile: &CodeProfile) -> FacilityRow {
    FacilityRow {
        id: row.id,
        at: row.at,
        grid: row.grid.clone(),
        code: row.code.as_deref().map(Into::into),
        name: row.name.as_str().into(),
        version: row.version,
        category: profile.position(CategoryKind::Component, &row.category).unwrap_or(u16::MAX),
        state: row.state,
    }
}
