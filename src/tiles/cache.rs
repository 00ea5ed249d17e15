//! Built tiles, compressed once: by key, up to a limit of bytes. One build a key at a time, however many wait for it; a waiter
//! that leaves does not stop it, and a panic or a full queue answers all of them.
//!
//! A change takes out exactly the tiles it changed. Tags stay when bodies are dropped for space, so "not modified" needs no work.
//!
//! Whoever makes the next city from the last one calls, in this order and one revision after the other,
//! 1. [`City::after`], which nobody sees yet;
//! 2. [`TileCache::take`], which draws the new borders, finds the tiles that changed and takes them out;
//! 3. [`Published::replace`](crate::city::Published::replace), for one or several revisions together.
//!
//! Of new boundaries the most part of 2 can be done before the commit: `Territory::draw_after` draws what is not drawn yet.
//!
//! Between 2 and 3 and after, readers of older cities still ask and builds from older cities still end. None of that reaches a
//! reader of the new city: a tile is kept, and a build joined, only if no change between the city it is built from and the newest
//! one (or the reader's) hits it. What an older city's reader finds may be newer than his city, never older.

use super::build::{TileRequest, build, tag};
use super::changed::{Changed, Tiles, changed};
use super::layer::{Layer, Layers};
use crate::city::{Change, City};
use crate::compute::{Compute, NotDone};
use crate::domain::id::{Epoch, Revision, TileTag};
use crate::domain::scope::Scope;
use crate::geom::mercator::lattice_box;
use crate::geom::{LatticeBox, TileId};
use crate::territory::Territory;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use xxhash_rust::xxh3::Xxh3;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// A level of libdeflate. 5: the bytes of 6 in less time, 2 % fewer than 4; 9 takes three times as long for nothing;
/// benches/README.md, 2026-11, demo city.
const GZIP_LEVEL: i32 = 5;
/// A level of zstd. 4: over all layers fewer bytes than gzip at any level, in less time than gzip 4; 6 saves another 1 % in 1.7
/// times the time; benches/README.md, 2026-11, demo city.
const ZSTD_LEVEL: i32 = 4;

/// A tile as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Hash of the uncompressed bytes.
    pub tag: TileTag,
    /// In the encoding asked for; empty when there is nothing in the tile, in every encoding.
    pub body: Bytes,
}

/// Which boundaries a tile shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Boundaries {
    /// Those in force.
    InForce,
    /// Those of an epoch asked for by number or date.
    Of(Epoch),
}

/// What makes two requests the same tile: grid set, boundaries, what the scope leaves of the tile, layers, fields, address.
/// Hashed with 128 bits, so that looking up allocates nothing; two of a billion tiles meet with a probability of 10^-21.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    hash: u128,
    tile: TileId,
    layers: Layers,
    boundaries: Boundaries,
    scoped: bool,
}

impl Key {
    /// Of a request to a city.
    pub fn new(territory: &Territory, boundaries: Boundaries, request: &TileRequest) -> Self {
        let mut hash = Xxh3::new();
        hash.update(territory.set.as_str().as_bytes());
        match boundaries {
            Boundaries::InForce => hash.update(b"/now/"),
            Boundaries::Of(Epoch(epoch)) => hash.update(&epoch.to_le_bytes()),
        }
        let (z, x, y) = request.tile.into();
        [u32::from(z), x, y].iter().for_each(|part| hash.update(&part.to_le_bytes()));
        hash.update(&[request.layers.bits()]);
        hash.update(&request.fields.of(request.layers).bits().to_le_bytes());
        if let Scope::Within(codes) = &request.scope {
            // Only what lies near the tile matters, so that officers of different places share what they see alike. A footprint may reach
            // from its grid however far.
            let far = request.layers.holds(Layer::Buildings);
            let around = lattice_box(request.tile, 2 * crate::geom::mercator::BUFFER as u32);
            hash.update(b"within");
            for code in codes.iter().filter(|code| far || box_of(territory, code.as_str()).is_some_and(|bbox| bbox.meets(around)))
            {
                hash.update(code.as_str().as_bytes());
                hash.update(b",");
            }
        }
        if !request.hidden.is_empty() && request.layers.holds(Layer::Facilities) {
            hash.update(b"without");
            for code in request.hidden.iter() {
                hash.update(code.as_bytes());
                hash.update(b",");
            }
        }
        let scoped = request.scope != Scope::All || !request.hidden.is_empty();
        Self { hash: hash.digest128(), tile: request.tile, layers: request.layers, boundaries, scoped }
    }

    /// Whether a change may have changed it.
    fn is_hit_by(&self, changed: &Changed) -> bool {
        self.boundaries == Boundaries::InForce && self.layers.iter().any(|layer| changed.holds(layer, self.tile, self.scoped))
    }
}

fn box_of(territory: &Territory, code: &str) -> Option<LatticeBox> {
    let region = territory.region_ix(code).and_then(|ix| territory.region(ix).bbox);
    region.or_else(|| territory.grid_ix(code).map(|ix| territory.grid(ix).bbox))
}

type Outcome = Result<Tile, NotDone>;

#[derive(Debug, Default)]
struct Entry {
    tag: TileTag,
    /// By [`Encoding`].
    bodies: [Option<Bytes>; 3],
    /// Asked for since the hand passed.
    used: bool,
}

/// A build on its way.
#[derive(Debug, Clone)]
struct Flight {
    /// Of the city it is built from.
    revision: Revision,
    result: watch::Receiver<Option<Outcome>>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// The keys of each tile, so that a change finds them.
    by_tile: HashMap<TileId, Vec<Key>>,
    /// Keys with bodies in the order in which the hand looks at them: used ones get another round, others lose their bodies.
    hand: VecDeque<Key>,
    bytes: usize,
    building: HashMap<(Key, Encoding), Flight>,
    /// How often everything was forgotten.
    generation: u64,
    /// The newest changes, oldest first: what a build that began before them must be compared with.
    changes: VecDeque<(Revision, Arc<Changed>)>,
    /// Builds of cities older than this may have missed a change that is no longer listed.
    forgotten: Revision,
}

/// Changes that are remembered. At fifty writes a second five seconds, which no build takes.
const CHANGES: usize = 256;

/// What is known of a tile beside its bodies, in bytes: key and tag in three tables. A flood of a million addresses took 620 each.
const ENTRY_BYTES: usize = 640;

/// Tiles that are known however small the cache is.
const LEAST_ENTRIES: usize = 8192;

/// The cache. Cloning gives another handle to it.
#[derive(Debug, Clone)]
pub struct TileCache {
    state: Arc<Mutex<State>>,
    most_bytes: usize,
    most_entries: usize,
}

impl TileCache {
    /// Holds up to `most_bytes` of bodies, and a quarter of that of what is known of tiles.
    pub fn new(most_bytes: usize) -> Self {
        // What is known of tiles, tags whose bodies were dropped among it, takes a quarter of that besides.
        let most_entries = (most_bytes / 4 / ENTRY_BYTES).max(LEAST_ENTRIES);
        Self { state: Arc::default(), most_bytes, most_entries }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans a panic: nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tag of a tile that is current, if it is known: what `If-None-Match` is compared with before any work.
    pub fn tag(&self, key: &Key) -> Option<TileTag> {
        self.state().entries.get(key).map(|entry| entry.tag)
    }

    /// The tile if it is there in this encoding.
    pub fn cached(&self, key: &Key, encoding: Encoding) -> Option<Tile> {
        let mut state = self.state();
        let entry = state.entries.get_mut(key)?;
        let body = entry.bodies[encoding as usize].clone()?;
        entry.used = true;
        Some(Tile { tag: entry.tag, body })
    }

    /// Bytes of all bodies held.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// The tile, built on `compute` unless it is there or being built for someone else. `key` is that of the request and the
    /// city's territory.
    pub async fn tile(
        &self,
        compute: &Compute,
        city: &Arc<City>,
        key: Key,
        request: &TileRequest,
        encoding: Encoding,
    ) -> Outcome {
        if let Some(tile) = self.cached(&key, encoding) {
            return Ok(tile);
        }
        let mut result = {
            let mut state = self.state();
            let going = state.building.get(&(key, encoding));
            // Someone who loaded his city just before the last change may have begun one that is too old for us.
            match going.filter(|flight| state.holds_since(&key, flight.revision, city.revision)) {
                Some(flight) => flight.result.clone(),
                None => {
                    let (done, result) = watch::channel(None);
                    let flight = Flight { revision: city.revision, result: result.clone() };
                    state.building.insert((key, encoding), flight);
                    let generation = state.generation;
                    drop(state);
                    // A task of its own: it goes on when this request is given up.
                    tokio::spawn(self.clone().fly(
                        compute.clone(),
                        Arc::clone(city),
                        key,
                        request.clone(),
                        (encoding, generation),
                        done,
                    ));
                    result
                }
            }
        };
        match result.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(NotDone::Panicked)),
            // The task ended without an answer: the runtime is stopping.
            Err(_) => Err(NotDone::Busy),
        }
    }

    async fn fly(
        self,
        compute: Compute,
        city: Arc<City>,
        key: Key,
        request: TileRequest,
        (encoding, generation): (Encoding, u64),
        done: watch::Sender<Option<Outcome>>,
    ) {
        let revision = city.revision;
        let work = move || {
            let raw = build(&city, &request);
            Tile { tag: tag(&raw), body: if raw.is_empty() { Bytes::new() } else { compressed(raw, encoding) } }
        };
        let outcome = compute.run(work).await;
        {
            let mut state = self.state();
            // If a change came between, someone may have begun a build of his own under this key.
            if state.building.get(&(key, encoding)).is_some_and(|flight| flight.result.same_channel(&done.subscribe())) {
                state.building.remove(&(key, encoding));
            }
            if let Ok(tile) = &outcome
                && state.generation == generation
                && state.is_current(&key, revision)
            {
                state.store(key, encoding, tile, self.most_bytes, self.most_entries);
            }
        }
        // Everyone may have left.
        let _ = done.send(Some(outcome));
    }

    /// Finds the tiles that a change changed and takes them out. To be called before `new` is published; the head of this file
    /// says why. It draws the new borders and builds the tiles that may have changed, so it belongs on a thread for heavy work.
    /// What it returns is for those who tell clients.
    pub fn take(&self, old: &City, new: &City, change: &Change) -> Arc<Changed> {
        let changed = Arc::new(changed(old, new, change));
        self.apply(new.revision, Arc::clone(&changed));
        changed
    }

    /// Forgets everything: the city is another one, whose revisions need not follow from those that were. Builds that are under way are
    /// not kept; whoever still has the old city may begin one, so whoever calls this does so again when they are gone.
    pub fn clear(&self) {
        let mut state = self.state();
        let generation = state.generation + 1;
        *state = State { generation, ..State::default() };
    }

    /// Takes out the tiles that `revision` changed.
    fn apply(&self, revision: Revision, changed: Arc<Changed>) {
        if changed.is_empty() {
            return;
        }
        let mut state = self.state();
        let state = &mut *state;
        let some: Option<BTreeSet<TileId>> = changed
            .layers
            .values()
            .chain(changed.scoped.values())
            .map(|tiles| match tiles {
                Tiles::Some(tiles) => Some(tiles.iter().copied()),
                Tiles::All => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(|tiles| tiles.into_iter().flatten().collect());
        let hit: Vec<Key> = match some {
            Some(tiles) => {
                let keys = tiles.iter().filter_map(|tile| state.by_tile.get(tile)).flatten();
                keys.filter(|key| key.is_hit_by(&changed)).copied().collect()
            }
            None => state.entries.keys().filter(|key| key.is_hit_by(&changed)).copied().collect(),
        };
        hit.iter().for_each(|key| state.remove(key));
        // Their waiters asked before the change and are answered; who asks from now on begins anew.
        state.building.retain(|(key, _), _| !key.is_hit_by(&changed));
        state.changes.push_back((revision, changed));
        if state.changes.len() > CHANGES
            && let Some((revision, _)) = state.changes.pop_front()
        {
            state.forgotten = state.forgotten.max(revision);
        }
    }
}

impl State {
    /// Whether a tile built from the city of `revision` is still what a build would make now.
    fn is_current(&self, key: &Key, revision: Revision) -> bool {
        self.holds_since(key, revision, Revision(u64::MAX))
    }

    /// Whether no change after the city of `from` and up to that of `to` hits a tile. (`from` may be the later one.)
    fn holds_since(&self, key: &Key, from: Revision, to: Revision) -> bool {
        let between = self.changes.iter().rev().take_while(|(at, _)| *at > from).filter(|(at, _)| *at <= to);
        key.boundaries != Boundaries::InForce
            || to <= from
            || (from >= self.forgotten && between.into_iter().all(|(_, changed)| !key.is_hit_by(changed)))
    }

    fn store(&mut self, key: Key, encoding: Encoding, tile: &Tile, most_bytes: usize, most_entries: usize) {
        if !self.entries.contains_key(&key) {
            self.by_tile.entry(key.tile).or_default().push(key);
        }
        let entry = self.entries.entry(key).or_default();
        let bodies_before = entry.bodies.iter().any(Option::is_some);
        entry.tag = tile.tag;
        entry.used = true;
        let before = entry.bodies[encoding as usize].replace(tile.body.clone());
        self.bytes = self.bytes + tile.body.len() - before.map_or(0, |body| body.len());
        if !bodies_before {
            self.hand.push_back(key);
        }
        if self.hand.len() > 2 * self.entries.len() + 1024 {
            // Keys that were taken out and came back stand in it several times.
            let mut seen = HashSet::new();
            self.hand.retain(|key| self.entries.contains_key(key) && seen.insert(*key));
        }
        while self.bytes > most_bytes
            && let Some(key) = self.hand.pop_front()
        {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            if std::mem::take(&mut entry.used) {
                self.hand.push_back(key);
            } else {
                self.bytes -= entry.bodies.iter_mut().filter_map(Option::take).map(|body| body.len()).sum::<usize>();
            }
        }
        if self.entries.len() > most_entries {
            // Rare and cheap enough: of what takes no bytes (tags whose bodies were dropped, empty tiles) a good part goes, in no
            // particular order.
            let idle = |entry: &Entry| entry.bodies.iter().flatten().all(Bytes::is_empty);
            let idle: Vec<Key> = self.entries.iter().filter(|(_, entry)| idle(entry)).map(|(key, _)| *key).collect();
            idle.iter().take(most_entries / 2).for_each(|key| self.remove(key));
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bodies.iter().flatten().map(Bytes::len).sum::<usize>();
        }
        if let Some(keys) = self.by_tile.get_mut(&key.tile) {
            keys.retain(|other| other != key);
            if keys.is_empty() {
                self.by_tile.remove(&key.tile);
            }
        }
    }
}

fn compressed(raw: Vec<u8>, encoding: Encoding) -> Bytes {
    match encoding {
        Encoding::Identity => raw.into(),
        Encoding::Gzip => {
            let level = libdeflater::CompressionLvl::new(GZIP_LEVEL).expect("levels go from 0 to 12");
            let mut compressor = libdeflater::Compressor::new(level);
            let mut body = vec![0; compressor.gzip_compress_bound(raw.len())];
            let size = compressor.gzip_compress(&raw, &mut body).expect("the bound is enough for any input");
            body.truncate(size);
            body.shrink_to_fit();
            body.into()
        }
        Encoding::Zstd => zstd::bulk::compress(&raw, ZSTD_LEVEL).expect("memory to memory cannot fail at a known level").into(),
    }
}

#[cfg(test)]
fn decompressed(body: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Identity => body.to_vec(),
        Encoding::Gzip => {
            let mut raw = vec![0; 1 << 22];
            let size = libdeflater::Decompressor::new().gzip_decompress(body, &mut raw).expect("gzip");
            raw.truncate(size);
            raw
        }
        Encoding::Zstd => zstd::bulk::decompress(body, 1 << 22).expect("zstd"),
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
