//! `wangge backup` and `wangge restore`.

use super::{Outcome, out};
use crate::store::{Access, Store, place_shown};
use std::path::PathBuf;

/// Works beside a running server.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// The city's data file.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The copy; must not exist.
    #[arg(value_name = "COPY")]
    to: PathBuf,
}

/// The server must be stopped.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "COPY")]
    from: PathBuf,
    /// The city's data file.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
}

pub(super) async fn backup(args: BackupArgs) -> Outcome {
    let store = Store::open(&args.data, Access::Read).await?;
    store.backup(&args.to).await?;
    out::say(&format!("{} as of revision {}", args.to.display(), store.revision().await?));
    Ok(true)
}

pub(super) async fn restore(args: RestoreArgs) -> Outcome {
    let kept = Store::restore(&args.from, &args.data).await?;
    let kept = kept.map(|kept| format!("; the file before is {}", kept.display())).unwrap_or_default();
    out::say(&format!("{} restored from {}{kept}", place_shown(&args.data), args.from.display()));
    Ok(true)
}
