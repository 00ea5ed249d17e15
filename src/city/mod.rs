//! The persistent root: one revision of the whole city. Made of shared parts, so that the next revision copies only what changed.

pub mod addresses;
pub mod apply;
pub mod buildings;
pub mod cases;
pub mod clusters;
pub mod facilities;
pub mod organizations;
pub mod pinned;
pub mod published;
pub mod sight;
pub mod staff;
pub mod standing;
pub mod table;

pub use addresses::Addresses;
pub use apply::Change;
pub use buildings::{Building, Buildings, Households};
pub use cases::{Case, Cases};
pub use facilities::{Facilities, Facility};
pub use organizations::{Organization, Organizations};
pub use published::Published;
pub use sight::Sight;
pub use staff::Staff;

use crate::domain::category::CodeProfile;
use crate::domain::id::{Epoch, GridIx, GridSet, RegionIx, Revision, Unit};
use crate::territory::Territory;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the city says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Title of the platform, as the top bar shows it.
    pub title: String,
    /// Made up for a demonstration: every screen says so.
    pub synthetic: bool,
    /// Whose data this is; drawn on the map.
    pub attribution: Vec<String>,
    /// The zone in which a date begins, as an IANA name.
    pub time_zone: String,
    /// Categories of facilities and cases.
    pub profile: CodeProfile,
    /// Land around it that belongs to others, as GeoJSON without names; drawn, never looked up.
    pub background: Option<Arc<str>>,
}

/// One revision of the whole city.
#[derive(Debug, Clone)]
pub struct City {
    /// The change log's number up to which this is true.
    pub revision: Revision,
    /// What it says about itself.
    pub about: Arc<About>,
    /// Boundaries in force.
    pub territory: Arc<Territory>,
    /// Boundaries in force of the other grid sets. What stands in them is found by position.
    pub others: Arc<BTreeMap<GridSet, Arc<Territory>>>,
    /// Facilities.
    pub facilities: Arc<Facilities>,
    /// Open cases.
    pub cases: Arc<Cases>,
    /// Who works where.
    pub staff: Arc<Staff>,
    /// Standard addresses.
    pub addresses: Arc<Addresses>,
    /// Organizations.
    pub organizations: Arc<Organizations>,
    /// Buildings.
    pub buildings: Arc<Buildings>,
}

/// Sums over a grid or over everything below a region.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Grids; 1 for a grid.
    pub grids: u32,
    /// Facilities, in whatever state.
    pub facilities: u32,
    /// Open cases, unlocated ones of this region included.
    pub open_cases: u32,
    /// Open cases that are overdue.
    pub overdue: u32,
    /// Households, see [`City::households`].
    pub households: u64,
    /// Residents.
    pub population: u64,
    /// Staff assigned to it or below.
    pub staff: u32,
    /// Organizations in it.
    pub organizations: u32,
    /// Buildings in it.
    pub buildings: u32,
    /// Land in square metres.
    pub area_m2: f64,
}

impl Counts {
    /// Those of two places together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            grids: self.grids + other.grids,
            facilities: self.facilities + other.facilities,
            open_cases: self.open_cases + other.open_cases,
            overdue: self.overdue + other.overdue,
            households: self.households + other.households,
            population: self.population + other.population,
            staff: self.staff + other.staff,
            organizations: self.organizations + other.organizations,
            buildings: self.buildings + other.buildings,
            area_m2: self.area_m2 + other.area_m2,
        }
    }
}

impl City {
    /// A city of nothing but its boundaries.
    pub fn empty(revision: Revision, about: About, territory: Territory) -> Self {
        let grids = territory.grids.len();
        Self {
            revision,
            facilities: Arc::new(Facilities::new(Vec::new(), &about.profile, grids)),
            cases: Arc::new(Cases::new([], grids)),
            staff: Arc::default(),
            addresses: Arc::default(),
            organizations: Arc::default(),
            buildings: Arc::default(),
            others: Arc::default(),
            territory: Arc::new(territory),
            about: Arc::new(about),
        }
    }

    /// Boundaries in force.
    pub fn epoch(&self) -> Epoch {
        self.territory.epoch
    }

    /// Boundaries in force of one grid set.
    pub fn territory_of(&self, set: &GridSet) -> Option<&Arc<Territory>> {
        if set.is_governance() { Some(&self.territory) } else { self.others.get(set) }
    }

    /// Sums over a region: its grids, what stands directly on a childless region, and what is only known to be somewhere in it.
    pub fn region_counts(&self, ix: RegionIx) -> Counts {
        let region = self.territory.region(ix);
        let grids = region.grids.start as usize..region.grids.end as usize;
        let mut counts = Counts { area_m2: region.area_m2, ..self.sum(grids) };
        for below in region.subtree.clone() {
            let code = &self.territory.region(RegionIx(below)).code;
            let (open, overdue) = self.cases.region_counts(RegionIx(below), code);
            counts.facilities += self.facilities.region_count(RegionIx(below));
            counts.open_cases += open;
            counts.overdue += overdue;
            counts.staff += self.staff.of(code).len() as u32;
            counts.organizations += self.organizations.region_count(RegionIx(below));
            counts.buildings += self.buildings.region_count(RegionIx(below));
            counts.households += self.region_households(RegionIx(below));
        }
        counts
    }

    /// Households of the buildings on a region's own land, when it has no grids. Of one with grids they are in the counts of these, or
    /// nobody knows in which.
    pub fn region_households(&self, ix: RegionIx) -> u64 {
        let own = self.territory.region(ix).grids.is_empty();
        self.buildings.households(Unit::Region(ix)).filter(|_| own).unwrap_or(0)
    }

    /// Households of a grid: the sum over its buildings as soon as one of them says a number, else what was counted for it.
    pub fn households(&self, ix: GridIx) -> Households {
        Households::of(&self.territory, &self.buildings, ix)
    }

    /// Sums over one grid.
    pub fn grid_counts(&self, ix: GridIx) -> Counts {
        Counts { area_m2: self.territory.grid(ix).area_m2, ..self.sum(ix.at()..ix.at() + 1) }
    }

    fn sum(&self, grids: std::ops::Range<usize>) -> Counts {
        let mut counts = Counts::default();
        for at in grids {
            let grid = &self.territory.grids[at];
            let (open, overdue) = self.cases.grid_counts(GridIx(at as u32));
            counts.grids += 1;
            counts.facilities += self.facilities.grid_count(GridIx(at as u32));
            counts.open_cases += open;
            counts.overdue += overdue;
            counts.households += self.households(GridIx(at as u32)).shown().unwrap_or(0);
            counts.population += u64::from(grid.population.unwrap_or(0));
            counts.staff += self.staff.of(&grid.code).len() as u32;
            counts.organizations += self.organizations.grid_count(GridIx(at as u32));
            counts.buildings += self.buildings.grid_count(GridIx(at as u32));
        }
        counts
    }
}
