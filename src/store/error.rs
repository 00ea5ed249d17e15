//! Why the store did not do what it was asked.

use crate::domain::id::{Epoch, FacilityId, Version};
use std::path::{Path, PathBuf};

/// The variant says what a caller could do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The boundaries moved on: load the current ones and try again.
    #[error("based on epoch {base}, but epoch {current} is current")]
    Stale {
        /// The epoch the commit was made for.
        base: Epoch,
        /// The one it would have to be made for now.
        current: Epoch,
    },
    /// A row changed since it was read: read it again.
    #[error("{what} was changed meanwhile: {}", if .current.0 == 0 { "it is gone".to_owned() } else { format!("it has version {} now", .current) })]
    Changed {
        /// Which row.
        what: String,
        /// The version the change was made from; 0: not known.
        base: Version,
        /// The version it has now; 0: it is gone.
        current: Version,
    },
    /// The key names another write already: take another key.
    #[error("the key {0:?} was given to another write already")]
    KeyReused(String),
    /// Another facility has the code: take another one.
    #[error("facility {id} has the code {code:?} already")]
    CodeTaken {
        /// As given.
        code: String,
        /// Who has it.
        id: FacilityId,
    },
    /// The commit contradicts itself or what is stored: mend it.
    #[error("{0}")]
    Invalid(String),
    /// No such file, or no city in a schema.
    #[error("{}", missing(.0))]
    Missing(PathBuf),
    /// A file of that name exists and would be overwritten.
    #[error("{} exists already, and is not written over", .0.display())]
    Exists(PathBuf),
    /// Another process owns the file.
    #[error("{} is in use by an import, or by a server that does not say where it answers; try again when it has ended", .0.display())]
    InUse(PathBuf),
    /// The file cannot be read as one of ours.
    #[error("{}: {reason}", .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer program wrote the file.
    #[error("{} has schema {found}, this program knows up to {known}: use the newer program", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// An older program wrote the file, and it was opened for reading only.
    #[error("{} has the older schema {found}: let `wangge serve` or `wangge import` open it once, which keeps a copy", .path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// A write to a file opened for reading, or closed.
    #[error("the store is closed, or open for reading only")]
    ReadOnly,
    /// What is stored cannot be understood.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The operating system refused.
    #[error("while {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database refused.
    #[error("while {doing}")]
    Database {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database does not answer, or takes no writes for now: try again later.
    #[error("while {doing}: {why}")]
    Away {
        /// What was being done.
        doing: String,
        /// What it said.
        why: String,
    },
    /// The connection broke off after the commit was sent: it may be done. Look, or send it again under the same name.
    #[error("the connection broke off while {doing}: whether it was done is not known")]
    Unsure {
        /// What was being done.
        doing: String,
    },
    /// The task that wrote ended before it answered; nothing of the commit is stored.
    #[error("the write was given up")]
    GivenUp,
}

fn missing(place: &Path) -> String {
    let what = if place.starts_with("postgres:") { "holds no city" } else { "does not exist" };
    format!("{} {what}: wangge import makes one, wangge demo one to look at", place.display())
}
