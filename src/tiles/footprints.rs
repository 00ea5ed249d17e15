//! Footprints of buildings in a tile: rounded to its pixels, cut at its buffer.
//!
//! Each ring is cut by itself, side by side (Sutherland and Hodgman 1974). Where a footprint leaves the buffer and comes back, its cut ring
//! runs along the buffer's edge between the two: that is outside of what is shown.

use super::encode::Frame;
use crate::geom::clip::{Rings, Window, area2};
use crate::geom::mercator::{BUFFER, MercatorPoint, Pixel, PixelGrid, lattice_box};
use crate::geom::{Area, LatticeBox, LatticePoint, TileId};

/// The pixels of one tile with its buffer.
pub(super) struct Footprints {
    grid: PixelGrid,
    window: Window,
    bounds: LatticeBox,
    /// For the encoder.
    pub(super) frame: Frame,
}

/// What a tile has of a footprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Rings.
    Land,
    /// It is smaller than a pixel.
    Speck,
    /// It lies elsewhere.
    Nothing,
}

impl Footprints {
    pub(super) fn of(tile: TileId) -> Self {
        let grid = PixelGrid::of_zoom(tile.z());
        let (origin, width, buffer) = (grid.origin(tile), grid.tile_width(), grid.buffer());
        Self {
            grid,
            window: Window { min: origin.map(|at| at - buffer), max: origin.map(|at| at + width + buffer) },
            bounds: lattice_box(tile, BUFFER.unsigned_abs() + 1),
            frame: Frame { origin, scale: grid.units_per_pixel() },
        }
    }

    /// What lies outside of this box is not in the tile.
    pub(super) fn bounds(&self) -> LatticeBox {
        self.bounds
    }

    /// Appends the rings of a footprint: each exterior with its holes behind it.
    pub(super) fn rings(&self, area: &Area, rings: &mut Rings) -> Shown {
        let mut shown = Shown::Speck;
        for polygon in area.polygons() {
            let whole = self.pixels(&polygon.exterior);
            if area2(&whole) == 0 {
                continue;
            }
            let exterior = cut(whole, &self.window);
            if area2(&exterior) == 0 {
                shown = if shown == Shown::Speck { Shown::Nothing } else { shown };
                continue;
            }
            shown = Shown::Land;
            rings.push(turned(exterior, true));
            for hole in &polygon.holes {
                let hole = cut(self.pixels(hole), &self.window);
                if area2(&hole) != 0 {
                    rings.push(turned(hole, false));
                }
            }
        }
        shown
    }

    fn pixels(&self, ring: &[LatticePoint]) -> Vec<Pixel> {
        ring.iter().map(|p| self.grid.pixel(MercatorPoint::of(*p))).collect()
    }
}

fn turned(mut ring: Vec<Pixel>, exterior: bool) -> Vec<Pixel> {
    if (area2(&ring) > 0) != exterior {
        ring.reverse();
    }
    ring
}

/// What of a ring lies in a window, without repeated points and ways there and back.
fn cut(mut ring: Vec<Pixel>, window: &Window) -> Vec<Pixel> {
    for axis in 0..2 {
        for (limit, sign) in [(window.min[axis], 1), (window.max[axis], -1)] {
            let inside = |p: Pixel| (p[axis] - limit) * sign >= 0;
            if ring.iter().all(|p| inside(*p)) {
                continue;
            }
            let mut kept = Vec::with_capacity(ring.len() + 4);
            let mut from = *ring.last().expect("some of it lies outside");
            for &to in &ring {
                if inside(from) != inside(to) {
                    kept.push(crossing(from, to, axis, limit));
                }
                if inside(to) {
                    kept.push(to);
                }
                from = to;
            }
            ring = kept;
            if ring.is_empty() {
                return ring;
            }
        }
    }
    let mut tidy: Vec<Pixel> = Vec::with_capacity(ring.len());
    for p in ring {
        // There and back: the way is no land.
        while tidy.len() > 1 && tidy[tidy.len() - 2] == p {
            tidy.pop();
        }
        if tidy.last() != Some(&p) {
            tidy.push(p);
        }
    }
    while tidy.len() > 1 && tidy.first() == tidy.last() {
        tidy.pop();
    }
    tidy
}

/// Where an edge meets a line, the same from either end.
fn crossing(a: Pixel, b: Pixel, axis: usize, limit: i32) -> Pixel {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    let other = 1 - axis;
    let wide = |p: Pixel, axis: usize| i64::from(p[axis]);
    let (along, across) = (wide(b, other) - wide(a, other), wide(b, axis) - wide(a, axis));
    let part = along * (i64::from(limit) - wide(a, axis));
    // Rounded down: one way for all.
    let mut met = [limit; 2];
    met[other] = (wide(a, other) + part.div_euclid(across)) as i32;
    met
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Window = Window { min: [0, 0], max: [100, 80] };

    /// Whether a ring holds a place between pixels.
    fn holds(ring: &[Pixel], [x, y]: [f64; 2]) -> bool {
        let mut inside = false;
        for (at, b) in ring.iter().enumerate() {
            let a = ring[at.checked_sub(1).unwrap_or(ring.len() - 1)];
            let ([ax, ay], [bx, by]) = (a.map(f64::from), b.map(f64::from));
            inside ^= (ay > y) != (by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax);
        }
        inside
    }

    proptest! {
        #[test]
        fn a_cut_ring_holds_what_the_whole_one_holds_in_the_window(
            corners in proptest::collection::vec((-60i32..160, -60i32..140), 3..9),
            places in proptest::collection::vec((0i32..100, 0i32..80), 20),
        ) {
            // Around its middle, so that it does not cross itself.
            let middle = |of: &dyn Fn(&(i32, i32)) -> i32| f64::from(corners.iter().map(of).sum::<i32>()) / corners.len() as f64;
            let (mx, my) = (middle(&|p| p.0), middle(&|p| p.1));
            let mut ring: Vec<Pixel> = corners.iter().map(|(x, y)| [*x, *y]).collect();
            ring.sort_by(|a, b| {
                let angle = |p: &Pixel| (f64::from(p[1]) - my).atan2(f64::from(p[0]) - mx);
                angle(a).total_cmp(&angle(b))
            });
            let whole = ring.clone();
            let cut = cut(ring, &WINDOW);
            prop_assert!(cut.iter().all(|p| WINDOW.holds(*p)));
            // A cut edge ends up to a pixel beside the whole one, so places near an edge tell nothing.
            let near = |[x, y]: [f64; 2]| whole.iter().enumerate().any(|(at, b)| {
                let a = whole[at.checked_sub(1).unwrap_or(whole.len() - 1)];
                let ([ax, ay], [bx, by]) = (a.map(f64::from), b.map(f64::from));
                let part = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax).powi(2) + (by - ay).powi(2)).max(1.0);
                let part = part.clamp(0.0, 1.0);
                (ax + part * (bx - ax) - x).hypot(ay + part * (by - ay) - y) < 2.0
            });
            for place in places.into_iter().map(|(x, y)| [f64::from(x) + 0.5, f64::from(y) + 0.5]).filter(|place| !near(*place)) {
                prop_assert_eq!(holds(&cut, place), holds(&whole, place), "{:?} of {:?} in {:?}", place, whole, cut);
            }
        }
    }

    #[test]
    fn what_lies_elsewhere_leaves_nothing_and_what_lies_inside_stays() {
        assert_eq!(cut(vec![[200, 0], [210, 0], [210, 9]], &WINDOW), [[0; 2]; 0]);
        let house = vec![[1, 1], [9, 1], [9, 9], [1, 9]];
        assert_eq!(cut(house.clone(), &WINDOW), house);
        assert_eq!(cut(vec![[-5, 0], [5, 0], [5, 10], [-5, 10]], &WINDOW), [[0, 0], [5, 0], [5, 10], [0, 10]]);
    }
}
