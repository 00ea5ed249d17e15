//! Slits: outer borders of different owners that run side by side without meeting, open to the outside, so that no face lies between
//! them. Bridges are drawn across; what they close off is a face like any other.

use super::SLIVER_WIDTH_M;
use super::cover::Cover;
use super::patches::{Patch, Wrong, patches};
use crate::geom::lattice::UNITS_PER_DEGREE;
use crate::geom::measure::LocalScale;
use crate::geom::planar::{Edge, FaceIx};
use crate::geom::{LatticePoint, LonLat};

/// A slit shorter than this, in metres, is the tip of a bay, and stays outside. A guess: such tips are in every coastline.
const SLIT_LENGTH_M: f64 = 1.0;

/// A line over land or sea that is no border.
pub(super) type Bridge = (LatticePoint, LatticePoint);

/// What an uncovered face is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uncovered {
    /// Lands alone enclose it.
    Gap,
    /// Narrow, and closed by bridges: a piece of a slit.
    Slit,
    /// Wide, and closed by bridges; the number of the face, since bays stay apart.
    Bay(FaceIx),
}

/// What an uncovered face is.
pub(super) fn uncovered(cover: &Cover, face: FaceIx) -> Uncovered {
    if !cover.has_bridges() || !cover.arrangement.border(&[face]).iter().any(|(edge, _)| cover.is_bare(*edge)) {
        Uncovered::Gap
    } else if Patch::of(cover, Wrong::Gap, vec![face]).is_narrow() {
        Uncovered::Slit
    } else {
        Uncovered::Bay(face)
    }
}

/// Whether a patch of [`Uncovered::Slit`] is long enough to matter.
pub(super) fn matters(patch: &Patch) -> bool {
    patch.length_m >= SLIT_LENGTH_M
}

/// Of the bridges in a cover, those that close off slits that matter.
pub(super) fn useful(cover: &Cover, bridges: &[Bridge]) -> Vec<Bridge> {
    let class = |face: FaceIx| {
        let is_slit = cover.around(face).is_empty() && uncovered(cover, face) == Uncovered::Slit;
        is_slit.then_some(((), Wrong::Gap))
    };
    let slits: Vec<Patch> = patches(cover, class).into_iter().map(|(_, patch)| patch).filter(matters).collect();
    let mut edges: Vec<Edge> = slits
        .iter()
        .flat_map(|slit| &slit.faces)
        .flat_map(|face| cover.arrangement.border(&[*face]))
        .map(|(edge, _)| edge)
        .filter(|edge| cover.is_bare(*edge))
        .collect();
    edges.sort_unstable();
    let noding = cover.arrangement.noding();
    let is_useful = |&&(from, to): &&Bridge| {
        let mut pieces = noding.line(&[from, to]).windows(2).map(|pair| Edge::between(pair[0], pair[1])).collect::<Vec<_>>();
        pieces.retain(|piece| piece.is_some_and(|(edge, _)| edges.binary_search(&edge).is_ok()));
        !pieces.is_empty()
    };
    bridges.iter().filter(is_useful).copied().collect()
}

/// A line from each outer vertex of one owner to the outer edge of another nearer than the sliver width. Lines over land do no
/// harm: they part no owners.
pub(super) fn bridges(cover: &Cover, owner_of: &[Option<u32>]) -> Vec<Bridge> {
    let mut outer: Vec<(Edge, u32)> = Vec::new();
    for (at, &edge) in cover.arrangement.edges().iter().enumerate() {
        if let [Some(face), None] | [None, Some(face)] = cover.arrangement.sides(at)
            && let Some(owner) = owner_of[face]
        {
            outer.push((edge, owner));
        }
    }
    let mut vertices: Vec<(LatticePoint, u32)> =
        outer.iter().flat_map(|&(edge, owner)| [(edge.a(), owner), (edge.b(), owner)]).collect();
    vertices.sort_unstable();
    vertices.dedup();
    let owners_at = |p: LatticePoint| {
        let start = vertices.partition_point(|(other, _)| *other < p);
        vertices[start..].iter().take_while(move |(other, _)| *other == p).map(|(_, owner)| *owner)
    };
    let mut found = Vec::new();
    for &(edge, owner) in &outer {
        let (a, b) = (edge.a(), edge.b());
        let scale = LocalScale::at((f64::from(a.y) + f64::from(b.y)) / 2.0);
        let [reach_x, reach_y] = [scale.x_m, scale.y_m].map(reach_units);
        let (west, east) = (i64::from(a.x) - reach_x, i64::from(b.x) + reach_x);
        let (south, north) = (i64::from(a.y.min(b.y)) - reach_y, i64::from(a.y.max(b.y)) + reach_y);
        let start = vertices.partition_point(|(p, _)| i64::from(p.x) < west);
        for &(p, of) in vertices[start..].iter().take_while(|(p, _)| i64::from(p.x) <= east) {
            let y = i64::from(p.y);
            if of == owner || y < south || y > north || p == a || p == b {
                continue;
            }
            if scale.segment_distance2_m2(p, a, b) >= SLIVER_WIDTH_M * SLIVER_WIDTH_M || owners_at(p).any(|at| at == owner) {
                continue;
            }
            let foot = scale.foot(p, a, b);
            let to = if foot <= 0.0 || foot >= 1.0 {
                let end = if foot <= 0.0 { a } else { b };
                // Beside a node where both owners meet the outside all borders are near.
                if owners_at(end).any(|at| at == of) {
                    continue;
                }
                Some(end)
            } else {
                let along = |from: i32, to: i32| (f64::from(from) + foot * (f64::from(to) - f64::from(from))) / UNITS_PER_DEGREE;
                LonLat::new(along(a.x, b.x), along(a.y, b.y)).ok().map(LatticePoint::nearest)
            };
            found.extend(to.filter(|to| *to != p).map(|to| if p < to { (p, to) } else { (to, p) }));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Lattice units that are at least the sliver width. Near the poles a unit of longitude has no length; there all of them are.
fn reach_units(unit_m: f64) -> i64 {
    let mut units = 1;
    while units < 1 << 32 && unit_m * (units as f64) < SLIVER_WIDTH_M {
        units *= 2;
    }
    units
}
