//! TileJSON 3.0.0 (<https://github.com/mapbox/tilejson-spec>) of one or several layers.

use super::layer::{Layer, Layers};
use crate::city::City;
use crate::domain::id::GridIx;
use crate::geom::LatticeBox;
use crate::territory::Territory;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a client needs to know to ask for tiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TileJson {
    tilejson: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<String>,
    scheme: &'static str,
    tiles: Vec<String>,
    minzoom: u8,
    maxzoom: u8,
    /// West, south, east, north in degrees; absent for a city without land.
    #[serde(skip_serializing_if = "Option::is_none")]
    bounds: Option<[f64; 4]>,
    vector_layers: Vec<VectorLayer>,
    /// Which levels the layers of boundaries show at which zooms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    levels: Vec<LevelZooms>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct VectorLayer {
    id: &'static str,
    fields: BTreeMap<&'static str, &'static str>,
    minzoom: u8,
    maxzoom: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct LevelZooms {
    level: String,
    minzoom: u8,
    maxzoom: u8,
}

impl TileJson {
    /// Of some layers; `tiles` is their URL template, absolute. `None` when the city has nothing to draw in any of them.
    pub fn new(city: &City, layers: Layers, tiles: String) -> Option<Self> {
        let territory = &city.territory;
        let (minzoom, maxzoom) = layers.zooms(city)?;
        let vector_layers = layers.iter().filter_map(|layer| {
            let (minzoom, maxzoom) = layer.zooms(city)?;
            let fields = layer.fields().iter().map(|(field, text)| (field.as_str(), *text)).collect();
            Some(VectorLayer { id: layer.as_str(), fields, minzoom, maxzoom })
        });
        let shown = |level: usize| {
            let grids = level == territory.scheme.grid_level();
            layers.holds(Layer::Labels) || layers.holds(if grids { Layer::Grids } else { Layer::Regions })
        };
        let levels = territory.scheme.levels().iter().enumerate().filter(|(at, _)| shown(*at)).filter_map(|(at, level)| {
            let (minzoom, maxzoom) = territory.level_zooms()[at]?;
            Some(LevelZooms { level: level.name.clone(), minzoom, maxzoom })
        });
        Some(Self {
            tilejson: "3.0.0",
            name: format!("{} – {layers}", city.about.title),
            attribution: (!city.about.attribution.is_empty()).then(|| city.about.attribution.join(" · ")),
            scheme: "xyz",
            tiles: vec![tiles],
            minzoom,
            maxzoom,
            bounds: bounds(city),
            vector_layers: vector_layers.collect(),
            levels: levels.collect(),
        })
    }

    /// For callers who see a part of the city: with the box around that.
    #[must_use]
    pub fn within(self, bbox: Option<LatticeBox>) -> Self {
        Self { bounds: bbox.map(degrees), ..self }
    }

    /// With what else is to be drawn on a map: one line, may be empty.
    #[must_use]
    pub fn credited(self, credits: String) -> Self {
        Self { attribution: Some(credits).filter(|text| !text.is_empty()), ..self }
    }
}

/// The box around all land, west, south, east, north in degrees. Facilities outside it (on a quay, on a buoy) do not widen it.
pub fn bounds(city: &City) -> Option<[f64; 4]> {
    let territory = &city.territory;
    let boxes = territory.grids.iter().map(|grid| grid.bbox).chain(territory.regions.iter().filter_map(|region| region.bbox));
    boxes.reduce(LatticeBox::union).map(degrees)
}

/// The box around the land of some grids, as [`bounds`].
pub fn bounds_of(territory: &Territory, wanted: impl Fn(GridIx) -> bool) -> Option<[f64; 4]> {
    let grids = territory.grids.iter().enumerate().filter(|(at, _)| wanted(GridIx(*at as u32)));
    grids.map(|(_, grid)| grid.bbox).reduce(LatticeBox::union).map(degrees)
}

fn degrees(bbox: LatticeBox) -> [f64; 4] {
    let (min, max) = (bbox.min.lonlat(), bbox.max.lonlat());
    [min.lon(), min.lat(), max.lon(), max.lat()]
}
