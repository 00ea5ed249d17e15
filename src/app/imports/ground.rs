//! Where an import goes: into a store that nobody else writes to, or into that of a running server, whose city follows each commit.

use super::{ImportError, territory_at};
use crate::app::App;
use crate::app::load::facility_of;
use crate::city::{Case, Change};
use crate::domain::id::{CaseId, FacilityId, Revision, Version};
use crate::store::{Committed, Gate, LogEntry, LogKind, OnStale, Store, StoreError};
use crate::territory::Territory;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::{MutexGuard, RwLockWriteGuard};

/// Where an import goes.
#[derive(Clone)]
pub enum Ground {
    /// A store that nobody else writes to.
    Alone(Store),
    /// That of a running server.
    Served(Arc<App>),
}

impl Ground {
    /// The store.
    pub fn store(&self) -> &Store {
        match self {
            Self::Alone(store) => store,
            Self::Served(app) => &app.store,
        }
    }

    /// The running server, if it is one.
    pub(super) fn app(&self) -> Option<&Arc<App>> {
        match self {
            Self::Alone(_) => None,
            Self::Served(app) => Some(app),
        }
    }

    /// The boundaries in force, ready for lookups.
    pub(super) async fn territory(&self, at: Timestamp) -> Result<Option<Arc<Territory>>, ImportError> {
        match self {
            Self::Alone(store) => territory_at(store, at).await,
            Self::Served(app) => Ok(Some(Arc::clone(&app.published.load().territory)).filter(|territory| territory.epoch.0 > 0)),
        }
    }

    /// What becomes of a row that changed since it was read. Where others write at the same time theirs is the later word.
    pub(super) fn on_stale(&self) -> OnStale {
        if self.app().is_some() { OnStale::Skip } else { OnStale::Refuse }
    }

    /// Nobody writes a facility while this is held, and everything that was written is in the city.
    pub(super) async fn no_writes(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        match self {
            Self::Alone(_) => None,
            Self::Served(app) => Some(app.publishing.write().await),
        }
    }

    /// Nobody writes through another process either while this is held, and everything that was written is in the city. Refused when
    /// boundaries, counts or settings are others than at revision `read`, which a publication would write over.
    pub(super) async fn gate(&self, read: Revision) -> Result<Gate, StoreError> {
        let gate = self.store().gate().await?;
        let Some(revision) = gate.revision() else { return Ok(gate) };
        let since = self.store().log_since(read, MOST_SINCE).await?;
        let concerns = |entry: &LogEntry| {
            matches!(entry.kind, LogKind::Boundaries | LogKind::Households | LogKind::Meta) || entry.summary["settings"] == true
        };
        if since.len() == MOST_SINCE || since.iter().any(concerns) {
            let why = "another server changed boundaries, counts or settings meanwhile: send it again";
            return Err(StoreError::Invalid(why.to_owned()));
        }
        if let Some(app) = self.app() {
            // What a stopping server does not see any more its commit does not find either.
            let _ = app.applier.reload(revision).await;
        }
        Ok(gate)
    }

    /// No facility takes a code while this is held.
    pub(super) async fn no_naming(&self) -> Option<MutexGuard<'_, ()>> {
        match self {
            Self::Alone(_) => None,
            Self::Served(app) => Some(app.naming.lock().await),
        }
    }

    /// Returns when readers of a running server see a commit: as `change`, when that is known, else loaded from the store.
    pub(super) async fn follow(&self, committed: &Committed, change: Option<Change>) {
        let Self::Served(app) = self else { return };
        let took_a_number = committed.new + committed.changed + committed.removed + committed.moved > 0;
        let followed = match change {
            Some(change) if took_a_number => app.applier.apply(committed.revision, change).await,
            _ => app.applier.reload(committed.revision).await,
        };
        if let Err(stopping) = followed {
            // It is in the store; the next start shows it.
            tracing::warn!(revision = committed.revision.0, "an import is committed, and {stopping}");
        }
    }

    /// The facilities that a commit wrote, as they are in memory; `made_from`: the version of each before, 0 of a new one. `None` when
    /// that cannot be told exactly any more, where the store tells it as well (others write there too, profiles among it), or when there is
    /// nobody to tell.
    pub(super) async fn facilities_written(
        &self,
        committed: &Committed,
        made_from: Option<&[Version]>,
    ) -> Result<Option<Change>, StoreError> {
        let (Some(app), Some(made_from)) = (self.app(), made_from) else { return Ok(None) };
        if app.store.is_shared() || !all_written(committed, made_from) {
            return Ok(None);
        }
        let ids: Vec<FacilityId> = committed.ids.iter().map(|id| FacilityId(*id)).collect();
        let rows = app.store.facilities_by_ids(&ids).await?;
        let versions: std::collections::HashMap<i64, Version> =
            committed.ids.iter().copied().zip(made_from.iter().copied()).collect();
        let as_written = |id: i64, version: Version| versions.get(&id).is_some_and(|from| from.0 + 1 == version.0);
        if rows.len() != ids.len() || !rows.iter().all(|row| as_written(row.id.0, row.version)) {
            return Ok(None);
        }
        let profile = &app.published.load().about.profile;
        let put: Option<Vec<_>> = rows.iter().map(|row| facility_of(row, profile)).collect();
        Ok(put.map(|put| Change::Facilities { put, removed: Vec::new() }))
    }

    /// The same of cases.
    pub(super) async fn cases_written(&self, committed: &Committed, made_from: &[Version]) -> Result<Option<Change>, StoreError> {
        let Some(app) = self.app() else { return Ok(None) };
        if app.store.is_shared() || made_from.len() > MOST_EXACT || !all_written(committed, made_from) {
            return Ok(None);
        }
        let ids: Vec<CaseId> = committed.ids.iter().map(|id| CaseId(*id)).collect();
        let rows = app.store.cases_by_ids(&ids).await?;
        let versions: std::collections::HashMap<i64, Version> =
            committed.ids.iter().copied().zip(made_from.iter().copied()).collect();
        if rows.len() != ids.len()
            || !rows.iter().all(|row| versions.get(&row.id.0).is_some_and(|from| from.0 + 1 == row.version.0))
        {
            return Ok(None);
        }
        let put = rows.into_iter().map(|record| Case { record: Arc::new(record), leaf: None }).collect();
        Ok(Some(Change::Cases { put, removed: Vec::new() }))
    }
}

/// Commits of others during one import, of which it is looked whether they concern it.
const MOST_SINCE: usize = 100_000;

/// Rows up to which a running server is told each of them; more are loaded from its store.
pub(super) const MOST_EXACT: usize = 2000;

/// Every row of a commit was written, and it is known from which version.
fn all_written(committed: &Committed, made_from: &[Version]) -> bool {
    committed.same == 0 && committed.stale.is_empty() && committed.ids.len() == made_from.len()
}
