//! `wangge demo`: draws the synthetic city and brings it in as anyone's data comes in, through import.

use super::{Failure, Outcome, out};
use crate::app::imports::{self, Incoming, Kind, Order, Report, Status, Watch};
use crate::clock::Clock;
use crate::demo::{self, City, Files, Preset};
use crate::domain::records::BoundarySet;
use crate::domain::scope::Actor;
use crate::geom::Crs;
use crate::interchange::boundaries::{GridDraft, hashed_region};
use crate::store::{Meta, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The islands' outlines and the names and codes of counties, townships and communities are real (geodata/demo/README.md says whose);
/// streets, borders, people, facilities and cases are made up, and every screen says so. One seed gives one city, with open cases
/// around the present hour.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// small: 60 grids on two islands, for tests; zhoushan: 2,430 grids, 200,000 facilities, and the cuts of 2008 and 2011.
    #[arg(long, default_value = "zhoushan", value_name = "small|zhoushan")]
    preset: Preset,
    /// The data file to make. It must not be there yet.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Another seed draws another city.
    #[arg(long, value_name = "N", default_value_t = demo::DEFAULT_SEED)]
    seed: u64,
    /// Keep the files that were imported, in this folder.
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Outcome {
    if args.data.exists() {
        return Err(Failure::Usage(format!("{} is there already; the demo makes a new city", args.data.display())));
    }
    let clock = Clock::System;
    let bar = out::spinner();
    bar.set_message("drawing the city");
    let (preset, seed, now) = (args.preset, args.seed, clock.now());
    let city = tokio::task::spawn_blocking(move || demo::city(preset, seed, now)).await??;
    let folder = match &args.files {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("wangge-demo-{}", std::process::id())),
    };
    let meta = meta(&city)?;
    let store = Store::create(&args.data, &meta).await?;
    let outcome = fill(&store, city, &folder, &clock, &bar).await;
    let closed = store.close().await;
    bar.finish_and_clear();
    if args.files.is_none() {
        // Nothing is lost when the system keeps it.
        let _ = std::fs::remove_dir_all(&folder);
    }
    let refused = match outcome {
        Ok(reports) => {
            reports.iter().for_each(|report| out::say(&summary(report)));
            reports.into_iter().find(|report| report.status == Status::Refused)
        }
        Err(failure) => {
            super::import::remove(&args.data);
            return Err(failure);
        }
    };
    closed?;
    if let Some(report) = refused {
        super::import::remove(&args.data);
        out::say(&report.text());
        return Ok(false);
    }
    out::say(&format!("{}（演示数据）: {}", meta.title, args.data.display()));
    Ok(true)
}

fn meta(city: &City) -> Result<Meta, Failure> {
    let profile = imports::profile_named("gbt47678").map_err(|fault| Failure::Failed(fault.to_string()))?;
    let mut meta = Meta::new(city.title.clone(), profile);
    meta.synthetic = true;
    meta.background = Some(demo::BACKGROUND_LAND.into());
    meta.attribution.clone_from(&city.attribution);
    meta.scheme = city.boundaries.scheme.clone();
    Ok(meta)
}

/// Brings in everything; stops at the first refusal.
async fn fill(
    store: &Store,
    city: City,
    folder: &Path,
    clock: &Clock,
    bar: &indicatif::ProgressBar,
) -> Result<Vec<Report>, Failure> {
    let shown = bar.clone();
    let watch: Watch = Arc::new(move |step| shown.set_message(super::import::words(step)));
    let actor = Actor::local();
    let mut reports = Vec::new();
    let broken = |reports: &[Report]| reports.last().is_some_and(|report: &Report| report.status == Status::Refused);

    let files = Files::of(&city);
    let City { boundaries, history, .. } = city;
    // The past first, so that what is in force is the newest epoch.
    let sets = history.into_iter().map(|set| (set, true)).chain([(boundaries, false)]);
    for (set, beside) in sets {
        let mut order = order(Kind::Grids, Vec::new());
        order.boundaries.period = set.period;
        order.boundaries.beside = beside;
        reports.push(imports::publish(store, incoming(set), order, &actor, clock, &watch).await?);
        if broken(&reports) {
            return Ok(reports);
        }
    }

    std::fs::create_dir_all(folder)?;
    for (name, text) in files.named() {
        std::fs::write(folder.join(name), text)?;
    }
    for (kind, name) in [(Kind::Facilities, "facilities.csv"), (Kind::Staff, "staff.csv"), (Kind::Cases, "cases.csv")] {
        let order = order(kind, vec![folder.join(name)]);
        reports.push(imports::run(store, order, &actor, clock, &watch).await?);
        if broken(&reports) {
            break;
        }
    }
    Ok(reports)
}

fn order(kind: Kind, files: Vec<PathBuf>) -> Order {
    let mut order = Order::new(kind, files);
    order.crs = Some(Crs::Wgs84);
    order.system = Some("demo".to_owned());
    order.source = Some(demo::SOURCE.to_owned());
    order
}

/// A boundary set as the records of a file.
fn incoming(set: BoundarySet) -> Incoming {
    Incoming {
        regions: set.regions.into_iter().map(hashed_region).collect(),
        grids: set.grids.into_iter().zip(1..).map(|(grid, number)| GridDraft::of(grid, number)).collect(),
        ..Incoming::default()
    }
}

/// One line of what came in.
fn summary(report: &Report) -> String {
    format!("{:<12}{:>8} new  {:>3} repaired  revision {}", report.kind, report.tally.new, report.tally.repaired, report.revision)
}
