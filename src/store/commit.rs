//! What goes into the store and what comes out.

use crate::domain::address::AddressRow;
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::category::CodeProfile;
use crate::domain::code::Code;
use crate::domain::facility::{FacilityRecord, FacilityRow};
use crate::domain::hash::hash64_of_parts;
use crate::domain::id::{AddressId, CaseId, Epoch, FacilityId, ImportId, Revision, Version};
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::{BoundarySet, EpochRecord, HouseholdCount};
use crate::domain::scheme::Scheme;
use crate::domain::staff::StaffRecord;
use crate::geom::Area;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a city says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Title of the platform.
    pub title: String,
    /// Made up for a demonstration.
    pub synthetic: bool,
    /// Whose data this is.
    pub attribution: Vec<String>,
    /// The zone in which a date begins, as an IANA name.
    pub time_zone: String,
    /// Levels and lengths of new boundary sets.
    pub scheme: Scheme,
    /// Categories of facilities and cases.
    pub profile: CodeProfile,
    /// Land around the city that belongs to others, as GeoJSON without names; drawn, never looked up.
    #[serde(default)]
    pub background: Option<Arc<str>>,
}

impl Meta {
    /// A city called `title` with the default scheme, in the zone Asia/Shanghai.
    pub fn new(title: impl Into<String>, profile: CodeProfile) -> Self {
        Self {
            title: title.into(),
            synthetic: false,
            attribution: Vec::new(),
            time_zone: "Asia/Shanghai".to_owned(),
            scheme: Scheme::default(),
            profile,
            background: None,
        }
    }
}

/// Everything a city in memory is made of, from one revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// What the city says about itself.
    pub meta: Meta,
    /// Up to which number of the change log this is true.
    pub revision: Revision,
    /// The boundaries in force; `None` before the first publication.
    pub epoch: Option<EpochRecord>,
    /// Their contents.
    pub boundaries: Option<BoundarySet>,
    /// Boundaries in force of the other grid sets, by name.
    pub others: Vec<(EpochRecord, BoundarySet)>,
    /// All facilities, by id.
    pub facilities: Vec<FacilityRow>,
    /// All staff, by id.
    pub staff: Vec<StaffRecord>,
    /// Open cases, by id.
    pub cases: Vec<CaseRecord>,
    /// All addresses, by id.
    pub addresses: Vec<AddressRow>,
    /// All organizations, by id.
    pub organizations: Vec<OrganizationRecord>,
    /// All buildings, by id.
    pub buildings: Vec<BuildingRecord>,
}

#[cfg(feature = "postgres")]
impl Snapshot {
    /// A city with nothing in it.
    pub(super) fn empty(meta: Meta) -> Self {
        Self {
            meta,
            revision: Revision(0),
            epoch: None,
            boundaries: None,
            others: Vec::new(),
            facilities: Vec::new(),
            staff: Vec::new(),
            cases: Vec::new(),
            addresses: Vec::new(),
            organizations: Vec::new(),
            buildings: Vec::new(),
        }
    }
}

/// Where a boundary set belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// It follows the current one, whose period ends where its own begins.
    InForce,
    /// It stands beside the chain with a period of its own (a historical set); the chain is not touched.
    Beside,
}

/// What to do with a row that changed since it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnStale {
    /// Nothing of the commit is written.
    #[default]
    Refuse,
    /// The row stays as it is now and is listed in [`Committed::stale`]; the others are written.
    Skip,
}

/// Who writes, when, and on what ground. The same for every kind of row.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitHead {
    /// Who; into the change log.
    pub actor: String,
    /// When; into the change log.
    pub at: Timestamp,
    /// The epoch in which the rows' grids were found. When another one is current at the end, nothing is written. `None`: not checked.
    pub epoch: Option<Epoch>,
    /// What to do with rows that changed meanwhile.
    pub on_stale: OnStale,
    /// What the city says about itself from this commit on, in the same transaction. A profile must have the categories of all
    /// facilities.
    pub settings: Option<Arc<Meta>>,
    /// The number of the import that the commit belongs to, when it was announced.
    pub import_id: Option<ImportId>,
    /// The code of the one facility that is written must be nobody else's; looked at where other processes write too.
    pub takes_code: bool,
    /// Nobody of this process reads what is loaded meanwhile. A store may then let others wait for a table that nothing is in yet.
    pub alone: bool,
    /// The import that the commit takes back, which is noted with it. Its rows go back to what they were: they say themselves which
    /// import wrote them.
    pub undoes: Option<ImportId>,
}

impl CommitHead {
    /// Refuses stale rows, checks no epoch.
    pub fn new(actor: impl Into<String>, at: Timestamp) -> Self {
        let (actor, on_stale) = (actor.into(), OnStale::Refuse);
        Self { actor, at, epoch: None, on_stale, settings: None, import_id: None, takes_code: false, alone: false, undoes: None }
    }
}

/// A publication. Regions and grids ascend by code, voids by name, without repetition.
#[derive(Debug, Clone)]
pub struct BoundaryCommit {
    /// The current epoch of the chain it was made from; 0: none yet. Not looked at for a set beside the chain.
    pub base: Epoch,
    /// Where it belongs.
    pub chain: Chain,
    /// The whole set. Its period begins when the publication takes effect; an absent begin is `at`, or "since ever" for the first.
    pub boundaries: BoundarySet,
    /// Derived outlines of regions, for those who open the file on a map. Regions without one show their claim.
    pub outlines: Vec<(Code, Area)>,
    /// Facilities whose grid is another one now. Those that have it already are left alone. Empty for a set beside the chain.
    pub facility_grids: Vec<(FacilityId, Option<Code>)>,
    /// Cases whose grid is another one now. Empty for a set beside the chain.
    pub case_grids: Vec<(CaseId, Option<Code>)>,
    /// The import that made it.
    pub import: Option<ImportRecord>,
    /// As [`CommitHead::settings`].
    pub settings: Option<Arc<Meta>>,
    /// As [`CommitHead::undoes`].
    pub undoes: Option<ImportId>,
    /// Who publishes.
    pub actor: String,
    /// When it was published.
    pub at: Timestamp,
}

impl BoundaryCommit {
    /// A whole set of governance in the place of what is in force, and nothing else with it.
    pub fn new(base: Epoch, boundaries: BoundarySet, actor: impl Into<String>, at: Timestamp) -> Self {
        Self {
            base,
            chain: Chain::InForce,
            boundaries,
            outlines: Vec::new(),
            facility_grids: Vec::new(),
            case_grids: Vec::new(),
            import: None,
            settings: None,
            undoes: None,
            actor: actor.into(),
            at,
        }
    }
}

/// Facilities to write. A row with id 0 is new and gets an id. A row with an id replaces the stored one; its `version` is the one it was
/// made from (0: whatever it is now). A row that says what is stored already is not written; where it comes from (`import_id`) is no
/// difference. The store sets `version` and, when the commit belongs to an import, `import_id`.
#[derive(Debug, Clone)]
pub struct FacilityCommit {
    /// Who and when.
    pub head: CommitHead,
    /// Added or changed.
    pub rows: Vec<FacilityRecord>,
    /// Removed; an id that does not exist is passed over.
    pub removed: Vec<FacilityId>,
    /// The import that made it.
    pub import: Option<ImportRecord>,
}

/// The name that a caller gave to a write: it happens once, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Unique for the caller, for [`Once::KEPT`].
    pub key: String,
    /// Hash of what was asked: another write must not bear the same name.
    pub request: u64,
}

impl Once {
    /// How long an answer is kept.
    pub const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
}

/// One facility to be written, or to be gone.
#[derive(Debug, Clone)]
pub enum FacilityWrite {
    /// As a row of [`FacilityCommit`].
    Put(Box<FacilityRecord>),
    /// The one with this id, if it still has this version.
    Remove(FacilityId, Version),
}

/// What the first of several equal writes did, for it and for all that follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FacilityOutcome {
    /// The change log's number after it.
    pub revision: Revision,
    /// The row as it was stored then; `None`: it was removed.
    pub row: Option<FacilityRecord>,
    /// The revision is that of this write. Not so when it was sent before, and when it says what is stored already.
    #[serde(skip)]
    pub written: bool,
    /// It was sent before: nothing was written now.
    #[serde(skip)]
    pub repeated: bool,
}

/// Cases to write, as [`FacilityCommit`].
#[derive(Debug, Clone)]
pub struct CaseCommit {
    /// Who and when.
    pub head: CommitHead,
    /// Added or changed.
    pub rows: Vec<CaseRecord>,
    /// Removed.
    pub removed: Vec<CaseId>,
    /// The import that made it.
    pub import: Option<ImportRecord>,
}

/// Staff to write, by their id. Staff have no version: the last writer wins.
#[derive(Debug, Clone)]
pub struct StaffCommit {
    /// Who and when.
    pub head: CommitHead,
    /// Added or changed.
    pub rows: Vec<StaffRecord>,
    /// Removed.
    pub removed: Vec<String>,
    /// The import that made it.
    pub import: Option<ImportRecord>,
}

/// Rows with a number to write, addresses, organizations and buildings, as [`FacilityCommit`]. They have no grid.
#[derive(Debug, Clone)]
pub struct RowCommit<R> {
    /// Who and when.
    pub head: CommitHead,
    /// Added or changed.
    pub rows: Vec<R>,
    /// Removed.
    pub removed: Vec<i64>,
    /// The import that made it.
    pub import: Option<ImportRecord>,
}

/// Counts of households and residents for grids of the current epoch. They are counts of today: no new epoch.
#[derive(Debug, Clone)]
pub struct HouseholdCommit {
    /// Who and when.
    pub head: CommitHead,
    /// An absent count leaves what is stored.
    pub counts: Vec<HouseholdCount>,
    /// The import that made it.
    pub import: Option<ImportRecord>,
}

/// What a commit did. When it changed nothing, `revision` is the one before and no log entry was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The change log's number after it.
    pub revision: Revision,
    /// The epoch published, or the current one.
    pub epoch: Epoch,
    /// The import's key.
    pub import: Option<ImportId>,
    /// Rows that did not exist.
    pub new: u64,
    /// Rows that are different now.
    pub changed: u64,
    /// Rows that said what was stored already.
    pub same: u64,
    /// Rows that are gone.
    pub removed: u64,
    /// Facilities and cases whose grid is another one after a publication.
    pub moved: u64,
    /// Keys of facilities or cases in the order in which they were given, new ones included.
    pub ids: Vec<i64>,
    /// Keys of rows that were left alone because they changed meanwhile ([`OnStale::Skip`]).
    pub stale: Vec<i64>,
}

/// One import and its report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportRecord {
    /// The store's key; 0 until stored.
    pub id: ImportId,
    /// What was imported: `grids`, `facilities` …
    pub kind: String,
    /// Name of the file.
    pub file: String,
    /// CRS of the file, as told.
    pub crs: Option<String>,
    /// What the data is taken from, as told.
    pub source: Option<String>,
    /// When.
    pub at: Timestamp,
    /// The report: counts, repairs, faults. In lists only its `status`, or null.
    pub report: serde_json::Value,
    /// How far it is.
    pub state: ImportState,
    /// The change log's number of its commit; the store sets it.
    pub revision: Option<Revision>,
    /// The number of the commit that took it back.
    pub undone: Option<Revision>,
    /// What taking it back needs to know beside the rows: see `app::imports::undo`. Left out (null) in lists.
    pub before: serde_json::Value,
}

impl ImportRecord {
    /// Of how many imports, from the last one back, the store keeps the rows of before.
    pub const UNDOABLE: usize = 10;
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// Others go first.
    Queued,
    /// It is read, checked, written.
    Running,
    /// It came to its end; the report says to which.
    #[default]
    Done,
    /// It broke off; the report says why.
    Failed,
    /// The server ended before it did. Nothing of it is stored.
    Interrupted,
}

impl ImportState {
    const TABLE: [(Self, &'static str); 5] = [
        (Self::Queued, "queued"),
        (Self::Running, "running"),
        (Self::Done, "done"),
        (Self::Failed, "failed"),
        (Self::Interrupted, "interrupted"),
    ];

    /// The word in store and answers.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The state with this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::TABLE.iter().find(|(_, known)| *known == word).map(|(state, _)| *state)
    }
}

/// An import that was announced: it has its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The number.
    pub id: ImportId,
    /// It was announced before, under the same name.
    pub repeated: bool,
}

/// What a log entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// The city's own data: title, scheme, profile.
    Meta,
    /// A publication.
    Boundaries,
    /// Counts of households and residents.
    Households,
    /// Facilities.
    Facilities,
    /// Staff.
    Staff,
    /// Cases.
    Cases,
    /// Addresses.
    Addresses,
    /// Organizations.
    Organizations,
    /// Buildings.
    Buildings,
}

impl LogKind {
    const TABLE: [(Self, &'static str); 9] = [
        (Self::Meta, "meta"),
        (Self::Boundaries, "boundaries"),
        (Self::Households, "households"),
        (Self::Facilities, "facilities"),
        (Self::Staff, "staff"),
        (Self::Cases, "cases"),
        (Self::Addresses, "addresses"),
        (Self::Organizations, "organizations"),
        (Self::Buildings, "buildings"),
    ];

    /// The word in store and events.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The kind with this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::TABLE.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }
}

/// One line of the change log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its number: without holes, in commit order.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// About what.
    pub kind: LogKind,
    /// Counts; whether it changed the city's settings; the epoch of a publication; the ids of facilities and cases when there are at most 100.
    pub summary: serde_json::Value,
}

/// What a facility is recognised by when it is imported again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacilityKey {
    /// The store's key.
    pub id: FacilityId,
    /// Its version.
    pub version: Version,
    /// The city's own identifier.
    pub code: Option<Box<str>>,
    /// [`external_key`] of each of its names in other systems, ascending.
    pub external: Box<[u64]>,
    /// Hash of the source record.
    pub source_hash: Option<u64>,
}

/// What a case is recognised by when it is imported again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseKey {
    /// The store's key.
    pub id: CaseId,
    /// Its version.
    pub version: Version,
    /// The system it came from.
    pub source_system: Option<String>,
    /// Its name there.
    pub external_id: Option<String>,
    /// When it changed there.
    pub source_updated_at: Option<Timestamp>,
    /// Hash of the source record.
    pub source_hash: Option<u64>,
}

/// What an address is recognised by when it is imported again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressKey {
    /// The store's key.
    pub id: AddressId,
    /// Its version.
    pub version: Version,
    /// [`external_key`] of each of its names in other systems, ascending.
    pub external: Box<[u64]>,
    /// Hash of the source record.
    pub source_hash: Option<u64>,
}

/// A name in another system as a number. Two different names have the same number with probability 2⁻⁶⁴: whoever acts on a match
/// compares the names themselves.
pub fn external_key(system: &str, id: &str) -> u64 {
    hash64_of_parts([system, id])
}

/// Times are kept to the millisecond.
pub(super) fn to_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}
