//! A position on the ellipsoid in degrees. Axis order of RFC 7946 §3.1.1: longitude, latitude.

use serde::{Deserialize, Serialize};

/// A position in degrees on CGCS2000, longitude first.
/// Both parts are finite; `lon` in `[-180, 180]`, `lat` in `[-90, 90]`. JSON: `[lon, lat]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 2]", into = "[f64; 2]")]
pub struct LonLat {
    lon: f64,
    lat: f64,
}

/// Why two numbers are no position.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PositionError {
    /// NaN or infinite.
    #[error("position [{lon}, {lat}] is not finite")]
    NotFinite {
        /// As given.
        lon: f64,
        /// As given.
        lat: f64,
    },
    /// A part is out of range. `swapped` when exchanging the two would help.
    #[error("position [{lon}, {lat}] is out of range: longitude in [-180, 180], latitude in [-90, 90]{}", if *.swapped { "; the axes look swapped, longitude comes first" } else { "" })]
    OutOfRange {
        /// As given.
        lon: f64,
        /// As given.
        lat: f64,
        /// `[lat, lon]` would have been a position.
        swapped: bool,
    },
}

impl PositionError {
    /// Which part is wrong: `lat` where the longitude alone would do.
    pub fn field(&self) -> &'static str {
        match self {
            Self::OutOfRange { lon, .. } if (-180.0..=180.0).contains(lon) => "lat",
            _ => "lon",
        }
    }
}

impl LonLat {
    /// Checks range and finiteness.
    pub fn new(lon: f64, lat: f64) -> Result<Self, PositionError> {
        let in_range = |lon: f64, lat: f64| (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat);
        if !lon.is_finite() || !lat.is_finite() {
            Err(PositionError::NotFinite { lon, lat })
        } else if in_range(lon, lat) {
            Ok(Self { lon, lat })
        } else {
            Err(PositionError::OutOfRange { lon, lat, swapped: in_range(lat, lon) })
        }
    }

    /// Degrees east.
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// Degrees north.
    pub fn lat(self) -> f64 {
        self.lat
    }
}

impl TryFrom<[f64; 2]> for LonLat {
    type Error = PositionError;
    fn try_from([lon, lat]: [f64; 2]) -> Result<Self, PositionError> {
        Self::new(lon, lat)
    }
}

impl From<LonLat> for [f64; 2] {
    fn from(p: LonLat) -> Self {
        [p.lon, p.lat]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_through_the_check() {
        assert!(serde_json::from_str::<LonLat>("[122.1, 30.0]").is_ok());
        assert!(serde_json::from_str::<LonLat>("[30.0, 122.1]").is_err());
    }

    #[test]
    fn swapped_axes_are_named() {
        let swapped = LonLat::new(30.0, 122.0).expect_err("latitude 122 does not exist");
        assert!(swapped.to_string().contains("swapped"));
        let lost = LonLat::new(500.0, 500.0).expect_err("nowhere");
        assert!(!lost.to_string().contains("swapped"));
        assert!(LonLat::new(f64::NAN, 0.0).is_err());
    }
}
