//! Export: the city of one revision → a file for other programs. What others change meanwhile is not in it; the file is there under its
//! name only when it is complete.

mod ground;
mod packaged;
mod rows;
mod tiles;

pub use crate::interchange::fields::Kind;
pub use crate::interchange::outgoing::Format as RowFormat;
pub use crate::interchange::text::TextCode;

use super::history::AsOf;
use super::{Actor, AppError};
use crate::domain::code::Code;
use crate::geom::crs::Crs;
use crate::geom::file_crs::Frame;
use crate::geom::{NamedCrs, Outgoing};
use crate::interchange::outgoing::WriteError;
use crate::interchange::outgoing::unfinished::{Unfinished, beside};
use crate::store::{Store, StoreError};
use crate::tiles::Layers;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A format of a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Records in rows.
    Rows(RowFormat),
    /// Layers as in the data file, to be edited and brought back.
    GeoPackage,
    /// Tiles.
    PmTiles,
}

impl Format {
    /// Every format with its word on the command line.
    pub const TABLE: [(Self, &'static str); 8] = [
        (Self::Rows(RowFormat::GeoJson), "geojson"),
        (Self::Rows(RowFormat::GeoJsonSeq), "geojsonseq"),
        (Self::Rows(RowFormat::Csv), "csv"),
        (Self::GeoPackage, "gpkg"),
        (Self::PmTiles, "pmtiles"),
        (Self::Rows(RowFormat::FlatGeobuf), "flatgeobuf"),
        (Self::Rows(RowFormat::Shapefile), "shapefile"),
        (Self::Rows(RowFormat::Xlsx), "xlsx"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::TABLE.iter().find(|(format, _)| *format == self).map_or("", |(_, word)| word)
    }

    /// What can be in such a file.
    fn kinds(self) -> &'static [Kind] {
        use Kind::{Buildings, Cases, Facilities, Grids, Households, Organizations, Regions, Staff};
        match self {
            // Counts are columns of the grids.
            Self::GeoPackage => &[Regions, Grids, Facilities, Staff, Cases, Organizations, Buildings],
            // Their layers hold geometries of one type, and buildings have two.
            Self::Rows(RowFormat::FlatGeobuf | RowFormat::Shapefile) => &[Regions, Grids, Facilities, Cases, Organizations],
            Self::Rows(_) => &[Regions, Grids, Facilities, Staff, Households, Cases, Organizations, Buildings],
            Self::PmTiles => &[],
        }
    }

    fn has_layers(self) -> bool {
        match self {
            Self::Rows(format) => format.has_layers(),
            Self::GeoPackage | Self::PmTiles => true,
        }
    }
}

/// What is to be exported, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// In which format.
    pub format: Format,
    /// Names of layers; none: all that the format can hold, where it can hold several.
    pub layers: Vec<String>,
    /// Who asks for it: no more is in it than they may see.
    pub actor: Actor,
    /// Only what is at or below a region or grid.
    pub within: Option<Code>,
    /// In which boundaries. Facilities, staff and cases are today's.
    pub as_of: AsOf,
    /// Regions of one level only.
    pub level: Option<String>,
    /// CRS of the coordinates.
    pub crs: Option<NamedCrs>,
    /// Whose names of records are the column `id`; absent: of the system that names most.
    pub system: Option<String>,
    /// With columns that are derived here and that an import would not take back as they are.
    pub derived: bool,
    /// Encoding of the text.
    pub code: Option<TextCode>,
    /// Texts that are too long for the format are cut instead of refused.
    pub shorten: bool,
    /// Zooms of tiles.
    pub zooms: (Option<u8>, Option<u8>),
}

impl Order {
    /// The plainest export.
    pub fn new(format: Format, layers: &[&str]) -> Self {
        Self {
            format,
            layers: layers.iter().map(|name| (*name).to_owned()).collect(),
            actor: Actor::local(),
            within: None,
            as_of: AsOf::Now,
            level: None,
            crs: None,
            system: None,
            derived: false,
            code: None,
            shorten: false,
            zooms: (None, None),
        }
    }

    fn kinds(&self) -> Result<Vec<Kind>, ExportError> {
        let can = self.format.kinds();
        let words = || can.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        let word = self.format.as_str();
        let one_needed = || usage(format!("a {word} file holds one layer: say --layers with one of {}", words()));
        if self.layers.is_empty() {
            return if self.format.has_layers() { Ok(can.to_vec()) } else { Err(one_needed()) };
        }
        let mut kinds = Vec::new();
        for name in &self.layers {
            let kind = can.iter().copied().find(|kind| kind.as_str() == name).ok_or_else(|| match name.as_str() {
                "households" if self.format == Format::GeoPackage => {
                    usage("households are columns of the layer grids in a GeoPackage".to_owned())
                }
                _ => usage(format!("a {word} file has no layer {name:?}: one of {}", words())),
            })?;
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if kinds.len() > 1 && !self.format.has_layers() {
            return Err(one_needed());
        }
        Ok(kinds)
    }

    /// The CRS, when the format can say it.
    fn outgoing(&self) -> Result<Outgoing, ExportError> {
        let crs = self.crs.unwrap_or_else(|| Crs::Cgcs2000.into());
        let outgoing = Outgoing::new(crs).map_err(|error| usage(error.to_string()))?;
        let shifted = matches!(crs.frame, Frame::Position(Crs::Gcj02 | Crs::Bd09));
        let refused = match self.format {
            Format::GeoPackage if crs != Crs::Cgcs2000.into() => {
                Some("a GeoPackage is exported in CGCS2000 (epsg:4490), as it is stored")
            }
            Format::PmTiles if self.crs.is_some() => Some("tiles are in Web Mercator: leave --crs out"),
            Format::Rows(RowFormat::GeoJson | RowFormat::GeoJsonSeq) if outgoing.is_plane() => {
                Some("GeoJSON has degrees (RFC 7946): take shapefile or flatgeobuf for a plane")
            }
            Format::Rows(RowFormat::FlatGeobuf | RowFormat::Shapefile) if shifted => {
                Some("the file would have to say gcj02 or bd09, and has no name for them: take geojson or csv")
            }
            _ => None,
        };
        refused.map_or(Ok(outgoing), |why| Err(usage(why.to_owned())))
    }

    /// Settings that the format has no use for.
    fn fits(&self) -> Result<(), ExportError> {
        let format = self.format;
        let tiles = format == Format::PmTiles;
        let encoded = matches!(format, Format::Rows(RowFormat::Csv | RowFormat::Shapefile));
        for (given, takes, name) in [
            (self.zooms != (None, None), tiles, "--minzoom and --maxzoom"),
            (self.level.is_some(), !tiles, "--level"),
            (self.system.is_some(), matches!(format, Format::Rows(_)), "--system"),
            (self.derived, matches!(format, Format::Rows(_)), "--derived"),
            (self.code.is_some(), encoded, "--encoding"),
            (self.shorten, matches!(format, Format::Rows(RowFormat::Shapefile | RowFormat::Xlsx)), "--shorten"),
        ] {
            if given && !takes {
                return Err(usage(format!("{name} says nothing about a {} file", format.as_str())));
            }
        }
        Ok(())
    }
}

fn usage(text: String) -> ExportError {
    ExportError::Usage(text)
}

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The boundaries are put together.
    Opening,
    /// Rows of a layer are looked at.
    Looking {
        /// Which layer.
        layer: &'static str,
        /// So far.
        rows: u64,
    },
    /// Rows of a layer, or tiles, are written.
    Writing {
        /// Which layer.
        layer: &'static str,
        /// So far.
        rows: u64,
        /// Of so many, when that is known.
        total: Option<u64>,
    },
}

/// Is told how far an export has come.
pub type Watch = Arc<dyn Fn(Step) + Send + Sync>;

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Up to which number of the change log it is true.
    pub revision: u64,
    /// The boundaries in it.
    pub epoch: u64,
    /// Layers and their rows; for tiles: all, and those that differ.
    pub layers: Vec<(String, u64)>,
    /// What is to be known about the file.
    pub notes: Vec<String>,
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Ask for something else.
    #[error("{0}")]
    Usage(String),
    /// Take another name, or say that it may be replaced.
    #[error("{} exists already; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// What was asked for does not exist.
    #[error(transparent)]
    City(#[from] AppError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A bug: the thread that wrote panicked.
    #[error("the export broke off")]
    BrokeOff(#[from] tokio::task::JoinError),
}

impl From<std::io::Error> for ExportError {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error.into())
    }
}

/// Whether a file may be written under this name.
fn free(data: Option<&Path>, to: &Path, force: bool) -> Result<(), ExportError> {
    if !to.exists() {
        return Ok(());
    }
    if !force {
        return Err(ExportError::Exists(to.to_owned()));
    }
    let is_data = data.is_some_and(|data| match (data.canonicalize(), to.canonicalize()) {
        (Ok(data), Ok(to)) => data == to,
        _ => false,
    });
    if is_data {
        return Err(usage(format!("{} is the data file itself", to.display())));
    }
    if !to.is_file() {
        return Err(usage(format!("{} is no file", to.display())));
    }
    for ending in ["-wal", "-journal", ".lock"] {
        let used = beside(to, ending);
        if used.exists() {
            return Err(usage(format!("{} lies there: {} is a database in use", used.display(), to.display())));
        }
    }
    Ok(())
}

/// Exports to the file `to`. `data`: the file of the store, which is never written over; `now`: which boundaries are in force.
pub async fn run(
    store: &Store,
    order: &Order,
    (data, to, force): (Option<&Path>, &Path, bool),
    now: Timestamp,
    watch: &Watch,
) -> Result<Report, ExportError> {
    order.fits()?;
    let outgoing = order.outgoing()?;
    free(data, to, force)?;
    let unfinished = Unfinished::new(to)?;
    let report = match order.format {
        Format::Rows(format) => rows::write(store, order, (format, outgoing), unfinished.path(), now, watch).await?,
        Format::GeoPackage => packaged::write(store, order, unfinished.path(), now, watch).await?,
        Format::PmTiles => {
            let layers =
                if order.layers.is_empty() { "regions,grids,labels,facilities".to_owned() } else { order.layers.join(",") };
            let layers = Layers::parse(&layers).map_err(|error| usage(error.to_string()))?;
            tiles::write(store, order, layers, unfinished.path(), now, watch).await?
        }
    };
    tokio::task::spawn_blocking(move || unfinished.finish()).await??;
    Ok(report)
}
