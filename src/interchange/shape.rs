//! Raw geometry → the lattice: checked, converted to CGCS2000, rounded once.

use super::RawShape;
use crate::domain::facility::OriginalPosition;
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::geom::area::ring_area2;
use crate::geom::lonlat::PositionError;
use crate::geom::planar::Arrangement;
use crate::geom::{Area, Crs, LatticePoint, LonLat, Polygon, Ring};

/// Vertices one record may have when nobody says otherwise. The largest real multipolygons (Fujian's coast at full detail) have about
/// 250,000.
pub const DEFAULT_MAX_VERTICES: usize = 500_000;

/// No slip of the decimal point makes a degree so large.
const LEAST_METRES: f64 = 10_000.0;

/// Longitudes and latitudes with China well inside.
const CHINA: [std::ops::RangeInclusive<f64>; 2] = [72.0..=138.0, 2.0..=56.0];

const EXCHANGED: &str = "the position is far from China, and in it with its axes exchanged: longitude comes first";

/// West of 90° E both orders of the axes are positions on earth, and only one is where data in a Chinese CRS can be.
fn is_exchanged(told: LonLat, crs: Crs) -> bool {
    let in_china = |lon: f64, lat: f64| CHINA[0].contains(&lon) && CHINA[1].contains(&lat);
    crs != Crs::Wgs84 && !in_china(told.lon(), told.lat()) && in_china(told.lat(), told.lon())
}

/// A ring needs three different points and the first again.
const LEAST_RING: usize = 4;

/// A point on the lattice, and what was told when that was another CRS.
pub fn point(raw: [f64; 2], crs: Crs) -> Result<(LatticePoint, Option<OriginalPosition>), Fault> {
    let told = LonLat::new(raw[0], raw[1]).map_err(|error| position_fault(error, ""))?;
    if is_exchanged(told, crs) {
        return Err(Fault { place: Some(told), ..Fault::new(FaultKind::BadPosition, EXCHANGED) });
    }
    let kept = crs.to_cgcs2000(told).map_err(|error| position_fault(error, ""))?;
    let original = match crs {
        Crs::Wgs84 | Crs::Cgcs2000 => None,
        Crs::Gcj02 | Crs::Bd09 => Some(OriginalPosition { crs, position: told }),
    };
    Ok((LatticePoint::nearest(kept), original))
}

/// An area on the lattice, in canonical form but not yet proved, with what was mended on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Shaped {
    /// May be empty when everything collapsed.
    pub area: Area,
    /// Rings that turned the wrong way or collapsed.
    pub repairs: Vec<Repair>,
}

/// Polygons on the lattice, or all that is wrong with them.
pub fn area(raw: &RawShape, crs: Crs, max_vertices: usize) -> Result<Shaped, Vec<Fault>> {
    let RawShape::Polygons(parts) = raw else {
        return Err(vec![geometry_fault(Fault::new(
            FaultKind::WrongGeometry,
            format!("{}, where a Polygon or MultiPolygon is needed", raw.name()),
        ))]);
    };
    let vertices: usize = parts.iter().flatten().map(Vec::len).sum();
    if vertices > max_vertices {
        let mut fault = Fault::new(
            FaultKind::TooManyVertices,
            format!("{vertices} vertices, the budget is {max_vertices}: simplify it, or raise --max-vertices"),
        );
        fault.place = parts.iter().flatten().flatten().find_map(|p| LonLat::new(p[0], p[1]).ok());
        return Err(vec![geometry_fault(fault)]);
    }
    let mut faults = Vec::new();
    let mut repairs = Vec::new();
    let mut polygons = Vec::with_capacity(parts.len());
    if parts.iter().all(Vec::is_empty) {
        faults.push(Fault::new(FaultKind::EmptyRing, "the polygon has no ring"));
    }
    for (part_at, part) in parts.iter().enumerate() {
        let mut rings = Vec::with_capacity(part.len());
        for (ring_at, raw_ring) in part.iter().enumerate() {
            let whose = RingName { part: (parts.len() > 1).then_some(part_at + 1), ring: ring_at };
            if let Some(ring) = ring(raw_ring, crs, whose, &mut faults) {
                check_turn(&ring, whose, &mut repairs);
                rings.push(ring);
            }
        }
        let mut rings = rings.into_iter();
        if let Some(exterior) = rings.next() {
            polygons.push(Polygon { exterior, holes: rings.collect() });
        }
    }
    if faults.is_empty() {
        Ok(Shaped { area: Area::canonical(polygons), repairs })
    } else {
        Err(faults.into_iter().map(geometry_fault).collect())
    }
}

fn geometry_fault(mut fault: Fault) -> Fault {
    fault.field.get_or_insert_with(|| "geometry".to_owned());
    fault
}

/// How messages call a ring.
#[derive(Clone, Copy)]
struct RingName {
    part: Option<usize>,
    ring: usize,
}

impl std::fmt::Display for RingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ring {
            0 => f.write_str("the exterior ring")?,
            hole => write!(f, "hole {hole}")?,
        }
        match self.part {
            Some(part) => write!(f, " of part {part}"),
            None => Ok(()),
        }
    }
}

/// One ring on the lattice, still closed; its faults go to `faults`.
fn ring(raw: &[[f64; 2]], crs: Crs, whose: RingName, faults: &mut Vec<Fault>) -> Option<Ring> {
    let before = faults.len();
    let mut told: Vec<LonLat> = Vec::with_capacity(raw.len());
    let mut bad = 0_usize;
    for (at, position) in raw.iter().enumerate() {
        match LonLat::new(position[0], position[1]) {
            Ok(position) => told.push(position),
            // One bad position says it all; a file with swapped axes would give one for every vertex.
            Err(_) if bad > 0 => bad += 1,
            Err(error) => {
                bad += 1;
                let mut fault = position_fault(error, &format!("{whose}, position {}: ", at + 1));
                fault.place = told.last().copied();
                faults.push(fault);
            }
        }
    }
    if bad > 1
        && let Some(fault) = faults.last_mut()
    {
        fault.detail.push_str(&format!(", and {} more positions of this ring", bad - 1));
    }
    if bad > 0 {
        return None;
    }
    let place = told.first().copied();
    if let Some(first) = place.filter(|first| is_exchanged(*first, crs)) {
        let detail = format!("{whose}, position 1 [{}, {}]: {EXCHANGED}", first.lon(), first.lat());
        faults.push(Fault { place, ..Fault::new(FaultKind::BadPosition, detail) });
        return None;
    }
    let mut fault = |kind, detail: String, place| faults.push(Fault { place, ..Fault::new(kind, detail) });
    if told.len() < LEAST_RING {
        fault(FaultKind::EmptyRing, format!("{whose} has {} positions, a ring has at least {LEAST_RING}", told.len()), place);
    }
    let mut ring: Ring = Vec::with_capacity(told.len());
    for position in &told {
        match crs.to_cgcs2000(*position) {
            Ok(kept) => ring.push(LatticePoint::nearest(kept)),
            Err(error) => fault(FaultKind::BadPosition, format!("{whose}: {error}"), Some(*position)),
        }
    }
    if let (Some(first), Some(last), true) = (ring.first(), ring.last(), told.len() >= LEAST_RING)
        && first != last
    {
        let detail = format!("{whose} is not closed: its last position differs from its first (RFC 7946 §3.1.6)");
        fault(FaultKind::UnclosedRing, detail, place);
    }
    if let Some(edge) = told.windows(2).find(|edge| (edge[1].lon() - edge[0].lon()).abs() > 180.0) {
        let detail = format!("{whose} has an edge longer than 180°: cut the area at the antimeridian (RFC 7946 §3.1.9)");
        fault(FaultKind::Antimeridian, detail, Some(edge[0]));
    }
    (faults.len() == before).then_some(ring)
}

/// Exteriors turn left, holes right (RFC 7946 §3.1.6). The other way is common in older files and harmless: it is turned.
fn check_turn(ring: &Ring, whose: RingName, repairs: &mut Vec<Repair>) {
    let turn = ring_area2(ring);
    let place = ring.first().map(|first| first.lonlat());
    let repair = |kind: &str, detail| Repair { kind: kind.to_owned(), detail, codes: Vec::new(), place, area_m2: 0.0 };
    if turn == 0 {
        // A bow-tie has as much land on the left as on the right: only when its crossings are nodes is it seen whether there is any.
        let has_land = Arrangement::of_lines(std::slice::from_ref(ring)).is_ok_and(|noded| noded.face_count() > 0);
        if !has_land {
            repairs.push(repair("collapsed_ring", format!("{whose} has no land left on the lattice of 1e-7°")));
        }
    } else if (turn > 0) != (whose.ring == 0) {
        repairs.push(repair("rewound", format!("{whose} turned the wrong way (RFC 7946 §3.1.6)")));
    }
}

/// A position that is none.
pub fn position_fault(error: PositionError, prefix: &str) -> Fault {
    let hint = match error {
        PositionError::OutOfRange { lon, lat, .. } if lon.abs().max(lat.abs()) > LEAST_METRES => {
            "; these look like metres of a projection: convert the file to EPSG:4490 first (ogr2ogr -t_srs EPSG:4490)"
        }
        _ => "",
    };
    Fault::new(FaultKind::BadPosition, format!("{prefix}{error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygon(rings: &[&[[f64; 2]]]) -> RawShape {
        RawShape::Polygons(vec![rings.iter().map(|ring| ring.to_vec()).collect()])
    }

    const SQUARE: &[[f64; 2]] = &[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]];

    #[test]
    fn each_bad_ring_is_named_with_its_place() {
        let nan: &[[f64; 2]] = &[[0.0, 0.0], [f64::NAN, 0.0], [4.0, 4.0], [0.0, 0.0]];
        let open: &[[f64; 2]] = &[[1.0, 1.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]];
        let swapped: &[[f64; 2]] = &[[30.0, 122.0], [30.1, 122.0], [30.1, 122.1], [30.0, 122.0]];
        let wide: &[[f64; 2]] = &[[179.0, 0.0], [-179.0, 0.0], [-179.0, 1.0], [179.0, 0.0]];
        let short: &[[f64; 2]] = &[[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]];
        for (ring, kind, word) in [
            (nan, FaultKind::BadPosition, "position 2"),
            (open, FaultKind::UnclosedRing, "not closed"),
            (swapped, FaultKind::BadPosition, "swapped"),
            (wide, FaultKind::Antimeridian, "antimeridian"),
            (short, FaultKind::EmptyRing, "at least 4"),
        ] {
            let faults = area(&polygon(&[SQUARE, ring]), Crs::Wgs84, 100).expect_err(word);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].kind, kind);
            assert!(faults[0].detail.contains(word) && faults[0].detail.contains("hole 1"), "{}", faults[0]);
            assert_eq!(faults[0].field.as_deref(), Some("geometry"));
        }
    }

    #[test]
    fn two_bad_rings_are_two_faults() {
        let open: &[[f64; 2]] = &[[1.0, 1.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]];
        assert_eq!(area(&polygon(&[open, open]), Crs::Wgs84, 100).expect_err("both open").len(), 2);
    }

    #[test]
    fn the_vertex_budget_holds_for_the_whole_record() {
        let faults = area(&polygon(&[SQUARE]), Crs::Wgs84, 4).expect_err("five vertices");
        assert_eq!(faults[0].kind, FaultKind::TooManyVertices);
        assert!(faults[0].place.is_some());
        assert!(area(&polygon(&[SQUARE]), Crs::Wgs84, 5).is_ok());
    }

    #[test]
    fn a_ring_that_turns_the_wrong_way_is_turned_and_said() {
        let clockwise: Vec<[f64; 2]> = SQUARE.iter().rev().copied().collect();
        let turned = area(&polygon(&[&clockwise]), Crs::Wgs84, 100).expect("mended");
        assert_eq!(turned.repairs.iter().map(|repair| repair.kind.as_str()).collect::<Vec<_>>(), ["rewound"]);
        let straight = area(&polygon(&[SQUARE]), Crs::Wgs84, 100).expect("right");
        assert!(straight.repairs.is_empty());
        assert_eq!(turned.area, straight.area);
    }

    #[test]
    fn only_a_ring_without_land_has_collapsed() {
        let kinds = |ring: &[[f64; 2]]| {
            let shaped = area(&polygon(&[SQUARE, ring]), Crs::Wgs84, 100).expect("rings");
            shaped.repairs.into_iter().map(|repair| repair.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(&[[1.0, 1.0], [2.0, 2.0], [2.0, 1.0], [1.0, 2.0], [1.0, 1.0]]), [""; 0], "a bow-tie has two wings");
        assert_eq!(kinds(&[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [1.0, 1.0]]), ["collapsed_ring"]);
        assert_eq!(kinds(&[[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [2.0, 1.0], [1.0, 1.0]]), ["collapsed_ring"]);
    }

    #[test]
    fn axes_exchanged_west_of_90_degrees_are_found_by_where_china_is() {
        // Lhasa's latitude first.
        for crs in [Crs::Cgcs2000, Crs::Gcj02, Crs::Bd09] {
            let fault = point([29.65, 89.1], crs).expect_err("in the Arctic");
            assert!(fault.detail.contains("exchanged") && fault.place.is_some(), "{fault}");
            assert!(point([89.1, 29.65], crs).is_ok());
        }
        assert!(point([29.65, 89.1], Crs::Wgs84).is_ok(), "the whole earth has WGS 84");
        let ring: &[[f64; 2]] = &[[29.6, 89.1], [29.6, 89.2], [29.7, 89.2], [29.6, 89.1]];
        let faults = area(&polygon(&[ring]), Crs::Cgcs2000, 100).expect_err("in the Arctic");
        assert!(faults.len() == 1 && faults[0].detail.contains("exchanged"), "{faults:?}");
    }

    #[test]
    fn vendors_positions_keep_what_was_told() {
        let (at, original) = point([122.1, 30.0], Crs::Gcj02).expect("a position");
        assert_ne!(at, LatticePoint::nearest(LonLat::new(122.1, 30.0).expect("in range")));
        assert_eq!(original.map(|o| o.crs), Some(Crs::Gcj02));
        assert_eq!(point([122.1, 30.0], Crs::Wgs84).expect("a position").1, None);
    }
}
