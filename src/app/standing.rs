//! What stands in the grids of a view, or is only said to be in one: lists, one of them, and those of a grid.

use super::view::{View, Within};
use crate::city::standing::{Record, Standing, Standings, unit_of};
use crate::domain::id::{GridIx, Unit};
use crate::geom::LatticeBox;

/// What a list is narrowed to; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these closed boxes, with some of its land when it has any; none: anywhere, or nowhere.
    pub boxes: Vec<LatticeBox>,
    /// Here.
    pub within: Option<Within>,
    /// Its name in another system: system, id.
    pub external: Option<(String, String)>,
}

impl View {
    /// Where in this view's boundaries it belongs.
    pub fn standing_unit<R: Record>(&self, one: &Standing<R>) -> Option<Unit> {
        if self.is_elsewhere() { unit_of(&*one.record, &self.territory) } else { one.unit }
    }

    /// Those of a table that pass, by their keys. Cost: one look at each.
    pub fn standing<'c, R: Record>(&self, all: &'c Standings<R>, filter: &Filter) -> Vec<&'c Standing<R>> {
        let mut found: Vec<&Standing<R>> = all.iter().filter(|one| self.wants(filter, one)).collect();
        found.sort_by_key(|one| R::number(one.record.id()));
        found
    }

    fn wants<R: Record>(&self, filter: &Filter, one: &Standing<R>) -> bool {
        let (record, unit) = (&*one.record, self.standing_unit(one));
        let meets = |bbox: &LatticeBox| match (record.land(), record.at()) {
            (Some(land), _) => land.meets(*bbox),
            (None, at) => at.is_some_and(|at| bbox.holds(at)),
        };
        let called = |(system, id): &(String, String)| record.provenance().external_ids.get(system) == Some(id);
        self.sees_at(unit)
            && (filter.boxes.is_empty() || filter.boxes.iter().any(meets))
            && filter.within.as_ref().is_none_or(|within| unit.is_some_and(|unit| within.holds(unit)))
            && filter.external.as_ref().is_none_or(called)
    }

    /// The one with this key, when the caller may see it.
    pub fn standing_one<'c, R: Record>(&self, all: &'c Standings<R>, id: R::Id) -> Option<&'c Standing<R>> {
        all.get(id).filter(|one| self.sees_at(self.standing_unit(one)))
    }

    /// Those of a grid, by their keys. Cost: those in the grid's box, and those without a place.
    pub fn standing_in<'c, R: Record>(&self, all: &'c Standings<R>, ix: GridIx) -> Vec<&'c Standing<R>> {
        let here = |one: &&Standing<R>| self.standing_unit(one) == Some(Unit::Grid(ix));
        let mut found: Vec<&Standing<R>> = all.in_box(self.territory.grid(ix).bbox).chain(all.unplaced()).filter(here).collect();
        found.sort_by_key(|one| R::number(one.record.id()));
        found
    }
}
