//! Organizations: lists, one of them, and those of a grid.

use super::standing;
use super::view::View;
use crate::city::Organization;
use crate::domain::category::{Category, CategoryKind};
use crate::domain::id::{GridIx, OrganizationId, Unit};
use crate::interchange::profile;

/// What a list is narrowed to; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Where, and what they are called elsewhere.
    pub standing: standing::Filter,
    /// Of one of these categories; empty: of any.
    pub categories: Vec<String>,
}

impl View {
    /// Where in this view's boundaries an organization belongs.
    pub fn organization_unit(&self, one: &Organization) -> Option<Unit> {
        self.standing_unit(one)
    }

    /// Those that pass, by their keys. Cost: one look at every organization.
    pub fn organizations(&self, filter: &Filter) -> Vec<&Organization> {
        let mut found = self.standing(&self.city.organizations, &filter.standing);
        found.retain(|one| filter.categories.is_empty() || filter.categories.contains(&one.record.category));
        found
    }

    /// The one with this key, when the caller may see it.
    pub fn organization(&self, id: OrganizationId) -> Option<&Organization> {
        self.standing_one(&self.city.organizations, id)
    }

    /// Those of a grid, by their keys.
    pub fn organizations_in(&self, ix: GridIx) -> Vec<&Organization> {
        self.standing_in(&self.city.organizations, ix)
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
