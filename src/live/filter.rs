//! What a viewer wants to hear of.

use super::event::Trace;
use crate::domain::scope::{Hidden, Scope};
use crate::geom::mercator::{BUFFER, lattice_box};
use crate::geom::{LatticeBox, TileId};

/// Viewers with the same filter are sent the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Changed tiles are told.
    pub tiles: bool,
    /// What the viewer may see; none: everything.
    pub part: Option<Part>,
    /// What is told of must meet one box of each of these.
    pub areas: Vec<Vec<LatticeBox>>,
}

/// What somebody may see who may not see everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Part {
    /// Of the land.
    pub scope: Scope,
    /// Of the facilities not.
    pub hidden: Hidden,
}

impl Part {
    /// Whether a change happened where and to what they see.
    pub(super) fn sees(&self, trace: &Trace) -> bool {
        let on_land = match &self.scope {
            Scope::All => true,
            Scope::Within(codes) => trace.path.iter().any(|code| codes.binary_search(code).is_ok()),
        };
        on_land && !trace.category.as_ref().is_some_and(|category| self.hidden.holds(category))
    }
}

impl Default for Filter {
    /// Everything, everywhere.
    fn default() -> Self {
        Self { tiles: true, part: None, areas: Vec::new() }
    }
}

impl Filter {
    /// Whether a tile, with what it draws beyond its edge, meets the areas.
    pub(super) fn holds(&self, tile: TileId) -> bool {
        if self.areas.is_empty() {
            return true;
        }
        let around = lattice_box(tile, BUFFER as u32);
        self.areas.iter().all(|boxes| boxes.iter().any(|bbox| bbox.meets(around)))
    }
}
