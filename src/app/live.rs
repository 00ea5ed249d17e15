//! Telling viewers what changed on the map.

use super::access::{Known, Still};
use super::{Actor, App, AppError};
use crate::city::{Change as CityChange, City, Published};
use crate::domain::code::Code;
use crate::domain::id::{Epoch, GridSet, Revision};
use crate::domain::scope::Scope;
use crate::geom::LatticeBox;
use crate::live::event::{Change, ChangedTiles, LayerChange, ScopedChange, Trace};
use crate::live::filter::{Filter, Part};
use crate::live::hub::{Viewer, Wake};
use crate::territory::Territory;
use crate::tiles::Layer;
use crate::tiles::changed::{self, Changed, Tiles};
use bytes::Bytes;
use std::sync::Arc;

/// What a viewer wants to hear of.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Changed tiles.
    pub tiles: bool,
    /// Only what is near this region or grid.
    pub within: Option<Code>,
    /// Only what is near one of these boxes; empty: anywhere.
    pub boxes: Vec<LatticeBox>,
    /// The revision that was seen last; none: from now on.
    pub since: Option<Revision>,
    /// Who asks, where callers are told apart.
    pub known: Option<Known>,
}

/// What one revision tells viewers of. Tiles of cases are not announced: cases will be.
pub(super) fn change(city: &City, changed: &Changed, sets: Vec<(GridSet, Epoch)>) -> Change {
    let deepest = |layer: &Layer| layer.zooms(city).map_or(0, |(_, deepest)| deepest);
    let layers = changed.layers.iter().filter(|(layer, _)| **layer != Layer::Cases).map(|(layer, tiles)| LayerChange {
        layer: layer.as_str(),
        deepest: deepest(layer),
        tiles: match tiles {
            Tiles::Some(tiles) => ChangedTiles::Some(tiles.clone()),
            Tiles::All => ChangedTiles::All,
        },
    });
    let scoped = changed.scoped.keys().filter(|layer| **layer != Layer::Cases).map(|layer| ScopedChange {
        layer: layer.as_str(),
        deepest: deepest(layer),
        traces: changed.traces.get(layer).map(|traces| {
            let told = |trace: &changed::Trace| Trace {
                path: Arc::clone(&trace.path),
                category: trace.category.clone(),
                tiles: trace.tiles.clone(),
            };
            traces.iter().map(told).collect()
        }),
    });
    Change { revision: city.revision, epoch: city.epoch(), sets, layers: layers.collect(), scoped: scoped.collect() }
}

/// The grid set beside the hierarchy's that a change publishes, and as which epoch.
pub(super) fn set_of(change: &CityChange) -> Option<(GridSet, Epoch)> {
    match change {
        CityChange::Boundaries(territory) if !territory.set.is_governance() => Some((territory.set.clone(), territory.epoch)),
        _ => None,
    }
}

/// A viewer that is connected.
#[derive(Debug)]
pub struct Watching {
    published: Arc<Published>,
    within: Option<Code>,
    boxes: Vec<LatticeBox>,
    viewer: Viewer,
    filter: Filter,
    /// The boundaries in which the filter's boxes were found.
    epoch: Epoch,
    greeted: bool,
    /// Who it is for, where callers are told apart.
    known: Option<Still>,
}

/// The box around what a code names, where it names something.
fn box_of(territory: &Territory, code: &Code) -> Option<LatticeBox> {
    let region = territory.region_ix(code.as_str()).and_then(|ix| territory.region(ix).bbox);
    region.or_else(|| territory.grid_ix(code.as_str()).map(|ix| territory.grid(ix).bbox))
}

impl Watching {
    /// The next piece of the stream. `None`: it ends.
    pub async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(self.viewer.greeting());
        }
        loop {
            let wake = self.viewer.wait().await?;
            if self.known.as_ref().is_some_and(|one| !one.is_known()) {
                return None;
            }
            match wake {
                Wake::Quiet => return Some(self.viewer.quiet()),
                Wake::News => {
                    self.follow_boundaries();
                    let text = self.viewer.read(&self.filter);
                    if !text.is_empty() {
                        return Some(text);
                    }
                }
            }
        }
    }

    /// What is near a region is not the same after its border moved: what is told of that, and from then on, is near either of them.
    fn follow_boundaries(&mut self) {
        let territory = Arc::clone(&self.published.load().territory);
        if territory.epoch == self.epoch {
            return;
        }
        self.epoch = territory.epoch;
        for (known, now) in self.filter.areas.iter_mut().zip(areas(&territory, self.within.as_ref(), &self.boxes)) {
            known.extend(now.into_iter().filter(|bbox| !known.contains(bbox)).collect::<Vec<_>>());
        }
    }
}

/// The places that a viewer hears of: one box of each list must be met.
fn areas(territory: &Territory, within: Option<&Code>, boxes: &[LatticeBox]) -> Vec<Vec<LatticeBox>> {
    let mut areas = Vec::new();
    areas.extend(within.map(|code| box_of(territory, code).into_iter().collect()));
    if !boxes.is_empty() {
        areas.push(boxes.to_vec());
    }
    areas
}

impl App {
    /// Connects a viewer. It hears of what the caller may see.
    pub fn watch(&self, actor: &Actor, asked: Asked) -> Result<Watching, AppError> {
        let view = self.view(actor);
        if let Some(code) = &asked.within {
            view.within(code.as_str())?;
        }
        let viewer = self.live.watch(asked.since).map_err(|_| AppError::Busy)?;
        let areas = areas(&view.territory, asked.within.as_ref(), &asked.boxes);
        let everything = actor.scope == Scope::All && actor.hidden.is_empty();
        let part = (!everything).then(|| Part { scope: actor.scope.clone(), hidden: actor.hidden.clone() });
        Ok(Watching {
            published: Arc::clone(&self.published),
            within: asked.within,
            boxes: asked.boxes,
            viewer,
            filter: Filter { tiles: asked.tiles, part, areas },
            epoch: view.territory.epoch,
            greeted: false,
            known: self.still(asked.known),
        })
    }

    /// Lets all viewers go: the server stops.
    pub fn end_streams(&self) {
        self.live.close();
    }
}
