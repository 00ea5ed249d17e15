use super::*;
use crate::city::{Case, Cases, Facilities};
use crate::domain::id::{Epoch, FacilityId, Revision};
use crate::domain::records::BoundarySet;
use crate::geom::fuzz::Numbers;
use crate::tiles::build::build;
use crate::tiles::samples::{city_of, facility, profile, random_set, random_set_where, tiles_of as tiles_around};
use std::sync::Arc;

/// By building every tile there is around both cities.
fn brute(old: &City, new: &City, layer: Layer, zooms: std::ops::RangeInclusive<u8>) -> BTreeSet<TileId> {
    let mut differing = BTreeSet::new();
    for zoom in zooms {
        for tile in tiles_around(old, zoom).into_iter().chain(tiles_around(new, zoom)) {
            let request = TileRequest { tile, layers: Layers::from(layer), fields: Fields::ALL, scope: Scope::All };
            if build(old, &request) != build(new, &request) {
                differing.insert(tile);
            }
        }
    }
    differing
}

fn told(changed: &Changed, layer: Layer, zooms: std::ops::RangeInclusive<u8>) -> BTreeSet<TileId> {
    match changed.layers.get(&layer) {
        None => BTreeSet::new(),
        Some(Tiles::All) => panic!("too many tiles for a test"),
        Some(Tiles::Some(tiles)) => tiles.iter().copied().filter(|tile| zooms.contains(&tile.z())).collect(),
    }
}

fn publish(old: &City, set: &BoundarySet) -> (City, Change) {
    let territory = Arc::new(Territory::build(Epoch(2), set).unwrap_or_else(|faults| panic!("{faults:?}")));
    let change = Change::Boundaries(territory);
    (old.after(Revision(2), &change), change)
}

#[test]
fn a_publication_changes_exactly_the_tiles_that_brute_force_finds_different() {
    let mut changes = 0;
    for seed in 0..40 {
        let mut set = random_set(seed, 3);
        if set.grids.len() < 3 {
            continue;
        }
        let old = city_of(&set);
        let mut numbers = Numbers::new(seed ^ 77);
        match seed % 5 {
            // All land of one owner goes to another; land is given up; nobody's and somebody's land change places.
            0 => set = random_set_where(seed, 3, |owner| Some(owner.max(1))),
            1 => set = random_set_where(seed, 3, |owner| (owner != 1).then_some(owner)),
            2 => set = random_set_where(seed, 3, |owner| Some(owner ^ 1)),
            // Another name of a grid, of a region.
            3 => set.grids[0].name = "改名".to_owned(),
            _ => {
                let at = numbers.below(set.regions.len() as u32) as usize;
                set.regions[at].name = "改名区".to_owned();
            }
        }
        let (new, change) = publish(&old, &set);
        let changed = changed(&old, &new, &change);
        for layer in [Layer::Regions, Layer::Grids, Layer::Labels] {
            let zooms = 0..=14;
            let brute = brute(&old, &new, layer, zooms.clone());
            if let Some(Tiles::All) = changed.layers.get(&layer) {
                continue;
            }
            assert_eq!(told(&changed, layer, zooms), brute, "seed {seed} layer {}", layer.as_str());
            changes += brute.len();
        }
        assert!(!changed.layers.contains_key(&Layer::Facilities));
    }
    assert!(changes > 300, "only {changes} tiles changed");
}

#[test]
fn the_same_boundaries_again_change_no_tile() {
    let set = random_set(5, 3);
    let old = city_of(&set);
    let (new, change) = publish(&old, &set);
    assert!(changed(&old, &new, &change).layers.is_empty());
}

#[test]
fn a_facility_that_is_put_moved_or_removed_changes_the_tiles_brute_force_finds() {
    let city = city_of(&random_set(3, 30));
    let land = city.territory.grids.iter().map(|grid| grid.bbox).reduce(LatticeBox::union).expect("there are grids");
    let mut numbers = Numbers::new(9);
    let mut place = || {
        let at = |low: i32, high: i32, n: u32| low + (n % (high - low) as u32) as i32;
        LatticePoint::new(
            at(land.min.x, land.max.x, numbers.below(u32::MAX)),
            at(land.min.y, land.max.y, numbers.below(u32::MAX)),
        )
    };
    let rows = (1..200).map(|id| facility(id, place(), (id % 3) as u16)).collect();
    let mut old = City { facilities: Arc::new(Facilities::new(rows, &profile(), city.territory.grids.len())), ..city };
    let moved = |at: LatticePoint| LatticePoint::new(at.x + 3, at.y - 2);
    let known = |city: &City, id: i64| city.facilities.facility(FacilityId(id)).expect("there").clone();
    let changes = [
        Change::Facilities { put: vec![facility(1000, place(), 1)], removed: vec![] },
        Change::Facilities { put: vec![facility(17, place(), 0)], removed: vec![FacilityId(30), FacilityId(31)] },
        Change::Facilities {
            put: vec![{
                let row = known(&old, 40);
                facility(40, moved(row.at), row.category)
            }],
            removed: vec![],
        },
        Change::Facilities { put: vec![known(&old, 50)], removed: vec![FacilityId(99_999)] },
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let new = old.after(Revision(10 + at as u64), &change);
        let changed = changed(&old, &new, &change);
        assert_eq!(told(&changed, Layer::Facilities, 6..=15), brute(&old, &new, Layer::Facilities, 6..=15), "change {at}");
        assert_eq!(changed.layers.len(), usize::from(at != 3), "what is put as it was changes nothing");
        old = new;
    }
    let none = Change::Cases { put: Vec::<Case>::new(), removed: vec![] };
    assert!(changed(&old, &City { cases: Arc::new(Cases::default()), ..old.clone() }, &none).is_empty());
}
