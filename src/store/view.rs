//! A store as it is at one revision, whoever writes meanwhile: for reading it piece by piece.

use super::embedded::EmbeddedView;
#[cfg(feature = "postgres")]
use super::postgis::PostgisView;
use super::{MemoryStore, Meta, Store, StoreError};
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{CaseId, Epoch, FacilityId, Revision};
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::staff::StaffRecord;

/// All that a store held at one revision. While there is one, the log of an embedded store's file cannot be cut off.
#[derive(Debug)]
pub struct StoreView {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Memory(MemoryStore),
    Embedded(EmbeddedView),
    #[cfg(feature = "postgres")]
    Postgis(PostgisView),
}

impl Store {
    /// The store as it is now.
    pub async fn view(&self) -> Result<StoreView, StoreError> {
        let inner = match self {
            Self::Memory(store) => Inner::Memory(store.apart()),
            Self::Embedded(store) => Inner::Embedded(store.view().await?),
            #[cfg(feature = "postgres")]
            Self::Postgis(store) => Inner::Postgis(store.view().await?),
        };
        Ok(StoreView { inner })
    }
}

impl StoreView {
    /// Which revision.
    pub fn revision(&self) -> Revision {
        match &self.inner {
            Inner::Memory(store) => store.revision(),
            Inner::Embedded(view) => view.revision(),
            #[cfg(feature = "postgres")]
            Inner::Postgis(view) => view.revision(),
        }
    }

    /// What the city says about itself.
    pub async fn meta(&mut self) -> Result<Meta, StoreError> {
        ask_sure!(Inner, &mut self.inner, meta())
    }

    /// Every boundary set there is, by epoch.
    pub async fn epochs(&mut self) -> Result<Vec<EpochRecord>, StoreError> {
        ask_sure!(Inner, &mut self.inner, epochs())
    }

    /// The contents of one epoch.
    pub async fn boundaries_at(&mut self, epoch: Epoch) -> Result<Option<BoundarySet>, StoreError> {
        ask_sure!(Inner, &mut self.inner, boundaries_at(epoch))
    }

    /// All staff, by id.
    pub async fn staff(&mut self) -> Result<Vec<StaffRecord>, StoreError> {
        ask_sure!(Inner, &mut self.inner, staff())
    }

    /// All organizations, by id.
    pub async fn organizations(&mut self) -> Result<Vec<OrganizationRecord>, StoreError> {
        ask_sure!(Inner, &mut self.inner, organizations())
    }

    /// All buildings, by id.
    pub async fn buildings(&mut self) -> Result<Vec<BuildingRecord>, StoreError> {
        ask_sure!(Inner, &mut self.inner, buildings())
    }

    /// At most `limit` facilities with a higher id, by id.
    pub async fn facilities_after(&mut self, after: FacilityId, limit: usize) -> Result<Vec<FacilityRecord>, StoreError> {
        ask_sure!(Inner, &mut self.inner, facilities_after(after, limit))
    }

    /// At most `limit` open cases with a higher id, by id.
    pub async fn cases_after(&mut self, after: CaseId, limit: usize) -> Result<Vec<CaseRecord>, StoreError> {
        ask_sure!(Inner, &mut self.inner, cases_after(after, limit))
    }
}
