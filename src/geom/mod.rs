//! Plane and sphere. Knows no grid, no case, no HTTP.

pub mod area;
pub mod beidou;
pub mod clip;
pub mod crs;
pub mod disc;
pub mod file_crs;
pub mod gauss;
pub mod helmert;
pub mod hex;
pub mod hilbert;
pub mod inside;
pub mod lattice;
pub mod lonlat;
pub mod measure;
pub mod mercator;
pub mod morton;
pub mod outgoing;
pub mod packed;
pub mod planar;
pub mod route;
pub mod simplify;
pub mod tile_id;
pub mod transverse_mercator;

#[cfg(test)]
pub(crate) mod fuzz;

pub use area::{Area, Polygon, Ring};
pub use crs::Crs;
pub use file_crs::{FileCrs, NamedCrs};
pub use lattice::{LatticeBox, LatticePoint};
pub use lonlat::LonLat;
pub use outgoing::Outgoing;
pub use tile_id::TileId;
