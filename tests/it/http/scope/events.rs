//! Events: nobody hears of what is outside of their scope.

use super::made::{Ground, NOW, demo_city, served};
use crate::crash::Random;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wangge::app::facility_writes::{Meant, Patch};
use wangge::app::live::{Asked, Watching};
use wangge::app::{Actor, App};
use wangge::domain::category::CategoryKind;
use wangge::domain::id::FacilityId;
use wangge::domain::scope::Scope;
use wangge::geom::LatticePoint;

/// The tiles that a viewer is told of until it knows the newest revision.
async fn told_until_now(watching: &mut Watching, app: &App) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    loop {
        let text = String::from_utf8(watching.next().await.unwrap().to_vec()).unwrap();
        for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            let data: Value = serde_json::from_str(data).unwrap();
            let tiles = data["tiles"].as_array().cloned().unwrap_or_else(|| vec![json!("all")]);
            told.extend(tiles.iter().map(|tile| format!("{} {tile}", data["layer"])));
        }
        let latest = app.published.load().revision;
        if text.contains("event: tiles") && text.lines().any(|line| line == format!("id: {latest}")) {
            return told;
        }
    }
}

/// Facilities are added, moved, changed and removed anywhere; in the other city only what the viewer sees of that happens. Behind each of
/// these writes stands one that the viewer sees, so that it is known when everything was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_hears_nothing_of_what_is_outside_of_its_scope() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    eprintln!("SEED={seed}");
    let mut random = Random(seed);
    let made = demo_city();
    let territory = &made.territories[NOW];
    let profile = &made.meta.profile;
    let category = |code: &str| profile.position(CategoryKind::Component, code).unwrap();
    let grids: Vec<String> = territory.grids.iter().map(|grid| grid.code.to_string()).collect();
    let writer = Arc::new(Actor::local());
    let (mut silent, mut heard) = (0, 0);
    for number in 0..4 {
        let codes: Vec<String> = (0..=number).map(|_| grids[(random.share() * grids.len() as f64) as usize].clone()).collect();
        let actor = Arc::new(Actor {
            scope: Scope::within(codes.iter().map(|code| code.parse().unwrap())),
            hidden: ["01050"].into_iter().filter(|_| number % 2 == 0).collect(),
            ..Actor::local()
        });
        let sights = made.sights(&actor);
        let sight = &sights[NOW];
        let (app, _) = served(made.store(None).await).await;
        let (other, _) = served(made.store(Some((&sights, Ground::Gone))).await).await;
        let asked = || Asked { tiles: true, ..Asked::default() };
        let (mut here, mut there) = (app.watch(&actor, asked()).unwrap(), other.watch(&actor, asked()).unwrap());
        let own = territory.grid(territory.grid_ix(&codes[0]).unwrap());
        // What was added here, and as what there.
        let mut twins: BTreeMap<FacilityId, FacilityId> = BTreeMap::new();
        for at in 0..40 {
            let kind = ["01050", "01001", "01013"][(random.share() * 3.0) as usize];
            let any = territory.grids[(random.share() * grids.len() as f64) as usize].bbox;
            let bbox = if random.share() < 0.4 { own.bbox } else { any };
            let (x, y) = (random.share(), random.share());
            let between = |a: i32, b: i32, share: f64| (f64::from(a) + f64::from(b - a) * share) as i32;
            let place = LatticePoint::new(between(bbox.min.x, bbox.max.x, x), between(bbox.min.y, bbox.max.y, y));
            let patch = Patch { place: Some((place, None)), category: Some(kind.to_owned()), ..Patch::default() };
            let city = app.published.load();
            let row = city.facilities.iter().nth((random.share() * city.facilities.len() as f64) as usize);
            let row = row.filter(|_| random.share() < 0.7);
            let was_seen = row.is_some_and(|row| sight.facility(row, row.leaf));
            let is_seen = sight.at(territory.leaf_at(place)) && sight.category(category(kind));
            let twin = row.map_or(FacilityId(0), |row| *twins.get(&row.id).unwrap_or(&row.id));
            match (row, random.share() < 0.3) {
                (Some(row), true) => {
                    app.facility_remove(&writer, (row.id, Meant::Any), None).await.unwrap();
                    silent += usize::from(!was_seen);
                    if was_seen {
                        other.facility_remove(&writer, (twin, Meant::Any), None).await.unwrap();
                    }
                }
                (Some(row), false) => {
                    app.facility_change(&writer, (row.id, Meant::Any), patch.clone(), None).await.unwrap();
                    silent += usize::from(!was_seen && !is_seen);
                    // It comes as it is from where the viewer does not see it.
                    let patch = Patch { name: Some(row.name.to_string()), state: Some(row.state), ..patch };
                    match (was_seen, is_seen) {
                        (true, true) => drop(other.facility_change(&writer, (twin, Meant::Any), patch, None).await.unwrap()),
                        (true, false) => drop(other.facility_remove(&writer, (twin, Meant::Any), None).await.unwrap()),
                        (false, true) => {
                            let written = other.facility_create(&writer, patch, None).await.unwrap();
                            twins.insert(row.id, written.record.unwrap().id);
                        }
                        (false, false) => {}
                    }
                }
                (None, _) => {
                    let written = app.facility_create(&writer, patch.clone(), None).await.unwrap();
                    silent += usize::from(!is_seen);
                    if is_seen {
                        let twin = other.facility_create(&writer, patch, None).await.unwrap();
                        twins.insert(written.record.unwrap().id, twin.record.unwrap().id);
                    }
                }
            }
            let mark = Patch {
                name: Some(format!("mark {at}")),
                place: Some((own.label, None)),
                category: Some("01001".to_owned()),
                ..Patch::default()
            };
            let (one, two) = (app.facility_create(&writer, mark.clone(), None), other.facility_create(&writer, mark, None));
            let (one, two) = (one.await.unwrap().record.unwrap(), two.await.unwrap().record.unwrap());
            twins.insert(one.id, two.id);
            let (is, should) = (told_until_now(&mut here, &app).await, told_until_now(&mut there, &other).await);
            assert_eq!(is, should, "{:?} write {at}", actor.scope);
            heard += is.len();
        }
    }
    assert!(silent > 20 && heard > 200, "{silent} writes that were not heard, {heard} tiles");
}
