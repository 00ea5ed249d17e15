//! What comes in is drawn up to what stands, file by file, before everything is mended together.

use super::super::edge_match::{EdgeMatch, Named, edge_match};
use super::super::hierarchy::Hierarchy;
use super::{Lands, Matched, Owned, completed};
use crate::domain::code::Code;
use crate::domain::records::BoundarySet;
use crate::geom::Area;
use crate::geom::planar::TooManyRounds;
use std::collections::{BTreeMap, HashMap};

/// Draws what is not in `current` up to what is; of several files the later up to the earlier ones. `file_of`: the file of a code, the
/// first is 0. With it comes what [`mend`](super::mend) has to know about the rest.
pub fn match_edges(
    set: BoundarySet,
    current: Option<&BoundarySet>,
    file_of: &HashMap<Code, u32>,
    tolerance_m: f64,
) -> Result<(BoundarySet, EdgeMatch, Matched), TooManyRounds> {
    let mut set = completed(set);
    let mut report = EdgeMatch { tolerance_m, ..EdgeMatch::default() };
    let turn = turns(&set, current, file_of);
    let Ok(tree) = Hierarchy::of(&set) else {
        // Its faults are told when it is mended.
        return Ok((set, report, Matched::default()));
    };
    for now in 1..=turn.values().copied().max().unwrap_or(0) {
        let turn_of = |name: &str| turn.get(name).copied().unwrap_or(0);
        let mut drawn: Vec<(Owned, Area)> = Vec::new();
        {
            let lands = Lands::of(&set, &tree);
            let names: Vec<String> = (0..lands.owned.len() as u32).map(|land| lands.name(land)).collect();
            let (given, standing): (Vec<u32>, Vec<u32>) = (0..lands.owned.len() as u32)
                .filter(|land| turn_of(&names[*land as usize]) <= now)
                .partition(|land| turn_of(&names[*land as usize]) == now);
            let named = |of: &[u32]| -> Vec<Named<'_>> {
                of.iter().map(|&land| Named { name: &names[land as usize], area: lands.areas[land as usize] }).collect()
            };
            let standing = named(&standing);
            let (areas, found) = edge_match(&named(&given), &standing, tolerance_m)?;
            report.join(found);
            drawn.extend(given.iter().map(|&land| lands.owned[land as usize]).zip(areas));
            // Outlines run along the edges of what is in them: each level is drawn up by itself, in the same way.
            let mut levels: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (at, region) in set.regions.iter().enumerate().filter(|(at, _)| tree.has_children[*at]) {
                if region.claim.is_some() && turn_of(&format!("region {}", region.code)) == now {
                    levels.entry(&region.level).or_default().push(at);
                }
            }
            for regions in levels.into_values() {
                let claims: Vec<Named<'_>> = regions
                    .iter()
                    .filter_map(|&at| Some(Named { name: &set.regions[at].name, area: set.regions[at].claim.as_ref()? }))
                    .collect();
                let (areas, _) = edge_match(&claims, &standing, tolerance_m)?;
                drawn.extend(regions.into_iter().map(Owned::Region).zip(areas));
            }
        }
        for (owned, area) in drawn {
            match owned {
                Owned::Grid(at) => set.grids[at].area = area,
                Owned::Region(at) => set.regions[at].claim = Some(area),
                Owned::Void(at) => set.voids[at].area = area,
            }
        }
    }
    Ok((set, report, Matched { width_m: tolerance_m, turn }))
}

/// In which turn land comes in that is not, or not so, in force, by its name.
fn turns(set: &BoundarySet, current: Option<&BoundarySet>, file_of: &HashMap<Code, u32>) -> HashMap<String, u32> {
    let known: HashMap<String, &Area> = current.into_iter().flat_map(named_areas).map(|(name, _, area)| (name, area)).collect();
    let changed = named_areas(set).filter(|(name, _, area)| known.get(name) != Some(area));
    changed.map(|(name, code, _)| (name, code.and_then(|code| file_of.get(code).copied()).unwrap_or(0) + 1)).collect()
}

/// All that has land, by the names of [`Lands`].
fn named_areas(set: &BoundarySet) -> impl Iterator<Item = (String, Option<&Code>, &Area)> {
    let grids = set.grids.iter().map(|grid| (format!("grid {}", grid.code), Some(&grid.code), &grid.area));
    let claims = set
        .regions
        .iter()
        .filter_map(|region| Some((format!("region {}", region.code), Some(&region.code), region.claim.as_ref()?)));
    let voids = set.voids.iter().map(|void| (format!("void {:?}", void.name), None, &void.area));
    grids.chain(claims).chain(voids)
}
