//! The one task that changes the city in memory. Committed revisions go in, in whatever order their commits come back; they are
//! applied in the order of their numbers, and whoever handed one in is answered when readers see it.

use crate::city::{Change, City, Published};
use crate::domain::id::Revision;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

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
}

/// The applying task has ended: the program is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping")]
pub struct Stopping;

/// Revisions that may wait for the task; more make their writers wait.
const QUEUE: usize = 256;

impl Applier {
    /// Starts the task over `published`. It ends when the last handle is dropped.
    pub fn start(published: Arc<Published>) -> Self {
        let (queue, arriving) = mpsc::channel(QUEUE);
        tokio::spawn(run(published, arriving));
        Self { queue }
    }

    /// Returns when readers see `revision`. Every number must be handed in once: the task waits for the next one in order.
    pub async fn apply(&self, revision: Revision, change: Change) -> Result<(), Stopping> {
        let (applied, done) = oneshot::channel();
        self.queue.send(Committed { revision, change, applied }).await.map_err(|_| Stopping)?;
        done.await.map_err(|_| Stopping)
    }
}

async fn run(published: Arc<Published>, mut arriving: mpsc::Receiver<Committed>) {
    let mut waiting: BTreeMap<Revision, Committed> = BTreeMap::new();
    let mut batch = Vec::new();
    while arriving.recv_many(&mut batch, QUEUE).await > 0 {
        waiting.extend(batch.drain(..).map(|committed| (committed.revision, committed)));
        let mut city = published.load();
        let mut answered = Vec::new();
        // Many revisions, one swap: under load readers see a few large steps instead of many small ones.
        while let Some(committed) = waiting.remove(&Revision(city.revision.0 + 1)) {
            city = Arc::new(City::after(&city, committed.revision, committed.change));
            answered.push(committed.applied);
        }
        if !answered.is_empty() {
            published.replace(city);
        }
        for applied in answered {
            // A writer that hung up is no reason to stop: its write is committed and applied.
            let _ = applied.send(());
        }
    }
}
