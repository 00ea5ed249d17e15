//! Sources: tables and folders of others that are looked at every so often, and whose contents come in as any import does. What did not
//! change is not imported. A source that lost many rows is held until a person says that this is right.
//!
//! What is known of a source stands in the store, so that it outlives the server and all servers over one store know it. One of them looks at
//! a source at a time: whoever has taken it in the store.

mod folder;
mod run;

pub use run::{Outcome, Wish};

use super::imports::{Accept, Kind, Order};
use super::{App, AppError};
use crate::config::Config;
use crate::config::sources::{Place, Rows, Source as Settings};
use crate::interchange::fields::Columns;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How often it is looked which sources are due, and what other servers noted.
const TICK: Duration = Duration::from_secs(2);

/// How long it takes at most until a source is tried again that could not be read.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// Sources that are read at one time.
const MOST_READING: usize = 2;

/// How long the most rows that a source had count as those that it should have.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How far the clock of another server may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// All of them.
#[derive(Debug)]
pub struct Sources {
    /// In the order of the settings.
    pub all: Vec<Source>,
    /// What is known of them, as the store last told.
    known: Mutex<BTreeMap<String, State>>,
    /// Those that this server looks at just now.
    running: Mutex<BTreeSet<String>>,
    /// Held by those that are read: people's uploads need places too.
    reading: Semaphore,
}

/// A source.
#[derive(Debug, Clone)]
pub struct Source {
    /// As the settings tell it.
    pub about: Settings,
    /// The import that it makes, without its files.
    order: Order,
}

/// What is known of a source.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// When it was last looked at.
    pub checked_at: Option<Timestamp>,
    /// When it was last read and the city said what it says: its age counts from here.
    pub as_of: Option<Timestamp>,
    /// When something of it last changed the city.
    pub changed_at: Option<Timestamp>,
    /// Rows that were last taken.
    pub rows: Option<u64>,
    /// The most rows that were taken in the last days, and when: what goes little by little is lost too.
    most: Option<(u64, Timestamp)>,
    /// The last import of it.
    pub import: Option<i64>,
    /// The last one that changed the city.
    brought_by: Option<i64>,
    /// What was wrong the last time; none: nothing.
    pub problem: Option<String>,
    /// It lost many rows, and a person has to decide.
    pub held: Option<Held>,
    /// Of its content, and of the settings that it was imported with.
    content: Option<String>,
    /// Content that was refused, and in which boundaries: it would be refused again.
    refused: Option<(String, u64)>,
    /// How the files of a folder looked when they had this content.
    looks: Option<String>,
}

/// A source that lost many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Rows that were last taken.
    pub rows_before: u64,
    /// Rows that it has now.
    pub rows_now: u64,
    /// Rows fewer.
    pub lost: u64,
    /// Since when.
    pub since: Timestamp,
}

impl State {
    /// Seconds since the city last said what the source says.
    pub fn age_s(&self, now: Timestamp) -> Option<u64> {
        Some(now.duration_since(self.as_of?).as_secs().max(0).cast_unsigned())
    }

    /// The rows that it should have, when any are known.
    fn expected(&self, now: Timestamp) -> Option<u64> {
        let most = self.most.filter(|(_, at)| now.duration_since(*at) <= REMEMBERED).map(|(rows, _)| rows);
        Some(self.rows?.max(most.unwrap_or(0)))
    }

    fn is_due(&self, now: Timestamp, every: Duration) -> bool {
        let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
        let pause = if self.problem.is_some() && self.refused.is_none() { every.min(AGAIN) } else { every };
        // A look in the future was one of a clock that was wrong.
        self.checked_at.is_none_or(|at| now.duration_since(at) >= pause || at.duration_since(now) > AHEAD)
    }
}

impl Source {
    /// Makes sense of the settings, as far as that can be done without reading anything.
    fn of(about: Settings) -> Result<Self, String> {
        let words = Kind::TABLE.map(|(_, word)| word);
        let kind = Kind::TABLE.into_iter().find(|(_, word)| *word == about.kind).map(|(kind, _)| kind);
        let kind = kind.ok_or_else(|| format!("kind {:?} is none of {}", about.kind, words.join(", ")))?;
        let terms = &about.terms;
        let mut order = Order::new(kind, Vec::new());
        (order.crs, order.helmert, order.swap_xy) = (terms.crs, terms.helmert, terms.swap_xy);
        order.layer.clone_from(&terms.layer);
        order.tags.clone_from(&terms.tags);
        order.system = Some(terms.system.clone());
        order.source.clone_from(&terms.source);
        order.map.clone_from(&terms.map);
        if let Some(key) = &about.key {
            let field = id_field(kind);
            if order.map.iter().any(|told| told.split('=').next().is_some_and(|word| word.trim() == field)) {
                return Err(format!("key and map both say where {field} comes from"));
            }
            order.map.push(format!("{field}={key}"));
        }
        Columns::new(kind, &order.map).map_err(|fault| fault.to_string())?;
        let mut accept = Accept::default();
        for word in &terms.accept {
            accept.also(word).map_err(|error| format!("accept: {error}"))?;
        }
        order.accept = accept;
        let of_boundaries = matches!(kind, Kind::Regions | Kind::Grids);
        if !of_boundaries && (!terms.set.is_governance() || terms.within.is_some() || terms.assign_codes) {
            return Err("set, within and assign_codes are for regions and grids".to_owned());
        }
        order.boundaries.set = terms.set.clone();
        order.boundaries.within.clone_from(&terms.within);
        order.boundaries.assign_codes = terms.assign_codes;
        if about.remove {
            if kind != Kind::Facilities {
                return Err(format!("gone = \"removed\" is for facilities, which have that state; {} have none", about.kind));
            }
            if about.key.is_none() && !order.map.iter().any(|told| told.starts_with("id=") && !told.ends_with('=')) {
                return Err("gone = \"removed\" needs key: without it nobody knows which rows are gone".to_owned());
            }
            order.gone_are_removed = Some(about.lose_percent);
        }
        Ok(Self { about, order })
    }

    /// What is brought in.
    pub fn kind(&self) -> Kind {
        self.order.kind
    }

    /// Where it is, without a password.
    pub fn place(&self) -> String {
        match &self.about.place {
            Place::Folder { folder, pattern } => folder.join(pattern).display().to_string(),
            Place::Database { url, rows: Rows::Table(schema, name), .. } => format!("{} {schema}.{name}", url.shown()),
            Place::Database { url, rows: Rows::Sql(_), .. } => format!("{} sql", url.shown()),
        }
    }
}

/// The field that names a row of this kind.
fn id_field(kind: Kind) -> &'static str {
    match kind {
        Kind::Regions | Kind::Grids => "code",
        Kind::Households => "grid",
        _ => "id",
    }
}

impl Sources {
    /// Those of the settings; what is wrong with one is told with its name.
    pub fn of(config: &Config) -> Result<Self, AppError> {
        let all = config
            .sources
            .iter()
            .map(|about| Source::of(about.clone()).map_err(|why| AppError::Outside(format!("[[source]] {:?}: {why}", about.id))));
        let all: Vec<Source> = all.collect::<Result<_, _>>()?;
        let removes = |source: &&Source| source.order.gone_are_removed.is_some();
        for one in all.iter().filter(removes) {
            let same = |other: &&Source| {
                other.about.id != one.about.id && other.kind() == one.kind() && other.order.system == one.order.system
            };
            if let Some(other) = all.iter().find(same) {
                return Err(AppError::Outside(format!(
                    "[[source]] {:?} and {:?} have one system: what one brings would be gone for the other (gone = \"removed\")",
                    one.about.id, other.about.id
                )));
            }
        }
        Ok(Self { all, known: Mutex::default(), running: Mutex::default(), reading: Semaphore::new(MOST_READING) })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All with what is known of them, and whether this server looks at it just now.
    pub fn list(&self) -> Vec<(&Source, State, bool)> {
        let (known, running) = (self.known(), self.running());
        let one = |source| (source, known.get(name(source)).cloned().unwrap_or_default(), running.contains(name(source)));
        self.all.iter().map(one).collect()
    }

    /// Names of those that are held or could not be read.
    pub fn in_trouble(&self) -> Vec<&str> {
        let known = self.known();
        let in_trouble = |state: &State| state.held.is_some() || state.problem.is_some();
        self.all.iter().map(name).filter(|id| known.get(*id).is_some_and(in_trouble)).collect()
    }
}

fn name(source: &Source) -> &str {
    &source.about.id
}

impl App {
    /// The sources.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Asks the store what is known of all sources.
    pub async fn sources_refresh(&self) -> Result<(), AppError> {
        if self.sources.all.is_empty() {
            return Ok(());
        }
        let states = self.store.source_states().await?;
        let states = states.into_iter().map(|(id, state)| (id, serde_json::from_value(state).unwrap_or_default()));
        let states: BTreeMap<String, State> = states.collect();
        *self.sources.known() = states;
        Ok(())
    }

    /// Looks at each source when it is due, as long as the server runs.
    pub async fn keep_sources(self: Arc<Self>) {
        if self.sources.all.is_empty() {
            return;
        }
        let actors: Vec<Arc<super::Actor>> = self.sources.all.iter().map(|source| Arc::new(run::actor(source))).collect();
        while self.applier.alive().is_ok() {
            match self.sources_refresh().await {
                Ok(()) if self.takes_writes().is_ok() => {
                    let now = self.clock.now();
                    for (at, (source, state, running)) in self.sources.list().into_iter().enumerate() {
                        if !running && state.is_due(now, source.about.every) {
                            let (app, id, actor) = (Arc::clone(&self), source.about.id.clone(), Arc::clone(&actors[at]));
                            tokio::spawn(async move {
                                if let Err(error) = app.source_run(&actor, &id, Wish::default()).await {
                                    tracing::debug!(source = id, %error, "a source was not looked at");
                                }
                            });
                        }
                    }
                }
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "what is known of sources is not told"),
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

/// Reads a little of each source of the settings, without a city: its name, and what was found, or what is wrong.
pub async fn examine(config: &Config) -> Vec<(String, Result<String, String>)> {
    let mut found = Vec::new();
    for about in &config.sources {
        let examined = match Source::of(about.clone()) {
            Ok(source) => run::examined(&source, config).await,
            // `Sources::of` tells what is wrong with settings.
            Err(_) => continue,
        };
        found.push((about.id.clone(), examined));
    }
    found
}

/// Files that a source is made of, in order.
struct Gathered {
    files: Vec<PathBuf>,
    rows: u64,
    /// Of what is in them.
    content: u128,
    /// How the files of a folder look.
    looks: Option<String>,
}
