//! Rounding lines to the pixels of a zoom without new crossings: snap rounding with hot pixels (Hobby; Guibas and Marimont).
//!
//! A pixel is hot when a vertex that the zoom draws rounds to it, or a segment crosses a line on which tiles are cut in it. Every
//! segment is led through the centres of all hot pixels it passes through. Two lines may then share edges, which are the same
//! vertex by vertex, but they never cross and no vertex lies inside another line's edge; and since the cutting lines are part of
//! it, an edge never crosses one: cutting tiles needs no arithmetic and no rounding.

use super::mercator::{BUFFER, MercatorPoint, Pixel, PixelGrid};
use super::morton::{morton, unmorton};
use super::packed::{Bounds, PackedBoxes};

/// The hot pixels of one zoom.
pub struct HotPixels {
    grid: PixelGrid,
    /// In Morton order.
    pixels: Vec<Pixel>,
    /// Over groups of [`GROUP`] pixels.
    groups: PackedBoxes,
}

/// Pixels that share a box of the tree. A guess; nothing depends on it.
const GROUP: usize = 8;

impl HotPixels {
    /// The hot pixels of lines that meet at their ends only.
    pub fn of<L: AsRef<[MercatorPoint]>>(grid: PixelGrid, lines: &[L]) -> Self {
        let mut keys: Vec<u64> = vec![];
        for line in lines.iter().map(AsRef::as_ref) {
            keys.extend(line.iter().map(|p| key(grid.pixel(*p))));
            for pair in line.windows(2) {
                seam_pixels(grid, pair[0], pair[1], |pixel| keys.push(key(pixel)));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        let pixels: Vec<Pixel> = keys.into_iter().map(unmorton).collect();
        let groups = PackedBoxes::new(pixels.chunks(GROUP).map(|group| Bounds::around(group.iter().copied())).collect());
        Self { grid, pixels, groups }
    }

    /// The hot pixels, in Morton order.
    pub fn pixels(&self) -> &[Pixel] {
        &self.pixels
    }

    /// Appends the line, led through hot pixels, to `routed`, as positions in [`Self::pixels`]; those that follow each other
    /// differ. A line within one pixel leaves nothing.
    pub fn route(&self, line: &[MercatorPoint], routed: &mut Vec<u32>) {
        let start = routed.len();
        let mut passed: Vec<u32> = vec![];
        for pair in line.windows(2) {
            let segment = Segment::new(self.grid, pair[0], pair[1]);
            if segment.bounds.min != segment.bounds.max {
                passed.clear();
                self.passed(&segment, &mut passed);
                // Along a segment both coordinates of the passed pixels move one way only, so this is their order.
                let (east, south) = (i64::from(pair[1].x >= pair[0].x) * 2 - 1, i64::from(pair[1].y >= pair[0].y) * 2 - 1);
                passed.sort_unstable_by_key(|at| {
                    let [x, y] = self.pixels[*at as usize];
                    east * i64::from(x) + south * i64::from(y)
                });
                for at in &passed {
                    if routed.len() == start || routed.last() != Some(at) {
                        routed.push(*at);
                    }
                }
            }
        }
    }

    fn passed(&self, segment: &Segment, passed: &mut Vec<u32>) {
        self.groups.visit(
            |bounds| segment.may_pass(bounds),
            |group| {
                let members = group * GROUP..(group * GROUP + GROUP).min(self.pixels.len());
                passed.extend(members.filter(|at| segment.passes(self.pixels[*at])).map(|at| at as u32));
                true
            },
        );
    }
}

/// Morton number of a pixel.
fn key([x, y]: Pixel) -> u64 {
    morton(x, y)
}

/// The pixels in which the segment crosses a line on which tiles are cut: `buffer` to both sides of every tile's border.
fn seam_pixels(grid: PixelGrid, p: MercatorPoint, q: MercatorPoint, mut found: impl FnMut(Pixel)) {
    crossings(grid, (p.x, p.y), (q.x, q.y), |along, across| found([along, across]));
    crossings(grid, (p.y, p.x), (q.y, q.x), |along, across| found([across, along]));
}

/// The same for lines of one direction: the first coordinate is the one that is constant on them.
fn crossings(grid: PixelGrid, p: (i32, i32), q: (i32, i32), mut found: impl FnMut(i32, i32)) {
    let (from, to) = if p.0 <= q.0 { (p, q) } else { (q, p) };
    let unit = 1_i64 << grid.shift();
    let width = i64::from(grid.tile_width());
    let (run, rise) = (i64::from(to.0) - i64::from(from.0), i64::from(to.1) - i64::from(from.1));
    debug_assert!(grid.buffer() <= BUFFER);
    for side in [-i64::from(grid.buffer()), i64::from(grid.buffer())] {
        let offset = i64::from(grid.seam_offset()) + side;
        // The first line strictly past `from`.
        let mut line = i64::from(from.0).div_euclid(unit) - offset;
        line = line.div_euclid(width) * width + offset;
        while line * unit <= i64::from(from.0) {
            line += width;
        }
        while line * unit < i64::from(to.0) {
            // ⌊(across + unit/2) / unit⌋ with across = from.1 + (line·unit − from.0) · rise / run.
            let (run, rise, unit) = (i128::from(run), i128::from(rise), i128::from(unit));
            let across2 = 2 * (i128::from(from.1) * run + (i128::from(line) * unit - i128::from(from.0)) * rise);
            found(line as i32, (across2 + unit * run).div_euclid(2 * unit * run) as i32);
            line += width;
        }
    }
}

/// A segment in half Mercator units, in which the borders of pixels are whole.
struct Segment {
    p: (i64, i64),
    d: (i64, i64),
    /// Around the pixels of its ends.
    bounds: Bounds,
    shift: u32,
}

impl Segment {
    fn new(grid: PixelGrid, p: MercatorPoint, q: MercatorPoint) -> Self {
        let half_units = |p: MercatorPoint| (2 * i64::from(p.x), 2 * i64::from(p.y));
        let (from, to) = (half_units(p), half_units(q));
        Self {
            p: from,
            d: (to.0 - from.0, to.1 - from.1),
            bounds: Bounds::around([grid.pixel(p), grid.pixel(q)]),
            shift: grid.shift(),
        }
    }

    /// On which side of the segment's line a position is.
    fn side(&self, x: i64, y: i64) -> i128 {
        i128::from(self.d.0) * i128::from(y - self.p.1) - i128::from(self.d.1) * i128::from(x - self.p.0)
    }

    /// The least and greatest side of a closed box of pixels' corners, west, north, east, south, and whether each lies on the
    /// open eastern or southern border.
    fn sides(&self, bounds: &Bounds) -> ((i128, bool), (i128, bool)) {
        let unit = 1_i64 << self.shift;
        let edge = |pixel: i32, step: i64| (i64::from(pixel) << (self.shift + 1)) + step * unit;
        let (west, north) = (edge(bounds.min[0], -1), edge(bounds.min[1], -1));
        let (east, south) = (edge(bounds.max[0], 1), edge(bounds.max[1], 1));
        let (dx, dy) = self.d;
        let greatest = self.side(if dy < 0 { east } else { west }, if dx > 0 { south } else { north });
        let least = self.side(if dy > 0 { east } else { west }, if dx < 0 { south } else { north });
        ((least, dy > 0 || dx < 0), (greatest, dy < 0 || dx > 0))
    }

    /// Whether it may pass through a pixel of the box.
    fn may_pass(&self, bounds: &Bounds) -> bool {
        let ((least, _), (greatest, _)) = self.sides(bounds);
        self.bounds.meets(bounds) && least <= 0 && greatest >= 0
    }

    /// Whether it passes through the half-open square of a pixel. Exact: the square is the limit of closed ones whose eastern and
    /// southern borders come nearer, so a corner on such a border must be strictly beyond the line.
    fn passes(&self, pixel: Pixel) -> bool {
        let square = Bounds { min: pixel, max: pixel };
        if !self.bounds.meets(&square) {
            return false;
        }
        let ((least, least_open), (greatest, greatest_open)) = self.sides(&square);
        let below = if least_open { least < 0 } else { least <= 0 };
        let above = if greatest_open { greatest > 0 } else { greatest >= 0 };
        below && above
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::fuzz::{Mesh, Numbers, crossing_after_rounding};
    use crate::geom::simplify::{NEVER, simplified};

    #[test]
    fn a_pixel_comes_back_from_its_number() {
        for pixel in [[0, 0], [1, -1], [i32::MIN, i32::MAX], [123_456, -654_321]] {
            assert_eq!(unmorton(key(pixel)), pixel);
        }
    }

    #[test]
    fn a_segment_passes_through_the_pixels_that_a_fine_walk_along_it_meets() {
        let mut numbers = Numbers::new(5);
        let grid = PixelGrid::of_zoom(18);
        for _ in 0..400 {
            let mut point = || MercatorPoint::new(numbers.below(48) as i32 - 24, numbers.below(48) as i32 - 24);
            let (p, q) = (point(), point());
            let segment = Segment::new(grid, p, q);
            // All crossings with pixel borders, and points between them, are among multiples of 1/(2·d) of the way.
            let steps = 4 * i64::from((p.x - q.x).abs().max(1)) * i64::from((p.y - q.y).abs().max(1));
            let mut walked: Vec<Pixel> = (0..=steps)
                .map(|step| {
                    let at = |from: i32, to: i32| {
                        (i64::from(from) * (steps - step) + i64::from(to) * step + 2 * steps).div_euclid(4 * steps)
                    };
                    [at(p.x, q.x) as i32, at(p.y, q.y) as i32]
                })
                .collect();
            walked.sort_unstable();
            walked.dedup();
            let mut passed: Vec<Pixel> =
                (-8..8).flat_map(|x| (-8..8).map(move |y| [x, y])).filter(|pixel| segment.passes(*pixel)).collect();
            passed.sort_unstable();
            assert_eq!(passed, walked, "{p:?} {q:?}");
        }
    }

    #[test]
    fn rounded_lines_never_cross_nor_run_into_an_edge() {
        for seed in 0..3_000 {
            let mut numbers = Numbers::new(seed);
            let mesh = Mesh::random(&mut numbers);
            let simplified = simplified(&mesh.lines, 0);
            let zoom = 5 + numbers.below(10) as u8;
            let drawn: Vec<Vec<MercatorPoint>> = mesh
                .lines
                .iter()
                .zip(&simplified)
                .map(|(line, s)| {
                    line.iter()
                        .zip(&s.first_zooms)
                        .filter(|(_, first)| **first != NEVER && **first <= zoom)
                        .map(|(p, _)| *p)
                        .collect()
                })
                .collect();
            let grid = PixelGrid::of_zoom(zoom);
            let hot = HotPixels::of(grid, &drawn);
            let routed: Vec<Vec<Pixel>> = drawn
                .iter()
                .map(|line| {
                    let mut routed = vec![];
                    hot.route(line, &mut routed);
                    routed.into_iter().map(|at| hot.pixels()[at as usize]).collect()
                })
                .collect();
            assert_eq!(crossing_after_rounding(&routed), None, "seed {seed}, zoom {zoom}");
            for (line, routed) in drawn.iter().zip(&routed) {
                let pixels: Vec<Pixel> = line.iter().map(|p| grid.pixel(*p)).collect();
                assert_eq!(routed.is_empty(), pixels.iter().all(|pixel| *pixel == pixels[0]));
                if !routed.is_empty() {
                    assert_eq!((routed.first(), routed.last()), (pixels.first(), pixels.last()));
                }
                let seams = [grid.seam_offset() - grid.buffer(), grid.seam_offset() + grid.buffer()];
                for pair in routed.windows(2) {
                    for axis in [0, 1] {
                        let (low, high) = (pair[0][axis].min(pair[1][axis]), pair[0][axis].max(pair[1][axis]));
                        assert!(
                            !(low + 1..high).any(|at| seams.iter().any(|seam| (at - seam).rem_euclid(grid.tile_width()) == 0)),
                            "seed {seed}: an edge crosses a cutting line"
                        );
                    }
                }
            }
        }
    }
}
