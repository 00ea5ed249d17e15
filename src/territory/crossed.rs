//! Borders that run through an area: a building should stand in one grid.

use super::Territory;
use crate::geom::lattice::{cross, on_segment};
use crate::geom::planar::{closed_pairs, ring_holds_midpoint};
use crate::geom::{Area, LatticeBox, LatticePoint};

impl Territory {
    /// Whether a border runs through the inside of an area whose rings do not cross. One along its edge, or that only touches it, does
    /// not. Exact. Cost: the borders of what lies near it.
    pub fn is_crossed(&self, area: &Area) -> bool {
        let Some(bbox) = area.bbox() else { return false };
        let levels = 0..self.scheme.grid_level();
        let regions = levels.flat_map(|level| self.regions_in_box(level, bbox)).filter_map(|ix| self.region(ix).owner);
        let owners = self.grids_in_box(bbox).map(|ix| self.grid(ix).owner).chain(regions);
        let arcs = owners.flat_map(|owner| self.borders.around(&self.partition, owner)).filter(|arc| arc.bbox.meets(bbox));
        let mut edges = arcs.flat_map(|arc| arc.points.windows(2)).map(|edge| [edge[0], edge[1]]);
        edges.any(|[a, b]| LatticeBox { min: a, max: a }.with(b).meets(bbox) && runs_through(a, b, area))
    }
}

/// Whether a part of the segment `a b` lies inside an area.
fn runs_through(a: LatticePoint, b: LatticePoint, area: &Area) -> bool {
    let mut met = vec![a, b];
    for (u, v) in area.rings().flat_map(|ring| closed_pairs(ring)) {
        let (of_u, of_v) = (cross(a, b, u).signum(), cross(a, b, v).signum());
        if of_u * of_v < 0 && cross(u, v, a).signum() * cross(u, v, b).signum() < 0 {
            return true;
        }
        if of_u == 0 && on_segment(a, b, u) {
            met.push(u);
        }
    }
    // In the order in which they lie on the line. Between two of them it is inside, outside, or on an edge.
    met.sort_unstable();
    met.dedup();
    met.windows(2).any(|piece| {
        let (from, to) = (piece[0], piece[1]);
        let edges = || area.rings().flat_map(|ring| closed_pairs(ring));
        let along = edges().any(|(u, v)| on_segment(u, v, from) && on_segment(u, v, to));
        let holds = |ring: &Vec<LatticePoint>| ring_holds_midpoint(ring, from, to);
        !along && area.polygons().iter().any(|polygon| holds(&polygon.exterior) && !polygon.holes.iter().any(holds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Polygon;
    use crate::territory::coverage::Random;
    use crate::territory::samples::island;

    fn boxed(x: i32, y: i32, width: i32, height: i32) -> Area {
        let p = |dx: i32, dy: i32| LatticePoint::new(x + dx, y + dy);
        Area::canonical([Polygon { exterior: vec![p(0, 0), p(width, 0), p(width, height), p(0, height)], holes: vec![] }])
    }

    #[test]
    fn a_line_runs_through_an_area_when_some_of_it_is_inside() {
        let house = boxed(0, 0, 10, 10);
        let p = LatticePoint::new;
        for (a, b, through) in [
            (p(-5, 5), p(15, 5), true),
            (p(5, 5), p(6, 6), true),
            (p(-5, -5), p(15, 15), true),
            (p(0, 0), p(10, 10), true),
            (p(0, -5), p(0, 20), false),
            (p(0, 2), p(0, 8), false),
            (p(-5, 5), p(5, -5), false),
            (p(-5, 5), p(0, 5), false),
            (p(20, 5), p(30, 5), false),
        ] {
            assert_eq!(runs_through(a, b, &house), through, "{a:?} {b:?}");
            assert_eq!(runs_through(b, a, &house), through, "{b:?} {a:?}");
        }
    }

    #[test]
    fn an_area_is_crossed_just_when_its_inside_has_two_owners() {
        let territory = island(5, &[]);
        let mut random = Random(7);
        let mut seen = [0, 0];
        let mut thin = 0;
        for _ in 0..400 {
            let mut place = || (random.unit() * 200_000.0) as i32;
            let (x, y) = (1_220_990_000 + place(), 299_990_000 + place());
            let side = 200 + place() / 20;
            let crossed = territory.is_crossed(&boxed(x, y, side, side));
            // Places strictly inside it; a border could only pass between them where it is narrower than the step.
            let step = (side / 40).max(1) as usize;
            let inside = || (1..side).step_by(step);
            let places = inside().flat_map(|dx| inside().map(move |dy| LatticePoint::new(x + dx, y + dy)));
            let mut found = places.map(|place| territory.locate(place).leaf(&territory));
            let first = found.next().expect("a place");
            let several = found.any(|owner| owner != first);
            assert!(!several || crossed, "{x} {y} {side}");
            seen[usize::from(crossed)] += 1;
            thin += i32::from(crossed && !several);
        }
        assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
        // A border through a corner may pass between the places.
        assert!(thin * 5 < seen[1], "{thin} of {seen:?} have one owner at all places");
    }
}
