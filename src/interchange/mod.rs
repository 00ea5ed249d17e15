//! Other people's formats ↔ our types. Readers give raw records one by one, each with its number, and go on after a bad one, so
//! that a person sees every fault of a file in one round.

pub mod boundaries;
pub mod csv;
pub mod csv_record;
mod feature;
pub mod fields;
pub mod geojson;
pub mod gpkg;
pub mod input;
pub mod json_scan;
pub mod own;
pub mod people;
pub mod points;
pub mod positions;
pub mod profile;
pub mod settings;
pub mod shape;
pub mod tags;
pub mod text;
pub mod wkb;

use crate::domain::fault::{Fault, FaultKind};
use crate::geom::Crs;
use input::{Format, Input};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// A record as its file has it: nothing checked, nothing converted.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRecord {
    /// Counted from 1; for CSV and GeoJSONSeq the line it starts in, for a GeoPackage its primary key.
    pub number: u64,
    /// Columns in the file's order.
    pub fields: Vec<(Arc<str>, serde_json::Value)>,
    /// Its geometry.
    pub shape: RawShape,
}

/// A geometry as its file has it, in whatever CRS.
#[derive(Debug, Clone, PartialEq)]
pub enum RawShape {
    /// None.
    Absent,
    /// First and second number.
    Point([f64; 2]),
    /// Parts, each an exterior ring and its holes, closed or not.
    Polygons(Vec<Vec<Vec<[f64; 2]>>>),
    /// A type that no import takes, by its name.
    Other(String),
}

impl RawShape {
    /// The word for messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Absent => "no geometry",
            Self::Point(_) => "Point",
            Self::Polygons(_) => "Polygon",
            Self::Other(name) => name,
        }
    }
}

/// Takes records and faults as they come; `Break` ends the reading.
pub type Sink<'a> = dyn FnMut(Result<RawRecord, Fault>) -> ControlFlow<()> + 'a;

/// What the person who imports says about a file.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What its positions are in.
    pub crs: Crs,
    /// The zone of times and days without offset.
    pub zone: jiff::tz::TimeZone,
    /// The system that the ids of its records belong to.
    pub system: String,
    /// What it is taken from.
    pub source: Option<String>,
    /// The day it describes.
    pub source_date: Option<jiff::civil::Date>,
    /// Most vertices of one record.
    pub max_vertices: usize,
    /// The file is a copy of our own data.
    pub own: bool,
    /// Its name, when there are several.
    pub file: Option<Arc<str>>,
}

/// A file that has been opened and recognised.
pub struct Reader {
    source: Source,
    progress: input::Progress,
}

enum Source {
    Csv(csv::CsvReader),
    GeoJson(Box<geojson::GeoJsonReader>),
    GeoPackage(gpkg::GpkgReader),
}

impl Reader {
    /// Opens a file and finds out what it is by its first bytes, never by its name. `layer`: of a GeoPackage with several.
    pub fn open(path: &Path, layer: Option<&str>) -> Result<Self, Fault> {
        let input = Input::open(path)?;
        let progress = input.progress();
        if layer.is_some() && input.format() != Format::GeoPackage {
            return Err(Fault::new(FaultKind::BadField, format!("{}: only a GeoPackage has layers", path.display())));
        }
        let source = match input.format() {
            Format::GeoPackage => Source::GeoPackage(gpkg::GpkgReader::open(input, layer)?),
            Format::FeatureCollection | Format::FeatureSequence => {
                Source::GeoJson(Box::new(geojson::GeoJsonReader::open(input)?))
            }
            Format::Csv => Source::Csv(csv::CsvReader::open(input)?),
        };
        Ok(Self { source, progress })
    }

    /// The CRS that the file states in a way that can be trusted.
    pub fn stated_crs(&self) -> Option<Crs> {
        match &self.source {
            Source::Csv(_) => None,
            Source::GeoJson(reader) => reader.stated_crs(),
            Source::GeoPackage(reader) => reader.stated_crs(),
        }
    }

    /// `csv`, `geojson`, `geojsonseq` or `gpkg`.
    pub fn format_name(&self) -> &'static str {
        match &self.source {
            Source::Csv(_) => "csv",
            Source::GeoJson(reader) => reader.format_name(),
            Source::GeoPackage(_) => "gpkg",
        }
    }

    /// Whether it is a copy of our own data.
    pub fn is_own(&self) -> bool {
        matches!(&self.source, Source::GeoPackage(reader) if reader.is_own())
    }

    /// How far reading has come, in bytes of the file.
    pub fn progress(&self) -> input::Progress {
        self.progress.clone()
    }

    /// All records in order. A fault of one record goes to `sink`, reading goes on behind it where the format allows.
    pub fn for_each(self, sink: &mut Sink<'_>) {
        match self.source {
            Source::Csv(reader) => reader.for_each(sink),
            Source::GeoJson(reader) => reader.for_each(sink),
            Source::GeoPackage(reader) => reader.for_each(sink),
        }
    }
}
