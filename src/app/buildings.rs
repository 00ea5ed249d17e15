//! Buildings: lists, one of them, those of a grid, and its households.

use super::standing::Filter;
use super::view::View;
use crate::city::{Building, Households};
use crate::domain::id::{BuildingId, GridIx};

impl View {
    /// Those that pass, by their keys. Cost: one look at every building.
    pub fn buildings(&self, filter: &Filter) -> Vec<&Building> {
        self.standing(&self.city.buildings, filter)
    }

    /// The one with this key, when the caller may see it.
    pub fn building(&self, id: BuildingId) -> Option<&Building> {
        self.standing_one(&self.city.buildings, id)
    }

    /// Those of a grid, by their keys.
    pub fn buildings_in(&self, ix: GridIx) -> Vec<&Building> {
        self.standing_in(&self.city.buildings, ix)
    }

    /// Households of a grid of this view, as [`crate::city::City::households`] has them.
    pub fn households(&self, ix: GridIx) -> Households {
        if !self.is_elsewhere() {
            return self.city.households(ix);
        }
        let said = self.buildings_in(ix).into_iter().filter_map(|one| one.record.households).map(u64::from);
        Households { counted: self.territory.grid(ix).households, of_buildings: said.reduce(|sum, more| sum + more) }
    }
}
