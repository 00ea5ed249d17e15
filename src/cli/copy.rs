//! `wangge copy`.

use super::{Outcome, out};
use crate::store::{Access, Store, place_shown};
use std::path::PathBuf;
use std::time::Instant;

/// A place is a GeoPackage file of wangge, or the URL of a database (postgres://…), in any pairing. Works beside a running server: the copy
/// is the city of one revision, whoever writes meanwhile.
///
/// Copied is everything as it is: boundaries of all epochs, facilities, cases (closed ones too), staff, addresses, organizations,
/// buildings, with their numbers, versions and sources; imports with their reports and what taking them back needs; the change log, the
/// numbers that are given next, kept answers, tokens, and the audit with its chain. Not copied: who is logged in, files of imports that
/// wait, settings, and layers or base maps of others.
///
/// The target must not hold a city yet. It is all or nothing: a file has its name only at the end (what is broken off stays as a file
/// ….new and is removed by the next try); a database is filled in one transaction. `wangge compare` proves the copy.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The city.
    #[arg(long, value_name = "PLACE")]
    from: PathBuf,
    /// Where the copy goes.
    #[arg(long, value_name = "PLACE")]
    to: PathBuf,
}

pub(super) async fn run(args: Args) -> Outcome {
    let begun = Instant::now();
    let store = Store::open(&args.from, Access::Read).await?;
    let bar = out::spinner();
    let spoken = bar.clone();
    let copied = store.copy(&args.to, &move |kind: &str, rows| spoken.set_message(format!("copying {kind}: {rows}"))).await;
    bar.finish_and_clear();
    let copied = copied?;
    store.close().await?;
    let rows: Vec<String> =
        copied.rows.iter().filter(|(_, rows)| *rows > 0).map(|(kind, rows)| format!("  {kind:22}{rows:>12}\n")).collect();
    let (from, to, revision) = (place_shown(&args.from), place_shown(&args.to), copied.revision);
    let seconds = begun.elapsed().as_secs_f64();
    out::say(&format!("{to}: a copy of {from} as of revision {revision}, in {seconds:.1} s\n{}", rows.concat()));
    Ok(true)
}
