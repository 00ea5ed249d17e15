//! Making the index: which edges touch which cell, and who owns the corner of each cell.
//!
//! A corner is known from the one before it: between the south-western corners of two neighbouring cells the owner changes at
//! every edge in between. All corners are taken infinitesimally west of the wall (δ) and above the row (ε ≫ δ), so none lies on
//! an edge.

mod cut;
mod write;

use super::{Index, Raster};
use crate::geom::lattice::cross;
use crate::geom::{LatticeBox, LatticePoint};
use crate::territory::partition::{self, OwnerIx, Partition};
use cut::Tree;
use rayon::prelude::*;
use std::cmp::Ordering;

/// Edges for each block of the outermost raster, on average, at least. 32 to 4,096 could not be told apart on a busy machine
/// (2,048 beside 1,024: a sixth faster in the even city of 20,000 grids, a seventh slower in the uneven one; 2026-11); 4,096
/// takes the least memory.
const EDGES_PER_BLOCK: usize = 4096;
/// Cells for each edge: between half of this and this. In the uneven city of 2,400 grids a lookup took 74 ns with 4, 55 with 6
/// and 56 with 8, in the even one 36 with each, all of 20,000 grids about the same (interleaved, busy machine, 2026-11); 8 takes
/// a quarter more memory than 6.
const CELLS_PER_EDGE: f64 = 6.0;
/// A raster is made coarser while an edge touches more cells than this on average (long edges).
const CELLS_TOUCHED: f64 = 6.0;
/// A cell with more edges, joints included, is cut once more. A guess between 8 and 16, which could not be told apart.
const MANY_EDGES: usize = 12;
/// Largest block: 2^30 units, so that masks fit `i32`.
const MAX_SHIFT: u8 = 30;

/// One straight piece of border.
#[derive(Clone, Copy)]
struct Edge {
    a: LatticePoint,
    b: LatticePoint,
    left: u32,
    right: u32,
}

/// Edges `from..to` of an arc: edge `k` joins points `k` and `k + 1`.
#[derive(Clone, Copy)]
struct Run {
    block: u32,
    arc: u32,
    from: u32,
    to: u32,
}

pub(super) fn build(partition: &Partition) -> Index {
    let arcs: Vec<&partition::Arc> = partition.arcs().collect();
    let Some(bbox) = arcs.iter().map(|arc| arc.bbox).reduce(LatticeBox::union) else { return Index::default() };
    let edge_count: usize = arcs.iter().map(|arc| arc.points.len() - 1).sum();
    let index = outermost(bbox, edge_count);
    let frame = Frame {
        width: index.block_shift,
        height: index.block_shift,
        first: index.first,
        columns: index.columns,
        rows: index.rows,
    };

    let runs = runs(&arcs, &frame);
    let starts: Vec<usize> = {
        let mut counts = vec![0; frame.cell_count() + 1];
        for run in &runs {
            counts[run.block as usize + 1] += 1;
        }
        counts
            .iter()
            .scan(0, |sum, count| {
                *sum += count;
                Some(*sum)
            })
            .collect()
    };
    let runs_of = |block: usize| &runs[starts[block]..starts[block + 1]];

    // What changes between the corner of a block and that of its eastern neighbour.
    let steps: Vec<u32> = (0..frame.cell_count())
        .into_par_iter()
        .map(|block| {
            let (here, next) = (frame.corner(block), frame.eastern_corner(block));
            edges_of(&arcs, runs_of(block)).map(|edge| edge.between_columns(here, next)).fold(0, |sum, change| sum ^ change)
        })
        .collect();
    let mut corners = Vec::with_capacity(frame.cell_count());
    for row in steps.chunks(index.columns as usize) {
        // The first corner of a row lies west of everything.
        let mut owner = OwnerIx::OUTSIDE.0;
        for step in row {
            corners.push(owner);
            owner ^= step;
        }
        debug_assert_eq!(owner, OwnerIx::OUTSIDE.0, "the owners along a row of blocks begin and end outside");
    }

    let trees: Vec<Tree> = (0..frame.cell_count())
        .into_par_iter()
        .map(|block| {
            let edges: Vec<Edge> = edges_of(&arcs, runs_of(block)).collect();
            Tree::build(edges, frame.corner(block), index.block_shift, corners[block])
        })
        .collect();
    Index { blocks: Tree::flattened(trees), ..index }
}

/// The smallest blocks of which there are not too many.
fn outermost(bbox: LatticeBox, edge_count: usize) -> Index {
    let count = |least: i32, most: i32, shift: u8| i64::from(most >> shift) - i64::from(least >> shift) + 1;
    let columns = |shift: u8| count(bbox.min.x, bbox.max.x, shift);
    let rows = |shift: u8| count(bbox.min.y, bbox.max.y, shift);
    let most = (edge_count / EDGES_PER_BLOCK).max(1) as i64;
    let fits = |shift: &u8| columns(*shift) * rows(*shift) <= most;
    // Up to four blocks when even the largest straddle.
    let block_shift = (0..=MAX_SHIFT).find(fits).unwrap_or(MAX_SHIFT);
    let (columns, rows) = (columns(block_shift), rows(block_shift));
    let span = columns.max(rows) << block_shift;
    Index {
        block_shift,
        first: (bbox.min.x >> block_shift, bbox.min.y >> block_shift),
        columns: columns as u32,
        rows: rows as u32,
        blocks: Vec::new(),
        wide: span >= 1 << 31,
    }
}

/// Which runs of edges touch which block, by block and then by arc.
fn runs(arcs: &[&partition::Arc], frame: &Frame) -> Vec<Run> {
    let mut runs: Vec<Run> = arcs
        .par_iter()
        .enumerate()
        .flat_map_iter(|(arc_at, arc)| {
            let mut found: Vec<Run> = Vec::new();
            // The last run of each block this arc has come to; few, so a list.
            let mut last: Vec<(u32, usize)> = Vec::new();
            for (k, pair) in arc.points.windows(2).enumerate() {
                let k = k as u32;
                frame.visit(pair[0], pair[1], |block| {
                    let block = block as u32;
                    let known = last.iter_mut().find(|(of, _)| *of == block);
                    match known {
                        Some((_, at)) if found[*at].to == k => found[*at].to += 1,
                        known => {
                            match known {
                                Some((_, at)) => *at = found.len(),
                                None => last.push((block, found.len())),
                            }
                            found.push(Run { block, arc: arc_at as u32, from: k, to: k + 1 });
                        }
                    }
                });
            }
            found
        })
        .collect();
    runs.par_sort_unstable_by_key(|run| (run.block, run.arc, run.from));
    runs
}

fn edges_of<'a>(arcs: &'a [&partition::Arc], runs: &'a [Run]) -> impl Iterator<Item = Edge> + 'a {
    runs.iter().flat_map(|run| {
        let arc = arcs[run.arc as usize];
        let points = &arc.points[run.from as usize..=run.to as usize];
        points.windows(2).map(|pair| Edge { a: pair[0], b: pair[1], left: arc.left.0, right: arc.right.0 })
    })
}

impl Edge {
    fn change(&self) -> u32 {
        self.left ^ self.right
    }

    /// Lower end first; of a horizontal edge the western one, since its extension falls off to the south.
    fn upward(&self) -> (LatticePoint, LatticePoint) {
        if (self.a.y, self.a.x) <= (self.b.y, self.b.x) { (self.a, self.b) } else { (self.b, self.a) }
    }

    /// Whether the edge's line, where it crosses the row of `corner` (above it by ε), is west of `corner` (by δ).
    fn is_west_of(&self, corner: LatticePoint) -> bool {
        let (low, high) = self.upward();
        match cross(low, high, corner).cmp(&0) {
            Ordering::Less => true,
            Ordering::Greater => false,
            // Through the corner: above it, the line is west if it leans west.
            Ordering::Equal => high.x < low.x,
        }
    }

    /// What the edge changes between two corners of one row.
    fn between_columns(&self, here: LatticePoint, next: LatticePoint) -> u32 {
        let active = (self.a.y <= here.y) != (self.b.y <= here.y);
        if active && self.is_west_of(next) != self.is_west_of(here) { self.change() } else { 0 }
    }

    /// Whether the edge crosses the wall of `corner` (west of it by δ), and does so below `corner` (above it by ε).
    fn crosses_wall_below(&self, corner: LatticePoint) -> bool {
        let (west, east) = if self.a.x <= self.b.x { (self.a, self.b) } else { (self.b, self.a) };
        west.x < corner.x && corner.x <= east.x && cross(west, east, corner) >= 0
    }

    /// What the edge changes between two corners of one wall.
    fn between_rows(&self, here: LatticePoint, next: LatticePoint) -> u32 {
        if self.crosses_wall_below(here) != self.crosses_wall_below(next) { self.change() } else { 0 }
    }

    /// Whether a record of the cell with this corner counts the edge, extensions included, for a point at the corner.
    fn is_counted_at(&self, corner: LatticePoint) -> bool {
        let low = |end: LatticePoint, other: LatticePoint| if end.x < corner.x { end.y <= other.y } else { end.y <= corner.y };
        low(self.a, self.b) != low(self.b, self.a) && self.is_west_of(corner)
    }
}

/// Cells of one raster in lattice coordinates.
struct Frame {
    /// Logarithms of the size of a cell in units.
    width: u8,
    height: u8,
    /// `x >> width` and `y >> height` of the first cell.
    first: (i32, i32),
    columns: u32,
    rows: u32,
}

impl Frame {
    fn of(raster: Raster, corner: LatticePoint) -> Self {
        Self {
            width: raster.width,
            height: raster.height,
            first: (corner.x >> raster.width, corner.y >> raster.height),
            columns: 1 << raster.columns,
            rows: 1 << raster.rows,
        }
    }

    fn cell_count(&self) -> usize {
        self.columns as usize * self.rows as usize
    }

    /// South-western corner of a cell.
    fn corner(&self, cell: usize) -> LatticePoint {
        self.corner_at(cell % self.columns as usize, cell / self.columns as usize)
    }

    /// South-western corner of the cell east of a cell.
    fn eastern_corner(&self, cell: usize) -> LatticePoint {
        self.corner_at(cell % self.columns as usize + 1, cell / self.columns as usize)
    }

    /// Corners east and north of the last cells may lie beyond the range of positions, but not beyond that of `i32`: blocks have
    /// at most 2^30 units and begin within ±180°.
    fn corner_at(&self, column: usize, row: usize) -> LatticePoint {
        let place = |first: i32, at: usize, shift: u8| ((i64::from(first) + at as i64) << shift).min(i64::from(i32::MAX)) as i32;
        LatticePoint::new(place(self.first.0, column, self.width), place(self.first.1, row, self.height))
    }

    /// Calls `visit` with every cell whose closed box the segment touches, each once.
    fn visit(&self, a: LatticePoint, b: LatticePoint, mut visit: impl FnMut(usize)) {
        let (low, high) = if a.y <= b.y { (a, b) } else { (b, a) };
        // A coordinate on a wall touches the cells on both sides.
        let range = |least: i64, most: i64, first: i32, count: u32, shift: u8| {
            let from = ((least - 1) >> shift) - i64::from(first);
            let to = (most >> shift) - i64::from(first);
            (from.max(0), to.min(i64::from(count) - 1))
        };
        let columns = |least: i64, most: i64| range(least, most, self.first.0, self.columns, self.width);
        let (west, east) = (i64::from(low.x.min(high.x)), i64::from(low.x.max(high.x)));
        let (from, to) = columns(west, east);
        let (bottom, top) = range(i64::from(low.y), i64::from(high.y), self.first.1, self.rows, self.height);
        if from > to || bottom > top {
            return;
        }
        let (dx, dy) = high.minus(low);
        for row in bottom..=top {
            let (from, to) = if from == to || dy == 0 {
                (from, to)
            } else {
                let wall = (row + i64::from(self.first.1)) << self.height;
                let enters = (wall - i64::from(low.y)).max(0) * dx;
                let leaves = (wall + (1 << self.height) - i64::from(low.y)).min(dy) * dx;
                let (least, most) = (enters.min(leaves), enters.max(leaves));
                // Rounded up for the western end: its wall is touched only if it is met exactly.
                let (least, most) = (-(-least).div_euclid(dy), most.div_euclid(dy));
                columns(i64::from(low.x) + least, i64::from(low.x) + most)
            };
            for column in from..=to {
                visit((row * i64::from(self.columns) + column) as usize);
            }
        }
    }
}

/// Edges by the cells of a raster that they touch.
struct Sorted {
    frame: Frame,
    starts: Vec<u32>,
    touching: Vec<u32>,
}

impl Sorted {
    fn of_all(raster: Raster, corner: LatticePoint, edges: &[Edge]) -> Self {
        Self::of(raster, corner, edges, &(0..edges.len() as u32).collect::<Vec<_>>())
    }

    /// Whether many edges stand in cells that would have to be cut once more.
    fn is_crowded(&self) -> bool {
        let counts = self.starts.windows(2).map(|ends| (ends[1] - ends[0]) as usize);
        8 * counts.filter(|count| *count > MANY_EDGES).sum::<usize>() > self.touching.len()
    }

    /// `chosen` are the edges that may touch the raster.
    fn of(raster: Raster, corner: LatticePoint, edges: &[Edge], chosen: &[u32]) -> Self {
        let frame = Frame::of(raster, corner);
        // In the order of `chosen`, so that chains stay chains.
        let mut starts = vec![0u32; raster.cell_count() + 1];
        for &k in chosen {
            frame.visit(edges[k as usize].a, edges[k as usize].b, |cell| starts[cell + 1] += 1);
        }
        for cell in 1..starts.len() {
            starts[cell] += starts[cell - 1];
        }
        let mut touching = vec![0; starts[raster.cell_count()] as usize];
        let mut next = starts.clone();
        for &k in chosen {
            frame.visit(edges[k as usize].a, edges[k as usize].b, |cell| {
                touching[next[cell] as usize] = k;
                next[cell] += 1;
            });
        }
        Self { frame, starts, touching }
    }

    /// Calls `visit` for every cell, row by row, with its number, its corner, its edges and who owns the corner. `owner` owns the
    /// first corner.
    fn each<'a>(&'a self, edges: &[Edge], owner: u32, mut visit: impl FnMut(usize, LatticePoint, &'a [u32], u32)) {
        let mut row_owner = owner;
        for row in 0..self.frame.rows as usize {
            let mut owner = row_owner;
            for column in 0..self.frame.columns as usize {
                let cell = row * self.frame.columns as usize + column;
                let here = self.frame.corner_at(column, row);
                let list = &self.touching[self.starts[cell] as usize..self.starts[cell + 1] as usize];
                visit(cell, here, list, owner);
                let next = self.frame.corner_at(column + 1, row);
                owner = list.iter().fold(owner, |owner, &k| owner ^ edges[k as usize].between_columns(here, next));
                if column == 0 {
                    let above = self.frame.corner_at(0, row + 1);
                    row_owner = list.iter().fold(row_owner, |owner, &k| owner ^ edges[k as usize].between_rows(here, above));
                }
            }
        }
    }
}

impl Raster {
    /// The finest raster for some edges in a box of `2^width × 2^height` units that keeps memory bounded by the number of edges.
    /// Cells are as wide as high when measured by the edges' own extent.
    fn for_edges(edges: impl Iterator<Item = Edge>, width: u8, height: u8, max_cells: usize) -> Self {
        let (mut count, mut across, mut up) = (0usize, 0.0, 0.0);
        let (most_across, most_up) = ((1u64 << width) as f64, (1u64 << height) as f64);
        for edge in edges {
            let (dx, dy) = edge.b.minus(edge.a);
            count += 1;
            across += (dx.unsigned_abs() as f64).min(most_across);
            up += (dy.unsigned_abs() as f64).min(most_up);
        }
        let mut raster = Self { width, height, columns: 0, rows: 0 };
        if count == 0 {
            return raster;
        }
        loop {
            // Halve the side that fewer edges cross: the sum of crossings is least when both are equal.
            let (walls_x, walls_y) = (across / (1u64 << raster.width) as f64, up / (1u64 << raster.height) as f64);
            let halve_x = raster.height == 0 || (raster.width > 0 && walls_x <= walls_y);
            let next = if halve_x {
                Self { width: raster.width.saturating_sub(1), columns: raster.columns + 1, ..raster }
            } else {
                Self { height: raster.height - 1, rows: raster.rows + 1, ..raster }
            };
            let touched = count as f64 + across / (1u64 << next.width) as f64 + up / (1u64 << next.height) as f64;
            let most = (CELLS_PER_EDGE * count as f64).min(max_cells as f64);
            let too_fine = next.cell_count() as f64 > most || touched > CELLS_TOUCHED * count as f64;
            if too_fine || raster.width == 0 && raster.height == 0 {
                return raster;
            }
            raster = next;
        }
    }
}
