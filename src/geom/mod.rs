//! Plane and sphere. Knows no grid, no case, no HTTP.

pub mod area;
pub mod beidou;
pub mod crs;
pub mod lattice;
pub mod lonlat;
pub mod measure;
pub mod planar;
pub mod tile_id;

pub use area::{Area, Polygon, Ring};
pub use crs::Crs;
pub use lattice::{LatticeBox, LatticePoint};
pub use lonlat::LonLat;
pub use tile_id::TileId;
