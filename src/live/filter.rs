//! What a viewer wants to hear of.

use crate::geom::mercator::{BUFFER, lattice_box};
use crate::geom::{LatticeBox, TileId};

/// Viewers with the same filter are sent the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Changed tiles are told.
    pub tiles: bool,
    /// The viewer may see a part of the city only.
    pub scoped: bool,
    /// What is told of must meet one box of each of these.
    pub areas: Vec<Vec<LatticeBox>>,
}

impl Default for Filter {
    /// Everything, everywhere.
    fn default() -> Self {
        Self { tiles: true, scoped: false, areas: Vec::new() }
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
