//! From one datum to another by seven parameters: earth-centred Cartesian coordinates, moved, turned and scaled.

use super::transverse_mercator::Ellipsoid;
use libm::{atan2, cos, hypot, sin, sqrt};

/// Seven parameters from an old datum to CGCS2000, *position vector* convention (EPSG method 9606, `+towgs84` of PROJ, `TOWGS84` of
/// WKT): a positive rotation turns the position. The Bursa-Wolf model of Chinese textbooks turns the axes (coordinate frame, EPSG 9607):
/// its three rotations have the other sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Helmert {
    /// dx, dy, dz in metres.
    pub shift_m: [f64; 3],
    /// rx, ry, rz in seconds of arc.
    pub turn_arcsec: [f64; 3],
    /// Parts per million.
    pub scale_ppm: f64,
}

/// Seven numbers that are none, or cannot be meant.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HelmertError {
    /// Not seven numbers.
    #[error(
        "{0:?}: seven numbers are needed, dx,dy,dz (metres), rx,ry,rz (seconds of arc), s (ppm), in the position-vector convention"
    )]
    NotSeven(String),
    /// No datum of a country is off by so much.
    #[error("{name} = {value} is more than {most}: units are metres, seconds of arc and parts per million")]
    TooLarge {
        /// Of the parameter.
        name: &'static str,
        /// Given.
        value: f64,
        /// Allowed.
        most: f64,
    },
}

impl std::str::FromStr for Helmert {
    type Err = HelmertError;
    fn from_str(text: &str) -> Result<Self, HelmertError> {
        let numbers: Vec<f64> = text.split(',').map_while(|part| part.trim().parse().ok()).collect();
        let [dx, dy, dz, rx, ry, rz, s] = numbers[..] else { return Err(HelmertError::NotSeven(text.to_owned())) };
        if text.split(',').count() != numbers.len() || numbers.iter().any(|number| !number.is_finite()) {
            return Err(HelmertError::NotSeven(text.to_owned()));
        }
        let limits =
            [("dx", dx, 2000.0), ("dy", dy, 2000.0), ("dz", dz, 2000.0), ("rx", rx, 60.0), ("ry", ry, 60.0), ("rz", rz, 60.0)];
        let too_large = limits.into_iter().chain([("s", s, 100.0)]).find(|(_, value, most)| libm::fabs(*value) > *most);
        match too_large {
            Some((name, value, most)) => Err(HelmertError::TooLarge { name, value, most }),
            None => Ok(Self { shift_m: [dx, dy, dz], turn_arcsec: [rx, ry, rz], scale_ppm: s }),
        }
    }
}

impl std::fmt::Display for Helmert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [dx, dy, dz] = self.shift_m;
        let [rx, ry, rz] = self.turn_arcsec;
        write!(f, "{dx},{dy},{dz},{rx},{ry},{rz},{}", self.scale_ppm)
    }
}

impl Helmert {
    /// Degrees on the ellipsoid of one datum to degrees on that of another, height zero.
    pub fn carry(&self, from: Ellipsoid, to: Ellipsoid, [lon, lat]: [f64; 2]) -> [f64; 2] {
        let [x, y, z] = cartesian(from, [lon.to_radians(), lat.to_radians()]);
        let [rx, ry, rz] = self.turn_arcsec.map(|seconds| (seconds / 3600.0).to_radians());
        let scale = 1.0 + self.scale_ppm * 1e-6;
        let turned = [x - rz * y + ry * z, rz * x + y - rx * z, -ry * x + rx * y + z];
        let moved: [f64; 3] = std::array::from_fn(|axis| self.shift_m[axis] + scale * turned[axis]);
        geodetic(to, moved).map(f64::to_degrees)
    }
}

/// Metres from the earth's centre, of radians at height zero.
fn cartesian(ellipsoid: Ellipsoid, [lon, lat]: [f64; 2]) -> [f64; 3] {
    let e2 = ellipsoid.e2();
    let normal = ellipsoid.a / sqrt(1.0 - e2 * sin(lat) * sin(lat));
    [normal * cos(lat) * cos(lon), normal * cos(lat) * sin(lon), normal * (1.0 - e2) * sin(lat)]
}

/// Radians, longitude first, by Bowring's iteration on the reduced latitude: near the ground two steps reach the last digit.
fn geodetic(ellipsoid: Ellipsoid, [x, y, z]: [f64; 3]) -> [f64; 2] {
    let e2 = ellipsoid.e2();
    let f = 1.0 / ellipsoid.inverse_flattening;
    let b = ellipsoid.a * (1.0 - f);
    let p = hypot(x, y);
    let mut reduced = atan2(z, (1.0 - f) * p);
    let mut lat = 0.0;
    for _ in 0..3 {
        let (s, c) = (sin(reduced), cos(reduced));
        lat = atan2(z + e2 / (1.0 - e2) * b * s * s * s, p - e2 * ellipsoid.a * c * c * c);
        reduced = atan2((1.0 - f) * sin(lat), cos(lat));
    }
    [atan2(y, x), lat]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_numbers_or_a_reason() {
        let helmert: Helmert = "15.8, -154.4, -82.3, 0, 0.1, -0.2, 1.5".parse().expect("seven numbers");
        assert_eq!(helmert.to_string().parse(), Ok(helmert));
        for bad in ["", "1,2,3", "1,2,3,4,5,6,7,8", "1,2,3,4,5,6,x", "1,2,3,4,5,6,NaN", "1,2,3,4,5,6,inf"] {
            assert!(matches!(bad.parse::<Helmert>(), Err(HelmertError::NotSeven(_))), "{bad}");
        }
        let error = "1,2,3,400,5,6,7".parse::<Helmert>().expect_err("400 seconds");
        assert!(error.to_string().contains("rx"), "{error}");
    }

    #[test]
    fn nothing_moves_when_all_is_zero() {
        let still: Helmert = "0,0,0,0,0,0,0".parse().expect("seven numbers");
        for at in [[122.1, 30.0], [-70.0, -45.5], [0.0, 89.999]] {
            let there = still.carry(Ellipsoid::CGCS2000, Ellipsoid::CGCS2000, at);
            assert!(libm::fabs(there[0] - at[0]) < 1e-11 && libm::fabs(there[1] - at[1]) < 1e-11, "{at:?} {there:?}");
        }
    }
}
