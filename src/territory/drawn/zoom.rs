//! All borders of one zoom, rounded to its pixels, and what of them lies in a window.

use super::band::{Band, in_parallel};
use super::{Feature, Territory};
use crate::domain::id::{GridIx, RegionIx};
use crate::geom::TileId;
use crate::geom::clip::Window;
use crate::geom::mercator::{MercatorPoint, Pixel, PixelGrid};
use crate::geom::packed::{Bounds, PackedBoxes};
use crate::geom::route::HotPixels;
use std::collections::HashMap;
use std::ops::Range;

/// Edges that share a box in the tree of a zoom. A guess; nothing depends on it.
const RUN: usize = 16;

/// A line of one zoom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DrawnLine {
    pub(super) start: u32,
    pub(super) end: u32,
    /// What lies on the left and on the right in the plane of pixels with `y` taken as growing up: right and left on the map.
    pub(super) sides: [Option<Feature>; 2],
    /// No other line, and not itself a second time, has a point where this one has one between its ends.
    pub(super) clean: bool,
    /// Twice the area between the line and the plane's middle, left of it where `y` grows up.
    pub(super) swept: i128,
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
#[derive(Debug, PartialEq)]
pub struct DrawnZoom {
    pub(super) grid: PixelGrid,
    pub(super) points: Vec<Pixel>,
    pub(super) lines: Vec<DrawnLine>,
    /// Line and first point of each run of at most [`RUN`] edges.
    pub(super) runs: Vec<(u32, u32)>,
    pub(super) boxes: PackedBoxes,
    /// Features shown at this zoom that have no area left, sorted.
    pub(super) collapsed: Vec<Feature>,
}

impl DrawnZoom {
    pub(super) fn new(territory: &Territory, band: &Band, zoom: u8, coarser: u8) -> Self {
        let grid = PixelGrid::of_zoom(zoom).coarser(coarser);
        let kept = band.kept(zoom.saturating_sub(coarser));
        let hot = HotPixels::of(grid, &kept);
        let routed: Vec<Vec<u32>> = in_parallel(kept.len(), 1024, |range| {
            let route = |line: &Vec<MercatorPoint>| {
                let mut routed = Vec::with_capacity(line.len() + 2);
                hot.route(line, &mut routed);
                routed
            };
            kept[range].iter().map(route).collect()
        });
        drop(kept);
        let mut met = vec![0_u8; hot.pixels().len()];
        routed.iter().flatten().for_each(|pixel| met[*pixel as usize] = met[*pixel as usize].saturating_add(1));
        let mut parts = Parts::with_capacity(routed.len(), routed.iter().map(Vec::len).sum());
        for (routed, sides) in routed.into_iter().zip(&band.sides) {
            let between = routed.get(1..routed.len().saturating_sub(1)).unwrap_or_default();
            let clean = between.iter().all(|pixel| met[*pixel as usize] == 1);
            parts.push(routed.into_iter().map(|pixel| hot.pixels()[pixel as usize]), *sides, clean);
        }
        parts.finish(grid, territory, zoom)
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

/// A zoom while its lines are put together.
pub(super) struct Parts {
    points: Vec<Pixel>,
    lines: Vec<DrawnLine>,
    runs: Vec<(u32, u32)>,
    boxes: Vec<Bounds>,
}

impl Parts {
    pub(super) fn with_capacity(lines: usize, points: usize) -> Self {
        let runs = points / RUN + lines;
        Self {
            points: Vec::with_capacity(points),
            lines: Vec::with_capacity(lines),
            runs: Vec::with_capacity(runs),
            boxes: Vec::with_capacity(runs),
        }
    }

    /// One more line, with what is on its sides where `y` grows up.
    pub(super) fn push(&mut self, points: impl Iterator<Item = Pixel>, [left, right]: [Option<Feature>; 2], clean: bool) {
        let start = self.points.len();
        self.points.extend(points);
        let points = &self.points[start..];
        for first in (0..points.len().saturating_sub(1)).step_by(RUN) {
            self.runs.push((self.lines.len() as u32, (start + first) as u32));
            self.boxes.push(Bounds::around(points[first..].iter().take(RUN + 1).copied()));
        }
        let swept = points.windows(2).map(|pair| {
            let [[ax, ay], [bx, by]] = [pair[0], pair[1]].map(|p| p.map(i128::from));
            ax * by - ay * bx
        });
        // Pixels grow south, so what is left on the map is right here.
        let sides = [right, left];
        self.lines.push(DrawnLine { start: start as u32, end: self.points.len() as u32, sides, clean, swept: swept.sum() });
    }

    /// Lines of another zoom that follow each other there, as they are but for their sides.
    pub(super) fn push_from(&mut self, other: &DrawnZoom, lines: Range<usize>, sides: &[[Option<Feature>; 2]]) {
        let (Some(first), Some(last)) = (other.lines[lines.clone()].first(), other.lines[lines.clone()].last()) else { return };
        let (from, to) = (first.start, last.end);
        // Line and point numbers may become less as well as greater.
        let line = (self.lines.len() as u32).wrapping_sub(lines.start as u32);
        let point = (self.points.len() as u32).wrapping_sub(from);
        self.points.extend_from_slice(&other.points[from as usize..to as usize]);
        let of_lines = |(line, _): &(u32, u32), end: usize| (*line as usize) < end;
        let runs = other.runs.partition_point(|run| of_lines(run, lines.start))
            ..other.runs.partition_point(|run| of_lines(run, lines.end));
        self.runs.extend(other.runs[runs.clone()].iter().map(|(l, p)| (l.wrapping_add(line), p.wrapping_add(point))));
        self.boxes.extend_from_slice(&other.boxes.items()[runs]);
        self.lines.extend(other.lines[lines].iter().zip(sides).map(|(old, [left, right])| DrawnLine {
            start: old.start.wrapping_add(point),
            end: old.end.wrapping_add(point),
            sides: [*right, *left],
            ..*old
        }));
    }

    pub(super) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// A line that was pushed turns out clean or not.
    pub(super) fn set_clean(&mut self, line: usize, clean: bool) {
        self.lines[line].clean = clean;
    }

    /// The points of a line that was pushed.
    pub(super) fn line(&self, line: usize) -> &[Pixel] {
        &self.points[self.lines[line].start as usize..self.lines[line].end as usize]
    }

    pub(super) fn finish(self, grid: PixelGrid, territory: &Territory, zoom: u8) -> DrawnZoom {
        let collapsed = collapsed(territory, zoom, &self.lines);
        let Self { points, lines, runs, boxes } = self;
        DrawnZoom { grid, points, lines, runs, boxes: PackedBoxes::new(boxes), collapsed }
    }
}

/// Features with land that the zoom shows and that have no area there.
fn collapsed(territory: &Territory, zoom: u8, lines: &[DrawnLine]) -> Vec<Feature> {
    // Twice the area in square pixels of everything that is a side of a line, then of the regions above it too.
    let (mut regions, mut grids) = (vec![0_i128; territory.regions.len()], vec![0_i128; territory.grids.len()]);
    for line in lines {
        for (side, area) in line.sides.into_iter().zip([line.swept, -line.swept]) {
            match side {
                Some(Feature::Region(ix)) => regions[ix.at()] += area,
                Some(Feature::Grid(ix)) => grids[ix.at()] += area,
                None => {}
            }
        }
    }
    for (grid, area) in territory.grids.iter().zip(&grids) {
        grid.parent.into_iter().for_each(|ix| regions[ix.at()] += area);
    }
    // Depth first: what is below comes after.
    for at in (0..regions.len()).rev() {
        let area = regions[at];
        territory.regions[at].parent.into_iter().for_each(|ix| regions[ix.at()] += area);
    }
    let shows: Vec<bool> = (0..territory.scheme.levels().len()).map(|level| territory.shows(level, zoom)).collect();
    let gone = |at: usize| territory.regions[at].bbox.is_some() && shows[territory.regions[at].level] && regions[at] == 0;
    let regions = (0..territory.regions.len()).filter(|at| gone(*at)).map(|at| Feature::Region(RegionIx(at as u32)));
    let grids = grids.iter().enumerate().filter(|(_, area)| shows[territory.scheme.grid_level()] && **area == 0);
    regions.chain(grids.map(|(at, _)| Feature::Grid(GridIx(at as u32)))).collect()
}
