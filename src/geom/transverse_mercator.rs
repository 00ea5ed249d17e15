//! Transverse Mercator on an ellipsoid, which Chinese surveyors call Gauss-Krüger. Krüger's series in the third flattening *n* to
//! order 6, coefficients as in Karney, "Transverse Mercator with an accuracy of a few nanometers" (2011), equations 35 and 36.
//! The series itself is good to nanometres for thousands of kilometres from the meridian; here it ends at [`WIDEST_DEG`].

use super::LonLat;
use libm::{asinh, atan, atan2, atanh, cos, cosh, fabs, hypot, sin, sinh, sqrt, tan};

/// A figure of the earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipsoid {
    /// Semi-major axis, metres.
    pub a: f64,
    /// 1/f.
    pub inverse_flattening: f64,
}

impl Ellipsoid {
    /// Of CGCS2000; the figures of GRS 80.
    pub const CGCS2000: Self = Self { a: 6_378_137.0, inverse_flattening: 298.257_222_101 };
    /// Of WGS 84.
    pub const WGS84: Self = Self { a: 6_378_137.0, inverse_flattening: 298.257_223_563 };
    /// IAG 1975, of Xian 1980.
    pub const IAG75: Self = Self { a: 6_378_140.0, inverse_flattening: 298.257 };
    /// Krassowsky 1940, of Beijing 1954.
    pub const KRASSOWSKY: Self = Self { a: 6_378_245.0, inverse_flattening: 298.3 };

    /// First eccentricity squared.
    pub fn e2(&self) -> f64 {
        let f = 1.0 / self.inverse_flattening;
        f * (2.0 - f)
    }
}

/// Where a plane lies on the earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransverseMercator {
    /// Central meridian, degrees east.
    pub central_meridian: f64,
    /// Easting of the central meridian, metres; with a zone's number in front where the zone has one.
    pub false_easting: f64,
    /// Northing of `origin_latitude`, metres.
    pub false_northing: f64,
    /// Scale on the central meridian.
    pub scale: f64,
    /// Latitude from which northings count, degrees.
    pub origin_latitude: f64,
}

/// Degrees of longitude from the central meridian that are still taken: twice the half width of the widest zones in use. What lies
/// farther out is in another zone, or has its axes exchanged.
pub const WIDEST_DEG: f64 = 6.0;

/// η at [`WIDEST_DEG`] on the equator, where it is largest, and a little more.
const WIDEST_ETA: f64 = 0.106;

/// A position that a plane does not hold.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ProjectionError {
    /// Longitude too far from the central meridian.
    #[error("{lon}°E is {away:.1}° from the central meridian {central_meridian}°E, more than {WIDEST_DEG}°: another zone")]
    FarLongitude {
        /// Told.
        lon: f64,
        /// Degrees from the meridian.
        away: f64,
        /// Of the plane.
        central_meridian: f64,
    },
    /// Easting too far from the false easting.
    #[error(
        "easting {easting} is {away_km:.0} km from the central meridian {central_meridian}°E (false easting {false_easting}), \
         more than {WIDEST_DEG}°: another zone, or axes exchanged"
    )]
    FarEasting {
        /// Told.
        easting: f64,
        /// Kilometres from the meridian.
        away_km: f64,
        /// Of the plane, degrees.
        central_meridian: f64,
        /// Of the plane, metres.
        false_easting: f64,
    },
    /// Northing beyond the poles.
    #[error("northing {northing} lies beyond the pole")]
    FarNorthing {
        /// Told.
        northing: f64,
    },
    /// NaN or infinite.
    #[error("a coordinate is no finite number")]
    NotFinite,
}

/// The figures of an ellipsoid that the series needs.
#[derive(Debug, Clone)]
struct Series {
    e2: f64,
    e: f64,
    /// Radius of the circle with the meridian's circumference, times the scale.
    radius: f64,
    alpha: [f64; 6],
    beta: [f64; 6],
}

impl Series {
    fn of(ellipsoid: Ellipsoid, scale: f64) -> Self {
        let f = 1.0 / ellipsoid.inverse_flattening;
        let n = f / (2.0 - f);
        let power = |coefficients: &[f64], first: i32| {
            let rest = coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * n + coefficient);
            (0..first).fold(rest, |value, _| value * n)
        };
        let alpha = [
            power(&[1. / 2., -2. / 3., 5. / 16., 41. / 180., -127. / 288., 7891. / 37800.], 1),
            power(&[13. / 48., -3. / 5., 557. / 1440., 281. / 630., -1_983_433. / 1_935_360.], 2),
            power(&[61. / 240., -103. / 140., 15_061. / 26_880., 167_603. / 181_440.], 3),
            power(&[49_561. / 161_280., -179. / 168., 6_601_661. / 7_257_600.], 4),
            power(&[34_729. / 80_640., -3_418_889. / 1_995_840.], 5),
            power(&[212_378_941. / 319_334_400.], 6),
        ];
        let beta = [
            power(&[1. / 2., -2. / 3., 37. / 96., -1. / 360., -81. / 512., 96_199. / 604_800.], 1),
            power(&[1. / 48., 1. / 15., -437. / 1440., 46. / 105., -1_118_711. / 3_870_720.], 2),
            power(&[17. / 480., -37. / 840., -209. / 4480., 5569. / 90_720.], 3),
            power(&[4397. / 161_280., -11. / 504., -830_251. / 7_257_600.], 4),
            power(&[4583. / 161_280., -108_847. / 3_991_680.], 5),
            power(&[20_648_693. / 638_668_800.], 6),
        ];
        let n2 = n * n;
        let radius = ellipsoid.a / (1.0 + n) * (1.0 + n2 / 4.0 + n2 * n2 / 64.0 + n2 * n2 * n2 / 256.0);
        Self { e2: ellipsoid.e2(), e: sqrt(ellipsoid.e2()), radius: radius * scale, alpha, beta }
    }

    /// Tangent of the conformal latitude, from that of the geodetic one.
    fn conformal(&self, tau: f64) -> f64 {
        let secant = hypot(1.0, tau);
        let sigma = sinh(self.e * atanh(self.e * tau / secant));
        tau * hypot(1.0, sigma) - sigma * secant
    }

    /// The inverse by Newton's method: three steps reach the last digit on any earth-like ellipsoid.
    fn geodetic(&self, conformal: f64) -> f64 {
        let mut tau = conformal / sqrt(1.0 - self.e2);
        for _ in 0..4 {
            let now = self.conformal(tau);
            let slope = (1.0 - self.e2) * hypot(1.0, tau) / (1.0 + (1.0 - self.e2) * tau * tau);
            tau += (conformal - now) / hypot(1.0, now) / slope;
        }
        tau
    }

    fn northing(&self, latitude: f64) -> f64 {
        let [xi, _] = self.forward(latitude, 0.0);
        self.radius * xi
    }

    /// [ξ, η] of radians.
    fn forward(&self, latitude: f64, longitude: f64) -> [f64; 2] {
        let conformal = self.conformal(tan(latitude));
        let xi = atan2(conformal, cos(longitude));
        let eta = asinh(sin(longitude) / hypot(conformal, cos(longitude)));
        let [more_xi, more_eta] = sines(&self.alpha, xi, eta);
        [xi + more_xi, eta + more_eta]
    }

    /// Latitude and longitude in radians.
    fn inverse(&self, xi: f64, eta: f64) -> [f64; 2] {
        let [less_xi, less_eta] = sines(&self.beta, xi, eta);
        let (xi, eta) = (xi - less_xi, eta - less_eta);
        let conformal = sin(xi) / hypot(sinh(eta), cos(xi));
        [atan(self.geodetic(conformal)), atan2(sinh(eta), cos(xi))]
    }
}

/// Σ cⱼ sin 2j(ξ + iη) by Clenshaw's recurrence, as real and imaginary part.
fn sines(coefficients: &[f64; 6], xi: f64, eta: f64) -> [f64; 2] {
    let (s, c, sh, ch) = (sin(2.0 * xi), cos(2.0 * xi), sinh(2.0 * eta), cosh(2.0 * eta));
    let twice_cosine = [2.0 * c * ch, -2.0 * s * sh];
    let (mut last, mut before) = ([0.0, 0.0], [0.0, 0.0]);
    for coefficient in coefficients.iter().rev() {
        let next = [
            coefficient + twice_cosine[0] * last[0] - twice_cosine[1] * last[1] - before[0],
            twice_cosine[0] * last[1] + twice_cosine[1] * last[0] - before[1],
        ];
        (before, last) = (last, next);
    }
    let sine = [s * ch, c * sh];
    [last[0] * sine[0] - last[1] * sine[1], last[0] * sine[1] + last[1] * sine[0]]
}

/// A plane ready for use: the series of one ellipsoid, about 0.5 KB.
#[derive(Debug, Clone)]
pub struct Plane {
    given: TransverseMercator,
    series: Series,
    origin: f64,
}

impl TransverseMercator {
    /// A meridian with the usual false easting of 500 km and scale 1.
    pub fn at(central_meridian: f64) -> Self {
        Self { central_meridian, false_easting: 500_000.0, false_northing: 0.0, scale: 1.0, origin_latitude: 0.0 }
    }

    /// Works out the series.
    pub fn on(self, ellipsoid: Ellipsoid) -> Plane {
        let series = Series::of(ellipsoid, self.scale);
        let origin = series.northing(self.origin_latitude.to_radians());
        Plane { given: self, series, origin }
    }
}

impl Plane {
    /// Degrees to metres, easting first.
    pub fn forward(&self, at: LonLat) -> Result<[f64; 2], ProjectionError> {
        let (lon, lat) = (at.lon(), at.lat());
        let central_meridian = self.given.central_meridian;
        let away = libm::remainder(lon - central_meridian, 360.0);
        if fabs(away) > WIDEST_DEG {
            return Err(ProjectionError::FarLongitude { lon, away: fabs(away), central_meridian });
        }
        let [xi, eta] = self.series.forward(lat.to_radians(), away.to_radians());
        let northing = self.series.radius * xi - self.origin;
        Ok([self.given.false_easting + self.series.radius * eta, self.given.false_northing + northing])
    }

    /// Metres, easting first, to degrees, longitude first.
    pub fn inverse(&self, [easting, northing]: [f64; 2]) -> Result<[f64; 2], ProjectionError> {
        if !(easting.is_finite() && northing.is_finite()) {
            return Err(ProjectionError::NotFinite);
        }
        let TransverseMercator { central_meridian, false_easting, false_northing, .. } = self.given;
        let far = || ProjectionError::FarEasting {
            easting,
            away_km: fabs(easting - false_easting) / 1000.0,
            central_meridian,
            false_easting,
        };
        let eta = (easting - false_easting) / self.series.radius;
        let xi = (northing - false_northing + self.origin) / self.series.radius;
        if fabs(eta) > WIDEST_ETA {
            return Err(far());
        }
        if fabs(xi) >= std::f64::consts::FRAC_PI_2 {
            return Err(ProjectionError::FarNorthing { northing });
        }
        let [latitude, longitude] = self.series.inverse(xi, eta);
        let away = longitude.to_degrees();
        // A hair more than forward takes, so that what forward gives comes back.
        if fabs(away) > WIDEST_DEG + 1e-9 {
            return Err(far());
        }
        Ok([libm::remainder(central_meridian + away, 360.0), latitude.to_degrees()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(lon: f64, lat: f64) -> LonLat {
        LonLat::new(lon, lat).expect("on earth")
    }

    #[test]
    fn the_meridian_is_straight_and_the_equator_is_where_northings_begin() {
        let plane = TransverseMercator::at(123.0).on(Ellipsoid::CGCS2000);
        let [easting, northing] = plane.forward(place(123.0, 0.0)).expect("near");
        assert!(fabs(easting - 500_000.0) < 1e-9 && fabs(northing) < 1e-9);
        let quadrant = plane.forward(place(123.0, 90.0)).expect("near")[1];
        assert!(fabs(quadrant - 10_001_965.729) < 1e-3, "the quarter meridian of GRS 80: {quadrant}");
    }

    #[test]
    fn far_from_the_meridian_there_is_a_reason_and_no_position() {
        let plane = TransverseMercator::at(123.0).on(Ellipsoid::CGCS2000);
        assert!(matches!(plane.forward(place(130.0, 30.0)), Err(ProjectionError::FarLongitude { away, .. }) if away == 7.0));
        assert!(matches!(plane.inverse([3_320_000.0, 500_000.0]), Err(ProjectionError::FarEasting { .. })));
        assert!(matches!(plane.inverse([500_000.0, 41_500_000.0]), Err(ProjectionError::FarNorthing { .. })));
        assert_eq!(plane.inverse([f64::NAN, 0.0]), Err(ProjectionError::NotFinite));
        let [easting, northing] = plane.forward(place(129.0, 0.0)).expect("on the edge");
        assert!(plane.inverse([easting, northing]).is_ok());
        assert!(plane.inverse([easting + 1.0, northing]).is_err());
    }

    #[test]
    fn a_meridian_near_the_antimeridian_has_two_sides() {
        let plane = TransverseMercator::at(179.0).on(Ellipsoid::WGS84);
        let there = plane.forward(place(-178.0, 10.0)).expect("three degrees east");
        let back = plane.inverse(there).expect("near");
        assert!(fabs(back[0] + 178.0) < 1e-11 && fabs(back[1] - 10.0) < 1e-11);
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_the_forward_below_a_hundredth_of_a_millimetre(
            away in -WIDEST_DEG..WIDEST_DEG, lat in -84.0..84.0_f64, figure in 0..4_usize,
            scale in 0.99..1.01_f64, origin_latitude in 0.0..40.0_f64,
        ) {
            let ellipsoid = [Ellipsoid::CGCS2000, Ellipsoid::WGS84, Ellipsoid::IAG75, Ellipsoid::KRASSOWSKY][figure];
            let given = TransverseMercator { scale, origin_latitude, ..TransverseMercator::at(117.0) };
            let plane = given.on(ellipsoid);
            let there = plane.forward(place(117.0 + away, lat)).expect("near");
            let [lon, back] = plane.inverse(there).expect("near");
            prop_assert!(fabs(lon - 117.0 - away) * cos(lat.to_radians()) < 1e-10 && fabs(back - lat) < 1e-10, "{} {}", lon, back);
        }

        #[test]
        fn any_numbers_end_in_a_position_or_a_reason(easting in any::<f64>(), northing in any::<f64>()) {
            let plane = TransverseMercator::at(117.0).on(Ellipsoid::CGCS2000);
            if let Ok([lon, lat]) = plane.inverse([easting, northing]) {
                prop_assert!(fabs(lon - 117.0) <= WIDEST_DEG + 1e-6 && fabs(lat) <= 90.0);
            }
        }
    }
}
