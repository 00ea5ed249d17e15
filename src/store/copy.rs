//! A whole city as rows that are the same from every store: for a copy in another one, and for comparing two. Most of them are described by
//! [`layers`](super::layers) already; the few tables that are not layers stand here.
//!
//! Rows come at one revision, in portions, however many there are, and while others write. Sessions are left out: who is logged in at one
//! place is not at another. What is derived from rows (R-trees, names in other systems as numbers, the clock) is made anew.

use super::embedded::EmbeddedCopy;
use super::layers::{
    ADDRESSES, BUILDINGS, CASES, FACILITIES, GRIDS, Layer, ORGANIZATIONS, REGIONS, STAFF, VOIDS, key_column, keys_of,
};
#[cfg(feature = "postgres")]
use super::postgis::PostgisCopy;
use super::values::{Fields, Value, Values};
use super::{Store, StoreError, database_url};
use crate::domain::hash::hash64;
use crate::domain::id::Revision;
use crate::interchange::wkb::{self, Geometry};
use serde_json::{Map, Value as Json};
use std::path::Path;
use std::sync::LazyLock;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Rows that are on their way at one time.
pub(super) const PORTION: usize = 2000;

/// Where the numbers of staff and of tokens come from; the others stand in the table `sequences` of each store.
pub(super) const OWN_NUMBERS: [(&str, &str); 2] = [("staff", "fid"), ("tokens", "id")];

/// Rows of one kind, as every store gives and takes them.
#[derive(Debug)]
pub(super) struct Table {
    /// What the rows are; also the table of stores that have one for it.
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// Name and type of each column, the type as a file has it.
    pub(super) columns: Vec<(&'static str, &'static str)>,
    /// The columns by which a row is known.
    pub(super) key: Vec<&'static str>,
}

/// What a table's rows are made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// `fid`, content and tail of a layer.
    Rows(&'static Layer),
    /// Rows as they were before an import that can be taken back: `import`, then the same.
    Before(&'static Layer),
    /// Content and tail of a layer, `chain`, and `epoch_until`, which is null as long as a row stands, and of a set beside the chain.
    Boundaries(&'static Layer),
    /// As it stands here.
    Own,
}

const FID: (&str, &str) = ("fid", "INTEGER");

impl Table {
    fn own(name: &'static str, key: &[&'static str], columns: &[(&'static str, &'static str)]) -> Self {
        Self { name, form: Form::Own, columns: columns.to_vec(), key: key.to_vec() }
    }

    fn of(name: &'static str, layer: &'static Layer, form: fn(&'static Layer) -> Form) -> Self {
        let form = form(layer);
        let said = layer.content.iter().chain(layer.tail).copied();
        let (columns, key) = match form {
            // Known to the city by their own id; the number is beside it.
            Form::Rows(_) if layer.name == STAFF.name => (std::iter::once(FID).chain(said).collect(), vec!["id"]),
            Form::Before(_) => ([("import", "INTEGER"), FID].into_iter().chain(said).collect(), vec!["import", "fid"]),
            Form::Boundaries(_) => (
                said.chain([("chain", "INTEGER"), ("epoch_until", "INTEGER")]).collect(),
                vec!["grid_set", "chain", key_column(layer), "epoch_from"],
            ),
            _ => (std::iter::once(FID).chain(said).collect(), vec!["fid"]),
        };
        Self { name, form, columns, key }
    }

    /// `"a", "b" …`
    pub(super) fn list(&self) -> String {
        self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    }

    /// Values of a row.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Where a column stands.
    pub(super) fn at(&self, column: &str) -> usize {
        self.columns.iter().position(|(name, _)| *name == column).expect("only columns of the table are asked for")
    }

    /// Reads a row: its columns in order.
    pub(super) fn read(&self, fields: &mut Fields<'_>, into: &mut Values) -> Result<(), StoreError> {
        for (_, kind) in &self.columns {
            match kind.split(' ').next().unwrap_or_default() {
                "INTEGER" => into.opt_int(fields.take()?),
                "BOOLEAN" => into.int(fields.take::<bool>()?.into()),
                "DOUBLE" => into.opt_real(fields.take()?),
                "POINT" | "MULTIPOLYGON" | "GEOMETRY" | "BLOB" => into.opt_blob(fields.opt_geometry()?.map(blob).transpose()?),
                _ => into.opt_text(fields.take::<Option<String>>()?),
            }
        }
        Ok(())
    }
}

/// A geometry in the form in which layers write it.
fn blob(geometry: Geometry) -> Result<Vec<u8>, StoreError> {
    let written = match geometry {
        Geometry::Point(_) => wkb::point_of(geometry).map(wkb::point_blob),
        _ => wkb::area_of(geometry).map(|area| wkb::area_blob(&area)),
    };
    written.map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Numbers of a facility's names in other systems: where `external_ids` stand among its values.
pub(super) fn external_keys(table: &Table, row: &[Value]) -> Result<Vec<i64>, StoreError> {
    match &row[table.at("external_ids")] {
        Value::Text(json) => Ok(keys_of(json)?.into_iter().map(u64::cast_signed).collect()),
        _ => Ok(Vec::new()),
    }
}

/// Every kind of rows there is.
pub(super) fn tables() -> &'static [Table] {
    static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
        vec![
            Table::own("meta", &["key"], &[("key", "TEXT"), ("value", "TEXT")]),
            Table::own(
                "epochs",
                &["epoch"],
                &[
                    ("epoch", "INTEGER"),
                    ("grid_set", "TEXT"),
                    ("chain", "INTEGER"),
                    ("base", "INTEGER"),
                    ("valid_from", "DATETIME"),
                    ("valid_until", "DATETIME"),
                    ("scheme", "TEXT"),
                    ("import_id", "INTEGER"),
                    ("actor", "TEXT"),
                    ("published_at", "DATETIME"),
                ],
            ),
            Table::of("regions", &REGIONS, Form::Boundaries),
            Table::of("grids", &GRIDS, Form::Boundaries),
            Table::of("voids", &VOIDS, Form::Boundaries),
            Table::of("facilities", &FACILITIES, Form::Rows),
            Table::of("cases", &CASES, Form::Rows),
            Table::of("addresses", &ADDRESSES, Form::Rows),
            Table::of("organizations", &ORGANIZATIONS, Form::Rows),
            Table::of("buildings", &BUILDINGS, Form::Rows),
            Table::of("staff", &STAFF, Form::Rows),
            Table::own(
                "imports",
                &["id"],
                &[
                    ("id", "INTEGER"),
                    ("kind", "TEXT"),
                    ("file", "TEXT"),
                    ("crs", "TEXT"),
                    ("source", "TEXT"),
                    ("at", "DATETIME"),
                    ("actor", "TEXT"),
                    ("report", "TEXT"),
                    ("state", "TEXT"),
                    ("revision", "INTEGER"),
                    ("undone", "INTEGER"),
                    ("before", "TEXT"),
                    ("added", "TEXT"),
                ],
            ),
            Table::of("facilities_before", &FACILITIES, Form::Before),
            Table::of("cases_before", &CASES, Form::Before),
            Table::of("addresses_before", &ADDRESSES, Form::Before),
            Table::of("organizations_before", &ORGANIZATIONS, Form::Before),
            Table::of("buildings_before", &BUILDINGS, Form::Before),
            Table::of("staff_before", &STAFF, Form::Before),
            Table::own(
                "change_log",
                &["revision"],
                &[("revision", "INTEGER"), ("at", "DATETIME"), ("actor", "TEXT"), ("kind", "TEXT"), ("summary", "TEXT")],
            ),
            Table::own(
                "answers",
                &["actor", "key"],
                &[("actor", "TEXT"), ("key", "TEXT"), ("request", "INTEGER"), ("at", "DATETIME"), ("answer", "TEXT")],
            ),
            Table::own(
                "tokens",
                &["id"],
                &[
                    ("id", "INTEGER"),
                    ("hash", "TEXT"),
                    ("name", "TEXT"),
                    ("roles", "TEXT"),
                    ("scope", "TEXT"),
                    ("screen", "TEXT"),
                    ("made_at", "DATETIME"),
                    ("made_by", "TEXT"),
                    ("ends_at", "DATETIME"),
                    ("revoked_at", "DATETIME"),
                ],
            ),
            Table::own("audit_begin", &["number"], &[("number", "INTEGER"), ("hash", "TEXT")]),
            Table::own(
                "audit",
                &["number"],
                &[
                    ("number", "INTEGER"),
                    ("at", "DATETIME"),
                    ("actor", "TEXT"),
                    ("address", "TEXT"),
                    ("action", "TEXT"),
                    ("object", "TEXT"),
                    ("detail", "TEXT"),
                    ("hash", "TEXT"),
                ],
            ),
            // Behind the rows whose numbers they gave.
            Table::own("sequences", &["name"], &[("name", "TEXT"), ("last", "INTEGER")]),
        ]
    });
    &TABLES
}

/// Some rows of one table.
#[derive(Debug)]
pub(super) struct Portion {
    /// Its place among the [`tables`].
    pub(super) table: usize,
    pub(super) rows: Values,
}

impl Portion {
    pub(super) fn new(table: usize) -> Self {
        Self { table, rows: Values::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.0.len() >= PORTION * tables()[self.table].width()
    }

    /// Hands over what there is. Whether anybody still listens.
    pub(super) async fn tell(&mut self, to: &mpsc::Sender<Self>) -> bool {
        let rows = std::mem::take(&mut self.rows);
        rows.0.is_empty() || to.send(Self { table: self.table, rows }).await.is_ok()
    }
}

/// All rows of a city at one revision, table by table. While there are more to come, a file's log cannot be cut off.
#[derive(Debug)]
pub struct CityRows {
    revision: Revision,
    told: mpsc::Receiver<Portion>,
    task: Option<JoinHandle<Result<(), StoreError>>>,
}

/// A row as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct CityRow {
    /// Which of [`CityRows::kinds`].
    pub kind: usize,
    /// Where it stands among those of its kind: rows come in ascending order.
    pub place: Place,
    /// By what it is known among those of its kind.
    pub key: String,
    /// What it says. Areas are told by their length and hash.
    pub says: Map<String, Json>,
}

/// A place in an order of numbers and texts, as bytes that compare so.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Vec<u8>);

impl Place {
    /// Behind what there is already: a number.
    pub fn then_number(mut self, number: i64) -> Self {
        self.0.extend_from_slice(&(number.cast_unsigned() ^ (1 << 63)).to_be_bytes());
        self
    }

    /// Behind what there is already: a text.
    pub fn then_text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self
    }
}

impl CityRows {
    /// `work`: what reads and tells the rows.
    pub(super) fn new(
        revision: Revision,
        work: impl FnOnce(mpsc::Sender<Portion>) -> JoinHandle<Result<(), StoreError>>,
    ) -> Self {
        let (to, told) = mpsc::channel(2);
        Self { revision, told, task: Some(work(to)) }
    }

    /// Which revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What the rows are, in their order.
    pub fn kinds() -> Vec<&'static str> {
        tables().iter().map(|table| table.name).collect()
    }

    /// The next rows; `None`: that was all.
    pub async fn next(&mut self) -> Result<Option<Vec<CityRow>>, StoreError> {
        let Some(Portion { table: kind, rows }) = self.portion().await? else { return Ok(None) };
        let table = &tables()[kind];
        let mut values = rows.0.into_iter();
        let mut some = Vec::new();
        while values.len() > 0 {
            some.push(table.row(kind, values.by_ref().take(table.width())));
        }
        Ok(Some(some))
    }

    async fn portion(&mut self) -> Result<Option<Portion>, StoreError> {
        if let Some(portion) = self.told.recv().await {
            return Ok(Some(portion));
        }
        match self.task.take() {
            None => Ok(None),
            Some(task) => task.await.map_err(|_| StoreError::GivenUp)?.map(|()| None),
        }
    }
}

impl Table {
    fn row(&self, kind: usize, values: impl Iterator<Item = Value>) -> CityRow {
        let says: Map<String, Json> = self
            .columns
            .iter()
            .zip(values)
            .map(|((name, kind), value)| ((*name).to_owned(), said(kind.starts_with("BOOLEAN"), value)))
            .collect();
        let (mut place, mut key) = (Place::default(), String::new());
        for name in &self.key {
            if !key.is_empty() {
                key.push(' ');
            }
            match &says[*name] {
                Json::String(text) => {
                    place = place.then_text(text);
                    key.push_str(text);
                }
                number => {
                    place = place.then_number(number.as_i64().unwrap_or(i64::MIN));
                    key.push_str(&number.to_string());
                }
            }
        }
        CityRow { kind, place, key, says }
    }
}

/// A value as it is compared.
fn said(is_bool: bool, value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) if is_bool => (number != 0).into(),
        Value::Int(number) => number.into(),
        Value::Real(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => match wkb::point_of_blob(&bytes) {
            Ok(point) => {
                let at = point.lonlat();
                Json::from(vec![at.lon(), at.lat()])
            }
            Err(_) => format!("area of {} bytes, hash {:016x}", bytes.len(), hash64(&bytes)).into(),
        },
    }
}

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The revision at which the source was read; that of the copy, too.
    pub revision: Revision,
    /// Rows of each kind.
    pub rows: Vec<(&'static str, u64)>,
}

/// Where the rows go. Nobody sees anything of them before the end.
enum Target {
    Embedded(EmbeddedCopy),
    #[cfg(feature = "postgres")]
    Postgis(PostgisCopy),
}

impl Target {
    async fn begin(place: &Path) -> Result<Self, StoreError> {
        if let Some(url) = database_url(place) {
            #[cfg(feature = "postgres")]
            return PostgisCopy::begin(url).await.map(Self::Postgis);
            #[cfg(not(feature = "postgres"))]
            return Err(super::without_databases(url));
        }
        EmbeddedCopy::begin(place).await.map(Self::Embedded)
    }

    async fn write(&mut self, table: &'static Table, rows: Values) -> Result<(), StoreError> {
        match self {
            Self::Embedded(copy) => copy.write(table, rows).await,
            #[cfg(feature = "postgres")]
            Self::Postgis(copy) => copy.write(table, rows).await,
        }
    }

    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "a file has it in its log alone"))]
    async fn finish(&mut self, revision: Revision) -> Result<(), StoreError> {
        match self {
            Self::Embedded(copy) => copy.finish().await,
            #[cfg(feature = "postgres")]
            Self::Postgis(copy) => copy.finish(revision).await,
        }
    }

    /// Leaves nothing of it.
    async fn give_up(self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(copy) => copy.give_up().await,
            // A transaction that is dropped was never there.
            #[cfg(feature = "postgres")]
            Self::Postgis(_) => Ok(()),
        }
    }

    async fn fill(&mut self, mut from: CityRows, watch: &(dyn Fn(&str, u64) + Send + Sync)) -> Result<Copied, StoreError> {
        let mut rows: Vec<(&'static str, u64)> = tables().iter().map(|table| (table.name, 0)).collect();
        while let Some(portion) = from.portion().await? {
            let table = &tables()[portion.table];
            rows[portion.table].1 += (portion.rows.0.len() / table.width()) as u64;
            self.write(table, portion.rows).await?;
            watch(table.name, rows[portion.table].1);
        }
        watch("the last step", 0);
        self.finish(from.revision).await?;
        Ok(Copied { revision: from.revision, rows })
    }
}

impl Store {
    /// Every row of the city as it is now, whoever writes meanwhile.
    pub async fn rows(&self) -> Result<CityRows, StoreError> {
        match self {
            Self::Memory(_) => Err(StoreError::Invalid("a store in memory has no rows".to_owned())),
            Self::Embedded(store) => store.rows().await,
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => store.rows().await,
        }
    }

    /// Copies the whole city into a new file, or a database without one; all or nothing. `watch` hears of which kind how many rows are there.
    pub async fn copy(&self, to: &Path, watch: &(dyn Fn(&str, u64) + Send + Sync)) -> Result<Copied, StoreError> {
        let mut target = Target::begin(to).await?;
        let copied = match self.rows().await {
            Ok(rows) => target.fill(rows, watch).await,
            Err(error) => Err(error),
        };
        if copied.is_err()
            && let Err(error) = target.give_up().await
        {
            tracing::warn!(%error, "something of a copy that was given up stays behind");
        }
        copied
    }
}
