//! Where data comes from by itself, and where boundaries go: `[[source]]` and `[[sink]]`.

use super::database_url;
use super::outside::plain_id;
use crate::domain::code::Code;
use crate::domain::id::GridSet;
use crate::geom::NamedCrs;
use crate::geom::helmert::Helmert;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The address of a database, which may hold a password: never shown, in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url")
    }
}

impl Url {
    /// As the driver reads it.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Host and database, and nothing else of it.
    pub fn shown(&self) -> String {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        // First what is before the place: a password may hold any sign that its owner forgot to encode.
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        format!("postgres://{}", place.split('?').next().unwrap_or_default())
    }
}

/// Data that is brought in again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Stable name; stands in addresses.
    pub id: String,
    /// As what it comes in: a kind of `wangge import`.
    pub kind: String,
    /// Where it is.
    pub place: Place,
    /// How often it is looked at.
    pub every: Duration,
    /// The column that names a row in the other system.
    pub key: Option<String>,
    /// So many hundredths of the rows may be lost from one time to the next; of more a person decides.
    pub lose_percent: u8,
    /// Facilities that the source has no more are said to be removed.
    pub remove: bool,
    /// The options of an import.
    pub terms: Terms,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// All files of a folder whose names are like this.
    Folder {
        /// Which.
        folder: PathBuf,
        /// `*` stands for any signs.
        pattern: String,
    },
    /// Rows of a database.
    Database {
        /// Which.
        url: Url,
        /// Of what.
        rows: Rows,
        /// The column with the geometry; absent: the only one there is.
        geometry: Option<String>,
    },
}

/// Which rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Of a table or view, by its schema and name.
    Table(String, String),
    /// Of a statement.
    Sql(String),
}

/// The options of `wangge import` that make sense again and again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// CRS of the positions; absent when the source states it.
    pub crs: Option<NamedCrs>,
    /// For an old datum.
    pub helmert: Option<Helmert>,
    /// The northing comes first.
    pub swap_xy: bool,
    /// Layer of files that have several.
    pub layer: Option<String>,
    /// `field=column` …
    pub map: Vec<String>,
    /// Tag rules: `osm`, or a file.
    pub tags: Option<String>,
    /// The system that the ids belong to.
    pub system: String,
    /// What the data is taken from.
    pub source: Option<String>,
    /// Faults that are taken.
    pub accept: Vec<String>,
    /// Boundaries: which partition.
    pub set: GridSet,
    /// Boundaries: replaced below this code.
    pub within: Option<Code>,
    /// Boundaries: grids without a code are numbered.
    pub assign_codes: bool,
}

/// A schema of another database that has the boundaries in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// Stable name.
    pub id: String,
    /// Which database.
    pub url: Url,
    /// Where the tables are.
    pub schema: String,
    /// Stands before their names.
    pub prefix: String,
    /// These grid sets alone; empty: all.
    pub sets: Vec<GridSet>,
}

/// How often a source is looked at when nothing is said, and the longest time.
const EVERY_MINUTES: u64 = 60;
const MOST_MINUTES: u64 = 7 * 24 * 60;
/// So many hundredths may be lost when nothing is said.
const LOSE_PERCENT: u8 = 20;
/// Longest name in PostgreSQL.
const MOST_NAME: usize = 63;

/// The keys of `[[source]]` as people write them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceKeys {
    id: String,
    kind: String,
    folder: Option<PathBuf>,
    pattern: Option<String>,
    database: Option<String>,
    database_file: Option<PathBuf>,
    database_env: Option<String>,
    table: Option<String>,
    sql: Option<String>,
    geometry: Option<String>,
    every_minutes: Option<u64>,
    key: Option<String>,
    lose_percent: Option<u8>,
    gone: Option<Gone>,
    crs: Option<String>,
    helmert: Option<String>,
    #[serde(default)]
    swap_xy: bool,
    layer: Option<String>,
    #[serde(default)]
    map: Vec<String>,
    profile: Option<String>,
    system: Option<String>,
    source: Option<String>,
    #[serde(default)]
    accept: Vec<String>,
    set: Option<String>,
    within: Option<String>,
    #[serde(default)]
    assign_codes: bool,
}

/// What becomes of rows that a source has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Gone {
    Keep,
    Removed,
}

/// The keys of `[[sink]]` as people write them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SinkKeys {
    id: String,
    database: Option<String>,
    database_file: Option<PathBuf>,
    database_env: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    sets: Vec<String>,
}

/// The address of a database, given in one of three ways.
#[derive(Clone, Copy)]
struct UrlKeys<'a> {
    plain: Option<&'a str>,
    file: Option<&'a Path>,
    variable: Option<&'a str>,
}

impl UrlKeys<'_> {
    fn given(self) -> usize {
        [self.plain.is_some(), self.file.is_some(), self.variable.is_some()].into_iter().filter(|given| *given).count()
    }

    /// What is wrong is told without it: it may hold a password.
    fn read(self, folder: &Path) -> Result<Url, String> {
        if self.given() > 1 {
            return Err("database, database_file and database_env are several addresses; one is taken".to_owned());
        }
        let text = match (self.plain, self.file, self.variable) {
            (Some(url), ..) => url.to_owned(),
            (_, Some(file), _) => {
                let path = folder.join(file);
                std::fs::read_to_string(&path).map_err(|error| format!("database_file {}: {error}", path.display()))?
            }
            (.., Some(name)) => {
                std::env::var(name).map_err(|_| "database_env names no variable of the environment, or one that is no text")?
            }
            _ => {
                return Err(
                    "database, database_file or database_env is missing: like postgres://reader@db.example/assets".to_owned()
                );
            }
        };
        let url = text.trim();
        database_url(url).map_err(str::to_owned)?;
        Ok(Url(url.to_owned()))
    }
}

impl SourceKeys {
    /// The file that a secret is in.
    pub(super) fn secret_file(&self) -> Option<&PathBuf> {
        self.database_file.as_ref()
    }

    fn url(&self) -> UrlKeys<'_> {
        UrlKeys { plain: self.database.as_deref(), file: self.database_file.as_deref(), variable: self.database_env.as_deref() }
    }
}

impl SinkKeys {
    /// The file that a secret is in.
    pub(super) fn secret_file(&self) -> Option<&PathBuf> {
        self.database_file.as_ref()
    }
}

/// Sources as they are used. `folder`: what paths are relative to.
pub(super) fn sources(all: Vec<SourceKeys>, folder: &Path) -> Result<Vec<Source>, String> {
    let mut made: Vec<Source> = Vec::new();
    for keys in all {
        let id = keys.id.clone();
        let source = source(keys, folder).map_err(|why| format!("[[source]] {id:?}: {why}"))?;
        if made.iter().any(|before| before.id == id) {
            return Err(format!("[[source]] {id:?} stands twice"));
        }
        made.push(source);
    }
    Ok(made)
}

fn source(keys: SourceKeys, folder: &Path) -> Result<Source, String> {
    plain_id(&keys.id)?;
    let place = place(&keys, folder)?;
    let minutes = keys.every_minutes.unwrap_or(EVERY_MINUTES);
    if !(1..=MOST_MINUTES).contains(&minutes) {
        return Err(format!("every_minutes is {minutes}; it may be 1 to {MOST_MINUTES}"));
    }
    let lose_percent = keys.lose_percent.unwrap_or(LOSE_PERCENT);
    if lose_percent > 100 {
        return Err(format!("lose_percent is {lose_percent}; it may be 0 to 100"));
    }
    // A file of rules stands beside the settings; `osm` comes with the program.
    let tags = keys.profile.map(|name| match name.as_str() {
        "osm" => name,
        _ => folder.join(name).to_string_lossy().into_owned(),
    });
    let terms = Terms {
        crs: keys.crs.as_deref().map(str::parse).transpose().map_err(|error| format!("crs: {error}"))?,
        helmert: keys.helmert.as_deref().map(str::parse).transpose().map_err(|error| format!("helmert: {error}"))?,
        swap_xy: keys.swap_xy,
        layer: keys.layer,
        map: keys.map,
        tags,
        system: keys.system.unwrap_or_else(|| keys.id.clone()),
        source: keys.source,
        accept: keys.accept,
        set: set(keys.set.as_deref())?,
        within: keys.within.as_deref().map(Code::new).transpose().map_err(|error| format!("within: {error}"))?,
        assign_codes: keys.assign_codes,
    };
    Ok(Source {
        id: keys.id,
        kind: keys.kind,
        place,
        every: Duration::from_secs(minutes * 60),
        key: keys.key,
        lose_percent,
        remove: keys.gone == Some(Gone::Removed),
        terms,
    })
}

fn set(name: Option<&str>) -> Result<GridSet, String> {
    name.map_or(Ok(GridSet::default()), |name| GridSet::new(name).map_err(|error| format!("set: {error}")))
}

fn place(keys: &SourceKeys, folder: &Path) -> Result<Place, String> {
    let absent = |key: &str, given: bool, of: &str| if given { Err(format!("{key} is for {of}")) } else { Ok(()) };
    match (&keys.folder, keys.url().given()) {
        (Some(_), 1..) => Err("folder and database are two places; a source is in one of them".to_owned()),
        (None, 0) => Err("it says neither folder nor database: where does it come from?".to_owned()),
        (Some(path), 0) => {
            for (key, given) in
                [("table", keys.table.is_some()), ("sql", keys.sql.is_some()), ("geometry", keys.geometry.is_some())]
            {
                absent(key, given, "databases")?;
            }
            let pattern = keys.pattern.clone().unwrap_or_else(|| "*".to_owned());
            if pattern.is_empty() || pattern.contains(['/', '\\']) {
                return Err(format!("pattern {pattern:?}: the names of files in the folder, with * for any signs"));
            }
            Ok(Place::Folder { folder: folder.join(path), pattern })
        }
        (None, 1..) => {
            absent("pattern", keys.pattern.is_some(), "folders")?;
            absent("layer", keys.layer.is_some(), "folders")?;
            let rows = match (&keys.table, &keys.sql) {
                (Some(table), None) => {
                    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
                    let well = |name: &str| !name.is_empty() && name.len() <= MOST_NAME && !name.contains(['"', '\0']);
                    if !well(schema) || !well(name) {
                        return Err(format!("table {table:?} is no name: schema.table, or the name of a view, without quotes"));
                    }
                    Rows::Table(schema.to_owned(), name.to_owned())
                }
                (None, Some(sql)) => {
                    let sql = sql.trim().trim_end_matches(';').trim_end();
                    if sql.is_empty() || sql.contains('\0') {
                        return Err("sql is empty: it is one SELECT".to_owned());
                    }
                    Rows::Sql(sql.to_owned())
                }
                _ => return Err("of a database table or sql is read, one of them".to_owned()),
            };
            Ok(Place::Database { url: keys.url().read(folder)?, rows, geometry: keys.geometry.clone() })
        }
    }
}

/// Sinks as they are used.
pub(super) fn sinks(all: Vec<SinkKeys>, folder: &Path) -> Result<Vec<Sink>, String> {
    let mut made: Vec<Sink> = Vec::new();
    for keys in all {
        let id = keys.id.clone();
        let sink = sink(keys, folder).map_err(|why| format!("[[sink]] {id:?}: {why}"))?;
        if made.iter().any(|before| before.id == id) {
            return Err(format!("[[sink]] {id:?} stands twice"));
        }
        let tables = |sink: &Sink| (sink.url.clone(), sink.schema.clone(), sink.prefix.clone());
        if let Some(before) = made.iter().find(|before| tables(before) == tables(&sink)) {
            return Err(format!("[[sink]] {:?} and {id:?} write the same tables", before.id));
        }
        made.push(sink);
    }
    Ok(made)
}

fn sink(keys: SinkKeys, folder: &Path) -> Result<Sink, String> {
    plain_id(&keys.id)?;
    let url =
        UrlKeys { plain: keys.database.as_deref(), file: keys.database_file.as_deref(), variable: keys.database_env.as_deref() };
    let schema = keys.schema.unwrap_or_else(|| "wangge_out".to_owned());
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') || schema.len() > MOST_NAME || !plain(&schema) {
        return Err(format!("schema {schema:?}: at most {MOST_NAME} of a to z, digits and _, beginning with a letter"));
    }
    if !plain(&keys.prefix) || keys.prefix.len() > 40 || keys.prefix.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("prefix {:?}: at most 40 of a to z, digits and _, beginning with a letter", keys.prefix));
    }
    let sets = keys.sets.iter().map(|name| set(Some(name))).collect::<Result<_, _>>()?;
    Ok(Sink { id: keys.id, url: url.read(folder)?, schema, prefix: keys.prefix, sets })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("url"), "postgres://r:geheim@db/assets\n").expect("a secret");
        let path = folder.path().join("wangge.toml");
        std::fs::write(&path, text).expect("a file");
        Config::read(&path).map_err(|error| error.to_string())
    }

    const LAMPS: &str = "[[source]]\nid = \"lamps\"\nkind = \"facilities\"\n";
    const SINK: &str = "[[sink]]\nid = \"gis\"\n";

    #[test]
    fn a_source_is_one_place_and_its_password_is_never_shown() {
        let text = format!(
            "{LAMPS}database_file = \"url\"\ntable = \"assets.Lamps\"\nkey = \"gid\"\ncrs = \"epsg:4549\"\nevery_minutes = 5"
        );
        let config = read(&text).expect("a source");
        let source = &config.sources[0];
        let Place::Database { url, rows, geometry } = &source.place else { panic!("{source:?}") };
        assert_eq!(url.secret(), "postgres://r:geheim@db/assets");
        assert_eq!(url.shown(), "postgres://db/assets");
        assert_eq!((rows, geometry), (&Rows::Table("assets".to_owned(), "Lamps".to_owned()), &None));
        assert_eq!((source.every.as_secs(), source.lose_percent, source.terms.system.as_str()), (300, 20, "lamps"));
        assert!(!format!("{config:?}").contains("geheim"));
        assert_eq!(config.secret_files.len(), 1);
        let folder = read(&format!("{LAMPS}folder = \"drop\"\npattern = \"*.geojson\"")).expect("a folder");
        assert!(matches!(&folder.sources[0].place, Place::Folder { pattern, .. } if pattern == "*.geojson"));
    }

    #[test]
    fn what_makes_no_source_or_sink_is_refused_with_its_name_and_without_its_password() {
        let database = "database = \"postgres://r:geheim@db/assets\"\n";
        for (keys, why) in [
            (String::new(), "neither folder nor database"),
            (format!("{database}folder = \"a\""), "two places"),
            (database.to_owned(), "table or sql"),
            (format!("{database}table = \"a\"\nsql = \"SELECT 1\""), "table or sql"),
            (format!("{database}table = \"a.b\"\npattern = \"*\""), "pattern is for folders"),
            (format!("{database}table = \"a.\""), "no name"),
            (format!("{database}sql = \" ; \""), "sql is empty"),
            (format!("{database}table = \"a\"\ndatabase_file = \"url\""), "one is taken"),
            ("database = \"mysql://r:geheim@db/a\"\ntable = \"a\"".to_owned(), "postgres://"),
            ("database_env = \"WANGGE_NO_SUCH\"\ntable = \"a\"".to_owned(), "database_env"),
            ("folder = \"a\"\nsql = \"SELECT 1\"".to_owned(), "sql is for databases"),
            ("folder = \"a\"\npattern = \"../*\"".to_owned(), "pattern"),
            ("folder = \"a\"\nevery_minutes = 0".to_owned(), "1 to 10080"),
            ("folder = \"a\"\nlose_percent = 101".to_owned(), "0 to 100"),
            ("folder = \"a\"\ncrs = \"epsg:3857\"".to_owned(), "crs"),
            ("folder = \"a\"\nset = \"A B\"".to_owned(), "set"),
            ("folder = \"a\"\ngone = \"forget\"".to_owned(), "gone"),
        ] {
            let refused = read(&format!("{LAMPS}{keys}")).expect_err(&keys);
            assert!(refused.contains(why) && !refused.contains("geheim"), "{keys}: {refused}");
        }
        let twice = format!("{LAMPS}folder = \"a\"\n");
        assert!(read(&format!("{twice}{twice}")).expect_err("twice").contains("twice"));
        for (keys, why) in [
            ("", "database"),
            ("database_file = \"url\"\nschema = \"A\"", "schema"),
            ("database_file = \"url\"\nprefix = \"1\"", "prefix"),
        ] {
            let refused = read(&format!("{SINK}{keys}")).expect_err(keys);
            assert!(refused.contains(why) && refused.contains("\"gis\""), "{keys}: {refused}");
        }
        let same = format!("{SINK}database_file = \"url\"\n");
        let other = same.replace("gis", "two");
        assert!(read(&format!("{same}{other}")).expect_err("the same tables").contains("same tables"));
        assert_eq!(read(&format!("{same}{other}prefix = \"b_\"")).expect("two sinks").sinks.len(), 2);
    }
}
