//! Staff, and the counts of households and residents.

use super::layers::{GRIDS, STAFF, Stored, staff_row};
use super::log;
use super::numbered::FEW;
use super::rebuild::Rebuild;
use super::sql::{Doing, Update, Value, Values, write_rows, write_rows_returning};
use super::{EmbeddedStore, before, begin, boundaries, commit, on_own_task};
use crate::domain::grid::GridRecord;
use crate::domain::id::{Epoch, GridSet};
use crate::domain::records::HouseholdCount;
use crate::domain::staff::StaffRecord;
use crate::store::StoreError;
use crate::store::commit::{Committed, HouseholdCommit, LogKind, StaffCommit};
use crate::store::rows::{Counted, Entry, Sourced, each_once, known_grids};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeSet;

impl EmbeddedStore {
    pub(in crate::store) async fn staff(&self) -> Result<Vec<StaffRecord>, StoreError> {
        staff(&mut *self.reader().await?).await
    }

    pub(in crate::store) async fn staff_commit(&self, given: StaffCommit) -> Result<Committed, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let StaffCommit { head, mut rows, removed, import } = given;
            each_once("staff", rows.iter().map(|row| row.id.as_str()).chain(removed.iter().map(String::as_str)))?;
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            log::current_checked(&mut tx, &head).await?;
            let import = log::import(&mut tx, import, &head.actor, None).await?;
            let before: i64 =
                sqlx::query_scalar("SELECT count(*) FROM staff").fetch_one(&mut *tx).await.doing("counting staff")?;
            let known = match import {
                None => BTreeSet::new(),
                Some(import) => {
                    let known = known_staff(&mut tx, &rows).await?;
                    before::keep(&mut tx, &STAFF, import, known.iter().copied().collect()).await?;
                    known
                }
            };
            let mut values = Values::default();
            for row in &mut rows {
                row.stamp(import);
                staff_row(row, &mut values);
            }
            let columns: Vec<String> = STAFF.columns().map(|name| format!("\"{name}\"")).collect();
            let insert = format!("INSERT INTO staff ({})", columns.join(", "));
            let replace = format!("{} RETURNING fid", STAFF.replace("staff", "id"));
            let written = write_rows_returning(&mut tx, (&insert, &replace), columns.len(), values, "writing staff").await?;
            if let Some(import) = import {
                let now: BTreeSet<i64> = written.iter().copied().collect();
                before::forget(&mut tx, &STAFF, import, known.difference(&now).copied().collect()).await?;
                let mut added = before::Ranges::default();
                now.difference(&known).for_each(|fid| added.add(*fid));
                before::note_added(&mut tx, import, &added).await?;
            }
            let written = written.len() as u64;
            let after: i64 =
                sqlx::query_scalar("SELECT count(*) FROM staff").fetch_one(&mut *tx).await.doing("counting staff")?;
            let new = (after - before).cast_unsigned();
            let gone = serde_json::to_string(&removed).map_err(|error| StoreError::Invalid(error.to_string()))?;
            let removed = sqlx::query("DELETE FROM staff WHERE id IN (SELECT value FROM json_each(?))")
                .bind(gone)
                .execute(&mut *tx)
                .await
                .doing("removing staff")?
                .rows_affected();
            let counted =
                Counted { new, changed: written - new, same: rows.len() as u64 - written, removed, ..Counted::default() };
            let committed = log::append(&mut tx, Entry::of(LogKind::Staff, &head, import), counted).await?;
            commit(tx).await?;
            Ok(committed)
        })
        .await
    }

    /// `exact`: an absent count is none; else it leaves what is stored.
    pub(in crate::store) async fn households_write(&self, given: HouseholdCommit, exact: bool) -> Result<Committed, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let HouseholdCommit { head, counts, import } = given;
            // Nobody publishes from here on, so the grids stay as they are read now.
            let _turn = store.turn().await;
            store.sweep().await?;
            let (values, counted) = store.counts(&counts, exact).await?;
            let epoch = log::current(&mut *store.reader().await?, &GridSet::default()).await?.map_or(Epoch(0), |head| head.epoch);
            let rebuild = if counted.changed as usize > FEW { Some(Rebuild::begin(&store, &GRIDS).await?) } else { None };
            if let Some(rebuild) = &rebuild {
                rebuild.write(counts_update(&rebuild.table(), epoch).each(), 4, values.clone()).await?;
            }
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            log::current_checked(&mut tx, &head).await?;
            let import = log::import(&mut tx, import, &head.actor, None).await?;
            // Earlier epochs keep the counts they had.
            let fids = values.0.chunks(4).filter_map(|row| if let [Value::Int(fid), ..] = row { Some(*fid) } else { None });
            boundaries::end_rows(&mut tx, &GRIDS, &fids.collect::<Vec<_>>(), epoch).await?;
            match &rebuild {
                Some(rebuild) => rebuild.swap(&mut tx).await?,
                None => {
                    write_rows(&mut tx, counts_update(GRIDS.name, epoch).each(), 4, values, "writing counts").await?;
                }
            }
            let committed = log::append(&mut tx, Entry::of(LogKind::Households, &head, import), counted).await?;
            commit(tx).await?;
            drop(conn);
            if rebuild.is_some() {
                store.sweep().await?;
            }
            Ok(committed)
        })
        .await
    }

    /// What the counts change in the current grids: `fid`, both counts and the row's hash for each.
    async fn counts(&self, counts: &[HouseholdCount], exact: bool) -> Result<(Values, Counted), StoreError> {
        let set = GridSet::default();
        let mut grids = boundaries::current_rows::<GridRecord>(&mut *self.reader().await?, &set).await?;
        let mut counted = Counted::default();
        let mut unknown = Vec::new();
        let mut touched = BTreeSet::new();
        for count in counts {
            let Ok(place) = grids.binary_search_by(|(_, grid)| grid.code.cmp(&count.grid)) else {
                unknown.push(count.grid.to_string());
                continue;
            };
            let grid = &mut grids[place].1;
            let now = count.over((grid.households, grid.population), exact);
            if (grid.households, grid.population) == now {
                counted.same += 1;
            } else {
                (grid.households, grid.population) = now;
                counted.changed += 1;
                touched.insert(place);
            }
        }
        known_grids(&unknown)?;
        let mut values = Values::default();
        for place in touched {
            let (fid, grid) = &grids[place];
            values.int(*fid);
            values.opt_int(grid.households.map(i64::from));
            values.opt_int(grid.population.map(i64::from));
            values.int(boundaries::row_hash(grid, &set));
        }
        Ok((values, counted))
    }
}

/// `epoch`: the one from which the counts hold.
fn counts_update(table: &str, epoch: Epoch) -> Update {
    Update::of(table, &["households", "population", "row_hash"], &format!(", \"epoch_from\" = {epoch}"))
}

/// Those of some staff that are stored, by `fid`.
async fn known_staff(conn: &mut SqliteConnection, rows: &[StaffRecord]) -> Result<BTreeSet<i64>, StoreError> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let list = serde_json::to_string(&ids).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let known: Vec<i64> = sqlx::query_scalar("SELECT fid FROM staff WHERE id IN (SELECT value FROM json_each(?))")
        .bind(list)
        .fetch_all(conn)
        .await
        .doing("comparing staff")?;
    Ok(known.into_iter().collect())
}

/// All staff, by id.
pub(super) async fn staff(conn: &mut SqliteConnection) -> Result<Vec<StaffRecord>, StoreError> {
    let sql = format!("SELECT {} FROM staff ORDER BY id", STAFF.list());
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(conn).await.doing("reading staff")?;
    rows.iter().map(StaffRecord::from_row).collect()
}
