//! One GeoJSON feature (RFC 7946 §3.2) from its text.

use super::text::not_utf8;
use super::{RawRecord, RawShape};
use crate::domain::fault::{Fault, FaultKind};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Column names, each kept once for the whole file.
#[derive(Default)]
pub(super) struct Names {
    known: HashMap<Box<str>, Arc<str>>,
}

impl Names {
    fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.known.get(text) {
            return Arc::clone(name);
        }
        let name: Arc<str> = text.into();
        self.known.insert(text.into(), Arc::clone(&name));
        name
    }
}

/// One feature from its text.
pub(super) fn feature(text: &[u8], number: u64, names: &mut Names) -> Result<RawRecord, Fault> {
    let named = |mut fault: Fault, field: Option<&str>| {
        fault.record = Some(number);
        fault.field = field.map(str::to_owned);
        fault
    };
    if let Some(fault) = not_utf8(text) {
        let field = std::str::from_utf8(text).err().and_then(|error| key_before(&text[..error.valid_up_to()]));
        return Err(named(fault, field.as_deref()));
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let parsed = FeatureSeed { names }.deserialize(&mut json).and_then(|feature| json.end().map(|()| feature));
    let feature = match parsed {
        Ok(feature) => feature,
        Err(error) if has_bare_nan(text) => {
            let detail = format!("a coordinate or value is NaN or Infinity, which JSON does not have ({error})");
            return Err(named(Fault::new(FaultKind::BadPosition, detail), key_before_nan(text).as_deref()));
        }
        Err(error) => {
            let detail = if error.is_eof() { format!("truncated: {error}") } else { format!("not a GeoJSON feature: {error}") };
            return Err(named(Fault::new(FaultKind::BadSyntax, detail), None));
        }
    };
    if feature.kind.as_deref() != Some("Feature") {
        let detail = format!("type is {:?}, a Feature is needed", feature.kind.unwrap_or_default());
        return Err(named(Fault::new(FaultKind::BadSyntax, detail), Some("type")));
    }
    let shape = match feature.geometry {
        None => RawShape::Absent,
        Some(geometry) => {
            geometry.shape().map_err(|detail| named(Fault::new(FaultKind::BadPosition, detail), Some("geometry.coordinates")))?
        }
    };
    Ok(RawRecord { number, fields: feature.fields, shape })
}

/// The last member name before a place, for messages.
fn key_before(text: &[u8]) -> Option<String> {
    let (mut at, mut key, mut string) = (0, None, None);
    while at < text.len() {
        match text[at] {
            b'"' => {
                let start = at + 1;
                at = start;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                string = text.get(start..at);
            }
            b':' => key = string.take(),
            _ => {}
        }
        at += 1;
    }
    key.map(|key| String::from_utf8_lossy(key).into_owned())
}

fn nan_at(text: &[u8]) -> Option<usize> {
    let (mut at, mut in_string) = (0, false);
    while at < text.len() {
        match text[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'n' if !in_string && text[at..].get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"nan")) => {
                return Some(at);
            }
            b'I' if !in_string && text[at..].starts_with(b"Inf") => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn has_bare_nan(text: &[u8]) -> bool {
    nan_at(text).is_some()
}

fn key_before_nan(text: &[u8]) -> Option<String> {
    nan_at(text).and_then(|at| key_before(&text[..at]))
}

#[derive(Default)]
struct Feature {
    kind: Option<String>,
    fields: Vec<(Arc<str>, Value)>,
    geometry: Option<Geometry>,
}

struct FeatureSeed<'a> {
    names: &'a mut Names,
}

impl<'de> DeserializeSeed<'de> for FeatureSeed<'_> {
    type Value = Feature;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Feature, D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Member {
    Type,
    Id,
    Properties,
    Geometry,
    #[serde(other)]
    Foreign,
}

impl<'de> Visitor<'de> for FeatureSeed<'_> {
    type Value = Feature;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GeoJSON Feature")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Feature, A::Error> {
        let mut feature = Feature::default();
        let mut id = None;
        while let Some(member) = map.next_key()? {
            match member {
                Member::Type => feature.kind = Some(map.next_value()?),
                // `@id` never collides with a property of the usual exports, and OSM tools call it so.
                Member::Id => id = Some(map.next_value::<Value>()?),
                Member::Properties => feature.fields = map.next_value_seed(FieldsSeed { names: &mut *self.names })?,
                Member::Geometry => feature.geometry = map.next_value()?,
                Member::Foreign => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if let Some(id) = id.filter(|_| !feature.fields.iter().any(|(name, _)| &**name == "@id")) {
            feature.fields.push((self.names.name("@id"), id));
        }
        Ok(feature)
    }
}

struct FieldsSeed<'a> {
    names: &'a mut Names,
}

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = Vec<(Arc<str>, Value)>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = Vec<(Arc<str>, Value)>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of properties or null")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(8);
        while let Some(name) = map.next_key_seed(NameSeed { names: &mut *self.names })? {
            fields.push((name, map.next_value()?));
        }
        Ok(fields)
    }
}

struct NameSeed<'a> {
    names: &'a mut Names,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Arc<str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Arc<str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property name")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        Ok(self.names.name(text))
    }
}

#[derive(Deserialize)]
struct Geometry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    coordinates: Option<Nest>,
}

/// Coordinates of any depth.
enum Nest {
    Position([f64; 2]),
    List(Vec<Nest>),
}

impl Geometry {
    fn shape(self) -> Result<RawShape, String> {
        let depth_fault = || "the nesting of the coordinates does not fit the type".to_owned();
        match self.kind.as_str() {
            "Point" => match self.coordinates {
                Some(Nest::Position(position)) => Ok(RawShape::Point(position)),
                // An empty geometry.
                Some(Nest::List(list)) if list.is_empty() => Ok(RawShape::Absent),
                None | Some(Nest::List(_)) => Err(depth_fault()),
            },
            "Polygon" => self.coordinates.and_then(rings).map(|rings| RawShape::Polygons(vec![rings])).ok_or_else(depth_fault),
            "MultiPolygon" => match self.coordinates {
                Some(Nest::List(parts)) => {
                    parts.into_iter().map(rings).collect::<Option<_>>().map(RawShape::Polygons).ok_or_else(depth_fault)
                }
                None | Some(Nest::Position(_)) => Err(depth_fault()),
            },
            _ => Ok(RawShape::Other(self.kind)),
        }
    }
}

fn rings(nest: Nest) -> Option<Vec<Vec<[f64; 2]>>> {
    let Nest::List(rings) = nest else { return None };
    let ring = |nest| match nest {
        Nest::List(positions) => positions
            .into_iter()
            .map(|nest| match nest {
                Nest::Position(position) => Some(position),
                Nest::List(_) => None,
            })
            .collect(),
        Nest::Position(_) => None,
    };
    rings.into_iter().map(ring).collect()
}

impl<'de> Deserialize<'de> for Nest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NestVisitor)
    }
}

struct NestVisitor;

impl<'de> Visitor<'de> for NestVisitor {
    type Value = Nest;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of coordinates")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Nest, A::Error> {
        match seq.next_element()? {
            None => Ok(Nest::List(Vec::new())),
            Some(Item::Nest(first)) => {
                let mut list = vec![first];
                while let Some(nest) = seq.next_element()? {
                    list.push(nest);
                }
                Ok(Nest::List(list))
            }
            Some(Item::Number(first)) => {
                let Some(Item::Number(second)) = seq.next_element()? else {
                    return Err(A::Error::custom("a position needs two numbers"));
                };
                // Height and measure are not kept.
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Nest::Position([first, second]))
            }
        }
    }
}

enum Item {
    Number(f64),
    Nest(Nest),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or an array")
    }
    fn visit_f64<E>(self, number: f64) -> Result<Item, E> {
        Ok(Item::Number(number))
    }
    #[expect(clippy::cast_precision_loss, reason = "a coordinate that large is refused as out of range")]
    fn visit_i64<E>(self, number: i64) -> Result<Item, E> {
        Ok(Item::Number(number as f64))
    }
    #[expect(clippy::cast_precision_loss, reason = "a coordinate that large is refused as out of range")]
    fn visit_u64<E>(self, number: u64) -> Result<Item, E> {
        Ok(Item::Number(number as f64))
    }
    // Some writers put null where they had NaN: the position is then refused with its place in the ring.
    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Number(f64::NAN))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Item, A::Error> {
        NestVisitor.visit_seq(seq).map(Item::Nest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RawRecord, Fault> {
        feature(text.as_bytes(), 7, &mut Names::default())
    }

    #[test]
    fn members_may_stand_in_any_order() {
        let record = parse(
            r#"{"geometry":{"coordinates":[[[0,0,9],[4,0],[4,4],[0,0]]],"type":"Polygon"},"bbox":[0,0,4,4],"id":"a7",
               "properties":{"名称":"甲","n":3},"type":"Feature"}"#,
        )
        .expect("a feature");
        assert_eq!(record.number, 7);
        assert_eq!(record.shape, RawShape::Polygons(vec![vec![vec![[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 0.0]]]]));
        let names: Vec<&str> = record.fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["名称", "n", "@id"]);
    }

    #[test]
    fn seventeen_digits_are_read_as_the_nearest_double() {
        // All of them close to the middle between two lattice points: one unit in the last place would choose the other one, and a
        // table that says the same would differ.
        for text in ["122.16557845000001", "122.19934325000001", "122.27014854999999", "122.06071214999999"] {
            let feature = format!(r#"{{"type":"Feature","geometry":{{"type":"Point","coordinates":[{text},30]}}}}"#);
            let nearest: f64 = text.parse().expect("a number");
            assert_eq!(parse(&feature).expect("a feature").shape, RawShape::Point([nearest, 30.0]), "{text}");
        }
    }

    #[test]
    fn what_is_no_feature_is_a_fault_of_its_record() {
        for (text, kind, word) in [
            (
                r#"{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[NaN,1]}}"#,
                FaultKind::BadPosition,
                "NaN",
            ),
            (r#"{"type":"Feature","properties":{"a":1"#, FaultKind::BadSyntax, "truncated"),
            (
                r#"{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[1]}}"#,
                FaultKind::BadSyntax,
                "two numbers",
            ),
            (r#"{"type":"Point","coordinates":[1,2]}"#, FaultKind::BadSyntax, "Feature is needed"),
            (r#"{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[1,2]]}}"#, FaultKind::BadPosition, "nesting"),
        ] {
            let fault = parse(text).expect_err(text);
            assert_eq!((fault.kind, fault.record), (kind, Some(7)), "{text}: {fault}");
            assert!(fault.detail.contains(word), "{text}: {fault}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_named_with_their_field() {
        let mut text = br#"{"type":"Feature","properties":{"code":"1","name":""#.to_vec();
        text.extend([0xB1, 0xA6, 0xBB, 0xAA, 0xD5, 0xF2]);
        text.extend(br#""},"geometry":null}"#);
        let fault = feature(&text, 3, &mut Names::default()).expect_err("GBK");
        assert_eq!((fault.kind, fault.record, fault.field.as_deref()), (FaultKind::NotUtf8, Some(3), Some("name")));
        assert!(fault.detail.contains("GBK"));
    }
}
