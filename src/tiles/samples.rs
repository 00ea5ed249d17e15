//! Cities for tests, and a reader of tiles that is not our own.

use crate::city::{About, Case, City, Facility};
use crate::domain::case::{CaseRecord, Located};
use crate::domain::category::{Category, CategoryKind, CodeProfile};
use crate::domain::code::Code;
use crate::domain::facility::FacilityState;
use crate::domain::grid::{GridKind, GridRecord};
use crate::domain::id::{CaseId, Epoch, FacilityId, Revision, Version};
use crate::domain::records::{BoundarySet, Provenance};
use crate::domain::region::RegionRecord;
use crate::geom::fuzz::{Mesh, Numbers};
use crate::geom::planar::Arrangement;
use crate::geom::{LatticePoint, TileId};
use crate::territory::Territory;
use fast_mvt::{MvtReaderRef, MvtValueRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A feature as another reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) id: Option<u64>,
    pub(crate) tags: BTreeMap<String, String>,
    /// One ring a path, first point not repeated; a point is a path of one.
    pub(crate) paths: Vec<Vec<[i32; 2]>>,
}

/// Layers of a tile by name.
pub(crate) fn decode(bytes: &[u8]) -> BTreeMap<String, Vec<Decoded>> {
    let reader = MvtReaderRef::new(bytes).expect("a tile that reads back");
    let mut layers = BTreeMap::new();
    for layer in reader.layers() {
        assert_eq!((layer.version(), layer.extent()), (2, 4096));
        let features = layer
            .features()
            .map(|feature| {
                feature.geometry().expect("valid geometry");
                let tags = feature.properties().map(|property| {
                    let (key, value) = property.expect("a tag that reads back");
                    let value = match value {
                        MvtValueRef::String(text) => text.to_owned(),
                        MvtValueRef::UInt(number) => number.to_string(),
                        MvtValueRef::SInt(number) => number.to_string(),
                        MvtValueRef::Bool(truth) => truth.to_string(),
                        other => panic!("unexpected value {other:?}"),
                    };
                    (key.to_owned(), value)
                });
                Decoded { id: feature.id(), tags: tags.collect(), paths: paths(feature.geometry_commands()) }
            })
            .collect();
        assert!(layers.insert(layer.name().to_owned(), features).is_none(), "a layer stands once");
    }
    layers
}

fn paths(commands: &[u32]) -> Vec<Vec<[i32; 2]>> {
    let (mut paths, mut at, mut pen) = (vec![], 0, [0, 0]);
    while at < commands.len() {
        let (command, count) = (commands[at] & 7, (commands[at] >> 3) as usize);
        at += 1;
        if command == 7 {
            continue;
        }
        for _ in 0..count {
            for axis in 0..2 {
                let zigzag = commands[at + axis];
                pen[axis] += (zigzag >> 1) as i32 ^ -((zigzag & 1) as i32);
            }
            at += 2;
            if command == 1 {
                paths.push(vec![]);
            }
            paths.last_mut().expect("paths begin with a move").push(pen);
        }
    }
    paths
}

pub(crate) fn profile() -> CodeProfile {
    let category = |kind, code: &str| Category {
        kind,
        code: code.to_owned(),
        major: String::new(),
        name: String::new(),
        icon: String::new(),
    };
    CodeProfile::new(
        "test".to_owned(),
        [
            category(CategoryKind::Component, "01010"),
            category(CategoryKind::Component, "01020"),
            category(CategoryKind::Component, "02010"),
            category(CategoryKind::Matter, "06010"),
        ],
    )
}

/// A city without facilities, staff and cases.
pub(crate) fn city_of(set: &BoundarySet) -> City {
    let territory = Territory::build(Epoch(1), set).unwrap_or_else(|faults| panic!("{faults:?}"));
    let about = About {
        title: "Test".to_owned(),
        synthetic: true,
        attribution: vec![],
        time_zone: "Asia/Shanghai".to_owned(),
        profile: profile(),
        background: None,
    };
    City::empty(Revision(1), about, territory)
}

pub(crate) fn grid(code: &str, area: crate::geom::Area) -> GridRecord {
    GridRecord {
        code: Code::new(code).expect("a code"),
        name: format!("网格{code}"),
        kind: GridKind::Base,
        parent: None,
        area,
        households: None,
        population: None,
        provenance: Provenance::default(),
    }
}

/// Lattice points of a mesh, `scale` units a unit, around 122° E 30° N.
pub(crate) fn placed(mesh: &Mesh, scale: i32) -> Vec<Vec<LatticePoint>> {
    let place = |p: &crate::geom::mercator::MercatorPoint| {
        LatticePoint::new(1_220_000_000 + (p.x % (1 << 26)) * scale, 300_000_000 + (p.y % (1 << 26)) * scale)
    };
    mesh.lines.iter().map(|line| line.iter().map(place).collect()).collect()
}

/// A city of random grids in communities, townships and counties; some land inside is nobody's.
pub(crate) fn random_city(seed: u64, scale: i32) -> City {
    city_of(&random_set(seed, scale))
}

pub(crate) fn random_set(seed: u64, scale: i32) -> BoundarySet {
    random_set_where(seed, scale, Some)
}

/// The same land, each of its pieces given to whom `reassign` says instead of the owner that the seed names (0 …).
pub(crate) fn random_set_where(seed: u64, scale: i32, reassign: impl Fn(u32) -> Option<u32>) -> BoundarySet {
    let mut numbers = Numbers::new(seed);
    let mesh = Mesh::random(&mut numbers);
    let arrangement = Arrangement::of_lines(&placed(&mesh, scale)).expect("comes to rest");
    let wanted = 1 + numbers.below(12);
    let owners: Vec<Option<u32>> = (0..arrangement.face_count())
        .map(|_| {
            let owner = numbers.below(wanted + 1);
            (owner < wanted).then_some(owner).and_then(&reassign)
        })
        .collect();
    let areas = arrangement.areas(&owners, 16);
    let communities = ["330902001001", "330902001002", "330902002001", "330903001001", "330903"];
    let codes: Vec<String> = (0..16).map(|at| format!("{:0<12}{at:03}", communities[numbers.below(5) as usize])).collect();
    let named = areas.into_iter().zip(&codes).filter(|(area, _)| !area.is_empty());
    let mut grids: Vec<GridRecord> = named.map(|(area, code)| grid(code, area)).collect();
    grids.sort_by(|a, b| a.code.cmp(&b.code));
    let mut codes: BTreeSet<(String, &str)> = BTreeSet::new();
    for grid in &grids {
        let text = grid.code.as_str();
        codes.insert((text[..4].to_owned(), "city"));
        codes.insert((text[..6].to_owned(), "county"));
        if !text.starts_with("330903000") {
            codes.insert((text[..9].to_owned(), "township"));
            codes.insert((text[..12].to_owned(), "community"));
        }
    }
    let regions = codes.into_iter().map(|(code, level)| RegionRecord {
        name: format!("区{code}"),
        code: Code::new(&code).expect("a code"),
        level: level.to_owned(),
        parent: None,
        claim: None,
        provenance: Provenance::default(),
    });
    BoundarySet { regions: regions.collect(), grids, ..BoundarySet::default() }
}

/// A facility somewhere.
pub(crate) fn facility(id: i64, at: LatticePoint, category: u16) -> Facility {
    Facility {
        id: FacilityId(id),
        at,
        leaf: None,
        category,
        state: FacilityState::Intact,
        version: Version(1),
        name: format!("设施{id}").into(),
        code: None,
    }
}

/// An open case, somewhere or nowhere.
pub(crate) fn case(id: i64, at: Option<LatticePoint>) -> Case {
    let record = CaseRecord {
        id: CaseId(id),
        located: if at.is_some() { Located::Exact } else { Located::None },
        at,
        ..CaseRecord::reported("06010", jiff::Timestamp::UNIX_EPOCH)
    };
    Case { leaf: None, record: Arc::new(record) }
}

/// A place in the box of the city's land.
pub(crate) fn place_in(city: &City, numbers: &mut Numbers) -> LatticePoint {
    let boxes = city.territory.grids.iter().map(|grid| grid.bbox);
    let land = boxes.reduce(crate::geom::LatticeBox::union).expect("there are grids");
    let mut between = |low: i32, high: i32| low + numbers.below((high - low) as u32) as i32;
    LatticePoint::new(between(land.min.x, land.max.x), between(land.min.y, land.max.y))
}

/// Tiles of a zoom that meet the city's land, with those around.
pub(crate) fn tiles_of(city: &City, zoom: u8) -> Vec<TileId> {
    use crate::geom::mercator::{MercatorPoint, PixelGrid};
    let boxes = city.territory.grids.iter().map(|grid| grid.bbox);
    let Some(all) = boxes.reduce(crate::geom::LatticeBox::union) else { return vec![] };
    let grid = PixelGrid::of_zoom(zoom);
    let (min, max) = (grid.pixel(MercatorPoint::of(all.min)), grid.pixel(MercatorPoint::of(all.max)));
    let (columns, rows) = grid.tiles_meeting([min[0] - 4, max[1] - 4], [max[0] + 4, min[1] + 4]);
    let tile = |x, y| TileId::new(zoom, x, y).expect("in range");
    columns.flat_map(|x| rows.clone().map(move |y| tile(x, y))).collect()
}
