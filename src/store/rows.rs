//! Rules that hold for rows in every store: what is the same, who is new, what must not be written.

use super::commit::{CommitHead, Committed, LogKind, Meta, to_millisecond};
use super::error::StoreError;
use crate::domain::address::AddressRecord;
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::facility::FacilityRecord;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::grid::GridRecord;
use crate::domain::id::{AddressId, BuildingId, CaseId, Epoch, FacilityId, ImportId, OrganizationId, Revision, Version};
use crate::domain::organization::OrganizationRecord;
use crate::domain::period::Period;
use crate::domain::records::{BoundarySet, EpochRecord, Provenance};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::staff::StaffRecord;
use jiff::Timestamp;
use std::collections::HashSet;
use std::hash::Hash;

/// A row that says where it comes from.
pub(super) trait Sourced: Clone + PartialEq {
    fn provenance(&self) -> &Provenance;
    fn provenance_mut(&mut self) -> &mut Provenance;

    /// Notes the import that writes it.
    fn stamp(&mut self, import: Option<ImportId>) {
        if import.is_some() {
            self.provenance_mut().import_id = import;
        }
    }
}

macro_rules! sourced {
    ($($record:ty),*) => {
        $(impl Sourced for $record {
            fn provenance(&self) -> &Provenance {
                &self.provenance
            }
            fn provenance_mut(&mut self) -> &mut Provenance {
                &mut self.provenance
            }
        })*
    };
}
sourced!(
    RegionRecord,
    GridRecord,
    VoidRecord,
    StaffRecord,
    FacilityRecord,
    CaseRecord,
    AddressRecord,
    OrganizationRecord,
    BuildingRecord
);

/// A row that is known by a text.
pub(super) trait Named: Sourced {
    fn key(&self) -> &str;
}

impl Named for RegionRecord {
    fn key(&self) -> &str {
        self.code.as_str()
    }
}

impl Named for GridRecord {
    fn key(&self) -> &str {
        self.code.as_str()
    }
}

impl Named for VoidRecord {
    fn key(&self) -> &str {
        &self.name
    }
}

/// A row that has a number and counts its versions.
pub(super) trait Numbered: Sourced {
    const WHAT: &'static str;
    fn id(&self) -> i64;
    fn version(&self) -> Version;
    fn set_key(&mut self, id: i64, version: Version);
    /// Brings it into the form in which it is kept.
    fn settle(&mut self) {}
}

macro_rules! numbered {
    ($record:ty, $id:ident, $what:literal $(, $settle:item)?) => {
        impl Numbered for $record {
            const WHAT: &'static str = $what;
            fn id(&self) -> i64 {
                self.id.0
            }
            fn version(&self) -> Version {
                self.version
            }
            fn set_key(&mut self, id: i64, version: Version) {
                (self.id, self.version) = ($id(id), version);
            }
            $($settle)?
        }
    };
}
numbered!(FacilityRecord, FacilityId, "facility");
numbered!(AddressRecord, AddressId, "address");
numbered!(OrganizationRecord, OrganizationId, "organization");
numbered!(BuildingRecord, BuildingId, "building");
numbered!(
    CaseRecord,
    CaseId,
    "case",
    fn settle(&mut self) {
        self.reported_at = to_millisecond(self.reported_at);
        self.due_at = self.due_at.map(to_millisecond);
        self.source_updated_at = self.source_updated_at.map(to_millisecond);
    }
);

/// Whether two rows say the same, whichever import wrote them.
pub(super) fn same_origin_aside<R: Sourced>(stored: &R, given: &R) -> bool {
    let mut given = given.clone();
    given.provenance_mut().import_id = stored.provenance().import_id;
    *stored == given
}

/// What a commit says in the log.
pub(super) struct Entry<'a> {
    pub(super) kind: LogKind,
    pub(super) actor: &'a str,
    pub(super) at: Timestamp,
    pub(super) import: Option<ImportId>,
    /// The import that the commit takes back.
    pub(super) undoes: Option<ImportId>,
    pub(super) published: Option<Epoch>,
    /// What the city says about itself from here on.
    pub(super) settings: Option<&'a Meta>,
}

impl<'a> Entry<'a> {
    /// Of a commit that publishes no boundaries.
    pub(super) fn of(kind: LogKind, head: &'a CommitHead, import: Option<ImportId>) -> Self {
        let CommitHead { actor, at, settings, undoes, .. } = head;
        Self { kind, actor, at: to_millisecond(*at), import, undoes: *undoes, published: None, settings: settings.as_deref() }
    }
}

/// What a commit did to rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) new: u64,
    pub(super) changed: u64,
    pub(super) same: u64,
    pub(super) removed: u64,
    pub(super) moved: u64,
    pub(super) ids: Vec<i64>,
    pub(super) stale: Vec<i64>,
    /// Keys of what was written or removed, for those who follow; `None`: not told.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nobody follows a file"))]
    pub(super) touched: Option<Vec<i64>>,
    /// What the city says about itself is different now.
    pub(super) settings: bool,
}

impl Counted {
    /// Whether anything is different now.
    pub(super) fn differs(&self) -> bool {
        self.new + self.changed + self.removed + self.moved > 0 || self.settings
    }

    pub(super) fn committed(self, revision: Revision, epoch: Epoch, import: Option<ImportId>) -> Committed {
        let Self { new, changed, same, removed, moved, ids, stale, touched: _, settings: _ } = self;
        Committed { revision, epoch, import, new, changed, same, removed, moved, ids, stale }
    }

    /// Compares two lists that ascend by key. Rows of `now` that say what `before` says keep the import that wrote them, the others
    /// bear this one's.
    pub(super) fn merge<R: Named>(&mut self, before: &[R], now: &mut [R], import: Option<ImportId>) {
        let mut kept = 0;
        for row in now {
            match before.binary_search_by(|old| old.key().cmp(row.key())) {
                Err(_) => {
                    self.new += 1;
                    row.stamp(import);
                }
                Ok(place) => {
                    kept += 1;
                    let old = &before[place];
                    if same_origin_aside(old, row) {
                        self.same += 1;
                        row.provenance_mut().import_id = old.provenance().import_id;
                    } else {
                        self.changed += 1;
                        row.stamp(import);
                    }
                }
            }
        }
        self.removed += before.len() as u64 - kept;
    }
}

/// The summary of a log entry.
pub(super) fn log_summary(counted: &Counted, import: Option<ImportId>, published: Option<Epoch>) -> serde_json::Value {
    let mut summary = serde_json::Map::new();
    for (name, count) in [
        ("new", counted.new),
        ("changed", counted.changed),
        ("removed", counted.removed),
        ("moved", counted.moved),
        ("stale", counted.stale.len() as u64),
    ] {
        if count > 0 {
            summary.insert(name.to_owned(), count.into());
        }
    }
    if counted.settings {
        summary.insert("settings".to_owned(), true.into());
    }
    if let Some(import) = import {
        summary.insert("import".to_owned(), import.0.into());
    }
    if let Some(epoch) = published {
        summary.insert("epoch".to_owned(), epoch.0.into());
    }
    if (1..=100).contains(&counted.ids.len()) {
        summary.insert("ids".to_owned(), counted.ids.clone().into());
    }
    summary.into()
}

/// Ascending and without repetition, times to the millisecond.
pub(super) fn checked_boundaries(mut boundaries: BoundarySet) -> Result<BoundarySet, StoreError> {
    fn ascending<R: Named>(what: &str, rows: &[R]) -> Result<(), StoreError> {
        match rows.windows(2).find(|pair| pair[0].key() >= pair[1].key()) {
            None => Ok(()),
            Some(pair) => Err(StoreError::Invalid(format!("{what} {} does not come after {}", pair[1].key(), pair[0].key()))),
        }
    }
    ascending("region", &boundaries.regions)?;
    ascending("grid", &boundaries.grids)?;
    ascending("void", &boundaries.voids)?;
    boundaries.period.from = boundaries.period.from.map(to_millisecond);
    boundaries.period.until = boundaries.period.until.map(to_millisecond);
    if boundaries.period.is_empty() {
        return Err(StoreError::Invalid("the period of the boundaries is empty".to_owned()));
    }
    Ok(boundaries)
}

/// The period of a publication that ends the one before (`ended`, absent for the first and for sets beside the chain).
pub(super) fn checked_period(told: Period, ended: Option<Period>, at: Timestamp) -> Result<Period, StoreError> {
    let Some(ended) = ended else { return Ok(told) };
    let from = told.from.unwrap_or(at);
    if ended.from.is_some_and(|begun| from < begun) {
        return Err(StoreError::Invalid(format!(
            "boundaries from {from} cannot follow those in force from {}",
            ended.from.unwrap_or(from)
        )));
    }
    Ok(Period { from: Some(from), until: told.until })
}

/// No row stands twice in one commit.
pub(super) fn each_once<K: Eq + Hash + std::fmt::Display>(what: &str, keys: impl Iterator<Item = K>) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    for key in keys {
        if let Some(key) = seen.replace(key) {
            return Err(StoreError::Invalid(format!("{what} {key} stands twice in one commit")));
        }
    }
    Ok(())
}

/// The row is not what it was when it was read.
pub(super) fn changed<R: Numbered>(id: i64, base: Version, current: Version) -> StoreError {
    StoreError::Changed { what: format!("{} {id}", R::WHAT), base, current }
}

/// The position of a component category in the profile.
pub(super) fn known_category(profile: &CodeProfile, code: &str) -> Result<u16, StoreError> {
    profile
        .position(CategoryKind::Component, code)
        .ok_or_else(|| StoreError::Invalid(format!("the profile {:?} has no component category {code}", profile.name)))
}

/// A new profile has the categories of all facilities.
pub(super) fn keeps_categories<'a>(profile: &CodeProfile, mut used: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
    match used.find(|code| profile.position(CategoryKind::Component, code).is_none()) {
        None => Ok(()),
        Some(code) => {
            Err(StoreError::Invalid(format!("the new profile has no component category {code}, which facilities have")))
        }
    }
}

/// No grid that a count names is missing.
pub(super) fn known_grids(unknown: &[String]) -> Result<(), StoreError> {
    if unknown.is_empty() {
        return Ok(());
    }
    let some: Vec<&str> = unknown.iter().take(10).map(String::as_str).collect();
    Err(StoreError::Invalid(format!("{} counts name grids that do not exist: {}", unknown.len(), some.join(", "))))
}

/// A set beside the chain is not in force: nothing stands in its grids.
pub(super) fn moves_nothing<A, B>(facilities: &[A], cases: &[B]) -> Result<(), StoreError> {
    if facilities.is_empty() && cases.is_empty() {
        return Ok(());
    }
    Err(StoreError::Invalid("a boundary set beside the chain moves no facility or case".to_owned()))
}

/// Whether epochs follow one another, and their periods touch.
pub(super) fn epoch_faults(epochs: &[EpochRecord]) -> Vec<Fault> {
    let corrupt = |detail: String| Fault::new(FaultKind::Corrupt, detail);
    let mut faults = Vec::new();
    for (at, epoch) in epochs.iter().enumerate() {
        if epoch.epoch.0 != at as u64 + 1 {
            faults.push(corrupt(format!("epoch {} stands where {} should", epoch.epoch, at + 1)));
        }
        let next = epochs[at + 1..].iter().find(|next| next.set == epoch.set && next.base.is_some());
        if let (Some(_), Some(next)) = (epoch.base, next) {
            if next.base != Some(epoch.epoch) {
                faults.push(corrupt(format!("epoch {} does not follow epoch {}", next.epoch, epoch.epoch)));
            }
            if next.period.from != epoch.period.until {
                faults.push(corrupt(format!("the periods of epochs {} and {} do not touch", epoch.epoch, next.epoch)));
            }
        }
    }
    faults
}
