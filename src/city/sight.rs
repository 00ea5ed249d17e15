//! What a caller may see of a city: the one function of actor and object that everything goes through which is looked up, listed, counted
//! or drawn.

use super::standing::{Record, Standings, unit_of};
use super::{Case, Cases, City, Facilities, Facility, Staff};
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::code::Code;
use crate::domain::id::{GridIx, RegionIx, Unit};
use crate::domain::scope::{Hidden, Scope};
use crate::geom::LatticeBox;
use crate::territory::Territory;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// A scope and what is hidden, as numbers of one territory and one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// None: everything, places outside every grid included.
    land: Option<Land>,
    /// Positions in the profile.
    hidden: Vec<u16>,
}

/// Subtrees of a territory together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Land {
    /// Their tops, none below another, in the order of the territory: regions before grids.
    tops: Vec<Unit>,
    /// Sorted, no two meet.
    regions: Vec<Range<u32>>,
    /// Sorted, no two meet.
    grids: Vec<Range<u32>>,
}

impl Land {
    fn of(territory: &Territory, codes: &[Code]) -> Self {
        let mut tops: Vec<Unit> = codes.iter().filter_map(|code| territory.unit(code.as_str())).collect();
        tops.sort_unstable();
        tops.dedup();
        let above: HashSet<Unit> = tops.iter().copied().filter(|unit| matches!(unit, Unit::Region(_))).collect();
        tops.retain(|unit| {
            let mut parent = match unit {
                Unit::Region(ix) => territory.region(*ix).parent,
                Unit::Grid(ix) => territory.grid(*ix).parent,
            };
            while let Some(ix) = parent {
                if above.contains(&Unit::Region(ix)) {
                    return false;
                }
                parent = territory.region(ix).parent;
            }
            true
        });
        let subtrees: Vec<Subtree> = tops.iter().map(|unit| Subtree::at(territory, *unit)).collect();
        let sorted = |mut ranges: Vec<Range<u32>>| {
            ranges.retain(|range| !range.is_empty());
            ranges.sort_unstable_by_key(|range| range.start);
            ranges
        };
        Self {
            regions: sorted(subtrees.iter().map(|subtree| subtree.regions.clone()).collect()),
            grids: sorted(subtrees.iter().map(|subtree| subtree.grids.clone()).collect()),
            tops,
        }
    }

    fn holds(&self, unit: Unit) -> bool {
        let (ranges, ix) = match unit {
            Unit::Grid(ix) => (&self.grids, ix.0),
            Unit::Region(ix) => (&self.regions, ix.0),
        };
        let at = ranges.partition_point(|range| range.end <= ix);
        ranges.get(at).is_some_and(|range| range.contains(&ix))
    }
}

/// Everything at or below a region, or one grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtree {
    /// The region itself and those below; empty for a grid.
    pub regions: Range<u32>,
    /// Grids below, or the one grid.
    pub grids: Range<u32>,
}

impl Subtree {
    /// At or below a unit.
    pub fn at(territory: &Territory, unit: Unit) -> Self {
        match unit {
            Unit::Grid(ix) => ix.into(),
            Unit::Region(ix) => {
                let region = territory.region(ix);
                Self { regions: region.subtree.clone(), grids: region.grids.clone() }
            }
        }
    }

    /// The box around its land.
    pub fn bbox(&self, territory: &Territory) -> Option<LatticeBox> {
        let grids = self.grids.clone().map(|at| territory.grid(GridIx(at)).bbox);
        let regions = self.regions.clone().filter_map(|at| territory.region(RegionIx(at)).bbox);
        grids.chain(regions).reduce(LatticeBox::union)
    }

    /// Whether a unit is at or below it.
    pub fn holds(&self, unit: Unit) -> bool {
        match unit {
            Unit::Grid(ix) => self.grids.contains(&ix.0),
            Unit::Region(ix) => self.regions.contains(&ix.0),
        }
    }
}

impl From<GridIx> for Subtree {
    fn from(ix: GridIx) -> Self {
        Self { regions: 0..0, grids: ix.0..ix.0 + 1 }
    }
}

impl City {
    /// The city with nothing in it but what a sight shows in one territory, which need not be the city's own.
    #[must_use]
    pub fn seen(&self, sight: &Sight, territory: &Territory) -> Self {
        let grids = self.territory.grids.len();
        let shown = |row: &&Facility| sight.facility(row, territory.leaf_at(row.at));
        let unit = |case: &Case| match case.record.at {
            Some(at) => territory.leaf_at(at),
            None => territory.region_ix(case.record.within.as_ref()?.as_str()).map(Unit::Region),
        };
        let staff = self.staff.iter().filter(|record| sight.at(territory.unit(record.assigned.as_str())));
        let facilities = self.facilities.iter().filter(shown).cloned().collect();
        Self {
            facilities: Arc::new(Facilities::new(facilities, &self.about.profile, grids)),
            cases: Arc::new(Cases::new(self.cases.iter().filter(|case| sight.at(unit(case))).cloned(), grids)),
            staff: Arc::new(Staff::new(staff.cloned())),
            organizations: Arc::new(self.organizations.seen(sight, territory, &self.territory)),
            buildings: Arc::new(self.buildings.seen(sight, territory, &self.territory)),
            // Addresses are found as they lie today only.
            addresses: Arc::default(),
            ..self.clone()
        }
    }
}

impl<R: Record> Standings<R> {
    fn seen(&self, sight: &Sight, territory: &Territory, own: &Territory) -> Self {
        let shown = self.iter().filter(|one| sight.at(unit_of(&*one.record, territory)));
        Self::new(shown.map(|one| Arc::clone(&one.record)), own)
    }
}

impl Sight {
    /// Of somebody who sees everything.
    pub const ALL: Self = Self { land: None, hidden: Vec::new() };

    /// Of somebody with this scope, from whom these categories are kept. A code that these boundaries do not have opens nothing.
    pub fn of(territory: &Territory, profile: &CodeProfile, scope: &Scope, hidden: &Hidden) -> Self {
        let land = match scope {
            Scope::All => None,
            Scope::Within(codes) => Some(Land::of(territory, codes)),
        };
        let hidden = hidden.iter().filter_map(|code| profile.position(CategoryKind::Component, code)).collect();
        Self { land, hidden }
    }

    /// Of what lies at or below some codes.
    pub fn of_codes(territory: &Territory, codes: &[Code]) -> Self {
        Self { land: Some(Land::of(territory, codes)), hidden: Vec::new() }
    }

    /// Every place, those outside every grid included.
    pub fn is_everywhere(&self) -> bool {
        self.land.is_none()
    }

    /// Every place and every category.
    pub fn is_all(&self) -> bool {
        self.is_everywhere() && self.hidden.is_empty()
    }

    /// A region.
    pub fn region(&self, ix: RegionIx) -> bool {
        self.unit(Unit::Region(ix))
    }

    /// A grid.
    pub fn grid(&self, ix: GridIx) -> bool {
        self.unit(Unit::Grid(ix))
    }

    /// A region or grid.
    pub fn unit(&self, unit: Unit) -> bool {
        self.land.as_ref().is_none_or(|land| land.holds(unit))
    }

    /// What is at a unit or, for none, outside of all.
    pub fn at(&self, unit: Option<Unit>) -> bool {
        unit.map_or_else(|| self.is_everywhere(), |unit| self.unit(unit))
    }

    /// Facilities of a category.
    pub fn category(&self, category: u16) -> bool {
        !self.hidden.contains(&category)
    }

    /// A facility that stands on a leaf of the same territory.
    pub fn facility(&self, row: &Facility, leaf: Option<Unit>) -> bool {
        self.category(row.category) && self.at(leaf)
    }

    /// Whether something is kept that a place alone does not tell.
    pub fn hides(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// The tops of the subtrees that are seen; none: everything is.
    pub fn tops(&self) -> Option<&[Unit]> {
        self.land.as_ref().map(|land| &*land.tops)
    }
}
