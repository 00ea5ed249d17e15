//! A flat map in metres for drawing the demo. It is only a drawing board (true to about 0.3 % over the archipelago); what is
//! published is measured by `geom::measure`.

use crate::geom::LatticePoint;

/// A place on the drawing board, or a step on it: metres east and north.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The board's origin, in lattice units: the south-west corner of the archipelago.
const ORIGIN: LatticePoint = LatticePoint::new(1_218_000_000, 296_000_000);
/// Metres per lattice unit of longitude at 30.2° N.
const EAST: f64 = 0.009_629_2;
/// Metres per lattice unit of latitude at 30.2° N.
const NORTH: f64 = 0.011_085_6;

impl Spot {
    pub(super) const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    pub(super) fn of(p: LatticePoint) -> Self {
        let (dx, dy) = p.minus(ORIGIN);
        Self { x: dx as f64 * EAST, y: dy as f64 * NORTH }
    }

    /// The nearest lattice point.
    pub(super) fn lattice(self) -> LatticePoint {
        let unit = |metres: f64, per_unit: f64, origin: i32| (metres / per_unit + f64::from(origin)).round() as i32;
        LatticePoint::new(unit(self.x, EAST, ORIGIN.x), unit(self.y, NORTH, ORIGIN.y))
    }

    pub(super) fn plus(self, step: Self, times: f64) -> Self {
        Self { x: self.x + step.x * times, y: self.y + step.y * times }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self { x: self.x - other.x, y: self.y - other.y }
    }

    pub(super) fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y
    }

    pub(super) fn cross(self, other: Self) -> f64 {
        self.x * other.y - self.y * other.x
    }

    pub(super) fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// The same direction, one metre long; no direction stays none.
    pub(super) fn direction(self) -> Self {
        let length = self.length();
        if length > 0.0 { Self { x: self.x / length, y: self.y / length } } else { self }
    }

    /// Turned left by a quarter.
    pub(super) fn left(self) -> Self {
        Self { x: -self.y, y: self.x }
    }

    pub(super) fn distance(self, other: Self) -> f64 {
        self.minus(other).length()
    }

    /// Distance to the segment `a b`.
    pub(super) fn distance_to_segment(self, a: Self, b: Self) -> f64 {
        let ab = b.minus(a);
        let along = if ab.dot(ab) > 0.0 { (self.minus(a).dot(ab) / ab.dot(ab)).clamp(0.0, 1.0) } else { 0.0 };
        self.distance(a.plus(ab, along))
    }
}

/// How far along `a b` it meets `c d`, in `[0, 1]`; `None` when they do not meet or are parallel.
pub(super) fn meeting(a: Spot, b: Spot, c: Spot, d: Spot) -> Option<f64> {
    let (ab, cd, ac) = (b.minus(a), d.minus(c), c.minus(a));
    let turn = ab.cross(cd);
    if turn == 0.0 {
        return None;
    }
    let (along, across) = (ac.cross(cd) / turn, ac.cross(ab) / turn);
    ((0.0..=1.0).contains(&along) && (0.0..=1.0).contains(&across)).then_some(along)
}

/// Drops points that lie within `tolerance` metres of what remains (Douglas and Peucker 1973). Ends stay.
pub(super) fn simplified(line: &[Spot], tolerance: f64) -> Vec<Spot> {
    let mut keep = vec![false; line.len()];
    let mut spans = vec![(0, line.len() - 1)];
    keep[0] = true;
    keep[line.len() - 1] = true;
    while let Some((from, to)) = spans.pop() {
        let farthest = (from + 1..to)
            .map(|at| (line[at].distance_to_segment(line[from], line[to]), at))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        if let Some((distance, at)) = farthest
            && distance > tolerance
        {
            keep[at] = true;
            spans.push((from, at));
            spans.push((at, to));
        }
    }
    line.iter().zip(keep).filter_map(|(p, keep)| keep.then_some(*p)).collect()
}

/// Length of a line in metres.
pub(super) fn length(line: &[Spot]) -> f64 {
    line.windows(2).map(|pair| pair[0].distance(pair[1])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lattice_points_survive_the_drawing_board() {
        for (x, y) in [(1_221_067_733, 300_198_587), (1_229_999_999, 310_000_001)] {
            let p = LatticePoint::new(x, y);
            assert_eq!(Spot::of(p).lattice(), p);
        }
    }

    #[test]
    fn simplified_lines_keep_their_ends_and_their_bends() {
        let line: Vec<Spot> = [(0.0, 0.0), (10.0, 0.4), (20.0, 0.0), (20.0, 20.0)].map(|(x, y)| Spot::new(x, y)).to_vec();
        assert_eq!(simplified(&line, 1.0), [line[0], line[2], line[3]]);
    }
}
