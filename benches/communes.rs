//! The communes of a country, and what GEOS says of where points are among them. For the benches and the tests.

#![allow(dead_code, reason = "each of those who include this file uses a part of it")]

use crate::brute::Brute;
use crate::coverage::Random;
use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use wangge::domain::code::Code;
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::geom::{Area, LatticePoint, LonLat, Polygon, Ring};
use wangge::territory::mend::Accept;
use wangge::territory::partition::Owner;
use wangge::territory::{Located, Territory};

/// A file of the shared data, when that folder is there (`WANGGE_SHARED`, else `../shared`).
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("WANGGE_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("skipped: {} is not there", file.display());
    None
}

/// The text of a file of the shared data; that of all communes is `data/fr_communes/fr_communes.geojson.gz`.
pub(crate) fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Polygons of GeoJSON on the lattice, rings closed as in the file, each feature with its property `code`.
pub(crate) fn features(text: &str, code: &str) -> Vec<(String, Vec<Polygon>)> {
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    let ring = |ring: &serde_json::Value| -> Ring {
        let position = |p: &serde_json::Value| LonLat::new(p[0].as_f64().unwrap(), p[1].as_f64().unwrap()).unwrap();
        ring.as_array().unwrap().iter().map(|p| LatticePoint::nearest(position(p))).collect()
    };
    let polygon = |rings: &serde_json::Value| {
        let mut rings = rings.as_array().unwrap().iter().map(ring);
        Polygon { exterior: rings.next().unwrap(), holes: rings.collect() }
    };
    let polygons = |geometry: &serde_json::Value| match geometry["type"].as_str() {
        Some("Polygon") => vec![polygon(&geometry["coordinates"])],
        _ => geometry["coordinates"].as_array().unwrap().iter().map(polygon).collect(),
    };
    let feature =
        |feature: &serde_json::Value| (feature["properties"][code].as_str().unwrap().to_owned(), polygons(&feature["geometry"]));
    file["features"].as_array().unwrap().iter().map(feature).collect()
}

/// The same as records of grids.
pub(crate) fn grids(features: Vec<(String, Vec<Polygon>)>) -> Vec<GridRecord> {
    let record = |(code, polygons): (String, Vec<Polygon>)| GridRecord {
        code: Code::new(&code).unwrap(),
        name: String::new(),
        kind: GridKind::Base,
        parent: None,
        area: Area::canonical(polygons),
        households: None,
        population: None,
        provenance: Provenance::default(),
    };
    features.into_iter().map(record).collect()
}

pub(crate) fn communes(text: &str) -> BoundarySet {
    communes_of(features(text, "code"))
}

pub(crate) fn communes_of(features: Vec<(String, Vec<Polygon>)>) -> BoundarySet {
    let scheme =
        serde_json::from_str(r#"{"name":"fr","levels":[{"name":"department","length":2},{"name":"commune","length":5}]}"#)
            .unwrap();
    BoundarySet { scheme, grids: grids(features), ..BoundarySet::default() }
}

pub(crate) fn as_asked() -> Accept {
    Accept {
        gaps_as_void: true,
        overlap_to_least_code: true,
        outside_claim: true,
        reason: "accepted at import".to_owned(),
        matched: None,
    }
}

/// All vertices in the order of the file, without the last of each ring, which repeats the first.
pub(crate) fn vertices(features: &[(String, Vec<Polygon>)]) -> Vec<LatticePoint> {
    let polygons = features.iter().flat_map(|(_, polygons)| polygons);
    let rings = polygons.flat_map(|polygon| std::iter::once(&polygon.exterior).chain(&polygon.holes));
    rings.flat_map(|ring| ring[..ring.len() - 1].iter().copied()).collect()
}

/// What the oracle says where no commune is.
pub(crate) const NONE: u16 = u16::MAX;

/// The points it was asked for: in a box around the country …
pub(crate) fn oracle_points() -> impl Iterator<Item = LatticePoint> {
    let mut random = Random(1);
    let within = |bits: u64, least: i64, most: i64| (least + (bits % (most - least + 1) as u64) as i64) as i32;
    std::iter::repeat_with(move || {
        let (x, y) = (random.bits(), random.bits());
        LatticePoint::new(within(x, -52_000_000, 97_000_000), within(y, 413_000_000, 512_000_000))
    })
}

/// … and vertices.
pub(crate) fn oracle_vertices(vertices: &[LatticePoint]) -> impl Iterator<Item = LatticePoint> {
    let mut random = Random(2);
    std::iter::repeat_with(move || vertices[(random.bits() % vertices.len() as u64) as usize])
}

/// Where mending changed a ring: vertices that it gave to one or took from one. (A corner of one commune that lay within 2 cm of
/// another's border and not on it is on it afterwards.) There the rings as they were given have another answer than the
/// territory.
pub(crate) fn mended_places(given: &BoundarySet, mended: &BoundarySet) -> HashSet<LatticePoint> {
    let vertices = |record: &GridRecord| record.area.rings().flatten().copied().collect::<HashSet<_>>();
    let after: HashMap<&Code, &GridRecord> = mended.grids.iter().map(|record| (&record.code, record)).collect();
    let changed = given.grids.iter().filter(|record| after[&record.code].area != record.area);
    changed
        .flat_map(|record| {
            let (before, after) = (vertices(record), vertices(after[&record.code]));
            before.symmetric_difference(&after).copied().collect::<Vec<_>>()
        })
        .collect()
}

/// The rings as they were given, by rank of their code.
pub(crate) fn brute(given: &BoundarySet) -> Brute {
    let mut records: Vec<&GridRecord> = given.grids.iter().collect();
    records.sort_by(|a, b| a.code.cmp(&b.code));
    Brute::of(records.iter().map(|record| record.area.rings().cloned().collect()).collect())
}

/// An answer of brute force as the oracle writes it.
pub(crate) fn rank(found: Option<(usize, bool)>) -> u16 {
    found.map_or(NONE, |(at, _)| at as u16)
}

/// The place of every owner's code among the codes of all communes.
pub(crate) struct Ranks(Vec<u16>);

impl Ranks {
    pub(crate) fn of(territory: &Territory) -> Self {
        let mut codes: Vec<&str> = territory.grids.iter().map(|grid| grid.code.as_str()).collect();
        codes.sort_unstable();
        let rank = |owner: &Owner| match owner {
            Owner::Grid(ix) => codes.binary_search(&territory.grid(*ix).code.as_str()).unwrap() as u16,
            Owner::Region(_) | Owner::Void(_) => NONE,
        };
        Self(territory.partition.owners.iter().map(rank).collect())
    }

    /// An answer as the oracle writes it.
    pub(crate) fn answer(&self, found: Located) -> u16 {
        match found {
            Located::Inside { owner, .. } => owner.at().map_or(NONE, |at| self.0[at]),
            Located::Outside => NONE,
        }
    }
}
