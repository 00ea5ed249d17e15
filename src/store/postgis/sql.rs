//! Small tools around sqlx for PostgreSQL: transactions that carry their settings with them, rows as texts, fields in order.
//!
//! Everything runs in a transaction, reading too: a pooler may give the next transaction another connection, so nothing is said to the
//! session. Rows go as arrays of texts, or by `COPY`, and are cast by the database: one statement for any number of rows.

use crate::interchange::wkb;
use crate::store::StoreError;
use crate::store::layers::Layer;
use crate::store::values::{Value, Values, kept};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::postgres::{PgArguments, PgPool, PgRow, Postgres};
use sqlx::{Arguments, AssertSqlSafe, Decode, Row, Transaction, Type};
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::watch;

/// What the database says when it is another time's matter: it is a standby (25006), starts or ends (57P01 to 57P03), has no connection
/// left (53300), or others hold what is asked for (57014: it took too long, 55P03, 40P01, 40001).
const AWAY: [&str; 9] = ["25006", "57P01", "57P02", "57P03", "53300", "57014", "55P03", "40P01", "40001"];

/// Whether it is the connection that failed, or the database that takes nothing for now.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        // The class of what went wrong with connections.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| AWAY.contains(&&*code) || code.starts_with("08")),
        _ => false,
    }
}

/// What the database said, without the driver's own words around it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// The database says so when its user lacks a right.
const NO_RIGHT: &str = "42501";

/// In its own words.
pub(super) fn said(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(error) = error else { return error.to_string() };
    match error.code().as_deref() {
        Some(NO_RIGHT) => format!("{} (docs/postgis.md lists the rights that each role needs)", error.message()),
        _ => error.message().to_owned(),
    }
}

/// Says what was being done when the database refused.
pub(super) trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &str) -> Result<T, StoreError> {
        self.map_err(|source| match is_away(&source) {
            true => StoreError::Away { doing: doing.to_owned(), why: said(&source) },
            false => StoreError::Database { doing: doing.to_owned(), source: Box::new(Said(said(&source))) },
        })
    }
}

/// Arguments of a statement, in the order of `$1`, `$2` …
macro_rules! bound {
    ($($value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "a statement may have no arguments")]
        let mut arguments = sqlx::postgres::PgArguments::default();
        $($crate::store::postgis::sql::bind(&mut arguments, $value)?;)*
        arguments
    }};
}
pub(super) use bound;

/// What goes into an argument; texts in the form in which they are kept.
pub(super) trait Given {
    type Bound: for<'q> sqlx::Encode<'q, Postgres> + Type<Postgres>;
    fn given(self) -> Self::Bound;
}

macro_rules! given {
    ($($kind:ty => $bound:ty: $value:ident => $given:expr),* $(,)?) => {
        $(impl Given for $kind {
            type Bound = $bound;
            fn given(self) -> $bound {
                let $value = self;
                $given
            }
        })*
    };
}
given! {
    bool => bool: word => word,
    i64 => i64: number => number,
    Option<i64> => Option<i64>: number => number,
    Vec<i64> => Vec<i64>: numbers => numbers,
    Option<Vec<i64>> => Option<Vec<i64>>: numbers => numbers,
    &[i64] => Vec<i64>: numbers => numbers.to_vec(),
    Vec<Option<i64>> => Vec<Option<i64>>: numbers => numbers,
    Vec<Option<Vec<u8>>> => Vec<Option<Vec<u8>>>: blobs => blobs,
    &str => String: text => kept(text).into_owned(),
    String => String: text => kept(&text).into_owned(),
    Option<&str> => Option<String>: text => text.map(|text| kept(text).into_owned()),
    Option<String> => Option<String>: text => text.map(|text| kept(&text).into_owned()),
    Vec<&str> => Vec<String>: texts => texts.into_iter().map(|text| kept(text).into_owned()).collect(),
    &[&str] => Vec<String>: texts => texts.iter().map(|text| kept(text).into_owned()).collect(),
    Vec<String> => Vec<String>: texts => texts.iter().map(|text| kept(text).into_owned()).collect(),
    Vec<Option<String>> => Vec<Option<String>>: texts => texts.into_iter().map(|text| text.map(|text| kept(&text).into_owned())).collect(),
}

/// Adds one argument.
pub(super) fn bind(arguments: &mut PgArguments, value: impl Given) -> Result<(), StoreError> {
    arguments.add(value.given()).map_err(sqlx::Error::Encode).doing("binding values")
}

/// What is waited for, without its type: the driver's futures are large, and would be built anew wherever one is waited for.
type Waiting<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A transaction. When it is dropped, nothing of it was done.
#[derive(Debug)]
pub(super) struct Tx {
    inner: Transaction<'static, Postgres>,
    left: Left,
    prepared: bool,
    /// What it wrote into the change log.
    pub(super) logged: Option<Logged>,
}

/// A row of the change log, by which is found later whether its commit was done.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub(super) revision: i64,
    /// The number of the transaction. Both are given again by a standby that was promoted without having heard of it, so there is more.
    pub(super) by: String,
    pub(super) at: String,
    pub(super) actor: String,
}

/// Becomes true when another host was found to take writes: what is under way at the one of before may hang.
pub(super) type Left = watch::Receiver<bool>;

/// Waits for the database as long as it is talked to.
async fn unless_left<T>(left: &Left, doing: &str, asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let mut left = left.clone();
    tokio::select! {
        biased;
        answer = asked => answer,
        Ok(_) = left.wait_for(|left| *left) => {
            Err(StoreError::Away { doing: doing.to_owned(), why: "another host takes writes now".to_owned() })
        }
    }
}

impl Tx {
    /// Begins a transaction. `place`: how the database is called.
    pub(super) fn begin<'a>(
        (pool, left): (&'a PgPool, &Left),
        statement: &'a str,
        prepared: bool,
        place: &'a str,
    ) -> Waiting<'a, Self> {
        // On a task of its own: whoever stops waiting in the middle would leave a connection in a transaction that nobody ends.
        let (pool, statement) = (pool.clone(), statement.to_owned());
        let begins = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(statement)).await });
        let left = left.clone();
        Box::pin(async move {
            let doing = format!("opening {place}");
            let begun =
                unless_left(&left, &doing, async { begins.await.map_err(|_| StoreError::GivenUp)?.doing(&doing) }).await?;
            Ok(Self { inner: begun, left, prepared, logged: None })
        })
    }

    /// How many rows a statement touched. Only names of our own tables and columns are put into `sql`.
    pub(super) fn execute<'a>(&'a mut self, sql: impl Into<String>, arguments: PgArguments, doing: &'a str) -> Waiting<'a, u64> {
        let query = sqlx::query_with(AssertSqlSafe(sql.into()), arguments).persistent(self.prepared);
        executed((&mut self.inner, &self.left), query, doing)
    }

    pub(super) fn rows<'a>(
        &'a mut self,
        sql: impl Into<String>,
        arguments: PgArguments,
        doing: &'a str,
    ) -> Waiting<'a, Vec<PgRow>> {
        let query = sqlx::query_with(AssertSqlSafe(sql.into()), arguments).persistent(self.prepared);
        fetched((&mut self.inner, &self.left), query, doing)
    }

    /// Rows one after the other, however many there are.
    pub(super) async fn each(
        &mut self,
        sql: impl Into<String>,
        arguments: PgArguments,
        doing: &str,
        mut take: impl FnMut(&PgRow) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(sql.into()), arguments).persistent(self.prepared);
        taken((&mut self.inner, &self.left), query, doing, &mut take).await
    }

    /// Rows one after the other, for whoever waits for others between two of them.
    pub(super) fn stream<'a>(&'a mut self, sql: impl Into<String>, arguments: PgArguments, doing: &'a str) -> Rows<'a> {
        let query = sqlx::query_with(AssertSqlSafe(sql.into()), arguments).persistent(self.prepared);
        Rows { rows: query.fetch(&mut *self.inner), left: &self.left, doing }
    }

    pub(super) async fn row(
        &mut self,
        sql: impl Into<String>,
        arguments: PgArguments,
        doing: &str,
    ) -> Result<Option<PgRow>, StoreError> {
        Ok(self.rows(sql, arguments, doing).await?.into_iter().next())
    }

    /// The first column of the one row there is.
    pub(super) async fn value<T>(&mut self, sql: impl Into<String>, arguments: PgArguments, doing: &str) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let row = self.row(sql, arguments, doing).await?.ok_or(sqlx::Error::RowNotFound).doing(doing)?;
        row.try_get(0).doing(doing)
    }

    /// The first column of all rows.
    pub(super) async fn values<T>(
        &mut self,
        sql: impl Into<String>,
        arguments: PgArguments,
        doing: &str,
    ) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        self.rows(sql, arguments, doing).await?.iter().map(|row| row.try_get(0).doing(doing)).collect()
    }

    /// Several statements without arguments.
    pub(super) fn run<'a>(&'a mut self, sql: String, doing: &'a str) -> Waiting<'a, ()> {
        Box::pin(unless_left(&self.left, doing, async {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.inner).await.map(drop).doing(doing)
        }))
    }

    /// Copies lines in PostgreSQL's text format into a table.
    fn copy<'a>(&'a mut self, sql: String, lines: String, doing: &'a str) -> Waiting<'a, u64> {
        let Self { inner, left, .. } = self;
        Box::pin(unless_left(left, doing, async move {
            let mut copy = inner.copy_in_raw(&sql).await.doing(doing)?;
            copy.send(lines.as_bytes()).await.map(drop).doing(doing)?;
            copy.finish().await.doing(doing)
        }))
    }

    /// Makes it durable. When the connection breaks off in the middle, it is not known whether that was done.
    pub(super) fn commit(self) -> Waiting<'static, ()> {
        Box::pin(async move {
            let Self { inner, mut left, .. } = self;
            let unsure = || StoreError::Unsure { doing: "committing".to_owned() };
            tokio::select! {
                biased;
                done = inner.commit() => match done {
                    Err(error @ sqlx::Error::Io(_)) => {
                        tracing::warn!(%error, "a connection broke off at a commit");
                        Err(unsure())
                    }
                    other => other.doing("committing"),
                },
                Ok(_) = left.wait_for(|left| *left) => Err(unsure()),
            }
        })
    }
}

/// What a statement answers, row by row.
pub(super) struct Rows<'a> {
    rows: BoxStream<'a, Result<PgRow, sqlx::Error>>,
    left: &'a Left,
    doing: &'a str,
}

impl Rows<'_> {
    pub(super) async fn next(&mut self) -> Result<Option<PgRow>, StoreError> {
        unless_left(self.left, self.doing, async { self.rows.try_next().await.doing(self.doing) }).await
    }
}

type Asked = sqlx::query::Query<'static, Postgres, PgArguments>;

type At<'a> = (&'a mut Transaction<'static, Postgres>, &'a Left);

fn executed<'a>((inner, left): At<'a>, query: Asked, doing: &'a str) -> Waiting<'a, u64> {
    Box::pin(unless_left(left, doing, async move { Ok(query.execute(&mut **inner).await.doing(doing)?.rows_affected()) }))
}

fn fetched<'a>((inner, left): At<'a>, query: Asked, doing: &'a str) -> Waiting<'a, Vec<PgRow>> {
    Box::pin(unless_left(left, doing, async move { query.fetch_all(&mut **inner).await.doing(doing) }))
}

fn taken<'a>(
    (inner, left): At<'a>,
    query: Asked,
    doing: &'a str,
    take: &'a mut (dyn FnMut(&PgRow) -> Result<(), StoreError> + Send),
) -> Waiting<'a, ()> {
    Box::pin(unless_left(left, doing, async move {
        let mut rows = query.fetch(&mut **inner);
        while let Some(row) = rows.try_next().await.doing(doing)? {
            take(&row)?;
        }
        Ok(())
    }))
}

/// What the driver reads back of a row, where it is no record.
pub(super) fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, at: usize) -> Result<T, StoreError> {
    row.try_get(at).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A column of a layer: its name, and what it is called in the file's schema.
type Named = (&'static str, &'static str);

/// Names of a facility in other systems, as numbers; beside what its record says.
pub(super) const EXTERNAL: Named = ("external", "KEYS");

/// All columns of a layer but `fid`.
pub(super) fn columns(layer: &Layer) -> impl Iterator<Item = Named> + Clone {
    let external = (layer.name == "facilities").then_some(EXTERNAL);
    layer.content.iter().chain(layer.tail).copied().chain(external)
}

/// The type of a column.
pub(super) fn kind_of(kind: &str) -> &'static str {
    match kind.split(' ').next().unwrap_or_default() {
        "POINT" => "geometry(Point,4490)",
        "MULTIPOLYGON" | "BLOB" => "geometry(MultiPolygon,4490)",
        "GEOMETRY" => "geometry(Geometry,4490)",
        "INTEGER" => "bigint",
        "BOOLEAN" => "boolean",
        "DOUBLE" => "double precision",
        "DATE" => "date",
        "DATETIME" => "timestamptz",
        "KEYS" => "bigint[]",
        _ => "text",
    }
}

/// An instant as text, as all records have it.
pub(super) fn instant(column: &str) -> String {
    format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
}

/// A column as records read it.
pub(super) fn told((name, kind): Named) -> String {
    match kind_of(kind) {
        geometry if geometry.starts_with("geometry") => format!("ST_AsBinary(\"{name}\")"),
        "date" => format!("to_char(\"{name}\", 'YYYY-MM-DD')"),
        "timestamptz" => instant(&format!("\"{name}\"")),
        _ => format!("\"{name}\""),
    }
}

/// What a record is read from: `fid`, content, tail.
pub(super) fn record_list(layer: &Layer) -> String {
    let columns = layer.content.iter().chain(layer.tail).map(|column| format!(", {}", told(*column)));
    format!("\"fid\"{}", columns.collect::<String>())
}

/// `"fid", "a", "b" …`; `of`: a table, with its dot.
pub(super) fn list(layer: &Layer, of: &str) -> String {
    let columns = columns(layer).map(|(name, _)| format!(", {of}\"{name}\""));
    format!("{of}\"fid\"{}", columns.collect::<String>())
}

/// The same without `fid`.
pub(super) fn list_without_fid(columns: impl Iterator<Item = Named>) -> String {
    columns.map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Rows that come as arrays of texts, one for each column, as a table `s`.
pub(super) fn arrays(columns: impl Iterator<Item = Named> + Clone) -> String {
    let casts = columns.clone().map(|(name, kind)| format!("v.\"{name}\"::{}", kind_of(kind))).collect::<Vec<_>>();
    let arrays = (1..=casts.len()).map(|at| format!("${at}::text[]")).collect::<Vec<_>>();
    let names = list_without_fid(columns);
    format!("(SELECT {} FROM unnest({}) AS v({names})) AS s({names})", casts.join(", "), arrays.join(", "))
}

/// `fid` as a column.
pub(super) const FID: Named = ("fid", "INTEGER");

/// A value as PostgreSQL reads it in a text.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Int(number) => Some(number.to_string()),
        // Digits that become the same number again.
        Value::Real(number) => Some(format!("{number:?}")),
        Value::Text(text) => Some(kept(&text).into_owned()),
        Value::Blob(blob) => {
            let bytes = wkb::ewkb_of_blob(&blob).expect("layers write blobs of their own form only");
            let mut hex = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                hex.push(DIGITS[usize::from(byte >> 4)].into());
                hex.push(DIGITS[usize::from(byte & 15)].into());
            }
            Some(hex)
        }
    }
}

/// Rows of `width` values as arrays, one for each column.
pub(super) fn bound_arrays(values: Values, width: usize) -> Result<PgArguments, StoreError> {
    let rows = values.0.len() / width.max(1);
    let mut arrays: Vec<Vec<Option<String>>> = (0..width).map(|_| Vec::with_capacity(rows)).collect();
    for (at, value) in values.0.into_iter().enumerate() {
        arrays[at % width].push(text_of(value));
    }
    let mut arguments = PgArguments::default();
    for array in arrays {
        arguments.add(array).map_err(sqlx::Error::Encode).doing("binding values")?;
    }
    Ok(arguments)
}

/// Rows of `width` values as `COPY` reads them: PostgreSQL's text format.
fn copied(values: Values, width: usize) -> String {
    if values.0.is_empty() {
        return String::new();
    }
    // About as long as it gets, so that megabytes are not moved again and again.
    let mut text = String::with_capacity(16 * values.0.len());
    for (at, value) in values.0.into_iter().enumerate() {
        if at > 0 {
            text.push(if at % width == 0 { '\n' } else { '\t' });
        }
        match value {
            Value::Null => text.push_str("\\N"),
            Value::Int(number) => write!(text, "{number}").expect("a text takes everything"),
            Value::Text(given) if !given.contains(['\\', '\n', '\r', '\t', '\0']) => text.push_str(&kept(&given)),
            Value::Text(given) => {
                for c in kept(&given).chars() {
                    match c {
                        '\\' => text.push_str("\\\\"),
                        '\n' => text.push_str("\\n"),
                        '\r' => text.push_str("\\r"),
                        '\t' => text.push_str("\\t"),
                        c => text.push(c),
                    }
                }
            }
            other => text.push_str(&text_of(other).unwrap_or_default()),
        }
    }
    text.push('\n');
    text
}

/// Rows of a layer, written out for [`copy_lines`].
pub(super) fn lines(layer: &Layer, values: Values) -> String {
    copied(values, width(layer))
}

/// Copies [`lines`] into a table with the columns of a layer.
pub(super) async fn copy_lines(tx: &mut Tx, layer: &Layer, table: &str, lines: String, doing: &str) -> Result<(), StoreError> {
    if lines.is_empty() {
        return Ok(());
    }
    tx.copy(format!("COPY {table} ({}) FROM STDIN", list(layer, "")), lines, doing).await.map(drop)
}

/// Copies rows of `width` values into a table, which is told with its columns.
pub(super) async fn copy_rows(tx: &mut Tx, table: &str, width: usize, values: Values, doing: &str) -> Result<u64, StoreError> {
    if values.0.is_empty() {
        return Ok(0);
    }
    tx.copy(format!("COPY {table} FROM STDIN"), copied(values, width), doing).await
}

/// How many columns a layer has, `fid` included.
pub(super) fn width(layer: &Layer) -> usize {
    1 + columns(layer).count()
}
