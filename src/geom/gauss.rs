//! How much of a two-dimensional normal distribution lies on an area. Exact up to the quadrature: by Green's theorem the mass on a
//! polygon is a sum over its edges of `1/2π ∫ (1 − exp(−ρ(θ)²/2)) dθ`, with `ρ` the distance of the edge in direction `θ` (in standard
//! deviations); the part with the exponential is Owen's T function (Owen, 1956).

use super::Area;
use super::lattice::LatticePoint;
use super::measure::LocalScale;
use std::f64::consts::TAU;

/// Share of a two-dimensional normal distribution within the radius that receivers tell as their accuracy.
pub const SHARE_WITHIN_ACCURACY: f64 = 0.68;
/// Standard deviations beyond which there is nothing: 2·10⁻⁶ of it.
pub const REACH: f64 = 5.1;
/// Largest error of one edge. Some hundred edges are near.
const TOLERANCE: f64 = 1e-6;

/// A normal distribution around a place, the same in all directions.
#[derive(Debug, Clone, Copy)]
pub struct Gauss {
    mean: LatticePoint,
    /// Standard deviations per lattice unit.
    x: f64,
    y: f64,
    /// In metres.
    deviation_m: f64,
}

impl Gauss {
    /// Of a position that lies within `accuracy_m` with a probability of 68 %.
    pub fn of_accuracy(mean: LatticePoint, accuracy_m: f64) -> Self {
        // 1 − exp(−r²/2σ²) = 0.68
        let deviation_m = accuracy_m / (-2.0 * libm::log(1.0 - SHARE_WITHIN_ACCURACY)).sqrt();
        let scale = LocalScale::at(f64::from(mean.y));
        Self { mean, x: scale.x_m / deviation_m, y: scale.y_m / deviation_m, deviation_m }
    }

    /// The standard deviation in each direction, in metres.
    pub fn deviation_m(&self) -> f64 {
        self.deviation_m
    }

    /// The radius outside of which there is nothing, in metres.
    pub fn reach_m(&self) -> f64 {
        REACH * self.deviation_m
    }

    /// The share that lies on an area.
    pub fn share_on(&self, area: &Area) -> f64 {
        let share: f64 = area.rings().map(|ring| self.share_within(ring)).sum();
        share.clamp(0.0, 1.0)
    }

    /// The signed share within a ring, positive when it turns left.
    fn share_within(&self, ring: &[LatticePoint]) -> f64 {
        let Some(last) = ring.last() else { return 0.0 };
        let mut from = self.place(*last);
        let mut share = 0.0;
        for point in ring {
            let to = self.place(*point);
            share += edge(from, to);
            from = to;
        }
        share
    }

    /// A point in standard deviations from the mean.
    fn place(&self, p: LatticePoint) -> (f64, f64) {
        let (dx, dy) = p.minus(self.mean);
        (dx as f64 * self.x, dy as f64 * self.y)
    }
}

/// What an edge adds: the share on the triangle between the mean and it, positive when the edge turns left around the mean.
fn edge(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (ux, uy) = (b.0 - a.0, b.1 - a.1);
    let length = libm::hypot(ux, uy);
    let cross = a.0 * b.1 - a.1 * b.0;
    if length == 0.0 || cross == 0.0 {
        // Seen end on, or through the mean: a triangle without area.
        return 0.0;
    }
    let distance = cross.abs() / length;
    // Places along the edge, from the foot of the perpendicular.
    let (from, to) = ((a.0 * ux + a.1 * uy) / length, (b.0 * ux + b.1 * uy) / length);
    let angle = |along: f64| libm::atan2(along, distance);
    let mut share = angle(to) - angle(from);
    if distance < REACH {
        let (first, last) = (angle(from.clamp(-REACH, REACH)), angle(to.clamp(-REACH, REACH)));
        let density = |phi: f64| {
            let cos = libm::cos(phi);
            libm::exp(-distance * distance / (2.0 * cos * cos))
        };
        share -= integral(&density, first, last);
    }
    share / TAU * cross.signum()
}

/// Adaptive Simpson quadrature.
fn integral(f: &impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    /// A piece that is halved more often is narrower than the tolerance.
    const DEEPEST: u32 = 22;
    fn halved(
        f: &impl Fn(f64) -> f64,
        (a, fa): (f64, f64),
        (m, fm): (f64, f64),
        (b, fb): (f64, f64),
        whole: f64,
        left: u32,
    ) -> f64 {
        let (l, r) = (f64::midpoint(a, m), f64::midpoint(m, b));
        let (fl, fr) = (f(l), f(r));
        let (one, other) = ((m - a) / 6.0 * (fa + 4.0 * fl + fm), (b - m) / 6.0 * (fm + 4.0 * fr + fb));
        let error = one + other - whole;
        if left == 0 || error.abs() <= 15.0 * TOLERANCE / 4.0 {
            return one + other + error / 15.0;
        }
        halved(f, (a, fa), (l, fl), (m, fm), one, left - 1) + halved(f, (m, fm), (r, fr), (b, fb), other, left - 1)
    }
    if from >= to {
        return 0.0;
    }
    // Four pieces to begin with, so that nothing hides between three values.
    let step = (to - from) / 4.0;
    (0..4)
        .map(|piece| {
            let (a, b) = (from + f64::from(piece) * step, from + f64::from(piece + 1) * step);
            let m = f64::midpoint(a, b);
            let (fa, fm, fb) = (f(a), f(m), f(b));
            halved(f, (a, fa), (m, fm), (b, fb), (b - a) / 6.0 * (fa + 4.0 * fm + fb), DEEPEST)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Polygon;

    const MEAN: LatticePoint = LatticePoint::new(1_221_000_000, 300_000_000);

    /// An area whose corners are told in standard deviations from the mean.
    fn area(gauss: &Gauss, ring: &[(f64, f64)]) -> Area {
        let scale = LocalScale::at(f64::from(MEAN.y));
        let point = |&(x, y): &(f64, f64)| {
            let units = |deviations: f64, unit_m: f64| (deviations * gauss.deviation_m() / unit_m).round() as i32;
            LatticePoint::new(MEAN.x + units(x, scale.x_m), MEAN.y + units(y, scale.y_m))
        };
        Area::canonical([Polygon { exterior: ring.iter().map(point).collect(), holes: vec![] }])
    }

    /// Φ(b) − Φ(a) of the standard normal distribution.
    fn normal(a: f64, b: f64) -> f64 {
        (libm::erf(b / 2f64.sqrt()) - libm::erf(a / 2f64.sqrt())) / 2.0
    }

    #[test]
    fn a_box_holds_the_product_of_two_normal_distributions() {
        let gauss = Gauss::of_accuracy(MEAN, 150.0);
        for (west, south, east, north) in [
            (-1.0, -1.0, 1.0, 1.0),
            (0.0, 0.0, 9.0, 9.0),
            (0.0, -9.0, 9.0, 9.0),
            (0.001, -9.0, 9.0, 9.0),
            (-0.02, -0.03, 0.05, 9.0),
            (0.5, 0.2, 1.5, 0.9),
            (2.0, -1.0, 3.0, 4.0),
            (-40.0, -40.0, 40.0, 40.0),
            (6.0, 6.0, 7.0, 7.0),
        ] {
            let found = gauss.share_on(&area(&gauss, &[(west, south), (east, south), (east, north), (west, north)]));
            let expected = normal(west, east) * normal(south, north);
            assert!((found - expected).abs() < 2e-5, "{west} {south} {east} {north}: {found} for {expected}");
        }
    }

    #[test]
    fn a_circle_of_the_accuracy_holds_its_share() {
        let gauss = Gauss::of_accuracy(MEAN, 500.0);
        let radius = 500.0 / gauss.deviation_m();
        let ring: Vec<(f64, f64)> =
            (0..720).map(|n| TAU * f64::from(n) / 720.0).map(|t| (radius * t.cos(), radius * t.sin())).collect();
        let found = gauss.share_on(&area(&gauss, &ring));
        assert!((found - SHARE_WITHIN_ACCURACY).abs() < 1e-4, "{found}");
    }

    #[test]
    fn a_hole_is_taken_out() {
        let gauss = Gauss::of_accuracy(MEAN, 100.0);
        let square = |side: f64| area(&gauss, &[(-side, -side), (side, -side), (side, side), (-side, side)]);
        let outer = square(2.0).polygons()[0].exterior.clone();
        let hole = square(0.5).polygons()[0].exterior.clone();
        let ring = Area::canonical([Polygon { exterior: outer, holes: vec![hole] }]);
        let expected = gauss.share_on(&square(2.0)) - gauss.share_on(&square(0.5));
        assert!((gauss.share_on(&ring) - expected).abs() < 1e-9);
    }
}
