//! From one revision to the next. The only way in which the city in memory changes.

use super::{About, Addresses, Case, Cases, City, Facilities, Facility, Staff};
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::code::Code;
use crate::domain::id::{BuildingId, CaseId, FacilityId, OrganizationId, Revision, Unit, Version};
use crate::domain::organization::OrganizationRecord;
use crate::domain::staff::StaffRecord;
use crate::geom::LatticePoint;
use crate::territory::Territory;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What one committed revision changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// New boundaries are in force, of the hierarchy or of another grid set. What stands in another grid of the hierarchy now counts as
    /// changed, as it does in the store.
    Boundaries(Arc<Territory>),
    /// Facilities were added or changed (`put`), or removed. Their leaves are found here, from their places.
    Facilities {
        /// Added or changed.
        put: Vec<Facility>,
        /// Removed.
        removed: Vec<FacilityId>,
    },
    /// Cases were added or changed (`put`; a closed one leaves), or removed.
    Cases {
        /// Added or changed.
        put: Vec<Case>,
        /// Removed.
        removed: Vec<CaseId>,
    },
    /// The addresses as they are now.
    Addresses(Arc<Addresses>),
    /// Organizations were added or changed (`put`), or removed.
    Organizations {
        /// Added or changed.
        put: Vec<Arc<OrganizationRecord>>,
        /// Removed.
        removed: Vec<OrganizationId>,
    },
    /// Buildings were added or changed (`put`), or removed.
    Buildings {
        /// Added or changed.
        put: Vec<Arc<BuildingRecord>>,
        /// Removed.
        removed: Vec<BuildingId>,
    },
    /// The staff as it is now.
    Staff(Vec<StaffRecord>),
    /// Title, attribution, profile.
    About(Arc<About>),
}

impl City {
    /// The city after `revision`. Everything that did not change is shared with this one.
    pub fn after(&self, revision: Revision, change: &Change) -> Self {
        let mut next = Self { revision, ..self.clone() };
        match change {
            Change::Boundaries(territory) if !territory.set.is_governance() => {
                let mut others = BTreeMap::clone(&self.others);
                others.insert(territory.set.clone(), Arc::clone(territory));
                next.others = Arc::new(others);
            }
            Change::Boundaries(territory) => {
                let grids = territory.grids.len();
                let code = |territory: &Territory, leaf: Option<Unit>| {
                    leaf.and_then(Unit::grid).map(|ix| territory.grid(ix).code.clone())
                };
                let moved = |was, is| code(&self.territory, was) != code(territory, is);
                next.facilities = Arc::new(self.facilities.relocated(grids, |places| territory.leaves_at(places), moved));
                next.cases = Arc::new(self.cases.relocated(grids, |case| {
                    let leaf = case.record.at.and_then(|at| territory.leaf_at(at));
                    let grid = code(territory, leaf);
                    let record = if case.record.at.is_none() || grid == case.record.grid {
                        Arc::clone(&case.record)
                    } else {
                        Arc::new(moved_case(&case.record, grid))
                    };
                    Case { record, leaf }
                }));
                if !self.addresses.fits(territory) {
                    next.addresses = Arc::new(self.addresses.renamed(territory));
                }
                next.organizations = Arc::new(self.organizations.relocated(territory));
                next.buildings = Arc::new(self.buildings.relocated(territory));
                next.territory = Arc::clone(territory);
            }
            Change::Facilities { put, removed } if put.len() + removed.len() > MANY + self.facilities.len() / 128 => {
                let gone: HashSet<FacilityId> = removed.iter().copied().chain(put.iter().map(|row| row.id)).collect();
                let mut rows: Vec<Facility> = self.facilities.iter().filter(|row| !gone.contains(&row.id)).cloned().collect();
                let places: Vec<LatticePoint> = put.iter().map(|row| row.at).collect();
                let leaves = self.territory.leaves_at(&places);
                rows.extend(put.iter().zip(leaves).map(|(row, leaf)| Facility { leaf, ..row.clone() }));
                next.facilities = Arc::new(Facilities::new(rows, &self.about.profile, self.territory.grids.len()));
            }
            Change::Facilities { put, removed } => {
                let mut facilities = Facilities::clone(&self.facilities);
                for id in removed {
                    facilities.remove(*id);
                }
                for row in put {
                    facilities.put(Facility { leaf: self.territory.leaf_at(row.at), ..row.clone() });
                }
                next.facilities = Arc::new(facilities);
            }
            Change::Cases { put, removed } if put.len() + removed.len() > MANY + self.cases.len() / 128 => {
                let gone: HashSet<CaseId> = removed.iter().copied().chain(put.iter().map(|case| case.record.id)).collect();
                let leaf = |case: &Case| case.record.at.and_then(|at| self.territory.leaf_at(at));
                let stay = self.cases.iter().filter(|case| !gone.contains(&case.record.id)).cloned();
                let come = put.iter().map(|case| Case { leaf: leaf(case), ..case.clone() });
                next.cases = Arc::new(Cases::new(stay.chain(come), self.territory.grids.len()));
            }
            Change::Cases { put, removed } => {
                let mut cases = Cases::clone(&self.cases);
                for id in removed {
                    cases.remove(*id);
                }
                for case in put {
                    cases.put(Case { leaf: case.record.at.and_then(|at| self.territory.leaf_at(at)), ..case.clone() });
                }
                next.cases = Arc::new(cases);
            }
            Change::Addresses(addresses) => next.addresses = Arc::clone(addresses),
            Change::Organizations { put, removed } => {
                next.organizations = Arc::new(self.organizations.after(put, removed, &self.territory));
            }
            Change::Buildings { put, removed } => {
                next.buildings = Arc::new(self.buildings.after(put, removed, &self.territory));
            }
            Change::Staff(records) => next.staff = Arc::new(Staff::new(records.clone())),
            Change::About(about) => {
                if about.profile != self.about.profile {
                    let grids = self.territory.grids.len();
                    next.facilities = Arc::new(self.facilities.recoded(&self.about.profile, &about.profile, grids));
                }
                next.about = Arc::clone(about);
            }
        }
        next
    }

    /// The same rows in other boundaries, as history looks at them: nothing counts as changed.
    #[must_use]
    pub fn placed_in(&self, territory: &Arc<Territory>) -> Self {
        let grids = territory.grids.len();
        let place = |case: &Case| Case { leaf: case.record.at.and_then(|at| territory.leaf_at(at)), ..case.clone() };
        Self {
            facilities: Arc::new(self.facilities.relocated(grids, |places| territory.leaves_at(places), |_, _| false)),
            cases: Arc::new(self.cases.relocated(grids, place)),
            organizations: Arc::new(self.organizations.relocated(territory)),
            buildings: Arc::new(self.buildings.relocated(territory)),
            territory: Arc::clone(territory),
            ..self.clone()
        }
    }
}

/// Above this many rows, and one in 128 of all, a table is made anew: a row that is put copies two blocks, some ten microseconds; one of a
/// table that is made anew takes a third of a microsecond.
const MANY: usize = 256;

fn moved_case(case: &CaseRecord, grid: Option<Code>) -> CaseRecord {
    CaseRecord { grid, version: Version(case.version.0 + 1), ..case.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::{Counts, Published};
    use crate::domain::case::{CaseRecord, CaseState, Located};
    use crate::domain::category::{Category, CategoryKind, CodeProfile};
    use crate::domain::code::Code;
    use crate::domain::facility::FacilityState;
    use crate::domain::grid::{GridKind, GridRecord};
    use crate::domain::id::{Epoch, GridIx, RegionIx, Version};
    use crate::domain::records::{BoundarySet, Provenance};
    use crate::domain::region::RegionRecord;
    use crate::geom::{Area, LatticePoint, Polygon};
    use jiff::Timestamp;
    use proptest::prelude::*;

    const SIDE: i32 = 1000;

    /// Three by three grids of one community, without the middle one.
    fn territory() -> Arc<Territory> {
        let corner = |x: i32, y: i32| LatticePoint::new(1_220_000_000 + x * SIDE, 300_000_000 + y * SIDE);
        let squares = (0..3).flat_map(|y| (0..3).map(move |x| (x, y))).filter(|place| *place != (1, 1));
        let grids = squares
            .enumerate()
            .map(|(n, (x, y))| GridRecord {
                code: Code::new(&format!("330902002001{:03}", n + 1)).expect("a code"),
                name: String::new(),
                kind: GridKind::Base,
                parent: None,
                area: Area::canonical([Polygon {
                    exterior: vec![corner(x, y), corner(x + 1, y), corner(x + 1, y + 1), corner(x, y + 1)],
                    holes: vec![],
                }]),
                households: Some(100),
                population: None,
                provenance: Provenance::default(),
            })
            .collect();
        let regions = [("3309", "city"), ("330902002001", "community")]
            .map(|(code, level)| RegionRecord {
                code: Code::new(code).expect("a code"),
                level: level.to_owned(),
                name: String::new(),
                parent: None,
                claim: None,
                provenance: Provenance::default(),
            })
            .to_vec();
        Arc::new(Territory::build(Epoch(1), &BoundarySet { grids, regions, ..BoundarySet::default() }).expect("squares fit"))
    }

    fn profile() -> CodeProfile {
        CodeProfile::new(
            "test".to_owned(),
            ["01050", "03005"].map(|code| Category {
                kind: CategoryKind::Component,
                code: code.to_owned(),
                major: String::new(),
                name: String::new(),
                icon: String::new(),
            }),
        )
    }

    fn empty_city() -> City {
        let about = About {
            title: String::new(),
            synthetic: true,
            attribution: vec![],
            time_zone: "Asia/Shanghai".to_owned(),
            profile: profile(),
            background: None,
        };
        City::empty(Revision(0), about, Territory::clone(&territory()))
    }

    fn facility(id: i64, x: i32, y: i32, category: u16) -> Facility {
        Facility {
            id: FacilityId(id),
            at: LatticePoint::new(1_220_000_000 + x, 300_000_000 + y),
            leaf: None,
            category,
            state: FacilityState::Intact,
            version: Version(1),
            name: "".into(),
            code: None,
        }
    }

    fn case(id: i64, at: Option<(i32, i32)>, state: CaseState, overdue: bool) -> Case {
        let at = at.map(|(x, y)| LatticePoint::new(1_220_000_000 + x, 300_000_000 + y));
        Case {
            leaf: None,
            record: Arc::new(CaseRecord {
                id: CaseId(id),
                state,
                overdue,
                located: if at.is_some() { Located::Exact } else { Located::Region },
                at,
                within: at.is_none().then(|| Code::new("330902002001").expect("a code")),
                ..CaseRecord::reported("06010", Timestamp::UNIX_EPOCH)
            }),
        }
    }

    /// Sums of the community, counted from the rows themselves.
    fn counted(city: &City) -> (u32, u32, u32) {
        let facilities = city.facilities.iter().filter(|row| city.territory.grid_at(row.at).is_some()).count();
        let cases = || city.cases.iter().filter(|case| case.record.at.is_none_or(|at| city.territory.grid_at(at).is_some()));
        let overdue = cases().filter(|case| case.record.overdue).count();
        (facilities as u32, cases().count() as u32, overdue as u32)
    }

    #[test]
    fn a_table_made_anew_equals_one_written_row_by_row() {
        let place = |n: i64| ((n * 37 % 3400 - 200) as i32, (n * 91 % 3400 - 200) as i32);
        let row = |n: i64| facility(n, place(n).0, place(n).1, (n % 2) as u16);
        let pinned = |n: i64| case(n, Some(place(n)), CaseState::Handling, n % 3 == 0);
        let base = empty_city().after(Revision(1), &Change::Facilities { put: (0..1500).map(row).collect(), removed: vec![] });
        let base = base.after(Revision(2), &Change::Cases { put: (0..1500).map(pinned).collect(), removed: vec![] });
        let put: Vec<Facility> = (1000..2000).map(|n| Facility { version: Version(2), ..row(n) }).collect();
        let removed: Vec<FacilityId> = (0..500).map(FacilityId).collect();
        let mut one_by_one = base.clone();
        for id in &removed {
            one_by_one = one_by_one.after(Revision(3), &Change::Facilities { put: vec![], removed: vec![*id] });
        }
        for row in &put {
            one_by_one = one_by_one.after(Revision(3), &Change::Facilities { put: vec![row.clone()], removed: vec![] });
        }
        let at_once = base.after(Revision(3), &Change::Facilities { put, removed });
        let rows = |city: &City| city.facilities.iter().cloned().collect::<Vec<_>>();
        assert_eq!(rows(&at_once), rows(&one_by_one));
        assert_eq!(at_once.region_counts(RegionIx(0)), one_by_one.region_counts(RegionIx(0)));
        let close: Vec<Case> = (0..900).map(|n| case(n, Some(place(n)), CaseState::Closed, false)).collect();
        let closed = at_once.after(Revision(4), &Change::Cases { put: close, removed: vec![CaseId(1499)] });
        assert_eq!(closed.cases.len(), 599);
        assert_eq!(counted(&closed), {
            let sums = closed.region_counts(RegionIx(0));
            (sums.facilities, sums.open_cases, sums.overdue)
        });
    }

    proptest! {
        #[test]
        fn sums_kept_by_writes_equal_sums_counted_from_scratch(
            writes in proptest::collection::vec((0u8..4, 0i64..12, -200..3200i32, -200..3200i32, any::<bool>()), 1..60),
        ) {
            let published = Published::new(empty_city());
            for (n, (what, id, x, y, flag)) in writes.into_iter().enumerate() {
                let change = match what {
                    0 => Change::Facilities { put: vec![facility(id, x, y, u16::from(flag))], removed: vec![] },
                    1 => Change::Facilities { put: vec![], removed: vec![FacilityId(id)] },
                    2 => Change::Cases { put: vec![case(id, (x % 3 != 0).then_some((x, y)), CaseState::Handling, flag)], removed: vec![] },
                    _ => Change::Cases { put: vec![case(id, Some((x, y)), CaseState::Closed, flag)], removed: vec![] },
                };
                let next = published.load().after(Revision(n as u64 + 1), &change);
                published.replace(Arc::new(next));
            }
            let city = published.load();
            for root in city.territory.regions.iter().enumerate().filter(|(_, region)| region.parent.is_none()) {
                let Counts { facilities, open_cases, overdue, households, .. } = city.region_counts(RegionIx(root.0 as u32));
                prop_assert_eq!((facilities, open_cases, overdue), counted(&city));
                prop_assert_eq!(households, 800);
            }
            let in_grids: u32 = (0..8).map(|n| city.facilities.grid_count(GridIx(n))).sum();
            prop_assert_eq!(in_grids + city.facilities.outside(), city.facilities.len() as u32);
            // Written in one step they give the same.
            let rows = || city.facilities.iter().cloned().collect::<Vec<_>>();
            let again = empty_city().after(Revision(99), &Change::Facilities { put: rows(), removed: vec![] });
            prop_assert_eq!(again.facilities.iter().cloned().collect::<Vec<_>>(), rows());
            // New boundaries change no place, so every sum stays.
            let again = city.after(Revision(99), &Change::Boundaries(territory()));
            prop_assert_eq!(counted(&again), counted(&city));
            prop_assert_eq!(again.region_counts(RegionIx(0)), city.region_counts(RegionIx(0)));
        }
    }
}
