//! Facilities of any number: read, matched with what the store has, placed, and streamed into it.

use super::matching::{Seen, Stored, Verdict};
use super::read::{Rules, read};
use super::report::{Report, Status};
use super::{ImportError, Job, Step, grid_at, territory_at};
use crate::domain::category::CategoryKind;
use crate::domain::facility::FacilityRecord;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::{Epoch, FacilityId, Version};
use crate::geom::LatticePoint;
use crate::interchange::points::{Catalogue, Outcome, facility};
use crate::store::{CommitHead, FacilityLoad, Store};
use crate::territory::Territory;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows a batch: some hundred kilobytes. A guess; nothing depends on it.
const BATCH: usize = 2048;
/// Batches that may wait for the store.
const WAITING: usize = 4;

pub(super) async fn import(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = territory_at(store, job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let stored = Arc::new(Stored::of(&store.facility_keys().await?));
    let job = Arc::new(job);
    if job.meta_changes && !job.order.dry_run {
        // New categories go into the store before the rows that need them, so the rows are looked at before that.
        let (sender, _batches) = mpsc::channel(WAITING);
        let (job, report, stored, territory) = (Arc::clone(&job), report.clone(), Arc::clone(&stored), territory.clone());
        let tried = tokio::task::spawn_blocking(move || {
            let report = read_and_match(&job, report, &stored, territory.as_deref(), sender, false);
            let refused = is_refused(&job, &report);
            (report, refused)
        });
        if let (mut report, true) = tried.await? {
            report.epoch = epoch;
            report.status = Status::Refused;
            return Ok(report);
        }
    }
    let (sender, mut batches) = mpsc::channel(WAITING);
    let reading = {
        let job = Arc::clone(&job);
        let write = !job.order.dry_run;
        tokio::task::spawn_blocking(move || read_and_match(&job, report, &stored, territory.as_deref(), sender, write))
    };
    let mut load: Option<FacilityLoad> = None;
    let mut rows = 0;
    while let Some(mut batch) = batches.recv().await {
        compare_names(store, &mut batch).await?;
        rows += batch.len() as u64;
        if load.is_none() {
            job.meta_settle(store).await?;
            let head = CommitHead { epoch: (epoch.0 > 0).then_some(epoch), ..CommitHead::new(job.actor.clone(), job.at) };
            load = Some(store.facilities_load(head).await?);
        }
        load.as_mut().expect("it was begun above").push(batch).await?;
        job.tell(Step::Writing { rows });
    }
    let mut report = reading.await?;
    report.epoch = epoch;
    report.status = match load {
        // Dropping what was begun leaves nothing of it.
        _ if is_refused(&job, &report) => Status::Refused,
        _ if job.order.dry_run => Status::DryRun,
        None => Status::Unchanged,
        Some(load) => {
            report.status = Status::Imported;
            let committed = load.finish(job.import_record(&report)).await?;
            report.revision = committed.revision;
            report.tally.new = committed.new;
            report.tally.changed = committed.changed;
            report.tally.same += committed.same;
            if committed.new + committed.changed > 0 { Status::Imported } else { Status::Unchanged }
        }
    };
    Ok(report)
}

fn is_refused(job: &Job, report: &Report) -> bool {
    report.tally.refused + report.tally.conflict > 0 && !job.order.accept.refused
}

fn read_and_match(
    job: &Job,
    mut report: Report,
    stored: &Stored,
    territory: Option<&Territory>,
    sender: mpsc::Sender<Vec<FacilityRecord>>,
    write: bool,
) -> Report {
    let profile = &job.meta.profile;
    let mut rules = match Rules::of(job, profile) {
        Ok(rules) => rules,
        Err(fault) => return refused(report, fault),
    };
    let tags = rules.tags.clone();
    let catalogue = match Catalogue::new(profile, CategoryKind::Component, tags.as_ref(), job.order.accept.unmapped_as.clone()) {
        Ok(catalogue) => catalogue,
        Err(fault) => return refused(report, fault),
    };
    let mut seen = Seen::default();
    let mut batch = Vec::new();
    let mut flow = |record: FacilityRecord, report: &Report| {
        // What would be refused anyway need not be written.
        if write && !is_refused(job, report) {
            batch.push(record);
            if batch.len() == BATCH {
                // A receiver that went away has failed, and says so itself.
                let _ = sender.blocking_send(std::mem::take(&mut batch));
            }
        }
    };
    read(job, &mut rules, &mut report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        let mut record = match facility(raw, |raw| columns.sort_out(raw), &catalogue, terms) {
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
            record.grid = grid_at(territory, record.at);
            if record.grid.is_none() {
                if let Some(fault) = swapped(territory, record.at, number) {
                    return vec![fault];
                }
                report.tally.outside += 1;
            }
        } else {
            report.tally.outside += 1;
        }
        match stored.verdict(&mut seen, number, &record) {
            Verdict::New => {
                report.tally.new += 1;
                flow(record, report);
            }
            Verdict::Same => report.tally.same += 1,
            Verdict::Changed { id, version } => {
                report.tally.changed += 1;
                (record.id, record.version) = (id, version);
                flow(record, report);
            }
            Verdict::Repeated { first } => {
                report.tally.repaired += 1;
                report.repairs.push(twice(number, first, record.at));
            }
            Verdict::Conflict(detail) => {
                report.tally.conflict += 1;
                report.faults.push(conflict(number, &record, detail));
            }
        }
        Vec::new()
    });
    if !batch.is_empty() && !is_refused(job, &report) {
        let _ = sender.blocking_send(batch);
    }
    report
}

fn refused(mut report: Report, fault: Fault) -> Report {
    report.tally.refused += 1;
    report.faults.push(fault);
    report
}

/// Longitude and latitude exchanged would be in the city: then they were.
pub(super) fn swapped(territory: &Territory, at: LatticePoint, number: u64) -> Option<Fault> {
    let told = at.lonlat();
    let exchanged = crate::geom::LonLat::new(told.lat(), told.lon()).ok()?;
    grid_at(territory, LatticePoint::nearest(exchanged))?;
    let detail = "the position is outside the city, and inside it with its axes exchanged: longitude comes first";
    Some(Fault {
        record: Some(number),
        field: Some("geometry".to_owned()),
        place: Some(told),
        ..Fault::new(FaultKind::BadPosition, detail)
    })
}

pub(super) fn twice(number: u64, first: u64, at: LatticePoint) -> crate::domain::fault::Repair {
    crate::domain::fault::Repair {
        kind: "said_twice".to_owned(),
        detail: format!("record {number} says the same as record {first}: taken once"),
        codes: Vec::new(),
        place: Some(at.lonlat()),
        area_m2: 0.0,
    }
}

fn conflict(number: u64, record: &FacilityRecord, detail: String) -> Fault {
    Fault {
        record: Some(number),
        field: Some(if record.code.is_some() { "code" } else { "id" }.to_owned()),
        place: Some(record.at.lonlat()),
        ..Fault::new(FaultKind::DuplicateCode, detail)
    }
}

/// Keys are 64-bit numbers: before a row is overwritten, the names themselves are compared. A row whose names differ is another one.
async fn compare_names(store: &Store, batch: &mut [FacilityRecord]) -> Result<(), ImportError> {
    let ids: Vec<FacilityId> = batch.iter().map(|row| row.id).filter(|id| id.0 != 0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let before: HashMap<FacilityId, FacilityRecord> =
        store.facilities_by_ids(&ids).await?.into_iter().map(|row| (row.id, row)).collect();
    for row in batch.iter_mut().filter(|row| row.id.0 != 0) {
        let Some(old) = before.get(&row.id) else { continue };
        let same_code = row.code.is_some() && row.code == old.code;
        let same_name = |(system, id): (&String, &String)| old.provenance.external_ids.get(system) == Some(id);
        if !same_code && !row.provenance.external_ids.iter().any(same_name) {
            (row.id, row.version) = (FacilityId(0), Version(0));
        } else {
            // Names that another system gave stay with the facility.
            for (system, id) in &old.provenance.external_ids {
                row.provenance.external_ids.entry(system.clone()).or_insert_with(|| id.clone());
            }
        }
    }
    Ok(())
}
