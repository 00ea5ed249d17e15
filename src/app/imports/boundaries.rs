//! Regions and grids. Importing boundaries is a publication: what the files say is merged with what is in force, mended, proved, and
//! published as the next epoch, facilities and cases placed anew in the same transaction.

use super::assign::{Known, assign};
use super::matching::{RecordName, Seen};
use super::read::{Rules, read};
use super::report::{Report, Status};
use super::{ImportError, Job, Step, grid_at};
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::domain::grid::GridRecord;
use crate::domain::id::{CaseId, Epoch, FacilityId, GridSet, RegionIx};
use crate::domain::period::Period;
use crate::domain::records::{BoundarySet, EpochRecord, Provenance};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scheme::Scheme;
use crate::domain::scope::Actor;
use crate::geom::{Area, LatticeBox};
use crate::interchange::Terms;
use crate::interchange::boundaries::{GridDraft, Land, Made, land, region};
use crate::interchange::fields::{Field, Fields, Kind};
use crate::interchange::own::Origin;
use crate::store::{BoundaryCommit, Chain, Store, grid_row_hash, region_row_hash};
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
    if job.refuses(&report) {
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
            report.refuse(fault);
            return incoming;
        }
    };
    let mut seen: Seen<Code, ()> = Seen::default();
    read(job, &mut rules, report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        let fields = columns.sort_out(raw);
        let origin = terms.own.then(|| Origin::of(&fields));
        if origin.as_ref().and_then(|origin| origin.set.as_ref()).is_some_and(|set| set != job.order.boundaries.set.as_str()) {
            report.tally.skipped += 1;
            return Vec::new();
        }
        let repairs = match job.order.kind {
            Kind::Regions => read_region(job, &fields, origin, terms, report).map(|(record, repairs)| {
                incoming.region_numbers.extend(record.as_ref().map(|_| number));
                incoming.regions.extend(record);
                repairs
            }),
            _ => read_land(job, &fields, origin, terms).map(|(land, repairs)| {
                match land {
                    Land::Void(void) => incoming.voids.push(void),
                    Land::Grid(draft) => incoming.grids.push(draft),
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
            && let Some(code) = fields.parsed::<Code>(Field::Code).ok().flatten()
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

/// The level of a region by its code's length, or as stated: one above grids.
fn fits_region(scheme: &Scheme, record: &RegionRecord) -> Result<usize, Fault> {
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
    Ok(level)
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
    let before = store.revision().await?;
    let committed = job.commit(store, &mut report, store.boundaries_commit(commit)).await?;
    report.revision = committed.revision;
    report.epoch = committed.epoch;
    if committed.revision == before {
        // What the files say differently is the same land after mending.
        report.status = Status::Unchanged;
    }
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
        // Otherwise it would be in force, with none of what a publication does.
        Period { until, .. } if terms.beside && until.is_none_or(|until| until > job.at) => {
            bad("--until", "a set beside the chain needs a period that has ended: --until, at the latest now")
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
            known.codes.extend(set.grids.into_iter().map(|grid| (grid.code, grid.parent)));
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

/// Where land changes.
#[derive(Default)]
struct Touched(Vec<LatticeBox>);

impl Touched {
    fn add<'a>(&mut self, areas: impl IntoIterator<Item = &'a Area>) {
        self.0.extend(areas.into_iter().filter_map(Area::bbox));
    }

    fn meets<'a>(&self, areas: impl IntoIterator<Item = &'a Area>) -> bool {
        areas.into_iter().filter_map(Area::bbox).any(|own| self.0.iter().any(|land| land.meets(own)))
    }
}

/// A record of the files beside the stored one of its code.
enum Told<'a, R> {
    New,
    /// The store says something else.
    Changed(&'a R),
    /// The store says the same.
    Same(&'a R),
}

/// The set as it would be: what the files replace leaves, the rest stays. A record that says the same stays as it was mended, unless
/// land beside it changes: then it is mended anew from what its file says, since its border was cut to fit the land that was there.
fn merge(job: &Job, incoming: Incoming, current: Option<&BoundarySet>, report: &mut Report) -> BoundarySet {
    let terms = &job.order.boundaries;
    let scheme = &job.meta.scheme;
    let none = BoundarySet::default();
    let current = current.unwrap_or(&none);
    let replaced = Replaced::of(terms, scheme, job.order.kind, &incoming, current);
    let mut touched = Touched::default();
    let mut count = |told: Counting| match told {
        Counting::New => report.tally.new += 1,
        Counting::Changed => report.tally.changed += 1,
        Counting::Same => report.tally.same += 1,
        Counting::Removed => report.tally.removed += 1,
    };

    let mut grids: BTreeMap<Code, GridRecord> = BTreeMap::new();
    let given: HashSet<&Code> = incoming.grids.iter().filter_map(|grid| grid.code.as_ref()).collect();
    let before: HashMap<&Code, &GridRecord> = current.grids.iter().map(|grid| (&grid.code, grid)).collect();
    for grid in current.grids.iter().filter(|grid| !given.contains(&grid.code)) {
        if replaced.grid(grid) {
            count(Counting::Removed);
            touched.add([&grid.area]);
        } else {
            grids.insert(grid.code.clone(), grid.clone());
        }
    }
    let told_grids: Vec<(Code, GridDraft, Told<'_, GridRecord>)> = incoming
        .grids
        .into_iter()
        .map(|draft| {
            let code = draft.code.clone().expect("codes were asked for or assigned before");
            let told = told(before.get(&code).copied(), draft.provenance.source_hash, |old| old.provenance.source_hash);
            (code, draft, told)
        })
        .collect();
    for (_, draft, told) in &told_grids {
        count(told.counting());
        touched.add(told.old_land(|old| Some(&old.area)).chain(told.differs().then_some(&draft.area)));
    }

    let given: HashSet<&Code> = incoming.regions.iter().map(|region| &region.code).collect();
    let mut regions: BTreeMap<Code, RegionRecord> = BTreeMap::new();
    let before: HashMap<&Code, &RegionRecord> =
        current.regions.iter().filter(|region| !is_derived(region)).map(|region| (&region.code, region)).collect();
    for region in before.values().filter(|region| !given.contains(&region.code)) {
        if replaced.region(region) {
            count(Counting::Removed);
            touched.add(&region.claim);
        } else {
            regions.insert(region.code.clone(), (*region).clone());
        }
    }
    let told_regions: Vec<(&RegionRecord, Told<'_, RegionRecord>)> = incoming
        .regions
        .iter()
        .map(|region| {
            let old = before.get(&region.code).copied();
            (region, told(old, region.provenance.source_hash, |old| old.provenance.source_hash))
        })
        .collect();
    for (region, told) in &told_regions {
        count(told.counting());
        touched.add(told.old_land(|old| old.claim.as_ref()).chain(region.claim.iter().filter(|_| told.differs())));
    }

    let by_name: HashMap<&str, &VoidRecord> = current.voids.iter().map(|void| (void.name.as_str(), void)).collect();
    let told_voids: Vec<(VoidRecord, Told<'_, VoidRecord>)> = incoming
        .voids
        .into_iter()
        .map(|void| {
            let old = by_name.get(void.name.as_str()).copied();
            let told = told(old, void.provenance.source_hash, |old| old.provenance.source_hash);
            (void, told)
        })
        .collect();
    for (void, told) in &told_voids {
        count(told.counting());
        touched.add(told.old_land(|old| Some(&old.area)).chain(told.differs().then_some(&void.area)));
    }

    for (code, draft, told) in told_grids {
        let old = match told {
            Told::Same(old) if !touched.meets([&draft.area, &old.area]) => {
                grids.insert(code, old.clone());
                continue;
            }
            Told::Same(old) | Told::Changed(old) => Some(old),
            Told::New => None,
        };
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
        // Only its land is told anew: everything else stands as it is stored.
        let record = match told {
            Told::Same(old) => GridRecord { area: record.area, ..old.clone() },
            _ => record,
        };
        grids.insert(code, record);
    }
    for (region, told) in told_regions {
        let record = match told {
            Told::Same(old) if touched.meets(region.claim.iter().chain(&old.claim)) => {
                RegionRecord { claim: region.claim.clone(), ..old.clone() }
            }
            Told::Same(old) => old.clone(),
            Told::New | Told::Changed(_) => region.clone(),
        };
        regions.insert(region.code.clone(), record);
    }
    for parent in missing_parents(scheme, &grids, &regions) {
        regions.insert(parent.code.clone(), parent);
    }
    let mut voids: BTreeMap<String, VoidRecord> = BTreeMap::new();
    for (void, told) in told_voids {
        let record = match told {
            Told::Same(old) if !touched.meets([&void.area, &old.area]) => old.clone(),
            _ => void,
        };
        voids.insert(record.name.clone(), record);
    }
    for void in &current.voids {
        // Voids that an import made are looked for anew where land changes.
        let made_by_import = void.provenance.source_hash.is_none();
        if !(voids.contains_key(&void.name) || made_by_import && touched.meets([&void.area])) {
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

/// What a record counts as.
enum Counting {
    New,
    Changed,
    Same,
    Removed,
}

fn told<'a, R>(old: Option<&'a R>, hash: Option<u64>, stored: impl Fn(&R) -> Option<u64>) -> Told<'a, R> {
    match old {
        None => Told::New,
        Some(old) if stored(old) == hash => Told::Same(old),
        Some(old) => Told::Changed(old),
    }
}

impl<'a, R> Told<'a, R> {
    fn counting(&self) -> Counting {
        match self {
            Self::New => Counting::New,
            Self::Changed(_) => Counting::Changed,
            Self::Same(_) => Counting::Same,
        }
    }

    fn differs(&self) -> bool {
        !matches!(self, Self::Same(_))
    }

    /// The stored land of a record that changes.
    fn old_land(&self, land: impl Fn(&'a R) -> Option<&'a Area>) -> impl Iterator<Item = &'a Area> {
        match self {
            Self::Changed(old) => land(old),
            Self::New | Self::Same(_) => None,
        }
        .into_iter()
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
            provenance: Provenance::default(),
        })
        .collect()
}

/// What lies at or below a code: by the codes, or by the stated parents.
struct Below<'a> {
    within: &'a Code,
    scheme: &'a Scheme,
    parents: HashMap<&'a Code, &'a Code>,
}

impl<'a> Below<'a> {
    fn of(within: &'a Code, scheme: &'a Scheme, incoming: &'a Incoming, current: &'a BoundarySet) -> Self {
        let mut parents = HashMap::new();
        if !scheme.has_lengths() {
            let regions = current.regions.iter().chain(&incoming.regions).map(|region| (Some(&region.code), &region.parent));
            let stored = current.grids.iter().map(|grid| (Some(&grid.code), &grid.parent));
            let given = incoming.grids.iter().map(|grid| (grid.code.as_ref(), &grid.parent));
            // What the files say goes before what is stored.
            for (code, parent) in stored.chain(regions).chain(given) {
                parents.extend(code.zip(parent.as_ref()));
            }
        }
        Self { within, scheme, parents }
    }

    fn has(&self, code: &Code) -> bool {
        if self.scheme.has_lengths() {
            return code == self.within || self.scheme.ancestors_of(code).any(|(_, above)| above == *self.within);
        }
        // A chain of parents that bites its tail is refused elsewhere; here it must only end.
        let chain = std::iter::successors(Some(code), |code| self.parents.get(*code).copied());
        chain.take(self.scheme.levels().len() + 1).any(|above| above == self.within)
    }

    /// A grid that is to be numbered has only its parent.
    fn has_draft(&self, grid: &GridDraft) -> bool {
        grid.code.iter().chain(&grid.parent).any(|code| self.has(code))
    }
}

/// The code of `--within` is one of the city's, or the files bring it; and everything in the files lies below it.
fn within_fits(job: &Job, incoming: &Incoming, current: Option<&BoundarySet>) -> Result<(), Vec<Fault>> {
    let Some(within) = &job.order.boundaries.within else { return Ok(()) };
    let none = BoundarySet::default();
    let current = current.unwrap_or(&none);
    let below = Below::of(within, &job.meta.scheme, incoming, current);
    let stray = |number: u64, code: Option<&Code>| Fault {
        record: (number > 0).then_some(number),
        field: Some("--within".to_owned()),
        codes: code.into_iter().cloned().collect(),
        ..Fault::new(FaultKind::BadField, format!("the record does not lie below {within}"))
    };
    let numbers = incoming.region_numbers.iter().copied().chain(std::iter::repeat(0));
    let regions = incoming.regions.iter().zip(numbers).filter(|(region, _)| !below.has(&region.code));
    let grids = incoming.grids.iter().filter(|grid| !below.has_draft(grid));
    let faults: Vec<Fault> = regions
        .map(|(region, number)| stray(number, Some(&region.code)))
        .chain(grids.map(|grid| stray(grid.number, grid.code.as_ref().or(grid.parent.as_ref()))))
        .collect();
    let is_known = || {
        let codes = current.regions.iter().map(|region| &region.code).chain(current.grids.iter().map(|grid| &grid.code));
        let given = incoming.regions.iter().map(|region| &region.code);
        codes.chain(given).any(|code| below.has(code)) || incoming.grids.iter().any(|grid| below.has_draft(grid))
    };
    if faults.is_empty() && !is_known() {
        let fault =
            Fault::new(FaultKind::UnknownCode, format!("no region or grid has the code {within}, and none lies below it"));
        return Err(vec![Fault { field: Some("--within".to_owned()), codes: vec![within.clone()], ..fault }]);
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What leaves when the files do not have it.
struct Replaced {
    /// Everything at or below the code of `--within`.
    within: HashSet<Code>,
    /// The code itself, which stays.
    top: Option<Code>,
    /// Parents of the files' grids; `None` stands for grids without a parent.
    communities: HashSet<Option<Code>>,
    community_length: Option<usize>,
}

impl Replaced {
    fn of(terms: &BoundaryTerms, scheme: &Scheme, kind: Kind, incoming: &Incoming, current: &BoundarySet) -> Self {
        let above = scheme.grid_level().checked_sub(1).and_then(|level| scheme.levels()[level].length);
        let mut replaced =
            Self { within: HashSet::new(), top: terms.within.clone(), communities: HashSet::new(), community_length: above };
        if let Some(within) = &terms.within {
            // As it is stored: a grid that the files move out of it is in the files.
            let below = Below::of(within, scheme, incoming, current);
            let codes = current.regions.iter().map(|region| &region.code).chain(current.grids.iter().map(|grid| &grid.code));
            replaced.within = codes.filter(|code| below.has(code)).cloned().collect();
        } else if kind == Kind::Grids {
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

    fn grid(&self, grid: &GridRecord) -> bool {
        self.within.contains(&grid.code) || self.communities.contains(&self.community(&grid.code, grid.parent.as_ref()))
    }

    fn region(&self, region: &RegionRecord) -> bool {
        self.within.contains(&region.code) && self.top.as_ref() != Some(&region.code)
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
