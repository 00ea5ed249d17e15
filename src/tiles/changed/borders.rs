//! Edges that one of two drawings of a zoom has and the other has not.

use crate::domain::code::Code;
use crate::domain::id::RegionIx;
use crate::geom::TileId;
use crate::geom::clip::Window;
use crate::geom::mercator::Pixel;
use crate::geom::packed::Bounds;
use crate::territory::Territory;
use crate::territory::drawn::{DrawnZoom, Feature};
use crate::tiles::layer::Layer;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64;

/// Edges by layer and zoom that may border something in one of two drawings only.
#[derive(Default)]
pub(super) struct Borders(HashMap<(Layer, u8), Vec<[Pixel; 2]>>);

/// How often a feature is on the left of an edge minus how often on the right; none is there with 0.
type Sides<'a> = BTreeMap<&'a Code, i32>;

impl Borders {
    /// Takes over those of other zooms.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether one of them is inside a tile and shows that it differs: it is part of a ring in one of the two and not in the other.
    pub(super) fn tell(&self, before: &Territory, after: &Territory, tile: TileId, layer: Layer) -> bool {
        let Some(edges) = self.0.get(&(layer, tile.z())) else { return false };
        let window = before.drawn(tile.z()).window(tile);
        let mut inside = edges.iter().filter(|[from, to]| window.takes(*from, *to));
        let differs = |edge: &[Pixel; 2]| {
            let [was, is] = [before, after].map(|territory| Self::sides(territory, tile.z(), layer, edge));
            was != is
        };
        // A guess; nothing depends on it: one that tells nothing costs as much as a hundredth of building the tile.
        inside.by_ref().take(8).any(differs)
    }

    /// What has an edge in its rings.
    fn sides<'a>(territory: &'a Territory, zoom: u8, layer: Layer, edge: &[Pixel; 2]) -> Sides<'a> {
        let around = Bounds::around(*edge).grown(1);
        let mut sides = Sides::new();
        for piece in territory.drawn(zoom).pieces_in(&Window { min: around.min, max: around.max }) {
            for pair in piece.points.windows(2) {
                let by = if pair == edge { 1 } else { -1 };
                if by > 0 || (pair[0] == edge[1] && pair[1] == edge[0]) {
                    for (side, by) in piece.sides.into_iter().zip([by, -by]) {
                        for feature in side.into_iter().flat_map(|side| shown(territory, side, zoom, layer)) {
                            *sides.entry(code_of(territory, feature)).or_default() += by;
                        }
                    }
                }
            }
        }
        sides.retain(|_, by| *by != 0);
        sides
    }
}

/// A feature and those above it, as far as a zoom shows them in a layer of areas.
fn shown(territory: &Territory, feature: Feature, zoom: u8, layer: Layer) -> impl Iterator<Item = Feature> {
    let of_layer = move |feature: &Feature| layer_of(*feature) == layer && territory.shows(territory.level_of(*feature), zoom);
    territory.upward(feature).filter(of_layer)
}

pub(super) fn layer_of(feature: Feature) -> Layer {
    if matches!(feature, Feature::Grid(_)) { Layer::Grids } else { Layer::Regions }
}

pub(super) fn code_of(territory: &Territory, feature: Feature) -> &Code {
    match feature {
        Feature::Region(ix) => &territory.region(ix).code,
        Feature::Grid(ix) => &territory.grid(ix).code,
    }
}

/// What the levels that a zoom shows have in each feature's place, as numbers: from the top down to the feature itself.
pub(super) struct Looks {
    regions: Vec<u64>,
    grids: Vec<u64>,
}

impl Looks {
    pub(super) fn new(territory: &Territory, zoom: u8) -> Self {
        let shows: Vec<bool> = (0..territory.scheme.levels().len()).map(|level| territory.shows(level, zoom)).collect();
        let look = |level: usize, code: &Code, above: u64| {
            if shows[level] { mixed(above, xxh3_64(code.as_str().as_bytes())) } else { above }
        };
        let mut regions: Vec<u64> = Vec::with_capacity(territory.regions.len());
        for region in &territory.regions {
            // Depth first: what is above came before.
            let above = region.parent.map_or(0, |ix| regions[ix.at()]);
            regions.push(look(region.level, &region.code, above));
        }
        let grid_level = territory.scheme.grid_level();
        let above = |parent: Option<RegionIx>| parent.map_or(0, |ix| regions[ix.at()]);
        let grids = territory.grids.iter().map(|grid| look(grid_level, &grid.code, above(grid.parent))).collect();
        Self { regions, grids }
    }

    /// What is on both sides of a line.
    fn of(&self, sides: [Option<Feature>; 2]) -> u64 {
        let [left, right] = sides.map(|side| match side {
            None => 0,
            Some(Feature::Region(ix)) => self.regions[ix.at()],
            Some(Feature::Grid(ix)) => self.grids[ix.at()],
        });
        mixed(left, right)
    }
}

/// Two numbers as one. Of two pairs that differ in one place the results differ; else by chance alike once in 2^64.
fn mixed(sum: u64, value: u64) -> u64 {
    (sum ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// A set of numbers that are hashes already.
type Keys = HashSet<u64, BuildHasherDefault<Itself>>;

/// The hash of a number that is one.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers of 64 bits");
    }
}

/// A line: its points, and what is on its sides.
type DrawnLine<'a> = (&'a [Pixel], [Option<Feature>; 2]);
/// An edge and what is on its sides.
pub(super) type DrawnEdge = (Pixel, Pixel, [Option<Feature>; 2]);

/// How many lines ahead the same line is looked for. A guess: if it is farther, all that follow are compared edge by edge.
const REACH: usize = 64;

/// The edges that only one of two drawings has, or has with other sides: those of the first, and those of the second.
pub(super) fn edges_that_differ(one: (&DrawnZoom, &Looks), other: (&DrawnZoom, &Looks)) -> (Vec<DrawnEdge>, Vec<DrawnEdge>) {
    let [ours, theirs] = [one.0, other.0].map(|drawn| drawn.lines().collect::<Vec<DrawnLine<'_>>>());
    let (ours, theirs) = lines_that_differ((&ours, one.1), (&theirs, other.1));
    let edges = |lines: &[DrawnLine<'_>], looks: &Looks| -> Vec<(DrawnEdge, u64)> {
        let number = |[x, y]: Pixel| u64::from(x as u32) << 32 | u64::from(y as u32);
        let edges = lines.iter().flat_map(|(points, sides)| {
            let look = looks.of(*sides);
            let key = move |pair: &[Pixel]| mixed(mixed(look, number(pair[0])), number(pair[1]));
            points.windows(2).map(move |pair| ((pair[0], pair[1], *sides), key(pair)))
        });
        edges.collect()
    };
    let (ours, theirs) = (edges(&ours, one.1), edges(&theirs, other.1));
    let without = |edges: &[(DrawnEdge, u64)], others: &[(DrawnEdge, u64)]| {
        let known: Keys = others.iter().map(|(_, key)| *key).collect();
        edges.iter().filter(|(_, key)| !known.contains(key)).map(|(edge, _)| *edge).collect()
    };
    (without(&ours, &theirs), without(&theirs, &ours))
}

/// All lines that are in one list only, and perhaps some that are in both. Both stand in the order of their places, so nearly all have
/// their twin opposite.
fn lines_that_differ<'a>(
    (ours, our_looks): (&[DrawnLine<'a>], &Looks),
    (theirs, their_looks): (&[DrawnLine<'a>], &Looks),
) -> (Vec<DrawnLine<'a>>, Vec<DrawnLine<'a>>) {
    let same = |i: usize, j: usize| match (ours.get(i), theirs.get(j)) {
        (Some(one), Some(other)) => one.0 == other.0 && our_looks.of(one.1) == their_looks.of(other.1),
        _ => false,
    };
    let (mut only_ours, mut only_theirs) = (vec![], vec![]);
    let (mut i, mut j) = (0, 0);
    while i < ours.len() || j < theirs.len() {
        if same(i, j) {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let ahead = (1..=REACH).find_map(|reach| {
            let pairs = (0..=reach).flat_map(|less| [(less, reach), (reach, less)]);
            pairs.into_iter().find(|(a, b)| same(i + a, j + b))
        });
        let (a, b) = ahead.unwrap_or((ours.len() - i, theirs.len() - j));
        only_ours.extend_from_slice(&ours[i..i + a]);
        only_theirs.extend_from_slice(&theirs[j..j + b]);
        (i, j) = (i + a, j + b);
    }
    (only_ours, only_theirs)
}

/// Grows the box of every feature that one of the edges borders. What a feature gained or lost is bounded by edges that differ, so it
/// lies in the box of those of the old and of the new borders.
pub(super) fn grow_boxes(
    territory: &Territory,
    zoom: u8,
    edges: &[DrawnEdge],
    boxes: &mut HashMap<(Layer, Code), Bounds>,
    borders: &mut Borders,
) {
    for (from, to, [left, right]) in edges {
        let bounds = Bounds::around([*from, *to]);
        for layer in [Layer::Regions, Layer::Grids] {
            let of = |side: &Option<Feature>| -> Vec<Feature> {
                side.iter().flat_map(|side| shown(territory, *side, zoom, layer)).collect()
            };
            let (left, right) = (of(left), of(right));
            // What is on both sides is not bordered.
            let one_sided = left.iter().filter(|f| !right.contains(f)).chain(right.iter().filter(|f| !left.contains(f)));
            let mut any = false;
            for feature in one_sided {
                let known = boxes.entry((layer, code_of(territory, *feature).clone())).or_insert(Bounds::EMPTY);
                *known = known.union(bounds);
                any = true;
            }
            if any {
                borders.0.entry((layer, zoom)).or_default().push([*from, *to]);
            }
        }
    }
}
