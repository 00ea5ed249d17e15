//! The borders as tiles draw them: merged, simplified and rounded once per zoom for the whole territory, so that tiles only cut.
//!
//! Zooms that show the same levels are a *band*. A band merges arcs into lines (where a border of grids ends on a border of counties
//! there is no node as long as grids are not shown) and simplifies them, one byte a vertex for all its zooms. A zoom of the band takes
//! the vertices it draws and rounds them to its pixels. Both are made when first asked for, and kept.

use super::Territory;
use super::partition::{Owner, OwnerIx};
use crate::domain::id::{GridIx, RegionIx};
use crate::geom::clip::Window;
use crate::geom::mercator::{MercatorPoint, Pixel, PixelGrid, in_tiles, morton, morton_range, project_line};
use crate::geom::packed::{Bounds, PackedBoxes};
use crate::geom::route::HotPixels;
use crate::geom::simplify::{Coverage, Simplified, keep_apart};
use crate::geom::tile_id::MAX_ZOOM;
use crate::geom::{LatticePoint, TileId};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Something that tiles draw as an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// A region of any level above the grids.
    Region(RegionIx),
    /// A grid.
    Grid(GridIx),
}

const ZOOMS: usize = MAX_ZOOM as usize + 1;

/// Edges that share a box in the tree of a zoom. A guess; nothing depends on it.
const RUN: usize = 16;

/// The last zoom with tiles of boundaries, unless a scheme says otherwise. Clients show deeper zooms from it.
const LAST_ZOOM: u8 = 16;

/// First and last zoom of each level; `None` for a level that no zoom shows.
type LevelZooms = Box<[Option<(u8, u8)>]>;

/// What has been drawn so far.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    level_zooms: OnceLock<LevelZooms>,
    /// By the first zoom of the band.
    bands: [OnceLock<Arc<Band>>; ZOOMS],
    zooms: [OnceLock<Arc<DrawnZoom>>; ZOOMS],
    /// One and two steps coarser, for tiles that are too large.
    coarser: [[OnceLock<Arc<DrawnZoom>>; ZOOMS]; 2],
    labels: OnceLock<Arc<Vec<Vec<Label>>>>,
}

/// The simplified lines of a band.
#[derive(Debug, Default)]
struct Band {
    /// Where each line starts in `points`, and their end.
    starts: Vec<u32>,
    points: Vec<MercatorPoint>,
    /// The first zoom that draws each point.
    first_zooms: Vec<u8>,
    /// What lies on the left and on the right of each line, in a plane whose `y` grows up.
    sides: Vec<[Option<Feature>; 2]>,
}

/// A line of one zoom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DrawnLine {
    start: u32,
    end: u32,
    /// What lies on the left and on the right in the plane of pixels with `y` taken as growing up: right and left on the map.
    sides: [Option<Feature>; 2],
    /// No other line, and not itself a second time, has a point where this one has one between its ends.
    clean: bool,
}

/// A part of a line inside a window.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// At least two; every edge between them is inside the window and not along its border.
    pub points: &'a [Pixel],
    /// What lies on the left and on the right in the plane of pixels with `y` taken as growing up: right and left on the map.
    pub sides: [Option<Feature>; 2],
    /// Between its ends it meets nothing, neither lines nor the window's border.
    pub simple: bool,
}

/// All borders of one zoom, rounded to its pixels: never crossing, edges the same or meeting at ends.
#[derive(Debug)]
pub struct DrawnZoom {
    grid: PixelGrid,
    points: Vec<Pixel>,
    lines: Vec<DrawnLine>,
    /// Line and first point of each run of at most [`RUN`] edges.
    runs: Vec<(u32, u32)>,
    boxes: PackedBoxes,
    /// Features shown at this zoom that have no area left, sorted.
    collapsed: Vec<Feature>,
}

/// Where the name of a region or grid stands.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its Morton number: labels of a level are sorted by it, so those of a tile are a range.
    place: u64,
    /// Inside its largest part.
    pub at: MercatorPoint,
    /// Whose.
    pub feature: Feature,
}

impl Territory {
    /// First and last zoom at which tiles show each level; `None` for a level without regions. As the scheme says, else from the
    /// lowest zoom at which the level's median region is 16 pixels of a 512-pixel tile wide.
    pub fn level_zooms(&self) -> &[Option<(u8, u8)>] {
        self.drawn.level_zooms.get_or_init(|| {
            let mut widths: Vec<Vec<i64>> = vec![vec![]; self.scheme.levels().len()];
            let mut count = |level: usize, bbox: crate::geom::LatticeBox| {
                widths[level].push(i64::from(MercatorPoint::of(bbox.max).x) - i64::from(MercatorPoint::of(bbox.min).x));
            };
            self.regions.iter().for_each(|region| region.bbox.into_iter().for_each(|bbox| count(region.level, bbox)));
            self.grids.iter().for_each(|grid| count(self.scheme.grid_level(), grid.bbox));
            let zooms = widths.iter_mut().zip(self.scheme.levels()).map(|(widths, level)| {
                let middle = widths.len() / 2;
                let median = (!widths.is_empty()).then(|| *widths.select_nth_unstable(middle).1)?;
                let shows = |zoom: u8| (median << zoom) * 512 / 16 >= 1 << 32;
                Some(level.zooms.unwrap_or_else(|| ((0..LAST_ZOOM).find(|zoom| shows(*zoom)).unwrap_or(LAST_ZOOM), LAST_ZOOM)))
            });
            zooms.collect()
        })
    }

    /// Whether tiles of `zoom` show a level.
    pub fn shows(&self, level: usize, zoom: u8) -> bool {
        self.level_zooms()[level].is_some_and(|(first, last)| (first..=last).contains(&zoom))
    }

    /// The levels that tiles of `zoom` show, from the top down.
    pub fn levels_at(&self, zoom: u8) -> impl Iterator<Item = usize> {
        (0..self.scheme.levels().len()).filter(move |level| self.shows(*level, zoom))
    }

    /// The borders of one zoom. Made when first asked for: a city of 20,000 grids takes some tens of milliseconds a zoom.
    pub fn drawn(&self, zoom: u8) -> &DrawnZoom {
        let zoom = zoom.min(MAX_ZOOM);
        self.drawn.zooms[usize::from(zoom)].get_or_init(|| Arc::new(DrawnZoom::new(self, self.band(zoom), zoom, 0)))
    }

    /// The same levels with the detail of one or two zooms farther out.
    pub fn drawn_with_less_detail(&self, zoom: u8, steps: u8) -> &DrawnZoom {
        let (zoom, steps) = (zoom.min(MAX_ZOOM), steps.clamp(1, 2));
        self.drawn.coarser[usize::from(steps - 1)][usize::from(zoom)]
            .get_or_init(|| Arc::new(DrawnZoom::new(self, self.band(zoom), zoom, steps)))
    }

    /// Whether the borders of a zoom are there already.
    pub fn is_drawn(&self, zoom: u8) -> bool {
        self.drawn.zooms[usize::from(zoom.min(MAX_ZOOM))].get().is_some()
    }

    fn band(&self, zoom: u8) -> &Band {
        let visible: Vec<usize> = self.levels_at(zoom).collect();
        let first =
            (0..=zoom).rev().take_while(|before| self.levels_at(*before).eq(visible.iter().copied())).last().unwrap_or(zoom);
        self.drawn.bands[usize::from(first)].get_or_init(|| {
            let last = (first..=MAX_ZOOM).take_while(|after| self.levels_at(*after).eq(visible.iter().copied())).last();
            Arc::new(Band::new(self, &visible, first, last.unwrap_or(first)))
        })
    }

    /// Labels of the regions (or grids) of a level in the visible extent of a tile.
    pub fn labels_in(&self, level: usize, tile: TileId) -> &[Label] {
        let labels = &self.drawn.labels.get_or_init(|| Arc::new(self.labels()))[level];
        let (first, last) = morton_range(tile);
        let start = labels.partition_point(|label| label.place < first);
        let end = labels.partition_point(|label| label.place <= last);
        &labels[start..end]
    }

    fn labels(&self) -> Vec<Vec<Label>> {
        let mut labels: Vec<Vec<Label>> = vec![vec![]; self.scheme.levels().len()];
        let mut add = |level: usize, point: LatticePoint, feature: Feature| {
            if in_tiles(point) {
                let at = MercatorPoint::of(point);
                labels[level].push(Label { place: morton(at), at, feature });
            }
        };
        for (at, region) in self.regions.iter().enumerate() {
            region.label.into_iter().for_each(|point| add(region.level, point, Feature::Region(RegionIx(at as u32))));
        }
        for (at, grid) in self.grids.iter().enumerate() {
            add(self.scheme.grid_level(), grid.label, Feature::Grid(GridIx(at as u32)));
        }
        labels.iter_mut().for_each(|level| level.sort_unstable_by_key(|label| (label.place, label.feature)));
        labels
    }

    /// The level of a feature.
    pub fn level_of(&self, feature: Feature) -> usize {
        match feature {
            Feature::Region(ix) => self.region(ix).level,
            Feature::Grid(_) => self.scheme.grid_level(),
        }
    }

    /// The feature itself and the regions above it, from the bottom up.
    pub fn upward(&self, feature: Feature) -> impl Iterator<Item = Feature> {
        std::iter::successors(Some(feature), |below| {
            let parent = match below {
                Feature::Region(ix) => self.region(*ix).parent,
                Feature::Grid(ix) => self.grid(*ix).parent,
            };
            parent.map(Feature::Region)
        })
    }

    /// The feature of `level` that a feature is or belongs to.
    pub fn at_level(&self, feature: Feature, level: usize) -> Option<Feature> {
        self.upward(feature).find(|above| self.level_of(*above) == level)
    }
}

impl Band {
    fn new(territory: &Territory, visible: &[usize], first: u8, last: u8) -> Self {
        let shown = |feature: Feature| territory.upward(feature).find(|above| visible.contains(&territory.level_of(*above)));
        let faces: Vec<Option<Feature>> = territory
            .partition
            .owners
            .iter()
            .map(|owner| match owner {
                Owner::Grid(ix) => shown(Feature::Grid(*ix)),
                Owner::Region(ix) => shown(Feature::Region(*ix)),
                Owner::Void(_) => None,
            })
            .collect();
        let face = |owner: OwnerIx| owner.at().and_then(|at| faces[at]);
        let pieces: Vec<Line> = territory
            .partition
            .arcs()
            .map(|arc| Line { points: arc.points.to_vec(), sides: [face(arc.left), face(arc.right)] })
            .filter(|piece| piece.sides[0] != piece.sides[1])
            .collect();
        let merged = merge(pieces);
        let mut lines: Vec<(Vec<MercatorPoint>, [Option<Feature>; 2])> = in_parallel(merged.len(), |range| {
            merged[range].iter().map(|line| (project_line(&line.points), line.sides)).collect()
        });
        drop(merged);
        // Near on the map, near in memory.
        lines.sort_by_cached_key(|(points, _)| {
            let bounds = Bounds::around(points.iter().map(|p| [p.x, p.y]));
            let middle = |axis: usize| ((i64::from(bounds.min[axis]) + i64::from(bounds.max[axis])) / 2) as i32;
            (morton(MercatorPoint::new(middle(0), middle(1))), points[0], points[1])
        });
        let (lines, sides): (Vec<Vec<MercatorPoint>>, Vec<[Option<Feature>; 2]>) = lines.into_iter().unzip();
        let coverage = Coverage::new(&lines);
        let mut simplified: Vec<Simplified> =
            in_parallel(lines.len(), |range| range.map(|line| coverage.simplified(line, first)).collect());
        keep_apart(&lines, &mut simplified);
        let mut band = Self { starts: vec![0], points: vec![], first_zooms: vec![], sides };
        for (line, simplified) in lines.iter().zip(&simplified) {
            for (point, first_zoom) in line.iter().zip(&simplified.first_zooms).filter(|(_, first_zoom)| **first_zoom <= last) {
                band.points.push(*point);
                band.first_zooms.push(*first_zoom);
            }
            band.starts.push(band.points.len() as u32);
        }
        band
    }
}

/// A border between two features.
struct Line {
    points: Vec<LatticePoint>,
    sides: [Option<Feature>; 2],
}

impl Line {
    fn reverse(&mut self) {
        self.points.reverse();
        self.sides.reverse();
    }
}

/// Joins lines at points where only two of them end, and brings all into canonical direction, so that the result depends on the
/// borders alone and not on how they came in pieces.
fn merge(mut pieces: Vec<Line>) -> Vec<Line> {
    let mut ends: HashMap<LatticePoint, Vec<u32>> = HashMap::with_capacity(pieces.len());
    for (at, piece) in pieces.iter().enumerate() {
        for end in [piece.points[0], piece.points[piece.points.len() - 1]] {
            ends.entry(end).or_default().push(at as u32);
        }
    }
    let mut merged = vec![];
    // First from real nodes, then what is left: closed lines.
    for only_nodes in [true, false] {
        for at in 0..pieces.len() {
            let is_node = |p: LatticePoint| ends[&p].len() != 2;
            let Some((first, last)) = pieces[at].points.first().copied().zip(pieces[at].points.last().copied()) else { continue };
            if only_nodes && !is_node(first) && !is_node(last) {
                continue;
            }
            let mut line = std::mem::replace(&mut pieces[at], Line { points: vec![], sides: [None; 2] });
            if only_nodes && !is_node(first) {
                line.reverse();
            }
            loop {
                let end = line.points[line.points.len() - 1];
                if is_node(end) || end == line.points[0] {
                    break;
                }
                let Some(next) = ends[&end].iter().map(|next| *next as usize).find(|next| !pieces[*next].points.is_empty())
                else {
                    break;
                };
                let mut more = std::mem::replace(&mut pieces[next], Line { points: vec![], sides: [None; 2] });
                if more.points[0] != end {
                    more.reverse();
                }
                debug_assert_eq!(more.sides, line.sides, "only two lines meet, so both have the same two features beside them");
                line.points.extend_from_slice(&more.points[1..]);
            }
            canonical(&mut line, &is_node);
            merged.push(line);
        }
    }
    merged
}

/// Of the two readings the lesser; a closed line without a node starts at its least point.
fn canonical(line: &mut Line, is_node: &impl Fn(LatticePoint) -> bool) {
    let points = &mut line.points;
    if points[0] == points[points.len() - 1] && !is_node(points[0]) {
        points.pop();
        let least = points.iter().enumerate().min_by_key(|(_, p)| **p).map_or(0, |(at, _)| at);
        points.rotate_left(least);
        points.push(points[0]);
    }
    if line.points.iter().rev().lt(line.points.iter()) {
        line.reverse();
    }
}

/// Runs `work` on even ranges of `0..count`, one a core, and joins the results. Threads of its own and not rayon's: this runs inside
/// `get_or_init`, and a rayon thread that waits may take up another tile, which then waits for the very same cell.
fn in_parallel<T: Send>(count: usize, work: impl Fn(std::ops::Range<usize>) -> Vec<T> + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count / 1024 + 1);
    let range = |thread: usize| count * thread / threads..count * (thread + 1) / threads;
    if threads == 1 {
        return work(range(0));
    }
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || work(range(thread)))).collect();
        let mut all = work(range(0));
        for other in others {
            match other.join() {
                Ok(part) => all.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

impl DrawnZoom {
    fn new(territory: &Territory, band: &Band, zoom: u8, coarser: u8) -> Self {
        let grid = PixelGrid::of_zoom(zoom).coarser(coarser);
        let detail = zoom.saturating_sub(coarser);
        let kept: Vec<Vec<MercatorPoint>> = in_parallel(band.sides.len(), |range| {
            range
                .map(|line| {
                    let points = band.starts[line] as usize..band.starts[line + 1] as usize;
                    points.filter(|at| band.first_zooms[*at] <= detail).map(|at| band.points[at]).collect()
                })
                .collect()
        });
        let hot = HotPixels::of(grid, &kept);
        let routed: Vec<Vec<u32>> = in_parallel(kept.len(), |range| {
            range
                .map(|line| {
                    let mut routed = Vec::with_capacity(kept[line].len() + 2);
                    hot.route(&kept[line], &mut routed);
                    routed
                })
                .collect()
        });
        drop(kept);
        let mut met = vec![0_u8; hot.pixels().len()];
        routed.iter().flatten().for_each(|pixel| met[*pixel as usize] = met[*pixel as usize].saturating_add(1));
        let mut drawn =
            Self { grid, points: vec![], lines: vec![], runs: vec![], boxes: PackedBoxes::default(), collapsed: vec![] };
        drawn.points.reserve_exact(routed.iter().map(Vec::len).sum());
        drawn.lines.reserve_exact(routed.len());
        let run_count = |points: usize| points.saturating_sub(1).div_ceil(RUN);
        drawn.runs.reserve_exact(routed.iter().map(|line| run_count(line.len())).sum());
        let mut boxes = Vec::with_capacity(drawn.runs.capacity());
        for (routed, [left, right]) in routed.into_iter().zip(&band.sides) {
            let start = drawn.points.len();
            drawn.points.extend(routed.iter().map(|pixel| hot.pixels()[*pixel as usize]));
            for run in 0..run_count(routed.len()) {
                let first = start + run * RUN;
                drawn.runs.push((drawn.lines.len() as u32, first as u32));
                boxes.push(Bounds::around(drawn.points[first..].iter().take(RUN + 1).copied()));
            }
            let between = routed.get(1..routed.len().saturating_sub(1)).unwrap_or_default();
            drawn.lines.push(DrawnLine {
                start: start as u32,
                end: drawn.points.len() as u32,
                // Pixels grow south, so what is left on the map is right here.
                sides: [*right, *left],
                clean: between.iter().all(|pixel| met[*pixel as usize] == 1),
            });
        }
        drawn.boxes = PackedBoxes::new(boxes);
        let areas = drawn.areas(territory);
        let regions = territory.regions.iter().enumerate().filter(|(_, region)| region.bbox.is_some());
        let features = regions.map(|(at, _)| Feature::Region(RegionIx(at as u32)));
        let features = features.chain((0..territory.grids.len()).map(|at| Feature::Grid(GridIx(at as u32))));
        drawn.collapsed = features
            .filter(|feature| territory.shows(territory.level_of(*feature), zoom))
            .filter(|feature| areas.get(feature).is_none_or(|area| *area == 0))
            .collect();
        drawn
    }

    /// Twice the area in square pixels of everything that is a side of a line, and of the regions above it.
    fn areas(&self, territory: &Territory) -> HashMap<Feature, i128> {
        let mut areas: HashMap<Feature, i128> = HashMap::new();
        for line in &self.lines {
            let points = &self.points[line.start as usize..line.end as usize];
            let swept: i128 = points
                .windows(2)
                .map(|pair| {
                    let [[ax, ay], [bx, by]] = [pair[0], pair[1]].map(|p| p.map(i128::from));
                    ax * by - ay * bx
                })
                .sum();
            line.sides[0].into_iter().for_each(|left| *areas.entry(left).or_default() += swept);
            line.sides[1].into_iter().for_each(|right| *areas.entry(right).or_default() -= swept);
        }
        let sides: Vec<(Feature, i128)> = areas.iter().map(|(feature, area)| (*feature, *area)).collect();
        for (feature, area) in sides {
            territory.upward(feature).skip(1).for_each(|above| *areas.entry(above).or_default() += area);
        }
        areas
    }

    /// The pixels it is drawn on.
    pub fn grid(&self) -> PixelGrid {
        self.grid
    }

    /// The extent of a tile with its buffer.
    pub fn window(&self, tile: TileId) -> Window {
        let (origin, width, buffer) = (self.grid.origin(tile), self.grid.tile_width(), self.grid.buffer());
        Window { min: origin.map(|at| at - buffer), max: origin.map(|at| at + width + buffer) }
    }

    /// Every part of a line inside the window.
    pub fn pieces_in(&self, window: &Window) -> Vec<Piece<'_>> {
        let bounds = Bounds { min: window.min, max: window.max };
        let mut pieces: Vec<Piece<'_>> = vec![];
        // Where the last piece ends, if it ends where its run does: then it may go on in the next run.
        let mut open: Option<(usize, usize)> = None;
        self.boxes.visit(
            |run| run.meets(&bounds),
            |run| {
                let (line, first) = (self.lines[self.runs[run].0 as usize], self.runs[run].1 as usize);
                let end = (first + RUN + 1).min(line.end as usize);
                let inside = window.holds_inside(&self.boxes.bounds(run));
                let mut add = |from: usize, to: usize| {
                    let crosses_border = |at: usize| window.has_on_border(self.points[at]);
                    let goes_on = open.take().filter(|(_, end)| *end == from);
                    let start = goes_on.map_or(from, |(start, _)| start);
                    let simple = line.clean && (inside || !(from + 1..to).any(crosses_border));
                    let piece = Piece { points: &self.points[start..=to], sides: line.sides, simple };
                    match pieces.last_mut().filter(|_| goes_on.is_some()) {
                        Some(last) => *last = Piece { simple: simple && last.simple && !crosses_border(from), ..piece },
                        None => pieces.push(piece),
                    }
                    open = (to + 1 == end && end < line.end as usize).then_some((start, to));
                };
                if inside {
                    add(first, end - 1);
                    return true;
                }
                let mut start = first;
                for at in first..end {
                    // The piece ends here if no edge inside goes on.
                    if at + 1 == end || !window.takes(self.points[at], self.points[at + 1]) {
                        if at > start {
                            add(start, at);
                        }
                        start = at + 1;
                    }
                }
                true
            },
        );
        pieces
    }

    /// What lies just inside a window's north-west corner, going south, when no line leaves the window's border there. By winding
    /// numbers along a ray to the west: of all features around the corner one has 1, others 0.
    pub fn feature_inside(&self, window: &Window) -> Option<Feature> {
        let [x, y] = window.min;
        // Between the rows y and y + 1 there is no vertex.
        let ray = Bounds { min: [i32::MIN, y], max: [x, y + 1] };
        let mut winding: HashMap<Feature, i32> = HashMap::new();
        self.boxes.visit(
            |run| run.meets(&ray) && run.min[1] <= y && run.max[1] > y,
            |run| {
                let (line, first) = (self.lines[self.runs[run].0 as usize], self.runs[run].1 as usize);
                for pair in self.points[first..(first + RUN + 1).min(line.end as usize)].windows(2) {
                    let ([ax, ay], [bx, by]) = (pair[0], pair[1]);
                    // No edge crosses the window's border, so one that reaches past x is not west of it.
                    if ay.min(by) <= y && y < ay.max(by) && ax.max(bx) <= x {
                        let east = usize::from(by > ay);
                        line.sides[east].into_iter().for_each(|inside| *winding.entry(inside).or_default() += 1);
                        line.sides[1 - east].into_iter().for_each(|outside| *winding.entry(outside).or_default() -= 1);
                    }
                }
                true
            },
        );
        debug_assert!(winding.values().filter(|n| **n != 0).all(|n| *n == 1), "{winding:?}");
        winding.into_iter().find(|(_, n)| *n == 1).map(|(feature, _)| feature)
    }

    /// Every line: its points, at least two or none, and what lies on its left and right, as in [`Piece::sides`].
    pub fn lines(&self) -> impl Iterator<Item = (&[Pixel], [Option<Feature>; 2])> {
        self.lines.iter().map(|line| (&self.points[line.start as usize..line.end as usize], line.sides))
    }

    /// Features that the zoom shows and of which nothing is left but their label, sorted.
    pub fn collapsed(&self) -> &[Feature] {
        &self.collapsed
    }

    /// Whether nothing is left of a feature at this zoom but its label.
    pub fn is_collapsed(&self, feature: Feature) -> bool {
        self.collapsed.binary_search(&feature).is_ok()
    }
}
