//! Rows of a store → addresses in memory.

use super::asked::AREAS;
use super::houses::is_way;
use super::{Addresses, Estate, House, How, Interned, NOWHERE, Near, Site, Street, Text, Texts};
use crate::domain::address::AddressRow;
use crate::domain::address::clean::{clean, key, loose};
use crate::domain::address::parts::{Parsed, parse};
use crate::domain::address::places::{self, PlaceCode};
use crate::domain::code::Code;
use crate::geom::LatticePoint;
use crate::territory::Territory;
use crate::territory::words::RegionWords;
use std::collections::{BTreeMap, HashMap};

/// Houses of one name belong together when a chain of cells of this size (0.02°, 2 km) that touch each other joins them.
const CELL: i32 = 200_000;

/// A word that looks like a region and is none that is known is the city's own where one address of so many has it.
const OFTEN: usize = 10;

/// An address on its way in.
struct Draft {
    key: Text,
    street: Text,
    /// Which of the streets of its name.
    cluster: u32,
    house: House,
    within: Option<Code>,
}

/// A text of a register taken apart.
pub(super) struct Apart<'t> {
    /// Its beginning: regions, and words that look like regions.
    pub(super) prefix: &'t str,
    pub(super) street: &'t str,
    pub(super) parsed: Parsed<'t>,
    /// The text that was parsed begins at this byte.
    pub(super) from: usize,
    /// What looks like a region, and is none that is known.
    pub(super) spoken: Vec<&'t str>,
}

/// Takes a cleaned text of a register apart.
pub(super) fn apart<'t>(text: &'t str, words: &'t RegionWords) -> Apart<'t> {
    let (mut mentions, mut rest) = words.take_off(text);
    let mut spoken = Vec::new();
    // 镇江市句容市解放路: the city above may not be among the regions.
    while let Some(RegionWord { name, .. }) = region_word(rest).filter(|word| begins_a_street(&rest[word.name.len()..])) {
        spoken.push(name);
        rest = &rest[name.len()..];
        let (more, behind) = words.take_off(rest);
        mentions.extend(more);
        rest = behind;
    }
    let parsed = parse(rest, !mentions.is_empty() || !spoken.is_empty());
    let mut prefix = &text[..text.len() - rest.len()];
    let mut street = parsed.street;
    if let (true, Some(last)) = (street.is_empty(), mentions.last()) {
        // 螺门村12号: the village is the street.
        street = last.text;
        prefix = prefix.find(street).map_or(prefix, |at| &prefix[..at]);
    }
    Apart { prefix, street, from: text.len() - rest.len(), parsed, spoken }
}

/// Whether what stands behind a region may be a street: a name of three characters at least with its number.
fn begins_a_street(text: &str) -> bool {
    text.chars().nth(2).is_some() && !text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// How the names of regions end that are looked for where no known one stands.
const KINDS: [&str; 8] = ["自治州", "自治县", "市", "县", "区", "街道", "镇", "乡"];
/// What ends so and is no region.
const NO_REGIONS: [&str; 66] = [
    "超市", "夜市", "集市", "菜市", "早市", "门市", "城市", "都市", "花市", "闹市", "小区", "园区", "社区", "景区", "厂区",
    "校区", "库区", "矿区", "片区", "街区", "港区", "城区", "市区", "郊区", "新区", "发区", "税区", "农区", "林区", "山区",
    "地区", "学区", "活区", "舍区", "宅区", "业区", "能区", "范区", "假区", "务区", "院区", "营区", "南区", "北区", "东区",
    "西区", "中区", "一区", "二区", "三区", "四区", "五区", "分区", "居区", "聚区", "集区", "理区", "验区", "作区", "游区",
    "小镇", "古镇", "水乡", "家乡", "老乡", "城镇",
];
/// What shows behind such an ending that it is none: 市场, 镇政府, 乡村.
const NO_ENDS: [&str; 12] = ["场", "民", "政", "域", "块", "间", "村", "中心", "府", "路", "街", "内"];

/// What looks like the name of a region, where no known one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RegionWord<'t> {
    pub(super) name: &'t str,
    /// Of a city or county that there is: those that are called so.
    pub(super) codes: Option<&'static [PlaceCode]>,
}

/// What looks like the name of a region at the beginning of a cleaned text: a city or county, else at least two characters and a kind.
pub(super) fn region_word(text: &str) -> Option<RegionWord<'_>> {
    let ends = |name: &str| !NO_ENDS.iter().any(|no| text[name.len()..].starts_with(no));
    if let Some((name, codes)) = places::first(text).filter(|(name, _)| ends(name)) {
        return Some(RegionWord { name, codes: Some(codes) });
    }
    for (at, c) in text.char_indices().skip(2).take(8) {
        // 玫瑰园A区, 东海花园三区: parts of an estate.
        if c.is_ascii_alphanumeric() || "一二三四五六七八九十".contains(c) {
            return None;
        }
        let Some(kind) = KINDS.iter().find(|kind| text[at..].starts_with(**kind)) else { continue };
        let name = &text[..at + kind.len()];
        if !NO_REGIONS.iter().any(|no| name.ends_with(no)) && ends(name) {
            return Some(RegionWord { name, codes: None });
        }
    }
    None
}

impl Addresses {
    /// All of them at once: about 3 µs each.
    pub fn new(rows: Vec<AddressRow>, territory: &Territory) -> Self {
        let words = territory.words();
        let said = Self::hash_of(&rows);
        let mut texts = Interned::default();
        let mut spoken: HashMap<Box<str>, usize> = HashMap::new();
        let mut drafts: Vec<Draft> = rows.into_iter().map(|row| draft(row, words, &mut texts, &mut spoken)).collect();
        let ranks = ranks(&drafts, &texts.texts);
        drafts.sort_unstable_by_key(|draft| ranks[draft.key.0 as usize]);
        drafts.chunk_by_mut(|a, b| a.key == b.key).for_each(|street| {
            let numbers = clusters(street.iter().map(|draft| (draft.house.at(), draft.within.as_ref())));
            street.iter_mut().zip(numbers).for_each(|(draft, number)| draft.cluster = number);
        });
        let order = |draft: &Draft| (draft.cluster, draft.house.parts, draft.house.place, draft.house.tail, draft.house.id);
        drafts.chunk_by_mut(|a, b| a.key == b.key).for_each(|street| street.sort_unstable_by_key(order));

        let mut all = Self { words: words.tag(), rows: said, houses: Vec::with_capacity(drafts.len()), ..Self::default() };
        let mut last = None;
        for draft in drafts {
            let at = u32::try_from(all.houses.len()).expect("a city has fewer than 2^32 addresses");
            if last.replace((draft.key, draft.cluster)) != Some((draft.key, draft.cluster)) {
                all.streets.push(Street { key: draft.key, name: draft.street, first: at });
            }
            if let (None, Some(within)) = (draft.house.at(), draft.within) {
                all.within.insert(at, within);
            }
            all.houses.push(draft.house);
        }
        let often = |count: usize| count * OFTEN >= all.houses.len();
        all.spoken = spoken.into_iter().filter(|(_, count)| often(*count)).map(|(word, _)| word).collect();
        all.spoken.sort_unstable();
        all.settle(&mut texts);
        all.name_nearly(words, &mut texts);
        all.named = all.by_name(&mut texts);
        all.texts = texts.texts;
        all.streets.shrink_to_fit();
        all.texts.all.shrink_to_fit();
        all.texts.starts.shrink_to_fit();
        all
    }

    /// Finds the estates.
    fn settle(&mut self, texts: &mut Interned) {
        let mut keys: HashMap<Text, Text> = HashMap::new();
        let mut placed: Vec<(Text, u32)> = Vec::new();
        for (at, house) in (0..).zip(&self.houses).filter(|(_, house)| house.place != Text::default()) {
            let key = *keys.entry(house.place).or_insert_with(|| {
                let key = key(texts.texts.of(house.place));
                texts.add(&key)
            });
            placed.push((key, at));
        }
        placed.sort_by(|a, b| texts.texts.of(a.0).cmp(texts.texts.of(b.0)).then(a.1.cmp(&b.1)));
        for estate in placed.chunk_by(|a, b| a.0 == b.0) {
            let within = |at: u32| self.within.get(&at);
            let numbers = clusters(estate.iter().map(|(_, at)| (self.houses[*at as usize].at(), within(*at))));
            let mut houses: Vec<(u32, u32)> = numbers.into_iter().zip(estate.iter().map(|(_, at)| *at)).collect();
            houses.sort_unstable();
            for together in houses.chunk_by(|a, b| a.0 == b.0) {
                self.estates.push(Estate { key: estate[0].0, first: self.places.len() as u32 });
                self.places.extend(together.iter().map(|(_, at)| *at));
            }
        }
        self.places.shrink_to_fit();
        self.estates.shrink_to_fit();
    }

    /// Finds names that are near to those of streets and estates.
    fn name_nearly(&mut self, words: &RegionWords, texts: &mut Interned) {
        let streets = (0..).zip(&self.streets).map(|(at, street)| (Site::Street(at), street.key, street.name));
        let estates = (0..).zip(&self.estates).map(|(at, estate)| {
            let house = self.places[estate.first as usize] as usize;
            (Site::Estate(at), estate.key, self.houses[house].place)
        });
        let mut near = Vec::new();
        for (site, own, name) in streets.chain(estates) {
            let (own, name) = (texts.texts.of(own).to_owned(), texts.texts.of(name).to_owned());
            let behind = words.behind_short(&name);
            if behind.len() < name.len() {
                near.push(Near { text: texts.add(&key(behind)), site, how: How::Short });
            }
            if let (Site::Street(_), Some(behind)) = (site, behind_area(&name)) {
                near.push(Near { text: texts.add(&key(behind)), site, how: How::Area });
            }
            let loose = loose(&name);
            if loose != own {
                near.push(Near { text: texts.add(&loose), site, how: How::Loose });
            }
        }
        near.sort_by(|a, b| texts.texts.of(a.text).cmp(texts.texts.of(b.text)).then(a.site.cmp(&b.site)));
        self.near = near;
    }

    /// Houses with a name of their own, by its key.
    fn by_name(&self, texts: &mut Interned) -> Vec<(Text, u32)> {
        let mut keys: HashMap<Text, Text> = HashMap::new();
        let mut found: Vec<(Text, u32)> = Vec::new();
        for (at, house) in (0..).zip(&self.houses).filter(|(_, house)| house.name != Text::default()) {
            let key = *keys.entry(house.name).or_insert_with(|| {
                let key = key(&clean(texts.texts.of(house.name)));
                texts.add(&key)
            });
            found.push((key, at));
        }
        found.sort_by(|a, b| texts.texts.of(a.0).cmp(texts.texts.of(b.0)).then(a.1.cmp(&b.1)));
        found.shrink_to_fit();
        found
    }
}

/// A street's name behind that of the area it is in: 解放路 of 工业园区解放路.
fn behind_area(name: &str) -> Option<&str> {
    let ends = name.char_indices().map(|(at, _)| at).skip(2);
    let behind = ends.filter_map(|at| name.split_at_checked(at)).filter(|(area, _)| AREAS.iter().any(|end| area.ends_with(end)));
    let streets = behind.map(|(_, street)| street).filter(|street| street.chars().nth(2).is_some() && is_way(street));
    streets.last()
}

fn draft(row: AddressRow, words: &RegionWords, texts: &mut Interned, spoken: &mut HashMap<Box<str>, usize>) -> Draft {
    let text = clean(&row.text);
    let Apart { prefix, street, parsed, spoken: said, .. } = apart(&text, words);
    for word in said {
        match spoken.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(spoken.insert(word.into(), 1)),
        }
    }
    Draft {
        key: texts.add(&key(street)),
        street: texts.add(street),
        cluster: 0,
        house: House {
            id: row.id,
            text: texts.push(&row.text),
            at: row.at.unwrap_or(NOWHERE),
            parts: parsed.parts,
            place: texts.add(parsed.place),
            tail: texts.add(&parsed.tail),
            prefix: texts.add(prefix),
            name: texts.add(&row.name),
        },
        within: row.within.filter(|_| row.at.is_none()),
    }
}

/// The place of each key among all keys.
fn ranks(drafts: &[Draft], texts: &Texts) -> Vec<u32> {
    let mut keys: Vec<Text> = drafts.iter().map(|draft| draft.key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.sort_unstable_by(|a, b| texts.of(*a).cmp(texts.of(*b)));
    let mut ranks = vec![0; texts.starts.len()];
    for (rank, key) in (0..).zip(keys) {
        ranks[key.0 as usize] = rank;
    }
    ranks
}

/// Numbers houses of one name: those in cells that touch each other have one. Houses without a position go by their region.
fn clusters<'h>(houses: impl Iterator<Item = (Option<LatticePoint>, Option<&'h Code>)> + Clone) -> Vec<u32> {
    let cell = |at: Option<LatticePoint>| at.map(|at| (at.x.div_euclid(CELL), at.y.div_euclid(CELL)));
    let mut cells: BTreeMap<(i32, i32), Option<u32>> =
        houses.clone().filter_map(|(at, _)| cell(at)).map(|cell| (cell, None)).collect();
    let mut count = 0;
    for start in cells.keys().copied().collect::<Vec<_>>() {
        if cells[&start].is_some() {
            continue;
        }
        let mut open = vec![start];
        while let Some((x, y)) = open.pop() {
            let Some(own @ None) = cells.get_mut(&(x, y)) else { continue };
            *own = Some(count);
            open.extend((-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy))));
        }
        count += 1;
    }
    let mut regions: BTreeMap<&Code, u32> =
        houses.clone().filter(|(at, _)| at.is_none()).filter_map(|(_, code)| code).map(|code| (code, 0)).collect();
    for (number, at) in (count..).zip(regions.values_mut()) {
        *at = number;
    }
    let number = |(at, within): (Option<LatticePoint>, Option<&Code>)| match (cell(at), within) {
        (Some(cell), _) => cells[&cell].unwrap_or_default(),
        (None, Some(code)) => regions[code],
        (None, None) => count + regions.len() as u32,
    };
    houses.map(number).collect()
}
