//! Regions in the words of an address: 浙江省舟山市定海区解放西路 begins with three, 定海解放西路 with one that lacks its 区.

use super::Territory;
use crate::domain::address::clean::clean;
use crate::domain::id::RegionIx;
use std::collections::HashMap;

/// Names of regions as addresses have them.
#[derive(Debug, Clone, Default)]
pub struct RegionWords {
    /// Whole names → the regions that have them. A province has no region of its own here.
    whole: HashMap<Box<str>, Vec<RegionIx>>,
    /// The same without 市, 区, 县 … at the end.
    short: HashMap<Box<str>, Vec<RegionIx>>,
    /// Most characters of any of them.
    longest: usize,
    /// The first two characters of each of them, and of the provinces, sorted: most texts begin like none.
    starts: Vec<[char; 2]>,
}

/// A region named in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention<'w> {
    /// As it stands there.
    pub text: &'w str,
    /// Which regions are called so; none of a province or country.
    pub regions: &'w [RegionIx],
}

/// Provinces and what is above them: their names with and without their kind.
const PROVINCES: [(&str, &str); 35] = [
    ("中华人民共和国", "中国"),
    ("北京市", "北京"),
    ("天津市", "天津"),
    ("上海市", "上海"),
    ("重庆市", "重庆"),
    ("河北省", "河北"),
    ("山西省", "山西"),
    ("辽宁省", "辽宁"),
    ("吉林省", "吉林"),
    ("黑龙江省", "黑龙江"),
    ("江苏省", "江苏"),
    ("浙江省", "浙江"),
    ("安徽省", "安徽"),
    ("福建省", "福建"),
    ("江西省", "江西"),
    ("山东省", "山东"),
    ("河南省", "河南"),
    ("湖北省", "湖北"),
    ("湖南省", "湖南"),
    ("广东省", "广东"),
    ("海南省", "海南"),
    ("四川省", "四川"),
    ("贵州省", "贵州"),
    ("云南省", "云南"),
    ("陕西省", "陕西"),
    ("甘肃省", "甘肃"),
    ("青海省", "青海"),
    ("台湾省", "台湾"),
    ("内蒙古自治区", "内蒙古"),
    ("广西壮族自治区", "广西"),
    ("西藏自治区", "西藏"),
    ("宁夏回族自治区", "宁夏"),
    ("新疆维吾尔自治区", "新疆"),
    ("香港特别行政区", "香港"),
    ("澳门特别行政区", "澳门"),
];

/// How the names of regions end, the longer first.
const ENDINGS: [&str; 12] = ["自治县", "自治州", "街道", "社区", "市", "区", "县", "州", "旗", "镇", "乡", "省"];

/// A name without what it is; `None` when less than two characters are left.
fn shortened(name: &str) -> Option<&str> {
    let short = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?;
    (short.chars().nth(1).is_some()).then_some(short)
}

fn two(text: &str) -> Option<[char; 2]> {
    let mut chars = text.chars();
    Some([chars.next()?, chars.next()?])
}

impl RegionWords {
    /// Of all regions of a territory.
    pub(super) fn of(territory: &Territory) -> Self {
        let mut words = Self::default();
        for (at, region) in territory.regions.iter().enumerate() {
            let name = clean(&region.name);
            if name.chars().nth(1).is_none() {
                continue;
            }
            let ix = RegionIx(at as u32);
            words.longest = words.longest.max(name.chars().count());
            if let Some(short) = shortened(&name) {
                words.short.entry(short.into()).or_default().push(ix);
            }
            words.whole.entry(name.into()).or_default().push(ix);
        }
        let brief = PROVINCES.iter().flat_map(|(whole, brief)| [*whole, *brief]);
        words.starts = words.whole.keys().map(AsRef::as_ref).chain(brief).filter_map(two).collect();
        words.starts.sort_unstable();
        words.starts.dedup();
        words
    }

    /// The region named at the beginning of a cleaned text, the longest first. `short`: a name without its kind will do.
    fn first<'w>(&'w self, text: &'w str, short: bool) -> Option<Mention<'w>> {
        self.starts.binary_search(&two(text)?).ok()?;
        for (whole, brief) in PROVINCES {
            let named = text.starts_with(whole).then_some(whole).or_else(|| (short && text.starts_with(brief)).then_some(brief));
            // 北京 may be the city itself.
            if let Some(name) = named.filter(|name| !self.whole.contains_key(*name) && !self.short.contains_key(*name)) {
                return Some(Mention { text: &text[..name.len()], regions: &[] });
            }
        }
        let end = text.char_indices().nth(self.longest).map_or(text.len(), |(at, _)| at);
        for end in text[..end].char_indices().rev().map(|(at, c)| at + c.len_utf8()) {
            let name = &text[..end];
            let found = self.whole.get(name).or_else(|| if short { self.short.get(name) } else { None });
            if let Some(regions) = found {
                return Some(Mention { text: name, regions });
            }
        }
        None
    }

    /// Takes the whole names of regions off the beginning of a cleaned text; what is left.
    pub fn take_off<'w>(&'w self, text: &'w str) -> (Vec<Mention<'w>>, &'w str) {
        let (mut mentions, mut rest) = (Vec::new(), text);
        while let Some(mention) = self.first(rest, false) {
            rest = rest[mention.text.len()..].trim_start();
            mentions.push(mention);
        }
        (mentions, rest)
    }

    /// The regions named anywhere in a cleaned text, whole or short, from left to right; what is left between them.
    pub fn mentions<'w>(&'w self, text: &'w str) -> (Vec<Mention<'w>>, String) {
        let (mut mentions, mut between, mut rest) = (Vec::new(), String::new(), text);
        while let Some(c) = rest.chars().next() {
            if let Some(mention) = self.first(rest, true) {
                rest = &rest[mention.text.len()..];
                mentions.push(mention);
            } else {
                between.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        (mentions, between)
    }

    /// The name of a street without the regions it begins with, short names included: 舟山定海解放路 is 解放路. At least three characters are
    /// left: 定海路 and 普陀山路 are streets themselves.
    pub fn behind_short<'t>(&self, name: &'t str) -> &'t str {
        let mut rest = name;
        while let Some(mention) = self.first(rest, true) {
            let behind = rest[mention.text.len()..].trim_start();
            if behind.chars().count() < 3 {
                break;
            }
            rest = behind;
        }
        rest
    }

    /// Something that differs when the names do.
    pub fn tag(&self) -> u64 {
        let mut names: Vec<&str> = self.whole.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        crate::domain::hash::hash64_of_parts(names)
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
        ];
        let grids = vec![grid("330902001001001", area(&[square(0, 0, 1000)]))];
        Territory::build(Epoch(1), &BoundarySet { regions, grids, ..BoundarySet::default() }).expect("a coverage")
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
        let (mentions, between) = words.mentions("我在浙江舟山定海的");
        assert_eq!(mentions.iter().map(|mention| mention.text).collect::<Vec<_>>(), ["浙江", "舟山", "定海"]);
        assert_eq!(between, "我在的");
        for (name, behind) in [("定海解放路", "解放路"), ("舟山定海解放路", "解放路"), ("定海路", "定海路"), ("解放路", "解放路")]
        {
            assert_eq!(words.behind_short(name), behind);
        }
    }
}
