//! Writing much without being in anyone's way: a table is copied into `<table>_next` in transactions of some milliseconds, changed
//! there, and becomes visible when one short transaction renames the two. Rows that others wrote meanwhile are taken over in it.

use super::layers::Layer;
use super::layers::keys_of;
use super::rtree;
use super::schema::{external_table, guards_create, guards_drop};
use super::sql::{Doing, Value, Values, id_list, run, run_all, write_rows};
use super::{EmbeddedStore, begin_unseen, commit};
use crate::store::StoreError;
use crate::store::commit::ImportRecord;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::time::{Duration, Instant};

/// How long one transaction of a batch should take.
const PACE: Duration = Duration::from_millis(12);

/// How many rows fit into [`PACE`], learnt on the way.
#[derive(Debug)]
pub(super) struct Pace {
    rows: usize,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { rows: 1000 }
    }

    /// Rows for the next transaction.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Notes how long a transaction of `rows` rows took.
    pub(super) fn learn(&mut self, rows: usize, took: Duration) {
        let fit = rows as f64 * PACE.as_secs_f64() / took.as_secs_f64().max(1e-6);
        // Never more than double, so that one quick batch is not followed by a very long one.
        self.rows = (fit as usize).clamp(100, (2 * self.rows).min(10_000));
    }
}

/// A table that is being built beside the one in use.
#[derive(Debug)]
pub(super) struct Rebuild {
    store: EmbeddedStore,
    pub(super) layer: &'static Layer,
    /// Whether there was anything to copy.
    pub(super) had_rows: bool,
    places: bool,
    externals: bool,
}

impl Rebuild {
    /// `facilities_next`
    pub(super) fn table(&self) -> String {
        next(self.layer.name)
    }

    /// Makes the table and copies what there is. Whoever calls this holds the store's turn.
    pub(super) async fn begin(store: &EmbeddedStore, layer: &'static Layer) -> Result<Self, StoreError> {
        let rebuild = Self { store: store.clone(), layer, had_rows: false, places: false, externals: false };
        {
            let mut conn = store.writer().await?;
            let mut tx = begin_unseen(&mut conn).await?;
            run(&mut tx, layer.create(&rebuild.table()), "making a table").await?;
            // From here on every other write to the table says which rows it touched.
            store.touched().insert(layer.name, Default::default());
            commit(tx).await?;
        }
        rebuild.copied().await
    }

    async fn copied(mut self) -> Result<Self, StoreError> {
        let (old, new, columns) = (self.layer.name, self.table(), self.layer.list());
        let sql = format!(
            "INSERT INTO \"{new}\" ({columns}) SELECT {columns} FROM \"{old}\"
             WHERE fid > (SELECT ifnull(max(fid), -9223372036854775808) FROM \"{new}\") ORDER BY fid LIMIT ?"
        );
        let mut pace = Pace::new();
        loop {
            let mut conn = self.store.writer().await?;
            let started = Instant::now();
            let rows = pace.rows();
            let mut tx = begin_unseen(&mut conn).await?;
            let copied = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(rows as i64)
                .execute(&mut *tx)
                .await
                .doing("copying rows")?
                .rows_affected();
            commit(tx).await?;
            drop(conn);
            pace.learn(rows, started.elapsed());
            self.store.breathe().await?;
            if copied == 0 {
                return Ok(self);
            }
            self.had_rows = true;
        }
    }

    /// Removes rows by `fid`.
    pub(super) async fn remove(&self, ids: &[i64]) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM \"{}\" WHERE fid IN (SELECT value FROM json_each(?))", self.table());
        for some in ids.chunks(2000) {
            let mut conn = self.store.writer().await?;
            let mut tx = begin_unseen(&mut conn).await?;
            sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(id_list(some.iter().copied()))
                .execute(&mut *tx)
                .await
                .doing("removing rows")?;
            commit(tx).await?;
        }
        Ok(())
    }

    /// Writes rows of `width` values by `{before} VALUES … {after}`; answers how many were written.
    pub(super) async fn write(&self, sql: (&str, &str), width: usize, values: Values) -> Result<u64, StoreError> {
        let mut pace = Pace::new();
        let mut values = values.0.into_iter();
        let mut written = 0;
        loop {
            let some = Values(values.by_ref().take(pace.rows() * width).collect());
            if some.0.is_empty() {
                return Ok(written);
            }
            let rows = some.0.len() / width;
            let mut conn = self.store.writer().await?;
            let started = Instant::now();
            let mut tx = begin_unseen(&mut conn).await?;
            written += write_rows(&mut tx, sql, width, some, "writing rows").await?;
            commit(tx).await?;
            drop(conn);
            pace.learn(rows, started.elapsed());
            self.store.breathe().await?;
        }
    }

    /// Packs an R-tree for the new table. `known`: all its entries, when they are at hand.
    pub(super) async fn index_places(&mut self, known: Option<Vec<rtree::Entry>>) -> Result<(), StoreError> {
        if self.layer.geometry.is_none() {
            return Ok(());
        }
        let name = next(&self.layer.rtree());
        let entries = match known {
            Some(entries) => entries,
            None => rtree::entries_of(&mut *self.store.reader().await?, &self.table()).await?,
        };
        {
            let mut conn = self.store.writer().await?;
            let mut tx = begin_unseen(&mut conn).await?;
            rtree::create(&mut tx, &name).await?;
            commit(tx).await?;
        }
        self.places = true;
        rtree::fill(&self.store, &name, entries).await
    }

    /// Writes the names of facilities in other systems, for the new table.
    pub(super) async fn index_external(&mut self, mut pairs: Vec<(i64, i64)>) -> Result<(), StoreError> {
        let name = next("facility_external");
        {
            let mut conn = self.store.writer().await?;
            let mut tx = begin_unseen(&mut conn).await?;
            run(&mut tx, external_table(&name), "making a table").await?;
            commit(tx).await?;
        }
        self.externals = true;
        pairs.sort_unstable();
        pairs.dedup();
        for some in pairs.chunks(10_000) {
            let values = Values(some.iter().flat_map(|&(key, fid)| [Value::Int(key), Value::Int(fid)]).collect());
            let mut conn = self.store.writer().await?;
            let mut tx = begin_unseen(&mut conn).await?;
            write_rows(&mut tx, (&format!("INSERT INTO \"{name}\""), ""), 2, values, "writing names in other systems").await?;
            commit(tx).await?;
            drop(conn);
            self.store.breathe().await?;
        }
        Ok(())
    }

    /// Rows of the table in use that others wrote since `begin`; from now on nobody has to say so any more, because the writer is held
    /// until the swap.
    pub(super) fn touched(&self) -> Vec<i64> {
        let mut touched: Vec<i64> = self.store.touched().remove(self.layer.name).unwrap_or_default().into_iter().collect();
        touched.sort_unstable();
        touched
    }

    /// Takes rows over as they are in the table in use.
    pub(super) async fn take_over(&self, conn: &mut SqliteConnection, ids: &[i64]) -> Result<(), StoreError> {
        let doing = "taking over rows written meanwhile";
        let (old, new, columns) = (self.layer.name, self.table(), self.layer.list());
        let list = id_list(ids.iter().copied());
        if self.externals {
            let external = next("facility_external");
            for (table, sql) in [
                (&new, format!("DELETE FROM \"{external}\" WHERE key = ? AND fid = ?")),
                (&old.to_owned(), format!("INSERT OR IGNORE INTO \"{external}\" VALUES (?, ?)")),
            ] {
                for (fid, key) in external_keys(conn, table, &list).await? {
                    sqlx::query(AssertSqlSafe(sql.clone())).bind(key).bind(fid).execute(&mut *conn).await.doing(doing)?;
                }
            }
        }
        let chosen = "IN (SELECT value FROM json_each(?1))";
        let mut statements = vec![
            format!("DELETE FROM \"{new}\" WHERE fid {chosen}"),
            format!("INSERT INTO \"{new}\" ({columns}) SELECT {columns} FROM \"{old}\" WHERE fid {chosen}"),
        ];
        if self.places {
            let (old, new) = (self.layer.rtree(), next(&self.layer.rtree()));
            statements.push(format!("DELETE FROM \"{new}\" WHERE id {chosen}"));
            statements.push(format!("INSERT INTO \"{new}\" SELECT * FROM \"{old}\" WHERE id {chosen}"));
        }
        for sql in statements {
            sqlx::query(AssertSqlSafe(sql)).bind(list.as_str()).execute(&mut *conn).await.doing(doing)?;
        }
        Ok(())
    }

    /// Puts the new table in the place of the old one. What was not built anew stays.
    pub(super) async fn swap(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let name = self.layer.name;
        let mut sql = guards_drop(name);
        sql.push_str(&renames(name));
        sql.push_str(&guards_create(name));
        if self.places {
            sql.push_str(&renames(&self.layer.rtree()));
        }
        if self.externals {
            sql.push_str(&guards_drop("facility_external"));
            sql.push_str(&renames("facility_external"));
            sql.push_str(&guards_create("facility_external"));
        }
        run_all(conn, sql, "exchanging tables").await
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        self.store.touched().remove(self.layer.name);
    }
}

fn next(table: &str) -> String {
    format!("{table}_next")
}

fn renames(table: &str) -> String {
    format!("ALTER TABLE \"{table}\" RENAME TO \"{table}_old\"; ALTER TABLE \"{table}_next\" RENAME TO \"{table}\";")
}

/// (`fid`, key) of the names in other systems of some rows.
pub(super) async fn external_keys(conn: &mut SqliteConnection, table: &str, list: &str) -> Result<Vec<(i64, i64)>, StoreError> {
    let sql = format!(
        "SELECT fid, external_ids FROM \"{table}\" WHERE fid IN (SELECT value FROM json_each(?)) AND external_ids IS NOT NULL"
    );
    let rows: Vec<(i64, String)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(list).fetch_all(conn).await.doing("reading names in other systems")?;
    let mut keys = Vec::new();
    for (fid, json) in rows {
        for key in keys_of(&json)? {
            keys.push((fid, key.cast_signed()));
        }
    }
    Ok(keys)
}

/// Drops what was replaced or never finished: large tables row by row first, so that no transaction is long.
pub(super) async fn sweep(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    while let Some((name, is_virtual)) = leftover(conn).await? {
        if is_virtual {
            run(conn, format!("DROP TABLE \"{name}\""), "dropping an old R-tree").await?;
            continue;
        }
        while sweep_rows(conn, &name).await? {}
        run(conn, format!("DROP TABLE IF EXISTS \"{name}\""), "dropping an old table").await?;
    }
    Ok(())
}

/// A table that was replaced or never finished. R-trees first: their shadow tables go with them.
async fn leftover(conn: &mut SqliteConnection) -> Result<Option<(String, bool)>, StoreError> {
    sqlx::query_as(
        "SELECT name, sql LIKE 'CREATE VIRTUAL%' AS is_virtual FROM sqlite_master WHERE type = 'table'
         AND (name LIKE '%\\_next' ESCAPE '\\' OR name LIKE '%\\_old' ESCAPE '\\' OR name GLOB '*_before_[0-9]*' AND
           CAST(substr(name, instr(name, '_before_') + 8) AS INTEGER) NOT IN
             (SELECT id FROM imports WHERE revision IS NOT NULL ORDER BY id DESC LIMIT ?))
         ORDER BY is_virtual DESC LIMIT 1",
    )
    .bind(ImportRecord::UNDOABLE as i64)
    .fetch_optional(conn)
    .await
    .doing("looking for old tables")
}

async fn sweep_rows(conn: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    let by_fid = format!(
        "DELETE FROM \"{name}\" WHERE fid <= (SELECT max(fid) FROM (SELECT fid FROM \"{name}\" ORDER BY fid LIMIT 5000))"
    );
    let by_key = format!(
        "DELETE FROM \"{name}\" WHERE key <= (SELECT max(key) FROM (SELECT key FROM \"{name}\" ORDER BY key LIMIT 5000))"
    );
    let sql = if name.starts_with("facility_external") { by_key } else { by_fid };
    let mut tx = begin_unseen(conn).await?;
    let gone = run(&mut tx, sql, "emptying an old table").await?;
    commit(tx).await?;
    Ok(gone > 0)
}

impl EmbeddedStore {
    /// Drops what is of no more use.
    pub(in crate::store) async fn tidy(&self) -> Result<(), StoreError> {
        self.writable()?;
        let _turn = self.turn().await;
        self.sweep().await
    }

    /// Drops what was replaced or never finished, beside everything else. Whoever calls this holds the store's turn.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        loop {
            let Some((name, is_virtual)) = leftover(&mut *self.writer().await?).await? else { return Ok(()) };
            while !is_virtual && sweep_rows(&mut *self.writer().await?, &name).await? {}
            run(&mut *self.writer().await?, format!("DROP TABLE \"{name}\""), "dropping an old table").await?;
        }
    }
}
