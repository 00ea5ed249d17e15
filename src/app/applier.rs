//! The one task that changes the city in memory. Committed revisions go in, in whatever order their commits come back; they are
//! applied in the order of their numbers, and whoever handed one in is answered when readers see it. The tiles that a revision changed
//! leave the cache before its city is published: nobody who reads the new city finds an old tile. Viewers are told of them after that.

use crate::city::{Change, Published};
use crate::domain::id::Revision;
use crate::live::hub::Hub;
use crate::tiles::cache::TileCache;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// A revision that the store has committed.
#[derive(Debug)]
struct Committed {
    revision: Revision,
    change: Change,
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

impl Applier {
    /// Starts the task over `published`, of which `tiles` holds tiles and `live` tells. It ends when the last handle is dropped.
    pub fn start(published: Arc<Published>, tiles: TileCache, live: Hub) -> Self {
        let (queue, arriving) = mpsc::channel(QUEUE);
        let (seeing, seen) = watch::channel(published.load().revision);
        tokio::spawn(run((published, tiles, live), arriving, seeing));
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

    /// Returns when readers see `revision`. Every number must be handed in once: the task waits for the next one in order.
    pub async fn apply(&self, revision: Revision, change: Change) -> Result<(), Stopping> {
        let (applied, done) = oneshot::channel();
        self.queue.send(Committed { revision, change, applied }).await.map_err(|_| Stopping)?;
        done.await.map_err(|_| Stopping)
    }
}

async fn run(
    (published, tiles, live): (Arc<Published>, TileCache, Hub),
    mut arriving: mpsc::Receiver<Committed>,
    seeing: watch::Sender<Revision>,
) {
    let mut waiting: BTreeMap<Revision, Committed> = BTreeMap::new();
    let mut batch = Vec::new();
    while arriving.recv_many(&mut batch, QUEUE).await > 0 {
        waiting.extend(batch.drain(..).map(|committed| (committed.revision, committed)));
        let mut next = published.load().revision;
        let in_order: Vec<Committed> = std::iter::from_fn(|| {
            next.0 += 1;
            waiting.remove(&next)
        })
        .collect();
        if in_order.is_empty() {
            continue;
        }
        let (root, tiles, live) = (Arc::clone(&published), tiles.clone(), live.clone());
        // A thread for work that blocks and not the compute pool, which may say "busy": what is committed is never refused.
        let step = tokio::task::spawn_blocking(move || step(&root, &tiles, &live, in_order));
        let Ok(writers) = step.await else {
            // A panic has been logged. What follows could not be applied to a city that lacks this revision; `/readyz` says so.
            return;
        };
        seeing.send_replace(published.load().revision);
        for applied in writers {
            // A writer that hung up is no reason to stop: its write is committed and applied.
            let _ = applied.send(());
        }
    }
}

/// Many revisions, one swap: under load readers see a few large steps instead of many small ones. Answers who waits for them.
fn step(published: &Published, tiles: &TileCache, live: &Hub, in_order: Vec<Committed>) -> Vec<oneshot::Sender<()>> {
    let mut city = published.load();
    let mut changes = Vec::with_capacity(in_order.len());
    for Committed { revision, change, .. } in &in_order {
        let next = Arc::new(city.after(*revision, change));
        changes.push(super::live::change(&next, &tiles.take(&city, &next, change)));
        city = next;
    }
    let latest = city.revision;
    published.replace(city);
    live.push(changes, latest);
    in_order.into_iter().map(|committed| committed.applied).collect()
}
