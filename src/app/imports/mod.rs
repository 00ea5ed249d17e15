//! Import: files of other people → the store. A second import of the same file changes nothing; nothing is ever half imported.
//!
//! Reading, checking and placing run on threads of their own; what is ready flows into the store, which shows it in one transaction
//! at the end, or not at all.

mod addresses;
mod assign;
mod boundaries;
mod buildings;
mod cases;
mod facilities;
mod fits;
mod ground;
pub mod jobs;
mod matching;
mod merge;
mod organizations;
mod people;
mod read;
mod report;
mod rows;
pub mod undo;

pub use crate::interchange::fields::Kind;
pub use boundaries::{BoundaryTerms, Incoming, publish};
pub use ground::Ground;
pub use read::{counted, tried};
pub use report::{HouseholdDifference, Report, Status, Tally};

use crate::city::Change;
use crate::clock::Clock;
use crate::domain::address::AddressRecord;
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::category::CodeProfile;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::{Epoch, GridSet, ImportId, Revision};
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::HouseholdCount;
use crate::domain::scheme::Scheme;
use crate::domain::scope::Actor;
use crate::geom::helmert::Helmert;
use crate::geom::{LatticePoint, NamedCrs};
use crate::interchange::settings;
use crate::store::{CommitHead, Committed, ImportRecord, ImportState, Meta, Store, StoreError, epoch_at, others_at};
use crate::territory::Territory;
use crate::territory::edge_match::{LEAST_M, MOST_M};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// Which faults are taken, and as what. By default none is, and one fault refuses the whole import.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Accept {
    /// Land between grids that belongs to nobody becomes a named void.
    pub gaps_as_void: bool,
    /// Land that two records cover goes to the lesser code.
    pub overlap_to_least_code: bool,
    /// Land of a child beyond its parent's outline, and land of the outline that no child covers.
    pub outside_claim: bool,
    /// Category of records that have none otherwise.
    pub unmapped_as: Option<String>,
    /// Records that cannot be imported are left out, the others are imported.
    pub refused: bool,
    /// Boundaries within so many metres of those that stand are drawn up to them.
    pub edge_match_m: Option<f64>,
}

/// A word of `--accept` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown {0:?}: one of gaps-as-void, overlap-to-least-code, outside-claim, edge-match=METRES ({LEAST_M} to {MOST_M}), unmapped-as=CODE, refused"
)]
pub struct UnknownAccept(pub String);

impl Accept {
    /// Adds what a word of `--accept` says.
    pub fn also(&mut self, word: &str) -> Result<(), UnknownAccept> {
        match word.split_once('=') {
            None if word == "gaps-as-void" => self.gaps_as_void = true,
            None if word == "overlap-to-least-code" => self.overlap_to_least_code = true,
            None if word == "outside-claim" => self.outside_claim = true,
            None if word == "refused" => self.refused = true,
            Some(("edge-match", metres)) => match metres.parse::<f64>() {
                Ok(metres) if (LEAST_M..=MOST_M).contains(&metres) => self.edge_match_m = Some(metres),
                _ => return Err(UnknownAccept(word.to_owned())),
            },
            Some(("unmapped-as", code)) if !code.is_empty() => self.unmapped_as = Some(code.to_owned()),
            _ => return Err(UnknownAccept(word.to_owned())),
        }
        Ok(())
    }
}

/// What is to be imported, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// As what.
    pub kind: Kind,
    /// From where; read one behind the other as one import.
    pub files: Vec<PathBuf>,
    /// CRS of all files; absent when they state one that can be trusted.
    pub crs: Option<NamedCrs>,
    /// Seven parameters to CGCS2000, for files on an old datum.
    pub helmert: Option<Helmert>,
    /// The files have latitude or the northing first.
    pub swap_xy: bool,
    /// Layer of a file that has several.
    pub layer: Option<String>,
    /// `field=column`, `field==constant`, `field=`.
    pub map: Vec<String>,
    /// Tag rules: `osm`, or a file.
    pub tags: Option<String>,
    /// The system that the records' ids belong to; absent: that of the tag rules, else `source`.
    pub system: Option<String>,
    /// What the data is taken from.
    pub source: Option<String>,
    /// The day it describes.
    pub source_date: Option<jiff::civil::Date>,
    /// Most vertices of one record.
    pub max_vertices: usize,
    /// Faults to be taken.
    pub accept: Accept,
    /// For regions and grids.
    pub boundaries: BoundaryTerms,
    /// Levels of the city; only while it has no boundaries, or the same as it has.
    pub scheme: Option<Scheme>,
    /// Categories of the city; must keep those in use.
    pub profile: Option<CodeProfile>,
    /// Facilities of the same system that the files have no more get the state "removed"; refused when they are more than so many percent.
    pub gone_are_removed: Option<u8>,
    /// Everything but the writing.
    pub dry_run: bool,
}

impl Order {
    /// The plainest import.
    pub fn new(kind: Kind, files: Vec<PathBuf>) -> Self {
        Self {
            kind,
            files,
            crs: None,
            helmert: None,
            swap_xy: false,
            layer: None,
            map: Vec::new(),
            tags: None,
            system: None,
            source: None,
            source_date: None,
            max_vertices: crate::interchange::shape::DEFAULT_MAX_VERTICES,
            accept: Accept::default(),
            boundaries: BoundaryTerms::default(),
            scheme: None,
            profile: None,
            gone_are_removed: None,
            dry_run: false,
        }
    }
}

/// A code scheme: `cn`, `plain` (grids alone, any codes), or a TOML or JSON file.
pub fn scheme_named(name_or_path: &str) -> Result<Scheme, Fault> {
    match name_or_path {
        "cn" => Ok(Scheme::cn()),
        "plain" => Ok(Scheme::plain()),
        path => settings::read(std::path::Path::new(path)),
    }
}

/// A code profile: one that comes with the program, or a TOML or JSON file.
pub fn profile_named(name_or_path: &str) -> Result<CodeProfile, Fault> {
    crate::interchange::profile::load(name_or_path)
}

/// An instant on the command line: RFC 3339, or a time or a date of a zone (an IANA name).
pub fn instant_named(text: &str, zone: &str) -> Option<Timestamp> {
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    crate::interchange::fields::instant_of(text, &zone)
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Bytes of the files.
    Reading {
        /// So far.
        read: u64,
        /// Of all files.
        total: u64,
    },
    /// Borders are noded, gaps and overlaps looked for.
    Mending,
    /// Points are placed in the new boundaries.
    Placing,
    /// Rows on their way into the store.
    Writing {
        /// So far.
        rows: u64,
    },
}

/// Is told how far an import has come.
pub type Watch = Arc<dyn Fn(Step) + Send + Sync>;

/// Why there is not even a report.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug: the thread that read or mended panicked.
    #[error("the import broke off")]
    BrokeOff(#[from] tokio::task::JoinError),
    /// What is stored cannot be used.
    #[error("the stored boundaries of epoch {epoch} cannot be used: {fault}")]
    Stored {
        /// Which.
        epoch: Epoch,
        /// The first reason; `wangge check` gives all.
        fault: Box<Fault>,
    },
}

/// Imports into a store that nobody else writes to. A refusal is a report, not an error.
pub async fn run(store: &Store, order: Order, actor: &Actor, clock: &Clock, watch: &Watch) -> Result<Report, ImportError> {
    run_on(Ground::Alone(store.clone()), None, order, actor, clock, watch).await
}

/// Imports into any ground, under the number that the import was announced with.
pub async fn run_on(
    ground: Ground,
    announced: Option<ImportId>,
    order: Order,
    actor: &Actor,
    clock: &Clock,
    watch: &Watch,
) -> Result<Report, ImportError> {
    let at = clock.now();
    let store = &ground.store().clone();
    let job = Job { announced, ..Job::of(ground, order, actor, at, Arc::clone(watch)).await? };
    let mut report = Report::new(job.order.kind.as_str(), at);
    report.files = job.order.files.iter().map(|file| file_name(file)).collect();
    report.source = job.order.source.clone();
    report.revision = store.revision().await?;
    if let Err(fault) = scheme_fits(&job) {
        report.refuse(fault);
        report.status = Status::Refused;
        return Ok(report);
    }
    let (settings, ground) = (job.settings.clone(), job.ground.clone());
    let mut report = match job.order.kind {
        Kind::Regions | Kind::Grids => boundaries::import(store, job, report).await?,
        Kind::Facilities => facilities::import(store, job, report).await?,
        Kind::Cases => rows::import::<CaseRecord>(store, job, report).await?,
        Kind::Addresses => rows::import::<AddressRecord>(store, job, report).await?,
        Kind::Organizations => rows::import::<OrganizationRecord>(store, job, report).await?,
        Kind::Buildings => rows::import::<BuildingRecord>(store, job, report).await?,
        Kind::Staff => people::staff(store, job, report).await?,
        Kind::Households => people::households(store, job, report).await?,
    };
    // Records that change nothing do not take the settings that came with them along.
    if let (Some(settings), Status::Unchanged) = (settings, report.status) {
        let committed = store.meta_set(Arc::unwrap_or_clone(settings.after), &actor.id, at).await?;
        ground.follow(&committed, None).await;
        report.revision = committed.revision;
        report.settings = settings.names;
        report.status = Status::Imported;
    }
    if report.status == Status::Imported {
        store.tidy().await?;
    }
    Ok(report)
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// What an import changes about the city itself.
#[derive(Clone)]
struct Settings {
    before: Arc<Meta>,
    after: Arc<Meta>,
    /// Of the options that say so.
    names: Vec<String>,
}

/// An order with what it needs to know about the city.
struct Job {
    ground: Ground,
    /// How far the store was when the first of it was read.
    read: Revision,
    /// Its number, when it has one already.
    announced: Option<ImportId>,
    order: Order,
    /// As it will be after the import, with the scheme of the grid set that is imported.
    meta: Meta,
    /// When `meta` differs from what is stored.
    settings: Option<Settings>,
    has_boundaries: bool,
    scheme_before: Scheme,
    zone: jiff::tz::TimeZone,
    actor: String,
    at: Timestamp,
    watch: Watch,
}

impl Job {
    async fn of(ground: Ground, order: Order, actor: &Actor, at: Timestamp, watch: Watch) -> Result<Self, ImportError> {
        let store = ground.store().clone();
        // First: what comes in between counts as later.
        let read = store.revision().await?;
        let stored = store.meta().await?;
        let mut meta = stored.clone();
        let set = &order.boundaries.set;
        let epochs = store.epochs().await?;
        // Another grid set has a scheme of its own, which stands with its boundaries and not with the city.
        let head = epochs.iter().rev().find(|record| record.set == *set && !set.is_governance());
        let of_set = match head {
            Some(record) => store.boundaries_at(record.epoch).await?.map(|boundaries| boundaries.scheme),
            None => (!set.is_governance()).then(Scheme::plain),
        };
        let has_boundaries = epochs.iter().any(|record| record.set == *set);
        let scheme_before = of_set.clone().unwrap_or_else(|| stored.scheme.clone());
        meta.scheme = order.scheme.clone().unwrap_or_else(|| scheme_before.clone());
        meta.profile = order.profile.clone().unwrap_or(meta.profile);
        let zone = jiff::tz::TimeZone::get(&meta.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let mut names = Vec::new();
        let own_scheme = if set.is_governance() { meta.scheme.clone() } else { stored.scheme.clone() };
        names.extend((own_scheme != stored.scheme).then(|| "--scheme".to_owned()));
        names.extend((meta.profile != stored.profile).then(|| "--codes".to_owned()));
        Ok(Self {
            ground,
            read,
            announced: None,
            has_boundaries,
            scheme_before,
            settings: (!names.is_empty()).then(|| Settings {
                before: Arc::new(stored),
                after: Arc::new(Meta { scheme: own_scheme, ..meta.clone() }),
                names,
            }),
            meta,
            zone,
            actor: actor.id.clone(),
            at,
            watch,
            order,
        })
    }

    fn tell(&self, step: Step) {
        (self.watch)(step);
    }

    /// What goes into the store's history. `before`: what taking it back needs to know beside rows and settings.
    fn import_record(&self, report: &Report, before: Before) -> ImportRecord {
        let settings = self.settings.as_ref().map(|settings| (*settings.before).clone());
        let before = Before { settings, ..before };
        ImportRecord {
            id: self.announced.unwrap_or(ImportId(0)),
            kind: report.kind.clone(),
            file: report.files.join(", "),
            crs: report.crs.clone(),
            source: report.source.clone(),
            at: self.at,
            report: report.kept(),
            state: ImportState::Done,
            revision: None,
            undone: None,
            before: serde_json::to_value(before).expect("settings and counts are plain data"),
        }
    }

    /// Whether the records so far refuse the whole.
    fn refuses(&self, report: &Report) -> bool {
        report.tally.refused + report.tally.conflict > 0 && !self.order.accept.refused
    }

    /// How an import ends whose records have all been read; `nothing`: none of them is to be written.
    fn status(&self, report: &Report, nothing: bool) -> Status {
        if self.refuses(report) {
            Status::Refused
        } else if self.order.dry_run {
            Status::DryRun
        } else if nothing {
            Status::Unchanged
        } else {
            Status::Imported
        }
    }

    /// Who writes, into which epoch. A new scheme or profile comes with the rows that need it.
    fn head(&self, epoch: Epoch) -> CommitHead {
        CommitHead {
            epoch: (epoch.0 > 0).then_some(epoch),
            settings: self.new_settings(),
            import_id: self.announced,
            alone: self.ground.app().is_none(),
            on_stale: self.ground.on_stale(),
            ..CommitHead::new(self.actor.clone(), self.at)
        }
    }

    fn new_settings(&self) -> Option<Arc<Meta>> {
        self.settings.as_ref().map(|settings| Arc::clone(&settings.after))
    }

    /// Notes what was committed, and sees to it that readers see it: this, when it is known, else what the store says.
    async fn committed(&self, report: &mut Report, committed: &Committed, change: Option<Change>) {
        self.ground.follow(committed, change.filter(|_| self.settings.is_none())).await;
        if !committed.stale.is_empty() {
            report.tally.overtaken = committed.stale.len() as u64;
            let some: Vec<String> = committed.stale.iter().take(20).map(i64::to_string).collect();
            report.notes.push(format!(
                "{} rows were changed by others while the import ran and left as they are; import again to bring them ({}{})",
                committed.stale.len(),
                some.join(", "),
                if committed.stale.len() > some.len() { " …" } else { "" }
            ));
        }
        report.revision = committed.revision;
        report.settings = self.settings.as_ref().map(|settings| settings.names.clone()).unwrap_or_default();
    }
}

/// What taking an import back needs to know beside the rows that it changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Before {
    /// What the city said about itself, when the import changed that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Meta>,
    /// The counts of the grids whose counts changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    counts: Vec<HouseholdCount>,
    /// The epoch that it followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Epoch>,
}

/// A scheme cannot change under boundaries that follow another one.
fn scheme_fits(job: &Job) -> Result<(), Fault> {
    if job.has_boundaries && job.meta.scheme != job.scheme_before {
        let detail = format!(
            "the boundaries of {:?} follow scheme {:?}; a different one ({:?}) needs a file of its own",
            job.order.boundaries.set.as_str(),
            job.scheme_before.name(),
            job.meta.scheme.name()
        );
        return Err(Fault { field: Some("--scheme".to_owned()), ..Fault::new(FaultKind::NotInScheme, detail) });
    }
    Ok(())
}

/// The boundaries in force at `at`, ready for lookups.
pub async fn territory_at(store: &Store, at: Timestamp) -> Result<Option<Arc<Territory>>, ImportError> {
    set_at(store, &GridSet::default(), at).await
}

/// The same of any grid set.
pub async fn set_at(store: &Store, set: &GridSet, at: Timestamp) -> Result<Option<Arc<Territory>>, ImportError> {
    let epochs = store.epochs().await?;
    let Some(epoch) = epoch_at(&epochs, set, at).map(|record| record.epoch) else {
        return Ok(None);
    };
    let Some(set) = store.boundaries_at(epoch).await? else { return Ok(None) };
    let built = tokio::task::spawn_blocking(move || Territory::build(epoch, &set)).await?;
    built.map(|territory| Some(Arc::new(territory))).map_err(|faults| ImportError::Stored {
        epoch,
        fault: Box::new(faults.into_iter().next().unwrap_or_else(|| Fault::new(FaultKind::Corrupt, "not told"))),
    })
}

/// The other grid sets in force at `at`.
async fn others(store: &Store, at: Timestamp) -> Result<Vec<Arc<Territory>>, ImportError> {
    let epochs = store.epochs().await?;
    let mut found = Vec::new();
    for record in others_at(&epochs, at) {
        found.extend(set_at(store, &record.set, at).await?);
    }
    Ok(found)
}

/// The code of the grid that holds a point.
fn grid_at(territory: &Territory, at: LatticePoint) -> Option<crate::domain::code::Code> {
    let ix = territory.grid_at(at)?;
    Some(territory.grid(ix).code.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_accept_are_known_or_refused() {
        let mut accept = Accept::default();
        for word in ["gaps-as-void", "overlap-to-least-code", "outside-claim", "edge-match=2.5", "unmapped-as=05999", "refused"] {
            accept.also(word).expect(word);
        }
        assert!(accept.gaps_as_void && accept.overlap_to_least_code && accept.outside_claim && accept.refused);
        assert_eq!(accept.unmapped_as.as_deref(), Some("05999"));
        assert_eq!(accept.edge_match_m, Some(2.5));
        for word in [
            "gaps",
            "unmapped-as",
            "unmapped-as=",
            "refused=1",
            "edge-match",
            "edge-match=0",
            "edge-match=0.01",
            "edge-match=51",
            "edge-match=NaN",
        ] {
            assert!(accept.also(word).is_err(), "{word}");
        }
    }
}
