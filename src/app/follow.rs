//! Following what other processes commit to the same store. Notifications only wake; every second the store is asked how far it is, and
//! what this server lacks is handed to the applier as a number. A store that does not answer takes no lookup with it: the city stays in
//! memory, and only writes are refused until it is back.

use super::applier::Stopping;
use super::{App, AppError};
use crate::domain::id::Revision;
use crate::store::{Past, Stand, StoreError};
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often the store is asked when nothing wakes.
const POLL: Duration = Duration::from_secs(1);

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often other servers are told that this one lives.
const HERE: Duration = Duration::from_secs(5);

/// How long somebody may have a city that was replaced.
const LONGEST_READER: Duration = Duration::from_secs(30);

/// How the store and this server stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The change log's last number, as far as the store has told.
    pub stored: Revision,
    /// Since when the store does not answer, or takes no writes.
    pub away_since: Option<Timestamp>,
    /// Revisions that were acknowledged and are not in the store any more: it fell back to an older state. Counted since the start.
    pub lost: u64,
}

/// What the following task knows.
#[derive(Debug)]
pub(super) struct Followed {
    state: Mutex<Standing>,
    /// The city is being loaded from a store that fell back: until that is done, it is no news.
    loading_anew: AtomicBool,
}

impl Followed {
    pub(super) fn new(stored: Revision) -> Self {
        Self { state: Mutex::new(Standing { stored, away_since: None, lost: 0 }), loading_anew: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, Standing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task has seen of the store before.
struct Before {
    past: Past,
    /// What was taken over of tokens and sessions last; `None`: that is to be done.
    callers: Option<i64>,
    /// The last entry of the log.
    entry: (Revision, Option<Timestamp>),
}

impl App {
    /// How the store and this server stand to each other; `None`: nobody else writes to it.
    pub fn standing(&self) -> Option<Standing> {
        self.followed.as_ref().map(|followed| *followed.state())
    }

    /// Seconds since the store went away; `None` while it is there.
    pub fn store_away_s(&self) -> Option<u64> {
        let since = self.standing()?.away_since?;
        Some(self.clock.now().duration_since(since).as_secs().max(0).cast_unsigned())
    }

    /// Refuses what would write while the store is away: at once, instead of after a long wait.
    pub(super) fn takes_writes(&self) -> Result<(), AppError> {
        self.applier.alive()?;
        match self.standing().is_some_and(|standing| standing.away_since.is_some()) {
            true => Err(AppError::Away),
            false => Ok(()),
        }
    }

    /// Gives all connections to the store back.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (standby, store) = tokio::join!(self.standby.close(), self.store.close());
        store.and(standby)
    }

    /// Follows the store as long as the server runs. Returns at once where nobody else writes to it.
    pub async fn follow(self: Arc<Self>) {
        let Some(followed) = &self.followed else { return };
        let news = Arc::new(Notify::new());
        self.store.listen(&news);
        let (mut before, mut told) = (None, None::<Instant>);
        loop {
            match self.look(followed, &mut before, &mut told).await {
                Ok(()) => {
                    let away = followed.state().away_since.take();
                    if let Some(since) = away {
                        tracing::info!(%since, "the store answers again");
                    }
                }
                Err(LookError::Stopping) if self.applier.alive().is_err() => return,
                // What was handed in was given up with the past that it belonged to.
                Err(LookError::Stopping) => {}
                Err(LookError::Store(error)) => {
                    self.is_away(followed, &error);
                    self.store.seek().await;
                }
            }
            let _ = tokio::time::timeout(POLL, news.notified()).await;
        }
    }

    fn is_away(&self, followed: &Followed, why: &StoreError) {
        let now = self.clock.now();
        let first = {
            let mut state = followed.state();
            let first = state.away_since.is_none();
            state.away_since.get_or_insert(now);
            first
        };
        if first {
            tracing::error!(%why, "the store is away: lookups and tiles go on from memory, writes are refused until it is back");
        }
    }

    /// One look at the store; what it has and this server lacks is handed on.
    async fn look(
        self: &Arc<Self>,
        followed: &Followed,
        before: &mut Option<Before>,
        told: &mut Option<Instant>,
    ) -> Result<(), LookError> {
        if told.is_none_or(|told| told.elapsed() >= HERE) {
            match in_time(self.store.here(self.published.load().revision)).await {
                Err(error @ StoreError::Away { .. }) => return Err(error.into()),
                Err(error) => tracing::error!(%error, "other servers do not hear that this one lives"),
                Ok(()) => {}
            }
            *told = Some(Instant::now());
        }
        // In this order: what was loaded anew or committed by this server meanwhile is no sign that the store lacks it.
        let loading = followed.loading_anew.load(Ordering::Acquire);
        let seen = self.published.load().revision;
        let stand = in_time(self.store.stand()).await?;
        followed.state().stored = stand.revision;
        let another = before.as_ref().is_some_and(|before| before.past != stand.past);
        if loading {
            // The applier is at it. Whether the past is yet another one is looked at when it is done.
        } else if seen > stand.revision || another {
            self.went_back(followed, seen, &stand, before.as_ref()).await?;
            if let Some(before) = before {
                (before.past, before.entry) = (stand.past, (stand.revision, stand.at));
                before.callers = None;
            }
        } else if stand.revision > seen {
            arrives(self.applier.reload(stand.revision)).await?;
        }
        let callers = before.as_ref().and_then(|before| before.callers);
        if let Some(access) = self.access()
            && callers != Some(stand.callers)
        {
            access.refresh(&self.store).await?;
            self.live.recheck();
        }
        let callers = Some(stand.callers);
        match before {
            Some(before) if loading => before.callers = callers,
            _ => *before = Some(Before { past: stand.past, callers, entry: (stand.revision, stand.at) }),
        }
        Ok(())
    }

    /// The store has another past than the city in memory: a standby was promoted, or a backup restored. What it has is the truth now.
    async fn went_back(
        self: &Arc<Self>,
        followed: &Followed,
        seen: Revision,
        stand: &Stand,
        known: Option<&Before>,
    ) -> Result<(), LookError> {
        let lost = seen.0.saturating_sub(stand.revision.0);
        let same_entry = match known.map(|known| known.entry) {
            Some((revision, at)) if lost == 0 && revision.0 > 0 => {
                let entry = in_time(self.store.log_since(Revision(revision.0 - 1), 1)).await?.pop();
                entry.is_some_and(|entry| entry.revision == revision && Some(entry.at) == at)
            }
            _ => lost == 0,
        };
        let (system, timeline) = (stand.past.system, stand.past.timeline);
        if same_entry {
            tracing::warn!(
                system,
                timeline,
                revision = stand.revision.0,
                "the database was promoted; nothing that was seen of it is lost"
            );
        } else {
            tracing::error!(
                system,
                timeline,
                seen = seen.0,
                revision = stand.revision.0,
                lost,
                "the database fell back to another past: changes that were acknowledged are not there any more; the city is loaded anew"
            );
        }
        followed.state().lost += lost.max(u64::from(!same_entry));
        followed.loading_anew.store(true, Ordering::Release);
        let (app, revision) = (Arc::clone(self), stand.revision);
        tokio::spawn(async move {
            // An error: the server is stopping.
            let _ = app.applier.load_anew(revision).await;
            if let Some(followed) = &app.followed {
                followed.loading_anew.store(false, Ordering::Release);
            }
            app.history.forget().await;
            // Whoever still had the city of before may have had tiles built.
            tokio::time::sleep(LONGEST_READER).await;
            app.tiles.clear();
            app.history.forget().await;
        });
        Ok(())
    }
}

/// What the store answers, if it does so in time.
pub(super) async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
        let why = format!("no answer within {} s", PATIENCE.as_secs());
        Err(StoreError::Away { doing: "asking the store".to_owned(), why })
    })
}

/// Waits until the applier has done what it was told, but not so long that nobody looks at the store.
async fn arrives(told: impl Future<Output = Result<(), Stopping>>) -> Result<(), LookError> {
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(Err(Stopping)) => Err(LookError::Stopping),
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}

/// Why a look at the store ended early.
enum LookError {
    Store(StoreError),
    Stopping,
}

impl From<StoreError> for LookError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
