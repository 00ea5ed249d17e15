//! Regions in the words of an address: 浙江省舟山市定海区解放西路 begins with three, 定海解放西路 with one that lacks its 区.

use super::Territory;
use crate::domain::address::clean::clean;
use crate::domain::address::places::{PlaceCode, daily, without_peoples};
use crate::domain::id::RegionIx;
use std::collections::{BTreeSet, HashMap};

/// Names of regions as addresses have them.
#[derive(Debug, Clone, Default)]
pub struct RegionWords {
    /// Whole names → the regions that have them. A province has no region of its own here.
    whole: HashMap<Box<str>, Vec<RegionIx>>,
    /// The same without 市, 区, 县 … at the end; names that tell no kind are only here: 和平 of 和平中路 may be no region.
    short: HashMap<Box<str>, Vec<RegionIx>>,
    /// Most characters of any of them.
    longest: usize,
    /// The first two characters of each of them, and of the provinces, sorted: most texts begin like none.
    starts: Vec<[char; 2]>,
    /// The provinces that the codes of the regions lie in; empty when the codes tell none.
    home: Vec<&'static str>,
    /// The cities and counties that the codes of the regions lie in, by GB/T 2260; empty when the codes tell none.
    places: BTreeSet<PlaceCode>,
    /// What each region is, by the ending of its name.
    kinds: Vec<Option<u8>>,
}

/// A region named in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention<'w> {
    /// As it stands there.
    pub text: &'w str,
    /// Which regions are called so; none of a province or country.
    pub regions: &'w [RegionIx],
    /// A province that this is no part of.
    pub foreign: bool,
}

/// Which names of regions are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Those that tell what they are.
    Whole,
    /// Others, too, where nothing is called after them: 定海 of 定海解放路, not of 定海东路.
    Short,
    /// All of them.
    Any,
}

/// Provinces and what is above them: the beginning of their codes (GB/T 2260), their names with and without their kind.
const PROVINCES: [(&str, &str, &str); 35] = [
    ("", "中华人民共和国", "中国"),
    ("11", "北京市", "北京"),
    ("12", "天津市", "天津"),
    ("31", "上海市", "上海"),
    ("50", "重庆市", "重庆"),
    ("13", "河北省", "河北"),
    ("14", "山西省", "山西"),
    ("21", "辽宁省", "辽宁"),
    ("22", "吉林省", "吉林"),
    ("23", "黑龙江省", "黑龙江"),
    ("32", "江苏省", "江苏"),
    ("33", "浙江省", "浙江"),
    ("34", "安徽省", "安徽"),
    ("35", "福建省", "福建"),
    ("36", "江西省", "江西"),
    ("37", "山东省", "山东"),
    ("41", "河南省", "河南"),
    ("42", "湖北省", "湖北"),
    ("43", "湖南省", "湖南"),
    ("44", "广东省", "广东"),
    ("46", "海南省", "海南"),
    ("51", "四川省", "四川"),
    ("52", "贵州省", "贵州"),
    ("53", "云南省", "云南"),
    ("61", "陕西省", "陕西"),
    ("62", "甘肃省", "甘肃"),
    ("63", "青海省", "青海"),
    ("71", "台湾省", "台湾"),
    ("15", "内蒙古自治区", "内蒙古"),
    ("45", "广西壮族自治区", "广西"),
    ("54", "西藏自治区", "西藏"),
    ("64", "宁夏回族自治区", "宁夏"),
    ("65", "新疆维吾尔自治区", "新疆"),
    ("81", "香港特别行政区", "香港"),
    ("82", "澳门特别行政区", "澳门"),
];

/// How the names of regions end, the longer first, and which may stand for each other: a township is a 镇 today and was a 乡, a county was a
/// 县 and is a 区.
const ENDINGS: [(&str, u8); 13] = [
    ("自治县", 2),
    ("自治旗", 2),
    ("自治州", 1),
    ("街道", 3),
    ("社区", COMMUNITY),
    ("市", 2),
    ("区", 2),
    ("县", 2),
    ("州", 1),
    ("旗", 2),
    ("镇", 3),
    ("乡", 3),
    ("省", 0),
];

/// The kind of counties; what is above has less.
const COUNTY: u8 = 2;
const COMMUNITY: u8 = 4;

/// What runs a community or village, and stands behind its name.
const COMMITTEES: [&str; 4] = ["村民委员会", "居民委员会", "村委会", "居委会"];

/// A name without what it is, and the kind of that; `None` when less than two characters are left.
fn shortened(name: &str) -> Option<(&str, u8)> {
    let (short, kind) = ENDINGS.iter().find_map(|(ending, kind)| Some((name.strip_suffix(ending)?, *kind)))?;
    let short = if short.ends_with('族') || name.contains("自治") { without_peoples(short) } else { short };
    (short.chars().nth(1).is_some()).then_some((short, kind))
}

/// The name of a community or village without its committee: 和平社区居民委员会, 螺门村民委员会, 解放居委会.
fn without_committee(name: &str) -> Option<&str> {
    let (committee, bare) = COMMITTEES.iter().find_map(|committee| Some((*committee, name.strip_suffix(committee)?)))?;
    // 螺门村民委员会 is of 螺门村, and so is 螺门村村民委员会.
    let bare = if committee.starts_with('村') && !bare.ends_with('村') { &name[..bare.len() + '村'.len_utf8()] } else { bare };
    bare.chars().nth(1).is_some().then_some(bare)
}

/// Bytes of a committee that stands behind the name of a community or village.
fn committee_behind(name: &str, rest: &str) -> usize {
    let shared = name.ends_with('村').then_some(["民委员会", "委会"]).into_iter().flatten();
    COMMITTEES.into_iter().chain(shared).find(|committee| rest.starts_with(committee)).map_or(0, str::len)
}

/// Whether a name and what stands behind it are the name of something else: 舟山市场, 螺门村路5号.
fn goes_on(name: &str, rest: &str) -> bool {
    name.ends_with('市') && rest.starts_with('场') || begins_like_a_way(rest)
}

/// The same of a name without its kind, after which streets and houses are called: 北京东路, 上海二路, 重庆饭店.
fn names_something(rest: &str) -> bool {
    let turns = rest.trim_start_matches(|c| "东南西北中前后上下新老大一二三四五六七八九十".contains(c));
    begins_like_a_way(turns) || HOUSES.iter().any(|house| rest.starts_with(house))
}

/// What may follow the name of a region that a house is called after.
const HOUSES: [&str; 12] = ["大厦", "饭店", "酒店", "大酒店", "宾馆", "广场", "花园", "新村", "小区", "公寓", "商城", "商场"];

/// Whether a text begins with the kind of a street, behind which its number stands or nothing.
fn begins_like_a_way(text: &str) -> bool {
    let mut chars = text.chars();
    matches!(chars.next(), Some('路' | '街' | '巷' | '弄' | '道' | '桥'))
        && chars.next().is_none_or(|c| c.is_ascii_digit() || "一二三四五六七八九十百".contains(c))
}

/// Whether a name says what it is.
fn tells_its_kind(name: &str) -> bool {
    name.ends_with('村') || shortened(name).is_some()
}

fn two(text: &str) -> Option<[char; 2]> {
    let mut chars = text.chars();
    Some([chars.next()?, chars.next()?])
}

/// The cities and counties that codes of regions lie in, where they are codes of GB/T 2260 and what is made of them.
fn places_of<'c>(codes: impl Iterator<Item = &'c str>) -> BTreeSet<PlaceCode> {
    let digits = |code: &str, count: usize| code.get(..count).and_then(|digits| digits.parse::<PlaceCode>().ok());
    let in_china = |code: &&str| PROVINCES.iter().any(|(province, ..)| !province.is_empty() && code.starts_with(province));
    let known = codes.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit())).filter(in_china);
    // 330900 is a city.
    let county = |code| digits(code, 6).filter(|county| county % 100 != 0);
    known.flat_map(|code| [digits(code, 4), county(code)]).flatten().collect()
}

impl RegionWords {
    /// Of all regions of a territory.
    pub(super) fn of(territory: &Territory) -> Self {
        let mut words = Self::default();
        for (at, region) in territory.regions.iter().enumerate() {
            let name = clean(&region.name);
            // 西门居委会 is of a 社区.
            let of_committee = without_committee(&name).filter(|bare| !bare.ends_with('村'));
            let kind = shortened(of_committee.unwrap_or(&name)).map(|(_, kind)| kind);
            words.kinds.push(kind.or(of_committee.map(|_| COMMUNITY)));
            if name.chars().nth(1).is_none() {
                continue;
            }
            let ix = RegionIx(at as u32);
            words.longest = words.longest.max(name.chars().count());
            let bare = without_committee(&name).unwrap_or(&name);
            match shortened(bare) {
                Some((short, _)) => words.short.entry(short.into()).or_default().push(ix),
                None if bare.len() < name.len() && !bare.ends_with('村') => words.short.entry(bare.into()).or_default().push(ix),
                None => {}
            }
            if bare.len() < name.len() && (bare.ends_with('村') || shortened(bare).is_some()) {
                words.whole.entry(bare.into()).or_default().push(ix);
            }
            if let Some(daily) = daily(&name) {
                words.whole.entry(daily.into()).or_default().push(ix);
            }
            let names = if bare.len() < name.len() || tells_its_kind(&name) { &mut words.whole } else { &mut words.short };
            names.entry(name.into()).or_default().push(ix);
        }
        let codes = || territory.regions.iter().map(|region| region.code.as_str());
        let in_it = |province: &str| {
            codes().any(|code| code.len() >= 4 && code.starts_with(province) && code.bytes().all(|byte| byte.is_ascii_digit()))
        };
        words.home = PROVINCES.into_iter().map(|(code, ..)| code).filter(|code| !code.is_empty() && in_it(code)).collect();
        words.places = places_of(codes());
        let brief = PROVINCES.iter().flat_map(|(_, whole, brief)| [*whole, *brief]);
        words.starts = words.whole.keys().chain(words.short.keys()).map(AsRef::as_ref).chain(brief).filter_map(two).collect();
        words.starts.sort_unstable();
        words.starts.dedup();
        words
    }

    /// The region named at the beginning of a cleaned text, the longest first, and the bytes it takes.
    fn first<'w>(&'w self, text: &'w str, names: Names) -> Option<(Mention<'w>, usize)> {
        let short = names != Names::Whole;
        let means_it = |behind: &str| names == Names::Any || !names_something(behind);
        self.starts.binary_search(&two(text)?).ok()?;
        for (code, whole, brief) in PROVINCES {
            let named = text.starts_with(whole).then_some(whole).or_else(|| {
                let behind = text.strip_prefix(brief).filter(|_| short)?;
                means_it(behind).then_some(brief)
            });
            // 北京 may be the city itself.
            if let Some(name) = named.filter(|name| !self.whole.contains_key(*name) && !self.short.contains_key(*name)) {
                let foreign = !code.is_empty() && !self.home.is_empty() && !self.home.contains(&code);
                return Some((Mention { text: &text[..name.len()], regions: &[], foreign }, name.len()));
            }
        }
        let end = text.char_indices().nth(self.longest).map_or(text.len(), |(at, _)| at);
        for end in text[..end].char_indices().rev().map(|(at, c)| at + c.len_utf8()) {
            let (name, rest) = text.split_at(end);
            let of = |regions| Mention { text: name, regions, foreign: false };
            if let Some(regions) = self.whole.get(name).filter(|_| !goes_on(name, rest)) {
                return Some((of(regions), end + committee_behind(name, rest)));
            }
            let Some(regions) = self.short.get(name).filter(|_| short) else { continue };
            // 西湖区 is not 西湖村, 昌国镇 may be 昌国街道.
            match ENDINGS.iter().find(|(ending, _)| rest.starts_with(ending)) {
                None if !means_it(rest) => {}
                None => return Some((of(regions), end + committee_behind(name, rest))),
                Some((ending, kind)) if self.ends_like(regions, *kind) => {
                    let behind = &rest[ending.len()..];
                    return Some((of(regions), end + ending.len() + committee_behind(name, behind)));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// Whether one of some regions is of this kind.
    fn ends_like(&self, regions: &[RegionIx], kind: u8) -> bool {
        regions.iter().any(|ix| self.kinds.get(ix.0 as usize) == Some(&Some(kind)))
    }

    /// Whether a region is a county or above, by its name.
    pub fn is_county(&self, ix: RegionIx) -> bool {
        self.kinds.get(ix.0 as usize).is_some_and(|kind| kind.is_some_and(|kind| kind <= COUNTY))
    }

    /// Whether one of these cities and counties is here; `None` when the codes of the regions do not tell.
    pub fn is_here(&self, codes: &[PlaceCode]) -> Option<bool> {
        let county_of = |city: PlaceCode| self.places.range(city * 100..(city + 1) * 100).next().is_some();
        let here = |code: &PlaceCode| match code {
            0..10_000 => self.places.contains(code),
            // A city of which no county is told has all of its counties.
            _ => self.places.contains(code) || self.places.contains(&(code / 100)) && !county_of(code / 100),
        };
        (!self.places.is_empty()).then(|| codes.iter().any(here))
    }

    /// Takes the whole names of regions off the beginning of a cleaned text; what is left.
    pub fn take_off<'w>(&'w self, text: &'w str) -> (Vec<Mention<'w>>, &'w str) {
        let (mut mentions, mut rest) = (Vec::new(), text);
        while let Some((mention, bytes)) = self.first(rest, Names::Whole) {
            rest = rest[bytes..].trim_start();
            mentions.push(mention);
        }
        (mentions, rest)
    }

    /// The regions named anywhere in a cleaned text, whole or short, from left to right; what is left between them. A province of which
    /// only the brief name is told is another one only at the beginning: 西湖南 is not 湖南.
    pub fn mentions<'w>(&'w self, text: &'w str) -> (Vec<Mention<'w>>, String) {
        let (mut mentions, mut between, mut rest) = (Vec::new(), String::new(), text);
        while let Some(c) = rest.chars().next() {
            match self.first(rest, Names::Short) {
                Some((mention, bytes)) if !mention.foreign || between.is_empty() => {
                    rest = &rest[bytes..];
                    mentions.push(mention);
                }
                _ => {
                    between.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        (mentions, between)
    }

    /// The name of a street without the regions it begins with, short names included: 舟山定海解放路 is 解放路. At least three characters are
    /// left: 定海路 and 普陀山路 are streets themselves. 舟山东大街 may be one, too: who asks must look for the whole name first.
    pub fn behind_short<'t>(&self, name: &'t str) -> &'t str {
        let mut rest = name;
        while let Some((mention, bytes)) = self.first(rest, Names::Any) {
            let behind = rest[bytes..].trim_start();
            if mention.foreign || behind.chars().count() < 3 {
                break;
            }
            rest = behind;
        }
        rest
    }

    /// Something that differs when the names do.
    pub fn tag(&self) -> u64 {
        let sorted = |names: &HashMap<Box<str>, Vec<RegionIx>>| {
            let mut names: Vec<&str> = names.keys().map(AsRef::as_ref).collect();
            names.sort_unstable();
            crate::domain::hash::hash64_of_parts(names)
        };
        let places = self.places.iter().map(PlaceCode::to_string).collect::<Vec<_>>().join(" ");
        let home = crate::domain::hash::hash64_of_parts(self.home.iter().copied().chain([places.as_str()]));
        sorted(&self.whole) ^ sorted(&self.short).rotate_left(1) ^ home.rotate_left(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Epoch;
    use crate::domain::records::BoundarySet;
    use crate::territory::samples::{area, grid, region, square};

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
            named("330902001001", "community", "和平社区"),
            named("330902001002", "community", "海滨社区居民委员会"),
            named("330902001003", "community", "螺门村民委员会"),
            named("330902001004", "community", "东门居委会"),
            named("330902001005", "community", "新河"),
            named("330928", "county", "长阳土家族自治县"),
        ];
        let grids = vec![grid("330902001001001", area(&[square(0, 0, 1000)]))];
        Territory::build(Epoch(1), &BoundarySet { regions, grids, ..BoundarySet::default() }).expect("a coverage")
    }

    #[test]
    fn the_codes_of_the_regions_tell_which_cities_and_counties_are_here() {
        let of = |codes: &[&str]| RegionWords { places: places_of(codes.iter().copied()), ..RegionWords::default() };
        let whole = of(&["3309", "330902"]);
        assert_eq!([3309, 330_902, 330_903, 3301].map(|code| whole.is_here(&[code])), [true, true, false, false].map(Some));
        assert_eq!(whole.is_here(&[110_105, 330_902]), Some(true), "one of that name is here");
        let city = of(&["330900"]);
        assert_eq!([3309, 330_902, 3301].map(|code| city.is_here(&[code])), [true, true, false].map(Some));
        let town = of(&["321183101"]);
        assert_eq!([3211, 321_183, 321_112].map(|code| town.is_here(&[code])), [true, true, false].map(Some));
        assert_eq!(of(&["A1"]).is_here(&[3309]), None);
    }

    #[test]
    fn whole_names_come_off_the_front_and_short_ones_are_found_when_asked_for() {
        let territory = territory();
        let words = territory.words();
        let off = |text: &'static str| {
            let (mentions, rest) = words.take_off(text);
            (mentions.iter().map(|mention| mention.text).collect::<Vec<_>>().join("/"), rest)
        };
        assert_eq!(off("浙江省舟山市定海区昌国街道解放路5号"), ("浙江省/舟山市/定海区/昌国街道".to_owned(), "解放路5号"));
        assert_eq!(off("定海路5号"), (String::new(), "定海路5号"));
        assert_eq!(off("定海区"), ("定海区".to_owned(), ""));
        for (text, named, rest) in [
            ("海滨社区解放路5号", "海滨社区", "解放路5号"),
            ("和平社区居民委员会解放路5号", "和平社区", "解放路5号"),
            ("螺门村12号", "螺门村", "12号"),
            ("螺门村村委会12号", "螺门村", "12号"),
            ("螺门村委会12号", "螺门村", "12号"),
            ("舟山市场路5号", "", "舟山市场路5号"),
            ("螺门村路5号", "", "螺门村路5号"),
        ] {
            assert_eq!(off(text), (named.to_owned(), rest));
        }
        let (mentions, between) = words.mentions("东门昌国镇定海县舟山区");
        assert_eq!(mentions.iter().map(|mention| mention.text).collect::<Vec<_>>(), ["东门", "昌国", "定海", "舟山"]);
        assert_eq!(between, "");
        let (mentions, between) = words.mentions("和平镇");
        assert_eq!((mentions, between.as_str()), (Vec::new(), "和平镇"));
        for (text, named, rest) in [
            ("长阳县解放路5号", "长阳县", "解放路5号"),
            ("长阳土家族自治县解放路5号", "长阳土家族自治县", "解放路5号"),
            ("新河中路5号", "", "新河中路5号"),
            ("新河5号", "", "新河5号"),
        ] {
            assert_eq!(off(text), (named.to_owned(), rest));
        }
        for (text, named, between) in [
            ("新河中路", "", "新河中路"),
            ("北京路", "", "北京路"),
            ("上海东二路", "", "上海东二路"),
            ("重庆饭店", "", "重庆饭店"),
            ("长阳新河解放路", "长阳/新河", "解放路"),
            ("定海中路", "", "定海中路"),
        ] {
            let (mentions, left) = words.mentions(text);
            let found = mentions.iter().map(|mention| mention.text).collect::<Vec<_>>().join("/");
            assert_eq!((found.as_str(), left.as_str()), (named, between));
        }
        let foreign = |text| words.mentions(text).0.iter().map(|mention| mention.foreign).collect::<Vec<_>>();
        assert_eq!((foreign("浙江"), foreign("江苏省"), foreign("西湖南")), (vec![false], vec![true], vec![]));
        let (mentions, between) = words.mentions("我在浙江舟山定海的");
        assert_eq!(mentions.iter().map(|mention| mention.text).collect::<Vec<_>>(), ["浙江", "舟山", "定海"]);
        assert_eq!(between, "我在的");
        for (name, behind) in [("定海解放路", "解放路"), ("舟山定海解放路", "解放路"), ("定海路", "定海路"), ("解放路", "解放路")]
        {
            assert_eq!(words.behind_short(name), behind);
        }
    }
}
