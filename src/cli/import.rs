//! `wangge import`.

use super::client::Server;
use super::{Failure, Outcome, out};
use crate::app::access::audit::{is_kept, noted_in};
use crate::app::imports::{self, Accept, BoundaryTerms, Kind, Order, Report, Status, Step, Watch};
use crate::clock::Clock;
use crate::domain::audit::Action;
use crate::domain::code::Code;
use crate::domain::id::GridSet;
use crate::domain::period::Period;
use crate::domain::scope::Actor;
use crate::geom::NamedCrs;
use crate::geom::helmert::Helmert;
use crate::store::{Access, Meta, Store, StoreError, place_shown};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a file is imported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Word {
    /// Levels above the grids, with or without outlines.
    Regions,
    /// Grids; a kind `water` or `excluded` makes a named void.
    Grids,
    /// Points with a category.
    Facilities,
    /// Members of the grids' teams.
    Staff,
    /// Counts of households and residents by grid.
    Households,
    /// Open cases.
    Cases,
    /// Standard addresses: the whole text, or district, road, number … in columns; with a position, or `within` a region. No persons.
    Addresses,
    /// Party groups, mediation rooms, volunteer stations, police posts: a name, a category, and a position or a grid or region.
    Organizations,
    /// Buildings: footprints or points, or only the code of their grid; with name, storeys, households. No persons.
    Buildings,
}

/// Formats, found by content: GeoJSON, GeoJSON sequences, GeoPackage, FlatGeobuf, CSV with a header (UTF-8 or GBK), gzipped or not;
/// Shapefiles in a zip file, a folder, or a .shp with its siblings (text by .cpg, else UTF-8 or GBK, CRS by .prj); Excel workbooks (.xlsx,
/// header row found); OpenStreetMap's .osm.pbf with --profile osm. Others are refused with the command that converts them.
///
/// A plane's coordinates (Gauss-Krüger) are converted vertex by vertex; an edge that is long enough to bow by more than 6 mm gets vertices
/// between, the same in both neighbours. Without a CRS the import is refused with every one that fits and the place it would land on.
///
/// One fault refuses the whole import unless --accept says otherwise: nothing is ever half imported, and importing the same file again
/// changes nothing. Importing boundaries publishes them: of grids the communities (parents) that stand in the file are replaced whole,
/// of regions those with the file's codes. A neighbour's file hardly ever has the same line as what stands: --accept edge-match=2.
///
/// Beside a running server the import goes through its HTTP interface (the lock beside the data file says where it answers): the same
/// progress, report and exit codes; it goes on when this program is ended once the files are there.
///
/// A new data file is created with --scheme, --codes and --title.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the files hold.
    #[arg(value_enum)]
    pub(super) kind: Word,
    /// Files, read one behind the other as one import.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The city's data file, or the URL of its database (postgres://…); made when there is none.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// CRS of the positions: wgs84, cgcs2000, gcj02 or bd09; epsg:4491 to epsg:4554 (Gauss-Krüger on CGCS2000, zones of 3° and 6°); a local
    /// meridian, cgcs2000:tm:cm=122,fe=500000 (also fn=, k=, lat0=). Needed unless the file states one that can be trusted.
    #[arg(long)]
    pub(super) crs: Option<NamedCrs>,
    /// For files on Xian 1980 or Beijing 1954 (epsg:4610, 4214 and their zones): seven parameters to CGCS2000 in metres, seconds of arc and
    /// parts per million, position vector convention (EPSG 9606, +towgs84). Bursa-Wolf as in textbooks has rx, ry, rz with the other sign.
    #[arg(long, value_name = "dx,dy,dz,rx,ry,rz,s", allow_hyphen_values = true)]
    pub(super) helmert: Option<Helmert>,
    /// The file has the northing (surveyors' X) or the latitude first.
    #[arg(long)]
    pub(super) swap_xy: bool,
    /// Levels of the city or of the set, and what codes are made of (digits, alphanumeric, any): cn, plain (grids alone), or a TOML or JSON
    /// file.
    #[arg(long, value_name = "cn|plain|FILE")]
    pub(super) scheme: Option<String>,
    /// Categories of the city: gbt47678 (default of a new city), cjt214, or a TOML or JSON file that extends one.
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) codes: Option<String>,
    /// Foreign tags → categories: osm, or a TOML or JSON file.
    #[arg(long, value_name = "osm|FILE")]
    pub(super) profile: Option<String>,
    /// Layer of a GeoPackage, Shapefile of a zip file or folder, or sheet of a workbook that has several.
    #[arg(long, value_name = "NAME")]
    pub(super) layer: Option<String>,
    /// Number grids without a code within their community, in rows from the north, each from west to east (DB11/T 2157).
    #[arg(long)]
    pub(super) assign_codes: bool,
    /// A field's column: code=name; a constant: category==01037; none: state=. May be repeated.
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub(super) map: Vec<String>,
    /// Faults to take: gaps-as-void, overlap-to-least-code, outside-claim, unmapped-as=CODE, refused (leave out what cannot be imported).
    /// edge-match=METRES draws borders that run within so many metres of those that stand, or of an earlier file's, up to them, and says
    /// for each metre of the common line how far apart they were. May be repeated.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(super) accept: Vec<String>,
    /// Boundaries: in force from this time or day of the city's zone; default now, for the first import since ever.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<String>,
    /// Boundaries of the past: in force until this time or day. Only with --beside.
    #[arg(long, value_name = "TIME", requires = "beside")]
    pub(super) until: Option<String>,
    /// Boundaries: a historical set with a period of its own; what is in force stays.
    #[arg(long)]
    pub(super) beside: bool,
    /// Boundaries: which partition. Another name than governance makes a grid set of its own (police, business …), with boundaries, periods
    /// and a scheme of its own (plain when no --scheme says otherwise).
    #[arg(long, value_name = "NAME", default_value = "governance")]
    pub(super) set: String,
    /// Boundaries: replace everything below this code, also what the file has nothing of.
    #[arg(long, value_name = "CODE")]
    pub(super) within: Option<Code>,
    /// The system that the ids in the file belong to.
    #[arg(long, value_name = "NAME")]
    pub(super) system: Option<String>,
    /// What the data is taken from, for the record.
    #[arg(long, value_name = "TEXT")]
    pub(super) source: Option<String>,
    /// The day the data describes.
    #[arg(long, value_name = "DAY")]
    pub(super) source_date: Option<jiff::civil::Date>,
    /// Most vertices of one record.
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub(super) max_vertices: usize,
    /// Do everything but write.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write the whole report as JSON.
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
    /// Write all faults and repairs as a GeoPackage.
    #[arg(long, value_name = "FILE.gpkg")]
    faults: Option<PathBuf>,
    /// Title of a new city.
    #[arg(long, value_name = "TEXT", default_value = "网格")]
    title: String,
    /// Whose data a new city's map names. May be repeated.
    #[arg(long, value_name = "TEXT")]
    attribution: Vec<String>,
    /// Zone of a new city, in which days begin.
    #[arg(long, value_name = "ZONE", default_value = "Asia/Shanghai")]
    time_zone: String,
}

impl From<Word> for Kind {
    fn from(word: Word) -> Self {
        match word {
            Word::Regions => Self::Regions,
            Word::Grids => Self::Grids,
            Word::Facilities => Self::Facilities,
            Word::Staff => Self::Staff,
            Word::Households => Self::Households,
            Word::Cases => Self::Cases,
            Word::Addresses => Self::Addresses,
            Word::Organizations => Self::Organizations,
            Word::Buildings => Self::Buildings,
        }
    }
}

pub(super) fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

pub(super) async fn run(args: Args) -> Outcome {
    let mut order = order(&args)?;
    // A time that is none is told before a file is made; which instant it is, the city's zone says.
    period(&args, "UTC")?;
    let (store, fresh) = match open(&args, &order).await? {
        Ground::File(store, fresh) => (store, fresh),
        Ground::Server(server) => {
            let (report, args) = super::remote::import(args, server).await?;
            return told(&args, &report).await;
        }
    };
    let zone = store.meta().await?.time_zone;
    order.boundaries.period = period(&args, &zone)?;
    let bar = out::byte_bar(0);
    let watch = watch(&bar);
    let outcome = imports::run(&store, order, &Actor::local(), &Clock::System, &watch).await;
    bar.finish_and_clear();
    if let Ok(report) = &outcome
        && report.status == Status::Imported
        && is_kept(&store).await?
    {
        let detail = serde_json::json!({ "files": report.files, "revision": report.revision });
        noted_in(&store, Clock::System.now(), Action::Import, &report.kind, detail).await?;
    }
    store.close().await?;
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            if fresh {
                remove(&args.data);
            }
            return Err(error.into());
        }
    };
    // An import that brings nothing leaves no empty city behind.
    if fresh && report.status != Status::Imported {
        remove(&args.data);
    }
    told(&args, &report).await
}

async fn told(args: &Args, report: &Report) -> Outcome {
    out::say(&report.text());
    write_files(args, report).await?;
    Ok(report.status != Status::Refused)
}

/// Where an import goes.
enum Ground {
    /// The data file, and whether it was made just now.
    File(Store, bool),
    /// The server that has it, by its address.
    Server(Server),
}

fn order(args: &Args) -> Result<Order, Failure> {
    let mut accept = Accept::default();
    for word in &args.accept {
        accept.also(word).map_err(usage)?;
    }
    let mut order = Order::new(args.kind.into(), args.files.clone());
    order.crs = args.crs;
    order.helmert = args.helmert;
    order.swap_xy = args.swap_xy;
    order.layer.clone_from(&args.layer);
    order.map.clone_from(&args.map);
    order.tags.clone_from(&args.profile);
    order.system.clone_from(&args.system);
    order.source.clone_from(&args.source);
    order.source_date = args.source_date;
    order.max_vertices = args.max_vertices;
    order.accept = accept;
    order.boundaries = BoundaryTerms {
        set: GridSet::new(&args.set).map_err(usage)?,
        assign_codes: args.assign_codes,
        period: Period::ALWAYS,
        beside: args.beside,
        within: args.within.clone(),
    };
    order.scheme = args.scheme.as_deref().map(imports::scheme_named).transpose().map_err(usage)?;
    order.profile = args.codes.as_deref().map(imports::profile_named).transpose().map_err(usage)?;
    order.dry_run = args.dry_run;
    Ok(order)
}

fn period(args: &Args, zone: &str) -> Result<Period, Failure> {
    let instant = |text: &String| {
        imports::instant_named(text, zone)
            .ok_or_else(|| usage(format!("{text:?} is no time: 2026-03-01, or 2026-03-01T08:00:00+08:00")))
    };
    Ok(Period { from: args.from.as_ref().map(instant).transpose()?, until: args.until.as_ref().map(instant).transpose()? })
}

async fn open(args: &Args, order: &Order) -> Result<Ground, Failure> {
    let access = if args.dry_run { Access::Read } else { Access::Import };
    match Store::open(&args.data, access).await {
        Ok(store) => Ok(Ground::File(store, false)),
        Err(StoreError::InUse(path)) => match Store::announced(&path) {
            Some(announced) => Ok(Ground::Server(Server::of(announced)?)),
            None => Err(StoreError::InUse(path).into()),
        },
        Err(StoreError::Missing(_)) => {
            if jiff::tz::TimeZone::get(&args.time_zone).is_err() {
                return Err(usage(format!("no time zone {:?}; IANA names like Asia/Shanghai", args.time_zone)));
            }
            let profile = match &order.profile {
                Some(profile) => profile.clone(),
                None => imports::profile_named("gbt47678").map_err(usage)?,
            };
            let mut meta = Meta::new(args.title.clone(), profile);
            // The scheme of another grid set stands with its boundaries.
            meta.scheme = order.scheme.clone().filter(|_| order.boundaries.set.is_governance()).unwrap_or_default();
            meta.time_zone.clone_from(&args.time_zone);
            meta.attribution.clone_from(&args.attribution);
            if args.dry_run {
                return Ok(Ground::File(Store::memory(meta), false));
            }
            Ok(Ground::File(Store::create(&args.data, &meta).await?, true))
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes a data file that this program has just made.
pub(super) fn remove(path: &Path) {
    if let Err(error) = Store::remove(path) {
        out::note(&format!("{} stays behind: {error}", place_shown(path)));
    }
}

/// A step in a few words.
pub(super) fn words(step: Step) -> String {
    match step {
        Step::Reading { .. } => "reading".to_owned(),
        Step::Mending => "mending".to_owned(),
        Step::Placing => "placing".to_owned(),
        Step::Writing { rows } => format!("writing {rows}"),
    }
}

pub(super) fn watch(bar: &indicatif::ProgressBar) -> Watch {
    let bar = bar.clone();
    Arc::new(move |step| {
        if let Step::Reading { read, total } = step {
            bar.set_length(total);
            bar.set_position(read);
        }
        bar.set_message(words(step));
    })
}

async fn write_files(args: &Args, report: &Report) -> Result<(), Failure> {
    if let Some(path) = &args.report {
        let text = serde_json::to_string_pretty(report)?;
        std::fs::write(path, text).map_err(|error| Failure::Failed(format!("cannot write {}: {error}", path.display())))?;
    }
    if let Some(path) = &args.faults {
        let written = report.write_faults(path).await;
        written.map_err(|error| Failure::Failed(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(())
}
