//! Open cases: those of other systems are mirrored by their id there.

use super::facilities::{swapped, twice};
use super::read::{Rules, read};
use super::report::{Report, Status};
use super::{ImportError, Job, Step, grid_at, territory_at};
use crate::domain::case::CaseRecord;
use crate::domain::category::CategoryKind;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::Epoch;
use crate::interchange::fields::Field;
use crate::interchange::points::{Catalogue, Outcome, case, unknown_code};
use crate::store::{CaseCommit, CaseKey, CommitHead, Store, external_key};
use crate::territory::Territory;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) async fn import(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = territory_at(store, job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let keys = store.case_keys().await?;
    let job = Arc::new(job);
    let (mut report, rows) = {
        let job = Arc::clone(&job);
        tokio::task::spawn_blocking(move || read_and_match(&job, report, &keys, territory.as_deref())).await?
    };
    report.epoch = epoch;
    let refused = report.tally.refused + report.tally.conflict > 0 && !job.order.accept.refused;
    report.status = if refused {
        Status::Refused
    } else if job.order.dry_run {
        Status::DryRun
    } else if rows.is_empty() {
        Status::Unchanged
    } else {
        job.tell(Step::Writing { rows: rows.len() as u64 });
        job.meta_settle(store).await?;
        report.status = Status::Imported;
        let commit = CaseCommit {
            head: CommitHead { epoch: (epoch.0 > 0).then_some(epoch), ..CommitHead::new(job.actor.clone(), job.at) },
            rows,
            removed: Vec::new(),
            import: Some(job.import_record(&report)),
        };
        report.revision = store.cases_commit(commit).await?.revision;
        Status::Imported
    };
    Ok(report)
}

fn key_of(record: &CaseRecord) -> Option<u64> {
    match (&record.source_system, &record.external_id) {
        (Some(system), Some(id)) => Some(external_key(system, id)),
        _ => record.provenance.source_hash,
    }
}

fn read_and_match(job: &Job, mut report: Report, stored: &[CaseKey], territory: Option<&Territory>) -> (Report, Vec<CaseRecord>) {
    let refused = |mut report: Report, fault: Fault| {
        report.tally.refused += 1;
        report.faults.push(fault);
        (report, Vec::new())
    };
    let profile = &job.meta.profile;
    let mut rules = match Rules::of(job, profile) {
        Ok(rules) => rules,
        Err(fault) => return refused(report, fault),
    };
    let tags = rules.tags.clone();
    let catalogue = match Catalogue::new(profile, CategoryKind::Matter, tags.as_ref(), job.order.accept.unmapped_as.clone()) {
        Ok(catalogue) => catalogue,
        Err(fault) => return refused(report, fault),
    };
    let by_key: HashMap<u64, &CaseKey> = stored
        .iter()
        .filter_map(|key| match (&key.source_system, &key.external_id) {
            (Some(system), Some(id)) => Some((external_key(system, id), key)),
            _ => key.source_hash.map(|hash| (hash, key)),
        })
        .collect();
    let mut seen: HashMap<u64, (u64, Option<u64>)> = HashMap::new();
    let mut rows = Vec::new();
    read(job, &mut rules, &mut report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        let mut record = match case(raw, |raw| columns.sort_out(raw), &catalogue, terms) {
            Outcome::Made(record) => record,
            Outcome::Skipped => {
                report.tally.skipped += 1;
                return Vec::new();
            }
            Outcome::Unmapped(what) => {
                *report.unmapped.entry(what).or_default() += 1;
                report.tally.refused += 1;
                return Vec::new();
            }
            Outcome::Faulty(faults) => return faults,
        };
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
        let Some(key) = key_of(&record) else { return Vec::new() };
        if let Some((first, said)) = seen.insert(key, (number, hash)) {
            if said == hash {
                report.tally.repaired += 1;
                report.repairs.push(twice(number, first, record.at.unwrap_or_default()));
            } else {
                report.tally.conflict += 1;
                let detail = format!("record {first} has the same id and says something else");
                let fault = Fault::new(FaultKind::DuplicateCode, detail);
                report.faults.push(Fault { record: Some(number), field: Some("id".to_owned()), ..fault });
            }
            return Vec::new();
        }
        match by_key.get(&key) {
            None => {
                report.tally.new += 1;
                rows.push(record);
            }
            Some(old) if old.source_hash == hash => report.tally.same += 1,
            // What is older than what is known says nothing new.
            Some(old) if is_older(&record, old) => report.tally.same += 1,
            Some(old) => {
                report.tally.changed += 1;
                (record.id, record.version) = (old.id, old.version);
                rows.push(record);
            }
        }
        Vec::new()
    });
    (report, rows)
}

fn is_older(record: &CaseRecord, stored: &CaseKey) -> bool {
    matches!((record.source_updated_at, stored.source_updated_at), (Some(new), Some(old)) if new < old)
}
