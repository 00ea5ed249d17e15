//! From blocks to grids: townships become whole, their towns are told from their country, and both are cut into communities, those
//! into grids.

use super::DemoError;
use super::blocks::{Block, Blocks, inside};
use super::cut::{Part, core, cut, groups, round};
use super::plane::Spot;
use super::quota::TownshipQuota;
use crate::geom::Area;

/// A grid to be.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    /// Township and community by position in the quotas.
    pub(super) township: usize,
    pub(super) community: usize,
    /// Number within the community, from 1.
    pub(super) number: usize,
    pub(super) blocks: Part,
    pub(super) area: Area,
    /// A place inside its largest part.
    pub(super) label: Spot,
}

/// A town's country part that is lighter than this, in grids, joins the town.
const LEFT_OVER: f64 = 0.7;

/// Cuts everything. Parcels come township by township, community by community, in the order of their numbers.
pub(super) fn parcels(blocks: &mut Blocks, townships: &[TownshipQuota]) -> Result<Vec<Parcel>, DemoError> {
    soften(&mut blocks.list);
    for at in 0..townships.len() {
        join(&mut blocks.list, at);
    }
    let mut found: Vec<(usize, usize, Part)> = Vec::new();
    for (at, township) in townships.iter().enumerate() {
        let own: Part = (0..blocks.list.len()).filter(|block| blocks.list[*block].township == at).collect();
        let grids = township.grids(true) + township.grids(false);
        if own.len() < grids {
            return Err(DemoError::TooFewBlocks { township: township.township.name, blocks: own.len(), grids });
        }
        let (town, country) = town_and_country(&blocks.list, own, township);
        for (urban, part) in [(true, town), (false, country)] {
            let communities: Vec<usize> =
                (0..township.communities.len()).filter(|c| township.communities[*c].urban == urban).collect();
            if communities.is_empty() {
                continue;
            }
            let grids: Vec<f64> = communities.iter().map(|community| township.communities[*community].grids as f64).collect();
            let mut parts = cut(&blocks.list, part, &grids);
            round(&blocks.list, &mut parts, &grids);
            for (community, part) in communities.into_iter().zip(parts) {
                let ones = vec![1.0; township.communities[community].grids];
                let mut parts = cut(&blocks.list, part, &ones);
                round(&blocks.list, &mut parts, &ones);
                found.extend(parts.into_iter().map(|part| (at, community, part)));
            }
        }
    }
    found.sort_by_key(|(township, community, _)| (*township, *community));
    let mut owner_of = vec![None; blocks.arrangement.face_count()];
    for (parcel, (.., part)) in found.iter().enumerate() {
        part.iter().for_each(|block| owner_of[blocks.faces[*block]] = Some(parcel as u32));
    }
    let areas = blocks.arrangement.areas(&owner_of, found.len());
    let mut parcels: Vec<Parcel> = found
        .into_iter()
        .zip(areas)
        .map(|((township, community, blocks), area)| {
            let label = label(&area);
            Parcel { township, community, number: 0, blocks, area, label }
        })
        .collect();
    for community in parcels.chunk_by_mut(|a, b| (a.township, a.community) == (b.township, b.community)) {
        number(community);
    }
    Ok(parcels)
}

/// A place inside the largest part of an area.
pub(super) fn label(area: &Area) -> Spot {
    let largest = area.polygons().iter().max_by(|a, b| super::blocks::area_m2(a).total_cmp(&super::blocks::area_m2(b)));
    largest.map(inside).unwrap_or_default()
}

/// Numbers in rows of the median grid height from the north, each row from west to east (DB11/T 2157).
fn number(community: &mut [Parcel]) {
    let mut heights: Vec<f64> =
        community.iter().filter_map(|parcel| parcel.area.bbox()).map(|b| Spot::of(b.max).y - Spot::of(b.min).y).collect();
    heights.sort_by(f64::total_cmp);
    let height = heights.get(heights.len() / 2).copied().unwrap_or(1.0).max(1.0);
    let north = community.iter().map(|parcel| parcel.label.y).fold(f64::MIN, f64::max);
    let row = |parcel: &Parcel| ((north - parcel.label.y) / height) as usize;
    community.sort_by(|a, b| row(a).cmp(&row(b)).then(a.label.x.total_cmp(&b.label.x)));
    community.iter_mut().enumerate().for_each(|(at, parcel)| parcel.number = at + 1);
}

/// Straightens the borders of townships: a block that borders more on another township than on its own changes over.
fn soften(blocks: &mut [Block]) {
    for at in (0..3).flat_map(|_| 0..blocks.len()).collect::<Vec<_>>() {
        let borders = borders(blocks, &[at]);
        let own = blocks[at].township;
        let length = |of: usize| borders.iter().filter(|(t, _)| *t == of).map(|(_, metres)| metres).sum::<f64>();
        if let Some((other, metres)) = borders.iter().filter(|(t, _)| *t != own).max_by(|a, b| a.1.total_cmp(&b.1))
            && *metres > 1.2 * length(own)
        {
            blocks[at].township = *other;
        }
    }
}

/// How much border some blocks share with each township outside of them.
fn borders(blocks: &[Block], group: &[usize]) -> Vec<(usize, f64)> {
    let mut borders: Vec<(usize, f64)> = Vec::new();
    for (other, cost) in group.iter().flat_map(|block| &blocks[*block].beside) {
        let other = blocks[*other].township;
        match borders.iter_mut().find(|(t, _)| *t == other) {
            Some((_, sum)) => *sum += cost,
            None => borders.push((other, *cost)),
        }
    }
    borders
}

/// Gives pieces of a township that lie apart from it, on an island it does not have alone, to the township around them.
fn join(blocks: &mut [Block], township: usize) {
    let own: Part = (0..blocks.len()).filter(|block| blocks[*block].township == township).collect();
    let groups = groups(blocks, &own);
    let mut islands_seen = Vec::new();
    for group in groups {
        let island = blocks[group[0]].island;
        if !islands_seen.contains(&island) {
            islands_seen.push(island);
            continue;
        }
        let mut borders = borders(blocks, &group);
        borders.retain(|(other, _)| *other != township);
        if let Some((other, _)) = borders.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
            group.into_iter().for_each(|block| blocks[block].township = other);
        }
    }
}

fn town_and_country(blocks: &[Block], own: Part, township: &TownshipQuota) -> (Part, Part) {
    let (urban, rural) = (township.grids(true), township.grids(false));
    if urban == 0 {
        return (Vec::new(), own);
    }
    if rural == 0 {
        return (own, Vec::new());
    }
    let key: Vec<f64> = own.iter().map(|block| blocks[*block].travel_m * (1.0 - 0.5 * blocks[*block].urban)).collect();
    let (mut town, country) = core(blocks, &own, &key, urban as f64 / (urban + rural) as f64, (urban, rural));
    let weight = |part: &[usize]| part.iter().map(|block| blocks[*block].weight).sum::<f64>();
    let per_grid = weight(&own) / (urban + rural) as f64;
    let islands: Vec<usize> = town.iter().map(|block| blocks[*block].island).collect();
    let mut kept = Vec::new();
    let mut spare = country.len() - rural;
    for (at, group) in groups(blocks, &country).into_iter().enumerate() {
        let surrounded = islands.contains(&blocks[group[0]].island);
        if at > 0 && surrounded && group.len() <= spare && weight(&group) < LEFT_OVER * per_grid {
            spare -= group.len();
            town.extend(group);
        } else {
            kept.extend(group);
        }
    }
    (town, kept)
}
