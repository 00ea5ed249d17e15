//! Arcs of a partition from the rings of its owners' land: by matching edges, all of them or those that changed.

use super::partition::{Arc, BLOCK, OwnerIx, Partition};
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::geom::morton::morton;
use crate::geom::planar::{Edge, LatticeHasher, closed_pairs, each_node};
use crate::geom::{Area, LatticeBox, LatticePoint};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasherDefault;
use xxhash_rust::xxh3::xxh3_128;

type Points = HashSet<LatticePoint, BuildHasherDefault<LatticeHasher>>;
/// An edge, whether it is read backwards, and whose land lies left of it.
type Directed = (Edge, bool, u32);
/// Edges, each once, and what is on the left and on the right of each.
type Sided = (Vec<Edge>, Vec<[OwnerIx; 2]>);
/// Owners of which both lie on one side of an edge (or one on both sides): of how many edges, and where the first is.
type Clashes = BTreeMap<(u32, u32), (usize, Edge)>;

/// All arcs. Two owners on one side of an edge, or one owner on both, are faults.
pub(super) fn arcs(areas: &[&Area], code: impl Fn(usize) -> Option<Code>, faults: &mut Vec<Fault>) -> Vec<Arc> {
    let mut directed: Vec<Directed> = Vec::with_capacity(areas.iter().map(|area| area.vertex_count()).sum());
    (0..).zip(areas).for_each(|(owner, area)| add_rings(area, owner, &mut directed));
    let (edges, sides) = match sided(directed) {
        Ok(sided) => sided,
        Err(clashes) => {
            faults.extend(clashes.into_iter().map(|clash| fault(clash, &code)));
            return Vec::new();
        }
    };
    link(&edges, &sides, &Points::default())
}

fn fault(((one, other), (count, edge)): ((u32, u32), (usize, Edge)), code: impl Fn(usize) -> Option<Code>) -> Fault {
    let kind = if one == other { FaultKind::Corrupt } else { FaultKind::Overlap };
    let detail = if one == other {
        format!("{count} edges have the same land on both sides")
    } else {
        format!("two areas lie on the same side of {count} edges")
    };
    let mut fault = Fault::new(kind, detail);
    fault.codes = [one, other].into_iter().filter_map(|owner| code(owner as usize)).collect();
    fault.codes.dedup();
    fault.place = Some(edge.a().lonlat());
    fault
}

/// Exteriors turn left and holes right, so the land lies left of each directed edge.
fn add_rings(area: &Area, owner: u32, directed: &mut Vec<Directed>) {
    for (from, to) in area.rings().flat_map(|ring| closed_pairs(ring)) {
        directed.extend(Edge::between(from, to).map(|(edge, against)| (edge, against, owner)));
    }
}

/// Finds the two directions of each edge.
fn sided(mut directed: Vec<Directed>) -> Result<Sided, Clashes> {
    directed.par_sort_unstable_by_key(|&(edge, against, owner)| (edge.key(), against, owner));
    let mut edges: Vec<Edge> = Vec::with_capacity(directed.len() / 2);
    let mut sides: Vec<[OwnerIx; 2]> = Vec::with_capacity(directed.len() / 2);
    let mut clashes = Clashes::new();
    for group in directed.chunk_by(|l, r| l.0 == r.0) {
        let edge = group[0].0;
        let mut pair = [OwnerIx::OUTSIDE; 2];
        for &(_, against, owner) in group {
            let side = &mut pair[usize::from(against)];
            if *side != OwnerIx::OUTSIDE {
                clashes.entry((side.0, owner)).or_insert((0, edge)).0 += 1;
            }
            *side = OwnerIx(owner);
        }
        if pair[0] == pair[1] {
            clashes.entry((pair[0].0, pair[0].0)).or_insert((0, edge)).0 += 1;
        }
        edges.push(edge);
        sides.push(pair);
    }
    if clashes.is_empty() { Ok((edges, sides)) } else { Err(clashes) }
}

/// What land is, as a number: lands are the same when these are, else by chance once in 2^128.
pub(super) fn land_key(area: &Area) -> u128 {
    let mut bytes = Vec::with_capacity(8 * area.vertex_count() + 32);
    for polygon in area.polygons() {
        bytes.extend((polygon.holes.len() as u64).to_le_bytes());
        for ring in std::iter::once(&polygon.exterior).chain(&polygon.holes) {
            bytes.extend((ring.len() as u64).to_le_bytes());
            ring.iter().for_each(|p| bytes.extend((u64::from(p.x as u32) << 32 | u64::from(p.y as u32)).to_le_bytes()));
        }
    }
    xxh3_128(&bytes)
}

/// Boxes that are looked at one by one; with more, all that changed is looked for in one box. A guess; nothing depends on it.
const BOXES: usize = 64;

/// The arcs of the next partition, most of them taken over, the same as [`arcs`] finds. `old_of` tells for each owner which one had
/// exactly its land. `None` when only [`arcs`] can tell: much changed, or something is wrong.
///
/// At a vertex that is on no border of land which came or went, the same edges meet as before, between the same owners. So an arc
/// without any other vertex stays, and the ends of arcs that do not are nodes as before.
pub(super) fn arcs_after(before: &Partition, old_of: &[Option<u32>], areas: &[&Area]) -> Option<Vec<Arc>> {
    let mut new_of = vec![None; before.owners.len()];
    for (new, old) in (0..).zip(old_of).filter_map(|(new, old)| Some((new, (*old)?))) {
        if new_of[old as usize].replace(OwnerIx(new)).is_some() {
            return None; // The same land twice.
        }
    }
    let came: Vec<(u32, &Area)> =
        (0..).zip(areas).filter(|(new, _)| old_of[*new as usize].is_none()).map(|(new, area)| (new, *area)).collect();
    let vertices = |areas: &mut dyn Iterator<Item = &&Area>| areas.map(|area| area.vertex_count()).sum::<usize>();
    if 4 * vertices(&mut came.iter().map(|(_, area)| area)) > vertices(&mut areas.iter()) {
        return None;
    }
    let stays = |owner: OwnerIx| owner.at().map_or(Some(OwnerIx::OUTSIDE), |at| new_of[at]);
    let sides = |arc: &Arc| Some([stays(arc.left)?, stays(arc.right)?]);

    let mut touched = Points::default();
    let mut boxes: Vec<LatticeBox> = came.iter().filter_map(|(_, area)| area.bbox()).collect();
    touched.extend(came.iter().flat_map(|(_, area)| area.rings()).flatten());
    for arc in before.arcs().filter(|arc| sides(arc).is_none()) {
        touched.extend(&arc.points);
        boxes.push(arc.bbox);
    }
    if boxes.len() > BOXES {
        boxes = boxes.into_iter().reduce(LatticeBox::union).into_iter().collect();
    }
    let is_touched = |arc: &Arc| boxes.iter().any(|bbox| bbox.meets(arc.bbox)) && arc.points.iter().any(|p| touched.contains(p));
    let split: Vec<(Vec<Arc>, Vec<&Arc>)> = before
        .blocks
        .par_iter()
        .map(|block| {
            let (mut kept, mut redone) = (Vec::with_capacity(block.len()), vec![]);
            for arc in block.iter() {
                match sides(arc).filter(|_| !is_touched(arc)) {
                    Some([left, right]) => kept.push(Arc { left, right, ..arc.clone() }),
                    None => redone.push(arc),
                }
            }
            (kept, redone)
        })
        .collect();
    let (kept, redone): (Vec<Vec<Arc>>, Vec<Vec<&Arc>>) = split.into_iter().unzip();
    let (mut all, redone) = (kept.concat(), redone.concat());

    let mut directed: Vec<Directed> = vec![];
    came.iter().for_each(|(new, area)| add_rings(area, *new, &mut directed));
    for arc in &redone {
        for (owner, reversed) in [(arc.left, false), (arc.right, true)] {
            let Some(owner) = owner.at().and_then(|at| new_of[at]) else { continue };
            let edges = arc.points.windows(2).filter_map(|pair| Edge::between(pair[0], pair[1]));
            directed.extend(edges.map(|(edge, against)| (edge, against != reversed, owner.0)));
        }
    }
    let (edges, sides) = sided(directed).ok()?;
    all.extend(link(&edges, &sides, &nodes_between(before, &redone, &touched)));
    Some(all)
}

/// Ends of arcs that are nodes whatever has changed elsewhere: all that were not touched, but for the point at which a closed arc
/// begins that has no node.
fn nodes_between(before: &Partition, redone: &[&Arc], touched: &Points) -> Points {
    let ends = |arc: &Arc| [arc.points[0], arc.points[arc.points.len() - 1]];
    let is_closed = |arc: &Arc| ends(arc)[0] == ends(arc)[1];
    let untouched = redone.iter().flat_map(|arc| ends(arc)).filter(|p| !touched.contains(p));
    let mut nodes: Points = untouched.collect();
    let begins: Points =
        redone.iter().filter(|arc| is_closed(arc)).map(|arc| arc.points[0]).filter(|p| nodes.contains(p)).collect();
    if !begins.is_empty() {
        let mut met: std::collections::HashMap<LatticePoint, u32, BuildHasherDefault<LatticeHasher>> = Default::default();
        before.arcs().flat_map(ends).filter(|p| begins.contains(p)).for_each(|p| *met.entry(p).or_default() += 1);
        met.into_iter().filter(|(_, count)| *count == 2).for_each(|(p, _)| {
            nodes.remove(&p);
        });
    }
    nodes
}

/// Chains edges into arcs at nodes: where other than two edges meet, and at the points in `nodes`.
fn link(edges: &[Edge], sides: &[[OwnerIx; 2]], nodes: &Points) -> Vec<Arc> {
    /// No half-edge follows: a node.
    const NODE: u32 = u32::MAX;
    // Half-edge 2e runs along edge e, 2e + 1 back.
    let mut next = vec![NODE; 2 * edges.len()];
    let left = |half: u32| sides[half as usize / 2][half as usize & 1];
    let origin = |half: u32| {
        let edge = edges[half as usize / 2];
        if half & 1 == 0 { edge.a() } else { edge.b() }
    };
    each_node(edges, |spokes| {
        if let &[one, other] = spokes
            && left(one ^ 1) == left(other)
            && left(other ^ 1) == left(one)
            && !nodes.contains(&origin(one))
        {
            next[one as usize ^ 1] = other;
            next[other as usize ^ 1] = one;
        }
    });
    let mut done = vec![false; edges.len()];
    let mut arcs = Vec::new();
    let mut follow = |start: u32, done: &mut Vec<bool>| {
        let mut points = vec![origin(start)];
        let mut half = start;
        loop {
            done[half as usize / 2] = true;
            points.push(origin(half ^ 1));
            half = next[half as usize];
            if half == NODE || half == start {
                break;
            }
        }
        let last = points.len() - 1;
        let (mut left, mut right) = (left(start), left(start ^ 1));
        let against = if points[0] == points[last] { points[last - 1] < points[1] } else { points[last] < points[0] };
        if against {
            points.reverse();
            std::mem::swap(&mut left, &mut right);
        }
        let bbox = LatticeBox::around(points.iter().copied()).expect("an arc has points");
        arcs.push(Arc { points: points.into(), left, right, bbox });
    };
    for start in (0..next.len() as u32).filter(|half| next[*half as usize ^ 1] == NODE) {
        if !done[start as usize / 2] {
            follow(start, &mut done);
        }
    }
    // What is left is closed and has no node. Its first edge in order begins at its least point.
    for edge in 0..edges.len() {
        if !done[edge] {
            follow(2 * edge as u32, &mut done);
        }
    }
    arcs
}

/// Arcs in Morton order of the middles of their boxes, in blocks.
pub(super) fn blocks(mut arcs: Vec<Arc>) -> Vec<std::sync::Arc<Vec<Arc>>> {
    let place = |arc: &Arc| {
        let LatticeBox { min, max } = arc.bbox;
        morton(min.x.midpoint(max.x), min.y.midpoint(max.y))
    };
    arcs.sort_by_cached_key(|arc| (place(arc), arc.points[0], arc.points[1]));
    let mut blocks = Vec::with_capacity(arcs.len().div_ceil(BLOCK));
    let mut arcs = arcs.into_iter().peekable();
    while arcs.peek().is_some() {
        blocks.push(std::sync::Arc::new(arcs.by_ref().take(BLOCK).collect()));
    }
    blocks
}
