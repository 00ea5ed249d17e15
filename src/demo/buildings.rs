//! Buildings along the streets: a rectangle at a house's address, away from the street. What households a grid has live in its buildings;
//! of a few grids the buildings say other numbers than the count, as registers do.

use super::plane::Spot;
use super::random::Random;
use crate::domain::building::{BuildingRecord, Footprint, Site};
use crate::domain::id::{BuildingId, GridIx, Unit, Version};
use crate::geom::{Area, Polygon};
use crate::territory::Territory;
use std::collections::{BTreeMap, HashMap};

/// Where a house stands.
pub(super) struct Plot {
    /// Street and number.
    pub(super) name: String,
    /// The whole address.
    pub(super) address: String,
    pub(super) at: Spot,
    /// The direction of the street.
    pub(super) along: Spot,
    /// Away from the street.
    pub(super) away: Spot,
    pub(super) grid: GridIx,
}

/// Nearer to each other than this, two houses would be one.
const APART_M: f64 = 20.0;
/// Of so many grids one has other households in its buildings than counted: by turns more and fewer, so that the city has what it has.
const DIFFERING: usize = 40;
/// Flats on a storey.
const FLATS: u32 = 4;

/// At most `most` buildings, spread evenly over the grids that have plots.
pub(super) fn buildings(plots: Vec<Plot>, territory: &Territory, most: usize, seed: u64) -> Vec<BuildingRecord> {
    let mut random = Random::new(seed, "buildings");
    let mut by_grid: BTreeMap<u32, Vec<Plot>> = BTreeMap::new();
    let mut taken: HashMap<(i64, i64), Vec<Spot>> = HashMap::new();
    for plot in plots {
        let (x, y) = ((plot.at.x / APART_M).floor() as i64, (plot.at.y / APART_M).floor() as i64);
        let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
        let near = around.filter_map(|cell| taken.get(&cell)).flatten().any(|other| plot.at.minus(*other).length() < APART_M);
        if !near {
            taken.entry((x, y)).or_default().push(plot.at);
            by_grid.entry(plot.grid.0).or_default().push(plot);
        }
    }
    let each = (most / by_grid.len().max(1)).max(1);
    let mut made: Vec<BuildingRecord> = Vec::new();
    // What the last grid that differed has too many.
    let mut over: Option<u32> = None;
    for (number, (ix, mut plots)) in by_grid.into_iter().enumerate() {
        let ix = GridIx(ix);
        random.shuffle(&mut plots);
        let drawn = plots.into_iter().filter_map(|plot| footprint(&plot, &mut random).map(|footprint| (plot, footprint)));
        // What reaches over a border may be the neighbour's.
        let own = drawn.filter(|(_, site)| territory.leaf_at(site.at()) == Some(Unit::Grid(ix)));
        let houses: Vec<(Plot, Site)> = own.take(each).collect();
        let counted = territory.grid(ix).households.unwrap_or(0);
        let mut left = counted;
        if number % DIFFERING == DIFFERING / 2 && !houses.is_empty() {
            match over {
                Some(more) if more < counted => {
                    left -= more;
                    over = None;
                }
                Some(_) => {}
                None => left += *over.insert(1 + random.below(9) as u32),
            }
        }
        let count = houses.len();
        for (at, (plot, site)) in houses.into_iter().enumerate() {
            let even = f64::from(left) / (count - at) as f64;
            let own = if at + 1 == count { left } else { ((even * random.between(0.4, 1.6)) as u32).min(left) };
            left -= own;
            made.push(building(plot, site, own));
        }
    }
    if let Some(over) = over
        && let Some(households) = made.iter_mut().rev().filter_map(|one| one.households.as_mut()).find(|count| **count >= over)
    {
        *households -= over;
    }
    made
}

fn footprint(plot: &Plot, random: &mut Random) -> Option<Site> {
    let (half_m, deep_m) = (random.between(4.5, 7.0), random.between(8.0, 12.0));
    let corner = |along: f64, away: f64| plot.at.plus(plot.along, along).plus(plot.away, away).lattice();
    let exterior = vec![corner(-half_m, 0.0), corner(half_m, 0.0), corner(half_m, deep_m), corner(-half_m, deep_m)];
    Footprint::new(&Area::canonical([Polygon { exterior, holes: Vec::new() }])).ok().map(Site::Footprint)
}

fn building(plot: Plot, site: Site, households: u32) -> BuildingRecord {
    BuildingRecord {
        id: BuildingId(0),
        name: format!("{}楼", plot.name),
        storeys: Some(households.div_ceil(FLATS).clamp(1, 33) as u16),
        households: Some(households),
        site: Some(site),
        original: None,
        within: None,
        address: Some(plot.address),
        version: Version(0),
        provenance: super::provenance(),
    }
}
