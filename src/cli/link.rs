//! `wangge link`.

use super::{Failure, Outcome, out};
use crate::app::links::{SPLIT_BELOW, links_in};
use crate::clock::Clock;
use crate::domain::id::GridSet;
use crate::store::{Access, Store};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Lays two grid sets in force over each other: which grid of one lies in which of the other, by share of land. Told are grids that are
/// split between several, with place and square metres, grids that lie in none, and how many belong to each. Works beside a running
/// server: it only reads.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The set whose grids are linked.
    #[arg(long, value_name = "SET", default_value = "governance")]
    from: String,
    /// The set they are linked to.
    #[arg(long, value_name = "SET")]
    to: String,
    /// A grid is split when less than this share of it lies in one grid.
    #[arg(long, value_name = "SHARE", default_value_t = SPLIT_BELOW)]
    split_below: f64,
    /// How many grids should belong to each of the other set; others are told, and the exit code is 1.
    #[arg(long, value_name = "LEAST-MOST", value_parser = range)]
    range: Option<RangeInclusive<u32>>,
    /// Write the whole report as JSON.
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
}

fn range(text: &str) -> Result<RangeInclusive<u32>, String> {
    let parsed = text.split_once('-').and_then(|(least, most)| Some((least.parse().ok()?, most.parse().ok()?)));
    match parsed {
        Some((least, most)) if least <= most => Ok(least..=most),
        _ => Err("takes two whole numbers in order: 5-15".to_owned()),
    }
}

pub(super) async fn run(args: Args) -> Outcome {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    let from = GridSet::new(&args.from).map_err(|error| usage(&error))?;
    let to = GridSet::new(&args.to).map_err(|error| usage(&error))?;
    if from == to || !(0.0..=1.0).contains(&args.split_below) {
        return Err(usage(&"--from and --to must be two sets, --split-below a share from 0 to 1"));
    }
    let store = Store::open(&args.data, Access::Read).await?;
    let links = links_in(&store, &from, &to, Clock::System.now()).await;
    store.close().await?;
    let links = links?.map_err(|set| Failure::Failed(format!("no boundaries of the grid set {set} are in force")))?;
    let report = links.report(args.split_below, args.range.as_ref());
    out::say(&report.text());
    if let Some(path) = &args.report {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).map_err(|error| Failure::Failed(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(report.is_in_order())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers_in_order() {
        assert_eq!(range("5-15"), Ok(5..=15));
        for bad in ["", "5", "15-5", "a-b", "-1-3", "5-15-20"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
