//! A standby of the city's database, which takes the long reads off it: the whole city when a server starts, and boundaries of the past. It may
//! lag behind, since what it lacks at the start is followed from the database itself, and may be away, since that can be read too.

use super::AppError;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::scope::Scope;
use crate::store::{Access, Past, Snapshot, Store, StoreError, place_shown};
use jiff::Timestamp;
use std::path::Path;

/// Where to read what is large; nowhere else than in the store itself, unless the settings say so.
#[derive(Debug, Default)]
pub(super) struct Standby(Option<Store>);

impl Standby {
    /// Refuses a database that is none of this past's: its numbers mean something else.
    pub(super) async fn open(place: Option<&Path>, past: Past) -> Result<Self, AppError> {
        let Some(place) = place else { return Ok(Self(None)) };
        let opened = async {
            let store = Store::open(place, Access::Read).await?;
            let its = store.stand().await?.past;
            Ok::<_, StoreError>((store, its))
        };
        match opened.await {
            Ok((store, its)) if its.system == past.system => Ok(Self(Some(store))),
            Ok(_) => Err(AppError::Outside(format!(
                "--database-read {}: this is no standby of the city's database, but another one",
                place_shown(place)
            ))),
            Err(error) => {
                tracing::warn!(%error, "the standby cannot be read: the database itself is");
                Ok(Self(None))
            }
        }
    }

    /// The city at the start.
    pub(super) async fn snapshot(&self, store: &Store, at: Timestamp, within: &Scope) -> Result<Snapshot, StoreError> {
        if let Some(standby) = &self.0 {
            match standby.snapshot_within(at, within).await {
                Ok(snapshot) => return Ok(snapshot),
                Err(error) => tracing::warn!(%error, "the standby cannot be read: the database itself is"),
            }
        }
        store.snapshot_within(at, within).await
    }

    /// The contents of an epoch, which never change but for their period.
    pub(super) async fn boundaries_at(&self, store: &Store, record: &EpochRecord) -> Result<Option<BoundarySet>, StoreError> {
        if let Some(standby) = &self.0 {
            match standby.boundaries_at(record.epoch).await {
                Ok(Some(set)) => return Ok(Some(BoundarySet { period: record.period, ..set })),
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the standby cannot be read: the database itself is"),
            }
        }
        store.boundaries_at(record.epoch).await
    }

    /// Gives its connections back.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        match &self.0 {
            Some(standby) => standby.close().await,
            None => Ok(()),
        }
    }
}
