//! GeoJSON of others, to be drawn as it is: positions converted to CGCS2000, everything else kept. Not imported: nothing of it is placed
//! in grids or counted as ours.

use crate::geom::{Crs, LonLat};
use crate::interchange::outgoing::pmtiles::gzip;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most bytes of a layer. What is larger belongs into PMTiles: a browser reads a layer whole.
pub const MOST_BYTES: usize = 16 << 20;
/// Most features of a layer.
pub const MOST_FEATURES: usize = 50_000;
/// Classes that are counted beside those the settings name; a property with more values parts nothing.
const MOST_CLASSES: usize = 100;

/// What is wrong with it, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}{why}", if .place.is_empty() { "" } else { ": " })]
pub struct BadGeoJson {
    /// Like `features[3].geometry.coordinates[0]`; empty: all of it.
    pub place: String,
    /// What is wrong.
    pub why: String,
}

/// A layer that is ready to go out.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// A FeatureCollection, its positions in CGCS2000 with seven digits.
    pub body: Bytes,
    /// The same, gzipped.
    pub gzipped: Bytes,
    /// How many features.
    pub count: usize,
    /// How many of each value of the property that was named, as text.
    pub by_class: BTreeMap<String, usize>,
    /// West, south, east, north; none without a position.
    pub bbox: Option<[f64; 4]>,
}

fn bad(place: &str, why: impl Into<String>) -> BadGeoJson {
    BadGeoJson { place: place.to_owned(), why: why.into() }
}

#[derive(serde::Deserialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    features: Option<Vec<&'a RawValue>>,
    crs: Option<Value>,
}

/// What parts features into classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// The property whose values are counted.
    pub field: String,
    /// Values that are counted however many others there are.
    pub known: Vec<String>,
}

/// A value as text, as a browser writes it: 3.0 is 3.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Reads a FeatureCollection.
pub fn read(bytes: &[u8], crs: Crs, classes: Option<&Classes>) -> Result<Features, BadGeoJson> {
    if bytes.len() > MOST_BYTES {
        return Err(bad("", format!("is larger than {} MB: make PMTiles of it", MOST_BYTES >> 20)));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let head: Head<'_> = serde_json::from_slice(bytes).map_err(|error| bad("", format!("is no GeoJSON: {error}")))?;
    if head.kind != "FeatureCollection" {
        return Err(bad("type", format!("is {:?}, not FeatureCollection", head.kind)));
    }
    stated(head.crs.as_ref(), crs)?;
    let features = head.features.ok_or_else(|| bad("features", "is missing"))?;
    if features.len() > MOST_FEATURES {
        return Err(bad("features", format!("are {}, more than {MOST_FEATURES}: make PMTiles of it", features.len())));
    }
    let mut reading = Reading { crs, bbox: None };
    let mut by_class: BTreeMap<String, usize> =
        classes.into_iter().flat_map(|classes| &classes.known).map(|value| (value.clone(), 0)).collect();
    let most_classes = by_class.len() + MOST_CLASSES;
    let mut body = Vec::with_capacity(bytes.len());
    body.extend_from_slice(br#"{"type":"FeatureCollection","features":["#);
    for (at, raw) in features.iter().enumerate() {
        let place = format!("features[{at}]");
        let mut feature: Map<String, Value> =
            serde_json::from_str(raw.get()).map_err(|error| bad(&place, format!("is no feature: {error}")))?;
        if feature.get("type").and_then(Value::as_str) != Some("Feature") {
            return Err(bad(&format!("{place}.type"), "is not Feature"));
        }
        let mut geometry = feature.remove("geometry").unwrap_or(Value::Null);
        reading.geometry(&mut geometry, &format!("{place}.geometry"), 0)?;
        let properties = match feature.remove("properties") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err(bad(&format!("{place}.properties"), "is neither an object nor null")),
        };
        if let Some(value) = classes.and_then(|classes| properties.get(&classes.field)).filter(|value| !value.is_null()) {
            let value = text(value);
            if by_class.len() < most_classes || by_class.contains_key(&value) {
                *by_class.entry(value).or_default() += 1;
            }
        }
        if at > 0 {
            body.push(b',');
        }
        // Numbered anew: a map takes only whole numbers, and others' ids may be texts.
        let feature = json!({ "type": "Feature", "id": at, "geometry": geometry, "properties": properties });
        serde_json::to_writer(&mut body, &feature).expect("values have text keys and finite numbers");
    }
    body.extend_from_slice(b"]}");
    let gzipped = gzip(&body).expect("writing to memory does not fail");
    Ok(Features { body: body.into(), gzipped: gzipped.into(), count: features.len(), by_class, bbox: reading.bbox })
}

/// A `crs` member (of before RFC 7946) must not say something else than the settings.
fn stated(member: Option<&Value>, crs: Crs) -> Result<(), BadGeoJson> {
    let Some(name) = member.and_then(|member| member["properties"]["name"].as_str()) else { return Ok(()) };
    let known = match name.rsplit([':', '/']).next().unwrap_or_default() {
        "CRS84" | "4326" => Some(Crs::Wgs84),
        "4490" => Some(Crs::Cgcs2000),
        _ => None,
    };
    let geographic = |crs: Crs| matches!(crs, Crs::Wgs84 | Crs::Cgcs2000);
    // Programs write CRS84 into everything, shifted positions too: those the settings know better.
    match known {
        Some(known) if geographic(known) && (geographic(crs) || name.ends_with("CRS84")) => Ok(()),
        _ => Err(bad("crs", format!("says {name:?}, the settings say {crs}"))),
    }
}

struct Reading {
    crs: Crs,
    bbox: Option<[f64; 4]>,
}

impl Reading {
    /// Geometries may hold geometries, not without end.
    const MOST_DEPTH: usize = 4;

    fn geometry(&mut self, geometry: &mut Value, place: &str, depth: usize) -> Result<(), BadGeoJson> {
        if geometry.is_null() {
            return Ok(());
        }
        let Some(object) = geometry.as_object_mut() else { return Err(bad(place, "is no geometry")) };
        let kind = object.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let levels = match kind.as_str() {
            "Point" => 0,
            "MultiPoint" | "LineString" => 1,
            "MultiLineString" | "Polygon" => 2,
            "MultiPolygon" => 3,
            "GeometryCollection" if depth < Self::MOST_DEPTH => {
                let Some(Value::Array(parts)) = object.get_mut("geometries") else {
                    return Err(bad(&format!("{place}.geometries"), "is missing"));
                };
                return parts
                    .iter_mut()
                    .enumerate()
                    .try_for_each(|(at, part)| self.geometry(part, &format!("{place}.geometries[{at}]"), depth + 1));
            }
            _ => return Err(bad(&format!("{place}.type"), format!("{kind:?} is no type of a geometry"))),
        };
        let place = format!("{place}.coordinates");
        let coordinates = object.get_mut("coordinates").ok_or_else(|| bad(&place, "is missing"))?;
        self.coordinates(coordinates, levels, &mut Vec::new()).map_err(|(at, why)| {
            let at: String = at.iter().map(|at| format!("[{at}]")).collect();
            bad(&format!("{place}{at}"), why)
        })
    }

    fn coordinates(&mut self, value: &mut Value, levels: u8, at: &mut Vec<usize>) -> Result<(), (Vec<usize>, String)> {
        let Some(parts) = value.as_array_mut() else { return Err((at.clone(), "is no array".to_owned())) };
        if levels > 0 {
            for (n, part) in parts.iter_mut().enumerate() {
                at.push(n);
                self.coordinates(part, levels - 1, at)?;
                at.pop();
            }
            return Ok(());
        }
        let number = |n: usize| parts.get(n).and_then(Value::as_f64);
        let (Some(x), Some(y)) = (number(0), number(1)) else {
            return Err((at.clone(), "is no position [lon, lat]".to_owned()));
        };
        let position = LonLat::new(x, y).and_then(|position| self.crs.to_cgcs2000(position));
        let position = position.map_err(|error| (at.clone(), error.to_string()))?;
        let (lon, lat) = (rounded(position.lon()), rounded(position.lat()));
        let [west, south, east, north] = self.bbox.unwrap_or([lon, lat, lon, lat]);
        self.bbox = Some([west.min(lon), south.min(lat), east.max(lon), north.max(lat)]);
        *value = json!([lon, lat]);
        Ok(())
    }
}

/// Seven digits: a centimetre.
fn rounded(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection(geometry: &str) -> String {
        format!(
            r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"level":3,"name":"甲"}},"geometry":{geometry}}}]}}"#
        )
    }

    #[test]
    fn a_class_of_the_settings_is_counted_behind_any_number_of_others() {
        let feature = |level: &str| format!(r#"{{"type":"Feature","geometry":null,"properties":{{"level":{level}}}}}"#);
        let others = (0..500).map(|n| feature(&format!("\"{n} m\"")));
        let all: Vec<String> = others.chain([feature("3.0"), feature("\"high\""), feature("2.5"), feature("3")]).collect();
        let text = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, all.join(","));
        let classes = Classes { field: "level".to_owned(), known: ["high", "3", "none"].map(str::to_owned).to_vec() };
        let counted = read(text.as_bytes(), Crs::Wgs84, Some(&classes)).expect("features").by_class;
        assert_eq!((counted["high"], counted["3"], counted["none"]), (1, 2, 0), "3.0 is 3, as browsers write it");
        assert_eq!(counted.len(), 3 + MOST_CLASSES);
    }

    #[test]
    fn positions_are_converted_once_and_the_rest_is_kept() {
        let text = collection(r#"{"type":"Point","coordinates":[116.404,39.915,7.5]}"#);
        let levels = Classes { field: "level".to_owned(), known: Vec::new() };
        let plain = read(text.as_bytes(), Crs::Wgs84, Some(&levels)).expect("features");
        let told: Value = serde_json::from_slice(&plain.body).expect("JSON");
        assert_eq!(told["features"][0]["geometry"], json!({ "type": "Point", "coordinates": [116.404, 39.915] }));
        assert_eq!(told["features"][0]["properties"], json!({ "level": 3, "name": "甲" }));
        assert_eq!((plain.count, plain.by_class.get("3"), plain.bbox), (1, Some(&1), Some([116.404, 39.915, 116.404, 39.915])));
        let shifted = read(text.as_bytes(), Crs::Gcj02, None).expect("features");
        let told: Value = serde_json::from_slice(&shifted.body).expect("JSON");
        let expected = Crs::Gcj02.to_cgcs2000(LonLat::new(116.404, 39.915).expect("a position")).expect("in range");
        let lon = told["features"][0]["geometry"]["coordinates"][0].as_f64().expect("a number");
        assert!((lon - expected.lon()).abs() < 6e-8 && (lon - 116.404).abs() > 0.005, "{lon}");
        assert_eq!(crate::interchange::pmtiles::gunzip(&shifted.gzipped, 10_000).expect("unpacks"), shifted.body);
    }

    #[test]
    fn every_kind_of_geometry_is_read_and_none_is_no_fault() {
        for geometry in [
            "null",
            r#"{"type":"MultiPoint","coordinates":[[1,2],[3,4]]}"#,
            r#"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#,
            r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}"#,
            r#"{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]]]}"#,
            r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]}]}"#,
        ] {
            let read = read(collection(geometry).as_bytes(), Crs::Cgcs2000, None).expect(geometry);
            assert_eq!(read.count, 1, "{geometry}");
        }
    }

    #[test]
    fn a_fault_says_where_it_is() {
        for (text, place) in [
            (collection(r#"{"type":"Point","coordinates":[30.0,122.0]}"#), "features[0].geometry.coordinates: "),
            (collection(r#"{"type":"Point","coordinates":[1]}"#), "features[0].geometry.coordinates: is no position"),
            (collection(r#"{"type":"Polygon","coordinates":[[[0,0],[1,"0"]]]}"#), "features[0].geometry.coordinates[0][1]: "),
            (collection(r#"{"type":"LineString","coordinates":[[500000,3300000]]}"#), "features[0].geometry.coordinates[0]: "),
            (collection(r#"{"type":"Circle"}"#), "features[0].geometry.type: "),
            (
                collection(r#"{"type":"GeometryCollection","geometries":[{"type":"Point"}]}"#),
                "geometries[0].coordinates: is missing",
            ),
            (r#"{"type":"Feature"}"#.to_owned(), "type: "),
            (r#"{"type":"FeatureCollection"}"#.to_owned(), "features: "),
            (r#"{"type":"FeatureCollection","features":[{}]}"#.to_owned(), "features[0].type"),
            (
                r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":[]}]}"#.to_owned(),
                "features[0].properties",
            ),
            ("{\"type\":\"FeatureCollection\",\n\"features\":[}".to_owned(), "line 2 column"),
            (
                r#"{"type":"FeatureCollection","crs":{"properties":{"name":"urn:ogc:def:crs:EPSG::3857"}},"features":[]}"#
                    .to_owned(),
                "crs: ",
            ),
        ] {
            let error = read(text.as_bytes(), Crs::Wgs84, None).expect_err(&text).to_string();
            assert!(error.contains(place), "{text}: {error}");
        }
        let deep = (0..9).fold(r#"{"type":"Point","coordinates":[1,2]}"#.to_owned(), |inner, _| {
            format!(r#"{{"type":"GeometryCollection","geometries":[{inner}]}}"#)
        });
        assert!(read(collection(&deep).as_bytes(), Crs::Wgs84, None).is_err());
        assert!(read(&vec![b' '; MOST_BYTES + 1], Crs::Wgs84, None).expect_err("large").to_string().contains("PMTiles"));
    }
}
