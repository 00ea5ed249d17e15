//! FlatGeobuf 3 (flatgeobuf.org): points and polygons, read from front to back past the index. The flatbuffers in it are read here, with
//! every offset checked, since only a dozen of their fields matter.

use super::input::{Input, Progress, read_fault};
use super::text::TextCode;
use super::{RawRecord, RawShape, Sink, StatedCrs};
use crate::domain::fault::{Fault, FaultKind};
use serde_json::{Number, Value};
use std::io::{BufRead, Read};
use std::sync::Arc;

/// First bytes: the name and the version. The patch level follows.
pub const MAGIC: &[u8] = b"fgb\x03fgb";

/// Largest header and largest feature.
const MOST_HEADER: u64 = 16 << 20;
const MOST_FEATURE: u64 = 512 << 20;

fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(FaultKind::BadSyntax, detail)
}

fn damaged() -> Fault {
    bad("the FlatGeobuf is damaged: an offset leads out of its block")
}

/// A table of a flatbuffer: where it is, and where its fields are.
#[derive(Clone, Copy)]
struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(number(bytes, at)?) as usize)
}

impl<'a> Table<'a> {
    fn root(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { bytes, at: u32_at(bytes, 0)? })
    }

    /// Where a field's value is; `None` when it has none.
    fn field(&self, slot: usize) -> Option<usize> {
        let back = i32::from_le_bytes(number(self.bytes, self.at)?);
        let vtable = usize::try_from(i64::try_from(self.at).ok()? - i64::from(back)).ok()?;
        let length = usize::from(u16::from_le_bytes(number(self.bytes, vtable)?));
        let entry = 4 + slot * 2;
        if entry + 2 > length {
            return None;
        }
        match u16::from_le_bytes(number(self.bytes, vtable + entry)?) {
            0 => None,
            offset => self.at.checked_add(offset.into()),
        }
    }

    fn byte(&self, slot: usize) -> Option<u8> {
        self.field(slot).and_then(|at| self.bytes.get(at)).copied()
    }

    /// What an offset in a field leads to.
    fn target(&self, slot: usize) -> Option<usize> {
        let at = self.field(slot)?;
        at.checked_add(u32_at(self.bytes, at)?)
    }

    fn table(&self, slot: usize) -> Option<Self> {
        Some(Self { bytes: self.bytes, at: self.target(slot)? })
    }

    /// The elements of a vector, as bytes.
    fn vector(&self, slot: usize, size: usize) -> Option<&'a [u8]> {
        let at = self.target(slot)?;
        let length = u32_at(self.bytes, at)?.checked_mul(size)?;
        self.bytes.get(at + 4..(at + 4).checked_add(length)?)
    }

    fn text(&self, slot: usize) -> Option<String> {
        self.vector(slot, 1).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn tables(&self, slot: usize) -> Option<Vec<Self>> {
        let start = self.target(slot)? + 4;
        let count = self.vector(slot, 4)?.len() / 4;
        (0..count)
            .map(|nth| start.checked_add(nth * 4))
            .map(|at| Some(Self { bytes: self.bytes, at: at?.checked_add(u32_at(self.bytes, at?)?)? }))
            .collect()
    }
}

/// Slots of the tables, as the schema numbers them.
mod slot {
    pub(super) const HEADER_TYPE: usize = 2;
    pub(super) const HEADER_COLUMNS: usize = 7;
    pub(super) const HEADER_COUNT: usize = 8;
    pub(super) const HEADER_NODE_SIZE: usize = 9;
    pub(super) const HEADER_CRS: usize = 10;
    pub(super) const COLUMN_NAME: usize = 0;
    pub(super) const COLUMN_TYPE: usize = 1;
    pub(super) const CRS_ORG: usize = 0;
    pub(super) const CRS_CODE: usize = 1;
    pub(super) const CRS_WKT: usize = 4;
    pub(super) const FEATURE_GEOMETRY: usize = 0;
    pub(super) const FEATURE_PROPERTIES: usize = 1;
    pub(super) const FEATURE_COLUMNS: usize = 2;
    pub(super) const GEOMETRY_ENDS: usize = 0;
    pub(super) const GEOMETRY_XY: usize = 1;
    pub(super) const GEOMETRY_TYPE: usize = 6;
    pub(super) const GEOMETRY_PARTS: usize = 7;
}

#[derive(Debug, Clone)]
struct Column {
    name: Arc<str>,
    kind: u8,
}

/// An opened file.
pub struct FlatGeobufReader {
    text: Box<dyn BufRead + Send>,
    columns: Vec<Column>,
    kind: u8,
    /// 0: not told.
    count: u64,
    crs: StatedCrs,
    progress: Progress,
}

impl FlatGeobufReader {
    /// Reads the header and passes the index.
    pub fn open(input: Input) -> Result<Self, Fault> {
        let progress = input.progress();
        let mut text = input.into_text();
        let mut magic = [0; 8];
        text.read_exact(&mut magic).map_err(|error| read_fault(&error))?;
        let bytes =
            sized(&mut text, MOST_HEADER)?.ok_or_else(|| bad("the FlatGeobuf ends before its header: it is truncated"))?;
        let header = Table::root(&bytes).ok_or_else(damaged)?;
        let columns = columns(&header, slot::HEADER_COLUMNS, &mut bytes.len()).ok_or_else(damaged)?;
        let count = header.field(slot::HEADER_COUNT).and_then(|at| number(&bytes, at)).map_or(0, u64::from_le_bytes);
        let node_size = match header.field(slot::HEADER_NODE_SIZE) {
            Some(at) => u64::from(u16::from_le_bytes(number(&bytes, at).ok_or_else(damaged)?)),
            None => 16,
        };
        let crs = header.table(slot::HEADER_CRS).map_or(StatedCrs::Nothing, |crs| stated(&crs));
        let kind = header.byte(slot::HEADER_TYPE).unwrap_or(0);
        let index = index_size(count, node_size);
        let passed = std::io::copy(&mut text.by_ref().take(index), &mut std::io::sink()).map_err(|error| read_fault(&error))?;
        if passed < index {
            return Err(bad("the FlatGeobuf ends in its index: it is truncated"));
        }
        Ok(Self { text, columns, kind, count, crs, progress })
    }

    /// The header's CRS.
    pub fn stated_crs(&self) -> StatedCrs {
        self.crs.clone()
    }

    /// All features in the order of the file, numbered from 1.
    pub fn for_each(mut self, sink: &mut Sink<'_>) {
        let mut number = 0;
        loop {
            number += 1;
            let told = |fault: Fault| Fault { record: Some(number), ..fault };
            let bytes = match sized(&mut self.text, MOST_FEATURE) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(fault) => {
                    let _ = sink(Err(told(fault)));
                    return;
                }
            };
            if sink(self.feature(number, &bytes).map_err(told)).is_break() {
                return;
            }
        }
        let read = number - 1;
        if self.count > 0 && read < self.count {
            let detail = format!("the FlatGeobuf has {read} features, its header says {}: it is truncated", self.count);
            let _ = sink(Err(Fault { record: Some(number), ..bad(detail) }));
        }
        self.progress.finish();
    }

    fn feature(&self, number: u64, bytes: &[u8]) -> Result<RawRecord, Fault> {
        let feature = Table::root(bytes).ok_or_else(damaged)?;
        let mut left = bytes.len();
        let own = columns(&feature, slot::FEATURE_COLUMNS, &mut left).ok_or_else(damaged)?;
        let columns = if own.is_empty() { &self.columns } else { &own };
        let fields = match feature.vector(slot::FEATURE_PROPERTIES, 1) {
            Some(bytes) => properties(bytes, columns)?,
            None => Vec::new(),
        };
        let shape = match feature.table(slot::FEATURE_GEOMETRY) {
            Some(geometry) => shape(&geometry, self.kind, &mut left).ok_or_else(damaged)?,
            None => RawShape::Absent,
        };
        Ok(RawRecord { number, fields, shape })
    }
}

/// A block behind its length; `None` at the end of the file.
fn sized(text: &mut dyn BufRead, most: u64) -> Result<Option<Vec<u8>>, Fault> {
    let mut bytes = Vec::new();
    let mut take =
        |length: u64, bytes: &mut Vec<u8>| (&mut *text).take(length).read_to_end(bytes).map_err(|error| read_fault(&error));
    match take(4, &mut bytes)? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(bad("the FlatGeobuf ends in the middle of a block: it is truncated")),
    }
    let length = u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    if length > most {
        return Err(bad(format!("a block says it has {length} bytes, more than {most}")));
    }
    bytes.clear();
    if (take(length, &mut bytes)? as u64) < length {
        return Err(bad("the FlatGeobuf ends in the middle of a block: it is truncated"));
    }
    Ok(Some(bytes))
}

/// Bytes of the packed R-tree: 40 for each node, on levels of which each has a node for so many of the one below.
fn index_size(count: u64, node_size: u64) -> u64 {
    if count == 0 || node_size < 2 {
        return 0;
    }
    let (mut level, mut nodes) = (count, count);
    while level > 1 {
        level = level.div_ceil(node_size);
        nodes = nodes.saturating_add(level);
    }
    // A single feature has a root above it, too.
    if count == 1 {
        nodes += 1;
    }
    nodes.saturating_mul(40)
}

/// Offset, table and length, which a column or a part of a geometry has at least.
const LEAST_TABLE: usize = 16;

/// Takes from the bytes of a block what is made of them. Offsets that lead to one place many times would make more than there is.
fn spend(left: &mut usize, bytes: usize) -> Option<()> {
    *left = left.checked_sub(bytes)?;
    Some(())
}

fn columns(table: &Table<'_>, slot: usize, left: &mut usize) -> Option<Vec<Column>> {
    if table.field(slot).is_none() {
        return Some(Vec::new());
    }
    table
        .tables(slot)?
        .iter()
        .map(|column| {
            spend(left, LEAST_TABLE + column.vector(slot::COLUMN_NAME, 1)?.len())?;
            let name = column.text(slot::COLUMN_NAME)?;
            Some(Column { name: name.into(), kind: column.byte(slot::COLUMN_TYPE).unwrap_or(0) })
        })
        .collect()
}

fn stated(crs: &Table<'_>) -> StatedCrs {
    let org = crs.text(slot::CRS_ORG).unwrap_or_default();
    let code = crs.field(slot::CRS_CODE).and_then(|at| u32_at(crs.bytes, at)).and_then(|code| u32::try_from(code).ok());
    let wkt = || StatedCrs::of_wkt(&crs.text(slot::CRS_WKT).unwrap_or_default());
    match code {
        Some(code) if code > 0 && (org.is_empty() || org.eq_ignore_ascii_case("epsg")) => match StatedCrs::of_epsg(code) {
            StatedCrs::Other(name) => match wkt() {
                known @ StatedCrs::Known(_) => known,
                _ => StatedCrs::Other(name),
            },
            known => known,
        },
        _ => wkt(),
    }
}

/// Values by the numbers of their columns.
fn properties(mut bytes: &[u8], columns: &[Column]) -> Result<Vec<(Arc<str>, Value)>, Fault> {
    let mut take = |length: usize| -> Result<&[u8], Fault> {
        let (part, rest) = bytes.split_at_checked(length).ok_or_else(damaged)?;
        bytes = rest;
        Ok(part)
    };
    let mut fields = Vec::new();
    while let Ok(head) = take(2) {
        let column = columns.get(usize::from(u16::from_le_bytes([head[0], head[1]]))).ok_or_else(damaged)?;
        macro_rules! real {
            ($type:ty) => {
                <$type>::from_le_bytes(take(size_of::<$type>())?.try_into().map_err(|_| damaged())?)
            };
        }
        let value = match column.kind {
            0 => Value::from(real!(i8)),
            1 => real!(u8).into(),
            2 => (take(1)?[0] != 0).into(),
            3 => real!(i16).into(),
            4 => real!(u16).into(),
            5 => real!(i32).into(),
            6 => real!(u32).into(),
            7 => real!(i64).into(),
            8 => real!(u64).into(),
            9 => Number::from_f64(real!(f32).into()).map_or(Value::Null, Value::Number),
            10 => Number::from_f64(real!(f64)).map_or(Value::Null, Value::Number),
            kind @ 11..=14 => {
                let length = real!(u32) as usize;
                let bytes = take(length)?;
                if kind == 14 {
                    continue;
                }
                let told = |fault: Fault| Fault { field: Some(column.name.to_string()), ..fault };
                let text = TextCode::UTF8.read(bytes).map_err(told)?;
                match serde_json::from_str(&text) {
                    Ok(value) if kind == 12 => value,
                    _ => Value::from(&*text),
                }
            }
            kind => return Err(bad(format!("column {} has the unknown type {kind}", column.name))),
        };
        fields.push((Arc::clone(&column.name), value));
    }
    Ok(fields)
}

/// Positions of a geometry.
fn positions(geometry: &Table<'_>) -> Option<Vec<[f64; 2]>> {
    let bytes = geometry.vector(slot::GEOMETRY_XY, 8)?;
    let real = |bytes: &[u8]| Some(f64::from_le_bytes(bytes.try_into().ok()?));
    bytes.chunks_exact(16).map(|pair| Some([real(&pair[..8])?, real(&pair[8..])?])).collect()
}

/// Without ends of rings there is one.
fn rings(geometry: &Table<'_>, left: &mut usize) -> Option<Vec<Vec<[f64; 2]>>> {
    let ends = geometry.vector(slot::GEOMETRY_ENDS, 4).unwrap_or_default();
    spend(left, LEAST_TABLE + geometry.vector(slot::GEOMETRY_XY, 8)?.len() + ends.len())?;
    let all = positions(geometry)?;
    if ends.is_empty() {
        return Some(vec![all]);
    }
    let mut start = 0;
    ends.chunks_exact(4)
        .map(|end| {
            let end = u32_at(end, 0)?;
            let ring = all.get(start..end)?.to_vec();
            start = end;
            Some(ring)
        })
        .collect()
}

/// `kind`: that of the header, 0 when each feature has its own.
fn shape(geometry: &Table<'_>, kind: u8, left: &mut usize) -> Option<RawShape> {
    let kind = if kind == 0 { geometry.byte(slot::GEOMETRY_TYPE).unwrap_or(0) } else { kind };
    let other = |name: &str| Some(RawShape::Other(name.to_owned()));
    match kind {
        1 => match positions(geometry)?.first() {
            Some(at) if at.iter().any(|number| !number.is_nan()) => Some(RawShape::Point(*at)),
            _ => Some(RawShape::Absent),
        },
        3 => Some(RawShape::Polygons(vec![rings(geometry, left)?])),
        6 => {
            let parts = geometry.tables(slot::GEOMETRY_PARTS)?;
            parts.iter().map(|part| rings(part, left)).collect::<Option<Vec<_>>>().map(RawShape::Polygons)
        }
        2 => other("LineString"),
        4 => other("MultiPoint"),
        5 => other("MultiLineString"),
        7 => other("GeometryCollection"),
        _ => other("a geometry of another type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_has_forty_bytes_for_each_node_of_each_level() {
        assert_eq!(index_size(0, 16), 0);
        assert_eq!(index_size(100, 0), 0, "no index");
        assert_eq!(index_size(1, 16), 2 * 40);
        assert_eq!(index_size(16, 16), 17 * 40);
        assert_eq!(index_size(17, 16), (17 + 2 + 1) * 40);
        assert_eq!(index_size(179, 16), (179 + 12 + 1) * 40);
    }

    #[test]
    fn offsets_that_lead_to_one_place_make_no_more_than_the_block_holds() {
        let block = |count: u32| {
            let mut bytes = Vec::new();
            // A table with one field, the vector behind it, and one column for all of its offsets.
            bytes.extend(12_u32.to_le_bytes());
            bytes.extend([6_u16, 8, 4, 0].iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend([8, 4, count].iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend((0..count).flat_map(|nth| ((count - nth) * 4).to_le_bytes()));
            bytes.extend([20 + count * 4, 4, 100].iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend([b'n'; 100]);
            bytes
        };
        let read = |count: u32| {
            let bytes = block(count);
            let table = Table::root(&bytes)?;
            columns(&table, 0, &mut bytes.len()).map(|columns| columns.len())
        };
        assert_eq!([read(1), read(100)], [Some(1), None]);
    }

    #[test]
    fn offsets_that_lead_out_of_a_block_lead_nowhere() {
        for bytes in [&[][..], &[255; 4], &[4, 0, 0, 0, 255, 255, 255, 127], &[4, 0, 0, 0, 0, 0, 0, 128, 9, 9]] {
            assert!(Table::root(bytes).is_none_or(|table| (0..12).all(|slot| table.target(slot).is_none())), "{bytes:?}");
        }
    }
}
