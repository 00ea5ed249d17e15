//! Every invariant of the tables that can be proved without knowing what a territory is.

use super::sql::{Tx, bound, get, record_list};
use super::{PostgisStore, log};
use crate::domain::category::CategoryKind;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::grid::GridRecord;
use crate::domain::id::GridSet;
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::store::StoreError;
use crate::store::layers::{Bounding, keys_of, row_hash};
use crate::store::postgis::schema::{BOUNDARY_LAYERS, NUMBERED};
use crate::store::rows::epoch_faults;

/// Most faults of one kind that are listed.
const LISTED: usize = 20;

fn corrupt(detail: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Corrupt, detail)
}

/// Faults of one kind: the first ones in full, the others as a number.
fn list(faults: &mut Vec<Fault>, what: &str, some: Vec<Fault>) {
    let others = some.len().saturating_sub(LISTED);
    faults.extend(some.into_iter().take(LISTED));
    if others > 0 {
        faults.push(corrupt(format!("{others} more of {what}")));
    }
}

impl PostgisStore {
    pub(in crate::store) async fn check(&self) -> Result<Vec<Fault>, StoreError> {
        let mut tx = self.whole().await?;
        let mut faults = Vec::new();
        change_log(&mut tx, &mut faults).await?;
        faults.extend(epoch_faults(&log::epochs(&mut tx).await?));
        rows::<RegionRecord>(&mut tx, &mut faults).await?;
        rows::<GridRecord>(&mut tx, &mut faults).await?;
        rows::<VoidRecord>(&mut tx, &mut faults).await?;
        references(&mut tx, &mut faults).await?;
        externals(&mut tx, &mut faults).await?;
        Ok(faults)
    }
}

async fn change_log(tx: &mut Tx, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let sql = "SELECT count(*), coalesce(min(revision), 1), coalesce(max(revision), 0) FROM change_log";
    let Some(row) = tx.row(sql, bound![], "checking the change log").await? else { return Ok(()) };
    let (count, first, last): (i64, i64, i64) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
    let clock = log::revision(tx).await?.0.cast_signed();
    if first != 1 || last != count || clock != last {
        faults
            .push(corrupt(format!("the change log has {count} entries from {first} to {last}, and the clock stands at {clock}")));
    }
    Ok(())
}

/// Rows of one kind say what their hash says, and belong to epochs that there are.
async fn rows<R: Bounding>(tx: &mut Tx, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let name = R::LAYER.name;
    let sql = format!(
        "SELECT {}, grid_set, row_hash, epoch_from IN (SELECT epoch FROM epochs)
           AND CASE WHEN chain = 0 THEN epoch_until IS NULL OR epoch_from < epoch_until AND epoch_until IN (SELECT epoch FROM epochs)
             ELSE chain = epoch_from AND epoch_until = epoch_from + 1 END
         FROM {name} ORDER BY fid",
        record_list(R::LAYER)
    );
    let width = R::LAYER.width();
    let mut found = Vec::new();
    tx.each(sql, bound![], "checking rows", |row| {
        let record = R::from_pg(row)?;
        let set = GridSet::new(get(row, width)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        if get::<i64>(row, width + 1)? != row_hash(&record, &set) {
            found.push(corrupt(format!("{} of {name} was changed by someone else", record.key())));
        }
        if !get::<bool>(row, width + 2)? {
            found.push(corrupt(format!("{} of {name} belongs to no epoch", record.key())));
        }
        Ok(())
    })
    .await?;
    list(faults, "these", found);
    Ok(())
}

/// What rows name exists.
async fn references(tx: &mut Tx, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let doing = "checking what rows name";
    for table in ["facilities", "cases"] {
        let sql = format!(
            "SELECT fid, grid FROM {table} WHERE grid IS NOT NULL AND NOT EXISTS
               (SELECT FROM grids g WHERE g.grid_set = 'governance' AND g.epoch_until IS NULL AND g.code = {table}.grid)
             ORDER BY fid LIMIT 1000"
        );
        let mut lost = Vec::new();
        for row in tx.rows(sql, bound![], doing).await? {
            let (fid, grid): (i64, String) = (get(&row, 0)?, get(&row, 1)?);
            lost.push(corrupt(format!("row {fid} of {table} is in grid {grid}, which is not there")));
        }
        list(faults, "these", lost);
    }
    for table in NUMBERED.map(|layer| layer.name) {
        let sql = format!("SELECT coalesce(max(fid), 0), (SELECT last FROM sequences WHERE name = $1) FROM {table}");
        let Some(row) = tx.row(sql, bound![table], doing).await? else { continue };
        let (most, given): (i64, i64) = (get(&row, 0)?, get(&row, 1)?);
        if most > given {
            faults.push(corrupt(format!("{table} has a row {most}, but numbers were given only up to {given}")));
        }
    }
    for table in ["addresses", "buildings"] {
        let sql = format!("SELECT fid FROM {table} WHERE geom IS NULL AND within IS NULL ORDER BY fid LIMIT 1000");
        let nowhere: Vec<i64> = tx.values(sql, bound![], doing).await?;
        let lost = |fid| corrupt(format!("row {fid} of {table} has neither a position nor a region"));
        list(faults, "these", nowhere.into_iter().map(lost).collect());
    }
    let profile = log::meta(tx).await?.profile;
    let used: Vec<String> = tx.values("SELECT DISTINCT category FROM facilities", bound![], doing).await?;
    for code in used.iter().filter(|code| profile.position(CategoryKind::Component, code).is_none()) {
        faults.push(corrupt(format!("facilities have the category {code}, which the profile does not")));
    }
    let tables = NUMBERED.into_iter().chain(BOUNDARY_LAYERS).map(|layer| layer.name).chain(["staff", "epochs"]);
    for table in tables {
        let sql = format!(
            "SELECT count(*) FROM {table} t WHERE import_id IS NOT NULL AND NOT EXISTS (SELECT FROM imports WHERE id = t.import_id)"
        );
        let lost: i64 = tx.value(sql, bound![], doing).await?;
        if lost > 0 {
            faults.push(corrupt(format!("{lost} rows of {table} come from an import that is not there")));
        }
    }
    Ok(())
}

/// Facilities are found by the names that they have in other systems.
async fn externals(tx: &mut Tx, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let mut differing = 0_u64;
    let sql = "SELECT external_ids, external FROM facilities WHERE external_ids IS NOT NULL OR external IS NOT NULL";
    tx.each(sql, bound![], "checking names in other systems", |row| {
        let wanted = get::<Option<&str>>(row, 0)?.map_or(Ok(Vec::new()), keys_of)?;
        let stored: Option<Vec<i64>> = get(row, 1)?;
        let mut stored: Vec<u64> = stored.unwrap_or_default().into_iter().map(i64::cast_unsigned).collect();
        stored.sort_unstable();
        differing += u64::from(stored != wanted);
        Ok(())
    })
    .await?;
    if differing > 0 {
        faults.push(corrupt(format!("{differing} facilities are not found by the names they have in other systems")));
    }
    Ok(())
}
