//! Staff, and the counts of households and residents.

use super::boundaries::read_current;
use super::imports::{self, Ranges};
use super::numbered::{keep_before, upsert};
use super::sql::{Tx, arrays, bind, bound, bound_arrays, columns, get, list_without_fid, record_list};
use super::{PostgisStore, on_own_task};
use crate::domain::grid::GridRecord;
use crate::domain::id::{Epoch, GridSet};
use crate::domain::staff::StaffRecord;
use crate::store::StoreError;
use crate::store::commit::{Committed, HouseholdCommit, LogKind, StaffCommit};
use crate::store::layers::{GRIDS, STAFF, Stored, row_hash, staff_row};
use crate::store::rows::{Counted, Entry, Sourced, each_once, known_grids};
use crate::store::values::Values;
use std::collections::{BTreeMap, BTreeSet};

impl PostgisStore {
    pub(in crate::store) async fn staff(&self) -> Result<Vec<StaffRecord>, StoreError> {
        staff(&mut self.reader().await?).await
    }

    pub(in crate::store) async fn staff_commit(&self, given: StaffCommit) -> Result<Committed, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let StaffCommit { head, mut rows, removed, import } = given;
            each_once("staff", rows.iter().map(|row| row.id.as_str()).chain(removed.iter().map(String::as_str)))?;
            let mut tx = store.writer().await?;
            // Alone: whom another brings in at the same time would be nobody's row to wait for. Staff are few.
            store.enter(&mut tx, &head, true).await?;
            let import = imports::keep(&mut tx, import, &head.actor, None).await?;
            let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).chain(removed.iter().map(String::as_str)).collect();
            let sql = "SELECT fid FROM staff WHERE id = ANY($1) ORDER BY id FOR UPDATE";
            let known: BTreeSet<i64> = tx.values(sql, bound![&ids[..]], "comparing staff").await?.into_iter().collect();
            let mut values = Values::default();
            for row in &mut rows {
                row.stamp(import);
                staff_row(row, &mut values);
            }
            let width = columns(&STAFF).count();
            let source = arrays(columns(&STAFF));
            if let Some(import) = import {
                let mut arguments = bound_arrays(values.clone(), width)?;
                bind(&mut arguments, import.0)?;
                let sql = keep_before(&STAFF, "id", &format!("${}", width + 1), &source);
                tx.execute(sql, arguments, "keeping rows as they were").await?;
            }
            let sql = upsert(&STAFF, "id", &list_without_fid(columns(&STAFF)), &source);
            let written = tx.rows(sql, bound_arrays(values, width)?, "writing staff").await?;
            let written: BTreeSet<i64> = written.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
            if let Some(import) = import {
                let mut added = Ranges::default();
                written.difference(&known).for_each(|fid| added.add(*fid));
                imports::note_added(&mut tx, import, &added).await?;
            }
            let new = written.difference(&known).count() as u64;
            let removed = tx.execute("DELETE FROM staff WHERE id = ANY($1)", bound![removed], "removing staff").await?;
            let written = written.len() as u64;
            let counted =
                Counted { new, changed: written - new, same: rows.len() as u64 - written, removed, ..Counted::default() };
            let committed = store.append(&mut tx, Entry::of(LogKind::Staff, &head, import), counted, None).await?;
            store.commit(tx).await?;
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
            let mut tx = store.large().await?;
            let epoch = store.enter(&mut tx, &head, true).await?;
            let set = GridSet::default();
            let mut codes: Vec<&str> = counts.iter().map(|count| count.grid.as_str()).collect();
            codes.sort_unstable();
            codes.dedup();
            let mut grids: BTreeMap<String, (i64, GridRecord, bool)> = BTreeMap::new();
            for (fid, grid) in read_current::<GridRecord>(&mut tx, &set, &codes).await? {
                grids.insert(grid.code.to_string(), (fid, grid, false));
            }
            let mut counted = Counted::default();
            let mut unknown = Vec::new();
            for count in &counts {
                let Some((_, grid, touched)) = grids.get_mut(count.grid.as_str()) else {
                    unknown.push(count.grid.to_string());
                    continue;
                };
                let now = count.over((grid.households, grid.population), exact);
                if (grid.households, grid.population) == now {
                    counted.same += 1;
                } else {
                    (grid.households, grid.population) = now;
                    counted.changed += 1;
                    *touched = true;
                }
            }
            known_grids(&unknown)?;
            let import = imports::keep(&mut tx, import, &head.actor, None).await?;
            let touched: Vec<(i64, GridRecord)> =
                grids.into_values().filter(|(.., touched)| *touched).map(|(fid, grid, _)| (fid, grid)).collect();
            counts_write(&mut tx, epoch, &set, &touched).await?;
            let committed = store.append(&mut tx, Entry::of(LogKind::Households, &head, import), counted, None).await?;
            store.commit(tx).await?;
            Ok(committed)
        })
        .await
    }
}

/// Writes the counts of grids, which hold from an epoch on: earlier ones keep the counts they had.
async fn counts_write(tx: &mut Tx, epoch: Epoch, set: &GridSet, touched: &[(i64, GridRecord)]) -> Result<(), StoreError> {
    if touched.is_empty() {
        return Ok(());
    }
    let fids: Vec<i64> = touched.iter().map(|(fid, _)| *fid).collect();
    let names = list_without_fid(columns(&GRIDS));
    let sql = format!(
        "INSERT INTO grids ({names}, chain, epoch_until) SELECT {names}, chain, $1 FROM grids WHERE fid = ANY($2) AND epoch_from < $1"
    );
    tx.execute(sql, bound![epoch.0.cast_signed(), &fids[..]], "keeping the counts of earlier epochs").await?;
    let sql = "UPDATE grids SET households = v.households, population = v.population, row_hash = v.row_hash, epoch_from = $5
        FROM unnest($1, $2, $3, $4) AS v(fid, households, population, row_hash) WHERE grids.fid = v.fid";
    let count = |of: fn(&GridRecord) -> Option<u32>| touched.iter().map(|(_, grid)| of(grid).map(i64::from)).collect::<Vec<_>>();
    let arguments = bound![
        fids,
        count(|grid| grid.households),
        count(|grid| grid.population),
        touched.iter().map(|(_, grid)| row_hash(grid, set)).collect::<Vec<i64>>(),
        epoch.0.cast_signed(),
    ];
    tx.execute(sql, arguments, "writing counts").await.map(drop)
}

/// All staff, by id.
pub(super) async fn staff(tx: &mut Tx) -> Result<Vec<StaffRecord>, StoreError> {
    let sql = format!("SELECT {} FROM staff ORDER BY id COLLATE \"C\"", record_list(&STAFF));
    tx.rows(sql, bound![], "reading staff").await?.iter().map(StaffRecord::from_pg).collect()
}
