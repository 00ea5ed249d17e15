//! Regions and grids. Importing boundaries is a publication: what the files say is merged with what is in force, mended, proved, and
//! published as the next epoch, facilities and cases placed anew in the same transaction.

use super::assign::{Known, assign};
use super::read::{Rules, read};
use super::report::{Report, Status};
use super::{ImportError, Job, Step, grid_at};
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::grid::GridRecord;
use crate::domain::id::{CaseId, Epoch, FacilityId, GridSet, RegionIx};
use crate::domain::period::Period;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scheme::Scheme;
use crate::domain::scope::Actor;
use crate::geom::{Area, LatticeBox};
use crate::interchange::boundaries::{GridDraft, Land, land, region};
use crate::interchange::fields::Kind;
use crate::store::{BoundaryCommit, Chain, Store};
use crate::territory::Territory;
use crate::territory::mend::{Accept as MendAccept, mend};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
    /// Numbers of the regions' records, where they have any.
    pub region_numbers: Vec<u64>,
}

pub(super) async fn import(store: &Store, job: Job, report: Report) -> Result<Report, ImportError> {
    let (job, mut report, incoming) = tokio::task::spawn_blocking(move || {
        let mut report = report;
        let incoming = read_boundaries(&job, &mut report);
        (job, report, incoming)
    })
    .await?;
    if report.tally.refused > 0 && !job.order.accept.refused {
        report.status = Status::Refused;
        return Ok(report);
    }
    settle(store, job, incoming, report).await
}

fn read_boundaries(job: &Job, report: &mut Report) -> Incoming {
    let mut incoming = Incoming::default();
    let mut rules = match Rules::of(job, &job.meta.profile) {
        Ok(rules) => rules,
        Err(fault) => {
            report.tally.refused += 1;
            report.faults.push(fault);
            return incoming;
        }
    };
    let scheme = &job.meta.scheme;
    let assigns = job.order.boundaries.assign_codes;
    read(job, &mut rules, report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        let fields = columns.sort_out(raw);
        match job.order.kind {
            Kind::Regions => match region(&fields, terms) {
                Ok(made) => {
                    if let Err(fault) = fits_region(scheme, &made.record) {
                        return vec![Fault { record: Some(number), ..fault }];
                    }
                    report.repairs.extend(made.repairs);
                    incoming.regions.push(made.record);
                    incoming.region_numbers.push(number);
                }
                Err(faults) => return faults,
            },
            _ => match land(&fields, terms) {
                Ok(made) => {
                    match made.record {
                        Land::Void(void) => incoming.voids.push(void),
                        Land::Grid(draft) => {
                            if draft.code.is_none() && !assigns {
                                return fields.required(crate::interchange::fields::Field::Code).err().into_iter().collect();
                            }
                            if let Err(fault) = fits_grid(scheme, &draft) {
                                return vec![Fault { record: Some(number), ..fault }];
                            }
                            incoming.grids.push(draft);
                        }
                    }
                    report.repairs.extend(made.repairs);
                }
                Err(faults) => return faults,
            },
        }
        Vec::new()
    });
    incoming
}

/// The code's length must be that of grids.
fn fits_grid(scheme: &Scheme, draft: &GridDraft) -> Result<(), Fault> {
    let Some(code) = &draft.code else { return Ok(()) };
    if !scheme.has_lengths() {
        return Ok(());
    }
    let misfit = |detail: String| Fault {
        field: Some("code".to_owned()),
        codes: vec![code.clone()],
        ..Fault::new(FaultKind::NotInScheme, detail)
    };
    let level = scheme.level_of(code).map_err(|error| misfit(error.to_string()))?;
    if level != scheme.grid_level() {
        let name = &scheme.levels()[level].name;
        return Err(misfit(format!("{code} is a code of level {name:?}, not of grids; import it as regions")));
    }
    match &draft.parent {
        Some(parent) if !scheme.ancestors_of(code).any(|(_, above)| above == *parent) => Err(Fault {
            field: Some("parent".to_owned()),
            ..misfit(format!("{parent} is not the beginning of {code} on a level above it"))
        }),
        _ => Ok(()),
    }
}

/// The code's length, or the stated level, must be one above grids.
fn fits_region(scheme: &Scheme, record: &RegionRecord) -> Result<(), Fault> {
    let misfit = |field: &str, detail: String| Fault {
        field: Some(field.to_owned()),
        codes: vec![record.code.clone()],
        ..Fault::new(FaultKind::NotInScheme, detail)
    };
    let names = || scheme.levels()[..scheme.grid_level()].iter().map(|level| level.name.as_str()).collect::<Vec<_>>().join(", ");
    let level = if scheme.has_lengths() {
        scheme.level_of(&record.code).map_err(|error| misfit("code", error.to_string()))?
    } else {
        scheme.level_named(&record.level).ok_or_else(|| {
            misfit("level", format!("{:?} is no level of scheme {:?}: one of {}", record.level, scheme.name(), names()))
        })?
    };
    if level == scheme.grid_level() {
        return Err(misfit("code", format!("{} is on the level of grids; import it as grids", record.code)));
    }
    Ok(())
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
    let job = Job::of(store, order, actor, at, Arc::clone(watch)).await?;
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
        // The same set imported again is recognised by its period.
        epochs.iter().filter(of_set).find(|epoch| epoch.base.is_none() && epoch.period == terms.period)
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
    if job.order.boundaries.assign_codes
        && let Err(faults) = assign(&mut incoming.grids, &job.meta.scheme, &known(store, current.set.as_ref()).await?)
    {
        return refuse(report, faults);
    }
    let numbers = match numbers(&incoming) {
        Ok(numbers) => numbers,
        Err(faults) => return refuse(report, faults),
    };
    let merged = merge(&job, incoming, current.set.as_ref(), &mut report);
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
    let accept = MendAccept {
        gaps_as_void: job.order.accept.gaps_as_void,
        overlap_to_least_code: job.order.accept.overlap_to_least_code,
        outside_claim: job.order.accept.outside_claim,
        reason: format!("import of {}", report.files.join(", ")),
    };
    let next = Epoch(store.epochs().await?.last().map_or(1, |last| last.epoch.0 + 1));
    let proved = tokio::task::spawn_blocking(move || {
        let mended = mend(merged, &accept)?;
        let territory = Territory::build(next, &mended.boundaries)?;
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
    let moves = if job.order.boundaries.beside || job.order.boundaries.set != GridSet::default() {
        Moves::default()
    } else {
        job.tell(Step::Placing);
        moves(store, &job, Arc::clone(&territory)).await?
    };
    let outlines = tokio::task::spawn_blocking(move || outlines(&territory)).await?;
    job.tell(Step::Writing { rows: (mended.boundaries.grids.len() + mended.boundaries.regions.len()) as u64 });
    job.meta_settle(store).await?;
    report.status = Status::Imported;
    report.tally.moved = (moves.facilities.len() + moves.cases.len()) as u64;
    let commit = BoundaryCommit {
        base: current.base,
        chain: if job.order.boundaries.beside { Chain::Beside } else { Chain::InForce },
        boundaries: mended.boundaries,
        outlines,
        facility_grids: moves.facilities,
        case_grids: moves.cases,
        import: Some(job.import_record(&report)),
        actor: job.actor.clone(),
        at: job.at,
    };
    let committed = store.boundaries_commit(commit).await?;
    report.revision = committed.revision;
    report.epoch = committed.epoch;
    Ok(report)
}

/// Periods that no import can have.
fn plausible(job: &Job) -> Result<(), Fault> {
    let terms = &job.order.boundaries;
    let bad = |field: &str, detail: &str| Err(Fault { field: Some(field.to_owned()), ..Fault::new(FaultKind::BadField, detail) });
    match terms.period {
        period if period.is_empty() => bad("--until", "the period is empty: --until must come after --from"),
        Period { from: Some(from), .. } if from > job.at && !terms.beside => {
            bad("--from", "boundaries for later are published by a plan, not by an import")
        }
        Period { until: Some(_), .. } if !terms.beside => {
            bad("--until", "boundaries in force end when the next ones begin; with an end of its own the set stands --beside")
        }
        Period { from: None, until: None } if terms.beside => {
            bad("--beside", "a set beside the chain needs a period: --from, --until or both")
        }
        _ => Ok(()),
    }
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
            known.codes.extend(set.grids.into_iter().map(|grid| grid.code));
        }
    }
    Ok(known)
}

/// Record numbers by code; a code that stands twice is a fault of both records.
fn numbers(incoming: &Incoming) -> Result<HashMap<Code, u64>, Vec<Fault>> {
    let mut numbers: HashMap<Code, u64> = HashMap::new();
    let mut faults = Vec::new();
    let regions = incoming.regions.iter().zip(incoming.region_numbers.iter().chain(std::iter::repeat(&0)));
    let regions = regions.map(|(region, number)| (&region.code, *number, region.claim.as_ref()));
    let grids = incoming.grids.iter().filter_map(|grid| Some((grid.code.as_ref()?, grid.number, Some(&grid.area))));
    for (code, number, area) in regions.chain(grids) {
        if let Some(first) = numbers.insert(code.clone(), number) {
            faults.push(Fault {
                record: (number > 0).then_some(number),
                field: Some("code".to_owned()),
                codes: vec![code.clone()],
                place: area.and_then(first_place),
                ..Fault::new(FaultKind::DuplicateCode, format!("code {code} stands in record {first} too"))
            });
        }
    }
    let mut names = HashSet::new();
    for void in incoming.voids.iter().filter(|void| !names.insert(void.name.as_str())) {
        let detail = format!("two voids are called {:?}", void.name);
        faults.push(Fault { place: first_place(&void.area), ..Fault::new(FaultKind::DuplicateCode, detail) });
    }
    if faults.is_empty() { Ok(numbers) } else { Err(faults) }
}

fn first_place(area: &Area) -> Option<crate::geom::LonLat> {
    area.rings().next().and_then(|ring| ring.first()).map(|p| p.lonlat())
}

/// The set as it would be: what the files replace leaves, the rest stays, records that say the same stay as they are stored.
fn merge(job: &Job, incoming: Incoming, current: Option<&BoundarySet>, report: &mut Report) -> BoundarySet {
    let terms = &job.order.boundaries;
    let scheme = &job.meta.scheme;
    let none = BoundarySet::default();
    let current = current.unwrap_or(&none);
    let replaced = Replaced::of(terms, scheme, job.order.kind, &incoming);
    // Where land changes; voids that an import made there are looked for anew.
    let mut touched: Option<LatticeBox> = None;
    let mut touch = |area: &Area| touched = [touched, area.bbox()].into_iter().flatten().reduce(LatticeBox::union);

    let mut grids: BTreeMap<Code, GridRecord> = BTreeMap::new();
    let given: HashSet<&Code> = incoming.grids.iter().filter_map(|grid| grid.code.as_ref()).collect();
    let before: HashMap<&Code, &GridRecord> = current.grids.iter().map(|grid| (&grid.code, grid)).collect();
    for grid in current.grids.iter().filter(|grid| !given.contains(&grid.code)) {
        if replaced.grid(grid) {
            report.tally.removed += 1;
            touch(&grid.area);
        } else {
            grids.insert(grid.code.clone(), grid.clone());
        }
    }
    for draft in incoming.grids {
        let code = draft.code.clone().expect("codes were asked for or assigned before");
        let old = before.get(&code).copied();
        if let Some(old) = old.filter(|old| old.provenance.source_hash == draft.provenance.source_hash) {
            report.tally.same += 1;
            grids.insert(code, old.clone());
            continue;
        }
        match old {
            Some(old) => {
                report.tally.changed += 1;
                touch(&old.area);
            }
            None => report.tally.new += 1,
        }
        touch(&draft.area);
        let record = GridRecord {
            code: code.clone(),
            name: draft.name,
            kind: draft.kind,
            // A scheme with lengths knows it, and then says so in one way only.
            parent: if scheme.has_lengths() { None } else { draft.parent },
            area: draft.area,
            households: draft.households.or(old.and_then(|old| old.households)),
            population: draft.population.or(old.and_then(|old| old.population)),
            provenance: draft.provenance,
        };
        grids.insert(code, record);
    }

    let given: HashSet<&Code> = incoming.regions.iter().map(|region| &region.code).collect();
    let mut regions: BTreeMap<Code, RegionRecord> = BTreeMap::new();
    let before: HashMap<&Code, &RegionRecord> = current.regions.iter().map(|region| (&region.code, region)).collect();
    for region in current.regions.iter().filter(|region| !given.contains(&region.code) && !is_derived(region)) {
        if replaced.region(region) {
            report.tally.removed += 1;
            region.claim.iter().for_each(&mut touch);
        } else {
            regions.insert(region.code.clone(), region.clone());
        }
    }
    for region in &incoming.regions {
        match before.get(&region.code) {
            Some(old) if old.provenance.source_hash == region.provenance.source_hash && !is_derived(old) => {
                report.tally.same += 1;
                regions.insert(region.code.clone(), (*old).clone());
                continue;
            }
            Some(old) if !is_derived(old) => {
                report.tally.changed += 1;
                old.claim.iter().for_each(&mut touch);
            }
            _ => report.tally.new += 1,
        }
        region.claim.iter().for_each(&mut touch);
        regions.insert(region.code.clone(), region.clone());
    }
    for parent in missing_parents(scheme, &grids, &regions) {
        regions.insert(parent.code.clone(), parent);
    }

    let mut voids: BTreeMap<String, VoidRecord> = BTreeMap::new();
    let by_name: HashMap<&str, &VoidRecord> = current.voids.iter().map(|void| (void.name.as_str(), void)).collect();
    for void in incoming.voids {
        match by_name.get(void.name.as_str()) {
            Some(old) if old.provenance.source_hash == void.provenance.source_hash => {
                report.tally.same += 1;
                voids.insert(void.name.clone(), (*old).clone());
                continue;
            }
            Some(_) => report.tally.changed += 1,
            None => report.tally.new += 1,
        }
        touch(&void.area);
        voids.insert(void.name.clone(), void);
    }
    for void in &current.voids {
        let made_by_import = void.provenance.source_hash.is_none();
        let meets = matches!((void.area.bbox(), touched), (Some(own), Some(touched)) if own.meets(touched));
        if !(voids.contains_key(&void.name) || made_by_import && meets) {
            voids.insert(void.name.clone(), void.clone());
        }
    }
    BoundarySet {
        set: terms.set.clone(),
        scheme: scheme.clone(),
        period: terms.period,
        regions: regions.into_values().collect(),
        grids: grids.into_values().collect(),
        voids: voids.into_values().collect(),
    }
}

/// A region that no file gave.
fn is_derived(region: &RegionRecord) -> bool {
    region.provenance.source_hash.is_none() && region.claim.is_none() && region.name.is_empty()
}

/// In a scheme without lengths a parent that is only named is a region of the level above the grids.
fn missing_parents(
    scheme: &Scheme,
    grids: &BTreeMap<Code, GridRecord>,
    regions: &BTreeMap<Code, RegionRecord>,
) -> Vec<RegionRecord> {
    if scheme.has_lengths() || scheme.grid_level() != 1 {
        return Vec::new();
    }
    let named: BTreeSet<&Code> = grids.values().filter_map(|grid| grid.parent.as_ref()).collect();
    named
        .into_iter()
        .filter(|code| !regions.contains_key(*code))
        .map(|code| RegionRecord {
            code: code.clone(),
            level: scheme.levels()[0].name.clone(),
            name: String::new(),
            parent: None,
            claim: None,
            provenance: crate::domain::records::Provenance::default(),
        })
        .collect()
}

/// What leaves when the files do not have it.
struct Replaced {
    within: Option<Code>,
    /// Parents of the files' grids; `None` stands for grids without a parent.
    communities: HashSet<Option<Code>>,
    community_length: Option<usize>,
}

impl Replaced {
    fn of(terms: &BoundaryTerms, scheme: &Scheme, kind: Kind, incoming: &Incoming) -> Self {
        let above = scheme.grid_level().checked_sub(1).and_then(|level| scheme.levels()[level].length);
        let mut replaced = Self { within: terms.within.clone(), communities: HashSet::new(), community_length: above };
        if terms.within.is_none() && kind == Kind::Grids {
            replaced.communities = incoming
                .grids
                .iter()
                .filter_map(|grid| Some(replaced.community(grid.code.as_ref()?, grid.parent.as_ref())))
                .collect();
        }
        replaced
    }

    fn community(&self, code: &Code, parent: Option<&Code>) -> Option<Code> {
        match self.community_length {
            Some(length) => Code::new(&code.as_str().chars().take(length).collect::<String>()).ok(),
            None => parent.cloned(),
        }
    }

    fn is_within(&self, code: &Code) -> bool {
        self.within.as_ref().is_some_and(|within| code.as_str().starts_with(within.as_str()))
    }

    fn grid(&self, grid: &GridRecord) -> bool {
        self.is_within(&grid.code)
            || grid.parent.as_ref().is_some_and(|parent| self.is_within(parent))
            || self.communities.contains(&self.community(&grid.code, grid.parent.as_ref()))
    }

    fn region(&self, region: &RegionRecord) -> bool {
        self.is_within(&region.code) && self.within.as_ref() != Some(&region.code)
    }
}

/// Rows whose grid is another one in the new boundaries.
#[derive(Default)]
struct Moves {
    facilities: Vec<(FacilityId, Option<Code>)>,
    cases: Vec<(CaseId, Option<Code>)>,
}

async fn moves(store: &Store, job: &Job, territory: Arc<Territory>) -> Result<Moves, ImportError> {
    let snapshot = store.snapshot(job.at).await?;
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
fn outlines(territory: &Territory) -> Vec<(Code, Area)> {
    (0..territory.regions.len())
        .map(|at| {
            let ix = RegionIx(u32::try_from(at).expect("a territory has fewer than 2^32 regions"));
            (territory.regions[at].code.clone(), territory.outline_region(ix))
        })
        .collect()
}
