//! Exports as others get them: what is written is read back by our own imports, and by GDAL.

mod others;
mod refusals;
mod round_trips;
mod tiles;

use crate::imports::{collection, import, order, written};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wangge::app::exports::{self, ExportError, Format, Order, Report};
use wangge::app::imports::Kind;
use wangge::clock::Clock;
use wangge::store::{Meta, Store};

fn format(word: &str) -> Format {
    Format::TABLE.iter().find(|(_, known)| *known == word).unwrap().0
}

async fn export(store: &Store, order: &Order, to: &Path) -> Result<Report, ExportError> {
    exports::run(store, order, (None, to, false), Clock::System.now(), &(Arc::new(|_| {}) as exports::Watch)).await
}

/// Exports and expects it to be there.
async fn exported(store: &Store, word: &str, layers: &[&str], to: PathBuf, how: impl FnOnce(&mut Order)) -> (PathBuf, Report) {
    let mut order = Order::new(format(word), layers);
    how(&mut order);
    let report = export(store, &order, &to).await.unwrap();
    let left: Vec<String> = std::fs::read_dir(to.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".part"))
        .collect();
    assert!(to.is_file() && left.is_empty(), "{left:?}");
    (to, report)
}

fn polygon(properties: &str, rings: &[&[[f64; 2]]]) -> String {
    let closed: Vec<Vec<[f64; 2]>> = rings.iter().map(|ring| [ring, &ring[..1]].concat()).collect();
    format!(
        r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{{"type":"Polygon","coordinates":{}}}}}"#,
        serde_json::to_string(&closed).unwrap()
    )
}

fn square(west: f64, south: f64, side: f64) -> [[f64; 2]; 4] {
    let at = |x: f64, y: f64| [((west + x * side) * 1e7).round() / 1e7, ((south + y * side) * 1e7).round() / 1e7];
    [at(0.0, 0.0), at(1.0, 0.0), at(1.0, 1.0), at(0.0, 1.0)]
}

/// A city with something of everything: two communities of two grids, one grid around a pond that is a void, counts, facilities with
/// properties of all kinds and without, staff, cases with a place, with a region and with neither.
async fn city(folder: &Path) -> Store {
    let profile = wangge::app::imports::profile_named("gbt47678").unwrap();
    let mut meta = Meta::new("测试市", profile);
    meta.attribution = vec!["某局".to_owned()];
    let store = Store::create(&folder.join("city.gpkg"), &meta).await.unwrap();
    let pond = square(122.002, 30.002, 0.001);
    let around: Vec<[f64; 2]> = square(122.0, 30.0, 0.005).to_vec();
    let hole: Vec<[f64; 2]> = pond.iter().rev().copied().collect();
    let grids = [
        polygon(r#""code":"330902002001001","name":"甲网格","households":120,"population":"301","id":"g1""#, &[&around, &hole]),
        polygon(
            r#""code":"330902002001002","name":"乙网格","kind":"dedicated","source_date":"2025-07-01""#,
            &[&square(122.005, 30.0, 0.005)],
        ),
        polygon(r#""code":"330902002002001","name":"丙 “网” 格,1""#, &[&square(122.01, 30.0, 0.005)]),
        polygon(r#""code":"330902002002002","name":"","households":7"#, &[&square(122.015, 30.0, 0.005)]),
        polygon(r#""name":"大塘","kind":"water","reason":"水面""#, &[&pond]),
    ];
    let grids = written("grids.geojson", collection(&grids));
    let mut how = order(Kind::Grids, &grids.path, "cgcs2000");
    how.system = Some("grid".to_owned());
    import(&store, how).await;
    let regions = written("regions.csv", "code,name\n330902002,环南街道\n330902002001,一社区\n");
    import(&store, order(Kind::Regions, &regions.path, "")).await;
    let facility = |properties: &str, lon: f64, lat: f64| {
        format!(r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{{"type":"Point","coordinates":[{lon},{lat}]}}}}"#)
    };
    let facilities = [
        facility(
            r#""id":"a","code":"33090201037000001","category":"01037","name":"一号灯","材质":"钢","count":3,"lit":true"#,
            122.001,
            30.001,
        ),
        facility(r#""id":"b","category":"01037","state":"damaged","height":4.25,"count":-1"#, 122.0125, 30.0025),
        facility(
            r#""id":"c","category":"01050","name":"a\"b, c\nd","accuracy":"A","parts":[1,{"x":null}],"long_name_of_it":"é𠮷""#,
            122.0035,
            30.0035,
        ),
        facility(r#""code":"007","category":"01050","name":"城外","lit":false,"source_date":"2024-02-29""#, 122.5, 30.5),
    ];
    let facilities = written("facilities.geojson", collection(&facilities));
    let mut how = order(Kind::Facilities, &facilities.path, "wgs84");
    how.system = Some("census".to_owned());
    import(&store, how).await;
    let staff = "id,name,role,assigned,phone,organization\n\
        001,王一,网格长,330902002001001,13800000000,街道\n002,李二,网格员,330902002002002,,\n003,张三,社区干部,330902002001,,\n";
    import(&store, order(Kind::Staff, &written("staff.csv", staff).path, "")).await;
    let cases = "id,category,state,reported_at,due_at,urgent,lon,lat,address,within,url,updated_at,text\n\
        A1,06010,handling,2026-03-01 08:00:00,2026-03-04 08:00:00,true,122.0125,30.0035,解放路,,http://x/1,2026-03-01 09:00:00,井盖坏了\n\
        A2,06012,reported,2026-03-02 08:00:00,,false,,,某处,330902002001,,,\n\
        A3,06012,filed,2026-03-02 08:00:01,,false,,,,,,,\n";
    let cases = written("cases.csv", cases);
    let mut how = order(Kind::Cases, &cases.path, "wgs84");
    how.system = Some("12345".to_owned());
    import(&store, how).await;
    store
}
