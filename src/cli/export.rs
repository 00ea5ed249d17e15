//! `wangge export`.

use super::token::noted;
use super::{Failure, Outcome, out};
use crate::app::Actor;
use crate::app::access::audit::is_kept;
use crate::app::exports::{self, ExportError, Format, Order, RowFormat, Step, TextCode, Watch};
use crate::app::history::AsOf;
use crate::app::imports::instant_named;
use crate::clock::Clock;
use crate::config::access::roles_table;
use crate::domain::audit::Action;
use crate::domain::code::Code;
use crate::domain::id::Epoch;
use crate::domain::scope::Role;
use crate::geom::NamedCrs;
use crate::interchange::outgoing::WriteError;
use crate::store::{Access, Store};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// In which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// GeoJSON (RFC 7946), one layer.
    Geojson,
    /// One GeoJSON feature a line, one layer.
    Geojsonseq,
    /// A table with a header line, one layer; positions in the columns lon and lat, without areas.
    Csv,
    /// A GeoPackage with layers as in the data file, for others to edit; an import takes it back.
    Gpkg,
    /// Vector tiles in one file (PMTiles 3).
    Pmtiles,
    /// FlatGeobuf with an index, one layer.
    Flatgeobuf,
    /// Shapefiles in a zip file.
    Shapefile,
    /// An Excel workbook with a sheet for each layer, codes as text; without areas.
    Xlsx,
}

impl From<Word> for Format {
    fn from(word: Word) -> Self {
        match word {
            Word::Geojson => Self::Rows(RowFormat::GeoJson),
            Word::Geojsonseq => Self::Rows(RowFormat::GeoJsonSeq),
            Word::Csv => Self::Rows(RowFormat::Csv),
            Word::Gpkg => Self::GeoPackage,
            Word::Pmtiles => Self::PmTiles,
            Word::Flatgeobuf => Self::Rows(RowFormat::FlatGeobuf),
            Word::Shapefile => Self::Rows(RowFormat::Shapefile),
            Word::Xlsx => Self::Rows(RowFormat::Xlsx),
        }
    }
}

/// Works beside a running server: the file is the city of one revision, which is told, and stands in the file where its format has a place
/// for it (GeoJSON, GeoPackage, FlatGeobuf, workbooks, PMTiles).
///
/// Columns have the names by which `wangge import` takes them back; named land without a grid stands among the grids (kind water or
/// excluded). Of staff there is what their work needs: no more is stored.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// In which format.
    #[arg(value_enum)]
    format: Word,
    /// The file; must not exist, unless --force is given.
    #[arg(value_name = "OUT")]
    to: PathBuf,
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// regions, grids, facilities, staff, households, cases (open ones), organizations, buildings; of tiles: regions,grids,labels,
    /// facilities,cases,organizations,buildings. Default: all that the format can hold (of tiles the first four).
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    layers: Vec<String>,
    /// No more than this role may see: without classes of facilities, phones and numbers in texts that it has no right to. Default: all.
    #[arg(long = "as", value_name = "ROLE")]
    role: Option<Role>,
    /// The table of roles, when it is not the one that comes with the program.
    #[arg(long, value_name = "FILE", requires = "role")]
    roles: Option<PathBuf>,
    /// Only what is at or below a region or grid.
    #[arg(long, value_name = "CODE")]
    within: Option<Code>,
    /// In the boundaries in force at this time or day instead of today's. Facilities, staff and cases are today's, placed in them.
    #[arg(long, value_name = "TIME", conflicts_with = "epoch")]
    at: Option<String>,
    /// In the boundaries of this epoch.
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,
    /// Regions of this level only.
    #[arg(long, value_name = "NAME")]
    level: Option<String>,
    /// CRS of the coordinates, default cgcs2000: wgs84, cgcs2000, gcj02, bd09; for Shapefile, FlatGeobuf and tables also epsg:4491 to epsg:4554 and
    /// cgcs2000:tm:cm=122,fe=500000. GeoJSON is WGS 84 or CGCS2000 by its standard; in gcj02 or bd09 it says so in the member positions_in.
    #[arg(long)]
    crs: Option<NamedCrs>,
    /// The system whose names of records are the column id; default: the one that names most.
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Also columns that are derived here, and that an import would take for the source's own: area_m2, label_lon, label_lat of regions and
    /// grids, grid of facilities, cases, organizations and buildings.
    #[arg(long)]
    derived: bool,
    /// Text of CSV and Shapefile: utf-8 (default) or gbk.
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// Cut texts that are longer than a .dbf (254 bytes) or a workbook's cell (32,767 characters) holds, instead of refusing them.
    #[arg(long)]
    shorten: bool,
    /// Lowest zoom of tiles.
    #[arg(long, value_name = "Z")]
    minzoom: Option<u8>,
    /// Highest zoom of tiles.
    #[arg(long, value_name = "Z")]
    maxzoom: Option<u8>,
    /// Replace a file of that name.
    #[arg(long)]
    force: bool,
}

/// Who sees what a role sees of the whole city.
fn actor(role: Option<Role>, roles: Option<&Path>) -> Result<Actor, Failure> {
    let Some(role) = role else { return Ok(Actor::local()) };
    let table = roles_table(roles).map_err(Failure::Usage)?;
    let rights = table.rights(&[role]);
    let hidden = table.hidden(rights).into_iter().collect();
    Ok(Actor { id: role.to_string(), roles: vec![role], rights, hidden, ..Actor::local() })
}

/// Faults that are listed.
const LISTED: usize = 10;

pub(super) async fn run(args: Args) -> Outcome {
    let code = args.encoding.as_deref().map(|name| {
        let known = TextCode::named(name).filter(|code| [TextCode::UTF8, TextCode::GBK].contains(code));
        known.ok_or_else(|| Failure::Usage(format!("text is written in utf-8 or gbk, not in {name:?}")))
    });
    let code = code.transpose()?;
    let store = Store::open(&args.data, Access::Read).await?;
    let as_of = match (&args.at, args.epoch) {
        (Some(text), _) => {
            let zone = store.meta().await?.time_zone;
            let at = instant_named(text, &zone);
            AsOf::At(at.ok_or_else(|| Failure::Usage(format!("{text:?} is no time: 2026-03-01, or 2026-03-01T08:00:00+08:00")))?)
        }
        (None, Some(epoch)) => AsOf::Epoch(Epoch(epoch)),
        (None, None) => AsOf::Now,
    };
    let order = Order {
        format: args.format.into(),
        layers: args.layers,
        actor: actor(args.role, args.roles.as_deref())?,
        within: args.within,
        as_of,
        level: args.level,
        crs: args.crs,
        system: args.system,
        derived: args.derived,
        code,
        shorten: args.shorten,
        zooms: (args.minzoom, args.maxzoom),
    };
    let bar = out::spinner();
    let spoken = bar.clone();
    let watch: Watch = Arc::new(move |step| spoken.set_message(words(step)));
    let now = Clock::System.now();
    if is_kept(&store).await? {
        let layers = if order.layers.is_empty() { "all".to_owned() } else { order.layers.join(",") };
        let within = order.within.as_ref().map(|code| format!(" within {code}")).unwrap_or_default();
        let object = format!("{layers}{within} as {}", order.format.as_str());
        // Whoever may only read the file, or has a copy on a medium that nobody writes to, exports all the same.
        if let Err(Failure::Usage(why) | Failure::Failed(why)) = noted(&args.data, now, Action::Export, &object).await {
            out::note(&format!("this export is not noted in the audit: {why}"));
        }
    }
    let exported = exports::run(&store, &order, (Some(&args.data), &args.to, args.force), now, &watch).await;
    bar.finish_and_clear();
    let report = exported.map_err(failure)?;
    store.close().await?;
    report.notes.iter().for_each(|note| out::note(note));
    let layers: Vec<String> = report.layers.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
    let (revision, epoch) = (report.revision, report.epoch);
    out::say(&format!("{}: {} as of revision {revision}, boundaries of epoch {epoch}", args.to.display(), layers.join(", ")));
    Ok(true)
}

fn words(step: Step) -> String {
    match step {
        Step::Opening => "opening".to_owned(),
        Step::Looking { layer, rows } => format!("looking at {layer}: {rows}"),
        Step::Writing { layer, rows, total: Some(total) } => format!("writing {layer}: {rows} of {total}"),
        Step::Writing { layer, rows, total: None } => format!("writing {layer}: {rows}"),
    }
}

fn failure(error: ExportError) -> Failure {
    match error {
        ExportError::Usage(text) => Failure::Usage(text),
        ExportError::Write(WriteError::Unfit(faults)) => {
            let mut text = "nothing was exported, since the format cannot hold all of it:".to_owned();
            faults.iter().take(LISTED).for_each(|fault| text.push_str(&format!("\n  {fault}")));
            if faults.len() > LISTED {
                text.push_str(&format!("\n  and {} more", faults.len() - LISTED));
            }
            Failure::Failed(text)
        }
        other => other.into(),
    }
}
