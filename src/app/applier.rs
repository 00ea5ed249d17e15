//! The one task that changes the city in memory. Committed revisions go in, in whatever order their commits come back; they are
//! applied in the order of their numbers, and whoever handed one in is answered when readers see it. The tiles that a revision changed
//! leave the cache before its city is published: nobody who reads the new city finds an old tile. Viewers are told of them after that.
//!
//! A commit is handed in as the exact rows it changed, or as a number alone: then the city is loaded from the store off to the side,
//! compared with the one in memory, and exactly what differs is changed, in one step, up to the revision that was loaded; a store that keeps
//! who wrote what reads only the rows that were written since. The same mends a number that nobody hands in: whoever should have broke off
//! after its commit, or another process committed it.

use super::reload::{self, Source};
use crate::city::{About, Change, City, Published};
use crate::domain::id::Revision;
use crate::domain::scope::Scope;
use crate::live::hub::Hub;
use crate::store::{Past, StoreError, Update};
use crate::tiles::cache::TileCache;
use crate::tiles::changed::Changed;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// What a commit changed.
#[derive(Debug)]
enum What {
    /// This; where a profile is named, only while the city has that one.
    Exactly(Change, Option<Arc<About>>),
    /// Only the store knows.
    Unknown,
    /// The store fell back to an older state, or to another one: everything is to be loaded.
    Anew,
}

/// A revision that the store has committed.
#[derive(Debug)]
struct Committed {
    revision: Revision,
    what: What,
    applied: oneshot::Sender<()>,
}

/// Hands committed revisions to the applying task. Cloning gives another handle to the same task.
#[derive(Debug, Clone)]
pub struct Applier {
    queue: mpsc::Sender<Committed>,
    /// What readers see.
    seen: watch::Receiver<Revision>,
}

/// The applying task has ended: the program is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping")]
pub struct Stopping;

/// Revisions that may wait for the task; more make their writers wait.
const QUEUE: usize = 256;

/// How long a number may be missing while later ones wait. Between a commit and its handing in there are microseconds, for an import
/// some milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same where other processes commit too: only this server's own writers are waited for.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_millis(20);

/// How long the store may take to tell what changed, or everything: a machine that vanished says nothing for ever.
const LONGEST_UPDATE: Duration = Duration::from_secs(180);

/// How often a store may lack what it committed before that is believed.
const SHORT: u32 = 3;

/// How long after a store that did not answer it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

impl Applier {
    /// Starts the task over `published`, of which `tiles` holds tiles and `live` tells, and `source` is where it comes from. It ends when
    /// the last handle is dropped.
    pub fn start(published: Arc<Published>, tiles: TileCache, live: Hub, source: Source, past: Past) -> Self {
        let (queue, arriving) = mpsc::channel(QUEUE);
        let (seeing, seen) = watch::channel(published.load().revision);
        let memory = Memory { published, tiles, live, within: source.within.clone() };
        let task = Task { memory, source, past, seeing, waiting: BTreeMap::new(), missing: None };
        tokio::spawn(task.run(arriving));
        Self { queue, seen }
    }

    /// Waits until readers see `revision`; `false` when they do not in time.
    pub async fn reached(&self, revision: Revision, patience: Duration) -> bool {
        let mut seen = self.seen.clone();
        let reached = seen.wait_for(|seen| *seen >= revision);
        tokio::time::timeout(patience, reached).await.is_ok_and(|found| found.is_ok())
    }

    /// An error when the task has ended: what would be committed now, no reader would see before the program starts anew.
    pub fn alive(&self) -> Result<(), Stopping> {
        if self.queue.is_closed() { Err(Stopping) } else { Ok(()) }
    }

    /// Returns when readers see `revision`, which changed exactly this. A number that nobody hands in holds up all that follow, until the
    /// city is loaded anew.
    pub async fn apply(&self, revision: Revision, change: Change) -> Result<(), Stopping> {
        self.hand_in(revision, What::Exactly(change, None)).await
    }

    /// The same of a change whose rows name categories by their positions in the profile of `about`.
    pub(super) async fn apply_as(&self, revision: Revision, change: Change, about: Arc<About>) -> Result<(), Stopping> {
        self.hand_in(revision, What::Exactly(change, Some(about))).await
    }

    /// Returns when readers see `revision`, or a later one, loaded from the store. It may be one that somebody else hands in too.
    pub async fn reload(&self, revision: Revision) -> Result<(), Stopping> {
        self.hand_in(revision, What::Unknown).await
    }

    /// Returns when readers see what the store has now, which has another past than the city in memory.
    pub(super) async fn load_anew(&self, revision: Revision) -> Result<(), Stopping> {
        self.hand_in(revision, What::Anew).await
    }

    async fn hand_in(&self, revision: Revision, what: What) -> Result<(), Stopping> {
        let (applied, done) = oneshot::channel();
        self.queue.send(Committed { revision, what, applied }).await.map_err(|_| Stopping)?;
        done.await.map_err(|_| Stopping)
    }
}

/// What the task changes, and whom it tells.
#[derive(Clone)]
struct Memory {
    published: Arc<Published>,
    tiles: TileCache,
    live: Hub,
    within: Scope,
}

/// A revision whose turn has not come.
struct Waiting {
    what: What,
    writers: Vec<oneshot::Sender<()>>,
}

struct Task {
    memory: Memory,
    source: Source,
    /// Which history the city in memory belongs to.
    past: Past,
    seeing: watch::Sender<Revision>,
    waiting: BTreeMap<Revision, Waiting>,
    /// The number that holds up others, and until when it is waited for.
    missing: Option<(Revision, Instant)>,
}

/// The city could not be changed; the log says why. What follows could not be applied to a city that lacks this revision; `/readyz`
/// says so.
struct Broken;

impl Task {
    async fn run(mut self, mut arriving: mpsc::Receiver<Committed>) {
        let mut batch = Vec::new();
        loop {
            let arrived = arriving.recv_many(&mut batch, QUEUE);
            let done = match self.missing {
                None => match arrived.await {
                    0 => return,
                    _ => Ok(()),
                },
                Some((missing, until)) => match tokio::time::timeout_at(until, arrived).await {
                    Ok(0) => return,
                    Ok(_) => Ok(()),
                    Err(_) => {
                        if !self.source.store.is_shared() {
                            tracing::warn!(
                                revision = missing.0,
                                "nobody handed in a revision: the city is loaded from the store"
                            );
                        }
                        self.reload(missing, false).await
                    }
                },
            };
            let mut anew = Vec::new();
            for committed in batch.drain(..) {
                match committed.what {
                    What::Anew => anew.push(committed.applied),
                    _ => self.take_in(committed),
                }
            }
            let done = match done {
                Ok(()) if !anew.is_empty() => self.load_anew(anew).await,
                Ok(()) => self.apply_all().await,
                broken => broken,
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn latest(&self) -> Revision {
        self.memory.published.load().revision
    }

    fn take_in(&mut self, committed: Committed) {
        let Committed { revision, what, applied } = committed;
        if revision <= self.latest() {
            // It came with one that was loaded.
            let _ = applied.send(());
            return;
        }
        let waiting = self.waiting.entry(revision).or_insert(Waiting { what: What::Unknown, writers: Vec::new() });
        if let What::Exactly(..) = what {
            waiting.what = what;
        }
        waiting.writers.push(applied);
    }

    /// Everything whose turn it is.
    async fn apply_all(&mut self) -> Result<(), Broken> {
        loop {
            let mut next = self.latest();
            let mut in_order = Vec::new();
            let profile = &self.memory.published.load().about.profile;
            loop {
                next.0 += 1;
                match self.waiting.remove(&next) {
                    Some(Waiting { what: What::Exactly(change, about), writers })
                        if about.as_ref().is_none_or(|about| about.profile == *profile) =>
                    {
                        let settings = matches!(change, Change::About(_));
                        in_order.push((next, change, writers));
                        if settings {
                            break;
                        }
                    }
                    // Made with another profile.
                    Some(Waiting { what: What::Exactly(..), writers }) => {
                        self.waiting.insert(next, Waiting { what: What::Unknown, writers });
                        break;
                    }
                    Some(unknown) => {
                        self.waiting.insert(next, unknown);
                        break;
                    }
                    None => break,
                }
            }
            if in_order.is_empty() {
                if !self.waiting.contains_key(&next) {
                    self.notice(next);
                    return Ok(());
                }
                self.reload(next, false).await?;
                continue;
            }
            let memory = self.memory.clone();
            // A thread for work that blocks and not the compute pool, which may say "busy": what is committed is never refused.
            let writers = tokio::task::spawn_blocking(move || memory.apply(in_order)).await.map_err(|_| Broken)?;
            self.seen(writers);
        }
    }

    /// Notes whether a number is missing while others wait for it.
    fn notice(&mut self, next: Revision) {
        self.missing = match self.missing {
            _ if self.waiting.is_empty() => None,
            Some((known, until)) if known == next => Some((known, until)),
            _ if self.source.store.is_shared() => Some((next, Instant::now() + PATIENCE_WITH_OTHERS)),
            _ => Some((next, Instant::now() + PATIENCE)),
        };
    }

    /// Everything is loaded, whatever was committed to the past that is gone: whoever waits for that is not told that it is there.
    async fn load_anew(&mut self, told: Vec<oneshot::Sender<()>>) -> Result<(), Broken> {
        self.waiting.clear();
        self.reload(Revision(0), true).await?;
        self.seen(told);
        Ok(())
    }

    /// Loads what changed from the store, where it has `at_least` this revision, or another past; everything, if `anew`.
    async fn reload(&mut self, at_least: Revision, anew: bool) -> Result<(), Broken> {
        self.missing = None;
        let after = if anew { Revision(u64::MAX) } else { self.latest() };
        let mut short = 0;
        let update = loop {
            let asked = tokio::time::timeout(LONGEST_UPDATE, self.source.update(after, self.past)).await;
            let silent = || StoreError::Away { doing: "loading the city".to_owned(), why: "the store says nothing".to_owned() };
            match asked.unwrap_or_else(|_| Err(silent())) {
                Ok(update) if update.revision >= at_least || update.past != self.past => break update,
                Ok(update) => {
                    tracing::error!(
                        wanted = at_least.0,
                        found = update.revision.0,
                        "the store lacks a revision that it committed"
                    );
                    short += 1;
                    // It was taken back to an older state, and does not come back.
                    if short >= SHORT && self.source.store.is_shared() {
                        break update;
                    }
                }
                Err(error) => tracing::error!(%error, "the city could not be loaded from the store"),
            }
            tokio::time::sleep(PAUSE).await;
        };
        let (revision, memory) = (update.revision, self.memory.clone());
        let back = anew || short >= SHORT || update.past != self.past;
        let update = if back && !update.is_whole() {
            // What is the same by its number need not be the same.
            return Box::pin(self.reload(Revision(0), true)).await;
        } else {
            update
        };
        self.past = update.past;
        let loaded = tokio::task::spawn_blocking(move || memory.follow(update, back)).await;
        match loaded {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the city in the store cannot be used");
                return Err(Broken);
            }
            // A panic has been logged.
            Err(_) => return Err(Broken),
        }
        if back {
            // Whoever waits was told by the store that is gone: not that it is there.
            self.waiting.clear();
        }
        let later = self.waiting.split_off(&Revision(revision.0 + 1));
        let told = std::mem::replace(&mut self.waiting, later);
        self.seen(told.into_values().flat_map(|waiting| waiting.writers).collect());
        Ok(())
    }

    fn seen(&self, writers: Vec<oneshot::Sender<()>>) {
        self.seeing.send_replace(self.latest());
        for applied in writers {
            // A writer that hung up is no reason to stop: its write is committed and applied.
            let _ = applied.send(());
        }
    }
}

impl Memory {
    /// Many revisions, one swap: under load readers see a few large steps instead of many small ones. Answers who waits for them.
    fn apply(&self, in_order: Vec<(Revision, Change, Vec<oneshot::Sender<()>>)>) -> Vec<oneshot::Sender<()>> {
        let mut city = self.published.load();
        let mut changes = Vec::with_capacity(in_order.len());
        let mut writers = Vec::with_capacity(in_order.len());
        for (revision, change, of_this) in in_order {
            let next = Arc::new(city.after(revision, &change));
            let sets = super::live::set_of(&change).into_iter().collect();
            changes.push(super::live::change(&next, &self.tiles.take(&city, &next, &change), sets));
            city = next;
            writers.extend(of_this);
        }
        self.replace(city, changes);
        writers
    }

    /// The city after an update, in one step. `back`: it does not follow from the one in memory.
    fn follow(&self, update: Update, back: bool) -> Result<(), super::AppError> {
        if back {
            // Nothing of the city that was there is taken for granted: what bears the same number may be something else.
            let city = Arc::new(reload::anew(update, &self.within)?);
            let latest = city.revision;
            self.tiles.clear();
            self.published.replace(city);
            // And what was built for readers of the old one in between.
            self.tiles.clear();
            self.live.begin_anew(latest);
            return Ok(());
        }
        let mut city = self.published.load();
        let mut changed = Changed::default();
        let mut sets = Vec::new();
        reload::steps(&city.clone(), update, &self.within, |next, change| {
            changed.extend(&self.tiles.take(&city, &next, change));
            sets.extend(super::live::set_of(change));
            city = next;
        })?;
        let told = super::live::change(&city, &changed, sets);
        self.replace(city, vec![told]);
        Ok(())
    }

    fn replace(&self, city: Arc<City>, changes: Vec<crate::live::event::Change>) {
        let latest = city.revision;
        self.published.replace(city);
        self.live.push(changes, latest);
    }
}
