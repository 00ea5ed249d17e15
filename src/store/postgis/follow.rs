//! For processes that follow what others commit: how far the log is, what changed since a number, and being woken by commits.

use super::options::TIMELINE;
use super::read::Place;
use super::sql::{Tx, bound, get, instant};
use super::{PostgisStore, boundaries, log, part, read, staff};
use crate::domain::facility::FacilityRow;
use crate::domain::id::{GridSet, Revision};
use crate::domain::scope::Scope;
use crate::store::commit::{LogKind, Snapshot};
use crate::store::since::{InForce, Past, Rows, Stand, Update};
use crate::store::values::Fields;
use crate::store::{StoreError, epoch_at, others_at};
use jiff::Timestamp;
use sqlx::postgres::{PgListener, PgRow};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Rows of one kind up to which each is read by its key; of more the whole table.
const MOST_NAMED: usize = 20_000;

/// Log entries that are read at most; who is farther behind reads everything.
const MOST_ENTRIES: i64 = 10_000;

/// How long after a lost connection it is listened again.
const PAUSE: Duration = Duration::from_secs(1);

/// What one entry of the log says to followers.
struct Touch {
    kind: LogKind,
    settings: bool,
    /// Keys of what was written or removed; `None`: not told.
    keys: Option<Vec<i64>>,
}

fn touch(row: &PgRow) -> Result<Touch, StoreError> {
    let word: &str = Fields::of_pg(row).take()?;
    let kind = LogKind::named(word).ok_or_else(|| StoreError::Corrupt(format!("the log is about {word:?}")))?;
    Ok(Touch { kind, settings: get(row, 1)?, keys: get(row, 2)? })
}

/// What all entries say of one kind: `None` nothing, `Some(None)` not told.
fn named(touches: &[Touch], kind: LogKind) -> Option<Option<Vec<i64>>> {
    let mut of_kind = touches.iter().filter(|touch| touch.kind == kind).peekable();
    of_kind.peek()?;
    let mut all = Vec::new();
    for touch in of_kind {
        match &touch.keys {
            Some(keys) => all.extend(keys),
            None => return Some(None),
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(Some(all).filter(|all| all.len() <= MOST_NAMED))
}

/// Reads what is named, or everything.
macro_rules! rows {
    ($tx:expr, $named:expr, $all:expr) => {
        match $named {
            None => Rows::Same,
            Some(None) => Rows::All($all),
            Some(Some(ids)) => {
                let rows = read::by_ids($tx, ids.clone()).await?;
                Rows::Some { ids, rows }
            }
        }
    };
}

async fn all_facilities(tx: &mut Tx) -> Result<Vec<FacilityRow>, StoreError> {
    let profile = log::meta(tx).await?.profile;
    read::facility_rows(tx, &profile, &Place::any()).await
}

async fn whole(tx: &mut Tx, at: Timestamp, within: &Scope) -> Result<Snapshot, StoreError> {
    match within {
        Scope::All => read::snapshot(tx, at).await,
        Scope::Within(codes) => part::snapshot(tx, at, codes).await,
    }
}

/// Which past this is.
async fn past(tx: &mut Tx) -> Result<Past, StoreError> {
    let sql = format!("SELECT (SELECT system_identifier FROM pg_control_system()), {TIMELINE}");
    let row = tx.row(sql, bound![], "asking which database this is").await?;
    let row = row.ok_or_else(|| StoreError::Corrupt("the database does not say which it is".to_owned()))?;
    let mut f = Fields::of_pg(&row);
    let system = f.take::<i64>()?.cast_unsigned();
    Ok(Past { system, timeline: u32::try_from(f.take::<i64>()?).unwrap_or_default() })
}

impl PostgisStore {
    pub(in crate::store) async fn stand(&self) -> Result<Stand, StoreError> {
        let mut tx = self.begin_following(&self.shared.begin.read).await?;
        let past = past(&mut tx).await?;
        let sql = format!(
            "SELECT c.revision, s.last, (SELECT {} FROM change_log l WHERE l.revision = c.revision) FROM clock c, sequences s
             WHERE s.name = 'callers'",
            instant("l.at")
        );
        let row = tx.row(sql, bound![], "asking how far the log is").await?;
        let row = row.ok_or_else(|| StoreError::Corrupt("the database has no clock".to_owned()))?;
        let mut f = Fields::of_pg(&row);
        Ok(Stand { revision: Revision(f.number()?), past, callers: f.take()?, at: f.opt_parsed()? })
    }

    pub(in crate::store) async fn update(
        &self,
        after: Revision,
        known: Option<Past>,
        at: Timestamp,
        within: &Scope,
    ) -> Result<Update, StoreError> {
        let mut reader = self.begin_following(&self.shared.begin.whole).await?;
        let tx = &mut reader;
        let (past, revision) = (past(tx).await?, log::revision(tx).await?);
        let sql =
            "SELECT kind, summary::jsonb ? 'settings', touched FROM change_log WHERE revision > $1 ORDER BY revision LIMIT $2";
        let entries = tx.rows(sql, bound![after.0.cast_signed(), MOST_ENTRIES], "reading the change log").await?;
        let told = revision.0.checked_sub(after.0).is_some_and(|missing| entries.len() as u64 == missing);
        if !told || known.is_some_and(|known| known != past) {
            return Ok(Update::whole(whole(tx, at, within).await?, past));
        }
        let touches = entries.iter().map(touch).collect::<Result<Vec<_>, _>>()?;
        let has = |kind| touches.iter().any(|touch| touch.kind == kind);
        let about = has(LogKind::Meta) || touches.iter().any(|touch| touch.settings);
        let redrawn = about || has(LogKind::Boundaries) || has(LogKind::Households);
        // Of a part only rows that are named are read by themselves: with other boundaries others belong to it.
        let by_row = |kind| named(&touches, kind).is_none_or(|keys| keys.is_some());
        let kinds = [LogKind::Facilities, LogKind::Cases, LogKind::Organizations, LogKind::Buildings];
        if *within != Scope::All && (redrawn || has(LogKind::Addresses) || !kinds.into_iter().all(by_row)) {
            return Ok(Update::whole(whole(tx, at, within).await?, past));
        }
        let meta = if about { Some(log::meta(tx).await?) } else { None };
        let boundaries = if redrawn { Some(in_force(tx, at).await?) } else { None };
        // What moved to other grids counts one version more with each publication; in memory a step counts once.
        let moved_often = touches.iter().filter(|touch| touch.kind == LogKind::Boundaries).count() > 1;
        let of_kind = |kind| if moved_often { Some(None) } else { named(&touches, kind) };
        let facilities = rows!(tx, of_kind(LogKind::Facilities), all_facilities(tx).await?);
        let cases = rows!(tx, of_kind(LogKind::Cases), read::open_cases(tx, &Place::any()).await?);
        let organizations = rows!(tx, named(&touches, LogKind::Organizations), read::all_of(tx, &Place::any()).await?);
        let buildings = rows!(tx, named(&touches, LogKind::Buildings), read::all_of(tx, &Place::any()).await?);
        let staff = if has(LogKind::Staff) { Some(staff::staff(tx).await?) } else { None };
        let addresses = if has(LogKind::Addresses) { Some(read::address_rows(tx, &Place::any()).await?) } else { None };
        Ok(Update { revision, past, meta, boundaries, facilities, staff, cases, addresses, organizations, buildings })
    }

    /// Wakes `news` whenever another process commits, until the store is closed. Poolers that share connections between transactions pass no
    /// notifications on: there `notify=off` says so, and followers ask from time to time.
    pub(in crate::store) fn listen(&self, news: Arc<Notify>) {
        if !self.shared.options.notify {
            return;
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            loop {
                let (pool, mut left) = {
                    let pools = shared.pools();
                    (pools.following.clone(), pools.left.subscribe())
                };
                if pool.is_closed() {
                    return;
                }
                tokio::select! {
                    ended = heard(&pool, &shared.options.schema, &shared.server, &news) => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "not woken by commits for now");
                        }
                    }
                    _ = left.wait_for(|left| *left) => {}
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
}

/// Listens as long as the connection lasts.
async fn heard(pool: &sqlx::PgPool, channel: &str, own: &str, news: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    // Whatever was committed before.
    news.notify_one();
    while let Some(told) = listener.try_recv().await? {
        // "<revision> <server>": what this process committed it knows.
        if told.payload().split_once(' ').is_none_or(|(_, server)| server != own) {
            news.notify_one();
        }
    }
    Ok(())
}

/// The boundaries in force at an instant.
async fn in_force(tx: &mut Tx, at: Timestamp) -> Result<InForce, StoreError> {
    let epochs = log::epochs(tx).await?;
    let mut hierarchy = None;
    if let Some(record) = epoch_at(&epochs, &GridSet::default(), at) {
        hierarchy = boundaries::boundaries_at(tx, record.epoch).await?.map(|set| (record.clone(), set));
    }
    let mut others = Vec::new();
    for record in others_at(&epochs, at) {
        if let Some(set) = boundaries::boundaries_at(tx, record.epoch).await? {
            others.push((record.clone(), set));
        }
    }
    Ok(InForce { hierarchy, others })
}
