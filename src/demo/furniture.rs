//! What stands along the streets: kinds and shares of DOMAIN 6.1, at the distances found in streets.

use super::blocks::{Block, Blocks};
use super::parcels::Parcel;
use super::plane::Spot;
use super::quota::shares;
use super::random::Random;
use crate::domain::code::Code;
use crate::domain::facility::{FacilityRecord, FacilityState};
use crate::domain::id::{FacilityId, Version};
use crate::domain::records::Provenance;
use crate::geom::planar::Edge;
use std::collections::BTreeMap;

/// A kind of street furniture (GB/T 47678.5).
struct Kind {
    code: &'static str,
    /// What single pieces are called; empty: they have no names.
    name: &'static str,
    /// Pieces among ten thousand.
    share: f64,
    /// Distance along the street in metres.
    every_m: f64,
    /// Distance from the middle of the street in metres.
    aside_m: f64,
}

const fn kind(code: &'static str, name: &'static str, share: f64, every_m: f64, aside_m: f64) -> Kind {
    Kind { code, name, share, every_m, aside_m }
}

const KINDS: [Kind; 27] = [
    kind("01001", "", 200.0, 35.0, 1.6),           // water cover
    kind("01002", "", 800.0, 35.0, 1.2),           // sewage cover
    kind("01003", "", 1000.0, 35.0, 2.0),          // storm water cover
    kind("01004", "", 1400.0, 25.0, 2.8),          // storm grate
    kind("01005", "", 300.0, 45.0, 3.2),           // power cover
    kind("01007", "", 600.0, 45.0, 3.6),           // telecom cover
    kind("01011", "", 100.0, 60.0, 2.4),           // gas cover
    kind("01013", "消火栓", 80.0, 110.0, 3.4),     // hydrant
    kind("01027", "", 150.0, 160.0, 4.2),          // telecom box
    kind("01028", "", 100.0, 220.0, 4.4),          // power box
    kind("01030", "", 350.0, 45.0, 4.0),           // power pole
    kind("01031", "", 250.0, 50.0, 4.1),           // telecom pole
    kind("01033", "", 100.0, 80.0, 4.0),           // special pole
    kind("01037", "", 900.0, 30.0, 3.0),           // street lamp
    kind("01050", "监控", 150.0, 150.0, 3.3),      // camera
    kind("01054", "充电桩", 50.0, 8.0, 6.0),       // charging pile
    kind("01066", "紧急报警点", 20.0, 400.0, 3.8), // SOS point
    kind("02004", "公交站", 40.0, 450.0, 3.2),     // bus stop
    kind("02010", "", 400.0, 90.0, 2.9),           // traffic sign
    kind("02014", "", 80.0, 260.0, 2.7),           // traffic light
    kind("02017", "", 200.0, 20.0, 0.9),           // guard rail
    kind("03001", "公共厕所", 10.0, 900.0, 9.0),   // public toilet
    kind("03005", "", 400.0, 50.0, 3.7),           // litter bin
    kind("04001", "古树", 10.0, 300.0, 11.0),      // old tree
    kind("04002", "", 2200.0, 6.0, 3.5),           // street tree
    kind("04013", "", 80.0, 200.0, 8.0),           // green space
    kind("01032", "", 30.0, 450.0, 3.3),           // bus pole
];

/// A wall of a block along a street, from `a` to `b` with the block on the left.
struct Front {
    block: usize,
    a: Spot,
    b: Spot,
    /// Where it begins along all fronts of the grid, in metres.
    start_m: f64,
}

/// The streets of all parcels, to put things beside.
pub(super) struct Streets<'a> {
    blocks: &'a Blocks,
    parcels: &'a [Parcel],
    fronts: Vec<(Vec<Front>, f64)>,
}

impl<'a> Streets<'a> {
    pub(super) fn new(blocks: &'a Blocks, parcels: &'a [Parcel]) -> Self {
        Self { blocks, parcels, fronts: parcels.iter().map(|parcel| fronts(blocks, parcel)).collect() }
    }

    /// How much of a town a parcel is, 0 to 1.
    pub(super) fn urban(&self, parcel: &Parcel) -> f64 {
        parcel.blocks.iter().map(|block| self.blocks.list[*block].urban).sum::<f64>() / parcel.blocks.len() as f64
    }

    /// Any place beside a street of a parcel.
    pub(super) fn spot(&self, parcel: usize, random: &mut Random) -> Spot {
        let (fronts, length_m) = &self.fronts[parcel];
        let (along_m, aside_m) = (random.unit() * length_m, random.between(2.0, 14.0));
        stand(&self.blocks.list, fronts, along_m, aside_m).unwrap_or(self.parcels[parcel].label)
    }
}

/// At most this many pieces in a row before the next row begins elsewhere in the grid.
const ROW: usize = 9;
/// Share of facilities spread evenly over grids; the others follow the streets of towns.
const EVEN: f64 = 0.35;

/// Facilities of all parcels, `total` of them, by category and grid.
pub(super) fn facilities(streets: &Streets<'_>, grids: &[Code], total: usize, seed: u64) -> Vec<FacilityRecord> {
    let Streets { blocks, parcels, fronts } = streets;
    let towns: Vec<f64> = parcels
        .iter()
        .zip(fronts)
        .map(|(parcel, (_, length_m))| (0.25 + streets.urban(parcel)) * length_m.max(50.0).sqrt())
        .collect();
    let town_sum: f64 = towns.iter().sum();
    let weights: Vec<f64> = towns.iter().map(|town| EVEN / towns.len() as f64 + (1.0 - EVEN) * town / town_sum).collect();
    let by_kind = shares(total, &KINDS.map(|kind| kind.share), 0);
    let mut numbers: BTreeMap<(String, &str), u32> = BTreeMap::new();
    let mut facilities = Vec::with_capacity(total);
    for (kind, count) in KINDS.iter().zip(by_kind) {
        let mut random = Random::new(seed, kind.code);
        for (at, count) in shares(count, &weights, 1).into_iter().enumerate() {
            let (fronts, length_m) = &fronts[at];
            let start = facilities.len();
            let mut along_m = random.unit() * length_m;
            let every_m = kind.every_m.min(length_m / count.max(1) as f64).max(1.0);
            for piece in 0..count {
                along_m = if piece % ROW == ROW - 1 { random.unit() * length_m } else { (along_m + every_m) % length_m };
                let at_spot =
                    stand(&blocks.list, fronts, along_m + random.between(-0.4, 0.4), kind.aside_m + random.between(0.0, 0.5));
                let county = grids[at].as_str()[..6].to_owned();
                let number = numbers.entry((county, kind.code)).or_insert(0);
                *number += 1;
                let name = match kind.name {
                    "" => String::new(),
                    name => format!("{name}{:02}", facilities.len() - start + 1),
                };
                facilities.push(FacilityRecord {
                    id: FacilityId(0),
                    code: Some(format!("{}{}{number:06}", &grids[at].as_str()[..6], kind.code)),
                    category: kind.code.to_owned(),
                    name,
                    state: state(&mut random),
                    state_date: None,
                    at: at_spot.unwrap_or(parcels[at].label).lattice(),
                    original: None,
                    grid: Some(grids[at].clone()),
                    accuracy: Some(if random.chance(0.8) { "B" } else { "C" }.to_owned()),
                    properties: serde_json::Map::new(),
                    version: Version(1),
                    provenance: Provenance { source: Some(super::SOURCE.to_owned()), ..Provenance::default() },
                });
            }
        }
    }
    facilities
}

/// 97 % intact, 2.2 % damaged, 0.5 % lost, 0.3 % removed.
fn state(random: &mut Random) -> FacilityState {
    match random.below(1000) {
        0..970 => FacilityState::Intact,
        970..992 => FacilityState::Damaged,
        992..997 => FacilityState::Lost,
        _ => FacilityState::Removed,
    }
}

/// The street fronts of a parcel in walking order, and their whole length in metres; shores where there is no street.
fn fronts(blocks: &Blocks, parcel: &Parcel) -> (Vec<Front>, f64) {
    let walk = |only_streets: bool| {
        let (mut fronts, mut start_m) = (Vec::new(), 0.0);
        for &block in &parcel.blocks {
            let polygon = &blocks.list[block].polygon;
            for ring in std::iter::once(&polygon.exterior).chain(&polygon.holes) {
                for (at, &a) in ring.iter().enumerate() {
                    let b = ring[(at + 1) % ring.len()];
                    let street = Edge::between(a, b).is_some_and(|(edge, _)| blocks.streets.contains_key(&edge));
                    if street || !only_streets {
                        let (a, b) = (Spot::of(a), Spot::of(b));
                        fronts.push(Front { block, a, b, start_m });
                        start_m += a.distance(b);
                    }
                }
            }
        }
        (fronts, start_m)
    };
    let (fronts, length_m) = walk(true);
    if length_m > 30.0 { (fronts, length_m) } else { walk(false) }
}

/// A place beside the fronts, strictly inside its block; `None` where the block is too narrow.
fn stand(blocks: &[Block], fronts: &[Front], along_m: f64, aside_m: f64) -> Option<Spot> {
    let at = fronts.partition_point(|front| front.start_m <= along_m).max(1) - 1;
    let front = &fronts[at];
    let way = front.b.minus(front.a);
    let share = ((along_m - front.start_m) / way.length().max(0.1)).clamp(0.03, 0.97);
    let block = &blocks[front.block];
    let places = [aside_m, 1.0, 0.3].map(|aside| front.a.plus(way, share).plus(way.direction().left(), aside));
    // As it will stand on the lattice.
    let places = places.into_iter().map(|place| Spot::of(place.lattice()));
    places.chain([block.inner]).find(|place| block.holds(*place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_kinds_are_the_whole() {
        assert_eq!(KINDS.iter().map(|kind| kind.share).sum::<f64>(), 10_000.0);
    }
}
