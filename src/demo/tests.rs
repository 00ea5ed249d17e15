use super::*;
use crate::city::Addresses;
use crate::city::addresses::find::MatchKind;
use crate::domain::address::AddressRow;
use crate::domain::case::Located;
use crate::domain::id::{AddressId, Epoch, Unit};
use crate::domain::staff::StaffRole;
use crate::geom::area::ring_area2;
use crate::geom::{Area, LatticePoint};
use crate::territory::Territory;
use crate::territory::mend::{Accept, mend};
use std::collections::{BTreeMap, BTreeSet};

fn noon() -> Timestamp {
    "2026-11-18T04:00:00Z".parse().expect("an instant")
}

fn small() -> City {
    city(Preset::Small, DEFAULT_SEED, noon()).expect("a city")
}

fn zhoushan() -> City {
    city(Preset::Zhoushan, DEFAULT_SEED, noon()).expect("a city")
}

fn digest(city: &City) -> u64 {
    let bytes =
        serde_json::to_vec(&(&city.boundaries, &city.history, &city.facilities, &city.staff, &city.households, &city.cases));
    let addresses = serde_json::to_vec(&city.addresses).expect("records are JSON");
    xxhash_rust::xxh3::xxh3_64(&addresses) ^ xxhash_rust::xxh3::xxh3_64(&bytes.expect("records are JSON"))
}

fn holds(area: &Area, p: LatticePoint) -> bool {
    let inside = area.rings().map(|ring| {
        (0..ring.len()).filter(|at| {
            let (a, b) = (ring[*at], ring[(at + 1) % ring.len()]);
            let (a, b) = if a.y <= b.y { (a, b) } else { (b, a) };
            a.y <= p.y && p.y < b.y && crate::geom::lattice::cross(a, b, p) > 0
        })
    });
    inside.map(Iterator::count).sum::<usize>() % 2 == 1
}

fn levels(city: &City) -> BTreeMap<&str, usize> {
    city.boundaries.regions.iter().fold(BTreeMap::new(), |mut counts, region| {
        *counts.entry(region.level.as_str()).or_default() += 1;
        counts
    })
}

#[test]
fn the_small_city_has_exactly_the_counts_it_promises() {
    let city = small();
    assert_eq!(levels(&city), BTreeMap::from([("city", 1), ("county", 1), ("township", 3), ("community", 12)]));
    assert_eq!(city.boundaries.grids.len(), 60);
    assert_eq!(city.households.iter().filter_map(|count| count.households).sum::<u32>(), 12_000);
    assert_eq!((city.staff.len(), city.facilities.len(), city.cases.len()), (90, 6_000, 60));
    assert_eq!(city.addresses.len(), 1_200);
    assert!(city.history.is_empty());
}

#[test]
fn zhoushan_has_exactly_the_counts_it_promises() {
    let city = zhoushan();
    assert_eq!(levels(&city), BTreeMap::from([("city", 1), ("county", 4), ("township", 36), ("community", 428)]));
    assert_eq!(city.boundaries.grids.len(), 2430);
    assert_eq!(city.households.iter().filter_map(|count| count.households).sum::<u32>(), 365_420);
    let employed = |level: char| city.staff.iter().filter(|person| person.id.starts_with(level)).count();
    assert_eq!((employed('C'), employed('T'), employed('S'), employed('O')), (772, 2479, 2011, 8303));
    assert_eq!((city.staff.len(), city.facilities.len(), city.cases.len()), (13_565, 200_000, 600));
    assert_eq!(city.addresses.len(), 80_000);
    let taohua = city.boundaries.grids.iter().filter(|grid| grid.code.as_str().starts_with("330903104")).count();
    assert_eq!(taohua, 40);

    let as_of = |day: &str| {
        let at: Timestamp = format!("{day}T00:00:00+08:00").parse().expect("a day");
        let sets = city.history.iter().chain([&city.boundaries]).filter(|set| set.period.holds(at));
        sets.map(|set| set.grids.len()).collect::<Vec<_>>()
    };
    assert_eq!((as_of("2008-12-31"), as_of("2011-06-01"), as_of("2026-01-01")), (vec![2430], vec![2360], vec![2430]));
    let land = |set: &BoundarySet| set.grids.iter().flat_map(|grid| grid.area.rings()).map(|ring| ring_area2(ring)).sum::<i128>();
    assert_eq!(land(&city.history[1]), land(&city.boundaries));

    // Every grid lies within the outline of an island, up to the lattice's half unit; nothing of it is cut off far.
    let islands = sources::ZHOUSHAN.islands();
    let outlines: i128 = islands.iter().map(|island| ring_area2(&island.outline)).sum();
    let part = land(&city.boundaries) as f64 / outlines as f64;
    assert!((0.97..1.0).contains(&part), "{part}");
    for p in city.boundaries.grids.iter().flat_map(|grid| grid.area.rings()).flatten() {
        let near = |island: &sources::Island| {
            (0..island.outline.len()).any(|at| {
                let (a, b) = (island.outline[at], island.outline[(at + 1) % island.outline.len()]);
                Spot::of(*p).distance_to_segment(Spot::of(a), Spot::of(b)) < 0.02
            })
        };
        let around = |island: &sources::Island| {
            holds(&Area::canonical([crate::geom::Polygon { exterior: island.outline.clone(), holes: Vec::new() }]), *p)
        };
        assert!(islands.iter().any(around) || islands.iter().any(near), "{p:?}");
    }
    check_records(&city);
    city.history.iter().for_each(check_boundaries);
}

#[cfg(feature = "server")]
#[test]
fn yichang_has_1110_grids_and_100_police_grids_of_five_to_fifteen_each() {
    let city = city(Preset::Yichang, DEFAULT_SEED, noon()).expect("a city");
    assert_eq!(levels(&city), BTreeMap::from([("city", 1), ("county", 5), ("township", 24), ("community", 160)]));
    assert_eq!(city.boundaries.grids.len(), 1110);
    assert_eq!(city.households.iter().filter_map(|count| count.households).sum::<u32>(), 277_500);
    assert!(city.households.iter().all(|count| count.households.is_some_and(|count| (200..=300).contains(&count))));
    assert_eq!((city.facilities.len(), city.cases.len()), (300_000, 1_500));
    let [police] = &city.others[..] else { panic!("one other set") };
    assert_eq!((police.set.as_str(), police.grids.len()), ("police", 100));
    let of_role = |role| {
        let of_role = city.staff.iter().filter(|person| person.role == role);
        of_role.map(|person| person.assigned.to_string()).collect::<BTreeSet<_>>()
    };
    let codes = |set: &BoundarySet| set.grids.iter().map(|grid| grid.code.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(city.staff.len(), 1_210);
    assert_eq!((of_role(StaffRole::GridOfficer), of_role(StaffRole::Police)), (codes(&city.boundaries), codes(police)));
    check_boundaries(&city.boundaries);
    check_boundaries(police);
}

// Links are made by the server's side.
#[cfg(feature = "server")]
#[test]
fn of_yichangs_1110_grids_all_but_12_are_whole_in_one_police_grid() {
    let city = city(Preset::Yichang, DEFAULT_SEED, noon()).expect("a city");
    let [police] = &city.others[..] else { panic!("one other set") };
    let build = |set: &BoundarySet| std::sync::Arc::new(Territory::build(Epoch(1), set).expect("a partition"));
    let links = crate::app::links::Links::of(build(&city.boundaries), build(police)).expect("laid over each other");
    let report = links.report(crate::app::links::SPLIT_BELOW, Some(&(5..=15)));
    assert!(report.is_in_order(), "{}", report.text());
    assert!(report.least < 10 && report.most > 12, "{} to {}", report.least, report.most);
    assert_eq!(report.splits.len(), 12, "{}", report.text());
    for split in &report.splits {
        assert!(split.parts.len() == 2 && split.parts[1].share >= 0.05 && split.beyond_share == 0.0, "{split:?}");
    }
    // All others are whole in one.
    let whole = (0..1110).filter(|at| links.linked(crate::domain::id::GridIx(*at)).main_share() == 1.0).count();
    assert_eq!(whole, 1110 - 12);
}

#[test]
fn the_prefecture_has_5000_grids_and_half_a_million_facilities() {
    let city = city(Preset::Prefecture, DEFAULT_SEED, noon()).expect("a city");
    assert_eq!(levels(&city), BTreeMap::from([("city", 1), ("county", 13), ("township", 80), ("community", 1200)]));
    assert_eq!((city.boundaries.grids.len(), city.facilities.len()), (5000, 500_000));
    assert_eq!((city.staff.len(), city.cases.len()), (8_000, 4_000));
    assert_eq!(city.households.iter().filter_map(|count| count.households).sum::<u32>(), 1_250_000);
    check_boundaries(&city.boundaries);
}

#[test]
fn the_small_city_is_in_order() {
    check_records(&small());
}

/// Import finds nothing to mend, and what it keeps is what the demo told.
fn check_boundaries(set: &BoundarySet) {
    let mended = mend(set.clone(), &Accept::default()).expect("the demo's boundaries have no fault");
    assert_eq!((&mended.repairs[..], &mended.accepted[..]), (&[][..], &[][..]));
    assert!(mended.boundaries == *set);
    Territory::build(Epoch(1), set).expect("mended boundaries make a territory");
}

fn check_records(city: &City) {
    check_boundaries(&city.boundaries);
    let grids: BTreeMap<&str, &GridRecord> = city.boundaries.grids.iter().map(|grid| (grid.code.as_str(), grid)).collect();
    assert_eq!(grids.len(), city.boundaries.grids.len());
    assert!(city.boundaries.grids.is_sorted_by_key(|grid| grid.code.clone()));
    let regions: BTreeSet<&str> = city.boundaries.regions.iter().map(|region| region.code.as_str()).collect();
    assert!(grids.keys().all(|code| regions.contains(&code[..12])));
    for count in &city.households {
        assert!((100..=300).contains(&count.households.expect("counted")), "{}", count.grid);
    }
    let territory = Territory::build(Epoch(1), &city.boundaries).expect("the demo's boundaries have no fault");
    let places = city.facilities.iter().map(|facility| (facility.at, &facility.grid));
    let places = places.chain(city.cases.iter().filter_map(|case| Some((case.at?, &case.grid))));
    for (at, grid) in places {
        let located = territory.locate(at);
        let found = territory.grid_at(at).map(|ix| &territory.grid(ix).code);
        assert_eq!(found, grid.as_ref(), "{at:?}");
        assert!(matches!(located, crate::territory::locate::Located::Inside { on_border: false, .. }), "{at:?}");
    }
    check_addresses(city, &territory);
    for facility in &city.facilities {
        assert_eq!(facility.code.as_ref().expect("demo facilities have codes").len(), 17);
    }
    let codes: BTreeSet<_> = city.facilities.iter().map(|facility| &facility.code).collect();
    assert_eq!(codes.len(), city.facilities.len());
    let share = |state: crate::domain::facility::FacilityState| {
        city.facilities.iter().filter(|facility| facility.state == state).count() as f64 / city.facilities.len() as f64
    };
    assert!((share(crate::domain::facility::FacilityState::Intact) - 0.97).abs() < 0.01);
    for case in &city.cases {
        assert!(case.state.is_open() && case.reported_at < noon());
        assert_eq!(case.overdue, case.due_at.is_some_and(|due| due <= noon()), "{case:?}");
        assert_eq!(case.at.is_some(), matches!(case.located, Located::Exact | Located::Address));
        assert_eq!(case.within.is_some(), case.located == Located::Region);
    }
    let groups = city.organizations.iter().filter(|one| one.category == "party");
    assert_eq!(groups.filter(|one| one.at.is_none()).count(), grids.len());
    for one in &city.organizations {
        let within = one.within.as_ref().expect("each says its grid").as_str();
        assert!(grids.contains_key(within) && !one.name.is_empty(), "{one:?}");
        let found = one.at.map(|at| territory.grid_at(at).map(|ix| territory.grid(ix).code.as_str()));
        assert!(found.is_none_or(|found| found == Some(within)), "{one:?}");
    }
    // Of nearly all grids the buildings say what was counted.
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for one in &city.buildings {
        let ix = one.at().and_then(|at| territory.grid_at(at)).expect("on land");
        *sums.entry(territory.grid(ix).code.as_str()).or_default() += u64::from(one.households.expect("a number"));
        assert!(!one.name.is_empty() && one.storeys.is_some_and(|storeys| storeys > 0) && one.footprint().is_some(), "{one:?}");
    }
    let counted = |code: &str| territory.grid_ix(code).and_then(|ix| territory.grid(ix).households).map(u64::from);
    let differing = sums.iter().filter(|(code, sum)| counted(code) != Some(**sum)).count();
    assert!(sums.len() * 10 > grids.len() * 6 && differing > 0 && differing * 20 < sums.len(), "{differing} of {}", sums.len());
    let shown = territory.grids.iter().map(|grid| sums.get(grid.code.as_str()).copied().or(grid.households.map(u64::from)));
    let all: u64 = city.households.iter().filter_map(|count| count.households).map(u64::from).sum();
    assert_eq!(shown.flatten().sum::<u64>(), all, "the buildings of all grids together say what was counted");
    let hours = |hours| noon() + jiff::SignedDuration::from_hours(hours);
    let passed_at =
        |at| city.cases.iter().filter(|case| case.due_at.is_some_and(|due| due <= at)).count() as f64 / city.cases.len() as f64;
    assert!((0.02..=0.05).contains(&passed_at(noon())), "{}", passed_at(noon()));
    assert!(passed_at(hours(24)) < 0.15, "a city of yesterday is not past its time: {}", passed_at(hours(24)));
    assert!(passed_at(hours(7 * 24)) < 0.4, "nor is one of last week: {}", passed_at(hours(7 * 24)));
    assert!(city.cases.iter().any(|case| case.located == Located::Region));
    for grid in grids.keys() {
        assert!(
            city.staff.iter().any(|person| person.assigned.as_str() == *grid && person.role == StaffRole::GridLeader),
            "{grid}"
        );
    }
    assert!(city.staff.iter().all(|person| person.phone.as_ref().is_some_and(|phone| phone.starts_with("000-"))));
}

/// Every address lies in a grid of the township it names, says what no other says, and leads back to itself.
fn check_addresses(city: &City, territory: &Territory) {
    let rows: Vec<AddressRow> = (1..)
        .zip(&city.addresses)
        .map(|(id, row)| AddressRow {
            id: AddressId(id),
            at: row.at,
            within: None,
            text: row.text.as_str().into(),
            name: row.name.as_str().into(),
        })
        .collect();
    let texts: BTreeSet<&str> = city.addresses.iter().map(|row| row.text.as_str()).collect();
    assert_eq!(texts.len(), city.addresses.len());
    let addresses = Addresses::new(rows, territory);
    for (id, row) in (1..).zip(&city.addresses).step_by(17) {
        let at = row.at.expect("a demo house has a place");
        let grid = territory.grid_at(at).map(|ix| territory.grid(ix)).expect("a demo house is in a grid");
        let township = territory.path(grid.parent).into_iter().map(|ix| territory.region(ix)).nth(2).expect("a township");
        assert!(row.text.contains(&township.name), "{} {}", row.text, township.name);
        let found = addresses.find(territory, &row.text, 5, |_| true);
        let best = &found.candidates[0];
        assert_eq!((best.score, best.id, found.best), (1.0, Some(AddressId(id)), 1), "{}: {found:?}", row.text);
    }
    // What people say of a case leads to where it is told to be.
    for case in &city.cases {
        let Some(text) = &case.address_text else {
            assert_eq!(case.located, Located::Exact);
            continue;
        };
        let found = addresses.find(territory, text, 5, |_| true);
        let best = found.candidates.first().unwrap_or_else(|| panic!("{text} leads nowhere"));
        assert_eq!(found.best, 1, "{text}: {found:?}");
        match &case.within {
            Some(within) => {
                let region = territory.region_ix(within.as_str()).map(Unit::Region);
                assert_eq!((best.kind, best.unit), (MatchKind::Region, region), "{text}: {found:?}");
            }
            None => {
                assert!(best.at == case.at && best.score >= 0.7, "{text}: {found:?}");
            }
        }
    }
    assert!(city.cases.iter().any(|case| case.located == Located::Address));
    // Odd numbers to the one side of a street, even ones to the other.
    assert!(city.addresses.iter().any(|row| row.name.contains("便民服务中心")));
    assert!(city.addresses.iter().any(|row| row.text.ends_with("室")));
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_another_city() {
    assert_eq!(digest(&small()), digest(&small()));
    assert_ne!(digest(&small()), digest(&city(Preset::Small, 7, noon()).expect("a city")));
}
