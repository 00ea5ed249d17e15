//! Police grids (警务网格) over the governance grids, each made of 5 to 15 whole ones, as Yichang had 100 over 1,110. A few of their borders
//! follow a street inside a governance grid instead: real offices draw their own lines, and the report of links has to show that.

use super::blocks::{Block, Blocks};
use super::cut::{Part, cut};
use super::parcels::Parcel;
use super::quota::{TownshipQuota, shares};
use super::random::Random;
use crate::domain::code::Code;
use crate::domain::grid::{GridKind, GridRecord};
use crate::domain::id::GridSet;
use crate::domain::period::Period;
use crate::domain::records::BoundarySet;
use crate::domain::scheme::Scheme;
use crate::geom::area::{Polygon, Ring};

/// Governance grids of one police grid.
const FEWEST: usize = 5;
const MOST: usize = 15;
/// How far below its wanted size a part may be cut, so that it can be well shaped.
const SLACK: f64 = 0.85;
/// Governance grids that a police border runs through.
const SPLIT: usize = 12;
/// Share of such a grid that lies beyond the border.
const BEYOND: std::ops::Range<f64> = 0.08..0.42;

/// `count` police grids. The order is that of their codes.
pub(super) fn police(
    blocks: &Blocks,
    parcels: &[Parcel],
    townships: &[TownshipQuota],
    count: usize,
    period: Period,
    seed: u64,
) -> BoundarySet {
    let mut random = Random::new(seed, "police");
    let mut parcel_of = vec![usize::MAX; blocks.list.len()];
    for (at, parcel) in parcels.iter().enumerate() {
        parcel.blocks.iter().for_each(|block| parcel_of[*block] = at);
    }
    let nodes = nodes(blocks, parcels, &parcel_of);
    let islands: std::collections::BTreeSet<usize> = nodes.iter().map(|node| node.island).collect();
    let own: Vec<Part> = islands.iter().map(|at| (0..nodes.len()).filter(|node| nodes[*node].island == *at).collect()).collect();
    let weights: Vec<f64> = own.iter().map(|part| part.len() as f64).collect();
    let mut parts: Vec<Part> = Vec::new();
    for (ids, count) in own.into_iter().zip(shares(count, &weights, 1)) {
        let wanted: Vec<f64> = shares(ids.len(), &(0..count).map(|_| random.between(0.75, 1.25)).collect::<Vec<_>>(), FEWEST)
            .into_iter()
            .map(|size| SLACK * size as f64)
            .collect();
        parts.extend(cut(&nodes, ids, &wanted));
    }
    let mut part_of = vec![0; nodes.len()];
    for (part, ids) in parts.iter().enumerate() {
        ids.iter().for_each(|node| part_of[*node] = part);
    }
    even_out(&nodes, &mut part_of, parts.len());

    // A block is in the part of its grid, but for the few that a street gives to the next one.
    let mut owner: Vec<usize> = parcel_of.iter().map(|parcel| part_of.get(*parcel).copied().unwrap_or(usize::MAX)).collect();
    bend(blocks, parcels, &part_of, &mut owner, &mut random);
    let mut owner_of = vec![None; blocks.arrangement.face_count()];
    for (block, part) in owner.iter().enumerate().filter(|(_, part)| **part != usize::MAX) {
        owner_of[blocks.faces[block]] = Some(*part as u32);
    }
    let areas = blocks.arrangement.areas(&owner_of, parts.len());

    // Numbered within their county, named after the township that holds most of each, in the order of the governance grids.
    let mut first: Vec<(usize, usize)> =
        (0..parts.len()).map(|part| (part_of.iter().position(|of| *of == part).unwrap_or(usize::MAX), part)).collect();
    first.sort_unstable();
    let mut numbers = std::collections::BTreeMap::new();
    let mut named = std::collections::BTreeMap::new();
    let mut grids: Vec<GridRecord> = Vec::new();
    for (_, part) in first {
        let mut count = vec![0; townships.len()];
        (0..nodes.len()).filter(|node| part_of[*node] == part).for_each(|node| count[nodes[node].township] += 1);
        let home = (0..count.len()).max_by_key(|at| (count[*at], usize::MAX - at)).unwrap_or_default();
        let county = townships[home].county();
        let number = numbers.entry(county).and_modify(|number| *number += 1).or_insert(1);
        let of_town = named.entry(home).and_modify(|number| *number += 1).or_insert(1);
        grids.push(GridRecord {
            code: Code::new(&format!("{county}J{number:03}")).expect("digits and a letter are a code"),
            name: format!("{}第{of_town}警务网格", townships[home].township.name),
            kind: GridKind::Police,
            parent: None,
            area: areas[part].clone(),
            households: None,
            population: None,
            provenance: super::provenance(),
        });
    }
    grids.sort_by(|a, b| a.code.cmp(&b.code));
    let set = GridSet::new("police").expect("a name of a set");
    BoundarySet { set, scheme: Scheme::plain(), period, grids, ..BoundarySet::default() }
}

/// One node for each governance grid, to be joined as blocks are.
fn nodes(blocks: &Blocks, parcels: &[Parcel], parcel_of: &[usize]) -> Vec<Block> {
    let node = |(at, parcel): (usize, &Parcel)| {
        let mut beside: Vec<(usize, f64)> = Vec::new();
        for (other, cost) in parcel.blocks.iter().flat_map(|block| &blocks.list[*block].beside) {
            let other = parcel_of[*other];
            match beside.iter_mut().find(|(known, _)| *known == other) {
                _ if other == at || other == usize::MAX => {}
                Some((_, sum)) => *sum += cost,
                None => beside.push((other, *cost)),
            }
        }
        Block {
            polygon: Polygon { exterior: Ring::new(), holes: Vec::new() },
            inner: parcel.label,
            island: blocks.list[parcel.blocks[0]].island,
            township: parcel.township,
            weight: 1.0,
            urban: 0.0,
            travel_m: 0.0,
            beside,
        }
    };
    parcels.iter().enumerate().map(node).collect()
}

/// Moves single grids over borders until no part has too few or too many.
fn even_out(nodes: &[Block], part_of: &mut [usize], parts: usize) {
    let mut sizes = vec![0_usize; parts];
    part_of.iter().for_each(|part| sizes[*part] += 1);
    for _ in 0..nodes.len() {
        // Out of a part that is too large into a neighbour with room, or into one that is too small out of a neighbour with enough.
        let step = (0..nodes.len()).flat_map(|node| nodes[node].beside.iter().map(move |(other, _)| (node, *other))).find_map(
            |(node, other)| {
                let (from, to) = (part_of[node], part_of[other]);
                let helps = sizes[from] > MOST && sizes[to] < MOST || sizes[to] < FEWEST && sizes[from] > FEWEST;
                (from != to && helps && stays_whole(nodes, part_of, node)).then_some((node, from, to))
            },
        );
        let Some((node, from, to)) = step else { return };
        part_of[node] = to;
        sizes[from] -= 1;
        sizes[to] += 1;
    }
}

/// Whether the part of a grid stays connected without it.
fn stays_whole(nodes: &[Block], part_of: &[usize], node: usize) -> bool {
    let mates: Vec<usize> = (0..nodes.len()).filter(|at| *at != node && part_of[*at] == part_of[node]).collect();
    let Some(&start) = mates.first() else { return false };
    let mut seen = vec![start];
    let mut next = 0;
    while next < seen.len() {
        for (other, _) in &nodes[seen[next]].beside {
            if *other != node && part_of[*other] == part_of[node] && !seen.contains(other) {
                seen.push(*other);
            }
        }
        next += 1;
    }
    seen.len() == mates.len()
}

/// Gives a block of [`SPLIT`] grids to the police grid next door.
fn bend(blocks: &Blocks, parcels: &[Parcel], part_of: &[usize], owner: &mut [usize], random: &mut Random) {
    let mut order: Vec<usize> = (0..parcels.len()).collect();
    random.shuffle(&mut order);
    let m2 = |block: usize| super::blocks::area_m2(&blocks.list[block].polygon);
    let mut bent = 0;
    for parcel in order {
        let all: f64 = parcels[parcel].blocks.iter().map(|block| m2(*block)).sum();
        let found = parcels[parcel].blocks.iter().find_map(|&block| {
            let beyond = blocks.list[block].beside.iter().map(|(other, _)| owner[*other]);
            let to = beyond.filter(|part| *part != usize::MAX).find(|part| *part != part_of[parcel])?;
            BEYOND.contains(&(m2(block) / all)).then_some((block, to))
        });
        if let Some((block, to)) = found {
            owner[block] = to;
            bent += 1;
            if bent == SPLIT {
                return;
            }
        }
    }
}
