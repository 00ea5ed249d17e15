//! `wangge try`: files into a city that is thrown away, and onto the map.

use super::import::{Word, usage, watch};
use super::{Failure, Outcome, out, serve};
use crate::app::App;
use crate::app::imports::{self, Accept, Kind, Order, Report, Status};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::scheme::Scheme;
use crate::domain::scope::Actor;
use crate::geom::NamedCrs;
use crate::http::{self, Door};
use crate::interchange::{RawRecord, RawShape, Reader, Reading};
use crate::store::{Access, Meta, Store};
use serde_json::Value;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// What each file holds is guessed from its first records and said: polygons are grids, or regions when their codes are too short for grids;
/// points are facilities, or cases when they say when they were reported; tables are staff, or counts of households. --as says otherwise.
/// The CRS is not guessed: without --crs, and unless a file states one, nothing is imported, and every one that fits is told with the place
/// it would land on. The city lies in a temporary folder and is removed at the end (Ctrl-C).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files; boundaries go first, whatever their order here.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the files hold, instead of the guess.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Word>,
    /// CRS of the positions, as for import.
    #[arg(long)]
    crs: Option<NamedCrs>,
    /// The files have the northing or the latitude first.
    #[arg(long)]
    swap_xy: bool,
    /// Layer or sheet of a file that has several.
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Levels of the city: cn, or a TOML or JSON file.
    #[arg(long, value_name = "cn|FILE")]
    scheme: Option<String>,
    /// Foreign tags → categories: osm, or a TOML or JSON file.
    #[arg(long, value_name = "osm|FILE")]
    profile: Option<String>,
    /// A field's column, as for import. May be repeated.
    #[arg(long, value_name = "FIELD=COLUMN")]
    map: Vec<String>,
    /// Faults to take, as for import.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    accept: Vec<String>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Do not open a browser.
    #[arg(long)]
    no_browser: bool,
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            out::note(&format!("{} stays behind: {error}", self.0.display()));
        }
    }
}

/// A file and what it is taken for.
struct Guess {
    file: PathBuf,
    kind: Kind,
    /// In words.
    why: String,
}

pub(super) async fn run(args: Args) -> Outcome {
    let folder = Folder(std::env::temp_dir().join(format!("wangge-try-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0)?;
    // From here on whoever ends the program ends what it does, and the folder goes.
    let stopped = tokio::spawn(serve::stopped());
    tokio::select! {
        outcome = shown(args, &folder.0) => outcome,
        _ = stopped => Ok(true),
    }
}

async fn shown(args: Args, folder: &Path) -> Outcome {
    let scheme = args.scheme.as_deref().map(imports::scheme_named).transpose().map_err(usage)?.unwrap_or_default();
    let mut accept = Accept::default();
    for word in &args.accept {
        accept.also(word).map_err(usage)?;
    }
    let mut guesses = Vec::new();
    for file in &args.files {
        guesses.push(match args.kind {
            Some(kind) => Guess { file: file.clone(), kind: kind.into(), why: "as was said".to_owned() },
            None => guess(file, args.layer.as_deref(), &scheme)?,
        });
    }
    // What stands somewhere is placed in boundaries that are there.
    guesses.sort_by_key(|guess| Kind::TABLE.iter().position(|(kind, _)| *kind == guess.kind));
    let listener = http::bind(args.listen, false).await.map_err(|error| Failure::Failed(format!("{}: {error}", args.listen)))?;
    let address = listener.local_addr()?;
    let data = folder.join("city.gpkg");
    let meta = Meta { scheme, ..Meta::new("试看", imports::profile_named("gbt47678").map_err(usage)?) };
    let store = Store::create(&data, &meta).await?;
    for Guess { file, kind, why } in guesses {
        out::note(&format!("{}: taken as {}, {why}; --as says otherwise", file.display(), kind.as_str()));
        let mut order = Order::new(kind, vec![file]);
        (order.crs, order.swap_xy, order.accept) = (args.crs, args.swap_xy, accept.clone());
        (order.layer, order.map) = (args.layer.clone(), args.map.clone());
        order.tags = args.profile.clone().filter(|_| matches!(kind, Kind::Facilities | Kind::Cases));
        let report = import(&store, order).await?;
        out::say(&report.text());
        if report.status == Status::Refused {
            store.close().await?;
            return Ok(false);
        }
    }
    store.close().await?;
    let config = Config { listen: args.listen, ..Config::new(data.clone()) };
    let app = Arc::new(App::open(Store::open(&data, Access::Serve).await?, config, Clock::System).await?);
    app.store.announce(&address.to_string(), None)?;
    if !args.no_browser {
        open(&format!("http://{address}/"));
    }
    let door = Door { listener, tls: None, tells_apart: true };
    serve::answer(app, vec![door], address).await
}

async fn import(store: &Store, order: Order) -> Result<Report, Failure> {
    let bar = out::byte_bar(0);
    let watch = watch(&bar);
    let report = imports::run(store, order, &Actor::local(), &Clock::System, &watch).await;
    bar.finish_and_clear();
    Ok(report?)
}

/// Shows an address in the browser, where there is a screen. Whether that works or not, the address was printed.
fn open(address: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = || (Stdio::null(), Stdio::null(), Stdio::null());
    let (input, output, errors) = quiet();
    match Command::new(program).arg(address).stdin(input).stdout(output).stderr(errors).spawn() {
        // It is waited for, so that nothing of it is left when it ends.
        Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
        Err(_) => out::note("no browser could be opened; the address is"),
    }
}

/// Records that are looked at.
const LOOKED_AT: usize = 200;

/// What the first records of a file look like.
#[derive(Default)]
struct Looks {
    records: usize,
    points: usize,
    polygons: usize,
    /// Columns, in lower case.
    columns: Vec<String>,
    /// Codes: in a column that is called so.
    codes: Vec<String>,
    other: Option<String>,
}

impl Looks {
    fn add(&mut self, record: &RawRecord) {
        self.records += 1;
        match &record.shape {
            RawShape::Point(_) => self.points += 1,
            RawShape::Polygons(_) => self.polygons += 1,
            RawShape::Other(name) => self.other = Some(name.clone()),
            RawShape::Absent => {}
        }
        for (name, value) in &record.fields {
            let name = name.to_lowercase();
            if ["code", "bm", "编码", "网格编码", "代码", "adcode", "code_1"].contains(&name.as_str()) {
                let text = match value {
                    Value::String(text) => text.trim().to_owned(),
                    Value::Number(number) => number.to_string(),
                    _ => String::new(),
                };
                self.codes.extend(Some(text).filter(|text| !text.is_empty()));
            }
            if !self.columns.contains(&name) {
                self.columns.push(name);
            }
        }
    }

    fn has(&self, words: &[&str]) -> Option<&str> {
        self.columns.iter().map(String::as_str).find(|column| words.contains(column))
    }

    /// The kind, and why.
    fn guess(&self, scheme: &Scheme) -> Option<(Kind, String)> {
        let reported = self.has(&["reported_at", "上报时间", "立案时间"]);
        if self.polygons > 0 {
            let length = scheme.levels()[scheme.grid_level()].length;
            let short = |code: &String| length.is_some_and(|length| code.chars().count() < length);
            return Some(match self.codes.first() {
                Some(code) if self.codes.iter().all(short) => {
                    (Kind::Regions, format!("since it has polygons whose codes ({code:?} …) are shorter than those of grids"))
                }
                _ => (Kind::Grids, "since it has polygons".to_owned()),
            });
        }
        let at = self.has(&["lon", "lng", "x", "经度", "longitude"]);
        if self.points > 0 || at.is_some() {
            let what = at.filter(|_| self.points == 0).map_or("points".to_owned(), |column| format!("a column {column:?}"));
            return Some(match reported {
                Some(column) => (Kind::Cases, format!("since it has {what} and a column {column:?}")),
                None => (Kind::Facilities, format!("since it has {what}")),
            });
        }
        if let Some(column) = self.has(&["households", "户数", "population", "人口"]) {
            return Some((Kind::Households, format!("since it is a table with a column {column:?}")));
        }
        let column = self.has(&["role", "assigned", "职务", "角色", "岗位", "phone", "电话"])?;
        Some((Kind::Staff, format!("since it is a table with a column {column:?}")))
    }
}

fn guess(file: &Path, layer: Option<&str>, scheme: &Scheme) -> Result<Guess, Failure> {
    let told = |detail: String| Failure::Failed(format!("{}: {detail}", file.display()));
    let reader = Reader::open(file, &Reading { layer, ..Reading::default() }).map_err(|fault| told(fault.to_string()))?;
    let mut looks = Looks::default();
    let mut first = None;
    reader.for_each(&mut |record| {
        match record {
            Ok(record) => looks.add(&record),
            Err(fault) => drop(first.get_or_insert(fault)),
        }
        if looks.records < LOOKED_AT { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    if let (0, Some(fault)) = (looks.records, first) {
        return Err(told(fault.to_string()));
    }
    let Some((kind, why)) = looks.guess(scheme) else {
        let columns = looks.columns.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
        let other = looks.other.map(|name| format!("geometries of type {name}, ")).unwrap_or_default();
        return Err(told(format!(
            "what it holds cannot be told from {other}its columns ({columns}): say --as grids|regions|facilities|…"
        )));
    };
    Ok(Guess { file: file.to_owned(), kind, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(shape: RawShape, fields: &[(&str, &str)]) -> Looks {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), Value::from(*value))).collect();
        let mut looks = Looks::default();
        looks.add(&RawRecord { number: 1, fields, shape });
        looks
    }

    #[test]
    fn a_kind_is_guessed_from_shapes_codes_and_columns() {
        let land = || RawShape::Polygons(vec![]);
        for (looks, kind) in [
            (looks(land(), &[("CODE", "330902002001001")]), Some(Kind::Grids)),
            (looks(land(), &[("name", "x")]), Some(Kind::Grids)),
            (looks(land(), &[("code", "330902002")]), Some(Kind::Regions)),
            (looks(RawShape::Point([1.0, 2.0]), &[("highway", "street_lamp")]), Some(Kind::Facilities)),
            (looks(RawShape::Point([1.0, 2.0]), &[("reported_at", "2026-01-01")]), Some(Kind::Cases)),
            (looks(RawShape::Absent, &[("经度", "122"), ("纬度", "30")]), Some(Kind::Facilities)),
            (looks(RawShape::Absent, &[("grid", "1"), ("households", "2")]), Some(Kind::Households)),
            (looks(RawShape::Absent, &[("name", "a"), ("role", "b")]), Some(Kind::Staff)),
            (looks(RawShape::Absent, &[("a", "b")]), None),
        ] {
            assert_eq!(looks.guess(&Scheme::cn()).map(|(kind, _)| kind), kind, "{:?}", looks.columns);
        }
    }
}
