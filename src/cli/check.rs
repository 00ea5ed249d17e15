//! `wangge check`.

use super::{Outcome, out};
use crate::app::check::check;
use crate::clock::Clock;
use crate::store::{Access, Store};
use std::path::PathBuf;

/// Works beside a running server: it only reads.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Outcome {
    let store = Store::open(&args.data, Access::Read).await?;
    let bar = out::spinner();
    let spoken = bar.clone();
    let checked = check(&store, Clock::System.now(), &move |what: &str| spoken.set_message(what.to_owned())).await;
    bar.finish_and_clear();
    let checked = checked?;
    if args.json {
        out::say(&serde_json::to_string_pretty(&checked)?);
    } else {
        out::say(&checked.text());
    }
    Ok(checked.faults.is_empty())
}
