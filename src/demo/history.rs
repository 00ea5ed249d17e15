//! Boundaries of the past. The city had 2,430 grids at the end of 2008 and 2,360 in the middle of 2011 (DOMAIN 1.1): in the demo
//! seventy pairs of neighbours were one grid for a year and are parted again since. The joined ones have numbers of their own, from
//! 501 on, since a code never means two areas; those that were parted again are the same grids as before, with their old codes.

use super::blocks::Blocks;
use super::parcels::Parcel;
use super::quota::TownshipQuota;
use super::random::Random;
use crate::domain::period::Period;
use crate::domain::records::BoundarySet;
use jiff::Timestamp;

/// Midnights in Shanghai between which a cut was in force, as instants.
pub(super) struct Span(Option<&'static str>, Option<&'static str>);

const START_OF_2008: &str = "2007-12-31T16:00:00Z";
const START_OF_2011: &str = "2010-12-31T16:00:00Z";
const START_OF_2012: &str = "2011-12-31T16:00:00Z";
/// The cut in force.
pub(super) const IN_FORCE: Span = Span(Some(START_OF_2012), None);
const JOINED: Span = Span(Some(START_OF_2011), Some(START_OF_2012));
const FIRST: Span = Span(Some(START_OF_2008), Some(START_OF_2011));

impl Span {
    pub(super) fn period(&self) -> Period {
        let instant = |text: &str| text.parse::<Timestamp>().expect("a constant instant");
        Period { from: self.0.map(instant), until: self.1.map(instant) }
    }
}

/// Grids that were joined in pairs in 2011.
const PAIRS: usize = 70;
/// First number of joined grids.
const FIRST_NUMBER: usize = 501;

/// The cuts of 2008 and 2011.
pub(super) fn past(
    today: &BoundarySet,
    blocks: &Blocks,
    parcels: &[Parcel],
    townships: &[TownshipQuota],
    seed: u64,
) -> Vec<BoundarySet> {
    let first = BoundarySet { period: FIRST.period(), ..today.clone() };
    let pairs = pairs(blocks, parcels, seed);

    let mut owner_of = vec![None; blocks.arrangement.face_count()];
    for (pair, &(a, b)) in pairs.iter().enumerate() {
        for &block in parcels[a].blocks.iter().chain(&parcels[b].blocks) {
            owner_of[blocks.faces[block]] = Some(pair as u32);
        }
    }
    let areas = blocks.arrangement.areas(&owner_of, pairs.len());
    let mut joined = BoundarySet { period: JOINED.period(), ..today.clone() };
    let mut gone = vec![false; parcels.len()];
    let sum = |a: Option<u32>, b: Option<u32>| a.unwrap_or_default() + b.unwrap_or_default();
    let mut numbers = std::collections::BTreeMap::new();
    for (&(a, b), area) in pairs.iter().zip(areas) {
        gone[a] = true;
        gone[b] = true;
        let number = numbers.entry((parcels[a].township, parcels[a].community)).or_insert(FIRST_NUMBER - 1);
        *number += 1;
        let (one, other) = (&today.grids[a], &today.grids[b]);
        let people = (sum(one.households, other.households), sum(one.population, other.population));
        joined.grids.push(super::grid(townships, &parcels[a], *number, area, people));
    }
    let mut at = 0;
    joined.grids.retain(|_| {
        at += 1;
        gone.get(at - 1) != Some(&true)
    });
    joined.grids.sort_by(|a, b| a.code.cmp(&b.code));
    vec![first, joined]
}

/// Neighbours of one community, each in one pair.
fn pairs(blocks: &Blocks, parcels: &[Parcel], seed: u64) -> Vec<(usize, usize)> {
    let mut parcel_of = vec![usize::MAX; blocks.list.len()];
    for (at, parcel) in parcels.iter().enumerate() {
        parcel.blocks.iter().for_each(|block| parcel_of[*block] = at);
    }
    let mut order: Vec<usize> = (0..parcels.len()).collect();
    Random::new(seed, "history").shuffle(&mut order);
    let mut taken = vec![false; parcels.len()];
    let mut pairs = Vec::new();
    for at in order {
        let own = &parcels[at];
        let beside = own.blocks.iter().flat_map(|block| &blocks.list[*block].beside).map(|(block, _)| parcel_of[*block]);
        let mate = beside
            .filter(|other| *other != at && !taken[*other])
            .find(|other| (parcels[*other].township, parcels[*other].community) == (own.township, own.community));
        if let Some(mate) = mate.filter(|_| pairs.len() < PAIRS && !taken[at]) {
            taken[at] = true;
            taken[mate] = true;
            pairs.push((at, mate));
        }
    }
    pairs
}
