//! The next territory's borders from the last one's, the same as from scratch.
//!
//! Rounding a line looks at the hot pixels within its box, which come from lines whose boxes meet it. So of a zoom those lines
//! are led anew that changed, and those within whose boxes a line changed, came or went; whether a line is clean can change for
//! those near such a line. All others are copied in long runs, since lines stand in the order of their places.

use super::band::{Band, Taken, in_parallel};
use super::zoom::Parts;
use super::{DrawnZoom, MOST_STEPS, Territory};
use crate::geom::mercator::{MercatorPoint, Pixel};
use crate::geom::packed::Bounds;
use crate::geom::route::HotPixels;
use crate::geom::tile_id::MAX_ZOOM;
use std::collections::HashMap;
use std::sync::Arc;

impl Territory {
    /// Draws every zoom that `before` has drawn, with as little detail as it has, taking over what is the same. For the next territory
    /// before it is published: see `benches/README.md` for what that saves.
    pub fn draw_after(&self, before: &Self) {
        if self.scheme != before.scheme {
            return;
        }
        let is_wanted =
            |zoom: u8, steps: u8| before.drawn.zoom(zoom, steps).get().is_some() && self.drawn.zoom(zoom, steps).get().is_none();
        let mut zooms = (0..=MAX_ZOOM).peekable();
        while let Some(of) = zooms.peek().map(|zoom| self.band_of(*zoom)) {
            let of_band: Vec<u8> = std::iter::from_fn(|| zooms.next_if(|zoom| *zoom <= of.last)).collect();
            let wanted: Vec<(u8, u8)> = of_band
                .into_iter()
                .flat_map(|zoom| (0..=MOST_STEPS).map(move |steps| (zoom, steps)))
                .filter(|(zoom, steps)| is_wanted(*zoom, *steps))
                .collect();
            let old = before.drawn.bands[usize::from(of.first)].get();
            let Some(old) = old.filter(|_| !wanted.is_empty() && before.band_of(of.first) == of) else { continue };
            let band = self.drawn.bands[usize::from(of.first)].get_or_init(|| Arc::new(Band::new(self, &of, Some(old))));
            let taken = old.taken(band);
            let shared = old.draws_all_like(band, &taken) && self.has_features_like(before);
            // The deepest take longest: every other one to the other core.
            let spread: Vec<(u8, u8)> = wanted.iter().step_by(2).chain(wanted.iter().skip(1).step_by(2)).copied().collect();
            in_parallel(spread.len(), 1, |range| {
                for (zoom, steps) in &spread[range] {
                    let was = before.drawn.zoom(*zoom, *steps).get().expect("what is wanted was drawn");
                    let after = || match shared {
                        true => Arc::clone(was),
                        false => Arc::new(was.after((old, band), &taken, self, (*zoom, *steps))),
                    };
                    self.drawn.zoom(*zoom, *steps).get_or_init(after);
                }
                Vec::<()>::new()
            });
        }
    }

    /// Whether features in the same places are of the same levels and have or lack land alike.
    fn has_features_like(&self, other: &Self) -> bool {
        let look = |territory: &Self| -> Vec<(usize, bool)> {
            territory.regions.iter().map(|region| (region.level, region.bbox.is_some())).collect()
        };
        self.grids.len() == other.grids.len() && look(self) == look(other)
    }
}

impl DrawnZoom {
    /// This zoom of the next territory: of both the bands, and which lines are the same.
    fn after(&self, (old, band): (&Band, &Band), taken: &Taken, territory: &Territory, (of_zoom, steps): (u8, u8)) -> Self {
        let grid = self.grid;
        // The zoom whose detail it has.
        let zoom = of_zoom.saturating_sub(steps);
        // Boxes of points that round to one pixel are not farther from each other.
        let margin = 1 << grid.shift();
        let mut stays = vec![false; old.line_count()];
        let same =
            |line: usize, at: usize| old.draws_like(at, band, line) || old.kept_line(at, zoom).eq(band.kept_line(line, zoom));
        let from = taken.iter().enumerate().map(|(line, at)| {
            let at = at.map(|at| at as usize).filter(|at| same(line, *at))?;
            stays[at] = true;
            Some(at)
        });
        let from: Vec<Option<usize>> = from.collect();
        let gone: Vec<Bounds> = (0..old.line_count()).filter(|at| !stays[*at]).map(|at| old.bounds(at)).collect();
        let came = (0..from.len()).filter(|line| from[*line].is_none()).map(|line| band.bounds(line));

        let redone = band.lines_near(gone.iter().copied().chain(came), margin);
        let near = band.lines_near(redone.iter().map(|line| band.bounds(*line)), margin);
        let kept: Vec<Vec<MercatorPoint>> = near.iter().map(|line| band.kept_line(*line, zoom).collect()).collect();
        let hot = HotPixels::of(grid, &kept);
        let route = |line: &usize| {
            let mut routed = vec![];
            hot.route(&kept[near.binary_search(line).expect("a line meets its own box")], &mut routed);
            routed.into_iter().map(|pixel| hot.pixels()[pixel as usize]).collect::<Vec<Pixel>>()
        };
        let routed: Vec<Vec<Pixel>> = redone.iter().map(route).collect();
        let is_new = |line: usize, routed: &[Pixel]| from[line].is_none_or(|at| self.line(at) != routed);
        let changed: Vec<(usize, Vec<Pixel>)> =
            redone.into_iter().zip(routed).filter(|(line, routed)| is_new(*line, routed)).collect();

        let mut parts = Parts::with_capacity(from.len(), self.points.len());
        let mut left = changed.iter().peekable();
        while parts.line_count() < from.len() {
            let line = parts.line_count();
            if let Some((_, routed)) = left.next_if(|(at, _)| *at == line) {
                parts.push(routed.iter().copied(), band.sides[line], false);
                continue;
            }
            let first = from[line].expect("a line that came was led anew");
            let stop = left.peek().map_or(from.len(), |(at, _)| *at);
            let count = (line..stop).zip(first..).take_while(|(line, at)| from[*line] == Some(*at)).count();
            parts.push_from(self, first..first + count, &band.sides[line..line + count]);
        }

        let moved = changed.iter().map(|(line, _)| band.bounds(*line)).chain(gone);
        let asked = band.lines_near(moved, margin);
        let mut met: HashMap<Pixel, u32> = HashMap::new();
        for line in band.lines_near(asked.iter().map(|line| band.bounds(*line)), margin) {
            parts.line(line).iter().for_each(|pixel| *met.entry(*pixel).or_default() += 1);
        }
        for line in asked {
            let points = parts.line(line);
            let between = points.get(1..points.len().saturating_sub(1)).unwrap_or_default();
            let clean = between.iter().all(|pixel| met[pixel] == 1);
            parts.set_clean(line, clean);
        }
        parts.finish(grid, territory, of_zoom)
    }

    fn line(&self, line: usize) -> &[Pixel] {
        &self.points[self.lines[line].start as usize..self.lines[line].end as usize]
    }
}
