//! Staff and counts.

use super::{four_grids, import, order, run, written};
use wangge::app::imports::{Kind, Status};
use wangge::domain::fault::FaultKind;

#[tokio::test]
async fn staff_come_in_by_their_id_with_roles_in_either_language() {
    let store = four_grids().await;
    let table = "工号,姓名,角色,责任网格,联系电话\n001,王一,网格长,330902002001001,138\n002,李二,grid_officer,330902002001,139\n";
    let file = written("staff.csv", table);
    let report = import(&store, order(Kind::Staff, &file.path, "")).await;
    assert_eq!(report.tally.new, 2, "{}", report.text());
    let staff = store.staff().await.unwrap();
    assert_eq!((staff[0].id.as_str(), staff[0].name.as_str(), staff[0].role.as_str()), ("001", "王一", "grid_leader"));
    let again = run(&store, order(Kind::Staff, &file.path, "")).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 2));
    let moved = written("moved.csv", table.replace("330902002001001,138", "330902002001002,138"));
    assert_eq!(import(&store, order(Kind::Staff, &moved.path, "")).await.tally.changed, 1);
}

#[tokio::test]
async fn staff_of_a_grid_that_does_not_exist_are_refused_by_line_and_field() {
    let store = four_grids().await;
    let table = "id,name,role,assigned\n1,王一,网格长,330902002001009\n2,李二,king,330902002001001\n3,,网格员,330902002001001\n";
    let file = written("staff.csv", table);
    let report = run(&store, order(Kind::Staff, &file.path, "")).await;
    assert_eq!(report.status, Status::Refused);
    let told: Vec<_> = report.faults.iter().map(|fault| (fault.kind, fault.record, fault.field.as_deref())).collect();
    assert_eq!(
        told,
        [
            (FaultKind::UnknownCode, Some(2), Some("assigned")),
            (FaultKind::BadField, Some(3), Some("role")),
            (FaultKind::BadField, Some(4), Some("name")),
        ]
    );
}

#[tokio::test]
async fn counts_are_kept_per_grid_and_survive_a_new_drawing() {
    let store = four_grids().await;
    let file = written("counts.csv", "code,households,population\n330902002001001,150,420\n330902002001002,140,\n");
    let report = import(&store, order(Kind::Households, &file.path, "")).await;
    assert_eq!(report.tally.new, 2, "{}", report.text());
    let again = run(&store, order(Kind::Households, &file.path, "")).await;
    assert_eq!((again.status, again.tally.same), (Status::Unchanged, 2));
    let epoch = store.epochs().await.unwrap().last().unwrap().epoch;
    let set = store.boundaries_at(epoch).await.unwrap().unwrap();
    assert_eq!((set.grids[0].households, set.grids[0].population, set.grids[1].population), (Some(150), Some(420), None));
    // The grids are imported again under new names; the counts were not in that file and stay.
    let renamed = written("grids.geojson", super::row_of_grids("330902002001", 4, 122.0, 30.0, 0.01).replace('第', "新"));
    import(&store, order(Kind::Grids, &renamed.path, "cgcs2000")).await;
    let set = store.boundaries_at(store.epochs().await.unwrap().last().unwrap().epoch).await.unwrap().unwrap();
    assert_eq!(set.grids[0].households, Some(150));
    let wrong = written("wrong.csv", "code,households\n330902002001001,-3\n330902002001777,3\n");
    let report = run(&store, order(Kind::Households, &wrong.path, "")).await;
    assert_eq!(report.faults.iter().map(|fault| fault.record).collect::<Vec<_>>(), [Some(2), Some(3)]);
}
