//! Passes on what happens. The last changes are kept, up to a number of bytes; every viewer stands somewhere in them and reads on
//! at its own pace. One that fell out of them, or comes from elsewhere, is told to load again (`resync`). Nobody waits for a slow
//! viewer and nothing is queued for it: what it missed meanwhile is told together, each tile once.
//!
//! Changes that come close together are gathered: viewers wake at most once in [`Pace::gather`]. Those who stand at the same
//! place with the same filter, which is nearly all of them, share one text.

use super::event::{self, Change};
use super::filter::Filter;
use crate::domain::id::Revision;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// How often, how much, how many.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Viewers are woken at most once in this time.
    pub gather: Duration,
    /// A viewer that hears nothing gets a comment after this time, so that proxies keep its connection.
    pub quiet: Duration,
    /// Bytes of changes that are kept.
    pub most_bytes: usize,
    /// Viewers at one time.
    pub most_viewers: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { gather: Duration::from_millis(50), quiet: Duration::from_secs(15), most_bytes: 4 << 20, most_viewers: 1_000 }
    }
}

/// How far viewers are to read.
#[derive(Debug, Clone, Copy)]
struct Told {
    until: Revision,
    closed: bool,
}

/// A text for all viewers that go from one revision to another with one filter. Made by the first of them.
type Shared = Arc<OnceLock<Bytes>>;

#[derive(Debug)]
struct State {
    /// By revision, without repetition; a revision that changed no tile is not there.
    kept: VecDeque<Arc<Change>>,
    bytes: usize,
    /// What changed up to here is not in `kept`.
    forgotten: Revision,
    /// The newest.
    latest: Revision,
    /// Texts up to the newest revision that was told.
    texts: Vec<((Filter, Revision, Revision), Shared)>,
}

/// Texts shared at one time. A guess: more different filters than this make each their own.
const MOST_TEXTS: usize = 64;

#[derive(Debug)]
struct Inside {
    state: Mutex<State>,
    arrived: Notify,
    told: watch::Sender<Told>,
    viewers: Arc<Semaphore>,
    pace: Pace,
}

/// The hub. Clones share it.
#[derive(Debug, Clone)]
pub struct Hub {
    inside: Arc<Inside>,
}

/// As many viewers as there may be are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} viewers are connected, more are not taken")]
pub struct TooMany(pub usize);

/// Why a viewer wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There is something to read.
    News,
    /// There was nothing for some time.
    Quiet,
}

impl Hub {
    /// Begins with a city of this revision.
    pub fn start(revision: Revision, pace: Pace) -> Self {
        let state = State { kept: VecDeque::new(), bytes: 0, forgotten: revision, latest: revision, texts: Vec::new() };
        let (told, _) = watch::channel(Told { until: revision, closed: false });
        let viewers = Arc::new(Semaphore::new(pace.most_viewers));
        let inside = Arc::new(Inside { state: Mutex::new(state), arrived: Notify::new(), told, viewers, pace });
        tokio::spawn(gather(Arc::clone(&inside)));
        Self { inside }
    }

    /// Readers see `latest` now, which these changes lead to; in their order.
    pub fn push(&self, changes: Vec<Change>, latest: Revision) {
        {
            let mut state = self.inside.state();
            let state = &mut *state;
            for change in changes.into_iter().filter(|change| !change.is_silent()) {
                state.bytes += change.bytes();
                state.kept.push_back(Arc::new(change));
            }
            while state.bytes > self.inside.pace.most_bytes
                && let Some(oldest) = state.kept.pop_front()
            {
                state.bytes -= oldest.bytes();
                state.forgotten = oldest.revision;
            }
            state.latest = latest;
        }
        self.inside.arrived.notify_one();
    }

    /// Forgets all changes: those who stand somewhere in them, or behind `latest`, are told to load again.
    pub fn begin_anew(&self, latest: Revision) {
        {
            let mut state = self.inside.state();
            state.kept.clear();
            state.texts.clear();
            (state.bytes, state.forgotten, state.latest) = (0, latest, latest);
        }
        self.inside.arrived.notify_one();
    }

    /// A new viewer. `since`: the revision it has seen; none: it begins now.
    pub fn watch(&self, since: Option<Revision>) -> Result<Viewer, TooMany> {
        let place = Arc::clone(&self.inside.viewers).try_acquire_owned();
        let place = place.map_err(|_| TooMany(self.inside.pace.most_viewers))?;
        let mut told = self.inside.told.subscribe();
        // Whoever comes from an earlier revision reads at once.
        told.mark_changed();
        let at = since.unwrap_or(told.borrow().until);
        Ok(Viewer { inside: Arc::clone(&self.inside), told, at, said: Instant::now(), _place: place })
    }

    /// Viewers that are connected.
    pub fn viewers(&self) -> usize {
        self.inside.pace.most_viewers - self.inside.viewers.available_permits()
    }

    /// Wakes all viewers: some of them may have to go.
    pub fn recheck(&self) {
        self.inside.told.send_modify(|_| ());
    }

    /// Lets all viewers go.
    pub fn close(&self) {
        self.inside.told.send_modify(|told| told.closed = true);
        self.inside.arrived.notify_one();
    }
}

impl Inside {
    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans a panic: nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the viewers: the first change at once, those that follow it closely together.
async fn gather(inside: Arc<Inside>) {
    loop {
        inside.arrived.notified().await;
        if inside.told.borrow().closed {
            return;
        }
        let latest = inside.state().latest;
        inside.told.send_modify(|told| told.until = latest);
        tokio::time::sleep(inside.pace.gather).await;
    }
}

/// One who watches. Dropping it gives its place to others.
#[derive(Debug)]
pub struct Viewer {
    inside: Arc<Inside>,
    told: watch::Receiver<Told>,
    /// Everything up to here was told.
    at: Revision,
    /// When something was said last.
    said: Instant,
    _place: OwnedSemaphorePermit,
}

impl Viewer {
    /// The revision up to which everything was told.
    pub fn at(&self) -> Revision {
        self.at
    }

    /// Waits for something to happen, or until nothing was said long enough, though something may have happened that the viewer does
    /// not hear of. `None`: it is over.
    pub async fn wait(&mut self) -> Option<Wake> {
        let changed = tokio::time::timeout_at(self.said + self.inside.pace.quiet, self.told.changed()).await;
        if self.told.borrow().closed {
            return None;
        }
        if changed.is_ok() {
            return Some(Wake::News);
        }
        self.said = Instant::now();
        Some(Wake::Quiet)
    }

    /// What to say first: how soon to come back after a broken connection, and from where.
    pub fn greeting(&self) -> Bytes {
        Bytes::from(format!("retry: 2000\n{}", event::quiet(self.at)))
    }

    /// What to say when nothing happened.
    pub fn quiet(&self) -> Bytes {
        Bytes::from(event::quiet(self.at))
    }

    /// Everything since the last time, as far as the filter lets it through; may be empty.
    pub fn read(&mut self, filter: &Filter) -> Bytes {
        let until = self.told.borrow_and_update().until;
        let (changes, shared) = {
            let mut state = self.inside.state();
            if self.at < state.forgotten || self.at > state.latest {
                self.at = state.latest;
                return Bytes::from(event::resync(self.at));
            }
            if self.at >= until {
                return Bytes::new();
            }
            let from = std::mem::replace(&mut self.at, until);
            if !filter.tiles {
                return Bytes::new();
            }
            let first = state.kept.partition_point(|change| change.revision <= from);
            let end = state.kept.partition_point(|change| change.revision <= until);
            let changes: Vec<Arc<Change>> = state.kept.range(first..end).cloned().collect();
            (changes, state.shared(filter, from, until))
        };
        if changes.is_empty() {
            return Bytes::new();
        }
        let text = shared.get_or_init(|| Bytes::from(event::tiles(changes.iter().map(Arc::as_ref), until, filter))).clone();
        if !text.is_empty() {
            self.said = Instant::now();
        }
        text
    }
}

impl State {
    /// The text that others who stand there read too.
    fn shared(&mut self, filter: &Filter, from: Revision, until: Revision) -> Shared {
        let known = self.texts.iter().find(|((other, a, b), _)| (*a, *b) == (from, until) && other == filter);
        if let Some((_, shared)) = known {
            return Arc::clone(shared);
        }
        if self.texts.len() == MOST_TEXTS {
            self.texts.remove(0);
        }
        let shared = Shared::default();
        self.texts.push(((filter.clone(), from, until), Arc::clone(&shared)));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{ChangedTiles, LayerChange};
    use super::*;
    use crate::domain::id::Epoch;
    use crate::geom::{LatticeBox, LatticePoint, LonLat, TileId};

    const PACE: Pace =
        Pace { gather: Duration::from_millis(1), quiet: Duration::from_millis(5), most_bytes: 4000, most_viewers: 3 };

    /// Revision `n` changes tile 14/n/0 of the facilities.
    fn change(n: u64) -> Change {
        let tiles = ChangedTiles::Some([TileId::new(14, n as u32, 0).expect("in range")].into());
        let layers = vec![LayerChange { layer: "facilities", deepest: 16, tiles }];
        Change { revision: Revision(n), epoch: Epoch(1), sets: vec![], scoped: vec![], layers }
    }

    fn push(hub: &Hub, revisions: std::ops::RangeInclusive<u64>) {
        let latest = Revision(*revisions.end());
        hub.push(revisions.map(change).collect(), latest);
    }

    /// Reads until it has everything up to a revision.
    async fn until(viewer: &mut Viewer, filter: &Filter, revision: u64) -> String {
        let mut text = String::new();
        while viewer.at() < Revision(revision) {
            viewer.wait().await.expect("it is not over");
            text.push_str(std::str::from_utf8(&viewer.read(filter)).expect("text"));
        }
        text
    }

    fn told(text: &str) -> Vec<u32> {
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let values = data.map(|data| serde_json::from_str::<serde_json::Value>(data).expect("JSON"));
        let tiles = values.flat_map(|value| value["tiles"].as_array().cloned().unwrap_or_default());
        tiles.map(|tile| tile.as_str().and_then(|tile| tile.split('/').nth(1)?.parse().ok()).expect("an address")).collect()
    }

    #[tokio::test]
    async fn every_viewer_is_told_of_every_tile_wherever_it_begins() {
        let (hub, all) = (Hub::start(Revision(5), PACE), Filter::default());
        let mut first = hub.watch(None).expect("a place");
        assert_eq!(first.at(), Revision(5));
        push(&hub, 6..=6);
        assert_eq!(told(&until(&mut first, &all, 6).await), [6]);
        // Nothing is read while these come in.
        push(&hub, 7..=7);
        push(&hub, 8..=9);
        let mut later = hub.watch(Some(Revision(6))).expect("a place");
        for viewer in [&mut first, &mut later] {
            let text = until(viewer, &all, 9).await;
            assert_eq!(told(&text), [7, 8, 9]);
            assert!(text.contains("id: 9\n"), "{text}");
        }
        let mut up_to_date = hub.watch(Some(Revision(9))).expect("a place");
        assert_eq!(up_to_date.wait().await, Some(Wake::News));
        assert_eq!(up_to_date.read(&all), "");
    }

    #[tokio::test]
    async fn who_stands_at_one_place_reads_one_text() {
        let (hub, all) = (Hub::start(Revision(0), PACE), Filter::default());
        let mut viewers =
            [hub.watch(None).expect("a place"), hub.watch(None).expect("a place"), hub.watch(None).expect("a place")];
        push(&hub, 1..=3);
        let mut texts = Vec::new();
        for viewer in &mut viewers {
            while viewer.at() < Revision(3) {
                viewer.wait().await.expect("it is not over");
                texts.push(viewer.read(&all));
            }
        }
        // Each of them was woken once with nothing to read yet.
        texts.retain(|text| !text.is_empty());
        assert_eq!(texts.len(), 3);
        assert_eq!(told(std::str::from_utf8(&texts[0]).expect("text")), [1, 2, 3]);
        assert!(texts.iter().all(|text| text.as_ptr() == texts[0].as_ptr()), "the same bytes, not only equal ones");
    }

    #[tokio::test]
    async fn who_fell_behind_or_comes_from_elsewhere_loads_again() {
        let (hub, all) = (Hub::start(Revision(5), PACE), Filter::default());
        let mut slow = hub.watch(None).expect("a place");
        push(&hub, 6..=60);
        let mut resumed = hub.watch(Some(Revision(59))).expect("a place");
        let mut ahead = hub.watch(Some(Revision(61))).expect("a place");
        for viewer in [&mut slow, &mut ahead] {
            viewer.wait().await.expect("it is not over");
            assert_eq!(viewer.read(&all), "event: resync\nid: 60\ndata: {\"revision\":60}\n\n");
        }
        assert_eq!(told(&until(&mut resumed, &all, 60).await), [60], "what is still kept is told");
        drop(slow);
        let mut ancient = hub.watch(Some(Revision(1))).expect("a place");
        ancient.wait().await.expect("it is not over");
        assert!(ancient.read(&Filter { tiles: false, ..all }).starts_with(b"event: resync"), "told whatever else is not");
        assert!(hub.inside.state().bytes <= PACE.most_bytes);
    }

    #[tokio::test]
    async fn only_what_meets_every_area_is_told() {
        let hub = Hub::start(Revision(0), PACE);
        let mut viewer = hub.watch(None).expect("a place");
        let tile = |x: u32| crate::geom::mercator::lattice_box(TileId::new(14, x, 0).expect("in range"), 0);
        let middle = |bbox: LatticeBox| {
            let p = LatticePoint::new(i32::midpoint(bbox.min.x, bbox.max.x), i32::midpoint(bbox.min.y, bbox.max.y));
            LatticeBox { min: p, max: p }
        };
        let nowhere = LatticePoint::nearest(LonLat::new(0.0, 0.0).expect("in range"));
        let nowhere = LatticeBox { min: nowhere, max: nowhere };
        let areas = vec![vec![middle(tile(2)), middle(tile(5))], vec![nowhere, middle(tile(5)), middle(tile(7))]];
        push(&hub, 1..=9);
        let filter = Filter { areas, ..Filter::default() };
        assert_eq!(told(&until(&mut viewer, &filter, 9).await), [5]);
    }

    #[tokio::test]
    async fn silence_is_broken_by_a_comment_that_says_how_far_it_goes() {
        let (hub, all) = (Hub::start(Revision(5), PACE), Filter::default());
        let mut viewer = hub.watch(None).expect("a place");
        assert_eq!(viewer.wait().await, Some(Wake::News));
        assert_eq!(viewer.read(&all), "");
        assert_eq!(viewer.wait().await, Some(Wake::Quiet));
        // A revision that changes no tile moves it too.
        hub.push(vec![], Revision(6));
        while viewer.at() < Revision(6) {
            viewer.wait().await.expect("it is not over");
            assert_eq!(viewer.read(&all), "");
        }
        assert_eq!(viewer.quiet(), ":\nid: 6\n\n");
    }

    #[tokio::test]
    async fn places_are_limited_given_back_and_closed() {
        let hub = Hub::start(Revision(5), PACE);
        let mut viewers: Vec<Viewer> = (0..3).map(|_| hub.watch(None).expect("a place")).collect();
        assert_eq!(hub.watch(None).err(), Some(TooMany(3)));
        assert_eq!(hub.viewers(), 3);
        drop(viewers.pop());
        viewers.push(hub.watch(None).expect("the place that was given back"));
        hub.close();
        for viewer in &mut viewers {
            assert_eq!(viewer.wait().await, None);
        }
        assert_eq!(hub.watch(None).err(), Some(TooMany(3)));
    }
}
