//! City and tile id → bytes: Mapbox vector tiles 2.1 of boundaries, labels, facilities and cases.

pub mod build;
#[cfg(feature = "server")]
pub mod cache;
pub mod changed;
pub mod encode;
mod footprints;
pub mod layer;
pub mod tilejson;

#[cfg(test)]
pub(crate) mod samples;

pub use build::{TileRequest, build, tag};
pub use layer::{Fields, Layer, Layers};
