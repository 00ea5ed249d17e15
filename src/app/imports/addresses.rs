//! Standard addresses: recognised by their ids in other systems, else by what they say.

use super::read::{EachPoint, Point, read};
use super::report::Report;
use super::rows::{Imported, Known, placed_row};
use super::{ImportError, Job};
use crate::city::Change;
use crate::domain::address::AddressRecord;
use crate::domain::id::AddressId;
use crate::interchange::addresses::address;
use crate::store::{Committed, RowCommit, Store, StoreError};

impl Imported for AddressRecord {
    async fn known(store: &Store) -> Result<Vec<Known>, StoreError> {
        let known = store.address_keys().await?.into_iter().map(|row| Known {
            id: row.id.0,
            version: row.version,
            keys: if row.external.is_empty() { row.source_hash.into_iter().collect() } else { row.external.into() },
            source_hash: row.source_hash,
            updated_at: None,
        });
        Ok(known.collect())
    }

    async fn stored(store: &Store, ids: Vec<i64>) -> Result<Vec<Self>, StoreError> {
        store.addresses_by_ids(&ids.into_iter().map(AddressId).collect::<Vec<_>>()).await
    }

    async fn commit(store: &Store, _job: &Job, commit: RowCommit<Self>) -> Result<(Committed, Option<Change>), ImportError> {
        Ok((store.addresses_commit(commit).await?, None))
    }

    fn read(job: &Job, report: &mut Report, each: &mut EachPoint<'_, Self>) {
        read(job, report, &mut |raw, columns, terms, report| {
            let number = raw.number;
            match address(&columns.sort_out(raw), terms) {
                Ok((record, origin)) => each(Point { number, record, origin }, terms, report),
                Err(faults) => faults,
            }
        });
    }

    placed_row!(AddressId);

    fn restore(&mut self, old: &Self) {
        if self.at != old.at {
            self.original = None;
        }
    }

    fn note(report: &mut Report) {
        if !report.other_columns.is_empty() {
            report.notes.push(format!("not stored, since an address has no such fields: {}", report.other_columns.join(", ")));
        }
    }
}
