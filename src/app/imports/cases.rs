//! Open cases: those of other systems are mirrored by their id there.

use super::read::{EachPoint, read_points};
use super::report::Report;
use super::rows::{Imported, Known, placed_row};
use super::{ImportError, Job};
use crate::city::Change;
use crate::domain::case::CaseRecord;
use crate::domain::category::CategoryKind;
use crate::domain::code::Code;
use crate::domain::id::{CaseId, Epoch, Version};
use crate::interchange::points::case;
use crate::store::{CaseCommit, Committed, RowCommit, Store, StoreError, external_key};
use jiff::Timestamp;

/// The number by which a case is recognised.
fn key(system: Option<&str>, id: Option<&str>, source_hash: Option<u64>) -> Vec<u64> {
    let named = system.zip(id).map(|(system, id)| external_key(system, id));
    named.or(source_hash).into_iter().collect()
}

impl Imported for CaseRecord {
    async fn known(store: &Store) -> Result<Vec<Known>, StoreError> {
        let keys = store.case_keys().await?.into_iter();
        let known = keys.map(|row| Known {
            id: row.id.0,
            version: row.version,
            keys: key(row.source_system.as_deref(), row.external_id.as_deref(), row.source_hash),
            source_hash: row.source_hash,
            updated_at: row.source_updated_at,
        });
        Ok(known.collect())
    }

    async fn stored(store: &Store, ids: Vec<i64>) -> Result<Vec<Self>, StoreError> {
        store.cases_by_ids(&ids.into_iter().map(CaseId).collect::<Vec<_>>()).await
    }

    async fn commit(store: &Store, job: &Job, commit: RowCommit<Self>) -> Result<(Committed, Option<Change>), ImportError> {
        let RowCommit { head, rows, removed, import } = commit;
        let made_from: Vec<Version> = rows.iter().map(|row| row.version).collect();
        let removed = removed.into_iter().map(CaseId).collect();
        let committed = store.cases_commit(CaseCommit { head, rows, removed, import }).await?;
        let change = job.ground.cases_written(&committed, &made_from).await?;
        Ok((committed, change))
    }

    fn read(job: &Job, report: &mut Report, each: &mut EachPoint<'_, Self>) {
        read_points(job, CategoryKind::Matter, report, case, each);
    }

    placed_row!(CaseId);

    fn restore(&mut self, old: &Self) {
        if self.at == old.at {
            (self.grid, self.epoch) = (old.grid.clone(), old.epoch);
        } else {
            self.original = None;
        }
    }

    fn keys(&self, source_hash: Option<u64>) -> Vec<u64> {
        key(self.source_system.as_deref(), self.external_id.as_deref(), source_hash)
    }

    fn is_named(&self) -> bool {
        self.external_id.is_some()
    }

    fn updated_at(&self) -> Option<Timestamp> {
        self.source_updated_at
    }

    fn lies_in(&mut self, epoch: Epoch, grid: Option<Code>) {
        (self.epoch, self.grid) = (epoch, grid);
    }
}
