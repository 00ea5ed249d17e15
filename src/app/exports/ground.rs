//! What an export is made from: the city of one revision in the boundaries asked for, and which records are wanted.

use super::{ExportError, Kind, Order, usage};
use crate::app::history::AsOf;
use crate::app::view::Within;
use crate::app::{Actor, AppError};
use crate::city::standing::{Record, unit_of};
use crate::city::{Buildings, Households, Sight};
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::category::CodeProfile;
use crate::domain::code::Code;
use crate::domain::facility::FacilityRecord;
use crate::domain::id::{CaseId, Epoch, FacilityId, GridSet, Unit};
use crate::domain::organization::OrganizationRecord;
use crate::domain::private::masked;
use crate::domain::records::{BoundarySet, EpochRecord};
use crate::domain::region::RegionRecord;
use crate::domain::rights::Right;
use crate::domain::staff::StaffRecord;
use crate::geom::{Area, LatticePoint};
use crate::interchange::outgoing::About;
use crate::interchange::outgoing::records::Derived;
use crate::store::{Meta, StoreError, StoreView, epoch_at};
use crate::territory::Territory;
use crate::territory::partition::{Owner, OwnerIx};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// Rows that are read, and written, at a time.
const BATCH: usize = 2000;

/// The epoch that was asked for; none before the first publication.
pub(super) fn epoch_of(epochs: &[EpochRecord], as_of: AsOf, now: Timestamp) -> Result<Option<EpochRecord>, AppError> {
    let set = GridSet::default();
    match as_of {
        AsOf::Now => Ok(epoch_at(epochs, &set, now).cloned()),
        AsOf::At(at) => epoch_at(epochs, &set, at).cloned().map(Some).ok_or(AppError::NoBoundaries { at }),
        AsOf::Epoch(epoch) => {
            let latest = epochs.iter().map(|record| record.epoch).max().unwrap_or_default();
            let found = epochs.iter().find(|record| record.epoch == epoch && record.set == set);
            found.cloned().map(Some).ok_or(AppError::UnknownEpoch { epoch, latest })
        }
    }
}

/// Boundaries, and what of them is wanted.
pub(super) struct Ground {
    pub(super) set: BoundarySet,
    pub(super) territory: Territory,
    /// As they are now.
    buildings: Buildings,
    sight: Sight,
    actor: Actor,
    within: Option<Within>,
    /// Places in the boundary set.
    regions: Vec<usize>,
    grids: Vec<usize>,
    voids: Vec<usize>,
}

/// The city of one revision.
pub(super) struct City {
    pub(super) view: StoreView,
    pub(super) meta: Meta,
    pub(super) epoch: Epoch,
    pub(super) ground: Arc<Ground>,
}

impl City {
    /// Reads and builds the boundaries.
    pub(super) async fn open(mut view: StoreView, order: &Order, now: Timestamp) -> Result<Self, ExportError> {
        let meta = view.meta().await?;
        let epochs = view.epochs().await?;
        let record = epoch_of(&epochs, order.as_of, now)?;
        let epoch = record.as_ref().map_or(Epoch(0), |record| record.epoch);
        let set = match &record {
            Some(record) => view.boundaries_at(record.epoch).await?,
            None => None,
        };
        let set = set.unwrap_or_else(|| BoundarySet { scheme: meta.scheme.clone(), ..BoundarySet::default() });
        let (order, buildings, profile) = (order.clone(), view.buildings().await?, meta.profile.clone());
        let ground = tokio::task::spawn_blocking(move || Ground::new((set, epoch), buildings, &profile, &order)).await??;
        Ok(Self { view, meta, epoch, ground: Arc::new(ground) })
    }

    /// What the file says about itself.
    pub(super) fn about(&self) -> About {
        About {
            title: self.meta.title.clone(),
            attribution: self.meta.attribution.clone(),
            revision: self.view.revision().0,
            epoch: self.epoch.0,
        }
    }
}

impl Ground {
    fn new(
        (set, epoch): (BoundarySet, Epoch),
        buildings: Vec<BuildingRecord>,
        profile: &CodeProfile,
        order: &Order,
    ) -> Result<Self, ExportError> {
        let territory = Territory::build(epoch, &set).map_err(|faults| AppError::Damaged { epoch, faults })?;
        let buildings = Buildings::new(buildings.into_iter().map(Arc::new), &territory);
        let actor = order.actor.clone();
        let sight = Sight::of(&territory, profile, &actor.scope, &actor.hidden);
        let within = order.within.as_ref().map(|code| within_of(&territory, &sight, code)).transpose()?;
        if let Some(level) = &order.level
            && !set.scheme.levels()[..set.scheme.grid_level()].iter().any(|known| known.name == *level)
        {
            let levels: Vec<&str> =
                set.scheme.levels()[..set.scheme.grid_level()].iter().map(|level| level.name.as_str()).collect();
            return Err(usage(format!("there is no level {level:?} of regions: one of {}", levels.join(", "))));
        }
        let wanted = |unit: Option<Unit>| is_wanted(&sight, within.as_ref(), unit);
        let regions = set.regions.iter().enumerate().filter(|(_, region)| {
            order.level.as_ref().is_none_or(|level| region.level == *level)
                && wanted(territory.region_ix(region.code.as_str()).map(Unit::Region))
        });
        let grids =
            set.grids.iter().enumerate().filter(|(_, grid)| wanted(territory.grid_ix(grid.code.as_str()).map(Unit::Grid)));
        let (regions, grids) = (regions.map(|(at, _)| at).collect(), grids.map(|(at, _)| at).collect());
        let some = within.is_some() || !sight.is_everywhere();
        let enclosed = some.then(|| enclosed(&territory, |unit| wanted(Some(unit))));
        let voids = (0..set.voids.len()).filter(|at| enclosed.as_ref().is_none_or(|enclosed| enclosed.contains(at))).collect();
        Ok(Self { set, territory, buildings, sight, actor, within, regions, grids, voids })
    }

    fn wants(&self, unit: Option<Unit>) -> bool {
        is_wanted(&self.sight, self.within.as_ref(), unit)
    }

    /// The leaf at a point, and its grid's code.
    fn placed(&self, at: LatticePoint) -> (Option<Unit>, Option<Code>) {
        let leaf = self.territory.leaf_at(at);
        let grid = leaf.and_then(Unit::grid).map(|ix| self.territory.grid(ix).code.clone());
        (leaf, grid)
    }

    /// A facility in these boundaries, when it is wanted.
    fn facility(&self, mut record: FacilityRecord) -> Option<FacilityRecord> {
        let (leaf, grid) = self.placed(record.at);
        record.grid = grid;
        (self.wants(leaf) && !self.actor.hidden.holds(&record.category)).then(|| self.actor.shown(record))
    }

    /// A case in these boundaries, when it is wanted.
    fn case(&self, mut record: CaseRecord) -> Option<CaseRecord> {
        let unit = match record.at {
            Some(at) => {
                let (leaf, grid) = self.placed(at);
                record.grid = grid;
                leaf
            }
            None => record.within.as_ref().and_then(|code| self.territory.unit(code.as_str())),
        };
        if !self.actor.rights.has(Right::Texts) {
            record.text = masked(&record.text).into_owned();
            record.address_text = record.address_text.map(|text| masked(&text).into_owned());
        }
        self.wants(unit).then_some(record)
    }

    /// Whether something that stands in a grid, or works for one, is wanted.
    fn stands(&self, record: &impl Record) -> bool {
        self.wants(unit_of(record, &self.territory))
    }

    /// The grid it belongs to.
    pub(super) fn grid_of(&self, record: &impl Record) -> Option<Code> {
        let grid = unit_of(record, &self.territory).and_then(Unit::grid);
        grid.map(|ix| self.territory.grid(ix).code.clone())
    }

    /// The households that are shown of a grid.
    pub(super) fn households(&self, code: &Code) -> Option<u64> {
        let ix = self.territory.grid_ix(code.as_str())?;
        Households::of(&self.territory, &self.buildings, ix).shown()
    }

    /// Somebody of the staff, when they are wanted.
    fn staff(&self, mut record: StaffRecord) -> Option<StaffRecord> {
        record.phone = record.phone.filter(|_| self.actor.rights.has(Right::Phones));
        self.wants(self.territory.unit(record.assigned.as_str())).then_some(record)
    }

    /// A region's record and its land: what lies below it, else the outline it came with.
    pub(super) fn region(&self, at: usize) -> (&RegionRecord, Area, Derived) {
        let record = &self.set.regions[at];
        let Some(ix) = self.territory.region_ix(record.code.as_str()) else {
            return (record, record.claim.clone().unwrap_or_default(), Derived { label: None });
        };
        (record, self.territory.outline_region(ix), Derived { label: self.territory.region(ix).label })
    }

    /// A point inside a grid.
    pub(super) fn grid_label(&self, code: &Code) -> Derived {
        Derived { label: self.territory.grid_ix(code.as_str()).map(|ix| self.territory.grid(ix).label) }
    }
}

/// The subtree of a code that the caller sees.
pub(super) fn within_of(territory: &Territory, sight: &Sight, code: &Code) -> Result<Within, ExportError> {
    let found = territory.unit(code.as_str()).filter(|unit| sight.unit(*unit));
    let unknown = || AppError::UnknownCode { what: "region or grid", code: code.to_string(), epoch: territory.epoch }.into();
    found.map(|unit| Within::at(territory, unit)).ok_or_else(unknown)
}

fn is_wanted(sight: &Sight, within: Option<&Within>, unit: Option<Unit>) -> bool {
    sight.at(unit) && within.is_none_or(|within| unit.is_some_and(|unit| within.holds(unit)))
}

/// Voids with neighbours that are wanted and no others.
fn enclosed(territory: &Territory, wanted: impl Fn(Unit) -> bool) -> HashSet<usize> {
    let owner = |ix: OwnerIx| ix.at().map(|at| territory.partition.owners[at]);
    let mut inside: HashMap<usize, bool> = HashMap::new();
    for arc in territory.partition.arcs() {
        for (one, other) in [(arc.left, arc.right), (arc.right, arc.left)] {
            let Some(Owner::Void(void)) = owner(one) else { continue };
            let unit = match owner(other) {
                Some(Owner::Grid(ix)) => Unit::Grid(ix),
                Some(Owner::Region(ix)) => Unit::Region(ix),
                Some(Owner::Void(_)) | None => continue,
            };
            let all = inside.entry(void as usize).or_insert(true);
            *all &= wanted(unit);
        }
    }
    inside.into_iter().filter(|(_, all)| *all).map(|(void, _)| void).collect()
}

/// Some records of one kind.
pub(super) enum Records {
    /// Places in [`Ground::set`].
    Regions(Vec<usize>),
    Grids(Vec<usize>),
    Voids(Vec<usize>),
    Facilities(Vec<FacilityRecord>),
    Cases(Vec<CaseRecord>),
    Staff(Vec<StaffRecord>),
    Organizations(Vec<OrganizationRecord>),
    Buildings(Vec<BuildingRecord>),
}

/// How far the records of one kind have been read.
pub(super) struct Reading {
    kind: Kind,
    /// Places among the wanted ones, of boundaries.
    next: usize,
    facility: FacilityId,
    case: CaseId,
    staff: Option<std::vec::IntoIter<StaffRecord>>,
    organizations: Option<std::vec::IntoIter<OrganizationRecord>>,
    buildings: Option<std::vec::IntoIter<BuildingRecord>>,
}

impl Reading {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            next: 0,
            facility: FacilityId(i64::MIN),
            case: CaseId(i64::MIN),
            staff: None,
            organizations: None,
            buildings: None,
        }
    }

    /// The next of a list.
    fn some(&mut self, list: &[usize]) -> Vec<usize> {
        let range: Range<usize> = self.next.min(list.len())..(self.next + BATCH / 10).min(list.len());
        self.next = range.end;
        list[range].to_vec()
    }

    /// The next records that are wanted, perhaps none of a batch; `None` at the end.
    pub(super) async fn next(&mut self, city: &mut City) -> Result<Option<Records>, StoreError> {
        let ground = Arc::clone(&city.ground);
        match self.kind {
            Kind::Regions => {
                let some = self.some(&ground.regions);
                Ok((!some.is_empty()).then_some(Records::Regions(some)))
            }
            Kind::Grids | Kind::Households => {
                let grids = ground.grids.len();
                if self.next < grids {
                    return Ok(Some(Records::Grids(self.some(&ground.grids))));
                }
                if self.kind == Kind::Households || self.next > grids || ground.voids.is_empty() {
                    return Ok(None);
                }
                self.next = grids + 1;
                Ok(Some(Records::Voids(ground.voids.clone())))
            }
            Kind::Facilities => {
                let some = city.view.facilities_after(self.facility, BATCH).await?;
                let Some(last) = some.last() else { return Ok(None) };
                self.facility = last.id;
                Ok(Some(Records::Facilities(some.into_iter().filter_map(|record| ground.facility(record)).collect())))
            }
            Kind::Cases => {
                let some = city.view.cases_after(self.case, BATCH).await?;
                let Some(last) = some.last() else { return Ok(None) };
                self.case = last.id;
                Ok(Some(Records::Cases(some.into_iter().filter_map(|record| ground.case(record)).collect())))
            }
            // No export has this layer yet; `exports::layers` refuses its name.
            Kind::Addresses => Ok(None),
            Kind::Organizations => {
                if self.organizations.is_none() {
                    self.organizations = Some(city.view.organizations().await?.into_iter());
                }
                let some = batch(&mut self.organizations);
                Ok(some.map(|some| Records::Organizations(some.into_iter().filter(|record| ground.stands(record)).collect())))
            }
            Kind::Buildings => {
                if self.buildings.is_none() {
                    self.buildings = Some(city.view.buildings().await?.into_iter());
                }
                let some = batch(&mut self.buildings);
                Ok(some.map(|some| Records::Buildings(some.into_iter().filter(|record| ground.stands(record)).collect())))
            }
            Kind::Staff => {
                if self.staff.is_none() {
                    self.staff = Some(city.view.staff().await?.into_iter());
                }
                let some = batch(&mut self.staff);
                Ok(some.map(|some| Records::Staff(some.into_iter().filter_map(|record| ground.staff(record)).collect())))
            }
        }
    }
}

/// The next of all rows; `None` at the end.
fn batch<R>(all: &mut Option<std::vec::IntoIter<R>>) -> Option<Vec<R>> {
    let some: Vec<R> = all.iter_mut().flatten().take(BATCH).collect();
    (!some.is_empty()).then_some(some)
}
