//! GeoJSON that is looked after: a file that is read again when it changes, an address that is asked every so often. What was good last is
//! kept, with its age and what was wrong since.

use crate::clock::Clock;
use crate::compute::Compute;
use crate::config::layers::Place;
use crate::domain::hash::hash64;
use crate::geom::Crs;
use crate::interchange::thematic::{self, Classes, Features, MOST_BYTES};
use crate::upstream::{Upstream, UpstreamError};
use jiff::Timestamp;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Most characters of what is wrong with it.
const MOST_WHY: usize = 200;
/// How long it takes at most until a source is tried again that could not be read.
const AGAIN: Duration = Duration::from_secs(60);

/// What is known of a layer.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// What was good last; none: it could not be read yet.
    pub features: Option<Arc<Features>>,
    /// Differs with the content, also after a restart; 0: none yet.
    pub version: u64,
    /// When the source last said so, or that nothing changed.
    pub as_of: Option<Timestamp>,
    /// What was wrong the last time; none: nothing.
    pub problem: Option<String>,
}

/// How the source was when it was last read, to see whether it must be read again.
#[derive(Debug, Default)]
struct Seen {
    file: Option<(SystemTime, u64)>,
    etag: Option<String>,
    bytes: Option<bytes::Bytes>,
}

/// A source that is looked after.
#[derive(Debug)]
pub struct Watched {
    id: String,
    place: Place,
    crs: Crs,
    classes: Option<Classes>,
    every: Duration,
    read: Mutex<Read>,
    seen: tokio::sync::Mutex<Seen>,
}

impl Watched {
    pub(super) fn new(id: String, place: Place, crs: Crs, classes: Option<Classes>, every: Duration) -> Self {
        Self { id, place, crs, classes, every, read: Mutex::default(), seen: tokio::sync::Mutex::default() }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// How often it is looked after.
    pub fn every(&self) -> Duration {
        self.every
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    pub fn now(&self) -> Read {
        self.read().clone()
    }

    /// Looks once, and keeps what is good.
    pub(super) async fn look(&self, upstream: &Upstream, compute: &Compute, clock: &Clock) -> Result<(), String> {
        let outcome = match self.fetched(upstream).await {
            Ok(Some(bytes)) => {
                let (crs, classes) = (self.crs, self.classes.clone());
                let work = move || thematic::read(&bytes, crs, classes.as_ref()).map_err(|error| error.to_string());
                compute.run(work).await.map_err(|error| error.to_string()).flatten().map(Some)
            }
            Ok(None) => Ok(None),
            Err(why) => Err(why),
        };
        let outcome = outcome.map_err(|why| format!("{} {}", self.name(), self.plain(&why)));
        let mut read = self.read();
        match &outcome {
            Ok(features) => {
                if let Some(features) = features {
                    // As many bits as a number of JSON keeps.
                    read.version = hash64(&features.body) >> 11;
                    read.features = Some(Arc::new(features.clone()));
                }
                read.as_of = Some(clock.now());
                if read.problem.take().is_some() {
                    tracing::info!(layer = self.id, "a layer is well again");
                }
            }
            Err(why) => {
                if read.problem.as_ref() != Some(why) {
                    tracing::warn!(layer = self.id, why, "a layer could not be read; what was good last is kept");
                }
                read.problem = Some(why.clone());
            }
        }
        outcome.map(|_| ())
    }

    /// What messages call the source: no address, since a key may stand in it.
    fn name(&self) -> String {
        match &self.place {
            Place::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Place::Url(url) => url.host().to_owned(),
        }
    }

    /// What is wrong as all may read it: not longer than a line, and without a key that a server sent back.
    fn plain(&self, why: &str) -> String {
        let short: String = why.chars().take(MOST_WHY).map(|c| if c.is_control() { ' ' } else { c }).collect();
        match &self.place {
            Place::File(_) => short,
            Place::Url(url) => url.censored(&short),
        }
    }

    /// Its bytes; `None`: they are as they were when they were read well.
    async fn fetched(&self, upstream: &Upstream) -> Result<Option<bytes::Bytes>, String> {
        let well = self.read().problem.is_none();
        let mut seen = self.seen.lock().await;
        match &self.place {
            Place::File(path) => {
                let path = path.clone();
                let before = seen.file.filter(|_| well);
                let read = tokio::task::spawn_blocking(move || file(&path, before)).await.map_err(|error| error.to_string())?;
                let (bytes, at) = read.map_err(|error| format!("cannot be read: {error}"))?;
                seen.file = Some(at);
                Ok(bytes)
            }
            Place::Url(url) => {
                let etag = seen.etag.clone().filter(|_| well);
                match upstream.get(&url.address(None), etag.as_deref(), MOST_BYTES, || None).await {
                    Ok(got) => {
                        if got.media_type.starts_with("text/html") {
                            return Err("answered a page instead of GeoJSON".to_owned());
                        }
                        seen.etag = got.etag;
                        let same = well && seen.bytes.as_ref() == Some(&got.body);
                        seen.bytes = Some(got.body.clone());
                        Ok((!same).then_some(got.body))
                    }
                    Err(UpstreamError::Same) if etag.is_some() => Ok(None),
                    Err(error) => Err(error.to_string()),
                }
            }
        }
    }

    /// Looks again and again, as long as somebody has it.
    pub(super) fn keep_looking(self: &Arc<Self>, upstream: Arc<Upstream>, compute: Compute, clock: Clock) {
        let watched = Arc::downgrade(self);
        let every = self.every;
        let mut at_once = !self.is_file();
        tokio::spawn(async move {
            let mut pause = every;
            loop {
                if !std::mem::take(&mut at_once) {
                    tokio::time::sleep(pause).await;
                }
                let Some(watched) = watched.upgrade() else { return };
                // What was wrong is kept with the layer; it may be over soon, however seldom it is looked after.
                let outcome = watched.look(&upstream, &compute, &clock).await;
                pause = if outcome.is_ok() { every } else { every.min(AGAIN) };
            }
        });
    }
}

/// A file's bytes unless it looks as before, and how it looks.
fn file(path: &Path, before: Option<(SystemTime, u64)>) -> std::io::Result<(Option<bytes::Bytes>, (SystemTime, u64))> {
    let about = std::fs::metadata(path)?;
    let at = (about.modified()?, about.len());
    if before == Some(at) {
        return Ok((None, at));
    }
    if about.len() > MOST_BYTES as u64 {
        return Err(std::io::Error::other(format!("is larger than {} MB: make PMTiles of it", MOST_BYTES >> 20)));
    }
    Ok((Some(std::fs::read(path)?.into()), at))
}
