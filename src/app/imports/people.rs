//! Staff, and counts of households and residents by grid.

use super::read::{Rules, read};
use super::report::{Report, Status};
use super::{ImportError, Job, territory_at};
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::Epoch;
use crate::domain::records::HouseholdCount;
use crate::domain::staff::StaffRecord;
use crate::interchange::fields::Field;
use crate::interchange::people;
use crate::interchange::points::unknown_code;
use crate::store::{CommitHead, HouseholdCommit, StaffCommit, Store};
use crate::territory::Territory;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Staff are recognised by their id.
pub(super) async fn staff(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = territory_at(store, job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let stored = store.staff().await?;
    let job = Arc::new(job);
    let (mut report, rows) = {
        let job = Arc::clone(&job);
        tokio::task::spawn_blocking(move || match_staff(&job, report, &stored, territory.as_deref())).await?
    };
    report.epoch = epoch;
    report.status = settle(&job, &report, rows.is_empty());
    if report.status == Status::Imported {
        job.meta_settle(store).await?;
        let commit = StaffCommit {
            head: CommitHead { epoch: (epoch.0 > 0).then_some(epoch), ..CommitHead::new(job.actor.clone(), job.at) },
            rows,
            removed: Vec::new(),
            import: Some(job.import_record(&report)),
        };
        report.revision = store.staff_commit(commit).await?.revision;
    }
    Ok(report)
}

fn settle(job: &Job, report: &Report, nothing: bool) -> Status {
    if report.tally.refused + report.tally.conflict > 0 && !job.order.accept.refused {
        Status::Refused
    } else if job.order.dry_run {
        Status::DryRun
    } else if nothing {
        Status::Unchanged
    } else {
        Status::Imported
    }
}

fn match_staff(
    job: &Job,
    mut report: Report,
    stored: &[StaffRecord],
    territory: Option<&Territory>,
) -> (Report, Vec<StaffRecord>) {
    let mut rules = match Rules::of(job, &job.meta.profile) {
        Ok(rules) => rules,
        Err(fault) => return (refused(report, fault), Vec::new()),
    };
    let by_id: HashMap<&str, &StaffRecord> = stored.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut seen: HashMap<String, (u64, Option<u64>)> = HashMap::new();
    let mut rows = Vec::new();
    read(job, &mut rules, &mut report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        let record = match people::staff(&columns.sort_out(raw), terms) {
            Ok(record) => record,
            Err(faults) => return faults,
        };
        if !is_known(territory, &record.assigned) {
            return vec![unknown_code(number, Field::Assigned, &record.assigned)];
        }
        let hash = record.provenance.source_hash;
        if let Some((first, said)) = seen.insert(record.id.clone(), (number, hash)) {
            if said == hash {
                report.tally.repaired += 1;
            } else {
                report.tally.conflict += 1;
                report.faults.push(conflict(number, "id", format!("record {first} has the same id and says something else")));
            }
            return Vec::new();
        }
        match by_id.get(record.id.as_str()) {
            None => report.tally.new += 1,
            Some(old) if old.provenance.source_hash == hash => {
                report.tally.same += 1;
                return Vec::new();
            }
            Some(_) => report.tally.changed += 1,
        }
        rows.push(record);
        Vec::new()
    });
    (report, rows)
}

fn refused(mut report: Report, fault: Fault) -> Report {
    report.tally.refused += 1;
    report.faults.push(fault);
    report
}

fn conflict(number: u64, field: &str, detail: String) -> Fault {
    Fault { record: Some(number), field: Some(field.to_owned()), ..Fault::new(FaultKind::DuplicateCode, detail) }
}

fn is_known(territory: Option<&Territory>, code: &Code) -> bool {
    territory.is_some_and(|territory| territory.grid_ix(code.as_str()).is_some() || territory.region_ix(code.as_str()).is_some())
}

/// Counts belong to the grids of today and are compared with theirs.
pub(super) async fn households(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = territory_at(store, job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let job = Arc::new(job);
    let (mut report, counts) = {
        let job = Arc::clone(&job);
        tokio::task::spawn_blocking(move || match_households(&job, report, territory.as_deref())).await?
    };
    report.epoch = epoch;
    report.status = settle(&job, &report, counts.is_empty());
    if report.status == Status::Imported {
        let commit = HouseholdCommit {
            head: CommitHead { epoch: (epoch.0 > 0).then_some(epoch), ..CommitHead::new(job.actor.clone(), job.at) },
            counts,
            import: Some(job.import_record(&report)),
        };
        report.revision = store.households_commit(commit).await?.revision;
    }
    Ok(report)
}

fn match_households(job: &Job, mut report: Report, territory: Option<&Territory>) -> (Report, Vec<HouseholdCount>) {
    let mut rules = match Rules::of(job, &job.meta.profile) {
        Ok(rules) => rules,
        Err(fault) => return (refused(report, fault), Vec::new()),
    };
    let mut counts: BTreeMap<Code, (u64, HouseholdCount)> = BTreeMap::new();
    read(job, &mut rules, &mut report, &mut |raw, columns, _, report| {
        let number = raw.number;
        let count = match people::households(&columns.sort_out(raw)) {
            Ok(count) => count,
            Err(faults) => return faults,
        };
        let Some(ix) = territory.and_then(|territory| territory.grid_ix(count.grid.as_str())) else {
            return vec![Fault {
                record: Some(number),
                field: Some("grid".to_owned()),
                codes: vec![count.grid.clone()],
                ..Fault::new(FaultKind::UnknownCode, format!("no grid has the code {}", count.grid))
            }];
        };
        if let Some((first, said)) = counts.get(&count.grid) {
            if *said == count {
                report.tally.repaired += 1;
            } else {
                report.tally.conflict += 1;
                report.faults.push(conflict(number, "grid", format!("record {first} counts the same grid differently")));
            }
            return Vec::new();
        }
        let grid = territory.expect("the grid was found in it").grid(ix);
        match (grid.households, grid.population) {
            (None, None) => report.tally.new += 1,
            (households, population)
                if count.households.is_none_or(|n| Some(n) == households)
                    && count.population.is_none_or(|n| Some(n) == population) =>
            {
                report.tally.same += 1;
            }
            _ => report.tally.changed += 1,
        }
        counts.insert(count.grid.clone(), (number, count));
        Vec::new()
    });
    let differs = |count: &HouseholdCount| {
        let grid = territory.and_then(|t| Some(t.grid(t.grid_ix(count.grid.as_str())?)));
        grid.is_none_or(|grid| {
            count.households.is_some_and(|n| Some(n) != grid.households)
                || count.population.is_some_and(|n| Some(n) != grid.population)
        })
    };
    (report, counts.into_values().map(|(_, count)| count).filter(differs).collect())
}
