//! Sinks: schemas of other databases that have the boundaries in force, written after each publication. What is there already is not written
//! again, so every server looks; one writes at a time. A database that is away is tried again, ever less often. Whether `published`
//! still says what was written is looked at now and then: somebody may have emptied it, or another server may write there.

use super::App;
use crate::city::City;
use crate::config::Config;
use crate::config::sources::Sink as Settings;
use crate::domain::id::GridSet;
use crate::territory::Territory;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All of them.
#[derive(Debug)]
pub struct Sinks {
    /// In the order of the settings.
    all: Vec<Settings>,
    states: Mutex<BTreeMap<String, State>>,
}

/// What this server knows of a sink.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The boundaries that it has.
    pub epoch: Option<u64>,
    /// When this server last saw to it that it has them.
    pub at: Option<Timestamp>,
    /// What was wrong the last time; none: nothing.
    pub problem: Option<String>,
    /// It lacks what is in force.
    pub behind: bool,
}

impl Sinks {
    /// Those of the settings.
    pub fn of(config: &Config) -> Self {
        let states = config.sinks.iter().map(|sink| (sink.id.clone(), State { behind: true, ..State::default() }));
        Self { all: config.sinks.clone(), states: Mutex::new(states.collect()) }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All with what is known of them.
    pub fn list(&self) -> Vec<(&Settings, State)> {
        let states = self.states();
        self.all.iter().map(|sink| (sink, states.get(&sink.id).cloned().unwrap_or_default())).collect()
    }

    /// Names of those that could not be written.
    pub fn in_trouble(&self) -> Vec<&str> {
        let states = self.states();
        let in_trouble = |id: &str| states.get(id).is_some_and(|state| state.problem.is_some());
        self.all.iter().map(|sink| sink.id.as_str()).filter(|id| in_trouble(id)).collect()
    }
}

/// The boundaries of a city, to see whether they are others.
#[derive(Clone)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "nothing is written then"))]
struct InForce {
    territory: Arc<Territory>,
    others: Arc<BTreeMap<GridSet, Arc<Territory>>>,
}

#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "nothing is written then"))]
impl InForce {
    fn of(city: &City) -> Self {
        Self { territory: Arc::clone(&city.territory), others: Arc::clone(&city.others) }
    }

    fn is(&self, city: &City) -> bool {
        Arc::ptr_eq(&self.territory, &city.territory) && Arc::ptr_eq(&self.others, &city.others)
    }
}

impl App {
    /// The sinks.
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// Without databases nothing is written.
    #[cfg(not(feature = "postgres"))]
    pub async fn keep_sinks(self: Arc<Self>) {
        for state in self.sinks.states().values_mut() {
            state.problem = Some("this program was built without the feature postgres, which writes to databases".to_owned());
        }
    }
}

/// Whether each sink of the settings could be written: its name, and what was found, or what is wrong.
pub async fn examine(config: &Config) -> Vec<(String, Result<String, String>)> {
    let mut found = Vec::new();
    for sink in &config.sinks {
        #[cfg(feature = "postgres")]
        let answers = {
            let tables = ["regions", "grids", "published"].map(|name| format!("{}{name}", sink.prefix));
            crate::upstream::sink::answers(sink.url.secret(), &sink.schema, &tables).await
        };
        #[cfg(not(feature = "postgres"))]
        let answers = Err("this program was built without the feature postgres, which writes to databases".to_owned());
        found.push((sink.id.clone(), answers.map(|()| format!("{} answers, has PostGIS, and may be written", sink.url.shown()))));
    }
    found
}

#[cfg(feature = "postgres")]
mod writing {
    use super::*;
    use crate::app::AppError;
    use crate::domain::hash::hash64_of_parts;
    use crate::domain::id::{GridIx, RegionIx, Revision};
    use crate::geom::Area;
    use crate::interchange::wkb;
    use crate::upstream::sink::{Table, There, Told, there, write};
    use serde_json::json;
    use std::fmt::Write as _;
    use std::time::{Duration, Instant};

    /// How often it is looked whether boundaries are others.
    const LOOK: Duration = Duration::from_secs(1);

    /// How often it is looked whether a sink still says what was written there.
    const CHECK: Duration = Duration::from_secs(10);

    /// Pause before a database that did not take it is tried again: the first, and the longest.
    const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

    /// As `map_regions` of our own schema; the epoch is the one in force.
    const REGIONS: &[(&str, &str)] = &[
        ("fid", "bigint"),
        ("geom", "geometry(MultiPolygon,4490)"),
        ("grid_set", "text NOT NULL"),
        ("code", "text NOT NULL"),
        ("level", "text NOT NULL"),
        ("name", "text NOT NULL"),
        ("parent", "text"),
        ("epoch", "bigint NOT NULL"),
    ];

    /// As `map_grids`.
    const GRIDS: &[(&str, &str)] = &[
        ("fid", "bigint"),
        ("geom", "geometry(MultiPolygon,4490) NOT NULL"),
        ("grid_set", "text NOT NULL"),
        ("code", "text NOT NULL"),
        ("name", "text NOT NULL"),
        ("kind", "text NOT NULL"),
        ("parent", "text"),
        ("households", "bigint"),
        ("population", "bigint"),
        ("epoch", "bigint NOT NULL"),
    ];

    impl App {
        /// Writes each sink when it lacks what is in force, as long as the server runs.
        pub async fn keep_sinks(self: Arc<Self>) {
            for sink in self.sinks.all.clone() {
                let app = Arc::clone(&self);
                tokio::spawn(async move { app.keep_sink(&sink).await });
            }
        }

        async fn keep_sink(self: Arc<Self>, sink: &Settings) {
            let (mut done, mut pause) = (None::<Done>, PAUSES.0);
            while self.applier.alive().is_ok() {
                let city = self.published.load();
                if let Some(done) = done.as_mut().filter(|done| done.in_force.is(&city)) {
                    if done.looked.elapsed() < CHECK {
                        tokio::time::sleep(LOOK).await;
                        continue;
                    }
                    done.looked = Instant::now();
                    match there(sink.url.secret(), &sink.schema, &published(sink)).await {
                        Ok(Some(there)) if there.content == done.content => {
                            let (epoch, at) = (Some(city.epoch().0), Some(self.clock.now()));
                            self.sink_noted(sink, |state| *state = State { epoch, at, ..State::default() });
                            continue;
                        }
                        // It would go on for ever between two.
                        Ok(Some(there))
                            if there.revision >= done.revision && self.is_ours(&there).await.is_ok_and(|ours| ours) =>
                        {
                            self.sink_noted(sink, |state| state.behind = true);
                            self.sink_failed(
                                sink,
                                "another server of this city writes something else there: are its settings the same?",
                            );
                            continue;
                        }
                        Ok(_) => tracing::warn!(sink = sink.id, "a sink does not say any more what was written there"),
                        Err(why) => {
                            self.sink_failed(sink, &why);
                            continue;
                        }
                    }
                }
                self.sink_noted(sink, |state| state.behind = true);
                match self.sink_write(sink, &city).await {
                    Ok(seen) => {
                        let (wrote, in_force) = (seen.wrote, InForce::of(&city));
                        let Seen { content, revision, .. } = seen;
                        (done, pause) = (Some(Done { in_force, content, revision, looked: Instant::now() }), PAUSES.0);
                        let (epoch, at) = (city.epoch().0, self.clock.now());
                        if wrote {
                            tracing::info!(sink = sink.id, epoch, "boundaries were written to a sink");
                        }
                        self.sink_noted(sink, |state| *state = State { epoch: Some(epoch), at: Some(at), ..State::default() });
                    }
                    // Another server is at it, or this one is behind.
                    Err(Why::NotNow) => tokio::time::sleep(LOOK).await,
                    Err(Why::Problem(why)) => {
                        done = None;
                        self.sink_failed(sink, &why);
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSES.1);
                    }
                }
            }
        }

        fn sink_failed(&self, sink: &Settings, why: &str) {
            let mut is_new = false;
            self.sink_noted(sink, |state| {
                is_new = state.problem.as_deref() != Some(why);
                state.problem = Some(why.to_owned());
            });
            if is_new {
                tracing::warn!(sink = sink.id, why, "a sink could not be written; it is tried again");
            }
        }

        fn sink_noted(&self, sink: &Settings, note: impl FnOnce(&mut State)) {
            note(self.sinks.states().entry(sink.id.clone()).or_default());
        }

        /// Sees to it that a sink has the boundaries of a city.
        async fn sink_write(&self, sink: &Settings, city: &Arc<City>) -> Result<Seen, Why> {
            // One that is behind would write what was in force.
            let behind = self.store_away_s().is_some() || self.behind().await.map_or(true, |behind| behind > 0);
            if behind || !Arc::ptr_eq(&self.published.load(), city) && self.published.load().epoch() != city.epoch() {
                return Err(Why::NotNow);
            }
            let key = format!("sink:{}", sink.id);
            match self.store.source_take(&key).await {
                Ok(Some(_)) => {}
                Ok(None) => return Err(Why::NotNow),
                Err(error) => return Err(Why::Problem(AppError::from(error).to_string())),
            }
            let written = self.sink_written(sink, city).await;
            let note = json!({ "epoch": city.epoch().0, "at": self.clock.now().to_string(), "problem": written.as_ref().err() });
            if let Err(error) = self.store.source_note(&key, note).await {
                // Nobody else can take it before that.
                tracing::debug!(sink = sink.id, %error, "what became of a sink could not be noted");
                return Err(Why::NotNow);
            }
            written.map_err(Why::Problem)
        }

        async fn sink_written(&self, sink: &Settings, city: &Arc<City>) -> Result<Seen, String> {
            let (work, of) = (sink.clone(), Arc::clone(city));
            let (tables, content) = self.compute.run(move || tables(&work, &of)).await.map_err(|error| error.to_string())?;
            let (url, published) = (sink.url.secret(), published(sink));
            let before = there(url, &sink.schema, &published).await?;
            if let Some(there) = before.as_ref().filter(|there| there.content == content) {
                return Ok(Seen { wrote: false, content, revision: there.revision });
            }
            if let Some(there) = &before {
                let cure = format!("if these are to replace them: DELETE FROM {}.{published}", sink.schema);
                self.may_replace(there, city.revision).await.map_err(|why| format!("{why}; {cure}"))?;
            }
            let told = Told {
                city: city.about.title.clone(),
                epoch: city.epoch().0.cast_signed(),
                revision: city.revision.0.cast_signed(),
                committed: self.committed(city.revision).await?.map(|at| at.to_string()),
                at: self.clock.now().to_string(),
                content,
            };
            write(url, &sink.schema, &published, &told, before.as_ref(), &tables).await?;
            Ok(Seen { wrote: true, content: told.content, revision: told.revision })
        }

        /// Refuses to write over what is not an earlier state of this city.
        async fn may_replace(&self, there: &There, revision: Revision) -> Result<(), String> {
            let of = Revision(there.revision.max(0).cast_unsigned());
            if of > revision {
                return Err(format!(
                    "the boundaries there are of revision {of}, those here of {revision}: something older, or another city ({:?}), would be written over it",
                    there.city
                ));
            }
            match self.is_ours(there).await? {
                true => Ok(()),
                false => Err(format!(
                    "the boundaries there are those of another city ({:?}), or of another past of this one",
                    there.city
                )),
            }
        }

        /// Which city something is of its change log tells: no two have a change of one number at one time.
        async fn is_ours(&self, there: &There) -> Result<bool, String> {
            let of = Revision(there.revision.max(0).cast_unsigned());
            Ok(self.committed(of).await?.map(Timestamp::as_millisecond) == there.committed_ms)
        }

        /// When a change was committed.
        async fn committed(&self, revision: Revision) -> Result<Option<Timestamp>, String> {
            let before = Revision(revision.0.saturating_sub(1));
            let entries = self.store.log_since(before, 1).await.map_err(|error| AppError::from(error).to_string())?;
            Ok(entries.into_iter().find(|entry| entry.revision == revision).map(|entry| entry.at))
        }
    }

    /// What a sink has now.
    struct Seen {
        wrote: bool,
        content: String,
        revision: i64,
    }

    /// What was last seen in a sink.
    struct Done {
        in_force: InForce,
        content: String,
        revision: i64,
        looked: Instant,
    }

    fn published(sink: &Settings) -> String {
        format!("{}published", sink.prefix)
    }

    /// Why a sink was not written.
    enum Why {
        NotNow,
        Problem(String),
    }

    /// All tables, and a word for what is in them.
    fn tables(sink: &Settings, city: &City) -> (Vec<Table>, String) {
        let (mut regions, mut grids) = (String::new(), String::new());
        let governance = GridSet::default();
        let all = std::iter::once((&governance, &city.territory)).chain(city.others.iter());
        for (set, territory) in all.filter(|(set, _)| sink.sets.is_empty() || sink.sets.contains(set)) {
            rows(set, territory, &mut regions, &mut grids);
        }
        // Boundaries of the same contents in another epoch are others to those who read the column.
        let content = format!("{:016x}", hash64_of_parts([city.about.title.as_str(), regions.as_str(), grids.as_str()]));
        let table = |name: &str, columns, lines| {
            let name = format!("{}{name}", sink.prefix);
            Table { name, columns, key: "grid_set, code", lines }
        };
        (vec![table("regions", REGIONS, regions), table("grids", GRIDS, grids)], content)
    }

    fn rows(set: &GridSet, territory: &Territory, regions: &mut String, grids: &mut String) {
        let code = |ix: Option<RegionIx>| ix.map(|ix| territory.region(ix).code.as_str());
        let (set, epoch) = (set.as_str(), territory.epoch.0.to_string());
        for (at, region) in (0..).zip(&territory.regions) {
            let outline = territory.outline_region(RegionIx(at));
            let level = &territory.scheme.levels()[region.level].name;
            let geom = (!outline.polygons().is_empty()).then(|| hex(&outline));
            line(
                regions,
                &[
                    Some(&fid(set, region.code.as_str())),
                    geom.as_deref(),
                    Some(set),
                    Some(region.code.as_str()),
                    Some(level),
                    Some(&region.name),
                    code(region.parent),
                    Some(&epoch),
                ],
            );
        }
        for (at, grid) in (0..).zip(&territory.grids) {
            let geom = hex(&territory.outline_grid(GridIx(at)));
            let [households, population] = [grid.households, grid.population].map(|count| count.map(|count| count.to_string()));
            line(
                grids,
                &[
                    Some(&fid(set, grid.code.as_str())),
                    Some(&geom),
                    Some(set),
                    Some(grid.code.as_str()),
                    Some(&grid.name),
                    Some(grid.kind.as_str()),
                    code(grid.parent),
                    households.as_deref(),
                    population.as_deref(),
                    Some(&epoch),
                ],
            );
        }
    }

    /// A number for programs that want one: the same as long as the code is, and one that JSON keeps.
    fn fid(set: &str, code: &str) -> String {
        (hash64_of_parts([set, code]) >> 11).to_string()
    }

    /// A row as `COPY` reads it.
    fn line(into: &mut String, values: &[Option<&str>]) {
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                into.push('\t');
            }
            let Some(value) = value else {
                into.push_str("\\N");
                continue;
            };
            for c in value.chars() {
                match c {
                    '\\' => into.push_str("\\\\"),
                    '\n' => into.push_str("\\n"),
                    '\r' => into.push_str("\\r"),
                    '\t' => into.push_str("\\t"),
                    // PostgreSQL keeps none.
                    '\0' => {}
                    c => into.push(c),
                }
            }
        }
        into.push('\n');
    }

    /// Land as PostGIS reads it in a text.
    fn hex(area: &Area) -> String {
        let bytes = wkb::ewkb_of_blob(&wkb::area_blob(area)).expect("an area's blob is of our own form");
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            write!(text, "{byte:02X}").expect("a text takes everything");
        }
        text
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_line_of_copy_keeps_what_stands_in_a_name() {
            let mut text = String::new();
            line(&mut text, &[Some("a\tb"), None, Some("c\\d\ne\0"), Some("网格")]);
            assert_eq!(text, "a\\tb\t\\N\tc\\\\d\\ne\t网格\n");
        }
    }
}
