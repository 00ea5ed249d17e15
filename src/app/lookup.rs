//! Point → grid, with everything that may be asked about the place.

use super::view::View;
use crate::domain::code::Code;
use crate::domain::id::{GridIx, RegionIx, Unit};
use crate::domain::region::VoidKind;
use crate::geom::lattice::side;
use crate::geom::{Area, LatticeBox, LatticePoint, LonLat};
use crate::territory::partition::Owner;
use crate::territory::{Grid, Located};
use std::cmp::Ordering;

/// Who owns a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A grid.
    Grid(GridIx),
    /// A region that has no grids yet.
    Region(RegionIx),
    /// Land that has no grid on purpose.
    Void(VoidKind),
}

/// Where a point is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// As stored.
    pub at: LatticePoint,
    /// Who owns it.
    pub place: Place,
    /// It lies exactly on a border.
    pub on_border: bool,
}

/// A point outside the covered land.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    /// The nearest grid and how far it is in metres.
    pub nearest: Option<(Code, f64)>,
    /// The point with its two numbers exchanged lies inside.
    pub swapped_inside: bool,
}

impl View {
    /// Who owns a place; `None` outside the covered land or the caller's part of it. No allocation.
    pub fn locate(&self, at: LatticePoint) -> Option<Found> {
        let Located::Inside { owner, on_border } = self.territory.locate(at) else { return None };
        let place = match self.territory.partition.owners[owner.at()?] {
            Owner::Grid(ix) => self.sees_grid(ix).then_some(Place::Grid(ix))?,
            Owner::Region(ix) => self.sees_region(ix).then_some(Place::Region(ix))?,
            Owner::Void(at) => Place::Void(self.territory.voids[at as usize].kind),
        };
        Some(Found { at, place, on_border })
    }

    /// The code of a place that is a grid.
    pub fn code_of(&self, place: Place) -> Option<&str> {
        match place {
            Place::Grid(ix) => Some(self.territory.grid(ix).code.as_str()),
            Place::Region(_) | Place::Void(_) => None,
        }
    }

    /// The code of the grid at a place. No allocation.
    pub fn grid_code_at(&self, at: LatticePoint) -> Option<&Code> {
        let ix = self.territory.grid_at(at)?;
        self.sees_grid(ix).then(|| &self.territory.grid(ix).code)
    }

    /// The codes of the grids that own many places, in their order; `None` where [`Self::grid_code_at`] says none.
    pub fn grid_codes_at(&self, places: &[LatticePoint]) -> Vec<Option<&str>> {
        let found = self.territory.locate_many(places);
        let code = |found: &Located| {
            let ix = found.leaf(&self.territory)?.grid()?;
            self.sees_grid(ix).then(|| self.territory.grid_code(ix))
        };
        found.iter().map(code).collect()
    }

    /// Grids that have a point in a closed box, in depth-first order. Exact: what only the boxes share is not listed.
    pub fn grids_meeting(&self, bbox: LatticeBox) -> impl Iterator<Item = &Grid> {
        let mut found: Vec<GridIx> = self.territory.grids_in_box(bbox).filter(|ix| self.sees_grid(*ix)).collect();
        found.retain(|ix| self.grid_meets(*ix, bbox));
        found.sort_unstable();
        found.into_iter().map(|ix| self.territory.grid(ix))
    }

    /// Whether a grid has a point in a closed box. Exact.
    pub fn grid_meets(&self, ix: GridIx, bbox: LatticeBox) -> bool {
        let holds = |at| self.territory.grid_at(at) == Some(ix);
        area_meets(self.territory.grid(ix).bbox, bbox, holds, || self.territory.outline_grid(ix))
    }

    /// Whether a region has a point in a closed box. Exact.
    pub fn region_meets(&self, ix: RegionIx, bbox: LatticeBox) -> bool {
        let region = self.territory.region(ix);
        let Some(around) = region.bbox.filter(|around| around.meets(bbox)) else { return false };
        let holds = |at| match self.territory.leaf_at(at) {
            Some(Unit::Grid(grid)) => region.grids.contains(&grid.0),
            Some(Unit::Region(leaf)) => region.subtree.contains(&leaf.0),
            None => false,
        };
        area_meets(around, bbox, holds, || self.territory.outline_region(ix))
    }

    /// What can be said about a place that nobody owns.
    pub fn outside(&self, told: LonLat) -> Outside {
        let p = LatticePoint::nearest(told);
        let nearest = match self.sees_all() {
            true => self.territory.nearest_grid(p),
            false => self.territory.nearest_of(p, |ix| self.sees_grid(ix)),
        };
        let swapped = LonLat::new(told.lat(), told.lon()).map(LatticePoint::nearest);
        Outside {
            nearest: nearest.map(|(ix, distance_m)| (self.territory.grid(ix).code.clone(), distance_m)),
            swapped_inside: swapped.is_ok_and(|swapped| self.locate(swapped).is_some()),
        }
    }
}

/// Whether an area with the box `around` it has a point in `bbox`. The outline is only made when nothing simpler decides.
fn area_meets(
    around: LatticeBox,
    bbox: LatticeBox,
    holds: impl Fn(LatticePoint) -> bool,
    outline: impl FnOnce() -> Area,
) -> bool {
    let corners = [(bbox.min.x, bbox.min.y), (bbox.max.x, bbox.max.y)];
    (bbox.holds(around.min) && bbox.holds(around.max))
        || corners.into_iter().any(|(x, y)| holds(LatticePoint::new(x, y)))
        || outline()
            .rings()
            .any(|ring| ring.iter().zip(ring.iter().cycle().skip(1)).any(|(a, b)| segment_meets_box(*a, *b, bbox)))
}

/// Whether a closed segment and a closed box share a point. Exact.
fn segment_meets_box(a: LatticePoint, b: LatticePoint, bbox: LatticeBox) -> bool {
    if bbox.holds(a) || bbox.holds(b) {
        return true;
    }
    let around = LatticeBox { min: a, max: a }.with(b);
    if !around.meets(bbox) {
        return false;
    }
    let corners = [(bbox.min.x, bbox.min.y), (bbox.max.x, bbox.min.y), (bbox.max.x, bbox.max.y), (bbox.min.x, bbox.max.y)];
    let sides = corners.map(|(x, y)| side(a, b, LatticePoint::new(x, y)));
    !(sides.iter().all(|side| *side == Ordering::Greater) || sides.iter().all(|side| *side == Ordering::Less))
}
