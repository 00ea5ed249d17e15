//! Sources and sinks of the settings: what is known of them, and having a source looked at now.

use super::access::own_page;
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::imports::{self, ImportShape, may_import};
use super::json::json;
use super::path::InPath;
use super::query::{NoQuery, Query, Word, given, one_of, query};
use super::shapes;
use crate::app::imports::Kind;
use crate::app::sources::{Held, Outcome, Source, State, Wish};
use crate::app::{App, AppError};
use crate::domain::rights::Right;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// How long an answer waits for a source to be read; it is read on after that.
const PATIENCE: Duration = Duration::from_secs(20);

query! {
    /// How a source is looked at.
    pub struct RunQuery {
        /// `loss`: it lost many rows, and that is right.
        #[param(schema_with = accept_schema)]
        accept: Option<Accepted>,
        /// Do everything but write.
        dry_run: Option<bool>,
    }
}

/// `accept=`.
#[derive(Debug, Clone, Copy)]
pub struct Accepted;

given!(Accepted);

impl Word for Accepted {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        one_of(field, text, &[("loss", Self)])
    }
}

fn accept_schema() -> utoipa::openapi::schema::Object {
    super::query::words(["loss"])
}

/// Sources.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sources<'a> {
    /// The change log's number that is loaded.
    revision: u64,
    /// In the order of the settings.
    items: Vec<SourceShape<'a>>,
}

/// A source: a table or folder of others that is brought in again and again.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceShape<'a> {
    /// Stable name.
    id: &'a str,
    /// What is brought in.
    kind: &'static str,
    /// Where it is, without a password.
    place: String,
    /// How often it is looked at.
    every_minutes: u64,
    /// It is looked at just now, or its import is under way.
    running: bool,
    /// When it was last looked at; null: not yet.
    checked_at: Option<String>,
    /// Seconds since the city last said what the source says; null: it never did.
    age_s: Option<u64>,
    /// When something of it last changed the city.
    changed_at: Option<String>,
    /// Rows that were last taken.
    rows: Option<u64>,
    /// Its last import.
    import: Option<i64>,
    /// What was wrong the last time; null: nothing.
    problem: Option<String>,
    /// It lost many rows: nothing of it is brought in until a person accepts that (`accept=loss`), or it has them again.
    held: Option<HeldShape>,
}

/// What a source lost.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldShape {
    /// Rows that were last taken.
    rows_before: u64,
    /// Rows that it has now.
    rows_now: u64,
    /// Rows fewer.
    lost: u64,
    /// Since when.
    since: String,
}

/// What became of a look at a source.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunShape<'a> {
    /// `started`: an import is under way; `unchanged`: it says what it said; `reading`: it takes long, and goes on.
    outcome: &'static str,
    /// The import, when one was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<ImportShape>,
    /// What is known of the source.
    source: SourceShape<'a>,
}

/// Sinks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sinks<'a> {
    /// The change log's number that is loaded.
    revision: u64,
    /// In the order of the settings.
    items: Vec<SinkShape<'a>>,
}

/// A sink: a schema of another database that has the boundaries in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct SinkShape<'a> {
    /// Stable name.
    id: &'a str,
    /// Where it is, without a password.
    place: String,
    /// The schema.
    schema: &'a str,
    /// It lacks what is in force.
    behind: bool,
    /// The boundaries that it has, as far as this server knows.
    epoch: Option<u64>,
    /// When this server last saw to it.
    at: Option<String>,
    /// What was wrong the last time; null: nothing. It is tried again.
    problem: Option<String>,
}

impl<'a> SourceShape<'a> {
    fn of(app: &App, source: &'a Source, state: State, running: bool, zone: &jiff::tz::TimeZone) -> Self {
        let time = |at| shapes::time(at, zone);
        Self {
            id: &source.about.id,
            kind: source.kind().as_str(),
            place: source.place(),
            every_minutes: source.about.every.as_secs() / 60,
            running,
            checked_at: state.checked_at.map(time),
            age_s: state.age_s(app.clock.now()),
            changed_at: state.changed_at.map(time),
            rows: state.rows,
            import: state.import,
            held: state.held.map(|Held { rows_before, rows_now, lost, since }| HeldShape {
                rows_before,
                rows_now,
                lost,
                since: time(since),
            }),
            problem: state.problem,
        }
    }
}

/// Whoever may import what a source brings.
fn may_run(actor: &crate::app::Actor, kind: Kind) -> Answer<()> {
    if matches!(kind, Kind::Regions | Kind::Grids) {
        actor.needs(Right::Plan)?;
    }
    may_import(actor, kind)
}

/// What sources there are, how old they are, and what is wrong with them.
#[utoipa::path(get, path = "/api/v1/sources", tag = "operation", params(NoQuery), responses((status = 200, body = Sources)))]
pub async fn all(Shared(app): Shared<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>) -> Answer<Response> {
    let view = app.view(&actor);
    told_by_store(&app).await?;
    let zone = shapes::zone(&view);
    let items = app.sources().list().into_iter();
    let items = items.filter(|(source, ..)| may_run(&actor, source.kind()).is_ok());
    let items = items.map(|(source, state, running)| SourceShape::of(&app, source, state, running, &zone)).collect();
    Ok(json(&Sources { revision: view.city.revision.0, items }))
}

/// What the store knows, or what was known last.
async fn told_by_store(app: &App) -> Answer<()> {
    match app.sources_refresh().await {
        Ok(()) | Err(AppError::Away) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Has a source looked at now. 202 when it says something else and an import of it is under way, 200 when it says what it said; 409 `held`
/// when it lost many rows and `accept=loss` is not said; 502 `upstream_failed` when it could not be read. Needs the rights that an import of
/// its kind needs.
#[utoipa::path(post, path = "/api/v1/sources/{id}/run", tag = "operation",
    params(RunQuery, ("id" = String, Path, description = "Of the source")),
    responses((status = 200, body = RunShape), (status = 202, body = RunShape)))]
pub async fn run(
    Shared(app): Shared<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<String>,
    Query(query): Query<RunQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    own_page(&app, &headers)?;
    if let Some((source, ..)) = app.sources().list().into_iter().find(|(source, ..)| source.about.id == id) {
        may_run(&actor, source.kind())?;
    }
    let wish = Wish { accept_loss: query.accept.is_some(), dry_run: query.dry_run.unwrap_or(false), again: true };
    let looked = tokio::time::timeout(PATIENCE, app.source_run(&actor, &id, wish)).await;
    let (outcome, import) = match looked {
        Err(_) => ("reading", None),
        Ok(outcome) => match outcome? {
            Outcome::Started(taken) => ("started", Some(taken.import)),
            Outcome::Unchanged => ("unchanged", None),
            Outcome::Held(Held { rows_before, rows_now, lost, .. }) => {
                let detail = format!(
                    "the source {id} had {rows_before} rows and has {rows_now}: nothing is brought in. If that is right, say accept=loss"
                );
                let problem = Problem::new(ProblemCode::Held, detail).with("rows_before", rows_before);
                return Err(problem.with("rows_now", rows_now).with("lost", lost));
            }
            Outcome::Problem(why) => {
                return Err(Problem::new(ProblemCode::UpstreamFailed, format!("the source {id}: {why}")));
            }
        },
    };
    let view = app.view(&actor);
    let zone = shapes::zone(&view);
    let found = app.sources().list().into_iter().find(|(source, ..)| source.about.id == id);
    let Some((source, state, running)) = found else {
        return Err(Problem::new(ProblemCode::UnknownSource, format!("there is no source {id:?}")));
    };
    let place = import.as_ref().map(|import| format!("{}/{}", imports::ADDRESS, import.id));
    let import = import.map(|import| ImportShape::of(import, true));
    let mut response = json(&RunShape { outcome, import, source: SourceShape::of(&app, source, state, running, &zone) });
    if outcome != "unchanged" {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    let place = place.map(|place| HeaderValue::from_str(&place).expect("an address of digits is a header value"));
    response.headers_mut().extend(place.map(|place| (header::LOCATION, place)));
    Ok(response)
}

/// What sinks there are, and whether they have what is in force.
#[utoipa::path(get, path = "/api/v1/sinks", tag = "operation", params(NoQuery), responses((status = 200, body = Sinks)))]
pub async fn sinks(Shared(app): Shared<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>) -> Answer<Response> {
    let view = app.view(&actor);
    let zone = shapes::zone(&view);
    let items = app.sinks().list().into_iter().map(|(sink, state)| SinkShape {
        id: &sink.id,
        place: sink.url.shown(),
        schema: &sink.schema,
        behind: state.behind,
        epoch: state.epoch,
        at: state.at.map(|at| shapes::time(at, &zone)),
        problem: state.problem,
    });
    Ok(json(&Sinks { revision: view.city.revision.0, items: items.collect() }))
}
