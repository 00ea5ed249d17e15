//! The fuzz targets on what was found before, and on good files and requests with some bytes changed. `make fuzz` looks for more.

#[path = "../fuzz/targets.rs"]
mod targets;

use crate::coverage::Random;
use crate::http::city;
use crate::imports::fixture;
use targets::Target;

/// Files that a target reads well, from which it goes astray.
fn files(target: Target) -> &'static [&'static str] {
    match target {
        Target::GeoJson => &["import/city/grids.geojson", "import/city/facilities.geojson"],
        Target::GeoPackage => &["import/city/city.gpkg"],
        Target::Shapefile => &["import/city/zone41_gbk.zip", "import/city/degrees_utf8.zip"],
        Target::Tables => &["import/city/facilities_gbk.csv", "import/city/tables.xlsx"],
        Target::Binaries => &["import/city/grids.fgb", "import/city/facilities.fgb", "import/city/places.osm.pbf"],
        Target::Maps => &["maps/spots.geojson", "maps/leaves.pmtiles"],
        Target::Queries | Target::Codes | Target::TilePaths | Target::Callers => &[],
    }
}

/// Texts that it reads well.
fn texts(target: Target) -> &'static [&'static str] {
    match target {
        Target::Queries => &[
            "api/v1/locate?lon=122.105&lat=30.005&crs=wgs84&accuracy_m=15&include=team,beidou,h3,distance,neighbour",
            "0api/v1/locate\n{\"crs\":\"gcj02\",\"points\":[[122.105,30.005],[122.125,30.015]]}",
            "1api/v1/locate?crs=wgs84\nid,lon,lat\n1,122.105,30.005\n2,122.125,30.015\n",
            "2api/v1/locate?crs=wgs84\n{\"id\":1,\"position\":[122.105,30.005]}\n",
            "0api/v1/select\n{\"area\":{\"circle\":{\"centre\":[122.105,30.005],\"radius_m\":500}},\"kinds\":[\"facilities\"]}",
            "0api/v1/facilities\n{\"position\":[122.105,30.005],\"crs\":\"wgs84\",\"category\":\"01037\"}",
            "3api/v1/facilities/4\n{\"name\":\"x\",\"properties\":{\"a\":null}}",
            "api/v1/nearby?lon=122.105&lat=30.005&crs=wgs84&radius_m=800&kinds=facilities,cases",
            "api/v1/facilities?bbox=122.1,30,122.2,30.1&within=3309&category=01037&limit=5",
            "api/v1/grids/330902001001001/outline?crs=gcj02",
            "api/v1/search?q=122.105,30.005&within=3309",
            "ogc/collections/grids/items?bbox=122.1,30,122.2,30.1&limit=2&crs=http://www.opengis.net/def/crs/EPSG/0/4490",
        ],
        Target::Codes => {
            &["330902001001001", "N51H4406162215471571", "cgcs2000:tm:cm=122,fe=500000", "epsg:4549", "2026-03-03T10:00:00+08:00"]
        }
        Target::TilePaths => {
            &["grids,labels/14/13747/6741?epoch=2&fields=code", "facilities/16/54985/26971", "regions/0/0/0?at=2025-01-01"]
        }
        Target::Callers => &[
            concat!(
                "authorization: Bearer ",
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJvZmZpY2UiLCJhdWQiOiJ3YW5nZ2UiLCJzdWIiOiJ6aGFuZyIsInJvbGVzIjpbInZpZXdlciJdLCJ3aXRoaW4iOlsiKiJdLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTc5NTAwMDAwMH0.H5UhrDnsBShkqqr-FWjEIn4GYTqQp1WfFKSfpSjnh_s"
            ),
            concat!(
                "cookie: a=b; wangge=wgs_0\nAUTHORIZATION: bearer ",
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJvZmZpY2UiLCJhdWQiOiJ3YW5nZ2UiLCJzdWIiOiJ6aGFuZyIsInJvbGVzIjpbInZpZXdlciJdLCJ3aXRoaW4iOlsiKiJdLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTc5NTAwMDAwMH0.H5UhrDnsBShkqqr-FWjEIn4GYTqQp1WfFKSfpSjnh_s"
            ),
            concat!(
                "x-user: zhang\norigin: http://localhost\n\n{\"token\":\"",
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJvZmZpY2UiLCJhdWQiOiJ3YW5nZ2UiLCJzdWIiOiJ6aGFuZyIsInJvbGVzIjpbInZpZXdlciJdLCJ3aXRoaW4iOlsiKiJdLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTc5NTAwMDAwMH0.H5UhrDnsBShkqqr-FWjEIn4GYTqQp1WfFKSfpSjnh_s",
                "\"}"
            ),
        ],
        _ => &[],
    }
}

/// Some bytes changed, doubled, left out or cut off.
fn astray(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..random.between(1, 4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.between(0, bytes.len() as i32 - 1) as usize;
        let end = (at + random.between(1, 32) as usize).min(bytes.len());
        match random.between(0, 5) {
            0 => bytes[at] ^= 1 << random.between(0, 7),
            1 => bytes[at] = [0, 0xFF, b'"', b'\n', b',', b'-', b'9', 0x80][random.between(0, 7) as usize],
            2 => bytes[at..end].fill([0, 0xFF][random.between(0, 1) as usize]),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

#[test]
fn what_was_found_stays_mended() {
    for target in Target::ALL {
        let folder = fixture("fuzz").join(target.name());
        for case in std::fs::read_dir(folder).into_iter().flatten() {
            let case = case.unwrap().path();
            eprintln!("{}", case.display());
            target.put(&std::fs::read(case).unwrap());
        }
    }
}

#[test]
fn good_files_and_requests_pass_and_spoiled_ones_break_nothing() {
    let (mut random, mut wrong) = (Random(7), Vec::new());
    for target in Target::ALL {
        let files = files(target).iter().map(|name| std::fs::read(fixture(name)).unwrap());
        let seeds: Vec<Vec<u8>> = files.chain(texts(target).iter().map(|text| text.as_bytes().to_vec())).collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            wrong.extend(
                (!target.put(&seed))
                    .then(|| format!("{}: {:?}", target.name(), String::from_utf8_lossy(&seed[..seed.len().min(200)]))),
            );
            for _ in 0..25 {
                target.put(&astray(seed.clone(), &mut random));
            }
        }
    }
    // As they are, all of them are taken: else the spoiled ones would not come far.
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
