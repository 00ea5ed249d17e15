//! A whole city out of a file, and into a new one. The new file has its name only when it is complete.

use super::before;
use super::layers::{FACILITIES, Layer};
use super::rtree::{self, Entry};
use super::schema::past_name;
use super::sql::{Doing, Fields, Value, Values, run, run_all, write_rows};
use super::{EmbeddedStore, Lock, begun, log, remove_database, sync_folder};
use crate::domain::id::ImportId;
use crate::store::StoreError;
use crate::store::commit::ImportRecord;
use crate::store::copy::{CityRows, Form, OWN_NUMBERS, Portion, Table, external_keys, tables};
use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::fs::File;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

impl EmbeddedStore {
    pub(in crate::store) async fn rows(&self) -> Result<CityRows, StoreError> {
        let mut tx = self.readers(1).await?.pop().expect("one was asked for");
        let revision = log::revision(&mut tx).await?;
        Ok(CityRows::new(revision, |to| tokio::spawn(async move { tell(&mut tx, &to).await })))
    }
}

/// Tells all rows, until there are none left or nobody listens.
async fn tell(conn: &mut SqliteConnection, to: &mpsc::Sender<Portion>) -> Result<(), StoreError> {
    let undoable = undoable(conn).await?;
    for (at, table) in tables().iter().enumerate() {
        let mut portion = Portion::new(at);
        for sql in sources(conn, table, &undoable).await? {
            let mut rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&mut *conn);
            while let Some(row) = rows.try_next().await.doing("reading rows")? {
                table.read(&mut Fields::of(&row), &mut portion.rows)?;
                if portion.is_full() && !portion.tell(to).await {
                    return Ok(());
                }
            }
        }
        if !portion.tell(to).await {
            return Ok(());
        }
    }
    Ok(())
}

/// The imports that can be taken back, in order.
async fn undoable(conn: &mut SqliteConnection) -> Result<Vec<i64>, StoreError> {
    let mut ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM imports WHERE revision IS NOT NULL ORDER BY id DESC LIMIT ?")
        .bind(ImportRecord::UNDOABLE as i64)
        .fetch_all(conn)
        .await
        .doing("reading the imports")?;
    ids.reverse();
    Ok(ids)
}

/// The statements that read a table, one after the other in the order of its key.
async fn sources(conn: &mut SqliteConnection, table: &Table, undoable: &[i64]) -> Result<Vec<String>, StoreError> {
    let (name, list) = (table.name, table.list());
    let order = table.key.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let sql = match (table.form, name) {
        (Form::Before(layer), _) => {
            let mut each = Vec::new();
            for import in undoable {
                let kept = before::table(layer, ImportId(*import));
                if before::exists(conn, &kept).await? {
                    each.push(format!("SELECT {import} AS \"import\", {} FROM \"{kept}\" ORDER BY fid", layer.list()));
                }
            }
            return Ok(each);
        }
        // Rows of a publication that is under way, or was broken off, are nobody's.
        (Form::Boundaries(layer), _) => {
            let said: Vec<String> = layer.columns().map(|name| format!("\"{name}\"")).collect();
            let said = said.join(", ");
            let published = "(SELECT ifnull(max(epoch), 0) FROM epochs)";
            format!(
                "SELECT {said}, 0 AS chain, NULL AS epoch_until FROM \"{}\" UNION ALL
                 SELECT {said}, chain, CASE WHEN chain = 0 THEN epoch_until END FROM \"{}\"
                   WHERE epoch_until <= {published} AND chain <= {published} ORDER BY {order}",
                layer.name,
                past_name(layer)
            )
        }
        (Form::Own, "meta") => {
            format!("SELECT {list} FROM meta WHERE key NOT IN ('schema', 'audit_begins_after') ORDER BY {order}")
        }
        (Form::Own, "audit_begin") => {
            "SELECT CAST(substr(value, 1, instr(value, ' ') - 1) AS INTEGER), substr(value, instr(value, ' ') + 1)
            FROM meta WHERE key = 'audit_begins_after'"
                .to_owned()
        }
        (Form::Own, "sequences") => {
            let own = OWN_NUMBERS.map(|(name, _)| {
                format!(" UNION ALL SELECT '{name}', ifnull((SELECT max(seq) FROM sqlite_sequence WHERE name = '{name}'), 0)")
            });
            format!("SELECT name, last FROM sequences{} ORDER BY 1", own.concat())
        }
        (Form::Rows(_) | Form::Own, _) => format!("SELECT {list} FROM \"{name}\" ORDER BY {order}"),
    };
    Ok(vec![sql])
}

/// A file that is being filled, in one transaction, under another name.
pub(in crate::store) struct EmbeddedCopy {
    path: PathBuf,
    unfinished: PathBuf,
    conn: Option<SqliteConnection>,
    /// The last number that was given to a row of boundaries; what they are called in a file says nothing.
    last_fid: i64,
    _held: Lock,
}

impl EmbeddedCopy {
    pub(in crate::store) async fn begin(path: &Path) -> Result<Self, StoreError> {
        let (held, unfinished, mut conn) = begun(path).await?;
        // Whatever happens before the file has its name, it is removed: nothing need be on the disk before that.
        let sql = "PRAGMA synchronous = OFF; PRAGMA cache_size = -64000; BEGIN IMMEDIATE; INSERT INTO guard VALUES (1)";
        run_all(&mut conn, sql.to_owned(), "beginning the copy").await?;
        Ok(Self { path: path.to_owned(), unfinished, conn: Some(conn), last_fid: 0, _held: held })
    }

    pub(in crate::store) async fn write(&mut self, table: &'static Table, rows: Values) -> Result<(), StoreError> {
        let conn = self.conn.as_mut().ok_or(StoreError::ReadOnly)?;
        let (name, width) = (table.name, table.width());
        let doing = format!("copying {name}");
        match (table.form, name) {
            (Form::Rows(layer), _) => {
                if let Some(at) = table.at_geometry() {
                    places(conn, layer, rows.0.chunks(width).map(|row| (number(&row[0]), &row[at]))).await?;
                }
                if layer.name == FACILITIES.name {
                    let mut keys = Values::default();
                    for row in rows.0.chunks(width) {
                        for key in external_keys(table, row)? {
                            keys.int(key);
                            keys.int(number(&row[0]));
                        }
                    }
                    write_rows(conn, ("INSERT OR IGNORE INTO facility_external", ""), 2, keys, &doing).await?;
                }
                write_rows(conn, (&layer.insert(name), ""), width, rows, &doing).await?;
            }
            (Form::Before(layer), _) => {
                let mut values = rows.0.into_iter().peekable();
                while let Some(import) = values.peek().map(number) {
                    let kept = before::table(layer, ImportId(import));
                    before::create(conn, layer, ImportId(import)).await?;
                    let mut some = Values::default();
                    while values.peek().is_some_and(|first| number(first) == import) {
                        some.0.extend(values.by_ref().take(width).skip(1));
                    }
                    write_rows(conn, (&layer.insert(&kept), ""), width - 1, some, &doing).await?;
                }
            }
            (Form::Boundaries(layer), _) => self.boundaries(table, layer, rows, &doing).await?,
            (Form::Own, "audit_begin") => {
                let [Value::Int(number), Value::Text(hash)] = &rows.0[..] else { return Err(nothing(name)) };
                let sql = "UPDATE meta SET value = ? WHERE key = 'audit_begins_after'";
                sqlx::query(sql).bind(format!("{number} {hash}")).execute(conn).await.doing(&doing)?;
            }
            (Form::Own, "sequences") => {
                let (own, others): (Vec<&[Value]>, Vec<&[Value]>) = rows
                    .0
                    .chunks(width)
                    .partition(|row| OWN_NUMBERS.iter().any(|(name, _)| row[0] == Value::Text((*name).to_owned())));
                let names: Vec<String> = OWN_NUMBERS.iter().map(|(name, _)| format!("'{name}'")).collect();
                run(conn, format!("DELETE FROM sqlite_sequence WHERE name IN ({})", names.join(", ")), &doing).await?;
                let values = |rows: Vec<&[Value]>| Values(rows.concat());
                write_rows(conn, ("INSERT INTO sqlite_sequence (name, seq)", ""), width, values(own), &doing).await?;
                write_rows(conn, ("INSERT OR REPLACE INTO sequences (name, last)", ""), width, values(others), &doing).await?;
            }
            (Form::Own, _) => {
                let insert = format!("INSERT INTO \"{name}\" ({})", table.list());
                write_rows(conn, (&insert, ""), width, rows, &doing).await?;
            }
        }
        Ok(())
    }

    /// What stands goes into the table, what has ended or stands beside the chain behind it.
    async fn boundaries(&mut self, table: &Table, layer: &Layer, rows: Values, doing: &str) -> Result<(), StoreError> {
        let conn = self.conn.as_mut().ok_or(StoreError::ReadOnly)?;
        let said = table.at("chain");
        let (mut standing, mut past) = (Values::default(), Values::default());
        let mut entries: Vec<(i64, &Value)> = Vec::new();
        for row in rows.0.chunks(table.width()) {
            let (chain, until) = (&row[said], &row[said + 1]);
            if *chain == Value::Int(0) && *until == Value::Null {
                self.last_fid += 1;
                standing.int(self.last_fid);
                standing.0.extend_from_slice(&row[..said]);
                entries.extend(table.at_geometry().map(|at| (self.last_fid, &row[at])));
            } else {
                past.0.extend_from_slice(&row[..=said]);
                // A set beside the chain stands in its own epoch alone.
                past.0.push(if *until == Value::Null { chain.clone() } else { until.clone() });
            }
        }
        places(conn, layer, entries.into_iter()).await?;
        write_rows(conn, (&layer.insert(layer.name), ""), layer.width(), standing, doing).await?;
        let columns: Vec<String> = layer.columns().map(|name| format!("\"{name}\"")).collect();
        let insert = format!("INSERT INTO \"{}\" ({}, chain, epoch_until)", past_name(layer), columns.join(", "));
        write_rows(conn, (&insert, ""), columns.len() + 2, past, doing).await.map(drop)
    }

    /// Makes the file durable under its name.
    pub(in crate::store) async fn finish(&mut self) -> Result<(), StoreError> {
        let doing = "finishing the copy";
        let mut conn = self.conn.take().ok_or(StoreError::ReadOnly)?;
        run_all(&mut conn, "DELETE FROM guard; COMMIT; PRAGMA optimize".to_owned(), doing).await?;
        sqlx::Connection::close(conn).await.doing(doing)?;
        File::open(&self.unfinished).and_then(|file| file.sync_all()).doing(doing)?;
        if self.path.exists() {
            return Err(StoreError::Exists(self.path.clone()));
        }
        std::fs::rename(&self.unfinished, &self.path).doing(doing)?;
        sync_folder(&self.path)
    }

    pub(in crate::store) async fn give_up(mut self) -> Result<(), StoreError> {
        if let Some(conn) = self.conn.take() {
            // What it could not write is of no interest any more.
            let _ = sqlx::Connection::close(conn).await;
        }
        remove_database(&self.unfinished)
    }
}

impl Table {
    /// Where the geometry stands that an R-tree holds.
    fn at_geometry(&self) -> Option<usize> {
        self.columns.iter().position(|(name, _)| *name == "geom")
    }
}

fn number(value: &Value) -> i64 {
    if let Value::Int(number) = value { *number } else { 0 }
}

fn nothing(name: &str) -> StoreError {
    StoreError::Corrupt(format!("the source says nothing of {name}"))
}

/// Puts rows into the R-tree of a layer that has one, many at a time: a packed one would have to know all of them first.
async fn places<'a>(
    conn: &mut SqliteConnection,
    layer: &Layer,
    rows: impl Iterator<Item = (i64, &'a Value)>,
) -> Result<(), StoreError> {
    let mut values = Values::default();
    for (fid, geometry) in rows {
        let Value::Blob(blob) = geometry else { continue };
        let Some(Entry { id, bounds }) = rtree::entry_of_blob(fid, blob) else { continue };
        values.int(id);
        values.0.extend(bounds.map(|bound| Value::Real(bound.into())));
    }
    if values.0.is_empty() {
        return Ok(());
    }
    let insert = format!("INSERT INTO \"{}\"", layer.rtree());
    write_rows(conn, (&insert, ""), 5, values, "writing the R-tree").await.map(drop)
}
