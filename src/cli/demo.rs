//! `wangge demo`: draws the synthetic city and brings it in as anyone's data comes in, through import.

use super::{Failure, Outcome, out};
use crate::app::imports::{self, Incoming, Kind, Order, Report, Status, Watch};
use crate::clock::Clock;
use crate::demo::{self, City, Files, Preset};
use crate::domain::id::Revision;
use crate::domain::records::BoundarySet;
use crate::domain::scope::Actor;
use crate::geom::Crs;
use crate::interchange::boundaries::{GridDraft, hashed_region};
use crate::store::{Access, ImportRecord, Meta, Store, StoreError, place_shown};
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The outlines of Zhoushan's islands and the names and codes of counties, townships and communities are real (geodata/demo/README.md says
/// whose), the outlines called Yichang are made up; streets, borders, people, facilities and cases are made up, and every screen says so. One seed gives one city, with open cases
/// around the present hour.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// small: 60 grids on two islands, for tests; zhoushan: 2,430 grids, 200,000 facilities, 80,000 addresses, and the cuts of 2008 and 2011;
    /// yichang: 1,110 grids of one officer each and 100 police grids over them, 300,000 facilities;
    /// prefecture: 80 townships, 1,200 communities, 5,000 grids, 500,000 facilities.
    #[arg(long, default_value = "zhoushan", value_name = "small|zhoushan|yichang|prefecture")]
    preset: Preset,
    /// The data file to make. It must not be there yet.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Keep a data file that is there, but make the city anew when nothing else is in it and it is older than a day: its deadlines have
    /// passed.
    #[arg(long)]
    renew: bool,
    /// Another seed draws another city.
    #[arg(long, value_name = "N", default_value_t = demo::DEFAULT_SEED)]
    seed: u64,
    /// Keep the files that were imported, in this folder.
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Outcome {
    if args.data.exists() && args.renew {
        if !is_yesterdays(&args.data, &Clock::System).await {
            return Ok(true);
        }
        super::import::remove(&args.data);
        out::say("the demo city is older than a day and is made anew");
    }
    if args.data.exists() {
        return Err(Failure::Usage(format!("{} is there already; the demo makes a new city", place_shown(&args.data))));
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
    out::say(&format!("{}（演示数据）: {}", meta.title, place_shown(&args.data)));
    Ok(true)
}

/// So old a demo city is made anew.
const OLD: SignedDuration = SignedDuration::from_hours(24);

/// Whether a file is a demo city, whole and with nothing else in it, that was made long ago and is used by nobody.
async fn is_yesterdays(data: &Path, clock: &Clock) -> bool {
    // No data file at all: whoever opens it next says so.
    let Ok(store) = Store::open(data, Access::Read).await else { return false };
    let told = async { Ok::<_, StoreError>((store.meta().await?, store.imports().await?, store.revision().await?)) }.await;
    let closed = store.close().await;
    let (Ok((meta, imports, revision)), Ok(())) = (told, closed) else { return false };
    if !meta.synthetic || !is_own_and_old(&imports, revision, clock.now()) {
        return false;
    }
    // Nobody uses it when it can be had for writing.
    match Store::open(data, Access::Import).await {
        Ok(store) => store.close().await.is_ok(),
        Err(_) => false,
    }
}

/// Every change up to `revision` is an import of the demo's, made more than a day before `now`.
fn is_own_and_old(imports: &[ImportRecord], revision: Revision, now: Timestamp) -> bool {
    let fits = |import: &ImportRecord| import.source.as_deref() == Some(demo::SOURCE) && now.duration_since(import.at) > OLD;
    !imports.is_empty() && imports.len() as u64 == revision.0 && imports.iter().all(fits)
}

fn meta(city: &City) -> Result<Meta, Failure> {
    let profile = imports::profile_named("gbt47678").map_err(|fault| Failure::Failed(fault.to_string()))?;
    let mut meta = Meta::new(city.title.clone(), profile);
    meta.synthetic = true;
    meta.background = city.background.map(Into::into);
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
    let City { boundaries, history, others, .. } = city;
    // The past first, so that what is in force is the newest epoch.
    let sets = history.into_iter().map(|set| (set, true)).chain([(boundaries, false)]);
    for (set, beside) in sets.chain(others.into_iter().map(|set| (set, false))) {
        let mut order = order(Kind::Grids, Vec::new());
        order.boundaries.set = set.set.clone();
        order.scheme = Some(set.scheme.clone()).filter(|_| !set.set.is_governance());
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
    for (kind, name) in [
        (Kind::Facilities, "facilities.csv"),
        (Kind::Staff, "staff.csv"),
        (Kind::Cases, "cases.csv"),
        (Kind::Addresses, "addresses.csv"),
        (Kind::Organizations, "organizations.csv"),
        (Kind::Buildings, "buildings.geojson"),
        (Kind::Cases, "cases.csv"),
    ] {
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
    order.crs = Some(Crs::Wgs84.into());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ImportId;
    use crate::store::ImportState;

    fn import(source: &str, at: Timestamp) -> ImportRecord {
        ImportRecord {
            id: ImportId(1),
            kind: "cases".to_owned(),
            file: "cases.csv".to_owned(),
            crs: None,
            source: Some(source.to_owned()),
            at,
            report: serde_json::Value::Null,
            state: ImportState::Done,
            revision: None,
            undone: None,
            before: serde_json::Value::Null,
        }
    }

    #[test]
    fn only_an_old_city_with_nothing_else_in_it_is_made_anew() {
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().expect("an instant");
        let (old, young) = (now - SignedDuration::from_hours(25), now - SignedDuration::from_hours(23));
        let two = |a: ImportRecord, b: ImportRecord| is_own_and_old(&[a, b], Revision(2), now);
        assert!(two(import(demo::SOURCE, old), import(demo::SOURCE, old)));
        assert!(!two(import(demo::SOURCE, old), import(demo::SOURCE, young)), "a part of it is of today");
        assert!(!two(import(demo::SOURCE, old), import("the city's own lamps", old)), "a person brought something");
        assert!(!is_own_and_old(&[import(demo::SOURCE, old)], Revision(2), now), "something else changed it");
        assert!(!is_own_and_old(&[], Revision(0), now), "an empty file is someone's beginning");
    }
}
