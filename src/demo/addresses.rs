//! Houses along the streets, with names and numbers of our own invention: odd to the left, even to the right, counted from the street's
//! beginning. Some have flats; one in each community is its service centre.

use super::buildings::Plot;
use super::plane::{Spot, length};
use super::random::Random;
use super::settlement::Ground;
use super::streets::Street;
use crate::domain::address::AddressRecord;
use crate::domain::id::{AddressId, GridIx, Unit, Version};
use crate::territory::Territory;
use std::collections::{BTreeSet, HashSet};

const FIRST: [&str; 30] = [
    "安", "春", "东", "福", "光", "海", "和", "华", "环", "嘉", "建", "金", "景", "康", "临", "明", "宁", "平", "清", "瑞", "盛",
    "泰", "文", "祥", "新", "兴", "永", "玉", "振", "中",
];
const SECOND: [&str; 20] =
    ["安", "昌", "港", "和", "虹", "华", "江", "康", "澜", "林", "宁", "平", "泉", "荣", "盛", "涛", "阳", "园", "云", "洲"];
const KINDS: [&str; 3] = ["街", "巷", "弄"];
/// Shorter lines are no streets with houses.
const SHORTEST_M: f64 = 60.0;
/// From the middle of the street to a house.
const ASIDE_M: f64 = 9.0;
/// Houses with flats, one in so many in towns.
const WITH_FLATS: usize = 40;

/// A house to be.
struct House {
    at: Spot,
    number: usize,
    /// The direction of the street.
    along: Spot,
    /// Away from it.
    away: Spot,
}

/// `total` addresses, or all there are along streets, and where their houses stand; the densest streets first.
pub(super) fn addresses(
    grounds: &[Ground],
    lines: &[Vec<Street>],
    territory: &Territory,
    total: usize,
    seed: u64,
) -> (Vec<AddressRecord>, Vec<Plot>) {
    let mut random = Random::new(seed, "addresses");
    let mut streets: Vec<(f64, &Ground, &Street)> = grounds
        .iter()
        .zip(lines)
        .flat_map(|(ground, lines)| lines.iter().map(move |line| (ground, line)))
        .filter(|(_, line)| length(&line.points) >= SHORTEST_M)
        .map(|(ground, line)| (urban(ground, line), ground, line))
        .collect();
    streets.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut made = Houses {
        territory,
        names: HashSet::new(),
        texts: BTreeSet::new(),
        centres: BTreeSet::new(),
        rows: Vec::new(),
        plots: Vec::new(),
    };
    for (urban, ground, street) in streets {
        // Where there are no more addresses to be had, houses still stand.
        let told = made.rows.len() < total;
        let every_m = 40.0 - 18.0 * urban.min(1.0);
        made.along(street, &houses(ground, street, every_m, &mut random), urban, told, &mut random);
    }
    made.rows.truncate(total);
    (made.rows, made.plots)
}

/// How much of a town a street is, in its middle.
fn urban(ground: &Ground, street: &Street) -> f64 {
    ground.relief.sample(&ground.urban, street.points[street.points.len() / 2])
}

/// Houses on both sides of a line, where there is land.
fn houses(ground: &Ground, street: &Street, every_m: f64, random: &mut Random) -> Vec<House> {
    let mut houses = Vec::new();
    let (mut left_m, mut number) = (every_m / 2.0, 1);
    for pair in street.points.windows(2) {
        let way = pair[1].minus(pair[0]);
        let (whole_m, along) = (way.length(), way.direction());
        while left_m <= whole_m {
            for (side, number) in [(1.0, number), (-1.0, number + 1)] {
                let aside = ASIDE_M + random.between(0.0, 4.0);
                let at = pair[0].plus(along, left_m).plus(along.left(), side * aside);
                if ground.relief.on_land(at) {
                    let away = Spot::new(along.left().x * side, along.left().y * side);
                    houses.push(House { at, number, along, away });
                }
            }
            number += 2;
            left_m += every_m;
        }
        left_m -= whole_m;
    }
    houses
}

struct Houses<'a> {
    territory: &'a Territory,
    /// Township and street.
    names: HashSet<String>,
    texts: BTreeSet<String>,
    /// Communities that have their centre.
    centres: BTreeSet<String>,
    rows: Vec<AddressRecord>,
    plots: Vec<Plot>,
}

impl Houses<'_> {
    fn along(&mut self, street: &Street, houses: &[House], urban: f64, told: bool, random: &mut Random) {
        let Some(name) = self.name(street, houses, random) else { return };
        for house in houses {
            let Some((regions, ix)) = self.regions(house.at) else { continue };
            let text = format!("{regions}{name}{}号", house.number);
            if !self.texts.insert(text.clone()) {
                continue;
            }
            self.plots.push(Plot {
                name: format!("{name}{}号", house.number),
                address: text.clone(),
                at: house.at,
                along: house.along,
                away: house.away,
                grid: ix,
            });
            if !told {
                continue;
            }
            let centre = self.centre(ix);
            self.push(text.clone(), centre, house.at);
            if urban > 0.5 && random.below(WITH_FLATS) == 0 {
                for flat in 0..8 {
                    let (building, unit, floor) = (flat / 4 + 1, flat / 2 % 2 + 1, flat % 2 + 1);
                    let text = format!("{text}{building}幢{unit}单元{floor}01室");
                    self.texts.insert(text.clone());
                    self.push(text, String::new(), house.at);
                }
            }
        }
    }

    fn push(&mut self, text: String, name: String, at: Spot) {
        self.rows.push(AddressRecord {
            id: AddressId(0),
            text,
            name,
            at: Some(at.lattice()),
            original: None,
            within: None,
            version: Version(0),
            provenance: super::provenance(),
        });
    }

    /// A name that no other street of the township has; `None` when there is none left.
    fn name(&mut self, street: &Street, houses: &[House], random: &mut Random) -> Option<String> {
        let (regions, _) = houses.iter().find_map(|house| self.regions(house.at))?;
        for _ in 0..200 {
            let kind = if street.road { "路" } else { KINDS[random.below(KINDS.len())] };
            let (first, second) = (random.pick(&FIRST), random.pick(&SECOND));
            if first == second {
                continue;
            }
            let name = format!("{first}{second}{kind}");
            if self.names.insert(format!("{regions}{name}")) {
                return Some(name);
            }
        }
        None
    }

    /// City, county and township of a place, and its grid.
    fn regions(&self, at: Spot) -> Option<(String, GridIx)> {
        let Some(Unit::Grid(ix)) = self.territory.leaf_at(at.lattice()) else { return None };
        let path = self.territory.path(self.territory.grid(ix).parent);
        let names = path.iter().take(3).map(|ix| self.territory.region(*ix).name.as_str());
        Some((names.collect(), ix))
    }

    /// The name of the community's service centre, for the first house in it.
    fn centre(&mut self, ix: GridIx) -> String {
        let Some(parent) = self.territory.grid(ix).parent else { return String::new() };
        let community = self.territory.region(parent);
        let is_first = self.centres.insert(community.code.to_string());
        if is_first { format!("{}便民服务中心", community.name) } else { String::new() }
    }
}
