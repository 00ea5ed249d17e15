//! The next boundaries of the chain in force: rows that end, rows that begin, and the facilities and cases that are in other grids now.
//! What is much is written beforehand, invisibly; one transaction publishes.

use super::boundaries::{Begin, end_rows, epoch_insert, key_column, scheme_text};
use super::layers::{Bounding, CASES, FACILITIES, Layer, REGIONS, time_text};
use super::log;
use super::numbered::FEW;
use super::rebuild::Rebuild;
use super::sql::{Doing, Update, Value, Values, id_list, write_rows, write_rows_returning};
use super::{EmbeddedStore, begin, begin_unseen, commit, rtree};
use crate::domain::code::Code;
use crate::domain::id::{Epoch, GridSet};
use crate::domain::records::EpochRecord;
use crate::geom::Area;
use crate::interchange::wkb;
use crate::store::StoreError;
use crate::store::commit::{BoundaryCommit, Committed, LogKind, to_millisecond};
use crate::store::rows::{Counted, Entry, checked_boundaries, checked_period};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet};

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
            let mut tx = begin_unseen(&mut conn).await?;
            end_rows(&mut tx, self.layer, ended, epoch).await?;
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

    /// Makes it visible.
    async fn apply(mut self, conn: &mut SqliteConnection, epoch: Epoch) -> Result<(), StoreError> {
        if let Some(rebuild) = &self.rebuild {
            return rebuild.swap(conn).await;
        }
        let layer = self.layer;
        if !self.ended.is_empty() {
            end_rows(conn, layer, &self.ended, epoch).await?;
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
    pub(super) async fn publish(&self, given: BoundaryCommit) -> Result<Committed, StoreError> {
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
        let import = self.number_of(given.import.as_ref()).await?;
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
        let ended = head.as_ref().map(|head| head.period);
        let period = if publishes { checked_period(set.period, ended, at)? } else { set.period };
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
        let entry = Entry {
            kind: LogKind::Boundaries,
            actor: &given.actor,
            at,
            import,
            undoes: given.undoes,
            published: publishes.then_some(epoch),
            settings: given.settings.as_deref(),
        };
        let committed = log::append(&mut tx, entry, counted).await?;
        commit(tx).await?;
        Ok(committed)
    }
}
