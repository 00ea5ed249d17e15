//! Boundaries of every epoch: how they are published and read. A row stands from the epoch in which it was published until one that says
//! something else, so what does not change is stored once.

use super::log::{self, Published};
use super::sql::{Tx, arrays, bound, bound_arrays, columns, get, list_without_fid, record_list};
use super::{Lock, PostgisStore, imports, on_own_task};
use crate::domain::code::Code;
use crate::domain::grid::GridRecord;
use crate::domain::id::{Epoch, GridSet, ImportId, Revision};
use crate::domain::period::Period;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scheme::Scheme;
use crate::geom::Area;
use crate::interchange::wkb;
use crate::store::StoreError;
use crate::store::commit::{BoundaryCommit, Chain, Committed, LogKind, to_millisecond};
use crate::store::layers::{Bounding, CASES, FACILITIES, Layer, REGIONS, Stored, key_column, scheme_text, time_text};
use crate::store::rows::{Counted, Entry, checked_boundaries, checked_period, moves_nothing, same_origin_aside};
use crate::store::values::{Value, Values};
use std::collections::HashMap;

/// Rows of one statement: some megabytes of borders.
const PORTION: usize = 1000;

/// Columns that only this store has.
const STANDING: [(&str, &str); 2] = [("chain", "INTEGER NOT NULL"), ("epoch_until", "INTEGER")];

/// Those rows of the end of a chain that have one of these keys, with their `fid`.
pub(super) async fn read_current<R: Stored>(tx: &mut Tx, set: &GridSet, keys: &[&str]) -> Result<Vec<(i64, R)>, StoreError> {
    let (layer, key) = (R::LAYER, key_column(R::LAYER));
    let sql = format!(
        "SELECT {} FROM {} WHERE grid_set = $1 AND epoch_until IS NULL AND \"{key}\" = ANY($2)",
        record_list(layer),
        layer.name
    );
    let rows = tx.rows(sql, bound![set.as_str(), keys], "reading boundaries").await?;
    rows.iter().map(|row| Ok((get(row, 0)?, R::from_pg(row)?))).collect()
}

/// Rows of one epoch, by key.
async fn rows_at<R: Stored>(tx: &mut Tx, set: &GridSet, chain: i64, epoch: Epoch) -> Result<Vec<R>, StoreError> {
    let (layer, key) = (R::LAYER, key_column(R::LAYER));
    let sql = format!(
        "SELECT {} FROM {} WHERE grid_set = $1 AND chain = $2 AND epoch_from <= $3 AND (epoch_until IS NULL OR epoch_until > $3)
         ORDER BY \"{key}\" COLLATE \"C\"",
        record_list(layer),
        layer.name
    );
    let mut rows = Vec::new();
    tx.each(sql, bound![set.as_str(), chain, epoch.0.cast_signed()], "reading boundaries", |row| {
        rows.push(R::from_pg(row)?);
        Ok(())
    })
    .await?;
    Ok(rows)
}

/// The contents of an epoch.
async fn contents(tx: &mut Tx, published: &Published) -> Result<BoundarySet, StoreError> {
    let Published { record: EpochRecord { epoch, set, period, .. }, chain, scheme } = published;
    let scheme: Scheme = serde_json::from_str(scheme).map_err(|error| StoreError::Corrupt(format!("a scheme: {error}")))?;
    Ok(BoundarySet {
        set: set.clone(),
        scheme,
        period: *period,
        regions: rows_at::<RegionRecord>(tx, set, *chain, *epoch).await?,
        grids: rows_at::<GridRecord>(tx, set, *chain, *epoch).await?,
        voids: rows_at::<VoidRecord>(tx, set, *chain, *epoch).await?,
    })
}

/// The contents of an epoch, if there is one of this number.
pub(super) async fn boundaries_at(tx: &mut Tx, epoch: Epoch) -> Result<Option<BoundarySet>, StoreError> {
    match log::epoch(tx, epoch).await? {
        Some(published) => contents(tx, &published).await.map(Some),
        None => Ok(None),
    }
}

/// What rows that begin have in common.
struct Begin<'a> {
    set: &'a GridSet,
    epoch: Epoch,
    chain: i64,
    until: Option<Epoch>,
    import: Option<ImportId>,
    /// What regions show instead of their claim, by code.
    outlines: HashMap<&'a str, &'a Area>,
}

/// The stored rows of the end of a chain by key: `fid` and hash.
async fn stored(tx: &mut Tx, layer: &Layer, set: &GridSet) -> Result<HashMap<String, (i64, i64)>, StoreError> {
    let sql = format!(
        "SELECT \"{}\", fid, row_hash FROM {} WHERE grid_set = $1 AND chain = 0 AND epoch_until IS NULL",
        key_column(layer),
        layer.name
    );
    let rows = tx.rows(sql, bound![set.as_str()], "comparing boundaries").await?;
    rows.iter().map(|row| Ok((get(row, 0)?, (get(row, 1)?, get(row, 2)?)))).collect()
}

/// Writes what begins and ends what does not say the same any more. `stored`: what stood before, by key.
async fn replace<R: Bounding>(
    tx: &mut Tx,
    begin: &Begin<'_>,
    rows: &mut [R],
    mut stored: HashMap<String, (i64, i64)>,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    let layer = R::LAYER;
    let shows_outline = layer.name == REGIONS.name;
    let mut ended = Vec::new();
    let (mut outlined, mut outlines) = (Vec::new(), Vec::new());
    let mut begun = Values::default();
    for record in rows {
        let mut content = Values::default();
        record.content(begin.set, &mut content);
        let hash = content.hash();
        let outline = begin.outlines.get(record.key()).copied().filter(|_| shows_outline);
        match stored.remove(record.key()) {
            Some((fid, known)) if known == hash => {
                counted.same += 1;
                if let Some(outline) = outline {
                    outlined.push(fid);
                    outlines.push(wkb::ewkb_of_blob(&wkb::area_blob(outline)));
                }
                continue;
            }
            Some((fid, _)) => {
                counted.changed += 1;
                ended.push(fid);
            }
            None => counted.new += 1,
        }
        record.stamp(begin.import);
        // The first column of a region; what the table shows of it when there is no outline.
        let claim = content.0[0].clone();
        begun.0.append(&mut content.0);
        begun.opt_int(record.provenance().import_id.map(|id| id.0));
        begun.int(begin.epoch.0.cast_signed());
        begun.int(hash);
        if shows_outline {
            begun.0.push(outline.map_or(claim, |outline| Value::Blob(wkb::area_blob(outline))));
        }
        begun.int(begin.chain);
        begun.opt_int(begin.until.map(|epoch| epoch.0.cast_signed()));
    }
    counted.removed += stored.len() as u64;
    ended.extend(stored.into_values().map(|(fid, _)| fid));
    if !ended.is_empty() {
        let sql = format!("UPDATE {} SET epoch_until = $1 WHERE fid = ANY($2)", layer.name);
        tx.execute(sql, bound![begin.epoch.0.cast_signed(), ended], "ending rows").await?;
    }
    let fields = columns(layer).chain(STANDING);
    let width = fields.clone().count();
    let (names, source) = (list_without_fid(fields.clone()), arrays(fields));
    let sql = format!("INSERT INTO {} ({names}) SELECT {names} FROM {source}", layer.name);
    for some in begun.0.chunks(PORTION * width) {
        tx.execute(sql.as_str(), bound_arrays(Values(some.to_vec()), width)?, "beginning rows").await?;
    }
    if !outlined.is_empty() {
        let sql = "UPDATE regions SET geom = v.geom::geometry FROM unnest($1, $2) AS v(fid, geom)
            WHERE regions.fid = v.fid AND regions.geom IS DISTINCT FROM v.geom::geometry";
        tx.execute(sql, bound![outlined, outlines], "writing outlines").await?;
    }
    Ok(())
}

/// Rows of facilities or cases that are in another grid now; those that are in it already are left alone.
async fn move_rows(tx: &mut Tx, layer: &Layer, grids: impl Iterator<Item = (i64, Option<Code>)>) -> Result<u64, StoreError> {
    let (ids, grids): (Vec<i64>, Vec<Option<String>>) = grids.map(|(id, grid)| (id, grid.map(|code| code.to_string()))).unzip();
    if ids.is_empty() {
        return Ok(0);
    }
    let name = layer.name;
    let sql = format!(
        "UPDATE {name} SET grid = v.grid, version = {name}.version + 1 FROM unnest($1, $2) AS v(fid, grid)
         WHERE {name}.fid = v.fid AND {name}.grid IS DISTINCT FROM v.grid"
    );
    tx.execute(sql, bound![ids, grids], "moving rows to other grids").await
}

async fn epoch_insert(
    tx: &mut Tx,
    record: &EpochRecord,
    chain: i64,
    scheme: &str,
    actor: &str,
    at: &str,
) -> Result<(), StoreError> {
    let EpochRecord { epoch, set, base, period: Period { from, until }, import_id } = record;
    let sql = "INSERT INTO epochs (epoch, grid_set, chain, base, valid_from, valid_until, scheme, import_id, actor, published_at)
        VALUES ($1, $2, $3, $4, $5::timestamptz, $6::timestamptz, $7, $8, $9, $10::timestamptz)";
    let arguments = bound![
        epoch.0.cast_signed(),
        set.as_str(),
        chain,
        base.map(|base| base.0.cast_signed()),
        from.map(time_text),
        until.map(time_text),
        scheme,
        import_id.map(|id| id.0),
        actor,
        at,
    ];
    tx.execute(sql, arguments, "writing an epoch").await.map(drop)
}

/// Nobody else writes while this is held.
#[derive(Debug)]
pub(in crate::store) struct PostgisGate {
    store: PostgisStore,
    tx: Tx,
    pub(in crate::store) revision: Revision,
}

impl PostgisGate {
    pub(in crate::store) async fn boundaries_commit(self, given: BoundaryCommit) -> Result<Committed, StoreError> {
        let Self { store, mut tx, revision: _ } = self;
        on_own_task(async move {
            let committed = match given.chain {
                Chain::InForce => store.publish(&mut tx, given).await?,
                Chain::Beside => store.publish_beside(&mut tx, given).await?,
            };
            store.commit(tx).await?;
            Ok(committed)
        })
        .await
    }
}

fn same<R: crate::store::rows::Sourced>(a: &[R], b: &[R]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_origin_aside(a, b))
}

impl PostgisStore {
    pub(in crate::store) async fn boundaries_at(&self, epoch: Epoch) -> Result<Option<BoundarySet>, StoreError> {
        boundaries_at(&mut self.reader().await?, epoch).await
    }

    pub(in crate::store) async fn boundaries_commit(&self, given: BoundaryCommit) -> Result<Committed, StoreError> {
        self.gate().await?.boundaries_commit(given).await
    }

    /// Waits until nobody else writes, and keeps all others waiting.
    pub(in crate::store) async fn gate(&self) -> Result<PostgisGate, StoreError> {
        self.writable()?;
        let store = self.clone();
        on_own_task(async move {
            let mut tx = store.large().await?;
            store.lock(&mut tx, Lock::Gate, false).await?;
            let revision = log::revision(&mut tx).await?;
            Ok(PostgisGate { store, tx, revision })
        })
        .await
    }

    /// The next boundaries of the chain in force: rows that end, rows that begin, and the facilities and cases that are in other grids now.
    async fn publish(&self, tx: &mut Tx, given: BoundaryCommit) -> Result<Committed, StoreError> {
        let mut set = checked_boundaries(given.boundaries)?;
        let at = to_millisecond(given.at);
        let head = log::current(tx, &set.set).await?;
        let current = head.as_ref().map_or(Epoch(0), |head| head.record.epoch);
        if given.base != current {
            return Err(StoreError::Stale { base: given.base, current });
        }
        let import = imports::keep(tx, given.import, &given.actor, None).await?;
        let epoch = next_epoch(tx).await?;
        let name = set.set.clone();
        let outlines =
            given.outlines.iter().filter(|(_, area)| !area.is_empty()).map(|(code, area)| (code.as_str(), area)).collect();
        let begin = Begin { set: &name, epoch, chain: 0, until: None, import, outlines };
        let mut counted = Counted::default();
        let before = stored(tx, RegionRecord::LAYER, &name).await?;
        replace(tx, &begin, &mut set.regions, before, &mut counted).await?;
        let before = stored(tx, GridRecord::LAYER, &name).await?;
        replace(tx, &begin, &mut set.grids, before, &mut counted).await?;
        let before = stored(tx, VoidRecord::LAYER, &name).await?;
        replace(tx, &begin, &mut set.voids, before, &mut counted).await?;
        let scheme = scheme_text(&set.scheme)?;
        let publishes = counted.differs() || head.as_ref().is_none_or(|head| head.scheme != scheme);
        counted.moved += move_rows(tx, &FACILITIES, given.facility_grids.into_iter().map(|(id, grid)| (id.0, grid))).await?;
        counted.moved += move_rows(tx, &CASES, given.case_grids.into_iter().map(|(id, grid)| (id.0, grid))).await?;
        if publishes {
            let period = checked_period(set.period, head.as_ref().map(|head| head.record.period), at)?;
            if head.is_some() {
                let sql = "UPDATE epochs SET valid_until = $1::timestamptz WHERE epoch = $2";
                tx.execute(sql, bound![period.from.map(time_text), current.0.cast_signed()], "ending an epoch").await?;
            }
            let record = EpochRecord { epoch, set: name, base: Some(current), period, import_id: import };
            epoch_insert(tx, &record, 0, &scheme, &given.actor, &time_text(at)).await?;
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
        self.append(tx, entry, counted, None).await
    }

    /// A set beside the chain, with a period of its own. One that is there already publishes nothing.
    async fn publish_beside(&self, tx: &mut Tx, given: BoundaryCommit) -> Result<Committed, StoreError> {
        let mut set = checked_boundaries(given.boundaries)?;
        moves_nothing(&given.facility_grids, &given.case_grids)?;
        let at = to_millisecond(given.at);
        let epochs = log::epochs(tx).await?;
        let import = imports::keep(tx, given.import, &given.actor, None).await?;
        let said = |published| Entry {
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
            let Some(stored) = boundaries_at(tx, known.epoch).await? else { continue };
            let same_rows =
                same(&stored.regions, &set.regions) && same(&stored.grids, &set.grids) && same(&stored.voids, &set.voids);
            if same_rows && stored.scheme == set.scheme {
                counted.same = (set.regions.len() + set.grids.len() + set.voids.len()) as u64;
                return Ok(Committed { epoch: known.epoch, ..self.append(tx, said(None), counted, None).await? });
            }
        }
        let epoch = next_epoch(tx).await?;
        let name = set.set.clone();
        let outlines =
            given.outlines.iter().filter(|(_, area)| !area.is_empty()).map(|(code, area)| (code.as_str(), area)).collect();
        let (chain, until) = (epoch.0.cast_signed(), Some(Epoch(epoch.0 + 1)));
        let begin = Begin { set: &name, epoch, chain, until, import, outlines };
        replace(tx, &begin, &mut set.regions, HashMap::new(), &mut counted).await?;
        replace(tx, &begin, &mut set.grids, HashMap::new(), &mut counted).await?;
        replace(tx, &begin, &mut set.voids, HashMap::new(), &mut counted).await?;
        let record = EpochRecord { epoch, set: name, base: None, period: set.period, import_id: import };
        epoch_insert(tx, &record, chain, &scheme_text(&set.scheme)?, &given.actor, &time_text(at)).await?;
        self.append(tx, said(Some(epoch)), counted, None).await
    }
}

async fn next_epoch(tx: &mut Tx) -> Result<Epoch, StoreError> {
    let last: i64 = tx.value("SELECT coalesce(max(epoch), 0) FROM epochs", bound![], "reading the epochs").await?;
    Ok(Epoch(last.cast_unsigned() + 1))
}
