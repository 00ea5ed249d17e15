//! The address of a tile in the Web Mercator pyramid. x grows east, y grows south (XYZ, not TMS).

use serde::{Deserialize, Serialize};

/// Zoom ≤ 22, `x`, `y` < 2^zoom: the one meaning of "tile". Ordered by zoom, then x, then y.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u8, u32, u32)", into = "(u8, u32, u32)")]
pub struct TileId {
    z: u8,
    x: u32,
    y: u32,
}

/// The deepest zoom that has an address.
pub const MAX_ZOOM: u8 = 22;

/// No tile has this address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tile {z}/{x}/{y} does not exist: zoom is at most 22, x and y are below 2^zoom")]
pub struct NoSuchTile {
    /// Zoom as given.
    pub z: u8,
    /// Column as given.
    pub x: u32,
    /// Row as given.
    pub y: u32,
}

impl TileId {
    /// Checks the range.
    pub fn new(z: u8, x: u32, y: u32) -> Result<Self, NoSuchTile> {
        if z <= MAX_ZOOM && x < (1 << z) && y < (1 << z) { Ok(Self { z, x, y }) } else { Err(NoSuchTile { z, x, y }) }
    }

    /// Zoom.
    pub fn z(self) -> u8 {
        self.z
    }

    /// Column, from 180° W.
    pub fn x(self) -> u32 {
        self.x
    }

    /// Row, from the north.
    pub fn y(self) -> u32 {
        self.y
    }

    /// The tile one zoom out that holds this one.
    pub fn parent(self) -> Option<Self> {
        (self.z > 0).then(|| Self { z: self.z - 1, x: self.x / 2, y: self.y / 2 })
    }
}

impl TryFrom<(u8, u32, u32)> for TileId {
    type Error = NoSuchTile;
    fn try_from((z, x, y): (u8, u32, u32)) -> Result<Self, NoSuchTile> {
        Self::new(z, x, y)
    }
}

impl From<TileId> for (u8, u32, u32) {
    fn from(t: TileId) -> Self {
        (t.z, t.x, t.y)
    }
}

impl std::fmt::Display for TileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.z, self.x, self.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_inside_the_pyramid_exist() {
        assert!(TileId::new(0, 0, 0).is_ok());
        assert!(TileId::new(22, (1 << 22) - 1, 0).is_ok());
        for (z, x, y) in [(0, 1, 0), (23, 0, 0), (3, 8, 0), (3, 0, 8), (255, 0, 0)] {
            assert!(TileId::new(z, x, y).is_err());
        }
    }
}
