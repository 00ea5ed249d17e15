//! Coordinate reference systems that positions from outside may be in, and the one we keep: CGCS2000 (EPSG:4490).
//!
//! GCJ-02 and BD-09 are the obfuscations of Chinese map vendors. Their forward formulae are public knowledge; constants as
//! agreed by three independent implementations to under 1 nm. The inverse is a fixed point: five steps bring the error below
//! 1e-8 m (one step, the common shortcut, leaves up to 4.8 m).

use super::lonlat::{LonLat, PositionError};
use libm::{atan2, cos, fabs, sin, sqrt};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The CRS of a bare position. Never guessed: who sends a position says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crs {
    /// WGS 84 (EPSG:4326), what satellites and browsers give. Treated as equal to CGCS2000 (they differ by centimetres).
    Wgs84,
    /// China Geodetic Coordinate System 2000 (EPSG:4490), what is stored.
    Cgcs2000,
    /// GCJ-02, what AMap and Tencent give inside China.
    Gcj02,
    /// BD-09, what Baidu gives.
    Bd09,
}

/// A name that is no CRS we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown crs {0:?}: one of wgs84, cgcs2000, gcj02, bd09")]
pub struct UnknownCrs(pub String);

impl Crs {
    /// Every name, for error messages and documents.
    pub const NAMES: [&'static str; 4] = ["wgs84", "cgcs2000", "gcj02", "bd09"];

    /// The name used in API, files and command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wgs84 => "wgs84",
            Self::Cgcs2000 => "cgcs2000",
            Self::Gcj02 => "gcj02",
            Self::Bd09 => "bd09",
        }
    }

    /// A position in this CRS, as CGCS2000.
    pub fn to_cgcs2000(self, p: LonLat) -> Result<LonLat, PositionError> {
        match self {
            Self::Wgs84 | Self::Cgcs2000 => Ok(p),
            Self::Gcj02 => fixed_point(p, wgs84_to_gcj02),
            Self::Bd09 => fixed_point(p, |w| gcj02_to_bd09(wgs84_to_gcj02(w))),
        }
    }

    /// A CGCS2000 position, told in this CRS.
    pub fn from_cgcs2000(self, p: LonLat) -> Result<LonLat, PositionError> {
        let [lon, lat] = match self {
            Self::Wgs84 | Self::Cgcs2000 => return Ok(p),
            Self::Gcj02 => wgs84_to_gcj02([p.lon(), p.lat()]),
            Self::Bd09 => gcj02_to_bd09(wgs84_to_gcj02([p.lon(), p.lat()])),
        };
        LonLat::new(lon, lat)
    }
}

impl std::str::FromStr for Crs {
    type Err = UnknownCrs;
    fn from_str(name: &str) -> Result<Self, UnknownCrs> {
        match name.to_ascii_lowercase().as_str() {
            "wgs84" | "epsg:4326" => Ok(Self::Wgs84),
            "cgcs2000" | "epsg:4490" => Ok(Self::Cgcs2000),
            "gcj02" => Ok(Self::Gcj02),
            "bd09" => Ok(Self::Bd09),
            _ => Err(UnknownCrs(name.to_owned())),
        }
    }
}

impl std::fmt::Display for Crs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The rectangle inside which vendors shift positions: longitude 72.004–137.8347, latitude 0.8293–55.8271 (the box of the
/// widest-spread public implementations). At its edge the result jumps by hundreds of metres; it covers parts of neighbouring countries.
const SHIFTED_BOX: ([f64; 2], [f64; 2]) = ([72.004, 0.8293], [137.8347, 55.8271]);

/// Semi-major axis of Krasovsky 1940, metres: what the formula uses, whatever datum it is applied to.
const A: f64 = 6_378_245.0;
/// Its first eccentricity squared.
const EE: f64 = 0.006_693_421_622_965_943;
/// Steps of the inverse. Worst error over 100,000 points: 1: 4.8 m, 2: 3.1 cm, 3: 0.2 mm, 4: 1.3 µm, 5: < 1e-8 m.
const INVERSE_STEPS: usize = 5;

fn shifted(lon: f64, lat: f64) -> bool {
    let ([west, south], [east, north]) = SHIFTED_BOX;
    (west..=east).contains(&lon) && (south..=north).contains(&lat)
}

/// The unique `w` with `forward(w) = p`, by `w ← w − (forward(w) − p)` from `w = p`.
fn fixed_point(p: LonLat, forward: impl Fn([f64; 2]) -> [f64; 2]) -> Result<LonLat, PositionError> {
    let mut w = [p.lon(), p.lat()];
    for _ in 0..INVERSE_STEPS {
        let [lon, lat] = forward(w);
        w = [w[0] - (lon - p.lon()), w[1] - (lat - p.lat())];
    }
    LonLat::new(w[0], w[1])
}

fn wgs84_to_gcj02([lon, lat]: [f64; 2]) -> [f64; 2] {
    if !shifted(lon, lat) {
        return [lon, lat];
    }
    let (x, y) = (lon - 105.0, lat - 35.0);
    let root = sqrt(fabs(x));
    // Both offsets share the ripple along x; the others run along x (east) or y (north).
    let ripple = (20.0 * sin(6.0 * x * PI) + 20.0 * sin(2.0 * x * PI)) * 2.0 / 3.0;
    let waves = |t: f64, third: f64, twelfth: f64, thirtieth: [f64; 2]| {
        (20.0 * sin(t * PI) + 40.0 * sin(t / 3.0 * PI)) * 2.0 / 3.0
            + (third * sin(t / 12.0 * PI) + twelfth * sin(t * PI / thirtieth[0])) * thirtieth[1]
    };
    let north =
        -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple + waves(y, 160.0, 320.0, [30.0, 2.0 / 3.0]);
    let east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple + waves(x, 150.0, 300.0, [30.0, 2.0 / 3.0]);
    let phi = lat / 180.0 * PI;
    let m = 1.0 - EE * sin(phi) * sin(phi);
    let root_m = sqrt(m);
    [lon + east * 180.0 / (A / root_m * cos(phi) * PI), lat + north * 180.0 / (A * (1.0 - EE) / (m * root_m) * PI)]
}

fn gcj02_to_bd09([x, y]: [f64; 2]) -> [f64; 2] {
    const X_PI: f64 = PI * 3000.0 / 180.0;
    let z = sqrt(x * x + y * y) + 2e-5 * sin(y * X_PI);
    let theta = atan2(y, x) + 3e-6 * cos(x * X_PI);
    [z * cos(theta) + 0.0065, z * sin(theta) + 0.006]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        wgs84: LonLat,
        gcj02: LonLat,
        bd09: LonLat,
    }

    fn vectors() -> Vec<Vector> {
        let text = include_str!("../../tests/fixtures/domain/gcj_bd_vectors.json");
        serde_json::from_str::<Vectors>(text).expect("the table of vectors is well formed").vectors
    }

    fn metres(a: LonLat, b: LonLat) -> f64 {
        let dx = (a.lon() - b.lon()) * 111_320.0 * cos(a.lat() / 180.0 * PI);
        let dy = (a.lat() - b.lat()) * 111_320.0;
        libm::hypot(dx, dy)
    }

    #[test]
    fn every_vector_holds_in_both_directions_within_a_millimetre() {
        for v in vectors() {
            for (crs, told) in [(Crs::Gcj02, v.gcj02), (Crs::Bd09, v.bd09)] {
                let forward = crs.from_cgcs2000(v.wgs84).expect("in range");
                assert!(metres(forward, told) < 1e-3, "{} {crs} forward", v.name);
                let back = crs.to_cgcs2000(told).expect("in range");
                assert!(metres(back, v.wgs84) < 1e-3, "{} {crs} inverse", v.name);
            }
        }
    }

    #[test]
    fn the_inverse_undoes_the_forward_all_over_the_country() {
        for i in 0..40 {
            for j in 0..40 {
                let p = LonLat::new(74.0 + f64::from(i) * 1.5, 4.0 + f64::from(j) * 1.2).expect("in range");
                for crs in [Crs::Gcj02, Crs::Bd09] {
                    let there = crs.from_cgcs2000(p).expect("in range");
                    let back = crs.to_cgcs2000(there).expect("in range");
                    assert!(metres(p, back) < 1e-6, "{crs} at {p:?}: {} m", metres(p, back));
                }
            }
        }
    }

    #[test]
    fn outside_the_box_nothing_is_shifted_by_gcj02() {
        let helsinki = LonLat::new(24.94, 60.17).expect("in range");
        assert_eq!(Crs::Gcj02.from_cgcs2000(helsinki), Ok(helsinki));
    }
}
