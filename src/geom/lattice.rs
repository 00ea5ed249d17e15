//! The lattice on which all stored borders lie: integer multiples of 1e-7 degree (1.1 cm of latitude).
//! Equality is exact and orientation tests are exact integers, so two borders either share a point or do not.

use super::lonlat::LonLat;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Lattice units per degree.
pub const UNITS_PER_DEGREE: f64 = 1e7;

/// A position in units of 1e-7 degree, longitude first. Ordered by `x`, then `y`.
/// `x` in ±1,800,000,000, `y` in ±900,000,000: coordinates fit `i32`, *differences need `i64`*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "[i32; 2]", into = "[i32; 2]")]
pub struct LatticePoint {
    /// Longitude × 1e7.
    pub x: i32,
    /// Latitude × 1e7.
    pub y: i32,
}

impl From<[i32; 2]> for LatticePoint {
    fn from([x, y]: [i32; 2]) -> Self {
        Self { x, y }
    }
}

impl From<LatticePoint> for [i32; 2] {
    fn from(p: LatticePoint) -> Self {
        [p.x, p.y]
    }
}

impl LatticePoint {
    /// A point from its two coordinates in units.
    pub const fn new(x: i32, y: i32) -> Self {
        Self { x, y }
    }

    /// The nearest lattice point. A position is rounded once, ties to even, before any test.
    pub fn nearest(p: LonLat) -> Self {
        let round = |degrees: f64| libm::rint(degrees * UNITS_PER_DEGREE) as i32;
        Self { x: round(p.lon()), y: round(p.lat()) }
    }

    /// Degrees. The quotient of two exact numbers, so 7 decimals print and parse back to this point.
    pub fn lonlat(self) -> LonLat {
        LonLat::new(f64::from(self.x) / UNITS_PER_DEGREE, f64::from(self.y) / UNITS_PER_DEGREE)
            .expect("lattice points are made from positions in range")
    }

    /// `self - other` in 64 bits.
    pub fn minus(self, other: Self) -> (i64, i64) {
        (i64::from(self.x) - i64::from(other.x), i64::from(self.y) - i64::from(other.y))
    }
}

/// Twice the signed area of the triangle `a b c`; positive when `c` lies left of `a → b`. Exact.
pub fn cross(a: LatticePoint, b: LatticePoint, c: LatticePoint) -> i128 {
    let (ux, uy) = b.minus(a);
    let (vx, vy) = c.minus(a);
    i128::from(ux) * i128::from(vy) - i128::from(uy) * i128::from(vx)
}

/// Which side of the line `a → b` the point `c` is on: `Greater` = left, `Less` = right, `Equal` = on it. Exact.
pub fn side(a: LatticePoint, b: LatticePoint, c: LatticePoint) -> Ordering {
    cross(a, b, c).cmp(&0)
}

/// Whether `p` lies on the closed segment `a b`. Exact.
pub fn on_segment(a: LatticePoint, b: LatticePoint, p: LatticePoint) -> bool {
    p.x >= a.x.min(b.x) && p.x <= a.x.max(b.x) && p.y >= a.y.min(b.y) && p.y <= a.y.max(b.y) && side(a, b, p) == Ordering::Equal
}

/// A closed box on the lattice: `min` and `max` belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LatticeBox {
    /// South-west corner.
    pub min: LatticePoint,
    /// North-east corner.
    pub max: LatticePoint,
}

impl LatticeBox {
    /// The box of some points; `None` of none.
    pub fn around(points: impl IntoIterator<Item = LatticePoint>) -> Option<Self> {
        points.into_iter().fold(None, |found, p| {
            Some(match found {
                None => Self { min: p, max: p },
                Some(b) => b.with(p),
            })
        })
    }

    /// The smallest box that holds this one and `p`.
    pub fn with(self, p: LatticePoint) -> Self {
        Self {
            min: LatticePoint::new(self.min.x.min(p.x), self.min.y.min(p.y)),
            max: LatticePoint::new(self.max.x.max(p.x), self.max.y.max(p.y)),
        }
    }

    /// The smallest box that holds both.
    pub fn union(self, other: Self) -> Self {
        self.with(other.min).with(other.max)
    }

    /// Whether the two share a point.
    pub fn meets(self, other: Self) -> bool {
        self.min.x <= other.max.x && other.min.x <= self.max.x && self.min.y <= other.max.y && other.min.y <= self.max.y
    }

    /// Whether `p` is inside or on the border.
    pub fn holds(self, p: LatticePoint) -> bool {
        self.min.x <= p.x && p.x <= self.max.x && self.min.y <= p.y && p.y <= self.max.y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lattice_point_survives_the_way_to_degrees_and_back() {
        for (x, y) in [(1_800_000_000, 900_000_000), (-1_800_000_000, -900_000_000), (1_221_067_733, 300_198_587), (1, -1)] {
            let p = LatticePoint::new(x, y);
            assert_eq!(LatticePoint::nearest(p.lonlat()), p);
        }
    }

    #[test]
    fn rounding_ties_go_to_even() {
        let at = |lon: f64| LatticePoint::nearest(LonLat::new(lon, 0.0).expect("in range")).x;
        assert_eq!(at(2.5e-7), 2);
        assert_eq!(at(3.5e-7), 4);
        assert_eq!(at(-2.5e-7), -2);
    }

    #[test]
    fn orientation_is_exact_across_the_whole_globe() {
        let a = LatticePoint::new(-1_800_000_000, -900_000_000);
        let b = LatticePoint::new(1_800_000_000, 900_000_000);
        assert_eq!(side(a, b, LatticePoint::new(2, 1)), Ordering::Equal);
        assert_eq!(side(a, b, LatticePoint::new(1, 1)), Ordering::Greater);
        assert_eq!(side(a, b, LatticePoint::new(3, 1)), Ordering::Less);
        assert!(on_segment(a, b, LatticePoint::new(0, 0)));
    }
}
