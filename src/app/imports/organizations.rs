//! Organizations: recognised by their ids in other systems, else by what they say.

use super::read::{EachPoint, read_points};
use super::report::Report;
use super::rows::{Imported, Known, keys, placed_row};
use super::{ImportError, Job};
use crate::city::Change;
use crate::domain::category::CategoryKind;
use crate::domain::id::OrganizationId;
use crate::domain::organization::OrganizationRecord;
use crate::interchange::points::organization;
use crate::store::{Committed, RowCommit, Store, StoreError};
use std::collections::HashSet;

impl Imported for OrganizationRecord {
    async fn known(store: &Store) -> Result<Vec<Known>, StoreError> {
        let known = store.organizations().await?.into_iter().map(|row| Known {
            id: row.id.0,
            version: row.version,
            keys: keys(&row.provenance, row.provenance.source_hash),
            source_hash: row.provenance.source_hash,
            updated_at: None,
        });
        Ok(known.collect())
    }

    async fn stored(store: &Store, ids: Vec<i64>) -> Result<Vec<Self>, StoreError> {
        let ids: HashSet<i64> = ids.into_iter().collect();
        let mut all = store.organizations().await?;
        all.retain(|row| ids.contains(&row.id.0));
        Ok(all)
    }

    async fn commit(store: &Store, _job: &Job, commit: RowCommit<Self>) -> Result<(Committed, Option<Change>), ImportError> {
        Ok((store.organizations_commit(commit).await?, None))
    }

    fn read(job: &Job, report: &mut Report, each: &mut EachPoint<'_, Self>) {
        read_points(job, CategoryKind::Organization, report, organization, each);
    }

    placed_row!(OrganizationId);

    fn restore(&mut self, old: &Self) {
        if self.at != old.at {
            self.original = None;
        }
    }
}
