//! Shores. The outlines are drawn for a scale of 1 : 10 million, with straight edges of up to three kilometres; between their
//! vertices the shore is bent *inward*, so that it looks like a shore from nearby and never leaves the outline.

use super::plane::{Spot, meeting, simplified};
use super::random::Noise;

/// Most a shore lies behind its outline, as a share of the edge and in metres.
const DEEPEST_SHARE: f64 = 0.055;
const DEEPEST_M: f64 = 130.0;
/// Distance of the points that bend an edge, in metres.
const STEP_M: f64 = 45.0;
/// A shore keeps this close to its bent line, in metres.
const TOLERANCE_M: f64 = 7.0;

/// The shore of an outline (counter-clockwise): all vertices of the outline, with bays between them.
pub(super) fn shore(outline: &[Spot], noise: Noise) -> Vec<Spot> {
    // A narrow neck may be cut through by bays from both sides; then all bays become shallower.
    [1.0, 0.5, 0.25]
        .into_iter()
        .map(|depth| bent(outline, noise, depth))
        .find(|ring| is_simple(ring))
        .unwrap_or_else(|| outline.to_vec())
}

fn bent(outline: &[Spot], noise: Noise, depth: f64) -> Vec<Spot> {
    let mut ring = Vec::new();
    for (at, &a) in outline.iter().enumerate() {
        let b = outline[(at + 1) % outline.len()];
        let (length, inward) = (a.distance(b), b.minus(a).direction().left());
        let deepest = depth * (length * DEEPEST_SHARE).min(DEEPEST_M);
        let steps = (length / STEP_M).floor().max(1.0) as usize;
        let edge: Vec<Spot> = (0..=steps)
            .map(|step| {
                let t = step as f64 / steps as f64;
                let on_edge = a.plus(b.minus(a), t);
                let fade = (6.0 * t.min(1.0 - t)).min(1.0);
                let rough = 0.5 + 0.35 * noise.rough(on_edge, 620.0) + 0.15 * noise.at(on_edge, 130.0);
                let bay = rough.clamp(0.0, 1.0);
                on_edge.plus(inward, deepest * fade * bay * bay)
            })
            .collect();
        let mut edge = simplified(&edge, TOLERANCE_M);
        edge.pop();
        ring.extend(edge);
    }
    ring
}

/// Whether no two edges of the ring meet but neighbours at their common vertex.
pub(super) fn is_simple(ring: &[Spot]) -> bool {
    let edge = |at: usize| (ring[at], ring[(at + 1) % ring.len()]);
    (0..ring.len()).all(|i| {
        let (a, b) = edge(i);
        let (low, high) = (a.x.min(b.x), a.x.max(b.x));
        (i + 2..ring.len()).all(|j| {
            let (c, d) = edge(j);
            let apart = c.x.max(d.x) < low || c.x.min(d.x) > high || (i == 0 && j + 1 == ring.len());
            apart || meeting(a, b, c, d).is_none()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::sources::ZHOUSHAN;
    use super::*;

    #[test]
    fn every_shore_is_simple_and_lies_inside_its_outline() {
        let noise = Noise::new(1, "coast");
        for island in ZHOUSHAN.islands().iter().filter(|island| island.outline.len() < 40) {
            let outline: Vec<Spot> = island.outline.iter().map(|p| Spot::of(*p)).collect();
            let shore = shore(&outline, noise);
            assert!(is_simple(&shore), "island {}", island.id);
            assert!(outline.iter().all(|vertex| shore.contains(vertex)), "island {}", island.id);
            let area = |ring: &[Spot]| (0..ring.len()).map(|i| ring[i].cross(ring[(i + 1) % ring.len()])).sum::<f64>();
            assert!(area(&shore) <= area(&outline) && area(&shore) > 0.8 * area(&outline), "island {}", island.id);
        }
    }
}
