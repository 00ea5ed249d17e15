//! A standby of the city's database, which takes the long reads off it: the whole city when a server starts, and boundaries of the past. It may
//! lag behind, since what it lacks at the start is followed from the database itself, and may be away, since that can be read too.

use super::AppError;
use super::follow::in_time;
use crate::domain::id::Revision;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::scope::Scope;
use crate::store::{Access, Snapshot, Store, StoreError, place_shown};
use jiff::Timestamp;
use std::path::Path;
use std::time::Duration;

/// How long everything may take at the start before the database itself is read.
const LONGEST_START: Duration = Duration::from_secs(600);

/// The same of boundaries of the past.
const LONGEST_PAST: Duration = Duration::from_secs(30);

/// Where to read what is large; nowhere else than in the store itself, unless the settings say so.
#[derive(Debug, Default)]
pub(super) struct Standby(Option<Store>);

impl Standby {
    /// Refuses a database that tells something else than the city's own does.
    pub(super) async fn open(place: Option<&Path>, store: &Store) -> Result<Self, AppError> {
        let Some(place) = place else { return Ok(Self(None)) };
        let opened = async {
            let standby = in_time(Store::open(place, Access::Read)).await?;
            let agrees = tells_the_same(&standby, store, Revision(0)).await?;
            Ok::<_, StoreError>((standby, agrees))
        };
        match opened.await {
            Ok((standby, true)) => Ok(Self(Some(standby))),
            Ok((_, false)) => Err(AppError::Outside(format!(
                "--database-read {}: this is no standby of the city's database: its change log tells something else",
                place_shown(place)
            ))),
            Err(error) => {
                tracing::warn!(%error, "the standby cannot be read: the database itself is");
                Ok(Self(None))
            }
        }
    }

    /// The city at the start, as far as the standby has it; `None`: the database itself has to be read.
    pub(super) async fn snapshot(&self, at: Timestamp, within: &Scope) -> Option<Snapshot> {
        let read = tokio::time::timeout(LONGEST_START, self.0.as_ref()?.snapshot_within(at, within)).await;
        match read {
            Ok(Ok(snapshot)) => return Some(snapshot),
            Ok(Err(error)) => tracing::warn!(%error, "the standby cannot be read: the database itself is"),
            Err(_) => tracing::warn!("the standby did not answer in time: the database itself is read"),
        }
        None
    }

    /// The contents of an epoch. Read from the standby when it has everything that readers of this server see.
    pub(super) async fn boundaries_at(
        &self,
        store: &Store,
        record: &EpochRecord,
        seen: Revision,
    ) -> Result<Option<BoundarySet>, StoreError> {
        if let Some(standby) = &self.0 {
            let read = async {
                match tells_the_same(standby, store, seen).await? {
                    true => standby.boundaries_at(record.epoch).await,
                    false => Ok(None),
                }
            };
            match tokio::time::timeout(LONGEST_PAST, read).await {
                Ok(Ok(Some(set))) => return Ok(Some(set)),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the standby cannot be read: the database itself is"),
                Err(_) => tracing::debug!("the standby did not answer in time: the database itself is read"),
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

/// Whether a standby has at least a revision, and the same entry of the log at its end as the city's database has there. After a failover, or in
/// another database, the entry of that number was written by somebody else, or at another time.
async fn tells_the_same(standby: &Store, store: &Store, at_least: Revision) -> Result<bool, StoreError> {
    let there = in_time(standby.revision()).await?;
    let entry = async |store: &Store| in_time(store.log_since(Revision(there.0.saturating_sub(1)), 1)).await;
    let same_past = in_time(standby.stand()).await?.past.system == in_time(store.stand()).await?.past.system;
    Ok(same_past && there >= at_least && entry(standby).await? == entry(store).await?)
}
