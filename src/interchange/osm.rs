//! OpenStreetMap's PBF format (wiki.openstreetmap.org/wiki/PBF_Format): nodes with tags as points, and closed ways in their middle where the
//! tag rules say so; of buildings the outlines of closed ways. What nobody wants is left out, since such a file holds a whole country.

use super::input::{Input, Progress, read_fault};
use super::tags::{TagRules, Tagged};
use super::{Notes, RawRecord, RawShape, Reading, Sink};
use crate::domain::fault::{Fault, FaultKind};
use flate2::read::ZlibDecoder;
use serde_json::Value;
use std::cell::Cell;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// First bytes behind the length of the first header.
pub const MAGIC: &[u8] = b"\x0a\x09OSMHeader";

/// Largest header and largest blob, packed and unpacked, by the format's own limits.
const MOST_HEADER: u32 = 64 << 10;
const MOST_BLOB: u64 = 32 << 20;
/// Most bytes of all tags of a block. Blocks have 8,000 things by custom, and a value has at most 1,020 bytes.
const MOST_TAGS: usize = 256 << 20;
/// What a tag takes beside its value.
const LEAST_TAG: usize = 32;
/// Most corners of all areas that are wanted. A country's car parks have 10 million.
const MOST_CORNERS: usize = 40_000_000;

/// An opened file.
pub struct OsmReader {
    path: PathBuf,
    rules: Option<TagRules>,
    /// The tag of what is wanted with its outline.
    outlines: Option<&'static str>,
    notes: Notes,
    progress: Progress,
}

fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(FaultKind::BadSyntax, detail)
}

fn damaged() -> Fault {
    bad("the file is damaged: a block is not what its lengths say")
}

/// A message of protocol buffers, field by field. Groups do not occur in this format.
struct Message<'a> {
    bytes: &'a [u8],
}

enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

impl<'a> Message<'a> {
    /// The next field and its number; `None` at the end.
    fn next(&mut self) -> Result<Option<(u64, Part<'a>)>, Fault> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = varint(&mut self.bytes).ok_or_else(damaged)?;
        let part = match key & 7 {
            0 => Part::Number(varint(&mut self.bytes).ok_or_else(damaged)?),
            wire @ (1 | 2 | 5) => {
                let length = match wire {
                    1 => 8,
                    5 => 4,
                    _ => varint(&mut self.bytes).and_then(|length| usize::try_from(length).ok()).ok_or_else(damaged)?,
                };
                let (part, rest) = self.bytes.split_at_checked(length).ok_or_else(damaged)?;
                self.bytes = rest;
                Part::Bytes(part)
            }
            _ => return Err(damaged()),
        };
        Ok(Some((key >> 3, part)))
    }
}

/// Packed numbers.
fn packed(mut bytes: &[u8]) -> Result<Vec<u64>, Fault> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(varint(&mut bytes).ok_or_else(damaged)?);
    }
    Ok(numbers)
}

/// Packed differences, as the values they stand for.
fn deltas(bytes: &[u8]) -> Result<Vec<i64>, Fault> {
    let mut last = 0_i64;
    let numbers = packed(bytes)?;
    Ok(numbers
        .into_iter()
        .map(|number| {
            last = last.wrapping_add(zigzag(number));
            last
        })
        .collect())
}

/// The next blob of a file: its type and its unpacked bytes.
fn blob(file: &mut dyn Read) -> Result<Option<(String, Vec<u8>)>, Fault> {
    let mut length = [0; 4];
    let mut have = 0;
    while have < 4 {
        match file.read(&mut length[have..]).map_err(|error| read_fault(&error))? {
            0 if have == 0 => return Ok(None),
            0 => return Err(bad("the file ends in the middle of a block: it is truncated")),
            more => have += more,
        }
    }
    let header = exactly(file, u64::from(u32::from_be_bytes(length)), u64::from(MOST_HEADER))?;
    let (mut kind, mut size) = (String::new(), 0);
    let mut message = Message { bytes: &header };
    while let Some(field) = message.next()? {
        match field {
            (1, Part::Bytes(text)) => kind = String::from_utf8_lossy(text).into_owned(),
            (3, Part::Number(number)) => size = number,
            _ => {}
        }
    }
    let body = exactly(file, size, MOST_BLOB)?;
    let mut message = Message { bytes: &body };
    let mut unpacked = None;
    while let Some(field) = message.next()? {
        match field {
            (1, Part::Bytes(raw)) => unpacked = Some(raw.to_vec()),
            (3, Part::Bytes(zlib)) => {
                let mut bytes = Vec::new();
                let read = ZlibDecoder::new(zlib).take(MOST_BLOB + 1).read_to_end(&mut bytes);
                read.map_err(|_| damaged())?;
                if bytes.len() as u64 > MOST_BLOB {
                    return Err(bad("a block unpacks to more than 32 MB"));
                }
                unpacked = Some(bytes);
            }
            (4..=7, Part::Bytes(_)) => {
                return Err(bad("its blocks are packed by LZMA, LZ4 or Zstandard: write it anew (osmium cat -f pbf)"));
            }
            _ => {}
        }
    }
    unpacked.map(|bytes| Some((kind, bytes))).ok_or_else(damaged)
}

fn exactly(file: &mut dyn Read, length: u64, most: u64) -> Result<Vec<u8>, Fault> {
    if length > most {
        return Err(bad(format!("a block says it has {length} bytes, more than the format's {most}")));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(|error| read_fault(&error))?;
    if (bytes.len() as u64) < length {
        return Err(bad("the file ends in the middle of a block: it is truncated"));
    }
    Ok(bytes)
}

type Tags = Vec<(Arc<str>, Value)>;

/// One thing of a block.
enum Thing {
    Node { id: i64, at: [f64; 2], tags: Tags },
    Way { id: i64, refs: Vec<i64>, tags: Tags },
    Relation { tags: Tags },
}

/// Which things of a block are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Nodes,
    Ways,
}

/// What the numbers of a block mean.
struct Scale {
    granularity: i64,
    offset: [i64; 2],
}

impl Scale {
    /// Degrees, longitude first: nanodegrees divided once are the nearest double to the decimal number.
    fn position(&self, lon: i64, lat: i64) -> [f64; 2] {
        let degrees = |value: i64, offset: i64| value.wrapping_mul(self.granularity).wrapping_add(offset) as f64 / 1e9;
        [degrees(lon, self.offset[0]), degrees(lat, self.offset[1])]
    }
}

struct Strings {
    texts: Vec<Arc<str>>,
    /// Bytes that tags may still take.
    left: Cell<usize>,
}

impl Strings {
    fn text(&self, at: u64) -> Result<&Arc<str>, Fault> {
        usize::try_from(at).ok().and_then(|at| self.texts.get(at)).ok_or_else(damaged)
    }

    fn tags(&self, keys: &[u64], values: &[u64]) -> Result<Tags, Fault> {
        keys.iter().zip(values).map(|(key, value)| self.tag(*key, *value)).collect()
    }

    fn tag(&self, key: u64, value: u64) -> Result<(Arc<str>, Value), Fault> {
        let (key, value) = (self.text(key)?, self.text(value)?);
        let left = self.left.get().checked_sub(LEAST_TAG + value.len());
        self.left.set(left.ok_or_else(|| bad(format!("the tags of a block take more than {MOST_TAGS} bytes")))?);
        Ok((Arc::clone(key), Value::from(&**value)))
    }
}

/// The nodes, or the ways and relations, of a block, in order.
fn block(bytes: &[u8], wanted: Wanted, each: &mut dyn FnMut(Thing) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut strings = Strings { texts: Vec::new(), left: Cell::new(MOST_TAGS) };
    let mut groups = Vec::new();
    let mut scale = Scale { granularity: 100, offset: [0, 0] };
    let mut message = Message { bytes };
    while let Some(field) = message.next()? {
        match field {
            (1, Part::Bytes(table)) => {
                let mut table = Message { bytes: table };
                while let Some((_, part)) = table.next()? {
                    if let Part::Bytes(text) = part {
                        strings.texts.push(String::from_utf8_lossy(text).into());
                    }
                }
            }
            (2, Part::Bytes(group)) => groups.push(group),
            (17, Part::Number(number)) => scale.granularity = number.cast_signed(),
            (19, Part::Number(number)) => scale.offset[1] = number.cast_signed(),
            (20, Part::Number(number)) => scale.offset[0] = number.cast_signed(),
            _ => {}
        }
    }
    for bytes in groups {
        let mut group = Message { bytes };
        while let Some(field) = group.next()? {
            match (field, wanted) {
                ((1, Part::Bytes(bytes)), Wanted::Nodes) => each(node(bytes, &strings, &scale)?)?,
                ((2, Part::Bytes(bytes)), Wanted::Nodes) => dense(bytes, &strings, &scale, each)?,
                ((3, Part::Bytes(bytes)), Wanted::Ways) => each(way(bytes, &strings)?)?,
                ((4, Part::Bytes(bytes)), Wanted::Ways) => each(relation(bytes, &strings)?)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn node(bytes: &[u8], strings: &Strings, scale: &Scale) -> Result<Thing, Fault> {
    let (mut id, mut lat, mut lon) = (0, 0, 0);
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut message = Message { bytes };
    while let Some(field) = message.next()? {
        match field {
            (1, Part::Number(number)) => id = zigzag(number),
            (2, Part::Bytes(bytes)) => keys = packed(bytes)?,
            (3, Part::Bytes(bytes)) => values = packed(bytes)?,
            (8, Part::Number(number)) => lat = zigzag(number),
            (9, Part::Number(number)) => lon = zigzag(number),
            _ => {}
        }
    }
    Ok(Thing::Node { id, at: scale.position(lon, lat), tags: strings.tags(&keys, &values)? })
}

fn dense(bytes: &[u8], strings: &Strings, scale: &Scale, each: &mut dyn FnMut(Thing) -> Result<(), Fault>) -> Result<(), Fault> {
    let (mut ids, mut lats, mut lons, mut words) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut message = Message { bytes };
    while let Some(field) = message.next()? {
        match field {
            (1, Part::Bytes(bytes)) => ids = deltas(bytes)?,
            (8, Part::Bytes(bytes)) => lats = deltas(bytes)?,
            (9, Part::Bytes(bytes)) => lons = deltas(bytes)?,
            (10, Part::Bytes(bytes)) => words = packed(bytes)?,
            _ => {}
        }
    }
    if lats.len() != ids.len() || lons.len() != ids.len() {
        return Err(damaged());
    }
    // Key and value by turns, a zero behind each node; nothing at all when no node has a tag.
    let mut words = words.into_iter();
    for ((id, lat), lon) in ids.into_iter().zip(lats).zip(lons) {
        let mut tags = Vec::new();
        while let Some(key) = words.next().filter(|key| *key != 0) {
            let value = words.next().ok_or_else(damaged)?;
            tags.push(strings.tag(key, value)?);
        }
        each(Thing::Node { id, at: scale.position(lon, lat), tags })?;
    }
    Ok(())
}

fn way(bytes: &[u8], strings: &Strings) -> Result<Thing, Fault> {
    let (mut id, mut refs) = (0, Vec::new());
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut message = Message { bytes };
    while let Some(field) = message.next()? {
        match field {
            (1, Part::Number(number)) => id = number.cast_signed(),
            (2, Part::Bytes(bytes)) => keys = packed(bytes)?,
            (3, Part::Bytes(bytes)) => values = packed(bytes)?,
            (8, Part::Bytes(bytes)) => refs = deltas(bytes)?,
            _ => {}
        }
    }
    Ok(Thing::Way { id, refs, tags: strings.tags(&keys, &values)? })
}

/// A relation by its tags: who its members are is not read.
fn relation(bytes: &[u8], strings: &Strings) -> Result<Thing, Fault> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut message = Message { bytes };
    while let Some(field) = message.next()? {
        match field {
            (2, Part::Bytes(bytes)) => keys = packed(bytes)?,
            (3, Part::Bytes(bytes)) => values = packed(bytes)?,
            _ => {}
        }
    }
    Ok(Thing::Relation { tags: strings.tags(&keys, &values)? })
}

/// A closed way that is wanted, in the order of the file.
struct Wish {
    id: i64,
    tags: Tags,
    refs: Vec<i64>,
}

impl OsmReader {
    /// Reads the file's header.
    pub fn open(input: Input, reading: &Reading<'_>) -> Result<Self, Fault> {
        let (path, progress) = (input.path().to_owned(), input.progress());
        let mut file = input.into_text();
        let (kind, header) = blob(&mut file)?.ok_or_else(damaged)?;
        if kind != "OSMHeader" {
            return Err(damaged());
        }
        let mut message = Message { bytes: &header };
        while let Some(field) = message.next()? {
            if let (4, Part::Bytes(feature)) = field
                && ![&b"OsmSchema-V0.6"[..], b"DenseNodes"].contains(&feature)
            {
                let name = String::from_utf8_lossy(feature);
                return Err(bad(format!("the file needs a reader that knows {name:?}: write a plain extract (osmium cat)")));
            }
        }
        let (rules, outlines) = (reading.tags.cloned(), reading.outlines);
        Ok(Self { path, rules, outlines, notes: Notes::default(), progress })
    }

    /// What was left out.
    pub fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// All wanted things: nodes in the order of the file, then areas. A record's number is OpenStreetMap's.
    pub fn for_each(self, sink: &mut Sink<'_>) {
        match self.read(sink) {
            Ok(()) => self.progress.finish(),
            Err(None) => {}
            Err(Some(fault)) => {
                let _ = sink(Err(fault));
            }
        }
    }

    /// `Err(None)`: the sink wants nothing more.
    fn read(&self, sink: &mut Sink<'_>) -> Result<(), Option<Fault>> {
        let wishes = match (&self.rules, self.outlines) {
            (_, Some(key)) => {
                let (wishes, relations) = wishes(&self.path, &|tags| has(tags, key))?;
                if relations > 0 {
                    self.notes.add(format!("{relations} relations with the tag {key} were left out: only closed ways are read"));
                }
                wishes
            }
            (Some(rules), None) if rules.wants_areas() => wishes(&self.path, &|tags| rules.takes_area(tags))?.0,
            _ => Vec::new(),
        };
        let mut corners: Vec<i64> = wishes.iter().flat_map(|wish| wish.refs.iter().copied()).collect();
        corners.sort_unstable();
        corners.dedup();
        let mut places: Vec<Option<[f64; 2]>> = vec![None; corners.len()];
        let mut left_out = 0_u64;
        let mut enough = false;
        let read = things(Input::open(&self.path)?, Wanted::Nodes, &mut |thing| {
            let Thing::Node { id, at, tags } = thing else { return Ok(()) };
            if let Ok(place) = corners.binary_search(&id) {
                places[place] = Some(at);
            }
            if tags.is_empty() || enough || self.outlines.is_some_and(|key| !has(&tags, key)) {
                return Ok(());
            }
            if self.rules.as_ref().is_some_and(|rules| rules.category(&tags) == Tagged::Unmapped) {
                left_out += 1;
                return Ok(());
            }
            enough = sink(Ok(record(id, "", tags, RawShape::Point(at)))).is_break();
            Ok(())
        });
        read?;
        let place_of: HashMap<i64, [f64; 2]> =
            corners.into_iter().zip(places).filter_map(|(id, place)| Some((id, place?))).collect();
        for Wish { id, tags, refs } in wishes {
            if enough {
                return Err(None);
            }
            let ring: Result<Vec<[f64; 2]>, i64> = refs.iter().map(|id| place_of.get(id).copied().ok_or(*id)).collect();
            let made = match ring {
                Ok(ring) if self.outlines.is_some() => Ok(record(id, "way/", tags, RawShape::Polygons(vec![vec![ring]]))),
                Ok(ring) => Ok(record(id, "way/", tags, RawShape::Point(middle(&ring)))),
                Err(missing) => {
                    let detail =
                        format!("way {id}: its corner, node {missing}, is not in the file: make the extract with complete ways");
                    Err(Fault { record: u64::try_from(id).ok(), ..bad(detail) })
                }
            };
            enough = sink(made).is_break();
        }
        if left_out > 0 {
            self.notes.add(format!("{left_out} nodes with tags that no rule of the profile has were left out"));
        }
        if enough { Err(None) } else { Ok(()) }
    }
}

fn record(id: i64, prefix: &str, tags: Tags, shape: RawShape) -> RawRecord {
    let mut fields = Vec::with_capacity(tags.len() + 1);
    fields.push(("osm_id".into(), format!("{prefix}{id}").into()));
    fields.extend(tags);
    RawRecord { number: u64::try_from(id).unwrap_or_default(), fields, shape }
}

/// Everything of one sort in a file.
fn things(input: Input, wanted: Wanted, each: &mut dyn FnMut(Thing) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut file = input.into_text();
    while let Some((kind, bytes)) = blob(&mut file)? {
        if kind == "OSMData" {
            block(&bytes, wanted, each)?;
        }
    }
    Ok(())
}

/// Whether a thing has a tag, and does not deny it.
fn has(tags: &Tags, key: &str) -> bool {
    tags.iter().any(|(known, value)| **known == *key && value.as_str() != Some("no"))
}

/// The closed ways that are wanted, and how many relations are.
fn wishes(path: &Path, wants: &dyn Fn(&Tags) -> bool) -> Result<(Vec<Wish>, u64), Fault> {
    let mut wishes = Vec::new();
    let (mut corners, mut relations) = (0, 0);
    things(Input::open(path)?, Wanted::Ways, &mut |thing| {
        if let Thing::Relation { tags } = &thing {
            relations += u64::from(wants(tags));
        }
        let Thing::Way { id, refs, tags } = thing else { return Ok(()) };
        if refs.len() >= 4 && refs.first() == refs.last() && wants(&tags) {
            corners += refs.len();
            wishes.push(Wish { id, tags, refs });
        }
        if corners > MOST_CORNERS {
            return Err(bad(format!(
                "the areas that are wanted have more than {MOST_CORNERS} corners: cut the file into cities"
            )));
        }
        Ok(())
    })?;
    Ok((wishes, relations))
}

/// The centre of gravity of a ring's area; of its corners when it has none.
fn middle(ring: &[[f64; 2]]) -> [f64; 2] {
    let [x0, y0] = ring[0];
    let (mut twice, mut x, mut y) = (0.0, 0.0, 0.0);
    for edge in ring.windows(2) {
        let ([ax, ay], [bx, by]) = ([edge[0][0] - x0, edge[0][1] - y0], [edge[1][0] - x0, edge[1][1] - y0]);
        let cross = ax * by - bx * ay;
        twice += cross;
        x += (ax + bx) * cross;
        y += (ay + by) * cross;
    }
    if twice.abs() < 1e-18 {
        let corners = &ring[1..];
        let mean = |axis: usize| corners.iter().map(|corner| corner[axis]).sum::<f64>() / corners.len() as f64;
        return [mean(0), mean(1)];
    }
    [x0 + x / (3.0 * twice), y0 + y / (3.0 * twice)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_protocol_buffers_are_read_and_never_past_their_end() {
        assert_eq!(varint(&mut &[0xAC, 0x02][..]), Some(300));
        assert_eq!(varint(&mut &[0xFF; 11][..]), None);
        assert_eq!(varint(&mut &[0x80][..]), None);
        assert_eq!([0, 1, 2, 3, u64::MAX].map(zigzag), [0, -1, 1, -2, i64::MIN]);
        assert_eq!(deltas(&[2, 2, 1]).expect("three"), [1, 2, 1]);
        assert!(Message { bytes: &[0x0A, 0x05, 1] }.next().is_err() && Message { bytes: &[0x0B] }.next().is_err());
    }

    #[test]
    fn tags_take_no_more_than_their_block_may() {
        let texts = vec!["".into(), "k".into(), "v".repeat(100).into()];
        let strings = Strings { texts, left: Cell::new(300) };
        assert_eq!(strings.tags(&[1, 1], &[2, 2]).expect("264 bytes").len(), 2);
        assert!(strings.tags(&[1], &[2]).is_err() && strings.tags(&[3], &[1]).is_err());
    }

    #[test]
    fn the_middle_of_an_area_is_its_centre_of_gravity() {
        let l_shape = [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [1.0, 1.0], [1.0, 2.0], [0.0, 2.0], [0.0, 0.0]];
        let [x, y] = middle(&l_shape);
        assert!((x - 5.0 / 6.0).abs() < 1e-12 && (y - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(middle(&[[1.0, 1.0], [3.0, 1.0], [1.0, 1.0]]), [2.0, 1.0]);
    }
}
