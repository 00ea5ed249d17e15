//! What a server answers to its lists, as rows to compare. A store is asked the same way, by a router in this process, without a socket.

use super::Failure;
use crate::app::App;
use crate::app::compare::{City, Side};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::hash::hash64;
use crate::domain::percent::encoded;
use crate::geom::morton::morton;
use crate::geom::{LatticePoint, LonLat};
use crate::http;
use crate::store::{Access, CityRow, Place, Store};
use crate::upstream::Upstream;
use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What is asked for, in this order.
pub(super) const KINDS: [&str; 9] =
    ["city", "categories", "regions", "grids", "other_sets", "facilities", "cases", "organizations", "buildings"];

const CITY: usize = 0;
const CATEGORIES: usize = 1;
const REGIONS: usize = 2;
const GRIDS: usize = 3;
const OTHER_SETS: usize = 4;
const FACILITIES: usize = 5;
const CASES: usize = 6;
const ORGANIZATIONS: usize = 7;
const BUILDINGS: usize = 8;

/// Members of `/api/v1/meta` that say something of the city, not of the settings of its server.
const OF_THE_CITY: [&str; 11] = [
    "epoch",
    "title",
    "synthetic",
    "time_zone",
    "scheme",
    "root",
    "root_grids",
    "bbox",
    "counts",
    "facilities_outside",
    "grid_sets",
];

/// Items of a page.
const PAGE: usize = 2000;
/// Most bytes of an answer.
const MOST: usize = 256 << 20;
/// Requests under way at one time to one server.
const AT_ONCE: usize = 8;
/// How often a server that is busy, or not at the revision yet, is asked again, and after which time.
const AGAIN: usize = 60;
const PAUSE: Duration = Duration::from_millis(500);
/// How often one is waited for to come to the revision of the other.
const CATCH_UP: usize = 10;

/// A city that answers.
pub(super) struct Asked {
    place: String,
    who: Who,
    headers: Vec<(&'static str, String)>,
    /// The lowest and highest revision of an answer.
    revisions: (AtomicU64, AtomicU64),
}

enum Who {
    /// At an address, without a slash at its end.
    Server(Box<Upstream>),
    /// In this process.
    Here(http::Routes, Store),
}

impl Asked {
    /// A server at an address. `authorities`: certificates that are trusted beside those that browsers trust.
    pub(super) fn server(address: &str, token: Option<&str>, authorities: Option<&Path>) -> Result<Self, Failure> {
        let upstream = Upstream::new(authorities).map_err(|error| Failure::Usage(error.to_string()))?;
        let headers = token.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect();
        Ok(Self::new(address.trim_end_matches('/').to_owned(), Who::Server(Box::new(upstream)), headers))
    }

    /// A store, loaded and asked in this process.
    pub(super) async fn store(place: String, path: &Path) -> Result<Self, Failure> {
        let store = Store::open(path, Access::Read).await?;
        let app = App::open(store.clone(), Config::new(path.to_owned()), Clock::System).await?;
        Ok(Self::new(place, Who::Here(http::router(Arc::new(app)), store), Vec::new()))
    }

    fn new(place: String, who: Who, headers: Vec<(&'static str, String)>) -> Self {
        Self { place, who, headers, revisions: (AtomicU64::new(u64::MAX), AtomicU64::new(0)) }
    }

    /// Status and body of an answer. Who is busy is asked again.
    async fn answer(&self, path: &str) -> Result<(u16, Value), Failure> {
        let broken = |why: String| Failure::Failed(format!("{}: {why}", self.place));
        let mut left = AGAIN;
        loop {
            let (status, body) = match &self.who {
                Who::Server(upstream) => upstream
                    .told(&format!("{}{path}", self.place), &self.headers, MOST)
                    .await
                    .map_err(|error| broken(error.to_string()))?,
                Who::Here(router, _) => {
                    http::answered(router, path, &self.headers).await.map_err(|error| broken(error.to_string()))?
                }
            };
            if matches!(status, 429 | 503) && left > 0 {
                left -= 1;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let body: Value = serde_json::from_slice(&body).map_err(|_| broken(format!("{path} answers {status}, no JSON")))?;
            if let Some(revision) = body["revision"].as_u64() {
                self.revisions.0.fetch_min(revision, Ordering::Relaxed);
                self.revisions.1.fetch_max(revision, Ordering::Relaxed);
            }
            return Ok((status, body));
        }
    }

    /// The body of a success.
    async fn got(&self, path: &str) -> Result<Value, Failure> {
        match self.answer(path).await? {
            (200, body) => Ok(body),
            (status, body) => Err(self.refused(path, status, &body)),
        }
    }

    fn refused(&self, path: &str, status: u16, body: &Value) -> Failure {
        let why = body["detail"].as_str().unwrap_or("no reason is told");
        let hint =
            if matches!(status, 401 | 403) { "; --token-file names a file with a token that sees the whole city" } else { "" };
        Failure::Failed(format!("{}{path}: {status}, {why}{hint}", self.place))
    }

    async fn revision(&self) -> Result<u64, Failure> {
        let meta = self.got("/api/v1/meta").await?;
        meta["revision"].as_u64().ok_or_else(|| Failure::Failed(format!("{} is no wangge server", self.place)))
    }

    /// Waits a while for a revision; whether it is there.
    async fn reaches(&self, wanted: u64) -> Result<bool, Failure> {
        for _ in 0..CATCH_UP {
            if self.revision().await? >= wanted {
                return Ok(true);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    }

    /// What is told of it at the end.
    pub(super) async fn city(&self) -> Result<City, Failure> {
        let until = self.revision().await?;
        let revision = self.revisions.0.load(Ordering::Relaxed).min(until);
        Ok(City { place: self.place.clone(), revision, until: self.revisions.1.load(Ordering::Relaxed).max(until) })
    }

    pub(super) async fn close(&self) -> Result<(), Failure> {
        match &self.who {
            Who::Here(_, store) => Ok(store.close().await?),
            Who::Server(_) => Ok(()),
        }
    }
}

/// Two cities from one revision on, if the one that is behind gets there: from then on neither answers with less.
pub(super) async fn level(a: &mut Asked, b: &mut Asked) -> Result<(), Failure> {
    let (of_a, of_b) = (a.revision().await?, b.revision().await?);
    let common = of_a.max(of_b);
    let there = if of_a < of_b { a.reaches(common).await? } else { b.reaches(common).await? };
    for asked in [a, b] {
        // What was answered until here is not what is compared.
        asked.revisions = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
        if there {
            asked.headers.push(("min-revision", common.to_string()));
        }
    }
    Ok(())
}

/// The rows of a city that answers.
pub(super) struct Answers {
    told: mpsc::Receiver<Vec<CityRow>>,
    task: Option<JoinHandle<Result<(), Failure>>>,
}

impl Answers {
    pub(super) fn of(asked: Arc<Asked>) -> Self {
        let (to, told) = mpsc::channel(2);
        Self { told, task: Some(tokio::spawn(async move { tell(&asked, &to).await })) }
    }
}

impl Side for Answers {
    type Error = Failure;

    async fn next(&mut self) -> Result<Option<Vec<CityRow>>, Failure> {
        if let Some(rows) = self.told.recv().await {
            return Ok(Some(rows));
        }
        match self.task.take() {
            None => Ok(None),
            Some(task) => task.await?.map(|()| None),
        }
    }
}

type To = mpsc::Sender<Vec<CityRow>>;

/// Tells some rows. When nobody listens any more, the comparison has failed elsewhere.
async fn send(to: &To, rows: Vec<CityRow>) -> Result<(), Failure> {
    to.send(rows).await.map_err(|_| Failure::Failed("the comparison was given up".to_owned()))
}

fn row(kind: usize, place: Place, key: impl Into<String>, says: Value) -> CityRow {
    let says = match says {
        Value::Object(mut says) => {
            says.remove("revision");
            says
        }
        other => Map::from_iter([("says".to_owned(), other)]),
    };
    CityRow { kind, place, key: key.into(), says }
}

async fn tell(asked: &Arc<Asked>, to: &To) -> Result<(), Failure> {
    let meta = asked.got("/api/v1/meta").await?;
    let members = meta.as_object().into_iter().flatten();
    let city: Map<String, Value> = members
        .filter(|(name, _)| OF_THE_CITY.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    send(to, vec![row(CITY, Place::default(), "meta", city.into())]).await?;

    let mut categories = Vec::new();
    for kind in ["component", "matter", "organization"] {
        categories.extend(pages(asked, &format!("/api/v1/categories?kind={kind}")).await?);
    }
    let by_code = |item: &Value| Place::default().then_text(word(item, "kind")).then_text(word(item, "code"));
    send(to, sorted(CATEGORIES, categories, by_code, |item| format!("{} {}", word(item, "kind"), word(item, "code")))).await?;

    let levels: Vec<String> =
        meta["scheme"]["levels"].as_array().into_iter().flatten().map(|level| word(level, "name").to_owned()).collect();
    units(asked, to, None, &levels).await?;
    let sets = meta["grid_sets"].as_array().into_iter().flatten().map(|set| word(set, "set"));
    let mut sets: Vec<&str> = sets.filter(|set| *set != "governance").collect();
    sets.sort_unstable();
    for set in sets {
        units(asked, to, Some(set), &levels_of(asked, set).await?).await?;
    }

    let id = |item: &Value| item["id"].as_i64().unwrap_or(0);
    let by_id = |item: &Value| Place::default().then_number(id(item));
    stream(asked, to, FACILITIES, "/api/v1/facilities", &|item| by_place(item).then_number(id(item))).await?;
    // The most pressing first, which a difference would change: they are few.
    let cases = pages(asked, "/api/v1/cases").await?;
    send(to, sorted(CASES, cases, by_id, |item| id(item).to_string())).await?;
    stream(asked, to, ORGANIZATIONS, "/api/v1/organizations", &by_id).await?;
    stream(asked, to, BUILDINGS, "/api/v1/buildings", &by_id).await
}

fn word<'v>(item: &'v Value, name: &str) -> &'v str {
    item[name].as_str().unwrap_or_default()
}

/// Where a facility stands in the list: along a curve over the plane.
fn by_place(item: &Value) -> Place {
    let ordinate = |at: usize| item["position"][at].as_f64().unwrap_or(0.0);
    let at = LonLat::new(ordinate(0), ordinate(1)).map(LatticePoint::nearest);
    Place::default().then_number(at.map_or(0, |at| (morton(at.x, at.y) ^ (1 << 63)).cast_signed()))
}

fn sorted(kind: usize, items: Vec<Value>, place: impl Fn(&Value) -> Place, key: impl Fn(&Value) -> String) -> Vec<CityRow> {
    let mut rows: Vec<CityRow> = items
        .into_iter()
        .map(|item| {
            let (place, key) = (place(&item), key(&item));
            row(kind, place, key, item)
        })
        .collect();
    rows.sort_by(|a, b| a.place.cmp(&b.place));
    rows
}

/// The next page of a list, and where the one after it begins.
async fn page(asked: &Asked, list: &str, cursor: Option<&str>) -> Result<(Vec<Value>, Option<String>), Failure> {
    let sign = if list.contains('?') { '&' } else { '?' };
    let cursor = cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
    let mut answer = asked.got(&format!("{list}{sign}limit={PAGE}{cursor}")).await?;
    let items = match answer["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    Ok((items, answer["cursor"].as_str().map(str::to_owned)))
}

/// A list that is short, whole.
async fn pages(asked: &Asked, list: &str) -> Result<Vec<Value>, Failure> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let (items, next) = page(asked, list, cursor.as_deref()).await?;
        all.extend(items);
        cursor = next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// A list in the order of its places, page by page.
async fn stream(
    asked: &Asked,
    to: &To,
    kind: usize,
    list: &str,
    place: &(dyn Fn(&Value) -> Place + Send + Sync),
) -> Result<(), Failure> {
    let mut cursor = None;
    loop {
        let (items, next) = page(asked, list, cursor.as_deref()).await?;
        let rows = items.into_iter().map(|item| {
            let (place, key) = (place(&item), item["id"].to_string());
            row(kind, place, key, item)
        });
        send(to, rows.collect()).await?;
        cursor = next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

fn in_set(set: Option<&str>) -> String {
    set.map(|set| format!("&set={}", encoded(set))).unwrap_or_default()
}

/// Names of the levels of a set: a level that is none of them is refused with all there are.
async fn levels_of(asked: &Asked, set: &str) -> Result<Vec<String>, Failure> {
    let path = format!("/api/v1/regions/codes?level=-{}", in_set(Some(set)));
    let (status, body) = asked.answer(&path).await?;
    let allowed = body["allowed"].as_array().ok_or_else(|| asked.refused(&path, status, &body))?;
    Ok(allowed.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

async fn codes_of(asked: &Asked, level: &str, set: Option<&str>) -> Result<Vec<String>, Failure> {
    let answer = asked.got(&format!("/api/v1/regions/codes?level={}{}", encoded(level), in_set(set))).await?;
    let codes = answer["codes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(codes.map(str::to_owned).collect())
}

/// All regions of a set, then its grids, each by code: outline, and in the hierarchy's own set all that its card says.
async fn units(asked: &Arc<Asked>, to: &To, set: Option<&str>, levels: &[String]) -> Result<(), Failure> {
    let Some((grids, regions)) = levels.split_last() else { return Ok(()) };
    let mut codes = Vec::new();
    for level in regions {
        codes.extend(codes_of(asked, level, set).await?);
    }
    let of_regions = ("regions", set.map_or(REGIONS, |_| OTHER_SETS), codes);
    let of_grids = ("grids", set.map_or(GRIDS, |_| OTHER_SETS), codes_of(asked, grids, set).await?);
    for (at, (route, kind, mut codes)) in [of_regions, of_grids].into_iter().enumerate() {
        codes.sort_unstable();
        for some in codes.chunks(AT_ONCE) {
            let told = try_join_all(some.iter().map(|code| unit(asked, route, code, set))).await?;
            let rows = some.iter().zip(told).filter_map(|(code, says)| {
                let place = Place::default().then_text(set.unwrap_or_default()).then_number(at as i64).then_text(code);
                let key = set.map_or_else(|| code.clone(), |set| format!("{set} {code}"));
                says.map(|says| row(kind, place, key, says))
            });
            send(to, rows.collect()).await?;
        }
    }
    Ok(())
}

/// What is told of a region or grid; `None`: it is gone since its code was told.
async fn unit(asked: &Asked, route: &str, code: &str, set: Option<&str>) -> Result<Option<Value>, Failure> {
    let place = format!("/api/v1/{route}/{}", encoded(code));
    let one = async |path: String| match asked.answer(&path).await? {
        (200, body) => Ok(Some(body)),
        (404, _) => Ok(None),
        (status, body) => Err(asked.refused(&path, status, &body)),
    };
    let Some(mut outline) = one(format!("{place}/outline?crs=cgcs2000{}", in_set(set))).await? else { return Ok(None) };
    let land = outline["geometry"].take();
    let text = land["coordinates"].to_string();
    let shown = format!("{} positions, hash {:016x}", positions(&land["coordinates"]), hash64(text.as_bytes()));
    let mut says = match set {
        Some(_) => outline,
        None => match one(place).await? {
            Some(card) => card,
            None => return Ok(None),
        },
    };
    says["geometry"] = if land.is_null() { land } else { shown.into() };
    without_phones(&mut says);
    Ok(Some(says))
}

fn positions(coordinates: &Value) -> usize {
    match coordinates.as_array() {
        Some(all) if all.first().is_some_and(Value::is_number) => 1,
        Some(all) => all.iter().map(positions).sum(),
        None => 0,
    }
}

/// Who may see them is a matter of each server.
fn without_phones(says: &mut Value) {
    match says {
        Value::Object(members) => {
            members.remove("phone");
            members.values_mut().for_each(without_phones);
        }
        Value::Array(items) => items.iter_mut().for_each(without_phones),
        _ => {}
    }
}
