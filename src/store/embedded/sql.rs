//! Small tools around sqlx for SQLite: rows by the hundreds, updates by lists of values.

use crate::store::StoreError;
pub(super) use crate::store::values::{Doing, Fields, Value, Values};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe};

/// SQLite's limit on bound values in one statement.
const MAX_BOUND: usize = 32_766;

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
