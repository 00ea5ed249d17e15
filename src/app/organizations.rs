//! Organizations: lists, one of them, and those of a grid.

use super::view::{View, Within};
use crate::city::Organization;
use crate::city::standing::unit_of;
use crate::domain::category::{Category, CategoryKind};
use crate::domain::id::{GridIx, OrganizationId, Unit};
use crate::geom::LatticeBox;
use crate::interchange::profile;

/// What a list is narrowed to; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these closed boxes; none: anywhere, or nowhere.
    pub boxes: Vec<LatticeBox>,
    /// Here.
    pub within: Option<Within>,
    /// Of one of these categories; empty: of any.
    pub categories: Vec<String>,
    /// Its name in another system: system, id.
    pub external: Option<(String, String)>,
}

impl View {
    /// Where in this view's boundaries an organization belongs.
    pub fn organization_unit(&self, one: &Organization) -> Option<Unit> {
        if self.is_elsewhere() { unit_of(&*one.record, &self.territory) } else { one.unit }
    }

    /// Those that pass, by their keys. Cost: one look at every organization.
    pub fn organizations(&self, filter: &Filter) -> Vec<&Organization> {
        let mut found: Vec<&Organization> = self.city.organizations.iter().filter(|one| self.wants(filter, one)).collect();
        found.sort_by_key(|one| one.record.id);
        found
    }

    fn wants(&self, filter: &Filter, one: &Organization) -> bool {
        let (record, unit) = (&one.record, self.organization_unit(one));
        let inside = || record.at.is_some_and(|at| filter.boxes.iter().any(|bbox| bbox.holds(at)));
        let called = |(system, id): &(String, String)| record.provenance.external_ids.get(system) == Some(id);
        self.sees_at(unit)
            && (filter.boxes.is_empty() || inside())
            && filter.within.as_ref().is_none_or(|within| unit.is_some_and(|unit| within.holds(unit)))
            && (filter.categories.is_empty() || filter.categories.contains(&record.category))
            && filter.external.as_ref().is_none_or(called)
    }

    /// The one with this key, when the caller may see it.
    pub fn organization(&self, id: OrganizationId) -> Option<&Organization> {
        self.city.organizations.get(id).filter(|one| self.sees_at(self.organization_unit(one)))
    }

    /// Those of a grid, by their keys. Cost: those in the grid's box, and those without a place.
    pub fn organizations_in(&self, ix: GridIx) -> Vec<&Organization> {
        let all = &self.city.organizations;
        let here = |one: &&Organization| self.organization_unit(one) == Some(Unit::Grid(ix));
        let mut found: Vec<&Organization> = all.in_box(self.territory.grid(ix).bbox).chain(all.unplaced()).filter(here).collect();
        found.sort_by_key(|one| one.record.id);
        found
    }

    /// The category of organizations with this code: the city's own, else one that comes with the program.
    pub fn organization_category(&self, code: &str) -> Option<&Category> {
        let own = self.city.about.profile.category(CategoryKind::Organization, code);
        own.or_else(|| profile::organizations().iter().find(|category| category.code == code))
    }

    /// All categories of organizations.
    pub fn organization_categories(&self) -> Vec<&Category> {
        profile::organizations_of(&self.city.about.profile)
    }
}
