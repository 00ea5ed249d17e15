//! Cutting a block with very many edges, or with many in one corner, into smaller ones.

use super::super::{Block, Raster, narrow};
use super::write::Writer;
use super::{EDGES_PER_BLOCK, Edge, Sorted};
use crate::geom::LatticePoint;
use rayon::prelude::*;

/// A block with more is cut: places of compact records have 13 or 14 bits. A guess; those that do not fit are only slower.
const MANY_EDGES_OF_BLOCK: usize = 8192;
/// A block with more edges than this is also cut when an eighth of them stand in cells that are crowded (`MANY_EDGES`):
/// villages around a bay. Of the points of the uneven city of 2,400 grids half fell into cells that were cut once more, with this
/// 1 %.
const CROWD: usize = 128;
/// Logarithm of how many blocks a block is cut into, across and up; at least and at most.
const CUTS: (u32, u32) = (2, 4);
/// Most cells of a block, and most when there are more that do not fit 16 bits than 14 bits can count.
const MAX_CELLS: [usize; 2] = [1 << 16, narrow::MAX_OTHERS];

/// A block, or the blocks that cut it.
pub(super) enum Tree {
    Leaf(Block),
    Cut(Raster, Vec<Tree>),
}

impl Tree {
    pub(super) fn build(mut edges: Vec<Edge>, corner: LatticePoint, shift: u8, owner: u32) -> Self {
        let many = edges.len() > MANY_EDGES_OF_BLOCK;
        if many {
            edges = match Self::cut(edges, corner, shift, owner) {
                Ok(cut) => return cut,
                Err(edges) => edges,
            };
        }
        let raster = Raster::for_edges(edges.iter().copied(), shift, shift, MAX_CELLS[0]);
        let sorted = Sorted::of_all(raster, corner, &edges);
        if !many && edges.len() > CROWD && sorted.is_crowded() {
            edges = match Self::cut(edges, corner, shift, owner) {
                Ok(cut) => return cut,
                Err(edges) => edges,
            };
        }
        Self::Leaf(Writer::write(&edges, raster, &sorted, owner).unwrap_or_else(|| {
            let raster = Raster::for_edges(edges.iter().copied(), shift, shift, MAX_CELLS[1]);
            Writer::write(&edges, raster, &Sorted::of_all(raster, corner, &edges), owner)
                .expect("a block of 2^14 cells has no more than that which do not fit 16 bits")
        }))
    }

    /// Gives the edges back when cutting does not help: long edges side by side do not become fewer.
    fn cut(edges: Vec<Edge>, corner: LatticePoint, shift: u8, owner: u32) -> Result<Self, Vec<Edge>> {
        // About as many inner blocks as there would be in the outermost raster.
        let cuts = (edges.len() / EDGES_PER_BLOCK).max(1).ilog2().div_ceil(2).clamp(CUTS.0, CUTS.1);
        let cuts = (cuts as u8).min(shift);
        let raster = Raster { width: shift - cuts, height: shift - cuts, columns: cuts, rows: cuts };
        let sorted = Sorted::of_all(raster, corner, &edges);
        if cuts == 0 || sorted.touching.len() > 2 * edges.len() {
            return Err(edges);
        }
        let mut inner = Vec::with_capacity(raster.cell_count());
        sorted.each(&edges, owner, |_, corner, list, owner| {
            inner.push((list.iter().map(|&k| edges[k as usize]).collect::<Vec<Edge>>(), corner, owner));
        });
        // Only one copy of the edges is held while the inner blocks are built.
        drop((edges, sorted));
        let build = |(edges, corner, owner)| Self::build(edges, corner, shift - cuts, owner);
        Ok(Self::Cut(raster, inner.into_par_iter().map(build).collect()))
    }

    /// The blocks of one raster, then those that cut them, and so on.
    pub(super) fn flattened(trees: Vec<Self>) -> Vec<Block> {
        fn count(trees: &[Tree]) -> usize {
            let inner = |tree: &Tree| if let Tree::Cut(_, inner) = tree { count(inner) } else { 0 };
            trees.len() + trees.iter().map(inner).sum::<usize>()
        }
        let mut blocks = Vec::with_capacity(count(&trees));
        let mut level = trees;
        while !level.is_empty() {
            let mut first = blocks.len() + level.len();
            let mut next = Vec::new();
            for tree in level {
                blocks.push(match tree {
                    Self::Leaf(block) => block,
                    Self::Cut(raster, inner) => {
                        let block = Block { raster, first: first as u32, others: 0, quarters: Box::default() };
                        first += inner.len();
                        next.extend(inner);
                        block
                    }
                });
            }
            level = next;
        }
        blocks
    }
}
