//! A million addresses: how long they take to be taken in, what they hold in memory, how many are found in a second.
//!
//! 4,000 streets of 500 names in 20 towns, houses with flats. Asked for: stored addresses in other writings, numbers between known ones,
//! streets that do not exist, pinyin.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

mod harness;

use harness::{Counted, ROUNDS, bytes, median, mix, seconds};
use wangge::city::Addresses;
use wangge::domain::address::AddressRow;
use wangge::domain::code::Code;
use wangge::domain::grid::{GridKind, GridRecord};
use wangge::domain::id::{AddressId, Epoch};
use wangge::domain::pinyin::Typed;
use wangge::domain::records::{BoundarySet, Provenance};
use wangge::domain::region::RegionRecord;
use wangge::geom::{Area, LatticePoint, Polygon};
use wangge::territory::Territory;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const TOWNS: i32 = 20;
const SIDE: i32 = 1_000_000;
const FIRST: [&str; 25] = [
    "安", "春", "东", "福", "光", "海", "和", "华", "环", "嘉", "建", "金", "景", "康", "临", "明", "宁", "平", "清", "瑞", "盛",
    "泰", "文", "祥", "新",
];
const SECOND: [&str; 20] =
    ["昌", "港", "虹", "江", "澜", "林", "泉", "荣", "涛", "阳", "园", "云", "洲", "山", "河", "桥", "城", "湖", "塘", "岭"];

fn territory() -> Territory {
    let region = |code: String, level: &str, name: String| RegionRecord {
        code: Code::new(&code).expect("a code"),
        level: level.to_owned(),
        name,
        parent: None,
        claim: None,
        provenance: Provenance::default(),
    };
    let corner = |x: i32, y: i32| LatticePoint::new(1_200_000_000 + x, 300_000_000 + y);
    let grid = |town: i32| GridRecord {
        code: Code::new(&format!("330902{:03}001001", town + 1)).expect("a code"),
        name: String::new(),
        kind: GridKind::Base,
        parent: None,
        area: Area::canonical([Polygon {
            exterior: vec![
                corner(town * SIDE, 0),
                corner(town * SIDE + SIDE, 0),
                corner(town * SIDE + SIDE, SIDE),
                corner(town * SIDE, SIDE),
            ],
            holes: vec![],
        }]),
        households: None,
        population: None,
        provenance: Provenance::default(),
    };
    let mut regions = vec![region("3309".into(), "city", "舟山市".into()), region("330902".into(), "county", "定海区".into())];
    for town in 0..TOWNS {
        regions.push(region(format!("330902{:03}", town + 1), "township", format!("第{}镇", town + 1)));
        regions.push(region(format!("330902{:03}001", town + 1), "community", format!("第{}社区", town + 1)));
    }
    regions.sort_by(|a, b| a.code.cmp(&b.code));
    let set = BoundarySet { regions, grids: (0..TOWNS).map(grid).collect(), ..BoundarySet::default() };
    Territory::build(Epoch(1), &set).expect("squares fit")
}

/// Street `n` of 4,000, its town and name.
fn street(n: i32) -> (i32, String) {
    let name = n / 8 % 500;
    (n % TOWNS, format!("{}{}路", FIRST[(name / 20) as usize], SECOND[(name % 20) as usize]))
}

fn rows(count: i64) -> Vec<AddressRow> {
    (0..count)
        .map(|id| {
            let (of, house) = ((id / 250) as i32, (id % 250) as i32);
            let (town, name) = street(of);
            let number = house / 5 * 3 + 1;
            let inside = if house % 5 == 0 { String::new() } else { format!("{}幢{}01室", house % 5 / 3 + 1, house % 5) };
            AddressRow {
                id: AddressId(id + 1),
                at: Some(LatticePoint::new(1_200_000_000 + town * SIDE + 1000 + house * 300, 300_000_000 + 1000 + of * 200)),
                within: None,
                text: format!("舟山市定海区第{}镇{name}{number}号{inside}", town + 1).into(),
                name: "".into(),
            }
        })
        .collect()
}

fn main() {
    let territory = territory();
    for count in [100_000, 1_000_000] {
        // The rows come and go within, so that what is held is the addresses alone.
        let (took, (addresses, held, peak)) = seconds(|| bytes(|| Addresses::new(rows(count), &territory)));
        println!(
            "{count} addresses: made and taken in {took:.2} s, {} bytes each ({} counted by itself), peak {:.0} MB with their rows",
            held / count as usize,
            addresses.bytes() / count as usize,
            peak as f64 / 1e6
        );
        let asked = |what: &str, text: &dyn Fn(i32) -> String| {
            let texts: Vec<String> = (0..20_000).map(|n: i32| text(n.wrapping_mul(7919).rem_euclid(4000))).collect();
            let mut sum = 0;
            let rates = (0..ROUNDS).map(|_| {
                let (took, mixed) = seconds(|| {
                    texts.iter().fold(0, |sum, text| {
                        let found = addresses.find(&territory, text, 10, |_| true);
                        let first = found.candidates.first();
                        let id = first.and_then(|first| first.id).map_or(0, |id| id.0.cast_unsigned());
                        mix(mix(sum, found.total as u64), id)
                    })
                });
                sum = mixed;
                texts.len() as f64 / took
            });
            println!("  {what:<44}{:>10.0} a second  checksum {sum:016x}", median(rates.collect()));
        };
        asked("stored, whole", &|n| format!("舟山市定海区第{}镇{}4号", street(n).0 + 1, street(n).1));
        asked("stored, in another writing", &|n| format!("第{}镇 {}４号１栋２０１室", street(n).0 + 1, street(n).1));
        asked("without its regions: 8 streets of that name", &|n| format!("{}4号", street(n).1));
        asked("a number between two", &|n| format!("定海区第{}镇{}5号", street(n).0 + 1, street(n).1));
        asked("a crossing of two streets, 8 of each name", &|n| format!("{}与{}交叉口", street(n).1, street(n + 20).1));
        asked("with words around it", &|n| format!("我家住在第{}镇{}4号旁边", street(n).0 + 1, street(n).1));
        asked("in a county that is elsewhere", &|n| format!("杭州市西湖区{}4号", street(n).1));
        asked("a street that is not there", &|n| format!("定海区没有{n}的大街5号"));
        let typed = Typed::of("anchanglu").expect("letters");
        let (took, found) = seconds(|| addresses.streets().filter(|(name, _)| typed.fit(name).is_some()).count());
        println!("  pinyin over all streets: {:.2} ms, {found} found", took * 1e3);
    }
}
