//! GeoJSON (RFC 7946), and one feature a line, as GDAL and tippecanoe read it.

use super::survey::Sheet;
use super::{Geometry, Row, Shape, Terms, WriteError, point, polygons};
use crate::geom::Crs;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};

/// Writes one layer.
pub struct GeoJsonWriter {
    out: BufWriter<File>,
    collection: bool,
    rows: u64,
}

fn json(out: &mut impl Write, value: &(impl Serialize + ?Sized)) -> Result<(), WriteError> {
    serde_json::to_writer(out, value).map_err(|error| WriteError::Io(error.into()))
}

impl GeoJsonWriter {
    /// `collection`: a FeatureCollection, else one feature a line.
    pub fn new(file: File, collection: bool) -> Self {
        Self { out: BufWriter::with_capacity(1 << 18, file), collection, rows: 0 }
    }

    /// What stands before the features. A collection says which revision it is of, and names shifted positions, since RFC 7946 knows only
    /// WGS 84 (CGCS2000 is the same to some centimetres).
    pub fn begin(&mut self, sheet: &Sheet, terms: &Terms) -> Result<(), WriteError> {
        if !self.collection {
            return Ok(());
        }
        let out = &mut self.out;
        write!(out, "{{\"type\":\"FeatureCollection\",\"name\":")?;
        json(out, sheet.name)?;
        write!(out, ",\"title\":")?;
        json(out, &terms.about.title)?;
        write!(out, ",\"attribution\":")?;
        json(out, &terms.about.attribution)?;
        write!(out, ",\"revision\":{},\"epoch\":{}", terms.about.revision, terms.about.epoch)?;
        if let crs @ (Crs::Gcj02 | Crs::Bd09) = terms.outgoing.frame() {
            write!(out, ",\"positions_in\":\"{}\"", crs.name())?;
        }
        write!(out, ",\"features\":[")?;
        Ok(())
    }

    /// A feature.
    pub fn row(&mut self, sheet: &Sheet, row: &Row, terms: &Terms) -> Result<(), WriteError> {
        let out = &mut self.out;
        if self.collection {
            out.write_all(if self.rows > 0 { b",\n" } else { b"\n" })?;
        }
        self.rows += 1;
        out.write_all(b"{\"type\":\"Feature\",\"properties\":{")?;
        let mut first = true;
        for (at, (column, value)) in sheet.columns.iter().zip(sheet.values(row)).enumerate() {
            if !sheet.says(row, at) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.write_all(b",")?;
            }
            json(out, &column.name)?;
            out.write_all(b":")?;
            json(out, value)?;
        }
        out.write_all(b"},\"geometry\":")?;
        match &row.shape {
            Shape::Point(at) if sheet.geometry != Geometry::None => {
                out.write_all(b"{\"type\":\"Point\",\"coordinates\":")?;
                json(out, &point(terms, row, *at)?)?;
                out.write_all(b"}")?;
            }
            Shape::Area(area) if sheet.geometry != Geometry::None => {
                let mut parts = polygons(terms, row, area)?;
                for ring in parts.iter_mut().flatten() {
                    ring.extend(ring.first().copied());
                }
                if let [part] = parts.as_slice() {
                    out.write_all(b"{\"type\":\"Polygon\",\"coordinates\":")?;
                    json(out, part)?;
                } else {
                    out.write_all(b"{\"type\":\"MultiPolygon\",\"coordinates\":")?;
                    json(out, &parts)?;
                }
                out.write_all(b"}")?;
            }
            _ => out.write_all(b"null")?,
        }
        out.write_all(if self.collection { b"}" } else { b"}\n" })?;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<(), WriteError> {
        if self.collection {
            self.out.write_all(b"\n]}\n")?;
        }
        self.out.flush()?;
        Ok(())
    }
}
