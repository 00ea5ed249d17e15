//! What one request looks at: the city, loaded once, with the boundaries it asked for, as far as its caller may see them.

use super::{Actor, App, AppError};
use crate::city::sight::Subtree;
use crate::city::{Case, City, Facility, Sight};
use crate::domain::category::CategoryKind;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{GridIx, RegionIx, Unit};
use crate::domain::private::masked;
use crate::domain::rights::{Right, Rights};
use crate::domain::scope::Scope;
use crate::geom::LatticeBox;
use crate::territory::{Grid, Region, Territory};
use std::borrow::Cow;
use std::sync::Arc;

/// The city of one request.
#[derive(Debug, Clone)]
pub struct View {
    /// Facilities, cases and staff, as they are now.
    pub city: Arc<City>,
    /// The boundaries asked for.
    pub territory: Arc<Territory>,
    sight: Sight,
    rights: Rights,
}

/// Everything at or below a code.
pub type Within = Subtree;

impl View {
    /// A city in some boundaries, as a caller sees it.
    pub fn new(city: Arc<City>, territory: Arc<Territory>, actor: &Actor) -> Self {
        let sight = Sight::of(&territory, &city.about.profile, &actor.scope, &actor.hidden);
        Self { city, territory, sight, rights: actor.rights }
    }

    /// The boundaries are not those in force, or of another grid set: facilities and cases must be placed in them anew.
    pub fn is_elsewhere(&self) -> bool {
        !Arc::ptr_eq(&self.city.territory, &self.territory)
    }

    /// The grid with this code, when the caller may see it.
    pub fn grid(&self, code: &str) -> Result<(GridIx, &Grid), AppError> {
        let found = self.territory.grid_ix(code).filter(|ix| self.sight.grid(*ix));
        found.map(|ix| (ix, self.territory.grid(ix))).ok_or_else(|| self.unknown("grid", code))
    }

    /// The region with this code, when the caller may see it.
    pub fn region(&self, code: &str) -> Result<(RegionIx, &Region), AppError> {
        let found = self.territory.region_ix(code).filter(|ix| self.sight.region(*ix));
        found.map(|ix| (ix, self.territory.region(ix))).ok_or_else(|| self.unknown("region", code))
    }

    /// The region or grid with this code, as a place to look in.
    pub fn within(&self, code: &str) -> Result<Within, AppError> {
        let unit = match (self.region(code), self.grid(code)) {
            (Ok((ix, _)), _) => Unit::Region(ix),
            (_, Ok((ix, _))) => Unit::Grid(ix),
            _ => return Err(self.unknown("region or grid", code)),
        };
        Ok(Within::at(&self.territory, unit))
    }

    /// The leaf of this view's boundaries that a facility stands on.
    pub fn leaf_of(&self, row: &Facility) -> Option<Unit> {
        if self.is_elsewhere() { self.territory.leaf_at(row.at) } else { row.leaf }
    }

    /// Where in this view's boundaries a case is: the leaf it lies on, or the region it is only known to be in.
    pub fn unit_of(&self, case: &Case) -> Option<Unit> {
        match case.record.at {
            Some(at) if self.is_elsewhere() => self.territory.leaf_at(at),
            Some(_) => case.leaf,
            None => self.territory.region_ix(case.record.within.as_ref()?.as_str()).map(Unit::Region),
        }
    }

    /// Whether the caller may see a facility.
    pub fn sees_facility(&self, row: &Facility) -> bool {
        // The leaf last: in boundaries that are not in force it is looked up.
        self.sight.category(row.category) && self.sight.at(self.leaf_of(row))
    }

    /// Whether the caller may see a facility as it is stored, in the boundaries in force.
    pub fn sees_record(&self, record: &FacilityRecord) -> bool {
        let category = self.city.about.profile.position(CategoryKind::Component, &record.category);
        category.is_none_or(|category| self.sight.category(category)) && self.sight.at(self.territory.leaf_at(record.at))
    }

    /// Whether the caller may see a category of facilities.
    pub fn sees_category(&self, category: u16) -> bool {
        self.sight.category(category)
    }

    /// Whether the caller may see what is at a unit, or, for none, outside of all.
    pub fn sees_at(&self, unit: Option<Unit>) -> bool {
        self.sight.at(unit)
    }

    /// The regions a caller may see, depth-first.
    pub fn regions(&self) -> impl Iterator<Item = (RegionIx, &Region)> {
        let all = self.territory.regions.iter().enumerate().map(|(at, region)| (RegionIx(at as u32), region));
        all.filter(|(ix, _)| self.sight.region(*ix))
    }

    /// The grids a caller may see, depth-first.
    pub fn grids(&self) -> impl Iterator<Item = (GridIx, &Grid)> {
        let all = self.territory.grids.iter().enumerate().map(|(at, grid)| (GridIx(at as u32), grid));
        all.filter(|(ix, _)| self.sight.grid(*ix))
    }

    /// Whether the caller may see a grid.
    pub fn sees_grid(&self, ix: GridIx) -> bool {
        self.sight.grid(ix)
    }

    /// Whether the caller may see a region.
    pub fn sees_region(&self, ix: RegionIx) -> bool {
        self.sight.region(ix)
    }

    /// Whether the caller may see everything, places outside every grid included.
    pub fn sees_all(&self) -> bool {
        self.sight.is_everywhere()
    }

    /// Whether the caller sees all that a scope opens.
    pub fn sees_scope(&self, scope: &Scope) -> bool {
        let sees = |code: &str| match (self.territory.region_ix(code), self.territory.grid_ix(code)) {
            (Some(ix), _) => self.sight.region(ix),
            (None, Some(ix)) => self.sight.grid(ix),
            (None, None) => self.sees_all(),
        };
        match scope {
            Scope::All => self.sees_all(),
            Scope::Within(codes) => codes.iter().all(|code| sees(code.as_str())),
        }
    }

    /// Whether the caller may do something.
    pub fn may(&self, right: Right) -> bool {
        self.rights.has(right)
    }

    /// A free text as the caller may see it: without numbers that may be somebody's, unless they may see texts as they were written.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.may(Right::Texts) { Cow::Borrowed(text) } else { masked(text) }
    }

    /// The highest regions that a caller may see, and grids of which they see no region.
    pub fn tops(&self) -> Vec<Unit> {
        let roots = || {
            let regions = self.regions().filter(|(_, region)| region.parent.is_none()).map(|(ix, _)| Unit::Region(ix));
            regions.chain(self.grids().filter(|(_, grid)| grid.parent.is_none()).map(|(ix, _)| Unit::Grid(ix))).collect()
        };
        self.sight.tops().map_or_else(roots, <[Unit]>::to_vec)
    }

    /// The box around the land that the caller sees.
    pub fn bbox(&self) -> Option<LatticeBox> {
        let boxes = self.tops().into_iter().filter_map(|unit| Subtree::at(&self.territory, unit).bbox(&self.territory));
        boxes.reduce(LatticeBox::union)
    }

    /// Whether some facilities are kept from the caller wherever they stand.
    pub fn hides(&self) -> bool {
        self.sight.hides()
    }

    fn unknown(&self, what: &'static str, code: &str) -> AppError {
        AppError::UnknownCode { what, code: code.chars().take(64).collect(), epoch: self.territory.epoch }
    }
}

impl App {
    /// The city as it is now, for a caller. Cheap.
    pub fn view(&self, actor: &Actor) -> View {
        let city = self.published.load();
        let territory = Arc::clone(&city.territory);
        View::new(city, territory, actor)
    }
}
