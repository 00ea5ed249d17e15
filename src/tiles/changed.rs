//! Which tiles a change changed: exactly those whose bytes differ, found without looking at all of them.
//!
//! First candidates: tiles of rows and cluster cells that were written; for boundaries, tiles of borders whose drawn form differs
//! at a zoom, with what lies between the old and the new ones, and tiles of features whose attributes differ. Then candidates
//! that came out the same drop out, as long as there are few enough to be built. Most need not be: a border that is there in one
//! drawing only tells.

mod borders;

use super::build::alike;
use super::layer::{FIRST_BUILDING_ZOOM, Layer, Layers};
use crate::city::clusters::{CLUSTER_MIN_ZOOM, POINT_ZOOM};
use crate::city::{Change, City};
use crate::domain::building::Site;
use crate::domain::code::Code;
use crate::domain::id::{GridIx, RegionIx, Unit};
use crate::geom::mercator::{MercatorPoint, PixelGrid, in_tiles, tile_at};
use crate::geom::packed::Bounds;
use crate::geom::{LatticeBox, LatticePoint, TileId};
use crate::territory::Territory;
use crate::territory::drawn::{DrawnZoom, Feature, MOST_STEPS, in_parallel};
use borders::{Borders, Looks, code_of, edges_that_differ, grow_boxes, layer_of};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

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
    /// Exactly those that differ for callers who see everything.
    pub layers: BTreeMap<Layer, Tiles>,
    /// Those that may differ for callers who see a part, these and some more: a point that moves by less than a pixel stays where
    /// it is on the map of all and may leave the grid of one, and one that a cluster of thousands does not feel may be alone in a
    /// part of it.
    pub scoped: BTreeMap<Layer, Tiles>,
    /// Whose they are: what those who see a part are told of is theirs. A layer that is in `scoped` and not here changed for all of them.
    pub traces: BTreeMap<Layer, Vec<Trace>>,
}

/// The tiles of what changed on one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Codes of the leaf and of all regions above it; empty outside every grid. Codes, since the boundaries may move on before it is told.
    pub path: Arc<[Code]>,
    /// Of facilities: their category.
    pub category: Option<String>,
    /// Where they are, and where they were.
    pub tiles: BTreeSet<TileId>,
}

/// Above this many traces of a layer all who see a part are told that it changed.
const MOST_TRACES: usize = 2_000;

impl Changed {
    /// Whether a tile of a layer is among them, for a caller who sees everything or (`scoped`) a part.
    pub fn holds(&self, layer: Layer, tile: TileId, scoped: bool) -> bool {
        match if scoped { &self.scoped } else { &self.layers }.get(&layer) {
            None => false,
            Some(Tiles::All) => true,
            Some(Tiles::Some(tiles)) => tiles.contains(&tile),
        }
    }

    /// Takes over what a later change changed.
    pub fn extend(&mut self, later: &Self) {
        for (known, more) in [(&mut self.layers, &later.layers), (&mut self.scoped, &later.scoped)] {
            for (layer, tiles) in more {
                let known = known.entry(*layer).or_insert_with(|| Tiles::Some(BTreeSet::new()));
                match (&mut *known, tiles) {
                    (Tiles::Some(known), Tiles::Some(tiles)) => known.extend(tiles.iter().copied()),
                    (known, _) => *known = Tiles::All,
                }
            }
        }
        // A layer without traces in either of the two changed for all.
        let untold = |one: &Self, layer: &Layer| one.scoped.contains_key(layer) && !one.traces.contains_key(layer);
        let gone: Vec<Layer> = Layer::ALL.into_iter().filter(|layer| untold(self, layer) || untold(later, layer)).collect();
        for (layer, traces) in &later.traces {
            self.traces.entry(*layer).or_default().extend(traces.iter().cloned());
        }
        self.traces.retain(|layer, traces| !gone.contains(layer) && traces.len() <= MOST_TRACES);
    }

    /// Nothing changed on any map.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.scoped.is_empty()
    }

    /// Notes whose the changed tiles of a layer are. None, when they are too many.
    fn trace(&mut self, city: &City, layer: Layer, owners: impl Iterator<Item = (Option<Unit>, Option<String>, Site)>) {
        let mut traces: BTreeMap<(Option<Unit>, Option<String>), BTreeSet<TileId>> = BTreeMap::new();
        let mut count = 0;
        for (leaf, category, site) in owners {
            let tiles = match &site {
                Site::Point(at) => tiles_of(std::iter::once(*at), layer, city),
                Site::Footprint(_) => tiles_with(std::iter::once(site), layer, city),
            };
            let Tiles::Some(tiles) = tiles else { return };
            count += tiles.len();
            traces.entry((leaf, category)).or_default().extend(tiles);
            if traces.len() > MOST_TRACES || count > 2 * MOST_TILES {
                return;
            }
        }
        let traces =
            traces.into_iter().map(|((leaf, category), tiles)| Trace { path: path(&city.territory, leaf), category, tiles });
        self.traces.insert(layer, traces.collect());
    }

    /// Of the candidates: those that differ, and all of them for narrower scopes.
    fn put(&mut self, old: &City, new: &City, layer: Layer, candidates: Tiles, borders: &Borders) {
        let none = Tiles::Some(BTreeSet::new());
        let differing = differing(old, new, layer, &candidates, borders);
        for (known, tiles) in [(&mut self.layers, differing), (&mut self.scoped, candidates)] {
            if tiles != none {
                known.insert(layer, tiles);
            }
        }
    }
}

/// The tiles that differ between two revisions, of which the second came from the first by `change`. Of facilities and cases: at
/// most a few tiles a zoom and row. Of boundaries: the new borders are drawn at every zoom, and are then there for the tiles.
pub fn changed(old: &City, new: &City, change: &Change) -> Changed {
    let mut changed = Changed::default();
    match change {
        // Tiles of other grid sets are cached by their epoch: those of a new one are others.
        Change::Boundaries(territory) if !territory.set.is_governance() => {}
        Change::Boundaries(_) => {
            let (candidates, borders) = boundaries(old, new);
            for (layer, tiles) in candidates {
                changed.put(old, new, layer, tiles, &borders);
            }
            if !same_land(&old.territory, &new.territory) {
                changed.scoped = Layer::ALL.map(|layer| (layer, Tiles::All)).into();
            }
        }
        Change::Facilities { put, removed } => {
            let look = |city: &City, id| {
                city.facilities.facility(id).map(|row| (row.at, row.leaf, row.category, row.state, row.name.clone()))
            };
            let ids = put.iter().map(|row| row.id).chain(removed.iter().copied());
            let looks = ids.map(|id| [look(old, id), look(new, id)]).filter(|[was, is]| was != is);
            let looks: Vec<_> = looks.flatten().flatten().collect();
            let category =
                |category: u16| new.about.profile.categories.get(usize::from(category)).map(|known| known.code.clone());
            let owners = looks.iter().map(|look| (look.1, category(look.2), Site::Point(look.0)));
            changed.trace(new, Layer::Facilities, owners);
            let tiles = tiles_of(looks.iter().map(|look| look.0), Layer::Facilities, old);
            changed.put(old, new, Layer::Facilities, tiles, &Borders::default());
        }
        Change::Cases { put, removed } => {
            let look = |city: &City, id| {
                let (case, record) = city.cases.case(id).map(|case| (case, &case.record))?;
                Some((record.at?, case.leaf, record.category.clone(), record.state, record.overdue, record.due_at))
            };
            let ids = put.iter().map(|case| case.record.id).chain(removed.iter().copied());
            let looks = ids.map(|id| [look(old, id), look(new, id)]).filter(|[was, is]| was != is);
            let looks: Vec<_> = looks.flatten().flatten().collect();
            changed.trace(new, Layer::Cases, looks.iter().map(|look| (look.1, None, Site::Point(look.0))));
            let tiles = tiles_of(looks.iter().map(|look| look.0), Layer::Cases, old);
            changed.put(old, new, Layer::Cases, tiles, &Borders::default());
        }
        Change::Organizations { put, removed } => {
            let look = |city: &City, id| {
                let one = city.organizations.get(id)?;
                Some((one.record.at?, one.unit, one.record.category.clone(), one.record.name.clone()))
            };
            let ids = put.iter().map(|record| record.id).chain(removed.iter().copied());
            let looks = ids.map(|id| [look(old, id), look(new, id)]).filter(|[was, is]| was != is);
            let looks: Vec<_> = looks.flatten().flatten().collect();
            changed.trace(new, Layer::Organizations, looks.iter().map(|look| (look.1, None, Site::Point(look.0))));
            let tiles = tiles_of(looks.iter().map(|look| look.0), Layer::Organizations, old);
            changed.put(old, new, Layer::Organizations, tiles, &Borders::default());
        }
        Change::Buildings { put, removed } => {
            let look = |city: &City, id| {
                let one = city.buildings.get(id)?;
                let record = &one.record;
                Some((record.site.clone()?, one.unit, record.name.clone(), record.households, record.storeys))
            };
            let ids = put.iter().map(|record| record.id).chain(removed.iter().copied());
            let looks = ids.map(|id| [look(old, id), look(new, id)]).filter(|[was, is]| was != is);
            let looks: Vec<_> = looks.flatten().flatten().collect();
            changed.trace(new, Layer::Buildings, looks.iter().map(|look| (look.1, None, look.0.clone())));
            let tiles = tiles_with(looks.into_iter().map(|look| look.0), Layer::Buildings, old);
            changed.put(old, new, Layer::Buildings, tiles, &Borders::default());
        }
        Change::About(_) if old.about.profile != new.about.profile => {
            changed.layers.insert(Layer::Facilities, Tiles::All);
            changed.scoped.insert(Layer::Facilities, Tiles::All);
        }
        Change::About(_) | Change::Staff(_) | Change::Addresses(_) => {}
    }
    changed
}

/// Codes of a leaf and of all regions above it.
fn path(territory: &Territory, leaf: Option<Unit>) -> Arc<[Code]> {
    let (own, above) = match leaf {
        None => (None, None),
        Some(Unit::Grid(ix)) => (Some(territory.grid(ix).code.clone()), territory.grid(ix).parent),
        Some(Unit::Region(ix)) => (None, Some(ix)),
    };
    let above = territory.path(above).into_iter().map(|ix| territory.region(ix).code.clone());
    above.chain(own).collect()
}

/// Whether every place has the same owner and every owner the same regions above it, so that every scope sees the same places.
fn same_land(before: &Territory, after: &Territory) -> bool {
    let regions = before.regions.iter().map(|region| (&region.code, region.parent));
    let grids = before.grids.iter().map(|grid| (&grid.code, grid.parent));
    let same_regions = regions.eq(after.regions.iter().map(|region| (&region.code, region.parent)));
    let same_grids = grids.eq(after.grids.iter().map(|grid| (&grid.code, grid.parent)));
    let (one, other) = (&before.partition, &after.partition);
    same_regions && same_grids && one.owners == other.owners && one.arcs().eq(other.arcs())
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

/// The tiles whose extent with buffer meets the box around one of these sites.
fn tiles_with(sites: impl Iterator<Item = Site>, layer: Layer, city: &City) -> Tiles {
    let (first, last) = layer.zooms(city).unwrap_or((FIRST_BUILDING_ZOOM, FIRST_BUILDING_ZOOM));
    let mut tiles = BTreeSet::new();
    for site in sites.filter(|site| in_tiles(site.at())) {
        for zoom in first..=last {
            let grid = PixelGrid::of_zoom(zoom);
            if !add_tiles(&mut tiles, grid, zoom, pixel_box(grid, site.bbox())) || tiles.len() > 2 * MOST_TILES {
                return Tiles::All;
            }
        }
    }
    Tiles::Some(tiles)
}

/// Those of the candidates whose bytes differ.
fn differing(old: &City, new: &City, layer: Layer, candidates: &Tiles, borders: &Borders) -> Tiles {
    let Tiles::Some(candidates) = candidates else { return Tiles::All };
    if candidates.len() > 2 * MOST_TILES {
        return Tiles::All;
    }
    let differ = |tile: &TileId| borders.tell(&old.territory, &new.territory, *tile, layer) || !alike(old, new, *tile, layer);
    // The most costly lie next to each other, those of one zoom: dealt out by turns.
    let candidates: Vec<TileId> = candidates.iter().step_by(2).chain(candidates.iter().skip(1).step_by(2)).copied().collect();
    let of_range = |range: Range<usize>| candidates[range].iter().copied().filter(differ).collect();
    let differing: BTreeSet<TileId> = in_parallel(candidates.len(), 2, of_range).into_iter().collect();
    if differing.len() > MOST_TILES { Tiles::All } else { Tiles::Some(differing) }
}

/// Candidates of the layers of boundaries, and the edges that differ.
fn boundaries(old: &City, new: &City) -> (Vec<(Layer, Tiles)>, Borders) {
    let layers = [Layer::Regions, Layer::Grids, Layer::Labels];
    let all = layers.map(|layer| (layer, Tiles::All)).to_vec();
    let (before, after) = (&*old.territory, &*new.territory);
    if before.scheme != after.scheme || before.level_zooms() != after.level_zooms() {
        return (all, Borders::default());
    }
    let Some((first, last)) = Layers::parse("regions,grids,labels").ok().and_then(|layers| layers.zooms(new)) else {
        return (vec![], Borders::default());
    };
    after.draw_after(before);
    let touched = touched_features(before, after);
    // The deepest take longest: every other one to the other core.
    let zooms: Vec<u8> = (first..=last).rev().step_by(2).chain((first..=last).rev().skip(1).step_by(2)).collect();
    let of_zooms = in_parallel(zooms.len(), 1, |range| {
        zooms[range].iter().map(|zoom| boundaries_of_zoom(before, after, &touched, *zoom)).collect::<Vec<_>>()
    });
    let mut candidates: BTreeMap<Layer, BTreeSet<TileId>> = BTreeMap::new();
    let mut borders = Borders::default();
    for of_zoom in of_zooms {
        let Some((of_zoom, of_borders)) = of_zoom else { return (all, Borders::default()) };
        borders.extend(of_borders);
        for (layer, tiles) in of_zoom {
            candidates.entry(layer).or_default().extend(tiles);
        }
    }
    if candidates.values().any(|tiles| tiles.len() > 2 * MOST_TILES) {
        return (all, Borders::default());
    }
    (candidates.into_iter().map(|(layer, tiles)| (layer, Tiles::Some(tiles))).collect(), borders)
}

/// Candidates of one zoom by layer, and the edges that differ; `None` when there are too many.
fn boundaries_of_zoom(
    before: &Territory,
    after: &Territory,
    touched: &Touched,
    zoom: u8,
) -> Option<(BTreeMap<Layer, BTreeSet<TileId>>, Borders)> {
    let mut candidates: BTreeMap<Layer, BTreeSet<TileId>> = BTreeMap::new();
    let mut borders = Borders::default();
    let grid = before.drawn(zoom).grid();
    let mut too_many = false;
    let mut add = |layer: Layer, grid: PixelGrid, bounds: Bounds| {
        too_many |= !add_tiles(candidates.entry(layer).or_default(), grid, zoom, bounds);
    };
    // With less detail too, if a tile was ever so large.
    let coarser = (1..=MOST_STEPS).filter(|steps| before.is_drawn_with_less_detail(zoom, *steps));
    let coarser = coarser.map(|steps| [before, after].map(|territory| territory.drawn_with_less_detail(zoom, steps)));
    let mut turned = vec![];
    let both = [before.drawn(zoom), after.drawn(zoom)];
    for [one, other] in std::iter::once(both).chain(coarser) {
        if std::ptr::eq(one, other) {
            continue;
        }
        let mut of_coarser = Borders::default();
        let borders = if std::ptr::eq(one, both[0]) { &mut borders } else { &mut of_coarser };
        let mut boxes: HashMap<(Layer, Code), Bounds> = HashMap::new();
        let looks = [before, after].map(|territory| Looks::new(territory, zoom));
        let (gone, new) = edges_that_differ((one, &looks[0]), (other, &looks[1]));
        for (territory, edges) in [(before, &gone), (after, &new)] {
            grow_boxes(territory, zoom, edges, &mut boxes, borders);
        }
        boxes.into_iter().for_each(|((layer, _), bounds)| add(layer, one.grid(), bounds));
        turned.extend(turned_into_points(before, one, after, other));
    }
    for (level, layer, bbox) in &touched.areas {
        if before.shows(*level, zoom) {
            add(*layer, grid, pixel_box(grid, *bbox));
        }
    }
    let renamed = touched.labels.iter().filter(|(level, _)| before.shows(*level, zoom)).map(|(_, place)| *place);
    let labels = candidates.entry(Layer::Labels).or_default();
    labels.extend(renamed.chain(turned).map(|place| tile_at(MercatorPoint::of(place), zoom)));
    too_many |= candidates.values().any(|tiles| tiles.len() > 2 * MOST_TILES);
    (!too_many).then_some((candidates, borders))
}

/// Labels of features that have an area in one of two drawings and are a point in the other.
fn turned_into_points(before: &Territory, one: &DrawnZoom, after: &Territory, other: &DrawnZoom) -> Vec<LatticePoint> {
    let points = |territory: &Territory, drawn: &DrawnZoom| -> HashMap<Code, Option<LatticePoint>> {
        let collapsed = drawn.collapsed().iter();
        collapsed.map(|feature| (code_of(territory, *feature).clone(), label_of(territory, *feature))).collect()
    };
    let (was, is) = (points(before, one), points(after, other));
    let gone = was.iter().filter(|(code, _)| !is.contains_key(*code));
    let come = is.iter().filter(|(code, _)| !was.contains_key(*code));
    gone.chain(come).filter_map(|(_, place)| place.filter(|place| in_tiles(*place))).collect()
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
    for (territory, other) in [(before, after), (after, before)] {
        let regions = (0..territory.regions.len()).map(|at| Feature::Region(RegionIx(at as u32)));
        let grids = (0..territory.grids.len()).map(|at| Feature::Grid(GridIx(at as u32)));
        for feature in regions.chain(grids) {
            let code = code_of(territory, feature).as_str();
            let region = || other.region_ix(code).map(Feature::Region);
            let grid = || other.grid_ix(code).map(Feature::Grid);
            let there = if matches!(feature, Feature::Grid(_)) { grid().or_else(region) } else { region().or_else(grid) };
            let (bbox, place) = match feature {
                Feature::Region(ix) => (territory.region(ix).bbox, territory.region(ix).label),
                Feature::Grid(ix) => (Some(territory.grid(ix).bbox), Some(territory.grid(ix).label)),
            };
            let level = territory.level_of(feature);
            let same = there.is_some_and(|there| look(territory, feature) == look(other, there));
            if !same {
                touched.areas.extend(bbox.map(|bbox| (level, layer_of(feature), bbox)));
            }
            if !same || there.and_then(|there| label_of(other, there)) != place {
                touched.labels.extend(place.filter(|place| in_tiles(*place)).map(|place| (level, place)));
            }
        }
    }
    touched
}

/// Level, name, kind and parent: what tiles tell of a feature besides its code and its land.
fn look(territory: &Territory, feature: Feature) -> (usize, &str, &str, Option<&Code>) {
    let (name, kind, parent) = match feature {
        Feature::Region(ix) => (&territory.region(ix).name, "", territory.region(ix).parent),
        Feature::Grid(ix) => (&territory.grid(ix).name, territory.grid(ix).kind.as_str(), territory.grid(ix).parent),
    };
    (territory.level_of(feature), name, kind, parent.map(|ix| &territory.region(ix).code))
}

fn label_of(territory: &Territory, feature: Feature) -> Option<LatticePoint> {
    match feature {
        Feature::Region(ix) => territory.region(ix).label,
        Feature::Grid(ix) => Some(territory.grid(ix).label),
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
