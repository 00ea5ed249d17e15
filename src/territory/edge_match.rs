//! Edge matching (接边): land that comes in is drawn up to the border of the land that stands, where the two run within a tolerance of
//! each other. Two offices measured one line twice; the line that stands is the one that stays.
//!
//! Only the outer border of what comes in moves: each of its vertices to the nearest point of the standing border, and vertices of that
//! border are put between them. What still gapes or overlaps afterwards is narrower than the tolerance and is settled by
//! [`mend`](super::mend::mend). Cost: linear in the vertices and metres of the outer borders.

use crate::geom::measure::LocalScale;
use crate::geom::planar::{Edge, LatticeMap, Noding, TooManyRounds, closed_pairs};
use crate::geom::{Area, LatticeBox, LatticePoint, LonLat, Polygon};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The least tolerance that can be asked for, in metres: below it lines differ by rounding, which is mended anyway.
pub const LEAST_M: f64 = 0.05;
/// The widest tolerance that can be asked for, in metres: two surveys of one line do not differ by more, two lines do.
pub const MOST_M: f64 = 50.0;
/// A corner of the standing border is taken when it is at most this many times as far as the border itself: corner goes to corner.
const CORNER: f64 = 1.5;
/// Metres within which two lines are called the same: a little over the lattice.
const SAME_M: f64 = 0.02;
/// Upper ends of the classes of distance in the report, in metres.
const CLASSES_M: [f64; 9] = [SAME_M, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, MOST_M];

/// How far two borders were apart along their common line, sampled each metre of the border that came in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EdgeMatch {
    /// What was asked for, in metres.
    pub tolerance_m: f64,
    /// Length of the common line.
    pub length_m: f64,
    /// Metres of the border that came in with nothing within the tolerance: coast, and what is too far off.
    pub alone_m: f64,
    /// Mean distance.
    pub mean_m: f64,
    /// Greatest distance.
    pub furthest_m: f64,
    /// Where that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub furthest_at: Option<LonLat>,
    /// Metres of line by distance: each class from the end of the one before up to its own.
    pub classes: Vec<Class>,
    /// The same by pair of neighbours, the furthest apart first.
    pub stretches: Vec<Stretch>,
}

impl EdgeMatch {
    /// With what another file's line says.
    pub fn join(&mut self, other: Self) {
        let length_m = self.length_m + other.length_m;
        if length_m > 0.0 {
            self.mean_m = (self.mean_m * self.length_m + other.mean_m * other.length_m) / length_m;
        }
        self.length_m = length_m;
        self.alone_m += other.alone_m;
        if other.furthest_m > self.furthest_m || self.furthest_at.is_none() {
            (self.furthest_m, self.furthest_at) = (other.furthest_m, other.furthest_at);
        }
        for class in other.classes {
            match self.classes.iter_mut().find(|own| own.up_to_m == class.up_to_m) {
                Some(own) => own.length_m += class.length_m,
                None => self.classes.push(class),
            }
        }
        self.classes.sort_by(|l, r| l.up_to_m.total_cmp(&r.up_to_m));
        self.stretches.extend(other.stretches);
        self.stretches.sort_by(|l, r| r.furthest_m.total_cmp(&l.furthest_m));
    }

    /// Several lines for a person.
    pub fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!(
            "edge match within {} m: {:.0} m of common line, {:.0} m alone",
            self.tolerance_m, self.length_m, self.alone_m
        );
        if let Some(at) = self.furthest_at {
            let _ = write!(
                text,
                ", apart {:.2} m on average and {:.2} m at most, at [{}, {}]",
                self.mean_m,
                self.furthest_m,
                at.lon(),
                at.lat()
            );
        }
        for Class { up_to_m, length_m } in &self.classes {
            let _ = write!(text, "\n  {length_m:>10.0} m  up to {up_to_m} m apart");
        }
        for stretch in self.stretches.iter().take(SHOWN) {
            let Stretch { given, standing, length_m, mean_m, furthest_m, at } = stretch;
            let _ = write!(
                text,
                "\n  {given} beside {standing}: {length_m:.0} m, {mean_m:.2} m on average, {furthest_m:.2} m at most, at [{}, {}]",
                at.lon(),
                at.lat()
            );
        }
        if self.stretches.len() > SHOWN {
            let _ = write!(text, "\n  … and {} more pairs", self.stretches.len() - SHOWN);
        }
        text
    }
}

/// Pairs of neighbours that the text shows.
const SHOWN: usize = 20;

/// Metres of line of some distance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Largest distance of this class, in metres.
    pub up_to_m: f64,
    /// Metres of line.
    pub length_m: f64,
}

/// The common line of two neighbours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// The land that came in.
    pub given: String,
    /// The land that stands.
    pub standing: String,
    /// Metres of line.
    pub length_m: f64,
    /// Mean distance, in metres.
    pub mean_m: f64,
    /// Greatest distance, in metres.
    pub furthest_m: f64,
    /// Where that is.
    pub at: LonLat,
}

/// Land with the name it has in the report.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Its code, or the name of a void.
    pub name: &'a str,
    /// Canonical on the lattice.
    pub area: &'a Area,
}

/// Draws `given` up to the border of `standing`: the areas as they are then, in the order given, and the report. Standing land is noded
/// (it is in force); given land need not be.
pub fn edge_match(
    given: &[Named<'_>],
    standing: &[Named<'_>],
    tolerance_m: f64,
) -> Result<(Vec<Area>, EdgeMatch), TooManyRounds> {
    let untouched = || given.iter().map(|land| land.area.clone()).collect();
    let mut report = EdgeMatch { tolerance_m, ..EdgeMatch::default() };
    let Some(around) = given.iter().filter_map(|land| land.area.bbox()).reduce(LatticeBox::union) else {
        return Ok((untouched(), report));
    };
    let reach = Reach::of(around, tolerance_m);
    let near = reach.widened(around);
    let standing_edges = outer(standing.iter().map(|land| land.area.rings()), |edge| near.meets(box_of(edge)));
    let noding = Noding::of(given.iter().flat_map(|land| land.area.rings()).flat_map(|ring| edges(ring)).collect())?;
    let noded: Vec<Vec<Polygon>> = given.iter().map(|land| noded(land.area, &noding)).collect();
    let given_edges = outer(noded.iter().map(|polygons| polygons.iter().flat_map(rings)), |_| true);
    let lines = Lines::of(&standing_edges, reach);

    let mut moved: LatticeMap<LatticePoint, LatticePoint> = LatticeMap::default();
    for p in given_edges.iter().flat_map(|(edge, _)| [edge.a(), edge.b()]) {
        if let Some(to) = lines.pull(p) {
            moved.insert(p, to);
        }
    }
    let between = between(&given_edges, &standing_edges, reach, near);
    let areas = noded.into_iter().map(|polygons| {
        Area::canonical(polygons.into_iter().map(|polygon| Polygon {
            exterior: redrawn(&polygon.exterior, &moved, &between),
            holes: polygon.holes.iter().map(|hole| redrawn(hole, &moved, &between)).collect(),
        }))
    });
    let areas = areas.collect();
    measure(&mut report, &lines, &given_edges, &|given_at, standing_at| {
        (given[given_at as usize].name.to_owned(), standing[standing_at as usize].name.to_owned())
    });
    Ok((areas, report))
}

/// An edge with the land it belongs to.
type Outer = (Edge, u32);

fn edges(ring: &[LatticePoint]) -> impl Iterator<Item = Edge> {
    closed_pairs(ring).filter_map(|(from, to)| Edge::between(from, to)).map(|(edge, _)| edge)
}

fn rings(polygon: &Polygon) -> impl Iterator<Item = &Vec<LatticePoint>> {
    std::iter::once(&polygon.exterior).chain(&polygon.holes)
}

fn noded(area: &Area, noding: &Noding) -> Vec<Polygon> {
    let ring = |ring: &Vec<LatticePoint>| noding.ring(ring).unwrap_or_else(|| ring.clone());
    let polygon =
        |polygon: &Polygon| Polygon { exterior: ring(&polygon.exterior), holes: polygon.holes.iter().map(ring).collect() };
    area.polygons().iter().map(polygon).collect()
}

/// The edges that only one of the lands has, in order.
fn outer<'a, R: Iterator<Item = &'a Vec<LatticePoint>>>(
    lands: impl Iterator<Item = R>,
    keep: impl Fn(Edge) -> bool,
) -> Vec<Outer> {
    let mut owners: LatticeMap<Edge, Option<u32>> = LatticeMap::default();
    for (at, rings) in lands.enumerate() {
        for edge in rings.flat_map(|ring| edges(ring)).filter(|edge| keep(*edge)) {
            owners.entry(edge).and_modify(|owner| *owner = None).or_insert(Some(at as u32));
        }
    }
    let mut outer: Vec<Outer> = owners.into_iter().filter_map(|(edge, owner)| Some((edge, owner?))).collect();
    outer.sort_unstable_by_key(|(edge, _)| edge.key());
    outer
}

fn box_of(edge: Edge) -> LatticeBox {
    LatticeBox { min: edge.a(), max: edge.a() }.with(edge.b())
}

/// Least side of a cell, in lattice units (some 20 m): a border of a province has few enough of them.
const CELL: i32 = 2_000;

/// The tolerance in metres and in lattice units.
#[derive(Debug, Clone, Copy)]
struct Reach {
    tolerance_m: f64,
    /// Lattice units that are at least the tolerance, anywhere in the box it was made for.
    x: i32,
    y: i32,
}

impl Reach {
    fn of(around: LatticeBox, tolerance_m: f64) -> Self {
        let poleward = f64::from(around.max.y.abs().max(around.min.y.abs()));
        let scale = LocalScale::at(poleward);
        let units = |unit_m: f64| (tolerance_m / unit_m.max(1e-9)).ceil().min(1e9) as i32 + 1;
        // The degree of latitude is shortest at the equator, that of longitude towards the pole.
        Self { tolerance_m, x: units(scale.x_m), y: units(LocalScale::at(0.0).y_m) }
    }

    fn widened(self, of: LatticeBox) -> LatticeBox {
        let p =
            |p: LatticePoint, sign: i32| LatticePoint::new(p.x.saturating_add(sign * self.x), p.y.saturating_add(sign * self.y));
        LatticeBox { min: p(of.min, -1), max: p(of.max, 1) }
    }
}

/// Edges by the cells they run through.
struct Lines<'e> {
    edges: &'e [Outer],
    cells: LatticeMap<LatticePoint, Vec<u32>>,
    reach: Reach,
}

/// The point of some lines nearest to another one.
#[derive(Debug, Clone, Copy)]
struct Nearest {
    distance_m: f64,
    /// Of `edges`.
    edge: u32,
    /// From the edge's lesser end to its greater one, 0 to 1.
    share: f64,
}

impl<'e> Lines<'e> {
    fn of(edges: &'e [Outer], reach: Reach) -> Self {
        let mut cells: LatticeMap<LatticePoint, Vec<u32>> = LatticeMap::default();
        let (wide, high) = (reach.cell_x(), reach.cell_y());
        for (at, (edge, _)) in edges.iter().enumerate() {
            let (dx, dy) = edge.b().minus(edge.a());
            let pieces =
                (dx.unsigned_abs() / u64::from(wide.unsigned_abs())).max(dy.unsigned_abs() / u64::from(high.unsigned_abs())) + 1;
            for piece in 0..pieces {
                let ends = [piece, piece + 1].map(|share| along(*edge, share as f64 / pieces as f64));
                let (from, to) = (cell(ends[0], wide, high), cell(ends[1], wide, high));
                for x in from.x.min(to.x)..=from.x.max(to.x) {
                    for y in from.y.min(to.y)..=from.y.max(to.y) {
                        let held = cells.entry(LatticePoint::new(x, y)).or_default();
                        if held.last() != Some(&(at as u32)) {
                            held.push(at as u32);
                        }
                    }
                }
            }
        }
        Self { edges, cells, reach }
    }

    /// Numbers of the edges that may be within reach; one may come twice.
    fn near(&self, p: LatticePoint) -> impl Iterator<Item = u32> {
        let around = self.reach.widened(LatticeBox { min: p, max: p });
        let (wide, high) = (self.reach.cell_x(), self.reach.cell_y());
        let (from, to) = (cell(around.min, wide, high), cell(around.max, wide, high));
        let cells = (from.x..=to.x).flat_map(move |x| (from.y..=to.y).map(move |y| LatticePoint::new(x, y)));
        cells.filter_map(|cell| self.cells.get(&cell)).flatten().copied()
    }

    /// The nearest point within the tolerance; of equally near ones that on the least edge.
    fn nearest(&self, p: LatticePoint) -> Option<Nearest> {
        let scale = LocalScale::at(f64::from(p.y));
        let found = self.near(p).map(|at| {
            let (edge, _) = self.edges[at as usize];
            let distance_m = scale.segment_distance2_m2(p, edge.a(), edge.b()).sqrt();
            Nearest { distance_m, edge: at, share: scale.foot(p, edge.a(), edge.b()) }
        });
        let within = found.filter(|found| found.distance_m <= self.reach.tolerance_m);
        within.min_by(|l, r| l.distance_m.total_cmp(&r.distance_m).then(l.edge.cmp(&r.edge)))
    }

    /// Where a vertex is drawn to: a corner of these lines, if there is one about as near as the lines, else the nearest point.
    fn pull(&self, p: LatticePoint) -> Option<LatticePoint> {
        let nearest = self.nearest(p)?;
        let scale = LocalScale::at(f64::from(p.y));
        let most_m = (CORNER * nearest.distance_m).min(self.reach.tolerance_m);
        let ends = self.near(p).flat_map(|at| [self.edges[at as usize].0.a(), self.edges[at as usize].0.b()]);
        let corner = ends.map(|end| (scale.length_m(p, end), end)).min_by(|l, r| l.0.total_cmp(&r.0).then(l.1.cmp(&r.1)));
        match corner {
            Some((distance_m, end)) if distance_m <= most_m => Some(end),
            _ => Some(along(self.edges[nearest.edge as usize].0, nearest.share)),
        }
    }
}

impl Reach {
    /// Cells are some times as large as the tolerance, so that most lookups see few of them and few edges.
    fn cell_x(self) -> i32 {
        self.x.saturating_mul(4).max(CELL)
    }

    fn cell_y(self) -> i32 {
        self.y.saturating_mul(4).max(CELL)
    }
}

fn cell(p: LatticePoint, wide: i32, high: i32) -> LatticePoint {
    LatticePoint::new(p.x.div_euclid(wide), p.y.div_euclid(high))
}

/// The lattice point nearest to a share of the way along an edge.
fn along(edge: Edge, share: f64) -> LatticePoint {
    let (a, b) = (edge.a(), edge.b());
    if share <= 0.0 {
        return a;
    }
    if share >= 1.0 {
        return b;
    }
    let (dx, dy) = b.minus(a);
    let at = |from: i32, by: i64| (f64::from(from) + share * by as f64).round() as i32;
    LatticePoint::new(at(a.x, dx), at(a.y, dy))
}

/// Vertices of the standing border that belong between the ends of a given edge, from its lesser end to its greater one. Each goes to the
/// one edge it is nearest to.
fn between(given: &[Outer], standing: &[Outer], reach: Reach, near: LatticeBox) -> LatticeMap<Edge, Vec<LatticePoint>> {
    let lines = Lines::of(given, reach);
    let mut corners: Vec<LatticePoint> =
        standing.iter().flat_map(|(edge, _)| [edge.a(), edge.b()]).filter(|p| near.holds(*p)).collect();
    corners.sort_unstable();
    corners.dedup();
    let mut found: LatticeMap<Edge, Vec<(f64, LatticePoint)>> = LatticeMap::default();
    for corner in corners {
        if let Some(nearest) = lines.nearest(corner).filter(|nearest| nearest.share > 0.0 && nearest.share < 1.0) {
            found.entry(given[nearest.edge as usize].0).or_default().push((nearest.share, corner));
        }
    }
    let sorted = |mut corners: Vec<(f64, LatticePoint)>| {
        corners.sort_unstable_by(|l, r| l.0.total_cmp(&r.0).then(l.1.cmp(&r.1)));
        corners.into_iter().map(|(_, corner)| corner).collect()
    };
    found.into_iter().map(|(edge, corners)| (edge, sorted(corners))).collect()
}

fn redrawn(
    ring: &[LatticePoint],
    moved: &LatticeMap<LatticePoint, LatticePoint>,
    between: &LatticeMap<Edge, Vec<LatticePoint>>,
) -> Vec<LatticePoint> {
    let mut out = Vec::with_capacity(ring.len() + 8);
    for (from, to) in closed_pairs(ring) {
        if let Some((edge, against)) = Edge::between(from, to)
            && let Some(corners) = between.get(&edge)
        {
            if against { out.extend(corners.iter().rev()) } else { out.extend(corners) }
        }
        out.push(moved.get(&to).copied().unwrap_or(to));
    }
    out
}

#[derive(Default)]
struct Sum {
    length_m: f64,
    /// Metres times metres of distance.
    moment: f64,
    furthest: Option<(f64, LonLat)>,
}

impl Sum {
    fn add(&mut self, length_m: f64, distance_m: f64, at: LatticePoint) {
        self.length_m += length_m;
        self.moment += length_m * distance_m;
        if self.furthest.is_none_or(|(most, _)| distance_m > most) {
            self.furthest = Some((distance_m, at.lonlat()));
        }
    }

    fn mean_m(&self) -> f64 {
        if self.length_m > 0.0 { self.moment / self.length_m } else { 0.0 }
    }
}

/// Looks at each metre of the given border.
fn measure(report: &mut EdgeMatch, lines: &Lines<'_>, given: &[Outer], names: &dyn Fn(u32, u32) -> (String, String)) {
    let mut all = Sum::default();
    let mut classes = CLASSES_M.map(|up_to_m| Class { up_to_m, length_m: 0.0 });
    let mut pairs: BTreeMap<(u32, u32), Sum> = BTreeMap::new();
    for (edge, land) in given {
        let length_m = edge.length_m();
        let samples = length_m.ceil().max(1.0) as u64;
        let each_m = length_m / samples as f64;
        for sample in 0..samples {
            let p = along(*edge, (sample as f64 + 0.5) / samples as f64);
            let Some(nearest) = lines.nearest(p) else {
                report.alone_m += each_m;
                continue;
            };
            all.add(each_m, nearest.distance_m, p);
            pairs.entry((*land, lines.edges[nearest.edge as usize].1)).or_default().add(each_m, nearest.distance_m, p);
            if let Some(class) = classes.iter_mut().find(|class| nearest.distance_m <= class.up_to_m) {
                class.length_m += each_m;
            }
        }
    }
    report.length_m = all.length_m;
    report.mean_m = all.mean_m();
    (report.furthest_m, report.furthest_at) = all.furthest.map_or((0.0, None), |(most, at)| (most, Some(at)));
    report.classes = classes.into_iter().filter(|class| class.length_m > 0.0).collect();
    report.stretches = pairs
        .into_iter()
        .filter_map(|((given, standing), sum)| {
            let (given, standing) = names(given, standing);
            let (furthest_m, at) = sum.furthest?;
            Some(Stretch { given, standing, length_m: sum.length_m, mean_m: sum.mean_m(), furthest_m, at })
        })
        .collect();
    report.stretches.sort_by(|l, r| r.furthest_m.total_cmp(&l.furthest_m));
}

#[cfg(test)]
mod tests;
