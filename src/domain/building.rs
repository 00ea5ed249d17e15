//! Buildings (楼栋): where they stand, how high they are, and how many households live there. A count, never who: a record has no field for
//! any person.

use super::code::Code;
use super::facility::OriginalPosition;
use super::id::{BuildingId, Version};
use super::records::Provenance;
use crate::geom::planar::{Arrangement, inner_point, label_point};
use crate::geom::{Area, LatticeBox, LatticePoint, Ring};

/// A building as it is imported and stored. Which grid it stands in is found from its place, or else is what `within` says.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildingRecord {
    /// The store's key; 0 until stored.
    pub id: BuildingId,
    /// Its name; may be empty.
    pub name: String,
    /// Storeys above the ground.
    pub storeys: Option<u16>,
    /// Households, a count.
    pub households: Option<u32>,
    /// Where it stands, CGCS2000.
    pub site: Option<Site>,
    /// Where a point was said to be, when that was not CGCS2000 or WGS 84.
    pub original: Option<OriginalPosition>,
    /// The region or grid it stands in, as told. One without a place has it.
    pub within: Option<Code>,
    /// Where it is, in words.
    pub address: Option<String>,
    /// Counts its changes; the first is 1.
    pub version: Version,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// The place of a building, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// A point of it.
    Point(LatticePoint),
    /// The land it covers.
    Footprint(Footprint),
}

impl Site {
    /// Its point, or one inside its footprint: it stands in the grid that owns this.
    pub fn at(&self) -> LatticePoint {
        match self {
            Self::Point(at) => *at,
            Self::Footprint(footprint) => footprint.inside,
        }
    }

    /// The land it covers, when that is known.
    pub fn footprint(&self) -> Option<&Area> {
        match self {
            Self::Point(_) => None,
            Self::Footprint(footprint) => Some(&footprint.area),
        }
    }

    /// The box around it.
    pub fn bbox(&self) -> LatticeBox {
        let at = self.at();
        let here = LatticeBox { min: at, max: at };
        self.footprint().and_then(Area::bbox).map_or(here, |bbox| bbox.union(here))
    }
}

impl BuildingRecord {
    /// See [`Site::at`].
    pub fn at(&self) -> Option<LatticePoint> {
        self.site.as_ref().map(Site::at)
    }

    /// See [`Site::footprint`].
    pub fn footprint(&self) -> Option<&Area> {
        self.site.as_ref().and_then(Site::footprint)
    }
}

/// Land of one building: no ring crosses itself or another, and no place is covered twice. Canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    area: Area,
    inside: LatticePoint,
}

/// Most corners of a footprint. Airports have some hundreds; of a tangle of so many every pair of edges may cross.
const MOST_CORNERS: usize = 2_000;

/// Why an area is no footprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFootprint {
    /// Nothing is left of it on the lattice.
    #[error("it covers no land on the lattice of 1e-7°")]
    Empty,
    /// More corners than a building has.
    #[error("it has {corners} corners; a footprint may have {MOST_CORNERS}")]
    TooLong {
        /// So many.
        corners: usize,
    },
    /// A ring crosses itself or another, or two parts overlap.
    #[error("its rings cross themselves or each other")]
    Crossing {
        /// Near this place.
        place: LatticePoint,
    },
}

impl Footprint {
    /// Proves an area. Rings that only touch are taken. Cost: the crossings of all its edges.
    pub fn new(area: &Area) -> Result<Self, BadFootprint> {
        let corners = area.rings().map(Vec::len).sum();
        if corners > MOST_CORNERS {
            return Err(BadFootprint::TooLong { corners });
        }
        let closed: Vec<Ring> = area.rings().map(|ring| ring.iter().chain(ring.first()).copied().collect()).collect();
        let noded = Arrangement::of_lines(&closed).map_err(|error| BadFootprint::Crossing { place: error.place })?;
        let windings = noded.windings(area.rings().map(Vec::as_slice));
        if let Some(wrong) = windings.iter().position(|winding| !(0..=1).contains(winding)) {
            return Err(BadFootprint::Crossing { place: inner_point(&noded.polygon(wrong)) });
        }
        let land: Vec<usize> = (0..windings.len()).filter(|face| windings[*face] == 1).collect();
        Self::proved(noded.union(&land)).ok_or(BadFootprint::Empty)
    }

    /// An area that was proved before; `None` of an empty one.
    pub fn proved(area: Area) -> Option<Self> {
        let inside = label_point(&area)?;
        Some(Self { area, inside })
    }

    /// The land.
    pub fn area(&self) -> &Area {
        &self.area
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Polygon;

    fn area(parts: &[&[&[(i32, i32)]]]) -> Area {
        let ring = |points: &&[(i32, i32)]| points.iter().map(|&(x, y)| LatticePoint::new(x, y)).collect::<Ring>();
        let polygon =
            |rings: &&[&[(i32, i32)]]| Polygon { exterior: ring(&rings[0]), holes: rings[1..].iter().map(ring).collect() };
        Area::canonical(parts.iter().map(polygon))
    }

    const HOUSE: &[(i32, i32)] = &[(0, 0), (90, 0), (90, 90), (0, 90)];
    const YARD: &[(i32, i32)] = &[(30, 30), (60, 30), (60, 60), (30, 60)];

    #[test]
    fn a_point_of_a_footprint_lies_on_its_land_and_not_in_its_yard() {
        let house = area(&[&[HOUSE, YARD]]);
        let footprint = Footprint::new(&house).expect("a house with a yard");
        assert_eq!(footprint.area(), &house);
        let LatticePoint { x, y } = footprint.inside;
        assert!((0..=90).contains(&x) && (0..=90).contains(&y) && !((30..60).contains(&x) && (30..60).contains(&y)), "{x} {y}");
        assert_eq!(Footprint::proved(house), Some(footprint));
        let touching = area(&[&[HOUSE], &[&[(90, 90), (120, 90), (120, 120)]]]);
        assert!(Footprint::new(&touching).is_ok(), "two parts meet in a corner");
    }

    #[test]
    fn rings_that_cross_or_cover_land_twice_are_no_footprint() {
        let bow_tie: &[(i32, i32)] = &[(0, 0), (90, 90), (90, 0), (0, 90)];
        let lopsided: &[(i32, i32)] = &[(0, 0), (90, 90), (90, 0), (0, 40)];
        let beside: &[(i32, i32)] = &[(200, 0), (230, 0), (230, 30), (200, 30)];
        for wrong in [area(&[&[bow_tie]]), area(&[&[lopsided]]), area(&[&[HOUSE], &[YARD]]), area(&[&[HOUSE, beside]])] {
            assert!(matches!(Footprint::new(&wrong), Err(BadFootprint::Crossing { .. })), "{wrong:?}");
        }
        assert_eq!(Footprint::new(&area(&[&[&[(0, 0), (9, 9), (3, 3)]]])), Err(BadFootprint::Empty));
        let comb: Vec<(i32, i32)> = (0..1001).flat_map(|x| [(2 * x, 0), (2 * x + 1, 9)]).chain([(2002, -9)]).collect();
        assert_eq!(Footprint::new(&area(&[&[&comb]])), Err(BadFootprint::TooLong { corners: 2003 }));
    }
}
