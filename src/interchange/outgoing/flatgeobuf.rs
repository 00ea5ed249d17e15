//! FlatGeobuf 3 (flatgeobuf.org) with a packed Hilbert R-tree. Features are written beside the file as they come and copied into it in the
//! order of the curve; 56 bytes are kept for each.

use super::flatbuffer::{Field, Flat, Place};
use super::survey::Sheet;
use super::unfinished::Scratch;
use super::{Geometry, Row, Shape, Terms, ValueKind, WriteError, plain, point, polygons, prj};
use crate::geom::hilbert;
use crate::interchange::flatgeobuf::MAGIC;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Boxes of one node.
const NODE_SIZE: u16 = 16;
/// Squares of the curve along a side: 2^16.
const ORDER: u8 = 16;

const POINT: u8 = 1;
const POLYGON: u8 = 3;
const MULTIPOLYGON: u8 = 6;

/// Minimum x and y, maximum x and y.
type Box4 = [f64; 4];

/// A feature beside the file.
struct Kept {
    bounds: Option<Box4>,
    at: u64,
    length: u32,
}

/// Writes one layer.
pub struct FlatGeobufWriter {
    path: PathBuf,
    out: BufWriter<File>,
    features: Option<BufWriter<File>>,
    scratch: Option<Scratch>,
    kept: Vec<Kept>,
    length: u64,
}

fn union(a: Option<Box4>, b: Option<Box4>) -> Option<Box4> {
    match (a, b) {
        (Some(a), Some(b)) => Some([a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]),
        (a, b) => a.or(b),
    }
}

fn around<'a>(positions: impl IntoIterator<Item = &'a [f64; 2]>) -> Option<Box4> {
    positions.into_iter().fold(None, |bounds, [x, y]| union(bounds, Some([*x, *y, *x, *y])))
}

/// Number of a column's type in the schema.
fn column_type(kind: ValueKind) -> u8 {
    match kind {
        ValueKind::Flag => 2,
        ValueKind::Integer => 7,
        ValueKind::Real => 10,
        ValueKind::Text => 11,
        ValueKind::Json => 12,
        ValueKind::Time => 13,
    }
}

/// A row's values behind the numbers of their columns.
fn properties(sheet: &Sheet, row: &Row) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, (column, value)) in sheet.columns.iter().zip(sheet.values(row)).enumerate() {
        if value.is_null() {
            continue;
        }
        bytes.extend_from_slice(&(at as u16).to_le_bytes());
        match (column.kind, value) {
            (ValueKind::Flag, value) => bytes.push(u8::from(value == &Value::Bool(true))),
            (ValueKind::Integer, value) => bytes.extend_from_slice(&value.as_i64().unwrap_or_default().to_le_bytes()),
            (ValueKind::Real, value) => bytes.extend_from_slice(&value.as_f64().unwrap_or(f64::NAN).to_le_bytes()),
            (kind, value) => {
                let text = if kind == ValueKind::Json { value.to_string() } else { plain(value).into_owned() };
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    bytes
}

/// Slots of the tables in the schema.
const FEATURE_SLOTS: usize = 3;
const GEOMETRY_SLOTS: usize = 8;
const COLUMN_SLOTS: usize = 11;
const HEADER_SLOTS: usize = 14;
const CRS_SLOTS: usize = 6;

/// One polygon: the ends of its rings, when there are several, and its positions.
fn write_polygon(flat: &mut Flat, place: Place, rings: &[Vec<[f64; 2]>]) {
    let closed: Vec<f64> = rings.iter().flat_map(|ring| ring.iter().chain(ring.first())).flatten().copied().collect();
    if rings.len() == 1 {
        let places = flat.table_at(place, GEOMETRY_SLOTS, &[(1, Field::Offset), (6, Field::U8(POLYGON))]);
        flat.reals(places[0], &closed);
        return;
    }
    let places = flat.table_at(place, GEOMETRY_SLOTS, &[(0, Field::Offset), (1, Field::Offset), (6, Field::U8(POLYGON))]);
    let mut end = 0;
    let ends: Vec<u32> = rings
        .iter()
        .map(|ring| {
            end += ring.len() as u32 + 1;
            end
        })
        .collect();
    flat.counts(places[0], &ends);
    flat.reals(places[1], &closed);
}

impl FlatGeobufWriter {
    /// An empty file at `path`.
    pub fn new(path: &Path, file: File) -> Result<Self, WriteError> {
        let out = BufWriter::with_capacity(1 << 18, file);
        Ok(Self { path: path.to_owned(), out, features: None, scratch: None, kept: Vec::new(), length: 0 })
    }

    /// Begins the layer.
    pub fn begin(&mut self, _sheet: &Sheet) -> Result<(), WriteError> {
        let scratch = Scratch::new(&self.path, ".features")?;
        self.features = Some(BufWriter::with_capacity(1 << 18, scratch.file.try_clone()?));
        self.scratch = Some(scratch);
        Ok(())
    }

    /// A feature.
    pub fn row(&mut self, sheet: &Sheet, row: &Row, terms: &Terms) -> Result<(), WriteError> {
        let mut flat = Flat::new();
        let properties = properties(sheet, row);
        let bounds = match &row.shape {
            Shape::None => {
                let places = flat.root(FEATURE_SLOTS, &[(1, Field::Offset)]);
                flat.bytes_at(places[0], &properties);
                None
            }
            shape => {
                let places = flat.root(FEATURE_SLOTS, &[(0, Field::Offset), (1, Field::Offset)]);
                let bounds = match shape {
                    Shape::Area(area) => {
                        let parts = polygons(terms, row, area)?;
                        let geometry =
                            flat.table_at(places[0], GEOMETRY_SLOTS, &[(6, Field::U8(MULTIPOLYGON)), (7, Field::Offset)]);
                        let tables = flat.tables(geometry[0], parts.len());
                        tables.into_iter().zip(&parts).for_each(|(place, rings)| write_polygon(&mut flat, place, rings));
                        around(parts.iter().flatten().flatten())
                    }
                    Shape::Point(at) => {
                        let at = point(terms, row, *at)?;
                        let geometry = flat.table_at(places[0], GEOMETRY_SLOTS, &[(1, Field::Offset), (6, Field::U8(POINT))]);
                        flat.reals(geometry[0], &at);
                        around([&at])
                    }
                    Shape::None => None,
                };
                flat.bytes_at(places[1], &properties);
                bounds
            }
        };
        let bytes = flat.finish();
        self.kept.push(Kept { bounds, at: self.length, length: bytes.len() as u32 });
        self.length += bytes.len() as u64;
        self.features.as_mut().expect("the layer was begun").write_all(&bytes)?;
        Ok(())
    }

    /// Puts the file together.
    pub fn end(&mut self, sheet: &Sheet, terms: &Terms) -> Result<(), WriteError> {
        self.features.take().expect("the layer was begun").flush()?;
        let mut scratch = self.scratch.take().expect("the layer was begun");
        let extent = self.kept.iter().fold(None, |all, kept| union(all, kept.bounds));
        // Without a box for every feature there is no index.
        let indexed = extent.filter(|_| self.kept.iter().all(|kept| kept.bounds.is_some()));
        if let Some([min_x, min_y, max_x, max_y]) = indexed {
            let square = |low: f64, high: f64, from: f64, to: f64| {
                let share = (f64::midpoint(low, high) - from) / (to - from).max(f64::MIN_POSITIVE);
                (share * 65_535.0).clamp(0.0, 65_535.0) as u32
            };
            self.kept.sort_by_cached_key(|kept| {
                let [west, south, east, north] = kept.bounds.unwrap_or_default();
                hilbert::along(ORDER, square(west, east, min_x, max_x), square(south, north, min_y, max_y))
            });
        }
        self.out.write_all(MAGIC)?;
        self.out.write_all(&[0])?;
        self.out.write_all(&header(sheet, terms, self.kept.len() as u64, extent, indexed.is_some()))?;
        if indexed.is_some() {
            let mut offset = 0;
            let leaves: Vec<Node> = self
                .kept
                .iter()
                .map(|kept| {
                    let node = Node { bounds: kept.bounds.unwrap_or_default(), offset };
                    offset += u64::from(kept.length);
                    node
                })
                .collect();
            self.out.write_all(&index(leaves))?;
        }
        let mut bytes = Vec::new();
        for kept in &self.kept {
            bytes.resize(kept.length as usize, 0);
            scratch.file.seek(SeekFrom::Start(kept.at))?;
            scratch.file.read_exact(&mut bytes)?;
            self.out.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.out.flush()?;
        Ok(())
    }
}

fn header(sheet: &Sheet, terms: &Terms, count: u64, extent: Option<Box4>, indexed: bool) -> Vec<u8> {
    let kind = match sheet.geometry {
        Geometry::Area => MULTIPOLYGON,
        Geometry::Point => POINT,
        Geometry::None => 0,
    };
    let mut flat = Flat::new();
    let mut fields = vec![
        (0, Field::Offset),
        (7, Field::Offset),
        (10, Field::Offset),
        (11, Field::Offset),
        (12, Field::Offset),
        (13, Field::Offset),
        (2, Field::U8(kind)),
        (8, Field::U64(count)),
        (9, Field::U16(if indexed { NODE_SIZE } else { 0 })),
    ];
    fields.extend(extent.map(|_| (1, Field::Offset)));
    let places = flat.root(HEADER_SLOTS, &fields);
    flat.text(places[0], sheet.name);
    let columns = flat.tables(places[1], sheet.columns.len());
    for (place, column) in columns.into_iter().zip(&sheet.columns) {
        let own = flat.table_at(place, COLUMN_SLOTS, &[(0, Field::Offset), (1, Field::U8(column_type(column.kind)))]);
        flat.text(own[0], &column.name);
    }
    let named = terms.outgoing.named();
    let number = named.number().and_then(|number| i32::try_from(number).ok());
    let mut crs = vec![(2, Field::Offset)];
    crs.extend(number.iter().flat_map(|number| [(0, Field::Offset), (1, Field::I32(*number))]));
    let wkt = prj::esri(&named).filter(|_| number.is_none());
    crs.extend(wkt.iter().map(|_| (4, Field::Offset)));
    let mut own = flat.table_at(places[2], CRS_SLOTS, &crs).into_iter();
    let mut next = || own.next().expect("each text has a place");
    flat.text(next(), &named.to_string());
    if number.is_some() {
        flat.text(next(), "EPSG");
    }
    if let Some(wkt) = wkt {
        flat.text(next(), &wkt);
    }
    flat.text(places[3], &terms.about.title);
    flat.text(places[4], &terms.about.sentence());
    let about = &terms.about;
    let metadata = json!({ "revision": about.revision, "epoch": about.epoch, "attribution": about.attribution });
    flat.text(places[5], &metadata.to_string());
    if let (Some(place), Some(extent)) = (places.get(6), extent) {
        flat.reals(*place, &extent);
    }
    flat.finish()
}

/// A box, and where what it is around begins: a feature's byte, or the number of a node.
#[derive(Clone, Copy)]
struct Node {
    bounds: Box4,
    offset: u64,
}

/// The R-tree, its root first.
fn index(leaves: Vec<Node>) -> Vec<u8> {
    let size = usize::from(NODE_SIZE);
    // From the leaves up; a single leaf has a root above it, too.
    let mut counts = vec![leaves.len()];
    loop {
        let above = counts[counts.len() - 1].div_ceil(size);
        counts.push(above);
        if above == 1 {
            break;
        }
    }
    let all: usize = counts.iter().sum();
    // Where each level begins.
    let mut starts = Vec::with_capacity(counts.len());
    let mut left = all;
    for count in &counts {
        left -= count;
        starts.push(left);
    }
    let mut levels = vec![leaves];
    for start in &starts[..starts.len() - 1] {
        let below = &levels[levels.len() - 1];
        let above: Vec<Node> = below
            .chunks(size)
            .enumerate()
            .map(|(at, nodes)| {
                let bounds = nodes.iter().fold(None, |all, node| union(all, Some(node.bounds))).unwrap_or_default();
                Node { bounds, offset: (start + at * size) as u64 }
            })
            .collect();
        levels.push(above);
    }
    let mut bytes = Vec::with_capacity(40 * all);
    for node in levels.iter().rev().flatten() {
        node.bounds.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&node.offset.to_le_bytes());
    }
    bytes
}
