use super::*;
use libm::{cos, fabs};

fn named(name: &str) -> NamedCrs {
    name.parse().expect(name)
}

struct Vector {
    crs: FileCrs,
    name: &'static str,
    at: LonLat,
    metres: [f64; 2],
}

fn vectors() -> impl Iterator<Item = Vector> {
    let table = include_str!("../../tests/fixtures/domain/gauss_krueger_vectors.tsv");
    table.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut cells = line.split('\t');
        let name = cells.next().expect("a name");
        let numbers: Vec<f64> = cells.map(|cell| cell.parse().expect("a number")).collect();
        let (crs, helmert) = name.split_once(' ').map_or((name, None), |(crs, helmert)| (crs, Some(helmert)));
        let helmert = helmert.map(|helmert| helmert.parse().expect("seven numbers"));
        let at = LonLat::new(numbers[0], numbers[1]).expect("on earth");
        Vector { crs: named(crs).settle(helmert).expect("settled"), name, at, metres: [numbers[2], numbers[3]] }
    })
}

/// Metres between two near positions.
fn apart(a: LonLat, b: LonLat) -> f64 {
    libm::hypot((a.lon() - b.lon()) * cos(a.lat().to_radians()), a.lat() - b.lat()) * 111_320.0
}

#[test]
fn every_vector_of_proj_holds_within_a_tenth_of_a_millimetre_in_both_directions() {
    let mut count = 0;
    for Vector { crs, name, at, metres } in vectors() {
        let told = crs.ready().position(metres).expect(name);
        assert!(apart(told, at) < 1e-4, "{name} {at:?}: {} m", apart(told, at));
        if let (Datum::Position(_), Some(plane)) = (crs.datum, crs.named.plane) {
            let there = plane.on(Ellipsoid::CGCS2000).forward(at).expect(name);
            let off = libm::hypot(there[0] - metres[0], there[1] - metres[1]);
            assert!(off < 1e-4, "{name} {at:?}: {off} m");
        }
        count += 1;
    }
    assert!(count > 290, "the table is whole");
}

#[test]
fn every_number_of_epsg_has_the_meridian_and_easting_of_its_name() {
    for (number, meridian, easting) in [
        (4491, 75.0, 13_500_000.0),
        (4501, 135.0, 23_500_000.0),
        (4502, 75.0, 500_000.0),
        (4512, 135.0, 500_000.0),
        (4513, 75.0, 25_500_000.0),
        (4529, 123.0, 41_500_000.0),
        (4533, 135.0, 45_500_000.0),
        (4534, 75.0, 500_000.0),
        (4549, 120.0, 500_000.0),
        (4554, 135.0, 500_000.0),
        (2327, 75.0, 13_500_000.0),
        (2390, 135.0, 500_000.0),
        (2401, 75.0, 25_500_000.0),
        (2442, 135.0, 500_000.0),
        (21_423, 135.0, 23_500_000.0),
        (21_453, 75.0, 500_000.0),
    ] {
        let plane = NamedCrs::epsg(number).and_then(|crs| crs.plane).expect("a plane");
        assert_eq!((plane.central_meridian, plane.false_easting), (meridian, easting), "EPSG:{number}");
    }
    for number in [4489, 4555, 2326, 2391, 2400, 2443, 21_412, 21_424, 21_452, 21_464, 3857, 0] {
        assert_eq!(NamedCrs::epsg(number), None, "EPSG:{number}");
    }
}

#[test]
fn a_name_comes_back_as_it_was_told() {
    for name in [
        "wgs84",
        "cgcs2000",
        "gcj02",
        "bd09",
        "xian80",
        "beijing54",
        "epsg:4491",
        "epsg:4529",
        "epsg:4550",
        "epsg:2437",
        "epsg:21421",
        "cgcs2000:tm:cm=122,fe=500000",
        "cgcs2000:tm:cm=121.46666667,fe=0,fn=-3457147,k=0.9999,lat0=31.2",
        "wgs84:tm:cm=123,fe=500000,k=0.9996",
    ] {
        assert_eq!(named(name).to_string(), name);
    }
    assert_eq!(named("EPSG:4490").to_string(), "cgcs2000");
    assert_eq!(named("epsg:4610"), named("xian80"));
    assert_eq!(named("cgcs2000:tm:cm=123,fe=41500000"), named("epsg:4529"));
    assert_eq!(named("epsg:4510"), named("epsg:4550"), "without a zone's number both are meridian 123");
}

#[test]
fn a_name_that_is_none_says_what_there_is() {
    for (name, word) in [
        ("epsg:3857", "epsg:4491 to epsg:4554"),
        ("utm", "one of wgs84"),
        ("cgcs2000:tm:fe=0", "cm, the central meridian"),
        ("cgcs2000:tm:cm=122", "fe, the false easting"),
        ("cgcs2000:tm:cm=122,fe=x", "no number"),
        ("cgcs2000:tm:cm=122,fe=0,cm=123", "twice"),
        ("cgcs2000:tm:cm=122,fe=0,zone=3", "no parameter"),
        ("cgcs2000:tm:cm=500,fe=0", "no longitude"),
        ("cgcs2000:tm:cm=122,fe=0,k=10", "not near 1"),
        ("cgcs2000:tm:cm=122,fe=NaN", "no number"),
        ("gcj02:tm:cm=122,fe=0", "no plane"),
    ] {
        let error = name.parse::<NamedCrs>().expect_err(name).to_string();
        assert!(error.contains(word), "{name}: {error}");
    }
}

#[test]
fn an_old_datum_is_refused_without_its_seven_parameters() {
    for name in ["epsg:4610", "epsg:4214", "epsg:2365", "epsg:2437", "xian80:tm:cm=122,fe=500000"] {
        let error = named(name).settle(None).expect_err(name).to_string();
        assert!(error.contains("--helmert") && error.contains("position vector") && error.contains("19"), "{error}");
        assert!(named(name).settle("1,2,3,0,0,0,0".parse().ok()).is_ok());
    }
}

#[test]
fn metres_without_a_crs_have_candidates_that_say_where_they_land() {
    // 122.1 E, 30 N in zone 41.
    let with_zone = candidates([41_413_160.55, 3_320_454.43]);
    let names: Vec<String> = with_zone.iter().map(|found| found.crs.to_string()).collect();
    assert_eq!(names, ["epsg:4529"]);
    assert!(!with_zone[0].swapped && fabs(with_zone[0].at.lon() - 122.1) < 1e-6 && fabs(with_zone[0].at.lat() - 30.0) < 1e-6);
    let exchanged = candidates([3_320_454.43, 41_413_160.55]);
    assert_eq!(exchanged.len(), 1);
    assert!(exchanged[0].swapped && exchanged[0].crs == named("epsg:4529"));
    let bare = candidates([413_160.55, 3_320_454.43]);
    assert_eq!(bare.len(), 21, "each meridian");
    assert!(bare.iter().any(|found| found.crs == named("epsg:4550") && fabs(found.at.lon() - 122.1) < 1e-6));
    let six = candidates([21_413_160.55, 3_320_454.43]);
    assert_eq!(six.iter().map(|found| found.crs.to_string()).collect::<Vec<_>>(), ["epsg:4499"]);
    assert_eq!(candidates([122.1, 30.0]).len(), 1);
    assert_eq!(candidates([1e9, 1e9]), []);
    assert_eq!(candidates([f64::NAN, 1.0]), []);
}

#[test]
fn exchanged_axes_are_put_right_when_told() {
    let crs = named("epsg:4529").settle(None).expect("settled").with_axes_exchanged();
    let positions = crs.ready();
    let at = positions.position(positions.ordered([3_320_454.43, 41_413_160.55])).expect("near");
    assert!(apart(at, LonLat::new(122.1, 30.0).expect("on earth")) < 0.02);
}

/// Positions from one corner to the other, both included.
fn along(positions: &Positions, a: [f64; 2], b: [f64; 2]) -> Vec<LonLat> {
    let ends = [positions.position(a).expect("near"), positions.position(b).expect("near")];
    let mut line = vec![ends[0]];
    positions.between([a, b], ends, &mut |at| line.push(at)).expect("near");
    line.push(ends[1]);
    line
}

#[test]
fn a_long_edge_of_a_plane_stays_where_it_is_and_is_the_same_from_either_end() {
    let positions = named("epsg:4529").settle(None).expect("settled").ready();
    let a = [41_413_160.5, 3_320_454.4];
    for (b, most) in [([41_413_260.5, 3_320_454.4], 2), ([41_443_160.5, 3_320_454.4], 200), ([41_588_000.0, 3_421_000.0], 800)] {
        let line = along(&positions, a, b);
        let mut back = along(&positions, b, a);
        back.reverse();
        assert_eq!(line, back);
        assert!(line.len() <= most, "{}", line.len());
        let plane = positions.crs().named().plane.expect("a plane").on(Ellipsoid::CGCS2000);
        for edge in line.windows(2) {
            for share in [0.2, 0.5, 0.7] {
                let part = |from: f64, to: f64| from + (to - from) * share;
                let at = LonLat::new(part(edge[0].lon(), edge[1].lon()), part(edge[0].lat(), edge[1].lat())).expect("on earth");
                let [x, y] = plane.forward(at).expect("near");
                let length = libm::hypot(b[0] - a[0], b[1] - a[1]);
                let off = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / length;
                assert!(fabs(off) < 0.008, "{off} m from the line");
            }
        }
    }
    let degrees: Positions = Crs::Cgcs2000.into();
    assert_eq!(along(&degrees, [122.0, 30.0], [124.0, 31.0]).len(), 2, "straight in degrees is straight");
}
