//! Two grid sets over the same land: how much of each grid lies in which grid of the other.
//!
//! The outlines of both sets are noded together, so every face of the arrangement lies in at most one grid of either. Faces are given
//! out whole and by labels on edges, never by testing a point; only the sum of their areas is floating point. Noding moves a border by
//! at most half a lattice unit (6 mm), so two borders that were digitized alike but for that much share no land.

use super::Territory;
use super::mend::cover::Cover;
use crate::domain::id::GridIx;
use crate::geom::planar::{FaceIx, TooManyRounds, inner_point};
use crate::geom::{Area, LatticePoint, measure};
use std::borrow::Cow;
use std::collections::HashMap;

/// Land that a grid shares with one of the other set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// The other grid.
    pub other: GridIx,
    /// Their common land in square metres.
    pub area_m2: f64,
    /// A point in the largest piece of it.
    pub place: LatticePoint,
}

/// The links of one grid.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Linked {
    /// Its land in square metres: links and `beyond_m2` together.
    pub area_m2: f64,
    /// The largest first; equal ones in the order of the other set. None is empty.
    pub links: Vec<Link>,
    /// Land in no grid of the other set, in square metres.
    pub beyond_m2: f64,
}

impl Linked {
    /// How much of its land some square metres are, 0 to 1.
    pub fn share(&self, area_m2: f64) -> f64 {
        if self.area_m2 > 0.0 { area_m2 / self.area_m2 } else { 0.0 }
    }

    /// The link with the largest share.
    pub fn main(&self) -> Option<&Link> {
        self.links.first()
    }

    /// The share of the main link; 0 without one.
    pub fn main_share(&self) -> f64 {
        self.main().map_or(0.0, |link| self.share(link.area_m2))
    }

    /// The same as if the other set had only some of its grids: land in others is land in none.
    pub fn among(&self, is_one: impl Fn(GridIx) -> bool) -> Cow<'_, Self> {
        let (links, others): (Vec<Link>, Vec<Link>) = self.links.iter().partition(|link| is_one(link.other));
        if others.is_empty() {
            return Cow::Borrowed(self);
        }
        let beyond_m2 = self.beyond_m2 + others.iter().map(|link| link.area_m2).sum::<f64>();
        Cow::Owned(Self { area_m2: self.area_m2, links, beyond_m2 })
    }

    fn add(&mut self, common: Option<Link>, area_m2: f64) {
        self.area_m2 += area_m2;
        match common {
            Some(link) => self.links.push(link),
            None => self.beyond_m2 += area_m2,
        }
    }
}

/// The links of two sets, read from either side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overlap {
    /// Of each grid of the first set, by `GridIx`.
    pub from: Vec<Linked>,
    /// Of each grid of the second set.
    pub to: Vec<Linked>,
}

/// Faces that belong to the same two grids.
struct Common {
    area_m2: f64,
    largest_m2: f64,
    largest: FaceIx,
}

impl Overlap {
    /// Lays one set over the other. Cost: about that of building a territory of both.
    pub fn of(from: &Territory, to: &Territory) -> Result<Self, TooManyRounds> {
        let outlines = |territory: &Territory| -> Vec<Area> {
            (0..territory.grids.len()).map(|at| territory.outline_grid(GridIx(at as u32))).collect()
        };
        let (ours, theirs) = (outlines(from), outlines(to));
        let lands: Vec<&Area> = ours.iter().chain(&theirs).collect();
        let cover = Cover::of(&lands, &[])?;
        let first = ours.len() as u32;
        let mut common: HashMap<(Option<GridIx>, Option<GridIx>), Common> = HashMap::new();
        for face in 0..cover.arrangement.face_count() {
            let holds = |&(land, winding): &(u32, i32)| (winding > 0).then_some(land);
            let mut lands = cover.around(face).iter().filter_map(holds);
            // Sorted: those of the first set come before those of the second. Of a sliver that noding folded the least grid has it.
            let one = lands.clone().find(|land| *land < first).map(GridIx);
            let other = lands.find(|land| *land >= first).map(|land| GridIx(land - first));
            if (one, other) == (None, None) {
                continue;
            }
            let polygon = cover.arrangement.polygon(face);
            let rings = std::iter::once(&polygon.exterior).chain(&polygon.holes);
            let area_m2: f64 = rings.map(|ring| measure::ring_m2(ring)).sum();
            let pair = common.entry((one, other)).or_insert(Common { area_m2: 0.0, largest_m2: -1.0, largest: face });
            pair.area_m2 += area_m2;
            if area_m2 > pair.largest_m2 {
                (pair.largest_m2, pair.largest) = (area_m2, face);
            }
        }
        let mut overlap = Self { from: vec![Linked::default(); ours.len()], to: vec![Linked::default(); theirs.len()] };
        let mut pairs: Vec<_> = common.into_iter().collect();
        // Sums of floating point are the same on every machine only in one order.
        pairs.sort_unstable_by_key(|(pair, _)| *pair);
        for ((one, other), Common { area_m2, largest, .. }) in pairs {
            let place = inner_point(&cover.arrangement.polygon(largest));
            let link = |other: Option<GridIx>| other.map(|other| Link { other, area_m2, place });
            if let Some(one) = one {
                overlap.from[one.at()].add(link(other), area_m2);
            }
            if let Some(other) = other {
                overlap.to[other.at()].add(link(one), area_m2);
            }
        }
        for linked in overlap.from.iter_mut().chain(&mut overlap.to) {
            linked.links.sort_by(|a, b| b.area_m2.total_cmp(&a.area_m2).then(a.other.cmp(&b.other)));
        }
        Ok(overlap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Epoch;
    use crate::domain::records::BoundarySet;
    use crate::domain::scheme::Scheme;
    use crate::geom::Polygon;
    use crate::geom::measure::LocalScale;
    use crate::territory::samples::{area, grid, points, shared_out, square};
    use geo::{Area as _, BooleanOps};
    use proptest::prelude::*;

    fn plain(grids: Vec<(&str, Area)>) -> Territory {
        let grids = grids.into_iter().map(|(code, area)| grid(code, area)).collect();
        Territory::build(Epoch(2), &BoundarySet { scheme: Scheme::plain(), grids, ..BoundarySet::default() })
            .expect("a partition")
    }

    #[test]
    fn a_grid_cut_by_a_police_border_is_linked_to_both_sides_by_its_shares() {
        // Two squares side by side; the police border runs at 3/4 of the first.
        let ours = plain(vec![("A", area(&[square(0, 0, 4000)])), ("B", area(&[square(4000, 0, 4000)]))]);
        let theirs = plain(vec![
            ("P", area(&[points(&[(0, 0), (3000, 0), (3000, 4000), (0, 4000)])])),
            ("Q", area(&[points(&[(3000, 0), (8000, 0), (8000, 4000), (3000, 4000)])])),
        ]);
        let overlap = Overlap::of(&ours, &theirs).expect("comes to rest");
        let [a, b] = &overlap.from[..] else { panic!("two grids") };
        assert!((a.main_share() - 0.75).abs() < 1e-9 && a.links.len() == 2 && b.links.len() == 1);
        assert_eq!((a.main().map(|link| link.other), b.main().map(|link| link.other)), (Some(GridIx(0)), Some(GridIx(1))));
        assert!((overlap.to[1].share(overlap.to[1].links[1].area_m2) - 0.2).abs() < 1e-9, "a quarter of A is a fifth of Q");
        for linked in overlap.from.iter().chain(&overlap.to) {
            assert_eq!(linked.beyond_m2, 0.0);
            for link in &linked.links {
                assert!(ours.grid_at(link.place).is_some() && theirs.grid_at(link.place).is_some());
            }
        }
    }

    #[test]
    fn land_that_the_other_set_leaves_out_is_beyond_it_and_the_same_borders_share_no_land() {
        let ours = plain(vec![("A", area(&[square(0, 0, 1000)])), ("B", area(&[square(1000, 0, 1000)]))]);
        let theirs = plain(vec![("P", area(&[square(0, 0, 1000)]))]);
        let overlap = Overlap::of(&ours, &theirs).expect("comes to rest");
        assert_eq!((overlap.from[0].links.len(), overlap.from[0].beyond_m2), (1, 0.0));
        assert_eq!((overlap.from[1].links.len(), overlap.from[1].main_share()), (0, 0.0));
        assert_eq!(overlap.from[1].beyond_m2, overlap.from[1].area_m2);
        assert_eq!(overlap.to[0].main_share(), 1.0);
        let nothing = Overlap::of(&ours, &plain(vec![])).expect("comes to rest");
        assert!(nothing.to.is_empty() && nothing.from.iter().all(|linked| linked.links.is_empty() && linked.area_m2 > 0.0));
    }

    fn shape(area: &Area) -> geo::MultiPolygon<f64> {
        let ring = |ring: &Vec<LatticePoint>| ring.iter().map(|p| (f64::from(p.x), f64::from(p.y))).collect();
        let polygon = |p: &Polygon| geo::Polygon::new(ring(&p.exterior), p.holes.iter().map(ring).collect());
        area.polygons().iter().map(polygon).collect()
    }

    fn lines() -> impl Strategy<Value = Vec<Vec<LatticePoint>>> {
        let point =
            (-50_000i32..50_000, -50_000i32..50_000).prop_map(|(x, y)| LatticePoint::new(1_220_000_000 + x, 300_000_000 + y));
        proptest::collection::vec(proptest::collection::vec(point, 2..6), 3..9)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn common_land_is_what_a_floating_overlay_finds(one in lines(), other in lines(), (k, l) in (2usize..5, 2usize..5)) {
            let build = |lines: &[Vec<LatticePoint>], grids: usize| {
                let (set, ..) = shared_out(lines, grids, |face| face * 7);
                Territory::build(Epoch(1), &set).expect("a partition")
            };
            let (ours, theirs) = (build(&one, k), build(&other, l));
            let overlap = Overlap::of(&ours, &theirs).expect("comes to rest");
            let (per_x, per_y) = LocalScale::degree_m(30.0);
            let unit_m2 = per_x * per_y / 1e14;
            for (at, linked) in overlap.from.iter().enumerate() {
                let parts: f64 = linked.links.iter().map(|link| link.area_m2).sum::<f64>() + linked.beyond_m2;
                let own = ours.grids[at].area_m2;
                prop_assert!((parts - linked.area_m2).abs() <= 1e-9 * own && (linked.area_m2 - own).abs() <= 1e-3 * own + 15.0);
                let outline = shape(&ours.outline_grid(GridIx(at as u32)));
                for to in 0..theirs.grids.len() {
                    let common = shape(&theirs.outline_grid(GridIx(to as u32))).intersection(&outline).unsigned_area() * unit_m2;
                    let found = linked.links.iter().find(|link| link.other == GridIx(to as u32)).map_or(0.0, |link| link.area_m2);
                    // Noding moves borders by up to 6 mm, which a kilometre of border makes 6 m².
                    prop_assert!((found - common).abs() <= 1e-3 * common + 15.0, "{at} {to}: {found} {common}");
                }
            }
            let sum = |side: &[Linked]| side.iter().flat_map(|linked| &linked.links).map(|link| link.area_m2).sum::<f64>();
            prop_assert!((sum(&overlap.from) - sum(&overlap.to)).abs() < 1e-6 * (1.0 + sum(&overlap.to)));
        }
    }
}
