//! Cases, addresses, organizations and buildings: rows that are recognised by their ids in other systems, else by what they say. Read, matched with
//! what is stored, written.

use super::facilities::swapped;
use super::matching::{RecordName, Seen};
use super::read::{EachPoint, Point};
use super::report::{Report, Status};
use super::{Before, ImportError, Job, Step, grid_at};
use crate::city::Change;
use crate::domain::code::Code;
use crate::domain::id::{Epoch, Version};
use crate::domain::records::Provenance;
use crate::geom::LatticePoint;
use crate::interchange::fields::Field;
use crate::interchange::own::Origin;
use crate::interchange::points::unknown_code;
use crate::store::{Committed, RowCommit, Store, StoreError, external_key};
use crate::territory::Territory;
use jiff::Timestamp;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

/// What a stored row is recognised by.
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) version: Version,
    /// [`external_key`] of its names in other systems, else the hash of its source.
    pub(super) keys: Vec<u64>,
    pub(super) source_hash: Option<u64>,
    /// When it changed in the system it comes from.
    pub(super) updated_at: Option<Timestamp>,
}

/// A kind of row that is imported so.
pub(super) trait Imported: PartialEq + Sized + Send + Sync + 'static {
    /// Everything that is stored of them.
    fn known(store: &Store) -> impl Future<Output = Result<Vec<Known>, StoreError>> + Send;
    /// Whole rows.
    fn stored(store: &Store, ids: Vec<i64>) -> impl Future<Output = Result<Vec<Self>, StoreError>> + Send;
    /// Writes them; what changes in memory, when that is known.
    fn commit(
        store: &Store,
        job: &Job,
        commit: RowCommit<Self>,
    ) -> impl Future<Output = Result<(Committed, Option<Change>), ImportError>> + Send;
    /// Reads the files of an order.
    fn read(job: &Job, report: &mut Report, each: &mut EachPoint<'_, Self>);

    fn id(&self) -> i64;
    fn version(&self) -> Version;
    fn set_key(&mut self, id: i64, version: Version);
    fn at(&self) -> Option<LatticePoint>;
    fn within(&self) -> Option<&Code>;
    fn provenance(&self) -> &Provenance;
    fn provenance_mut(&mut self) -> &mut Provenance;
    /// A row of a copy takes what the copy does not say from the stored one.
    fn restore(&mut self, old: &Self);

    /// The numbers by which it is recognised.
    fn keys(&self, source_hash: Option<u64>) -> Vec<u64> {
        keys(self.provenance(), source_hash)
    }
    /// It has an id in another system.
    fn is_named(&self) -> bool {
        !self.provenance().external_ids.is_empty()
    }
    /// When it changed in the system it comes from.
    fn updated_at(&self) -> Option<Timestamp> {
        None
    }
    /// It lies in this grid of the boundaries in force.
    fn lies_in(&mut self, _epoch: Epoch, _grid: Option<Code>) {}
    /// A border runs through it.
    fn is_crossed(&self, _territory: &Territory) -> bool {
        false
    }
    /// What it comes to when these rows are written, held against what is known otherwise.
    fn hold_against(
        _store: &Store,
        _territory: Option<Arc<Territory>>,
        _rows: &[Self],
        _report: &mut Report,
    ) -> impl Future<Output = Result<(), ImportError>> + Send {
        std::future::ready(Ok(()))
    }
    /// What else there is to say of the files.
    fn note(_report: &mut Report) {}
}

/// What rows with a key, a position and a region have alike.
macro_rules! placed_row {
    ($id:ident) => {
        fn id(&self) -> i64 {
            self.id.0
        }

        fn version(&self) -> $crate::domain::id::Version {
            self.version
        }

        fn set_key(&mut self, id: i64, version: $crate::domain::id::Version) {
            (self.id, self.version) = ($id(id), version);
        }

        fn at(&self) -> Option<$crate::geom::LatticePoint> {
            self.at
        }

        fn within(&self) -> Option<&$crate::domain::code::Code> {
            self.within.as_ref()
        }

        fn provenance(&self) -> &$crate::domain::records::Provenance {
            &self.provenance
        }

        fn provenance_mut(&mut self) -> &mut $crate::domain::records::Provenance {
            &mut self.provenance
        }
    };
}
pub(super) use placed_row;

/// The numbers by which a row is recognised that may have several names.
pub(super) fn keys(provenance: &Provenance, source_hash: Option<u64>) -> Vec<u64> {
    let named: Vec<u64> = provenance.external_ids.iter().map(|(system, id)| external_key(system, id)).collect();
    if named.is_empty() { source_hash.into_iter().collect() } else { named }
}

/// Rows to be written.
struct Rows<R> {
    /// New ones and changed ones.
    sure: Vec<R>,
    /// Rows of a copy of this or another city, with their numbers: whether they were edited is seen beside the stored rows.
    copied: Vec<(u64, R, Origin)>,
}

pub(super) async fn import<R: Imported>(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let territory = job.ground.territory(job.at).await?;
    let epoch = territory.as_ref().map_or(Epoch(0), |territory| territory.epoch);
    let known = R::known(store).await?;
    let job = Arc::new(job);
    let (mut report, rows) = {
        let (job, territory) = (Arc::clone(&job), territory.clone());
        tokio::task::spawn_blocking(move || read_and_match(&job, report, &known, territory.as_deref())).await?
    };
    let rows = compare_copied::<R>(store, &mut report, rows).await?;
    R::hold_against(store, territory, &rows, &mut report).await?;
    report.epoch = epoch;
    R::note(&mut report);
    report.status = job.status(&report, rows.is_empty());
    if report.status == Status::Imported {
        job.tell(Step::Writing { rows: rows.len() as u64 });
        let import = Some(job.import_record(&report, Before::default()));
        let commit = RowCommit { head: job.head(epoch), rows, removed: Vec::new(), import };
        let (committed, change) = R::commit(store, &job, commit).await?;
        job.committed(&mut report, &committed, change).await;
    }
    Ok(report)
}

fn read_and_match<R: Imported>(
    job: &Job,
    mut report: Report,
    known: &[Known],
    territory: Option<&Territory>,
) -> (Report, Rows<R>) {
    let mut by_key: HashMap<u64, &Known> = HashMap::with_capacity(known.len());
    for row in known {
        for key in &row.keys {
            by_key.entry(*key).or_insert(row);
        }
    }
    let mut seen: Seen<u64> = Seen::default();
    let mut rows = Rows { sure: Vec::new(), copied: Vec::new() };
    R::read(job, &mut report, &mut |point, terms, report| {
        let Point { number, mut record, origin } = point;
        if let Some(territory) = territory {
            let grid = record.at().and_then(|at| grid_at(territory, at));
            if let (Some(at), None) = (record.at(), &grid) {
                if let Some(fault) = swapped(territory, at, number) {
                    return vec![fault];
                }
                report.tally.outside += 1;
            }
            record.lies_in(territory.epoch, grid);
            report.tally.crossing += u64::from(record.is_crossed(territory));
            let known = |code: &str| territory.region_ix(code).is_some() || territory.grid_ix(code).is_some();
            if let Some(within) = record.within().filter(|code| !known(code.as_str())) {
                return vec![unknown_code(number, Field::Within, within)];
            }
        } else if record.at().is_some() {
            report.tally.outside += 1;
        }
        let hash = record.provenance().source_hash;
        let source_hash = origin.as_ref().and_then(|origin| origin.source_hash).or(hash);
        let keys = record.keys(source_hash);
        if keys.is_empty() {
            return Vec::new();
        }
        if let Some(earlier) = seen.earlier(keys.iter().copied(), &RecordName::new(number, terms), &hash) {
            earlier.report(report, number, "id", record.at());
            return Vec::new();
        }
        match (keys.iter().find_map(|key| by_key.get(key)), origin) {
            (None, _) => {
                report.tally.new += 1;
                record.provenance_mut().source_hash = source_hash;
                rows.sure.push(record);
            }
            // What is older than what is known says nothing new.
            (Some(old), _) if is_older(&record, old) => report.tally.same += 1,
            (Some(old), Some(origin)) => {
                record.set_key(old.id, old.version);
                rows.copied.push((number, record, origin));
            }
            (Some(old), None) if old.source_hash == hash => report.tally.same += 1,
            (Some(old), None) => {
                report.tally.changed += 1;
                record.set_key(old.id, old.version);
                rows.sure.push(record);
            }
        }
        Vec::new()
    });
    (report, rows)
}

fn is_older<R: Imported>(record: &R, stored: &Known) -> bool {
    matches!((record.updated_at(), stored.updated_at), (Some(new), Some(old)) if new < old)
}

/// Rows to write: those that are sure, and those of a copy that were edited there.
async fn compare_copied<R: Imported>(store: &Store, report: &mut Report, rows: Rows<R>) -> Result<Vec<R>, ImportError> {
    let Rows { mut sure, copied } = rows;
    if copied.is_empty() {
        return Ok(sure);
    }
    let ids = copied.iter().map(|(_, row, _)| row.id()).collect();
    let stored: HashMap<i64, R> = R::stored(store, ids).await?.into_iter().map(|row| (row.id(), row)).collect();
    for (number, mut row, origin) in copied {
        let Some(old) = stored.get(&row.id()) else { continue };
        row.restore(old);
        row.provenance_mut().import_id = old.provenance().import_id;
        // A row without an id elsewhere is recognised by what it said first.
        let said = if row.is_named() { row.provenance().source_hash } else { origin.source_hash };
        row.provenance_mut().source_hash = old.provenance().source_hash;
        if row == *old {
            report.tally.same += 1;
        } else if origin.version.is_some_and(|version| version != old.version()) {
            report.conflict(number, "version", row.at(), CHANGED_SINCE.to_owned());
        } else {
            report.tally.changed += 1;
            row.provenance_mut().source_hash = said;
            sure.push(row);
        }
    }
    Ok(sure)
}

/// Nobody can say who is right: the copy, or the city that moved on.
pub(super) const CHANGED_SINCE: &str =
    "it says something else than the city, where it changed since the copy was made: edit a new copy";
