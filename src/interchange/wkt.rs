//! Well-known text of a CRS as it stands in `.prj` files, GeoPackages and FlatGeobuf: WKT 1 as ESRI and as GDAL write it, WKT 2
//! (OGC 18-010). Understood are Transverse Mercator and degrees on the datums that [`NamedCrs`] has; anything else is told by its name.

use crate::geom::NamedCrs;
use crate::geom::crs::Crs;
use crate::geom::file_crs::{Frame, OldDatum, plane_fault};
use crate::geom::transverse_mercator::TransverseMercator;

/// Largest text that is looked at. Real ones have 2 KB.
const MOST_BYTES: usize = 64 << 10;
/// Deepest nesting. Real ones have 6.
const MOST_DEEP: usize = 32;

/// `KEYWORD["text",1.0,OTHER[…]]`
#[derive(Debug, Default)]
struct Node {
    /// Upper case.
    keyword: String,
    texts: Vec<String>,
    numbers: Vec<f64>,
    nodes: Vec<Node>,
}

impl Node {
    fn is(&self, keywords: &[&str]) -> bool {
        keywords.contains(&self.keyword.as_str())
    }

    fn child(&self, keywords: &[&str]) -> Option<&Self> {
        self.nodes.iter().find(|node| node.is(keywords))
    }

    fn text(&self) -> &str {
        self.texts.first().map_or("", String::as_str)
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, any: &[char]) -> bool {
        self.skip();
        match self.rest.strip_prefix(any) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A quoted text; a doubled quote stands for one.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let end = self.rest.find('"')?;
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end + 1..];
            if !self.rest.starts_with('"') {
                return Some(text);
            }
            text.push('"');
            self.rest = &self.rest[1..];
        }
    }

    /// A keyword or number.
    fn word(&mut self) -> &str {
        self.skip();
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_+-.".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn node(&mut self, depth: usize) -> Option<Node> {
        let mut node = Node { keyword: self.word().to_ascii_uppercase(), ..Node::default() };
        if node.keyword.is_empty() || depth > MOST_DEEP || !self.take(&['[', '(']) {
            return None;
        }
        loop {
            self.skip();
            if self.take(&['"']) {
                node.texts.push(self.quoted()?);
            } else {
                let before = self.rest;
                let word = self.word().to_owned();
                self.skip();
                if self.rest.starts_with(['[', '(']) {
                    self.rest = before;
                    node.nodes.push(self.node(depth + 1)?);
                } else if let Ok(number) = word.parse() {
                    node.numbers.push(number);
                } else if !word.is_empty() {
                    node.texts.push(word);
                }
            }
            if self.take(&[']', ')']) {
                return Some(node);
            }
            if !self.take(&[',']) {
                return None;
            }
        }
    }
}

/// The CRS that a text describes; else what it is, in a few words.
pub fn crs_of(text: &str) -> Result<NamedCrs, String> {
    let text = text.trim_start_matches('\u{feff}').trim_matches(['\0', ' ', '\n', '\r', '\t']);
    if text.len() > MOST_BYTES {
        return Err("more than 64 KB are no well-known text".to_owned());
    }
    let root = Parser { rest: text }.node(0).ok_or_else(|| "it is no well-known text".to_owned())?;
    let root = horizontal(&root);
    let name = root.text().to_owned();
    if root.is(&["GEOGCS", "GEOGCRS", "GEODCRS", "GEODETICCRS", "GEOGRAPHICCRS"]) {
        let frame = frame(root)?;
        degrees(root)?;
        return Ok(NamedCrs { frame, plane: None });
    }
    if !root.is(&["PROJCS", "PROJCRS", "PROJECTEDCRS"]) {
        return Err(format!("{name:?} ({}) is neither degrees nor a plane", root.keyword));
    }
    let base = root.child(&["GEOGCS", "BASEGEOGCRS", "BASEGEODCRS"]).ok_or_else(|| format!("{name:?} has no datum"))?;
    let frame = frame(base)?;
    let plane = plane(root).map_err(|why| format!("{name:?}: {why}"))?;
    Ok(NamedCrs { frame, plane: Some(plane) })
}

/// The horizontal part of a compound, the source of a bound CRS.
fn horizontal(root: &Node) -> &Node {
    let mut node = root;
    for _ in 0..3 {
        if node.is(&["COMPD_CS", "COMPOUNDCRS"]) {
            let Some(first) = node.nodes.first() else { break };
            node = first;
        } else if node.is(&["BOUNDCRS"]) {
            let Some(source) = node.child(&["SOURCECRS"]).and_then(|source| source.nodes.first()) else { break };
            node = source;
        }
    }
    node
}

/// Letters and digits in lower case: `D_China_2000`, `China 2000` and `China_2000` are one.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn frame(geographic: &Node) -> Result<Frame, String> {
    let datum = geographic.child(&["DATUM", "ENSEMBLE", "GEODETICDATUM", "TRF"]);
    let told = datum.map_or("", Node::text);
    let ellipsoid = datum.and_then(|datum| datum.child(&["SPHEROID", "ELLIPSOID"]));
    let known = [
        ("cgcs2000", Frame::Position(Crs::Cgcs2000)),
        ("china2000", Frame::Position(Crs::Cgcs2000)),
        ("chinageodeticcoordinatesystem2000", Frame::Position(Crs::Cgcs2000)),
        ("wgs1984", Frame::Position(Crs::Wgs84)),
        ("wgs84", Frame::Position(Crs::Wgs84)),
        ("worldgeodeticsystem1984", Frame::Position(Crs::Wgs84)),
        ("xian1980", Frame::Old(OldDatum::Xian80)),
        ("beijing1954", Frame::Old(OldDatum::Beijing54)),
    ];
    let names = [told, geographic.text(), ellipsoid.map_or("", Node::text)].map(plain);
    let found = names.iter().find_map(|name| known.iter().find(|(word, _)| name.contains(word)).map(|(_, frame)| *frame));
    let Some(frame) = found else { return Err(format!("the datum {told:?} is not known here")) };
    let numbers = ellipsoid.map_or(&[][..], |ellipsoid| &ellipsoid.numbers[..]);
    let figure = frame.ellipsoid();
    // GDAL and ESRI round 1/f to 9 digits or more; the nearest other figure differs in the seventh.
    if let [a, inverse_flattening, ..] = *numbers
        && ((a - figure.a).abs() > 0.5 || (inverse_flattening - figure.inverse_flattening).abs() > 1e-4)
    {
        return Err(format!("the datum {told:?} has the ellipsoid {a}, 1/{inverse_flattening}, which is not its own"));
    }
    match geographic.child(&["PRIMEM", "PRIMEMERIDIAN"]).map(|meridian| meridian.numbers.first()) {
        Some(Some(meridian)) if *meridian != 0.0 => Err(format!("its prime meridian is {meridian}, not Greenwich")),
        _ => Ok(frame),
    }
}

/// Degrees must be degrees.
fn degrees(geographic: &Node) -> Result<(), String> {
    let unit = geographic.child(&["UNIT", "ANGLEUNIT"]).and_then(|unit| unit.numbers.first());
    match unit {
        Some(unit) if (unit - 1f64.to_radians()).abs() > 1e-9 => Err(format!("its angles are not in degrees (unit {unit})")),
        _ => Ok(()),
    }
}

/// A name of a parameter in each of the three dialects → place in the table of [`plane`].
const PARAMETERS: [(&str, usize); 15] = [
    ("centralmeridian", 0),
    ("longitudeofnaturalorigin", 0),
    ("longitudeoforigin", 0),
    ("longitudeofcenter", 0),
    ("falseeasting", 1),
    ("falsenorthing", 2),
    ("scalefactor", 3),
    ("scalefactoratnaturalorigin", 3),
    ("scalefactoratcentralmeridian", 3),
    ("latitudeoforigin", 4),
    ("latitudeofnaturalorigin", 4),
    ("latitudeofcenter", 4),
    ("eastingatfalseorigin", 1),
    ("northingatfalseorigin", 2),
    ("centralparallel", 4),
];

fn plane(projected: &Node) -> Result<TransverseMercator, String> {
    let conversion = projected.child(&["CONVERSION"]);
    let method = match conversion {
        Some(conversion) => conversion.child(&["METHOD", "PROJECTION"]),
        None => projected.child(&["PROJECTION"]),
    };
    let method = method.map_or("", Node::text);
    if !["transversemercator", "gausskruger", "gausskrger"].contains(&plain(method).as_str()) {
        return Err(format!("the projection {method:?} is not taken, only Transverse Mercator (Gauss-Krüger)"));
    }
    let mut given: [Option<f64>; 5] = [None; 5];
    for parameter in conversion.unwrap_or(projected).nodes.iter().filter(|node| node.keyword == "PARAMETER") {
        let name = plain(parameter.text());
        let Some((_, at)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
            return Err(format!("the parameter {:?} is not known here", parameter.text()));
        };
        let number = parameter.numbers.first().ok_or_else(|| format!("{} has no number", parameter.text()))?;
        given[*at] = Some(*number);
    }
    let units = ["UNIT", "LENGTHUNIT"];
    let unit = projected.child(&units).or_else(|| projected.nodes.iter().rev().find_map(|node| node.child(&units)));
    if let Some(unit) = unit.and_then(|unit| unit.numbers.first()).filter(|unit| (**unit - 1.0).abs() > 1e-9) {
        return Err(format!("its unit is {unit} m, not the metre"));
    }
    let plane = TransverseMercator {
        central_meridian: given[0].ok_or("it has no central meridian")?,
        false_easting: given[1].unwrap_or(0.0),
        false_northing: given[2].unwrap_or(0.0),
        scale: given[3].unwrap_or(1.0),
        origin_latitude: given[4].unwrap_or(0.0),
    };
    plane_fault(&plane).map_or(Ok(plane), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ESRI: &str = r#"PROJCS["CGCS2000_3_Degree_GK_Zone_41",GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Gauss_Kruger"],PARAMETER["False_Easting",41500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",123.0],PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]"#;
    const GDAL: &str = r#"PROJCS["CGCS2000 / 3-degree Gauss-Kruger zone 41",GEOGCS["China Geodetic Coordinate System 2000",DATUM["China_2000",SPHEROID["CGCS2000",6378137,298.257222101,AUTHORITY["EPSG","1024"]],AUTHORITY["EPSG","1043"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4490"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",123],PARAMETER["scale_factor",1],PARAMETER["false_easting",41500000],PARAMETER["false_northing",0],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AUTHORITY["EPSG","4529"]]"#;
    const WKT2: &str = r#"PROJCRS["CGCS2000 / 3-degree Gauss-Kruger zone 41",
    BASEGEOGCRS["China Geodetic Coordinate System 2000",
        DATUM["China 2000",ELLIPSOID["CGCS2000",6378137,298.257222101,LENGTHUNIT["metre",1]]],
        PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]],ID["EPSG",4490]],
    CONVERSION["3-degree Gauss-Kruger zone 41",METHOD["Transverse Mercator",ID["EPSG",9807]],
        PARAMETER["Latitude of natural origin",0,ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8801]],
        PARAMETER["Longitude of natural origin",123,ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8802]],
        PARAMETER["Scale factor at natural origin",1,SCALEUNIT["unity",1],ID["EPSG",8805]],
        PARAMETER["False easting",41500000,LENGTHUNIT["metre",1],ID["EPSG",8806]],
        PARAMETER["False northing",0,LENGTHUNIT["metre",1],ID["EPSG",8807]]],
    CS[Cartesian,2],AXIS["northing (X)",north,ORDER[1],LENGTHUNIT["metre",1]],AXIS["easting (Y)",east,ORDER[2],LENGTHUNIT["metre",1]],
    ID["EPSG",4529]]"#;

    #[test]
    fn a_zone_is_known_in_every_dialect() {
        for (text, name) in [
            (ESRI.to_owned(), "epsg:4529"),
            (GDAL.to_owned(), "epsg:4529"),
            (WKT2.to_owned(), "epsg:4529"),
            (format!("\u{feff}{ESRI}\r\n\0"), "epsg:4529"),
            (format!("COMPD_CS[\"both\",{GDAL},VERT_CS[\"height\",VERT_DATUM[\"sea\",2005]]]"), "epsg:4529"),
            (ESRI.replace("41500000.0", "500000.0").replace("123.0", "120.0"), "epsg:4549"),
            (ESRI.replace("41500000.0", "400000.0").replace("123.0", "122.25"), "cgcs2000:tm:cm=122.25,fe=400000"),
            (ESRI.replace("D_China_2000", "D_Xian_1980").replace("6378137.0,298.257222101", "6378140.0,298.257"), "epsg:2365"),
            (ESRI.replace("D_China_2000", "D_Beijing_1954").replace("6378137.0,298.257222101", "6378245.0,298.3"), "epsg:2417"),
        ] {
            assert_eq!(crs_of(&text).expect(name).to_string(), name);
        }
    }

    #[test]
    fn degrees_are_known_by_their_datum() {
        for (text, name) in [
            (
                r#"GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]"#,
                "cgcs2000",
            ),
            (
                r#"GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]"#,
                "wgs84",
            ),
            (
                r#"GEOGCRS["WGS 84",ENSEMBLE["World Geodetic System 1984 ensemble",MEMBER["WGS 84 (Transit)"],ELLIPSOID["WGS 84",6378137,298.257223563]],CS[ellipsoidal,2],AXIS["latitude",north],AXIS["longitude",east],ANGLEUNIT["degree",0.0174532925199433]]"#,
                "wgs84",
            ),
            (
                r#"GEOGCS["GCS_Xian_1980",DATUM["D_Xian_1980",SPHEROID["Xian_1980",6378140.0,298.257]],PRIMEM["Greenwich",0.0]]"#,
                "xian80",
            ),
        ] {
            assert_eq!(crs_of(text).expect(name).to_string(), name);
        }
    }

    #[test]
    fn what_is_not_understood_is_told_by_its_name() {
        for (text, word) in [
            (ESRI.replace("Gauss_Kruger", "Lambert_Conformal_Conic"), "Lambert_Conformal_Conic"),
            (
                ESRI.replace("D_China_2000", "D_Tokyo")
                    .replace("GCS_China_Geodetic_Coordinate_System_2000", "GCS_Tokyo")
                    .replace("CGCS2000\"", "Bessel\""),
                "D_Tokyo",
            ),
            (ESRI.replace("298.257222101", "298.3"), "not its own"),
            (ESRI.replace("UNIT[\"Meter\",1.0]", "UNIT[\"Foot_US\",0.3048006096012192]"), "not the metre"),
            (ESRI.replace("\"Greenwich\",0.0", "\"Paris\",2.337"), "Greenwich"),
            (ESRI.replace("PARAMETER[\"Central_Meridian\",123.0],", ""), "no central meridian"),
            ("LOCAL_CS[\"engineering\"]".to_owned(), "neither"),
            ("hello".to_owned(), "no well-known text"),
            (String::new(), "no well-known text"),
            ("A[".repeat(10_000), "no well-known text"),
        ] {
            let why = crs_of(&text).expect_err(word);
            assert!(why.contains(word), "{why}");
        }
    }

    proptest! {
        #[test]
        fn damaged_text_is_refused_and_nothing_breaks(cut in 0..2000_usize, at in 0..2000_usize, with in any::<char>()) {
            for whole in [ESRI, GDAL, WKT2] {
                let mut chars: Vec<char> = whole.chars().take(cut).collect();
                if let Some(place) = chars.get_mut(at) {
                    *place = with;
                }
                let _ = crs_of(&chars.into_iter().collect::<String>());
            }
        }
    }
}
