//! Maps and layers of others: base maps under our map, thematic layers on it. They come from files and servers that the settings name,
//! and none of it becomes part of the city.

mod source;
mod watched;

pub use source::{MapTile, Source};
pub use watched::{Read, Watched};

use super::{Actor, App, AppError};
use crate::clock::Clock;
use crate::compute::Compute;
use crate::config::Config;
use crate::config::layers::{Content, Layer as LayerSettings};
use crate::config::outside::{Basemap as BasemapSettings, Tiles};
use crate::domain::scope::Scope;
use crate::geom::TileId;
use crate::interchange::thematic::Classes;
use crate::upstream::Upstream;
use crate::upstream::disk::Disk;
use crate::upstream::kept::Kept;
use std::sync::Arc;

/// All of it.
pub struct Outside {
    upstream: Arc<Upstream>,
    kept: Kept,
    /// In the order of the settings.
    pub basemaps: Vec<Basemap>,
    /// In the order of the settings.
    pub layers: Vec<Layer>,
}

/// How much was asked of other servers and is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests sent.
    pub asked: u64,
    /// Those of them that had no answer to work with.
    pub failed: u64,
    /// Bytes of tiles in memory.
    pub in_memory: usize,
    /// Bytes of tiles in the folder.
    pub on_disk: u64,
}

/// A map that may lie under ours.
pub struct Basemap {
    /// As the settings tell it.
    pub about: BasemapSettings,
    /// From the lowest up, each with its name.
    pub parts: Vec<(String, Source)>,
}

/// A thematic layer.
pub struct Layer {
    /// As the settings tell it.
    pub about: LayerSettings,
    /// What it is made of.
    pub content: LayerContent,
}

impl Layer {
    /// Whether a caller may see it. Its things stand in no grid, so who sees a part of the city sees all of them or none.
    pub fn is_for(&self, actor: &Actor) -> bool {
        self.about.everyone || actor.scope == Scope::All
    }
}

/// What a layer is made of.
pub enum LayerContent {
    /// Read whole and looked after.
    Features(Arc<Watched>),
    /// Tiles.
    Tiles(Source),
}

impl Outside {
    /// Opens files and starts looking after what changes. A file that does not read is told at once; servers are asked when there is
    /// something to ask for.
    pub async fn open(config: &Config, compute: &Compute, clock: &Clock) -> Result<Self, AppError> {
        let fault = |what: &str, id: &str, why: &dyn std::fmt::Display| AppError::Outside(format!("{what} {id:?}: {why}"));
        let upstream = Upstream::new(config.ca_file.as_deref()).map_err(|error| AppError::Outside(error.to_string()))?;
        let upstream = Arc::new(upstream);
        let sources = |what: &str, id: &str, tiles: &Tiles| Source::open(tiles).map_err(|error| fault(what, id, &error));
        let mut basemaps = Vec::new();
        for about in config.basemaps.clone() {
            let parts = about.parts.iter().map(|(name, tiles)| Ok((name.clone(), sources("[[basemap]]", &about.id, tiles)?)));
            let parts = parts.collect::<Result<_, AppError>>()?;
            basemaps.push(Basemap { about, parts });
        }
        let mut layers = Vec::new();
        for about in config.layers.clone() {
            let content = match &about.content {
                Content::Tiles(tiles) => LayerContent::Tiles(sources("[[layer]]", &about.id, tiles)?),
                Content::Features { place, crs, every } => {
                    let classes = about.classes.as_ref().map(|(field, known)| Classes {
                        field: field.clone(),
                        known: known.iter().map(|class| class.value.clone()).collect(),
                    });
                    let watched = Watched::new(about.id.clone(), place.clone(), *crs, classes, *every);
                    if watched.is_file() {
                        watched.look(&upstream, compute, clock).await.map_err(|why| fault("[[layer]]", &about.id, &why))?;
                    }
                    let watched = Arc::new(watched);
                    watched.keep_looking(Arc::clone(&upstream), compute.clone(), clock.clone());
                    LayerContent::Features(watched)
                }
            };
            layers.push(Layer { about, content });
        }
        let disk = config.map_cache_folder.as_ref().map(|(folder, most)| {
            Disk::open(folder, *most)
                .map_err(|error| AppError::Outside(format!("map_cache_folder {}: {error}", folder.display())))
        });
        let kept = Kept::new(Arc::clone(&upstream), config.map_cache_bytes, disk.transpose()?);
        Ok(Self { upstream, kept, basemaps, layers })
    }

    /// How much was asked of other servers and is held.
    pub fn counts(&self) -> Counts {
        let ((asked, failed), (in_memory, on_disk)) = (self.upstream.counts(), self.kept.bytes());
        Counts { asked, failed, in_memory, on_disk }
    }

    /// Layers that are not as their source has them now, or could not be read yet.
    pub fn stale(&self) -> Vec<&str> {
        let stale = |layer: &&Layer| match &layer.content {
            LayerContent::Features(watched) => watched.now().problem.is_some(),
            LayerContent::Tiles(_) => false,
        };
        self.layers.iter().filter(stale).map(|layer| layer.about.id.as_str()).collect()
    }
}

fn unknown<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> AppError {
    AppError::UnknownName { what, name: name.chars().take(64).collect(), known: known.map(str::to_owned).collect() }
}

impl App {
    /// A base map's part.
    pub fn basemap_part(&self, id: &str, part: &str) -> Result<&Source, AppError> {
        let maps = &self.outside.basemaps;
        let map = maps.iter().find(|map| map.about.id == id);
        let map = map.ok_or_else(|| unknown("base map", id, maps.iter().map(|map| map.about.id.as_str())))?;
        let found = map.parts.iter().find(|(name, _)| name == part);
        let (_, source) =
            found.ok_or_else(|| unknown("part of the base map", part, map.parts.iter().map(|(name, _)| name.as_str())))?;
        Ok(source)
    }

    /// The thematic layers that a caller may see.
    pub fn layers(&self, actor: &Actor) -> impl Iterator<Item = &Layer> {
        self.outside.layers.iter().filter(|layer| layer.is_for(actor))
    }

    /// A thematic layer.
    pub fn layer(&self, actor: &Actor, id: &str) -> Result<&Layer, AppError> {
        let found = self.layers(actor).find(|layer| layer.about.id == id);
        found.ok_or_else(|| unknown("layer", id, self.layers(actor).map(|layer| layer.about.id.as_str())))
    }

    /// A tile of a source; `None`: nothing is there.
    pub async fn outside_tile(&self, source: &Source, tile: TileId) -> Result<Option<MapTile>, AppError> {
        source.tile(&self.outside.kept, tile).await
    }
}
