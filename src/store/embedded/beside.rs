//! Boundary sets beside the chain: whole, under a chain of their own, in the past tables from the beginning.

use super::boundaries::{Begin, epoch_insert, key_column, row_hash, scheme_text};
use super::layers::{Bounding, REGIONS, time_text};
use super::log;
use super::numbered::FEW;
use super::schema::past_name;
use super::sql::{Doing, Value, Values, write_rows};
use super::{EmbeddedStore, begin, begin_unseen, commit};
use crate::domain::id::{Epoch, GridSet};
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::geom::Area;
use crate::interchange::wkb;
use crate::store::StoreError;
use crate::store::commit::{BoundaryCommit, Committed, LogKind, to_millisecond};
use crate::store::rows::{Counted, Entry, checked_boundaries, moves_nothing};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;

impl EmbeddedStore {
    pub(super) async fn publish_beside(&self, given: BoundaryCommit) -> Result<Committed, StoreError> {
        let mut set = checked_boundaries(given.boundaries)?;
        moves_nothing(&given.facility_grids, &given.case_grids)?;
        let at = to_millisecond(given.at);
        let scheme = scheme_text(&set.scheme)?;
        let epochs = log::epochs(&mut *self.reader().await?).await?;
        let said = |import, published| Entry {
            kind: LogKind::Boundaries,
            actor: &given.actor,
            at,
            import,
            undoes: given.undoes,
            published,
            settings: given.settings.as_deref(),
        };
        let mut counted = Counted::default();
        for known in epochs.iter().filter(|known| known.base.is_none() && known.set == set.set && known.period == set.period) {
            if self.stores(known, &set, &scheme).await? {
                counted.same = (set.regions.len() + set.grids.len() + set.voids.len()) as u64;
                let mut conn = self.writer().await?;
                let mut tx = begin(&mut conn).await?;
                let import = log::import(&mut tx, given.import, &given.actor, None).await?;
                let entry = said(import, None);
                let committed = log::append(&mut tx, entry, counted).await?;
                commit(tx).await?;
                return Ok(Committed { epoch: known.epoch, ..committed });
            }
        }
        let import = self.number_of(given.import.as_ref()).await?;
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
        let entry = said(import, Some(epoch));
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
            let mut tx = begin_unseen(&mut conn).await?;
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
