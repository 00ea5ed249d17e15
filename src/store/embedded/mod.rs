//! One GeoPackage file through sqlx: one writer connection, some readers, a lock file beside it.
//!
//! Every write runs on a task of its own, so a caller that hangs up cannot leave a transaction on the writer. What is large is first
//! written into `<table>_next` in transactions of some milliseconds, and becomes visible when one short transaction renames the
//! tables; whatever a crash leaves behind (`*_next`, `*_old`, rows of epochs that were never published) is dropped when the file is
//! opened the next time.

mod answers;
mod audit;
mod backup;
mod before;
mod beside;
mod boundaries;
mod bulk;
mod callers;
mod check;
mod copy;
mod handed_out;
mod log;
mod migrate;
mod numbered;
mod publish;
mod read;
mod rebuild;
mod rtree;
mod schema;
mod sources;
mod sql;
mod staff;
mod view;

pub(super) use backup::restore;
pub(super) use bulk::EmbeddedLoad;
pub(super) use copy::EmbeddedCopy;
pub use handed_out::HandedOut;
pub(super) use view::EmbeddedView;

use super::{Access, Announced, Meta, StoreError, layers};
use crate::domain::grid::GridRecord;
use crate::domain::id::GridSet;
use crate::domain::region::RegionRecord;
use sql::{Doing, run, run_all};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, Transaction};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{MappedMutexGuard, Mutex as AsyncMutex, MutexGuard, OwnedMutexGuard};

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// Transactions of a large write between two breaths: some megabytes of log.
const BREATH: u32 = 8;

/// Behind the name of the data file: what programs of this machine show to its server.
const SECRET: &str = ".secret";

/// SQLite's result code `SQLITE_NOTADB`.
const NOT_A_DATABASE: &str = "26";

/// A store in one file. Clones share it.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    access: Access,
    readers: SqlitePool,
    /// Held while several readers are taken at once, so that two who do so never wait for each other.
    gathering: AsyncMutex<()>,
    /// `None`: opened for reading, or closed.
    writer: AsyncMutex<Option<SqliteConnection>>,
    /// Held by whoever fills `*_next` tables or publishes.
    turn: Arc<AsyncMutex<()>>,
    /// Rows written to a table while its `_next` is filled.
    touched: Mutex<HashMap<&'static str, HashSet<i64>>>,
    /// Transactions of large writes, for [`EmbeddedStore::breathe`].
    unseen: AtomicU32,
    /// Held as long as the store is open; `None` for readers.
    lock: Mutex<Option<Lock>>,
}

/// Hash of what the row of a grid says, as the column `row_hash` has it: a row of a copy with another one was edited there.
pub fn grid_row_hash(record: &GridRecord, set: &GridSet) -> i64 {
    boundaries::row_hash(record, set)
}

/// The same of a region.
pub fn region_row_hash(record: &RegionRecord, set: &GridSet) -> i64 {
    boundaries::row_hash(record, set)
}

/// `path` with something at its end.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The lock beside a data file, held until it is dropped; what a server shows to programs of this machine goes with it.
#[derive(Debug)]
struct Lock {
    file: File,
    secret: PathBuf,
}

impl Drop for Lock {
    /// Closing is not enough: a child process that is just being started has the file open too, until it runs its own program.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        if let Err(error) = remove_files(std::slice::from_ref(&self.secret)) {
            tracing::warn!(%error, "the secret beside the data file stays behind; it is good for nothing any more");
        }
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the lock beside the data file is given back only at the end of the process");
        }
    }
}

/// Takes the lock beside a data file.
fn lock(path: &Path) -> Result<Lock, StoreError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside(path, ".lock"))
        .doing(&format!("opening the lock beside {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            // What a program that was killed wrote about itself.
            file.set_len(0).doing(&format!("emptying the lock beside {}", path.display()))?;
            let secret = beside(path, SECRET);
            remove_files(std::slice::from_ref(&secret))?;
            Ok(Lock { file, secret })
        }
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(error).doing(&format!("locking {}", path.display())),
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .statement_cache_capacity(200)
        .disable_statement_logging()
}

async fn connect(options: SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let path = options.get_filename().to_owned();
    let not_a_database =
        |error: &sqlx::Error| error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(NOT_A_DATABASE));
    match options.connect().await {
        Err(error) if not_a_database(&error) => Err(StoreError::NotOurs { path, reason: "it is not a database".to_owned() }),
        other => other.doing(&format!("opening {}", path.display())),
    }
}

/// Runs a write on a task of its own: it goes on when the caller does not wait any longer.
async fn on_own_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a write ended early");
        Err(StoreError::GivenUp)
    })
}

/// Begins a transaction that may write. When it is committed, it and all before it are on the disk.
async fn begin(conn: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StoreError> {
    begin_synchronous(conn, "FULL").await
}

/// The same for what nobody sees before a later transaction shows it. Its commit does not wait for the disk: that later one does, for
/// both, and what a power cut takes before that would have been swept away.
async fn begin_unseen(conn: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StoreError> {
    begin_synchronous(conn, "NORMAL").await
}

async fn begin_synchronous<'a>(conn: &'a mut SqliteConnection, synchronous: &str) -> Result<Transaction<'a, Sqlite>, StoreError> {
    let doing = "beginning to write";
    // Said each time: a caller that hangs up in between must not leave the next commit unsynchronized.
    run_all(conn, format!("PRAGMA synchronous = {synchronous}"), doing).await?;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.doing(doing)?;
    sqlx::query("INSERT INTO guard VALUES (1)").execute(&mut *tx).await.doing(doing)?;
    Ok(tx)
}

/// Makes it durable.
async fn commit(mut tx: Transaction<'_, Sqlite>) -> Result<(), StoreError> {
    let doing = "committing";
    sqlx::query("DELETE FROM guard").execute(&mut *tx).await.doing(doing)?;
    tx.commit().await.doing(doing)
}

/// A new file with the tables of a city, under another name until it is complete; and the lock of the one that it will be.
async fn begun(path: &Path) -> Result<(Lock, PathBuf, SqliteConnection), StoreError> {
    let held = lock(path)?;
    if path.exists() {
        return Err(StoreError::Exists(path.to_owned()));
    }
    let unfinished = beside(path, ".new");
    remove_database(&unfinished)?;
    let options = options(&unfinished).create_if_missing(true).page_size(4096).journal_mode(SqliteJournalMode::Delete);
    let mut conn = connect(options).await?;
    schema::create(&mut conn).await?;
    Ok((held, unfinished, conn))
}

impl EmbeddedStore {
    /// Makes a new file; it is there under its name only when it is complete.
    pub(super) async fn create(path: &Path, meta: &Meta) -> Result<Self, StoreError> {
        let (held, unfinished, mut conn) = begun(path).await?;
        let mut tx = begin(&mut conn).await?;
        log::meta_insert(&mut tx, meta).await?;
        commit(tx).await?;
        conn.close().await.doing("closing the new file")?;
        std::fs::rename(&unfinished, path).doing("giving the new file its name")?;
        sync_folder(path)?;
        drop(held);
        Self::open(path, Access::Import).await
    }

    /// Opens a file.
    pub(super) async fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        Self::open_with(path, access, schema::SCHEMA, migrate::STEPS).await
    }

    /// See [`crate::store::Store::migrate`].
    pub(super) async fn migrate(path: &Path) -> Result<(i64, i64), StoreError> {
        let found = match Self::open(path, Access::Read).await {
            Err(StoreError::Older { found, .. }) => found,
            Ok(store) => {
                store.close().await?;
                schema::SCHEMA
            }
            Err(error) => return Err(error),
        };
        if found < schema::SCHEMA {
            Self::open(path, Access::Import).await?.close().await?;
        }
        Ok((found, schema::SCHEMA))
    }

    /// The same for a program that knows `schema` as the newest and how to get there.
    async fn open_with(path: &Path, access: Access, known: i64, steps: &[migrate::Step]) -> Result<Self, StoreError> {
        if !path.is_file() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let held = if access == Access::Read { None } else { Some(lock(path)?) };
        let writer = if access == Access::Read {
            let mut conn = connect(options(path).pragma("query_only", "1")).await?;
            migrate::checked(&mut conn, path, known).await?;
            None
        } else {
            let mut conn = connect(options(path)).await?;
            let found = migrate::found(&mut conn, path, known).await?;
            migrate::guarded(&mut conn, path).await?;
            run_all(
                &mut conn,
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -32000"
                    .to_owned(),
                "preparing the file for writing",
            )
            .await?;
            migrate::migrate(&mut conn, path, found, known, steps).await?;
            rebuild::sweep(&mut conn).await?;
            boundaries::sweep(&mut conn).await?;
            before::interrupt(&mut conn).await?;
            Some(conn)
        };
        let readers = SqlitePoolOptions::new()
            .min_connections(0)
            .max_connections(6)
            .acquire_timeout(Duration::from_secs(30))
            .connect_lazy_with(options(path).pragma("query_only", "1").pragma("cache_size", "-2000"));
        let shared = Shared {
            path: path.to_owned(),
            access,
            readers,
            gathering: AsyncMutex::new(()),
            writer: AsyncMutex::new(writer),
            turn: Arc::new(AsyncMutex::new(())),
            touched: Mutex::new(HashMap::new()),
            unseen: AtomicU32::new(0),
            lock: Mutex::new(held),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Waits for what is being written and closes the file. Writes are refused from then on.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let writer = self.shared.writer.lock().await.take();
        self.shared.readers.close().await;
        if let Some(mut conn) = writer {
            run(&mut conn, "PRAGMA optimize".to_owned(), "closing the file").await?;
            conn.close().await.doing("closing the file")?;
        }
        drop(self.shared.lock.lock().expect("nothing panics while it holds the lock").take());
        Ok(())
    }

    async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.shared.readers.acquire().await.doing("opening the file for reading")
    }

    /// The one connection that writes, for a transaction of some milliseconds.
    async fn writer(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, StoreError> {
        let guard = self.shared.writer.lock().await;
        MutexGuard::try_map(guard, Option::as_mut).map_err(|_| StoreError::ReadOnly)
    }

    /// Waits until nobody else fills `*_next` tables or publishes.
    async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.turn).lock_owned().await
    }

    /// Between two transactions of a large write: every few of them the log goes into the file, on another connection, while others
    /// write. Left to grow, a commit of somebody else would have to sync all of it, or move it at its full size.
    async fn breathe(&self) -> Result<(), StoreError> {
        let before = self.shared.unseen.fetch_add(1, Ordering::Relaxed);
        if before % BREATH != BREATH - 1 {
            return Ok(());
        }
        let sql = "PRAGMA wal_checkpoint(PASSIVE)".to_owned();
        run(&mut *self.reader().await?, sql, "writing the log into the file").await.map(drop)
    }

    /// Refuses writes to a file that was opened for reading, or is closed.
    fn writable(&self) -> Result<(), StoreError> {
        if self.shared.access == Access::Read || self.shared.readers.is_closed() { Err(StoreError::ReadOnly) } else { Ok(()) }
    }

    pub(super) fn announce(&self, address: &str, secret: Option<&str>) -> Result<(), StoreError> {
        use std::io::{Seek, Write};
        let doing = "writing the address into the lock beside the file";
        let held = self.shared.lock.lock().expect("nothing panics while it holds the lock");
        let Some(lock) = held.as_ref() else { return Err(StoreError::ReadOnly) };
        if let Some(secret) = secret {
            own_file(&lock.secret, secret).doing(&format!("writing {}", lock.secret.display()))?;
        }
        let mut file = &lock.file;
        file.set_len(0).doing(doing)?;
        file.rewind().doing(doing)?;
        file.write_all(address.as_bytes()).doing(doing)
    }

    fn touched(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, HashSet<i64>>> {
        self.shared.touched.lock().expect("nothing panics while it holds the lock")
    }
}

/// What the holder of the lock beside a data file says about where it answers.
pub(super) fn announced(path: &Path) -> Option<Announced> {
    let text = std::fs::read_to_string(beside(path, ".lock")).ok()?;
    let address = Some(text.trim().to_owned()).filter(|address| !address.is_empty())?;
    let place = beside(path, SECRET);
    let secret = match std::fs::read_to_string(&place) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}; it is read by the user that the server runs as", place.display())),
    };
    Some(Announced { address, secret })
}

/// A new file that only its owner reads.
fn own_file(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Removes a data file with its lock.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    remove_database(path)?;
    remove_files(&[beside(path, ".lock")])
}

/// Removes a database file and what SQLite keeps beside it.
fn remove_database(path: &Path) -> Result<(), StoreError> {
    remove_files(&[path.to_owned(), beside(path, "-wal"), beside(path, "-shm"), beside(path, "-journal")])
}

/// What is not there need not go.
fn remove_files(files: &[PathBuf]) -> Result<(), StoreError> {
    for file in files {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).doing(&format!("removing {}", file.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a rename in the folder of `path` durable.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).doing("making the new name durable")
}
