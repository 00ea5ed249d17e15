//! Areas on the lattice in one canonical form, so that equal areas are equal bytes.

use super::lattice::{LatticeBox, LatticePoint, cross};
use serde::{Deserialize, Serialize};

/// A closed ring; the first point is *not* repeated at the end. At least three points.
pub type Ring = Vec<LatticePoint>;

/// One part: an exterior ring and its holes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Polygon {
    /// Counter-clockwise in lon/lat (RFC 7946 §3.1.6).
    pub exterior: Ring,
    /// Clockwise.
    pub holes: Vec<Ring>,
}

/// A multipolygon on the lattice in canonical form: rings start at their least vertex, exteriors turn left, holes right,
/// holes and parts are sorted. Validity (no crossing, holes inside) is what `geom::planar` establishes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Area {
    polygons: Vec<Polygon>,
}

impl Area {
    /// Brings parts into canonical form. Consecutive equal points are dropped, rings of fewer than three points vanish.
    pub fn canonical(polygons: impl IntoIterator<Item = Polygon>) -> Self {
        let mut polygons: Vec<Polygon> = polygons
            .into_iter()
            .filter_map(|p| {
                let mut holes: Vec<Ring> = p.holes.into_iter().filter_map(|hole| canonical_ring(hole, false)).collect();
                holes.sort_unstable();
                canonical_ring(p.exterior, true).map(|exterior| Polygon { exterior, holes })
            })
            .collect();
        polygons.sort_unstable_by(|a, b| a.exterior.cmp(&b.exterior).then_with(|| a.holes.cmp(&b.holes)));
        Self { polygons }
    }

    /// The parts.
    pub fn polygons(&self) -> &[Polygon] {
        &self.polygons
    }

    /// All rings, exteriors and holes.
    pub fn rings(&self) -> impl Iterator<Item = &Ring> {
        self.polygons.iter().flat_map(|p| std::iter::once(&p.exterior).chain(&p.holes))
    }

    /// No part at all.
    pub fn is_empty(&self) -> bool {
        self.polygons.is_empty()
    }

    /// Number of vertices of all rings.
    pub fn vertex_count(&self) -> usize {
        self.rings().map(Vec::len).sum()
    }

    /// The box around it; `None` when empty.
    pub fn bbox(&self) -> Option<LatticeBox> {
        LatticeBox::around(self.polygons.iter().flat_map(|p| p.exterior.iter().copied()))
    }
}

/// Twice the signed area of a ring in square units; positive when counter-clockwise. Exact.
pub fn ring_area2(ring: &[LatticePoint]) -> i128 {
    let Some((&origin, rest)) = ring.split_first() else { return 0 };
    rest.windows(2).map(|pair| cross(origin, pair[0], pair[1])).sum()
}

/// Without repeated neighbours, starting at its least vertex, turning as asked. `None` when fewer than three points remain.
fn canonical_ring(mut ring: Ring, counter_clockwise: bool) -> Option<Ring> {
    ring.dedup();
    while ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    if ring.len() < 3 {
        return None;
    }
    if (ring_area2(&ring) > 0) != counter_clockwise {
        ring.reverse();
    }
    let least = ring.iter().enumerate().min_by_key(|(_, p)| **p).map_or(0, |(at, _)| at);
    ring.rotate_left(least);
    Some(ring)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(points: &[(i32, i32)]) -> Ring {
        points.iter().map(|&(x, y)| LatticePoint::new(x, y)).collect()
    }

    #[test]
    fn the_same_square_told_in_four_ways_is_one_area() {
        let ways: [&[(i32, i32)]; 4] = [
            &[(0, 0), (4, 0), (4, 4), (0, 4)],
            &[(4, 4), (0, 4), (0, 0), (4, 0)],
            &[(0, 4), (4, 4), (4, 0), (0, 0)],
            &[(0, 0), (4, 0), (4, 0), (4, 4), (0, 4), (0, 0)],
        ];
        let areas: Vec<Area> = ways.iter().map(|way| Area::canonical([Polygon { exterior: ring(way), holes: vec![] }])).collect();
        assert!(areas.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(ring_area2(&areas[0].polygons()[0].exterior), 32);
    }

    #[test]
    fn a_ring_of_two_points_is_no_ring() {
        assert!(Area::canonical([Polygon { exterior: ring(&[(0, 0), (1, 1), (0, 0)]), holes: vec![] }]).is_empty());
    }
}
