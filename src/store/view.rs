//! A store as it is at one revision, whoever writes meanwhile: for reading it piece by piece.

use super::embedded::EmbeddedView;
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
}

impl Store {
    /// The store as it is now.
    pub async fn view(&self) -> Result<StoreView, StoreError> {
        let inner = match self {
            Self::Memory(store) => Inner::Memory(store.apart()),
            Self::Embedded(store) => Inner::Embedded(store.view().await?),
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
        }
    }

    /// What the city says about itself.
    pub async fn meta(&mut self) -> Result<Meta, StoreError> {
        match &mut self.inner {
            Inner::Memory(store) => Ok(store.meta()),
            Inner::Embedded(view) => view.meta().await,
        }
    }

    /// Every boundary set there is, by epoch.
    pub async fn epochs(&mut self) -> Result<Vec<EpochRecord>, StoreError> {
        match &mut self.inner {
            Inner::Memory(store) => Ok(store.epochs()),
            Inner::Embedded(view) => view.epochs().await,
        }
    }

    /// The contents of one epoch.
    pub async fn boundaries_at(&mut self, epoch: Epoch) -> Result<Option<BoundarySet>, StoreError> {
        match &mut self.inner {
            Inner::Memory(store) => Ok(store.boundaries_at(epoch)),
            Inner::Embedded(view) => view.boundaries_at(epoch).await,
        }
    }

    /// All staff, by id.
    pub async fn staff(&mut self) -> Result<Vec<StaffRecord>, StoreError> {
        match &mut self.inner {
            Inner::Memory(store) => Ok(store.staff()),
            Inner::Embedded(view) => view.staff().await,
        }
    }

    /// All organizations, by id.
    pub async fn organizations(&mut self) -> Result<Vec<OrganizationRecord>, StoreError> {
        match &mut self.inner {
            Inner::Memory(store) => Ok(store.organizations()),
            Inner::Embedded(view) => view.organizations().await,
        }
    }

    /// All buildings, by id.
    pub async fn buildings(&mut self) -> Result<Vec<BuildingRecord>, StoreError> {
        match &mut self.inner {
            Inner::Memory(store) => Ok(store.buildings()),
            Inner::Embedded(view) => view.buildings().await,
        }
    }

    /// At most `limit` facilities with a higher id, by id.
    pub async fn facilities_after(&mut self, after: FacilityId, limit: usize) -> Result<Vec<FacilityRecord>, StoreError> {
        match &mut self.inner {
            Inner::Memory(store) => Ok(store.facilities_after(after, limit)),
            Inner::Embedded(view) => view.facilities_after(after, limit).await,
        }
    }

    /// At most `limit` open cases with a higher id, by id.
    pub async fn cases_after(&mut self, after: CaseId, limit: usize) -> Result<Vec<CaseRecord>, StoreError> {
        match &mut self.inner {
            Inner::Memory(store) => Ok(store.cases_after(after, limit)),
            Inner::Embedded(view) => view.cases_after(after, limit).await,
        }
    }
}
