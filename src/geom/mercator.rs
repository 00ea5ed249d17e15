//! Web Mercator (EPSG:3857) in integers, the space in which tiles are simplified, rounded and clipped.
//!
//! The world is 2^32 units wide, so two lattice points never fall together (a unit is 0.93 cm on the equator, a lattice unit 1.11
//! cm), and the origin is its middle, so that coordinates fit `i32`. `x` grows east, `y` grows *south*. Sine and logarithm come
//! from `libm`: the same bits on every machine.

use super::lattice::{LatticeBox, LatticePoint, UNITS_PER_DEGREE};
use super::lonlat::{LonLat, PositionError};
use super::tile_id::TileId;
use std::f64::consts::{PI, TAU};

/// Beyond this latitude (degrees, north or south) there are no tiles: the world of Web Mercator is a square.
pub const MAX_LATITUDE: f64 = 85.051_128_779_806_6;

/// Units across the world.
const WORLD: f64 = 4_294_967_296.0;

/// Tile units across one tile.
pub const EXTENT: i32 = 4096;

/// Tile units by which a tile reaches over its visible extent on each side.
pub const BUFFER: i32 = 64;

/// At this zoom a tile unit is one Mercator unit; deeper tiles show the same pixels larger.
const FINEST_ZOOM: u8 = 20;

/// A position in units of 1/2^32 of the world's width from its middle, `x` east, `y` south.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MercatorPoint {
    /// East of Greenwich.
    pub x: i32,
    /// South of the equator.
    pub y: i32,
}

impl MercatorPoint {
    /// A point from its two coordinates in units.
    pub const fn new(x: i32, y: i32) -> Self {
        Self { x, y }
    }

    /// The nearest Mercator point. Latitudes beyond [`MAX_LATITUDE`] land on the edge of the world.
    pub fn of(p: LatticePoint) -> Self {
        Self::of_units(f64::from(p.x), f64::from(p.y))
    }

    /// The same from lattice units that need not be whole.
    fn of_units(x: f64, y: f64) -> Self {
        let east = x * (WORLD / (360.0 * UNITS_PER_DEGREE));
        let latitude = (y / UNITS_PER_DEGREE).clamp(-MAX_LATITUDE, MAX_LATITUDE) * (PI / 180.0);
        let south = libm::atanh(libm::sin(latitude)) * (-WORLD / TAU);
        Self { x: nearest(east), y: nearest(south) }
    }

    /// The lattice point nearest to this position.
    pub fn lattice(self) -> LatticePoint {
        let lon = f64::from(self.x) * (360.0 * UNITS_PER_DEGREE / WORLD);
        let lat = libm::atan(libm::sinh(f64::from(self.y) * (-TAU / WORLD))) * (180.0 / PI * UNITS_PER_DEGREE);
        LatticePoint::new(libm::rint(lon) as i32, libm::rint(lat) as i32)
    }
}

/// Radius of the sphere of EPSG:3857 in metres.
const SPHERE_RADIUS_M: f64 = 6_378_137.0;

/// A position in EPSG:3857: metres east and north. Finite at the poles too.
pub fn metres(p: LonLat) -> [f64; 2] {
    let north = libm::asinh(libm::tan(p.lat().to_radians()));
    [p.lon().to_radians() * SPHERE_RADIUS_M, north * SPHERE_RADIUS_M]
}

/// The position at metres east and north in EPSG:3857. East of 180° is out of range; every finite north is a latitude.
pub fn of_metres([east, north]: [f64; 2]) -> Result<LonLat, PositionError> {
    // A world's edge in metres may come back a little over 180°.
    let lon = (east / SPHERE_RADIUS_M).to_degrees();
    let lon = if lon.abs() <= 180.0 + 1e-9 { lon.clamp(-180.0, 180.0) } else { lon };
    LonLat::new(lon, libm::atan(libm::sinh(north / SPHERE_RADIUS_M)).to_degrees())
}

/// Rounds and keeps within the world; its eastern and southern edges fall on the last unit.
fn nearest(units: f64) -> i32 {
    libm::rint(units).clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32
}

/// Whether a position can be in a tile at all.
pub fn in_tiles(p: LatticePoint) -> bool {
    f64::from(p.y).abs() <= MAX_LATITUDE * UNITS_PER_DEGREE
}

/// Twice the signed area of `a b c`: positive when `c` lies left of `a → b` in a plane whose `y` grows *up*, right of it on the
/// map. Exact: differences take 33 bits, products 66.
pub fn cross(a: MercatorPoint, b: MercatorPoint, c: MercatorPoint) -> i128 {
    let minus = |p: i32, q: i32| i128::from(i64::from(p) - i64::from(q));
    minus(b.x, a.x) * minus(c.y, a.y) - minus(b.y, a.y) * minus(c.x, a.x)
}

/// How far a piece of an edge, straight in longitude and latitude, may bow from the straight line between its projected ends, in
/// Mercator units: a quarter of a tile unit of zoom 16, less than 4 cm.
const BOW: f64 = 4.0;

/// A line of lattice points in Mercator. Edges are straight in longitude and latitude, so long ones bow (20 km at 30° N: 2.3 m):
/// they get extra points, which depend on the edge alone and not on the direction it is read in.
pub fn project_line(points: &[LatticePoint]) -> Vec<MercatorPoint> {
    let mut line = Vec::with_capacity(points.len());
    line.extend(points.first().map(|first| MercatorPoint::of(*first)));
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let pieces = pieces(from, to);
        let (least, greatest) = (from.min(to), from.max(to));
        let (dx, dy) = greatest.minus(least);
        for piece in 1..pieces {
            let step = if from == least { piece } else { pieces - piece };
            let share = f64::from(step) / f64::from(pieces);
            line.push(MercatorPoint::of_units(f64::from(least.x) + dx as f64 * share, f64::from(least.y) + dy as f64 * share));
        }
        line.push(MercatorPoint::of(to));
    }
    line
}

/// Into how many pieces an edge is cut. The bow of a piece is `Δφ² / 8 · sec φ · tan φ` northward, of which the part across the
/// edge shows; it falls with the square of the number of pieces.
fn pieces(from: LatticePoint, to: LatticePoint) -> u32 {
    let (dx, dy) = to.minus(from);
    if dx == 0 || dy == 0 {
        return 1;
    }
    let radians = PI / (180.0 * UNITS_PER_DEGREE);
    let steepest = (f64::from(from.y).abs().max(f64::from(to.y).abs()) * radians).min(MAX_LATITUDE * PI / 180.0);
    let rise = dy as f64 * radians;
    // Without the logarithm of the next line for the short edges that nearly all edges are: at 60° a rise of 300 m cannot bow so
    // much.
    if rise.abs() < 2e-5 && steepest < PI / 3.0 {
        return 1;
    }
    let sec = 1.0 / libm::cos(steepest);
    let north = rise * rise / 8.0 * sec * (libm::sin(steepest) * sec) * (WORLD / TAU);
    let across = dx.unsigned_abs() as f64 / libm::hypot(dx as f64, dy as f64 * sec);
    (libm::ceil(libm::sqrt(north * across / BOW)) as u32).clamp(1, 4096)
}

/// The pixels of one zoom: the global lattice 2^(z+12) on which tiles of that zoom draw. Deeper than zoom 20 the lattice of zoom
/// 20 is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelGrid {
    zoom: u8,
    coarser: u8,
}

/// A pixel of a [`PixelGrid`]: its centre in tile units from the middle of the world, `y` south.
pub type Pixel = [i32; 2];

impl PixelGrid {
    /// The pixels tiles of `zoom` draw on.
    pub fn of_zoom(zoom: u8) -> Self {
        Self { zoom, coarser: 0 }
    }

    /// The same tiles with pixels of 2^`steps` tile units, `steps` at most 5.
    pub fn coarser(self, steps: u8) -> Self {
        Self { coarser: steps.min(5), ..self }
    }

    /// log2 of Mercator units per pixel.
    pub fn shift(self) -> u32 {
        u32::from(FINEST_ZOOM.saturating_sub(self.zoom) + self.coarser)
    }

    /// log2 of tile units per pixel: 0 up to zoom 20.
    fn magnification(self) -> u32 {
        u32::from(self.zoom.saturating_sub(FINEST_ZOOM) + self.coarser)
    }

    /// Half the world in pixels.
    fn half_world(self) -> i64 {
        1 << (31 - self.shift())
    }

    /// Tile units per pixel, 1 up to zoom 20.
    pub fn units_per_pixel(self) -> i32 {
        1 << self.magnification()
    }

    /// Pixels across a tile.
    pub fn tile_width(self) -> i32 {
        EXTENT >> self.magnification()
    }

    /// Pixels by which a tile reaches over its visible extent.
    pub fn buffer(self) -> i32 {
        BUFFER >> self.magnification()
    }

    /// The pixel that holds a point. Pixels are half open: their west and north borders belong to them.
    pub fn pixel(self, p: MercatorPoint) -> Pixel {
        let shift = self.shift();
        let half = (1_i64 << shift) >> 1;
        [((i64::from(p.x) + half) >> shift) as i32, ((i64::from(p.y) + half) >> shift) as i32]
    }

    /// The pixel at the north-west corner of a tile's visible extent.
    pub fn origin(self, tile: TileId) -> Pixel {
        let at = |index: u32| (i64::from(index) * i64::from(self.tile_width()) - self.half_world()) as i32;
        [at(tile.x()), at(tile.y())]
    }

    /// The lines on which tiles are cut lie `buffer` to both sides of these: every `tile_width` from this offset.
    pub fn seam_offset(self) -> i32 {
        // The middle of the world is the middle of the only tile of zoom 0, and a corner of four from there on.
        if self.zoom == 0 { self.tile_width() / 2 } else { 0 }
    }

    /// The tiles whose extent with buffer meets the closed box `min … max` of pixels: ranges of columns and rows.
    pub fn tiles_meeting(self, min: Pixel, max: Pixel) -> (std::ops::RangeInclusive<u32>, std::ops::RangeInclusive<u32>) {
        let half_world = self.half_world();
        let last = (1_i64 << self.zoom) - 1;
        let width = i64::from(self.tile_width());
        let buffer = i64::from(self.buffer());
        let range = |low: i32, high: i32| {
            // ⌈(low − buffer − width) / width⌉.
            let first = (i64::from(low) + half_world - buffer - 1).div_euclid(width);
            let end = (i64::from(high) + half_world + buffer).div_euclid(width);
            first.clamp(0, last) as u32..=end.clamp(0, last) as u32
        };
        (range(min[0], max[0]), range(min[1], max[1]))
    }
}

/// The tile of `zoom` whose visible extent holds a point.
pub fn tile_at(p: MercatorPoint, zoom: u8) -> TileId {
    let index = |units: i32| ((i64::from(units) + (1 << 31)) >> (32 - u32::from(zoom))) as u32;
    TileId::new(zoom, index(p.x), index(p.y)).expect("32 bits shifted by 32 - zoom are below 2^zoom")
}

/// The first Mercator point of a tile and the last, without buffer: half open, so tiles share no point.
pub fn tile_bounds(tile: TileId) -> (MercatorPoint, MercatorPoint) {
    let width = 1_i64 << (32 - u32::from(tile.z()));
    let at = |index: u32| i64::from(index) * width - (1 << 31);
    let (x, y) = (at(tile.x()), at(tile.y()));
    (MercatorPoint::new(x as i32, y as i32), MercatorPoint::new((x + width - 1) as i32, (y + width - 1) as i32))
}

/// A lattice box that holds every lattice point of the tile's visible extent grown by `buffer` tile units on each side (and up to
/// one unit more).
pub fn lattice_box(tile: TileId, buffer: u32) -> LatticeBox {
    let grow = i64::from(buffer) << (20_u32.saturating_sub(u32::from(tile.z())));
    let (first, last) = tile_bounds(tile);
    let within = |units: i64| units.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
    let north_west = MercatorPoint::new(within(i64::from(first.x) - grow - 2), within(i64::from(first.y) - grow - 2)).lattice();
    let south_east = MercatorPoint::new(within(i64::from(last.x) + grow + 2), within(i64::from(last.y) + grow + 2)).lattice();
    LatticeBox {
        min: LatticePoint::new(north_west.x.saturating_sub(1), south_east.y - 1),
        max: LatticePoint::new(south_east.x.saturating_add(1), north_west.y + 1),
    }
}

/// Places lattice points in the visible extent of one tile, quickly when there are many.
#[derive(Debug, Clone, Copy)]
pub struct TilePlaces {
    tile: TileId,
    bounds: LatticeBox,
    first: MercatorPoint,
    /// Latitude in lattice units of the tile's middle, and from there on the tile unit as a polynomial of lattice units.
    middle: f64,
    south: [f64; 5],
}

/// From this zoom on the polynomial of [`TilePlaces`] is right to a thousandth of a tile unit; farther out each point is
/// projected.
const POLYNOMIAL_ZOOM: u8 = 10;

impl TilePlaces {
    /// Of a tile; `None` if no lattice point lies in it (deeper than zoom 22 only).
    pub fn new(tile: TileId) -> Option<Self> {
        let (first, last) = tile_bounds(tile);
        // Mercator coordinates grow by more than one unit from lattice point to lattice point, so halving finds the ends exactly.
        let least = |from: i32, to: i32, reaches: &dyn Fn(i32) -> bool| {
            let (mut low, mut high) = (i64::from(from), i64::from(to) + 1);
            while low < high {
                let middle = (low + high).div_euclid(2);
                if reaches(middle as i32) { high = middle } else { low = middle + 1 }
            }
            low
        };
        let most = (MAX_LATITUDE * UNITS_PER_DEGREE) as i32;
        let x = |x: i32| MercatorPoint::of(LatticePoint::new(x, 0)).x;
        let y = |y: i32| MercatorPoint::of(LatticePoint::new(0, y)).y;
        let half_turn = (180.0 * UNITS_PER_DEGREE) as i32;
        let west = least(-half_turn, half_turn, &|at| x(at) >= first.x);
        let east = least(-half_turn, half_turn, &|at| x(at) > last.x) - 1;
        let south = least(-most, most, &|at| y(at) <= last.y);
        let north = least(-most, most, &|at| y(at) < first.y) - 1;
        let bounds =
            LatticeBox { min: LatticePoint::new(west as i32, south as i32), max: LatticePoint::new(east as i32, north as i32) };
        (west <= east && south <= north).then(|| {
            let middle = libm::rint((south + north) as f64 / 2.0);
            let unit = PI / (180.0 * UNITS_PER_DEGREE);
            let (sin, cos) = (libm::sin(middle * unit), libm::cos(middle * unit));
            let (sec, tan) = (1.0 / cos, sin / cos);
            // Derivatives of atanh(sin φ): sec, sec·tan, sec·(tan² + sec²), sec·tan·(tan² + 5·sec²).
            let scale = -f64::from(EXTENT) * libm::scalbn(1.0, i32::from(tile.z())) / TAU;
            let at_middle =
                (libm::atanh(sin) * (-WORLD / TAU) - f64::from(first.y)) * libm::scalbn(1.0, i32::from(tile.z()) - 20);
            let derivatives = [sec, sec * tan, sec * (tan * tan + sec * sec), sec * tan * (tan * tan + 5.0 * sec * sec)];
            let mut south = [at_middle, 0.0, 0.0, 0.0, 0.0];
            let mut factor = scale;
            for (power, derivative) in derivatives.into_iter().enumerate() {
                factor *= unit / (power + 1) as f64;
                south[power + 1] = factor * derivative;
            }
            Self { tile, bounds, first, middle, south }
        })
    }

    /// The lattice points in the tile's visible extent: these and no others.
    pub fn bounds(&self) -> LatticeBox {
        self.bounds
    }

    /// Where a point within the bounds is, in tile units from the north-west corner, both 0 … 4095.
    pub fn place(&self, p: LatticePoint) -> [i32; 2] {
        let shift = 32 - u32::from(self.tile.z());
        let x = nearest(f64::from(p.x) * (WORLD / (360.0 * UNITS_PER_DEGREE)));
        let east = (i64::from(x) - i64::from(self.first.x)) << 12 >> shift;
        let south = if self.tile.z() < POLYNOMIAL_ZOOM {
            (i64::from(MercatorPoint::of(p).y) - i64::from(self.first.y)) << 12 >> shift
        } else {
            let d = f64::from(p.y) - self.middle;
            let [c0, c1, c2, c3, c4] = self.south;
            libm::floor(c0 + d * (c1 + d * (c2 + d * (c3 + d * c4)))) as i64
        };
        let within = |units: i64| units.clamp(0, i64::from(EXTENT) - 1) as i32;
        [within(east), within(south)]
    }
}

/// The Morton number: every tile of every zoom is one range.
pub fn morton(p: MercatorPoint) -> u64 {
    super::morton::morton(p.x, p.y)
}

/// The first and the last [`morton`] number of a tile's visible extent.
pub fn morton_range(tile: TileId) -> (u64, u64) {
    let (first, last) = tile_bounds(tile);
    (morton(first), morton(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::LonLat;

    fn lattice(lon: f64, lat: f64) -> LatticePoint {
        LatticePoint::nearest(LonLat::new(lon, lat).expect("in range"))
    }

    #[test]
    fn the_corners_of_the_world_are_the_corners_of_the_square() {
        assert_eq!(MercatorPoint::of(lattice(0.0, 0.0)), MercatorPoint::new(0, 0));
        assert_eq!(MercatorPoint::of(lattice(-180.0, 90.0)), MercatorPoint::new(i32::MIN, i32::MIN));
        assert_eq!(MercatorPoint::of(lattice(180.0, -90.0)), MercatorPoint::new(i32::MAX, i32::MAX));
        // EPSG:3857 of 122.1° E 30° N is 13592109.83 m, 3503549.84 m (PROJ).
        let p = MercatorPoint::of(lattice(122.1, 30.0));
        let metre = WORLD / (TAU * 6_378_137.0);
        assert!((f64::from(p.x) / metre - 13_592_109.825).abs() < 0.01);
        assert!((f64::from(p.y) / metre + 3_503_549.844).abs() < 0.01);
    }

    #[test]
    fn different_lattice_points_stay_different() {
        for (x, y) in [(1_221_067_733, 300_198_587), (0, 0), (-700_000_000, 850_000_000), (1_799_999_998, -1)] {
            let here = MercatorPoint::of(LatticePoint::new(x, y));
            assert_ne!(here, MercatorPoint::of(LatticePoint::new(x + 1, y)));
            assert_ne!(here, MercatorPoint::of(LatticePoint::new(x, y + 1)));
            assert_eq!(here.lattice(), LatticePoint::new(x, y));
        }
    }

    #[test]
    fn a_long_edge_gets_the_same_points_from_both_sides_and_stays_on_the_straight_line() {
        let (a, b) = (lattice(116.0, 30.0), lattice(117.0, 30.5));
        let there = project_line(&[a, b]);
        let mut back = project_line(&[b, a]);
        back.reverse();
        assert_eq!(there, back);
        assert!(there.len() > 20, "{} points", there.len());
        for pair in there.windows(2) {
            let (p, q) = (pair[0], pair[1]);
            let (pl, ql) = (p.lattice(), q.lattice());
            let middle =
                MercatorPoint::of_units((f64::from(pl.x) + f64::from(ql.x)) / 2.0, (f64::from(pl.y) + f64::from(ql.y)) / 2.0);
            let length = libm::hypot(f64::from(q.x) - f64::from(p.x), f64::from(q.y) - f64::from(p.y));
            let bow = cross(p, q, middle).unsigned_abs() as f64 / length;
            assert!(bow < BOW + 2.0, "{bow} units");
        }
        assert_eq!(project_line(&[lattice(116.0, 30.0), lattice(119.0, 30.0)]).len(), 2, "along a parallel nothing bows");
        assert_eq!(project_line(&[lattice(116.0, 30.0), lattice(116.001, 30.001)]).len(), 2, "short edges stay as they are");
    }

    #[test]
    fn a_tile_is_one_range_of_morton_numbers() {
        let p = MercatorPoint::of(lattice(122.1067, 30.0198));
        for zoom in 0..=22 {
            let tile = tile_at(p, zoom);
            let (first, last) = morton_range(tile);
            assert!((first..=last).contains(&morton(p)));
            assert_eq!(u128::from(last) - u128::from(first) + 1, 1 << (64 - 2 * u32::from(zoom)));
            let bounds = lattice_box(tile, 0);
            assert!(bounds.holds(lattice(122.1067, 30.0198)));
        }
        assert_eq!(tile_at(p, 14).to_string(), "14/13749/6758");
    }

    #[test]
    fn a_tile_holds_the_points_that_are_projected_into_it_and_places_them_alike() {
        for (lon, lat) in [(122.1067, 30.0198), (-0.0000001, 0.0000001), (5.0, -84.0), (179.9999, 71.3)] {
            let here = lattice(lon, lat);
            for zoom in [0, 1, 6, 9, 10, 12, 14, 16, 20] {
                let tile = tile_at(MercatorPoint::of(here), zoom);
                let places = TilePlaces::new(tile).expect("it holds a point");
                let bounds = places.bounds();
                assert!(bounds.holds(here));
                for (x, y) in [(bounds.min.x, bounds.min.y), (bounds.max.x, bounds.max.y)] {
                    let inside = |x: i32, y: i32| tile_at(MercatorPoint::of(LatticePoint::new(x, y)), zoom) == tile;
                    assert!(inside(x, y));
                    let out = |at: i32, low: i32| if at == low { at - 1 } else { at + 1 };
                    let world_ends = x.abs() == 1_800_000_000 || y.abs() >= 850_511_287;
                    assert!(world_ends || !inside(out(x, bounds.min.x), y), "{tile}");
                    assert!(world_ends || !inside(x, out(y, bounds.min.y)), "{tile}");
                }
                let (first, _) = tile_bounds(tile);
                for step in 0..50 {
                    let share = |low: i32, high: i32| (i64::from(low) + (i64::from(high) - i64::from(low)) * step / 49) as i32;
                    let p = LatticePoint::new(share(bounds.min.x, bounds.max.x), share(bounds.min.y, bounds.max.y));
                    let exact = (i64::from(MercatorPoint::of(p).y) - i64::from(first.y)) as f64 * f64::from(EXTENT)
                        / libm::scalbn(1.0, 32 - i32::from(zoom));
                    let placed = f64::from(places.place(p)[1]);
                    assert!(placed - 0.01 - libm::scalbn(1.0, i32::from(zoom) - 20) <= exact, "{tile}: {placed} {exact}");
                    assert!(exact < placed + 1.01 + libm::scalbn(1.0, i32::from(zoom) - 20), "{tile}: {placed} {exact}");
                }
            }
        }
    }

    #[test]
    fn the_tiles_that_meet_a_box_are_those_whose_buffered_extent_does() {
        for zoom in [0, 1, 3, 21] {
            let grid = PixelGrid::of_zoom(zoom);
            let (width, buffer) = (grid.tile_width(), grid.buffer());
            for at in [-1, 0, 1] {
                for edge in [-buffer - 1, -buffer, -buffer + 1, 0, buffer - 1, buffer, buffer + 1] {
                    let low = at * width + edge - grid.seam_offset();
                    let (columns, _) = grid.tiles_meeting([low, 0], [low + 3, 0]);
                    let brute: Vec<u32> = (0..1_u32 << zoom.min(12))
                        .map(|x| if zoom > 12 { x + (1 << (zoom - 1)) - (1 << 11) } else { x })
                        .filter(|&x| {
                            let origin = grid.origin(TileId::new(zoom, x, 0).expect("in range"))[0];
                            origin - buffer <= low + 3 && low <= origin + width + buffer
                        })
                        .collect();
                    if !brute.is_empty() {
                        assert_eq!(columns.collect::<Vec<_>>(), brute, "zoom {zoom} at {low}");
                    }
                }
            }
        }
    }
}
