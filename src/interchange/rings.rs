//! Rings without order → polygons: exteriors with their holes, as Shapefiles leave them to the reader.

use crate::domain::fault::{Fault, FaultKind};

type RawRing = Vec<[f64; 2]>;

/// Most rings whose winding says nothing: each is compared with every other.
const MOST_UNWOUND: usize = 5_000;

/// Twice the area by the surveyor's formula from the ring's first corner: positive when it turns left.
fn turn(ring: &[[f64; 2]]) -> f64 {
    let Some(&[x0, y0]) = ring.first() else { return 0.0 };
    ring.windows(2).map(|edge| (edge[0][0] - x0) * (edge[1][1] - y0) - (edge[1][0] - x0) * (edge[0][1] - y0)).sum()
}

#[derive(Clone, Copy)]
struct Extent {
    low: [f64; 2],
    high: [f64; 2],
}

impl Extent {
    fn of(ring: &[[f64; 2]]) -> Self {
        let start = Self { low: [f64::INFINITY; 2], high: [f64::NEG_INFINITY; 2] };
        ring.iter().fold(start, |Self { low, high }, at| Self {
            low: [low[0].min(at[0]), low[1].min(at[1])],
            high: [high[0].max(at[0]), high[1].max(at[1])],
        })
    }

    fn holds(&self, other: &Self) -> bool {
        (0..2).all(|axis| self.low[axis] <= other.low[axis] && other.high[axis] <= self.high[axis])
    }
}

/// Whether a ring lies in another, by the first of its corners that is no corner of the other. Rings that cross are told later.
fn lies_in(inner: &[[f64; 2]], outer: &[[f64; 2]]) -> bool {
    let corner = inner.iter().take(8).find(|corner| !outer.contains(corner)).or(inner.first());
    let Some(&[x, y]) = corner else { return false };
    let crossings = outer.windows(2).filter(|edge| {
        let ([ax, ay], [bx, by]) = (edge[0], edge[1]);
        (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
    });
    crossings.count() % 2 == 1
}

/// Polygons of rings whose exteriors turn right and whose holes turn left (Shapefile), turned to RFC 7946. Where a hole lies in no
/// exterior, some program has wound the rings otherwise: then what lies in an odd number of others is a hole.
pub fn polygons(rings: Vec<RawRing>) -> Result<Vec<Vec<RawRing>>, Fault> {
    let extents: Vec<Extent> = rings.iter().map(|ring| Extent::of(ring)).collect();
    let turns: Vec<f64> = rings.iter().map(|ring| turn(ring)).collect();
    let inside = |inner: usize, outer: usize| {
        inner != outer && extents[outer].holds(&extents[inner]) && lies_in(&rings[inner], &rings[outer])
    };
    let smallest =
        |candidates: &mut dyn Iterator<Item = usize>| candidates.min_by(|l, r| turns[*l].abs().total_cmp(&turns[*r].abs()));
    let wound: Vec<bool> = turns.iter().map(|turn| *turn > 0.0).collect();
    let exteriors: Vec<usize> = (0..rings.len()).filter(|at| !wound[*at]).collect();
    let by_winding: Option<Vec<Option<usize>>> = (0..rings.len())
        .map(|at| match wound[at] {
            false => Some(None),
            true => smallest(&mut exteriors.iter().copied().filter(|outer| inside(at, *outer))).map(Some),
        })
        .collect();
    let parents = match by_winding {
        Some(parents) => parents,
        None if rings.len() > MOST_UNWOUND => {
            let detail = format!(
                "{} rings that are wound otherwise than a Shapefile's, more than {MOST_UNWOUND}: write it anew (ogr2ogr)",
                rings.len()
            );
            return Err(Fault::new(FaultKind::TooManyVertices, detail));
        }
        None => {
            let is_hole: Vec<bool> =
                (0..rings.len()).map(|at| (0..rings.len()).filter(|outer| inside(at, *outer)).count() % 2 == 1).collect();
            (0..rings.len())
                .map(|at| {
                    let outer = &mut (0..rings.len()).filter(|outer| !is_hole[*outer] && inside(at, *outer));
                    if is_hole[at] { smallest(outer) } else { None }
                })
                .collect()
        }
    };
    let mut place: Vec<Option<usize>> = vec![None; rings.len()];
    let mut parts: Vec<Vec<RawRing>> = Vec::new();
    let turned = |at: usize, ring: &[[f64; 2]], left: bool| {
        let mut ring = ring.to_vec();
        if wound[at] != left {
            ring.reverse();
        }
        ring
    };
    for (at, ring) in rings.iter().enumerate().filter(|(at, _)| parents[*at].is_none()) {
        place[at] = Some(parts.len());
        parts.push(vec![turned(at, ring, true)]);
    }
    for (at, ring) in rings.iter().enumerate() {
        if let Some(part) = parents[at].and_then(|outer| place[outer]) {
            parts[part].push(turned(at, ring, false));
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square that turns right.
    fn square(x: f64, y: f64, side: f64) -> RawRing {
        vec![[x, y], [x, y + side], [x + side, y + side], [x + side, y], [x, y]]
    }

    fn left(mut ring: RawRing) -> RawRing {
        ring.reverse();
        ring
    }

    fn shape(parts: &[Vec<RawRing>]) -> Vec<Vec<[f64; 2]>> {
        parts.iter().map(|part| part.iter().map(|ring| Extent::of(ring).low).collect()).collect()
    }

    #[test]
    fn holes_go_to_the_exterior_that_is_closest_around_them() {
        // An island in a lake in an island, and another island.
        let rings = vec![
            left(square(1.0, 1.0, 8.0)),
            square(0.0, 0.0, 10.0),
            square(20.0, 0.0, 5.0),
            square(2.0, 2.0, 6.0),
            left(square(3.0, 3.0, 1.0)),
        ];
        let parts = polygons(rings).expect("few rings");
        assert_eq!(shape(&parts), [vec![[0.0, 0.0], [1.0, 1.0]], vec![[20.0, 0.0]], vec![[2.0, 2.0], [3.0, 3.0]]]);
        for part in &parts {
            assert!(turn(&part[0]) > 0.0 && part[1..].iter().all(|hole| turn(hole) < 0.0), "as RFC 7946 has it");
        }
    }

    #[test]
    fn rings_that_are_wound_otherwise_are_sorted_by_what_lies_in_what() {
        let all_left = vec![left(square(0.0, 0.0, 10.0)), left(square(1.0, 1.0, 2.0)), left(square(20.0, 0.0, 5.0))];
        assert_eq!(shape(&polygons(all_left).expect("few rings")), [vec![[0.0, 0.0], [1.0, 1.0]], vec![[20.0, 0.0]]]);
        let mirrored = vec![left(square(0.0, 0.0, 10.0)), square(1.0, 1.0, 2.0)];
        assert_eq!(shape(&polygons(mirrored).expect("few rings")), [vec![[0.0, 0.0], [1.0, 1.0]]]);
        // A lake in an island in a lake: the innermost ring belongs to the island.
        let nested = (0..4_u32).map(|at| left(square(at.into(), at.into(), 20.0 - 2.0 * f64::from(at)))).collect();
        let parts = polygons(nested).expect("few rings");
        assert_eq!(shape(&parts), [vec![[0.0, 0.0], [1.0, 1.0]], vec![[2.0, 2.0], [3.0, 3.0]]]);
        assert!(polygons(vec![left(square(0.0, 0.0, 1.0)); MOST_UNWOUND + 1]).is_err());
    }

    #[test]
    fn nothing_and_odd_numbers_break_nothing() {
        assert!(polygons(Vec::new()).expect("none").is_empty());
        assert_eq!(polygons(vec![Vec::new()]).expect("one").len(), 1);
        assert_eq!(polygons(vec![vec![[f64::NAN, 0.0]; 4], square(0.0, 0.0, 1.0)]).expect("two").len(), 2);
    }
}
