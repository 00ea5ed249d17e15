//! GDAL's reader of vector tiles beside the one we test with: both find the same layers, features, attributes and rings, and GEOS
//! finds every area valid. GDAL takes a tile as it is and gzipped.

use super::{Point, city, demo, rings, tiles_at};
use crate::communes::communes;
use crate::coverages::fixture;
use crate::gdal::told;
use fast_mvt::{MvtReaderRef, MvtValueRef};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use wangge::city::City;
use wangge::demo::Preset;
use wangge::domain::scope::{Hidden, Scope};
use wangge::geom::TileId;
use wangge::tiles::{Fields, Layers, TileRequest, build};

/// A feature as either reader has it: attributes, and polygons of rings (or one ring of one point).
#[derive(Debug, PartialEq)]
struct Read {
    tags: Map<String, Value>,
    polygons: Vec<Vec<Vec<Point>>>,
}

/// Twice the area by the surveyor's formula: positive for an exterior (specification 4.3.4.4).
fn area2(ring: &[Point]) -> i64 {
    let corners = ring.iter().zip(ring.iter().cycle().skip(1));
    corners.map(|(a, b)| i64::from(a[0]) * i64::from(b[1]) - i64::from(b[0]) * i64::from(a[1])).sum()
}

/// Readers may begin a ring where they like, read it either way, and order holes and polygons.
fn canonical(mut polygons: Vec<Vec<Vec<Point>>>) -> Vec<Vec<Vec<Point>>> {
    for polygon in &mut polygons {
        for ring in polygon.iter_mut().filter(|ring| ring.len() > 1) {
            if area2(ring) < 0 {
                ring.reverse();
            }
            // A ring may pass its least point twice.
            let turns = (0..ring.len()).map(|at| [&ring[at..], &ring[..at]].concat());
            *ring = turns.min().unwrap();
        }
        polygon[1..].sort();
    }
    polygons.sort();
    polygons
}

/// As the crate `fast-mvt` reads a layer.
fn ours(bytes: &[u8]) -> Vec<(String, Vec<Read>)> {
    let reader = MvtReaderRef::new(bytes).unwrap();
    let layers = reader.layers().map(|layer| {
        let features = layer.features().map(|feature| {
            let value = |value: MvtValueRef<'_>| match value {
                MvtValueRef::String(text) => json!(text),
                MvtValueRef::UInt(number) => json!(number),
                MvtValueRef::SInt(number) => json!(number),
                MvtValueRef::Bool(truth) => json!(truth),
                other => panic!("{other:?}"),
            };
            let mut tags: Map<String, Value> =
                feature.properties().map(Result::unwrap).map(|(key, found)| (key.to_owned(), value(found))).collect();
            tags.extend(feature.id().map(|id| ("mvt_id".to_owned(), json!(id))));
            let mut polygons: Vec<Vec<Vec<Point>>> = vec![];
            for ring in rings(feature.geometry_commands()) {
                match polygons.last_mut() {
                    Some(polygon) if area2(&ring) < 0 => polygon.push(ring),
                    _ => polygons.push(vec![ring]),
                }
            }
            Read { tags, polygons: canonical(polygons) }
        });
        (layer.name().to_owned(), features.collect())
    });
    layers.collect()
}

/// Of a position in EPSG:3857, in units of the tile.
fn place(position: &Value, tile: TileId) -> Point {
    const HALF_WORLD: f64 = 20_037_508.342_789_244;
    let unit = |axis: usize, sign: f64, index: u32| {
        let metres = position[axis].as_f64().unwrap() * sign + HALF_WORLD;
        let units = metres / (2.0 * HALF_WORLD) * f64::from(4096_u32 << tile.z()) - f64::from(index) * 4096.0;
        assert!((units - units.round()).abs() < 1e-3, "{position} is between units of {tile}");
        units.round() as i32
    };
    [unit(0, 1.0, tile.x()), unit(1, -1.0, tile.y())]
}

/// As GDAL reads a layer, in one answer of `ogr2ogr`.
fn gdal(file: &Path, tile: TileId, layer: &str) -> Vec<Read> {
    let sql = format!("SELECT *, ST_IsValid(geometry) AS is_valid FROM {layer}");
    let address = [format!("X={}", tile.x()), format!("Y={}", tile.y()), format!("Z={}", tile.z())];
    let [x, y, z] = address.each_ref().map(String::as_str);
    // Clipping at the visible extent is GDAL's own doing.
    let options = ["-oo", "CLIP=NO", "-oo", x, "-oo", y, "-oo", z, "-dialect", "sqlite", "-sql", &sql];
    let asked = [["-q", "-f", "GeoJSON", "/vsistdout/", file.to_str().unwrap()].as_slice(), &options].concat();
    let answer: Value = serde_json::from_str(&told("ogr2ogr", &asked)).unwrap();
    let read = |feature: &Value| {
        let mut tags = feature["properties"].as_object().unwrap().clone();
        assert_eq!(tags.remove("is_valid"), Some(json!(1)), "{tile} {layer}: {feature}");
        tags.retain(|_, value| !value.is_null());
        let coordinates = &feature["geometry"]["coordinates"];
        let list = |value: &Value| value.as_array().unwrap().clone();
        let ring = |ring: &Value| -> Vec<Point> {
            let mut points: Vec<Point> = list(ring).iter().map(|position| place(position, tile)).collect();
            assert_eq!(points.first(), points.last());
            points.pop();
            points
        };
        let polygon = |polygon: &Value| list(polygon).iter().map(ring).collect();
        let polygons = match feature["geometry"]["type"].as_str().unwrap() {
            "Point" => vec![vec![vec![place(coordinates, tile)]]],
            "Polygon" => vec![polygon(coordinates)],
            "MultiPolygon" => list(coordinates).iter().map(polygon).collect(),
            other => panic!("{tile} {layer}: {other}"),
        };
        Read { tags, polygons: canonical(polygons) }
    };
    answer["features"].as_array().unwrap().iter().map(read).collect()
}

/// Asks GDAL for each tile; how many features it found, and the layers it found them in.
fn assert_gdal_reads(city: &City, tiles: &[TileId]) -> (usize, BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut count, mut layers) = (0, BTreeSet::new());
    for (at, tile) in tiles.iter().enumerate() {
        let layers_asked = Layers::parse("regions,grids,labels,facilities,cases").unwrap();
        let bytes = build(
            city,
            &TileRequest { tile: *tile, layers: layers_asked, fields: Fields::ALL, scope: Scope::All, hidden: Hidden::default() },
        );
        if bytes.is_empty() {
            // Nothing is no tile: it goes out as 204.
            continue;
        }
        let ours = ours(&bytes);
        let path = folder.path().join(format!("{at}.mvt"));
        if at % 2 == 0 {
            std::fs::write(&path, &bytes).unwrap();
        } else {
            use std::io::Write;
            let mut gzip = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
            gzip.write_all(&bytes).unwrap();
            gzip.finish().unwrap();
        }
        let summary = told("ogrinfo", &["-ro", "-so", "-al", path.to_str().unwrap()]);
        let after = |words: &str| -> Vec<String> {
            summary.lines().filter_map(|line| line.strip_prefix(words)).map(str::to_owned).collect()
        };
        assert_eq!(after("Layer name: "), ours.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), "{tile}");
        assert_eq!(after("Feature Count: "), ours.iter().map(|(_, all)| all.len().to_string()).collect::<Vec<_>>(), "{tile}");
        for (name, features) in ours {
            let theirs = gdal(&path, *tile, &name);
            assert_eq!(theirs.len(), features.len());
            for (ours, theirs) in features.iter().zip(&theirs) {
                assert_eq!(ours, theirs, "{tile} {name}");
            }
            count += features.len();
            layers.insert(name);
        }
    }
    (count, layers)
}

#[test]
fn gdal_reads_tiles_of_the_demo_city_as_we_do() {
    let city = demo(Preset::Small);
    let tiles: Vec<TileId> = [6, 9, 11, 12, 13, 14, 15, 16].iter().flat_map(|zoom| tiles_at(&city, *zoom, 2)).collect();
    assert!((12..=32).contains(&tiles.len()), "{}", tiles.len());
    let (count, layers) = assert_gdal_reads(&city, &tiles);
    assert!(count > 1_500, "{count}");
    assert_eq!(layers.len(), 5, "{layers:?}");
}

#[test]
fn gdal_reads_tiles_of_communes_as_we_do() {
    let text = fixture("import/communes_belfort.geojson");
    let mut set = communes(&text);
    let file: Value = serde_json::from_str(&text).unwrap();
    for (grid, feature) in set.grids.iter_mut().zip(file["features"].as_array().unwrap()) {
        feature["properties"]["nom"].as_str().unwrap().clone_into(&mut grid.name);
    }
    let city = city(set);
    let first = city.territory.level_zooms()[0].unwrap().0;
    let tiles: Vec<TileId> = (first..=16).flat_map(|zoom| tiles_at(&city, zoom, 2)).collect();
    let (count, layers) = assert_gdal_reads(&city, &tiles);
    assert!(count > 500, "{count}");
    assert_eq!(layers.len(), 3, "{layers:?}");
}
