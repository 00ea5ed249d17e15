//! Staff, and counts of households and residents by grid.

use super::buildings::household_differences;
use super::matching::{RecordName, Seen};
use super::read::read;
use super::report::{Report, Status};
use super::{Before, ImportError, Job, others};
use crate::city::Change;
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::Epoch;
use crate::domain::records::{HouseholdCount, Provenance};
use crate::domain::staff::StaffRecord;
use crate::interchange::fields::Field;
use crate::interchange::own::Origin;
use crate::interchange::people;
use crate::interchange::points::unknown_code;
use crate::store::{HouseholdCommit, StaffCommit, Store};
use crate::territory::Territory;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Staff are recognised by their id.
pub(super) async fn staff(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = job.ground.territory(job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let territories: Vec<Arc<Territory>> = territory.into_iter().chain(others(store, job.at).await?).collect();
    let stored = store.staff().await?;
    let job = Arc::new(job);
    let (mut report, rows) = {
        let job = Arc::clone(&job);
        tokio::task::spawn_blocking(move || match_staff(&job, report, &stored, &territories)).await?
    };
    report.epoch = epoch;
    report.status = job.status(&report, rows.is_empty());
    if report.status == Status::Imported {
        let import = Some(job.import_record(&report, Before::default()));
        let commit = StaffCommit { head: job.head(epoch), rows, removed: Vec::new(), import };
        let committed = store.staff_commit(commit).await?;
        // Only imports write staff, one after the other: so it is the staff of this commit.
        let change = Change::Staff(store.staff().await?);
        job.committed(&mut report, &committed, Some(change)).await;
    }
    Ok(report)
}

fn match_staff(
    job: &Job,
    mut report: Report,
    stored: &[StaffRecord],
    territories: &[Arc<Territory>],
) -> (Report, Vec<StaffRecord>) {
    let by_id: HashMap<&str, &StaffRecord> = stored.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut seen: Seen<String> = Seen::default();
    let mut rows = Vec::new();
    read(job, &mut report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        let fields = columns.sort_out(raw);
        let mut record = match people::staff(&fields, terms) {
            Ok(record) => record,
            Err(faults) => return faults,
        };
        if !is_known(territories, &record.assigned) {
            return vec![unknown_code(number, Field::Assigned, &record.assigned)];
        }
        let hash = record.provenance.source_hash;
        if let Some(earlier) = seen.earlier([record.id.clone()], &RecordName::new(number, terms), &hash) {
            earlier.report(report, number, "id", None);
            return Vec::new();
        }
        let old = by_id.get(record.id.as_str());
        let same = match old {
            // A row of a copy says the same when all of it does.
            Some(old) if terms.own => {
                let Provenance { import_id, source_hash, .. } = old.provenance;
                let provenance = Provenance { import_id, source_hash, ..record.provenance.clone() };
                **old == StaffRecord { provenance, ..record.clone() }
            }
            Some(old) => old.provenance.source_hash == hash,
            None => {
                if let Some(source_hash) = Origin::of(&fields).source_hash.filter(|_| terms.own) {
                    record.provenance.source_hash = Some(source_hash);
                }
                false
            }
        };
        match old {
            None => report.tally.new += 1,
            Some(_) if same => {
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

/// A grid or region of any grid set.
fn is_known(territories: &[Arc<Territory>], code: &Code) -> bool {
    let names =
        |territory: &Arc<Territory>| territory.grid_ix(code.as_str()).is_some() || territory.region_ix(code.as_str()).is_some();
    territories.iter().any(names)
}

/// Counts belong to the grids of today and are compared with theirs.
pub(super) async fn households(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = job.ground.territory(job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let stored = territory.clone();
    let job = Arc::new(job);
    let (mut report, counts) = {
        let job = Arc::clone(&job);
        tokio::task::spawn_blocking(move || match_households(&job, report, territory.as_deref())).await?
    };
    report.epoch = epoch;
    report.household_differences = household_differences(store, stored.clone(), Vec::new(), &counts).await?;
    report.status = job.status(&report, counts.is_empty());
    if report.status == Status::Imported {
        let before = Before { counts: stored_counts(stored.as_deref(), &counts), ..Before::default() };
        let commit = HouseholdCommit { head: job.head(epoch), counts, import: Some(job.import_record(&report, before)) };
        let committed = store.households_commit(commit).await?;
        job.committed(&mut report, &committed, None).await;
    }
    Ok(report)
}

/// The counts as they are, of the grids that some counts are for.
fn stored_counts(territory: Option<&Territory>, counts: &[HouseholdCount]) -> Vec<HouseholdCount> {
    let stored = |count: &HouseholdCount| {
        let territory = territory?;
        let grid = territory.grid(territory.grid_ix(count.grid.as_str())?);
        Some(HouseholdCount { grid: count.grid.clone(), households: grid.households, population: grid.population })
    };
    counts.iter().filter_map(stored).collect()
}

fn match_households(job: &Job, mut report: Report, territory: Option<&Territory>) -> (Report, Vec<HouseholdCount>) {
    let mut seen: Seen<Code, HouseholdCount> = Seen::default();
    let mut counts: BTreeMap<Code, HouseholdCount> = BTreeMap::new();
    read(job, &mut report, &mut |raw, columns, terms, report| {
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
        if let Some(earlier) = seen.earlier([count.grid.clone()], &RecordName::new(number, terms), &count) {
            earlier.report(report, number, "grid", None);
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
        counts.insert(count.grid.clone(), count);
        Vec::new()
    });
    let differs = |count: &HouseholdCount| {
        let grid = territory.and_then(|t| Some(t.grid(t.grid_ix(count.grid.as_str())?)));
        grid.is_none_or(|grid| {
            count.households.is_some_and(|n| Some(n) != grid.households)
                || count.population.is_some_and(|n| Some(n) != grid.population)
        })
    };
    (report, counts.into_values().filter(differs).collect())
}
