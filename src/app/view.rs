//! What one request looks at: the city, loaded once, with the boundaries it asked for, as far as its caller may see them.

use super::{Actor, App, AppError};
use crate::city::{Case, City, Facility};
use crate::domain::id::{GridIx, RegionIx, Unit};
use crate::domain::scope::Scope;
use crate::geom::LatticeBox;
use crate::territory::{Grid, Region, Territory};
use std::ops::Range;
use std::sync::Arc;

/// The city of one request.
#[derive(Debug, Clone)]
pub struct View {
    /// Facilities, cases and staff, as they are now.
    pub city: Arc<City>,
    /// The boundaries asked for.
    pub territory: Arc<Territory>,
    permit: Permit,
}

/// Everything at or below a code, as ranges of one territory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// The region itself and those below; empty for a grid.
    regions: Range<u32>,
    /// Grids below, or the one grid.
    grids: Range<u32>,
}

impl From<GridIx> for Within {
    fn from(ix: GridIx) -> Self {
        Self { regions: 0..0, grids: ix.0..ix.0 + 1 }
    }
}

impl Within {
    /// At or below the region or grid with this code.
    pub(super) fn of(territory: &Territory, code: &str) -> Option<Self> {
        let region = territory.region_ix(code).map(|ix| territory.region(ix));
        let region = region.map(|region| Self { regions: region.subtree.clone(), grids: region.grids.clone() });
        region.or_else(|| territory.grid_ix(code).map(Self::from))
    }

    /// Whether a unit is at or below it.
    pub fn holds(&self, unit: Unit) -> bool {
        match unit {
            Unit::Grid(ix) => self.grids.contains(&ix.0),
            Unit::Region(ix) => self.regions.contains(&ix.0),
        }
    }

    /// The box around its land.
    pub fn bbox(&self, territory: &Territory) -> Option<LatticeBox> {
        let grids = self.grids.clone().map(|at| territory.grid(GridIx(at)).bbox);
        let regions = self.regions.clone().filter_map(|at| territory.region(RegionIx(at)).bbox);
        grids.chain(regions).reduce(LatticeBox::union)
    }
}

/// Proof that a scope was checked: the grids and regions a caller may see, as ranges of one territory. `None`: all of them.
#[derive(Debug, Clone)]
struct Permit(Option<Vec<Seen>>);

/// One subtree of a scope.
#[derive(Debug, Clone)]
struct Seen {
    regions: Range<u32>,
    grids: Range<u32>,
}

impl Permit {
    fn of(actor: &Actor, territory: &Territory) -> Self {
        let Scope::Within(codes) = &actor.scope else { return Self(None) };
        let seen = |code: &str| match (territory.region_ix(code), territory.grid_ix(code)) {
            (Some(ix), _) => {
                let region = territory.region(ix);
                Some(Seen { regions: region.subtree.clone(), grids: region.grids.clone() })
            }
            (None, Some(ix)) => Some(Seen { regions: 0..0, grids: ix.0..ix.0 + 1 }),
            (None, None) => None,
        };
        Self(Some(codes.iter().filter_map(|code| seen(code.as_str())).collect()))
    }

    fn region(&self, ix: RegionIx) -> bool {
        self.0.as_ref().is_none_or(|seen| seen.iter().any(|seen| seen.regions.contains(&ix.0)))
    }

    fn grid(&self, ix: GridIx) -> bool {
        self.0.as_ref().is_none_or(|seen| seen.iter().any(|seen| seen.grids.contains(&ix.0)))
    }
}

impl View {
    pub(super) fn new(city: Arc<City>, territory: Arc<Territory>, actor: &Actor) -> Self {
        let permit = Permit::of(actor, &territory);
        Self { city, territory, permit }
    }

    /// The boundaries are not those in force, or of another grid set: facilities and cases must be placed in them anew.
    pub fn is_elsewhere(&self) -> bool {
        !Arc::ptr_eq(&self.city.territory, &self.territory)
    }

    /// The grid with this code, when the caller may see it.
    pub fn grid(&self, code: &str) -> Result<(GridIx, &Grid), AppError> {
        let found = self.territory.grid_ix(code).filter(|ix| self.permit.grid(*ix));
        found.map(|ix| (ix, self.territory.grid(ix))).ok_or_else(|| self.unknown("grid", code))
    }

    /// The region with this code, when the caller may see it.
    pub fn region(&self, code: &str) -> Result<(RegionIx, &Region), AppError> {
        let found = self.territory.region_ix(code).filter(|ix| self.permit.region(*ix));
        found.map(|ix| (ix, self.territory.region(ix))).ok_or_else(|| self.unknown("region", code))
    }

    /// The region or grid with this code, as a place to look in.
    pub fn within(&self, code: &str) -> Result<Within, AppError> {
        match (self.region(code), self.grid(code)) {
            (Ok((_, region)), _) => Ok(Within { regions: region.subtree.clone(), grids: region.grids.clone() }),
            (_, Ok((ix, _))) => Ok(ix.into()),
            _ => Err(self.unknown("region or grid", code)),
        }
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

    /// Whether the caller may see what is at a unit, or, for none, outside of all.
    pub fn sees_at(&self, unit: Option<Unit>) -> bool {
        match unit {
            Some(Unit::Grid(ix)) => self.permit.grid(ix),
            Some(Unit::Region(ix)) => self.permit.region(ix),
            None => self.sees_all(),
        }
    }

    /// The regions a caller may see, depth-first.
    pub fn regions(&self) -> impl Iterator<Item = (RegionIx, &Region)> {
        let all = self.territory.regions.iter().enumerate().map(|(at, region)| (RegionIx(at as u32), region));
        all.filter(|(ix, _)| self.permit.region(*ix))
    }

    /// The grids a caller may see, depth-first.
    pub fn grids(&self) -> impl Iterator<Item = (GridIx, &Grid)> {
        let all = self.territory.grids.iter().enumerate().map(|(at, grid)| (GridIx(at as u32), grid));
        all.filter(|(ix, _)| self.permit.grid(*ix))
    }

    /// Whether the caller may see a grid.
    pub fn sees_grid(&self, ix: GridIx) -> bool {
        self.permit.grid(ix)
    }

    /// Whether the caller may see a region.
    pub fn sees_region(&self, ix: RegionIx) -> bool {
        self.permit.region(ix)
    }

    /// Whether the caller may see everything, places outside every grid included.
    pub fn sees_all(&self) -> bool {
        self.permit.0.is_none()
    }

    /// Whether the caller sees all that a scope opens.
    pub fn sees_scope(&self, scope: &Scope) -> bool {
        let sees = |code: &str| match (self.territory.region_ix(code), self.territory.grid_ix(code)) {
            (Some(ix), _) => self.permit.region(ix),
            (None, Some(ix)) => self.permit.grid(ix),
            (None, None) => self.sees_all(),
        };
        match scope {
            Scope::All => self.sees_all(),
            Scope::Within(codes) => codes.iter().all(|code| sees(code.as_str())),
        }
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
