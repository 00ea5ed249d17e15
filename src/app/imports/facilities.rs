//! Facilities of any number: read, matched with what the store has, placed, and streamed into it.

use super::ground::MOST_EXACT;
use super::matching::{Matched, RecordName, Stored, Verdict};
use super::read::{Point, read_points};
use super::report::{Report, Status};
use super::rows::CHANGED_SINCE;
use super::{Before, ImportError, Job, Step, grid_at};
use crate::domain::category::CategoryKind;
use crate::domain::facility::{FacilityRecord, FacilityState};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::{Epoch, FacilityId, Revision, Version};
use crate::domain::private::unmask_members;
use crate::geom::LatticePoint;
use crate::interchange::own::Origin;
use crate::interchange::points::facility;
use crate::store::{FacilityLoad, LogKind, Store};
use crate::territory::Territory;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows a batch: about two megabytes. Larger ones leave the caches before they are written.
const BATCH: usize = 1024;
/// Batches that may wait for the store.
const WAITING: usize = 3;

/// A facility on its way into the store.
struct Row {
    number: u64,
    record: FacilityRecord,
    /// Of a row of a copy that is a facility of the city: whether it was edited is still to be seen.
    copied: Option<Origin>,
}

pub(super) async fn import(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = job.ground.territory(job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let since = report.revision;
    let stored = Arc::new(Stored::of(&store.facility_keys().await?));
    let job = Arc::new(job);
    let (sender, mut batches) = mpsc::channel(WAITING);
    let reading = {
        let (job, stored) = (Arc::clone(&job), Arc::clone(&stored));
        tokio::task::spawn_blocking(move || read_and_match(&job, report, &stored, territory.as_deref(), sender))
    };
    let mut writing = Writing { store, job: &job, epoch, load: None, made_from: Some(Vec::new()), rows: 0 };
    let mut written = async {
        let mut found = Compared::default();
        while let Some(batch) = batches.recv().await {
            let batch = compare(store, batch, &mut found).await?;
            writing.push(batch).await?;
        }
        Ok::<_, ImportError>(found)
    }
    .await;
    // A reader that nobody listens to any more comes to its end.
    drop(batches);
    let (mut report, matched) = reading.await?;
    report.epoch = epoch;
    if let Ok(found) = &mut written {
        report.tally.same += found.same;
        report.tally.changed -= found.same + found.stale.len() as u64;
        for (number, at) in found.stale.drain(..) {
            report.conflict(number, "version", Some(at), CHANGED_SINCE.to_owned());
        }
    }
    if let (Ok(_), Some(most_percent)) = (&written, job.order.gone_are_removed) {
        for batch in gone(store, &job, &mut report, (&stored, &matched), most_percent).await? {
            writing.push(batch).await?;
        }
    }
    let Writing { load, made_from, .. } = writing;
    if written.is_ok() {
        report.status = job.status(&report, load.is_none());
    }
    written?;
    // Dropping what was begun leaves nothing of it.
    let Some(load) = load.filter(|_| report.status == Status::Imported) else { return Ok(report) };
    let _naming = job.ground.no_naming().await;
    let taken = taken_meanwhile(store, &job, &matched, since).await?;
    if !taken.is_empty() {
        taken.into_iter().for_each(|fault| report.refuse(fault));
        report.status = Status::Refused;
        return Ok(report);
    }
    let committed = load.finish(job.import_record(&report, Before::default())).await?;
    let change = job.ground.facilities_written(&committed, made_from.as_deref()).await?;
    job.committed(&mut report, &committed, change).await;
    report.tally.new = committed.new;
    report.tally.changed = committed.changed;
    report.tally.same += committed.same;
    if committed.new + committed.changed == 0 && job.settings.is_none() {
        report.status = Status::Unchanged;
    }
    Ok(report)
}

/// What goes into the store; begun with the first row.
struct Writing<'a> {
    store: &'a Store,
    job: &'a Job,
    epoch: Epoch,
    load: Option<FacilityLoad>,
    /// The versions that rows were made from, as long as there are few.
    made_from: Option<Vec<Version>>,
    rows: u64,
}

impl Writing<'_> {
    async fn push(&mut self, batch: Vec<FacilityRecord>) -> Result<(), ImportError> {
        if batch.is_empty() || self.job.order.dry_run {
            return Ok(());
        }
        self.rows += batch.len() as u64;
        match &mut self.made_from {
            Some(known) if known.len() + batch.len() <= MOST_EXACT => known.extend(batch.iter().map(|row| row.version)),
            many => *many = None,
        }
        let load = match &mut self.load {
            Some(load) => load,
            none => none.insert(self.store.facilities_load(self.job.head(self.epoch)).await?),
        };
        load.push(batch).await?;
        self.job.tell(Step::Writing { rows: self.rows });
        Ok(())
    }
}

/// Facilities that only this system knows and that it has no more, as they are to be; refused when they are too many. When not every record
/// could be read nobody knows which these are.
async fn gone(
    store: &Store,
    job: &Job,
    report: &mut Report,
    (stored, matched): (&Stored, &Matched),
    most_percent: u8,
) -> Result<Vec<Vec<FacilityRecord>>, ImportError> {
    let Some(system) = &job.order.system else { return Ok(Vec::new()) };
    if report.tally.refused + report.tally.conflict > 0 || !report.unmapped.is_empty() {
        report.notes.push("no facility was taken for gone, since not every record could be taken".to_owned());
        return Ok(Vec::new());
    }
    let today = job.at.to_zoned(job.zone.clone()).date();
    let ids: Vec<FacilityId> = stored.gone(matched).collect();
    let mut batches = Vec::new();
    for ids in ids.chunks(BATCH) {
        let mut rows = store.facilities_by_ids(ids).await?;
        let is_own =
            |row: &FacilityRecord| row.provenance.external_ids.len() == 1 && row.provenance.external_ids.contains_key(system);
        rows.retain(|row| is_own(row) && row.state != FacilityState::Removed);
        for row in &mut rows {
            (row.state, row.state_date) = (FacilityState::Removed, Some(today));
            // When it comes back it says something else.
            row.provenance.source_hash = None;
        }
        report.tally.removed += rows.len() as u64;
        batches.extend((!rows.is_empty()).then_some(rows));
    }
    // Whatever the number of records: others may have come in their place.
    let (gone, before) = (report.tally.removed, report.tally.removed + matched.count() as u64);
    if u128::from(gone) * 100 > u128::from(before) * u128::from(most_percent) {
        let detail = format!(
            "{gone} of {before} facilities of {system:?} would be removed, more than {most_percent} %; accept=loss takes that"
        );
        report.refuse(Fault { field: Some("gone".to_owned()), ..Fault::new(FaultKind::BadField, detail) });
        return Ok(Vec::new());
    }
    Ok(batches)
}

fn read_and_match(
    job: &Job,
    mut report: Report,
    stored: &Stored,
    territory: Option<&Territory>,
    sender: mpsc::Sender<Vec<Row>>,
) -> (Report, Matched) {
    let mut matched = Matched::default();
    let mut batch = Vec::new();
    let mut flow = |row: Row, report: &Report| {
        // What would be refused anyway need not be written.
        if (!job.order.dry_run || row.copied.is_some()) && !job.refuses(report) {
            batch.push(row);
            if batch.len() == BATCH {
                // A receiver that went away has failed, and says so itself.
                let _ = sender.blocking_send(std::mem::take(&mut batch));
            }
        }
    };
    read_points(job, CategoryKind::Component, &mut report, facility, &mut |point, terms, report| {
        let Point { number, mut record, origin } = point;
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
        match stored.verdict(&mut matched, &RecordName::new(number, terms), &record, origin.as_ref()) {
            Verdict::New => {
                report.tally.new += 1;
                if let Some(source_hash) = origin.and_then(|origin| origin.source_hash) {
                    record.provenance.source_hash = Some(source_hash);
                }
                flow(Row { number, record, copied: None }, report);
            }
            Verdict::Same => report.tally.same += 1,
            Verdict::Changed { id, version } => {
                report.tally.changed += 1;
                (record.id, record.version) = (id, version);
                flow(Row { number, record, copied: None }, report);
            }
            Verdict::Copied { id } => {
                report.tally.changed += 1;
                record.id = id;
                flow(Row { number, record, copied: origin }, report);
            }
            Verdict::Repeated(first) => report.twice(number, &first, Some(record.at)),
            Verdict::Conflict(detail) => {
                let field = if record.code.is_some() { "code" } else { "id" };
                report.conflict(number, field, Some(record.at), detail);
            }
        }
        Vec::new()
    });
    if !batch.is_empty() && !job.refuses(&report) {
        let _ = sender.blocking_send(batch);
    }
    (report, matched)
}

/// Codes of the import that somebody else gave to another facility of a running server while the import ran.
async fn taken_meanwhile(store: &Store, job: &Job, matched: &Matched, since: Revision) -> Result<Vec<Fault>, ImportError> {
    let mut faults = Vec::new();
    if job.ground.app().is_none() {
        return Ok(faults);
    }
    let mut after = since;
    loop {
        let entries = store.log_since(after, 1000).await?;
        let Some(last) = entries.last() else { return Ok(faults) };
        after = last.revision;
        let ids = entries.iter().filter(|entry| entry.kind == LogKind::Facilities);
        let ids = ids.flat_map(|entry| entry.summary["ids"].as_array().into_iter().flatten().filter_map(|id| id.as_i64()));
        let ids: Vec<FacilityId> = ids.map(FacilityId).filter(|id| !matched.names(*id)).collect();
        for row in store.facilities_by_ids(&ids).await? {
            if let Some(code) = row.code.as_deref().filter(|code| matched.has_code(code)) {
                let detail = format!("the code {code:?} was given to facility {} while the import ran: import again", row.id);
                faults.push(Fault {
                    field: Some("code".to_owned()),
                    place: Some(row.at.lonlat()),
                    ..Fault::new(FaultKind::DuplicateCode, detail)
                });
            }
        }
    }
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

/// What was found beside the stored rows.
#[derive(Default)]
struct Compared {
    /// Rows of a copy that say what is stored.
    same: u64,
    /// Rows of a copy that say something else, while the city's row changed too: their numbers and places.
    stale: Vec<(u64, LatticePoint)>,
}

/// Keys are 64-bit numbers: before a row is overwritten, the names themselves are compared. A row whose names differ is another one.
/// Of rows of a copy only those that were edited there are left.
async fn compare(store: &Store, batch: Vec<Row>, found: &mut Compared) -> Result<Vec<FacilityRecord>, ImportError> {
    let ids: Vec<FacilityId> = batch.iter().map(|row| row.record.id).filter(|id| id.0 != 0).collect();
    if ids.is_empty() {
        return Ok(batch.into_iter().map(|row| row.record).collect());
    }
    let before: HashMap<FacilityId, FacilityRecord> =
        store.facilities_by_ids(&ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let mut rows = Vec::with_capacity(batch.len());
    for Row { number, mut record, copied } in batch {
        let Some(old) = before.get(&record.id) else {
            rows.push(record);
            continue;
        };
        let same_code = record.code.is_some() && record.code == old.code;
        let same_name = |(system, id): (&String, &String)| old.provenance.external_ids.get(system) == Some(id);
        let nameless = record.code.is_none() && record.provenance.external_ids.is_empty();
        let told_by_name = record.provenance.external_ids.iter().any(same_name);
        if !(same_code || told_by_name || nameless && copied.is_some()) {
            (record.id, record.version) = (FacilityId(0), Version(0));
            rows.push(record);
            continue;
        }
        unmask_members(&mut record.properties, &old.properties);
        if record.state == old.state && record.state_date.is_none() {
            record.state_date = old.state_date;
        }
        let Some(origin) = copied else {
            // Names that another system gave stay with the facility.
            for (system, id) in &old.provenance.external_ids {
                record.provenance.external_ids.entry(system.clone()).or_insert_with(|| id.clone());
            }
            rows.push(record);
            continue;
        };
        // A facility without a name is recognised by the hash it came with.
        let said = if nameless { origin.source_hash } else { record.provenance.source_hash };
        if record.at != old.at {
            record.original = None;
        }
        record.version = old.version;
        record.provenance.import_id = old.provenance.import_id;
        record.provenance.source_hash = old.provenance.source_hash;
        let grid = std::mem::replace(&mut record.grid, old.grid.clone());
        if record == *old {
            found.same += 1;
        } else if origin.version.is_some_and(|version| version != old.version) {
            found.stale.push((number, record.at));
        } else {
            (record.grid, record.provenance.source_hash) = (grid, said);
            rows.push(record);
        }
    }
    Ok(rows)
}
