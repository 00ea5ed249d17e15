//! Which tiles a change changed: exactly those whose bytes differ, found without looking at all of them.
//!
//! First candidates: tiles of rows and cluster cells that were written; for boundaries, tiles of borders whose drawn form differs at
//! a zoom, with what lies between the old and the new ones, and tiles of features whose attributes differ. Then candidates that came out
//! the same drop out, as long as there are few enough to be built.

use super::build::{TileRequest, build_whole};
use super::layer::{Fields, Layer, Layers};
use crate::city::clusters::{CLUSTER_MIN_ZOOM, POINT_ZOOM};
use crate::city::{Change, City};
use crate::domain::code::Code;
use crate::domain::id::{GridIx, RegionIx};
use crate::domain::scope::Scope;
use crate::geom::mercator::{MercatorPoint, Pixel, PixelGrid, in_tiles, tile_at};
use crate::geom::packed::Bounds;
use crate::geom::{LatticeBox, LatticePoint, TileId};
use crate::territory::Territory;
use crate::territory::drawn::{DrawnZoom, Feature};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use xxhash_rust::xxh3::Xxh3;

/// Above this many tiles of a layer the answer is "all of them": clients would not be told one by one either.
pub const MOST_TILES: usize = 2_000;

/// The tiles of one layer that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tiles {
    /// These.
    Some(BTreeSet<TileId>),
    /// All, or too many to tell.
    All,
}

/// The tiles that changed, by layer; a layer without any is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// By layer.
    pub layers: BTreeMap<Layer, Tiles>,
    /// Grids have other borders or owners: what callers with a narrower scope see of facilities and cases may differ in any tile.
    pub scopes: bool,
}

impl Changed {
    /// Whether a tile of a layer is among them.
    pub fn holds(&self, layer: Layer, tile: TileId) -> bool {
        match self.layers.get(&layer) {
            None => false,
            Some(Tiles::All) => true,
            Some(Tiles::Some(tiles)) => tiles.contains(&tile),
        }
    }

    /// Nothing changed on any map.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty() && !self.scopes
    }

    fn put(&mut self, layer: Layer, tiles: Tiles) {
        if tiles != Tiles::Some(BTreeSet::new()) {
            self.layers.insert(layer, tiles);
        }
    }
}

/// The tiles that differ between two revisions, of which the second came from the first by `change`. Of facilities and cases: at most
/// two tiles a zoom and row. Of boundaries: some hundred milliseconds for a city of 20,000 grids, most of it for drawing the new
/// borders, which are then there for the tiles.
pub fn changed(old: &City, new: &City, change: &Change) -> Changed {
    let mut changed = Changed::default();
    match change {
        Change::Boundaries(_) => {
            changed.scopes = true;
            let candidates = boundaries(old, new);
            for (layer, tiles) in candidates {
                changed.put(layer, differing(old, new, layer, tiles));
            }
        }
        Change::Facilities { put, removed } => {
            let ids = put.iter().map(|row| row.id).chain(removed.iter().copied());
            let places = ids.flat_map(|id| [old, new].map(|city| city.facilities.facility(id).map(|row| row.at))).flatten();
            let tiles = tiles_of(places, Layer::Facilities, old);
            changed.put(Layer::Facilities, differing(old, new, Layer::Facilities, tiles));
        }
        Change::Cases { put, removed } => {
            let ids = put.iter().map(|case| case.record.id).chain(removed.iter().copied());
            let places = ids.flat_map(|id| [old, new].map(|city| city.cases.case(id).and_then(|case| case.record.at))).flatten();
            let tiles = tiles_of(places, Layer::Cases, old);
            changed.put(Layer::Cases, differing(old, new, Layer::Cases, tiles));
        }
        Change::About(_) if old.about.profile != new.about.profile => changed.put(Layer::Facilities, Tiles::All),
        Change::About(_) | Change::Staff(_) => {}
    }
    changed
}

/// The tiles that hold these places at the zooms of a layer of points. The cluster cells of a place lie in the same tiles.
fn tiles_of(places: impl Iterator<Item = LatticePoint>, layer: Layer, city: &City) -> Tiles {
    let (first, last) = layer.zooms(city).unwrap_or((CLUSTER_MIN_ZOOM, POINT_ZOOM));
    let mut tiles = BTreeSet::new();
    for place in places.filter(|place| in_tiles(*place)) {
        let at = MercatorPoint::of(place);
        tiles.extend((first..=last).map(|zoom| tile_at(at, zoom)));
        if tiles.len() > 2 * MOST_TILES {
            return Tiles::All;
        }
    }
    Tiles::Some(tiles)
}

/// Those of the candidates whose bytes differ.
fn differing(old: &City, new: &City, layer: Layer, candidates: Tiles) -> Tiles {
    let Tiles::Some(candidates) = candidates else { return Tiles::All };
    if candidates.len() > 2 * MOST_TILES {
        return Tiles::All;
    }
    let differs = |tile: TileId| {
        let request = TileRequest { tile, layers: Layers::from(layer), fields: Fields::ALL, scope: Scope::All };
        // Whole, since a tile that is too large loses what a request for fewer fields still has.
        build_whole(old, &request) != build_whole(new, &request)
    };
    let differing: BTreeSet<TileId> = candidates.into_iter().filter(|tile| differs(*tile)).collect();
    if differing.len() > MOST_TILES { Tiles::All } else { Tiles::Some(differing) }
}

/// Candidates of the layers of boundaries.
fn boundaries(old: &City, new: &City) -> Vec<(Layer, Tiles)> {
    let layers = [Layer::Regions, Layer::Grids, Layer::Labels];
    let (before, after) = (&*old.territory, &*new.territory);
    if before.scheme != after.scheme || before.level_zooms() != after.level_zooms() {
        return layers.map(|layer| (layer, Tiles::All)).to_vec();
    }
    let Some((first, last)) = Layers::parse("regions,grids,labels").ok().and_then(|layers| layers.zooms(new)) else {
        return vec![];
    };
    let mut candidates: BTreeMap<Layer, BTreeSet<TileId>> = BTreeMap::new();
    let touched = touched_features(before, after);
    for zoom in first..=last {
        let (one, other) = (before.drawn(zoom), after.drawn(zoom));
        let mut boxes: HashMap<(Layer, Code), Bounds> = HashMap::new();
        grow_boxes(before, zoom, &edges_that_differ(before, one, after, other, zoom), &mut boxes);
        grow_boxes(after, zoom, &edges_that_differ(after, other, before, one, zoom), &mut boxes);
        let mut too_many = HashSet::new();
        let mut add = |layer: Layer, bounds: Bounds| {
            if !add_tiles(candidates.entry(layer).or_default(), one.grid(), zoom, bounds) {
                too_many.insert(layer);
            }
        };
        boxes.into_iter().for_each(|((layer, _), bounds)| add(layer, bounds));
        for (level, layer, bbox) in &touched.areas {
            if before.shows(*level, zoom) {
                add(*layer, pixel_box(one.grid(), *bbox));
            }
        }
        let labels = candidates.entry(Layer::Labels).or_default();
        for (level, place) in &touched.labels {
            if before.shows(*level, zoom) {
                labels.insert(tile_at(MercatorPoint::of(*place), zoom));
            }
        }
        let collapsed = |territory: &Territory, drawn: &DrawnZoom| -> HashMap<Code, Option<LatticePoint>> {
            drawn
                .collapsed()
                .iter()
                .map(|feature| (code_of(territory, *feature).clone(), label_of(territory, *feature)))
                .collect()
        };
        let (was, is) = (collapsed(before, one), collapsed(after, other));
        let turned =
            was.iter().filter(|(code, _)| !is.contains_key(*code)).chain(is.iter().filter(|(code, _)| !was.contains_key(*code)));
        labels.extend(turned.filter_map(|(_, place)| Some(tile_at(MercatorPoint::of((*place)?), zoom))));
        for layer in layers {
            let so_far = candidates.get(&layer).map_or(0, BTreeSet::len);
            if too_many.contains(&layer) || so_far > 2 * MOST_TILES {
                return layers.map(|layer| (layer, Tiles::All)).to_vec();
            }
        }
    }
    candidates.into_iter().map(|(layer, tiles)| (layer, Tiles::Some(tiles))).collect()
}

/// Features that are in one territory only, or whose attributes differ.
struct Touched {
    /// Level, layer and land of those whose attributes differ.
    areas: Vec<(usize, Layer, LatticeBox)>,
    /// Level and place of labels that came, went, moved or say something else.
    labels: Vec<(usize, LatticePoint)>,
}

fn touched_features(before: &Territory, after: &Territory) -> Touched {
    let mut touched = Touched { areas: vec![], labels: vec![] };
    let of = |territory: &Territory| -> HashMap<Code, Feature> {
        let regions = (0..territory.regions.len()).map(|at| Feature::Region(RegionIx(at as u32)));
        let grids = (0..territory.grids.len()).map(|at| Feature::Grid(GridIx(at as u32)));
        regions.chain(grids).map(|feature| (code_of(territory, feature).clone(), feature)).collect()
    };
    let (old, new) = (of(before), of(after));
    let look = |territory: &Territory, feature: Feature| {
        let parent = match feature {
            Feature::Region(ix) => territory.region(ix).parent,
            Feature::Grid(ix) => territory.grid(ix).parent,
        };
        let parent = parent.map(|ix| territory.region(ix).code.clone());
        match feature {
            Feature::Region(ix) => (territory.region(ix).level, territory.region(ix).name.clone(), "", parent),
            Feature::Grid(ix) => {
                (territory.scheme.grid_level(), territory.grid(ix).name.clone(), territory.grid(ix).kind.as_str(), parent)
            }
        }
    };
    for (territory, features, other, others) in [(before, &old, after, &new), (after, &new, before, &old)] {
        for (code, feature) in features {
            let level = territory.level_of(*feature);
            let layer = if matches!(feature, Feature::Grid(_)) { Layer::Grids } else { Layer::Regions };
            let (bbox, place) = match feature {
                Feature::Region(ix) => (territory.region(*ix).bbox, territory.region(*ix).label),
                Feature::Grid(ix) => (Some(territory.grid(*ix).bbox), Some(territory.grid(*ix).label)),
            };
            let there = others.get(code).copied();
            let same = there.is_some_and(|there| look(territory, *feature) == look(other, there));
            if !same {
                touched.areas.extend(bbox.map(|bbox| (level, layer, bbox)));
            }
            if !same || there.and_then(|there| label_of(other, there)) != place {
                touched.labels.extend(place.filter(|place| in_tiles(*place)).map(|place| (level, place)));
            }
        }
    }
    touched
}

fn code_of(territory: &Territory, feature: Feature) -> &Code {
    match feature {
        Feature::Region(ix) => &territory.region(ix).code,
        Feature::Grid(ix) => &territory.grid(ix).code,
    }
}

fn label_of(territory: &Territory, feature: Feature) -> Option<LatticePoint> {
    match feature {
        Feature::Region(ix) => territory.region(ix).label,
        Feature::Grid(ix) => Some(territory.grid(ix).label),
    }
}

/// Edges of a zoom as numbers: where they run and what all shown levels have on both sides.
fn hash_sides(territory: &Territory, sides: [Option<Feature>; 2], zoom: u8) -> u64 {
    let mut hash = Xxh3::new();
    for side in sides {
        let shown = side.into_iter().flat_map(|feature| territory.upward(feature));
        for feature in shown.filter(|feature| territory.shows(territory.level_of(*feature), zoom)) {
            hash.update(code_of(territory, feature).as_str().as_bytes());
            hash.update(b"/");
        }
        hash.update(b"|");
    }
    hash.digest()
}

type EdgeKey = (Pixel, Pixel, u64);

fn edge_key(pair: &[Pixel], sides: u64) -> EdgeKey {
    (pair[0], pair[1], sides)
}

/// An edge and what is on its sides.
type DrawnEdge = (Pixel, Pixel, [Option<Feature>; 2]);

/// The edges of `drawn` that `other` has not, each with its sides.
fn edges_that_differ(
    territory: &Territory,
    drawn: &DrawnZoom,
    other_territory: &Territory,
    other: &DrawnZoom,
    zoom: u8,
) -> Vec<DrawnEdge> {
    let line_key = |points: &[Pixel], sides: u64| {
        let mut hash = Xxh3::with_seed(sides);
        points.iter().flatten().for_each(|at| hash.update(&at.to_le_bytes()));
        hash.digest()
    };
    // Whole lines first: nearly all are the same.
    let lines = |territory: &Territory, drawn: &DrawnZoom| -> Vec<u64> {
        drawn.lines().map(|(points, sides)| line_key(points, hash_sides(territory, sides, zoom))).collect()
    };
    let (ours, theirs) = (lines(territory, drawn), lines(other_territory, other));
    let known: HashSet<u64> = theirs.iter().copied().collect();
    let kept: HashSet<u64> = ours.iter().copied().collect();
    let mut edges: HashSet<EdgeKey> = HashSet::new();
    for (points, sides) in other.lines().zip(&theirs).filter(|(_, key)| !kept.contains(key)).map(|(line, _)| line) {
        let sides = hash_sides(other_territory, sides, zoom);
        edges.extend(points.windows(2).map(|pair| edge_key(pair, sides)));
    }
    let mut differing = vec![];
    for (points, sides) in drawn.lines().zip(&ours).filter(|(_, key)| !known.contains(key)).map(|(line, _)| line) {
        let hash = hash_sides(territory, sides, zoom);
        let new = points.windows(2).filter(|pair| !edges.contains(&edge_key(pair, hash)));
        differing.extend(new.map(|pair| (pair[0], pair[1], sides)));
    }
    differing
}

/// Grows the box of every feature beside one of the edges. What a feature gained or lost is bounded by edges that differ, so it lies in the
/// box of those of the old and of the new borders.
fn grow_boxes(territory: &Territory, zoom: u8, edges: &[DrawnEdge], boxes: &mut HashMap<(Layer, Code), Bounds>) {
    for (from, to, sides) in edges {
        let bounds = Bounds::around([*from, *to]);
        for feature in sides.iter().flatten().flat_map(|side| territory.upward(*side)) {
            if territory.shows(territory.level_of(feature), zoom) {
                let layer = if matches!(feature, Feature::Grid(_)) { Layer::Grids } else { Layer::Regions };
                let known = boxes.entry((layer, code_of(territory, feature).clone())).or_insert(Bounds::EMPTY);
                *known = known.union(bounds);
            }
        }
    }
}

fn pixel_box(grid: PixelGrid, bbox: LatticeBox) -> Bounds {
    Bounds::around([bbox.min, bbox.max].map(|p| grid.pixel(MercatorPoint::of(p))))
}

/// Adds the tiles whose extent with buffer meets a box of pixels. `false` when there are too many.
fn add_tiles(tiles: &mut BTreeSet<TileId>, grid: PixelGrid, zoom: u8, bounds: Bounds) -> bool {
    let (columns, rows) = grid.tiles_meeting(bounds.min, bounds.max);
    let count = u64::from(columns.end() - columns.start() + 1) * u64::from(rows.end() - rows.start() + 1);
    if count > 2 * MOST_TILES as u64 {
        return false;
    }
    for x in columns {
        tiles.extend(rows.clone().map(|y| TileId::new(zoom, x, y).expect("tiles of a box lie in the world")));
    }
    true
}

#[cfg(test)]
#[path = "changed_tests.rs"]
mod tests;
