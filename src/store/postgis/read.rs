//! Reading: the whole city at once, keys for matching, single rows.

use super::sql::{Tx, bound, record_list};
use super::{PostgisStore, boundaries, log, staff};
use crate::domain::address::{AddressRecord, AddressRow};
use crate::domain::building::BuildingRecord;
use crate::domain::case::{CaseRecord, CaseState};
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::code::Code;
use crate::domain::facility::{FacilityRecord, FacilityRow};
use crate::domain::id::{AddressId, CaseId, FacilityId, GridSet, Version};
use crate::domain::organization::OrganizationRecord;
use crate::geom::LatticeBox;
use crate::store::commit::{AddressKey, CaseKey, FacilityKey, Snapshot, external_key};
use crate::store::layers::{CASES, FACILITIES, Stored, keys_of};
use crate::store::values::Fields;
use crate::store::{StoreError, epoch_at, others_at};
use jiff::Timestamp;
use std::collections::HashMap;

/// Codes that many rows share.
#[derive(Default)]
struct Codes(HashMap<String, Code>);

impl Codes {
    fn shared(&mut self, code: &str) -> Result<Code, StoreError> {
        if let Some(code) = self.0.get(code) {
            return Ok(code.clone());
        }
        let shared = Code::new(code).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.0.insert(code.to_owned(), shared.clone());
        Ok(shared)
    }
}

/// Where rows have to stand to be read; what stands nowhere is read as well.
pub(super) struct Place(String);

impl Place {
    /// Anywhere.
    pub(super) fn any() -> Self {
        Self("true".to_owned())
    }

    /// In a box; in none nothing stands.
    pub(super) fn within(bbox: Option<LatticeBox>) -> Self {
        let near = |LatticeBox { min, max }| {
            let [w, s, e, n] = [min.x, min.y, max.x, max.y].map(|edge| format!("{edge} / 1e7::float8"));
            format!("(geom && ST_MakeEnvelope({w}, {s}, {e}, {n}, 4490) OR geom IS NULL)")
        };
        Self(bbox.map_or_else(|| "geom IS NULL".to_owned(), near))
    }
}

/// All facilities of a place as a city in memory needs them, by id.
pub(super) async fn facility_rows(tx: &mut Tx, profile: &CodeProfile, place: &Place) -> Result<Vec<FacilityRow>, StoreError> {
    let mut categories: HashMap<String, u16> = HashMap::new();
    let mut codes = Codes::default();
    let mut rows = Vec::new();
    let columns = "fid, ST_AsBinary(geom), grid, code, name, version, category, state";
    let sql = format!("SELECT {columns} FROM facilities WHERE {} ORDER BY fid", place.0);
    tx.each(sql, bound![], "reading facilities", |row| {
        let mut f = Fields::of_pg(row);
        rows.push(FacilityRow {
            id: FacilityId(f.take()?),
            at: f.point()?,
            grid: f.take::<Option<&str>>()?.map(|code| codes.shared(code)).transpose()?,
            code: f.take::<Option<String>>()?.map(Into::into),
            name: f.take::<String>()?.into(),
            version: Version(f.number()?),
            category: {
                let code: &str = f.take()?;
                match categories.get(code) {
                    Some(position) => *position,
                    None => {
                        let lost =
                            || StoreError::Corrupt(format!("facilities have the category {code}, which the profile does not"));
                        let position = profile.position(CategoryKind::Component, code).ok_or_else(lost)?;
                        categories.insert(code.to_owned(), position);
                        position
                    }
                }
            },
            state: f.parsed()?,
        });
        Ok(())
    })
    .await?;
    Ok(rows)
}

pub(super) async fn address_rows(tx: &mut Tx, place: &Place) -> Result<Vec<AddressRow>, StoreError> {
    let mut codes = Codes::default();
    let mut rows = Vec::new();
    let sql = format!("SELECT fid, ST_AsBinary(geom), within, address_text, name FROM addresses WHERE {} ORDER BY fid", place.0);
    tx.each(sql, bound![], "reading addresses", |row| {
        let mut f = Fields::of_pg(row);
        rows.push(AddressRow {
            id: AddressId(f.take()?),
            at: f.opt_point()?,
            within: f.take::<Option<&str>>()?.map(|code| codes.shared(code)).transpose()?,
            text: f.take::<String>()?.into(),
            name: f.take::<String>()?.into(),
        });
        Ok(())
    })
    .await?;
    Ok(rows)
}

fn external(f: &mut Fields<'_>) -> Result<Box<[u64]>, StoreError> {
    Ok(f.take::<Option<&str>>()?.map_or(Ok(Vec::new()), keys_of)?.into())
}

fn source_hash(f: &mut Fields<'_>) -> Result<Option<u64>, StoreError> {
    Ok(f.take::<Option<i64>>()?.map(i64::cast_unsigned))
}

/// Whole rows by id, each once.
pub(super) async fn by_ids<R: Stored>(tx: &mut Tx, ids: Vec<i64>) -> Result<Vec<R>, StoreError> {
    let sql = format!("SELECT {} FROM {} WHERE fid = ANY($1) ORDER BY fid", record_list(R::LAYER), R::LAYER.name);
    tx.rows(sql, bound![ids], "reading rows by id").await?.iter().map(R::from_pg).collect()
}

/// All rows of a layer that are few, by id.
pub(super) async fn all_of<R: Stored>(tx: &mut Tx, place: &Place) -> Result<Vec<R>, StoreError> {
    let sql = format!("SELECT {} FROM {} WHERE {} ORDER BY fid", record_list(R::LAYER), R::LAYER.name, place.0);
    tx.rows(sql, bound![], "reading rows").await?.iter().map(R::from_pg).collect()
}

/// Facilities behind one, by id.
pub(super) async fn facilities_after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<FacilityRecord>, StoreError> {
    let sql = format!("SELECT {} FROM facilities WHERE fid > $1 ORDER BY fid LIMIT $2", record_list(&FACILITIES));
    tx.rows(sql, bound![after, limit], "reading facilities").await?.iter().map(FacilityRecord::from_pg).collect()
}

/// Open cases behind one, by id.
pub(super) async fn open_cases_after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<CaseRecord>, StoreError> {
    let sql = format!("SELECT {} FROM cases WHERE state = ANY($1) AND fid > $2 ORDER BY fid LIMIT $3", record_list(&CASES));
    tx.rows(sql, bound![open_states(), after, limit], "reading cases").await?.iter().map(CaseRecord::from_pg).collect()
}

/// All open cases of a place, by id.
pub(super) async fn open_cases(tx: &mut Tx, place: &Place) -> Result<Vec<CaseRecord>, StoreError> {
    let sql = format!("SELECT {} FROM cases WHERE state = ANY($1) AND {} ORDER BY fid", record_list(&CASES), place.0);
    tx.rows(sql, bound![open_states()], "reading cases").await?.iter().map(CaseRecord::from_pg).collect()
}

fn open_states() -> Vec<&'static str> {
    CaseState::TABLE.iter().filter(|(state, _)| state.is_open()).map(|(_, word)| *word).collect()
}

/// Everything that a city in memory is made of.
pub(super) async fn snapshot(tx: &mut Tx, at: Timestamp) -> Result<Snapshot, StoreError> {
    let meta = log::meta(tx).await?;
    let revision = log::revision(tx).await?;
    let epochs = log::epochs(tx).await?;
    let epoch = epoch_at(&epochs, &GridSet::default(), at).cloned();
    let boundaries = match &epoch {
        Some(record) => boundaries::boundaries_at(tx, record.epoch).await?,
        None => None,
    };
    let mut others = Vec::new();
    for record in others_at(&epochs, at) {
        if let Some(set) = boundaries::boundaries_at(tx, record.epoch).await? {
            others.push((record.clone(), set));
        }
    }
    rows(tx, Snapshot { revision, epoch, boundaries, others, ..Snapshot::empty(meta) }, &Place::any()).await
}

/// Everything that stands in the boundaries of a snapshot.
pub(super) async fn rows(tx: &mut Tx, snapshot: Snapshot, place: &Place) -> Result<Snapshot, StoreError> {
    Ok(Snapshot {
        facilities: facility_rows(tx, &snapshot.meta.profile, place).await?,
        staff: staff::staff(tx).await?,
        cases: open_cases(tx, place).await?,
        addresses: address_rows(tx, place).await?,
        organizations: all_of(tx, place).await?,
        buildings: all_of(tx, place).await?,
        ..snapshot
    })
}

impl PostgisStore {
    pub(in crate::store) async fn snapshot(&self, at: Timestamp) -> Result<Snapshot, StoreError> {
        snapshot(&mut self.whole().await?, at).await
    }

    pub(in crate::store) async fn addresses(&self) -> Result<Vec<AddressRow>, StoreError> {
        address_rows(&mut self.whole().await?, &Place::any()).await
    }

    pub(in crate::store) async fn organizations(&self) -> Result<Vec<OrganizationRecord>, StoreError> {
        all_of(&mut self.whole().await?, &Place::any()).await
    }

    pub(in crate::store) async fn buildings(&self) -> Result<Vec<BuildingRecord>, StoreError> {
        all_of(&mut self.whole().await?, &Place::any()).await
    }

    pub(in crate::store) async fn facility_keys(&self) -> Result<Vec<FacilityKey>, StoreError> {
        let mut keys = Vec::new();
        let sql = "SELECT fid, version, source_hash, code, external_ids FROM facilities ORDER BY fid";
        let mut tx = self.whole().await?;
        tx.each(sql, bound![], "reading facilities", |row| {
            let mut f = Fields::of_pg(row);
            let (id, version) = (FacilityId(f.take()?), Version(f.number()?));
            let source_hash = source_hash(&mut f)?;
            let code = f.take::<Option<String>>()?.map(Into::into);
            keys.push(FacilityKey { id, version, code, external: external(&mut f)?, source_hash });
            Ok(())
        })
        .await?;
        Ok(keys)
    }

    pub(in crate::store) async fn address_keys(&self) -> Result<Vec<AddressKey>, StoreError> {
        let mut keys = Vec::new();
        let sql = "SELECT fid, version, source_hash, external_ids FROM addresses ORDER BY fid";
        let mut tx = self.whole().await?;
        tx.each(sql, bound![], "reading addresses", |row| {
            let mut f = Fields::of_pg(row);
            let (id, version) = (AddressId(f.take()?), Version(f.number()?));
            let source_hash = source_hash(&mut f)?;
            keys.push(AddressKey { id, version, external: external(&mut f)?, source_hash });
            Ok(())
        })
        .await?;
        Ok(keys)
    }

    pub(in crate::store) async fn case_keys(&self) -> Result<Vec<CaseKey>, StoreError> {
        let mut keys = Vec::new();
        let sql = format!(
            "SELECT fid, version, source_system, external_id, {}, source_hash FROM cases ORDER BY fid",
            super::sql::instant("source_updated_at")
        );
        let mut tx = self.whole().await?;
        tx.each(sql, bound![], "reading cases", |row| {
            let mut f = Fields::of_pg(row);
            keys.push(CaseKey {
                id: CaseId(f.take()?),
                version: Version(f.number()?),
                source_system: f.take()?,
                external_id: f.take()?,
                source_updated_at: f.opt_parsed()?,
                source_hash: source_hash(&mut f)?,
            });
            Ok(())
        })
        .await?;
        Ok(keys)
    }

    pub(in crate::store) async fn addresses_by_ids(&self, ids: &[AddressId]) -> Result<Vec<AddressRecord>, StoreError> {
        by_ids(&mut self.whole().await?, ids.iter().map(|id| id.0).collect()).await
    }

    pub(in crate::store) async fn facilities_by_ids(&self, ids: &[FacilityId]) -> Result<Vec<FacilityRecord>, StoreError> {
        // Of a table that is loaded for the first time nobody asks anything.
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        by_ids(&mut self.reader().await?, ids.iter().map(|id| id.0).collect()).await
    }

    pub(in crate::store) async fn cases_by_ids(&self, ids: &[CaseId]) -> Result<Vec<CaseRecord>, StoreError> {
        by_ids(&mut self.reader().await?, ids.iter().map(|id| id.0).collect()).await
    }

    pub(in crate::store) async fn facilities_by_external(
        &self,
        system: &str,
        id: &str,
    ) -> Result<Vec<FacilityRecord>, StoreError> {
        let sql = format!(
            "SELECT {} FROM facilities WHERE external[1] = $1 OR cardinality(external) > 1 AND external @> ARRAY[$1]::bigint[] ORDER BY fid",
            record_list(&FACILITIES)
        );
        let arguments = bound![external_key(system, id).cast_signed()];
        let rows = self.reader().await?.rows(sql, arguments, "looking for a name in another system").await?;
        let mut found = rows.iter().map(FacilityRecord::from_pg).collect::<Result<Vec<_>, _>>()?;
        found.retain(|row| row.provenance.external_ids.get(system).is_some_and(|known| known == id));
        Ok(found)
    }
}
