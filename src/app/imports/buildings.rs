//! Buildings: recognised by their ids in other systems, else by their places. What their households sum up to is held against the counts of
//! the grids.

use super::read::{EachPoint, Point, read};
use super::report::{HouseholdDifference, Report};
use super::rows::{Imported, Known, keys};
use super::{ImportError, Job};
use crate::city::{Buildings, Change, Households};
use crate::domain::building::{BuildingRecord, Site};
use crate::domain::code::Code;
use crate::domain::hash::hash64;
use crate::domain::id::{BuildingId, GridIx, Version};
use crate::domain::records::{HouseholdCount, Provenance};
use crate::geom::LatticePoint;
use crate::interchange::buildings::building;
use crate::store::{Committed, RowCommit, Store, StoreError};
use crate::territory::Territory;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Imported for BuildingRecord {
    async fn known(store: &Store) -> Result<Vec<Known>, StoreError> {
        let known = store.buildings().await?.into_iter().map(|row| Known {
            id: row.id.0,
            version: row.version,
            keys: row.keys(row.provenance.source_hash),
            source_hash: row.provenance.source_hash,
            updated_at: None,
        });
        Ok(known.collect())
    }

    async fn stored(store: &Store, ids: Vec<i64>) -> Result<Vec<Self>, StoreError> {
        let ids: HashSet<i64> = ids.into_iter().collect();
        let mut all = store.buildings().await?;
        all.retain(|row| ids.contains(&row.id.0));
        Ok(all)
    }

    async fn commit(store: &Store, _job: &Job, commit: RowCommit<Self>) -> Result<(Committed, Option<Change>), ImportError> {
        Ok((store.buildings_commit(commit).await?, None))
    }

    fn read(job: &Job, report: &mut Report, each: &mut EachPoint<'_, Self>) {
        read(job, report, &mut |raw, columns, terms, report| {
            let number = raw.number;
            match building(&columns.sort_out(raw), terms) {
                Ok(made) => {
                    report.mended(made.repairs);
                    each(Point { number, record: made.record, origin: made.origin }, terms, report)
                }
                Err(faults) => faults,
            }
        });
    }

    fn id(&self) -> i64 {
        self.id.0
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_key(&mut self, id: i64, version: Version) {
        (self.id, self.version) = (BuildingId(id), version);
    }

    fn at(&self) -> Option<LatticePoint> {
        Self::at(self)
    }

    fn within(&self) -> Option<&Code> {
        self.within.as_ref()
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn provenance_mut(&mut self) -> &mut Provenance {
        &mut self.provenance
    }

    /// One without an id is recognised by its place, so that another count of households is no other building: by its footprint, or by
    /// point and name, since all of an estate may have the estate's point.
    fn keys(&self, source_hash: Option<u64>) -> Vec<u64> {
        let bytes = |at: &LatticePoint| [at.x.to_le_bytes(), at.y.to_le_bytes()].concat();
        let place: Option<Vec<u8>> = match &self.site {
            Some(Site::Footprint(footprint)) => Some(footprint.area().rings().flatten().flat_map(bytes).collect()),
            Some(Site::Point(at)) => Some([bytes(at).as_slice(), self.name.as_bytes()].concat()),
            None => None,
        };
        let place = place.map(|place| hash64(&place));
        let told = keys(&self.provenance, source_hash);
        if self.is_named() { told } else { told.into_iter().chain(place).collect() }
    }

    fn restore(&mut self, old: &Self) {
        if self.site != old.site {
            self.original = None;
        }
    }

    fn is_crossed(&self, territory: &Territory) -> bool {
        self.footprint().is_some_and(|area| territory.is_crossed(area))
    }

    async fn hold_against(
        store: &Store,
        territory: Option<Arc<Territory>>,
        rows: &[Self],
        report: &mut Report,
    ) -> Result<(), ImportError> {
        report.household_differences = household_differences(store, territory, rows.to_vec(), &[]).await?;
        Ok(())
    }

    fn note(report: &mut Report) {
        if !report.other_columns.is_empty() {
            // Things of OpenStreetMap have hundreds.
            let some = report.other_columns.iter().take(30).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if report.other_columns.len() > 30 { " …" } else { "" };
            report.notes.push(format!("not stored, since a building has no such fields: {some}{more}"));
        }
    }
}

/// Grids whose count is not what their buildings sum up to, in the order of the territory: as it will be once some buildings and some
/// counts are written.
pub(super) async fn household_differences(
    store: &Store,
    territory: Option<Arc<Territory>>,
    rows: Vec<BuildingRecord>,
    counts: &[HouseholdCount],
) -> Result<Vec<HouseholdDifference>, ImportError> {
    let Some(territory) = territory else { return Ok(Vec::new()) };
    let stored = store.buildings().await?;
    let counts: HashMap<Code, u32> = counts.iter().filter_map(|count| Some((count.grid.clone(), count.households?))).collect();
    let differences = tokio::task::spawn_blocking(move || {
        let changed: HashSet<BuildingId> = rows.iter().map(|row| row.id).collect();
        let stay = stored.into_iter().filter(|row| !changed.contains(&row.id));
        // New ones have no number yet.
        let new = rows.into_iter().zip(1_i64..).map(|(row, at)| match row.id {
            BuildingId(0) => BuildingRecord { id: BuildingId(-at), ..row },
            _ => row,
        });
        let buildings = Buildings::new(stay.chain(new).map(Arc::new), &territory);
        let difference = |ix: GridIx| {
            let grid = &territory.grid(ix).code;
            let known = Households::of(&territory, &buildings, ix);
            let known = Households { counted: counts.get(grid).copied().or(known.counted), ..known };
            let (counted, of_buildings) = known.counted.zip(known.of_buildings)?;
            known.differ().then(|| HouseholdDifference { grid: grid.clone(), counted, buildings: of_buildings })
        };
        (0..territory.grids.len() as u32).map(GridIx).filter_map(difference).collect()
    });
    Ok(differences.await?)
}
