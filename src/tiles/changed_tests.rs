use super::*;
use crate::city::{Case, Cases, Facilities, Facility};
use crate::domain::building::{BuildingRecord, Footprint};
use crate::domain::case::CaseState;
use crate::domain::facility::FacilityState;
use crate::domain::grid::GridKind;
use crate::domain::id::{BuildingId, CaseId, Epoch, FacilityId, Revision, Version};
use crate::domain::records::{BoundarySet, Provenance};
use crate::domain::scope::{Hidden, Scope};
use crate::geom::fuzz::Numbers;
use crate::geom::mercator::tile_bounds;
use crate::geom::{Area, Polygon};
use crate::tiles::build::{TileRequest, build};
use crate::tiles::layer::Fields;
use crate::tiles::samples::{case, city_of, facility, place_in, profile, random_set, random_set_where, tiles_of as tiles_around};
use jiff::Timestamp;
use std::sync::Arc;

/// By building every tile there is around both cities.
fn brute(old: &City, new: &City, layer: Layer, zooms: std::ops::RangeInclusive<u8>) -> BTreeSet<TileId> {
    let mut differing = BTreeSet::new();
    for zoom in zooms {
        let tiles: BTreeSet<TileId> = tiles_around(old, zoom).into_iter().chain(tiles_around(new, zoom)).collect();
        for tile in tiles {
            let request = TileRequest {
                tile,
                layers: Layers::from(layer),
                fields: Fields::ALL,
                scope: Scope::All,
                hidden: Hidden::default(),
            };
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
    let mut changes = BTreeMap::new();
    for seed in 0..49 {
        let mut set = random_set(seed, 3);
        if set.grids.len() < 3 {
            continue;
        }
        let land = |set: &BoundarySet| -> (Vec<(Code, Area)>, Vec<Code>) {
            let grids = set.grids.iter().map(|grid| (grid.code.clone(), grid.area.clone())).collect();
            (grids, set.regions.iter().map(|region| region.code.clone()).collect())
        };
        let before = land(&set);
        let old = city_of(&set);
        let mut numbers = Numbers::new(seed ^ 77);
        match seed % 7 {
            // All land of one owner goes to another; land is given up; nobody's and somebody's land change places.
            0 => set = random_set_where(seed, 3, |owner| Some(owner.max(1))),
            1 => set = random_set_where(seed, 3, |owner| (owner != 1).then_some(owner)),
            2 => set = random_set_where(seed, 3, |owner| Some(owner ^ 1)),
            // Another name or kind of a grid, another name of a region, a region that is left out.
            3 => set.grids[0].name = "改名".to_owned(),
            4 => set.grids[1].kind = GridKind::Dedicated,
            5 => {
                let at = numbers.below(set.regions.len() as u32) as usize;
                set.regions[at].name = "改名区".to_owned();
            }
            _ => set.regions.retain(|region| region.level != "township"),
        }
        let (new, change) = publish(&old, &set);
        let changed = changed(&old, &new, &change);
        for layer in [Layer::Regions, Layer::Grids, Layer::Labels] {
            let zooms = 0..=16;
            let brute = brute(&old, &new, layer, zooms.clone());
            if let Some(Tiles::All) = changed.layers.get(&layer) {
                continue;
            }
            assert_eq!(told(&changed, layer, zooms), brute, "seed {seed} layer {}", layer.as_str());
            *changes.entry((seed % 7, layer)).or_insert(0) += brute.len();
        }
        assert!(!changed.layers.contains_key(&Layer::Facilities));
        // Borders that are someone else's change what a part of the city shows of facilities and cases; names do not.
        let part = changed.scoped.get(&Layer::Facilities);
        assert_eq!(part, (before != land(&set)).then_some(&Tiles::All), "seed {seed}");
    }
    // Kinds of change and layers that must have been seen.
    for (what, layer) in [
        (0, Layer::Regions),
        (0, Layer::Grids),
        (1, Layer::Labels),
        (2, Layer::Grids),
        (3, Layer::Grids),
        (3, Layer::Labels),
        (4, Layer::Grids),
        (5, Layer::Regions),
        (5, Layer::Labels),
    ] {
        assert!(changes.get(&(what, layer)).is_some_and(|count| *count > 20), "{what} {layer:?}: {changes:?}");
    }
}

#[test]
fn borders_taken_over_from_the_last_territory_are_those_drawn_from_scratch() {
    let (mut taken_over, mut taken_over_coarser, mut shared) = (0, 0, 0);
    for seed in 0..150 {
        let scale = [1, 3, 30][seed as usize / 5 % 3];
        let set = random_set(seed, scale);
        let next = match seed % 5 {
            0 => random_set_where(seed, scale, |owner| Some(owner.max(1))),
            1 => random_set_where(seed, scale, |owner| (owner != 1).then_some(owner)),
            2 => random_set_where(seed, scale, |owner| Some(owner ^ 1)),
            3 => set.clone(),
            _ => random_set_where(seed, scale, |owner| (owner % 3 != 1).then_some(owner)),
        };
        if set.grids.len() < 2 || next.grids.len() < 2 {
            continue;
        }
        let build = |set: &BoundarySet| Territory::build(Epoch(1), set).unwrap_or_else(|faults| panic!("{faults:?}"));
        let (old, after, scratch) = (build(&set), build(&next), build(&next));
        for zoom in 0..=16 {
            old.drawn(zoom);
        }
        let coarser = [(11, 1), (11, 4), (14, 3)];
        for (zoom, steps) in coarser {
            old.drawn_with_less_detail(zoom, steps);
        }
        after.draw_after(&old);
        for (zoom, steps) in coarser {
            let drawn = after.is_drawn_with_less_detail(zoom, steps);
            taken_over_coarser += usize::from(drawn);
            let [after, scratch] = [&after, &scratch].map(|territory| territory.drawn_with_less_detail(zoom, steps));
            assert!(after == scratch, "seed {seed} zoom {zoom} less {steps}");
        }
        for zoom in 0..=16 {
            taken_over += usize::from(after.is_drawn(zoom));
            shared += usize::from(std::ptr::eq(after.drawn(zoom), old.drawn(zoom)));
            assert!(after.drawn(zoom) == scratch.drawn(zoom), "seed {seed} zoom {zoom}");
        }
    }
    assert!(taken_over > 1_000 && shared > 300, "{taken_over} zooms taken over, {shared} as they were");
    assert!(taken_over_coarser > 150, "{taken_over_coarser} with less detail taken over");
}

#[test]
fn the_same_boundaries_again_and_other_counts_of_households_change_no_tile() {
    let mut set = random_set(5, 3);
    let old = city_of(&set);
    let (new, change) = publish(&old, &set);
    assert!(changed(&old, &new, &change).is_empty());
    set.grids.iter_mut().zip(100..).for_each(|(grid, count)| (grid.households, grid.population) = (Some(count), Some(3 * count)));
    let (new, change) = publish(&old, &set);
    assert!(changed(&old, &new, &change).is_empty());
}

fn with_facilities(city: City, numbers: &mut Numbers, count: i64) -> City {
    let mut row = |id: i64| {
        let at = place_in(&city, numbers);
        Facility { leaf: city.territory.leaf_at(at), ..facility(id, at, (id % 4) as u16) }
    };
    let rows = (1..=count).map(&mut row).collect();
    City { facilities: Arc::new(Facilities::new(rows, &profile(), city.territory.grids.len())), ..city }
}

#[test]
fn a_facility_that_is_put_moved_changed_or_removed_changes_the_tiles_brute_force_finds() {
    let mut numbers = Numbers::new(9);
    let mut old = with_facilities(city_of(&random_set(3, 30)), &mut numbers, 200);
    let known = |city: &City, id: i64| city.facilities.facility(FacilityId(id)).expect("there").clone();
    let one = |row: Facility| Change::Facilities { put: vec![row], removed: vec![] };
    let land = old.territory.grids.iter().map(|grid| grid.bbox).reduce(LatticeBox::union).expect("there are grids");
    let middle = LatticePoint::new(land.min.x.midpoint(land.max.x), land.min.y.midpoint(land.max.y));
    let corner = tile_bounds(tile_at(MercatorPoint::of(middle), 16)).0.lattice();
    let beyond = LatticePoint::new(1_220_000_000, 890_000_000);
    type Make<'a> = &'a mut dyn FnMut(&City) -> Change;
    let mut random = |city: &City| place_in(city, &mut numbers);
    let changes: [(&str, bool, Make<'_>); 13] = [
        ("added", true, &mut |city| one(facility(1000, random(city), 1))),
        ("added where tiles meet", true, &mut |_| one(facility(1001, corner, 2))),
        ("moved far", true, &mut |city| one(Facility { at: city.territory.grids[0].label, ..known(city, 17) })),
        ("moved near", true, &mut |city| {
            let row = known(city, 40);
            one(Facility { at: LatticePoint::new(row.at.x + 300, row.at.y - 200), ..row })
        }),
        ("moved by less than a pixel", false, &mut |city| {
            let row = known(city, 41);
            one(Facility { at: LatticePoint::new(row.at.x + 1, row.at.y), ..row })
        }),
        ("another state", true, &mut |city| one(Facility { state: FacilityState::Lost, ..known(city, 42) })),
        ("another category of the same major one", true, &mut |city| {
            let row = known(city, 45);
            assert_eq!(row.category, 1);
            one(Facility { category: 0, ..row })
        }),
        ("another name", true, &mut |city| one(Facility { name: "改名".into(), ..known(city, 44) })),
        ("removed", true, &mut |_| Change::Facilities { put: vec![], removed: vec![FacilityId(30), FacilityId(31)] }),
        ("moved beyond the tiles", true, &mut |city| one(Facility { at: beyond, ..known(city, 32) })),
        ("moved there", false, &mut |city| one(Facility { at: LatticePoint::new(5, 890_000_005), ..known(city, 32) })),
        ("as it was", false, &mut |city| one(known(city, 50))),
        ("not there", false, &mut |_| Change::Facilities { put: vec![], removed: vec![FacilityId(99_999)] }),
    ];
    for (at, (what, must, make)) in changes.into_iter().enumerate() {
        let change = make(&old);
        let new = old.after(Revision(10 + at as u64), &change);
        let changed = changed(&old, &new, &change);
        assert_eq!(told(&changed, Layer::Facilities, 6..=16), brute(&old, &new, Layer::Facilities, 6..=16), "{what}");
        assert!(!must || !changed.layers.is_empty(), "{what}");
        assert!(!changed.layers.keys().any(|layer| *layer != Layer::Facilities));
        assert!(at < 10 || must || changed.is_empty(), "{what}");
        old = new;
    }
}

#[test]
fn random_writes_of_facilities_change_the_tiles_brute_force_finds() {
    for seed in 0..12 {
        let mut numbers = Numbers::new(seed);
        // Small cities make many places share cells and pixels.
        let scale = [1, 3, 30][seed as usize % 3];
        let mut old = with_facilities(city_of(&random_set(seed + 60, scale)), &mut numbers, 60);
        for revision in 2..8 {
            let put = (0..1 + numbers.below(4))
                .map(|_| {
                    let id = 1 + i64::from(numbers.below(80));
                    facility(id, place_in(&old, &mut numbers), (numbers.below(4)) as u16)
                })
                .collect();
            let removed = (0..numbers.below(3)).map(|_| FacilityId(1 + i64::from(numbers.below(80)))).collect();
            let change = Change::Facilities { put, removed };
            let new = old.after(Revision(revision), &change);
            let changed = changed(&old, &new, &change);
            assert_eq!(told(&changed, Layer::Facilities, 6..=16), brute(&old, &new, Layer::Facilities, 6..=16), "seed {seed}");
            old = new;
        }
    }
}

#[test]
fn a_case_that_comes_moves_changes_or_is_closed_changes_the_tiles_brute_force_finds() {
    let mut numbers = Numbers::new(4);
    let city = city_of(&random_set(3, 30));
    let grids = city.territory.grids.len();
    let mut row = |id: i64| {
        let at = place_in(&city, &mut numbers);
        Case { leaf: city.territory.leaf_at(at), ..case(id, Some(at)) }
    };
    let rows: Vec<Case> = (1..=40).map(&mut row).collect();
    let mut old = City { cases: Arc::new(Cases::new(rows, grids)), ..city };
    let with = |city: &City, id: i64, change: &dyn Fn(&mut crate::domain::case::CaseRecord)| {
        let mut record = crate::domain::case::CaseRecord::clone(&city.cases.case(CaseId(id)).expect("there").record);
        change(&mut record);
        Change::Cases { put: vec![Case { leaf: None, record: Arc::new(record) }], removed: vec![] }
    };
    let place = place_in(&old, &mut numbers);
    type Make<'a> = &'a dyn Fn(&City) -> Change;
    let changes: [(&str, bool, Make<'_>); 11] = [
        ("reported", true, &|_| Change::Cases { put: vec![case(100, Some(place))], removed: vec![] }),
        ("reported without a place", false, &|_| Change::Cases { put: vec![case(101, None)], removed: vec![] }),
        ("moved", true, &|city| with(city, 1, &|record| record.at = Some(place))),
        ("loses its place", true, &|city| with(city, 2, &|record| record.at = None)),
        ("another state", true, &|city| with(city, 3, &|record| record.state = CaseState::Handling)),
        ("overdue", true, &|city| with(city, 4, &|record| record.overdue = true)),
        ("due", true, &|city| with(city, 5, &|record| record.due_at = Some(Timestamp::UNIX_EPOCH))),
        ("closed", true, &|city| with(city, 6, &|record| record.state = CaseState::Closed)),
        ("removed", true, &|_| Change::Cases { put: vec![], removed: vec![CaseId(7), CaseId(8)] }),
        ("other words", false, &|city| with(city, 9, &|record| record.text = "另一段文字".to_owned())),
        ("not there", false, &|_| Change::Cases { put: vec![], removed: vec![CaseId(999)] }),
    ];
    for (at, (what, must, make)) in changes.into_iter().enumerate() {
        let change = make(&old);
        let new = old.after(Revision(10 + at as u64), &change);
        let changed = changed(&old, &new, &change);
        assert_eq!(told(&changed, Layer::Cases, 6..=16), brute(&old, &new, Layer::Cases, 6..=16), "{what}");
        assert_eq!(!changed.is_empty(), must, "{what}");
        assert!(!changed.layers.keys().any(|layer| *layer != Layer::Cases));
        old = new;
    }
}

/// A building, by turns a footprint of some metres, one of some hundred, and a point.
fn building(id: i64, at: LatticePoint, numbers: &mut Numbers) -> Arc<BuildingRecord> {
    let size = [300, 30_000, 0][numbers.below(3) as usize] * (1 + numbers.below(3) as i32);
    let (x, y) = (at.x, at.y);
    let p = |dx: i32, dy: i32| LatticePoint::new(x + dx, y + dy);
    // A step that is cut in two by some edges of tiles.
    let exterior = vec![p(0, 0), p(size, 0), p(size, size), p(size / 2, size), p(size / 2, size / 3), p(0, size / 3)];
    let area = Area::canonical([Polygon { exterior, holes: vec![] }]);
    let site = if size > 0 { Site::Footprint(Footprint::new(&area).expect("a step")) } else { Site::Point(at) };
    Arc::new(BuildingRecord {
        id: BuildingId(id),
        name: format!("{}号楼", numbers.below(3)),
        storeys: None,
        households: (numbers.below(2) > 0).then(|| numbers.below(3)),
        site: (numbers.below(9) > 0).then_some(site),
        original: None,
        within: None,
        address: None,
        version: Version(1),
        provenance: Provenance::default(),
    })
}

#[test]
fn random_writes_of_buildings_change_the_tiles_brute_force_finds() {
    let mut seen = 0;
    for seed in 0..9 {
        let mut numbers = Numbers::new(seed);
        // Small cities make many buildings share tiles; wide ones are cut by their edges.
        let scale = [1, 3, 30][seed as usize % 3];
        let mut old = city_of(&random_set(seed + 60, scale));
        let land = old.territory.grids.iter().map(|grid| grid.bbox).reduce(LatticeBox::union).expect("there are grids");
        for revision in 2..8 {
            let put = (0..1 + numbers.below(4))
                .map(|_| {
                    let at = place_in(&old, &mut numbers);
                    building(1 + i64::from(numbers.below(12)), at, &mut numbers)
                })
                // Beyond the land there are tiles that brute force does not look at.
                .filter(|record| record.site.as_ref().is_none_or(|site| site.bbox().union(land) == land))
                .collect();
            let removed = (0..numbers.below(2)).map(|_| BuildingId(1 + i64::from(numbers.below(12)))).collect();
            let change = Change::Buildings { put, removed };
            let new = old.after(Revision(revision), &change);
            let changed = changed(&old, &new, &change);
            let brute = brute(&old, &new, Layer::Buildings, 14..=16);
            seen += brute.len();
            assert_eq!(told(&changed, Layer::Buildings, 14..=16), brute, "seed {seed}");
            assert!(!changed.layers.keys().any(|layer| *layer != Layer::Buildings));
            old = new;
        }
    }
    assert!(seen > 100, "{seen} tiles");
}
