//! One look at a source: read, compared with what was last taken, and brought in when it says something else.

use super::{Gathered, Held, Source, State, folder};
use crate::app::imports::jobs::{Known, Place, Taken};
use crate::app::imports::{Order, Report, Status, counted, tried};
use crate::app::{Actor, App, AppError, ImportState};
use crate::config::Config;
use crate::config::sources::Place as Where;
#[cfg(feature = "postgres")]
use crate::config::sources::Rows;
use crate::domain::audit::Action;
use crate::domain::category::CodeProfile;
use crate::domain::hash::hash64;
use crate::domain::id::ImportId;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often it is asked whether an import is over.
const ASK: Duration = Duration::from_millis(50);

/// Rows that are read to see whether a source can be read.
#[cfg(feature = "postgres")]
const SOME_ROWS: u64 = 100;

/// What whoever has a source looked at wants besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// It lost many rows, and that is right.
    pub accept_loss: bool,
    /// Everything but the writing.
    pub dry_run: bool,
    /// A person asks: what was refused is tried again.
    pub again: bool,
}

/// What became of a look at a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It says something else; an import of it is under way.
    Started(Box<Taken>),
    /// It says what it said.
    Unchanged,
    /// It lost many rows, and waits for a person.
    Held(Held),
    /// It could not be read, or cannot be taken.
    Problem(String),
}

/// Who brings in what a source has when nobody asked for it.
pub(super) fn actor(source: &Source) -> Actor {
    Actor { id: format!("source:{}", source.about.id), ..Actor::local() }
}

/// Lets others of this server look at the source again.
struct Running {
    app: Arc<App>,
    id: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.sources.running().remove(&self.id);
    }
}

impl App {
    /// Looks at a source now. Answers as soon as it is known what is to be done; an import that it begins goes on, whoever waits for it.
    pub async fn source_run(self: &Arc<Self>, actor: &Arc<Actor>, id: &str, wish: Wish) -> Result<Outcome, AppError> {
        let source = self.sources.all.iter().find(|source| source.about.id == id).cloned();
        let source = source.ok_or_else(|| AppError::UnknownName {
            what: "source",
            name: id.chars().take(64).collect(),
            known: self.sources.all.iter().map(|source| source.about.id.clone()).collect(),
        })?;
        self.takes_writes()?;
        if !self.sources.running().insert(id.to_owned()) {
            return Err(AppError::Busy);
        }
        let running = Running { app: Arc::clone(self), id: id.to_owned() };
        let (tell, told) = oneshot::channel();
        let (app, actor) = (Arc::clone(self), Arc::clone(actor));
        // On a task of its own: whoever asked may hang up.
        tokio::spawn(async move { app.look_at(&source, &actor, wish, running, tell).await });
        told.await.unwrap_or(Err(AppError::Panicked))
    }

    async fn look_at(
        self: &Arc<Self>,
        source: &Source,
        actor: &Arc<Actor>,
        wish: Wish,
        running: Running,
        tell: oneshot::Sender<Result<Outcome, AppError>>,
    ) {
        let id = source.about.id.as_str();
        // In this order: whoever is told that it is over may have it looked at again.
        let over = |running: Running, tell: oneshot::Sender<Result<Outcome, AppError>>, answer| {
            drop(running);
            drop(tell.send(answer));
        };
        let before: State = match self.store.source_take(id).await {
            Ok(Some(state)) => serde_json::from_value(state).unwrap_or_default(),
            Ok(None) => return over(running, tell, Err(AppError::Busy)),
            Err(error) => return over(running, tell, Err(error.into())),
        };
        // Another server may have been faster.
        if !wish.again && !before.is_due(self.clock.now(), source.about.every) {
            self.source_noted(source, &before, before.clone()).await;
            return over(running, tell, Ok(Outcome::Unchanged));
        }
        let (outcome, after) = match self.decided(source, actor, &before, wish).await {
            Ok(decided) => decided,
            Err(error) => {
                self.source_noted(source, &before, before.clone()).await;
                return over(running, tell, Err(error));
            }
        };
        let import = match &outcome {
            Outcome::Started(taken) if !wish.dry_run => taken.import.id,
            _ => {
                self.source_noted(source, &before, after).await;
                return over(running, tell, Ok(outcome));
            }
        };
        drop(tell.send(Ok(outcome)));
        let after = self.ended(actor, import, &before, after).await;
        self.source_noted(source, &before, after).await;
        drop(running);
    }

    /// Reads the source, and begins an import if it is to be.
    async fn decided(
        self: &Arc<Self>,
        source: &Source,
        actor: &Arc<Actor>,
        before: &State,
        wish: Wish,
    ) -> Result<(Outcome, State), AppError> {
        let _reading = self.sources.reading.acquire().await.map_err(|_| AppError::Panicked)?;
        let place = self.import_place(actor)?;
        let now = self.clock.now();
        let mut after = if wish.dry_run { before.clone() } else { State { checked_at: Some(now), ..before.clone() } };
        let well = |after: State| State { as_of: Some(now), problem: None, held: None, refused: None, ..after };
        let taken_back = self.taken_back(before).await?;
        let looked = Some(before).filter(|_| !wish.dry_run && taken_back.is_none());
        let gathered = match gathered(source, &place, &self.profile(), self.config.upload_limit_bytes, looked).await {
            Ok(Some(gathered)) => gathered,
            // Its files look as they looked.
            Ok(None) => return Ok((Outcome::Unchanged, well(after))),
            Err(why) => {
                let problem = Some(why.clone()).filter(|_| !wish.dry_run).or(after.problem.take());
                return Ok((Outcome::Problem(why), State { problem, ..after }));
            }
        };
        let content = content_of(source, gathered.content);
        if !wish.dry_run {
            match &taken_back {
                _ if before.content.as_ref() != Some(&content) => {}
                None => return Ok((Outcome::Unchanged, State { looks: gathered.looks, ..well(after) })),
                Some(why) if !wish.again => {
                    // As one that is refused: no reason to look at it more often.
                    let refused = Some((content, self.published.load().epoch().0));
                    return Ok((Outcome::Problem(why.clone()), State { problem: taken_back, held: None, refused, ..after }));
                }
                Some(_) => {}
            }
            let epoch = self.published.load().epoch().0;
            if let (Some(problem), Some(refused)) = (&before.problem, &before.refused)
                && *refused == (content.clone(), epoch)
                && !wish.again
            {
                return Ok((Outcome::Problem(problem.clone()), after));
            }
        }
        if gathered.rows == 0 {
            let why = "it has no rows: nothing is brought in, and nothing of the city changes".to_owned();
            let problem = Some(why.clone()).filter(|_| !wish.dry_run).or(after.problem.take());
            return Ok((Outcome::Problem(why), State { problem, ..after }));
        }
        // Accepted is what a person was told of, not what went since.
        let was_told = before.held.is_some_and(|held| gathered.rows >= held.rows_now)
            || before.refused.as_ref().is_some_and(|(refused, _)| *refused == content);
        let accepted = wish.accept_loss && was_told;
        let expected = before.expected(now);
        let held = expected.and_then(|rows| lost(rows, gathered.rows, source.about.lose_percent)).filter(|_| !accepted);
        if let Some(lost) = held.filter(|_| !wish.dry_run) {
            let since = before.held.map_or(now, |held| held.since);
            let held = Held { rows_before: expected.unwrap_or_default(), rows_now: gathered.rows, lost, since };
            return Ok((Outcome::Held(held), State { held: Some(held), problem: None, refused: None, ..after }));
        }
        let order = Order { files: gathered.files, dry_run: wish.dry_run, ..source.order.clone() };
        let gone_are_removed = order.gone_are_removed.map(|most| if accepted { 100 } else { most });
        let order = Order { gone_are_removed, ..order };
        let detail = json!({ "rows": gathered.rows, "rows_before": expected, "loss_accepted": accepted });
        if !wish.dry_run {
            self.noted(actor, None, Action::Import, &format!("source {}", source.about.id), detail).await?;
        }
        let taken = self.import_start(actor, order, place, None).await?;
        if !wish.dry_run {
            after.import = Some(taken.import.id.0);
            // As it is when the import is done.
            (after.rows, after.content, after.looks) = (Some(gathered.rows), Some(content), gathered.looks);
            if accepted || expected.is_none_or(|expected| gathered.rows >= expected) {
                after.most = Some((gathered.rows, now));
            }
        }
        Ok((Outcome::Started(Box::new(taken)), after))
    }

    /// Says so when what a source last brought was taken back: the city does not say what the source says.
    async fn taken_back(&self, before: &State) -> Result<Option<String>, AppError> {
        let Some(id) = before.brought_by.map(ImportId) else { return Ok(None) };
        let undone = self.store.import_report(id).await?.is_some_and(|import| import.undone.is_some());
        Ok(undone.then(|| {
            format!("import {id}, which brought what it says, was taken back; it comes in again when somebody has it looked at")
        }))
    }

    fn profile(&self) -> CodeProfile {
        self.published.load().about.profile.clone()
    }

    /// Waits for the end of an import: what is known of the source then.
    async fn ended(&self, actor: &Actor, import: ImportId, before: &State, after: State) -> State {
        let known = loop {
            match self.import(actor, import).await {
                Ok(known) if matches!(known.state, ImportState::Queued | ImportState::Running) => {}
                Ok(known) => break Ok(known),
                Err(AppError::Away) if self.applier.alive().is_ok() => {}
                Err(error) => break Err(error),
            }
            tokio::time::sleep(ASK).await;
        };
        let now = self.clock.now();
        let checked_at = after.checked_at;
        let failed = |problem: String, refused: Option<(String, u64)>| State {
            checked_at,
            import: Some(import.0),
            problem: Some(problem),
            refused,
            held: None,
            ..before.clone()
        };
        match known.map(|known| (status(&known), known)) {
            Ok((Some(Status::Imported), _)) => {
                let brought_by = Some(import.0);
                State { as_of: Some(now), changed_at: Some(now), problem: None, held: None, refused: None, brought_by, ..after }
            }
            Ok((Some(Status::Unchanged | Status::DryRun), _)) => {
                // The city said so already, whatever was taken back.
                State { as_of: Some(now), problem: None, held: None, refused: None, brought_by: None, ..after }
            }
            Ok((Some(Status::Refused), known)) => {
                let refused = after.content.map(|content| (content, self.published.load().epoch().0));
                failed(format!("import {import} was refused: {}", first_fault(&known)), refused)
            }
            Ok((None, known)) => {
                let why = known.report["error"].as_str().unwrap_or("the server ended before it did").to_owned();
                failed(format!("import {import} broke off: {why}"), None)
            }
            Err(error) => failed(format!("import {import}: {error}"), None),
        }
    }

    /// Notes what is known of a source, and says in the log what is new about it.
    async fn source_noted(&self, source: &Source, before: &State, mut after: State) {
        let id = source.about.id.as_str();
        if after.checked_at != before.checked_at {
            // The pause counts from the end of a look, which may have taken long.
            after.checked_at = Some(self.clock.now());
        }
        match (&before.problem, &after.problem) {
            (Some(was), Some(is)) if was == is => {}
            (_, Some(why)) => tracing::warn!(source = id, why, "a source could not be taken; the city stays as it is"),
            (Some(_), None) => tracing::info!(source = id, "a source is well again"),
            (None, None) => {}
        }
        match (&before.held, &after.held) {
            (None, Some(Held { rows_before, rows_now, .. })) => tracing::warn!(
                source = id,
                rows_before,
                rows_now,
                "a source lost many rows and is held until a person accepts that; the city stays as it is"
            ),
            (Some(_), None) => tracing::info!(source = id, "a source is no longer held"),
            _ => {}
        }
        match serde_json::to_value(&after) {
            Ok(state) => {
                if let Err(error) = self.store.source_note(id, state).await {
                    tracing::warn!(source = id, %error, "what was found of a source could not be noted");
                }
            }
            Err(error) => tracing::error!(source = id, %error, "what was found of a source is no JSON"),
        }
        self.sources.known().insert(id.to_owned(), after);
    }
}

/// The rows that were lost, when they are more than may be.
fn lost(before: u64, now: u64, percent: u8) -> Option<u64> {
    let lost = before.saturating_sub(now);
    (u128::from(lost) * 100 > u128::from(before) * u128::from(percent)).then_some(lost)
}

fn status(known: &Known) -> Option<Status> {
    serde_json::from_value(known.report.get("status")?.clone()).ok()
}

fn first_fault(known: &Known) -> String {
    let report: Option<Report> = serde_json::from_value(known.report.clone()).ok();
    let said = report.and_then(|report| {
        let fault = report.faults.first().map(ToString::to_string);
        fault.or_else(|| report.unmapped.keys().next().map(|word| format!("there is no category for {word}")))
    });
    said.unwrap_or_else(|| "its report says why".to_owned())
}

/// Of a content and the settings that it is imported with: other settings make another import of it.
fn content_of(source: &Source, content: u128) -> String {
    format!("{content:032x}-{:016x}", hash64(format!("{:?}", source.order).as_bytes()))
}

/// Reads a source into the folder of an import; `None`: its files look as they looked when it was last taken.
async fn gathered(
    source: &Source,
    place: &Place,
    profile: &CodeProfile,
    most: u64,
    before: Option<&State>,
) -> Result<Option<Gathered>, String> {
    match &source.about.place {
        Where::Folder { folder, pattern } => {
            let seen = folder::settled(folder, pattern).await?;
            // The settings are a part of how they look: with others the same files are imported again.
            let looks = content_of(source, 0) + &folder::looks(&seen);
            if before.is_some_and(|before| before.looks.as_ref() == Some(&looks)) {
                return Ok(None);
            }
            let (into, order, profile) = (place.folder().to_owned(), source.order.clone(), profile.clone());
            let read = move || {
                let (files, content) = folder::copied(&seen, &into, most)?;
                let order = Order { files, ..order };
                let rows = counted(&order, &profile).map_err(|fault| fault.to_string())?;
                Ok::<_, String>(Gathered { files: order.files, rows, content, looks: Some(looks) })
            };
            tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?.map(Some)
        }
        Where::Database { .. } => from_database(source, place.folder(), most).await.map(Some),
    }
}

#[cfg(feature = "postgres")]
async fn from_database(source: &Source, folder: &Path, most: u64) -> Result<Gathered, String> {
    let (file, read) = read(source, folder, most, None).await?;
    Ok(Gathered { files: vec![file], rows: read.rows, content: read.hash, looks: None })
}

#[cfg(feature = "postgres")]
async fn read(
    source: &Source,
    folder: &Path,
    most_bytes: u64,
    most_rows: Option<u64>,
) -> Result<(std::path::PathBuf, crate::upstream::tables::Read), String> {
    use crate::upstream::tables::{Ask, Of, read};
    let Where::Database { url, rows, geometry } = &source.about.place else { return Err("it is no database".to_owned()) };
    let (of, name) = match rows {
        Rows::Table(schema, name) => (Of::Table(schema, name), format!("{schema}.{name}")),
        Rows::Sql(sql) => (Of::Sql(sql), source.about.id.clone()),
    };
    // Reports call the file so.
    let name: String = name.chars().map(|c| if c.is_control() || "/\\".contains(c) { '_' } else { c }).collect();
    let file = folder.join(format!("{name}.geojson"));
    let (geometry, key) = (geometry.as_deref(), source.about.key.as_deref());
    let ask = Ask { url: url.secret(), of, geometry, key, most_bytes, most_rows };
    let read = read(&ask, &file).await?;
    Ok((file, read))
}

#[cfg(not(feature = "postgres"))]
async fn from_database(_: &Source, _: &Path, _: u64) -> Result<Gathered, String> {
    Err("this program was built without the feature postgres, which reads databases".to_owned())
}

/// Reads a little of it.
pub(super) async fn examined(source: &Source, config: &Config) -> Result<String, String> {
    match &source.about.place {
        Where::Folder { folder, pattern } => {
            let files = folder::readable(folder::settled(folder, pattern).await?);
            let (order, count) = (Order { files, ..source.order.clone() }, folder.display());
            let found = format!("{} files in {count}", order.files.len());
            let tried = tokio::task::spawn_blocking(move || tried(&order)).await.map_err(|error| error.to_string())?;
            tried.map(|()| found).map_err(|fault| fault.to_string())
        }
        #[cfg(feature = "postgres")]
        Where::Database { .. } => {
            // Where imports have their files: what others may not read is not put where they could.
            let uploads = config.uploads();
            let folder = uploads.join(format!("doctor-{}-{}", std::process::id(), source.about.id));
            std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            let found = read(source, &folder, config.upload_limit_bytes, Some(SOME_ROWS)).await;
            let found = found.and_then(|(file, read)| {
                let order = Order { files: vec![file], ..source.order.clone() };
                let checked = if read.rows == 0 { Ok(()) } else { tried(&order) };
                checked.map(|()| read).map_err(|fault| fault.to_string())
            });
            let _ = std::fs::remove_dir_all(&folder);
            // Only if nothing else is in it.
            let _ = std::fs::remove_dir(&uploads);
            let read = found?;
            if read.rows == 0 {
                return Err(format!("{} has no rows", source.place()));
            }
            let place = match read.geometry {
                Some((name, Some(srid))) => format!(", {name} in EPSG:{srid}"),
                Some((name, None)) => format!(", {name} without a reference system"),
                None => String::new(),
            };
            Ok(format!("{}: columns {}{place}", source.place(), read.columns.join(", ")))
        }
        #[cfg(not(feature = "postgres"))]
        Where::Database { .. } => from_database(source, Path::new(""), config.upload_limit_bytes).await.map(|_| String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_may_be_lost_and_no_row_more() {
        assert_eq!(lost(100, 80, 20), None);
        assert_eq!(lost(100, 79, 20), Some(21));
        assert_eq!(lost(100, 300, 20), None);
        assert_eq!(lost(1, 0, 20), Some(1));
        assert_eq!(lost(3, 2, 0), Some(1));
        assert_eq!(lost(3, 0, 100), None);
        assert_eq!(lost(u64::MAX, 1, 20), Some(u64::MAX - 1));
    }
}
