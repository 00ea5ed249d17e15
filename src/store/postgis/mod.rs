//! A schema in PostgreSQL with PostGIS, for several servers at once.
//!
//! Every write runs on a task of its own and is one transaction, so a caller that hangs up leaves nothing half done. Locks are taken in
//! one order, so that no two writers wait for each other: the gate (shared by those who write rows, alone for those who publish or
//! change the city's own data), rows by their keys, sequences, and last the clock, whose number is the commit's revision. Whoever has
//! counted the clock up commits next, so numbers are in the order of commits and have no holes.
//!
//! Nothing is said to the session, only to the transaction: a pooler may share connections between transactions.

mod boundaries;
mod callers;
mod check;
mod copy;
mod follow;
mod imports;
mod load;
mod log;
mod numbered;
mod options;
mod part;
mod read;
mod schema;
mod sources;
mod sql;
mod staff;
mod view;

pub(super) use boundaries::PostgisGate;
pub(super) use copy::PostgisCopy;
pub(super) use load::PostgisLoad;
pub(super) use view::PostgisView;

use super::{Access, Meta, StoreError};
use crate::domain::hash::hash64_of_parts;
use crate::domain::secret::Secret;
use options::{Chosen, Options};
use sql::{Tx, bound};
use sqlx::postgres::PgPool;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

/// Why there is no copy of it.
pub(super) const NO_FILE: &str =
    "a store in PostGIS has no file to copy: use pg_dump, or base backups with the log of the database";

/// A store in PostgreSQL. Clones share it.
#[derive(Debug, Clone)]
pub struct PostgisStore {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    access: Access,
    pools: RwLock<Arc<Pools>>,
    closed: AtomicBool,
    begin: Begin,
    /// What this process is called by others.
    server: String,
    /// Held by whoever loads rows of any number: it takes numbers on a second connection meanwhile.
    turn: Arc<AsyncMutex<()>>,
}

/// Connections to one host.
struct Pools {
    chosen: Chosen,
    rows: PgPool,
    /// For following what others commit: however many wait for each other, this server knows how far they are.
    following: PgPool,
    /// Says when another host is talked to instead.
    left: watch::Sender<bool>,
}

impl Pools {
    fn to(chosen: Chosen, options: &Options) -> Self {
        let (rows, following) = (options.pool_of(chosen, options.connections), options.pool_of(chosen, FOLLOWING));
        Self { chosen, rows, following, left: watch::Sender::new(false) }
    }
}

impl Shared {
    /// Those to the host that is talked to now.
    fn pools(&self) -> Arc<Pools> {
        Arc::clone(&self.pools.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Shared {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.options.name).field("access", &self.access).finish_non_exhaustive()
    }
}

/// Connections for following: to listen, to ask how far the log is, to read what changed, to say that this server lives.
const FOLLOWING: u32 = 4;

/// How long a whole import may say nothing in the middle: others wait for what it holds.
const SILENT: &str = "15min";

/// How transactions begin: with all that would otherwise be said to the session.
struct Begin {
    /// One state of the database, which is not written to.
    read: String,
    /// The same, for reading tables whole: that takes as long as it takes.
    whole: String,
    write: String,
    /// For whole imports: statements take as long as they take, locks are not waited for longer than by others.
    large: String,
}

impl Begin {
    fn of(options: &Options, postgis: &str) -> Self {
        let limit = options.timeout.as_millis();
        let path = format!("SET LOCAL search_path = \"{}\", \"{}\", pg_temp", options.schema, postgis.replace('"', "\"\""));
        Self {
            read: format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {path}; SET LOCAL statement_timeout = {limit}"),
            whole: format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {path}; SET LOCAL statement_timeout = 0"),
            // A machine that vanishes in the middle holds its locks no longer than this.
            write: format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {path}; SET LOCAL statement_timeout = {limit}; \
                 SET LOCAL idle_in_transaction_session_timeout = {limit}"
            ),
            large: format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {path}; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {limit}; \
                 SET LOCAL idle_in_transaction_session_timeout = '{SILENT}'"
            ),
        }
    }
}

/// Locks that end with their transaction. They are numbers of the whole database, so the schema is in them.
#[derive(Clone, Copy)]
enum Lock {
    /// Whoever makes or migrates the schema.
    Schema,
    /// Shared by writers of rows; alone for whoever publishes or changes what the city says about itself.
    Gate,
    /// Whoever adds to the audit.
    Audit,
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

impl PostgisStore {
    /// Makes an empty city in a database that has PostGIS.
    pub(super) async fn create(url: &str, meta: &Meta) -> Result<Self, StoreError> {
        let (store, mut tx) = Self::uninhabited(url).await?;
        schema::settle(&mut tx, meta).await?;
        tx.commit().await?;
        Ok(store)
    }

    /// The tables without a city, in a transaction that is not committed.
    async fn uninhabited(url: &str) -> Result<(Self, Tx), StoreError> {
        let store = Self::connected(url, Access::Import).await?;
        let name = store.shared.options.name.as_str();
        let mut tx = store.migrating().await?;
        schema::migrate(&mut tx, name, &store.shared.options.schema).await?;
        if schema::inhabited(&mut tx).await? {
            return Err(StoreError::Exists(PathBuf::from(name)));
        }
        Ok((store, tx))
    }

    /// Opens a city. An older schema is brought up to date by whoever may write.
    pub(super) async fn open(url: &str, access: Access) -> Result<Self, StoreError> {
        let store = Self::connected(url, access).await?;
        let Options { name, schema, .. } = &store.shared.options;
        let mut tx = store.begin(&store.shared.begin.read).await?;
        let found = schema::found(&mut tx, schema).await?;
        match found {
            None => return Err(StoreError::Missing(PathBuf::from(name))),
            Some(found) if found < schema::SCHEMA && access == Access::Read => {
                return Err(StoreError::Older { path: PathBuf::from(name), found });
            }
            Some(found) if found < schema::SCHEMA => {
                drop(tx);
                let mut tx = store.migrating().await?;
                schema::migrate(&mut tx, name, schema).await?;
                tx.commit().await?;
            }
            Some(found) => {
                schema::known(name, found)?;
                drop(tx);
            }
        }
        if !schema::inhabited(&mut store.reader().await?).await? {
            return Err(StoreError::Missing(PathBuf::from(name)));
        }
        if access == Access::Serve {
            store.interrupt().await?;
        }
        Ok(store)
    }

    /// See [`crate::store::Store::migrate`].
    pub(super) async fn migrate(url: &str) -> Result<(i64, i64), StoreError> {
        let store = Self::connected(url, Access::Import).await?;
        let Options { name, schema, .. } = &store.shared.options;
        let mut tx = store.migrating().await?;
        let Some(found) = schema::found(&mut tx, schema).await? else {
            return Err(StoreError::Missing(PathBuf::from(name)));
        };
        schema::migrate(&mut tx, name, schema).await?;
        tx.commit().await?;
        store.close().await?;
        Ok((found, schema::SCHEMA))
    }

    async fn connected(url: &str, access: Access) -> Result<Self, StoreError> {
        let options = Options::of(url)?;
        let pools = Pools::to(options.choose(access).await?, &options);
        // Before it is known where PostGIS is.
        let begin = Begin::of(&options, "public");
        let mut tx = Tx::begin((&pools.rows, &pools.left.subscribe()), &begin.read, options.prepared, &options.name).await?;
        let postgis = schema::home_of_postgis(&mut tx).await?;
        drop(tx);
        let begin = Begin::of(&options, &postgis);
        let server = Secret::random().map_err(|error| StoreError::Invalid(error.to_string()))?.digest().to_string();
        let server = server[..16].to_owned();
        let pools = RwLock::new(Arc::new(pools));
        let shared = Shared { options, access, pools, closed: AtomicBool::new(false), begin, server, turn: Arc::default() };
        let store = Self { shared: Arc::new(shared) };
        schema::capable(&mut store.reader().await?, &postgis).await?;
        Ok(store)
    }

    /// Waits for a load that is under way, and closes all connections. Writes are refused from then on.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        self.shared.closed.store(true, Ordering::SeqCst);
        // First: nobody says any more that this server lives.
        let pools = self.shared.pools();
        pools.following.close().await;
        if self.shared.access == Access::Serve
            && let Err(error) = self.gone().await
        {
            tracing::debug!(%error, "others will see only after a while that this server has ended");
        }
        pools.rows.close().await;
        Ok(())
    }

    /// Where the URL names several hosts: goes on with the one that takes writes now. What is under way at the other one is given up:
    /// there may be nobody any more who answers.
    pub(super) async fn seek(&self) {
        let Shared { options, pools, closed, .. } = &*self.shared;
        let present = self.shared.pools();
        if closed.load(Ordering::SeqCst) {
            return;
        }
        let Some(chosen) = options.instead_of(present.chosen).await else { return };
        tracing::warn!(from = options.host_name(present.chosen), to = options.host_name(chosen), "another host takes writes now");
        let next = Arc::new(Pools::to(chosen, options));
        *pools.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        present.left.send_replace(true);
        // Whoever closed meanwhile closed the others.
        if closed.load(Ordering::SeqCst) {
            tokio::join!(next.rows.close(), next.following.close());
        }
    }

    async fn begin(&self, statement: &str) -> Result<Tx, StoreError> {
        let Options { prepared, name, .. } = &self.shared.options;
        let pools = self.shared.pools();
        Tx::begin((&pools.rows, &pools.left.subscribe()), statement, *prepared, name).await
    }

    /// The same for those who follow.
    async fn begin_following(&self, statement: &str) -> Result<Tx, StoreError> {
        let Options { prepared, name, .. } = &self.shared.options;
        let pools = self.shared.pools();
        Tx::begin((&pools.following, &pools.left.subscribe()), statement, *prepared, name).await
    }

    /// One state of the database, for reading.
    async fn reader(&self) -> Result<Tx, StoreError> {
        self.begin(&self.shared.begin.read).await
    }

    /// The same, for reading much.
    async fn whole(&self) -> Result<Tx, StoreError> {
        self.begin(&self.shared.begin.whole).await
    }

    /// A transaction of some milliseconds that writes.
    async fn writer(&self) -> Result<Tx, StoreError> {
        self.begin(&self.shared.begin.write).await
    }

    /// A transaction that writes much.
    async fn large(&self) -> Result<Tx, StoreError> {
        self.begin(&self.shared.begin.large).await
    }

    async fn migrating(&self) -> Result<Tx, StoreError> {
        let mut tx = self.large().await?;
        self.lock(&mut tx, Lock::Schema, false).await?;
        Ok(tx)
    }

    /// Waits for a lock and holds it until the transaction ends.
    async fn lock(&self, tx: &mut Tx, lock: Lock, shared: bool) -> Result<(), StoreError> {
        let (what, doing) = match lock {
            Lock::Schema => ("schema", "waiting for another who prepares the schema"),
            Lock::Gate => ("gate", "waiting for another writer"),
            Lock::Audit => ("audit", "waiting for another who writes the audit"),
        };
        self.lock_named(tx, [what, ""], shared, doing).await
    }

    async fn lock_named(&self, tx: &mut Tx, [what, which]: [&str; 2], shared: bool, doing: &str) -> Result<(), StoreError> {
        let key = hash64_of_parts(["wangge", self.shared.options.schema.as_str(), what, which]).cast_signed();
        let sql = if shared { "SELECT pg_advisory_xact_lock_shared($1)::text" } else { "SELECT pg_advisory_xact_lock($1)::text" };
        tx.row(sql, bound![key], doing).await.map(drop)
    }

    /// Waits until nobody else of this process loads.
    async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.turn).lock_owned().await
    }

    /// Refuses writes to a store that was opened for reading, or is closed.
    fn writable(&self) -> Result<(), StoreError> {
        if self.shared.access == Access::Read || self.shared.pools().rows.is_closed() {
            Err(StoreError::ReadOnly)
        } else {
            Ok(())
        }
    }
}
