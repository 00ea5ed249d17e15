//! Our records → other people's formats. A layer is gone through twice: the first time its columns are found and everything that the
//! format cannot hold is told ([`survey`]), the second time it is written row by row. Memory is that of some rows; only formats with an
//! index (FlatGeobuf, PMTiles) keep some dozen bytes for each of theirs.

pub mod csv;
pub mod flatbuffer;
pub mod flatgeobuf;
pub mod geojson;
pub mod pmtiles;
pub mod prj;
pub mod records;
pub mod shapefile;
pub mod survey;
pub mod unfinished;
pub mod xlsx;
pub mod zip;

use super::text::TextCode;
use crate::domain::fault::Fault;
use crate::geom::outgoing::NoCoordinates;
use crate::geom::{Area, LatticePoint, Outgoing};
use serde_json::{Map, Value};
use std::fs::File;
use std::io;
use std::path::Path;
use survey::Sheet;

/// A format that rows are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 7946.
    GeoJson,
    /// One feature a line.
    GeoJsonSeq,
    /// A table with a header line.
    Csv,
    /// Shapefiles in a zip file.
    Shapefile,
    /// With a packed index.
    FlatGeobuf,
    /// A workbook.
    Xlsx,
}

impl Format {
    /// Whether a file may hold several layers.
    pub fn has_layers(self) -> bool {
        matches!(self, Self::Shapefile | Self::Xlsx)
    }

    /// Whether rows have a geometry; else positions are two columns, and areas are left out.
    pub fn has_geometry(self) -> bool {
        !matches!(self, Self::Csv | Self::Xlsx)
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Text; codes are text.
    Text,
    /// At most 64 bits.
    Integer,
    /// A real number.
    Real,
    /// True or false.
    Flag,
    /// An instant, RFC 3339.
    Time,
    /// Anything, also lists and objects.
    Json,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// What it holds.
    pub kind: ValueKind,
}

/// What a layer's rows have for a geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Geometry {
    /// None.
    None,
    /// Points, or none where the place is not known.
    Point,
    /// Areas.
    Area,
}

/// A row on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What messages call it: its code, or what else names it.
    pub name: String,
    /// Values of the layer's own columns; null: none.
    pub cells: Vec<Value>,
    /// Further values of this row, by name.
    pub more: Map<String, Value>,
    /// Where it is.
    pub shape: Shape,
}

/// A geometry on its way out.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// None.
    None,
    /// A position.
    Point(LatticePoint),
    /// Land.
    Area(Area),
}

/// What a whole file says about itself.
#[derive(Debug, Clone)]
pub struct About {
    /// Title of the city.
    pub title: String,
    /// Whose data this is.
    pub attribution: Vec<String>,
    /// Up to which number of the change log it is true.
    pub revision: u64,
    /// The boundaries in it.
    pub epoch: u64,
}

impl About {
    /// In one sentence.
    pub fn sentence(&self) -> String {
        format!("{}, revision {}, boundaries of epoch {}", self.title, self.revision, self.epoch)
    }
}

/// How a file is to be written.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Makes its coordinates.
    pub outgoing: Outgoing,
    /// Makes its text.
    pub code: TextCode,
    /// What it says about itself.
    pub about: About,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("cannot write the file: {0}")]
    Io(#[from] io::Error),
    /// A position that the CRS has no coordinates for.
    #[error("{row}: {source}")]
    Position {
        /// Which row.
        row: String,
        /// Why.
        source: NoCoordinates,
    },
    /// More than the format can hold.
    #[error("{0}")]
    TooMuch(String),
    /// Values that the format cannot hold, each with its row.
    #[error("{} values do not fit into the format, the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Unfit(Vec<Fault>),
}

/// Writes one file.
pub struct Writer {
    terms: Terms,
    inner: Inner,
}

enum Inner {
    GeoJson(geojson::GeoJsonWriter),
    Csv(Box<csv::CsvWriter>),
    Shapefile(Box<shapefile::ShapefileWriter>),
    FlatGeobuf(Box<flatgeobuf::FlatGeobufWriter>),
    Xlsx(Box<xlsx::XlsxWriter>),
}

impl Writer {
    /// Begins a file. `path` is its name while it is unfinished: what is needed besides lies beside it.
    pub fn new(format: Format, path: &Path, file: File, terms: Terms) -> Result<Self, WriteError> {
        let inner = match format {
            Format::GeoJson => Inner::GeoJson(geojson::GeoJsonWriter::new(file, true)),
            Format::GeoJsonSeq => Inner::GeoJson(geojson::GeoJsonWriter::new(file, false)),
            Format::Csv => Inner::Csv(Box::new(csv::CsvWriter::new(file))),
            Format::Shapefile => Inner::Shapefile(Box::new(shapefile::ShapefileWriter::new(path, file)?)),
            Format::FlatGeobuf => Inner::FlatGeobuf(Box::new(flatgeobuf::FlatGeobufWriter::new(path, file)?)),
            Format::Xlsx => Inner::Xlsx(Box::new(xlsx::XlsxWriter::new(file)?)),
        };
        Ok(Self { terms, inner })
    }

    /// Begins a layer.
    pub fn begin(&mut self, sheet: &Sheet) -> Result<(), WriteError> {
        match &mut self.inner {
            Inner::GeoJson(writer) => writer.begin(sheet, &self.terms),
            Inner::Csv(writer) => writer.begin(sheet, &self.terms),
            Inner::Shapefile(writer) => writer.begin(sheet, &self.terms),
            Inner::FlatGeobuf(writer) => writer.begin(sheet),
            Inner::Xlsx(writer) => writer.begin(sheet),
        }
    }

    /// A row of the layer that was begun last.
    pub fn row(&mut self, sheet: &Sheet, row: &Row) -> Result<(), WriteError> {
        let terms = &self.terms;
        match &mut self.inner {
            Inner::GeoJson(writer) => writer.row(sheet, row, terms),
            Inner::Csv(writer) => writer.row(sheet, row, terms),
            Inner::Shapefile(writer) => writer.row(sheet, row, terms),
            Inner::FlatGeobuf(writer) => writer.row(sheet, row, terms),
            Inner::Xlsx(writer) => writer.row(sheet, row),
        }
    }

    /// Ends the layer.
    pub fn end(&mut self, sheet: &Sheet) -> Result<(), WriteError> {
        match &mut self.inner {
            Inner::GeoJson(_) | Inner::Csv(_) => Ok(()),
            Inner::Shapefile(writer) => writer.end(sheet, &self.terms),
            Inner::FlatGeobuf(writer) => writer.end(sheet, &self.terms),
            Inner::Xlsx(writer) => writer.end(),
        }
    }

    /// Ends the file.
    pub fn finish(self) -> Result<(), WriteError> {
        match self.inner {
            Inner::GeoJson(writer) => writer.finish(),
            Inner::Csv(writer) => writer.finish(),
            Inner::Shapefile(writer) => writer.finish(),
            Inner::FlatGeobuf(writer) => writer.finish(),
            Inner::Xlsx(writer) => writer.finish(&self.terms),
        }
    }
}

/// A value as text; nothing for none.
pub fn plain(value: &Value) -> std::borrow::Cow<'_, str> {
    use std::borrow::Cow;
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// The coordinates of a position, with its row's name in the error.
fn point(terms: &Terms, row: &Row, at: LatticePoint) -> Result<[f64; 2], WriteError> {
    terms.outgoing.coordinates(at.lonlat()).map_err(|source| WriteError::Position { row: row.name.clone(), source })
}

/// The coordinates of an area's polygons: rings with the first position not repeated, the exterior first.
fn polygons(terms: &Terms, row: &Row, area: &Area) -> Result<Vec<Vec<Vec<[f64; 2]>>>, WriteError> {
    let ring = |ring: &Vec<LatticePoint>| {
        let mut told = Vec::with_capacity(ring.len());
        terms.outgoing.ring(ring, &mut told).map(|()| told)
    };
    let polygon = |polygon: &crate::geom::Polygon| std::iter::once(&polygon.exterior).chain(&polygon.holes).map(ring).collect();
    area.polygons()
        .iter()
        .map(polygon)
        .collect::<Result<_, _>>()
        .map_err(|source| WriteError::Position { row: row.name.clone(), source })
}
