//! Reading: the whole city at once, keys for matching, single rows.
//!
//! One row of many columns costs sqlx some microseconds. A million facilities come instead as texts of some thousand rows each, put
//! together by SQLite and read by two connections in turns.

use super::layers::keys_of;
use super::layers::{ADDRESSES, CASES, FACILITIES, Layer, Stored};
use super::sql::{Doing, Fields, id_list};
use super::{EmbeddedStore, boundaries, log, staff};
use crate::domain::address::{AddressRecord, AddressRow};
use crate::domain::building::BuildingRecord;
use crate::domain::case::{CaseRecord, CaseState};
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::code::Code;
use crate::domain::facility::{FacilityRecord, FacilityRow};
use crate::domain::id::{AddressId, CaseId, FacilityId, GridSet, Version};
use crate::domain::organization::OrganizationRecord;
use crate::geom::{LatticePoint, LonLat};
use crate::store::commit::{AddressKey, CaseKey, FacilityKey, Snapshot, external_key};
use crate::store::{StoreError, epoch_at, others_at};
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite, Transaction};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Ids of one text: some hundred kilobytes.
const RANGE: i64 = 8192;

/// Connections that read facilities at the same time.
const READERS: usize = 2;

/// Compact rows: `fid, version, state, coordinates, lengths of the texts,` then the texts themselves.
const ROWS: &str =
    "SELECT group_concat(concat(concat_ws(',', fid, version, state, hex(substr(geom, 14, 16)), octet_length(category),
    ifnull(octet_length(code), -1), ifnull(octet_length(grid), -1), octet_length(name), ''), category, code, grid, name), '')
    FROM facilities WHERE fid BETWEEN ? AND ?";

/// Keys: `fid, version, source_hash, lengths of the texts,` then the texts themselves.
const KEYS: &str =
    "SELECT group_concat(concat(concat_ws(',', fid, version, ifnull(source_hash, ''), ifnull(octet_length(code), -1),
    ifnull(octet_length(external_ids), -1), ''), code, external_ids), '') FROM facilities WHERE fid BETWEEN ? AND ?";

/// Addresses: `fid, coordinates, lengths of the texts,` then the texts themselves.
const ADDRESS_ROWS: &str =
    "SELECT group_concat(concat(concat_ws(',', fid, hex(substr(geom, 14, 16)), ifnull(octet_length(within), -1),
    octet_length(address_text), octet_length(name), ''), within, address_text, name), '') FROM addresses WHERE fid BETWEEN ? AND ?";

/// Keys of addresses, as [`KEYS`].
const ADDRESS_KEYS: &str =
    "SELECT group_concat(concat(concat_ws(',', fid, version, ifnull(source_hash, ''), -1, ifnull(octet_length(external_ids), -1), ''),
    external_ids), '') FROM addresses WHERE fid BETWEEN ? AND ?";

/// A text of rows, read from its beginning.
struct Cursor<'a> {
    text: &'a str,
}

fn unreadable() -> StoreError {
    StoreError::Corrupt("rows cannot be read".to_owned())
}

impl<'a> Cursor<'a> {
    /// Up to the next comma.
    fn field(&mut self) -> Result<&'a str, StoreError> {
        let (field, rest) = self.text.split_once(',').ok_or_else(unreadable)?;
        self.text = rest;
        Ok(field)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, StoreError> {
        self.field()?.parse().map_err(|_| unreadable())
    }

    /// A text of so many bytes; a negative number of bytes is no text.
    fn text(&mut self, bytes: i64) -> Result<Option<&'a str>, StoreError> {
        let Ok(bytes) = usize::try_from(bytes) else { return Ok(None) };
        let (text, rest) = self.text.split_at_checked(bytes).ok_or_else(unreadable)?;
        self.text = rest;
        Ok(Some(text))
    }
}

/// What reading rows needs to know and remembers.
struct RowReader {
    profile: Arc<CodeProfile>,
    categories: HashMap<String, u16>,
    grids: HashMap<String, Code>,
}

impl RowReader {
    fn rows(&mut self, text: &str, out: &mut Vec<FacilityRow>) -> Result<(), StoreError> {
        let mut cursor = Cursor { text };
        while !cursor.text.is_empty() {
            let id = FacilityId(cursor.number()?);
            let version = Version(cursor.number()?);
            let state = cursor.field()?.parse().map_err(|error| StoreError::Corrupt(format!("facility {id}: {error}")))?;
            let at = point_of_hex(cursor.field()?).ok_or_else(|| StoreError::Corrupt(format!("the place of facility {id}")))?;
            let (category, code, grid, name) = (cursor.number()?, cursor.number()?, cursor.number()?, cursor.number()?);
            let category = self.category(cursor.text(category)?.unwrap_or_default())?;
            let code = cursor.text(code)?.map(Into::into);
            let grid = cursor.text(grid)?.map(|code| self.grid(code)).transpose()?;
            let name = cursor.text(name)?.unwrap_or_default().into();
            out.push(FacilityRow { id, at, grid, code, name, version, category, state });
        }
        Ok(())
    }

    fn category(&mut self, code: &str) -> Result<u16, StoreError> {
        if let Some(position) = self.categories.get(code) {
            return Ok(*position);
        }
        let position = self
            .profile
            .position(CategoryKind::Component, code)
            .ok_or_else(|| StoreError::Corrupt(format!("facilities have the category {code}, which the profile does not")))?;
        self.categories.insert(code.to_owned(), position);
        Ok(position)
    }

    fn addresses(&mut self, text: &str, out: &mut Vec<AddressRow>) -> Result<(), StoreError> {
        let mut cursor = Cursor { text };
        while !cursor.text.is_empty() {
            let id = AddressId(cursor.number()?);
            let at = match cursor.field()? {
                "" => None,
                hex => Some(point_of_hex(hex).ok_or_else(|| StoreError::Corrupt(format!("the place of address {id}")))?),
            };
            let (within, text, name) = (cursor.number()?, cursor.number()?, cursor.number()?);
            let within = cursor.text(within)?.map(|code| self.grid(code)).transpose()?;
            let text = cursor.text(text)?.unwrap_or_default().into();
            let name = cursor.text(name)?.unwrap_or_default().into();
            out.push(AddressRow { id, at, within, text, name });
        }
        Ok(())
    }

    fn grid(&mut self, code: &str) -> Result<Code, StoreError> {
        if let Some(code) = self.grids.get(code) {
            return Ok(code.clone());
        }
        let shared = Code::new(code).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.grids.insert(code.to_owned(), shared.clone());
        Ok(shared)
    }
}

fn point_of_hex(hex: &str) -> Option<LatticePoint> {
    let number = |digits: &str| Some(f64::from_bits(u64::from_str_radix(digits, 16).ok()?.swap_bytes()));
    let (lon, lat) = (number(hex.get(..16)?)?, number(hex.get(16..)?)?);
    Some(LatticePoint::nearest(LonLat::new(lon, lat).ok()?))
}

fn key_rows(text: &str, out: &mut Vec<FacilityKey>) -> Result<(), StoreError> {
    let mut cursor = Cursor { text };
    while !cursor.text.is_empty() {
        let id = FacilityId(cursor.number()?);
        let version = Version(cursor.number()?);
        let source_hash = match cursor.field()? {
            "" => None,
            number => Some(number.parse::<i64>().map_err(|_| unreadable())?.cast_unsigned()),
        };
        let (code, external) = (cursor.number()?, cursor.number()?);
        let code = cursor.text(code)?.map(Into::into);
        let external = cursor.text(external)?.map_or(Ok(Vec::new()), keys_of)?.into();
        out.push(FacilityKey { id, version, code, external, source_hash });
    }
    Ok(())
}

/// Reads ranges of ids, one after the other, as long as there are any left.
async fn read_ranges<T: Send>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    (next, last): (&AtomicI64, i64),
    mut parse: impl FnMut(&str, &mut Vec<T>) -> Result<(), StoreError> + Send,
) -> Result<Vec<(i64, Vec<T>)>, StoreError> {
    let mut ranges = Vec::new();
    loop {
        let from = next.fetch_add(RANGE, Ordering::Relaxed);
        if from > last {
            return Ok(ranges);
        }
        let text: Option<String> =
            sqlx::query_scalar(sql).bind(from).bind(from + RANGE - 1).fetch_one(&mut *conn).await.doing("reading rows")?;
        let Some(text) = text else { continue };
        let mut rows = Vec::with_capacity(RANGE as usize);
        parse(&text, &mut rows)?;
        rows.shrink_to_fit();
        ranges.push((from, rows));
    }
}

fn in_order<T>(mut ranges: Vec<(i64, Vec<T>)>) -> Vec<T> {
    ranges.sort_unstable_by_key(|(from, _)| *from);
    let mut all = Vec::with_capacity(ranges.iter().map(|(_, rows)| rows.len()).sum());
    for (_, rows) in ranges {
        all.extend(rows);
    }
    all
}

/// First and last id of a layer.
async fn extent(conn: &mut SqliteConnection, layer: &Layer) -> Result<(i64, i64), StoreError> {
    let sql = format!("SELECT ifnull((SELECT min(fid) FROM {0}), 1), ifnull((SELECT max(fid) FROM {0}), 0)", layer.name);
    sqlx::query_as(AssertSqlSafe(sql)).fetch_one(conn).await.doing("reading rows")
}

impl EmbeddedStore {
    /// Transactions that see one and the same revision.
    pub(super) async fn readers(&self, count: usize) -> Result<Vec<Transaction<'static, Sqlite>>, StoreError> {
        let _gathering = self.shared.gathering.lock().await;
        loop {
            let mut readers = Vec::with_capacity(count);
            let mut revisions = Vec::with_capacity(count);
            for _ in 0..count {
                let mut tx = self.shared.readers.begin().await.doing("beginning to read")?;
                revisions.push(log::revision(&mut tx).await?);
                readers.push(tx);
            }
            // Otherwise somebody committed in between: again.
            if revisions.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(readers);
            }
        }
    }

    pub(in crate::store) async fn snapshot(&self, at: Timestamp) -> Result<Snapshot, StoreError> {
        let mut conns = self.readers(1 + READERS).await?;
        let mut first = conns.pop().expect("there is at least one");
        let meta = log::meta(&mut first).await?;
        let (from, last) = extent(&mut first, &FACILITIES).await?;
        let (from_address, last_address) = extent(&mut first, &ADDRESSES).await?;
        let next = Arc::new((AtomicI64::new(from), AtomicI64::new(from_address)));
        let profile = Arc::new(meta.profile.clone());
        let tasks: Vec<_> = conns
            .into_iter()
            .map(|mut conn| {
                let next = Arc::clone(&next);
                let mut reader = RowReader { profile: Arc::clone(&profile), categories: HashMap::new(), grids: HashMap::new() };
                tokio::spawn(async move {
                    let rows = read_ranges(&mut conn, ROWS, (&next.0, last), |text, out| reader.rows(text, out)).await?;
                    let read = |text: &str, out: &mut Vec<AddressRow>| reader.addresses(text, out);
                    let addresses = read_ranges(&mut conn, ADDRESS_ROWS, (&next.1, last_address), read).await?;
                    Ok::<_, StoreError>((rows, addresses))
                })
            })
            .collect();
        let revision = log::revision(&mut first).await?;
        let epochs = log::epochs(&mut first).await?;
        let epoch = epoch_at(&epochs, &GridSet::default(), at).cloned();
        let boundaries = match &epoch {
            Some(record) => Some(boundaries::boundaries_at(&mut first, record).await?),
            None => None,
        };
        let mut others = Vec::new();
        for record in others_at(&epochs, at) {
            others.push((record.clone(), boundaries::boundaries_at(&mut first, record).await?));
        }
        let staff = staff::staff(&mut first).await?;
        let cases = open_cases(&mut first).await?;
        let organizations = all_of(&mut first).await?;
        let buildings = all_of(&mut first).await?;
        drop(first);
        let (mut ranges, mut addresses) = (Vec::new(), Vec::new());
        for task in tasks {
            let (rows, some) = task.await.map_err(|_| StoreError::GivenUp)??;
            ranges.extend(rows);
            addresses.extend(some);
        }
        let (facilities, addresses) = (in_order(ranges), in_order(addresses));
        Ok(Snapshot { meta, revision, epoch, boundaries, others, facilities, staff, cases, addresses, organizations, buildings })
    }

    pub(in crate::store) async fn addresses(&self) -> Result<Vec<AddressRow>, StoreError> {
        let mut conn = self.reader().await?;
        let profile = Arc::new(log::meta(&mut conn).await?.profile);
        let mut reader = RowReader { profile, categories: HashMap::new(), grids: HashMap::new() };
        let (from, last) = extent(&mut conn, &ADDRESSES).await?;
        let next = AtomicI64::new(from);
        let ranges = read_ranges(&mut conn, ADDRESS_ROWS, (&next, last), |text, out| reader.addresses(text, out)).await?;
        Ok(in_order(ranges))
    }

    pub(in crate::store) async fn address_keys(&self) -> Result<Vec<AddressKey>, StoreError> {
        let mut conn = self.reader().await?;
        let (from, last) = extent(&mut conn, &ADDRESSES).await?;
        let next = AtomicI64::new(from);
        let ranges = read_ranges(&mut conn, ADDRESS_KEYS, (&next, last), key_rows).await?;
        let key = |key: FacilityKey| {
            let FacilityKey { id, version, code: _, external, source_hash } = key;
            AddressKey { id: AddressId(id.0), version, external, source_hash }
        };
        Ok(in_order(ranges).into_iter().map(key).collect())
    }

    pub(in crate::store) async fn addresses_by_ids(&self, ids: &[AddressId]) -> Result<Vec<AddressRecord>, StoreError> {
        self.by_ids(&mut ids.iter().map(|id| id.0)).await
    }

    pub(in crate::store) async fn facility_keys(&self) -> Result<Vec<FacilityKey>, StoreError> {
        let mut conns = self.readers(READERS).await?;
        let (from, last) = extent(&mut conns[0], &FACILITIES).await?;
        let next = Arc::new(AtomicI64::new(from));
        let tasks: Vec<_> = conns
            .into_iter()
            .map(|mut conn| {
                let next = Arc::clone(&next);
                tokio::spawn(async move { read_ranges(&mut conn, KEYS, (&next, last), key_rows).await })
            })
            .collect();
        let mut ranges = Vec::new();
        for task in tasks {
            ranges.extend(task.await.map_err(|_| StoreError::GivenUp)??);
        }
        Ok(in_order(ranges))
    }

    pub(in crate::store) async fn organizations(&self) -> Result<Vec<OrganizationRecord>, StoreError> {
        all_of(&mut *self.reader().await?).await
    }

    pub(in crate::store) async fn buildings(&self) -> Result<Vec<BuildingRecord>, StoreError> {
        all_of(&mut *self.reader().await?).await
    }

    pub(in crate::store) async fn case_keys(&self) -> Result<Vec<CaseKey>, StoreError> {
        let sql = "SELECT fid, version, source_system, external_id, source_updated_at, source_hash FROM cases ORDER BY fid";
        let rows = sqlx::query(sql).fetch_all(&mut *self.reader().await?).await.doing("reading cases")?;
        let key = |row: &SqliteRow| {
            let mut fields = Fields::of(row);
            Ok(CaseKey {
                id: CaseId(fields.take()?),
                version: Version(fields.number()?),
                source_system: fields.take()?,
                external_id: fields.take()?,
                source_updated_at: fields.opt_parsed()?,
                source_hash: fields.take::<Option<i64>>()?.map(i64::cast_unsigned),
            })
        };
        rows.iter().map(key).collect()
    }

    pub(in crate::store) async fn facilities_by_ids(&self, ids: &[FacilityId]) -> Result<Vec<FacilityRecord>, StoreError> {
        self.by_ids(&mut ids.iter().map(|id| id.0)).await
    }

    pub(in crate::store) async fn cases_by_ids(&self, ids: &[CaseId]) -> Result<Vec<CaseRecord>, StoreError> {
        self.by_ids(&mut ids.iter().map(|id| id.0)).await
    }

    async fn by_ids<R: Stored>(&self, ids: &mut (dyn Iterator<Item = i64> + Send)) -> Result<Vec<R>, StoreError> {
        let list = id_list(ids);
        let sql = format!(
            "SELECT {} FROM \"{}\" WHERE fid IN (SELECT value FROM json_each(?)) ORDER BY fid",
            R::LAYER.list(),
            R::LAYER.name
        );
        let rows =
            sqlx::query(AssertSqlSafe(sql)).bind(list).fetch_all(&mut *self.reader().await?).await.doing("reading rows by id")?;
        rows.iter().map(R::from_row).collect()
    }

    pub(in crate::store) async fn facilities_by_external(
        &self,
        system: &str,
        id: &str,
    ) -> Result<Vec<FacilityRecord>, StoreError> {
        let sql = format!(
            "SELECT {} FROM facilities WHERE fid IN (SELECT fid FROM facility_external WHERE key = ?) ORDER BY fid",
            FACILITIES.list()
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(external_key(system, id).cast_signed())
            .fetch_all(&mut *self.reader().await?)
            .await
            .doing("looking for a name in another system")?;
        let mut found = rows.iter().map(FacilityRecord::from_row).collect::<Result<Vec<_>, _>>()?;
        found.retain(|row| row.provenance.external_ids.get(system).is_some_and(|known| known == id));
        Ok(found)
    }
}

async fn open_cases(conn: &mut SqliteConnection) -> Result<Vec<CaseRecord>, StoreError> {
    open_cases_after(conn, i64::MIN, i64::MAX).await
}

/// Open cases behind one, by id.
pub(super) async fn open_cases_after(conn: &mut SqliteConnection, after: i64, limit: i64) -> Result<Vec<CaseRecord>, StoreError> {
    let open: Vec<String> =
        CaseState::TABLE.iter().filter(|(state, _)| state.is_open()).map(|(_, word)| format!("'{word}'")).collect();
    let sql = format!("SELECT {} FROM cases WHERE state IN ({}) AND fid > ? ORDER BY fid LIMIT ?", CASES.list(), open.join(", "));
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(limit).fetch_all(conn).await.doing("reading cases")?;
    rows.iter().map(CaseRecord::from_row).collect()
}

/// All rows of a layer that are few, by id.
pub(super) async fn all_of<R: Stored>(conn: &mut SqliteConnection) -> Result<Vec<R>, StoreError> {
    let sql = format!("SELECT {} FROM \"{}\" ORDER BY fid", R::LAYER.list(), R::LAYER.name);
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(conn).await.doing("reading rows")?;
    rows.iter().map(R::from_row).collect()
}

/// Facilities behind one, by id.
pub(super) async fn facilities_after(
    conn: &mut SqliteConnection,
    after: i64,
    limit: i64,
) -> Result<Vec<FacilityRecord>, StoreError> {
    let sql = format!("SELECT {} FROM facilities WHERE fid > ? ORDER BY fid LIMIT ?", FACILITIES.list());
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(limit).fetch_all(conn).await.doing("reading facilities")?;
    rows.iter().map(FacilityRecord::from_row).collect()
}
