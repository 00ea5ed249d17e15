//! The borders as tiles draw them: merged, simplified and rounded once per zoom for the whole territory, so that tiles only cut.
//!
//! Zooms that show the same levels are a *band*. A band merges arcs into lines (where a border of grids ends on a border of
//! counties there is no node as long as grids are not shown) and simplifies them, one byte a vertex for all its zooms. A zoom of
//! the band takes the vertices it draws and rounds them to its pixels. Both are made when first asked for, and kept; the next
//! territory takes over what did not change.

mod band;
mod redraw;
mod zoom;

use super::Territory;
use crate::domain::id::{GridIx, RegionIx, Unit};
use crate::geom::mercator::{MercatorPoint, in_tiles, morton, morton_range};
use crate::geom::tile_id::MAX_ZOOM;
use crate::geom::{LatticePoint, TileId};
pub(crate) use band::in_parallel;
use band::{Band, BandOf};
use std::sync::{Arc, OnceLock};
pub use zoom::{DrawnZoom, Piece};

/// Something that tiles draw as an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// A region of any level above the grids.
    Region(RegionIx),
    /// A grid.
    Grid(GridIx),
}

impl From<Feature> for Unit {
    fn from(feature: Feature) -> Self {
        match feature {
            Feature::Region(ix) => Self::Region(ix),
            Feature::Grid(ix) => Self::Grid(ix),
        }
    }
}

const ZOOMS: usize = MAX_ZOOM as usize + 1;

/// How many zooms farther out the detail of a tile may be taken from: a pixel is then 16 units of a tile, two pixels of a screen.
pub const MOST_STEPS: u8 = 4;

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
    /// One to [`MOST_STEPS`] steps coarser, for tiles that are too large.
    coarser: [[OnceLock<Arc<DrawnZoom>>; ZOOMS]; MOST_STEPS as usize],
    labels: OnceLock<Arc<Vec<Vec<Label>>>>,
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

impl Drawn {
    /// A zoom with all its detail (0), or with that of zooms farther out.
    fn zoom(&self, zoom: u8, steps: u8) -> &OnceLock<Arc<DrawnZoom>> {
        let zooms = match steps {
            0 => &self.zooms,
            _ => &self.coarser[usize::from(steps - 1)],
        };
        &zooms[usize::from(zoom)]
    }
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

    /// The same levels with the detail of 1 to [`MOST_STEPS`] zooms farther out.
    pub fn drawn_with_less_detail(&self, zoom: u8, steps: u8) -> &DrawnZoom {
        let (zoom, steps) = (zoom.min(MAX_ZOOM), steps.clamp(1, MOST_STEPS));
        self.drawn.zoom(zoom, steps).get_or_init(|| Arc::new(DrawnZoom::new(self, self.band(zoom), zoom, steps)))
    }

    /// Whether a zoom was ever drawn with less detail.
    pub fn is_drawn_with_less_detail(&self, zoom: u8, steps: u8) -> bool {
        let (zoom, steps) = (zoom.min(MAX_ZOOM), steps.clamp(1, MOST_STEPS));
        self.drawn.zoom(zoom, steps).get().is_some()
    }

    /// Whether the borders of a zoom are there already.
    pub fn is_drawn(&self, zoom: u8) -> bool {
        self.drawn.zooms[usize::from(zoom.min(MAX_ZOOM))].get().is_some()
    }

    /// The band of a zoom.
    fn band_of(&self, zoom: u8) -> BandOf {
        let levels: Vec<usize> = self.levels_at(zoom).collect();
        let alike = |other: &u8| self.levels_at(*other).eq(levels.iter().copied());
        let first = (0..=zoom).rev().take_while(alike).last().unwrap_or(zoom);
        let last = (zoom..=MAX_ZOOM).take_while(alike).last().unwrap_or(zoom);
        BandOf { first, last, levels }
    }

    fn band(&self, zoom: u8) -> &Band {
        let of = self.band_of(zoom);
        self.drawn.bands[usize::from(of.first)].get_or_init(|| Arc::new(Band::new(self, &of, None)))
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
