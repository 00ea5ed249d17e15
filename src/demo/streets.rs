//! Streets of one island. Roads join the villages to the towns over the easiest ground. Between them streets are traced along a field of
//! directions that follows the shore, the foot of the hills and the lie of each town, at distances that fall with the density
//! (evenly spaced streamlines, Jobard and Lefer 1997; streets from a field of directions, Chen et al. 2008).

use super::plane::{self, Spot, meeting, simplified};
use super::random::{Noise, Random};
use super::relief::{CELL_M, Relief};
use super::settlement::{Ground, NOBODY};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A street line on the drawing board.
#[derive(Debug, Clone)]
pub(super) struct Street {
    pub(super) points: Vec<Spot>,
    /// A road between places; borders like to follow it.
    pub(super) road: bool,
}

/// Blocks a grid is made of, about.
const BLOCKS_PER_GRID: f64 = 8.0;
/// Streets are never closer, nor farther apart, than this, in metres.
const CLOSEST_M: f64 = 75.0;
const FARTHEST_M: f64 = 850.0;
/// A line ends when it comes this near to another of its family, as a share of the spacing.
const CROWDED: f64 = 0.55;
/// Side of a bucket of the neighbour search, in metres.
const BUCKET_M: f64 = 200.0;
/// How far a line runs on to the next one beyond the point where it had to end, as a share of the spacing.
const RUN_ON: f64 = 1.4;

/// All streets of an island; none where the whole of it is about one grid.
pub(super) fn streets(ground: &Ground, seed: u64) -> Vec<Street> {
    let land_km2 = CELL_M * CELL_M / 1e6;
    let grids: f64 = ground.density.iter().map(|density| f64::from(*density) * land_km2).sum();
    if grids < 1.5 {
        return Vec::new();
    }
    let mut net = Net::new(ground, seed);
    net.roads();
    net.fill(seed);
    net.streets
}

/// Sample of a line already laid.
#[derive(Clone, Copy)]
struct Sample {
    at: Spot,
    line: u32,
    /// Position along the line.
    step: u32,
    /// Families it keeps at a distance: bit 0, bit 1.
    families: u8,
}

struct Net<'a> {
    ground: &'a Ground,
    /// Directions of family 0 as doubled angles, so that opposite ways are one.
    cos2: Vec<f32>,
    sin2: Vec<f32>,
    /// Distance of neighbouring streets in metres.
    spacing: Vec<f32>,
    shore_along: Vec<Spot>,
    wiggle: Noise,
    shape: Noise,
    streets: Vec<Street>,
    columns: usize,
    samples: Vec<Vec<Sample>>,
    segments: Vec<Vec<(Spot, Spot)>>,
}

impl<'a> Net<'a> {
    fn new(ground: &'a Ground, seed: u64) -> Self {
        let relief = &ground.relief;
        let columns = (relief.columns as f64 * CELL_M / BUCKET_M) as usize + 2;
        let buckets = columns * ((relief.rows as f64 * CELL_M / BUCKET_M) as usize + 2);
        let spacing = ground.density.iter().map(|density| {
            let grid_m2 = 1e6 / f64::from(density.max(1e-3));
            (grid_m2 / BLOCKS_PER_GRID).sqrt().clamp(CLOSEST_M, FARTHEST_M) as f32
        });
        let spacing: Vec<f32> = spacing.collect();
        let smooth = relief.blurred(&relief.inland_m, 3);
        let shore_along = (0..relief.land.len()).map(|cell| relief.slope(&smooth, cell).direction().left()).collect();
        let (cos2, sin2) = directions(ground, seed);
        let mut net = Self {
            ground,
            cos2,
            sin2,
            spacing,
            shore_along,
            wiggle: Noise::new(seed, "wiggle"),
            shape: Noise::new(seed, "shape"),
            streets: Vec::new(),
            columns,
            samples: vec![Vec::new(); buckets],
            segments: vec![Vec::new(); buckets],
        };
        for at in 0..relief.shore.len() {
            net.remember(relief.shore[at], relief.shore[(at + 1) % relief.shore.len()]);
        }
        net
    }

    fn bucket(&self, p: Spot) -> (usize, usize) {
        let corner = self.ground.relief.middle(0);
        let at = |metres: f64| ((metres + CELL_M) / BUCKET_M).max(0.0) as usize;
        (at(p.x - corner.x).min(self.columns - 1), at(p.y - corner.y).min(self.samples.len() / self.columns - 1))
    }

    /// Adds a segment to what lines may run into.
    fn remember(&mut self, a: Spot, b: Spot) {
        let (low, high) = (Spot::new(a.x.min(b.x), a.y.min(b.y)), Spot::new(a.x.max(b.x), a.y.max(b.y)));
        let ((c0, r0), (c1, r1)) = (self.bucket(low), self.bucket(high));
        for row in r0..=r1 {
            for column in c0..=c1 {
                self.segments[row * self.columns + column].push((a, b));
            }
        }
    }

    /// Nearest share along `a b` at which it meets a line already laid, beyond `after`.
    fn hit(&self, a: Spot, b: Spot, after: f64) -> Option<f64> {
        let (low, high) = (Spot::new(a.x.min(b.x), a.y.min(b.y)), Spot::new(a.x.max(b.x), a.y.max(b.y)));
        let ((c0, r0), (c1, r1)) = (self.bucket(low), self.bucket(high));
        let buckets = (r0..=r1).flat_map(|row| (c0..=c1).map(move |column| row * self.columns + column));
        buckets
            .flat_map(|bucket| &self.segments[bucket])
            .filter_map(|(c, d)| meeting(a, b, *c, *d))
            .filter(|share| *share > after)
            .min_by(f64::total_cmp)
    }

    /// Whether a line of `family` at `p` is nearer than `radius_m` to another one of it, or to an older part of itself.
    fn crowded(&self, p: Spot, family: u8, radius_m: f64, own: Option<(u32, u32, u32)>) -> bool {
        let ((c0, r0), (c1, r1)) =
            (self.bucket(Spot::new(p.x - radius_m, p.y - radius_m)), self.bucket(Spot::new(p.x + radius_m, p.y + radius_m)));
        let radius2 = radius_m * radius_m;
        (r0..=r1).any(|row| {
            (c0..=c1).any(|column| {
                self.samples[row * self.columns + column].iter().any(|sample| {
                    let off = sample.at.minus(p);
                    let other = own.is_none_or(|(line, step, free)| sample.line != line || sample.step + free < step);
                    sample.families & (1 << family) != 0 && other && off.dot(off) < radius2
                })
            })
        })
    }

    fn spacing_m(&self, p: Spot, family: u8) -> f64 {
        // Blocks are longer one way than the other, and differently so from quarter to quarter.
        let stretch = 1.0 + 0.38 * self.shape.at(p, 1500.0);
        let spacing = self.ground.relief.sample(&self.spacing, p);
        if family == 0 { spacing * stretch } else { spacing / stretch }
    }

    /// Which way lines of `family` run at `p`, nearest to `before`.
    fn way(&self, p: Spot, family: u8, before: Spot) -> Spot {
        let relief = &self.ground.relief;
        let double = Spot::new(relief.sample(&self.cos2, p), relief.sample(&self.sin2, p)).direction();
        let half = if double.x > -0.999 { Spot::new(1.0 + double.x, double.y).direction() } else { Spot::new(0.0, 1.0) };
        let way = if family == 0 { half } else { half.left() };
        let country = 1.0 - relief.sample(&self.ground.urban, p).min(1.0);
        let bend = 0.03 * self.wiggle.at(p, 700.0) + 0.55 * country * country * self.wiggle.at(p, 380.0);
        let way = way.plus(way.left(), bend).direction();
        if way.dot(before) < 0.0 { Spot::new(-way.x, -way.y) } else { way }
    }

    /// Lays a line: others keep away from it and may run into it.
    fn lay(&mut self, points: Vec<Spot>, road: bool, family: Option<u8>) {
        let line = self.streets.len() as u32;
        let mut step = 0;
        for pair in points.windows(2) {
            self.remember(pair[0], pair[1]);
            let (length, way) = (pair[0].distance(pair[1]), pair[1].minus(pair[0]).direction());
            let count = (length / 25.0).ceil().max(1.0) as usize;
            for part in 0..count {
                let at = pair[0].plus(pair[1].minus(pair[0]), part as f64 / count as f64);
                let families = family.map_or_else(|| self.families_beside(at, way), |family| 1 << family);
                let (column, row) = self.bucket(at);
                self.samples[row * self.columns + column].push(Sample { at, line, step, families });
                step += 1;
            }
        }
        self.streets.push(Street { points, road });
    }

    /// The families a line in this direction runs along with.
    fn families_beside(&self, p: Spot, way: Spot) -> u8 {
        let along = self.way(p, 0, way).dot(way);
        if along > 0.8 {
            1
        } else if along < 0.6 {
            2
        } else {
            3
        }
    }

    /// Traces one line both ways from `seed` and lays it, when it becomes long enough.
    fn trace(&mut self, seed: Spot, family: u8, longest_m: f64) {
        let line = self.streets.len() as u32;
        let start = self.way(seed, family, Spot::new(1.0, 0.3));
        let ahead = self.traced(seed, start, family, longest_m, line);
        let back = self.traced(seed, Spot::new(-start.x, -start.y), family, longest_m, line);
        let mut points: Vec<Spot> = back.into_iter().rev().collect();
        points.push(seed);
        points.extend(ahead);
        let spacing = self.spacing_m(seed, family);
        if points.len() > 1 && plane::length(&points) > 1.1 * spacing {
            let tolerance = (0.035 * spacing).clamp(2.0, 14.0);
            self.lay(simplified(&points, tolerance), false, Some(family));
        }
    }

    /// The points of a line from `from` on, without it. It ends a little beyond the line or shore it runs into.
    fn traced(&self, from: Spot, before: Spot, family: u8, longest_m: f64, line: u32) -> Vec<Spot> {
        let relief = &self.ground.relief;
        let (mut points, mut at, mut way, mut run_m) = (Vec::new(), from, before, 0.0);
        let mut run_on_m: Option<f64> = None;
        loop {
            let spacing = self.spacing_m(at, family);
            let step = (0.2 * spacing).clamp(14.0, 60.0);
            let middle = at.plus(self.way(at, family, way), step / 2.0);
            let turn = self.way(middle, family, way);
            let next = at.plus(turn, step);
            let after = if points.is_empty() { 1e-6 } else { 0.0 };
            if (!relief.on_land(next) || run_on_m.is_some())
                && let Some(share) = self.hit(at, next, after)
            {
                // 3 m beyond, so that rounding cannot part them; the stub is cut off later.
                points.push(at.plus(turn, step * share + 3.0));
                return points;
            }
            if !relief.on_land(next) && !relief.on_land(at) {
                return points;
            }
            points.push(next);
            run_m += step;
            match &mut run_on_m {
                Some(left) if *left <= 0.0 => return points,
                _ if circles(&points, spacing) => return points,
                Some(left) => *left -= step,
                None => {
                    let steps = points.len() as u32;
                    let own = Some((line, steps, 30));
                    let inland = relief.sample(&relief.inland_m, next);
                    let beside_shore = inland < 0.5 * spacing && self.beside_shore(next, turn);
                    if beside_shore || run_m > longest_m || self.crowded(next, family, CROWDED * spacing, own) {
                        run_on_m = Some(RUN_ON * spacing);
                    }
                }
            }
            (at, way) = (next, turn);
        }
    }

    fn beside_shore(&self, p: Spot, way: Spot) -> bool {
        self.ground.relief.cell(p).is_some_and(|cell| self.shore_along[cell].dot(way).abs() > 0.8)
    }

    /// Streets between the roads, from dense ground to thin.
    fn fill(&mut self, seed: u64) {
        let relief = &self.ground.relief;
        let mut random = Random::new(seed, "fill");
        let mut seeds: Vec<(usize, f64)> = (0..relief.land.len())
            .filter(|cell| relief.land[*cell])
            .filter(|cell| {
                // Thin ground needs fewer tries.
                let every = (f64::from(self.spacing[*cell]) / 3.0 / CELL_M).max(1.0) as usize;
                (cell % relief.columns).is_multiple_of(every) && (cell / relief.columns).is_multiple_of(every)
            })
            .map(|cell| (cell, random.unit()))
            .collect();
        // First a coarse net, then what lies between.
        seeds.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (widen, reach) in [(3.2, 14.0), (1.0, 7.0), (1.0, 5.0)] {
            for &(cell, draw) in &seeds {
                let jitter = Spot::new(draw - 0.5, (draw * 977.0).fract() - 0.5);
                let p = relief.middle(cell).plus(jitter, CELL_M);
                if !relief.on_land(p) {
                    continue;
                }
                for family in [0, 1] {
                    let spacing = self.spacing_m(p, family);
                    let near_shore = relief.sample(&relief.inland_m, p) < 0.6 * spacing;
                    let way = self.way(p, family, Spot::new(1.0, 0.0));
                    if (near_shore && self.beside_shore(p, way)) || self.crowded(p, family, widen * spacing, None) {
                        continue;
                    }
                    let longest_m = reach * spacing * random.between(0.5, 1.5);
                    self.trace(p, family, longest_m);
                }
            }
        }
    }

    /// Moves a place of a road a little, all roads alike, so that none runs straight along the raster.
    fn wound(&self, p: Spot) -> Spot {
        let off = Spot::new(self.wiggle.at(p, 820.0), self.shape.at(p, 760.0));
        let moved = p.plus(off, 95.0);
        if self.ground.relief.on_land(moved) { moved } else { p }
    }

    /// Roads: each place is joined to the net by the cheapest way.
    fn roads(&mut self) {
        let relief = &self.ground.relief;
        let mut on_net = vec![false; relief.land.len()];
        let mut ways = Ways::new(relief, self.shape);
        let mut places: Vec<_> = self.ground.places.iter().filter(|place| relief.on_land(place.at)).collect();
        let Some(first) = places.iter().position(|place| place.seat).or(if places.is_empty() { None } else { Some(0) }) else {
            return;
        };
        let first = places.remove(first);
        places.sort_by(|a, b| b.seat.cmp(&a.seat).then(a.at.distance(first.at).total_cmp(&b.at.distance(first.at))));
        on_net[relief.cell(first.at).expect("places lie on their island")] = true;
        for place in places {
            let Some(path) = ways.cheapest(relief, place.at, &on_net) else { continue };
            path.iter().for_each(|cell| on_net[*cell] = true);
            let mut line: Vec<Spot> = path.iter().map(|cell| self.wound(relief.middle(*cell))).collect();
            if line.len() < 4 {
                continue;
            }
            smooth(&mut line);
            let mut line = simplified(&line, 9.0);
            // Up to the line it joins.
            let last = line.len() - 1;
            let way = line[last].minus(line[last - 1]).direction();
            if let Some(share) = self.hit(line[last], line[last].plus(way, 250.0), 0.0) {
                line.push(line[last].plus(way, 250.0 * share + 3.0));
            }
            self.lay(line, true, None);
        }
    }
}

/// Room for searches of cheapest ways, used again by each.
struct Ways {
    /// What a step into a cell costs: hills are dear, the shore's edge too; uneven, so that ways wind.
    step: Vec<f32>,
    /// Number of the search that found the cost, and the cost.
    cost: Vec<(u32, f64)>,
    before: Vec<usize>,
    search: u32,
}

impl Ways {
    fn new(relief: &Relief, uneven: Noise) -> Self {
        let step = |cell: usize| {
            let (hill, p) = (f64::from(relief.hill[cell]), relief.middle(cell));
            let wet = (180.0 - f64::from(relief.inland_m[cell])).max(0.0) / 60.0;
            let bias = 1.0 + 0.5 * uneven.at(p, 950.0) + 0.4 * uneven.at(p, 310.0);
            ((1.0 + 9.0 * hill * hill + wet) * bias.max(0.1)) as f32
        };
        let cells = relief.land.len();
        let step = (0..cells).map(|cell| if relief.land[cell] { step(cell) } else { 0.0 }).collect();
        Self { step, cost: vec![(0, 0.0); cells], before: vec![usize::MAX; cells], search: 0 }
    }

    /// Cells from `from` to the nearest cell of the net by cost.
    fn cheapest(&mut self, relief: &Relief, from: Spot, on_net: &[bool]) -> Option<Vec<usize>> {
        let start = relief.cell(from)?;
        self.search += 1;
        self.cost[start] = (self.search, 0.0);
        self.before[start] = usize::MAX;
        let mut queue = BinaryHeap::from([Reverse((0_u64, start))]);
        while let Some(Reverse((key, cell))) = queue.pop() {
            if on_net[cell] {
                let before = |cell: &usize| Some(self.before[*cell]).filter(|before| *before != usize::MAX);
                let mut path: Vec<usize> = std::iter::successors(Some(cell), before).collect();
                path.reverse();
                return Some(path);
            }
            let here = self.cost[cell].1;
            if key > (here * 100.0) as u64 {
                continue;
            }
            for (turn, next) in relief.around(cell).into_iter().enumerate().filter(|(_, next)| relief.land[*next]) {
                let cost = here + if turn < 4 { 1.0 } else { std::f64::consts::SQRT_2 } * f64::from(self.step[next]);
                if self.cost[next].0 != self.search || cost < self.cost[next].1 {
                    self.cost[next] = (self.search, cost);
                    self.before[next] = cell;
                    queue.push(Reverse(((cost * 100.0) as u64, next)));
                }
            }
        }
        None
    }
}

/// Rounds the corners that the raster leaves in a path.
fn smooth(line: &mut [Spot]) {
    for _ in 0..12 {
        let old = line.to_vec();
        for at in 1..line.len() - 1 {
            line[at] = Spot::new(
                (old[at - 1].x + 2.0 * old[at].x + old[at + 1].x) / 4.0,
                (old[at - 1].y + 2.0 * old[at].y + old[at + 1].y) / 4.0,
            );
        }
    }
}

/// Whether a line has come back to where it was.
fn circles(points: &[Spot], spacing: f64) -> bool {
    let last = points[points.len() - 1];
    points.iter().rev().skip(14).any(|p| p.distance(last) < 0.8 * spacing)
}

/// The field of directions of an island, as doubled angles.
fn directions(ground: &Ground, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let relief = &ground.relief;
    let (coast, foot) = (relief.blurred(&relief.inland_m, 4), relief.blurred(&relief.hill, 5));
    let (east, north) = (Noise::new(seed, "east"), Noise::new(seed, "north"));
    let double = |way: Spot| Spot::new(way.x * way.x - way.y * way.y, 2.0 * way.x * way.y);
    let natural = |cell: usize| {
        let p = relief.middle(cell);
        let inland = f64::from(relief.inland_m[cell]);
        let rise = relief.slope(&foot, cell);
        let along_shore = double(relief.slope(&coast, cell).direction());
        let along_hill = double(rise.direction());
        let chance = Spot::new(east.at(p, 2600.0), north.at(p, 2600.0));
        Spot::default()
            .plus(along_shore, -1.3 / (1.0 + (inland / 450.0) * (inland / 450.0)))
            .plus(along_hill, -(rise.length() * 1800.0).min(1.0))
            .plus(chance, 0.45)
    };
    let mut x: Vec<f32> = vec![0.0; relief.land.len()];
    let mut y: Vec<f32> = vec![0.0; relief.land.len()];
    for cell in 0..relief.land.len() {
        if ground.township[cell] != NOBODY {
            let way = natural(cell);
            (x[cell], y[cell]) = (way.x as f32, way.y as f32);
        }
    }
    // A town lies the way its surroundings do on average, each quarter turned a little.
    let (wide_x, wide_y) = (relief.blurred(&x, 14), relief.blurred(&y, 14));
    let towns: Vec<(Spot, f64, Spot)> = ground
        .places
        .iter()
        .map(|place| {
            (place.at, place.radius_m, Spot::new(relief.sample(&wide_x, place.at), relief.sample(&wide_y, place.at)).direction())
        })
        .collect();
    for (at, radius_m, lie) in towns {
        for cell in relief.within(at, 1.3 * radius_m) {
            let p = relief.middle(cell);
            let off = p.distance(at) / (1.3 * radius_m);
            if off < 1.0 && ground.township[cell] != NOBODY {
                let turned = lie.plus(lie.left(), 0.6 * east.at(p, 1100.0)).direction();
                let weight = 3.5 * (1.0 - off * off);
                x[cell] += (weight * turned.x) as f32;
                y[cell] += (weight * turned.y) as f32;
            }
        }
    }
    (relief.blurred(&x, 2), relief.blurred(&y, 2))
}
