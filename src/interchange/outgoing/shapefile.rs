//! Shapefiles in a zip file: `.shp`, `.shx`, `.dbf`, `.prj` and `.cpg` of each layer. ESRI Shapefile Technical Description, July 1998;
//! dBase III for the table. What a `.dbf` cannot hold was told by the survey.

use super::survey::{MOST_DBF_TEXT, Sheet, dbf_number};
use super::unfinished::Scratch;
use super::zip::ZipWriter;
use super::{Geometry, Row, Shape, Terms, ValueKind, WriteError, plain, point, polygons, prj};
use crate::interchange::text::TextCode;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Lengths are counted in 16-bit words by a signed 32-bit number; most readers stop at 2 GB of bytes.
const MOST_BYTES: u64 = i32::MAX as u64;

const NULL: i32 = 0;
const POINT: i32 = 1;
const POLYGON: i32 = 5;

/// Bytes of the header of `.shp` and `.shx`.
const HEADER: u64 = 100;

/// Writes layers into one archive.
pub struct ShapefileWriter {
    path: PathBuf,
    zip: ZipWriter,
    layer: Option<Layer>,
}

/// The layer that is being written: its parts lie beside the archive until it ends.
struct Layer {
    shp: Part,
    shx: Part,
    dbf: Part,
    fields: Vec<Field>,
    rows: u32,
    bounds: Option<[f64; 4]>,
}

struct Part {
    out: BufWriter<File>,
    length: u64,
    scratch: Scratch,
}

impl Part {
    fn new(path: &Path, ending: &str) -> Result<Self, WriteError> {
        let scratch = Scratch::new(path, ending)?;
        Ok(Self { out: BufWriter::with_capacity(1 << 17, scratch.file.try_clone()?), length: 0, scratch })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.length += bytes.len() as u64;
        if self.length > MOST_BYTES {
            return Err(WriteError::TooMuch(
                "a Shapefile holds 2 GB in each of its files: take FlatGeobuf or GeoPackage, or a part with --within".to_owned(),
            ));
        }
        Ok(self.out.write_all(bytes)?)
    }

    /// Writes over what stands at the beginning.
    fn head(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(bytes)?;
        Ok(self.out.flush()?)
    }
}

/// A column of the `.dbf`.
struct Field {
    kind: u8,
    width: usize,
    decimals: u8,
}

impl Field {
    fn of(kind: ValueKind, width: usize) -> Self {
        let (letter, width, decimals) = match kind {
            ValueKind::Flag => (b'L', 1, 0),
            ValueKind::Integer => (b'N', width.max(1), 0),
            // Digits are written as they are; the count of decimals tells readers that it is no whole number.
            ValueKind::Real => (b'N', width.max(3), 15.min(width.max(3) - 2)),
            ValueKind::Text | ValueKind::Time | ValueKind::Json => (b'C', width.clamp(1, MOST_DBF_TEXT), 0),
        };
        Self { kind: letter, width, decimals: decimals as u8 }
    }
}

fn extend(bounds: &mut Option<[f64; 4]>, [x, y]: [f64; 2]) {
    let [min_x, min_y, max_x, max_y] = bounds.unwrap_or([x, y, x, y]);
    *bounds = Some([min_x.min(x), min_y.min(y), max_x.max(x), max_y.max(y)]);
}

fn words(bytes: u64) -> [u8; 4] {
    ((bytes / 2) as i32).to_be_bytes()
}

fn doubles(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = f64>) {
    numbers.into_iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

/// The header of `.shp` and `.shx`.
fn header(kind: i32, length: u64, bounds: Option<[f64; 4]>) -> Vec<u8> {
    let mut bytes = 9994_i32.to_be_bytes().to_vec();
    bytes.resize(24, 0);
    bytes.extend_from_slice(&words(length));
    bytes.extend([1000, kind].iter().flat_map(|number: &i32| number.to_le_bytes()));
    doubles(&mut bytes, bounds.unwrap_or_default());
    bytes.resize(HEADER as usize, 0);
    bytes
}

/// Rings as Shapefiles have them: exteriors turn right, holes left, the first position repeated at the end.
fn polygon(parts: Vec<Vec<Vec<[f64; 2]>>>, all: &mut Option<[f64; 4]>) -> Vec<u8> {
    let mut rings: Vec<Vec<[f64; 2]>> = parts.into_iter().flatten().collect();
    let mut bounds = None;
    for ring in &mut rings {
        ring.reverse();
        ring.extend(ring.first().copied());
        ring.iter().for_each(|position| extend(&mut bounds, *position));
    }
    if let Some([min_x, min_y, max_x, max_y]) = bounds {
        extend(all, [min_x, min_y]);
        extend(all, [max_x, max_y]);
    }
    let mut bytes = POLYGON.to_le_bytes().to_vec();
    doubles(&mut bytes, bounds.unwrap_or_default());
    let positions: usize = rings.iter().map(Vec::len).sum();
    bytes.extend([rings.len(), positions].iter().flat_map(|count| (*count as i32).to_le_bytes()));
    let mut start = 0_i32;
    for ring in &rings {
        bytes.extend_from_slice(&start.to_le_bytes());
        start += ring.len() as i32;
    }
    doubles(&mut bytes, rings.into_iter().flatten().flatten());
    bytes
}

impl Layer {
    fn new(path: &Path, sheet: &Sheet, code: TextCode) -> Result<Self, WriteError> {
        let fields: Vec<Field> =
            sheet.columns.iter().zip(&sheet.widths).map(|(column, width)| Field::of(column.kind, *width)).collect();
        let mut layer = Self {
            shp: Part::new(path, ".shp")?,
            shx: Part::new(path, ".shx")?,
            dbf: Part::new(path, ".dbf")?,
            fields,
            rows: 0,
            bounds: None,
        };
        layer.shp.put(&[0; HEADER as usize])?;
        layer.shx.put(&[0; HEADER as usize])?;
        let head = layer.dbf_header(sheet, code)?;
        layer.dbf.put(&head)?;
        Ok(layer)
    }

    fn dbf_header(&self, sheet: &Sheet, code: TextCode) -> Result<Vec<u8>, WriteError> {
        let length = 32 + 32 * self.fields.len() + 1;
        let row = 1 + self.fields.iter().map(|field| field.width).sum::<usize>();
        if row > usize::from(u16::MAX) {
            return Err(WriteError::TooMuch(format!(
                "a row of the .dbf would have {row} bytes, it holds 65,535: take another format"
            )));
        }
        // dBase III of 1980-01-01: what is written does not depend on the day.
        let mut bytes = vec![3, 80, 1, 1];
        bytes.extend_from_slice(&self.rows.to_le_bytes());
        bytes.extend([length, row].iter().flat_map(|number| (*number as u16).to_le_bytes()));
        bytes.resize(29, 0);
        bytes.push(if code == TextCode::GBK { 0x4D } else { 0 });
        bytes.resize(32, 0);
        for (field, column) in self.fields.iter().zip(&sheet.columns) {
            let name = code.write(&column.name).map_err(|c| WriteError::TooMuch(format!("{c:?} in a column's name")))?;
            let from = bytes.len();
            bytes.extend_from_slice(&name);
            bytes.resize(from + 11, 0);
            bytes.push(field.kind);
            bytes.resize(from + 16, 0);
            bytes.extend_from_slice(&[field.width as u8, field.decimals]);
            bytes.resize(from + 32, 0);
        }
        bytes.push(0x0D);
        Ok(bytes)
    }

    fn shape(&mut self, row: &Row, terms: &Terms) -> Result<(), WriteError> {
        let content = match &row.shape {
            Shape::None => NULL.to_le_bytes().to_vec(),
            Shape::Point(at) => {
                let at = point(terms, row, *at)?;
                extend(&mut self.bounds, at);
                let mut bytes = POINT.to_le_bytes().to_vec();
                doubles(&mut bytes, at);
                bytes
            }
            Shape::Area(area) => polygon(polygons(terms, row, area)?, &mut self.bounds),
        };
        let at = self.shp.length;
        self.rows += 1;
        self.shp.put(&(self.rows as i32).to_be_bytes())?;
        self.shp.put(&words(content.len() as u64))?;
        self.shp.put(&content)?;
        self.shx.put(&words(at))?;
        self.shx.put(&words(content.len() as u64))
    }

    fn table(&mut self, sheet: &Sheet, row: &Row, code: TextCode) -> Result<(), WriteError> {
        let mut bytes = vec![b' '];
        for (field, value) in self.fields.iter().zip(sheet.values(row)) {
            let from = bytes.len();
            match field.kind {
                b'L' => bytes.push(value.as_bool().map_or(b'?', |flag| if flag { b'T' } else { b'F' })),
                b'N' => {
                    let text = dbf_number(value);
                    bytes.resize(from + field.width.saturating_sub(text.len()), b' ');
                    bytes.extend_from_slice(text.as_bytes());
                }
                _ => {
                    let text = plain(value);
                    let fitted = code.write(sheet.fitted(&text));
                    bytes.extend_from_slice(&fitted.map_err(|c| WriteError::TooMuch(format!("{c:?} of {}", row.name)))?);
                }
            }
            bytes.resize(from + field.width, b' ');
        }
        self.dbf.put(&bytes)
    }
}

impl ShapefileWriter {
    /// An empty archive at `path`.
    pub fn new(path: &Path, file: File) -> Result<Self, WriteError> {
        Ok(Self { path: path.to_owned(), zip: ZipWriter::new(file), layer: None })
    }

    /// Begins a layer.
    pub fn begin(&mut self, sheet: &Sheet, terms: &Terms) -> Result<(), WriteError> {
        self.layer = Some(Layer::new(&self.path, sheet, terms.code)?);
        Ok(())
    }

    /// A record.
    pub fn row(&mut self, sheet: &Sheet, row: &Row, terms: &Terms) -> Result<(), WriteError> {
        let layer = self.layer.as_mut().expect("a layer was begun");
        layer.shape(row, terms)?;
        layer.table(sheet, row, terms.code)
    }

    /// Ends the layer and packs it.
    pub fn end(&mut self, sheet: &Sheet, terms: &Terms) -> Result<(), WriteError> {
        let mut layer = self.layer.take().expect("a layer was begun");
        let kind = match sheet.geometry {
            Geometry::Area => POLYGON,
            Geometry::Point | Geometry::None => POINT,
        };
        // The end of file that dBase wrote.
        layer.dbf.put(&[0x1A])?;
        let head = layer.dbf_header(sheet, terms.code)?;
        layer.dbf.head(&head)?;
        let (shp, shx) = (header(kind, layer.shp.length, layer.bounds), header(kind, layer.shx.length, layer.bounds));
        layer.shp.head(&shp)?;
        layer.shx.head(&shx)?;
        let name = sheet.name;
        for (ending, part) in [("shp", &mut layer.shp), ("shx", &mut layer.shx), ("dbf", &mut layer.dbf)] {
            self.zip.copy(&format!("{name}.{ending}"), &mut part.scratch.file)?;
        }
        let crs = prj::esri(&terms.outgoing.named()).unwrap_or_default();
        let code = if terms.code == TextCode::GBK { "GBK" } else { "UTF-8" };
        for (ending, text) in [("prj", crs.as_str()), ("cpg", code)] {
            self.zip.begin(&format!("{name}.{ending}"))?;
            self.zip.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(self) -> Result<(), WriteError> {
        self.zip.finish()
    }
}
