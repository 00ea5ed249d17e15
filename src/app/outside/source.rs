//! Tiles of others: pictures of a server, or a PMTiles file.

use crate::app::AppError;
use crate::config::outside::{Remote, Tiles};
use crate::domain::hash::hash64;
use crate::geom::TileId;
use crate::interchange::pmtiles::{BadPmtiles, Pmtiles, TileFormat};
use crate::upstream::kept::{Kept, Wanted};
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most bytes of a picture from a server.
const MOST_PICTURE: usize = 2 << 20;

/// Where tiles come from, ready to be asked.
pub struct Source {
    from: From,
}

enum From {
    Remote(Remote),
    File {
        /// What is said about it: as it was at start.
        about: Arc<Pmtiles>,
        /// What tiles are read from: another one under its name takes its place.
        now: Arc<Mutex<Arc<Pmtiles>>>,
    },
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
            Tiles::File(path) => {
                let about = Arc::new(Pmtiles::open(path)?);
                From::File { now: Arc::new(Mutex::new(Arc::clone(&about))), about }
            }
        };
        Ok(Self { from })
    }

    /// Whether it has vector tiles.
    pub fn is_vector(&self) -> bool {
        matches!(&self.from, From::File { about, .. } if about.format == TileFormat::Mvt)
    }

    /// Names of the layers of vector tiles.
    pub fn vector_layers(&self) -> &[String] {
        match &self.from {
            From::Remote(_) => &[],
            From::File { about, .. } => &about.layers,
        }
    }

    /// First and last zoom.
    pub fn zooms(&self) -> (u8, u8) {
        match &self.from {
            From::Remote(remote) => remote.zooms,
            From::File { about, .. } => about.zooms,
        }
    }

    /// Pixels along an edge of a picture.
    pub fn tile_size(&self) -> u16 {
        match &self.from {
            From::Remote(remote) => remote.tile_size,
            // A file of pictures does not say; 256 is what almost all have.
            From::File { about, .. } if about.format == TileFormat::Mvt => 512,
            From::File { .. } => 256,
        }
    }

    /// West, south, east, north in degrees, where it is known.
    pub fn bounds(&self) -> Option<[f64; 4]> {
        match &self.from {
            From::Remote(_) => None,
            From::File { about, .. } => Some(about.bounds).filter(|[west, south, east, north]| west < east && south < north),
        }
    }

    /// Whose it is, as its file says.
    pub fn attribution(&self) -> &str {
        match &self.from {
            From::Remote(_) => "",
            From::File { about, .. } => &about.attribution,
        }
    }

    /// So long a tile of another server is good; none: it lies on this machine, so that asking again costs little.
    pub fn fresh(&self) -> Option<Duration> {
        match &self.from {
            From::Remote(remote) => Some(remote.fresh),
            From::File { .. } => None,
        }
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
                    fresh: remote.fresh,
                };
                let got = kept.get((hash64(remote.url.without_key().as_bytes()), key), wanted).await;
                let body = got.map_err(|error| AppError::Upstream { host: remote.url.host().to_owned(), error })?;
                Ok(body.and_then(|body| {
                    let media_type = TileFormat::of_picture(&body)?.media_type();
                    Some(MapTile { tag: hash64(&body), body, gzipped: false, media_type })
                }))
            }
            From::File { about, now } => {
                let (now, format) = (Arc::clone(now), about.format);
                let reading = move || of_now(&now, format).tile(tile);
                let read = tokio::task::spawn_blocking(reading).await.map_err(|_| AppError::Panicked)?;
                let stored = read.map_err(|error| AppError::Outside(error.to_string()))?;
                Ok(stored.map(|stored| MapTile {
                    tag: hash64(&stored.bytes),
                    body: stored.bytes.into(),
                    gzipped: stored.gzipped,
                    media_type: format.media_type(),
                }))
            }
        }
    }
}

/// The file that has the name now. One that does not read, or has other tiles than what was told of, is not taken: it may still be on its
/// way, and the one before is open yet.
fn of_now(now: &Mutex<Arc<Pmtiles>>, format: TileFormat) -> Arc<Pmtiles> {
    let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
    if now.is_another_now()
        && let Ok(next) = now.reopened()
        && next.format == format
    {
        *now = Arc::new(next);
    }
    Arc::clone(&now)
}

/// Whether an answer is a picture. Its first bytes decide: servers answer with pages that say "no such key" and status 200.
fn is_picture(media_type: &str, body: &[u8]) -> Result<(), String> {
    let word =
        |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric() || "/+-.".contains(*c)).take(40).collect::<String>();
    match TileFormat::of_picture(body) {
        // Stores of files call everything binary/octet-stream or text/plain; we tell browsers what it is. A page is no picture.
        Some(_) if media_type != "text/html" => Ok(()),
        Some(_) => Err(format!("a picture that it calls {}", word(media_type))),
        None if media_type.is_empty() => Err("something that is no picture".to_owned()),
        None => Err(format!("{} instead of a picture", word(media_type))),
    }
}
