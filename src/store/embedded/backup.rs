//! A copy of the file while it is in use, and the way back.

use super::schema::{LAYERS, SCHEMA, guarded, guards_create, guards_drop, standard_triggers, standard_triggers_drop};
use super::sql::{Doing, run_all};
use super::{EmbeddedStore, beside, boundaries, check, connect, lock, migrate, options, rebuild, remove_database, sync_folder};
use crate::store::StoreError;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Copies a database as it is at this moment, whoever writes to it.
async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let doing = format!("copying {}", from.display());
    let mut conn = connect(options(from)).await?;
    sqlx::query("VACUUM INTO ?").bind(to.to_string_lossy().into_owned()).execute(&mut conn).await.doing(&doing)?;
    conn.close().await.doing(&doing)
}

/// The copy, alone in its file.
async fn open_copy(path: &Path) -> Result<SqliteConnection, StoreError> {
    connect(options(path).journal_mode(SqliteJournalMode::Delete)).await
}

/// Makes the finished copy durable under its name.
async fn finish(conn: SqliteConnection, unfinished: &Path, path: &Path) -> Result<(), StoreError> {
    let doing = "finishing the copy";
    conn.close().await.doing(doing)?;
    File::open(unfinished).and_then(|file| file.sync_all()).doing(doing)?;
    std::fs::rename(unfinished, path).doing(doing)?;
    sync_folder(path)
}

impl EmbeddedStore {
    /// Writes a copy that others may edit: without our guards, with the triggers that GeoPackage asks for.
    pub(in crate::store) async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        if path.exists() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        let unfinished = beside(path, ".part");
        remove_database(&unfinished)?;
        copy(self.path(), &unfinished).await?;
        let mut conn = open_copy(&unfinished).await?;
        rebuild::sweep(&mut conn).await?;
        boundaries::sweep(&mut conn).await?;
        let mut sql: String = guarded().iter().map(|table| guards_drop(table)).collect();
        sql.extend(LAYERS.iter().filter(|layer| layer.geometry.is_some()).map(|layer| standard_triggers(layer)));
        run_all(&mut conn, sql, "preparing the copy").await?;
        finish(conn, &unfinished, path).await
    }
}

/// Puts a copy of the backup `from` in the place of the data file `to`. The copy is checked first; the file that was there is kept
/// under the name that is answered. Refused while a server uses it.
pub(in crate::store) async fn restore(from: &Path, to: &Path) -> Result<Option<PathBuf>, StoreError> {
    if !from.is_file() {
        return Err(StoreError::Missing(from.to_owned()));
    }
    let _held = lock(to)?;
    let mut source = connect(options(from).pragma("query_only", "1")).await?;
    let schema = migrate::found(&mut source, from, SCHEMA).await;
    source.close().await.doing("closing the backup")?;
    let schema = schema?;
    let unfinished = beside(to, ".part");
    remove_database(&unfinished)?;
    copy(from, &unfinished).await?;
    let mut conn = open_copy(&unfinished).await?;
    migrate::walk(&mut conn, schema, SCHEMA, migrate::STEPS).await?;
    let mut sql: String =
        LAYERS.iter().filter(|layer| layer.geometry.is_some()).map(|layer| standard_triggers_drop(layer)).collect();
    for table in guarded() {
        sql.push_str(&guards_drop(&table));
        sql.push_str(&guards_create(&table));
    }
    run_all(&mut conn, sql, "preparing the restored file").await?;
    let faults = check::check(&mut conn).await?;
    if let Some(first) = faults.first() {
        let reason = format!("it was not restored: {first}{}", more(faults.len() - 1));
        conn.close().await.doing("closing the copy")?;
        remove_database(&unfinished)?;
        return Err(StoreError::NotOurs { path: from.to_owned(), reason });
    }
    let kept = keep(to)?;
    finish(conn, &unfinished, to).await?;
    Ok(kept)
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more faults)") }
}

/// Moves a data file, with what SQLite has beside it, to a name that is free.
fn keep(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let kept =
        (1..).map(|n| beside(path, &format!(".before-{n}"))).find(|name| !name.exists()).expect("there are always more names");
    for ending in ["-wal", "-shm", ""] {
        let file = beside(path, ending);
        if file.exists() {
            std::fs::rename(&file, beside(&kept, ending)).doing("keeping the old file")?;
        }
    }
    Ok(Some(kept))
}
