//! Organizations: recognised by their ids in other systems, else by what they say.

use super::cases::CHANGED_SINCE;
use super::facilities::swapped;
use super::matching::{RecordName, Seen};
use super::read::{Point, read_points};
use super::report::{Report, Status};
use super::{Before, ImportError, Job, Step, grid_at};
use crate::domain::category::CategoryKind;
use crate::domain::id::Epoch;
use crate::domain::organization::OrganizationRecord;
use crate::interchange::fields::Field;
use crate::interchange::points::{organization, unknown_code};
use crate::store::{RowCommit, Store, external_key};
use crate::territory::Territory;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) async fn import(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = job.ground.territory(job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let stored = store.organizations().await?;
    let job = Arc::new(job);
    let (mut report, rows) = {
        let job = Arc::clone(&job);
        tokio::task::spawn_blocking(move || read_and_match(&job, report, &stored, territory.as_deref())).await?
    };
    report.epoch = epoch;
    report.status = job.status(&report, rows.is_empty());
    if report.status == Status::Imported {
        job.tell(Step::Writing { rows: rows.len() as u64 });
        let import = Some(job.import_record(&report, Before::default()));
        let commit = RowCommit { head: job.head(epoch), rows, removed: Vec::new(), import };
        let committed = store.organizations_commit(commit).await?;
        job.committed(&mut report, &committed, None).await;
    }
    Ok(report)
}

/// The numbers by which one is recognised.
fn keys(record: &OrganizationRecord, source_hash: Option<u64>) -> Vec<u64> {
    let named: Vec<u64> = record.provenance.external_ids.iter().map(|(system, id)| external_key(system, id)).collect();
    if named.is_empty() { source_hash.into_iter().collect() } else { named }
}

fn read_and_match(
    job: &Job,
    mut report: Report,
    stored: &[OrganizationRecord],
    territory: Option<&Territory>,
) -> (Report, Vec<OrganizationRecord>) {
    let by_key: HashMap<u64, &OrganizationRecord> =
        stored.iter().flat_map(|row| keys(row, row.provenance.source_hash).into_iter().map(move |key| (key, row))).collect();
    let mut seen: Seen<u64> = Seen::default();
    let mut rows = Vec::new();
    read_points(job, CategoryKind::Organization, &mut report, organization, &mut |point, terms, report| {
        let Point { number, mut record, origin } = point;
        if let Some(territory) = territory {
            if let Some(at) = record.at.filter(|at| grid_at(territory, *at).is_none()) {
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
        let keys = keys(&record, source_hash);
        if let Some(earlier) = seen.earlier(keys.clone(), &RecordName::new(number, terms), &hash) {
            earlier.report(report, number, "id", record.at);
            return Vec::new();
        }
        let Some(old) = keys.iter().find_map(|key| by_key.get(key)) else {
            report.tally.new += 1;
            record.provenance.source_hash = source_hash;
            rows.push(record);
            return Vec::new();
        };
        (record.id, record.version) = (old.id, old.version);
        match origin {
            None if old.provenance.source_hash == hash => report.tally.same += 1,
            None => {
                report.tally.changed += 1;
                rows.push(record);
            }
            // A row of a copy says the same when all of it does.
            Some(origin) => {
                let said = record.provenance.source_hash;
                (record.provenance.import_id, record.provenance.source_hash) =
                    (old.provenance.import_id, old.provenance.source_hash);
                if record.at != old.at {
                    record.original = None;
                }
                if record == **old {
                    report.tally.same += 1;
                } else if origin.version.is_some_and(|version| version != old.version) {
                    report.conflict(number, "version", record.at, CHANGED_SINCE.to_owned());
                } else {
                    report.tally.changed += 1;
                    record.provenance.source_hash = said;
                    rows.push(record);
                }
            }
        }
        Vec::new()
    });
    (report, rows)
}
