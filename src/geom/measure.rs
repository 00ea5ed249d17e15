//! Lengths and areas on the ellipsoid (CGCS2000; WGS 84 differs by 0.1 mm). The only file that names `geo`.
//!
//! Borders are straight in longitude/latitude, not geodesics, so an area here is the exact integral over such edges: on the
//! ellipsoid `dA = M·N·cos φ dφ dλ = dQ dλ` with `Q` the authalic primitive (Snyder, Map Projections, 1987, eq. 3-12), hence the
//! area left of a closed line is `−∮ Q dλ`. Areas of parts therefore sum to the area of the whole.

use super::area::Area;
use super::lattice::{LatticePoint, UNITS_PER_DEGREE};
use super::lonlat::LonLat;
use geo::{Bearing as _, Distance as _};

/// Semi-major axis in metres (CGCS2000 and WGS 84).
pub const SEMI_MAJOR_M: f64 = 6_378_137.0;
/// Flattening of CGCS2000 (GB 22021-2008).
pub const FLATTENING: f64 = 1.0 / 298.257_222_101;

/// First eccentricity, squared.
const E2: f64 = FLATTENING * (2.0 - FLATTENING);
/// Radians per lattice unit.
const UNIT: f64 = std::f64::consts::PI / 180.0 / UNITS_PER_DEGREE;
/// Up to this latitude difference (0.1°) the series below is used: its error is under 1e-12 of the area.
const SERIES_REACH: f64 = 1_000_000.0 * UNIT;
/// Longer pieces of an edge (2°) are split before Gauss-Legendre.
const QUADRATURE_REACH: f64 = 20_000_000.0 * UNIT;

/// Geodesic distance in metres (Karney's algorithm on WGS 84).
pub fn distance_m(a: LonLat, b: LonLat) -> f64 {
    geo::Geodesic.distance(geo::Point::new(a.lon(), a.lat()), geo::Point::new(b.lon(), b.lat()))
}

/// Direction in which the geodesic from `a` to `b` starts, in degrees clockwise from north, `[0, 360)`.
pub fn bearing_deg(a: LonLat, b: LonLat) -> f64 {
    geo::Geodesic.bearing(geo::Point::new(a.lon(), a.lat()), geo::Point::new(b.lon(), b.lat())).rem_euclid(360.0)
}

/// Land of an area in square metres: exteriors minus holes.
pub fn area_m2(area: &Area) -> f64 {
    area.rings().map(|ring| ring_m2(ring)).sum()
}

/// Signed area of a ring in square metres, positive when it turns left (counter-clockwise). The closing edge is implied; a
/// repeated first point does no harm.
pub fn ring_m2(ring: &[LatticePoint]) -> f64 {
    let (Some(&first), Some(&last)) = (ring.first(), ring.last()) else { return 0.0 };
    let (low, high) = ring.iter().fold((first.y, first.y), |(low, high), p| (low.min(p.y), high.max(p.y)));
    let strip = Strip::above(low + ((i64::from(high) - i64::from(low)) / 2) as i32, low, high);
    ring.windows(2).map(|edge| strip.edge_m2(edge[0], edge[1])).sum::<f64>() + strip.edge_m2(last, first)
}

/// Signed area in square metres between a line and the parallel at latitude `base` (lattice units): what the line adds to the area
/// on its left. Summed over the arcs around a face, each in the direction in which the face lies on the left and all with the same
/// `base`, it is the area of the face.
pub fn line_m2(line: &[LatticePoint], base: i32) -> f64 {
    let Some(&first) = line.first() else { return 0.0 };
    let (low, high) = line.iter().fold((first.y, first.y), |(low, high), p| (low.min(p.y), high.max(p.y)));
    let strip = Strip::above(base, low, high);
    line.windows(2).map(|edge| strip.edge_m2(edge[0], edge[1])).sum()
}

/// `Q(φ) − Q(base)` for latitudes of one line, prepared so that tiny rings keep all their digits.
struct Strip {
    base: i32,
    /// Latitude around which the series is made.
    centre: i32,
    /// `Q(centre) − Q(base)` in m².
    offset: f64,
    /// Taylor coefficients of `dQ/dφ` at `centre`; `None` when the line spans too much latitude.
    series: Option<[f64; ORDER]>,
}

/// Terms of the series.
const ORDER: usize = 5;

impl Strip {
    fn above(base: i32, low: i32, high: i32) -> Self {
        let centre = low + ((i64::from(high) - i64::from(low)) / 2) as i32;
        let narrow = (f64::from(high) - f64::from(low)) * UNIT <= 2.0 * SERIES_REACH;
        Self { base, centre, offset: primitive_between(base, f64::from(centre)), series: narrow.then(|| density_series(centre)) }
    }

    /// `−∫ (Q − Q(base)) dλ` along one edge.
    fn edge_m2(&self, a: LatticePoint, b: LatticePoint) -> f64 {
        let (dx, _) = b.minus(a);
        if dx == 0 {
            return 0.0;
        }
        let mean = match &self.series {
            Some(series) => self.offset + mean_of_series(series, units(a.y, self.centre), units(b.y, self.centre)),
            None => mean_of_primitive(self.base, a.y, b.y),
        };
        -(dx as f64) * UNIT * mean
    }
}

/// `to − from` of two latitudes in radians.
fn units(to: i32, from: i32) -> f64 {
    (f64::from(to) - f64::from(from)) * UNIT
}

/// `Q(to) − Q(from)` in m² per radian of longitude; `from` and `to` in lattice units, `to` not necessarily whole. No cancellation
/// when they are close.
fn primitive_between(from: i32, to: f64) -> f64 {
    let e = E2.sqrt();
    let delta = (to - f64::from(from)) * UNIT;
    let (s0, s1) = (libm::sin(f64::from(from) * UNIT), libm::sin(to * UNIT));
    // sin a − sin b as a product.
    let ds = 2.0 * libm::cos(f64::from(from) * UNIT + delta / 2.0) * libm::sin(delta / 2.0);
    let rational = ds * (1.0 + E2 * s0 * s1) / ((1.0 - E2 * s0 * s0) * (1.0 - E2 * s1 * s1));
    let logarithm = libm::atanh(e * ds / (1.0 - E2 * s0 * s1)) / e;
    SEMI_MAJOR_M * SEMI_MAJOR_M * (1.0 - E2) / 2.0 * (rational + logarithm)
}

/// Mean of `Q − Q(base)` over an edge from latitude `a` to latitude `b` (lattice units): Gauss-Legendre, five points a piece.
fn mean_of_primitive(base: i32, a: i32, b: i32) -> f64 {
    const NODES: [(f64, f64); 5] = [
        (0.0, 0.568_888_888_888_888_9),
        (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (-0.906_179_845_938_664, 0.236_926_885_056_189_1),
        (0.906_179_845_938_664, 0.236_926_885_056_189_1),
    ];
    let pieces = (units(b, a).abs() / QUADRATURE_REACH).ceil().max(1.0);
    let step = (f64::from(b) - f64::from(a)) / pieces;
    let mut sum = 0.0;
    for piece in 0..pieces as u32 {
        let middle = f64::from(a) + (f64::from(piece) + 0.5) * step;
        sum += NODES.iter().map(|(x, w)| w * primitive_between(base, middle + x * step / 2.0)).sum::<f64>();
    }
    sum / (2.0 * pieces)
}

/// Taylor coefficients of `dQ/dφ = M·N·cos φ` around a latitude, by series arithmetic.
fn density_series(centre: i32) -> [f64; ORDER] {
    let (s, c) = (libm::sin(f64::from(centre) * UNIT), libm::cos(f64::from(centre) * UNIT));
    let sin = [s, c, -s / 2.0, -c / 6.0, s / 24.0];
    let cos = [c, -s, -c / 2.0, s / 6.0, c / 24.0];
    let mut w = times(&sin, &sin).map(|x| -E2 * x);
    w[0] += 1.0;
    let w2 = times(&w, &w);
    // 1 / w², term by term.
    let mut inverse = [0.0; ORDER];
    inverse[0] = 1.0 / w2[0];
    for n in 1..ORDER {
        let known: f64 = (1..=n).map(|k| w2[k] * inverse[n - k]).sum();
        inverse[n] = -known / w2[0];
    }
    times(&cos, &inverse).map(|x| SEMI_MAJOR_M * SEMI_MAJOR_M * (1.0 - E2) * x)
}

fn times(a: &[f64; ORDER], b: &[f64; ORDER]) -> [f64; ORDER] {
    std::array::from_fn(|n| (0..=n).map(|k| a[k] * b[n - k]).sum())
}

/// Mean over `u` from `a` to `b` of `∫ series du`: the mean of `u^n` is `Σ aⁱ bⁿ⁻ⁱ / (n + 1)`, which needs no division by `b − a`.
fn mean_of_series(series: &[f64; ORDER], a: f64, b: f64) -> f64 {
    let (mut sum, mut powers, mut b_to_n) = (0.0, 1.0, 1.0);
    for (k, coefficient) in series.iter().enumerate() {
        // `powers` becomes Σ aⁱ bⁿ⁻ⁱ for n = k + 1.
        b_to_n *= b;
        powers = powers * a + b_to_n;
        let n = (k + 1) as f64;
        sum += coefficient / n * powers / (n + 1.0);
    }
    sum
}

/// How long a lattice unit is around some latitude: a flat map good for distances up to some kilometres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalScale {
    /// Metres per unit of longitude.
    pub x_m: f64,
    /// Metres per unit of latitude.
    pub y_m: f64,
}

impl LocalScale {
    /// The scale at a latitude in lattice units: prime-vertical and meridional radius of curvature.
    pub fn at(y: f64) -> Self {
        let (s, c) = (libm::sin(y * UNIT), libm::cos(y * UNIT));
        let w = 1.0 - E2 * s * s;
        let prime_vertical = SEMI_MAJOR_M / w.sqrt();
        let meridional = SEMI_MAJOR_M * (1.0 - E2) / (w * w.sqrt());
        Self { x_m: prime_vertical * c.max(0.0) * UNIT, y_m: meridional * UNIT }
    }

    /// Metres per degree of longitude and of latitude at `lat` degrees.
    pub fn degree_m(lat: f64) -> (f64, f64) {
        let scale = Self::at(lat * UNITS_PER_DEGREE);
        (scale.x_m * UNITS_PER_DEGREE, scale.y_m * UNITS_PER_DEGREE)
    }

    /// Length of the straight line between two points in metres.
    pub fn length_m(self, a: LatticePoint, b: LatticePoint) -> f64 {
        let (dx, dy) = b.minus(a);
        libm::hypot(dx as f64 * self.x_m, dy as f64 * self.y_m)
    }

    /// Where on the segment `a b` the point nearest to `p` is, 0 at `a`, 1 at `b`.
    pub fn foot(self, p: LatticePoint, a: LatticePoint, b: LatticePoint) -> f64 {
        let (ux, uy) = b.minus(a);
        let (vx, vy) = p.minus(a);
        let (ux, uy) = (ux as f64 * self.x_m, uy as f64 * self.y_m);
        let (vx, vy) = (vx as f64 * self.x_m, vy as f64 * self.y_m);
        let length2 = ux * ux + uy * uy;
        if length2 > 0.0 { ((ux * vx + uy * vy) / length2).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Square of the distance from `p` to the segment `a b` in m².
    pub fn segment_distance2_m2(self, p: LatticePoint, a: LatticePoint, b: LatticePoint) -> f64 {
        let t = self.foot(p, a, b);
        let (ux, uy) = b.minus(a);
        let (vx, vy) = p.minus(a);
        let dx = (vx as f64 - t * ux as f64) * self.x_m;
        let dy = (vy as f64 - t * uy as f64) * self.y_m;
        dx * dx + dy * dy
    }
}

/// Distance in metres from `p` to the segment `a b`: local scale half way to the nearest point, good to 1e-5 of the distance up to
/// 100 km, and geodesic beyond 10 km.
pub fn segment_distance_m(p: LatticePoint, a: LatticePoint, b: LatticePoint) -> f64 {
    let mut scale = LocalScale::at(f64::from(p.y));
    let mut foot = (0.0, 0.0);
    // The nearest point decides the scale and the scale the nearest point; twice is enough.
    for _ in 0..2 {
        let t = scale.foot(p, a, b);
        foot = (f64::from(a.x) + t * (f64::from(b.x) - f64::from(a.x)), f64::from(a.y) + t * (f64::from(b.y) - f64::from(a.y)));
        scale = LocalScale::at((f64::from(p.y) + foot.1) / 2.0);
    }
    let flat = libm::hypot((f64::from(p.x) - foot.0) * scale.x_m, (f64::from(p.y) - foot.1) * scale.y_m);
    match LonLat::new(foot.0 / UNITS_PER_DEGREE, foot.1 / UNITS_PER_DEGREE) {
        Ok(foot) if flat > 10_000.0 => distance_m(p.lonlat(), foot),
        _ => flat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Polygon;
    use geo::GeodesicArea as _;

    fn ring(points: &[(f64, f64)]) -> Vec<LatticePoint> {
        points.iter().map(|&(lon, lat)| LatticePoint::nearest(LonLat::new(lon, lat).expect("in range"))).collect()
    }

    /// A wobbly ring of `n` points around a centre.
    fn blob(lon: f64, lat: f64, radius_deg: f64, n: usize) -> Vec<LatticePoint> {
        let point = |k: usize| {
            let turn = std::f64::consts::TAU * k as f64 / n as f64;
            let radius = radius_deg * (1.0 + 0.3 * (5.0 * turn).sin());
            (lon + radius * turn.cos(), lat + radius * turn.sin())
        };
        ring(&(0..n).map(point).collect::<Vec<_>>())
    }

    fn geodesic_m2(ring: &[LatticePoint]) -> f64 {
        let line = ring.iter().map(|p| (p.lonlat().lon(), p.lonlat().lat())).collect::<Vec<_>>();
        geo::Polygon::new(line.into(), vec![]).geodesic_area_signed()
    }

    #[test]
    fn areas_agree_with_geodesic_areas_where_edges_are_short() {
        for lat in [-67.0, -33.8, 0.0, 22.5, 30.02, 45.8, 70.0] {
            for (radius_deg, n) in [(0.002, 80), (0.02, 400), (0.2, 4_000)] {
                let blob = blob(122.1, lat, radius_deg, n);
                let (ours, theirs) = (ring_m2(&blob), geodesic_m2(&blob));
                assert!((ours / theirs - 1.0).abs() < 1e-6, "{lat} {radius_deg}: {ours} {theirs}");
            }
        }
    }

    #[test]
    fn the_whole_ellipsoid_has_its_known_area() {
        let half = ring(&[(-180.0, -90.0), (0.0, -90.0), (0.0, 90.0), (-180.0, 90.0)]);
        let expected = 510_065_621_724_089.0; // WGS 84; CGCS2000 differs in the eleventh digit
        assert!((2.0 * ring_m2(&half) / expected - 1.0).abs() < 1e-10, "{}", 2.0 * ring_m2(&half));
    }

    #[test]
    fn parts_sum_to_the_whole() {
        // A strip from 20° to 31° north, cut into squares of 0.001° … 1°: series and quadrature must agree.
        let whole = ring(&[(122.0, 20.0), (123.0, 20.0), (123.0, 31.0), (122.0, 31.0)]);
        let parts: f64 = (0..11)
            .map(|k| 20.0 + f64::from(k))
            .map(|lat| ring_m2(&ring(&[(122.0, lat), (123.0, lat), (123.0, lat + 1.0), (122.0, lat + 1.0)])))
            .sum();
        assert!((parts / ring_m2(&whole) - 1.0).abs() < 1e-13);
        let square = ring(&[(122.0, 30.0), (122.1, 30.0), (122.1, 30.1), (122.0, 30.1)]);
        let cells: f64 = (0..100)
            .flat_map(|i| (0..100).map(move |j| (122.0 + f64::from(i) * 1e-3, 30.0 + f64::from(j) * 1e-3)))
            .map(|(lon, lat)| ring_m2(&ring(&[(lon, lat), (lon + 1e-3, lat), (lon + 1e-3, lat + 1e-3), (lon, lat + 1e-3)])))
            .sum();
        assert!((cells / ring_m2(&square) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn lines_around_a_face_sum_to_its_ring() {
        let blob = blob(122.1, 30.0, 0.01, 60);
        let mut closed = blob.clone();
        closed.push(blob[0]);
        let base = 251_000_000;
        let sum = line_m2(&closed[..20], base) + line_m2(&closed[19..41], base) + line_m2(&closed[40..], base);
        assert!((sum / ring_m2(&blob) - 1.0).abs() < 1e-10, "{sum} {}", ring_m2(&blob));
    }

    #[test]
    fn a_ring_of_one_lattice_unit_has_an_area() {
        let p = LatticePoint::new(1_221_000_000, 300_000_000);
        let unit = [p, LatticePoint::new(p.x + 1, p.y), LatticePoint::new(p.x + 1, p.y + 1), LatticePoint::new(p.x, p.y + 1)];
        let scale = LocalScale::at(f64::from(p.y));
        assert!((ring_m2(&unit) / (scale.x_m * scale.y_m) - 1.0).abs() < 1e-7);
    }

    #[test]
    fn holes_count_against_the_land() {
        let exterior = ring(&[(122.0, 30.0), (122.1, 30.0), (122.1, 30.1), (122.0, 30.1)]);
        let hole = ring(&[(122.04, 30.04), (122.06, 30.04), (122.06, 30.06), (122.04, 30.06)]);
        let (outer, inner) = (ring_m2(&exterior), ring_m2(&hole));
        let area = Area::canonical([Polygon { exterior, holes: vec![hole] }]);
        assert!((area_m2(&area) - (outer - inner)).abs() < 1e-3);
    }

    #[test]
    fn local_lengths_agree_with_geodesics() {
        for (lon, lat) in [(122.1, 30.0), (-74.0, 40.7), (151.2, -33.9), (10.0, 69.0)] {
            let a = LatticePoint::nearest(LonLat::new(lon, lat).expect("in range"));
            for (dx, dy) in [(90_000, 0), (0, 90_000), (70_000, -50_000)] {
                let b = LatticePoint::new(a.x + dx, a.y + dy);
                let flat = LocalScale::at(f64::from(a.y) + f64::from(dy) / 2.0).length_m(a, b);
                assert!((flat / distance_m(a.lonlat(), b.lonlat()) - 1.0).abs() < 1e-6);
            }
        }
        let (x_m, y_m) = LocalScale::degree_m(0.0);
        assert!((x_m - 111_319.49).abs() < 0.01 && (y_m - 110_574.27).abs() < 0.01);
    }

    #[test]
    fn the_distance_to_a_segment_is_to_its_nearest_point() {
        let at = |lon: f64, lat: f64| LatticePoint::nearest(LonLat::new(lon, lat).expect("in range"));
        let (a, b) = (at(122.0, 30.0), at(122.2, 30.0));
        let beside = segment_distance_m(at(122.1, 30.01), a, b);
        assert!((beside - distance_m(at(122.1, 30.01).lonlat(), at(122.1, 30.0).lonlat())).abs() < 0.01, "{beside}");
        let beyond = segment_distance_m(at(122.3, 30.1), a, b);
        assert!((beyond - distance_m(at(122.3, 30.1).lonlat(), b.lonlat())).abs() < 0.01, "{beyond}");
        assert_eq!(segment_distance_m(a, a, a), 0.0);
    }

    #[test]
    fn bearings_run_clockwise_from_north() {
        let at = |lon, lat| LonLat::new(lon, lat).expect("in range");
        assert!(bearing_deg(at(122.0, 30.0), at(122.0, 31.0)).abs() < 1e-9);
        assert!((bearing_deg(at(0.0, 0.0), at(-1.0, 0.0)) - 270.0).abs() < 1e-9);
    }
}
