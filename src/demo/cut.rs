//! Cutting a piece of the city into connected parts of given weights, along streets: halved again and again, each cut made
//! straighter by moving single blocks over it. (Recursive bisection with refinement; Kernighan and Lin 1970, Fiduccia and Mattheyses 1982.)

use super::blocks::Block;
use super::plane::Spot;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Sets of blocks, by their positions.
pub(super) type Part = Vec<usize>;

/// How far a part may be from its weight after straightening, as a share.
const TOLERANCE: f64 = 0.12;
/// Rounds of straightening; few are ever used.
const ROUNDS: usize = 8;

/// A set of blocks as a graph of its own.
struct Piece<'a> {
    blocks: &'a [Block],
    ids: &'a [usize],
    /// Neighbours inside the piece, by position in `ids`, with the cost of cutting between and the way in metres.
    beside: Vec<Vec<(usize, f64, f64)>>,
}

impl<'a> Piece<'a> {
    fn new(blocks: &'a [Block], ids: &'a [usize]) -> Self {
        let at: HashMap<usize, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let beside = ids.iter().map(|id| {
            let block = &blocks[*id];
            let inside = block.beside.iter().filter_map(|(other, cost)| Some((*at.get(other)?, *cost, *other)));
            inside.map(|(other, cost, id)| (other, cost, block.inner.distance(blocks[id].inner))).collect()
        });
        let beside = beside.collect();
        let mut piece = Self { blocks, ids, beside };
        piece.bridge();
        piece
    }

    fn weight(&self, at: usize) -> f64 {
        self.blocks[self.ids[at]].weight
    }

    /// The connected groups among blocks with `keep`, largest weight first.
    fn groups(&self, keep: &[bool]) -> Vec<Vec<usize>> {
        let mut group_of = vec![usize::MAX; self.ids.len()];
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for start in 0..self.ids.len() {
            if !keep[start] || group_of[start] != usize::MAX {
                continue;
            }
            group_of[start] = groups.len();
            let mut group = vec![start];
            let mut next = 0;
            while next < group.len() {
                for &(other, ..) in &self.beside[group[next]] {
                    if keep[other] && group_of[other] == usize::MAX {
                        group_of[other] = groups.len();
                        group.push(other);
                    }
                }
                next += 1;
            }
            groups.push(group);
        }
        let weight = |group: &Vec<usize>| group.iter().map(|at| self.weight(*at)).sum::<f64>();
        groups.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then(a[0].cmp(&b[0])));
        groups
    }

    /// Joins islands by the shortest ways over the sea, which cost nothing to cut.
    fn bridge(&mut self) {
        let mut groups = self.groups(&vec![true; self.ids.len()]);
        if groups.len() < 2 {
            return;
        }
        let place = |at: usize| self.blocks[self.ids[at]].inner;
        let mut main = groups.remove(0);
        let mut bridges = Vec::new();
        // The nearest of the main group, for each block outside; kept up as the group grows.
        let mut near: Vec<(f64, usize)> = vec![(f64::MAX, 0); self.ids.len()];
        let mut fresh = main.clone();
        while !groups.is_empty() {
            for &at in groups.iter().flatten() {
                for &from in &fresh {
                    let off = place(at).distance(place(from));
                    if off < near[at].0 {
                        near[at] = (off, from);
                    }
                }
            }
            let nearest = |group: &Vec<usize>| group.iter().map(|at| (near[*at].0, *at)).min_by(|a, b| a.0.total_cmp(&b.0));
            let found = groups.iter().enumerate().filter_map(|(at, group)| Some((at, nearest(group)?)));
            let (at, (off, block)) = found.min_by(|a, b| a.1.0.total_cmp(&b.1.0)).expect("a group is left, and none is empty");
            bridges.push((block, near[block].1, off));
            fresh = groups.remove(at);
            main.extend(&fresh);
        }
        for (a, b, off) in bridges {
            self.beside[a].push((b, 0.0, off));
            self.beside[b].push((a, 0.0, off));
        }
    }

    /// Way in metres from one block to all.
    fn ways(&self, from: usize) -> Vec<f64> {
        let mut way = vec![f64::MAX; self.ids.len()];
        let mut queue = BinaryHeap::from([Reverse((0_u64, from))]);
        way[from] = 0.0;
        while let Some(Reverse((cost, at))) = queue.pop() {
            if cost > (way[at] * 100.0) as u64 {
                continue;
            }
            for &(other, _, metres) in &self.beside[at] {
                if way[at] + metres < way[other] {
                    way[other] = way[at] + metres;
                    queue.push(Reverse(((way[other] * 100.0) as u64, other)));
                }
            }
        }
        way
    }

    /// Splits in two connected sides: `true` is the side with the lesser keys, of about `share` of the weight and at least `counts` blocks.
    fn halves(&self, key: &[f64], share: f64, counts: (usize, usize)) -> Vec<bool> {
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        order.sort_by(|a, b| key[*a].total_cmp(&key[*b]).then(a.cmp(b)));
        let total: f64 = (0..self.ids.len()).map(|at| self.weight(at)).sum();
        let mut first = vec![false; self.ids.len()];
        let mut sum = 0.0;
        for (taken, &at) in order.iter().enumerate() {
            let room = self.ids.len() - taken > counts.1;
            if room && (taken < counts.0 || sum + self.weight(at) / 2.0 < total * share) {
                first[at] = true;
                sum += self.weight(at);
            } else {
                break;
            }
        }
        // Strays go to the other side.
        for side in [true, false] {
            let keep: Vec<bool> = first.iter().map(|first| *first == side).collect();
            for stray in self.groups(&keep).into_iter().skip(1).flatten() {
                first[stray] = !side;
            }
        }
        self.straighten(&mut first, total * share, counts);
        first
    }

    /// Moves blocks over the cut while that makes it shorter, keeps both sides connected and about as heavy as wanted.
    fn straighten(&self, first: &mut [bool], wanted: f64, counts: (usize, usize)) {
        let total: f64 = (0..self.ids.len()).map(|at| self.weight(at)).sum();
        let slack = TOLERANCE * wanted.min(total - wanted);
        let mut sum: f64 = (0..self.ids.len()).filter(|at| first[*at]).map(|at| self.weight(at)).sum();
        let mut count = first.iter().filter(|first| **first).count();
        for _ in 0..ROUNDS {
            let mut moved = false;
            for at in 0..self.ids.len() {
                let side = first[at];
                let (mut own, mut other) = (0.0, 0.0);
                for &(beside, cost, _) in &self.beside[at] {
                    *(if first[beside] == side { &mut own } else { &mut other }) += cost;
                }
                let after = if side { sum - self.weight(at) } else { sum + self.weight(at) };
                let (off, off_after) = ((sum - wanted).abs(), (after - wanted).abs());
                let balanced = off_after <= slack || off_after < off;
                // Weight that is wrong may be put right at the price of a slightly longer cut.
                let better = other > own || (off > slack && off_after < off && other > 0.6 * own);
                let few = if side { count <= counts.0 } else { self.ids.len() - count <= counts.1 };
                if other > 0.0 && better && balanced && !few && self.can_leave(at, first) {
                    first[at] = !side;
                    sum = after;
                    count = if side { count - 1 } else { count + 1 };
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Whether its side stays connected without this block.
    fn can_leave(&self, at: usize, first: &[bool]) -> bool {
        let side = first[at];
        let mut mates = self.beside[at].iter().map(|(other, ..)| *other).filter(|other| first[*other] == side);
        let Some(start) = mates.next() else { return false };
        let wanted: Vec<usize> = mates.collect();
        let mut seen = vec![start];
        let mut next = 0;
        // Neighbours are nearly always joined within a few blocks; far detours count as cut.
        while next < seen.len() && seen.len() < 160 {
            for &(other, ..) in &self.beside[seen[next]] {
                if other != at && first[other] == side && !seen.contains(&other) {
                    seen.push(other);
                }
            }
            next += 1;
            if wanted.iter().all(|mate| seen.contains(mate)) {
                return true;
            }
        }
        wanted.iter().all(|mate| seen.contains(mate))
    }

    /// Cost of the cut between two sides.
    fn cost(&self, first: &[bool]) -> f64 {
        let across = |at: usize| {
            self.beside[at].iter().filter(|(other, ..)| first[*other] != first[at]).map(|(_, cost, _)| cost).sum::<f64>()
        };
        (0..self.ids.len()).map(across).sum::<f64>() / 2.0
    }

    fn has_room(&self, first: &[bool], counts: (usize, usize)) -> bool {
        let count = first.iter().filter(|first| **first).count();
        count >= counts.0 && self.ids.len() - count >= counts.1
    }

    fn split(&self, first: &[bool]) -> (Part, Part) {
        let side = |side: bool| (0..self.ids.len()).filter(|at| first[*at] == side).map(|at| self.ids[at]).collect();
        (side(true), side(false))
    }
}

/// Cuts `ids` into one part for each of `targets`, weights in proportion. A part has at least as many blocks as its target says, so
/// that it can be cut further; there are enough for that.
pub(super) fn cut(blocks: &[Block], ids: Part, targets: &[f64]) -> Vec<Part> {
    if targets.len() == 1 {
        return vec![ids];
    }
    let (near, far) = targets.split_at(targets.len() / 2);
    let share = near.iter().sum::<f64>() / targets.iter().sum::<f64>();
    let piece = Piece::new(blocks, &ids);
    let farthest = |ways: &[f64]| (0..ways.len()).max_by(|a, b| ways[*a].total_cmp(&ways[*b]).then(b.cmp(a))).unwrap_or_default();
    let one = farthest(&piece.ways(0));
    let from_one = piece.ways(one);
    let other = farthest(&from_one);
    let from_other = piece.ways(other);
    // Along the length of the piece, and from each end: the cheapest of the three.
    let keys = [
        (0..ids.len()).map(|at| from_one[at] - from_other[at]).collect::<Vec<f64>>(),
        from_one.clone(),
        from_other.iter().map(|way| -way).collect(),
    ];
    let needed = |targets: &[f64]| targets.iter().map(|target| target.ceil() as usize).sum::<usize>();
    let counts = (needed(near), needed(far));
    let sides = keys.iter().map(|key| piece.halves(key, share, counts)).filter(|first| piece.has_room(first, counts));
    let best = sides.min_by(|a, b| piece.cost(a).total_cmp(&piece.cost(b)));
    let best = best.unwrap_or_else(|| (0..ids.len()).map(|at| at < counts.0).collect());
    let (first, second) = piece.split(&best);
    let mut parts = cut(blocks, first, near);
    parts.extend(cut(blocks, second, far));
    parts
}

/// How much a metre nearer to the middle of a part counts against a metre of border.
const ROUND: f64 = 0.5;
/// A part may become this light or heavy, as a share of its weight, to get a better shape.
const LIGHTEST: f64 = 0.72;
const HEAVIEST: f64 = 1.3;

/// Gives parts that were cut from one piece shorter borders and rounder shapes: single blocks change to the part around them.
pub(super) fn round(blocks: &[Block], parts: &mut [Part], targets: &[f64]) {
    let mut part_of: HashMap<usize, usize> =
        parts.iter().enumerate().flat_map(|(part, ids)| ids.iter().map(move |id| (*id, part))).collect();
    let ids: Part = parts.concat();
    let weight_of = |ids: &[usize]| ids.iter().map(|id| blocks[*id].weight).sum::<f64>();
    let per_target = weight_of(&ids) / targets.iter().sum::<f64>();
    let mut weights: Vec<f64> = parts.iter().map(|part| weight_of(part)).collect();
    let mut counts: Vec<usize> = parts.iter().map(Vec::len).collect();
    for _ in 0..ROUNDS {
        let mut middles = vec![(Spot::default(), 0.0); parts.len()];
        for id in &ids {
            let (sum, weight) = &mut middles[part_of[id]];
            *sum = sum.plus(blocks[*id].inner, blocks[*id].weight);
            *weight += blocks[*id].weight;
        }
        let middle = |part: usize| Spot::default().plus(middles[part].0, 1.0 / middles[part].1.max(1e-12));
        let mut moved = false;
        for &id in &ids {
            let (block, own) = (&blocks[id], part_of[&id]);
            let mut borders: Vec<(usize, f64)> = Vec::new();
            for (other, cost) in block.beside.iter().filter_map(|(other, cost)| Some((*part_of.get(other)?, *cost))) {
                match borders.iter_mut().find(|(part, _)| *part == other) {
                    Some((_, sum)) => *sum += cost,
                    None => borders.push((other, cost)),
                }
            }
            let with_own = borders.iter().find(|(part, _)| *part == own).map_or(0.0, |(_, cost)| *cost);
            let gain = |&(part, cost): &(usize, f64)| {
                cost - with_own + ROUND * (block.inner.distance(middle(own)) - block.inner.distance(middle(part)))
            };
            let best = borders.iter().filter(|(part, _)| *part != own).map(|border| (gain(border), border.0));
            let Some((gain, part)) = best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))) else { continue };
            let (light, heavy) = (weights[own] - block.weight, weights[part] + block.weight);
            let allowed = light >= LIGHTEST * targets[own] * per_target && heavy <= HEAVIEST * targets[part] * per_target;
            if gain > 1.0 && allowed && counts[own] > targets[own].ceil() as usize && stays_whole(blocks, &part_of, id) {
                (weights[own], weights[part]) = (light, heavy);
                counts[own] -= 1;
                counts[part] += 1;
                part_of.insert(id, part);
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    parts.iter_mut().for_each(Vec::clear);
    ids.iter().for_each(|id| parts[part_of[id]].push(*id));
}

/// Whether the part of a block stays connected without it, as far as can be seen nearby.
fn stays_whole(blocks: &[Block], part_of: &HashMap<usize, usize>, id: usize) -> bool {
    let own = part_of.get(&id);
    let mates: Vec<usize> = blocks[id].beside.iter().map(|(other, _)| *other).filter(|other| part_of.get(other) == own).collect();
    let Some(&start) = mates.first() else { return false };
    let mut seen = vec![start];
    let mut next = 0;
    while next < seen.len() && seen.len() < 160 {
        for (other, _) in &blocks[seen[next]].beside {
            if *other != id && part_of.get(other) == own && !seen.contains(other) {
                seen.push(*other);
            }
        }
        next += 1;
    }
    mates.iter().all(|mate| seen.contains(mate))
}

/// Splits off the blocks with the least keys, about `share` of the weight, as one connected part.
pub(super) fn core(blocks: &[Block], ids: &[usize], key: &[f64], share: f64, counts: (usize, usize)) -> (Part, Part) {
    let piece = Piece::new(blocks, ids);
    let first = piece.halves(key, share, counts);
    let first = if piece.has_room(&first, counts) { first } else { (0..ids.len()).map(|at| at < counts.0).collect() };
    piece.split(&first)
}

/// The connected groups of a set of blocks, heaviest first.
pub(super) fn groups(blocks: &[Block], ids: &[usize]) -> Vec<Part> {
    let at: HashMap<usize, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let beside =
        ids.iter().map(|id| blocks[*id].beside.iter().filter_map(|(other, cost)| Some((*at.get(other)?, *cost, 0.0))).collect());
    let piece = Piece { blocks, ids, beside: beside.collect() };
    piece.groups(&vec![true; ids.len()]).into_iter().map(|group| group.into_iter().map(|at| ids[at]).collect()).collect()
}
