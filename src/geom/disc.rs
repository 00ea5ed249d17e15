//! What is within some metres of a place.

use super::lattice::{LatticeBox, LatticePoint};
use super::lonlat::LonLat;
use super::measure::{LocalScale, distance_m};

/// Half the Earth in lattice units.
const HALF: i64 = 1_800_000_000;
/// Latitude in lattice units beyond which nothing is guessed: 80°.
const STEEP: i32 = 800_000_000;

/// A closed disc on the ellipsoid.
#[derive(Debug, Clone, Copy)]
pub struct Disc {
    centre: LonLat,
    at: LatticePoint,
    radius_m: f64,
}

impl Disc {
    /// Around a place.
    pub fn new(centre: LonLat, radius_m: f64) -> Self {
        Self { centre, at: LatticePoint::nearest(centre), radius_m }
    }

    /// Its middle.
    pub fn centre(&self) -> LonLat {
        self.centre
    }

    /// Its radius in metres.
    pub fn radius_m(&self) -> f64 {
        self.radius_m
    }

    /// Geodesic distance from the middle.
    pub fn distance_m(&self, p: LatticePoint) -> f64 {
        distance_m(self.centre, p.lonlat())
    }

    /// About the same, for less. Up to 100 km and 80° of latitude within half a percent and a metre; `None` beyond 80°.
    pub fn about_m(&self, p: LatticePoint) -> Option<f64> {
        if self.at.y.abs().max(p.y.abs()) > STEEP {
            return None;
        }
        let (dx, dy) = p.minus(self.at);
        let dx = if dx > HALF {
            dx - 2 * HALF
        } else if dx < -HALF {
            dx + 2 * HALF
        } else {
            dx
        };
        let scale = LocalScale::at(f64::midpoint(f64::from(p.y), f64::from(self.at.y)));
        Some(libm::hypot(dx as f64 * scale.x_m, dy as f64 * scale.y_m))
    }

    /// Whether a point lies in it. Measured exactly where the guess does not tell.
    pub fn holds(&self, p: LatticePoint) -> bool {
        match self.about_m(p) {
            Some(about) if about < 0.99 * self.radius_m - 2.0 => true,
            Some(about) if about > 1.01 * self.radius_m + 2.0 => false,
            _ => self.distance_m(p) <= self.radius_m,
        }
    }

    /// Boxes that hold all of it: one, or two over the antimeridian.
    pub fn boxes(&self) -> Vec<LatticeBox> {
        const POLE: i64 = 900_000_000;
        // A degree of latitude is at least 110.5 km long.
        let reach_y = (self.radius_m / 110_500.0 * 1e7) as i64 + 2;
        let (south, north) = (i64::from(self.at.y) - reach_y, i64::from(self.at.y) + reach_y);
        let steepest = south.abs().max(north.abs());
        let unit_m = if steepest < POLE { LocalScale::at(steepest as f64).x_m } else { 0.0 };
        let reach_x = self.radius_m * 1.01 / unit_m;
        let clamped = |y: i64| y.clamp(-POLE, POLE) as i32;
        let box_of = |west: i64, east: i64| LatticeBox {
            min: LatticePoint::new(west as i32, clamped(south)),
            max: LatticePoint::new(east as i32, clamped(north)),
        };
        // Also when it is infinite, at a pole.
        if reach_x >= HALF as f64 {
            return vec![box_of(-HALF, HALF)];
        }
        let (west, east) = (i64::from(self.at.x) - reach_x as i64 - 2, i64::from(self.at.x) + reach_x as i64 + 2);
        if west < -HALF {
            vec![box_of(-HALF, east), box_of(west + 2 * HALF, HALF)]
        } else if east > HALF {
            vec![box_of(west, HALF), box_of(-HALF, east - 2 * HALF)]
        } else {
            vec![box_of(west, east)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_disc_holds_what_is_near_and_its_boxes_hold_the_disc(
            lon in prop_oneof![-180.0..180.0f64, 179.9..180.0f64, -180.0..-179.9f64],
            lat in prop_oneof![-90.0..90.0f64, 89.0..90.0f64, 20.0..40.0f64],
            radius in 1.0..50_000.0f64,
            turn in 0.0..std::f64::consts::TAU,
            share in prop_oneof![0.0..2.0f64, 0.99..1.01f64],
        ) {
            let disc = Disc::new(LonLat::new(lon, lat).expect("in range"), radius);
            let (x_m, y_m) = LocalScale::degree_m(lat);
            let east = lon + share * radius * turn.cos() / x_m.max(1.0);
            let east = (east + 180.0).rem_euclid(360.0) - 180.0;
            let north = (lat + share * radius * turn.sin() / y_m).clamp(-90.0, 90.0);
            let p = LatticePoint::nearest(LonLat::new(east, north).expect("in range"));
            let exact = disc.distance_m(p);
            prop_assert_eq!(disc.holds(p), exact <= radius, "{} of {}", exact, radius);
            if let Some(about) = disc.about_m(p).filter(|_| exact < 100_000.0) {
                prop_assert!((about - exact).abs() <= 0.005 * exact + 1.0, "{} for {}", about, exact);
            }
            prop_assert!(exact > radius || disc.boxes().iter().any(|bbox| bbox.holds(p)), "{:?} {:?}", disc.boxes(), p);
        }
    }
}
