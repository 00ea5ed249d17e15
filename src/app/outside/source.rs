//! Tiles of others: pictures of a server, or a PMTiles file.

use crate::app::AppError;
use crate::config::outside::{Remote, Tiles};
use crate::domain::hash::hash64;
use crate::geom::TileId;
use crate::interchange::pmtiles::{BadPmtiles, Pmtiles, TileFormat};
use crate::upstream::kept::{Kept, Wanted};
use bytes::Bytes;
use std::sync::Arc;

/// Most bytes of a picture from a server.
const MOST_PICTURE: usize = 2 << 20;

/// Where tiles come from, ready to be asked.
pub struct Source {
    from: From,
}

enum From {
    Remote(Remote),
    File(Arc<Pmtiles>),
}

/// A tile as it goes out.
#[derive(Debug, Clone)]
pub struct MapTile {
    /// Its bytes.
    pub body: Bytes,
    /// They are gzipped.
    pub gzipped: bool,
    /// What it is.
    pub media_type: &'static str,
    /// Hash of its bytes.
    pub tag: u64,
}

impl Source {
    pub(super) fn open(tiles: &Tiles) -> Result<Self, BadPmtiles> {
        let from = match tiles {
            Tiles::Remote(remote) => From::Remote(remote.clone()),
            Tiles::File(path) => From::File(Arc::new(Pmtiles::open(path)?)),
        };
        Ok(Self { from })
    }

    /// Whether it has vector tiles.
    pub fn is_vector(&self) -> bool {
        matches!(&self.from, From::File(file) if file.format == TileFormat::Mvt)
    }

    /// Names of the layers of vector tiles.
    pub fn vector_layers(&self) -> &[String] {
        match &self.from {
            From::Remote(_) => &[],
            From::File(file) => &file.layers,
        }
    }

    /// First and last zoom.
    pub fn zooms(&self) -> (u8, u8) {
        match &self.from {
            From::Remote(remote) => remote.zooms,
            From::File(file) => file.zooms,
        }
    }

    /// Pixels along an edge of a picture.
    pub fn tile_size(&self) -> u16 {
        match &self.from {
            From::Remote(remote) => remote.tile_size,
            // A file of pictures does not say; 256 is what almost all have.
            From::File(file) if file.format == TileFormat::Mvt => 512,
            From::File(_) => 256,
        }
    }

    /// West, south, east, north in degrees, where it is known.
    pub fn bounds(&self) -> Option<[f64; 4]> {
        match &self.from {
            From::Remote(_) => None,
            From::File(file) => Some(file.bounds).filter(|[west, south, east, north]| west < east && south < north),
        }
    }

    /// Whose it is, as its file says.
    pub fn attribution(&self) -> &str {
        match &self.from {
            From::Remote(_) => "",
            From::File(file) => &file.attribution,
        }
    }

    /// Whether it lies on this machine, so that asking again costs little.
    pub fn is_near(&self) -> bool {
        matches!(self.from, From::File(_))
    }

    pub(super) async fn tile(&self, kept: &Kept, tile: TileId) -> Result<Option<MapTile>, AppError> {
        match &self.from {
            From::Remote(remote) => {
                // Zoom, column and row fit side by side: a tile's name is its number.
                let key = u64::from(tile.z()) << 56 | u64::from(tile.x()) << 28 | u64::from(tile.y());
                let wanted = || Wanted {
                    host: remote.url.host().to_owned(),
                    address: remote.url.address(Some(tile.into())),
                    fits: is_picture,
                    limit: MOST_PICTURE,
                };
                let got = kept.get((hash64(remote.url.without_key().as_bytes()), key), wanted).await;
                let body = got.map_err(|error| AppError::Upstream { host: remote.url.host().to_owned(), error })?;
                Ok(body.and_then(|body| {
                    let media_type = TileFormat::of_picture(&body)?.media_type();
                    Some(MapTile { tag: hash64(&body), body, gzipped: false, media_type })
                }))
            }
            From::File(file) => {
                let reading = Arc::clone(file);
                let read = tokio::task::spawn_blocking(move || reading.tile(tile)).await.map_err(|_| AppError::Panicked)?;
                let stored = read.map_err(|error| AppError::Outside(error.to_string()))?;
                Ok(stored.map(|stored| MapTile {
                    tag: hash64(&stored.bytes),
                    body: stored.bytes.into(),
                    gzipped: stored.gzipped,
                    media_type: file.format.media_type(),
                }))
            }
        }
    }
}

/// Whether an answer is a picture. Its first bytes decide: servers answer with pages that say "no such key" and status 200.
fn is_picture(media_type: &str, body: &[u8]) -> Result<(), String> {
    let word =
        |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric() || "/+-.".contains(*c)).take(40).collect::<String>();
    match TileFormat::of_picture(body) {
        Some(_) if media_type.starts_with("image/") || media_type.is_empty() || media_type == "application/octet-stream" => {
            Ok(())
        }
        Some(_) => Err(format!("a picture that it calls {}", word(media_type))),
        None if media_type.is_empty() => Err("something that is no picture".to_owned()),
        None => Err(format!("{} instead of a picture", word(media_type))),
    }
}
