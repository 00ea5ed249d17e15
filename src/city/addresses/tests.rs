use super::find::{Answer, MatchKind};
use super::*;
use crate::domain::address::parts::{Part, Parts};
use crate::domain::id::{Epoch, Unit};
use crate::domain::records::BoundarySet;
use crate::territory::samples::{area, grid, region, square};
use proptest::prelude::*;

/// Two counties of one township each, 0.1° wide, with two grids each: west 定海区 昌国街道, east 普陀区 东港街道.
fn territory() -> Territory {
    let named = |code: &str, level: &str, name: &str| {
        let mut record = region(code, level, None);
        record.name = name.to_owned();
        record
    };
    let regions = vec![
        named("3309", "city", "舟山市"),
        named("330902", "county", "定海区"),
        named("330902001", "township", "昌国街道"),
        named("330902001001", "community", "螺门村"),
        named("330903", "county", "普陀区"),
        named("330903001", "township", "东港街道"),
        named("330903001001", "community", "和平社区"),
    ];
    let wide = 1_000_000;
    let codes = ["330902001001001", "330902001001002", "330903001001001", "330903001001002"];
    let grids = codes.iter().zip(0..).map(|(code, at)| {
        let mut record = grid(code, area(&[square(at * wide, 0, wide)]));
        record.name = format!("第{}网格", at + 1);
        record
    });
    Territory::build(Epoch(1), &BoundarySet { grids: grids.collect(), regions, ..BoundarySet::default() }).expect("a coverage")
}

fn row(id: i64, text: &str, at: (i32, i32)) -> AddressRow {
    AddressRow { id: AddressId(id), at: Some(LatticePoint::new(at.0, at.1)), within: None, text: text.into(), name: "".into() }
}

/// In the west a street of odd and even numbers, 20 m apart; in the east one house of the same name.
fn rows() -> Vec<AddressRow> {
    let mut rows: Vec<AddressRow> = (0..10)
        .map(|n| row(n + 1, &format!("舟山市定海区昌国街道解放路{}号", n * 2 + 1), (100_000 + n as i32 * 2000, 500_000)))
        .collect();
    rows.extend((0..5).map(|n| row(n + 21, &format!("解放路{}号", n * 4 + 2), (100_000 + n as i32 * 4000, 500_300))));
    rows.push(row(31, "普陀区解放路5号", (3_500_000, 500_000)));
    rows.push(row(41, "定海区文化路8号3幢2单元301室", (300_000, 300_000)));
    rows.push(row(42, "定海区文化路8号3幢2单元302室", (300_010, 300_000)));
    rows.push(row(43, "定海区文化路8号4幢", (300_400, 300_000)));
    rows.push(row(51, "定海区环城南路128号东海花园3幢201室", (700_000, 700_000)));
    rows.push(row(52, "定海区螺门村3组45号", (800_000, 100_000)));
    rows.push(AddressRow { name: "舟山医院".into(), ..row(61, "定城路739号", (2_300_000, 400_000)) });
    let nowhere = |id, text: &str, within: &str| AddressRow {
        at: None,
        within: Some(Code::new(within).expect("a code")),
        ..row(id, text, (0, 0))
    };
    rows.push(nowhere(71, "深巷3号", "330903001"));
    rows.push(nowhere(72, "深巷3号", "330902001001002"));
    rows
}

struct City {
    territory: Territory,
    addresses: Addresses,
}

impl City {
    fn of(rows: Vec<AddressRow>) -> Self {
        let territory = territory();
        let addresses = Addresses::new(rows, &territory);
        Self { territory, addresses }
    }

    fn find(&self, text: &str) -> Answer {
        self.addresses.find(&self.territory, text, 20, |_| true)
    }

    /// The candidates as kind, score and id or text.
    fn told(&self, text: &str) -> Vec<(&'static str, f64, String)> {
        let shown = |candidate: find::Candidate| {
            let name = candidate.id.map_or(candidate.text, |id| id.to_string());
            (candidate.kind.as_str(), candidate.score, name)
        };
        self.find(text).candidates.into_iter().map(shown).collect()
    }
}

fn told(list: &[(&'static str, f64, &str)]) -> Vec<(&'static str, f64, String)> {
    list.iter().map(|(kind, score, name)| (*kind, *score, (*name).to_owned())).collect()
}

#[test]
fn an_address_is_found_in_all_its_writings() {
    let city = City::of(rows());
    for text in [
        "浙江省舟山市定海区昌国街道解放路7号",
        "定海区解放路７号",
        "定海解放路七号",
        "舟山定海区 解放路 7 號",
        "解放路7#",
        "解放路7",
        "昌国街道解放路No.7",
    ] {
        assert_eq!(city.told(text), told(&[("exact", 1.0, "4")]), "{text}");
    }
    for text in ["文化路8号3幢2单元301室", "文化路八号三栋二单元三〇一", "文化路8号3-2-301", "文化路8号3号楼2单元301"]
    {
        assert_eq!(city.told(text), told(&[("exact", 1.0, "41")]), "{text}");
    }
    assert_eq!(city.told("螺门村三组45号"), told(&[("exact", 1.0, "52")]));
    assert_eq!(city.told("东海花园3幢201"), told(&[("exact", 0.95, "51")]));
    assert_eq!(city.told("定海东海花园"), told(&[("road", 0.4, "东海花园")]));
    assert_eq!(city.told("文化路8号301室"), told(&[("exact", 0.9, "41")]));
}

#[test]
fn homonyms_are_a_tie_and_a_region_decides_it() {
    let city = City::of(rows());
    let tie = city.find("解放路5号");
    assert_eq!((tie.best, tie.total), (2, 2));
    assert_eq!(city.told("解放路5号"), told(&[("exact", 1.0, "3"), ("exact", 1.0, "31")]));
    assert_eq!(city.told("普陀区解放路5号"), told(&[("exact", 1.0, "31")]));
    assert_eq!(city.told("普陀解放路5号").first().map(|first| first.1), Some(1.0));
    assert_eq!(city.find("普陀区解放路7号").best, 1);
    assert_eq!(city.told("我家解放路9号"), told(&[("exact", 0.9, "5")]));
    // Without a position each answers for its region.
    let within: Vec<_> = city.find("深巷3号").candidates.iter().map(|found| (found.id, found.at, found.unit.is_some())).collect();
    assert_eq!(within, [(Some(AddressId(72)), None, true), (Some(AddressId(71)), None, true)]);
    assert_eq!(city.told("东港街道深巷3号"), told(&[("exact", 1.0, "71"), ("exact", 0.6, "72")]));
}

#[test]
fn what_is_not_known_is_the_house_a_place_between_or_the_street() {
    let city = City::of(rows());
    assert_eq!(city.told("文化路8号3幢2单元999室"), told(&[("building", 0.9, "定海区文化路8号3幢2单元")]));
    assert_eq!(city.told("文化路8号9幢"), told(&[("building", 0.8, "定海区文化路8号")]));
    assert_eq!(city.told("文化路8号"), told(&[("building", 0.95, "定海区文化路8号")]));
    assert_eq!(city.told("文化路8号4幢1单元"), told(&[("building", 0.9, "43")]));
    assert_eq!(city.told("解放路7号-2").first(), told(&[("building", 0.85, "4")]).first());
    assert_eq!(city.told("文化路"), told(&[("road", 0.4, "文化路")]));
    assert_eq!(city.told("文化路100号"), told(&[("road", 0.3, "文化路")]));
    let between = city.find("定海区解放路8号").candidates.remove(0);
    assert_eq!((between.kind, between.score), (MatchKind::Interpolated, 0.7));
    assert_eq!(between.at, Some(LatticePoint::new(106_000, 500_300)), "half way from 6 to 10, on the even side");
    assert_eq!(between.between, Some(["解放路6号".to_owned(), "解放路10号".to_owned()]));
}

#[test]
fn names_regions_and_grids_are_answers_too() {
    let city = City::of(rows());
    for text in ["舟山医院", "定海区舟山医院"] {
        assert!(city.told(text).contains(&("poi", if text.len() > 12 { 0.25 } else { 1.0 }, "61".to_owned())), "{text}");
    }
    assert_eq!(city.told("舟山医"), told(&[("poi", 0.6, "61")]));
    assert_eq!(city.told("定海区"), told(&[("region", 0.2, "定海区")]));
    assert_eq!(city.told("舟山定海"), told(&[("region", 0.2, "定海区")]));
    assert_eq!(city.told("普陀区第3网格"), told(&[("region", 0.2, "第3网格")]));
    assert_eq!(city.told("定海区没有的路7号"), told(&[("region", 0.1, "定海区")]));
    assert_eq!(city.told("没有的路7号"), told(&[]));
    let only = city.addresses.find(
        &city.territory,
        "解放路5号",
        20,
        |unit| matches!(unit, Some(Unit::Grid(ix)) if city.territory.grid(ix).code.as_str().starts_with("330903")),
    );
    assert_eq!(only.candidates.iter().map(|found| found.id).collect::<Vec<_>>(), [Some(AddressId(31))]);
}

#[test]
fn in_an_estate_of_very_many_flats_every_one_is_found() {
    let flat = |n: i64| row(n, &format!("定海区玫瑰园{}幢{}室", n / 100, 100 + n % 100), (100_000 + (n / 100) as i32, 500_000));
    let placed = |n: i64| row(n + 30_000, &format!("文化路8号东海花园{}幢{}室", n / 100, 100 + n % 100), (200_000, 500_000));
    let city = City::of((100..30_100).map(flat).chain((100..30_100).map(placed)).collect());
    assert_eq!(city.told("玫瑰园300幢199室"), told(&[("exact", 1.0, "30099")]));
    assert_eq!(city.told("东海花园300幢199室"), told(&[("exact", 0.95, "60099")]));
    assert_eq!(city.told("文化路8号300幢199室"), told(&[("exact", 1.0, "60099")]));
    assert_eq!(city.told("玫瑰园300幢999室"), told(&[("building", 0.9, "定海区玫瑰园300幢")]));
}

#[test]
fn words_that_many_addresses_have_are_the_citys_own() {
    let rows = |strange: i64| {
        let text = |n: i64| match n < strange {
            true => format!("仙人县解放路{n}号"),
            false => format!("定海区解放路{n}号"),
        };
        City::of((0..100).map(|n| row(n, &text(n), (100_000 + n as i32 * 1000, 500_000))).collect())
    };
    assert_eq!(rows(1).told("仙人县解放路50号"), told(&[("exact", 0.5, "50")]), "one of them silences nobody");
    assert_eq!(rows(1).told("仙人县解放路0号"), told(&[("exact", 1.0, "0")]), "but is found itself");
    assert_eq!(rows(20).told("仙人县解放路50号"), told(&[("exact", 1.0, "50")]));
}

#[test]
fn the_beginning_of_an_address_is_shown_as_it_was_written() {
    let city = City::of(vec![row(1, "定海区 文化路８号、３棟－２單元３０１室", (300_000, 300_000))]);
    assert_eq!(city.told("文化路8号3幢2单元999室"), told(&[("building", 0.9, "定海区 文化路８号、３棟－２單元")]));
    assert_eq!(city.told("文化路8号"), told(&[("building", 0.95, "定海区 文化路８号")]));
}

#[test]
fn rows_can_be_taken_out_and_made_anew() {
    let city = City::of(rows());
    let again = city.addresses.renamed(&city.territory);
    let mut out = again.taken_out();
    out.sort_by_key(|row| row.id);
    assert_eq!(out, rows(), "letter by letter");
    assert!(again.are_of(Addresses::hash_of(&rows())) && !again.are_of(Addresses::hash_of(&rows()[1..])));
    assert_eq!(again.len(), rows().len());
    assert!(again.fits(&city.territory));
}

#[test]
fn hostile_texts_are_answered_like_any() {
    let city = City::of(rows());
    for text in [
        "",
        "\0\u{1b}[2J",
        "🏠🏠🏠",
        "' OR 1=1 --",
        &"路".repeat(100_000),
        &"一".repeat(100_000),
        &"1-".repeat(50_000),
        "\u{202e}号7路放解",
        "%_%",
    ] {
        let answer = city.find(text);
        assert_eq!((answer.total, answer.best, answer.candidates.len()), (0, 0, 0), "{text:.40}");
    }
    // What is beyond the longest address is not read.
    assert_eq!(city.told(&format!("解放路7号{}", " ".repeat(100_000))), told(&[("exact", 1.0, "4")]));
    assert_eq!(city.told(&format!("{}解放路7号", " ".repeat(100_000))), told(&[]));
    assert_eq!(city.told("\u{0}解放路\u{202e}7号\u{1b}"), told(&[("exact", 1.0, "4")]), "marks that say nothing");
    let again = city.told(&"解放路".repeat(60));
    assert!(!again.is_empty() && again.iter().all(|(kind, score, _)| *kind == "road" && *score <= 0.2), "{again:?}");
}

/// One of the writings of an address.
fn written(street: usize, parts: Parts, style: u8) -> String {
    let name = ["解放路", "文二西路", "五一路", "东海花园"][street];
    let number = |part: Part| -> String {
        let value = part.value().unwrap_or(0);
        match style % 3 {
            0 => value.to_string(),
            1 => value.to_string().chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c)).collect(),
            _ => value.to_string().chars().map(|c| "〇一二三四五六七八九".chars().nth(c as usize - 48).unwrap_or(c)).collect(),
        }
    };
    let mut text = match style % 4 {
        0 => "浙江省舟山市定海区",
        1 => "定海区昌国街道",
        2 => "舟山定海",
        _ => "",
    }
    .to_owned();
    text += if style.is_multiple_of(5) { "　" } else { "" };
    text += name;
    let marks = [["弄", "号", "幢", "单元", "室"], ["弄", "號", "栋", "单元", "房"], ["弄", "#", "号楼", "梯", "室"]]
        [usize::from(style % 7 % 3)];
    for (part, mark) in [parts.lane, parts.number, parts.building, parts.unit, parts.room].into_iter().zip(marks) {
        if part.is_some() {
            text += &number(part);
            text += mark;
        }
    }
    text
}

fn some_parts() -> impl Strategy<Value = (usize, Parts)> {
    let part = |most: u32| (0..=most).prop_map(|value| if value == 0 { Part::NONE } else { Part::number(value) });
    (0usize..4, part(2), 1u32..30, part(2), part(2), part(3)).prop_map(|(street, lane, number, building, unit, room)| {
        let unit = if building.is_some() { unit } else { Part::NONE };
        let room = if unit.is_some() { room } else { Part::NONE };
        (street, Parts { lane, number: Part::number(number), building, unit, room, ..Parts::default() })
    })
}

/// The place of the estate among the names of [`written`].
const ESTATE: usize = 3;

/// The matcher again, by looking at every address: kind, score and ids.
fn slowly(stored: &[(usize, Parts)], street: usize, asked: Parts) -> (MatchKind, f64, Vec<i64>) {
    let all = || stored.iter().zip(1i64..).filter(move |((of, _), _)| *of == street);
    let house: Vec<(Parts, i64)> = all()
        .filter(|((_, parts), _)| (parts.lane, parts.number) == (asked.lane, asked.number))
        .map(|((_, parts), id)| (*parts, id))
        .collect();
    let ids = |some: &[(Parts, i64)]| some.iter().map(|(_, id)| *id).collect::<Vec<_>>();
    if !house.is_empty() {
        let mut left = house;
        for (step, of) in [|p: &Parts| p.building, |p: &Parts| p.unit, |p: &Parts| p.room].into_iter().enumerate() {
            let next: Vec<_> = left.iter().copied().filter(|(parts, _)| of(parts) == of(&asked)).collect();
            if of(&asked).is_some() {
                if next.is_empty() {
                    return (MatchKind::Building, if step == 0 { 0.8 } else { 0.9 }, Vec::new());
                }
                left = next;
            }
        }
        let exact: Vec<_> = left.iter().copied().filter(|(parts, _)| *parts == asked).collect();
        return match (exact.is_empty(), asked.room.is_some()) {
            (false, _) => (MatchKind::Exact, 1.0, ids(&exact)),
            (true, true) => (MatchKind::Exact, 0.9, ids(&left)),
            (true, false) => (MatchKind::Building, 0.95, Vec::new()),
        };
    }
    let number = asked.number.value().unwrap_or(0);
    let numbers: Vec<u32> =
        all().filter(|((_, parts), _)| parts.lane == asked.lane).filter_map(|((_, parts), _)| parts.number.value()).collect();
    let between = |same: bool| {
        // Houses of an estate have no order; those of a lane in it have one.
        if street == ESTATE && !asked.lane.is_some() {
            return false;
        }
        let fits = |value: &&u32| !same || **value % 2 == number % 2;
        let below = numbers.iter().filter(fits).any(|value| *value < number);
        below && numbers.iter().filter(fits).any(|value| *value > number)
    };
    match (between(true), between(false), asked.lane.is_some() && !numbers.is_empty()) {
        (true, ..) => (MatchKind::Interpolated, 0.7, Vec::new()),
        (_, true, _) => (MatchKind::Interpolated, 0.5, Vec::new()),
        (.., true) => (MatchKind::Road, 0.5, Vec::new()),
        _ => (MatchKind::Road, 0.3, Vec::new()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_writing_of_a_stored_address_finds_it_and_others_what_a_slow_twin_says(
        stored in proptest::collection::vec((some_parts(), any::<u8>()), 1..120),
        asked in proptest::collection::vec((some_parts(), any::<u8>()), 1..40),
    ) {
        // Each house a metre or two from the next, in the order of its number.
        let rows: Vec<AddressRow> = stored.iter().zip(1i64..).map(|(((street, parts), style), id)| {
            let along = parts.number.value().unwrap_or(0) as i32 * 200 + parts.lane.value().unwrap_or(0) as i32 * 20;
            // A register has its regions whole.
            let style = if style % 4 == 2 { style + 1 } else { *style };
            row(id, &written(*street, *parts, style), (100_000 + along, 200_000 + *street as i32 * 1000))
        }).collect();
        let parts: Vec<(usize, Parts)> = stored.iter().map(|(parts, _)| *parts).collect();
        let city = City::of(rows);
        let all = stored.iter().flat_map(|(parts, style)| [(*parts, *style), (*parts, style.wrapping_add(77))]);
        for ((street, asked), style) in all.chain(asked.iter().copied()) {
            let text = written(street, asked, style);
            let answer = city.find(&text);
            if !parts.iter().any(|(of, _)| *of == street) {
                prop_assert!(answer.candidates.iter().all(|found| found.kind == MatchKind::Region), "{}: {:?}", text, answer);
                continue;
            }
            let (kind, score, ids) = slowly(&parts, street, asked);
            let best = &answer.candidates[0];
            prop_assert_eq!((best.kind, best.score), (kind, score), "{}: {:?}", text, answer);
            // Those that say the same are told once.
            let twins = |id: &i64| parts.iter().position(|other| *other == parts[*id as usize - 1]).map(|at| at as i64 + 1);
            let mut expected: Vec<i64> = ids.iter().filter_map(twins).collect();
            expected.sort_unstable();
            expected.dedup();
            expected.truncate(8);
            if kind == MatchKind::Exact {
                let mut found: Vec<i64> =
                    answer.candidates.iter().filter(|c| c.score == score).filter_map(|c| twins(&c.id.map_or(0, |id| id.0))).collect();
                found.sort_unstable();
                found.dedup();
                prop_assert!(ids.len() > 8 || found == expected, "{}: {:?} {:?}", text, found, expected);
            }
        }
    }
}
