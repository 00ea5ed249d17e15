//! Regions and grids. Importing boundaries is a publication: what the files say is merged with what is in force, mended, proved, and
//! published as the next epoch, facilities and cases placed anew in the same transaction.

use super::assign::{Known, assign};
use super::fits::{fits_grid, fits_region, numbers, plausible, within_fits};
use super::matching::{RecordName, Seen};
use super::merge::{is_derived, merge};
use super::read::read;
use super::report::{Report, Status};
use super::{Before, Ground, ImportError, Job, Step, grid_at};
use crate::city::Change;
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::domain::id::{CaseId, Epoch, FacilityId, GridSet, RegionIx, Unit};
use crate::domain::period::Period;
use crate::domain::records::{BoundarySet, EpochRecord, Provenance};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scope::Actor;
use crate::geom::Area;
use crate::interchange::Terms;
use crate::interchange::boundaries::{GridDraft, Land, Made, code_of, land, region};
use crate::interchange::fields::{Field, Fields, Kind};
use crate::interchange::own::Origin;
use crate::store::{BoundaryCommit, Chain, Committed, Store, grid_row_hash, region_row_hash};
use crate::territory::Territory;
use crate::territory::mend::{Accept as MendAccept, match_edges, mend};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What an order says about boundaries.
#[derive(Debug, Clone, Default)]
pub struct BoundaryTerms {
    /// Which partition.
    pub set: GridSet,
    /// Grids without a code are numbered within their community.
    pub assign_codes: bool,
    /// When the boundaries are, or were, in force; an open begin is "from now on", or "since ever" for the first.
    pub period: Period,
    /// A set of its own beside the chain (a historical one): complete as it comes, nothing in force is touched.
    pub beside: bool,
    /// Everything at or below this code is replaced. Absent: of grids the communities that the file has grids of, of regions those with
    /// the file's codes.
    pub within: Option<Code>,
}

/// Boundaries on their way in: areas on the lattice, nothing proved.
#[derive(Debug, Clone, Default)]
pub struct Incoming {
    /// Regions, with their outlines as claims.
    pub regions: Vec<RegionRecord>,
    /// Grids.
    pub grids: Vec<GridDraft>,
    /// Voids.
    pub voids: Vec<VoidRecord>,
    /// In which of several files each grid stands, from 0; empty: all in one.
    pub grid_files: Vec<u32>,
    /// The same of regions.
    pub region_files: Vec<u32>,
    /// Numbers of the regions' records, where they have any.
    pub region_numbers: Vec<u64>,
}

impl Incoming {
    /// In which of several files a code stands, from 0. To be asked when every grid has its code.
    fn file_of(&self) -> HashMap<Code, u32> {
        let grids = self.grids.iter().filter_map(|draft| draft.code.clone()).zip(self.grid_files.iter().copied());
        grids.chain(self.regions.iter().map(|region| region.code.clone()).zip(self.region_files.iter().copied())).collect()
    }
}

pub(super) async fn import(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let (job, mut report, incoming) = tokio::task::spawn_blocking(move || {
        let mut report = report;
        let incoming = read_boundaries(&job, &mut report);
        (job, report, incoming)
    })
    .await?;
    if job.refuses(&report) {
        report.status = Status::Refused;
        return Ok(report);
    }
    settle(store, job, incoming, report).await
}

fn read_boundaries(job: &Job, report: &mut Report) -> Incoming {
    let mut incoming = Incoming::default();
    let mut seen: Seen<Code, ()> = Seen::default();
    let mut files: Vec<Arc<str>> = Vec::new();
    read(job, report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        let file = terms.file.as_ref().map_or(0, |file| {
            files.iter().position(|known| known == file).unwrap_or_else(|| {
                files.push(Arc::clone(file));
                files.len() - 1
            })
        }) as u32;
        let fields = columns.sort_out(raw);
        let origin = terms.own.then(|| Origin::of(&fields));
        if origin.as_ref().and_then(|origin| origin.set.as_ref()).is_some_and(|set| set != job.order.boundaries.set.as_str()) {
            report.tally.skipped += 1;
            return Vec::new();
        }
        let repairs = match job.order.kind {
            Kind::Regions => read_region(job, &fields, origin, terms, report).map(|(record, repairs)| {
                incoming.region_numbers.extend(record.as_ref().map(|_| number));
                incoming.region_files.extend(record.as_ref().map(|_| file));
                incoming.regions.extend(record);
                repairs
            }),
            _ => read_land(job, &fields, origin, terms).map(|(land, repairs)| {
                match land {
                    Land::Void(void) => incoming.voids.push(void),
                    Land::Grid(draft) => {
                        incoming.grids.push(draft);
                        incoming.grid_files.push(file);
                    }
                }
                repairs
            }),
        };
        let repairs = match repairs {
            Ok(repairs) => repairs,
            Err(faults) => return faults,
        };
        // Within one file the store's own check finds them all; here the name of the other file is still known.
        if terms.file.is_some()
            && let Some(code) = code_of(&fields, Field::Code).ok().flatten()
            && let Some(earlier) = seen.earlier([code.clone()], &RecordName::new(number, terms), &())
        {
            let detail = format!("code {code} stands in {} too", earlier.name);
            let fault = Fault { codes: vec![code], ..fields.fault(Field::Code, detail) };
            return vec![Fault { kind: FaultKind::DuplicateCode, ..fault }];
        }
        report.repairs.extend(repairs);
        Vec::new()
    });
    incoming
}

/// A grid or void of a file, and what was mended in it.
fn read_land(job: &Job, fields: &Fields, origin: Option<Origin>, terms: &Terms) -> Result<(Land, Vec<Repair>), Vec<Fault>> {
    let Made { mut record, repairs } = land(fields, terms)?;
    if let Land::Grid(draft) = &mut record {
        if draft.code.is_none() && !job.order.boundaries.assign_codes {
            return Err(fields.required(Field::Code).err().into_iter().collect());
        }
        fits_grid(&job.meta.scheme, draft).map_err(|fault| vec![Fault { record: Some(fields.number), ..fault }])?;
        // A row of a copy that nobody edited says what its record said when it was imported.
        if let Some(origin) = origin
            && let Some(mut copied) = draft.clone().record()
        {
            copied.provenance.source_hash = origin.source_hash;
            if origin.row_hash == Some(grid_row_hash(&copied, &job.order.boundaries.set)) {
                draft.provenance.source_hash = origin.source_hash;
            }
        }
    }
    Ok((record, repairs))
}

/// A region of a file, and what was mended in it; none when a copy has one that is only derived.
fn read_region(
    job: &Job,
    fields: &Fields,
    origin: Option<Origin>,
    terms: &Terms,
    report: &mut Report,
) -> Result<(Option<RegionRecord>, Vec<Repair>), Vec<Fault>> {
    let Made { mut record, repairs } = region(fields, terms)?;
    let level = fits_region(&job.meta.scheme, &record).map_err(|fault| vec![Fault { record: Some(fields.number), ..fault }])?;
    if let Some(origin) = origin {
        let copied = RegionRecord {
            provenance: Provenance { source_hash: origin.source_hash, ..record.provenance.clone() },
            ..record.clone()
        };
        if origin.row_hash == Some(region_row_hash(&copied, &job.order.boundaries.set)) {
            if is_derived(&copied) {
                report.tally.same += 1;
                return Ok((None, repairs));
            }
            record = copied;
        }
    }
    if record.level.is_empty() {
        record.level.clone_from(&job.meta.scheme.levels()[level].name);
    }
    Ok((Some(record), repairs))
}

/// Publishes boundaries that come as records: what a file of them would do.
pub async fn publish(
    store: &Store,
    incoming: Incoming,
    order: super::Order,
    actor: &Actor,
    clock: &crate::clock::Clock,
    watch: &super::Watch,
) -> Result<Report, ImportError> {
    let at = clock.now();
    let job = Job::of(Ground::Alone(store.clone()), order, actor, at, Arc::clone(watch)).await?;
    let mut report = Report::new(job.order.kind.as_str(), at);
    report.files = job.order.files.iter().map(|file| super::file_name(file)).collect();
    report.source = job.order.source.clone();
    report.tally.records = (incoming.regions.len() + incoming.grids.len() + incoming.voids.len()) as u64;
    settle(store, job, incoming, report).await
}

/// What the files' boundaries are merged with.
struct Current {
    /// The head of the chain; 0: none.
    base: Epoch,
    set: Option<BoundarySet>,
}

async fn current(store: &Store, job: &Job) -> Result<Current, ImportError> {
    let terms = &job.order.boundaries;
    let epochs = store.epochs().await?;
    let of_set = |epoch: &&EpochRecord| epoch.set == terms.set;
    let found = if terms.beside {
        // The same set imported again is recognised by its period; of several the newest says how it is now.
        epochs.iter().filter(of_set).rev().find(|epoch| epoch.base.is_none() && epoch.period == terms.period)
    } else {
        epochs.iter().filter(of_set).rev().find(|epoch| epoch.base.is_some())
    };
    let set = match found {
        Some(found) => store.boundaries_at(found.epoch).await?,
        None => None,
    };
    Ok(Current { base: found.filter(|_| !terms.beside).map_or(Epoch(0), |found| found.epoch), set })
}

/// From records to a publication, or to the reasons why not.
async fn settle(store: &Store, job: Job, mut incoming: Incoming, mut report: Report) -> Result<Report, ImportError> {
    let refuse = |mut report: Report, faults: Vec<Fault>| {
        // Records, not faults: one border may be wrong in a hundred places.
        let concerned: HashSet<&Code> = faults.iter().flat_map(|fault| &fault.codes).collect();
        report.tally.refused += concerned.len().max(1) as u64;
        report.faults.extend(faults);
        report.status = Status::Refused;
        Ok(report)
    };
    if let Err(fault) = plausible(&job) {
        return refuse(report, vec![fault]);
    }
    let current = current(store, &job).await?;
    if let Err(faults) = within_fits(&job, &incoming, current.set.as_ref()) {
        return refuse(report, faults);
    }
    if job.order.boundaries.assign_codes
        && let Err(faults) = assign(&mut incoming.grids, &job.meta.scheme, &known(store, current.set.as_ref()).await?)
    {
        return refuse(report, faults);
    }
    let numbers = match numbers(&incoming) {
        Ok(numbers) => numbers,
        Err(faults) => return refuse(report, faults),
    };
    let file_of = incoming.file_of();
    let mut merged = merge(&job, incoming, current.set.as_ref(), &mut report);
    report.count_repairs();
    report.epoch = current.base;
    if report.tally.new + report.tally.changed + report.tally.removed == 0 {
        report.status = if job.order.dry_run { Status::DryRun } else { Status::Unchanged };
        return Ok(report);
    }
    if merged.grids.is_empty() && merged.regions.iter().all(|region| region.claim.is_none()) {
        return refuse(
            report,
            vec![Fault::new(FaultKind::BadField, "there is no land: neither grids nor regions with an outline")],
        );
    }
    job.tell(Step::Mending);
    let mut matched = None;
    if let Some(tolerance_m) = job.order.accept.edge_match_m {
        let standing = current.set;
        let found = tokio::task::spawn_blocking(move || match_edges(merged, standing.as_ref(), &file_of, tolerance_m)).await?;
        match found {
            Ok((drawn, edge_match, rest)) => {
                merged = drawn;
                report.edge_match = Some(edge_match);
                matched = Some(rest);
            }
            Err(error) => {
                let fault = Fault { place: Some(error.place.lonlat()), ..Fault::new(FaultKind::Corrupt, error.to_string()) };
                return refuse(report, vec![fault]);
            }
        }
    }
    let accept = MendAccept {
        gaps_as_void: job.order.accept.gaps_as_void,
        overlap_to_least_code: job.order.accept.overlap_to_least_code,
        outside_claim: job.order.accept.outside_claim,
        reason: format!("import of {}", report.files.join(", ")),
        matched,
    };
    let next = Epoch(store.epochs().await?.last().map_or(1, |last| last.epoch.0 + 1));
    // A running server makes its next territory from the one it has, with the borders drawn before the commit.
    let in_force = !job.order.boundaries.beside && job.order.boundaries.set.is_governance();
    let base = job.ground.app().filter(|_| in_force && !job.order.dry_run).map(|app| Arc::clone(&app.published.load().territory));
    let proved = tokio::task::spawn_blocking(move || {
        let mended = mend(merged, &accept)?;
        let territory = match &base {
            None => Territory::build(next, &mended.boundaries)?,
            Some(base) => {
                let territory = base.after(next, &mended.boundaries)?;
                territory.draw_after(base);
                territory
            }
        };
        Ok::<_, Vec<Fault>>((mended, territory))
    })
    .await?;
    let (mended, territory) = match proved {
        Ok(proved) => proved,
        Err(mut faults) => {
            for fault in &mut faults {
                fault.record = fault.record.or_else(|| fault.codes.iter().find_map(|code| numbers.get(code)).copied());
            }
            return refuse(report, faults);
        }
    };
    report.repairs.extend(mended.repairs);
    report.accepted = mended.accepted;
    report.count_repairs();
    if job.order.dry_run {
        report.status = Status::DryRun;
        return Ok(report);
    }
    let territory = Arc::new(territory);
    let outlined = Arc::clone(&territory);
    let outlines = tokio::task::spawn_blocking(move || outlines(&outlined)).await?;
    // From here to the end nobody writes a facility: it would be placed in boundaries that are not there any more.
    let quiet = if in_force || store.is_shared() { job.ground.no_writes().await } else { None };
    let gate = job.ground.gate(job.read).await?;
    let moves = if in_force {
        job.tell(Step::Placing);
        moves(&job.ground, job.at, Arc::clone(&territory)).await?
    } else {
        Moves::default()
    };
    job.tell(Step::Writing { rows: (mended.boundaries.grids.len() + mended.boundaries.regions.len()) as u64 });
    report.status = Status::Imported;
    report.tally.moved = (moves.facilities.len() + moves.cases.len()) as u64;
    let commit = BoundaryCommit {
        base: current.base,
        chain: if job.order.boundaries.beside { Chain::Beside } else { Chain::InForce },
        boundaries: mended.boundaries,
        outlines,
        facility_grids: moves.facilities,
        case_grids: moves.cases,
        import: Some(job.import_record(&report, Before { base: Some(current.base), ..Before::default() })),
        undoes: None,
        settings: job.new_settings(),
        actor: job.actor.clone(),
        at: job.at,
    };
    let committed = gate.boundaries_commit(commit).await?;
    let change = published_change(&job.ground, territory, &committed).await?;
    job.committed(&mut report, &committed, change.filter(|_| in_force)).await;
    drop(quiet);
    report.epoch = committed.epoch;
    let differs = committed.new + committed.changed + committed.removed + committed.moved > 0;
    // One that only comes beside the chain has rows of its own, or none.
    if !differs && committed.epoch != next && job.settings.is_none() {
        // What the files say differently is the same land after mending.
        report.status = Status::Unchanged;
    }
    Ok(report)
}

/// Codes in force and codes that ever were.
async fn known(store: &Store, current: Option<&BoundarySet>) -> Result<Known, ImportError> {
    let mut known = Known::default();
    for grid in current.into_iter().flat_map(|set| &set.grids) {
        for (system, id) in &grid.provenance.external_ids {
            known.by_external.insert((system.clone(), id.clone()), grid.code.clone());
        }
        if let Some(hash) = grid.provenance.source_hash {
            known.by_hash.insert(hash, grid.code.clone());
        }
    }
    for record in store.epochs().await? {
        if let Some(set) = store.boundaries_at(record.epoch).await? {
            known.codes.extend(set.grids.into_iter().map(|grid| (grid.code, grid.parent)));
        }
    }
    Ok(known)
}

/// Rows whose grid is another one in the new boundaries.
#[derive(Default)]
pub(super) struct Moves {
    pub(super) facilities: Vec<(FacilityId, Option<Code>)>,
    pub(super) cases: Vec<(CaseId, Option<Code>)>,
}

/// The city of a running server after a publication: the boundaries as they were proved, with the period that the store gave them.
pub(super) async fn published_change(
    ground: &Ground,
    territory: Arc<Territory>,
    committed: &Committed,
) -> Result<Option<Change>, ImportError> {
    if ground.app().is_none() || committed.epoch != territory.epoch {
        return Ok(None);
    }
    let epochs = ground.store().epochs().await?;
    let Some(record) = epochs.into_iter().find(|record| record.epoch == committed.epoch) else { return Ok(None) };
    let mut territory = Arc::unwrap_or_clone(territory);
    territory.period = record.period;
    Ok(Some(Change::Boundaries(Arc::new(territory))))
}

/// Of a running server the city says where everything stands, of a store that is alone its rows.
pub(super) async fn moves(ground: &Ground, at: Timestamp, territory: Arc<Territory>) -> Result<Moves, ImportError> {
    if let Some(app) = ground.app() {
        let city = app.published.load();
        let found = tokio::task::spawn_blocking(move || {
            let code = |leaf: Option<Unit>| leaf.and_then(Unit::grid).map(|ix| city.territory.grid(ix).code.clone());
            let facilities = city.facilities.iter().filter_map(|row| {
                let grid = grid_at(&territory, row.at);
                (grid != code(row.leaf)).then_some((row.id, grid))
            });
            let cases = city.cases.iter().filter_map(|case| {
                let grid = grid_at(&territory, case.record.at?);
                (grid != case.record.grid).then_some((case.record.id, grid))
            });
            Moves { facilities: facilities.collect(), cases: cases.collect() }
        });
        return Ok(found.await?);
    }
    let snapshot = ground.store().snapshot(at).await?;
    let found = tokio::task::spawn_blocking(move || {
        let facilities = snapshot.facilities.iter().filter_map(|row| {
            let grid = grid_at(&territory, row.at);
            (grid != row.grid).then_some((row.id, grid))
        });
        let cases = snapshot.cases.iter().filter_map(|case| {
            let grid = grid_at(&territory, case.at?);
            (grid != case.grid).then_some((case.id, grid))
        });
        Moves { facilities: facilities.collect(), cases: cases.collect() }
    });
    Ok(found.await?)
}

/// Outlines for those who open the file on a map.
pub(super) fn outlines(territory: &Territory) -> Vec<(Code, Area)> {
    (0..territory.regions.len())
        .map(|at| {
            let ix = RegionIx(u32::try_from(at).expect("a territory has fewer than 2^32 regions"));
            (territory.regions[at].code.clone(), territory.outline_region(ix))
        })
        .collect()
}
