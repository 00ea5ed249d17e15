//! Every invariant of the file that can be proved without knowing what a territory is.

use super::EmbeddedStore;
use super::boundaries::{current_rows, past_faults, row_hash};
use super::layers::keys_of;
use super::layers::{ADDRESSES, BUILDINGS, Bounding, CASES, FACILITIES, ORGANIZATIONS};
use super::schema::{LAYERS, guard_count};
use super::sql::Doing;
use super::{log, rtree};
use crate::domain::category::CategoryKind;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::grid::GridRecord;
use crate::domain::id::GridSet;
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::geom::LonLat;
use crate::store::StoreError;
use crate::store::rows::epoch_faults;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

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

impl EmbeddedStore {
    pub(in crate::store) async fn check(&self) -> Result<Vec<Fault>, StoreError> {
        let mut tx = self.shared.readers.begin().await.doing("beginning to read")?;
        check(&mut tx).await
    }
}

/// Every fault of a file.
pub(super) async fn check(conn: &mut SqliteConnection) -> Result<Vec<Fault>, StoreError> {
    let doing = "checking the file";
    let mut faults = Vec::new();
    let integrity: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)").fetch_all(&mut *conn).await.doing(doing)?;
    let real = integrity.into_iter().filter(|line| line != "ok" && !is_of_unfinished_tree(line));
    faults.extend(real.map(|line| corrupt(format!("the database: {line}"))));
    if !faults.is_empty() {
        // What follows would only stumble over the same.
        return Ok(faults);
    }
    guards(conn, &mut faults).await?;
    contents(conn, &mut faults).await?;
    change_log(conn, &mut faults).await?;
    faults.extend(epoch_faults(&log::epochs(conn).await?));
    rows::<RegionRecord>(conn, &mut faults).await?;
    rows::<GridRecord>(conn, &mut faults).await?;
    rows::<VoidRecord>(conn, &mut faults).await?;
    for layer in LAYERS {
        if layer.geometry.is_some() {
            places(conn, layer.name, &layer.rtree(), &mut faults).await?;
        }
    }
    references(conn, &mut faults).await?;
    externals(conn, &mut faults).await?;
    Ok(faults)
}

/// An R-tree that an import is filling, or that a killed one left, is written node by node: in between it is not whole, and nobody reads
/// it. SQLite tells the faults of a virtual table in one line that begins with its name.
fn is_of_unfinished_tree(line: &str) -> bool {
    let name = line.strip_prefix("In RTree main.").and_then(|line| line.split_once(':')).map(|(name, _)| name);
    name.is_some_and(|name| name.ends_with("_next") || name.ends_with("_old"))
}

async fn guards(conn: &mut SqliteConnection, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let doing = "checking the guards";
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard\\_%' ESCAPE '\\'")
            .fetch_one(&mut *conn)
            .await
            .doing(doing)?;
    if count as usize != guard_count() {
        faults.push(corrupt(format!("{count} of {} guards against other writers are there", guard_count())));
    }
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM guard").fetch_one(conn).await.doing(doing)?;
    if open != 0 {
        faults.push(corrupt("the guard against other writers stands open"));
    }
    Ok(())
}

async fn contents(conn: &mut SqliteConnection, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    for layer in LAYERS {
        let listed: i64 = sqlx::query_scalar("SELECT count(*) FROM gpkg_contents WHERE table_name = ?")
            .bind(layer.name)
            .fetch_one(&mut *conn)
            .await
            .doing("checking the contents")?;
        if listed != 1 {
            faults.push(corrupt(format!("gpkg_contents does not list {}", layer.name)));
        }
    }
    Ok(())
}

async fn change_log(conn: &mut SqliteConnection, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let (count, first, last): (i64, i64, i64) =
        sqlx::query_as("SELECT count(*), ifnull(min(revision), 1), ifnull(max(revision), 0) FROM change_log")
            .fetch_one(conn)
            .await
            .doing("checking the change log")?;
    if first != 1 || last != count {
        faults.push(corrupt(format!("the change log has {count} entries from {first} to {last}")));
    }
    Ok(())
}

/// Rows of one kind say what their hash says, and what is past is in order.
async fn rows<R: Bounding>(conn: &mut SqliteConnection, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let name = R::LAYER.name;
    let sets: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT DISTINCT grid_set FROM \"{name}\"")))
        .fetch_all(&mut *conn)
        .await
        .doing("checking rows")?;
    let mut found = Vec::new();
    for set in sets {
        let set = GridSet::new(&set).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let hashes: std::collections::HashMap<i64, i64> =
            sqlx::query_as(AssertSqlSafe(format!("SELECT fid, row_hash FROM \"{name}\"")))
                .fetch_all(&mut *conn)
                .await
                .doing("checking rows")?
                .into_iter()
                .collect();
        for (fid, row) in current_rows::<R>(conn, &set).await? {
            if hashes.get(&fid) != Some(&row_hash(&row, &set)) {
                found.push(corrupt(format!("{} of {name} was changed by someone else", row.key())));
            }
        }
    }
    list(faults, "these", found);
    list(faults, "these", past_faults::<R>(conn).await?);
    Ok(())
}

/// The R-tree of a table holds the box of every geometry and nothing else.
async fn places(conn: &mut SqliteConnection, table: &str, tree: &str, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let verdict: String =
        sqlx::query_scalar("SELECT rtreecheck(?)").bind(tree).fetch_one(&mut *conn).await.doing("checking an R-tree")?;
    if verdict != "ok" {
        faults.push(corrupt(format!("{tree}: {}", verdict.lines().next().unwrap_or_default())));
        return Ok(());
    }
    let wanted = rtree::entries_of(conn, table).await?;
    let stored = rtree::stored_entries(conn, tree).await?;
    let mut found = Vec::new();
    let (mut a, mut b) = (wanted.into_iter().peekable(), stored.into_iter().peekable());
    loop {
        let (want, have) = (a.peek().copied(), b.peek().copied());
        match (want, have) {
            (None, None) => break,
            (Some(want), Some(have)) if want.id == have.id => {
                let [min_x, max_x, min_y, max_y] = have.bounds;
                let holds =
                    min_x <= want.bounds[0] && max_x >= want.bounds[1] && min_y <= want.bounds[2] && max_y >= want.bounds[3];
                if !holds {
                    let place = LonLat::new(want.bounds[0].into(), want.bounds[2].into()).ok();
                    found.push(Fault { place, ..corrupt(format!("{tree} has row {} in another place than {table}", want.id)) });
                }
                a.next();
                b.next();
            }
            (Some(want), have) if have.is_none_or(|have| want.id < have.id) => {
                found.push(corrupt(format!("{tree} lacks row {} of {table}", want.id)));
                a.next();
            }
            (_, Some(have)) => {
                found.push(corrupt(format!("{tree} has row {}, which {table} does not", have.id)));
                b.next();
            }
            (Some(_), None) => break,
        }
    }
    list(faults, "these", found);
    Ok(())
}

/// What rows name exists.
async fn references(conn: &mut SqliteConnection, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let doing = "checking what rows name";
    for table in [FACILITIES.name, CASES.name] {
        let sql = format!(
            "SELECT fid, grid FROM \"{table}\" WHERE grid IS NOT NULL AND grid NOT IN (SELECT code FROM grids WHERE grid_set = 'governance') LIMIT 1000"
        );
        let lost: Vec<(i64, String)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut *conn).await.doing(doing)?;
        let lost = lost
            .into_iter()
            .map(|(fid, grid)| corrupt(format!("row {fid} of {table} is in grid {grid}, which is not there")))
            .collect();
        list(faults, "these", lost);
    }
    for table in [&FACILITIES, &CASES, &ADDRESSES, &ORGANIZATIONS, &BUILDINGS].map(|layer| layer.name) {
        let sql = format!("SELECT ifnull(max(fid), 0), (SELECT last FROM sequences WHERE name = ?) FROM \"{table}\"");
        let (most, given): (i64, i64) =
            sqlx::query_as(AssertSqlSafe(sql)).bind(table).fetch_one(&mut *conn).await.doing(doing)?;
        if most > given {
            faults.push(corrupt(format!("{table} has a row {most}, but numbers were given only up to {given}")));
        }
    }
    for table in [ADDRESSES.name, BUILDINGS.name] {
        let sql = format!("SELECT fid FROM \"{table}\" WHERE geom IS NULL AND within IS NULL LIMIT 1000");
        let nowhere: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *conn).await.doing(doing)?;
        let lost = |fid| corrupt(format!("row {fid} of {table} has neither a position nor a region"));
        list(faults, "these", nowhere.into_iter().map(lost).collect());
    }
    let profile = log::meta(conn).await?.profile;
    let used: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT category FROM facilities").fetch_all(&mut *conn).await.doing(doing)?;
    for code in used.iter().filter(|code| profile.position(CategoryKind::Component, code).is_none()) {
        faults.push(corrupt(format!("facilities have the category {code}, which the profile does not")));
    }
    for table in LAYERS.map(|layer| layer.name).into_iter().chain(["voids", "epochs"]) {
        let sql =
            format!("SELECT count(*) FROM \"{table}\" WHERE import_id IS NOT NULL AND import_id NOT IN (SELECT id FROM imports)");
        let lost: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *conn).await.doing(doing)?;
        if lost > 0 {
            faults.push(corrupt(format!("{lost} rows of {table} come from an import that is not there")));
        }
    }
    Ok(())
}

/// The table of names in other systems says what the facilities say.
async fn externals(conn: &mut SqliteConnection, faults: &mut Vec<Fault>) -> Result<(), StoreError> {
    let doing = "checking names in other systems";
    let names: Vec<(i64, String)> = sqlx::query_as("SELECT fid, external_ids FROM facilities WHERE external_ids IS NOT NULL")
        .fetch_all(&mut *conn)
        .await
        .doing(doing)?;
    let mut wanted = Vec::with_capacity(names.len());
    for (fid, json) in names {
        wanted.extend(keys_of(&json)?.into_iter().map(|key| (key.cast_signed(), fid)));
    }
    wanted.sort_unstable();
    let stored: Vec<(i64, i64)> =
        sqlx::query_as("SELECT key, fid FROM facility_external ORDER BY key, fid").fetch_all(conn).await.doing(doing)?;
    if wanted != stored {
        let differing = wanted.iter().zip(&stored).filter(|(a, b)| a != b).count() + wanted.len().abs_diff(stored.len());
        faults.push(corrupt(format!(
            "{differing} names of facilities in other systems cannot be found, or are found and do not exist"
        )));
    }
    Ok(())
}
