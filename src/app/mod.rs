//! Use cases: the only place that both reads the city and writes the store. Every function takes an [`Actor`] or a [`view::View`] made
//! for one; answers are values, with no word of HTTP.

pub mod access;
pub mod addresses;
pub mod applier;
pub mod buildings;
pub mod bulk;
pub mod candidates;
pub mod cards;
pub mod cases;
pub mod check;
pub mod compare;
pub mod cursor;
pub mod exports;
pub mod facilities;
pub mod facility_writes;
pub mod follow;
pub mod history;
pub mod imports;
pub mod links;
pub mod live;
mod load;
pub mod lookup;
pub mod nearby;
pub mod organizations;
pub mod outside;
mod part;
pub mod reload;
pub mod search;
pub mod select;
pub mod sinks;
pub mod sources;
mod standby;
pub mod standing;
pub mod tiles;
pub mod view;

use crate::city::Published;
use crate::clock::Clock;
use crate::compute::{Compute, NotDone};
use crate::config::Config;
use crate::domain::fault::Fault;
use crate::domain::id::{Epoch, Revision, Version};
use crate::domain::rights::Right;
use crate::live::hub::Hub;
use crate::store::{Store, StoreError};
use crate::tiles::cache::TileCache;
use applier::Applier;
use history::History;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

pub use crate::domain::scope::Actor;
pub use crate::store::{ImportState, Once};
pub use crate::upstream::UpstreamError;

/// Jobs that may wait for the compute pool beyond those that run.
const WAITING_JOBS: usize = 256;

/// How long a reader waits for a revision that is not there yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// The running service.
pub struct App {
    /// Durable truth.
    pub store: Store,
    standby: standby::Standby,
    /// The city as it is now.
    pub published: Arc<Published>,
    /// The one task that changes it.
    pub applier: Applier,
    /// The only bridge to the threads for heavy work.
    pub compute: Compute,
    /// Tells viewers what changed.
    pub live: Hub,
    /// Finished tiles.
    pub tiles: TileCache,
    /// Maps and layers of others.
    pub outside: outside::Outside,
    sources: sources::Sources,
    sinks: sinks::Sinks,
    access: Option<Arc<access::Access>>,
    /// How the store stands to this server, where others write to it too.
    followed: Option<follow::Followed>,
    /// Every setting.
    pub config: Config,
    /// The only "now".
    pub clock: Clock,
    history: History,
    links: links::KeptLinks,
    /// Held while a facility takes a code, so that no two take the same.
    naming: tokio::sync::Mutex<()>,
    /// Held for reading by whoever writes a facility, from the look at the boundaries until it is applied; for writing by a publication,
    /// from placing what stands there until it is applied.
    publishing: tokio::sync::RwLock<()>,
    /// Imports under way.
    imports: imports::jobs::Jobs,
}

/// Why a use case gives no answer. The variant is what a caller could do about it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Ask for another code.
    #[error("no {what} has the code {code:?} at epoch {epoch}")]
    UnknownCode {
        /// `region`, `grid` …
        what: &'static str,
        /// As given.
        code: String,
        /// Where it was looked for.
        epoch: Epoch,
    },
    /// Ask for another epoch.
    #[error("there is no epoch {epoch}; the latest is {latest}")]
    UnknownEpoch {
        /// As given.
        epoch: Epoch,
        /// The last one.
        latest: Epoch,
    },
    /// Ask for another grid set.
    #[error("there is no grid set {set:?}; there are {}", .known.join(", "))]
    UnknownSet {
        /// As given.
        set: String,
        /// Those in force.
        known: Vec<String>,
    },
    /// Ask for another instant.
    #[error("no boundaries were in force at {at}")]
    NoBoundaries {
        /// As given.
        at: Timestamp,
    },
    /// Nothing to ask for.
    #[error("the settings have no [access]: callers are not told apart, and have no tokens and sessions")]
    NoCallers,
    /// Ask somebody who may.
    #[error("this needs the right {}: none of your roles has it, or it is one for the whole city, of which you see a part", right.as_str())]
    Denied {
        /// Which.
        right: Right,
    },
    /// Ask a server with the whole city.
    #[error("this server has a part of the city: what needs the right {} is done at one that has the whole, whoever asks", right.as_str())]
    OfPart {
        /// Which.
        right: Right,
    },
    /// Ask for another object.
    #[error("no {what} has the id {id}")]
    UnknownId {
        /// `facility` …
        what: &'static str,
        /// As given.
        id: i64,
    },
    /// Ask for another one.
    #[error("there is no {what} {name:?}; there are {}", if .known.is_empty() { "none".to_owned() } else { .known.join(", ") })]
    UnknownName {
        /// `base map`, `layer` …
        what: &'static str,
        /// As given, cut.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Ask again later: another server is at fault.
    #[error("{host} {error}")]
    Upstream {
        /// Which.
        host: String,
        /// What was wrong.
        error: UpstreamError,
    },
    /// A map or layer of others that does not read; nothing a caller could do.
    #[error("{0}")]
    Outside(String),
    /// Read it again, and decide again.
    #[error("it was changed meanwhile: {}", if .current.0 == 0 { "it is gone".to_owned() } else { format!("it has version {} now", .current) })]
    Outdated {
        /// The version it has now; 0: it is gone.
        current: Version,
    },
    /// Take another key.
    #[error("the key {0:?} was given to another write already")]
    KeyReused(String),
    /// Say that too.
    #[error("{0} is required")]
    Missing(&'static str),
    /// Mend that member of what was asked.
    #[error("{field}: {detail}")]
    Refused {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Take another code, or change the one that has it.
    #[error("{} has the code {code:?} already", .id.map_or("a facility that you do not see".to_owned(), |id| format!("facility {id}")))]
    CodeTaken {
        /// As given.
        code: String,
        /// Who has it, when the caller sees it.
        id: Option<i64>,
    },
    /// Undo what came later first, or leave it: not all that the import wrote is as it was left.
    #[error("{total} of the rows that import {id} wrote were changed or removed since: {}", .some.join(", "))]
    Touched {
        /// Which import.
        id: i64,
        /// How many.
        total: usize,
        /// The first of them, in words.
        some: Vec<String>,
    },
    /// Ask again later: lookups go on meanwhile.
    #[error("the store does not answer, or takes no writes for now; lookups and tiles go on from memory")]
    Away,
    /// Send it again with the same Idempotency-Key, or look.
    #[error("the connection to the store broke off after the write was sent: whether it was done is not known")]
    Unsure,
    /// Nothing can be taken back.
    #[error("import {id} cannot be undone: {why}")]
    CannotUndo {
        /// Which import.
        id: i64,
        /// Why.
        why: String,
    },
    /// Nothing a caller could do; the log says why.
    #[error("the import broke off: {0}")]
    Import(String),
    /// Ask again in a moment, or ask for less.
    #[error("revision {wanted} is not here yet; this server has {revision}")]
    Behind {
        /// The one asked for.
        wanted: Revision,
        /// The one that readers see.
        revision: Revision,
    },
    /// Try again when the server is back. A write that was under way is done or not; one with a key may be sent again.
    #[error("the server is stopping")]
    Stopping,
    /// Begin the list again.
    #[error("the cursor does not belong to this list; begin again without one")]
    BadCursor,
    /// Try again in a moment.
    #[error("the server is at its limit; try again in a moment")]
    Busy,
    /// Nothing a caller could do: it would break off again; the log says where.
    #[error("the work broke off")]
    Panicked,
    /// Nothing a caller could do; the log says why.
    #[error("the store did not answer")]
    Store(StoreError),
    /// A city file with a zone that does not exist; nothing a caller could do.
    #[error("the city's time zone {0:?} does not exist; IANA names like Asia/Shanghai do")]
    TimeZone(String),
    /// Stored boundaries that do not build; nothing a caller could do.
    #[error("the stored boundaries of epoch {epoch} do not build: {} faults, the first: {}", .faults.len(), first(.faults))]
    Damaged {
        /// Which.
        epoch: Epoch,
        /// Why.
        faults: Vec<Fault>,
    },
}

fn first(faults: &[Fault]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unsure { .. } => Self::Unsure,
            StoreError::Away { doing, why } => {
                tracing::warn!(doing, why, "the store is away");
                Self::Away
            }
            other => Self::Store(other),
        }
    }
}

impl From<NotDone> for AppError {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Busy => Self::Busy,
            NotDone::Panicked => Self::Panicked,
        }
    }
}

impl App {
    /// Waits until readers see a revision, at most for [`PATIENCE`].
    pub async fn reached(&self, wanted: Revision) -> Result<(), AppError> {
        match self.applier.reached(wanted, PATIENCE).await {
            true => Ok(()),
            false => Err(AppError::Behind { wanted, revision: self.published.load().revision }),
        }
    }

    /// How many committed changes are not in memory yet. An error when the store does not answer, unless this server follows it: then its
    /// last answer counts.
    pub async fn behind(&self) -> Result<u64, AppError> {
        let stored = match self.standing() {
            Some(standing) => standing.stored,
            None => self.store.revision().await?,
        };
        Ok(stored.0.saturating_sub(self.published.load().revision.0))
    }
}
