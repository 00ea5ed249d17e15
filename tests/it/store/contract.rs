//! What every store promises. Each function is run over every implementation.

use super::Bed;
pub(super) use super::callers::*;
use super::world::*;
use std::collections::{BTreeSet, HashMap};
use wangge::domain::address::AddressRecord;
use wangge::domain::building::BuildingRecord;
use wangge::domain::case::{CaseRecord, CaseState};
use wangge::domain::facility::FacilityRecord;
use wangge::domain::id::{
    AddressId, BuildingId, CaseId, Epoch, FacilityId, GridSet, ImportId, OrganizationId, Revision, Version,
};
use wangge::domain::organization::OrganizationRecord;
use wangge::domain::period::Period;
use wangge::domain::records::{BoundarySet, HouseholdCount};
use wangge::domain::scheme::Scheme;
use wangge::store::*;

pub(super) async fn a_new_store_is_empty_and_says_what_it_was_told(bed: Bed) {
    let snapshot = bed.store.snapshot(now()).await.unwrap();
    assert_eq!(snapshot.meta, meta());
    assert_eq!((snapshot.revision, snapshot.epoch, snapshot.boundaries), (Revision(0), None, None));
    assert!(snapshot.facilities.is_empty() && snapshot.staff.is_empty() && snapshot.cases.is_empty());
    assert!(bed.store.epochs().await.unwrap().is_empty());
    assert_eq!(bed.store.boundaries_at(Epoch(1)).await.unwrap(), None);
    assert!(bed.store.log_since(Revision(0), 10).await.unwrap().is_empty());
    assert_eq!(bed.store.import_report(ImportId(1)).await.unwrap(), None);
    bed.sound().await;
}

pub(super) async fn the_citys_own_data_changes_but_keeps_the_categories_in_use(bed: Bed) {
    bed.store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    let renamed = Meta { title: "新名".into(), ..meta() };
    let committed = bed.store.meta_set(renamed.clone(), "admin", now()).await.unwrap();
    assert_eq!(committed.revision, Revision(2));
    assert_eq!(bed.store.meta().await.unwrap(), renamed);
    assert_eq!(bed.store.meta_set(renamed.clone(), "admin", now()).await.unwrap().revision, Revision(2), "the same again");
    let mut poor = renamed.clone();
    poor.profile.categories.retain(|category| category.code != "01001");
    poor.profile = wangge::domain::category::CodeProfile::new("poor".into(), poor.profile.categories);
    let refused = bed.store.meta_set(poor, "admin", now()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(bed.store.meta().await.unwrap(), renamed);
    bed.sound().await;
}

/// A city called `city n` with `n` components of its own, 05901 and so on.
fn settings(n: u32) -> Meta {
    let mut categories = meta().profile.categories;
    let known = categories.iter().find(|category| category.code == "01001").unwrap().clone();
    categories.extend((1..=n).map(|n| wangge::domain::category::Category { code: format!("059{n:02}"), ..known.clone() }));
    let profile = wangge::domain::category::CodeProfile::new(format!("profile {n}"), categories);
    Meta { title: format!("city {n}"), profile, ..meta() }
}

pub(super) async fn settings_come_with_the_commit_that_needs_them_or_not_at_all(bed: Bed) {
    let store = &bed.store;
    let with = |n| CommitHead { settings: Some(settings(n).into()), ..head() };
    let own = |n: u32, row| FacilityRecord { category: format!("059{n:02}"), ..row };
    let now_is = async |n: u32, revision| {
        assert_eq!(store.meta().await.unwrap(), if n == 0 { meta() } else { settings(n) });
        assert_eq!(store.revision().await.unwrap(), Revision(revision), "settings {n} and rows take one revision");
    };
    let stale = CommitHead { epoch: Some(Epoch(9)), ..with(1) };
    let refused = store.facilities_commit(FacilityCommit { head: stale, ..facilities(vec![own(1, facility(1))]) }).await;
    assert!(matches!(refused, Err(StoreError::Stale { .. })), "{refused:?}");
    now_is(0, 0).await;
    store.facilities_commit(FacilityCommit { head: with(1), ..facilities(vec![own(1, facility(1))]) }).await.unwrap();
    now_is(1, 1).await;
    assert_eq!(store.log_since(Revision(0), 9).await.unwrap()[0].summary["settings"], true);

    let many = || (2..3000).map(|n| own(2, facility(n))).collect::<Vec<_>>();
    let mut load = store.facilities_load(with(2)).await.unwrap();
    load.push(many()).await.unwrap();
    drop(load);
    now_is(1, 1).await;
    let mut load = store.facilities_load(with(2)).await.unwrap();
    load.push(many()).await.unwrap();
    load.finish(import("facilities")).await.unwrap();
    now_is(2, 2).await;

    store
        .boundaries_commit(BoundaryCommit { settings: Some(settings(3).into()), ..publication(0, boundaries(1..4)) })
        .await
        .unwrap();
    now_is(3, 3).await;
    let same = BoundaryCommit { settings: Some(settings(4).into()), ..publication(1, boundaries(1..4)) };
    assert_eq!(store.boundaries_commit(same).await.unwrap().epoch, Epoch(1), "settings alone publish nothing");
    now_is(4, 4).await;
    store.cases_commit(CaseCommit { head: with(5), ..cases(vec![case(1)]) }).await.unwrap();
    now_is(5, 5).await;
    let counts = vec![HouseholdCount { grid: grid(1).code, households: Some(7), population: None }];
    store.households_commit(HouseholdCommit { head: with(6), counts, import: None }).await.unwrap();
    now_is(6, 6).await;
    let officers = |head| StaffCommit { head, ..staff_commit(vec![staff("a")]) };
    let lost = store.staff_commit(officers(with(1))).await;
    assert!(matches!(lost, Err(StoreError::Invalid(_))), "facilities have 05902: {lost:?}");
    assert!(store.staff().await.unwrap().is_empty());
    now_is(6, 6).await;
    store.staff_commit(officers(with(7))).await.unwrap();
    now_is(7, 7).await;
    store.staff_commit(officers(with(7))).await.unwrap();
    now_is(7, 7).await;
    bed.sound().await;
}

pub(super) async fn a_publication_comes_back_as_it_was_given(bed: Bed) {
    let given = boundaries(1..4);
    let committed = bed.store.boundaries_commit(publication(0, given.clone())).await.unwrap();
    assert_eq!((committed.epoch, committed.revision), (Epoch(1), Revision(1)));
    assert_eq!((committed.new, committed.changed, committed.same, committed.removed), (6, 0, 0, 0));
    assert_eq!(bed.store.boundaries_at(Epoch(1)).await.unwrap(), Some(given.clone()));
    let bed = bed.reopened().await;
    let snapshot = bed.store.snapshot(now()).await.unwrap();
    assert_eq!(snapshot.boundaries, Some(given));
    assert_eq!(snapshot.epoch.unwrap().base, Some(Epoch(0)));
    bed.sound().await;
}

pub(super) async fn of_two_publications_from_one_base_one_is_stale(bed: Bed) {
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let (a, b) = tokio::join!(
        bed.store.boundaries_commit(publication(1, boundaries(1..5))),
        bed.store.boundaries_commit(publication(1, boundaries(1..6)))
    );
    let (won, lost) = match a {
        Ok(won) => (won, b),
        Err(_) => (b.unwrap(), a),
    };
    assert_eq!(won.epoch, Epoch(2));
    assert!(matches!(lost, Err(StoreError::Stale { base: Epoch(1), current: Epoch(2) })), "{lost:?}");
    assert_eq!(bed.store.epochs().await.unwrap().len(), 2);
    bed.sound().await;
}

pub(super) async fn every_epoch_can_be_asked_for_and_their_periods_touch(bed: Bed) {
    let (first, second) = (time("2026-01-01T00:00:00Z"), time("2026-06-01T00:00:00Z"));
    let one = boundaries(1..4);
    let mut two = boundaries(2..6);
    two.period.from = Some(first);
    two.grids[0].name = "renamed".into();
    two.regions.push(region("330903", "county"));
    two.voids.clear();
    let mut three = boundaries(1..4);
    three.period.from = Some(second);
    for (base, set) in [(0, &one), (1, &two), (2, &three)] {
        let committed = bed.store.boundaries_commit(publication(base, set.clone())).await.unwrap();
        assert_eq!(committed.epoch, Epoch(base + 1));
    }
    let until = |set: &BoundarySet, until| BoundarySet { period: Period { until, ..set.period }, ..set.clone() };
    let wanted = [until(&one, Some(first)), until(&two, Some(second)), until(&three, None)];
    for (at, set) in wanted.iter().enumerate() {
        assert_eq!(bed.store.boundaries_at(Epoch(at as u64 + 1)).await.unwrap().as_ref(), Some(set), "epoch {}", at + 1);
    }
    for (at, epoch) in [("2025-12-31T23:59:59Z", 1), ("2026-01-01T00:00:00Z", 2), ("2026-06-01T00:00:00Z", 3)] {
        let snapshot = bed.store.snapshot(time(at)).await.unwrap();
        assert_eq!(snapshot.epoch.map(|epoch| epoch.epoch), Some(Epoch(epoch)), "{at}");
        assert_eq!(snapshot.boundaries.as_ref(), Some(&wanted[epoch as usize - 1]), "{at}");
    }
    bed.sound().await;
}

pub(super) async fn a_set_beside_the_chain_leaves_the_chain_alone(bed: Bed) {
    let (began, cut) = (time("2008-01-01T00:00:00Z"), time("2011-01-01T00:00:00Z"));
    let mut chain = boundaries(1..4);
    chain.period.from = Some(cut);
    bed.store.boundaries_commit(publication(0, chain.clone())).await.unwrap();
    let mut old = boundaries(10..14);
    old.period = Period { from: Some(began), until: Some(cut) };
    let beside = |set: &BoundarySet| BoundaryCommit { chain: Chain::Beside, ..publication(0, set.clone()) };
    let committed = bed.store.boundaries_commit(beside(&old)).await.unwrap();
    assert_eq!((committed.epoch, committed.revision), (Epoch(2), Revision(2)));
    let next = boundaries(1..5);
    let committed = bed.store.boundaries_commit(publication(1, next.clone())).await.unwrap();
    assert_eq!(committed.epoch, Epoch(3));
    let epochs = bed.store.epochs().await.unwrap();
    assert_eq!(epochs.iter().map(|epoch| epoch.base).collect::<Vec<_>>(), [Some(Epoch(0)), None, Some(Epoch(1))]);
    assert_eq!(epochs[0].period, Period { from: Some(cut), until: Some(now()) });
    let set = GridSet::default();
    let asked = |at: &str| epoch_at(&epochs, &set, time(at)).map(|epoch| epoch.epoch.0);
    assert_eq!(asked("2007-12-31T00:00:00Z"), None);
    assert_eq!(asked("2010-12-31T00:00:00Z"), Some(2));
    assert_eq!(asked("2011-01-01T00:00:00Z"), Some(1));
    assert_eq!(asked("2026-11-22T08:00:00Z"), Some(3));
    assert_eq!(bed.store.boundaries_at(Epoch(2)).await.unwrap(), Some(old.clone()));
    assert_eq!(bed.store.snapshot(now()).await.unwrap().boundaries.unwrap().grids, next.grids);
    let again = bed.store.boundaries_commit(beside(&old)).await.unwrap();
    assert_eq!((again.epoch, again.revision, again.same), (Epoch(2), Revision(3), 7), "the same set beside the chain again");
    let moving = BoundaryCommit { facility_grids: vec![(FacilityId(1), None)], ..beside(&boundaries(1..2)) };
    assert!(matches!(bed.store.boundaries_commit(moving).await, Err(StoreError::Invalid(_))));
    bed.sound().await;
}

pub(super) async fn each_grid_set_has_a_chain_of_its_own(bed: Bed) {
    let police = |grids| BoundarySet { set: GridSet::new("police").unwrap(), scheme: Scheme::plain(), ..boundaries(grids) };
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let committed = bed.store.boundaries_commit(publication(0, police(1..3))).await.unwrap();
    assert_eq!((committed.epoch, committed.revision, committed.new), (Epoch(2), Revision(2), 5));
    let stale = bed.store.boundaries_commit(publication(1, police(1..4))).await;
    assert!(matches!(stale, Err(StoreError::Stale { base: Epoch(1), current: Epoch(2) })), "{stale:?}");
    bed.store.boundaries_commit(publication(2, police(1..4))).await.unwrap();
    let epochs = bed.store.epochs().await.unwrap();
    assert_eq!(epochs.iter().map(|epoch| epoch.period.until).collect::<Vec<_>>(), [None, Some(now()), None]);
    let snapshot = bed.store.snapshot(now()).await.unwrap();
    assert_eq!(snapshot.epoch.map(|epoch| epoch.epoch), Some(Epoch(1)));
    assert_eq!(snapshot.boundaries.unwrap().grids, boundaries(1..4).grids);
    let [(record, in_force)] = &snapshot.others[..] else { panic!("one other set: {:?}", snapshot.others) };
    assert_eq!((record.epoch, &in_force.scheme), (Epoch(3), &Scheme::plain()));
    assert_eq!((&in_force.grids, &in_force.set), (&boundaries(1..4).grids, &record.set));
    let earlier = bed.store.snapshot(time("2026-11-22T00:00:00Z")).await.unwrap();
    assert_eq!(earlier.others.iter().map(|(record, _)| record.epoch).collect::<Vec<_>>(), [Epoch(2)]);
    bed.sound().await;
}

pub(super) async fn organizations_come_back_whole_and_count_their_versions(bed: Bed) {
    let commit = |rows: Vec<OrganizationRecord>| RowCommit { head: head(), rows, removed: vec![], import: None };
    let first = RowCommit { import: Some(import("organizations")), ..commit((1..5).map(organization).collect()) };
    let committed = bed.store.organizations_commit(first).await.unwrap();
    assert_eq!((committed.ids.as_slice(), committed.new, committed.revision), ([1, 2, 3, 4].as_slice(), 4, Revision(1)));
    let bed = bed.reopened().await;
    let mut wanted: Vec<OrganizationRecord> = (1..5).map(organization).collect();
    for (row, id) in wanted.iter_mut().zip(1..) {
        (row.id, row.version, row.provenance.import_id) = (OrganizationId(id), Version(1), committed.import);
    }
    assert_eq!(bed.store.organizations().await.unwrap(), wanted);
    assert_eq!(bed.store.snapshot(now()).await.unwrap().organizations, wanted);
    // One loses its place, one says the same, one goes, one comes.
    (wanted[1].at, wanted[1].original, wanted[1].name) = (None, None, "搬走".into());
    let rows = vec![wanted[1].clone(), wanted[2].clone(), organization(9)];
    let change = RowCommit { removed: vec![4], ..commit(rows) };
    let committed = bed.store.organizations_commit(change.clone()).await.unwrap();
    assert_eq!((committed.new, committed.changed, committed.same, committed.removed), (1, 1, 1, 1));
    let ids: Vec<_> =
        bed.store.organizations().await.unwrap().iter().map(|row| (row.id.0, row.version.0, row.at.is_some())).collect();
    assert_eq!(ids, [(1, 1, false), (2, 2, false), (3, 1, false), (5, 1, false)]);
    let stale = bed.store.organizations_commit(commit(vec![wanted[1].clone()])).await;
    assert!(matches!(stale, Err(StoreError::Changed { current: Version(2), .. })), "{stale:?}");
    assert_eq!(bed.store.log_since(Revision(0), 9).await.unwrap().last().unwrap().kind, LogKind::Organizations);
    bed.sound().await;
}

pub(super) async fn buildings_come_back_whole_and_count_their_versions(bed: Bed) {
    let commit = |rows: Vec<BuildingRecord>| RowCommit { head: head(), rows, removed: vec![], import: None };
    let first = RowCommit { import: Some(import("buildings")), ..commit((1..8).map(building).collect()) };
    let committed = bed.store.buildings_commit(first).await.unwrap();
    assert_eq!((committed.new, committed.revision), (7, Revision(1)));
    let bed = bed.reopened().await;
    let mut wanted: Vec<BuildingRecord> = (1..8).map(building).collect();
    for (row, id) in wanted.iter_mut().zip(1..) {
        (row.id, row.version, row.provenance.import_id) = (BuildingId(id), Version(1), committed.import);
    }
    assert_eq!(bed.store.buildings().await.unwrap(), wanted);
    assert_eq!(bed.store.snapshot(now()).await.unwrap().buildings, wanted);
    // A footprint becomes a point, a point becomes a footprint, one loses its place, one says the same, one goes.
    let (footprint, point) = (wanted[2].site.clone(), wanted[0].site.clone());
    (wanted[2].site, wanted[0].site, wanted[0].original) = (point, footprint, None);
    (wanted[3].site, wanted[3].original, wanted[3].within) = (None, None, Some(code("330902")));
    let rows = [2, 0, 3, 4].map(|at: usize| wanted[at].clone()).to_vec();
    let committed = bed.store.buildings_commit(RowCommit { removed: vec![6], ..commit(rows) }).await.unwrap();
    assert_eq!((committed.changed, committed.same, committed.removed), (3, 1, 1));
    let stored = bed.store.buildings().await.unwrap();
    assert_eq!(
        stored.iter().map(|row| (row.id.0, row.version.0)).collect::<Vec<_>>(),
        [(1, 2), (2, 1), (3, 2), (4, 2), (5, 1), (7, 1)]
    );
    assert_eq!((&stored[0].site, &stored[2].site, &stored[3].site), (&wanted[0].site, &wanted[2].site, &None));
    let stale = bed.store.buildings_commit(commit(vec![wanted[0].clone()])).await;
    assert!(matches!(stale, Err(StoreError::Changed { current: Version(2), .. })), "{stale:?}");
    assert_eq!(bed.store.log_since(Revision(0), 9).await.unwrap().last().unwrap().kind, LogKind::Buildings);
    bed.sound().await;
}

pub(super) async fn the_same_boundaries_again_publish_nothing(bed: Bed) {
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let again = BoundaryCommit { import: Some(import("grids")), ..publication(1, boundaries(1..4)) };
    let committed = bed.store.boundaries_commit(again).await.unwrap();
    assert_eq!((committed.epoch, committed.revision), (Epoch(1), Revision(1)));
    assert_eq!((committed.new, committed.changed, committed.same, committed.removed), (0, 0, 6, 0));
    assert_eq!(bed.store.epochs().await.unwrap()[0].period, Period::ALWAYS);
    assert_eq!(bed.store.imports().await.unwrap().len(), 1, "that it was tried is kept");
    bed.sound().await;
}

pub(super) async fn rows_that_stay_keep_the_import_that_wrote_them(bed: Bed) {
    let imported = |base, set| BoundaryCommit { import: Some(import("grids")), ..publication(base, set) };
    let first = bed.store.boundaries_commit(imported(0, boundaries(1..4))).await.unwrap().import;
    let mut changed = boundaries(1..5);
    changed.grids[1].name = "renamed".into();
    let second = bed.store.boundaries_commit(imported(1, changed)).await.unwrap().import;
    assert_ne!(first, second);
    let stored = bed.store.boundaries_at(Epoch(2)).await.unwrap().unwrap();
    let imports: Vec<_> = stored.grids.iter().map(|grid| grid.provenance.import_id).collect();
    assert_eq!(imports, [first, second, first, second]);
    assert!(stored.regions.iter().all(|region| region.provenance.import_id == first));
    let before = bed.store.boundaries_at(Epoch(1)).await.unwrap().unwrap();
    assert!(before.grids.iter().all(|grid| grid.provenance.import_id == first));
    assert_eq!(before.grids.len(), 3);
    bed.sound().await;
}

pub(super) async fn a_publication_of_thousands_of_grids_is_like_one_of_three(bed: Bed) {
    let one = boundaries(1..4001);
    bed.store.boundaries_commit(publication(0, one.clone())).await.unwrap();
    bed.store.facilities_commit(facilities((0..3000).map(facility).collect())).await.unwrap();
    let mut two = boundaries(1..4001);
    for grid in two.grids.iter_mut().step_by(2) {
        grid.population = Some(7);
    }
    two.grids.truncate(3900);
    let moves = (1..=2500).map(|id| (FacilityId(id), Some(code("330902002000001")))).collect();
    let committed =
        bed.store.boundaries_commit(BoundaryCommit { facility_grids: moves, ..publication(1, two.clone()) }).await.unwrap();
    assert_eq!((committed.changed, committed.same, committed.removed, committed.moved), (1950, 1953, 100, 2500));
    let stored = bed.store.boundaries_at(Epoch(1)).await.unwrap().unwrap();
    assert_eq!(stored, BoundarySet { period: Period { from: None, until: Some(now()) }, ..one });
    let stored = bed.store.boundaries_at(Epoch(2)).await.unwrap().unwrap();
    assert_eq!(stored, BoundarySet { period: Period { from: Some(now()), until: None }, ..two });
    let rows = bed.store.snapshot(now()).await.unwrap().facilities;
    assert_eq!(rows.iter().filter(|row| row.version == Version(2) && row.grid.is_some()).count(), 2500);
    assert_eq!(rows.iter().filter(|row| row.version == Version(1) && row.grid.is_none()).count(), 500);
    bed.sound().await;
}

pub(super) async fn boundaries_out_of_order_or_in_an_empty_period_are_refused(bed: Bed) {
    let mut reversed = boundaries(1..4);
    reversed.grids.reverse();
    let mut twice = boundaries(1..4);
    twice.grids[1] = twice.grids[0].clone();
    let mut empty = boundaries(1..4);
    empty.period = Period { from: Some(now()), until: Some(now()) };
    for bad in [reversed, twice, empty] {
        let refused = bed.store.boundaries_commit(publication(0, bad)).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    }
    let mut late = boundaries(1..4);
    late.period.from = Some(now());
    bed.store.boundaries_commit(publication(0, late)).await.unwrap();
    let mut early = boundaries(1..5);
    early.period.from = Some(time("2020-01-01T00:00:00Z"));
    let refused = bed.store.boundaries_commit(publication(1, early)).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(bed.store.revision().await.unwrap(), Revision(1));
    bed.sound().await;
}

pub(super) async fn a_publication_moves_facilities_and_cases(bed: Bed) {
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    bed.store.facilities_commit(facilities(vec![full_facility(), facility(1), facility(2)])).await.unwrap();
    bed.store.cases_commit(cases(vec![full_case(), case(2)])).await.unwrap();
    let there = Some(code("330902002000003"));
    let commit = BoundaryCommit {
        facility_grids: vec![
            (FacilityId(1), Some(code("330902002000001"))),
            (FacilityId(2), there.clone()),
            (FacilityId(77), None),
        ],
        case_grids: vec![(CaseId(1), None), (CaseId(2), None)],
        ..publication(1, boundaries(1..5))
    };
    let committed = bed.store.boundaries_commit(commit.clone()).await.unwrap();
    assert_eq!(committed.moved, 2, "one facility and one case are in another grid than before");
    let rows = bed.store.facilities_by_ids(&[FacilityId(1), FacilityId(2), FacilityId(3)]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.version.0).collect::<Vec<_>>(), [1, 2, 1]);
    assert_eq!(rows[1].grid, there);
    let rows = bed.store.cases_by_ids(&[CaseId(1), CaseId(2)]).await.unwrap();
    assert_eq!((rows[0].version, &rows[0].grid, rows[1].version), (Version(2), &None, Version(1)));
    let again = BoundaryCommit { base: Epoch(2), ..commit };
    assert_eq!(bed.store.boundaries_commit(again).await.unwrap().revision, committed.revision, "the same again changes nothing");
    bed.sound().await;
}

pub(super) async fn facilities_get_ids_and_count_their_versions(bed: Bed) {
    let committed = bed.store.facilities_commit(facilities((1..4).map(facility).collect())).await.unwrap();
    assert_eq!((committed.ids.as_slice(), committed.new), ([1, 2, 3].as_slice(), 3));
    let mut rows = bed.store.facilities_by_ids(&[FacilityId(3), FacilityId(1), FacilityId(3), FacilityId(9)]).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.id.0, row.version.0)).collect::<Vec<_>>(), [(1, 1), (3, 1)]);
    rows[0].name = "renamed".into();
    let removed = vec![FacilityId(2), FacilityId(55)];
    let commit = FacilityCommit { rows: [rows.clone(), vec![facility(4)]].concat(), removed, ..facilities(vec![]) };
    let committed = bed.store.facilities_commit(commit).await.unwrap();
    assert_eq!((committed.new, committed.changed, committed.same, committed.removed), (1, 1, 1, 1));
    assert_eq!(committed.ids, [1, 3, 4]);
    let snapshot = bed.store.snapshot(now()).await.unwrap();
    let versions: Vec<_> = snapshot.facilities.iter().map(|row| (row.id.0, row.version.0, &*row.name)).collect();
    assert_eq!(versions, [(1, 2, "renamed"), (3, 1, "井盖 3"), (4, 1, "井盖 4")]);
    assert_eq!(
        snapshot.facilities[0].category,
        profile().position(wangge::domain::category::CategoryKind::Component, "01001").unwrap()
    );
    let nothing =
        bed.store.facilities_commit(facilities(bed.store.facilities_by_ids(&[FacilityId(4)]).await.unwrap())).await.unwrap();
    assert_eq!((nothing.revision, nothing.same), (committed.revision, 1), "the same again takes no revision");
    bed.sound().await;
}

pub(super) async fn every_field_of_every_record_comes_back(bed: Bed) {
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let commit = FacilityCommit { import: Some(import("facilities")), ..facilities(vec![full_facility()]) };
    let id = bed.store.facilities_commit(commit).await.unwrap().import;
    bed.store.cases_commit(cases(vec![full_case(), case(2)])).await.unwrap();
    bed.store.staff_commit(staff_commit(vec![staff("s-1")])).await.unwrap();
    let nowhere = AddressRecord { at: None, within: Some(code("330902")), ..address(2) };
    bed.store.addresses_commit(addresses(vec![full_address(), nowhere.clone()])).await.unwrap();
    let bed = bed.reopened().await;
    let mut wanted = FacilityRecord { id: FacilityId(1), version: Version(1), ..full_facility() };
    wanted.provenance.import_id = id;
    assert_eq!(bed.store.facilities_by_ids(&[FacilityId(1)]).await.unwrap(), [wanted.clone()]);
    let stored = bed.store.addresses_by_ids(&[AddressId(2), AddressId(1), AddressId(9)]).await.unwrap();
    let as_stored = |id, row: AddressRecord| AddressRecord { id: AddressId(id), version: Version(1), ..row };
    assert_eq!(stored, [as_stored(1, full_address()), as_stored(2, nowhere)]);
    let rows = bed.store.addresses().await.unwrap();
    assert_eq!(
        (rows[0].id, rows[0].at, &*rows[0].text, &*rows[0].name),
        (AddressId(1), full_address().at, "解放路7号", &*full_address().name)
    );
    assert_eq!((rows[1].at, rows[1].within.as_ref()), (None, Some(&code("330902"))));
    let keys = bed.store.address_keys().await.unwrap();
    assert_eq!((keys[0].external.len(), keys[0].source_hash, keys[1].external.len()), (2, Some(u64::MAX), 0));
    let mut cases = vec![full_case(), case(2)];
    for (at, case) in cases.iter_mut().enumerate() {
        (case.id, case.version) = (CaseId(at as i64 + 1), Version(1));
    }
    let snapshot = bed.store.snapshot(now()).await.unwrap();
    assert_eq!(snapshot.cases, cases);
    assert_eq!(snapshot.addresses, rows);
    assert_eq!(snapshot.staff, [staff("s-1")]);
    let row = &snapshot.facilities[0];
    assert_eq!(
        (row.at, row.grid.as_ref(), row.state, &*row.name),
        (wanted.at, wanted.grid.as_ref(), wanted.state, &*wanted.name)
    );
    assert_eq!(row.code.as_deref(), wanted.code.as_deref());
    let keys = bed.store.facility_keys().await.unwrap();
    assert_eq!((keys[0].id, keys[0].version, keys[0].source_hash), (FacilityId(1), Version(1), Some(u64::MAX)));
    let mut names = vec![external_key("a", "1"), external_key("b\"", "二")];
    names.sort_unstable();
    assert_eq!((&*keys[0].external, keys[0].code.as_deref()), (names.as_slice(), wanted.code.as_deref()));
    let key = &bed.store.case_keys().await.unwrap()[0];
    assert_eq!((key.external_id.as_deref(), key.source_updated_at), (Some("x-1"), full_case().source_updated_at));
    bed.sound().await;
}

pub(super) async fn what_changed_meanwhile_is_refused_or_skipped(bed: Bed) {
    bed.store.facilities_commit(facilities((1..4).map(facility).collect())).await.unwrap();
    let all = [FacilityId(1), FacilityId(2), FacilityId(3)];
    let read = bed.store.facilities_by_ids(&all).await.unwrap();
    let renamed = |name: &str| -> Vec<FacilityRecord> {
        read.iter().cloned().map(|row| FacilityRecord { name: name.into(), ..row }).collect()
    };
    bed.store.facilities_commit(facilities(renamed("first")[..1].to_vec())).await.unwrap();
    let gone = FacilityCommit { removed: vec![FacilityId(2)], ..facilities(vec![]) };
    let before = bed.store.facilities_commit(gone).await.unwrap();
    let refused = bed.store.facilities_commit(facilities(renamed("second"))).await;
    assert!(matches!(refused, Err(StoreError::Changed { base: Version(1), current: Version(2), .. })), "{refused:?}");
    assert_eq!(bed.store.revision().await.unwrap(), before.revision);
    let skipping = FacilityCommit { head: CommitHead { on_stale: OnStale::Skip, ..head() }, ..facilities(renamed("third")) };
    let committed = bed.store.facilities_commit(skipping).await.unwrap();
    assert_eq!((committed.stale.as_slice(), committed.changed), ([1, 2].as_slice(), 1));
    assert_eq!(committed.ids, [1, 2, 3]);
    let names: Vec<String> = bed.store.facilities_by_ids(&all).await.unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["first", "third"]);
    let blind = FacilityRecord { version: Version(0), name: "fourth".into(), ..read[0].clone() };
    let committed = bed.store.facilities_commit(facilities(vec![blind])).await.unwrap();
    assert_eq!(committed.changed, 1, "version 0 replaces whatever is there");
    assert_eq!(bed.store.facilities_by_ids(&all).await.unwrap()[0].version, Version(3));
    bed.sound().await;
}

pub(super) async fn a_refused_commit_leaves_nothing_behind(bed: Bed) {
    let unknown = FacilityRecord { category: "99999".into(), ..facility(2) };
    let known = |rows: Vec<FacilityRecord>| FacilityCommit { import: Some(import("facilities")), ..facilities(rows) };
    let twice = FacilityRecord { id: FacilityId(1), ..facility(3) };
    for rows in [vec![facility(1), unknown], vec![twice.clone(), twice]] {
        let refused = bed.store.facilities_commit(known(rows)).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    }
    let refused = bed.store.staff_commit(staff_commit(vec![staff("a"), staff("a")])).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    let snapshot = bed.store.snapshot(now()).await.unwrap();
    assert!(snapshot.facilities.is_empty() && snapshot.staff.is_empty());
    assert_eq!(snapshot.revision, Revision(0));
    assert!(bed.store.imports().await.unwrap().is_empty());
    assert_eq!(bed.store.facilities_commit(facilities(vec![facility(1)])).await.unwrap().revision, Revision(1));
    bed.sound().await;
}

pub(super) async fn rows_located_in_another_epoch_are_refused(bed: Bed) {
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let at = |epoch| CommitHead { epoch: Some(Epoch(epoch)), ..head() };
    let refused = bed.store.facilities_commit(FacilityCommit { head: at(0), ..facilities(vec![facility(1)]) }).await;
    assert!(matches!(refused, Err(StoreError::Stale { base: Epoch(0), current: Epoch(1) })), "{refused:?}");
    let committed = bed.store.facilities_commit(FacilityCommit { head: at(1), ..facilities(vec![facility(1)]) }).await.unwrap();
    assert_eq!((committed.epoch, committed.revision), (Epoch(1), Revision(2)));
    let mut load = bed.store.facilities_load(at(1)).await.unwrap();
    load.push((10..3000).map(facility).collect()).await.unwrap();
    drop(load);
    let mut load = bed.store.facilities_load(at(9)).await.unwrap();
    load.push((10..3000).map(facility).collect()).await.unwrap();
    assert!(matches!(load.finish(import("facilities")).await, Err(StoreError::Stale { .. })));
    assert_eq!(bed.store.snapshot(now()).await.unwrap().facilities.len(), 1);
    bed.sound().await;
}

pub(super) async fn a_load_of_thousands_is_like_a_commit_of_three(bed: Bed) {
    let mut load = bed.store.facilities_load(head()).await.unwrap();
    for some in (0..5000).map(facility).collect::<Vec<_>>().chunks(700) {
        load.push(some.to_vec()).await.unwrap();
    }
    let first = load.finish(import("facilities")).await.unwrap();
    assert_eq!((first.new, first.revision, first.ids.len()), (5000, Revision(1), 5000));
    assert_eq!(first.ids, (1..=5000).collect::<Vec<_>>());

    let ids: Vec<FacilityId> = (1..=4000).map(FacilityId).collect();
    let mut rows = bed.store.facilities_by_ids(&ids).await.unwrap();
    assert!(rows.iter().all(|row| row.provenance.import_id == first.import && row.version == Version(1)));
    for row in rows.iter_mut().step_by(2) {
        row.at.x += 5_000_000;
        row.provenance.external_ids.insert("asset".into(), format!("A{}", row.id));
    }
    rows[1].version = Version(7);
    rows.extend((5000..5100).map(facility));
    let mut load = bed.store.facilities_load(CommitHead { on_stale: OnStale::Skip, ..head() }).await.unwrap();
    load.push(rows).await.unwrap();
    load.remove((4901..=5000).chain([9_999_999]).map(FacilityId).collect()).await.unwrap();
    let second = load.finish(import("facilities")).await.unwrap();
    assert_eq!((second.new, second.changed, second.same, second.removed), (100, 2000, 1999, 100));
    assert_eq!((second.stale.as_slice(), second.revision), ([2].as_slice(), Revision(2)));

    let rows = bed.store.snapshot(now()).await.unwrap().facilities;
    assert_eq!(rows.len(), 5000);
    assert_eq!(rows.iter().filter(|row| row.version == Version(2)).count(), 2000);
    let stored = bed.store.facilities_by_ids(&[FacilityId(1), FacilityId(2), FacilityId(4950), FacilityId(5001)]).await.unwrap();
    let imports: Vec<_> = stored.iter().map(|row| (row.id.0, row.provenance.import_id)).collect();
    assert_eq!(imports, [(1, second.import), (2, first.import), (5001, second.import)]);
    assert_eq!(bed.store.facilities_by_external("asset", "A3").await.unwrap().len(), 1);
    assert_eq!(bed.store.facilities_by_external("osm", "node/4950").await.unwrap(), []);
    assert_eq!(bed.store.facilities_by_external("osm", "node/4800").await.unwrap()[0].id, FacilityId(4801));

    let same = bed.store.facilities_by_ids(&(1..=3000).map(FacilityId).collect::<Vec<_>>()).await.unwrap();
    let third =
        bed.store.facilities_commit(FacilityCommit { import: Some(import("facilities")), ..facilities(same) }).await.unwrap();
    assert_eq!((third.same, third.changed, third.revision), (3000, 0, Revision(2)), "the same again changes nothing");

    let mut many = (0..3000).map(case).collect::<Vec<_>>();
    many[0] = CaseRecord { grid: None, ..full_case() };
    assert_eq!(bed.store.cases_commit(cases(many)).await.unwrap().new, 3000);
    assert_eq!(bed.store.addresses_commit(addresses((0..3000).map(address).collect())).await.unwrap().new, 3000);
    assert_eq!(bed.store.addresses().await.unwrap().len(), 3000);
    bed.sound().await;
}

pub(super) async fn a_load_that_is_given_up_leaves_nothing(bed: Bed) {
    bed.store.facilities_commit(facilities(vec![facility(1)])).await.unwrap();
    for much in [10, 4000] {
        let mut load = bed.store.facilities_load(head()).await.unwrap();
        load.push((10..10 + much).map(facility).collect()).await.unwrap();
        drop(load);
    }
    let mut load = bed.store.facilities_load(head()).await.unwrap();
    let bad = FacilityRecord { id: FacilityId(1), version: Version(9), ..facility(1) };
    let pushed = match load.push((10..4010).map(facility).chain([bad]).collect()).await {
        Ok(()) => load.finish(import("facilities")).await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(pushed, Err(StoreError::Changed { .. })), "{pushed:?}");
    let snapshot = bed.store.snapshot(now()).await.unwrap();
    assert_eq!((snapshot.facilities.len(), snapshot.revision), (1, Revision(1)));
    assert!(bed.store.imports().await.unwrap().is_empty());
    bed.store.facilities_commit(facilities((0..3000).map(facility).collect())).await.unwrap();
    bed.sound().await;
}

pub(super) async fn ids_are_never_given_twice(bed: Bed) {
    let given = bed.store.facilities_commit(facilities((1..4).map(facility).collect())).await.unwrap().ids;
    let all = given.iter().copied().map(FacilityId).collect();
    bed.store.facilities_commit(FacilityCommit { removed: all, ..facilities(vec![]) }).await.unwrap();
    let bed = bed.reopened().await;
    let next = bed.store.facilities_commit(facilities((0..2500).map(facility).collect())).await.unwrap().ids;
    assert!(next.iter().min() > given.iter().max());
    let all = next.iter().copied().map(FacilityId).collect();
    bed.store.facilities_commit(FacilityCommit { removed: all, ..facilities(vec![]) }).await.unwrap();
    let last = bed.store.facilities_commit(facilities(vec![facility(1)])).await.unwrap().ids;
    assert!(last.iter().min() > next.iter().max());
    bed.sound().await;
}

pub(super) async fn names_in_other_systems_lead_to_the_facility(bed: Bed) {
    bed.store.facilities_commit(facilities((1..4).map(facility).collect())).await.unwrap();
    let found = bed.store.facilities_by_external("osm", "node/2").await.unwrap();
    assert_eq!(found.iter().map(|row| row.id.0).collect::<Vec<_>>(), [2]);
    assert!(bed.store.facilities_by_external("bureau", "node/2").await.unwrap().is_empty());
    let mut row = found[0].clone();
    row.provenance.external_ids.insert("osm".into(), "way/9".into());
    let mut twin = facility(9);
    twin.provenance.external_ids.insert("osm".into(), "way/9".into());
    for (system, id) in [("bureau", "B-1"), ("police", "P-1")] {
        twin.provenance.external_ids.insert(system.into(), id.into());
    }
    bed.store.facilities_commit(facilities(vec![row, twin])).await.unwrap();
    for (system, id) in [("bureau", "B-1"), ("police", "P-1")] {
        assert_eq!(bed.store.facilities_by_external(system, id).await.unwrap()[0].id, FacilityId(4), "one of several names");
    }
    assert!(bed.store.facilities_by_external("osm", "node/2").await.unwrap().is_empty());
    let found = bed.store.facilities_by_external("osm", "way/9").await.unwrap();
    assert_eq!(found.iter().map(|row| row.id.0).collect::<Vec<_>>(), [2, 4], "two may bear one name");
    bed.store.facilities_commit(FacilityCommit { removed: vec![FacilityId(2)], ..facilities(vec![]) }).await.unwrap();
    assert_eq!(bed.store.facilities_by_external("osm", "way/9").await.unwrap()[0].id, FacilityId(4));
    bed.sound().await;
}

pub(super) async fn staff_are_written_by_their_id(bed: Bed) {
    let first = bed.store.staff_commit(staff_commit(vec![staff("b"), staff("a"), staff("c")])).await.unwrap();
    assert_eq!((first.new, first.revision), (3, Revision(1)));
    let mut moved = staff("a");
    moved.assigned = code("330902");
    let commit = StaffCommit {
        removed: vec!["c".into(), "nobody".into()],
        import: Some(import("staff")),
        ..staff_commit(vec![moved.clone(), staff("b"), staff("d")])
    };
    let second = bed.store.staff_commit(commit).await.unwrap();
    assert_eq!((second.new, second.changed, second.same, second.removed), (1, 1, 1, 1));
    let stored = bed.store.staff().await.unwrap();
    assert_eq!(stored.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "b", "d"]);
    assert_eq!((&stored[0].assigned, stored[0].provenance.import_id), (&moved.assigned, second.import));
    assert_eq!(stored[1].provenance.import_id, None, "what was the same was not written");
    bed.sound().await;
}

pub(super) async fn counts_of_households_are_those_of_today(bed: Bed) {
    bed.store.boundaries_commit(publication(0, boundaries(1..3000))).await.unwrap();
    let count = |n: u32, households, population| HouseholdCount { grid: grid(n).code, households, population };
    let commit = |counts| HouseholdCommit { head: head(), counts, import: Some(import("households")) };
    let committed =
        bed.store.households_commit(commit(vec![count(1, Some(5), Some(9)), count(2, Some(102), None)])).await.unwrap();
    assert_eq!((committed.changed, committed.same, committed.epoch, committed.revision), (1, 1, Epoch(1), Revision(2)));
    let grids = bed.store.snapshot(now()).await.unwrap().boundaries.unwrap().grids;
    assert_eq!((grids[0].households, grids[0].population), (Some(5), Some(9)));
    assert_eq!((grids[1].households, grids[1].population), (Some(102), None));
    let all = (1..3000).map(|n| count(n, None, Some(n))).collect();
    assert_eq!(bed.store.households_commit(commit(all)).await.unwrap().changed, 2999);
    let refused = bed.store.households_commit(commit(vec![count(1, Some(1), None), count(9999, Some(1), None)])).await;
    assert!(matches!(refused, Err(StoreError::Invalid(ref why)) if why.contains("330902002009999")), "{refused:?}");
    let mut next = bed.store.boundaries_at(Epoch(1)).await.unwrap().unwrap();
    assert_eq!((next.grids[0].households, next.grids[2998].population), (Some(5), Some(2999)));
    next.grids[1].name = "renamed".into();
    let published = bed.store.boundaries_commit(publication(1, next)).await.unwrap();
    assert_eq!((published.changed, published.same), (1, 3001), "counts that were written are no change of the boundaries");
    bed.store.households_commit(commit(vec![count(3, Some(7), None)])).await.unwrap();
    let households = |set: Option<BoundarySet>| set.unwrap().grids[2].households;
    assert_eq!(households(bed.store.boundaries_at(published.epoch).await.unwrap()), Some(7));
    assert_eq!(households(bed.store.boundaries_at(Epoch(1)).await.unwrap()), Some(103), "an earlier epoch keeps its counts");
    bed.sound().await;
}

pub(super) async fn closed_cases_stay_in_the_store_and_leave_the_city(bed: Bed) {
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    bed.store.cases_commit(cases(vec![full_case(), case(2), case(3)])).await.unwrap();
    let mut row = bed.store.cases_by_ids(&[CaseId(2)]).await.unwrap().remove(0);
    row.state = CaseState::Closed;
    let mut placed = bed.store.cases_by_ids(&[CaseId(1)]).await.unwrap().remove(0);
    (placed.at, placed.located) = (None, wangge::domain::case::Located::None);
    let commit = CaseCommit { removed: vec![CaseId(3)], ..cases(vec![row.clone(), placed]) };
    assert_eq!(bed.store.cases_commit(commit).await.unwrap().changed, 2);
    let open: Vec<i64> = bed.store.snapshot(now()).await.unwrap().cases.iter().map(|case| case.id.0).collect();
    assert_eq!(open, [1]);
    assert_eq!(bed.store.cases_by_ids(&[CaseId(2)]).await.unwrap()[0].state, CaseState::Closed);
    assert_eq!(bed.store.case_keys().await.unwrap().len(), 2);
    let stale = bed.store.cases_commit(cases(vec![row])).await;
    assert!(matches!(stale, Err(StoreError::Changed { .. })), "{stale:?}");
    bed.sound().await;
}

pub(super) async fn a_write_with_a_name_happens_once(bed: Bed) {
    let once = |key: &str, request| Some(Once { key: key.to_owned(), request });
    let (rows, none) = ([full_facility(), facility(2)], None);
    let create = async |store: &Store, head, row: &FacilityRecord, once| {
        store.facility_write(head, FacilityWrite::Put(Box::new(row.clone())), once).await
    };
    let first = create(&bed.store, head(), &rows[0], once("a", 1)).await.unwrap();
    let row = first.row.as_ref().expect("it was added");
    assert_eq!((first.revision, first.written, first.repeated), (Revision(1), true, false));
    assert_eq!((row.id, row.version), (FacilityId(1), Version(1)));
    let nameless = create(&bed.store, head(), &rows[1], none.clone()).await.unwrap();
    assert_eq!((nameless.revision, nameless.row.as_ref().map(|row| row.id)), (Revision(2), Some(FacilityId(2))));
    let bed = bed.reopened().await;
    // Even when the facility is another one by now, or gone.
    bed.store.facility_write(head(), FacilityWrite::Remove(FacilityId(1), Version(1)), None).await.unwrap();
    let again = create(&bed.store, head(), &rows[0], once("a", 1)).await.unwrap();
    assert_eq!(again, FacilityOutcome { repeated: true, written: false, ..first.clone() });
    let asked = |key: &str, request| Once { key: key.to_owned(), request };
    assert_eq!(bed.store.facility_outcome(&head(), &asked("a", 1)).await.unwrap(), Some(again));
    assert_eq!(bed.store.facility_outcome(&head(), &asked("b", 1)).await.unwrap(), None);
    assert!(matches!(bed.store.facility_outcome(&head(), &asked("a", 2)).await, Err(StoreError::KeyReused(_))));
    let reused = create(&bed.store, head(), &rows[1], once("a", 2)).await;
    assert!(matches!(&reused, Err(StoreError::KeyReused(key)) if key == "a"), "{reused:?}");
    assert_eq!(bed.store.revision().await.unwrap(), Revision(3), "nothing was written");
    let other = CommitHead::new("another", now());
    assert!(!create(&bed.store, other, &rows[1], once("a", 2)).await.unwrap().repeated, "a key is one caller's own");
    let refused = create(&bed.store, head(), &FacilityRecord { category: "99999".into(), ..facility(3) }, once("b", 3)).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert!(!create(&bed.store, head(), &facility(3), once("b", 4)).await.unwrap().repeated, "what was refused took no name");
    let later = |days: i64| CommitHead::new("someone", now() + jiff::SignedDuration::from_hours(24 * days));
    assert!(create(&bed.store, later(29), &rows[0], once("a", 1)).await.unwrap().repeated);
    let forgotten = create(&bed.store, later(31), &rows[1], once("a", 2)).await.unwrap();
    assert!(!forgotten.repeated, "kept for thirty days");
    assert!(create(&bed.store, later(32), &rows[1], once("a", 2)).await.unwrap().repeated);
    let stale = CommitHead { epoch: Some(Epoch(7)), ..head() };
    assert!(matches!(create(&bed.store, stale, &rows[0], None).await, Err(StoreError::Stale { .. })));
    bed.sound().await;
}

pub(super) async fn a_change_and_a_removal_with_a_name_happen_once(bed: Bed) {
    bed.store.facilities_commit(facilities(vec![full_facility()])).await.unwrap();
    let once = |key: &str, request| Some(Once { key: key.to_owned(), request });
    let renamed = FacilityRecord { id: FacilityId(1), version: Version(1), name: "renamed".into(), ..full_facility() };
    let change = async |bed: &Bed, row: &FacilityRecord, once| {
        bed.store.facility_write(head(), FacilityWrite::Put(Box::new(row.clone())), once).await
    };
    let changed = change(&bed, &renamed, once("change", 1)).await.unwrap();
    assert_eq!((changed.revision, changed.written), (Revision(2), true));
    assert_eq!(changed.row.as_ref().map(|row| (row.name.as_str(), row.version)), Some(("renamed", Version(2))));
    // Sent again it is no stale write, though the version that it names is gone.
    let again = change(&bed, &renamed, once("change", 1)).await.unwrap();
    assert_eq!(again, FacilityOutcome { repeated: true, written: false, ..changed.clone() });
    assert!(matches!(change(&bed, &renamed, None).await, Err(StoreError::Changed { .. })));
    assert!(matches!(change(&bed, &renamed, once("change", 2)).await, Err(StoreError::KeyReused(_))));
    // What is stored already takes no revision, but its name.
    let same = change(&bed, &FacilityRecord { version: Version(2), ..renamed.clone() }, once("same", 1)).await.unwrap();
    assert_eq!((same.revision, same.written, same.repeated), (Revision(2), false, false));
    assert_eq!(same.row.as_ref().map(|row| row.version), Some(Version(2)));
    let bed = bed.reopened().await;
    let gone = FacilityWrite::Remove(FacilityId(1), Version(2));
    let removed = bed.store.facility_write(head(), gone.clone(), once("remove", 1)).await.unwrap();
    assert_eq!((removed.revision, removed.written, &removed.row), (Revision(3), true, &None));
    let again = bed.store.facility_write(head(), gone.clone(), once("remove", 1)).await.unwrap();
    assert_eq!(again, FacilityOutcome { repeated: true, written: false, ..removed });
    let unnamed = bed.store.facility_write(head(), gone, None).await;
    assert!(matches!(unnamed, Err(StoreError::Changed { .. })), "{unnamed:?}");
    assert_eq!(bed.store.revision().await.unwrap(), Revision(3));
    bed.sound().await;
}

pub(super) async fn a_facility_is_removed_at_its_version_only(bed: Bed) {
    bed.store.facilities_commit(facilities(vec![facility(1), facility(2)])).await.unwrap();
    let remove =
        async |id, version| bed.store.facility_write(head(), FacilityWrite::Remove(FacilityId(id), Version(version)), None).await;
    for (id, version) in [(1, 2), (3, 1), (1, 0)] {
        let refused = remove(id, version).await;
        assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    }
    let removed = remove(1, 1).await.unwrap();
    assert_eq!((removed.revision, removed.written, removed.row), (Revision(2), true, None));
    assert_eq!(bed.store.facilities_by_ids(&[FacilityId(1), FacilityId(2)]).await.unwrap().len(), 1);
    assert!(bed.store.facilities_by_external("osm", "node/1").await.unwrap().is_empty());
    bed.sound().await;
}

pub(super) async fn addresses_count_their_versions_and_need_no_epoch(bed: Bed) {
    let commit = RowCommit { import: Some(import("addresses")), ..addresses(vec![address(1), address(2), address(3)]) };
    let first = bed.store.addresses_commit(commit).await.unwrap();
    assert_eq!((first.new, first.revision, first.ids.as_slice()), (3, Revision(1), [1, 2, 3].as_slice()));
    let mut rows = bed.store.addresses_by_ids(&[AddressId(1), AddressId(2)]).await.unwrap();
    rows[1].at = None;
    rows[1].within = Some(code("330902"));
    let changed = RowCommit { removed: vec![3, 9], ..addresses(rows.clone()) };
    let second = bed.store.addresses_commit(changed).await.unwrap();
    assert_eq!((second.same, second.changed, second.removed, second.revision), (1, 1, 1, Revision(2)));
    let stale = bed.store.addresses_commit(addresses(vec![AddressRecord { name: "x".into(), ..rows[1].clone() }])).await;
    assert!(matches!(stale, Err(StoreError::Changed { current: Version(2), .. })), "{stale:?}");
    // A publication leaves them as they are.
    bed.store.boundaries_commit(publication(0, boundaries(1..4))).await.unwrap();
    let kept = bed.store.addresses_by_ids(&[AddressId(1), AddressId(2), AddressId(3)]).await.unwrap();
    assert_eq!(kept.iter().map(|row| (row.id.0, row.version.0)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    assert_eq!(bed.store.log_since(Revision(0), 1).await.unwrap()[0].kind, LogKind::Addresses);
    bed.sound().await;
}

/// Few rows go another way than many.
pub(super) async fn buildings_of_an_import_are_known_as_they_were(bed: Bed) {
    for count in [4, 2400_u32] {
        let commit = |rows: Vec<BuildingRecord>| RowCommit { head: head(), rows, removed: vec![], import: None };
        bed.store.buildings_commit(commit((0..count).map(building).collect())).await.unwrap();
        let before = bed.store.buildings().await.unwrap();
        let mut rows = before.clone();
        rows[1..].iter_mut().for_each(|row| row.households = Some(7_000 + count));
        rows.push(building(count + 1));
        let second = RowCommit { import: Some(import("buildings")), ..commit(rows) };
        let second = bed.store.buildings_commit(second).await.unwrap();
        let id = second.import.unwrap();
        assert_eq!(bed.store.import_before_buildings(id).await.unwrap(), before[1..], "only what it changed");
        let new = *second.ids.last().unwrap();
        assert_eq!(bed.store.import_added(id).await.unwrap(), [(new, new)]);
        // Written back they are what they were, but for their versions.
        let head = CommitHead { undoes: Some(id), ..head() };
        let mine = bed.store.import_rows(LogKind::Buildings, id).await.unwrap();
        assert_eq!(mine.len(), before.len(), "all but the one that it did not change, and the new one");
        let rows = before.iter().map(|row| BuildingRecord { version: Version(0), ..row.clone() }).collect();
        bed.store.buildings_commit(RowCommit { head, rows, removed: vec![new], import: None }).await.unwrap();
        let said = |rows: &[BuildingRecord]| rows.iter().map(|row| (row.households, row.site.clone())).collect::<Vec<_>>();
        assert_eq!(said(&bed.store.buildings().await.unwrap()), said(&before));
        assert_eq!(bed.store.import_rows(LogKind::Buildings, id).await.unwrap(), HashMap::new());
    }
    bed.sound().await;
}

pub(super) async fn addresses_and_organizations_of_an_import_are_known_as_they_were(bed: Bed) {
    for count in [4, 2400_u32] {
        let rows: Vec<AddressRecord> = (0..count).map(|n| AddressRecord { name: format!("{count}"), ..address(n) }).collect();
        let first = bed.store.addresses_commit(addresses(rows)).await.unwrap();
        let ids: Vec<AddressId> = first.ids.iter().map(|id| AddressId(*id)).collect();
        let before = bed.store.addresses_by_ids(&ids).await.unwrap();
        let mut rows = before.clone();
        rows[1..].iter_mut().for_each(|row| row.name = "新".into());
        rows.push(address(count + 1));
        let second = RowCommit { import: Some(import("addresses")), ..addresses(rows) };
        let second = bed.store.addresses_commit(second).await.unwrap();
        assert_eq!((second.new, second.same, second.changed), (1, 1, u64::from(count) - 1));
        let id = second.import.unwrap();
        assert_eq!(bed.store.import_before_addresses(id).await.unwrap(), before[1..], "only what it changed");
        let new = *second.ids.last().unwrap();
        assert_eq!(bed.store.import_added(id).await.unwrap(), [(new, new)]);

        let commit = |rows: Vec<OrganizationRecord>| RowCommit { head: head(), rows, removed: vec![], import: None };
        bed.store.organizations_commit(commit((0..count).map(organization).collect())).await.unwrap();
        let before = bed.store.organizations().await.unwrap();
        let mut rows = before.clone();
        rows[1..].iter_mut().for_each(|row| row.name = format!("新{count}"));
        rows.push(organization(count + 1));
        let second = RowCommit { import: Some(import("organizations")), ..commit(rows) };
        let second = bed.store.organizations_commit(second).await.unwrap();
        let id = second.import.unwrap();
        assert_eq!(bed.store.import_before_organizations(id).await.unwrap(), before[1..], "only what it changed");
        let new = *second.ids.last().unwrap();
        assert_eq!(bed.store.import_added(id).await.unwrap(), [(new, new)]);
        // Written back they are what they were, but for their versions.
        let head = CommitHead { undoes: Some(id), ..head() };
        let mine = bed.store.import_rows(LogKind::Organizations, id).await.unwrap();
        let mut keys: Vec<i64> = mine.into_keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, second.ids[1..], "what it did not change is not its own");
        let rows = before.iter().map(|row| OrganizationRecord { version: Version(0), ..row.clone() }).collect();
        let undo = bed.store.organizations_commit(RowCommit { head, rows, removed: vec![new], import: None }).await.unwrap();
        assert_eq!(bed.store.import_report(id).await.unwrap().unwrap().undone, Some(undo.revision));
        assert_eq!(bed.store.import_rows(LogKind::Organizations, id).await.unwrap(), HashMap::new());
        let names = |rows: &[OrganizationRecord]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&bed.store.organizations().await.unwrap()), names(&before));
    }
    bed.sound().await;
}

pub(super) async fn the_log_has_no_holes_and_imports_keep_their_reports(bed: Bed) {
    bed.store
        .boundaries_commit(BoundaryCommit { import: Some(import("grids")), ..publication(0, boundaries(1..4)) })
        .await
        .unwrap();
    let unknown = FacilityRecord { category: "99999".into(), ..facility(2) };
    bed.store.facilities_commit(facilities(vec![unknown])).await.unwrap_err();
    let named = FacilityCommit { import: Some(import("facilities")), ..facilities(vec![facility(1), facility(2)]) };
    let id = bed.store.facilities_commit(named).await.unwrap().import.unwrap();
    bed.store.boundaries_commit(publication(0, boundaries(1..9))).await.unwrap_err();
    bed.store.staff_commit(staff_commit(vec![staff("a")])).await.unwrap();
    let bed = bed.reopened().await;
    let log = bed.store.log_since(Revision(0), 100).await.unwrap();
    let told: Vec<_> = log.iter().map(|entry| (entry.revision.0, entry.kind, entry.actor.as_str(), entry.at)).collect();
    assert_eq!(
        told,
        [
            (1, LogKind::Boundaries, "planner", now()),
            (2, LogKind::Facilities, "someone", now()),
            (3, LogKind::Staff, "someone", now())
        ]
    );
    assert_eq!(log[0].summary["epoch"], 1);
    assert_eq!(log[1].summary["ids"], serde_json::json!([1, 2]));
    assert_eq!(log[1].summary["new"], 2);
    assert_eq!(bed.store.log_since(Revision(1), 1).await.unwrap(), log[1..2]);
    let imports = bed.store.imports().await.unwrap();
    assert_eq!(imports.iter().map(|import| import.kind.as_str()).collect::<Vec<_>>(), ["grids", "facilities"]);
    assert!(imports.iter().all(|import| import.report.is_null()));
    let kept = bed.store.import_report(id).await.unwrap().unwrap();
    assert_eq!(kept, ImportRecord { id, revision: Some(Revision(2)), ..import("facilities") });
    bed.sound().await;
}

pub(super) async fn writers_at_the_same_time_lose_nothing(bed: Bed) {
    bed.store.facilities_commit(facilities((0..3000).map(facility).collect())).await.unwrap();
    let mut load = bed.store.facilities_load(CommitHead { on_stale: OnStale::Skip, ..head() }).await.unwrap();
    let mut rows = bed.store.facilities_by_ids(&(1..=2500).map(FacilityId).collect::<Vec<_>>()).await.unwrap();
    for row in &mut rows {
        row.name = "by the import".into();
    }
    load.push(rows).await.unwrap();

    let tasks: Vec<_> = (0..8)
        .map(|writer: i64| {
            let store = bed.store.clone();
            tokio::spawn(async move {
                let mut revisions = Vec::new();
                for turn in 0..10 {
                    let id = FacilityId(1 + writer * 100 + turn);
                    let mut row = store.facilities_by_ids(&[id]).await.unwrap().remove(0);
                    row.name = "by hand".into();
                    row.provenance.external_ids.insert("hand".into(), id.to_string());
                    let new = facility(10_000 + (writer * 10 + turn) as u32);
                    let removed = vec![FacilityId(2600 + writer * 10 + turn)];
                    let commit =
                        FacilityCommit { removed, ..facilities(vec![FacilityRecord { version: Version(0), ..row }, new]) };
                    revisions.push(store.facilities_commit(commit).await.unwrap().revision.0);
                }
                revisions
            })
        })
        .collect();
    let mut revisions = BTreeSet::new();
    for task in tasks {
        revisions.extend(task.await.unwrap());
    }
    let committed = load.finish(import("facilities")).await.unwrap();
    revisions.insert(committed.revision.0);
    assert_eq!(revisions, (2..=82).collect(), "every commit has a number of its own, none is missing");

    let rows = bed.store.snapshot(now()).await.unwrap().facilities;
    assert_eq!(rows.len(), 3000);
    let by_hand: Vec<i64> = rows.iter().filter(|row| &*row.name == "by hand").map(|row| row.id.0).collect();
    assert_eq!(by_hand, (0..8).flat_map(|writer| (0..10).map(move |turn| 1 + writer * 100 + turn)).collect::<Vec<_>>());
    assert_eq!(rows.iter().filter(|row| &*row.name == "by the import").count() as u64, committed.changed);
    assert_eq!(committed.stale.len(), 80, "what was changed by hand meanwhile stays");
    assert_eq!(committed.changed, 2420);
    assert_eq!(bed.store.facilities_by_external("hand", "101").await.unwrap().len(), 1);
    bed.sound().await;
}
