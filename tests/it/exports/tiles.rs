//! PMTiles: every tile that the server has is in the file, byte for byte, and no other.

use super::{city, exported};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// A reader of its own after the specification, without the writer's code: number of a tile → its bytes, unpacked.
struct Pmtiles {
    header: Vec<u8>,
    metadata: Value,
    tiles: BTreeMap<u64, Vec<u8>>,
    entries: usize,
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

fn word(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

fn varints(bytes: &[u8]) -> Vec<u64> {
    let (mut numbers, mut number, mut shift) = (Vec::new(), 0_u64, 0);
    for byte in bytes {
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            numbers.push(number);
            (number, shift) = (0, 0);
        }
    }
    numbers
}

impl Pmtiles {
    fn read(file: &[u8]) -> Self {
        assert_eq!((&file[..7], file[7]), (&b"PMTiles"[..], 3));
        let part = |at: usize| &file[word(file, at)..word(file, at) + word(file, at + 8)];
        let mut read = Self {
            header: file[..127].to_vec(),
            metadata: serde_json::from_slice(&unpacked(part(24))).unwrap(),
            tiles: BTreeMap::new(),
            entries: 0,
        };
        read.directory(&unpacked(part(8)), part(40), part(56));
        read
    }

    fn directory(&mut self, bytes: &[u8], leaves: &[u8], tiles: &[u8]) {
        let numbers = varints(bytes);
        let count = numbers[0] as usize;
        let column = |which: usize| &numbers[1 + which * count..1 + (which + 1) * count];
        let (mut id, mut behind) = (0, 0);
        for at in 0..count {
            id += column(0)[at];
            let (run, length) = (column(1)[at], column(2)[at] as usize);
            let offset = match column(3)[at] {
                0 => behind,
                more => more as usize - 1,
            };
            behind = offset + length;
            if run == 0 {
                self.directory(&unpacked(&leaves[offset..offset + length]), leaves, tiles);
                continue;
            }
            self.entries += 1;
            for number in id..id + run {
                assert!(self.tiles.insert(number, unpacked(&tiles[offset..offset + length])).is_none(), "{number} twice");
            }
        }
    }
}

/// Zoom, column and row of a number, by walking down the curve as the specification's own code does.
fn tile_of(number: u64) -> (u8, u32, u32) {
    let (mut zoom, mut before) = (0_u8, 0_u64);
    while number >= before + (1_u64 << (2 * zoom)) {
        before += 1_u64 << (2 * zoom);
        zoom += 1;
    }
    let mut left = number - before;
    let (mut x, mut y) = (0_u64, 0_u64);
    for level in 0..zoom {
        let side = 1_u64 << level;
        let right = 1 & (left / 2);
        let below = 1 & (left ^ right);
        if below == 0 {
            if right == 1 {
                (x, y) = (side - 1 - x, side - 1 - y);
            }
            (x, y) = (y, x);
        }
        x += side * right;
        y += side * below;
        left /= 4;
    }
    (zoom, x as u32, y as u32)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_holds_every_tile_that_the_server_has_and_no_other() {
    use wangge::city::City;
    use wangge::domain::scope::{Hidden, Scope};
    use wangge::geom::TileId;
    use wangge::tiles::{Fields, Layers, TileRequest, build};
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let (file, report) =
        exported(&store, "pmtiles", &[], folder.path().join("city.pmtiles"), |order| order.zooms.1 = Some(15)).await;
    let read = Pmtiles::read(&std::fs::read(file).unwrap());
    assert_eq!(report.layers[0], ("tiles".to_owned(), read.tiles.len() as u64));
    assert_eq!([72, 80, 88].map(|at| word(&read.header, at)), [read.tiles.len(), read.entries, report.layers[1].1 as usize]);
    assert_eq!(&read.header[96..102], [1, 2, 2, 1, 0, 15]);
    assert_eq!(read.metadata["revision"], store.revision().await.unwrap().0);
    assert_eq!(read.metadata["attribution"], "某局");
    let layers: Vec<&str> =
        read.metadata["vector_layers"].as_array().unwrap().iter().map(|layer| layer["id"].as_str().unwrap()).collect();
    assert_eq!(layers, ["regions", "grids", "labels", "facilities"]);
    let app = wangge::app::App::open(
        store.clone(),
        wangge::config::Config::new(folder.path().join("city.gpkg")),
        wangge::clock::Clock::System,
    )
    .await
    .unwrap();
    let city: std::sync::Arc<City> = app.published.load();
    let layers = Layers::parse("regions,grids,labels,facilities").unwrap();
    let tile = |z, x, y| {
        build(
            &city,
            &TileRequest {
                tile: TileId::new(z, x, y).unwrap(),
                layers,
                fields: Fields::ALL,
                scope: Scope::All,
                hidden: Hidden::default(),
            },
        )
    };
    let mut by_place = BTreeSet::new();
    for (number, bytes) in &read.tiles {
        let (z, x, y) = tile_of(*number);
        assert_eq!(*bytes, tile(z, x, y), "{z}/{x}/{y}");
        by_place.insert((z, x, y));
    }
    // Every other tile near the city and at the facility far off has nothing in it.
    let mut empty = 0;
    for zoom in 0..=15_u8 {
        for [lon, lat] in [[122.01, 30.0025], [122.5, 30.5]] {
            let at = wangge::geom::mercator::MercatorPoint::of(wangge::geom::LatticePoint::nearest(
                wangge::geom::LonLat::new(lon, lat).unwrap(),
            ));
            let middle = wangge::geom::mercator::tile_at(at, zoom);
            for (dx, dy) in (-3..=3).flat_map(|dx| (-3..=3).map(move |dy| (dx, dy))) {
                let (x, y) = (i64::from(middle.x()) + dx, i64::from(middle.y()) + dy);
                let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { continue };
                if TileId::new(zoom, x, y).is_ok() && !by_place.contains(&(zoom, x, y)) {
                    assert!(tile(zoom, x, y).is_empty(), "{zoom}/{x}/{y} is missing");
                    empty += 1;
                }
            }
        }
    }
    assert!(empty > 500 && by_place.len() > 25, "{empty} {}", by_place.len());
}
