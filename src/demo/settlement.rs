//! Who lives where: which land belongs to which township, where towns and villages lie, and how dense the grids are.

use super::plane::Spot;
use super::quota::TownshipQuota;
use super::random::{Noise, Random};
use super::relief::{CELL_M, Relief};
use super::sources::Island;
use crate::geom::LatticePoint;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Land of an urban grid in a town's middle, in km²; a guess that gives towns of a believable size.
const URBAN_GRID_KM2: f64 = 0.11;
/// Islands that are known to belong to another township than the nearest.
const KNOWN_ISLANDS: [(u32, &str); 5] = [
    (111, "330902003"), // 大猫岛: 环南街道
    (106, "330902003"), // 盘峙岛: 环南街道
    (64, "330903100"),  // 悬山岛: 六横镇
    (128, "330921100"), // 大鱼山岛: 高亭镇
    (83, "330921100"),  // 官山岛: 高亭镇
];

/// Seats whose stated place lies too far off: 沈家门 is on the main island's shore, its stated place in the strait before it.
const KNOWN_SEATS: [(&str, LatticePoint); 1] = [("330903001", LatticePoint::new(1_222_930_000, 299_600_000))];
/// Seats keep this far apart, in metres, where the ground allows.
const SEATS_APART_M: f64 = 1900.0;

/// A built-up place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: Spot,
    /// How far it reaches, in metres.
    pub(super) radius_m: f64,
    /// A township's seat; else a village.
    pub(super) seat: bool,
}

/// One island with its people.
pub(super) struct Ground {
    pub(super) relief: Relief,
    /// Township of each land cell, by position in the quotas; the sea holds `NOBODY`.
    pub(super) township: Vec<u16>,
    /// Travel from the township's seat in metres, hills count more.
    pub(super) travel_m: Vec<f32>,
    /// Grids per km².
    pub(super) density: Vec<f32>,
    /// 0 country … 1 middle of a town.
    pub(super) urban: Vec<f32>,
    pub(super) places: Vec<Place>,
}

/// No township: sea.
pub(super) const NOBODY: u16 = u16::MAX;

/// Settles all islands. `reliefs` stand in the order of `islands`.
pub(super) fn settle(islands: &[Island], reliefs: Vec<Relief>, townships: &[TownshipQuota], seed: u64) -> Vec<Ground> {
    let seats = seats(islands, &reliefs, townships);
    let mut grounds: Vec<Ground> = reliefs
        .into_iter()
        .enumerate()
        .map(|(at, mut relief)| {
            let here: Vec<(usize, Spot)> =
                seats.iter().enumerate().filter(|(_, seat)| seat.0 == at).map(|(township, seat)| (township, seat.1)).collect();
            here.iter().for_each(|(t, seat)| relief.level(*seat, 1.3 * town_radius_m(townships[*t].grids(true))));
            let (township, travel_m) = if here.is_empty() {
                let owner = owner(&islands[at], &relief, townships, &seats);
                let township = relief.land.iter().map(|land| if *land { owner as u16 } else { NOBODY }).collect();
                (township, vec![f32::MAX; relief.land.len()])
            } else {
                reach(&relief, &here, townships)
            };
            let cells = relief.land.len();
            let places = here
                .iter()
                .map(|(t, at)| Place { at: *at, radius_m: town_radius_m(townships[*t].grids(true)), seat: true })
                .collect();
            Ground { relief, township, travel_m, density: vec![0.0; cells], urban: vec![0.0; cells], places }
        })
        .collect();
    for (at, township) in townships.iter().enumerate() {
        populate(&mut grounds, at as u16, township, seed);
    }
    for ground in &mut grounds {
        ground.density = ground.relief.blurred(&ground.density, 1);
    }
    grounds
}

/// How far the built-up middle of a township with so many urban grids reaches.
fn town_radius_m(urban_grids: usize) -> f64 {
    if urban_grids == 0 { 450.0 } else { (urban_grids as f64 * URBAN_GRID_KM2 * 1e6 / 1.6).sqrt() }
}

/// Island and place of each township's seat: the stated place, moved to the most livable ground nearby.
fn seats(islands: &[Island], reliefs: &[Relief], townships: &[TownshipQuota]) -> Vec<(usize, Spot)> {
    let land_km2: Vec<f64> =
        reliefs.iter().map(|r| r.land.iter().filter(|land| **land).count() as f64 * CELL_M * CELL_M / 1e6).collect();
    let mut found: Vec<(usize, Spot)> = Vec::new();
    for township in townships {
        let known = KNOWN_SEATS.iter().find(|(code, _)| *code == township.township.code);
        let stated = Spot::of(known.map_or(township.township.seat, |(_, seat)| *seat));
        let cost = |(at, relief): (usize, &Relief)| {
            let allowed = islands[at].counties.contains(&township.county());
            let off_m = relief.shore.iter().map(|p| p.distance(stated)).fold(f64::MAX, f64::min);
            let off_m = if relief.on_land(stated) { -1e4 } else { off_m };
            if allowed { off_m - 1000.0 * land_km2[at].sqrt().min(6.0) } else { f64::MAX }
        };
        let home = (0..reliefs.len()).min_by(|a, b| cost((*a, &reliefs[*a])).total_cmp(&cost((*b, &reliefs[*b]))));
        let home = home.expect("there is an island");
        let relief = &reliefs[home];
        let nearest = (0..relief.land.len())
            .filter(|cell| relief.land[*cell])
            .map(|cell| relief.middle(cell).distance(stated))
            .fold(f64::MAX, f64::min);
        let discomfort = |cell: usize| {
            let inland = f64::from(relief.inland_m[cell]);
            let p = relief.middle(cell);
            let near: f64 = found.iter().map(|(_, seat)| (SEATS_APART_M - seat.distance(p)).max(0.0) / 500.0).sum();
            p.distance(stated) / 900.0 + 2.0 * f64::from(relief.hill[cell]) + (450.0 - inland).max(0.0) / 300.0 + near
        };
        let best = (0..relief.land.len())
            .filter(|cell| relief.land[*cell] && relief.middle(*cell).distance(stated) < nearest + 1500.0)
            .min_by(|a, b| discomfort(*a).total_cmp(&discomfort(*b)))
            .expect("an island has land");
        let seat = relief.middle(best);
        found.push((home, seat));
    }
    found
}

/// The township an island without a seat belongs to: as known, else the nearest of its counties.
fn owner(island: &Island, relief: &Relief, townships: &[TownshipQuota], seats: &[(usize, Spot)]) -> usize {
    let known = KNOWN_ISLANDS.iter().find(|(id, _)| *id == island.id);
    let known = known.and_then(|(_, code)| townships.iter().position(|township| township.township.code == *code));
    known.unwrap_or_else(|| {
        let off_m = |t: usize| {
            let allowed = island.counties.contains(&townships[t].county());
            let nearest = relief.shore.iter().map(|p| p.distance(seats[t].1)).fold(f64::MAX, f64::min);
            if allowed { nearest } else { nearest + 1e6 }
        };
        (0..townships.len()).min_by(|a, b| off_m(*a).total_cmp(&off_m(*b))).expect("there is a township")
    })
}

/// Land from each seat outwards until the townships meet: those with more people reach farther, hills part them.
fn reach(relief: &Relief, seats: &[(usize, Spot)], townships: &[TownshipQuota]) -> (Vec<u16>, Vec<f32>) {
    let strength = |t: usize| 190.0 * ((townships[t].grids(true) + townships[t].grids(false)) as f64).sqrt();
    let strongest = seats.iter().map(|(t, _)| strength(*t)).fold(0.0, f64::max);
    let mut township = vec![NOBODY; relief.land.len()];
    let mut cost_m = vec![f64::MAX; relief.land.len()];
    let mut start_m = vec![0.0; townships.len()];
    let mut queue = BinaryHeap::new();
    for &(t, seat) in seats {
        let cell = relief.cell(seat).expect("a seat lies on its island");
        start_m[t] = strongest - strength(t);
        cost_m[cell] = start_m[t];
        township[cell] = t as u16;
        queue.push(Reverse(((start_m[t] * 100.0) as u64, cell)));
    }
    let mut done = vec![false; relief.land.len()];
    while let Some(Reverse((_, cell))) = queue.pop() {
        if std::mem::replace(&mut done[cell], true) {
            continue;
        }
        for (turn, next) in relief.around(cell).into_iter().enumerate() {
            let hill = f64::from(relief.hill[next]);
            let step = CELL_M * if turn < 4 { 1.0 } else { std::f64::consts::SQRT_2 } * (1.0 + 5.0 * hill * hill);
            if relief.land[next] && cost_m[cell] + step < cost_m[next] {
                cost_m[next] = cost_m[cell] + step;
                township[next] = township[cell];
                queue.push(Reverse(((cost_m[next] * 100.0) as u64, next)));
            }
        }
    }
    let travel = |(cost, t): (&f64, &u16)| if *t == NOBODY { f32::MAX } else { (cost - start_m[usize::from(*t)]) as f32 };
    let travel_m = cost_m.iter().zip(&township).map(travel).collect();
    (township, travel_m)
}

/// Spreads the grids of one township over its land: urban ones around the seat, the others around villages and thinly between.
fn populate(grounds: &mut [Ground], at: u16, township: &TownshipQuota, seed: u64) {
    let mut random = Random::new(seed, township.township.code);
    let noise = Noise::new(seed, "settlement");
    let cells: Vec<(usize, usize)> = grounds
        .iter()
        .enumerate()
        .flat_map(|(island, ground)| {
            ground.township.iter().enumerate().filter(|(_, t)| **t == at).map(move |(cell, _)| (island, cell))
        })
        .collect();
    let km2 = cells.len() as f64 * CELL_M * CELL_M / 1e6;
    let (mut urban, mut rural) = (township.grids(true) as f64, township.grids(false) as f64);
    if rural == 0.0 {
        // A town without villages has hills of its own to look after.
        (urban, rural) = (0.65 * urban, 0.35 * urban);
    }

    let radius_m = town_radius_m(township.grids(true));
    let core: Vec<f64> = cells
        .iter()
        .map(|&(island, cell)| {
            let ground = &grounds[island];
            let p = ground.relief.middle(cell);
            let bent = f64::from(ground.travel_m[cell]) / radius_m * (1.0 + 0.25 * noise.rough(p, 1400.0));
            (1.0 - 0.8 * bent * bent).max(0.0) * (1.0 - 0.8 * f64::from(ground.relief.hill[cell]))
        })
        .collect();

    let villages = villages(grounds, &cells, township.communities.iter().filter(|c| !c.urban).count(), km2, &mut random);
    let mut country: Vec<f64> = cells
        .iter()
        .zip(&core)
        .map(|(&(island, cell), core)| {
            let ground = &grounds[island];
            let p = ground.relief.middle(cell);
            let near: f64 = villages
                .iter()
                .filter(|(home, _)| *home == island)
                .map(|(_, place)| (1.0 - (p.distance(place.at) / place.radius_m).powi(2)).max(0.0))
                .sum();
            let easy = 1.0 - f64::from(ground.relief.hill[cell]);
            (0.07 + 0.5 * easy * easy + 3.0 * near * easy) * (1.0 - core.min(1.0)) * (1.0 + 0.3 * noise.rough(p, 900.0))
        })
        .collect();
    if country.iter().sum::<f64>() <= 0.0 {
        country.fill(1.0);
    }
    let cell_km2 = CELL_M * CELL_M / 1e6;
    let (core_sum, country_sum) = (core.iter().sum::<f64>().max(1e-9) * cell_km2, country.iter().sum::<f64>() * cell_km2);
    // A township without room for its town spreads it over all its land.
    for ((&(island, cell), core), country) in cells.iter().zip(&core).zip(&country) {
        let town = if core_sum > 1e-6 { urban * core / core_sum } else { urban / km2 };
        let ground = &mut grounds[island];
        ground.density[cell] = (town + rural * country / country_sum) as f32;
        ground.urban[cell] = if urban > 0.0 { core.min(1.0) as f32 } else { 0.0 };
    }
    for (island, place) in villages {
        grounds[island].places.push(place);
    }
}

/// Places for villages: on easy ground, apart from each other.
fn villages(grounds: &[Ground], cells: &[(usize, usize)], count: usize, km2: f64, random: &mut Random) -> Vec<(usize, Place)> {
    let mut found: Vec<(usize, Place)> = Vec::new();
    let mut apart_m = 850.0 * (km2 / count.max(1) as f64).sqrt();
    while found.len() < count && apart_m > 60.0 {
        for _ in 0..40 * count {
            let &(island, cell) = random.pick(cells);
            let relief = &grounds[island].relief;
            let at = relief.middle(cell);
            let easy = relief.hill[cell] < 0.5 && relief.inland_m[cell] > 110.0;
            let free = found.iter().all(|(_, place)| place.at.distance(at) > apart_m);
            if (easy || apart_m < 200.0) && free && random.chance(1.0 - f64::from(relief.hill[cell])) && found.len() < count {
                let radius_m = (0.42 * apart_m).clamp(220.0, 700.0) * random.between(0.7, 1.3);
                found.push((island, Place { at, radius_m, seat: false }));
            }
        }
        apart_m *= 0.85;
    }
    found
}
