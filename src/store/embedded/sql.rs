//! Small tools around sqlx: values that can be hashed before they are bound, rows by the hundreds, fields in order.

use crate::domain::hash::hash64;
use crate::store::StoreError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Row, Sqlite, Type};

/// SQLite's limit on bound values in one statement.
const MAX_BOUND: usize = 32_766;

/// Says what was being done when the database refused.
pub(super) trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Database { doing: doing.to_owned(), source: Box::new(source) })
    }
}

impl<T> Doing<T> for Result<T, std::io::Error> {
    fn doing(self, doing: &str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { doing: doing.to_owned(), source })
    }
}

/// A value on its way into a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// Values of one or many rows, column by column, row by row.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(pub(super) Vec<Value>);

impl Values {
    pub(super) fn int(&mut self, value: i64) {
        self.0.push(Value::Int(value));
    }
    pub(super) fn opt_int(&mut self, value: Option<i64>) {
        self.0.push(value.map_or(Value::Null, Value::Int));
    }
    pub(super) fn opt_real(&mut self, value: Option<f64>) {
        self.0.push(value.map_or(Value::Null, Value::Real));
    }
    pub(super) fn text(&mut self, value: impl Into<String>) {
        self.0.push(Value::Text(value.into()));
    }
    pub(super) fn opt_text(&mut self, value: Option<impl Into<String>>) {
        self.0.push(value.map_or(Value::Null, |text| Value::Text(text.into())));
    }
    pub(super) fn opt_blob(&mut self, value: Option<Vec<u8>>) {
        self.0.push(value.map_or(Value::Null, Value::Blob));
    }

    /// The hash of all of them in order.
    pub(super) fn hash(&self) -> i64 {
        let mut bytes = Vec::new();
        for value in &self.0 {
            let (tag, body): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Int(number) => (1, &number.to_le_bytes()),
                Value::Real(number) => (2, &number.to_bits().to_le_bytes()),
                Value::Text(text) => (3, text.as_bytes()),
                Value::Blob(blob) => (4, blob),
            };
            bytes.push(tag);
            bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
            bytes.extend_from_slice(body);
        }
        hash64(&bytes).cast_signed()
    }
}

fn bound(values: impl Iterator<Item = Value>, count: usize) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(count, 0);
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Int(number) => arguments.add(number),
            Value::Real(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
            Value::Blob(blob) => arguments.add(blob),
        }
        .map_err(sqlx::Error::Encode)
        .doing("binding values")?;
    }
    Ok(arguments)
}

/// Sizes in which rows are bound, so that few different statements are prepared.
fn portions(rows: usize, width: usize) -> impl Iterator<Item = usize> {
    let most = (MAX_BOUND / width.max(1)).max(1);
    let mut left = rows;
    std::iter::from_fn(move || {
        let size = [1000, 100, 10].into_iter().find(|size| *size <= left.min(most)).unwrap_or(1);
        (left > 0).then(|| {
            left -= size;
            size
        })
    })
}

fn values_list(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(","));
    vec![row; rows].join(",")
}

/// Runs `{before} VALUES (…),(…) {after}` for all rows of `width` values; answers how many rows were written.
pub(super) async fn write_rows(
    conn: &mut SqliteConnection,
    (before, after): (&str, &str),
    width: usize,
    values: Values,
    doing: &str,
) -> Result<u64, StoreError> {
    let rows = values.0.len() / width.max(1);
    let mut values = values.0.into_iter();
    let mut written = 0;
    for portion in portions(rows, width) {
        let sql = format!("{before} VALUES {} {after}", values_list(portion, width));
        let arguments = bound(values.by_ref().take(portion * width), portion * width)?;
        written += sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *conn).await.doing(doing)?.rows_affected();
    }
    Ok(written)
}

/// The same for a statement with `RETURNING` one integer: all of them.
pub(super) async fn write_rows_returning(
    conn: &mut SqliteConnection,
    (before, after): (&str, &str),
    width: usize,
    values: Values,
    doing: &str,
) -> Result<Vec<i64>, StoreError> {
    let rows = values.0.len() / width.max(1);
    let mut values = values.0.into_iter();
    let mut returned = Vec::new();
    for portion in portions(rows, width) {
        let sql = format!("{before} VALUES {} {after}", values_list(portion, width));
        let arguments = bound(values.by_ref().take(portion * width), portion * width)?;
        returned.extend(
            sqlx::query_scalar_with::<_, i64, _>(AssertSqlSafe(sql), arguments).fetch_all(&mut *conn).await.doing(doing)?,
        );
    }
    Ok(returned)
}

/// An update of many rows by a list of values: `fid`, then one value per column.
pub(super) struct Update {
    before: String,
    after: String,
}

impl Update {
    /// `set_more`: what else is set, as SQL: `, "x" = 1`.
    pub(super) fn of(table: &str, columns: &[&str], set_more: &str) -> Self {
        let set: Vec<String> = columns.iter().map(|name| format!("\"{name}\" = v.\"{name}\"")).collect();
        let names: String = columns.iter().map(|name| format!(", \"{name}\"")).collect();
        Self {
            before: format!("WITH v (fid{names}) AS ("),
            after: format!(") UPDATE \"{table}\" SET {}{set_more} FROM v WHERE \"{table}\".fid = v.fid", set.join(", ")),
        }
    }

    /// Only rows in which `column` is another one than given.
    pub(super) fn where_differs(mut self, table: &str, column: &str) -> Self {
        self.after.push_str(&format!(" AND \"{table}\".\"{column}\" IS NOT v.\"{column}\""));
        self
    }

    /// What stands around `VALUES (…), (…)`.
    pub(super) fn each(&self) -> (&str, &str) {
        (&self.before, &self.after)
    }
}

/// Runs a statement that is not known before; only names of our own tables and columns are put into it.
pub(super) async fn run(conn: &mut SqliteConnection, sql: String, doing: &str) -> Result<u64, StoreError> {
    Ok(sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(conn).await.doing(doing)?.rows_affected())
}

/// Runs several statements without values.
pub(super) async fn run_all(conn: &mut SqliteConnection, sql: String, doing: &str) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map(drop).doing(doing)
}

/// Ids as a JSON array, for `IN (SELECT value FROM json_each(?))`.
pub(super) fn id_list(ids: impl IntoIterator<Item = i64>) -> String {
    let mut list = String::from("[");
    for id in ids {
        if list.len() > 1 {
            list.push(',');
        }
        list.push_str(&id.to_string());
    }
    list.push(']');
    list
}

/// Columns of a row, one after the other.
pub(super) struct Fields<'a> {
    row: &'a SqliteRow,
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(row: &'a SqliteRow) -> Self {
        Self { row, at: 0 }
    }

    /// The next column.
    pub(super) fn take<T: Decode<'a, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T, StoreError> {
        self.at += 1;
        self.row.try_get(self.at - 1).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// The next column, a text that has to be parsed.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, StoreError> {
        let text: &str = self.take()?;
        text.parse().map_err(|error| StoreError::Corrupt(format!("{text:?}: {error}")))
    }

    /// The same for a column that may be empty.
    pub(super) fn opt_parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.take()?;
        text.map(|text| text.parse().map_err(|error| StoreError::Corrupt(format!("{text:?}: {error}")))).transpose()
    }

    /// The next column, a number that has to fit.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let number: i64 = self.take()?;
        T::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} is out of range")))
    }

    /// The same for a column that may be empty.
    pub(super) fn opt_number<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, StoreError> {
        let number: Option<i64> = self.take()?;
        number.map(|number| T::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} is out of range")))).transpose()
    }
}
