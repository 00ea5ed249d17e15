//! Imports: files come in, run one after the other, are reported on, and can be taken back.

use super::access::{ended, own_page};
use super::body;
use super::caller::Caller;
use super::conditions::once;
use super::error::{Answer, Problem, ProblemCode};
use super::json::{List, Pages, json, raw};
use super::multipart::{Multipart, Pieces, too_large};
use super::path::InPath;
use super::query::{NoQuery, Query, Word, clipped, given, one_of, query};
use crate::app::access;
use crate::app::imports::jobs::{Known, Taken};
use crate::app::imports::{Accept, Kind, Order, Step, instant_named, profile_named, scheme_named};
use crate::app::{Actor, App, ImportState};
use crate::domain::code::Code;
use crate::domain::id::{GridSet, ImportId};
use crate::domain::period::Period;
use crate::domain::rights::Right;
use crate::geom::NamedCrs;
use crate::geom::helmert::Helmert;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use utoipa::ToSchema;
use xxhash_rust::xxh3::Xxh3;

/// Where files are sent to: the one address whose requests may take as long as their bodies keep coming.
pub(super) const ADDRESS: &str = "/api/v1/imports";

/// Longest name of a file, in bytes.
const MOST_NAME: usize = 200;
/// Most bytes of a scheme, a profile, tag rules.
const MOST_SETTINGS: u64 = 16 << 20;

query! {
    /// What is imported, and how: the options of `wangge import`.
    pub struct ImportQuery {
        /// What the files hold.
        #[param(schema_with = kind_schema)]
        kind: Kind,
        /// Name of the file, where the body is one file.
        file: Option<String>,
        /// CRS of the positions; needed unless the files state one that can be trusted. Also planes, like `epsg:4549`.
        #[param(value_type = Option<String>)]
        crs: Option<FileCrsName>,
        /// Seven parameters to CGCS2000 for files on Xian 1980 or Beijing 1954: `dx,dy,dz,rx,ry,rz,s`.
        #[param(value_type = Option<String>)]
        helmert: Option<Seven>,
        /// The files have the northing or the latitude first.
        swap_xy: Option<bool>,
        /// Levels of the city or of the set: `cn` or `plain`; another one is a part `scheme` of the body.
        scheme: Option<String>,
        /// Categories of the city: `gbt47678` or `cjt214`; others are a part `codes` of the body.
        codes: Option<String>,
        /// Foreign tags to categories: `osm`; others are a part `profile` of the body.
        profile: Option<String>,
        /// Layer or sheet of a file that has several.
        layer: Option<String>,
        /// Number grids without a code within their community.
        assign_codes: Option<bool>,
        /// Fields and their columns, `code=name;category==01037;state=`; separated by line breaks where one has a semicolon in it.
        #[param(value_type = Option<String>)]
        map: Option<Lines>,
        /// Faults to take, separated by commas: `gaps-as-void`, `overlap-to-least-code`, `outside-claim`, `unmapped-as=CODE`, `refused`,
        /// `edge-match=METRES` (borders within so many metres of those that stand are drawn up to them).
        #[param(value_type = Option<String>)]
        accept: Option<Accepted>,
        /// Boundaries: in force from this time or day of the city's zone.
        from: Option<String>,
        /// Boundaries of the past: in force until this time or day. Only with `beside`.
        until: Option<String>,
        /// Boundaries: a historical set with a period of its own.
        beside: Option<bool>,
        /// Boundaries: which partition; `governance` when absent.
        set: Option<String>,
        /// Boundaries: replace everything below this code.
        #[param(value_type = Option<String>)]
        within: Option<Code>,
        /// The system that the ids in the files belong to.
        system: Option<String>,
        /// What the data is taken from.
        source: Option<String>,
        /// The day the data describes, `YYYY-MM-DD`.
        #[param(value_type = Option<String>)]
        source_date: Option<Day>,
        /// Most vertices of one record.
        max_vertices: Option<u64>,
        /// Do everything but write.
        dry_run: Option<bool>,
    }
}

query! {
    /// A page of imports.
    pub struct ImportsQuery {
        ..page,
    }
}

query! {
    /// How an import is taken back.
    pub struct UndoQuery {
        /// Only tell whether that could be done.
        dry_run: Option<bool>,
    }
}

/// `crs=` of a file.
#[derive(Debug)]
pub struct FileCrsName(NamedCrs);
/// `helmert=`.
#[derive(Debug)]
pub struct Seven(Helmert);
/// `map=`.
#[derive(Debug)]
pub struct Lines(Vec<String>);
/// `accept=`.
#[derive(Debug)]
pub struct Accepted(Accept);
/// `source_date=`.
#[derive(Debug)]
pub struct Day(jiff::civil::Date);

given!(Kind, FileCrsName, Seven, Lines, Accepted, Day);

impl Word for Kind {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        one_of(field, text, &Self::TABLE.map(|(kind, word)| (word, kind)))
    }
}

/// Whoever brings rows in is told what became of each: nobody brings in what they may not see.
pub(super) fn may_import(actor: &Actor, kind: Kind) -> Answer<()> {
    match kind {
        Kind::Facilities if !actor.hidden.is_empty() => {
            let detail = "some classes of facilities are kept from you: a file of facilities could hold them";
            Err(Problem::new(ProblemCode::Denied, detail))
        }
        Kind::Staff => Ok(actor.needs(Right::Phones)?),
        Kind::Cases => Ok(actor.needs(Right::Texts)?),
        _ => Ok(()),
    }
}

fn kind_schema() -> utoipa::openapi::schema::Object {
    super::query::words(Kind::TABLE.map(|(_, word)| word))
}

impl Word for FileCrsName {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        text.parse()
            .map(Self)
            .map_err(|error| Problem::new(ProblemCode::CrsUnknown, format!("{field}: {error}")).with("field", field))
    }
}

impl Word for Seven {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        text.parse().map(Self).map_err(|error| Problem::bad_parameter(field, error))
    }
}

impl Word for Lines {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        const MOST: usize = 20_000;
        if text.len() > MOST {
            return Err(Problem::bad_parameter(field, format_args!("longer than {MOST} bytes")));
        }
        let separator = if text.contains('\n') { '\n' } else { ';' };
        Ok(Self(text.split(separator).map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()))
    }
}

impl Word for Accepted {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let mut accept = Accept::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            accept.also(word).map_err(|error| Problem::bad_parameter(field, error))?;
        }
        Ok(Self(accept))
    }
}

impl Word for Day {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        text.parse().map(Self).map_err(|error| Problem::bad_parameter(field, error))
    }
}

/// How far an import has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressShape {
    /// `reading`, `mending`, `placing` or `writing`.
    step: &'static str,
    /// Bytes read of the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<u64>,
    /// Bytes of the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// Rows on their way into the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
}

impl ProgressShape {
    fn of(step: Step) -> Self {
        let at = |step| Self { step, read: None, total: None, rows: None };
        match step {
            Step::Reading { read, total } => Self { read: Some(read), total: Some(total), ..at("reading") },
            Step::Mending => at("mending"),
            Step::Placing => at("placing"),
            Step::Writing { rows } => Self { rows: Some(rows), ..at("writing") },
        }
    }
}

/// An import.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportShape {
    /// Its number.
    id: i64,
    /// What is imported.
    kind: String,
    /// Names of the files.
    files: String,
    /// `queued`, `running`, `done`, `failed` (it broke off), or `interrupted` (the server ended before it did).
    state: &'static str,
    /// Of one that is done: `imported`, `unchanged`, `dry_run` or `refused`.
    status: Option<String>,
    /// What it is doing, while it runs.
    progress: Option<ProgressShape>,
    /// How many go before it, while it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<usize>,
    /// CRS of the files.
    crs: Option<String>,
    /// What the data is taken from.
    source: Option<String>,
    /// When it was sent; once it is done, when it began.
    at: String,
    /// The change log's number of its commit.
    revision: Option<u64>,
    /// The number of the commit that took it back.
    undone: Option<u64>,
    /// The report of one that is done: counts, repairs, faults. Lists of more than 200 entries are cut, with their total beside them; the
    /// complete one is `report` below this address. Absent in lists of imports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
    /// Why it broke off.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl ImportShape {
    pub(super) fn of(import: Known, whole: bool) -> Self {
        let Known { id, kind, file, crs, source, at, state, step, ahead, revision, undone, report } = import;
        let text = |name: &str| report.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            id: id.0,
            kind,
            files: file,
            state: state.as_str(),
            status: text("status"),
            progress: step.map(ProgressShape::of),
            ahead,
            crs,
            source,
            at: at.to_string(),
            revision: revision.map(|revision| revision.0),
            undone: undone.map(|revision| revision.0),
            error: text("error").or_else(|| {
                (state == ImportState::Interrupted).then(|| "the server ended before it did; nothing of it is stored".to_owned())
            }),
            report: Some(report).filter(|_| whole && state == ImportState::Done),
        }
    }
}

/// An import that was taken back, or could be.
#[derive(Debug, Serialize, ToSchema)]
pub struct UndoneShape {
    /// Its number.
    id: i64,
    /// The change log's number after it; absent with `dry_run`.
    revision: Option<u64>,
    /// The boundaries in force after it; absent with `dry_run`.
    epoch: Option<u64>,
    /// Rows that leave.
    removed: u64,
    /// Rows that say again what they said before.
    restored: u64,
    /// Nothing was written.
    dry_run: bool,
}

/// Imports files. The body is one file (`file=` gives its name; any media type but `text/plain` and forms), or `multipart/form-data` with
/// parts `file`, each with a file name. A Shapefile comes as a zip file or with all its siblings as parts. The parts `scheme`, `codes` and
/// `profile` hold what the options of these names do not know by name. At most 2 GiB (`serve --upload-limit-mb`). Answered when all
/// files are there; one import runs at a time, up to eight are under way, more are 503 `busy`.
#[utoipa::path(post, path = "/api/v1/imports", tag = "operation",
    params(ImportQuery, ("Idempotency-Key" = Option<String>, Header, description = "A name for this import: sent again, it is answered with the first one. Kept for 30 days")),
    request_body(content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "multipart/form-data"))),
    responses((status = 202, body = ImportShape)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    OriginalUri(uri): OriginalUri,
    query: Query<ImportQuery>,
    request: Request,
) -> Answer<Response> {
    let (parts, stream) = request.into_parts();
    let still = app.still(parts.extensions.get::<access::Known>().cloned()).map(Arc::new);
    let headers = parts.headers;
    body::as_it_is(&headers)?;
    own_page(&app, &headers)?;
    let limit = app.config.upload_limit_bytes;
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    // A name that cannot be one is told before the files come.
    once(&headers, ADDRESS, &Value::Null)?;
    let Query(query) = query;
    let zone = app.published.load().about.time_zone.clone();
    let mut order = order_of(&query, &zone)?;
    if matches!(query.kind, Kind::Regions | Kind::Grids) {
        actor.needs(Right::Plan)?;
    }
    may_import(&actor, query.kind)?;
    let place = app.import_place(&actor)?;
    let mut upload = Upload { folder: place.folder(), files: Vec::new(), settings: Vec::new(), hash: Xxh3::new() };
    upload.receive(&headers, query.file.as_deref(), Pieces::new(stream, limit, still.clone())).await?;
    // What lies behind the last part is not read.
    still.map_or(Ok(()), |still| still.goes_on()).map_err(|why| ended(&why))?;
    let hash = format!("{:016x}", upload.hash.digest());
    let Upload { files, settings, .. } = upload;
    settle(&mut order, files, settings)?;
    let asked = serde_json::json!({ "query": uri.query(), "hash": hash });
    let once = once(&headers, ADDRESS, &asked)?;
    started(app.import_start(&actor, order, place, once).await?)
}

fn started(taken: Taken) -> Answer<Response> {
    let id = taken.import.id;
    let mut response = json(&ImportShape::of(taken.import, true));
    *response.status_mut() = StatusCode::ACCEPTED;
    let place = HeaderValue::from_str(&format!("{ADDRESS}/{id}")).expect("an address of digits is a header value");
    response.headers_mut().insert(header::LOCATION, place);
    if taken.repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What the query says; the files come later.
fn order_of(query: &ImportQuery, zone: &str) -> Answer<Order> {
    let mut order = Order::new(query.kind, Vec::new());
    order.crs = query.crs.as_ref().map(|crs| crs.0);
    order.helmert = query.helmert.as_ref().map(|helmert| helmert.0);
    order.swap_xy = query.swap_xy.unwrap_or(false);
    order.layer.clone_from(&query.layer);
    order.map = query.map.as_ref().map(|lines| lines.0.clone()).unwrap_or_default();
    order.system.clone_from(&query.system);
    order.source.clone_from(&query.source);
    order.source_date = query.source_date.as_ref().map(|day| day.0);
    order.accept = query.accept.as_ref().map(|accepted| accepted.0.clone()).unwrap_or_default();
    order.dry_run = query.dry_run.unwrap_or(false);
    if let Some(most) = query.max_vertices {
        order.max_vertices = usize::try_from(most).unwrap_or(usize::MAX);
    }
    if query.until.is_some() && query.beside != Some(true) {
        return Err(Problem::bad_parameter("until", "goes with beside=true"));
    }
    let instant = |field: &'static str, text: &Option<String>| {
        let found = |text: &String| {
            let why = || format!("{:?} is no time: 2026-03-01, or 2026-03-01T08:00:00+08:00", clipped(text));
            instant_named(text, zone).ok_or_else(|| Problem::bad_parameter(field, why()))
        };
        text.as_ref().map(found).transpose()
    };
    order.boundaries.period = Period { from: instant("from", &query.from)?, until: instant("until", &query.until)? };
    order.boundaries.beside = query.beside.unwrap_or(false);
    order.boundaries.assign_codes = query.assign_codes.unwrap_or(false);
    order.boundaries.within.clone_from(&query.within);
    if let Some(set) = &query.set {
        order.boundaries.set = GridSet::new(set).map_err(|error| Problem::bad_parameter("set", error))?;
    }
    // Names only: a name of a file would be one of this machine's.
    let named = |field: &'static str, name: &Option<String>, known: &[&'static str]| -> Answer<Option<String>> {
        let Some(name) = name else { return Ok(None) };
        one_of(field, name, &known.iter().map(|name| (*name, *name)).collect::<Vec<_>>()).map(|name| Some(name.to_owned()))
    };
    let unreadable = |field: &'static str| move |fault: crate::domain::fault::Fault| Problem::bad_parameter(field, fault);
    order.scheme = match named("scheme", &query.scheme, &["cn", "plain"])? {
        Some(name) => Some(scheme_named(&name).map_err(unreadable("scheme"))?),
        None => None,
    };
    order.profile = match named("codes", &query.codes, &crate::interchange::profile::BUILTIN)? {
        Some(name) => Some(profile_named(&name).map_err(unreadable("codes"))?),
        None => None,
    };
    order.tags = named("profile", &query.profile, &["osm"])?;
    Ok(order)
}

/// What came with the body.
fn settle(order: &mut Order, mut files: Vec<PathBuf>, settings: Vec<(&'static str, PathBuf)>) -> Answer<()> {
    for (field, path) in settings {
        let path = path.to_string_lossy().into_owned();
        match field {
            "scheme" => order.scheme = Some(scheme_named(&path).map_err(|fault| Problem::bad_field(field, fault))?),
            "codes" => order.profile = Some(profile_named(&path).map_err(|fault| Problem::bad_field(field, fault))?),
            _ => order.tags = Some(path),
        }
    }
    // The siblings of a Shapefile are read with it.
    let is_shape = |path: &PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("shp"));
    if files.iter().any(is_shape) {
        files.retain(is_shape);
    }
    if files.is_empty() {
        return Err(Problem::missing_field("file"));
    }
    order.files = files;
    Ok(())
}

/// Files on their way in.
struct Upload<'p> {
    folder: &'p Path,
    files: Vec<PathBuf>,
    settings: Vec<(&'static str, PathBuf)>,
    /// Of names and contents.
    hash: Xxh3,
}

impl Upload<'_> {
    async fn receive(&mut self, headers: &HeaderMap, name: Option<&str>, mut pieces: Pieces) -> Answer<()> {
        let media_type = body::media_type(headers);
        if media_type != "multipart/form-data" {
            // Pages of other sites can send these here without being asked, and nothing says whose they are.
            if matches!(media_type.as_str(), "" | "text/plain" | "application/x-www-form-urlencoded")
                || media_type.starts_with("multipart/")
            {
                let detail =
                    format!("content-type {:?}: a file is application/octet-stream, or what it is", clipped(&media_type));
                return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
            }
            let path = self.path("file", name.unwrap_or("upload"))?;
            let mut file = new_file(&path).await?;
            while let Some(piece) = pieces.next().await? {
                self.write(&mut file, &piece).await?;
            }
            flush(file).await?;
            self.files.push(path);
            return Ok(());
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let mut multipart = Multipart::new(&kind, pieces)?;
        while let Some(part) = multipart.part().await? {
            let known = ["file", "scheme", "codes", "profile"];
            let Some(field) = known.into_iter().find(|known| *known == part.name) else {
                let detail = format!("{:?} is not known here; known are {}", part.name, known.join(", "));
                return Err(Problem::new(ProblemCode::UnknownField, detail)
                    .with("field", part.name)
                    .with("allowed", known.to_vec()));
            };
            let given = part.file_name.filter(|name| !name.is_empty());
            let path = if field == "file" {
                self.path(field, given.as_deref().ok_or_else(|| Problem::bad_field("file", "the part has no file name"))?)?
            } else {
                if self.settings.iter().any(|(known, _)| *known == field) {
                    return Err(Problem::bad_field(field, "stands twice"));
                }
                // Its ending says how it is written.
                let ending = given.as_deref().is_some_and(|name| name.to_ascii_lowercase().ends_with(".json"));
                self.folder.join(format!(".{field}.{}", if ending { "json" } else { "toml" }))
            };
            self.hash.update(field.as_bytes());
            self.hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
            let mut file = new_file(&path).await?;
            let mut size = 0;
            while let Some(piece) = multipart.piece().await? {
                size += piece.len() as u64;
                if field != "file" && size > MOST_SETTINGS {
                    return Err(too_large(MOST_SETTINGS));
                }
                self.write(&mut file, &piece).await?;
            }
            flush(file).await?;
            match field {
                "file" => self.files.push(path),
                other => self.settings.push((other, path)),
            }
        }
        Ok(())
    }

    async fn write(&mut self, file: &mut tokio::fs::File, piece: &Bytes) -> Answer<()> {
        self.hash.update(piece);
        file.write_all(piece).await.map_err(|error| not_kept(&error))
    }

    /// Where a file of this name goes: its last part alone, whatever path is given.
    fn path(&self, field: &str, name: &str) -> Answer<PathBuf> {
        let name: String = name.rsplit(['/', '\\']).next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        let name = name.trim();
        if name.is_empty() || name.starts_with('.') || name.len() > MOST_NAME {
            let detail = format!("a file is called by 1 to {MOST_NAME} bytes that do not begin with a dot");
            return Err(Problem::bad_field(field, detail));
        }
        let path = self.folder.join(name);
        if self.files.contains(&path) {
            return Err(Problem::bad_field(field, format_args!("two files are called {:?}", clipped(name))));
        }
        Ok(path)
    }
}

async fn new_file(path: &Path) -> Answer<tokio::fs::File> {
    tokio::fs::File::create(path).await.map_err(|error| not_kept(&error))
}

async fn flush(mut file: tokio::fs::File) -> Answer<()> {
    file.flush().await.map_err(|error| not_kept(&error))
}

fn not_kept(error: &std::io::Error) -> Problem {
    tracing::error!(%error, "the file of an import could not be kept");
    Problem::new(ProblemCode::Internal, "the file could not be kept; the log says why")
}

/// One import: how far it is, and its report once it is done.
#[utoipa::path(get, path = "/api/v1/imports/{id}", tag = "operation", params(NoQuery, ("id" = i64, Path, description = "The import's number")),
    responses((status = 200, body = ImportShape)))]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    _: Query<NoQuery>,
) -> Answer<Response> {
    Ok(json(&ImportShape::of(app.import(&actor, ImportId(id)).await?, true)))
}

/// The complete report of an import, every repair and fault in it; of one before the last ten, or before the server started, what is kept.
#[utoipa::path(get, path = "/api/v1/imports/{id}/report", tag = "operation",
    params(NoQuery, ("id" = i64, Path, description = "The import's number")), responses((status = 200, body = Object)))]
pub async fn report(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    _: Query<NoQuery>,
) -> Answer<Response> {
    match app.import_whole_report(&actor, ImportId(id)).await? {
        Some(bytes) => Ok(raw(bytes, "application/json")),
        None => Err(Problem::new(ProblemCode::NotFound, format!("import {id} has no report: it is not done"))),
    }
}

/// Imports, the newest first, without their reports.
#[utoipa::path(get, path = "/api/v1/imports", tag = "operation", params(ImportsQuery), responses((status = 200, body = List<ImportShape>)))]
pub async fn all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<ImportsQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let view = app.view(&actor);
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    let page = app.import_list(&actor, pages.after, pages.limit).await?;
    let items = page.items.into_iter().map(|import| ImportShape::of(import, false)).collect();
    Ok(json(&pages.page(&view, page.number_matched, items, page.next)))
}

/// Takes an import back: what it added leaves, what it changed says again what it said before. Only while nothing newer touched its rows
/// (409 `touched` says which), of the last ten imports, and while no other import runs. The import and its report stay in the list. Of
/// boundaries the ones before are published again, as an epoch of their own.
#[utoipa::path(post, path = "/api/v1/imports/{id}/undo", tag = "operation",
    params(UndoQuery, ("id" = i64, Path, description = "The import's number")), responses((status = 200, body = UndoneShape)))]
pub async fn undo(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<i64>,
    Query(query): Query<UndoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    own_page(&app, &headers)?;
    let dry_run = query.dry_run.unwrap_or(false);
    let undone = app.import_undo(&actor, ImportId(id), dry_run).await?;
    Ok(json(&UndoneShape {
        id,
        revision: undone.committed.map(|commit| commit.revision.0),
        epoch: undone.committed.map(|commit| commit.epoch.0),
        removed: undone.removed,
        restored: undone.restored,
        dry_run,
    }))
}
