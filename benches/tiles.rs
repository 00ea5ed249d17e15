//! Tiles: drawing the borders, building tiles, and the encoder beside the crates `mvt` and `fast-mvt`, interleaved, on the same features.
//!
//! `cargo bench --bench tiles [-- 20000 …]`. The sizes are numbers of grids; 50 facilities a grid.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

mod coverage;
#[allow(dead_code, reason = "shared by all benches")]
mod harness;

use wangge::{geom, territory};

use coverage::{Coverage, Patch, Random};
use geom::clip::Rings;
use geom::{Area, LatticePoint, Polygon, TileId};
use harness::{ROUNDS, bytes, median, mix, seconds};
use std::collections::BTreeSet;
use std::sync::Arc;
use territory::Territory;
use wangge::city::{About, Case, Cases, City, Facilities, Facility, Staff};
use wangge::domain::category::{Category, CategoryKind, CodeProfile};
use wangge::domain::code::Code;
use wangge::domain::facility::FacilityState;
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::id::{Epoch, FacilityId, Revision, Version};
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::region::RegionRecord;
use wangge::domain::scope::Scope;
use wangge::tiles::encode::{Frame, LayerWriter};
use wangge::tiles::{Fields, Layers, TileRequest, build};

#[global_allocator]
static ALLOCATOR: harness::Counted = harness::Counted;

/// Seconds this thread was on a core for `work` (Linux; elsewhere by the clock): other programs on the machine do not count.
fn cpu_seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let on_core = || -> Option<f64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
    };
    let before = on_core();
    let (clock, made) = seconds(work);
    (before.zip(on_core()).map_or(clock, |(before, after)| after - before), made)
}

const ZHOUSHAN: LatticePoint = LatticePoint::new(1_221_000_000, 296_000_000);
const TILES_A_ZOOM: usize = 100;

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![2_400, 20_000] } else { asked };
    for grids in sizes {
        let city = city(grids);
        borders(&city, grids);
        tiles(&city, grids);
    }
    encoders();
}

/// Blocks of about 250 m, 40 to 120 vertices each, twenty to a community, ten communities to a township, six townships to a county.
fn city(grids: usize) -> City {
    let rows = (grids as f64).sqrt() as usize;
    let columns = grids.div_ceil(rows);
    let patch = Patch { corner: ZHOUSHAN, columns, rows, size: 23_000, jitter: 0.12, roughness: 1.0, edges: (10, 30) };
    let mut random = Random(1);
    let coverage = Coverage::of(&[patch], &mut random);
    let mut codes = BTreeSet::new();
    let mut records: Vec<GridRecord> = coverage
        .rings
        .iter()
        .enumerate()
        .map(|(at, ring)| {
            // Communities of 5 × 4 blocks, townships of 2 × 5 communities, counties of 3 × 2 townships.
            let (x, y) = (at % columns, at / columns);
            let (cx, cy) = (x / 5, y / 4);
            let (tx, ty) = (cx / 2, cy / 5);
            let county = (tx / 3) + (ty / 2) * 9;
            let township = tx % 3 + ty % 2 * 3;
            let community = cx % 2 + cy % 5 * 2;
            let code = format!("3309{:02}{township:03}{community:03}{:03}", county + 1, x % 5 + y % 4 * 5);
            for length in [4, 6, 9, 12] {
                codes.insert(code[..length].to_owned());
            }
            GridRecord {
                code: Code::new(&code).unwrap(),
                name: format!("第{at}网格"),
                kind: GridKind::Base,
                parent: None,
                area: Area::canonical([Polygon { exterior: ring.clone(), holes: vec![] }]),
                households: None,
                population: None,
                provenance: Provenance::default(),
            }
        })
        .collect();
    records.sort_by(|a, b| a.code.cmp(&b.code));
    let level = |length| ["city", "county", "township", "community"][[4, 6, 9, 12].iter().position(|l| *l == length).unwrap()];
    let regions = codes.iter().map(|code| RegionRecord {
        code: Code::new(code).unwrap(),
        level: level(code.len()).to_owned(),
        name: format!("区{code}"),
        parent: None,
        claim: None,
        provenance: Provenance::default(),
    });
    let set = BoundarySet { regions: regions.collect(), grids: records, ..BoundarySet::default() };
    let territory = Territory::build(Epoch(1), &set).unwrap();
    let count = territory.grids.len();
    let profile = profile();
    // Along streets that run every 115 m.
    let (width, height) = (columns as i32 * 23_000, rows as i32 * 23_000);
    let facilities = (0..50 * grids as i64)
        .map(|id| {
            let (along, street) = (random.unit(), random.unit());
            let line = |extent: i32| (street * f64::from(extent / 10_000)) as i32 * 10_000 + random.clone().between(-300, 300);
            let at = if id % 2 == 0 {
                LatticePoint::new(ZHOUSHAN.x + (along * f64::from(width)) as i32, ZHOUSHAN.y + line(height))
            } else {
                LatticePoint::new(ZHOUSHAN.x + line(width), ZHOUSHAN.y + (along * f64::from(height)) as i32)
            };
            Facility {
                id: FacilityId(id + 1),
                at,
                leaf: None,
                category: (random.bits() % 4) as u16,
                state: [FacilityState::Intact, FacilityState::Damaged][usize::from(random.unit() < 0.03)],
                version: Version(1),
                name: format!("设施{id}").into(),
                code: None,
            }
        })
        .collect();
    City {
        revision: Revision(1),
        about: Arc::new(About {
            title: String::new(),
            synthetic: true,
            attribution: vec![],
            time_zone: "Asia/Shanghai".to_owned(),
            profile: profile.clone(),
            background: None,
        }),
        territory: Arc::new(territory),
        facilities: Arc::new(Facilities::new(facilities, &profile, count)),
        cases: Arc::new(Cases::new(Vec::<Case>::new(), count)),
        staff: Arc::new(Staff::default()),
    }
}

fn profile() -> CodeProfile {
    let category = |code: &str| Category {
        kind: CategoryKind::Component,
        code: code.to_owned(),
        major: String::new(),
        name: String::new(),
        icon: String::new(),
    };
    CodeProfile::new("bench".to_owned(), ["01010", "01020", "02010", "03050"].map(category))
}

/// How long each zoom takes when it is first asked for, and what it keeps.
fn borders(city: &City, grids: usize) {
    println!("\n| {grids} grids: zoom | drawn in ms | MB kept |\n| --- | --- | --- |");
    for zoom in 0..=16 {
        let (spent, (_, held, _)) = seconds(|| bytes(|| city.territory.drawn(zoom).window(TileId::new(0, 0, 0).unwrap())));
        println!("| {zoom} | {:.1} | {:.2} |", spent * 1e3, held as f64 / 1e6);
    }
}

/// Tiles over the land, spread evenly.
fn some_tiles(city: &City, zoom: u8) -> Vec<TileId> {
    let mut random = Random(u64::from(zoom));
    let grids = &city.territory.grids;
    (0..TILES_A_ZOOM)
        .map(|_| {
            let grid = &grids[random.bits() as usize % grids.len()];
            geom::mercator::tile_at(geom::mercator::MercatorPoint::of(grid.label), zoom)
        })
        .collect()
}

fn tiles(city: &City, grids: usize) {
    println!(
        "\n| {grids} grids: layers | zooms | µs a tile | p99 µs | kB | kB gzip 1 | µs | kB gzip 6 | µs | kB zstd 1 | µs | kB zstd 3 | µs | checksum |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let runs: [(&str, &str, std::ops::RangeInclusive<u8>); 7] = [
        ("grids", "code,name,kind,parent", 11..=14),
        ("grids", "code", 11..=14),
        ("regions,grids,labels", "code,name,level,parent,kind,collapsed", 11..=14),
        ("regions", "code,name,level,parent", 5..=10),
        ("regions", "code,name,level,parent", 13..=16),
        ("facilities", "id,category,state,name", 14..=16),
        ("facilities", "count", 8..=13),
    ];
    for (layers, fields, zooms) in runs {
        let mut spent = vec![];
        let mut made = vec![];
        let mut sum = 0;
        for zoom in zooms.clone() {
            for tile in some_tiles(city, zoom) {
                let request = TileRequest {
                    tile,
                    layers: Layers::parse(layers).unwrap(),
                    fields: Fields::parse(fields).unwrap(),
                    scope: Scope::All,
                };
                let times = (0..3).map(|_| {
                    let (time, body) = cpu_seconds(|| build(city, &request));
                    sum = mix(sum, wangge::tiles::tag(&body).0);
                    made.push(body);
                    time
                });
                spent.push(times.fold(f64::MAX, f64::min));
            }
        }
        made.sort_unstable();
        made.dedup();
        let kilobytes = |sizes: usize| sizes as f64 / made.len() as f64 / 1e3;
        let average = spent.iter().sum::<f64>() / spent.len() as f64;
        let count = spent.len();
        spent.sort_by(f64::total_cmp);
        print!(
            "| {layers} ({fields}) | {}–{} | {:.0} | {:.0} | {:.1} ",
            zooms.start(),
            zooms.end(),
            average * 1e6,
            spent[count * 99 / 100] * 1e6,
            kilobytes(made.iter().map(Vec::len).sum()),
        );
        for (size, time) in compressed(&made) {
            print!("| {:.1} | {:.0} ", kilobytes(size), time * 1e6 / made.len() as f64);
        }
        println!("| {sum:016x} |");
    }
}

/// Bytes and seconds of gzip 1 and 6 (libdeflate) and zstd 1 and 3.
#[cfg(feature = "server")]
fn compressed(bodies: &[Vec<u8>]) -> Vec<(usize, f64)> {
    let gzip = |level| {
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(level).unwrap());
        let (time, size) = cpu_seconds(|| {
            let mut size = 0;
            for body in bodies {
                let mut out = vec![0; compressor.gzip_compress_bound(body.len())];
                size += compressor.gzip_compress(body, &mut out).unwrap();
            }
            size
        });
        (size, time)
    };
    let zstd = |level| {
        let (time, size) = cpu_seconds(|| bodies.iter().map(|body| zstd::bulk::compress(body, level).unwrap().len()).sum());
        (size, time)
    };
    vec![gzip(1), gzip(6), zstd(1), zstd(3)]
}

#[cfg(not(feature = "server"))]
fn compressed(_: &[Vec<u8>]) -> Vec<(usize, f64)> {
    vec![(0, 0.0); 4]
}

/// The same features through our encoder, `fast-mvt` and `mvt`, in turn.
fn encoders() {
    println!(
        "\n| features | ours ns | fast-mvt ns | mvt ns | bytes ours | fast-mvt | mvt |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
    let mut random = Random(3);
    let points: Vec<(i32, i32, i64, &str, &str)> = (0..5_000)
        .map(|id| {
            let category = random.one_of(&["01010", "01020", "02010", "03050", "01170", "02040"]);
            (
                random.between(0, 4095),
                random.between(0, 4095),
                id + 1_000_000,
                category,
                random.one_of(&["intact", "intact", "damaged"]),
            )
        })
        .collect();
    let rings: Vec<Vec<[i32; 2]>> = (0..400)
        .map(|_| {
            let (x, y) = (random.between(200, 3800), random.between(200, 3800));
            (0..40)
                .map(|at| {
                    let (sin, cos) = (f64::from(at) * std::f64::consts::TAU / 40.0).sin_cos();
                    let radius = f64::from(random.between(60, 90));
                    [x + (cos * radius) as i32, y + (sin * radius) as i32]
                })
                .collect()
        })
        .collect();
    compare("points, 3 tags", points.len(), [&|| ours_points(&points), &|| fast_points(&points), &|| mvt_points(&points)]);
    compare("polygons of 40, 2 tags", rings.len(), [&|| ours_rings(&rings), &|| fast_rings(&rings), &|| mvt_rings(&rings)]);
}

fn compare(name: &str, features: usize, encode: [&dyn Fn() -> Vec<u8>; 3]) {
    let mut times = [vec![], vec![], vec![]];
    let mut sizes = [0; 3];
    for _ in 0..ROUNDS {
        for at in 0..3 {
            let (time, size) = cpu_seconds(|| (0..20).map(|_| encode[at]().len()).sum::<usize>() / 20);
            times[at].push(time / 20.0 / features as f64 * 1e9);
            sizes[at] = size;
        }
    }
    let [ours, fast, mvt] = times.map(median);
    println!("| {features} {name} | {ours:.0} | {fast:.0} | {mvt:.0} | {} | {} | {} |", sizes[0], sizes[1], sizes[2]);
}

fn ours_points(points: &[(i32, i32, i64, &str, &str)]) -> Vec<u8> {
    let mut layer = LayerWriter::new("facilities");
    for (x, y, id, category, state) in points {
        layer.feature(Some(*id as u64)).point(*x, *y).tag("id", *id).tag("category", *category).tag("state", *state);
    }
    let mut bytes = vec![];
    layer.finish(&mut bytes);
    bytes
}

fn fast_points(points: &[(i32, i32, i64, &str, &str)]) -> Vec<u8> {
    let mut layer = fast_mvt::MvtLayerBuilder::new("facilities").unwrap();
    for (x, y, id, category, state) in points {
        let mut feature = layer.feature(&fast_mvt::MvtGeometry::Point((*x, *y).into())).unwrap();
        feature.id(Some(*id as u64));
        feature.tag("id", *id as u64).unwrap();
        feature.tag("category", *category).unwrap();
        feature.tag("state", *state).unwrap();
        layer = feature.end();
    }
    layer.encode()
}

fn mvt_points(points: &[(i32, i32, i64, &str, &str)]) -> Vec<u8> {
    let mut tile = mvt::Tile::new(4096);
    let mut layer = tile.create_layer("facilities");
    for (x, y, id, category, state) in points {
        let geometry = mvt::GeomEncoder::new(mvt::GeomType::Point).point(f64::from(*x), f64::from(*y)).unwrap().encode().unwrap();
        let mut feature = layer.into_feature(geometry);
        feature.set_id(*id as u64);
        feature.add_tag_uint("id", *id as u64);
        feature.add_tag_string("category", category);
        feature.add_tag_string("state", state);
        layer = feature.into_layer();
    }
    tile.add_layer(layer).unwrap();
    tile.to_bytes().unwrap()
}

fn code_of(at: usize) -> String {
    format!("330902001001{at:03}")
}

fn ours_rings(all: &[Vec<[i32; 2]>]) -> Vec<u8> {
    let mut layer = LayerWriter::new("grids");
    let mut rings = Rings::default();
    for (at, ring) in all.iter().enumerate() {
        rings.clear();
        rings.push(ring.iter().copied());
        let frame = Frame { origin: [0, 0], scale: 1 };
        layer.feature(Some(at as u64 + 1)).polygon(&rings, frame).tag("code", code_of(at).as_str()).tag("kind", "base");
    }
    let mut bytes = vec![];
    layer.finish(&mut bytes);
    bytes
}

fn fast_rings(all: &[Vec<[i32; 2]>]) -> Vec<u8> {
    let mut layer = fast_mvt::MvtLayerBuilder::new("grids").unwrap();
    for (at, ring) in all.iter().enumerate() {
        let line = ring.iter().chain(&ring[..1]).map(|[x, y]| (*x, *y)).collect::<Vec<_>>();
        let polygon = geo::Polygon::new(line.into(), vec![]);
        let mut feature = layer.feature(&fast_mvt::MvtGeometry::Polygon(polygon)).unwrap();
        feature.id(Some(at as u64 + 1));
        feature.tag("code", code_of(at).as_str()).unwrap();
        feature.tag("kind", "base").unwrap();
        layer = feature.end();
    }
    layer.encode()
}

fn mvt_rings(all: &[Vec<[i32; 2]>]) -> Vec<u8> {
    let mut tile = mvt::Tile::new(4096);
    let mut layer = tile.create_layer("grids");
    for (at, ring) in all.iter().enumerate() {
        let mut geometry = mvt::GeomEncoder::new(mvt::GeomType::Polygon);
        for [x, y] in ring {
            geometry.add_point(f64::from(*x), f64::from(*y)).unwrap();
        }
        geometry.complete_geom().unwrap();
        let mut feature = layer.into_feature(geometry.encode().unwrap());
        feature.set_id(at as u64 + 1);
        feature.add_tag_string("code", &code_of(at));
        feature.add_tag_string("kind", "base");
        layer = feature.into_layer();
    }
    tile.add_layer(layer).unwrap();
    tile.to_bytes().unwrap()
}
