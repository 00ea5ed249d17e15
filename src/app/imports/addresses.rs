//! Standard addresses: recognised by their ids in other systems, else by what they say.

use super::cases::CHANGED_SINCE;
use super::facilities::swapped;
use super::matching::{RecordName, Seen};
use super::read::read;
use super::report::{Report, Status};
use super::{Before, ImportError, Job, Step, grid_at};
use crate::domain::address::AddressRecord;
use crate::domain::code::Code;
use crate::domain::id::{AddressId, Epoch};
use crate::interchange::addresses::address;
use crate::interchange::fields::Field;
use crate::interchange::own::Origin;
use crate::interchange::points::unknown_code;
use crate::store::{AddressCommit, AddressKey, Store, external_key};
use crate::territory::Territory;
use std::collections::HashMap;
use std::sync::Arc;

/// Addresses to be written.
#[derive(Default)]
struct Rows {
    /// New ones and changed ones.
    sure: Vec<AddressRecord>,
    /// Rows of a copy of this or another city, with their numbers: whether they were edited is seen beside the stored rows.
    copied: Vec<(u64, AddressRecord, Origin)>,
}

pub(super) async fn import(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = job.ground.territory(job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let keys = store.address_keys().await?;
    let job = Arc::new(job);
    let (mut report, rows) = {
        let job = Arc::clone(&job);
        tokio::task::spawn_blocking(move || read_and_match(&job, report, &keys, territory.as_deref())).await?
    };
    let rows = compare_copied(store, &mut report, rows).await?;
    report.epoch = epoch;
    if !report.other_columns.is_empty() {
        report.notes.push(format!("not stored, since an address has no such fields: {}", report.other_columns.join(", ")));
    }
    report.status = job.status(&report, rows.is_empty());
    if report.status == Status::Imported {
        job.tell(Step::Writing { rows: rows.len() as u64 });
        let import = Some(job.import_record(&report, Before::default()));
        let commit = AddressCommit { head: job.head(epoch), rows, removed: Vec::new(), import };
        let committed = store.addresses_commit(commit).await?;
        job.committed(&mut report, &committed, None).await;
    }
    Ok(report)
}

/// The numbers it is recognised by.
fn keys_of(record: &AddressRecord, source_hash: Option<u64>) -> Vec<u64> {
    let named: Vec<u64> = record.provenance.external_ids.iter().map(|(system, id)| external_key(system, id)).collect();
    if named.is_empty() { source_hash.into_iter().collect() } else { named }
}

fn read_and_match(job: &Job, mut report: Report, stored: &[AddressKey], territory: Option<&Territory>) -> (Report, Rows) {
    let mut by_key: HashMap<u64, &AddressKey> = HashMap::with_capacity(stored.len());
    for key in stored {
        let hash = key.source_hash.filter(|_| key.external.is_empty());
        for number in key.external.iter().copied().chain(hash) {
            by_key.entry(number).or_insert(key);
        }
    }
    let mut seen: Seen<u64> = Seen::default();
    let mut rows = Rows::default();
    read(job, &mut report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        let fields = columns.sort_out(raw);
        let (mut record, origin) = match address(&fields, terms) {
            Ok(made) => made,
            Err(faults) => return faults,
        };
        if let (Some(territory), Some(at)) = (territory, record.at)
            && grid_at(territory, at).is_none()
        {
            if let Some(fault) = swapped(territory, at, number) {
                return vec![fault];
            }
            report.tally.outside += 1;
        }
        let known =
            |code: &Code| territory.is_some_and(|t| t.region_ix(code.as_str()).is_some() || t.grid_ix(code.as_str()).is_some());
        if let Some(within) = record.within.as_ref().filter(|code| !known(code)) {
            return vec![unknown_code(number, Field::Within, within)];
        }
        let hash = record.provenance.source_hash;
        let source_hash = origin.as_ref().and_then(|origin| origin.source_hash).or(hash);
        let keys = keys_of(&record, source_hash);
        if let Some(earlier) = seen.earlier(keys.iter().copied(), &RecordName::new(number, terms), &hash) {
            earlier.report(report, number, "id", record.at);
            return Vec::new();
        }
        match (keys.iter().find_map(|key| by_key.get(key)), origin) {
            (None, _) => {
                report.tally.new += 1;
                record.provenance.source_hash = source_hash;
                rows.sure.push(record);
            }
            (Some(old), Some(origin)) => {
                record.id = old.id;
                rows.copied.push((number, record, origin));
            }
            (Some(old), None) if old.source_hash == hash => report.tally.same += 1,
            (Some(old), None) => {
                report.tally.changed += 1;
                (record.id, record.version) = (old.id, old.version);
                rows.sure.push(record);
            }
        }
        Vec::new()
    });
    (report, rows)
}

/// Rows to write: those that are sure, and those of a copy that were edited there.
async fn compare_copied(store: &Store, report: &mut Report, rows: Rows) -> Result<Vec<AddressRecord>, ImportError> {
    let Rows { mut sure, copied } = rows;
    let ids: Vec<AddressId> = copied.iter().map(|(_, row, _)| row.id).collect();
    let stored: HashMap<AddressId, AddressRecord> =
        store.addresses_by_ids(&ids).await?.into_iter().map(|row| (row.id, row)).collect();
    for (number, mut row, origin) in copied {
        let Some(old) = stored.get(&row.id) else { continue };
        row.version = old.version;
        row.provenance.import_id = old.provenance.import_id;
        if row.at != old.at {
            row.original = None;
        }
        // An address without an id elsewhere is recognised by it.
        let said = if row.provenance.external_ids.is_empty() { origin.source_hash } else { row.provenance.source_hash };
        row.provenance.source_hash = old.provenance.source_hash;
        if row == *old {
            report.tally.same += 1;
        } else if origin.version.is_some_and(|version| version != old.version) {
            report.conflict(number, "version", row.at, CHANGED_SINCE.to_owned());
        } else {
            report.tally.changed += 1;
            row.provenance.source_hash = said;
            sure.push(row);
        }
    }
    Ok(sure)
}
