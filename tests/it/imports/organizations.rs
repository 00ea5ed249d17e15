//! Organizations: a name, a category, and a position or the grid or region they work for.

use super::{four_grids, import, order, run, written};
use wangge::app::imports::{Kind, Status};
use wangge::domain::fault::FaultKind;

const TABLE: &str = "编号,类别,名称,经度,纬度,所在区域,开放时间,联系人,电话
a,调解室,东街调解室,122.005,30.005,,周一至周五,张某,13800000000
b,party,第二网格党小组,,,330902002001002,,,
c,policepost,码头警务室,122.2,30.2,,全天,,
";

#[tokio::test]
async fn organizations_come_in_by_place_or_by_code_without_any_person() {
    let store = four_grids().await;
    let file = written("o.csv", TABLE);
    let report = import(&store, order(Kind::Organizations, &file.path, "cgcs2000")).await;
    assert_eq!((report.tally.new, report.tally.outside), (3, 1), "{}", report.text());
    let rows = store.organizations().await.unwrap();
    let said: Vec<_> = rows.iter().map(|row| (row.category.as_str(), row.at.is_some(), row.hours.as_deref())).collect();
    assert_eq!(said, [("mediation", true, Some("周一至周五")), ("party", false, None), ("policepost", true, Some("全天"))]);
    assert_eq!(rows[1].within.as_ref().map(|code| code.as_str()), Some("330902002001002"));
    let kept = serde_json::to_string(&rows).unwrap();
    assert!(!kept.contains("张某") && !kept.contains("138"), "columns about persons are not kept: {kept}");
    assert!(report.other_columns.iter().any(|column| column == "电话"), "{:?}", report.other_columns);

    let again = run(&store, order(Kind::Organizations, &file.path, "cgcs2000")).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 3), "{}", again.text());
    let moved = written("o.csv", TABLE.replace("122.005,30.005", "122.015,30.005"));
    let changed = import(&store, order(Kind::Organizations, &moved.path, "cgcs2000")).await;
    assert_eq!((changed.tally.changed, changed.tally.same), (1, 2));
    assert_eq!(store.organizations().await.unwrap()[0].version.0, 2);
}

#[tokio::test]
async fn what_is_wrong_with_an_organization_is_told_and_nothing_comes_in() {
    let store = four_grids().await;
    let table = "id,category,name,lon,lat,within\n1,mediation,A,,,\n2,mediation,B,,,999999\n3,mediation,,122.005,30.005,\n4,temple,D,122.005,30.005,\n";
    let file = written("o.csv", table);
    let report = run(&store, order(Kind::Organizations, &file.path, "cgcs2000")).await;
    assert_eq!((report.status, report.tally.refused), (Status::Refused, 4), "{}", report.text());
    let fields: Vec<_> = report.faults.iter().filter_map(|fault| fault.field.as_deref()).collect();
    assert!(fields.contains(&"within") && fields.contains(&"name"), "{fields:?}");
    assert!(report.faults.iter().any(|fault| fault.kind == FaultKind::UnknownCode));
    assert!(store.organizations().await.unwrap().is_empty());
}
