//! Durable truth. Every commit is one transaction that takes one revision of the change log; what a commit did not change is not
//! written. [`MemoryStore`] is the oracle, [`EmbeddedStore`] keeps one GeoPackage file, [`PostgisStore`] a schema in PostgreSQL.

#[macro_use]
mod ask;
pub mod callers;
mod commit;
mod copy;
mod embedded;
mod error;
mod layers;
mod memory;
mod memory_callers;
#[cfg(feature = "postgres")]
mod postgis;
mod rows;
mod since;
mod values;
mod view;

pub use commit::{
    AddressKey, Begun, BoundaryCommit, CaseCommit, CaseKey, Chain, CommitHead, Committed, FacilityCommit, FacilityKey,
    FacilityOutcome, FacilityWrite, HouseholdCommit, ImportRecord, ImportState, LogEntry, LogKind, Meta, OnStale, Once,
    RowCommit, Snapshot, StaffCommit, external_key,
};
pub use copy::{CityRow, CityRows, Copied, Place};
pub use embedded::{EmbeddedStore, HandedOut, grid_row_hash, region_row_hash};
pub use error::StoreError;
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgis::PostgisStore;
pub use since::{InForce, Past, Rows, Stand, Update};
pub use view::StoreView;

use crate::domain::address::{AddressRecord, AddressRow};
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::facility::FacilityRecord;
use crate::domain::fault::Fault;
use crate::domain::id::{AddressId, CaseId, Epoch, FacilityId, GridSet, ImportId, Revision, Version};
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::scope::Scope;
use crate::domain::staff::StaffRecord;
use embedded::EmbeddedLoad;
use jiff::Timestamp;
#[cfg(feature = "postgres")]
use postgis::{PostgisGate, PostgisLoad};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// A store. Clones share it.
#[derive(Debug, Clone)]
pub enum Store {
    /// Nothing outlives the process.
    Memory(MemoryStore),
    /// One GeoPackage file.
    Embedded(EmbeddedStore),
    /// A schema of a PostgreSQL database with PostGIS.
    #[cfg(feature = "postgres")]
    Postgis(PostgisStore),
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To serve it: nobody else may write. Takes the lock beside the file.
    Serve,
    /// To import into it. Takes the lock too.
    Import,
    /// To read it, beside whoever writes.
    Read,
}

/// What the server that uses a data file says to programs of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Where it answers.
    pub address: String,
    /// What it wants to be shown; `None`: nothing. An error: why this program may not know.
    pub secret: Result<Option<String>, String>,
}

/// Facilities of any number on their way in: nothing is visible before `finish`, and nothing is left of it when it is dropped before.
#[derive(Debug)]
pub struct FacilityLoad {
    inner: Load,
}

#[expect(clippy::large_enum_variant, reason = "one of them exists for a whole import")]
#[derive(Debug)]
enum Load {
    Memory {
        store: MemoryStore,
        commit: FacilityCommit,
    },
    Embedded(EmbeddedLoad),
    #[cfg(feature = "postgres")]
    Postgis(PostgisLoad),
}

impl FacilityLoad {
    /// Rows as in [`FacilityCommit::rows`]; best some thousands at a time. Waits while the store is behind.
    pub async fn push(&mut self, rows: Vec<FacilityRecord>) -> Result<(), StoreError> {
        match &mut self.inner {
            Load::Memory { commit, .. } => {
                commit.rows.extend(rows);
                Ok(())
            }
            Load::Embedded(load) => load.push(rows).await,
            #[cfg(feature = "postgres")]
            Load::Postgis(load) => load.push(rows).await,
        }
    }

    /// Ids as in [`FacilityCommit::removed`].
    pub async fn remove(&mut self, ids: Vec<FacilityId>) -> Result<(), StoreError> {
        match &mut self.inner {
            Load::Memory { commit, .. } => {
                commit.removed.extend(ids);
                Ok(())
            }
            Load::Embedded(load) => load.remove(ids).await,
            #[cfg(feature = "postgres")]
            Load::Postgis(load) => load.remove(ids).await,
        }
    }

    /// Makes everything visible in one transaction. The import's report may be complete only now.
    pub async fn finish(self, import: impl Into<Option<ImportRecord>>) -> Result<Committed, StoreError> {
        let import = import.into();
        match self.inner {
            Load::Memory { store, commit } => store.facilities_commit(FacilityCommit { import, ..commit }),
            Load::Embedded(load) => load.finish(import).await,
            #[cfg(feature = "postgres")]
            Load::Postgis(load) => load.finish(import).await,
        }
    }
}

/// No other process writes while this is held, so what is read now is what a publication will find.
#[derive(Debug)]
pub struct Gate {
    inner: Held,
}

#[derive(Debug)]
enum Held {
    /// Nobody else writes to it anyway.
    Alone(Store),
    #[cfg(feature = "postgres")]
    Postgis(Box<PostgisGate>),
}

impl Gate {
    /// The change log's last number, where others could have made it.
    pub fn revision(&self) -> Option<Revision> {
        match &self.inner {
            Held::Alone(_) => None,
            #[cfg(feature = "postgres")]
            Held::Postgis(gate) => Some(gate.revision),
        }
    }

    /// As [`Store::boundaries_commit`].
    pub async fn boundaries_commit(self, commit: BoundaryCommit) -> Result<Committed, StoreError> {
        match self.inner {
            Held::Alone(store) => store.boundaries_commit(commit).await,
            #[cfg(feature = "postgres")]
            Held::Postgis(gate) => gate.boundaries_commit(commit).await,
        }
    }
}

impl Store {
    /// An empty store in memory.
    pub fn memory(meta: Meta) -> Self {
        Self::Memory(MemoryStore::new(meta))
    }

    /// Makes a new, empty data file, or an empty city in a database, and opens it for import.
    pub async fn create(path: &Path, meta: &Meta) -> Result<Self, StoreError> {
        if let Some(url) = database_url(path) {
            #[cfg(feature = "postgres")]
            return PostgisStore::create(url, meta).await.map(Self::Postgis);
            #[cfg(not(feature = "postgres"))]
            return Err(without_databases(url));
        }
        EmbeddedStore::create(path, meta).await.map(Self::Embedded)
    }

    /// Opens a data file, or a database where the path is its URL (`postgres://…`).
    pub async fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        if let Some(url) = database_url(path) {
            #[cfg(feature = "postgres")]
            return PostgisStore::open(url, access).await.map(Self::Postgis);
            #[cfg(not(feature = "postgres"))]
            return Err(without_databases(url));
        }
        EmbeddedStore::open(path, access).await.map(Self::Embedded)
    }

    /// Brings a city up to the schema of this program: the schema it had, and the one it has. Of a file a copy is kept.
    pub async fn migrate(path: &Path) -> Result<(i64, i64), StoreError> {
        if let Some(url) = database_url(path) {
            #[cfg(feature = "postgres")]
            return PostgisStore::migrate(url).await;
            #[cfg(not(feature = "postgres"))]
            return Err(without_databases(url));
        }
        EmbeddedStore::migrate(path).await
    }

    /// Removes a data file and all that lies beside it. Nobody may have it open. A city in a database is its owner's to drop.
    pub fn remove(path: &Path) -> Result<(), StoreError> {
        in_a_file(path, "is dropped with its schema: DROP SCHEMA … CASCADE")?;
        embedded::remove(path)
    }

    /// Puts a copy of the backup `from` in the place of the data file `to`. The copy is checked first; the file that was there is kept
    /// under the name that is answered. Refused while a server or an import uses it.
    pub async fn restore(from: &Path, to: &Path) -> Result<Option<PathBuf>, StoreError> {
        in_a_file(from, "is restored with the tools of PostgreSQL")?;
        in_a_file(to, "is restored with the tools of PostgreSQL")?;
        embedded::restore(from, to).await
    }

    /// Writes a copy of the file, whoever uses it; others may edit the copy. A store in memory has no file.
    pub async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Err(StoreError::Invalid("a store in memory has no file to copy".to_owned())),
            Self::Embedded(store) => store.backup(path).await,
            #[cfg(feature = "postgres")]
            Self::Postgis(_) => Err(StoreError::Invalid(postgis::NO_FILE.to_owned())),
        }
    }

    /// Every fault of the file that can be found without building the territory. Seconds for a million facilities.
    pub async fn check(&self) -> Result<Vec<Fault>, StoreError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Embedded(store) => store.check().await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.check().await,
        }
    }

    /// Waits for what is being written and closes the store. A process that ends without it loses nothing; it only leaves the
    /// write-ahead log beside the file.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Embedded(store) => store.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.close().await,
        }
    }

    /// What the city says about itself.
    pub async fn meta(&self) -> Result<Meta, StoreError> {
        ask_sure!(Store, self, meta())
    }

    /// Replaces it. A profile must keep the categories that facilities have.
    pub async fn meta_set(&self, meta: Meta, actor: &str, at: Timestamp) -> Result<Committed, StoreError> {
        ask!(Store, self, meta_set(meta, actor, at))
    }

    /// The city with the boundaries in force at `at`.
    pub async fn snapshot(&self, at: Timestamp) -> Result<Snapshot, StoreError> {
        ask_sure!(Store, self, snapshot(at))
    }

    /// The same of what lies at or below some codes, with at least its neighbours' neighbours, and some more: a store reads what comes cheap.
    pub async fn snapshot_within(&self, at: Timestamp, within: &Scope) -> Result<Snapshot, StoreError> {
        match (self, within) {
            #[cfg(feature = "postgres")]
            (Self::Postgis(store), Scope::Within(codes)) => store.snapshot_within(at, codes).await,
            _ => self.snapshot(at).await,
        }
    }

    /// The change log's last number.
    pub async fn revision(&self) -> Result<Revision, StoreError> {
        ask_sure!(Store, self, revision())
    }

    /// Whether other processes commit to it too.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Embedded(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgis(_) => true,
        }
    }

    /// How far it is, and in which past. Of a store that nobody else writes to only the number means something.
    pub async fn stand(&self) -> Result<Stand, StoreError> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.stand().await,
            _ => Ok(Stand { revision: self.revision().await?, past: Past::default(), at: None, callers: 0 }),
        }
    }

    /// What changed after a revision, in the boundaries in force at `at`; everything, where it cannot tell, and when it has another past than
    /// the one that is `known`. What lies elsewhere than `within` some codes may be left out, as in [`Self::snapshot_within`].
    pub async fn update(
        &self,
        after: Revision,
        known: Option<Past>,
        at: Timestamp,
        within: &Scope,
    ) -> Result<Update, StoreError> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.update(after, known, at, within).await,
            _ => {
                let _ = (after, known);
                Ok(Update::whole(self.snapshot_within(at, within).await?, Past::default()))
            }
        }
    }

    /// Wakes `news` when another process commits, as far as the store can tell; whoever has to know asks from time to time besides.
    pub fn listen(&self, news: &Arc<Notify>) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.listen(Arc::clone(news)),
            _ => drop(Arc::clone(news)),
        }
    }

    /// Looks where the store is now, when it is away: a database that has several hosts may be written at another one.
    pub async fn seek(&self) {
        #[cfg(feature = "postgres")]
        if let Self::Postgis(store) = self {
            store.seek().await;
        }
    }

    /// Says to other servers over the same store that this one lives, and how far it is.
    pub async fn here(&self, revision: Revision) -> Result<(), StoreError> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.here(revision).await,
            _ => {
                let _ = revision;
                Ok(())
            }
        }
    }

    /// What is known of sources and sinks of the settings, by their names. None of it takes a revision.
    pub async fn source_states(&self) -> Result<Vec<(String, serde_json::Value)>, StoreError> {
        ask_sure!(Store, self, callers.source_states())
    }

    /// Takes a source for this server alone, until it is noted what was found, or the server is not heard of any more: what is known of
    /// it. `None`: another server has it.
    pub async fn source_take(&self, id: &str) -> Result<Option<serde_json::Value>, StoreError> {
        ask_sure!(Store, self, callers.source_take(id.to_owned()))
    }

    /// Notes what is known of a source, and lets others take it.
    pub async fn source_note(&self, id: &str, state: serde_json::Value) -> Result<(), StoreError> {
        ask_sure!(Store, self, callers.source_note(id.to_owned(), state))
    }

    /// Every boundary set there is, by epoch.
    pub async fn epochs(&self) -> Result<Vec<EpochRecord>, StoreError> {
        ask_sure!(Store, self, epochs())
    }

    /// The contents of one epoch, its period as it is now.
    pub async fn boundaries_at(&self, epoch: Epoch) -> Result<Option<BoundarySet>, StoreError> {
        ask_sure!(Store, self, boundaries_at(epoch))
    }

    /// Waits until no other process writes, and keeps all of them waiting until the gate is dropped or its commit is done.
    pub async fn gate(&self) -> Result<Gate, StoreError> {
        Ok(match self {
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => Gate { inner: Held::Postgis(Box::new(store.gate().await?)) },
            _ => Gate { inner: Held::Alone(self.clone()) },
        })
    }

    /// Publishes, if `base` is still current. A set that says what the current one says publishes nothing.
    pub async fn boundaries_commit(&self, commit: BoundaryCommit) -> Result<Committed, StoreError> {
        ask!(Store, self, boundaries_commit(commit))
    }

    /// Writes counts into the grids of the current epoch.
    pub async fn households_commit(&self, commit: HouseholdCommit) -> Result<Committed, StoreError> {
        ask!(Store, self, households_write(commit, false))
    }

    /// Writes counts as they are given: an absent one is none.
    pub async fn households_restore(&self, commit: HouseholdCommit) -> Result<Committed, StoreError> {
        ask!(Store, self, households_write(commit, true))
    }

    /// Writes facilities, all or none.
    pub async fn facilities_commit(&self, commit: FacilityCommit) -> Result<Committed, StoreError> {
        ask!(Store, self, facilities_commit(commit))
    }

    /// Writes or removes one facility. With `once`, a write of the same name that was done before is answered as it was then, and
    /// one that asks for something else is refused.
    pub async fn facility_write(
        &self,
        head: CommitHead,
        write: FacilityWrite,
        once: Option<Once>,
    ) -> Result<FacilityOutcome, StoreError> {
        ask!(Store, self, facility_write(head, write, once))
    }

    /// What a write of this name did, when there was one.
    pub async fn facility_outcome(&self, head: &CommitHead, once: &Once) -> Result<Option<FacilityOutcome>, StoreError> {
        ask!(Store, self, facility_outcome(head, once))
    }

    /// Begins to write facilities of any number, for an import.
    pub async fn facilities_load(&self, head: CommitHead) -> Result<FacilityLoad, StoreError> {
        let inner = match self {
            Self::Memory(store) => Load::Memory {
                store: store.clone(),
                commit: FacilityCommit { head, rows: Vec::new(), removed: Vec::new(), import: None },
            },
            Self::Embedded(store) => Load::Embedded(store.facilities_load(head)?),
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => Load::Postgis(store.facilities_load(head)?),
        };
        Ok(FacilityLoad { inner })
    }

    /// Writes cases, all or none.
    pub async fn cases_commit(&self, commit: CaseCommit) -> Result<Committed, StoreError> {
        ask!(Store, self, cases_commit(commit))
    }

    /// Writes addresses, all or none.
    pub async fn addresses_commit(&self, commit: RowCommit<AddressRecord>) -> Result<Committed, StoreError> {
        ask!(Store, self, addresses_commit(commit))
    }

    /// Writes organizations, all or none.
    pub async fn organizations_commit(&self, commit: RowCommit<OrganizationRecord>) -> Result<Committed, StoreError> {
        ask!(Store, self, organizations_commit(commit))
    }

    /// All organizations, by id.
    pub async fn organizations(&self) -> Result<Vec<OrganizationRecord>, StoreError> {
        ask_sure!(Store, self, organizations())
    }

    /// Writes buildings, all or none.
    pub async fn buildings_commit(&self, commit: RowCommit<BuildingRecord>) -> Result<Committed, StoreError> {
        ask!(Store, self, buildings_commit(commit))
    }

    /// All buildings, by id.
    pub async fn buildings(&self) -> Result<Vec<BuildingRecord>, StoreError> {
        ask_sure!(Store, self, buildings())
    }

    /// Writes staff, all or none.
    pub async fn staff_commit(&self, commit: StaffCommit) -> Result<Committed, StoreError> {
        ask!(Store, self, staff_commit(commit))
    }

    /// What every facility is recognised by, by id.
    pub async fn facility_keys(&self) -> Result<Vec<FacilityKey>, StoreError> {
        ask_sure!(Store, self, facility_keys())
    }

    /// What every case, open or not, is recognised by, by id.
    pub async fn case_keys(&self) -> Result<Vec<CaseKey>, StoreError> {
        ask_sure!(Store, self, case_keys())
    }

    /// What every address is recognised by, by id.
    pub async fn address_keys(&self) -> Result<Vec<AddressKey>, StoreError> {
        ask_sure!(Store, self, address_keys())
    }

    /// All addresses as a city in memory needs them, by id.
    pub async fn addresses(&self) -> Result<Vec<AddressRow>, StoreError> {
        ask_sure!(Store, self, addresses())
    }

    /// Whole addresses by id, each once; ids that do not exist are passed over.
    pub async fn addresses_by_ids(&self, ids: &[AddressId]) -> Result<Vec<AddressRecord>, StoreError> {
        ask_sure!(Store, self, addresses_by_ids(ids))
    }

    /// Whole facilities by id, each once; ids that do not exist are passed over.
    pub async fn facilities_by_ids(&self, ids: &[FacilityId]) -> Result<Vec<FacilityRecord>, StoreError> {
        ask_sure!(Store, self, facilities_by_ids(ids))
    }

    /// Whole cases by id, each once; ids that do not exist are passed over.
    pub async fn cases_by_ids(&self, ids: &[CaseId]) -> Result<Vec<CaseRecord>, StoreError> {
        ask_sure!(Store, self, cases_by_ids(ids))
    }

    /// Facilities that another system calls `id`, by their own id.
    pub async fn facilities_by_external(&self, system: &str, id: &str) -> Result<Vec<FacilityRecord>, StoreError> {
        ask_sure!(Store, self, facilities_by_external(system, id))
    }

    /// All staff, by id.
    pub async fn staff(&self) -> Result<Vec<StaffRecord>, StoreError> {
        ask_sure!(Store, self, staff())
    }

    /// All imports in order, without their reports but for the status.
    pub async fn imports(&self) -> Result<Vec<ImportRecord>, StoreError> {
        ask_sure!(Store, self, imports())
    }

    /// One import with its report.
    pub async fn import_report(&self, id: ImportId) -> Result<Option<ImportRecord>, StoreError> {
        ask_sure!(Store, self, import_report(id))
    }

    /// Announces an import: it gets its number, under which it is found from now on. With `once`, one that was announced under that name
    /// is answered as it was then.
    pub async fn import_begin(&self, record: ImportRecord, actor: &str, once: Option<Once>) -> Result<Begun, StoreError> {
        ask!(Store, self, import_begin(record, actor, once))
    }

    /// Notes how far an announced import is, and its report. What it changed is noted by its commit.
    pub async fn import_note(&self, record: ImportRecord) -> Result<(), StoreError> {
        ask!(Store, self, import_note(record))
    }

    /// The rows that were last written by an import, or are again what it wrote, with their versions: facilities, cases, addresses,
    /// organizations, buildings; of what has no number none. Cost: one pass over the rows.
    pub async fn import_rows(&self, kind: LogKind, id: ImportId) -> Result<HashMap<i64, Version>, StoreError> {
        ask_sure!(Store, self, import_rows(kind, id))
    }

    /// Keys of the rows that an import added (of staff: numbers that only [`Self::import_before_staff`] knows), as closed ranges.
    pub async fn import_added(&self, id: ImportId) -> Result<Vec<(i64, i64)>, StoreError> {
        ask_sure!(Store, self, import_added(id))
    }

    /// Facilities as they were before an import changed them: the first `limit` after a key.
    pub async fn import_before_facilities(
        &self,
        id: ImportId,
        after: FacilityId,
        limit: usize,
    ) -> Result<Vec<FacilityRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.import_before(id, after.0, limit, |kept| &kept.facilities)),
            Self::Embedded(store) => store.import_before_facilities(id, after, limit).await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.import_before_facilities(id, after, limit).await,
        }
    }

    /// The same of cases.
    pub async fn import_before_cases(&self, id: ImportId, after: CaseId, limit: usize) -> Result<Vec<CaseRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.import_before(id, after.0, limit, |kept| &kept.cases)),
            Self::Embedded(store) => store.import_before_cases(id, after, limit).await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.import_before_cases(id, after, limit).await,
        }
    }

    /// Addresses as they were before an import changed them; all of them.
    pub async fn import_before_addresses(&self, id: ImportId) -> Result<Vec<AddressRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.import_before(id, i64::MIN, usize::MAX, |kept| &kept.addresses)),
            Self::Embedded(store) => store.import_before_addresses(id).await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.import_before_addresses(id).await,
        }
    }

    /// The same of organizations.
    pub async fn import_before_organizations(&self, id: ImportId) -> Result<Vec<OrganizationRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.import_before(id, i64::MIN, usize::MAX, |kept| &kept.organizations)),
            Self::Embedded(store) => store.import_before_organizations(id).await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.import_before_organizations(id).await,
        }
    }

    /// The same of buildings.
    pub async fn import_before_buildings(&self, id: ImportId) -> Result<Vec<BuildingRecord>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.import_before(id, i64::MIN, usize::MAX, |kept| &kept.buildings)),
            Self::Embedded(store) => store.import_before_buildings(id).await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.import_before_buildings(id).await,
        }
    }

    /// Staff as they were before an import changed them; all of them.
    pub async fn import_before_staff(&self, id: ImportId) -> Result<Vec<StaffRecord>, StoreError> {
        ask_sure!(Store, self, import_before_staff(id))
    }

    /// Drops what is kept of imports that can no longer be taken back.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Embedded(store) => store.tidy().await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.tidy().await,
        }
    }

    /// Writes beside the data file where its server answers, for programs that find the file in use, and what they show to it, in a file
    /// that only this user reads. Taken back with the lock.
    pub fn announce(&self, address: &str, secret: Option<&str>) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Embedded(store) => store.announce(address, secret),
            #[cfg(feature = "postgres")]
            Self::Postgis(_) => Ok(()),
        }
    }

    /// Where the server that uses a data file answers, if it says so.
    pub fn announced(path: &Path) -> Option<Announced> {
        embedded::announced(path)
    }

    /// The first `limit` entries of the change log after `after`.
    pub async fn log_since(&self, after: Revision, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        ask_sure!(Store, self, log_since(after, limit))
    }
}

/// How a place is told: a file by its name, a database by its URL without user, password and parameters.
pub fn place_shown(place: &Path) -> String {
    let Some((scheme, rest)) = database_url(place).and_then(|url| url.split_once("://")) else {
        return place.display().to_string();
    };
    // First what is before the place: a password may hold any sign that its owner forgot to encode.
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{}", place.split('?').next().unwrap_or_default())
}

/// The URL that stands in the place of a file, if one does.
fn database_url(path: &Path) -> Option<&str> {
    path.to_str().filter(|place| place.starts_with("postgres://") || place.starts_with("postgresql://"))
}

#[cfg(not(feature = "postgres"))]
fn without_databases(url: &str) -> StoreError {
    StoreError::Invalid(format!("{}: this program was built without the feature postgres", place_shown(Path::new(url))))
}

/// Refuses what only a file can have done to it.
fn in_a_file(path: &Path, instead: &str) -> Result<(), StoreError> {
    match database_url(path) {
        None => Ok(()),
        Some(_) => Err(StoreError::Invalid(format!("a city in a database {instead}"))),
    }
}

/// What one boundary set stands in force at an instant. The chain answers for every instant it says it was in force. A set beside it
/// answers for its own period, where the chain only says "since ever".
pub fn epoch_at<'a>(epochs: &'a [EpochRecord], set: &GridSet, instant: Timestamp) -> Option<&'a EpochRecord> {
    let mut holding = epochs.iter().rev().filter(|epoch| epoch.set == *set && epoch.period.holds(instant));
    let chain = holding.clone().find(|epoch| epoch.base.is_some());
    let beside = holding.find(|epoch| epoch.base.is_none());
    match (chain, beside) {
        (Some(chain), Some(beside)) if chain.period.from.is_none() && beside.period.until.is_some() => Some(beside),
        (chain, beside) => chain.or(beside),
    }
}

/// The boundary sets beside the hierarchy's that stand in force at an instant, by name.
pub fn others_at(epochs: &[EpochRecord], instant: Timestamp) -> Vec<&EpochRecord> {
    let mut sets: Vec<&GridSet> = epochs.iter().map(|epoch| &epoch.set).filter(|set| !set.is_governance()).collect();
    sets.sort_unstable();
    sets.dedup();
    sets.into_iter().filter_map(|set| epoch_at(epochs, set, instant)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::period::Period;

    #[test]
    fn a_set_beside_the_chain_answers_for_the_past_and_never_for_what_the_chain_says() {
        let day = |text: &str| format!("{text}T00:00:00Z").parse::<Timestamp>().expect("a time");
        let epoch = |number: u64, base: Option<u64>, from: &str, until: &str| EpochRecord {
            epoch: Epoch(number),
            set: GridSet::default(),
            base: base.map(Epoch),
            period: Period { from: (!from.is_empty()).then(|| day(from)), until: (!until.is_empty()).then(|| day(until)) },
            import_id: None,
        };
        let at = |epochs: &[EpochRecord], instant: &str| {
            epoch_at(epochs, &GridSet::default(), day(instant)).map(|found| found.epoch.0)
        };
        let begun = [
            epoch(1, Some(0), "2012-01-01", "2026-01-01"),
            epoch(2, None, "2008-01-01", "2011-01-01"),
            epoch(3, None, "2011-01-01", "2012-01-01"),
            epoch(4, Some(1), "2026-01-01", ""),
            // As older programs let it in.
            epoch(5, None, "2020-01-01", ""),
        ];
        let answers = [
            ("2007-01-01", None),
            ("2009-01-01", Some(2)),
            ("2011-06-01", Some(3)),
            ("2021-01-01", Some(1)),
            ("2026-06-01", Some(4)),
        ];
        for (instant, answer) in answers {
            assert_eq!(at(&begun, instant), answer, "{instant}");
        }
        let since_ever =
            [epoch(1, Some(0), "", ""), epoch(2, None, "2008-01-01", "2011-01-01"), epoch(3, None, "2020-01-01", "")];
        for (instant, answer) in [("2007-01-01", Some(1)), ("2009-01-01", Some(2)), ("2021-01-01", Some(1))] {
            assert_eq!(at(&since_ever, instant), answer, "{instant}");
        }
    }
}
