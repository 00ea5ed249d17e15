//! Blocks: the faces that streets and shores enclose, and who is next to whom.

use super::plane::Spot;
use super::settlement::{Ground, NOBODY};
use super::streets::Street;
use crate::geom::LatticePoint;
use crate::geom::area::Polygon;
use crate::geom::planar::{Arrangement, Edge, LatticeMap, TooManyRounds};

/// A block of land between streets.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) polygon: Polygon,
    /// A place inside.
    pub(super) inner: Spot,
    pub(super) island: usize,
    /// Township by position in the quotas.
    pub(super) township: usize,
    /// Grids it should hold: a fraction.
    pub(super) weight: f64,
    /// 0 country … 1 middle of a town.
    pub(super) urban: f64,
    /// Travel from the seat in metres; huge where there is none on the island.
    pub(super) travel_m: f64,
    /// Blocks across a border, with how much it would cost to cut there: metres, less along roads.
    pub(super) beside: Vec<(usize, f64)>,
}

/// All blocks and the arrangement they are faces of: block `b` is face `faces[b]`.
pub(super) struct Blocks {
    pub(super) list: Vec<Block>,
    pub(super) faces: Vec<usize>,
    pub(super) arrangement: Arrangement,
    /// Edges along roads (true) and streets; all others are shore.
    pub(super) streets: LatticeMap<Edge, bool>,
}

/// Share of a border's length that counts when it follows a road.
const ALONG_ROAD: f64 = 0.45;

impl Blocks {
    pub(super) fn of(grounds: &[Ground], streets: &[Vec<Street>]) -> Result<Self, TooManyRounds> {
        let board = |line: &[Spot]| line.iter().map(|p| p.lattice()).collect::<Vec<LatticePoint>>();
        let shores: Vec<Vec<LatticePoint>> = grounds
            .iter()
            .map(|ground| {
                let mut ring = board(&ground.relief.shore);
                ring.push(ring[0]);
                ring
            })
            .collect();
        let ways: Vec<(bool, Vec<LatticePoint>)> =
            streets.iter().flatten().map(|street| (street.road, board(&street.points))).collect();
        let lines: Vec<Vec<LatticePoint>> = shores.iter().cloned().chain(ways.iter().map(|(_, line)| line.clone())).collect();
        let arrangement = Arrangement::of_lines(&lines)?;

        let mut along = LatticeMap::default();
        for (road, line) in &ways {
            let noded = arrangement.noding().line(line);
            for (edge, _) in noded.windows(2).filter_map(|pair| Edge::between(pair[0], pair[1])) {
                *along.entry(edge).or_insert(false) |= road;
            }
        }
        // The land left of each shore, and what lies behind it.
        let mut island_of: Vec<Option<usize>> = vec![None; arrangement.face_count()];
        let mut shore_edges = LatticeMap::default();
        for (island, shore) in shores.iter().enumerate() {
            let noded = arrangement.noding().line(shore);
            for (edge, against) in noded.windows(2).filter_map(|pair| Edge::between(pair[0], pair[1])) {
                shore_edges.insert(edge, ());
                if let Ok(at) = arrangement.edges().binary_search(&edge) {
                    let [left, right] = arrangement.sides(at);
                    if let Some(face) = if against { right } else { left } {
                        island_of[face] = Some(island);
                    }
                }
            }
        }
        let mut queue: Vec<usize> = (0..island_of.len()).filter(|face| island_of[*face].is_some()).collect();
        while let Some(face) = queue.pop() {
            for (other, edges) in arrangement.shared(face) {
                if let Some(other) = other
                    && island_of[other].is_none()
                    && edges.iter().any(|edge| !shore_edges.contains_key(edge))
                {
                    island_of[other] = island_of[face];
                    queue.push(other);
                }
            }
        }

        let mut block_of: Vec<Option<usize>> = vec![None; island_of.len()];
        let (mut list, mut faces) = (Vec::new(), Vec::new());
        for (face, island) in island_of.iter().enumerate() {
            if let Some(island) = *island {
                block_of[face] = Some(list.len());
                faces.push(face);
                list.push(Block::new(arrangement.polygon(face), island, &grounds[island]));
            }
        }
        for (block, &face) in list.iter_mut().zip(&faces) {
            for (other, edges) in arrangement.shared(face) {
                let Some(other) = other.and_then(|other| block_of[other]) else { continue };
                let cost = |edge: &Edge| {
                    let metres = Spot::of(edge.a()).distance(Spot::of(edge.b()));
                    if along.get(edge) == Some(&true) { metres * ALONG_ROAD } else { metres }
                };
                block.beside.push((other, edges.iter().map(cost).sum()));
            }
        }
        Ok(Self { list, faces, arrangement, streets: along })
    }
}

impl Block {
    fn new(polygon: Polygon, island: usize, ground: &Ground) -> Self {
        let relief = &ground.relief;
        let inner = inside(&polygon);
        let spots: Vec<Spot> = polygon.exterior.iter().map(|p| Spot::of(*p)).collect();
        // Half-way out to the corners: enough to tell how dense a block is.
        let probes = || std::iter::once(inner).chain(spots.iter().map(|p| inner.plus(p.minus(inner), 0.5)));
        let mean = |field: &[f32]| {
            let (sum, count) = probes()
                .filter_map(|p| relief.cell(p))
                .filter(|cell| relief.land[*cell])
                .fold((0.0, 0.0), |(sum, count), cell| (sum + f64::from(field[cell]), count + 1.0));
            if count > 0.0 { sum / count } else { 0.0 }
        };
        let township = probes()
            .filter_map(|p| relief.cell(p))
            .map(|cell| ground.township[cell])
            .find(|t| *t != NOBODY)
            .or_else(|| ground.township.iter().copied().find(|t| *t != NOBODY))
            .unwrap_or(0);
        let area_m2 = area_m2(&polygon);
        Self {
            inner,
            island,
            township: usize::from(township),
            // Even empty land is worth a little, so that no cut leaves it over.
            weight: mean(&ground.density).max(0.05) * area_m2 / 1e6,
            urban: mean(&ground.urban),
            travel_m: mean(&ground.travel_m),
            beside: Vec::new(),
            polygon,
        }
    }

    /// Whether a spot lies inside.
    pub(super) fn holds(&self, p: Spot) -> bool {
        std::iter::once(&self.polygon.exterior).chain(&self.polygon.holes).filter(|ring| ring_holds(ring, p)).count() == 1
    }
}

fn ring_holds(ring: &[LatticePoint], p: Spot) -> bool {
    let mut inside = false;
    let mut a = Spot::of(ring[ring.len() - 1]);
    for b in ring.iter().map(|b| Spot::of(*b)) {
        if (a.y <= p.y) != (b.y <= p.y) && a.x + (p.y - a.y) / (b.y - a.y) * (b.x - a.x) > p.x {
            inside = !inside;
        }
        a = b;
    }
    inside
}

/// Area on the drawing board.
pub(super) fn area_m2(polygon: &Polygon) -> f64 {
    let ring = |ring: &[LatticePoint]| {
        let origin = Spot::of(ring[0]);
        ring.windows(2).map(|pair| Spot::of(pair[0]).minus(origin).cross(Spot::of(pair[1]).minus(origin))).sum::<f64>() / 2.0
    };
    ring(&polygon.exterior) + polygon.holes.iter().map(|hole| ring(hole)).sum::<f64>()
}

/// A place well inside: the middle of the widest of some chords from west to east.
pub(super) fn inside(polygon: &Polygon) -> Spot {
    let spots: Vec<Vec<Spot>> = std::iter::once(&polygon.exterior)
        .chain(&polygon.holes)
        .map(|ring| ring.iter().map(|p| Spot::of(*p)).collect())
        .collect();
    let (low, high) = spots[0].iter().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.y), high.max(p.y)));
    let mut best = (-1.0, spots[0][0]);
    for part in [0.5, 0.37, 0.63, 0.21, 0.79] {
        // Chords nearer to the middle are liked better.
        let liked = 1.0 - (part - 0.5_f64).abs();
        let y = low + (high - low) * part;
        let mut crossings: Vec<f64> = Vec::new();
        for ring in &spots {
            let mut a = ring[ring.len() - 1];
            for &b in ring {
                if (a.y <= y) != (b.y <= y) {
                    crossings.push(a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x));
                }
                a = b;
            }
        }
        crossings.sort_by(f64::total_cmp);
        for chord in crossings.chunks_exact(2) {
            if (chord[1] - chord[0]) * liked > best.0 {
                best = ((chord[1] - chord[0]) * liked, Spot::new((chord[0] + chord[1]) / 2.0, y));
            }
        }
    }
    best.1
}
