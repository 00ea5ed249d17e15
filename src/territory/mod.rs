//! One epoch of boundaries, immutable: regions and grids in depth-first order over one planar partition.

mod arcs;
mod build;
#[cfg(test)]
#[path = "../../benches/coverage.rs"]
pub(crate) mod coverage;
mod crossed;
pub mod drawn;
pub mod edge_match;
pub mod excerpt;
pub mod hierarchy;
pub mod index;
pub mod locate;
pub mod mend;
pub mod nearest;
mod neighbours;
mod outline;
pub mod overlap;
pub mod partition;
#[cfg(test)]
pub(crate) mod samples;
pub mod search;
pub mod shore;
pub mod words;

pub use index::Index;
pub use locate::Located;

use crate::domain::code::Code;
use crate::domain::grid::GridKind;
use crate::domain::id::{Epoch, GridIx, GridSet, RegionIx, Unit};
use crate::domain::period::Period;
use crate::domain::records::Provenance;
use crate::domain::region::VoidKind;
use crate::domain::scheme::Scheme;
use crate::geom::{Area, LatticeBox, LatticePoint};
use partition::{OwnerIx, Partition};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A region of this epoch.
#[derive(Debug, Clone)]
pub struct Region {
    /// Identity.
    pub code: Code,
    /// Empty when unknown.
    pub name: String,
    /// Position of its level in the scheme.
    pub level: usize,
    /// Nearest region above that exists.
    pub parent: Option<RegionIx>,
    /// Itself and all regions below it, as `RegionIx`.
    pub subtree: Range<u32>,
    /// All grids below it, as `GridIx`.
    pub grids: Range<u32>,
    /// Set when it has no children: then it owns land itself.
    pub owner: Option<OwnerIx>,
    /// Box of its land; `None` when it has no land at all.
    pub bbox: Option<LatticeBox>,
    /// A point inside its largest part; `None` when it has no land.
    pub label: Option<LatticePoint>,
    /// Its land in square metres: the sum of its leaves.
    pub area_m2: f64,
    /// The outline it came with.
    pub claim: Option<Area>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// A grid of this epoch.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Identity.
    pub code: Code,
    /// May be empty.
    pub name: String,
    /// What it is for.
    pub kind: GridKind,
    /// Nearest region above; `None` in a one-level scheme.
    pub parent: Option<RegionIx>,
    /// Its place in the tie-break order.
    pub owner: OwnerIx,
    /// Box of its land.
    pub bbox: LatticeBox,
    /// A point inside its largest part.
    pub label: LatticePoint,
    /// Its land in square metres.
    pub area_m2: f64,
    /// Households, a count.
    pub households: Option<u32>,
    /// Residents, a count.
    pub population: Option<u32>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// A named void of this epoch.
#[derive(Debug, Clone)]
pub struct Void {
    /// Stable name.
    pub name: String,
    /// What it is.
    pub kind: VoidKind,
    /// Why.
    pub reason: String,
    /// Its place in the tie-break order.
    pub owner: OwnerIx,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// One epoch of boundaries of one grid set. Immutable.
#[derive(Debug, Clone)]
pub struct Territory {
    /// Its number.
    pub epoch: Epoch,
    /// Which partition.
    pub set: GridSet,
    /// Levels.
    pub scheme: Scheme,
    /// When it is, or was, in force.
    pub period: Period,
    /// Depth-first: every subtree is a range.
    pub regions: Vec<Region>,
    /// Depth-first: the grids of a region are a range.
    pub grids: Vec<Grid>,
    /// In the order of `BoundarySet::voids`.
    pub voids: Vec<Void>,
    /// Who owns what.
    pub partition: Partition,
    /// Point → owner.
    pub index: Index,
    /// What each owner's land is, as a number.
    lands: Vec<u128>,
    borders: outline::Borders,
    /// Borders as tiles draw them; starts empty (`Drawn::default()`), filled when asked for.
    drawn: drawn::Drawn,
    boxes: nearest::Boxes,
    names: search::Names,
    /// Made when it is first asked for.
    words: Arc<OnceLock<words::RegionWords>>,
    codes: GridCodes,
    region_by_code: HashMap<Code, RegionIx>,
    grid_by_code: HashMap<Code, GridIx>,
}

/// The codes of all grids, one after the other.
#[derive(Debug, Clone)]
struct GridCodes {
    text: String,
    /// Where each begins, and the end of the last.
    starts: Vec<u32>,
}

impl GridCodes {
    fn of(grids: &[Grid]) -> Self {
        let mut codes = Self { text: String::new(), starts: Vec::with_capacity(grids.len() + 1) };
        codes.starts.push(0);
        for grid in grids {
            codes.text.push_str(grid.code.as_str());
            codes.starts.push(codes.text.len() as u32);
        }
        codes
    }
}

impl Territory {
    /// The region with this code.
    pub fn region_ix(&self, code: &str) -> Option<RegionIx> {
        self.region_by_code.get(code).copied()
    }

    /// The grid with this code.
    pub fn grid_ix(&self, code: &str) -> Option<GridIx> {
        self.grid_by_code.get(code).copied()
    }

    /// The region, else the grid, with this code.
    pub fn unit(&self, code: &str) -> Option<Unit> {
        self.region_ix(code).map(Unit::Region).or_else(|| self.grid_ix(code).map(Unit::Grid))
    }

    /// A region of this epoch.
    pub fn region(&self, ix: RegionIx) -> &Region {
        &self.regions[ix.at()]
    }

    /// A grid of this epoch.
    pub fn grid(&self, ix: GridIx) -> &Grid {
        &self.grids[ix.at()]
    }

    /// The code of a grid, out of a table that fits a near cache where [`Grid`]s do not: for answers to many points.
    pub fn grid_code(&self, ix: GridIx) -> &str {
        let [start, end] = [self.codes.starts[ix.at()], self.codes.starts[ix.at() + 1]];
        &self.codes.text[start as usize..end as usize]
    }

    /// Its regions in the words of addresses.
    pub fn words(&self) -> &words::RegionWords {
        self.words.get_or_init(|| words::RegionWords::of(self))
    }

    /// The regions from the top down to `ix`, `ix` included.
    pub fn path(&self, ix: Option<RegionIx>) -> Vec<RegionIx> {
        let mut path: Vec<RegionIx> = std::iter::successors(ix, |ix| self.region(*ix).parent).collect();
        path.reverse();
        path
    }
}
