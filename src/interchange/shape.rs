//! Raw geometry → the lattice: checked, converted to CGCS2000, rounded once.

use super::RawShape;
use crate::domain::facility::OriginalPosition;
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::geom::area::ring_area2;
use crate::geom::file_crs::{FileCrs, FilePositionError, Positions, candidates, in_china};
use crate::geom::lonlat::PositionError;
use crate::geom::planar::Arrangement;
use crate::geom::{Area, LatticePoint, LonLat, Polygon, Ring};

/// Vertices one record may have when nobody says otherwise. The largest real multipolygons (Fujian's coast at full detail) have about
/// 250,000.
pub const DEFAULT_MAX_VERTICES: usize = 500_000;

/// No slip of the decimal point makes a degree so large.
const LEAST_METRES: f64 = 10_000.0;

const EXCHANGED: &str = "the position is far from China, and in it with its axes exchanged: longitude comes first";

/// West of 90° E both orders of the axes are positions on earth, and only one is where data in a Chinese CRS can be.
fn is_exchanged(told: LonLat, crs: FileCrs) -> bool {
    let other = LonLat::new(told.lat(), told.lon());
    !crs.is_worldwide() && !in_china(told) && other.is_ok_and(in_china)
}

/// A ring needs three different points and the first again.
const LEAST_RING: usize = 4;

/// A position as CGCS2000, or what is wrong with it.
fn placed(raw: [f64; 2], positions: &Positions) -> Result<LonLat, Fault> {
    let crs = positions.crs();
    let ordered = positions.ordered(raw);
    let kept = match positions.position(ordered) {
        Ok(kept) => kept,
        Err(FilePositionError::Degrees(error)) => return Err(position_fault(error, "")),
        Err(FilePositionError::Metres(error)) => {
            return Err(Fault::new(FaultKind::BadPosition, format!("{error}{}", advice(ordered, positions))));
        }
    };
    let told = if crs.is_plane() { kept } else { LonLat::new(ordered[0], ordered[1]).unwrap_or(kept) };
    if !crs.is_plane() && is_exchanged(told, crs) {
        return Err(Fault { place: Some(told), ..Fault::new(FaultKind::BadPosition, EXCHANGED) });
    }
    if crs.is_plane() && !crs.is_worldwide() && !in_china(kept) {
        let detail = format!("{:.5},{:.5} is far from China{}", kept.lon(), kept.lat(), advice(ordered, positions));
        return Err(Fault { place: Some(kept), ..Fault::new(FaultKind::BadPosition, detail) });
    }
    Ok(kept)
}

/// In which planes metres that are wrong in one would be right.
fn advice(ordered: [f64; 2], positions: &Positions) -> String {
    if ordered.iter().all(|number| number.abs() <= 180.0) {
        return "; these look like degrees".to_owned();
    }
    let found = candidates(ordered);
    let own = positions.crs().named();
    let at = |place: LonLat| format!("{:.5},{:.5}", place.lon(), place.lat());
    if let Some(exchanged) = found.iter().find(|found| found.swapped && found.crs == own) {
        let place = at(exchanged.at);
        return format!(
            "; with its axes exchanged it is at {place}: the file has the northing first (surveyors' X); say --swap-xy"
        );
    }
    // Without a zone's number every meridian would do, and says nothing.
    match found.as_slice() {
        [] => String::new(),
        few if few.len() <= 3 => {
            let words = few.iter().map(|found| {
                let exchanged = if found.swapped { " with its axes exchanged (--swap-xy)" } else { "" };
                format!("{}{exchanged} at {}", found.crs, at(found.at))
            });
            format!("; it would be in {}", words.collect::<Vec<_>>().join(", or in "))
        }
        many if many.iter().all(|found| found.swapped) => {
            "; the northing stands first (surveyors' X), and the easting has no zone's number: say --swap-xy and the CRS of its meridian"
                .to_owned()
        }
        _ => "; the easting has no zone's number: epsg:4534 to epsg:4554 have none".to_owned(),
    }
}

/// A point on the lattice, and what was told when that was shifted by a vendor.
pub fn point(raw: [f64; 2], positions: &Positions) -> Result<(LatticePoint, Option<OriginalPosition>), Fault> {
    let kept = placed(raw, positions)?;
    let original = positions.crs().shifted().and_then(|crs| {
        let [lon, lat] = positions.ordered(raw);
        LonLat::new(lon, lat).ok().map(|position| OriginalPosition { crs, position })
    });
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
pub fn area(raw: &RawShape, positions: &Positions, max_vertices: usize) -> Result<Shaped, Vec<Fault>> {
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
    let mut left = max_vertices;
    'parts: for (part_at, part) in parts.iter().enumerate() {
        let mut rings = Vec::with_capacity(part.len());
        for (ring_at, raw_ring) in part.iter().enumerate() {
            let whose = RingName { part: (parts.len() > 1).then_some(part_at + 1), ring: ring_at };
            let before = faults.len();
            if let Some(ring) = ring(raw_ring, positions, whose, left, &mut faults) {
                left = left.saturating_sub(ring.len());
                check_turn(&ring, whose, &mut repairs);
                rings.push(ring);
            }
            if faults[before..].iter().any(|fault| fault.kind == FaultKind::TooManyVertices) {
                break 'parts;
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

/// One ring on the lattice, still closed; its faults go to `faults`. A long edge of a plane gets the positions between its ends that keep
/// it where it is; they count for `budget`, the vertices that the record may still have.
fn ring(raw: &[[f64; 2]], positions: &Positions, whose: RingName, budget: usize, faults: &mut Vec<Fault>) -> Option<Ring> {
    let before = faults.len();
    let mut kept: Vec<LonLat> = Vec::with_capacity(raw.len());
    let mut bad = 0_usize;
    let mut last: Option<([f64; 2], LonLat)> = None;
    for (at, position) in raw.iter().enumerate() {
        let fault = match placed(*position, positions) {
            Ok(here) => {
                let ordered = positions.ordered(*position);
                let between = match last.replace((ordered, here)) {
                    Some((from, start)) if kept.len() <= budget => {
                        positions.between([from, ordered], [start, here], &mut |between| kept.push(between))
                    }
                    _ => Ok(()),
                };
                kept.push(here);
                match between {
                    Ok(()) => continue,
                    Err(error) => Fault::new(FaultKind::BadPosition, error.to_string()),
                }
            }
            Err(fault) => fault,
        };
        bad += 1;
        // One bad position says it all; a file with swapped axes would give one for every vertex.
        if bad == 1 {
            // Some reasons name the numbers themselves.
            let named = fault.detail.starts_with("position [");
            let numbers = if named { String::new() } else { format!(" [{}, {}]", position[0], position[1]) };
            let detail = format!("{whose}, position {}{numbers}: {}", at + 1, fault.detail);
            faults.push(Fault { detail, place: fault.place.or(kept.last().copied()), ..fault });
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
    let place = kept.first().copied();
    let mut fault = |kind, detail: String, place| faults.push(Fault { place, ..Fault::new(kind, detail) });
    if raw.len() < LEAST_RING {
        fault(FaultKind::EmptyRing, format!("{whose} has {} positions, a ring has at least {LEAST_RING}", raw.len()), place);
    }
    if kept.len() > budget {
        let detail = format!(
            "{whose}: its long edges need more vertices to stay straight than the {budget} that are left: raise --max-vertices"
        );
        fault(FaultKind::TooManyVertices, detail, place);
    }
    let ring: Ring = kept.iter().map(|kept| LatticePoint::nearest(*kept)).collect();
    if let (Some(first), Some(last), true) = (ring.first(), ring.last(), raw.len() >= LEAST_RING)
        && first != last
    {
        let detail = format!("{whose} is not closed: its last position differs from its first (RFC 7946 §3.1.6)");
        fault(FaultKind::UnclosedRing, detail, place);
    }
    if let Some(edge) = kept.windows(2).find(|edge| (edge[1].lon() - edge[0].lon()).abs() > 180.0) {
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
            "; these look like metres of a plane: say --crs with its Gauss-Krüger zone or meridian (epsg:4549, cgcs2000:tm:cm=…,fe=…)"
        }
        _ => "",
    };
    Fault::new(FaultKind::BadPosition, format!("{prefix}{error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::{Crs, NamedCrs};

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
            let faults = area(&polygon(&[SQUARE, ring]), &Crs::Wgs84.into(), 100).expect_err(word);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].kind, kind);
            assert!(faults[0].detail.contains(word) && faults[0].detail.contains("hole 1"), "{}", faults[0]);
            assert_eq!(faults[0].field.as_deref(), Some("geometry"));
        }
    }

    #[test]
    fn two_bad_rings_are_two_faults() {
        let open: &[[f64; 2]] = &[[1.0, 1.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]];
        assert_eq!(area(&polygon(&[open, open]), &Crs::Wgs84.into(), 100).expect_err("both open").len(), 2);
    }

    #[test]
    fn the_vertex_budget_holds_for_the_whole_record() {
        let faults = area(&polygon(&[SQUARE]), &Crs::Wgs84.into(), 4).expect_err("five vertices");
        assert_eq!(faults[0].kind, FaultKind::TooManyVertices);
        assert!(faults[0].place.is_some());
        assert!(area(&polygon(&[SQUARE]), &Crs::Wgs84.into(), 5).is_ok());
    }

    #[test]
    fn a_ring_that_turns_the_wrong_way_is_turned_and_said() {
        let clockwise: Vec<[f64; 2]> = SQUARE.iter().rev().copied().collect();
        let turned = area(&polygon(&[&clockwise]), &Crs::Wgs84.into(), 100).expect("mended");
        assert_eq!(turned.repairs.iter().map(|repair| repair.kind.as_str()).collect::<Vec<_>>(), ["rewound"]);
        let straight = area(&polygon(&[SQUARE]), &Crs::Wgs84.into(), 100).expect("right");
        assert!(straight.repairs.is_empty());
        assert_eq!(turned.area, straight.area);
    }

    #[test]
    fn only_a_ring_without_land_has_collapsed() {
        let kinds = |ring: &[[f64; 2]]| {
            let shaped = area(&polygon(&[SQUARE, ring]), &Crs::Wgs84.into(), 100).expect("rings");
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
            let fault = point([29.65, 89.1], &crs.into()).expect_err("in the Arctic");
            assert!(fault.detail.contains("exchanged") && fault.place.is_some(), "{fault}");
            assert!(point([89.1, 29.65], &crs.into()).is_ok());
        }
        assert!(point([29.65, 89.1], &Crs::Wgs84.into()).is_ok(), "the whole earth has WGS 84");
        let ring: &[[f64; 2]] = &[[29.6, 89.1], [29.6, 89.2], [29.7, 89.2], [29.6, 89.1]];
        let faults = area(&polygon(&[ring]), &Crs::Cgcs2000.into(), 100).expect_err("in the Arctic");
        assert!(faults.len() == 1 && faults[0].detail.contains("exchanged"), "{faults:?}");
    }

    #[test]
    fn vendors_positions_keep_what_was_told() {
        let (at, original) = point([122.1, 30.0], &Crs::Gcj02.into()).expect("a position");
        assert_ne!(at, LatticePoint::nearest(LonLat::new(122.1, 30.0).expect("in range")));
        assert_eq!(original.map(|o| o.crs), Some(Crs::Gcj02));
        assert_eq!(point([122.1, 30.0], &Crs::Wgs84.into()).expect("a position").1, None);
    }

    fn plane(name: &str) -> Positions {
        name.parse::<NamedCrs>().expect(name).settle(None).expect(name).ready()
    }

    #[test]
    fn metres_in_the_wrong_plane_are_refused_with_the_right_one() {
        // 122.1 E, 30 N, with the number of zone 41, without, and northing first.
        let (with_zone, without) = ([41_413_160.5, 3_320_454.4], [413_160.5, 3_320_454.4]);
        for (crs, raw, word) in [
            ("epsg:4550", with_zone, "in epsg:4529 at 122.1"),
            ("epsg:4528", with_zone, "in epsg:4529 at 122.1"),
            ("epsg:4529", without, "epsg:4534 to epsg:4554"),
            ("epsg:4529", [with_zone[1], with_zone[0]], "--swap-xy"),
            ("epsg:4550", [without[1], without[0]], "--swap-xy"),
            ("epsg:4550", [122.1, 30.0], "look like degrees"),
        ] {
            let fault = point(raw, &plane(crs)).expect_err(word);
            assert!(fault.detail.contains(word), "{crs} {raw:?}: {fault}");
        }
        assert!(point(with_zone, &plane("epsg:4529")).is_ok() && point(without, &plane("epsg:4550")).is_ok());
    }

    #[test]
    fn neighbours_share_every_position_of_a_long_edge_of_a_plane() {
        let (west, east, south, north) = (41_400_000.0, 41_440_000.0, 3_300_000.0, 3_320_000.0);
        let box_of = |low: f64, high: f64| polygon(&[&[[west, low], [east, low], [east, high], [west, high], [west, low]]]);
        let area_of = |shape: &RawShape| area(shape, &plane("epsg:4529"), 1000).expect("a box").area;
        let corners = |area: &Area| area.polygons()[0].exterior.iter().copied().collect::<std::collections::BTreeSet<_>>();
        let (lower, upper) = (area_of(&box_of(south, north)), area_of(&box_of(north, north + 20_000.0)));
        let common = corners(&lower).intersection(&corners(&upper)).count();
        assert!(common > 20, "{common} positions of 40 km");
        assert!(area(&box_of(south, north), &plane("epsg:4529"), 30).is_err(), "they count for the budget");
        let enough_for_one = lower.polygons()[0].exterior.len() + 20;
        assert!(area(&box_of(south, north), &plane("epsg:4529"), enough_for_one).is_ok());
        let corners = [[west, south], [east, south], [east, north], [west, north], [west, south]];
        let both = RawShape::Polygons(vec![vec![corners.to_vec()], vec![corners.to_vec()]]);
        let faults = area(&both, &plane("epsg:4529"), enough_for_one).expect_err("one budget for both");
        assert!(faults.len() == 1 && faults[0].detail.contains("part 2"), "{faults:?}");
    }
}
