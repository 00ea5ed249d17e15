//! Who touches a point, decided edge by edge on closed rings: the slow exact twin of the lookup. It knows neither arcs nor cells;
//! the boxes of the rings only say whom to ask. For the benches and the tests; the crate root that includes this file has `geom`
//! in scope.

use crate::geom::{LatticeBox, LatticePoint};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

/// Areas by number, each as its rings: exteriors and holes alike, not closed.
pub(crate) struct Brute {
    areas: Vec<Vec<Vec<LatticePoint>>>,
    boxes: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
}

/// How a ring or an area lies to a point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    In,
    On,
    Out,
}

impl Brute {
    pub(crate) fn of(areas: Vec<Vec<Vec<LatticePoint>>>) -> Self {
        let corner = |p: LatticePoint| [f64::from(p.x), f64::from(p.y)];
        let boxes = areas.iter().enumerate().filter_map(|(at, rings)| {
            let b = LatticeBox::around(rings.iter().flatten().copied())?;
            Some(GeomWithData::new(Rectangle::from_corners(corner(b.min), corner(b.max)), at))
        });
        Self { boxes: RTree::bulk_load(boxes.collect()), areas }
    }

    /// The least area that touches the point, and whether the point lies on a border of any.
    pub(crate) fn least(&self, p: LatticePoint) -> Option<(usize, bool)> {
        let place = AABB::from_point([f64::from(p.x), f64::from(p.y)]);
        let touching =
            self.boxes.locate_in_envelope_intersecting(place).filter_map(|item| match side(&self.areas[item.data], p) {
                Side::Out => None,
                side => Some((item.data, side == Side::On)),
            });
        touching.reduce(|(a, on), (b, also)| (a.min(b), on || also))
    }
}

/// Even-odd over all rings. Differences of coordinates in a city or a country are under 2^31, so the products fit.
fn side(rings: &[Vec<LatticePoint>], p: LatticePoint) -> Side {
    let (px, py) = (i64::from(p.x), i64::from(p.y));
    let mut inside = false;
    for ring in rings {
        let Some(last) = ring.last() else { continue };
        let (mut ax, mut ay) = (i64::from(last.x) - px, i64::from(last.y) - py);
        for b in ring {
            let (bx, by) = (i64::from(b.x) - px, i64::from(b.y) - py);
            let turn = ax * by - ay * bx;
            if turn == 0 && ax.min(bx) <= 0 && ax.max(bx) >= 0 && ay.min(by) <= 0 && ay.max(by) >= 0 {
                return Side::On;
            }
            // A ray to the east; an edge counts at its lower end and not at its upper one.
            if (ay > 0) != (by > 0) && (turn > 0) == (by > 0) {
                inside = !inside;
            }
            (ax, ay) = (bx, by);
        }
    }
    if inside { Side::In } else { Side::Out }
}
