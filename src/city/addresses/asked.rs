//! A text that is asked for: what is said around the address, the regions it names, the street, the numbers.

use super::Addresses;
use super::build::{is_county, region_word};
use super::find::Understood;
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
const ENDS: [(&str, f64); 36] = [
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
    ("路口", BESIDE),
    ("路边", BESIDE),
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
    ("处", DOOR),
];
const DOOR: f64 = 0.9;
const BESIDE: f64 = 0.8;
/// Borders of grids run along streets.
const ACROSS: f64 = 0.6;
/// Words at the beginning that say nothing.
const SAID_BEFORE: f64 = 0.9;
/// What stands before a street and is something of its own: 工业园区, 新村, 大厦.
const AREAS: [&str; 20] = [
    "园区",
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
/// A township of a name that is unknown here.
const OTHER_TOWNSHIP: f64 = 0.5;

/// A text on its way to be understood.
pub(super) struct Asked<'q> {
    pub(super) mentions: Vec<Mention<'q>>,
    /// Without the regions at the beginning.
    pub(super) rest: &'q str,
    pub(super) street: &'q str,
    pub(super) parsed: Parsed<'q>,
    /// What words around it leave of a score.
    pub(super) around: f64,
}

/// One way to part the words before the first number: a street, and what stands before it.
pub(super) struct Reading<'q> {
    pub(super) street: &'q str,
    pub(super) mentions: Vec<Mention<'q>>,
    /// Words before the street that are not understood.
    pub(super) before: String,
    /// Provinces, cities and counties that are not here.
    pub(super) elsewhere: Vec<String>,
    /// What all this leaves of a score.
    pub(super) factor: f64,
}

impl<'q> Reading<'q> {
    /// Nothing is said around it.
    pub(super) fn none(street: &'q str) -> Self {
        Self { street, mentions: Vec::new(), before: String::new(), elsewhere: Vec::new(), factor: 1.0 }
    }
}

impl<'q> Asked<'q> {
    /// A cleaned text taken apart.
    pub(super) fn of(territory: &'q Territory, clean: &'q str) -> Self {
        let begin = BEGINNINGS.into_iter().find(|begin| clean.starts_with(begin)).map_or(0, str::len);
        let said = if begin > 0 { SAID_BEFORE } else { 1.0 };
        let (text, near) = without_end(&clean[begin..]);
        let (mut mentions, rest) = territory.words().take_off(text);
        let mut parsed = parse(rest, !mentions.is_empty());
        let mut street = parsed.street;
        // 螺门村12号: the village is the street.
        if street.is_empty() && !parsed.parts.is_empty() {
            street = mentions.pop().map_or("", |last| last.text);
        }
        // 5号对面的报亭.
        let behind = ENDS.into_iter().find(|(end, _)| parsed.place.starts_with(end)).map(|(_, factor)| factor);
        if behind.is_some() {
            parsed.place = "";
        }
        Self { mentions, rest, street, parsed, around: said * near * behind.unwrap_or(1.0) }
    }

    /// The street begins at this byte of the words before the first number: what stands before it names regions, or says nothing.
    pub(super) fn reading(&self, addresses: &Addresses, territory: &'q Territory, from: usize) -> Reading<'q> {
        let (more, between) = territory.words().mentions(&self.street[..from]);
        let mut mentions = self.mentions.clone();
        mentions.extend(more);
        let (mut elsewhere, mut factor) = (Vec::new(), self.around);
        let foreign = mentions.iter().filter(|mention| mention.foreign).map(|mention| mention.text.to_owned());
        elsewhere.extend(foreign);
        let mut rest = between.as_str();
        while let Some(name) = region_word(rest) {
            rest = &rest[name.len()..];
            match addresses.spoken.binary_search_by(|spoken| (**spoken).cmp(name)) {
                Ok(_) => {}
                Err(_) if is_county(name) => elsewhere.push(name.to_owned()),
                Err(_) => factor *= OTHER_TOWNSHIP,
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
        Reading { street: &self.street[from..], mentions, before: before.to_owned(), elsewhere, factor }
    }

    /// What it was taken for.
    pub(super) fn understood(&self, reading: Reading<'_>) -> Understood {
        let parts = &self.parsed.parts;
        let known = reading.mentions.iter().filter(|mention| !mention.foreign);
        Understood {
            regions: known.map(|mention| mention.text.to_owned()).collect(),
            elsewhere: reading.elsewhere,
            street: reading.street.to_owned(),
            house: house(parts),
            inside: inside(parts),
            place: self.parsed.place.to_owned(),
            rest: [reading.before.as_str(), self.parsed.tail.as_str()].concat(),
        }
    }
}

/// A text without what only says that it is near, and what that leaves of a score. Two characters are left at least.
fn without_end(text: &str) -> (&str, f64) {
    let (mut text, mut factor) = (text, 1.0);
    while let Some((rest, near)) = ENDS.iter().find_map(|(end, near)| Some((text.strip_suffix(end)?, *near)))
        && rest.chars().nth(1).is_some()
    {
        text = rest.strip_suffix('的').unwrap_or(rest);
        factor = f64::min(factor, near);
    }
    (text, factor)
}
