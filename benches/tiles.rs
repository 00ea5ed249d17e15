//! Tiles: drawing the borders, building tiles, and the encoder beside the crates `mvt` and `fast-mvt`, interleaved, on the same
//! features.
//!
//! `cargo bench --bench tiles [-- 20000 … | tiles publication encoders]`. The sizes are numbers of grids; 50 facilities a grid. With
//! one or more of the three words only these parts.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

#[allow(dead_code, reason = "shared with benches that need more of it")]
mod city;
mod coverage;
#[allow(dead_code, reason = "shared by all benches")]
mod harness;

use wangge::{geom, territory};

use coverage::Random;
use geom::clip::Rings;
use geom::{Area, LatticePoint, Polygon, TileId};
use harness::{ROUNDS, bytes, median, mix, seconds};
use std::collections::BTreeSet;
use std::sync::Arc;
use territory::Territory;
use wangge::city::{About, Change, City, Facilities, Facility};
use wangge::domain::category::{Category, CategoryKind, CodeProfile};
use wangge::domain::facility::FacilityState;
use wangge::domain::grid::GridRecord;
use wangge::domain::id::{Epoch, FacilityId, GridIx, Revision, Version};
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::region::RegionRecord;
use wangge::domain::scope::{Hidden, Scope};
use wangge::tiles::changed::Tiles;
use wangge::tiles::encode::{Frame, LayerWriter};
use wangge::tiles::{Fields, Layers, TileRequest, build};

#[global_allocator]
static ALLOCATOR: harness::Counted = harness::Counted;

const TILES_A_ZOOM: usize = 200;
const TRIES: usize = 5;

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![2_400, 20_000] } else { asked };
    let parts = ["tiles", "publication", "encoders"];
    let words: Vec<String> = std::env::args().filter(|word| parts.contains(&word.as_str())).collect();
    let wants = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    for grids in sizes.into_iter().filter(|_| wants("tiles") || wants("publication")) {
        let city = city(grids);
        borders(&city, grids);
        if wants("tiles") {
            tiles(&city, grids);
        }
        if wants("publication") {
            publication(&city, grids);
            one_facility(&city, grids);
        }
    }
    if wants("encoders") {
        encoders();
    }
    println!("\nload {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
}

/// The city of reference with so many grids, and facilities along its streets.
fn city(grids: usize) -> City {
    let rows = (grids as f64).sqrt() as usize;
    let columns = grids.div_ceil(rows);
    let set = city::boundaries(columns, rows);
    let mut random = Random(1);
    let territory = Territory::build(Epoch(1), &set).unwrap();
    let count = territory.grids.len();
    let profile = profile();
    // Along streets that run every 115 m.
    let (width, height) = (columns as i32 * city::SIZE, rows as i32 * city::SIZE);
    let facilities = (0..50 * grids as i64)
        .map(|id| {
            let (along, street) = (random.unit(), random.unit());
            let line = |extent: i32| (street * f64::from(extent / 10_000)) as i32 * 10_000 + random.clone().between(-300, 300);
            let at = if id % 2 == 0 {
                LatticePoint::new(city::CORNER.x + (along * f64::from(width)) as i32, city::CORNER.y + line(height))
            } else {
                LatticePoint::new(city::CORNER.x + line(width), city::CORNER.y + (along * f64::from(height)) as i32)
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
    let about = About {
        title: String::new(),
        synthetic: true,
        attribution: vec![],
        time_zone: "Asia/Shanghai".to_owned(),
        profile: profile.clone(),
        background: None,
    };
    City { facilities: Arc::new(Facilities::new(facilities, &profile, count)), ..City::empty(Revision(1), about, territory) }
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

/// Five grids go to a neighbour each. What passes until a tile there is drawn anew, in the order in which it happens.
fn publication(city: &City, grids: usize) {
    let mut set = boundaries(&city.territory);
    let before: Vec<usize> = (0..5).map(|n| set.grids.len() * (2 * n + 1) / 10).collect();
    let mut touched = vec![];
    for at in before.into_iter().rev() {
        let gone = set.grids.remove(at);
        let merged = (0..set.grids.len()).find_map(|other| Some((other, joined(&gone.area, &set.grids[other].area)?)));
        let (other, area) = merged.unwrap();
        set.grids[other].area = area;
        touched.push(city.territory.grid(city.territory.grid_ix(gone.code.as_str()).unwrap()).label);
    }
    let mut rounds: [Vec<f64>; 5] = Default::default();
    let (mut sum, mut hit) = (0, 0);
    for _ in 0..ROUNDS {
        let (building, territory) = seconds(|| city.territory.after(Epoch(2), &set).unwrap());
        let change = Change::Boundaries(Arc::new(territory));
        let (moving, new) = seconds(|| city.after(Revision(2), &change));
        let (drawing_after, ()) = seconds(|| new.territory.draw_after(&city.territory));
        let (finding, changed) = seconds(|| wangge::tiles::changed::changed(city, &new, &change));
        let tiles: Vec<TileId> = touched.iter().flat_map(|p| (11..=16).map(|z| tile_of(*p, z))).collect();
        let (drawing, bodies) =
            seconds(|| tiles.iter().map(|tile| build(&new, &request("regions,grids,labels", ALL, *tile))).collect::<Vec<_>>());
        let some = |tiles: &Tiles| if let Tiles::Some(tiles) = tiles { tiles.len() } else { 0 };
        hit = changed.layers.values().map(some).sum();
        sum = bodies.iter().fold(0, |sum, body| mix(sum, wangge::tiles::tag(body).0));
        let times = [building, moving, drawing_after, finding, drawing / tiles.len() as f64];
        rounds.iter_mut().zip(times).for_each(|(rounds, time)| rounds.push(time * 1e3));
    }
    let [building, moving, drawing_after, finding, drawing] = rounds.map(median);
    println!("\n{grids} grids, 10 of them changed, ms:");
    println!(
        "\n| territory built | facilities moved over | borders drawn, every zoom | {hit} changed tiles found | then a tile | checksum |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    println!("| {building:.0} | {moving:.1} | {drawing_after:.1} | {finding:.1} | {drawing:.2} | {sum:016x} |");
}

/// One facility gets another state. What passes from its commit until each of the tiles that show it is drawn anew.
fn one_facility(city: &City, grids: usize) {
    let row = city.facilities.iter().nth(city.facilities.len() / 2).unwrap().clone();
    let row = Facility { state: FacilityState::Lost, version: Version(2), ..row };
    let mut rounds: [Vec<f64>; 3] = Default::default();
    let (mut count, mut sum) = (0, 0);
    for _ in 0..ROUNDS {
        let change = Change::Facilities { put: vec![row.clone()], removed: vec![] };
        let (applying, new) = seconds(|| city.after(Revision(2), &change));
        let (finding, changed) = seconds(|| wangge::tiles::changed::changed(city, &new, &change));
        let Some(Tiles::Some(tiles)) = changed.layers.get(&wangge::tiles::Layer::Facilities) else { panic!("tiles changed") };
        let slowest = tiles.iter().map(|tile| {
            let (time, body) = seconds(|| build(&new, &request("facilities", ALL, *tile)));
            sum = mix(sum, wangge::tiles::tag(&body).0);
            time
        });
        let slowest = slowest.fold(0.0, f64::max);
        count = tiles.len();
        rounds.iter_mut().zip([applying, finding, slowest]).for_each(|(rounds, time)| rounds.push(time * 1e3));
    }
    let [applying, finding, slowest] = rounds.map(median);
    println!(
        "\n| {} facilities, one changed, ms: applied | {count} changed tiles found | then the slowest of them | checksum |",
        50 * grids
    );
    println!("| --- | --- | --- | --- |");
    println!("| {applying:.2} | {finding:.2} | {slowest:.2} | {sum:016x} |");
}

fn tile_of(p: LatticePoint, zoom: u8) -> TileId {
    geom::mercator::tile_at(geom::mercator::MercatorPoint::of(p), zoom)
}

/// The records that a territory was built from.
fn boundaries(territory: &Territory) -> BoundarySet {
    let regions = territory.regions.iter().map(|region| RegionRecord {
        code: region.code.clone(),
        level: territory.scheme.levels()[region.level].name.clone(),
        name: region.name.clone(),
        parent: None,
        claim: None,
        provenance: Provenance::default(),
    });
    let grids = territory.grids.iter().enumerate().map(|(at, grid)| GridRecord {
        code: grid.code.clone(),
        name: grid.name.clone(),
        kind: grid.kind,
        parent: None,
        area: territory.outline_grid(GridIx(at as u32)),
        households: None,
        population: None,
        provenance: Provenance::default(),
    });
    BoundarySet { regions: regions.collect(), grids: grids.collect(), ..BoundarySet::default() }
}

/// Two areas of one ring each as one, if they share one line.
fn joined(one: &Area, other: &Area) -> Option<Area> {
    let edges = |area: &Area| -> Vec<(LatticePoint, LatticePoint)> {
        let ring = &area.polygons()[0].exterior;
        (0..ring.len()).map(|at| (ring[at], ring[(at + 1) % ring.len()])).collect()
    };
    let (ours, theirs) = (edges(one), edges(other));
    let theirs_set: BTreeSet<_> = theirs.iter().copied().collect();
    if !ours.iter().any(|(from, to)| theirs_set.contains(&(*to, *from))) {
        return None;
    }
    let ours_set: BTreeSet<_> = ours.iter().copied().collect();
    let left = ours.iter().filter(|(from, to)| !theirs_set.contains(&(*to, *from)));
    let left = left.chain(theirs.iter().filter(|(from, to)| !ours_set.contains(&(*to, *from))));
    let next: std::collections::BTreeMap<_, _> = left.copied().collect();
    let start = *next.keys().next()?;
    let mut exterior = vec![start];
    while let Some(to) = next.get(exterior.last()?).filter(|to| **to != start) {
        exterior.push(*to);
    }
    (exterior.len() == next.len()).then(|| Area::canonical([Polygon { exterior, holes: vec![] }]))
}

/// How long each zoom takes when it is first asked for, and what it keeps.
fn borders(city: &City, grids: usize) {
    println!("\n| {grids} grids: zoom | drawn in ms | MB kept |\n| --- | --- | --- |");
    let mut all = 0.0;
    for zoom in 0..=16 {
        let (spent, (_, held, _)) = seconds(|| bytes(|| city.territory.drawn(zoom).window(TileId::new(0, 0, 0).unwrap())));
        println!("| {zoom} | {:.1} | {:.2} |", spent * 1e3, held as f64 / 1e6);
        all += spent;
    }
    println!("| all | {:.0} | |", all * 1e3);
}

/// Tiles of a zoom that hold land: all of them, or so many of them by chance.
fn some_tiles(city: &City, zoom: u8) -> Vec<TileId> {
    let grids = &city.territory.grids;
    let tile = |p: LatticePoint| geom::mercator::tile_at(geom::mercator::MercatorPoint::of(p), zoom);
    let corners = grids.iter().flat_map(|grid| [grid.bbox.min, grid.label, grid.bbox.max]);
    let mut tiles: Vec<TileId> = corners.map(tile).collect::<BTreeSet<_>>().into_iter().collect();
    let mut random = Random(u64::from(zoom));
    while tiles.len() > TILES_A_ZOOM {
        tiles.swap_remove(random.bits() as usize % tiles.len());
    }
    tiles
}

/// What tiles are asked for: layers, fields, zooms.
const RUNS: [(&str, &str, std::ops::RangeInclusive<u8>); 8] = [
    ("regions,grids,labels,facilities,cases", ALL, 6..=16),
    ("regions,grids,labels", ALL, 11..=14),
    ("grids", "code,name,kind,parent", 11..=14),
    ("grids", "code", 11..=14),
    ("regions", "code,name,level,parent", 5..=10),
    ("regions", "code,name,level,parent", 13..=16),
    ("facilities", "id,category,state,name", 14..=16),
    ("facilities", "count", 8..=13),
];
const ALL: &str = "code,name,level,parent,kind,collapsed,id,category,state,count,overdue,due_at";

fn request(layers: &str, fields: &str, tile: TileId) -> TileRequest {
    let (layers, fields) = (Layers::parse(layers).unwrap(), Fields::parse(fields).unwrap());
    TileRequest { tile, layers, fields, scope: Scope::All, hidden: Hidden::default() }
}

/// Every tile of a run, its bytes, and the least time of [`TRIES`] that building it took. By the clock: what a thread was on a core
/// for is only told in steps of 4 ms on some machines, and the least time is that of a try which nothing broke into.
fn made(city: &City, (layers, fields, zooms): &(&str, &str, std::ops::RangeInclusive<u8>)) -> Vec<(Vec<u8>, f64)> {
    let tiles = zooms.clone().flat_map(|zoom| some_tiles(city, zoom));
    let made = tiles.map(|tile| {
        let request = request(layers, fields, tile);
        let (mut least, mut bytes) = (f64::MAX, vec![]);
        for _ in 0..TRIES {
            let (time, body) = seconds(|| build(city, &request));
            (least, bytes) = (least.min(time), body);
        }
        (bytes, least)
    });
    made.collect()
}

fn tiles(city: &City, grids: usize) {
    println!("\n| {grids} grids: layers (fields) | zooms | tiles | µs a tile | p99 | largest kB | kB | checksum |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let all: Vec<Vec<(Vec<u8>, f64)>> = RUNS.iter().map(|run| made(city, run)).collect();
    for ((layers, fields, zooms), made) in RUNS.iter().zip(&all) {
        let mut times: Vec<f64> = made.iter().map(|(_, time)| *time).collect();
        times.sort_by(f64::total_cmp);
        let (count, bytes) = (times.len(), made.iter().map(|(bytes, _)| bytes.len()));
        println!(
            "| {layers} ({}) | {}–{} | {count} | {:.0} | {:.0} | {:.1} | {:.1} | {:016x} |",
            if *fields == ALL { "all" } else { fields },
            zooms.start(),
            zooms.end(),
            times.iter().sum::<f64>() / count as f64 * 1e6,
            times[count * 99 / 100] * 1e6,
            bytes.clone().max().unwrap() as f64 / 1e3,
            bytes.sum::<usize>() as f64 / count as f64 / 1e3,
            made.iter().fold(0, |sum, (bytes, _)| mix(sum, wangge::tiles::tag(bytes).0)),
        );
    }
    #[cfg(feature = "server")]
    served::compressed(grids, &all);
    #[cfg(feature = "server")]
    served::cached(city, grids);
}

/// What needs the server's crates: compression and the cache.
#[cfg(feature = "server")]
mod served {
    use super::{RUNS, request, some_tiles};
    use crate::harness::{ROUNDS, median, mix, seconds};
    use futures_util::FutureExt;
    use std::sync::Arc;
    use wangge::city::City;
    use wangge::compute::Compute;
    use wangge::tiles::TileRequest;
    use wangge::tiles::cache::{Boundaries, Encoding, Key, TileCache};

    const GZIP: [i32; 7] = [1, 2, 3, 4, 5, 6, 9];
    const ZSTD: [i32; 6] = [1, 2, 3, 4, 6, 9];

    fn gzip(level: i32, body: &[u8]) -> usize {
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(level).unwrap());
        let mut out = vec![0; compressor.gzip_compress_bound(body.len())];
        compressor.gzip_compress(body, &mut out).unwrap()
    }

    fn zstd(level: i32, body: &[u8]) -> usize {
        zstd::bulk::compress(body, level).unwrap().len()
    }

    /// Bytes and microseconds a tile by level, levels interleaved, tile by tile; and what building, compressing and both take at
    /// worst.
    pub(super) fn compressed(grids: usize, all: &[Vec<(Vec<u8>, f64)>]) {
        type Compress = fn(i32, &[u8]) -> usize;
        let levels: Vec<(String, i32, Compress)> = GZIP
            .map(|level| (format!("gzip {level}"), level, gzip as Compress))
            .into_iter()
            .chain(ZSTD.map(|level| (format!("zstd {level}"), level, zstd as Compress)))
            .collect();
        let names: Vec<&str> = levels.iter().map(|(name, ..)| name.as_str()).collect();
        println!("\n| {grids} grids: kB, µs a tile | plain | {} |", names.join(" | "));
        println!("| --- | --- |{}", " --- |".repeat(levels.len()));
        for ((layers, fields, _), made) in RUNS.iter().zip(all) {
            let bodies: Vec<&[u8]> = made.iter().map(|(body, _)| body.as_slice()).filter(|body| !body.is_empty()).collect();
            let mut sums = vec![(0, 0.0); levels.len()];
            let mut slowest = vec![0.0_f64; levels.len()];
            for (body, built) in made.iter().filter(|(body, _)| !body.is_empty()) {
                for (at, (_, level, compress)) in levels.iter().enumerate() {
                    let tries = (0..super::TRIES).map(|_| seconds(|| compress(*level, body)));
                    let (time, size) = tries.min_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
                    sums[at] = (sums[at].0 + size, sums[at].1 + time);
                    slowest[at] = slowest[at].max(time + built);
                }
            }
            let count = bodies.len() as f64;
            print!(
                "| {layers} ({}) | {:.1} ",
                fields.len(),
                bodies.iter().map(|body| body.len()).sum::<usize>() as f64 / count / 1e3
            );
            sums.iter().for_each(|(size, time)| print!("| {:.1}, {:.0} ", *size as f64 / count / 1e3, time / count * 1e6));
            println!("|");
            print!("| … the slowest tile with its building, ms | ");
            slowest.iter().for_each(|time| print!("| {:.1} ", time * 1e3));
            println!("|");
        }
    }

    /// A tile that is there: naming it and finding it.
    pub(super) fn cached(city: &City, grids: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (cache, compute, city) = (TileCache::new(1 << 30), Compute::new(1_000), Arc::new(city.clone()));
        let requests: Vec<TileRequest> = (12..=14)
            .flat_map(|zoom| some_tiles(&city, zoom))
            .map(|tile| request("regions,grids,labels", super::ALL, tile))
            .collect();
        let key = |request: &TileRequest| Key::new(&city.territory, Boundaries::InForce, request);
        for request in &requests {
            runtime.block_on(cache.tile(&compute, &city, key(request), request, Encoding::Gzip)).unwrap();
        }
        let mut sum = 0;
        let rounds = (0..ROUNDS).map(|_| {
            let (time, ()) = seconds(|| {
                for request in (0..100).flat_map(|_| &requests) {
                    let tile =
                        cache.tile(&compute, &city, key(request), request, Encoding::Gzip).now_or_never().unwrap().unwrap();
                    sum = mix(sum, tile.tag.0);
                }
            });
            time / (100 * requests.len()) as f64 * 1e9
        });
        let found = median(rounds.collect());
        println!("\n{grids} grids: a cached tile is found in {found:.0} ns (of {} tiles; checksum {sum:016x})", requests.len());
    }
}

/// The same features through our encoder, `fast-mvt` and `mvt`, in turn.
fn encoders() {
    println!(
        "\n| features | ours, ns a point | fast-mvt | mvt | bytes ours | fast-mvt | mvt | checksum of what each decodes to |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
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
            // In and out by turns: of three points along a row or column `mvt` would leave out the middle one.
            (0..40)
                .map(|at| {
                    let (sin, cos) = (f64::from(at) * std::f64::consts::TAU / 40.0).sin_cos();
                    let radius = f64::from(if at % 2 == 0 { random.between(80, 95) } else { random.between(60, 70) });
                    [x + (cos * radius) as i32, y + (sin * radius) as i32]
                })
                .collect()
        })
        .collect();
    let count = points.len();
    compare("points, 3 tags", count, [&|| ours_points(&points), &|| fast_points(&points), &|| mvt_points(&points)]);
    let count = rings.iter().map(Vec::len).sum();
    compare(
        "points in rings of 40, 2 tags a ring",
        count,
        [&|| ours_rings(&rings), &|| fast_rings(&rings), &|| mvt_rings(&rings)],
    );
}

fn compare(name: &str, points: usize, encode: [&dyn Fn() -> Vec<u8>; 3]) {
    let mut times = [vec![], vec![], vec![]];
    for _ in 0..ROUNDS {
        for at in 0..3 {
            let (time, size) = seconds(|| (0..20).map(|_| encode[at]().len()).sum::<usize>());
            assert!(size > 0);
            times[at].push(time / 20.0 / points as f64 * 1e9);
        }
    }
    let [ours, fast, mvt] = times.map(median);
    let bodies = encode.map(|encode| encode());
    let [one, two, three] = bodies.each_ref().map(Vec::len);
    let sums = bodies.each_ref().map(|body| decoded_sum(body));
    assert_eq!(sums, [sums[0]; 3], "the three say the same");
    println!("| {points} {name} | {ours:.1} | {fast:.1} | {mvt:.1} | {one} | {two} | {three} | {:016x} |", sums[0]);
}

/// A checksum of ids, geometries and attributes, as `fast-mvt` reads them.
fn decoded_sum(body: &[u8]) -> u64 {
    let reader = fast_mvt::MvtReaderRef::new(body).unwrap();
    let mut sum = 0;
    for feature in reader.layers().flat_map(|layer| layer.features().collect::<Vec<_>>()) {
        sum = mix(sum, feature.id().unwrap());
        feature.geometry_commands().iter().for_each(|command| sum = mix(sum, u64::from(*command)));
        for property in feature.properties() {
            let text = format!("{:?}", property.unwrap());
            text.bytes().for_each(|byte| sum = mix(sum, u64::from(byte)));
        }
    }
    sum
}

fn ours_points(points: &[(i32, i32, i64, &str, &str)]) -> Vec<u8> {
    let mut layer = LayerWriter::new("facilities");
    for (x, y, id, category, state) in points {
        layer.feature(Some(*id as u64)).point(*x, *y).tag_once("id", Some(*id)).tag("category", *category).tag("state", *state);
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
    let codes: Vec<String> = (0..all.len()).map(code_of).collect();
    let mut layer = LayerWriter::new("grids");
    let mut rings = Rings::default();
    for (at, ring) in all.iter().enumerate() {
        rings.clear();
        rings.push(ring.iter().copied());
        let frame = Frame { origin: [0, 0], scale: 1 };
        layer.feature(Some(at as u64 + 1)).polygon(&rings, frame).tag("code", codes[at].as_str()).tag("kind", "base");
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
