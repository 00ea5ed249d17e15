//! `wangge locate`.

use super::{Failure, Outcome, out};
use crate::app::bulk::{TableColumns, is_of_addresses, locate_csv};
use crate::app::imports::territory_at;
use crate::city::Addresses;
use crate::clock::Clock;
use crate::geom::Crs;
use crate::store::{Access, Store, place_shown};
use std::io::{self, BufWriter};
use std::path::PathBuf;

/// Works beside a running server: it only reads. A row without a readable position stays, with the reason in its error column, and
/// makes the exit code 1.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A CSV table with a header, gzipped or not: with positions (lon, lat), or with addresses (address).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// CRS of the positions: wgs84, cgcs2000, gcj02 or bd09. A table of addresses has none.
    #[arg(long)]
    crs: Option<Crs>,
    /// Column of the longitude, when it has no usual name.
    #[arg(long, value_name = "COLUMN")]
    lon: Option<String>,
    /// Column of the latitude.
    #[arg(long, value_name = "COLUMN")]
    lat: Option<String>,
    /// Column of an address in words, instead of a position.
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["lon", "lat", "crs"])]
    address: Option<String>,
    /// Boundaries in force at this time or day instead of today's.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(super) async fn run(args: Args) -> Outcome {
    let store = Store::open(&args.data, Access::Read).await?;
    let zone = store.meta().await?.time_zone;
    let at = match &args.at {
        None => Clock::System.now(),
        Some(text) => crate::app::imports::instant_named(text, &zone)
            .ok_or_else(|| Failure::Usage(format!("{text:?} is no time: 2026-03-01, or 2026-03-01T08:00:00+08:00")))?,
    };
    let territory = territory_at(&store, at)
        .await?
        .ok_or_else(|| Failure::Failed(format!("{} has no boundaries in force at {at}", place_shown(&args.data))))?;
    let columns = TableColumns { lon: args.lon, lat: args.lat, address: args.address };
    let of_addresses = is_of_addresses(&args.file, args.crs, &columns).map_err(|fault| Failure::Failed(fault.to_string()))?;
    let rows = if of_addresses { store.addresses().await? } else { Vec::new() };
    if of_addresses && rows.is_empty() {
        return Err(Failure::Failed(format!(
            "{} has no addresses; `wangge import addresses` brings them in",
            place_shown(&args.data)
        )));
    }
    let located = tokio::task::spawn_blocking(move || {
        let addresses = Addresses::new(rows, &territory);
        let bar = out::byte_bar(0);
        let (done, shown) = (std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)), bar.clone());
        let ended = std::sync::Arc::clone(&done);
        let mut watcher = None;
        let counts = locate_csv(
            (&territory, &addresses),
            args.crs,
            &args.file,
            &columns,
            BufWriter::new(io::stdout().lock()),
            |progress| {
                bar.set_length(progress.total);
                bar.set_message("locating");
                watcher = Some(std::thread::spawn(move || {
                    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                        shown.set_position(progress.read());
                        std::thread::park_timeout(std::time::Duration::from_millis(100));
                    }
                }));
            },
        );
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(watcher) = watcher {
            watcher.thread().unpark();
            watcher.join().expect("it only counts");
        }
        bar.finish_and_clear();
        counts
    });
    let counts = located.await?.map_err(|fault| Failure::Failed(fault.to_string()))?;
    out::note(&format!(
        "{} rows: {} located, {} outside, {} without a position or address that leads to one place",
        counts.rows, counts.located, counts.outside, counts.bad
    ));
    Ok(counts.bad == 0)
}
