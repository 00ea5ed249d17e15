//! Open cases: those of other systems are mirrored by their id there.

use super::facilities::swapped;
use super::matching::{RecordName, Seen};
use super::read::{Point, read_points};
use super::report::{Report, Status};
use super::{Before, ImportError, Job, Step, grid_at};
use crate::domain::case::CaseRecord;
use crate::domain::category::CategoryKind;
use crate::domain::id::{CaseId, Epoch, Version};
use crate::interchange::fields::Field;
use crate::interchange::own::Origin;
use crate::interchange::points::{case, unknown_code};
use crate::store::{CaseCommit, CaseKey, Store, external_key};
use crate::territory::Territory;
use std::collections::HashMap;
use std::sync::Arc;

/// Cases to be written.
#[derive(Default)]
struct Rows {
    /// New ones and changed ones.
    sure: Vec<CaseRecord>,
    /// Rows of a copy of this or another city, with their numbers: whether they were edited is seen beside the stored rows.
    copied: Vec<(u64, CaseRecord, Origin)>,
}

pub(super) async fn import(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = job.ground.territory(job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let keys = store.case_keys().await?;
    let job = Arc::new(job);
    let (mut report, rows) = {
        let job = Arc::clone(&job);
        tokio::task::spawn_blocking(move || read_and_match(&job, report, &keys, territory.as_deref())).await?
    };
    let rows = compare_copied(store, &mut report, rows).await?;
    report.epoch = epoch;
    report.status = job.status(&report, rows.is_empty());
    if report.status == Status::Imported {
        job.tell(Step::Writing { rows: rows.len() as u64 });
        let import = Some(job.import_record(&report, Before::default()));
        let made_from: Vec<Version> = rows.iter().map(|row| row.version).collect();
        let commit = CaseCommit { head: job.head(epoch), rows, removed: Vec::new(), import };
        let committed = store.cases_commit(commit).await?;
        let change = job.ground.cases_written(&committed, &made_from).await?;
        job.committed(&mut report, &committed, change).await;
    }
    Ok(report)
}

fn key_of(record: &CaseRecord, source_hash: Option<u64>) -> Option<u64> {
    match (&record.source_system, &record.external_id) {
        (Some(system), Some(id)) => Some(external_key(system, id)),
        _ => source_hash,
    }
}

fn read_and_match(job: &Job, mut report: Report, stored: &[CaseKey], territory: Option<&Territory>) -> (Report, Rows) {
    let by_key: HashMap<u64, &CaseKey> = stored
        .iter()
        .filter_map(|key| match (&key.source_system, &key.external_id) {
            (Some(system), Some(id)) => Some((external_key(system, id), key)),
            _ => key.source_hash.map(|hash| (hash, key)),
        })
        .collect();
    let mut seen: Seen<u64> = Seen::default();
    let mut rows = Rows::default();
    read_points(job, CategoryKind::Matter, &mut report, case, &mut |point, terms, report| {
        let Point { number, mut record, origin } = point;
        if let Some(territory) = territory {
            record.epoch = territory.epoch;
            record.grid = record.at.and_then(|at| grid_at(territory, at));
            if let (Some(at), None) = (record.at, &record.grid) {
                if let Some(fault) = swapped(territory, at, number) {
                    return vec![fault];
                }
                report.tally.outside += 1;
            }
            let known = |code: &str| territory.region_ix(code).is_some() || territory.grid_ix(code).is_some();
            if let Some(within) = record.within.as_ref().filter(|code| !known(code.as_str())) {
                return vec![unknown_code(number, Field::Within, within)];
            }
        } else if record.at.is_some() {
            report.tally.outside += 1;
        }
        let hash = record.provenance.source_hash;
        let source_hash = origin.as_ref().and_then(|origin| origin.source_hash).or(hash);
        let Some(key) = key_of(&record, source_hash) else { return Vec::new() };
        if let Some(earlier) = seen.earlier([key], &RecordName::new(number, terms), &hash) {
            earlier.report(report, number, "id", record.at);
            return Vec::new();
        }
        match (by_key.get(&key), origin) {
            (None, _) => {
                report.tally.new += 1;
                record.provenance.source_hash = source_hash;
                rows.sure.push(record);
            }
            // What is older than what is known says nothing new.
            (Some(old), _) if is_older(&record, old) => report.tally.same += 1,
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

fn is_older(record: &CaseRecord, stored: &CaseKey) -> bool {
    matches!((record.source_updated_at, stored.source_updated_at), (Some(new), Some(old)) if new < old)
}

/// Rows to write: those that are sure, and those of a copy that were edited there.
async fn compare_copied(store: &Store, report: &mut Report, rows: Rows) -> Result<Vec<CaseRecord>, ImportError> {
    let Rows { mut sure, copied } = rows;
    let ids: Vec<CaseId> = copied.iter().map(|(_, row, _)| row.id).collect();
    let stored: HashMap<CaseId, CaseRecord> = store.cases_by_ids(&ids).await?.into_iter().map(|row| (row.id, row)).collect();
    for (number, mut row, origin) in copied {
        let Some(old) = stored.get(&row.id) else { continue };
        row.version = old.version;
        row.provenance.import_id = old.provenance.import_id;
        if row.at == old.at {
            (row.grid, row.epoch) = (old.grid.clone(), old.epoch);
        } else {
            row.original = None;
        }
        // A case without an id elsewhere is recognised by it.
        let said = if row.external_id.is_some() { row.provenance.source_hash } else { origin.source_hash };
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

/// Nobody can say who is right: the copy, or the city that moved on.
pub(super) const CHANGED_SINCE: &str =
    "it says something else than the city, where it changed since the copy was made: edit a new copy";
