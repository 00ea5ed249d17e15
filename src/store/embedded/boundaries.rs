//! Boundaries of every epoch: how they are stored, read and checked. The rows of the current epoch stand in `regions`, `grids` and `voids`; a row that ends goes to
//! `<table>_past` with the first epoch in which it stood no more, so what does not change is stored once. A set beside the chain
//! lies in the past tables from the beginning, under a chain of its own.
//!
//! Past rows are written before the transaction that publishes; until then their epoch does not exist and nobody reads them.

use super::layers::{Bounding, Layer, time_text};
pub(super) use super::layers::{key_column, row_hash, scheme_text};
use super::log;
use super::schema::{BOUNDARY_LAYERS, past_name};
use super::sql::{Doing, id_list, run};
use super::{EmbeddedStore, begin, begin_unseen, commit, on_own_task};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::grid::GridRecord;
use crate::domain::id::{Epoch, GridSet, ImportId};
use crate::domain::period::Period;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scheme::Scheme;
use crate::store::StoreError;
use crate::store::commit::{BoundaryCommit, Chain, Committed, ImportRecord};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

/// Rows of the end of the chain with their `fid`, by key.
pub(super) async fn current_rows<R: Bounding>(conn: &mut SqliteConnection, set: &GridSet) -> Result<Vec<(i64, R)>, StoreError> {
    let layer = R::LAYER;
    let sql = format!("SELECT {} FROM \"{}\" WHERE grid_set = ? ORDER BY \"{}\"", layer.list(), layer.name, key_column(layer));
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(set.as_str()).fetch_all(conn).await.doing("reading boundaries")?;
    let fid = |row: &SqliteRow| row.try_get::<i64, _>(0).doing("reading boundaries");
    rows.iter().map(|row| Ok((fid(row)?, R::from_row(row)?))).collect()
}

/// Rows of one epoch, by key.
async fn rows_at<R: Bounding>(
    conn: &mut SqliteConnection,
    set: &GridSet,
    chain: i64,
    epoch: Epoch,
) -> Result<Vec<R>, StoreError> {
    let layer = R::LAYER;
    let (list, name, past, key) = (layer.list(), layer.name, past_name(layer), key_column(layer));
    let sql = if chain == 0 {
        format!(
            "SELECT {list} FROM \"{name}\" WHERE grid_set = ?1 AND epoch_from <= ?2
             UNION ALL
             SELECT {list} FROM \"{past}\" WHERE grid_set = ?1 AND chain = ?3 AND epoch_from <= ?2 AND epoch_until > ?2
               AND epoch_until <= (SELECT max(epoch) FROM epochs)
             ORDER BY \"{key}\""
        )
    } else {
        format!("SELECT {list} FROM \"{past}\" WHERE grid_set = ?1 AND chain = ?3 AND epoch_from = ?2 ORDER BY \"{key}\"")
    };
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(set.as_str())
        .bind(epoch.0.cast_signed())
        .bind(chain)
        .fetch_all(conn)
        .await
        .doing("reading boundaries")?;
    rows.iter().map(R::from_row).collect()
}

/// The contents of an epoch.
pub(super) async fn boundaries_at(conn: &mut SqliteConnection, record: &EpochRecord) -> Result<BoundarySet, StoreError> {
    let (chain, scheme): (i64, String) = sqlx::query_as("SELECT chain, scheme FROM epochs WHERE epoch = ?")
        .bind(record.epoch.0.cast_signed())
        .fetch_one(&mut *conn)
        .await
        .doing("reading an epoch")?;
    let scheme: Scheme = serde_json::from_str(&scheme).map_err(|error| StoreError::Corrupt(format!("a scheme: {error}")))?;
    let (set, epoch) = (&record.set, record.epoch);
    Ok(BoundarySet {
        set: set.clone(),
        scheme,
        period: record.period,
        regions: rows_at::<RegionRecord>(conn, set, chain, epoch).await?,
        grids: rows_at::<GridRecord>(conn, set, chain, epoch).await?,
        voids: rows_at::<VoidRecord>(conn, set, chain, epoch).await?,
    })
}

/// Copies rows to the past, where they stand until `epoch`. Those that began in it have no past.
pub(super) async fn end_rows(conn: &mut SqliteConnection, layer: &Layer, ended: &[i64], epoch: Epoch) -> Result<(), StoreError> {
    let columns: Vec<String> = layer.columns().map(|name| format!("\"{name}\"")).collect();
    let columns = columns.join(", ");
    let sql = format!(
        "INSERT INTO \"{}\" ({columns}, chain, epoch_until) SELECT {columns}, 0, ?1 FROM \"{}\"
         WHERE fid IN (SELECT value FROM json_each(?2)) AND epoch_from < ?1",
        past_name(layer),
        layer.name
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(epoch.0.cast_signed())
        .bind(id_list(ended.iter().copied()))
        .execute(conn)
        .await
        .map(drop)
        .doing("ending rows")
}

/// Removes rows of epochs that were never published.
pub(super) async fn sweep(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    for layer in BOUNDARY_LAYERS {
        let past = past_name(layer);
        let unpublished = "(SELECT ifnull(max(epoch), 0) FROM epochs)";
        let sql = format!(
            "DELETE FROM \"{past}\" WHERE fid IN
             (SELECT fid FROM \"{past}\" WHERE epoch_until > {unpublished} OR chain > {unpublished} LIMIT 2000)"
        );
        loop {
            let mut tx = begin_unseen(conn).await?;
            let gone = run(&mut tx, sql.clone(), "removing rows of unpublished epochs").await?;
            commit(tx).await?;
            if gone == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// The tail of a row that begins.
pub(super) struct Begin {
    pub(super) epoch: Epoch,
    pub(super) import: Option<ImportId>,
}

impl EmbeddedStore {
    pub(in crate::store) async fn boundaries_at(&self, epoch: Epoch) -> Result<Option<BoundarySet>, StoreError> {
        let mut conn = self.reader().await?;
        let mut tx = sqlx::Connection::begin(&mut *conn).await.doing("beginning to read")?;
        let Some(record) = log::epochs(&mut tx).await?.into_iter().find(|record| record.epoch == epoch) else { return Ok(None) };
        boundaries_at(&mut tx, &record).await.map(Some)
    }

    pub(in crate::store) async fn boundaries_commit(&self, given: BoundaryCommit) -> Result<Committed, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let _turn = store.turn().await;
            store.sweep().await?;
            sweep(&mut *store.writer().await?).await?;
            let committed = match given.chain {
                Chain::InForce => store.publish(given).await,
                Chain::Beside => store.publish_beside(given).await,
            };
            store.sweep().await?;
            committed
        })
        .await
    }

    /// The number of an import, if there is one: the one it was announced under, or a new one.
    pub(super) async fn number_of(&self, import: Option<&ImportRecord>) -> Result<Option<ImportId>, StoreError> {
        match import {
            None => Ok(None),
            Some(announced) if announced.id.0 != 0 => Ok(Some(announced.id)),
            Some(_) => self.import_number().await.map(Some),
        }
    }

    /// A number for an import that is not stored yet.
    pub(super) async fn import_number(&self) -> Result<ImportId, StoreError> {
        let mut conn = self.writer().await?;
        let mut tx = begin(&mut conn).await?;
        let id = log::sequence(&mut tx, "imports", 1).await? + 1;
        commit(tx).await?;
        Ok(ImportId(id))
    }
}

pub(super) async fn epoch_insert(
    conn: &mut SqliteConnection,
    record: &EpochRecord,
    chain: i64,
    scheme: &str,
    actor: &str,
    at: &str,
) -> Result<(), StoreError> {
    let EpochRecord { epoch, set, base, period: Period { from, until }, import_id } = record;
    sqlx::query("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(epoch.0.cast_signed())
        .bind(set.as_str())
        .bind(chain)
        .bind(base.map(|base| base.0.cast_signed()))
        .bind(from.map(time_text))
        .bind(until.map(time_text))
        .bind(scheme)
        .bind(import_id.map(|id| id.0))
        .bind(actor)
        .bind(at)
        .execute(conn)
        .await
        .map(drop)
        .doing("writing an epoch")
}

/// Faults of past rows: their hash, and the epochs they belong to. Rows of the epoch after the last are those of a publication that is
/// under way, or was broken off: nobody reads them, and the next one sweeps them.
pub(super) async fn past_faults<R: Bounding>(conn: &mut SqliteConnection) -> Result<Vec<Fault>, StoreError> {
    let layer = R::LAYER;
    let past = past_name(layer);
    let next = "(SELECT ifnull(max(epoch), 0) + 1 FROM epochs)";
    let sql = format!(
        "SELECT {}, grid_set AS the_set, row_hash AS the_hash,
           CASE WHEN chain = 0 THEN epoch_from < epoch_until AND epoch_until <= {next}
             ELSE epoch_from = chain AND (chain = {next} OR chain IN (SELECT epoch FROM epochs WHERE chain = epoch)) END AS in_order
         FROM \"{past}\" WHERE fid > ? ORDER BY fid LIMIT 2000",
        layer.list()
    );
    let mut faults = Vec::new();
    let mut last = 0;
    loop {
        let rows = sqlx::query(AssertSqlSafe(sql.clone())).bind(last).fetch_all(&mut *conn).await.doing("checking past rows")?;
        for row in &rows {
            let doing = "checking past rows";
            last = row.try_get(0).doing(doing)?;
            let record = R::from_row(row)?;
            let set =
                GridSet::new(row.try_get("the_set").doing(doing)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            if row.try_get::<i64, _>("the_hash").doing(doing)? != row_hash(&record, &set) {
                faults.push(Fault::new(FaultKind::Corrupt, format!("{} of {past} was changed by someone else", record.key())));
            }
            if !row.try_get::<bool, _>("in_order").doing(doing)? {
                faults.push(Fault::new(FaultKind::Corrupt, format!("{} of {past} belongs to no epoch", record.key())));
            }
        }
        if rows.is_empty() {
            return Ok(faults);
        }
    }
}
