//! Boundaries of every epoch. The rows of the current epoch stand in `regions`, `grids` and `voids`; a row that ends goes to
//! `<table>_past` with the first epoch in which it stood no more, so what does not change is stored once. A set beside the chain
//! lies in the past tables from the beginning, under a chain of its own.
//!
//! Past rows are written before the transaction that publishes; until then their epoch does not exist and nobody reads them.

use super::layers::{Bounding, CASES, FACILITIES, Layer, REGIONS, time_text};
use super::log::{self, Entry};
use super::numbered::FEW;
use super::rebuild::Rebuild;
use super::schema::{BOUNDARY_LAYERS, past_name};
use super::sql::{Doing, Update, Value, Values, id_list, run, write_rows, write_rows_returning};
use super::{EmbeddedStore, begin, commit, on_own_task, rtree};
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::grid::GridRecord;
use crate::domain::id::{Epoch, GridSet, ImportId};
use crate::domain::period::Period;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scheme::Scheme;
use crate::geom::Area;
use crate::interchange::wkb;
use crate::store::StoreError;
use crate::store::commit::{BoundaryCommit, Chain, Committed, LogKind, to_millisecond};
use crate::store::rows::{Counted, checked_boundaries, checked_period, moves_nothing};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};
use std::collections::{HashMap, HashSet};

/// Hash of what a row says, whichever import wrote it.
pub(super) fn row_hash<R: Bounding>(record: &R, set: &GridSet) -> i64 {
    let mut values = Values::default();
    record.content(set, &mut values);
    values.hash()
}

/// Name of the column by which rows of a layer are known.
fn key_column(layer: &Layer) -> &'static str {
    if layer.name == "voids" { "name" } else { "code" }
}

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
            let mut tx = begin(conn).await?;
            let gone = run(&mut tx, sql.clone(), "removing rows of unpublished epochs").await?;
            commit(tx).await?;
            if gone == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// What a publication does to one table.
struct Edit {
    layer: &'static Layer,
    /// Rows that end: `fid`.
    ended: Vec<i64>,
    /// Rows that begin, whole.
    begun: Values,
    /// Their R-tree entries.
    places: Vec<rtree::Entry>,
    /// Outlines that are others now: `fid`, blob.
    outlines: Values,
    outline_places: Vec<rtree::Entry>,
    /// When there is much to do.
    rebuild: Option<Rebuild>,
}

/// How a row is stored now.
struct Known {
    fid: i64,
    hash: i64,
}

async fn known_rows(conn: &mut SqliteConnection, layer: &Layer, set: &GridSet) -> Result<HashMap<String, Known>, StoreError> {
    let sql = format!("SELECT \"{}\", fid, row_hash FROM \"{}\" WHERE grid_set = ?", key_column(layer), layer.name);
    let rows: Vec<(String, i64, i64)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(set.as_str()).fetch_all(conn).await.doing("comparing boundaries")?;
    Ok(rows.into_iter().map(|(key, fid, hash)| (key, Known { fid, hash })).collect())
}

/// A number above every `fid` a table has or had.
async fn last_fid(conn: &mut SqliteConnection, layer: &Layer) -> Result<i64, StoreError> {
    let sql = format!(
        "SELECT max(ifnull((SELECT max(fid) FROM \"{0}\"), 0), ifnull((SELECT seq FROM sqlite_sequence WHERE name = '{0}'), 0))",
        layer.name
    );
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(conn).await.doing("comparing boundaries")
}

/// The tail of a row that begins.
struct Begin {
    epoch: Epoch,
    import: Option<ImportId>,
}

impl Edit {
    /// Compares the rows of a set with those stored. `outlines`: what the table shows instead of the claim, by code.
    async fn of<R: Bounding>(
        conn: &mut SqliteConnection,
        set: &GridSet,
        rows: &mut [R],
        outlines: &HashMap<&str, &Area>,
        begin: &Begin,
        counted: &mut Counted,
    ) -> Result<Self, StoreError> {
        let layer = R::LAYER;
        let mut known = known_rows(conn, layer, set).await?;
        let mut fid = last_fid(conn, layer).await?;
        let shows_outline = layer.name == REGIONS.name;
        let mut edit = Self {
            layer,
            ended: Vec::new(),
            begun: Values::default(),
            places: Vec::new(),
            outlines: Values::default(),
            outline_places: Vec::new(),
            rebuild: None,
        };
        for record in rows {
            let mut content = Values::default();
            record.content(set, &mut content);
            let hash = content.hash();
            let outline = outlines.get(record.key()).copied();
            if let Some(old) = known.remove(record.key()) {
                if old.hash == hash {
                    counted.same += 1;
                    if let Some(outline) = outline {
                        edit.outlines.int(old.fid);
                        edit.outlines.opt_blob(Some(wkb::area_blob(outline)));
                        edit.outline_places.extend(outline.bbox().map(|bbox| rtree::Entry::new(old.fid, bbox)));
                    }
                    continue;
                }
                counted.changed += 1;
                edit.ended.push(old.fid);
            } else {
                counted.new += 1;
            }
            record.stamp(begin.import);
            fid += 1;
            // The first column of a region; what the table shows of it when there is no outline.
            let claim = content.0[0].clone();
            edit.begun.int(fid);
            edit.begun.0.append(&mut content.0);
            edit.begun.opt_int(record.provenance().import_id.map(|id| id.0));
            edit.begun.int(begin.epoch.0.cast_signed());
            edit.begun.int(hash);
            let mut bbox = record.extent();
            if shows_outline {
                edit.begun.0.push(outline.map_or(claim, |outline| Value::Blob(wkb::area_blob(outline))));
                bbox = outline.map_or(bbox, Area::bbox);
            }
            edit.places.extend(bbox.map(|bbox| rtree::Entry::new(fid, bbox)));
        }
        counted.removed += known.len() as u64;
        edit.ended.extend(known.into_values().map(|old| old.fid));
        if shows_outline {
            edit.keep_new_outlines(conn).await?;
        }
        Ok(edit)
    }

    /// Leaves out outlines that are stored already.
    async fn keep_new_outlines(&mut self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let differing = ") SELECT v.fid FROM v JOIN regions ON regions.fid = v.fid WHERE regions.geom IS NOT v.geom";
        let values = self.outlines.clone();
        let new: HashSet<i64> =
            write_rows_returning(conn, ("WITH v (fid, geom) AS (", differing), 2, values, "comparing outlines")
                .await?
                .into_iter()
                .collect();
        let is_new = |pair: &&[Value]| matches!(pair, [Value::Int(fid), _] if new.contains(fid));
        self.outlines = Values(self.outlines.0.chunks(2).filter(is_new).flatten().cloned().collect());
        self.outline_places.retain(|entry| new.contains(&entry.id));
        Ok(())
    }

    fn rows(&self) -> usize {
        self.begun.0.len() / self.layer.width() + self.ended.len() + self.outlines.0.len() / 2
    }

    /// Does what is much beforehand, invisibly.
    async fn prepare(&mut self, store: &EmbeddedStore, epoch: Epoch) -> Result<(), StoreError> {
        if self.rows() <= FEW {
            return Ok(());
        }
        for ended in self.ended.chunks(FEW) {
            let mut conn = store.writer().await?;
            let mut tx = begin(&mut conn).await?;
            self.end_rows(&mut tx, ended, epoch).await?;
            commit(tx).await?;
        }
        let mut rebuild = Rebuild::begin(store, self.layer).await?;
        rebuild.remove(&self.ended).await?;
        let table = rebuild.table();
        rebuild.write((&self.layer.insert(&table), ""), self.layer.width(), std::mem::take(&mut self.begun)).await?;
        rebuild.write(Update::of(&table, &["geom"], "").each(), 2, std::mem::take(&mut self.outlines)).await?;
        let places = (!rebuild.had_rows).then(|| std::mem::take(&mut self.places));
        rebuild.index_places(places).await?;
        self.rebuild = Some(rebuild);
        Ok(())
    }

    /// Copies rows that end to the past.
    async fn end_rows(&self, conn: &mut SqliteConnection, ended: &[i64], epoch: Epoch) -> Result<(), StoreError> {
        let columns: Vec<String> = self.layer.columns().map(|name| format!("\"{name}\"")).collect();
        let columns = columns.join(", ");
        let sql = format!(
            "INSERT INTO \"{}\" ({columns}, chain, epoch_until) SELECT {columns}, 0, ? FROM \"{}\" WHERE fid IN (SELECT value FROM json_each(?))",
            past_name(self.layer),
            self.layer.name
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(epoch.0.cast_signed())
            .bind(id_list(ended.iter().copied()))
            .execute(conn)
            .await
            .map(drop)
            .doing("ending rows")
    }

    /// Makes it visible.
    async fn apply(mut self, conn: &mut SqliteConnection, epoch: Epoch) -> Result<(), StoreError> {
        if let Some(rebuild) = &self.rebuild {
            return rebuild.swap(conn).await;
        }
        let layer = self.layer;
        if !self.ended.is_empty() {
            self.end_rows(conn, &self.ended, epoch).await?;
            let sql = format!("DELETE FROM \"{}\" WHERE fid IN (SELECT value FROM json_each(?))", layer.name);
            sqlx::query(AssertSqlSafe(sql))
                .bind(id_list(self.ended.iter().copied()))
                .execute(&mut *conn)
                .await
                .doing("ending rows")?;
        }
        write_rows(conn, (&layer.insert(layer.name), ""), layer.width(), std::mem::take(&mut self.begun), "beginning rows")
            .await?;
        write_rows(conn, Update::of(layer.name, &["geom"], "").each(), 2, std::mem::take(&mut self.outlines), "writing outlines")
            .await?;
        if layer.geometry.is_some() {
            rtree::remove(conn, layer, self.ended.iter().copied()).await?;
            rtree::put(conn, layer, &self.places).await?;
            rtree::put(conn, layer, &self.outline_places).await?;
        }
        Ok(())
    }
}

/// Rows of facilities or cases whose grid is another one.
struct Moves {
    layer: &'static Layer,
    values: Values,
    rebuild: Option<Rebuild>,
    moved: u64,
}

impl Moves {
    fn new(layer: &'static Layer, grids: impl Iterator<Item = (i64, Option<Code>)>) -> Self {
        let mut values = Values::default();
        for (fid, grid) in grids {
            values.int(fid);
            values.opt_text(grid.as_ref().map(Code::as_str));
        }
        Self { layer, values, rebuild: None, moved: 0 }
    }

    fn update(table: &str) -> Update {
        Update::of(table, &["grid"], &format!(", version = \"{table}\".version + 1")).where_differs(table, "grid")
    }

    /// Leaves out rows that are in that grid already; does what is much beforehand.
    async fn prepare(&mut self, store: &EmbeddedStore) -> Result<(), StoreError> {
        if self.values.0.len() / 2 <= FEW {
            return Ok(());
        }
        let rebuild = Rebuild::begin(store, self.layer).await?;
        self.moved = rebuild.write(Self::update(&rebuild.table()).each(), 2, std::mem::take(&mut self.values)).await?;
        self.rebuild = Some(rebuild);
        Ok(())
    }

    async fn apply(self, conn: &mut SqliteConnection) -> Result<u64, StoreError> {
        match &self.rebuild {
            Some(rebuild) => {
                let touched = rebuild.touched();
                rebuild.take_over(conn, &touched).await?;
                rebuild.swap(conn).await?;
                Ok(self.moved)
            }
            None => write_rows(conn, Self::update(self.layer.name).each(), 2, self.values, "moving rows to other grids").await,
        }
    }
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

    async fn publish(&self, given: BoundaryCommit) -> Result<Committed, StoreError> {
        let mut set = checked_boundaries(given.boundaries)?;
        let at = to_millisecond(given.at);
        let mut counted = Counted::default();
        let (head, last, scheme) = {
            let mut conn = self.reader().await?;
            let head = log::current(&mut conn, &set.set).await?;
            let last: i64 = sqlx::query_scalar("SELECT ifnull(max(epoch), 0) FROM epochs")
                .fetch_one(&mut *conn)
                .await
                .doing("reading the epochs")?;
            let scheme: Option<String> = match &head {
                Some(head) => sqlx::query_scalar("SELECT scheme FROM epochs WHERE epoch = ?")
                    .bind(head.epoch.0.cast_signed())
                    .fetch_optional(&mut *conn)
                    .await
                    .doing("reading the epochs")?,
                None => None,
            };
            (head, Epoch(last.cast_unsigned()), scheme)
        };
        let current = head.as_ref().map_or(Epoch(0), |head| head.epoch);
        if given.base != current {
            return Err(StoreError::Stale { base: given.base, current });
        }
        let import = match &given.import {
            Some(_) => Some(self.import_number().await?),
            None => None,
        };
        let epoch = Epoch(last.0 + 1);
        let begun = Begin { epoch, import };
        let outlines: HashMap<&str, &Area> =
            given.outlines.iter().filter(|(_, area)| !area.is_empty()).map(|(code, area)| (code.as_str(), area)).collect();
        let none = HashMap::new();
        let mut edits = {
            let mut conn = self.reader().await?;
            vec![
                Edit::of(&mut conn, &set.set, &mut set.regions, &outlines, &begun, &mut counted).await?,
                Edit::of(&mut conn, &set.set, &mut set.grids, &none, &begun, &mut counted).await?,
                Edit::of(&mut conn, &set.set, &mut set.voids, &none, &begun, &mut counted).await?,
            ]
        };
        let scheme_now = scheme_text(&set.scheme)?;
        let publishes = head.is_none() || counted.differs() || scheme.as_deref() != Some(scheme_now.as_str());
        let period = checked_period(set.period, head.as_ref().map(|head| head.period), at)?;
        for edit in &mut edits {
            edit.prepare(self, epoch).await?;
        }
        let mut moves = [
            Moves::new(&FACILITIES, given.facility_grids.into_iter().map(|(id, grid)| (id.0, grid))),
            Moves::new(&CASES, given.case_grids.into_iter().map(|(id, grid)| (id.0, grid))),
        ];
        for some in &mut moves {
            some.prepare(self).await?;
        }

        let mut conn = self.writer().await?;
        let mut tx = begin(&mut conn).await?;
        let import = log::import(&mut tx, given.import, &given.actor, import).await?;
        for edit in edits {
            edit.apply(&mut tx, epoch).await?;
        }
        for some in moves {
            counted.moved += some.apply(&mut tx).await?;
        }
        if publishes {
            if head.is_some() {
                sqlx::query("UPDATE epochs SET valid_until = ? WHERE epoch = ?")
                    .bind(period.from.map(time_text))
                    .bind(current.0.cast_signed())
                    .execute(&mut *tx)
                    .await
                    .doing("ending an epoch")?;
            }
            let record = EpochRecord { epoch, set: set.set, base: Some(current), period, import_id: import };
            epoch_insert(&mut tx, &record, 0, &scheme_now, &given.actor, &time_text(at)).await?;
        }
        let entry = Entry { kind: LogKind::Boundaries, actor: &given.actor, at, import, published: publishes.then_some(epoch) };
        let committed = log::append(&mut tx, entry, counted).await?;
        commit(tx).await?;
        Ok(committed)
    }

    async fn publish_beside(&self, given: BoundaryCommit) -> Result<Committed, StoreError> {
        let mut set = checked_boundaries(given.boundaries)?;
        moves_nothing(&given.facility_grids, &given.case_grids)?;
        let at = to_millisecond(given.at);
        let scheme = scheme_text(&set.scheme)?;
        let epochs = log::epochs(&mut *self.reader().await?).await?;
        let mut counted = Counted::default();
        for known in epochs.iter().filter(|known| known.base.is_none() && known.set == set.set && known.period == set.period) {
            if self.stores(known, &set, &scheme).await? {
                counted.same = (set.regions.len() + set.grids.len() + set.voids.len()) as u64;
                let mut conn = self.writer().await?;
                let mut tx = begin(&mut conn).await?;
                let import = log::import(&mut tx, given.import, &given.actor, None).await?;
                let entry = Entry { kind: LogKind::Boundaries, actor: &given.actor, at, import, published: None };
                let committed = log::append(&mut tx, entry, counted).await?;
                commit(tx).await?;
                return Ok(Committed { epoch: known.epoch, ..committed });
            }
        }
        let import = match &given.import {
            Some(_) => Some(self.import_number().await?),
            None => None,
        };
        let epoch = Epoch(epochs.last().map_or(1, |last| last.epoch.0 + 1));
        let begun = Begin { epoch, import };
        let outlines: HashMap<&str, &Area> = given.outlines.iter().map(|(code, area)| (code.as_str(), area)).collect();
        let none = HashMap::new();
        let name = set.set.clone();
        self.write_beside(&name, &mut set.regions, &outlines, &begun, &mut counted).await?;
        self.write_beside(&name, &mut set.grids, &none, &begun, &mut counted).await?;
        self.write_beside(&name, &mut set.voids, &none, &begun, &mut counted).await?;

        let mut conn = self.writer().await?;
        let mut tx = begin(&mut conn).await?;
        let import = log::import(&mut tx, given.import, &given.actor, import).await?;
        let record = EpochRecord { epoch, set: set.set, base: None, period: set.period, import_id: import };
        epoch_insert(&mut tx, &record, epoch.0.cast_signed(), &scheme, &given.actor, &time_text(at)).await?;
        let entry = Entry { kind: LogKind::Boundaries, actor: &given.actor, at, import, published: Some(epoch) };
        let committed = log::append(&mut tx, entry, counted).await?;
        commit(tx).await?;
        Ok(committed)
    }

    /// Writes rows of a set beside the chain; nobody reads them before their epoch is published.
    async fn write_beside<R: Bounding>(
        &self,
        set: &GridSet,
        rows: &mut [R],
        outlines: &HashMap<&str, &Area>,
        begun: &Begin,
        counted: &mut Counted,
    ) -> Result<(), StoreError> {
        let layer = R::LAYER;
        let columns: Vec<String> = layer.columns().map(|name| format!("\"{name}\"")).collect();
        let insert = format!("INSERT INTO \"{}\" ({}, chain, epoch_until)", past_name(layer), columns.join(", "));
        for some in rows.chunks_mut(FEW / 2) {
            let mut values = Values::default();
            for record in some {
                counted.new += 1;
                record.stamp(begun.import);
                let from = values.0.len();
                record.content(set, &mut values);
                let hash = row_hash(record, set);
                values.opt_int(record.provenance().import_id.map(|id| id.0));
                values.int(begun.epoch.0.cast_signed());
                values.int(hash);
                if layer.name == REGIONS.name {
                    let claim = values.0[from].clone();
                    values.0.push(outlines.get(record.key()).map_or(claim, |outline| Value::Blob(wkb::area_blob(outline))));
                }
                values.int(begun.epoch.0.cast_signed());
                values.int(begun.epoch.0.cast_signed());
            }
            let mut conn = self.writer().await?;
            let mut tx = begin(&mut conn).await?;
            write_rows(&mut tx, (&insert, ""), columns.len() + 2, values, "writing boundaries").await?;
            commit(tx).await?;
        }
        Ok(())
    }

    /// Whether an epoch beside the chain says what a set says.
    async fn stores(&self, known: &EpochRecord, set: &BoundarySet, scheme: &str) -> Result<bool, StoreError> {
        let mut conn = self.reader().await?;
        let stored: String = sqlx::query_scalar("SELECT scheme FROM epochs WHERE epoch = ?")
            .bind(known.epoch.0.cast_signed())
            .fetch_one(&mut *conn)
            .await
            .doing("reading an epoch")?;
        Ok(stored == scheme
            && stores_rows(&mut conn, known, &set.regions).await?
            && stores_rows(&mut conn, known, &set.grids).await?
            && stores_rows(&mut conn, known, &set.voids).await?)
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

async fn stores_rows<R: Bounding>(conn: &mut SqliteConnection, known: &EpochRecord, rows: &[R]) -> Result<bool, StoreError> {
    let (past, key) = (past_name(R::LAYER), key_column(R::LAYER));
    let sql = format!("SELECT \"{key}\", row_hash FROM \"{past}\" WHERE grid_set = ? AND chain = ? ORDER BY \"{key}\"");
    let stored: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(known.set.as_str())
        .bind(known.epoch.0.cast_signed())
        .fetch_all(conn)
        .await
        .doing("comparing boundaries")?;
    let same = |((key, hash), row): (&(String, i64), &R)| key == row.key() && *hash == row_hash(row, &known.set);
    Ok(stored.len() == rows.len() && stored.iter().zip(rows).all(same))
}

fn scheme_text(scheme: &Scheme) -> Result<String, StoreError> {
    serde_json::to_string(scheme).map_err(|error| StoreError::Invalid(format!("the scheme: {error}")))
}

async fn epoch_insert(
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

/// Faults of past rows: their hash, and the epochs they belong to.
pub(super) async fn past_faults<R: Bounding>(conn: &mut SqliteConnection) -> Result<Vec<Fault>, StoreError> {
    let layer = R::LAYER;
    let past = past_name(layer);
    let sql = format!(
        "SELECT {}, grid_set AS the_set, row_hash AS the_hash,
           CASE WHEN chain = 0 THEN epoch_from < epoch_until AND epoch_until <= (SELECT max(epoch) FROM epochs)
             ELSE epoch_from = chain AND chain IN (SELECT epoch FROM epochs WHERE chain = epoch) END AS in_order
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
