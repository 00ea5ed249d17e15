//! Vector tiles, specification 2.1 (<https://github.com/mapbox/vector-tile-spec>), written by columns: features go straight into the
//! bytes of their layer, keys and values into its dictionaries. The same calls make the same bytes.
//!
//! The order of calls is in the types: `layer.feature(id).polygon(…).tag("code", code)`.

use crate::geom::clip::Rings;
use crate::geom::mercator::{EXTENT, Pixel};
use xxhash_rust::xxh3::xxh3_64;

/// An attribute's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `string_value`.
    Text(&'a str),
    /// `uint_value`, or `sint_value` when below zero.
    Integer(i64),
    /// `bool_value`.
    Bool(bool),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(i64::from(number))
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

/// How pixels become tile units: `(pixel − origin) · scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// North-west corner of the tile's visible extent.
    pub origin: Pixel,
    /// Tile units per pixel.
    pub scale: i32,
}

/// A layer while it is written.
#[derive(Debug)]
pub struct LayerWriter {
    name: &'static str,
    /// Encoded `features`, tags and lengths included.
    features: Vec<u8>,
    keys: Vec<String>,
    values: Dictionary,
    geometry: Vec<u8>,
    tags: Vec<u8>,
}

/// A feature that has no geometry yet.
pub struct Unplaced<'a> {
    layer: &'a mut LayerWriter,
    id: Option<u64>,
}

/// A feature with its geometry; done when dropped.
pub struct Placed<'a> {
    layer: &'a mut LayerWriter,
    id: Option<u64>,
    kind: u8,
}

// Message fields as (number << 3 | wire type), section 4.1 and vector_tile.proto.
const TILE_LAYER: u8 = 3 << 3 | 2;
const LAYER_NAME: u8 = 1 << 3 | 2;
const LAYER_FEATURE: u8 = 2 << 3 | 2;
const LAYER_KEY: u8 = 3 << 3 | 2;
const LAYER_EXTENT: u8 = 5 << 3;
const LAYER_VERSION: u8 = 15 << 3;
const FEATURE_ID: u8 = 1 << 3;
const FEATURE_TAGS: u8 = 2 << 3 | 2;
const FEATURE_TYPE: u8 = 3 << 3;
const FEATURE_GEOMETRY: u8 = 4 << 3 | 2;
const VALUE: u8 = 4 << 3 | 2;
const VALUE_STRING: u8 = 1 << 3 | 2;
const VALUE_UINT: u8 = 5 << 3;
const VALUE_SINT: u8 = 6 << 3;
const VALUE_BOOL: u8 = 7 << 3;

const POINT: u8 = 1;
const POLYGON: u8 = 3;

// Commands of section 4.3.3.
const MOVE_TO: u32 = 1;
const LINE_TO: u32 = 2;
const CLOSE_PATH: u8 = 7 | 1 << 3;

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn varint_length(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Section 4.3.2.
fn zigzag(number: i32) -> u64 {
    u64::from(((number << 1) ^ (number >> 31)) as u32)
}

fn text(bytes: &mut Vec<u8>, field: u8, text: &str) {
    bytes.push(field);
    varint(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

impl LayerWriter {
    /// A layer without features.
    pub fn new(name: &'static str) -> Self {
        Self { name, features: vec![], keys: vec![], values: Dictionary::default(), geometry: vec![], tags: vec![] }
    }

    /// One more feature.
    pub fn feature(&mut self, id: Option<u64>) -> Unplaced<'_> {
        self.geometry.clear();
        self.tags.clear();
        Unplaced { layer: self, id }
    }

    /// No feature yet.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Appends the layer to a tile; a layer without features is left out.
    pub fn finish(self, tile: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        let texts = |texts: &mut dyn Iterator<Item = usize>| texts.map(|len| 1 + varint_length(len as u64) + len).sum::<usize>();
        let length = texts(&mut std::iter::once(self.name.len()))
            + self.features.len()
            + texts(&mut self.keys.iter().map(String::len))
            + self.values.bytes.len()
            + 1
            + varint_length(EXTENT as u64)
            + 2;
        tile.reserve(length + 6);
        tile.push(TILE_LAYER);
        varint(tile, length as u64);
        text(tile, LAYER_NAME, self.name);
        tile.extend_from_slice(&self.features);
        self.keys.iter().for_each(|key| text(tile, LAYER_KEY, key));
        tile.extend_from_slice(&self.values.bytes);
        tile.push(LAYER_EXTENT);
        varint(tile, EXTENT as u64);
        tile.extend([LAYER_VERSION, 2]);
    }

    fn key(&mut self, key: &str) -> usize {
        self.keys.iter().position(|known| known == key).unwrap_or_else(|| {
            self.keys.push(key.to_owned());
            self.keys.len() - 1
        })
    }
}

impl<'a> Unplaced<'a> {
    /// Rings as they are, exteriors clockwise on the map, each followed by its holes (section 4.3.4.4).
    pub fn polygon(self, rings: &Rings, frame: Frame) -> Placed<'a> {
        let bytes = &mut self.layer.geometry;
        let (mut x, mut y) = (0, 0);
        let mut step = |bytes: &mut Vec<u8>, p: Pixel| {
            let (to_x, to_y) = ((p[0] - frame.origin[0]) * frame.scale, (p[1] - frame.origin[1]) * frame.scale);
            varint(bytes, zigzag(to_x - x));
            varint(bytes, zigzag(to_y - y));
            (x, y) = (to_x, to_y);
        };
        for ring in rings.iter() {
            let Some((first, rest)) = ring.split_first() else { continue };
            varint(bytes, u64::from(MOVE_TO | 1 << 3));
            step(bytes, *first);
            varint(bytes, u64::from(LINE_TO | (rest.len() as u32) << 3));
            rest.iter().for_each(|p| step(bytes, *p));
            bytes.push(CLOSE_PATH);
        }
        Placed { layer: self.layer, id: self.id, kind: POLYGON }
    }

    /// One point in tile units.
    pub fn point(self, x: i32, y: i32) -> Placed<'a> {
        let bytes = &mut self.layer.geometry;
        varint(bytes, u64::from(MOVE_TO | 1 << 3));
        varint(bytes, zigzag(x));
        varint(bytes, zigzag(y));
        Placed { layer: self.layer, id: self.id, kind: POINT }
    }
}

impl Placed<'_> {
    /// One more attribute.
    pub fn tag<'v>(self, key: &str, value: impl Into<Value<'v>>) -> Self {
        let (key, value) = (self.layer.key(key), self.layer.values.place_of(value.into()));
        varint(&mut self.layer.tags, key as u64);
        varint(&mut self.layer.tags, u64::from(value));
        self
    }

    /// One more attribute whose value no other feature of the layer has: it goes into the dictionary without a look.
    pub fn tag_once<'v>(self, key: &str, value: impl Into<Value<'v>>) -> Self {
        let (key, value) = (self.layer.key(key), self.layer.values.add(value.into()));
        varint(&mut self.layer.tags, key as u64);
        varint(&mut self.layer.tags, u64::from(value));
        self
    }

    /// One more attribute, if there is a value.
    pub fn tag_some<'v>(self, key: &str, value: Option<impl Into<Value<'v>>>) -> Self {
        match value {
            Some(value) => self.tag(key, value),
            None => self,
        }
    }
}

impl Drop for Placed<'_> {
    fn drop(&mut self) {
        let LayerWriter { features, geometry, tags, .. } = &mut *self.layer;
        let id = self.id.map_or(0, |id| 1 + varint_length(id));
        let packed = |bytes: &Vec<u8>| if bytes.is_empty() { 0 } else { 1 + varint_length(bytes.len() as u64) + bytes.len() };
        features.push(LAYER_FEATURE);
        varint(features, (id + packed(tags) + 2 + packed(geometry)) as u64);
        if let Some(id) = self.id {
            features.push(FEATURE_ID);
            varint(features, id);
        }
        if !tags.is_empty() {
            features.push(FEATURE_TAGS);
            varint(features, tags.len() as u64);
            features.extend_from_slice(tags);
        }
        features.extend([FEATURE_TYPE, self.kind]);
        features.push(FEATURE_GEOMETRY);
        varint(features, geometry.len() as u64);
        features.extend_from_slice(geometry);
    }
}

/// Values of a layer, each once, in the order of their first use, already encoded.
#[derive(Debug, Default)]
struct Dictionary {
    bytes: Vec<u8>,
    /// Where each value's message starts in `bytes`, and their end.
    starts: Vec<u32>,
    /// Open addressing by the hash of the message: place + 1, or 0. Its length is a power of two and at least twice `looked_for`.
    slots: Vec<u32>,
    /// Values that can be found again.
    looked_for: usize,
}

impl Dictionary {
    fn place_of(&mut self, value: Value<'_>) -> u32 {
        if self.slots.len() < 2 * (self.looked_for + 1) {
            self.grow();
        }
        let start = self.bytes.len();
        self.append(value);
        let mut slot = xxh3_64(&self.bytes[start..]) as usize & (self.slots.len() - 1);
        while let Some(place) = self.slots[slot].checked_sub(1) {
            let known =
                self.starts[place as usize] as usize..self.starts.get(place as usize + 1).map_or(start, |end| *end as usize);
            if self.bytes[known] == self.bytes[start..] {
                self.bytes.truncate(start);
                return place;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.starts.push(start as u32);
        self.looked_for += 1;
        self.slots[slot] = self.starts.len() as u32;
        self.starts.len() as u32 - 1
    }

    /// A value that will not be looked for.
    fn add(&mut self, value: Value<'_>) -> u32 {
        self.starts.push(self.bytes.len() as u32);
        self.append(value);
        self.starts.len() as u32 - 1
    }

    fn append(&mut self, value: Value<'_>) {
        let bytes = &mut self.bytes;
        bytes.push(VALUE);
        match value {
            Value::Text(words) => {
                varint(bytes, (1 + varint_length(words.len() as u64) + words.len()) as u64);
                text(bytes, VALUE_STRING, words);
            }
            Value::Integer(number) => {
                let (field, coded) = match u64::try_from(number) {
                    Ok(number) => (VALUE_UINT, number),
                    Err(_) => (VALUE_SINT, ((number << 1) ^ (number >> 63)) as u64),
                };
                varint(bytes, 1 + varint_length(coded) as u64);
                bytes.push(field);
                varint(bytes, coded);
            }
            Value::Bool(truth) => bytes.extend([2, VALUE_BOOL, u8::from(truth)]),
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        let before = std::mem::replace(&mut self.slots, vec![0; size]);
        for place in before.into_iter().filter(|place| *place > 0) {
            let start = self.starts[place as usize - 1] as usize;
            let end = self.starts.get(place as usize).map_or(self.bytes.len(), |end| *end as usize);
            let mut slot = xxh3_64(&self.bytes[start..end]) as usize & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = place;
        }
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
