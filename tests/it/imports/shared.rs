//! The whole of the real data, when its folder is there.

use super::{city, fixture, import, order, run, shared};
use wangge::app::imports::{Kind, Status};
use wangge::domain::id::Epoch;
use wangge::territory::Territory;
use wangge::territory::mend::check;

#[tokio::test(flavor = "multi_thread")]
async fn all_communes_of_a_country_come_in_once() {
    let Some(path) = shared("fr_communes/fr_communes.geojson.gz") else {
        eprintln!("no shared data: the fixture of 78 communes stands for all");
        return;
    };
    let store = city("import/communes.toml");
    let mut communes = order(Kind::Grids, &path, "wgs84");
    let refused = run(&store, communes.clone()).await;
    assert_eq!(refused.status, Status::Refused, "two lagoons belong to nobody");
    assert!(refused.faults.iter().all(|fault| fault.area_m2.is_some_and(|area| area > 1e7)), "{}", refused.text());
    communes.accept.also("gaps-as-void").unwrap();
    let report = import(&store, communes.clone()).await;
    assert_eq!((report.tally.records, report.tally.new), (35_357, 35_357), "{}", report.text());
    let set = store.boundaries_at(Epoch(1)).await.unwrap().unwrap();
    assert_eq!(check(&set), []);
    assert_eq!(Territory::build(Epoch(1), &set).unwrap().regions.len(), 97);
    let again = run(&store, communes).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 35_357));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_city_of_openstreetmap_points_comes_in_once() {
    for (name, records, new) in [
        ("osm_helsinki/helsinki_facilities.geojson", 4011, 4011),
        ("osm_montevideo/montevideo_points.geojson.gz", 217_905, 217_905),
    ] {
        let Some(path) = shared(name) else {
            eprintln!("no shared data: {} stands for it", fixture("import/helsinki_facilities_cut.geojson").display());
            return;
        };
        let store = city("");
        let local = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/profiles/local_example.toml");
        let mut osm = order(Kind::Facilities, &path, "wgs84");
        osm.tags = Some("osm".to_owned());
        osm.profile = wangge::app::imports::profile_named(local.to_str().unwrap()).ok();
        osm.accept.also("unmapped-as=05999").unwrap();
        let report = import(&store, osm.clone()).await;
        assert_eq!((report.tally.records, report.tally.new), (records, new), "{}", report.text());
        let again = run(&store, osm).await;
        assert_eq!((again.status, again.tally.same), (Status::Unchanged, new));
    }
}
