use super::*;
use crate::city::Facilities;
use crate::domain::code::Code;
use crate::domain::records::{BoundarySet, Provenance};
use crate::domain::region::RegionRecord;
use crate::geom::clip::area2;
use crate::geom::fuzz::crossing_after_rounding;
use crate::geom::{Area, Polygon};
use crate::territory::coverage::{Coverage, Patch, Random};
use crate::tiles::samples::{Decoded, city_of, decode, facility, grid, place_in, profile, random_city, random_set, tiles_of};
use std::collections::BTreeSet;
use std::sync::Arc;

fn request(tile: TileId, layers: &str) -> TileRequest {
    TileRequest {
        tile,
        layers: Layers::parse(layers).expect("layers"),
        fields: Fields::ALL,
        scope: Scope::All,
        hidden: Hidden::default(),
    }
}

fn areas(city: &City, tile: TileId) -> Vec<Decoded> {
    let mut layers = decode(&build(city, &request(tile, "regions,grids")));
    let mut all = layers.remove("regions").unwrap_or_default();
    all.extend(layers.remove("grids").unwrap_or_default());
    all
}

type Segment = ([i32; 2], [i32; 2]);

/// Directed edges in units of the zoom, those inside `min … max` and not on its border.
fn edges_within(features: &[Decoded], tile: TileId, min: [i32; 2], max: [i32; 2]) -> BTreeSet<(String, Segment)> {
    let window = Window { min, max };
    let mut edges = BTreeSet::new();
    for feature in features {
        for ring in &feature.paths {
            let at = |p: [i32; 2]| [p[0] + tile.x() as i32 * EXTENT, p[1] + tile.y() as i32 * EXTENT];
            for (from, to) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                let (from, to) = (at(*from), at(*to));
                if window.takes(from, to) {
                    edges.insert((feature.tags["code"].clone(), (from, to)));
                }
            }
        }
    }
    edges
}

#[test]
fn neighbouring_tiles_share_their_borders_vertex_by_vertex() {
    let mut shared = 0;
    for seed in 0..60 {
        let city = random_city(seed, 3);
        for zoom in [8, 11, 13, 15, 16] {
            let tiles = tiles_of(&city, zoom);
            for tile in tiles.iter().take(40) {
                let here = areas(&city, *tile);
                for (east, south) in [(1, 0), (0, 1), (1, 1)] {
                    let Ok(neighbour) = TileId::new(zoom, tile.x() + east, tile.y() + south) else { continue };
                    let there = areas(&city, neighbour);
                    // Where both reach, buffers included.
                    let low = |a: u32, b: u32| a.max(b) as i32 * EXTENT - 64;
                    let high = |a: u32, b: u32| (a.min(b) as i32 + 1) * EXTENT + 64;
                    let min = [low(tile.x(), neighbour.x()), low(tile.y(), neighbour.y())];
                    let max = [high(tile.x(), neighbour.x()), high(tile.y(), neighbour.y())];
                    let (ours, theirs) = (edges_within(&here, *tile, min, max), edges_within(&there, neighbour, min, max));
                    assert_eq!(ours, theirs, "seed {seed}: {tile} and {neighbour}");
                    shared += ours.len();
                }
            }
        }
    }
    assert!(shared > 5_000, "only {shared} shared edges");
}

#[test]
fn areas_of_a_level_neither_cross_nor_overlap_and_parents_are_filled_by_their_children() {
    for seed in 0..60 {
        let city = random_city(seed, 3);
        for zoom in [5, 8, 10, 11, 13, 15, 16] {
            for tile in tiles_of(&city, zoom).into_iter().take(40) {
                let features = areas(&city, tile);
                let mut by_level: BTreeMap<usize, i64> = BTreeMap::new();
                for level in [4, 6, 9, 12, 15] {
                    let of_level: Vec<&Decoded> = features.iter().filter(|f| f.tags["code"].len() == level).collect();
                    let rings: Vec<Vec<[i32; 2]>> = of_level
                        .iter()
                        .flat_map(|f| &f.paths)
                        .map(|ring| ring.iter().copied().chain([ring[0]]).collect())
                        .collect();
                    assert_eq!(crossing_after_rounding(&rings), None, "seed {seed} tile {tile} level {level}");
                    for feature in &of_level {
                        assert!(area2(&feature.paths[0]) > 0, "an exterior comes first and turns clockwise on the map");
                        *by_level.entry(level).or_default() += feature.paths.iter().map(|ring| area2(ring)).sum::<i64>();
                    }
                    // Every edge borders at most one feature on each side: nothing lies over anything else.
                    let mut left = BTreeSet::new();
                    for ring in &rings {
                        for pair in ring.windows(2) {
                            assert!(left.insert((pair[0], pair[1])), "seed {seed} tile {tile}: two features left of one edge");
                        }
                    }
                }
                // All land belongs to grids, so city and counties have the same area at every zoom they are shown.
                let area = |level: usize| by_level.get(&level).copied().unwrap_or(0);
                if zoom >= 11 {
                    assert_eq!(area(15), area(6), "seed {seed} tile {tile}");
                }
                if zoom >= 5 {
                    assert_eq!(area(6), area(4), "seed {seed} tile {tile}");
                }
            }
        }
    }
}

#[test]
fn lines_chained_make_the_rings_that_edges_traced_make() {
    let mut chained = 0;
    for seed in 0..80 {
        let city = random_city(seed, 3);
        let territory = &city.territory;
        for zoom in [5, 8, 11, 12, 13, 15, 16] {
            for tile in tiles_of(&city, zoom).into_iter().take(30) {
                let drawn = territory.drawn(zoom);
                let mut cut = Cut::new(drawn, drawn.window(tile));
                for level in territory.levels_at(zoom) {
                    cut.level(territory, level);
                    for at in 0..cut.faces.len() {
                        let (mut quick, mut slow) = (Rings::default(), Rings::default());
                        cut.rings(at, &mut quick);
                        let face = &cut.faces[at];
                        let beside = cut.beside[face.pieces.clone()].iter().map(|(_, piece, forward)| {
                            let piece = cut.pieces[*piece as usize];
                            chained += usize::from(piece.simple);
                            DirectedLine { points: piece.points, forward: *forward }
                        });
                        let border = face.border.iter().map(|edge| DirectedLine { points: edge, forward: true });
                        let mut edges: Vec<Edge> = beside.chain(border).flat_map(|line| line.edges()).collect();
                        Tracer::default().trace(&mut edges, &mut slow);
                        assert_eq!(quick, slow, "seed {seed} tile {tile}");
                    }
                }
            }
        }
    }
    assert!(chained > 10_000, "only {chained} simple pieces");
}

#[test]
fn every_region_of_a_level_is_there_in_its_zooms_as_an_area_or_a_collapsed_point() {
    let mut collapsed_points = 0;
    for (seed, scale) in (0..40).map(|seed| (seed, [1, 3, 40][seed as usize % 3])) {
        let city = random_city(seed, scale);
        let territory = &city.territory;
        for zoom in [5, 8, 10, 11, 12, 16] {
            let (mut drawn, mut labelled, mut collapsed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            for tile in tiles_of(&city, zoom) {
                drawn.extend(areas(&city, tile).into_iter().map(|feature| feature.tags["code"].clone()));
                for label in decode(&build(&city, &request(tile, "labels"))).remove("labels").unwrap_or_default() {
                    assert!(labelled.insert(label.tags["code"].clone()), "a label stands in one tile");
                    if label.tags.contains_key("collapsed") {
                        collapsed.insert(label.tags["code"].clone());
                    }
                }
                if zoom == 16 && drawn.len() > 30 {
                    break;
                }
            }
            let regions =
                territory.regions.iter().filter(|region| territory.shows(region.level, zoom)).map(|region| &region.code);
            let grids =
                territory.grids.iter().filter(|_| territory.shows(territory.scheme.grid_level(), zoom)).map(|grid| &grid.code);
            for code in regions.chain(grids).map(|code| code.to_string()) {
                if zoom < 16 {
                    assert!(labelled.contains(&code), "seed {seed} zoom {zoom}: {code} has no label");
                    assert!(drawn.contains(&code) != collapsed.contains(&code), "seed {seed} zoom {zoom}: {code}");
                }
            }
            collapsed_points += collapsed.len();
        }
    }
    assert!(collapsed_points > 20, "only {collapsed_points} collapsed");
}

#[test]
fn the_same_city_makes_the_same_bytes_and_fields_and_scope_are_kept() {
    let city = random_city(7, 3);
    let again = random_city(7, 3);
    let code =
        city.territory.regions.iter().map(|region| region.code.clone()).find(|code| code.as_str().len() == 6).expect("a county");
    for zoom in [9, 12, 14] {
        for tile in tiles_of(&city, zoom) {
            let whole = request(tile, "regions,grids,labels");
            assert_eq!(build(&city, &whole), build(&again, &whole));
            let few = TileRequest { fields: Fields::parse("code").expect("a field"), ..whole.clone() };
            for feature in decode(&build(&city, &few)).into_values().flatten() {
                assert_eq!(feature.tags.keys().collect::<Vec<_>>(), ["code"]);
            }
            let scoped = TileRequest { scope: Scope::Within(vec![code.clone()]), ..whole.clone() };
            let (all, part) = (decode(&build(&city, &whole)), decode(&build(&city, &scoped)));
            let within = |features: &Vec<Decoded>| -> Vec<Decoded> {
                features.iter().filter(|f| f.tags["code"].starts_with(code.as_str())).cloned().collect()
            };
            for (layer, features) in &all {
                assert_eq!(part.get(layer).cloned().unwrap_or_default(), within(features), "layer {layer} of {tile}");
            }
        }
    }
}

/// Blocks of about 220 by 250 m with 40 to 120 vertices each, twenty to a community, as densely as a city of 20,000 grids has them
/// and over more than a tile of zoom 11.
fn dense_city() -> City {
    let (columns, rows) = (90, 84);
    let tile = crate::geom::mercator::tile_at(MercatorPoint::of(LatticePoint::new(1_221_000_000, 296_000_000)), 11);
    let [first, last] = [tile_bounds(tile).0, tile_bounds(tile).1].map(MercatorPoint::lattice);
    let corner = LatticePoint::new(first.x - 150_000, last.y - 150_000);
    let patch = Patch { corner, columns, rows, size: 23_000, jitter: 0.12, roughness: 1.0, edges: (10, 30) };
    let (mut codes, mut grids) = (BTreeSet::new(), vec![]);
    for (at, ring) in Coverage::of(&[patch], &mut Random(1)).rings.into_iter().enumerate() {
        // Communities of 5 by 4 blocks, townships of 2 by 7 communities, counties of 5 by 1 townships.
        let (x, y) = (at % columns, at / columns);
        let (county, township, community) = (x / 50 + y / 28 * 2, x / 10 % 5, x / 5 % 2 + y / 4 % 7 * 2);
        let code = format!("3309{:02}{:03}{:03}{:03}", county + 1, township + 1, community + 1, x % 5 + y % 4 * 5 + 1);
        codes.extend(
            [(4, "city"), (6, "county"), (9, "township"), (12, "community")].map(|(len, level)| (code[..len].to_owned(), level)),
        );
        grids.push(grid(&code, Area::canonical([Polygon { exterior: ring, holes: vec![] }])));
    }
    grids.sort_by(|a, b| a.code.cmp(&b.code));
    let regions = codes.into_iter().map(|(code, level)| RegionRecord {
        name: format!("区{code}"),
        code: Code::new(&code).expect("a code"),
        level: level.to_owned(),
        parent: None,
        claim: None,
        provenance: Provenance::default(),
    });
    city_of(&BoundarySet { regions: regions.collect(), grids, ..BoundarySet::default() })
}

#[test]
fn the_fullest_tiles_of_a_dense_city_keep_to_their_size_and_lose_no_grid_and_no_region() {
    let city = dense_city();
    let code = |feature: &Decoded| feature.tags["code"].clone();
    let mut fullest = 0;
    for tile in tiles_of(&city, 11) {
        let whole = build(&city, &request(tile, "regions,grids,labels"));
        assert!(whole.len() <= MOST_BYTES, "{tile}: {} bytes", whole.len());
        let layers = decode(&whole);
        let none = vec![];
        let of = |layers: &BTreeMap<String, Vec<Decoded>>, layer: &str| layers.get(layer).unwrap_or(&none).clone();
        // Labels alone are small enough with all they have: one for each region and grid that stands here.
        let few = |layer| TileRequest { fields: Fields::parse("code").expect("a field"), ..request(tile, layer) };
        let labels = of(&decode(&build(&city, &few("labels"))), "labels");
        let there: BTreeSet<String> =
            ["regions", "grids", "labels"].iter().flat_map(|layer| of(&layers, layer)).map(|f| code(&f)).collect();
        assert!(labels.iter().all(|label| there.contains(&code(label))), "{tile}: one has neither area nor label");
        fullest = fullest.max(of(&layers, "grids").len());
    }
    assert!(fullest > 4_500, "the fullest tile has only {fullest} grids");
}

#[test]
fn a_tile_is_the_first_of_ever_smaller_ones_that_is_small_enough() {
    let mut chosen = BTreeMap::new();
    for seed in 0..24 {
        let set = random_set(seed, 3);
        if set.grids.is_empty() {
            continue;
        }
        let city = city_of(&set);
        let mut numbers = crate::geom::fuzz::Numbers::new(seed);
        let rows = (1..=300).map(|id| facility(id, place_in(&city, &mut numbers), (id % 4) as u16)).collect();
        let facilities = Arc::new(Facilities::new(rows, &profile(), city.territory.grids.len()));
        let city = City { facilities, ..city };
        for zoom in [5, 10, 11, 14] {
            for tile in tiles_of(&city, zoom).into_iter().take(6) {
                for layers in ["regions", "grids,labels", "regions,grids,labels,facilities,cases"] {
                    let request = request(tile, layers);
                    let all = Savings::ALL.map(|savings| built(&city, &request, &Sight::ALL, savings));
                    for most in all.iter().map(Vec::len).chain([0]) {
                        let first = all.iter().position(|tile| tile.len() <= most).unwrap_or(all.len() - 1);
                        assert!(build_within(&city, &request, most) == all[first], "seed {seed} {tile} {layers} {most}");
                        *chosen.entry(first).or_insert(0) += 1;
                    }
                }
            }
        }
    }
    assert!(chosen.len() == Savings::ALL.len() && chosen.values().all(|count| *count > 5), "{chosen:?}");
}
