//! The synthetic city: records that go through import like anyone's. Real are the outlines of Zhoushan's islands, and the names and codes
//! of counties, townships and communities; the outlines called Yichang are made up; streets, borders, people, facilities and cases are invented (演示数据).
//!
//! The way: [`sources`] and [`quota`] say what there is and how much of it · [`coast`] and [`relief`] make islands to live on ·
//! [`settlement`] puts townships, towns and villages there · [`streets`] joins them · [`blocks`] are the faces between streets ·
//! [`cut`] and [`parcels`] join blocks to grids, communities and townships, [`police`] grids to police grids · [`people`], [`furniture`],
//! [`addresses`] and [`incidents`] fill them.
//! A seed gives the same bytes on every machine: there is no other chance than [`random`], and no transcendental function.

mod addresses;
mod blocks;
mod buildings;
mod coast;
mod cut;
mod files;
mod furniture;
mod history;
mod incidents;
mod organizations;
mod parcels;
mod people;
mod plane;
mod police;
mod quota;
mod random;
mod relief;
mod settlement;
mod sources;
mod streets;

pub use files::Files;

use crate::domain::address::AddressRecord;
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::code::Code;
use crate::domain::facility::FacilityRecord;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::grid::{GridKind, GridRecord};
use crate::domain::id::{Epoch, GridSet};
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::{BoundarySet, HouseholdCount, Provenance};
use crate::domain::region::RegionRecord;
use crate::domain::scheme::Scheme;
use crate::domain::staff::{StaffRecord, StaffRole};
use crate::territory::Territory;
use blocks::Blocks;
use jiff::Timestamp;
use parcels::Parcel;
use people::StaffQuota;
use plane::Spot;
use quota::{Quota, TownshipQuota};
use random::{Noise, Random};
use relief::Relief;

/// What every record of the demo says about its source.
pub const SOURCE: &str = "演示数据 (synthetic)";
/// The seed of the city that is shown when none is asked for.
pub const DEFAULT_SEED: u64 = 2008;

/// How large a city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// 3 townships, 12 communities, 60 grids on two islands: for tests.
    Small,
    /// The whole archipelago: 36 townships, 428 communities, 2,430 grids (the figures of 2008).
    Zhoushan,
    /// 24 townships, 160 communities, 1,110 grids on two banks of a river, and 100 police grids over them.
    Yichang,
    /// 80 townships, 1,200 communities, 5,000 grids, 500,000 facilities: for benches.
    Prefecture,
}

/// A preset of another name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown preset {0:?}: small, zhoushan, yichang or prefecture")]
pub struct UnknownPreset(pub String);

impl std::str::FromStr for Preset {
    type Err = UnknownPreset;
    fn from_str(word: &str) -> Result<Self, UnknownPreset> {
        match word {
            "small" => Ok(Self::Small),
            "zhoushan" => Ok(Self::Zhoushan),
            "yichang" => Ok(Self::Yichang),
            "prefecture" => Ok(Self::Prefecture),
            _ => Err(UnknownPreset(word.to_owned())),
        }
    }
}

/// A city's records.
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    /// What stands above the map.
    pub title: String,
    /// Who must be named on it.
    pub attribution: Vec<String>,
    /// Regions and grids in force.
    pub boundaries: BoundarySet,
    /// Boundaries in force of other grid sets.
    pub others: Vec<BoundarySet>,
    /// Land around it that belongs to others, as GeoJSON.
    pub background: Option<&'static str>,
    /// Boundaries of the past, oldest first; their periods touch each other and that of `boundaries`.
    pub history: Vec<BoundarySet>,
    /// By category, then grid.
    pub facilities: Vec<FacilityRecord>,
    /// Teams.
    pub staff: Vec<StaffRecord>,
    /// One for each grid in force.
    pub households: Vec<HouseholdCount>,
    /// Open cases as of the instant asked for.
    pub cases: Vec<CaseRecord>,
    /// Houses along the streets.
    pub addresses: Vec<AddressRecord>,
    /// Party groups, mediation rooms, volunteer stations, police posts.
    pub organizations: Vec<OrganizationRecord>,
    /// Along the streets.
    pub buildings: Vec<BuildingRecord>,
}

/// Why there is no city.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The streets of this seed cannot be noded.
    #[error("drawing the blocks of the demo city")]
    Blocks(#[from] crate::geom::planar::TooManyRounds),
    /// The boundaries of this seed are no partition.
    #[error("placing the houses of the demo city: {0}")]
    Boundaries(Fault),
    /// The streets of this seed leave a township fewer blocks than it has grids.
    #[error("{township} has {blocks} blocks for {grids} grids; take another seed")]
    TooFewBlocks {
        /// Its name.
        township: &'static str,
        /// Between streets.
        blocks: usize,
        /// To be cut.
        grids: usize,
    },
}

/// Police grids of Yichang.
const POLICE_GRIDS: usize = 100;

impl Preset {
    fn quota(self) -> (Quota, StaffQuota) {
        match self {
            Self::Small => (
                Quota {
                    atlas: sources::ZHOUSHAN,
                    all_urban: false,
                    // 菜园镇 and 五龙乡 share an island, 黄龙乡 has its own.
                    townships: vec!["330922100", "330922200", "330922201"],
                    communities_each: 4,
                    islands: vec![22, 24],
                    grids: 60,
                    urban_grids: 36,
                    households: 12_000,
                    facilities: 6_000,
                    cases: 60,
                },
                StaffQuota { county: 2, township: 3, community: 12, others: 73, first: StaffRole::GridLeader },
            ),
            Self::Zhoushan => (
                Quota {
                    atlas: sources::ZHOUSHAN,
                    all_urban: false,
                    townships: Vec::new(),
                    communities_each: usize::MAX,
                    islands: Vec::new(),
                    grids: 2430,
                    // 493 × 250 + 1,937 × 125 households are the city's 365,420.
                    urban_grids: 493,
                    households: 365_420,
                    facilities: 200_000,
                    cases: 600,
                },
                StaffQuota { county: 772, township: 2479, community: 2011, others: 8303, first: StaffRole::GridLeader },
            ),
            // One officer for each grid, one inspector for each police grid (DOMAIN 6.1).
            Self::Yichang => (
                Quota {
                    atlas: sources::YICHANG,
                    all_urban: true,
                    townships: Vec::new(),
                    communities_each: usize::MAX,
                    islands: Vec::new(),
                    grids: 1110,
                    urban_grids: 1110,
                    households: 277_500,
                    facilities: 300_000,
                    cases: 1_500,
                },
                StaffQuota { county: 0, township: 0, community: 0, others: 1110, first: StaffRole::GridOfficer },
            ),
            // 250 households a grid, as a town's grids have; 1,500,000 would be the most that any grid may have, in each.
            Self::Prefecture => (
                Quota {
                    atlas: sources::PREFECTURE,
                    all_urban: true,
                    townships: Vec::new(),
                    communities_each: usize::MAX,
                    islands: Vec::new(),
                    grids: 5000,
                    urban_grids: 5000,
                    households: 1_250_000,
                    facilities: 500_000,
                    cases: 4_000,
                },
                StaffQuota { county: 200, township: 800, community: 1500, others: 5500, first: StaffRole::GridLeader },
            ),
        }
    }
}

/// Draws a city. `now` is the instant its open cases are told for. Zhoushan takes about 2 s on one core, the small one a few
/// hundredths.
pub fn city(preset: Preset, seed: u64, now: Timestamp) -> Result<City, DemoError> {
    let (quota, staff) = preset.quota();
    let townships = quota.townships(seed);
    let mut islands = quota.atlas.islands();
    islands.retain(|island| quota.islands.is_empty() || quota.islands.contains(&island.id));
    let coast = Noise::new(seed, "coast");
    let shore = |island: &sources::Island| coast::shore(&island.outline.iter().map(|p| Spot::of(*p)).collect::<Vec<_>>(), coast);
    let reliefs = islands.iter().map(|island| Relief::new(shore(island), seed)).collect();
    let grounds = settlement::settle(&islands, reliefs, &townships, seed);
    let lines: Vec<_> = grounds.iter().map(|ground| streets::streets(ground, seed)).collect();
    let mut blocks = Blocks::of(&grounds, &lines)?;
    let parcels = parcels::parcels(&mut blocks, &townships)?;

    let codes: Vec<Code> = parcels.iter().map(|parcel| grid_code(&townships, parcel, parcel.number)).collect();
    let households = people::households(&parcels, &townships, quota.households, seed);
    let mut random = Random::new(seed, "residents");
    let residents: Vec<u32> = households.iter().map(|count| people::residents(*count, &mut random)).collect();
    let grids = parcels
        .iter()
        .enumerate()
        .map(|(at, parcel)| grid(&townships, parcel, parcel.number, parcel.area.clone(), (households[at], residents[at])));
    let boundaries = BoundarySet {
        set: GridSet::default(),
        scheme: Scheme::cn(),
        period: history::IN_FORCE.period(),
        regions: regions(quota.atlas, &townships),
        grids: grids.collect(),
        voids: Vec::new(),
    };
    let others = match preset {
        Preset::Yichang => {
            vec![police::police(&blocks, &parcels, &townships, POLICE_GRIDS, history::IN_FORCE.period(), seed)]
        }
        Preset::Small | Preset::Zhoushan | Preset::Prefecture => Vec::new(),
    };
    let police: Vec<Code> = others.iter().flat_map(|set| &set.grids).map(|grid| grid.code.clone()).collect();
    let territory = Territory::build(Epoch(1), &boundaries).map_err(|faults| {
        let none = || Fault::new(FaultKind::Corrupt, "not told");
        DemoError::Boundaries(faults.into_iter().next().unwrap_or_else(none))
    })?;
    // Addresses, buildings.
    let (houses, most) = match preset {
        Preset::Small => (1_200, 480),
        Preset::Zhoushan => (80_000, 24_000),
        Preset::Yichang | Preset::Prefecture => (100_000, 25_000),
    };
    let (addresses, plots) = addresses::addresses(&grounds, &lines, &territory, houses, seed);
    let buildings = buildings::buildings(plots, &territory, most, seed);
    let streets = furniture::Streets::new(&blocks, &parcels);
    let scene =
        incidents::Scene { streets: &streets, parcels: &parcels, grids: &codes, townships: &townships, addresses: &addresses };
    let cases = incidents::cases(&scene, &territory, quota.cases, now, seed);
    Ok(City {
        title: match preset {
            Preset::Small => "嵊泗县网格化管理指挥平台".to_owned(),
            Preset::Zhoushan => "舟山市网格化管理指挥平台".to_owned(),
            Preset::Yichang => "宜昌市网格化管理指挥平台".to_owned(),
            Preset::Prefecture => "宜昌全市网格化管理指挥平台".to_owned(),
        },
        attribution: match preset {
            Preset::Small | Preset::Zhoushan => {
                ["海岸轮廓 © OpenStreetMap contributors (ODbL 1.0)", "网格、街道、门牌、人员、部件、案件均为演示数据"]
            }
            Preset::Prefecture => ["轮廓为虚构，并非宜昌实际边界", "网格、街道、门牌、人员、部件、案件均为演示数据"],
            Preset::Yichang => ["轮廓为虚构，并非宜昌实际边界", "网格、警务网格、街道、门牌、人员、部件、案件均为演示数据"],
        }
        .map(str::to_owned)
        .to_vec(),
        background: quota.atlas.background,
        history: if preset == Preset::Zhoushan {
            history::past(&boundaries, &blocks, &parcels, &townships, seed)
        } else {
            Vec::new()
        },
        facilities: furniture::facilities(&streets, &codes, quota.facilities, seed),
        staff: people::staff(&parcels, &codes, &townships, staff, &police, seed),
        households: codes
            .iter()
            .zip(households.iter().zip(&residents))
            .map(|(grid, (households, residents))| HouseholdCount {
                grid: grid.clone(),
                households: Some(*households),
                population: Some(*residents),
            })
            .collect(),
        addresses,
        cases,
        organizations: organizations::organizations(&blocks, &parcels, &codes, &townships),
        buildings,
        boundaries,
        others,
    })
}

fn provenance() -> Provenance {
    Provenance { source: Some(SOURCE.to_owned()), ..Provenance::default() }
}

/// Name of a county or of the city.
fn county_name(code: &str) -> &'static str {
    let counties = [sources::ZHOUSHAN, sources::PREFECTURE].into_iter().flat_map(sources::Atlas::counties);
    counties.into_iter().find(|county| county.code == code).map_or("", |county| county.name)
}

fn grid_code(townships: &[TownshipQuota], parcel: &Parcel, number: usize) -> Code {
    let community = &townships[parcel.township].communities[parcel.community];
    Code::new(&format!("{}{number:03}", community.code)).expect("twelve digits and three are a code")
}

/// A grid's record with its households and residents.
fn grid(townships: &[TownshipQuota], parcel: &Parcel, number: usize, area: crate::geom::Area, people: (u32, u32)) -> GridRecord {
    let community = &townships[parcel.township].communities[parcel.community];
    GridRecord {
        code: grid_code(townships, parcel, number),
        name: format!("{}第{number}网格", community.name),
        kind: GridKind::Base,
        parent: None,
        area,
        households: Some(people.0),
        population: Some(people.1),
        provenance: provenance(),
    }
}

/// City, counties, townships and communities, by code. None has a claim: all land is derived from the grids.
fn regions(atlas: sources::Atlas, townships: &[TownshipQuota]) -> Vec<RegionRecord> {
    let region = |code: &str, level: &str, name: &str| RegionRecord {
        code: Code::new(code).expect("shipped codes are codes"),
        level: level.to_owned(),
        name: name.to_owned(),
        parent: None,
        claim: None,
        provenance: provenance(),
    };
    let mut regions: Vec<RegionRecord> = atlas
        .counties()
        .iter()
        .filter(|county| townships.iter().any(|township| township.township.code.starts_with(county.code)))
        .map(|county| region(county.code, if county.code.len() == 4 { "city" } else { "county" }, county.name))
        .collect();
    for township in townships {
        regions.push(region(township.township.code, "township", township.township.name));
        regions.extend(township.communities.iter().map(|community| region(community.code, "community", community.name)));
    }
    regions.sort_by(|a, b| a.code.cmp(&b.code));
    regions
}

#[cfg(test)]
mod tests;
