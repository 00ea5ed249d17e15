//! Reading a part of a city out of many: boundaries at or below some codes with what lies around them, and rows in the box of these. Of a
//! nation's boundaries only the codes of regions are read whole.

use super::PostgisStore;
use super::log::{self, Published};
use super::read::{self, Place};
use super::sql::{Tx, bound, record_list};
use crate::domain::code::Code;
use crate::domain::grid::GridRecord;
use crate::domain::id::GridSet;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scheme::Scheme;
use crate::geom::{Area, LatticeBox};
use crate::store::commit::Snapshot;
use crate::store::layers::{Bounding, Stored, key_column};
use crate::store::values::Fields;
use crate::store::{StoreError, epoch_at, others_at};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// How many times what lies around is read: as many rings of neighbours as `territory::excerpt` keeps.
const RINGS: usize = 2;

/// Which rows of boundaries are meant, as SQL.
struct Standing {
    set: GridSet,
    /// Those of the epoch, without the set.
    rows: String,
}

impl Standing {
    /// Rows of an epoch; `current`: it is the end of its chain, whose rows are indexed by place.
    fn of(published: &Published, current: bool) -> Self {
        let Published { record, chain, .. } = published;
        let epoch = record.epoch.0;
        let rows = match current {
            true => format!("chain = {chain} AND epoch_until IS NULL"),
            false => format!("chain = {chain} AND epoch_from <= {epoch} AND (epoch_until IS NULL OR epoch_until > {epoch})"),
        };
        Self { set: record.set.clone(), rows }
    }
}

/// The tree of all regions of a set, without their land.
struct Tree {
    scheme: Scheme,
    stated: HashMap<Code, Option<Code>>,
}

impl Tree {
    async fn read(tx: &mut Tx, of: &Standing, scheme: Scheme) -> Result<Self, StoreError> {
        let mut stated = HashMap::new();
        let sql = format!("SELECT code, parent FROM regions WHERE grid_set = $1 AND {}", of.rows);
        tx.each(sql, bound![of.set.as_str()], "reading the codes of regions", |row| {
            let mut f = Fields::of_pg(row);
            stated.insert(f.parsed()?, f.opt_parsed()?);
            Ok(())
        })
        .await?;
        Ok(Self { scheme, stated })
    }

    /// The region above a code: the one that its record states, else the nearest by its length.
    fn above(&self, code: &Code, stated: Option<&Code>) -> Option<Code> {
        let by_length = || self.scheme.ancestors_of(code).map(|(_, above)| above).find(|above| self.stated.contains_key(above));
        match stated {
            Some(stated) => Some(stated.clone()),
            None if self.scheme.has_lengths() => by_length(),
            None => None,
        }
    }

    /// A region and all above it. No more of them than the scheme has levels: a circle is told elsewhere.
    fn upward(&self, code: Code) -> impl Iterator<Item = Code> {
        let next = |code: &Code| self.above(code, self.stated.get(code)?.as_ref());
        std::iter::successors(Some(code), next).take(self.scheme.levels().len() + 1)
    }

    /// Regions that have regions below them.
    fn parents(&self) -> HashSet<Code> {
        self.stated.iter().filter_map(|(code, stated)| self.above(code, stated.as_ref())).collect()
    }

    /// Regions at or below some codes.
    fn below(&self, codes: &[Code]) -> HashSet<Code> {
        let is_below = |code: &&Code| self.upward((*code).clone()).any(|above| codes.contains(&above));
        self.stated.keys().filter(is_below).cloned().collect()
    }
}

/// Rows of one kind, each once.
struct Found<R> {
    rows: Vec<R>,
    known: HashSet<String>,
}

impl<R: Bounding> Found<R> {
    fn none() -> Self {
        Self { rows: Vec::new(), known: HashSet::new() }
    }

    fn add(&mut self, rows: Vec<R>) -> impl Iterator<Item = &R> {
        let before = self.rows.len();
        self.rows.extend(rows.into_iter().filter(|row| self.known.insert(row.key().to_owned())));
        self.rows[before..].iter()
    }

    fn sorted(mut self) -> Vec<R> {
        self.rows.sort_by(|one, other| one.key().cmp(other.key()));
        self.rows
    }
}

/// The corners of boxes, as four lists.
fn corners(boxes: &[LatticeBox]) -> [Vec<i64>; 4] {
    let list = |corner: fn(&LatticeBox) -> i32| boxes.iter().map(|bbox| i64::from(corner(bbox))).collect();
    [list(|b| b.min.x), list(|b| b.min.y), list(|b| b.max.x), list(|b| b.max.y)]
}

/// Rows whose land comes near some boxes. `place`: its column; `also`: what else has to hold.
async fn near<R: Bounding>(
    tx: &mut Tx,
    of: &Standing,
    place: &str,
    also: &str,
    boxes: &[LatticeBox],
) -> Result<Vec<R>, StoreError> {
    let (layer, columns) = (R::LAYER.name, record_list(R::LAYER));
    let sql = format!(
        "SELECT {columns} FROM {layer} WHERE fid IN (
           SELECT t.fid FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) b (w, s, e, n)
           JOIN {layer} t ON t.\"{place}\" && ST_MakeEnvelope(b.w / 1e7::float8, b.s / 1e7::float8, b.e / 1e7::float8, b.n / 1e7::float8, 4490)
             AND {standing}) AND grid_set = $1 {also}",
        standing = of.rows
    );
    let [west, south, east, north] = corners(boxes);
    let rows = tx.rows(sql, bound![of.set.as_str(), west, south, east, north], "reading boundaries around a part").await?;
    rows.iter().map(R::from_pg).collect()
}

/// The rows of a kind with these keys.
async fn keyed<R: Bounding>(tx: &mut Tx, of: &Standing, keys: Vec<String>) -> Result<Vec<R>, StoreError> {
    let (layer, columns, key) = (R::LAYER.name, record_list(R::LAYER), key_column(R::LAYER));
    let sql = format!("SELECT {columns} FROM {layer} WHERE grid_set = $1 AND {} AND \"{key}\" = ANY($2)", of.rows);
    let rows = tx.rows(sql, bound![of.set.as_str(), keys], "reading boundaries of a part").await?;
    rows.iter().map(R::from_pg).collect()
}

/// Grids at or below some codes.
async fn grids_below(
    tx: &mut Tx,
    of: &Standing,
    tree: &Tree,
    codes: &[Code],
    below: &HashSet<Code>,
) -> Result<Vec<GridRecord>, StoreError> {
    let texts = |codes: &mut dyn Iterator<Item = &Code>| codes.map(|code| code.as_str().to_owned()).collect::<Vec<String>>();
    let (codes, below) = (texts(&mut codes.iter()), texts(&mut below.iter()));
    let lies_below = match tree.scheme.has_lengths() {
        true => "EXISTS (SELECT FROM unnest($2::text[]) p WHERE starts_with(code, p)) AND $3::text[] IS NOT NULL",
        false => "(code = ANY($2) OR parent = ANY($3))",
    };
    let sql =
        format!("SELECT {} FROM grids WHERE grid_set = $1 AND {} AND {lies_below}", record_list(GridRecord::LAYER), of.rows);
    let rows = tx.rows(sql, bound![of.set.as_str(), codes, below], "reading boundaries of a part").await?;
    rows.iter().map(GridRecord::from_pg).collect()
}

/// At least what lies at or below some codes, two rings of neighbours around it, and all regions above these; and the box around what lies
/// at or below the codes. `None`: there is no such epoch.
async fn boundaries_within(
    tx: &mut Tx,
    record: &EpochRecord,
    codes: &[Code],
) -> Result<Option<(BoundarySet, Option<LatticeBox>)>, StoreError> {
    let Some(published) = log::epoch(tx, record.epoch).await? else { return Ok(None) };
    let current = log::current(tx, &record.set).await?.is_some_and(|current| current.record.epoch == record.epoch);
    let of = Standing::of(&published, current);
    let Published { record: EpochRecord { set, period, .. }, scheme, .. } = published;
    let scheme: Scheme = serde_json::from_str(&scheme).map_err(|error| StoreError::Corrupt(format!("a scheme: {error}")))?;
    let tree = Tree::read(tx, &of, scheme).await?;
    let below = tree.below(codes);

    let (mut grids, mut regions, mut voids) = (Found::none(), Found::none(), Found::none());
    let mut boxes: Vec<LatticeBox> = Vec::new();
    let land = |area: &Area| area.bbox();
    boxes.extend(grids.add(grids_below(tx, &of, &tree, codes, &below).await?).filter_map(|grid: &GridRecord| land(&grid.area)));
    let keys = below.iter().map(|code| code.as_str().to_owned()).collect();
    let own = regions.add(keyed::<RegionRecord>(tx, &of, keys).await?);
    boxes.extend(own.filter_map(|region| region.claim.as_ref().and_then(land)));
    let around = boxes.iter().copied().reduce(LatticeBox::union);

    // A region without children shows the outline it came with. One that has only grids below it and shows the same is found too: what touches
    // it is then touched by a grid of it, which is found as well.
    let parents = tree.parents();
    let childless = "AND claim IS NOT NULL AND ST_AsBinary(claim) = ST_AsBinary(geom)";
    for _ in 0..RINGS {
        let next = grids.add(near(tx, &of, "geom", "", &boxes).await?);
        let mut found: Vec<LatticeBox> = next.filter_map(|grid: &GridRecord| land(&grid.area)).collect();
        let mut next: Vec<RegionRecord> = near(tx, &of, "geom", childless, &boxes).await?;
        next.retain(|region| !parents.contains(&region.code));
        found.extend(regions.add(next).filter_map(|region| region.claim.as_ref().and_then(land)));
        // A void is the end of a ring: a sea has the whole coast for a neighbour.
        let _ = voids.add(near::<VoidRecord>(tx, &of, "area", "", &boxes).await?);
        boxes = found;
    }
    let starts = grids.rows.iter().filter_map(|grid| tree.above(&grid.code, grid.parent.as_ref()));
    let starts: HashSet<Code> = starts.chain(regions.rows.iter().map(|region| region.code.clone())).collect();
    let above: HashSet<Code> = starts.into_iter().flat_map(|code| tree.upward(code)).collect();
    let missing = above.iter().map(|code| code.as_str().to_owned()).filter(|code| !regions.known.contains(code)).collect();
    let _ = regions.add(keyed(tx, &of, missing).await?);
    let found =
        BoundarySet { scheme: tree.scheme, period, regions: regions.sorted(), grids: grids.sorted(), voids: voids.sorted(), set };
    Ok(Some((found, around)))
}

/// The part of a city.
pub(super) async fn snapshot(tx: &mut Tx, at: Timestamp, codes: &[Code]) -> Result<Snapshot, StoreError> {
    let meta = log::meta(tx).await?;
    let revision = log::revision(tx).await?;
    let epochs = log::epochs(tx).await?;
    let epoch = epoch_at(&epochs, &GridSet::default(), at).cloned();
    let found = match &epoch {
        Some(record) => boundaries_within(tx, record, codes).await?,
        None => None,
    };
    let (Some((boundaries, mut around)), Some(epoch)) = (found, epoch) else { return read::snapshot(tx, at).await };
    let mut others = Vec::new();
    for record in others_at(&epochs, at) {
        let Some((set, bbox)) = boundaries_within(tx, record, codes).await? else { continue };
        around = around.into_iter().chain(bbox).reduce(LatticeBox::union);
        others.push((record.clone(), set));
    }
    let (epoch, boundaries) = (Some(epoch), Some(boundaries));
    let snapshot = Snapshot { revision, epoch, boundaries, others, ..Snapshot::empty(meta) };
    read::rows(tx, snapshot, &Place::within(around)).await
}

impl PostgisStore {
    pub(in crate::store) async fn snapshot_within(&self, at: Timestamp, codes: &[Code]) -> Result<Snapshot, StoreError> {
        snapshot(&mut self.whole().await?, at, codes).await
    }
}
