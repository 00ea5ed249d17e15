//! Standard addresses.

use super::{collection, four_grids, import, order, run, written};
use wangge::app::imports::{Kind, Status};
use wangge::domain::fault::FaultKind;
use wangge::domain::id::AddressId;

const TABLE: &str = "编号,标准地址,名称,经度,纬度,within,户主,身份证号\n\
    a1,舟山市定海区解放路1号,,122.005,30.005,,某甲,330902000000000000\n\
    a2,舟山市定海区解放路3号,便民中心,122.006,30.005,,某乙,330902000000000001\n\
    a3,舟山市定海区深巷2号,,,,330902002001,某丙,330902000000000002\n";

#[tokio::test]
async fn addresses_come_in_once_and_nobody_who_lives_there() {
    let store = four_grids().await;
    let file = written("addresses.csv", TABLE);
    let report = import(&store, order(Kind::Addresses, &file.path, "wgs84")).await;
    assert_eq!((report.tally.new, report.tally.outside), (3, 0), "{}", report.text());
    assert_eq!(report.other_columns, ["户主", "身份证号"]);
    assert!(report.text().contains("not stored") && report.text().contains("户主"), "{}", report.text());
    let rows = store.addresses_by_ids(&[AddressId(1), AddressId(2), AddressId(3)]).await.unwrap();
    assert!(!format!("{rows:?}").contains('某') && !format!("{rows:?}").contains("33090200000000000"), "{rows:?}");
    assert_eq!((rows[1].text.as_str(), rows[1].name.as_str()), ("舟山市定海区解放路3号", "便民中心"));
    assert_eq!((rows[2].at, rows[2].within.as_ref().map(|code| code.as_str())), (None, Some("330902002001")));

    let again = run(&store, order(Kind::Addresses, &file.path, "wgs84")).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 3), "{}", again.text());
    let moved = written("addresses.csv", TABLE.replace("122.006", "122.007").replace("便民中心", "服务中心"));
    let report = import(&store, order(Kind::Addresses, &moved.path, "wgs84")).await;
    assert_eq!((report.tally.changed, report.tally.same, report.tally.new), (1, 2, 0), "{}", report.text());
    assert_eq!(store.addresses_by_ids(&[AddressId(2)]).await.unwrap()[0].version.0, 2);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn parts_in_columns_of_their_own_and_geojson_make_the_same_addresses() {
    let store = four_grids().await;
    let table = "区县,路名,弄,门牌号,幢,单元,室号,lon,lat\n定海区,解放路,105,3,2,1,301,122.005,30.005\n定海区,解放路,,3之1,,,,122.006,30.005\n";
    let file = written("parts.csv", table);
    import(&store, order(Kind::Addresses, &file.path, "wgs84")).await;
    let feature = |text: &str, lon: f64| {
        format!(
            r#"{{"type":"Feature","properties":{{"address":"{text}"}},"geometry":{{"type":"Point","coordinates":[{lon},30.005]}}}}"#
        )
    };
    let features = [feature("定海区解放路105弄3号2幢1单元301室", 122.005), feature("定海区解放路3之1号", 122.006)];
    let json = written("addresses.geojson", collection(&features));
    let report = run(&store, order(Kind::Addresses, &json.path, "wgs84")).await;
    assert_eq!((report.status, report.tally.same), (Status::Unchanged, 2), "{}", report.text());
}

#[tokio::test]
async fn what_cannot_be_an_address_is_told_by_line_and_field() {
    let store = four_grids().await;
    let table = "address,lon,lat,within\n,122.005,30.005,\n12-3,122.005,30.005,\n解放路1号,,,\n解放路2号,,,330999\n解放路3号,30.005,122.005,\n";
    let file = written("addresses.csv", table);
    let report = run(&store, order(Kind::Addresses, &file.path, "wgs84")).await;
    assert_eq!(report.status, Status::Refused);
    let told: Vec<_> = report.faults.iter().map(|fault| (fault.kind, fault.record, fault.field.as_deref())).collect();
    assert_eq!(
        told[..4],
        [
            (FaultKind::BadField, Some(2), Some("address")),
            (FaultKind::BadField, Some(3), Some("address")),
            (FaultKind::BadField, Some(4), Some("within")),
            (FaultKind::UnknownCode, Some(5), Some("within")),
        ]
    );
    assert_eq!(told.len(), 5, "{}", report.text());
    let bare = run(&store, order(Kind::Addresses, &file.path, "")).await;
    assert!(bare.text().contains("no CRS"), "{}", bare.text());
}
