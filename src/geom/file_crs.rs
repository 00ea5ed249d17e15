//! What the coordinates of a file may be in: a CRS of positions, a Gauss-Krüger plane, or an old Chinese datum with its seven parameters.
//! Positions of devices are never in these; see [`Crs`].
//!
//! EPSG numbers its Gauss-Krüger systems in rows, one for each datum, width of zone, and easting with or without the zone's number, so
//! the table is four rules a datum. All of them name the northing first; files have the easting first whatever their CRS says, and
//! those that do not are found by [`candidates`].

use super::helmert::Helmert;
use super::lonlat::{LonLat, PositionError};
use super::transverse_mercator::{Ellipsoid, Plane, ProjectionError, TransverseMercator};
use super::{Crs, crs};
use std::fmt;

/// Datums before CGCS2000. They are off by tens to hundreds of metres, differently in each region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldDatum {
    /// 西安 80 (EPSG:4610).
    Xian80,
    /// 北京 54 (EPSG:4214).
    Beijing54,
}

impl OldDatum {
    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Xian80 => "Xian 1980",
            Self::Beijing54 => "Beijing 1954",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Xian80 => "xian80",
            Self::Beijing54 => "beijing54",
        }
    }

    /// Its figure of the earth.
    pub fn ellipsoid(self) -> Ellipsoid {
        match self {
            Self::Xian80 => Ellipsoid::IAG75,
            Self::Beijing54 => Ellipsoid::KRASSOWSKY,
        }
    }
}

/// What degrees refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// One of those that need nothing more.
    Position(Crs),
    /// One that needs seven parameters.
    Old(OldDatum),
}

impl Frame {
    /// Its figure of the earth.
    pub fn ellipsoid(self) -> Ellipsoid {
        match self {
            Self::Position(Crs::Wgs84) => Ellipsoid::WGS84,
            Self::Position(_) => Ellipsoid::CGCS2000,
            Self::Old(datum) => datum.ellipsoid(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Position(crs) => crs.name(),
            Self::Old(datum) => datum.word(),
        }
    }
}

/// A CRS by its name or description. What is known about it may not be enough: see [`NamedCrs::settle`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NamedCrs {
    /// What its degrees refer to.
    pub frame: Frame,
    /// Absent: it has degrees.
    pub plane: Option<TransverseMercator>,
}

/// A name that is no CRS a file may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFileCrs {
    /// Neither a name nor a number we know.
    #[error(
        "unknown crs {0:?}: one of wgs84, cgcs2000, gcj02, bd09; epsg:4491 to epsg:4554 (Gauss-Krüger on CGCS2000); \
         cgcs2000:tm:cm=122,fe=500000 (a local meridian); with --helmert also epsg:4610, epsg:4214 and their Gauss-Krüger zones"
    )]
    Name(String),
    /// A local meridian that is told wrong.
    #[error("{name:?}: {why}; like cgcs2000:tm:cm=122,fe=500000 with fn=, k= and lat0= where they are not 0, 1 and 0")]
    Local {
        /// As told.
        name: String,
        /// The reason.
        why: String,
    },
}

/// An old datum without the way to CGCS2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is another datum, tens to hundreds of metres off and differently in each region: say \
     --helmert dx,dy,dz,rx,ry,rz,s, your region's seven parameters to CGCS2000 (metres, seconds of arc, ppm; position vector \
     convention: where they are given for the coordinate frame, as Bursa-Wolf in textbooks, turn the signs of rx, ry and rz), or \
     convert the file first",
    .0.title()
)]
pub struct NeedsHelmert(pub OldDatum);

/// Zones of one width: EPSG's first number, its zones' first and last number, and degrees a zone.
struct Row {
    frame: Frame,
    first: u32,
    zones: std::ops::RangeInclusive<u32>,
    width: u32,
    /// The zone's number stands in front of the easting.
    prefixed: bool,
}

const CGCS2000: Frame = Frame::Position(Crs::Cgcs2000);
const XIAN80: Frame = Frame::Old(OldDatum::Xian80);
const BEIJING54: Frame = Frame::Old(OldDatum::Beijing54);

/// The whole of EPSG's Gauss-Krüger systems of China.
const ROWS: [Row; 12] = [
    Row { frame: CGCS2000, first: 4491, zones: 13..=23, width: 6, prefixed: true },
    Row { frame: CGCS2000, first: 4502, zones: 13..=23, width: 6, prefixed: false },
    Row { frame: CGCS2000, first: 4513, zones: 25..=45, width: 3, prefixed: true },
    Row { frame: CGCS2000, first: 4534, zones: 25..=45, width: 3, prefixed: false },
    Row { frame: XIAN80, first: 2327, zones: 13..=23, width: 6, prefixed: true },
    Row { frame: XIAN80, first: 2338, zones: 13..=23, width: 6, prefixed: false },
    Row { frame: XIAN80, first: 2349, zones: 25..=45, width: 3, prefixed: true },
    Row { frame: XIAN80, first: 2370, zones: 25..=45, width: 3, prefixed: false },
    Row { frame: BEIJING54, first: 21_413, zones: 13..=23, width: 6, prefixed: true },
    Row { frame: BEIJING54, first: 21_453, zones: 13..=23, width: 6, prefixed: false },
    Row { frame: BEIJING54, first: 2401, zones: 25..=45, width: 3, prefixed: true },
    Row { frame: BEIJING54, first: 2422, zones: 25..=45, width: 3, prefixed: false },
];

impl Row {
    fn plane(&self, zone: u32) -> TransverseMercator {
        // Zones of 3° are centred on multiples of 3°, those of 6° half way between multiples of 6°.
        let meridian = if self.width == 3 { 3 * zone } else { 6 * zone - 3 };
        let prefix = if self.prefixed { f64::from(zone) * 1e6 } else { 0.0 };
        TransverseMercator { false_easting: prefix + 500_000.0, ..TransverseMercator::at(f64::from(meridian)) }
    }

    fn systems(&self) -> impl Iterator<Item = (u32, NamedCrs)> + '_ {
        self.zones
            .clone()
            .map(|zone| (self.first + zone - self.zones.start(), NamedCrs { frame: self.frame, plane: Some(self.plane(zone)) }))
    }
}

impl NamedCrs {
    /// The CRS of an EPSG number; none when it is not one of those that files may have.
    pub fn epsg(number: u32) -> Option<Self> {
        match number {
            4326 => Some(Crs::Wgs84.into()),
            4490 => Some(Crs::Cgcs2000.into()),
            4610 => Some(Self { frame: XIAN80, plane: None }),
            4214 => Some(Self { frame: BEIJING54, plane: None }),
            _ => ROWS.iter().flat_map(Row::systems).find(|(known, _)| *known == number).map(|(_, crs)| crs),
        }
    }

    /// EPSG's number.
    pub fn number(&self) -> Option<u32> {
        match (self.plane, self.frame) {
            (None, Frame::Position(Crs::Wgs84)) => Some(4326),
            (None, Frame::Position(Crs::Cgcs2000)) => Some(4490),
            (None, Frame::Position(_)) => None,
            (None, Frame::Old(OldDatum::Xian80)) => Some(4610),
            (None, Frame::Old(OldDatum::Beijing54)) => Some(4214),
            (Some(_), _) => {
                // Meridians at multiples of 6° and 3° coincide without a prefix; the row of 3° zones comes last and names it.
                ROWS.iter().rev().flat_map(Row::systems).find(|(_, crs)| crs == self).map(|(number, _)| number)
            }
        }
    }

    /// Ready for use, with the seven parameters that an old datum needs.
    pub fn settle(self, helmert: Option<Helmert>) -> Result<FileCrs, NeedsHelmert> {
        let datum = match self.frame {
            Frame::Position(crs) => Datum::Position(crs),
            Frame::Old(datum) => Datum::Old(datum, helmert.ok_or(NeedsHelmert(datum))?),
        };
        Ok(FileCrs { named: self, datum, swapped: false })
    }

    fn local(name: &str, frame: Frame, parameters: &str) -> Result<Self, UnknownFileCrs> {
        let bad = |why: String| UnknownFileCrs::Local { name: name.to_owned(), why };
        let mut given: [Option<f64>; 5] = [None; 5];
        let names = ["cm", "fe", "fn", "k", "lat0"];
        for part in parameters.split(',') {
            let (word, value) = part.split_once('=').ok_or_else(|| bad(format!("{part:?} is not name=number")))?;
            let at = names.iter().position(|known| *known == word.trim()).ok_or_else(|| bad(format!("no parameter {word:?}")))?;
            let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number.ok_or_else(|| bad(format!("{word}={value} is no number")))?;
            if given[at].replace(number).is_some() {
                return Err(bad(format!("{word} is given twice")));
            }
        }
        let [cm, fe, false_northing, scale, origin_latitude] = given;
        let central_meridian = cm.ok_or_else(|| bad("cm, the central meridian in degrees, is missing".to_owned()))?;
        let false_easting = fe.ok_or_else(|| bad("fe, the false easting in metres, is missing".to_owned()))?;
        let plane = TransverseMercator {
            central_meridian,
            false_easting,
            false_northing: false_northing.unwrap_or(0.0),
            scale: scale.unwrap_or(1.0),
            origin_latitude: origin_latitude.unwrap_or(0.0),
        };
        plane_fault(&plane).map_or(Ok(Self { frame, plane: Some(plane) }), |why| Err(bad(why)))
    }
}

/// What no plane of a surveyor is.
pub fn plane_fault(plane: &TransverseMercator) -> Option<String> {
    let TransverseMercator { central_meridian, false_easting, false_northing, scale, origin_latitude } = *plane;
    if !(-180.0..=180.0).contains(&central_meridian) {
        Some(format!("the central meridian {central_meridian} is no longitude"))
    } else if !(-90.0..=90.0).contains(&origin_latitude) {
        Some(format!("the latitude of origin {origin_latitude} is no latitude"))
    } else if !(0.9..=1.1).contains(&scale) {
        Some(format!("the scale {scale} is not near 1"))
    } else if !(false_easting.abs() < 1e8 && false_northing.abs() < 1e8) {
        Some(format!("the false easting {false_easting} or northing {false_northing} is beyond all zones"))
    } else {
        None
    }
}

impl From<Crs> for NamedCrs {
    fn from(crs: Crs) -> Self {
        Self { frame: Frame::Position(crs), plane: None }
    }
}

impl std::str::FromStr for NamedCrs {
    type Err = UnknownFileCrs;
    fn from_str(name: &str) -> Result<Self, UnknownFileCrs> {
        let lower = name.trim().to_ascii_lowercase();
        let unknown = || UnknownFileCrs::Name(name.to_owned());
        if let Some(number) = lower.strip_prefix("epsg:") {
            return number.parse().ok().and_then(Self::epsg).ok_or_else(unknown);
        }
        let (word, plane) = lower.split_once(":tm:").map_or((lower.as_str(), None), |(word, plane)| (word, Some(plane)));
        let frame = match word {
            "xian80" => Frame::Old(OldDatum::Xian80),
            "beijing54" => Frame::Old(OldDatum::Beijing54),
            _ => Frame::Position(word.parse().map_err(|_: crs::UnknownCrs| unknown())?),
        };
        match plane {
            None => Ok(Self { frame, plane: None }),
            Some(_) if matches!(frame, Frame::Position(Crs::Gcj02 | Crs::Bd09)) => {
                Err(UnknownFileCrs::Local { name: name.to_owned(), why: "vendors' shifted positions have no plane".to_owned() })
            }
            Some(plane) => Self::local(name, frame, plane),
        }
    }
}

impl fmt::Display for NamedCrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(plane) = self.plane else { return f.write_str(self.frame.word()) };
        if let Some(number) = self.number() {
            return write!(f, "epsg:{number}");
        }
        write!(f, "{}:tm:cm={},fe={}", self.frame.word(), plane.central_meridian, plane.false_easting)?;
        for (name, value, usual) in
            [("fn", plane.false_northing, 0.0), ("k", plane.scale, 1.0), ("lat0", plane.origin_latitude, 0.0)]
        {
            if value != usual {
                write!(f, ",{name}={value}")?;
            }
        }
        Ok(())
    }
}

/// A CRS whose coordinates can be turned into CGCS2000. Comes only from [`NamedCrs::settle`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FileCrs {
    named: NamedCrs,
    datum: Datum,
    swapped: bool,
}

/// What degrees refer to, with all that is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Datum {
    Position(Crs),
    Old(OldDatum, Helmert),
}

/// Why two numbers of a file are no position.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FilePositionError {
    /// As degrees.
    #[error(transparent)]
    Degrees(#[from] PositionError),
    /// As metres.
    #[error(transparent)]
    Metres(#[from] ProjectionError),
}

impl From<Crs> for FileCrs {
    fn from(crs: Crs) -> Self {
        Self { named: crs.into(), datum: Datum::Position(crs), swapped: false }
    }
}

impl fmt::Display for FileCrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.named)?;
        match self.datum {
            Datum::Old(_, shift) => write!(f, " with helmert {shift}"),
            Datum::Position(_) => Ok(()),
        }
    }
}

impl FileCrs {
    /// The file has the second coordinate first: latitude, or the northing, which Chinese surveyors call X.
    pub fn with_axes_exchanged(self) -> Self {
        Self { swapped: true, ..self }
    }

    /// Its name.
    pub fn named(&self) -> NamedCrs {
        self.named
    }

    /// Whether it has metres.
    pub fn is_plane(&self) -> bool {
        self.named.plane.is_some()
    }

    /// What positions are kept in besides, when that says more than CGCS2000.
    pub fn shifted(&self) -> Option<Crs> {
        match self.datum {
            Datum::Position(crs @ (Crs::Gcj02 | Crs::Bd09)) => Some(crs),
            _ => None,
        }
    }

    /// Whether positions anywhere on earth are to be expected.
    pub fn is_worldwide(&self) -> bool {
        self.datum == Datum::Position(Crs::Wgs84)
    }

    /// Works out what all positions of a file need.
    pub fn ready(&self) -> Positions {
        Positions { crs: *self, plane: self.named.plane.map(|plane| plane.on(self.named.frame.ellipsoid())) }
    }
}

/// Turns the coordinates of one file into CGCS2000.
#[derive(Debug, Clone)]
pub struct Positions {
    crs: FileCrs,
    plane: Option<Plane>,
}

impl From<Crs> for Positions {
    fn from(crs: Crs) -> Self {
        FileCrs::from(crs).ready()
    }
}

/// What a straight edge of a plane may bow from the straight edge between its ends in degrees: half a unit of the lattice (6 mm), the
/// same as each vertex is moved when it is rounded.
const MOST_BOW_DEG: f64 = 0.5e-7;
/// No edge shorter than this, in metres, bows so much south of 80°: the bow is length² tan(latitude) / 8 radii, 4 mm.
const SHORT_M: f64 = 180.0;
/// An edge is halved at most so often: 4,096 pieces, enough for 1,000 km.
const MOST_HALVINGS: u32 = 12;

impl Positions {
    /// The positions to be put between two corners of a ring so that an edge that is straight in the file's plane stays where it is.
    /// `ordered` are the corners, `ends` the same as CGCS2000. Halving is the same from either end, so two neighbours that share the edge
    /// get the same positions. Degrees have none: what is straight in them stays straight.
    pub fn between(
        &self,
        ordered: [[f64; 2]; 2],
        ends: [LonLat; 2],
        into: &mut dyn FnMut(LonLat),
    ) -> Result<(), FilePositionError> {
        if self.plane.is_none() {
            return Ok(());
        }
        self.halve(ordered, ends, MOST_HALVINGS, into)
    }

    fn halve(
        &self,
        [a, b]: [[f64; 2]; 2],
        [start, end]: [LonLat; 2],
        halvings: u32,
        into: &mut dyn FnMut(LonLat),
    ) -> Result<(), FilePositionError> {
        let length = libm::hypot(b[0] - a[0], b[1] - a[1]);
        if length < SHORT_M || halvings == 0 {
            return Ok(());
        }
        let half = middle(a, b);
        let at = self.position(half)?;
        // An edge across the meridian bows to both sides: the quarters say so when the middle does not.
        let bows = [(half, 0.5), (middle(a, half), 0.25), (middle(half, b), 0.75)].into_iter().map(|(place, share)| {
            let at = if share == 0.5 { at } else { self.position(place)? };
            let straight = |from: f64, to: f64| from + (to - from) * share;
            let off = [at.lon() - straight(start.lon(), end.lon()), at.lat() - straight(start.lat(), end.lat())];
            Ok::<f64, FilePositionError>(off[0].abs().max(off[1].abs()))
        });
        let mut most = 0.0_f64;
        for bow in bows {
            most = most.max(bow?);
        }
        if most > MOST_BOW_DEG {
            self.halve([a, half], [start, at], halvings - 1, into)?;
            into(at);
            self.halve([half, b], [at, end], halvings - 1, into)?;
        }
        Ok(())
    }

    /// Of which CRS.
    pub fn crs(&self) -> FileCrs {
        self.crs
    }

    /// The two numbers in the order in which the CRS is told: longitude or easting first.
    pub fn ordered(&self, raw: [f64; 2]) -> [f64; 2] {
        if self.crs.swapped { [raw[1], raw[0]] } else { raw }
    }

    /// As CGCS2000. `ordered`: longitude or easting first.
    pub fn position(&self, ordered: [f64; 2]) -> Result<LonLat, FilePositionError> {
        let [lon, lat] = match &self.plane {
            Some(plane) => plane.inverse(ordered)?,
            None => ordered,
        };
        let told = LonLat::new(lon, lat)?;
        match self.crs.datum {
            Datum::Position(crs) => Ok(crs.to_cgcs2000(told)?),
            Datum::Old(datum, shift) => {
                let [lon, lat] = shift.carry(datum.ellipsoid(), Ellipsoid::CGCS2000, [lon, lat]);
                Ok(LonLat::new(lon, lat)?)
            }
        }
    }
}

/// The same whichever end comes first: a sum of two has one rounding.
fn middle(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])]
}

/// Longitudes and latitudes with China well inside.
const CHINA: [std::ops::RangeInclusive<f64>; 2] = [72.0..=138.0, 2.0..=56.0];

/// Whether a position is in the rectangle around China.
pub fn in_china(at: LonLat) -> bool {
    CHINA[0].contains(&at.lon()) && CHINA[1].contains(&at.lat())
}

/// A CRS in which two numbers are a place in China.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Which.
    pub crs: NamedCrs,
    /// With the axes exchanged.
    pub swapped: bool,
    /// The place.
    pub at: LonLat,
}

/// Every CRS on CGCS2000 in which two numbers of an unknown one lie in China and in their own zone, as told first, then with the axes
/// exchanged. A zone of 6° stands only where the easting names it: without a number its meridian is that of a zone of 3°, too.
pub fn candidates(raw: [f64; 2]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (swapped, ordered) in [(false, raw), (true, [raw[1], raw[0]])] {
        let mut take = |crs: NamedCrs, widest: f64| {
            let Ok(file) = crs.settle(None) else { return };
            let Ok(at) = file.ready().position(ordered) else { return };
            let from_meridian = crs.plane.map_or(0.0, |plane| (at.lon() - plane.central_meridian).abs());
            if in_china(at) && from_meridian <= widest {
                found.push(Candidate { crs, swapped, at });
            }
        };
        take(Crs::Cgcs2000.into(), 0.0);
        for row in ROWS.iter().filter(|row| row.frame == CGCS2000 && (row.prefixed || row.width == 3)) {
            // Half a zone, and what a city on the edge of one has beyond it.
            let widest = f64::from(row.width) / 2.0 + 1.0;
            row.systems().for_each(|(_, crs)| take(crs, widest));
        }
    }
    found
}

#[cfg(test)]
#[path = "file_crs_tests.rs"]
mod tests;
