//! Real boundaries through mending and building: towns drawn by hand, and the communes of a country.

use crate::communes::{self, as_asked, communes, communes_of, features, grids, shared, unpacked};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;
use wangge::domain::code::Code;
use wangge::domain::fault::{Fault, FaultKind};
use wangge::domain::id::{Epoch, GridIx};
use wangge::domain::records::BoundarySet;
use wangge::geom::LatticePoint;
use wangge::territory::Territory;
use wangge::territory::mend::{Accept, Mended, check, mend};

pub(crate) fn fixture(path: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn jurong() -> BoundarySet {
    let scheme = serde_json::from_str(r#"{"name":"towns","levels":[{"name":"town"}]}"#).unwrap();
    BoundarySet {
        scheme,
        grids: grids(features(&fixture("jurong/jurong_townships_gcj02.geojson"), "name")),
        ..BoundarySet::default()
    }
}

/// The communes of a country, read, mended and built once for all tests that ask; nothing when the data is not there.
pub(crate) fn country() -> Option<&'static Country> {
    static COUNTRY: OnceLock<Option<Country>> = OnceLock::new();
    COUNTRY.get_or_init(|| Some(Country::read(&shared("data/fr_communes/fr_communes.geojson.gz")?))).as_ref()
}

pub(crate) struct Country {
    pub(crate) given: BoundarySet,
    pub(crate) mended: Mended,
    pub(crate) territory: Territory,
    /// All vertices in the order of the file.
    pub(crate) vertices: Vec<LatticePoint>,
}

impl Country {
    fn read(path: &Path) -> Self {
        let text = String::from_utf8(unpacked(path)).unwrap();
        let features = features(&text, "code");
        drop(text);
        let vertices = communes::vertices(&features);
        let given = communes_of(features);
        let mended = mend(given.clone(), &as_asked()).unwrap();
        let begun = Instant::now();
        let territory = Territory::build(Epoch(1), &mended.boundaries).unwrap();
        eprintln!("building: {:.2} s", begun.elapsed().as_secs_f64());
        Self { given, mended, territory, vertices }
    }
}

fn of_kind(faults: &[Fault], kind: FaultKind) -> Vec<&Fault> {
    faults.iter().filter(|fault| fault.kind == kind).collect()
}

fn sum_m2<'f>(faults: impl IntoIterator<Item = &'f &'f Fault>) -> f64 {
    faults.into_iter().map(|fault| fault.area_m2.unwrap()).sum()
}

#[test]
fn hand_drawn_towns_are_refused_with_every_overlap_and_gap() {
    let faults = mend(jurong(), &Accept::default()).unwrap_err();
    assert!(faults.iter().all(|fault| fault.place.is_some() && fault.area.is_some() && fault.area_m2.is_some_and(|m2| m2 > 0.9)));
    let overlaps = of_kind(&faults, FaultKind::Overlap);
    let gaps = of_kind(&faults, FaultKind::Gap);
    assert_eq!(overlaps.len() + gaps.len(), faults.len());
    let pairs: BTreeSet<(&Code, &Code)> =
        overlaps.iter().filter(|fault| fault.codes.len() == 2).map(|fault| (&fault.codes[0], &fault.codes[1])).collect();
    assert_eq!(pairs.len(), 32);

    // Shapely 2.2, in an equal-area projection: pairs overlap by 793,249.8 m² (land of three counts three times), and the union
    // has 148 holes of 598,504.9 m² together, two of them slivers
    let three_fold = overlaps.iter().filter(|fault| fault.codes.len() == 3).copied().collect::<Vec<_>>();
    assert_eq!(three_fold.len() + pairs.len(), overlaps.len());
    // (whose edges are straight in that projection and not in longitude and latitude).
    let overlap_m2 = sum_m2(&overlaps) + 2.0 * sum_m2(&three_fold);
    assert!((overlap_m2 - 793_249.8).abs() < 50.0, "{overlap_m2}");
    assert_eq!(gaps.len(), 146);
    assert!((sum_m2(&gaps) - 598_504.9).abs() < 50.0, "{}", sum_m2(&gaps));
}

#[test]
fn hand_drawn_towns_are_taken_as_asked() {
    let given = jurong();
    let mended = mend(given.clone(), &as_asked()).unwrap();
    assert_eq!(mended.accepted.len(), 180);
    assert_eq!(mended.boundaries.voids.len(), 146);
    assert!(mended.boundaries.voids.iter().all(|void| void.reason == "accepted at import"));
    assert!(mended.repairs.iter().all(|repair| repair.place.is_some() && repair.area_m2 < 1.0));
    assert_eq!(check(&mended.boundaries), []);

    let territory = Territory::build(Epoch(1), &mended.boundaries).unwrap();
    let void_m2: f64 =
        mended.accepted.iter().filter(|fault| fault.kind == FaultKind::Gap).map(|fault| fault.area_m2.unwrap()).sum();
    let land_m2: f64 = territory.grids.iter().map(|grid| grid.area_m2).sum();
    assert!((land_m2 - 1_378_367_594.2).abs() < 100.0, "what shapely says of the union: {land_m2}");
    assert!(void_m2 > 598_000.0);
    for record in &mended.boundaries.grids {
        assert_eq!(territory.outline_grid(territory.grid_ix(record.code.as_str()).unwrap()), record.area);
    }
    assert_eq!(mend(mended.boundaries.clone(), &Accept::default()).unwrap().boundaries, mended.boundaries);
}

#[test]
fn fifty_communes_are_clean_but_for_a_ring_that_touches_itself_and_the_one_left_out() {
    let given = communes(&fixture("fr_communes/communes_50.geojson"));
    let faults = mend(given.clone(), &Accept::default()).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].kind, faults[0].codes.len()), (FaultKind::Gap, 3));
    assert!((faults[0].area_m2.unwrap() / 3_503_296.0 - 1.0).abs() < 1e-5);

    let mended = mend(given, &as_asked()).unwrap();
    let repairs: Vec<(&str, &str)> =
        mended.repairs.iter().map(|repair| (repair.kind.as_str(), repair.codes[0].as_str())).collect();
    assert_eq!(repairs, [("ring_split", "14174")]);
    let departments: Vec<&str> = mended.boundaries.regions.iter().map(|region| region.code.as_str()).collect();
    assert_eq!(departments, ["14", "61"]);
    assert_eq!(check(&mended.boundaries), []);
    let territory = Territory::build(Epoch(1), &mended.boundaries).unwrap();
    let ix = territory.grid_ix("14174").unwrap();
    for (other, length_m) in territory.neighbours(ix) {
        let back = territory.neighbours(other).into_iter().find(|(back, _)| *back == ix).unwrap();
        assert!((back.1 - length_m).abs() < 1e-6);
    }
}

#[test]
fn the_communes_of_a_country_are_a_partition() {
    let Some(Country { given, mended, territory, .. }) = country() else { return };
    assert_eq!(given.grids.len(), 35_357);

    // What no commune covers: around Llívia, which is Spanish, and the Étang de Berre.
    let begun = Instant::now();
    let faults = mend(given.clone(), &Accept::default()).unwrap_err();
    eprintln!("mending 35,357 communes: {:.2} s", begun.elapsed().as_secs_f64());
    let gaps: Vec<(FaultKind, u32)> = faults.iter().map(|fault| (fault.kind, (fault.area_m2.unwrap() / 1e4) as u32)).collect();
    assert_eq!(gaps, [(FaultKind::Gap, 1301), (FaultKind::Gap, 15_494)]);

    let repairs: Vec<(&str, &str)> =
        mended.repairs.iter().map(|repair| (repair.kind.as_str(), repair.codes[0].as_str())).collect();
    assert_eq!(repairs, [("ring_split", "14174"), ("spike_removed", "76646")]);
    let changed = given.grids.iter().zip(&mended.boundaries.grids).filter(|(before, after)| before.area != after.area).count();
    eprintln!("{changed} communes got a vertex or a ring");
    assert!(changed < 200, "{changed}");
    let begun = Instant::now();
    assert_eq!(check(&mended.boundaries), []);
    eprintln!("checking: {:.2} s", begun.elapsed().as_secs_f64());

    assert_eq!(territory.partition.arcs().count(), 105_541);
    for ix in (0..territory.grids.len()).step_by(7).map(|at| GridIx(at as u32)) {
        let code = &territory.grid(ix).code;
        let record = mended.boundaries.grids.binary_search_by(|record| record.code.cmp(code)).unwrap();
        assert_eq!(territory.outline_grid(ix), mended.boundaries.grids[record].area);
    }
}
