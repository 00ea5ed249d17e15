//! Other people's formats ↔ our types. Readers give raw records one by one, each with its number, and go on after a bad one, so
//! that a person sees every fault of a file in one round.

pub mod addresses;
pub mod archive;
pub mod audit_log;
pub mod boundaries;
pub mod buildings;
pub mod csv;
pub mod csv_record;
pub mod dbf;
mod feature;
pub mod fields;
pub mod flatgeobuf;
pub mod geojson;
pub mod gpkg;
pub mod input;
pub mod json_scan;
pub mod osm;
pub mod outgoing;
pub mod own;
pub mod people;
pub mod pmtiles;
pub mod points;
pub mod positions;
pub mod profile;
pub mod refused;
pub mod rings;
pub mod settings;
pub mod shape;
pub mod shapefile;
pub mod tags;
pub mod text;
pub mod thematic;
pub mod wkb;
pub mod wkt;
pub mod xlsx;

use crate::domain::fault::{Fault, FaultKind};
use crate::geom::file_crs::Positions;
use crate::geom::{Crs, NamedCrs};
use input::{Format, Input};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A record as its file has it: nothing checked, nothing converted.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRecord {
    /// Counted from 1; for CSV and GeoJSONSeq the line it starts in, for a workbook the row, for a GeoPackage its primary key, for
    /// OpenStreetMap its id.
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
    /// Turns its coordinates into positions.
    pub positions: Positions,
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

/// What a file says about the CRS of its coordinates.
#[derive(Debug, Clone, PartialEq)]
pub enum StatedCrs {
    /// Nothing that can be trusted.
    Nothing,
    /// One that files may have.
    Known(NamedCrs),
    /// One that is not taken, and why.
    Other(String),
}

impl StatedCrs {
    /// Of a well-known text; blank says nothing.
    pub fn of_wkt(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Nothing;
        }
        wkt::crs_of(text).map_or_else(Self::Other, Self::Known)
    }

    /// Of a number of EPSG.
    pub fn of_epsg(number: u32) -> Self {
        NamedCrs::epsg(number).map_or_else(|| Self::Other(format!("EPSG:{number}")), Self::Known)
    }
}

/// What a reader needs to know besides the file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading<'a> {
    /// Layer or sheet of a file that has several.
    pub layer: Option<&'a str>,
    /// The columns that are looked for: by them the header of a sheet is found.
    pub columns: Option<&'a fields::Columns>,
    /// Rules for foreign tags: which things of OpenStreetMap are wanted.
    pub tags: Option<&'a tags::TagRules>,
    /// Of OpenStreetMap: only what has this tag is wanted, areas with their outline.
    pub outlines: Option<&'static str>,
}

/// Sentences about a file that are no faults: what it was taken for, what was left out. Shared, since some are known only at its end.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// One more.
    pub fn add(&self, note: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    /// All so far, which are then told.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A file that has been opened and recognised.
pub struct Reader {
    source: Source,
    progress: input::Progress,
}

enum Source {
    Csv(csv::CsvReader),
    Shapefile(Box<shapefile::ShapefileReader>),
    Xlsx(Box<xlsx::XlsxReader>),
    OsmPbf(Box<osm::OsmReader>),
    FlatGeobuf(flatgeobuf::FlatGeobufReader),
    GeoJson(Box<geojson::GeoJsonReader>),
    GeoPackage(gpkg::GpkgReader),
}

impl Reader {
    /// Opens a file and finds out what it is by its first bytes, never by its name.
    pub fn open(path: &Path, reading: &Reading<'_>) -> Result<Self, Fault> {
        let layer = reading.layer;
        if path.is_dir() {
            return Self::in_folder(path, layer);
        }
        let input = Input::open(path)?;
        let format = input.format();
        let progress = input.progress();
        let packed = |what: &str| {
            let detail = format!("{} is {what} packed by gzip: unpack it first (gunzip)", path.display());
            Err(Fault::new(FaultKind::BadSyntax, detail))
        };
        if layer.is_some() && !matches!(format, Format::GeoPackage | Format::Zip) {
            let detail = format!("{}: only a GeoPackage, a workbook and a zip file of Shapefiles have layers", path.display());
            return Err(Fault { field: Some("--layer".to_owned()), ..Fault::new(FaultKind::BadField, detail) });
        }
        let source = match format {
            Format::GeoPackage => Source::GeoPackage(gpkg::GpkgReader::open(input, reading)?),
            Format::FeatureCollection | Format::FeatureSequence => {
                Source::GeoJson(Box::new(geojson::GeoJsonReader::open(input)?))
            }
            Format::Csv => Source::Csv(csv::CsvReader::open(input)?),
            Format::FlatGeobuf => Source::FlatGeobuf(flatgeobuf::FlatGeobufReader::open(input)?),
            Format::OsmPbf => Source::OsmPbf(Box::new(osm::OsmReader::open(input, reading)?)),
            Format::Zip if input.is_gzipped() => return packed("a zip file"),
            Format::Shapefile if input.is_gzipped() => return packed("a Shapefile"),
            Format::Zip => in_zip(path, reading, progress.clone())?,
            Format::Shapefile => {
                Source::Shapefile(Box::new(shapefile::ShapefileReader::in_folder(path, layer, progress.clone())?))
            }
        };
        Ok(Self { source, progress })
    }

    fn in_folder(path: &Path, layer: Option<&str>) -> Result<Self, Fault> {
        if let Some(fault) = refused::folder(path) {
            return Err(fault);
        }
        let progress = input::Progress::of(0);
        let reader = shapefile::ShapefileReader::in_folder(path, layer, progress.clone())?;
        Ok(Self { source: Source::Shapefile(Box::new(reader)), progress })
    }

    /// What was found out about the file; complete when it has been read.
    pub fn notes(&self) -> Notes {
        match &self.source {
            Source::Csv(reader) => reader.notes(),
            Source::Shapefile(reader) => reader.notes(),
            Source::Xlsx(reader) => reader.notes(),
            Source::OsmPbf(reader) => reader.notes(),
            Source::FlatGeobuf(_) | Source::GeoJson(_) | Source::GeoPackage(_) => Notes::default(),
        }
    }

    /// The CRS that the file states.
    pub fn stated_crs(&self) -> StatedCrs {
        match &self.source {
            Source::Csv(_) | Source::Xlsx(_) => StatedCrs::Nothing,
            Source::Shapefile(reader) => reader.stated_crs(),
            Source::FlatGeobuf(reader) => reader.stated_crs(),
            // By the format's definition.
            Source::OsmPbf(_) => StatedCrs::Known(Crs::Wgs84.into()),
            Source::GeoJson(reader) => reader.stated_crs(),
            Source::GeoPackage(reader) => reader.stated_crs(),
        }
    }

    /// `csv`, `flatgeobuf`, `geojson`, `geojsonseq`, `gpkg`, `osm.pbf`, `shapefile` or `xlsx`.
    pub fn format_name(&self) -> &'static str {
        match &self.source {
            Source::Csv(_) => "csv",
            Source::Shapefile(_) => "shapefile",
            Source::Xlsx(_) => "xlsx",
            Source::OsmPbf(_) => "osm.pbf",
            Source::FlatGeobuf(_) => "flatgeobuf",
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
            Source::Shapefile(reader) => reader.for_each(sink),
            Source::Xlsx(reader) => reader.for_each(sink),
            Source::OsmPbf(reader) => reader.for_each(sink),
            Source::FlatGeobuf(reader) => reader.for_each(sink),
            Source::GeoJson(reader) => reader.for_each(sink),
            Source::GeoPackage(reader) => reader.for_each(sink),
        }
    }
}

/// What is in a zip file: a workbook, or Shapefiles.
fn in_zip(path: &Path, reading: &Reading<'_>, progress: input::Progress) -> Result<Source, Fault> {
    let archive = archive::Archive::open(path)?;
    if archive.find("xl/workbook.xml").is_some() {
        return Ok(Source::Xlsx(Box::new(xlsx::XlsxReader::open(path, &archive, reading, progress)?)));
    }
    if !shapefile::layers(&archive).is_empty() {
        return Ok(Source::Shapefile(Box::new(shapefile::ShapefileReader::in_zip(archive, reading.layer, progress)?)));
    }
    let names = || archive.entries().iter().map(|entry| entry.name.as_str());
    Err(refused::archive(path, names()).unwrap_or_else(|| {
        let list: Vec<&str> = names().take(10).collect();
        let detail =
            format!("{} holds neither Shapefiles nor a workbook, but {}: unpack it first", path.display(), list.join(", "));
        Fault::new(FaultKind::BadSyntax, detail)
    }))
}
