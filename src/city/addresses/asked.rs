//! A text that is asked for: what is said around the address, the regions it names, the street, the numbers.

use super::Addresses;
use super::build::region_word;
use super::find::Understood;
use super::houses::is_way;
use crate::domain::address::clean::key;
use crate::domain::address::parts::{Parsed, house, inside, parse};
use crate::territory::Territory;
use crate::territory::words::Mention;

/// What is said before an address and says nothing about it.
const BEGINNINGS: [&str; 16] = [
    "我家住在",
    "我家在",
    "我家",
    "我住在",
    "我住",
    "我在",
    "我们在",
    "家住",
    "住在",
    "就在",
    "位于",
    "地址是",
    "地址",
    "送到",
    "请到",
    "在",
];
/// What is said behind a place, and how far from it that may be: at its door, beside it, across the street.
const ENDS: [(&str, f64); 33] = [
    ("斜对面", ACROSS),
    ("正对面", ACROSS),
    ("马路对面", ACROSS),
    ("对面", ACROSS),
    ("对过", ACROSS),
    ("对门", ACROSS),
    ("大门口", DOOR),
    ("门口", DOOR),
    ("大门", DOOR),
    ("楼下", DOOR),
    ("里面", DOOR),
    ("院内", DOOR),
    ("门前", DOOR),
    ("旁边", BESIDE),
    ("边上", BESIDE),
    ("隔壁", BESIDE),
    ("附近", BESIDE),
    ("周边", BESIDE),
    ("周围", BESIDE),
    ("一带", BESIDE),
    ("东侧", BESIDE),
    ("西侧", BESIDE),
    ("南侧", BESIDE),
    ("北侧", BESIDE),
    ("东边", BESIDE),
    ("西边", BESIDE),
    ("南边", BESIDE),
    ("北边", BESIDE),
    ("前面", BESIDE),
    ("后面", BESIDE),
    ("侧面", BESIDE),
    ("门外", BESIDE),
    ("旁", BESIDE),
];
/// What is said behind a street or a number, and else is part of a name: 办事处, 三岔路口.
const STREET_ENDS: [(&str, f64); 5] = [("路口", BESIDE), ("路边", BESIDE), ("口", BESIDE), ("边", BESIDE), ("处", DOOR)];
const DOOR: f64 = 0.9;
const BESIDE: f64 = 0.8;
/// Borders of grids run along streets.
const ACROSS: f64 = 0.6;
/// Words at the beginning that say nothing.
const SAID_BEFORE: f64 = 0.9;
/// What stands before a street and is something of its own: 工业园区, 新村, 大厦.
pub(super) const AREAS: [&str; 35] = [
    "园区",
    "集聚区",
    "聚集区",
    "管理区",
    "示范区",
    "试验区",
    "保税区",
    "度假区",
    "合作区",
    "高新区",
    "经开区",
    "功能区",
    "片区",
    "港区",
    "城区",
    "老区",
    "小区",
    "开发区",
    "新区",
    "工业区",
    "社区",
    "新村",
    "村",
    "花园",
    "广场",
    "市场",
    "大厦",
    "中心",
    "公园",
    "学校",
    "医院",
    "旁",
    "旁边",
    "附近",
    "的",
];
/// Such a thing that nothing is known of.
const IN_AREA: f64 = 0.8;
/// Other words right before a known street's name are part of a longer name: 新解放路 is not 解放路.
const LONGER_NAME: f64 = 0.5;
/// A text on its way to be understood.
pub(super) struct Asked<'q> {
    pub(super) mentions: Vec<Mention<'q>>,
    /// Without the regions at the beginning.
    pub(super) rest: &'q str,
    pub(super) street: &'q str,
    pub(super) parsed: Parsed<'q>,
    /// What words that were taken off it leave of a score.
    pub(super) said: f64,
    /// The same with those behind its number.
    pub(super) around: f64,
}

/// One way to part the words before the first number: a street, and what stands before it.
pub(super) struct Reading<'q> {
    pub(super) street: &'q str,
    pub(super) mentions: Vec<Mention<'q>>,
    /// Words before the street that are not understood.
    pub(super) before: String,
    /// Provinces, cities and counties that are not here: only an address that names them itself is one.
    pub(super) elsewhere: Vec<String>,
    /// What looks like a region and is none that is known.
    pub(super) unknown: Vec<String>,
    /// What all this leaves of a score.
    pub(super) factor: f64,
}

impl<'q> Reading<'q> {
    /// Nothing is said around it.
    pub(super) fn none(street: &'q str) -> Self {
        Self { street, mentions: Vec::new(), before: String::new(), elsewhere: Vec::new(), unknown: Vec::new(), factor: 1.0 }
    }
}

impl<'q> Asked<'q> {
    /// A cleaned text taken apart; `said`: what words that were taken off it leave of a score.
    pub(super) fn of(territory: &'q Territory, text: &'q str, said: f64) -> Self {
        let (mut mentions, rest) = territory.words().take_off(text);
        let mut parsed = parse(rest, !mentions.is_empty());
        let mut street = parsed.street;
        // 螺门村12号: the village is the street.
        if street.is_empty() && !parsed.parts.is_empty() {
            street = mentions.pop().map_or("", |last| last.text);
        }
        // 5号对面的报亭.
        let place = parsed.place;
        let behind = (ENDS.into_iter().find(|(end, _)| place.starts_with(end)))
            .or_else(|| STREET_ENDS.into_iter().find(|(end, _)| place == *end))
            .map(|(_, factor)| factor);
        if behind.is_some() {
            parsed.place = "";
        }
        Self { mentions, rest, street, parsed, said, around: said * behind.unwrap_or(1.0) }
    }

    /// The name of a street with the regions before it, and nothing more.
    pub(super) fn street(mentions: Vec<Mention<'q>>, rest: &'q str, street: &'q str, said: f64) -> Self {
        Self { mentions, rest, street, parsed: Parsed { street, ..Parsed::default() }, said, around: said }
    }

    /// The street begins at this byte of the words before the first number: what stands before it names regions, or says nothing.
    pub(super) fn reading(&self, addresses: &Addresses, territory: &'q Territory, from: usize) -> Reading<'q> {
        let (more, between) = territory.words().mentions(&self.street[..from]);
        let mut mentions = self.mentions.clone();
        mentions.extend(more);
        let (mut elsewhere, mut unknown, mut factor) = (Vec::new(), Vec::new(), self.around);
        let foreign = mentions.iter().filter(|mention| mention.foreign).map(|mention| mention.text.to_owned());
        elsewhere.extend(foreign);
        let mut rest = between.as_str();
        while let Some(word) = region_word(rest) {
            rest = &rest[word.name.len()..];
            let is_spoken = addresses.spoken.binary_search_by(|spoken| (**spoken).cmp(word.name)).is_ok();
            match word.codes.map(|codes| territory.words().is_here(codes)) {
                _ if is_spoken => {}
                Some(Some(true)) => {}
                Some(_) => elsewhere.push(word.name.to_owned()),
                None => unknown.push(word.name.to_owned()),
            }
        }
        let before = rest.trim();
        let estate = || {
            let wanted = key(before);
            addresses.estates.binary_search_by(|estate| addresses.texts.of(estate.key).cmp(&wanted)).is_ok()
        };
        factor *= match before {
            "" => 1.0,
            _ if estate() => 1.0,
            _ if AREAS.iter().any(|area| before.ends_with(area)) => IN_AREA,
            _ => LONGER_NAME,
        };
        Reading { street: &self.street[from..], mentions, before: before.to_owned(), elsewhere, unknown, factor }
    }

    /// What it was taken for. `found`: an address that names itself what else would be elsewhere.
    pub(super) fn understood(&self, reading: Reading<'_>, found: bool) -> Understood {
        let parts = &self.parsed.parts;
        let known = reading.mentions.iter().filter(|mention| !mention.foreign).map(|mention| mention.text.to_owned());
        let (own, elsewhere) = if found { (reading.elsewhere, Vec::new()) } else { (Vec::new(), reading.elsewhere) };
        Understood {
            // Those above come first.
            regions: own.into_iter().chain(known).collect(),
            elsewhere,
            street: reading.street.to_owned(),
            house: house(parts),
            inside: inside(parts),
            place: self.parsed.place.to_owned(),
            rest: [reading.unknown.concat().as_str(), reading.before.as_str(), self.parsed.tail.as_str()].concat(),
        }
    }
}

/// A text without what only says that an address comes, and what that leaves of a score.
pub(super) fn without_begin(text: &str) -> (&str, f64) {
    match BEGINNINGS.into_iter().find_map(|begin| text.strip_prefix(begin)) {
        Some(rest) => (rest, SAID_BEFORE),
        None => (text, 1.0),
    }
}

/// A text without what only says that it is near, and what that leaves of a score. Two characters are left at least.
pub(super) fn without_end(text: &str) -> (&str, f64) {
    let (mut text, mut factor) = (text, 1.0);
    while let Some((rest, near)) = end_of(text)
        && rest.chars().nth(1).is_some()
    {
        text = rest.strip_suffix('的').unwrap_or(rest);
        factor = f64::min(factor, near);
    }
    (text, factor)
}

/// One such word taken off, and what it leaves of a score.
pub(super) fn end_of(text: &str) -> Option<(&str, f64)> {
    let after_street = |rest: &str| is_way(rest) || rest.ends_with(['号', '幢', '栋', '座']) || rest.ends_with(char::is_numeric);
    ENDS.iter().find_map(|(end, near)| Some((text.strip_suffix(end)?, *near))).or_else(|| {
        let ends = STREET_ENDS.iter().filter_map(|(end, near)| Some((text.strip_suffix(end)?, *near)));
        ends.into_iter().find(|(rest, _)| after_street(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_say_nothing_are_taken_off_the_end() {
        for (text, left) in [
            ("解放路9号旁边", "解放路9号"),
            ("解放路9号对面的", "解放路9号对面的"),
            ("解放路9号门口附近", "解放路9号"),
            ("解放路口", "解放路"),
            ("解放路路口", "解放路"),
            ("解放路边", "解放路"),
            ("解放路12号路口", "解放路12号"),
            ("解放路12号处", "解放路12号"),
            ("昌国街道办事处", "昌国街道办事处"),
            ("三岔口", "三岔口"),
            ("海边", "海边"),
        ] {
            assert_eq!(without_end(text).0, left, "{text}");
        }
    }
}
