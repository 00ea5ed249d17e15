//! Rings on the lattice: splitting a walk where it touches itself, which ring holds which, a point inside.

use super::LatticeMap;
use crate::geom::area::{Polygon, Ring};
use crate::geom::lattice::{LatticePoint, UNITS_PER_DEGREE};
use crate::geom::lonlat::LonLat;

/// Splits a closed walk at the points it visits more than once into rings that visit each point once. Only points with
/// `crowded` set can be such.
pub(super) fn split_at_touches(walk: &[LatticePoint], crowded: &[bool]) -> Vec<Ring> {
    if crowded.iter().filter(|crowded| **crowded).count() < 2 {
        return vec![walk.to_vec()];
    }
    let mut rings = Vec::new();
    let mut open: Ring = Vec::with_capacity(walk.len());
    let mut seen: LatticeMap<LatticePoint, usize> = LatticeMap::default();
    for (&p, &crowded) in walk.iter().zip(crowded) {
        if crowded {
            if let Some(&start) = seen.get(&p) {
                let ring: Ring = open.drain(start..).collect();
                for inner in &ring[1..] {
                    seen.remove(inner);
                }
                rings.push(ring);
            }
            seen.insert(p, open.len());
        }
        open.push(p);
    }
    rings.push(open);
    rings
}

/// Whether a ring holds the middle of the segment `a b`, which is not on the ring. Exact.
pub fn ring_holds_midpoint(ring: &[LatticePoint], a: LatticePoint, b: LatticePoint) -> bool {
    // Doubled coordinates; a ray to the east, half open at its vertices.
    let (px, py) = (i64::from(a.x) + i64::from(b.x), i64::from(a.y) + i64::from(b.y));
    let mut inside = false;
    for (u, v) in super::noding::closed_pairs(ring) {
        let (uy, vy) = (2 * i64::from(u.y), 2 * i64::from(v.y));
        if (uy > py) == (vy > py) {
            continue;
        }
        let (ux, vx) = (2 * i64::from(u.x), 2 * i64::from(v.x));
        let turn = i128::from(vx - ux) * i128::from(py - uy) - i128::from(vy - uy) * i128::from(px - ux);
        // Upward edges have the point on their left, downward ones on their right.
        if (turn > 0) == (vy > uy) {
            inside = !inside;
        }
    }
    inside
}

/// How many scan lines [`inner_point`] tries. A guess: more move labels of crooked areas a little nearer to their middle.
const SCAN_LINES: i64 = 9;

/// A point inside a polygon and far from its border as such points go: of the middles of its widest stretches along a few
/// parallels, the one with the most room around it. For slivers without a lattice point inside, the nearest one may lie on or beyond
/// the border. The same on every machine.
pub fn inner_point(polygon: &Polygon) -> LatticePoint {
    let ys = || polygon.exterior.iter().map(|p| i64::from(p.y));
    let (south, north) = (ys().min().unwrap_or(0), ys().max().unwrap_or(0));
    // Metres per unit along x and y are about cos(latitude) : 1.
    let squeeze = libm::cos(((south + north) as f64 / 2.0 / UNITS_PER_DEGREE).to_radians()).max(0.01);
    let edges = || std::iter::once(&polygon.exterior).chain(&polygon.holes).flat_map(|ring| super::noding::closed_pairs(ring));
    let mut best: Option<(f64, [f64; 2])> = None;
    let mut crossings: Vec<f64> = Vec::new();
    for line in 0..SCAN_LINES {
        // Odd numbers of half units: no vertex lies on the line.
        let twice = (2 * south + ((2 * line + 1) * (north - south)) / SCAN_LINES) | 1;
        let y = twice as f64 / 2.0;
        crossings.clear();
        for (u, v) in edges() {
            let (uy, vy) = (2 * i64::from(u.y), 2 * i64::from(v.y));
            if (uy > twice) != (vy > twice) {
                let part = (twice - uy) as f64 / (vy - uy) as f64;
                crossings.push(f64::from(u.x) + (f64::from(v.x) - f64::from(u.x)) * part);
            }
        }
        crossings.sort_unstable_by(f64::total_cmp);
        let widest = crossings.chunks_exact(2).max_by(|l, r| (l[1] - l[0]).total_cmp(&(r[1] - r[0])));
        let Some(&[from, to]) = widest else { continue };
        let x = (from + to) / 2.0;
        let bound = best.map_or(-1.0, |(room, _)| room);
        // Half the stretch is an upper bound of the room.
        if (to - from) / 2.0 * squeeze <= bound.max(0.0).sqrt() && best.is_some() {
            continue;
        }
        let room = edges().map(|(u, v)| distance2([x, y], u, v, squeeze)).fold(f64::INFINITY, f64::min);
        if room > bound {
            best = Some((room, [x, y]));
        }
    }
    let place = best.and_then(|(_, [x, y])| LonLat::new(x / UNITS_PER_DEGREE, y / UNITS_PER_DEGREE).ok());
    place.map_or_else(|| polygon.exterior.first().copied().unwrap_or_default(), LatticePoint::nearest)
}

/// Square of the distance from a place to a segment in units of latitude, x squeezed.
fn distance2([x, y]: [f64; 2], u: LatticePoint, v: LatticePoint, squeeze: f64) -> f64 {
    let (ux, uy) = ((f64::from(u.x) - x) * squeeze, f64::from(u.y) - y);
    let (dx, dy) = ((f64::from(v.x) - f64::from(u.x)) * squeeze, f64::from(v.y) - f64::from(u.y));
    let length2 = dx * dx + dy * dy;
    let part = if length2 > 0.0 { (-(ux * dx + uy * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
    let (nx, ny) = (ux + part * dx, uy + part * dy);
    nx * nx + ny * ny
}
