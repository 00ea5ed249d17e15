//! Vector tiles, specification 2.1 (<https://github.com/mapbox/vector-tile-spec>), written by columns: ids, geometries already encoded,
//! attributes as numbers of keys and values, which stand in dictionaries. The same calls make the same bytes.
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

/// A layer while it is written, in columns. `'t` is how long the texts live: a text at the same place is the same text.
#[derive(Debug)]
pub struct LayerWriter<'t> {
    name: &'static str,
    features: Vec<Head>,
    geometry: Vec<u8>,
    /// Key and value of each attribute. Values of [`Placed::name`] are counted apart, with [`NAMES`] set.
    tags: Vec<(u32, u32)>,
    keys: Vec<&'static str>,
    values: Dictionary,
    names: Dictionary,
    /// Values told lately, by the place of their text.
    recent: Box<[Option<(&'t str, u32)>; RECENT]>,
}

/// What a feature has: its id, its kind of geometry, and where its attributes and its geometry end.
#[derive(Debug, Clone, Copy)]
struct Head {
    id: Option<u64>,
    kind: u8,
    tags: u32,
    geometry: u32,
}

/// The bit that tells the number of a name from that of another value.
const NAMES: u32 = 1 << 31;
/// Texts that are found by their place: categories, states, codes of parents. A guess; a power of two.
const RECENT: usize = 256;

/// A feature that has no geometry yet.
pub struct Unplaced<'a, 't> {
    layer: &'a mut LayerWriter<'t>,
    id: Option<u64>,
}

/// A feature with its geometry; done when dropped.
pub struct Placed<'a, 't> {
    layer: &'a mut LayerWriter<'t>,
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

/// Two small numbers, mostly a byte each.
fn pair(bytes: &mut Vec<u8>, one: u64, other: u64) {
    if (one | other) < 0x80 {
        bytes.extend_from_slice(&[one as u8, other as u8]);
    } else {
        varint(bytes, one);
        varint(bytes, other);
    }
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

impl<'t> LayerWriter<'t> {
    /// A layer without features.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            features: vec![],
            geometry: vec![],
            tags: vec![],
            keys: vec![],
            values: Dictionary::default(),
            names: Dictionary::default(),
            recent: Box::new([None; RECENT]),
        }
    }

    /// One more feature.
    pub fn feature(&mut self, id: Option<u64>) -> Unplaced<'_, 't> {
        Unplaced { layer: self, id }
    }

    /// No feature yet.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Appends the layer to a tile; a layer without features is left out.
    pub fn finish(self, tile: &mut Vec<u8>) {
        tile.extend_from_slice(&self.bytes(true));
    }

    /// The layer as it stands in a tile, with or without what was told by [`Placed::name`].
    pub fn bytes(&self, with_names: bool) -> Vec<u8> {
        if self.is_empty() {
            return vec![];
        }
        let names = if with_names { self.names.bytes.as_slice() } else { &[] };
        let keys: usize = self.keys.iter().map(|key| 1 + varint_length(key.len() as u64) + key.len()).sum();
        let guess =
            self.geometry.len() + 6 * self.tags.len() + 20 * self.features.len() + keys + self.values.bytes.len() + names.len();
        // Room for what comes before the layer's content, whose length is not known yet.
        const FRONT: usize = 8;
        let mut bytes = Vec::with_capacity(FRONT + self.name.len() + guess + 16);
        bytes.resize(FRONT, 0);
        text(&mut bytes, LAYER_NAME, self.name);
        let value_count = self.values.starts.len() as u32;
        let mut coded = Vec::with_capacity(64);
        let (mut tags_start, mut geometry_start) = (0, 0);
        for head in &self.features {
            let tags = &self.tags[tags_start..head.tags as usize];
            let geometry = &self.geometry[geometry_start..head.geometry as usize];
            (tags_start, geometry_start) = (head.tags as usize, head.geometry as usize);
            coded.clear();
            for (key, value) in tags {
                let is_name = value & NAMES != 0;
                if with_names || !is_name {
                    varint(&mut coded, u64::from(*key));
                    varint(&mut coded, u64::from(if is_name { value_count + (value & !NAMES) } else { *value }));
                }
            }
            feature(&mut bytes, head, &coded, geometry);
        }
        self.keys.iter().for_each(|key| text(&mut bytes, LAYER_KEY, key));
        bytes.extend_from_slice(&self.values.bytes);
        bytes.extend_from_slice(names);
        bytes.push(LAYER_EXTENT);
        varint(&mut bytes, EXTENT as u64);
        bytes.extend([LAYER_VERSION, 2]);
        let mut front = Vec::with_capacity(FRONT);
        front.push(TILE_LAYER);
        varint(&mut front, (bytes.len() - FRONT) as u64);
        let start = FRONT - front.len();
        bytes[start..FRONT].copy_from_slice(&front);
        bytes.drain(..start);
        bytes
    }

    /// The number of a key. The few keys of a layer mostly come from the same places, so their addresses tell.
    fn key(&mut self, key: &'static str) -> u32 {
        match self.keys.iter().position(|known| std::ptr::eq(*known, key)) {
            Some(at) => at as u32,
            None => self.new_key(key),
        }
    }

    fn new_key(&mut self, key: &'static str) -> u32 {
        self.keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        }) as u32
    }

    /// The number of a value; a text at the place of an earlier one is that one.
    fn value(&mut self, value: Value<'t>) -> u32 {
        let Value::Text(text) = value else { return self.values.place_of(value) };
        let slot = (text.as_ptr() as usize).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - RECENT.trailing_zeros());
        match self.recent[slot] {
            Some((known, place)) if std::ptr::eq(known, text) => place,
            _ => {
                let place = self.values.place_of(value);
                self.recent[slot] = Some((text, place));
                place
            }
        }
    }
}

/// One feature as a message of its layer.
fn feature(bytes: &mut Vec<u8>, head: &Head, tags: &[u8], geometry: &[u8]) {
    let id = head.id.map_or(0, |id| 1 + varint_length(id));
    let packed = |bytes: &[u8]| if bytes.is_empty() { 0 } else { 1 + varint_length(bytes.len() as u64) + bytes.len() };
    bytes.push(LAYER_FEATURE);
    varint(bytes, (id + packed(tags) + 2 + packed(geometry)) as u64);
    if let Some(id) = head.id {
        bytes.push(FEATURE_ID);
        varint(bytes, id);
    }
    if !tags.is_empty() {
        bytes.push(FEATURE_TAGS);
        varint(bytes, tags.len() as u64);
        bytes.extend_from_slice(tags);
    }
    bytes.extend([FEATURE_TYPE, head.kind, FEATURE_GEOMETRY]);
    varint(bytes, geometry.len() as u64);
    bytes.extend_from_slice(geometry);
}

impl<'a, 't> Unplaced<'a, 't> {
    /// Rings as they are, exteriors clockwise on the map, each followed by its holes (section 4.3.4.4).
    pub fn polygon(self, rings: &Rings, frame: Frame) -> Placed<'a, 't> {
        let bytes = &mut self.layer.geometry;
        let (mut x, mut y) = (0, 0);
        let mut step = |bytes: &mut Vec<u8>, p: Pixel| {
            let (to_x, to_y) = ((p[0] - frame.origin[0]) * frame.scale, (p[1] - frame.origin[1]) * frame.scale);
            pair(bytes, zigzag(to_x - x), zigzag(to_y - y));
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
    pub fn point(self, x: i32, y: i32) -> Placed<'a, 't> {
        let bytes = &mut self.layer.geometry;
        bytes.push((MOVE_TO | 1 << 3) as u8);
        pair(bytes, zigzag(x), zigzag(y));
        Placed { layer: self.layer, id: self.id, kind: POINT }
    }
}

impl<'t> Placed<'_, 't> {
    /// One more attribute.
    pub fn tag(self, key: &'static str, value: impl Into<Value<'t>>) -> Self {
        let tag = (self.layer.key(key), self.layer.value(value.into()));
        self.layer.tags.push(tag);
        self
    }

    /// One more attribute, if there is a value, which no other feature of the layer has: it goes into the dictionary without a look.
    pub fn tag_once(self, key: &'static str, value: Option<impl Into<Value<'t>>>) -> Self {
        if let Some(value) = value {
            let tag = (self.layer.key(key), self.layer.values.add(value.into()));
            self.layer.tags.push(tag);
        }
        self
    }

    /// One more attribute, if there is a value.
    pub fn tag_some(self, key: &'static str, value: Option<impl Into<Value<'t>>>) -> Self {
        match value {
            Some(value) => self.tag(key, value),
            None => self,
        }
    }

    /// One more attribute that the layer can do without; see [`LayerWriter::bytes`].
    pub fn name(self, key: &'static str, value: Option<&'t str>) -> Self {
        if let Some(value) = value {
            let tag = (self.layer.key(key), NAMES | self.layer.names.place_of(Value::Text(value)));
            self.layer.tags.push(tag);
        }
        self
    }
}

impl Drop for Placed<'_, '_> {
    fn drop(&mut self) {
        let LayerWriter { features, geometry, tags, .. } = &mut *self.layer;
        features.push(Head { id: self.id, kind: self.kind, tags: tags.len() as u32, geometry: geometry.len() as u32 });
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
