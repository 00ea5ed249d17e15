//! Tiles of the city as a caller may see it.

use super::view::View;
use super::{Actor, App, AppError};
use crate::city::City;
use crate::domain::id::TileTag;
use crate::geom::TileId;
use crate::tiles::cache::{Boundaries, Encoding, Key, Tile};
use crate::tiles::{Fields, Layers, TileRequest};
use std::sync::Arc;

/// A tile that was asked for, and the city it is to be drawn from.
#[derive(Debug)]
pub struct AskedTile {
    city: Arc<City>,
    key: Key,
    request: TileRequest,
}

impl App {
    /// Names a tile. Cheap: nothing is drawn.
    pub fn ask_tile(&self, actor: &Actor, view: &View, tile: TileId, layers: Layers, fields: Fields) -> AskedTile {
        let request = TileRequest { tile, layers, fields, scope: actor.scope.clone(), hidden: actor.hidden.clone() };
        let (city, boundaries) = if view.is_elsewhere() {
            let city = City { territory: Arc::clone(&view.territory), ..City::clone(&view.city) };
            (Arc::new(city), Boundaries::Of(view.territory.epoch))
        } else {
            (Arc::clone(&view.city), Boundaries::InForce)
        };
        let key = Key::new(&city.territory, boundaries, &request);
        AskedTile { city, key, request }
    }

    /// The tag of a tile, when it is known without drawing it.
    pub fn tile_tag(&self, asked: &AskedTile) -> Option<TileTag> {
        self.tiles.tag(&asked.key)
    }

    /// Draws the borders of every zoom before anyone asks, one after the other: the first tile of a zoom would wait for all of them.
    pub async fn draw_ahead(&self) {
        let city = self.published.load();
        for territory in std::iter::once(&city.territory).chain(city.others.values()) {
            let zooms = territory.level_zooms().iter().flatten().copied();
            let Some((first, last)) = zooms.reduce(|(first, last), (from, to)| (first.min(from), last.max(to))) else { continue };
            for zoom in first..=last {
                let territory = Arc::clone(territory);
                let drawn = self.compute.run(move || {
                    territory.drawn(zoom);
                });
                if drawn.await.is_err() {
                    // People are waiting for other things; this was only ahead of time.
                    return;
                }
            }
        }
    }

    /// The tile: from the cache, or drawn once for all who ask for it meanwhile.
    pub async fn tile(&self, asked: &AskedTile, encoding: Encoding) -> Result<Tile, AppError> {
        let AskedTile { city, key, request } = asked;
        Ok(self.tiles.tile(&self.compute, city, *key, request, encoding).await?)
    }
}
