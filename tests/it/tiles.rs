//! Tiles of real boundaries: communes of France, fifty of them always, the whole country when the shared data is there; and of
//! the demo city.

pub(crate) mod gdal;

use crate::communes::{as_asked, communes, shared};
use crate::coverages::fixture;
use fast_mvt::{MvtReaderRef, MvtValueRef};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use wangge::city::{About, Case, Cases, City, Facilities, Facility};
use wangge::demo::{self, Preset};
use wangge::domain::case::CaseRecord;
use wangge::domain::category::{CategoryKind, CodeProfile};
use wangge::domain::id::{CaseId, Epoch, FacilityId, Revision};
use wangge::domain::records::BoundarySet;
use wangge::domain::scope::{Hidden, Scope};
use wangge::geom::mercator::{MercatorPoint, tile_at};
use wangge::geom::{LatticePoint, TileId};
use wangge::interchange::profile;
use wangge::territory::Territory;
use wangge::territory::mend::mend;
use wangge::tiles::tilejson::TileJson;
use wangge::tiles::{Fields, Layers, TileRequest, build};

fn city(set: BoundarySet) -> City {
    let boundaries = mend(set, &as_asked()).unwrap().boundaries;
    let territory = Territory::build(Epoch(1), &boundaries).unwrap();
    let about = About {
        title: "Communes".to_owned(),
        synthetic: false,
        attribution: vec![],
        time_zone: "Europe/Paris".to_owned(),
        background: None,
        profile: CodeProfile::new("none".to_owned(), []),
    };
    City::empty(Revision(1), about, territory)
}

/// The demo city as it is after import.
fn demo(preset: Preset) -> City {
    let now = "2026-11-21T04:00:00Z".parse().unwrap();
    let made = demo::city(preset, demo::DEFAULT_SEED, now).unwrap();
    let city = city(made.boundaries);
    let profile = profile::standard();
    let rows = made.facilities.into_iter().zip(1..).map(|(record, id)| Facility {
        id: FacilityId(id),
        at: record.at,
        leaf: city.territory.leaf_at(record.at),
        category: profile.position(CategoryKind::Component, &record.category).unwrap(),
        state: record.state,
        version: record.version,
        name: record.name.into(),
        code: record.code.map(Into::into),
    });
    let cases = made.cases.into_iter().zip(1..).map(|(record, id)| Case {
        leaf: record.at.and_then(|at| city.territory.leaf_at(at)),
        record: Arc::new(CaseRecord { id: CaseId(id), ..record }),
    });
    let grids = city.territory.grids.len();
    City {
        facilities: Arc::new(Facilities::new(rows.collect(), &profile, grids)),
        cases: Arc::new(Cases::new(cases, grids)),
        about: Arc::new(About { profile, ..About::clone(&city.about) }),
        ..city
    }
}

type Point = [i32; 2];

/// Code, whether it is a collapsed label, and rings.
struct Drawn {
    code: String,
    collapsed: bool,
    rings: Vec<Vec<Point>>,
}

fn decoded(city: &City, tile: TileId, layers: &str) -> Vec<Drawn> {
    let request = TileRequest {
        tile,
        layers: Layers::parse(layers).unwrap(),
        fields: Fields::ALL,
        scope: Scope::All,
        hidden: Hidden::default(),
    };
    let bytes = build(city, &request);
    let reader = MvtReaderRef::new(&bytes).unwrap();
    let mut all = vec![];
    for layer in reader.layers() {
        for feature in layer.features() {
            feature.geometry().unwrap();
            let tags: HashMap<&str, MvtValueRef<'_>> = feature.properties().map(Result::unwrap).collect();
            let MvtValueRef::String(code) = tags["code"] else { panic!("a code is a text") };
            let rings = rings(feature.geometry_commands());
            all.push(Drawn { code: code.to_owned(), collapsed: tags.contains_key("collapsed"), rings });
        }
    }
    all
}

fn rings(commands: &[u32]) -> Vec<Vec<Point>> {
    let (mut rings, mut at, mut pen): (Vec<Vec<Point>>, usize, Point) = (vec![], 0, [0, 0]);
    while at < commands.len() {
        let (command, count) = (commands[at] & 7, commands[at] >> 3);
        at += 1;
        for _ in 0..if command == 7 { 0 } else { count } {
            for axis in 0..2 {
                let zigzag = commands[at + axis];
                pen[axis] += (zigzag >> 1) as i32 ^ -((zigzag & 1) as i32);
            }
            at += 2;
            if command == 1 {
                rings.push(vec![]);
            }
            rings.last_mut().unwrap().push(pen);
        }
    }
    rings
}

/// No two edges of a zoom cross, and none has an end of another between its ends. By cells, so that a country takes seconds.
fn assert_no_crossing(lines: &[&[Point]], zoom: u8) {
    // Edges grow with the zoom, so cells do.
    let cell = 128 << zoom.saturating_sub(9);
    let mut cells: HashMap<(i32, i32), Vec<(Point, Point)>> = HashMap::new();
    let mut seen = HashSet::new();
    for pair in lines.iter().flat_map(|points| points.windows(2)) {
        let edge = (pair[0].min(pair[1]), pair[0].max(pair[1]));
        if !seen.insert(edge) {
            continue;
        }
        let range = |axis: usize| {
            let (low, high) = (edge.0[axis].min(edge.1[axis]), edge.0[axis].max(edge.1[axis]));
            low.div_euclid(cell)..=high.div_euclid(cell)
        };
        for x in range(0) {
            for y in range(1) {
                cells.entry((x, y)).or_default().push(edge);
            }
        }
    }
    let side = |a: Point, b: Point, c: Point| {
        let minus = |p: Point, q: Point| (i128::from(p[0]) - i128::from(q[0]), i128::from(p[1]) - i128::from(q[1]));
        let ((ux, uy), (vx, vy)) = (minus(b, a), minus(c, a));
        (ux * vy - uy * vx).signum()
    };
    let within = |p: Point, (a, b): (Point, Point)| {
        p != a
            && p != b
            && (0..2).all(|axis| p[axis] >= a[axis].min(b[axis]) && p[axis] <= a[axis].max(b[axis]))
            && side(a, b, p) == 0
    };
    for edges in cells.into_values() {
        for (at, one) in edges.iter().enumerate() {
            for other in &edges[at + 1..] {
                if one.1[0] < other.0[0] || other.1[0] < one.0[0] {
                    continue;
                }
                let cross = side(one.0, one.1, other.0) * side(one.0, one.1, other.1) < 0
                    && side(other.0, other.1, one.0) * side(other.0, other.1, one.1) < 0;
                let touch = within(one.0, *other) || within(one.1, *other) || within(other.0, *one) || within(other.1, *one);
                assert!(!cross && !touch, "{one:?} and {other:?}");
            }
        }
    }
}

/// What two neighbours show where both reach is the same edge by edge. Within a tile no edge has two features of a level on one
/// side, and edges that have something on one side only are the same for all levels: where a region ends all of its parts end, so
/// nothing is missing between them.
fn assert_seams(city: &City, tile: TileId, layers: &str) -> usize {
    let territory = &city.territory;
    let regions = territory.regions.iter().filter(|region| territory.shows(region.level, tile.z()) && region.bbox.is_some());
    let grids = territory.grids.iter().filter(|_| territory.shows(territory.scheme.grid_level(), tile.z()));
    let levels: BTreeSet<usize> =
        regions.map(|r| &r.code).chain(grids.map(|g| &g.code)).map(|code| code.as_str().len()).collect();
    let edges = |tile: TileId| -> BTreeSet<(String, Point, Point)> {
        let mut edges = BTreeSet::new();
        let mut left: BTreeSet<(usize, Point, Point)> = BTreeSet::new();
        for feature in decoded(city, tile, layers) {
            for ring in &feature.rings {
                for (at, from) in ring.iter().enumerate() {
                    let global = |p: Point| [p[0] + tile.x() as i32 * 4096, p[1] + tile.y() as i32 * 4096];
                    let (from, to) = (global(*from), global(ring[(at + 1) % ring.len()]));
                    assert!(left.insert((feature.code.len(), from, to)), "{tile}: two features left of one edge");
                    edges.insert((feature.code.clone(), from, to));
                }
            }
        }
        // But for the border of the tile itself.
        let window = [tile.x(), tile.y()].map(|at| [at as i32 * 4096 - 64, (at as i32 + 1) * 4096 + 64]);
        let cut = |from: Point, to: Point| (0..2).any(|axis| from[axis] == to[axis] && window[axis].contains(&from[axis]));
        let outer = |level: usize| -> BTreeSet<(Point, Point)> {
            let of_level = left.range((level, [i32::MIN; 2], [i32::MIN; 2])..(level + 1, [i32::MIN; 2], [i32::MIN; 2]));
            let open = of_level.filter(|(_, from, to)| !left.contains(&(level, *to, *from)) && !cut(*from, *to));
            open.map(|(_, from, to)| (*from, *to)).collect()
        };
        let outer: BTreeSet<_> = levels.iter().map(|level| outer(*level)).collect();
        assert!(outer.len() <= 1, "{tile}: levels end at different borders");
        edges
    };
    let here = edges(tile);
    let mut shared = 0;
    for (east, south) in [(1, 0), (0, 1)] {
        let Ok(neighbour) = TileId::new(tile.z(), tile.x() + east, tile.y() + south) else { continue };
        let there = edges(neighbour);
        let low = [neighbour.x() as i32 * 4096 - 64, neighbour.y() as i32 * 4096 - 64];
        let high = [(tile.x() as i32 + 1) * 4096 + 64, (tile.y() as i32 + 1) * 4096 + 64];
        let both = |edges: &BTreeSet<(String, Point, Point)>| -> Vec<(String, Point, Point)> {
            let inside = |p: Point| (0..2).all(|axis| low[axis] <= p[axis] && p[axis] <= high[axis]);
            let along =
                |p: Point, q: Point| (0..2).any(|axis| p[axis] == q[axis] && (p[axis] == low[axis] || p[axis] == high[axis]));
            edges.iter().filter(|(_, from, to)| inside(*from) && inside(*to) && !along(*from, *to)).cloned().collect()
        };
        let (ours, theirs) = (both(&here), both(&there));
        assert_eq!(ours, theirs, "{tile} and {neighbour}");
        shared += ours.len();
    }
    shared
}

/// Every feature that the zoom shows is drawn or a collapsed point, and not both.
fn assert_complete(city: &City, zoom: u8) {
    let territory = &city.territory;
    let shown = |level: usize| territory.shows(level, zoom);
    let regions = territory.regions.iter().filter(|region| shown(region.level));
    let regions = regions.filter_map(|region| Some((region.code.to_string(), region.label?)));
    let grids = territory.grids.iter().filter(|_| shown(territory.scheme.grid_level()));
    let wanted: BTreeMap<String, LatticePoint> = regions.chain(grids.map(|grid| (grid.code.to_string(), grid.label))).collect();
    let (mut drawn, mut collapsed, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut look = |tile: TileId, drawn: &mut BTreeSet<String>| {
        for feature in if seen.insert(tile) { decoded(city, tile, "regions,grids,labels") } else { vec![] } {
            if feature.collapsed {
                collapsed.insert(feature.code);
            } else if feature.rings.iter().any(|ring| ring.len() > 2) {
                drawn.insert(feature.code);
            }
        }
    };
    for (code, label) in &wanted {
        let tile = tile_at(MercatorPoint::of(*label), zoom);
        look(tile, &mut drawn);
        // The tile has the label; of a simplified area it may have nothing.
        for at in if drawn.contains(code) { 0..0 } else { 0..9 } {
            let neighbour = TileId::new(zoom, (tile.x() + at % 3).saturating_sub(1), (tile.y() + at / 3).saturating_sub(1));
            neighbour.into_iter().for_each(|tile| look(tile, &mut drawn));
        }
    }
    let there: BTreeSet<&String> = drawn.union(&collapsed).collect();
    let missing: Vec<&String> = wanted.keys().filter(|code| !there.contains(code)).collect();
    assert_eq!((missing, there.len()), (vec![], wanted.len()), "zoom {zoom}");
    assert!(drawn.is_disjoint(&collapsed));
}

fn assert_zoom_is_sound(city: &City, zoom: u8) -> usize {
    let drawn = city.territory.drawn(zoom);
    let lines: Vec<&[Point]> = drawn.lines().map(|(points, _)| points).collect();
    assert_no_crossing(&lines, zoom);
    lines.iter().map(|points| points.len()).sum()
}

fn tiles_at(city: &City, zoom: u8, most: usize) -> Vec<TileId> {
    let grids = &city.territory.grids;
    let all: BTreeSet<TileId> = grids.iter().map(|grid| tile_at(MercatorPoint::of(grid.bbox.max), zoom)).collect();
    all.iter().copied().step_by((all.len() / most).max(1)).collect()
}

#[test]
fn tiles_of_fifty_communes_have_no_seams_and_miss_no_region() {
    let city = city(communes(&fixture("fr_communes/communes_50.geojson")));
    let levels: Vec<(u8, u8)> = city.territory.level_zooms().iter().map(|zooms| zooms.unwrap()).collect();
    assert_eq!(levels.len(), 2);
    let mut shared = 0;
    for zoom in levels[0].0..=16 {
        assert_zoom_is_sound(&city, zoom);
        assert_complete(&city, zoom);
        for tile in tiles_at(&city, zoom, 30) {
            shared += assert_seams(&city, tile, "regions,grids");
        }
    }
    assert!(shared > 1_000, "{shared}");
}

#[test]
fn tilejson_names_layers_fields_levels_and_bounds() {
    let city = city(communes(&fixture("fr_communes/communes_50.geojson")));
    let layers = Layers::parse("regions,grids").unwrap();
    let url = "http://localhost/tiles/regions,grids/{z}/{x}/{y}".to_owned();
    let json = serde_json::to_value(TileJson::new(&city, layers, url.clone()).unwrap()).unwrap();
    assert_eq!(json["tilejson"], "3.0.0");
    assert_eq!(json["tiles"][0], url);
    assert_eq!(json["vector_layers"][1]["id"], "grids");
    assert!(json["vector_layers"][1]["fields"]["code"].is_string());
    let levels: Vec<&str> = json["levels"].as_array().unwrap().iter().map(|level| level["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["department", "commune"]);
    assert_eq!(json["minzoom"], json["levels"][0]["minzoom"]);
    assert_eq!(json["maxzoom"], 16);
    let bounds: Vec<f64> = json["bounds"].as_array().unwrap().iter().map(|part| part.as_f64().unwrap()).collect();
    assert!(
        bounds[0] < bounds[2] && bounds[1] < bounds[3] && (-5.0..10.0).contains(&bounds[0]) && (41.0..52.0).contains(&bounds[1])
    );
}

/// The communes of the whole country, when the shared data is there.
fn country() -> Option<&'static BoundarySet> {
    static COUNTRY: OnceLock<Option<BoundarySet>> = OnceLock::new();
    let read = || {
        let path = shared("data/fr_communes/fr_communes.geojson.gz")?;
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        Some(communes(&text))
    };
    COUNTRY.get_or_init(read).as_ref()
}

#[test]
fn tiles_of_a_country_have_no_crossing_and_no_seams() {
    let Some(set) = country() else { return };
    let city = city(set.clone());
    for zoom in city.territory.level_zooms()[0].unwrap().0..=14 {
        let begun = Instant::now();
        city.territory.drawn(zoom);
        let took = begun.elapsed();
        let vertices = assert_zoom_is_sound(&city, zoom);
        eprintln!("zoom {zoom}: {vertices} vertices, drawn in {:.2} s", took.as_secs_f64());
        for tile in tiles_at(&city, zoom, 12) {
            assert_seams(&city, tile, "regions,grids");
        }
        if zoom <= 9 {
            assert_complete(&city, zoom);
        }
    }
}

/// Coasts and islands (29), dense towns (75, 92 to 94), mountains (73), small communes at a border of the country (67).
#[test]
fn tiles_of_parts_of_a_country_have_no_crossing_no_seams_and_miss_no_region_at_the_deep_zooms() {
    let Some(set) = country() else { return };
    for departments in [["29"].as_slice(), &["75", "92", "93", "94"], &["73"], &["67"]] {
        let mut part = set.clone();
        part.grids.retain(|grid| departments.iter().any(|department| grid.code.as_str().starts_with(department)));
        assert!(part.grids.len() > 100, "{departments:?}");
        let city = city(part);
        for zoom in 10..=16 {
            assert_zoom_is_sound(&city, zoom);
            assert_complete(&city, zoom);
            for tile in tiles_at(&city, zoom, 40) {
                assert_seams(&city, tile, "regions,grids");
            }
        }
    }
}

#[test]
fn tiles_of_the_demo_city_have_no_crossing_no_seams_and_miss_no_region_at_any_zoom() {
    for (preset, most) in [(Preset::Small, 200), (Preset::Zhoushan, 30)] {
        let city = demo(preset);
        let levels = city.territory.level_zooms().iter().flatten().copied();
        let (first, last) = levels.reduce(|(first, last), (from, to)| (first.min(from), last.max(to))).unwrap();
        assert_eq!(last, 16);
        let mut shared = 0;
        for zoom in first..=last {
            assert_zoom_is_sound(&city, zoom);
            assert_complete(&city, zoom);
            shared +=
                tiles_at(&city, zoom, most).into_iter().map(|tile| assert_seams(&city, tile, "regions,grids")).sum::<usize>();
        }
        assert!(shared > 1_000, "{shared}");
    }
}
