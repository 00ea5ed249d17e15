//! Buildings in memory, and the households of a grid.

use super::standing::{Record, Standing, Standings};
use crate::domain::building::{BuildingRecord, Site};
use crate::domain::code::Code;
use crate::domain::id::{BuildingId, GridIx, Unit};
use crate::domain::records::Provenance;
use crate::geom::{LatticeBox, LatticePoint};
use crate::territory::Territory;

/// One building.
pub type Building = Standing<BuildingRecord>;

/// All buildings of one revision.
pub type Buildings = Standings<BuildingRecord>;

impl Record for BuildingRecord {
    type Id = BuildingId;

    fn id(&self) -> BuildingId {
        self.id
    }
    fn number(id: BuildingId) -> i64 {
        id.0
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
    fn land(&self) -> Option<LatticeBox> {
        self.site.as_ref().map(Site::bbox)
    }
    fn households(&self) -> Option<u32> {
        self.households
    }
}

/// Households of one grid, by both ways in which they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Households {
    /// As counted and imported for the grid itself.
    pub counted: Option<u32>,
    /// The sum over the buildings in it that say a number; `None` when none does.
    pub of_buildings: Option<u64>,
}

impl Households {
    /// Of a grid, from the buildings found in its territory.
    pub fn of(territory: &Territory, buildings: &Buildings, ix: GridIx) -> Self {
        Self { counted: territory.grid(ix).households, of_buildings: buildings.households(Unit::Grid(ix)) }
    }

    /// The number that is shown: that of the buildings as soon as one of them says any.
    pub fn shown(self) -> Option<u64> {
        self.of_buildings.or(self.counted.map(u64::from))
    }

    /// Where it comes from: `buildings` or `counted`.
    pub fn source(self) -> Option<&'static str> {
        match (self.of_buildings, self.counted) {
            (Some(_), _) => Some("buildings"),
            (None, Some(_)) => Some("counted"),
            (None, None) => None,
        }
    }

    /// Both are known and say different numbers.
    pub fn differ(self) -> bool {
        self.of_buildings.zip(self.counted).is_some_and(|(of_buildings, counted)| of_buildings != u64::from(counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::building::Footprint;
    use crate::domain::id::Version;
    use crate::geom::{Area, Polygon};
    use crate::territory::samples::island;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn place(x: i32, y: i32) -> LatticePoint {
        LatticePoint::new(1_221_000_000 + x, 300_000_000 + y)
    }

    fn building(id: i64, site: Option<Site>, within: Option<&str>, households: Option<u32>) -> Arc<BuildingRecord> {
        Arc::new(BuildingRecord {
            id: BuildingId(id),
            name: String::new(),
            storeys: None,
            households,
            site,
            original: None,
            within: within.map(|code| Code::new(code).expect("a code")),
            address: None,
            version: Version(1),
            provenance: Provenance::default(),
        })
    }

    fn footprint(x: i32, y: i32, size: i32) -> Site {
        let exterior = vec![place(x, y), place(x + size, y), place(x + size, y + size), place(x, y + size)];
        let area = Area::canonical([Polygon { exterior, holes: vec![] }]);
        Site::Footprint(Footprint::new(&area).expect("a square"))
    }

    #[test]
    fn the_sum_of_buildings_comes_before_the_count() {
        let households = |counted, of_buildings| Households { counted, of_buildings };
        assert_eq!(households(Some(5), None).shown(), Some(5));
        assert_eq!(households(Some(5), Some(7)).shown(), Some(7));
        assert_eq!(households(Some(5), Some(0)).shown(), Some(0), "a building that says none says so");
        assert_eq!(households(None, None).shown(), None);
        assert!(
            households(Some(5), Some(7)).differ()
                && !households(Some(5), Some(5)).differ()
                && !households(None, Some(7)).differ()
        );
    }

    proptest! {
        #[test]
        fn sums_and_boxes_kept_by_writes_equal_those_made_anew(
            writes in proptest::collection::vec((any::<bool>(), 0i64..12, 0i32..150_000, 0i32..150_000, 0i32..30_000, proptest::option::of(0u32..9)), 1..40),
            (x, y, side) in (0i32..150_000, 0i32..150_000, 1i32..50_000),
        ) {
            let territory = island(5, &[]);
            let mut kept = Buildings::default();
            for (put, id, x, y, size, households) in writes {
                let within = territory.grids[(x % 20) as usize].code.as_str().to_owned();
                let record = match size % 3 {
                    0 => building(id, Some(Site::Point(place(x, y))), None, households),
                    1 => building(id, None, Some(&within), households),
                    _ => building(id, Some(footprint(x, y, size)), None, households),
                };
                kept = if put { kept.after(&[record], &[], &territory) } else { kept.after(&[], &[BuildingId(id)], &territory) };
            }
            let anew = Buildings::new(kept.iter().map(|one| Arc::clone(&one.record)), &territory);
            for ix in (0..territory.grids.len() as u32).map(GridIx) {
                prop_assert_eq!(kept.grid_count(ix), anew.grid_count(ix));
                prop_assert_eq!(Households::of(&territory, &kept, ix), Households::of(&territory, &anew, ix));
            }
            let bbox = LatticeBox { min: place(x, y), max: place(x + side, y + side) };
            let ids = |some: &mut dyn Iterator<Item = &Building>| {
                let mut ids: Vec<i64> = some.map(|one| one.record.id.0).collect();
                ids.sort_unstable();
                ids
            };
            let meets = |one: &&Building| one.record.site.as_ref().is_some_and(|site| site.bbox().meets(bbox));
            prop_assert_eq!(ids(&mut kept.meeting(bbox)), ids(&mut kept.iter().filter(meets)));
        }
    }
}
