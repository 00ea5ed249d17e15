//! `wangge migrate`.

use super::{Outcome, out};
use crate::store::{Store, place_shown};
use std::path::PathBuf;

/// Brings a city up to the schema of this program, which `serve` and `import` do too where they may. For a database run it as the role that owns
/// the tables, before servers of the newer program are started; servers of the older one refuse the newer schema when they are started next. Of a
/// file a copy is kept.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "PLACE", default_value = "city.gpkg")]
    data: PathBuf,
}

pub(super) async fn run(args: Args) -> Outcome {
    let (found, now) = Store::migrate(&args.data).await?;
    let place = place_shown(&args.data);
    match found == now {
        true => out::note(&format!("{place}: schema {now}, nothing to be done")),
        false => out::note(&format!("{place}: from schema {found} to {now}")),
    }
    Ok(true)
}
