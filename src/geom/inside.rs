//! Many points against one outline: the edges stand in strips of latitude, so that a point meets few of them.

use super::lattice::{LatticeBox, LatticePoint, on_segment, side};
use super::measure::{LocalScale, segment_distance_m};
use std::cmp::Ordering;

/// Most strips.
const MOST_STRIPS: i64 = 512;

/// Edges, by the strips of latitude that they touch.
#[derive(Debug, Clone)]
pub struct Strips {
    bbox: LatticeBox,
    height: i64,
    strips: Vec<Vec<[LatticePoint; 2]>>,
}

impl Strips {
    /// Edges that matter within `reach` lattice units north and south of them, `reach_x` east and west.
    fn new(edges: &[[LatticePoint; 2]], reach: i64, reach_x: i64) -> Option<Self> {
        let bbox = LatticeBox::around(edges.iter().flatten().copied())?;
        let grown = |at: i32, by: i64, most: i64| (i64::from(at) + by).clamp(-most, most) as i32;
        let (wide, high) = (1_800_000_000, 900_000_000);
        let bbox = LatticeBox {
            min: LatticePoint::new(grown(bbox.min.x, -reach_x, wide), grown(bbox.min.y, -reach, high)),
            max: LatticePoint::new(grown(bbox.max.x, reach_x, wide), grown(bbox.max.y, reach, high)),
        };
        let span = i64::from(bbox.max.y) - i64::from(bbox.min.y) + 1;
        let height = (span / MOST_STRIPS.min(edges.len() as i64 + 1)).max(1);
        let mut strips = Self { bbox, height, strips: vec![Vec::new(); (span / height + 1) as usize] };
        for edge in edges {
            let (low, high) = (edge[0].y.min(edge[1].y), edge[0].y.max(edge[1].y));
            for strip in strips.at(i64::from(low) - reach)..=strips.at(i64::from(high) + reach) {
                strips.strips[strip].push(*edge);
            }
        }
        Some(strips)
    }

    fn at(&self, y: i64) -> usize {
        let last = self.strips.len() as i64 - 1;
        ((y - i64::from(self.bbox.min.y)).div_euclid(self.height)).clamp(0, last) as usize
    }

    /// The edges that may matter to a point.
    fn near(&self, p: LatticePoint) -> &[[LatticePoint; 2]] {
        if self.bbox.holds(p) { &self.strips[self.at(i64::from(p.y))] } else { &[] }
    }

    /// The box outside of which nothing matters.
    pub fn bbox(&self) -> LatticeBox {
        self.bbox
    }
}

/// What lies in an odd number of rings, borders included. Rings may cross: a lasso does.
#[derive(Debug, Clone)]
pub struct EvenOdd(Strips);

impl EvenOdd {
    /// Of rings; a first point that is repeated at the end does no harm. `None` without any point.
    pub fn new(rings: &[Vec<LatticePoint>]) -> Option<Self> {
        let edges = rings.iter().flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| [*a, *b]));
        Strips::new(&edges.collect::<Vec<_>>(), 0, 0).map(Self)
    }

    /// Exact.
    pub fn holds(&self, p: LatticePoint) -> bool {
        let mut odd = false;
        for &[a, b] in self.0.near(p) {
            if on_segment(a, b, p) {
                return true;
            }
            let (low, high) = if a.y < b.y { (a, b) } else { (b, a) };
            odd ^= low.y <= p.y && p.y < high.y && side(low, high, p) == Ordering::Greater;
        }
        odd
    }

    /// The box around it.
    pub fn bbox(&self) -> LatticeBox {
        self.0.bbox()
    }
}

/// What lies within some metres of a line.
#[derive(Debug, Clone)]
pub struct Corridor {
    strips: Strips,
    distance_m: f64,
}

impl Corridor {
    /// Around a line of at least one point. `None` without any.
    pub fn new(line: &[LatticePoint], distance_m: f64) -> Option<Self> {
        let edges: Vec<[LatticePoint; 2]> = match line {
            [only] => vec![[*only, *only]],
            line => line.windows(2).map(|edge| [edge[0], edge[1]]).collect(),
        };
        let reach = (distance_m / 110_500.0 * 1e7 * 1.01) as i64 + 2;
        let steepest = line.iter().map(|p| i64::from(p.y).abs()).max()? + reach;
        let unit_m = LocalScale::at(steepest.min(899_999_999) as f64).x_m;
        // Near a pole it is all the way round.
        let reach_x = ((distance_m * 1.01 / unit_m.max(1e-9)) as i64).saturating_add(2).min(3_600_000_000);
        Some(Self { strips: Strips::new(&edges, reach, reach_x)?, distance_m })
    }

    /// Whether a point is that near. Good to 1e-5 of the distance.
    pub fn holds(&self, p: LatticePoint) -> bool {
        self.strips.near(p).iter().any(|[a, b]| segment_distance_m(p, *a, *b) <= self.distance_m)
    }

    /// The box around it.
    pub fn bbox(&self) -> LatticeBox {
        self.strips.bbox()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(most: usize) -> impl Strategy<Value = Vec<LatticePoint>> {
        let point = (0i32..30, 0i32..30).prop_map(|(x, y)| LatticePoint::new(1_221_000_000 + x * 100, 300_000_000 + y * 100));
        proptest::collection::vec(point, 1..most)
    }

    proptest! {
        #[test]
        fn strips_answer_like_a_look_at_every_edge(rings in proptest::collection::vec(points(12), 1..3), asked in points(60)) {
            let shape = EvenOdd::new(&rings).expect("there are points");
            for p in asked {
                let edges = || rings.iter().flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)));
                let on_border = edges().any(|(a, b)| on_segment(*a, *b, p));
                // A ray to the north this time.
                let crossed = edges().filter(|(a, b)| {
                    let (west, east) = if a.x < b.x { (**a, **b) } else { (**b, **a) };
                    west.x <= p.x && p.x < east.x && side(west, east, p) == Ordering::Less
                });
                prop_assert_eq!(shape.holds(p), on_border || crossed.count() % 2 == 1, "{:?}", p);
            }
        }

        #[test]
        fn a_corridor_holds_what_is_near_its_line(line in points(8), asked in points(60), distance in 0.0..60.0f64) {
            let shape = Corridor::new(&line, distance).expect("there are points");
            for p in asked {
                let ends = line.iter().zip(line.iter().skip(1).chain(line.last()));
                let nearest = ends.map(|(a, b)| segment_distance_m(p, *a, *b)).fold(f64::INFINITY, f64::min);
                prop_assert_eq!(shape.holds(p), nearest <= distance, "{} of {}", nearest, distance);
            }
        }
    }
}
