//! The city as it is at one revision, for as long as that is needed: one transaction that only reads.

use super::read::Place;
use super::sql::Tx;
use super::{PostgisStore, boundaries, log, read, staff};
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{CaseId, Epoch, FacilityId, Revision};
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::staff::StaffRecord;
use crate::store::{Meta, StoreError};

/// See [`crate::store::StoreView`].
#[derive(Debug)]
pub(in crate::store) struct PostgisView {
    tx: Tx,
    revision: Revision,
}

impl PostgisStore {
    pub(in crate::store) async fn view(&self) -> Result<PostgisView, StoreError> {
        let mut tx = self.whole().await?;
        let revision = log::revision(&mut tx).await?;
        Ok(PostgisView { tx, revision })
    }
}

impl PostgisView {
    pub(in crate::store) fn revision(&self) -> Revision {
        self.revision
    }

    pub(in crate::store) async fn meta(&mut self) -> Result<Meta, StoreError> {
        log::meta(&mut self.tx).await
    }

    pub(in crate::store) async fn epochs(&mut self) -> Result<Vec<EpochRecord>, StoreError> {
        log::epochs(&mut self.tx).await
    }

    pub(in crate::store) async fn boundaries_at(&mut self, epoch: Epoch) -> Result<Option<BoundarySet>, StoreError> {
        boundaries::boundaries_at(&mut self.tx, epoch).await
    }

    pub(in crate::store) async fn staff(&mut self) -> Result<Vec<StaffRecord>, StoreError> {
        staff::staff(&mut self.tx).await
    }

    pub(in crate::store) async fn organizations(&mut self) -> Result<Vec<OrganizationRecord>, StoreError> {
        read::all_of(&mut self.tx, &Place::any()).await
    }

    pub(in crate::store) async fn buildings(&mut self) -> Result<Vec<BuildingRecord>, StoreError> {
        read::all_of(&mut self.tx, &Place::any()).await
    }

    pub(in crate::store) async fn facilities_after(
        &mut self,
        after: FacilityId,
        limit: usize,
    ) -> Result<Vec<FacilityRecord>, StoreError> {
        read::facilities_after(&mut self.tx, after.0, limit as i64).await
    }

    pub(in crate::store) async fn cases_after(&mut self, after: CaseId, limit: usize) -> Result<Vec<CaseRecord>, StoreError> {
        read::open_cases_after(&mut self.tx, after.0, limit as i64).await
    }
}
