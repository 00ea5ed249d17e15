//! Facilities written one at a time: added, changed, moved, removed. Each write is one commit of the store, the grid of its place
//! included, and is answered when readers see it. It runs on a task of its own: a caller that hangs up stops nothing half way.

use super::applier::Stopping;
use super::load::facility_of;
use super::view::View;
use super::{Actor, App, AppError};
use crate::city::{Change, Facility};
use crate::domain::category::CategoryKind;
use crate::domain::facility::{FacilityRecord, FacilityState, OriginalPosition};
use crate::domain::id::{Epoch, FacilityId, GridSet, Revision, Unit, Version};
use crate::domain::private::unmask_members;
use crate::domain::records::Provenance;
use crate::domain::scope::Scope;
use crate::geom::LatticePoint;
use crate::store::{CommitHead, FacilityOutcome, FacilityWrite, Once, StoreError, epoch_at};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most names of a facility in other systems.
const MOST_NAMES: usize = 50;
/// Most bytes of its properties as JSON.
const MOST_PROPERTIES: usize = 32 << 10;
/// How often a write begins again because the boundaries moved on under it.
const ATTEMPTS: usize = 5;

/// What is to become of a facility (RFC 7396): an absent member stays, `Some(None)` is taken away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// The city's own identifier.
    pub code: Option<Option<String>>,
    /// Component category in the profile.
    pub category: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its condition.
    pub state: Option<FacilityState>,
    /// Since when.
    pub state_date: Option<Option<Date>>,
    /// Where it stands, and where it was said to stand.
    pub place: Option<(LatticePoint, Option<OriginalPosition>)>,
    /// Accuracy class.
    pub accuracy: Option<Option<String>>,
    /// Its names in other systems, merged one by one.
    pub external_ids: Option<Option<BTreeMap<String, Option<String>>>>,
    /// What the data is taken from.
    pub source: Option<Option<String>>,
    /// The day the source describes.
    pub source_date: Option<Option<Date>>,
    /// Everything else, merged member by member.
    pub properties: Option<Option<Map<String, Value>>>,
}

/// Which version a caller means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// Whichever it has.
    Any,
    /// One of these.
    OneOf(Vec<Version>),
}

impl Meant {
    fn checked(&self, current: Version) -> Result<(), AppError> {
        match self {
            Self::OneOf(versions) if !versions.contains(&current) => Err(AppError::Outdated { current }),
            _ => Ok(()),
        }
    }
}

/// A write that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The facility as it is stored, with its texts as the caller may see them; `None`: it is gone.
    pub record: Option<FacilityRecord>,
    /// The change log's number after it.
    pub revision: Revision,
    /// It was sent before and done then.
    pub repeated: bool,
}

impl From<Stopping> for AppError {
    fn from(_: Stopping) -> Self {
        Self::Stopping
    }
}

/// Runs a write to its end, whether its caller waits or not.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = Result<T, AppError>> + Send + 'static) -> Result<T, AppError> {
    tokio::spawn(work).await.unwrap_or(Err(AppError::Panicked))
}

fn refused(field: &'static str, detail: impl Into<String>) -> AppError {
    AppError::Refused { field, detail: detail.into() }
}

/// The store's refusals that are the caller's to mend.
fn told(error: StoreError) -> AppError {
    match error {
        StoreError::Changed { current, .. } => AppError::Outdated { current },
        StoreError::KeyReused(key) => AppError::KeyReused(key),
        other => other.into(),
    }
}

impl App {
    /// One facility as it is stored, with its texts as the caller may see them.
    pub async fn facility(&self, actor: &Actor, id: FacilityId) -> Result<FacilityRecord, AppError> {
        Ok(actor.shown(self.facility_stored(actor, id).await?))
    }

    async fn facility_stored(&self, actor: &Actor, id: FacilityId) -> Result<FacilityRecord, AppError> {
        let view = self.view(actor);
        let unknown = AppError::UnknownId { what: "facility", id: id.0 };
        // What another server wrote just now is about to be seen.
        let view = if self.store.is_shared() && view.city.facilities.facility(id).is_none() {
            if let Ok(revision) = self.store.revision().await {
                let _ = self.reached(revision).await;
            }
            self.view(actor)
        } else {
            view
        };
        // What readers do not see yet, or no more, is not there.
        if !view.city.facilities.facility(id).is_some_and(|row| view.sees_facility(row)) {
            return Err(unknown);
        }
        let record = self.store.facilities_by_ids(&[id]).await?.pop();
        record.filter(|record| view.sees_record(record)).ok_or(unknown)
    }

    /// Adds a facility. With `once`, the same asked again is answered as it was the first time.
    pub async fn facility_create(
        self: &Arc<Self>,
        actor: &Arc<Actor>,
        patch: Patch,
        once: Option<Once>,
    ) -> Result<Written, AppError> {
        let (app, actor) = (Arc::clone(self), Arc::clone(actor));
        to_its_end(async move {
            let done = app.create(&actor, patch, once.clone()).await;
            app.finished(&actor, once.as_ref(), done).await
        })
        .await
    }

    /// Changes a facility. `once` as in [`Self::facility_create`].
    pub async fn facility_change(
        self: &Arc<Self>,
        actor: &Arc<Actor>,
        (id, meant): (FacilityId, Meant),
        patch: Patch,
        once: Option<Once>,
    ) -> Result<Written, AppError> {
        let (app, actor) = (Arc::clone(self), Arc::clone(actor));
        to_its_end(async move {
            let done = app.change(&actor, (id, &meant), patch, once.clone()).await;
            app.finished(&actor, once.as_ref(), done).await
        })
        .await
    }

    /// Removes a facility from the city for good. One that was taken away from its place is changed to that state instead. `once` as
    /// in [`Self::facility_create`].
    pub async fn facility_remove(
        self: &Arc<Self>,
        actor: &Arc<Actor>,
        (id, meant): (FacilityId, Meant),
        once: Option<Once>,
    ) -> Result<Written, AppError> {
        let (app, actor) = (Arc::clone(self), Arc::clone(actor));
        to_its_end(async move {
            let done = app.remove(&actor, (id, &meant), once.clone()).await;
            app.finished(&actor, once.as_ref(), done).await
        })
        .await
    }

    async fn create(&self, actor: &Actor, patch: Patch, once: Option<Once>) -> Result<Written, AppError> {
        let Some((at, _)) = patch.place else { return Err(AppError::Missing("position")) };
        let Some(category) = patch.category.clone() else { return Err(AppError::Missing("category")) };
        let empty = FacilityRecord {
            id: FacilityId(0),
            code: None,
            category,
            name: String::new(),
            state: FacilityState::Intact,
            state_date: None,
            at,
            original: None,
            grid: None,
            accuracy: None,
            properties: Map::new(),
            version: Version(0),
            provenance: Provenance::default(),
        };
        let mut epoch = None;
        for _ in 0..ATTEMPTS {
            self.takes_writes()?;
            let _writing = self.publishing.read().await;
            let view = self.view(actor);
            let head = self.head(actor, epoch.unwrap_or(view.territory.epoch));
            if let Some(written) = self.done_before(actor, &head, once.as_ref()).await? {
                return Ok(written);
            }
            let record = self.patched(actor, &view, &empty, patch.clone())?;
            let naming = self.code_checked(actor, &empty, &record).await?;
            let head = CommitHead { takes_code: naming.is_some(), ..head };
            self.takes_writes()?;
            match self.store.facility_write(head, FacilityWrite::Put(Box::new(record)), once.clone()).await {
                Err(StoreError::Stale { current, .. }) => epoch = self.after_stale(&view, current).await?,
                Err(StoreError::CodeTaken { code, .. }) => self.code_taken(code).await?,
                Err(error) => return Err(told(error)),
                Ok(outcome) => return self.seen(&view, outcome, None).await,
            }
        }
        Err(AppError::Busy)
    }

    async fn change(
        &self,
        actor: &Actor,
        (id, meant): (FacilityId, &Meant),
        patch: Patch,
        once: Option<Once>,
    ) -> Result<Written, AppError> {
        let mut epoch = None;
        for _ in 0..ATTEMPTS {
            self.takes_writes()?;
            let _writing = self.publishing.read().await;
            let view = self.view(actor);
            let head = self.head(actor, epoch.unwrap_or(view.territory.epoch));
            if let Some(written) = self.done_before(actor, &head, once.as_ref()).await? {
                return Ok(written);
            }
            let before = self.facility_stored(actor, id).await?;
            meant.checked(before.version)?;
            let record = self.patched(actor, &view, &before, patch.clone())?;
            let naming = self.code_checked(actor, &before, &record).await?;
            let head = CommitHead { takes_code: naming.is_some(), ..head };
            self.takes_writes()?;
            match self.store.facility_write(head, FacilityWrite::Put(Box::new(record)), once.clone()).await {
                Err(StoreError::Stale { current, .. }) => epoch = self.after_stale(&view, current).await?,
                Err(StoreError::CodeTaken { code, .. }) => self.code_taken(code).await?,
                // Somebody else was quicker; whoever means any version means the one after as well.
                Err(StoreError::Changed { current, .. }) if *meant == Meant::Any && current.0 > 0 => {}
                Err(error) => return Err(told(error)),
                Ok(outcome) => return self.seen(&view, outcome, None).await,
            }
        }
        Err(AppError::Busy)
    }

    async fn remove(&self, actor: &Actor, (id, meant): (FacilityId, &Meant), once: Option<Once>) -> Result<Written, AppError> {
        for _ in 0..ATTEMPTS {
            self.takes_writes()?;
            let _writing = self.publishing.read().await;
            // What is removed stands in no boundaries: no epoch to be right about.
            let head = CommitHead::new(actor.id.clone(), self.clock.now());
            if let Some(written) = self.done_before(actor, &head, once.as_ref()).await? {
                return Ok(written);
            }
            let before = self.facility_stored(actor, id).await?;
            meant.checked(before.version)?;
            self.takes_writes()?;
            match self.store.facility_write(head, FacilityWrite::Remove(id, before.version), once.clone()).await {
                Err(StoreError::Changed { current, .. }) if *meant == Meant::Any && current.0 > 0 => {}
                Err(error) => return Err(told(error)),
                Ok(outcome) => return self.seen(&self.view(actor), outcome, Some(id)).await,
            }
        }
        Err(AppError::Busy)
    }

    /// What a write of this name did when it was sent before.
    async fn done_before(&self, actor: &Actor, head: &CommitHead, once: Option<&Once>) -> Result<Option<Written>, AppError> {
        let Some(once) = once else { return Ok(None) };
        let Some(outcome) = self.store.facility_outcome(head, once).await.map_err(told)? else { return Ok(None) };
        self.caught_up(outcome.revision).await?;
        // Who had this name, or this scope, then need not have it now.
        if let Some(row) = outcome.row.as_ref().filter(|row| !self.view(actor).sees_record(row)) {
            return Err(AppError::UnknownId { what: "facility", id: row.id.0 });
        }
        Ok(Some(Written { record: outcome.row, revision: outcome.revision, repeated: true }))
    }

    /// What a caller is told of a write. One that the same one overtook, sent at the same time under the same name, is answered as that one.
    async fn finished(&self, actor: &Actor, once: Option<&Once>, done: Result<Written, AppError>) -> Result<Written, AppError> {
        let written = match done {
            Err(error @ (AppError::CodeTaken { .. } | AppError::Outdated { .. } | AppError::UnknownId { .. })) => {
                let head = CommitHead::new(actor.id.clone(), self.clock.now());
                self.done_before(actor, &head, once).await?.ok_or(error)
            }
            done => done,
        }?;
        Ok(Written { record: written.record.map(|record| actor.shown(record)), ..written })
    }

    /// Returns when readers see a revision that is stored, whoever should have handed it to the applier.
    async fn caught_up(&self, revision: Revision) -> Result<(), AppError> {
        match self.reached(revision).await {
            Err(AppError::Behind { .. }) => Ok(self.applier.reload(revision).await?),
            reached => reached,
        }
    }

    /// Returns when readers see what a write did: hands it to the applier, unless that was done before. `removed`: what it removed.
    async fn seen(&self, view: &View, outcome: FacilityOutcome, removed: Option<FacilityId>) -> Result<Written, AppError> {
        let FacilityOutcome { revision, row, written, repeated } = outcome;
        if written {
            let put = row.iter().filter_map(|row| facility_of(row, &view.city.about.profile)).collect();
            let change = Change::Facilities { put, removed: removed.into_iter().collect() };
            self.applier.apply_as(revision, change, Arc::clone(&view.city.about)).await?;
        } else {
            self.caught_up(revision).await?;
        }
        Ok(Written { record: row, revision, repeated })
    }

    fn head(&self, actor: &Actor, epoch: Epoch) -> CommitHead {
        CommitHead { epoch: Some(epoch), ..CommitHead::new(actor.id.clone(), self.clock.now()) }
    }

    /// The record after a patch, with the grid that holds it in the boundaries of the view.
    fn patched(&self, actor: &Actor, view: &View, before: &FacilityRecord, mut patch: Patch) -> Result<FacilityRecord, AppError> {
        if let Some(Some(members)) = &mut patch.properties {
            unmask_members(members, &before.properties);
        }
        let record = patch.applied(before, || {
            let zone = TimeZone::get(&view.city.about.time_zone).unwrap_or(TimeZone::UTC);
            self.clock.now().to_zoned(zone).date()
        })?;
        if view.city.about.profile.position(CategoryKind::Component, &record.category).is_none() {
            let detail = format!("the profile has no component {:?}; see /api/v1/categories", record.category);
            return Err(refused("category", detail));
        }
        if actor.hidden.holds(&record.category) {
            return Err(refused("category", format!("{:?} is of a class that you may not write", record.category)));
        }
        let leaf = view.territory.leaf_at(record.at);
        if !view.sees_at(leaf) {
            return Err(refused("position", "lies outside the part of the city that you may write to, or that this server has"));
        }
        let grid = leaf.and_then(Unit::grid).map(|ix| view.territory.grid(ix).code.clone());
        Ok(FacilityRecord { grid, ..record })
    }

    /// Nobody else has the code that a facility takes. Nobody takes it while the answer is held.
    async fn code_checked(
        &self,
        actor: &Actor,
        before: &FacilityRecord,
        record: &FacilityRecord,
    ) -> Result<Option<tokio::sync::MutexGuard<'_, ()>>, AppError> {
        let Some(code) = record.code.clone().filter(|_| record.code != before.code) else { return Ok(None) };
        let naming = self.naming.lock().await;
        // What took a code before is applied: it was done under the same lock.
        let (city, asked, own) = (self.published.load(), code.clone(), record.id);
        let holder = self.compute.run(move || {
            let named = |row: &&Facility| row.code.as_deref() == Some(asked.as_str()) && row.id != own;
            city.facilities.iter().find(named).map(|row| row.id)
        });
        match holder.await? {
            Some(id) => {
                let city = self.published.load();
                let seen = city.facilities.facility(id).is_some_and(|row| self.view(actor).sees_facility(row));
                Err(AppError::CodeTaken { code, id: seen.then_some(id.0) })
            }
            // A store that others write to looks itself.
            None if self.config.within != Scope::All && !self.store.is_shared() => {
                let keys = self.store.facility_keys().await?;
                let taken = keys.iter().any(|key| key.code.as_deref() == Some(code.as_str()) && key.id != record.id);
                if taken { Err(AppError::CodeTaken { code, id: None }) } else { Ok(Some(naming)) }
            }
            None => Ok(Some(naming)),
        }
    }

    /// A code was given away by way of another server: the next look finds to whom, unless that is in a part of the city that is not here.
    async fn code_taken(&self, code: String) -> Result<(), AppError> {
        self.caught_up(self.store.revision().await?).await?;
        let city = self.published.load();
        let is_here = city.facilities.iter().any(|row| row.code.as_deref() == Some(code.as_str()));
        match self.config.within {
            Scope::Within(_) if !is_here => Err(AppError::CodeTaken { code, id: None }),
            _ => Ok(()),
        }
    }

    /// The boundaries are not those that a write was made for. Either they are to come, and the write has to name them, or this
    /// server is about to see them. Answers the epoch to name, if another than the one in force.
    async fn after_stale(&self, view: &View, current: Epoch) -> Result<Option<Epoch>, AppError> {
        let epochs = self.store.epochs().await?;
        let in_force = epoch_at(&epochs, &GridSet::default(), self.clock.now()).map_or(Epoch(0), |record| record.epoch);
        if in_force == view.territory.epoch {
            return Ok(Some(current));
        }
        self.reached(self.store.revision().await?).await?;
        Ok(None)
    }
}

impl Patch {
    /// The record after it. `today` is the day of a state that changes without a day of its own.
    fn applied(self, before: &FacilityRecord, today: impl FnOnce() -> Date) -> Result<FacilityRecord, AppError> {
        let mut record = before.clone();
        let Self { code, category, name, state, state_date, place, accuracy, external_ids, source, source_date, properties } =
            self;
        record.code = code.unwrap_or(record.code);
        record.category = category.unwrap_or(record.category);
        record.name = name.unwrap_or(record.name);
        record.accuracy = accuracy.unwrap_or(record.accuracy);
        if let Some(state) = state.filter(|state| *state != before.state) {
            record.state = state;
            record.state_date = Some(today());
        }
        record.state_date = state_date.unwrap_or(record.state_date);
        if let Some((at, original)) = place {
            (record.at, record.original) = (at, original);
        }
        // From here on it is no longer what an import wrote.
        record.provenance.import_id = None;
        record.provenance.source = source.unwrap_or(record.provenance.source);
        record.provenance.source_date = source_date.unwrap_or(record.provenance.source_date);
        let names = &mut record.provenance.external_ids;
        match external_ids {
            None => {}
            Some(None) => names.clear(),
            Some(Some(patch)) => {
                for (system, id) in patch {
                    match id {
                        Some(id) => drop(names.insert(system, id)),
                        None => drop(names.remove(&system)),
                    }
                }
            }
        }
        if names.len() > MOST_NAMES {
            return Err(refused("external_ids", format!("are {} names, more than {MOST_NAMES}", names.len())));
        }
        match properties {
            None => {}
            Some(None) => record.properties.clear(),
            Some(Some(patch)) => {
                merge(&mut record.properties, patch);
                let bytes = serde_json::to_string(&record.properties).map_or(usize::MAX, |text| text.len());
                if bytes > MOST_PROPERTIES {
                    return Err(refused("properties", format!("are {bytes} bytes of JSON, more than {MOST_PROPERTIES}")));
                }
            }
        }
        Ok(record)
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(&name)),
            Value::Object(patch) => {
                let slot = target.entry(name).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                merge(slot.as_object_mut().expect("made an object above"), patch);
            }
            other => drop(target.insert(name, other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The examples of RFC 7396, appendix A, whose patch and target are objects.
    #[test]
    fn a_merge_is_that_of_the_standard() {
        let cases = [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ];
        for (target, patch, expected) in cases {
            let (Value::Object(mut merged), Value::Object(changes)) = (target.clone(), patch.clone()) else { unreachable!() };
            merge(&mut merged, changes);
            assert_eq!(Value::Object(merged), expected, "{target} {patch}");
        }
    }
}
