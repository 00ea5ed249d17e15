//! Rings on the lattice: splitting a walk where it touches itself, which ring holds which, a point inside.

use super::LatticeMap;
use crate::geom::area::{Area, Polygon, Ring, ring_area2};
use crate::geom::lattice::{LatticePoint, UNITS_PER_DEGREE, cross};
use crate::geom::lonlat::LonLat;
use std::cmp::Ordering;

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

/// The area whose border is made of pieces of line with the land on their left. Pieces end where they meet and nowhere cross; a
/// piece that returns to its start is closed. `(line, against)`: read backwards when `against`.
pub fn assemble(pieces: &[(&[LatticePoint], bool)]) -> Area {
    let point = |piece: usize, at: usize| {
        let (line, against) = pieces[piece];
        if against { line[line.len() - 1 - at] } else { line[at] }
    };
    let mut leaving: LatticeMap<LatticePoint, Vec<u32>> = LatticeMap::default();
    for piece in 0..pieces.len() {
        leaving.entry(point(piece, 0)).or_default().push(piece as u32);
    }
    // Where several pieces leave a node, the border goes on along the first of them clockwise from where it came.
    let follow = |piece: usize| {
        let len = pieces[piece].0.len();
        let (before, node) = (point(piece, len - 2), point(piece, len - 1));
        let choices = leaving.get(&node)?;
        choices.iter().copied().min_by(|&l, &r| clockwise_from(node, before, point(l as usize, 1), point(r as usize, 1)))
    };
    let mut done = vec![false; pieces.len()];
    let (mut polygons, mut loose) = (Vec::new(), Vec::new());
    for start in 0..pieces.len() {
        let (mut walk, mut crowded) = (Vec::new(), Vec::new());
        let mut piece = start;
        while !done[piece] {
            done[piece] = true;
            let len = pieces[piece].0.len();
            crowded.push(leaving.get(&point(piece, 0)).is_some_and(|leaving| leaving.len() > 1));
            walk.extend((0..len - 1).map(|at| point(piece, at)));
            crowded.resize(walk.len(), false);
            piece = follow(piece).map_or(start, |next| next as usize);
        }
        if !walk.is_empty() {
            sort_rings(split_at_touches(&walk, &crowded), &mut polygons, &mut loose);
        }
    }
    with_holes(polygons, loose)
}

/// Files the rings of one walk: holes that touch their exterior belong to it, others are loose.
pub(super) fn sort_rings(rings: Vec<Ring>, polygons: &mut Vec<Polygon>, loose: &mut Vec<Ring>) {
    let (exteriors, holes): (Vec<Ring>, Vec<Ring>) = rings.into_iter().partition(|ring| ring_area2(ring) > 0);
    match <[Ring; 1]>::try_from(exteriors) {
        Ok([exterior]) => polygons.push(Polygon { exterior, holes }),
        Err(exteriors) => {
            polygons.extend(exteriors.into_iter().map(|exterior| Polygon { exterior, holes: Vec::new() }));
            loose.extend(holes);
        }
    }
}

/// Puts rings that are holes into the smallest polygon around them.
pub(super) fn with_holes(mut polygons: Vec<Polygon>, loose: Vec<Ring>) -> Area {
    for hole in loose {
        let holder = if polygons.len() == 1 {
            Some(0)
        } else {
            // The middle of an edge lies on no other ring of the same area.
            let around = polygons.iter().enumerate().filter(|(_, p)| ring_holds_midpoint(&p.exterior, hole[0], hole[1]));
            around.min_by_key(|(_, p)| ring_area2(&p.exterior)).map(|(at, _)| at)
        };
        if let Some(at) = holder {
            polygons[at].holes.push(hole);
        }
    }
    Area::canonical(polygons)
}

/// Order of directions from `centre`, counter-clockwise from west on. Exact.
pub(super) fn by_direction(centre: LatticePoint, l: LatticePoint, r: LatticePoint) -> Ordering {
    let upper = |p: LatticePoint| {
        let (dx, dy) = p.minus(centre);
        dy > 0 || (dy == 0 && dx > 0)
    };
    upper(l).cmp(&upper(r)).then_with(|| 0.cmp(&cross(centre, l, r)))
}

/// Order of directions from `centre`, clockwise from the one towards `from` (exclusive: it comes last). Exact.
fn clockwise_from(centre: LatticePoint, from: LatticePoint, l: LatticePoint, r: LatticePoint) -> Ordering {
    // Before `from` in counter-clockwise order means after it has wrapped around.
    let wrapped = |p: LatticePoint| by_direction(centre, p, from) != Ordering::Less;
    wrapped(l).cmp(&wrapped(r)).then_with(|| by_direction(centre, r, l))
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

/// A point inside the largest part, by [`inner_point`]. `None` of an empty area.
pub fn label_point(area: &Area) -> Option<LatticePoint> {
    area.polygons().iter().max_by_key(|polygon| ring_area2(&polygon.exterior)).map(inner_point)
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
