//! Durable truth. Every commit is one transaction that takes one revision of the change log; what a commit did not change is not
//! written. [`MemoryStore`] is the oracle, the embedded store keeps one GeoPackage file.

mod commit;
mod error;
mod memory;
mod rows;

pub use commit::{
    BoundaryCommit, CaseCommit, CaseKey, Chain, CommitHead, Committed, FacilityCommit, FacilityKey, HouseholdCommit,
    ImportRecord, LogEntry, LogKind, Meta, OnStale, Snapshot, StaffCommit, external_key,
};
pub use error::StoreError;
pub use memory::MemoryStore;

use crate::domain::case::CaseRecord;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{CaseId, Epoch, FacilityId, ImportId, Revision};
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::staff::StaffRecord;
use jiff::Timestamp;

/// A store. Clones share it.
#[derive(Debug, Clone)]
pub enum Store {
    /// Nothing outlives the process.
    Memory(MemoryStore),
}

/// Facilities of any number on their way in: nothing is visible before `finish`, and nothing is left of it when it is dropped before.
#[derive(Debug)]
pub struct FacilityLoad {
    inner: Load,
}

#[derive(Debug)]
enum Load {
    Memory { store: MemoryStore, commit: FacilityCommit },
}

impl FacilityLoad {
    /// Rows as in [`FacilityCommit::rows`]; best some thousands at a time. Waits while the store is behind.
    pub async fn push(&mut self, rows: Vec<FacilityRecord>) -> Result<(), StoreError> {
        match &mut self.inner {
            Load::Memory { commit, .. } => commit.rows.extend(rows),
        }
        Ok(())
    }

    /// Ids as in [`FacilityCommit::removed`].
    pub async fn remove(&mut self, ids: Vec<FacilityId>) -> Result<(), StoreError> {
        match &mut self.inner {
            Load::Memory { commit, .. } => commit.removed.extend(ids),
        }
        Ok(())
    }

    /// Makes everything visible in one transaction. The import's report may be complete only now.
    pub async fn finish(self, import: Option<ImportRecord>) -> Result<Committed, StoreError> {
        match self.inner {
            Load::Memory { store, commit } => store.facilities_commit(FacilityCommit { import, ..commit }),
        }
    }
}

impl Store {
    /// An empty store in memory.
    pub fn memory(meta: Meta) -> Self {
        Self::Memory(MemoryStore::new(meta))
    }

    /// What the city says about itself.
    pub async fn meta(&self) -> Result<Meta, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.meta()),
        }
    }

    /// Replaces it. A profile must keep the categories that facilities have.
    pub async fn meta_set(&self, meta: Meta, actor: &str, at: Timestamp) -> Result<Committed, StoreError> {
        match self {
            Self::Memory(store) => store.meta_set(meta, actor, at),
        }
    }

    /// The city with the boundaries in force at `at`.
    pub async fn snapshot(&self, at: Timestamp) -> Result<Snapshot, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.snapshot(at)),
        }
    }

    /// The change log's last number.
    pub async fn revision(&self) -> Result<Revision, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.revision()),
        }
    }

    /// Every boundary set there is, by epoch.
    pub async fn epochs(&self) -> Result<Vec<EpochRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.epochs()),
        }
    }

    /// The contents of one epoch, its period as it is now.
    pub async fn boundaries_at(&self, epoch: Epoch) -> Result<Option<BoundarySet>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.boundaries_at(epoch)),
        }
    }

    /// Publishes, if `base` is still current. A set that says what the current one says publishes nothing.
    pub async fn boundaries_commit(&self, commit: BoundaryCommit) -> Result<Committed, StoreError> {
        match self {
            Self::Memory(store) => store.boundaries_commit(commit),
        }
    }

    /// Writes counts into the grids of the current epoch.
    pub async fn households_commit(&self, commit: HouseholdCommit) -> Result<Committed, StoreError> {
        match self {
            Self::Memory(store) => store.households_commit(commit),
        }
    }

    /// Writes facilities, all or none.
    pub async fn facilities_commit(&self, commit: FacilityCommit) -> Result<Committed, StoreError> {
        match self {
            Self::Memory(store) => store.facilities_commit(commit),
        }
    }

    /// Begins to write facilities of any number.
    pub async fn facilities_load(&self, head: CommitHead) -> Result<FacilityLoad, StoreError> {
        let inner = match self {
            Self::Memory(store) => Load::Memory {
                store: store.clone(),
                commit: FacilityCommit { head, rows: Vec::new(), removed: Vec::new(), import: None },
            },
        };
        Ok(FacilityLoad { inner })
    }

    /// Writes cases, all or none.
    pub async fn cases_commit(&self, commit: CaseCommit) -> Result<Committed, StoreError> {
        match self {
            Self::Memory(store) => store.cases_commit(commit),
        }
    }

    /// Writes staff, all or none.
    pub async fn staff_commit(&self, commit: StaffCommit) -> Result<Committed, StoreError> {
        match self {
            Self::Memory(store) => store.staff_commit(commit),
        }
    }

    /// What every facility is recognised by, by id.
    pub async fn facility_keys(&self) -> Result<Vec<FacilityKey>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.facility_keys()),
        }
    }

    /// What every case, open or not, is recognised by, by id.
    pub async fn case_keys(&self) -> Result<Vec<CaseKey>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.case_keys()),
        }
    }

    /// Whole facilities by id, each once; ids that do not exist are passed over.
    pub async fn facilities_by_ids(&self, ids: &[FacilityId]) -> Result<Vec<FacilityRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.facilities_by_ids(ids)),
        }
    }

    /// Whole cases by id, each once; ids that do not exist are passed over.
    pub async fn cases_by_ids(&self, ids: &[CaseId]) -> Result<Vec<CaseRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.cases_by_ids(ids)),
        }
    }

    /// Facilities that another system calls `id`, by their own id.
    pub async fn facilities_by_external(&self, system: &str, id: &str) -> Result<Vec<FacilityRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.facilities_by_external(system, id)),
        }
    }

    /// All staff, by id.
    pub async fn staff(&self) -> Result<Vec<StaffRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.staff()),
        }
    }

    /// All imports in order, without their reports.
    pub async fn imports(&self) -> Result<Vec<ImportRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.imports()),
        }
    }

    /// One import with its report.
    pub async fn import_report(&self, id: ImportId) -> Result<Option<ImportRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.import_report(id)),
        }
    }

    /// The first `limit` entries of the change log after `after`.
    pub async fn log_since(&self, after: Revision, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.log_since(after, limit)),
        }
    }
}

/// What one boundary set stands in force at an instant: the highest epoch of its grid set whose period holds it.
pub fn epoch_at<'a>(epochs: &'a [EpochRecord], set: &crate::domain::id::GridSet, instant: Timestamp) -> Option<&'a EpochRecord> {
    epochs.iter().rev().find(|epoch| epoch.set == *set && epoch.period.holds(instant))
}
